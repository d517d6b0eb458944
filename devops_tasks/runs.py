"""A run of ``generate``: what it was asked for, what came of it, and the memory of one that found nothing to do.

Such a run need not be made again while nothing that it went by has changed: the program, the spec, what was asked, and
every file in the folder. Lives here: naming a run after all of that. Must not: rendering, writing a bundle.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import devops_tasks
from devops_tasks import lock as locks
from devops_tasks.cache import cache_folder, cache_key, read_cached, write_cached
from devops_tasks.disk import check_folder, is_unfinished, read_files
from devops_tasks.errors import UserError
from devops_tasks.merge import QUIET, Change, Resolve
from devops_tasks.reading import nearest_above, read_regular

DEFAULTS = ".devops-tasks.yaml"
"""The file of defaults that specs below its folder take without naming it."""

_MOST_BYTES = 1_000_000
"""Of a spec; a larger one is read by the run itself."""


class Options(NamedTuple):
    """What a run was asked for besides its specs."""

    output: Path | None = None
    assignments: tuple[str, ...] = ()
    today: str = ""
    write: bool = True
    resolve: Resolve = "refuse"
    packs: tuple[Path, ...] = ()
    trust: bool = False


class Report(NamedTuple):
    """What a run did, or would do, to one folder."""

    folder: str
    changes: list[Change]

    @property
    def conflicts(self) -> bool:
        """Whether somebody edited what the spec changed, and nobody has said which is right."""
        return any(change.is_conflict for change in self.changes)

    @property
    def differs(self) -> bool:
        """Whether a run that writes would change anything on disk."""
        return any(change.action not in QUIET for change in self.changes)


def recall(specs: Sequence[Path], options: Options) -> Report | None:
    """Give what a run found before, where it found nothing to do and would find the same; else None."""
    cache, key = _place(specs, options)
    kept = read_cached(cache, key) if cache and key else None
    if kept is None:
        return None
    layers, packs, rows = json.loads(kept)
    if dict(_digests(layers)) != layers or not all(_is_same(*pack) for pack in packs.items()):
        return None
    changes = [Change(path, action, None, None, note) for path, action, note in rows]
    return Report(str(_folder(specs, options)), changes)


class Taken(NamedTuple):
    """What else took part in a run: files of defaults, and template packs by folder, each with its digest."""

    layers: Iterable[str] = ()
    packs: Mapping[str, str] = {}


def remember(specs: Sequence[Path], options: Options, report: Report, taken: Taken) -> None:
    """Keep what a run found, where it found nothing to do."""
    if report.differs or any(change.conflicts for change in report.changes):
        return
    cache, key = _place(specs, options)
    if cache and key:
        rows = [(change.path, change.action, change.note) for change in report.changes]
        known = [dict(_digests(taken.layers)), dict(taken.packs), rows]
        write_cached(cache, key, json.dumps(known).encode())


def _digests(layers: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name what is in each file of defaults; the spec alone does not tell which they are."""
    for layer in layers:
        try:
            yield layer, locks.digest(read_regular(layer, _MOST_BYTES))
        except (UserError, OSError):
            yield layer, ""


def _is_same(folder: str, digest: str) -> bool:
    """Say whether a template pack is, to the byte, what the run has rendered with."""
    from devops_tasks.packs import read_pack

    try:
        return read_pack(Path(folder)).digest == digest
    except UserError:
        return False


def _folder(specs: Sequence[Path], options: Options) -> Path:
    return options.output or specs[0].parent


def _place(specs: Sequence[Path], options: Options) -> tuple[Path | None, str]:
    """Find the cache, and name the run of one spec; the name is empty where something is not as it should be.

    Of several specs each would have to be read to know its folder.
    """
    cache = cache_folder() if len(specs) == 1 else None
    if not cache:
        return None, ""
    try:
        spec = read_regular(specs[0], _MOST_BYTES)
        found = dict(_found(_folder(specs, options)))
    except (UserError, OSError):
        return None, ""
    near = nearest_above(specs[0], DEFAULTS)  # one that is new there is nearer than one that took part
    asked = json.dumps([str(Path.cwd()), str(specs[0]), near, *map(str, options)])
    parts = (part for row in found.items() for part in row)
    return cache, cache_key("run", *_program(), asked, spec, *parts) if found else ""


def _found(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give all that a run into a folder goes by; nothing where no whole bundle is there."""
    check_folder(folder)
    if is_unfinished(folder):
        return
    record = read_files(folder, [locks.PATH, locks.BASE])
    if record.keys() == {locks.PATH, locks.BASE}:
        yield from record.items()
        lock = locks.parse_lock(record[locks.PATH].decode("utf-8", "replace"), locks.PATH)
        yield from read_files(folder, lock.files).items()


def _program() -> Iterator[str]:
    """Name the program: its version, each of its files, and the folders in which libraries are installed."""
    yield devops_tasks.__version__
    package = Path(devops_tasks.__file__).parent
    places = [str(place) for place in (package, package.parent / "templates")]
    files = (f"{place}/{name}" for folder in places for place, _, names in os.walk(folder) for name in names)
    libraries = (place for place in sys.path if place.endswith("-packages") and os.path.isdir(place))
    for path in sorted((*files, *libraries)):
        if not path.endswith(".pyc"):
            status = os.stat(path)
            yield f"{path}:{status.st_size}:{status.st_mtime_ns}"
