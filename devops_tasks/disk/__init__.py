"""The output folder: read what is there, write what was decided, whole file by whole file, the lock last.

Lives here: the only code that writes a bundle, with its folder and its journal in modules of their own. Must not:
deciding.
"""

import fcntl
import os
import signal
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from devops_tasks import lock as locks
from devops_tasks.disk import journal
from devops_tasks.disk.folder import TEMPORARY, Folder, mode_at
from devops_tasks.disk.journal import Step
from devops_tasks.errors import ConflictError, Problem, UserError
from devops_tasks.lock import Lock, digest
from devops_tasks.merge import WRITES, Change, Past
from devops_tasks.reading import reason

_PACKAGE = Path(__file__).resolve().parent.parent
_OWN = (_PACKAGE, _PACKAGE / "templates" if (_PACKAGE / "templates").is_dir() else _PACKAGE.parent / "templates")
"""The tool's own folders; its templates lie beside the package in a checkout."""

_WRITE_BITS = 0o222


def check_folder(folder: Path) -> None:
    """Refuse an output folder that cannot be one: a file, a link, or a folder of the tool itself; raises ``UserError``.

    A folder above it may be a link, as ``/tmp`` is on a Mac.
    """
    mode = mode_at(str(folder))
    if stat.S_ISLNK(mode):
        what, mend = "is a link, and links are not followed", "name the folder itself"
        raise UserError(Problem(str(folder), what, mend, "output"))
    there = folder if mode else next((above for above in folder.parents if above.exists()), folder)
    if there.exists() and not there.is_dir():
        raise UserError(Problem(str(there), "is a file, not a folder", "name a folder", "output"))
    real = Path(os.path.realpath(folder))
    if any(real.is_relative_to(own) for own in _OWN):
        raise UserError(Problem(str(folder), "is a folder of this tool itself", "name another folder", "output"))


def check_free(path: Path) -> None:
    """Refuse to write a spec where something is already, or where no bundle can go; raises ``UserError``."""
    check_folder(path.parent)
    if path.exists() or path.is_symlink():
        raise UserError(Problem(str(path), "is there already", "name another file, or edit this one", "exists"))
    above = next(folder for folder in path.parents if folder.exists())
    if not os.access(above, os.W_OK):
        raise UserError(Problem(str(above), "cannot be written", "name a file elsewhere", "unwritable"))


def read_files(folder: Path, paths: Iterable[str]) -> dict[str, bytes]:
    """Read those of some paths that are there; raises ``UserError`` with every one that cannot be read."""
    inside = Folder(folder)
    found: dict[str, bytes] = {}
    problems: dict[Problem, None] = {}
    for path in paths:
        try:
            content = inside.read(path)
        except UserError as error:
            problems.update(dict.fromkeys(error.problems))
        else:
            if content is not None:
                found[path] = content
    if problems:
        raise UserError(*problems)
    return found


def read_bundle(folder: Path, paths: Iterable[str]) -> dict[str, bytes | Problem]:
    """Read those of some paths that are there; one that cannot be read gives the problem instead of its content."""
    found: dict[str, bytes | Problem] = {}
    for path in paths:
        try:
            found.update(read_files(folder, [path]))
        except UserError as error:
            found[path] = error.problems[0]._replace(where=path, code="not-text")
    return found


def read_lock(folder: Path) -> Lock | None:
    """Read the lock of a folder, None where there is none."""
    content = read_files(folder, [locks.PATH]).get(locks.PATH)
    return None if content is None else locks.parse_lock(content.decode("utf-8", "replace"), str(folder / locks.PATH))


def read_past(folder: Path) -> Past | None:
    """Read what was generated last time, None where nothing was; the texts are read only when somebody asks for one."""
    lock = read_lock(folder)
    return Past(lock, _Texts(folder, lock)) if lock else None


