"""Requirements documents become answers: every expected field is found, none is invented, and the rest is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from devops_tasks.fields import Tree
from devops_tasks.importer import Imported, import_document
from devops_tasks.importer.phrases import (
    Goal,
    Limit,
    Unclear,
    is_unfilled,
    parse_count,
    parse_day,
    parse_goal,
    parse_limit,
    parse_number,
    parse_share,
)
from devops_tasks.importer.statements import read_statements
from devops_tasks.specfile import parse_spec
from devops_tasks.wizard.answers import Answers, faults
from tests.terminals import COMMAND
from tests.tools import ROOT

FOLDER = ROOT / "tests/requirements"


def imported(name: str) -> Imported:
    return import_document((FOLDER / f"{name}.md").read_text("utf-8"))


PARENT = """\
feature: {name: Saved Reports, id: FEAT-1024, team: reporting}
experiment:
  hypothesis: We believe that analysts will adopt saved reports because they halve the time that it takes to prepare the
    weekly numbers.
  primary_metric: {name: weekly active users of reporting, target: +20%}
  leading_indicators:
    - Reports saved per analyst in the first week
    - Share of saved reports that are opened again
  guardrails:
    - Unsubscribes from the weekly mail do not rise
    - Error rate stays under 3%
    - No more than 5 % increase in support tickets
  assignment: {method: feature-flag, treatment: 50%, unit: user}
  decisions: [{what: Less than 10% adoption after two weeks, after: 14d}]
rollback:
  criteria:
    - {metric: latency_p95, above: 500ms, for: 5m}
    - {metric: error_ratio, above: 2%}
alerts:
  - {metric: latency_p95, above: 300ms}
"""
PRODUCT = """\
feature: {name: One-Page Checkout, id: SHOP-77, engineer: "@sam"}
sprint: {name: Winter 3, starts: 2026-11-02, ends: 2026-11-13}
experiment:
  hypothesis: If we show every step on one page, then shoppers will finish more orders because nothing surprises them.
  primary_metric: {name: Orders per checkout begun, target: 44%, baseline: 40%}
  leading_indicators: ["Seconds from cart to payment: 90"]
  guardrails: ["Refunds per order: do not rise", "Latency p95: 1.000 ms"]
  significance: 5%
  eligible_per_day: 9000
  assignment: {treatment: 20%, unit: session}
rollback:
  criteria:
    - {metric: cpu_utilization, above: 85%, for: 10m}
    - {metric: throughput_ratio, below: 50%}
    - {metric: error_ratio, above: 0.5%}
"""
FLOWS = """\
feature: {id: KIRO-5, name: Weekly digest}
alerts:
  - {metric: latency_p95, above: 100ms}
  - {metric: error_ratio, above: 1.5%}
"""
PROSE = """\
feature: {name: Faster checkout}
sprint: {name: "51", starts: 2026-12-07, ends: 2026-12-18}
experiment:
  hypothesis: We believe that returning buyers will finish more purchases because one click saves them four pages.
  primary_metric: {name: conversion rate from basket to order, target: 3.6%, baseline: 3.2%}
  guardrails:
    - "Errors: no more than 1 %"
    - "Refund rate: must not rise by more than 0.2 points"
  assignment: {unit: user, treatment: 50%}
  eligible_per_day: 12000
rollback:
  criteria:
    - {metric: error_ratio, above: 2%, for: 5m}
    - {metric: cpu_utilization, above: 90%}
    - {metric: latency_p95, above: 400ms}
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [("parent", PARENT), ("product", PRODUCT), ("flows", FLOWS), ("prose", PROSE), ("template", "{}")],
)
def test_every_expected_field_is_found_and_none_is_invented(name: str, expected: str) -> None:
    assert imported(name).answers == parse_spec(expected, "x").tree


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("# Shared shopping lists\n", "Shared shopping lists"),
        ("# Shared shopping lists\n\n## Feature\n", "Shared shopping lists"),
        ("# Requirements\n", ""),
        ("# Product Requirements Document\n", ""),
        ("# Requirements Document (v2)\n", ""),
        ("# Success Metrics\n", ""),
        ("# [Feature name]\n", ""),
        ("# One\n\n# Two\n", ""),
        ("## Shared shopping lists\n", ""),
        ("# PRD: Faster checkout\n", "Faster checkout"),
    ],
)
def test_the_only_title_of_a_document_is_its_name_unless_it_names_a_sort_of_document(text: str, name: str) -> None:
    document = import_document(text)
    assert document.answers == ({"feature": {"name": name}} if name else {})
    assert [(note.line, note.key) for note in document.notes if note.key] == ([(1, "feature.name")] if name else [])


