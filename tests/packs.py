"""Template packs for tests: written from a few texts, and put above the built-in templates without asking for trust."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from devops_tasks.packs.layers import LayeredRenderer
from devops_tasks.packs.manifest import open_layer
from devops_tasks.plan import Plan, plan_bundle
from devops_tasks.render import Renderer, templates_folder
from tests.bundles import load_example

if TYPE_CHECKING:
    from devops_tasks.render import Files


def write_pack(folder: Path, name: str = "acme", **templates: str) -> Path:
    """Write a pack; each template is named by its path without ``.j2``."""
    for path, text in {"pack.yaml": f"name: {name}\nversion: 1.0.0\n", **_paths(templates)}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    return folder


def _paths(templates: dict[str, str]) -> dict[str, str]:
    return {f"templates/{path}.j2": text for path, text in templates.items()}


_CACHE = tempfile.TemporaryDirectory()


@cache
def renderer() -> Renderer:
    """Compile the built-in templates once, for the sandbox too."""
    return Renderer(templates_folder(), Path(_CACHE.name))


@cache
def plan() -> Plan:
    """Plan the minimal example."""
    return plan_bundle(load_example("minimal").spec)


@cache
def plain() -> Files:
    """Render the minimal example without a pack."""
    return renderer().render(plan())


def layered(*folders: Path) -> LayeredRenderer:
    """Put packs above the built-in templates."""
    return LayeredRenderer(renderer(), [open_layer(folder) for folder in folders])


def render(*folders: Path) -> Files:
    """Render the minimal example with packs."""
    return layered(*folders).render(plan())
