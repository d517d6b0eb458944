"""The bench: its floor writes what we write, and the documentation shows its rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.bundles import example
from tests.tools import ROOT

TOOLS = ROOT / "tools"


def python(folder: Path, *arguments: str | Path) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": f"{ROOT}{os.pathsep}{TOOLS}"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_bare_loop_writes_the_bytes_of_our_bundle(tmp_path: Path) -> None:
    loop, values, out = TOOLS / "bench_loop.py", tmp_path / "values", tmp_path / "out"
    python(tmp_path, loop, "prepare", ROOT / "examples/saved-reports.yaml", values)
    python(tmp_path, loop, "loop", values, out)
    bundle = out / "saved-reports"
    written = {path.relative_to(bundle).as_posix(): path for path in bundle.rglob("*") if path.is_file()}
    wanted = example("saved-reports")
    assert sorted(written) == sorted(wanted)
    assert [path for path, text in wanted.items() if written[path].read_text("utf-8") != text] == []


def test_the_table_of_the_documentation_has_the_rows_and_goals_of_the_bench(tmp_path: Path) -> None:
    rows = python(tmp_path, "-c", "import bench; print(bench.table([], []), end='')").splitlines()
    page = (ROOT / "docs/explanation/speed.md").read_text("utf-8").splitlines()
    shown = [line for line in page if line.startswith("|")]
    assert list(map(_measured_against, shown)) == list(map(_measured_against, rows))


def _measured_against(row: str) -> tuple[str, ...]:
    _, what, against, _, _, goal, *_ = (cell.strip() for cell in row.split("|"))
    return what, against, goal
