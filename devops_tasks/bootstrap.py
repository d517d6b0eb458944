"""What is written once, and only where nothing is yet: a new spec, and the folder of a new feature.

Lives here: the way from answers to a spec's file, and from a spec to a feature's folder, all or nothing.
Must not: asking, overwriting, printing.
"""

import json
import shutil
import tempfile
from datetime import date
from pathlib import Path

from devops_tasks import lock as locks
from devops_tasks.disk import check_folder
from devops_tasks.errors import ConflictError, Fault, Problem, UserError
from devops_tasks.fields import Tree
from devops_tasks.generate import Bundle, layer_packs, pack_folders, render_bundle, with_defaults, write_folder
from devops_tasks.merge import Change, plan_changes
from devops_tasks.plan import plan_bundle
from devops_tasks.reading import reason
from devops_tasks.render import Files, Renderer
from devops_tasks.runs import Report
from devops_tasks.schema import spec_schema
from devops_tasks.spec import Documents
from devops_tasks.specedit import edit_text
from devops_tasks.specfile import Loaded, Source, load_spec, parse_spec, refuse
from devops_tasks.spectext import essential, ordered, remarks, spec_text

SPEC_NAME = "devops-tasks.yaml"
SCHEMA_PATH = f"{locks.FOLDER}/schema.json"
"""Where the schema of a spec lies, seen from the spec: its editor finds it without a network, in the right version."""

_INNER = "devops"
_TEMPLATES = "_new"


def write_spec(path: Path, base: bytes, tree: Tree) -> tuple[str, Loaded]:
    """Write answers into a spec, and say what was done: a new one, or one that held ``base`` and keeps its comments."""
    return ("update", _change_spec(path, base, tree)) if base else ("create", _create_spec(path, tree))


def _create_spec(path: Path, tree: Tree) -> Loaded:
    """Write a new spec, and its schema for editors; raises ``UserError`` where it cannot be written."""
    inherits = bool(with_defaults(Source(str(path), tree, {})).layers)
    kept = ordered(tree) if inherits else essential(tree)  # a default of ours may be none of theirs
    text = spec_text(kept, SCHEMA_PATH, remarks(kept))
    schema = path.parent / SCHEMA_PATH
    try:
        schema.parent.mkdir(parents=True, exist_ok=True)
        schema.write_text(_schema_text(), "utf-8")
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(_unwritable(path, error)) from None
    return load_spec(with_defaults(parse_spec(text, str(path))))


def _change_spec(path: Path, base: bytes, tree: Tree) -> Loaded:
    """Write other answers into a spec that is there; its comments and its order stay.

    Raises ``UserError`` where that cannot be done, and ``ConflictError`` where the file is no longer what it was.
    """
    text = edit_text(base.decode("utf-8-sig"), tree, str(path))
    loaded = load_spec(with_defaults(parse_spec(text, str(path))))
    if path.read_bytes() != base:
        raise ConflictError(Problem(str(path), "changed while this ran", "run it again", "conflict"))
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
        shutil.copymode(path, temporary)
        temporary.replace(path)
    except OSError as error:
        raise UserError(_unwritable(path, error)) from None
    return loaded


def _schema_text() -> str:
    return json.dumps(spec_schema(), indent=1, ensure_ascii=False) + "\n"


def _unwritable(path: Path, error: OSError) -> Problem:
    return Problem(str(path), f"cannot be written: {reason(error)}", "name another place", "unwritable")


def check_empty(folder: Path) -> None:
    """Refuse a feature's folder that is no folder, or has something in it; raises ``UserError``."""
    check_folder(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(Problem(str(folder), "is not empty", "name a new folder", "exists"))


def create_feature(renderer: Renderer, source: Source, folder: Path, today: str = "", *, trust: bool = False) -> Report:
    """Make a feature's folder: its three documents, the spec as it stands, and the bundle beside it.

    All is rendered first and written beside the folder, then put in place. Raises ``UserError`` where the spec has a
    fault, or the folder is not empty or cannot be written; then nothing is there that was not there before.
    """
    check_empty(folder)
    source = with_defaults(source, folder / _INNER / SPEC_NAME)  # where it will be read from then on
    loaded = load_spec(source)
    _check_paths(source, loaded)
    renderer = layer_packs(renderer, pack_folders(loaded), trust=trust)
    bundle = render_bundle(renderer, loaded, today)
    plan = plan_bundle(bundle.loaded.spec, date.fromisoformat(today) if today else None)
    documents = renderer.render_folder(_TEMPLATES, plan)
    spec = Path(source.where).read_bytes()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".devops-tasks-new-", dir=_beside(folder)) as temporary:
            staged = Path(temporary, "feature")
            _write(staged, documents, spec)
            _write_bundle(bundle, staged / _INNER, folder)
            (staged / _INNER / SCHEMA_PATH).write_text(_schema_text(), "utf-8")
            _place(staged, folder)
    except OSError as error:
        raise UserError(_unwritable(folder, error)) from None
    return _report(folder, documents, spec, bundle)


def _check_paths(source: Source, loaded: Loaded) -> None:
    """Refuse documents elsewhere: they are made where the defaults say, and other links would lead to nowhere.

    Packs that the spec itself names would be looked for from where it is copied to; those of its defaults stay.
    """
    mend = "leave the key out: the document is written by this command"
    faults = [
        Fault(("documents", name), f"a new feature has this document at {field.default}", mend, "document")
        for name, field in Documents.fields.items()
        if getattr(loaded.spec.documents, name) != field.default
    ]
    if loaded.spec.pack and source.places[("pack",)].where not in source.layers:
        mend = "leave the key out; write it into the new spec, and generate"
        faults.append(Fault(("pack",), "the spec is copied to where this path leads elsewhere", mend, "pack"))
    refuse(source, faults)


def _beside(folder: Path) -> Path:
    """Choose where a folder is prepared: on the same file system, so that renaming is enough."""
    return folder if folder.is_dir() else folder.parent


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


def _place(staged: Path, folder: Path) -> None:
    """Put the prepared folder in its place, or its content where the folder is there (and perhaps somebody's own)."""
    if not folder.is_dir():
        staged.rename(folder)
        return
    placed: list[Path] = []
    try:
        for child in sorted(staged.iterdir()):
            target = folder / child.name
            child.rename(target)
            placed.append(target)
    except BaseException:
        for child in placed:
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        raise


def _report(folder: Path, documents: Files, spec: bytes, bundle: Bundle) -> Report:
    made = {path: text.encode() for path, text in documents.items()} | {f"{_INNER}/{SPEC_NAME}": spec}
    made |= {f"{_INNER}/{path}": text.encode() for path, text in bundle.files.items()}
    return Report(str(folder), [Change(path, "create", None, made[path]) for path in sorted(made)])
