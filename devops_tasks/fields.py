"""What a field of a spec can be: scalars read from text, records, lists and maps, built from a tree of text.

A *tree* is what every way in produces (YAML, wizard, import, ``--set``): dicts, lists and source text, nothing else.
Lives here: the shapes, each scalar with its JSON Schema, and building values from a tree with every fault found.
Must not: any key of the spec, files, derived values.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Generic, NamedTuple, NoReturn, TypeVar, cast, dataclass_transform, overload

from devops_tasks.errors import Fault, KeyPath, key_text

Tree = Any
"""``str | list[Tree] | dict[str, Tree]``; recursive, so left to the functions that walk it.

A key that was written without a value holds None, until :func:`prune` takes it out.
"""

Built = Any
"""The value that a shape makes of a tree."""

Schema = dict[str, Any]
T = TypeVar("T")
MISSING = object()
_DIGITS = 12
"""The most digits of a whole number, zeros before it included."""
_REMEMBERED = 256
"""How many values each kind remembers: a spec is built twice, and most values of the next are the same defaults."""
UNREAD = object()
"""Stands in a tree for what was written and could not be read: its fault is told, and nothing follows from it."""


class UnreadError(Exception):
    """A key was asked for that could not be read (see ``salvage``): what depends on it cannot be said."""


class ReservedNameError(ValueError):
    """A name that would do, but that Windows keeps for a device."""

    def __init__(self, name: str) -> None:
        """Say what the name is."""
        super().__init__(f"{name} is a name that Windows keeps for a device: no file can have it")


class Kind(NamedTuple, Generic[T]):
    """How one scalar is read: ``parse`` takes source text and raises ``ValueError`` with what was expected."""

    name: str
    expected: str
    parse: Callable[[str], T]
    notation: Callable[[], Schema]
    choices: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    free: bool = False

    @property
    def schema(self) -> Schema:
        """The JSON Schema of the scalar; made when it is asked for, since most runs never do."""
        return self.notation()


class Nested(NamedTuple, Generic[T]):
    """A record as a value; ``scalar`` names the key that a bare scalar stands for, ``none`` lets it be turned off."""

    record: "type[Record]"
    scalar: str = ""
    none: bool = False


class Listing(NamedTuple, Generic[T]):
    """A list of one shape; ``name`` is the key by which its items must differ, ``distinct`` says that scalars must.

    With ``alone`` a single scalar needs no list around it.
    """

    item: "Shape"
    name: str = ""
    least: int = 0
    distinct: bool = False
    most: int = 1000
    alone: bool = False


class Entries(NamedTuple, Generic[T]):
    """A map from a kind of key to a shape of value."""

    key: Kind[str]
    value: "Shape"


Shape = Kind[Any] | Nested[Any] | Listing[Any] | Entries[Any]


class Field(NamedTuple):
    """One key of a record: its shape, its default as text, and the words in which people meet it."""

    shape: Shape
    doc: str
    ask: str = ""
    default: Tree = MISSING
    example: Tree = MISSING
    required: bool = False
    derived: bool = False
    undecided: bool = False
    later: bool = False
    only: tuple[str, ...] = ()
    """The kinds of service that the key means something to; all of them where none is named."""

    @property
    def sample(self) -> Tree:
        """The example as a value: without the quotes that it needs in a file."""
        return self.example.strip('"') if isinstance(self.example, str) else self.example

    @property
    def question(self) -> str:
        """What the wizard asks; the one-line doc where no better question is written."""
        return self.ask or f"{self.doc}?"


# The parameters of the ``key`` family are the columns of one table, given by name: more than five are in order there.
@overload
def key(shape: Kind[T] | Nested[T] | Listing[T] | Entries[T], doc: str, *, required: bool, ask: str = ...,
        example: Tree = ..., only: tuple[str, ...] = ...) -> T: ...  # fmt: skip
@overload
def key(shape: Kind[T] | Nested[T] | Listing[T] | Entries[T], doc: str, *, default: Tree, ask: str = ...,
        example: Tree = ..., only: tuple[str, ...] = ...) -> T: ...  # fmt: skip
@overload
def key(shape: Kind[T] | Nested[T] | Listing[T] | Entries[T], doc: str, *, derived: bool, ask: str = ...,
        example: Tree = ..., only: tuple[str, ...] = ...) -> T: ...  # fmt: skip
@overload
def key(shape: Kind[T] | Nested[T] | Listing[T] | Entries[T], doc: str, *, undecided: bool = ..., later: bool = ...,
        ask: str = ..., example: Tree = ..., only: tuple[str, ...] = ...) -> T | None: ...  # fmt: skip
def key(shape: Shape, doc: str, **columns: Any) -> Any:
    """Declare one key of a record.

    Exactly one of ``required``, ``default`` (as text), ``derived`` (computed in ``defaults``) and ``undecided``
    (reported until somebody decides) may be given; none of them makes the key optional. ``later`` refuses the key.
    ``only`` names the kinds of service that the key means something to.
    """
    return Field(shape, doc, **columns)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(key,))
class Record:
    """A group of keys; its class attributes, made by :func:`key`, are its fields."""

    fields: ClassVar[dict[str, Field]]

    def __init_subclass__(cls) -> None:
        """Collect the fields in the order in which they are written; ``for_`` is the key ``for``."""
        cls.fields = {name.rstrip("_"): field for name, field in vars(cls).items() if isinstance(field, Field)}

    def __init__(self, **values: Built) -> None:
        """Take one value per field, by the names of the fields."""
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a record is a value."""
        msg = f"{type(self).__name__} is frozen"
        raise AttributeError(msg)

    def __eq__(self, other: object) -> bool:
        """Compare by value."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]


def record_of(base: "type[Record]", fields: dict[str, Field]) -> "type[Record]":
    """Make a record with other fields than its base has written down."""
    record: Any = type(base.__name__, (base,), {"__doc__": base.__doc__})
    record.fields = fields
    return cast("type[Record]", record)


def attribute(name: str) -> str:
    """Name the attribute of a key: ``for`` is a word of Python, so its attribute is ``for_``; so is ``class``.

    So are ``key``, by which fields are declared, and ``fields``, which a record keeps them in.
    """
    return f"{name}_" if name in {"for", "class", "key", "fields"} else name


def nearest(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """Say which known word a misspelt one is nearest to, as the mend of a problem."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    if not known:
        return "no key is known there"
    return f"did you mean {close[0]}?" if close else f"known: {_few(tuple(known))}"


