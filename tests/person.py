"""A simulated person: random edits of a bundle on disk, each with a word of its own by which it is found again."""

from __future__ import annotations

import random
import re
from pathlib import Path

_BOX = re.compile(r"^( *- )\[ \] (.*)$", re.MULTILINE)
_TASK = re.compile(r"^- \[[ x]\] \*\*\[DO-\d+\]\*\*.*\n", re.MULTILINE)


class Person:
    """Somebody who works with a bundle; ``words`` says in which file each of their words was left."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Begin with a bundle that was just generated."""
        self.folder = folder
        self.chance = random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret
        self.words: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.ticks = 0

    def work(self, count: int) -> None:
        """Do some things, one after the other."""
        for _ in range(count):
            self.chance.choice(
                (self.tick, self.tick, self.note, self.log, self.remark, self.comment, self.page, self.delete)
            )()

    def word(self, path: str) -> str:
        """Make up a word, and remember where it goes."""
        word = f"zq{len(self.words)}{self.chance.choice('abc')}"
        self.words[word] = path
        return word

    def tick(self) -> None:
        """Tick a box of the document, or of a page."""
        path = self.chance.choice(["tasks.md", "tasks.md", self._any("**/*.md")])
        text = self._read(path)
        boxes = list(_BOX.finditer(text))
        if boxes:
            box = self.chance.choice(boxes)
            self._write(path, f"{text[: box.start()]}{box[1]}[x] {box[2]}{text[box.end() :]}")
            self.ticks += 1

    def note(self) -> None:
        """Write a note under a task."""
        text = self._read("tasks.md")
        tasks = list(_TASK.finditer(text))
        if tasks:
            end = self.chance.choice(tasks).end()
            self._write("tasks.md", f"{text[:end]}  - Note: {self.word('tasks.md')}\n{text[end:]}")

    def log(self) -> None:
        """Fill in the learning log."""
        text = self._read("tasks.md")
        field = self.chance.choice(["Date", "Decision", "Incident", "Outcome"])
        self._write("tasks.md", text.replace(f"- **{field}:**\n", f"- **{field}:** {self.word('tasks.md')}\n", 1))
        if list(self.words)[-1] not in self._read("tasks.md"):
            del self.words[list(self.words)[-1]]

    def remark(self) -> None:
        """Append some words to a line of prose, or add a section."""
        path = self.chance.choice(["tasks.md", self._any("runbooks/**/*.md")])
        lines = self._read(path).split("\n")
        places = [
            number for number, line in enumerate(lines) if line.endswith(".") and not line.startswith(("|", " ", "#"))
        ]
        if places and self.chance.random() < 0.7:
            lines[self.chance.choice(places)] += f" But {self.word(path)}."
        else:
            lines += [f"## Mine {self.word(path)}", "", f"- {self.word(path)}", ""]
        self._write(path, "\n".join(lines))

    def comment(self) -> None:
        """Write a comment into a manifest or a script."""
        path = self._any(self.chance.choice(["**/*.yml", "**/*.sh"]))
        lines = self._read(path).split("\n")
        lines.insert(self.chance.randrange(1, 3), f"# {self.word(path)}")
        self._write(path, "\n".join(lines))

    def page(self) -> None:
        """Make a file of one's own."""
        path = f"notes/{len(self.words)}.md"
        (self.folder / "notes").mkdir(exist_ok=True)
        self._write(path, f"{self.word(path)}\n")

    def delete(self) -> None:
        """Delete a page that nobody reads."""
        path = self._any("runbooks/operations/*.md")
        if self.chance.random() < 0.3 and path not in self.words.values() and "[x]" not in self._read(path):
            (self.folder / path).unlink()
            self.deleted.add(path)

    def lost(self) -> list[str]:
        """Name every word that is no longer in its file."""
        return [f"{word} of {path}" for word, path in self.words.items() if word not in self._read(path)]

    def ticked(self) -> int:
        """Count the boxes that are ticked in all pages."""
        return sum(len(re.findall(r"^ *- \[x\] ", page.read_text("utf-8"), re.MULTILINE)) for page in self._pages())

    def _pages(self) -> list[Path]:
        return sorted(self.folder.rglob("*.md"))

    def _any(self, pattern: str) -> str:
        found = [path.relative_to(self.folder).as_posix() for path in sorted(self.folder.glob(pattern))]
        return self.chance.choice([path for path in found if not path.startswith((".", "notes"))])

    def _read(self, path: str) -> str:
        place = self.folder / path
        return place.read_text("utf-8") if place.exists() else ""

    def _write(self, path: str, text: str) -> None:
        (self.folder / path).write_text(text, "utf-8")
