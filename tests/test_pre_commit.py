"""The hooks for pre-commit, run by pre-commit itself: installed from a repository, into an environment of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.command import devops_tasks
from tests.test_specfile import MINIMAL
from tests.tools import ROOT

HOOKS = ("devops-tasks-drift", "devops-tasks-check")
GIT = shutil.which("git") or "git"
MADE_OF = (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE", "devops_tasks", "templates")


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")
    subprocess.run([GIT, *who, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with what is installed from it."""
    folder = tmp_path_factory.mktemp("program")
    for name in MADE_OF:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    commit(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a spec and its bundle."""
    monkeypatch.chdir(tmp_path)
    Path("devops-tasks.yaml").write_text(MINIMAL, "utf-8")
    assert devops_tasks("generate", "devops-tasks.yaml", "-o", "devops").code == 0
    commit(tmp_path)
    return tmp_path


def config(program: Path) -> str:
    """Write what a project writes, with this repository as the place of the hooks."""
    head = subprocess.run([GIT, "rev-parse", "HEAD"], cwd=program, check=True, capture_output=True, text=True)
    args = ("[devops-tasks.yaml, -o, devops]", "[devops]")
    hooks = "".join(f"      - {{id: {hook}, args: {each}}}\n" for hook, each in zip(HOOKS, args, strict=True))
    return f"repos:\n  - repo: {program}\n    rev: {head.stdout.strip()}\n    hooks:\n{hooks}"


def run_hooks(home: Path) -> tuple[int, list[str], str]:
    """Run every hook, and give the code, the verdicts and all lines.

    There is no network: what the environment of the hooks would download, it finds in that of the tests.
    """
    offline = {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    environment = {**kept, **offline, "HOME": str(home), "PYTHONPATH": sysconfig.get_path("purelib")}
    command = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--color=never", "--verbose"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    ends = [line.rpartition(".")[2] for line in done.stdout.splitlines()]
    return done.returncode, [end for end in ends if end in {"Passed", "Failed"}], done.stdout + done.stderr


def test_pre_commit_installs_and_runs_both_hooks(program: Path, project: Path) -> None:
    home = program.parent
    (project / ".pre-commit-config.yaml").write_text(config(program), "utf-8")
    git(project, "add", "-A")
    code, verdicts, told = run_hooks(home)
    assert (code, verdicts) == (0, ["Passed", "Passed"]), told

    spec = project / "devops-tasks.yaml"
    spec.write_text(spec.read_text("utf-8").replace('"24"', '"25"'), "utf-8")
    code, verdicts, told = run_hooks(home)
    assert (code, verdicts) == (1, ["Failed", "Passed"]), told
    assert "devops/tasks.md" in told

    git(project, "checkout", "-q", ".")
    (project / "devops/delivery/rollback.sh").write_text("if\n", "utf-8")
    git(project, "add", "-A")
    code, verdicts, told = run_hooks(home)
    assert (code, verdicts) == (1, ["Failed", "Failed"]), told  # tasks.md shows the script, so it would change as well
    assert "rollback.sh" in told