def _nearest_key(name: str, groups: "list[_Group]") -> str:
    """Say where a key belongs that somebody wrote into the last of these groups, each of which lies in the one before.

    It stands a group too high, or is misspelt, or belongs into a group around it or beside that.
    """
    *around, (_, fields) = groups
    inner = list(_places(name, (), fields))
    mend = nearest(name, fields)
    outer = (list(_places(name, *group)) for group in reversed(around) if mend.startswith("known"))
    right = inner or next((places for places in outer if places), [])
    return f"did you mean {' or '.join(map(key_text, right))}?" if right else mend


def _places(name: str, path: KeyPath, fields: "Mapping[str, Field]") -> "Iterator[KeyPath]":
    """Find a key in a group, or else in the groups right below it."""
    if name in fields:
        yield (*path, name)
        return
    for group, field in fields.items():
        if isinstance(field.shape, Nested) and name in field.shape.record.fields:
            yield (*path, group, name)


def _few(known: tuple[str, ...], most: int = 40) -> str:
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")


_Group = tuple[KeyPath, Mapping[str, Field]]
"""A group's place, and its keys."""


class Builder:
    """Builds values from a tree and keeps every fault that it meets on the way."""

    def __init__(self) -> None:
        """Start without faults."""
        self.faults: list[Fault] = []
        self._groups: list[_Group] = []

    def fault(self, path: KeyPath, what: str, mend: str = "", code: str = "invalid-value") -> None:
        """Note one fault and go on."""
        self.faults.append(Fault(path, what, mend, code))

    def _other_type(self, path: KeyPath, expected: str, tree: Tree, mend: str = "") -> Built:
        if tree is UNREAD:
            return None
        return self.fault(path, f"expected {expected}, found {_found(tree)}", mend, "wrong-type")

    def record(self, record: "type[Record]", values: dict[str, Built]) -> Built:
        """Make a record of its values."""
        return record(**values)

    def build(self, shape: Shape, tree: Tree, path: KeyPath = ()) -> Built:
        """Build the value of a shape, or None where the tree has a fault."""
        if isinstance(shape, Kind):
            return self._scalar(shape, tree, path)
        if isinstance(shape, Listing):
            return self._list(shape, tree, path)
        if isinstance(shape, Entries):
            return self._entries(shape, tree, path)
        return self._nested(shape, tree, path)

    def _scalar(self, kind: Kind[Any], tree: Tree, path: KeyPath) -> Built:
        if not isinstance(tree, str):
            return self._other_type(path, kind.expected, tree)
        if tree in kind.later:
            mend = "built so far: " + ", ".join(kind.choices)
            return self.fault(path, f"{tree} is not built yet", mend, "not-built")
        try:
            return kind.parse(tree)
        except ReservedNameError as error:
            return self.fault(path, str(error), "add a word to it", "reserved-name")
        except ValueError as error:
            mend = nearest(tree, kind.choices) if kind.choices else ""
            return self.fault(path, f"expected {error}, found {shorten(tree)}", mend)

    def _list(self, shape: Listing[Any], tree: Tree, path: KeyPath) -> Built:
        if tree == "none" and not shape.least:
            tree = []
        if isinstance(tree, str) and shape.alone:
            return tuple(each for each in [self.build(shape.item, tree, path)] if each is not None)
        if not isinstance(tree, list):
            none = "" if shape.least else ", or write none"
            return self._other_type(path, "a list", tree, f"start each item with '- '{none}")
        if len(tree) > shape.most:
            return self.fault(
                path, f"expected at most {shape.most} items, found {len(tree)}", "leave some out", "too-many"
            )
        if len(tree) < shape.least:
            self.fault(path, "expected at least one item", "add one", "too-few")
        self._unique(shape, tree, path)
        return tuple(self.build(shape.item, item, (*path, index)) for index, item in enumerate(tree))

    def _unique(self, shape: Listing[Any], tree: list[Tree], path: KeyPath) -> None:
        seen: dict[str, int] = {}
        for index, item in enumerate(tree):
            name = item.get(shape.name) if isinstance(item, dict) else item if shape.distinct else None
            if not isinstance(name, str):
                continue
            folded = name if shape.distinct else name.casefold()
            if folded in seen:
                place = (*path, index, shape.name) if shape.name else (*path, index)
                other = f"item {seen[folded] + 1} of this list is the other"
                self.fault(place, f"{shorten(name)} is there twice", other, "duplicate-name")
            seen.setdefault(folded, index)

    def _entries(self, shape: Entries[Any], tree: Tree, path: KeyPath) -> Built:
        if not isinstance(tree, dict):
            return self._other_type(path, "a group of keys", tree, "write 'KEY: value' lines below it")
        for name in tree:
            try:
                shape.key.parse(name)
            except ValueError as error:
                self.fault((*path, name), f"expected {error}, found {shorten(name)}", code="invalid-key")
        written = prune(tree)
        return {name: self.build(shape.value, value, (*path, name)) for name, value in written.items()}

    def _nested(self, shape: Nested[Any], tree: Tree, path: KeyPath) -> Built:
        if shape.none and tree == "none":
            return None
        if isinstance(tree, str) and shape.scalar:
            tree = {shape.scalar: tree}
        if not isinstance(tree, dict):
            return self._other_type(path, "a group of keys", tree, f"keys: {', '.join(shape.record.fields)}")
        fields = shape.record.fields
        self._groups.append((path, fields))
        for name in tree:
            if name not in fields:
                self.fault((*path, name), "unknown key", _nearest_key(name, self._groups), "unknown-key")
            elif fields[name].later:
                self.fault((*path, name), "not built yet", "leave it out for now", "not-built")
        values = {attribute(name): self._field(name, tree, path, field) for name, field in fields.items()}
        self._groups.pop()
        return self.record(shape.record, values)

    def _field(self, name: str, tree: dict[str, Tree], path: KeyPath, field: Field) -> Built:
        value = tree.get(name)
        if value is not None and not field.later:
            return self.build(field.shape, value, (*path, name))
        if field.required and isinstance(field.shape, Nested):
            return self.build(field.shape, {}, (*path, name))
        if field.required:
            example = f", for example {name}: {field.example}" if isinstance(field.example, str) else ""
            self.fault((*path, name), f"required: {field.doc}", f"add it{example}", "missing-key")
        return None


