"""Rendered manifests for tests: three specs, their overlays as objects, and a small reader of policy semantics."""

from __future__ import annotations

import ipaddress
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from devops_tasks.plan import Plan, plan_bundle
from devops_tasks.render import Files, Renderer, templates_folder
from devops_tasks.specfile import load_spec, parse_spec
from tests import scores, tools
from tests.specs import MINIMAL

Object = dict[str, Any]

FOLDERS = ("kubernetes/", "security/", "scaling/", "overlays/", "disaster-recovery/", "experiment/")
ENVIRONMENTS = ("staging", "production")
DIGEST = "sha256:" + "0123456789abcdef" * 4

DECIDED = f"""\
feature: {{name: Saved Reports, engineer: "@dana", slug: saved-reports, team: reporting}}
sprint: {{name: "24"}}
experiment:
  hypothesis: We believe that analysts will adopt saved reports because they halve preparation time
  primary_metric: {{name: Weekly active users of reporting, target: +20%}}
services:
  - name: feature-api
    image: registry.example.com:5000/feature-api:1.0.0@{DIGEST}
    host: api.example.com
    metrics: {{port: 9090}}
    config: {{LOG_LEVEL: info, GREETING: "it's \\"{{{{ x }}}}\\" ${{{{ y }}}} # --- | `z`", SWITCH: on, NUMBER: 007}}
    secrets: [features-db-url, jwt-secret]
    writable: [/tmp, /var/cache/app]
    staging: {{replicas: 2, cpu: 500m, memory: 1.5Gi}}
    production: {{replicas: 4, cpu: {{request: 500m, limit: 2}}, memory: 4Gi, autoscaling: {{max: 12, cpu: 65%}}}}
databases:
  - {{name: features-db, host: db.internal.example.com, cidr: 10.20.0.0/24}}
caches:
  - {{name: cache, host: 10.9.8.7}}
external_services:
  - {{name: payments, host: api.payments.example.com, cidr: 203.0.113.0/24}}
platform:
  kubernetes: "1.29"
  load_balancer: {{kind: ALB, cidr: 10.0.0.0/20}}
  gateway: {{name: public, namespace: gateway-system}}
  tls_issuer: letsencrypt
  secret_store: {{name: cluster-store, path: /teams/saved-reports}}
  tracing: {{host: otel-collector.observability}}
"""

MIXED = """\
feature: {name: "Check `out` {{ x }} | # --- \\"q\\"", engineer: "@li", slug: checkout}
sprint: {name: "${{ 7 }}"}
experiment:
  hypothesis: We believe that buyers {{ finish }} because `it` is | faster
  primary_metric: {name: Orders, target: +2%}
services:
  - name: checkout-api
    host: shop.example.com
    path: /api
    health: {port: 8081, live: /live, ready: /ready}
    needs: [orders-db, orders, payments]
  - name: checkout-web
    kind: web
    port: 8080
    metrics: {convention: none}
    needs: []
    secrets: []
    host: shop.example.com
    user: 101
    staging: {replicas: 1}
    writable: [/tmp, /var/cache/nginx]
    production: {autoscaling: none}
  - name: indexer
    kind: worker
    needs: [orders-db, orders]
    secrets: [orders-db-url, kafka-password]
    metrics: {port: 9100}
databases:
  - {name: orders-db, hosting: in-cluster, namespace: data, selector: {app.kubernetes.io/name: postgresql}}
caches: []
queues:
  - {name: orders, hosts: [kafka-0.example.com], cidr: 10.30.0.0/24, topic: orders, group: indexer}
external_services:
  - {name: payments, host: api.payments.example.com}
platform: {kubernetes: "1.37", pipeline: gitlab-ci, monitoring: prometheus-operator, secrets: manual, cloud: none}
"""

SPECS = {"minimal": MINIMAL, "decided": DECIDED, "mixed": MIXED}
OVERLAYS = [(case, environment) for case in SPECS for environment in ENVIRONMENTS]


