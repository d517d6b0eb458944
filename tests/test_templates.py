"""Templates choose, loop and print: they never compute, and print no value without its language's filter."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from jinja2 import Environment, nodes

from devops_tasks.filters import FILTERS
from devops_tasks.render import PLURALS, templates_folder

FOLDER = templates_folder()
NAMES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.j2"))
COMPUTING_FILTERS = {"sum", "round", "int", "float", "abs", "max", "min", "length", "count", "batch", "slice", "random"}
ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos)
COMPUTING_CALLS = {"range"}


ENVIRONMENT = Environment(autoescape=False)  # noqa: S701 - templates are parsed, never rendered


def _parse(text: str) -> nodes.Template:
    return ENVIRONMENT.parse(text)


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


class Printed(NamedTuple):
    """A value that a template prints: what stands before it on its line, and in which language."""

    line: int
    before: str
    after: str
    language: str
    value: nodes.Expr


def printed(name: str, text: str) -> Iterator[Printed]:
    """Find every value that a template prints, with its place in the literal text around it."""
    around, fence = "", ""
    tokens = list(ENVIRONMENT.lex(text))
    for index, (line, kind, data) in enumerate(tokens):
        if kind == "data":
            *whole, around = (around + data).split("\n")
            for each in whole:
                fence = _fence(each, fence)
        if kind == "variable_begin":
            end = next(i for i in range(index, len(tokens)) if tokens[i][1] == "variable_end")
            code = "".join(part for _, _, part in tokens[index + 1 : end])
            after = next((part for _, kind, part in tokens[end + 1 : end + 2] if kind == "data"), "")
            yield from _branches(line, around, after, _language(name, around, fence), _expression(code))
            around += "X"


def _expression(code: str) -> nodes.Expr:
    [output] = _parse("{{" + code + "}}").body
    assert isinstance(output, nodes.Output)
    [expression] = output.nodes
    return expression


def _branches(line: int, before: str, after: str, language: str, node: nodes.Expr) -> Iterator[Printed]:
    if isinstance(node, nodes.CondExpr):
        for branch in filter(None, (node.expr1, node.expr2)):
            yield from _branches(line, before, after, language, branch)
    elif not isinstance(node, nodes.Const):
        yield Printed(line, before, after, language, node)


def _fence(line: str, fence: str) -> str:
    """Say in which block of Markdown code the next line is."""
    mark = re.match(r"\s*```(\w*)", line)
    return fence if mark is None else "" if fence else mark[1] or "text"


def _language(name: str, before: str, fence: str) -> str:
    suffix = name.removesuffix(".j2").rpartition(".")[2]
    language = {"yml": "yaml", "bash": "sh"}.get(fence or suffix, fence or suffix)
    if re.match(COMMENTS.get(language, "(?!)"), before):
        return "comment"
    return "cell" if language == "md" and before.startswith("|") else language


COMMENTS = {"yaml": r"\s*#|.*  #", "sh": r"\s*#", "sql": r"\s*--"}
FILTERS_OF = {
    "yaml": {"yaml", "yaml_text", "yaml_block", "number", "plain"},
    "json": {"json", "number"},
    "sh": {"sh", "sh_quoted", "number", "plain"},
    "sql": {"sql", "number", "plain"},
    "md": {"md", "md_code", "md_fence", "md_target", "md_url"},
    "cell": {"md_cell", "md_cell_code", "md_target", "md_url"},
    "mermaid": {"mermaid", "mermaid_id"},
    "svg": {"number", "plain"},
    "comment": {"comment"},
}
"""The filters of a language by which a value may be printed; what chains end with."""
WHOLE = re.compile(r"(?:.*(?:: |- |\[|, |! ?\w+ ))?\s*")
"""What stands before a value of YAML or JSON that is all of a scalar."""


def misprinted(name: str, text: str) -> list[str]:
    """Name every value that a template prints without a filter of the language and place in which it stands."""
    macros = set(_macros(_parse(text)))
    found = [each for each in printed(name, text) if not _is_macro(each.value, macros)]
    return [
        f"line {each.line}: {each.before}{{{{ ... }}}}{each.after[:9]!r}" for each in found if not _fits(name, each)
    ]


def _fits(name: str, place: Printed) -> bool:
    last, *earlier = [*_chain(place.value), ""]
    if last not in FILTERS_OF.get(place.language, ()):
        return False
    if "github" in name and last != "number" and "workflow" not in earlier and "join" not in earlier:
        return place.language == "comment"
    if last.startswith("yaml") or last == "json":
        return WHOLE.fullmatch(place.before) is not None and re.match(r"$|[\n:,}\]]|  #", place.after) is not None
    if place.language == "sh":
        return _quote(place.before) in {"sh": {""}, "sh_quoted": {"'"}}.get(last, {"", "'", '"'})
    return True


def _chain(node: nodes.Node | None) -> Iterator[str]:
    """Name the filters of a value, the last one first; a mapped one counts, where only words of ours join the items."""
    while isinstance(node, nodes.Filter):
        match node:
            case nodes.Filter(name="map", args=[nodes.Const(value=name), *_]):
                yield name
            case nodes.Filter(name="map"):
                pass
            case (
                nodes.Filter(name="indent")
                | nodes.Filter(name="join", args=[nodes.Const()], node=nodes.Filter(name="map"))
            ):
                pass
            case _:
                yield node.name
        node = node.node


def _quote(before: str) -> str:
    """Say in which quotes of the shell a line ends, if in any; in a command inside quotes they begin anew."""
    open_ = [""]
    for mark in re.findall(r"\\.|\$\(|[)'\"]", before):
        if mark == "$(" and open_[-1] != "'":
            open_ += ["(", ""]
        elif mark == ")" and open_[-2:] == ["(", ""]:
            del open_[-2:]
        elif mark == open_[-1]:
            open_.pop()
        elif mark in "'\"" and not open_[-1]:
            open_.append(mark)
    return open_[-1]


def _macros(tree: nodes.Template) -> Iterator[str]:
    yield "caller"
    for macro in tree.find_all(nodes.Macro):
        yield macro.name
    for imported in tree.find_all(nodes.FromImport):
        yield from (name if isinstance(name, str) else name[1] for name in imported.names)
    for whole in tree.find_all(nodes.Import):
        yield f"{whole.target}."


def _is_macro(node: nodes.Node | None, macros: set[str]) -> bool:
    match node:
        case nodes.Filter(name="indent", node=inner):
            return _is_macro(inner, macros)
        case nodes.Call(node=nodes.Name(name=name)):
            return name in macros
        case nodes.Call(node=nodes.Getattr(node=nodes.Name(name=name))):
            return f"{name}." in macros
        case _:
            return False


@pytest.mark.parametrize("name", NAMES)
def test_a_template_never_computes(name: str) -> None:
    assert computations((FOLDER / name).read_text()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_template_prints_every_value_through_its_language_s_filter(name: str) -> None:
    assert misprinted(name, (FOLDER / name).read_text()) == []


def test_every_filter_is_used_by_a_template() -> None:
    used = {
        each for name in NAMES for value in printed(name, (FOLDER / name).read_text()) for each in _chain(value.value)
    }
    assert set(FILTERS) - used == set()


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
    ("name", "text"),
    [
        *((f"x.{suffix}.j2", "{{ a }}") for suffix in ("md", "yml", "yaml", "sh", "sql", "json")),
        *(("x.md.j2", text) for text in ("{{ a.b }}", "{{ a | upper }}", "{{ a | safe }}", "{{ a if b else c }}")),
        *(
            ("x.md.j2", text)
            for text in ("{{ a ~ b | md }}", "{{ f(a) }}", "{{ a | md | join(b) }}", "{{ a | comment }}")
        ),
        *(("x.md.j2", text) for text in ("{{ a | md | upper }}", "{{ xs | map('md') | join(b) }}", "{{ a | yaml }}")),
        ("x.md.j2", "| {{ a | md }} |"),
        ("x.md.j2", "| {{ a | md_code }} |"),
        ("x.md.j2", "```bash\n{{ a | md }}\n```"),
        ("x.md.j2", "```bash\n```\n{{ a | sh }}"),
        ("x.md.j2", "```mermaid\n    {{ a | md }}\n```"),
        ("x.yml.j2", "key: {{ a | sh }}"),
        ("x.yml.j2", "key: {{ a | comment }}"),
        ("x.yml.j2", "key: a {{ a | yaml }}"),
        ("x.yml.j2", "key: {{ a | yaml }}b"),
        ("x.yml.j2", 'key: "{{ a | yaml }}"'),
        ("x.yml.j2", "# {{ a | yaml }}"),
        ("x.yml.j2", "{{ a | yaml }}-b: c"),
        ("github.yml.j2", "key: {{ a | yaml }}"),
        ("x.sh.j2", "a {{ a | yaml }}"),
        ("x.sh.j2", "a {{ a | promql }}"),
        ("x.sh.j2", "a {{ a | sh_quoted }}"),
        ("x.sh.j2", 'a "{{ a | sh }}"'),
        ("x.sh.j2", "a '{{ a | sh }}'"),
        ("x.sh.j2", "a \"$(b '{{ a | sh }}')\""),
        ("x.sh.j2", "# {{ a | sh }}"),
        ("x.sql.j2", "SELECT {{ a | sh }}"),
        ("x.sql.j2", "-- {{ a | sql }}"),
        ("x.json.j2", '{"a": {{ a | yaml }}}'),
        ("x.json.j2", '{"a": "{{ a | json }}"}'),
        ("x.svg.j2", "<text>{{ a | md }}</text>"),
    ],
)
def test_a_value_without_the_filter_of_its_place_is_found(name: str, text: str) -> None:
    assert misprinted(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.yml.j2", "key: {{ a | yaml }}"),
        ("x.yml.j2", "- {{ a | gotemplate | yaml }}  # {{ b | comment }}"),
        ("x.yml.j2", "{{ a | yaml }}: !Ref {{ b | yaml }}"),
        ("x.yml.j2", "# run {{ a | sh | comment }}"),
        ("x.yml.j2", "key: a {{ a | plain }}"),
        ("github.yml.j2", "key: {{ a | workflow | yaml }}"),
        ("x.md.j2", "{{ xs | map('md') | join(', ') }}"),
        ("x.md.j2", "{{ a | md | indent(4) }}"),
        ("x.md.j2", "{{ (a ~ b) | md }}"),
        ("x.md.j2", "{{ 'a' if b else c | md }}"),
        ("x.md.j2", "| {{ a | md_cell }} | {{ xs | map('md_cell_code') | join(', ') }} |"),
        ("x.md.j2", "```bash\na {{ a | sh }}\n```\n{{ a | md }}"),
        ("x.md.j2", "{% macro m() %}x{% endmacro %}{{ m() }}"),
        ("x.md.j2", "{% import 'x' as parts %}{{ parts.label(a) }}"),
        ("x.sh.j2", 'a "$(b {{ a | sh }})" \'{{ a | promql | sh_quoted }}\' "{{ a | number }}"'),
        ("x.sql.j2", "SELECT {{ a | sql }}"),
        ("x.json.j2", '{"a": {{ a | json }}, "b": [{{ c | number }}]}'),
    ],
)
def test_a_filtered_value_is_left_alone(name: str, text: str) -> None:
    assert misprinted(name, text) == []
    assert computations(text) == []


def _suffix(name: str) -> str:
    return name.removesuffix(".j2").rpartition(".")[2].replace("yaml", "yml")


@pytest.mark.parametrize("name", NAMES)
def test_a_part_is_written_in_the_language_of_the_template_that_takes_it_in(name: str) -> None:
    tree = _parse((FOLDER / name).read_text())
    taken = [node.template for node in tree.find_all(nodes.Include)]
    taken += [node.template for node in tree.find_all(nodes.FromImport)]
    parts = {_suffix(part.value) for part in taken if isinstance(part, nodes.Const)}
    # A pipeline holds scripts and a script SQL, as blocks of text.
    assert parts <= {_suffix(name), {"yml": "sh", "sh": "sql"}.get(_suffix(name))}


@pytest.mark.parametrize("name", NAMES)
def test_a_block_is_only_ever_indented(name: str) -> None:
    blocks = _parse((FOLDER / name).read_text()).find_all(nodes.FilterBlock)
    assert {block.filter.name for block in blocks} <= {"indent"}


@pytest.mark.parametrize("name", [name for name in NAMES if "{" in name])
def test_a_path_has_one_placeholder_that_the_plan_knows(name: str) -> None:
    assert name.count("{") == 1
    assert name[name.index("{") + 1 : name.index("}")] in PLURALS


def test_no_template_stands_outside_the_tree() -> None:
    assert {path.suffix for path in Path(FOLDER).rglob("*") if path.is_file()} == {".j2"}
