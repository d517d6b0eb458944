"""Delivery: route states, the pipeline, and the scripts, run with the real kubectl against a small cluster."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files
from tests import tools
from tests.bundles import load_text, render_bundle
from tests.cluster import Machine, machine
from tests.specs import MINIMAL

TWO_SERVICES = f"""{MINIMAL}
services:
  - {{name: shop-api, host: shop.example.com, path: /api, health: {{port: 8081}}}}
  - {{name: shop-web, kind: web, host: shop.example.com}}
  - {{name: indexer, kind: worker}}
databases: []
caches: []
delivery: {{steps: [25%, 100%], pause: 2s}}
"""
WORKER = f"""{MINIMAL}
services: [{{name: indexer, kind: worker}}]
databases: []
caches: []
"""
BUNDLES = {
    "minimal": MINIMAL,
    "two services and a worker": TWO_SERVICES,
    "a worker alone": WORKER,
    "a worker alone, by GitLab": WORKER + "platform: {pipeline: gitlab-ci}\n",
    "two services, by Argo Rollouts": TWO_SERVICES.replace("pause: 2s", "pause: 5m")
    + "platform: {rollout: argo-rollouts}\n",
    "one service, by Argo Rollouts, Ingresses and GitLab": MINIMAL
    + "platform: {rollout: argo-rollouts, routing: ingress, pipeline: gitlab-ci}\n",
    "two services, by GitLab": TWO_SERVICES + "platform: {pipeline: gitlab-ci}\n",
}
SCRIPTS = ("rollback.sh", "shift-traffic.sh", "smoke-test.sh", "watch-rollout.sh")


def bundle(text: str) -> Files:
    return render_bundle(load_text(text))


def write(files: Files, folder: Path) -> Path:
    for path, text in files.items():
        if path.startswith("delivery/"):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            target.chmod(0o755)
    return folder / "delivery"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Machine]:
    """A machine at a cluster in which blue of both services has all traffic; the scripts are in its folder."""
    write(bundle(TWO_SERVICES), tmp_path)
    with machine(tmp_path) as here:
        here.cluster.add_service("shop-api", blue=5, green=3)
        here.cluster.add_service("shop-web", blue=3, green=3)
        yield here


def weights(shop: Machine) -> list[tuple[int, int]]:
    return [shop.cluster.weights(name) for name in ("shop-api", "shop-web")]


def script(shop: Machine, name: str, *faults: tuple[str, str]) -> Path:
    """Give a script, with a fault put back where one is asked for."""
    path = shop.folder / "delivery" / name
    text = path.read_text()
    for right, wrong in faults:
        assert right in text, right
        text = text.replace(right, wrong)
    path.write_text(text)
    return path


# The scripts as text


@pytest.mark.real
@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_every_script_is_clean(text: str, tmp_path: Path) -> None:
    for path in write(bundle(text), tmp_path).glob("*.sh"):
        assert tools.shellcheck(path) == ""
        assert tools.shfmt(path) == ""


@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_every_script_begins_with_its_shebang_and_stops_at_the_first_fault(text: str) -> None:
    for path, content in bundle(text).items():
        if path.endswith(".sh"):
            assert content.startswith("#!/usr/bin/env bash\n#"), path
            assert "\nset -Eeuo pipefail\n" in content, path


@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_no_script_sleeps_but_in_a_loop_that_looks(text: str) -> None:
    for path, content in bundle(text).items():
        if path.endswith(".sh"):
            assert idle_sleeps(content) == [], path


def test_a_sleep_outside_of_a_loop_is_found() -> None:
    assert idle_sleeps("echo waiting\nsleep 30\n") == ["sleep 30"]


def idle_sleeps(text: str) -> list[str]:
    depth, found = 0, []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["sleep"] and depth == 0:
            found.append(line.strip())
        depth += (words[:1] in (["while"], ["for"])) - (words[:1] == ["done"])
    return found


# The routes


def test_each_step_is_a_state_with_both_backends_and_the_first_is_the_rollback() -> None:
    files = bundle(TWO_SERVICES)
    states = {path: list(yaml.safe_load_all(text)) for path, text in files.items() if "/traffic/" in path}
    assert list(states) == [f"delivery/traffic/green-{share}.yml" for share in ("000", "025", "100")]
    for path, routes in states.items():
        share = int(path[-7:-4])
        assert [route["metadata"]["name"] for route in routes] == ["shop-api", "shop-web"]
        for route in routes:
            assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
            name = route["metadata"]["name"]
            assert route["spec"]["rules"][0]["backendRefs"] == [
                {"name": f"{name}-blue", "port": 3000, "weight": 100 - share},
                {"name": f"{name}-green", "port": 3000, "weight": share},
            ]


def test_a_route_matches_its_service_s_host_and_path() -> None:
    route = next(yaml.safe_load_all(bundle(TWO_SERVICES)["delivery/traffic/green-000.yml"]))
    assert route["spec"]["hostnames"] == ["shop.example.com"]
    assert route["spec"]["rules"][0]["matches"] == [{"path": {"type": "PathPrefix", "value": "/api"}}]
    assert route["spec"]["parentRefs"][0]["name"] == "undecided"


def test_the_steps_of_plan_files_and_scripts_are_the_same() -> None:
    plan = plan_bundle(load_text(TWO_SERVICES).spec)
    files = bundle(TWO_SERVICES)
    assert [step["weight"] for step in plan["steps"]] == [0, 25, 100]
    assert "\n0 | 25 | 100) ;;\n" in files["delivery/shift-traffic.sh"]
    assert "\nshares=(25 100)\n" in files["delivery/watch-rollout.sh"]


def test_workers_alone_have_no_traffic_to_shift() -> None:
    delivery = [path for path in bundle(WORKER) if path.startswith("delivery/")]
    assert delivery == ["delivery/pipeline.yml", "delivery/rollback.sh", "delivery/smoke-test.sh",
                        "delivery/watch-rollout.sh"]  # fmt: skip


# Shifting traffic


@pytest.mark.real
def test_a_shift_moves_every_public_service_and_reads_back(shop: Machine) -> None:
    done = shop.run(script(shop, "shift-traffic.sh"), "--yes", "25")
    assert done.returncode == 0, done.stderr
    assert weights(shop) == [(75, 25), (75, 25)]


@pytest.mark.real
def test_a_shift_first_gives_the_colour_as_many_pods_as_the_other_has(shop: Machine) -> None:
    assert shop.run(script(shop, "shift-traffic.sh"), "--yes", "25").returncode == 0
    assert shop.cluster.replicas("shop-api-green") == 5
    assert shop.cluster.objects["horizontalpodautoscalers", "shop-api-green"]["spec"]["minReplicas"] == 5


@pytest.mark.real
@pytest.mark.parametrize("arguments", [("--yes",), ("--yes", "26"), ("--force", "25")], ids=" ".join)
def test_a_shift_to_no_step_is_refused(shop: Machine, arguments: tuple[str, ...]) -> None:
    assert shop.run(script(shop, "shift-traffic.sh"), *arguments).returncode == 1
    assert shop.cluster.events == []


@pytest.mark.real
@pytest.mark.parametrize("name", ["shift-traffic.sh", "rollback.sh"])
def test_nothing_is_changed_off_a_terminal_without_yes(shop: Machine, name: str) -> None:
    done = shop.run(script(shop, name), *(["25"] if name == "shift-traffic.sh" else []))
    assert (done.returncode, shop.cluster.events) == (1, [])
    assert "--yes" in done.stderr


@pytest.mark.real
@pytest.mark.parametrize("name", ["shift-traffic.sh", "rollback.sh"])
def test_a_dry_run_says_what_it_would_do_and_changes_nothing(shop: Machine, name: str) -> None:
    done = shop.run(script(shop, name), "--dry-run", *(["25"] if name == "shift-traffic.sh" else []))
    assert (done.returncode, shop.cluster.events) == (0, [])
    assert "shop-api" in done.stderr


@pytest.mark.real
@pytest.mark.parametrize("name", ["KUBE_CONTEXT", "NAMESPACE"])
@pytest.mark.parametrize("file", SCRIPTS)
def test_a_script_refuses_to_guess_the_cluster(shop: Machine, file: str, name: str) -> None:
    arguments = {"shift-traffic.sh": ["25"], "smoke-test.sh": ["blue"]}.get(file, [])
    done = shop.run(script(shop, file), *arguments, PROMETHEUS_URL="http://127.0.0.1:9", **{name: ""})
    assert done.returncode != 0
    assert f"{name}: name the" in done.stderr
    assert not (shop.folder / "calls").exists()


def unplaced(calls: list[str]) -> list[str]:
    """List the calls of kubectl that do not say where, or might wait for ever."""
    return [
        call for call in calls if not all(flag in call for flag in ("--context ", "--namespace ", "--request-timeout "))
    ]


@pytest.mark.real
def test_every_call_of_kubectl_says_where_and_ends(shop: Machine) -> None:
    assert shop.run(script(shop, "shift-traffic.sh"), "--yes", "100").returncode == 0
    assert shop.run(script(shop, "rollback.sh"), "--yes").returncode == 0
    assert len(shop.calls()) > 10
    assert unplaced(shop.calls()) == []


@pytest.mark.real
def test_a_call_without_its_namespace_is_found(shop: Machine) -> None:
    faulty = script(shop, "shift-traffic.sh", ('--namespace "${NAMESPACE}" ', ""))
    shop.run(faulty, "--yes", "25")
    assert unplaced(shop.calls()) != []


@pytest.mark.real
def test_a_command_that_is_missing_is_named_before_anything_is_done(shop: Machine) -> None:
    done = shop.run(script(shop, "watch-rollout.sh", ("need kubectl", "need no-such-command kubectl")),
                    "--yes", PROMETHEUS_URL="http://127.0.0.1:9")  # fmt: skip
    assert "the command no-such-command is not installed" in done.stderr
    assert not (shop.folder / "calls").exists()


def somebody_else(shop: Machine) -> None:
    """Let somebody move the traffic of the second service just before our patch arrives."""

    def change(resource: str, name: str) -> None:
        if (resource, name) == ("httproutes", "shop-web"):
            shop.cluster.set_weights(name, 40, 60)

    shop.cluster.before_patch = change


@pytest.mark.real
def test_a_shift_gives_way_to_somebody_else_and_takes_back_what_it_moved(shop: Machine) -> None:
    somebody_else(shop)
    done = shop.run(script(shop, "shift-traffic.sh"), "--yes", "25")
    assert done.returncode == 1
    assert "shop-web: the server refused" in done.stderr
    assert weights(shop) == [(100, 0), (40, 60)]


@pytest.mark.real
def test_without_the_guard_somebody_else_would_be_overruled(shop: Machine) -> None:
    guards = [(f' {{"op": "test", "path": "${{rule}}/{n}/weight", "value": ${{old_{colour}}}}},\n', "")
              for n, colour in enumerate(("blue", "green"))]  # fmt: skip
    somebody_else(shop)
    assert shop.run(script(shop, "shift-traffic.sh", *guards), "--yes", "25").returncode == 0
    assert weights(shop) == [(75, 25), (75, 25)]


@pytest.mark.real
def test_a_route_with_other_backends_is_left_alone(shop: Machine) -> None:
    backends = shop.cluster.objects["httproutes", "shop-web"]["spec"]["rules"][0]["backendRefs"]
    backends.reverse()
    assert shop.run(script(shop, "shift-traffic.sh"), "--yes", "25").returncode == 1
    assert shop.cluster.events == []


@pytest.mark.real
def test_a_colour_without_ready_pods_gets_no_traffic(shop: Machine) -> None:
    shop.cluster.broken.add("shop-web-green")
    done = shop.run(script(shop, "shift-traffic.sh"), "--yes", "25", DEADLINE="1")
    assert done.returncode == 1
    assert "shop-web-green has 0 of 3 pods ready: no traffic was moved" in done.stderr
    assert weights(shop) == [(100, 0), (100, 0)]


# Rolling back


@pytest.mark.real
def test_a_rollback_gives_blue_everything_and_asks_whether_it_answers(shop: Machine) -> None:
    for name in ("shop-api", "shop-web"):
        shop.cluster.set_weights(name, 0, 100)
    done = shop.run(script(shop, "rollback.sh"), "--yes")
    assert done.returncode == 0, done.stderr
    assert weights(shop) == [(100, 0), (100, 0)]
    assert "shop-web-blue answers on /readyz" in done.stderr


@pytest.mark.real
def test_a_rollback_brings_a_blue_back_that_was_scaled_to_nothing(shop: Machine) -> None:
    shop.cluster.scale("shop-api-blue", 0)
    shop.cluster.scale("shop-api-green", 6)
    assert shop.run(script(shop, "rollback.sh"), "--yes").returncode == 0
    assert shop.cluster.replicas("shop-api-blue") == 6


@pytest.mark.real
def test_a_rollback_to_a_colour_without_pods_is_refused(shop: Machine) -> None:
    shop.cluster.set_weights("shop-api", 50, 50)
    shop.cluster.broken.add("shop-web-blue")
    done = shop.run(script(shop, "rollback.sh"), "--yes", DEADLINE="1")
    assert done.returncode == 1
    assert "shop-web-blue has no ready pod: no traffic was moved" in done.stderr
    assert weights(shop) == [(50, 50), (100, 0)]


@pytest.mark.real
def test_without_the_refusal_users_would_be_sent_to_nobody(shop: Machine) -> None:
    shop.cluster.set_weights("shop-web", 50, 50)
    shop.cluster.broken.add("shop-web-blue")
    faulty = script(shop, "rollback.sh", ("((blue > 0)) || die", "((blue > 0)) || log"))
    shop.run(faulty, "--yes", DEADLINE="1")
    assert shop.cluster.weights("shop-web") == (100, 0)


@pytest.mark.real
def test_a_rollback_wins_against_a_shift_at_the_same_moment(shop: Machine) -> None:
    somebody_else(shop)
    assert shop.run(script(shop, "rollback.sh"), "--yes").returncode == 0
    assert weights(shop) == [(100, 0), (100, 0)]


@pytest.mark.real
@pytest.mark.parametrize(
    "fault", [(), (' || log "warning: nobody was notified"', "")], ids=["as it is", "with the fault"]
)
def test_that_nobody_can_be_notified_does_not_change_the_outcome(
    shop: Machine, fault: tuple[str, str] | tuple[()]
) -> None:
    faults = [(fault[0], fault[1])] if fault else []
    done = shop.run(script(shop, "rollback.sh", *faults), "--yes", NOTIFY_URL="http://127.0.0.1:9/hook")
    assert weights(shop) == [(100, 0), (100, 0)]
    assert (done.returncode == 0) is not bool(fault)


@pytest.mark.real
@pytest.mark.parametrize("fault", [(), ('"${here}/smoke-test.sh" blue\n', "")], ids=["as it is", "with the fault"])
def test_a_blue_that_answers_errors_is_no_success(shop: Machine, fault: tuple[str, str] | tuple[()]) -> None:
    shop.cluster.not_answering.add("shop-api-blue")
    faults = [(fault[0], fault[1])] if fault else []
    done = shop.run(script(shop, "rollback.sh", *faults), "--yes", DEADLINE="1")
    assert (done.returncode != 0) is not bool(fault)


@pytest.mark.real
def test_only_routes_and_sizes_are_changed_never_a_service_s_selector(shop: Machine) -> None:
    assert shop.run(script(shop, "shift-traffic.sh"), "--yes", "100").returncode == 0
    assert shop.run(script(shop, "rollback.sh"), "--yes").returncode == 0
    changes = [call for call in shop.calls() if re.search(r" (patch|apply|edit|delete|replace) ", call)]
    assert changes
    assert all(re.search(r" patch (httproute|horizontalpodautoscaler)", call) for call in changes)


# Watching


class Prometheus:
    """What a Prometheus says: the state of the one rollback criterion, and how many services are scraped."""

    def __init__(self) -> None:
        self.state: Callable[[], str] = lambda: "inactive"
        self.scraped = 2
        self.labels = {"guardrail": "rollback", "service": "shop-api"}
        self.name = "ShopApiRollback"
        self.url = ""

    def answer(self, path: str) -> dict[str, Any]:
        if path.startswith("/api/v1/rules"):
            state = self.state()
            if not state:
                return {}
            rule = {
                "type": "alerting",
                "name": self.name,
                "state": state,
                "health": "ok",
                "labels": self.labels,
            }
            return {"status": "success", "data": {"groups": [{"rules": [rule]}]}}
        return {"status": "success", "data": {"result": [{"value": [0, str(self.scraped)]}]}}


@contextmanager
def serving(prometheus: Prometheus) -> Iterator[Prometheus]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = json.dumps(prometheus.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_arguments: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    prometheus.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield prometheus
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    with serving(Prometheus()) as started:
        yield started


def watch(shop: Machine, prometheus: Prometheus, *arguments: str) -> subprocess.CompletedProcess[str]:
    return shop.run(script(shop, "watch-rollout.sh"), "--yes", *arguments, PROMETHEUS_URL=prometheus.url,
                    PAUSE="1", EVERY="0.3", LOST="2")  # fmt: skip


@pytest.mark.real
def test_a_healthy_release_goes_through_all_steps(shop: Machine, prometheus: Prometheus) -> None:
    done = watch(shop, prometheus)
    assert done.returncode == 0, done.stderr
    assert weights(shop) == [(0, 100), (0, 100)]
    assert re.findall(r"shop-api-blue (\d+) ", done.stderr) == ["75", "0"]


@pytest.mark.real
@pytest.mark.parametrize("share", [25, 100])
def test_a_criterion_that_fires_rolls_back(shop: Machine, prometheus: Prometheus, share: int) -> None:
    prometheus.state = lambda: "firing" if shop.cluster.weights("shop-web")[1] == share else "inactive"
    done = watch(shop, prometheus)
    assert done.returncode == 1
    assert "broken: ShopApiRollback" in done.stderr
    assert f"shop-web-green {share}" in done.stderr
    assert weights(shop) == [(100, 0), (100, 0)]


@pytest.mark.real
def test_a_step_lasts_while_a_criterion_waits_out_its_time(shop: Machine, prometheus: Prometheus) -> None:
    states = ["inactive", *["pending"] * 12, "inactive"]
    prometheus.state = lambda: states.pop(0) if states else "inactive"
    done = watch(shop, prometheus)
    assert done.returncode == 0
    before, _, _ = done.stderr.partition("shop-api-blue 0 ")
    assert before.count("pending: ShopApiRollback") == 12


@pytest.mark.real
def test_a_prometheus_that_falls_silent_rolls_back(shop: Machine) -> None:
    with serving(Prometheus()) as prometheus:
        prometheus.state = lambda: "inactive" if weights(shop) == [(100, 0), (100, 0)] else ""
        done = watch(shop, prometheus)
    assert done.returncode == 1
    assert "lost: " in done.stderr
    assert weights(shop) == [(100, 0), (100, 0)]


@pytest.mark.real
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"state": lambda: "firing"}, "broken: ShopApiRollback"),
        ({"labels": {"guardrail": "rollback", "service": "another"}}, "no rollback criterion is loaded"),
        ({"scraped": 1}, "1 of 2 services are scraped"),
        ({"url": "http://127.0.0.1:9"}, "lost: "),
    ],
    ids=["a criterion fires already", "no rule is loaded", "green is not scraped", "no Prometheus"],
)
def test_a_release_that_cannot_be_judged_does_not_begin(
    shop: Machine, prometheus: Prometheus, change: dict[str, Any], why: str
) -> None:
    for name, value in change.items():
        setattr(prometheus, name, value)
    done = watch(shop, prometheus)
    assert done.returncode == 1
    assert why in done.stderr
    assert shop.cluster.events == []


# The pipeline


@pytest.mark.real
@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_the_pipeline_is_what_its_platform_reads(text: str, tmp_path: Path) -> None:
    path = write(bundle(text), tmp_path) / "pipeline.yml"
    schema = "gitlab-ci" if "gitlab" in text else "github-workflows"
    assert tools.workflow_check(path, schema) == ""  # type: ignore[arg-type]
    assert tools.yaml_lint(path) == ""
    where = ".gitlab-ci.yml" if "gitlab" in text else ".github/workflows/saved-reports.yml"
    assert where in path.read_text().splitlines()[0]


GIVEN = "export BUNDLE=. RUNNER_TEMP=. GITHUB_ENV=. KUBECONFIG_TEXT=."
"""What a pipeline's platform sets before a step runs."""


