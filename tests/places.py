"""Where each text and number of a bundle stands: every file read by the parser of its language, down to its leaves.

A leaf's *place* is its address in words, such as ``Deployment cart-blue.spec.replicas``; items of lists go by their
names. What no parser keeps, the comments of YAML, are leaves too: a number in a comment must be right as well.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import promql_parser
import yaml
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Callable

    from markdown_it.token import Token

    from devops_tasks.render import Files

Found = Iterator[tuple[str, str]]
"""Places in one file, each with its text."""

Parsed = Any
"""What a parser of some language makes of a file."""

SHFMT = str(Path(sys.executable).with_name("shfmt"))
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_IDENTITIES = ("alert", "record", "job_name", "name", "secretKey", "Key", "title", "series", "destination", "receiver")
_QUERIES = ("expr", "query")
_COMPOUND = re.compile(r"\b(?:(\d+)h)?(?:(\d+)m)?(\d+)s\b")


class Leaf(NamedTuple):
    """One text of a file: the smallest part that its language knows."""

    file: str
    place: str
    text: str


def leaves(files: Files) -> Iterator[Leaf]:
    """Read a bundle, file by file."""
    for file in sorted(files):
        read = _READERS.get(file[file.rindex(".") :], _lines)
        for place, text in read(files[file], files):
            yield Leaf(file, place, text)


def _yaml(text: str, _files: Files) -> Found:
    for document in yaml.compose_all(text, Loader=yaml.CSafeLoader):
        if document is not None:
            yield from _node(document, _root(document))
    for line in text.splitlines():
        before, sign, comment = line.partition("# ")
        if sign and (not before.strip(" -") or before.endswith("  ")):
            yield "#", comment


def _root(document: yaml.Node) -> str:
    keys = _scalars(document)
    metadata = next((value for key, value in document.value if key.value == "metadata"), None) if keys else None
    name = _scalars(metadata).get("name", "") if metadata else ""
    return f"{keys.get('kind', '')} {name}".strip()


def _scalars(node: Parsed) -> dict[str, str]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {key.value: value.value for key, value in pairs if isinstance(value, yaml.ScalarNode)}


def _node(node: yaml.Node, place: str) -> Found:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield f"{place} key", key.value
            yield from _node(value, f"{place}.{key.value}")
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _node(item, f"{place}[{_identity(_scalars(item))}]")
    else:
        yield from _scalar(node.value, place)


def _identity(keys: dict[str, Any]) -> str:
    return next((str(keys[name]) for name in _IDENTITIES if isinstance(keys.get(name), str)), "")


def _scalar(text: str, place: str) -> Found:
    if place.rpartition(".")[2] in _QUERIES:
        yield from _promql(text, place)
    else:
        yield place, text


def _promql(text: str, place: str) -> Found:
    try:
        expression = promql_parser.parse(re.sub(r"\$__\w+", "1m", text))
    except ValueError:
        yield place, text
    else:
        yield from _expression(expression, place)


def _expression(node: Parsed, place: str) -> Found:
    """Walk a query; a number that something is compared with goes by the sign."""
    if isinstance(node, promql_parser.BinaryExpr):
        sign = str(node.op)
        yield from _expression(node.lhs, place)
        yield from _expression(
            node.rhs, f"{place} {sign}" if isinstance(node.rhs, promql_parser.NumberLiteral) else place
        )
    elif isinstance(node, promql_parser.NumberLiteral):
        yield place, repr(node.val)
    else:
        yield place, _COMPOUND.sub(_in_seconds, node.prettify())


def _in_seconds(span: re.Match[str]) -> str:
    """Write a time of several units as one number, as every other quantity is."""
    hours, minutes, seconds = (int(part or 0) for part in span.groups())
    return f"{hours * 3600 + minutes * 60 + seconds}s"


def _json(text: str, _files: Files) -> Found:
    yield from _value(json.loads(text, parse_float=str, parse_int=str), "")


def _value(value: Parsed, place: str) -> Found:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _value(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _value(item, f"{place}[{_identity(item if isinstance(item, dict) else {})}]")
    else:
        yield from _scalar(str(value), place)


def _shell(text: str, _files: Files) -> Found:
    done = subprocess.run([SHFMT, "--to-json"], input=text, capture_output=True, text=True, check=True)
    yield from _syntax(json.loads(done.stdout), "")


def _syntax(node: Parsed, place: str) -> Found:
    """Walk a script; a word goes by the function, the variable and the command that it belongs to."""
    if isinstance(node, list):
        for item in node:
            yield from _syntax(item, place)
    elif isinstance(node, dict):
        inner = f"{place}{_holder(node)}"
        if node.get("Type") in {"Lit", "SglQuoted"} or "Text" in node or set(node) >= {"Value", "ValuePos"}:
            yield inner, str(node.get("Value", node.get("Text", "")))
        for key, value in node.items():
            yield from _syntax(value, f"{inner} #" if key == "Comments" else inner)


def _holder(node: dict[str, Any]) -> str:
    if node.get("Type") == "FuncDecl":
        return f" {node['Name']['Value']}()"
    if node.get("Type") == "CallExpr" and node.get("Args"):
        return f" {_literal(node['Args'][0])}"
    if isinstance(node.get("Name"), dict) and ("Value" in node or "Array" in node):
        return f" {node['Name']['Value']}="
    if node.get("Type") == "ParamExp":
        return f" ${{{node['Param']['Value']}}}" if "Param" in node else ""
    return ""


def _literal(word: dict[str, Any]) -> str:
    return "".join(str(part.get("Value", "$")) for part in word["Parts"])


def _markdown(text: str, files: Files) -> Found:
    """Walk a document; a text goes by the headings above it, a cell by its column and its row's first cell."""
    headings: list[str] = []
    tokens = MARKDOWN.parse(text)
    shown = "\n".join(files.values())
    table: list[list[str]] = []
    for index, token in enumerate(tokens):
        where = " > ".join(headings[1:])
        if token.type == "heading_open":
            level = int(token.tag[1])
            headings = [*headings[: level - 1], tokens[index + 1].content]
        elif token.type == "table_open":
            table = []
        elif token.type == "tr_open":
            table.append([])
        elif token.type == "inline" and tokens[index - 1].type in {"th_open", "td_open"}:
            table[-1].append(_plain(token))
            row, column = table[-1], table[0][len(table[-1]) - 1]
            yield f"{where} | {row[0] if len(row) > 1 and not column else ''} | {column}", row[-1]
        elif token.type == "inline":
            yield from ((where, line) for line in _plain(token).splitlines())
        elif token.type == "fence" and (text != files.get("tasks.md") or token.content not in shown.replace(text, "")):
            yield from _block(token, where)


def _block(token: Token, where: str) -> Found:
    if token.info == "promql":
        yield from _promql(token.content, f"{where} ```promql")
    else:
        yield from ((f"{where} ```{token.info}", line) for line in token.content.splitlines())


def _plain(token: Token) -> str:
    """Give the text of a paragraph with the addresses of its links."""
    parts = {"softbreak": "\n", "hardbreak": "\n"}
    children = token.children or []
    return "".join(parts.get(child.type, child.content + str(child.attrs.get("href", ""))) for child in children)


def _lines(text: str, _files: Files) -> Found:
    for line in text.splitlines():
        yield "", line


_READERS: dict[str, Callable[[str, Files], Any]] = {
    ".yml": _yaml,
    ".yaml": _yaml,
    ".json": _json,
    ".md": _markdown,
    ".sh": _shell,
}
