"""Three versions of a YAML or JSON text to one, by what it means: keys of maps, named items of lists, documents.

Lines lie about such a text: a change can land in the item that now stands where another one stood, and two additions
can make one key twice. So the values are merged too, and a text is taken only when it means just that.
Must not: knowing what keys mean.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from devops_tasks.merge.sequences import chunks, merge_order
from devops_tasks.merge.texts import Conflict, Line, Merged, Policy, merge_finely, merge_lines, settle, split

Value = Any
"""Maps, lists and scalars; scalars of YAML are texts as they were written, so that ``1.30`` is not ``1.3``."""

Map = Mapping[str, Value]

Parse = Callable[[str], Value]

_REMARK = re.compile(r"[ \t]+#[^\n]*")
_NAMES = ("alert", "record", "name", "job_name", "uid", "id", "key", "title")
"""The keys that name an item of a list, the more telling first."""


class _Missing:
    """What is not there on one of the sides."""

    def __repr__(self) -> str:
        return "nothing"


_MISSING = _Missing()


def parse_yaml(text: str) -> Value:
    """Read all documents of a text by name, scalars as text; raises ``ValueError`` for no YAML, or one with aliases."""
    loader = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader)):
            msg = "aliases stand for what is written elsewhere"
            raise ValueError(msg)
        return _by_name(list(yaml.load_all(text, loader)))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _by_name(documents: Sequence[Value]) -> Map:
    """Name the documents of a text: objects as their cluster does, others by number, and one alone by nothing."""
    if len(documents) == 1 and not _document_name(documents[0]):
        return {"": documents[0]}
    named: dict[str, Value] = {}
    for number, document in enumerate(documents, start=1):
        name = _document_name(document)
        named[name if name and name not in named else f"document {number}"] = document
    return named


def parse_json(text: str) -> Value:
    """Read a JSON text; raises ``ValueError`` for what is none."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(str(error)) from None


def merge_yaml(last: str, disk: str, new: str, policy: Policy = "markers") -> Merged:
    """Merge YAML by its structure, keeping comments and the order of lines."""
    return _located(_merge_text(last, disk, new, policy, parse_yaml), disk)


