"""YAML and JSON text to plain values that know the lines they came from, with a problem for all that does not parse.

Lives here: reading structured text that anybody may have edited. Must not: knowing what a document is about.
"""

import json
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from devops_tasks.errors import KeyPath, Problem, key_text

Value = Any
"""A value of YAML or JSON: dict, list, text, number, boolean, date or None."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
YAML = (".yml", ".yaml")
_MOST_DEPTH = 100


class Document(NamedTuple):
    """One document of a file; ``lines`` has the line of every key and item that is a mapping or a list or a scalar."""

    path: str
    content: Value
    lines: Mapping[KeyPath, int]

    def line(self, path: KeyPath = ()) -> int:
        """Find the line of a key path, or of the nearest one above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def at(self, path: KeyPath) -> Value:
        """Find the value at a key path, None where a step is missing."""
        value = self.content
        for step in path:
            try:
                value = value[step]
            except (LookupError, TypeError):
                return None
        return value

    def texts(self) -> Iterator[tuple[KeyPath, str]]:
        """Give every text of the document with its key path."""
        yield from _texts(self.content, ())


def _texts(value: Value, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))


class _Constructor(yaml.constructor.SafeConstructor):
    """Reads a tag that belongs to the file's consumer (``!Ref``, ``!reference``) as the plain value below it."""

    def construct_unknown(self, node: yaml.Node) -> Value:
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        return node.value


_Constructor.add_constructor(None, _Constructor.construct_unknown)  # type: ignore[type-var]


def read_yaml(path: str, text: str) -> tuple[list[Document], list[Problem]]:
    """Read every document of a YAML file, and what is wrong with the text."""
    if _too_deep(text):
        return [], [Problem(path, "no valid YAML: nested too deeply", "", "yaml")]
    try:
        nodes = list(yaml.compose_all(text, Loader=_LOADER))
        documents = [_document(path, node) for node in nodes]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        return [], [Problem(path, f"no valid YAML: {error.problem or error.context}", "", "yaml", line, column)]
    except (yaml.YAMLError, ValueError):
        return [], [Problem(path, "no valid YAML: characters or values that YAML does not allow", "", "yaml")]
    return documents, [problem for node in nodes for problem in _doubles(path, node, (), set())]


def _too_deep(text: str) -> bool:
    """Find nesting that would end the process: the parser in C goes down without asking how far."""
    if text.count("[") + text.count("{") + text.count("- -") + text.count("? ?") < _MOST_DEPTH:
        return False
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MOST_DEPTH:
                return True
    except (yaml.YAMLError, ValueError):
        pass
    return False


def _document(path: str, node: yaml.Node) -> Document:
    lines: dict[KeyPath, int] = {}
    _note_lines(node, (), lines, set())
    return Document(path, _Constructor().construct_document(node), lines)


def _note_lines(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], seen: set[int]) -> None:
    lines[path] = node.start_mark.line + 1
    if id(node) in seen:
        return  # an alias: its lines are those of its anchor
    seen.add(id(node))
    for step, key, value in _children(node):
        _note_lines(value, (*path, step), lines, seen)
        lines[*path, step] = key.start_mark.line + 1


def _children(node: yaml.Node) -> Iterator[tuple[str | int, yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode))
    elif isinstance(node, yaml.SequenceNode):
        yield from ((index, item, item) for index, item in enumerate(node.value))


def _doubles(path: str, node: yaml.Node, place: KeyPath, seen: set[int]) -> Iterator[Problem]:
    if id(node) in seen:
        return
    seen.add(id(node))
    names: set[Hashable] = set()
    for step, key, value in _children(node):
        if isinstance(node, yaml.MappingNode) and step in names:
            where = key.start_mark
            yield _double(path, (*place, step))._replace(line=where.line + 1, column=where.column + 1)
        names.add(step)
        yield from _doubles(path, value, (*place, step), seen)


def _double(path: str, place: KeyPath) -> Problem:
    return Problem(path, f"{key_text(place)} is there twice", "keep one of them", "duplicate-key")


def read_json(path: str, text: str) -> tuple[list[Document], list[Problem]]:
    """Read a JSON file, and what is wrong with the text."""
    doubles: list[str] = []

    def keep(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
        names = [name for name, _ in pairs]
        doubles.extend(name for name in dict.fromkeys(names) if names.count(name) > 1)
        return dict(pairs)

    try:
        content = json.loads(text, object_pairs_hook=keep)
    except json.JSONDecodeError as error:
        return [], [Problem(path, f"no valid JSON: {error.msg.lower()}", "", "json", error.lineno, error.colno)]
    except RecursionError:
        return [], [Problem(path, "no valid JSON: nested too deeply", "", "json")]
    return [Document(path, content, {})], [_double(path, (name,)) for name in doubles]


def read_documents(files: Mapping[str, str]) -> tuple[list[Document], list[Problem]]:
    """Read all YAML and JSON of a bundle; a file that does not parse gives a problem and no documents."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for path, text in files.items():
        if path.endswith((*YAML, ".json")):
            read = read_json if path.endswith(".json") else read_yaml
            found, wrong = read(path, text)
            documents += found
            problems += wrong
    return documents, problems
