"""What would come of the answers: the bundle in memory, judged as ``check`` does, before anything is written.

Lives here: from answers to what the review says. Must not: asking, writing.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from textwrap import wrap

from devops_tasks.checks.verdict import Bundle, judge_bundle, severity
from devops_tasks.errors import UserError
from devops_tasks.generate import pack_folders, plan_folder, with_defaults, with_packs
from devops_tasks.judge import exists_in, find_shell
from devops_tasks.merge import Change
from devops_tasks.plan import Plan, plan_bundle
from devops_tasks.render import Renderer
from devops_tasks.runs import Report
from devops_tasks.specfile import Source, load_spec, parse_path
from devops_tasks.wizard.answers import Answers, spoken, told
from devops_tasks.wizard.flow import Look, Outlook

_COLUMNS = 78
_WORDS = {"unchanged": "as it would be", "keep": "kept as somebody edited it", "conflict": "in conflict with an edit"}


def looking_at(renderer: Renderer, file: Path, today: str, packs: Sequence[Path] = ()) -> Look:
    """Give the function that tells what would come of some answers; it remembers the last ones."""
    seen: list[tuple[Answers, Outlook]] = []

    def look(answers: Answers) -> Outlook:
        if not seen or seen[-1][0] != answers:
            seen[:] = [(answers, _look(renderer, answers, Source(str(file), answers.tree, {}), today, packs))]
        return seen[-1][1]

    return look


def _look(renderer: Renderer, answers: Answers, source: Source, today: str, packs: Sequence[Path]) -> Outlook:
    try:
        source = with_defaults(source)
    except UserError as error:
        return Outlook(tuple(str(problem) for problem in error.problems))
    try:
        loaded = load_spec(with_packs(source, pack_folders(source, packs)))
    except UserError as error:
        return Outlook(tuple(f"still wrong: {told(answers, problem)}" for problem in error.problems))
    folder = Path(source.where).parent
    try:
        bundle, report = plan_folder(renderer, loaded, folder, today)
    except UserError as error:
        return Outlook(tuple(str(problem) for problem in error.problems))
    plan = plan_bundle(loaded.spec, date.fromisoformat(bundle.today) if bundle.today else None)
    contents = {path: text.encode() for path, text in bundle.files.items()}
    there = exists_in(folder)
    shell = find_shell()
    judged = Bundle(loaded.spec, loaded.tree, plan, contents)
    verdict = judge_bundle(judged, lambda path: path in contents or there(path), shell)
    findings = [
        *(f"{severity(each)}: {each.where}: {each.what} ({each.mend})" for each in verdict.problems),
        *_listed("undecided", [spoken(answers, parse_path(each.key)) for each in verdict.undecided]),
    ]
    sums = (*_sums(plan), *_file_lines(report))
    return Outlook((), sums, tuple(sorted(bundle.files.items())), tuple(findings))


def _sums(plan: Plan) -> Iterator[str]:
    points = plan["tasks"]
    left = f"{points['over']} too many" if points["over"] else f"{points['spare']} to spare"
    room = f"{points['capacity']} fit, {left}" if points["capacity"] is not None else "how many fit is not decided"
    yield f"story points: {points['points']}; {room}"


def _file_lines(report: Report) -> Iterator[str]:
    actions: dict[str, list[Change]] = {}
    for change in report.changes:
        actions.setdefault(change.action, []).append(change)
    for action, changes in actions.items():
        files = f"{len(changes)} file{'s'[: len(changes) - 1]}"
        yield from _listed(f"{files} {_WORDS.get(action, f'to {action}')}", list(_folders(changes)))


def _folders(changes: list[Change]) -> Iterator[str]:
    """Name the files at the top, and the other folders with the number of files in each."""
    counts: dict[str, int] = {}
    for change in changes:
        folder, slash, _ = change.path.partition("/")
        counts[folder + slash] = counts.get(folder + slash, 0) + 1
    for name, count in counts.items():
        yield f"{name} ({count})" if name.endswith("/") else name


def _listed(head: str, words: list[str]) -> Iterator[str]:
    if words:
        yield from wrap(f"{head}: {', '.join(words)}", _COLUMNS, subsequent_indent="  ", break_on_hyphens=False)
