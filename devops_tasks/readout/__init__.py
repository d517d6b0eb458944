"""The experiment's result: the road from a bundle and what was counted to a verdict, and into the learning log.

Lives here: the planned date, and calling the modules in turn. Must not: statistics (``experiment``), printing.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from devops_tasks.disk import read_files, write_changes
from devops_tasks.errors import Problem, UserError
from devops_tasks.judge import find_past, open_bundle
from devops_tasks.merge import EDITED, Change
from devops_tasks.merge.entries import with_entry
from devops_tasks.readout.counts import read_arms
from devops_tasks.readout.limits import judge_limits
from devops_tasks.readout.verdict import Look, Readout, judge
from devops_tasks.readout.views import earlier_day, log_entry, readout_json, readout_lines
from devops_tasks.render import DOCUMENT

__all__ = ["Given", "Readout", "log_result", "read_out", "readout_json", "readout_lines"]

_LOG = "Learning Log"


class Given(NamedTuple):
    """What was counted, where from, from when to when, and whether this is one look of many."""

    control: str
    treatment: str
    table: Path | None
    guardrails: tuple[str, ...]
    started: date | None
    today: date
    sequential: bool


def read_out(folder: Path, given: Given) -> Readout:
    """Judge what was counted against a bundle's hypothesis.

    Raises ``UserError`` before the planned date, unless every look is made to hold.
    """
    bundle = open_bundle(folder, find_past(folder))
    sample = bundle.plan["experiment"]["sample"] or {}
    arms = read_arms(given.control, given.treatment, given.table, bundle.spec.experiment.primary_metric.kind)
    starts = given.started or bundle.spec.sprint.starts
    document = read_files(folder, [DOCUMENT]).get(DOCUMENT) or b""
    earlier = earlier_day(document.decode("utf-8", "replace"), given.today)
    look = Look(given.today, _planned_day(sample, starts), earlier, sequential=given.sequential)
    _refuse_early(look, starts, sample)
    guarded = judge_limits(given.guardrails, bundle.spec, sample["total"] if look.sequential else None)
    return judge((str(folder), bundle.spec, sample), look, arms, guarded)


def _planned_day(sample: dict[str, Any], starts: date | None) -> date | None:
    time = sample.get("time")
    if not starts or not time or time["length"] > (date.max - starts).days:
        return None
    return starts + timedelta(time["length"])


def _refuse_early(look: Look, starts: date | None, sample: dict[str, Any]) -> None:
    if look.sequential and "total" not in sample:
        what, mend = "takes the planned size, about which its interval is narrowest, and none is planned", _UNPLANNED
        raise UserError(Problem("--sequential", what, mend, "usage"))
    if look.sequential and starts and look.today < starts:
        what = f"is {starts}, and this is {look.today}: nothing of it can have been counted"
        raise UserError(Problem("the first day", what, "say with --started when it was", "too-early"))
    if not look.sequential and look.planned and look.today < look.planned:
        what = f"is {look.planned}, and this is {look.today}: who looks earlier finds effects that are none"
        mend = "come back then, or look with --sequential; what rolls a release back is watched all the time"
        raise UserError(Problem("the planned date", what, mend, "too-early"))


_UNPLANNED = "give the primary metric its kind and baseline, and generate"


def log_result(folder: Path, result: Readout) -> Readout:
    """Write a result into the learning log of the document, beside whatever people have written, unless it is there.

    It is an edit like theirs: the next ``generate`` merges it. Raises ``UserError`` without a document, and
    ``ConflictError`` where somebody writes at the same time.
    """
    past = find_past(folder)
    old = read_files(folder, [DOCUMENT]).get(DOCUMENT)
    if old is None or DOCUMENT not in past.lock.files:
        mend = "have it again with devops-tasks generate --force"
        raise UserError(Problem(str(folder / DOCUMENT), "is not there", mend, "no-tasks"))
    new = with_entry(_text(folder, old), _LOG, *log_entry(result)).encode()
    if new == old:
        return result._replace(logged="is there already")
    write_changes(folder, [Change(DOCUMENT, "merge", old, new, EDITED)], past.lock, past.texts)
    return result._replace(logged="written")


def _text(folder: Path, document: bytes) -> str:
    try:
        return document.decode("utf-8")
    except UnicodeDecodeError:
        mend = "save it as UTF-8"
        raise UserError(Problem(str(folder / DOCUMENT), "no text in UTF-8", mend, "not-utf8")) from None
