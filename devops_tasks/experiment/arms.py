"""While an experiment runs: how far its arms differ, and how unlikely its split is, as the rules compute it.

Only bundles whose arms are watched load this. The tests of their rules compare what Prometheus computes with these
sums, and the simulations behind the documentation use them.
"""

from math import asin, log, sqrt

MIXING = 0.0001
"""The variance of the effects that the test on the split mixes over: shares about one point from the planned one."""


def difference_score(treatment: tuple[float, float], control: tuple[float, float], per_failure: float = 1) -> float:
    """Give the score of the difference between two shares, each as what failed of how many, by the arcsine.

    Its variance does not depend on the share, so it is defined without failures and right for unequal arms. Where one
    failure is ``per_failure`` requests, as many fewer are independent.
    """
    (failed, requests), (others_failed, others) = treatment, control
    angle = 2 * (asin(sqrt(failed / requests)) - asin(sqrt(others_failed / others)))
    return angle / sqrt(per_failure / requests + per_failure / others)


def standard_error(treatment: tuple[float, float], control: tuple[float, float], per_failure: float = 1) -> float:
    """Give the standard error of the difference between two shares."""
    spread = (failed / requests * (1 - failed / requests) / requests for failed, requests in (treatment, control))
    return sqrt(per_failure * sum(spread))


def split_log_likelihood(units: float, share: float, planned: float) -> float:
    """Give the logarithm of the mixture likelihood ratio against the planned share of units in treatment.

    It exceeds ``ln(1 / a)`` at any time of an experiment that is split as planned with a probability of at most ``a``,
    however often one looks (Robbins, 1970; Johari et al., *Always valid inference*, 2022). That holds exactly for
    halves, and for other shares as soon as their sum is nearly normal.
    """
    variance = planned * (1 - planned)
    spread = variance + MIXING * units
    return 0.5 * log(variance / spread) + MIXING * (units * (share - planned)) ** 2 / (2 * variance * spread)
