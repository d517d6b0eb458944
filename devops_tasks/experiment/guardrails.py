"""What a guardrail on a share of requests sees: how often it errs, and how many requests it needs not to.

The requests of a window are taken as independent, each bad with the same chance, so that the bad ones are binomial.
"""

from functools import lru_cache
from math import ceil, exp, floor, lgamma, log, log1p, sqrt
from typing import NamedTuple

HEALTHY, BAD = 0.5, 2.0
"""A healthy release is half as bad as the threshold allows, a bad one twice as bad."""
FALSE_ALARM, MISSED = 0.01, 0.05
"""A guardrail sees when it errs less often than this."""
_CERTAIN = 12.0
"""So many deviations from the mean, a tail is smaller than anything that is printed."""
_SLIP = 1e-9


class Chances(NamedTuple):
    """How often one look at a full window errs."""

    false_alarm: float
    missed: float

    @property
    def sees(self) -> bool:
        """Say whether it errs seldom enough to be relied on."""
        return self.false_alarm < FALSE_ALARM and self.missed < MISSED


def chances(requests: int, threshold: float, least: int = 0, healthy: float = HEALTHY, bad: float = BAD) -> Chances:
    """Judge *more than the threshold, and no fewer bad ones than ``least``* over so many requests.

    ``healthy`` and ``bad`` are what such a release does, in thresholds.
    """
    most = max(floor(requests * threshold + _SLIP), least - 1)
    return Chances(1 - at_most(most, requests, threshold * healthy), at_most(most, requests, min(threshold * bad, 1.0)))


def ended(false_alarm: float, wait: float, windows: float) -> float:
    """Give the chance that a criterion ends something healthy within so many windows, of which it waits for ``wait``.

    It must hold over 1 + ``wait`` windows, which may begin anywhere: as if they began twice in each window. A wait of
    less than a window looks at much the same requests again, so that its square counts, which is on the safe side. An
    approximation, which simulations hold.
    """
    once: float = false_alarm ** (1 + min(wait, wait * wait))
    many: float = (1 - once) ** (2 * windows)
    return 1 - many


def at_most(most: int, trials: int, chance: float) -> float:
    """Give the chance of at most so many successes in independent trials: the binomial distribution."""
    if most >= trials or chance <= 0:
        return 1.0
    if most < 0 or chance >= 1:
        return 0.0
    mean, deviation = trials * chance, sqrt(trials * chance * (1 - chance))
    if abs(most - mean) > _CERTAIN * deviation + 1:
        return 1.0 if most > mean else 0.0
    return min(sum(_terms(most, trials, chance)), 1.0)


def _terms(most: int, trials: int, chance: float) -> list[float]:
    """Give the chances of each number of successes down from the most, until they no longer count."""
    odds = (1 - chance) / chance
    term = exp(
        lgamma(trials + 1) - lgamma(most + 1) - lgamma(trials - most + 1)
        + most * log(chance) + (trials - most) * log1p(-chance)
    )  # fmt: skip
    terms, peak = [term], term
    for count in range(most, 0, -1):
        term *= odds * count / (trials - count + 1)
        terms.append(term)
        peak = max(peak, term)
        if term < peak * 1e-18:
            break
    return terms


@lru_cache(maxsize=64)
def requests_needed(threshold: float, least: int = 0) -> int:
    """Give the requests from which on a window sees; raise ``ValueError`` for a threshold that none exceed.

    It is a multiple of 1/threshold, where one more bad request is accepted. Up to the next multiple false alarms rise
    again, to about twice as many at the most.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"no threshold between 0 and 1: {threshold}")
    accepted = max(least - 1, 1)
    while not chances(requests := ceil(accepted / threshold - _SLIP), threshold, least).sees:
        accepted += 1
    return requests
