"""The output folder: read what is there, write what was decided, whole file by whole file, the lock last.

Lives here: the only code that writes a bundle. A path never leaves the folder, and no link is ever followed.
Must not: deciding.
"""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from devops_tasks import lock as locks
from devops_tasks.errors import Problem, UserError
from devops_tasks.lock import Lock
from devops_tasks.merge import WRITES, Change

_TEMPORARY = ".devops-tasks-new"


def contained(folder: Path, path: str) -> Path:
    """Find the place of a bundle's path; raises ``UserError`` where it, or a folder on the way, leads elsewhere."""
    steps = PurePosixPath(path).parts
    if not steps or ".." in steps or PurePosixPath(path).is_absolute() or "\\" in path or "\0" in path:
        raise UserError(Problem(path, "leaves the output folder", "", "path"))
    place = folder
    for step in steps:
        place /= step
        if place.is_symlink():
            raise UserError(Problem(str(place), "is a link, and links are not followed", "remove it", "path"))
    return place


def check_folder(folder: Path) -> None:
    """Refuse an output folder that is no folder, or a link to one; raises ``UserError``."""
    if folder.is_symlink():
        raise UserError(
            Problem(str(folder), "is a link, and links are not followed", "name the folder itself", "output")
        )
    if folder.exists() and not folder.is_dir():
        raise UserError(Problem(str(folder), "is a file, not a folder", "name a folder with -o", "output"))


def read_files(folder: Path, paths: Iterable[str]) -> dict[str, bytes]:
    """Read those of some paths that are there."""
    found: dict[str, bytes] = {}
    for path in paths:
        place = contained(folder, path)
        try:
            found[path] = place.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UserError(_unreadable(place, error)) from None
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


def _unreadable(place: Path, error: OSError) -> Problem:
    return Problem(str(place), (error.strerror or "cannot be used").lower(), "", "unreadable")


def read_lock(folder: Path) -> Lock | None:
    """Read the lock of a folder, None where there is none."""
    content = read_files(folder, [locks.PATH]).get(locks.PATH)
    return None if content is None else locks.parse_lock(content.decode("utf-8", "replace"), str(folder / locks.PATH))


def write_changes(folder: Path, changes: Iterable[Change], lock: Lock) -> None:
    """Apply changes: write every new file beside its place, then put all in place, then the lock.

    Raises ``UserError`` where the folder cannot be written; then nothing but whole files is there.
    """
    wanted = [(change.path, change.new) for change in changes if change.action in WRITES and change.new is not None]
    wanted.append((locks.PATH, locks.lock_text(lock).encode()))
    staged: list[tuple[Path, Path]] = []
    try:
        for path, content in wanted:
            staged.append(_stage(contained(folder, path), content))
        for temporary, place in staged:
            temporary.replace(place)
        for change in changes:
            if change.action == "remove":
                _remove(folder, contained(folder, change.path))
    except OSError as error:
        raise UserError(_unreadable(Path(error.filename or folder), error)) from None
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)


def _stage(place: Path, content: bytes) -> tuple[Path, Path]:
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f"{place.name}{_TEMPORARY}")
    temporary.unlink(missing_ok=True)
    mode = 0o777 if place.suffix == ".sh" else 0o666
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    return temporary, place


def _remove(folder: Path, place: Path) -> None:
    place.unlink(missing_ok=True)
    for parent in place.parents:
        if parent == folder or any(parent.iterdir()):
            break
        parent.rmdir()
