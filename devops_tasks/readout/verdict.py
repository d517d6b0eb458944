"""What a result means for the hypothesis, and what that rests on.

Must not: reading what was counted, printing.
"""

from datetime import date
from typing import Any, NamedTuple

from devops_tasks.experiment.evidence import (
    Arm,
    Effect,
    Mean,
    Share,
    compare_always,
    compare_means,
    compare_shares,
    few_in_all,
    split_p_value,
)
from devops_tasks.readout.limits import Guarded, limits_of
from devops_tasks.spec import Spec

MISMATCH = 0.001
"""A split that chance brings about less often than this was not made as planned."""
_FEW = "there are too few units for a look: it takes ten of either kind in each arm, or thirty that vary for a mean"
_NO_TARGET = "the target is no change: it is where control is, or a part of a control that is 0"


class Look(NamedTuple):
    """When somebody looks, when it was planned, and whether it may be one look of many.

    ``earlier`` is the day of the last look that the log tells of, "" where it tells of none.
    """

    today: date
    planned: date | None
    earlier: str
    sequential: bool


class Readout(NamedTuple):
    """All that is told of a result.

    ``split`` is the p value of the arms' sizes, ``planned`` their planned ones; ``unread`` are the guardrails of which
    nothing was counted, and ``logged`` says what became of the log's entry.
    """

    folder: str
    unit: str
    look: Look
    control: Arm
    treatment: Arm
    effect: Effect
    confidence: float
    target: float | None
    split: float
    planned: tuple[int, int] | None
    guarded: tuple[Guarded, ...]
    unread: tuple[str, ...]
    verdict: str
    because: str
    logged: str = ""


def judge(
    bundle: tuple[str, Spec, dict[str, Any]], look: Look, arms: tuple[Arm, Arm], guarded: list[Guarded]
) -> Readout:
    """Judge two arms of one form against the target of a bundle: its folder, its spec and its planned sample."""
    folder, spec, sample = bundle
    control, treatment = arms
    significance = float(spec.experiment.significance.ratio)
    effect = _effect(arms, look, significance, sample)
    target = _target(spec, sample, control)
    split = split_p_value(control.units, treatment.units, float(spec.experiment.assignment.treatment.ratio))
    counted = {each.limit.name for each in guarded}
    unread = tuple(each.name for each in limits_of(spec) if each.name not in counted)
    verdict, because = _verdict(effect, target, _doubt(look, arms, split), guarded)
    if verdict == "validated" and unread:
        because += "; guardrails that were not counted may say otherwise"
    return Readout(
        folder=folder,
        unit=spec.experiment.assignment.unit,
        look=look,
        control=control,
        treatment=treatment,
        effect=effect,
        confidence=1 - significance,
        target=target,
        split=split,
        planned=(sample["control"], sample["treatment"]) if "control" in sample else None,
        guarded=tuple(guarded),
        unread=unread,
        verdict=verdict,
        because=because,
    )


def _effect(arms: tuple[Arm, Arm], look: Look, significance: float, sample: dict[str, Any]) -> Effect:
    control, treatment = arms
    if look.sequential:
        return compare_always(control, treatment, significance, sample["total"])
    if isinstance(control, Share) and isinstance(treatment, Share):
        return compare_shares(control, treatment, significance)
    assert isinstance(control, Mean) and isinstance(treatment, Mean)  # noqa: S101, PT018 - arms are of one form
    return compare_means(control, treatment, significance)


def _target(spec: Spec, sample: dict[str, Any], control: Arm) -> float | None:
    """Give the difference that the target asks for: of control, where it is relative, else as it was planned."""
    target = spec.experiment.primary_metric.target
    if target.kind == "relative":
        return control.level * float(target.value)
    return float(sample["difference"]) if "difference" in sample else float(target.value) - control.level


def _doubt(look: Look, arms: tuple[Arm, Arm], split: float) -> str:
    """Say why nothing can be concluded, whatever the interval is; "" where something can."""
    if split < MISMATCH:
        return "the arms were not split as planned, so that they differ in more than the version"
    return _FEW if _few(look, *arms) else ""


def _few(look: Look, control: Arm, treatment: Arm) -> bool:
    if look.sequential or not (isinstance(control, Share) and isinstance(treatment, Share)):
        return control.few or treatment.few
    return few_in_all(control, treatment)


def _verdict(effect: Effect, target: float | None, doubt: str, guarded: list[Guarded]) -> tuple[str, str]:
    """Say what the interval means for the hypothesis; every reason names what it rests on."""
    if doubt or not target:
        return "undecided", doubt or _NO_TARGET
    verdict, because = _of_interval(effect, target)
    broken = ", ".join(each.limit.name for each in guarded if each.broken)
    if verdict == "validated" and broken:
        return "undecided", f"the metric moved as expected, and what must not get worse did: {broken}"
    return verdict, because


def _of_interval(effect: Effect, target: float) -> tuple[str, str]:
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
    return "undecided", "the interval holds no change as well as the target: there are too few units to tell"
