"""One output folder during one run: finding the places of its files, and moving new files into them.

A path never leaves the folder, and no link is ever followed. Must not: deciding, knowing what the files are.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from devops_tasks.errors import Problem, UserError
from devops_tasks.reading import read_regular, reason

MOST_BYTES = 20_000_000
"""More than any file of a bundle has, and little enough for memory."""
TEMPORARY = ".devops-tasks-new"
"""What the name of a file ends with until it is whole and in its place."""

_UNSAFE = frozenset({"", ".", ".."})


class Folder:
    """An output folder during one run: each place, and each folder on the way to it, is looked at once, and made once.

    Places are text and not paths: a path is taken apart and put together each time, and a bundle has a hundred files.
    """

    def __init__(self, folder: Path) -> None:
        self.root = str(folder)
        self.folders: set[str] = set()
        self.places: dict[str, tuple[str, int]] = {}
        self.made: list[str] = []
        self.staged: set[str] = set()

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

    def read(self, path: str) -> bytes | None:
        """Read a file, None where there is none; raises ``UserError`` where it cannot be read."""
        try:
            return read_regular(self.place(path), MOST_BYTES) if self.mode(path) else None
        except FileNotFoundError:
            return None

    def stage(self, path: str, content: bytes) -> None:
        """Write a file whole, beside its place, with the rights of the one that it will replace."""
        place = self.place(path)
        self.make(place.rpartition("/")[0])
        temporary = place + TEMPORARY
        self.staged.add(temporary)
        rights = stat.S_IMODE(self.mode(path)) or (0o777 if path.endswith(".sh") else 0o666)
        descriptor = _open_new(temporary, rights)
        try:
            while content:
                content = content[os.write(descriptor, content) :]
        finally:
            os.close(descriptor)

    def put(self, path: str) -> None:
        """Move a staged file to its place."""
        place = self.place(path)
        os.replace(place + TEMPORARY, place)
        self.staged.discard(place + TEMPORARY)

    def sweep(self, path: str) -> None:
        """Remove a staged file, where there is one."""
        with suppress(FileNotFoundError):
            os.unlink(self.place(path) + TEMPORARY)

    def remove(self, path: str) -> None:
        """Remove a file, and the folders that have nothing else in them."""
        place = Path(self.place(path))
        place.unlink(missing_ok=True)
        for parent in place.parents:
            if str(parent) == self.root or any(parent.iterdir()):
                break
            parent.rmdir()
            self.folders.discard(str(parent))

    def make(self, folder: str) -> None:
        """Make a folder and those that it stands in, and remember which were not there."""
        if folder and folder not in self.folders and not os.path.isdir(folder):
            self.make(os.path.dirname(folder))
            with suppress(FileExistsError):  # another run made it, or it is ``a/..`` and was there as soon as ``a``
                os.mkdir(folder)
                self.made.append(folder)
        self.folders.add(folder)

    def undo(self) -> None:
        """Remove what did not get to its place, and the folders that were made for it."""
        for place in self.staged:
            with suppress(OSError):
                os.unlink(place)
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
    mode = mode_at(place)
    if stat.S_ISLNK(mode):
        raise UserError(Problem(place, "is a link, and links are not followed", "remove it", "link"))
    if mode and stat.S_ISDIR(mode) != stat.S_ISDIR(kind):
        words = ("folder", "file") if stat.S_ISDIR(mode) else ("file", "folder")
        what = "is a {}, where the bundle has a {}".format(*words)
        raise UserError(Problem(place, what, "move it aside", "in-the-way"))
    return mode


def mode_at(place: str) -> int:
    """Say what is at a place, without following a link; 0 where nothing is."""
    try:
        return os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except (OSError, ValueError) as error:
        raise UserError(Problem(place, reason(error), "name another folder", "unreadable")) from None
