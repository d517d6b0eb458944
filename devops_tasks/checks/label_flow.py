"""The labels that flow through a PromQL expression, and the operations whose two sides can never meet.

Every vector is described by *shapes*: for each label, the values that it may have. An operation is at fault only where
no sample of any shape on the left can have the labels of one on the right: what is not known proves nothing.
Lives here: PromQL's rules about labels. Must not: knowing which series there are (``sources``), files, rules.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import NamedTuple

from devops_tasks.promql import Node, bare, kind, name_of, operator

_MOST_SHAPES = 32
_MOST_DEPTH = 60
_SETS = frozenset({"and", "or", "unless"})
_PICKING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_LITERALS = re.compile(r"(?:[\w:/ |-]|\\\.)*", re.ASCII)


class Values(NamedTuple):
    """The values that a label may have: those that are ``known``, any where it is None; none at all if ``empty``."""

    known: frozenset[str] | None = None
    empty: bool = True

    @property
    def void(self) -> bool:
        """Whether no sample can have it."""
        return self.known is not None and not self.known and not self.empty

    def meet(self, other: "Values") -> "Values":
        """Give the values that both may have."""
        both = other.known if self.known is None else self.known
        if both is not None and other.known is not None:
            both &= other.known
        return Values(both, self.empty and other.empty)

    def join(self, other: "Values") -> "Values":
        """Give the values that one of the two may have."""
        either = None if self.known is None or other.known is None else self.known | other.known
        return Values(either, self.empty or other.empty)

    def __str__(self) -> str:
        """Say it in a message."""
        if self.known is None:
            return "any" if self.empty else "some value"
        return " or ".join(sorted(self.known)[:12]) or "none"


ANY = Values()
CERTAIN = Values(None, empty=False)
ABSENT = Values(frozenset())


def one_of(*known: str) -> Values:
    """Describe a label that has one of some values."""
    return Values(frozenset(known), empty=False)


class Shape(NamedTuple):
    """The labels of some samples; every label that is not named is as ``rest``."""

    labels: Mapping[str, Values]
    rest: Values

    def of(self, label: str) -> Values:
        """Give the values of one label."""
        return self.labels.get(label, self.rest)

    def put(self, **labels: Values) -> "Shape":
        """Replace some labels."""
        return self._replace(labels={**self.labels, **labels})


Shapes = tuple[Shape, ...]
OPEN = (Shape({}, ANY),)
BARE = (Shape({}, ABSENT),)


class Finding(NamedTuple):
    """One fault of an expression, by the code of its problem; ``label`` is the one that never has a value."""

    code: str
    what: str
    label: str = ""


class Flow(NamedTuple):
    """What the reading of one expression knows and finds: the shapes of a series by its name, and the findings."""

    series: Callable[[str], Shapes]
    findings: list[Finding]

    def read(self, node: Node, depth: int = 0) -> Shapes | None:
        """Give the shapes of an expression's samples; None for a scalar or a text."""
        node = bare(node)
        reader = _READERS.get(kind(node))
        if depth > _MOST_DEPTH or reader is None:
            return None if kind(node) in {"NumberLiteral", "StringLiteral"} else OPEN
        found = reader(self, node, depth + 1)
        return None if found is None else _few(found)

    def find(self, code: str, what: str, label: str = "") -> None:
        """Note a fault."""
        self.findings.append(Finding(code, what, label))


def _few(shapes: Shapes) -> Shapes:
    """Keep the number of shapes small: many become one that may be any of them."""
    different = list({(tuple(sorted(each.labels.items())), each.rest): each for each in shapes}.values())
    return (reduce(_joined, different),) if len(different) > _MOST_SHAPES else tuple(different)


def _joined(left: Shape, right: Shape) -> Shape:
    names = {*left.labels, *right.labels}
    return Shape({name: left.of(name).join(right.of(name)) for name in names}, left.rest.join(right.rest))


# Selectors


def _select(flow: Flow, node: Node, _depth: int) -> Shapes:
    name = name_of(node)
    found = list(flow.series(name) if name else OPEN)
    for matcher in node.matchers.matchers:
        if matcher.name != "__name__":
            kept = [shape.put(**{matcher.name: _matched(shape.of(matcher.name), matcher)}) for shape in found]
            left = [shape for shape in kept if not shape.of(matcher.name).void]
            if not left:
                flow.find("never-selects", _no_match(name, matcher.name, found), matcher.name)
                return OPEN
            found = left
    return tuple(found)


