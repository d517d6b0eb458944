"""How large and how long the experiment is, in the notation of the document, and the curve of its power.

Lives here: rounding, always to the safe side (more units, more days, less power), and the drawing's coordinates.
Must not: the sums themselves (``experiment``). Loaded only for specs that have the numbers.
"""

from datetime import date, timedelta
from decimal import ROUND_FLOOR, ROUND_UP, Context, Decimal
from itertools import chain, count
from math import ceil
from typing import Any, NamedTuple

from devops_tasks.experiment import (
    Means,
    Proportions,
    Trial,
    always_wider,
    days_needed,
    detectable_delta,
    detectable_share,
    power_at,
    units_needed,
    whole_weeks,
)
from devops_tasks.spec import Experiment, PrimaryMetric, Spec
from devops_tasks.units import Number, Share, Target, plain

Row = dict[str, Any]
_TENTH = Decimal("0.001")
"""A tenth of a percent."""
_HUNDREDTH = Decimal("0.01")
_DIGITS = 3
_USUAL, _PEEKING = 0.05, "22%"
"""How often fourteen daily looks find an effect that is none, as tests/test_readout.py simulates it."""
_FORMULAS = {
    "proportion": "two proportions, two-sided, with the variance pooled under the null hypothesis",
    "mean": "two means, two-sided, by the normal distribution; with equal arms corrected for the t distribution",
}


class Goal(NamedTuple):
    """Where the metric is and where it shall go, exactly; ``percent`` where both are shares of a whole."""

    start: Decimal
    end: Decimal
    percent: bool
    deviation: Decimal = Decimal(0)

    @property
    def effect(self) -> Proportions | Means:
        """As the sums take it."""
        if self.percent:
            return Proportions(float(self.start), float(self.end))
        return Means(float(self.end - self.start), float(self.deviation))

    def text(self, value: Decimal) -> str:
        """Print a value of the metric."""
        return Share(value).text if self.percent else plain(value)

    def size(self, change: Decimal) -> str:
        """Print the size of a change."""
        return f"{plain(abs(change) * 100)} percentage points" if self.percent else plain(abs(change))


class Run(NamedTuple):
    """The trial with its traffic."""

    goal: Goal
    trial: Trial
    per_day: int
    treatment: float

    def control(self, days: int) -> float:
        """Give the units that control has after so many days."""
        return self.per_day * days * (1 - self.treatment)

    def power(self, days: int) -> float:
        """Give the power after so many days."""
        return power_at(self.control(days), self.goal.effect, self.trial)


def plan_sample(spec: Spec) -> Row:
    """Plan the size and the length of an experiment whose metric has all its numbers; say why where it has no size."""
    experiment = spec.experiment
    goal = find_goal(experiment.primary_metric)
    if isinstance(goal, str):
        return {"obstacle": goal}
    treatment = float(experiment.assignment.treatment.ratio)
    trial = Trial(float(experiment.significance.ratio), float(experiment.power.ratio), treatment / (1 - treatment))
    units = units_needed(goal.effect, trial)
    run = Run(goal, trial, experiment.eligible_per_day, treatment) if experiment.eligible_per_day else None
    return {
        "obstacle": None,
        "from": goal.text(goal.start),
        "to": goal.text(goal.end),
        "change": goal.size(goal.end - goal.start),
        "difference": plain(goal.end - goal.start),
        "relative": _relative(experiment.primary_metric.target, goal),
        "control": ceil(units[0]),
        "treatment": ceil(units[1]),
        "total": ceil(units[0]) + ceil(units[1]),
        "formula": _FORMULAS["proportion" if goal.percent else "mean"],
        "percent": goal.percent,
        "time": _time(spec, run, units) if run else None,
        "peeking": _PEEKING if trial.significance == _USUAL else None,
        "wider": plain(Decimal(always_wider(trial.significance)).quantize(_HUNDREDTH, ROUND_UP)),
        "several": _several(experiment),
    }


def find_goal(metric: PrimaryMetric) -> Goal | str:
    """Read where a metric is and where it shall go; a sentence where the two make no sum."""
    baseline, target = metric.baseline, metric.target
    if metric.kind != "proportion":
        if not isinstance(baseline, Number) or target.kind == "absolute":
            return f"the metric is a {metric.kind}, so baseline and target are numbers in the unit of its deviation"
        deviation = metric.standard_deviation.value if metric.standard_deviation else Decimal(0)
        if not deviation:
            return "the standard deviation is 0: a metric that never varies needs no experiment"
        return _moved(Goal(baseline.value, _end(baseline.value, target), percent=False, deviation=deviation))
    start = baseline.ratio if isinstance(baseline, Share) else baseline.value if isinstance(baseline, Number) else None
    if start is None or not 0 < start < 1:
        return "the metric is a proportion, and its baseline is no share between 0% and 100%"
    end = _end(start, target)
    if not 0 < end < 1:
        return "the metric is a proportion, and its target is no share between 0% and 100%"
    return _moved(Goal(start, end, percent=True))