def _found(tree: Tree) -> str:
    kinds = {list: "a list", dict: "a group of keys", type(None): "nothing"}
    return kinds.get(type(tree)) or shorten(tree)


def shorten(text: str, limit: int = 60) -> str:
    """Quote what the user wrote, cut to a line."""
    shown = text if len(text) <= limit else text[: limit - 3] + "..."
    return repr(shown)


def prune(tree: Tree) -> Tree:
    """Take the keys without a value out of a tree: they count as not given."""
    if isinstance(tree, list):
        return [prune(item) for item in tree]
    if isinstance(tree, dict):
        return {name: prune(value) for name, value in tree.items() if value is not None}
    return tree


def required_keys(record: "type[Record]", path: KeyPath = ()) -> Iterator[tuple[KeyPath, Field]]:
    """Walk the keys that make the smallest valid tree of a record, in the order in which they are written."""
    for name, field in record.fields.items():
        if field.required and isinstance(field.shape, Nested):
            yield from required_keys(field.shape.record, (*path, name))
        elif field.required:
            yield (*path, name), field


def shape_at(shape: Shape, path: KeyPath) -> Shape | None:
    """Find the shape of a place in a tree, None where there is none."""
    for step in path:
        match shape, step:
            case Listing(item=item), int():
                shape = item
            case Nested(record), str() if step in record.fields:
                shape = record.fields[step].shape
            case Entries(_, value), str():
                shape = value
            case _:
                return None
    return shape


