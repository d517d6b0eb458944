"""The tasks of a document in the form that a tracker takes: text out, nothing is sent anywhere.

Lives here: which tracker takes which form; ``issues`` knows what an issue says. Must not: files, the network.
"""

import json
from collections.abc import Callable

from devops_tasks.progress import Document, plain_task
from devops_tasks.tracker.github import github_plan, github_script
from devops_tasks.tracker.issues import Issue, Source, plan_issues
from devops_tasks.tracker.tables import gitlab_table, jira_table, linear_table, plain_table

__all__ = ["TRACKERS", "Source", "export_document"]


def _json(issues: list[Issue]) -> str:
    return _dumped([{"key": issue.key, "feature": issue.feature or None, **plain_task(issue.task)} for issue in issues])


def _github(issues: list[Issue]) -> str:
    return _dumped(github_plan(issues))


def _dumped(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


TRACKERS: dict[str, Callable[[list[Issue]], str]] = {
    "github": _github,
    "github-script": github_script,
    "jira": jira_table,
    "linear": linear_table,
    "gitlab": gitlab_table,
    "csv": plain_table,
    "json": _json,
}
"""What a document can be exported to; each makes one text of all issues."""


def export_document(document: Document, source: Source, to: str) -> str:
    """Write the tasks of a document for a tracker of :data:`TRACKERS`.

    Raises ``UserError`` where two tasks cannot be told apart, or where there are more than the tracker takes.
    """
    return TRACKERS[to](plan_issues(document, source))