def commands(pipeline: dict[str, Any]) -> Iterator[str]:
    """Give the shell of every step."""
    for job in pipeline.get("jobs", pipeline).values():
        if isinstance(job, dict):
            yield from (step["run"] for step in job.get("steps", []) if "run" in step)
            yield from (line for line in job.get("script", []) if isinstance(line, str))


@pytest.mark.real
@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_the_shell_of_the_pipeline_is_clean(text: str, tmp_path: Path) -> None:
    found = list(commands(yaml.safe_load(bundle(text)["delivery/pipeline.yml"])))
    assert len(found) >= 5
    for number, shell in enumerate(found):
        path = tmp_path / f"step-{number}.sh"
        path.write_text(f"#!/usr/bin/env bash\nset -eo pipefail\n{GIVEN}\n{shell}\n")
        assert tools.shellcheck(path) == "", shell


def test_the_workflow_has_no_more_rights_than_reading_and_pins_its_actions() -> None:
    workflow = yaml.safe_load(bundle(MINIMAL)["delivery/pipeline.yml"])
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values())
    used = [step for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/checkout@[0-9a-f]{40}", step["uses"]) for step in used)
    assert all(step["with"] == {"persist-credentials": False} for step in used)


def test_no_expression_of_the_workflow_stands_inside_shell() -> None:
    workflow = yaml.safe_load(bundle(MINIMAL)["delivery/pipeline.yml"])
    assert not any("${{" in shell for shell in commands(workflow))


@pytest.mark.parametrize("platform", ["github-actions", "gitlab-ci"])
def test_a_release_goes_through_staging_green_the_steps_and_the_promotion(platform: str) -> None:
    text = bundle(TWO_SERVICES + f"platform: {{pipeline: {platform}}}\n")["delivery/pipeline.yml"]
    order = [
        "overlays/staging", "colour!=blue,app.kubernetes.io/component!=worker", "delivery/smoke-test.sh green",
        "delivery/watch-rollout.sh --yes", "delivery/rollback.sh --yes", "delivery/shift-traffic.sh --yes 0",
    ]  # fmt: skip
    places = [text.rindex(words) for words in order]
    assert places == sorted(places)
