"""The rooms of the package stand in a row, and imports run one way: this holds the architecture, not a diagram."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.tools import ROOT

PACKAGE = "devops_tasks"

# A room imports only what stands before it. A new module is given its place here first.
ROOMS = (
    "__init__",  # the version and nothing else
    "errors",
    "codes",
    "reading",
    "units",
    "fields",
    "metrics",
    "experiment",
    "spec",
    "defaults",
    "schema",
    "promql",
    "sizes",
    "rules",
    "policy",
    "salvage",
    "filters",
    "spectext",
    "specfile",
    "inherit",
    "explain",
    "specedit",
    "importer",
    "plan",
    "cache",
    "render",
    "checks",
    "lock",
    "merge",
    "disk",
    "packs",
    "runs",
    "generate",
    "judge",
    "readout",
    "bootstrap",
    "wizard",
    "progress",
    "tracker",
    "cli",
    "__main__",
)

# A sub-package has one door, its `__init__`. The PromQL and the advice have their own: only the plan needs them, and a
# command that merely knows the names of metrics would load them as well. So has the verdict, which only `check` needs.
SIDE_DOORS = {
    *("metrics.forms", "metrics.advice", "metrics.catalogue", "metrics.conventions", "metrics.objectives"),
    *("metrics.arms", "metrics.jobs", "metrics.scenes"),
    "checks.verdict",
    "packs.budget",  # a cookiecutter template is rendered within the limits of a pack
    # A run that remembers its packs reads their files, and loads nothing that knows what is in them.
    *("packs.fields", "packs.layers", "packs.manifest", "packs.lint", "packs.golden"),
    *("experiment.evidence", "merge.entries"),  # only `readout` needs them
    "experiment.stated",  # only `check` and `import` need it
    "experiment.arms",  # only a bundle whose arms are watched does
}

FILES = frozenset(
    {
        "reading",
        "specfile",
        "inherit",
        "explain",
        "cache",
        "render",
        "disk",
        "packs",
        "runs",
        "generate",
        "judge",
        "readout",
        "bootstrap",
        "wizard",
        "progress",
    }
    | {"cli"}
)
NOBODY: frozenset[str] = frozenset()

# What only some rooms may import. A third-party library that is not named here has no room yet.
HOMES = {
    "cookiecutter": {"bootstrap"},
    "jinja2": {"render", "packs"},
    "markdown_it": {"importer", "progress"},
    "prompt_toolkit": {"wizard"},
    "questionary": {"wizard"},
    "typer": {"cli"},
    "promql_parser": {"promql"},
    "yaml": {"specfile", "specedit", "checks", "merge"},
    # Everything else is a pure function on values: no files, no environment.
    "glob": FILES,
    "os": FILES | {"__main__"},  # which leaves by it
    "pathlib": FILES,
    "shutil": FILES,
    "tempfile": FILES,
    "subprocess": {"judge"},  # asks bash whether a script parses
    # Same input, same bytes, offline.
    "random": NOBODY,
    "secrets": NOBODY,
    "socket": NOBODY,
    "time": NOBODY,
    "urllib.request": NOBODY,
    "uuid": NOBODY,
}
CLOCK = {"now", "today", "utcnow"}


def modules_of_the_package() -> dict[str, str]:
    """Give each module's name inside the package (`plan`, `plan.cost`) and its source."""
    folder = ROOT / PACKAGE
    return {
        module_name(path.relative_to(folder).with_suffix("").parts): path.read_text("utf-8")
        for path in sorted(folder.rglob("*.py"))
    }


def module_name(parts: tuple[str, ...]) -> str:
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def room_of(module: str) -> str:
    return module.partition(".")[0]


