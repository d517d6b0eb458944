"""What nobody has decided yet, and the files in which it still stands.

A file is named when the bundle writes the key there and the text still says that it is undecided: once a person has
written the value, it stands there no more. Must not: deciding what is undecided (``plan`` does).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from devops_tasks.checks.links import resolve
from devops_tasks.errors import Problem
from devops_tasks.plan import Plan

Exists = Callable[[str], bool]

_DOCUMENT = r"tasks\.md"
_PAGES = r"runbooks/.*\.md"
_POLICIES = r"security/network-policies\.yml"
_OVERLAYS = r"overlays/[^/]+/kustomization\.yaml"
_TRAFFIC = r"delivery/traffic/.*\.yml"
_RULES = r"monitoring/(?:alert-rules|recording-rules|.*-operator|.*rules?)(?:\.test)?\.ya?ml"
_ROUTING = r"monitoring/alertmanager\.yml"
_BACKUP = r"disaster-recovery/.*"

_PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"services\[\d+\]\.image", (_OVERLAYS,)),
    (r"services\[\d+\]\.host", (_TRAFFIC, r"overlays/production/certificates\.yml", r"delivery/.*\.sh", _PAGES)),
    (r"(?:databases|caches|queues|external_services)\[\d+\]\.cidr|platform\.load_balancer\.cidr", (_POLICIES,)),
    (r"(?:databases|caches)\[\d+\]\.host", (_BACKUP, r"database/.*", r"security/secrets\.yml", _PAGES)),
    (r"queues\[\d+\]\.(?:topic|group)", (_RULES, r"monitoring/dashboard\.json", _PAGES)),
    (r"databases\[\d+\]\.backup\..*", (_BACKUP, _PAGES)),
    (r"platform\.gateway", (_TRAFFIC, _PAGES)),
    (r"platform\.secret_store", (r"security/secrets\.yml",)),
    (r"monitoring\.(?:runbooks|dashboards)", (_RULES, _ROUTING, _PAGES)),
    (r"contacts\..*", (_ROUTING, _PAGES)),
    (r"cost\..*", (r"cost/.*",)),
)
"""Where a key is written beside the document, as patterns of keys and of paths; a test holds it against the bundle."""

_MARK = re.compile(r"\bundecided\b|to be decided", re.IGNORECASE)
_LITERAL = re.compile(r"\bundecided\.invalid\b")


class Undecided(NamedTuple):
    """One thing that somebody must decide: its key, what it is, and the files in which it stands."""

    key: str
    doc: str
    files: tuple[str, ...]


def find_undecided(plan: Plan, files: Mapping[str, str], exists: Exists) -> list[Undecided]:
    """List every undecided key of the plan, and every parent document that is not there."""
    marked = [path for path, text in files.items() if _MARK.search(text)]
    keys = [Undecided(each["key"], each["doc"], tuple(_standing(each["key"], marked))) for each in plan["undecided"]]
    return [*_parents(plan, files, exists), *keys]


def _standing(key: str, marked: Iterable[str]) -> Iterator[str]:
    patterns = [_DOCUMENT, *(path for name, paths in _PLACES if re.fullmatch(name, key) for path in paths)]
    return (path for path in marked if any(re.fullmatch(pattern, path) for pattern in patterns))


def _parents(plan: Plan, files: Mapping[str, str], exists: Exists) -> Iterator[Undecided]:
    for name, address in plan["documents"].items():
        target = resolve("tasks.md", address)
        if target is not None and target.path not in files and not exists(target.path):
            doc = f"{address} is not there yet"
            yield Undecided(f"documents.{name}", doc, ("tasks.md",) if "tasks.md" in files else ())


def check_strays(files: Mapping[str, str], undecided: Iterable[Undecided]) -> Iterator[Problem]:
    """Find the literal of an undecided value in a file in which no key is undecided."""
    explained = {path for each in undecided for path in each.files}
    for path, text in files.items():
        match = _LITERAL.search(text) if path not in explained else None
        if match:
            line = text.count("\n", 0, match.start()) + 1
            what = "undecided.invalid stands here, and no key of the spec that belongs here is undecided"
            yield Problem(path, what, "generate again, or write the value", "stray-undecided", line)
