"""The alerts: rows of the metrics table overlaid by the spec, rollback criteria, and the rules that watch them.

Lives here: which alerts there are, their names, thresholds, labels and sentences. Must not: the recorded series that
they read (``recordings``), blindness (``blindness``), tests, panels.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple, TypedDict

from devops_tasks.defaults import ALERT_ROWS, AUTO_SCALE, default_severity
from devops_tasks.metrics import METRICS, fill, parse_threshold
from devops_tasks.metrics.forms import CUSTOM_FORM, FORMS, GUARD_EVENTS, Form
from devops_tasks.plan import undecided
from devops_tasks.plan.subjects import Subject, plan_subjects, watched
from devops_tasks.spec import Alert, Criterion, Spec
from devops_tasks.units import Duration, Notations, Quantity, Rate, Share, parse_duration, parse_quantity

DEFAULT_FOR = parse_duration("5m")
KEEP_FIRING = parse_duration("5m")
_ACTIONS = {"critical": "Page on-call", "warning": "Alert team", "info": "Review"}
_APPLICATION = frozenset({"traffic", "latency", "baseline", "jobs", "db_latency", "auth"})
_ORDER = {row["metric"]: position for position, row in enumerate(ALERT_ROWS)}
LABELS = ("namespace", "pod", "container", "job", "colour", "arm", "threshold", "database", "service", "queue", "le",
          "slo", "cronjob", "experiment")  # fmt: skip
"""The labels that the name of a recorded series may begin with."""


class Row(NamedTuple):
    """One row of the metrics table, or one rollback criterion, for one subject."""

    metric: str
    subject: Subject
    side: str
    threshold: Quantity
    for_: Duration
    severity: str
    action: str
    query: str | None = None
    asked: bool = False
    guardrail: bool = False
    usual: bool = True
    """Whether it has the severity that its metric usually has; another one becomes part of the alert's name."""


class Condition(TypedDict):
    """One comparison of a recorded series; ``labels`` are those that a test gives the series."""

    series: str
    selector: str
    sign: str
    limit: str
    labels: dict[str, str]


class AlertPlan(TypedDict):
    """One alert with everything that a rule, a test, a panel or a runbook says of it."""

    name: str
    kind: str
    metric: str
    title: str
    category: str
    service: str
    subject: str
    severity: str
    action: str | None
    guardrail: bool
    side: str | None
    threshold: Notations | None
    words: str
    expr: str
    promql: str
    for_: Notations
    keep_firing_for: str | None
    labels: dict[str, str]
    annotations: dict[str, str]
    conditions: list[Condition]
    page: str
    panel: int


class MetricRow(TypedDict):
    """One row of the document's table *Key Metrics to Monitor*."""

    category: str
    title: str
    service: str
    metric: str
    threshold: str
    action: str
    severity: str
    alert: str | None
    page: str | None
    instrumented: bool


def plan_rows(spec: Spec) -> list[Row]:
    """Lay the spec's alerts over the default rows, those for all services first, those for one service last."""
    subjects = plan_subjects(spec)
    rows: dict[tuple[str, str, str], Row] = {}
    for default in ALERT_ROWS:
        for subject in watched(default["metric"], subjects):
            rows[default["metric"], subject.name, default["severity"]] = _default_row(default, subject)
    for alert in sorted(spec.alerts, key=lambda alert: alert.service is not None):
        for subject in _addressed(spec, alert, subjects):
            severity = alert.severity or default_severity(alert.metric)
            key = (alert.metric, subject.name, severity)
            if alert.skip:
                rows.pop(key, None)
            else:
                base = rows.get(key) or _base(spec, alert, subject, severity)
                rows[key] = _overlaid(base, alert)
    asked = {(row.metric, row.subject.key) for row in rows.values() if row.asked}
    asked |= {(each.metric, subject.key) for each in spec.rollback.criteria for subject in subjects}
    found = [row._replace(asked=(row.metric, row.subject.key) in asked) for row in rows.values()]
    return sorted(found, key=lambda row: (_ORDER.get(row.metric, len(_ORDER)), row.metric))


def plan_criteria_rows(spec: Spec) -> list[Row]:
    """Give each rollback criterion for each subject that has its metric."""
    subjects = plan_subjects(spec)
    return [
        _criterion_row(criterion, subject, query)
        for criterion in spec.rollback.criteria
        for subject, query in _criterion_subjects(spec, criterion, subjects)
    ]


