"""The flow of the wizard as a machine of values: where a person is, what is asked there, and where an answer leads.

Lives here: states, and the way from one to the next; a terminal is only one way to show them. Back is the place before,
with every answer kept. Must not: a terminal, files, the words of a key's question.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from devops_tasks.errors import KeyPath, key_text
from devops_tasks.fields import Entries, Field, Kind, Listing, Nested, Shape, Tree, field_at, shape_at, value_at
from devops_tasks.spec import SPEC
from devops_tasks.wizard.answers import (
    Answers,
    complaint,
    consequences,
    faults,
    give,
    held,
    leaves,
    missing,
    put,
    required,
    singular,
    spoken,
    take_out,
    told,
    whole,
    write_out,
)
from devops_tasks.wizard.questions import (
    GROUPS,
    PACKS,
    STORES,
    Option,
    Screen,
    applies,
    brief,
    group_of,
    is_line,
    kept,
    kept_in,
    key_screen,
    open_keys,
    parse_answer,
    position,
    quick_keys,
    stores_screen,
    summary,
    title_of,
)

_MOST_CONSEQUENCES = 6
_PAGE = 30
"""How many lines of a file are shown at once."""


class Reply(NamedTuple):
    """What a person answered, or that they want to go back."""

    text: str = ""
    back: bool = False


class Place(NamedTuple):
    """Where a person is.

    ``key`` asks for one key, ``open`` for one of all that are undecided; ``stores`` which of the stores
    there are; ``entry`` for a pair of a map; ``group`` ends a group; ``menu`` shows the keys below a path;
    ``remove`` asks whether what is there shall go; ``review`` shows all, and leads to ``preview`` and ``file``.
    """

    kind: str
    path: KeyPath = ()
    detour: bool = False
    """Whether the way leads back to the menu that it came from."""


class Outlook(NamedTuple):
    """What the review says of the answers: what would be written, and what is to be said of it."""

    faults: tuple[str, ...]
    sums: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    findings: tuple[str, ...] = ()


Look = Callable[[Answers], Outlook]


class State(NamedTuple):
    """Everything that a next step depends on; ``pace`` says which questions are asked at all.

    ``all`` of the quick path, ``open`` ones without an answer, or those ``required`` that have none.
    """

    answers: Answers
    place: Place
    history: tuple[Place, ...] = ()
    notes: tuple[str, ...] = ()
    pace: str = "all"
    outcome: str = ""


_REVIEW = Place("review")
_ROOT = Place("menu", (), detour=True)
_STORES = Place("stores")


def begin(answers: Answers, pace: str = "all") -> State:
    """Start at the first question that is to be asked."""
    state = State(answers, _REVIEW, pace=pace)
    return state._replace(place=next(_script(state), _REVIEW))


def resume(state: State) -> State:
    """Go on where an earlier run was left, or begin with its answers where that place is one no more.

    Another version, or another set of template packs, may ask other questions.
    """
    places = (*state.history, state.place)
    return state if all(_is_there(state, place) for place in places) else begin(state.answers, "open")


def _is_there(state: State, place: Place) -> bool:
    of_spec = place.kind != "file" and _depth(place.path) > 0
    if place.kind not in _STEPS or (of_spec and shape_at(SPEC, place.path) is None):
        return False
    try:
        screen_of(state._replace(place=place), lambda _: Outlook(()))
    except (LookupError, TypeError, ValueError):
        return False
    return True


def _script(state: State) -> Iterator[Place]:
    """Walk the places of the quick path, as far as the answers say how many there are."""
    for index in range(len(GROUPS)):
        for path in quick_keys(state.answers, index):
            if _asked(state, path):
                yield Place("key", path)
        if index == group_of(STORES[:1]) and _asks_stores(state):
            yield _STORES
        if state.pace == "all":
            yield Place("group", (index,))
    yield _REVIEW


def questions_of(state: State) -> int:
    """Count the questions of the quick path, as far as the answers say how many there are."""
    return sum(place.kind in {"key", "stores"} for place in _script(state))


def _asked(state: State, path: KeyPath) -> bool:
    field = field_at(SPEC, path)
    if path == state.place.path and state.place.kind == "key":
        return True  # where the person is, answered or not
    open_ = value_at(state.answers.laid, path) is None
    return {"all": True, "open": open_ and bool(field)}.get(state.pace, path in required(state.answers))


def _asks_stores(state: State) -> bool:
    said = any(value_at(state.answers.laid, (name,)) is not None for name in STORES)
    return state.place == _STORES or state.pace == "all" or (state.pace == "open" and not said)


def screen_of(state: State, look: Look) -> Screen:
    """Make the screen of a state; ``look`` is asked where the review needs it."""
    answers, path = state.answers, state.place.path
    if state.place.kind in {"review", "preview", "file"}:
        screen = _of_review(state, look(answers))
    elif state.place.kind == "group":
        screen = _group_screen(answers, int(path[0]))
    elif state.place.kind == "menu":
        screen = _menu_screen(answers, path)
    elif state.place.kind == "entry":
        screen = _entry_screen(answers, path)
    elif state.place.kind == "stores":
        screen = stores_screen(answers)
    elif state.place.kind == "remove":
        screen = _removal_screen(answers, path)
    else:
        screen = key_screen(answers, path)
    return screen._replace(notes=(*state.notes, *screen.notes))


def step(state: State, reply: Reply) -> State:
    """Go where a reply leads; the reply has passed the judge of the screen."""
    state = state._replace(notes=())
    if reply.back:
        return _back(state)
    return _STEPS[state.place.kind](state, reply.text)


def _back(state: State) -> State:
    if not state.history:
        return state._replace(notes=("This is the first question.",))
    return state._replace(place=state.history[-1], history=state.history[:-1])


def _go(state: State, place: Place) -> State:
    return state._replace(place=place, history=(*state.history, state.place))


# One key


def _answer_key(state: State, text: str) -> State:
    path = state.place.path
    value = parse_answer(path, text)
    wrong = complaint(state.answers, path, value)
    if wrong:
        return state._replace(notes=(wrong,))
    after = give(state.answers, path, value)
    notes = [
        f"{spoken(after, key)} follows: {brief(old)} -> {brief(new)}"
        for key, old, new in consequences(state.answers, after, path)
    ]
    if len(notes) > _MOST_CONSEQUENCES:
        notes = [*notes[:_MOST_CONSEQUENCES], f"and {len(notes) - _MOST_CONSEQUENCES} more"]
    return _onward(state._replace(answers=after, notes=tuple(notes)))


def _onward(state: State) -> State:
    """Find the next place: what the same group still needs, the menu that was left, or the next of the quick path."""
    if state.place.kind == "open":
        return _next_open(state)
    if state.place.detour:
        needed = _needed(state)
        return _go(state, Place("key", needed, detour=True)) if needed else _return(state)
    places = list(_script(state))
    index = places.index(state.place) if state.place in places else -1
    return _go(state, places[index + 1])


def _next_open(state: State) -> State:
    """Find the next undecided key, of the group that the way began at the end of, or of all."""
    above, here = state.place.path[:-1], position(state.place.path)
    begun = [path for path in required(state.answers) if above and path[: len(above)] == above]
    later = begun or [path for path in open_keys(state.answers, _walked(state)) if position(path) > here]
    return _go(state, Place("open", later[0])) if later else _return(state)


def _walked(state: State) -> int | None:
    came = next(place for place in reversed(state.history) if place.kind != "open")
    return int(came.path[0]) if came.kind == "group" else None


def _needed(state: State) -> KeyPath:
    """Find the next key that the group or item which was begun must have, or has a question for."""
    above = state.place.path[:-1]
    holder = state.answers.at(above)
    if not above or not isinstance(holder, dict):
        return ()
    fresh = [path for path in required(state.answers) if path[: len(above)] == above]
    if fresh:
        return fresh[0]
    shape = shape_at(SPEC, above)
    fields = shape.record.fields if isinstance(shape, Nested) and isinstance(above[-1], int) else {}
    names = list(fields)
    later = names[names.index(str(state.place.path[-1])) + 1 :] if state.place.path[-1] in fields else []
    new = _is_new(state)
    return next(((*above, name) for name in later if new and fields[name].ask and name not in holder), ())


def _is_new(state: State) -> bool:
    """Say whether an item has just been added: then it was not reached through its own menu."""
    above = state.place.path[:-1]
    came = next((place for place in reversed(state.history) if place.kind in {"menu", "group"}), _ROOT)
    return came.path != above


def _return(state: State) -> State:
    """Go back to the place that a detour began at."""
    history = list(state.history)
    while history and history[-1].kind in {"key", "open", "entry"}:
        history.pop()
    place = history.pop() if history else _REVIEW
    back = state._replace(place=place, history=tuple(history))
    return _onward(back) if place == _STORES else back


# A pair of a map


def _entry_screen(answers: Answers, path: KeyPath) -> Screen:
    shape = shape_at(SPEC, path)
    assert isinstance(shape, Entries)  # noqa: S101 - only maps have entries

    def judge(text: str) -> str:
        name, equals, value = text.partition("=")
        return complaint(answers, (*path, name.strip()), value.strip()) if equals else "expected NAME=VALUE"

    return Screen(title_of(group_of(path)), f"{spoken(answers, path)}: which entry?", "Write NAME=VALUE.", judge=judge)


def _answer_entry(state: State, text: str) -> State:
    name, _, value = text.partition("=")
    answers = put(state.answers, (*state.place.path, name.strip()), value.strip())
    return _return(state._replace(answers=answers))


# The end of a group


def _group_screen(answers: Answers, index: int) -> Screen:
    names = [name for name in GROUPS[index].keys if _has_items((name,))]
    lists = [f"{name.replace('_', ' ')}: {summary(answers, (name,))}" for name in names]
    following = GROUPS[index + 1].title if index + 1 < len(GROUPS) else "the review"
    options = (
        Option("next", f"go on: {following}"),
        *_open_option(open_keys(answers, index)),
        *(Option(f"add {name}", _one_more(answers, name)) for name in names if _is_main(index, name)),
        Option("deeper", f"go deeper: {_count(index)} keys with defaults"),
    )
    help_ = "; ".join(lists) if names and len(names) <= len(options) + 1 else ""
    return Screen(title_of(index), f"{GROUPS[index].title}: is there more to say?", help_, "next", options)


def _open_option(keys: list[KeyPath]) -> Iterator[Option]:
    if keys:
        yield Option("open", f"answer what is undecided, one by one: {len(keys)} key{'s'[: len(keys) - 1]}")


def _one_more(answers: Answers, name: str) -> str:
    thing = singular(name)
    if kept(answers, name):
        return f"add another {thing}"
    return f"add a{'n' * (thing[0] in 'aeiou')} {thing}"


def _is_main(index: int, name: str) -> bool:
    """Say whether a list is what its group is about: then one more can be added without a menu."""
    return index in {group_of(("services",)), group_of(("databases",))} and name != "dependencies"


def _has_items(path: KeyPath) -> bool:
    shape = shape_at(SPEC, path)
    return isinstance(shape, Listing) and isinstance(shape.item, Nested)


def _count(index: int) -> int:
    return sum(_leaves(field_at(SPEC, (name,))) for name in GROUPS[index].keys)


def _leaves(field: Field | None) -> int:
    shape = field.shape if field and not field.later else None
    inner = shape.item if isinstance(shape, Listing) else shape
    if isinstance(inner, Nested):
        return sum(_leaves(each) for each in inner.record.fields.values())
    return int(shape is not None)


def _answer_group(state: State, text: str) -> State:
    index = int(state.place.path[0])
    if text == "next":
        return _onward(state)
    if text == "open":
        return _go(state, Place("open", open_keys(state.answers, index)[0]))
    if text == "deeper":
        keys = GROUPS[index].keys
        return _go(state, Place("menu", (keys[0],) if len(keys) == 1 else (index,), detour=True))
    return _add(state, (text.removeprefix("add "),))


# Menus


def _menu_screen(answers: Answers, path: KeyPath) -> Screen:
    options = (*_menu_options(answers, path), *_extras(answers, path), Option("done", "done here"))
    if not path:
        return Screen("Review", "Which answer shall be changed?", default="done", options=options)
    index = path[0] if isinstance(path[0], int) else group_of(path)
    name = spoken(answers, path) if _depth(path) else GROUPS[index].title
    return Screen(title_of(index), f"{name}: what shall be changed?", default="done", options=options)


def _depth(path: KeyPath) -> int:
    """Say how many steps of a menu's path are keys of the spec; that of a group of keys has none."""
    return len(path) if path and isinstance(path[0], str) else 0