@pytest.mark.parametrize("name", ["parent", "product", "flows", "prose"])
def test_what_is_found_contradicts_nothing(name: str) -> None:
    assert faults(Answers(imported(name).answers)) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("parent", "r.md:17: experiment.primary_metric.target: +20%"),
        ("parent", "r.md:30: rollback.criteria[0]: latency_p95 500ms 5m (read as the 95th percentile)"),
        (
            "parent",
            (
                "r.md:29: not taken: Performance degrades by >100ms at p95 (relative to what is measured, "
                "not a fixed threshold)"
            ),
        ),
        (
            "parent",
            (
                "r.md:24: experiment.guardrails[1]: Error rate stays under 3% (in words: rollback.criteria has "
                "error_ratio 2% already)"
            ),
        ),
        (
            "parent",
            (
                "r.md:32: experiment.decisions[0]: Less than 10% adoption after two weeks 14d (decided on its day: "
                "no alert can see it)"
            ),
        ),
        ("parent", "r.md:51: not taken: 12,400 per arm (no key of the spec: the tool computes it)"),
        ("parent", "r.md: still missing: feature.engineer: Who owns the infrastructure work"),
        ("product", "r.md:11: not taken: Team; [team name] (a placeholder that nobody has filled in)"),
        (
            "product",
            (
                "r.md:24: not taken: If we remove the basket, then orders will rise too. (a second hypothesis; "
                "one experiment tests one)"
            ),
        ),
        ("product", "r.md:40: not taken: P99 latency above 2 s (only the 95th percentile can be watched)"),
        ("product", "r.md:45: experiment.significance: 5% (a confidence of 95%)"),
        ("product", "r.md:53: not taken: a block of yaml (a block is not read; answer its keys in the wizard)"),
        (
            "prose",
            "r.md:9: not taken: It serves 2000 users at 150 rps. (nothing that is a key of the spec)",
        ),
        (
            "prose",
            "r.md:9: not taken: A third of 7% of them came back (nothing that is a key of the spec)",
        ),
        ("prose", "r.md:28: not taken: P99 latency exceeds 1.5 seconds (only the 95th percentile can be watched)"),
        (
            "prose",
            "r.md:30: not taken: A 90/10 split was dropped. (it does not say which share is the treatment's)",
        ),
        ("prose", "r.md: nothing is known of what stands in line 3"),
        ("template", "r.md:4: not taken: Engineer: TBD (a placeholder that nobody has filled in)"),
    ],
)
def test_the_report_names_the_line_and_the_reason(name: str, line: str) -> None:
    assert line in list(imported(name).report("r.md"))


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("**Sample Size:** 12,400 per arm", "; 12,400 per arm stated, 22657 needed"),
        ("**Sample Size:** 30,000 per arm", ""),
        ("**Sample Size:** 30,000 in total", "; 30,000 in total stated, 45314 needed"),
        ("**Sample Size:** control 9.000, treatment 30.000", "; 9.000 in control stated, 22657 needed"),
        ("**Sample Size:** two arms of 8000 (power 0.8, 95% confidence)", "; 8000 stated, 22657 in each arm needed"),
        ("**Duration:** 2 weeks", "; 2 weeks stated, 28 days needed"),
        ("**Duration:** two weeks", "; two weeks stated, 28 days needed"),
        ("**Duration:** 1 month", ""),
        ("**Duration:** until it is significant", ""),
    ],
)
def test_a_stated_size_is_held_against_the_document_s_own_numbers(stated: str, told: str) -> None:
    """The size of 22 to 23.1 % is a golden number of the experiment; it takes 22,657 / 1000 days of each half."""
    text = (
        f"# PRD: Reports\n\n## Experiment Design\n\n- {stated}\n\n## Success Metrics\n\n"
        "- **Primary Metric:** Adoption from 22% to 23.1%\n\n## Plan\n\n- **Eligible users per day:** 2000\n"
    )
    (note,) = [note for note in import_document(text).notes if note.line == 5]
    assert note.why == f"no key of the spec: the tool computes it{told}"


