"""`devops-tasks init` on a real terminal: it asks, judges, writes a spec and its bundle; off one it never waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from hypothesis import given, strategies as st

from devops_tasks.errors import KeyPath
from devops_tasks.fields import Tree, required_keys
from devops_tasks.schema import spec_schema
from devops_tasks.spec import Service, Spec
from devops_tasks.specfile import read_spec
from devops_tasks.spectext import spec_text
from devops_tasks.wizard import complaint, put
from tests.test_specfile import FREE, parse

COMMAND = [sys.executable, "-m", "devops_tasks"]
PATIENCE = 120
"""Seconds to wait for a question: on a loaded machine the program is slow, and that is no fault of the wizard."""

ENTER, DOWN, CLEAR, CTRL_C, CTRL_D = "\r", "\x1b[B", "\x15", "\x03", "\x04"

SIX = (
    ("What is the feature called?", "Saved Reports"),
    ("Which engineer owns the infrastructure work?", "@dana"),
    ("Which sprint is this for?", "24"),
    ("Which hypothesis is being tested?", "We believe that it helps, because it's #1"),
    ("Which metric shall move?", "Weekly active users"),
    ("To what target", "+20%"),
)
SERVICE, KIND, ANOTHER = (
    "What is the service called?",
    "Is it an api, a web front end or a worker?",
    "Add another service?",
)
WRITTEN = """\
# yaml-language-server: $schema=.devops-tasks/schema.json
feature:
  name: Saved Reports
  engineer: "@dana"

sprint:
  name: "24"

experiment:
  hypothesis: "We believe that it helps, because it's #1"
  primary_metric:
    name: Weekly active users
    target: +20%

services:
  - name: saved-reports-api
    kind: web  # or api, worker
  - name: indexer
    kind: worker  # or api, web
"""

Start = Callable[..., "pexpect.spawn[str]"]


def environment(**more: str) -> dict[str, str]:
    """Make the environment of a person at a terminal; this one would not say where its cursor is."""
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    return {**kept, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", **more}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a command on a terminal of its own."""
    running: list[pexpect.spawn[str]] = []

    def run(*command: str, **more: str) -> pexpect.spawn[str]:
        words = command if command[:1] == ("sh",) else (*COMMAND, "init", *command)
        child = pexpect.spawn(
            words[0],
            list(words[1:]),
            cwd=str(tmp_path),
            env=environment(**more),
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(40, 200),
        )
        running.append(child)
        return child

    yield run
    for child in running:
        child.close(force=True)


def answer(child: pexpect.spawn[str], question: str, keys: str) -> None:
    """Wait for a question, or for the first complaint about its answer: of a second only what differs is drawn."""
    child.expect_exact(question)
    child.send(keys)


def answer_six(child: pexpect.spawn[str]) -> None:
    for question, text in SIX:
        answer(child, question, text + ENTER)


def answer_all(child: pexpect.spawn[str]) -> None:
    """Give every answer of ``WRITTEN``."""
    answer_six(child)
    answer(child, SERVICE, ENTER)
    answer(child, KIND, DOWN + ENTER)
    answer(child, ANOTHER, "y")
    answer(child, SERVICE, "indexer" + ENTER)
    answer(child, KIND, DOWN + DOWN + ENTER)
    answer(child, ANOTHER, "n")


def end(child: pexpect.spawn[str]) -> tuple[int | None, str]:
    """Wait for the end; give the exit code and what was said since the last question."""
    child.expect_exact(pexpect.EOF)
    child.close()
    return child.exitstatus, str(child.before)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_answers_become_a_spec_and_its_bundle(start: Start, tmp_path: Path) -> None:
    child = start("feature/spec.yaml")
    answer_all(child)
    code, told = end(child)
    assert code == 0, told
    assert (tmp_path / "feature/spec.yaml").read_text("utf-8") == WRITTEN
    assert (tmp_path / "feature/tasks.md").read_text("utf-8").startswith("# DevOps Tasks: Saved Reports\n")
    assert json.loads((tmp_path / "feature/.devops-tasks/schema.json").read_text("utf-8")) == spec_schema()


def test_the_same_answers_in_a_file_make_the_same_bundle(start: Start, tmp_path: Path) -> None:
    child = start("asked/devops-tasks.yaml")
    answer_all(child)
    assert end(child)[0] == 0
    (tmp_path / "written.yaml").write_text(WRITTEN, "utf-8")
    subprocess.run(
        [*COMMAND, "generate", "written.yaml", "-o", "generated"], check=True, cwd=tmp_path, capture_output=True
    )
    asked = files(tmp_path / "asked")
    del asked["devops-tasks.yaml"], asked[".devops-tasks/schema.json"]
    assert asked == files(tmp_path / "generated")


