"""The output folder: read what is there, write what was decided, whole file by whole file, the lock last.

Lives here: the only code that writes a bundle. A path never leaves the folder, and no link is ever followed.
Must not: deciding.
"""

import fcntl
import os
import signal
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from devops_tasks import lock as locks
from devops_tasks.errors import ConflictError, Problem, UserError
from devops_tasks.lock import Lock
from devops_tasks.merge import WRITES, Change
from devops_tasks.reading import read_regular, reason

MOST_BYTES = 20_000_000
"""More than any file of a bundle has, and little enough for memory."""

_TEMPORARY = ".devops-tasks-new"
_UNSAFE = frozenset({"", ".", ".."})
_PACKAGE = Path(__file__).resolve().parent
_OWN = (_PACKAGE, _PACKAGE / "templates" if (_PACKAGE / "templates").is_dir() else _PACKAGE.parent / "templates")
"""The tool's own folders; its templates lie beside the package in a checkout."""

_WRITE_BITS = 0o222


class _Folder:
    """An output folder during one run: each place, and each folder on the way to it, is looked at once, and made once.

    Places are text and not paths: a path is taken apart and put together each time, and a bundle has a hundred files.
    """

    def __init__(self, folder: Path) -> None:
        self.root = str(folder)
        self.folders: set[str] = set()
        self.places: dict[str, tuple[str, int]] = {}
        self.made: list[str] = []
        self.staged: dict[str, str] = {}

    def place(self, path: str) -> str:
        """Find the place of a bundle's file.

        Raises ``UserError`` where it, or a folder on the way, leads elsewhere, or where a file and a folder meet.
        """
        return self._looked(path)[0]

    def mode(self, path: str) -> int:
        """Say what is at the place of a bundle's file; 0 where nothing is. Raises ``UserError`` as ``place`` does."""
        return self._looked(path)[1]

    def _looked(self, path: str) -> tuple[str, int]:
        if path not in self.places:
            self.places[path] = self._look(path)
        return self.places[path]

    def _look(self, path: str) -> tuple[str, int]:
        *parents, name = path.split("/")
        if not _UNSAFE.isdisjoint((*parents, name)) or "\\" in path or "\0" in path:
            raise UserError(Problem(path, "leaves the output folder", "generate again from the spec", "lock"))
        place = self.root
        for parent in parents:
            place = f"{place}/{parent}"
            if place not in self.folders:
                if not _look_for(stat.S_IFDIR, place):
                    return f"{self.root}/{path}", 0
                self.folders.add(place)
        place = f"{place}/{name}"
        return place, _look_for(stat.S_IFREG, place)

    def stage(self, path: str, content: bytes) -> None:
        """Write a file whole, beside its place."""
        place = self.place(path)
        self.make(place.rpartition("/")[0])
        temporary = place + _TEMPORARY
        self.staged[temporary] = place
        descriptor = _open_new(temporary, 0o777 if path.endswith(".sh") else 0o666)
        try:
            while content:
                content = content[os.write(descriptor, content) :]
        finally:
            os.close(descriptor)

    def sweep(self, path: str) -> None:
        """Remove what a run that was killed has left beside a file's place."""
        with suppress(FileNotFoundError):
            os.unlink(self.place(path) + _TEMPORARY)

    def make(self, folder: str) -> None:
        """Make a folder and those that it stands in, and remember which were not there."""
        if folder and folder not in self.folders and not os.path.isdir(folder):
            self.make(os.path.dirname(folder))
            with suppress(FileExistsError):  # another run made it, or it is ``a/..`` and was there as soon as ``a``
                os.mkdir(folder)
                self.made.append(folder)
        self.folders.add(folder)

    def put(self) -> None:
        """Move every staged file to its place."""
        for temporary, place in self.staged.items():
            os.replace(temporary, place)

    def undo(self) -> None:
        """Remove what did not get to its place, and the folders that were made for it."""
        for temporary in self.staged:
            with suppress(OSError):
                os.unlink(temporary)
        for folder in reversed(self.made):
            with suppress(OSError):  # whole files are in it
                os.rmdir(folder)


