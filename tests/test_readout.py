"""The experiment's result: what was counted, what it means for the hypothesis, and what is refused."""

from __future__ import annotations

import json
from datetime import date
from difflib import ndiff
from pathlib import Path
from random import Random
from shutil import copytree

import pytest
from hypothesis import given, strategies as st

from devops_tasks.errors import UserError
from devops_tasks.experiment import always_wider
from devops_tasks.experiment.evidence import (
    Arm,
    Mean,
    Share,
    compare_always,
    compare_means,
    compare_shares,
    split_p_value,
)
from devops_tasks.merge.entries import with_entry
from devops_tasks.readout import Given, Readout, log_result, read_out, readout_lines
from tests.command import Done, devops_tasks
from tests.tools import ROOT, markdown_lint

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


# Looking as often as one likes


@pytest.mark.parametrize(
    ("arms", "significance", "planned", "interval", "p_value"),
    [
        (
            (Share(4000, 400), Share(4000, 470)),
            0.05,
            7682,
            (-0.003621322061393307, 0.03862132206139328),
            0.1821758599561,
        ),
        ((Share(1000, 100), Share(1000, 150)), 0.05, 7682, (0.002274410970031976, 0.097725589029968), 0.0353003607667),
        ((Share(9000, 900), Share(1000, 140)), 0.01, 20000, (-0.00122600532788527, 0.08122600532788), 0.0138586458065),
        ((Mean(900, 10, 3), Mean(400, 12, 4)), 0.05, 1500, (1.3209750912152205, 2.6790249087847795), 0.0),
    ],
    ids=["at the planned size", "early", "unequal arms", "means"],
)
def test_a_confidence_sequence_is_the_paper_s(
    arms: tuple[Arm, Arm], significance: float, planned: int, interval: tuple[float, float], p_value: float
) -> None:
    """Computed apart: theorem 2.2 as it is printed, rho by scipy's `lambertw(-alpha^2/e, -1)`, p by root finding."""
    found = compare_always(*arms, significance, planned)
    assert (found.low, found.high) == pytest.approx(interval, abs=1e-12)
    assert found.p_value == pytest.approx(p_value, abs=1e-10)


def test_a_confidence_sequence_is_so_much_wider_at_the_planned_size() -> None:
    assert [always_wider(alpha) for alpha in (0.05, 0.01, 0.1)] == pytest.approx(
        [1.5485602985407942, 1.386584991296945, 1.6802448743265674]
    )
    once = compare_shares(Share(4000, 400), Share(4000, 470), 0.05)
    always = compare_always(Share(4000, 400), Share(4000, 470), 0.05, 8000)
    assert (always.high - always.low) / (once.high - once.low) == pytest.approx(always_wider(0.05), rel=1e-2)


def test_arms_that_never_vary_differ_or_do_not() -> None:
    assert compare_always(Mean(90, 1, 0), Mean(90, 1, 0), 0.05, 200).p_value == 1
    assert compare_always(Mean(90, 1, 0), Mean(90, 2, 0), 0.05, 200).p_value == 0


@pytest.mark.parametrize(("looks", "experiments", "wrong"), [(14, 1000, (0.18, 0.26)), (100, 300, (0.3, 0.5))])
def test_peeking_finds_effects_that_are_none_unless_every_look_holds(
    looks: int, experiments: int, wrong: tuple[float, float]
) -> None:
    """A seeded simulation of experiments without an effect, of 100 units an arm from look to look, all at 50 %."""
    chance = Random(11)  # noqa: S311 - chance that can be repeated, no secret
    fixed = always = 0
    for _ in range(experiments):
        control, treatment, once, ever = 0, 0, False, False
        for units in range(100, 100 * looks + 1, 100):
            control += chance.getrandbits(100).bit_count()
            treatment += chance.getrandbits(100).bit_count()
            arms = Share(units, control), Share(units, treatment)
            once = once or compare_shares(*arms, 0.05).p_value < 0.05
            ever = ever or compare_always(*arms, 0.05, 200 * looks).p_value < 0.05
        fixed, always = fixed + once, always + ever
    assert always / experiments < 0.05
    assert wrong[0] < fixed / experiments < wrong[1]


