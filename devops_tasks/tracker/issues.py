"""The issues that a document's tasks become, with keys by which they are found again.

Lives here: what an issue says, in Markdown and in words. Must not: knowing a tracker's format.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from devops_tasks.defaults import slugify
from devops_tasks.errors import Problem, UserError
from devops_tasks.filters import md, md_target
from devops_tasks.progress import Document, Task
from devops_tasks.units import plain

MOST_TITLE = 250
"""Jira takes 255 letters, GitHub 256."""


class Source(NamedTuple):
    """Where a document stands: its path, and the address under which others can read it, "" where there is none."""

    path: str
    link: str = ""


class Issue(NamedTuple):
    """One task as an issue; ``key`` stays the same from export to export, ``label`` is that of its feature."""

    key: str
    task: Task
    feature: str
    label: str
    owner: str
    source: Source

    @property
    def title(self) -> str:
        """The key and the title, as far as trackers take titles."""
        whole = f"[{self.key}] {self.task.title}"
        return whole if len(whole) <= MOST_TITLE else f"{whole[: MOST_TITLE - 3]}..."

    @property
    def login(self) -> str:
        """The owner without the sign, "" for words that are no name of an account."""
        name = self.owner.removeprefix("@")
        return name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", name) else ""

    @property
    def points(self) -> str:
        """The story points, "" where none are said."""
        return plain(self.task.points) if self.task.points is not None else ""


def plan_issues(document: Document, source: Source) -> list[Issue]:
    """Make an issue of each task; one without an owner is the engineer's."""
    label = slugify(document.feature) or "devops-tasks"
    issues = [
        Issue(task.key or _made_up(task.title), task, document.feature, label, task.owner or document.engineer, source)
        for task in document.tasks
    ]
    if not issues:
        raise UserError(Problem(source.path, "has no task", "name another document", "no-tasks"))
    _refuse_doubles(issues)
    return issues


def _made_up(title: str) -> str:
    """Make a key for a task without an id, from its words."""
    return f"T-{sha256(title.casefold().encode()).hexdigest()[:8]}"


def _refuse_doubles(issues: list[Issue]) -> None:
    lines: dict[str, list[Task]] = {}
    for issue in issues:
        lines.setdefault(issue.key.casefold(), []).append(issue.task)
    problems = [
        Problem(
            issues[0].source.path,
            f"two tasks have {f'the id {tasks[0].key}' if tasks[0].key else 'no id and the same title'}; "
            f"the other one is in line {tasks[0].line}",
            "give each an id of its own",
            "duplicate-name",
            tasks[1].line,
            1,
        )
        for tasks in lines.values()
        if len(tasks) > 1
    ]
    if problems:
        raise UserError(*problems)


def body(issue: Issue) -> str:
    """Write what an issue says in Markdown; every text of the document is only text in it."""
    return "\n\n".join(_blocks(issue)) + "\n"


def _blocks(issue: Issue) -> Iterator[str]:
    task = issue.task
    if len(issue.title) == MOST_TITLE:
        yield md(task.title)
    if task.steps:
        yield "**Steps:**\n\n" + "\n".join(f"- {mark} {md(text)}" for mark, text in ticked(task))
    told = [f"**{label}:** {md(text)}" for label, text in facts(issue)]
    if told:
        yield "\\\n".join(told)
    if task.notes:
        yield "**Notes:**\n\n" + "\n".join(f"- {md(note)}" for note in task.notes)
    yield _origin(issue)


def ticked(task: Task) -> Iterator[tuple[str, str]]:
    """Give each step with its box; a step without one is done when its task is."""
    for step in task.steps:
        yield ("[x]" if step.done or (step.done is None and task.done) else "[ ]"), step.text


def facts(issue: Issue) -> Iterator[tuple[str, str]]:
    """Give what else is said of a task, by label."""
    task = issue.task
    rows = (
        ("Success Criteria", task.success),
        ("Points", issue.points),
        ("Priority", task.heading),
        ("Owner", issue.owner),
        ("Due", str(task.due or "")),
    )
    return (row for row in rows if row[1])


def _origin(issue: Issue) -> str:
    path, link = issue.source
    where = f"[{md(path)}]({md_target(link)})" if link else md(path)
    return f"From {where}, line {issue.task.line}" + (f", of {md(issue.feature)}." if issue.feature else ".")