def _open_new(place: str, mode: int) -> int:
    """Open a file that is not there yet."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(place, flags, mode)
    except FileExistsError:  # a run that was killed left it
        os.unlink(place)
        return os.open(place, flags, mode)


def _look_for(kind: int, place: str) -> int:
    """Say what is at a place, 0 for nothing; raises ``UserError`` where it is not of the kind that is wanted there."""
    mode = _mode(place)
    if stat.S_ISLNK(mode):
        raise UserError(Problem(place, "is a link, and links are not followed", "remove it", "link"))
    if mode and stat.S_ISDIR(mode) != stat.S_ISDIR(kind):
        words = ("folder", "file") if stat.S_ISDIR(mode) else ("file", "folder")
        what = "is a {}, where the bundle has a {}".format(*words)
        raise UserError(Problem(place, what, "move it aside", "in-the-way"))
    return mode


def _mode(place: str) -> int:
    """Say what is at a place, without following a link; 0 where nothing is."""
    try:
        return os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except (OSError, ValueError) as error:
        raise UserError(Problem(place, reason(error), "name another folder", "unreadable")) from None


def check_folder(folder: Path) -> None:
    """Refuse an output folder that cannot be one: a file, a link, or a folder of the tool itself; raises ``UserError``.

    A folder above it may be a link, as ``/tmp`` is on a Mac.
    """
    mode = _mode(str(folder))
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
    inside = _Folder(folder)
    found: dict[str, bytes] = {}
    problems: dict[Problem, None] = {}
    for path in paths:
        try:
            if inside.mode(path):
                found[path] = read_regular(inside.place(path), MOST_BYTES)
        except FileNotFoundError:
            continue
        except UserError as error:
            problems.update(dict.fromkeys(error.problems))
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


def write_changes(folder: Path, changes: Sequence[Change], lock: Lock) -> None:
    """Apply changes: write every new file beside its place, then put all in place, then the lock.

    Raises ``UserError`` where the folder cannot be written, and ``ConflictError`` where it is no longer what the
    changes were planned for; then nothing but whole files is there.
    """
    inside = _Folder(folder)
    try:
        inside.make(inside.root)
        with _alone(inside.root):
            _refuse_changed(inside, folder, changes)
            _refuse_read_only(inside, changes)
            _apply(inside, changes, lock)
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


def _apply(inside: _Folder, changes: Sequence[Change], lock: Lock) -> None:
    for change in changes:
        if change.action in WRITES and change.new is not None:
            inside.stage(change.path, change.new)
        else:
            inside.sweep(change.path)
    inside.stage(locks.PATH, locks.lock_text(lock).encode())
    with _uninterrupted():
        inside.put()
        for change in changes:
            if change.action == "remove":
                _remove(Path(inside.root), Path(inside.place(change.path)))


def _refuse_changed(inside: _Folder, folder: Path, changes: Sequence[Change]) -> None:
    """Refuse to write over what another run, or somebody, has written since the changes were planned."""
    found = read_files(folder, (change.path for change in changes if change.old is not None))
    places = [
        str(folder / change.path)
        for change in changes
        if (inside.mode(change.path) if change.old is None else found.get(change.path) != change.old)
    ]
    if places:
        raise ConflictError(*(Problem(at, "changed while this ran", "run it again", "conflict") for at in places))


def _refuse_read_only(inside: _Folder, changes: Iterable[Change]) -> None:
    """Refuse to replace what somebody made read-only, which renaming would do without a question."""
    changed = [inside.place(change.path) for change in changes if change.action in {"update", "remove"}]
    what, mend = "is read-only, and would be changed", "make it writable, or move it aside"
    problems = [Problem(place, what, mend, "unwritable") for place in changed if not _mode(place) & _WRITE_BITS]
    if problems:
        raise UserError(*problems)


def _unwritable(folder: Path, error: OSError) -> Problem:
    place = str(error.filename or folder).removesuffix(_TEMPORARY)
    return Problem(place, f"cannot be written: {reason(error)}", "name another folder", "unwritable")


def _remove(folder: Path, place: Path) -> None:
    place.unlink(missing_ok=True)
    for parent in place.parents:
        if parent == folder or any(parent.iterdir()):
            break
        parent.rmdir()
