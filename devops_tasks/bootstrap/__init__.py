"""What is written once, and only where nothing is yet: a new spec, and the folder of a new feature.

Lives here: the way from answers to a spec's file, and from a spec to a feature's folder, all or nothing.
Must not: asking, overwriting, printing.
"""

import json
import os
import shlex
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from devops_tasks import lock as locks
from devops_tasks.bootstrap.staging import prepared, settle
from devops_tasks.disk import check_folder
from devops_tasks.errors import ConflictError, Fault, Problem, UserError
from devops_tasks.fields import Tree, prune
from devops_tasks.generate import (
    Bundle,
    layer_packs,
    pack_folders,
    render_bundle,
    with_defaults,
    with_packs,
    write_folder,
)
from devops_tasks.merge import Change, plan_changes
from devops_tasks.plan import plan_feature
from devops_tasks.reading import reason
from devops_tasks.render import Files, Renderer
from devops_tasks.runs import Report
from devops_tasks.schema import spec_schema
from devops_tasks.spec import Documents
from devops_tasks.specedit import edit_text
from devops_tasks.specfile import Loaded, Source, load_spec, override, parse_spec, read_spec, refuse
from devops_tasks.spectext import essential, ordered, remarks, spec_text

SPEC_NAME = "devops-tasks.yaml"
SCHEMA_PATH = f"{locks.FOLDER}/schema.json"
"""Where the schema of a spec lies, seen from the spec: its editor finds it without a network, in the right version."""

_INNER = "devops"
_TEMPLATES = "_new"


def write_spec(path: Path, base: bytes, tree: Tree) -> tuple[str, Loaded]:
    """Write answers into a spec, and say what was done: a new one, or one that held ``base`` and keeps its comments."""
    return ("update", _change_spec(path, base, tree)) if base else ("create", _create_spec(path, tree))


def load_answers(path: Path, tree: Tree) -> Loaded:
    """Load the spec of some answers before it is written; raises ``UserError`` with what is wrong with it."""
    return load_spec(with_packs(with_defaults(Source(str(path), tree, {}))))


def _create_spec(path: Path, tree: Tree) -> Loaded:
    """Write a new spec, and its schema for editors; raises ``UserError`` where it cannot be written."""
    text = _new_text(path, tree)
    source = with_packs(with_defaults(parse_spec(text, str(path))))
    schema = path.parent / SCHEMA_PATH
    try:
        schema.parent.mkdir(parents=True, exist_ok=True)
        schema.write_text(_schema_text(source), "utf-8")
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(_unwritable(path, error)) from None
    return load_spec(source)


def _new_text(path: Path, tree: Tree) -> str:
    inherits = bool(with_defaults(Source(str(path), tree, {})).layers)
    kept = ordered(tree) if inherits else essential(tree)  # a default of ours may be none of theirs
    return spec_text(kept, SCHEMA_PATH, remarks(kept))


def _change_spec(path: Path, base: bytes, tree: Tree) -> Loaded:
    """Write other answers into a spec that is there; its comments and its order stay.

    Raises ``UserError`` where that cannot be done, and ``ConflictError`` where the file is no longer what it was.
    """
    text = edit_text(base.decode("utf-8-sig"), tree, str(path))
    loaded = load_spec(with_packs(with_defaults(parse_spec(text, str(path)))))
    if path.read_bytes() != base:
        raise ConflictError(Problem(str(path), "changed while this ran", "run it again", "conflict"))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, "utf-8", newline="")
        shutil.copymode(path, temporary)
        temporary.replace(path)
    except OSError as error:
        raise UserError(_unwritable(path, error)) from None
    finally:
        temporary.unlink(missing_ok=True)
    return loaded


def _schema_text(source: Source) -> str:
    return json.dumps(spec_schema(source.shape), indent=1, ensure_ascii=False) + "\n"


def _unwritable(path: Path, error: OSError) -> Problem:
    return Problem(str(path), f"cannot be written: {reason(error)}", "name another place", "unwritable")


class Wanted(NamedTuple):
    """Where a feature goes, and what is made beside that which its spec says."""

    folder: Path
    today: str = ""
    packs: tuple[Path, ...] = ()
    trust: bool = False
    cookiecutter: Path | None = None
    """The folder of a team's own template, which is rendered beside the bundle."""

    @property
    def spec(self) -> Path:
        """Where the feature's spec will stand."""
        return self.folder / _INNER / SPEC_NAME

    @property
    def command(self) -> str:
        """Give the command that asks for a feature like this."""
        options = [word for pack in self.packs for word in ("--pack", str(pack))] + ["--trust"] * self.trust
        options += ["--cookiecutter", str(self.cookiecutter)] if self.cookiecutter else []
        return shlex.join(["devops-tasks", "new", str(self.folder), *options])


class Start(NamedTuple):
    """A spec as it is judged, with the places of its values, and the text that it has in its new place."""

    source: Source
    text: bytes


