"""What reaches disk is whole, inside the folder, and never through a link."""

import fcntl
import os
import resource
import threading
from pathlib import Path

import pytest

from devops_tasks import disk
from devops_tasks.errors import ConflictError, UserError
from devops_tasks.lock import BASE, PATH, Lock
from devops_tasks.merge import Change
from tests.tools import ROOT

LOCK = Lock("0.1.0", "", {}, {})


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_changes_are_applied_and_the_lock_is_written(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old/gone.yml").write_text("old")
    (tmp_path / "kept.yml").write_text("kept")
    changes = [
        Change("deep/new.yml", "create", None, b"new"),
        Change("old/gone.yml", "remove", b"old", None),
        Change("kept.yml", "keep", b"kept", None),
    ]
    disk.write_changes(tmp_path, changes, LOCK, {})
    assert _names(tmp_path) == [BASE, PATH, "deep/new.yml", "kept.yml"]
    assert (tmp_path / "deep/new.yml").read_bytes() == b"new"
    assert not (tmp_path / "old").exists(), "a folder that removal emptied goes too"
    assert disk.read_lock(tmp_path) == LOCK


def test_scripts_can_be_run_and_manifests_cannot(tmp_path: Path) -> None:
    disk.write_changes(tmp_path, [Change("a.sh", "create", None, b""), Change("a.yml", "create", None, b"")], LOCK, {})
    assert os.access(tmp_path / "a.sh", os.X_OK)
    assert not (tmp_path / "a.yml").stat().st_mode & 0o111


@pytest.mark.parametrize("path", ["../out", "a/../../out", "/etc/out", "", "a\\b", "a\0b"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(UserError, match="leaves the output folder"):
        disk.write_changes(tmp_path / "in", [Change(path, "create", None, b"x")], LOCK, {})
    with pytest.raises(UserError, match="leaves the output folder"):
        disk.read_files(tmp_path / "in", [path])
    assert _names(tmp_path) == []


@pytest.mark.parametrize("path", ["tasks.md", "a/b/c.yml", "..a/b", "a..b"])
def test_a_path_inside_the_folder_is_taken(tmp_path: Path, path: str) -> None:
    disk.write_changes(tmp_path, [Change(path, "create", None, b"x")], LOCK, {})
    assert (tmp_path / path).read_bytes() == b"x"
    assert disk.read_files(tmp_path, [path, "missing/a.yml"]) == {path: b"x"}


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_link_is_never_followed_not_even_a_dangling_one(tmp_path: Path, target: str) -> None:
    folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "monitoring").symlink_to(tmp_path / target)
    with pytest.raises(UserError, match="is a link, and links are not followed"):
        disk.write_changes(folder, [Change("monitoring/a.yml", "create", None, b"x")], LOCK, {})
    assert _names(elsewhere) == []
    assert not (folder / PATH).exists()


def test_nothing_is_in_place_when_one_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("a file where a folder is wanted")
    with pytest.raises(UserError):
        disk.write_changes(tmp_path, [Change(path, "create", None, b"x") for path in ("a.yml", "b/c.yml")], LOCK, {})
    assert _names(tmp_path) == ["b"]


@pytest.mark.parametrize("position", [0, 1, 3], ids=["first", "second", "last"])
def test_no_folder_is_left_that_was_made_in_vain(tmp_path: Path, position: int) -> None:
    paths = ["a/b/c.yml", "d.yml", "e/f.yml"]
    paths.insert(position, f"g/{'x' * 300}.yml")
    with pytest.raises(UserError, match="file name too long"):
        disk.write_changes(tmp_path / "new/deep", [Change(path, "create", None, b"x") for path in paths], LOCK, {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_could_not_be_written_to_its_end_is_removed_and_the_old_one_stays(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("old")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    changes = [Change("a.yml", "update", b"old", b"new"), Change("big/b.yml", "create", None, b"x" * 100_000)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limit[1]))
    try:
        with pytest.raises(UserError, match="file too large"):
            disk.write_changes(tmp_path, changes, LOCK, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert _names(tmp_path) == ["a.yml"]
    assert (tmp_path / "a.yml").read_text() == "old"


def test_an_output_folder_that_is_a_file_or_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UserError, match="is a file, not a folder"):
        disk.check_folder(tmp_path / "file")
    with pytest.raises(UserError, match="is a link"):
        disk.check_folder(tmp_path / "link")
    disk.check_folder(tmp_path / "not there yet")


def test_a_folder_below_a_link_is_taken(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "tmp").symlink_to("real")
    disk.check_folder(tmp_path / "tmp/out")
    disk.write_changes(tmp_path / "tmp/out", [Change("a.yml", "create", None, b"x")], LOCK, {})
    assert (tmp_path / "real/out/a.yml").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["devops_tasks", "devops_tasks/checks/x", "templates", "templates/x"])
def test_a_folder_of_the_tool_itself_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="is a folder of this tool itself"):
        disk.check_folder(ROOT / name)


@pytest.mark.parametrize("name", [".", "build/demo", "examples", "devops_tasks_of_mine", "docs/templates"])
def test_another_folder_of_the_checkout_is_taken(name: str) -> None:
    disk.check_folder(ROOT / name)


def test_every_file_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "b.yml").mkdir()
    with pytest.raises(UserError) as caught:
        disk.read_files(tmp_path, ["a/1.yml", "a/2.yml", "b.yml", "c.yml"])
    assert [problem.where for problem in caught.value.problems] == [str(tmp_path / "a"), str(tmp_path / "b.yml")]


def test_a_failed_write_takes_its_folders_away_and_leaves_those_of_others(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    changes = [Change(path, "create", None, b"x") for path in ("mine/a/b.yml", "c/d.yml", f"e/{'x' * 255}")]
    with pytest.raises(UserError, match="file name too long"):
        disk.write_changes(tmp_path, changes, LOCK, {})
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


@pytest.mark.parametrize("action", ["update", "remove"])
def test_every_read_only_file_is_told_before_anything_changes(tmp_path: Path, action: str) -> None:
    for name in ("a.yml", "b.yml", "c.yml"):
        (tmp_path / name).write_bytes(b"old")
        (tmp_path / name).chmod(0o644 if name == "b.yml" else 0o444)
    changes = [Change(name, action, b"old", b"new") for name in ("a.yml", "b.yml", "c.yml")]
    with pytest.raises(UserError) as caught:
        disk.write_changes(tmp_path, changes, LOCK, {})
    assert [problem.where for problem in caught.value.problems] == [str(tmp_path / "a.yml"), str(tmp_path / "c.yml")]
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"old"}


@pytest.mark.parametrize("meanwhile", [b"another run's", None], ids=["written", "removed"])
def test_what_changed_since_it_was_planned_is_not_written_over(tmp_path: Path, meanwhile: bytes | None) -> None:
    if meanwhile:
        (tmp_path / "a.yml").write_bytes(meanwhile)
    with pytest.raises(ConflictError, match="changed while this ran"):
        disk.write_changes(tmp_path, [Change("a.yml", "update", b"old", b"new")], LOCK, {})
    assert _names(tmp_path) == (["a.yml"] if meanwhile else [])


def test_a_run_waits_for_another_that_writes_into_the_same_folder(tmp_path: Path) -> None:
    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    change = Change("a.yml", "create", None, b"new")
    waiting = threading.Thread(target=disk.write_changes, args=(tmp_path, [change], LOCK, {}))
    waiting.start()
    waiting.join(0.2)
    before = _names(tmp_path)
    os.close(held)
    waiting.join(10)
    assert (before, _names(tmp_path)) == ([], [BASE, PATH, "a.yml"])


def test_a_folder_is_made_by_a_detour_through_one_that_is_not_there_yet(tmp_path: Path) -> None:
    disk.write_changes(tmp_path / "a/../b", [Change("c.yml", "create", None, b"new")], LOCK, {})
    assert (tmp_path / "b/c.yml").read_bytes() == b"new"
