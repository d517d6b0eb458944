"""Policies mean what Kubernetes says: every needed flow is open on the rendered YAML, and every other one is a finding.

`tests.manifests.allowed` asks the same of single ends, by other means: the two must never disagree.
"""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
import yaml
from hypothesis import given, strategies as st

from devops_tasks.checks.cluster import Cluster, read_cluster
from devops_tasks.checks.documents import read_documents
from devops_tasks.checks.flows import check_flows
from devops_tasks.plan import Flow, all_flows
from tests import manifests
from tests.manifests import ENVIRONMENTS, SPECS

POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/name: api}}
"""
DENY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: api
  labels: {app.kubernetes.io/name: api}
spec: {containers: [{name: api, ports: [{name: http, containerPort: 3000}, {name: metrics, containerPort: 9090}]}]}
"""


def cluster_of(*texts: str) -> Cluster:
    files = {f"security/{number}.yml": text for number, text in enumerate(texts)}
    documents, problems = read_documents(files)
    assert problems == []
    return read_cluster(documents)


def flow(direction: str, peer: dict[str, Any], port: int = 3000) -> Flow:
    decided = peer.get("decided", True)
    ends = {"from": "other", "to": "api"} if direction == "ingress" else {"from": "api", "to": "other"}
    whole = {"namespace": None, "labels": [], "ranges": [], "excepted": [], "address": "there", "decided": decided}
    made = {
        "service": "api", "direction": direction, "port": port, "protocols": ["TCP"], "address": "there",
        "decided": decided, "peer": whole | peer, **ends,
    }  # fmt: skip
    return cast("Flow", made)


def findings(rule: str, *needed: Flow, deny: str = DENY) -> list[str]:
    """Judge one rule, written as it stands below `spec`."""
    cluster = cluster_of(deny, POLICY + rule, POD)
    return list(dict.fromkeys(problem.code for problem in check_flows(cluster, needed, "monitoring")))


@pytest.mark.parametrize("case", SPECS)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_rendered_policies_open_what_is_needed_and_nothing_else(case: str, environment: str) -> None:
    cluster = cluster_of(manifests.overlay_text(case, environment))
    plan = manifests.plan(case)
    assert list(check_flows(cluster, all_flows(plan), plan["platform"]["monitoring_namespace"])) == []


RANGE: dict[str, Any] = {"ranges": ["10.20.0.0/24"]}
PRIVATE: dict[str, Any] = {"ranges": ["10.0.0.0/8", "192.168.0.0/16"], "decided": False}
PUBLIC: dict[str, Any] = {"ranges": ["0.0.0.0/0"], "excepted": ["10.0.0.0/8"]}
PROXY: dict[str, Any] = {"namespace": "gateway", "labels": [{"name": "app", "value": "proxy"}]}


def egress(peer: str, port: str = "{port: 3000}") -> str:
    return f"  policyTypes: [Egress]\n  egress: [{{to: [{peer}], ports: [{port}]}}]\n"


def ingress(peer: str, port: str = "{port: 3000}") -> str:
    return f"  policyTypes: [Ingress]\n  ingress: [{{from: [{peer}], ports: [{port}]}}]\n"


def block(cidr: str, *excepted: str) -> str:
    return f"{{ipBlock: {{cidr: {cidr}, except: [{', '.join(excepted)}]}}}}"


SPACE = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: gateway}}"
PODS = "podSelector: {matchLabels: {app: proxy}}"


@pytest.mark.parametrize(
    ("rule", "peer"),
    [
        pytest.param(egress(block("10.20.0.0/24")), RANGE, id="the range itself"),
        pytest.param(egress(block("10.20.0.0/24")), PRIVATE, id="a part of an undecided range"),
        pytest.param(egress(block("0.0.0.0/0", "10.0.0.0/8")), PUBLIC, id="everything but what stays closed"),
        pytest.param(egress(f"{{{SPACE}, {PODS}}}"), PROXY, id="pods of a namespace, in one item"),
        pytest.param(egress(f"{{{SPACE}, podSelector: {{matchLabels: {{app: proxy, tier: edge}}}}}}"), PROXY,
                     id="fewer pods than are known"),
        pytest.param(egress("{podSelector: {}}"), {}, id="every pod of the same namespace"),
        pytest.param(egress(block("10.20.0.0/24"), "{protocol: TCP, port: 3000, endPort: 3000}"), RANGE,
                     id="a range of one port"),
    ],
)  # fmt: skip
def test_an_exact_rule_is_no_finding(rule: str, peer: dict[str, Any]) -> None:
    assert findings(rule, flow("egress", peer)) == []


