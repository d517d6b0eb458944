"""What is right in every file and yet cannot be meant: numbers that work against one another.

Lives here: warnings. They are judged on the files as they stand, and on the spec where no file says the number.
Must not: what leaves no correct bundle (``rules`` refuses that).
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import product
from typing import Any, NamedTuple

from devops_tasks.checks.cluster import Cluster, items, labels_of, scaled
from devops_tasks.checks.documents import Document, Value
from devops_tasks.checks.markdown import read_page
from devops_tasks.checks.rules import Comparison, Rule, first_comparison
from devops_tasks.errors import Problem
from devops_tasks.sizes import find_oddity
from devops_tasks.spec import ENVIRONMENT_NAMES, Service, Spec
from devops_tasks.units import Number, plain

Problems = Iterator[Problem]
_TASK = re.compile(
    r"^[ \t]*[-*+] \[[ xX]\] \*\*\\?\[(?P<id>[A-Z][A-Z0-9]*-\d+)\\?\]\*\*.*\*\((?P<points>\d+) points?\)\*",
    re.MULTILINE,
)
_TOTAL = re.compile(r"^\*\*Total Story Points:\*\* (\d+)", re.MULTILINE)


_RESOURCES = {"cpu_utilization": "cpu", "memory_utilization": "memory"}


class Aim(NamedTuple):
    """The use of a resource that an autoscaler keeps to, in percent of the request."""

    percent: int
    document: Document


def check_rules(rules: list[Rule]) -> Problems:
    """Warn of an alert that the rollback of the same metric always precedes."""
    criteria = [(rule, found) for rule, found in _compared(rules) if _rolls_back(rule)]
    alerts = [(rule, found) for rule, found in _compared(rules) if not _rolls_back(rule)]
    for (rule, found), (criterion, limit) in product(alerts, criteria):
        if _same_subject(rule, criterion) and _preceded(rule, found, criterion, limit):
            what = f"{criterion.name} always comes before {rule.name}"
            mend = "give the alert a nearer threshold, or a shorter for"
            yield Problem(rule.document.path, what, mend, "alert-after-rollback", rule.line("expr"))


def _rolls_back(rule: Rule) -> bool:
    return rule.labels.get("guardrail") == "rollback"


def _compared(rules: list[Rule]) -> Iterator[tuple[Rule, Comparison]]:
    for rule in rules:
        found = first_comparison(rule.expr) if rule.alert else None
        if found is not None:
            yield rule, found


def _same_subject(rule: Rule, criterion: Rule) -> bool:
    same = all(rule.labels.get(name) == criterion.labels.get(name) for name in ("service", "metric"))
    return same and rule.document.path == criterion.document.path


def _preceded(rule: Rule, found: Comparison, criterion: Rule, limit: Comparison) -> bool:
    beyond = found.threshold >= limit.threshold if found.side == "above" else found.threshold <= limit.threshold
    return found.side == limit.side and beyond and rule.wait >= criterion.wait


def check_scaling(spec: Spec, cluster: Cluster, rules: list[Rule]) -> Problems:
    """Warn of an alert on CPU or memory that fires at the use that the autoscaler aims at."""
    services = {service.name: service for service in spec.services}
    for rule, found in _compared(rules):
        service = services.get(rule.labels.get("service", ""))
        resource = _RESOURCES.get(rule.labels.get("metric", ""), "")
        share = _of_request(found.threshold, service, resource) * 100 if service else Decimal(0)
        aims = list(_aims(cluster, service.name, resource)) if service else []
        aim = next((each for each in aims if share <= each.percent), None)
        if aim:
            what = f"{rule.name} fires at {plain(found.threshold * 100)}%, and {_aimed(aim, resource)}"
            mend = "raise the alert, or lower the target"
            yield Problem(rule.document.path, what, mend, "alert-below-autoscaler", rule.line("expr"))


def _aims(cluster: Cluster, service: str, resource: str) -> Iterator[Aim]:
    for document in cluster.kind("HorizontalPodAutoscaler"):
        target = cluster.objects.get(scaled(document))
        name = labels_of(target.at(("metadata", "labels"))).get("app.kubernetes.io/name") if target else ""
        for metric in items(document.at(("spec", "metrics"))) if name == service else ():
            aimed = metric.get("resource")
            percent = _whole(aimed.get("target"), "averageUtilization") if isinstance(aimed, dict) else None
            if percent is not None and aimed.get("name") == resource:
                yield Aim(percent, document)


def _whole(value: Value, key: str) -> int | None:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, int) else None


def _aimed(aim: Aim, resource: str) -> str:
    return f"{aim.document.path} aims at {aim.percent}% of the requested {resource}"


def _of_request(share: Decimal, service: Service, resource: str) -> Decimal:
    """Turn an alert's share into one of the request: memory is alerted on by its limit, and scaled by its request."""
    memory = service.production.memory
    return share * memory.limit.bytes / memory.request.bytes if resource == "memory" else share


def check_tasks(spec: Spec, files: Mapping[str, str]) -> Problems:
    """Warn of more points than fit in the sprint, and of a total that is not the sum, as the document stands."""
    page = read_page(files.get("tasks.md", ""))
    planned = sum(int(match["points"]) for match in _TASK.finditer(page.prose))
    capacity = spec.sprint.capacity
    if capacity is not None and planned > capacity:
        what = f"{planned} points are planned, and {capacity} fit in the sprint"
        mend = "move tasks to another sprint"
        yield Problem("tasks.md", what, mend, "points-over-capacity", key="sprint.capacity")
    total = _TOTAL.search(page.prose)
    if total and int(total[1]) != planned:
        line = page.prose.count("\n", 0, total.start()) + 1
        what = f"the total is {total[1]}, and the tasks have {planned} points"
        yield Problem("tasks.md", what, "correct the total", "wrong-total", line)


