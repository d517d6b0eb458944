"""A folder that appears at once: prepared where renaming is enough, then put in its place, whatever ends the run.

What a killed run has left, the next one here removes, or puts in place where that had begun. Must not: knowing what is
in the folder.
"""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

PREFIX = ".devops-tasks-new-"
"""What the name of a folder begins with in which another one is prepared."""

_PREPARED = "prepared"
_WHOLE = "whole"
"""What the prepared folder is called from the moment on in which its content is moved, one thing after the other."""


@contextmanager
def prepared(folder: Path) -> Iterator[Path]:
    """Give a folder to fill; at the end it stands where ``folder`` is to be, or its content in the one that is there.

    After an error nothing is there that was not there before. Raises ``OSError`` where something cannot be written.
    """
    there = folder.is_dir()
    above = Path(os.path.realpath(folder if there else folder.parent))
    folder = above if there else above / folder.name
    missing = [each for each in (above, *above.parents) if not each.exists()]
    try:
        above.mkdir(parents=True, exist_ok=True)
        settle(above)
        with _workshop(above) as workshop:
            made = workshop / _PREPARED
            made.mkdir()
            yield made
            if there:
                _place_content(made.rename(workshop / _WHOLE), folder)
            else:
                made.rename(folder)
    except BaseException:
        for each in missing:
            with suppress(OSError):  # somebody has put something there
                each.rmdir()
        raise


@contextmanager
def _workshop(above: Path) -> Iterator[Path]:
    """Make a folder to work in, whose lock says that its run is alive, and remove it in the end."""
    with ExitStack() as stack:
        with _locked(above):  # else another run could take it for one that is left
            workshop = Path(tempfile.mkdtemp(prefix=PREFIX, dir=above))
            stack.enter_context(_locked(workshop))
        stack.callback(shutil.rmtree, workshop, ignore_errors=True)
        yield workshop


def settle(above: Path) -> bool:
    """End what runs that were killed have left in a folder; say whether one of them was put in place."""
    with _locked(above):
        return sum(map(_ended, sorted(above.glob(f"{PREFIX}*")))) > 0


def _ended(left: Path) -> bool:
    """End what one run has left; the lock of one that is alive, and what cannot be moved, is an ``OSError``."""
    with suppress(OSError), _locked(left, fcntl.LOCK_NB):
        whole = (left / _WHOLE).is_dir()
        if whole:
            _place_content(left / _WHOLE, left.parent)
        shutil.rmtree(left)
        return whole
    return False


def _place_content(whole: Path, folder: Path) -> None:
    """Move all that is in one folder into another; where that fails, nothing of it is left there."""
    names = sorted(child.name for child in whole.iterdir())
    taken = [child for child in folder.iterdir() if child.name in names]
    if taken:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(taken[0]))
    placed: list[str] = []
    try:
        for name in names:
            (whole / name).rename(folder / name)
            placed.append(name)
    except BaseException:
        for name in placed:
            (folder / name).rename(whole / name)
        raise


@contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[None]:
    """Hold the lock of a folder; the system takes it back from a process that is killed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with nullcontext() if how else suppress(OSError):  # some disks of a network know no such thing
            fcntl.flock(descriptor, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(descriptor)