def instrumented(row: Row) -> bool:
    """Say whether a rule can be written: the service has the metric by its convention, or the spec says that it has."""
    form = form_of(row)
    if form.family in _APPLICATION and not row.subject.measured:
        return False
    return form.unasked or row.asked


def form_of(row: Row) -> Form:
    """Give the form of a row's metric; a metric that brings its own query has one in common."""
    return FORMS.get(row.metric, CUSTOM_FORM)


def family_of(row: Row) -> str:
    """Name the family of recorded series that a row reads."""
    return family_on(row.subject, form_of(row).family)


def family_on(subject: Subject, family: str) -> str:
    """Name the family as a subject has it: where no pod has a colour in its name, none can be told apart by it."""
    return "cpu_rolling" if family == "cpu" and subject.rolling else family


def row_words(row: Row) -> dict[str, str]:
    """Give the words of a row: its subject's, and those of its threshold."""
    notations = row.threshold.notations()
    value = notations["value"]
    coloured = row.guardrail and form_of(row).by_colour
    return {
        **row.subject.words,
        "metric": row.metric,
        "query": (row.query or "").strip(),
        "severity": row.severity,
        "side": row.side,
        "threshold": notations["text"],
        "value": value,
        "unit": notations.get("unit", ""),
        "unit_seconds": notations.get("unit_seconds", "1"),
        **bound_words(value),
        "queue": row.subject.queues[0]["queue"] if row.subject.queues else "",
        "by": "_colour" if coloured else "",
        "of_colour": " to {{ $labels.colour }}" if coloured else "",
        **_printing(row.threshold),
    }


def bound_words(value: str) -> dict[str, str]:
    """Give the selector of a histogram's bound, which Prometheus 3 writes as ``1.0`` where others write ``1``."""
    return {"le": f'le="{value}"' if "." in value else f'le=~"{value}(\\\\.0)?"', "le_sample": f'le="{value}"'}


def threshold_words(row: Row) -> str:
    """Say a threshold as the table does: ``above 1% of requests for 2 minutes``."""
    known = METRICS.get(row.metric)
    parts = [row.side, row.threshold.text, known.of if known else ""]
    if row.for_.seconds:
        parts += ["for", row.for_.words]
    return " ".join(part for part in parts if part)


def camel(name: str) -> str:
    """Write a name as alerts do: ``saved-reports-api`` is ``SavedReportsApi``."""
    words = name.replace("-", "_").split("_")
    return "".join(word[:1].upper() + word[1:] for word in words if word)


def unique(names: Iterable[str]) -> Iterator[str]:
    """Add a number to a name that comes again, in whatever case: each becomes the name of a file."""
    seen: set[str] = set()
    for name in names:
        candidate, number = name, 2
        while candidate.casefold() in seen:
            candidate, number = f"{name}{number}", number + 1
        seen.add(candidate.casefold())
        yield candidate


def alert_name(row: Row) -> str:
    """Name the alert of a row: ``FeatureApiErrorRatioHigh``, ``FeatureApiRollbackErrorRatio``."""
    metric = camel(row.metric.removeprefix("db_") if row.subject.kind == "database" else row.metric)
    stem = camel(row.subject.name)
    if row.guardrail:
        return f"{stem}Rollback{metric}"
    name = f"{stem}{metric}{'High' if row.side == 'above' else 'Low'}"
    return name if row.usual else name + row.severity.capitalize()


def plan_alert(spec: Spec, row: Row, name: str) -> AlertPlan:
    """Plan the alert of a row whose metric is instrumented."""
    words, form, known = row_words(row), form_of(row), METRICS.get(row.metric)
    conditions = _conditions(row, words)
    expr = conditions_text(conditions)
    return {
        "name": name,
        "kind": "rollback" if row.guardrail else "threshold",
        "metric": row.metric,
        "title": known.title if known else row.metric,
        "category": known.category if known else "Application",
        "service": row.subject.name,
        "subject": row.subject.key,
        "severity": row.severity,
        "action": row.action,
        "guardrail": row.guardrail,
        "side": row.side,
        "threshold": row.threshold.notations(),
        "words": threshold_words(row),
        "expr": expr,
        "promql": " ".join(expr.split()),
        "for_": row.for_.notations(),
        "keep_firing_for": KEEP_FIRING.promql if row.guardrail else None,
        "labels": rule_labels(spec, row.subject.name, row.severity, row.metric, "rollback" if row.guardrail else ""),
        "annotations": {
            "summary": _summary(row, fill(form.summary, words)),
            "description": fill(form.description, words),
            **addresses(spec, name),
        },
        "conditions": conditions,
        "page": page(name),
        "panel": 0,
    }


