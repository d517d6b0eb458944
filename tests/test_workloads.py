"""What is planned of workloads and network: names, ports, sizes, the table of resources, the ends of flows."""

from __future__ import annotations

from typing import Any

import pytest

from devops_tasks.errors import UserError
from devops_tasks.plan.network import Flow, plan_flows
from devops_tasks.plan.undecided import plan_undecided
from devops_tasks.plan.workloads import Workloads, plan_workloads
from devops_tasks.spec import Spec
from devops_tasks.specfile import load_spec, override, parse_spec
from tests.specs import MINIMAL

SERVICE = "services=[{name: api}]"


def _spec(*assignments: str) -> Spec:
    return load_spec(override(parse_spec(MINIMAL, "spec.yaml"), (SERVICE, *assignments))).spec


def _plan(*assignments: str) -> Workloads:
    return plan_workloads(_spec(*assignments))


def _flow(name: str, *assignments: str) -> Flow:
    spec = _spec(*assignments)
    (flow,) = (flow for flow in plan_flows(spec, spec.services[0]) if name in {flow["from"], flow["to"]})
    return flow


@pytest.mark.parametrize(
    ("kind", "deployments", "colours", "public"),
    [
        ("api", ["api-blue", "api-green"], ["blue", "green"], True),
        ("web", ["api-blue", "api-green"], ["blue", "green"], True),
        ("worker", ["api"], [], False),
    ],
)
def test_a_worker_has_one_deployment_and_the_others_have_two(
    kind: str, deployments: list[str], colours: list[str], *, public: bool
) -> None:
    (service,) = _plan(f"services[0].kind={kind}")["services"]
    assert (service["deployments"], service["colours"], service["public"]) == (deployments, colours, public)


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("registry.example.com:5000/a/b:1.0", ("registry.example.com:5000/a/b", "1.0", None)),
        (f"a/b@sha256:{'0' * 64}", ("a/b", None, f"sha256:{'0' * 64}")),
        (f"a/b:1.0@sha256:{'0' * 64}", ("a/b:1.0", None, f"sha256:{'0' * 64}")),
        ("b:1.0", ("b", "1.0", None)),
    ],
    ids=["the port of a registry is no tag", "a digest", "a digest keeps its tag", "a bare name"],
)
def test_an_image_is_split_as_kustomize_joins_it(image: str, parts: tuple[str, str | None, str | None]) -> None:
    (service,) = _plan(f"services[0].image={image}")["services"]
    assert tuple(service["image_parts"].values()) == parts
    assert service["image"] == image
    assert service["image_decided"]


@pytest.mark.parametrize(
    ("assignments", "ports"),
    [
        ([], {"http": 3000}),
        (["services[0].metrics.port=9090"], {"http": 3000, "metrics": 9090}),
        (["services[0].metrics.port=9090", "services[0].health.port=9090"], {"http": 3000, "metrics": 9090}),
        (["services[0].metrics={port: 9090, convention: none}"], {"http": 3000}),
        (["services[0].health.port=8081"], {"http": 3000, "health": 8081}),
    ],
    ids=["one port", "metrics apart", "health beside metrics", "metrics that nobody scrapes", "health apart"],
)
def test_a_port_number_has_one_name(assignments: list[str], ports: dict[str, int]) -> None:
    (service,) = _plan(*assignments)["services"]
    assert {port["name"]: port["port"] for port in service["ports"]} == ports
    assert ports[service["health"]["port_name"]] == service["health"]["port"]


@pytest.mark.parametrize(
    ("paths", "volumes"),
    [
        ("[/tmp, /var/cache/nginx]", ["tmp", "var-cache-nginx"]),
        ("[/a/b, /a-b]", ["writable-1", "writable-2"]),
        ("[/secrets]", ["writable-1"]),
        ("[/123]", ["writable-1"]),
        ("none", []),
    ],
    ids=["named after the path", "two of one name", "the secrets' name", "no letter", "none"],
)
def test_a_writable_path_has_a_volume_of_its_own(paths: str, volumes: list[str]) -> None:
    (service,) = _plan(f"services[0].writable={paths}")["services"]
    assert [writable["volume"] for writable in service["writable"]] == volumes


