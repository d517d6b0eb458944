"""`devops-tasks status`: what a tasks.md says of a sprint's progress, whoever wrote it."""

from __future__ import annotations

import copy
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from devops_tasks.plan import plan_bundle
from devops_tasks.progress import Style, read_status, status_json, status_lines
from devops_tasks.progress.document import Document, Gap, Item, Task, Wait, parse_document
from devops_tasks.progress.views import count, days
from tests.bundles import EXAMPLES, example, load_example, load_tree, render_bundle
from tests.command import devops_tasks
from tests.terminals import Person
from tests.tools import ROOT

BY_HAND = ROOT / "tests/documents/by-hand.md"
DAY = date(2026, 12, 5)
HAND = parse_document(BY_HAND.read_text("utf-8"))


def tasks(*lines: str) -> tuple[Task, ...]:
    return parse_document("\n".join(("## Sprint Tasks", "", *lines, ""))).tasks


# Documents that the tool wrote


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_generated_document_reads_back_as_its_plan(name: str) -> None:
    spec = load_example(name).spec
    plan = plan_bundle(spec)
    document = parse_document(example(name)["tasks.md"])
    planned = [(group["name"], item) for group in plan["tasks"]["groups"] for item in group["items"]]
    read = [(task.priority, task.key, task.title, task.points, task.success or None) for task in document.tasks]
    assert read == [
        (group, item["id"], item["title"], Decimal(item["points"]), item["success"]) for group, item in planned
    ]
    assert [[step.text for step in task.steps] for task in document.tasks] == [item["steps"] for _, item in planned]
    assert [task.owner or None for task in document.tasks] == [item["owner"] for _, item in planned]
    assert count(document.tasks).points == plan["tasks"]["points"]
    assert (document.feature, document.sprint) == (spec.feature.name, spec.sprint.name)
    assert (document.starts, document.ends) == (spec.sprint.starts, spec.sprint.ends)
    waits = [*spec.dependencies.external, *spec.dependencies.blockers, *spec.dependencies.blocking]
    assert [(wait.who, wait.what, wait.by) for wait in document.waits] == [(row.who, row.what, row.by) for row in waits]
    assert len(next(each for each in document.checklists if each.name == "Definition of Done").items) >= 10


def test_texts_that_look_like_marks_read_back_as_they_are() -> None:
    texts = [
        *(
            "a (3 points) b",
            "(2 points)",
            "[DO-009] x",
            "x: y",
            "**bold:** z",
            "~~gone~~",
            "ends with @me",
            "- [x] done",
        ),
        *(
            "a *(4 points)* @x",
            "1. one",
            "> q",
            "`a` b",
            "line\\",
            "a | b",
            "&lt;b&gt;",
            "trailing #",
            "***",
            "<!-- x -->",
        ),
    ]
    tree = copy.deepcopy(load_example("minimal").tree)
    tree["feature"]["name"] = "A: [b] (c), d"
    tree["sprint"]["name"] = "24 (late, 2) [x]"
    tree["tasks"] = [
        {"id": f"X-{n}", "priority": "critical", "title": text, "points": "3", "steps": [text, text], "success": text,
         "owner": text}
        for n, text in enumerate(texts)
    ]  # fmt: skip
    tree["dependencies"] = {"external": [{"who": text, "what": text, "by": "2026-12-02"} for text in texts]}
    document = parse_document(render_bundle(load_tree(tree))["tasks.md"])
    assert document[:2] == ("A: [b] (c), d", "24 (late, 2) [x]")
    read = {task.key: task for task in document.tasks}
    for n, text in enumerate(texts):
        task = read[f"X-{n}"]
        assert (task.title, task.success, task.owner, task.points) == (text, text, text, Decimal(3))
        assert [step.text for step in task.steps] == [text, text]
    assert [(wait.who, wait.what) for wait in document.waits][: len(texts)] == [(text, text) for text in texts]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("**Sprint:** 31 (2026-11-30 - 2026-12-11)", "31"),
        ("**Sprint:** Winter 3, 2026-11-30 to 2026-12-11", "Winter 3"),
        ("Sprint: 31", "31"),
        ("**Sprint:** *[Sprint Number]*", ""),
        ("**Sprint:** to be decided", ""),
        ("**Sprint:** 24 (dates *to be decided*)", "24"),
    ],
)
def test_the_name_of_a_sprint_is_what_stands_before_its_dates(line: str, name: str) -> None:
    assert parse_document(f"# Tasks\n\n{line}\n").sprint == name


