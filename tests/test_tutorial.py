"""The tutorial is done as it is written, and every screen that it shows is one that was seen."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.terminals import CLEAR, COMMAND, CTRL_C, Room, opened
from tests.tools import ROOT

TUTORIAL = (ROOT / "docs/tutorial/first-bundle.md").read_text("utf-8")
REVIEW, CHANGE = "What shall be done?", "Which answer shall be changed?"
BEFORE = (
    ("What is the feature called?", "Saved Reports"),
    ("Which engineer owns", "@dana"),
    ("Which sprint is this for?", "24"),
    ("On which day does the sprint begin?", "2026-12-01"),
    ("On which day does it end?", "2026-12-14"),
    ("How many story points fit in it?", "20"),
    ("Feature and sprint: is there more", ""),
    (
        "Which hypothesis is being tested?",
        "We believe that analysts will adopt saved reports because they save time",
    ),
    ("Which metric shall move?", "Weekly active users of reporting"),
)
AFTER = (
    ("To what target", "a lot"),
    ("expected a target: relative (+20%)", f"{CLEAR}+20%"),
    ("Experiment: is there more", ""),
    ("What is the service called?", f"{CLEAR}reports-api"),
    ("Is it an api, a web front end or a worker?", ""),
    ("Services: is there more", ""),
    ("What does it keep data in?", ""),
    ("Data and dependencies: is there more", ""),
    ("Platform: is there more", ""),
    ("Delivery and thresholds: is there more", ""),
)
SPEC = "devops/devops-tasks.yaml"
TICK = ("- [ ] **[DO-001]**", "- [x] **[DO-001]**")


def blocks(language: str) -> list[str]:
    return [token.content for token in MarkdownIt().parse(TUTORIAL) if token.type == "fence" and token.info == language]


def answer(room: Room) -> Iterator[str]:
    """Do what the tutorial does with the wizard, and give what was on the screens."""
    first = room("init", SPEC)
    for question, text in BEFORE:
        first.answers(question, text)
    first.answers("To what target", CTRL_C)
    yield first.end()[1]
    second = room("init", SPEC)
    second.chooses("its answers were kept", "go on with")
    for question, text in AFTER:
        second.answers(question, text)
    second.chooses(REVIEW, "change an answer")
    second.answers(CHANGE, "capacity")
    second.answers("How many story points fit in it?", f"{CLEAR}26")
    second.chooses(CHANGE, "done here")
    second.chooses(REVIEW, "write the spec and its bundle")
    second.end()
    yield "\n".join(second.lines)


def told(folder: Path, code: int, *words: str) -> str:
    done = subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def go_on(folder: Path) -> Iterator[str]:
    """Do what the tutorial does after the wizard."""
    spec = folder / SPEC
    yield told(folder, 0, "check", "devops")
    change(spec, "services:\n  - name: reports-api\n", blocks("yaml")[1])
    assert "registry.example.com/reports-api" in told(folder, 0, "generate", SPEC, "--diff")
    told(folder, 0, "generate", SPEC)
    change(spec, "engineer:", "enginer:")
    yield told(folder, 2, "generate", SPEC)
    change(spec, "enginer:", "engineer:")
    change(folder / "devops/tasks.md", *TICK)
    change(spec, 'sprint:\n  name: "24"\n', blocks("yaml")[2])
    told(folder, 0, "generate", SPEC)
    document = (folder / "devops/tasks.md").read_text("utf-8")
    assert TICK[1] in document
    assert "**Sprint:** 25" in document


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Give the folder after the tutorial, and everything that was seen on the way."""
    for room in opened(tmp_path_factory.mktemp("tutorial")):
        screens = list(answer(room))
        spec = (room.work / SPEC).read_text("utf-8")
        yield room.work, "\n".join([*screens, spec, *go_on(room.work)])


@pytest.mark.parametrize("block", [*blocks("text"), blocks("yaml")[0]], ids=lambda block: block.split("\n")[0][:40])
def test_a_screen_of_the_tutorial_is_real(seen: tuple[Path, str], block: str) -> None:
    for part in block.split("...\n"):
        assert part.strip("\n") in seen[1]


def test_the_tutorial_says_the_commands_that_were_run() -> None:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    assert lines == [
        f"devops-tasks init {SPEC}",
        "devops-tasks check devops",
        f"devops-tasks generate {SPEC} --diff",
        f"devops-tasks generate {SPEC}",
    ]