def _no_match(name: str, label: str, shapes: Iterable[Shape]) -> str:
    values = reduce(Values.join, (shape.of(label) for shape in shapes))
    if values.known == frozenset():
        return f"{name} has no label {label}"
    return f"the label {label} of {name} never has that value: it is {values}"


def _matched(values: Values, matcher: Node) -> Values:
    text = matcher.value
    if operator(matcher) == "Equal":
        return values.meet(one_of(text) if text else ABSENT)
    if operator(matcher) == "NotEqual":
        known = values.known if values.known is None else values.known - {text}
        return Values(known, values.empty and text != "")
    return _matched_pattern(values, text, wanted=operator(matcher) == "Re")


def _matched_pattern(values: Values, pattern: str, *, wanted: bool) -> Values:
    try:
        matches = re.compile(pattern).fullmatch
    except re.error:  # not every pattern of Go is one of Python
        return values
    if wanted and values.known is None and _LITERALS.fullmatch(pattern):
        literal = frozenset(each.replace("\\", "") for each in pattern.split("|"))
        return values.meet(Values(literal - {""}, "" in literal))
    known = values.known and frozenset(each for each in values.known if bool(matches(each)) is wanted)
    return Values(known, values.empty and bool(matches("")) is wanted)


# Aggregations and functions


def _inner(flow: Flow, node: Node, depth: int) -> Shapes | None:
    return flow.read(node.expr, depth)


def _range(flow: Flow, node: Node, depth: int) -> Shapes | None:
    return flow.read(node.vector_selector, depth)


def _aggregate(flow: Flow, node: Node, depth: int) -> Shapes:
    shapes = flow.read(node.expr, depth) or BARE
    if str(node.op) in _PICKING:
        return shapes
    by, labels = _grouping(node)
    made = tuple(_kept(shape, labels) if by else _without(shape, labels) for shape in shapes)
    return tuple(shape.put(**{node.param.val: CERTAIN}) for shape in made) if str(node.op) == "count_values" else made


def _grouping(node: Node) -> tuple[bool, list[str]]:
    if node.modifier is None:
        return True, []
    return str(node.modifier.type).endswith("By"), list(node.modifier.labels)


def _kept(shape: Shape, labels: Iterable[str]) -> Shape:
    return Shape({label: shape.of(label) for label in labels}, ABSENT)


def _without(shape: Shape, labels: Iterable[str]) -> Shape:
    return shape.put(**dict.fromkeys(labels, ABSENT))


def _call(flow: Flow, node: Node, depth: int) -> Shapes | None:
    read = [flow.read(each, depth) for each in node.args]
    vector = next((each for each in read if each is not None), None)
    name = node.func.name
    if str(node.func.return_type).endswith("Scalar"):
        return None
    if name in {"absent", "absent_over_time"}:
        return _absent(bare(node.args[0]))
    if name == "info" or vector is None:
        return OPEN if name == "info" else BARE
    special = _FUNCTIONS.get(name)
    return special(flow, node, vector) if special else vector


def _absent(node: Node) -> Shapes:
    """Give the labels of ``absent()``: those that a plain selector asks for by one value."""
    selector = node.vector_selector if kind(node) == "MatrixSelector" else node
    if kind(selector) != "VectorSelector":
        return BARE
    matchers = [each for each in selector.matchers.matchers if each.name != "__name__"]
    names = [each.name for each in matchers]
    equal = {each.name: one_of(each.value) for each in matchers
             if operator(each) == "Equal" and each.value and names.count(each.name) == 1}  # fmt: skip
    return (Shape(equal, ABSENT),)


def _quantile(flow: Flow, _node: Node, shapes: Shapes) -> Shapes:
    if all(shape.of("le") == ABSENT for shape in shapes):
        flow.find("never-selects", "histogram_quantile() reads buckets, and these series have no label le")
    return tuple(_without(shape, ["le"]) for shape in shapes)


def _replace(_flow: Flow, node: Node, shapes: Shapes) -> Shapes:
    label, text, source, pattern = (each.val for each in node.args[1:])
    if "$" in text:
        return tuple(shape.put(**{label: ANY}) for shape in shapes)
    always = pattern in {"", ".*", "(.*)"} and (pattern != "" or source == "")
    new = one_of(text) if text else ABSENT
    return tuple(shape.put(**{label: new if always else new.join(shape.of(label))}) for shape in shapes)


def _join(_flow: Flow, node: Node, shapes: Shapes) -> Shapes:
    return tuple(shape.put(**{node.args[1].val: ANY}) for shape in shapes)


_FUNCTIONS: dict[str, Callable[[Flow, Node, Shapes], Shapes]] = {
    "histogram_quantile": _quantile,
    "label_replace": _replace,
    "label_join": _join,
}