def _menu_options(answers: Answers, path: KeyPath) -> Iterator[Option]:
    for inner in _below(answers, path):
        field = field_at(SPEC, inner)
        holds = "" if isinstance(inner[0], int) else summary(answers, inner)
        name = f"{GROUPS[inner[0]].title} ..." if isinstance(inner[0], int) else _name(answers, inner, _depth(path))
        holds = holds or (field.doc if field else "")
        yield Option(
            f"open {key_text(inner)}", f"{name}: {holds}" if holds and not name.endswith(f" {holds}") else name
        )


def _name(answers: Answers, path: KeyPath, known: int) -> str:
    """Name a place as seen from a menu: what the menu's own title says is left out."""
    if not known or isinstance(path[-1], int):
        return spoken(answers, path)
    return spoken(answers, path).removeprefix(spoken(answers, path[:known])).lstrip(":. ")


def _below(answers: Answers, path: KeyPath) -> list[KeyPath]:
    """List the places that a menu leads to."""
    if not path:
        given = [place for place, _ in leaves(answers.tree) if is_line(shape_at(SPEC, place))]
        return [*given, *((index,) for index in range(len(GROUPS)))]
    if isinstance(path[0], int):
        return [(name,) for name in GROUPS[path[0]].keys]
    shape = shape_at(SPEC, path)
    if isinstance(shape, Nested):
        inner = [(*path, name) for name, field in shape.record.fields.items() if not field.later]
        return [each for each in inner if applies(answers, each)]
    holds = held(answers, path)
    if isinstance(holds, dict):
        return [(*path, name) for name in holds]
    return [(*path, index) for index in range(len(holds))] if isinstance(holds, list) else []


