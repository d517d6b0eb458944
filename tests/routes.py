"""What the definition of an HTTPRoute asks in rules of CEL, of the parts that our routes have, in words of our own.

Of the custom resources that a bundle may hold it is the only one whose definition has such rules (Gateway API 1.6.1);
the others, those of Argo Rollouts too, state all in their schemas. Rules on filters and timeouts concern no route of
ours: one that had either is a finding as well, so that nobody forgets to add them here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATH = re.compile(r"/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*")
_NEVER = ("//", "/./", "/../", "%2f", "%2F", "#")
_MOST_MATCHES = 128


def route_findings(route: dict[str, Any]) -> list[str]:
    """List the rules that a route breaks, by name."""
    spec = route["spec"]
    rules = spec.get("rules", [])
    found = [*_parents(spec.get("parentRefs", []))]
    if sum(len(rule.get("matches", [{}])) for rule in rules) > _MOST_MATCHES:
        found.append("too many matches")
    for rule in rules:
        found += [f"unknown here: {key}" for key in rule.keys() - {"backendRefs", "matches"}]
        found += ["no port" for backend in rule.get("backendRefs", []) if not _has_port(backend)]
        found += ["unknown here: filters" for backend in rule.get("backendRefs", []) if "filters" in backend]
        for match in rule.get("matches", []):
            found += _path(match.get("path", {}))
    return found


def _parents(parents: list[dict[str, Any]]) -> Iterator[str]:
    """Ask for a section of each reference where two lead to one parent, and for another section of each."""
    named = [
        (parent.get("group", ""), parent.get("kind", ""), parent.get("namespace", ""), parent["name"])
        for parent in parents
    ]
    sections = [parent.get("sectionName", "") for parent in parents]
    for index, name in enumerate(named):
        for other in range(index):
            if named[other] == name and not (sections[other] and sections[index]):
                yield "no section"
            elif named[other] == name and sections[other] == sections[index]:
                yield "the same section"


def _has_port(backend: dict[str, Any]) -> bool:
    return backend.get("kind", "Service") != "Service" or bool(backend.get("group")) or "port" in backend


def _path(path: dict[str, str]) -> Iterator[str]:
    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
    if kind not in {"Exact", "PathPrefix", "RegularExpression"}:
        yield "type of path"
    elif kind != "RegularExpression":
        if not value.startswith("/"):
            yield "relative path"
        elif not _PATH.fullmatch(value):
            yield "characters of path"
        if value.endswith(("/..", "/.")) or any(part in value for part in _NEVER):
            yield "steps of path"
