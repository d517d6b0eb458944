"""The JSON Schema of a spec takes and refuses what the tool itself does, as an editor would read the same file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import regress
import yaml
from jsonschema.protocols import Validator

from devops_tasks.errors import Fault, UserError
from devops_tasks.fields import Builder, Entries, Kind, Listing, Nested, Schema, Shape, Tree
from devops_tasks.schema import spec_schema
from devops_tasks.spec import SPEC
from devops_tasks.specfile import Source, load_spec, parse_spec
from tests.mutations import EXAMPLES, LOST, VALUES, broken_tree, written
from tests.test_specfile import MINIMAL
from tests.tools import ROOT, jsonschema_check


class Core(yaml.SafeLoader):
    """The core schema of YAML 1.2, by which editors read: `on` and `12:30` are text, `1.30` and `007` are numbers."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - the loader's own way


def text_of(loader: Tree, node: yaml.Node) -> str:
    assert isinstance(node, yaml.ScalarNode)
    return str(loader.construct_scalar(node))


for kind, pattern, starts in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"^(?:{pattern})$"), list(starts))
Core.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(text_of(loader, node)))
Core.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(text_of(loader, node)))


def mapping_of(loader: Tree, node: yaml.MappingNode) -> Tree:
    """Make a group whose keys are text, as those of JSON are, whatever they look like."""
    return {name.value: loader.construct_object(value, deep=True) for name, value in node.value}


Core.add_constructor("tag:yaml.org,2002:map", mapping_of)


def as_an_editor(text: str) -> Tree:
    return yaml.load(text, Loader=Core)  # noqa: S506 - a safe loader


def ecma_pattern(
    _validator: Validator, pattern: str, instance: object, _schema: Schema
) -> Iterator[jsonschema.ValidationError]:
    """Match as an editor does: Python's `$` would let a line break through."""
    if isinstance(instance, str) and compiled(pattern).find(instance) is None:
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


@cache
def compiled(pattern: str) -> regress.Regex:
    return regress.Regex(pattern, "u")  # as editors do: with Unicode, and no escape that is not needed


Ecma = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"pattern": ecma_pattern}
)
OUTSIDE = {"duplicate-name"}
"""Faults of single keys that no schema can say. What is wrong with the text as YAML comes before the keys are looked
at, and what must hold between keys (`rules`), or what no default can be made of, comes after."""
SCHEMA = spec_schema()
WHOLE = Ecma(SCHEMA)


def schema_takes(schema: Schema, text: str) -> bool:
    return bool(Ecma(schema).is_valid(as_an_editor(text)))


def tool_takes(shape: Shape, tree: Tree) -> bool:
    builder = Builder()
    builder.build(shape, tree)
    return all(map(outside, builder.faults))


def outside(fault: Fault) -> bool:
    """Say whether a schema cannot say a fault: two groups of a list with one name (of two words alike it can)."""
    return fault.code in OUTSIDE and isinstance(fault.path[-1], str)


def fields(shape: Shape, schema: Schema, path: str = "") -> Iterator[tuple[str, Shape, Schema]]:
    """Walk the keys of the spec and their parts of the schema side by side."""
    choices = [schema, *schema.get("anyOf", [])]
    if isinstance(shape, Listing):
        inner = next(choice["items"] for choice in choices if "items" in choice)
        yield f"{path}[]", shape.item, inner
        yield from fields(shape.item, inner, f"{path}[]")
    if isinstance(shape, Nested):
        properties = next(choice["properties"] for choice in choices if "properties" in choice)
        for name, inner in properties.items():
            inside = f"{path}.{name}".lstrip(".")
            yield inside, shape.record.fields[name].shape, inner
            yield from fields(shape.record.fields[name].shape, inner, inside)


PLACES = {path: (shape, schema) for path, shape, schema in fields(SPEC, SCHEMA)}


def test_the_walk_reaches_every_key_of_the_schema() -> None:
    assert len(PLACES) > 250
    assert "services[].production.autoscaling.cpu" in PLACES


@pytest.mark.parametrize("path", PLACES)
def test_a_key_takes_in_an_editor_what_the_tool_takes_and_nothing_else(path: str) -> None:
    shape, schema = PLACES[path]
    differing = []
    for text in VALUES:
        tree = parse_spec(f"key: {text}", "").tree["key"] if text != "[null]" else [None]
        if tool_takes(shape, tree) != schema_takes(schema, text):
            differing.append(text)
    assert differing == []


@pytest.mark.parametrize("path", PLACES)
def test_an_editor_never_refuses_what_the_tool_takes(path: str) -> None:
    shape, schema = PLACES[path]
    refused = [text for text in LOST if tool_takes(shape, text) and not schema_takes(schema, text)]
    assert refused == []


@pytest.mark.parametrize("path", PLACES)
def test_null_is_taken_wherever_a_key_may_be_left_out(path: str) -> None:
    _, schema = PLACES[path]
    if path.endswith("[]"):
        assert not schema_takes(schema, "null")
        return
    holder, _, name = path.rpartition(".")
    required = holder_schema(holder)["required"]
    assert schema_takes(schema, "null") == (name not in required)


