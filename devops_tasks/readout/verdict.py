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
    split_p_value,
)
from devops_tasks.readout.limits import Guarded, limits_of
from devops_tasks.spec import Spec

MISMATCH = 0.001
"""A split that chance brings about less often than this was not made as planned."""
_FEW = "there are too few units for a look: it takes ten of either kind in each arm, or thirty for a mean"


class Look(NamedTuple):
    """When somebody looks, when it was planned, and whether it may be one look of many."""

    today: date
    planned: date | None
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
    return Readout(
        folder,
        spec.experiment.assignment.unit,
        look,
        control,
        treatment,
        effect,
        1 - significance,
        target,
        split,
        (sample["control"], sample["treatment"]) if "control" in sample else None,
        tuple(guarded),
        tuple(each.name for each in limits_of(spec) if each.name not in counted),
        *_verdict(effect, target, _doubt(look, arms, split), guarded),
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
    return _FEW if look.sequential and any(arm.few for arm in arms) else ""


def _verdict(effect: Effect, target: float | None, doubt: str, guarded: list[Guarded]) -> tuple[str, str]:
    """Say what the interval means for the hypothesis; every reason names what it rests on."""
    if doubt or not target:
        return "undecided", doubt or "the target is no change"
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
