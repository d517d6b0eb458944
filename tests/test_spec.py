"""The records of the spec: each key has its words, its default and its example, and these agree with its own shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from devops_tasks.defaults import DERIVED
from devops_tasks.errors import Fault
from devops_tasks.fields import MISSING, Builder, Entries, Field, Kind, Listing, Nested, Record, Shape, Tree, fill
from devops_tasks.spec import SPEC, Spec


def walk(shape: Shape, path: str = "") -> Iterator[tuple[str, Field]]:
    if isinstance(shape, Listing):
        yield from walk(shape.item, f"{path}[]")
    if isinstance(shape, Nested):
        for name, field in shape.record.fields.items():
            inside = f"{path}.{name}".lstrip(".")
            yield inside, field
            yield from walk(field.shape, inside)


FIELDS = dict(walk(SPEC))
KINDS = {path: field.shape for path, field in FIELDS.items() if isinstance(field.shape, Kind)}


def records(shape: Shape) -> Iterator[type[Record]]:
    if isinstance(shape, Listing):
        yield from records(shape.item)
    if isinstance(shape, Nested):
        yield shape.record
        for field in shape.record.fields.values():
            yield from records(field.shape)


def faults(shape: Shape, tree: Tree) -> list[Fault]:
    builder = Builder()
    builder.build(shape, tree)
    return builder.faults


def test_the_walk_reaches_lists_groups_and_the_groups_in_lists() -> None:
    assert {"format", "feature.name", "services[].production.autoscaling.cpu", "cost.rightsizing[].saves"} <= set(
        FIELDS
    )


@pytest.mark.parametrize("path", FIELDS)
def test_each_key_has_a_doc_and_a_question(path: str) -> None:
    field = FIELDS[path]
    assert field.doc[:1].isupper()
    assert not field.doc.endswith((".", "?"))
    assert "\n" not in field.doc
    assert field.question.endswith("?")


@pytest.mark.parametrize("path", FIELDS)
def test_each_key_is_one_of_required_defaulted_derived_undecided_and_optional(path: str) -> None:
    field = FIELDS[path]
    ways = [field.required, field.default is not MISSING, field.derived, field.undecided]
    assert sum(ways) <= 1


def test_a_required_key_has_an_example() -> None:
    bare = [
        path
        for path, field in FIELDS.items()
        if field.required and not isinstance(field.shape, Nested) and field.example is MISSING
    ]
    assert bare == []


@pytest.mark.parametrize("path", [path for path, field in FIELDS.items() if field.example is not MISSING])
def test_an_example_is_yaml_that_its_own_field_takes(path: str) -> None:
    field = FIELDS[path]
    loaded = yaml.load(f"key: {field.example}", Loader=yaml.BaseLoader)
    assert faults(field.shape, loaded["key"]) == []


@pytest.mark.parametrize("path", [path for path, field in FIELDS.items() if field.default is not MISSING])
def test_a_default_is_what_its_own_field_takes(path: str) -> None:
    field = FIELDS[path]
    assert isinstance(field.default, str | list | dict)
    written = [fault for fault in faults(field.shape, field.default) if fault.code != "missing-key"]
    assert written == []


def test_the_derived_keys_are_those_of_the_table_of_defaults_each_once() -> None:
    marked = sorted(path for path, field in FIELDS.items() if field.derived)
    assert marked == sorted(row.path for row in DERIVED)


def test_a_derived_default_is_described() -> None:
    assert [row.path for row in DERIVED if not row.doc or row.doc.endswith(".")] == []


def test_a_key_that_is_not_built_yet_gives_no_default() -> None:
    assert [path for path, field in FIELDS.items() if field.later and field.default is not MISSING] == []


@pytest.mark.parametrize("record", dict.fromkeys(records(SPEC)), ids=lambda record: record.__name__)
def test_what_may_stay_open_may_be_none_by_its_type_and_what_is_required_may_not(record: type[Record]) -> None:
    for attribute, told in vars(record).get("__annotations__", {}).items():
        field = record.fields.get(attribute.rstrip("_"))
        if field is not None and (field.undecided or field.required):
            assert ("None" in str(told)) == field.undecided, attribute


def test_exactly_six_keys_are_required_outside_of_lists() -> None:
    assert [
        path
        for path, field in FIELDS.items()
        if field.required and "[]" not in path and not isinstance(field.shape, Nested) and parents_required(path)
    ] == [
        "feature.name",
        "feature.engineer",
        "sprint.name",
        "experiment.hypothesis",
        "experiment.primary_metric.name",
        "experiment.primary_metric.target",
    ]


def parents_required(path: str) -> bool:
    *steps, _ = path.split(".")
    return all(FIELDS[".".join(steps[: count + 1])].required for count in range(len(steps)))


def test_scalars_that_print_as_names_cannot_leave_their_folder_or_their_line() -> None:
    taking = {
        path
        for path, kind in KINDS.items()
        if not kind.free and any(accepts(kind, text) for text in ("../x", "a/../b", "a\nb", "a b", "-a", "", 'a"b'))
    }
    assert taking == {"documents.requirements", "documents.design", "documents.devops_design", "extends"}


def accepts(kind: Kind[Any], text: str) -> bool:
    try:
        kind.parse(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("feature.slug", ["Saved", "saved_reports", "1st", "a" * 41, "con", "com1", "é", "a-", "a.b"]),
        ("services[].image", ["nginx:", "UPPER/x:1", "a b", "https://x/y:1", "x@sha256:123"]),
        ("services[].host", ["https://x", "x:80", "under_score", "-x.example", "a..b", "x" * 254]),
        ("services[].port", ["0", "65536", "80.0", "http", "-1"]),
        ("services[].path", ["healthz", "/a b", "/a?b", "/{x}"]),
        ("databases[].cidr", ["10.0.0.0", "10.0.0.0/33", "256.0.0.0/8", "010.0.0.0/8", "::1/128"]),
        ("databases[].backup.to", ["backups/x", "http://x", "s3://", "s3:///x", "s3://..", "s3://-a", "s3://a//b"]),
        (
            "documents.requirements",
            ["a.md ", "a.md\u00a0", "javascript:alert(1)", "/etc/passwd", "a\\b", "<x>", "a\nb", "file:///x"],
        ),
        ("links.dashboards", ["javascript:alert(1)", "example.com", "https://", "https://a b", 'https://a"b']),
        ("cost.notify", ["dana", "dana@", "a b@c", "<a>@b"]),
        ("tasks[].id", ["DO001", "do-001", "DO-", "../DO-1"]),
        ("alerts[].metric", ["p95 latency", "1st", "a-b", ""]),
        ("format", ["2", "1.0", ""]),
        ("platform.kubernetes", ["1.3", "v1.33", "1.33.1"]),
    ],
)
def test_what_a_name_must_not_be_is_refused(path: str, refused: list[str]) -> None:
    assert [text for text in refused if accepts(KINDS[path], text)] == []


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("feature.slug", ["a", "saved-reports", "a1", "console", "com10", "a" * 40]),
        ("feature.team", ["Reporting_1", "24", "a.b"]),
        ("services[].image", ["nginx:1.27", "r.example.com:5000/a/b_c:v1", f"a/b@sha256:{'0' * 64}"]),
        ("services[].host", ["api.example.com", "localhost", "10.0.0.1", "x" * 63 + ".example"]),
        ("services[].port", ["1", "65535", "0080"]),
        ("databases[].cidr", ["0.0.0.0/0", "10.20.0.0/24", "255.255.255.255/32"]),
        ("databases[].backup.to", ["s3://a", "s3://Backups/a/b_c.d", "s3://a/"]),
        ("documents.requirements", ["x", "../requirements.md", "./a b.md", "d.md", "https://x.example/é", "ünï.md"]),
        ("platform.kubernetes", ["1.30", "1.33"]),
        ("experiment.primary_metric.target", ["+20%", "12%", "35"]),
        ("review.updated", ["2026-12-01"]),
    ],
)
def test_what_a_name_may_be_is_left_alone(path: str, taken: list[str]) -> None:
    assert [text for text in taken if not accepts(KINDS[path], text)] == []


def test_the_name_of_a_label_is_what_kubernetes_takes() -> None:
    labels = FIELDS["databases[].selector"].shape
    assert isinstance(labels, Entries)
    taken = ["app", "App_1.x", "app.kubernetes.io/name", "a" * 63]
    refused = ["", "a/b/c", "../..", "-a", "a-", "a/", "/a", "A.io/name", "a" * 64]
    assert [text for text in [*taken, *refused] if accepts(labels.key, text)] == taken


PATTERNS = {kind.schema["pattern"]: kind for kind in KINDS.values() if not kind.free and "pattern" in kind.schema}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_name_or_quantity_never_holds_a_character_that_ends_a_line_or_moves_a_cursor(pattern: str) -> None:
    @settings(max_examples=25)
    @given(st.from_regex(re.compile(pattern.replace("$)", r"\Z)").removesuffix("$")), fullmatch=True))
    def holds_none(text: str) -> None:
        assert not accepts(PATTERNS[pattern], text) or not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]", text)

    holds_none()


@pytest.mark.parametrize("character", ["\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff"])
def test_no_name_takes_a_character_that_ends_a_line_or_moves_a_cursor(character: str) -> None:
    samples = ("a{}b", "{}a", "a{}", "a{}@b", "http://a{}b", "../a{}b", "/a{}", "s3://a{}", "1{}", "5m{}", "DO-1{}")
    taking = {
        path
        for path, kind in KINDS.items()
        if not kind.free and any(accepts(kind, sample.format(character)) for sample in samples)
    }
    assert taking == set()


def test_free_text_is_named_free_and_nothing_else_is() -> None:
    hostile = "a\"b'c`d$e{{f}}|g#h<i>: - \\"
    assert {path for path, kind in KINDS.items() if accepts(kind, hostile)} == {
        path for path, kind in KINDS.items() if kind.free and "later" not in path
    }


def test_lists_of_names_take_each_only_once() -> None:
    named = {path for path, field in FIELDS.items() if isinstance(field.shape, Listing) and field.shape.distinct}
    assert named == {
        "monitoring.metrics[].labels",
        "pack",
        "services[].needs",
        "services[].secrets",
        "services[].writable",
        "queues[].hosts",
    }


def test_filling_the_whole_spec_leaves_no_fixed_default_out() -> None:
    filled = fill(SPEC, {})
    assert set(filled) == {name for name, field in Spec.fields.items() if field.default is not MISSING}
    assert filled["platform"]["namespaces"] == {}
    assert filled["delivery"]["pause"] == "10m"


def test_a_map_is_a_key_of_text_and_never_of_groups() -> None:
    maps = {path for path, field in FIELDS.items() if isinstance(field.shape, Entries) and not field.later}
    assert maps == {"services[].config", "databases[].selector", "caches[].selector", "pack_fields"}
