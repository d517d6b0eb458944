"""`devops-tasks export`: what a tracker reads is what the document says, by the tracker's own rules."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from markdown_it import MarkdownIt

from devops_tasks.filters import md
from devops_tasks.progress import Document
from devops_tasks.progress.document import parse_document
from devops_tasks.tracker import TRACKERS, Source, export_document
from devops_tasks.tracker.issues import body, plan_issues
from tests import tools
from tests.command import devops_tasks
from tests.tools import ROOT

BY_HAND = ROOT / "tests/documents/by-hand.md"
HAND = parse_document(BY_HAND.read_text("utf-8"))
LINK = "https://example.com/blob/main/tasks.md"
SOURCE = Source("devops/tasks.md", LINK)
KEYS = ["DO-002", "DO-001", "DO-010", "T-947c9784", "DO-011", "DO-012", "DO-004", "DO-006", "DO-013"]

HOSTILE = [
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1:A9)", "\uff1d1+1", "`touch x`", "$(touch x)", "'; touch x; '",
    '"; touch x',
    "/close", "/assign @everyone", "<script>alert(1)</script>", "![x](https://example.com/x.png)", "{code}x{code}",
    "[a|https://example.com]", "BODY", "a, B/c", "%s %d \\n", "# not a heading", "- [ ] no box", "!important!",
    "*bold*",
]  # fmt: skip


def hostile() -> Document:
    """Make a document in which every text is one that some language would obey."""
    lines = ["# DevOps Tasks: " + md('=A "B", C/d'), "", "**Engineer:** @dana", "", "## Sprint Tasks", ""]
    for number, text in enumerate(HOSTILE, start=1):
        lines += [
            f"- [ ] **[DO-{number:03}]** {md(text)} *(1 point)*",
            f"  - {md(text)}",
            f"  - **Success Criteria:** {md(text)}",
            f"  - **Owner:** {md(text)}",
            f"  - **Note:** {md(text)}",
        ]
    return parse_document("\n".join(lines) + "\n")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def export(to: str, document: Document = HAND) -> str:
    return export_document(document, SOURCE, to)


# Every form


def test_each_task_has_a_key_that_a_second_export_has_as_well() -> None:
    assert [each["key"] for each in json.loads(export("json"))] == KEYS
    moved = parse_document(BY_HAND.read_text("utf-8").replace("- [ ] **[DO-001]**", "\nWords.\n\n- [x] **[DO-001]**"))
    assert [each["key"] for each in json.loads(export("json", moved))] == KEYS


@pytest.mark.parametrize("to", TRACKERS)
def test_every_task_is_in_every_form_and_links_back(to: str) -> None:
    text = export(to)
    assert [key for key in KEYS if key not in text] == []
    assert LINK in text or to == "json"


@pytest.mark.parametrize("to", ["jira", "linear", "gitlab", "csv"])
@pytest.mark.parametrize("document", [HAND, hostile()], ids=["by hand", "hostile"])
def test_a_table_has_every_cell_quoted_and_none_that_a_spreadsheet_runs(to: str, document: Document) -> None:
    text = export(to, document)
    header, *found = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert {len(row) for row in found} == {len(header)}
    again = io.StringIO()
    csv.writer(again, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([header, *found])
    assert again.getvalue() == text
    assert [cell for row in found for cell in row if re.match(r"\s*[=+@＝＋－＠-]|[\t\r\n]", cell)] == []  # noqa: RUF001


def test_a_cell_that_is_no_formula_is_left_alone() -> None:
    cells = [cell for row in csv.reader(io.StringIO(export("jira"), newline="")) for cell in row]
    assert [cell for cell in cells if cell.startswith("'")] == []


@pytest.mark.parametrize("to", TRACKERS)
def test_two_tasks_with_one_id_are_refused(tmp_path: Path, to: str) -> None:
    page = tmp_path / "tasks.md"
    page.write_text("## Tasks\n\n- [ ] **[DO-001]** a\n- [ ] **[do-001]** b\n- [ ] c\n- [ ] C\n")
    done = devops_tasks("export", page, "--to", to)
    mend = "(give each an id of its own)"
    assert (done.code, done.out, done.err.splitlines()) == (
        2,
        "",
        [
            f"{page}:4:1: two tasks have the id DO-001; the other one is in line 3 {mend}",
            f"{page}:6:1: two tasks have no id and the same title; the other one is in line 5 {mend}",
        ],
    )


def test_a_long_title_is_cut_and_told_whole_in_the_body() -> None:
    title = "word " * 80
    document = parse_document(f"## Tasks\n\n- [ ] **[DO-001]** {title}\n")
    (issue,) = plan_issues(document, SOURCE)
    assert len(issue.title) == 250
    assert issue.title.endswith("...")
    assert title.strip() in body(issue)


def test_a_step_without_a_box_is_done_when_its_task_is() -> None:
    document = parse_document("## Tasks\n\n- [x] **[DO-001]** a\n  - b\n  - [ ] c\n- [ ] **[DO-002]** d\n  - e\n")
    assert [re.findall(r"- (\[.\]) \w", body(issue)) for issue in plan_issues(document, SOURCE)] == [
        ["[x]", "[ ]"],
        ["[ ]"],
    ]


def words(markdown: str) -> tuple[str, set[str]]:
    """Read a body as its tracker does: its words, and what it holds besides words."""
    tokens = MarkdownIt("commonmark", {"html": True}).parse(markdown)
    inner = [child for token in tokens for child in token.children or []]
    kinds = {token.type for token in (*tokens, *inner)}
    return " ".join(child.content for child in inner if child.type in {"text", "text_special"}), kinds


def test_a_hostile_text_is_only_text_in_a_body() -> None:
    for issue, text in zip(plan_issues(hostile(), SOURCE), HOSTILE, strict=True):
        told, kinds = words(body(issue))
        assert told.count(text) >= 3 or "".join(told.split()).count("".join(text.split())) >= 3, text
        assert kinds <= {
            "paragraph_open", "paragraph_close", "inline", "text", "strong_open", "strong_close", "link_open",
            "link_close",
            "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close", "hardbreak", "softbreak",
        }, text  # fmt: skip
        assert re.findall(r"\]\(([^)]*)\)", re.sub(r"\\.", "", body(issue))) == [LINK]


# Jira: Summary in every row, parents above, a column for each value


def test_jira_reads_tasks_and_below_them_their_steps() -> None:
    header, *found = csv.reader(io.StringIO(export("jira"), newline=""), strict=True)
    assert header == ["Issue Id", "Parent", "Issue Type", "Summary", "Description", "Priority", "Status", "Assignee",
                      "Story Points", "Due Date", "Labels", "Labels", "Labels"]  # fmt: skip
    assert [row[0] for row in found] == [str(number) for number in range(1, len(found) + 1)]
    assert [row[2] for row in found] == ["Task"] * 9 + ["Sub-task"] * 7
    assert all(row[3] and len(row[3]) <= 255 for row in found)
    above = set()
    for row in found:
        assert row[1] in above or (row[2] == "Task" and not row[1])
        above.add(row[0])
    assert found[1][3] == "[DO-001] Provision the reports_db database and the cache"
    assert found[1][5:] == ["Highest", "In Progress", "noor", "5", "", "report-builder-v2", "DO-001", "critical"]
    assert found[6][5:11] == ["High", "To Do", "kim", "2.5", "2026-12-07", "report-builder-v2"]
    assert [(row[1], row[3], row[6]) for row in found if row[1] == "2"] == [
        ("2", "Set up database instances", "Done"),
        ("2", "Configure Redis", "To Do"),
        ("2", "cluster mode", "To Do"),
        ("2", "eviction", "Done"),
        ("2", "Ask about the quota", "To Do"),
    ]
    assert not any(" " in label for row in found for label in row[10:])


def test_the_marks_of_jira_are_escaped_in_texts() -> None:
    told = "\n".join(row["Description"] for row in rows(export("jira", hostile())))
    assert r"\{code\}x\{code\}" in told
    assert r"\[a\|https://example.com\]" in told
    assert not re.search(r"(?<!\\)[{}\[\]|!]", told)


@pytest.mark.parametrize(("steps", "code"), [(1498, 0), (1500, 2)], ids=["as many as it takes", "more"])
def test_jira_takes_1500_rows(tmp_path: Path, steps: int, code: int) -> None:
    page = tmp_path / "tasks.md"
    page.write_text("## Tasks\n\n- [ ] **[DO-001]** a\n" + "".join(f"  - step {n}\n" for n in range(steps)))
    done = devops_tasks("export", page, "--to", "jira")
    assert done.code == code
    told = f"{page}: makes 1501 rows, and Jira takes 1500 at once (cut the document in two)\n"
    assert done.err == ("" if code == 0 else told)


# Linear: its importer's own reading of a row


def linear_labels(text: str) -> list[str]:
    """Part labels as Linear's importer does for flat ones: at a comma before a capital letter."""
    return [label for label in re.split(r", (?=[A-Z])", text) if label]


