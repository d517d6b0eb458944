"""The road from a spec to a bundle: read it first, everything else hangs on it.

Lives here: calling the rooms in turn. Must not: logic, printing, options.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from devops_tasks import __version__
from devops_tasks.checks import check_bundle
from devops_tasks.disk import (
    check_folder,
    finish_run,
    read_bundle,
    read_files,
    read_past,
    refuse_unfinished,
    write_changes,
)
from devops_tasks.errors import ConflictError, Problem, UserError
from devops_tasks.fields import Builder, Nested, value_at
from devops_tasks.lock import Lock, digest
from devops_tasks.merge import UNSETTLED, WRITES, Change, Past, Resolve, orphans_of, plan_changes
from devops_tasks.plan import Plan, plan_bundle
from devops_tasks.reading import nearest_above
from devops_tasks.render import DOCUMENT, Files, Renderer
from devops_tasks.runs import DEFAULTS, Options, Report, Taken, remember
from devops_tasks.spec import Spec
from devops_tasks.specfile import Loaded, Source, load_spec, override, read_spec

_CITED = 60
"""How many letters of each side a conflict is told with."""


class Bundle(NamedTuple):
    """A bundle in memory, and the spec that it was made from.

    ``orphans`` are the texts of last time of edited files that the spec no longer makes.
    """

    loaded: Loaded
    files: Files
    today: str
    orphans: Mapping[str, str] = {}
    packs: tuple[dict[str, Any], ...] = ()


def render_bundle(renderer: Renderer, loaded: Loaded, today: str = "") -> Bundle:
    """Make the bundle of a spec in memory."""
    return _rendered(renderer, loaded, today)[1]


def _rendered(renderer: Renderer, loaded: Loaded, today: str) -> tuple[Plan, Bundle]:
    plan = plan_bundle(loaded.spec, date.fromisoformat(today) if today else None)
    files = renderer.render(plan)
    problems = check_bundle(loaded.tree, plan, files)
    if problems and renderer.packs:
        raise UserError(*(problem._replace(code="pack-template") for problem in problems))
    if problems:
        msg = "the bundle contradicts itself:\n" + "\n".join(str(problem) for problem in problems)
        raise AssertionError(msg)
    return plan, Bundle(loaded, files, today, packs=renderer.packs)


def _digests(files: Mapping[str, str]) -> dict[str, str]:
    return {path: digest(text.encode()) for path, text in files.items()}


def plan_folder(
    renderer: Renderer, loaded: Loaded, folder: Path, today: str = "", resolve: Resolve = "refuse"
) -> tuple[Bundle, Report]:
    """Make a bundle and hold it against a folder, without writing.

    It carries the date of the last run, and ``today`` only when another byte changes too.
    """
    check_folder(folder)
    past = read_past(folder)
    _refuse_newer(folder, past)
    target = Target(folder, past, resolve)
    kept = past.lock.today if past else today
    planned = _planned(renderer, loaded, kept, target)
    if past is None or not today or today == kept or _digests(planned[0].files) == past.lock.files:
        return planned
    return _planned(renderer, loaded, today, target)


class Target(NamedTuple):
    """Where a bundle goes, what was generated there last time, and what to do about conflicts."""

    folder: Path
    past: Past | None
    resolve: Resolve


def _planned(renderer: Renderer, loaded: Loaded, today: str, target: Target) -> tuple[Bundle, Report]:
    plan, bundle = _rendered(renderer, loaded, today)
    folder, past, resolve = target
    _refuse_spec(Path(loaded.source.where), folder, bundle.files)
    disk = read_files(folder, {**bundle.files, **(past.lock.files if past else {})})
    changes = plan_changes(disk, bundle.files, past, resolve)
    if past:
        bundle = bundle._replace(orphans=orphans_of(disk | _others(folder, past), bundle.files, past))
    edited = dict(_edited(bundle.files, changes))
    if edited:
        document = renderer.render_document(plan, bundle.files | edited, edited)
        bundle = bundle._replace(files=bundle.files | document)
        again = [change for change in plan_changes(disk, document, past, resolve) if change.path == DOCUMENT]
        changes = sorted([change for change in changes if change.path != DOCUMENT] + again)
    return bundle, Report(str(folder), changes)


def _others(folder: Path, past: Past) -> dict[str, bytes]:
    """Read the orphans of last time, as far as they are files; what else became of them is the person's."""
    found = read_bundle(folder, past.lock.orphans) if past.lock.orphans else {}
    return {path: content for path, content in found.items() if isinstance(content, bytes)}


def _edited(files: Files, changes: Iterable[Change]) -> Iterator[tuple[str, str]]:
    """Give the files that will not be on disk as they were generated: the document shows what is on disk."""
    for change in changes:
        final = change.new if change.action in WRITES else change.old
        if change.path != DOCUMENT and change.path in files and final is not None:
            text = final.decode("utf-8", "replace")
            if text != files[change.path]:
                yield change.path, text


def _refuse_newer(folder: Path, past: Past | None) -> None:
    """Refuse a bundle that a newer version made: this one may not know what is in it; raises ``UserError``."""
    if past and _version(past.lock.version) > _version(__version__):
        what = f"was made by version {past.lock.version}, and this is {__version__}"
        raise UserError(Problem(str(folder), what, "use that version, or a newer one", "newer"))


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def _refuse_spec(spec: Path, folder: Path, files: Files) -> None:
    """Refuse a spec that stands where a file of its bundle goes, and would be written over with ``--force``."""
    for path in files:
        if path.rpartition("/")[2] == spec.name and (folder / path).resolve() == spec.resolve():
            mend = "give it another name, or name another folder with -o"
            raise UserError(Problem(str(spec), "has the name of a file of its bundle", mend, "in-the-way"))


