"""YAML text to a tree of source text, with the line and column of every key and value, and the loaded spec.

Lives here: reading a spec's file, and putting every complaint at its place. Scalars stay source text: what ``1.30``
or ``on`` mean is for their field to say. Must not: knowing what keys mean.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import yaml

from devops_tasks.defaults import complete
from devops_tasks.errors import Fault, KeyPath, Problem, UserError, key_text
from devops_tasks.fields import UNREAD, Builder, Kind, Listing, Nested, Tree, prune, shape_at, value_at
from devops_tasks.reading import read_regular
from devops_tasks.rules import check_spec
from devops_tasks.spec import SPEC, Policy, Spec
from devops_tasks.spectext import inline

MOST_BYTES = 1_000_000
MOST_NODES = 50_000
MOST_DEPTH = 40
Event = Any
"""An event of the YAML parser, which has no type of its own worth naming."""
_LINE_BREAK = "\r\n|[\r\n\u0085\u2028\u2029]"  # those of YAML 1.1, by which its marks count
_UNPRINTABLE = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_BINARY = rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]"
_MOSTLY = 0.8
_CONFLICT = "<{7}|={7}|>{7}"
_BEGUN = ("quoted scalar", "simple key", "flow sequence", "flow mapping")
"""What the parser says of a fault whose beginning is the place to look at."""

_FAULTS = (
    ("escape", "a backslash between double quotes begins an escape", "use single quotes, or two backslashes"),
    ("hex", "a backslash between double quotes begins an escape", "use single quotes, or two backslashes"),
    ("quoted scalar", "a quote that never ends", "close it, or remove it"),
    ("flow sequence", "a list in [ ] that is not closed, or lacks a comma", "close it, or add the comma"),
    ("flow mapping", "a group in { } that is not closed, or lacks a comma", "close it, or add the comma"),
    ("expected ':'", "a line without ': '", "write 'key: value', or indent it as part of the text above"),
    (
        "mapping values",
        "the line goes on with the text above",
        "indent it like the key above; behind a key stands ': '",
    ),
    ("entries are not allowed", "a value must not begin with '- '", "quote it, or begin the list on the next line"),
    ("mapping keys", "a value must not begin with '? '", "quote it"),
    ("line break", "a text behind | or >", "begin the text on the next line"),
    ("document start", "a text behind the end of the document", "keep one group of keys in a file"),
    ("incompatible", "a line must not begin with %", "remove it"),
    ("directive", "a line must not begin with %", "remove it"),
    ("an alias", "a value must not begin with *", "quote it"),
    ("an anchor", "a value must not begin with &", "quote it"),
    ("block", "the indentation is that of no line above", "indent the keys of a group, and the items of a list, alike"),
)
"""Words of both parsers, the C one and the Python one, and what they mean to a person."""

_RESERVED = frozenset("@`%")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
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
    problems: tuple[Problem, ...] = ()
    """What is wrong with the text, and leaves a tree all the same: there ``UNREAD`` stands in its place."""
    layers: tuple[str, ...] = ()
    """The files of defaults below the text, the nearest first."""
    shape: Nested[Any] = SPEC
    """What a spec may say; template packs add fields of theirs."""
    packs: tuple[Any, ...] = ()
    """The template packs of the spec as they were read, the lowest first."""


class Loaded(NamedTuple):
    """A valid spec: its value, and the complete tree that the value was built from."""

    spec: Spec
    tree: dict[str, Tree]
    source: Source


def read_spec(path: Path) -> Source:
    """Read a spec's file; raises ``UserError`` where it cannot be read or is no YAML of plain groups and lists."""
    where = str(path)
    try:
        content = read_regular(path, MOST_BYTES)
    except FileNotFoundError:
        mend = "a spec is read from a file; write it there first" if where == "-" else "name the file of a spec"
        raise UserError(Problem(where, "no such file", mend, "unreadable")) from None
    encoding = _wide(content)
    if encoding:
        raise UserError(Problem(where, f"a text in {encoding}, not in UTF-8", "save it as UTF-8", "not-utf8", 1, 1))
    try:
        return parse_spec(content.decode("utf-8-sig"), where)
    except UnicodeDecodeError as error:
        raise UserError(_undecodable(content, error, where)) from None


def _wide(content: bytes) -> str:
    """Name the encoding in which every letter takes several bytes, by its mark or by the bytes that are zero."""
    if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "UTF-32"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    zeros = content.count(0)
    for encoding, size in (("UTF-32", 4), ("UTF-16", 2)) if zeros else ():
        for letters in (content[0::size], content[size - 1 :: size]):
            if 0 not in letters and zeros > _MOSTLY * (len(content) - len(letters)):
                return encoding
    return ""


