"""What was answered so far, as a tree, and what follows from it: defaults, complaints, what changes with an answer.

Lives here: pure sums on trees. An answer that is the default is not kept, so that a default that depends on another
answer follows it; what the organisation's defaults say is a default like any other. Must not: asking, files, validation
of its own (the spec's fields and rules judge).
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from devops_tasks.defaults import complete
from devops_tasks.errors import Fault, KeyPath, Problem, UserError, key_text
from devops_tasks.fields import Builder, Field, Kind, Listing, Nested, Shape, Tree, field_at, shape_at, value_at
from devops_tasks.spec import SPEC
from devops_tasks.spectext import without

if TYPE_CHECKING:
    from devops_tasks.specfile import Source

_NAME: KeyPath = ("feature", "name")
_SLUG: KeyPath = ("feature", "slug")
_UNASKED = "missing-key"
"""The code of what was not answered yet: it is asked for next, or told before writing."""


class Answers(NamedTuple):
    """What was answered, and the organisation's defaults below it where there are some."""

    tree: Tree
    inherited: "Source | None" = None

    def at(self, path: KeyPath) -> Tree:
        """Give the answer of a key, None where there is none."""
        return value_at(self.tree, path)

    @property
    def laid(self) -> Tree:
        """Lay the answers over what is inherited."""
        if self.inherited is None:
            return self.tree
        from devops_tasks.inherit import overlay as lay  # which most specs do not need
        from devops_tasks.specfile import Source

        return lay(self.inherited, Source("", self.tree, {})).tree

    def source_of(self, path: KeyPath) -> str:
        """Name the file of defaults that a value is inherited from; empty where it is not."""
        if self.inherited is None or value_at(self.inherited.tree, path) is None or self.at(path) is not None:
            return ""
        while path not in self.inherited.places:  # what an alias stands for has no place of its own
            path = path[:-1]
        return self.inherited.places[path].where


def whole(answers: Answers) -> Tree:
    """Complete the answers with every default; what is required and not answered yet is taken from the examples."""
    return complete(_with_examples(SPEC, answers.laid))


def held(answers: Answers, path: KeyPath) -> Tree:
    """Give what holds at a place, answered or not; of a list that is inherited in part, all of it."""
    given = answers.at(path) if answers.inherited is None else None
    return value_at(whole(answers), path) if given is None else given


def default_at(answers: Answers, path: KeyPath) -> Tree:
    """Give what holds at a key when it is not answered, None where nothing does."""
    rest = answers if answers.at(path) is None or isinstance(path[-1], int) else _without(answers, path)
    return None if path in required(rest) else value_at(whole(rest), path)


def _without(answers: Answers, path: KeyPath) -> Answers:
    return answers._replace(tree=without(answers.tree, path))


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


def give(answers: Answers, path: KeyPath, text: Tree) -> Answers:
    """Answer a key, or take its answer back where the text is blank; a default is not kept as an answer."""
    if text == answers.at(path):
        return answers
    answers = _written_out(answers, path)
    if text is None or text == "":
        return answers if answers.at(path) is None else _without(answers, path)
    given = put(answers, path, text)
    for length in range(len(path), 0, -1):
        if not isinstance(path[length - 1], int):
            given = _unless_default(given, path[:length])
    return given


def _unless_default(given: Answers, path: KeyPath) -> Answers:
    rest = _without(given, path) if given.at(path) is not None else given
    return rest if _same(rest, given) else given


def _same(rest: Answers, given: Answers) -> bool:
    try:
        return bool(whole(rest) == whole(given) and required(rest) == required(given))
    except (LookupError, TypeError, ValueError):
        return False


def required(answers: Answers) -> list[KeyPath]:
    """List the required keys that nobody has answered yet."""
    return [place for place, _ in missing(SPEC, answers.laid)]


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


def _written_out(answers: Answers, path: KeyPath) -> Answers:
    """Write the default of a list as answers, where one of its items is to be changed."""
    for length in range(1, len(path)):
        place = path[:length]
        listed = isinstance(shape_at(SPEC, place), Listing)
        if listed and isinstance(path[length], int):
            answers = write_out(answers, place)
    return answers


def write_out(answers: Answers, path: KeyPath) -> Answers:
    """Make the default items of a list answers, with as few keys as say the same; those that are answers stay."""
    items, given = value_at(whole(answers), path), answers.at(path)
    if isinstance(given, list) and (answers.inherited is None or len(given) >= len(items)):
        return answers
    answers = put(answers, path, items if isinstance(items, list) else [])
    for place in sorted(_keys_below(answers.at(path), path), key=len, reverse=True):
        answers = _unless_default(answers, place)
    return answers


def aligned(answers: Answers) -> Answers:
    """Write out the lists that are inherited in part, so that an item has one number in all of them."""
    for path in [(name,) for name, value in answers.tree.items() if isinstance(value, list)]:
        answers = write_out(answers, path)
    return answers


def _keys_below(tree: Tree, path: KeyPath) -> Iterator[KeyPath]:
    for step, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        if isinstance(step, str):
            yield (*path, step)
        yield from _keys_below(value, (*path, step))


def put(answers: Answers, path: KeyPath, value: Tree) -> Answers:
    """Put a value into the answers, making the groups and the list items on the way."""
    return answers._replace(tree=_put(answers.tree, path, value, SPEC))


