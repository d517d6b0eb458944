"""What a spec inherits: the files of defaults that it extends, and the one tree that comes of them.

Lives here: finding the next file, and laying one tree over another with every place kept. Loaded only where there is
something to inherit. Must not: judging values, writing.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from devops_tasks.defaults import default_severity
from devops_tasks.errors import KeyPath, Problem, UserError
from devops_tasks.fields import UNREAD, Listing, Shape, Tree, shape_at
from devops_tasks.spec import EXTENDS, SPEC
from devops_tasks.specfile import Place, Source, read_spec

NOTHING = "none"
MOST_LAYERS = 10
_ALERTS = shape_at(SPEC, ("alerts",))
_POLICY: KeyPath = ("policy",)


def inherit(source: Source, near: str, at: Path) -> Source:
    """Lay a spec over the defaults that it extends, else over those that were found ``near`` it.

    ``at`` is the file that its own paths count from. Raises ``UserError`` where a file cannot be read.
    """
    above = _extended(source, at)
    path = near if above is None else above
    layers = list(_layers(path, source, at)) if path else []
    merged = _without_extends(source)
    if layers:
        base = _without_extends(layers[-1])
        for layer in reversed(layers[:-1]):
            base = overlay(base, _without_extends(layer))
        merged = overlay(base, merged)
    return merged._replace(layers=tuple(layer.where for layer in layers))


def _extended(source: Source, at: Path) -> str | None:
    """Give the file that a source extends: empty for ``none``, None where it does not say, or says what is no path."""
    value: Tree = source.tree.get("extends") if isinstance(source.tree, dict) else None
    if not _is_path(value):
        return None if value is None else ""
    return "" if value == NOTHING else os.path.normpath(at.parent / value)


def _is_path(value: Tree) -> bool:
    try:
        return isinstance(value, str) and bool(EXTENDS.parse(value))
    except ValueError:
        return False


def _layers(path: str, source: Source, at: Path) -> Iterator[Source]:
    """Read one file of defaults after another, the nearest first."""
    chain = [str(at)]
    while path:
        place = source.places.get(("extends",), Place(source.where))
        chain.append(path)
        if os.path.realpath(path) in map(os.path.realpath, chain[:-1]):
            what = f"the defaults go round in a circle: {' -> '.join(chain)}"
            raise UserError(_problem(place, what, "take one of the extends out", "extends"))
        if len(chain) > MOST_LAYERS + 1:
            what = f"more than {MOST_LAYERS} files of defaults, one above the other"
            raise UserError(_problem(place, what, "take some of them together", "extends"))
        source = _read(path, place)
        yield source
        path = _extended(source, Path(path)) or ""


def _read(path: str, place: Place) -> Source:
    """Read a file of defaults; what is wrong with the file as a whole is told where it is named."""
    try:
        return read_spec(Path(path))
    except UserError as error:
        told = (
            each if each.line else _problem(place, f"{each.where}: {each.what}", "name another file", each.code)
            for each in error.problems
        )
        raise UserError(*told) from None


def _problem(place: Place, what: str, mend: str, code: str) -> Problem:
    return Problem(place.where, what, mend, code, place.line, place.column, "extends" if place.line else "")


def _without_extends(source: Source) -> Source:
    """Take the key out: what it names is in the tree from now on. One that is no path stays, and is told."""
    if not isinstance(source.tree, dict) or not _is_path(source.tree.get("extends")):
        return source
    return source._replace(tree={name: value for name, value in source.tree.items() if name != "extends"})


# One tree over another


class _Part(NamedTuple):
    """A value of one source, and its path there."""

    source: Source
    path: KeyPath
    tree: Tree

    def at(self, step: str | int) -> "_Part":
        return _Part(self.source, (*self.path, step), self.tree[step])

    @property
    def items(self) -> "list[_Part]":
        return [self.at(index) for index in range(len(self.tree))]

    @property
    def place(self) -> Place:
        """Where it was written; what an alias stands for, where the alias is."""
        path = self.path
        while path and path not in self.source.places:
            path = path[:-1]
        return self.source.places.get(path, Place(self.source.where, 1, 1))


def overlay(low: Source, high: Source) -> Source:
    """Lay one source over another: groups by their keys, lists of things by what names them, all else as a whole."""
    places: dict[KeyPath, Place] = {}
    tree = _Overlay(places).merge(SPEC, _Part(low, (), low.tree), _Part(high, (), high.tree), ())
    return high._replace(tree=tree, places=places, problems=(*low.problems, *high.problems))


class _Overlay:
    """Makes the tree, and notes where each value of it was written."""

    def __init__(self, places: dict[KeyPath, Place]) -> None:
        self.places = places

    def merge(self, shape: Shape | None, low: _Part, high: _Part, path: KeyPath) -> Tree:
        if path == _POLICY and high.tree in (None, NOTHING, UNREAD):
            return self.take(low, path)  # what is inherited holds, whatever stands above it
        if isinstance(low.tree, dict) and isinstance(high.tree, dict):
            self.places[path] = high.place
            return self._groups(shape, low, high, path)
        if isinstance(low.tree, list) and isinstance(high.tree, list) and isinstance(shape, Listing):
            rows = _rows(shape, low, high, joined=path == _POLICY)
            if rows is not None:
                self.places[path] = high.place
                return [self._item(shape.item, row, (*path, index)) for index, row in enumerate(rows)]
        return self.take(high, path)

    def _groups(self, shape: Shape | None, low: _Part, high: _Part, path: KeyPath) -> Tree:
        group: dict[str, Tree] = {}
        for name in {**low.tree, **high.tree}:
            parts = [part.at(name) for part in (low, high) if name in part.tree]
            inner = shape_at(shape, (name,)) if shape else None
            group[name] = self._item(inner, parts, (*path, name))
        return group

    def _item(self, shape: Shape | None, parts: list[_Part], path: KeyPath) -> Tree:
        return self.take(parts[0], path) if len(parts) == 1 else self.merge(shape, parts[0], parts[1], path)

    def take(self, part: _Part, path: KeyPath) -> Tree:
        """Take a value as it stands in one source."""
        self.places[path] = part.place
        if isinstance(part.tree, dict):
            return {name: self.take(part.at(name), (*path, name)) for name in part.tree}
        if isinstance(part.tree, list):
            return [self.take(item, (*path, index)) for index, item in enumerate(part.items)]
        return part.tree


def _rows(shape: Listing[Tree], low: _Part, high: _Part, *, joined: bool) -> list[list[_Part]] | None:
    """Pair the items of two lists that mean the same thing, in the lower one's order; None where nothing names them."""
    rows = [[item] for item in low.items]
    if joined:
        return [*rows, *([item] for item in high.items)]
    if not shape.name and shape is not _ALERTS:
        return None
    known: dict[tuple[str, ...] | None, list[_Part]] = {}
    for row in rows:
        known.setdefault(_identity(shape, row[0].tree), row)
    known.pop(None, None)
    for item in high.items:
        name = _identity(shape, item.tree)
        if name in known:
            known.pop(name).append(item)  # a second one of that name is a fault, and stays one
        else:
            rows.append([item])
    return rows


def _identity(shape: Listing[Tree], item: Tree) -> tuple[str, ...] | None:
    """Say what names an item; None where nothing readable does."""
    if not isinstance(item, dict):
        return None
    if shape is not _ALERTS:
        name = item.get(shape.name)
        return (name.casefold(),) if isinstance(name, str) else None
    metric = item.get("metric")
    if not isinstance(metric, str):
        return None
    names = (metric, item.get("service") or "", item.get("severity") or default_severity(metric))
    return names if all(isinstance(name, str) for name in names) else None
