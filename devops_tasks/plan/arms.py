"""The monitoring of the experiment: rules for each arm, alerts that end it or doubt its result, and their panels.

Loaded only where the spec says which label of the requests holds the arm. Must not: PromQL (``metrics.arms`` has it).
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from devops_tasks.experiment.arms import MIXING, difference_score, split_log_likelihood, standard_error
from devops_tasks.metrics import fill
from devops_tasks.metrics.advice import Advice, Check
from devops_tasks.metrics.arms import (
    BREACHED_PANEL,
    CRITERIA,
    DECISION,
    DECISION_SCENES,
    FOR,
    LONG_FOR,
    MISMATCH,
    MISSED_LIMIT,
    MISSING,
    SPLIT_PANELS,
    STRAY_LIMIT,
    SWITCH_OFF,
    TRAFFIC_PANELS,
    UNATTRIBUTED,
    UNLIKELY_LIMIT,
    WORSE,
    Drawing,
    Watch,
)
from devops_tasks.metrics.scenes import Scene
from devops_tasks.plan.alerts import (
    KEEP_FIRING,
    AlertPlan,
    Row,
    addresses,
    bound_words,
    camel,
    condition,
    conditions_text,
    level,
    page,
    rule_labels,
)
from devops_tasks.plan.guardrails import plan_arm
from devops_tasks.plan.objectives import Drawn
from devops_tasks.plan.recordings import Need, RecordingPlan, SourceSeries, plan_rule, plan_source
from devops_tasks.plan.subjects import Subject
from devops_tasks.spec import ArmMonitoring, Service, Spec
from devops_tasks.units import Duration, Number, Quantity, Share, parse_duration, plain

_ROLLBACK, _VALIDITY = ("critical", "Switch the experiment off"), ("warning", "Do not read the experiment out")
_PLACES = 6
_NOT_PROBED = 10_899
_PROBES = 450
DECIDING = "Experiment"
SUCCESS = "The primary metric: not for early stopping"


class ArmWatch(NamedTuple):
    """One alert on the experiment, about one service or all of it, with its threshold and how long it must hold."""

    subject: Subject
    watch: Watch
    setting: dict[str, str]
    limit: Quantity
    wait: Duration

    @property
    def group(self) -> str:
        """The name of its group of recording rules."""
        return "assignment" if self.subject.kind == "feature" else "experiment"

    @property
    def words(self) -> dict[str, str]:
        """Its words, for :func:`devops_tasks.metrics.fill`."""
        value = self.limit.notations()["value"]
        return {
            **self.subject.words,
            **self.setting,
            **_seen(self.subject, self.setting),
            **bound_words(value),
            "value": value,
            "threshold": self.limit.text,
            "wait": self.wait.words,
        }

    @property
    def names(self) -> list[str]:
        """The name of its alert: ``FeatureApiTreatmentErrorRatio``."""
        return [f"{camel(self.subject.name)}{self.watch.name}"]

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """Examples of what is recorded for it."""
        return self.watch.scenes

    @property
    def sources(self) -> list[SourceSeries]:
        """The series of somebody else that it rests on."""
        return [plan_source(source, self.words) for source in self.watch.sources]

    @property
    def needs(self) -> list[Need]:
        """What somebody must provide for it."""
        return list(_needs(self))

    def recordings(self) -> Iterator[RecordingPlan]:
        """Plan what is recorded for it, in the order in which the rules build."""
        yield from (plan_rule(each, self.words) for each in self.watch.recordings)

    def alerts(self, spec: Spec, names: list[str]) -> list[AlertPlan]:
        """Plan its alert, by the name that it got."""
        return [_alert(spec, self, name) for name in names]

    def advice(self, _alert: AlertPlan) -> Advice:
        """Give what the runbook of its alert says."""
        return self.watch.advice

    @property
    def off(self) -> Check | None:
        """What ends the experiment, where its alert asks for that."""
        return SWITCH_OFF if self.watch.guardrail == "rollback" else None

    def drawn(self, alerts: list[AlertPlan]) -> Iterator[Drawn]:
        """Plan the panel of its alert."""
        for alert in alerts:
            first = alert["conditions"][0]
            panel = _panel(self.watch.panel, _heading(self.subject), self.words)
            yield {
                **panel,
                "title": f"{fill(self.watch.panel.title, self.words)} ({self.watch.guardrail})",
                "description": f"{alert['annotations']['summary']} {alert['name']} fires after {self.wait.words}.",
                "alert": alert["name"],
                "threshold": first["limit"],
            }


class Decision(NamedTuple):
    """The one series that says how many guardrails are broken, and what is drawn beside the alerts."""

    subject: Subject
    setting: dict[str, str]
    services: tuple[Subject, ...]
    counted: bool
    """Whether somebody counts what is assigned."""

    @property
    def group(self) -> str:
        """The name of its group of recording rules."""
        return "decision"

    @property
    def words(self) -> dict[str, str]:
        """Its words, for :func:`devops_tasks.metrics.fill`."""
        jobs = [each.name for each in self.services]
        return {**self.subject.words, **self.setting, "job": jobs[0], "jobs": "|".join(jobs), "value": ""}

    @property
    def names(self) -> list[str]:
        """The names of its alerts: it has none."""
        return []

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """Examples of what is recorded of it."""
        return DECISION_SCENES

    @property
    def sources(self) -> list[SourceSeries]:
        """The series of somebody else that it rests on: those of the alerts."""
        return []

    @property
    def needs(self) -> list[Need]:
        """What somebody must provide for it."""
        return []

    def recordings(self) -> Iterator[RecordingPlan]:
        """Plan what is recorded of it."""
        yield from (plan_rule(each, self.words) for each in DECISION)

    def alerts(self, _spec: Spec, _names: list[str]) -> list[AlertPlan]:
        """Plan its alerts: those that it counts are alerts enough."""
        return []

    def advice(self, alert: AlertPlan) -> Advice:
        """Give what the runbook of one of its alerts says: there is none."""
        raise LookupError(alert["name"])

    @property
    def off(self) -> Check | None:
        """What ends the experiment: no alert of its own asks for it."""
        return None

    def drawn(self, _alerts: list[AlertPlan]) -> Iterator[Drawn]:
        """Plan the panels that no alert is about, and an empty row for the metric that nobody may stop by."""
        for panel in (BREACHED_PANEL, *(SPLIT_PANELS if self.counted else ())):
            yield _panel(panel, DECIDING, self.words)
        for service in self.services:
            for panel in TRAFFIC_PANELS:
                yield _panel(panel, _heading(service), service.words)
        yield _panel(Drawing(SUCCESS, "short", ()), SUCCESS, self.words)


Watching = ArmWatch | Decision


def plan_arms(spec: Spec, monitoring: ArmMonitoring, subjects: list[Subject], criteria: list[Row]) -> list[Watching]:
    """Give all that is watched of the experiment, the services first."""
    setting = _setting(spec, monitoring)
    named = monitoring.services or [service.name for service in spec.services if _asked(service)]
    services = [each for each in subjects if each.name in named and each.kind in {"api", "web"}]
    feature, counted = subjects[-1], monitoring.assigned_units is not None
    split = ArmWatch(feature, MISMATCH, setting, Number(Decimal(UNLIKELY_LIMIT)), parse_duration(LONG_FOR))
    return [
        *(watch for each in services for watch in _of_service(spec, each, setting, criteria)),
        Decision(feature, setting, tuple(services), counted),
        *([split] if counted else []),
    ]


def _asked(service: Service) -> bool:
    return service.kind != "worker" and service.metrics.convention != "none"


def _of_service(spec: Spec, subject: Subject, setting: dict[str, str], criteria: list[Row]) -> Iterator[ArmWatch]:
    if spec.experiment.monitoring:
        yield ArmWatch(subject, WORSE, setting, spec.experiment.monitoring.worse_by, parse_duration(FOR))
    for row in criteria:
        if row.subject.key == subject.key and row.metric in CRITERIA and row.side == "above":
            said = {**setting, "healthy_words": _healthy_words(spec, row)}
            yield ArmWatch(subject, CRITERIA[row.metric], said, row.threshold, row.for_)
    long = parse_duration(LONG_FOR)
    yield ArmWatch(subject, MISSING, setting, Number(Decimal(MISSED_LIMIT)), long)
    yield ArmWatch(subject, UNATTRIBUTED, setting, Share(Decimal(STRAY_LIMIT)), long)


def _healthy_words(spec: Spec, row: Row) -> str:
    """Say how often a criterion on treatment alone ends a healthy experiment."""
    arm = plan_arm(spec, row)
    if arm is None:
        return "How often it ends a healthy experiment is not known: it takes the requests per second of the service."
    return (
        f"With {arm['requests']} requests in that window it ends {arm['ended']} of all healthy experiments in "
        f"{arm['days']} days, if treatment does half of what it allows."
    )


def _setting(spec: Spec, monitoring: ArmMonitoring) -> dict[str, str]:
    """Give the words of the experiment."""
    assignment = spec.experiment.assignment
    treated, per_failure = assignment.treatment.ratio, plain(monitoring.requests_per_failure.value)
    return {
        "arm_label": monitoring.label,
        "experiment": spec.feature.slug,
        "assigned_units": monitoring.assigned_units or "",
        "units": f"{assignment.unit}s",
        "treated": plain(treated),
        "controlled": plain(1 - treated),
        "treatment_share": assignment.treatment.text,
        "variance": plain(treated * (1 - treated)),
        "wrong": "0.1% at most" if treated * 2 == 1 else "about 0.1%",
        "mixing": plain(Decimal(str(MIXING))),
        "per_failure": per_failure,
        "failure_words": "one request" if per_failure == "1" else f"{per_failure} requests",
        **_off(spec),
    }


def _off(spec: Spec) -> dict[str, str]:
    """Say what ends the experiment: its flag, or the route that splits the traffic."""
    flagged = spec.experiment.assignment.method == "feature-flag"
    script = "experiment/switch-off.sh" if flagged else "delivery/rollback.sh"
    text = (
        f"Switch the flag {spec.feature.slug} off: everybody gets control within three minutes."
        if flagged
        else "Give all of the traffic back to blue: nobody is in treatment then."
    )
    namespace = spec.platform.namespaces.production
    return {"off_text": text, "off_code": f'KUBE_CONTEXT="${{KUBE_CONTEXT:?}}" NAMESPACE={namespace} {script}'}


def _seen(subject: Subject, setting: dict[str, str]) -> dict[str, str]:
    """Give what is recorded in the scenes, by the same sums as the rules but not by their expressions."""
    planned, per_failure = float(setting["treated"]), float(setting["per_failure"])
    failed, others = (36, 1800), (45, 9000)
    every = _NOT_PROBED + (0 if subject.words.get("unprobed") else _PROBES)
    seen = {
        "score": difference_score(failed, others, per_failure),
        "error": standard_error(failed, others, per_failure),
        "missed": 900 * planned / (1 - planned),
        "control": 900 * (1 - planned) / planned,
        "every": every,
        "stray": (every - failed[1] - others[1]) / every,
        "unlikely": split_log_likelihood(10_000, 0.46, planned),
        "nobody": split_log_likelihood(2000, 0, planned),
    }
    return {f"seen_{name}": plain(round(Decimal(value), _PLACES)) for name, value in seen.items()}


def _needs(armed: ArmWatch) -> Iterator[Need]:
    for who, what in armed.watch.needs:
        yield {"service": armed.subject.name, "who": who, "what": fill(what, armed.words)}


def _alert(spec: Spec, armed: ArmWatch, name: str) -> AlertPlan:
    watch, words, subject = armed.watch, armed.words, armed.subject
    severity, action = _ROLLBACK if watch.guardrail == "rollback" else _VALIDITY
    about_treatment = words if watch is MISSING else {**words, "arm": "treatment"}
    conditions = [
        condition(series, sign, fill(limit, words), about_treatment) for series, sign, limit in watch.conditions
    ]
    expr = conditions_text(conditions)
    labels = rule_labels(spec, subject.name, severity, watch.metric, watch.guardrail)
    return {
        "name": name,
        "kind": "experiment",
        "metric": watch.metric,
        "title": fill(watch.title, words),
        "category": "Experiment",
        "service": subject.name,
        "subject": subject.key,
        "severity": severity,
        "action": action,
        "guardrail": False,
        "side": "above",
        "threshold": armed.limit.notations(),
        "words": fill(watch.words, words),
        "expr": expr,
        "promql": " ".join(expr.split()),
        "for_": armed.wait.notations(),
        "keep_firing_for": KEEP_FIRING.promql if watch.guardrail == "rollback" else None,
        "labels": {**labels, "experiment": spec.feature.slug},
        "annotations": {
            "summary": fill(watch.summary, words),
            "description": fill(watch.description, words),
            **addresses(spec, name),
        },
        "conditions": conditions,
        "page": page(name),
        "panel": 0,
    }


def _heading(subject: Subject) -> str:
    return DECIDING if subject.kind == "feature" else f"{DECIDING}: {subject.name}"


def _panel(drawing: Drawing, heading: str, words: dict[str, str]) -> Drawn:
    return {
        "subject": heading,
        "title": fill(drawing.title, words),
        "description": "Of each arm of the experiment." if heading != DECIDING else "Of the experiment.",
        "unit": drawing.unit,
        "series": [(_selected(expr, words), fill(legend, words)) for expr, legend in drawing.series],
        "alert": None,
        "threshold": None,
        "bad": "above",
        "signed": drawing.signed,
    }


def _selected(expr: str, words: dict[str, str]) -> str:
    """Select of a series what its name says that it carries; the arms stay side by side."""
    factor, _, series = expr.rpartition(" ")
    if ":" not in series:
        return fill(expr, words)
    fixed = {"namespace": "$namespace", "job": words["service"], "experiment": words.get("experiment", ""),
             "threshold": words.get("value", "")}  # fmt: skip
    carried = ",".join(f'{name}="{fixed[name]}"' for name in level(series) if name in fixed)
    return f"{factor} {series}{{{carried}}}".lstrip()
