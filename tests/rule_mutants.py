"""Rules gone wrong, each by one change, made mechanically from the parsed files of rules.

An expression is printed from its syntax tree as a list of words; who prints a part notes what else could stand there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import promql_parser as promql
import yaml

from devops_tasks.units import Duration, parse_duration, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

_COMPARISONS = (">", ">=", "<", "<=", "==", "!=")
_ARITHMETIC = ("+", "-", "*", "/")
_POWERS = ("^", "*")
_SETS = ("and", "or", "unless")
_AGGREGATIONS = ("sum", "max", "min", "avg", "count")
_MATCHING = {"=": ("!=",), "!=": ("=",), "=~": ("!~", "="), "!~": ("=~",)}
_MATCH_OPS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_OVER_TIME = ("avg_over_time", "max_over_time", "min_over_time", "sum_over_time", "count_over_time")
_FUNCTIONS = {
    "rate": ("increase", "irate"),
    **{name: tuple(other for other in _OVER_TIME if other != name) for name in _OVER_TIME},
}
_UNITS = {"humanizePercentage": "humanize", "humanizeDuration": "humanize", "humanize": "humanizePercentage"}
_SEVERITIES = ("critical", "warning", "info")
_ADDED = "instance"
_STEP = 60


class Mutant(NamedTuple):
    """One wrong rule among those that its tests need; ``change`` says what differs, for people."""

    id: str
    file: str
    rule: str
    change: str
    groups: list[dict[str, Any]]
    labels: dict[str, str]

    @property
    def text(self) -> str:
        """Write the file: JSON is YAML, and quick."""
        return json.dumps({"groups": self.groups})


class _Edit(NamedTuple):
    kind: str
    start: int
    end: int
    words: str


class _Printer:
    """Prints a tree, and notes the edits that make another expression of it."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.edits: list[_Edit] = []

    def word(self, word: str, kind: str = "", others: tuple[str, ...] = ()) -> None:
        start = len(self.words)
        self.words.append(word)
        self.edits += [_Edit(kind, start, start + 1, other) for other in others if other != word]

    def instead(self, kind: str, start: int, *others: str) -> None:
        """Note what could stand instead of all that was printed since a place."""
        self.edits += [_Edit(kind, start, len(self.words), other) for other in others]

    def since(self, start: int) -> str:
        return "".join(self.words[start:])

    def visit(self, node: promql.Expr) -> None:
        getattr(self, f"_{type(node).__name__}")(node)

    def _NumberLiteral(self, node: promql.NumberLiteral) -> None:  # noqa: N802 - the names of the parser's classes
        value = Decimal(repr(node.val))
        factors = (Decimal("1.01"), Decimal("0.99"), Decimal(1000), Decimal("0.01"))
        others = [value * factor for factor in factors] if value else [Decimal(1), Decimal(-1)]
        self.word(plain(value), "number", tuple(plain(other) for other in others))

    def _StringLiteral(self, node: promql.StringLiteral) -> None:  # noqa: N802
        quoted = '"' + node.val.replace("\\", "\\\\").replace('"', '\\"') + '"'
        self.word(quoted, "text", ('"other"',))

    def _ParenExpr(self, node: promql.ParenExpr) -> None:  # noqa: N802
        self.word("(")
        self.visit(node.expr)
        self.word(")")

    def _VectorSelector(self, node: promql.VectorSelector) -> None:  # noqa: N802
        self._selector(node, "")

    def _MatrixSelector(self, node: promql.MatrixSelector) -> None:  # noqa: N802
        range_ = node.range.total_seconds()
        self._selector(node.vector_selector, f"[{range_:g}s]", (f"[{range_ / 2:g}s]", f"[{range_ * 2:g}s]"))

    def _SubqueryExpr(self, node: promql.SubqueryExpr) -> None:  # noqa: N802
        self.visit(node.expr)
        assert node.range is not None
        range_, step = node.range.total_seconds(), node.step.total_seconds() if node.step else _STEP
        others = ((range_ / 2, step), (range_ * 2, step), (range_, step / 2), (range_, step * 2))
        self.word(f"[{range_:g}s:{step:g}s]", "range", tuple(f"[{one:g}s:{other:g}s]" for one, other in others))

    def _selector(self, node: promql.VectorSelector, range_: str, others: tuple[str, ...] = ()) -> None:
        self.word(node.name or "")
        matchers = [(each.name, _MATCH_OPS[str(each.op).rpartition(".")[2]], each.value) for each in
                    node.matchers.matchers]  # fmt: skip
        self.word("{")
        for name, op, value in matchers:
            start = len(self.words)
            self.word(name)
            self.word(op, "matching", _MATCHING[op])
            self.word('"' + value.replace("\\", "\\\\") + '"', "matched value", ('"other"',))
            self.word(",")
            self.instead(f"matcher of {name} dropped", start, "")
        self.word("}")
        if range_:
            self.word(range_, "range", others)
        if node.offset:
            self._offset(node.offset)

    def _offset(self, offset: timedelta) -> None:
        start, seconds = len(self.words), offset.total_seconds()
        self.word(f" offset {seconds:g}s", "offset", (f" offset {seconds / 2:g}s", f" offset {seconds * 2:g}s"))
        self.instead("offset dropped", start, "")

    def _Call(self, node: promql.Call) -> None:  # noqa: N802
        start = len(self.words)
        self.word(node.func.name, "function", _FUNCTIONS.get(node.func.name, ()))
        self.word("(")
        for position, argument in enumerate(node.args):
            if position:
                self.word(", ")
            inner = len(self.words)
            self.visit(argument)
            if argument is node.args[0] and not isinstance(argument, promql.MatrixSelector | promql.NumberLiteral):
                printed = self.since(inner)
                self.edits.append(_Edit("function dropped", start, -1, printed))
        self.word(")")
        self.edits = [edit._replace(end=len(self.words)) if edit.start == start and edit.end < 0 else edit
                      for edit in self.edits]  # fmt: skip

    def _AggregateExpr(self, node: promql.AggregateExpr) -> None:  # noqa: N802
        op = str(node.op)
        self.word(op, "aggregation", () if node.param else _AGGREGATIONS)
        if node.modifier is not None:
            by = node.modifier.type == promql.AggModifierType.By
            self.word(" by " if by else " without ", "by or without", (" by ", " without "))
            self._labels(list(node.modifier.labels), "aggregation label")
        self.word("(")
        if node.param:
            self.visit(node.param)
            self.word(", ")
        self.visit(node.expr)
        self.word(")")

    def _labels(self, labels: list[str], kind: str) -> None:
        fewer = [labels[:n] + labels[n + 1 :] for n in range(len(labels))]
        others = [*fewer, [*labels, _ADDED]]
        self.word(f"({', '.join(labels)})", kind, tuple(f"({', '.join(other)})" for other in others))

    def _BinaryExpr(self, node: promql.BinaryExpr) -> None:  # noqa: N802
        start = len(self.words)
        self.word("(")
        inside = len(self.words)
        self.visit(node.lhs)
        left = self.since(inside)
        op = str(node.op)
        ops = next(ops for ops in (_COMPARISONS, _ARITHMETIC, _SETS, _POWERS) if op in ops)
        self.word(" ")
        self.word(op, "comparison" if ops is _COMPARISONS else "operator", ops)
        self.word(" ")
        if node.modifier is not None:
            self._modifier(node.modifier)
        inside = len(self.words)
        self.visit(node.rhs)
        right = self.since(inside)
        self.word(")")
        self.instead("left side only", start, left)
        self.instead("right side only", start, right)

    def _modifier(self, modifier: promql.BinModifier) -> None:
        if modifier.matching is not None:
            start = len(self.words)
            on = modifier.matching.type == promql.LabelModifierType.Include
            self.word("on " if on else "ignoring ", "on or ignoring", ("on ", "ignoring "))
            self._labels(list(modifier.matching.labels), "matching label")
            self.word(" ")
            self.instead("matching dropped", start, "")


