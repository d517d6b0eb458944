"""The lock: what was written last time, from what, by which version.

Lives here: the value, and its text. Must not: touching disk, deciding what to write.
"""

import json
from hashlib import sha256
from typing import NamedTuple

from devops_tasks.errors import Problem, UserError
from devops_tasks.fields import Tree

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
        if content["format"] != FORMAT:
            what = f"written in format {content['format']}; this version reads {FORMAT}"
            raise UserError(Problem(where, what, "use the version that wrote it, or a newer one", "lock"))
        return Lock(content["version"], content["today"], dict(content["spec"]), dict(content["files"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        mend = "restore it from version control, or remove it and generate with --force"
        raise UserError(Problem(where, "damaged", mend, "lock")) from None
