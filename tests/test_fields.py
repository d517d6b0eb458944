"""The shapes of a spec: what a scalar, a list, a group and a map take, and every fault at its key path."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from devops_tasks.errors import Fault
from devops_tasks.fields import (
    BOOLEAN,
    Builder,
    Kind,
    Listing,
    Nested,
    Record,
    Tree,
    choice,
    entries,
    fill,
    integer,
    key,
    listing,
    matching,
    nested,
    prune,
    required_keys,
    shape_at,
    switchable,
    text,
)

WORD = matching("word", "a word", "[a-z]+", 5)


class Size(Record):
    """A group that one number may stand for."""

    request: int = key(integer(1, 9), "What is asked for", default="1")
    limit: int = key(integer(1, 9), "What is allowed", derived=True)


class Part(Record):
    """An item of a list."""

    name: str = key(WORD, "Its name", required=True, example="abc")
    class_: str | None = key(WORD, "Its class")


class Whole(Record):
    """The group that the tests build."""

    title: str = key(text("a title", 20), "What it is called", required=True, ask="Which title?", example="Alpha")
    sort: str = key(choice("new", "old", later=("odd",)), "What sort it is", default="new")
    size: Size = key(nested(Size, scalar="limit"), "How big it is", default={})
    extra: Size | None = key(switchable(Size), "More of it", default={})
    parts: tuple[Part, ...] = key(listing(nested(Part), name="name"), "Its parts", default=[])
    words: tuple[str, ...] | None = key(listing(WORD, least=1), "Its words")
    map: dict[str, str] = key(entries(WORD, WORD), "Its map", default={})
    tomorrow: str | None = key(WORD, "Not yet", later=True)


WHOLE: Nested[Whole] = nested(Whole)


def faults(tree: Tree) -> list[Fault]:
    builder = Builder()
    builder.build(WHOLE, tree)
    return builder.faults


def told(tree: Tree) -> list[str]:
    return [f"{'.'.join(map(str, fault.path))}: {fault.what}" for fault in faults(tree)]


def test_a_valid_tree_becomes_typed_values() -> None:
    tree = {
        "title": "T",
        "sort": "old",
        "size": "7",
        "extra": "none",
        "parts": [{"name": "a", "class": "b"}],
        "words": ["x"],
        "map": {"k": "v"},
    }
    built = Builder().build(WHOLE, fill(WHOLE, tree))
    assert (built.title, built.sort, built.extra, built.words, built.map) == ("T", "old", None, ("x",), {"k": "v"})
    assert (built.size.limit, built.size.request) == (7, 1)
    assert built.parts[0] == Part(name="a", class_="b")
    with pytest.raises(AttributeError, match="frozen"):
        built.title = "U"


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({}, ["title: required: What it is called"]),
        ({"title": None}, ["title: required: What it is called"]),
        ({"title": ["T"]}, ["title: expected a title, found a list"]),
        ({"title": {"x": "y"}}, ["title: expected a title, found a group of keys"]),
        ({"title": "  "}, ["title: expected a title, not blank, found '  '"]),
        ({"title": "T" * 21}, ["title: expected a title of at most 20 characters, found 'TTTTTTTTTTTTTTTTTTTTT'"]),
        ({"title": "a\tb"}, ["title: expected a title without control characters or line breaks, found 'a\\tb'"]),
        ({"title": "T", "sort": "odd"}, ["sort: odd is not built yet"]),
        ({"title": "T", "sort": "noo"}, ["sort: expected one of new, old, found 'noo'"]),
        ({"title": "T", "size": ["1"]}, ["size: expected a group of keys, found a list"]),
        ({"title": "T", "size": "x"}, ["size.limit: expected a whole number from 1 to 9, found 'x'"]),
        ({"title": "T", "extra": "non"}, ["extra: expected a group of keys, found 'non'"]),
        ({"title": "T", "parts": {"name": "a"}}, ["parts: expected a list, found a group of keys"]),
        ({"title": "T", "parts": "abc"}, ["parts: expected a list, found 'abc'"]),
        ({"title": "T", "parts": [{"name": "a"}, {"name": "a"}]}, ["parts.1.name: 'a' is there twice"]),
        ({"title": "T", "parts": [{}]}, ["parts.0.name: required: Its name"]),
        ({"title": "T", "words": []}, ["words: expected at least one item"]),
        ({"title": "T", "words": "none"}, ["words: expected a list, found 'none'"]),
        ({"title": "T", "map": {"K": "v"}}, ["map.K: expected a word, found 'K'"]),
        ({"title": "T", "map": {"k": "V"}}, ["map.k: expected a word, found 'V'"]),
        ({"title": "T", "map": ["k"]}, ["map: expected a group of keys, found a list"]),
        ({"title": "T", "tomorrow": "x"}, ["tomorrow: not built yet"]),
        ({"title": "T", "tomorrow": None}, ["tomorrow: not built yet"]),
        ({"title": "T", "titel": "T"}, ["titel: unknown key"]),
        ({"title": "T", "titel": None}, ["titel: unknown key"]),
        (["title"], [": expected a group of keys, found a list"]),
    ],
    ids=lambda value: str(value)[:70],
)
def test_a_fault_is_told_at_its_key(tree: Tree, expected: list[str]) -> None:
    assert told(tree) == expected


def test_all_faults_are_told_at_once() -> None:
    tree = {
        "sort": "x",
        "size": {"request": "0", "limt": "1"},
        "parts": [{"name": "A"}, "b"],
        "map": {"1": "2"},
        "z": "1",
    }
    paths = [fault.path for fault in faults(tree)]
    assert sorted(map(str, paths)) == sorted(
        map(
            str,
            [
                ("z",),
                ("title",),
                ("sort",),
                ("size", "limt"),
                ("size", "request"),
                ("parts", 0, "name"),
                ("parts", 1),
                ("map", "1"),
                ("map", "1"),
            ],
        )
    )


@pytest.mark.parametrize(
    ("tree", "mend"),
    [
        ({"title": "T", "titel": "x"}, "did you mean title?"),
        ({"title": "T", "sort": "oldd"}, "did you mean old?"),
        ({"title": "T", "sort": "zzz"}, "known: new, old"),
        ({"title": "T", "sort": "odd"}, "built so far: new, old"),
        ({"title": "T", "tomorrow": "x"}, "leave it out for now"),
        ({}, "add it, for example title: Alpha"),
        ({"title": "T", "parts": "x"}, "start each item with '- ', or write none"),
    ],
    ids=str,
)
def test_a_fault_says_how_to_mend_it(tree: Tree, mend: str) -> None:
    assert [fault.mend for fault in faults(tree)] == [mend]


def test_none_turns_a_list_without_a_least_off() -> None:
    assert Builder().build(WHOLE, {"title": "T", "parts": "none"}).parts == ()


def test_a_key_without_a_value_counts_as_not_given() -> None:
    tree = {"title": "T", "sort": None, "size": {"request": None}, "parts": [{"name": "a", "class": None}]}
    assert faults(tree) == []
    assert prune(tree) == {"title": "T", "size": {}, "parts": [{"name": "a"}]}


def test_fixed_defaults_are_filled_in_leaf_by_leaf_and_derived_ones_left() -> None:
    filled = fill(WHOLE, {"title": "T", "size": {"limit": "3"}, "parts": [{"name": "a"}]})
    assert filled["size"] == {"request": "1", "limit": "3"}
    assert filled["extra"] == {"request": "1"}
    assert filled["parts"] == [{"name": "a"}]
    assert filled["sort"] == "new"
    assert "words" not in filled


def test_the_required_keys_are_found_with_their_paths() -> None:
    assert [path for path, _ in required_keys(Whole)] == [("title",)]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (("parts",), Listing),
        (("parts", 3), Nested),
        (("parts", 0, "name"), Kind),
        (("size", "limit"), Kind),
        (("map", "anything"), Kind),
        (("parts", "name"), type(None)),
        (("nothing",), type(None)),
        (("title", "x"), type(None)),
    ],
    ids=str,
)
def test_the_shape_of_a_place_is_found(path: tuple[str | int, ...], kind: type) -> None:
    assert isinstance(shape_at(WHOLE, path), kind)


@pytest.mark.parametrize("character", ["\0", "\x1b", "\r", "\t", "\x7f", "\x85", "\u2028", "\ud800", "\uffff", "\n"])
def test_free_text_takes_no_control_character(character: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        text().parse(f"a{character}b")


@given(
    st.text(
        st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"], exclude_characters="\ufeff\ufffe\uffff"),
        min_size=1,
    )
)
def test_free_text_keeps_every_other_character(value: str) -> None:
    assert text().parse(value) == value


def test_text_of_several_lines_keeps_its_line_breaks_and_loses_those_at_its_ends() -> None:
    assert text(lines=True).parse("\na\n\nb\n") == "a\n\nb"


@pytest.mark.parametrize("word", ["é", "a\n", "abcdef", "", "a b", "à"])
def test_a_name_matches_its_whole_pattern_in_ascii(word: str) -> None:
    with pytest.raises(ValueError, match="a word"):
        WORD.parse(word)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**7))
def test_the_pattern_of_whole_numbers_takes_those_within_the_limits(one: int, other: int, number: int) -> None:
    least, most = sorted((one, other))
    pattern = integer(least, most).schema["pattern"]
    for value in {number, least, most, max(0, least - 1), most + 1}:
        assert bool(re.search(pattern, str(value))) == (least <= value <= most)


@pytest.mark.parametrize(("written", "value"), [("007", 7), ("0", 0), ("15", 15)])
def test_a_whole_number_is_read_in_tens(written: str, value: int) -> None:
    assert integer(0, 15).parse(written) == value


@pytest.mark.parametrize("written", ["16", "-1", "+1", "1.0", "1e0", "0x1", "٣", "1_0", " 1", "", "9" * 13])
def test_no_other_notation_is_a_whole_number(written: str) -> None:
    with pytest.raises(ValueError, match="from 0 to 15"):
        integer(0, 15).parse(written)


@pytest.mark.parametrize(
    ("written", "value"), [("true", True), ("Yes", True), ("ON", True), ("off", False), ("No", False)]
)
def test_a_yes_or_no_is_read_in_the_words_of_yaml(written: str, *, value: bool) -> None:
    assert BOOLEAN.parse(written) is value


@pytest.mark.parametrize("written", ["1", "0", "y", "ja", "truee"])
def test_nothing_else_is_a_yes_or_no(written: str) -> None:
    with pytest.raises(ValueError, match="true or false"):
        BOOLEAN.parse(written)
