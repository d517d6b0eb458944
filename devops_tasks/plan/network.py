"""The network flows that the services need: one row each, printed in the document and opened by the policies.

Lives here: who talks to whom, on which port, and what stands for an address that nobody has decided. Everything that
is not a row here stays closed. Must not: how a policy is written (the template does).
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypedDict

from devops_tasks.spec import Cache, Database, ExternalService, Queue, Service, Spec

PRIVATE_RANGES = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
NOT_PUBLIC = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
"""Ranges in which no external service lives; 169.254.0.0/16 holds the clouds' metadata services."""

PRIVATE = "undecided: private ranges"
PUBLIC = "undecided: any public address"
_DNS = "DNS"
_ADDRESS = r"\d{1,3}(?:\.\d{1,3}){3}"

Direction = Literal["ingress", "egress"]


class LabelPair(TypedDict):
    """One label of a selector."""

    name: str
    value: str


class Peer(TypedDict):
    """The other end of a flow: pods (``ranges`` is empty; ``namespace`` None is the workloads' own), or addresses."""

    namespace: str | None
    labels: list[LabelPair]
    ranges: list[str]
    excepted: list[str]
    address: str
    decided: bool


Flow = TypedDict(
    "Flow",
    {
        "service": str,
        "direction": Direction,
        "from": str,
        "to": str,
        "port": int,
        "protocols": list[str],
        "address": str,
        "decided": bool,
        "peer": Peer,
    },
)
"""One needed flow; ``service`` is the one whose policy opens it, ``address`` the words for the other end."""


class _End(NamedTuple):
    name: str
    port: int
    peer: Peer
    protocols: tuple[str, ...] = ("TCP",)


Store = Database | Cache | Queue | ExternalService


def plan_flows(spec: Spec, service: Service) -> list[Flow]:
    """List every flow that one service needs, ingress first."""
    ingress = [_flow(service, "ingress", end) for end in _callers(spec, service)]
    return ingress + [_flow(service, "egress", end) for end in _called(spec, service)]


def plan_migration_flows(spec: Spec, service: Service, name: str) -> list[Flow]:
    """List what the migration of a service needs, and no more: names, and the databases that the service needs."""
    databases = {database.name for database in spec.databases}
    own = [end for end in _called(spec, service) if end.name in {_DNS, *databases}]
    return [{**_flow(service, "egress", end), "service": name, "from": name} for end in own]


def plan_peer(store: Store) -> Peer:
    """Say where a database, cache, queue or external service is, as a policy can say it."""
    if isinstance(store, (Database, Cache)) and store.hosting == "in-cluster":
        return _pods(store.namespace, store.selector or {}, decided=bool(store.selector))
    host = None if isinstance(store, Queue) else store.host
    if store.cidr or _is_address(host):
        return _ranges([store.cidr or f"{host}/32"])
    if isinstance(store, ExternalService):
        return _ranges(["0.0.0.0/0"], NOT_PUBLIC, undecided=PUBLIC)
    return _private()


def _callers(spec: Spec, service: Service) -> Iterator[_End]:
    if service.kind != "worker":
        for name, peer in _entrances(spec):
            yield _End(name, service.port, peer)
    if service.metrics.convention != "none":
        namespace = spec.monitoring.namespace
        yield _End("Prometheus", service.metrics.port, _pods(namespace, {}))


def _entrances(spec: Spec) -> Iterator[tuple[str, Peer]]:
    gateway, balancer = spec.platform.gateway, spec.platform.load_balancer
    controller = spec.platform.ingress_namespace
    if gateway:
        yield f"Gateway {gateway.name}", _pods(gateway.namespace, {})
    if controller:
        yield "Ingress controller", _pods(controller, {})
    if balancer.cidr:
        yield f"Load balancer ({balancer.kind})", _ranges([balancer.cidr])
    if not gateway and not controller and not balancer.cidr:
        inner = "Ingress controller" if spec.platform.routing == "ingress" else "Gateway"
        yield f"{inner} or load balancer", _private()


def _called(spec: Spec, service: Service) -> Iterator[_End]:
    yield _End(_DNS, 53, _pods("kube-system", {"k8s-app": "kube-dns"}), ("UDP", "TCP"))
    stores: dict[str, Store] = {
        store.name: store
        for group in (spec.databases, spec.caches, spec.queues, spec.external_services)
        for store in group
    }
    for name in dict.fromkeys(service.needs):
        yield _End(name, stores[name].port, plan_peer(stores[name]))
    tracing = spec.platform.tracing
    if tracing:
        yield _End("Traces", tracing.port, _host_peer(tracing.host))


def _host_peer(host: str) -> Peer:
    """Read a host name as cluster DNS does: ``service``, ``service.namespace`` and ``service.namespace.svc...``."""
    if _is_address(host):
        return _ranges([f"{host}/32"])
    steps = host.removesuffix(".cluster.local").removesuffix(".svc").split(".")
    if len(steps) == 1:
        return _pods(None, {})
    return _pods(steps[1], {}) if len(steps) == 2 else _private()  # noqa: PLR2004 - a service and its namespace


def _is_address(host: str | None) -> bool:
    return bool(host and re.fullmatch(_ADDRESS, host))


def _flow(service: Service, direction: Direction, end: _End) -> Flow:
    inward = direction == "ingress"
    return {
        "service": service.name,
        "direction": direction,
        "from": end.name if inward else service.name,
        "to": service.name if inward else end.name,
        "port": end.port,
        "protocols": list(end.protocols),
        "address": end.peer["address"],
        "decided": end.peer["decided"],
        "peer": end.peer,
    }


def _pods(namespace: str | None, labels: dict[str, str], *, decided: bool = True) -> Peer:
    place = f"namespace {namespace}" if namespace else "the same namespace"
    pods = ", ".join(f"{name}={value}" for name, value in labels.items())
    address = f"pods {pods} in {place}" if pods else place
    return {
        "namespace": namespace,
        "labels": [{"name": name, "value": value} for name, value in labels.items()],
        "ranges": [],
        "excepted": [],
        "address": address if decided else f"undecided: every pod of {place}",
        "decided": decided,
    }


def _private() -> Peer:
    return _ranges(PRIVATE_RANGES, undecided=PRIVATE)


def _ranges(ranges: list[str] | tuple[str, ...], excepted: tuple[str, ...] = (), *, undecided: str = "") -> Peer:
    return {
        "namespace": None,
        "labels": [],
        "ranges": list(ranges),
        "excepted": list(excepted),
        "address": undecided or ", ".join(ranges),
        "decided": not undecided,
    }
