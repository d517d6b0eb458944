"""The lock survives the way to disk and back, and says so when it did not."""

import json

import pytest

from devops_tasks.errors import UserError
from devops_tasks.lock import Lock, digest, lock_text, parse_lock

LOCK = Lock("0.1.0", "2026-12-01", {"feature": {"name": "Café \U0001f680"}}, {"tasks.md": digest(b"text")})


def test_a_lock_reads_back_as_it_was_written() -> None:
    assert parse_lock(lock_text(LOCK), "lock.json") == LOCK


def test_a_lock_has_a_line_for_each_file_and_each_key_so_that_its_diff_can_be_read() -> None:
    spec = {"feature": {"name": "é", "links": {"a": "b"}}, "services": [{"name": "x"}], "contacts": {}}
    assert lock_text(Lock("1", "", spec, {"a.md": "0", "b.md": "1"})) == (
        '{\n "format": 1,\n "version": "1",\n "today": "",\n "spec": {\n  "feature": {\n   "name": "é",\n'
        '   "links": {"a": "b"}\n  },\n  "services": [{"name": "x"}],\n  "contacts": {\n  }\n },\n'
        ' "files": {\n  "a.md": "0",\n  "b.md": "1"\n }\n}\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut off"),
        pytest.param("[]", id="a list"),
        pytest.param('{"format": 1}', id="keys missing"),
        pytest.param('{"format": 1, "version": "1", "today": "", "spec": 3, "files": {}}', id="a spec that is none"),
    ],
)
def test_a_damaged_lock_is_named(text: str) -> None:
    with pytest.raises(UserError, match=r"^lock\.json: damaged \(restore"):
        parse_lock(text, "lock.json")


def test_a_lock_of_a_later_format_is_refused_and_not_called_damaged() -> None:
    with pytest.raises(UserError, match="written in format 2; this version reads 1"):
        parse_lock(lock_text(LOCK).replace('"format": 1', '"format": 2'), "lock.json")


def test_what_is_remembered_of_files_that_are_no_longer_made_reads_back_and_is_not_written_where_there_is_none() -> (
    None
):
    orphaned = LOCK._replace(orphans={"cost/budget-alerts.yml": digest(b"text")})
    assert parse_lock(lock_text(orphaned), "lock.json") == orphaned
    assert "orphans" not in lock_text(LOCK)


@pytest.mark.parametrize(
    "orphans", [{"../x": digest(b"text")}, {"x": "no digest"}, ["x"]], ids=["outside", "odd", "a list"]
)
def test_such_a_file_is_inside_and_has_a_digest(orphans: object) -> None:
    text = lock_text(LOCK).replace('"format": 1,', f'"format": 1, "orphans": {json.dumps(orphans)},')
    with pytest.raises(UserError, match="damaged"):
        parse_lock(text, "lock.json")
