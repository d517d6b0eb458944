"""The monitoring of a bundle: rules, tests, scraping, routes, dashboard, and the rows and pages that speak of them."""

from typing import Any, TypedDict

from devops_tasks.plan.alerts import (
    AlertPlan,
    MetricRow,
    Row,
    alert_name,
    instrumented,
    metric_row,
    page,
    plan_alert,
    plan_criteria_rows,
    plan_rows,
    threshold_words,
    unique,
)
from devops_tasks.plan.blindness import metrics_missing, targets_missing, watchdog
from devops_tasks.plan.dashboard import link_panels, plan_dashboard
from devops_tasks.plan.recordings import SourceSeries, plan_needs, plan_recordings, plan_sources
from devops_tasks.plan.rule_tests import plan_rule_tests
from devops_tasks.plan.runbooks import plan_page
from devops_tasks.plan.scraping import plan_routing, plan_scraping
from devops_tasks.plan.subjects import Subject, plan_subjects
from devops_tasks.spec import Spec

_GROUPS = {"threshold": "alerts", "rollback": "rollback", "targets": "blindness", "series": "blindness",
           "watchdog": "watchdog"}  # fmt: skip


class AlertGroup(TypedDict):
    """One group of alerting rules."""

    name: str
    rules: list[AlertPlan]


class CriterionPlan(TypedDict):
    """One rollback criterion for one service or database; without an alert it needs instrumentation."""

    metric: str
    title: str
    service: str
    side: str
    threshold: dict[str, str]
    for_: dict[str, str]
    words: str
    alert: str | None
    page: str | None
    promql: str | None
    instrumented: bool


def plan_monitoring(spec: Spec) -> dict[str, Any]:
    """Plan everything under ``monitoring/`` and ``runbooks/alerts/``, and what the document says of it."""
    subjects = plan_subjects(spec)
    rows, criteria = plan_rows(spec), plan_criteria_rows(spec)
    every = [*rows, *criteria]
    watched = _watched(spec, every)
    sources = {subject.name: plan_sources(subject, every) for subject in subjects}
    blind = _blind(spec, subjects, sources)
    bare = sorted([*(alert for _, alert in watched), *blind], key=lambda alert: _place(alert, subjects))
    dashboard = plan_dashboard(spec, subjects, watched, bare)
    alerts = link_panels(spec, dashboard, bare)
    by_row = dict(zip(map(id, (row for row, _ in watched)), (alert for _, alert in watched), strict=True))
    missing = {alert["name"]: sources[alert["service"]] for alert in alerts if alert["kind"] == "series"}
    by_name = {alert["name"]: row for row, alert in watched}
    return {
        "alerts": alerts,
        "alert_groups": _groups(alerts),
        "alert_pages": [plan_page(spec, alert, by_name.get(alert["name"]), subjects) for alert in alerts],
        "recording_groups": plan_recordings(subjects, every),
        "criteria": [_criterion(row, by_row.get(id(row))) for row in criteria],
        "metric_rows": _metric_rows(rows, by_row),
        "rule_tests": plan_rule_tests(alerts, missing),
        "rule_needs": plan_needs(subjects, every),
        "scraping": plan_scraping(spec, subjects),
        "routing": plan_routing(spec, alerts),
        "dashboard": dashboard,
        "operator": spec.platform.monitoring == "prometheus-operator",
        "watch_name": spec.feature.slug,
        "watch_labels": {"app.kubernetes.io/part-of": spec.feature.slug, "team": spec.feature.team},
    }


def _watched(spec: Spec, rows: list[Row]) -> list[tuple[Row, AlertPlan]]:
    rendered = [row for row in rows if instrumented(row)]
    names = unique(map(alert_name, rendered))
    return [(row, plan_alert(spec, row, name)) for row, name in zip(rendered, names, strict=True)]


def _blind(spec: Spec, subjects: list[Subject], sources: dict[str, list[SourceSeries]]) -> list[AlertPlan]:
    alerts = [
        targets_missing(spec, each) for each in subjects if each.measured and each.kind in {"api", "web", "worker"}
    ]
    alerts += [metrics_missing(spec, each, sources[each.name]) for each in subjects if sources[each.name]]
    return [*alerts, watchdog(spec, subjects[-1])]


def _place(alert: AlertPlan, subjects: list[Subject]) -> tuple[int, int]:
    names = [subject.name for subject in subjects]
    return names.index(alert["service"]), list(_GROUPS).index(alert["kind"])


def _groups(alerts: list[AlertPlan]) -> list[AlertGroup]:
    groups: dict[str, AlertGroup] = {}
    for alert in alerts:
        name = f"{alert['service']}.{_GROUPS[alert['kind']]}"
        groups.setdefault(name, {"name": name, "rules": []})["rules"].append(alert)
    return list(groups.values())


def _metric_rows(rows: list[Row], by_row: dict[int, AlertPlan]) -> list[MetricRow]:
    return [metric_row(row, by_row.get(id(row))) for row in rows]


def _criterion(row: Row, alert: AlertPlan | None) -> CriterionPlan:
    known = metric_row(row, alert)
    return {
        "metric": row.metric,
        "title": known["title"],
        "service": row.subject.name,
        "side": row.side,
        "threshold": row.threshold.notations(),
        "for_": row.for_.notations(),
        "words": threshold_words(row),
        "alert": alert["name"] if alert else None,
        "page": page(alert["name"]) if alert else None,
        "promql": alert["promql"] if alert else None,
        "instrumented": alert is not None,
    }
