"""What tests of rules leave out: the parsed rules say which comparisons, waits and sources there are.

The tests of a bundle are made from its plan. Here nothing is known of the plan: an expression's syntax tree names each
comparison, and a test covers one side of it when its series stand right beside the limit, and meet all others.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import promql_parser as promql
import yaml

from devops_tasks.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPARE = {">": Decimal.__gt__, ">=": Decimal.__ge__, "<": Decimal.__lt__, "<=": Decimal.__le__, "==": Decimal.__eq__}
_NEAR = Decimal("0.002")
_CONSTANT = re.compile(r"(-?[\d.]+)\+0x\d+")
_FIRING = re.compile(r'count\(ALERTS\{alertname="(\w+)",alertstate="firing"\}\) or vector\(0\)')
_SILENT = 'count(ALERTS{alertstate="firing",metric!~"targets|series|watchdog"}) or vector(0)'


class Comparison(NamedTuple):
    """One comparison of a series with a number."""

    selector: promql.VectorSelector
    sign: str
    limit: Decimal

    def __str__(self) -> str:
        """Write it as PromQL does, short."""
        return f"{self.selector.name} {self.sign} {self.limit}"

    def sides(self, series: list[tuple[promql.VectorSelector, Decimal]]) -> set[tuple[bool, bool]]:
        """Say of each value that is compared whether it meets the condition, and whether it stands beside the limit."""
        values = [value for labels, value in series if selects(self.selector, labels)]
        near = abs(self.limit) * _NEAR or _NEAR
        return {(_COMPARE[self.sign](value, self.limit), abs(value - self.limit) <= near) for value in values}


class Case(NamedTuple):
    """One test: the series that have one value throughout, and how many alerts of each name fire at which second."""

    name: str
    series: list[tuple[promql.VectorSelector, Decimal]]
    firing: list[tuple[str, int, int]]
    carried: dict[str, list[dict[str, Any]]]


def selects(selector: promql.VectorSelector, series: promql.VectorSelector) -> bool:
    """Say whether a selector selects a series, which is written as a selector with nothing but equal signs."""
    labels = {each.name: each.value for each in series.matchers.matchers}
    return selector.name == series.name and all(
        _matches(str(each.op).rpartition(".")[2], each.value, labels.get(each.name, ""))
        for each in selector.matchers.matchers
    )


def _matches(sign: str, wanted: str, value: str) -> bool:
    found = re.fullmatch(wanted, value) is not None if "Re" in sign else wanted == value
    return found != sign.startswith("Not")


def walk(node: promql.Expr) -> Iterator[promql.Expr]:
    """Give a node and all below it."""
    yield node
    inner = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector", "param")]
    for each in [*inner, *getattr(node, "args", [])]:
        if isinstance(each, promql.Expr):
            yield from walk(each)


def comparisons(expr: str) -> list[Comparison]:
    """Find each comparison of a series with a number, which may be a quotient of two."""
    found = [
        node for node in walk(promql.parse(expr)) if isinstance(node, promql.BinaryExpr) and str(node.op) in _COMPARE
    ]
    return [Comparison(_selector(_bare(node.lhs)), str(node.op), _number(_bare(node.rhs))) for node in found]


def _bare(node: promql.Expr) -> promql.Expr:
    return _bare(node.expr) if isinstance(node, promql.ParenExpr) else node


def _selector(node: promql.Expr) -> promql.VectorSelector:
    assert isinstance(node, promql.VectorSelector), node
    return node


def _number(node: promql.Expr) -> Decimal:
    if isinstance(node, promql.BinaryExpr):
        assert str(node.op) == "/"
        return _number(_bare(node.lhs)) / _number(_bare(node.rhs))
    if isinstance(node, promql.UnaryExpr):
        return -_number(_bare(node.expr))
    assert isinstance(node, promql.NumberLiteral), node
    return Decimal(repr(node.val))


def absences(expr: str) -> list[promql.VectorSelector]:
    """Find each series whose absence an alert tells."""
    calls = [node for node in walk(promql.parse(expr)) if isinstance(node, promql.Call) and node.func.name == "absent"]
    return [node for call in calls for node in walk(call.args[0]) if isinstance(node, promql.VectorSelector)]


def read_rules(text: str) -> list[dict[str, Any]]:
    """Give the rules of a file."""
    return [rule for group in yaml.load(text, yaml.CSafeLoader)["groups"] for rule in group["rules"]]


def read_cases(text: str) -> tuple[int, list[Case]]:
    """Read the tests of alerts, and after how many seconds rules are evaluated again."""
    content = yaml.load(text, yaml.CSafeLoader)
    return _seconds(content["evaluation_interval"]), [_case(each) for each in content["tests"]]


def _case(test: dict[str, Any]) -> Case:
    constant = [(each["series"], _CONSTANT.fullmatch(str(each["values"]))) for each in test.get("input_series", [])]
    counted = [(_FIRING.fullmatch(each["expr"]), each) for each in test.get("promql_expr_test", [])]
    told = test.get("alert_rule_test", [])
    return Case(
        test["name"],
        [(_selector(promql.parse(series)), Decimal(found[1])) for series, found in constant if found],
        [
            *((found[1], _seconds(each["eval_time"]), int(each["exp_samples"][0]["value"]))
              for found, each in counted if found),
            *((each["alertname"], _seconds(each["eval_time"]), len(each["exp_alerts"])) for each in told),
        ],
        {each["alertname"]: each["exp_alerts"] for each in told},
    )  # fmt: skip


def _seconds(duration: str) -> int:
    """Read a duration of Prometheus, which may have several units."""
    parts = re.findall(r"\d+[a-z]+", str(duration))
    return sum(int(parse_duration(part).seconds) for part in parts)


def gaps(rules: str, tests: str) -> list[str]:
    """List what the tests of alerts leave out."""
    step, cases = read_cases(tests)
    silent = any(each["expr"] == _SILENT and not test.get("input_series")
                 for test in yaml.load(tests, yaml.CSafeLoader)["tests"]
                 for each in test.get("promql_expr_test", []))  # fmt: skip
    found = [] if silent else ["nothing is tested without data"]
    for rule in read_rules(rules):
        missing = [
            *_untold(rule, cases),
            *(_unseen(rule, cases, step) if absences(rule["expr"]) else _sides(rule, cases, step)),
        ]
        found += [f"{rule['alert']}: {each}" for each in missing]
    return found


def _waits(rule: dict[str, Any], step: int) -> int:
    return -(-_seconds(rule.get("for", "0s")) // step) * step


def _at(rule: dict[str, Any], case: Case) -> dict[int, bool]:
    return {seconds: count > 0 for name, seconds, count in case.firing if name == rule["alert"]}


def _sides(rule: dict[str, Any], cases: list[Case], step: int) -> Iterator[str]:
    """Look for both sides of each comparison, all others met, and for the evaluation before an alert's time is over."""
    every, wait = comparisons(rule["expr"]), _waits(rule, step)
    ended = rising = not every
    for case in cases:
        met = all((True, True) in each.sides(case.series) or (True, False) in each.sides(case.series) for each in every)
        at = _at(rule, case)
        ended |= met and at.get(wait) is True
        rising |= met and at.get(wait) is True and (wait == 0 or at.get(wait - step) is False)
    if not ended:
        yield "it never fires"
    if not rising:
        yield "the evaluation before the end of its time is not tested"
    for each in every:
        others = [other for other in every if other is not each]
        for side, fires in ((True, True), (False, False)):
            if not any(_beside(each, case, others, side) and _judged(_at(rule, case), wait, fires) for case in cases):
                yield f"{each}: not tested {'beyond' if side else 'short of'} it with all others met"


