"""The experiment in the bundle: what its numbers amount to, what is missing for them, and what cannot be computed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from math import ceil, sqrt
from statistics import NormalDist

import pytest

from devops_tasks.plan.experiment import parse_belief
from devops_tasks.render import Files
from tests.bundles import load_text, render_bundle
from tests.test_filters import HOSTILE

PLAN, CURVE = "experiment/plan.md", "experiment/power.svg"
SPRINT = "starts: 2026-12-01, ends: 2026-12-14"
METRIC = "name: Users, target: +20%"


def bundle(metric: str = METRIC, rest: str = "", sprint: str = SPRINT, hypothesis: str = "We believe") -> Files:
    return render_bundle(
        load_text(f"""
feature: {{name: Saved Reports, engineer: "@dana"}}
sprint: {{name: "24", {sprint}}}
experiment:
  hypothesis: {hypothesis}
  primary_metric: {{{metric}}}
  {rest}
""")
    )


def label(files: Files, name: str) -> str:
    found = re.search(rf"^\*\*{name}:\*\* (.*?)(?:  )?$", files["tasks.md"], re.MULTILINE)
    assert found, name
    return found[1]


def points(files: Files) -> dict[str, str]:
    """Read the labelled points of the plan."""
    return dict(re.findall(r"^- \*\*(.*?):\*\* (.*)$", files[PLAN], re.MULTILINE))


def arms(files: Files) -> list[int]:
    rows = re.findall(r"^\| (?:control|treatment|both) \| .* \| (\d+) \|$", files[PLAN], re.MULTILINE)
    return [int(count) for count in rows]


@pytest.mark.parametrize(
    ("metric", "assignment", "size", "text"),
    [
        ("target: +20%, baseline: 10%", "", (3841, 3841), "to tell 12% from 10%"),
        ("target: 12%, baseline: 0.1", "", (3841, 3841), "to tell 12% from 10%"),
        ("target: 0.12, baseline: 10%", "", (3841, 3841), "to tell 12% from 10%"),
        ("target: -10%, baseline: 8%", "", (17224, 17224), "to tell 7.2% from 8%"),
        ("target: 12%, baseline: 10%", "assignment: {treatment: 10%}", (18691, 2077), "to tell 12% from 10%"),
    ],
    ids=["relative", "absolute", "a ratio", "downwards", "a tenth is treated"],
)
def test_a_share_has_the_size_that_others_compute(
    metric: str, assignment: str, size: tuple[int, int], text: str
) -> None:
    files = bundle(f"name: Users, kind: proportion, {metric}", assignment)
    assert label(files, "Sample Size").startswith(f"{size[0]} users in control and {size[1]} in treatment, {text}")
    assert arms(files) == [*size, sum(size)]


@pytest.mark.parametrize("kind", ["mean", "count"])
def test_a_mean_has_the_size_that_others_compute(kind: str) -> None:
    files = bundle(f"name: Minutes, kind: {kind}, target: 110, baseline: 100, standard_deviation: 100")
    assert arms(files) == [1571, 1571, 3142]
    assert points(files)["Today"] == "100, with a standard deviation of 100"
    assert "in each arm, as `units:mean:deviation`, and" in files[PLAN]
    assert points(files)["Target"] == "110, which is a change of 10 (+10% of today)"


PLANS = [
    (0.03, "-12.5%", 0.35, 120_000),
    (0.41, "+3.25%", 0.5, 1_700),
    (0.62, "55.5%", 0.2, 900),
    (0.5, "50.01%", 0.5, 10**9),
    (0.001, "+40%", 0.05, 35),
]


@pytest.mark.parametrize(("baseline", "target", "treatment", "per_day"), PLANS)
def test_every_number_of_a_plan_follows_from_its_spec(
    baseline: float, target: str, treatment: float, per_day: int
) -> None:
    """Computed anew from the formula, with the standard library's normal distribution."""
    files = bundle(
        f"name: Users, kind: proportion, baseline: {baseline}, target: {target}",
        f"significance: 2%\n  power: 90%\n  eligible_per_day: {per_day}\n  assignment: {{treatment: {treatment}}}",
    )
    given = float(target.strip("+-%")) / 100
    end = baseline * (1 + (-given if target[0] == "-" else given)) if target[0] in "+-" else given
    ratio = treatment / (1 - treatment)
    pooled = (baseline + ratio * end) / (1 + ratio)
    alpha, beta = NormalDist().inv_cdf(0.99), NormalDist().inv_cdf(0.9)
    null = sqrt(pooled * (1 - pooled) * (1 + 1 / ratio))
    alternative = sqrt(baseline * (1 - baseline) + end * (1 - end) / ratio)
    control = ((alpha * null + beta * alternative) / (end - baseline)) ** 2
    least = ceil(max(control / (per_day * (1 - treatment)), control * ratio / (per_day * treatment)))
    weeks = ceil(least / 7) * 7
    assert arms(files)[:2] == [ceil(control), ceil(control * ratio)]
    assert points(files)["At least"].split(",")[0] in {f"{least} days", f"{least} day"}
    assert points(files)["Planned"].startswith(f"{weeks} days,")
    assert label(files, "Run Time").startswith(f"{weeks} days,")
    assert label(files, "Long Enough").startswith("yes" if weeks <= 14 else "no")
    if weeks > 14:
        drift = abs(end - baseline) * sqrt(14 * per_day * (1 - treatment))
        power = sum(NormalDist().cdf((side - alpha * null) / alternative) for side in (drift, -drift))
        found = re.search(r"found in ([\d.]+)% of all", label(files, "Long Enough"))
        assert found
        assert 0 <= power * 100 - float(found[1]) < 0.1
        assert f"{found[1]}% of all cases" in points(files)["In the sprint"]


