"""Which questions there are, in which groups, and in which words: all of it from the fields of the spec.

Lives here: the groups, the quick path, the screen of one key. A key is on the quick path when it is required, or when
its field has a question written for it. Must not: a second default, limit or help text; asking.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

from devops_tasks.defaults import slugify
from devops_tasks.errors import KeyPath, UserError, key_text
from devops_tasks.fields import MISSING, Field, Kind, Listing, Nested, Shape, Tree, field_at, shape_at, value_at
from devops_tasks.spec import SPEC, Spec
from devops_tasks.wizard.answers import Answers, complaint, default_at, held, left_blank, singular, spoken, whole

_SLUG: KeyPath = ("feature", "slug")


class Group(NamedTuple):
    """Some keys that are asked together."""

    title: str
    keys: tuple[str, ...]


_FIRST = (
    Group("Feature and sprint", ("feature", "sprint", "documents", "overview", "review")),
    Group("Experiment", ("experiment",)),
    Group("Services", ("services",)),
    Group("Data and dependencies", ("databases", "caches", "queues", "external_services", "dependencies")),
    Group("Platform", ("platform", "monitoring", "backup", "cost")),
)
_NAMED = {key for group in _FIRST for key in group.keys}
_UNASKED = {"format", "extends", "policy", "pack_fields"}  # above a spec, or asked for by its packs
_REST = tuple(name for name, field in Spec.fields.items() if name not in _NAMED | _UNASKED and not field.later)
GROUPS: tuple[Group, ...] = (*_FIRST, Group("Delivery and thresholds", _REST))
"""Every key that is asked is in one of the groups; a new one is in the last until it is given a place."""
PACKS = Group("Template packs", ("pack_fields",))
"""What the packs ask for, before everything else."""


class Option(NamedTuple):
    """One of the answers of a screen that gives some to choose from."""

    value: str
    label: str


NOTHING = "-"
"""What a person writes to take an answer back."""


class Screen(NamedTuple):
    """What is before a person's eyes: notes, a question, what it means, and how an answer is judged."""

    title: str
    message: str
    help: str = ""
    default: str = ""
    options: tuple[Option, ...] = ()
    judge: Callable[[str], str] = lambda _: ""
    notes: tuple[str, ...] = ()

    def meant(self, line: str) -> str:
        """Say which answer a line means: nothing written takes what is offered."""
        text = line.strip()
        return {"": self.default, NOTHING: ""}.get(text, text)


def group_of(path: KeyPath) -> int:
    """Say in which group a key is asked."""
    return next((index for index, group in enumerate(GROUPS) if path and path[0] in group.keys), len(GROUPS) - 1)


def title_of(index: int) -> str:
    """Say where a person is: ``2 of 6 · Experiment``."""
    return f"{index + 1} of {len(GROUPS)} · {GROUPS[index].title}"


def quick_keys(answers: Answers, index: int) -> Iterator[KeyPath]:
    """Walk the keys of a group's quick path, those of each service included."""
    for name in GROUPS[index].keys:
        yield from _quick(Spec.fields[name], (name,), answers)


def _quick(field: Field, path: KeyPath, answers: Answers) -> Iterator[KeyPath]:
    shape = field.shape
    if isinstance(shape, Kind):
        if field.required or (field.ask and not field.derived) or path == _unmade(answers):
            yield path
    elif isinstance(shape, Nested) and (field.required or field.default is not MISSING):
        for name, inner in shape.record.fields.items():
            yield from _quick(inner, (*path, name), answers)
    elif isinstance(shape, Listing) and shape.least and isinstance(shape.item, Nested):
        items = value_at(answers.laid, path)
        for number in range(len(items) if isinstance(items, list) else 1):
            for name, inner in shape.item.record.fields.items():
                yield from _quick(inner, (*path, number, name), answers)


def _unmade(answers: Answers) -> KeyPath:
    """Name the key of which no default can be made from the answers, as of a name without a letter for the slug."""
    name, slug = (value_at(answers.laid, ("feature", each)) for each in ("name", "slug"))
    if name is None:
        return ()
    return () if slug is None and _reads(_SLUG, slugify(name)) else _SLUG


def _reads(path: KeyPath, text: str) -> bool:
    try:
        _item(_shape(path)).parse(text)
    except ValueError:
        return False
    return True


