"""`devops-tasks init` on a real terminal: it asks, shows what comes of it, loses nothing; off one it never waits."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devops_tasks.schema import spec_schema
from devops_tasks.specfile import read_spec
from tests.specs import MINIMAL
from tests.terminals import (
    BACK,
    CLEAR,
    COMMAND,
    CTRL_C,
    CTRL_D,
    DOWN,
    ENTER,
    PATIENCE,
    TAB,
    Person,
    Room,
    environment,
    opened,
)
from tests.tools import ROOT

NAME, ENGINEER, SPRINT = "What is the feature called?", "Which engineer owns", "Which sprint is this for?"
QUICK = (
    (NAME, "Saved Reports"),
    (ENGINEER, "@dana"),
    (SPRINT, "24"),
    ("On which day does the sprint begin?", "2026-12-01"),
    ("On which day does it end?", "2026-12-14"),
    ("How many story points fit in it?", "26"),
    ("Feature and sprint: is there more", ""),
    ("Which hypothesis is being tested?", "We believe that it helps, because it's #1"),
    ("Which metric shall move?", "Weekly active users"),
    ("To what target", "+20%"),
    ("Experiment: is there more", ""),
    ("What is the service called?", ""),
    ("Is it an api, a web front end or a worker?", ""),
    ("Services: is there more", ""),
    ("What does it keep data in?", ""),
    ("Data and dependencies: is there more", ""),
    ("Platform: is there more", ""),
    ("Delivery and thresholds: is there more", ""),
)
REVIEW = "What shall be done?"
WRITTEN = """\
# yaml-language-server: $schema=.devops-tasks/schema.json
feature:
  name: Saved Reports
  engineer: "@dana"

sprint:
  name: "24"
  starts: 2026-12-01
  ends: 2026-12-14
  capacity: 26

experiment:
  hypothesis: "We believe that it helps, because it's #1"
  primary_metric:
    name: Weekly active users
    target: +20%
"""


ANSWERED = [
    "--set=feature={name: Saved Reports, engineer: '@dana'}",
    "--set=sprint={name: '24', starts: 2026-12-01, ends: 2026-12-14, capacity: 26}",
    "--set=experiment.hypothesis=We believe that it helps, because it's #1",
    "--set=experiment.primary_metric={name: Weekly active users, target: +20%}",
    "--set=services=[{name: saved-reports-api, kind: api}]",
    "--set=queues=none",
]
"""The answers of the quick path, given beforehand: what is not asked costs no time."""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A folder in which people sit down at terminals."""
    yield from opened(tmp_path)


def answer_all(person: Person, rest: tuple[tuple[str, str], ...] = QUICK) -> None:
    for question, text in rest:
        person.answers(question, text)
    person.sees(REVIEW)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def drafts(room: Room) -> list[Path]:
    return sorted((room.folder / "state").rglob("draft-*"))


def run(folder: Path, *command: str, stdin: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *command],
        cwd=folder,
        env=environment(folder.parent, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
    )


# From start to bundle


def test_the_quick_path_ends_with_a_spec_and_the_bundle_that_the_same_spec_makes(room: Room) -> None:
    person = room("init", "feature/spec.yaml")
    answer_all(person)
    assert "story points: 26; 26 fit, 0 to spare" in "\n".join(person.lines)
    promised = re.search(r"^(\d+) files to create: ", "\n".join(person.lines), re.MULTILINE)
    assert "undecided: documents.requirements, " in "\n".join(person.lines)
    assert files(room.work) == {}
    person.chooses(REVIEW, "write the spec and its bundle")
    code, told = person.end()
    assert code == 0, told
    made = files(room.work / "feature")
    assert made.pop("spec.yaml").decode() == WRITTEN
    assert json.loads(made.pop(".devops-tasks/schema.json")) == spec_schema()
    (room.work / "written.yaml").write_text(WRITTEN, "utf-8")
    assert run(room.work, "generate", "written.yaml", "-o", "generated").returncode == 0
    assert made == files(room.work / "generated")
    assert promised
    assert int(promised[1]) == len(made) - len([path for path in made if path.startswith(".devops-tasks/")])
    assert drafts(room) == []