def _put(tree: Tree, path: KeyPath, value: Tree, shape: Shape | None) -> Tree:
    if not path:
        return value
    step, *rest = path
    inner = shape_at(shape, (step,)) if shape else None
    if isinstance(step, int):
        items: list[Any] = list(tree or [])
        old = items[step] if step < len(items) else None
        return [*items[:step], _put(old, tuple(rest), value, inner), *items[step + 1 :]]
    group = _group(tree, shape)
    return {**group, step: _put(group.get(step), tuple(rest), value, inner)}


def _group(tree: Tree, shape: Shape | None) -> dict[str, Tree]:
    if isinstance(tree, dict):
        return tree
    return {shape.scalar: tree} if tree and tree != "none" and isinstance(shape, Nested) and shape.scalar else {}


def complaint(answers: Answers, path: KeyPath, text: Tree) -> str:
    """Say what is wrong with an answer, by the whole spec; empty when nothing is.

    What was wrong before and elsewhere is not held against it, nor a name of which no slug can be made.
    """
    before = {(problem.key, problem.what) for problem in faults(answers)}
    given = give(answers, path, text)
    asked = key_text(path)
    for problem in faults(given):
        elsewhere = not problem.key.startswith(asked) and (problem.key, problem.what) in before
        if not elsewhere and not (path == _NAME and problem.key == key_text(_SLUG)):
            return told(given, problem, asked)
    return "" if text else left_blank(given, path)


def left_blank(given: Answers, path: KeyPath) -> str:
    """Refuse to leave out what a group or an item that was begun must have."""
    field = field_at(SPEC, path)
    if not field or not field.required or not isinstance(field.shape, Kind):
        return ""
    begun = isinstance(path[-2], int) or value_at(whole(given), path[:-1]) is not None
    return f"expected {field.shape.expected}, not blank" if begun and default_at(given, path) is None else ""


def misread(tree: Tree) -> list[Fault]:
    """List the values of a tree that cannot be read at all: no default can be computed beside them."""
    builder = Builder()
    builder.build(SPEC, tree)
    return [fault for fault in builder.faults if fault.code != _UNASKED]


def faults(answers: Answers) -> list[Problem]:
    """List what is wrong with the answers so far, except for what was not answered yet."""
    return [problem for problem in load_faults(_with_examples(SPEC, answers.laid)) if problem.code != _UNASKED]


def load_faults(tree: Tree) -> list[Problem]:
    """List what is wrong with a tree, everything included that is missing."""
    from devops_tasks.specfile import Source, load_spec  # which the first question does not need

    try:
        load_spec(Source("", tree, {}))
    except UserError as error:
        return list(error.problems)
    return []


def told(answers: Answers, problem: Problem, asked: str = "") -> str:
    """Tell a problem; its place is left out where it is before the person's eyes."""
    from devops_tasks.specfile import parse_path

    here = bool(asked) and problem.key.startswith(asked)
    return str(problem._replace(where="", line=0, key="" if here else spoken(answers, parse_path(problem.key))))


def spoken(answers: Answers, path: KeyPath) -> str:
    """Name a place as people do: an item of a list by its name, and by its number where it has none."""
    text, keys = "", ""
    for index, step in enumerate(path):
        if isinstance(step, int):
            *above, last = keys.split(".")
            keys = ".".join([*above, _item_name(answers, path[: index + 1], singular(last))])
            text, keys = f"{text}: {keys}" if text else keys, ""
        else:
            keys = f"{keys}.{step}" if keys else step
    return f"{text}: {keys}" if text and keys else text or keys


def _item_name(answers: Answers, path: KeyPath, thing: str) -> str:
    shape = shape_at(SPEC, path[:-1])
    name = None
    if isinstance(shape, Listing) and shape.name:
        with suppress(LookupError, TypeError, ValueError):  # no default follows from what is wrong
            name = held(answers, (*path, shape.name))
    return f"{thing} {name if isinstance(name, str) else int(path[-1]) + 1}"


def singular(word: str) -> str:
    """Name one of the things that a key's name names many of."""
    words = {"caches": "cache", "queues": "queue", "criteria": "criterion", "infrastructure": "need", "done": "item"}
    ending = (("ies", "y"), ("ses", "se"), ("s", ""))
    plain = next((word.removesuffix(end) + other for end, other in ending if word.endswith(end)), word)
    return words.get(word, plain).replace("_", " ")


def consequences(before: Answers, after: Answers, path: KeyPath) -> list[tuple[KeyPath, Tree, Tree]]:
    """List the defaults that follow a changed answer, each with what it was and is.

    Where the key had no answer before, nobody has seen a default that could have changed.
    """
    if before.at(path) is None:
        return []
    from devops_tasks.specedit import changed_keys

    changed = changed_keys(whole(before), whole(after))
    return [each for each in changed if after.at(each[0]) is None and each[0][: len(path)] != path]


def take_out(answers: Answers, path: KeyPath) -> Answers:
    """Remove an item of a list, or a key of a map."""
    answers = _written_out(answers, path)
    *above, step = path
    holder = answers.at(tuple(above))
    if isinstance(holder, dict):
        return _without(answers, path)
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
