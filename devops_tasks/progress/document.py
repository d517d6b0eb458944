"""A tasks.md, generated or filled in by hand, to what stands in it: tasks, checklists, waits, what nobody has decided.

Lives here: the Markdown parser, and which heading, label or box means what. Must not: files, the day's date, printing.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode as Node

from devops_tasks.units import parse_date

_MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_FRONT = re.compile(r"---\n(?:[\w -]+:.*\n)+---\n")
_BOX = re.compile(r"\[(?P<mark>[ xX])\](?:\s+|$)")
_ID = r"[A-Za-z][A-Za-z0-9]*-\d+"
_BRACKETED = re.compile(rf"\[(?P<key>{_ID})\]\s*:?\s*(?P<rest>.*)", re.DOTALL)
_PLAIN_ID = re.compile(rf"(?P<key>{_ID})(?::|\s[-\u2013\u2014]|\s(?=\S))\s*(?P<rest>.*)", re.DOTALL)
_UNIT = r"\s*(?:story\s+)?(?:points?|pts?\.?|SP)"
_POINTS = re.compile(
    rf"\s?[(\[](?P<inside>[^()\[\]]{{0,40}}?){_UNIT}\s*[)\]]"
    rf"|\s?[,;:\u2013\u2014-]\s(?P<behind>\d{{1,6}}(?:[.,]\d+)?){_UNIT}$",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"[\W_]*?(?P<owner>@[\w./-]*\w)[\s,;:.\u2013\u2014-]*")
_KNOWN_LABEL = re.compile(
    r"(?P<label>success criteria|success|owner|assignee|due(?: date)?|deadline|notes?)\s*:\s*(?P<text>.*)",
    re.IGNORECASE | re.DOTALL,
)
_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
_DAYS = re.compile(r"[\s(,;:\u2013\u2014-]{0,4}(?:\bdates\b|\d{4}-\d{2}-\d{2}).*$")
_BY = re.compile(
    r"[\s,(\u2013\u2014-]{0,4}(?:(?:is |are )?(?:needed|required|due|wanted) )?(?:by|until|before|on) "
    r"(?:\d{4}-\d{2}-\d{2}|to be decided|\[[^\]]{0,80}\])[\s.)]{0,4}$",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(rf"\[(?!{_ID}\]).*\]")
_BREAKS = frozenset({"softbreak", "hardbreak"})
_TOLD = frozenset({"success criteria", "success", "owner", "assignee", "due", "due date", "deadline"})
_OPEN = re.compile(r"\bto be decided\b", re.IGNORECASE)
_TASKS = re.compile(r"\btasks\b(?<!operational tasks)", re.IGNORECASE)
_KINDS = (
    ("external", re.compile(r"external dependenc", re.IGNORECASE)),
    ("blocking", re.compile(r"\bblocking\b", re.IGNORECASE)),
    ("blocker", re.compile(r"\bblockers?\b", re.IGNORECASE)),
)
_PRIORITIES = (
    ("critical", re.compile(r"\b(?:critical|must)\b", re.IGNORECASE)),
    ("security", re.compile(r"\b(?:security|should)\b", re.IGNORECASE)),
    ("optimization", re.compile(r"\b(?:optimi[sz]ations?|nice|could)\b", re.IGNORECASE)),
)
_UNTITLED = "(no title)"
_REMOVED = "removed"
"""The heading of what the spec no longer has: it is kept, and no longer planned."""


class Item(NamedTuple):
    """A step of a task, or an item of a checklist; ``done`` is None where there is no box. ``line`` counts from 1."""

    text: str
    done: bool | None
    line: int


class Task(NamedTuple):
    """One task; ``heading`` is what it stands under, ``priority`` the spec's word for that, "" where there is none."""

    key: str
    title: str
    done: bool
    points: Decimal | None
    heading: str
    priority: str
    steps: tuple[Item, ...]
    success: str
    owner: str
    due: date | None
    notes: tuple[str, ...]
    line: int

    @property
    def begun(self) -> bool:
        """Whether a step is ticked, and the task is not."""
        return not self.done and any(step.done for step in self.steps)


class Checklist(NamedTuple):
    """The boxes under one heading, or under one item of a list."""

    name: str
    items: tuple[Item, ...]
    line: int

    @property
    def done(self) -> int:
        """Count what is ticked."""
        return sum(item.done is True for item in self.items)


class Wait(NamedTuple):
    """Somebody whom the work waits for (``external``, ``blocker``), or who waits for it (``blocking``)."""

    kind: str
    who: str
    what: str
    by: date | None
    done: bool
    line: int


class Gap(NamedTuple):
    """A place that nobody has decided or filled in: the label or heading that it belongs to, and its line."""

    label: str
    text: str
    line: int


class Document(NamedTuple):
    """What stands in a tasks.md."""

    feature: str
    sprint: str
    starts: date | None
    ends: date | None
    engineer: str
    tasks: tuple[Task, ...]
    checklists: tuple[Checklist, ...]
    waits: tuple[Wait, ...]
    gaps: tuple[Gap, ...]