def test_the_command_that_is_told_at_the_end_does_the_same(room: Room) -> None:
    person = room("init", "a b.yaml", "--plain")
    answer_all(person)
    person.answers(REVIEW, "")
    code, told = person.end()
    assert code == 0
    command = shlex.split(told.partition("the same without questions: ")[2].replace("\n", ""))
    assert command[:3] == ["devops-tasks", "init", "a b.yaml"]
    elsewhere = room.folder / "elsewhere"
    elsewhere.mkdir()
    assert run(elsewhere, *command[1:]).returncode == 0
    assert files(elsewhere) == files(room.work)


def test_questions_are_asked_on_stderr_and_stdout_lists_the_files(room: Room) -> None:
    person = room("sh", "-c", f"exec {shlex.join([*COMMAND, 'init', *ANSWERED])} > listed")
    person.answers(REVIEW, "")
    assert person.end()[0] == 0
    lines = (room.work / "listed").read_text("utf-8").splitlines()
    assert lines[0] == "create    devops-tasks.yaml"
    assert all(line.startswith("create ") for line in lines)


def test_nothing_is_written_when_the_answers_are_thrown_away(room: Room) -> None:
    person = room("init", *ANSWERED)
    person.sees(REVIEW)
    person.chooses(REVIEW, "throw the answers away")
    code, told = person.end()
    assert code == 0
    assert told.endswith("the answers were thrown away, and nothing was written")
    assert (files(room.work), drafts(room)) == ({}, [])


def test_a_file_can_be_seen_before_it_is_written(room: Room) -> None:
    person = room("init", *ANSWERED)
    person.sees(REVIEW)
    person.chooses(REVIEW, "see a file")
    person.sees("Which file?")
    person.child.send("tasks.md")
    person.chooses("Which file?", "tasks.md")
    person.answers("tasks.md: 30 of ", "")
    assert "# DevOps Tasks: Saved Reports" in person.lines
    person.chooses("tasks.md: 60 of ", "back to the list")
    person.answers("Which file?", BACK)
    person.chooses(REVIEW, "throw")
    assert person.end()[0] == 0


# Wrong answers, back, and jumps


def test_a_wrong_answer_is_told_and_asked_again(room: Room) -> None:
    person = room("init")
    for question, text in QUICK[:9]:
        person.answers(question, text)
    person.answers("To what target", "more")
    person.sees("expected a target: relative (+20%), absolute (12%)")
    row = next(number for number, line in enumerate(person.lines) if line.endswith("? more"))
    assert person.lines[row + 1].startswith("  expected a target"), "it stands under what was written"
    person.child.send(CLEAR + "35" + ENTER)
    person.answers("Experiment: is there more")
    person.answers("What is the service called?", "saved-reports-db")
    person.sees("database saved-reports-db: name: saved-reports-db is also the name of one of the services")
    person.child.send(CLEAR + "api" + ENTER)
    person.chooses("Is it an api", "api")
    person.chooses("Services: is there more", "add another service")
    person.answers("service 2: What is the service called?", "api")
    person.sees("'api' is there twice")
    person.child.send(CLEAR + "web" + ENTER)
    person.chooses("service web: Is it an api", "web")
    answer_all(person, QUICK[13:])
    person.chooses(REVIEW, "write the spec alone")
    assert person.end()[0] == 0
    tree = read_spec(room.work / "devops-tasks.yaml").tree
    assert tree["experiment"]["primary_metric"]["target"] == "35"
    assert tree["services"] == [{"name": "api"}, {"name": "web", "kind": "web"}]


def test_back_shows_the_former_answer_and_a_change_tells_what_follows_it(room: Room) -> None:
    person = room("init")
    for question, text in QUICK[:2]:
        person.answers(question, text)
    person.answers(SPRINT, BACK)
    person.sees(f"{ENGINEER} the infrastructure work? [@dana]")
    person.child.send(BACK)
    person.sees(f"{NAME} [Saved Reports]")
    person.child.send(TAB + CLEAR + "Weekly Reports" + ENTER)
    person.sees(f"{ENGINEER} the infrastructure work? [@dana]")
    told = "\n".join(person.lines)
    assert "feature.slug follows: saved-reports -> weekly-reports" in told
    assert "service weekly-reports-api: name follows: saved-reports-api -> weekly-reports-api" in told
    answer_all(person, ((ENGINEER, ""), *QUICK[2:]))
    person.chooses(REVIEW, "write the spec alone")
    assert person.end()[0] == 0
    feature = read_spec(room.work / "devops-tasks.yaml").tree["feature"]
    assert feature == {"name": "Weekly Reports", "engineer": "@dana"}