def write_folder(bundle: Bundle, report: Report) -> Report:
    """Write a planned bundle; where nobody settled a conflict, nothing, and raises ``ConflictError`` that names all."""
    problems = [
        problem for change in report.changes if change.action == "conflict" for problem in _told(report.folder, change)
    ]
    if problems:
        raise ConflictError(*problems)
    orphans = bundle.orphans
    made, kept = _digests(bundle.files), _digests(orphans)
    lock = Lock(__version__, bundle.today, bundle.loaded.tree, made, kept, bundle.packs)
    write_changes(Path(report.folder), report.changes, lock, {**bundle.files, **orphans})
    return report


def _told(folder: str, change: Change) -> Iterator[Problem]:
    """Say of each place of a conflict what stands on both sides."""
    at = str(Path(folder, change.path))
    if not change.conflicts:
        aside = "settle them" if change.note == UNSETTLED else "move it aside"
        mend = f"{aside}; or take --conflict=ours to keep it, --conflict=theirs to have it written over"
        yield Problem(at, change.note, mend, "conflict")
    for place in change.conflicts:
        mend = "change it to what is right; or take --conflict=markers, ours (yours) or theirs (the spec's)"
        what = f"you have {_quoted(place.disk)}, and the spec now makes it {_quoted(place.new)}"
        if place.disk == place.new:
            what = "your lines and the spec's fit together, and would not mean what either of them says"
        yield Problem(at, what, mend, "conflict", place.line, 1 if place.line else 0, place.where)


def _quoted(text: str) -> str:
    """Cite a side of a conflict, in one line and not at length."""
    first = " / ".join(line.strip() for line in text.splitlines() if line.strip())
    return f'"{first[:_CITED]}{"..." if len(first) > _CITED else ""}"' if first else "nothing"


def with_defaults(source: Source, at: Path | None = None) -> Source:
    """Lay a spec over the defaults that it extends, or that were found above it; ``at`` says where it will stand."""
    at = at or Path(source.where)
    near = "" if at.name == DEFAULTS else nearest_above(at, DEFAULTS)
    if not near and not (isinstance(source.tree, dict) and "extends" in source.tree):
        return source
    from devops_tasks.inherit import inherit  # which most specs do not need

    return inherit(source, near, at)


def generate_each(renderer: Renderer, specs: Sequence[Path], options: Options) -> Iterator[Report | UserError]:
    """Make the bundle of each spec in turn; a bad spec fails alone, so its error is given and not raised."""
    taken: set[Path] = set()
    layered: dict[tuple[tuple[str, str], ...], Renderer] = {(): renderer}
    for spec in specs:
        try:
            source = with_defaults(override(read_spec(spec), options.assignments))
            folders = pack_folders(source, options.packs)
            loaded = load_spec(with_packs(source, folders))
            folder = folder_of(loaded, options.output, several=len(specs) > 1)
            _refuse_taken(folder, spec, taken)
            taken.add(folder)
            packs = tuple((layer.pack.source, layer.pack.digest) for layer in loaded.source.packs)
            if packs not in layered:
                layered[packs] = layer_packs(renderer, loaded, trust=options.trust)
            report = _generate(layered[packs], loaded, folder, options)
        except UserError as error:
            yield error
        else:
            digests = {str(folder): digest for folder, (_, digest) in zip(folders, packs, strict=True)}
            remember(specs, options, report, Taken(loaded.source.layers, digests))
            yield report


def pack_folders(source: Source, more: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Name the folders of a spec's packs, the lowest first, from the file that names them; ``more`` are above."""
    named = value_at(source.tree, ("pack",))
    names = Builder().build(Spec.fields["pack"].shape, named) if named else ()
    place = source.places.get(("pack",))
    written = place.where if place and place.where in source.layers else source.where
    return (*(Path(written).parent / name for name in names or () if name), *more)


def with_packs(source: Source, folders: Sequence[Path] | None = None) -> Source:
    """Read the packs of a spec, whose fields it has from then on; what is wrong with one is told with all else.

    ``folders`` are those of :func:`pack_folders`, where there are more.
    """
    folders = pack_folders(source) if folders is None else folders
    if not folders:
        return source
    from devops_tasks.packs.manifest import read_packs

    return read_packs(source, folders)


def shape_of(spec: Path | None, more: Sequence[Path]) -> Nested[Any]:
    """Say what a spec may say, with the fields of its packs; raises ``UserError`` where one of them cannot be read."""
    source = with_defaults(read_spec(spec)) if spec else Source("", {}, {})
    source = with_packs(source, pack_folders(source, more))
    if source.problems:
        raise UserError(*source.problems)
    return source.shape


def layer_packs(renderer: Renderer, loaded: Loaded, *, trust: bool) -> Renderer:
    """Put the packs of a spec above the built-in templates; without one nothing of it is loaded."""
    if not loaded.source.packs:
        return renderer
    from devops_tasks.packs.layers import add_packs

    return add_packs(renderer, loaded.source.packs, trust=trust)


def _generate(renderer: Renderer, loaded: Loaded, folder: Path, options: Options) -> Report:
    check_folder(folder)
    (finish_run if options.write else refuse_unfinished)(folder)
    bundle, report = plan_folder(renderer, loaded, folder, options.today, options.resolve)
    return write_folder(bundle, report) if options.write else report


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
