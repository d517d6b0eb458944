"""The user's cache folder: an entry comes back as it was written, or not at all; never another user's."""

import os
from pathlib import Path

import pytest

from devops_tasks.cache import cache_folder, cache_key, read_cached, write_cached

KEY = cache_key("templates", "x")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = cache_folder()
    assert folder is not None
    return folder


def test_an_entry_comes_back_as_it_was_written(folder: Path) -> None:
    assert read_cached(folder, KEY) is None
    write_cached(folder, KEY, b"content")
    assert read_cached(folder, KEY) == b"content"
    assert [entry.name for entry in folder.iterdir()] == [KEY]


def test_only_this_user_can_read_or_write_folder_and_entry(folder: Path) -> None:
    write_cached(folder, KEY, b"content")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / KEY).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o720, 0o702])
def test_a_folder_that_others_can_write_is_not_used(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert cache_folder() is None


def test_a_folder_of_another_user_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert folder.is_dir()
    assert cache_folder() is None


def test_a_folder_behind_a_link_is_not_used(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder.with_name("elsewhere"))
    assert cache_folder() is None


def test_a_folder_that_cannot_be_made_is_silently_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder() is None


@pytest.mark.parametrize("value", ["", "relative", None], ids=["empty", "relative", "unset"])
def test_without_a_usable_setting_the_folder_is_in_the_user_s_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if value is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert cache_folder() == tmp_path / "home/.cache/devops-tasks"


def test_without_a_home_nothing_is_kept_and_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "~")
    assert cache_folder() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_an_entry_that_others_can_write_is_not_read(folder: Path, mode: int) -> None:
    write_cached(folder, KEY, b"content")
    (folder / KEY).chmod(mode)
    assert read_cached(folder, KEY) is None


def test_an_entry_of_another_user_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cached(folder, KEY, b"content")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert read_cached(folder, KEY) is None


def test_an_entry_that_is_a_link_a_folder_or_a_pipe_is_not_read(folder: Path) -> None:
    write_cached(folder, "run-other", b"content")
    (folder / "link").symlink_to("other")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    assert [read_cached(folder, key) for key in ("link", "folder", "pipe")] == [None, None, None]


def test_a_damaged_entry_is_not_read(folder: Path) -> None:
    write_cached(folder, KEY, b"content")
    whole = (folder / KEY).read_bytes()
    for damaged in (b"", whole[:31], whole[:-1], whole + b"x", whole.replace(b"tent", b"text")):
        (folder / KEY).write_bytes(damaged)
        assert read_cached(folder, KEY) is None


def test_what_cannot_be_written_is_silently_not_kept(folder: Path) -> None:
    (folder / KEY).mkdir()
    write_cached(folder, KEY, b"content")
    assert [entry.name for entry in folder.iterdir()] == [KEY]
    write_cached(folder / "missing", KEY, b"content")


def test_only_the_newest_few_entries_of_a_kind_are_kept(folder: Path) -> None:
    for number in range(12):
        write_cached(folder, f"templates-{number:02}", b"content")
        os.utime(folder / f"templates-{number:02}", (number, number))
    write_cached(folder, "run-00", b"content")
    os.utime(folder / "run-00", (0, 0))
    write_cached(folder, KEY, b"content")
    kept = {entry.name for entry in folder.iterdir()}
    assert {KEY, "templates-11", "run-00"} <= kept
    assert "templates-00" not in kept
    assert len(kept) == 8 + 1


def test_an_entry_is_named_after_every_part_of_what_it_depends_on() -> None:
    different: list[tuple[str, ...]] = [(), ("a",), ("a", "b"), ("b", "a"), ("ab",), ("a\0001:b",), ("a", "")]
    assert len({cache_key(kind, *parts) for parts in different for kind in ("run", "templates")}) == 2 * len(different)
