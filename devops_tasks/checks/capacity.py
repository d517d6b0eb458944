"""The arithmetic of pods, environment by environment: autoscalers, disruption budgets, quotas.

Lives here: how many pods there are at least and at most, and what that means. Must not: a single number's own limits
(``rules`` has them).
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import product
from typing import NamedTuple

from devops_tasks.checks.cluster import (
    ROLLED,
    Cluster,
    Environment,
    environments,
    items,
    kind_of,
    labels_of,
    meant,
    name_of,
    replicas_of,
    scaled,
)
from devops_tasks.checks.documents import Document, Value
from devops_tasks.errors import Problem
from devops_tasks.units import parse_cpu, parse_size, plain

Problems = Iterator[Problem]
_COUNTED = {"requests.cpu": "requests", "cpu": "requests", "requests.memory": "requests", "memory": "requests",
            "limits.cpu": "limits", "limits.memory": "limits"}  # fmt: skip


class Pods(NamedTuple):
    """How many pods a Deployment or Rollout has in one environment."""

    deployment: Document
    least: int
    most: int


def pods_of(environment: Environment, cluster: Cluster) -> Iterator[Pods]:
    """Count the pods of every workload that an environment applies: by its autoscaler, else as written."""
    scalers = {scaled(each): each for each in cluster.kind("HorizontalPodAutoscaler") if each.path in environment.paths}
    for deployment in cluster.kind(*ROLLED):
        if deployment.path in environment.paths:
            written = replicas_of(environment, deployment)
            count = written[0] if written else 1
            scaler = scalers.get((kind_of(deployment), name_of(deployment)))
            least = scaler.at(("spec", "minReplicas")) if scaler else count
            most = scaler.at(("spec", "maxReplicas")) if scaler else count
            yield Pods(deployment, least if isinstance(least, int) else 1, most if isinstance(most, int) else count)


def check_environments(cluster: Cluster, files: Mapping[str, str]) -> Problems:
    """Warn of replicas that lie outside of the autoscaler of the same environment."""
    told: set[tuple[str, int]] = set()
    for environment, scaler in product(environments(cluster, files), cluster.kind("HorizontalPodAutoscaler")):
        deployment = cluster.objects.get(scaled(scaler))
        least, most = scaler.at(("spec", "minReplicas")), scaler.at(("spec", "maxReplicas"))
        found = replicas_of(environment, deployment) if deployment and scaler.path in environment.paths else None
        if found and isinstance(least, int) and isinstance(most, int) and not least <= found[0] <= most:
            count, document = found
            line = document.line(("spec", "replicas"))
            name, range_ = name_of(scaler), f"{least} to {most}"
            what = f"{environment.name} has {count} pods of {name}, and its autoscaler keeps {range_}"
            if (document.path, line) not in told:
                yield Problem(document.path, what, f"see {scaler.path}", "replicas-outside-autoscaler", line)
            told.add((document.path, line))  # one patch sizes both colours


def check_budgets(cluster: Cluster, files: Mapping[str, str]) -> Problems:
    """Warn of a disruption budget that lets no pod be moved, by itself or where there are as few pods as it keeps."""
    for document in cluster.kind("PodDisruptionBudget"):
        key = "maxUnavailable" if document.at(("spec", "maxUnavailable")) is not None else "minAvailable"
        value = str(document.at(("spec", key)))
        blocked = {"maxUnavailable": {"0", "0%"}, "minAvailable": {"100%"}}[key]
        where = "" if value in blocked else _blocking(cluster, files, document) if key == "minAvailable" else None
        if where is not None:
            what = f"{kind_of(document)} {name_of(document)} lets no pod be moved: {key} is {value}{where}"
            line = document.line(("spec", key))
            yield Problem(document.path, what, "write maxUnavailable: 1", "disruption-blocked", line)


def _blocking(cluster: Cluster, files: Mapping[str, str], budget: Document) -> str | None:
    """Say in which environment as many pods must stay as there are."""
    wanted = labels_of(budget.at(("spec", "selector", "matchLabels")))
    for environment in environments(cluster, files):
        for pods in pods_of(environment, cluster):
            labels = labels_of(pods.deployment.at(("spec", "template", "metadata", "labels")))
            if wanted.items() <= labels.items() and _kept(budget, pods.least) >= pods.least:
                return f", and {environment.name} has {pods.least} of {name_of(pods.deployment)}"
    return None


def _kept(budget: Document, pods: int) -> int:
    kept = budget.at(("spec", "minAvailable"))
    share = re.fullmatch(r"(\d+)%", str(kept))
    if share:
        return -(-pods * int(share[1]) // 100)  # Kubernetes rounds up
    return kept if isinstance(kept, int) else 0


def check_quotas(cluster: Cluster, files: Mapping[str, str]) -> Problems:
    """Warn of a quota that has no room for all pods of an environment at their most."""
    for environment, quota in product(environments(cluster, files), cluster.kind("ResourceQuota")):
        if quota.path in environment.paths:
            hard = quota.at(("spec", "hard"))
            for name, limit in hard.items() if isinstance(hard, dict) else ():
                yield from _beyond(environment, cluster, quota, str(name), limit)


def _beyond(environment: Environment, cluster: Cluster, quota: Document, name: str, limit: Value) -> Problems:
    most, room = _needed(environment, cluster, name), _amount(name, limit)
    if most is not None and room is not None and most > room:
        sum_ = f"the pods of {environment.name} come to {_written(name, most)}"
        what = f"{kind_of(quota)} {name_of(quota)} allows {name} of {limit}, and {sum_}"
        mend = "raise the quota, or lower what the autoscalers may reach"
        yield Problem(quota.path, what, mend, "over-quota", quota.line(("spec", "hard", name)))


def _needed(environment: Environment, cluster: Cluster, name: str) -> Decimal | None:
    pods = list(pods_of(environment, cluster))
    if name in {"pods", "count/pods"}:
        return Decimal(sum(each.most for each in pods))
    if name not in _COUNTED:
        return None
    side, resource = _COUNTED[name], name.rpartition(".")[2]
    return sum((each.most * _of_pod(environment, each.deployment, side, resource) for each in pods), Decimal(0))


def _of_pod(environment: Environment, deployment: Document, side: str, resource: str) -> Decimal:
    """Add up what the containers of one pod ask for; a patch of the environment counts before the base."""
    found: dict[str, Value] = {}
    patches = [patch for target, patch in environment.patches if meant(target, patch, deployment)]
    for document in (deployment, *patches):
        for name, container in _containers(document, deployment):
            resources = container.get("resources")
            group = resources.get(side) if isinstance(resources, dict) else None
            if isinstance(group, dict) and resource in group:
                found[name] = group[resource]
    return sum((_amount(resource, each) or Decimal(0) for each in found.values()), Decimal(0))


def _containers(document: Document, deployment: Document) -> Iterator[tuple[str, Value]]:
    """Give each container with its name; a patch of operations has them by their place in the base."""
    path = ("spec", "template", "spec", "containers")
    written = document.at(path)
    if isinstance(written, dict):
        yield from ((str(deployment.at((*path, index, "name"))), container) for index, container in written.items())
    else:
        yield from ((str(container.get("name")), container) for container in items(written))


def _amount(name: str, value: Value) -> Decimal | None:
    """Read a quantity: thousandths of a core, bytes, or a number of pods."""
    try:
        if name.endswith("cpu"):
            return Decimal(parse_cpu(str(value)).millicores)
        return Decimal(parse_size(str(value)).bytes) if name.endswith("memory") else Decimal(str(value))
    except (ArithmeticError, ValueError):
        return None


def _written(name: str, amount: Decimal) -> str:
    if name.endswith("cpu"):
        return f"{plain(amount / 1000)} CPU"
    return f"{plain(amount / 2**30)}Gi" if name.endswith("memory") else plain(amount)