# Operations


class _Match(NamedTuple):
    """How an operation matches its sides: on some labels or on all but some; which side has many; what that borrows."""

    on: bool
    labels: frozenset[str]
    many: str
    borrowed: tuple[str, ...]

    def key(self, left: Shape, right: Shape) -> set[str]:
        """Name the labels that must be equal."""
        if self.on:
            return set(self.labels)
        return {*left.labels, *right.labels} - self.labels - {"__name__"}

    def conflicts(self, left: Shape, right: Shape) -> list[str]:
        """Name the labels that can never be equal."""
        key = sorted(self.key(left, right) - {"__name__"})
        return [label for label in key if left.of(label).meet(right.of(label)).void]

    def result(self, left: Shape, right: Shape) -> Shape:
        """Give the labels of what two samples give."""
        many, one = (right, left) if self.many == "right" else (left, right)
        key = {label: many.of(label).meet(one.of(label)) for label in self.key(left, right)}
        if not self.many:
            return Shape(key, ABSENT) if self.on else _without(many.put(**key), self.labels)
        return many.put(**key).put(**{label: one.of(label) for label in self.borrowed})


def _operation(flow: Flow, node: Node, depth: int) -> Shapes | None:
    if str(node.op) == "or":
        return _union(flow, node, depth)
    left, right = flow.read(node.lhs, depth), flow.read(node.rhs, depth)
    if left is None or right is None:
        return right if left is None else left
    match, name = _match(node.modifier), str(node.op)
    pairs = [(one, other, match.conflicts(one, other)) for one in left for other in right]
    meeting = [(one, other) for one, other, conflicts in pairs if not conflicts]
    if not meeting:
        one, other, conflicts = min(pairs, key=lambda pair: len(pair[2]))
        flow.find("never-meets", f"the two sides of `{name}` never meet: {_reasons(one, other, conflicts)}")
        return left if name in _SETS else OPEN
    if name in _SETS:
        return left if name == "unless" else tuple(one for one, _ in meeting)
    for position, side in enumerate(("left", "right")):
        _unique(flow, match, side, [pair[position] for pair in meeting])
    return tuple(match.result(one, other) for one, other in meeting)


def _union(flow: Flow, node: Node, depth: int) -> Shapes:
    """Read a chain of ``or``, which may be long, without going deeper at each."""
    sides = []
    while kind(bare(node)) == "BinaryExpr" and str(bare(node).op) == "or":
        sides.append(bare(node).rhs)
        node = bare(node).lhs
    return tuple(shape for side in (node, *reversed(sides)) for shape in flow.read(side, depth) or ())


def _match(modifier: Node) -> _Match:
    if modifier is None:
        return _Match(on=False, labels=frozenset(), many="", borrowed=())
    card = str(modifier.card).rpartition(".")[2]
    many = {"ManyToOne": "left", "OneToMany": "right"}.get(card, "")
    matching = modifier.matching
    on = matching is not None and str(matching.type).endswith("Include")
    labels = frozenset(matching.labels if matching is not None else ())
    return _Match(on, labels, many, tuple(modifier.group_labels or ()) if many else ())


def _reasons(left: Shape, right: Shape, conflicts: Iterable[str]) -> str:
    return ", ".join(_reason(label, left.of(label), right.of(label)) for label in conflicts)


def _reason(label: str, left: Values, right: Values) -> str:
    if ABSENT in {left, right}:
        return f"only the {'left' if right == ABSENT else 'right'} side has {label}"
    return f"{label} is {left} on the left and {right} on the right"


def _unique(flow: Flow, match: _Match, side: str, shapes: Iterable[Shape]) -> None:
    """Find a side that has several buckets for each sample of the other, and must have one."""
    if match.many == side or ("le" in match.labels) is match.on:
        return
    if any(_several(shape.of("le")) for shape in shapes):
        flow.find("many-to-many", f"the {side} side has a sample for each bucket, and the match leaves out le")


def _several(bounds: Values) -> bool:
    """Say whether there is more than one bucket; a bound is written in two ways, as 1 and as 1.0."""
    return not bounds.empty and len({text.removesuffix(".0") for text in bounds.known or ()}) > 1


_READERS: dict[str, Callable[[Flow, Node, int], Shapes | None]] = {
    "VectorSelector": _select,
    "MatrixSelector": _range,
    "SubqueryExpr": _inner,
    "UnaryExpr": _inner,
    "AggregateExpr": _aggregate,
    "Call": _call,
    "BinaryExpr": _operation,
}
