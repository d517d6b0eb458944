"""Where a bundle's text leads: links of pages, files that other files name. Every one of them must be there.

Lives here: relative links, anchors, kustomizations, paths in scripts, pages and comments. Must not: reading disk; what
exists is asked through the function that the caller gives.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from devops_tasks.checks.markdown import Link, read_anchors, read_page
from devops_tasks.errors import Problem

Exists = Callable[[str], bool]
"""Says whether a path, relative to the bundle's folder, is a file or a folder; the path may lead out of the folder."""

_REACH = 30
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")
_FOLDERS = frozenset((
    "kubernetes", "security", "scaling", "overlays", "delivery", "monitoring", "disaster-recovery", "database", "cost",
    "experiment", "runbooks",
))  # fmt: skip
# The patterns that run over every file begin with a rare character: any other start makes them ten times as slow.
_AFTER_SLASH = re.compile(r"/[\w./-]*\.(?:ya?ml|md|sh|sql|json)\b")
_FROM_SLASH_BACK = re.compile(r"[\w./@:$-]*")  # of a text that was turned round: else each sign would be a start
_FOLDER = re.compile(r"(?:\.\.?/)*([a-z-]+)/")
_OVERLAY = re.compile(r"overlays/\w+(?![\w/.{$-])")
_RESOURCES = re.compile(r"^(?:resources|components|crds):[ \t]*\n((?:[ \t]*(?:- .*|#.*)?\n)+)", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*- [\"']?([^\s\"'#]+)", re.MULTILINE)
_PATCH = re.compile(r"^[ \t]*-?[ \t]*path: [\"']?([\w.-][\w./-]*\.ya?ml)\b", re.MULTILINE)


class Target(NamedTuple):
    """Where a link leads: a path relative to the bundle's folder, and an anchor."""

    path: str
    anchor: str


def folders_and_files(paths: Iterable[str]) -> Exists:
    """Make the question for a bundle in memory: its files, and the folders that they stand in."""
    known = set(paths)
    known |= {path[:position] for path in known for position, char in enumerate(path) if char == "/"}
    return known.__contains__


@lru_cache(maxsize=1024)
def resolve(page: str, target: str) -> Target | None:
    """Find where a link of a page leads; None where it leaves the file system: another host, a mail address."""
    if _SCHEME.match(target):
        return None
    path, _, anchor = target.partition("#")
    path = _decoded(path.partition("?")[0])
    here = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    return Target(here, _decoded(anchor))


def _decoded(text: str) -> str:
    """Read ``%20`` and its like."""
    if "%" not in text:
        return text
    plain = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode())
    return plain.decode("utf-8", "replace")


def check_links(files: Mapping[str, str], exists: Exists, parents: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """Check that every relative link of every page leads to a file, and its anchor to a heading of it.

    ``parents`` are the paths of parent documents, which may not be there yet.
    """
    for path, text in files.items():
        if path.endswith(".md"):
            for link in read_page(text).links:
                yield from _link(path, link, files, exists, parents)


def _link(
    path: str, link: Link, files: Mapping[str, str], exists: Exists, parents: frozenset[str]
) -> Iterator[Problem]:
    target = resolve(path, link.target)
    if target is None or target.path in parents:
        return
    if target.path not in files:
        if not exists(target.path):
            what = f"the link {link.target!r} leads to no file"
            yield Problem(path, what, "correct it, or restore the file", "dead-link", link.line)
    elif target.anchor and target.path.endswith(".md") and target.anchor not in read_anchors(files[target.path]):
        what = f"{target.path} has no heading for #{target.anchor}"
        yield Problem(path, what, "correct the link, or the heading", "dead-anchor", link.line)


def parent_paths(documents: Iterable[str]) -> frozenset[str]:
    """Give the paths of those parent documents that are files, relative to the bundle's folder."""
    targets = (resolve("tasks.md", document) for document in documents)
    return frozenset(target.path for target in targets if target is not None)


def check_mentions(files: Mapping[str, str], exists: Exists, said: Iterable[str], *, spans: bool) -> Iterator[Problem]:
    """Check that every path of a bundle's folders that some text names is there.

    ``said`` is what the user wrote in the spec, which is not ours to judge. Of a page its fences are read, and its
    ``spans`` of code where no person can have written in them yet.
    """
    told = "\n".join(text for text in said if "/" in text)
    for path, text in files.items():
        for start, name in _mentions(text):
            if (
                not _leads_somewhere(path, name, exists)
                and name not in told
                and _judged(path, text, start, spans=spans)
            ):
                line = text.count("\n", 0, start) + 1
                yield Problem(path, f"{name} is named, and is not there", "correct the name", "missing-file", line)


def _mentions(text: str) -> Iterator[tuple[int, str]]:
    for match in _AFTER_SLASH.finditer(text):
        start = match.start()
        before = _FROM_SLASH_BACK.match(text[max(0, start - _REACH) : start][::-1])
        name = f"{before[0][::-1] if before else ''}{match[0]}"
        folder = _FOLDER.match(name)
        if folder and folder[1] in _FOLDERS:
            yield match.end() - len(name), name
    if "overlays/" in text:
        yield from ((match.start(), f"{match[0]}/kustomization.yaml") for match in _OVERLAY.finditer(text))


def _leads_somewhere(path: str, name: str, exists: Exists) -> bool:
    return exists(posixpath.normpath(name)) or exists(posixpath.normpath(posixpath.join(posixpath.dirname(path), name)))


def _judged(path: str, text: str, start: int, *, spans: bool) -> bool:
    if not path.endswith(".md"):
        return True
    line = read_page(text).prose.split("\n")[text.count("\n", 0, start)]
    return not line or (spans and text[start - 1] == "`")


def check_kustomizations(files: Mapping[str, str], exists: Exists) -> Iterator[Problem]:
    """Check that every resource and patch that a kustomization lists is there."""
    for path, text in files.items():
        listed = _listed(text) if f"/{path}".endswith("/kustomization.yaml") else ()
        for name, position in listed:
            place = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
            wanted = place if place.endswith((".yml", ".yaml", ".json")) else f"{place}/kustomization.yaml"
            if "://" not in name and not exists(wanted):
                line = text.count("\n", 0, position) + 1
                what = f"{name} is listed, and is not there"
                yield Problem(path, what, "restore the file, or remove the line", "missing-file", line)


def _listed(text: str) -> Iterator[tuple[str, int]]:
    for block in _RESOURCES.finditer(text):
        yield from ((match[1], block.start(1) + match.start(1)) for match in _ITEM.finditer(block[1]))
    yield from ((match[1], match.start(1)) for match in _PATCH.finditer(text))
