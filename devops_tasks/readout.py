"""The experiment's result: the road from a bundle and what was counted to a verdict in plain words.

Lives here: reading the arms, the planned date, the verdict and how it is told. Must not: statistics (``experiment``).
"""

import csv
import math
import re
from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from devops_tasks.errors import Problem, UserError, shown
from devops_tasks.experiment.evidence import Arm, Effect, Mean, Share, compare_means, compare_shares, split_p_value
from devops_tasks.judge import find_past, open_bundle
from devops_tasks.reading import read_text
from devops_tasks.spec import Spec

_MOST_BYTES = 100_000
_MISMATCH = 0.001
"""A split that chance brings about less often than this was not made as planned."""
_COUNTS = re.compile(r"([0-9]{1,15})/([0-9]{1,15})", re.ASCII)
_FORM = "units/successes such as 4000/400, or units:mean:deviation such as 4000:12.5:40"
_UNIT = " percentage points"
_HEADERS = (["arm", "units", "successes"], ["arm", "units", "mean", "deviation"])


class Given(NamedTuple):
    """What was counted, where from, and from when to when."""

    control: str
    treatment: str
    table: Path | None
    started: date | None
    today: date


class Readout(NamedTuple):
    """All that is told of a result; ``split`` is the p value of the arms' sizes, ``date`` the planned one."""

    folder: str
    unit: str
    control: Arm
    treatment: Arm
    effect: Effect
    confidence: float
    target: float | None
    split: float
    planned: tuple[int, int] | None
    date: date | None
    guardrails: tuple[str, ...]
    verdict: str
    because: str


def read_out(folder: Path, given: Given) -> Readout:
    """Judge what was counted against a bundle's hypothesis; raises ``UserError`` before the planned date."""
    bundle = open_bundle(folder, find_past(folder))
    control, treatment = _arms(given, bundle.spec)
    sample = bundle.plan["experiment"]["sample"] or {}
    day = _planned_day(sample, bundle.spec, given)
    if day and given.today < day:
        what = f"is {day}, and this is {given.today}: who looks earlier finds effects that are none"
        mend = "come back then; what rolls a release back is watched all the time"
        raise UserError(Problem("the planned date", what, mend, "too-early"))
    return _judged(str(folder), bundle.spec, sample, (control, treatment))._replace(date=day)


def _planned_day(sample: dict[str, Any], spec: Spec, given: Given) -> date | None:
    starts = given.started or spec.sprint.starts
    time = sample.get("time")
    if not starts or not time or time["length"] > (date.max - starts).days:
        return None
    return starts + timedelta(time["length"])


def _judged(folder: str, spec: Spec, sample: dict[str, Any], arms: tuple[Arm, Arm]) -> Readout:
    control, treatment = arms
    significance = float(spec.experiment.significance.ratio)
    effect = _effect(control, treatment, significance)
    target = _target(spec, sample, control)
    split = split_p_value(control.units, treatment.units, float(spec.experiment.assignment.treatment.ratio))
    verdict, because = _verdict(effect, target, split)
    return Readout(
        folder,
        spec.experiment.assignment.unit,
        control,
        treatment,
        effect,
        1 - significance,
        target,
        split,
        (sample["control"], sample["treatment"]) if "control" in sample else None,
        None,
        spec.experiment.guardrails,
        verdict,
        because,
    )


def _effect(control: Arm, treatment: Arm, significance: float) -> Effect:
    if isinstance(control, Share) and isinstance(treatment, Share):
        return compare_shares(control, treatment, significance)
    if isinstance(control, Mean) and isinstance(treatment, Mean):
        return compare_means(control, treatment, significance)
    raise UserError(Problem("--treatment", "is of another form than --control", f"write both as {_FORM}", "usage"))


def _target(spec: Spec, sample: dict[str, Any], control: Arm) -> float | None:
    """Give the difference that the target asks for: of control, where it is relative, else as it was planned."""
    target = spec.experiment.primary_metric.target
    if target.kind == "relative":
        return control.level * float(target.value)
    return float(sample["difference"]) if "difference" in sample else float(target.value) - control.level


def _verdict(effect: Effect, target: float | None, split: float) -> tuple[str, str]:
    """Say what the interval means for the hypothesis; every reason names what it rests on."""
    if split < _MISMATCH:
        return "undecided", "the arms were not split as planned, so that they differ in more than the version"
    if not target:
        return "undecided", "the target is no change"
    low, high = (effect.low, effect.high) if target > 0 else (-effect.high, -effect.low)
    size = abs(target)
    if high < 0:
        return "invalidated", "the metric moved the wrong way: the whole interval is on the other side of no change"
    if high < size:
        smaller = "there is an effect, smaller than the target" if low > 0 else "no such effect is there"
        return "invalidated", f"{smaller}: the whole interval is short of the target"
    if low > 0:
        return "validated", "the metric moved as expected: the interval leaves out no change, and holds the target" + (
            "" if low <= size else " or more"
        )
    return "undecided", "the interval holds no change as well as the target: there were too few units to tell"


def _arms(given: Given, spec: Spec) -> tuple[Arm, Arm]:
    if given.table and (given.control or given.treatment):
        raise UserError(Problem("--csv", "says the same as --control and --treatment", "leave one out", "usage"))
    found = dict(_table(given.table)) if given.table else {}
    if not given.table:
        found = {name: _arm(f"--{name}", text) for name, text in _options(given)}
    for name in ("control", "treatment"):
        if name not in found:
            where = str(given.table or f"--{name}")
            raise UserError(Problem(where, f"says nothing of {name}", f"write {_FORM}", "usage"))
    kind, shares = spec.experiment.primary_metric.kind, isinstance(found["control"], Share)
    if kind is not None and (kind == "proportion") != shares:
        what = f"is {'a share' if shares else 'a mean'}, and the metric of this experiment is a {kind}"
        raise UserError(Problem(str(given.table or "--control"), what, f"write {_FORM}", "usage"))
    return found["control"], found["treatment"]


