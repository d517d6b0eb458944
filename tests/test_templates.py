"""Templates choose, loop and print: they never compute, and print no value without its language's filter."""

from pathlib import Path

import pytest
from jinja2 import nodes

from devops_tasks.filters import FILTERS
from devops_tasks.packs.lint import chain, computations, misprinted, parse, printed
from devops_tasks.render import PLURALS, templates_folder

FOLDER = templates_folder()
NAMES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.j2"))


@pytest.mark.parametrize("name", NAMES)
def test_a_template_never_computes(name: str) -> None:
    assert computations((FOLDER / name).read_text()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_template_prints_every_value_through_its_language_s_filter(name: str) -> None:
    assert misprinted(name, (FOLDER / name).read_text()) == []


def test_every_filter_is_used_by_a_template() -> None:
    used = {
        each for name in NAMES for value in printed(name, (FOLDER / name).read_text()) for each in chain(value.value)
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
    tree = parse((FOLDER / name).read_text())
    taken = [node.template for node in tree.find_all(nodes.Include)]
    taken += [node.template for node in tree.find_all(nodes.FromImport)]
    parts = {_suffix(part.value) for part in taken if isinstance(part, nodes.Const)}
    # A pipeline holds scripts and a script SQL, as blocks of text.
    assert parts <= {_suffix(name), {"yml": "sh", "sh": "sql"}.get(_suffix(name))}


@pytest.mark.parametrize("name", NAMES)
def test_a_block_is_only_ever_indented(name: str) -> None:
    blocks = parse((FOLDER / name).read_text()).find_all(nodes.FilterBlock)
    assert {block.filter.name for block in blocks} <= {"indent"}


@pytest.mark.parametrize("name", [name for name in NAMES if "{" in name])
def test_a_path_has_one_placeholder_that_the_plan_knows(name: str) -> None:
    assert name.count("{") == 1
    assert name[name.index("{") + 1 : name.index("}")] in PLURALS


def test_no_template_stands_outside_the_tree() -> None:
    assert {path.suffix for path in Path(FOLDER).rglob("*") if path.is_file()} == {".j2"}
