"""What each rollback criterion sees at each step of a release: the requests in its window, and how often it errs.

Only shares of requests can be judged, of services that say how many requests they take. Loaded for these alone.
"""

from collections.abc import Iterator, Sequence
from decimal import ROUND_UP, Decimal
from math import ceil
from typing import TypedDict

from devops_tasks.experiment import chances, ended, requests_needed
from devops_tasks.metrics.forms import GUARD_EVENTS
from devops_tasks.plan.alerts import Row, instrumented, plan_criteria_rows, threshold_words
from devops_tasks.plan.experiment import plan_experiment
from devops_tasks.spec import Spec
from devops_tasks.units import Duration, Share

_WINDOW_SECONDS = 300
"""Every rule looks at five minutes."""
_MINUTE = 60
_SLOW = Decimal("0.05")
"""A P95 is above its threshold when more requests than this are slower."""
_LEAST = Decimal("0.001")
_DAY_SECONDS = 86_400
_FORTNIGHT = 14
_RASH = 0.05
"""A criterion that ends more healthy experiments than this is no guardrail."""
_WORDS = {"latency_p95": "response time (P95)", "error_ratio": "error rate"}


class Step(TypedDict):
    """One step of the release; ``blind`` says what would see, where the step does not."""

    share: str
    requests: int
    false_alarm: str
    missed: str
    blind: str | None


class Arm(TypedDict):
    """A criterion on treatment alone, where the arms are watched: how often it ends a healthy experiment."""

    share: str
    requests: int
    days: int
    ended: str
    rash: bool


class Guardrail(TypedDict):
    """One rollback criterion of one service."""

    service: str
    criterion: str
    needed: int
    earliest: str
    hasty: bool
    unseen: str
    steps: list[Step]
    arm: Arm | None


def plan_guardrails(spec: Spec) -> list[Guardrail]:
    """Judge every rollback criterion on a share of requests, for each service whose traffic is known."""
    traffic = {service.name: service.requests_per_second for service in spec.services if service.kind != "worker"}
    return [
        _guardrail(spec, row, per_second)
        for row in plan_criteria_rows(spec)
        if row.metric in _WORDS and instrumented(row) and (per_second := traffic.get(row.subject.name))
    ]


def _guardrail(spec: Spec, row: Row, per_second: int) -> Guardrail:
    threshold = _share(row)
    monitoring = spec.monitoring
    earliest = row.for_.seconds + monitoring.scrape_interval.seconds + 2 * monitoring.evaluation_interval.seconds
    needed = requests_needed(float(threshold), int(GUARD_EVENTS))
    steps = [_step(step, per_second, threshold, needed) for step in spec.delivery.steps]
    hasty = len(spec.delivery.steps) > 1 and spec.delivery.pause.seconds < earliest
    return {
        "service": row.subject.name,
        "criterion": f"{_WORDS[row.metric]} {threshold_words(row)}",
        "needed": needed,
        "earliest": Duration(earliest).words,
        "hasty": hasty,
        "unseen": " and ".join(_unseen(spec, steps, Duration(earliest).words if hasty else "")),
        "steps": steps,
        "arm": plan_arm(spec, row),
    }


def _share(row: Row) -> Decimal:
    return row.threshold.ratio if isinstance(row.threshold, Share) else _SLOW


def plan_arm(spec: Spec, row: Row) -> Arm | None:
    """Judge a criterion on treatment alone over the run time, a fortnight where none is computed; None if unwatched."""
    monitoring, share = spec.experiment.monitoring, spec.experiment.assignment.treatment
    per_second = next((each.requests_per_second for each in spec.services if each.name == row.subject.name), None)
    if monitoring is None or not per_second or row.subject.name not in (monitoring.services or [row.subject.name]):
        return None
    requests, days = int(per_second * share.ratio * _WINDOW_SECONDS), _run_days(spec)
    look = chances(requests, float(_share(row)), int(GUARD_EVENTS)).false_alarm
    chance = ended(look, float(row.for_.seconds) / _WINDOW_SECONDS, days * _DAY_SECONDS / _WINDOW_SECONDS)
    return {
        "share": share.text,
        "requests": requests,
        "days": days,
        "ended": _percent(chance),
        "rash": chance > _RASH,
    }


def _run_days(spec: Spec) -> int:
    sample = plan_experiment(spec)["sample"] or {}
    time = sample.get("time")
    return int(time["length"]) if time else _FORTNIGHT


def _unseen(spec: Spec, steps: Sequence[Step], earliest: str) -> Iterator[str]:
    """Say at which steps a criterion sees too little, and that no step waits until it rolls back."""
    blind = [step["share"] for step in steps if step["blind"]]
    if blind:
        yield f"at {', '.join(blind)}"
    if earliest:
        yield f"after {spec.delivery.pause.words} at a step, as a rollback takes {earliest}"


def _step(share: Share, per_second: int, threshold: Decimal, needed: int) -> Step:
    requests = int(per_second * share.ratio * _WINDOW_SECONDS)
    found = chances(requests, float(threshold), int(GUARD_EVENTS))
    return {
        "share": share.text,
        "requests": requests,
        "false_alarm": _percent(found.false_alarm),
        "missed": _percent(found.missed),
        "blind": " or ".join(_seeing(share, per_second, needed)) if requests < needed else None,
    }


def _percent(chance: float) -> str:
    exact = Decimal(chance)
    return f"under {Share(_LEAST).text}" if exact < _LEAST else Share(exact.quantize(_LEAST, ROUND_UP)).text


def _seeing(share: Share, per_second: int, needed: int) -> Iterator[str]:
    """Name the step, and the window at this step, that would hold the requests that it takes."""
    percent = ceil(Decimal(needed * 100) / (per_second * _WINDOW_SECONDS))
    if percent <= 100:  # noqa: PLR2004 - all of the traffic
        yield f"a step of {percent}%"
    minutes = ceil(Decimal(needed) / (per_second * share.ratio) / _MINUTE)
    yield f"a window of {minutes} minutes"
