"""The way out: what was printed arrives whole, and output that cannot be written is no crash."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devops_tasks import __main__ as entry
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


CLOSED = "import os, sys; [os.close(int(number)) for number in sys.argv[1]]; os.execv(sys.argv[2], sys.argv[2:])"


@pytest.mark.parametrize(
    ("closed", "arguments", "code"),
    [
        ("2", ["generate", "missing.yaml"], 2),
        ("2", ["generate", "missing.yaml", "--json"], 2),
        ("0", ["init"], 2),
        ("012", ["init"], 2),
        ("012", ["generate", str(ROOT / "examples/minimal.yaml"), "-o", "out"], 0),
    ],
    ids=str,
)
def test_a_closed_stream_is_no_crash_and_its_text_goes_nowhere_else(
    tmp_path: Path, closed: str, arguments: list[str], code: int
) -> None:
    command = [sys.executable, "-c", CLOSED, closed, *PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert b"no such file" not in done.stdout or json.loads(done.stdout)["errors"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a disk that is always full")
def test_bad_input_is_bad_input_where_nobody_can_read_what_is_wrong(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PROGRAM, "generate", "missing.yaml"], stderr=full, check=False, cwd=tmp_path)
    assert done.returncode == 2


def test_too_little_memory_is_no_bug_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> int:
        raise MemoryError

    monkeypatch.setattr(entry, "_command", command)
    assert entry.run() == 2
    assert capsys.readouterr().err == "devops-tasks: not enough memory\n"


# The program, with a signal at the Nth call of a function of `os`, for writing new files or for putting them in place.
SIGNALLED = """
import os, signal, sys
name, count, number = sys.argv[1], [int(sys.argv[2])], int(sys.argv[3])
real = getattr(os, name)
def once(*arguments, **options):
    count[0] -= name != "open" or bool(arguments[1] & os.O_EXCL)
    if count[0] == 0:
        count[0] = -1
        os.kill(os.getpid(), number)
    return real(*arguments, **options)
setattr(os, name, once)
del sys.argv[1:4]
from devops_tasks.__main__ import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
@pytest.mark.parametrize(
    ("name", "count", "complete"),
    [("open", 30, False), ("replace", 30, True)],
    ids=["before a file is written", "before one is in place"],
)
def test_an_interruption_leaves_all_of_a_bundle_or_nothing(
    tmp_path: Path, number: signal.Signals, name: str, count: int, *, complete: bool
) -> None:
    spec = str(ROOT / "examples/minimal.yaml")
    signalled = [sys.executable, "-c", SIGNALLED, name, str(count), str(int(number))]
    done = subprocess.run([*signalled, "generate", spec, "-o", "out"], capture_output=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (130, b"")
    assert (tmp_path / "out").exists() is complete
    again = subprocess.run([*PROGRAM, "generate", spec, "-o", "out", "--check"], check=False, cwd=tmp_path)
    assert again.returncode == int(not complete)