def _extras(answers: Answers, path: KeyPath) -> Iterator[Option]:
    shape = shape_at(SPEC, path) if path and isinstance(path[0], str) else None
    field = field_at(SPEC, path) if shape else None
    if isinstance(shape, Listing | Entries):
        yield Option("add", "add one")
    if (isinstance(shape, Listing) and not shape.least) or (isinstance(shape, Nested) and shape.none):
        yield Option("none", "none at all")
    if path and isinstance(path[-1], int) and shape is not None:
        yield Option("remove", "remove it")
    if field and not field.required and answers.at(path) is not None:
        yield Option("default", "forget it: take the default" if not field.undecided else "forget it: undecided")


def _answer_menu(state: State, text: str) -> State:
    path = state.place.path
    if text == "done":
        return _leave(state)
    if text == "add":
        return _add(state, path)
    if text in {"none", "remove"}:
        return _go(state, Place("remove", path, detour=True))
    if text == "default":
        return _change(state, give(state.answers, path, ""))
    inner = next(each for each in _below(state.answers, path) if f"open {key_text(each)}" == text)
    return _open(state, inner)


def _removal_screen(answers: Answers, path: KeyPath) -> Screen:
    """Ask before something goes, and take no for an answer."""
    what = f"Remove {spoken(answers, path)}" if isinstance(path[-1], int) else f"Have no {spoken(answers, path)} at all"
    holds = summary(answers, path)
    help_ = f"What was answered there goes with it: {holds}." if holds else "What was answered there goes with it."
    options = (Option("no", "no, leave it as it is"), Option("yes", "yes"))
    return Screen(title_of(group_of(path)), f"{what}?", help_, "no", options)


