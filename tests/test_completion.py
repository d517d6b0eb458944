"""Completion in shells: in a real bash at a terminal, and the scripts that zsh and fish are given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.terminals import environment
from tests.test_specfile import MINIMAL
from tests.test_startup import ENTRY

PROGRAM = Path(sys.executable).with_name("devops-tasks")
VARIABLE = "_DEVOPS_TASKS_COMPLETE"


def answer(instruction: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Ask the program as a shell does."""
    asked = {**os.environ, VARIABLE: instruction, **more}
    command = [sys.executable, "-X", "importtime", "-c", f"import sys; sys.argv = ['devops-tasks']; {ENTRY}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=asked)


def test_bash_completes_commands_options_and_files(tmp_path: Path) -> None:
    (tmp_path / "checkout.yaml").write_text(MINIMAL, "utf-8")
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile", "-i"], cwd=str(tmp_path), encoding="utf-8", timeout=30, dimensions=(40, 200),
        env={**environment(tmp_path, PATH=path, PS1="ready> ", TERM="dumb"), "INPUTRC": "/dev/null"},
    )  # fmt: skip
    shell.expect_exact("ready> ")
    shell.sendline(f'eval "$({VARIABLE}=source_bash devops-tasks)"')
    shell.expect_exact("ready> ")
    for typed, completed in (("devops-tasks expl", "ain "), ("chec", "kout.yaml "), ("--js", "on ")):
        shell.send(f"{typed}\t")
        shell.expect_exact(typed + completed)
    shell.sendline("| head -n 3")
    shell.expect_exact('"values": [')
    shell.close(force=True)


@pytest.mark.parametrize(
    ("shell", "registers"),
    [
        ("bash", "complete -o default -F _devops_tasks_completion devops-tasks"),
        ("zsh", "compdef _devops_tasks_completion devops-tasks"),
        ("fish", "complete --command devops-tasks"),
    ],
)
def test_each_shell_is_given_a_script_that_registers_the_command(shell: str, registers: str) -> None:
    done = answer(f"source_{shell}")
    assert done.returncode == 0
    assert registers in done.stdout


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        ("bash", {"COMP_WORDS": "devops-tasks ex", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "devops-tasks ex"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "devops-tasks ex", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_an_answer_names_what_fits_and_loads_nothing_but_the_command_line(shell: str, asked: dict[str, str]) -> None:
    done = answer(f"complete_{shell}", **asked)
    assert done.returncode == 0
    assert ("explain" in done.stdout, "export" in done.stdout, "check" in done.stdout) == (True, True, False)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert {name for name in loaded if name.startswith("devops_tasks.")} == {
        "devops_tasks.__main__",
        "devops_tasks.cli",
        "devops_tasks.errors",
    }
    assert not loaded & {"jinja2", "yaml"}