def test_a_written_setting_wins_over_the_one_for_traces() -> None:
    (service,) = _plan(
        "platform.tracing.host=otel.observability", "services[0].config={OTEL_SERVICE_NAME: mine, A: b}"
    )["services"]
    assert {setting["name"]: setting["value"] for setting in service["config"]} == {
        "A": "b",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel.observability:4317",
        "OTEL_SERVICE_NAME": "mine",
    }


def test_the_resource_table_has_the_rows_of_the_template_document() -> None:
    rows = [tuple(row.values()) for row in _plan()["resource_rows"]]
    assert rows == [
        ("api pods, each colour", "2 x 1 CPU, 2Gi", "3 x 2 CPU, 4Gi", "HPA: 3-10 pods"),
        ("saved-reports-db (PostgreSQL 16)", "db.t3.medium", "db.r5.xlarge", "2 read replicas"),
        ("saved-reports-cache (Redis)", "cache.t3.micro", "cache.r5.large", "Cluster mode"),
        ("Load balancer", "ALB", "ALB", "By its provider"),
    ]


def test_the_resource_table_follows_a_spec_that_has_little() -> None:
    rows = [
        tuple(row.values())
        for row in _plan(
            "services[0]={name: api, kind: worker, production: {cpu: {request: 500m, limit: 2}, autoscaling: none}}",
            "platform.cloud=none",
            "databases=[{name: db, hosting: in-cluster, production: {read_replicas: 0}}]",
        )["resource_rows"]
    ]
    assert rows == [
        ("api pods", "2 x 1 CPU, 2Gi", "3 x 500m to 2 CPU, 4Gi", "By hand"),
        ("db (PostgreSQL 16)", "2 CPU, 4Gi", "4 CPU, 32Gi", "No read replicas"),
        ("saved-reports-cache (Redis)", None, None, "Cluster mode"),
    ]


@pytest.mark.parametrize(("path", "depth"), [("saved-reports", 1), ("teams/reports", 2), ("/teams/reports", 3)])
def test_the_environment_s_step_in_the_secret_store_is_counted(path: str, depth: int) -> None:
    plan = _plan(f"platform.secret_store={{name: store, path: {path}}}")
    key = plan["services"][0]["secrets"][0]["remote_key"]
    assert plan["platform"]["secret_store"]["depth"] == depth
    assert key.split("/")[depth] == "production"


@pytest.mark.parametrize(("version", "has"), [("1.29", False), ("1.30", True), ("1.37", True)])
def test_the_sleep_action_is_used_where_it_is_there(version: str, *, has: bool) -> None:
    assert _plan(f"platform.kubernetes={version}")["platform"]["sleep_action"] is has


# Ends of flows


@pytest.mark.parametrize(
    ("database", "address", "decided"),
    [
        ("cidr: 10.20.0.0/24", "10.20.0.0/24", True),
        ("host: 10.20.0.5", "10.20.0.5/32", True),
        ("host: db.example.com", "undecided: private ranges", False),
        ("hosting: in-cluster, namespace: data, selector: {app: pg}", "pods app=pg in namespace data", True),
        ("hosting: in-cluster, selector: {app: pg}", "pods app=pg in the same namespace", True),
        ("hosting: in-cluster, namespace: data", "undecided: every pod of namespace data", False),
    ],
)
def test_a_database_is_where_the_spec_says(database: str, address: str, *, decided: bool) -> None:
    flow = _flow("db", f"databases=[{{name: db, {database}}}]")
    assert (flow["from"], flow["to"], flow["port"]) == ("api", "db", 5432)
    assert (flow["address"], flow["decided"]) == (address, decided)


