"""A template pack as it lies on disk: a folder with ``pack.yaml`` and ``templates/``, read whole into memory.

Every path of a pack passes :func:`contained`: what is read, what a template includes or extends, and what is written.
What is read is opened step by step from the pack's folder, and no step may be a link. Must not: knowing what is in a
file, Jinja, YAML: a run that remembers its packs loads nothing but this.
"""

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from devops_tasks.errors import Problem, UserError
from devops_tasks.reading import reason

MANIFEST = "pack.yaml"
TEMPLATES = "templates"
TESTS = "tests"
SUFFIX = ".j2"

MOST_FILES = 1000
MOST_BYTES = 1_000_000
"""Of one file."""
MOST_IN_ALL = 50_000_000
MOST_DEPTH = 12
_MOST_LETTERS = 240
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK the opening of a named pipe waits for somebody who writes into it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)
_KEPT = frozenset({".git", "git~1", ".devops-tasks"})
"""Folders whose content is obeyed by Git, or by this tool; in whatever case, and as old Windows names them."""


class Pack(NamedTuple):
    """A pack in memory: its real place, what has an effect of its files, and the digest of that."""

    source: str
    files: dict[str, bytes]
    digest: str

    @property
    def templates(self) -> dict[str, bytes]:
        """The templates by their path below ``templates/``."""
        return below(self.files, TEMPLATES)


