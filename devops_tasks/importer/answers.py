"""The answers of a document while they are collected, and the report that says what was taken from which line.

Lives here: the first statement of a key wins, and every other one is told. Must not: knowing what a statement means.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from devops_tasks.errors import KeyPath, key_text
from devops_tasks.fields import Kind, Listing, Tree, required_keys, shape_at, value_at
from devops_tasks.importer.phrases import Unclear, is_unfilled
from devops_tasks.importer.statements import Statement
from devops_tasks.spec import SPEC, Spec

_UNFILLED = "a placeholder that nobody has filled in"


class Note(NamedTuple):
    """One line of the report: a key and what was taken for it, or a text and why nothing was."""

    line: int
    key: str
    text: str
    why: str = ""

    def told(self, where: str) -> str:
        """Write the note as people read it."""
        if self.key:
            return f"{where}:{self.line}: {self.key}: {self.text}" + (f" ({self.why})" if self.why else "")
        return f"{where}:{self.line}: not taken: {self.text} ({self.why})"


class Imported(NamedTuple):
    """The answers of a document, the report in the order of its lines, and the lines that say nothing known."""

    answers: dict[str, Tree]
    notes: list[Note]
    silent: list[int]

    @property
    def lacks_keys(self) -> bool:
        """Whether a required key is still missing."""
        return any(value_at(self.answers, path) is None for path, _ in required_keys(Spec))

    def report(self, where: str) -> Iterator[str]:
        """Say what was taken from where, what was not, and which keys are still needed."""
        yield from (note.told(where) for note in self.notes)
        if self.silent:
            yield f"{where}: nothing is known of what stands in line {', '.join(map(str, dict.fromkeys(self.silent)))}"
        for path, field in required_keys(Spec):
            if value_at(self.answers, path) is None:
                yield f"{where}: still missing: {key_text(path)}: {field.doc}"


class Taker:
    """Collects answers; the first statement of a key wins, and every other one is told."""

    def __init__(self) -> None:
        self.answers: dict[str, Tree] = {}
        self.notes: list[Note] = []

    def take(self, statement: Statement, meaning: "Meaning") -> None:
        """Take what a statement means; what is a placeholder, or says nothing certain, is told."""
        told = "; ".join(statement.cells.values()) if statement.cells else statement.text
        try:
            if is_unfilled(told):
                label = statement.label or ("" if statement.cells else next(iter(statement.above), ""))
                self.notes.append(Note(statement.line, "", shorten(f"{label}: {told}" if label else told), _UNFILLED))
                return
            meaning(self, statement)
        except Unclear as reason:
            self.notes.append(Note(statement.line, "", shorten(told), str(reason)))

    def put(self, statement: Statement, path: KeyPath, text: str, remark: str = "") -> None:
        """Answer a key; raises ``Unclear`` where it has an answer, or takes no such text."""
        before = value_at(self.answers, path)
        shape = shape_at(SPEC, path)
        if before is not None:
            if before == text:
                return
            msg = f"{key_text(path)} is {shorten(before, 40)} already"
            raise Unclear(msg)
        assert isinstance(shape, Kind)  # noqa: S101 - only scalars are put
        try:
            shape.parse(text)
        except ValueError as error:
            msg = f"{key_text(path)} takes {error}"
            raise Unclear(msg) from None
        self._group(path[:-1])[str(path[-1])] = text
        self.notes.append(Note(statement.line, key_text(path), shorten(text), remark))

    def add(self, statement: Statement, path: KeyPath, item: Tree, remark: str = "", *, twice: bool = False) -> None:
        """Add an item to a list; ``twice`` says that it may be there already."""
        items = self._group(path[:-1]).setdefault(str(path[-1]), [])
        shape = shape_at(SPEC, path)
        name = shape.name if isinstance(shape, Listing) else ""
        same = [each for each in items if (each[name] == item[name] if name else each == item)]
        if same and not twice:
            shown = " ".join(same[0].values()) if isinstance(item, dict) else "it"
            msg = f"{key_text(path)} has {shown} already"
            raise Unclear(msg)
        items.append(item)
        shown = " ".join(item.values()) if isinstance(item, dict) else item
        self.notes.append(Note(statement.line, f"{key_text(path)}[{len(items) - 1}]", shorten(shown), remark))

    def empty(self, statement: Statement, path: KeyPath) -> None:
        """Answer a list with nothing."""
        self._group(path[:-1])[str(path[-1])] = []
        self.notes.append(Note(statement.line, key_text(path), "none", shorten(statement.text)))

    def _group(self, path: KeyPath) -> dict[str, Tree]:
        group = self.answers
        for step in path:
            group = group.setdefault(str(step), {})
        return group


def shorten(text: str, most: int = 100) -> str:
    """Write a text on one line, and not at length."""
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."


Meaning = Callable[[Taker, Statement], None]
"""What becomes of a statement: answers of the taker; raises ``Unclear`` where it says nothing certain."""
