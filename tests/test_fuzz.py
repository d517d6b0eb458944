"""No input, however broken, ends in a traceback, in half an output or in a long wait.

A failure names its seed: `mutations.broken_text(seed)` is the spec again. `make test` takes the same few hundred seeds
each time; `make soak` takes thousands (`FUZZ=3000`).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from devops_tasks.__main__ import run
from devops_tasks.checks.codes import severity
from devops_tasks.errors import UserError
from devops_tasks.fields import CONTROL
from devops_tasks.judge import judge_folder
from devops_tasks.lock import PATH as LOCK, digest
from devops_tasks.specfile import load_spec, override, read_spec
from tests import mutations
from tests.specs import MINIMAL

SEEDS = int(os.environ.get("FUZZ", "300"))
BLOCK = 50
SLOW_SECONDS = 3  # of CPU time, for one input: a thousand times what a spec takes to read
CONTROLS = re.compile(f"[{CONTROL}]")
BREAKS = re.compile("\r\n|[\r\n\u0085\u2028\u2029]")


class Done(NamedTuple):
    """How a command ended."""

    code: object
    out: str
    err: str
    seconds: float


def devops_tasks(*arguments: str | Path) -> Done:
    """Run a command in this process, by the way in that a user takes."""
    out, err, before, started = io.StringIO(), io.StringIO(), sys.argv, time.process_time()
    sys.argv = ["devops-tasks", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: object = run()
    except SystemExit as exit_:
        code = exit_.code
    finally:
        sys.argv = before
    return Done(code, out.getvalue(), err.getvalue(), time.process_time() - started)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Read all that is there, empty folders too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


def check_refusal(done: Done, spec: Path) -> None:
    """Hold what was said of a bad spec: nothing on stdout, and a line for each fault at a place that is there."""
    assert (done.code, done.out) == (2, "")
    told = done.err.removesuffix("\n").split("\n")
    assert told != [""]
    lines = BREAKS.split(spec.read_bytes().decode("utf-8-sig", "replace"))
    for line in told:
        assert not CONTROLS.search(line), line
        found = re.match(rf"(?:--set .*?|{re.escape(str(spec))}(?::(\d+):(\d+))?): [^ ].*", line)
        assert found, line
        if found[1]:
            assert 1 <= int(found[1]) <= len(lines), line
            assert 1 <= int(found[2]) <= len(lines[int(found[1]) - 1]) + 1, line


def check_bundle(folder: Path) -> None:
    """Hold what was written: exactly the files that the lock names, and nothing that `check` calls an error."""
    files = {path: content for path, content in contents(folder).items() if content is not None}
    lock = json.loads(files.pop(LOCK))
    assert {path: digest(content) for path, content in files.items()} == lock["files"]
    assert [str(problem) for problem in judge_folder(folder).problems if severity(problem) == "error"] == []


def refuse_or_write(folder: Path, content: bytes, *assignments: str) -> None:
    """Generate from a spec, and hold whatever comes of it."""
    spec, output = folder / "spec.yaml", folder / "out"
    spec.write_bytes(content)
    options = [part for assignment in assignments for part in ("--set", assignment)]
    done = devops_tasks("generate", spec, "-o", output, *options)
    assert "Traceback" not in done.out + done.err, done.err[-2000:]
    if done.code == 0:
        check_bundle(output)
    else:
        check_refusal(done, spec)
        assert contents(folder) == {"spec.yaml": content}
    assert done.seconds < SLOW_SECONDS


def refuses(folder: Path, content: bytes, *assignments: str) -> bool:
    """Say whether a spec is refused, without the time that a whole bundle takes."""
    (folder / "spec.yaml").write_bytes(content)
    try:
        load_spec(override(read_spec(folder / "spec.yaml"), assignments))
    except UserError:
        return True
    return False


def blocks(count: int) -> pytest.MarkDecorator:
    starts = range(0, count, BLOCK)
    return pytest.mark.parametrize("seeds", [range(start, start + BLOCK) for start in starts], ids=str)


@contextlib.contextmanager
def named(seed: int) -> Iterator[None]:
    """Name the seed where something goes wrong."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"seed={seed}")
        raise


def text(seed: int) -> bytes:
    return mutations.broken_text(seed)


def tree(seed: int) -> bytes:
    return mutations.written(mutations.broken_tree(seed)).encode()


@pytest.mark.parametrize("broken", [text, tree])
@blocks(SEEDS)
def test_a_broken_spec_is_refused_in_clear_lines_or_gives_a_whole_bundle(
    broken: Callable[[int], bytes], seeds: range, tmp_path: Path
) -> None:
    for seed in seeds:
        with named(seed):
            content = broken(seed)
            if seed % 10 == 0 or refuses(tmp_path, content):
                folder = tmp_path / str(seed)
                folder.mkdir()
                refuse_or_write(folder, content)


# What the seeds found, by name


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("? " * 5000, "1:83: too deeply nested", id="keys that are groups, without end"),
        pytest.param("a: [b,\n c", "2:3: no valid YAML: did not find expected ',' or ']'", id="an end in a list"),
        pytest.param("a: b\nfoo", "2:4: no valid YAML: could not find expected", id="an end in a word"),
        pytest.param('{"\\x1b[31m": a}', r"1:2: \x1b[31m: unknown key", id="a key that colours the terminal"),
        pytest.param('{"a\\nb\\u202e": a}', r"1:2: a\nb\u202e: unknown key", id="a key of two lines"),
        pytest.param('{" ": a}', "1:2: ' ': unknown key", id="a key of a space"),
        pytest.param('{"": a}', "1:2: '': unknown key", id="a key of nothing"),
    ],
)
def test_a_fault_is_told_in_one_line_at_a_place_that_is_there(content: str, told: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(content)
    done = devops_tasks("generate", spec)
    check_refusal(done, spec)
    assert f"{spec}:{told}" in done.err


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param("services: [{name: y}, {name: on}, {name: 'null'}]", id="names that YAML 1.1 takes for others"),
        pytest.param("services: [{name: a, staging: {memory: {}, cpu: {limit: }}}]", id="limits that nobody wrote"),
    ],
)
def test_a_spec_that_looks_odd_gives_a_whole_bundle(keys: str, tmp_path: Path) -> None:
    refuse_or_write(tmp_path, f"{MINIMAL}{keys}\n".encode())
    assert (tmp_path / "out/tasks.md").is_file()