def _undecodable(content: bytes, error: UnicodeDecodeError, where: str) -> Problem:
    before = re.split(_LINE_BREAK, content[: error.start].decode("utf-8-sig"))
    byte = f"the byte 0x{content[error.start]:02X}"
    line, column = len(before), len(before[-1]) + 1
    if re.search(_BINARY, content):
        what = f"no text but binary data: {byte}"
        return Problem(where, what, "name the file of a spec", "binary", line, column)
    return Problem(where, f"{byte} is no UTF-8", "save it as UTF-8", "not-utf8", line, column)


def parse_spec(text: str, where: str) -> Source:
    """Parse YAML into a tree of source text; raises ``UserError`` where no tree can be made of it.

    A fault that leaves a tree is kept in the source, and told together with those of the keys.
    """
    parser = _Parser(where)
    try:
        tree = parser.parse(text)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        problems = [*parser.problems, *_unprintable(text, where)]
        if isinstance(error, yaml.MarkedYAMLError) or not problems:
            problems.append(_yaml_problem(error, text, where))
        raise UserError(*sorted(problems, key=_place)) from None
    return Source(where, tree, parser.places, tuple(parser.problems))


def _place(problem: Problem) -> tuple[str, int, int]:
    return problem.where, problem.line, problem.column


def _unprintable(text: str, where: str) -> Iterator[Problem]:
    for number, line in enumerate(re.split(_LINE_BREAK, text), start=1):
        if match := re.search(_UNPRINTABLE, line):
            what = f"the control character U+{ord(match[0]):04X} is not allowed"
            yield Problem(where, what, "remove it", "control-character", number, match.start() + 1)


def _yaml_problem(error: Exception, text: str, where: str) -> Problem:
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(where, f"no valid YAML: {error}", "", "yaml")
    told = f"{error.context or ''}: {error.problem or ''}"
    begun = error.context_mark and any(each in told for each in _BEGUN) and "escape" not in told and "hex" not in told
    mark = error.context_mark if begun else error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = re.split(_LINE_BREAK, text)
    if line >= len(lines):  # the parser ends a text without a last line break as if it had one
        line, column = len(lines) - 1, len(lines[-1])
    what, mend = _explain(told, lines[line], column)
    return Problem(where, what, mend, "yaml", line + 1, column + 1)


