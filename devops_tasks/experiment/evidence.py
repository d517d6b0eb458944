"""After the experiment: what was observed of two arms, and whether the units were split as planned.

The differences are treatment less control. Only ``readout`` loads this.
"""

from math import erfc, exp, inf, log, sqrt
from typing import NamedTuple

from devops_tasks.experiment.design import ripeness, z_score

_LEAST_EVENTS, _LEAST_UNITS = 10, 30


class Share(NamedTuple):
    """The units of an arm, and how many of them did what is counted."""

    units: int
    successes: int

    @property
    def level(self) -> float:
        """The share of successes."""
        return self.successes / self.units

    @property
    def variance(self) -> float:
        """How far the share is from the true one, squared."""
        return self.level * (1 - self.level) / self.units

    @property
    def few(self) -> bool:
        """Whether there are too few of either kind for the normal distribution."""
        return min(self.successes, self.units - self.successes) < _LEAST_EVENTS


class Mean(NamedTuple):
    """The units of an arm, their mean, and the standard deviation of one."""

    units: int
    level: float
    deviation: float

    @property
    def variance(self) -> float:
        """How far the mean is from the true one, squared."""
        return self.deviation**2 / self.units

    @property
    def few(self) -> bool:
        """Whether there are too few units for the normal distribution, or none that vary."""
        return self.units < _LEAST_UNITS or not self.deviation


Arm = Share | Mean


def few_in_all(control: Share, treatment: Share) -> bool:
    """Say whether there are too few units for one look at two shares: of either kind as many as are expected in an arm.

    What one arm is expected to have is what both together have: an arm without a success may well differ.
    """
    successes, units = control.successes + treatment.successes, control.units + treatment.units
    return min(control.units, treatment.units) * min(successes, units - successes) < _LEAST_EVENTS * units


class Effect(NamedTuple):
    """A difference with the interval that holds the true one with the confidence that was asked, and its p value."""

    difference: float
    low: float
    high: float
    p_value: float


def compare_shares(control: Share, treatment: Share, significance: float) -> Effect:
    """Compare two shares: the pooled z test, and Newcombe's interval from Wilson's (method 10).

    Source: R. G. Newcombe, *Interval estimation for the difference between independent proportions*, Statistics in
    Medicine 17 (1998), 873-890.
    """
    difference = treatment.level - control.level
    pooled = (control.successes + treatment.successes) / (control.units + treatment.units)
    error = sqrt(pooled * (1 - pooled) * (1 / control.units + 1 / treatment.units))
    (low, high), (least, most) = (_wilson(each, z_score(1 - significance / 2)) for each in (treatment, control))
    return Effect(
        difference,
        max(difference - sqrt((treatment.level - low) ** 2 + (most - control.level) ** 2), -1.0),
        min(difference + sqrt((high - treatment.level) ** 2 + (control.level - least) ** 2), 1.0),
        _two_sided(difference, error),
    )


def _wilson(arm: Share, score: float) -> tuple[float, float]:
    share, units, square = arm.level, arm.units, score * score
    middle = (share + square / (2 * units)) / (1 + square / units)
    reach = score * sqrt(share * (1 - share) / units + square / (4 * units * units)) / (1 + square / units)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def compare_means(control: Mean, treatment: Mean, significance: float) -> Effect:
    """Compare two means whose deviations may differ (Welch), by the normal distribution: for some 30 units or more."""
    difference = treatment.level - control.level
    error = sqrt(control.variance + treatment.variance)
    reach = z_score(1 - significance / 2) * error
    return Effect(difference, difference - reach, difference + reach, _two_sided(difference, error))


def compare_always(control: Arm, treatment: Arm, significance: float, planned: int) -> Effect:
    """Compare two arms of one form so that every look holds, however many there are: an asymptotic confidence sequence.

    The interval is narrowest about the planned number of units, of both arms together. Source: I. Waudby-Smith,
    D. Arbour, R. Sinha, E. H. Kennedy and A. Ramdas, *Time-uniform central limit theory and asymptotic confidence
    sequences* (2021; The Annals of Statistics 52, 2024), theorem 2.2, for the difference of two means. With the error
    E of that difference and x = n rho^2 it reaches E sqrt((x + 1)/x log((x + 1)/alpha^2)); the p value is the least
    alpha whose interval leaves out no change.
    """
    difference = treatment.level - control.level
    square = control.variance + treatment.variance
    ripe = (control.units + treatment.units) / planned * ripeness(significance)
    reach = sqrt(square * (1 + 1 / ripe) * log((ripe + 1) / significance**2))
    chance = sqrt((ripe + 1) * exp(-(difference**2) / square * ripe / (ripe + 1))) if square else float(not difference)
    most = 1.0 if isinstance(control, Share) else inf
    low, high = max(difference - reach, -most), min(difference + reach, most)
    return Effect(difference, low, high, min(chance, 1.0))


def _two_sided(difference: float, error: float) -> float:
    if not error:
        return float(not difference)
    return erfc(abs(difference) / error / sqrt(2))


def split_p_value(control: int, treatment: int, share: float) -> float:
    """Give the chance of a split at least as far from the planned one: chi-square with one degree of freedom."""
    units = control + treatment
    planned = units * share
    square = (treatment - planned) ** 2 / planned + (control - (units - planned)) ** 2 / (units - planned)
    return erfc(sqrt(square / 2))
