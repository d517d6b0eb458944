"""What requirements.md says beside the words of tasks.md, each limit in a form that ``import`` reads back.

Loaded only where a feature's folder is started.
"""

from typing import Any

from devops_tasks.metrics import METRICS, parse_threshold
from devops_tasks.plan.alerts import Row, plan_rows
from devops_tasks.plan.commitments import day
from devops_tasks.plan.experiment import plan_scale
from devops_tasks.spec import Criterion, Spec

_ASKED_OF_SERVICES = ("latency_p95", "error_ratio", "failure_ratio")


def plan_requirements(spec: Spec) -> dict[str, Any]:
    """Plan what the requirements of a feature say of its sprint, its limits and its load."""
    sprint = spec.sprint
    return {
        "starts": day(sprint.starts),
        "ends": day(sprint.ends),
        "capacity": sprint.capacity,
        "criteria": [_criterion(each) for each in spec.rollback.criteria],
        "performance": _performance([row for row in plan_rows(spec) if row.metric in _ASKED_OF_SERVICES]),
        "scale": list(plan_scale(spec)),
    }


def _criterion(criterion: Criterion) -> dict[str, Any]:
    side, written = ("below", criterion.below) if criterion.above is None else ("above", criterion.above)
    level = parse_threshold(criterion.metric, written).text if written else ""
    return _limit(criterion.metric, f"{side} {level} for {criterion.for_.text}")


def _performance(rows: list[Row]) -> list[dict[str, Any]]:
    """Say what the alerts ask of the services: without a name what they ask of all that have the metric."""
    found: list[dict[str, Any]] = []
    for metric in _ASKED_OF_SERVICES:
        own = [row for row in rows if row.metric == metric]
        services = list(dict.fromkeys(row.subject.name for row in own))
        asked = [{_asked(row): None for row in own if row.subject.name == name} for name in services]
        if all(each.keys() == asked[0].keys() for each in asked):
            found += [_limit(metric, limit) for limit in (asked[0] if asked else ())]
        else:
            found += [{**_limit(metric, _asked(row)), "service": row.subject.name} for row in own]
    return found


def _asked(row: Row) -> str:
    return f"{row.side} {row.threshold.text} for {row.for_.text} ({row.severity})"


def _limit(metric: str, limit: str) -> dict[str, Any]:
    known = METRICS.get(metric)
    return {"title": known.title if known else metric, "metric": metric, "limit": limit, "service": None}
