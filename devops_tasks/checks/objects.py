"""Manifests that must agree with one another: selectors, targets, backends, references, ports.

Lives here: names and ports across the Kubernetes files of a bundle. Must not: schemas (other tools have them).
"""

from collections.abc import Callable, Iterator
from itertools import product

from devops_tasks.checks.cluster import Cluster, Pods, items, kind_of, labels_of, name_of
from devops_tasks.checks.documents import Document, Value
from devops_tasks.errors import KeyPath, Problem

Problems = Iterator[Problem]


def check_objects(cluster: Cluster) -> Problems:
    """Check every name and port by which one object means another."""
    for rule in _RULES:
        yield from rule(cluster)


def _at(document: Document, path: KeyPath, what: str, mend: str, code: str) -> Problem:
    return Problem(document.path, what, mend, code, document.line(path))


def _called(document: Document) -> str:
    return f"{kind_of(document)} {name_of(document)}"


_SELECTORS: dict[str, KeyPath] = {
    "Service": ("spec", "selector"),
    "PodDisruptionBudget": ("spec", "selector", "matchLabels"),
    "NetworkPolicy": ("spec", "podSelector", "matchLabels"),
    "PodMonitor": ("spec", "selector", "matchLabels"),
}


def _selectors(cluster: Cluster) -> Problems:
    for document in cluster.kind(*_SELECTORS):
        path = _SELECTORS[kind_of(document)]
        labels = document.at(path)
        if labels and _looks_here(cluster, document) and not cluster.selected(labels):
            what = f"{_called(document)} selects {_printed(labels)}, and no pod of the bundle has that"
            yield _at(document, path, what, "give both the same labels", "selector")
    for document in cluster.kind("ServiceMonitor"):
        labels = labels_of(document.at(("spec", "selector", "matchLabels")))
        services = (labels_of(each.at(("metadata", "labels"))) for each in cluster.kind("Service"))
        if _looks_here(cluster, document) and not any(labels.items() <= found.items() for found in services):
            what = f"{_called(document)} selects {_printed(labels)}, and no Service of the bundle has that"
            yield _at(document, ("spec", "selector"), what, "give both the same labels", "selector")


def _looks_here(cluster: Cluster, document: Document) -> bool:
    """Say whether an object is about pods of ours: a monitor may look for exporters in another namespace."""
    own = {kustomization.at(("namespace",)) for kustomization in cluster.kustomizations.values()} | {None}
    named = document.at(("spec", "namespaceSelector", "matchNames"))
    looked = named if isinstance(named, list) else [document.at(("metadata", "namespace"))]
    return not own.isdisjoint(map(str, looked)) or None in looked


def _printed(labels: Value) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels_of(labels).items()) or "nothing"


def _own_pods(cluster: Cluster) -> Problems:
    for pods in cluster.pods:
        path: KeyPath = ("spec", "selector", "matchLabels")
        missing = labels_of(pods.document.at(path)).items() - pods.labels.items()
        if missing:
            what = f"{_called(pods.document)} selects {_printed(dict(sorted(missing)))}, which its own pods lack"
            yield _at(pods.document, path, what, "give both the same labels", "selector")


def _targets(cluster: Cluster) -> Problems:
    for document in cluster.kind("HorizontalPodAutoscaler", "VerticalPodAutoscaler"):
        path: KeyPath = ("spec", "scaleTargetRef")
        kind, name = document.at((*path, "kind")), document.at((*path, "name"))
        if (str(kind), str(name)) not in cluster.objects:
            what = f"{_called(document)} scales {kind} {name}, which the bundle does not have"
            yield _at(document, (*path, "name"), what, "name a Deployment of the bundle", "unknown-object")


def _backends(cluster: Cluster) -> Problems:
    for document in cluster.kind("HTTPRoute", "GRPCRoute"):
        for path, backend in _route_backends(document):
            yield from _backend(cluster, document, path, backend)
    for document in cluster.kind("Ingress"):
        for path, service in ingress_backends(document):
            yield from _backend(cluster, document, path, {**service, "port": _port(service.get("port"))})


def _port(port: Value) -> Value:
    return port.get("number", port.get("name")) if isinstance(port, dict) else None


_PORT_KEYS = ("port", "name")


def _route_backends(document: Document) -> Iterator[tuple[KeyPath, dict[str, Value]]]:
    for index, rule in enumerate(items(document.at(("spec", "rules")))):
        for number, backend in enumerate(items(rule.get("backendRefs"))):
            if backend.get("kind", "Service") == "Service" and not backend.get("namespace"):
                yield ("spec", "rules", index, "backendRefs", number), backend


def ingress_backends(document: Document) -> Iterator[tuple[KeyPath, dict[str, Value]]]:
    """Give every Service that an Ingress leads to, with its place."""
    for index, rule in enumerate(items(document.at(("spec", "rules")))):
        http = rule.get("http")
        for number, path in enumerate(items(http.get("paths")) if isinstance(http, dict) else ()):
            backend = path.get("backend")
            service = backend.get("service") if isinstance(backend, dict) else None
            if isinstance(service, dict):
                yield ("spec", "rules", index, "http", "paths", number, "backend", "service"), service


def _backend(cluster: Cluster, document: Document, path: KeyPath, backend: Value) -> Problems:
    service = cluster.objects.get(("Service", str(backend.get("name"))))
    if service is None:
        what = f"{_called(document)} leads to Service {backend.get('name')}, which the bundle does not have"
        yield _at(document, (*path, "name"), what, "name a Service of the bundle", "unknown-object")
    elif backend.get("port") not in [
        port.get(key) for port in items(service.at(("spec", "ports"))) for key in _PORT_KEYS
    ]:
        what = f"{_called(document)} leads to port {backend.get('port')}, which {_called(service)} does not have"
        yield _at(document, (*path, "port"), what, f"see {service.path}", "port")


