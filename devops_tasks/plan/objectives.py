"""The service level objectives: their budgets, the series of each window, and the alerts on how fast a budget burns.

Every number follows exactly from the objective: 99.9 % leave 0.1 %, and 14.4 times that are 1.44 %.
"""

from collections.abc import Iterator
from decimal import Decimal
from math import ceil
from typing import NamedTuple, NotRequired, TypedDict

from devops_tasks.metrics import BURNS, Burn, fill
from devops_tasks.metrics.forms import GUARD_EVENTS
from devops_tasks.metrics.objectives import (
    COUNT,
    COUNTED,
    LEFT,
    RATIO,
    REMAINING,
    SHORTEST,
    WINDOW,
    Indicator,
    base,
    indicator,
)
from devops_tasks.plan.alerts import (
    AlertPlan,
    Condition,
    addresses,
    bound_words,
    camel,
    condition,
    conditions_text,
    page,
    rule_labels,
)
from devops_tasks.plan.recordings import Need, RecordingGroup, RecordingPlan, SourceSeries, plan_rule, plan_source
from devops_tasks.plan.subjects import Subject
from devops_tasks.spec import Service, Spec
from devops_tasks.units import Duration, Share, parse_duration, plain

_AT_ONCE = parse_duration("0s")
_MINUTE_SECONDS = 60
_HOUR_SECONDS = 3600


class Objective(NamedTuple):
    """One objective of one service; ``below`` is the time of a latency objective."""

    subject: Subject
    indicator: Indicator
    objective: Share
    window: Duration
    below: Duration | None = None
    requests_per_second: int | None = None

    @property
    def budget(self) -> Share:
        """What may fail."""
        return Share(1 - self.objective.ratio)

    @property
    def words(self) -> dict[str, str]:
        """Its words, for :func:`devops_tasks.metrics.fill`."""
        bound = plain(self.below.seconds) if self.below else ""
        return {
            **self.subject.words,
            **bound_words(bound),
            "slo": self.indicator.slo,
            "value": bound,
            "threshold": self.below.text if self.below else "",
            "objective": self.objective.text,
            "budget": plain(self.budget.ratio),
            "window": self.window.promql,
        }


class Burning(NamedTuple):
    """One alert of an objective: a budget that burns at least so fast."""

    of: Objective
    burn: Burn

    @property
    def limit(self) -> Share:
        """The share that fails at this speed."""
        return Share(self.of.budget.ratio * self.burn.factor)

    @property
    def spent(self) -> Duration:
        """How long the whole budget lasts at this speed, in whole hours, the last one begun."""
        return Duration(Decimal(ceil(self.of.window.seconds / self.burn.factor / _HOUR_SECONDS) * _HOUR_SECONDS))

    @property
    def words(self) -> dict[str, str]:
        """Its words, for :func:`devops_tasks.metrics.fill`."""
        factor = plain(self.burn.factor)
        return {
            **self.of.words,
            "limit": self.limit.text,
            "often": "more often than" if factor == "1" else f"{factor} times as often as",
            "long": self.burn.long,
            "long_words": parse_duration(self.burn.long).words,
            "short": self.burn.short,
            "short_words": parse_duration(self.burn.short).words,
            "window": self.of.window.words,
            "spent": self.spent.words,
            "events": self.of.indicator.events,
        }


class BurnPlan(TypedDict):
    """One line of the document on an alert of an objective."""

    alert: str
    page: str
    limit: str
    long: str
    short: str
    severity: str


class ObjectivePlan(TypedDict):
    """One objective as the document says it; ``parts`` are its budget in minutes and, where known, in requests."""

    service: str
    title: str
    words: str
    window: str
    budget: str
    parts: str
    burns: list[BurnPlan]


