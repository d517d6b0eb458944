"""What an organisation demands of its specs: policies, each of one key, held against a tree.

Lives here: finding what a policy's key means, and judging the values that are there. Loaded only where there is one.
Must not: files, contradictions between the keys of one spec (``rules``).
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from devops_tasks.errors import Fault, KeyPath
from devops_tasks.fields import (
    UNREAD,
    Built,
    Entries,
    Kind,
    Listing,
    Nested,
    Shape,
    Tree,
    nearest,
    shape_at,
    shorten,
    value_at,
)
from devops_tasks.spec import Policy, Spec
from devops_tasks.units import Duration, Money, Rate, Target

NOTHING = "none"
_ABOVE_SPECS = frozenset({"extends", "policy"})
_LIMITS = {
    "must_be": "must be",
    "must_not_be": "must not be",
    "at_least": "must be at least",
    "at_most": "must be at most",
}
_HOUR = 3600


def broken(policies: tuple[Policy, ...], shape: Nested[Any], tree: Tree, written: Tree) -> Iterator[tuple[int, Fault]]:
    """Yield what a tree of a shape breaks, and what is wrong with a policy itself, each with the policy's number.

    ``written`` is the tree without its defaults; where it is the tree itself, what is missing in it breaks nothing.
    """
    for index, policy in enumerate(policies):
        path: KeyPath = ("policy", index)
        meant = _shape(shape, policy.key_)
        if value_at(tree, (policy.key_.partition(".")[0],)) is UNREAD:
            continue  # such as the fields of a template pack that cannot be read
        if isinstance(meant, Fault):
            yield index, meant._replace(path=(*path, "key"))
            continue
        faults = list(_faults(policy, meant, path))
        yield from ((index, fault) for fault in faults or _broken(policy, meant, tree, written))


def _broken(policy: Policy, shape: Shape, tree: Tree, written: Tree) -> Iterator[Fault]:
    for path, value in _values(tree, policy.key_.split("."), ()):
        if value is not None or tree is not written:
            yield from _judge(policy, shape, path, value, written=_is_written(written, path))


# The policy itself


def _faults(policy: Policy, shape: Shape, path: KeyPath) -> Iterator[Fault]:
    """Say what is wrong with a policy."""
    given = [name for name in _LIMITS if getattr(policy, name) is not None]
    if not given and not policy.required and not policy.forbidden:
        known = ", ".join((*_LIMITS, "required", "forbidden"))
        yield Fault(path, "demands nothing of its key", f"add one of {known}", "missing-key")
    if policy.forbidden and (policy.required or given):
        yield Fault(
            (*path, "forbidden"), "demands a value as well, and that there is none", "keep one", "contradiction"
        )
    for name in given:
        yield from _limit_faults(policy, name, shape, (*path, name))


def _limit_faults(policy: Policy, name: str, shape: Shape, path: KeyPath) -> Iterator[Fault]:
    """Say what is wrong with one of the values that a policy names: they are typed as its key is."""
    if not isinstance(shape, Kind):
        what = f"{policy.key_} is a list or a group, which has no such value"
        yield Fault(path, what, "write required or forbidden, or name a key in it", "wrong-type")
        return
    text = getattr(policy, name)
    try:
        value = shape.parse(text)
    except ValueError as error:
        mend = nearest(text, shape.choices) if shape.choices else ""
        yield Fault(path, f"{policy.key_} takes {error}, found {shorten(text)}", mend)
        return
    if name in {"at_least", "at_most"} and _amount(value) is None:
        yield Fault(path, f"the values of {policy.key_} have no order", "write must_be or must_not_be", "wrong-type")


def _shape(shape: Shape, key: str) -> Shape | Fault:
    """Find the shape of a policy's key, or what is wrong with the key."""
    steps = key.split(".")
    for index, step in enumerate(steps):
        name, is_each = step.removesuffix("[]"), step.endswith("[]")
        known = _known(shape)
        inner = shape_at(shape, (name,)) if known is None or name in known else None
        if inner is None:
            return Fault((), f"there is no key {shorten(name)} in {key}", nearest(name, known or ()), "unknown-key")
        is_list = isinstance(inner, Listing)
        if is_each and not is_list:
            return Fault((), f"{name} is no list", f"write {name}", "unknown-key")
        if is_list and not is_each and index < len(steps) - 1:
            return Fault((), f"{name} is a list", f"write {name}[]", "unknown-key")
        shape = inner.item if isinstance(inner, Listing) and is_each else inner
    return shape