@cache
def plan(case: str) -> Plan:
    """Plan one of the specs."""
    return plan_bundle(load_spec(parse_spec(SPECS[case], f"{case}.yaml")).spec)


@cache
def renderer() -> Renderer:
    """Open the templates of the manifests alone."""
    opened = Renderer(templates_folder())
    opened.names = [name for name in opened.names if name.startswith(FOLDERS)]
    return opened


@cache
def rendered(case: str) -> Files:
    """Render the manifests of one of the specs."""
    return renderer().render(plan(case))


@cache
def overlay_text(case: str, environment: str) -> str:
    """Build one overlay with kustomize."""
    return build(rendered(case), environment)


def overlay(case: str, environment: str) -> list[Object]:
    """Build one overlay and read its objects; each call reads them anew, so that a test may change them."""
    return objects(overlay_text(case, environment))


def build(files: Mapping[str, str], environment: str) -> str:
    """Write files into a folder and build one overlay of it with kustomize."""
    with tempfile.TemporaryDirectory() as folder:
        write(files, Path(folder))
        return tools.kustomize(Path(folder, "overlays", environment))


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write files into a folder."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")


def objects(text: str) -> list[Object]:
    """Read the objects of a stream of YAML documents."""
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(found: list[Object], *kinds: str) -> list[Object]:
    """Keep the objects of some kinds."""
    return [one for one in found if one["kind"] in kinds]


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Say whether labels satisfy a selector of equalities."""
    return selector.items() <= labels.items()


def pod(deployment: Object) -> Object:
    """Take the pod's specification of a Deployment."""
    specification: Object = deployment["spec"]["template"]["spec"]
    return specification


def pod_labels(deployment: Object) -> dict[str, str]:
    """Take the labels of a Deployment's pods."""
    labels: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return labels


class End(NamedTuple):
    """Something that may talk to a pod or be talked to: a pod with its namespace and labels, or an address alone."""

    ip: str
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()


def allowed(found: list[Object], labels: Mapping[str, str], direction: str, end: End, port: tuple[str, int]) -> bool:
    """Say whether the policies let a pod with some labels and another end talk on a port, as Kubernetes defines it.

    A direction that no policy selects for is open; otherwise some rule of some policy must match peer and port.
    """
    policies = [
        policy
        for policy in of_kind(found, "NetworkPolicy")
        if selects(policy["spec"]["podSelector"].get("matchLabels", {}), labels)
        and direction.capitalize() in policy["spec"]["policyTypes"]
    ]
    if not policies:
        return True
    return any(
        _rule_matches(rule, direction, end, port, policy["metadata"]["namespace"])
        for policy in policies
        for rule in policy["spec"].get(direction, [])
    )


def _rule_matches(rule: Object, direction: str, end: End, port: tuple[str, int], own: str) -> bool:
    peers = rule.get("from" if direction == "ingress" else "to")
    ports = rule.get("ports")
    return (not peers or any(_peer_matches(peer, end, own) for peer in peers)) and (
        not ports or any((item.get("protocol", "TCP"), item.get("port", port[1])) == port for item in ports)
    )


def _peer_matches(peer: Object, end: End, own: str) -> bool:
    if "ipBlock" in peer:
        # Whether a range covers pods is left to the network; only addresses outside the cluster are certain.
        return not end.namespace and _in_range(end.ip, peer["ipBlock"])
    if not end.namespace:
        return False
    if "namespaceSelector" in peer:
        wanted = peer["namespaceSelector"].get("matchLabels", {})
        if not selects(wanted, {"kubernetes.io/metadata.name": end.namespace}):
            return False
    elif end.namespace != own:
        return False
    return selects(peer.get("podSelector", {}).get("matchLabels", {}), dict(end.labels))


def _in_range(ip: str, block: Object) -> bool:
    address = ipaddress.ip_address(ip)
    inside = address in ipaddress.ip_network(block["cidr"])
    return inside and not any(address in ipaddress.ip_network(one) for one in block.get("except", []))


