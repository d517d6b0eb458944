"""Each way in which disk, bundle and what was generated last time can stand to one another has one outcome."""

import pytest

from devops_tasks.lock import Lock, digest
from devops_tasks.merge import (
    DELETED,
    EDITED,
    MARKED,
    NO_TEXT,
    ORPHANED,
    UNKNOWN,
    UNSETTLED,
    Change,
    Past,
    Place,
    Resolve,
    difference,
    plan_changes,
)

LAST = "one\ntwo\nthree\n"
OTHER = "one\ntwo\n3\n"
MINE = "1\ntwo\nthree\n"
BOTH = "1\ntwo\n3\n"
AGAINST = "one\ntwo\ndrei\n"
MARKERS = "one\ntwo\n<<<<<<< on disk\ndrei\n=======\n3\n>>>>>>> generated\n"


def _past(*, texts: bool = True, **files: str) -> Past:
    """Say that some files, their endings left out, were generated last time."""
    named = {f"{name}.sh": text for name, text in files.items()}
    lock = Lock("0.1.0", "", {}, {path: digest(text.encode()) for path, text in named.items()})
    return Past(lock, named if texts else {})


def _bytes(**files: str | bytes) -> dict[str, bytes]:
    return {f"{name}.sh": text.encode() if isinstance(text, str) else text for name, text in files.items()}


def _texts(**files: str) -> dict[str, str]:
    return {f"{name}.sh": text for name, text in files.items()}


@pytest.mark.parametrize(
    ("disk", "files", "past", "action", "note"),
    [
        pytest.param({}, _texts(a=OTHER), None, "create", "", id="nothing is there"),
        pytest.param(_bytes(a=OTHER), _texts(a=OTHER), None, "unchanged", "", id="the same bytes, made by anybody"),
        pytest.param(_bytes(a=LAST), _texts(a=OTHER), _past(a=LAST), "update", "", id="what we wrote is there"),
        pytest.param(_bytes(a=MINE), _texts(a=LAST), _past(a=LAST), "keep", EDITED, id="only a person changed it"),
        pytest.param(_bytes(a=MINE), _texts(a=OTHER), _past(a=LAST), "merge", EDITED, id="both changed it apart"),
        pytest.param(_bytes(a=AGAINST), _texts(a=OTHER), _past(a=LAST), "conflict", EDITED, id="both changed a line"),
        pytest.param(_bytes(a=OTHER), _texts(a=OTHER), _past(a=LAST), "unchanged", "", id="both made the same of it"),
        pytest.param(_bytes(a=MINE), _texts(a=OTHER), None, "conflict", UNKNOWN, id="somebody made it before us"),
        pytest.param(
            _bytes(a=MINE), _texts(a=OTHER), _past(a=LAST, texts=False), "conflict", UNKNOWN, id="its text is lost"
        ),
        pytest.param(_bytes(a=b"\xff"), _texts(a=OTHER), _past(a=LAST), "conflict", NO_TEXT, id="it is no text now"),
        pytest.param(
            _bytes(a=MARKERS), _texts(a=BOTH), _past(a=OTHER), "conflict", UNSETTLED, id="markers are left in it"
        ),
        pytest.param(_bytes(a=LAST), {}, _past(a=LAST), "remove", "", id="no longer made, and untouched"),
        pytest.param(_bytes(a=MINE), {}, _past(a=LAST), "keep", ORPHANED, id="no longer made, and edited"),
        pytest.param({}, _texts(a=OTHER), _past(a=LAST), "create", "", id="nothing at all is left of the bundle"),
    ],
)
def test_a_file_has_one_outcome(
    disk: dict[str, bytes], files: dict[str, str], past: Past | None, action: str, note: str
) -> None:
    changes = plan_changes(disk, files, past)
    assert [(change.path, change.action, change.note) for change in changes] == [("a.sh", action, note)]


def test_a_deleted_file_stays_deleted_and_is_named() -> None:
    changes = plan_changes(_bytes(b=LAST), _texts(a=OTHER, b=LAST), _past(a=LAST, b=LAST))
    assert changes == [
        Change("a.sh", "keep", None, None, DELETED),
        Change("b.sh", "unchanged", LAST.encode(), LAST.encode()),
    ]


def test_a_file_that_is_gone_from_bundle_and_disk_is_no_change() -> None:
    assert plan_changes({}, {}, _past(a=LAST)) == []