def test_a_label_is_known_in_every_style() -> None:
    styles = (
        *(
            "**Team:** shop",
            "**Team**: shop",
            "__Team__ - shop",
            "*Team:* shop",
            "Team: shop",
            "- **Team** \u2013 shop",
        ),
        *("> **Team:** shop", "| Field | Value |\n|--|--|\n| **Team** | shop |", "### Team: shop"),
    )
    assert [import_document(f"# Title\n\n{style}\n").answers for style in styles] == [{"feature": {"team": "shop"}}] * 9


@pytest.mark.parametrize(
    "text",
    [
        "## Riskiest Assumption\n\n**Owner:** Dana\n",
        "## Hypothesis\n\nThe following is our hypothesis.\n",
        "## Primary Metric\n\n**Owner:** Dana\n",
        "## Feature\n\nA page that shows reports.\n",
        "## Security\n\n- **Type:** OAuth\n- **Starts:** 2026-12-01\n",
        "We talked to 7 users; 40% were unhappy, and p95 was 900ms.\n",
        "**Primary Metric:** 15-20% increase in orders\n",
        "**Sprint dates:** 01/12/2026 to 14/12/2026\n",
        "**Performance:** fast\n",
        "```text\nTeam: shop\n```\n",
        "<!-- Team: shop -->\n",
    ],
)
def test_what_says_nothing_certain_becomes_no_answer(text: str) -> None:
    assert import_document(text).answers == {}


@given(st.text(st.sampled_from("#*_-|>: \n[]`1%aWbe5ms<")))
def test_no_document_ends_in_a_fault(text: str) -> None:
    for note in import_document(text).notes:
        assert note.line >= 1


def test_a_label_or_heading_reaches_as_far_as_its_section() -> None:
    sections = (
        "### Guardrails",
        "- Errors below 2%",
        "### Notes",
        "- p95 < 3s",
        "**Primary Metric:** Orders +5%",
        "- p95",
    )
    found = import_document("\n\n".join(sections))
    assert [note.line for note in found.notes] == [3, 9, 9]
    assert found.answers["rollback"] == {"criteria": [{"metric": "error_ratio", "above": "2%"}]}


def test_wrapped_lines_are_one_statement_with_the_line_that_it_begins_in() -> None:
    statements = list(read_statements("> a b\n> c\n\n- **One:** x\n  y\n  **Two:** z\n"))
    assert [(each.line, each.label, each.text) for each in statements] == [
        (1, "", "a b c"),
        (4, "One", "x y"),
        (6, "Two", "z"),
    ]