def test_the_review_leads_to_any_answer_and_back(room: Room) -> None:
    person = room("init", *ANSWERED)
    person.sees(REVIEW)
    person.chooses(REVIEW, "change an answer")
    person.answers("Which answer shall be changed?", "capacity")
    person.answers("How many story points fit in it? [26]", "40")
    person.answers("Which answer shall be changed?", "Delivery and")
    person.chooses("? Delivery and thresholds: what", "delivery: ")
    person.chooses("? delivery: what shall be changed?", "pause: 10m")
    person.answers("How long each step is watched? [10m]", "\x1b[C" + "\x7f" * 3 + "5m")
    person.chooses("? delivery: what shall be changed?", "done here")
    person.answers("? Delivery and thresholds: what", BACK)
    person.answers("Which answer shall be changed?", BACK)
    person.sees(REVIEW)
    told = "\n".join(person.lines)
    assert "  delivery.pause: 5m" in told
    assert "story points: 26; 40 fit, 14 to spare" in told
    person.chooses(REVIEW, "write the spec alone")
    assert person.end()[0] == 0
    assert "  pause: 5m  # instead of 10m\n" in (room.work / "devops-tasks.yaml").read_text("utf-8")


def test_a_number_points_at_an_option_and_enter_takes_it_and_nothing_else(room: Room) -> None:
    person = room("init")
    for question, text in QUICK[:12]:
        person.answers(question, text)
    person.answers("Is it an api, a web front end or a worker?", "2")
    person.answers("Services: is there more", "1")
    person.sees("What does it keep data in?")
    assert next(line for line in person.lines if line.startswith("? Is it an api")).endswith("web")


def test_a_name_that_makes_no_short_name_is_asked_for_one(room: Room) -> None:
    person = room("init")
    person.answers(NAME, "報告")
    person.answers(ENGINEER, "@dana")
    person.answers("What is its short name", "Reports")
    person.sees("expected a name of lower-case letters")
    person.child.send(CLEAR + "reports" + ENTER)
    answer_all(person, QUICK[2:])
    person.chooses(REVIEW, "write the spec alone")
    assert person.end()[0] == 0
    feature = read_spec(room.work / "devops-tasks.yaml").tree["feature"]
    assert feature == {"name": "報告", "slug": "reports", "engineer": "@dana"}


@pytest.mark.parametrize("plain", [[], ["--plain"]], ids=["drawn", "plain"])
def test_no_key_that_is_typed_ahead_is_lost(room: Room, plain: list[str]) -> None:
    """Everything is typed at once, before the program has begun: the quick path, and what is done in the review."""
    person = room("init", *plain)
    last = "2" + ENTER if plain else DOWN + ENTER
    person.child.send("".join(text + ENTER for _, text in QUICK) + last)
    code, told = person.end()
    assert code == 0, told
    assert "the same without questions: devops-tasks generate devops-tasks.yaml" in told
    assert (room.work / "devops-tasks.yaml").read_text("utf-8") == WRITTEN
    assert set(files(room.work)) == {"devops-tasks.yaml", ".devops-tasks/schema.json"}
    if not plain:
        answered = [line.rpartition("? ")[2] for line in person.lines if line.startswith("? ")]
        assert answered[:3] == ["Saved Reports", "@dana", "24"], "each is shown where it answers, and nowhere else"


def test_the_quick_path_is_short() -> None:
    """Fifteen minutes are 900 seconds: 30 to think about each question, and a third of a second for each key."""
    answers = [(question, text) for question, text in QUICK if "is there more" not in question]
    keys = sum(len(text) + 1 for _, text in QUICK) + 1
    assert len(answers) <= 12
    assert len(QUICK) + 1 <= 19, "with a word between the groups, and the review"
    assert keys <= 200
    assert len(answers) * 30 + keys / 3 < 15 * 60 / 2, "the other half is for reading the review"