def _beside(each: Comparison, case: Case, others: list[Comparison], side: bool) -> bool:  # noqa: FBT001
    return (side, True) in each.sides(case.series) and all(
        any(met for met, _ in other.sides(case.series)) for other in others
    )


def _judged(at: dict[int, bool], wait: int, fires: bool) -> bool:  # noqa: FBT001
    return any(seconds >= wait and firing == fires for seconds, firing in at.items())


def _unseen(rule: dict[str, Any], cases: list[Case], step: int) -> Iterator[str]:
    """Look for each series that is there while the alert is silent, and is gone while it fires and names it."""
    wait = _waits(rule, step)
    if not any(_at(rule, case).get(wait - step) is False and _at(rule, case).get(wait) for case in cases):
        yield "the evaluation before the end of its time is not tested"
    for selector in absences(rule["expr"]):
        with_it = [case for case in cases if any(selects(selector, labels) for labels, _ in case.series)]
        without = [case for case in cases if rule["alert"] in case.carried and case not in with_it]
        named = [
            alert["exp_labels"].get("series", selector.name)
            for case in without
            for alert in case.carried[rule["alert"]]
        ]
        if not any(_judged(_at(rule, case), wait, fires=False) for case in with_it):
            yield f"not tested while {selector.name} is there"
        if selector.name != "up" and selector.name not in named:
            yield f"not tested without {selector.name}"


def _untold(rule: dict[str, Any], cases: list[Case]) -> Iterator[str]:
    """Look for a test of all labels and annotations."""
    told = [alert for case in cases for alert in case.carried.get(rule["alert"], [])]
    if not any(rule["labels"].items() <= alert["exp_labels"].items()
               and alert["exp_annotations"].keys() == rule["annotations"].keys() for alert in told):  # fmt: skip
        yield "its labels and annotations are not tested"


def unrecorded(rules: str, tests: str) -> list[str]:
    """List the recorded series of which no test expects a sample."""
    expected = [
        (each["expr"].removeprefix("round(").rpartition(",")[0].partition("{")[0], sample["labels"])
        for test in yaml.load(tests, yaml.CSafeLoader)["tests"]
        for each in test["promql_expr_test"]
        for sample in each["exp_samples"]
    ]
    groups = yaml.load(rules, yaml.CSafeLoader)["groups"]
    own = [rule for group in groups if not group["name"].endswith(".custom.rules") for rule in group["rules"]]
    return [
        f"{rule['record']} {rule.get('labels', {})}"
        for rule in own
        if not any(name == rule["record"] and all(f'{label}="{value}"' in labels
                                                  for label, value in rule.get("labels", {}).items())
                   for name, labels in expected)
    ]  # fmt: skip
