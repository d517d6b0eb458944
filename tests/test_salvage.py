"""What is said of a spec with faults: every contradiction that is there, and none that only follows from a fault."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from hypothesis import given, strategies as st

from devops_tasks.errors import KeyPath, UserError
from devops_tasks.fields import UNREAD, Builder, Listing, Tree, UnreadError, prune, shape_at
from devops_tasks.rules import check_spec
from devops_tasks.salvage import salvage
from devops_tasks.spec import SPEC
from devops_tasks.specfile import Source, load_spec, parse_spec, read_spec
from tests.specs import MINIMAL
from tests.test_rules import CONTRADICTIONS
from tests.tools import ROOT
from tests.trees import full_tree


@cache
def valid_trees() -> tuple[Tree, ...]:
    """Give valid specs: the examples, and one with every key."""
    return (*(read_spec(path).tree for path in sorted(ROOT.glob("examples/*.yaml"))), full_tree("some words"))


def told(tree: Tree) -> set[str]:
    """Give the key of each fault."""
    try:
        load_spec(Source("s.yaml", tree, {}))
    except UserError as error:
        return {problem.key for problem in error.problems}
    return set()


def told_of_text(text: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        load_spec(parse_spec(text, "s.yaml"))
    return [f"{problem.key}: {problem.what}" for problem in caught.value.problems]


def faults_of_keys(tree: Tree) -> int:
    builder = Builder()
    builder.build(SPEC, tree)
    return len(builder.faults)


# Breaking a valid spec: what it meant was right, so whatever is told beyond the breaks is wrong


def leaves(tree: Tree, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Give the path of each key and item that somebody may get wrong."""
    if path:
        yield path
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for step, value in inner:
        yield from leaves(value, (*path, step))


def holder_of(tree: Tree, path: KeyPath) -> Tree:
    for step in path[:-1]:
        tree = tree[step]
    return tree


def misspell(tree: Tree, path: KeyPath) -> None:
    holder = holder_of(tree, path)
    if isinstance(path[-1], str):
        holder[f"{path[-1]}x"] = holder.pop(path[-1])


def misplace(tree: Tree, path: KeyPath) -> None:
    """Write a key at the margin, as a wrong indentation does."""
    if isinstance(path[-1], str) and path[-1] not in tree:
        tree[path[-1]] = holder_of(tree, path).pop(path[-1])


def change_type(tree: Tree, path: KeyPath) -> None:
    holder = holder_of(tree, path)
    holder[path[-1]] = {"x": "y"} if isinstance(holder[path[-1]], str) else "\0"


def spoil(tree: Tree, path: KeyPath) -> None:
    holder = holder_of(tree, path)
    if isinstance(holder[path[-1]], str):
        holder[path[-1]] = "\0"


def lose(tree: Tree, path: KeyPath) -> None:
    """Leave what the parser leaves of a tag, or of a key that is there twice."""
    holder_of(tree, path)[path[-1]] = UNREAD


def repeat(tree: Tree, path: KeyPath) -> None:
    """Leave a copy of an item behind, where items must have names of their own."""
    holder, shape = holder_of(tree, path), shape_at(SPEC, path[:-1])
    if isinstance(holder, list) and isinstance(shape, Listing) and (shape.name or shape.distinct):
        holder.append(copy.copy(holder[-1]))


BREAKS: tuple[Callable[[Tree, KeyPath], None], ...] = (misspell, misplace, change_type, spoil, lose, repeat)


def broken(tree: Tree, choice: random.Random, breaks: int) -> Tree:
    tree = copy.deepcopy(tree)
    for _ in range(breaks):
        choice.choice(BREAKS)(tree, choice.choice(list(leaves(tree))))
    return tree


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 10))
def test_no_contradiction_is_told_that_follows_from_a_fault(seed: int, breaks: int, which: int) -> None:
    trees = valid_trees()
    tree = broken(trees[which % len(trees)], random.Random(seed), breaks)  # noqa: S311 - a seed to repeat it by
    builder = Builder()
    builder.build(SPEC, tree)
    spec, computed = salvage(prune(tree), builder.faults)
    assert [fault.path for fault in computed] == []
    assert list(check_spec(spec)) == []


