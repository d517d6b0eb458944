"""No input, however broken, ends in a traceback, in half an output or in a long wait.

A failure names its seed: `mutations.broken_text(seed)` is the spec again. `make test` takes the same few hundred seeds
each time; `make soak` takes thousands (`FUZZ=3000`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devops_tasks import filters
from devops_tasks.checks.codes import severity
from devops_tasks.errors import UserError
from devops_tasks.fields import CONTROL, Entries, Kind, Listing, Shape
from devops_tasks.judge import judge_folder
from devops_tasks.lock import BASE, PATH as LOCK, digest, parse_lock
from devops_tasks.spec import SPEC
from devops_tasks.specfile import load_spec, override, read_spec
from tests import mutations
from tests.command import Done, devops_tasks
from tests.specs import MINIMAL
from tests.trees import full_tree

SEEDS = int(os.environ.get("FUZZ", "200"))
BLOCK = 50
LARGE_SECONDS = 5  # the same for one that is as large as it may be
SLOW_SECONDS = 3  # of CPU time, for one input: a thousand times what a spec takes to read
CONTROLS = re.compile(f"[{CONTROL}]")
BREAKS = re.compile("\r\n|[\r\n\u0085\u2028\u2029]")


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
    del files[BASE]
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
    assert done.seconds < SLOW_SECONDS, f"{done.seconds} s"


def refuses(folder: Path, content: bytes, *assignments: str) -> bool:
    """Say whether a spec is refused, without the time that a whole bundle takes."""
    (folder / "spec.yaml").write_bytes(content)
    try:
        load_spec(override(read_spec(folder / "spec.yaml"), assignments))
    except UserError:
        return True
    return False


def kinds(shape: Shape = SPEC) -> Iterator[Kind[Any]]:
    if isinstance(shape, Kind):
        yield shape
    elif isinstance(shape, Listing):
        yield from kinds(shape.item)
    elif isinstance(shape, Entries):
        yield shape.key
        yield from kinds(shape.value)
    else:
        for field in shape.record.fields.values():
            yield from kinds(field.shape)


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


@blocks(SEEDS)
def test_what_is_set_on_the_command_line_is_refused_in_clear_lines_or_gives_a_whole_bundle(
    seeds: range, tmp_path: Path
) -> None:
    for seed in seeds:
        with named(seed):
            set_ = mutations.assignments(seed)
            content = mutations.sources()[seed % len(mutations.sources())].encode()
            if seed % 25 == 0 or refuses(tmp_path, content, *set_):
                folder = tmp_path / str(seed)
                folder.mkdir()
                refuse_or_write(folder, content, *set_)


# A damaged lock


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the smallest spec, its bundle, and beside it a file of somebody."""
    folder = tmp_path_factory.mktemp("lock")
    (folder / "spec.yaml").write_text(MINIMAL)
    (folder / "somebody.txt").write_text("theirs")
    assert devops_tasks("generate", folder / "spec.yaml", "-o", folder / "out").code == 0
    return folder


@blocks(SEEDS // 3)
def test_a_damaged_lock_is_refused_or_harms_nothing(seeds: range, bundle: Path) -> None:
    lock = bundle / "out" / LOCK
    whole = lock.read_bytes()
    try:
        for seed in seeds:
            with named(seed):
                lock.write_bytes(mutations.broken_lock(seed, whole))
                read_only(bundle, ("check", bundle / "out"))
                read_only(bundle, ("generate", bundle / "spec.yaml", "-o", bundle / "out", "--check"))
    finally:
        lock.write_bytes(whole)


def read_only(folder: Path, command: tuple[str | Path, ...]) -> None:
    """Run a command that only looks, and hold that it says in one line what is wrong with a lock."""
    before = contents(folder)
    done = devops_tasks(*command)
    assert done.code in {0, 1, 2}, done.err[-2000:]
    assert "Traceback" not in done.err
    assert done.code != 2 or (done.out == "" and re.fullmatch(r"\S+: [^ ].*\n", done.err)), done.err
    assert not CONTROLS.search(done.err.replace("\n", ""))
    assert done.seconds < SLOW_SECONDS
    assert contents(folder) == before


@pytest.mark.parametrize("seed", range(SEEDS // 20))
def test_generating_over_a_damaged_lock_touches_nothing_else(seed: int, bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path, dirs_exist_ok=True)
    lock = tmp_path / "out" / LOCK
    lock.write_bytes(mutations.broken_lock(seed, lock.read_bytes()))
    before = contents(tmp_path)
    done = devops_tasks("generate", tmp_path / "spec.yaml", "-o", tmp_path / "out", *["--force"] * (seed % 2))
    after = contents(tmp_path)
    if done.code == 0:
        check_bundle(tmp_path / "out")
    else:
        assert done.code in {1, 2}, done.err[-2000:]
        assert (done.out, after) == ("", before)
    assert {path for path in before if not path.startswith("out/")} <= after.keys()
    assert after["somebody.txt"] == b"theirs"


# Much of something


def many(key: str, item: str, count: int) -> str:
    return f"{key}:\n" + "".join(f"  - {item.format(number)}\n" for number in range(count))


LARGE = {
    "as many services as there may be": many("services", "{{name: s{0}}}", 50),
    "5,000 services": many("services", "{{name: s{0}}}", 5000),
    "5,000 databases": many("databases", "{{name: d{0}}}", 5000),
    "10,000 unknown keys": "".join(f"kubernetes{number}: 1\n" for number in range(10_000)),
    "20,000 faults": many("services", "{{nme: 'a b', prt: {0}, knd: wrker, metrics: 5}}", 50)
    + many("tasks", "{{id: x, prioritty: {0}, pionts: 1, ownr: 1, stps: [1], titel: a}}", 1000)
    + many("done", "'\t'", 1000) + many("risks", "{{rsk: {0}, prbability: 1, impct: 1, mitgation: 1}}", 1000),
    "24,000 settings": "services:\n  - name: a\n    config:\n" + "".join(f"      A{n}: x\n" for n in range(24_000)),
    "1,000 needs of nothing": f"services: [{{name: a, needs: [{', '.join(f'n{n}' for n in range(1000))}]}}]\n"
    + many("external_services", "{{name: some-long-name-{0}}}", 50),
    "a word of 900,000 letters": f"platform: {{cloud: {'x' * 900_000}}}\n",
    "a key of 900,000 letters": f"? {'x' * 900_000}\n: 1\n",
    "a duration of 450,000 parts": f"delivery: {{pause: {'1s' * 450_000}}}\n",
    "a number and 900,000 spaces": f"delivery: {{pause: '1{' ' * 900_000}'}}\n",
    "900,000 brackets": "[" * 900_000,
    "300,000 questions": "? " * 300_000,
    "16,000 aliases": "x: &a [1]\n" + "".join(f"k{number}: *a\n" for number in range(16_000)),
    "aliases of aliases": "".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9 if n else ['1'])}]\n" for n in range(9)),
}  # fmt: skip