class _Texts(Mapping[str, str]):
    def __init__(self, folder: Path, lock: Lock) -> None:
        self.folder, self.lock = folder, lock

    @cached_property
    def texts(self) -> dict[str, str]:
        return locks.parse_base(read_files(self.folder, [locks.BASE]).get(locks.BASE, b""), self.lock)

    def __getitem__(self, path: str) -> str:
        return self.texts[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __len__(self) -> int:
        return len(self.texts)


def is_unfinished(folder: Path) -> bool:
    """Say whether a run is under way in a folder, or was killed there."""
    return journal.is_unfinished(Folder(folder))


def finish_run(folder: Path) -> None:
    """Finish, or undo, what a run that was killed has left; waits for one that is still under way."""
    with _unfinished(folder) as inside:
        if inside:
            journal.recover(inside)


def refuse_unfinished(folder: Path) -> None:
    """Raise ``ConflictError`` where a run was killed; waits for one that is still under way."""
    with _unfinished(folder) as inside:
        if inside:
            what, mend = "a run was stopped half-way here", "finish it with devops-tasks generate"
            raise ConflictError(Problem(str(folder), what, mend, "unfinished"))


@contextmanager
def _unfinished(folder: Path) -> Iterator[Folder | None]:
    inside = Folder(folder)
    if not journal.is_unfinished(inside):
        yield None
        return
    with _alone(inside.root):
        yield inside if journal.is_unfinished(inside) else None


def write_changes(folder: Path, changes: Sequence[Change], lock: Lock, files: Mapping[str, str]) -> None:
    """Apply changes: write every new file beside its place, then put all in place, then the lock.

    ``files`` are the generated texts, whatever became of them on disk: the next run merges with them. Raises
    ``UserError`` where the folder cannot be written, and ``ConflictError`` where it is no longer what the changes were
    planned for; then nothing but whole files is there.
    """
    inside = Folder(folder)
    try:
        inside.make(inside.root)
        with _alone(inside.root):
            _refuse_changed(inside, changes)
            _refuse_read_only(inside, changes)
            _apply(inside, changes, {locks.BASE: locks.base_bytes(files), locks.PATH: locks.lock_text(lock).encode()})
    except BaseException as error:
        inside.undo()
        if isinstance(error, OSError):
            raise UserError(_unwritable(folder, error)) from None
        raise


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Make every other run that would write into a folder wait; a run that is killed keeps nobody out."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some disks of a network know no such thing
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let an interruption wait, so that it finds all of the files or none of them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _apply(inside: Folder, changes: Sequence[Change], own: Mapping[str, bytes]) -> None:
    """Write down what is to come, stage every new file, and bring all in place, ``own``, the record, last."""
    kept = {path: inside.read(path) for path in own}
    writes = {change.path: change.new for change in changes if change.action in WRITES and change.new is not None}
    news = writes | {path: content for path, content in own.items() if content != kept[path]}
    olds = {change.path: change.old for change in changes} | kept
    gone = [Step(change.path, _digest(change.old), put=False) for change in changes if change.action == "remove"]
    puts = [Step(path, _digest(olds[path]), put=True) for path in news]
    steps = [*puts[: len(writes)], *gone, *puts[len(writes) :]]
    if not steps:
        return
    journal.begin(inside, steps)
    for path, new in news.items():
        inside.stage(path, new)
    with _uninterrupted():
        journal.commit(inside)
        for step in steps:
            (inside.put if step.put else inside.remove)(step.path)
        journal.end(inside)


def _digest(content: bytes | None) -> str | None:
    return None if content is None else digest(content)


def _refuse_changed(inside: Folder, changes: Sequence[Change]) -> None:
    """Refuse to write over what another run, or somebody, has written since the changes were planned."""
    places = [f"{inside.root}/{change.path}" for change in changes if inside.read(change.path) != change.old]
    if places:
        raise ConflictError(*(Problem(at, "changed while this ran", "run it again", "conflict") for at in places))


def _refuse_read_only(inside: Folder, changes: Iterable[Change]) -> None:
    """Refuse to replace what somebody made read-only, which renaming would do without a question."""
    changed = [inside.place(change.path) for change in changes if change.action in {"update", "merge", "remove"}]
    what, mend = "is read-only, and would be changed", "make it writable, or move it aside"
    problems = [Problem(place, what, mend, "unwritable") for place in changed if not mode_at(place) & _WRITE_BITS]
    if problems:
        raise UserError(*problems)


def _unwritable(folder: Path, error: OSError) -> Problem:
    place = str(error.filename or folder).removesuffix(TEMPORARY)
    return Problem(place, f"cannot be written: {reason(error)}", "name another folder", "unwritable")
