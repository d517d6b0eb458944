"""Three versions of a sequence to one: what was written last, what is on disk, what would be written now.

Lives here: the alignment that lines, words and the items of lists share. Must not: knowing what the items are.
"""

import re
from collections.abc import Hashable, Iterator, Sequence
from difflib import Match, SequenceMatcher
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item", bound=Hashable)

_LABEL = re.compile(r"\s*(?:[-*+] )?(?:\[[ xX]\] )?(\*\*[^*]+:\*\*)")
_SIMILAR = 0.6
"""How much of two texts must be the same for one to be a new wording of the other."""


class Chunk(NamedTuple, Generic[Item]):
    """A stretch of the three versions, between two places where all of them agree."""

    last: list[Item]
    disk: list[Item]
    new: list[Item]

    @property
    def settled(self) -> list[Item] | None:
        """What the stretch becomes when only one side changed it, or both did the same; None where they disagree."""
        if self.disk == self.last:
            return self.new
        return self.disk if self.new in (self.last, self.disk) else None


def chunks(last: Sequence[Item], disk: Sequence[Item], new: Sequence[Item]) -> Iterator[Chunk[Item]]:
    """Cut three versions into stretches, where all agree and where not, as diff3 does.

    Source: S. Khanna, K. Kunal, B. Pierce, "A Formal Investigation of Diff3" (2007).
    """
    ends = (0, 0, 0)
    for begins, size in _common(last, disk, new):
        stretch = [
            list(version[end:begin]) for version, end, begin in zip((last, disk, new), ends, begins, strict=True)
        ]
        if any(stretch):
            yield Chunk(*stretch)
        same = list(last[begins[0] : begins[0] + size])
        if same:
            yield Chunk(same, same, same)
        ends = (begins[0] + size, begins[1] + size, begins[2] + size)


def _common(
    last: Sequence[Item], disk: Sequence[Item], new: Sequence[Item]
) -> Iterator[tuple[tuple[int, int, int], int]]:
    """Find the stretches that all three have: where each begins in each version, and how long it is; the end is one."""
    left, right = _blocks(last, disk), _blocks(last, new)
    while left and right:
        one, other = left[0], right[0]
        begin = max(one.a, other.a)
        size = min(one.a + one.size, other.a + other.size) - begin
        if size > 0:
            yield (begin, one.b + begin - one.a, other.b + begin - other.a), size
        (left if one.a + one.size < other.a + other.size else right).pop(0)
    yield (len(last), len(disk), len(new)), 0


def _blocks(one: Sequence[Item], other: Sequence[Item]) -> list[Match]:
    return SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()


def align(last: Sequence[str], other: Sequence[str]) -> list[int | None]:
    """Find for each text of ``last`` its place in ``other``, as it was or worded anew; None where it is gone."""
    found: list[int | None] = [None] * len(last)
    for kind, begin, end, start, stop in SequenceMatcher(None, last, other, autojunk=False).get_opcodes():
        if kind == "equal":
            found[begin:end] = range(start, stop)
        elif kind == "replace":
            for index, place in _reworded(last[begin:end], other[start:stop]):
                found[begin + index] = start + place
    return found


def _reworded(last: Sequence[str], other: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pair the texts that are wordings of one another, in order; each takes the nearest that is free."""
    free = 0
    for index, text in enumerate(last):
        place = next((place for place in range(free, len(other)) if similar(text, other[place])), None)
        if place is not None:
            yield index, place
            free = place + 1


def label(line: str) -> str:
    """Find the bold label that a line begins with, such as that of ``- **Owner:**``; "" where it has none."""
    match = _LABEL.match(line)
    return match[1] if match else ""


def similar(one: str, other: str) -> bool:
    """Say whether two texts are wordings of one another."""
    if label(one) or label(other):
        return label(one) == label(other)
    one, other = one.strip(), other.strip()
    if not one or not other:
        return one == other
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.quick_ratio() >= _SIMILAR and matcher.ratio() >= _SIMILAR


def woven(spine: Sequence[Item], other: Sequence[Item]) -> list[Item]:
    """Put what only ``other`` has into ``spine``, each item after the one that it follows there."""
    result = list(spine)
    present = set(result)
    before: Item | None = None
    for item in other:
        if item not in present:
            result.insert(result.index(before) + 1 if before is not None else 0, item)
            present.add(item)
        before = item
    return result


def merge_order(last: Sequence[Item], disk: Sequence[Item], new: Sequence[Item]) -> list[Item]:
    """Order all items of disk and new: as they stand now where the order was changed now, else as they are on disk."""
    common = set(last) & set(new)
    moved = [item for item in last if item in common] != [item for item in new if item in common]
    return woven(new, disk) if moved else woven(disk, new)