def _moved(goal: Goal) -> Goal | str:
    return goal if goal.start != goal.end else "the target is where the metric is already"


def _end(start: Decimal, target: Target) -> Decimal:
    return start * (1 + target.value) if target.kind == "relative" else target.value


def _relative(target: Target, goal: Goal) -> str | None:
    """Print the change as a part of the baseline: exactly as it was written, or to a tenth of a percent."""
    if target.kind == "relative":
        return target.text
    if not goal.start:
        return None
    part = (goal.end - goal.start) / goal.start
    return Target("relative", part.quantize(_TENTH)).text if abs(part) < 10**6 else None


def _several(experiment: Experiment) -> Row | None:
    """Say what significance is left for each metric, where the leading indicators are to decide as well."""
    count = 1 + len(experiment.leading_indicators)
    if count == 1:
        return None
    each = Context(prec=_DIGITS, rounding=ROUND_FLOOR).divide(experiment.significance.ratio, Decimal(count))
    return {"count": count, "significance": Share(each).text}


def _time(spec: Spec, run: Run, units: tuple[float, float]) -> Row:
    exact = days_needed(units, run.per_day, run.treatment)
    days = whole_weeks(exact)
    sprint = _sprint_days(spec)
    return {
        "least": _days(ceil(exact)),
        "least_length": ceil(exact),
        "days": _days(days),
        "length": days,
        "analysis": _analysis(spec.sprint.starts, days),
        "sprint": _sprint(run, sprint, days) if sprint else None,
        "curve": _curve(run, ceil(exact), sprint),
    }


def _days(count: int) -> str:
    return f"{count} day" + ("" if count == 1 else "s")


def _sprint_days(spec: Spec) -> int | None:
    starts, ends = spec.sprint.starts, spec.sprint.ends
    return (ends - starts).days + 1 if starts and ends else None


def _analysis(starts: date | None, days: int) -> str | None:
    """Give the day after the last one; None where nobody knows the first, or the calendar ends before."""
    if starts is None or days > (date.max - starts).days:
        return None
    return (starts + timedelta(days)).isoformat()


def _sprint(run: Run, sprint: int, days: int) -> Row:
    enough = days <= sprint
    return {
        "days": _days(sprint),
        "enough": enough,
        "power": None if enough else _floor(run.power(sprint)),
        "detectable": None if enough else _detectable(run, sprint),
    }


def _floor(power: float) -> str:
    return Share(Decimal(power).quantize(_TENTH, ROUND_FLOOR)).text


def _detectable(run: Run, days: int) -> Row | None:
    """Print the least change that so many days find with the power that is asked; None where there is none."""
    goal, control = run.goal, run.control(days)
    effect = goal.effect
    if isinstance(effect, Means):
        change = detectable_delta(control, effect.deviation, run.trial)
    else:
        found = detectable_share(control, effect, run.trial)
        change = abs(found - effect.control) if found is not None else float("inf")
    if change == float("inf"):
        return None
    exact = Context(prec=_DIGITS, rounding=ROUND_UP).create_decimal_from_float(change)
    end = goal.start + (exact if goal.end > goal.start else -exact)
    return {"change": goal.size(exact), "to": goal.text(end)} if not goal.percent or 0 < end < 1 else None


_WIDTH, _HEIGHT, _LEFT, _TOP = 560, 240, 56, 24
_MOST_POINTS = 56
_MOST_TICKS = 8


def _curve(run: Run, least: int, sprint: int | None) -> Row:
    """Plan the drawing: its line, its ticks, and where the asked power, the days needed and the sprint's end lie."""
    last = whole_weeks(max(2 * least, sprint or 0))
    step = ceil(last / _MOST_POINTS)
    days = [*range(0, last, step), last]
    tick = next(each for each in chain((1, 2), (7 * 2**doubled for doubled in count())) if last / each <= _MOST_TICKS)
    return {
        "line": " ".join(f"{_x(day, last)},{_y(run.power(day))}" for day in days),
        "asked": _y(run.trial.power),
        "days": [{"at": _x(day, last), "name": day} for day in range(0, last + 1, tick)],
        "powers": [{"at": _y(tenths / 10), "name": f"{tenths * 10}%"} for tenths in range(0, 11, 2)],
        "least": _x(least, last),
        "sprint": _x(sprint, last) if sprint else None,
        "from": _LEFT,
        "to": _LEFT + _WIDTH,
        "top": _TOP,
        "bottom": _TOP + _HEIGHT,
    }


def _x(day: int, last: int) -> int:
    return _LEFT + round(_WIDTH * day / last)


def _y(power: float) -> int:
    return _TOP + round(_HEIGHT * (1 - power))
