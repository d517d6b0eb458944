"""A Markdown page as a row of units, what stands under a heading and each task, and where each is in another version.

Must not: merging.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from devops_tasks.merge.sequences import similar
from devops_tasks.merge.texts import split

_HEADING = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t#]*\n?$")
_TASK = re.compile(
    r"[-*+] \[[ xX]\] \**\[(?P<id>[A-Za-z][A-Za-z0-9]*-\d+)\]\**[ \t]*(?P<title>.*?)[ \t]*(?:\*\([^()]*\)\*)?\s*$"
)
FENCE = re.compile(r"\s*(?:>\s*)*(`{3,}|~{3,})")
_BREAK = re.compile(r"(?:---+|\*\*\*+|___+)\s*\n?$")


class Unit(NamedTuple):
    """A task, or a heading with what stands under it.

    ``level`` is the heading's, 0 for a task and for what precedes all headings. ``section`` names the headings that it
    stands under, the page's title not among them. ``line`` counts from 1.
    """

    key: str
    level: int
    section: tuple[str, ...]
    lines: tuple[str, ...]
    line: int


def parse_units(text: str) -> list[Unit]:
    """Cut a page into its units; together they are the page."""
    units: list[Unit] = []
    above: list[tuple[int, str]] = []
    lines = blocks(text)
    starts = [0, *(index for index in range(1, len(lines)) if _begins(lines, index)), len(lines)]
    line = 1
    for begin, end in pairwise(starts):
        unit = tuple(lines[begin:end])
        head = next((each for each in unit if _HEADING.match(each) or _TASK.match(each)), "")
        heading = _HEADING.match(head)
        if heading:
            level, key = len(heading[1]), heading[2]
            above = [each for each in above if each[0] < level]
        else:
            level, key = 0, _task_key(head)
        section = tuple(name for depth, name in above if depth > 1)
        units.append(Unit(key, level, section, unit, line))
        if heading:
            above.append((level, key))
        line += sum(each.count("\n") for each in unit)
    return units


def blocks(text: str) -> list[str]:
    """Cut a text into lines, each fenced block being one."""
    found: list[str] = []
    fence = ""
    for line in split(text):
        match = FENCE.match(line)
        if fence:
            found[-1] += line
            if match and match[1].startswith(fence) and not line.strip(" \t\n>`~"):
                fence = ""
        else:
            found.append(line)
            fence = match[1] if match else ""
    return found


def _begins(lines: Sequence[str], index: int) -> bool:
    """Say whether a unit begins at a line: a task, or a heading, with the break and the blank lines before it."""
    if _TASK.match(lines[index]):
        return True
    if _HEADING.match(lines[index]):
        return not _is_break_before(lines, index)
    return bool(_BREAK.match(lines[index])) and _leads_to_heading(lines, index)


def _is_break_before(lines: Sequence[str], index: int) -> bool:
    before = next((place for place in range(index - 1, -1, -1) if lines[place].strip()), None)
    return before is not None and before > 0 and bool(_BREAK.match(lines[before]))


def _leads_to_heading(lines: Sequence[str], index: int) -> bool:
    after = next((line for line in lines[index + 1 :] if line.strip()), "")
    return bool(_HEADING.match(after))


def _task_key(head: str) -> str:
    match = _TASK.match(head)
    return f"[{match['id']}] {match['title']}" if match else ""


def is_task(unit: Unit) -> bool:
    """Say whether a unit is a task with an id."""
    return unit.level == 0 and unit.key.startswith("[")


def pair_units(last: Sequence[Unit], other: Sequence[Unit]) -> dict[int, int]:
    """Find each unit of one version in another: by its whole name, then by a part of it, then by its place and wording.

    The title of a task says more than its id: ids shift when somebody puts a task before others.
    """
    pairs: dict[int, int] = {}
    for name in (_full_name, _place_name, _title, _task_id, _heading_name):
        _pair_by([name(unit) for unit in last], [name(unit) for unit in other], pairs)
    _pair_reworded(last, other, pairs)
    return pairs


def _full_name(unit: Unit) -> str:
    return f"{unit.level} {unit.key}" if is_task(unit) else "\n".join((*unit.section, f"{unit.level} {unit.key}"))


def _place_name(unit: Unit) -> str:
    return "" if is_task(unit) else f"{unit.level} {unit.key}"


def _title(unit: Unit) -> str:
    return unit.key.partition("] ")[2] if is_task(unit) else ""


def _task_id(unit: Unit) -> str:
    return unit.key.partition("]")[0] if is_task(unit) else ""


def _heading_name(unit: Unit) -> str:
    return unit.key if unit.level else ""


def _pair_by(last: Sequence[str], other: Sequence[str], pairs: dict[int, int]) -> None:
    """Pair what has the same name and no pair yet, in order where a name stands several times."""
    taken = set(pairs.values())
    free: dict[str, list[int]] = {}
    for place, name in enumerate(other):
        if place not in taken:
            free.setdefault(name, []).append(place)
    for index, name in enumerate(last):
        if name and index not in pairs and free.get(name):
            pairs[index] = free[name].pop(0)


def _pair_reworded(last: Sequence[Unit], other: Sequence[Unit], pairs: dict[int, int]) -> None:
    """Pair headings that were worded anew: of the same level, between the same neighbours, and alike."""
    for index, unit in enumerate(last):
        before = pairs.get(index - 1, -1)
        place = before + 1
        if index in pairs or is_task(unit) or place >= len(other) or place in pairs.values():
            continue
        if other[place].level == unit.level and (index == 0 or similar(unit.key, other[place].key)):
            pairs[index] = place