@pytest.mark.parametrize("seed", range(6))
def test_each_ticked_box_is_counted_and_no_other(seed: int) -> None:
    text = example("saved-reports")["tasks.md"]
    chance = random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    boxes = [match.start(1) for match in re.finditer(r"^ *- \[( )\] ", text, re.MULTILINE)]
    ticked = chance.sample(boxes, seed * 5)
    for place in ticked:
        text = f"{text[:place]}x{text[place + 1 :]}"
    document = parse_document(text)
    done = [*(task.done for task in document.tasks), *(wait.done for wait in document.waits)]
    done += [bool(item.done) for each in document.checklists for item in each.items]
    assert (sum(done), len(done) - sum(wait.kind != "external" for wait in document.waits)) == (len(ticked), len(boxes))


# A document that a person filled in


def test_the_head_of_a_document_filled_in_by_hand_is_read() -> None:
    assert HAND[:5] == ("Report Builder v2", "31", date(2026, 11, 30), date(2026, 12, 11), "@kim")


def test_its_tasks_are_read_however_they_are_marked() -> None:
    assert [(task.key, task.title, task.points, task.done) for task in HAND.tasks] == [
        ("DO-002", "Configure CI/CD pipeline", 4, True),
        ("DO-001", "Provision the reports_db database and the cache", 5, False),
        ("DO-010", "Warm the cache", 1, True),
        ("", "Call the bank", None, False),
        ("DO-011", "Rotate keys", 3, False),
        ("DO-012", "Nobody knows how large", None, False),
        ("DO-004", "Configure security controls", Decimal("2.5"), False),
        ("DO-006", "Set up [compliance] monitoring", 2, True),
        ("DO-013", "Quoted, and still a task", 1, False),
    ]
    assert [task.priority for task in HAND.tasks] == ["critical"] * 6 + ["security"] * 2 + [""]


def test_what_stands_below_a_task_is_told_apart() -> None:
    task = HAND.tasks[1]
    assert task.steps == (
        Item("Set up database instances", done=True, line=42),
        Item("Configure Redis", done=False, line=43),
        Item("cluster mode", done=None, line=44),
        Item("eviction", done=True, line=45),
        Item("Ask about the quota", done=None, line=46),
    )
    assert (task.success, task.owner) == ("health checks pass; nobody is paged", "@noor")
    assert task.notes == ("Decision: we took the larger class", "Two paragraphs of notes, in two lines.")
    assert task.begun
    assert (HAND.tasks[0].owner, HAND.tasks[0].notes) == ("@lee", ("waits for runners",))
    assert HAND.tasks[6].due == date(2026, 12, 7)


def test_its_checklists_are_read_and_boxes_in_code_comments_and_tables_are_not() -> None:
    assert [(each.name, each.done, len(each.items)) for each in HAND.checklists] == [
        ("Pre-deployment Checks", 1, 2),
        ("Definition of Done", 2, 4),
    ]


def test_who_waits_for_whom_is_read() -> None:
    assert HAND.waits == (
        Wait("external", "Cloud Provider", "Resource quotas increased", date(2026, 12, 2), done=True, line=100),
        Wait("external", "Security Team", "Security review completed", date(2026, 12, 3), done=False, line=101),
        Wait(
            "external",
            "Compliance",
            "Audit requirements clarified on 2026-12-09 by phone",
            date(2026, 12, 9),
            done=False,
            line=102,
        ),
        Wait("blocker", "Application Team", "Container images need health check endpoints", None, done=False, line=106),
        Wait("blocker", "Database Team", "Migration scripts need review", None, done=True, line=107),
        Wait("blocking", "QA Team", "Staging environment", date(2026, 12, 4), done=False, line=111),
        Wait("blocking", "Product Team", "Analytics dashboards", None, done=False, line=112),
    )