def linear_text(cell: str) -> str:
    return re.sub(r"^'(?=[+\-=@∑√∏<>＜＞≤≥＝≠±÷×])", "", cell)  # noqa: RUF001 - the signs that it takes a quote before


def test_linear_reads_what_the_document_says() -> None:
    found = rows(export("linear"))
    assert list(found[0]) == ["Title", "Description", "Priority", "Status", "Assignee", "Labels", "Estimate"]
    assert {row["Priority"] for row in found} == {"Urgent", "High", "No priority"}
    assert [row["Status"] for row in found] == [
        "Done",
        "In Progress",
        "Done",
        "Todo",
        "Todo",
        "Todo",
        "Todo",
        "Done",
        "Todo",
    ]
    assert [row["Estimate"] for row in found] == ["4", "5", "1", "", "3", "", "", "2", "1"]
    assert linear_labels(found[0]["Labels"]) == ["Report Builder v2", "Critical"]
    assert found[0]["Assignee"] == "lee"


def test_linear_takes_the_quotes_off_again() -> None:
    document = hostile()
    found = rows(export("linear", document))
    issues = plan_issues(document, SOURCE)
    assert [linear_text(row["Title"]) for row in found] == [issue.title for issue in issues]
    assert [linear_text(row["Description"]) for row in found] == [body(issue) for issue in issues]
    assert {len(linear_labels(linear_text(row["Labels"]))) for row in found} == {1}