def _service_ports(cluster: Cluster) -> Problems:
    for document in cluster.kind("Service"):
        found = cluster.selected(document.at(("spec", "selector"))) if document.at(("spec", "selector")) else []
        for index, port in enumerate(items(document.at(("spec", "ports")))):
            target = port.get("targetPort", port.get("port"))
            if found and not all(pods.opens(target) for pods in found):
                path = ("spec", "ports", index, "targetPort")
                what = f"{_called(document)} sends to port {target}, which its pods do not open"
                yield _at(document, path, what, _opened(found), "port")


def _opened(pods: list[Pods]) -> str:
    ports = {name: number for each in pods for name, number in each.ports.items()}
    return "they open " + (", ".join(f"{name} ({number})" for name, number in ports.items()) or "none")


def _probes(cluster: Cluster) -> Problems:
    for pods in cluster.pods:
        for (place, container), probe in product(pods.containers, ("startupProbe", "livenessProbe", "readinessProbe")):
            path = (*place, probe, "httpGet", "port")
            port = pods.document.at(path)
            names = [each.get("name") for each in items(container.get("ports"))]
            if isinstance(port, str) and port not in names:
                what = f"{_called(pods.document)} is probed on port {port}, which the container does not name"
                yield _at(pods.document, path, what, _opened([pods]), "port")


def _annotations(cluster: Cluster) -> Problems:
    for pods in cluster.pods:
        path = (*pods.path, "metadata", "annotations")
        annotations = labels_of(pods.document.at(path))
        port = annotations.get("prometheus.io/port", "")
        if annotations.get("prometheus.io/scrape") == "true" and port not in map(str, pods.ports.values()):
            what = (
                f"{_called(pods.document)} asks to be scraped on port {port or 'of no number'}, which it does not open"
            )
            yield _at(pods.document, (*path, "prometheus.io/port"), what, _opened([pods]), "scrape")


def _monitored_ports(cluster: Cluster) -> Problems:
    for document in cluster.kind("PodMonitor"):
        found = cluster.selected(document.at(("spec", "selector", "matchLabels")))
        for index, endpoint in enumerate(items(document.at(("spec", "podMetricsEndpoints")))):
            key = "port" if "port" in endpoint else "portNumber"
            if found and not any(pods.opens(endpoint.get(key)) for pods in found):
                what = f"{_called(document)} scrapes port {endpoint.get(key)}, which its pods do not open"
                yield _at(document, ("spec", "podMetricsEndpoints", index, key), what, _opened(found), "scrape")


def _references(cluster: Cluster) -> Problems:
    for pods in cluster.pods:
        for path, kind, name in _named(pods):
            if name and not _known(cluster, kind, name):
                what = f"{_called(pods.document)} uses {kind} {name}, which the bundle does not have"
                yield _at(pods.document, path, what, "use the name that the object has", "unknown-object")


def _named(pods: Pods) -> Iterator[tuple[KeyPath, str, str]]:
    spec = (*pods.path, "spec")
    yield (*spec, "serviceAccountName"), "ServiceAccount", str(pods.document.at((*spec, "serviceAccountName")) or "")
    for place, container in pods.containers:
        yield from _named_settings(place, container)
    for index, volume in enumerate(items(pods.document.at((*spec, "volumes")))):
        path = (*spec, "volumes", index)
        yield (*path, "configMap", "name"), "ConfigMap", _inner(volume, "configMap", "name")
        yield (*path, "secret", "secretName"), "Secret", _inner(volume, "secret", "secretName")


def _named_settings(place: KeyPath, container: Value) -> Iterator[tuple[KeyPath, str, str]]:
    for index, source in enumerate(items(container.get("envFrom"))):
        path = (*place, "envFrom", index)
        yield (*path, "configMapRef", "name"), "ConfigMap", _inner(source, "configMapRef", "name")
        yield (*path, "secretRef", "name"), "Secret", _inner(source, "secretRef", "name")
    for index, setting in enumerate(items(container.get("env"))):
        path = (*place, "env", index, "valueFrom")
        source = setting.get("valueFrom")
        yield (*path, "configMapKeyRef", "name"), "ConfigMap", _inner(source, "configMapKeyRef", "name")
        yield (*path, "secretKeyRef", "name"), "Secret", _inner(source, "secretKeyRef", "name")


def _inner(value: Value, group: str, key: str) -> str:
    found = value.get(group) if isinstance(value, dict) else None
    return str(found.get(key) or "") if isinstance(found, dict) else ""


def _known(cluster: Cluster, kind: str, name: str) -> bool:
    if (kind, name) in cluster.objects or name in _generated(cluster, kind):
        return True
    return kind == "Secret" and not any(cluster.kind("Secret", "ExternalSecret", "SealedSecret"))


def _generated(cluster: Cluster, kind: str) -> Iterator[str]:
    generator = {"ConfigMap": "configMapGenerator", "Secret": "secretGenerator"}.get(kind)
    if generator:
        for kustomization in cluster.kustomizations.values():
            yield from (str(each.get("name")) for each in items(kustomization.at((generator,))))
    if kind == "Secret":
        yield from (
            str(each.at(("spec", "target", "name")) or name_of(each)) for each in cluster.kind("ExternalSecret")
        )
        yield from (str(each.at(("spec", "secretName"))) for each in cluster.kind("Certificate"))


_RULES: tuple[Callable[[Cluster], Problems], ...] = (
    _selectors,
    _own_pods,
    _targets,
    _backends,
    _service_ports,
    _probes,
    _annotations,
    _monitored_ports,
    _references,
)
