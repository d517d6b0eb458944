"""Fields that template packs add to the spec: kept apart, typed like its own keys, and known wherever a key is."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from devops_tasks.errors import UserError
from devops_tasks.explain import explain, origin_lines
from devops_tasks.fields import Builder, Nested, Tree, shape_at, value_at
from devops_tasks.generate import with_defaults, with_packs
from devops_tasks.packs.fields import TYPES, with_fields
from devops_tasks.packs.golden import check_pack
from devops_tasks.plan import plan_bundle
from devops_tasks.plan.pack_fields import plan_pack_fields
from devops_tasks.schema import defaults_schema, spec_schema
from devops_tasks.specfile import Loaded, load_spec, override, parse_spec, read_spec
from tests.command import devops_tasks
from tests.mutations import VALUES
from tests.packs import layered, render, renderer, write_pack
from tests.specs import MINIMAL
from tests.test_schema import schema_takes, tool_takes

if TYPE_CHECKING:
    from pathlib import Path

# The tests' own runner has threads, and nothing of what they hold is used by the child.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

HOST = {"name": "jump_host", "type": "host", "help": "The host that leads to production"}
KEPT = {"name": "retention", "type": "duration", "help": "How long data is kept", "default": "90d"}
LEVEL = {"name": "level", "type": "choice", "choices": ["gold", "silver"], "help": "How much we promise"}
PERSONAL = {"name": "personal", "type": "boolean", "help": "Whether data is personal", "required": "true"}


def pack(folder: Path, *fields: dict[str, Any], name: str = "acme", **templates: str) -> Path:
    write_pack(folder, name, **templates)
    with (folder / "pack.yaml").open("a", encoding="utf-8") as file:
        yaml.safe_dump({"fields": list(fields)}, file)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a pack that has fields, and where the run keeps its own things."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))
    monkeypatch.chdir(tmp_path)
    pack(tmp_path / "acme", HOST, KEPT, LEVEL, **{"notes.md": "{{ pack_fields.acme.retention.words | md }}\n"})
    return tmp_path


def load(folder: Path, text: str, *assignments: str) -> Loaded:
    (folder / "s.yaml").write_text(MINIMAL + text, "utf-8")
    return load_spec(with_packs(with_defaults(override(read_spec(folder / "s.yaml"), assignments))))


def told(folder: Path, text: str, *assignments: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        load(folder, text, *assignments)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


LAST = MINIMAL.count("\n")
PACK = "pack: ./acme\n"
WRONG = {
    "an unknown field": (
        "pack_fields: {acme: {jump_hst: a.example.com}}",
        f"s.yaml:{LAST + 2}:22: pack_fields.acme.jump_hst: unknown key (did you mean jump_host?)",
    ),
    "another type": (
        "pack_fields: {acme: {retention: soon}}",
        f"s.yaml:{LAST + 2}:22: pack_fields.acme.retention: expected a duration such as 500ms, 5m or 30d, found 'soon'",
    ),
    "another word": (
        "pack_fields: {acme: {level: gol}}",
        f"s.yaml:{LAST + 2}:22: pack_fields.acme.level: expected one of gold, silver, found 'gol' (did you mean gold?)",
    ),
    "a list": (
        "pack_fields: {acme: {level: [gold]}}",
        f"s.yaml:{LAST + 2}:22: pack_fields.acme.level: expected one of gold, silver, found a list",
    ),
    "a pack of another name": (
        "pack_fields: {acne: {level: gold}}",
        f"s.yaml:{LAST + 2}:15: pack_fields.acne: unknown key (did you mean acme?)",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_field_is_told_at_its_place(here: Path, text: str, message: str) -> None:
    assert told(here, f"{PACK}{text}\n") == [message]


def test_a_field_of_a_pack_that_is_not_taken_is_refused(here: Path) -> None:
    what = "the spec takes no template pack of this name that asks for anything"
    mend = "name the pack's folder in pack, or leave this out"
    assert told(here, "pack_fields: {acme: {level: gold}}\n") == [
        f"s.yaml:{LAST + 1}:15: pack_fields.acme: {what} ({mend})"
    ]
    [message] = told(here, "pack_fields: {acme: {level: [gold]}}\n")
    assert message.startswith(f"s.yaml:{LAST + 1}:22: pack_fields.acme.level: expected text, found a list")


def test_a_field_that_must_be_said_is_asked_for_with_an_example(here: Path) -> None:
    pack(here / "must", PERSONAL, name="must")
    mend = "add it, for example personal: true"
    for group in ("", "pack_fields: {}\n", "pack_fields: {must: {}}\n"):
        [message] = told(here, f"pack: ./must\n{group}")
        assert message.endswith(f": pack_fields.must.personal: required: Whether data is personal ({mend})")


def test_two_packs_may_ask_for_the_same_but_not_have_the_same_name(here: Path) -> None:
    pack(here / "two", {**HOST, "type": "integer"}, name="two")
    both = "pack: [./acme, ./two]\npack_fields: {acme: {jump_host: a.example.com}, two: {jump_host: 3}}\n"
    found = plan_bundle(load(here, both).spec)["pack_fields"]
    assert (found["acme"]["jump_host"], found["two"]["jump_host"]) == ("a.example.com", 3)
    pack(here / "other", LEVEL)
    assert told(here, "pack: [./acme, ./other]\npack_fields: {acme: {level: gold}}\n") == [
        f"s.yaml:{LAST + 1}:16: pack[1]: './other': the name acme is taken (take another one)"
    ]


def test_a_pack_that_cannot_be_read_is_told_with_all_other_faults_and_nothing_that_follows(here: Path) -> None:
    policy = 'policy: [{key: "pack_fields.acme.level", must_be: gold, because: So it is}]\n'
    found = told(here, f"pack: ./gone\npack_fields: {{acme: {{level: gold}}}}\n{policy}platform: {{clud: aws}}\n")
    assert [message.partition(" (")[0] for message in found] == [
        f"s.yaml:{LAST + 1}:1: pack: './gone': cannot be used: no such file or directory",
        f"s.yaml:{LAST + 4}:12: platform.clud: unknown key",
    ]


@pytest.mark.parametrize("word", TYPES)
def test_every_type_takes_its_example_and_is_plain_data_for_a_template(word: str) -> None:
    kind, example = TYPES[word]
    field = {"name": "a", "type": word, "help": "h", "default": example}
    tree = parse_spec(f"{MINIMAL}pack_fields: {{p: {{a: {json.dumps(example)}}}}}\n", "").tree
    builder = Builder()
    spec = builder.build(with_fields({"p": [field]}), tree)
    assert builder.faults == []
    assert spec.pack_fields.p.a == kind.parse(example)
    value = plan_pack_fields(spec.pack_fields)["p"]["a"]
    assert json.loads(json.dumps(value)) == value
    shown = value["text"] if isinstance(value, dict) else value
    assert shown == {"integer": 3, "boolean": True}.get(word, example)


def test_an_editor_takes_of_each_type_what_the_tool_takes() -> None:
    fields = [{"name": word, "type": word, "help": "h"} for word in TYPES]
    shape = with_fields({"p": [*fields, LEVEL]})
    group = shape_at(shape, ("pack_fields", "p"))
    assert isinstance(group, Nested)
    properties = spec_schema(shape)["properties"]["pack_fields"]["properties"]["p"]["properties"]
    differing = [
        (name, text)
        for name, field in group.record.fields.items()
        for text in VALUES
        if text not in {"null", "~", "[null]"}
        and tool_takes(field.shape, tree_of(text)) != schema_takes(properties[name], text)
    ]
    assert differing == []


def tree_of(text: str) -> Tree:
    return parse_spec(f"key: {text}", "").tree["key"]


# Wherever a key is known


def test_a_field_is_assigned_inherited_explained_and_held_to_policy(here: Path) -> None:
    text = (
        "pack: ./acme\npack_fields:\n  acme: {level: silver, retention: 30d}\n"
        "policy:\n  - {key: pack_fields.acme.retention, at_least: 60d, because: So it is}\n"
    )
    (here / ".devops-tasks.yaml").write_text(text, "utf-8")
    [broken] = told(here, "")
    assert broken.startswith(".devops-tasks.yaml:3:25: pack_fields.acme.retention: must be at least 60d, found 30d (So")
    loaded = load(here, "pack_fields: {acme: {retention: 1y}}\n", "pack_fields.acme.jump_host=a.example.com")
    lines = [" ".join(line.replace(f"{here}/", "").split()) for line in
             origin_lines(explain(loaded, "pack_fields"), loaded.source.shape)]  # fmt: skip
    assert lines == [
        "pack_fields.acme.jump_host: a.example.com # --set pack_fields.acme.jump_host",
        f"pack_fields.acme.retention: 1y # s.yaml:{LAST + 1}:22",
        "pack_fields.acme.level: silver # .devops-tasks.yaml:3:10",
    ]
    other = told(here, "pack: none\npack_fields:\n")
    assert [message.partition(" (")[0].partition(": ")[2] for message in other] == [
        "policy[0].key: there is no key 'acme' in pack_fields.acme.retention"
    ]


def test_a_text_that_looks_like_a_list_can_be_assigned(here: Path) -> None:
    pack(here / "text", {"name": "note", "type": "text", "help": "h"}, name="text")
    loaded = load(here, "pack: ./text\n", "pack_fields.text.note=[x, {y}]")
    assert value_at(loaded.tree, ("pack_fields", "text", "note")) == "[x, {y}]"


def test_the_bundle_alone_tells_what_its_fields_are(here: Path) -> None:
    (here / "s.yaml").write_text(f"{MINIMAL}{PACK}pack_fields: {{acme: {{level: gold}}}}\n", "utf-8")
    done = devops_tasks("generate", "s.yaml", "-o", "out", "--trust")
    assert done.code == 0, done.err
    assert (here / "out/notes.md").read_text("utf-8") == "90 days\n"
    lock = json.loads((here / "out/.devops-tasks/lock.json").read_text("utf-8"))
    assert lock["spec"]["pack_fields"] == {"acme": {"retention": "90d", "level": "gold"}}
    (here / "acme").rename(here / "away")
    checked = json.loads(devops_tasks("check", "out", "--json").out)
    assert (checked["findings"], checked["errors"]) == ([], [])
    assert [row for row in checked["undecided"] if row["key"].startswith("pack_fields")] == [
        {"key": "pack_fields.acme.jump_host", "doc": "The host that leads to production", "files": []}
    ]
    lock["packs"][0]["fields"][0]["type"] = "nonsense"
    (here / "out/.devops-tasks/lock.json").write_text(json.dumps(lock), "utf-8")
    assert "cannot read: the fields of a template pack cannot be read" in devops_tasks("check", "out").err


@pytest.mark.usefixtures("here")
def test_the_schema_knows_the_fields_of_a_pack_and_of_the_packs_of_a_spec() -> None:
    named = json.loads(devops_tasks("schema", "--pack", "acme").out)
    assert [*named["properties"]["pack_fields"]["properties"]["acme"]["properties"]] == [
        "jump_host", "retention", "level"
    ]  # fmt: skip


# The author's side


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ({**HOST, "type": "hoste"}, "fields[0].type: expected one of "),
        ({**HOST, "default": "no host"}, "fields[0].default: expected a host name"),
        ({**HOST, "example": "no host"}, "fields[0].example: expected a host name"),
        (
            {**HOST, "required": "true", "default": "a.example.com"},
            "fields[0].required: is required, and has a default",
        ),
        ({**HOST, "choices": ["a"]}, "fields[0].choices: a choice needs the words"),
        ({**HOST, "type": "choice"}, "fields[0].type: a choice needs the words"),
        ({**LEVEL, "default": "golden"}, "fields[0].default: expected one of gold, silver"),
        ({**LEVEL, "choices": ["True"]}, "fields[0].choices[0]: expected a word of lower-case letters"),
        ({**HOST, "name": "jump-host"}, "fields[0].name: expected a key's name"),
        ({"name": "a", "type": "host"}, "fields[0].help: required"),
        ({**HOST, "pattern": "(a+)+"}, "fields[0].pattern: unknown key"),
    ],
)
def test_a_field_that_contradicts_itself_is_told_at_its_line(here: Path, field: dict[str, str], what: str) -> None:
    pack(here / "wrong", field, name="wrong")
    [message] = told(here, "pack: ./wrong\n")
    assert message.startswith("wrong/pack.yaml:")
    assert what in message


def test_two_fields_of_a_pack_have_two_names(here: Path) -> None:
    pack(here / "wrong", HOST, {**LEVEL, "name": "jump_host"}, name="wrong")
    assert "fields[1].name: 'jump_host' is there twice" in told(here, "pack: ./wrong\n")[0]


def test_check_knows_the_fields_of_a_pack_and_of_those_that_it_stands_on(here: Path) -> None:
    asked = "{{ pack_fields.acme.jump_host | md }}{{ pack_fields.acme.jump_hst | md }}"
    above = pack(here / "above", name="above", **{"a.md": asked, "notes.md": '{% extends "below/notes.md.j2" %}'})
    alone = [(each.line, each.what) for each in check_pack(renderer(), above)]
    assert alone == [(1, "there is no pack_fields"), (1, "there is no template below/notes.md.j2")]
    found = check_pack(renderer(), above, [here / "acme"])
    assert [each.what for each in found] == ["there is no jump_hst in pack_fields"]


def test_check_finds_a_quantity_that_is_printed_without_its_notation(here: Path) -> None:
    write_pack(here / "acme", **{"notes.md": ""})
    pack(
        here / "acme",
        HOST,
        KEPT,
        **{"a.md": "{{ pack_fields.acme.retention | md }}{{ pack_fields.acme.jump_host | md }}"},
    )
    [found] = check_pack(renderer(), here / "acme")
    assert found.what == "retention is a group: print one of text, words, promql, seconds, value"


def test_a_pack_is_tested_above_those_that_it_stands_on(here: Path) -> None:
    pack(here / "above", name="above", **{"a.md": "{{ pack_fields.acme.level | md }}\n"})
    case = here / "above/tests/one"
    case.mkdir(parents=True)
    (case / "spec.yaml").write_text(f"{MINIMAL}pack_fields: {{acme: {{level: gold}}}}\n", "utf-8")
    assert devops_tasks("templates", "test", "above", "--pack", "acme", "--update").code == 0
    assert {path.name: path.read_text("utf-8") for path in (case / "expected").iterdir()} == {"a.md": "gold\n"}
    done = devops_tasks("templates", "test", "above")
    assert (done.code, "takes no template pack of this name" in done.err) == (2, True)


# Files of defaults


def test_a_file_of_defaults_need_not_have_any_key_but_a_policy_is_whole() -> None:
    schema = defaults_schema()
    for text in ("{}", "feature: {team: a}", "services: [{name: a}]", "feature:", "extends: ../other.yaml"):
        assert schema_takes(schema, text), text
    whole = "policy: [{key: platform.cloud, must_be: aws, because: So it is}]"
    assert schema_takes(schema, whole)
    for text in (whole.replace(", because: So it is", ""), "platform: {clud: aws}", "platform: {cloud: azure}"):
        assert not schema_takes(schema, text), text


def test_the_schema_of_defaults_has_every_key_of_a_spec_as_it_is_there() -> None:
    shape = with_fields({"p": [PERSONAL]})
    found, known = defaults_schema(shape), spec_schema(shape)
    assert known["properties"]["pack_fields"]["properties"]["p"]["required"] == ["personal"]
    assert schema_takes(found, "pack_fields: {p: {}}")
    assert schema_takes(found, "pack_fields: {p: {personal: yes}}")
    assert [*found["properties"]] == [*known["properties"]]
    assert shape.record.fields["pack_fields"].required, "the shape itself stays as it is"


def test_a_spec_that_is_right_is_right_as_defaults() -> None:
    assert schema_takes(defaults_schema(), MINIMAL)
    assert json.loads(devops_tasks("schema", "--defaults").out) == defaults_schema()


HOSTILE = "{{ 7 * 7 }} {% raw %} ${{ x }} $(id) `id` 'a' \"b\" \\ <b> | # : - &a *b"


def test_a_hostile_text_in_a_field_is_only_text(here: Path) -> None:
    note = "pack_fields.hostile.note"
    texts = {
        "a.yml": f"a: {{{{ {note} | yaml }}}}\n",
        "a.json": f"{{{{ {note} | json }}}}\n",
        "a.sh": f"echo {{{{ {note} | sh }}}}\n",
    }
    pack(here / "hostile", {"name": "note", "type": "text", "help": "h"}, name="hostile", **texts)
    loaded = load(here, f"pack: ./hostile\npack_fields: {{hostile: {{note: {json.dumps(HOSTILE)}}}}}\n")
    files = layered(here / "hostile").render(plan_bundle(loaded.spec))
    assert yaml.safe_load(files["a.yml"]) == {"a": HOSTILE}
    assert json.loads(files["a.json"]) == HOSTILE
    assert shlex.split(files["a.sh"]) == ["echo", HOSTILE]


def test_a_template_that_prints_a_field_of_a_pack_that_is_not_there_is_at_fault(here: Path) -> None:
    with pytest.raises(UserError, match="there is no 'pack_fields'"):
        render(here / "acme")
