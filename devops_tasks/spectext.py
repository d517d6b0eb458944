"""A tree as the text that a person would have written: groups apart, only what differs, a remark at each choice.

Lives here: what is worth writing, in which order, with which quotes and remarks. Must not: reading files, asking.
"""

import re
from collections.abc import Iterator, Mapping

from devops_tasks.defaults import complete
from devops_tasks.errors import KeyPath
from devops_tasks.fields import Field, Kind, Listing, Nested, Shape, Tree, field_at, shape_at, value_at
from devops_tasks.filters import yaml_block, yaml_text
from devops_tasks.spec import SPEC

Remarks = Mapping[KeyPath, str]

_PLAIN = r"[A-Za-z/](?:[^\W_]|[_/.,;()'?!+*=$%&|~<>@\"-]|:(?=[^\s])|(?<=[^\s])#| (?! |$))*"
_MOST_COLUMNS = 60
_LOOKS_TYPED = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def spec_text(tree: Tree, schema: str = "", remarks: Remarks | None = None) -> str:
    """Write a valid tree: groups apart, quotes where needed, the schema for editors first, remarks behind values."""
    writer = _Writer(remarks or {})
    groups = ("\n".join(writer.lines(shape_at(SPEC, (name,)), name, tree[name], (name,))) for name in tree)
    head = f"# yaml-language-server: $schema={schema}\n" if schema else ""
    return head + "\n\n".join(groups) + "\n"


def key_lines(path: KeyPath, value: Tree) -> list[str]:
    """Write one key and its value as lines of a block, its own column first."""
    return list(_Writer({}).lines(shape_at(SPEC, path), _quote(str(path[-1])), value, path))


def item_lines(path: KeyPath, value: Tree) -> list[str]:
    """Write one item of a list as lines of a block, from its dash on."""
    return list(_Writer({}).item(shape_at(SPEC, path), value, path))


class _Writer:
    """Writes the lines of a tree, with the remarks at their places."""

    def __init__(self, remarks: Remarks) -> None:
        self.remarks = remarks

    def lines(self, shape: Shape | None, name: str, tree: Tree, path: KeyPath) -> Iterator[str]:
        if not tree or isinstance(tree, str) or _is_short(shape, tree):
            first, *rest = self._scalar(shape, tree, path)
            yield f"{name}: {first}"
            yield from rest
        elif isinstance(tree, dict):
            yield f"{name}:"
            yield from map(_indented, self._group(shape, tree, path))
        else:
            yield f"{name}:"
            for index, item in enumerate(tree):
                inner = (*path, index)
                yield from map(_indented, self.item(shape and shape_at(shape, (index,)), item, inner))

    def item(self, shape: Shape | None, item: Tree, path: KeyPath) -> Iterator[str]:
        group = bool(item) and isinstance(item, dict)
        lines = self._group(shape, item, path) if group else self._scalar(shape, item, path)
        for index, line in enumerate(lines):
            yield _indented(line) if index else f"- {line}"

    def _group(self, shape: Shape | None, tree: dict[str, Tree], path: KeyPath) -> Iterator[str]:
        for name, value in tree.items():
            yield from self.lines(shape and shape_at(shape, (name,)), _quote(name), value, (*path, name))

    def _scalar(self, shape: Shape | None, tree: Tree, path: KeyPath) -> list[str]:
        if isinstance(tree, str) and "\n" in tree:
            return yaml_block(tree, 2).split("\n")
        remark = self.remarks.get(path)
        return [inline(shape, tree) + (f"  # {remark}" if remark else "")]


def _is_short(shape: Shape | None, tree: Tree) -> bool:
    """Say whether a list is one of names or numbers that fit in a line; sentences are better read one below another."""
    named = isinstance(shape, Listing) and isinstance(shape.item, Kind) and not shape.item.free
    return named and isinstance(tree, list) and len(inline(shape, tree)) <= _MOST_COLUMNS


def _indented(line: str) -> str:
    return line and f"  {line}"


