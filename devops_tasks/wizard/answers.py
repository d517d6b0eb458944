"""What was answered so far, as a tree, and what follows from it: defaults, complaints, what changes with an answer.

Lives here: pure sums on trees. An answer that is the default is not kept, so that a default that depends on another
answer follows it. Must not: asking, validation of its own (the spec's fields and rules judge).
"""

from collections.abc import Iterator
from typing import Any

from devops_tasks.defaults import complete
from devops_tasks.errors import Fault, KeyPath, Problem, UserError, key_text
from devops_tasks.fields import Builder, Field, Kind, Listing, Nested, Shape, Tree, shape_at, value_at
from devops_tasks.spec import SPEC
from devops_tasks.spectext import without

_NAME: KeyPath = ("feature", "name")
_SLUG: KeyPath = ("feature", "slug")
_UNASKED = "missing-key"
"""The code of what was not answered yet: it is asked for next, or told before writing."""


def whole(answers: Tree) -> Tree:
    """Complete the answers with every default; what is required and not answered yet is taken from the examples."""
    return complete(_with_examples(SPEC, answers))


def default_at(answers: Tree, path: KeyPath) -> Tree:
    """Give what holds at a key when it is not answered, None where nothing does."""
    rest = answers if value_at(answers, path) is None or isinstance(path[-1], int) else without(answers, path)
    return None if path in _required(SPEC, rest) else value_at(whole(rest), path)


def _with_examples(shape: Shape, tree: Tree) -> Tree:
    if isinstance(shape, Listing) and isinstance(tree, list):
        return [_with_examples(shape.item, item) for item in tree]
    if not isinstance(shape, Nested) or not isinstance(tree, dict):
        return tree
    filled = dict(tree)
    for name, field in shape.record.fields.items():
        if name in tree:
            filled[name] = _with_examples(field.shape, tree[name])
        elif field.required:
            filled[name] = field.sample if isinstance(field.shape, Kind) else _with_examples(field.shape, {})
    return filled


def give(answers: Tree, path: KeyPath, text: Tree) -> Tree:
    """Answer a key, or take its answer back where the text is blank; a default is not kept as an answer."""
    if text == value_at(answers, path):
        return answers
    answers = _written_out(answers, path)
    if text is None or text == "":
        return _forget(answers, path)
    given = put(answers, path, text)
    for length in range(len(path), 0, -1):
        if not isinstance(path[length - 1], int):
            given = _unless_default(given, path[:length])
    return given


def _forget(answers: Tree, path: KeyPath) -> Tree:
    return answers if value_at(answers, path) is None else without(answers, path)


def _unless_default(given: Tree, path: KeyPath) -> Tree:
    rest = without(given, path) if value_at(given, path) is not None else given
    return rest if _same(rest, given) else given


def _same(rest: Tree, given: Tree) -> bool:
    try:
        return whole(rest) == whole(given) and _required(SPEC, rest) == _required(SPEC, given)
    except (LookupError, TypeError, ValueError):
        return False


def _required(shape: Shape, tree: Tree, path: KeyPath = ()) -> list[KeyPath]:
    return [place for place, _ in missing(shape, tree, path)]


def missing(shape: Shape, tree: Tree, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Field]]:
    """Walk the required keys that are not there, those of groups and items that were begun included."""
    if isinstance(shape, Listing) and isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from missing(shape.item, item, (*path, index))
    if not isinstance(shape, Nested) or not isinstance(tree, dict):
        return
    for name, field in shape.record.fields.items():
        if name in tree or (field.required and isinstance(field.shape, Nested)):
            yield from missing(field.shape, tree.get(name, {}), (*path, name))
        elif field.required:
            yield (*path, name), field


def _written_out(answers: Tree, path: KeyPath) -> Tree:
    """Write the default of a list as answers, where one of its items is to be changed."""
    for length in range(1, len(path)):
        place = path[:length]
        listed = isinstance(shape_at(SPEC, place), Listing)
        if listed and isinstance(path[length], int) and not isinstance(value_at(answers, place), list):
            answers = write_out(answers, place)
    return answers


def write_out(answers: Tree, path: KeyPath) -> Tree:
    """Make the default items of a list answers, with as few keys as say the same."""
    items = value_at(whole(answers), path)
    answers = put(answers, path, items if isinstance(items, list) else [])
    for place in sorted(_keys_below(value_at(answers, path), path), key=len, reverse=True):
        answers = _unless_default(answers, place)
    return answers