def _summary(row: Row, summary: str) -> str:
    return f"Roll back: {summary[:1].lower()}{summary[1:]}" if row.guardrail else summary


def rule_labels(spec: Spec, service: str, severity: str, metric: str, guardrail: str = "") -> dict[str, str]:
    """Give the labels that a rule adds, by which Alertmanager routes and inhibits."""
    labels = {"severity": severity, "service": service, "team": spec.feature.team, "metric": metric}
    return {**labels, "guardrail": guardrail} if guardrail else labels


def addresses(spec: Spec, name: str) -> dict[str, str]:
    """Give the address of an alert's runbook."""
    base = spec.monitoring.runbooks or undecided.URL
    return {"runbook_url": f"{base.rstrip('/')}/{page(name)}"}


def page(name: str) -> str:
    """Name the file of an alert's runbook."""
    return f"runbooks/alerts/{name}.md"


def conditions_text(conditions: list[Condition]) -> str:
    """Write comparisons as one expression; the first is the value, another one guards it."""
    first, *guards = [f"{each['series']}{{{each['selector']}}} {each['sign']} {each['limit']}" for each in conditions]
    if not guards:
        return first
    return f"  {first}" + "".join(f"\nand on ({_shared(conditions)})\n  {guard}" for guard in guards)


def _shared(conditions: list[Condition]) -> str:
    """Name the labels by which a value meets its guards, which all carry the same."""
    return ", ".join(name for name in level(conditions[0]["series"]) if name in level(conditions[1]["series"]))


def level(series: str) -> tuple[str, ...]:
    """Name the labels that a recorded series carries, as its own name says them."""
    return tuple(word for word in series.partition(":")[0].split("_") if word in LABELS)


def metric_row(row: Row, alert: AlertPlan | None) -> MetricRow:
    """Plan one row of the document's table; without an alert it needs instrumentation."""
    known = METRICS.get(row.metric)
    return {
        "category": known.category if known else "Application",
        "title": known.title if known else row.metric,
        "service": row.subject.name,
        "metric": row.metric,
        "threshold": threshold_words(row),
        "action": row.action,
        "severity": row.severity,
        "alert": alert["name"] if alert else None,
        "page": alert["page"] if alert else None,
        "instrumented": alert is not None,
    }


def alert_row(alert: AlertPlan) -> MetricRow:
    """Plan the row of an alert that is no threshold of the spec's list."""
    return {
        "category": alert["category"],
        "title": alert["title"],
        "service": alert["service"],
        "metric": alert["metric"],
        "threshold": alert["words"],
        "action": alert["action"] or "",
        "severity": alert["severity"],
        "alert": alert["name"],
        "page": alert["page"],
        "instrumented": True,
    }


def unlabelled(spec: Spec) -> list[str]:
    """Name the services whose requests are counted, and say nothing of the experiment's arms."""
    if spec.experiment.monitoring:
        return []
    return [each.name for each in spec.services if each.kind != "worker" and each.metrics.convention != "none"]


def _default_row(default: dict[str, str], subject: Subject) -> Row:
    side = METRICS[default["metric"]].bad
    threshold = parse_threshold(default["metric"], parse_quantity(default[side]))
    return Row(
        default["metric"],
        subject,
        side,
        threshold,
        parse_duration(default["for"]),
        default["severity"],
        "Scale up" if default["action"] == AUTO_SCALE and not subject.scaled else default["action"],
    )


def _addressed(spec: Spec, alert: Alert, subjects: list[Subject]) -> list[Subject]:
    """Give the subjects of one alert of the spec; a query that names no service is about the feature."""
    if alert.metric not in METRICS:
        services = [subject for subject in subjects if subject.name == alert.service]
        return services or ([subjects[0]] if len(spec.services) == 1 else [subjects[-1]])
    found = list(watched(alert.metric, subjects))
    if alert.service is None:
        return found
    service = next(service for service in spec.services if service.name == alert.service)
    return [subject for subject in found if subject.name == service.name or subject.name in service.needs]