def check_target(spec: Spec) -> Problems:
    """Warn of a number below zero that a metric above zero is to reach: most who write ``-2`` mean two less."""
    metric = spec.experiment.primary_metric
    baseline, target = metric.baseline, metric.target
    if isinstance(baseline, Number) and target.kind == "value" and target.value < 0 < baseline.value:
        what = f"the metric is to fall from {plain(baseline.value)} to {target.text}, below zero"
        mend = f"write what it is to reach, such as {plain(baseline.value + target.value)}, or the change in percent"
        yield Problem("spec", what, mend, "target-below-zero", key="experiment.primary_metric.target")


def check_dates(spec: Spec) -> Problems:
    """Warn of others who come after the sprint, and of others who wait for us before it begins."""
    starts, ends = spec.sprint.starts, spec.sprint.ends
    for group in ("external", "blockers", "blocking"):
        for index, row in enumerate(getattr(spec.dependencies, group)):
            key = f"dependencies.{group}[{index}].by"
            if row.by and group == "blocking" and starts and row.by < starts:
                what = f"{row.who} waits for us until {row.by}, and the sprint starts on {starts}"
                yield Problem("spec", what, "correct the date", "late-dependency", key=key)
            if row.by and group != "blocking" and ends and row.by > ends:
                what = f"{row.who} comes on {row.by}, and the sprint ends on {ends}"
                yield Problem("spec", what, "correct the date", "late-dependency", key=key)


def check_classes(spec: Spec) -> Problems:
    """Warn of instance classes of which not even the family is known: one of a new generation is no error."""
    for prefix, group in (("db", "databases"), ("cache", "caches")) if spec.platform.cloud == "aws" else ():
        for (index, store), name in product(enumerate(getattr(spec, group)), ENVIRONMENT_NAMES):
            class_ = getattr(store, name).class_
            oddity = find_oddity(prefix, class_) if store.hosting == "managed" else None
            if oddity:
                key = f"{group}[{index}].{name}.class"
                yield Problem("spec", oddity.what, oddity.mend, "unlisted-class", key=key)


def check_split(spec: Spec) -> Problems:
    """Warn of a split of the traffic for the experiment that the routes never make."""
    share, method = spec.experiment.assignment.treatment, spec.experiment.assignment.method
    served = any(service.kind != "worker" for service in spec.services)
    if method != "traffic-split" or (served and any(step.ratio == share.ratio for step in spec.delivery.steps)):
        return
    steps = ", ".join(step.text for step in spec.delivery.steps)
    what = f"{share.text} of the traffic is to be split off, and " + (
        f"the steps are {steps}" if served else "there is none"
    )
    splits = served and spec.platform.routing == "gateway-api"
    mend = f"add {share.text} to delivery.steps, or assign by a feature flag" if splits else "assign by a feature flag"
    yield Problem("spec", what, mend, "split-without-step", key="experiment.assignment.treatment")


def check_stay(spec: Spec, experiment: dict[str, Any]) -> Problems:
    """Warn of a split of the traffic that a release leaves before the experiment is over."""
    split = experiment["split"]
    if split and split["leaves"]:
        days = experiment["sample"]["time"]["days"]
        what = f"after {split['leaves']} a release leaves the step that splits, and the experiment takes {days}"
        by_hand = "" if spec.platform.rollout == "argo-rollouts" else ", or take the steps by hand and stay at this one"
        mend = f"assign by a feature flag, or pause for {days}{by_hand}"
        yield Problem("spec", what, mend, "short-split", key="delivery.pause")


def _rash(told: str, arm: dict[str, Any] | None) -> Problems:
    if arm and arm["rash"]:
        what = (
            f"{told} of treatment alone ends {arm['ended']} of all healthy experiments in {arm['days']} days, as its "
            f"window holds {arm['requests']} requests"
        )
        mend = "raise the threshold or its `for`, or give treatment a larger share"
        yield Problem("spec", what, mend, "rash-guardrail", key="rollback.criteria")


def check_guardrails(guardrails: list[dict[str, Any]]) -> Problems:
    """Warn of a step of the release in which a rollback criterion cannot tell a bad version from a healthy one."""
    for guardrail in guardrails:
        told = f"{guardrail['criterion']} ({guardrail['service']})"
        for step in guardrail["steps"]:
            if step["blind"]:
                what = (
                    f"at {step['share']} the window of {told} holds {step['requests']} requests, and it takes "
                    f"{guardrail['needed']}: a healthy release is over in {step['false_alarm']} of all looks, and one "
                    f"that is twice as bad as allowed is not in {step['missed']}"
                )
                yield Problem("spec", what, f"it takes {step['blind']}", "blind-step", key="delivery.steps")
        yield from _rash(told, guardrail["arm"])
        if guardrail["hasty"]:
            what = (
                f"{told} rolls back {guardrail['earliest']} after the first bad requests, and the next step is sooner"
            )
            yield Problem("spec", what, "pause for longer", "blind-step", key="delivery.pause")
