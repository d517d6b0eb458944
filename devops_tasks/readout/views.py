"""A result for people, for programs, and for the learning log.

Must not: judging.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from devops_tasks.errors import shown
from devops_tasks.experiment.evidence import Arm, Share
from devops_tasks.filters import md
from devops_tasks.readout.limits import Guarded
from devops_tasks.readout.verdict import MISMATCH, Look, Readout
from devops_tasks.render import DOCUMENT

_UNIT = " percentage points"
_HEADING = "Experiment Readout"
_SECOND = "the numbers below hold for a single one, so that effects which are none are found more often"
_NONE = "none was planned: the numbers hold if this is the only look"


def readout_lines(result: Readout) -> Iterator[str]:
    """Write a result for people, a line for each of its parts; the verdict comes after what it rests on."""
    yield from (f"{name:10} {shown(text)}" for name, text in _rows(result))
    if result.logged:
        yield f"log        {result.logged}, in the learning log of {DOCUMENT}"


def earlier_day(document: str, today: date) -> str:
    """Find the last day before today of which the learning log has a result; empty where there is none."""
    days = re.findall(rf"^### {_HEADING} (\d{{4}}-\d\d-\d\d)", document, re.MULTILINE)
    return max((day for day in days if day < today.isoformat()), default="")


def log_entry(result: Readout) -> tuple[str, list[str]]:
    """Write a result for the learning log: the heading of its day, and its items, the verdict first."""
    *rows, verdict = _rows(result)
    return f"{_HEADING} {result.look.today}", [
        f"- **{name.capitalize()}:** {md(text)}" for name, text in [verdict, *rows]
    ]


def _rows(result: Readout) -> Iterator[tuple[str, str]]:
    effect, shares = result.effect, isinstance(result.control, Share)
    unit = _UNIT if shares else ""
    yield "date", _date(result.look)
    if result.look.earlier and not result.look.sequential:
        yield "warning", f"the log has a look of {result.look.earlier}: {_SECOND}"
    for name, arm in (("control", result.control), ("treatment", result.treatment)):
        yield name, _counted(arm, result.unit)
    low, high = (_signed(end, shares=shares) for end in (effect.low, effect.high))
    interval = f"with {result.confidence * 100:g}% confidence from {low} to {high}"
    yield "effect", f"{_signed(effect.difference, shares=shares)}{unit}, {interval}"
    yield "p value", f"{_chance(effect.p_value)} ({_method(result.look, shares=shares)}, two-sided)"
    if result.target is not None:
        yield "target", f"{_signed(result.target, shares=shares)}{unit}"
    said = "not as planned: find out why first" if result.split < MISMATCH else "as planned"
    yield "split", f"{said} (sample ratio, p {_chance(result.split)})"
    if result.planned:
        yield "plan", _plan(result, *result.planned)
    yield from (("guardrail", _guarded(each)) for each in result.guarded)
    yield from (("guardrail", f"{name}: not counted here") for name in result.unread)
    yield "verdict", f"{result.verdict}: {result.because}"


def _date(look: Look) -> str:
    if look.sequential:
        return f"{look.today}, one look of as many as you like" + (
            f"; planned for {look.planned}" if look.planned else ""
        )
    return f"{look.today}, planned for {look.planned} or later" if look.planned else f"{look.today}; {_NONE}"


def _method(look: Look, *, shares: bool) -> str:
    return "confidence sequence" if look.sequential else "pooled z test" if shares else "Welch"


def _plan(result: Readout, control: int, treatment: int) -> str:
    short = result.control.units < control or result.treatment.units < treatment
    return f"{control} in control, {treatment} in treatment" + (", more than there are" if short else "")


def _guarded(guarded: Guarded) -> str:
    said = f"broken, {guarded.broken}" if guarded.broken else "holds"
    levels = f"{_percent(guarded.control)} in control, {_percent(guarded.treatment)} in treatment"
    return f"{guarded.limit.name}: {said}; {levels}"


def _counted(arm: Arm, unit: str) -> str:
    if isinstance(arm, Share):
        return f"{_number(arm.units, unit)}, {_number(arm.successes, 'success')}: {_percent(arm)}"
    return f"{_number(arm.units, unit)}, mean {arm.level:.6g}, deviation {arm.deviation:.6g}"


def _number(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "es" if word.endswith("s") else "s")


def _percent(share: Share) -> str:
    return f"{share.level * 100:.4g}%"


def _signed(value: float, *, shares: bool) -> str:
    text = f"{value * 100:+.3g}" if shares else f"{value:+.4g}"
    return text if float(text) else "0"


def _chance(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else "under 0.0001"  # noqa: PLR2004 - as many places are printed


def readout_json(result: Readout | None, folder: str = "") -> dict[str, Any]:
    """Give a result as plain data for programs; of none the folder alone."""
    if result is None:
        return {"folder": folder, "verdict": None}
    look = result.look
    return {
        "folder": result.folder,
        "verdict": result.verdict,
        "because": result.because,
        "unit": result.unit,
        "control": result.control._asdict(),
        "treatment": result.treatment._asdict(),
        "effect": {**result.effect._asdict(), "confidence": result.confidence, "target": result.target},
        "method": "sequential" if look.sequential else "fixed",
        "split": {"p_value": result.split, "as_planned": result.split >= MISMATCH},
        "planned": {"control": result.planned[0], "treatment": result.planned[1]} if result.planned else None,
        "logged": result.logged or None,
        "today": look.today.isoformat(),
        "planned_date": look.planned.isoformat() if look.planned else None,
        "earlier_look": look.earlier or None,
        "guardrails": [*map(_plain, result.guarded), *({"name": name, "holds": None} for name in result.unread)],
    }


def _plain(guarded: Guarded) -> dict[str, Any]:
    return {
        "name": guarded.limit.name,
        "holds": not guarded.broken,
        "because": guarded.broken,
        "control": guarded.control._asdict(),
        "treatment": guarded.treatment._asdict(),
        "effect": guarded.effect._asdict(),
    }