class Drawn(TypedDict):
    """One panel of an objective, a job or an experiment: what is drawn, and the alert whose threshold it shows.

    It stands under the heading of its ``subject``, or under one that is called so.
    """

    subject: str
    title: str
    description: str
    unit: str
    series: list[tuple[str, str]]
    alert: str | None
    threshold: str | None
    bad: str
    signed: NotRequired[bool]


def plan_objectives(spec: Spec, subjects: list[Subject]) -> list[Objective]:
    """Give every objective of every service."""
    known = {subject.key: subject for subject in subjects}
    return [each for service in spec.services for each in _objectives(service, known[f"service/{service.name}"])]


def _objectives(service: Service, subject: Subject) -> Iterator[Objective]:
    slo = service.slo
    if slo and slo.availability:
        counted = indicator("availability", service.kind)
        yield Objective(
            subject, counted, slo.availability, slo.window,
            requests_per_second=None if service.kind == "worker" else service.requests_per_second,
        )  # fmt: skip
    if slo and slo.latency:
        counted = indicator("latency", service.kind)
        latency = slo.latency
        yield Objective(
            subject, counted, latency.objective, slo.window, latency.below, service.requests_per_second
        )  # fmt: skip


def plan_burning(objectives: list[Objective]) -> list[Burning]:
    """Give every alert of every objective, the fastest first."""
    return [Burning(objective, burn) for objective in objectives for burn in BURNS]


def burning_name(burning: Burning) -> str:
    """Name an alert of an objective: ``CheckoutApiAvailabilityBurn1h``."""
    return f"{camel(burning.of.subject.name)}{burning.of.indicator.title}Burn{burning.burn.long}"


def plan_burning_alert(spec: Spec, burning: Burning, name: str) -> AlertPlan:
    """Plan the alert on a budget that burns: over both windows, and never for a handful of events."""
    subject, words, severity = burning.of.subject, burning.words, burning.burn.severity
    counted, conditions = burning.of.indicator, _conditions(burning)
    expr = conditions_text(conditions)
    metric = f"slo_{counted.slo}"
    return {
        "name": name,
        "kind": "objective",
        "metric": metric,
        "title": f"{counted.title} objective",
        "category": "Objectives",
        "service": subject.name,
        "subject": subject.key,
        "severity": severity,
        "action": burning.burn.action,
        "guardrail": False,
        "side": "above",
        "threshold": burning.limit.notations(),
        "words": fill("above %limit of %events over %long_words and over %short_words", words),
        "expr": expr,
        "promql": " ".join(expr.split()),
        "for_": _AT_ONCE.notations(),
        "keep_firing_for": None,
        "labels": rule_labels(spec, subject.name, severity, metric),
        "annotations": {
            "summary": fill(f"%service {counted.fails} %often its objective of %objective allows.", words),
            "description": fill(
                f"{{{{ $value | humanizePercentage }}}} of the %events {counted.happened} "
                "over %long_words; above %limit the budget of %window is spent too fast.",
                words,
            ),
            **addresses(spec, name),
        },
        "conditions": conditions,
        "page": page(name),
        "panel": 0,
    }


def _conditions(burning: Burning) -> list[Condition]:
    words, limit = burning.words, plain(burning.limit.ratio)
    return [
        condition(f"{RATIO}{burning.burn.long}", ">", limit, words),
        condition(f"{RATIO}{burning.burn.short}", ">", limit, words),
        condition(f"{COUNT}{burning.burn.long}", ">=", GUARD_EVENTS, words),
    ]


def plan_objective_recordings(objectives: list[Objective]) -> list[RecordingGroup]:
    """Plan one group of recording rules for each objective, in the order in which they build."""
    return [
        {"name": f"{each.subject.name}.slo-{each.indicator.slo}.rules", "rules": list(_recordings(each))}
        for each in objectives
    ]


