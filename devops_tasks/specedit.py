"""A spec's own text with other answers in it: what did not change stays as it was written, comments and order included.

Lives here: finding the place of each change, and writing there and nowhere else. Must not: reading files, asking.
"""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import yaml

from devops_tasks.errors import KeyPath, Problem, UserError
from devops_tasks.fields import Listing, Tree, prune, shape_at
from devops_tasks.spec import SPEC
from devops_tasks.specfile import parse_spec
from devops_tasks.spectext import inline, item_lines, key_lines

Node = Any
"""A node of the YAML composer, which knows where it begins and ends."""


class _Edit(NamedTuple):
    """Other text for the characters from one place to another."""

    start: int
    end: int
    text: str


def edit_text(text: str, tree: Tree, where: str) -> str:
    """Give the text of a spec that holds another tree; raises ``UserError`` where it cannot be changed in place."""
    source = parse_spec(text, where)
    if not isinstance(source.tree, dict) or not source.tree:
        raise UserError(_refusal(where))
    edited = _Editor(text).edit(prune(source.tree), tree)
    try:
        read = prune(parse_spec(edited, where).tree)
    except UserError:
        read = None
    if read != tree:
        raise UserError(_refusal(where))
    return edited


def _refusal(where: str) -> Problem:
    what = "is written in a way that cannot be changed without losing its comments"
    return Problem(where, what, "change it by hand, or write the answers to another file", "exists")


class _Editor:
    """Collects the edits that lead from a text to another tree."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.edits: list[_Edit] = []

    def edit(self, old: Tree, new: Tree) -> str:
        # The parser in Python counts in characters, on every machine.
        self._group(yaml.compose(self.text, Loader=yaml.SafeLoader), old, new, ())
        text = self.text if self.text.endswith("\n") else f"{self.text}\n"
        for edit in sorted(self.edits, reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return text

    def _value(self, node: Node, old: Tree, new: Tree, path: KeyPath) -> None:
        if old == new:
            return
        if isinstance(node, yaml.MappingNode) and isinstance(old, dict) and isinstance(new, dict) and new:
            self._group(node, old, new, path)
        elif isinstance(node, yaml.SequenceNode) and isinstance(old, list) and isinstance(new, list) and new:
            self._list(node, old, new, path)
        else:
            self._replace(node, new, path)

    def _replace(self, node: Node, new: Tree, path: KeyPath) -> None:
        gap = "" if self.text[node.start_mark.index - 1 : node.start_mark.index].isspace() else " "
        written = inline(shape_at(SPEC, path), new, flow=True)
        self.edits.append(_Edit(node.start_mark.index, self._end(node), gap + written))

    def _group(self, node: Node, old: dict[str, Tree], new: dict[str, Tree], path: KeyPath) -> None:
        pairs = {key.value: (key, value) for key, value in node.value}
        changed = {name for name in old if name not in new} | {name for name in new if name not in pairs}
        first = next(iter(pairs)) not in new and bool(path) and isinstance(path[-1], int)  # it stands behind a dash
        if changed and (node.flow_style or first or not set(pairs) & set(new)):
            self._replace(node, new, path)
            return
        for name, (key, value) in pairs.items():
            if name in new:
                self._value(value, old.get(name), new[name], (*path, name))
            elif name in old:
                self._remove(key, value)
        last = max(self._end(value) for name, (_, value) in pairs.items() if name in new)
        added = [key_lines((*path, name), new[name]) for name in new if name not in pairs]
        self._insert(last, node.start_mark.column, added, apart=not path)

    def _list(self, node: Node, old: list[Tree], new: list[Tree], path: KeyPath) -> None:
        if node.flow_style and len(old) != len(new):
            self._replace(node, new, path)
            return
        before, after = (_names(shape_at(SPEC, path), items) for items in (old, new))
        for how, start, end, first, last in SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
            if how == "equal" or end - start == last - first:  # the same ones, or as many that were renamed
                for index, other in zip(range(start, end), range(first, last), strict=True):
                    self._value(node.value[index], old[index], new[other], (*path, other))
                continue
            for item in node.value[start:end]:
                self._remove(item, item)
            items = [item_lines((*path, index), new[index]) for index in range(first, last)]
            place = self._end(node.value[end - 1]) if end else self._line_start(node.start_mark.index) - 1
            self._insert(place, node.start_mark.column, items, apart=False)

    def _remove(self, first: Node, last: Node) -> None:
        start, end = self._line_start(first.start_mark.index), self._line_end(self._end(last))
        self.edits.append(_Edit(start, end + 1, ""))

    def _insert(self, after: int, column: int, blocks: Sequence[list[str]], *, apart: bool) -> None:
        lines = [" " * column + line if line else "" for block in blocks for line in ([""] if apart else []) + block]
        if lines:
            at = self._line_end(after) + 1
            self.edits.append(_Edit(at, at, "\n".join(lines) + "\n"))

    def _end(self, node: Node) -> int:
        """Find where the text of a node ends; that of a block ends with its last value, not with what follows it."""
        if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
            written = self.text[node.start_mark.index : node.end_mark.index]
            return int(node.start_mark.index) + len(written.rstrip())
        last = node.value[-1]
        return self._end(last[1] if isinstance(last, tuple) else last)

    def _line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def _line_end(self, index: int) -> int:
        end = self.text.find("\n", index)
        return len(self.text) if end < 0 else end


def _names(shape: Any, items: list[Tree]) -> list[str]:  # noqa: ANN401 - any shape of the spec
    """Name the items of a list, so that one that moved or went is known again."""
    name = shape.name if isinstance(shape, Listing) else ""
    return [str(item.get(name) if name and isinstance(item, dict) else item) for item in items]


def changed_keys(old: Tree, new: Tree, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Tree, Tree]]:
    """Walk the values that differ between two trees, each with what it was and is; None where nothing is."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from changed_keys(old.get(name), new.get(name), (*path, name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from changed_keys(*pair, (*path, index))
    elif old != new:
        yield path, old, new
