"""The Grafana dashboard: a panel for every alert with its threshold, and what people look at beside it."""

from collections.abc import Iterator
from typing import TypedDict

from devops_tasks.metrics import METRICS, fill
from devops_tasks.metrics.forms import FORMS
from devops_tasks.plan import undecided
from devops_tasks.plan.alerts import AlertPlan, Row, exact, form_of, level, row_words
from devops_tasks.plan.objectives import Drawn
from devops_tasks.plan.subjects import Subject
from devops_tasks.spec import Spec
from devops_tasks.units import plain

_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 24
_NAMESPACE = 'namespace="$namespace"'

# Errors, durations and saturation: people look at them whether an alert does or not. Rates are in the overview.
_LOOKED_AT = (
    "error_ratio", "failure_ratio", "latency_p95", "cpu_utilization", "memory_utilization", "db_connections",
)  # fmt: skip


class Target(TypedDict):
    """One query of a panel."""

    ref: str
    expr: str
    legend: str


class Panel(TypedDict):
    """One panel, placed; ``signed`` lets it show what is below 0."""

    id: int
    type: str
    title: str
    description: str
    unit: str
    targets: list[Target]
    threshold: str | None
    bad: str
    signed: bool
    x: int
    y: int
    w: int
    h: int
    alert: str | None


class Dashboard(TypedDict):
    """The whole dashboard."""

    uid: str
    title: str
    tags: list[str]
    namespaces: list[str]
    panels: list[Panel]


class _Draft(TypedDict):
    title: str
    description: str
    unit: str
    series: list[tuple[str, str]]
    threshold: str | None
    bad: str
    alert: str | None
    signed: bool


def plan_dashboard(spec: Spec, subjects: list[Subject], watched: list[tuple[Row, AlertPlan]],
                   drawn: list[Drawn], alerts: list[AlertPlan]) -> Dashboard:  # fmt: skip
    """Plan the panels subject by subject, each under a heading of its own.

    ``drawn`` are those of objectives, jobs and the experiment.
    """
    namespaces = spec.platform.namespaces
    panels: list[Panel] = []
    top = 0
    for subject in subjects:
        drafts = [*_overview(subject, alerts), *_unwatched(subject, watched), *_thresholds(subject, watched)]
        drafts += [*_drawn(subject.key, drawn), *_blind(subject, alerts)]
        top = _add_row(panels, subject.name, drafts, top)
    known = {subject.key for subject in subjects}
    for title in sorted({each["subject"] for each in drawn} - known):
        top = _add_row(panels, title, [*_drawn(title, drawn)], top)
    return {
        "uid": spec.feature.slug,
        "title": spec.feature.name,
        "tags": ["devops-tasks", spec.feature.team],
        "namespaces": [namespaces.production, namespaces.staging],
        "panels": panels,
    }


