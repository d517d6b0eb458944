"""Progress read back: the road from a folder to its documents, and to what is told of them.

Lives here: finding and reading documents. ``document`` knows what stands in one, ``views`` how it is told.
Must not: writing, judging.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from devops_tasks.errors import Problem, UserError
from devops_tasks.progress.document import Checklist, Document, Item, Task, Wait, parse_document
from devops_tasks.progress.views import Style, plain_task, status_json, status_lines
from devops_tasks.reading import read_text

__all__ = [
    "Checklist",
    "Document",
    "Item",
    "Status",
    "Style",
    "Task",
    "Wait",
    "plain_task",
    "read_document",
    "read_status",
    "status_json",
    "status_lines",
]

NAME = "tasks.md"
MOST_BYTES = 2_000_000
"""Far more than a document has, and little enough to be read at once by a parser of Markdown."""


class Status(NamedTuple):
    """The documents that were found, by path, and those that could not be read."""

    documents: dict[str, Document]
    problems: list[Problem]


def read_document(place: Path) -> tuple[Path, Document]:
    """Read the document of a folder, or a document itself; raises ``UserError`` where there is none."""
    path = place / NAME if place.is_dir() else place
    if place.is_dir() and not path.exists():
        raise UserError(_none(place))
    document = _read(path)
    if not document.tasks and not document.checklists:
        raise UserError(Problem(str(path), "has no task and no checklist", _MEND, "no-tasks"))
    return path, document


def read_status(place: Path) -> Status:
    """Read the document of a folder; where it has none, those of all folders below it.

    Raises ``UserError`` where there is no document at all. Of several, one that cannot be read is told, and one without
    a box is somebody else's file of that name.
    """
    if not place.is_dir() or (place / NAME).exists():
        path, document = read_document(place)
        return Status({str(path): document}, [])
    documents: dict[str, Document] = {}
    problems: list[Problem] = []
    for path in _below(place):
        try:
            document = _read(path)
        except UserError as error:
            problems += error.problems
        else:
            if document.tasks or document.checklists:
                documents[str(path)] = document
    if not documents:
        raise UserError(*problems or [_none(place)])
    return Status(documents, problems)


_MEND = "name the folder of a bundle, or a document"


def _none(place: Path) -> Problem:
    return Problem(str(place), f"holds no {NAME}", _MEND, "no-tasks")


def _read(path: Path) -> Document:
    text = read_text(path, MOST_BYTES)
    if "\0" in text:
        raise UserError(Problem(str(path), "no text but binary data", _MEND, "binary"))
    return parse_document(text)


def _below(place: Path) -> Iterator[Path]:
    """Find the documents below a folder, without following links and without looking into hidden folders."""
    for folder, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
        if NAME in files:
            yield Path(folder, NAME)
