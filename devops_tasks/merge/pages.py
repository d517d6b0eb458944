"""Three versions of a Markdown page to one: ticks, notes and owners stay with the task or section that they belong to.

Units are found again by name, wherever they stand now, and merged line by line; boxes are ticked afterwards, so that a
tick never makes two wordings disagree. Must not: knowing what a page of the bundle says.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from devops_tasks.merge.sequences import align, merge_order
from devops_tasks.merge.texts import (
    Conflict,
    Fine,
    Line,
    Merged,
    Policy,
    conflicts_of,
    merge_finely,
    merge_lines,
    merge_words,
    settle,
)
from devops_tasks.merge.units import FENCE, Unit, pair_units, parse_units

_BOX = re.compile(r"(?P<before>\s*(?:>\s*)*(?:[-*+]|\d+[.)])\s+\[)(?P<mark>[ xX])(?P<after>\]\s)")

REMOVED = "Removed"
"""The heading under which stands what the spec no longer has, and somebody had ticked or written in."""
_INTRODUCTION = "*No longer in the spec; kept because somebody ticked it or wrote in it*\n"

Name = tuple[int | None, int | None]
"""A unit of the merged page: its places on disk and in the new version, where it has them."""


class Leftover(NamedTuple):
    """Something that a person made, and that has no place any more: a whole unit, or a line of one."""

    section: tuple[str, ...]
    text: str
    whole: bool


def merge_pages(last: str, disk: str, new: str, policy: Policy = "markers") -> Merged:
    """Merge a page; what a person ticked or wrote in a unit that is gone is kept under *Removed* in its section."""
    return _Pages(parse_units(last), parse_units(disk), parse_units(new), policy).merged()


class _Pages:
    def __init__(self, last: list[Unit], disk: list[Unit], new: list[Unit], policy: Policy) -> None:
        self.last, self.disk, self.new, self.policy = last, disk, new, policy
        self.on_disk, self.in_new = pair_units(last, disk), pair_units(last, new)
        self.from_new = {place: index for index, place in self.in_new.items()}
        self.added = self._added()
        self.conflicts: list[Conflict] = []
        self.leftovers: list[Leftover] = []

    def _added(self) -> dict[int, int]:
        """Find the units that a person and the spec both added."""
        mine = [place for place in range(len(self.disk)) if place not in self.on_disk.values()]
        theirs = [place for place in range(len(self.new)) if place not in self.from_new]
        pairs = pair_units([self.new[place] for place in theirs], [self.disk[place] for place in mine])
        return {theirs[one]: mine[other] for one, other in pairs.items()}

    def merged(self) -> Merged:
        texts = {name: self._unit(*name) for name in self._order()}
        ordered = {name: lines for name, lines in texts.items() if lines is not None}
        self._keep_removed()
        page = _with_leftovers(
            [("".join(lines), self._section(name)) for name, lines in ordered.items()], self.leftovers
        )
        return Merged(page, tuple(self.conflicts))

    def _order(self) -> list[Name]:
        """Order the units by their places in disk and new, one of which may be None."""
        both = {self.on_disk[index]: place for index, place in self.in_new.items() if index in self.on_disk}
        both |= {mine: theirs for theirs, mine in self.added.items()}
        back = {place for mine, place in both.items() if REMOVED in self.disk[mine].section}
        mine = set(range(len(self.disk))) - (set(self.on_disk.values()) - set(both))
        disk = [(place, both.get(place)) for place in sorted(mine) if both.get(place) not in back]
        theirs = {place: mine for mine, place in both.items()}
        new = [(theirs.get(place), place) for place in range(len(self.new))]
        last = [(self.on_disk.get(index), self.in_new[index]) for index in sorted(self.in_new)]
        return merge_order(last, disk, new)

    def _unit(self, mine: int | None, theirs: int | None) -> list[str] | None:
        """Merge one unit; None where a person removed it."""
        if theirs is None:
            return list(self.disk[mine].lines) if mine is not None else None
        new, index = self.new[theirs], self.from_new.get(theirs)
        if mine is None:
            return list(new.lines) if index is None else None
        disk = self.disk[mine]
        return self._both(self.last[index] if index is not None else _shared(disk, new), disk, new)

    def _both(self, last: Unit, disk: Unit, new: Unit) -> list[str]:
        plain = [unticked(line) for line in disk.lines]
        fine = merge_finely(last.lines, plain, new.lines, _merge_line)
        ticked = fine._replace(lines=[_ticked(line, disk.lines) for line in fine.lines])
        self.conflicts += (each._replace(where=disk.key) for each in conflicts_of(ticked, disk.lines, disk.line))
        self.leftovers += _leftovers(disk, plain, last, fine)
        return settle(ticked, self.policy)

    def _section(self, name: Name) -> tuple[str, ...]:
        mine, theirs = name
        unit = self.new[theirs] if theirs is not None else self.disk[mine or 0]
        return (*unit.section, unit.key) if unit.level > 1 else unit.section

    def _keep_removed(self) -> None:
        for index, unit in enumerate(self.last):
            mine = self.on_disk.get(index)
            if index not in self.in_new and mine is not None and self.disk[mine].lines != unit.lines:
                disk = self.disk[mine]
                self.leftovers.append(Leftover(disk.section, "".join(disk.lines).strip("\n") + "\n", whole=True))


def _merge_line(last: str, disk: str, new: str) -> str | None:
    """Merge a line word by word, and a fenced block line by line, strictly: it is code."""
    if not FENCE.match(disk):
        return merge_words(last, disk, new)
    merged = merge_lines(last, disk, new)
    return None if merged.conflicts else merged.text


def _shared(disk: Unit, new: Unit) -> Unit:
    """Make up what a unit was that both sides added: what they share, as disk has it, so that new words it anew."""
    plain = [unticked(line) for line in disk.lines]
    return disk._replace(lines=tuple(plain[place] for place in align(new.lines, plain) if place is not None))


def unticked(line: str) -> str:
    """Give a line with its box empty."""
    return _BOX.sub(r"\g<before> \g<after>", line, count=1) if _BOX.match(line) else line


def _ticked(line: Line, disk: Sequence[str]) -> Line:
    """Tick a merged line as the line on disk is ticked that it comes from."""
    box = _BOX.match(disk[line.disk]) if line.disk is not None else None
    mark = box["mark"] if box else " "
    if line.sides is None:
        return line._replace(text=_with_mark(line.text, mark))
    new = _with_mark(line.sides[1], mark) if line.text else line.sides[1]  # else it is no wording of that line
    return line._replace(sides=("".join(disk[place] for place in line.mine), new))


def _with_mark(text: str, mark: str) -> str:
    return _BOX.sub(rf"\g<before>{mark}\g<after>", text, count=1) if mark != " " and _BOX.match(text) else text


def _leftovers(disk: Unit, plain: Sequence[str], last: Unit, fine: Fine) -> Iterator[Leftover]:
    """Find the lines that were ticked or written anew, and that the new version has no place for."""
    kept = {line.disk for line in fine.lines}
    before = align(last.lines, plain)
    for place, line in enumerate(disk.lines):
        gone = place not in kept and place in before
        if gone and (line != plain[place] or place in fine.dropped):
            section = (*disk.section, disk.key) if disk.key else disk.section
            yield Leftover(section, line, whole=False)


def _with_leftovers(units: list[tuple[str, tuple[str, ...]]], leftovers: Sequence[Leftover]) -> str:
    """Put what has no place any more under *Removed*, at the end of the section that it stood in."""
    kept: dict[str, str] = {}
    for each in leftovers:
        section = each.section[0] if each.section else ""
        kept[section] = kept.get(section, "") + _leftover_text(each)
    for section, text in kept.items():
        _keep(units, section, text)
    return "".join(text for index, (text, _) in enumerate(units) if not _is_empty(units, index))


def _keep(units: list[tuple[str, tuple[str, ...]]], section: str, kept: str) -> None:
    inside = [index for index, (_, path) in enumerate(units) if path[:1] == (section,)] or [len(units) - 1]
    under = [index for index in inside if REMOVED in units[index][1]]
    place = (under or inside)[-1]
    text, path = units[place]
    if not under:
        kept = f"### {REMOVED}\n\n{_INTRODUCTION}\n{kept}"
    units[place] = (text.rstrip("\n") + "\n\n" + kept + "\n" * text.endswith("\n\n"), path)


def _is_empty(units: Sequence[tuple[str, tuple[str, ...]]], index: int) -> bool:
    """Say whether a unit is the heading *Removed*, and nothing stands under it any more."""
    text, path = units[index]
    after = units[index + 1][1] if index + 1 < len(units) else ()
    return path[-1:] == (REMOVED,) and text.strip().endswith(_INTRODUCTION.strip()) and after[: len(path)] != path


def _leftover_text(leftover: Leftover) -> str:
    if leftover.whole:
        return leftover.text
    line = leftover.text.strip()
    item = line if re.match(r"(?:[-*+]|\d+[.)])\s", line) else f"- {line}"
    return f"{item} *({leftover.section[-1]})*\n" if leftover.section else f"{item}\n"