def _answer_removal(state: State, text: str) -> State:
    path = state.place.path
    asked = _leave(state)
    if text == "no":
        return asked
    if not isinstance(path[-1], int):
        return _change(asked, nothing(state.answers, path))
    after = take_out(state.answers, path)
    origin = state.answers._replace(tree={}).source_of(path[:-1])
    if origin and len(held(after, path[:-1])) == len(held(state.answers, path[:-1])):
        return asked._replace(notes=(f"{spoken(after, path)} is inherited from {origin}: it cannot be removed here.",))
    return _leave(_change(asked, after))


def nothing(answers: Answers, path: KeyPath) -> Answers:
    """Answer that there is none of something; an empty list would leave what is inherited."""
    listed = isinstance(shape_at(SPEC, path), Listing)
    return put(answers, path, [] if listed and answers.inherited is None else "none")


def _change(state: State, answers: Answers) -> State:
    """Take other answers, and tell what is wrong with them now: the review lets nothing be written with it."""
    before = {(problem.key, problem.what) for problem in faults(state.answers)}
    fresh = [problem for problem in faults(answers) if (problem.key, problem.what) not in before]
    return state._replace(answers=answers, notes=tuple(f"now wrong: {told(answers, problem)}" for problem in fresh))


def _leave(state: State) -> State:
    if not state.history:
        return state._replace(place=_REVIEW)
    return state._replace(place=state.history[-1], history=state.history[:-1])


