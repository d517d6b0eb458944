"""The keys that template packs add to a spec: what a pack says of each, and the shape of a spec that has them.

They stand in ``pack_fields``, below the name of their pack, so that no two packs can mean the same key. Their types are
those of the spec's own keys, and from the shape on nothing knows them apart. Must not: files, templates.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from devops_tasks.errors import Fault, KeyPath
from devops_tasks.fields import (
    BOOLEAN,
    MISSING,
    Builder,
    Field,
    Kind,
    Nested,
    Record,
    Tree,
    choice,
    integer,
    key,
    listing,
    matching,
    nested,
    one_or_more,
    record_of,
    shorten,
)
from devops_tasks.spec import (
    CIDR,
    DATE,
    FIELD_NAME,
    HOST,
    IMAGE,
    MAIL,
    MONEY,
    NAME,
    NUMBER,
    PARAGRAPH,
    RATE,
    REGION,
    SENTENCE,
    SHARE,
    SIZE,
    SPAN,
    SPEC,
    URL,
    VERSION,
    WORDS,
    Spec,
)

SECTION = "pack_fields"
_LARGEST = 10**9
_MOST = 50
_MOST_CHOICES = 20

TYPES: dict[str, tuple[Kind[Any], str]] = {
    "text": (WORDS, "as you like"),
    "lines": (PARAGRAPH, "as you like"),
    "integer": (integer(0, _LARGEST), "3"),
    "number": (NUMBER, "0.5"),
    "boolean": (BOOLEAN, "true"),
    "share": (SHARE, "5%"),
    "duration": (SPAN, "30d"),
    "size": (SIZE, "4Gi"),
    "money": (MONEY, "1000 USD"),
    "rate": (RATE, "100/min"),
    "date": (DATE, "2026-12-01"),
    "name": (NAME, "reporting"),
    "host": (HOST, "jump.example.com"),
    "cidr": (CIDR, "10.20.0.0/24"),
    "url": (URL, "https://example.com/page"),
    "mail": (MAIL, "team@example.com"),
    "image": (IMAGE, "registry.example.com/tool:1.0.0"),
    "region": (REGION, "eu-west-1"),
    "version": (VERSION, "16"),
}
"""The types of the spec's own keys that a pack can ask for, each with an example."""

CHOICE = "choice"
_WORD = matching(
    "word",
    "a word of lower-case letters, digits, '.', '_' and '-', starting with a letter",
    r"(?!(?:true|false|null)$)[a-z][a-z0-9._-]*",
    60,
)


class PackField(Record):
    """One key that a pack adds to the spec."""

    name: str = key(FIELD_NAME, "The key's name", required=True, example="jump_host")
    type: str = key(choice(*TYPES, CHOICE), "What its value is", required=True, example="host")
    choices: tuple[str, ...] | None = key(one_or_more(_WORD, most=_MOST_CHOICES), "The words of a choice")
    help: str = key(SENTENCE, "What it is, in a line", required=True, example="The host that leads to production")
    question: str | None = key(SENTENCE, "What the wizard asks")
    default: str | None = key(PARAGRAPH, "Its value where nobody has written one")
    required: bool | None = key(BOOLEAN, "Whether each spec must say it")
    example: str | None = key(PARAGRAPH, "A value to show")


FIELDS = listing(nested(PackField), name="name", most=_MOST)
"""What ``fields`` of a pack holds."""


def field_faults(fields: tuple[PackField, ...]) -> Iterator[Fault]:
    """Say what contradicts itself in the fields of a pack."""
    for index, field in enumerate(fields):
        path: KeyPath = ("fields", index)
        if (field.type == CHOICE) != bool(field.choices):
            what = "a choice needs the words that it is between, and nothing else has any"
            yield Fault((*path, "choices" if field.choices else "type"), what, "add or remove choices", "contradiction")
            continue
        if field.required and field.default is not None:
            what = "is required, and has a default that stands for it"
            yield Fault((*path, "required"), what, "keep one of them", "contradiction")
        yield from _value_faults(field, path)


def _value_faults(field: PackField, path: KeyPath) -> Iterator[Fault]:
    """Say which of the values that a field shows are none of its type."""
    for name in ("default", "example"):
        value = getattr(field, name)
        try:
            _ = value is None or _kind(field).parse(value)
        except ValueError as error:
            yield Fault((*path, name), f"expected {error}, found {shorten(value)}", f"its type is {field.type}")


def _kind(field: PackField) -> Kind[Any]:
    return choice(*field.choices) if field.choices else TYPES[field.type][0]


def _example(field: PackField) -> str:
    return field.example or (field.choices[0] if field.choices else TYPES[field.type][1])


def with_fields(packs: Mapping[str, Tree]) -> Nested[Any]:
    """Give the shape of a spec with the fields of its packs, by their names, each as it was written.

    Packs that ask for nothing leave the shape as it is. Raises ``ValueError`` where a field has a fault.
    """
    asked = {name: rows for name, rows in packs.items() if rows}
    return _shape(json.dumps(asked)) if asked else SPEC


@lru_cache(64)
def _shape(asked: str) -> Nested[Any]:
    """Make the shape once for all specs of the same packs."""
    groups = {
        name: _group(f"What the template pack {name} asks for", dict(map(_field, _read(rows))))
        for name, rows in json.loads(asked).items()
    }
    section = _group(Spec.fields[SECTION].doc, groups)
    return nested(record_of(Spec, {**Spec.fields, SECTION: section}))


def _read(rows: Tree) -> tuple[PackField, ...]:
    builder = Builder()
    fields: tuple[PackField, ...] = builder.build(FIELDS, rows)
    if builder.faults or any(field_faults(fields)):
        msg = "the fields of a template pack cannot be read"
        raise ValueError(msg)
    return fields


def _field(field: PackField) -> tuple[str, Field]:
    default: Tree = MISSING if field.default is None else field.default
    required = bool(field.required)
    undecided = not required and default is MISSING
    return field.name, Field(
        _kind(field), field.help, field.question or "", default, _example(field), required, undecided=undecided
    )


def _group(doc: str, fields: dict[str, Field]) -> Field:
    """Make a group of keys: required where one of them is, for its absence would hide that one's."""
    required = any(field.required for field in fields.values())
    return Field(nested(record_of(Record, fields)), doc, default=MISSING if required else {}, required=required)