# GitLab: two columns, and actions on lines of their own


def test_gitlab_reads_titles_descriptions_and_actions() -> None:
    found = rows(export("gitlab"))
    assert list(found[0]) == ["title", "description", "due_date"]
    assert [row["due_date"] for row in found if row["due_date"]] == ["2026-12-07"]
    assert [line for line in found[0]["description"].splitlines() if line.startswith("/")] == [
        '/label ~"report-builder-v2" ~"critical"', "/assign @lee", "/weight 4", "/close",
    ]  # fmt: skip


def test_no_text_is_an_action_of_gitlab() -> None:
    for row in rows(export("gitlab", hostile())):
        actions = [line for line in row["description"].splitlines() if line.lstrip().startswith("/")]
        assert [line.split()[0] for line in actions if "BODY" not in line] in (
            ["/label", "/weight"],
            ["/label", "/assign", "/weight"],
        )
        assert actions[0] == '/label ~"a-b-c-d"'


# GitHub: a plan, and a script that a stand-in for gh lets us run


GH = """\
#!{python} -IS
import json, os, sys
from pathlib import Path
place = Path(os.environ["GH_STATE"])
state = json.loads(place.read_text()) if place.exists() else {{"labels": [], "issues": [], "calls": []}}
words = sys.argv[1:]
options = {{word[2:]: words[index + 1] for index, word in enumerate(words) if word.startswith("--")}}
state["calls"].append(words[:2])
match words[:2]:
    case ["label", "list"]:
        print("\\n".join(state["labels"]))
    case ["label", "create"]:
        assert words[2] not in state["labels"] and len(words[2]) <= 50, words
        state["labels"].append(words[2])
    case ["issue", "list"]:
        assert options["state"] == "all"
        print("\\n".join(each["title"] for each in state["issues"] if options["label"] in each["labels"]))
    case ["issue", "create"]:
        labels = options["label"].split(",")
        if set(labels) - set(state["labels"]):
            sys.exit("could not add label")
        if len(state["issues"]) == int(os.environ.get("GH_LIMIT", "999")):
            sys.exit("rate limit")
        number = len(state["issues"]) + 1
        state["issues"].append(
            {{"title": options["title"], "body": options["body"], "labels": labels, "state": "open", "assignees": []}})
        print(f"https://github.com/a/b/issues/{{number}}")
    case ["issue", "edit"]:
        if options["add-assignee"] == "nobody":
            sys.exit("not found")
        state["issues"][int(words[2].rpartition("/")[2]) - 1]["assignees"].append(options["add-assignee"])
    case ["issue", "close"]:
        state["issues"][int(words[2].rpartition("/")[2]) - 1]["state"] = "closed"
    case _:
        sys.exit(f"no such command: {{words}}")
place.write_text(json.dumps(state))
"""


