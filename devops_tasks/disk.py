"""The output folder: read what is there, write what was decided, whole file by whole file, the lock last.

Lives here: the only code that writes a bundle. A path never leaves the folder, and no link is ever followed.
Must not: deciding.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from devops_tasks import lock as locks
from devops_tasks.errors import Problem, UserError
from devops_tasks.lock import Lock
from devops_tasks.merge import WRITES, Change
from devops_tasks.reading import read_regular, reason

MOST_BYTES = 20_000_000
"""More than any file of a bundle has, and little enough for memory."""

_TEMPORARY = ".devops-tasks-new"
_PACKAGE = Path(__file__).resolve().parent
_OWN = (_PACKAGE, _PACKAGE / "templates" if (_PACKAGE / "templates").is_dir() else _PACKAGE.parent / "templates")
"""The tool's own folders; its templates lie beside the package in a checkout."""

_WRITE_BITS = 0o222


def contained(folder: Path, path: str) -> Path:
    """Find the place of a bundle's file.

    Raises ``UserError`` where it, or a folder on the way, leads elsewhere, or where a file and a folder meet.
    """
    steps = PurePosixPath(path).parts
    if not steps or ".." in steps or PurePosixPath(path).is_absolute() or "\\" in path or "\0" in path:
        raise UserError(Problem(path, "leaves the output folder", "generate again from the spec", "path"))
    place = folder
    for left, step in enumerate(steps, start=1 - len(steps)):
        place /= step
        mode = _mode(place)
        if not mode:
            return folder.joinpath(*steps)
        if stat.S_ISLNK(mode):
            raise UserError(Problem(str(place), "is a link, and links are not followed", "remove it", "link"))
        if stat.S_ISDIR(mode) == (left == 0):
            kinds = ("folder", "file") if left == 0 else ("file", "folder")
            what = "is a {}, where the bundle has a {}".format(*kinds)
            raise UserError(Problem(str(place), what, "move it aside", "in-the-way"))
    return place


def _mode(place: Path) -> int:
    """Say what is at a place, without following a link; 0 where nothing is."""
    try:
        return place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except (OSError, ValueError) as error:
        raise UserError(Problem(str(place), reason(error), "name another folder", "unreadable")) from None


def check_folder(folder: Path) -> None:
    """Refuse an output folder that cannot be one: a file, a link, or a folder of the tool itself; raises ``UserError``.

    A folder above it may be a link, as ``/tmp`` is on a Mac.
    """
    mode = _mode(folder)
    if stat.S_ISLNK(mode):
        what, mend = "is a link, and links are not followed", "name the folder itself"
        raise UserError(Problem(str(folder), what, mend, "output"))
    there = folder if mode else next((above for above in folder.absolute().parents if above.exists()), folder)
    if there.exists() and not there.is_dir():
        raise UserError(Problem(str(there), "is a file, not a folder", "name a folder with -o", "output"))
    real = Path(os.path.realpath(folder))
    if any(real.is_relative_to(own) for own in _OWN):
        raise UserError(Problem(str(folder), "is a folder of this tool itself", "name another with -o", "output"))


def read_files(folder: Path, paths: Iterable[str]) -> dict[str, bytes]:
    """Read those of some paths that are there; raises ``UserError`` with every one that cannot be read."""
    found: dict[str, bytes] = {}
    problems: dict[Problem, None] = {}
    for path in paths:
        try:
            found[path] = read_regular(contained(folder, path), MOST_BYTES)
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

    Raises ``UserError`` where the folder cannot be written; then nothing but whole files is there.
    """
    _refuse_read_only(folder, changes)
    wanted = [(change.path, change.new) for change in changes if change.action in WRITES and change.new is not None]
    wanted.append((locks.PATH, locks.lock_text(lock).encode()))
    staged: list[tuple[Path, Path]] = []
    made: list[Path] = []
    try:
        for path, content in wanted:
            place = contained(folder, path)
            _make_folder(place.parent, made)
            temporary = place.with_name(f"{place.name}{_TEMPORARY}")
            staged.append((temporary, place))
            _stage(temporary, content, 0o777 if place.suffix == ".sh" else 0o666)
        for temporary, place in staged:
            temporary.replace(place)
        for change in changes:
            if change.action == "remove":
                _remove(folder, contained(folder, change.path))
    except BaseException as error:
        _undo(staged, made)
        if isinstance(error, OSError):
            raise UserError(_unwritable(folder, error)) from None
        raise


def _refuse_read_only(folder: Path, changes: Iterable[Change]) -> None:
    """Refuse to replace what somebody made read-only, which renaming would do without a question."""
    changed = [folder / change.path for change in changes if change.action in {"update", "remove"}]
    what, mend = "is read-only, and would be changed", "make it writable, or move it aside"
    problems = [Problem(str(place), what, mend, "unwritable") for place in changed if not _mode(place) & _WRITE_BITS]
    if problems:
        raise UserError(*problems)


def _make_folder(folder: Path, made: list[Path]) -> None:
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir()
        made.append(each)


def _stage(temporary: Path, content: bytes, mode: int) -> None:
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def _undo(staged: list[tuple[Path, Path]], made: list[Path]) -> None:
    with suppress(OSError):
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)
    for folder in reversed(made):
        with suppress(OSError):  # whole files are in it
            folder.rmdir()


def _unwritable(folder: Path, error: OSError) -> Problem:
    place = str(error.filename or folder).removesuffix(_TEMPORARY)
    return Problem(place, f"cannot be written: {reason(error)}", "name another folder with -o", "unwritable")


def _remove(folder: Path, place: Path) -> None:
    place.unlink(missing_ok=True)
    for parent in place.parents:
        if parent == folder or any(parent.iterdir()):
            break
        parent.rmdir()
