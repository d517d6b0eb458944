"""The road from a folder back to a verdict: the files that the lock names, judged against the spec that it holds.

Lives here: calling the rooms in turn, and asking bash whether a script parses. Must not: judging.
"""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from devops_tasks.checks.verdict import Bundle, Exists, Made, Shell, Undecided, judge_bundle, severity
from devops_tasks.disk import check_folder, read_bundle, read_past, refuse_unfinished
from devops_tasks.errors import Problem, UserError, shown
from devops_tasks.fields import Nested
from devops_tasks.lock import PATH, Lock, digest
from devops_tasks.merge import Past
from devops_tasks.plan import plan_bundle
from devops_tasks.spec import SPEC
from devops_tasks.specfile import Source, load_spec
from devops_tasks.units import parse_date

_SECONDS = 20
_MOST_NAMED = 4
_JSON_NAMES = {"where": "path"}


class Judgement(NamedTuple):
    """What ``check`` says of one folder."""

    folder: str
    problems: list[Problem]
    undecided: list[Undecided]
    skipped: list[str]
    notes: list[Problem]

    @property
    def summary(self) -> str:
        """Count what was found, in one line."""
        counts = Counter(severity(problem) for problem in self.problems)
        told = [
            _count(counts["error"], "error"),
            _count(counts["warning"], "warning"),
            f"{len(self.undecided)} undecided",
            *([_count(len(self.notes), "note")] if self.notes else []),
        ]
        missed = "; no bash here, so no script was parsed" if self.skipped else ""
        return f"{self.folder}: {', '.join(told)}{missed}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def judge_folder(folder: Path) -> Judgement:
    """Judge the bundle in a folder; raises ``UserError`` where there is none, or its lock cannot be read."""
    bundle = open_bundle(folder, find_past(folder))
    shell = find_shell()
    verdict = judge_bundle(bundle, exists_in(folder), shell)
    return Judgement(str(folder), *verdict[:2], [] if shell else ["shell"], verdict.notes)


def find_past(folder: Path) -> Past:
    """Read what was generated into a folder; raises ``UserError`` where nothing was, or a run was killed."""
    check_folder(folder)
    refuse_unfinished(folder)
    past = read_past(folder) if folder.is_dir() else None
    if past is None:
        mend = "name the folder of a bundle, or make one with devops-tasks generate"
        raise UserError(Problem(str(folder), "holds no bundle", mend, "no-bundle"))
    return past


def open_bundle(folder: Path, past: Past) -> Bundle:
    """Read what is on disk of a bundle, and build its plan again from the spec in the lock."""
    where, lock = str(folder / PATH), past.lock
    try:
        loaded = load_spec(Source(where, lock.spec, {}, shape=_shape(lock)))
        plan = plan_bundle(loaded.spec, parse_date(lock.today) if lock.today else None)
    except (UserError, ValueError, TypeError) as error:
        first = str(error.problems[0]) if isinstance(error, UserError) else str(error)
        what = f"holds a spec that this version ({lock.version} wrote it) cannot read: {first}"
        raise UserError(Problem(where, what, "generate again from the spec", "lock")) from None
    contents = read_bundle(folder, lock.files)
    return Bundle(loaded.spec, loaded.tree, plan, contents, _made(past, contents))


def _shape(lock: Lock) -> Nested[Any]:
    """Give what the spec of a bundle could say: with the fields of its packs, which need not be there any more."""
    fields = {pack["name"]: pack["fields"] for pack in lock.packs if "fields" in pack}
    if not fields:
        return SPEC
    from devops_tasks.packs.fields import with_fields

    return with_fields(fields)


def _made(past: Past, contents: Mapping[str, bytes | Problem]) -> Made:
    """Find what is no longer as it was generated; the texts of last time are read only where something is."""
    files = past.lock.files
    edited = tuple(
        path for path, content in contents.items() if isinstance(content, bytes) and digest(content) != files[path]
    )
    return Made(past.lock.version, past.texts if edited else {}, edited, tuple(sorted(files.keys() - contents.keys())))