def test_what_nobody_has_filled_in_or_decided_is_listed() -> None:
    assert HAND.gaps == (
        Gap("Primary Success Metric", "Primary Success Metric: [Copy from requirements.md]", 19),
        Gap("Rollback Criteria", "Rollback Criteria: response times > 500ms, to be decided with the team", 20),
        Gap("Product Team", "Product Team: Analytics dashboards required by [date]", 112),
        Gap("Data loss", "[write it]", 118),
    )


@pytest.mark.parametrize(
    ("line", "key", "title", "points", "owner"),
    [
        ("- [ ] **[DO-001]** Warm it *(5 points)*", "DO-001", "Warm it", 5, ""),
        ("- [ ] **[DO-001]** Warm it *(1 point)*", "DO-001", "Warm it", 1, ""),
        ("- [ ] __[DO-001]__ Warm it _(5 points)_ @dana", "DO-001", "Warm it", 5, "@dana"),
        ("- [ ] [DO-001]: Warm it (5 SP), @dana", "DO-001", "Warm it", 5, "@dana"),
        ("* [ ] DO-001 - Warm it: 5 pts", "DO-001", "Warm it", 5, ""),
        ("1) [ ] *DO-001* Warm it [5 story points]", "DO-001", "Warm it", 5, ""),
        ("- [ ] **[DO-001]** Warm it *(0.5 points)*", "DO-001", "Warm it", Decimal("0.5"), ""),
        ("- [ ] **[DO-001]** Warm it *(1,5 points)*", "DO-001", "Warm it", Decimal("1.5"), ""),
        ("- [ ] **[DO-001]** Warm it *(3-5 points)*", "DO-001", "Warm it", None, ""),
        ("- [ ] **[DO-001]** Warm it", "DO-001", "Warm it", None, ""),
        ("- [ ] Warm `it`, **all** of it", "", "Warm it, all of it", None, ""),
        ("- [ ] **[DO-001]** Open 3 points of presence *(2 points)*", "DO-001", "Open 3 points of presence", 2, ""),
        ("- [ ] **[DO-001]** Say *(twice)* what *(2 points)*", "DO-001", "Say (twice) what", 2, ""),
        ("- [ ] **[DO-001]** A & B &lt;c&gt; \\*d\\* *(2 points)*", "DO-001", "A & B <c> *d*", 2, ""),
        ("- [ ] **[DO-001]** Move <br> on *(2 points)*", "DO-001", "Move on", 2, ""),
        ("- [ ] UTF-8 everywhere", "UTF-8", "everywhere", None, ""),
        ("- [ ] **[DO-001]** *(2 points)*", "DO-001", "DO-001", 2, ""),
        ("- [ ]", "", "(no title)", None, ""),
        ("- [ ] **[DO-001]** Warm it *(2 points)*\n  - \n", "DO-001", "Warm it", 2, ""),
    ],
    ids=lambda value: str(value) if isinstance(value, str) and value.startswith(("-", "*", "1")) else "",
)
def test_a_task_s_first_line_is_taken_apart(
    line: str, key: str, title: str, points: Decimal | None, owner: str
) -> None:
    (task,) = tasks(line)
    assert (task.key, task.title, task.points, task.owner) == (key, title, points, owner)


@pytest.mark.parametrize(
    "text",
    [
        "## Definition of Done\n\n- [ ] SOC-2 is fine\n",
        "## Sprint Tasks\n\n- no box\n- [y] no tick\n- [] no room\n- \\[ ] escaped\n",
        "## Sprint Tasks\n\n    - [ ] **[DO-001]** code\n",
        "## Sprint Tasks\n\n```markdown\n- [ ] **[DO-001]** code\n```\n",
        "## Sprint Tasks\n\n<!--\n- [ ] **[DO-001]** comment\n-->\n",
        "## Sprint Tasks\n\n### Removed\n\n- [x] **[DO-001]** was there *(2 points)*\n",
        "# DevOps Tasks: X\n\n## Rollout\n\n- [ ] look\n",
        "",
    ],
    ids=["a checklist", "no boxes", "indented code", "a block", "a comment", "removed", "another section", "nothing"],
)
def test_what_looks_alike_is_no_task(text: str) -> None:
    assert parse_document(text).tasks == ()


