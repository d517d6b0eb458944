"""What can still be said of a spec with faults: the same values, in which a key that could not be read cannot be asked.

So every contradiction is told together with the faults of single keys, and none that only follows from such a fault:
what is unread, what was to be computed from it, and every default in whose place an unknown key may have been meant.
Must not: rules, places in files.
"""

from typing import Any

from devops_tasks.defaults import derive
from devops_tasks.errors import Fault, KeyPath
from devops_tasks.fields import (
    MISSING,
    UNREAD,
    Builder,
    Built,
    Entries,
    Field,
    Listing,
    Nested,
    Record,
    Shape,
    Tree,
    UnreadError,
    is_empty,
)
from devops_tasks.spec import SPEC, Spec


def salvage(tree: Tree, faults: list[Fault], shape: Nested[Any] = SPEC) -> tuple[Any, list[Fault]]:
    """Build the spec of a pruned tree as far as its faults allow, and give the faults of what was computed.

    Reading a key that cannot be read raises ``UnreadError``.
    """
    root = _Marker(faults).mark(shape, tree)
    if root is UNREAD:
        return _Partial(Spec, {}), []
    derive(root)
    builder = _PartialBuilder()
    return builder.build(shape, root), builder.faults


class _Group(dict[str, Tree]):
    """A group of a tree; asking for a key that is unread, or whether it is there, raises."""

    def __getitem__(self, name: str) -> Tree:
        return self.get(name)

    def get(self, name: str, default: Tree = None) -> Tree:
        value = dict.get(self, name, default)
        if value is UNREAD:
            raise UnreadError
        return value

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) and self[str(name)] is not UNREAD

    def __setitem__(self, name: str, value: Tree) -> None:
        super().__setitem__(name, _grouped(value))


def _grouped(tree: Tree) -> Tree:
    if isinstance(tree, list):
        return [_grouped(item) for item in tree]
    if isinstance(tree, dict) and not isinstance(tree, _Group):
        group = _Group()
        for name, value in tree.items():
            group[name] = value
        return group
    return tree


class _Marker:
    """Gives a tree its fixed defaults, and marks as unread what its faults leave unsaid."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faulty = {fault.path for fault in faults}
        self.unknown = {path[-1] for path, _, _, code in faults if code == "unknown-key"}

    def mark(self, shape: Shape, tree: Tree, path: KeyPath = ()) -> Tree:
        if tree is UNREAD or path in self.faulty:
            return UNREAD
        if isinstance(shape, Listing):
            items = [self.mark(shape.item, item, (*path, index)) for index, item in enumerate(_listed(tree))]
            return UNREAD if any(item is UNREAD for item in items) else items
        if isinstance(shape, Entries):
            values = {name: self.mark(shape.value, value, (*path, name)) for name, value in tree.items()}
            return UNREAD if any(value is UNREAD for value in values.values()) else values
        return self._group(shape, tree, path) if isinstance(shape, Nested) else tree

    def _group(self, shape: Nested[Any], tree: Tree, path: KeyPath) -> Tree:
        if shape.none and tree == "none":
            return tree
        if isinstance(tree, str):
            tree = {shape.scalar: tree}
        group = _Group()
        fields = shape.record.fields
        lost = self.unknown | (set(fields) if any(name not in fields for name in tree) else set())
        for name, field in fields.items():
            inner = (*path, name)
            value = tree.get(name, UNREAD if name in lost or inner in self.faulty else _default(field))
            if is_empty(field, value):
                value = field.default
            if value is not MISSING and not field.later:
                group[name] = self.mark(field.shape, value, inner)
        return group


def _listed(tree: Tree) -> list[Tree]:
    return tree if isinstance(tree, list) else []  # the word ``none``


def _default(field: Field) -> Tree:
    return {} if field.required and isinstance(field.shape, Nested) else field.default


class _PartialBuilder(Builder):
    """Builds records that lack what is unread or has a fault."""

    def fault(self, path: KeyPath, what: str, mend: str = "", code: str = "invalid-value") -> Built:
        super().fault(path, what, mend, code)
        return UNREAD

    def record(self, record: type[Record], values: dict[str, Built]) -> Built:
        return _Partial(record, {name: value for name, value in values.items() if value is not UNREAD})

    def _field(self, name: str, tree: dict[str, Tree], path: KeyPath, field: Field) -> Built:
        return UNREAD if dict.get(tree, name) is UNREAD else super()._field(name, tree, path, field)

    def _unique(self, shape: Listing[Any], tree: list[Tree], path: KeyPath) -> None:
        """Leave it: what was written twice is told, and computed names differ."""


class _Partial:
    """A record of which some keys cannot be read."""

    def __init__(self, record: type[Record], values: dict[str, Built]) -> None:
        self.__dict__.update(values, _record=record)

    def __getattr__(self, name: str) -> Built:
        if name.rstrip("_") in self._record.fields:
            raise UnreadError
        raise AttributeError(name)
