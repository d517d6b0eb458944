"""A Markdown document as a list of statements: which label or heading a text stands under, and in which line.

Lives here: the Markdown parser, and what authors do with bold words, lists, quotes and tables. Must not: knowing what a
statement means.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

_FRONT = re.compile(r"---\n(?P<lines>(?:[\w -]+:.*\n)+)---\n")
_BREAKS = frozenset({"softbreak", "hardbreak"})
_OF_TABLES = frozenset({"thead_open", "tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close"})
_TOLD = frozenset({"yaml", "yml", "json", "toml"})
_MARK = re.compile(r"^\[(?: |x|X|[A-Z]+-\d+)\]:?\s+")
"""A box to tick, or the number of a requirement, before its text."""

_DASHES = ":-\u2013\u2014"
_PLAIN_LABEL = re.compile(r"(?P<label>[A-Z][A-Za-z0-9 _/()-]{1,40})(?::\s+|\s+[\u2013\u2014]\s+)(?P<text>\S.*)")
_MOST_WORDS = 4


class Statement(NamedTuple):
    """One thing that the document says.

    ``label`` is its own, ``above`` what it stands under, the nearest first: labels of the items above it, headings.
    ``kind`` is ``text``, ``title``, ``row`` or ``code``; ``cells`` holds a row by the names of its columns. ``level``
    is that of a title, 0 of anything else.
    """

    line: int
    kind: str
    label: str
    text: str
    above: tuple[str, ...] = ()
    cells: Mapping[str, str] = MappingProxyType({})
    level: int = 0


class _Line(NamedTuple):
    """A line of text as it was written, and the bold or emphasised words that it begins with."""

    number: int
    text: str
    bold: str


def read_statements(text: str) -> Iterator[Statement]:
    """Walk the statements of a document, in its order; front matter first, which is no Markdown."""
    front = _FRONT.match(text)
    for number, line in enumerate(front["lines"].split("\n") if front else [], start=2):
        label, colon, value = line.partition(":")
        if colon and value.strip():
            yield Statement(number, "text", label.strip(), value.strip().strip("\"'"))
    body = "\n" * front[0].count("\n") + text[front.end() :] if front else text
    yield from _Reader().read(MarkdownIt("commonmark").enable("table").parse(body))


class _Reader:
    """Keeps what a statement stands under while the tokens go by."""

    def __init__(self) -> None:
        self.headings: list[tuple[int, str]] = []
        self.lists: list[str] = []
        self.pending = ""
        self.columns: list[str] = []
        self.row: list[str] = []
        self.level = 0
        self.number = 0
        self.cell = False

    def read(self, tokens: list[Token]) -> Iterator[Statement]:
        for token in tokens:
            if token.type == "inline" and self.cell:
                self._cell(token)
            elif token.type in _OF_TABLES:
                yield from self._table(token)
            elif token.type == "inline":
                yield from self._inline(token)
            elif token.type == "fence" and token.info.split(" ")[0] in _TOLD:
                first = (token.map or [0])[0] + 1
                yield Statement(first, "code", "", f"a block of {token.info.strip()}", self._above())
            else:
                self._enter(token)

    def _enter(self, token: Token) -> None:
        """Remember that a heading or a list begins or ends."""
        if token.type in {"heading_open", "heading_close"}:
            self.level = int(token.tag[1:]) if token.nesting > 0 else 0
        elif token.type in {"bullet_list_open", "ordered_list_open"}:
            self.lists.append(self.pending)
            self.pending = ""
        elif token.type in {"bullet_list_close", "ordered_list_close"}:
            self.lists.pop()
            self.pending = ""

    def _table(self, token: Token) -> Iterator[Statement]:
        self.cell = token.type in {"th_open", "td_open"}
        if token.type == "thead_open":
            self.columns = []
        elif token.type == "tr_open":
            self.row = []
        elif token.type == "tr_close" and not self.columns:
            self.columns = self.row
        elif token.type == "tr_close":
            cells = dict(zip(self.columns, self.row, strict=False))
            yield Statement(self.number, "row", "", self.row[0] if self.row else "", self._above(), cells)

    def _inline(self, token: Token) -> Iterator[Statement]:
        first = (token.map or [0])[0] + 1
        for number, label, text in _labelled(list(_lines(token, first))):
            if self.level:
                self.headings = [each for each in self.headings if each[0] < self.level]
                self.headings.append((self.level, f"{label}: {text}" if label and text else label or text))
                self.pending = ""
                yield Statement(number, "title", "", self.headings[-1][1], self._above()[1:], level=self.level)
            elif not text:
                self.pending = label
            else:
                yield Statement(number, "text", label, _MARK.sub("", text, count=1), self._above())
                self.pending = label if text.endswith(":") else ""

    def _cell(self, token: Token) -> None:
        self.number = (token.map or [0])[0] + 1
        self.row.append(" ".join(line.text for line in _lines(token, self.number)))

    def _above(self) -> tuple[str, ...]:
        above = [self.pending, *reversed(self.lists), *(text for _, text in reversed(self.headings))]
        return tuple(each for each in above if each)


def _lines(token: Token, first: int) -> Iterator[_Line]:
    """Take an inline token apart where its source breaks."""
    number, text, bold, depth = first, "", "", 0
    for child in token.children or []:
        if child.type in _BREAKS:
            yield _Line(number, text.strip(), bold)
            number, text, bold = number + 1, "", ""
            continue
        depth += child.nesting if child.type in {"strong_open", "strong_close", "em_open", "em_close"} else 0
        if child.content and depth and (not text.strip() or text == bold):
            bold += child.content
        text += child.content if child.type != "html_inline" else ""
    yield _Line(number, text.strip(), bold)


def _labelled(lines: list[_Line]) -> Iterator[tuple[int, str, str]]:
    """Join wrapped lines again: a line that begins with a label begins a new statement."""
    number, label, words = 0, "", list[str]()
    for line in lines:
        found, rest = _label_of(line)
        if found and (words or label):
            yield number, label, " ".join(words).strip()
            number, label, words = 0, "", []
        number = number or line.number
        label = found or label
        words.append(rest)
    yield number, label, " ".join(words).strip()


def _label_of(line: _Line) -> tuple[str, str]:
    """Find the label of a line: bold words with a colon in or behind them, or plain words before a colon."""
    if line.bold and line.text.startswith(line.bold.strip()):
        rest = line.text[len(line.bold.strip()) :].strip()
        bold = line.bold.strip()
        if bold.endswith(":") or rest[:1] in set(_DASHES) or not rest:
            return bold.rstrip(": "), rest.lstrip(f"{_DASHES} ").strip()
    match = _PLAIN_LABEL.match(line.text)
    if match and len(match["label"].split()) <= _MOST_WORDS:
        return match["label"].strip(), match["text"].strip()
    return "", line.text
