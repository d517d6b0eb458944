"""Commands, options, help: each body calls one function of a room and prints what it returns.

Lives here: the command line. Results go to stdout, everything else to stderr. Must not: an ``if`` about the domain.
"""

import gc
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devops_tasks.errors import ConflictError, Problem, UserError, shown

if TYPE_CHECKING:
    from devops_tasks.fields import Nested
    from devops_tasks.importer import Imported
    from devops_tasks.progress import Style
    from devops_tasks.render import Renderer
    from devops_tasks.runs import Options, Report
    from devops_tasks.wizard import Decision, Errand

app = typer.Typer(
    name="devops-tasks",
    help="Turn one spec into a sprint's tasks.md and the infrastructure files that it talks about.",
    epilog="Exit codes: 0 done, 1 findings or conflict, 2 bad input or usage, 3 our own bug, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _folder(name: str) -> Path:
    """Read the name of a folder; nothing, as of a variable that is not set, is none."""
    if not name:
        raise UserError(Problem("a folder", "has no name", "name one, or leave it out", "usage"))
    return Path(name)


def _file(name: str) -> Path:
    """Read the name of a file."""
    if not name:
        raise UserError(Problem("a file", "has no name", "name one", "usage"))
    return Path(name)


def _resolution(word: str) -> str:
    """Read what to do about conflicts."""
    if word not in {"", "markers", "ours", "theirs"}:
        raise UserError(Problem("--conflict", f"there is no {word!r}", "write markers, ours or theirs", "usage"))
    return word


Specs = Annotated[list[Path], typer.Argument(metavar="SPEC...", parser=_file, help="One spec, or several.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="DIR", parser=_folder, help="The bundle's folder; the spec's own by default."
    ),
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the spec.")
]
Today = Annotated[str, typer.Option(metavar="DATE", help="The date that a changed document carries.")]
Conflict = Annotated[
    str,
    typer.Option(
        metavar="markers|ours|theirs",
        parser=_resolution,
        help="Where an edit and the spec disagree: write both, keep ours (the edit), or take theirs (the spec's).",
    ),
]
Packs = Annotated[
    list[Path] | None,
    typer.Option("--pack", metavar="DIR", parser=_folder, help="A template pack, above those of the spec; repeatable."),
]
Answers = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Answer a key beforehand.")]
OnlyNeeded = Annotated[bool, typer.Option("--defaults", help="Take every default; ask only what has none.")]
Plain = Annotated[bool, typer.Option("--plain", help="Ask line by line, for screen readers and logs.")]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask; say what would have to be written.")]
Trust = Annotated[bool, typer.Option("--trust", help="Use packs that are new, or changed, and remember that you did.")]
Json = Annotated[bool, typer.Option("--json", help="Print results as JSON.")]


def refuse(error: UserError) -> int:
    """Print every problem of an error and give the exit code that it ends with."""
    for problem in error.problems:
        print(problem, file=sys.stderr)
    return _code(error)


def _code(error: UserError) -> int:
    return 1 if isinstance(error, ConflictError) else 2


@contextmanager
def _in_json(empty: Mapping[str, Any] | None) -> Iterator[None]:
    """Print an error as part of the document that a program expects; None where nobody asked for one."""
    try:
        yield
    except UserError as error:
        if empty is None:
            raise
        _print_json(empty, error)
        raise typer.Exit(_code(error)) from None


def _print_json(document: Mapping[str, Any], *errors: UserError) -> None:
    told = [_plain(problem) for error in errors for problem in error.problems]
    print(json.dumps({**document, "errors": told}, indent=1))


def _plain(problem: Problem) -> dict[str, str | int | None]:
    """Give a problem as plain data; what is not known, or does not apply, is null."""
    place = {"file": problem.where, "line": problem.line or None, "column": problem.column or None}
    return {
        "code": problem.code,
        **place,
        "key": problem.key or None,
        "what": problem.what,
        "mend": problem.mend or None,
    }


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Hold the options of the tool itself."""
    if version:
        from devops_tasks import __version__

        print(f"devops-tasks {__version__}")
        raise typer.Exit


@app.command()
def generate(
    specs: Specs,
    output: Output = None,
    assignments: Assignments = None,
    today: Today = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print the changes as a diff, and do nothing.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Do nothing; exit 1 if anything would change.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files that were edited.")] = False,
    conflict: Conflict = "",
    packs: Packs = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Render the bundle of a spec, or of several.

    It goes into the spec's own folder or into --output; of several specs each gets a folder of its own there,
    named after its slug. What somebody edited, ticked or deleted is kept, and merged with what the spec changed. Where
    both changed the same thing, each place is named, and nothing is written.
    """
    from devops_tasks.runs import Options

    with _in_json(_bundles() if as_json else None):
        _date(today)
    resolve: Any = "force" if force else conflict or "refuse"
    write = not (dry_run or diff or check)
    options = Options(output, tuple(assignments or ()), today, write, resolve, tuple(packs or ()), trust)
    document: dict[str, list[Any]] = {"bundles": [], "errors": []}
    code = 0
    for outcome in _outcomes(specs, options):
        code = max(code, _outcome_code(outcome, check=check))
        if as_json:
            _add_outcome(document, outcome)
        else:
            _print_outcome(outcome, diff=diff)
    if as_json:
        print(json.dumps(document, indent=1))
    raise typer.Exit(code)


def _outcomes(specs: list[Path], options: "Options") -> "Iterable[Report | UserError]":
    """Make the runs, or remember what one that changed nothing has found: then nothing that renders is loaded."""
    from devops_tasks.runs import recall

    known = recall(specs, options)
    if known:
        return [known]
    from devops_tasks.generate import generate_each

    return generate_each(_renderer(), specs, options)


@app.command()
def init(
    file: Annotated[
        Path,
        typer.Argument(metavar="[FILE]", parser=_file, help="The spec to write; devops-tasks.yaml by default."),
    ] = Path("devops-tasks.yaml"),
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="DOCUMENT", parser=_file, help="Take what a requirements document says."),
    ] = None,
    assignments: Answers = None,
    defaults: OnlyNeeded = False,
    plain: Plain = False,
    no_input: NoInput = False,
    today: Today = "",
    trust: Trust = False,
) -> None:
    """Ask for a spec, show what would come of it, write it, and generate its bundle.

    Every answer is kept, so that the same command goes on where the last one stopped. A spec that is there can be
    edited; its comments stay.
    """
    from devops_tasks.wizard import Errand, decide

    _date(today)
    known = _known(source, tuple(assignments or ()))
    decision = decide(Errand(file, known, _renderer, today, defaults, plain, no_input))
    raise typer.Exit(_carry_out(decision, today, trust=trust))