def _recordings(objective: Objective) -> Iterator[RecordingPlan]:
    yield from (plan_rule(recording, objective.words) for recording in (*base(objective.indicator), SHORTEST))
    shorter = {parse_duration(text) for burn in BURNS for text in (burn.short, burn.long)}
    for window in sorted({*shorter, objective.window} - {parse_duration("5m")}):
        yield plan_rule(WINDOW, {**objective.words, "window": window.promql})
    for burn in BURNS:
        yield plan_rule(COUNTED, {**objective.words, "window": burn.long})
    yield plan_rule(LEFT, objective.words)


def objective_source(objective: Objective) -> SourceSeries:
    """Give the series of somebody else that an objective rests on."""
    return plan_source(objective.indicator.source, objective.words)


def objective_needs(objectives: list[Objective]) -> list[Need]:
    """Say how long samples must be kept."""
    kept = {each.subject.name: each.window.words for each in objectives}
    return [
        {
            "service": name,
            "who": "Prometheus",
            "what": f"{window} of samples for its objectives (--storage.tsdb.retention.time)",
        }
        for name, window in kept.items()
    ]


def plan_objective(objective: Objective, alerts: list[tuple[Burning, AlertPlan]]) -> ObjectivePlan:
    """Say an objective as the document does."""
    within = f"take at most {objective.below.text}" if objective.below else "do not fail"
    return {
        "service": objective.subject.name,
        "title": objective.indicator.title,
        "words": f"{objective.objective.text} of {objective.indicator.events} {within}",
        "window": objective.window.words,
        "budget": objective.budget.text,
        "parts": _parts(objective),
        "burns": [_burn(burning, alert) for burning, alert in alerts if burning.of == objective],
    }


def _parts(objective: Objective) -> str:
    seconds, ratio, rate = objective.window.seconds, objective.budget.ratio, objective.requests_per_second
    every = seconds / _MINUTE_SECONDS
    parts = f"{plain(every * ratio)} of {plain(every)} minutes"
    if rate is None:
        return parts
    requests = seconds * rate
    return f"{parts}; {int(requests * ratio)} of {plain(requests)} requests at {rate} a second"


def _burn(burning: Burning, alert: AlertPlan) -> BurnPlan:
    return {
        "alert": alert["name"],
        "page": alert["page"],
        "limit": burning.limit.text,
        "long": burning.words["long_words"],
        "short": burning.words["short_words"],
        "severity": alert["severity"],
    }


def draw_objectives(objectives: list[Objective], alerts: list[tuple[Burning, AlertPlan]]) -> Iterator[Drawn]:
    """Plan the panels: what is left of each budget, and both windows of each alert with its threshold."""
    for objective in objectives:
        yield _left(objective)
        for burning, alert in alerts:
            if burning.of == objective:
                yield _burned(burning, alert)


def _left(objective: Objective) -> Drawn:
    return {
        "subject": objective.subject.key,
        "title": f"{objective.indicator.title} budget left of {objective.window.text}",
        "description": f"What is left of all that the objective of {objective.objective.text} allows to fail in "
        f"{objective.window.words}; below 0 it is missed.",
        "unit": "percentunit",
        "series": [(_drawn(REMAINING, objective), "left")],
        "alert": None,
        "threshold": "0",
        "bad": "below",
    }


def _burned(burning: Burning, alert: AlertPlan) -> Drawn:
    words = burning.words
    return {
        "subject": burning.of.subject.key,
        "title": f"{burning.of.indicator.title} over {burning.burn.long} above {burning.limit.text} "
        f"({burning.burn.severity})",
        "description": f"{alert['annotations']['summary']} {alert['name']} fires when both windows are above.",
        "unit": "percentunit",
        "series": [(_drawn(f"{RATIO}{words[name]}", burning.of), words[name]) for name in ("long", "short")],
        "alert": alert["name"],
        "threshold": plain(burning.limit.ratio),
        "bad": "above",
    }


def _drawn(series: str, objective: Objective) -> str:
    return f'{series}{{namespace="$namespace",job="{objective.subject.name}",slo="{objective.indicator.slo}"}}'
