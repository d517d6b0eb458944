"""The monitoring of a bundle: rules, tests, scraping, routes, dashboard, and the rows and pages that speak of them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from devops_tasks.plan.alerts import (
    AlertPlan,
    MetricRow,
    Row,
    alert_name,
    alert_row,
    camel,
    instrumented,
    metric_row,
    page,
    plan_alert,
    plan_criteria_rows,
    plan_rows,
    row_words,
    threshold_words,
    unique,
    unlabelled,
)
from devops_tasks.plan.blindness import metrics_missing, targets_missing, watchdog
from devops_tasks.plan.dashboard import Dashboard, link_panels, plan_dashboard
from devops_tasks.plan.objectives import (
    Burning,
    Objective,
    ObjectivePlan,
    burning_name,
    draw_objectives,
    objective_needs,
    objective_source,
    plan_burning,
    plan_burning_alert,
    plan_objective,
    plan_objective_recordings,
    plan_objectives,
)
from devops_tasks.plan.recording_tests import RecordingTests, plan_recording_tests
from devops_tasks.plan.recordings import (
    Need,
    RecordingGroup,
    SourceSeries,
    plan_collectors,
    plan_needs,
    plan_provided,
    plan_recordings,
    plan_sources,
)
from devops_tasks.plan.rule_tests import RuleTests, plan_rule_tests
from devops_tasks.plan.runbooks import Page, plan_page
from devops_tasks.plan.scraping import Routing, Scraping, plan_routing, plan_scraping
from devops_tasks.plan.subjects import Subject, plan_subjects
from devops_tasks.spec import Spec
from devops_tasks.units import Notations

if TYPE_CHECKING:
    from devops_tasks.plan.arms import Watching
    from devops_tasks.plan.backup_jobs import BackupJob

_GROUPS = {"threshold": "alerts", "rollback": "rollback", "objective": "objectives", "job": "backups",
           "experiment": "experiment", "targets": "blindness", "series": "blindness",
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
    threshold: Notations
    for_: Notations
    words: str
    alert: str | None
    page: str | None
    promql: str | None
    instrumented: bool


class Monitoring(TypedDict):
    """All that this module adds to the plan."""

    alerts: list[AlertPlan]
    alert_groups: list[AlertGroup]
    alert_pages: list[Page]
    recording_groups: list[RecordingGroup]
    criteria: list[CriterionPlan]
    metric_rows: list[MetricRow]
    objectives: list[ObjectivePlan]
    rule_tests: RuleTests
    recording_tests: RecordingTests
    rule_needs: list[Need]
    scraping: Scraping
    routing: Routing
    dashboard: Dashboard
    operator: bool
    rules_name: str
    rules_labels: dict[str, str]


class _Watched(NamedTuple):
    """What alerts are about: rows of the table and criteria, objectives, jobs that make backups, and the experiment."""

    rows: list[Row]
    objectives: list[Objective]
    further: "list[BackupJob | Watching]"


class _Named(NamedTuple):
    """The alerts on each of them, and those about alerts."""

    rows: list[tuple[Row, AlertPlan]]
    objectives: list[tuple[Burning, AlertPlan]]
    further: "list[tuple[BackupJob | Watching, list[AlertPlan]]]"
    blind: list[AlertPlan]


def plan_monitoring(spec: Spec) -> Monitoring:
    """Plan everything under ``monitoring/`` and ``runbooks/alerts/``, and what the document says of it."""
    subjects = plan_subjects(spec)
    objectives = plan_objectives(spec, subjects)
    rows, criteria = plan_rows(spec), plan_criteria_rows(spec)
    every, further = [*rows, *criteria], [*_jobs(spec, subjects), *_arms(spec, subjects, criteria)]
    judged = _Watched(every, objectives, further)
    sources = {subject.key: _sources(subject, judged) for subject in subjects}
    watched, burning, run, blind = _named(spec, judged, subjects, sources)
    told = [*(alert for _, alert in watched), *(alert for _, alert in burning), *(a for _, own in run for a in own)]
    bare = sorted([*told, *blind], key=lambda alert: _place(alert, subjects))
    drawn = [*draw_objectives(objectives, burning), *(panel for each, own in run for panel in each.drawn(own))]
    dashboard = plan_dashboard(spec, subjects, watched, drawn, bare)
    alerts = link_panels(spec, dashboard, bare)
    by_row = {id(row): alert for row, alert in watched}
    words = {alert["name"]: row_words(row) for row, alert in watched}
    words |= {alert["name"]: each.words for each, alert in burning}
    watching = {alert["name"]: each for each, own in run for alert in own}
    words |= {name: each.words for name, each in watching.items()}
    built = [*plan_objective_recordings(objectives), *_further_groups(further)]
    groups, recorded = _groups(alerts), plan_recordings(subjects, every, built)
    alerting = {group["name"]: group["rules"] for group in groups}
    missing = {alert["name"]: sources[alert["subject"]] for alert in alerts if alert["kind"] == "series"}
    return {
        "alerts": alerts,
        "alert_groups": groups,
        "alert_pages": [
            plan_page(spec, alert, words.get(alert["name"], {}), subjects, watching.get(alert["name"]))
            for alert in alerts
        ],
        "recording_groups": recorded,
        "criteria": [_criterion(row, by_row.get(id(row))) for row in criteria],
        "metric_rows": [
            *(metric_row(row, by_row.get(id(row))) for row in rows),
            *_experiment_rows(spec, [alert for alert in alerts if alert["kind"] == "experiment"]),
        ],
        "objectives": [plan_objective(each, burning) for each in objectives],
        "rule_tests": plan_rule_tests(alerts, missing),
        "recording_tests": plan_recording_tests(subjects, every, [*objectives, *further], recorded, alerting),
        "rule_needs": [
            *plan_needs(subjects, every),
            *objective_needs(objectives),
            *plan_collectors(every),
            *{tuple(need.values()): need for each in further for need in each.needs}.values(),
            *plan_provided(spec),
        ],
        "scraping": plan_scraping(spec, subjects),
        "routing": plan_routing(spec),
        "dashboard": dashboard,
        "operator": spec.platform.monitoring == "prometheus-operator",
        "rules_name": spec.feature.slug,
        "rules_labels": {
            "app.kubernetes.io/part-of": spec.feature.slug,
            "app.kubernetes.io/managed-by": "devops-tasks",
            "team": spec.feature.team,
        },
    }


def _jobs(spec: Spec, subjects: list[Subject]) -> "list[BackupJob]":
    """Give the jobs that back up databases in the cluster; where there is none, nothing of them is loaded."""
    if all(database.hosting != "in-cluster" for database in spec.databases):
        return []
    from devops_tasks.plan.backup_jobs import plan_jobs

    return plan_jobs(spec, subjects)


def _arms(spec: Spec, subjects: list[Subject], criteria: list[Row]) -> "list[Watching]":
    """Give what is watched of the experiment's arms; where nobody can tell them apart, nothing of it is loaded."""
    if spec.experiment.monitoring is None:
        return []
    from devops_tasks.plan.arms import plan_arms

    return plan_arms(spec, spec.experiment.monitoring, subjects, criteria)


