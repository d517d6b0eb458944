"""Three versions of a text to one, line by line; where two people meant different things, a conflict that is named.

Lives here: the merge of lines, coarse as diff3 has it and fine for prose and for what a parser judges afterwards.
Must not: knowing the language of a text.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

from devops_tasks.merge.sequences import Chunk, align, chunks, label

Policy = Literal["markers", "ours", "theirs"]
"""What stands where disk and bundle disagree: both between markers, what is on disk, or what is generated."""

MARKERS = ("<<<<<<< on disk\n", "=======\n", ">>>>>>> generated\n")


class Conflict(NamedTuple):
    """A place where a person and the spec changed the same thing.

    ``where`` names it, where more than its line is known; ``line`` counts in the file on disk, 0 where it is not known.
    """

    where: str
    disk: str
    new: str
    line: int = 0


class Merged(NamedTuple):
    """A merged text, and the places where nobody but a person can say what is right."""

    text: str
    conflicts: tuple[Conflict, ...] = ()


def split(text: str) -> list[str]:
    """Cut a text into lines that keep their ends; only a line feed ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def merge_lines(last: str, disk: str, new: str, policy: Policy = "markers", remark: str = "") -> Merged:
    """Merge as diff3 does: what is changed on both sides of one unchanged line is no conflict, anything nearer is.

    ``remark`` is what a line begins with that is only a remark: beside a change of the other side, those of one side
    may change, come and go.
    """
    parts: list[str] = []
    conflicts: list[Conflict] = []
    line = 1
    for chunk in chunks(split(last), split(disk), split(new)):
        settled = chunk.settled
        if settled is None and remark:
            settled = _around_remarks(chunk, remark)
        if settled is None:
            conflicts.append(Conflict("", "".join(chunk.disk), "".join(chunk.new), line))
            settled = chosen("".join(chunk.disk), "".join(chunk.new), policy)
        parts += settled
        line += len(chunk.disk)
    return Merged("".join(parts), tuple(conflicts))


def _around_remarks(chunk: Chunk[str], remark: str) -> list[str] | None:
    """Settle a stretch in which one side changed nothing but remarks; None where it did, or where both changed one."""

    def code(lines: Sequence[str]) -> list[str]:
        return [line for line in lines if line.strip() and not line.lstrip().startswith(remark)]

    last, disk, new = map(code, chunk)
    if last not in (disk, new):
        return None
    fine = merge_finely(*chunk)
    lines = settle(fine, "ours")
    agreed = not fine.dropped and all(line.sides is None for line in fine.lines)
    return lines if agreed and code(lines) == (new if disk == last else disk) else None


def chosen(disk: str, new: str, policy: Policy) -> list[str]:
    """Give what stands at a conflict."""
    if policy == "markers":
        begin, between, end = MARKERS
        return [begin, _ended(disk), between, _ended(new), end]
    return [disk if policy == "ours" else new]


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def merge_words(last: str, disk: str, new: str) -> str | None:
    """Merge three wordings of one line word by word; None where both changed the same words."""
    parts = [chunk.settled for chunk in chunks(*map(_words, (last, disk, new)))]
    return None if None in parts else "".join(word for part in parts if part for word in part)


def _words(line: str) -> list[str]:
    return re.findall(r"\s+|[^\s|]+|\|", line)


class Line(NamedTuple):
    """A line of a fine merge: its text, where it stood on disk, and the two sides where they disagree.

    A side may have several lines; ``mine`` are the places on disk of those of the first side.
    """

    text: str
    disk: int | None = None
    sides: tuple[str, str] | None = None
    mine: tuple[int, ...] = ()


class Fine(NamedTuple):
    """A fine merge; ``dropped`` are the places on disk of changed lines that the new version has no place for."""

    lines: list[Line]
    dropped: list[int]


MergeLine = Callable[[str, str, str], str | None]
"""Three wordings of one line to one; None where they disagree."""


