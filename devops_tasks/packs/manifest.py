"""What a pack says of itself, in ``pack.yaml``; read like a spec, by fields, with every fault at its line.

Must not: templates, trust.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from devops_tasks import __version__
from devops_tasks.errors import Fault, KeyPath, Problem, UserError
from devops_tasks.fields import UNREAD, Builder, Nested, Record, Tree, key, matching, nested, prune, shorten, value_at
from devops_tasks.packs import MANIFEST, Pack, read_pack
from devops_tasks.packs.fields import FIELDS, SECTION, PackField, field_faults, with_fields
from devops_tasks.spec import SENTENCE, SLUG, VERSION
from devops_tasks.specfile import Source, locate, parse_spec, refuse

BUILTIN = "builtin"
BELOW = "below"
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
    fields_: tuple[PackField, ...] | None = key(FIELDS, "The keys that the pack adds to the spec")


class Layer(NamedTuple):
    """The templates of one pack, by path, and what the pack says of itself."""

    pack: Pack
    manifest: Manifest
    fields: list[Tree]
    """The keys that it adds to the spec, as they are written: a list without fault."""

    @property
    def name(self) -> str:
        """The name by which its templates are known."""
        return self.manifest.name


def open_layer(folder: Path) -> Layer:
    """Read a pack from its folder; raises ``UserError`` where it is none."""
    pack = read_pack(folder)
    source, manifest = _read_manifest(pack)
    return Layer(pack, manifest, prune(source.tree["fields"]) if manifest.fields_ else [])


def read_packs(source: Source, folders: Sequence[Path]) -> Source:
    """Read the packs of a spec, and give the spec the shape with their fields.

    What is wrong with a pack is told with the spec's own faults, and leaves its fields unread.
    """
    try:
        layers = tuple(map(open_layer, folders))
        refuse_same_names(layers)
    except UserError as error:
        tree = {**source.tree, SECTION: UNREAD} if isinstance(source.tree, dict) else source.tree
        problems = (_at_key(source, folders, problem) for problem in error.problems)
        return source._replace(tree=tree, problems=(*source.problems, *problems))
    return source._replace(shape=shape_with(layers), packs=layers)


def _at_key(source: Source, folders: Sequence[Path], problem: Problem) -> Problem:
    """Tell at its key what is wrong with a whole folder that a spec or its defaults name."""
    named = value_at(source.tree, ("pack",))
    keys: list[KeyPath] = [("pack", index) for index in range(len(named))] if isinstance(named, list) else [("pack",)]
    for path, folder in zip(keys if named else [], folders, strict=False):
        if problem.where == str(folder):
            what = f"{shorten(str(value_at(source.tree, path)))}: {problem.what}"
            return locate(source, Fault(path, what, problem.mend, problem.code))
    return problem


def shape_with(layers: Sequence[Layer]) -> Nested[Any]:
    """Give the shape of a spec that takes some packs."""
    return with_fields({layer.name: layer.fields for layer in layers})


def refuse_same_names(layers: Sequence[Layer]) -> None:
    """Refuse a pack whose name means another layer already: templates and fields are known by it."""
    names = {BUILTIN, BELOW}
    for layer in layers:
        if layer.name in names:
            what = f"the name {layer.name} is taken"
            raise UserError(Problem(layer.pack.source, what, "take another one", "pack"))
        names.add(layer.name)


def _read_manifest(pack: Pack) -> tuple[Source, Manifest]:
    """Read what a pack says of itself; raises ``UserError`` with every fault, and where this version is not for it."""
    where = f"{pack.source}/{MANIFEST}"
    try:
        text = pack.files[MANIFEST].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(Problem(where, "no text in UTF-8", "save it as UTF-8", "not-utf8")) from None
    source = parse_spec(text, where)
    builder = Builder()
    manifest: Manifest = builder.build(nested(Manifest), source.tree)
    refuse(source, builder.faults or [*field_faults(manifest.fields_ or ())])
    if source.problems:
        raise UserError(*source.problems)
    if manifest.requires and not fits(manifest.requires, __version__):
        what = f"is made for devops-tasks {manifest.requires}, and this is {__version__}"
        raise UserError(Problem(where, what, "use such a version of the tool, or another one of the pack", "newer"))
    return source, manifest


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