@pytest.mark.parametrize(
    ("rule", "peer"),
    [
        pytest.param(egress(block("10.20.0.0/25")), RANGE, id="half of the range"),
        pytest.param(egress(block("10.20.0.0/24", "10.20.0.8/29")), RANGE, id="a range with a hole"),
        pytest.param(egress(block("10.20.0.0/24"), "{protocol: UDP, port: 3000}"), RANGE, id="another protocol"),
        pytest.param(egress(block("10.20.0.0/24"), "{port: 3001}"), RANGE, id="another port"),
        pytest.param(egress(block("172.16.0.0/24")), PRIVATE, id="beside an undecided range"),
        pytest.param(egress(block("10.20.0.0/24", "10.20.0.0/23")), PRIVATE, id="nothing of an undecided range"),
        pytest.param(egress("{podSelector: {matchLabels: {app: proxy}}}"), PROXY, id="N3 the wrong namespace"),
        pytest.param(egress(f"{{{SPACE}, podSelector: {{matchLabels: {{app: web}}}}}}"), PROXY, id="other pods"),
        pytest.param(egress("{podSelector: {}}"), RANGE, id="N5 pods for an address"),
        pytest.param(egress(block("0.0.0.0/0")), PROXY, id="addresses for pods"),
        pytest.param("  policyTypes: [Egress]\n", RANGE, id="N6 no rule"),
        pytest.param(ingress("{podSelector: {}}"), RANGE, id="the other direction"),
    ],
)
def test_a_need_that_is_closed_is_found(rule: str, peer: dict[str, Any]) -> None:
    assert "flow-denied" in findings(rule, flow("egress", peer))


@pytest.mark.parametrize(
    ("rule", "peer"),
    [
        pytest.param(egress(block("10.20.0.0/23")), RANGE, id="twice the range"),
        pytest.param(egress(block("10.20.0.0/24"), "{port: 3000}, {port: 22}"), RANGE, id="one port more"),
        pytest.param(egress(block("10.20.0.0/24"), "{port: 3000, endPort: 3010}"), RANGE, id="a range of ports"),
        pytest.param(egress(block("0.0.0.0/0")), PUBLIC, id="what stays closed"),
        pytest.param(egress(f"{{{SPACE}}}, {{{PODS}}}"), PROXY, id="two items that were meant as one"),
        pytest.param(egress("{namespaceSelector: {}, " + PODS + "}"), PROXY, id="every namespace"),
        pytest.param("  egress: [{}]\n", RANGE, id="anything"),
        pytest.param(f"  egress: [{{to: [{block('10.20.0.0/24')}]}}]\n", RANGE, id="any port"),
    ],
)
def test_what_is_open_beyond_the_need_is_found(rule: str, peer: dict[str, Any]) -> None:
    assert findings(rule, flow("egress", peer)) == ["flow-unneeded"]


def test_a_port_by_name_is_the_pods_own() -> None:
    peer = {"namespace": "gateway"}
    assert findings(ingress(f"{{{SPACE}}}", "{port: http}"), flow("ingress", peer)) == []
    assert findings(ingress(f"{{{SPACE}}}", "{port: metrics}"), flow("ingress", peer)) == [
        "flow-denied", "flow-unneeded",
    ]  # fmt: skip


@pytest.mark.parametrize("types", ["[Ingress]", "[Egress]"])
def test_a_direction_that_nothing_denies_is_found(types: str) -> None:
    assert findings("", deny=DENY.replace("[Ingress, Egress]", types)) == ["flow-unneeded"]
    assert findings("") == []


def test_without_any_policy_nothing_is_denied() -> None:
    cluster = cluster_of(POD)
    assert {problem.code for problem in check_flows(cluster, [flow("egress", RANGE)], "monitoring")} == {
        "flow-unneeded"
    }


def test_a_policy_for_some_pods_is_no_default() -> None:
    some = "podSelector: {matchExpressions: [{key: a, operator: Exists}]}"
    assert findings("", deny=DENY.replace("podSelector: {}", some)) == ["flow-unneeded"]


def test_a_port_by_name_on_the_way_out_is_the_other_end_s() -> None:
    assert findings(egress(block("10.20.0.0/24"), "{port: postgresql}"), flow("egress", RANGE, 5432)) == []


def test_a_policy_for_every_pod_opens_to_every_pod() -> None:
    assert findings("", deny=DENY[:-2] + ", egress: [{}]}\n") == ["flow-unneeded"]