@pytest.mark.parametrize(
    ("control", "treatment", "verdict"),
    [
        ("4000/400", "4000/520", "validated"),
        ("4000/400", "4000/470", "undecided: the interval holds no change as well as the target"),
        ("400/9", "400/60", "undecided: there are too few units for a look"),
        ("30/10", "30/20", "undecided: the interval holds no change"),
    ],
    ids=["an effect that is beyond doubt", "what one look would have found", "next to nothing", "hardly more"],
)
def test_a_look_before_the_date_rests_on_the_wider_interval(
    bundle: Path, control: str, treatment: str, verdict: str
) -> None:
    done = readout(bundle, control, treatment, "--sequential", "--today", "2026-12-03")
    assert told(done, "verdict").startswith(verdict)
    assert told(done, "date") == "2026-12-03, one look of as many as you like; planned for 2026-12-08"
    assert "confidence sequence" in told(done, "p value")


def test_no_look_reaches_beyond_what_shares_can_differ_by_or_before_the_first_day(bundle: Path) -> None:
    assert told(readout(bundle, "20/10", "20/10", "--sequential"), "effect").endswith("from -100 to +100")
    early = readout(bundle, "30/10", "30/20", "--sequential", "--today", "2026-11-30")
    assert (early.code, early.out) == (2, "")
    assert "the first day: is 2026-12-01, and this is 2026-11-30" in early.err


def test_a_guardrail_that_one_look_finds_worse_is_not_worse_at_every_look(bundle: Path) -> None:
    counted = "error_ratio=1000/5,1000/17"
    given = Given("4000/400", "4000/520", None, (counted,), None, date.fromisoformat(DAY), sequential=True)
    few, many = (given._replace(guardrails=(each,)) for each in (counted, "error_ratio=10000/50,10000/170"))
    assert [read_out(bundle, each).guarded[0].broken for each in (few, many)] == ["", "worse than in control"]
    assert result(bundle, counted).guarded[0].broken == "worse than in control"


def test_guardrails_that_are_as_good_are_found_worse_at_a_look_as_seldom_as_was_accepted() -> None:
    """A seeded simulation: 400 times two arms with 1% of bad requests, 1,000 more of each from look to look."""
    chance = Random(13)  # noqa: S311 - chance that can be repeated, no secret
    fixed = always = 0
    for _ in range(400):
        bad, once, ever = [0, 0], False, False
        for units in range(1000, 14001, 1000):
            bad = [each + round(chance.normalvariate(10, 9.9**0.5)) for each in bad]
            control, treatment = (Share(units, max(each, 0)) for each in bad)
            once = once or compare_shares(control, treatment, 0.05).low > 0
            ever = ever or compare_always(control, treatment, 0.05, 7682).low > 0
        fixed, always = fixed + once, always + ever
    assert always / 400 < 0.025
    assert 0.06 < fixed / 400 < 0.2


# The guardrails


def result(folder: Path, *guardrails: str, treatment: str = "4000/470", day: str = DAY) -> Readout:
    given = Given("4000/400", treatment, None, guardrails, None, date.fromisoformat(day), sequential=False)
    return read_out(folder, given)


@pytest.mark.parametrize(
    ("counted", "broken"),
    [
        ("error_ratio=90000/410,91000/420", ""),
        ("error_ratio=900000/4100,910000/6400", ""),
        ("error_ratio=90000/410,91000/910", "worse than in control"),
        ("error_ratio=400/8,400/9", "over 2%"),
        ("error_ratio=400/9,400/9", "over 2%, as is control"),
        ("error_ratio=100/0,100/4", ""),
        ("latency=9000/200,9000/500", "worse than in control and over 5%"),
        ("unsub=40000/300,40000/320", ""),
        ("unsub=400000/3000,400000/3250", ""),
        ("unsub=40000/300,40000/390", "worse than in control"),
        ("unsub=400/3,400/5", ""),
    ],
    ids=["alike", "worse by what does not matter", "worse", "over the criterion", "both over it",
         "a handful", "slower", "words, alike",
         "words, hardly worse", "words, worse", "worse by chance"],
)  # fmt: skip
def test_a_broken_guardrail_keeps_a_hypothesis_from_being_validated(bundle: Path, counted: str, broken: str) -> None:
    found = result(bundle, counted)
    assert [each.broken for each in found.guarded] == [broken]
    assert found.verdict == ("undecided" if broken else "validated")
    assert len(found.unread) == 2


