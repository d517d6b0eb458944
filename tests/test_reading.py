"""A file that somebody names: read whole, or refused in words; nothing blocks, and no limit is passed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from devops_tasks.errors import UserError
from devops_tasks.reading import read_regular


@pytest.mark.parametrize("size", [0, 1, 10])
def test_a_file_of_at_most_the_limit_is_read_whole(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    assert read_regular(tmp_path / "file", 10) == b"x" * size


def test_a_link_is_read_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 10) == b"x"


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: path.write_bytes(b"x" * 11), "larger than 10 bytes"),
        (lambda path: path.mkdir(), "is a folder, not a file"),
        (os.mkfifo, "is a pipe or a device, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a pipe or a device, not a file"),
        (lambda path: path.symlink_to(path), "too many levels of symbolic links"),
    ],
    ids=["too large", "a folder", "a pipe", "a device", "a link to itself"],
)
def test_what_is_no_file_of_that_size_is_refused(tmp_path: Path, make: Callable[[Path], object], what: str) -> None:
    path = tmp_path / "file"
    make(path)
    with pytest.raises(UserError, match=f"^{path}: {what} "):
        read_regular(path, 10)


def test_a_file_that_has_more_than_it_says_is_read_no_further_than_the_limit() -> None:
    path = Path("/proc/self/status")
    assert path.stat().st_size == 0
    with pytest.raises(UserError, match="larger than 10 bytes"):
        read_regular(path, 10)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(UserError, match="is no name of a file"):
        read_regular(Path("a\0b"), 10)


def test_nothing_stays_open(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("file", "folder") * 5:
        try:
            read_regular(tmp_path / name, 0)
        except UserError:
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_where_there_is_no_file_the_caller_says_what_that_means(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none", 10)
