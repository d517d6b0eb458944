"""The sums of an experiment against numbers that others computed, and against what must hold of any numbers."""

from __future__ import annotations

from fractions import Fraction
from math import comb, inf
from statistics import NormalDist

import pytest
from hypothesis import given, settings, strategies as st

from devops_tasks.experiment import (
    Means,
    Proportions,
    Trial,
    chances,
    days_needed,
    detectable_delta,
    detectable_share,
    power_at,
    requests_needed,
    units_needed,
    whole_weeks,
    z_score,
)
from devops_tasks.experiment.guardrails import at_most

USUAL = Trial(0.05, 0.8)

# From statsmodels 0.15 with scipy 1.17: `samplesize_proportions_2indep_onetail(..., alternative="two-sided")`, whose
# ratio is that of the second arm to the first and whose first arm is the treated one, `NormalIndPower.solve_power` and
# `power_proportions_2indep`. docs/explanation/experiment.md says how to compute them again.
SIZES = [
    pytest.param(Proportions(0.10, 0.12), USUAL, (3840.847, 3840.847), id="10 to 12 %"),
    pytest.param(Proportions(0.05, 0.055), USUAL, (31233.438, 31233.438), id="5 to 5.5 %"),
    pytest.param(Proportions(0.22, 0.231), USUAL, (22656.753, 22656.753), id="22 to 23.1 %"),
    pytest.param(Proportions(0.08, 0.072), USUAL, (17223.188, 17223.188), id="8 down to 7.2 %"),
    pytest.param(Proportions(0.20, 0.24), Trial(0.05, 0.9), (2251.764, 2251.764), id="power 90 %"),
    pytest.param(Proportions(0.10, 0.12), Trial(0.01, 0.95), (8716.562, 8716.562), id="significance 1 %"),
    pytest.param(Proportions(0.001, 0.0012), USUAL, (431212.349, 431212.349), id="a rare event"),
    pytest.param(Proportions(0.10, 0.12), Trial(0.05, 0.8, 1 / 9), (18690.347, 2076.705), id="a tenth is treated"),
    pytest.param(Proportions(0.50, 0.52), Trial(0.05, 0.8, 2), (7353.485, 14706.970), id="two thirds are treated"),
    pytest.param(Means(10, 100), USUAL, (1570.736, 1570.736), id="a mean, by the t distribution"),
]


@pytest.mark.parametrize(("effect", "trial", "units"), SIZES)
def test_units_are_those_that_statsmodels_gives(
    effect: Proportions | Means, trial: Trial, units: tuple[float, float]
) -> None:
    assert units_needed(effect, trial) == pytest.approx(units, abs=0.0006)


def test_a_mean_without_the_t_correction_is_the_textbook_s() -> None:
    correction = NormalDist().inv_cdf(0.975) ** 2 / 4
    assert units_needed(Means(10, 100), USUAL)[0] - correction == pytest.approx(1569.776, abs=0.0006)


@pytest.mark.parametrize(
    ("units", "shares", "power"),
    [(3841, Proportions(0.10, 0.12), 0.800017), (12400, Proportions(0.22, 0.231), 0.544851)],
    ids=["enough", "a published plan with half of what it needs"],
)
def test_power_is_what_statsmodels_gives(units: int, shares: Proportions, power: float) -> None:
    assert power_at(units, shares, USUAL) == pytest.approx(power, abs=1e-6)


@pytest.mark.parametrize("chance", [1e-12, 1e-6, 0.001, 0.025, 0.2, 0.4999, 0.5, 0.5001, 0.8, 0.975, 0.999, 1 - 1e-9])
def test_the_normal_distribution_is_that_of_the_standard_library(chance: float) -> None:
    assert z_score(chance) == pytest.approx(NormalDist().inv_cdf(chance), abs=2e-15, rel=2e-15)


@pytest.mark.parametrize("chance", [0.0, 1.0, -0.1, 1.1])
def test_a_certain_chance_has_no_score(chance: float) -> None:
    with pytest.raises(ValueError, match="no chance between 0 and 1"):
        z_score(chance)