def test_a_sprint_that_is_too_short_is_told_with_what_it_can_find() -> None:
    files = bundle("name: Users, kind: proportion, baseline: 22%, target: 23.1%", "eligible_per_day: 1771")
    assert label(files, "Run Time") == (
        "28 days, in whole weeks, with 1771 new users a day; read out once, on 2026-12-29 if it begins with the sprint"
    )
    assert label(files, "Long Enough") == (
        "no, the sprint has 14 days: in these the target is found in 54.4% of all cases, and what is found in 80% is a "
        "change of 1.5 percentage points, to 23.5%"
    )
    assert points(files)["What the sprint can find"].endswith("a change of 1.5 percentage points, to 23.5%")


def test_a_sprint_of_exactly_the_planned_days_is_long_enough() -> None:
    metric, week = "name: Users, kind: proportion, baseline: 10%, target: +20%", "starts: 2026-12-01, ends: 2026-12-07"
    assert label(bundle(metric, "eligible_per_day: 4000", week), "Long Enough") == "yes, the sprint has 7 days"


def test_a_sprint_in_which_hardly_anybody_comes_can_find_nothing() -> None:
    metric, day = "name: Users, kind: proportion, baseline: 22%, target: 23.1%", "starts: 2026-12-01, ends: 2026-12-01"
    said = label(bundle(metric, "eligible_per_day: 1", day), "Long Enough")
    assert said.startswith("no, the sprint has 1 day: ")
    assert said.endswith("of all cases, and no change at all in 80%")


@pytest.mark.parametrize(
    ("metric", "missing"),
    [
        (METRIC, ["kind", "baseline"]),
        (f"{METRIC}, kind: proportion", ["baseline"]),
        (f"{METRIC}, baseline: 10%", ["kind"]),
        (f"{METRIC}, baseline: 10, kind: mean", ["standard_deviation"]),
        (f"{METRIC}, kind: count", ["baseline", "standard_deviation"]),
    ],
    ids=["neither", "no baseline", "no kind", "a mean without its deviation", "a count without both"],
)
def test_what_is_missing_is_named_and_nothing_is_invented(metric: str, missing: list[str]) -> None:
    files = bundle(metric, "eligible_per_day: 4000")
    keys = ", ".join(f"experiment.primary_metric.{key}" for key in missing)
    assert label(files, "Sample Size").replace("\\_", "_") == f"*to be decided*; it takes {keys}"
    assert "**Run Time:**" not in files["tasks.md"]
    assert CURVE not in files
    assert "## How Many" not in files[PLAN]


def test_without_traffic_there_is_a_size_and_no_time() -> None:
    files = bundle("name: Users, kind: proportion, baseline: 10%, target: +20%")
    assert arms(files) == [3841, 3841, 7682]
    assert label(files, "Run Time") == "*to be decided*; it takes experiment.eligible_per_day"
    assert CURVE not in files
    assert "## How Long" not in files[PLAN]


