"""The rules that the project began with pass every linter and fail, and ours do not: as the page on monitoring says."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from devops_tasks.metrics.forms import FORMS
from tests import tools

pytestmark = pytest.mark.real

FOLDER = tools.ROOT / "tests" / "template_alerts"
PAGE = (tools.ROOT / "docs/explanation/monitoring.md").read_text("utf-8")


def scenarios() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = yaml.safe_load((FOLDER / "scenarios.test.yml").read_text("utf-8"))["tests"]
    return cases


def test_no_linter_finds_anything_in_the_template_s_rules() -> None:
    assert tools.promtool_check_rules(FOLDER / "alert-rules.yml") == ""


def test_the_template_s_rules_and_ours_do_what_the_page_says() -> None:
    assert tools.promtool_test_rules(FOLDER / "scenarios.test.yml") == ""
    told = re.findall(r"^\| (.+) \| (\d) \| (\d) \| (\d) \|$", PAGE, re.MULTILINE)
    counted = [
        (case["name"], *(str(each["exp_samples"][0]["value"]) for each in case["promql_expr_test"]))
        for case in scenarios()
    ]
    assert [row[:3] for row in told] == counted
    assert all(ours == right != template for _, template, ours, right in told)


def test_each_scenario_asks_one_of_the_template_s_alerts_and_then_one_of_ours() -> None:
    groups = yaml.safe_load((FOLDER / "alert-rules.yml").read_text("utf-8"))["groups"]
    expressions = [each["expr"] for case in scenarios() for each in case["promql_expr_test"]]
    asked = re.findall(r'alertname="(\w+)"', "\n".join(expressions))
    assert set(asked[0::2]) == {rule["alert"] for rule in groups[0]["rules"]}
    assert all(name.startswith("Feature") for name in asked[1::2])


def test_the_page_tells_of_every_metric() -> None:
    assert set(FORMS) <= set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE))


def test_the_page_shows_how_to_repeat_it() -> None:
    for command in re.findall(r"^promtool .*$", PAGE, re.MULTILINE):
        assert tools.findings("promtool", command.split()[1:], folder=tools.ROOT) == ""
