"""What each command loads, by name: a stopwatch would measure the machine, and say nothing of the cause."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terminals import CTRL_C, Person
from tests.tools import ROOT

# As the console script does it; `python -m` would load runpy first.
ENTRY = "from devops_tasks.__main__ import main; main()"
SPEC = ROOT / "examples/minimal.yaml"

PACKS = {"devops_tasks.packs", "jinja2.sandbox", "resource"}
SLOW = {"importlib.metadata", "prompt_toolkit", "pydantic", "questionary", "rich"}


def modules_loaded_by(folder: Path, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", ENTRY, *arguments],
        capture_output=True,
        check=False,
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        text=True,
    )
    told = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 0, "\n".join(told)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder in which `bundle` was generated, and found as it should be: the caches are warm."""
    folder = tmp_path_factory.mktemp("startup")
    for _ in range(2):
        modules_loaded_by(folder, "generate", str(SPEC), "-o", "bundle")
    return folder


@pytest.mark.parametrize(
    ("arguments", "needed", "unwanted"),
    [
        (["--version"], "devops_tasks", SLOW | {"importlib.resources", "jinja2", "typer", "yaml"}),
        (["--help"], "typer", SLOW | {"importlib.resources", "jinja2", "yaml"}),
        (["generate", "--help"], "typer", SLOW | {"importlib.resources", "jinja2", "yaml"}),
    ],
    ids=["--version", "--help", "a command's --help"],
)
def test_answers_load_next_to_nothing(tmp_path: Path, arguments: list[str], needed: str, unwanted: set[str]) -> None:
    loaded = modules_loaded_by(tmp_path, *arguments)
    assert needed in loaded
    assert loaded & unwanted == set()


@pytest.mark.parametrize("plain", [[], ["--plain"]], ids=["drawn", "plain"])
def test_the_first_question_loads_what_asks_and_nothing_that_reads_renders_or_judges(
    tmp_path: Path, plain: list[str]
) -> None:
    person = Person(tmp_path, "sh", "-c", f"{sys.executable} -X importtime -c '{ENTRY}' init {' '.join(plain)} 2>&1",
                    state=tmp_path)  # fmt: skip
    person.sees("What is the feature called?")
    person.child.send(CTRL_C)
    person.end()
    loaded = {line.rpartition("|")[2].strip() for line in person.raw.splitlines() if line.startswith("import time:")}
    assert "devops_tasks.wizard.flow" in loaded
    assert ("prompt_toolkit" in loaded) == (not plain)
    assert loaded & {"jinja2", "yaml", "devops_tasks.plan", "devops_tasks.checks", "devops_tasks.rules"} == set()


@pytest.mark.parametrize(
    ("arguments", "needed", "unwanted"),
    [
        (
            ["generate", str(SPEC), "-o", "new"],
            "jinja2",
            SLOW | {"importlib.resources", "devops_tasks.experiment"} | PACKS,
        ),
        (["generate", str(SPEC), "-o", "bundle"], "devops_tasks.runs", SLOW | {"jinja2", "yaml", "devops_tasks.plan"}),
        (["check", "bundle"], "yaml", SLOW),
        (["status", "bundle"], "markdown_it", SLOW | {"jinja2", "yaml", "devops_tasks.spec"}),
    ],
    ids=["generate", "generate again", "check", "status"],
)
def test_commands_load_only_what_they_use(bundle: Path, arguments: list[str], needed: str, unwanted: set[str]) -> None:
    loaded = modules_loaded_by(bundle, *arguments)
    assert needed in loaded
    assert loaded & unwanted == set()
