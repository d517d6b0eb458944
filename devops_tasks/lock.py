"""The lock: what was written last time, from what, by which version.

Lives here: the value, and its text. Must not: touching disk, deciding what to write.
"""

import json
import re
from hashlib import sha256
from typing import NamedTuple

from devops_tasks.errors import Problem, UserError
from devops_tasks.fields import Tree
from devops_tasks.units import parse_date

FOLDER = ".devops-tasks"
PATH = f"{FOLDER}/lock.json"
FORMAT = 1
_DEPTH = 3
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode  # with an indent it would be ten times as slow


class Lock(NamedTuple):
    """What the last run wrote: the complete spec, its date, and the digest of every file, by path."""

    version: str
    today: str
    spec: dict[str, Tree]
    files: dict[str, str]


def digest(content: bytes) -> str:
    """Name a file's content by its SHA-256."""
    return sha256(content).hexdigest()


def lock_text(lock: Lock) -> str:
    """Print a lock, the same bytes for the same value; a line for each file and each key of a group."""
    return _lines({"format": FORMAT, **lock._asdict()}, 1) + "\n"


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
        lock = Lock(content["version"], content["today"], dict(content["spec"]), dict(content["files"]))
        _check(lock)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        mend = "restore it from version control, or remove it and generate with --force"
        raise UserError(Problem(where, "damaged", mend, "lock")) from None
    return lock


def _check(lock: Lock) -> None:
    """Raise ``ValueError`` or ``TypeError`` for what no run has written: above all a path that leaves the folder."""
    dated = not lock.today or parse_date(lock.today)
    named = re.fullmatch(r"[\w.+-]{1,40}", lock.version)
    if not (dated and named and all(map(_is_inside, lock.files)) and all(map(_is_digest, lock.files.values()))):
        raise ValueError


def _is_inside(path: str) -> bool:
    steps = path.split("/")
    return path != PATH and path.isprintable() and "\\" not in path and not {"", ".", ".."} & set(steps)


def _is_digest(value: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", value) is not None