def field_at(shape: Shape, path: KeyPath) -> Field | None:
    """Find the field of a key, None where the path leads to no key of a record."""
    holder = shape_at(shape, path[:-1])
    return holder.record.fields.get(str(path[-1])) if isinstance(holder, Nested) else None


def value_at(tree: Tree, path: KeyPath) -> Tree:
    """Find the value at a path of a tree, None where nothing is."""
    for step in path:
        try:
            tree = tree[step]
        except (LookupError, TypeError):
            return None
    return tree


def fill(shape: Shape, tree: Tree) -> Tree:
    """Give a tree the fixed defaults of its shape, leaf by leaf; what is derived is left to ``defaults``."""
    if isinstance(shape, Listing):
        items = [tree] if shape.alone and isinstance(tree, str) and tree != "none" else tree
        return [fill(shape.item, item) for item in items] if isinstance(items, list) else []
    if isinstance(shape, Nested):
        return _fill_record(shape, tree)
    # The order in which somebody wrote the names of a map means nothing, so it must not be seen in the bundle.
    return dict(sorted(tree.items())) if isinstance(shape, Entries) and isinstance(tree, dict) else tree


def is_empty(field: Field, value: Tree) -> bool:
    """Say whether a value is an empty group where one word is the default, as of a limit: it counts as not given."""
    return value == {} and isinstance(field.default, str)


def _fill_record(shape: Nested[Any], tree: Tree) -> Tree:
    if shape.none and tree == "none":
        return tree
    if isinstance(tree, str):
        tree = {shape.scalar: tree}
    filled: dict[str, Tree] = {}
    for name, field in shape.record.fields.items():
        value = tree.get(name, MISSING)
        if value is MISSING or is_empty(field, value):
            value = field.default
        if value is not MISSING:
            filled[name] = value if isinstance(field.shape, Kind) else fill(field.shape, value)
    return filled


