"""The lock: what was generated last time, from what, by which version; and beside it the generated texts themselves.

Lives here: the values, and how they are written down. Must not: touching disk, deciding what to write.
"""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from typing import Any, NamedTuple

from devops_tasks.errors import Problem, UserError
from devops_tasks.fields import Tree
from devops_tasks.units import parse_date

FOLDER = ".devops-tasks"
PATH = f"{FOLDER}/lock.json"
BASE = f"{FOLDER}/base"
"""Where the texts lie that a later run merges with, all in one file: docs/decisions/0016-texts-of-last-time.md."""
FORMAT = 1
_DEPTH = 3
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode  # with an indent it would be ten times as slow


class Lock(NamedTuple):
    """What the last run wrote: the complete spec, its date, and the digest of every file, by path.

    ``orphans`` are edited files that are no longer made: what was generated is remembered, in case they come back.
    """

    version: str
    today: str
    spec: dict[str, Tree]
    files: dict[str, str]
    orphans: Mapping[str, str] = {}
    packs: tuple[dict[str, Any], ...] = ()
    """Name, version and digest of each template pack that took part, the lowest first."""


def digest(content: bytes) -> str:
    """Name a file's content by its SHA-256."""
    return sha256(content).hexdigest()


def lock_text(lock: Lock) -> str:
    """Print a lock, the same bytes for the same value; a line for each file and each key of a group."""
    values = lock._asdict()
    for name in ("orphans", "packs"):
        if not values[name]:
            del values[name]
    return _lines({"format": FORMAT, **values}, 1) + "\n"


def _lines(value: Tree, depth: int) -> str:
    if not isinstance(value, dict) or depth > _DEPTH:
        return _ENCODE(value)
    indent = "\n" + " " * depth
    rows = (f"{indent}{_ENCODE(key)}: {_lines(inner, depth + 1)}" for key, inner in value.items())
    return "{" + ",".join(rows) + indent[:-1] + "}"


def parse_lock(text: str, where: str) -> Lock:
    """Read a lock; raises ``UserError`` where it is damaged or of a format that this version does not know."""
    try:
        content = json.loads(text)
        if int(content["format"]) != FORMAT:
            what = f"written in format {int(content['format'])}; this version reads {FORMAT}"
            raise UserError(Problem(where, what, "use the version that wrote it, or a newer one", "lock"))
        lock = Lock(
            content["version"],
            content["today"],
            dict(content["spec"]),
            dict(content["files"]),
            dict(content.get("orphans", {})),
            tuple(map(dict, content.get("packs", ()))),
        )
        _check(lock)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        mend = "restore it from version control, or remove it and generate with --force"
        raise UserError(Problem(where, "damaged", mend, "lock")) from None
    return lock


def _check(lock: Lock) -> None:
    """Raise ``ValueError`` or ``TypeError`` for what no run has written: above all a path that leaves the folder."""
    dated = not lock.today or parse_date(lock.today)
    named = re.fullmatch(r"[\w.+-]{1,40}", lock.version)
    every = {**lock.orphans, **lock.files}
    if not (dated and named and all(map(_is_inside, every)) and all(map(_is_digest, every.values()))):
        raise ValueError


def base_bytes(files: Mapping[str, str]) -> bytes:
    """Write texts down one behind the other, each after its path, with a NUL after both.

    The NUL keeps Git from changing line ends and from showing the texts twice in a diff, and grep from finding
    everything a second time.
    """
    made = BytesIO()  # half of what joining the parts would need
    for row in files.items():
        for part in row:
            made.write(part.encode())
            made.write(b"\0")
    return made.getvalue()


def parse_base(content: bytes, lock: Lock) -> dict[str, str]:
    """Read the texts whose digests the lock knows; what is damaged is left out."""
    parts = content.split(b"\0")
    pairs = zip(parts[::2], parts[1::2], strict=False)
    known = {**lock.orphans, **lock.files}
    return {
        path.decode("utf-8", "replace"): text.decode()
        for path, text in pairs
        if known.get(path.decode("utf-8", "replace")) == digest(text)
    }


def _is_inside(path: str) -> bool:
    steps = path.split("/")
    return (
        not path.startswith(f"{FOLDER}/")
        and path.isprintable()
        and "\\" not in path
        and not {"", ".", ".."} & set(steps)
    )


def _is_digest(value: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", value) is not None