def key_screen(answers: Answers, path: KeyPath) -> Screen:
    """Make the screen that asks for one key, or for an item of a list of texts."""
    field = field_at(SPEC, path) or Field(_shape(path), _item_doc(path))
    kind = field.shape if isinstance(field.shape, Kind) else _item(field.shape)
    title, message = title_of(group_of(path)), _message(answers, field, path)
    default = _text(field.shape, present(answers, path))

    def judge(text: str) -> str:
        return complaint(answers, path, parse_answer(path, text))

    options = tuple(Option(word, word) for word in kind.choices) if isinstance(field.shape, Kind) else ()
    if options and not default and not field.required:
        options = (*options, Option("", "not decided yet" if field.undecided else "leave it out"))
    help_ = " ".join((help_of(field, kind, default), *_origin(answers, path, field))).strip()
    if field.required and not default and not left_blank(answers, path):
        help_ += " Leave it empty while nobody has decided."
    return Screen(title, message, help_, default, options, judge)


def _origin(answers: Answers, path: KeyPath, field: Field) -> Iterator[str]:
    """Say where the answer that is offered comes from, when it is no default of ours, and how to take it back."""
    file = answers.source_of(path)
    if file:
        yield f"Offered by {file}."
    if (
        answers.at(path) is not None
        and not field.required
        and not (isinstance(field.shape, Kind) and field.shape.choices)
    ):
        yield f"Write {NOTHING} to take it back."


def _shape(path: KeyPath) -> Shape:
    shape = shape_at(SPEC, path)
    assert shape is not None, key_text(path)  # noqa: S101 - only places of the spec are asked for
    return shape


def _item(shape: Shape) -> Kind[object]:
    inner = shape.item if isinstance(shape, Listing) else shape
    assert isinstance(inner, Kind)  # noqa: S101 - groups are asked key by key
    return inner


def _item_doc(path: KeyPath) -> str:
    field = field_at(SPEC, path[:-1])
    return field.doc if field else str(path[-1])


def _message(answers: Answers, field: Field, path: KeyPath) -> str:
    """Ask in the field's words; an item of a list says which one it is, where there may be several."""
    item = next((index for index, step in enumerate(path) if isinstance(step, int)), None)
    if item is None or item + 1 == len(path):
        return field.question
    alone = path[item] == 0 and len(held(answers, path[:item]) or ()) <= 1
    return field.question if alone else f"{spoken(answers, path[: item + 1])}: {field.question}"


def help_of(field: Field, kind: Kind[object], default: str) -> str:
    """Say what a field means, how it is written, and what leaving it empty does."""
    several = "several, with commas between" if isinstance(field.shape, Listing) else ""
    parts = (
        field.doc if field.ask else "",
        "" if kind.free or kind.choices else f"Write {kind.expected}",
        several and several.capitalize(),
        "" if default or kind.choices or " such as " in kind.expected else _sample(field),
        "" if default or field.required or kind.choices else _unanswered(field),
    )
    return " ".join(f"{part}." for part in parts if part)


def _sample(field: Field) -> str:
    return f"For example {field.sample}" if isinstance(field.sample, str) else ""


def _unanswered(field: Field) -> str:
    return "Leave it empty while nobody has decided" if field.undecided else "It may be left empty"


def present(answers: Answers, path: KeyPath) -> Tree:
    """Give the answer of a key, or else its default; None where there is neither."""
    given = answers.at(path)
    return default_at(answers, path) if given is None else given


def _text(shape: Shape, tree: Tree) -> str:
    if isinstance(shape, Listing) and isinstance(tree, list):
        return ", ".join(map(str, tree))
    return tree if isinstance(tree, str) else ""


def parse_answer(path: KeyPath, text: str) -> Tree:
    """Read an answer as a tree: a line of names is a list where a list is asked for."""
    listed = isinstance(shape_at(SPEC, path), Listing) and text.strip() != "none"
    return [part.strip() for part in text.split(",") if part.strip()] if listed and text.strip() else text.strip()


# What nobody has decided yet


