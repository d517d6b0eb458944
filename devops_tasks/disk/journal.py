"""The journal of a run: what it is about to put in place, so that the next run finishes it or undoes it.

It has two names. Under the first not every new file is written yet, and a run that finds it removes them. It gets the
second in one step when all of them are there, and a run that finds that puts them in place. Then it is removed.
Must not: deciding what is written.
"""

import json
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from devops_tasks import lock as locks
from devops_tasks.disk.folder import TEMPORARY, Folder, mode_at
from devops_tasks.errors import Problem, UserError
from devops_tasks.lock import digest, parse_lock

PLANNED = f"{locks.FOLDER}/journal.new"
JOURNAL = f"{locks.FOLDER}/journal"


class Step(NamedTuple):
    """One file that is put in place, or removed; ``old`` is the digest of what was there, None for nothing."""

    path: str
    old: str | None
    put: bool


def begin(inside: Folder, steps: Sequence[Step]) -> None:
    """Write down what is to come, before the first new file is written."""
    inside.stage(PLANNED, json.dumps([list(step) for step in steps]).encode())
    inside.put(PLANNED)
    inside.staged.add(inside.place(PLANNED))  # undone with the rest, until it is said that all of the rest is there


def commit(inside: Folder) -> None:
    """Say that every new file is there: from here on the run is finished and not undone."""
    os.replace(inside.place(PLANNED), inside.place(JOURNAL))
    inside.staged.clear()
    inside.made.clear()


def end(inside: Folder) -> None:
    """Say that everything is in place."""
    os.unlink(inside.place(JOURNAL))


def is_unfinished(inside: Folder) -> bool:
    """Say whether a run is under way in a folder, or was killed there."""
    return any(mode_at(inside.place(path)) for path in (PLANNED, PLANNED + TEMPORARY, JOURNAL))


def recover(inside: Folder) -> None:
    """Finish the run that was killed, or undo it; what somebody has changed meanwhile is left alone.

    Raises ``UserError`` where the journal is damaged.
    """
    planned, journal = inside.read(PLANNED), inside.read(JOURNAL)
    if journal is not None:
        _resume(inside, _parse(journal, inside.place(JOURNAL)))
        end(inside)
    if planned is not None:
        for step in _parse(planned, inside.place(PLANNED)):
            inside.sweep(step.path)
        os.unlink(inside.place(PLANNED))
    inside.sweep(PLANNED)


def _resume(inside: Folder, steps: Iterable[Step]) -> None:
    removable = _written(inside)
    for step in steps:
        there = inside.read(step.path)
        untouched = (digest(there) if there is not None else None) == step.old
        if not step.put:
            if untouched and step.path in removable:
                inside.remove(step.path)
        elif untouched and mode_at(inside.place(step.path) + TEMPORARY):
            inside.put(step.path)
        else:
            inside.sweep(step.path)


def _written(inside: Folder) -> frozenset[str]:
    """List the only files that a journal may remove: those that the lock names. It comes last, so it is the old one."""
    lock = inside.read(locks.PATH)
    return frozenset(parse_lock(lock.decode("utf-8", "replace"), inside.place(locks.PATH)).files if lock else ())


def _parse(content: bytes, where: str) -> list[Step]:
    try:
        return [_step(*entry) for entry in json.loads(content)]
    except (ValueError, TypeError, RecursionError):
        mend = "remove it, look at what is there, and generate again"
        raise UserError(Problem(where, "damaged", mend, "lock")) from None


def _step(path: object, old: object, put: object) -> Step:
    if isinstance(path, str) and (old is None or isinstance(old, str)) and isinstance(put, bool):
        return Step(path, old, put)
    raise TypeError
