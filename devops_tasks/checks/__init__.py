"""Text of a bundle to problems: what contradicts, what leads nowhere, what was left over.

Two doors. This one is ``generate``'s: :func:`check_bundle` runs whenever something is rendered, and parses nothing. The
other is ``verdict``: all checks, on a bundle that people may have edited; it loads the parsers.
Must not: repairing, reading disk.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from devops_tasks.checks.links import check_kustomizations, check_links, check_mentions, folders_and_files, parent_paths
from devops_tasks.checks.residue import check_residue, texts_of
from devops_tasks.errors import Problem
from devops_tasks.fields import Tree

_RUNBOOK = re.compile(r"runbook_url: .*?(runbooks/[\w./-]+)")


def check_bundle(tree: Tree, plan: Mapping[str, Any], files: Mapping[str, str]) -> list[Problem]:
    """Check names, links and residue on plan and text; cheap enough for every run of ``generate``.

    ``tree`` is the complete spec: what the user wrote there is text, whatever it looks like.
    """
    said, exists = list(texts_of(tree)), folders_and_files(files)
    return [
        *check_links(files, exists, parent_paths(plan.get("documents", {}).values())),
        *check_kustomizations(files, exists),
        *check_mentions(files, exists, said, spans=True),
        *check_residue(files, said),
        *_addresses(files),
        *_pages(plan, files),
    ]


def _addresses(files: Mapping[str, str]) -> Iterator[Problem]:
    rules = {path: text for path, text in files.items() if path.endswith(".yml") and "runbook_url" in text}
    for path, text in rules.items():
        for match in _RUNBOOK.finditer(text):
            if match[1] not in files:
                line = text.count("\n", 0, match.start(1)) + 1
                yield Problem(path, f"the runbook {match[1]} is not there", "", "no-runbook", line)


def _pages(plan: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[Problem]:
    for alert in plan.get("alert_pages", ()):
        path = f"runbooks/alerts/{alert['name']}.md"
        if path not in files:
            yield Problem(path, f"the alert {alert['name']} has no page", "", "no-runbook")
