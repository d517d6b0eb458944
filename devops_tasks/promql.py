"""PromQL text to what it asks: its selectors, how far back it looks, or why no rule can have it.

Lives here: the PromQL parser, imported by the first expression that is read. Must not: judging rules or specs.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from devops_tasks.units import Duration

Node = Any
"""A node of the PromQL parser, whose types are known only once it is imported."""

_MOST_OPERATORS = 1500
"""More than any rule has; the parser takes seconds for a few thousand, and dies of ten thousand."""
_TEXT = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`|#.*'
_OPERATOR = r"(?i)[-+*/%^(<>]|[=!]=|\b(?:and|or|unless|atan2)\b"
_NEWER = frozenset(
    (
        "double_exponential_smoothing",
        "first_over_time",
        "histogram_avg",
        "histogram_quantiles",
        "histogram_stddev",
        "histogram_stdvar",
        "info",
        "limit_ratio",
        "limitk",
        "mad_over_time",
        "sort_by_label",
        "sort_by_label_desc",
    )
)
"""What the parser knows and the oldest Prometheus that is promised does not."""
_OF_COUNTERS = frozenset(("rate", "irate", "increase", "delta", "idelta", "deriv", "predict_linear"))
_COMPARISONS = frozenset(("==", "!=", ">", "<", ">=", "<="))
_NO_TIME = timedelta()


class Selector(NamedTuple):
    """One selector of an expression: the series' name, and the labels that must be equal to one value."""

    name: str
    labels: Mapping[str, str]


class Window(NamedTuple):
    """A range over which a function needs several samples of a series."""

    series: str
    length: Duration


class Query(NamedTuple):
    """What an expression asks: its selectors, or why no rule can have it; ``reach`` is how far back it looks.

    ``silent`` says why it gives nothing while all is well, where it is one that does.
    """

    selectors: tuple[Selector, ...]
    fault: str = ""
    reach: Duration = Duration(Decimal(0))
    windows: tuple[Window, ...] = ()
    silent: str = ""


def parse(expr: str) -> Node:
    """Parse an expression; raises ``ValueError`` with one line that says why it is none."""
    import promql_parser

    if len(expr) > _MOST_OPERATORS and len(re.findall(_OPERATOR, re.sub(_TEXT, "", expr))) > _MOST_OPERATORS:
        msg = f"it has more than {_MOST_OPERATORS} operators and brackets"
        raise ValueError(msg)
    try:
        return promql_parser.parse(expr)
    except ValueError as error:
        raise ValueError(str(error).split("\n", maxsplit=1)[0]) from None


def kind(node: Node) -> str:
    """Name the type of a node, as the parser does."""
    return type(node).__name__


def bare(node: Node) -> Node:
    """Take the parentheses off a node."""
    while kind(node) == "ParenExpr":
        node = node.expr
    return node


def name_of(selector: Node) -> str:
    """Give the name of the series that a selector selects; none where it selects by other labels only."""
    named = (each.value for each in selector.matchers.matchers if each.name == "__name__" and operator(each) == "Equal")
    return selector.name or next(named, "")


def operator(matcher: Node) -> str:
    """Name the operator of a matcher: ``Equal``, ``NotEqual``, ``Re`` or ``NotRe``."""
    return str(matcher.op).rpartition(".")[2]


@lru_cache(maxsize=2048)
def read_query(expr: str) -> Query:
    """Parse the expression of a rule."""
    try:
        root = parse(expr)
    except ValueError as error:
        return Query((), str(error))
    nodes = list(_walk(root))
    selectors = [_selector(node) for node, _ in nodes if kind(node) == "VectorSelector"]
    reach = max((back for _, back in nodes), default=_NO_TIME)
    windows = tuple(window for node, _ in nodes for window in _windows(node))
    fault = _fault(root, [node for node, _ in nodes])
    return Query(tuple(dict.fromkeys(selectors)), fault, _span(reach), windows, _silent(bare(root)))


def _walk(root: Node) -> Iterator[tuple[Node, timedelta]]:
    """Give every node, and how far back from the evaluation its samples lie; no recursion, as anybody may write it."""
    left = [(root, _NO_TIME)]
    while left:
        node, back = left.pop()
        offset = getattr(node, "offset", None) or _NO_TIME
        length = getattr(node, "range", None) or _NO_TIME
        back += max(offset, _NO_TIME) + length
        yield node, back
        left += [(child, back) for child in reversed(_children(node))]


def _children(node: Node) -> list[Node]:
    if kind(node) == "BinaryExpr":
        return [node.lhs, node.rhs]
    if kind(node) == "Call":
        return list(node.args)
    if kind(node) == "MatrixSelector":
        return [node.vector_selector]
    return [node.expr] if hasattr(node, "expr") else []


def _selector(node: Node) -> Selector:
    equal = {each.name: each.value for each in node.matchers.matchers if operator(each) == "Equal"}
    return Selector(name_of(node), _Labels(equal))


class _Labels(dict[str, str]):
    """Labels that can be compared and kept in a set."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def _windows(node: Node) -> Iterator[Window]:
    if kind(node) == "Call" and node.func.name in _OF_COUNTERS:
        for argument in map(bare, node.args):
            if kind(argument) == "MatrixSelector":
                yield Window(name_of(argument.vector_selector), _span(argument.range))


def _span(length: timedelta) -> Duration:
    return Duration(Decimal(length // timedelta(milliseconds=1)) / 1000)


def _fault(root: Node, nodes: list[Node]) -> str:
    if kind(bare(root)) in {"MatrixSelector", "SubqueryExpr"}:
        return "it gives ranges of samples; a function such as rate() or max_over_time() makes one value of each"
    if kind(bare(root)) == "StringLiteral":
        return "it gives a text, and no number"
    return next((found for node in nodes for found in _newer(node)), "")


def _silent(root: Node) -> str:
    if kind(root) == "Call" and root.func.name in {"absent", "absent_over_time"}:
        return f"{root.func.name}() gives nothing while its series is there"
    compares = kind(root) == "BinaryExpr" and str(root.op) in _COMPARISONS
    if compares and not (root.modifier and root.modifier.return_bool):
        return "it compares by itself, and gives nothing where that does not hold"
    return ""


def _newer(node: Node) -> Iterator[str]:
    """Say what the parser reads that Prometheus does not, or not yet in the oldest version that is promised."""
    if kind(node) == "VectorSelector" and node.matchers.or_matchers:
        yield "Prometheus knows no `or` between labels"
    if kind(node) == "BinaryExpr" and _fills(node.modifier):
        yield "Prometheus 2.42 does not know fill"
    used = node.func.name if kind(node) == "Call" else str(node.op) if kind(node) == "AggregateExpr" else ""
    if used in _NEWER:
        yield f"Prometheus 2.42 does not know {used}"


def _fills(modifier: Node) -> bool:
    values = modifier and modifier.fill_values
    return bool(values) and (values.lhs is not None or values.rhs is not None)
