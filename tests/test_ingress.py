"""Delivery by Ingresses: all traffic goes to one colour, and the scripts flip it as safely as they shift weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from devops_tasks.checks.cluster import read_cluster
from devops_tasks.checks.commands import check_steps, check_traffic
from devops_tasks.checks.documents import read_documents
from devops_tasks.checks.objects import check_objects
from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files
from tests import tools
from tests.bundles import load_text, render_bundle
from tests.cluster import Machine, machine
from tests.manifests import End, allowed, build, objects, of_kind
from tests.specs import MINIMAL

TEXT = f"""{MINIMAL}
services:
  - {{name: shop-api, host: shop.example.com, path: /api}}
  - {{name: shop-web, kind: web, host: shop.example.com}}
  - {{name: indexer, kind: worker}}
databases: []
caches: []
delivery: {{pause: 1s}}
platform:
  routing: ingress
  ingress_class: traefik
  ingress_namespace: ingress-system
  tls_issuer: letsencrypt
"""
FILES = render_bundle(load_text(TEXT))
STATES = ("delivery/traffic/green-000.yml", "delivery/traffic/green-100.yml")


# The states


def test_there_are_two_states_and_one_step() -> None:
    assert [path for path in FILES if "/traffic/" in path] == list(STATES)
    assert [step["weight"] for step in plan_bundle(load_text(TEXT).spec)["steps"]] == [0, 100]
    assert "\n0 | 100) ;;\n" in FILES["delivery/shift-traffic.sh"]
    assert "\nshares=(100)\n" in FILES["delivery/watch-rollout.sh"]
    assert re.findall(r"Switch (\d+)% of traffic", FILES["tasks.md"]) == ["100"]


@pytest.mark.parametrize(("path", "colour"), [(STATES[0], "blue"), (STATES[1], "green")])
def test_each_state_leads_every_public_service_to_one_colour(path: str, colour: str) -> None:
    routes = list(yaml.safe_load_all(FILES[path]))
    assert [route["metadata"]["name"] for route in routes] == ["shop-api", "shop-web"]
    for route, prefix in zip(routes, ("/api", "/"), strict=True):
        assert (route["apiVersion"], route["kind"]) == ("networking.k8s.io/v1", "Ingress")
        assert route["spec"]["ingressClassName"] == "traefik"
        backend = {"service": {"name": f"{route['metadata']['name']}-{colour}", "port": {"number": 3000}}}
        paths = [{"path": prefix, "pathType": "Prefix", "backend": backend}]
        assert route["spec"]["rules"] == [{"host": "shop.example.com", "http": {"paths": paths}}]


def test_the_ingresses_of_a_host_use_the_certificate_that_is_issued_for_it() -> None:
    found = objects(build(FILES, "production"))
    (certificate,) = of_kind(found, "Certificate")
    assert certificate["spec"]["dnsNames"] == ["shop.example.com"]
    for route in yaml.safe_load_all(FILES[STATES[0]]):
        assert route["spec"]["tls"] == [
            {"hosts": ["shop.example.com"], "secretName": certificate["spec"]["secretName"]}
        ]
    assert of_kind(found, "ReferenceGrant", "Ingress", "HTTPRoute") == []


def test_without_an_issuer_no_certificate_is_named() -> None:
    files = render_bundle(load_text(TEXT.replace("  tls_issuer: letsencrypt\n", "")))
    assert all("tls" not in route["spec"] for route in yaml.safe_load_all(files[STATES[0]]))


@pytest.mark.real
@pytest.mark.parametrize("version", ["1.29", "1.37"])
@pytest.mark.parametrize("path", STATES)
def test_every_version_takes_the_states(path: str, version: str) -> None:
    assert tools.kubernetes_validate(FILES[path], version) == ""


def test_the_controller_s_pods_reach_the_service_and_others_do_not() -> None:
    found = objects(build(FILES, "production"))
    pods = {"app.kubernetes.io/name": "shop-api"}
    for end, there in ((End("10.1.1.1", "ingress-system"), True), (End("10.1.1.2", "default"), False),
                       (End("192.168.1.1"), False)):  # fmt: skip
        assert allowed(found, pods, "ingress", end, ("TCP", 3000)) is there


def test_a_controller_that_nobody_has_named_is_undecided_and_no_silent_denial() -> None:
    text = TEXT.replace("  ingress_namespace: ingress-system\n", "").replace("  ingress_class: traefik\n", "")
    files, plan = render_bundle(load_text(text)), plan_bundle(load_text(text).spec)
    keys = {each["key"] for each in plan["undecided"]}
    assert {"platform.ingress_class", "platform.ingress_namespace", "platform.load_balancer.cidr"} <= keys
    assert "platform.gateway" not in keys
    assert "ingressClassName: undecided" in files[STATES[0]]
    found = objects(build(files, "production"))
    assert allowed(found, {"app.kubernetes.io/name": "shop-api"}, "ingress", End("10.1.1.1"), ("TCP", 3000))


def test_nothing_speaks_of_gateways_or_weights_to_people() -> None:
    pages = {path: text for path, text in FILES.items() if path.endswith(".md")}
    assert [
        path for path, text in pages.items() if re.search(r"Gateway|HTTPRoute|httproute|\bweights of\b", text)
    ] == []


# The scripts


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Machine]:
    for path, text in FILES.items():
        if path.startswith("delivery/"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
            (tmp_path / path).chmod(0o755)
    with machine(tmp_path) as here:
        here.cluster.add_flipped("shop-api", blue=5, green=3)
        here.cluster.add_flipped("shop-web")
        yield here


def backends(shop: Machine) -> list[str]:
    return [shop.cluster.backend(name) for name in ("shop-api", "shop-web")]


def script(shop: Machine, name: str) -> Path:
    return shop.folder / "delivery" / name


BLUE, GREEN = ["shop-api-blue", "shop-web-blue"], ["shop-api-green", "shop-web-green"]


@pytest.mark.real
def test_every_script_is_clean(shop: Machine) -> None:
    for path in (shop.folder / "delivery").glob("*.sh"):
        assert tools.shellcheck(path) + tools.shfmt(path) == ""


@pytest.mark.real
def test_a_flip_moves_every_public_service_and_back(shop: Machine) -> None:
    done = shop.run(script(shop, "shift-traffic.sh"), "--yes", "100")
    assert (done.returncode, backends(shop)) == (0, GREEN), done.stderr
    assert shop.cluster.replicas("shop-api-green") == 5
    done = shop.run(script(shop, "shift-traffic.sh"), "--yes", "0")
    assert (done.returncode, backends(shop)) == (0, BLUE), done.stderr


@pytest.mark.real
@pytest.mark.parametrize("arguments", [("--dry-run", "100"), ("100",), ("--yes", "50")], ids=" ".join)
def test_nothing_moves_without_consent_or_by_halves(shop: Machine, arguments: tuple[str, ...]) -> None:
    shop.run(script(shop, "shift-traffic.sh"), *arguments)
    assert shop.cluster.events == []


@pytest.mark.real
def test_a_colour_without_ready_pods_gets_no_traffic(shop: Machine) -> None:
    shop.cluster.broken.add("shop-web-green")
    done = shop.run(script(shop, "shift-traffic.sh"), "--yes", "100", DEADLINE="1")
    assert (done.returncode, backends(shop)) == (1, BLUE)
    assert "shop-web-green has 0 of 3 pods ready: no traffic was moved" in done.stderr


@pytest.mark.real
def test_a_flip_gives_way_to_somebody_else_and_takes_back_what_it_moved(shop: Machine) -> None:
    def change(resource: str, name: str) -> None:
        if (resource, name) == ("ingresses", "shop-web"):
            shop.cluster.flip(name, "red")

    shop.cluster.before_patch = change
    done = shop.run(script(shop, "shift-traffic.sh"), "--yes", "100")
    assert done.returncode == 1
    assert "shop-web: the server refused" in done.stderr
    assert backends(shop) == ["shop-api-blue", "shop-web-red"]


@pytest.mark.real
@pytest.mark.parametrize("name", ["shift-traffic.sh", "rollback.sh"])
def test_an_ingress_that_leads_elsewhere_is_left_alone(shop: Machine, name: str) -> None:
    shop.cluster.flip("shop-web", "red")
    done = shop.run(script(shop, name), "--yes", *(["100"] if name == "shift-traffic.sh" else []))
    assert (done.returncode, shop.cluster.events) == (1, [])
    assert "shop-web: the route has other backends: shop-web-red" in done.stderr


@pytest.mark.real
def test_a_rollback_gives_blue_everything_and_wins_against_a_flip_at_the_same_moment(shop: Machine) -> None:
    for name in ("shop-api", "shop-web"):
        shop.cluster.flip(name, "green")
    shop.cluster.before_patch = lambda resource, name: (
        shop.cluster.flip(name, "green") if resource == "ingresses" else None
    )
    done = shop.run(script(shop, "rollback.sh"), "--yes")
    assert (done.returncode, backends(shop)) == (0, BLUE), done.stderr
    assert "shop-web-blue answers on /readyz" in done.stderr


@pytest.mark.real
def test_a_rollback_to_a_colour_without_pods_is_refused(shop: Machine) -> None:
    shop.cluster.flip("shop-api", "green")
    shop.cluster.broken.add("shop-web-blue")
    done = shop.run(script(shop, "rollback.sh"), "--yes", DEADLINE="1")
    assert (done.returncode, backends(shop)) == (1, ["shop-api-green", "shop-web-blue"])


@pytest.mark.real
def test_the_pipeline_does_not_begin_while_green_serves(shop: Machine) -> None:
    steps = yaml.safe_load(FILES["delivery/pipeline.yml"])["jobs"]["production"]["steps"]
    (begin,) = (step["run"] for step in steps if step.get("name") == "See that green is idle")
    path = shop.folder / "begin.sh"
    path.write_text(f"set -euo pipefail\n{begin}")
    assert shop.run(path).returncode == 0
    shop.cluster.flip("shop-web", "green")
    done = shop.run(path)
    assert (done.returncode, done.stderr) == (1, "shop-web leads to shop-web-green\n")


# What check finds


def found(files: Files) -> list[str]:
    cluster = read_cluster(read_documents(files)[0])
    return [
        problem.what
        for problem in (*check_objects(cluster), *check_traffic(cluster), *check_steps(files, [0, 100], [0, 100]))
    ]


def test_a_bundle_with_ingresses_has_no_finding() -> None:
    assert found(FILES) == []


@pytest.mark.parametrize(
    ("path", "right", "wrong", "what"),
    [
        (STATES[1], "name: shop-api-green", "name: shop-api-blue",
         "Ingress shop-api leads to shop-api-blue, and the file is called green-100"),
        (STATES[0], "name: shop-api-blue", "name: shop-apis-blue",
         "Ingress shop-api leads to Service shop-apis-blue, which the bundle does not have"),
        (STATES[0], "number: 3000", "number: 3001",
         "Ingress shop-api leads to port 3001, which Service shop-api-blue does not have"),
        ("delivery/shift-traffic.sh", "0 | 100) ;;", "0 | 50 | 100) ;;",
         "the steps here are 0, 50, 100, and delivery.steps makes them 0, 100"),
    ],
    ids=["the wrong colour", "no Service", "no port", "another step"],
)  # fmt: skip
def test_an_edit_that_contradicts_is_found(path: str, right: str, wrong: str, what: str) -> None:
    assert right in FILES[path]
    assert found(FILES | {path: FILES[path].replace(right, wrong, 1)}) == [what]


def test_a_port_may_go_by_its_name() -> None:
    assert found(FILES | {STATES[0]: FILES[STATES[0]].replace("number: 3000", "name: http")}) == []