def test_the_breaks_of_the_property_break_something() -> None:
    trees = [broken(tree, random.Random(seed), 1) for tree in valid_trees() for seed in range(20)]  # noqa: S311
    assert sum(bool(faults_of_keys(tree)) for tree in trees) > len(trees) * 0.5


# Planting contradictions: they are told whatever is wrong elsewhere

ELSEWHERE = """\
review: {next: soon}
links: {costs: nowhere, dashbords: https://example.com}
overview: {security_review: maybe}
risks: [{risk: Fire}]
"""


WRITTEN = {name: row for name, row in CONTRADICTIONS.items() if row[0]}


@pytest.mark.parametrize(("more", "fault"), WRITTEN.values(), ids=WRITTEN)
def test_a_contradiction_is_told_beside_faults_elsewhere(more: str, fault: str) -> None:
    found = told_of_text(f"{MINIMAL}{more}\n{ELSEWHERE}")
    assert any(line.startswith(fault) for line in found), found
    keys = [line.split(":")[0] for line in found]
    assert {"review.next", "links.costs", "links.dashbords", "overview.security_review", "risks[0].impact"} <= {*keys}


PLANTED: dict[str, tuple[tuple[KeyPath, Tree], ...]] = {
    "sprint.ends": ((("sprint", "starts"), "2026-12-14"), (("sprint", "ends"), "2026-12-01")),
    "delivery.steps[1]": ((("delivery", "steps"), ["50%", "10%", "100%"]),),
    "monitoring.scrape_interval": ((("monitoring", "scrape_interval"), "5m"),),
    "experiment.assignment.treatment": ((("experiment", "assignment"), {"treatment": "100%"}),),
    "platform.namespaces.staging": ((("platform", "namespaces"), {"staging": "x", "production": "x"}),),
    "services[0].staging.cpu.request": ((("services", 0, "staging", "cpu"), {"request": "2", "limit": "1"}),),
    "services[1].image": ((("services", 1, "image"), "registry.example.com/shop/web:latest"),),
    "tasks[0]": ((("tasks",), [{"id": "DO-100", "title": "T"}]),),
}


def put(tree: Tree, path: KeyPath, value: Tree) -> None:
    for step in path[:-1]:
        tree = tree.setdefault(step, {}) if isinstance(step, str) else tree[step]
    tree[path[-1]] = value


@given(st.sets(st.sampled_from(sorted(PLANTED)), min_size=1), st.integers(0, 2**32), st.integers(1, 4))
def test_every_contradiction_is_told_whatever_is_wrong_elsewhere(keys: set[str], seed: int, breaks: int) -> None:
    tree = copy.deepcopy(read_spec(ROOT / "examples/checkout.yaml").tree)
    for path, value in (row for key in keys for row in PLANTED[key]):
        put(tree, path, value)
    assert told(tree) == keys
    groups = {path[0] for key in keys for path, _ in PLANTED[key]}
    choice = random.Random(seed)  # noqa: S311
    for _ in range(breaks):
        paths = [path for path in leaves(tree) if path[0] not in groups]
        choice.choice((change_type, spoil))(tree, choice.choice(paths))
    assert keys <= told(tree)


def test_a_key_that_cannot_be_read_cannot_be_asked() -> None:
    builder = Builder()
    tree = parse_spec(MINIMAL.replace("engineer", "enginer"), "s.yaml").tree
    builder.build(SPEC, tree)
    spec, _ = salvage(tree, builder.faults)
    assert spec.feature.name == "Saved Reports"
    assert spec.delivery.pause.text == "10m"
    for unread in ("engineer", "slug"):  # the slug may be what was meant
        with pytest.raises(UnreadError):
            getattr(spec.feature, unread)
    with pytest.raises(UnreadError):
        _ = spec.platform.namespaces.production  # follows from it
    with pytest.raises(UnreadError):
        _ = spec.services
    assert getattr(spec.feature, "nothing", "no such key") == "no such key"


@pytest.mark.parametrize("tree", ["text", ["list"], {}, {"services": ["x"]}, {"feature": {"name": "日本"}}])
def test_the_faults_of_a_tree_that_is_hardly_a_spec_are_told_and_nothing_else(tree: Tree) -> None:
    builder = Builder()
    builder.build(SPEC, tree)
    assert len(told(tree)) == len({fault.path for fault in builder.faults}) + (tree == {"feature": {"name": "日本"}})