# What is wrong with an overlay, each as a function from objects to findings


def wrong_selectors(found: list[Object]) -> Iterator[str]:
    """Find selectors that select nothing, or too much."""
    deployments = of_kind(found, "Deployment")
    for deployment in deployments:
        wanted = deployment["spec"]["selector"]["matchLabels"]
        matching = [one for one in deployments if selects(wanted, pod_labels(one))]
        if matching != [deployment]:
            yield f"the selector of {deployment['metadata']['name']} matches {len(matching)} Deployments"
    for one in of_kind(found, "Service", "PodDisruptionBudget"):
        wanted = one["spec"]["selector"].get("matchLabels", one["spec"]["selector"])
        matching = [deployment for deployment in deployments if selects(wanted, pod_labels(deployment))]
        if len(matching) != 1:
            yield f"{one['kind']} {one['metadata']['name']} matches {len(matching)} Deployments"
        elif one["kind"] == "Service":
            yield from _wrong_ports(one, matching[0])


def _wrong_ports(service: Object, deployment: Object) -> Iterator[str]:
    names = {port["name"] for port in pod(deployment)["containers"][0]["ports"]}
    for port in service["spec"]["ports"]:
        if port["targetPort"] not in names:
            yield f"Service {service['metadata']['name']} leads to port {port['targetPort']}, which no container has"


def wrong_scaling(found: list[Object]) -> Iterator[str]:
    """Find autoscalers without a target, with a metric that nobody serves, or beside a fixed number of pods."""
    deployments = {one["metadata"]["name"]: one for one in of_kind(found, "Deployment")}
    scaled: set[str] = set()
    for scaler in of_kind(found, "HorizontalPodAutoscaler"):
        name = scaler["spec"]["scaleTargetRef"]["name"]
        if name not in deployments or name in scaled:
            yield f"{name} is no Deployment, or scaled twice"
            continue
        scaled.add(name)
        yield from _wrong_scaler(scaler, deployments[name])
    siblings = {name.rpartition("-")[0] for name in scaled if "colour" in pod_labels(deployments[name])}
    for stem in siblings:
        if not {f"{stem}-blue", f"{stem}-green"} <= scaled:
            yield f"only one colour of {stem} scales"


def _wrong_scaler(scaler: Object, deployment: Object) -> Iterator[str]:
    name, spec = scaler["metadata"]["name"], scaler["spec"]
    requests = pod(deployment)["containers"][0].get("resources", {}).get("requests", {})
    if "replicas" in deployment["spec"]:
        yield f"{name}: the Deployment fixes its pods"
    if "behavior" not in spec:
        yield f"{name}: no behaviour"
    if spec["minReplicas"] > spec["maxReplicas"]:
        yield f"{name}: the minimum is above the maximum"
    for metric in spec["metrics"]:
        if metric["type"] != "Resource":
            yield f"{name}: {metric['type']} metrics need an adapter"
        elif metric["resource"]["name"] not in requests:
            yield f"{name}: no request of {metric['resource']['name']}"