def start_from_file(path: Path, assignments: tuple[str, ...] = ()) -> Start:
    """Take a spec's file as it stands, or with other values written into it; its comments stay."""
    source = read_spec(path)
    text = path.read_bytes()
    if assignments:
        source = override(source, assignments)
        text = edit_text(text.decode("utf-8-sig"), prune(source.tree), str(path)).encode()
    return Start(source, text)


def start_from_answers(answers: Tree, wanted: Wanted) -> Start:
    """Write the spec of some answers."""
    text = _new_text(wanted.spec, answers)
    return Start(parse_spec(text, str(wanted.spec)), text.encode())


def check_empty(folder: Path) -> None:
    """Refuse a feature's folder that is no folder, or has something in it; raises ``UserError``."""
    check_folder(folder)
    if not folder.is_dir():
        return
    if settle(folder):
        what, mend = "was begun by a run that was stopped, and is whole now", "go on with devops-tasks generate"
        raise UserError(Problem(str(folder), what, mend, "exists"))
    if any(folder.iterdir()):
        raise UserError(Problem(str(folder), "is not empty", "name a new folder", "exists"))


def create_feature(renderer: Renderer, start: Start, wanted: Wanted) -> Report:
    """Make a feature's folder: its three documents, the spec as it stands, and the bundle beside it.

    All is rendered first and written beside the folder, then put in place. Raises ``UserError`` where the spec has a
    fault, or the folder is not empty or cannot be written; then nothing is there that was not there before.
    """
    folder = wanted.folder
    check_empty(folder)
    source = with_defaults(start.source, wanted.spec)  # where it will be read from then on
    loaded = load_spec(with_packs(source, _from_there(pack_folders(source, wanted.packs))))
    _check_paths(source, loaded, wanted.spec)
    renderer = layer_packs(renderer, loaded, trust=wanted.trust)
    bundle = render_bundle(renderer, loaded, wanted.today)
    documents = renderer.render_folder(_TEMPLATES, plan_feature(loaded.spec, _day(wanted.today)))
    try:
        with prepared(folder) as staged:
            _write(staged, documents, start.text)
            _write_bundle(bundle, staged / _INNER, folder)
            (staged / _INNER / SCHEMA_PATH).write_text(_schema_text(loaded.source), "utf-8")
            project = _add_project(wanted.cookiecutter, loaded, staged) if wanted.cookiecutter else []
    except OSError as error:
        raise UserError(_unwritable(folder, error)) from None
    report = _report(folder, documents, start.text, bundle)
    return report._replace(changes=sorted([*report.changes, *(Change(path, "create", None, None) for path in project)]))


def _add_project(template: Path, loaded: Loaded, staged: Path) -> list[str]:
    """Render a team's own template apart from the feature, and put what is right into it."""
    from devops_tasks.bootstrap.project import answers_of, render_project

    apart = staged.with_name("project")
    apart.mkdir()
    taken = [child.name for child in staged.iterdir()]
    paths = render_project(template, answers_of(loaded.tree), apart, taken)
    for child in apart.iterdir():
        child.rename(staged / child.name)
    return paths


def _from_there(folders: Sequence[Path]) -> list[Path]:
    """Find folders that are named from a folder to come; one that is a link itself stays one."""
    return [Path(os.path.realpath(folder.parent), folder.name) for folder in folders]


def _day(today: str) -> date | None:
    return date.fromisoformat(today) if today else None


def _check_paths(source: Source, loaded: Loaded, at: Path) -> None:
    """Refuse documents elsewhere: they are made where the defaults say, and other links would lead to nowhere.

    Packs that the spec itself names would be looked for from where it is copied to; those of its defaults stay.
    """
    mend = "leave the key out: the document is written by this command"
    faults = [
        Fault(("documents", name), f"a new feature has this document at {field.default}", mend, "document")
        for name, field in Documents.fields.items()
        if getattr(loaded.spec.documents, name) != field.default
    ]
    if source.where != str(at) and loaded.spec.pack and source.places[("pack",)].where not in source.layers:
        mend = "leave the key out; write it into the new spec, and generate"
        faults.append(Fault(("pack",), "the spec is copied to where this path leads elsewhere", mend, "pack"))
    refuse(source, faults)


def _write(folder: Path, documents: Files, spec: bytes) -> None:
    contents = {path: text.encode() for path, text in documents.items()} | {f"{_INNER}/{SPEC_NAME}": spec}
    for path, content in contents.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _write_bundle(bundle: Bundle, staged: Path, folder: Path) -> None:
    try:
        write_folder(bundle, Report(str(staged), plan_changes({}, bundle.files, None)))
    except UserError as error:
        # The folder beside it is gone when somebody reads this.
        raise UserError(*(problem._replace(where=str(folder)) for problem in error.problems)) from None


def _report(folder: Path, documents: Files, spec: bytes, bundle: Bundle) -> Report:
    made = {path: text.encode() for path, text in documents.items()} | {f"{_INNER}/{SPEC_NAME}": spec}
    made |= {f"{_INNER}/{path}": text.encode() for path, text in bundle.files.items()}
    return Report(str(folder), [Change(path, "create", None, made[path]) for path in sorted(made)])
