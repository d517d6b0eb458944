"""The runbook of each alert: the advice on its metric, with the names of this bundle."""

from typing import TYPE_CHECKING, TypedDict

from devops_tasks.metrics import fill
from devops_tasks.metrics.advice import (
    ADVICE,
    CPU_BY_HAND,
    CUSTOM,
    EXPORTED,
    FEATURE,
    ROLLBACK,
    SERIES,
    TARGETS,
    WATCHDOG,
    Advice,
    Check,
)
from devops_tasks.metrics.objectives import indicator
from devops_tasks.plan.alerts import AlertPlan
from devops_tasks.plan.subjects import Subject
from devops_tasks.spec import Spec

if TYPE_CHECKING:
    from devops_tasks.plan.arms import Watching
    from devops_tasks.plan.backup_jobs import BackupJob


class Step(TypedDict):
    """One thing to look at or to do."""

    text: str
    language: str
    code: str


class Page(TypedDict):
    """One runbook; ``name`` is the alert's, ``undone`` the worker that a rollback of the traffic leaves as it is."""

    name: str
    alert: AlertPlan
    watched: str
    meaning: str
    impact: str
    checks: list[Step]
    mends: list[Step]
    rollback: str
    off: Step | None
    undone: str | None
    mistaken: list[str]
    operations: list[str]
    namespace: str
    on_call: str | None
    channel: str | None
    pager: str | None


def plan_page(
    spec: Spec, alert: AlertPlan, own: dict[str, str], subjects: list[Subject], watched: "BackupJob | Watching | None"
) -> Page:
    """Plan the runbook of an alert; ``own`` are the words of what it watches, none for the alerts about alerts.

    A job or an experiment that is ``watched`` brings its own advice.
    """
    subject = next(each for each in subjects if each.key == alert["subject"])
    words = {**_queue(subject), **subject.words, **own, "alert": alert["name"]}
    advice = watched.advice(alert) if watched else _advice(alert, subject)
    served = any(service.kind != "worker" for service in spec.services)
    return {
        "name": alert["name"],
        "alert": alert,
        "watched": _watched(spec, subject),
        "meaning": fill(advice.meaning, words),
        "impact": fill(advice.impact, words),
        "checks": [_step(check, words) for check in advice.checks],
        "mends": [_step(mend, words) for mend in advice.mends],
        "rollback": fill(ROLLBACK if alert["guardrail"] else advice.rollback, words),
        "off": _step(watched.off, words) if watched and watched.off else None,
        "undone": subject.name if subject.kind == "worker" and served else None,
        "mistaken": [fill(text, words) for text in advice.mistaken],
        "operations": _operations(advice, subject),
        "namespace": spec.platform.namespaces.production,
        "on_call": spec.contacts.on_call,
        "channel": spec.contacts.channel,
        "pager": spec.contacts.pager,
    }


def _watched(spec: Spec, subject: Subject) -> str:
    """Say where the subject runs; a database is the spec's to place, and not in our namespace."""
    return subject.name if subject.kind == "database" else f"{subject.name}, in {spec.platform.namespaces.production}"


def _advice(alert: AlertPlan, subject: Subject) -> Advice:
    special = {"targets": TARGETS, "series": _series(alert), "watchdog": WATCHDOG}
    if alert["kind"] in special:
        return special[alert["kind"]]
    if alert["kind"] == "objective":
        return indicator(alert["metric"].removeprefix("slo_"), subject.kind).advice
    if alert["metric"] == "cpu_utilization" and not subject.scaled:
        return CPU_BY_HAND
    return ADVICE.get(alert["metric"]) or (FEATURE if subject.kind == "feature" else CUSTOM)


def _operations(advice: Advice, subject: Subject) -> list[str]:
    """Leave out the page on databases where the subject neither is one nor needs one."""
    stored = subject.stores or subject.kind == "database"
    return [name for name in advice.operations if stored or name != "database-maintenance"]


def _series(alert: AlertPlan) -> Advice:
    """Name those exporters only whose series this alert misses; all others are the application's."""
    counts = {prefix: alert["expr"].count(f"absent({prefix}") for prefix in EXPORTED}
    own = SERIES.mends if sum(counts.values()) < alert["expr"].count("absent(") else ()
    return SERIES._replace(mends=(*own, *(EXPORTED[prefix] for prefix, found in counts.items() if found)))


def _queue(subject: Subject) -> dict[str, str]:
    return subject.queues[0] if subject.queues else {}


def _step(check: Check, words: dict[str, str]) -> Step:
    return {"text": fill(check.text, words), "language": check.language, "code": fill(check.code, words)}
