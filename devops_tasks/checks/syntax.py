"""Texts that must be readable at all: the structure of pages, the first lines of scripts, what is no text.

Must not: starting a shell (the caller may bring one).
"""

import re
from collections.abc import Callable, Iterator, Mapping

from devops_tasks.checks.markdown import read_page, uneven_rows
from devops_tasks.errors import Problem

MOST_BYTES = 5_000_000
SHEBANG = "#!/usr/bin/env bash"
Shell = Callable[[str], tuple[int, str]]
"""Parses a script: the line of its first fault and what it is, or ``(0, "")``."""

_MARKER = "<" * 7 + " "
_STRICT = re.compile(r"set -[Eeu]{2,3}o pipefail\b")
_COMMAND = re.compile(r"^(?![ \t]*(?:#|$)).*", re.MULTILINE)


def read_texts(contents: Mapping[str, bytes | Problem]) -> tuple[dict[str, str], list[Problem]]:
    """Decode the files of a bundle; what is no text is a problem, and not looked at again."""
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for path, content in contents.items():
        if isinstance(content, Problem):
            problems.append(content)
        elif len(content) > MOST_BYTES or b"\0" in content:
            what = "is no text" if b"\0" in content else f"is larger than {MOST_BYTES} bytes"
            problems.append(Problem(path, what, "restore it, or generate it again", "not-text"))
        else:
            _decode(path, content, texts, problems)
    return texts, problems


def _decode(path: str, content: bytes, texts: dict[str, str], problems: list[Problem]) -> None:
    try:
        texts[path] = content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(Problem(path, "is no text in UTF-8", "save it as UTF-8", "not-text", line))


def check_markers(files: Mapping[str, str]) -> Iterator[Problem]:
    """Find the conflicts that a merge has left between markers."""
    what, mend = "a conflict that nobody has settled begins here", "keep what is right, without the markers"
    for path, text in files.items():
        if _MARKER in text:
            begun = [number for number, line in enumerate(text.split("\n"), start=1) if line.startswith(_MARKER)]
            yield from (Problem(path, what, mend, "conflict-marker", number) for number in begun)


def check_pages(files: Mapping[str, str]) -> Iterator[Problem]:
    """Check that every fence of a page ends, and that the rows of its tables are even."""
    for path, text in files.items():
        if path.endswith(".md"):
            page = read_page(text)
            for line in page.unclosed:
                yield Problem(path, "the fence that begins here never ends", "close it", "markdown", line)
            for row in uneven_rows(page.prose):
                what = f"the row has {row.cells} cells, and its table has {row.wanted}"
                yield Problem(path, what, "escape a pipe that is text as \\|", "markdown", row.line)


def check_scripts(files: Mapping[str, str], shell: Shell | None) -> Iterator[Problem]:
    """Check the first line of every script, its strict mode and, where a shell is at hand, that it parses."""
    for path, text in files.items():
        if path.endswith(".sh"):
            yield from _script(path, text)
            line, fault = shell(text) if shell else (0, "")
            if fault:
                yield Problem(path, f"does not parse: {fault}", "", "shell", line)


def _script(path: str, text: str) -> Iterator[Problem]:
    first, _, rest = text.partition("\n")
    if not re.fullmatch(r"#!(?:/usr/bin/env bash|/bin/bash|/usr/bin/bash)", first):
        yield Problem(path, "does not begin with a shebang of bash", f"make {SHEBANG} its first line", "shell", 1)
    command = _COMMAND.search(rest)
    if command is None or not _STRICT.match(command[0]):
        line = rest.count("\n", 0, command.start()) + 2 if command else 1
        yield Problem(path, "acts before it is strict", "begin with: set -Eeuo pipefail", "shell", line)
