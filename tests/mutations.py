"""Specs gone wrong, each from one integer: as a tired person or a broken tool leaves them, and key by key.

A *written tree* has the source text of YAML at its leaves and in its keys, quotes included: so it can hold `24` beside
`"24"`, and one key twice.
"""

from __future__ import annotations

import functools
import hashlib
import json
import operator
import random
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from devops_tasks.errors import key_text
from devops_tasks.fields import Builder, Kind, Listing, Nested, Shape, Tree, shape_at
from devops_tasks.spec import SPEC
from devops_tasks.specfile import parse_spec
from tests.random_specs import random_spec
from tests.tools import ROOT
from tests.trees import full_tree

Path = tuple[str | int, ...]
Step = Any
"""A key or an index, whichever the holder has."""
Written = Any
"""`str | list[Written] | dict[str, Written]`."""

EXAMPLES = sorted(ROOT.glob("examples/*.yaml"))
_RANDOM_SPECS = 20


@functools.cache
def sources() -> tuple[str, ...]:
    """Give valid specs as text: written by hand, with every key, and chosen at random."""
    trees = [full_tree("a, 'b' & c"), *map(random_spec, range(_RANDOM_SPECS))]
    dumped = [yaml.safe_dump(tree, sort_keys=False, allow_unicode=True) for tree in trees]
    return (*(path.read_text("utf-8") for path in EXAMPLES), *dumped)


# The text of a file: what a hand on a keyboard, a merge or a broken disk does to it

NASTY = (
    *("\0", "\7", "\x1b[31m", "\x7f", "\x85", "\ufeff", "\r", "\t", "\u2028", "\u202e", "\ufffe", "\U0001f680"),
    *("{{ x }}", "${{ x }}", "{% raw %}", "&a ", "*a", "<<: *a", "!!python/object/apply:os.system ", "!x ", "| ", "> "),
    *("? ", "%", "@", "`", "---\n", "...\n", "'", '"', "#", " #", ": ", "- ", "[", "]", "{", "}", ",", "\\", "\n", " "),
    *("%TAG ! x\n---\n", '"\\ud800"', '"\\x00"', "\u0661\u0662", "~", "null", "\xa0", "&a [*a, *a]", "=", "<"),
)
_MARKS = "'\"[]{}:,-#|"


def _line(choice: random.Random, text: str) -> tuple[list[str], int]:
    lines = text.split("\n")
    return lines, choice.randrange(len(lines))


def _edit_line(choice: random.Random, text: str, edit: Callable[[str], list[str]]) -> str:
    lines, at = _line(choice, text)
    return "\n".join([*lines[:at], *edit(lines[at]), *lines[at + 1 :]])


def _swap_lines(choice: random.Random, text: str) -> str:
    lines, first = _line(choice, text)
    second = choice.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return "\n".join(lines)


def _drop_mark(choice: random.Random, text: str) -> str:
    at = choice.choice([index for index, letter in enumerate(text) if letter in _MARKS] or [0])
    return text[:at] + text[at + 1 :]


def _insert(choice: random.Random, text: str, what: str) -> str:
    at = choice.randrange(len(text) + 1)
    return text[:at] + what + text[at:]


def _join(choice: random.Random, text: str) -> str:
    other = choice.choice(sources())
    return text[: choice.randrange(len(text) + 1)] + other[choice.randrange(len(other)) :]


def _deepen(choice: random.Random, text: str) -> str:
    opened, count = choice.choice(["[", "{a: ", "- ", "? ", "[{a: ", "a:\n"]), choice.choice([3, 45, 400, 5000])
    return _insert(choice, text, opened * count)


def _lengthen(choice: random.Random, text: str) -> str:
    return _insert(
        choice, text, choice.choice(["9", "x", " ", "\n", "1s", "a.", "a: b\n", "é"]) * 10 ** choice.randint(2, 5)
    )