def test_errors_may_be_more_by_what_the_watched_arms_may(tmp_path: Path) -> None:
    folder = planned(tmp_path, "experiment.monitoring={label: arm, worse_by: 0.1%}")
    found = [result(folder, f"error_ratio=900000/4100,900000/{bad}").guarded[0].broken for bad in (4900, 5100)]
    assert found == ["", "worse than in control"]


def test_guardrails_are_told_with_their_levels_and_what_was_not_counted(bundle: Path) -> None:
    assert [line for line in readout_lines(result(bundle, "error_ratio=90000/410,91000/2395")) if "guard" in line] == [
        "guardrail  error_ratio: broken, worse than in control and over 2%; 0.4556% in control, 2.632% in treatment",
        "guardrail  latency_p95: not counted here",
        "guardrail  Unsubscribes from the weekly mail do not rise: not counted here",
    ]


@pytest.mark.parametrize(
    ("counted", "reason"),
    [
        (["errors=1/1,1/1"], "'errors' names no guardrail"),
        (["error_ratio=9/8"], "expected NAME=CONTROL,TREATMENT"),
        (["error_ratio=8/9,8/1"], "9 of 8 is no share"),
        (["error_ratio=9/8,8/1", "error=9/8,8/1"], "'error_ratio' is there twice"),
    ],
    ids=["another name", "one arm", "no share", "twice"],
)
def test_a_guardrail_that_cannot_be_read_is_refused(bundle: Path, counted: list[str], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        result(bundle, *counted)


# The learning log


def test_a_result_is_logged_once_beside_what_people_wrote_and_stays(tmp_path: Path) -> None:
    folder = planned(tmp_path / "bundle")
    document = folder / "tasks.md"
    written = document.read_text("utf-8").replace("- [ ] **[DO-002]", "- [x] **[DO-002]")
    written = written.replace("- **Decision:**\n", "- **Decision:** no more pods\n")
    document.write_text(written, "utf-8")
    first = readout(folder, "4000/400", "4000/470", "--log", "--guardrail", "error_ratio=90000/410,91000/420")
    assert told(first, "log") == "written, in the learning log of tasks.md"
    again = result(folder, "error_ratio=90000/410,91000/420")
    more = result(folder, treatment="4000/480"), result(folder, day="2026-12-09")
    assert [log_result(folder, each).logged for each in (again, *more)] == ["is there already", "written", "written"]
    assert told(readout(folder, "4000/400", "4000/490", "--today", "2026-12-10"), "warning").startswith(
        "the log has a look of 2026-12-09: the numbers below hold for a single one"
    )
    assert "warning" not in readout(folder, "4000/400", "4000/490", "--today", "2026-12-10", "--sequential").out
    assert "warning" not in readout(folder, "4000/400", "4000/470").out
    text = document.read_text("utf-8")
    assert [line for line in text.splitlines() if "Experiment Readout" in line] == [
        "### Experiment Readout 2026-12-09",
        "### Experiment Readout 2026-12-08 (2)",
        "### Experiment Readout 2026-12-08",
    ]
    assert [line for line in ndiff(written.splitlines(), text.splitlines()) if line[0] in "-?"] == []
    document.write_text(text.replace("Readout 2026-12-09\n", "Readout 2026-12-09\n\nA good day.\n"), "utf-8")
    assert log_result(folder, more[1]).logged == "is there already"
    planned(folder, "sprint.name=25", "alerts=[{metric: latency_p95, for: 9m}]")
    merged = document.read_text("utf-8")
    assert "**Sprint:** 25" in merged
    assert [merged.count(each) for each in ("Experiment Readout", "A good day.", "no more pods")] == [3, 1, 1]
    assert markdown_lint(document) == ""
    assert devops_tasks("check", folder).code == 0
    assert "1 of 9 tasks" in devops_tasks("status", folder).out


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (
            "# A\n\n## Log\n\n*How*\n\n### Old\n\n- x\n",
            "# A\n\n## Log\n\n*How*\n\n### New\n\n- one\n\n### Old\n\n- x\n",
        ),
        ("# A\n\n## Log\nby hand", "# A\n\n## Log\nby hand\n\n### New\n\n- one\n"),
        ("# A\r\n\r\n## Log\r\n\r\nb\r\n", "# A\r\n\r\n## Log\r\n\r\nb\r\n\r\n### New\r\n\r\n- one\r\n"),
        ("# A\n\n```md\n## Log\n```\n", "# A\n\n```md\n## Log\n```\n\n## Log\n\n### New\n\n- one\n"),
        ("## Log of others\n\n## Log\n", "## Log of others\n\n## Log\n\n### New\n\n- one\n"),
        ("", "## Log\n\n### New\n\n- one\n"),
    ],
    ids=[
        "before older ones",
        "no line end",
        "line ends of Windows",
        "no such section",
        "a longer name",
        "an empty page",
    ],
)
def test_an_entry_comes_first_in_its_section(page: str, expected: str) -> None:
    assert with_entry(page, "Log", "New", ["- one"]) == expected
    assert with_entry(expected, "Log", "New", ["- one"]) == expected