def below(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    """Give the files of one folder, by their paths inside it."""
    return {path.removeprefix(f"{folder}/"): text for path, text in files.items() if path.startswith(f"{folder}/")}


def contained(path: str, where: str) -> str:
    """Give a path back that stays inside the folder it is meant for, on every disk; raises ``UserError`` otherwise."""
    told = _fault(path)
    if told:
        raise UserError(Problem(f"{where}: {path!r}" if where else repr(path), told, "give it another name", "pack"))
    return path


def _fault(path: str) -> str:
    """Say what is wrong with a path; nothing where nothing is."""
    steps = path.split("/")
    if not path.isprintable() or len(path) > _MOST_LETTERS:
        return "is no name of a file: too long, or with characters that cannot be printed"
    if not {"", ".", ".."}.isdisjoint(steps) or "\\" in path or ":" in path:
        return "leaves its folder, or may do so on another system"
    if any(_folded(step) in _KEPT for step in steps):
        return "is in a folder that Git or this tool keeps for itself"
    if any(step[-1] in ". " or step.partition(".")[0].casefold() in _DEVICES for step in steps):
        return "is no name of a file on every system"
    return "" if len(steps) <= MOST_DEPTH else f"is more than {MOST_DEPTH} folders deep"


def refuse_collisions(paths: Iterable[str], where: str) -> None:
    """Refuse two names that some disks take for one, and a file where another path has a folder."""
    seen: dict[str, tuple[str, bool]] = {}
    for path in paths:
        steps = path.split("/")
        for end in range(1, len(steps) + 1):
            found = ("/".join(steps[:end]), end == len(steps))
            other = seen.setdefault(_folded(found[0]), found)
            if other[0] != found[0]:
                raise UserError(_collision(where, path, f"collides with {other[0]!r}: some disks know no case"))
            if other[1] != found[1]:
                raise UserError(_collision(where, path, "is a file, and a folder of other files"))


def _collision(where: str, path: str, what: str) -> Problem:
    return Problem(f"{where}: {path!r}", what, "give one of them another name", "pack")


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def read_pack(folder: Path) -> Pack:
    """Read what has an effect of a pack; raises ``UserError`` where it is none, or holds a link or a device."""
    with _opened(folder) as top:
        files = dict(_read(top, str(folder), {MANIFEST, TEMPLATES}))
    if MANIFEST not in files:
        mend = f"name the folder of a template pack; it has a {MANIFEST}"
        raise UserError(Problem(str(folder), f"holds no {MANIFEST}", mend, "pack"))
    files = {path: content for path, content in files.items() if path == MANIFEST or path.endswith(SUFFIX)}
    refuse_collisions(files, str(folder))
    return Pack(os.path.realpath(folder), files, _digest(files))


def read_inside(folder: Path, top: str) -> dict[str, bytes]:
    """Read one folder of a pack whole, such as its tests; the paths begin inside it."""
    with _opened(folder) as descriptor:
        return below(dict(_read(descriptor, str(folder), {top})), top)


def write_inside(folder: Path, path: str, content: bytes, *, fresh: bool = False) -> None:
    """Write one file of a pack; raises ``UserError`` where it, or a folder on the way, is a link or something else.

    A ``fresh`` one must not be there yet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _beside(folder, path) as (descriptor, name):
        _write(descriptor, name, content, os.O_EXCL if fresh else os.O_TRUNC)


def remove_inside(folder: Path, path: str) -> None:
    """Remove one file of a pack; raises ``UserError`` as ``write_inside`` does."""
    with _beside(folder, path) as (descriptor, name):
        os.unlink(name, dir_fd=descriptor)


@contextmanager
def _beside(folder: Path, path: str) -> Iterator[tuple[int, str]]:
    """Step to the folder of a file, without following a link."""
    *parents, name = contained(path, str(folder)).split("/")
    place = str(folder)
    with ExitStack() as opened:
        descriptor = opened.enter_context(_opened(folder))
        try:
            for parent in parents:
                place += f"/{parent}"
                descriptor = _stepped(descriptor, parent)
                opened.callback(os.close, descriptor)
            place += f"/{name}"
            yield descriptor, name
        except OSError as error:
            raise _refused(place, error) from None


def _stepped(descriptor: int, name: str) -> int:
    """Step into a folder, which is made where there is none."""
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=descriptor)
    return os.open(name, _FOLDER, dir_fd=descriptor)


def _write(descriptor: int, name: str, content: bytes, how: int) -> None:
    flags = how | os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o666, dir_fd=descriptor), "wb") as file:
        file.write(content)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    try:
        descriptor = os.open(folder, _FOLDER)
    except OSError as error:
        raise _refused(str(folder), error) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int, where: str, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Read some entries of a pack's folder; nothing is followed, and no more is read than a pack may have."""
    size = 0
    for count, (path, content) in enumerate(_walk(descriptor, where, "", set(wanted))):
        size += len(content)
        if count >= MOST_FILES or size > MOST_IN_ALL:
            what = f"has more than {MOST_FILES} files" if count >= MOST_FILES else f"larger than {MOST_IN_ALL} bytes"
            raise UserError(Problem(where, what, "make it smaller", "pack-limit"))
        yield path, content


def _walk(descriptor: int, where: str, prefix: str, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    for name in sorted(os.listdir(descriptor)):
        if prefix or name in wanted:
            path = contained(prefix + name, where)
            try:
                yield from _entry(descriptor, where, path)
            except OSError as error:
                raise _refused(f"{where}/{path}", error) from None


def _entry(descriptor: int, where: str, path: str) -> Iterator[tuple[str, bytes]]:
    name = path.rpartition("/")[2]
    mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
    inner = os.open(name, _FOLDER if stat.S_ISDIR(mode) else _FILE, dir_fd=descriptor)
    try:
        if stat.S_ISDIR(mode):
            yield from _walk(inner, where, f"{path}/", set())
        else:
            yield path, _content(inner, f"{where}/{path}")
    finally:
        os.close(inner)


def _content(descriptor: int, where: str) -> bytes:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise UserError(Problem(where, "is a pipe or a device, not a file", "remove it", "pack"))
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UserError(Problem(where, f"larger than {MOST_BYTES} bytes", "make it smaller", "pack-limit"))
    return content


def _refused(where: str, error: OSError) -> UserError:
    try:
        linked = stat.S_ISLNK(os.lstat(where).st_mode)
    except OSError:
        linked = False
    if linked:
        return UserError(Problem(where, "is a link, and links are not followed", "put the file itself there", "pack"))
    return UserError(Problem(where, f"cannot be used: {reason(error)}", "name another folder, or mend it", "pack"))


def _digest(files: Mapping[str, bytes]) -> str:
    """Name the content of a pack; each path and each text with its length, so that none can pass for another."""
    digest = sha256()
    for path, content in sorted(files.items()):
        for part in (path.encode(), content):
            digest.update(b"%d:" % len(part))
            digest.update(part)
    return digest.hexdigest()
