"""Issues for GitHub, which imports no table: a plan in JSON, and a script that makes with gh what is not there yet.

The script is printed and never run here. Must not: knowing where issues come from.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from devops_tasks.filters import comment, sh
from devops_tasks.tracker.issues import Issue, body

_COLOURS = {"critical": "b60205", "security": "d93f0b", "optimization": "0e8a16"}
_GREY = "ededed"

_BEGIN = """\
#!/usr/bin/env bash
# Makes an issue of each task of {source} that has none yet. An issue is a task's when it carries the label
# {label} and its title begins with the task's key in brackets, whatever else has become of it.
# Needs gh, logged in, in a clone of the repository or with GH_REPO=owner/name.
# The texts below are the document's, to the letter: nothing in them is to be expanded.
# shellcheck disable=SC2016
set -Eeuo pipefail

if ! command -v gh >/dev/null; then
    echo "gh is not installed: https://cli.github.com" >&2
    exit 127
fi

# label NAME COLOUR DESCRIPTION: makes a label, unless it is there.
label() {{
    if [[ $'\\n'"${{labels}}"$'\\n' != *$'\\n'"$1"$'\\n'* ]]; then
        gh label create "$1" --color "$2" --description "$3"
    fi
}}

# issue KEY TITLE STATE OWNER LABELS BODY: makes an issue, unless there is one with the key.
issue() {{
    local url
    if [[ $'\\n'"${{titles}}" == *$'\\n'"[$1] "* ]]; then
        echo "is there: [$1]"
        return
    fi
    url=$(gh issue create --title "$2" --label "$5" --body "$6")
    echo "made: [$1] ${{url}}"
    if [[ -n $4 ]] && ! gh issue edit "${{url}}" --add-assignee "$4" >/dev/null; then
        echo "not assigned to $4: ${{url}}" >&2
    fi
    if [[ $3 == closed ]]; then
        gh issue close "${{url}}" >/dev/null
    fi
}}

labels=$(gh label list --limit 1000 --json name --jq '.[].name')
"""

_TITLES = """\

titles=$(gh issue list --state all --label {label} --limit 5000 --json title --jq '.[].title')
"""


def github_plan(issues: Sequence[Issue]) -> dict[str, Any]:
    """Give the labels and issues that shall be there."""
    return {
        "labels": [
            {"name": name, "color": colour, "description": told}
            for name, colour, told in dict.fromkeys(_labels(issues))
        ],
        "issues": [
            {
                "key": issue.key,
                "title": issue.title,
                "state": _state(issue),
                "assignees": [issue.login] if issue.login else [],
                "labels": _names(issue),
                "body": body(issue),
            }
            for issue in issues
        ],
    }


def _state(issue: Issue) -> str:
    return "closed" if issue.task.done else "open"


def _names(issue: Issue) -> list[str]:
    names = [issue.label]
    names += [f"priority: {issue.task.priority}"] if issue.task.priority else []
    return [*names, f"points: {issue.points}"] if issue.points else names


def _labels(issues: Sequence[Issue]) -> Iterator[tuple[str, str, str]]:
    yield issues[0].label, _GREY, "What devops-tasks made from one document"
    for issue in issues:
        for name in _names(issue)[1:]:
            yield name, _COLOURS.get(issue.task.priority, _GREY) if name.startswith("priority") else _GREY, ""


def github_script(issues: Sequence[Issue]) -> str:
    """Write a bash script that makes the labels and issues which are not there; a second run makes nothing."""
    source, label = issues[0].source, issues[0].label
    calls = [_BEGIN.format(source=comment(source.path), label=comment(label))]
    calls += [f"label {sh(name)} {colour} {sh(told)}\n" for name, colour, told in dict.fromkeys(_labels(issues))]
    calls.append(_TITLES.format(label=sh(label)))
    calls += [f"issue {' '.join(map(sh, _words(issue)))}\n" for issue in issues]
    return "".join(calls)


def _words(issue: Issue) -> tuple[str, ...]:
    return issue.key, issue.title, _state(issue), issue.login, ",".join(_names(issue)), body(issue)