def _add_row(panels: list[Panel], title: str, drafts: list[_Draft], top: int) -> int:
    """Place a heading and the panels below it, and say where the next one goes."""
    panels.append(_heading(len(panels) + 1, title, top))
    for position, draft in enumerate(drafts):
        row, column = divmod(position, _COLUMNS // _WIDTH)
        panels.append(_placed(draft, len(panels) + 1, column * _WIDTH, top + 1 + row * _HEIGHT))
    return top + 1 + -(-len(drafts) // (_COLUMNS // _WIDTH)) * _HEIGHT


def link_panels(spec: Spec, dashboard: Dashboard, alerts: list[AlertPlan]) -> list[AlertPlan]:
    """Give each alert the address of its panel."""
    base = (spec.monitoring.dashboards or undecided.URL).rstrip("/")
    ids = {panel["alert"]: panel["id"] for panel in dashboard["panels"]}
    return [
        {
            **alert,
            "panel": ids[alert["name"]],
            "annotations": {
                **alert["annotations"],
                "dashboard_url": f"{base}/d/{dashboard['uid']}?viewPanel={ids[alert['name']]}",
            },
        }
        for alert in alerts
    ]


def _overview(subject: Subject, alerts: list[AlertPlan]) -> Iterator[_Draft]:
    targets = next((a for a in alerts if a["kind"] == "targets" and a["subject"] == subject.key), None)
    if targets:
        series = f'sum by (colour) (up{{{_NAMESPACE},job="{subject.name}"}})'
        if subject.kind == "worker":
            series = f'sum(up{{{_NAMESPACE},job="{subject.name}"}})'
        text = f"Pods of {subject.name} that answer Prometheus. {targets['name']} fires when there is none."
        yield _draft(
            "Pods that answer", text, "short", [(series, _legend(subject, "up"))], targets["name"], "1", "below"
        )
    if subject.measured and subject.kind in {"api", "web"}:
        series = f'namespace_job_colour:http_requests:rate5m{{{_NAMESPACE},job="{subject.name}"}}'
        yield _draft("Requests per second", "Traffic of each colour.", "reqps", [(series, "{{colour}}")])
    if subject.measured and subject.kind == "worker":
        series = f'namespace_job:jobs_processed:rate5m{{{_NAMESPACE},job="{subject.name}"}}'
        yield _draft("Jobs per second", "Jobs that were finished, well or not.", "ops", [(series, "jobs")])


def _legend(subject: Subject, otherwise: str) -> str:
    return otherwise if subject.kind == "worker" else "{{colour}}"


def _thresholds(subject: Subject, watched: list[tuple[Row, AlertPlan]]) -> Iterator[_Draft]:
    for row, alert in watched:
        if row.subject.key != subject.key:
            continue
        words, form, known = row_words(row), form_of(row), METRICS.get(row.metric)
        name = fill(form.panel, words)
        title = f"{known.title if known else row.metric} {row.side} {row.threshold.text}"
        suffix = "rollback" if row.guardrail else row.severity
        text = f"{alert['annotations']['summary']} {alert['name']} fires after {row.for_.words}."
        series = [(_selected(name, words), _varying(name, row.metric)), *_compared(name, alert, words)]
        limit = words["value"] if row.metric in FORMS else plain(exact(alert["conditions"][0]["limit"]))
        yield _draft(f"{title} ({suffix})", text, fill(form.panel_unit, words), series, alert["name"], limit, row.side)


def _compared(drawn: str, alert: AlertPlan, words: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Give what the alert compares beside what is drawn, where that is the same by colour: its line is for both."""
    compared = alert["conditions"][0]["series"]
    if compared != drawn and compared.partition(":")[2] == drawn.partition(":")[2]:
        yield _selected(compared, words), "both colours"


def _unwatched(subject: Subject, watched: list[tuple[Row, AlertPlan]]) -> Iterator[_Draft]:
    drawn = {row.metric for row, _ in watched if row.subject.key == subject.key}
    for metric in _LOOKED_AT:
        known, form = METRICS[metric], FORMS[metric]
        measured = subject.measured or known.category != "Application"
        if metric not in drawn and measured and subject.kind in (known.kinds or ("database",)):
            name = fill(form.panel, subject.words)
            series = [(_selected(name, subject.words), _varying(name, metric))]
            yield _draft(known.title, f"No alert watches this of {subject.name}.", form.panel_unit, series)


def _drawn(subject: str, drawn: list[Drawn]) -> Iterator[_Draft]:
    for each in drawn:
        if each["subject"] == subject and each["series"]:
            draft = _draft(each["title"], each["description"], each["unit"], each["series"], each["alert"],
                           each["threshold"], each["bad"])  # fmt: skip
            yield {**draft, "signed": each.get("signed", False)}


def _selected(series: str, words: dict[str, str]) -> str:
    service = words["service"]
    fixed = {"namespace": "$namespace", "job": service, "container": service, "service": service,
             "database": words.get("database", service)}  # fmt: skip
    carried = [f'{name}="{fixed[name]}"' for name in level(series) if name in fixed]
    return f"{series}{{{','.join(carried)}}}"


def _varying(series: str, metric: str) -> str:
    names = [name for name in level(series) if name in {"colour", "pod", "queue", "database"}]
    return " ".join(f"{{{{{name}}}}}" for name in names) or metric


def _blind(subject: Subject, alerts: list[AlertPlan]) -> Iterator[_Draft]:
    for alert in alerts:
        if alert["subject"] == subject.key and alert["kind"] in {"series", "watchdog"}:
            series = f'ALERTS{{alertname="{alert["name"]}"}}'
            legend = "{{series}} {{alertstate}}" if alert["kind"] == "series" else "{{alertstate}}"
            summary = alert["annotations"]["description"].replace("{{ $labels.series }}", "A series that is drawn here")
            yield _draft(f"{alert['title']} ({alert['severity']})", summary, "short", [(series, legend)], alert["name"])


def _draft(  # noqa: PLR0913, PLR0917 - the columns of a table
    title: str, description: str, unit: str, series: list[tuple[str, str]], alert: str | None = None,
    threshold: str | None = None, bad: str = "above"
) -> _Draft:  # fmt: skip
    return {
        "title": title,
        "description": description,
        "unit": unit,
        "series": series,
        "threshold": threshold,
        "bad": bad,
        "alert": alert,
        "signed": False,
    }


def _heading(number: int, title: str, top: int) -> Panel:
    empty = _draft(title, "", "", [])
    return {**_placed(empty, number, 0, top), "type": "row", "w": _COLUMNS, "h": 1}


def _placed(draft: _Draft, number: int, left: int, top: int) -> Panel:
    targets: list[Target] = [
        {"ref": chr(ord("A") + position), "expr": expr, "legend": legend}
        for position, (expr, legend) in enumerate(draft["series"])
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": draft["title"],
        "description": draft["description"],
        "unit": draft["unit"],
        "targets": targets,
        "threshold": draft["threshold"],
        "bad": draft["bad"],
        "signed": draft["signed"] or draft["threshold"] == "0",
        "x": left,
        "y": top,
        "w": _WIDTH,
        "h": _HEIGHT,
        "alert": draft["alert"],
    }
