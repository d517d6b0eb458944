"""Markdown text to what the checks ask of it: headings, links, fences, tables, prose without its code.

A scanner over lines, not a parser: it runs in every ``generate``. A test holds it against a CommonMark parser.
Must not: judging.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_QUOTE = r"(?:[ \t]{0,3}>[ \t]?)*"
_FENCE = re.compile(rf"{_QUOTE}[ \t]*(?:(?:[-*+]|\d+[.)])[ \t]+)*(?P<fence>`{{3,}}|~{{3,}})(?P<info>.*)$")
_HEADING = re.compile(rf"^{_QUOTE} {{0,3}}(?P<marks>#{{1,6}})(?:[ \t]+(?P<text>.*?))??(?:[ \t]+#+)?[ \t]*$")
_DEFINITION = r"(?m)^ {0,3}\[[^\]\\]+\]:[ \t]*(?P<target><[^<>\n]*>|\S+)"
_ANCHOR = r"(?i)<a\s[^<>]{0,200}?(?:id|name)=[\"']([^\"'<>]+)[\"']"
_INLINE = re.compile(
    r"\\[^\n]"
    r"|(?P<code>(?P<ticks>`+)(?!`)(?P<inner>.+?)(?<!`)(?P=ticks)(?!`))"
    r"|\]\(\s*(?P<target><[^<>\n]*>|[^\s()<>]*(?:\([^\s()]*\)[^\s()]*)*)"
    r"(?:\s+(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)))?\s*\)",
    re.DOTALL,
)
_DELIMITER = r"^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$"
_ESCAPE = r"\\([!-/:-@\[-`{-~])"


class Link(NamedTuple):
    """A link as it was written, ``target`` without angle brackets and escapes; ``line`` counts from 1."""

    line: int
    target: str


class Fence(NamedTuple):
    """A fenced block: the line of its opening fence, its language and its text."""

    line: int
    language: str
    text: str


class Page(NamedTuple):
    """What a page consists of; ``prose`` has the text of every line that is in no fence, blank lines for the others."""

    prose: str
    fences: tuple[Fence, ...]
    links: tuple[Link, ...]
    unclosed: tuple[int, ...]


@lru_cache(maxsize=512)
def read_page(text: str) -> Page:
    """Scan one Markdown page."""
    prose, fences, unclosed = _split(text)
    visible = _without_comments(prose)
    return Page(visible, tuple(fences), tuple(_links(visible)), tuple(unclosed))


@lru_cache(maxsize=512)
def read_anchors(text: str) -> frozenset[str]:
    """List what links into a page may name; few pages are linked so, so this waits until it is asked."""
    return frozenset(_anchors(read_page(text).prose))


def _without_comments(prose: str) -> str:
    """Blank the comments, by hand: a pattern would look for the end of each one that has none, up to the last line."""
    parts, position = [], 0
    while (start := prose.find("<!--", position)) >= 0 and (end := prose.find("-->", start)) >= 0:
        parts += [prose[position:start], "\n" * prose.count("\n", start, end)]
        position = end + len("-->")
    return "".join(parts) + prose[position:]


def _split(text: str) -> tuple[str, list[Fence], list[int]]:
    prose: list[str] = []
    fences: list[Fence] = []
    opened: re.Match[str] | None = None
    begin = end = 0  # of the fence's text, and of the prose that came before it
    counted, line = 0, 1
    for match in _fence_lines(text):
        if opened is None and not ("`" in match["info"] and match["fence"][0] == "`"):
            opened, begin = match, match.end() + 1
            prose.append(text[end : match.start()])
            line += text.count("\n", counted, match.start())
            counted = match.start()
        elif opened is not None and _closes(opened["fence"], match):
            language = (opened["info"].split() or [""])[0]
            fences.append(Fence(line, language, text[begin : max(begin, match.start() - 1)]))
            prose.append("\n" * text.count("\n", opened.start(), match.end()))
            opened, end = None, match.end()
    if opened is None:
        return "".join((*prose, text[end:])), fences, []
    prose.append("\n" * text.count("\n", opened.start()))
    return "".join(prose), fences, [line]


def _fence_lines(text: str) -> Iterator[re.Match[str]]:
    """Find the lines that may open or close a fence, from the marks back to the beginning of their line."""
    position = -1
    for marks in re.finditer("```|~~~" if "~~~" in text else "```", text):
        if marks.start() > position:
            begin = text.rfind("\n", 0, marks.start()) + 1
            position = text.find("\n", marks.end()) % (len(text) + 1)
            match = _FENCE.match(text, begin, position)
            if match:
                yield match


def _closes(fence: str, match: re.Match[str]) -> bool:
    return match["fence"][0] == fence[0] and len(match["fence"]) >= len(fence) and not match["info"].strip()


def _links(prose: str) -> Iterator[Link]:
    if "](" not in prose and "]:" not in prose:
        return
    for block, line in _blocks(prose):
        inline = _INLINE.finditer(block) if "](" in block else ()
        definitions = re.finditer(_DEFINITION, block) if "]:" in block else ()
        for match in (*inline, *definitions):
            target = match["target"]
            if target is not None:
                yield Link(line + block.count("\n", 0, match.start()), _plain_target(target))


def _blocks(prose: str) -> Iterator[tuple[str, int]]:
    """Give each run of lines with a link but no blank line in it, since no code span or link reaches over one."""
    position, counted, line = 0, 0, 1
    for block in re.split(r"(\n[ \t]*\n\s*)", prose):
        if "](" in block or "]:" in block:
            line += prose.count("\n", counted, position)
            counted = position
            yield block, line
        position += len(block)


def _plain_target(target: str) -> str:
    inner = target[1:-1] if target.startswith("<") else target
    return _unescape(re.sub(_ESCAPE, r"\1", inner) if "\\" in inner else inner)


def _unescape(text: str) -> str:
    if "&" not in text or ";" not in text:
        return text
    from html import unescape  # its table of entities is large, and few texts have one

    return unescape(text)


def _anchors(prose: str) -> Iterator[str]:
    seen: dict[str, int] = {}
    for line in prose.split("\n"):
        match = _HEADING.match(line) if "#" in line else None
        if match:
            name = slug(match["text"] or "")
            count = seen.get(name, 0)
            seen[name] = count + 1
            yield f"{name}-{count}" if count else name
    yield from re.findall(_ANCHOR, prose) if "<a" in prose.lower() else ()


def slug(heading: str) -> str:
    """Name the anchor of a heading as the usual forges do: lower case, spaces to hyphens, punctuation dropped."""
    text = _unescape(_INLINE.sub(_spoken, heading)).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def _spoken(match: re.Match[str]) -> str:
    if match["code"]:
        return str(match["inner"])
    return "" if match["target"] is not None else match[0][1:]


class Row(NamedTuple):
    """A row of a table with another number of cells than its header."""

    line: int
    cells: int
    wanted: int


def uneven_rows(prose: str) -> Iterator[Row]:
    """Find the rows of tables whose cells are not as many as the header's: renderers drop or invent cells silently."""
    lines = prose.split("\n")
    wanted = 0
    for number, line in enumerate(lines, start=1):
        if "|" not in line:
            wanted = 0
        elif not wanted and number > 1 and re.match(_DELIMITER, line) and "|" in lines[number - 2]:
            wanted = _cells(line)
            if _cells(lines[number - 2]) != wanted:
                yield Row(number - 1, _cells(lines[number - 2]), wanted)
        elif wanted and _cells(line) != wanted:
            yield Row(number, _cells(line), wanted)


def _cells(line: str) -> int:
    inner = re.sub(r"\\.", "", line.strip())
    return inner.removeprefix("|").removesuffix("|").count("|") + 1