def mutants(file: str, text: str) -> Iterator[Mutant]:
    """Give every mutant of a file of rules."""
    groups = yaml.load(text, yaml.CSafeLoader)["groups"]
    counts: Counter[str] = Counter()
    for group, position in _places(groups):
        rules = groups[group]["rules"]
        name = f"{groups[group]['name']}/{rules[position].get('alert') or rules[position]['record']}"
        for kind, change, wrong in _wrong(rules[position]):
            counts[f"{name}:{kind}"] += 1
            identity = f"{file}:{name}:{kind}:{counts[f'{name}:{kind}']}"
            around = [*_around(groups, group, position, wrong)]
            yield Mutant(identity, file, name, change, around, rules[position].get("labels", {}))


def _around(
    groups: list[dict[str, Any]], group: int, position: int, wrong: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Give a wrong rule with those that its tests need: nothing for an alert, for others what it is made of."""
    rules = groups[group]["rules"]
    if "alert" in rules[position]:
        yield {**groups[group], "rules": wrong}
        return
    service = groups[group]["name"].partition(".")[0]
    own = [each for each in groups if each["name"].startswith(f"{service}.")]
    needed = _needed(rules[position]["record"], [rule for each in own for rule in each["rules"]])
    changed = {**groups[group], "rules": [*rules[:position], *wrong, *rules[position + 1 :]]}
    for each in (changed if each is groups[group] else each for each in own):
        yield {**each, "rules": [rule for rule in each["rules"] if rule in wrong or rule["record"] in needed]}


def _needed(record: str, rules: list[dict[str, Any]]) -> set[str]:
    """Name a recorded series and all that it is made of."""
    needed: set[str] = set()
    further = {record}
    while further:
        needed |= further
        texts = [rule["expr"] for rule in rules if rule["record"] in further]
        further = {rule["record"] for rule in rules if any(f"{rule['record']}{{" in text for text in texts)} - needed
    return needed


def _places(groups: list[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    for number, group in enumerate(groups):
        # The query of a custom metric is the user's own: nobody else knows what it should give.
        if not group["name"].endswith(".custom.rules"):
            yield from ((number, position) for position in range(len(group["rules"])))


def _wrong(rule: dict[str, Any]) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Give the kind of each fault, what it changes, and the rules that stand for the rule then."""
    yield "rule dropped", "", []
    for kind, expr in _expressions(rule["expr"]):
        yield kind, expr, [{**rule, "expr": expr}]
    name = "alert" if "alert" in rule else "record"
    yield "name", f"{rule[name]}x", [{**rule, name: f"{rule[name]}x"}]
    for key in sorted(rule.keys() & {"for", "keep_firing_for"}):
        for kind, text in _waits(rule[key]):
            yield f"{key} {kind}", text, [{**rule, key: text}]
    for key in ("labels", "annotations"):
        for kind, change, given in _said(rule.get(key, {})):
            yield f"{key[:-1]} {kind}", change or rule["expr"], [{**rule, key: given}]


def _said(said: dict[str, str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    for name, text in said.items():
        others = {each: value for each, value in said.items() if each != name}
        for kind, change, given in _texts(name, text):
            yield f"{name} {kind}", change, {**others, **given}


def _expressions(expr: str) -> Iterator[tuple[str, str]]:
    printer = _Printer()
    printer.visit(promql.parse(expr))
    for edit in printer.edits:
        text = "".join([*printer.words[: edit.start], edit.words, *printer.words[edit.end :]])
        if _parses(text):
            yield edit.kind, text


def _parses(expr: str) -> bool:
    try:
        promql.parse(expr)
    except ValueError:
        return False
    return True


def _waits(wait: str) -> Iterator[tuple[str, str]]:
    seconds = parse_duration(wait).seconds
    if seconds:
        yield "halved", Duration(Decimal(int(seconds / 2))).promql
        yield "removed", "0s"
        yield "doubled", Duration(seconds * 2).promql
    yield "one step longer", Duration(seconds + _STEP).promql


def _texts(name: str, text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    yield "dropped", "", {}
    yield "renamed", f"{name}_x", {f"{name}_x": text}
    others = [each for each in _SEVERITIES if each != text] if name == "severity" else [f"{text}x"]
    for other in others:
        yield "changed", other, {name: other}
    for filter_, other in _UNITS.items():
        if f"| {filter_} " in text:
            changed = text.replace(f"| {filter_} ", f"| {other} ")
            yield "in another unit", changed, {name: changed}
    for match in re.finditer(r"\$labels\.\w+", text):
        changed = text[: match.start()] + "$labels.other" + text[match.end() :]
        yield "of another label", changed, {name: changed}
