"""Questions line by line, without moving the cursor: for screen readers, logs, and terminals that can do no more.

Lives here: showing a screen as lines on stderr, and reading the answer from stdin. Must not: what is asked.
"""

import os
import sys
from collections.abc import Iterator
from textwrap import wrap

from devops_tasks.errors import shown
from devops_tasks.wizard.flow import Reply
from devops_tasks.wizard.questions import Option, Screen

_COLUMNS = 78
BACK = "<"
KEYS = f"Enter takes what stands in [ ], {BACK} goes back, Ctrl-C stops."


class Plain:
    """Asks on a terminal line by line."""

    keys = KEYS
    title = ""

    def close(self) -> None:
        """Leave the terminal as it was: nothing was changed."""

    def say(self, *lines: str) -> None:
        """Write lines to stderr."""
        for line in lines:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def ask(self, screen: Screen) -> Reply:
        """Show a screen until there is an answer to it that is right."""
        self.say(*heading(screen, self.title), shown(screen.message), *_listed(screen))
        self.title = screen.title
        while True:
            line = self._line(screen)
            if line == BACK:
                return Reply(back=True)
            text, wrong = _read(screen, line)
            if not wrong:
                return Reply(text)
            self.say(*_indented(shown(wrong)))

    def _line(self, screen: Screen) -> str:
        offered = next((option.label for option in screen.options if option.value == screen.default), screen.default)
        self._write(f"[{offered}] > " if offered else "> ")
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.strip()

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def heading(screen: Screen, before: str) -> Iterator[str]:
    """Give the lines above a question: the title where it is another than before, what is to be said, the help."""
    yield ""
    if screen.title != before:
        yield from (shown(screen.title), "")
    yield from map(shown, screen.notes)
    yield from _indented(screen.help)


def _indented(text: str) -> list[str]:
    return wrap(text, _columns(), initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _columns() -> int:
    """Say how wide a text is best: as the terminal is, and no wider than people read."""
    try:
        return max(min(os.get_terminal_size(sys.stderr.fileno()).columns - 1, _COLUMNS), 20)
    except OSError:  # the terminal is gone
        return _COLUMNS


def _listed(screen: Screen) -> Iterator[str]:
    for number, option in enumerate(screen.options, start=1):
        yield f"  {number}. {option.label}"


def _read(screen: Screen, line: str) -> tuple[str, str]:
    """Give the answer that a line means, and what is wrong with it."""
    if screen.options:
        option = _chosen(screen.options, line, screen.default)
        return (option.value, "") if option else ("", f"write a number from 1 to {len(screen.options)}")
    text = screen.meant(line)
    return text, screen.judge(text)


def _chosen(options: tuple[Option, ...], line: str, default: str) -> Option | None:
    if line.isdecimal():
        return options[int(line) - 1] if 0 < int(line) <= len(options) else None
    wanted = line or default
    return next((option for option in options if wanted in {option.value, option.label}), None)