def test_a_merge_has_what_both_sides_changed() -> None:
    (change,) = plan_changes(_bytes(a=MINE), _texts(a=OTHER), _past(a=LAST))
    assert change.new == BOTH.encode()


def test_a_conflict_says_where_and_what() -> None:
    (change,) = plan_changes(_bytes(a=AGAINST), _texts(a=OTHER), _past(a=LAST))
    assert change.conflicts == (Place("", 3, "drei\n", "3\n"),)
    assert change.is_conflict


@pytest.mark.parametrize(
    ("resolve", "action", "new", "conflict"),
    [
        ("markers", "merge", MARKERS, True),
        ("ours", "keep", None, False),
        ("theirs", "merge", OTHER, False),
        ("force", "update", OTHER, False),
    ],
)
def test_an_option_settles_a_conflict(resolve: Resolve, action: str, new: str | None, conflict: bool) -> None:  # noqa: FBT001
    (change,) = plan_changes(_bytes(a=AGAINST), _texts(a=OTHER), _past(a=LAST), resolve)
    assert (change.action, change.new and change.new.decode(), change.is_conflict) == (action, new, conflict)
    assert change.note == {"markers": MARKED, "force": ""}.get(resolve, EDITED)


@pytest.mark.parametrize(
    ("resolve", "action"), [("markers", "conflict"), ("ours", "keep"), ("theirs", "update"), ("force", "update")]
)
def test_a_file_that_nothing_is_known_of_is_kept_or_written_over_whole(resolve: Resolve, action: str) -> None:
    (change,) = plan_changes(_bytes(a=MINE), _texts(a=OTHER), None, resolve)
    assert change.action == action


@pytest.mark.parametrize(("resolve", "action"), [("ours", "keep"), ("theirs", "keep"), ("force", "create")])
def test_only_force_brings_a_deleted_file_back(resolve: Resolve, action: str) -> None:
    changes = plan_changes(_bytes(b=LAST), _texts(a=OTHER, b=LAST), _past(a=LAST, b=LAST), resolve)
    assert changes[0].action == action


@pytest.mark.parametrize("resolve", ["ours", "theirs", "markers"])
def test_what_is_no_conflict_is_merged_whatever_the_option_says(resolve: Resolve) -> None:
    (change,) = plan_changes(_bytes(a=MINE), _texts(a=OTHER), _past(a=LAST), resolve)
    assert (change.action, change.new) == ("merge", BOTH.encode())


def test_line_ends_of_the_file_on_disk_are_kept_and_are_no_edit() -> None:
    (change,) = plan_changes(_bytes(a=MINE.replace("\n", "\r\n")), _texts(a=OTHER), _past(a=LAST))
    assert change.new == BOTH.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("path", "disk", "new", "merged"),
    [
        pytest.param("a.md", "- [x] a *(1 point)*\n", "- [ ] a *(2 points)*\n", "- [x] a *(2 points)*\n", id="page"),
        pytest.param("a.yml", "a: 2\nb: 1\n", "a: 1\nb: 2\n", "a: 2\nb: 2\n", id="YAML"),
        pytest.param("a.json", '{"a": 2,\n"b": 1}\n', '{"a": 1,\n"b": 2}\n', '{"a": 2,\n"b": 2}\n', id="JSON"),
    ],
)
def test_a_file_is_merged_by_its_language(path: str, disk: str, new: str, merged: str) -> None:
    last = {"a.md": "- [ ] a *(1 point)*\n", "a.yml": "a: 1\nb: 1\n", "a.json": '{"a": 1,\n"b": 1}\n'}[path]
    past = Past(Lock("0.1.0", "", {}, {path: digest(last.encode())}), {path: last})
    (change,) = plan_changes({path: disk.encode()}, {path: new}, past)
    assert (change.action, change.new) == ("merge", merged.encode())


def test_a_difference_names_both_sides_and_the_lines() -> None:
    lines = list(difference(Change("a.yml", "update", b"one\ntwo\n", b"one\nthree\n")))
    assert lines[:2] == ["--- a/a.yml", "+++ b/a.yml"]
    assert {"-two", "+three"} <= set(lines)


def test_a_new_file_is_a_difference_from_nothing() -> None:
    assert next(iter(difference(Change("a.yml", "create", None, b"one\n")))) == "--- /dev/null"


@pytest.mark.parametrize("action", ["keep", "unchanged"])
def test_what_stays_as_it_is_makes_no_difference(action: str) -> None:
    assert list(difference(Change("a.yml", action, b"one\n", None))) == []
