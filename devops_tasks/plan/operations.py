"""Recurring operational tasks: a row of the document's table and a runbook for each, and the runbooks of every bundle.

A task that the bundle knows by name gets its page; any other gets a short one that says what is known of it.
"""

from typing import TypedDict

from devops_tasks.defaults import slugify
from devops_tasks.spec import DEVICES, Spec


class Operation(TypedDict):
    """One operational task; ``name`` names its file, ``part`` its template; ``listed`` ones are the spec's."""

    name: str
    task: str
    frequency: str
    level: str
    page: str
    part: str
    listed: bool


class Plan(TypedDict):
    """What this module adds to the plan: every page, and those that the document's table lists."""

    operations: list[Operation]
    operation_rows: list[Operation]


_EVERYWHERE = ("deploy-new-version", "scale-application", "security-patching", "roll-back")
_ALWAYS = (
    ("deploy-new-version", "Deploy new version", "As needed", "semi-automated"),
    ("roll-back", "Roll back", "When a release fails", "semi-automated"),
    ("rotate-secrets", "Rotate secrets", "As the security policy says", "semi-automated"),
    ("switch-off-experiment", "Switch off the experiment", "When a guardrail is broken", "semi-automated"),
)


def plan_operations(spec: Spec) -> Plan:
    """Plan ``operations`` (a page each) and ``operation_rows`` (those of the spec)."""
    known = _known_pages(spec)
    pages: dict[str, Operation] = {}
    for row in spec.operations:
        name = _free_name(slugify(row.task), pages)
        pages[name] = _operation(name, (row.task, row.frequency, row.level), known, listed=True)
    for name, *words in _ALWAYS:
        if name in known and name not in pages:
            pages[name] = _operation(name, (words[0], words[1], words[2]), known, listed=False)
    operations = list(pages.values())
    return {"operations": operations, "operation_rows": [row for row in operations if row["listed"]]}


def _known_pages(spec: Spec) -> set[str]:
    conditions = {
        "database-maintenance": bool(spec.databases),
        "backup-verification": bool(spec.databases),
        "certificate-renewal": any(service.kind != "worker" for service in spec.services),
        "rotate-secrets": any(service.secrets for service in spec.services),
        "switch-off-experiment": spec.experiment.assignment.method == "feature-flag",
    }
    return {*_EVERYWHERE, *(name for name, there in conditions.items() if there)}


def _free_name(slug: str, taken: dict[str, Operation]) -> str:
    """Name a page by its task; one that is no name, Windows' own or another's gets a word or a number more."""
    stem = f"operation-{slug}" if slug in DEVICES else slug or "operation"
    numbered = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
    return stem if stem not in taken else next(name for name in numbered if name not in taken)


def _operation(name: str, words: tuple[str, str, str], known: set[str], *, listed: bool) -> Operation:
    task, frequency, level = words
    return {
        "name": name,
        "task": task,
        "frequency": frequency,
        "level": level,
        "page": f"runbooks/operations/{name}.md",
        "part": f"_parts/operations/{name if name in known else 'other'}.md.j2",
        "listed": listed,
    }
