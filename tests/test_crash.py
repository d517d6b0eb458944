"""A run that is killed at any moment leaves whole files, and the next one finishes it or undoes it.

The process kills itself, by a real signal, at the nth of all the calls by which it changes the disk, so that no moment
between two of them is missed. `make test` takes some of the moments, `make soak` all.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from itertools import count
from pathlib import Path

import pytest

from devops_tasks import disk
from devops_tasks.bootstrap import Wanted, create_feature, start_from_file
from devops_tasks.bootstrap.staging import PREFIX
from devops_tasks.disk.journal import JOURNAL, PLANNED
from devops_tasks.errors import ConflictError, UserError
from devops_tasks.generate import plan_folder, write_folder
from devops_tasks.lock import BASE, PATH, Lock, digest
from devops_tasks.merge import Change
from devops_tasks.readout import Given, log_result, read_out
from tests.bundles import load_example, renderer
from tests.tools import ROOT

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
OLD = ("minimal", "sprint.name=24")
NEW = ("minimal", "sprint.name=25", "alerts=[{metric: latency_p95, for: 9m}]", "databases=[]")
CALLS = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "open"})

Tree = dict[str, bytes]


def _generate(folder: Path, spec: tuple[str, ...]) -> None:
    disk.finish_run(folder)
    write_folder(*plan_folder(renderer(), load_example(*spec), folder))


def _tree(folder: Path) -> Tree:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tree, Tree]:
    """A bundle that somebody ticked a box in, what is in it, and what the changed spec makes of it."""
    base = tmp_path_factory.mktemp("crash")
    _generate(base / "old", OLD)
    document = base / "old/tasks.md"
    document.write_text(document.read_text("utf-8").replace("- [ ] **[DO-002]", "- [x] **[DO-002]"), "utf-8")
    _generate(base / "old", OLD)
    shutil.copytree(base / "old", base / "new")
    _generate(base / "new", NEW)
    old, new = _tree(base / "old"), _tree(base / "new")
    assert len([path for path in old.keys() | new.keys() if old.get(path) != new.get(path)]) > 10
    return base / "old", old, new


def _run_until(folder: Path, spec: tuple[str, ...], moment: int, number: int, since: str = "") -> int:
    """Generate in a process of its own that gets a signal at its nth change of the disk; gives how it ended.

    Only changes after the file ``since`` is there are counted.
    """
    return _work_until(folder, lambda: _generate(folder, spec), (moment, number, since))


def _work_until(folder: Path, work: Callable[[], object], when: tuple[int, int, str]) -> int:
    child = os.fork()
    if child == 0:
        _work_and_die(folder, work, when)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _work_and_die(folder: Path, work: Callable[[], object], when: tuple[int, int, str]) -> None:
    moment, number, since = when
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        writes = event in CALLS and (event != "open" or _writes(arguments)) and str(folder) in str(arguments[0])
        count += writes and (folder / since).exists()
        if writes and count == moment:
            os.kill(os.getpid(), number)

    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        sys.addaudithook(hook)
        work()
        code = 0
        if not moment:
            folder.with_name("count").write_text(str(count))
    except KeyboardInterrupt:
        code = 130
    finally:
        os._exit(code)


def _writes(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


@pytest.fixture(scope="module")
def moments(trees: tuple[Path, Tree, Tree]) -> list[int]:
    """Some of the changes of the disk in one run, by number; at the second the journal is begun."""
    count = _count(trees[0])
    assert count > 30
    return sorted({2, *range(1, count + 1, 1 if SOAK else count // 7)})


def _count(folder: Path) -> int:
    """Count the changes of the disk in one run: the most that it can be killed at."""
    low, high = 1, 2
    while _is_killed(folder, high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _is_killed(folder, middle) else (low, middle)
    return low


def _is_killed(folder: Path, moment: int) -> bool:
    copy = folder.with_name("counted")
    shutil.copytree(folder, copy)
    try:
        return _run_until(copy, NEW, moment, signal.SIGKILL) == -signal.SIGKILL
    finally:
        shutil.rmtree(copy)


def test_a_kill_while_a_result_is_logged_leaves_the_old_document_or_the_new_one(
    trees: tuple[Path, Tree, Tree], tmp_path: Path
) -> None:
    folder, old, _ = trees
    given = Given("4000/400", "4000/470", None, (), None, date(2026, 12, 8), sequential=False)
    seen = set()
    for moment in count(1):
        copy = tmp_path / str(moment)
        shutil.copytree(folder, copy)
        result = read_out(copy, given)
        code = _work_until(copy, lambda at=copy, told=result: log_result(at, told), (moment, signal.SIGKILL, ""))  # type: ignore[misc]
        disk.finish_run(copy)
        left = _tree(copy)
        seen.add(left["tasks.md"])
        assert {path for path in left.keys() | old.keys() if left.get(path) != old.get(path)} <= {"tasks.md"}
        log_result(copy, result)
        assert (copy / "tasks.md").read_text("utf-8").count("### Experiment Readout") == 1
        if code == 0:
            break
    assert moment > 4
    assert len(seen) == 2


@pytest.mark.parametrize("after", [NEW, OLD], ids=["the same spec again", "the old spec again"])
def test_after_a_kill_every_file_is_whole_and_the_next_run_ends_it(
    trees: tuple[Path, Tree, Tree], moments: list[int], tmp_path: Path, after: tuple[str, ...]
) -> None:
    folder, old, new = trees
    half = 0
    for moment in moments:
        copy = tmp_path / str(moment)
        shutil.copytree(folder, copy)
        assert _run_until(copy, NEW, moment, signal.SIGKILL) == -signal.SIGKILL
        left = _tree(copy)
        for path in old.keys() | new.keys():
            assert left.get(path) in {old.get(path), new.get(path)}, f"{path} is torn at {moment}"
        half += left not in (old, new)
        _generate(copy, after)
        assert _tree(copy) == (new if after == NEW else old), f"not mended after {moment}"
        shutil.rmtree(copy)
    assert half > 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_all_or_nothing(
    trees: tuple[Path, Tree, Tree], moments: list[int], tmp_path: Path, number: int
) -> None:
    folder, old, new = trees
    ends = set()
    for moment in moments:
        copy = tmp_path / str(moment)
        shutil.copytree(folder, copy)
        _run_until(copy, NEW, moment, number)
        assert _tree(copy) in (old, new), f"half done at {moment}"
        ends.add(_tree(copy) == new)
        shutil.rmtree(copy)
    assert ends == {True, False}


def _killed(folder: Path, copy: Path, name: str) -> Path:
    """Kill a run some changes after its journal has a name; give the folder that it leaves."""
    shutil.copytree(folder, copy)
    assert _run_until(copy, NEW, 3, signal.SIGKILL, name) == -signal.SIGKILL
    assert (copy / name).exists()
    return copy


def test_a_file_that_somebody_changed_after_the_kill_is_left_alone(
    trees: tuple[Path, Tree, Tree], tmp_path: Path
) -> None:
    folder = _killed(trees[0], tmp_path / "copy", JOURNAL)
    runbook = next(folder.glob("runbooks/alerts/*LatencyP95High.md"))
    assert runbook.with_name(f"{runbook.name}.devops-tasks-new").exists(), (
        "it is among what is still to be put in place"
    )
    runbook.write_text("mine\n", "utf-8")
    _generate(folder, NEW)
    assert {path: content for path, content in _tree(folder).items() if content != trees[2].get(path)} == {
        runbook.relative_to(folder).as_posix(): b"mine\n"
    }


@pytest.mark.parametrize("name", [PLANNED, JOURNAL])
@pytest.mark.parametrize("command", [["check"], ["generate", "--check"]], ids=["check", "generate --check"])
def test_a_command_that_writes_nothing_says_that_a_run_was_stopped(
    trees: tuple[Path, Tree, Tree], tmp_path: Path, name: str, command: list[str]
) -> None:
    folder = _killed(trees[0], tmp_path / "copy", name)
    before = _tree(folder)
    spec = [str(ROOT / "examples/minimal.yaml"), "-o", str(folder)] if "generate" in command else [str(folder)]
    arguments = [sys.executable, "-m", "devops_tasks", *command, *spec]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "a run was stopped half-way here (finish it with devops-tasks generate)" in done.stderr
    assert _tree(folder) == before


@pytest.mark.parametrize(
    "content", ["", "{", "[[1, 2, 3]]", '[["a", null, 1]]', '[["a"]]', '[["../../x", null, true]]']
)
@pytest.mark.parametrize("name", [PLANNED, JOURNAL])
def test_a_damaged_journal_is_refused_and_obeyed_in_nothing(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=r"damaged|leaves the output folder"):
        disk.finish_run(tmp_path)
    assert _tree(tmp_path) == {name: content.encode()}


def test_a_journal_removes_only_what_the_lock_names(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("mine")
    entry = f'[["mine.py", "{digest(b"mine")}", false]]'
    (tmp_path / JOURNAL).parent.mkdir()
    (tmp_path / JOURNAL).write_text(entry)
    disk.finish_run(tmp_path)
    assert _tree(tmp_path) == {"mine.py": b"mine"}


def test_a_disk_that_is_full_leaves_everything_as_it_was(trees: tuple[Path, Tree, Tree], tmp_path: Path) -> None:
    folder, old, new = trees
    with _small_disk(tmp_path / "disk", 4_000_000) as place:
        copy = place / "bundle"
        shutil.copytree(folder, copy)
        filler = place / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        with pytest.raises(UserError, match="no space left on device"):
            _generate(copy, NEW)
        assert _tree(copy) == old
        filler.unlink()
        _generate(copy, NEW)
        assert _tree(copy) == new


@contextmanager
def _small_disk(place: Path, size: int) -> Iterator[Path]:
    """Mount a small memory disk; where nobody may mount, /dev/full cannot stand in, and the test says so."""
    place.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("nobody may mount here: test_disk.py shows the same by a limit on the size of files")
    try:
        yield place
    finally:
        subprocess.run(["/bin/umount", place], check=True)


def test_an_error_in_the_middle_of_putting_files_in_place_is_finished_by_the_next_run(tmp_path: Path) -> None:
    lock = Lock("0.1.0", "", {}, {})
    (tmp_path / "b").mkdir()
    changes = [Change(path, "create", None, b"new") for path in ("a.yml", "b/c.yml", "d.yml")]
    assert _write_with_a_failure(tmp_path, changes, lock) == 0
    assert len(_tree(tmp_path)) > len(changes), "a journal is there, and what is not yet in its place"
    disk.finish_run(tmp_path)
    assert set(_tree(tmp_path)) == {"a.yml", "b/c.yml", "d.yml", BASE, PATH}


def _write_with_a_failure(folder: Path, changes: list[Change], lock: Lock) -> int:
    """Make the second file impossible to put in place once all are staged, and see that the run says so."""
    child = os.fork()
    if child == 0:
        code = 1

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if event == "os.rename" and str(arguments[1]).endswith("b/c.yml"):
                raise PermissionError(13, "Permission denied", arguments[1])

        try:
            sys.addaudithook(hook)
            disk.write_changes(folder, changes, lock, {})
        except UserError as error:
            code = 0 if "permission denied" in str(error) and not isinstance(error, ConflictError) else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


# A new feature's folder


def _create(folder: Path) -> None:
    create_feature(renderer(), start_from_file(ROOT / "examples/minimal.yaml"), Wanted(folder))


def _created_until(folder: Path, moment: int, number: int, *, there: bool) -> int:
    """Make a feature anew, in a process that gets a signal at its nth change of the disk."""
    place = folder.parent
    shutil.rmtree(place, ignore_errors=True)
    (folder if there else place).mkdir(parents=True)
    return _work_until(place, lambda: _create(folder), (moment, number, ""))


@pytest.fixture
def feature(tmp_path: Path) -> tuple[Path, Tree, list[int]]:
    """Where a feature is made, all that is made, and some of the changes of the disk on the way, above all the last."""
    folder = tmp_path / "place/feature"
    assert _created_until(folder, 0, signal.SIGKILL, there=True) == 0
    last = int((tmp_path / "count").read_text())
    assert last > 100
    return folder, _tree(folder.parent), [*range(1, last, 1 if SOAK else last // 3), *range(last - 4, last + 1)]


@pytest.mark.parametrize("there", [False, True], ids=["a new folder", "an empty folder"])
def test_a_killed_run_leaves_no_half_of_a_new_feature_that_the_next_one_does_not_settle(
    feature: tuple[Path, Tree, list[int]], *, there: bool
) -> None:
    folder, whole, moments = feature
    told = set()
    for moment in moments:
        _created_until(folder, moment, signal.SIGKILL, there=there)
        seen = {path for path in _tree(folder.parent) if PREFIX not in path}
        assert seen <= whole.keys()
        assert there or seen in (set(), whole.keys()), f"half done at {moment}"
        told.add(_settled(folder))
        assert _tree(folder.parent) == whole, f"not whole after {moment}"
    assert any("is whole now" in each for each in told) == there
    assert "" in told


def _settled(folder: Path) -> str:
    """Make the feature that a killed run has not made; gives what the next run says otherwise."""
    try:
        _create(folder)
    except UserError as error:
        return str(error)
    return ""


def test_an_interruption_leaves_all_of_a_new_feature_or_nothing(feature: tuple[Path, Tree, list[int]]) -> None:
    folder, whole, moments = feature
    ends = set()
    for moment in moments:
        _created_until(folder, moment, signal.SIGTERM, there=True)
        assert _tree(folder.parent) in ({}, whole), f"half done at {moment}"
        ends.add(_tree(folder.parent) == whole)
    assert ends == {True, False}
