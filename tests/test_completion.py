"""Completion in shells: in a real bash and zsh at a terminal, and in a real fish, which says what it would offer."""

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
from tests.tools import ROOT, tool

PROGRAM = Path(sys.executable).with_name("devops-tasks")
PATH = f"{PROGRAM.parent}:{os.environ['PATH']}"
PAGE = ROOT / "docs/how-to/complete-in-your-shell.md"
VARIABLE = "_DEVOPS_TASKS_COMPLETE"


def answer(instruction: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Ask the program as a shell does."""
    asked = {**os.environ, VARIABLE: instruction, **more}
    command = [sys.executable, "-X", "importtime", "-c", f"import sys; sys.argv = ['devops-tasks']; {ENTRY}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=asked)


SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], ":"),
    # What a person's .zshrc does; without -D it would write a file beside it.
    "zsh": (["-f", "-i"], "autoload -Uz compinit && compinit -D"),
}


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_completes_commands_options_and_files(tmp_path: Path, name: str) -> None:
    options, begin = SHELLS[name]
    (tmp_path / "checkout.yaml").write_text(MINIMAL, "utf-8")
    shell = pexpect.spawn(
        tool(name), options, cwd=str(tmp_path), encoding="utf-8", timeout=30, dimensions=(40, 200),
        env={**environment(tmp_path, PATH=PATH, PS1="ready> ", TERM="dumb"), "INPUTRC": "/dev/null"},
    )  # fmt: skip
    shell.expect_exact("ready> ")
    take_in = f'eval "$({VARIABLE}=source_{name} devops-tasks)"'
    assert name != "zsh" or f"\n{take_in}\n" in PAGE.read_text("utf-8"), "what people are told is what works"
    shell.sendline(f"{begin}; {take_in}")
    shell.expect_exact("ready> ")
    for typed, completed in (("devops-tasks expl", "ain "), ("chec", "kout.yaml "), ("--js", "on ")):
        shell.send(f"{typed}\t")
        shell.expect_exact(typed + completed)
    shell.sendline("| head -n 3")
    shell.expect_exact('"values": [')
    shell.close(force=True)


def test_fish_offers_commands_options_and_files(tmp_path: Path) -> None:
    (tmp_path / "checkout.yaml").write_text(MINIMAL, "utf-8")
    begun = ("devops-tasks expl", "devops-tasks explain checkout.yaml --js", "devops-tasks explain chec")
    asked = "; ".join(f"complete -C '{each}'" for each in begun)
    done = subprocess.run(
        [tool("fish"), "--no-config", "-c", f"{VARIABLE}=source_fish devops-tasks | source; {asked}"],
        capture_output=True, text=True, check=True, cwd=tmp_path, env=environment(tmp_path, PATH=PATH),
    )  # fmt: skip
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == ["explain", "--json", "checkout.yaml"]


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
