"""How a release reaches its users: the states of the routes, the steps between them, and what the scripts print."""

from decimal import Decimal
from math import ceil
from typing import TypedDict

from devops_tasks.plan import undecided
from devops_tasks.plan.workloads import plan_service
from devops_tasks.spec import Service, Spec
from devops_tasks.units import Notations, Share


class Step(TypedDict):
    """One state of the routes: ``weight`` is green's share in percent, ``other`` is blue's."""

    name: str
    weight: int
    other: int
    share: str


class Label(TypedDict):
    """One label of an object."""

    name: str
    value: str


class Public(TypedDict):
    """A service that a route leads to; ``port`` is that of its health checks, ``service_port`` that of its requests."""

    name: str
    blue: str
    green: str
    host: str
    path: str
    service_port: int
    port: int
    live: str
    ready: str
    labels: list[Label]


class Worker(TypedDict):
    """A service without colours."""

    name: str


class Gateway(TypedDict):
    """The Gateway that the routes attach to."""

    name: str
    namespace: str


class Delivery(TypedDict):
    """What the delivery templates print; ``weights`` begins with the rollback state, ``shares`` does not."""

    public: list[Public]
    workers: list[Worker]
    gateway: Gateway
    gateway_decided: bool
    namespace: str
    staging_namespace: str
    weights: list[str]
    shares: list[str]
    words: str
    pause: Notations
    pause_seconds: int
    every_seconds: int
    guarded: list[str]
    judged: list[str]
    judged_regex: str
    judged_count: int
    pipeline: str
    pipeline_path: str


class Plan(TypedDict):
    """What this module adds to the plan."""

    steps: list[Step]
    delivery: Delivery


def plan_delivery(spec: Spec) -> Plan:
    """Plan ``steps``, the rollback state first, and ``delivery``."""
    public = [service for service in spec.services if service.kind != "worker"]
    workers = [service for service in spec.services if service.kind == "worker"]
    steps = [_step(share) for share in (Share(Decimal(0)), *spec.delivery.steps)]
    judged = [service.name for service in public or workers if service.metrics.convention != "none"]
    return {
        "steps": steps,
        "delivery": {
            "public": [_public(spec, service) for service in public],
            "workers": [{"name": worker.name} for worker in workers],
            "gateway": _gateway(spec),
            "gateway_decided": spec.platform.gateway is not None,
            "namespace": spec.platform.namespaces.production,
            "staging_namespace": spec.platform.namespaces.staging,
            "weights": [str(step["weight"]) for step in steps],
            "shares": [str(step["weight"]) for step in steps[1:]],
            "words": _words(spec),
            "pause": spec.delivery.pause.notations(),
            "pause_seconds": ceil(spec.delivery.pause.seconds),
            "every_seconds": ceil(spec.monitoring.evaluation_interval.seconds),
            "guarded": [service.name for service in spec.services],
            "judged": judged,
            "judged_regex": "|".join(judged),
            "judged_count": len(judged),
            "pipeline": spec.platform.pipeline,
            "pipeline_path": _pipeline_path(spec),
        },
    }


def _step(share: Share) -> Step:
    weight = int(share.ratio * 100)
    return {"name": f"{weight:03d}", "weight": weight, "other": 100 - weight, "share": share.text}


def _public(spec: Spec, service: Service) -> Public:
    planned = plan_service(spec, service)
    blue, green = planned["deployments"]
    return {
        "name": service.name,
        "blue": blue,
        "green": green,
        "host": planned["host_literal"],
        "path": service.path,
        "service_port": service.port,
        "port": service.health.port,
        "live": service.health.live,
        "ready": service.health.ready,
        "labels": [{"name": name, "value": value} for name, value in planned["labels"].items()],
    }


def _gateway(spec: Spec) -> Gateway:
    gateway = spec.platform.gateway
    if gateway is None:
        return {"name": undecided.NAME, "namespace": undecided.NAME}
    return {"name": gateway.name, "namespace": gateway.namespace}


def _words(spec: Spec) -> str:
    shares = [share.text for share in spec.delivery.steps]
    listed = " and ".join(part for part in (", ".join(shares[:-1]), shares[-1]) if part)
    return f"{listed}, {spec.delivery.pause.words} each"


def _pipeline_path(spec: Spec) -> str:
    return ".gitlab-ci.yml" if spec.platform.pipeline == "gitlab-ci" else f".github/workflows/{spec.feature.slug}.yml"