def test_without_the_sprint_s_dates_nobody_knows_whether_it_is_long_enough() -> None:
    files = bundle("name: Users, kind: proportion, baseline: 10%, target: +20%", "eligible_per_day: 4000", "")
    assert label(files, "Run Time") == "7 days, in whole weeks, with 4000 new users a day; read out once"
    assert label(files, "Long Enough").startswith("*to be decided*")
    assert "In the sprint" not in points(files)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ("kind: proportion, baseline: 10, target: 12", "its baseline is no share"),
        ("kind: proportion, baseline: 500ms, target: +20%", "its baseline is no share"),
        ("kind: proportion, baseline: 60%, target: +70%", "its target is no share"),
        ("kind: proportion, baseline: 10%, target: 12", "its target is no share"),
        ("kind: proportion, baseline: 10%, target: 10%", "the target is where the metric is already"),
        ("kind: mean, baseline: 500ms, target: -10%, standard_deviation: 4", "in the unit of its deviation"),
        ("kind: mean, baseline: 10, target: 12%, standard_deviation: 4", "in the unit of its deviation"),
        ("kind: mean, baseline: 10, target: 10, standard_deviation: 4", "the target is where the metric is already"),
        ("kind: mean, baseline: 10, target: 12, standard_deviation: 0", "the standard deviation is 0"),
    ],
)
def test_numbers_that_make_no_sum_are_told_with_the_reason(metric: str, reason: str) -> None:
    files = bundle(f"name: Users, {metric}", "eligible_per_day: 4000")
    assert label(files, "Sample Size").startswith("none, because ")
    assert reason in label(files, "Sample Size")
    assert CURVE not in files
    assert "## How Many" not in files[PLAN]


def test_a_plan_that_outlasts_the_calendar_has_no_date() -> None:
    files = bundle("name: Users, kind: proportion, baseline: 10%, target: +0.001%", "eligible_per_day: 1")
    assert label(files, "Run Time").endswith("; read out once")


@pytest.mark.parametrize(
    ("hypothesis", "parts"),
    [
        ("We believe that analysts will adopt reports because they save time.",
         ("analysts", "adopt reports", "they save time")),
        ("we believe users WILL\n  buy\n  Because it is fast", ("users", "buy", "it is fast")),
        ("We believe that Will will stay because he will like it because of Ann",
         ("Will", "stay", "he will like it because of Ann")),
    ],
    ids=["the usual form", "several lines", "words that come twice"],
)  # fmt: skip
def test_a_hypothesis_is_told_apart(hypothesis: str, parts: tuple[str, str, str]) -> None:
    assert parse_belief(hypothesis) == dict(zip(("who", "what", "why"), parts, strict=True))


@pytest.mark.parametrize(
    "hypothesis",
    [
        "If we add reports, then analysts will stay",
        "We believe that analysts adopt reports because they save time",
        "We believe that analysts will adopt reports",
        "We believe that because of reports analysts will stay",
        "We believe that  will  because ",
    ],
)
def test_a_hypothesis_of_another_form_is_said_to_be_one(hypothesis: str) -> None:
    assert parse_belief(hypothesis) is None
    assert label(bundle(hypothesis=f'"{hypothesis}"'), "Hypothesis in Parts").startswith("not told apart")


@pytest.mark.parametrize("text", HOSTILE)
def test_the_parts_of_a_hypothesis_are_the_text_that_was_written(text: str) -> None:
    words = " ".join(text.split()).removesuffix(".") or "x"
    found = parse_belief(f"We believe that {words} will {words} because {words}")
    assert found is None or [found["who"], found["what"], found["why"]] == [words] * 3


def test_the_curve_rises_and_reaches_the_power_that_is_asked_when_the_units_are_there() -> None:
    files = bundle("name: Users, kind: proportion, baseline: 10%, target: +20%", "eligible_per_day: 600")
    root = ET.fromstring(files[CURVE])  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    style = root.findtext(f"{space}style") or ""
    assert "path { fill: none; }" in style  # else the corner of the asked power is a black triangle
    line = root.find(f"{space}polyline")
    asked = next(path.get("d", "") for path in root.iter(f"{space}path") if path.get("class") == "asked")
    assert line is not None
    places = [(int(x), int(y)) for x, y in re.findall(r"(\d+),(\d+)", line.get("points", ""))]
    assert [height for _, height in places] == sorted((height for _, height in places), reverse=True)
    level, least = map(int, re.findall(r"(\d+)H(\d+)", asked)[0])
    at = dict(places)
    before = max(day for day in at if day < least)
    assert at[least] <= level < at[before]
    assert points(files)["At least"].startswith("13 days")
    names = {int(text.get("x", "")): text.text for text in root.iter(f"{space}text") if text.get("dy") == "20"}
    assert (names[56], names[616]) == ("0", "28")