def _known(source: Path | None, assignments: tuple[str, ...]) -> dict[str, Any]:
    """Read what is answered beforehand; without anything the rooms that read are not loaded."""
    answers = _import(source).answers if source else {}
    if not assignments:
        return answers
    from devops_tasks.fields import prune
    from devops_tasks.specfile import Source, override, refuse
    from devops_tasks.wizard import misread

    given = override(Source("--set", answers, {}), assignments)
    refuse(given, misread(given.tree))
    return dict(prune(given.tree))


def _import(document: Path) -> "Imported":
    """Read a requirements document, and tell what was taken from which line and what was not."""
    from devops_tasks.importer import MOST_BYTES, import_document
    from devops_tasks.reading import read_text

    imported = import_document(read_text(document, MOST_BYTES))
    for line in imported.report(str(document)):
        print(shown(line), file=sys.stderr)
    return imported


@app.command("import")
def import_(
    document: Annotated[
        Path, typer.Argument(metavar="FILE", parser=_file, help="A requirements document in Markdown, in English.")
    ],
) -> None:
    """Print the spec of a requirements document, as far as it says one.

    What was taken from which line, what was not understood and what is still missing goes to stderr. Exit code 1 when a
    required key is missing.
    """
    from devops_tasks.spectext import ordered, spec_text

    imported = _import(document)
    if imported.answers:
        print(spec_text(ordered(imported.answers)), end="")
    raise typer.Exit(int(imported.lacks_keys))