def inline(shape: Shape | None, tree: Tree, *, flow: bool = False) -> str:
    """Write a value in one line; ``flow`` says that it stands between brackets, where more must be quoted."""
    if isinstance(tree, dict):
        pairs = (f"{_quote(name)}: {_within(shape, name, value)}" for name, value in tree.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(_within(shape, 0, item) for item in tree) + "]"
    if isinstance(shape, Nested) and shape.scalar:
        shape = shape.record.fields[shape.scalar].shape
    if _is_typed(shape, tree) and not tree.startswith("- "):
        return str(tree)
    return yaml_text(tree) if flow and re.search(r"[,\[\]{}]", tree) else _quote(tree)


def _is_typed(shape: Shape | None, text: str) -> bool:
    """Say whether a scalar is no text but a quantity, a number or a switch: quotes would be in the reader's way."""
    try:
        return isinstance(shape, Kind) and not shape.free and not isinstance(shape.parse(text), str)
    except ValueError:
        return False


def _within(shape: Shape | None, step: str | int, tree: Tree) -> str:
    return inline(shape and shape_at(shape, (step,)), tree, flow=True)


def _quote(text: str) -> str:
    """Leave text as it is only where every version of YAML reads that very text, whatever follows it."""
    plain = re.fullmatch(_PLAIN, text) and text.casefold() not in _LOOKS_TYPED
    return text if plain else yaml_text(text)


# What is worth writing


def essential(tree: Tree) -> Tree:
    """Keep of a valid tree what differs from the defaults, in the order of the spec's fields."""
    whole = complete(tree)
    kept = ordered(tree)
    for path in sorted(_places(kept), key=len, reverse=True):
        rest = without(kept, path) if value_at(kept, path) is not None else kept
        if _complete(rest) == whole:
            kept = rest
    return ordered(kept)


def ordered(tree: Tree) -> Tree:
    """Put the keys of a tree into the order of the spec's fields, and groups of one word into that word."""
    return _sorted(SPEC, tree)


def _complete(tree: Tree) -> Tree:
    try:
        return complete(tree)
    except (LookupError, TypeError, ValueError):  # what was taken out is needed by a default
        return None


def _places(tree: Tree, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Walk every key of a tree, groups as well as what is in them; the items of a list belong together."""
    for step, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        inner = (*path, step)
        if isinstance(step, str):
            yield inner
        yield from _places(value, inner)


def _sorted(shape: Shape | None, tree: Tree) -> Tree:
    if isinstance(tree, list) and isinstance(shape, Listing):
        return [_sorted(shape.item, item) for item in tree]
    if isinstance(tree, dict) and isinstance(shape, Nested):
        fields = shape.record.fields
        group = {name: _sorted(fields[name].shape, tree[name]) for name in fields if name in tree}
        return group[shape.scalar] if list(group) == [shape.scalar] else group
    return tree


def without(tree: Tree, path: KeyPath) -> Tree:
    """Take a key out of a tree, and the groups that it leaves empty; the tree itself stays as it is."""
    step, *rest = path
    if isinstance(tree, list):
        return [without(item, tuple(rest)) if index == step else item for index, item in enumerate(tree)]
    inner = without(tree[step], tuple(rest)) if rest else None
    kept = {name: value for name, value in tree.items() if name != step}
    return {name: inner if name == step else value for name, value in tree.items()} if inner else kept


_MOST_CHOICES = 5


def remarks(tree: Tree) -> Remarks:
    """Say at each choice what else could have been chosen, or what would hold without it."""
    told = {path: _remark(tree, path, field_at(SPEC, path)) for path in _places(tree)}
    return {path: remark for path, remark in told.items() if remark}


def _remark(tree: Tree, path: KeyPath, field: Field | None) -> str:
    if field is None or field.required or not isinstance(field.shape, Kind):
        return ""
    others = [word for word in field.shape.choices if word != value_at(tree, path)]
    if 0 < len(others) < _MOST_CHOICES:
        return f"or {', '.join(others)}"
    return f"instead of {field.default}" if isinstance(field.default, str) else ""