def scalar(name: str, expected: str, parse: Callable[[str], T], pattern: str, number: Schema | None = None) -> Kind[T]:
    """Make a kind of scalar from a parser and the notation (ECMA 262) that it reads.

    ``number`` holds the limits of a bare number, where that is a notation too.
    """

    def notation() -> Schema:
        types: Schema = {"type": "string"} if number is None else {"type": ["string", "number"], **number}
        return types | {"pattern": f"^(?:{pattern})$"}

    return Kind(name, expected, lru_cache(_REMEMBERED)(parse), notation)


def matching(name: str, expected: str, pattern: str, most: int = 253) -> Kind[str]:
    """Make a kind for text that names something: it must match the whole pattern and keep the limit."""

    def matches(text: str) -> bool:
        # Compiled at the first use and kept by ``re``: most runs meet few of the patterns.
        return re.fullmatch(_in_ascii(pattern) if text.isascii() else pattern, text, re.ASCII) is not None

    def parse(text: str) -> str:
        if len(text) > most or not matches(text):
            raise ValueError(expected)
        return text

    def notation() -> Schema:
        # An editor takes an unquoted 24 or true for a number or a boolean: it may, where the pattern takes its text.
        types = [name for name, text in _UNQUOTED.items() if matches(text)]
        schema: Schema = {"type": ["string", *types], "pattern": f"^(?:{pattern})$", "maxLength": most}
        return schema | ({"minimum": 0} if "integer" in types and not matches("-1") else {})

    return Kind(name, expected, lru_cache(_REMEMBERED)(parse), notation)


_UNQUOTED = {"integer": "7", "number": "1.5", "boolean": "true"}

_CONTROL_IN_ASCII = r"\u0000-\u0008\u000b-\u001f\u007f"
CONTROL = rf"{_CONTROL_IN_ASCII}-\u009f\u2028\u2029\ufffe\uffff"
"""What no text may hold, as the inside of a character class; a tab and, but for several lines, a line break neither."""

_SPACE_IN_ASCII = r"\t\n "
SPACE = rf"{_SPACE_IN_ASCII}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\ufeff"
"""White space as ECMA 262 has it, but for control characters, as the inside of a character class.

Python's ``\\s`` is another set than the editors'; names are matched in ASCII, where it is yet another.
"""


def _in_ascii(pattern: str) -> str:
    """Narrow a pattern to what text in ASCII can hold: it matches the same of it, and is compiled ten times as fast."""
    narrowed = pattern.replace(CONTROL, _CONTROL_IN_ASCII).replace(SPACE, _SPACE_IN_ASCII)
    return narrowed.replace(r"\ufeff", "")


_FORBIDDEN = {False: f"[{CONTROL}\\t\\n\ud800-\udfff]", True: f"[{CONTROL}\\t\ud800-\udfff]"}


def text(expected: str = "text", most: int = 10_000, *, lines: bool = False) -> Kind[str]:
    """Make a kind for free text, which is only ever text; newlines only where ``lines`` says so."""
    forbidden = _FORBIDDEN[lines]

    def parse(value: str) -> str:
        if not value.replace("\ufeff", "").strip():
            msg = f"{expected}, not blank"
            raise ValueError(msg)
        if len(value) > most:
            msg = f"{expected} of at most {most} characters"
            raise ValueError(msg)
        line = value.replace("\n", "") if lines else value
        if not line.isprintable() and re.search(forbidden, value):  # most can be printed: the pattern is seldom needed
            msg = f"{expected} without control characters" + ("" if lines else " or line breaks")
            raise ValueError(msg)
        return value.strip("\n") if lines else value

    def notation() -> Schema:
        breaks = r"\t" if lines else r"\t\n"
        pattern = rf"^(?=[\s\S]*\S)[^{CONTROL}{breaks}]*$"
        return {"type": ["string", "number", "boolean"], "pattern": pattern, "maxLength": most}

    return Kind("text", expected, parse, notation, free=True)