def _carry_out(decision: "Decision", today: str, *, trust: bool) -> int:
    """Write what was decided, and say how to do the same without questions."""
    if decision.what not in {"write", "spec"}:
        return _take_leave(decision)
    from devops_tasks.bootstrap import load_answers, write_spec
    from devops_tasks.generate import layer_packs, plan_folder, write_folder

    renderer = _renderer()
    if decision.what == "write":  # before the spec is there: the answers are kept until the packs are trusted
        renderer = layer_packs(renderer, load_answers(decision.file, decision.answers), trust=trust)
    action, loaded = write_spec(decision.file, decision.base, decision.answers)
    print(shown(f"{action:9} {decision.file}"))
    decision.forget()
    if decision.what == "write":
        bundle, report = plan_folder(renderer, loaded, decision.file.parent, today)
        _print_report(write_folder(bundle, report))
    _tell_again(decision, today)
    return 0


def _take_leave(decision: "Decision") -> int:
    with suppress(OSError):  # the terminal may be gone
        print(shown(decision.farewell), file=sys.stderr)
    return 130 if decision.what == "stopped" else 0


def _tell_again(decision: "Decision", today: str) -> None:
    print(shown(f"the same without questions: {decision.command(today)}"), file=sys.stderr)


@app.command()
def new(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", parser=_folder, help="The feature's folder: a new one, or an empty one."),
    ],
    spec: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SPEC]", parser=_file, help="The feature's spec; it is copied into the folder. Without it: asks."
        ),
    ] = None,
    assignments: Assignments = None,
    defaults: OnlyNeeded = False,
    plain: Plain = False,
    no_input: NoInput = False,
    today: Today = "",
    packs: Packs = None,
    trust: Trust = False,
    cookiecutter: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", parser=_folder, help="Render a cookiecutter template beside the bundle, with no hook run."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start a feature's folder: its documents, its spec and its bundle.

    All of it is there at the end, or nothing. Without a spec it asks for one as init does, and every answer is kept, so
    that the same command goes on where the last one stopped.
    """
    from devops_tasks.bootstrap import Wanted, check_empty, create_feature, start_from_answers, start_from_file
    from devops_tasks.wizard import Errand

    wanted = Wanted(folder, today, tuple(packs or ()), trust, cookiecutter)
    with _in_json(_bundles() if as_json else None):
        _date(today)
        check_empty(folder)
        given = tuple(assignments or ())
        decision = None
        if spec is None:
            known = _known(None, given)
            errand = Errand(
                wanted.spec, known, _renderer, today, defaults, plain, no_input, wanted.command, wanted.packs
            )
            decision = _asked(errand)
            start = start_from_answers(decision.answers, wanted)
        else:
            start = start_from_file(spec, given)
        report = create_feature(_renderer(), start, wanted)
    if as_json:
        _print_json(_bundles(report))
    else:
        _print_report(report)
    if decision:
        decision.forget()
        _tell_again(decision, today)


def _asked(errand: "Errand") -> "Decision":
    """Ask, and go on where a bundle is wanted."""
    from devops_tasks.wizard import decide

    decision = decide(errand)
    if decision.what != "write":
        raise typer.Exit(_carry_out(decision, errand.today, trust=False))
    return decision


@app.command()
def explain(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", parser=_file, help="The spec.")],
    key: Annotated[str, typer.Argument(metavar="[KEY]", help="A key, such as platform or services[].port.")] = "",
    assignments: Assignments = None,
    packs: Packs = None,
    as_json: Json = False,
) -> None:
    """Print the complete spec, and where each value comes from.

    That is a file with line and column, an option, a default, or other keys that it is computed from; or nobody has
    decided it yet.
    """
    from devops_tasks.explain import explain, origin_lines, origins_json
    from devops_tasks.generate import pack_folders, with_defaults, with_packs
    from devops_tasks.specfile import load_spec, override, read_spec

    with _in_json({"values": []} if as_json else None):
        source = with_defaults(override(read_spec(spec), tuple(assignments or ())))
        loaded = load_spec(with_packs(source, pack_folders(source, packs or ())))
        origins = explain(loaded, key)
    if as_json:
        _print_json(origins_json(origins))
    else:
        for line in origin_lines(origins, loaded.source.shape):
            print(shown(line))


@app.command()
def schema(
    spec: Annotated[
        Path | None,
        typer.Argument(metavar="[SPEC]", parser=_file, help="A spec; the fields of its template packs are in it."),
    ] = None,
    packs: Packs = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Print that of a file of defaults, which need not have any key.")
    ] = False,
) -> None:
    """Print the JSON Schema of a spec, for editors."""
    from devops_tasks.schema import defaults_schema, spec_schema

    make = defaults_schema if defaults else spec_schema
    made = make(*_shapes(spec, packs or []))
    print(json.dumps(made, indent=2, ensure_ascii=False))


def _shapes(spec: Path | None, packs: list[Path]) -> "Iterator[Nested[Any]]":
    """Find out what a spec may say where template packs add to it; else nothing that reads a spec is loaded."""
    if spec or packs:
        from devops_tasks.generate import shape_of

        yield shape_of(spec, packs)


@app.command()
def check(
    folder: Annotated[
        Path,
        typer.Argument(metavar="[DIR]", parser=_folder, help="The bundle's folder; the present one by default."),
    ] = Path(),
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="text|json|github",
            help="How findings are printed: for people, as JSON, or as annotations of a GitHub workflow.",
        ),
    ] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON; the same as --format json.")] = False,
) -> None:
    """Judge a bundle on disk, and list what is undecided and what was edited since it was generated."""
    from devops_tasks.judge import Judgement, annotation_lines, judge_folder, verdict_json, verdict_lines

    as_json = as_json or form == "json"
    with _in_json(verdict_json(Judgement(str(folder), [], [], [], [])) if as_json else None):
        if form not in {"text", "json", "github"}:
            raise UserError(Problem("--format", f"there is no {form!r}", "write text, json or github", "usage"))
        judgement = judge_folder(folder)
    if as_json:
        _print_json(verdict_json(judgement))
    else:
        for line in (annotation_lines if form == "github" else verdict_lines)(judgement):
            print(shown(line))
    print(judgement.summary, file=sys.stderr)
    raise typer.Exit(int(bool(judgement.problems)))


@app.command()
def status(
    place: Annotated[
        Path,
        typer.Argument(
            metavar="[DIR]",
            parser=_folder,
            help="A bundle's folder, a document, or a folder with several bundles; the present one by default.",
        ),
    ] = Path(),
    today: Annotated[str, typer.Option(metavar="DATE", help="The day to count from; today by default.")] = "",
    as_json: Json = False,
) -> None:
    """Tell how far a sprint's tasks are, as their tasks.md says.

    It reads the document of a bundle, or one that was filled in by hand: points and tasks by priority, checklists, who
    waits for whom, and what nobody has decided. Of several documents in a tree it prints a table.
    """
    from datetime import UTC, date, datetime

    from devops_tasks.progress import read_status, status_json, status_lines

    with _in_json({"documents": []} if as_json else None):
        _date(today)
        day = date.fromisoformat(today) if today else datetime.now(UTC).astimezone().date()
        found = read_status(place)
    if as_json:
        _print_json(status_json(found.documents, day), UserError(*found.problems))
    else:
        for line in status_lines(found.documents, day, _style()):
            print(line)
        refuse(UserError(*found.problems))
    raise typer.Exit(2 if found.problems else 0)


@app.command()
def readout(
    folder: Annotated[
        Path,
        typer.Argument(metavar="[DIR]", parser=_folder, help="The bundle's folder; the present one by default."),
    ] = Path(),
    control: Annotated[
        str,
        typer.Option(
            metavar="N/X|N:M:S", help="What was counted in control: units/successes, or units:mean:deviation."
        ),
    ] = "",
    treatment: Annotated[str, typer.Option(metavar="N/X|N:M:S", help="The same in treatment.")] = "",
    table: Annotated[
        Path | None,
        typer.Option("--csv", parser=_file, help="Both from a file: arm,units,successes or arm,units,mean,deviation."),
    ] = None,
    started: Annotated[
        str, typer.Option(metavar="DATE", help="When the first unit was assigned; the sprint's first day by default.")
    ] = "",
    today: Annotated[str, typer.Option(metavar="DATE", help="The day of the readout; today by default.")] = "",
    guardrails: Annotated[
        list[str] | None,
        typer.Option(
            "--guardrail",
            metavar="NAME=N/X,N/X",
            help="Requests/bad ones of a guardrail, in control and in treatment. Repeat it for each.",
        ),
    ] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Look at any time, as often as you like, with wider intervals.")
    ] = False,
    log: Annotated[bool, typer.Option("--log", help="Write the result into the learning log of tasks.md.")] = False,
    as_json: Json = False,
) -> None:
    """Judge what an experiment has counted: its effect, and what that means for the hypothesis.

    Before the planned date it refuses, unless --sequential makes every look hold: a result that is looked at each day
    is wrong far more often than it says.
    """
    from datetime import UTC, date, datetime

    from devops_tasks.readout import Given, log_result, read_out, readout_json, readout_lines

    with _in_json(readout_json(None, str(folder)) if as_json else None):
        _date(today)
        _date(started, "--started")
        day = date.fromisoformat(today) if today else datetime.now(UTC).astimezone().date()
        begun = date.fromisoformat(started) if started else None
        counted = (control, treatment, table, tuple(guardrails or ()))
        result = read_out(folder, Given(*counted, begun, day, sequential=sequential))
        if log:
            result = log_result(folder, result)
    if as_json:
        _print_json(readout_json(result))
    else:
        for line in readout_lines(result):
            print(line)


@app.command("export")
def export_(
    to: Annotated[
        str,
        typer.Option(
            metavar="github|github-script|jira|linear|gitlab|csv|json",
            help="What to export to: GitHub as a plan in JSON or as a script for gh, others as the file they import.",
        ),
    ],
    place: Annotated[
        Path,
        typer.Argument(
            metavar="[DIR]", parser=_folder, help="A bundle's folder, or a document; the present folder by default."
        ),
    ] = Path(),
    link: Annotated[
        str, typer.Option(metavar="URL", help="Where others read the document; each issue links back to it.")
    ] = "",
) -> None:
    """Print the tasks of a tasks.md in the form that a tracker imports.

    Each issue carries a key, so that it is found again. Nothing is sent anywhere. The script for GitHub makes, once it
    is run, the issues that are not there yet.
    """
    from devops_tasks.progress import read_document
    from devops_tasks.tracker import TRACKERS, Source, export_document

    if to not in TRACKERS:
        what = f"there is no {to!r}"
        raise UserError(Problem("--to", what, f"write {', '.join(TRACKERS)}", "usage"))
    path, document = read_document(place)
    print(export_document(document, Source(str(path), link), to), end="")


def _style() -> "Style":
    """Find out what stdout can show."""
    from devops_tasks.progress import Style

    try:
        "█░".encode(sys.stdout.encoding or "ascii")
        unicode = True
    except UnicodeEncodeError:
        unicode = False
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return Style(unicode, sys.stdout.isatty() and not plain)


templates = typer.Typer(help="See the templates, and write a template pack.", no_args_is_help=True)
app.add_typer(templates, name="templates")
Pack = Annotated[Path, typer.Argument(metavar="DIR", parser=_folder, help="The pack's folder.")]
Lower = Annotated[
    list[Path] | None, typer.Option("--pack", metavar="DIR", parser=_folder, help="A pack below it; repeatable.")
]


@templates.command("list")
def list_templates(packs: Packs = None) -> None:
    """List every template with the layer that has it on top: the tool, or a pack."""
    from devops_tasks.packs.golden import rows

    for layer, path in rows(_renderer(), packs or []):
        print(shown(f"{layer:9} {path}"))


@templates.command("show")
def show_template(path: Annotated[str, typer.Argument(metavar="PATH", help="A path that list names.")]) -> None:
    """Print a template of the tool."""
    from devops_tasks.packs.golden import find

    print(find(_renderer(), path), end="")


@templates.command("eject")
def eject_templates(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Paths that list names.")],
    folder: Annotated[Path, typer.Option("--to", metavar="DIR", parser=_folder, help="The pack's folder.")],
) -> None:
    """Copy templates of the tool into a pack, to be changed there; a pack that is not there is begun."""
    from devops_tasks.packs.golden import eject

    for written in eject(_renderer(), paths, folder):
        print(shown(f"create    {written}"))


@templates.command("check")
def check_templates(folder: Pack, lower: Lower = None) -> None:
    """Find what is wrong with a pack without rendering it.

    Variables and templates that there are not, arithmetic, values printed without the filter of their language, paths.
    Exit code 1 with a finding.
    """
    from devops_tasks.packs.golden import check_pack

    raise typer.Exit(_found(check_pack(_renderer(), folder, lower or ())))


@templates.command("test")
def try_templates(
    folder: Pack,
    lower: Lower = None,
    update: Annotated[bool, typer.Option("--update", help="Write down what is made as what is expected.")] = False,
) -> None:
    """Render the specs in a pack's tests/ and compare what the pack adds and changes with expected/.

    Exit code 1 with a difference.
    """
    from devops_tasks.packs.golden import try_pack

    raise typer.Exit(_found(try_pack(_renderer(), folder, lower or (), update=update)))


def _found(problems: list[Problem]) -> int:
    for problem in problems:
        print(problem)
    return int(bool(problems))


def _date(today: str, option: str = "--today") -> None:
    from devops_tasks.units import parse_date

    try:
        if today:
            parse_date(today)
    except ValueError as error:
        raise UserError(Problem(option, f"expected {error}, found {today!r}", "", "usage")) from None


def _renderer() -> "Renderer":
    from devops_tasks.cache import cache_folder
    from devops_tasks.render import Renderer, templates_folder

    renderer = Renderer(templates_folder(), cache_folder())
    gc.freeze()  # what is loaded by now stays: the collector need not look at it for each of many bundles
    return renderer


def _bundles(*reports: "Report") -> dict[str, Any]:
    return {"bundles": [_plain_report(report) for report in reports]}


def _plain_report(report: "Report") -> dict[str, Any]:
    changes = [
        {
            "path": change.path,
            "action": change.action,
            "note": change.note or None,
            "conflicts": [place._asdict() for place in change.conflicts],
        }
        for change in report.changes
    ]
    return {"folder": report.folder, "changes": changes}


def _outcome_code(outcome: "Report | UserError", *, check: bool) -> int:
    if isinstance(outcome, UserError):
        return _code(outcome)
    return int(outcome.differs if check else outcome.conflicts)


def _add_outcome(document: dict[str, list[Any]], outcome: "Report | UserError") -> None:
    if isinstance(outcome, UserError):
        document["errors"] += map(_plain, outcome.problems)
    else:
        document["bundles"].append(_plain_report(outcome))


def _print_outcome(outcome: "Report | UserError", *, diff: bool) -> None:
    if isinstance(outcome, UserError):
        refuse(outcome)
    else:
        _print_report(outcome, diff=diff)


def _print_report(report: "Report", *, diff: bool = False) -> None:
    lines = list(_differences(report) if diff else _actions(report))
    if lines:
        print("\n".join(lines))  # at once: a bundle has a hundred files
    _summary(report)


def _differences(report: "Report") -> Iterator[str]:
    from devops_tasks.merge import difference

    for change in report.changes:
        yield from difference(change)


def _actions(report: "Report") -> Iterator[str]:
    for change in report.changes:
        if change.action != "unchanged":
            told = f" ({change.note})" if change.note else ""
            yield shown(f"{change.action:9} {report.folder}/{change.path}{told}")


def _summary(report: "Report") -> None:
    counts: dict[str, int] = {}
    for change in report.changes:
        counts[change.action] = counts.get(change.action, 0) + 1
    told = ", ".join(f"{count} {action}" for action, count in sorted(counts.items()))
    print(shown(f"{report.folder}: {told}"), file=sys.stderr)