def _explain(told: str, line: str, column: int) -> tuple[str, str]:
    """Say in the words of a person what the usual faults are, and how to mend them."""
    before, rest = line[:column], line[column:]
    if re.match(_CONFLICT, line):
        return "a merge conflict is left here", "settle it, and remove its marks"
    if before and rest[:1] in _RESERVED:
        word = re.split(r" #|, |[\]}\"]", rest, maxsplit=1)[0].strip()
        return f"a value must not begin with {rest[0]}", f'quote it: "{word}"'
    if rest[:1] == "\t" or "\t" in line[: len(line) - len(line.lstrip())]:
        return "a tab is no indentation in YAML", "use spaces"
    if "mapping values" in told and ":" in before:
        return "a ': ' inside a value that is not quoted", 'quote the whole value: "..."'
    if before.rstrip()[-1:] in {"]", "}"}:
        return "a text goes on behind a bracket", 'quote the whole value: "..."'
    found = next(((what, mend) for part, what, mend in _FAULTS if part in told), None)
    return found or (f"no valid YAML: {told.removeprefix(': ')}", "see the line that is named")


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
                    self._problem(event, "a second document", "keep one document in a file", "second-document")
                    break
            elif isinstance(event, yaml.NodeEvent):
                tree = self._node(event, events, ())
        return {} if tree is None else tree

    def _place(self, event: Event) -> Place:
        return Place(self.where, event.start_mark.line + 1, event.start_mark.column + 1)

    def _problem(self, event: Event, what: str, mend: str, code: str, path: KeyPath = ()) -> None:
        where, line, column = self._place(event)
        self.problems.append(Problem(where, what, mend, code, line, column, key_text(path)))

    def _too_large(self, event: Event, what: str) -> NoReturn:
        self._problem(event, what, "a spec is a short text", "too-large")
        raise UserError(*self.problems)

    def _node(self, event: Event, events: Iterator[Any], path: KeyPath) -> Tree:
        self.nodes += 1
        if self.nodes > MOST_NODES or len(path) > MOST_DEPTH:
            self._too_large(event, "too deeply nested" if len(path) > MOST_DEPTH else "too many values")
        if path not in self.places:  # the place of a value with a key is the key's
            self.places[path] = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        tree = self._content(event, events, path)
        if self._has_tag(event, path):
            tree = UNREAD
        if event.anchor:
            self.anchors[event.anchor] = tree
        return tree

    def _has_tag(self, event: Event, path: KeyPath) -> bool:
        if event.tag is None or event.tag == "!":
            return False
        self._problem(event, f"the tag {event.tag} is not allowed", "remove it", "tag", path)
        return True

    def _content(self, event: Event, events: Iterator[Any], path: KeyPath) -> Tree:
        if isinstance(event, yaml.ScalarEvent):
            # The C parser gives a plain scalar's style as "", the Python one as None.
            return None if not event.style and event.value in _NULLS else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return self._mapping(events, path)

    def _alias(self, event: Event, path: KeyPath) -> Tree:
        if event.anchor not in self.anchors:
            mend = f'quote it if it is text: "*{event.anchor}"'
            what = f"the alias *{event.anchor} has no anchor before it"
            self._problem(event, what, mend, "unknown-alias", path)
            return UNREAD
        tree = self.anchors[event.anchor]
        self.nodes += _count(tree)
        if len(path) + _depth(tree) > MOST_DEPTH:
            self._too_large(event, "too deeply nested")
        return tree

    def _sequence(self, events: Iterator[Any], path: KeyPath) -> Tree:
        items: list[Tree] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            item = self._node(event, events, (*path, len(items)))
            if item is None:
                mend = "write a value or remove the '-'"
                self._problem(event, "an empty item", mend, "empty-item", (*path, len(items)))
            items.append(UNREAD if item is None else item)
        return items

    def _mapping(self, events: Iterator[Any], path: KeyPath) -> Tree:
        group: dict[str, Tree] = {}
        readable = True
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                self._problem(event, "a key must be a plain word", "quote it if it is text", "invalid-key", path)
                self._node(event, events, (*path, ""))
                self._node(next(events), events, (*path, ""))
                readable = False
                continue
            self._has_tag(event, path)
            name, inner = event.value, (*path, event.value)
            if name == "<<" and not event.style:
                mend = "repeat its keys; an alias may stand for a whole group"
                self._problem(event, "a merge key is not read", mend, "unknown-key", inner)
                readable = False
            twice = name in group
            if twice:
                self._problem(event, "the key is there twice", "keep one of them", "duplicate-key", inner)
            self.places.setdefault(inner, self._place(event))
            value = self._value(event, events, inner)
            group[name] = UNREAD if twice else value
        return group if readable else UNREAD

    def _value(self, name: Event, events: Iterator[Any], path: KeyPath) -> Tree:
        """Read what is behind a key; nothing at all behind a list's could as well mean none as its default."""
        event = next(events)
        value = self._node(event, events, path)
        nothing = value is None and isinstance(event, yaml.ScalarEvent) and event.value == ""
        if nothing and isinstance(shape_at(SPEC, path), Listing):
            mend = "write its items or none; null or no key at all is the default"
            self._problem(name, "a list with nothing behind its key", mend, "empty-list", path)
        return value


def _count(tree: Tree) -> int:
    if isinstance(tree, dict):
        return 1 + sum(_count(value) for value in tree.values())
    return 1 + sum(_count(item) for item in tree) if isinstance(tree, list) else 1


def _depth(tree: Tree) -> int:
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def override(source: Source, assignments: tuple[str, ...]) -> Source:
    """Apply ``key=value`` assignments; raises ``UserError`` with every one that cannot be applied.

    A value is source text, as in a file: nothing, ``~`` or ``null`` takes the key out again.
    """
    if assignments and source.problems:
        raise UserError(*source.problems)
    problems: list[Problem] = []
    for assignment in assignments:
        try:
            source = _assign(source, assignment)
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    return source


def _assign(source: Source, assignment: str) -> Source:
    name, equals, value = assignment.partition("=")
    where = f"--set {name}"
    path = parse_path(name)
    if not equals or not path:
        raise UserError(Problem(f"--set {assignment}", "expected key=value", "such as sprint.name=25", "set"))
    if len(path) > MOST_DEPTH:
        raise UserError(Problem(where, "too deeply nested", "a spec is a short text", "too-large"))
    try:
        tree = _replace(source.tree, path, _parse_value(value, path, where))
    except (LookupError, TypeError):
        mend = "lists count from 0: services[0].port"
        raise UserError(Problem(where, "no such place in the spec", mend, "set")) from None
    kept = {place: at for place, at in source.places.items() if place[: len(path)] != path}
    groups = {path[:length]: Place(where) for length in range(1, len(path))}  # those that were not there before
    return source._replace(tree=tree, places={**groups, **kept, path: Place(where)})