@pytest.mark.parametrize(
    ("effect", "reason"),
    [
        (Proportions(0.1, 0.1), "no effect"),
        (Means(0, 10), "no effect"),
        (Proportions(0, 0.1), "no share"),
        (Proportions(0.1, 1), "no share"),
    ],
    ids=["the same share", "the same mean", "nobody", "everybody"],
)
def test_what_has_no_effect_has_no_size(effect: Proportions | Means, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        units_needed(effect, USUAL)


SHARES = st.floats(0.01, 0.99)
RATIOS = st.sampled_from([1.0, 1 / 9, 0.25, 0.5, 2.0, 9.0])
TRIALS = st.builds(Trial, st.floats(0.001, 0.2), st.floats(0.5, 0.99), RATIOS)
EFFECTS = st.builds(Proportions, SHARES, SHARES).filter(lambda shares: abs(shares.control - shares.treatment) > 0.001)
CHANGES = st.builds(Means, st.floats(0.1, 100), st.floats(1, 1000))


@given(EFFECTS | CHANGES, TRIALS)
def test_the_units_have_the_power_that_is_asked(effect: Proportions | Means, trial: Trial) -> None:
    assert power_at(units_needed(effect, trial)[0], effect, trial) >= trial.power - 1e-9


@given(SHARES, st.floats(0.001, 0.4), st.floats(1.01, 3), TRIALS)
def test_a_larger_effect_needs_fewer_units(control: float, effect: float, times: float, trial: Trial) -> None:
    sign = -1 if control > 0.5 else 1
    near, far = control + sign * effect / 3, control + sign * effect * times / 3
    if 0 < far < 1 and abs(far - 0.5) < abs(control - 0.5):  # towards the middle; away from it shares vary less as well
        small, large = (sum(units_needed(Proportions(control, share), trial)) for share in (near, far))
        assert large < small
    halved, whole = (units_needed(Means(size, 10), trial)[0] for size in (effect, effect * times))
    assert whole < halved


@given(SHARES, st.floats(0.001, 0.009), st.sampled_from([0.05, 0.2, 0.35, 0.65, 0.8, 0.95]), st.floats(50, 1e6))
def test_no_split_needs_fewer_days_than_a_half(control: float, effect: float, treatment: float, per_day: float) -> None:
    """Small effects: for a large one, the arm whose share varies more deserves more units."""
    shares = Proportions(control, control + (effect if control < 0.5 else -effect))
    ratio = treatment / (1 - treatment)
    skewed = days_needed(units_needed(shares, Trial(0.05, 0.8, ratio)), per_day, treatment)
    assert days_needed(units_needed(shares, USUAL), per_day, 0.5) < skewed


@given(SHARES, SHARES, TRIALS, st.floats(100, 1e6))
def test_the_share_that_can_be_found_is_found_and_a_nearer_one_is_not(
    control: float, treatment: float, trial: Trial, units: float
) -> None:
    shares = Proportions(control, treatment)
    found = detectable_share(units, shares, trial)
    end = 1.0 if treatment > control else 0.0
    if found is None:
        assert power_at(units, Proportions(control, end + (control - end) * 1e-9), trial) < trial.power
        return
    assert (found > control) == (treatment > control)
    assert power_at(units, Proportions(control, found), trial) >= trial.power
    nearer = control + (found - control) * 0.99
    assert power_at(units, Proportions(control, nearer), trial) < trial.power


def test_a_handful_of_units_can_find_nothing() -> None:
    assert detectable_share(2, Proportions(0.5, 0.6), USUAL) is None
    assert detectable_delta(0.5, 10, USUAL) == inf


@given(CHANGES, TRIALS)
def test_the_change_that_can_be_found_is_the_one_that_needs_the_units(change: Means, trial: Trial) -> None:
    units = units_needed(change, trial)[0]
    assert detectable_delta(units, change.deviation, trial) == pytest.approx(change.delta, rel=1e-9)


@pytest.mark.parametrize(
    ("units", "per_day", "treatment", "days"),
    [((3841, 3841), 4000, 0.5, 1.9205), ((18691, 2077), 1000, 0.1, 20.77), ((900, 100), 100, 0.5, 18.0)],
    ids=["even", "the treated arm is the last", "control is the last"],
)
def test_days_are_those_of_the_arm_that_takes_longer(
    units: tuple[float, float], per_day: float, treatment: float, days: float
) -> None:
    assert days_needed(units, per_day, treatment) == pytest.approx(days)


@pytest.mark.parametrize(("days", "weeks"), [(0.1, 7), (7, 7), (7.01, 14), (20.77, 21)])
def test_a_week_that_is_begun_is_a_whole_one(days: float, weeks: int) -> None:
    assert whole_weeks(days) == weeks


@pytest.mark.parametrize(
    ("requests", "false_alarm", "missed"),
    [(150, 0.065, 0.34), (30, 0.26, 0.40), (1500, 0.0002, 0.011)],
    ids=["10 % of 5 a second in 5 minutes", "in one minute", "10 % of 50 a second"],
)
def test_a_window_of_a_guardrail_of_2_percent_errs_so_often(requests: int, false_alarm: float, missed: float) -> None:
    """Healthy at 1 %, bad at 3 %."""
    found = chances(requests, 0.02, bad=1.5)
    assert found.false_alarm == pytest.approx(false_alarm, rel=0.1)
    assert found.missed == pytest.approx(missed, rel=0.04)


def exactly_at_most(most: int, trials: int, chance: Fraction) -> Fraction:
    return sum(
        (comb(trials, count) * chance**count * (1 - chance) ** (trials - count) for count in range(most + 1)),
        Fraction(),
    )


@settings(max_examples=40)
@given(st.integers(1, 300), st.integers(-1, 301), st.integers(1, 99))
def test_the_binomial_distribution_is_exact(trials: int, most: int, percent: int) -> None:
    exact = exactly_at_most(min(most, trials), trials, Fraction(percent, 100))
    assert at_most(most, trials, percent / 100) == pytest.approx(float(exact), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("most", [5_000_000, 15_000_000], ids=["far below the mean", "far above it"])
def test_a_tail_of_a_billion_requests_is_not_summed(most: int) -> None:
    assert at_most(most, 1_000_000_000, 0.01) == float(most > 10_000_000)


def test_what_is_accepted_is_never_less_than_the_events_that_the_rule_asks_for() -> None:
    """One bad request of 20 is 5 %: a rule that wants five of them does not fire on it."""
    assert chances(20, 0.02).false_alarm == pytest.approx(1 - 0.99**20)
    assert chances(20, 0.02, least=5).false_alarm < 1e-5


@pytest.mark.parametrize(("threshold", "requests"), [(0.02, 600), (0.01, 1200)], ids=["2 %", "1 %"])
def test_a_guardrail_needs_so_many_requests(threshold: float, requests: int) -> None:
    assert requests_needed(threshold) == requests
    assert chances(requests, threshold).sees


@pytest.mark.parametrize("threshold", [0.0001, 0.003, 0.05, 0.17, 0.49, 0.8])
def test_fewer_requests_by_one_step_are_too_few(threshold: float) -> None:
    needed = requests_needed(threshold, 5)
    assert chances(needed, threshold, 5).sees
    assert not chances(needed - round(1 / threshold), threshold, 5).sees


@pytest.mark.parametrize("threshold", [0.0, 1.0], ids=["nothing", "everything"])
def test_a_threshold_that_no_share_exceeds_is_none(threshold: float) -> None:
    with pytest.raises(ValueError, match="no threshold"):
        requests_needed(threshold)


def test_false_alarms_come_at_the_rate_that_is_computed() -> None:
    """A simulation without chance: every outcome of 12 requests, weighed."""
    bad = sum(
        0.1 ** bits.bit_count() * 0.9 ** (12 - bits.bit_count()) for bits in range(2**12) if bits.bit_count() / 12 > 0.2
    )
    assert chances(12, 0.2).false_alarm == pytest.approx(bad)
