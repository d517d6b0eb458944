"""The flag that assigns: its definition must split as the spec says, and be where each service looks for it.

Lives here: what stands on disk, in whatever way it was edited. Must not: what flagd's own schema says.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from devops_tasks.checks.cluster import Cluster, items
from devops_tasks.checks.documents import Document, Value, read_yaml
from devops_tasks.errors import KeyPath, Problem
from devops_tasks.plan import Plan

_PATH = "experiment/flags.json"
_FILE = "FLAGD_OFFLINE_FLAG_SOURCE_PATH"
_KEY = "experiment.assignment.treatment"


def check_assignment(plan: Plan, cluster: Cluster, files: Mapping[str, str]) -> Iterator[Problem]:
    """Hold the definition of the flag against the spec, and where it is mounted against where it is looked for."""
    if plan["experiment"]["flag"]:
        # Each JSON is YAML, and its reader knows the lines.
        for document in read_yaml(_PATH, files.get(_PATH, ""))[0][:1]:
            yield from _definition(plan["experiment"]["flag"], document)
        yield from _mounts(cluster)


def _definition(planned: Mapping[str, Value], document: Document) -> Iterator[Problem]:
    flag: KeyPath = ("flags", planned["key"])
    targeting: KeyPath = (*flag, "targeting", "fractional")
    if document.at(flag) is None:
        yield _wrong(document, ("flags",), f"has no flag {planned['key']}, for which the services ask")
        return
    weights = _weights(document.at(targeting))
    asked = {arm["name"]: Decimal(arm["weight"]) / planned["total"] for arm in planned["arms"]}
    if weights is None:
        yield _wrong(document, targeting, "assigns by something else than the weights of control and treatment")
    elif _shares(weights) != asked:
        planned_weights = {arm["name"]: arm["weight"] for arm in planned["arms"]}
        what = f"splits {_told(weights)}, and the spec makes it {_told(planned_weights)}"
        mend = "write it into the spec and generate, or undo the edit"
        yield Problem(_PATH, what, mend, "other-number", document.line(targeting), key=_KEY)
    if document.at((*flag, "defaultVariant")) != "control":
        yield _wrong(document, (*flag, "defaultVariant"), "gives another version than control to those without a key")


def _weights(fractional: Value) -> dict[str, int] | None:
    """Read the weights of the arms; None of what assigns by another key, or is no list of weights."""
    try:
        weights = {str(name): weight + 0 for name, weight in fractional}
    except (TypeError, ValueError):
        return None
    whole = all(isinstance(weight, int) and weight >= 0 for weight in weights.values())
    return weights if whole and len(weights) == len(fractional) and any(weights.values()) else None


def _shares(weights: Mapping[str, int]) -> dict[str, Decimal]:
    total = sum(weights.values())
    return {name: Decimal(weight) / total for name, weight in weights.items()}


def _told(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {weight}" for name, weight in weights.items())


def _wrong(document: Document, path: KeyPath, what: str) -> Problem:
    return Problem(_PATH, what, "generate it again, or undo the edit", "assignment", document.line(path))


def _mounts(cluster: Cluster) -> Iterator[Problem]:
    """Find each container that looks for the flag where nothing is mounted, or where it would never see a change."""
    for pods in cluster.pods:
        for place, container in pods.containers:
            path = next((each.get("value") for each in items(container.get("env")) if each.get("name") == _FILE), None)
            if not isinstance(path, str):  # its value comes from elsewhere
                continue
            around = [f"{path}/"[:end] for end, sign in enumerate(f"{path}/") if sign == "/"]
            mounts = [each for each in items(container.get("volumeMounts")) if each.get("mountPath") in around]
            line = pods.document.line((*place, "volumeMounts"))
            if not mounts:
                what = f"{_FILE} is {path}, where nothing is mounted"
                yield Problem(pods.document.path, what, "mount the flag there", "assignment", line)
            elif any(each.get("subPath") for each in mounts):
                what = f"{path} is mounted by subPath, so that no pod ever sees a change of it"
                yield Problem(pods.document.path, what, "mount the folder", "assignment", line)