TextEdit = Callable[[random.Random, str], str]
TEXT_EDITS: tuple[TextEdit, ...] = (
    lambda choice, text: _edit_line(choice, text, lambda _: []),
    lambda choice, text: _edit_line(choice, text, lambda line: [line, line]),
    lambda choice, text: _edit_line(choice, text, lambda line: [" " * choice.randint(1, 5) + line]),
    lambda choice, text: _edit_line(choice, text, lambda line: [line.removeprefix(" " * choice.randint(1, 4))]),
    lambda choice, text: _edit_line(choice, text, lambda line: ["\t" + line.lstrip()]),
    lambda choice, text: _edit_line(choice, text, lambda line: [line.partition(":")[0]]),
    lambda choice, text: _edit_line(choice, text, lambda line: [line.rpartition(" ")[2]]),
    lambda choice, text: _insert(choice, text, choice.choice(NASTY)),
    lambda choice, text: _insert(choice, text, choice.choice(NASTY) * choice.randint(2, 9)),
    lambda choice, text: text[: choice.randrange(len(text) + 1)],
    lambda _, text: text.replace("\n", "\r\n"),
    lambda choice, text: text.replace(choice.choice("aeiou:- 0123456789"), choice.choice(["", " ", "٣", "x"])),
    _swap_lines,
    _drop_mark,
    _join,
    _deepen,
    _lengthen,
)
_BYTES = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\x80", b"\x00", b"\xfe\xff")
_CODECS = ("utf-16", "utf-16-be", "utf-32", "utf-8-sig")


def broken_text(seed: int) -> bytes:
    """Break the text of a valid spec, in one place or in a few."""
    choice = random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    text = choice.choice(sources())
    for _ in range(choice.choice([1, 1, 1, 2, 3, 6])):
        text = choice.choice(TEXT_EDITS)(choice, text)
    return _broken_bytes(choice, text.encode("utf-8"))


def _broken_bytes(choice: random.Random, content: bytes) -> bytes:
    at = choice.randrange(len(content) + 1)
    lot = choice.randrange(20)
    if lot == 0:
        return content[:at] + choice.choice(_BYTES) + content[at:]
    if lot == 1:
        return content[:at]
    return content.decode().encode(choice.choice(_CODECS)) if lot == 2 else content


# Key by key: the tree of a valid spec, with something else at some of its places