@pytest.mark.parametrize(
    ("sprint", "after", "told"),
    [
        (SPRINT, "14d", "2026-12-15, 14 days after"),
        (SPRINT, "36h", "2026-12-03, 36 hours after"),
        ("ends: 2026-12-14", "14d", "*to be decided*, 14 days after"),
        ("starts: 9999-12-25", "14d", "*to be decided*, 14 days after"),
    ],
    ids=["days", "a part of a day", "no first day", "after the calendar's end"],
)
def test_a_criterion_with_a_deadline_is_an_item_with_its_day_and_its_owner(sprint: str, after: str, told: str) -> None:
    decisions = f"decisions: [{{what: Few adopt it, after: {after}}}, {{what: Else, after: 1d, owner: '@ada'}}]"
    document = bundle(METRIC, decisions, sprint)["tasks.md"]
    assert f"- [ ] **@dana:** Few adopt it: decide on {told} the sprint's first day\n" in document
    assert "- [ ] **@ada:** Else: decide on " in document
    assert "Dated Decisions" not in bundle()["tasks.md"]


BACKGROUNDS = {"light": "#ffffff", "dark": "#0d1117"}


def luminance(colour: str) -> float:
    """By WCAG 2.1, "relative luminance"."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", BACKGROUNDS)
def test_the_picture_can_be_read_in_light_and_dark(mode: str) -> None:
    """Seen in Chromium in both; text has 4.5 to 1, a line that says something 3 to 1, as WCAG asks."""
    svg = bundle("name: Users, kind: proportion, baseline: 10%, target: +20%", "eligible_per_day: 600")[CURVE]
    light, dark = svg.split("@media (prefers-color-scheme: dark)")
    part = light if mode == "light" else dark
    (background,) = re.findall(r"svg \{ background: (#\w+)", part)
    (text,) = re.findall(r"[ ;]color: (#\w+)", part)
    lines = dict(re.findall(r"\.(power|asked|sprint) \{.*?stroke: (#\w+)", part))
    assert background == BACKGROUNDS[mode]
    assert contrast(text, background) > 4.5
    assert lines.keys() == {"power", "asked", "sprint"}
    assert min(contrast(line, background) for line in lines.values()) > 3


@pytest.mark.parametrize("per_day", [40, 600, 90000])
def test_no_word_of_the_picture_leaves_it_or_lies_on_another(per_day: int) -> None:
    svg = bundle("name: Users, kind: proportion, baseline: 10%, target: +20%", f"eligible_per_day: {per_day}")[CURVE]
    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert "font: 13px" in svg
    spans: dict[int, list[tuple[float, float]]] = {}
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        width = 7.5 * len(text.text or "")  # 13 px of a sans-serif letter, generously
        share = {"middle": 0.5, "end": 1.0}.get(text.get("class", ""), 0.0)
        left = int(text.get("x", "")) - share * width
        spans.setdefault(int(text.get("y", "")) + int(text.get("dy", "0")), []).append((left, left + width))
    assert min(left for row in spans.values() for left, _ in row) >= 0
    assert max(right for row in spans.values() for _, right in row) <= 640
    assert max(spans) < 330
    for row in spans.values():
        assert all(right < left for (_, right), (left, _) in pairwise(sorted(row)))


@pytest.mark.parametrize(
    ("significance", "said"), [("5%", "in 22% of all cases. Another"), ("1%", "far more often than that. Another")]
)
def test_what_looking_each_day_costs_is_said_of_the_significance_that_was_simulated(
    significance: str, said: str
) -> None:
    page = bundle(f"{METRIC}, kind: proportion, baseline: 10%", f"significance: {significance}")[PLAN]
    assert f"against a significance of {significance} each day" in page
    assert said in page


def test_several_metrics_share_the_significance() -> None:
    metric = "name: Users, kind: proportion, baseline: 10%, target: +20%"
    assert "that is 3 metrics" in bundle(metric, "leading_indicators: [a, b]")[PLAN]
    assert "significance of 1.66%" in bundle(metric, "leading_indicators: [a, b]")[PLAN]
    assert "With several" in bundle(metric)[PLAN]