def _options(given: Given) -> Iterator[tuple[str, str]]:
    yield from ((name, text) for name, text in (("control", given.control), ("treatment", given.treatment)) if text)


def _arm(where: str, text: str) -> Arm:
    counts = _COUNTS.fullmatch(text)
    parts = text.split(":")
    if not counts and len(parts) != len(Mean._fields):
        raise UserError(Problem(where, f"expected {_FORM}, found {text!r}", "", "usage"))
    return _share(where, counts[1], counts[2]) if counts else _mean(where, *parts)


def _share(where: str, units: str, successes: str) -> Share:
    counted = Share(_whole(where, units), _whole(where, successes))
    if counted.units < 1 or counted.successes > counted.units:
        what = f"{successes} of {units} is no share"
        raise UserError(Problem(where, what, "write units first, then successes", "usage"))
    return counted


def _mean(where: str, units: str, mean: str, deviation: str) -> Mean:
    measured = Mean(_whole(where, units), _float(where, mean), _float(where, deviation))
    if measured.units <= 1 or measured.deviation < 0:
        what = "a mean takes two units or more, and a deviation of 0 or more"
        raise UserError(Problem(where, what, "write units:mean:deviation", "usage"))
    return measured


def _whole(where: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", text.strip()):
        raise UserError(Problem(where, f"expected a whole number, found {text!r}", f"write {_FORM}", "usage"))
    return int(text)


def _float(where: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) < 1e15:  # noqa: PLR2004 - also what is no number
        raise UserError(Problem(where, f"expected a number, found {text!r}", f"write {_FORM}", "usage"))
    return number


def _table(path: Path) -> Iterator[tuple[str, Arm]]:
    """Read a table with a row for each arm."""
    header, *rows = list(csv.reader(StringIO(read_text(path, _MOST_BYTES)))) or [[]]
    names = [name.strip().lower() for name in header]
    if names not in _HEADERS:
        forms = " or ".join(",".join(each) for each in _HEADERS)
        raise UserError(Problem(str(path), "has another first line", f"write {forms}", "usage", 1, 1))
    read = _share if names == _HEADERS[0] else _mean
    for line, row in enumerate(rows, 2):
        if row and len(row) != len(names):
            raise UserError(Problem(str(path), f"has {len(row)} cells", f"write {len(names)}", "usage", line, 1))
        if row:
            yield row[0].strip().lower(), read(f"{path}:{line}", *row[1:])


def readout_lines(result: Readout) -> Iterator[str]:
    """Write a result for people, a line for each of its parts; the verdict comes last, with what it rests on."""
    effect, shares = result.effect, isinstance(result.control, Share)
    for name, arm in (("control", result.control), ("treatment", result.treatment)):
        yield f"{name:10} {_counted(arm, result.unit)}"
    yield (
        f"effect     {_signed(effect.difference, shares=shares)}{_UNIT if shares else ''}, with "
        f"{result.confidence * 100:g}% confidence from {_signed(effect.low, shares=shares)} to "
        f"{_signed(effect.high, shares=shares)}"
    )
    yield f"p value    {_chance(effect.p_value)} ({'pooled z test' if shares else 'Welch'}, two-sided)"
    if result.target is not None:
        yield f"target     {_signed(result.target, shares=shares)}{_UNIT if shares else ''}"
    said = "not as planned: find out why first" if result.split < _MISMATCH else "as planned"
    yield f"split      {said} (sample ratio, p {_chance(result.split)})"
    yield from _plan_lines(result)
    for guardrail in result.guardrails:
        yield f"guardrail  not read here: {shown(guardrail)}"
    yield f"verdict    {result.verdict}: {result.because}"


def _plan_lines(result: Readout) -> Iterator[str]:
    if result.planned:
        control, treatment = result.planned
        short = result.control.units < control or result.treatment.units < treatment
        yield f"plan       {control} in control, {treatment} in treatment" + (", more than there are" if short else "")
    if result.date:
        yield f"date       {result.date} or later"
    else:
        yield "date       none was planned: the numbers hold if this is the only look"


def _counted(arm: Arm, unit: str) -> str:
    if isinstance(arm, Share):
        return f"{arm.units} {unit}s, {arm.successes} successes: {arm.level * 100:.4g}%"
    return f"{arm.units} {unit}s, mean {arm.level:.6g}, deviation {arm.deviation:.6g}"


def _signed(value: float, *, shares: bool) -> str:
    return f"{value * 100:+.3g}" if shares else f"{value:+.4g}"


def _chance(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else "under 0.0001"  # noqa: PLR2004 - as many places are printed


def readout_json(result: Readout | None, folder: str = "") -> dict[str, Any]:
    """Give a result as plain data for programs; of none the folder alone."""
    if result is None:
        return {"folder": folder, "verdict": None}
    return {
        "folder": result.folder,
        "verdict": result.verdict,
        "because": result.because,
        "unit": result.unit,
        "control": result.control._asdict(),
        "treatment": result.treatment._asdict(),
        "effect": {**result.effect._asdict(), "confidence": result.confidence, "target": result.target},
        "split": {"p_value": result.split, "as_planned": result.split >= _MISMATCH},
        "planned": {"control": result.planned[0], "treatment": result.planned[1]} if result.planned else None,
        "date": result.date.isoformat() if result.date else None,
        "guardrails": list(result.guardrails),
    }