def exists_in(folder: Path) -> Exists:
    """Give the function that says what is on disk, in a folder and around it."""

    def exists(path: str) -> bool:
        try:
            return (folder / path).exists()
        except (OSError, ValueError):
            return False

    return exists


def find_shell() -> Shell | None:
    """Find bash, which alone can say whether a script parses; it reads the script and runs nothing of it."""
    bash = shutil.which("bash")
    if bash is None:
        return None

    def parse(script: str) -> tuple[int, str]:
        done = subprocess.run(  # noqa: S603 - bash itself, without any variable that could name a file to run
            [bash, "--norc", "--noprofile", "-n"],
            input=script,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env={"LC_ALL": "C.UTF-8"},
            check=False,
        )
        fault = re.search(r"line (\d+): (.*)", done.stderr)
        if done.returncode == 0:
            return 0, ""
        return (int(fault[1]), fault[2]) if fault else (1, done.stderr.strip() or "bash does not accept it")

    return parse


def verdict_lines(judgement: Judgement) -> Iterator[str]:
    """Write what was found, a line for each: problems, what was edited since, what nobody has decided."""
    for problem in (*judgement.problems, *judgement.notes):
        yield f"{severity(problem):9}  {_told(problem)} [{problem.code}]"
    width = max((len(each.key) for each in judgement.undecided), default=0)
    for each in judgement.undecided:
        yield f"undecided  {each.key:{width}}  {each.doc}" + (f"  ({_named(each.files)})" if each.files else "")


def _told(problem: Problem) -> str:
    place = ":".join([problem.where, *(str(number) for number in (problem.line, problem.column) if number)])
    parts = [place, problem.key, problem.what]
    return ": ".join(part for part in parts if part) + (f" ({problem.mend})" if problem.mend else "")


def _named(files: tuple[str, ...]) -> str:
    """Name some files; of many the folders, with the number of files in each."""
    if len(files) <= _MOST_NAMED:
        return ", ".join(files)
    folders: dict[str, list[str]] = {}
    for path in files:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    return ", ".join(
        f"{len(inside)} files in {folder}/" if len(inside) > 1 and folder else ", ".join(inside)
        for folder, inside in folders.items()
    )


def verdict_json(judgement: Judgement) -> dict[str, Any]:
    """Give what was found as plain data for programs; the codes stay the same from version to version."""
    return {
        "folder": judgement.folder,
        "findings": list(map(_plain, judgement.problems)),
        "notes": list(map(_plain, judgement.notes)),
        "undecided": [{"key": each.key, "doc": each.doc, "files": list(each.files)} for each in judgement.undecided],
        "skipped": judgement.skipped,
    }


def _plain(problem: Problem) -> dict[str, Any]:
    values = {_JSON_NAMES.get(name, name): value for name, value in problem._asdict().items()}
    return {"severity": severity(problem), **values}


_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def annotation_lines(judgement: Judgement) -> Iterator[str]:
    """Write what was found as commands of a GitHub workflow, which shows each at its place in the change.

    Source: docs.github.com, "Workflow commands for GitHub Actions"; what must be escaped, and how, is in the toolkit's
    ``command.ts``.
    """
    for problem in (*judgement.problems, *judgement.notes):
        place = {"file": _place(judgement.folder, problem), "line": str(problem.line or ""), "title": problem.code}
        named = ",".join(f"{name}={_property(value)}" for name, value in place.items() if value)
        told = ": ".join(part for part in (problem.key, problem.what) if part)
        mend = f" ({problem.mend})" if problem.mend else ""
        yield f"::{_COMMANDS[severity(problem)]} {named}::{_data(shown(told + mend))}"


def _place(folder: str, problem: Problem) -> str:
    """Give the path of a file as the workflow knows it, from the folder that it runs in; "" for what is in none."""
    if problem.where not in _NO_FILES:
        path = Path(folder, problem.where)
        here = Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)
    return ""


_NO_FILES = frozenset({"spec", "the bundle"})


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
