"""Where each value of the complete spec comes from: the stages of its own resolution, held against each other.

Lives here: a value's origin. It is read off the trees that the loading itself made, so that both cannot differ.
Must not: reading files, printing, resolving anything anew.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from devops_tasks.defaults import DERIVED
from devops_tasks.errors import KeyPath, Problem, UserError, key_text
from devops_tasks.fields import (
    Entries,
    Kind,
    Listing,
    Nested,
    Shape,
    Tree,
    field_at,
    fill,
    nearest,
    prune,
    shape_at,
    value_at,
)
from devops_tasks.spec import SPEC
from devops_tasks.specfile import Loaded, Place, parse_path
from devops_tasks.spectext import inline

_DOCS = {row.path: row.doc for row in DERIVED}
_COLUMNS = 60


class Origin(NamedTuple):
    """One value, and where it comes from: ``file``, ``option``, ``default``, ``computed``; or it is ``undecided``."""

    path: KeyPath
    value: Tree
    source: str
    place: Place = Place("")
    doc: str = ""

    @property
    def key(self) -> str:
        """The key as the user reads it."""
        return key_text(self.path)

    @property
    def told(self) -> str:
        """The origin in words."""
        if self.source == "file":
            return f"{self.place.where}:{self.place.line}:{self.place.column}"
        return self.place.where or (f"{self.source}: {self.doc}" if self.doc else self.source)


def explain(loaded: Loaded, key: str = "") -> list[Origin]:
    """List the values of a spec, or those of a key and below it; raises ``UserError`` where there is no such key.

    A key can be one of a list's item, such as ``services[0].port``, or of all of them, such as ``services[].port``.
    """
    origins = list(_Origins(loaded).walk(loaded.source.shape, loaded.tree, ()))
    found = [origin for origin in origins if _is_below(origin.key, key) or _is_below(_of_all(origin.key), key)]
    if found:
        return found
    path = parse_path(key.replace("[]", "[0]"))
    if shape_at(loaded.source.shape, path) is None:
        known = tuple(dict.fromkeys(_of_all(origin.key) for origin in origins))
        raise UserError(Problem(key, "there is no such key", nearest(_of_all(key), known), "unknown-key"))
    return [Origin(path, None, "not given")]


def _is_below(key: str, top: str) -> bool:
    return not top or key == top or key.startswith((f"{top}.", f"{top}["))


def _of_all(key: str) -> str:
    return re.sub(r"\[[0-9]+\]", "[]", key)


class _Origins:
    """Holds the stages of one spec against each other: written, with its fixed defaults, with the computed ones."""

    def __init__(self, loaded: Loaded) -> None:
        self.places = loaded.source.places
        self.where = loaded.source.where
        self.written = prune(loaded.source.tree)
        self.shape = loaded.source.shape
        self.filled = fill(self.shape, self.written)

    def walk(self, shape: Shape | None, tree: Tree, path: KeyPath) -> Iterator[Origin]:
        """Walk the values below a place; a list of plain values is one."""
        if isinstance(shape, Nested) and isinstance(tree, dict):
            yield from self._record(shape, tree, path)
        elif tree and isinstance(shape, Entries):
            for name, value in tree.items():
                yield from self.walk(shape.value, value, (*path, name))
        elif tree and isinstance(shape, Listing) and not isinstance(shape.item, Kind):
            for index, item in enumerate(tree):
                yield from self.walk(shape.item, item, (*path, index))
        else:
            yield self._origin(path, tree)

    def _record(self, shape: Nested[Any], tree: dict[str, Tree], path: KeyPath) -> Iterator[Origin]:
        for name, field in shape.record.fields.items():
            if name in tree:
                yield from self.walk(field.shape, tree[name], (*path, name))
            elif field.undecided:
                yield Origin((*path, name), None, "undecided", doc=field.doc)

    def _origin(self, path: KeyPath, value: Tree) -> Origin:
        if value_at(self.filled, path) is None:
            return self._computed(path, value)
        place = self._place(path)
        if place is None:
            return Origin(path, value, "default")
        return Origin(path, value, "file" if place.line else "option", place)

    def _place(self, path: KeyPath) -> Place | None:
        """Find where a value, or the word that stands for its group, was written; None where it was not."""
        tree, length = self.written, 0
        while length < len(path) and not isinstance(tree, str):
            tree = value_at(tree, (path[length],))
            length += 1
        if tree is None:
            return None
        while length and path[:length] not in self.places:
            length -= 1
        return self.places.get(path[:length], Place(self.where, 1, 1))

    def _computed(self, path: KeyPath, value: Tree) -> Origin:
        """Find the row that made a value, or the whole list in which it stands with a default of its own."""
        row = _of_all(key_text(path))
        if row in _DOCS:
            return Origin(path, value, "computed", doc=_DOCS[row])
        field = field_at(self.shape, path)
        if field and field.default == value:
            return Origin(path, value, "default")
        above = (path[:length] for length in range(len(path), 0, -1))
        docs = (_DOCS.get(_of_all(key_text(each)).removesuffix("[]")) for each in above)
        return Origin(path, value, "computed", doc=next((doc for doc in docs if doc), ""))


def origin_lines(origins: list[Origin], shape: Shape = SPEC) -> Iterator[str]:
    """Print each value in a line, as it would be written, with its origin as a remark."""
    rows = [(f"{each.key}: {_shown(each, shape)}".rstrip(), each.told) for each in origins]
    width = min(max((len(left) for left, _ in rows), default=0), _COLUMNS)
    for left, told in rows:
        yield f"{left:{width}}  # {told}"


def _shown(origin: Origin, shape: Shape) -> str:
    return "" if origin.value is None else inline(shape_at(shape, origin.path), origin.value)


def origins_json(origins: list[Origin]) -> dict[str, Any]:
    """Give the origins as plain data; what does not apply is null."""
    return {
        "values": [
            {
                "key": each.key,
                "value": each.value,
                "from": each.source,
                "file": each.place.where or None,
                "line": each.place.line or None,
                "column": each.place.column or None,
                "told": each.doc or None,
            }
            for each in origins
        ]
    }