def _experiment_rows(spec: Spec, alerts: list[AlertPlan]) -> Iterator[MetricRow]:
    """Plan the rows of the table on the experiment; where nobody can tell the arms apart, one that says so."""
    yield from (alert_row(alert) for alert in alerts)
    names = unlabelled(spec)
    if names:
        yield {
            "category": "Experiment",
            "title": "Errors and response times of each arm",
            "service": ", ".join(names),
            "metric": "arms",
            "threshold": "the rollback criteria, by treatment alone",
            "action": "Switch the experiment off",
            "severity": "critical",
            "alert": None,
            "page": None,
            "instrumented": False,
        }


def _further_groups(further: "list[BackupJob | Watching]") -> Iterator[RecordingGroup]:
    for name in dict.fromkeys(_group(each) for each in further):
        yield {"name": name, "rules": [rule for each in further if _group(each) == name for rule in each.recordings()]}


def _group(each: "BackupJob | Watching") -> str:
    return f"{each.subject.name}.{each.group}.rules"


def _sources(subject: Subject, watched: _Watched) -> list[SourceSeries]:
    """List what the alerts of a subject rest on, its objectives, jobs and arms included."""
    found = plan_sources(subject, watched.rows)
    for each in watched.objectives:
        source = objective_source(each)
        if each.subject.key == subject.key and source not in found:
            found.append(source)
    return [*found, *(s for each in watched.further if each.subject.key == subject.key for s in each.sources)]


def _named(spec: Spec, watched: _Watched, subjects: list[Subject], sources: dict[str, list[SourceSeries]]) -> _Named:
    rendered, burning = [row for row in watched.rows if instrumented(row)], plan_burning(watched.objectives)
    scraped = [each for each in subjects if each.measured and each.kind not in {"database", "feature"}]
    seen = [each for each in subjects if sources[each.key]]
    names = unique(
        [
            *map(alert_name, rendered),
            *map(burning_name, burning),
            *(name for each in watched.further for name in each.names),
            *(f"{camel(each.name)}TargetsMissing" for each in scraped),
            *(f"{camel(each.name)}MetricsMissing" for each in seen),
            f"{camel(subjects[-1].name)}Watchdog",
        ]
    )
    rows = [(row, plan_alert(spec, row, next(names))) for row in rendered]
    burned = [(each, plan_burning_alert(spec, each, next(names))) for each in burning]
    run = [(each, each.alerts(spec, [next(names) for _ in each.names])) for each in watched.further]
    blind = [targets_missing(spec, each, next(names)) for each in scraped]
    blind += [metrics_missing(spec, each, next(names), sources[each.key]) for each in seen]
    return _Named(rows, burned, run, [*blind, watchdog(spec, subjects[-1], next(names))])


def _place(alert: AlertPlan, subjects: list[Subject]) -> tuple[int, int]:
    keys = [subject.key for subject in subjects]
    return keys.index(alert["subject"]), list(_GROUPS).index(alert["kind"])


def _groups(alerts: list[AlertPlan]) -> list[AlertGroup]:
    groups: dict[str, AlertGroup] = {}
    for alert in alerts:
        name = f"{alert['service']}.{_GROUPS[alert['kind']]}"
        groups.setdefault(name, {"name": name, "rules": []})["rules"].append(alert)
    return list(groups.values())


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