def parse_document(text: str) -> Document:
    """Read a document, whoever wrote it; what is no task, box or label is passed over."""
    front = _FRONT.match(text)
    body = "\n" * front[0].count("\n") + text[front.end() :] if front else text
    references: dict[str, object] = {}
    tokens = _MARKDOWN.parse(body, references)
    reader = _Reader(references)
    root = Node(tokens)
    reader.walk(root, "")
    checklists = (Checklist(name, tuple(items), items[0].line) for name, items in reader.boxes.items())
    return Document(*_head(root), tuple(reader.tasks), tuple(checklists), tuple(reader.waits), tuple(_gaps(tokens)))


class _Reader:
    """Collects what a page says, and knows which headings the present place stands under."""

    def __init__(self, references: dict[str, object]) -> None:
        self.references = references
        self.above: list[tuple[int, str]] = []
        self.tasks: list[Task] = []
        self.boxes: dict[str, list[Item]] = {}
        self.waits: list[Wait] = []

    def walk(self, node: Node, name: str) -> None:
        for child in node.children:
            if child.type == "heading":
                level = int(child.tag[1:])
                self.above = [each for each in self.above if each[0] < level]
                self.above.append((level, _text(child)))
                name = ""
            elif child.type == "list_item":
                self._item(child, name)
            elif child.type in {"bullet_list", "ordered_list", "blockquote"}:
                self.walk(child, name)

    def _item(self, item: Node, name: str) -> None:
        if self._heading().casefold() == _REMOVED:
            return
        box, words = self._words(item)
        kind = next((kind for kind, pattern in _KINDS if pattern.search(self._heading())), "")
        if kind:
            self.waits.append(_wait(kind, words, _line(item), box=box))
        elif box is not None and self._is_task(words):
            self.tasks.append(self._task(item, words, done=box))
        else:
            if box is not None:
                found = Item(_text(words), box, _line(item))
                self.boxes.setdefault(name or self._heading(), []).append(found)
            self.walk(item, name if box is not None else _text(words).rstrip(": "))

    def _heading(self) -> str:
        return _without_signs(self.above[-1][1]) if self.above else ""

    def _words(self, item: Node) -> tuple[bool | None, Node]:
        """Read the first words of an item without its box."""
        first = next(iter(item.children), None)
        # An empty item below a line makes a heading of it.
        source = first.children[0].content if first is not None and first.type in {"paragraph", "heading"} else ""
        box = _BOX.match(source)
        inline = _MARKDOWN.parseInline(source[box.end() :] if box else source, self.references)
        return (box["mark"] != " " if box else None), Node(inline, create_root=False)

    def _is_task(self, words: Node) -> bool:
        if _BRACKETED.match(_text(words)):
            return True
        near = [text for level, text in self.above if level > 1] or [text for _, text in self.above]
        return any(map(_TASKS.search, near))

    def _task(self, item: Node, words: Node, *, done: bool) -> Task:
        key, title, points, owner, note = _task_head(_text(words))
        steps: list[Item] = []
        told: dict[str, str] = {}
        notes = [note] if note else []
        for child in item.children[1:]:
            if child.type == "paragraph":
                notes.append(_text(child))
            else:
                self._steps(child, steps, told, notes)
        heading = self._heading()
        priority = next((name for name, pattern in _PRIORITIES if pattern.search(heading)), "")
        owner = told.get("owner") or told.get("assignee") or owner
        success = told.get("success criteria") or told.get("success", "")
        due = _first_date(told.get("due") or told.get("due date") or told.get("deadline", ""))
        return Task(
            key, title, done, points, heading, priority, tuple(steps), success, owner, due, tuple(notes), _line(item)
        )

    def _steps(self, node: Node, steps: list[Item], told: dict[str, str], notes: list[str]) -> None:
        """Take the items below a task: labels that are known, notes under other labels, and steps."""
        for item in node.children if node.type in {"bullet_list", "ordered_list"} else ():
            box, words = self._words(item)
            label, text = _labelled(words)
            inner = [child for child in item.children[1:] if child.type in {"bullet_list", "ordered_list"}]
            if label and box is None:
                below = (_text(self._words(each)[1]) for child in inner for each in child.children)
                value = "; ".join(part for part in (text, *below) if part)
                if label.casefold() in _TOLD:
                    told.setdefault(label.casefold(), value)
                else:
                    notes.append(f"{label}: {value}")
                continue
            steps.append(Item(_text(words), box, _line(item)))
            for child in inner:
                self._steps(child, steps, told, notes)


def _text(node: Node) -> str:
    """Give the words of a part of a page, without marks, in one line."""
    return " ".join("".join(_pieces(node)).split())


def _pieces(node: Node) -> Iterator[str]:
    if node.type in {"text", "code_inline"}:
        yield node.content
    elif node.type in _BREAKS or (node.type == "html_inline" and node.content.startswith("<br")):
        yield " "
    for child in node.children:
        yield from _pieces(child)


def _line(node: Node) -> int:
    return (node.map or (0, 0))[0] + 1


def _without_signs(heading: str) -> str:
    """Give a heading without the picture that it begins with."""
    return re.sub(r"^[^\w(\"'*\[]+", "", heading).strip()


