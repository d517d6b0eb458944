"""What a pack says of itself, in ``pack.yaml``; read like a spec, by fields, with every fault at its line.

Must not: templates, trust.
"""

import re
from pathlib import Path
from typing import NamedTuple

from devops_tasks import __version__
from devops_tasks.errors import Problem, UserError
from devops_tasks.fields import Builder, Record, entries, key, matching, nested
from devops_tasks.packs import MANIFEST, Pack, read_pack
from devops_tasks.spec import SENTENCE, SETTING, SLUG, VERSION
from devops_tasks.specfile import parse_spec, refuse

_COMPARED = r"(?:>=|<=|==|>|<)\d+(?:\.\d+){0,2}"
_REQUIREMENT = matching(
    "requirement", "versions such as '>=0.1,<2', with commas between", rf"{_COMPARED}(?:,[ ]?{_COMPARED})*", 100
)


class Manifest(Record):
    """What a template pack is."""

    name: str = key(SLUG, "The pack's name", required=True, example="acme")
    version: str = key(VERSION, "The pack's version", required=True, example="1.0.0")
    about: str | None = key(SENTENCE, "What the pack is for")
    requires: str | None = key(_REQUIREMENT, "The versions of devops-tasks that the pack is made for")
    fields_: dict[str, str] | None = key(entries(SETTING, SENTENCE), "More keys of the spec", later=True)


class Layer(NamedTuple):
    """The templates of one pack, by path, and what the pack says of itself."""

    pack: Pack
    manifest: Manifest

    @property
    def name(self) -> str:
        """The name by which its templates are known."""
        return self.manifest.name


def open_layer(folder: Path) -> Layer:
    """Read a pack from its folder; raises ``UserError`` where it is none."""
    pack = read_pack(folder)
    return Layer(pack, read_manifest(pack))


def read_manifest(pack: Pack) -> Manifest:
    """Read what a pack says of itself; raises ``UserError`` with every fault, and where this version is not for it."""
    where = f"{pack.source}/{MANIFEST}"
    try:
        text = pack.files[MANIFEST].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(Problem(where, "no text in UTF-8", "save it as UTF-8", "not-utf8")) from None
    source = parse_spec(text, where)
    builder = Builder()
    manifest: Manifest = builder.build(nested(Manifest), source.tree)
    refuse(source, builder.faults)
    if source.problems:
        raise UserError(*source.problems)
    if manifest.requires and not fits(manifest.requires, __version__):
        what = f"is made for devops-tasks {manifest.requires}, and this is {__version__}"
        raise UserError(Problem(where, what, "use such a version of the tool, or another one of the pack", "newer"))
    return manifest


def fits(requirement: str, version: str) -> bool:
    """Say whether a version is one of those that a requirement such as ``>=0.1,<2`` names."""
    return all(_holds(each.strip(), _numbers(version)) for each in requirement.split(","))


def _holds(comparison: str, version: tuple[int, ...]) -> bool:
    sign, other = re.match(r"[<>=]+", comparison), _numbers(comparison)
    order = (version > other) - (version < other)
    return order in {">=": {0, 1}, "<=": {0, -1}, "==": {0}, ">": {1}, "<": {-1}}[sign[0] if sign else "=="]


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(number) for number in re.findall(r"\d+", version)[:3]]
    return (*numbers, *[0] * (3 - len(numbers)))
