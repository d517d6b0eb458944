"""The answers on disk while they are being given: one private file for each spec, written whole after every answer.

Lives here: keeping, finding and throwing away a draft. It lies in the user's own state folder, where no commit takes it
along. Must not: knowing what the answers mean.
"""

import json
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from devops_tasks.cache import private_folder
from devops_tasks.errors import UserError
from devops_tasks.fields import Tree
from devops_tasks.reading import read_regular
from devops_tasks.wizard.answers import Answers
from devops_tasks.wizard.flow import Place, State

FORMAT = 1
_MOST_BYTES = 1_000_000


class Left(NamedTuple):
    """What an earlier run has left, and whether the spec's file is no longer what that run began with."""

    state: State
    outdated: bool


class Draft(NamedTuple):
    """Where the answers for one spec are kept, and what the spec's file held when they were begun."""

    path: Path | None
    file: str
    base: str

    def keep(self, state: State) -> None:
        """Write the answers, whole or not at all; where the disk takes nothing, the answers live on in memory."""
        if self.path is None:
            return
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            with open(temporary, "x", encoding="utf-8", opener=_open_private) as file:
                json.dump(self._document(state), file)
            temporary.replace(self.path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()

    def _document(self, state: State) -> dict[str, Any]:
        kept = {"answers": state.answers.tree, "place": state.place, "history": state.history, "pace": state.pace}
        return {"format": FORMAT, "file": self.file, "base": self.base, **kept}

    def find(self) -> Left | None:
        """Read the answers that an earlier run has left; None where there are none that can be gone on with."""
        try:
            document = json.loads(read_regular(self.path, _MOST_BYTES)) if self.path else {}
            if (document.get("format"), document.get("file")) != (FORMAT, self.file):
                return None
            history = tuple(_place(each) for each in document["history"])
            answers = Answers(dict(document["answers"]))
            state = State(answers, _place(document["place"]), history, pace=str(document["pace"]))
            return Left(state, outdated=document["base"] != self.base)
        except (OSError, UserError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def forget(self) -> None:
        """Throw the answers away."""
        with suppress(OSError):
            if self.path:
                self.path.unlink()


def draft_of(file: Path, base: bytes) -> Draft:
    """Find the place of the draft for a spec; ``base`` is what its file holds, nothing where there is none."""
    folder = private_folder("XDG_STATE_HOME", "~/.local/state")
    where = os.path.abspath(file)  # noqa: PTH100 - a link stays what it is
    name = f"draft-{sha256(where.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}.json"
    return Draft(folder / name if folder else None, where, sha256(base).hexdigest())


def _place(plain: Tree) -> Place:
    kind, path, detour = plain
    if not all(isinstance(each, str | int) for each in path):
        raise TypeError
    return Place(str(kind), tuple(path), bool(detour))


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
