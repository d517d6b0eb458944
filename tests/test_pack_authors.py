"""What the author of a template pack asks for: list, show, eject, check and test, with the sample pack of the docs."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from devops_tasks.packs.fields import TYPES
from devops_tasks.packs.golden import check_pack, given_by, sample_plan
from devops_tasks.packs.lint import unknown
from devops_tasks.render import templates_folder
from tests.command import devops_tasks
from tests.packs import renderer, write_pack
from tests.specs import MINIMAL
from tests.tools import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# The tests' own runner has threads, and nothing of what they hold is used by the child.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

PAGE = ROOT / "docs/how-to/make-a-template-pack.md"
SAMPLE = ROOT / "examples/packs/acme"
INDEX = "runbooks/index.md.j2"


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the sample pack."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))
    return shutil.copytree(SAMPLE, tmp_path / "acme")


def lines(*arguments: str | Path) -> tuple[object, list[str]]:
    done = devops_tasks("templates", *arguments)
    return done.code, (done.out + done.err).splitlines()


# check


FILTER = "printed without its language's filter: "
WRONG: dict[str, tuple[str, str, tuple[int, str]]] = {
    "a variable that there is not": ("a.md", "\n{{ featur.name | md }}", (2, "there is no featur")),
    "a key that a group does not have": ("a.md", "{{ feature.nme | md }}", (1, "there is no nme in feature")),
    "a key on the way": ("a.md", "{{ contacts.boss.name | md }}", (1, "there is no boss in contacts")),
    "a key of an item": ("{service}.md", "{{ service.nme | md }}", (1, "there is no nme in service")),
    "an item of another path": ("a.md", "{{ service.name | md }}", (1, "there is no service")),
    "the files, outside of the document": ("a.md", "{{ files | map('md') | join }}", (1, "there is no files")),
    "a name that a part is not given": ("_parts/a.md", "{{ nobody | md }}", (1, "there is no nobody")),
    "arithmetic": ("a.md", "\n\n{{ (1 + 1) | md }}", (3, "computes: Add")),
    "a sum": ("a.md", "{{ services | sum | md }}", (1, "computes: | sum")),
    "a value without a filter": ("a.md", "{{ feature.name }}", (1, FILTER)),
    "the filter of another language": ("a.yml", "a: {{ feature.name | md }}", (1, f"{FILTER}a: ")),
    "a language that has no filter": ("a.toml", "a = {{ feature.name | md }}", (1, f"{FILTER}a = ")),
    "a workflow's value without its own filter": (".github/a.yml", "a: {{ feature.name | yaml }}", (1, FILTER)),
    "a template that there is not": ("a.md", '{% include "gone.j2" %}', (1, "there is no template gone.j2")),
    "a template below, of which there is none": (
        "a.md",
        '\n{% extends "below/a.md.j2" %}',
        (2, "there is no template"),
    ),
    "some templates, none of which there is": ("a.md", "{% include ['a', 'b'] %}", (1, "there is no template a or b")),
    "a number for a name": ("a.md", "{% include 5 %}", (1, "there is no template 5")),
    "nothing for a name": ("a.md", "\n{% extends none %}", (2, "there is no template None")),
    "a template outside": ("a.md", "{% import '../x' as x %}", (1, "there is no template ../x")),
    "a filter that there is not": ("a.md", "{{ feature.name | slugify | md }}", (1, "No filter named 'slugify'.")),
    "a block without an end": ("a.md", "\n{% if feature %}", (2, "Unexpected end of template.")),
}
RIGHT = {
    "a key of what a loop gives": ("a.md", "{% for each in services %}{{ each.nme | md }}{% endfor %}"),
    "a name that is set": ("a.md", "{% set mine = feature %}{{ mine.any | md }}"),
    "the item of the path": ("{service}.md", "{{ service.name | md }}"),
    "what a part is given": ("_parts/a.md", "{{ service.name | md }}{{ mend.text | md }}"),
    "blocks": ("a.md", '{% extends "below/tasks.md.j2" %}{% block a %}{{ super() }}{{ self.b() }}{% endblock %}'),
    "a workflow": (".github/a.yml", "a: {{ feature.name | workflow | yaml }}"),
    "one of some templates": ("a.md", "{% include ['gone.j2', 'tasks.md.j2'] %}"),
    "a template that may be missing": ("a.md", "{% include 'gone.j2' ignore missing %}"),
    "a template whose name is chosen": ("a.md", "{% include feature.name %}"),
    "a macro in a block": ("a.md", "{% macro m() %}x{% endmacro %}{% block a %}{{ m() }}{% endblock %}"),
}


def folders(cases: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Give each case a folder of its own in one pack."""
    return {f"c{number}/{path}": text for number, (path, text) in enumerate(cases.values())}


def found_in(folder: Path, cases: dict[str, tuple[str, str]]) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {name: [] for name in cases}
    for each in check_pack(renderer(), write_pack(folder, **folders(cases))):
        number = each.where.partition("/templates/c")[2].partition("/")[0]
        found[[*cases][int(number)]].append((each.line, each.what))
    return found


def test_what_is_wrong_with_a_template_is_found(tmp_path: Path) -> None:
    found = found_in(tmp_path, {name: case[:2] for name, case in WRONG.items()})
    for name, (_, _, (line, what)) in WRONG.items():
        assert [each for each in found[name] if each[0] == line and each[1].startswith(what)], (name, found[name])


def test_what_is_right_is_left_alone(tmp_path: Path) -> None:
    assert found_in(tmp_path, RIGHT) == {name: [] for name in RIGHT}
    shown = "{% for path in files %}{{ path | md }}{% endfor %}{{ show('a').text | md }}"
    assert check_pack(renderer(), write_pack(tmp_path / "document", **{"tasks.md": shown})) == []


