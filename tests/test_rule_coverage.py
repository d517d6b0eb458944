"""The tests of a bundle leave out nothing that its parsed rules contain, though they are made from the plan."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.bundles import EXAMPLES, example, load_tree, render_bundle
from tests.random_specs import random_spec
from tests.rule_coverage import gaps, unrecorded

if TYPE_CHECKING:
    from devops_tasks.render import Files

SEEDS = range(int(os.environ.get("SPECS", "3")))
BUNDLES = (*EXAMPLES, *(f"random {seed}" for seed in SEEDS))


@cache
def files_of(bundle: str) -> Files:
    if bundle in EXAMPLES:
        return example(bundle)
    return render_bundle(load_tree(random_spec(int(bundle.partition(" ")[2]))))


@cache
def text_of(bundle: str, name: str) -> str:
    return files_of(bundle)[f"monitoring/{name}"]


@pytest.mark.parametrize("bundle", BUNDLES)
def test_both_sides_of_each_comparison_and_both_ends_of_each_wait_are_tested(bundle: str) -> None:
    assert gaps(text_of(bundle, "alert-rules.yml"), text_of(bundle, "alert-rules.test.yml")) == []


@pytest.mark.parametrize("bundle", BUNDLES)
def test_a_sample_of_each_recorded_series_is_expected(bundle: str) -> None:
    assert unrecorded(text_of(bundle, "recording-rules.yml"), text_of(bundle, "recording-rules.test.yml")) == []


@pytest.mark.parametrize(
    ("left_out", "missed"),
    [
        ("without data", "nothing is tested without data"),
        ("silent at each", "> 0.01: not tested short of it with all others met"),
        ("just beyond", "> 0.01: not tested beyond it with all others met"),
        ("just beyond", "the evaluation before the end of its time is not tested"),
        ("a few events", ">= 5.0: not tested short of it with all others met"),
        ("what each alert says", "its labels and annotations are not tested"),
        ("names each series", "not tested without http_requests_total"),
        ("silent while every series", "not tested while http_requests_total is there"),
    ],
)
def test_a_test_that_is_left_out_is_missed(left_out: str, missed: str) -> None:
    content = yaml.load(text_of("minimal", "alert-rules.test.yml"), yaml.CSafeLoader)
    kept = [case for case in content["tests"] if left_out not in case["name"]]
    found = gaps(text_of("minimal", "alert-rules.yml"), json.dumps({**content, "tests": kept}))
    assert [gap for gap in found if missed in gap] != []


def test_a_recorded_series_of_which_nothing_is_expected_is_missed() -> None:
    content = yaml.load(text_of("minimal", "recording-rules.test.yml"), yaml.CSafeLoader)
    kept = [case for case in content["tests"] if "CPU" not in case["name"]]
    found = unrecorded(text_of("minimal", "recording-rules.yml"), json.dumps({**content, "tests": kept}))
    assert [gap for gap in found if "container_cpu_usage_per_request" in gap] != []
