"""Issues as tables of comma-separated values, each by the rules of the importer that reads it.

Every cell is quoted. A cell that a spreadsheet would run as a formula gets a ``'`` before it, which spreadsheets do not
show and Linear takes off again. Must not: knowing where issues come from.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from devops_tasks.errors import Problem, UserError
from devops_tasks.tracker.issues import MOST_TITLE, Issue, body, facts, ticked

MOST_OF_JIRA = 1500
"""How many rows Jira takes at once."""

_FORMULA = re.compile(r"[=+@\uff0b\uff0d\uff1d\uff20-]")
_JIRA_MARKS = re.compile(r"([\\{}\[\]*_|!^~+])")
_JIRA_PRIORITIES = {"critical": "Highest", "security": "High", "optimization": "Low"}
_LINEAR_PRIORITIES = {"critical": "Urgent", "security": "High", "optimization": "Low"}

Row = Sequence[str]


def neutralised(cell: str) -> str:
    """Keep a spreadsheet from running a cell: at its beginning, white space before it counted."""
    return f"'{cell}" if _FORMULA.match(cell.lstrip()) or cell[:1] in {"\t", "\r", "\n"} else cell


def _written(header: Row, rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([neutralised(cell) for cell in row] for row in (header, *rows))
    return text.getvalue()


def plain_table(issues: Sequence[Issue]) -> str:
    """Write a table for people: a row for each task."""
    header = ("Key", "Feature", "Priority", "Title", "Points", "Owner", "Status", "Due", "Steps", "Success Criteria",
              "Notes", "Document", "Line")  # fmt: skip
    return _written(header, map(_plain_row, issues))


def _plain_row(issue: Issue) -> Row:
    task = issue.task
    steps = "\n".join(map(" ".join, ticked(task)))
    where = issue.source.link or issue.source.path
    return (
        issue.key, issue.feature, task.priority or task.heading, task.title, issue.points, issue.owner, _status(issue),
        str(task.due or ""), steps, task.success, "\n".join(task.notes), where, str(task.line),
    )  # fmt: skip


def _status(issue: Issue) -> str:
    return "Done" if issue.task.done else "In Progress" if issue.task.begun else "To Do"


def jira_table(issues: Sequence[Issue]) -> str:
    """Write tasks and, below all of them, their steps as sub-tasks; a column that repeats has several values.

    Source: support.atlassian.com, "Create issues using the CSV importer" and "Keep work parent-child relationships".
    """
    header = ("Issue Id", "Parent", "Issue Type", "Summary", "Description", "Priority", "Status", "Assignee",
              "Story Points", "Due Date", "Labels", "Labels", "Labels")  # fmt: skip
    tasks = [_jira_task(number, issue) for number, issue in enumerate(issues, start=1)]
    rows = [*tasks, *_jira_steps(issues)]
    if len(rows) > MOST_OF_JIRA:
        what = f"makes {len(rows)} rows, and Jira takes {MOST_OF_JIRA} at once"
        raise UserError(Problem(issues[0].source.path, what, "cut the document in two", "too-many"))
    return _written(header, rows)


def _jira_task(number: int, issue: Issue) -> Row:
    task = issue.task
    return (
        str(number), "", "Task", issue.title, _jira_text(issue), _JIRA_PRIORITIES.get(task.priority, "Medium"),
        _status(issue), issue.login, issue.points, str(task.due or ""), issue.label, issue.key, task.priority,
    )  # fmt: skip


def _jira_steps(issues: Sequence[Issue]) -> Iterator[Row]:
    number = len(issues)
    for parent, issue in enumerate(issues, start=1):
        for mark, text in ticked(issue.task):
            number += 1
            status = "Done" if mark == "[x]" else "To Do"
            yield (
                str(number),
                str(parent),
                "Sub-task",
                text[:MOST_TITLE],
                "",
                "",
                status,
                "",
                "",
                "",
                issue.label,
                "",
                "",
            )


def _jira_text(issue: Issue) -> str:
    """Write what an issue says in Jira's own markup."""
    told = [f"*{label}:* {_jira_words(text)}" for label, text in facts(issue)]
    told += [f"* {_jira_words(note)}" for note in issue.task.notes]
    where = issue.source.link or _jira_words(issue.source.path)
    head = f"Task {_jira_words(issue.key)}: {_jira_words(issue.task.title)}"
    return "\n".join([head, "", *told, "", f"From {where}, line {issue.task.line}"])


def _jira_words(text: str) -> str:
    return _JIRA_MARKS.sub(r"\\\1", text)


def linear_table(issues: Sequence[Issue]) -> str:
    """Write what Linear's importer reads.

    It parts labels where a comma comes before a capital letter, and estimates are whole. Source:
    github.com/linear/linear, packages/import/src/importers/linearCsv.
    """
    header = ("Title", "Description", "Priority", "Status", "Assignee", "Labels", "Estimate")
    return _written(header, map(_linear_row, issues))


def _linear_row(issue: Issue) -> Row:
    task = issue.task
    labels = [re.sub(r"[,/]", " ", label) for label in (issue.feature, task.priority.capitalize()) if label]
    status = {"To Do": "Todo"}.get(_status(issue), _status(issue))
    points = issue.points if issue.points.isdecimal() else ""
    priority = _LINEAR_PRIORITIES.get(task.priority, "No priority")
    return issue.title, body(issue), priority, status, issue.login, ", ".join(labels), points


def gitlab_table(issues: Sequence[Issue]) -> str:
    """Write what GitLab's importer reads; the rest is quick actions, each on a line of its own.

    No text of the document begins a line, so that none is an action. Source: docs.gitlab.com, "Import issues from CSV".
    """
    return _written(("title", "description", "due_date"), map(_gitlab_row, issues))


def _gitlab_row(issue: Issue) -> Row:
    task = issue.task
    actions = [f'/label ~"{issue.label}"' + (f' ~"{task.priority}"' if task.priority else "")]
    actions += [f"/assign @{issue.login}"] if issue.login else []
    actions += [f"/weight {issue.points}"] if issue.points.isdecimal() else []
    actions += ["/close"] if task.done else []
    return issue.title, "\n".join([body(issue), *actions]), str(task.due or "")