def test_the_questions_are_asked_on_stderr_and_stdout_lists_the_files(start: Start, tmp_path: Path) -> None:
    child = start("sh", "-c", f"exec {sys.executable} -m devops_tasks init > listed")
    answer_all(child)
    code, told = end(child)
    assert code == 0, told
    lines = (tmp_path / "listed").read_text("utf-8").splitlines()
    assert lines[0] == "create    devops-tasks.yaml"
    assert all(line.startswith("create ") for line in lines)


def test_a_wrong_answer_is_told_and_asked_again(start: Start, tmp_path: Path) -> None:
    child = start()
    for question, text in SIX[:-1]:
        answer(child, question, text + ENTER)
    answer(child, SIX[-1][0], "more" + ENTER)
    answer(child, "expected a target: relative (+20%), absolute (12%)", CLEAR + "35" + ENTER)
    answer(child, SERVICE, CLEAR + "saved-reports-db" + ENTER)
    answer(child, "databases[0].name: saved-reports-db is also the name of one of the services", CLEAR + "api" + ENTER)
    answer(child, KIND, ENTER)
    answer(child, ANOTHER, "y")
    answer(child, SERVICE, "api" + ENTER)
    answer(child, "'api' is there twice", CLEAR + "web" + ENTER)
    answer(child, KIND, ENTER)
    answer(child, ANOTHER, ENTER)
    assert end(child)[0] == 0
    tree = read_spec(tmp_path / "devops-tasks.yaml").tree
    assert tree["experiment"]["primary_metric"]["target"] == "35"
    assert [service["name"] for service in tree["services"]] == ["api", "web"]


def test_a_name_that_makes_no_short_name_is_asked_for_one(start: Start, tmp_path: Path) -> None:
    child = start()
    answer(child, SIX[0][0], "報告" + ENTER)
    answer(child, "What is its short name", "Reports" + ENTER)
    answer(child, "expected a name of lower-case letters", CLEAR + "reports" + ENTER)
    for question, text in SIX[1:]:
        answer(child, question, text + ENTER)
    child.expect_exact("reports-api")
    child.send(ENTER)
    answer(child, KIND, ENTER)
    answer(child, ANOTHER, "n")
    assert end(child)[0] == 0
    assert read_spec(tmp_path / "devops-tasks.yaml").tree["feature"] == {
        "name": "報告",
        "slug": "reports",
        "engineer": "@dana",
    }


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D], ids=["Ctrl-C", "Ctrl-D"])
@pytest.mark.parametrize("given_before", [0, 3], ids=["at the first question", "at the fourth question"])
def test_stopping_writes_nothing_and_says_how_to_go_on(
    start: Start, tmp_path: Path, key: str, given_before: int
) -> None:
    child = start("spec.yaml")
    for question, text in SIX[:given_before]:
        answer(child, question, text + ENTER)
    answer(child, SIX[given_before][0], key)
    child.expect_exact("stopped, and nothing was written; begin again with: devops-tasks init spec.yaml")
    code, told = end(child)
    assert (code, told.strip()) == (130, "")
    assert files(tmp_path) == {}


@pytest.mark.parametrize("question", [KIND, ANOTHER])
def test_stopping_at_a_choice_writes_nothing_either(start: Start, tmp_path: Path, question: str) -> None:
    child = start()
    answer_six(child)
    answer(child, SERVICE, ENTER)
    if question == ANOTHER:
        answer(child, KIND, ENTER)
    answer(child, question, CTRL_C)
    child.expect_exact("stopped, and nothing was written")
    assert end(child)[0] == 130
    assert files(tmp_path) == {}


# Never waiting


def init(folder: Path, *arguments: str, stdin: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "init", *arguments],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
    )


@pytest.mark.parametrize("stdin", [None, "Saved Reports\n@dana\n24\n"], ids=["/dev/null", "a pipe"])
def test_without_a_terminal_the_missing_keys_are_told_and_nothing_is_awaited(tmp_path: Path, stdin: str | None) -> None:
    done = init(tmp_path, "spec.yaml", stdin=stdin)
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert done.stdout == ""
    assert lines[0] == (
        "init: has no terminal to ask on (write these keys into spec.yaml, then run: devops-tasks generate spec.yaml)"
    )
    assert lines[1] == "spec.yaml: feature.name: required: The feature's name (for example name: Saved Reports)"
    assert lines[2] == (
        'spec.yaml: feature.engineer: required: Who owns the infrastructure work (for example engineer: "@dana")'
    )
    assert len(lines) == 7
    assert files(tmp_path) == {}