def test_the_window_may_change_its_size_at_any_time(room: Room) -> None:
    person = room("init")
    person.sees(NAME)
    person.child.setwinsize(30, 60)
    person.child.send("Saved")
    person.child.setwinsize(400, 45)
    person.child.send(" Reports" + ENTER)
    person.answers(ENGINEER, CTRL_C)
    assert person.end()[0] == 130
    assert f"? {NAME} Saved Reports" in person.lines
    assert "  Who owns the infrastructure work. For\n  example @dana.\n" in "\n".join(person.lines)


# Nothing lost


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D], ids=["Ctrl-C", "Ctrl-D"])
@pytest.mark.parametrize("plain", [[], ["--plain"]], ids=["drawn", "plain"])
def test_stopping_before_the_first_answer_says_how_to_begin_again(room: Room, key: str, plain: list[str]) -> None:
    person = room("init", "spec.yaml", *plain)
    person.answers(NAME, key)
    code, told = person.end()
    assert code == 130
    assert told.endswith("stopped, and nothing was written; begin again with: devops-tasks init spec.yaml")
    assert (files(room.work), drafts(room)) == ({}, [])


CLOSED = "the window"


@pytest.mark.parametrize(
    ("stops", "at"),
    [(CTRL_C, 3), (CTRL_D, 6), (CLOSED, 8), (signal.SIGTERM, 12), (signal.SIGKILL, 18)],
    ids=["Ctrl-C at a text", "Ctrl-D at a choice", "a closed terminal", "a request to end", "a kill at the review"],
)
def test_the_same_command_goes_on_where_the_last_one_stopped(room: Room, stops: str | signal.Signals, at: int) -> None:
    person = room("init")
    for question, text in QUICK[:at]:
        person.answers(question, text)
    person.sees(QUICK[at][0] if at < len(QUICK) else REVIEW)
    if stops == CLOSED:
        person.child.close()
        assert person.child.exitstatus == 130
    elif isinstance(stops, str):
        person.child.send(stops)
    else:
        person.stop(stops)
    code, told = (130, "") if stops == CLOSED else person.end()
    if stops not in {CLOSED, signal.SIGKILL}:
        assert code == 130
        assert told.endswith("stopped; your answers are kept, go on with: devops-tasks init devops-tasks.yaml")
    assert files(room.work) == {}
    assert [stat.S_IMODE(path.stat().st_mode) for path in drafts(room)] == [0o600]
    again = room("init")
    given = sum(1 for question, text in QUICK[:at] if text)
    again.chooses("its answers were kept", f"go on with {given} answers")
    if stops not in {CTRL_C, signal.SIGKILL}:
        again.answers(QUICK[at][0], CTRL_C)
        assert again.end()[0] == 130
        return
    answer_all(again, QUICK[at:])
    again.chooses(REVIEW, "write the spec alone")
    assert again.end()[0] == 0
    assert (room.work / "devops-tasks.yaml").read_text("utf-8") == WRITTEN
    assert drafts(room) == []


@pytest.mark.parametrize("stops", [CTRL_C, signal.SIGTERM], ids=["Ctrl-C", "a request to end"])
def test_the_terminal_is_left_as_it_was(room: Room, stops: str | signal.Signals) -> None:
    modes = "stty -a | tr ' ;' '\\n\\n' | grep -x -e '-*icanon' -e '-*echo'"
    person = room("sh", "-c", f"{shlex.join(COMMAND)} init; {modes}")
    person.sees(NAME)
    if isinstance(stops, str):
        person.child.send(stops)
    else:
        children = Path(f"/proc/{person.child.pid}/task/{person.child.pid}/children").read_text("utf-8")
        os.kill(int(children.split()[0]), stops)
    assert person.end()[1].endswith("\nicanon\necho")


def test_a_saved_draft_can_be_left_for_another_beginning(room: Room) -> None:
    person = room("init", *ANSWERED)
    person.sees(REVIEW)
    person.chooses(REVIEW, "stop here, and go on later")
    code, told = person.end()
    assert code == 0
    assert told.endswith("your answers are kept, go on with: devops-tasks init devops-tasks.yaml")
    again = room("init")
    again.chooses("its answers were kept", "begin anew")
    again.sees(NAME)
    assert "Saved Reports" not in again.asked()


