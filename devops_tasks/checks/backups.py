"""Backups as they are scheduled on disk, against the data that the spec says may be lost.

Lives here: the times that a schedule names. Must not: how a backup is made.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from devops_tasks.checks.cluster import Cluster, items, name_of
from devops_tasks.checks.documents import Document
from devops_tasks.errors import KeyPath, Problem
from devops_tasks.spec import Database, Spec
from devops_tasks.units import Duration

Problems = Iterator[Problem]
_DAY = 24 * 60
_WEEK = 7
_FIELDS = 5
_BACKUP, _RESTORE = (f"disaster-recovery/{name}-database.sh" for name in ("backup", "restore"))


class Schedule(NamedTuple):
    """When a database is backed up, and where that is written."""

    database: str
    text: str
    document: Document
    path: KeyPath
    continuous: bool = False


def check_recovery(spec: Spec, cluster: Cluster, files: Mapping[str, str], documents: list[Document]) -> Problems:
    """Check that what is backed up can be restored by the script, and is removed when it has been kept long enough."""
    schedules = {each.database: each for each in _schedules(cluster, documents)}
    for database in spec.databases:
        schedule = schedules.get(database.name)
        if schedule is not None:
            yield from _restored(database, files)
            yield from _removed(database, schedule, files)


def _restored(database: Database, files: Mapping[str, str]) -> Problems:
    script = files.get(_RESTORE, "")
    if script and not _case(script, database):
        what = f"{database.name} is backed up, and the script that restores has no case for it"
        yield Problem(_RESTORE, what, "add its case, or generate again", "no-restore", 1)


def _case(script: str, database: Database) -> re.Match[str] | None:
    """Find what a script does for one database."""
    return re.search(rf"^{re.escape(database.name)}\)\n(.*?);;", script, re.MULTILINE | re.DOTALL)


def _removed(database: Database, schedule: Schedule, files: Mapping[str, str]) -> Problems:
    wanted, mend = database.backup.keep, "keep the same time as databases[].backup.keep, or correct that"
    if schedule.path[0] != "Resources":
        case = _case(files.get(_BACKUP, ""), database)
        told = re.search(r"\bkeep_seconds=(\d+)", case[1]) if case else None
        if case and (told is None or int(told[1]) != wanted.seconds):
            line = files[_BACKUP].count("\n", 0, case.start(1)) + 1
            kept = f"keeps them {Duration(Decimal(told[1])).text}" if told else "removes none of them"
            what = f"backups of {database.name} are to be kept {wanted.text}, and the script {kept}"
            yield Problem(_BACKUP, what, mend, "backup-retention", line)
        return
    path = (*schedule.path[:-1], "Lifecycle", "DeleteAfterDays")
    days = schedule.document.at(path)
    if not isinstance(days, int) or days * _DAY * 60 < wanted.seconds:
        kept = f"after {days} days" if isinstance(days, int) else "never"
        what = f"backups of {database.name} are to be kept {wanted.text}, and the plan removes them {kept}"
        yield Problem(schedule.document.path, what, mend, "backup-retention", schedule.document.line(path))


def check_backups(spec: Spec, cluster: Cluster, documents: list[Document]) -> Problems:
    """Warn of backups that are further apart than what may be lost; where no file has a schedule, the spec's counts.

    A continuous backup of the same instance is no answer: it is not copied, so that whatever takes the region or the
    vault along leaves the backups between which more is lost.
    """
    schedules = list(_schedules(cluster, documents))
    for index, database in enumerate(spec.databases):
        own = [each for each in schedules if each.database == database.name]
        intervals = [
            (interval, each) for each in own if not each.continuous and (interval := longest_interval(each.text))
        ]
        every, schedule = min(intervals, key=itemgetter(0), default=(database.backup.every, None))
        if every > database.backup.lose_at_most:
            yield _too_rare(index, database, every, schedule, continuous=any(each.continuous for each in own))
        yield from _kept(database, index)


def _too_rare(
    index: int, database: Database, every: Duration, schedule: Schedule | None, *, continuous: bool
) -> Problem:
    what = f"{database.name} may lose {database.backup.lose_at_most.text}, and is backed up every {every.text}"
    if continuous:
        what += "; only the continuous backup, which is not copied, keeps to it"
    place, line = (schedule.document.path, schedule.document.line(schedule.path)) if schedule else ("spec", 0)
    key = f"databases[{index}].backup.lose_at_most"
    return Problem(place, what, "back up more often, or accept a larger loss", "backup-interval", line, key=key)


def _kept(database: Database, index: int) -> Problems:
    backup = database.backup
    if backup.keep <= backup.every:
        what = f"a backup is kept for {backup.keep.text}, and the next one comes after {backup.every.text}"
        yield Problem("spec", what, "keep it longer", "backup-kept", key=f"databases[{index}].backup.keep")


def _schedules(cluster: Cluster, documents: list[Document]) -> Iterator[Schedule]:
    for job in cluster.kind("CronJob"):
        if name_of(job).endswith("-backup"):
            path: KeyPath = ("spec", "schedule")
            yield Schedule(name_of(job).removesuffix("-backup"), str(job.at(path)), job, path)
    for document in documents:
        resources = document.at(("Resources",))
        for name in resources if isinstance(resources, dict) else ():
            yield from _plans(document, ("Resources", str(name), "Properties", "BackupPlan"))


def _plans(document: Document, path: KeyPath) -> Iterator[Schedule]:
    name = str(document.at((*path, "BackupPlanName")) or "")
    for index, rule in enumerate(items(document.at((*path, "BackupPlanRule")))):
        place = (*path, "BackupPlanRule", index, "ScheduleExpression")
        text = re.fullmatch(r"cron\((.*)\)", str(document.at(place)))
        if text and name:
            yield Schedule(name, text[1], document, place, continuous=rule.get("EnableContinuousBackup") is True)


def longest_interval(schedule: str) -> Duration | None:
    """Find the longest time between two starts of a schedule; None where the schedule cannot be read.

    Both the five fields of Kubernetes and the six of AWS are read.
    """
    fields = schedule.upper().split()
    try:
        minutes, hours = _values(fields[0], 60), _values(fields[1], 24)
        days = _days(*fields[2:_FIELDS])
    except (IndexError, TypeError, ValueError):
        return None
    gap = _longest_gap({hour * 60 + minute for hour in hours for minute in minutes}, _DAY)
    return Duration(Decimal((gap + (days - 1) * _DAY) * 60)) if gap else None


def _days(day: str, month: str, weekday: str) -> int:
    """Read the most days from one with a start to the next; raises ``ValueError`` where that is not plain to see."""
    every = {"*", "?"}
    if month not in every or (day not in every and weekday not in every):
        raise ValueError(month)
    if day in every:
        return 1 if weekday in every else _longest_gap(_values(_numbered(weekday), _WEEK), _WEEK)
    if "/" not in day:
        raise ValueError(day)
    return int(re.sub(r"^(?:\*|1)/", "", day))


def _numbered(weekday: str) -> str:
    for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")):
        weekday = weekday.replace(name, str(number))
    return weekday


def _longest_gap(starts: set[int], period: int) -> int:
    ordered = sorted(starts)
    return max(
        (second - first for first, second in pairwise([*ordered, *(first + period for first in ordered[:1])])),
        default=0,
    )


def _values(field: str, count: int) -> set[int]:
    """Read one field of a schedule: ``*``, ``*/6``, ``0/6``, ``1-5``, ``0,30``."""
    values: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("0", "", str(count - 1)) if span == "*" else span.partition("-")
        end = int(last) if last else count - 1 if step else int(first)
        values |= set(range(int(first), end + 1, int(step or 1)))
    return {value for value in values if value < count}