def test_a_task_with_an_id_is_one_under_any_heading() -> None:
    (task,) = parse_document("## Later\n\n- [ ] **[DO-001]** Move *(2 points)*\n").tasks
    assert (task.key, task.heading) == ("DO-001", "Later")


def test_a_box_is_one_where_a_reference_of_its_name_is_defined() -> None:
    (task,) = tasks("- [x] **[DO-001]** Look [here][1]", "", "[x]: https://example.com", "[1]: https://example.com")
    assert (task.done, task.title) == (True, "Look here")


def test_windows_line_ends_make_no_difference(tmp_path: Path) -> None:
    (tmp_path / "tasks.md").write_bytes(b"\xef\xbb\xbf" + BY_HAND.read_bytes().replace(b"\n", b"\r\n"))
    (document,) = read_status(tmp_path).documents.values()
    assert document == HAND


PIECES = st.sampled_from([
    "- [ ] ", "- [x] ", "**[DO-001]** ", "*(5 points)*", "## Sprint Tasks\n", "### Removed\n", "\n", "\n\n", "    ",
    "> ", "1. ", "[", "]", "(", "*", "**", "`", "```\n", "| a | b |\n| --- | --- |\n", "Owner: ", "~~",
    "**Due:** 2026-12-07", "by 2026-13-45", "---\n", "<br>", "<!--", "[x]: y\n", "\t", "\\", "é", "0 points",
    "## Blocking Others\n",
])  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join))
@settings(max_examples=150)
def test_any_text_is_read_and_told(text: str) -> None:
    document = parse_document(text)
    assert all(line.isprintable() for line in status_lines({"x": document}, DAY, Style()))
    json.dumps(status_json({"x": document}, DAY))


@pytest.mark.parametrize(
    "text",
    [
        "- [ ] " * 20_000, "* " * 20_000, "- [ ] x - 5 " * 10_000, "- [ ] " + "(" * 100_000, "- [ ] " + ", " * 50_000,
        "> " * 20_000, "## Blocking Others\n\n- x " + ";" * 100_000, "---\n" + "a: b\n" * 20_000,
    ],
    ids=["boxes", "lists", "dashes", "brackets", "commas", "quotes", "semicolons", "front matter without end"],
)  # fmt: skip
def test_an_endless_line_takes_no_endless_time(tmp_path: Path, text: str) -> None:
    (tmp_path / "tasks.md").write_text(f"- [ ] first\n\n{text}\n")
    assert devops_tasks("status", tmp_path).seconds < 5


# What is told


def test_a_document_is_told_at_length() -> None:
    told = list(status_lines({"tasks.md": HAND}, DAY, Style(unicode=True)))
    begun = "tasks; begun: DO-001; 2 without points"
    assert told[:6] == [
        "Report Builder v2, sprint 31: day 6 of 12, 6 days left",
        "",
        f"All tasks                            ███████░░░░░░░░░░░░░  7 of 18.5 points  3 of 9 {begun}",
        f"Critical Infrastructure (Must Have)  ███████░░░░░░░░░░░░░  5 of 13 points    2 of 6 {begun}",
        "Security & Compliance (Should Have)  ████████░░░░░░░░░░░░  2 of 4.5 points   1 of 2 tasks",
        "Anything else                        ░░░░░░░░░░░░░░░░░░░░  0 of 1 points     0 of 1 tasks",
    ]
    assert "  Pre-deployment Checks  ██████████░░░░░░░░░░  1 of 2" in told
    assert any(
        re.fullmatch(r"  we wait for +Security Team +Security .* +by 2026-12-03, 2 days late", line) for line in told
    )
    assert any(
        re.fullmatch(r"  waits for us +QA Team +Staging environment +by 2026-12-04, 1 day late", line) for line in told
    )
    assert "Undecided, by line (devops-tasks check names the keys of the spec)" in told
    assert "  line 118  Data loss               [write it]" in told
    assert not any("Cloud Provider" in line for line in told)