def test_a_document_that_is_gone_is_not_made_up(bundle: Path, tmp_path: Path) -> None:
    copytree(bundle, tmp_path / "copy")
    (tmp_path / "copy/tasks.md").unlink()
    with pytest.raises(UserError, match="is not there"):
        log_result(tmp_path / "copy", result(tmp_path / "copy"))


def test_a_document_in_another_encoding_is_left_alone(bundle: Path, tmp_path: Path) -> None:
    folder = copytree(bundle, tmp_path / "copy")
    written = (folder / "tasks.md").read_bytes() + "f\u00fcr\n".encode("latin-1")
    (folder / "tasks.md").write_bytes(written)
    with pytest.raises(UserError, match=r"tasks\.md: no text in UTF-8"):
        log_result(folder, result(folder))
    assert (folder / "tasks.md").read_bytes() == written


# The verdict


@pytest.mark.parametrize(
    ("control", "treatment", "verdict", "because"),
    [
        ("4000/400", "4000/470", "validated", "the interval leaves out no change, and holds the target"),
        ("4000/400", "4000/600", "validated", "or more"),
        ("400/5", "400/60", "validated", "or more"),
        ("3/0", "3/3", "undecided", "too few units"),
        ("4000/0", "4000/470", "undecided", "a part of a control that is 0"),
        ("4000/400", "4000/415", "invalidated", "no such effect is there"),
        ("4000/400", "4000/310", "invalidated", "the wrong way"),
        ("40000/4000", "40000/4200", "invalidated", "smaller than the target"),
        ("400/40", "400/44", "undecided", "too few units"),
        ("4000/400", "4400/470", "undecided", "not split as planned"),
    ],
    ids=[
        "the target",
        "more than the target",
        "few of a kind, at one look",
        "hardly any",
        "control at zero",
        "no effect",
        "the wrong way",
        "too small",
        "few units",
        "a bad split",
    ],
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
        "date       2026-12-08, planned for 2026-12-08 or later",
        "control    4000 users, 400 successes: 10%",
        "treatment  3900 users, 470 successes: 12.05%",
        "effect     +2.05 percentage points, with 95% confidence from +0.67 to +3.44",
        "p value    0.0036 (pooled z test, two-sided)",
        "target     +2 percentage points",
        "split      as planned (sample ratio, p 0.2606)",
        "plan       3841 in control, 3841 in treatment",
    ]
    assert told(readout(bundle, "3800/400", "3900/470"), "plan").endswith("more than there are")
    assert (
        "guardrail  Unsubscribes from the weekly mail do not rise: not counted here"
        in readout(bundle, "4000/400", "4000/470").out.splitlines()
    )