def test_an_in_cluster_store_without_labels_is_listed_as_undecided() -> None:
    keys = {row["key"] for row in plan_undecided(_spec("databases=[{name: db, hosting: in-cluster}]"))}
    assert "databases[0].selector" in keys
    assert "caches[0].selector" not in keys


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("collector", {"namespace": None, "ranges": [], "decided": True}),
        ("collector.observability", {"namespace": "observability", "ranges": [], "decided": True}),
        ("collector.observability.svc", {"namespace": "observability", "ranges": [], "decided": True}),
        ("collector.observability.svc.cluster.local", {"namespace": "observability", "decided": True}),
        ("10.1.2.3", {"namespace": None, "ranges": ["10.1.2.3/32"], "decided": True}),
        ("traces.example.com", {"namespace": None, "decided": False, "address": "undecided: private ranges"}),
    ],
)
def test_a_collector_is_found_as_cluster_dns_reads_its_name(host: str, peer: dict[str, Any]) -> None:
    found = _flow("Traces", f"platform.tracing.host={host}")["peer"]
    assert peer.items() <= found.items()


def test_an_external_service_without_address_is_anything_but_private_and_metadata_addresses() -> None:
    peer = _flow("payments", "external_services=[{name: payments}]")["peer"]
    assert peer["ranges"] == ["0.0.0.0/0"]
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(peer["excepted"])


def test_a_service_without_metrics_is_scraped_by_nobody_and_a_worker_is_called_by_nobody() -> None:
    spec = _spec("services[0]={name: api, kind: worker, metrics: {convention: none}}")
    assert {flow["direction"] for flow in plan_flows(spec, spec.services[0])} == {"egress"}


def test_a_need_that_is_not_listed_is_no_flow() -> None:
    spec = _spec("services[0].needs=none")
    assert [flow["to"] for flow in plan_flows(spec, spec.services[0]) if flow["direction"] == "egress"] == ["DNS"]


# What no manifest can say


@pytest.mark.parametrize(
    ("assignment", "what"),
    [
        ("services[0].image=registry.example.com:5000/api", "names no version"),
        ("services[0].image=api:latest", "names no version"),
        ("services[0].name=default-deny", "is what the namespace's own network policy is called"),
        ("services[0].production.autoscaling.cpu=72.5%", "no whole percent"),
        ("services[0].production.autoscaling.memory=0%", "no whole percent"),
        ("services[0].writable=[/etc/secrets/x]", "the secrets are mounted at"),
        ("services[0].writable=[/etc/flags]", "the flag is mounted at"),
        ("services[0].writable=[/tmp/../etc]", "is not the path that it names"),
        ("services[0].writable=[/tmp, /tmp]", "is there twice"),
    ],
)
def test_what_no_manifest_can_say_is_refused(assignment: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        _spec(assignment)


@pytest.mark.parametrize(
    "assignment",
    [
        f"services[0].image=registry.example.com:5000/api@sha256:{'0' * 64}",
        "services[0].image=api:latest-1",
        "services[0].name=default",
        "services[0].production.autoscaling.cpu=1%",
        "services[0].production.autoscaling.cpu=150%",
        "services[0].writable=[/etc/secrets-cache]",
    ],
)
def test_what_only_looks_like_it_is_left_alone(assignment: str) -> None:
    _spec(assignment)


@pytest.mark.parametrize(("name", "opens"), [("db-url", "db"), ("x-url", None), ("db", None), ("db-url-old", None)])
def test_a_secret_named_after_a_store_is_its_url(name: str, opens: str | None) -> None:
    (service,) = _plan("databases=[{name: db}]", f"services[0].secrets=[{name}]")["services"]
    assert [secret["opens"] for secret in service["secrets"]] == [opens]


@pytest.mark.parametrize(
    ("production", "single", "fixed"),
    [
        ("{replicas: 1, autoscaling: none}", True, None),
        ("{replicas: 2, autoscaling: none}", False, None),
        ("{replicas: 1}", False, False),
        ("{replicas: 3, autoscaling: {max: 3}}", False, True),
    ],
)
def test_a_size_that_scores_frown_on_is_marked(production: str, *, single: bool, fixed: bool | None) -> None:
    (service,) = _plan(f"services[0].production={production}")["services"]
    autoscaling = service["production"]["autoscaling"]
    assert service["production"]["single"] is single
    assert (autoscaling["fixed"] if autoscaling else None) is fixed