def _open(state: State, path: KeyPath) -> State:
    """Go to a key or to the menu below it; of a group that was not begun, what it must have is asked first."""
    shape: Shape | None = None if isinstance(path[0], int) else shape_at(SPEC, path)
    if shape is None and isinstance(path[0], int) and len(GROUPS[path[0]].keys) == 1:
        return _open(state, (GROUPS[path[0]].keys[0],))
    if shape is not None and (is_line(shape) or isinstance(shape, Kind)):
        return _go(state, Place("key", path, detour=True))
    if isinstance(shape, Nested) and value_at(whole(state.answers), path) is None:
        first = next((inner for inner, _ in missing(shape, {}, path)), None)
        return _go(state, Place("key", first, detour=True)) if first else _go(state, Place("menu", path, detour=True))
    return _go(state, Place("menu", path, detour=True))


def _add(state: State, path: KeyPath) -> State:
    """Begin a new item of a list, or a new pair of a map."""
    shape = shape_at(SPEC, path)
    if isinstance(shape, Entries):
        return _go(state, Place("entry", path, detour=True))
    assert isinstance(shape, Listing)  # noqa: S101 - only lists and maps have a menu with "add"
    answers = write_out(state.answers, path)
    count = len(answers.at(path))
    inner: KeyPath = (*path, count)
    if isinstance(shape.item, Nested):
        inner = next(place for place, _ in missing(shape.item, {}, inner))
    return _go(state._replace(answers=_unless_nothing(state, answers, path)), Place("key", inner, detour=True))


def _unless_nothing(state: State, answers: Answers, path: KeyPath) -> Answers:
    """Keep the default items as answers; an empty list is no answer until there is an item."""
    return answers if answers.at(path) else state.answers


# What data is kept in


