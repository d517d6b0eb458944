"""The user's cache folder: bytes that may be gone at any time, and that nobody but this user can have written.

Lives here: finding the folder, reading and writing one entry. What cannot be kept is silently not kept. Must not:
knowing what an entry holds.
"""

import os
import stat
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

_DIGEST_BYTES = 32
_MOST_ENTRIES = {"templates": 8, "run": 500}
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cache_folder() -> Path | None:
    """Make the user's private folder for what may be gone; None where there is none that only this user can write."""
    return private_folder("XDG_CACHE_HOME", "~/.cache")


def private_folder(variable: str, usual: str) -> Path | None:
    """Make a folder of ours below one that a variable names; None where there is none that only this user can write."""
    base = os.environ.get(variable, "")
    folder = Path(base if base.startswith("/") else os.path.expanduser(usual)) / "devops-tasks"  # noqa: PTH111 - raises nothing where no home is known
    if not folder.is_absolute():
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    return folder if stat.S_ISDIR(status.st_mode) and _own(status) else None


def cache_key(kind: str, *parts: str | bytes) -> str:
    """Name an entry of a kind after all that it depends on; the interpreter is always among it."""
    digest = sha256()
    for part in (str(sys.implementation.cache_tag), *parts):
        content = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(content))
        digest.update(content)
    return f"{kind}-{digest.hexdigest()}"


def read_cached(folder: Path, key: str) -> bytes | None:
    """Read an entry; None where it is missing, damaged, a link, or may be another user's work."""
    try:
        with open(folder / key, "rb", buffering=0, opener=_open_entry) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not _own(status):
                return None
            written, content = file.read(_DIGEST_BYTES), file.read()
    except OSError:
        return None
    return content if written == sha256(content).digest() else None


def write_cached(folder: Path, key: str, content: bytes) -> None:
    """Keep an entry, whole or not at all, and only the newest few of its kind."""
    kind = key.partition("-")[0]
    temporary = folder / f"{key}.{os.getpid()}"
    try:
        with open(temporary, "xb", opener=_open_private) as file:
            file.write(sha256(content).digest() + content)
        temporary.replace(folder / key)
        alike = [entry for entry in os.scandir(folder) if entry.name.startswith(f"{kind}-")]
        for old in sorted(alike, key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)[: -_MOST_ENTRIES[kind]]:
            Path(old).unlink()
    except OSError:
        with suppress(OSError):
            temporary.unlink()


def _own(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & _OTHERS_WRITE


def _open_entry(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
