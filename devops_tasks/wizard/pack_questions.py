"""What the template packs of a spec ask for, as screens; they come first, since the packs are known by then.

Loaded only where a pack may be named. Must not: asking, a limit or a word that is not the field's.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from devops_tasks.errors import KeyPath, UserError
from devops_tasks.fields import Field, Kind, Nested, Tree, shape_at, value_at
from devops_tasks.generate import pack_folders, with_defaults, with_packs
from devops_tasks.specfile import Source
from devops_tasks.wizard.questions import Option, Screen, help_of

_SECTION: KeyPath = ("pack_fields",)


def pack_screens(file: Path, answers: Tree, packs: Sequence[Path], *, needed: bool) -> Iterator[tuple[KeyPath, Screen]]:
    """Give a screen for each field that must be said, or has a question, and that nobody has said; or is ``needed``."""
    source = with_defaults(Source(str(file), answers, {}))
    source = with_packs(source, pack_folders(source, packs))
    if source.problems:
        raise UserError(*source.problems)
    section = shape_at(source.shape, _SECTION)
    for pack, group in section.record.fields.items() if isinstance(section, Nested) else ():
        fields = group.shape.record.fields if isinstance(group.shape, Nested) else {}
        for name, field in fields.items():
            path = (*_SECTION, pack, name)
            wanted = field.required or (bool(field.ask) and not needed)
            if wanted and isinstance(field.shape, Kind) and value_at(source.tree, path) is None:
                yield path, _screen(f"Template pack {pack}", field, field.shape)


def _screen(title: str, field: Field, kind: Kind[object]) -> Screen:
    default = field.default if isinstance(field.default, str) else ""
    options = tuple(Option(word, word) for word in kind.choices)
    if options and not default and not field.required:
        options = (*options, Option("", "not decided yet"))

    def judge(text: str) -> str:
        if not text:
            return f"expected {kind.expected}, not blank" if field.required else ""
        try:
            kind.parse(text)
        except ValueError as error:
            return f"expected {error}"
        return ""

    return Screen(title, field.question, help_of(field, kind, default), default, options, judge)
