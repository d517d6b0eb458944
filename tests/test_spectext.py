"""The spec that the wizard writes: one that a person would have written, and that reads back as what was answered."""

from __future__ import annotations

import pytest

from devops_tasks.fields import Tree, prune
from devops_tasks.specfile import load_spec, parse_spec, read_spec
from devops_tasks.spectext import essential, remarks, spec_text, without
from tests.bundles import EXAMPLES, load_text, load_tree
from tests.random_specs import random_spec
from tests.specs import MINIMAL
from tests.tools import ROOT


def tree_of(text: str) -> Tree:
    return prune(parse_spec(text, "spec.yaml").tree)


@pytest.mark.parametrize("name", EXAMPLES)
def test_only_what_differs_is_kept_and_the_spec_stays_the_same(name: str) -> None:
    tree = read_spec(ROOT / "examples" / f"{name}.yaml").tree
    kept = essential(tree)
    text = spec_text(kept, "s.json", remarks(kept))
    assert tree_of(text) == kept
    assert load_text(text).tree == load_tree(tree).tree
    spelt_out = essential(load_tree(tree).tree)
    assert spelt_out | {"caches": None} == kept | {"caches": None}  # of which `none` and `[]` mean the same


def test_every_key_that_is_left_can_not_be_left_out() -> None:
    kept = essential(read_spec(ROOT / "examples/checkout.yaml").tree)
    whole = load_tree(kept).tree
    for path in (("services", 0, "port"), ("delivery", "pause"), ("rollback",), ("caches",), ("platform", "gateway")):
        assert load_tree(without(kept, path)).tree != whole, path


@pytest.mark.parametrize("seed", range(10))
def test_a_random_spec_is_the_same_after_it_was_written_anew(seed: int) -> None:
    tree = random_spec(seed)
    kept = essential(tree)
    assert load_spec(parse_spec(spec_text(kept, "", remarks(kept)), "x")).tree == load_tree(tree).tree


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ("services: [{name: web, kind: web}]", ["services:", "  - name: web", "    kind: web  # or api, worker"]),
        ("delivery: {pause: 5m}", ["delivery:", "  pause: 5m  # instead of 10m"]),
        ("delivery: {steps: [5%, 100%]}", ["delivery:", "  steps: [5%, 100%]"]),
        ("delivery: {pause: 10m}", []),
        ("done: [One thing, Another]", ["done:", "  - One thing", "  - Another"]),
        ("platform: {kubernetes: '1.30'}", ["platform:", '  kubernetes: "1.30"  # instead of 1.33']),
        ("platform: {tls_issuer: letsencrypt}", ["platform:", "  tls_issuer: letsencrypt"]),
        ("services: [{name: saved-reports-api, kind: api}]", []),
        ("databases: []", ["databases: []"]),
    ],
)
def test_a_choice_has_a_remark_and_a_default_is_not_written(more: str, lines: list[str]) -> None:
    kept = essential(tree_of(f"{MINIMAL}{more}\n"))
    written = spec_text(kept, "", remarks(kept)).removeprefix(spec_text(essential(tree_of(MINIMAL)))).splitlines()
    assert written == ([""] if lines else []) + lines


def test_a_text_of_several_lines_is_written_as_a_block() -> None:
    tree = {"experiment": {"hypothesis": "One: two\n\n- three"}, "services": [{"name": "a", "config": {"K": "1\n2"}}]}
    text = spec_text(tree)
    assert text == (
        "experiment:\n  hypothesis: |-\n    One: two\n\n    - three\n\n"
        "services:\n  - name: a\n    config:\n      K: |-\n        1\n        2\n"
    )
    assert tree_of(text) == tree


def test_the_keys_stand_in_the_order_of_the_spec() -> None:
    shuffled = {name: tree_of(MINIMAL)[name] for name in ("experiment", "sprint", "feature")}
    assert list(essential(shuffled)) == ["feature", "sprint", "experiment"]