def _base(spec: Spec, alert: Alert, subject: Subject, severity: str) -> Row:
    for default in ALERT_ROWS:
        if default["metric"] == alert.metric:
            row = _default_row(default, subject)
            action = row.action if severity == row.severity else _ACTIONS[severity]
            return row._replace(severity=severity, action=action, usual=severity == row.severity)
    side, threshold = _written(alert)
    alike = [other for other in spec.alerts if other.metric == alert.metric and not other.skip]
    queries = {other.service: other.query for other in alike if other.query}
    query = alert.query or queries.get(alert.service) or next(iter(queries.values()))
    row = Row(alert.metric, subject, side, threshold, DEFAULT_FOR, severity, _ACTIONS[severity], query)
    return row._replace(usual=severity == (alike[0].severity or default_severity(alert.metric)))


def _written(row: Alert | Criterion) -> tuple[str, Quantity]:
    """Give the side and the threshold of a row that must have one (a rule of the spec)."""
    sides = {"above": row.above, "below": row.below}
    return next((side, quantity) for side, quantity in sides.items() if quantity is not None)


def _overlaid(row: Row, alert: Alert) -> Row:
    written = alert.above if alert.above is not None else alert.below
    return row._replace(
        threshold=row.threshold if written is None else parse_threshold(alert.metric, written),
        side="above" if alert.above is not None else "below" if alert.below is not None else row.side,
        for_=row.for_ if alert.for_ is None else alert.for_,
        action=alert.action or row.action,
        asked=True,
    )


def _criterion_subjects(
    spec: Spec, criterion: Criterion, subjects: list[Subject]
) -> Iterator[tuple[Subject, str | None]]:
    if criterion.metric in METRICS:
        yield from ((subject, None) for subject in watched(criterion.metric, subjects))
        return
    found = {row.subject.name: row for row in plan_rows(spec) if row.metric == criterion.metric}
    yield from ((row.subject, row.query) for row in found.values())


def _criterion_row(criterion: Criterion, subject: Subject, query: str | None) -> Row:
    side, threshold = _written(criterion)
    return Row(
        criterion.metric,
        subject,
        side,
        parse_threshold(criterion.metric, threshold),
        criterion.for_,
        "critical",
        "Roll back",
        query,
        asked=True,
        guardrail=True,
    )


def _printing(threshold: Quantity) -> dict[str, str]:
    if isinstance(threshold, Share):
        return {"humanize": "humanizePercentage", "panel_unit": "percentunit"}
    if isinstance(threshold, Duration):
        return {"humanize": "humanizeDuration", "panel_unit": "s"}
    return {"humanize": "humanize", "panel_unit": "short"}


def _conditions(row: Row, words: dict[str, str]) -> list[Condition]:
    form = form_of(row)
    limit = fill(form.limit, words)
    if form is CUSTOM_FORM and isinstance(row.threshold, Rate) and row.threshold.unit != "s":
        limit = f"{limit} / {row.threshold.unit_seconds}"
    sign = ">" if row.side == "above" else "<"
    conditions = [condition(fill(form.series, words), sign, limit, words)]
    if form.guard:
        conditions.append(condition(fill(form.guard, words), ">=", GUARD_EVENTS, words))
    return conditions


def condition(series: str, sign: str, limit: str, words: dict[str, str]) -> Condition:
    """Plan one comparison of a recorded series, with the labels that its name says it carries."""
    known: dict[str, str] = {
        "namespace": words["namespace"],
        "container": words["service"],
        "job": words["service"],
        "threshold": words["value"],
        "database": words.get("database", ""),
        "service": words["service"],
        "slo": words.get("slo", ""),
        "cronjob": words.get("cronjob", ""),
        **{name: words[name] for name in ("arm", "experiment") if name in words},
    }
    fixed = {name: known[name] for name in level(series) if name in known}
    pod, queue = f"{words.get('deployment', '')}-0", words.get("queue", "")
    varying = {"colour": "green", "arm": "treatment", "pod": pod, "queue": queue}
    return {
        "series": series,
        "selector": ",".join(f'{name}="{value}"' for name, value in fixed.items()),
        "sign": sign,
        "limit": limit,
        "labels": {name: fixed.get(name, varying.get(name, "")) for name in level(series)},
    }


def exact(limit: str) -> Decimal:
    """Read a limit of an expression: a number, or a number a minute."""
    number, _, divisor = limit.partition(" / ")
    return Decimal(number) / Decimal(divisor or 1)
