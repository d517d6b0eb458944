"""The alerts on the jobs that back up a database in the cluster and prove the backups: no success, or a failure.

Loaded only where a bundle has such jobs. Lives here: how old the last success may be. Must not: the jobs themselves
(``recovery``).
"""

from collections.abc import Iterator
from typing import NamedTuple

from devops_tasks.metrics import fill
from devops_tasks.metrics.advice import Advice
from devops_tasks.metrics.jobs import RECORDINGS, SCENES, SOURCE, WATCHES, Watch
from devops_tasks.metrics.scenes import Scene
from devops_tasks.plan.alerts import AlertPlan, addresses, camel, condition, conditions_text, page, rule_labels
from devops_tasks.plan.objectives import Drawn
from devops_tasks.plan.recordings import Need, RecordingPlan, SourceSeries, plan_rule, plan_source
from devops_tasks.plan.recovery import every_words, stale_after, unproven_after
from devops_tasks.plan.subjects import Subject
from devops_tasks.spec import Database, Spec
from devops_tasks.units import Duration, parse_duration, plain

_FOR = {"overdue": parse_duration("5m"), "failed": parse_duration("2m")}
_NOTHING = parse_duration("0s")


class BackupJob(NamedTuple):
    """One CronJob of one database; ``limit`` is how long ago its last success may be."""

    subject: Subject
    what: str
    cronjob: str
    limit: Duration
    planned: str
    lose: str

    @property
    def words(self) -> dict[str, str]:
        """Its words, for :func:`devops_tasks.metrics.fill`."""
        return {
            **self.subject.words,
            "value": "",
            "what": self.what,
            "What": self.what.capitalize(),
            "cronjob": self.cronjob,
            "limit": self.limit.words,
            "planned": self.planned,
            "lose": self.lose,
        }

    @property
    def names(self) -> list[str]:
        """The names of its alerts: ``OrdersDbBackupOverdue``."""
        return [
            f"{camel(self.subject.name)}{self.what.capitalize()}{each.state.capitalize()}" for each in self._watches
        ]

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """Examples of what is recorded of it."""
        return SCENES

    @property
    def group(self) -> str:
        """The name of its group of recording rules."""
        return "backups"

    @property
    def sources(self) -> list[SourceSeries]:
        """The series of somebody else that its alerts rest on."""
        return [plan_source(SOURCE, self.words)]

    @property
    def needs(self) -> list[Need]:
        """What somebody must provide for them."""
        what = "scraped with honor_labels: true, CronJobs and Jobs among its resources"
        return [{"service": self.subject.name, "who": "kube-state-metrics", "what": what}]

    @property
    def _watches(self) -> tuple[Watch, Watch]:
        return WATCHES[self.what]

    def recordings(self) -> Iterator[RecordingPlan]:
        """Plan what is recorded of it, in the order in which the rules build."""
        yield from (plan_rule(each, self.words) for each in RECORDINGS)

    def alerts(self, spec: Spec, names: list[str]) -> list[AlertPlan]:
        """Plan its alerts, by the names that they got."""
        return [self._alert(spec, watch, name) for watch, name in zip(self._watches, names, strict=True)]

    def advice(self, alert: AlertPlan) -> Advice:
        """Give what the runbook of one of its alerts says."""
        return next(each.advice for each in self._watches if self._metric(each) == alert["metric"])

    @property
    def off(self) -> None:
        """What ends an experiment: none is here."""

    def drawn(self, alerts: list[AlertPlan]) -> Iterator[Drawn]:
        """Plan the panels of its alerts."""
        for watch, alert in zip(self._watches, alerts, strict=True):
            limit = self._limit(watch)
            yield {
                "subject": self.subject.key,
                "title": f"{alert['title']} ({watch.severity})",
                "description": f"{alert['annotations']['summary']} {alert['name']} fires above {limit.text}.",
                "unit": "s",
                "series": [(f'{watch.series}{{namespace="$namespace",cronjob="{self.cronjob}"}}', self.cronjob)],
                "alert": alert["name"],
                "threshold": plain(limit.seconds),
                "bad": "above",
            }

    def _limit(self, watch: Watch) -> Duration:
        return self.limit if watch.state == "overdue" else _NOTHING

    def _metric(self, watch: Watch) -> str:
        return f"{self.what}_{watch.state}"

    def _alert(self, spec: Spec, watch: Watch, name: str) -> AlertPlan:
        limit, metric = self._limit(watch), self._metric(watch)
        conditions = [condition(watch.series, ">", plain(limit.seconds), self.words)]
        expr = conditions_text(conditions)
        return {
            "name": name,
            "kind": "job",
            "metric": metric,
            "title": fill(watch.title, self.words),
            "category": "Backups",
            "service": self.subject.name,
            "subject": self.subject.key,
            "severity": watch.severity,
            "action": watch.action,
            "guardrail": False,
            "side": "above",
            "threshold": limit.notations(),
            "words": fill(watch.words, self.words),
            "expr": expr,
            "promql": " ".join(expr.split()),
            "for_": _FOR[watch.state].notations(),
            "keep_firing_for": None,
            "labels": rule_labels(spec, self.subject.name, watch.severity, metric),
            "annotations": {
                "summary": fill(watch.summary, self.words),
                "description": fill(watch.description, self.words),
                **addresses(spec, name),
            },
            "conditions": conditions,
            "page": page(name),
            "panel": 0,
        }


def plan_jobs(spec: Spec, subjects: list[Subject]) -> list[BackupJob]:
    """Give both jobs of every database in the cluster."""
    known = {subject.key: subject for subject in subjects}
    inside = [database for database in spec.databases if database.hosting == "in-cluster"]
    return [job for each in inside for job in _jobs(each, known[f"database/{each.name}"])]


def _jobs(database: Database, subject: Subject) -> Iterator[BackupJob]:
    backup = database.backup
    late = max(stale_after(backup), backup.lose_at_most)
    lose = backup.lose_at_most.words
    yield BackupJob(subject, "backup", f"{database.name}-backup", late, every_words(backup.every).lower(), lose)
    proven = unproven_after(backup)
    yield BackupJob(subject, "verification", f"{database.name}-verify", proven, "every day", lose)
