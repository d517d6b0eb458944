"""The experiment's result: what was counted, what it means for the hypothesis, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, strategies as st

from devops_tasks.experiment.evidence import Mean, Share, compare_means, compare_shares, split_p_value
from tests.command import Done, devops_tasks
from tests.tools import ROOT

DAY = "2026-12-08"


def planned(folder: Path, *assignments: str) -> Path:
    """Make a bundle whose plan is 10% to 12%, half of the users, 7 days from the first of December."""
    options = [part for each in assignments for part in ("--set", each)]
    assert devops_tasks("generate", ROOT / "examples/saved-reports.yaml", "-o", folder, *options).code == 0
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned(tmp_path_factory.mktemp("readout"))


def readout(bundle: Path, control: str, treatment: str, *options: str) -> Done:
    return devops_tasks("readout", bundle, "--control", control, "--treatment", treatment, "--today", DAY, *options)


def told(done: Done, name: str) -> str:
    assert done.code == 0, done.err
    (line,) = [line for line in done.out.splitlines() if line.startswith(name)]
    return line[11:]


# The statistics


def test_shares_are_compared_as_statsmodels_does() -> None:
    """By `confint_proportions_2indep(470, 4000, 400, 4000, method="newcomb")` and `proportions_ztest`, 0.15."""
    found = compare_shares(Share(4000, 400), Share(4000, 470), 0.05)
    assert found.difference == pytest.approx(0.0175)
    assert (found.low, found.high) == pytest.approx((0.0038539470457221933, 0.031159774312736276), abs=1e-12)
    assert found.p_value == pytest.approx(0.011942262150616539, abs=1e-12)


def test_means_are_compared_with_the_deviation_of_each_arm() -> None:
    """The difference is 2 and its error the root of 9/900 + 16/400, so that z is 2 / 0.2236 = 8.944."""
    found = compare_means(Mean(900, 10, 3), Mean(400, 12, 4), 0.05)
    assert (found.low, found.high) == pytest.approx((2 - 1.959964 * 0.05**0.5, 2 + 1.959964 * 0.05**0.5), abs=1e-6)
    assert found.p_value < 1e-18


@pytest.mark.parametrize(
    ("control", "treatment", "share", "p_value"),
    [(10000, 10200, 0.5, 0.1593695474), (9000, 1100, 0.1, 0.0028347491), (500, 500, 0.5, 1.0)],
)
def test_the_split_is_judged_by_chi_square(control: int, treatment: int, share: float, p_value: float) -> None:
    assert split_p_value(control, treatment, share) == pytest.approx(p_value, abs=1e-10)


SHARES = st.integers(1, 5000).flatmap(lambda units: st.builds(Share, st.just(units), st.integers(0, units)))


@given(SHARES, SHARES)
def test_an_interval_holds_the_difference_and_turns_with_the_arms(one: Share, other: Share) -> None:
    found, turned = compare_shares(one, other, 0.05), compare_shares(other, one, 0.05)
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    assert 0 <= found.p_value <= 1


def test_experiments_without_an_effect_show_one_as_seldom_as_was_accepted() -> None:
    """A seeded simulation: 2,000 experiments of 400 units an arm, all of them at 50 %."""
    chance = Random(7)  # noqa: S311 - chance that can be repeated, no secret
    wrong = 0
    for _ in range(2000):
        control, treatment = (Share(400, chance.getrandbits(400).bit_count()) for _ in range(2))
        found = compare_shares(control, treatment, 0.05)
        wrong += not found.low <= 0 <= found.high
    assert 0.035 < wrong / 2000 < 0.065


# The verdict


@pytest.mark.parametrize(
    ("control", "treatment", "verdict", "because"),
    [
        ("4000/400", "4000/470", "validated", "the interval leaves out no change, and holds the target"),
        ("4000/400", "4000/600", "validated", "or more"),
        ("4000/400", "4000/415", "invalidated", "no such effect is there"),
        ("4000/400", "4000/310", "invalidated", "the wrong way"),
        ("40000/4000", "40000/4200", "invalidated", "smaller than the target"),
        ("400/40", "400/44", "undecided", "too few units"),
        ("4000/400", "4400/470", "undecided", "not split as planned"),
    ],
    ids=["the target", "more than the target", "no effect", "the wrong way", "too small", "few units", "a bad split"],
)
def test_a_result_is_judged_by_its_interval(
    bundle: Path, control: str, treatment: str, verdict: str, because: str
) -> None:
    said = told(readout(bundle, control, treatment), "verdict")
    assert said.startswith(f"{verdict}: ")
    assert because in said


def test_a_metric_that_shall_fall_is_judged_the_other_way_round(tmp_path: Path) -> None:
    bundle = planned(tmp_path, "experiment.primary_metric.target=-20%")
    assert told(readout(bundle, "4000/400", "4000/320"), "verdict").startswith("validated")
    assert told(readout(bundle, "4000/400", "4000/480"), "verdict").startswith("invalidated: the metric moved")


def test_a_result_is_told_with_all_that_it_rests_on(bundle: Path) -> None:
    assert readout(bundle, "4000/400", "3900/470").out.splitlines()[:8] == [
        "control    4000 users, 400 successes: 10%",
        "treatment  3900 users, 470 successes: 12.05%",
        "effect     +2.05 percentage points, with 95% confidence from +0.67 to +3.44",
        "p value    0.0036 (pooled z test, two-sided)",
        "target     +2 percentage points",
        "split      as planned (sample ratio, p 0.2606)",
        "plan       3841 in control, 3841 in treatment",
        "date       2026-12-08 or later",
    ]
    assert told(readout(bundle, "3800/400", "3900/470"), "plan").endswith("more than there are")
    assert (
        told(readout(bundle, "4000/400", "4000/470"), "guardrail")
        == "not read here: Unsubscribes from the weekly mail do not rise"
    )


def test_a_mean_is_read_with_its_deviation(tmp_path: Path) -> None:
    metric = "{name: Minutes, kind: mean, target: 110, baseline: 100, standard_deviation: 100}"
    bundle = planned(tmp_path, f"experiment.primary_metric={metric}")
    done = readout(bundle, "2000:100:100", "2000:112:95")
    assert told(done, "control") == "2000 users, mean 100, deviation 100"
    assert told(done, "target") == "+10"
    assert told(done, "verdict").startswith("validated")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("arm,units,successes\ncontrol,4000,400\ntreatment,4000,470\n", "proportion"),
        ("Arm, Units, Mean, Deviation\n\ntreatment,2000,112,95\ncontrol,2000,100,100\n", "mean"),
    ],
    ids=["shares", "means, in another order"],
)
def test_both_arms_come_from_a_table(tmp_path: Path, text: str, form: str) -> None:
    table = tmp_path / "counts.csv"
    table.write_text(text)
    metric = "{name: M, kind: mean, target: +10%, baseline: 100, standard_deviation: 100}"
    bundle = planned(tmp_path / "bundle", *([f"experiment.primary_metric={metric}"] if form == "mean" else []))
    done = devops_tasks("readout", bundle, "--csv", table, "--today", DAY)
    assert told(done, "verdict").startswith("validated")


# The date


@pytest.mark.parametrize(
    ("options", "code"),
    [(("--today", "2026-12-07"), 2), (("--today", DAY), 0), (("--started", "2026-12-02"), 2),
     (("--started", "2026-12-02", "--today", "2026-12-09"), 0)],
    ids=["a day early", "on the day", "begun later", "begun later, and late enough"],
)  # fmt: skip
def test_nobody_reads_a_result_before_its_date(bundle: Path, options: tuple[str, ...], code: int) -> None:
    done = readout(bundle, "4000/400", "4000/470", *options)
    assert (done.code, bool(done.out)) == (code, not code)


def test_without_a_plan_the_only_look_is_the_first(tmp_path: Path) -> None:
    assert devops_tasks("generate", ROOT / "examples/minimal.yaml", "-o", tmp_path).code == 0
    done = readout(tmp_path, "4000/400", "4000/470")
    assert told(done, "date") == "none was planned: the numbers hold if this is the only look"
    assert told(done, "target") == "+2 percentage points"


# What is refused


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ("4000/400", "", "says nothing of treatment"),
        ("4000", "4000/470", "expected units/successes"),
        ("400/4000", "4000/470", "4000 of 400 is no share"),
        ("0/0", "4000/470", "is no share"),
        ("-4/1", "4000/470", "expected units/successes"),
        ("4000/400", "4000:1:1", "of another form"),
        ("4000:1:1", "4000:1:1", "the metric of this experiment is a proportion"),
        ("1:1:1", "4000:1:1", "two units or more"),
        ("4:nan:1", "4000:1:1", "expected a number, found 'nan'"),
        ("4:1:-1", "4000:1:1", "a deviation of 0 or more"),
        ("x:1:1", "4000:1:1", "expected a whole number, found 'x'"),
    ],
)
def test_counts_that_are_none_are_told_by_their_option(bundle: Path, control: str, treatment: str, reason: str) -> None:
    done = readout(bundle, control, treatment)
    assert (done.code, done.out) == (2, "")
    assert reason in done.err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "counts.csv:1:1: has another first line"),
        ("arm,n\n", "counts.csv:1:1: has another first line"),
        ("arm,units,successes\ncontrol,4000\n", "counts.csv:2:1: has 2 cells"),
        ("arm,units,successes\ncontrol,4000,x\n", "expected a whole number, found 'x'"),
        ("arm,units,successes\ncontrol,4000,400\n", "says nothing of treatment"),
    ],
    ids=["nothing", "other columns", "a short row", "no number", "one arm"],
)
def test_a_table_that_is_none_is_told_with_its_line(bundle: Path, tmp_path: Path, text: str, reason: str) -> None:
    table = tmp_path / "counts.csv"
    table.write_text(text)
    done = devops_tasks("readout", bundle, "--csv", table, "--today", DAY)
    assert done.code == 2
    assert reason in done.err


def test_a_program_reads_the_same_result(bundle: Path) -> None:
    found = json.loads(readout(bundle, "4000/400", "4000/470", "--json").out)
    assert (found["verdict"], found["date"], found["planned"]) == (
        "validated",
        DAY,
        {"control": 3841, "treatment": 3841},
    )
    assert found["effect"]["low"] == pytest.approx(0.0038539470457)
    assert (found["split"], found["errors"]) == ({"p_value": 1.0, "as_planned": True}, [])
    early = json.loads(readout(bundle, "4000/400", "4000/470", "--json", "--today", "2026-12-01").out)
    assert (early["verdict"], early["errors"][0]["code"]) == (None, "too-early")
