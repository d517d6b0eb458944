"""YAML text to a tree of source text, with the line and column of every key and value, and the loaded spec.

Lives here: reading a spec's file, and putting every complaint at its place. Scalars stay source text: what ``1.30``
or ``on`` mean is for their field to say. Must not: knowing what keys mean.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from devops_tasks.defaults import complete
from devops_tasks.errors import Fault, KeyPath, Problem, UserError, key_text
from devops_tasks.fields import Builder, Tree
from devops_tasks.rules import check_spec
from devops_tasks.spec import SPEC, Spec

MOST_BYTES = 1_000_000
MOST_NODES = 50_000
MOST_DEPTH = 40
Event = Any
"""An event of the YAML parser, which has no type of its own worth naming."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Place(NamedTuple):
    """Where a key or value was written; ``line`` and ``column`` count from 1."""

    where: str
    line: int = 0
    column: int = 0


class Source(NamedTuple):
    """A tree of source text and the places of its paths."""

    where: str
    tree: Tree
    places: dict[KeyPath, Place]


class Loaded(NamedTuple):
    """A valid spec: its value, and the complete tree that the value was built from."""

    spec: Spec
    tree: dict[str, Tree]
    source: Source


def read_spec(path: Path) -> Source:
    """Read a spec's file; raises ``UserError`` where it cannot be read or is no YAML of plain groups and lists."""
    where = str(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(Problem(where, f"larger than {MOST_BYTES} bytes", "a spec is a short text", "too-large"))
        content = path.read_bytes()
    except OSError as error:
        raise UserError(Problem(where, _reason(error), "", "unreadable")) from None
    try:
        return parse_spec(content.decode("utf-8-sig"), where)
    except UnicodeDecodeError:
        raise UserError(Problem(where, "not a text in UTF-8", "save it as UTF-8", "not-utf8")) from None


def _reason(error: OSError) -> str:
    return (error.strerror or "cannot be read").lower()


def parse_spec(text: str, where: str) -> Source:
    """Parse YAML into a tree of source text; raises ``UserError`` with every fault of the text."""
    parser = _Parser(where)
    try:
        tree = parser.parse(text)
    except yaml.MarkedYAMLError as error:
        raise UserError(_yaml_problem(error, text, where)) from None
    except yaml.YAMLError:
        problem = Problem(where, "holds characters that YAML does not allow", "remove control characters", "yaml")
        raise UserError(problem) from None
    if parser.problems:
        raise UserError(*parser.problems)
    return Source(where, tree, parser.places)


def _yaml_problem(error: yaml.MarkedYAMLError, text: str, where: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    rest = lines[line][column:] if line < len(lines) else ""
    what = f"no valid YAML: {error.problem or error.context}"
    mend = ""
    if rest[:1] in {"@", "`", "%"}:
        word = rest.split(" #", maxsplit=1)[0].strip()
        what, mend = f"a value must not begin with {rest[0]}", f'quote it: "{word}"'
    elif "\t" in (lines[line] if line < len(lines) else ""):
        what, mend = "a tab is no indentation in YAML", "use spaces"
    return Problem(where, what, mend, "yaml", line + 1, column + 1)


class _Parser:
    """Builds a tree from YAML events, which still know the source text of a scalar."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.problems: list[Problem] = []
        self.places: dict[KeyPath, Place] = {}
        self.anchors: dict[str, Tree] = {}
        self.nodes = 0

    def parse(self, text: str) -> Tree:
        events = iter(yaml.parse(text, Loader=_LOADER))
        tree: Tree = {}
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._problem(event, "a second document", "keep one document in a file")
                    break
            elif isinstance(event, yaml.NodeEvent):
                tree = self._node(event, events, ())
        return {} if tree is None else tree

    def _problem(self, event: Event, what: str, mend: str = "", code: str = "yaml", path: KeyPath = ()) -> None:
        mark = event.start_mark
        self.problems.append(Problem(self.where, what, mend, code, mark.line + 1, mark.column + 1, key_text(path)))

    def _node(self, event: Event, events: Iterator[Any], path: KeyPath) -> Tree:
        self.nodes += 1
        if self.nodes > MOST_NODES or len(path) > MOST_DEPTH:
            what = "too deeply nested" if len(path) > MOST_DEPTH else "too many values"
            raise UserError(Problem(self.where, what, "", "too-large", event.start_mark.line + 1))
        self.places.setdefault(path, Place(self.where, event.start_mark.line + 1, event.start_mark.column + 1))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        if event.tag is not None and event.tag != "!":
            self._problem(event, f"the tag {event.tag} is not allowed", "remove it", path=path)
        tree = self._content(event, events, path)
        if event.anchor:
            self.anchors[event.anchor] = tree
        return tree

    def _content(self, event: Event, events: Iterator[Any], path: KeyPath) -> Tree:
        if isinstance(event, yaml.ScalarEvent):
            return None if event.style is None and event.value in {"", "~", "null", "Null", "NULL"} else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return self._mapping(events, path)

    def _alias(self, event: Event, path: KeyPath) -> Tree:
        if event.anchor not in self.anchors:
            self._problem(event, f"the alias *{event.anchor} has no anchor before it", path=path)
            return None
        tree = self.anchors[event.anchor]
        self.nodes += _count(tree)
        return tree

    def _sequence(self, events: Iterator[Any], path: KeyPath) -> Tree:
        items: list[Tree] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            item = self._node(event, events, (*path, len(items)))
            if item is None:
                self._problem(event, "an empty item", "write a value or remove the '-'", "empty", (*path, len(items)))
            else:
                items.append(item)
        return items

    def _mapping(self, events: Iterator[Any], path: KeyPath) -> Tree:
        group: dict[str, Tree] = {}
        seen: set[str] = set()
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            name = event.value if isinstance(event, yaml.ScalarEvent) else None
            if name is None:
                self._problem(event, "a key must be a plain word", path=path)
                name = ""
                self._node(event, events, path)
            elif name in seen:
                self._problem(event, "the key is there twice", "keep one of them", "duplicate-key", (*path, name))
            seen.add(name)
            value_event = next(events)
            mark = event.start_mark
            self.places.setdefault((*path, name), Place(self.where, mark.line + 1, mark.column + 1))
            value = self._node(value_event, events, (*path, name))
            if value is not None:
                group[name] = value
        return group


def _count(tree: Tree) -> int:
    if isinstance(tree, dict):
        return 1 + sum(_count(value) for value in tree.values())
    return 1 + sum(_count(item) for item in tree) if isinstance(tree, list) else 1


def override(source: Source, assignments: tuple[str, ...]) -> Source:
    """Apply ``key=value`` assignments; raises ``UserError`` with every one that cannot be applied."""
    problems: list[Problem] = []
    tree, places = source.tree, dict(source.places)
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        where = f"--set {name}"
        if not equals or not name:
            problems.append(Problem(f"--set {assignment}", "expected key=value", "such as sprint.name=25", "set"))
            continue
        path = _parse_path(name)
        try:
            tree = _replace(tree, path, parse_spec(value, where).tree if value[:1] in "[{" else value)
        except (LookupError, TypeError):
            problems.append(Problem(where, "no such place in the spec", "lists count from 0: services[0].port", "set"))
        except UserError as error:
            problems += error.problems
        places[path] = Place(where)
    if problems:
        raise UserError(*problems)
    return source._replace(tree=tree, places=places)


def _parse_path(name: str) -> KeyPath:
    steps = name.replace("[", ".[").split(".")
    return tuple(int(step[1:-1]) if step[1:-1].isdigit() and step[:1] == "[" else step for step in steps if step)


def _replace(tree: Tree, path: KeyPath, value: Tree) -> Tree:
    if not path:
        return value
    step, *rest = path
    if isinstance(step, int):
        items = list(tree)
        items[step] = _replace(items[step], tuple(rest), value)
        return items
    return {**tree, step: _replace(tree.get(step, {}), tuple(rest), value)}


def load_spec(source: Source) -> Loaded:
    """Build the complete spec of a source; raises ``UserError`` with every fault, each at its place."""
    written = Builder()
    written.build(SPEC, source.tree)
    _refuse(source, written.faults)
    tree = complete(source.tree)
    builder = Builder()
    spec: Spec = builder.build(SPEC, tree)
    _refuse(source, builder.faults)
    _refuse(source, list(check_spec(spec)))
    return Loaded(spec, tree, source)


def _refuse(source: Source, faults: list[Fault]) -> None:
    if faults:
        problems = [_locate(source, fault) for fault in faults]
        raise UserError(*sorted(problems, key=lambda problem: (problem.where, problem.line, problem.column)))


def _locate(source: Source, fault: Fault) -> Problem:
    path = fault.path
    while path and path not in source.places:
        path = path[:-1]
    place = source.places.get(path, Place(source.where, 1, 1))
    shown = path if path and isinstance(_find(source.tree, path), str) else fault.path
    return Problem(place.where, fault.what, fault.mend, fault.code, place.line, place.column, key_text(shown))


def _find(tree: Tree, path: KeyPath) -> Tree:
    for step in path:
        try:
            tree = tree[step]
        except (LookupError, TypeError):
            return None
    return tree
