"""Lines and words: what both sides changed apart from one another is in the result, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from devops_tasks.merge.sequences import align, chunks, merge_order, similar, woven
from devops_tasks.merge.texts import (
    Conflict,
    Merged,
    conflicts_of,
    merge_finely,
    merge_lines,
    merge_words,
    settle,
    split,
)
from tests import tools

LINES = st.lists(st.sampled_from("abcdefg"), max_size=12)


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _merged(last: Iterable[str], disk: Iterable[str], new: Iterable[str]) -> Merged:
    return merge_lines(_text(last), _text(disk), _text(new))


@pytest.mark.parametrize(
    ("last", "disk", "new", "merged"),
    [
        pytest.param("a b c", "a b c", "a b c", "a b c", id="nobody changed it"),
        pytest.param("a b c", "A b c", "a b c", "A b c", id="a person did"),
        pytest.param("a b c", "a b c", "a b C", "a b C", id="the spec did"),
        pytest.param("a b c", "A b c", "a b C", "A b C", id="both, apart"),
        pytest.param("a b c", "a B c", "a B c", "a B c", id="both, the same"),
        pytest.param("a b c", "a b c d", "x a b c", "x a b c d", id="both added, at both ends"),
        pytest.param("a b c d e", "a c d e", "a b c e", "a c e", id="both removed"),
        pytest.param("", "a", "", "a", id="from nothing"),
        pytest.param("a b c", "", "a b c", "", id="to nothing"),
    ],
)
def test_lines_are_merged(last: str, disk: str, new: str, merged: str) -> None:
    assert _merged(last.split(), disk.split(), new.split()) == (_text(merged.split()), ())


@pytest.mark.parametrize(
    ("last", "disk", "new", "line"),
    [
        pytest.param("a b c", "a X c", "a Y c", 2, id="the same line"),
        pytest.param("a b c", "a X c", "a b Y", 2, id="neighbours"),
        pytest.param("a b c", "a X b c", "a Y b c", 2, id="two additions at one place"),
        pytest.param("a b c", "a c", "a Y c", 2, id="a removal and a change"),
        pytest.param("a b c", "x y a b Z", "a b W", 5, id="after lines that were added"),
    ],
)
def test_lines_that_both_changed_are_a_conflict(last: str, disk: str, new: str, line: int) -> None:
    merged = _merged(last.split(), disk.split(), new.split())
    assert [conflict.line for conflict in merged.conflicts] == [line]


SCRIPT = "#!/bin/bash\nset -e\n# Wait.\nsleep 5\necho done\n"


def _scripts(disk: tuple[str, str], new: tuple[str, str], remark: str = "#") -> Merged:
    mine, theirs = SCRIPT.replace(*disk), SCRIPT.replace(*new)
    assert SCRIPT not in {mine, theirs}
    return merge_lines(SCRIPT, mine, theirs, remark=remark)


@pytest.mark.parametrize(
    ("disk", "new", "merged"),
    [
        pytest.param(
            ("sleep 5", "# Not less!\nsleep 5"),
            ("sleep 5", "sleep 9"),
            "# Wait.\n# Not less!\nsleep 9",
            id="added above",
        ),
        pytest.param(("sleep 5", "sleep 5\n# why"), ("sleep 5", "sleep 9"), "sleep 9\n# why", id="added below"),
        pytest.param(("# Wait.", "# Wait for it."), ("sleep 5", "sleep 9"), "# Wait for it.\nsleep 9", id="reworded"),
        pytest.param(("# Wait.\n", ""), ("sleep 5", "sleep 9"), "set -e\nsleep 9", id="removed"),
        pytest.param(("sleep 5", "sleep 9"), ("# Wait.", "# Wait long."), "# Wait long.\nsleep 9", id="of the spec"),
        pytest.param(
            ("sleep 5", "\n# a\n# b\nsleep 5"),
            ("sleep 5", "wait_for all of it"),
            "# b\nwait_for all of it",
            id="several",
        ),
    ],
)
def test_remarks_of_one_side_stay_beside_a_change_of_the_other(
    disk: tuple[str, str], new: tuple[str, str], merged: str
) -> None:
    done = _scripts(disk, new)
    assert (merged in done.text, done.conflicts) == (True, ())
    code = [line for line in done.text.splitlines() if line.strip() and not line.startswith("#")]
    sides = [SCRIPT.replace(*change) for change in (disk, new)]
    assert code in [[line for line in side.splitlines() if line.strip() and line[0] != "#"] for side in sides]
    assert _scripts(disk, new, remark="").conflicts


@pytest.mark.parametrize(
    ("disk", "new"),
    [
        pytest.param(("sleep 5", "sleep 6"), ("sleep 5", "sleep 9"), id="one line of code"),
        pytest.param(("# Wait.\nsleep 5", "# Why?\nsleep 6"), ("echo done", "echo all"), id="a remark and code"),
        pytest.param(("# Wait.", "# One."), ("# Wait.\nsleep 5", "# Two.\nsleep 9"), id="one remark"),
        pytest.param(("# Wait.", "# Wait for it."), ("# Wait.\nsleep 5\n", ""), id="a remark that is gone"),
        pytest.param(("sleep 5", "sleep 5 # 6"), ("sleep 5", "sleep 9"), id="a remark behind code"),
    ],
)
def test_what_is_more_than_a_remark_is_a_conflict_still(disk: tuple[str, str], new: tuple[str, str]) -> None:
    assert len(_scripts(disk, new).conflicts) == 1


def test_each_policy_has_its_text() -> None:
    versions = ("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n")
    assert merge_lines(*versions, "ours").text == versions[1]
    assert merge_lines(*versions, "theirs").text == versions[2]
    assert merge_lines(*versions).text == "a\n<<<<<<< on disk\nX\n=======\nY\n>>>>>>> generated\nc\n"
    assert merge_lines(*versions).conflicts == (Conflict("", "X\n", "Y\n", 2),)


def test_markers_stand_on_lines_of_their_own_where_a_file_ends_without_one() -> None:
    assert merge_lines("a", "X", "Y").text == "<<<<<<< on disk\nX\n=======\nY\n>>>>>>> generated\n"


@given(LINES, LINES)
def test_one_side_alone_is_always_the_result(last: list[str], other: list[str]) -> None:
    one, two = _text(last), _text(other)
    assert merge_lines(one, two, one) == merge_lines(one, one, two) == merge_lines(one, two, two) == (two, ())
    for versions in ((last, other, last), (last, last, other), (last, other, other)):
        fine = merge_finely(*versions)
        assert [line.text for line in fine.lines] == other
        assert not any(line.sides for line in fine.lines)


@given(LINES, LINES, LINES)
def test_the_sides_can_be_exchanged(last: list[str], disk: list[str], new: list[str]) -> None:
    one, other = _merged(last, disk, new), _merged(last, new, disk)
    assert [conflict[1:3] for conflict in one.conflicts] == [conflict[2:0:-1] for conflict in other.conflicts]
    if not one.conflicts:
        assert one == other


@given(LINES, LINES, LINES)
def test_the_chunks_of_a_merge_are_the_three_versions(last: list[str], disk: list[str], new: list[str]) -> None:
    found = list(chunks(last, disk, new))
    for side, version in enumerate((last, disk, new)):
        assert [item for chunk in found for item in chunk[side]] == version


def test_lines_are_merged_as_diff3_merges_them(tmp_path: Path) -> None:
    texts = [_text([f"{letter}{number}" for number in range(4)]) for letter in "ab"]
    last = texts[0] * 2 + texts[1]
    lines = split(last)
    edits = [[*lines[:k], f"{who}{k}\n", *lines[k + cut :]] for who in "xy" for k in range(12) for cut in (0, 1, 2)]
    agreed = 0
    for disk in edits[:36:4]:
        for new in edits[36::3]:
            ours = merge_lines(last, "".join(disk), "".join(new))
            theirs = _diff3(tmp_path, last, "".join(disk), "".join(new))
            assert bool(ours.conflicts) is (theirs is None), (disk, new)
            if theirs is not None:
                agreed += 1
                assert ours.text == theirs
    assert agreed > 50


def _diff3(folder: Path, last: str, disk: str, new: str) -> str | None:
    for name, text in (("last", last), ("disk", disk), ("new", new)):
        (folder / name).write_text(text)
    done = tools.run("diff3", ["-m", "disk", "last", "new"], folder=folder)
    assert done.returncode in {0, 1}
    return None if done.returncode else done.stdout


@pytest.mark.parametrize(
    ("last", "disk", "new", "merged"),
    [
        ("*(5 points)*", "*(5 points)* done by @kim", "*(3 points)*", "*(3 points)* done by @kim"),
        ("| a | 1 | x |", "| a | 2 | x |", "| a | 1 | y |", "| a | 2 | y |"),
        (
            "above 200ms for 5 minutes",
            "above 250ms for 5 minutes",
            "above 200ms for 9 minutes",
            "above 250ms for 9 minutes",
        ),
        ("Sprint: 24", "Sprint: 24b", "Sprint: 25", None),
        ("a b", "a x b", "a y b", None),
    ],
)
def test_words_are_merged(last: str, disk: str, new: str, merged: str | None) -> None:
    assert merge_words(last, disk, new) == merged


FINE = ["- one\n", "- two\n", "- three\n"]


@pytest.mark.parametrize(
    ("disk", "new", "merged"),
    [
        pytest.param(
            ["- one!\n", *FINE[1:]], [FINE[0], "- two!\n", FINE[2]], "- one!\n- two!\n- three\n", id="neighbours"
        ),
        pytest.param(
            [*FINE, "- mine\n"], [*FINE, "- yours\n"], "- one\n- two\n- three\n- yours\n- mine\n", id="additions"
        ),
        pytest.param([*FINE, "- same\n"], [*FINE, "- same\n"], "- one\n- two\n- three\n- same\n", id="one addition"),
        pytest.param(
            [FINE[0], "  - note\n", *FINE[1:]],
            ["- one!\n", *FINE[1:]],
            "- one!\n  - note\n- two\n- three\n",
            id="a note",
        ),
        pytest.param(FINE[:2], [*FINE[:2], "- three!\n"], "- one\n- two\n", id="a removal stays one"),
    ],
)
def test_prose_is_merged_finely(disk: list[str], new: list[str], merged: str) -> None:
    fine = merge_finely(FINE, disk, new)
    assert ("".join(settle(fine, "markers")), list(conflicts_of(fine, disk))) == (merged, [])


@pytest.mark.parametrize(
    ("disk", "new"),
    [
        pytest.param([*FINE[:2], "- 3!\n"], [*FINE[:2], "- 33!\n"], id="one line, worded anew by both"),
        pytest.param([*FINE[:2], "quite another\n"], [*FINE[:2], "- three!\n"], id="replaced here and reworded there"),
        pytest.param([*FINE, "- **Owner:** @kim\n"], [*FINE, "- **Owner:** @sam\n"], id="two answers to one label"),
    ],
)
def test_two_answers_to_one_question_are_a_conflict(disk: list[str], new: list[str]) -> None:
    assert len(list(conflicts_of(merge_finely(FINE, disk, new), disk))) == 1


def test_a_changed_line_that_the_new_version_has_no_place_for_is_named() -> None:
    assert merge_finely(FINE, [FINE[0], "- two!\n", FINE[2]], [FINE[0], FINE[2]]).dropped == [1]


def test_a_line_that_only_the_spec_removed_is_gone() -> None:
    fine = merge_finely(FINE, FINE, [FINE[0], FINE[2]])
    assert ([line.text for line in fine.lines], fine.dropped) == ([FINE[0], FINE[2]], [])


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("- Configure monitoring\n", "- Configure monitoring of all nodes\n", True),
        ("  - a\n", "- a\n", True),
        ("\n", "\n", True),
        ("\n", "a\n", False),
        ("- Configure monitoring\n", "- Warm the cache\n", False),
    ],
)
def test_wordings_are_told_from_other_things(one: str, other: str, alike: bool) -> None:  # noqa: FBT001
    assert similar(one, other) is alike


def test_alignment_finds_lines_that_moved_down_or_were_reworded_or_went() -> None:
    last = ["- Configure monitoring\n", "- Warm the cache\n", "- Load the rules\n"]
    assert align(last, ["new\n", "- Configure all monitoring\n", "- Load the rules\n"]) == [1, None, 2]


def test_what_only_one_has_stands_behind_what_it_followed() -> None:
    assert woven([1, 2, 3], [9, 1, 4, 5, 3]) == [9, 1, 4, 5, 2, 3]


@pytest.mark.parametrize(
    ("last", "disk", "new", "order"),
    [
        pytest.param("abc", "cab", "abc", "cab", id="a person moved something"),
        pytest.param("abc", "abc", "cab", "cab", id="the spec moved something"),
        pytest.param("abc", "abcx", "abyc", "abycx", id="both added"),
        pytest.param("abc", "cabx", "bac", "bxac", id="both moved: the spec's order"),
    ],
)
def test_the_order_is_that_of_whoever_changed_it(last: str, disk: str, new: str, order: str) -> None:
    assert "".join(merge_order(last, disk, new)) == order


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nb", ["a\n", "b"]),
        ("a\r\nb\n", ["a\r\n", "b\n"]),
        ("a\x0bb\x85c\u2028d\n", ["a\x0bb\x85c\u2028d\n"]),
        ("a\x0bb\x0cc\n", ["a\x0bb\x0cc\n"]),
        ("", []),
        ("\n\n", ["\n", "\n"]),
    ],
)
def test_only_a_line_feed_ends_a_line(text: str, lines: list[str]) -> None:
    assert split(text) == lines
