"""Each known metric is complete: a unit, a form that records what it compares, and advice for the night."""

from __future__ import annotations

import re

import pytest

from devops_tasks.defaults import ALERT_ROWS
from devops_tasks.metrics import DIMENSIONS, METRICS, fill, parse_threshold
from devops_tasks.metrics.advice import ADVICE, Advice
from devops_tasks.metrics.forms import CUSTOM_FORM, FAMILIES, FORMS, Recording
from devops_tasks.units import parse_quantity

RECORDINGS = [
    pytest.param(recording, id=f"{name} {recording.record}")
    for name, family in FAMILIES.items()
    for recording in (*family.once, *family.each)
]


@pytest.mark.parametrize(
    ("metric", "text", "expected"),
    [
        ("latency_p95", "500ms", "500ms"),
        ("error_ratio", "2%", "2%"),
        ("error_ratio", "0.02", "2%"),
        ("error_ratio", "0.5", "50%"),
        ("auth_failures", "100/min", "100/min"),
        ("queue_lag", "1000", "1000"),
        ("a_metric_of_the_user", "3s", "3s"),
    ],
)
def test_a_threshold_is_read_in_the_unit_of_its_metric(metric: str, text: str, expected: str) -> None:
    assert parse_threshold(metric, parse_quantity(text)).text == expected


@pytest.mark.parametrize(
    ("metric", "text", "expected"),
    [
        ("latency_p95", "2%", "a duration such as 500ms"),
        ("latency_p95", "500", "a duration such as 500ms"),
        ("error_ratio", "500ms", "a share such as 2%"),
        ("error_ratio", "2", "a share such as 2%"),
        ("auth_failures", "100", "a rate such as 100/min"),
        ("queue_lag", "10%", "a number such as 5"),
    ],
)
def test_a_threshold_in_another_unit_names_the_right_one(metric: str, text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        parse_threshold(metric, parse_quantity(text))


def test_every_metric_has_a_form_advice_and_a_default_row() -> None:
    assert list(FORMS) == list(METRICS) == list(ADVICE) == [row["metric"] for row in ALERT_ROWS]


@pytest.mark.parametrize("row", ALERT_ROWS, ids=lambda row: row["metric"])
def test_a_default_row_is_bad_on_the_side_of_its_metric_in_its_unit(row: dict[str, str]) -> None:
    metric = METRICS[row["metric"]]
    assert isinstance(parse_threshold(metric.name, parse_quantity(row[metric.bad])), DIMENSIONS[metric.dimension][0])


@pytest.mark.parametrize("metric", METRICS)
def test_an_alert_compares_what_its_family_records(metric: str) -> None:
    form = FORMS[metric]
    recorded = {_plain(each.record) for each in (*FAMILIES[form.family].once, *FAMILIES[form.family].each)}
    for series in filter(None, (form.series, form.guard, form.panel)):
        for colours in ("", "_colour") if "%{by}" in series else ("_colour",):
            assert _plain(series.replace("%{by}", colours)) in recorded


def test_a_metric_of_the_user_compares_what_its_family_records() -> None:
    assert CUSTOM_FORM.series in {each.record for each in FAMILIES["custom"].each}


@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_name_of_a_recorded_series_says_by_which_labels_it_is_summed(recording: Recording) -> None:
    level = recording.record.partition(":")[0].split("_")
    carried = set(level) - {name for name, _ in recording.labels}
    grouped = re.search(r"^(?:sum|max) by \(([^)]*)\)", recording.expr.strip())
    if grouped:
        assert carried == set(grouped[1].split(", "))


@pytest.mark.parametrize("metric", METRICS)
def test_advice_says_everything_in_sentences(metric: str) -> None:
    advice = ADVICE[metric]
    assert advice.checks
    assert advice.mends
    for text in _sentences(advice):
        assert not text[0].islower()
        assert text[-1] in ".?"


def test_percent_is_the_only_sign_that_stands_for_something() -> None:
    assert (
        fill('"${KUBE_CONTEXT:?}" {{ $value }} 5%% of %service', {"service": "api"})
        == '"${KUBE_CONTEXT:?}" {{ $value }} 5% of api'
    )


def test_a_word_that_is_not_there_is_a_fault_and_never_printed() -> None:
    with pytest.raises(KeyError):
        fill("%nowhere", {})


def _plain(series: str) -> str:
    return series.replace("%{colours}", "_colour")


def _sentences(advice: Advice) -> list[str]:
    steps = [step.text for step in (*advice.checks, *advice.mends)]
    # A hint in parentheses, such as how to connect, may follow a question; so may the sentence on what a service needs.
    return [
        re.sub(r" (\([^)]*\)|%waits)$", "", text)
        for text in (advice.meaning, advice.impact, *steps, advice.rollback, *advice.mistaken)
    ]