def test_each_line_is_plain_where_nothing_else_can_be_shown() -> None:
    told = "\n".join(status_lines({"tasks.md": HAND}, DAY, Style()))
    assert told.isascii()
    assert "#######............." in told


@pytest.mark.parametrize(
    ("day", "told"),
    [
        (date(2026, 11, 28), "starts in 2 days"),
        (date(2026, 11, 29), "starts in 1 day"),
        (date(2026, 11, 30), "day 1 of 12, 11 days left"),
        (date(2026, 12, 10), "day 11 of 12, 1 day left"),
        (date(2026, 12, 11), "day 12 of 12, the last"),
        (date(2026, 12, 12), "ended 1 day ago"),
    ],
    ids=str,
)
def test_the_days_are_counted(day: date, told: str) -> None:
    assert days(HAND, day) == told


@pytest.mark.parametrize(
    ("done", "bar"),
    [
        (0, "...................."),
        (1, "#..................."),
        (99, "###################."),
        (100, "####################"),
    ],
    ids=["nothing", "hardly anything", "all but one", "everything"],
)
def test_a_bar_is_empty_or_full_only_where_that_is_true(done: int, bar: str) -> None:
    text = "## Sprint Tasks\n\n" + "".join(f"- [{'x' if n < done else ' '}] t{n} (1 point)\n" for n in range(100))
    assert f"All tasks  {bar}  {done} of 100 points" in "\n".join(
        status_lines({"x": parse_document(text)}, DAY, Style())
    )


def test_without_points_tasks_are_counted() -> None:
    document = parse_document("## Tasks\n\n- [x] one\n- [ ] two\n")
    assert "All tasks  ##########..........  no points  1 of 2 tasks; 2 without points" in "\n".join(
        status_lines({"x": document}, DAY, Style())
    )


def test_what_a_terminal_would_obey_is_spelt_out() -> None:
    text = "# DevOps Tasks: a\x1b[31mb\n\n## Tasks\n\n### c\u202ed\n\n- [ ] x\n\n### e\n\n- [ ] y\n"
    told = list(status_lines({"x": parse_document(text)}, DAY, Style(colour=True)))
    assert told[0] == r"a\x1b[31mb: no dates"
    assert any(line.startswith(r"c\u202ed") for line in told)


# The command


def status(*arguments: str | Path) -> tuple[object, str, str]:
    done = devops_tasks("status", *arguments)
    return done.code, done.out, done.err


def test_the_document_of_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "tasks.md").write_bytes(BY_HAND.read_bytes())
    code, out, err = status(tmp_path, "--today", "2026-12-05")
    assert (code, err) == (0, "")
    assert out.startswith("Report Builder v2, sprint 31: day 6 of 12, 6 days left\n")
    assert status(BY_HAND, "--today", "2026-12-05") == (code, out, err)


def test_without_a_day_today_is_taken() -> None:
    assert status(BY_HAND) == status(BY_HAND, "--today", date.today().isoformat())  # noqa: DTZ011 - as people count


