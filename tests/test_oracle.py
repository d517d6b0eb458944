"""The sums of the experiment against statsmodels, which computes them apart: `make oracle`, and not `make test`.

With what it needs it is 400 MB, hence an environment of its own (`tests/oracle.txt`). It is never skipped in silence:
`make test` deselects it by its mark, and where it is asked for without statsmodels it fails.
"""

from __future__ import annotations

from importlib import import_module
from random import Random
from typing import Any

import pytest

from devops_tasks.experiment import Means, Proportions, Trial, always_wider, power_at, units_needed, z_score
from devops_tasks.experiment.evidence import Mean, Share, compare_means, compare_shares, split_p_value

pytestmark = pytest.mark.oracle
_CHANCE = Random(20)  # noqa: S311 - chance that can be repeated, no secret
TRIALS = [
    Trial(_CHANCE.uniform(0.001, 0.1), _CHANCE.uniform(0.5, 0.99), _CHANCE.choice([0.1, 0.5, 1, 1, 3]))
    for _ in range(40)
]
SHARES = [Proportions(share := _CHANCE.uniform(0.002, 0.9), share * _CHANCE.uniform(1.02, 1.1)) for _ in TRIALS]


def module(name: str) -> Any:  # noqa: ANN401 - it has no types, and is installed for `make oracle` alone
    return import_module(name)


@pytest.mark.parametrize(("trial", "shares"), list(zip(TRIALS, SHARES, strict=True)))
def test_units_and_power_of_shares_are_statsmodels_s(trial: Trial, shares: Proportions) -> None:
    """Its ratio is that of the second sample to the first, and its first sample is the treated one."""
    proportion = module("statsmodels.stats.proportion")
    difference = shares.treatment - shares.control
    control, treatment = units_needed(shares, trial)
    theirs = proportion.samplesize_proportions_2indep_onetail(
        difference,
        shares.control,
        trial.power,
        ratio=1 / trial.ratio,
        alpha=trial.significance,
        alternative="two-sided",
    )
    assert treatment == pytest.approx(theirs, rel=1e-6)
    power = proportion.power_proportions_2indep(
        difference, shares.control, treatment, ratio=1 / trial.ratio, alpha=trial.significance
    ).power
    assert power_at(control, shares, trial) == pytest.approx(power, abs=1e-6)


@pytest.mark.parametrize("trial", [trial for trial in TRIALS if trial.power > 0.7])  # else the other tail counts
def test_units_and_power_of_means_are_statsmodels_s(trial: Trial) -> None:
    """With equal arms ours are corrected for the t distribution, which theirs solve."""
    power = module("statsmodels.stats.power")
    control, _ = units_needed(Means(10, 100), trial)
    asked = {"alpha": trial.significance, "ratio": trial.ratio}
    corrected = z_score(1 - trial.significance / 2) ** 2 / 4 if trial.ratio == 1 else 0.0
    theirs = power.NormalIndPower().power(0.1, control - corrected, **asked)
    assert power_at(control, Means(10, 100), trial) == pytest.approx(theirs, abs=1e-6)
    if trial.ratio == 1:
        exact = power.TTestIndPower().solve_power(0.1, power=trial.power, **asked)
        assert control == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("units", [60, 900, 50_000])
def test_results_are_statsmodels_s(units: int) -> None:
    proportion = module("statsmodels.stats.proportion")
    control, treatment = Share(units, units // 9), Share(units + 7, units // 7)
    ours = compare_shares(control, treatment, 0.05)
    theirs = proportion.confint_proportions_2indep(
        treatment.successes, treatment.units, control.successes, control.units, method="newcomb"
    )
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-9)
    counts = [treatment.successes, control.successes], [treatment.units, control.units]
    assert ours.p_value == pytest.approx(proportion.proportions_ztest(*counts)[1], abs=1e-9)
    means = Mean(units, 10, 3), Mean(units + 7, 10.2, 4)
    found = compare_means(*means, 0.05)
    stats = module("scipy.stats")
    error = (9 / units + 16 / (units + 7)) ** 0.5
    assert found.p_value == pytest.approx(2 * stats.norm.sf(0.2 / error), abs=1e-9)


@pytest.mark.parametrize(("control", "treatment", "share"), [(10000, 10200, 0.5), (9000, 1100, 0.1), (70, 31, 0.3)])
def test_the_split_is_scipy_s_chi_square(control: int, treatment: int, share: float) -> None:
    units = control + treatment
    theirs = module("scipy.stats").chisquare([control, treatment], [units * (1 - share), units * share]).pvalue
    assert split_p_value(control, treatment, share) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("alpha", [0.2, 0.1, 0.05, 0.01, 0.001])
def test_the_width_of_a_confidence_sequence_is_that_of_the_other_branch_of_lambert_s_w(alpha: float) -> None:
    numpy, special = module("numpy"), module("scipy.special")
    ripe = float(-special.lambertw(-alpha * alpha / numpy.e, -1).real - 1)
    reach = ((1 + 1 / ripe) * float(numpy.log((ripe + 1) / alpha**2))) ** 0.5
    assert always_wider(alpha) == pytest.approx(reach / float(module("scipy.stats").norm.ppf(1 - alpha / 2)), rel=1e-9)