# Values as they stand in a file.
VALUES = (
    *("none", "true", "off", "Yes", '"true"', '"no"', "'ON'", "y"),
    *("0", "1", "2", "7", "15", "16", "24", "007", "65535", "65536", "70000", "1000000001", "-1", "-5"),
    *("99999999999999", '"3000"', '"70000"', '"007"', '"0"', '"-1"', '" 7"', '"7 "', "0.02", "0.5", "1.5", "2.25"),
    *("16.4", "1.30", '"1.30"', '"1.3"', "1.33", "1_000", '"+5"', '"1e3"', '"0x10"', '"1,5"', "'1.5.0'", "x.nan"),
    *("999999999999999", "1000000000000000", "-999999999999999", "-1000000000000000", "999999.999", "1000000"),
    *(f'"{"9" * 15}"', f'"{"9" * 16}"', f'"{"9" * 400}"', f'"0.{"3" * 9}"', f'"0.{"3" * 10}"'),
    *("2%", '"2 %"', "+20%", "-5%", "150%", "0%", "100%", "-0%", "0.0001%", "5m", "90s", "500ms", "2.5ms", "1h30m"),
    *("0s", "'1h 30m'", "30d", "5M", "forever", "98y", "1.0005s", "0.5ms", "'5 m'", "5mm", "-5m", '"5m "'),
    *("change", "real-time", "4Gi", "512Mi", "1.5Gi", "0.1Gi", "4GB", "0Gi", "4gi", "500m", "0.5m", "0m", "2.5"),
    *("1000 USD", "1000 usd", "0.5 EUR", "1000USD", "USD 1000", "1000 $", "100/min", "100/m", "1 / s", "100/day"),
    *("2026-12-01", "2026-12", "12:30", "a", "A", "a-b", "a_b", "a.b", "Ab1", "con", "com1", "9a", "-a", "a-"),
    *("'a b'", "é", '"a\\nb"', '"a\\n"', '"a\\tb"', '"\\x7f"', '" "', '""', '"\\n"', '"\\ufeff"', '"\\u2028"'),
    *('"\\xa0"', '"\\xa0a"', '"a\\xa0b"', '"\\u3000a@b"', '"\\u200b"', '"\\u180e"', '"\\x85"', '"\\ue000"'),
    *("'@dana'", "'#channel'", "'a: b'", "'{{ x }}'", "'${{ x }}'", '"~"', '"null"', "x" * 41, "x" * 64, "x" * 254),
    *("y" * 10_001, "\u0663", "\u0663\u0660s", "\uff17", "\u00b2", "\u0663%", "\u2167", "\U0001d7d7"),
    *('"\\u0662\\u0660\\u0662\\u0666-12-01"', '"0000-01-01"', '"2026-13-01"'),
    *("/", "/healthz", "/a b", "/var", "/var/x.y", "../x.md", "./x.md", "a/b", "teams/a", "http://x", "'https://x.example/a?b#c'"),
    *("javascript:x", "s3://a/b", "gs://a", "10.0.0.0/8", "10.0.0.0/33", "256.0.0.0/8", "'10.0.0.0/8 '"),
    *("api.example.com", "a..b", "a:1", "a/b:1.0", "a:latest", "DO-001", "DO-009", "do-1", "FEAT-1024"),
    *("db.t3.medium", "http_requests_total", "latency_p95", "error_ratio", "dana@example.com", "api", "worker"),
    *("kafka", "redis", "postgresql", "managed", "in-cluster", "aws", "gcp", "gateway-api", "ingress", "prometheus"),
    *("otel", "traffic-split", "critical", "medium", "shop-db", "default-deny", "webhook"),
    *("[]", "[a]", "[a, b]", "[a, a]", "[1, 2]", "[[a]]", "[[[[a]]]]", "[{}]", "{}", "{a: b}", "{a: 1}", "{A: b}"),
    *("{a: null}", "{a: [b]}", "{name: a}", "{'': a}", "{1: a}", "{null: a}", "{true: a}", "{'a b': c}"),
    *("[{name: a}]", "[{name: a}, {name: a}]", "[{name: a}, {name: b}]", "{request: 1}", "{limit: 1Gi}", "{max: 3}"),
    *("[5%, 100%]", "[100%]", "[100%, 5%]", "[1s]", "[0s]", "[1s, 2s]", "[latency_p95]", "[{metric: latency_p95}]"),
)  # fmt: skip
# Numbers, booleans and dates in another notation: an editor has lost what the tool would refuse (1.3 from 1.30, 3000.0
# from 3000, 1e3 from 1000), or only arithmetic could tell (a date that does not exist, spans that add up to too much).
LOST = (
    *("True", "FALSE", "+5", "1.3", "1e3", "-0", "1e-400", "3000.0", ".5", "5.", "-.5", "0o17", "2026-02-29"),
    *("99y 9999d", ".nan", ".inf", "-.inf", ".NaN", "0" * 20 + "7", "9" * 17, "9" * 80, "9" * 400, "0." + "3" * 20),
)


ODD_KEYS = (
    *("unknown", "nmae", "Name", '""', '" "', '"a b"', "x" * 300, "1", "null", "true", "1.5", "__class__", "é", "a.b"),
    *(
        '"\\x1b[31m"',
        '"a\\nb"',
        '"\\u2028"',
        '"\\u202e"',
        '"\\x00"',
        "? a",
        "'a: b'",
        "a[0]",
        "*a",
        "&a b",
        "!x a",
        "<<",
    ),
)


@functools.cache
def known_keys() -> tuple[str, ...]:
    """List every word that is a key somewhere, those of later versions too."""
    return (
        *sorted(set(_keys(SPEC))),
        "unknown",
        "nmae",
        "Name",
        '""',
        '"a b"',
        "x" * 300,
        '"\\x1b[31m"',
        '"a\\nb"',
        "1",
    )


def _keys(shape: Shape) -> Iterator[str]:
    if isinstance(shape, Listing):
        yield from _keys(shape.item)
    if isinstance(shape, Nested):
        for name, field in shape.record.fields.items():
            yield name
            yield from _keys(field.shape)


