"""Template packs: layers in order; each attack that other generators have met, and what stays allowed beside it."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import nodes

from devops_tasks import packs
from devops_tasks.errors import UserError
from devops_tasks.generate import layer_packs, with_packs
from devops_tasks.packs import contained, read_pack, refuse_collisions, remove_inside, write_inside
from devops_tasks.packs.budget import LIMITS, Limits, run_within
from devops_tasks.packs.layers import LayeredRenderer, filters
from devops_tasks.packs.lint import parse
from devops_tasks.packs.manifest import fits, open_layer
from devops_tasks.plan import plan_bundle
from devops_tasks.render import Renderer, templates_folder
from devops_tasks.specfile import assignments_of, load_spec, parse_spec, read_spec
from tests.bundles import EXAMPLES, example, load_example
from tests.command import devops_tasks
from tests.packs import layered, plain, plan, render, renderer, write_pack
from tests.specs import MINIMAL
from tests.tools import ROOT

# The tests' own runner has threads, and nothing of what they hold is used by the child.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

INDEX = "runbooks/index.md"
PAGE = "runbooks/operations/{operation}.md"


def refusal(work: Callable[[], object]) -> tuple[str, str]:
    """Give the code and the text of the one fault of something that is refused."""
    with pytest.raises(UserError) as caught:
        work()
    [problem] = caught.value.problems
    return problem.code, str(problem)


# Layers


def changed(files: dict[str, str]) -> dict[str, str]:
    return {path: text for path, text in files.items() if plain().get(path) != text}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_empty_pack_changes_nothing(tmp_path: Path, name: str) -> None:
    assert layered(write_pack(tmp_path)).render(plan_bundle(load_example(name).spec)) == example(name)


def test_the_sandbox_has_every_filter_that_the_tool_s_own_templates_use() -> None:
    trees = [parse(text.decode()) for text in renderer().templates.sources.values()]
    assert {each.name for tree in trees for each in tree.find_all(nodes.Filter)} - filters().keys() == set()


def test_a_pack_adds_a_file_overrides_one_by_path_and_extends_one_by_block(tmp_path: Path) -> None:
    extended = '{% extends "below/runbooks/index.md.j2" %}{% block tools %}Ask the platform team.\n{% endblock %}'
    texts = {"legal/retention.md": "# {{ feature.name | md }}\n", "scaling/hpa.yml": "# ours\n", INDEX: extended}
    found = changed(render(write_pack(tmp_path, **texts)))
    assert found.keys() == {"legal/retention.md", "scaling/hpa.yml", INDEX, "tasks.md"}
    assert found["legal/retention.md"] == "# Saved Reports\n"
    assert "# ours" in found["tasks.md"], "the document shows what is there"
    assert "Ask the platform team." in found[INDEX]
    assert plain()[INDEX].partition("## Alerts")[2] == found[INDEX].partition("## Alerts")[2]


def test_layers_stand_in_their_order_and_each_name_means_one_of_them(tmp_path: Path) -> None:
    low = write_pack(
        tmp_path / "low", "low", **{"a.md": "low\n", "_parts/word.md": "from low", "only.md": "only low\n"}
    )
    asked = '{% include "_parts/word.md.j2" %}, {% include "below/a.md.j2" %}'
    high = write_pack(tmp_path / "high", "high", **{"a.md": f"high, {asked}", "_parts/word.md": "from high"})
    top = write_pack(tmp_path / "top", "top", **{INDEX: '{% include "builtin/runbooks/index.md.j2" %}'})
    found = render(low, high, top)
    assert found["a.md"] == "high, from high, low\n"
    assert found["only.md"] == "only low\n"
    assert found[INDEX] == plain()[INDEX]
    assert render(high, low)["a.md"] == "low\n"


def test_a_part_of_a_pack_is_taken_in_by_the_templates_of_the_tool(tmp_path: Path) -> None:
    steps = "1. Call {{ contacts.on_call | md }}.\n"
    found = changed(render(write_pack(tmp_path, **{"_parts/operations/roll-back.md": steps})))
    assert found.keys() == {"runbooks/operations/roll-back.md"}
    assert "1. Call *to be decided*.\n" in found["runbooks/operations/roll-back.md"]


def test_a_placeholder_makes_a_file_for_each_item(tmp_path: Path) -> None:
    found = changed(render(write_pack(tmp_path, **{"sla/{service}.md": "{{ service.name | md }}\n"})))
    assert found == {"sla/saved-reports-api.md": "saved-reports-api\n"}


def test_a_pack_that_makes_the_bundle_contradict_itself_is_at_fault(tmp_path: Path, here: Path) -> None:
    write_pack(tmp_path / "acme", **{"notes.md": "See [this](gone.md).\n"})
    done = devops_tasks("generate", here / "spec.yaml", "--trust", "--json")
    assert (done.code, [error["code"] for error in json.loads(done.out)["errors"]]) == (2, ["pack-template"])


# The manifest


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("version: 1.0.0\n", "name: required: The pack's name"),
        ("name: acme\nversion: 1.0.0\nhooks: [x]\n", "hooks: unknown key"),
        ("name: acme\nversion: 1.0.0\nfields: {a: b}\n", "3:1: fields: expected a list"),
        ("name: ../x\nversion: 1.0.0\n", "name: expected a name of lower-case letters"),
        ("name: builtin\nversion: 1.0.0\n", "the name builtin is taken"),
        ("name: acme\nversion: !!python/object:os.system x\n", "the tag tag:yaml.org,2002:python/object:os.system"),
        ("name: acme\nversion: 1.0.0\nrequires: '>=99'\n", "is made for devops-tasks >=99"),
        ("name: acme\nversion: 1.0.0\nrequires: soon\n", "requires: expected versions such as '>=0.1,<2'"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(tmp_path: Path, text: str, what: str) -> None:
    write_pack(tmp_path)
    (tmp_path / "pack.yaml").write_text(text, "utf-8")
    assert what in refusal(lambda: layered(tmp_path))[1]


@pytest.mark.parametrize(
    ("requirement", "version", "fit"),
    [
        (">=0.1", "0.1.0", True),
        (">=0.1,<2", "1.9.9", True),
        (">=0.1, <2", "2.0", False),
        ("==0.1", "0.1.1", False),
        (">0.1", "0.1.0", False),
        ("<=0.10", "0.9", True),
    ],
)
def test_a_requirement_names_versions(requirement: str, version: str, *, fit: bool) -> None:
    assert fits(requirement, version) is fit


# Names that stay inside


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "", "a/", "..", "~/../x/..", "C:/x", "a:b", "a\\b"),
        *("a\0b", "a\nb", "a\u202eb", "\udcff", "con", "a/NUL.txt", "com1.md", "a.", "a /b", ".git/hooks/post-commit"),
        *(".GIT/config", "a/.git/x", "GIT~1/x", ".devops-tasks/lock.json", "a" * 300, "a/" * 20 + "b"),
    ],
    ids=repr,
)
def test_a_path_that_may_leave_its_folder_is_refused(path: str) -> None:
    assert refusal(lambda: contained(path, "pack"))[0] == "pack"


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a/b.md",
        ".github/workflows/x.yml",
        ".gitlab-ci.yml",
        "..a/b",
        "a..b",
        "convoy/comma.md",
        "Übersicht/ä b.md",
    ],
)
def test_a_path_that_stays_is_left_alone(path: str) -> None:
    assert contained(path, "pack") == path


@pytest.mark.parametrize(
    "paths", [["a", "A"], ["a/b", "A/c"], ["a", "a/b"], ["a/b", "a"], ["\u00e9", "e\u0301"], ["x/a/c", "x/A"]], ids=str
)
def test_names_that_are_one_on_some_disk_are_refused(paths: list[str]) -> None:
    assert refusal(lambda: refuse_collisions(paths, "pack"))[0] == "pack"


def test_names_that_differ_are_left_alone() -> None:
    refuse_collisions(["a/b", "a/c", "b/a", "ab", "a.b"], "pack")


@pytest.mark.parametrize(
    "path", ["Tasks.md", "runbooks/INDEX.md", "tasks.md/x", "Delivery/x.md", "builtin/x.md", "below/x.md"]
)
def test_a_template_that_collides_with_one_of_the_tool_is_refused(tmp_path: Path, path: str) -> None:
    assert refusal(lambda: layered(write_pack(tmp_path, **{path: "x"})))[0] == "pack"


@pytest.mark.parametrize("path", ["{where}.md", "{service}/{alert}.md", "{service.md", "a}.md", "{service}{x.md"])
def test_a_path_with_a_word_that_the_plan_does_not_know_is_refused(tmp_path: Path, path: str) -> None:
    assert refusal(lambda: layered(write_pack(tmp_path, **{path: "x"})))[0] == "pack"


# What lies on disk


def link(place: Path, target: str | Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.unlink()
    place.symlink_to(target)


def chained(pack: Path) -> None:
    link(pack / "templates/a.md.j2", "b")
    link(pack / "templates/b", "/etc/passwd")


def inner_link(pack: Path) -> None:
    (pack / "templates/real.md.j2").write_text("x", "utf-8")
    link(pack / "templates/a.md.j2", "real.md.j2")


def moved(pack: Path) -> None:
    (pack / "templates").rename(pack.parent / "elsewhere")
    link(pack / "templates", "../elsewhere")


def bound(pack: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(pack / "templates")
        server.bind("a.j2")
        os.chdir(before)


def a_file(pack: Path) -> None:
    pack.rename(pack.parent / "away")
    pack.write_text("x", "utf-8")


def a_link(pack: Path) -> None:
    pack.rename(pack.parent / "away")
    pack.symlink_to("away")


ON_DISK: dict[str, Callable[[Path], object]] = {
    "a link to a file outside": lambda pack: link(pack / "templates/a.md.j2", "/etc/passwd"),
    "a link to a file inside": inner_link,
    "a chain of links": chained,
    "a link that leads nowhere": lambda pack: link(pack / "templates/a.md.j2", "nowhere"),
    "a link to itself": lambda pack: link(pack / "templates/a.md.j2", "a.md.j2"),
    "a link to a folder": lambda pack: link(pack / "templates/a", "/etc"),
    "the templates as a link": moved,
    "the manifest as a link": lambda pack: link(pack / "pack.yaml", "/etc/hostname"),
    "a link of another name": lambda pack: link(pack / "templates/README", "/etc/passwd"),
    "a named pipe": lambda pack: os.mkfifo(pack / "templates/a.md.j2"),
    "a socket": bound,
    "a name that is no text": lambda pack: Path(os.fsdecode(bytes(pack / "templates") + b"/\xff.j2")).write_text("x"),
    "a folder of Git": lambda pack: write_pack(pack, **{".git/hooks/x": "x"}),
    "no manifest": lambda pack: (pack / "pack.yaml").unlink(),
    "a file in its place": a_file,
    "nothing": lambda pack: pack.rename(pack.parent / "away"),
    "a link in its place": a_link,
}


@pytest.mark.parametrize("prepare", ON_DISK.values(), ids=ON_DISK)
def test_what_is_no_plain_file_of_the_pack_is_refused(tmp_path: Path, prepare: Callable[[Path], object]) -> None:
    pack = write_pack(tmp_path / "acme", **{"x.md": "x"})
    prepare(pack)
    assert refusal(lambda: read_pack(pack))[0] == "pack"


def test_what_is_beside_the_templates_is_never_looked_at(tmp_path: Path) -> None:
    pack = write_pack(tmp_path, **{"x.md": "x"})
    before = read_pack(pack)
    link(pack / ".git", "/etc")
    link(pack / "README.md", "/etc/passwd")
    os.mkfifo(pack / "pipe")
    (pack / "templates/.DS_Store").write_bytes(b"\0")
    (pack / "templates/x.md.j2~").write_text("old", "utf-8")
    assert read_pack(pack) == before


def test_a_folder_above_the_pack_may_be_a_link(tmp_path: Path) -> None:
    write_pack(tmp_path / "real/acme", **{"x.md": "x"})
    (tmp_path / "way").symlink_to("real")
    assert read_pack(tmp_path / "way/acme") == read_pack(tmp_path / "real/acme"), "its source is the real one"


@pytest.mark.parametrize("place", ["templates/a.j2", "templates/deep/a.j2"])
def test_nothing_is_written_through_a_link(tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    pack = write_pack(tmp_path / "acme", x="x")
    (pack / place).parent.parent.mkdir(exist_ok=True)
    linked = pack / place if place.count("/") == 1 else (pack / place).parent
    linked.symlink_to(outside / "new" if linked.name == "a.j2" else outside)
    assert refusal(lambda: write_inside(pack, place, b"x"))[0] == "pack"
    assert [*outside.iterdir()] == []
    assert refusal(lambda: write_inside(pack, "../x", b"x"))[0] == "pack"
    (outside / "a.j2").write_bytes(b"theirs")
    if linked.name == "deep":
        assert refusal(lambda: remove_inside(pack, place))[0] == "pack"
    assert (outside / "a.j2").read_bytes() == b"theirs"
    write_inside(pack, "templates/other/b.j2", b"y")
    assert (pack / "templates/other/b.j2").read_bytes() == b"y"


def test_a_pack_is_never_read_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = write_pack(tmp_path, **{"a.md": "x" * 29, "b.md": "x"})
    monkeypatch.setattr(packs, "MOST_BYTES", 28)
    assert refusal(lambda: read_pack(pack))[0] == "pack-limit"
    monkeypatch.setattr(packs, "MOST_BYTES", 29)
    assert len(read_pack(pack).files) == 3
    monkeypatch.setattr(packs, "MOST_FILES", 2)
    assert refusal(lambda: read_pack(pack))[0] == "pack-limit"
    monkeypatch.setattr(packs, "MOST_FILES", 3)
    size = sum(map(len, read_pack(pack).files.values()))
    monkeypatch.setattr(packs, "MOST_IN_ALL", size)
    assert len(read_pack(pack).files) == 3
    monkeypatch.setattr(packs, "MOST_IN_ALL", size - 1)
    assert refusal(lambda: read_pack(pack)) == ("pack-limit", f"{pack}: larger than {size - 1} bytes (make it smaller)")


def test_a_digest_names_one_content_and_no_other(tmp_path: Path) -> None:
    contents: list[dict[str, str]] = [
        {"a": "bc", "d": "e"},
        {"a": "b", "cd": "e"},
        {"a": "bcd.j2e"},
        {"a": "e", "d": "bc"},
        {"a": "bc", "d": "e", "f": ""},
    ]
    found = [read_pack(write_pack(tmp_path / f"p{at}", **each)).digest for at, each in enumerate(contents)]
    assert len({*found}) == len(contents)
    assert read_pack(write_pack(tmp_path / "again", **dict(reversed(contents[0].items())))).digest == found[0]


# The sinks

SINKS = {
    "packs": {"_content", "_entry", "_opened", "_refused", "_stepped", "_walk", "_write"}
    | {"read_pack", "remove_inside", "write_inside"},
    "packs.budget": {"_confine", "_result", "_work", "run_within"},
    "packs.layers": {"__init__"},  # reads its own text, which the cache is keyed by
    "packs.trust": {"_file", "_open_private", "_read", "_write"},
}
"""Every function of the rooms of packs that asks the system for something."""
CONTAINED = {"packs": {"_beside", "_walk"}, "packs.layers": {"_judged", "place"}}
"""Where a path is read, written, taken in by a template, or made by one: there it passes the one function."""
SYSTEM = {"os", "signal", "resource", "Path", "shutil", "subprocess", "tempfile", "importlib"}
METHODS = re.compile(
    r"open|fdopen|mkdir|read_(text|bytes|regular)|write_(text|bytes)|private_folder|replace|r?glob|iterdir|unlink|"
    r"rename|symlink_to|touch|exec|eval|__import__"
)


def functions(source: str, wanted: Callable[[ast.expr], bool]) -> set[str]:
    """Name each function of a room that calls something wanted."""
    return {
        function.name
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef)
        and any(isinstance(node, ast.Call) and wanted(node.func) for node in ast.walk(function))
    }


def asks_the_system(called: ast.expr) -> bool:
    name = ast.unparse(called)
    return name.partition(".")[0] in SYSTEM or METHODS.fullmatch(name.rpartition(".")[2]) is not None


def checks_a_path(called: ast.expr) -> bool:
    return isinstance(called, ast.Name) and called.id == "contained"


@pytest.mark.parametrize(("wanted", "known"), [(asks_the_system, SINKS), (checks_a_path, CONTAINED)])
def test_every_sink_of_a_pack_is_known(wanted: Callable[[ast.expr], bool], known: dict[str, set[str]]) -> None:
    rooms = {path.stem: path.read_text("utf-8") for path in (ROOT / "devops_tasks/packs").glob("*.py")}
    found = {f"packs.{name}".removesuffix(".__init__"): functions(text, wanted) for name, text in rooms.items()}
    assert {room: names for room, names in found.items() if names} == known


# The sandbox

ESCAPES = {
    "a class": "{{ ''.__class__ }}",
    "a class by its key": "{{ ''['__class__'] }}",
    "a class by a filter": "{{ '' | attr('__class__') }}",
    "a class by map": "{{ [''] | map(attribute='__class__') | list | first | md }}",
    "the subclasses": "{{ ().__class__.__base__.__subclasses__() }}",
    "the globals of a function": "{{ show.__globals__ }}",
    "the globals of a macro": "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "the frame of a loop": "{% for a in 'x' %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "the context": "{{ self.__init__.__globals__ }}",
    "a method of a text": "{{ 'a{0.__class__}'.format(1) }}",
    "a harmless method of a text": "{{ 'a'.upper() | md }}",
    "a harmless method by its key": "{{ 'a'['upper']() | md }}",
    "that a text has methods": "{{ 'there' | md if 'a'.upper is defined else nobody }}",
    "that a text has keys": "{{ 'there' | md if 'a'['upper'] is defined else nobody }}",
    "a function that somebody gave it": "{{ given('x') | md }}",
    "a name that Jinja gives": "{{ 'there' | md if range is defined else nobody }}",
    "a method of the plan": "{{ services.append(1) }}",
    "a method of a dict": "{{ feature.clear() }}",
    "the environment": "{{ environment }}",
    "a function of Python": "{{ range(3) }}",
    "a function of Jinja": "{{ cycler.__init__.__globals__.os }}",
    "text made up": "{{ lipsum() }}",
    "another number each time": "{{ services | random }}",
    "an import of Python": "{% import 'os' as os %}",
    "a statement of an extension": "{% do services %}",
    "arithmetic": "{{ 1 + 1 }}",
    "a product": "{{ 'x' * 1000000000 }}",
    "a power": "{{ 9 ** 9 ** 9 }}",
    "an assignment into the plan": "{% set feature.name = 'x' %}",
    "a name that is not there": "{{ feature.nme | md }}",
    "a part above the templates": "{% include '../pack.yaml' %}",
    "a part of the system": "{% include '/etc/passwd' %}",
    "a part above, if it is there": "{% include '../pack.yaml' ignore missing %}",
    "one of some parts above": "{% include ['gone.j2', '../../x'] %}",
    "a parent above": "{% extends '../x.j2' %}",
    "macros from above": "{% from '/etc/x' import y %}",
    "a part named by the plan": "{% include documents.requirements %}",
    "a layer that there is not": "{% include 'acme:a.md.j2' %}",
    "what is below the lowest": "{% include 'below/a.md.j2' %}",
    "itself": "{% include 'a.md.j2' %}",
    "itself as its parent": "{% extends 'a.md.j2' %}",
    "a syntax error": "{% if %}",
}


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_a_template_reaches_nothing_but_plain_data(tmp_path: Path, text: str) -> None:
    renderer = layered(write_pack(tmp_path, **{"a.md": text}))
    renderer.names = ["a.md.j2"]
    code, told = refusal(lambda: renderer.render({**plan(), "show": 1, "given": len}))
    assert code in {"pack-template", "pack"}
    assert told.startswith(str(tmp_path)), "it is told where"
    assert "root:" not in told


LEGITIMATE = {
    "a key called like a method": ("{{ {'items': 'x'}.items | md }}", "x"),
    "an item by its number": ("{{ ['x', 'y'][1] | md }}", "y"),
    "a part of a text": ("{{ 'xyz'[:1] | md }}", "x"),
    "a loop with its own words": ("{% for a in ['x', 'y'] %}{{ a | md }}{{ ',' if not loop.last }}{% endfor %}", "x,y"),
    "what changed in a loop": ("{% for a in ['x', 'x'] %}{{ a | md if loop.changed(a) }}{% endfor %}", "x"),
    "a macro": ("{% macro m(a) %}<{{ a | md }}>{% endmacro %}{{ m('x') }}", "<x>"),
    "a call with a body": ("{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}x{% endcall %}", "<x>"),
    "a block twice": ("{% block b %}x{% endblock %}{{ self.b() }}", "xx"),
    "chosen items": ("{{ [{'a': 1, 'b': 'x'}] | selectattr('a') | map(attribute='b') | map('md') | join }}", "x"),
    "words joined": ("{{ ('a' ~ 1) | md }}", "a1"),
    "entries of a group": ("{% for k, v in {'x': 'y'} | items %}{{ k | md }}{{ v | md }}{% endfor %}", "xy"),
    "a part that may be missing": ("x{% include 'gone.md.j2' ignore missing %}", "x"),
    "a macro of the tool": ("{% import '_parts/document/shown.md.j2' as parts %}x", "x"),
    "negative numbers": ("{{ ['x', 'y'][-1] | md }}", "y"),
}


@pytest.mark.parametrize(("text", "made"), LEGITIMATE.values(), ids=LEGITIMATE)
def test_a_template_that_chooses_loops_and_prints_is_left_alone(tmp_path: Path, text: str, made: str) -> None:
    renderer = layered(write_pack(tmp_path, **{"a.md": text}))
    renderer.names = ["a.md.j2"]
    assert renderer.render(plan()) == {"a.md": f"{made}\n"}


def test_a_fault_is_told_at_its_line_of_the_template_that_has_it(tmp_path: Path) -> None:
    part = "one\n\n{{ feature.nme | md }}\n"
    pack = write_pack(tmp_path, **{"_parts/a.md": part, "a.md": "x\n{% include '_parts/a.md.j2' %}\n"})
    told = refusal(lambda: render(pack))[1]
    assert told.startswith(f"{tmp_path}/templates/_parts/a.md.j2:3:1: cannot be rendered: ")
    assert "nme" in told


# Budgets

LOOPS = "{% for a in xs %}" * 4 + "{% endfor %}" * 4
TWICE = "{% set a %}{{ a }}{{ a }}{{ a }}{{ a }}{% endset %}"


@pytest.mark.parametrize(
    ("text", "limits", "what"),
    [
        (LOOPS, LIMITS._replace(seconds=0.2), "takes more than 0.2 seconds"),
        ("{% set a = 'x' %}" + TWICE * 30, LIMITS._replace(memory_bytes=400_000_000), "bytes of memory"),
        (
            "{% for a in xs %}{{ xs | join }}{% endfor %}",
            LIMITS._replace(file_bytes=10_000),
            "larger than 10000 bytes",
        ),
        ("{% for a in xs %}ü{% endfor %}", LIMITS._replace(file_bytes=599), "larger than 599 bytes"),
        ("{{ xs | join }}", LIMITS._replace(output_bytes=100), "more than 100 bytes of output"),
    ],
    ids=["time", "memory", "a file", "a file of other letters", "output"],
)
def test_a_template_without_end_is_stopped(tmp_path: Path, text: str, limits: Limits, what: str) -> None:
    renderer = layered(write_pack(tmp_path, **{"a.md": text}))
    renderer.names, renderer.limits = ["a.md.j2"], limits
    code, told = refusal(lambda: renderer.render({"xs": [str(number) for number in range(300)]}))
    assert code == "pack-limit"
    assert what in told


def test_half_a_letter_is_no_text(tmp_path: Path) -> None:
    renderer = layered(write_pack(tmp_path, **{"a.md": r"{{ '\ud800' }}"}))
    renderer.names = ["a.md.j2"]
    code, told = refusal(lambda: renderer.render({}))
    assert (code, "a.md: has a letter that is no text: '\\ud800'" in told) == ("pack-template", True)


def test_a_pack_makes_no_files_without_end(tmp_path: Path) -> None:
    renderer = layered(write_pack(tmp_path, **{"{service}.md": "x"}))
    renderer.names, renderer.limits = ["{service}.md.j2"], LIMITS._replace(files=9)
    services = [{"name": f"a{number}"} for number in range(10)]
    assert len(renderer.render({"services": services[1:]})) == 9
    assert refusal(lambda: renderer.render({"services": services}))[0] == "pack-limit"


def test_the_process_of_a_template_can_write_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        run_within(LIMITS, "here", lambda: (tmp_path / "x").write_text("x", "utf-8"))
    assert not (tmp_path / "x").exists() or (tmp_path / "x").read_bytes() == b""
    assert run_within(LIMITS, "here", lambda: ["x"]) == ["x"]


@pytest.mark.parametrize("name", ["a/../../x", ".git/hooks/x", "A.md"])
def test_a_name_of_the_plan_that_would_lead_elsewhere_makes_no_file(tmp_path: Path, name: str) -> None:
    renderer = layered(write_pack(tmp_path, **{"{service}": "x", "a.md": "x"}))
    renderer.names = ["{service}.j2", "a.md.j2"]
    assert refusal(lambda: renderer.render({"services": [{"name": name}]}))[0] == "pack"


# Trust


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec, and a private state of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "spec.yaml").write_text(MINIMAL + "pack: ../acme\n", "utf-8")
    write_pack(tmp_path / "acme", **{"legal.md": "# Legal\n", INDEX: '{% extends "below/runbooks/index.md.j2" %}'})
    return folder


def generate(*more: str) -> tuple[object, str]:
    done = devops_tasks("generate", "spec.yaml", "-o", "out", *more)
    return done.code, done.err


def test_an_unknown_pack_is_shown_and_nothing_is_written(here: Path) -> None:
    source, digest = str(here.parent / "acme"), read_pack(here.parent / "acme").digest
    code, told = generate()
    assert code == 2
    assert told.startswith(f"{source}: is a template pack that you have not trusted yet: acme 1.0.0; sha256:{digest}; ")
    assert "adds legal.md.j2; overrides runbooks/index.md.j2 (read its templates, then run it again with" in told
    assert not (here / "out").exists()


def test_a_pack_that_was_trusted_once_stays_so_until_it_changes_or_moves(here: Path, tmp_path: Path) -> None:
    assert generate("--trust")[0] == 0
    assert (here / "out/legal.md").read_text("utf-8") == "# Legal\n"
    assert generate("--today", "2026-12-01")[0] == 0
    with (tmp_path / "acme/templates/legal.md.j2").open("a", encoding="utf-8") as file:
        file.write(" ")
    assert generate()[0] == 2
    assert generate("--trust")[0] == 0
    (tmp_path / "acme").rename(tmp_path / "other")
    assert generate("--set", "pack=../other")[0] == 2, "the same content elsewhere is another pack"


def test_what_is_trusted_and_rendered_is_what_was_read(here: Path, tmp_path: Path) -> None:
    loaded = load_spec(with_packs(read_spec(here / "spec.yaml")))
    before = read_pack(tmp_path / "acme")
    write_pack(tmp_path / "acme", **{"legal.md": "# Other\n"})
    found = layer_packs(renderer(), loaded, trust=True)
    assert found.render(plan())["legal.md"] == "# Legal\n"
    assert json.loads((tmp_path / "state/devops-tasks/trusted-packs.json").read_text("utf-8")) == [
        [before.source, before.digest]
    ]
    assert generate()[0] == 2, "nobody has said yes to what is there now"


@pytest.mark.usefixtures("here")
def test_trust_is_kept_where_only_the_user_can_write(tmp_path: Path) -> None:
    generate("--trust")
    kept = tmp_path / "state/devops-tasks/trusted-packs.json"
    pack = read_pack(tmp_path / "acme")
    assert json.loads(kept.read_text("utf-8")) == [[pack.source, pack.digest]]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    kept.parent.chmod(0o777)
    assert generate("--check")[0] == 2, "anybody may have written it"


@pytest.mark.usefixtures("here")
def test_a_damaged_record_of_trust_is_told(tmp_path: Path) -> None:
    generate("--trust")
    (tmp_path / "state/devops-tasks/trusted-packs.json").write_text("{", "utf-8")
    code, told = generate("--check")
    assert code == 2
    assert "trusted-packs.json: damaged" in told


def test_the_lock_names_the_packs_and_a_bundle_without_one_says_nothing_of_them(here: Path) -> None:
    generate("--trust")
    digest = read_pack(here.parent / "acme").digest
    lock = json.loads((here / "out/.devops-tasks/lock.json").read_text("utf-8"))
    assert lock["packs"] == [{"name": "acme", "version": "1.0.0", "digest": digest}]
    assert devops_tasks("check", "out").code == 0
    done = devops_tasks("generate", "spec.yaml", "-o", "out", "--set", "pack=none")
    assert done.code == 0
    assert not (here / "out/legal.md").exists()
    assert "packs" not in json.loads((here / "out/.devops-tasks/lock.json").read_text("utf-8"))


def test_packs_of_the_command_line_are_above_those_of_the_spec(here: Path, tmp_path: Path) -> None:
    write_pack(tmp_path / "more", "more", **{"legal.md": "# More\n"})
    assert generate("--trust", "--pack", str(tmp_path / "more"))[0] == 0
    assert (here / "out/legal.md").read_text("utf-8") == "# More\n"


def test_a_pack_of_the_organisation_s_defaults_is_found_from_their_file(here: Path, tmp_path: Path) -> None:
    (here / "spec.yaml").write_text(MINIMAL, "utf-8")
    (tmp_path / ".devops-tasks.yaml").write_text("pack: ./acme\n", "utf-8")
    assert generate("--trust")[0] == 0
    assert (here / "out/legal.md").exists()
    assert devops_tasks("new", "feature", "spec.yaml").code == 0
    assert (here / "feature/devops/legal.md").exists()


def test_init_writes_nothing_before_the_packs_of_its_answers_are_trusted(here: Path) -> None:
    spec = here / "spec.yaml"
    given = assignments_of(parse_spec(spec.read_text("utf-8"), "").tree)
    words = ["init", "written.yaml", "--no-input", *(f"--set={each}" for each in given or ())]
    done = devops_tasks(*words)
    assert (done.code, "is a template pack that you have not trusted yet" in done.err) == (2, True)
    assert [path.name for path in here.iterdir()] == ["spec.yaml"]
    assert devops_tasks(*words, "--trust").code == 0
    assert (here / "legal.md").read_text("utf-8") == "# Legal\n"


def test_a_new_feature_takes_no_pack_whose_path_would_lead_elsewhere(here: Path) -> None:
    done = devops_tasks("new", "feature", "spec.yaml", "--trust")
    assert (done.code, "pack: the spec is copied to where this path leads elsewhere" in done.err) == (2, True)
    assert not (here / "feature").exists()


# The compiled form


def test_what_a_pack_compiles_to_is_never_kept(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    base = Renderer(templates_folder(), cache)
    base.render(plan())
    pack = write_pack(tmp_path / "acme", **{INDEX: "SECRET {{ feature.name | md }}"})
    renderer = LayeredRenderer(base, [open_layer(pack)])
    assert renderer.render(plan())[INDEX] == "SECRET Saved Reports\n"
    kept = [path.read_bytes() for path in cache.iterdir()]
    assert len(kept) == 2, "the tool's own templates, plain and for the sandbox"
    assert not any(b"SECRET" in content for content in kept)
    assert Renderer(templates_folder(), cache).render(plan())[INDEX] == plain()[INDEX]
    written = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    LayeredRenderer(Renderer(templates_folder(), cache), [open_layer(pack)]).render(plan())
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == written, "nothing is compiled twice"
