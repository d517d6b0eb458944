"""What runs in the cluster: services, their colours, labels, sizes by environment, and the flows they need."""

from typing import Any

from devops_tasks.plan import undecided
from devops_tasks.spec import Service, Spec

COLOURS = ("blue", "green")


def plan_workloads(spec: Spec) -> dict[str, Any]:
    """Plan ``services`` and ``environments``."""
    return {
        "services": [plan_service(spec, service) for service in spec.services],
        "environments": [
            {"name": name, "namespace": getattr(spec.platform.namespaces, name)} for name in ("staging", "production")
        ],
    }


def plan_service(spec: Spec, service: Service) -> dict[str, Any]:
    """Plan one service; ``deployments`` are the names of its Deployments, one per colour or the one of a worker."""
    coloured = service.kind != "worker"
    return {
        "name": service.name,
        "kind": service.kind,
        "public": coloured,
        "deployments": [f"{service.name}-{colour}" for colour in COLOURS] if coloured else [service.name],
        "image": service.image or undecided.image(service.name),
        "port": service.port,
        "host": service.host,
        "team": spec.feature.team,
    }
