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
    """Print a lock, the same bytes for the same value."""
    return json.dumps({"format": FORMAT, **lock._asdict()}, indent=1, ensure_ascii=False) + "\n"


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