def merge_json(last: str, disk: str, new: str, policy: Policy = "markers") -> Merged:
    """Merge JSON by its structure; where no lines of the three say it, it is printed anew."""
    merged = _merge_text(last, disk, new, policy, parse_json)
    if merged.conflicts and all(conflict.line for conflict in merged.conflicts):  # only the lines disagree
        try:
            value = _Values("ours").merge(*map(parse_json, (last, disk, new)))
        except ValueError:
            return merged
        return Merged(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    return _located(merged, disk)


def _located(merged: Merged, disk: str) -> Merged:
    """Add to each conflict about a value the line where it stands on disk."""
    if all(conflict.line for conflict in merged.conflicts):
        return merged
    try:
        nodes = _named_nodes(disk)
    except yaml.YAMLError:
        return merged  # a JSON that is no YAML
    conflicts = (each if each.line else each._replace(line=_line_of(each.where, nodes)) for each in merged.conflicts)
    return merged._replace(conflicts=tuple(conflicts))


def _named_nodes(text: str) -> dict[str, yaml.Node]:
    """Give the documents of a text by the names that their values are merged by."""
    loader = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
    names = _by_name(list(yaml.load_all(text, loader)))
    named = zip(names, yaml.compose_all(text, loader), strict=True)
    return dict(sorted(named, key=lambda each: -len(each[0])))


def _line_of(where: str, nodes: Mapping[str, yaml.Node], line: int = 0) -> int:
    """Find the line of a path, or of the nearest one above it that is there."""
    for path, node in nodes.items():
        if not path or (where.startswith(path) and where[len(path) :][:1] in {"", ".", "["}):
            inner = dict(_nodes_in(node, path)) if where != path else {}
            return _line_of(where, inner, node.start_mark.line + 1)
    return line


def _nodes_in(node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.Node]]:
    """Give what stands in a node, longer paths first, by the path that a conflict in it would name."""
    found: list[tuple[str, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        found = [(".".join(filter(None, (path, str(key.value)))), value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        found = [(f"{path}[{name}]", item) for item in node.value for name in _names_in(item)]
    yield from sorted(found, key=lambda each: -len(each[0]))


def _names_in(item: yaml.Node) -> Iterator[str]:
    if isinstance(item, yaml.MappingNode):
        scalars = {key.value: value.value for key, value in item.value if isinstance(value, yaml.ScalarNode)}
        yield from (scalars[name] for name in _NAMES if name in scalars)


def _merge_text(last: str, disk: str, new: str, policy: Policy, parse: Parse) -> Merged:
    coarse = merge_lines(last, disk, new, policy)
    values = _Values(policy)
    try:
        value = values.merge(*map(parse, (last, disk, new)))
    except ValueError:
        return coarse  # somebody's text is broken: lines are all that is left
    texts = (coarse.text, _fine(last, disk, new, policy), disk, new)
    written = _remarks(disk) - _remarks(
        last
    )  # what a person remarked is in no value, and must not be lost with its line
    found = next((text for text in texts if written <= _remarks(text) and _means(text, value, parse)), None)
    if values.conflicts:
        return Merged(coarse.text if found is None or policy == "markers" else found, tuple(values.conflicts))
    if found is not None:
        return Merged(found)
    return coarse if coarse.conflicts else Merged(coarse.text, (Conflict("its structure", "", "", 1),))


def _fine(last: str, disk: str, new: str, policy: Policy) -> str:
    """Merge line by line; remarks that a person wrote behind a line are taken off before, and put on afterwards."""
    lines, before = split(disk), set(split(last))
    bare = [_REMARK.sub("", line, count=1) for line in lines]
    plain = [one if one in before else line for one, line in zip(bare, lines, strict=True)]
    fine = merge_finely(split(last), plain, split(new))
    remarked = [_remarked(line, lines, plain) for line in fine.lines]
    return "".join(settle(fine._replace(lines=remarked), policy))


def _remarked(line: Line, lines: Sequence[str], plain: Sequence[str]) -> Line:
    if line.disk is None or lines[line.disk] == plain[line.disk]:
        return line
    if line.sides is not None:
        return line._replace(sides=("".join(lines[place] for place in line.mine), line.sides[1]))
    remark = _REMARK.search(lines[line.disk])
    return line._replace(text=line.text.rstrip("\n") + (remark[0] if remark else "") + "\n")


def _remarks(text: str) -> set[str]:
    """Give whatever may be a remark, line by line."""
    return {line[line.index("#") :].strip() for line in text.split("\n") if "#" in line}


def _means(text: str, value: Value, parse: Parse) -> bool:
    try:
        return bool(parse(text) == value) and not _twice(text, parse)
    except ValueError:
        return False


def _twice(text: str, parse: Parse) -> bool:
    """Say whether a key stands twice in one map, which parsers pass over in silence."""
    if parse is parse_json:
        pairs: list[bool] = []
        json.loads(text, object_pairs_hook=lambda each: pairs.append(len(dict(each)) != len(each)))
        return any(pairs)
    loader = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
    return any(map(_twice_in, yaml.compose_all(text, loader)))


def _twice_in(node: yaml.Node | None) -> bool:
    if isinstance(node, yaml.MappingNode):
        keys = Counter(key.value if isinstance(key.value, str) else repr(key.value) for key, _ in node.value)
        return max(keys.values(), default=0) > 1 or any(_twice_in(value) for _, value in node.value)
    return isinstance(node, yaml.SequenceNode) and any(_twice_in(item) for item in node.value)


class _Values:
    """One merge of values, and the conflicts that were met on the way."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.conflicts: list[Conflict] = []

    def merge(self, last: Value, disk: Value, new: Value, at: str = "") -> Value:
        if disk == last:
            return new
        if new in (last, disk):
            return disk
        kinds = {type(each) for each in (disk, new)}
        if kinds == {dict}:
            before = last if isinstance(last, dict) else {}
            return self._maps(before, disk, new, lambda key: ".".join(filter(None, (at, key))))
        if kinds == {list}:
            return self._lists(last if isinstance(last, list) else [], disk, new, at)
        self.conflicts.append(Conflict(at or "all of it", _shown(disk), _shown(new)))
        return new if self.policy == "theirs" else disk

    def _maps(self, last: Map, disk: Map, new: Map, path: Callable[[str], str]) -> Map:
        """Merge what names its parts; ``path`` says how the path to a part is written."""
        merged = {}
        for key in merge_order(list(last), list(disk), list(new)):
            sides = [each.get(key, _MISSING) for each in (last, disk, new)]
            merged[key] = self.merge(sides[0], sides[1], sides[2], path(key))
        return {key: value for key, value in merged.items() if value is not _MISSING}

    def _lists(self, last: Sequence[Value], disk: Sequence[Value], new: Sequence[Value], at: str) -> list[Value]:
        names = _naming(last, disk, new)
        if names is None:
            return self._unnamed(last, disk, new, at)
        one, two, three = (dict(zip(names(each), each, strict=True)) for each in (last, disk, new))
        return list(self._maps(one, two, three, lambda name: f"{at}[{name}]").values())

    def _unnamed(self, last: Sequence[Value], disk: Sequence[Value], new: Sequence[Value], at: str) -> list[Value]:
        merged: list[Value] = []
        texts = [[json.dumps(item, sort_keys=True) for item in each] for each in (last, disk, new)]
        for chunk in chunks(*texts):
            settled = chunk.settled
            if settled is None:
                self.conflicts.append(Conflict(at or "the list", ", ".join(chunk.disk), ", ".join(chunk.new)))
                settled = chunk.new if self.policy == "theirs" else chunk.disk
            merged += map(json.loads, settled)
        return merged


def _naming(*lists: Sequence[Value]) -> Callable[[Sequence[Value]], list[str]] | None:
    """Find what names the items of three lists, each its own; None where nothing does."""
    for name in map(_by_key, _NAMES):
        named = [[name(item) for item in each] for each in lists]
        if all("" not in each and len(set(each)) == len(each) for each in named):
            return lambda items, name=name: [name(item) for item in items]  # type: ignore[misc]
    return None


def _by_key(key: str) -> Callable[[Value], str]:
    return lambda item: str(item.get(key, "")) if isinstance(item, dict) else ""


def _document_name(item: Value) -> str:
    """Name a Kubernetes object as its cluster does: by kind, namespace and name."""
    if not isinstance(item, dict) or not isinstance(item.get("metadata"), dict) or "kind" not in item:
        return ""
    metadata = item["metadata"]
    return f"{item['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata.get('name'))))}"


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else "nothing" if value is _MISSING else json.dumps(value)