def test_what_is_told_without_a_terminal_makes_a_valid_spec(tmp_path: Path) -> None:
    tree: Tree = {}
    for path, field in required_keys(Spec):
        tree = put(tree, path, field.sample)
    (tmp_path / "spec.yaml").write_text(spec_text(tree, "x"), "utf-8")
    assert (
        subprocess.run([*COMMAND, "generate", "spec.yaml"], cwd=tmp_path, check=False, capture_output=True).returncode
        == 0
    )


@pytest.mark.parametrize(
    ("arguments", "more", "why"),
    [(["--no-input"], {}, "was told not to ask"), ([], {"CI": "true"}, "does not ask in CI")],
    ids=["--no-input", "CI"],
)
def test_on_a_terminal_it_can_be_told_not_to_ask(
    start: Start, tmp_path: Path, arguments: list[str], more: dict[str, str], why: str
) -> None:
    child = start(*arguments, **more)
    code, told = end(child)
    assert code == 2
    assert f"init: {why}" in told
    assert "feature.name: required" in told
    assert files(tmp_path) == {}


def test_a_file_that_is_there_is_refused_before_the_first_question(start: Start, tmp_path: Path) -> None:
    (tmp_path / "devops-tasks.yaml").write_text("mine", "utf-8")
    code, told = end(start())
    assert code == 2
    assert told.strip() == "devops-tasks.yaml: is there already (name another file, or edit this one)"
    assert files(tmp_path) == {"devops-tasks.yaml": b"mine"}


def test_a_place_that_cannot_be_is_refused_before_the_first_question(start: Start, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine", "utf-8")
    code, told = end(start("note/spec.yaml"))
    assert code == 2
    assert told.strip() == "note: is a file, not a folder (name a folder)"


def test_a_bundle_that_would_overwrite_a_file_keeps_the_answers(start: Start, tmp_path: Path) -> None:
    (tmp_path / "tasks.md").write_text("mine", "utf-8")
    child = start()
    answer_all(child)
    code, told = end(child)
    assert code == 1
    assert "tasks.md: differs from what was generated" in told
    assert (tmp_path / "tasks.md").read_text("utf-8") == "mine"
    assert (tmp_path / "devops-tasks.yaml").read_text("utf-8") == WRITTEN


# Judging an answer


@pytest.mark.parametrize(
    ("answers", "path", "expected"),
    [
        ({"feature": {"name": ""}}, ("feature", "name"), "expected a name, not blank, found ''"),
        ({"feature": {"name": "24"}}, ("feature", "name"), ""),
        ({"feature": {"name": "Con"}}, ("feature", "name"), ""),
        (
            {"feature": {"name": "a\tb"}},
            ("feature", "name"),
            "expected a name without control characters or line breaks",
        ),
        ({"feature": {"name": "24", "slug": "x"}}, ("feature", "slug"), ""),
        ({"sprint": {"name": "[24]"}}, ("sprint", "name"), ""),
        ({"services": [{"name": "api-blue"}]}, ("services", 0), ""),
        (
            {"services": [{"name": "api"}, {"name": "api-blue"}]},
            ("services", 1),
            "api-blue is what the blue colour of api",
        ),
        ({"services": [{"name": "default-deny"}]}, ("services", 0), "default-deny is what the namespace's own"),
    ],
)
def test_an_answer_is_judged_by_the_whole_spec(answers: Tree, path: KeyPath, expected: str) -> None:
    told = complaint(answers, path)
    assert told.startswith(expected)
    assert bool(told) == bool(expected)


@given(FREE, FREE, FREE)
def test_answers_that_are_taken_read_back_from_the_file_as_they_were_given(
    name: str, engineer: str, hypothesis: str
) -> None:
    texts = {("feature", "name"): name, ("feature", "engineer"): engineer, ("experiment", "hypothesis"): hypothesis}
    answers: Tree = {"services": [{"name": "api", "kind": "api"}]}
    for path, text in texts.items():
        assert not complaint(put({}, path, text.strip()), path) or not text.strip() or len(text) > 200
        answers = put(answers, path, text.strip())
    assert parse(spec_text(answers, "x")) == answers


@given(st.lists(st.sampled_from(sorted(Service.fields["kind"].shape.choices)), min_size=1))  # type: ignore[union-attr]
def test_services_are_put_one_after_another(kinds: list[str]) -> None:
    answers: Tree = {}
    for index, kind in enumerate(kinds):
        answers = put(answers, ("services", index), {"kind": kind})
    assert [service["kind"] for service in answers["services"]] == kinds


def test_the_tree_that_put_is_given_stays_as_it_is() -> None:
    tree: Tree = {"a": {"b": "1"}}
    assert put(tree, ("a", "c", 0), "2") == {"a": {"b": "1", "c": ["2"]}}
    assert tree == {"a": {"b": "1"}}
