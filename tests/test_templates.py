"""Templates choose, loop and print: they never compute, and print no value without its language's filter."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from devops_tasks.filters import FILTERS
from devops_tasks.render import PLURALS, templates_folder

FOLDER = templates_folder()
NAMES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.j2"))
COMPUTING_FILTERS = {"sum", "round", "int", "float", "abs", "max", "min", "length", "count", "batch", "slice", "random"}
ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos)
COMPUTING_CALLS = {"range"}


def _parse(text: str) -> nodes.Template:
    return Environment(autoescape=False).parse(text)  # noqa: S701 - parsed, never rendered


def computations(text: str) -> list[str]:
    """Name every place of a template that computes."""
    tree = _parse(text)
    arithmetic = [f"line {node.lineno}: {type(node).__name__}" for node in tree.find_all(ARITHMETIC)]
    filters = [f"line {f.lineno}: | {f.name}" for f in tree.find_all(nodes.Filter) if f.name in COMPUTING_FILTERS]
    calls = [
        f"line {call.lineno}: {call.node.name}()"
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in COMPUTING_CALLS
    ]
    return arithmetic + filters + calls


def bare_values(text: str) -> list[str]:
    """Name every value that a template prints without a filter of its language."""
    tree = _parse(text)
    macros = set(_macros(tree))
    printed = (node for output in tree.find_all(nodes.Output) for node in output.nodes)
    return [f"line {node.lineno}: {node}" for node in printed if not _filtered(node, macros)]


def _macros(tree: nodes.Template) -> Iterator[str]:
    yield "caller"
    for macro in tree.find_all(nodes.Macro):
        yield macro.name
    for imported in tree.find_all(nodes.FromImport):
        yield from (name if isinstance(name, str) else name[1] for name in imported.names)
    for whole in tree.find_all(nodes.Import):
        yield f"{whole.target}."


def _filtered(node: nodes.Node, macros: set[str]) -> bool:
    match node:
        case nodes.Filter(name="indent" | "join", node=inner) if inner is not None:
            return _filtered(inner, macros)
        case nodes.Filter(name="map", args=[nodes.Const(value=name), *_]) | nodes.Filter(name=name):
            return name in FILTERS
        case nodes.CondExpr(expr1=first, expr2=second):
            return _filtered(first, macros) and (second is None or _filtered(second, macros))
        case nodes.Call(node=nodes.Name(name=name)):
            return name in macros
        case nodes.Call(node=nodes.Getattr(node=nodes.Name(name=name))):
            return f"{name}." in macros
        case _:
            return isinstance(node, (nodes.TemplateData, nodes.Const))


@pytest.mark.parametrize("name", NAMES)
def test_a_template_never_computes(name: str) -> None:
    assert computations((FOLDER / name).read_text()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_template_prints_every_value_through_its_language_s_filter(name: str) -> None:
    assert bare_values((FOLDER / name).read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "{{ a + 1 }}",
        "{{ a * 2 | yaml }}",
        "{{ items | sum }}",
        "{{ items | length }}",
        "{% for i in range(3) %}{% endfor %}",
    ],
)
def test_a_template_that_computes_is_found(text: str) -> None:
    assert computations(text)


@pytest.mark.parametrize(
    "text", ["{{ a }}", "{{ a.b }}", "{{ a | upper }}", "{{ a if b else c }}", "{{ a ~ b }}", "{{ f(a) }}"]
)
def test_a_value_without_a_filter_is_found(text: str) -> None:
    assert bare_values(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ a | yaml }}",
        "{{ a | gotemplate | yaml }}",
        "{{ xs | map('md') | join(', ') }}",
        "{{ a | yaml | indent(4) }}",
        "{% macro m() %}x{% endmacro %}{{ m() }}",
        "{% import 'x' as parts %}{{ parts.label(a) }}",
    ],
)
def test_a_filtered_value_is_left_alone(text: str) -> None:
    assert bare_values(text) == []
    assert computations(text) == []


@pytest.mark.parametrize("name", [name for name in NAMES if "{" in name])
def test_a_path_has_one_placeholder_that_the_plan_knows(name: str) -> None:
    assert name.count("{") == 1
    assert name[name.index("{") + 1 : name.index("}")] in PLURALS


def test_no_template_stands_outside_the_tree() -> None:
    assert {path.suffix for path in Path(FOLDER).rglob("*") if path.is_file()} == {".j2"}