def holder_schema(path: str) -> Schema:
    schema = PLACES[path][1] if path else SCHEMA
    return next(choice for choice in [schema, *schema.get("anyOf", [])] if "properties" in choice)


@pytest.mark.parametrize("path", PLACES)
def test_defaults_and_examples_are_valid_by_their_own_schema(path: str) -> None:
    schema = PLACES[path][1]
    known = [schema["default"]] if "default" in schema else []
    for value in [*known, *schema.get("examples", [])]:
        if value != {} or not holder_required(schema):
            Ecma(schema).validate(value)


def holder_required(schema: Schema) -> list[str]:
    found: list[str] = schema.get("required", [])
    return found


def test_the_schema_is_valid_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_pattern_is_one_of_ecma_262() -> None:
    patterns = {schema["pattern"] for _, schema in PLACES.values() if "pattern" in schema}
    assert patterns
    for pattern in patterns:
        assert compiled(pattern) is not None


def test_every_key_is_described_and_no_other_is_taken() -> None:
    for path, (shape, schema) in PLACES.items():
        assert path.endswith("[]") or schema["description"].endswith("."), path
        if isinstance(shape, Nested):
            groups = [choice for choice in [schema, *schema.get("anyOf", [])] if "properties" in choice]
            assert [group["additionalProperties"] for group in groups] == [False], path


def test_a_computed_default_is_said_in_words() -> None:
    assert PLACES["services[].health.port"][1]["description"].endswith("Default: the service's port.")


@pytest.mark.parametrize("path", ["services[].production.autoscaling.requests_per_second"])
def test_a_key_that_is_not_built_yet_is_refused(path: str) -> None:
    assert path not in PLACES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_valid(example: Path) -> None:
    WHOLE.validate(as_an_editor(example.read_text("utf-8")))


def test_a_checker_of_its_own_kind_agrees(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA), "utf-8")
    for example in EXAMPLES:
        assert jsonschema_check(example, tmp_path / "schema.json") == ""
    (tmp_path / "spec.yaml").write_text(MINIMAL.replace("+20%", "more"), "utf-8")
    assert "experiment.primary_metric.target" in jsonschema_check(tmp_path / "spec.yaml", tmp_path / "schema.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL.replace("engineer", "engneer"), "'engneer' was unexpected"),
        (MINIMAL.replace('  engineer: "@dana"\n', ""), "'engineer' is a required property"),
        (MINIMAL.replace("sprint:\n", "sprint:\nx:\n"), "None is not of type 'object'"),
        (MINIMAL + "platform: {cloud: azure}\n", "'azure' is not one of"),
    ],
    ids=["an unknown key", "a missing key", "an empty group of required keys", "a word of later"],
)
def test_a_spec_that_the_tool_refuses_is_refused(text: str, message: str) -> None:
    assert message in " ".join(error.message for error in WHOLE.iter_errors(as_an_editor(text)))
    with pytest.raises(UserError):
        load_spec(parse_spec(text, ""))


def test_an_unquoted_number_is_a_name_where_text_is_meant() -> None:
    assert WHOLE.is_valid(as_an_editor(MINIMAL.replace('"24"', "24")))


# Whole specs, broken by a seed

SEEDS = int(os.environ.get("FUZZ", "600"))
BLOCK = 100


def read(text: str) -> Source | None:
    """Read what is YAML; what is none, no editor judges."""
    try:
        source = parse_spec(text, "")
    except UserError:
        return None
    return None if source.problems else source


def compared(text: str) -> Iterator[str]:
    """Say where an editor and the tool judge a spec differently."""
    source = read(text)
    if source is None:
        return
    builder = Builder()
    builder.build(SPEC, source.tree)
    faults = [fault for fault in builder.faults if not outside(fault)]
    errors = [error.message for error in WHOLE.iter_errors(as_an_editor(text))]
    if errors and not faults:
        yield f"only the schema refuses: {errors}"
    if faults and not errors and not any(lost in text for lost in LOST):
        yield f"only the tool refuses: {faults}"


@pytest.mark.parametrize("seeds", [range(start, start + BLOCK) for start in range(0, SEEDS, BLOCK)], ids=str)
def test_a_broken_spec_is_refused_by_both_or_by_neither(seeds: range) -> None:
    differing = {seed: list(compared(written(broken_tree(seed)))) for seed in seeds}
    assert {seed: told for seed, told in differing.items() if told} == {}


def test_broken_specs_are_of_both_sorts() -> None:
    readable = [text for text in map(written, map(broken_tree, range(60))) if read(text)]
    taken = sum(WHOLE.is_valid(as_an_editor(text)) for text in readable)
    assert 5 <= taken <= len(readable) - 5


def test_the_command_prints_the_schema() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "devops_tasks", "schema"], capture_output=True, check=True, text=True, cwd=ROOT
    )
    assert json.loads(done.stdout) == SCHEMA
    assert done.stderr == ""


def test_every_shape_has_a_schema() -> None:
    assert {type(shape) for shape, _ in PLACES.values()} == {Kind, Listing, Entries, Nested}