def merge_finely(
    last: Sequence[str], disk: Sequence[str], new: Sequence[str], merge_line: MergeLine = merge_words
) -> Fine:
    """Merge line by line, each on its own: neighbours may change on both sides, and what both added stands in a row.

    A line that both sides worded anew is merged by ``merge_line``. This is right for prose and lists; of any other
    language its parser must judge the result.
    """
    return _Fine(last, disk, new, merge_line).merged()


class _Fine:
    def __init__(self, last: Sequence[str], disk: Sequence[str], new: Sequence[str], merge_line: MergeLine) -> None:
        self.last, self.disk, self.new, self.merge_line = last, disk, new, merge_line
        self.on_disk, self.in_new = align(last, disk), align(last, new)
        self.lines: list[Line] = []
        self.dropped: list[int] = []
        self.next_disk = self.next_new = 0
        self.lost: list[tuple[bool, bool, str]] = []
        """Of the lines since the last one that both have: whether disk and new dropped it, and what new made of it."""

    def merged(self) -> Fine:
        for index, text in enumerate(self.last):
            disk, new = self.on_disk[index], self.in_new[index]
            self._added(disk, new)
            self._line(text, disk, new)
        self._added(len(self.disk), len(self.new))
        return Fine(self.lines, self.dropped)

    def _added(self, disk: int | None, new: int | None) -> None:
        """Write what was added before a line."""
        mine = list(range(self.next_disk, disk)) if disk is not None else []
        theirs = self.new[self.next_new : new] if new is not None else []
        disk_text, new_text = "".join(self.disk[place] for place in mine), "".join(theirs)
        reworded = [text for on_disk, _, text in self.lost if on_disk and text]
        if mine and reworded:
            self.lines.append(Line("", mine[0], (disk_text, "".join(reworded) + new_text), tuple(mine)))
        elif mine and theirs and disk_text != new_text and self._same_place(mine, theirs):
            self.lines.append(Line("", mine[0], (disk_text, new_text), tuple(mine)))
        else:
            if disk_text != new_text:
                self.lines += [Line(text) for text in theirs]
            self.lines += [Line(self.disk[place], place) for place in mine]
        if disk is not None:
            self.next_disk = disk + 1
        if new is not None:
            self.next_new = new + 1
        if disk is not None and new is not None:
            self.lost.clear()

    def _same_place(self, mine: list[int], theirs: Sequence[str]) -> bool:
        """Say whether what both added stands for one thing: a line that both replaced, or a label that both gave."""
        if any(on_disk and in_new for on_disk, in_new, _ in self.lost):
            return True
        return not {label(self.disk[place]) for place in mine}.isdisjoint({label(text) for text in theirs} - {""})

    def _line(self, last: str, disk: int | None, new: int | None) -> None:
        if disk is None:
            changed = "" if new is None or self.new[new] == last else self.new[new]
            self.lost.append((True, new is None, changed))
        elif new is None:
            self.lost.append((False, True, ""))
            if self.disk[disk] != last:
                self.dropped.append(disk)
        else:
            self.lines.append(self._both(last, disk, self.new[new]))

    def _both(self, last: str, disk: int, new: str) -> Line:
        mine = self.disk[disk]
        settled = Chunk([last], [mine], [new]).settled
        text = settled[0] if settled else self.merge_line(last, mine, new)
        return Line(mine, disk, (mine, new), (disk,)) if text is None else Line(text, disk)


def settle(fine: Fine, policy: Policy) -> list[str]:
    """Give the lines of a fine merge."""
    return [
        text for each in fine.lines for text in (chosen(*each.sides, policy) if each.sides is not None else [each.text])
    ]


def conflicts_of(fine: Fine, disk: Sequence[str], line: int = 1) -> Iterator[Conflict]:
    """List the conflicts of a fine merge; ``line`` is where ``disk`` begins, whose items may have several lines."""
    starts = list(accumulate((text.count("\n") for text in disk), initial=line))
    for each in fine.lines:
        if each.sides is not None:
            yield Conflict("", *each.sides, starts[each.disk or 0])