def test_the_tool_s_own_templates_ask_for_nothing_that_there_is_not() -> None:
    plan, texts = sample_plan(), renderer().templates.sources
    given = given_by(texts)
    assert {name for name, text in texts.items() if unknown(name, text.decode(), plan, given)} == set()
    assert unknown("a.md.j2", "{{ feature.nme }}{{ nobody }}", plan, given) != []


def test_a_file_that_is_no_template_is_found(sample: Path) -> None:
    (sample / "templates/notes.md").write_text("x", "utf-8")
    assert lines("check", sample) == (
        1,
        [f"{sample}/templates/notes.md: is no template (give it a name that ends with .j2, or remove it)"],
    )


def test_check_names_file_and_line(sample: Path) -> None:
    (sample / "templates" / INDEX).write_text("\n{{ feature.name }}\n", "utf-8")
    code, told = lines("check", sample)
    assert code == 1
    assert [line.partition(": ")[0] for line in told] == [f"{sample}/templates/{INDEX}:2:1"]


# The sample, and its tests


def test_the_page_about_packs_shows_the_sample_and_its_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = PAGE.read_text("utf-8")
    manifest, fields, values, *_ = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert manifest + fields == (SAMPLE / "pack.yaml").read_text("utf-8")
    assert f"```text\n{(SAMPLE / 'templates' / INDEX).read_text('utf-8')}```" in page
    listed, ejected, *commands = re.findall(r"^devops-tasks (.*)", page, re.MULTILINE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    assert [devops_tasks(*each.split()).code for each in (listed, ejected)] == [0, 0]
    shutil.rmtree("packs/acme")
    shutil.copytree(SAMPLE, "packs/acme")
    write_pack(tmp_path / "packs/legal", "legal", **{"a.md": "{{ pack_fields.acme.retention.words | md }}"})
    (tmp_path / "devops-tasks.yaml").write_text(MINIMAL + values, "utf-8")
    assert [(each.split()[0], devops_tasks(*each.split()).code) for each in commands] == [
        *[("templates", 0)] * 4, ("generate", 2), ("generate", 0),
    ]  # fmt: skip
    for name, (kind, example) in TYPES.items():
        assert f"`{name}`" in page, name
        assert kind.free or f"`{example}`" in page, example


def test_the_sample_pack_is_right_and_makes_what_it_expects(sample: Path) -> None:
    assert lines("check", sample) == (0, [])
    assert lines("test", sample) == (0, [])
    assert {each.relative_to(SAMPLE / "templates").as_posix() for each in SAMPLE.rglob("*.j2")} == {
        "_parts/operations/security-patching.md.j2",
        "compliance/data-protection.md.j2",
        INDEX,
    }


def test_what_a_pack_makes_otherwise_is_told_and_can_be_taken_as_expected(sample: Path) -> None:
    expected = sample / "tests/minimal/expected"
    with (sample / "templates/compliance/data-protection.md.j2").open("a", encoding="utf-8") as file:
        file.write("\nOne line more.\n")
    (sample / "templates" / INDEX).unlink()
    (sample / "templates/more.md.j2").write_text("more\n", "utf-8")
    code, told = lines("test", sample)
    assert code == 1
    assert [line.partition(" (")[0].removeprefix(f"{expected}/") for line in told] == [
        "compliance/data-protection.md:8:1: is made otherwise",
        "more.md: is made, and not expected",
        "runbooks/index.md: is expected, and not made, or as without the pack",
    ]
    assert lines("test", sample, "--update") == (0, [])
    assert (expected / "more.md").read_text("utf-8") == "more\n"
    assert not (expected / "runbooks/index.md").exists()
    assert lines("test", sample) == (0, [])


def test_nothing_is_compared_through_a_link(sample: Path) -> None:
    (sample / "tests/minimal/expected/x.md").symlink_to("/etc/hostname")
    code, told = lines("test", sample)
    assert code == 2
    assert "is a link, and links are not followed" in told[0]


def test_a_pack_without_a_case_is_told_how_to_write_one(tmp_path: Path) -> None:
    write_pack(tmp_path, **{"a.md": "x"})
    (tmp_path / "tests").mkdir()
    assert lines("test", tmp_path) == (2, [f"{tmp_path}: has no case (write a spec to tests/CASE/spec.yaml)"])


# list, show and eject


def test_templates_are_listed_by_the_layer_that_has_them(sample: Path) -> None:
    code, told = lines("list", "--pack", sample)
    assert code == 0
    assert f"acme      {INDEX}" in told
    assert "builtin   tasks.md.j2" in told
    assert len(told) == len(renderer().names) + 1


def test_a_template_that_is_ejected_is_the_tool_s_and_makes_the_same(tmp_path: Path) -> None:
    pack = tmp_path / "Our Pack"
    code, told = lines("eject", "runbooks/index.md", "delivery/rollback.sh.j2", "--to", pack)
    assert (code, len(told)) == (0, 3)
    assert (pack / "pack.yaml").read_text("utf-8") == "name: our-pack\nversion: 0.1.0\n"
    for name in (INDEX, "delivery/rollback.sh.j2"):
        assert (pack / "templates" / name).read_bytes() == (templates_folder() / name).read_bytes()
    assert lines("check", pack) == (0, [])
    shown = devops_tasks("templates", "show", "runbooks/index.md").out
    assert shown == (templates_folder() / INDEX).read_text("utf-8")
    code, told = lines("eject", "runbooks/index.md", "--to", pack)
    assert (code, "file exists" in told[0]) == (2, True)
    assert lines("show", "runbooks/none") == (
        2, ["runbooks/none: is no template of the tool (devops-tasks templates list names all)"],
    )  # fmt: skip