@pytest.mark.parametrize("keys", LARGE.values(), ids=LARGE)
def test_a_large_spec_is_refused_or_written_in_time(keys: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(MINIMAL + keys)
    done = devops_tasks("generate", tmp_path / "spec.yaml", "-o", tmp_path / "out", "--dry-run")
    assert done.code in {0, 2}, done.err[-2000:]
    assert len(done.err) < 10_000_000
    assert done.seconds < LARGE_SECONDS


SIGNS = ("{", "${{ 'a' ", "<a ", "<!--", " ", "{{ ", "{% ", "*[", "runbooks/", "| ", "`` ` ", "[a]: ", "a\n# ")


@pytest.mark.parametrize("sign", SIGNS if SEEDS > 1000 else SIGNS[:4], ids=repr)
def test_a_text_full_of_one_sign_is_written_and_judged_in_time(sign: str, tmp_path: Path) -> None:
    plain, signs = full_tree("plain"), f"a{(sign * 3000)[:3000]}b"
    tree = (
        full_tree(signs) if "\n" not in sign else {**plain, "experiment": {**plain["experiment"], "hypothesis": signs}}
    )
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(tree, allow_unicode=True))
    made = devops_tasks("generate", tmp_path / "spec.yaml", "-o", tmp_path / "out")
    judged = devops_tasks("check", tmp_path / "out")
    assert (made.code, judged.code) == (0, 1)
    assert max(made.seconds, judged.seconds) < LARGE_SECONDS


@pytest.mark.parametrize("name", ["yaml", "md", "md_cell", "sh", "comment", "promql", "gotemplate", "mermaid"])
def test_a_filter_takes_no_longer_than_its_text_is_long(name: str) -> None:
    started = time.process_time()
    for sign in (" ", "\xa0", "# ", "1. ", "_", "`", "[", "<", "&a", "\\", "http:", "- ", "="):
        assert getattr(filters, name)(f"a{sign * 50_000}b")
    assert time.process_time() - started < SLOW_SECONDS


@pytest.mark.parametrize("kind", dict.fromkeys(kinds()), ids=lambda kind: kind.expected[:40])
def test_a_scalar_is_read_in_time_whatever_it_repeats(kind: Kind[Any]) -> None:
    started = time.process_time()
    for part in (" ", "1", "a", "a.", "-", "1s", "1 m ", "0.", "/", "a/", "a:", "@", "1 /", "é", "%", "\n", "a_", "x@"):
        for end in ("", "!", "\n", "1"):
            with contextlib.suppress(ValueError):
                kind.parse(part * (10_000 // len(part)) + end)
    assert time.process_time() - started < SLOW_SECONDS


# What the seeds found, by name


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("? " * 5000, "1:83: too deeply nested", id="keys that are groups, without end"),
        pytest.param("a: [b,\n c", "1:4: ", id="an end in a list"),
        pytest.param("a: b\nfoo", "2:1: ", id="an end in a word"),
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


def test_a_list_of_more_items_than_anybody_means_is_refused_at_once(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(MINIMAL + many("services", "{{nme: {0}}}", 51))
    done = devops_tasks("generate", spec)
    check_refusal(done, spec)
    assert done.err.endswith("services: expected at most 50 items, found 51 (leave some out)\n")


@pytest.mark.parametrize(
    "lock",
    [
        pytest.param({"files": {"../somebody.txt": "0" * 64}}, id="a path that leaves the folder"),
        pytest.param({"files": {"a": "x"}}, id="a digest that is none"),
        pytest.param({"today": "2026-13-01"}, id="a day that is none"),
        pytest.param({"version": "\x1b[31m"}, id="a version that colours the terminal"),
        pytest.param({"format": [1]}, id="a format that is none"),
    ],
)
def test_a_lock_that_no_run_has_written_is_called_damaged(lock: dict[str, Any]) -> None:
    whole = {"format": 1, "version": "0.1.0", "today": "", "spec": {}, "files": {}}
    assert parse_lock(json.dumps(whole), "lock.json")
    with pytest.raises(UserError, match=r"^lock\.json: damaged \(restore"):
        parse_lock(json.dumps({**whole, **lock}), "lock.json")