def test_what_is_given_beforehand_also_answers_a_draft_that_is_gone_on_with(room: Room) -> None:
    person = room("init")
    for question, text in QUICK[:3]:
        person.answers(question, text)
    person.answers(QUICK[3][0], CTRL_C)
    assert person.end()[0] == 130
    again = room("init", *ANSWERED[2:], "--set=sprint.name=25")
    again.chooses("its answers were kept", "go on with")
    for question, text in QUICK[3:6]:
        again.answers(question, text)
    again.sees("Feature and sprint: is there more")
    told = "\n".join(again.lines)
    assert "sprint.name: 25 instead of 24, as the command says" in told
    answer_all(again, (*QUICK[6:7], *((question, "") for question, _ in QUICK[7:])))
    again.chooses(REVIEW, "write the spec alone")
    assert again.end()[0] == 0
    assert (room.work / "devops-tasks.yaml").read_text("utf-8").startswith(WRITTEN.replace('"24"', '"25"'))


def test_answers_are_not_lost_when_the_file_changes_meanwhile(room: Room) -> None:
    room.work.mkdir()
    spec = room.work / "devops-tasks.yaml"
    spec.write_text(EXISTING, "utf-8")
    person = room("init")
    person.chooses("is there already", "edit it")
    person.chooses(REVIEW, "change an answer")
    person.chooses("Which answer shall be changed?", "feature.name: ")
    person.answers(NAME, CLEAR + "Kept Reports")
    person.answers("Which answer shall be changed?", CTRL_C)
    assert person.end()[0] == 130
    spec.write_text(f"{EXISTING}delivery: {{pause: 5m}}  # by hand\n", "utf-8")
    again = room("init")
    again.chooses("is there already", "edit it")
    again.chooses("Lay the kept answers over", "go on with")
    again.answers("Which answer shall be changed?", BACK)
    again.chooses(REVIEW, "write the spec alone")
    assert again.end()[0] == 0
    expected = EXISTING.replace("Saved Reports  #", "Kept Reports  #")
    assert spec.read_text("utf-8") == f"{expected}delivery: {{pause: 5m}}  # by hand\n"


# A spec that is there


EXISTING = f"# our first\n{MINIMAL.replace('name: Saved Reports', 'name: Saved Reports  # as in the tracker')}"


def test_a_spec_that_is_there_is_edited_and_keeps_its_comments(room: Room) -> None:
    room.work.mkdir()
    (room.work / "devops-tasks.yaml").write_text(EXISTING, "utf-8")
    person = room("init")
    person.chooses("is there already", "edit it")
    person.chooses(REVIEW, "change an answer")
    person.chooses("Which answer shall be changed?", "feature.name: ")
    person.answers(NAME, CLEAR + "Kept Reports")
    person.answers("Which answer shall be changed?", "Feature and")
    person.chooses("? Feature and sprint: what", "sprint: ")
    person.chooses("? sprint: what shall be changed?", "capacity: ")
    person.answers("How many story points fit in it?", "30")
    person.answers("? sprint: what shall be changed?", "")
    person.answers("? Feature and sprint: what", "")
    person.answers("Which answer shall be changed?", BACK)
    person.chooses(REVIEW, "write the spec alone")
    code, told = person.end()
    assert code == 0, told
    expected = EXISTING.replace("Saved Reports  #", "Kept Reports  #").replace(
        '  name: "24"\n', '  name: "24"\n  capacity: 30\n'
    )
    assert (room.work / "devops-tasks.yaml").read_text("utf-8") == expected


def test_another_name_can_be_chosen_for_a_spec_that_is_there(room: Room) -> None:
    room.work.mkdir()
    (room.work / "devops-tasks.yaml").write_text("mine", "utf-8")
    person = room("init", *ANSWERED)
    person.chooses("is there already", "write another file")
    person.answers("What shall it be called?", "devops-tasks.yaml")
    person.sees("is there already (name another file")
    person.child.send(CLEAR + "other.yaml" + ENTER)
    person.sees(REVIEW)
    person.chooses(REVIEW, "write the spec alone")
    assert person.end()[0] == 0
    assert (room.work / "other.yaml").read_text("utf-8") == WRITTEN
    assert (room.work / "devops-tasks.yaml").read_text("utf-8") == "mine"