class GitHub:
    """A repository of which `gh` knows nothing but a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = folder / "state.json"
        program = folder / "bin/gh"
        program.parent.mkdir()
        program.write_text(GH.format(python=sys.executable))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["/bin/bash", "-s"], input=script, cwd=self.folder, capture_output=True, text=True, check=False,
            env={**os.environ, **variables, "PATH": path, "GH_STATE": str(self.place)},
        )  # fmt: skip

    @property
    def state(self) -> dict[str, list[dict[str, object]]]:
        return dict(json.loads(self.place.read_text()))


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    return GitHub(tmp_path)


def test_the_script_makes_what_the_plan_says_and_a_second_run_nothing(github: GitHub) -> None:
    script = export("github-script")
    done = github.run(script)
    assert (done.returncode, done.stderr) == (0, "")
    plan = json.loads(export("github"))
    made = github.state
    assert made["labels"] == [label["name"] for label in plan["labels"]]
    assert made["issues"] == [{name: each[name] for name in made["issues"][0]} for each in plan["issues"]]
    assert {issue["state"] for issue in made["issues"]} == {"open", "closed"}
    again = github.run(script)
    assert (again.returncode, again.stdout.splitlines()) == (0, [f"is there: [{key}]" for key in KEYS])
    assert github.state | {"calls": []} == made | {"calls": []}


def test_a_task_that_came_later_is_the_only_one_that_is_made(github: GitHub) -> None:
    github.run(export("github-script"))
    later = parse_document(BY_HAND.read_text("utf-8").replace("+ [ ] Call", "+ [ ] **[DO-0]** New\n+ [ ] Call"))
    done = github.run(export("github-script", later))
    assert [line for line in done.stdout.splitlines() if line.startswith("made")] == [
        "made: [DO-0] https://github.com/a/b/issues/10"
    ]


def test_another_feature_s_issue_of_the_same_id_is_another_issue(github: GitHub) -> None:
    github.run(export("github-script"))
    other = parse_document("# DevOps Tasks: Other\n\n## Tasks\n\n- [ ] **[DO-002]** Another\n")
    github.run(export("github-script", other))
    assert [issue["title"] for issue in github.state["issues"]][-1] == "[DO-002] Another"


def test_a_run_that_stopped_goes_on_where_it_stopped(github: GitHub) -> None:
    script = export("github-script")
    stopped = github.run(script, GH_LIMIT="3")
    assert (stopped.returncode != 0, "rate limit" in stopped.stderr) == (True, True)
    assert github.run(script).returncode == 0
    assert [str(issue["title"]).split("]")[0][1:] for issue in github.state["issues"]] == KEYS


def test_an_owner_whom_github_does_not_know_is_told_and_stops_nothing(github: GitHub) -> None:
    done = github.run(export("github-script", parse_document("## Tasks\n\n- [x] a (1 point) @nobody\n- [ ] b\n")))
    assert (done.returncode, len(github.state["issues"])) == (0, 2)
    assert "not assigned to nobody: https://github.com/a/b/issues/1" in done.stderr
    assert github.state["issues"][0]["state"] == "closed"


@pytest.mark.parametrize("document", [HAND, hostile()], ids=["by hand", "hostile"])
def test_the_script_has_no_finding_and_hands_over_every_text_as_it_is(
    github: GitHub, tmp_path: Path, document: Document
) -> None:
    place = tmp_path / "export.sh"
    place.write_text(export("github-script", document), "utf-8")
    assert tools.shellcheck(place) == ""
    assert tools.shfmt(place) == ""
    assert github.run(place.read_text("utf-8")).returncode == 0
    issues = plan_issues(document, SOURCE)
    assert [(issue["title"], issue["body"]) for issue in github.state["issues"]] == [
        (issue.title, body(issue)) for issue in issues
    ]
    assert not (tmp_path / "x").exists()


def test_without_gh_the_script_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/bash", "-s"], input=export("github-script"), env={"PATH": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (127, "gh is not installed: https://cli.github.com\n")


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=30)


@given(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
@settings(max_examples=60)
def test_any_text_can_be_exported(texts: list[str]) -> None:
    lines = [
        f"- [ ] **[DO-{number:03}]** {md(text)} *(1 point)*\n  - {md(text)}\n" for number, text in enumerate(texts)
    ]
    document = parse_document("## Sprint Tasks\n\n" + "".join(lines))
    for to in TRACKERS:
        text = export(to, document)
        assert text.endswith("\n")
        assert all(f"DO-{number:03}" in text for number in range(len(texts)))


# The command


def test_the_command_prints_what_a_tracker_takes_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "tasks.md").write_bytes(BY_HAND.read_bytes())
    done = devops_tasks("export", tmp_path, "--to", "linear", "--link", LINK)
    place = Source(str(tmp_path / "tasks.md"), LINK)
    assert (done.code, done.out, done.err) == (0, export_document(HAND, place, "linear"), "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tasks.md"]
