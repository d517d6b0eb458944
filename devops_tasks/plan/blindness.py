"""The alerts about alerts: a service that is not scraped, a series that is gone, and the one that always fires."""

from devops_tasks.plan.alerts import AlertPlan, addresses, page, rule_labels
from devops_tasks.plan.recordings import SourceSeries
from devops_tasks.plan.subjects import Subject
from devops_tasks.spec import Spec
from devops_tasks.units import parse_duration

TARGETS_FOR = parse_duration("5m")
METRICS_FOR = parse_duration("15m")


def targets_missing(spec: Spec, subject: Subject, name: str) -> AlertPlan:
    """Plan the alert that fires when no pod of a service answers Prometheus."""
    words = subject.words
    expr = f"absent(up{{{words['production']}}} == 1)"
    alert = _alert(spec, name, subject, "targets", "critical")
    return {
        **alert,
        "title": "Targets missing",
        "words": f"no target for {TARGETS_FOR.words}",
        "expr": expr,
        "promql": expr,
        "for_": TARGETS_FOR.notations(),
        # absent() of a comparison gives no labels, and a page without a namespace is of little use.
        "labels": {**alert["labels"], "namespace": words["namespace"], "job": subject.name},
        "annotations": {
            "summary": f"Prometheus scrapes no pod of {subject.name}.",
            "description": f"No pod of {subject.name} has answered for {TARGETS_FOR.words}: its alerts see nothing.",
            **addresses(spec, name),
        },
    }


def metrics_missing(spec: Spec, subject: Subject, name: str, sources: list[SourceSeries]) -> AlertPlan:
    """Plan the alert that names each source series of a subject's alerts that is gone."""
    absences = [
        f'  label_replace(absent({source["metric"]}{{{source["selector"]}}}), "series", "{source["metric"]}", "", "")'
        for source in sources
    ]
    expr = "\nor\n".join(absences)
    return {
        **_alert(spec, name, subject, "series", "warning"),
        "title": "Series missing",
        "words": f"a series is missing for {METRICS_FOR.words}",
        "expr": expr,
        "promql": " ".join(expr.split()),
        "for_": METRICS_FOR.notations(),
        "annotations": {
            "summary": f"A series that the alerts of {subject.name} need is missing.",
            "description": "{{ $labels.series }} has no samples: the alerts that are built on it cannot fire.",
            **addresses(spec, name),
        },
    }


def watchdog(spec: Spec, subject: Subject, name: str) -> AlertPlan:
    """Plan the alert that always fires, so that its absence shows that alerts no longer arrive."""
    return {
        **_alert(spec, name, subject, "watchdog", "info"),
        "title": "Watchdog",
        "words": "always",
        "expr": "vector(1)",
        "promql": "vector(1)",
        "for_": parse_duration("0s").notations(),
        "annotations": {
            "summary": f"The alerts of {subject.name} are on their way.",
            "description": "This alert always fires. When it stops arriving, no alert arrives.",
            **addresses(spec, name),
        },
    }


def _alert(spec: Spec, name: str, subject: Subject, kind: str, severity: str) -> AlertPlan:
    return {
        "name": name,
        "kind": kind,
        "metric": kind,
        "title": "",
        "category": "Monitoring",
        "service": subject.name,
        "subject": subject.key,
        "severity": severity,
        "action": None,
        "guardrail": False,
        "side": None,
        "threshold": None,
        "words": "",
        "expr": "",
        "promql": "",
        "for_": {},
        "keep_firing_for": None,
        "labels": rule_labels(spec, subject.name, severity, kind),
        "annotations": {},
        "conditions": [],
        "page": page(name),
        "panel": 0,
    }