def test_a_program_reads_the_same(tmp_path: Path) -> None:
    code, out, _ = status(BY_HAND, "--today", "2026-12-05", "--json")
    told = json.loads(out)
    (document,) = told["documents"]
    assert (code, told["today"], told["errors"]) == (0, "2026-12-05", [])
    assert (document["path"], document["feature"], document["engineer"]) == (str(BY_HAND), "Report Builder v2", "@kim")
    assert document["sprint"] == {"name": "31", "starts": "2026-11-30", "ends": "2026-12-11", "days_left": 6}
    assert document["total"] == {
        "points": {"done": 7, "open": 11.5}, "tasks": {"done": 3, "open": 6, "without_points": 2},
    }  # fmt: skip
    assert [(each["heading"], each["priority"]) for each in document["priorities"]] == [
        ("Critical Infrastructure (Must Have)", "critical"),
        ("Security & Compliance (Should Have)", "security"),
        ("Anything else", None),
    ]
    assert document["tasks"][6] == {
        "id": "DO-004", "title": "Configure security controls", "done": False, "points": 2.5,
        "heading": "Security & Compliance (Should Have)", "priority": "security", "owner": None, "due": "2026-12-07",
        "success": None, "steps": [], "notes": [], "line": 67,
    }  # fmt: skip
    assert document["checklists"][0]["items"][0] == {"text": "All tests passing in CI/CD", "done": True, "line": 82}
    assert [wait["late"] for wait in document["waiting"]] == [False, True, False, False, False, True, False]
    assert document["undecided"][3] == {"label": "Data loss", "text": "[write it]", "line": 118}
    code, out, err = status(tmp_path, "--json")
    assert (code, err, json.loads(out)["errors"][0]["code"]) == (2, "", "no-tasks")


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """Make a tree with two documents, and files that are none."""
    for name in ("a/devops", "b", "c", ".git/x", "node_modules/x", "d"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "tasks.md").write_bytes(BY_HAND.read_bytes())
    (tmp_path / "c/tasks.md").write_text("# Somebody else's\n\nNo box at all.\n")
    (tmp_path / "d/tasks.md").unlink()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def test_of_several_documents_a_table_is_told(tree: Path) -> None:
    del tree
    code, out, err = status("--today", "2026-12-05")
    assert (code, err) == (0, "")
    rows = [re.sub(r" [#.]{20} ", " ", line).split() for line in out.splitlines()]
    assert rows == [
        ["document", "sprint", "points", "tasks", "boxes", "late", "undecided", "days"],
        ["a/devops/tasks.md", "31", "7/18.5", "3/9", "3/6", "2", "4", "day", "6", "of", "12,", "6", "days", "left"],
        ["b/tasks.md", "31", "7/18.5", "3/9", "3/6", "2", "4", "day", "6", "of", "12,", "6", "days", "left"],
    ]


def test_one_that_cannot_be_read_is_told_and_the_others_are_shown(tree: Path) -> None:
    (tree / "b/tasks.md").write_bytes(b"\xff\xfe")
    code, out, err = status(".", "--today", "2026-12-05")
    assert (code, err) == (2, "b/tasks.md: no text in UTF-8 (save it as UTF-8)\n")
    assert out.startswith("Report Builder v2, sprint 31: ")
    code, out, _ = status(".", "--json")
    assert (code, len(json.loads(out)["documents"]), json.loads(out)["errors"][0]["code"]) == (2, 1, "not-utf8")


def test_colours_are_for_terminals_that_have_them(tmp_path: Path) -> None:
    (tmp_path / "tasks.md").write_bytes(BY_HAND.read_bytes())
    for variables, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        person = Person(tmp_path, "status", state=tmp_path, **variables)
        person.end()
        assert ("\x1b[32m" in person.raw) == coloured
        assert "All tasks" in person.raw


def test_a_bar_is_drawn_with_what_the_output_can_show() -> None:
    for encoding, bar in (("ascii", "#######............."), ("utf-8", "███████░░░░░░░░░░░░░")):
        done = subprocess.run(
            [sys.executable, "-m", "devops_tasks", "status", BY_HAND],
            env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=True,
        )  # fmt: skip
        assert bar in done.stdout.decode("utf-8")


def test_a_document_that_somebody_works_on_is_read_after_a_merge(tmp_path: Path) -> None:
    spec = ROOT / "examples/saved-reports.yaml"
    assert devops_tasks("generate", spec, "-o", tmp_path).code == 0
    page = tmp_path / "tasks.md"
    page.write_text(page.read_text("utf-8").replace("- [ ] **[DO-009]**", "- [x] **[DO-009]**"), "utf-8")
    assert devops_tasks("generate", spec, "-o", tmp_path, "--set", "tasks=[{id: DO-001, points: 8}]").code == 0
    document: Document = parse_document(page.read_text("utf-8"))
    assert "DO-009" in page.read_text("utf-8")
    assert {task.key: task.points for task in document.tasks}["DO-001"] == 8
    assert "DO-009" not in {task.key for task in document.tasks}