def test_a_mean_is_read_with_its_deviation(tmp_path: Path) -> None:
    metric = "{name: Minutes, kind: mean, target: 110, baseline: 100, standard_deviation: 100}"
    bundle = planned(tmp_path, f"experiment.primary_metric={metric}")
    done = readout(bundle, "2000:100:100", "2000:112:95")
    assert told(done, "control") == "2000 users, mean 100, deviation 100"
    assert told(done, "target") == "+10"
    assert told(done, "verdict").startswith("validated")
    assert told(readout(bundle, "9:100:9", "9:120:9"), "verdict").startswith("undecided: there are too few units")
    assert told(readout(bundle, "40:100:0", "40:120:0"), "verdict").startswith("undecided: there are too few units")


def test_one_is_told_as_one_and_no_change_without_a_sign(tmp_path: Path) -> None:
    bundle = planned(tmp_path, "experiment.primary_metric.target=10%")
    done = readout(bundle, "1/1", "1/1")
    assert told(done, "control") == "1 user, 1 success: 100%"
    assert told(done, "effect").startswith("0 percentage points, ")
    assert told(readout(bundle, "400/40", "400/40"), "effect").startswith("0 percentage points, ")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("arm,units,successes\ncontrol,4000,400\ntreatment,4000,470\n", "proportion"),
        ("arm,units,successes\rcontrol,4000,400\rtreatment,4000,470\r", "proportion"),
        ("Arm, Units, Mean, Deviation\n\ntreatment,2000,112,95\ncontrol,2000,100,100\n", "mean"),
    ],
    ids=["shares", "line ends of an old Mac", "means, in another order"],
)
def test_both_arms_come_from_a_table(tmp_path: Path, text: str, form: str) -> None:
    table = tmp_path / "counts.csv"
    table.write_text(text, newline="")
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
    assert told(done, "date") == "2026-12-08; none was planned: the numbers hold if this is the only look"
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
        ("arm,n\n", "than arm,units,successes or arm,units,mean,deviation (write it, or give both arms with --control"),
        ("arm,units,successes\ncontrol,4000\n", "counts.csv:2:1: has 2 cells"),
        ("arm,units,successes\n\ncontrol,4000,x\n", "counts.csv:3:1: expected a whole number, found 'x'"),
        ('arm,units,successes\ncontrol,4,"1\n', "counts.csv:2:1: is no CSV: unexpected end of data"),
        ("arm,units,successes\ncontrol,4000,400\n", "counts.csv: says nothing of treatment (add its row)"),
        ("arm,units,successes\ncontrol,9,4\ntreatment,9,4\nControl,9,5\n", "counts.csv:4:1: control is there twice"),
        ("arm,units,successes\nA,9,4\n", "counts.csv:2:1: 'A' is neither control nor treatment (rename it, or"),
    ],
    ids=["nothing", "other columns", "the columns", "a short row", "no number", "half a cell", "one arm",
         "an arm twice", "an arm of another name"],
)  # fmt: skip
def test_a_table_that_is_none_is_told_with_its_line(bundle: Path, tmp_path: Path, text: str, reason: str) -> None:
    table = tmp_path / "counts.csv"
    table.write_text(text)
    done = devops_tasks("readout", bundle, "--csv", table, "--today", DAY)
    assert done.code == 2
    assert reason in done.err


def test_a_program_reads_the_place_in_a_table(bundle: Path, tmp_path: Path) -> None:
    table = tmp_path / "counts.csv"
    table.write_text("arm,units,successes\ncontrol,4,x\n")
    (error,) = json.loads(devops_tasks("readout", bundle, "--csv", table, "--json").out)["errors"]
    assert (error["file"], error["line"], error["column"]) == (str(table), 2, 1)


def test_a_program_reads_the_same_result(bundle: Path) -> None:
    found = json.loads(readout(bundle, "4000/400", "4000/470", "--json").out)
    assert (found["verdict"], found["planned_date"], found["planned"]) == (
        "validated",
        DAY,
        {"control": 3841, "treatment": 3841},
    )
    assert (found["today"], found["earlier_look"]) == (DAY, None)
    assert found["effect"]["low"] == pytest.approx(0.0038539470457)
    assert (found["split"], found["errors"]) == ({"p_value": 1.0, "as_planned": True}, [])
    early = json.loads(readout(bundle, "4000/400", "4000/470", "--json", "--today", "2026-12-01").out)
    assert (early["verdict"], early["errors"][0]["code"]) == (None, "too-early")
