"""The road from a spec to a bundle: read it first, everything else hangs on it.

Lives here: calling the rooms in turn. Must not: logic, printing, options.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from devops_tasks import __version__
from devops_tasks.checks import check_bundle
from devops_tasks.disk import check_folder, read_files, read_lock, write_changes
from devops_tasks.errors import ConflictError, Problem, UserError
from devops_tasks.lock import Lock, digest
from devops_tasks.merge import Change, force, plan_changes
from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files, Renderer
from devops_tasks.specfile import Loaded, load_spec, override, read_spec


class Bundle(NamedTuple):
    """A bundle in memory, and the spec that it was made from."""

    loaded: Loaded
    files: Files
    today: str


class Report(NamedTuple):
    """What a run did, or would do, to one folder."""

    folder: str
    changes: list[Change]

    @property
    def conflicts(self) -> bool:
        """Whether somebody edited what would be written over."""
        return any(change.action == "conflict" for change in self.changes)

    @property
    def differs(self) -> bool:
        """Whether anything on disk is not as it would be."""
        return any(change.action != "unchanged" for change in self.changes)


def render_bundle(renderer: Renderer, loaded: Loaded, today: str = "") -> Bundle:
    """Make the bundle of a spec in memory."""
    plan = plan_bundle(loaded.spec, date.fromisoformat(today) if today else None)
    files = renderer.render(plan)
    problems = check_bundle(loaded.tree, plan, files)
    if problems:
        msg = "the bundle contradicts itself:\n" + "\n".join(str(problem) for problem in problems)
        raise AssertionError(msg)
    return Bundle(loaded, files, today)


def dated_bundle(renderer: Renderer, loaded: Loaded, last: Lock | None, today: str = "") -> Bundle:
    """Make the bundle under the date of the last run, and under ``today`` only when another byte changes too."""
    kept = last.today if last else today
    bundle = render_bundle(renderer, loaded, kept)
    if last is None or not today or today == kept or _digests(bundle.files) == last.files:
        return bundle
    return render_bundle(renderer, loaded, today)


def _digests(files: Mapping[str, str]) -> dict[str, str]:
    return {path: digest(text.encode()) for path, text in files.items()}


def plan_folder(renderer: Renderer, loaded: Loaded, folder: Path, today: str = "") -> tuple[Bundle, Report]:
    """Make a bundle and hold it against a folder, without writing."""
    check_folder(folder)
    last = read_lock(folder)
    bundle = dated_bundle(renderer, loaded, last, today)
    _refuse_spec(Path(loaded.source.where), folder, bundle.files)
    disk = read_files(folder, {**bundle.files, **(last.files if last else {})})
    return bundle, Report(str(folder), plan_changes(disk, bundle.files, last))


def _refuse_spec(spec: Path, folder: Path, files: Files) -> None:
    """Refuse a spec that stands where a file of its bundle goes, and would be written over with ``--force``."""
    for path in files:
        if path.rpartition("/")[2] == spec.name and (folder / path).resolve() == spec.resolve():
            mend = "give it another name, or name another folder with -o"
            raise UserError(Problem(str(spec), "has the name of a file of its bundle", mend, "in-the-way"))


def write_folder(bundle: Bundle, report: Report, *, overwrite: bool = False) -> Report:
    """Write a planned bundle; raises ``ConflictError`` naming every edited file, and writes nothing, unless told to."""
    changes = force(report.changes) if overwrite else report.changes
    conflicts = [change.path for change in changes if change.action == "conflict"]
    if conflicts:
        mend = "keep your edit by moving it aside, or write over it with --force"
        places = [str(Path(report.folder, path)) for path in conflicts]
        raise ConflictError(*(Problem(at, "differs from what was generated", mend, "conflict") for at in places))
    lock = Lock(__version__, bundle.today, bundle.loaded.tree, _digests(bundle.files))
    write_changes(Path(report.folder), changes, lock)
    return report._replace(changes=changes)


class Options(NamedTuple):
    """What a run was asked for besides its specs."""

    output: Path | None = None
    assignments: tuple[str, ...] = ()
    today: str = ""
    write: bool = True
    overwrite: bool = False


def generate_each(renderer: Renderer, specs: Sequence[Path], options: Options) -> Iterator[Report | UserError]:
    """Make the bundle of each spec in turn; a bad spec fails alone, so its error is given and not raised."""
    taken: set[Path] = set()
    for spec in specs:
        try:
            loaded = load_spec(override(read_spec(spec), options.assignments))
            folder = folder_of(loaded, options.output, several=len(specs) > 1)
            _refuse_taken(folder, spec, taken)
            taken.add(folder)
            outcome: Report | UserError = _generate(renderer, loaded, folder, options)
        except UserError as error:
            outcome = error
        yield outcome


def _generate(renderer: Renderer, loaded: Loaded, folder: Path, options: Options) -> Report:
    bundle, report = plan_folder(renderer, loaded, folder, options.today)
    return write_folder(bundle, report, overwrite=options.overwrite) if options.write else report


def _refuse_taken(folder: Path, spec: Path, taken: set[Path]) -> None:
    if folder in taken:
        what = f"another spec of this run has the same slug, so both would be written to {folder}"
        raise UserError(Problem(str(spec), what, "give one of them another feature.slug", "duplicate-name"))


def folder_of(loaded: Loaded, output: Path | None, *, several: bool) -> Path:
    """Choose where a bundle goes: the spec's own folder, ``output``, or a folder per slug in it.

    Raises ``UserError`` where several specs have no output folder.
    """
    if not several:
        return output or Path(loaded.source.where).parent
    if output is None:
        raise UserError(Problem("generate", "several specs need an output folder", "name it with -o", "usage"))
    return output / loaded.spec.feature.slug
