"""A requirements document to answers, with the line that each was taken from, and what could not be understood.

Lives here: the way through a document, from its statements over what each means to the answers. Must not: guessing in
silence, files.
"""

from devops_tasks.importer import exact
from devops_tasks.importer.answers import Imported, Meaning, Note, Taker
from devops_tasks.importer.meanings import LISTED, guardrail, is_name, lone_title, meant, stated_days, stated_sizes
from devops_tasks.importer.phrases import parts_of_limit
from devops_tasks.importer.statements import Statement, read_statements

__all__ = ["MOST_BYTES", "Imported", "Note", "import_document"]

MOST_BYTES = 2_000_000
_LATE = [lone_title, guardrail, stated_days, stated_sizes]


def import_document(text: str) -> Imported:
    """Read a Markdown document: the parent document of a feature, or product requirements in prose and tables."""
    taker = Taker()
    if exact.MARK in text:
        exact.take_exactly(text, taker)
        return Imported(taker.answers, sorted(taker.notes, key=lambda note: note.line), [])
    found: list[tuple[Statement, Meaning]] = []
    silent = []
    statements = list(read_statements(text))
    alone = _lone_title(statements)
    for statement in statements:
        meanings = list(meant(statement)) or ([(statement, lone_title)] if statement is alone else [])
        if not meanings and (statement.kind != "title" or not statement.above):
            silent.append(statement.line)
        found += meanings
    # What rolls a release back is said by its own section first; what is computed takes all the other numbers.
    found.sort(key=lambda each: _LATE.index(each[1]) if each[1] in _LATE else -1)
    for statement, meaning in found:
        if meaning in LISTED and not statement.cells:
            for part in parts_of_limit(statement.text):
                taker.take(statement._replace(text=part), meaning)
        else:
            taker.take(statement, meaning)
    return Imported(taker.answers, sorted(taker.notes, key=lambda note: note.line), silent)


def _lone_title(statements: list[Statement]) -> Statement | None:
    """Find the title that stands above the whole document, where there is one and it may be a name."""
    titles = [each for each in statements if each.level == 1]
    return titles[0] if len(titles) == 1 and is_name(titles[0].text) else None