def _keys_below(tree: Tree, path: KeyPath) -> Iterator[KeyPath]:
    for step, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        if isinstance(step, str):
            yield (*path, step)
        yield from _keys_below(value, (*path, step))


def put(tree: Tree, path: KeyPath, value: Tree, shape: Shape | None = SPEC) -> Tree:
    """Put a value into a tree, making the groups and the list items on the way; the tree itself stays as it is."""
    if not path:
        return value
    step, *rest = path
    inner = shape_at(shape, (step,)) if shape else None
    if isinstance(step, int):
        items: list[Any] = list(tree or [])
        old = items[step] if step < len(items) else None
        return [*items[:step], put(old, tuple(rest), value, inner), *items[step + 1 :]]
    group = _group(tree, shape)
    return {**group, step: put(group.get(step), tuple(rest), value, inner)}


def _group(tree: Tree, shape: Shape | None) -> dict[str, Tree]:
    if isinstance(tree, dict):
        return tree
    return {shape.scalar: tree} if tree and tree != "none" and isinstance(shape, Nested) and shape.scalar else {}


def complaint(answers: Tree, path: KeyPath, text: Tree) -> str:
    """Say what is wrong with an answer, by the whole spec; empty when nothing is.

    What was wrong before and elsewhere is not held against it, nor a name of which no slug can be made.
    """
    before = {(problem.key, problem.what) for problem in faults(answers)}
    given = give(answers, path, text)
    asked = key_text(path)
    for problem in faults(given):
        elsewhere = not problem.key.startswith(asked) and (problem.key, problem.what) in before
        if not elsewhere and not (path == _NAME and problem.key == key_text(_SLUG)):
            return _message(problem, asked)
    return _blank(given, path)


def _blank(given: Tree, path: KeyPath) -> str:
    field = next((field for place, field in missing(SPEC, given) if place == path), None)
    return f"expected {field.shape.expected}, not blank" if field and isinstance(field.shape, Kind) else ""


def misread(tree: Tree) -> list[Fault]:
    """List the values of a tree that cannot be read at all: no default can be computed beside them."""
    builder = Builder()
    builder.build(SPEC, tree)
    return [fault for fault in builder.faults if fault.code != _UNASKED]


def faults(answers: Tree) -> list[Problem]:
    """List what is wrong with the answers so far, except for what was not answered yet."""
    return [problem for problem in load_faults(_with_examples(SPEC, answers)) if problem.code != _UNASKED]


def load_faults(tree: Tree) -> list[Problem]:
    """List what is wrong with a tree, everything included that is missing."""
    from devops_tasks.specfile import Source, load_spec  # which the first question does not need

    try:
        load_spec(Source("", tree, {}))
    except UserError as error:
        return list(error.problems)
    return []


def _message(problem: Problem, asked: str) -> str:
    """Leave out the place: it is before the person's eyes, unless another key is at fault."""
    key = "" if problem.key.startswith(asked) else problem.key
    return str(problem._replace(where="", line=0, key=key))


def consequences(before: Tree, after: Tree, path: KeyPath) -> list[tuple[KeyPath, Tree, Tree]]:
    """List the defaults that follow a changed answer, each with what it was and is.

    Where the key had no answer before, nobody has seen a default that could have changed.
    """
    if value_at(before, path) is None:
        return []
    from devops_tasks.specedit import changed_keys

    changed = changed_keys(whole(before), whole(after))
    return [each for each in changed if value_at(after, each[0]) is None and each[0][: len(path)] != path]


def take_out(answers: Tree, path: KeyPath) -> Tree:
    """Remove an item of a list, or a key of a map."""
    answers = _written_out(answers, path)
    *above, step = path
    holder = value_at(answers, tuple(above))
    if isinstance(holder, dict):
        return without(answers, path)
    return put(answers, tuple(above), [item for index, item in enumerate(holder) if index != step])


def overlay(under: Tree, over: Tree) -> Tree:
    """Lay answers over others, key by key; a list is taken as a whole."""
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    return under | {name: overlay(under.get(name), value) for name, value in over.items()}


def leaves(tree: Tree, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Tree]]:
    """Walk the answers: texts, and lists of texts or of nothing."""
    if isinstance(tree, dict) and tree:
        for name, value in tree.items():
            yield from leaves(value, (*path, name))
    elif isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        for index, item in enumerate(tree):
            yield from leaves(item, (*path, index))
    else:
        yield path, tree