def open_keys(answers: Answers, group: int | None) -> list[KeyPath]:
    """List the undecided keys of a group, or of all, which can be answered in a line; none while something is wrong."""
    from devops_tasks.plan import plan_undecided  # which the first question does not need
    from devops_tasks.specfile import Source, load_spec, parse_path

    try:
        spec = load_spec(Source("", whole(answers), {})).spec
    except UserError:
        return []
    paths = (_first_line(parse_path(each["key"])) for each in plan_undecided(spec))
    return sorted((path for path in paths if path and group in {None, group_of(path)}), key=position)


def _first_line(path: KeyPath) -> KeyPath:
    """Find the key that is asked for first: of a group what it must have; nothing where a line does not do."""
    shape = _shape(path)
    if not isinstance(shape, Nested):
        return path if is_line(shape) else ()
    fields = shape.record.fields
    return _first_line((*path, next((name for name in fields if fields[name].required), next(iter(fields)))))


def position(path: KeyPath) -> tuple[int, ...]:
    """Say where a key stands among all, in the order in which they are asked."""
    places = [group_of(path)]
    for length, step in enumerate(path):
        shape = shape_at(SPEC, path[:length])
        places.append(list(shape.record.fields).index(str(step)) if isinstance(shape, Nested) else int(step))
    return tuple(places)


# What a feature keeps its data in


STORES = ("databases", "caches", "queues")
"""The lists that are asked for in one question."""


def stores_screen(answers: Answers) -> Screen:
    """Ask which of the stores there are: what holds now is first, but that a worker is offered a queue as well."""
    now = kept_in(answers)
    usual = (*now[:-1], now[-1] or _takes_jobs(answers))
    choices = sorted(product((True, False), repeat=len(STORES)), key=lambda each: (each != usual, -sum(each)))
    options = tuple(Option(_word(each), _label(each)) for each in choices)
    help_ = "; ".join(f"{name}: {summary(answers, (name,))}" for name in STORES)
    if usual != now:
        help_ += "; a worker usually takes its jobs from a queue"
    return Screen(title_of(group_of(("databases",))), "What does it keep data in?", f"{help_}.", _word(usual), options)


def kept_in(answers: Answers) -> tuple[bool, ...]:
    """Say of each of the stores whether there is one."""
    return tuple(kept(answers, name) for name in STORES)


def kept(answers: Answers, name: str) -> bool:
    """Say whether a list has anything in it."""
    return held(answers, (name,)) not in ([], "none")


def _takes_jobs(answers: Answers) -> bool:
    return any(service["kind"] == "worker" for service in whole(answers)["services"])


def _word(chosen: tuple[bool, ...]) -> str:
    return " ".join(name for name, there in zip(STORES, chosen, strict=True) if there) or "none"


def _label(chosen: tuple[bool, ...]) -> str:
    """Name the stores by their engines, as the spec's fields have them."""
    names = [name for name, there in zip(STORES, chosen, strict=True) if there]
    words = [f"{value_at(whole(Answers({name: [{}]})), (name, 0, 'engine'))} {singular(name)}" for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) or "none of them"


# What stands behind a key, in a line


def applies(answers: Answers, path: KeyPath) -> bool:
    """Say whether a key of a service means anything to a service of its kind."""
    field = field_at(SPEC, path)
    return not (field and field.only) or held(answers, (*path[:2], "kind")) in field.only


def summary(answers: Answers, path: KeyPath) -> str:
    """Say in a few words what holds at a place, and whether it was answered."""
    given = answers.at(path)
    if given is not None:
        return brief(given)
    default = value_at(whole(answers), path)
    field = field_at(SPEC, path)
    if default is None:
        return "to be decided" if field and field.undecided else "left out"
    origin = answers.source_of(path)
    where = f"from {origin}" if origin else "default"
    return f"{brief(default)} ({where})" if isinstance(default, str | list) else ""


def brief(tree: Tree, most: int = 60) -> str:
    """Show a value in a line; of groups in a list only the names."""
    if isinstance(tree, list):
        text = ", ".join(brief(item) for item in tree) or "none"
    elif isinstance(tree, dict):
        text = next((value for value in tree.values() if isinstance(value, str)), "")
    else:
        text = str(tree).replace("\n", " ")
    return text if len(text) <= most else f"{text[: most - 3]}..."


def is_line(shape: Shape | None) -> bool:
    """Say whether a key is asked for in one line: a scalar, or a list of names."""
    return isinstance(shape, Kind) or (
        isinstance(shape, Listing) and isinstance(shape.item, Kind) and not shape.item.free
    )
