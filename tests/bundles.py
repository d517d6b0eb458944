"""Bundles in memory for tests: from a text of YAML or one of the examples, with keys set or leaves replaced."""

from __future__ import annotations

from functools import cache
from typing import Any

from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files, Renderer, templates_folder
from devops_tasks.specfile import Loaded, load_spec, override, parse_spec, read_spec
from tests.tools import ROOT

EXAMPLES = ("minimal", "saved-reports", "checkout")


@cache
def renderer() -> Renderer:
    """Compile the built-in templates once."""
    return Renderer(templates_folder())


def load_text(text: str) -> Loaded:
    """Load a spec that a test writes."""
    return load_spec(parse_spec(text, "spec.yaml"))


def load_tree(tree: dict[str, Any]) -> Loaded:
    """Load a spec from a tree of source text."""
    return load_spec(parse_spec("", "spec.yaml")._replace(tree=tree))


@cache
def load_example(name: str, *assignments: str) -> Loaded:
    """Load one of the examples, with some keys set as on the command line."""
    return load_spec(override(read_spec(ROOT / "examples" / f"{name}.yaml"), assignments))


def render_bundle(loaded: Loaded) -> Files:
    """Make the files of a loaded spec."""
    return renderer().render(plan_bundle(loaded.spec))


@cache
def example(name: str, *assignments: str) -> Files:
    """Make the files of one of the examples."""
    return render_bundle(load_example(name, *assignments))