def test_a_file_of_the_bundle_that_somebody_made_is_told_in_the_review_and_kept(room: Room) -> None:
    room.work.mkdir()
    (room.work / "tasks.md").write_text("mine", "utf-8")
    person = room("init", *ANSWERED)
    person.sees(REVIEW)
    assert "1 file in conflict with an edit: tasks.md" in "\n".join(person.lines)
    person.chooses(REVIEW, "write the spec and its bundle")
    code, told = person.end()
    assert code == 1
    assert "tasks.md: is there already, and nothing is known of what was generated" in told
    assert (room.work / "tasks.md").read_text("utf-8") == "mine"
    assert (room.work / "devops-tasks.yaml").read_text("utf-8") == WRITTEN


def test_what_a_document_says_is_taken_and_only_the_rest_is_asked(room: Room) -> None:
    person = room("init", "--from", str(ROOT / "tests/requirements/parent.md"))
    person.answers(ENGINEER, "@dana")
    person.answers(SPRINT, "24")
    for question in (
        "does the sprint begin?",
        "does it end?",
        "How many story points",
        "What is the service",
        "Is it an",
        "What does it keep data in?",
    ):
        person.answers(question, "")
    person.chooses(REVIEW, "write the spec alone")
    code, told = person.end()
    assert code == 0
    assert "parent.md:17: experiment.primary_metric.target: +20%" in told
    tree = read_spec(room.work / "devops-tasks.yaml").tree
    assert tree["alerts"] == [{"metric": "latency_p95", "above": "300ms"}]
    assert "rollback.criteria[1]: error_ratio 2%" in told
    assert "rollback" not in tree, "the document's criteria are the defaults"


def test_a_value_that_cannot_be_read_is_told_where_it_was_written(room: Room) -> None:
    done = run(room.folder, "init", *ANSWERED, "--set=sprint.starts=soon")
    assert (done.returncode, done.stderr) == (
        2,
        "--set sprint.starts: sprint.starts: expected a date such as 2026-12-01, found 'soon'\n",
    )
    room.work.mkdir()
    (room.work / "devops-tasks.yaml").write_text(f"{MINIMAL}delivery:\n  pause: soon\n", "utf-8")
    person = room("init")
    person.chooses("is there already", "edit it")
    code, told = person.end()
    assert code == 2
    assert "devops-tasks.yaml:12:3: delivery.pause: expected a duration" in told


def test_what_a_template_pack_wants_to_know_is_asked_first_and_stands_in_the_spec(room: Room) -> None:
    shutil.copytree(ROOT / "examples/packs/acme", room.work / "acme")
    (room.work / ".devops-tasks.yaml").write_text("pack: ./acme\n", "utf-8")
    person = room("init", "--plain", "--trust", *ANSWERED)
    person.answers("From which host do you reach production?", "no host")
    person.sees("expected a host name such as api.example.com")
    person.child.send("jump.example.com" + ENTER)
    person.answers("Whether the feature keeps personal data?", "<")
    person.sees("[jump.example.com] >")
    person.child.send(ENTER)
    person.answers("Whether the feature keeps personal data?", "1")
    person.sees(REVIEW)
    assert "  pack_fields.acme.jump_host: jump.example.com" in person.lines
    person.answers(REVIEW, "1")
    code, told = person.end()
    assert (code, "--set 'pack_fields={acme: {jump_host: jump.example.com" in told.replace("\n", "")) == (0, True)
    text = (room.work / "devops-tasks.yaml").read_text("utf-8")
    assert text.endswith('pack_fields:\n  acme:\n    jump_host: jump.example.com\n    personal_data: "true"\n')
    assert "| saved-reports-db | 90d |" in (room.work / "compliance/data-protection.md").read_text("utf-8")
    assert "retention" in (room.work / ".devops-tasks/schema.json").read_text("utf-8")


# Plain, and without colour


def test_plain_mode_has_every_feature_without_moving_the_cursor(room: Room) -> None:
    person = room("init", "--plain")
    person.answers(NAME, "Saved Reports")
    person.answers(ENGINEER, "<")
    person.sees("[Saved Reports] >")
    person.child.send(ENTER)
    for question, text in QUICK[1:5]:
        person.answers(question, text)
    person.answers("How many story points fit in it?", "many")
    person.sees("expected a whole number from 0 to 10000")
    person.child.send("26" + ENTER)
    person.answers("Feature and sprint: is there more", "7")
    person.sees("write a number from 1 to 3")
    person.child.send("1" + ENTER)
    answer_all(person, QUICK[7:])
    person.answers(REVIEW, "3")
    person.sees("[done here] >")
    number = next(line for line in person.asked().split("\n") if "sprint.capacity" in line).split(".")[0].strip()
    person.answers("Which answer shall be changed?", number)
    person.answers("How many story points fit in it?", "-")
    person.answers("Which answer shall be changed?", "")
    person.sees("how many fit is not decided")
    person.answers(REVIEW, "write the spec alone")
    assert person.end()[0] == 0
    assert (room.work / "devops-tasks.yaml").read_text("utf-8") == WRITTEN.replace("  capacity: 26\n", "")
    assert "\x1b" not in person.raw


