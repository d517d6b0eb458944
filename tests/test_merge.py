"""Each way in which disk, bundle and lock can stand to one another has one outcome."""

import pytest

from devops_tasks.lock import Lock, digest
from devops_tasks.merge import Change, difference, force, plan_changes


def _last(**files: bytes) -> Lock:
    return Lock("0.1.0", "", {}, {path: digest(content) for path, content in files.items()})


@pytest.mark.parametrize(
    ("disk", "files", "last", "action"),
    [
        pytest.param({}, {"a": "new"}, None, "create", id="nothing is there"),
        pytest.param({"a": b"new"}, {"a": "new"}, None, "unchanged", id="the same bytes are there, made by anybody"),
        pytest.param({"a": b"old"}, {"a": "new"}, _last(a=b"old"), "update", id="what we wrote is there"),
        pytest.param({"a": b"mine"}, {"a": "new"}, _last(a=b"old"), "conflict", id="a person edited it"),
        pytest.param({"a": b"mine"}, {"a": "new"}, None, "conflict", id="somebody made it before us"),
        pytest.param({"a": b"old"}, {}, _last(a=b"old"), "remove", id="no longer in the bundle and untouched"),
        pytest.param({"a": b"mine"}, {}, _last(a=b"old"), "keep", id="no longer in the bundle and edited"),
    ],
)
def test_a_file_has_one_outcome(disk: dict[str, bytes], files: dict[str, str], last: Lock | None, action: str) -> None:
    assert [(change.path, change.action) for change in plan_changes(disk, files, last)] == [("a", action)]


def test_a_file_that_is_gone_from_bundle_and_disk_is_no_change() -> None:
    assert plan_changes({}, {}, _last(a=b"old")) == []


def test_force_turns_conflicts_into_updates_and_leaves_the_rest_alone() -> None:
    changes = [Change("a", "conflict", b"x", b"y"), Change("b", "keep", b"x", None), Change("c", "create", None, b"y")]
    assert [change.action for change in force(changes)] == ["update", "keep", "create"]


def test_a_difference_names_both_sides_and_the_lines() -> None:
    lines = list(difference(Change("a.yml", "update", b"one\ntwo\n", b"one\nthree\n")))
    assert lines[:2] == ["--- a/a.yml", "+++ b/a.yml"]
    assert {"-two", "+three"} <= set(lines)


def test_a_new_file_is_a_difference_from_nothing() -> None:
    assert next(iter(difference(Change("a.yml", "create", None, b"one\n")))) == "--- /dev/null"