def _labelled(words: Node) -> tuple[str, str]:
    """Find the label of a text: bold words with a colon in or behind them, or one that is known."""
    text = _text(words)
    first = next((each for each in words.children if each.type != "text" or each.content), None)
    if first is not None and first.type == "strong":
        bold = _text(first)
        rest = text[len(bold) :].lstrip()
        if bold.endswith(":") or rest.startswith(":"):
            return bold.rstrip(": "), rest.lstrip(": ")
    known = _KNOWN_LABEL.fullmatch(text)
    return (known["label"], known["text"]) if known else ("", text)


def _task_head(text: str) -> tuple[str, str, Decimal | None, str, str]:
    """Take the first line of a task apart: id, title, points, owner, and what is written behind the points."""
    match = _BRACKETED.match(text) or _PLAIN_ID.match(text)
    key, rest = (match["key"], match["rest"]) if match else ("", text)
    counted = list(_POINTS.finditer(rest))
    if not counted:
        return key, rest.strip() or key or _UNTITLED, None, "", ""
    last = counted[-1]
    behind = rest[last.end() :].strip()
    handle = _HANDLE.match(behind)
    note = (behind[handle.end() :] if handle else behind).strip(" ,;:.-\u2013\u2014")
    title = rest[: last.start()].strip() or behind or key or _UNTITLED
    return key, title, _points(last["inside"] or last["behind"] or ""), handle["owner"] if handle else "", note


def _points(text: str) -> Decimal | None:
    number = text.strip().replace(",", ".")
    return Decimal(number) if re.fullmatch(r"\d{1,6}(?:\.\d{1,3})?", number, re.ASCII) else None


def _wait(kind: str, words: Node, line: int, *, box: bool | None) -> Wait:
    who, what = _labelled(words)
    if not who:
        head, colon, tail = what.partition(": ")
        who, what = (head, tail) if colon else ("", what)
    struck = any(each.type == "s" for each in words.walk())
    return Wait(kind, who.strip(), _BY.sub("", what).strip(), _first_date(what), struck if box is None else box, line)


def _first_date(text: str) -> date | None:
    return next(iter(_dates(text)), None)


def _dates(text: str) -> Iterator[date]:
    for match in _DATE.finditer(text):
        try:
            yield parse_date(match[0])
        except ValueError:
            continue


def _head(root: Node) -> tuple[str, str, date | None, date | None, str]:
    """Read the title and the labels above the first section: feature, sprint, its dates, engineer."""
    labels: dict[str, str] = {}
    title = ""
    for child in root.children:
        if child.type == "heading" and (title or child.tag != "h1"):
            break
        if child.type == "heading":
            title = _text(child)
        elif child.type == "paragraph":
            labels = dict(map(_label, _lines(child.children[0]))) | labels
    days = list(_dates(" ".join(value for label, value in labels.items() if label.startswith("sprint"))))
    starts, ends = (days[0], days[1]) if len(days) > 1 else (None, None)
    sprint = _DAYS.sub("", labels.get("sprint", ""))
    feature = title.partition(":")[2] or title
    return _filled(feature), _filled(sprint), starts, ends, _filled(labels.get("engineer", ""))


def _label(line: "_Line") -> tuple[str, str]:
    """Find the label that a line begins with, bold or not, in small letters."""
    label, _, text = line.text.partition(":")
    return label.strip().casefold(), text.strip()


def _filled(text: str) -> str:
    """Give a text, "" for a placeholder."""
    text = text.strip()
    return "" if _PLACEHOLDER.fullmatch(text) or _OPEN.search(text) else text


class _Line(NamedTuple):
    """A line of a paragraph: its words, and what of them is emphasised or bold."""

    text: str
    marked: tuple[str, ...]
    label: str


def _lines(inline: Node) -> Iterator[_Line]:
    """Cut a paragraph where its source breaks."""
    parts: list[list[Node]] = [[]]
    for child in inline.children:
        if child.type in _BREAKS:
            parts.append([])
        else:
            parts[-1].append(child)
    for part in parts:
        text = " ".join("".join(piece for each in part for piece in _pieces(each)).split())
        marked = tuple(_text(each) for each in part if each.type in {"em", "strong"})
        bold = next((_text(each) for each in part if each.type == "strong"), "")
        yield _Line(text, marked, bold.rstrip(": ") if bold and text.startswith(bold) else "")


def _gaps(tokens: Sequence[Token]) -> Iterator[Gap]:
    """Find every place that nobody has decided, and every placeholder of the template."""
    heading = row = ""
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            row = ""
        if token.type != "inline":
            continue
        lines = list(_lines(Node([token], create_root=False)))
        if before.type == "heading_open":
            heading = _without_signs(lines[0].text)
        cell = before.type in {"th_open", "td_open"}
        row = row or (lines[0].text if cell else "")
        for number, line in enumerate(lines, start=(token.map or [0])[0] + 1):
            if _is_gap(line):
                yield Gap(line.label or (row if cell else "") or heading, line.text, number)


def _is_gap(line: _Line) -> bool:
    return bool(_OPEN.search(line.text)) or any(map(_PLACEHOLDER.fullmatch, line.marked))
