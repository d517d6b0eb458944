"""The way out: what was printed arrives whole, and output that cannot be written is no crash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import ROOT

PROGRAM = [sys.executable, "-m", "devops_tasks"]


def test_what_is_printed_into_a_pipe_arrives_whole() -> None:
    done = subprocess.run([*PROGRAM, "schema"], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n}\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["schema"]], ids=" ".join)
def test_a_full_disk_behind_the_output_is_an_error_and_no_crash(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_early_is_no_crash() -> None:
    process = subprocess.Popen([*PROGRAM, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert b"Traceback" not in process.communicate()[1]
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["generate", str(ROOT / "examples/minimal.yaml"), "-o", "out", "--check"], 1),
        (["generate", "missing.yaml"], 2),
        (["no-such-command"], 2),
    ],
    ids=lambda value: " ".join(value)[:20] if isinstance(value, list) else None,
)
def test_the_process_ends_with_the_command_s_code(tmp_path: Path, arguments: list[str], code: int) -> None:
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, check=False, cwd=tmp_path)
    assert done.returncode == code
    assert bool(done.stdout or done.stderr)


def test_a_terminal_that_lacks_a_character_gets_its_number(tmp_path: Path) -> None:
    arguments = ["generate", str(ROOT / "examples/minimal.yaml"), "-o", "büro"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0
    assert rb"create    b\xfcro/tasks.md" in done.stdout.splitlines()