def integer(least: int, most: int) -> Kind[int]:
    """Make a kind for whole numbers within limits."""
    expected = f"a whole number from {least} to {most}"

    def parse(value: str) -> int:
        digits = value.isascii() and value.isdecimal() and len(value) <= _DIGITS
        if not digits or not least <= int(value) <= most:
            raise ValueError(expected)
        return int(value)

    def notation() -> Schema:
        schema: Schema = {"type": ["integer", "string"], "minimum": least, "maximum": most}
        return schema | {"pattern": f"^0*(?:{'|'.join(_between(least, most))})$", "maxLength": _DIGITS}

    return Kind("integer", expected, lru_cache(_REMEMBERED)(parse), notation)


def _between(least: int, most: int) -> Iterator[str]:
    """Write the patterns, one for each number of digits, of the whole numbers from one to another."""
    for count in range(len(str(least)), len(str(most)) + 1):
        low, high = max(least, 10 ** (count - 1) if count > 1 else 0), min(most, 10**count - 1)
        yield _same_length(str(low), str(high))


def _same_length(low: str, high: str) -> str:
    if not low:
        return ""
    rest = len(low) - 1
    if low[0] == high[0]:
        return low[0] + _same_length(low[1:], high[1:])
    first, last = int(low[0]), int(high[0])
    parts = []
    if low[1:] != "0" * rest:
        parts.append(low[0] + _same_length(low[1:], "9" * rest))
        first += 1
    if high[1:] != "9" * rest:
        parts.append(high[0] + _same_length("0" * rest, high[1:]))
        last -= 1
    if first <= last:
        parts.append(f"[{first}-{last}]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return f"(?:{'|'.join(parts)})"


def choice(*values: str, later: tuple[str, ...] = ()) -> Kind[str]:
    """Make a kind for one of some words; those in ``later`` belong to the contract and are not built yet."""
    expected = "one of " + ", ".join(values)

    def parse(value: str) -> str:
        if value not in values:
            raise ValueError(expected)
        return value

    def notation() -> Schema:
        # An editor takes an unquoted 1.30 for the number 1.3.
        numbers = [float(value) if "." in value else int(value) for value in values if re.fullmatch("[0-9.]+", value)]
        return {"enum": [*values, *numbers]}

    return Kind("choice", expected, parse, notation, choices=values, later=later)


_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse_boolean(value: str) -> bool:
    """Read a yes or no in the words of YAML; raises ``ValueError`` for anything else."""
    if value.lower() not in _WORDS:
        msg = "true or false"
        raise ValueError(msg)
    return _WORDS[value.lower()]


_ANY_CASE = "|".join("".join(f"[{letter.upper()}{letter}]" for letter in word) for word in _WORDS)

BOOLEAN: Kind[bool] = Kind(
    "boolean",
    "true or false",
    parse_boolean,
    lambda: {"type": ["boolean", "string"], "pattern": f"^(?:{_ANY_CASE})$"},
    choices=("true", "false"),
)


def nested(record: type[T], *, scalar: str = "") -> Nested[T]:
    """Use a record as the value of a key."""
    return Nested(cast("type[Record]", record), scalar)


def switchable(record: type[T]) -> Nested[T | None]:
    """Use a record as the value of a key that ``none`` turns off."""
    return Nested(cast("type[Record]", record), none=True)


def listing(
    item: Kind[T] | Nested[T], *, name: str = "", least: int = 0, distinct: bool = False, most: int = 1000
) -> Listing[tuple[T, ...]]:
    """Use a list as the value of a key."""
    return Listing(item, name, least, distinct, most)


def one_or_more(item: Kind[T], *, most: int) -> Listing[tuple[T, ...]]:
    """Use a list of different scalars, or one of them alone, as the value of a key."""
    return Listing(item, distinct=True, most=most, alone=True)


def entries(key: Kind[str], value: Kind[T] | Entries[T]) -> Entries[dict[str, T]]:
    """Use a map as the value of a key."""
    return Entries(key, value)
