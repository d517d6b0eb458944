"""Alerts and rollback criteria side by side: which acts first, and what the services must still measure."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TypedDict

from devops_tasks.metrics import METRICS, fill, parse_threshold
from devops_tasks.metrics.forms import FAMILIES
from devops_tasks.plan.alerts import (
    Row,
    form_of,
    instrumented,
    row_words,
    threshold_words,
)
from devops_tasks.spec import Criterion
from devops_tasks.units import Rate

_OF_ARMS = (
    "a label of the requests' metrics that says control or treatment, or none for a request that the experiment is not "
    "about; then have its arms watched (experiment.monitoring in the spec)"
)


class Acting(TypedDict):
    """One rollback criterion beside the alert on the same metric; ``first`` says which comes before the other."""

    title: str
    service: str
    alert: str | None
    rollback: str
    first: str


class Instrumentation(TypedDict):
    """What these services must provide."""

    services: list[str]
    what: str


def criterion_text(criterion: Criterion) -> str:
    """Say a rollback criterion in words: ``response time (P95) above 500ms for 5 minutes``."""
    side, written = ("below", criterion.below) if criterion.above is None else ("above", criterion.above)
    known = METRICS.get(criterion.metric)
    title = f"{known.title[0].lower()}{known.title[1:]}" if known else criterion.metric
    of = f" {known.of}" if known and known.of else ""
    level = parse_threshold(criterion.metric, written).text if written else ""
    return f"{title} {side} {level}{of} for {criterion.for_.words}"


def plan_acting(rows: list[Row], criteria: list[Row]) -> list[Acting]:
    """Say of each rollback criterion whether the alert on the same metric comes before it."""
    alerts = [row for row in rows if instrumented(row)]
    return [_acting(criterion, _first_alert(criterion, alerts)) for criterion in criteria]


def _first_alert(criterion: Row, alerts: list[Row]) -> Row | None:
    watching = [row for row in alerts if (row.metric, row.subject.name) == (criterion.metric, criterion.subject.name)]
    return min(watching, key=lambda row: (_badness(row), row.for_), default=None)


def _acting(criterion: Row, alert: Row | None) -> Acting:
    known = METRICS.get(criterion.metric)
    return {
        "title": known.title if known else criterion.metric,
        "service": criterion.subject.name,
        "alert": f"{threshold_words(alert)} ({alert.severity})" if alert else None,
        "rollback": threshold_words(criterion),
        "first": _first(criterion, alert),
    }


def _first(criterion: Row, alert: Row | None) -> str:
    if alert is None:
        return "Rollback"
    level, rollback = _badness(alert), _badness(criterion)
    if level < rollback:
        return "Alert" if alert.for_ <= criterion.for_ else "Alert; on a sudden jump the rollback"
    if level == rollback:
        return "Alert" if alert.for_ < criterion.for_ else "Rollback" if alert.for_ > criterion.for_ else "Both at once"
    return "Rollback; on a sudden jump the alert" if alert.for_ < criterion.for_ else "Rollback"


def _badness(row: Row) -> Decimal:
    value = Decimal(row.threshold.notations()["value"])
    if isinstance(row.threshold, Rate):
        value /= row.threshold.unit_seconds
    return value if row.side == "above" else -value


def plan_instrumentation(
    rows: list[Row], needs: list[dict[str, Any]], without_arms: list[str]
) -> list[Instrumentation]:
    """List what the application team must provide: for the rules that are there, and for the rows that have none.

    The requests of services ``without_arms`` do not say the arm of the experiment.
    """
    asked = [(need["service"], need["what"]) for need in needs if need["who"] == "Application"]
    for row in rows:
        if not instrumented(row):
            asked += [(row.subject.name, what) for what in _missing(row)]
    asked += [(name, _OF_ARMS) for name in without_arms]
    services: dict[str, list[str]] = {}
    for service, what in dict.fromkeys(asked):
        services.setdefault(what.replace("`", ""), []).append(service)
    return [{"services": names, "what": what} for what, names in services.items()]


def _missing(row: Row) -> Iterator[str]:
    title = METRICS[row.metric].title if row.metric in METRICS else row.metric
    family = FAMILIES.get(form_of(row).family)
    words = {**row_words(row), "db_buckets": row.threshold.text}
    for who, what in family.needs if family else ():
        if who == "Application":
            yield f"{fill(what, words)}; then have {title} watched ({row.metric} under alerts in the spec)"
