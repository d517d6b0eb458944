"""A spec that is edited keeps what a person wrote in it: only the changed values are other than before."""

from __future__ import annotations

import difflib
import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from devops_tasks.errors import KeyPath, UserError
from devops_tasks.fields import Tree, prune, value_at
from devops_tasks.specedit import changed_keys, edit_text
from devops_tasks.specfile import override, parse_spec
from tests.bundles import EXAMPLES
from tests.tools import ROOT

TEXT = """\
# Who works on it
feature:
  name: Saved Reports   # as in the tracker
  engineer: "@dana"

sprint: {name: "24", capacity: 20}  # two weeks

services:
  # the one that people see
  - name: api
    port: 8080          # behind the mesh
    needs: []
  # nobody sees it
  - name: indexer
    kind: worker
# the end
"""


def difference(text: str, *assignments: str) -> list[str]:
    """Give the lines that a change takes out and puts in."""
    source = override(parse_spec(text, "spec.yaml"), assignments)
    edited = edit_text(text, prune(source.tree), "spec.yaml")
    lines = difflib.unified_diff(text.splitlines(), edited.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (
            ["feature.name=Reports: new"],
            ["-  name: Saved Reports   # as in the tracker", '+  name: "Reports: new"   # as in the tracker'],
        ),
        (["feature.id=F-1"], ["+  id: F-1"]),
        (["services[0].port=9090"], [
            "-    port: 8080          # behind the mesh",
            "+    port: 9090          # behind the mesh",
        ]),
        (["services[0].port="], ["-    port: 8080          # behind the mesh"]),
        (["services[0].host=a.example.com"], ["+    host: a.example.com"]),
        (["services[1].slo={availability: 99%}"], ["+    slo:", "+      availability: 99%"]),
        (["sprint.name=25"], [
            '-sprint: {name: "24", capacity: 20}  # two weeks',
            '+sprint: {name: "25", capacity: 20}  # two weeks',
        ]),
        (["sprint.name=Winter, late"], [
            '-sprint: {name: "24", capacity: 20}  # two weeks',
            '+sprint: {name: "Winter, late", capacity: 20}  # two weeks',
        ]),
        (["sprint.starts=2026-12-01"], [
            '-sprint: {name: "24", capacity: 20}  # two weeks',
            '+sprint: {name: "24", capacity: 20, starts: 2026-12-01}  # two weeks',
        ]),
        (["sprint="], ['-sprint: {name: "24", capacity: 20}  # two weeks']),
        (["caches=none"], ["+", "+caches: none"]),
        ([], []),
    ],
)  # fmt: skip
def test_only_the_changed_line_is_another(assignments: list[str], expected: list[str]) -> None:
    assert sorted(difference(TEXT, *assignments)) == sorted(expected)


def test_a_block_of_text_is_replaced_and_what_stands_behind_it_stays() -> None:
    text = "experiment:\n  hypothesis: |\n    One\n    two\n\n  # why\n  power: 80%\n"
    assert difference(text, "experiment.hypothesis=Three") == [
        *("-  hypothesis: |", "-    One", "-    two", "+  hypothesis: Three"),
    ]


def test_a_service_that_goes_leaves_the_others_with_their_comments() -> None:
    services = [{"name": "indexer", "kind": "worker"}, {"name": "web", "kind": "web"}]
    edited = edit_text(TEXT, prune(parse_spec(TEXT, "x").tree) | {"services": services}, "x")
    assert edited.partition("services:\n")[2] == (
        "  # the one that people see\n  # nobody sees it\n  - name: indexer\n    kind: worker\n"
        "  - name: web\n    kind: web\n# the end\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "feature: &a {name: x}\nsprint: *a\n",
        "{}\n",
        "",
    ],
    ids=["an alias", "an empty group", "nothing"],
)
def test_a_text_that_cannot_be_changed_in_place_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="cannot be changed without losing its comments"):
        edit_text(text, {"feature": {"name": "y"}, "sprint": {"name": "x"}}, "spec.yaml")


@settings(max_examples=40)
@given(st.sampled_from(EXAMPLES), st.integers(0, 10_000))
def test_whatever_changes_the_text_holds_the_new_tree_and_its_other_comments(name: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - chance that can be repeated
    text = (ROOT / "examples" / f"{name}.yaml").read_text("utf-8")
    old = prune(parse_spec(text, "x").tree)
    new = changed(deepcopy(old), chance)
    try:
        edited = edit_text(text, new, "x")
    except UserError as error:
        assert "without losing" in str(error)  # noqa: PT017 - a refusal is right, another text would not be
        return
    assert prune(parse_spec(edited, "x").tree) == new
    whole = [line for line in text.splitlines() if line.startswith("#")]
    assert [line for line in edited.splitlines() if line.startswith("#")] == whole


def changed(tree: Tree, chance: random.Random) -> Tree:
    """Take out, repeat and rewrite some values of a tree; at its top nothing goes, so that it stays a spec's."""
    for _ in range(chance.randint(1, 3)):
        path = chance.choice(sorted(deep_paths(tree), key=str))
        holder: Any = value_at(tree, path[:-1])
        value = holder[path[-1]]
        if isinstance(value, list):
            value.append(deepcopy(chance.choice(value)) if value else "a")
        elif isinstance(path[-1], str) and chance.random() < 0.5 and len(holder) > 1:
            del holder[path[-1]]
        elif isinstance(value, str):
            holder[path[-1]] = chance.choice([value, "none"])
    return tree


def deep_paths(tree: Tree, path: KeyPath = ()) -> list[KeyPath]:
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    inner = [each for step, value in steps for each in ((*path, step), *deep_paths(value, (*path, step)))]
    return [each for each in inner if len(each) > 1]


def test_what_differs_between_two_trees_is_told_key_by_key() -> None:
    old = {"a": {"b": "1", "c": "2"}, "d": [{"e": "1"}], "f": ["1"]}
    new = {"a": {"b": "1", "c": "3"}, "d": [{"e": "2"}], "g": "x"}
    assert list(changed_keys(old, new)) == [
        (("a", "c"), "2", "3"),
        (("d", 0, "e"), "1", "2"),
        (("f",), ["1"], None),
        (("g",), None, "x"),
    ]