def _parse_value(value: str, path: KeyPath, where: str) -> Tree:
    if value in _NULLS:
        return None
    groups = value[:1] in {"[", "{"} and not isinstance(shape_at(SPEC, path), Kind)
    if not groups:
        return value
    parsed = parse_spec(value, where)
    if parsed.problems:
        raise UserError(*parsed.problems)
    return parsed.tree


def parse_path(name: str) -> KeyPath:
    """Read a key path as the user writes it."""
    steps = name.replace("[", ".[").split(".")
    return tuple(int(step[1:-1]) if re.fullmatch(r"\[[0-9]+\]", step) else step for step in steps if step)


def _replace(tree: Tree, path: KeyPath, value: Tree) -> Tree:
    if not path:
        return value
    step, *rest = path
    if isinstance(step, int):
        if not isinstance(tree, list) or step >= len(tree):
            raise LookupError
        return [*tree[:step], _replace(tree[step], tuple(rest), value), *tree[step + 1 :]]
    return {**(tree or {}), step: _replace((tree or {}).get(step), tuple(rest), value)}


def assignments_of(tree: Tree) -> list[str] | None:
    """Give the ``--set`` assignments that make a tree; None where one of its texts cannot be given like that."""
    made = [f"{key_text(path)}={inline(shape_at(SPEC, path), value) if isinstance(value, dict | list) else value}"
            for path, value in _assigned(tree, ())]  # fmt: skip
    try:
        return made if override(Source("", {}, {}), tuple(made)).tree == tree else None
    except UserError:
        return None


def _assigned(tree: Tree, path: KeyPath) -> Iterator[tuple[KeyPath, Tree]]:
    if isinstance(tree, dict) and isinstance(shape_at(SPEC, path), Nested):
        for name, value in tree.items():
            yield from _assigned(value, (*path, name))
    else:
        yield path, tree


def load_spec(source: Source) -> Loaded:
    """Build the complete spec of a source; raises ``UserError`` with every fault, each at its place."""
    written = Builder()
    written.build(source.shape, source.tree)
    pruned = prune(source.tree)
    if not written.faults and not source.problems:
        tree = complete(pruned, source.shape)
        builder = Builder()
        spec: Spec = builder.build(source.shape, tree)
        if not builder.faults:
            refuse(source, [*check_spec(spec), *_unpermitted(source, spec.policy or (), tree, pruned)])
            return Loaded(spec, tree, source)
    from devops_tasks.salvage import salvage  # which a spec without faults never needs

    partial, computed = salvage(pruned, written.faults, source.shape)
    faults = [*written.faults, *map(_underivable, computed[:1]), *check_spec(partial)]
    if not any(fault.path[:1] == ("policy",) for fault in faults):
        policies = Builder().build(Spec.fields["policy"].shape, value_at(pruned, ("policy",)) or [])
        faults += _unpermitted(source, policies, pruned, pruned)
    refuse(source, faults)
    raise UserError(*source.problems)


def _unpermitted(source: Source, policies: tuple[Policy, ...], tree: Tree, written: Tree) -> Iterator[Fault]:
    """Hold a tree against the policies of a source, one with faults as it is written."""
    if not policies:
        return
    from devops_tasks.policy import broken  # which few specs need

    for index, fault in broken(policies, source.shape, tree, written):
        place = source.places.get(("policy", index), Place(source.where))
        rule = f"policy[{index}]" if place.line == 0 else f"{place.where}:{place.line}"
        yield fault if fault.code != "policy" else fault._replace(mend=f"{fault.mend}; the policy is at {rule}")


def _underivable(fault: Fault) -> Fault:
    """Word the first fault of a default that was computed; the others follow from it."""
    return fault._replace(what=f"no default can be made from the other keys: {fault.what}", mend="write it")


def refuse(source: Source, faults: list[Fault]) -> None:
    """Raise ``UserError`` with every fault, in the order of the file; do nothing where there is none."""
    if faults:
        problems = [*source.problems, *(locate(source, fault) for fault in faults)]
        raise UserError(*sorted(problems, key=_place))


def locate(source: Source, fault: Fault) -> Problem:
    """Tell a fault at the place of its key, or of the nearest one around it."""
    path = fault.path
    while path and path not in source.places:
        path = path[:-1]
    place = source.places.get(path, Place(source.where, 1, 1))
    shown = path if path and isinstance(value_at(source.tree, path), str) else fault.path
    return Problem(place.where, fault.what, fault.mend, fault.code, place.line, place.column, key_text(shown))
