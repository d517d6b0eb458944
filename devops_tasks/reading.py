"""Reading one file that somebody names: a regular file of a limited size, with every failure in words.

Lives here: the only way in which a spec, a lock and the files of a bundle are read. Nothing that is read can block, and
no more is read than the limit, whatever size the file claims to have. Must not: knowing what is in a file.
"""

import os
import stat
from pathlib import Path

from devops_tasks.errors import Problem, UserError


def read_regular(path: Path | str, most: int) -> bytes:
    """Read a file of at most ``most`` bytes.

    Raises ``FileNotFoundError`` where there is none, and ``UserError`` where it is no regular file, larger, or cannot
    be read.
    """
    try:
        return _read(path, most)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(Problem(str(path), reason(error), "see that you may read it", "unreadable")) from None


def read_text(path: Path, most: int) -> str:
    """Read a file of text in UTF-8; raises ``UserError`` where it is none, or is not there."""
    try:
        return read_regular(path, most).decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise UserError(Problem(str(path), "no such file", "name another file", "unreadable")) from None
    except UnicodeDecodeError:
        raise UserError(Problem(str(path), "no text in UTF-8", "save it as UTF-8", "not-utf8")) from None


def nearest_above(path: Path, name: str) -> str:
    """Find the nearest file of a name in the folder of another file or above it; empty where there is none.

    The search ends at the root of a Git repository. It ends before a folder such as /tmp, in which everybody may write.
    """
    try:
        folder = os.path.realpath(os.path.dirname(path))  # noqa: PTH120 - as strings, in a tenth of the time
        while not _is_shared(folder):
            found = f"{folder.rstrip('/')}/{name}"
            if os.path.lexists(found):
                return found if path.is_absolute() else os.path.relpath(found)
            above = os.path.dirname(folder)  # noqa: PTH120
            if above == folder or os.path.lexists(f"{folder}/.git"):
                break
            folder = above
    except (OSError, ValueError):  # reading the file itself will tell
        pass
    return ""


def _is_shared(folder: str) -> bool:
    everybody = stat.S_ISVTX | stat.S_IWOTH
    try:
        return os.stat(folder).st_mode & everybody == everybody  # noqa: PTH116
    except FileNotFoundError:  # it is yet to be made
        return False


def reason(error: OSError | ValueError) -> str:
    """Say in the words of the system why something could not be done."""
    told = error.strerror if isinstance(error, OSError) else None
    return (told or "is no name of a file").lower()


def _read(path: Path | str, most: int) -> bytes:
    # Without O_NONBLOCK the opening of a named pipe waits for somebody who writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            what = "is a folder, not a file" if stat.S_ISDIR(status.st_mode) else "is a pipe or a device, not a file"
            raise UserError(Problem(str(path), what, "name a file", "unreadable"))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(min(status.st_size, most) + 1)
            if len(content) > status.st_size:  # it grows, or has a size that is none, as in /proc
                content += file.read(most + 1 - len(content))
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise UserError(Problem(str(path), f"larger than {most} bytes", "name another file", "too-large"))
    return content
