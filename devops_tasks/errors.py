"""What a user is told when something is wrong: problems, and the one error that carries all of them.

Lives here: the value that describes a fault and the exception that ends a command because of faults.
Must not: exit codes, printing, a subclass per fault.
"""

from typing import NamedTuple

KeyPath = tuple[str | int, ...]


def key_text(path: KeyPath) -> str:
    """Write a key path as the user reads it: ``services[0].health.port``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if step == step.strip() != "" else repr(step)  # what would not be seen is quoted
            text += f".{name}" if text else name
    return text


class Fault(NamedTuple):
    """One thing wrong with a spec, at a key path and not yet at a place in a file."""

    path: KeyPath
    what: str
    mend: str = ""
    code: str = "invalid-value"


class Problem(NamedTuple):
    """One thing wrong, at a place a person can open; ``line`` and ``column`` count from 1, 0 when unknown."""

    where: str
    what: str
    mend: str = ""
    code: str = "invalid-value"
    line: int = 0
    column: int = 0
    key: str = ""

    def __str__(self) -> str:
        """Print as ``where:line:column: key: what (mend)``."""
        place = self.where
        if self.line:
            place += f":{self.line}:{self.column}"
        parts = [part for part in (place, self.key, self.what) if part]
        return shown(": ".join(parts) + (f" ({self.mend})" if self.mend else ""))


def shown(text: str) -> str:
    """Spell out what a terminal would obey instead of showing it: line breaks, escapes, marks of direction."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


class UserError(Exception):
    """The input cannot be used; carries every problem that was found, never only the first."""

    def __init__(self, *problems: Problem) -> None:
        """Keep the problems in the order in which they stand in the input."""
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ConflictError(UserError):
    """The input is good, but writing would destroy something a person made (exit 1, not 2)."""