def _answer_stores(state: State, text: str) -> State:
    """Take away what there shall not be, go back to the default of what there shall be, and ask for a queue's name."""
    answers, wanted = state.answers, text.split()
    for name, there in zip(STORES, kept_in(answers), strict=True):
        if there != (name in wanted):
            answers = give(answers, (name,), "")
            answers = nothing(answers, (name,)) if there and held(answers, (name,)) else answers
    state = _change(state, answers)
    added = next((name for name in STORES if name in wanted and not held(answers, (name,))), "")
    return _add(state, (added,)) if added else _onward(state)


# The review


def _of_review(state: State, outlook: Outlook) -> Screen:
    if state.place.kind == "preview":
        options = (*(Option(path, path) for path, _ in outlook.files), Option("", "back to the review"))
        return Screen("Preview", "Which file?", default="", options=options)
    if state.place.kind == "file":
        return _page_screen(outlook, *state.place.path)
    notes = (*_answer_lines(state.answers), "", *outlook.sums, *outlook.findings, *outlook.faults)
    return Screen(
        "Review",
        "What shall be done?",
        "",
        "edit" if outlook.faults else "write",
        _actions(outlook, open_keys(state.answers, None)),
        notes=notes,
    )


def _page_screen(outlook: Outlook, path: str | int, page: str | int) -> Screen:
    """Show a page of a file, so that nothing of it scrolls away unseen."""
    lines = next((text for name, text in outlook.files if name == path), "").splitlines()
    first = int(page) * _PAGE
    more = first + _PAGE < len(lines)
    options = (*((Option("next", "the next page"),) if more else ()), Option("", "back to the list"))
    notes = (*lines[first : first + _PAGE], "")
    told = f"{path}: {min(first + _PAGE, len(lines))} of {len(lines)} lines. Go on?"
    return Screen(str(path), told, default=options[0].value, options=options, notes=notes)


def _actions(outlook: Outlook, undecided: list[KeyPath]) -> tuple[Option, ...]:
    write = (Option("write", "write the spec and its bundle"), Option("spec", "write the spec alone"))
    preview = (Option("preview", "see a file before it is written"),)
    return (
        *(() if outlook.faults else write),
        Option("edit", "change an answer"),
        *_open_option(undecided),
        *(preview if outlook.files else ()),
        Option("save", "stop here, and go on later"),
        Option("cancel", "throw the answers away"),
    )


def _answer_lines(answers: Answers) -> Iterator[str]:
    """Show the answers group by group, key by key."""
    for group in (*GROUPS, PACKS):
        given = [leaf for name in group.keys for leaf in _given(answers, name)]
        if given:
            yield group.title
        yield from (f"  {spoken(answers, path)}: {brief(value, 70)}" for path, value in given)


def _given(answers: Answers, name: str) -> Iterator[tuple[KeyPath, Tree]]:
    value = answers.at((name,))
    if value is not None:
        yield from leaves(value, (name,))


def _answer_review(state: State, text: str) -> State:
    if text == "edit":
        return _go(state, _ROOT)
    if text == "open":
        return _go(state, Place("open", open_keys(state.answers, None)[0]))
    if text == "preview":
        return _go(state, Place("preview"))
    return state._replace(outcome=text)


def _answer_preview(state: State, text: str) -> State:
    return _go(state, Place("file", (text, 0))) if text else _back(state)


def _answer_file(state: State, text: str) -> State:
    path, page = state.place.path
    return state._replace(place=Place("file", (path, int(page) + 1))) if text else _back(state)


_STEPS: dict[str, Callable[[State, str], State]] = {
    "key": _answer_key,
    "open": _answer_key,
    "stores": _answer_stores,
    "entry": _answer_entry,
    "remove": _answer_removal,
    "group": _answer_group,
    "menu": _answer_menu,
    "review": _answer_review,
    "preview": _answer_preview,
    "file": _answer_file,
}
