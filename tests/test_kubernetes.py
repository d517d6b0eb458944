"""The rendered overlays: accepted by the real tools, agreeing among themselves, without the template's faults."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files
from devops_tasks.specfile import load_spec, parse_spec
from tests import tools
from tests.manifests import (
    CHECKS,
    DIGEST,
    ENVIRONMENTS,
    OVERLAYS,
    SPECS,
    End,
    Object,
    allowed,
    build,
    objects,
    of_kind,
    overlay,
    plan,
    pod,
    pod_labels,
    rendered,
    renderer,
    write,
)
from tests.specs import MINIMAL

# The real tools


@pytest.mark.real
@pytest.mark.parametrize("case", SPECS)
def test_yamllint_finds_nothing_in_any_file(case: str, tmp_path: Path) -> None:
    write(rendered(case), tmp_path)
    assert tools.yaml_lint(tmp_path) == ""


@pytest.mark.real
def test_the_commands_for_secrets_by_hand_pass_shellcheck(tmp_path: Path) -> None:
    lines = rendered("mixed")["security/secrets.yml"].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("# KUBE_CONTEXT="))
    script = tmp_path / "secrets.sh"
    script.write_text("#!/usr/bin/env bash\n" + "\n".join(line[2:] for line in lines[first:]) + "\n")
    assert tools.findings("shellcheck", ["--norc", script]) == ""


# Agreement


@pytest.mark.parametrize(("case", "environment"), OVERLAYS)
@pytest.mark.parametrize("check", CHECKS)
def test_an_overlay_has_no_finding(case: str, environment: str, check: str) -> None:
    assert list(CHECKS[check](overlay(case, environment))) == []


@pytest.mark.parametrize(("case", "environment"), OVERLAYS)
def test_the_numbers_of_the_resource_table_are_those_of_the_overlay(case: str, environment: str) -> None:
    found = overlay(case, environment)
    scalers = {one["metadata"]["name"]: one["spec"] for one in of_kind(found, "HorizontalPodAutoscaler")}
    rows = {row["component"]: row for row in plan(case)["resource_rows"]}
    for deployment in of_kind(found, "Deployment"):
        name = deployment["metadata"]["name"]
        service = pod_labels(deployment)["app.kubernetes.io/name"]
        row = rows.get(f"{service} pods, each colour") or rows[f"{service} pods"]
        resources = pod(deployment)["containers"][0]["resources"]
        cpu, memory = (
            " to ".join(dict.fromkeys(resources[side][name] for side in ("requests", "limits")))
            for name in ("cpu", "memory")
        )
        replicas = deployment["spec"].get("replicas") or scalers[name]["minReplicas"]
        assert row[environment] == f"{replicas} x {cpu} CPU, {memory}"
        if name in scalers:
            assert row["scaling"] == f"HPA: {scalers[name]['minReplicas']}-{scalers[name]['maxReplicas']} pods"


@pytest.mark.parametrize(("case", "environment"), OVERLAYS)
def test_a_coloured_service_has_two_deployments_and_three_services_and_a_worker_has_one_and_none(
    case: str, environment: str
) -> None:
    found = overlay(case, environment)
    names = {kind: {one["metadata"]["name"] for one in of_kind(found, kind)} for kind in ("Deployment", "Service")}
    for service in plan(case)["services"]:
        name = service["name"]
        colours = {f"{name}-blue", f"{name}-green"} if service["kind"] != "worker" else set()
        assert {one for one in names["Deployment"] if one.startswith(name)} == (colours or {name})
        assert {one for one in names["Service"] if one.startswith(name)} == (colours | {name} if colours else set())


def test_callers_inside_the_cluster_reach_blue_until_a_release_says_otherwise() -> None:
    (active,) = (
        one for one in of_kind(overlay("minimal", "production"), "Service") if one["metadata"]["name"][-3:] == "api"
    )
    assert active["spec"]["selector"] == {"app.kubernetes.io/name": "saved-reports-api", "colour": "blue"}


@pytest.mark.parametrize("case", SPECS)
def test_no_route_stands_in_an_overlay(case: str) -> None:
    for environment in ENVIRONMENTS:
        assert of_kind(overlay(case, environment), "HTTPRoute", "Ingress") == []


@pytest.mark.parametrize("case", SPECS)
def test_only_production_scales_and_by_the_spec_s_bounds(case: str) -> None:
    assert of_kind(overlay(case, "staging"), "HorizontalPodAutoscaler") == []
    scalers = of_kind(overlay(case, "production"), "HorizontalPodAutoscaler")
    bounds = {one["metadata"]["name"]: (one["spec"]["minReplicas"], one["spec"]["maxReplicas"]) for one in scalers}
    assert (
        bounds
        == {
            "minimal": {"saved-reports-api-blue": (3, 10), "saved-reports-api-green": (3, 10)},
            "decided": {"feature-api-blue": (4, 12), "feature-api-green": (4, 12)},
            "mixed": {"checkout-api-blue": (3, 10), "checkout-api-green": (3, 10), "indexer": (3, 10)},
        }[case]
    )


def test_each_colour_runs_the_spec_s_image_by_tag_and_digest() -> None:
    images = {pod(one)["containers"][0]["image"] for one in of_kind(overlay("decided", "staging"), "Deployment")}
    assert images == {f"registry.example.com:5000/feature-api:1.0.0@{DIGEST}"}


def test_a_release_can_change_the_image_of_one_colour_in_one_environment() -> None:
    files = dict(rendered("decided"))
    path = "overlays/production/kustomization.yaml"
    first, second = files[path].split("  - name: feature-api-green\n")
    files[path] = f"{first}  - name: feature-api-green\n{second.replace('1.0.0', '1.1.0')}"
    found = {one["metadata"]["name"]: one for one in of_kind(objects(build(files, "production")), "Deployment")}
    tags = {name: pod(one)["containers"][0]["image"].partition("@")[0][-5:] for name, one in found.items()}
    assert tags == {"feature-api-blue": "1.0.0", "feature-api-green": "1.1.0"}


def test_an_undecided_image_can_be_pulled_from_nowhere() -> None:
    images = {pod(one)["containers"][0]["image"] for one in of_kind(overlay("minimal", "production"), "Deployment")}
    assert images == {"undecided.invalid/saved-reports-api:undecided"}


def test_settings_reach_the_container_as_the_text_that_was_written() -> None:
    config = next(
        each for each in of_kind(overlay("decided", "production"), "ConfigMap") if "LOG_LEVEL" in each["data"]
    )
    assert config["data"] == {
        "LOG_LEVEL": "info",
        "GREETING": 'it\'s "{{ x }}" ${{ y }} # --- | `z`',
        "SWITCH": "on",
        "NUMBER": "007",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel-collector.observability:4317",
        "OTEL_SERVICE_NAME": "feature-api",
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_environment_reads_its_own_folder_of_the_secret_store(environment: str) -> None:
    (secret,) = of_kind(overlay("decided", environment), "ExternalSecret")
    assert secret["apiVersion"] == "external-secrets.io/v1"
    assert {item["secretKey"]: item["remoteRef"]["key"] for item in secret["spec"]["data"]} == {
        "features-db-url": f"/teams/saved-reports/{environment}/features-db-url",
        "jwt-secret": f"/teams/saved-reports/{environment}/jwt-secret",
    }


@pytest.mark.parametrize(("case", "environment"), OVERLAYS)
def test_secrets_are_files_of_the_secret_that_is_fetched_for_them(case: str, environment: str) -> None:
    found = overlay(case, environment)
    fetched = {one["spec"]["target"]["name"] for one in of_kind(found, "ExternalSecret")}
    mounted = {
        volume["secret"]["secretName"]
        for deployment in of_kind(found, "Deployment")
        for volume in pod(deployment)["volumes"]
        if "secret" in volume
    }
    by_hand = {"checkout-api-secrets", "indexer-secrets"} if case == "mixed" else set()
    assert mounted == fetched | by_hand
    assert all(f"generic {name} " in rendered(case)["security/secrets.yml"] for name in by_hand)


def test_every_writable_path_is_mounted_and_counted() -> None:
    (container, *_), volumes = (pod(of_kind(overlay("decided", "production"), "Deployment")[0])[key]
                                for key in ("containers", "volumes"))  # fmt: skip
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert mounted == ["/tmp", "/var/cache/app", "/etc/secrets", "/etc/flags"]  # noqa: S108
    assert [volume["emptyDir"] for volume in volumes[:2]] == [{"sizeLimit": "256Mi"}] * 2
    assert container["resources"]["limits"]["ephemeral-storage"] == "768Mi"


@pytest.mark.parametrize(
    ("case", "action"),
    [("decided", {"exec": {"command": ["sleep", "15"]}}), ("minimal", {"sleep": {"seconds": 15}})],
    ids=["1.29 has no sleep action yet", "1.33 has it"],
)
def test_a_pod_drains_in_the_way_that_its_version_knows(case: str, action: Object) -> None:
    for deployment in of_kind(overlay(case, "production"), "Deployment"):
        assert pod(deployment)["containers"][0]["lifecycle"] == {"preStop": action}
        assert pod(deployment)["terminationGracePeriodSeconds"] > 15


def test_a_scraped_port_is_announced_where_annotations_are_read() -> None:
    annotated = of_kind(overlay("decided", "production"), "Deployment")[0]["spec"]["template"]["metadata"][
        "annotations"
    ]
    assert annotated["prometheus.io/port"] == "9090"
    operated = of_kind(overlay("mixed", "production"), "Deployment")[0]["spec"]["template"]["metadata"]["annotations"]
    assert not any(name.startswith("prometheus.io/") for name in operated)


@pytest.mark.parametrize(
    ("case", "names"),
    [
        ("minimal", {"saved-reports-api": {"http": 3000}}),
        ("decided", {"feature-api": {"http": 3000, "metrics": 9090}}),
        (
            "mixed",
            {
                "checkout-api": {"http": 3000, "health": 8081},
                "checkout-web": {"http": 8080},
                "indexer": {"http": 3000, "metrics": 9100},
            },
        ),
    ],
)
def test_a_port_has_a_name_of_its_own_only_where_its_number_differs(
    case: str, names: dict[str, dict[str, int]]
) -> None:
    for deployment in of_kind(overlay(case, "production"), "Deployment"):
        (container,) = pod(deployment)["containers"]
        assert {port["name"]: port["containerPort"] for port in container["ports"]} == names[container["name"]]


def test_one_certificate_is_asked_for_each_public_host_and_the_gateway_may_read_it() -> None:
    (certificate,) = of_kind(overlay("decided", "production"), "Certificate")
    assert certificate["spec"]["dnsNames"] == ["api.example.com"]
    assert certificate["spec"]["issuerRef"]["name"] == "letsencrypt"
    (grant,) = of_kind(overlay("decided", "production"), "ReferenceGrant")
    assert grant["spec"]["to"][0]["name"] == certificate["spec"]["secretName"]
    assert of_kind(overlay("decided", "staging"), "Certificate") == []
    assert of_kind(overlay("minimal", "production"), "Certificate") == []


def test_a_low_port_is_opened_to_a_user_who_is_not_root() -> None:
    low = plan_bundle(
        load_spec(parse_spec(MINIMAL + "services: [{name: web, kind: web, port: 80}]\n", "low.yaml")).spec
    )
    (one, _) = of_kind(objects(build(renderer().render(low), "staging")), "Deployment")
    assert pod(one)["securityContext"]["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    assert "sysctls" not in pod(of_kind(overlay("minimal", "staging"), "Deployment")[0])["securityContext"]


# The network: each needed flow open, everything else closed

DNS = (("k8s-app", "kube-dns"),)
ENDS = {
    "dns": End("10.96.7.1", "kube-system", DNS),
    "kube-system": End("10.96.7.2", "kube-system"),
    "gateway": End("10.96.7.3", "gateway-system"),
    "prometheus": End("10.96.7.4", "monitoring", (("app.kubernetes.io/name", "prometheus"),)),
    "tracing": End("10.96.7.5", "observability"),
    "database pod": End("10.96.7.6", "data", (("app.kubernetes.io/name", "postgresql"),)),
    "other pod of data": End("10.96.7.7", "data"),
    "neighbour": End("10.96.7.8", "saved-reports"),
    "impostor of dns": End("10.96.7.9", "data", DNS),
    "load balancer": End("10.0.1.9"),
    "database": End("10.20.0.5"),
    "cache": End("10.9.8.7"),
    "beside the cache": End("10.9.8.8"),
    "payments": End("203.0.113.9"),
    "queue": End("10.30.0.1"),
    "internet": End("8.8.8.8"),
    "metadata": End("169.254.169.254"),
}
PORTS = [("UDP", 53), *(("TCP", port) for port in (53, 443, 3000, 4317, 5432, 6379, 8080, 8081, 9090, 9092, 9100))]
PRIVATE = {"load balancer", "database", "cache", "beside the cache", "queue"}
RESOLVES = {("egress", "dns", ("UDP", 53)), ("egress", "dns", ("TCP", 53))}


def _open(ends: set[str], direction: str, port: int) -> set[tuple[str, str, tuple[str, int]]]:
    return {(direction, end, ("TCP", port)) for end in ends}


NEEDED = {
    ("minimal", "saved-reports-api"): RESOLVES
    | _open(PRIVATE | {"prometheus"}, "ingress", 3000)
    | _open(PRIVATE, "egress", 5432)
    | _open(PRIVATE, "egress", 6379),
    ("decided", "feature-api"): RESOLVES
    | _open({"gateway", "load balancer"}, "ingress", 3000)
    | _open({"prometheus"}, "ingress", 9090)
    | _open({"database"}, "egress", 5432)
    | _open({"cache"}, "egress", 6379)
    | _open({"payments"}, "egress", 443)
    | _open({"tracing"}, "egress", 4317),
    ("mixed", "checkout-api"): RESOLVES
    | _open(PRIVATE | {"prometheus"}, "ingress", 3000)
    | _open({"database pod"}, "egress", 5432)
    | _open({"queue"}, "egress", 9092)
    | _open({"payments", "internet"}, "egress", 443),
    ("mixed", "checkout-web"): RESOLVES | _open(PRIVATE, "ingress", 8080),
    ("mixed", "indexer"): RESOLVES
    | _open({"prometheus"}, "ingress", 9100)
    | _open({"database pod"}, "egress", 5432)
    | _open({"queue"}, "egress", 9092),
}


def _flows(found: list[Object], service: str) -> set[tuple[str, str, tuple[str, int]]]:
    labels = next(
        pod_labels(one) for one in of_kind(found, "Deployment") if pod_labels(one)["app.kubernetes.io/name"] == service
    )
    return {
        (direction, name, port)
        for direction in ("ingress", "egress")
        for name, end in ENDS.items()
        for port in PORTS
        if allowed(found, labels, direction, end, port)
    }


@pytest.mark.parametrize(("case", "service"), NEEDED)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_needed_flow_is_open_and_nothing_else(case: str, service: str, environment: str) -> None:
    assert _flows(overlay(case, environment), service) == NEEDED[case, service]


@pytest.mark.parametrize("case", SPECS)
def test_a_pod_that_no_policy_names_is_closed_both_ways(case: str) -> None:
    found = overlay(case, "production")
    stranger = {"app.kubernetes.io/name": "stranger"}
    for direction in ("ingress", "egress"):
        assert not any(allowed(found, stranger, direction, end, port) for end in ENDS.values() for port in PORTS)


@pytest.mark.parametrize("case", SPECS)
def test_the_table_of_flows_has_a_row_for_each_rule_and_says_what_is_undecided(case: str) -> None:
    rules = sum(
        len(policy["spec"].get(direction, []))
        for policy in of_kind(overlay(case, "staging"), "NetworkPolicy")
        for direction in ("ingress", "egress")
    )
    flows = plan(case)["flows"]
    assert len(flows) == rules
    assert {flow["address"] for flow in flows if not flow["decided"]} == {
        "minimal": {"undecided: private ranges"},
        "decided": set(),
        "mixed": {"undecided: private ranges", "undecided: any public address"},
    }[case]


# The faults of the template document, put back


class Fault(NamedTuple):
    """A fault put back into a file: what a pattern matches becomes something else, and who must find it."""

    row: str
    file: str
    pattern: str
    replacement: str
    finder: str


POLICIES = "security/network-policies.yml"
DEPLOYMENT = "kubernetes/feature-api/deployment.yml"
SIZE = "overlays/production/feature-api-size.yml"
SCALING = "scaling/hpa.yml"
RULE = r"    # {}.*?(?=\n    #|\n  egress|\Z)"

FAULTS = (
    Fault("N1 no DNS", POLICIES, RULE.format("DNS"), "", "flows"),
    Fault("N2 Prometheus cannot scrape", POLICIES, RULE.format("Prometheus"), "", "flows"),
    Fault("N3 pods and namespace as two items", POLICIES, r"          podSelector:", "        - podSelector:", "flows"),
    Fault("N3 gateway in the wrong namespace", POLICIES, r"gateway-system", "default", "flows"),
    Fault("N4 the load balancer as a pod", POLICIES, r"ipBlock:\n +cidr: 10.0.0.0/20", "podSelector: {}", "flows"),
    Fault("N5 a managed database as a pod", POLICIES, r"ipBlock:\n +cidr: 10.20.0.0/24", "podSelector: {}", "flows"),
    Fault("N6 no way to the payment service", POLICIES, RULE.format("payments"), "", "flows"),
    Fault("N6 no way for traces", POLICIES, RULE.format("Traces"), "", "flows"),
    Fault("N7 no default deny", POLICIES, r"(?s)^.*?\n---\n", "", "stranger"),
    Fault("N8 no namespace", "overlays/production/kustomization.yaml", r"namespace: saved-reports\n", "", "names"),
    Fault("N8 no labels", "overlays/production/kustomization.yaml", r"labels:\n  - pairs:(\n .*)+", "", "names"),
    Fault(
        "S1 a password in a manifest",
        "security/secrets.yml",
        r"(?s)^.*",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: feature-api-secrets}\n"
        "stringData: {database-url: 'postgresql://user:pass@db:5432/features'}\n",
        "secrets",
    ),
    Fault("S2 residue of a chart", "security/secrets.yml", r"name: cluster-store", "name: '{{ .Values.x }}'",
          "secrets"),
    Fault("H1 one autoscaler for two colours", SCALING, r"(?s)---.*?(?=---)", "", "scaling"),
    Fault("H1 an autoscaler of nothing", SCALING, r"    name: feature-api-green", "    name: feature-api", "scaling"),
    Fault("H2 a metric that nobody serves", SCALING, r"- type: Resource\n      resource:\n        name: cpu",
          "- type: Pods\n      pods:\n        metric:\n          name: http_requests_per_second", "scaling"),
    Fault("H3 no requests", SIZE, r"            requests:(\n              .*)+", "", "scaling"),
    Fault("H3 no limits", SIZE, r"            limits:(\n              .*)+", "", "resources"),
    Fault("H4 a number of pods beside an autoscaler", SIZE, r"spec:\n  template", "spec:\n  replicas: 2\n  template",
          "scaling"),
    Fault("H5 no behaviour", SCALING, r"  behavior:\n(    .*\n)+", "", "scaling"),
    Fault("H5 no disruption budget", "kubernetes/kustomization.yaml", r".*disruption-budget.*\n", "", "budgets"),
    Fault("H5 a budget that blocks drains", "kubernetes/feature-api/disruption-budget.yml", r"maxUnavailable: 1",
          "minAvailable: 100%", "budgets"),
    Fault(
        "C1 a ConfigMap that nothing reads",
        "kubernetes/feature-api/config.yml",
        r"\Z",
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cost-alerts}\ndata: {budget-threshold: '1000'}\n",
        "names",
    ),
    Fault("a selector that its pods do not match", DEPLOYMENT, r"(    matchLabels:\n      app.kubernetes.io/name: )\S+",
          r"\1feature-service", "selectors"),
    Fault("a Service port that no container has", "kubernetes/feature-api/service.yml", r"targetPort: http",
          "targetPort: web", "selectors"),
    Fault("a request above its limit", SIZE, r"cpu: 500m", "cpu: 3000m", "resources"),
    Fault("root", DEPLOYMENT, r"runAsNonRoot: true", "runAsNonRoot: false", "restricted"),
    Fault("liveness like readiness", DEPLOYMENT, r"/readyz", "/healthz", "scores"),
)  # fmt: skip


def _found(fault: Fault, found: list[Object]) -> bool:
    if fault.finder == "flows":
        return _flows(found, "feature-api") != NEEDED["decided", "feature-api"]
    if fault.finder == "stranger":
        stranger = {"app.kubernetes.io/name": "stranger"}
        return allowed(found, stranger, "egress", ENDS["internet"], ("TCP", 443))
    return bool(list(CHECKS[fault.finder](found)))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.row)
def test_a_fault_put_back_is_found(fault: Fault) -> None:
    files: Files = dict(rendered("decided"))
    changed = re.sub(fault.pattern, fault.replacement, files[fault.file], flags=re.DOTALL * (fault.pattern[:2] == "  "))
    assert changed != files[fault.file]
    files[fault.file] = changed
    assert _found(fault, objects(_built(files)))
    assert not _found(fault, overlay("decided", "production"))


def _built(files: Files) -> str:
    with tempfile.TemporaryDirectory() as folder:
        write(files, Path(folder))
        return tools.run("kubectl", ["kustomize", Path(folder, "overlays", "production")]).stdout


def test_the_overlays_are_applied_on_the_server_s_side() -> None:
    for environment in ENVIRONMENTS:
        first = rendered("minimal")[f"overlays/{environment}/kustomization.yaml"].splitlines()[0]
        assert first == f"# kubectl apply --server-side --force-conflicts -k overlays/{environment}"