def imported_names(source: str) -> Iterator[str]:
    """Give every import of a module with its full name, those inside functions and under TYPE_CHECKING as well."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def own_module(name: str, modules: Mapping[str, str]) -> str:
    """Find which of our modules an import means: `devops_tasks.plan.plan_bundle` is `plan`."""
    inside = name.removeprefix(PACKAGE).removeprefix(".")
    while inside and inside not in modules:
        inside = inside.rpartition(".")[0]
    return inside or "__init__"


def own_imports(modules: Mapping[str, str]) -> dict[str, set[str]]:
    return {
        module: {own_module(name, modules) for name in imported_names(source) if name.partition(".")[0] == PACKAGE}
        for module, source in modules.items()
    }


def faults(modules: Mapping[str, str]) -> Iterator[str]:
    for module, source in modules.items():
        if room_of(module) not in ROOMS:
            yield f"{module}: not a room (give it its place in ROOMS)"
            continue
        for name in imported_names(source):
            yield from foreign_faults(module, name)
    for module, imports in own_imports(modules).items():
        for target in sorted(imports):
            yield from order_faults(module, target)
    yield from cycles(own_imports(modules))


def foreign_faults(module: str, name: str) -> Iterator[str]:
    library = name.partition(".")[0]
    if not library:
        yield f"{module}: imports {name} (write the whole name)"
    elif library not in HOMES and library != PACKAGE and library not in sys.stdlib_module_names:
        yield f"{module}: imports {library}, which has no room yet"
    for listed, homes in HOMES.items():
        if f"{name}.".startswith(f"{listed}.") and room_of(module) not in homes:
            yield f"{module}: imports {listed}, which lives elsewhere"


def order_faults(module: str, target: str) -> Iterator[str]:
    room, other = room_of(module), room_of(target)
    if room == other or not {room, other} <= set(ROOMS):
        return
    if ROOMS.index(other) > ROOMS.index(room):
        yield f"{module}: imports {target}, which stands after it"
    elif target != other and target not in SIDE_DOORS:
        yield f"{module}: imports {target} past the door of {other}"


def cycles(imports: Mapping[str, set[str]]) -> Iterator[str]:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        yield f"imports run in a circle: {' -> '.join(error.args[1])}"


def test_rooms_import_only_what_stands_before_them() -> None:
    modules = modules_of_the_package()
    assert modules
    assert list(faults(modules)) == []


def test_only_the_command_line_asks_what_day_it_is() -> None:
    asked = {
        module
        for module, source in modules_of_the_package().items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK
    }
    assert asked <= {"cli"}


LAYOUT = {
    "__init__": "",
    "errors": "",
    "spec": "",
    "plan": "",
    "plan.cost": "",
    "plan.tasks": "",
    "render": "",
    "cli": "",
}


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("spec", "from devops_tasks.plan import plan_bundle", "spec: imports plan, which stands after it"),
        ("spec", "from devops_tasks import plan", "spec: imports plan, which stands after it"),
        ("spec", "import devops_tasks.plan.cost", "spec: imports plan.cost, which stands after it"),
        ("spec", "def f():\n    from devops_tasks import cli", "spec: imports cli, which stands after it"),
        ("spec", "if TYPE_CHECKING:\n    from devops_tasks.cli import x", "spec: imports cli, which stands after it"),
        ("render", "from devops_tasks.plan.cost import total", "render: imports plan.cost past the door of plan"),
        ("render", "from devops_tasks.plan import cost", "render: imports plan.cost past the door of plan"),
        ("plan.cost", "from devops_tasks.render import x", "plan.cost: imports render, which stands after it"),
        ("helpers", "", "helpers: not a room (give it its place in ROOMS)"),
        ("spec", "import yaml", "spec: imports yaml, which lives elsewhere"),
        ("plan.cost", "from os.path import join", "plan.cost: imports os, which lives elsewhere"),
        ("cli", "import random", "cli: imports random, which lives elsewhere"),
        ("cli", "from urllib import request", "cli: imports urllib.request, which lives elsewhere"),
        ("cli", "import requests", "cli: imports requests, which has no room yet"),
        ("plan.cost", "from . import tasks", "plan.cost: imports ..tasks (write the whole name)"),
    ],
)
def test_a_fault_is_found(module: str, source: str, fault: str) -> None:
    assert list(faults(LAYOUT | {module: source})) == [fault]


def test_a_circle_inside_a_sub_package_is_found() -> None:
    circle = {"plan.cost": "from devops_tasks.plan.tasks import x", "plan.tasks": "from devops_tasks.plan import cost"}
    assert [fault.split(":")[0] for fault in faults(LAYOUT | circle)] == ["imports run in a circle"]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cli", "from devops_tasks import __version__"),
        ("cli", "from devops_tasks.plan import plan_bundle, Plan"),
        ("plan", "from devops_tasks.plan.cost import total"),
        ("plan.cost", "from devops_tasks.plan import tasks"),
        ("plan.cost", "from devops_tasks.spec import Spec"),
        ("render", "from pathlib import Path\nimport jinja2"),
        ("errors", "from typing import NamedTuple"),
        ("errors", "from urllib.parse import quote"),
    ],
)
def test_what_is_right_is_left_alone(module: str, source: str) -> None:
    assert list(faults(LAYOUT | {module: source})) == []


def test_the_documentation_lists_the_rooms_in_their_order() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text("utf-8")
    listed = page.partition("stands to its left: `")[2].partition("`")[0]
    assert tuple(listed.split()) == ROOMS[1:]
