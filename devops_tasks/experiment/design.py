"""Before the experiment: units for each arm, days, power, and the least effect that some days would show.

Two-sided throughout: a metric that moves the wrong way is found as well. ``ratio`` is units in treatment for each in
control. The shares are compared with the variance pooled under the null hypothesis, as in Fleiss, Levin and Paik,
*Statistical Methods for Rates and Proportions*, 3rd edition, chapter 4, without the correction for continuity.
"""

from functools import lru_cache
from math import ceil, erfc, exp, inf, log, pi, sqrt
from typing import NamedTuple

_HALF_STEPS = 60
"""Halvings of an interval: the last is smaller than a float can tell."""
_WEEK = 7
_FULL = 1e-16


class Trial(NamedTuple):
    """How a trial is run: false alarms accepted, true effects to be found, treated units for each one in control."""

    significance: float
    power: float
    ratio: float = 1.0


class Proportions(NamedTuple):
    """A share of units in control, and the one that treatment shall have."""

    control: float
    treatment: float


class Means(NamedTuple):
    """By how much a mean shall move, and the standard deviation of one unit."""

    delta: float
    deviation: float


@lru_cache(maxsize=64)
def z_score(chance: float) -> float:
    """Give the point below which a standard normal variable stays with a chance between 0 and 1.

    Newton's method in the lower tail, from 0: the distribution is convex there, so each step stops short of the root.
    """
    if not 0 < chance < 1:
        raise ValueError(f"no chance between 0 and 1: {chance}")
    tail, point = min(chance, 1 - chance), 0.0
    while True:
        step = (_below(point) - tail) / (exp(-point * point / 2) / sqrt(2 * pi))
        if abs(step) <= _FULL * max(1, -point) * 8:
            return point if chance < 1 / 2 else -point
        point -= step


def _below(point: float) -> float:
    return erfc(-point / sqrt(2)) / 2


def units_needed(effect: Proportions | Means, trial: Trial) -> tuple[float, float]:
    """Give the units that control and treatment need, as exact as a float is; raise ``ValueError`` without an effect.

    Proportions: (z(1-a/2) sqrt(q(1-q)(1+1/r)) + z(power) sqrt(p1(1-p1) + p2(1-p2)/r))^2 / (p2-p1)^2 in control, with
    the pooled share q = (p1 + r p2)/(1 + r). Means: (z(1-a/2) + z(power))^2 (1 + 1/r) (sd/delta)^2; with equal arms
    z(1-a/2)^2/4 more, since the deviation is estimated too (Guenther, *The American Statistician* 35, 1981).
    """
    alpha, beta = z_score(1 - trial.significance / 2), z_score(trial.power)
    null, alternative, size = _spread(effect, trial.ratio)
    if not size or alpha * null + beta * alternative <= 0:
        raise ValueError("no effect to be found")
    correction = alpha * alpha / 4 if isinstance(effect, Means) and trial.ratio == 1 else 0.0
    control = ((alpha * null + beta * alternative) / size) ** 2 + correction
    return control, control * trial.ratio


def _spread(effect: Proportions | Means, ratio: float) -> tuple[float, float, float]:
    """Give the root of the variance of one unit's difference without and with the effect, and the effect's size."""
    if isinstance(effect, Means):
        root = effect.deviation * sqrt(1 + 1 / ratio)
        return root, root, abs(effect.delta)
    one, other = effect
    if not (0 < one < 1 and 0 < other < 1):
        raise ValueError(f"no share between 0 and 1: {one}, {other}")
    pooled = (one + ratio * other) / (1 + ratio)
    null = sqrt(pooled * (1 - pooled) * (1 + 1 / ratio))
    return null, sqrt(one * (1 - one) + other * (1 - other) / ratio), abs(other - one)


def power_at(control: float, effect: Proportions | Means, trial: Trial) -> float:
    """Give the chance that an effect is found, on either side, with so many units in control.

    It is :func:`units_needed` the other way, which leaves out the tail on the wrong side: some millionths.
    """
    null, alternative, size = _spread(effect, trial.ratio)
    alpha = z_score(1 - trial.significance / 2)
    if isinstance(effect, Means) and trial.ratio == 1:
        control = max(control - alpha * alpha / 4, 0)
    drift = size * sqrt(control)
    return _below((drift - alpha * null) / alternative) + _below((-drift - alpha * null) / alternative)


def days_needed(units: tuple[float, float], per_day: float, treatment: float) -> float:
    """Give the days until both arms have their units: so many new ones come a day, of which a share is treated."""
    control, treated = units
    return max(control / (per_day * (1 - treatment)), treated / (per_day * treatment))


def whole_weeks(days: float) -> int:
    """Give the days of the whole weeks that so many days begin: people are others on Sundays than on Mondays."""
    return ceil(days / _WEEK) * _WEEK


def detectable_delta(control: float, deviation: float, trial: Trial) -> float:
    """Give the least change of a mean that so many units in control show with the power that is asked."""
    alpha, beta = z_score(1 - trial.significance / 2), z_score(trial.power)
    if trial.ratio == 1:
        control -= alpha * alpha / 4
    return (alpha + beta) * deviation * sqrt((1 + 1 / trial.ratio) / control) if control > 0 else inf


def detectable_share(control: float, effect: Proportions, trial: Trial) -> float | None:
    """Give the share nearest to control's, on the target's side, that is found with the power that is asked.

    None where even the last share on that side would be missed.
    """
    start, end = effect.control, 1.0 if effect.treatment > effect.control else 0.0
    near, far = start, end + (start - end) * 1e-9
    if power_at(control, Proportions(start, far), trial) < trial.power:
        return None
    for _ in range(_HALF_STEPS):
        middle = (near + far) / 2
        enough = power_at(control, Proportions(start, middle), trial) >= trial.power
        near, far = (near, middle) if enough else (middle, far)
    return far


def always_wider(significance: float) -> float:
    """Give how many times as wide as the interval of one look that of every look is, at the planned size."""
    ripe = ripeness(significance)
    return sqrt((1 + 1 / ripe) * log((ripe + 1) / significance**2)) / z_score(1 - significance / 2)


@lru_cache(maxsize=64)
def ripeness(significance: float) -> float:
    """Give the n rho^2 that makes the interval narrowest at n, where its derivative is 0: x = log((x + 1)/alpha^2)."""
    ripe = 1.0
    for _ in range(_HALF_STEPS):
        ripe = log((ripe + 1) / significance**2)
    return ripe
