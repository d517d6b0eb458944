"""What is on disk, what would be written, and what was written last: the changes that follow.

Lives here: pure decisions, one per path; how two versions of a file become one is the subject of the modules below.
Must not: touching disk.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from devops_tasks.lock import Lock, digest

if TYPE_CHECKING:
    from devops_tasks.merge.texts import Merged

_REMARKS = {"sh": "#", "sql": "--"}
WRITES = frozenset({"create", "update", "merge"})
QUIET = frozenset({"unchanged", "keep"})
"""What leaves the disk as it is."""

EDITED = "edited by hand"
DELETED = "deleted by hand"
ORPHANED = "edited by hand, and no longer made from the spec"
UNKNOWN = "is there already, and nothing is known of what was generated"
NO_TEXT = "no longer text in UTF-8"
UNSETTLED = "still has the markers of an earlier conflict"
MARKED = "has markers where you and the spec changed the same thing"

Resolve = Literal["refuse", "markers", "ours", "theirs", "force"]
"""What to do where a person and the spec changed the same thing; ``force`` writes over every edit, conflict or not."""


class Place(NamedTuple):
    """A place in a file where a person and the spec disagree; ``line`` counts on disk, 0 where it is not known."""

    where: str
    line: int = 0
    disk: str = ""
    new: str = ""


class Change(NamedTuple):
    """What happens to one file.

    ``action`` is ``create``, ``update``, ``merge``, ``remove``, ``keep``, ``unchanged`` or ``conflict``; ``note`` says
    why a file is kept, and ``conflicts`` where the two sides disagree, also where an option has settled it.
    """

    path: str
    action: str
    old: bytes | None
    new: bytes | None
    note: str = ""
    conflicts: tuple[Place, ...] = ()

    @property
    def is_conflict(self) -> bool:
        """Whether a person still has to say what is right."""
        return self.action == "conflict" or self.note == MARKED


class Past(NamedTuple):
    """What was generated last time: the lock, and the texts themselves as far as they are known."""

    lock: Lock
    texts: Mapping[str, str]


def plan_changes(
    disk: Mapping[str, bytes], files: Mapping[str, str], past: Past | None, resolve: Resolve = "refuse"
) -> list[Change]:
    """Decide for every path of the bundle, and of the last one, what happens to it.

    What nobody edited follows the spec; what somebody edited is merged with what the spec changed since. A file that
    somebody deleted stays deleted, unless nothing is left of the bundle at all.
    """
    written = past.lock.files if past else {}
    left = any(path in disk for path in written)
    wanted = [
        _wanted(path, disk[path], text, past, resolve)
        if path in disk
        else _missing(path, text, deleted=left and path in written and resolve != "force")
        for path, text in files.items()
    ]
    gone = [_gone(path, disk[path], written[path]) for path in written if path not in files and path in disk]
    return sorted(wanted + gone)


def _missing(path: str, text: str, *, deleted: bool) -> Change:
    return Change(path, "keep", None, None, DELETED) if deleted else Change(path, "create", None, text.encode())


def _wanted(path: str, old: bytes, text: str, past: Past | None, resolve: Resolve) -> Change:
    new = text.encode()
    if old == new:
        return Change(path, "unchanged", old, new)
    last = (past.lock.files.get(path) or past.lock.orphans.get(path)) if past else None
    if resolve == "force" or digest(old) == last:
        return Change(path, "update", old, new)
    if last == digest(new):
        return Change(path, "keep", old, None, EDITED)
    return _merged(path, old, text, past.texts.get(path) if past and last else None, resolve)


def _merged(path: str, old: bytes, text: str, last: str | None, resolve: Resolve) -> Change:
    """Bring an edited file and a changed bundle together."""
    disk = _text(old)
    if last is None or disk is None or _unsettled(disk):
        note = UNKNOWN if last is None else NO_TEXT if disk is None else UNSETTLED
        return _chosen(Change(path, "conflict", old, text.encode(), note), resolve)
    merge = _merger(path)
    merged = merge(last, disk.replace("\r\n", "\n"), text, "markers" if resolve in {"refuse", "force"} else resolve)
    new = _with_ends(merged.text, disk).encode()
    places = tuple(Place(each.where, each.line, each.disk, each.new) for each in merged.conflicts)
    if places and resolve == "refuse":
        return Change(path, "conflict", old, new, EDITED, places)
    if new == old:
        return Change(path, "keep", old, None, EDITED, places)
    return Change(path, "merge", old, new, MARKED if places and resolve == "markers" else EDITED, places)


def _chosen(conflict: Change, resolve: Resolve) -> Change:
    """Settle a conflict about a whole file as far as an option says how."""
    if resolve == "ours":
        return conflict._replace(action="keep", new=None)
    return conflict._replace(action="update") if resolve == "theirs" else conflict


def _text(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _unsettled(disk: str) -> bool:
    from devops_tasks.merge.texts import MARKERS

    return all(f"\n{marker}" in f"\n{disk}" for marker in MARKERS)


def _with_ends(text: str, disk: str) -> str:
    """Give a text the line ends that the file on disk has."""
    return text.replace("\n", "\r\n") if "\r\n" in disk else text


def _merger(path: str) -> Callable[..., "Merged"]:
    """Choose how the versions of a file become one, by its language."""
    ending = path.rpartition(".")[2]
    if ending == "md":
        from devops_tasks.merge.pages import merge_pages

        return merge_pages
    if ending in {"yml", "yaml", "json"}:
        from devops_tasks.merge.values import merge_json, merge_yaml

        return merge_json if ending == "json" else merge_yaml
    from devops_tasks.merge.texts import merge_lines

    return partial(merge_lines, remark=_REMARKS.get(ending, ""))


def orphans_of(disk: Mapping[str, bytes], files: Mapping[str, str], past: Past) -> dict[str, str]:
    """Give what was generated of the files that are no longer made, and that somebody's edits keep on disk."""
    known = {**past.lock.orphans, **past.lock.files}
    kept = [path for path, last in known.items() if path not in files and path in disk and digest(disk[path]) != last]
    return {path: past.texts[path] for path in kept if path in past.texts}


def _gone(path: str, old: bytes, written: str) -> Change:
    if digest(old) == written:
        return Change(path, "remove", old, None)
    return Change(path, "keep", old, None, ORPHANED)


def difference(change: Change) -> Iterator[str]:
    """Print a change as a unified diff, line by line without line ends."""
    if change.action in QUIET:
        return
    import difflib

    old = (change.old or b"").decode("utf-8", "replace").splitlines()
    new = (change.new or b"").decode("utf-8", "replace").splitlines()
    before = "/dev/null" if change.old is None else f"a/{change.path}"
    after = "/dev/null" if change.new is None else f"b/{change.path}"
    yield from difflib.unified_diff(old, new, before, after, lineterm="")
