"""What each rollback criterion sees at each step of a release."""

from __future__ import annotations

import re

import pytest

from tests.bundles import load_text, render_bundle
from tests.specs import MINIMAL

PLAN = "experiment/plan.md"


def plan_of(text: str) -> str:
    return render_bundle(load_text(MINIMAL + text)).get(PLAN, "")


def rows(text: str, criterion: str) -> list[list[str]]:
    """Read the table's rows about a criterion: step, requests, false alarms, misses, verdict."""
    lines = [line.strip("| ").split(" | ") for line in plan_of(text).splitlines() if line.startswith("| ")]
    return [cells[2:] for cells in lines if len(cells) == 7 and cells[1].startswith(criterion)]


def test_each_step_is_told_with_its_requests_and_its_errors() -> None:
    text = "services: [{name: api, requests_per_second: 5}]\n"
    assert rows(text, "error rate above 2%") == [
        ["10%", "150", "1.8%", "28%", "no; it takes a step of 40% or a window of 20 minutes"],
        ["50%", "750", "0.5%", "0.2%", "yes"],
        ["100%", "1500", "under 0.1%", "under 0.1%", "yes"],
    ]
    assert [row[-1] for row in rows(text, "response time")] == [
        "no; it takes a step of 16% or a window of 8 minutes",
        "yes",
        "yes",
    ]


@pytest.mark.parametrize(("per_second", "blind"), [(19, True), (20, False)], ids=["570 requests", "600 requests"])
def test_a_step_with_all_the_requests_that_it_takes_sees(per_second: int, blind: bool) -> None:  # noqa: FBT001
    found = rows(f"services: [{{name: api, requests_per_second: {per_second}}}]\n", "error rate")
    assert found[0][-1].startswith("no; ") == blind


def test_a_service_with_too_few_requests_for_any_step_is_told_of_a_window_alone() -> None:
    found = rows("services: [{name: api, requests_per_second: 1}]\n", "error rate")
    assert [row[-1] for row in found] == [f"no; it takes a window of {minutes} minutes" for minutes in (100, 20, 10)]


def test_the_document_names_the_blind_steps() -> None:
    document = render_bundle(load_text(f"{MINIMAL}services: [{{name: api, requests_per_second: 15}}]\n"))["tasks.md"]
    assert "**Blind Steps:** api, error rate above 2% of requests for 5 minutes, at 10% ([what" in document
    seeing = render_bundle(load_text(f"{MINIMAL}services: [{{name: api, requests_per_second: 50}}]\n"))["tasks.md"]
    assert "**Blind Steps:** none ([what" in seeing


def test_the_document_names_a_pause_that_is_over_before_a_rollback() -> None:
    hasty = "services: [{name: api, requests_per_second: 50}]\ndelivery: {pause: 5m}\n"
    told = "error rate above 2% of requests for 5 minutes, after 5 minutes at a step, as a rollback takes 345 seconds"
    assert told in render_bundle(load_text(MINIMAL + hasty))["tasks.md"]


def test_the_earliest_rollback_waits_for_a_scrape_an_evaluation_the_criterion_and_a_question() -> None:
    text = """
services: [{name: api, requests_per_second: 50}]
monitoring: {scrape_interval: 20s, evaluation_interval: 30s}
rollback: {criteria: [{metric: error_ratio, above: 2%, for: 4m}]}
"""
    assert re.search(r"^\| api \| error rate .* \| 600 \| 320 seconds \|$", plan_of(text), re.MULTILINE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "services: [{name: w, kind: worker, requests_per_second: 50}]\n",
        "services: [{name: api, requests_per_second: 50, metrics: {convention: none}}]\n",
        (
            "services: [{name: api, requests_per_second: 50}]\n"
            "rollback: {criteria: [{metric: cpu_utilization, above: 95%}]}\n"
        ),
    ],
    ids=["unknown traffic", "a worker", "nothing measured", "no share of requests"],
)
def test_what_cannot_be_judged_is_not(text: str) -> None:
    assert "## What the Guardrails See" not in plan_of(text)