@pytest.mark.parametrize(
    ("namespace", "port", "codes"),
    [("monitoring", 9090, []), ("other", 9090, ["scrape"]), ("monitoring", 3000, ["scrape"])],
)
def test_a_scraped_port_must_be_reached_from_where_prometheus_is(namespace: str, port: int, codes: list[str]) -> None:
    peer = f"{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}}}"
    pod = yaml.safe_load(POD)
    pod["metadata"]["annotations"] = {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"}
    cluster = cluster_of(DENY, POLICY + ingress(peer, f"{{port: {port}}}"), yaml.safe_dump(pod))
    needed = flow("ingress", {"namespace": namespace}, port)
    assert [problem.code for problem in check_flows(cluster, [needed], "monitoring")] == codes


def test_a_scraped_port_that_is_needed_and_closed_is_told_once() -> None:
    pod = yaml.safe_load(POD)
    pod["metadata"]["annotations"] = {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"}
    needed = flow("ingress", {"namespace": "monitoring"}, 9090)
    cluster = cluster_of(DENY, POLICY, yaml.safe_dump(pod))
    assert [problem.code for problem in check_flows(cluster, [needed], "monitoring")] == ["flow-denied"]


def test_the_operator_s_monitor_must_reach_its_port() -> None:
    monitor = (
        "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: api}\n"
        "spec: {selector: {matchLabels: {app.kubernetes.io/name: api}}, podMetricsEndpoints: [{port: metrics}]}\n"
    )
    cluster = cluster_of(DENY, POLICY, POD, monitor)
    found = list(check_flows(cluster, [flow("ingress", {})], "monitoring"))
    assert {problem.code for problem in found} == {"flow-denied", "scrape"}
    assert next(problem.where for problem in found if problem.code == "scrape") == "security/3.yml"


def test_a_finding_names_the_place_and_what_to_do() -> None:
    cluster = cluster_of(DENY, POLICY + egress(block("10.0.0.0/8")), POD)
    needed = flow("egress", RANGE)
    (unneeded,) = check_flows(cluster, [needed], "monitoring")
    assert (unneeded.where, unneeded.line) == ("security/1.yml", 7)
    assert unneeded.what == "api may reach 10.0.0.0/8 on TCP 3000, which nothing in the spec needs"
    closed = cluster_of(DENY, POLICY + egress(block("10.20.0.0/24"), "{port: 5432}"), POD)
    denied = next(problem for problem in check_flows(closed, [needed], "monitoring") if problem.code == "flow-denied")
    assert denied.what == "api needs other (there) on TCP 3000, and no policy of api opens that"
    assert "egress" in denied.mend


# Against the evaluator of single ends: what one finds open to an end, the other finds needed by a flow to that end


ADDRESSES = st.sampled_from(["10.0.0.0/8", "10.20.0.0/24", "10.20.0.7/32", "0.0.0.0/0", "192.168.0.0/16"])
PEERS = st.one_of(
    st.builds(lambda cidr, hole: {"ipBlock": {"cidr": cidr, "except": [hole]}}, ADDRESSES, st.just("10.20.0.0/28")),
    st.builds(lambda cidr: {"ipBlock": {"cidr": cidr}}, ADDRESSES),
    st.just({"podSelector": {}}),
    st.builds(
        lambda name, labels: {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name} if name else {}},
            "podSelector": {"matchLabels": labels},
        },
        st.sampled_from(["gateway", "data", ""]),
        st.sampled_from([{}, {"app": "proxy"}]),
    ),
)
PORTS = st.sampled_from([{"port": 3000}, {"port": 5432}, {"port": 3000, "protocol": "UDP"}])
RULES = st.fixed_dictionaries(
    {"to": st.lists(PEERS, min_size=1, max_size=2), "ports": st.lists(PORTS, min_size=1, max_size=2)}
)


@given(
    rules=st.lists(RULES, max_size=3),
    end=st.sampled_from([
        (manifests.End("10.20.0.7"), {"ranges": ["10.20.0.7/32"]}),
        (manifests.End("10.20.0.77"), {"ranges": ["10.20.0.77/32"]}),
        (manifests.End("8.8.8.8"), {"ranges": ["8.8.8.8/32"]}),
        (manifests.End("10.96.0.1", "gateway", (("app", "proxy"),)), PROXY),
        (manifests.End("10.96.0.1", "own", (("app", "proxy"),)), {"labels": PROXY["labels"]}),
    ]),
    port=st.sampled_from([3000, 5432]),
)  # fmt: skip
def test_what_is_open_to_an_end_is_what_is_not_denied(
    rules: list[dict[str, Any]], end: tuple[manifests.End, dict[str, Any]], port: int
) -> None:
    policy = yaml.safe_load(POLICY)
    policy["spec"] |= {"policyTypes": ["Egress"], "egress": rules}
    cluster = cluster_of(DENY, yaml.safe_dump(policy), POD)
    codes = [problem.code for problem in check_flows(cluster, [flow("egress", end[1], port)], "monitoring")]
    policy["metadata"]["namespace"] = "own"
    open_ = manifests.allowed([policy], {"app.kubernetes.io/name": "api"}, "egress", end[0], ("TCP", port))
    assert open_ == ("flow-denied" not in codes)


def test_the_document_has_every_flow_that_is_checked() -> None:
    flows = all_flows(manifests.plan("mixed"))
    shown = {(name, row["port"]) for row in manifests.plan("mixed")["flow_rows"] for name in (*row["from"], *row["to"])}
    assert {(each[end], each["port"]) for each in flows for end in ("from", "to")} == shown
    assert not any(re.search(r"\s$", each["address"]) for each in flows)
