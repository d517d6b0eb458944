"""What is on disk, what would be written, and what was written last: the changes that follow.

Lives here: pure decisions, one per path. Must not: touching disk.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from devops_tasks.lock import Lock, digest

WRITES = frozenset({"create", "update"})


class Change(NamedTuple):
    """What happens to one file: ``create``, ``update``, ``remove``, ``keep``, ``unchanged`` or ``conflict``."""

    path: str
    action: str
    old: bytes | None
    new: bytes | None


def plan_changes(disk: Mapping[str, bytes], files: Mapping[str, str], last: Lock | None) -> list[Change]:
    """Decide for every path of the bundle, and of the last one, what happens to it.

    A file that a person has edited is never replaced: it is a conflict where the bundle wants other bytes, and kept
    where the bundle no longer names it.
    """
    written = last.files if last else {}
    wanted = [_wanted(path, disk.get(path), text.encode(), written.get(path)) for path, text in files.items()]
    gone = [_gone(path, disk[path], written[path]) for path in written if path not in files and path in disk]
    return sorted(wanted + gone)


def _wanted(path: str, old: bytes | None, new: bytes, written: str | None) -> Change:
    if old is None:
        return Change(path, "create", None, new)
    if old == new:
        return Change(path, "unchanged", old, new)
    return Change(path, "update" if digest(old) == written else "conflict", old, new)


def _gone(path: str, old: bytes, written: str) -> Change:
    return Change(path, "remove" if digest(old) == written else "keep", old, None)


def force(changes: list[Change]) -> list[Change]:
    """Let the bundle win wherever it and a person disagree."""
    return [change._replace(action="update") if change.action == "conflict" else change for change in changes]


def difference(change: Change) -> Iterator[str]:
    """Print a change as a unified diff, line by line without line ends."""
    old = (change.old or b"").decode("utf-8", "replace").splitlines()
    new = (change.new or b"").decode("utf-8", "replace").splitlines()
    before = "/dev/null" if change.old is None else f"a/{change.path}"
    after = "/dev/null" if change.new is None else f"b/{change.path}"
    return difflib.unified_diff(old, new, before, after, lineterm="")