def written(tree: Written) -> str:
    """Write a tree as YAML."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{name}: {written(value)}" for name, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(written, tree)) + "]"
    return str(tree)


def quoted(tree: Tree) -> Written:
    """Put the quotes around every text of a tree."""
    if isinstance(tree, dict):
        return {name: quoted(value) for name, value in tree.items()}
    return [quoted(item) for item in tree] if isinstance(tree, list) else json.dumps(tree, ensure_ascii=False)


def places(tree: Written, path: Path = ()) -> Iterator[Path]:
    """Walk the places of a tree, groups and lists included."""
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for step, value in steps:
        yield (*path, step)
        yield from places(value, (*path, step))


def changed(tree: Written, path: Path, change: Callable[[Written, Step], object]) -> Written:
    """Copy a tree with a change to the group or list that holds a place: called with that holder and the last step."""
    step: Step = path[0]
    rest = path[1:]
    copy: Written = list(tree) if isinstance(tree, list) else dict(tree)
    if rest:
        copy[step] = changed(copy[step], rest, change)
    else:
        change(copy, step)
    return copy


@functools.cache
def trees() -> tuple[Written, ...]:
    """Give the valid specs as written trees, every text in quotes."""
    return tuple(quoted(parse_spec(text, "").tree) for text in sources())


@functools.cache
def _fitting(kind: Kind[Any]) -> tuple[str, ...]:
    """Choose the values that a kind takes, or all where it takes none of them."""
    return tuple(value for value in VALUES if _takes(kind, value)) or VALUES


def _takes(kind: Kind[Any], value: str) -> bool:
    builder = Builder()
    builder.build(kind, parse_spec(f"key: {value}", "").tree["key"])
    return not builder.faults


def _value(choice: random.Random, shape: Shape | None) -> str:
    """Choose a value: as often one that fits its place, which then breaks with other keys, as any."""
    if isinstance(shape, Kind) and choice.random() < 0.5:
        return choice.choice(_fitting(shape))
    return choice.choice(LOST if choice.random() < 0.1 else VALUES)


def _key(choice: random.Random) -> str:
    return choice.choice(choice.choice((known_keys(), ODD_KEYS)))


def _replace(choice: random.Random, tree: Written, path: Path) -> Written:
    value = _value(choice, shape_at(SPEC, path))
    return changed(tree, path, lambda holder, step: operator.setitem(holder, step, value))


def _remove(_choice: random.Random, tree: Written, path: Path) -> Written:
    return changed(tree, path, operator.delitem)


def _empty(_choice: random.Random, tree: Written, path: Path) -> Written:
    return changed(tree, path, lambda holder, step: operator.setitem(holder, step, ""))


def _add(choice: random.Random, tree: Written, path: Path) -> Written:
    """Add a key beside a place: mostly one that belongs there."""
    shape = shape_at(SPEC, path[:-1])
    fields = shape.record.fields if isinstance(shape, Nested) else {}
    name = choice.choice(tuple(fields) if fields and choice.random() < 0.8 else _key(choice))
    value = _value(choice, fields[name].shape if name in fields else None)
    return changed(tree, path, lambda holder, _: isinstance(holder, dict) and holder.update({name: value}))


def _rename(choice: random.Random, tree: Written, path: Path) -> Written:
    name = choice.choice((_key(choice), str(path[-1])[1:] or "x", f"{path[-1]}s", str(path[-1]).upper()))
    return changed(
        tree, path, lambda holder, step: isinstance(holder, dict) and holder.update({name: holder.pop(step)})
    )


def _double(choice: random.Random, tree: Written, path: Path) -> Written:
    """Write a key twice, or an item of a list."""
    twice = f'"{path[-1]}"'
    value = _value(choice, None)

    def double(holder: Written, step: Step) -> None:
        holder.append(holder[step]) if isinstance(holder, list) else holder.update({twice: value})

    return changed(tree, path, double)


def _wrap(choice: random.Random, tree: Written, path: Path) -> Written:
    wrap: Callable[[Written], Written] = choice.choice(
        [
            lambda value: [value],
            lambda value: {"name": value},
            lambda value: [value] * 3,
            lambda value: next(iter(value), "x") if isinstance(value, list | dict) else {},
            lambda value: next(iter(value.values()), "x") if isinstance(value, dict) else [],
        ]
    )
    return changed(tree, path, lambda holder, step: operator.setitem(holder, step, wrap(holder[step])))


def _copy(choice: random.Random, tree: Written, path: Path) -> Written:
    """Put at a place what stands at another."""
    value = functools.reduce(operator.getitem, choice.choice(list(places(tree))), tree)
    return changed(tree, path, lambda holder, step: operator.setitem(holder, step, value))


TREE_EDITS = (_replace, _replace, _replace, _replace, _add, _add, _remove, _empty, _rename, _double, _wrap, _copy)


def broken_tree(seed: int) -> Written:
    """Break the tree of a valid spec at one place or at a few."""
    choice = random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    tree = choice.choice(trees())
    for _ in range(choice.choice([1, 1, 1, 2, 3, 8])):
        if found := list(places(tree)):
            tree = choice.choice(TREE_EDITS)(choice, tree, choice.choice(found))
    return tree


def assignments(seed: int) -> list[str]:
    """Choose what is set on the command line: keys that are there or nearly, with any value."""
    choice = random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    return [_assignment(choice) for _ in range(choice.choice([1, 1, 2, 5]))]


def _assignment(choice: random.Random) -> str:
    path = choice.choice(list(places(choice.choice(trees()))))
    if choice.random() < 0.5:
        return f"{key_text(path)}={_value(choice, shape_at(SPEC, path)).strip(chr(34))}"
    name = choice.choice((key_text(path), key_text(path), _key(choice), "a..b", "[0]", "services[99].name", "x[", "]="))
    value = choice.choice((_value(choice, shape_at(SPEC, path)), choice.choice(NASTY)))
    return choice.choice(
        [f"{name}={value}", f"{name}={value}", f"{name}={value}", name, f"{name}.x={value}", f"{name}[0]={value}"]
    )


# The lock: JSON that a merge, an editor or somebody with ideas has touched

_LOCK_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**400, float("nan"), float("inf"), "", "x", "2026-13-01", "\u2028\x1b[31m", "\ud800"),
    *([], {}, [[]], [1], {"a": 1}, {"": ""}, {"a": {"b": None}}, [{"name": "x"}] * 3, "x" * 100_000),
)
_PATHS = (
    *(
        "../somebody.txt",
        "/etc/passwd",
        "a/../../somebody.txt",
        "",
        ".",
        "..",
        "a\\b",
        "a\0b",
        "a\nb",
        "~/x",
        "x" * 5000,
    ),
    *(
        "/".join("a" * 300),
        ".devops-tasks/lock.json",
        "../spec.yaml",
        "tasks.md/",
        "./tasks.md",
        "\ud800",
        "//etc/passwd",
    ),
)


def broken_lock(seed: int, content: bytes) -> bytes:
    """Damage the text of a lock, or put other values into it."""
    choice = random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    if choice.random() < 0.3:
        return _broken_lock_text(choice, content)
    lock = json.loads(content)
    for _ in range(choice.choice([1, 1, 2, 5])):
        lock = _broken_lock_value(choice, lock)
    return json.dumps(lock).encode()


def _broken_lock_text(choice: random.Random, content: bytes) -> bytes:
    at = choice.randrange(len(content))
    deep = choice.choice([b"[", b'{"a":', b"[{"]) * 100_000
    return choice.choice(
        [
            content[:at],
            content[:at] + choice.choice(_BYTES) + content[at:],
            content[:at] + choice.choice(NASTY).encode() + content[at:],
            content[:at] + content[at + choice.randint(1, 50) :],
            content[: choice.randrange(at + 1)] + deep,
            b"\xef\xbb\xbf" + content,
            content + content,
            content.decode().encode("utf-16"),
            b'{"format": ' + b"1" * 10_000 + b"}",
            b"<<<<<<< ours\n" + content,
        ]
    )


def _broken_lock_value(choice: random.Random, lock: Tree) -> Tree:
    found = list(places(lock)) if isinstance(lock, dict) else []
    outer = [path for path in found if len(path) <= 2]
    if not found:
        return lock
    value = choice.choice(_LOCK_VALUES)
    match choice.randrange(5):
        case 0:
            return changed(lock, choice.choice(outer), lambda holder, step: operator.setitem(holder, step, value))
        case 1:
            return changed(lock, choice.choice(outer), operator.delitem)
        case 2:
            digest = choice.choice(["", "x", hashlib.sha256(b"theirs").hexdigest(), value])
            path = choice.choice(_PATHS)
            return changed(
                lock,
                ("files",),
                lambda holder, step: (
                    isinstance(holder.get(step), dict) and holder.update({step: {**holder[step], path: digest}})
                ),
            )
        case 3:
            return changed(lock, choice.choice(found), lambda holder, step: operator.setitem(holder, step, value))
        case _:
            return choice.choice([value, [lock], {**lock, "format": 2}, {**lock, "more": value}])