# Phrases


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("20% increase in weekly active users", Goal("weekly active users", "+20%")),
        ("Increase weekly active users by 20% within 4 weeks", Goal("weekly active users", "+20%")),
        ("Reduce churn by 5 percent", Goal("churn", "-5%")),
        ("Weekly active users +20%", Goal("Weekly active users", "+20%")),
        ("Conversion (+2,5 %)", Goal("Conversion", "+2.5%")),
        ("Checkout conversion from 3,2 % to 4 %", Goal("Checkout conversion", "4%", "3.2%")),
        ("Orders reach at least 12%", Goal("Orders", "12%")),
        ("Number of saved reports", Goal("Number of saved reports")),
    ],
)
def test_a_goal_is_read(text: str, goal: Goal) -> None:
    assert parse_goal(text) == goal


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("p95 < 300ms", Limit("latency_p95", "above", "300ms")),
        ("Error rate stays under 3%", Limit("error_ratio", "above", "3%")),
        ("error rates > 2 % for 5 minutes", Limit("error_ratio", "above", "2%", "5m")),
        ("Errors: 0,5 %", Limit("error_ratio", "above", "0.5%")),
        ("Error rate rises above 2%", Limit("error_ratio", "above", "2%")),
        ("95th percentile latency of 250 milliseconds", Limit("latency_p95", "above", "250ms")),
        ("respond within 0.5 s", Limit("latency_p95", "above", "0.5s", "", "read as the 95th percentile")),
        ("throughput drops below 50% of baseline", Limit("throughput_ratio", "below", "50%")),
        ("Database latency p95 above 80 ms", Limit("db_latency_p95", "above", "80ms")),
    ],
)
def test_a_limit_is_read(text: str, limit: Limit) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no more than 5 % increase in error rate", "relative"),
        ("error rate 2% higher than control", "relative"),
        ("error rate up by 2 percentage points", "relative"),
        ("P99 latency below 1 s", "95th percentile"),
        ("average latency below 1 s", "95th percentile"),
        ("Latency between 100 and 200 ms", "a range"),
        ("p95 200-300ms", "a range"),
        ("p95 below 200ms, 300ms at peak", "several numbers"),
        ("latency stays low", "no number"),
        ("error rate below 300ms", "no number in the metric's unit"),
        ("p95 below 1.000 ms", "1.000 may be 1000 or 1.000"),
        ("under 2% errors in two weeks", "deadline"),
        ("Refunds below 2%", "no metric"),
    ],
)
def test_a_limit_that_can_mean_two_things_is_none(text: str, reason: str) -> None:
    with pytest.raises(Unclear, match=reason.replace(".", r"\.")):
        parse_limit(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0,5", "0.5"), ("1 000", "1000"), ("1.234,5", "1234.5"), ("1,234.5", "1234.5"), ("12", "12"), ("1'000", "1000"),
     ("0.005", "0.005"), ("1.000.000", "1000000")],
)  # fmt: skip
def test_a_number_is_read_in_every_locale(text: str, number: str) -> None:
    assert parse_number(text) == number


def test_days_counts_and_shares_are_read() -> None:
    assert parse_day("Dec 1st, 2026 to 14 December 2026") == ["2026-12-01", "2026-12-14"]
    assert parse_day("2026-12-01") == ["2026-12-01"]
    assert parse_day("7.12.2026, 12/31/2026 and 5/5/2026") == ["2026-12-07", "2026-12-31", "2026-05-05"]
    assert parse_day("31/12/2026") == ["2026-12-31"]
    assert [parse_count(text) for text in ("12,400", "4.000 a day", "26")] == ["12400", "4000", "26"]
    assert parse_share("50 % of users") == "50%"
    for parse, text in (
        (parse_day, "31 February 2026"),
        (parse_day, "5/6/2026"),
        (parse_day, "31.13.2026"),
        (parse_count, "2.5"),
        (parse_share, "10-20%"),
    ):
        with pytest.raises(Unclear):
            parse(text)


@pytest.mark.parametrize(
    "text", ["[name]", "*[name]*", "TBD", "tbd.", "N/A", "???", "___", "<name>", "XX% more", "", "..."]
)
def test_a_placeholder_is_no_answer(text: str) -> None:
    assert is_unfilled(text)


@pytest.mark.parametrize("text", ["see [the page](x.md)", "5% < 6%", "a_b", "Why?", "X"])
def test_what_looks_like_a_placeholder_is_one_only_where_it_is(text: str) -> None:
    assert not is_unfilled(text)


# The command


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)  # fmt: skip


def test_the_spec_goes_to_stdout_and_the_report_to_stderr(tmp_path: Path) -> None:
    done = run(tmp_path, "import", str(FOLDER / "parent.md"))
    assert done.returncode == 1  # two required keys are missing
    tree: Tree = parse_spec(done.stdout, "x").tree
    assert tree == parse_spec(PARENT, "x").tree
    assert done.stderr.splitlines() == list(imported("parent").report(str(FOLDER / "parent.md")))


def test_a_complete_document_becomes_a_bundle_without_a_question(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "--from", str(FOLDER / "parent.md"), "--set", "feature.engineer=@dana",
               "--set", "sprint.name=24")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "above 500ms for 5 minutes" in (tmp_path / "tasks.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "told"),
    [("none.md", "none.md: no such file (name another file)"), (".", ".: is a folder, not a file (name a file)"),
     ("latin.md", "latin.md: no text in UTF-8 (save it as UTF-8)")],
)  # fmt: skip
def test_a_document_that_cannot_be_read_is_told(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "latin.md").write_bytes(b"# Fl\xe4che")
    done = run(tmp_path, "import", name)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (2, "", told)
