"""Prometheus rules as they stand on disk: alerts, recorded series, what their expressions ask.

Lives here: reading rule files. Must not: judging.
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from devops_tasks.checks.cluster import items, kind_of, labels_of
from devops_tasks.checks.documents import Document
from devops_tasks.errors import KeyPath
from devops_tasks.promql import Node, bare, kind, parse, read_query
from devops_tasks.units import Duration, parse_duration


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


def first_comparison(expr: str) -> Comparison | None:
    """Find what an alert compares first: the threshold is a label where the series is recorded for one threshold."""
    try:
        node = bare(parse(expr))
    except ValueError:
        return None
    while _joins(node):
        node = bare(node.lhs)
    if kind(node) != "BinaryExpr":
        return None
    side = {">": "above", ">=": "above", "<": "below", "<=": "below"}.get(str(node.op))
    threshold = _threshold(node)
    return Comparison(side, threshold) if side and threshold is not None else None


def _joins(node: Node) -> bool:
    return kind(node) == "BinaryExpr" and str(node.op) in {"and", "or", "unless"}


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