def wrong_budgets(found: list[Object]) -> Iterator[str]:
    """Find Deployments without a disruption budget, and budgets that block a drain."""
    budgets = of_kind(found, "PodDisruptionBudget")
    for deployment in of_kind(found, "Deployment"):
        labels = pod_labels(deployment)
        covering = [one for one in budgets if selects(one["spec"]["selector"]["matchLabels"], labels)]
        if len(covering) != 1:
            yield f"{deployment['metadata']['name']} has {len(covering)} disruption budgets"
    for budget in budgets:
        if (
            budget["spec"].get("maxUnavailable") != 1
            or budget["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow"
        ):
            yield f"{budget['metadata']['name']} can block a drain"


_SCALE = {"m": 1, "": 1000, "k": 10**6, "Ki": 2**10 * 1000, "Mi": 2**20 * 1000, "Gi": 2**30 * 1000}


def amount(quantity: str | int) -> int:
    """Read a Kubernetes quantity in thousandths."""
    text = str(quantity)
    digits = text.rstrip("mkKMGi")
    return int(digits) * _SCALE[text[len(digits) :]]


def wrong_resources(found: list[Object]) -> Iterator[str]:
    """Find containers without requests and limits, and requests above them."""
    for deployment in of_kind(found, "Deployment"):
        container = pod(deployment)["containers"][0]
        resources = container.get("resources", {})
        for name in ("cpu", "memory", "ephemeral-storage"):
            request, limit = (resources.get(side, {}).get(name) for side in ("requests", "limits"))
            if request is None or limit is None or amount(request) > amount(limit):
                yield f"{deployment['metadata']['name']}: {name} from {request} to {limit}"


def wrong_secrets(found: list[Object]) -> Iterator[str]:
    """Find secret values in manifests, secrets that nothing fetches, and residue of another template language."""
    for one in found:
        name = f"{one['kind']} {one['metadata']['name']}"
        if one["kind"] == "Secret":
            yield f"{name} holds values"
        text = yaml.safe_dump({**one, "data": None} if one["kind"] == "ConfigMap" else one)
        if "{{" in text or "://user:" in text:
            yield f"{name} holds residue or a password"
        if "kubectl.kubernetes.io/last-applied-configuration" in text:
            yield f"{name} keeps a copy of its last apply"


def wrong_names(found: list[Object]) -> Iterator[str]:
    """Find objects outside the namespace, without the recommended labels, and ConfigMaps that nothing reads."""
    namespaces = of_kind(found, "Namespace")
    namespace = namespaces[0]["metadata"]["name"] if namespaces else None
    wanted = {"app.kubernetes.io/part-of", "app.kubernetes.io/managed-by", "team"}
    read = set(_config_maps([one.get("spec") for one in found]))
    for one in found:
        name = f"{one['kind']} {one['metadata']['name']}"
        if one["kind"] != "Namespace" and one["metadata"].get("namespace") != namespace:
            yield f"{name} is outside the namespace"
        if not wanted <= one["metadata"].get("labels", {}).keys():
            yield f"{name} lacks recommended labels"
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] not in read:
            yield f"{name} is read by nothing"


def _config_maps(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _config_maps(item)
    elif isinstance(node, dict):
        yield from (node[key]["name"] for key in ("configMapRef", "configMap") if key in node)
        yield from _config_maps(list(node.values()))


def unrestricted(found: list[Object]) -> Iterator[str]:
    """Find pods that the Pod Security level *restricted* refuses or warns of."""
    for namespace in of_kind(found, "Namespace"):
        for mode in ("enforce", "warn", "audit"):
            if namespace["metadata"]["labels"].get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"the namespace does not {mode} restricted"
    for deployment in of_kind(found, "Deployment"):
        name, spec = deployment["metadata"]["name"], pod(deployment)
        context = spec.get("securityContext", {})
        container = spec["containers"][0].get("securityContext", {})
        conditions = {
            "root": context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0,
            "seccomp": context.get("seccompProfile") == {"type": "RuntimeDefault"},
            "escalation": container.get("allowPrivilegeEscalation") is False,
            "capabilities": container.get("capabilities") == {"drop": ["ALL"]},
            "volumes": all({"emptyDir", "secret", "configMap"} & volume.keys() for volume in spec.get("volumes", [])),
            "host": not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
        }
        yield from (f"{name}: {condition}" for condition, holds in conditions.items() if not holds)


CHECKS: dict[str, Callable[[list[Object]], Iterator[str]]] = {
    "selectors": wrong_selectors,
    "scaling": wrong_scaling,
    "budgets": wrong_budgets,
    "resources": wrong_resources,
    "secrets": wrong_secrets,
    "names": wrong_names,
    "restricted": unrestricted,
    "scores": scores.findings,
}