def _known(shape: Shape) -> tuple[str, ...] | None:
    """Give the names of what is in a group; None where any name may be.

    Fields of template packs have none as long as no pack is taken: nothing can be demanded of them then.
    """
    if not isinstance(shape, Nested):
        return None if isinstance(shape, Entries) and isinstance(shape.value, Kind) else ()
    unsaid = _ABOVE_SPECS if issubclass(shape.record, Spec) else ()
    return tuple(name for name, field in shape.record.fields.items() if not field.later and name not in unsaid)


# The values of a spec


def _values(tree: Tree, steps: list[str], path: KeyPath) -> Iterator[tuple[KeyPath, Tree]]:
    """Walk the places of a key, of each item of a list, with what is there; None where nothing is."""
    if not steps:
        yield path, tree
        return
    name = steps[0].removesuffix("[]")
    inner = tree.get(name) if isinstance(tree, dict) else None
    if not steps[0].endswith("[]"):
        yield from _values(inner, steps[1:], (*path, name))
    elif isinstance(inner, list):
        for index, item in enumerate(inner):
            yield from _values(item, steps[1:], (*path, name, index))


def _is_written(tree: Tree, path: KeyPath) -> bool:
    """Say whether somebody wrote a value, or the word that stands for the group in which it is."""
    for step in path:
        if isinstance(tree, str):
            return True
        tree = value_at(tree, (step,))
    return tree is not None


def _judge(policy: Policy, shape: Shape, path: KeyPath, value: Tree, *, written: bool) -> Iterator[Fault]:
    """Hold one value against a policy; that it must be there is for ``required`` alone to say."""
    if value is UNREAD:
        return
    if value is None or (value in (NOTHING, [], {}) and not isinstance(shape, Kind)):
        if policy.required:
            yield Fault(path, "must have a value", policy.because, "policy")
        return
    if policy.forbidden and written:
        yield Fault(path, "must have no value", policy.because, "policy")
    if not isinstance(shape, Kind):
        return
    found = _parsed(shape, value)
    for name in _LIMITS if found is not None else ():
        text = getattr(policy, name)
        if text is not None and not _holds(name, found, shape.parse(text)):
            told = f"found {value}" if written else f"and its default is {value}"
            yield Fault(path, f"{_LIMITS[name]} {text}, {told}", policy.because, "policy")


def _parsed(kind: Kind[Built], value: Tree) -> Built:
    """Read a value; None where it cannot be read, which its own field tells."""
    try:
        return kind.parse(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _holds(name: str, found: Built, limit: Built) -> bool:
    one, other = _amount(found), _amount(limit)
    alike = found == limit or (one is not None and one == other)  # 1/s is 60/min
    if name in {"must_be", "must_not_be"}:
        return alike == (name == "must_be")
    if one is None or other is None or one[0] != other[0]:  # dollars and euros
        return False
    return bool(one[1] >= other[1] if name == "at_least" else one[1] <= other[1])


def _amount(value: Built) -> tuple[str, Built] | None:
    """Give what values of one sort are ordered by, behind the name of the sort; None where they have no order."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _spoken_amount(value)
    if isinstance(value, Rate):
        return "Rate", value.amount * (_HOUR // value.unit_seconds)
    if isinstance(value, Money):
        return value.currency, value.amount
    return (value.kind, value.value) if isinstance(value, Target) else (type(value).__name__, value)


def _spoken_amount(word: str) -> tuple[str, Built] | None:
    """Order versions by their numbers, and the words that stand for a duration."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)*", word):
        return "version", [int(number) for number in word.split(".")]
    durations = {"change": Decimal(0), "real-time": Decimal(0), "forever": Decimal("Infinity")}
    return ("Duration", Duration(durations[word])) if word in durations else None
