"""The migration of a service: the Job that changes its databases before the new version takes traffic."""

from typing import TypedDict

from devops_tasks.plan.network import Flow, plan_migration_flows
from devops_tasks.spec import Service, Spec

_SPARE_SECONDS = 60
_SUFFIX = "-migrate"


class Migration(TypedDict):
    """The migration of one service; ``workload`` names the Deployment whose image it runs, that of the new version.

    ``command`` is as the container has it: Kubernetes reads ``$(NAME)`` in it, and two dollars as one.
    """

    name: str
    service: str
    workload: str
    words: list[str]
    command: list[str]
    deadline_seconds: int
    wait_seconds: int
    minutes: int
    flows: list[Flow]


def plan_migration(spec: Spec, service: Service, workload: str) -> Migration | None:
    """Plan the migration of a service that has one."""
    if service.migrate is None or service.migrate_within is None:
        return None
    name, seconds = f"{service.name}{_SUFFIX}", int(service.migrate_within.seconds)
    return {
        "name": name,
        "service": service.name,
        "workload": workload,
        "words": list(service.migrate),
        "command": [word.replace("$", "$$") for word in service.migrate],
        "deadline_seconds": seconds,
        "wait_seconds": seconds + _SPARE_SECONDS,
        "minutes": seconds // 60,
        "flows": plan_migration_flows(spec, service, name),
    }
