"""A person at a terminal: a real pseudo-terminal, of which the screen is read as a person would, and typed into."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pyte

COMMAND = [sys.executable, "-m", "devops_tasks"]
PATIENCE = 120
"""Seconds to wait for a question: on a loaded machine the program is slow, and that is no fault of the wizard."""

ENTER, TAB, DOWN, UP, CLEAR, BACK, CTRL_C, CTRL_D = "\r", "\t", "\x1b[B", "\x1b[A", "\x15", "\x1b[Z", "\x03", "\x04"
_COLUMNS, _ROWS = 100, 400
"""So many rows that nothing scrolls away: the screen is the whole conversation."""


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Make the environment of a person at a terminal; this one would not say where its cursor is."""
    kept = {name: value for name, value in os.environ.items() if name not in {"CI", "NO_COLOR"}}
    own = {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", "XDG_STATE_HOME": str(folder / "state")}
    return {**kept, **own, **more}


class Person:
    """Runs a command on a terminal of its own, reads what is on the screen, and types."""

    def __init__(self, folder: Path, *command: str, state: Path, **more: str) -> None:
        """Start the command in a folder; what it keeps of a stopped run lies below ``state``."""
        words = command if command[:1] == ("sh",) else (*COMMAND, *command)
        self.raw = ""
        self.screen = pyte.Screen(_COLUMNS, _ROWS)
        self._stream = pyte.Stream(self.screen)
        self.child: pexpect.spawn[str] = pexpect.spawn(
            words[0], list(words[1:]), cwd=str(folder), env=environment(state, **more), encoding="utf-8",
            timeout=PATIENCE, dimensions=(_ROWS, _COLUMNS),
        )  # fmt: skip

    @property
    def lines(self) -> list[str]:
        """Give what the screen shows, up to the last line that is not blank."""
        written = range(max(self.screen.buffer, default=0) + 1)
        return "\n".join(map(self._line, written)).rstrip().split("\n")

    def _line(self, number: int) -> str:
        row = self.screen.buffer[number]
        return "".join(row[column].data for column in range(max(row, default=-1) + 1)).rstrip()

    def read(self) -> bool:
        """Take in what was written; give False at the end."""
        try:
            text = self.child.read_nonblocking(65536, timeout=1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += text
        self._stream.feed(text)
        return True

    def sees(self, question: str) -> None:
        """Wait until the last question on the screen is one, and can be answered."""
        end = time.monotonic() + PATIENCE
        while question not in self.asked():
            assert self.read(), "\n".join(["it ended instead of asking", question, *self.lines])
            assert time.monotonic() < end, "\n".join(["never asked", question, *self.lines])

    def asked(self) -> str:
        """Give the last question, and what stands behind and below it; line by line, all since the last answer."""
        lines = self.lines
        starts = [number for number, line in enumerate(lines) if line.startswith("? ")]
        if starts:
            return "\n".join(lines[starts[-1] :])
        return "\n".join(lines[max((n for n, line in enumerate(lines[:-1]) if "> " in line), default=-1) + 1 :])

    def answers(self, question: str, keys: str = "") -> None:
        """Wait for a question, and type; what is typed ends with Enter unless it is a key itself."""
        self.sees(question)
        self.child.send(keys if keys and keys[-1] in "\r\x03\x04Z" else keys + ENTER)

    def chooses(self, question: str, option: str) -> None:
        """Wait for a question with options, and move to one of them."""
        self.sees(question)
        end = time.monotonic() + PATIENCE
        steps = self._steps_to(option)
        while steps is None:
            assert self.read(), "\n".join(["it ended instead of offering", option, *self.lines])
            assert time.monotonic() < end, "\n".join(["never offered", option, *self.lines])
            steps = self._steps_to(option)
        self.child.send((DOWN if steps > 0 else UP) * abs(steps) + ENTER)

    def _steps_to(self, option: str) -> int | None:
        """Count the lines from the pointer down to an option; None while the two are not drawn."""
        shown = self.asked().split("\n")[1:]
        current = [number for number, line in enumerate(shown) if line.lstrip().startswith("»")]
        wanted = [n for n, line in enumerate(shown) if re.sub(r"^[ »]*([0-9]+[.)] )?", "", line).startswith(option)]
        return wanted[0] - current[0] if current and wanted else None

    def end(self) -> tuple[int | None, str]:
        """Wait for the end; give the exit code and the last lines of the screen."""
        while self.read():
            pass
        self.child.close()
        return self.child.exitstatus, "\n".join(self.lines[-200:])

    def stop(self, number: signal.Signals) -> None:
        """Send a signal to the command, and to nothing else."""
        self.child.kill(number)


class Room:
    """A folder in which people sit down, one after the other."""

    def __init__(self, folder: Path) -> None:
        """Keep the people, to send them home at the end."""
        self.folder = folder
        self.people: list[Person] = []

    def __call__(self, *command: str, **more: str) -> Person:
        """Let a person start a command."""
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        self.people.append(Person(work, *command, state=self.folder, **more))
        return self.people[-1]

    @property
    def work(self) -> Path:
        """The folder in which the commands run."""
        return self.folder / "work"


def opened(folder: Path) -> Iterator[Room]:
    """Open a room, and close it with everybody in it."""
    room = Room(folder)
    yield room
    for person in room.people:
        person.child.close(force=True)