def test_what_a_terminal_would_obey_is_spelt_out(room: Room) -> None:
    name = "a\x1b[31mb.yaml"
    room.work.mkdir()
    (room.work / name).write_text("mine", "utf-8")
    person = room("init", name, "--plain")
    person.answers("is there already", "3")
    assert person.end()[0] == 130
    assert "\x1b" not in person.raw
    assert "a\\x1b[31mb.yaml is there already" in person.raw


def test_a_terminal_that_can_do_no_more_is_asked_line_by_line(room: Room) -> None:
    person = room("init", TERM="dumb")
    person.answers(NAME, "Saved Reports")
    person.answers(ENGINEER, CTRL_C)
    assert person.end()[0] == 130
    assert "\x1b" not in person.raw


def test_no_colour_is_used_where_none_is_wanted(room: Room) -> None:
    person = room("init", NO_COLOR="1")
    person.answers(NAME, "Saved Reports")
    person.answers(ENGINEER, CTRL_C)
    assert person.end()[0] == 130
    assert "\x1b[" in person.raw
    assert not [code for code in re.findall(r"\x1b\[([0-9;]*)m", person.raw) if re.search(r"(^|;)[34][0-9]", code)]


# Never waiting


@pytest.mark.parametrize("stdin", [None, "Saved Reports\n@dana\n24\n"], ids=["/dev/null", "a pipe"])
@pytest.mark.parametrize("how", [[], ["--defaults"], ["--plain"]], ids=["as it is", "--defaults", "--plain"])
def test_without_a_terminal_the_missing_keys_are_told_and_nothing_is_awaited(
    tmp_path: Path, stdin: str | None, how: list[str]
) -> None:
    done = run(tmp_path, "init", "spec.yaml", *how, stdin=stdin)
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


@pytest.mark.parametrize(
    ("arguments", "more", "why"),
    [(["--no-input"], {}, "was told not to ask"), ([], {"CI": "true"}, "does not ask in CI")],
    ids=["--no-input", "CI"],
)
def test_on_a_terminal_it_can_be_told_not_to_ask(
    room: Room, arguments: list[str], more: dict[str, str], why: str
) -> None:
    code, told = room("init", *arguments, **more).end()
    assert code == 2
    assert f"init: {why}" in told
    assert "feature.name: required" in told
    assert files(room.work) == {}


def test_with_everything_given_beforehand_nothing_is_asked(tmp_path: Path) -> None:
    done = run(tmp_path, "init", *ANSWERED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("create    devops-tasks.yaml\n")
    assert "tasks.md" in files(tmp_path)


def test_with_defaults_only_what_has_none_is_asked(room: Room) -> None:
    person = room("init", "--defaults", *ANSWERED[:3], "--set=experiment.primary_metric.name=Weekly")
    person.answers("To what target", "+20%")
    person.chooses(REVIEW, "write the spec alone")
    assert person.end()[0] == 0
    assert set(read_spec(room.work / "devops-tasks.yaml").tree) == {"feature", "sprint", "experiment"}


@pytest.mark.parametrize("name", ["devops-tasks.yaml", "note/spec.yaml"], ids=["a file is there", "a file is above"])
def test_where_no_spec_can_go_nothing_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "devops-tasks.yaml").write_text("mine", "utf-8")
    (tmp_path / "note").write_text("mine", "utf-8")
    done = run(tmp_path, "init", name, *ANSWERED)
    assert done.returncode == 2
    assert done.stderr in {
        "devops-tasks.yaml: is there already (name another file, or edit this one)\n",
        "note: is a file, not a folder (name a folder)\n",
    }
    assert set(files(tmp_path)) == {"devops-tasks.yaml", "note"}
