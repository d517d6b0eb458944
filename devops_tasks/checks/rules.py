"""Prometheus rules as they stand on disk: alerts, recorded series, what their expressions ask.

Lives here: reading rule files and PromQL. Must not: judging. The PromQL parser is imported when it is first asked.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

from devops_tasks.checks.cluster import items, kind_of, labels_of
from devops_tasks.checks.documents import Document
from devops_tasks.errors import KeyPath
from devops_tasks.units import Duration, parse_duration

Node = Any
"""A node of the PromQL parser, whose types are known only once it is imported."""


class Rule(NamedTuple):
    """One rule of a rule file: an alert, or a recorded series."""

    document: Document
    path: KeyPath
    name: str
    alert: bool
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]

    def line(self, key: str) -> int:
        """Find the line of one of the rule's keys."""
        return self.document.line((*self.path, key))

    @property
    def wait(self) -> Duration:
        """How long the alert's expression must hold."""
        try:
            return parse_duration(str(self.document.at((*self.path, "for")) or "0s"))
        except ValueError:
            return Duration(Decimal(0))


class Selector(NamedTuple):
    """One selector of an expression: the series' name, and the labels that must be equal to one value."""

    name: str
    labels: Mapping[str, str]


class Query(NamedTuple):
    """What an expression asks: its selectors, or why it is no PromQL."""

    selectors: tuple[Selector, ...]
    fault: str = ""


class Comparison(NamedTuple):
    """The first comparison of an alert: the side on which it fires, and its threshold."""

    side: str
    threshold: Decimal


def read_rules(documents: list[Document]) -> Iterator[Rule]:
    """Give every rule of the rule files, and of the objects that carry rules."""
    for document in documents:
        if kind_of(document) == "PrometheusRule":
            yield from _rules(document, ("spec", "groups"))
        elif document.path.startswith("monitoring/") and not kind_of(document):
            yield from _rules(document, ("groups",))


def _rules(document: Document, path: KeyPath) -> Iterator[Rule]:
    for index, group in enumerate(items(document.at(path))):
        for number, rule in enumerate(items(group.get("rules"))):
            name = rule.get("alert") or rule.get("record")
            yield Rule(
                document,
                (*path, index, "rules", number),
                str(name or ""),
                "alert" in rule,
                str(rule.get("expr") or ""),
                labels_of(rule.get("labels")),
                labels_of(rule.get("annotations")),
            )


@lru_cache(maxsize=2048)
def read_query(expr: str) -> Query:
    """Parse a PromQL expression."""
    import promql_parser

    found: list[Selector] = []

    def visit(node: Node) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(_selector(node))
        elif isinstance(node, promql_parser.MatrixSelector):
            found.append(_selector(node.vector_selector))
        return True

    try:
        promql_parser.walk(promql_parser.parse(expr), visit)
    except ValueError as error:
        return Query((), str(error).split("\n", maxsplit=1)[0])
    return Query(tuple(dict.fromkeys(found)))


def _selector(node: Node) -> Selector:
    import promql_parser

    matchers = node.matchers.matchers
    equal = {each.name: each.value for each in matchers if each.op == promql_parser.MatchOp.Equal}
    return Selector(node.name or equal.get("__name__", ""), _Labels(equal))


class _Labels(dict[str, str]):
    """Labels that can be compared and kept in a set."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def first_comparison(expr: str) -> Comparison | None:
    """Find what an alert compares first: the threshold is a label where the series is recorded for one threshold."""
    import promql_parser

    try:
        node: Node = promql_parser.parse(expr)
    except ValueError:
        return None
    while isinstance(node, promql_parser.ParenExpr) or _joins(node):
        node = node.expr if isinstance(node, promql_parser.ParenExpr) else node.lhs
    if not isinstance(node, promql_parser.BinaryExpr):
        return None
    side = {">": "above", ">=": "above", "<": "below", "<=": "below"}.get(str(node.op))
    threshold = _threshold(node)
    return Comparison(side, threshold) if side and threshold is not None else None


def _joins(node: Node) -> bool:
    import promql_parser

    return isinstance(node, promql_parser.BinaryExpr) and str(node.op) in {"and", "or", "unless"}


def _threshold(node: Node) -> Decimal | None:
    recorded = [
        selector.labels["threshold"]
        for selector in read_query(str(node.lhs)).selectors
        if "threshold" in selector.labels
    ]
    try:
        return Decimal(recorded[0]) if recorded else _number(node.rhs)
    except (InvalidOperation, ZeroDivisionError):
        return None


def _number(node: Node) -> Decimal | None:
    text = str(node)
    number, _, divisor = text.partition(" / ")
    return Decimal(number) / Decimal(divisor or 1)
