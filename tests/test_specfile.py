"""Reading a spec: what was written is what is meant, and every complaint stands at its line, column and key."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from devops_tasks import specfile
from devops_tasks.errors import Problem, UserError
from devops_tasks.fields import Tree
from devops_tasks.spec import SLUG, TARGET
from devops_tasks.specfile import Loaded, load_spec, override, parse_spec, read_spec
from devops_tasks.spectext import spec_text
from tests.tools import ROOT

MINIMAL = """\
feature:
  name: Saved Reports
  engineer: "@dana"
sprint:
  name: "24"
experiment:
  hypothesis: We believe that it helps
  primary_metric:
    name: Weekly active users
    target: +20%
"""


@pytest.fixture(params=["the C parser", "the Python parser"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both parsers of YAML, because a wheel without the C one exists."""
    loader = yaml.CSafeLoader if request.param == "the C parser" else yaml.SafeLoader
    monkeypatch.setattr(specfile, "_LOADER", loader)
    return str(request.param)


def parse(text: str) -> Tree:
    source = parse_spec(text, "s.yaml")
    if source.problems:
        raise UserError(*source.problems)
    return source.tree


def load(text: str, *assignments: str) -> Loaded:
    return load_spec(override(parse_spec(text, "s.yaml"), assignments))


def problems(text: str, *assignments: str) -> list[Problem]:
    with pytest.raises(UserError) as caught:
        load(text, *assignments)
    return list(caught.value.problems)


def told(text: str, *assignments: str) -> list[str]:
    return [str(problem) for problem in problems(text, *assignments)]


# Scalars are source text


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1.30", "1.30"),
        ("+20%", "+20%"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("2026-12-01", "2026-12-01"),
        ("No", "No"),
        ("1e3", "1e3"),
        ('"24"', "24"),
        ("'it''s'", "it's"),
        ('"a\\nb"', "a\nb"),
        ('"~"', "~"),
        ('""', ""),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">\n  a\n  b\n", "a b\n"),
        ("a # b", "a"),
        ("a#b", "a#b"),
        ("no value # at all", "no value"),
        ('"{{ x }}"', "{{ x }}"),
    ],
)
def test_a_scalar_is_its_source_text(written: str, meant: str) -> None:
    assert parse(f"key: {written}") == {"key": meant}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("written", ["", "~", "null", "Null", "NULL", "# nothing"])
def test_a_key_without_a_value_holds_none(written: str) -> None:
    assert parse(f"key: {written}\nother: 1") == {"key": None, "other": "1"}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "---\n...\n"])
def test_an_empty_text_is_an_empty_tree(text: str) -> None:
    assert parse(text) == {}


@pytest.mark.usefixtures("parser")
def test_an_anchor_is_read_wherever_it_is_named() -> None:
    assert parse("a: &size {cpu: 1}\nb: *size\n") == {"a": {"cpu": "1"}, "b": {"cpu": "1"}}


@pytest.mark.usefixtures("parser")
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufffe\uffff\ufeff")))
def test_any_quoted_text_comes_back(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    assert parse(f"key: {quoted}") == {"key": text}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("platform.kubernetes=1.30", lambda spec: spec.platform.kubernetes == "1.30"),
        ("sprint.name=007", lambda spec: spec.sprint.name == "007"),
        ("sprint.name=12:30", lambda spec: spec.sprint.name == "12:30"),
        ("feature.name=on", lambda spec: spec.feature.name == "on"),
        ("overview.security_review=off", lambda spec: spec.overview.security_review is False),
        ("experiment.primary_metric.target=+5%", lambda spec: spec.experiment.primary_metric.target.kind == "relative"),
        ("feature.name=[Beta] Reports: the best", lambda spec: spec.feature.name == "[Beta] Reports: the best"),
        ("services=[{name: one}, {name: two}]", lambda spec: [each.name for each in spec.services] == ["one", "two"]),
        ("databases=none", lambda spec: spec.databases == ()),
        ("sprint={name: 25, capacity: 3}", lambda spec: spec.sprint.capacity == 3),
        ("feature.id=", lambda spec: spec.feature.id is None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_set_types_its_text_by_the_field_too(key: str, value: object) -> None:
    assert callable(value)
    assert value(load(MINIMAL, key).spec)


def test_set_reaches_into_lists_and_keeps_what_stands_beside() -> None:
    text = MINIMAL + "services:\n  - {name: one, port: 1000}\n  - {name: two}\n"
    services = load(text, "services[1].port=2000", "services[0].kind=web").spec.services
    assert [(each.name, each.port, each.kind) for each in services] == [("one", 1000, "web"), ("two", 2000, "api")]


def test_set_takes_a_key_out_again() -> None:
    assert load(MINIMAL + "cost: {budget: 10 USD}\n", "cost.budget=null").spec.cost.budget is None


def test_the_tree_that_is_given_stays_as_it_is() -> None:
    source = parse_spec(MINIMAL, "s.yaml")
    override(source, ("feature.name=Other",))
    assert source.tree["feature"]["name"] == "Saved Reports"


# Faults of YAML


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("engineer: @dana", 's.yaml:1:11: a value must not begin with @ (quote it: "@dana")'),
        ("a:\n  engineer: @dana # her", 's.yaml:2:13: a value must not begin with @ (quote it: "@dana")'),
        ('a: {engineer: @dana, id: "7"}', 's.yaml:1:15: a value must not begin with @ (quote it: "@dana")'),
        ("a: [@dana]", 's.yaml:1:5: a value must not begin with @ (quote it: "@dana")'),
        ("target: %20", 's.yaml:1:9: a value must not begin with % (quote it: "%20")'),
        ("a: `x`", 's.yaml:1:4: a value must not begin with ` (quote it: "`x`")'),
        ("a:\n\tb: 1", "s.yaml:2:1: a tab is no indentation in YAML (use spaces)"),
        (
            "name: Reports: saved",
            "s.yaml:1:14: a ': ' inside a value that is not quoted (quote the whole value: \"...\")",
        ),
        ("a: 1\na: 2", "s.yaml:2:1: a: the key is there twice (keep one of them)"),
        ("a: {b: 1, b: 2}", "s.yaml:1:11: a.b: the key is there twice (keep one of them)"),
        ("a:\na: 2", "s.yaml:2:1: a: the key is there twice (keep one of them)"),
        ("a: !!str 1", "s.yaml:1:4: a: the tag tag:yaml.org,2002:str is not allowed (remove it)"),
        ("a: !secret x", "s.yaml:1:4: a: the tag !secret is not allowed (remove it)"),
        ("!secret a: x", "s.yaml:1:1: the tag !secret is not allowed (remove it)"),
        ("a: !!python/object/apply:os.system [ls]", None),
        ("a: *b", 's.yaml:1:4: a: the alias *b has no anchor before it (quote it if it is text: "*b")'),
        ("a: [*b]", 's.yaml:1:5: a[0]: the alias *b has no anchor before it (quote it if it is text: "*b")'),
        ("a: &x [*x]", None),
        ("a:\n  -\n  - 1", "s.yaml:2:4: a[0]: an empty item (write a value or remove the '-')"),
        ("? [a]\n: 1", "s.yaml:1:3: a key must be a plain word (quote it if it is text)"),
        ("{{ x }}: 1", None),
        ("a: 1\n---\nb: 2", "s.yaml:2:1: a second document (keep one document in a file)"),
        ("a: [1, 2", None),
        ('a: "unclosed', None),
        ("a: \x01", "s.yaml:1:4: the control character U+0001 is not allowed (remove it)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_of_yaml_is_told_at_its_place(text: str, expected: str | None) -> None:
    with pytest.raises(UserError) as caught:
        parse(text)
    found = [str(problem) for problem in caught.value.problems]
    if expected is not None:
        assert expected in found
    assert all(line.startswith("s.yaml") for line in found)


@pytest.mark.usefixtures("parser")
def test_all_faults_of_a_text_are_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        parse("a: !x 1\nb: 1\nb: 2\nc: [*d]\n")
    assert [problem.line for problem in caught.value.problems] == [1, 3, 4]


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[" * 1000, "too deeply nested"),
        ("a: " + "{a: " * 60, "too deeply nested"),
        ("- 1\n" * 50_001, "too many values"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 10)}]\n" for name in "bcdefgh"),
            "too many values",
        ),
    ],
    ids=["a list in a list in a list", "a group in a group in a group", "a list without end", "a thousand laughs"],
)
def test_a_text_that_would_swallow_memory_is_refused(text: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        parse(text)


# Files


def write(folder: Path, content: bytes) -> Path:
    path = folder / "s.yaml"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [MINIMAL.encode(), b"\xef\xbb\xbf" + MINIMAL.encode(), MINIMAL.replace("\n", "\r\n").encode()],
    ids=["plain", "with a byte order mark", "with the line ends of Windows"],
)
def test_a_file_in_utf8_is_read(tmp_path: Path, content: bytes) -> None:
    assert load_spec(read_spec(write(tmp_path, content))).spec.feature.name == "Saved Reports"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (MINIMAL.encode("utf-16"), "a text in UTF-16, not in UTF-8"),
        (MINIMAL.encode("utf-16-le"), "a text in UTF-16, not in UTF-8"),
        (MINIMAL.encode("utf-16-be"), "a text in UTF-16, not in UTF-8"),
        (MINIMAL.encode("utf-32"), "a text in UTF-32, not in UTF-8"),
        (MINIMAL.encode("utf-32-le"), "a text in UTF-32, not in UTF-8"),
        (MINIMAL.encode("utf-32-be"), "a text in UTF-32, not in UTF-8"),
        ("name: é".encode("latin-1"), "the byte 0xE9 is no UTF-8"),
        (b"a" * 1_000_001, "larger than 1000000 bytes"),
    ],
    ids=[
        "UTF-16",
        "UTF-16 without its mark",
        "UTF-16 the other way round",
        "UTF-32",
        "UTF-32 without its mark",
        "UTF-32 the other way round",
        "Latin-1",
        "a large file",
    ],
)
def test_a_file_that_is_no_spec_is_refused_by_name(tmp_path: Path, content: bytes, what: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(UserError, match=what) as caught:
        read_spec(path)
    assert [problem.where for problem in caught.value.problems] == [str(path)]


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{tmp_path}/none.yaml: no such file"):
        read_spec(tmp_path / "none.yaml")
    with pytest.raises(UserError, match=f"{tmp_path}: is a folder, not a file"):
        read_spec(tmp_path)


# Faults of the spec, at their places

OWNER = "Who owns the infrastructure work"
UNDERIVABLE = "no default can be made from the other keys"


def test_an_empty_file_lacks_the_six_required_keys() -> None:
    assert [problem.key for problem in problems("")] == [
        "feature.name",
        "feature.engineer",
        "sprint.name",
        "experiment.hypothesis",
        "experiment.primary_metric.name",
        "experiment.primary_metric.target",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            MINIMAL.replace("engineer", "engneer"),
            [
                f's.yaml:1:1: feature.engineer: required: {OWNER} (add it, for example engineer: "@dana")',
                "s.yaml:3:3: feature.engneer: unknown key (did you mean engineer?)",
            ],
        ),
        (
            MINIMAL.replace("+20%", "more"),
            [f"s.yaml:10:5: experiment.primary_metric.target: expected {TARGET.expected}, found 'more'"],
        ),
        (
            MINIMAL + "services:\n  - name: api\n    port: 70000\n",
            ["s.yaml:13:5: services[0].port: expected a whole number from 1 to 65535, found '70000'"],
        ),
        (MINIMAL + "queue:\n", ["s.yaml:11:1: queue: unknown key (did you mean queues?)"]),
        (
            MINIMAL + "delivery: {steps: [10%, 5%, 100%]}\n",
            ["s.yaml:11:25: delivery.steps[1]: 5% is no more than the step before it (sort them)"],
        ),
        (
            MINIMAL + "platform: {custom_metrics: prometheus-adapter}\n",
            ["s.yaml:11:12: platform.custom_metrics: prometheus-adapter is not built yet (built so far: none)"],
        ),
        (
            MINIMAL.replace("Saved Reports", "日本語"),
            [f"s.yaml:1:1: feature.slug: {UNDERIVABLE}: expected {SLUG.expected}, found '' (write it)"],
        ),
    ],
    ids=[
        "a misspelt key",
        "no target",
        "no port",
        "an unknown key",
        "a contradiction",
        "a word of later",
        "no slug",
    ],
)
def test_a_fault_says_file_line_column_key_what_and_mend(text: str, expected: list[str]) -> None:
    assert told(text) == expected


def test_all_faults_of_single_keys_are_told_at_once_in_their_order() -> None:
    text = MINIMAL.replace("+20%", "x").replace('"24"', "[a]") + "delivery: {steps: []}\nnope: 1\n"
    assert [problem.line for problem in problems(text)] == [5, 10, 11, 12]


def test_all_contradictions_are_told_at_once() -> None:
    text = MINIMAL + (
        "delivery: {steps: [10%]}\nmonitoring: {scrape_interval: 5m}\n"
        "services:\n  - {name: api, needs: [nothing]}\n  - {name: api-blue}\n"
    )
    assert [problem.key for problem in problems(text)] == [
        "delivery.steps[0]",
        "monitoring.scrape_interval",
        "services[0].needs[0]",
        "services[1].name",
    ]


def test_a_fault_inside_an_alias_is_told_where_the_alias_stands() -> None:
    text = MINIMAL + "services:\n  - {name: a, health: &h {port: x}}\n  - name: b\n    health: *h\n"
    assert [(problem.line, problem.key) for problem in problems(text)] == [
        (12, "services[0].health.port"),
        (14, "services[1].health.port"),
    ]


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("sprint.name", "--set sprint.name: expected key=value (such as sprint.name=25)"),
        ("=x", "--set =x: expected key=value (such as sprint.name=25)"),
        (
            "services[0].port=1",
            "--set services[0].port: no such place in the spec (lists count from 0: services[0].port)",
        ),
        ("feature[0]=1", "--set feature[0]: no such place in the spec (lists count from 0: services[0].port)"),
        ("sprint.name.x=1", "--set sprint.name.x: no such place in the spec (lists count from 0: services[0].port)"),
        ("feature.nam=x", "--set feature.nam: feature.nam: unknown key (did you mean name?)"),
        (
            "sprint.capacity=x",
            "--set sprint.capacity: sprint.capacity: expected a whole number from 0 to 10000, found 'x'",
        ),
        ("delivery.steps=[5%", "--set delivery.steps:"),
        ("services=[{name: X}]", "--set services: services[0].name: expected a name"),
        ("feature.name=\udcff", "--set feature.name: feature.name: expected a name without control characters"),
        ("services=[{name: '\udcff'}]", "--set services:1:10: the control character U+DCFF is not allowed"),
    ],
)
def test_a_fault_of_set_is_told_by_its_option(assignment: str, expected: str) -> None:
    lines = told(MINIMAL, assignment)
    assert len(lines) == 1
    assert lines[0].startswith(expected)


def test_all_faults_of_set_are_told_at_once() -> None:
    assert [problem.where for problem in problems(MINIMAL, "a", "b[0]=1", "sprint.name=25")] == [
        "--set a",
        "--set b[0]",
    ]


def test_what_set_replaces_is_blamed_on_the_option_and_not_on_the_file() -> None:
    text = MINIMAL + "services:\n  - name: api\n    port: 80\n"
    assert [problem.where for problem in problems(text, "services=[{name: api, port: x}]")] == ["--set services"]


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.text(min_size=1), st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
    )
)
def test_no_tree_ever_breaks_the_reading(tree: dict[str, Tree]) -> None:
    source = specfile.Source("s.yaml", tree, {})
    with pytest.raises(UserError):
        load_spec(source)


# Writing


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Saved Reports", "Saved Reports"),
        ("@dana", '"@dana"'),
        ("#channel", '"#channel"'),
        ("24", '"24"'),
        ("1.30", '"1.30"'),
        ("On", '"On"'),
        ("null", '"null"'),
        ("Reports: saved", '"Reports: saved"'),
        ("ends with:", '"ends with:"'),
        ("a # b", '"a # b"'),
        ("C#", "C#"),
        ("a:b", "a:b"),
        ("two  spaces", '"two  spaces"'),
        ("it's", "it's"),
        ('say "hi"', 'say "hi"'),
        ("- item", '"- item"'),
        ("{{ x }}", '"{{ x }}"'),
        ("back\\slash", '"back\\\\slash"'),
        ("Café für 日本", "Café für 日本"),
    ],
)
def test_text_is_quoted_where_it_must_be_and_only_there(text: str, written: str) -> None:
    assert spec_text({"feature": {"name": text}}, "s.json").splitlines()[2] == f"  name: {written}"


@pytest.mark.parametrize(
    ("tree", "lines"),
    [
        (
            {"experiment": {"primary_metric": {"target": "+20%"}}},
            ["experiment:", "  primary_metric:", "    target: +20%"],
        ),
        (
            {"experiment": {"primary_metric": {"target": "- 5 %"}}},
            ["experiment:", "  primary_metric:", '    target: "- 5 %"'],
        ),
        ({"sprint": {"capacity": "26"}}, ["sprint:", "  capacity: 26"]),
        ({"overview": {"security_review": "off"}}, ["overview:", "  security_review: off"]),
        ({"platform": {"kubernetes": "1.30"}}, ["platform:", '  kubernetes: "1.30"']),
        (
            {"services": [{"name": "a", "staging": {"cpu": "2"}}]},
            ["services:", "  - name: a", "    staging:", "      cpu: 2"],
        ),
        ({"services": [{"name": "a", "needs": []}]}, ["services:", "  - name: a", "    needs: []"]),
        ({"done": ["Tell: all", "Rest"]}, ["done:", '  - "Tell: all"', "  - Rest"]),
        ({"caches": "none"}, ["caches: none"]),
    ],
)
def test_a_spec_is_written_as_a_person_would(tree: Tree, lines: list[str]) -> None:
    first, *rest = spec_text(tree, "s.json").splitlines()
    assert first == "# yaml-language-server: $schema=s.json"
    assert rest == lines


@pytest.mark.parametrize("example", sorted(ROOT.glob("examples/*.yaml")), ids=lambda path: path.stem)
def test_an_example_that_is_written_again_is_the_same_spec(example: Path) -> None:
    tree = read_spec(example).tree
    assert parse(spec_text(tree, "s.json")) == tree


FREE = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff\ufffe\uffff")
    | st.sampled_from("#:-@ \"'"),
    min_size=1,
)


@given(FREE, FREE, FREE)
def test_hostile_text_that_is_written_reads_back_as_itself(name: str, line: str, item: str) -> None:
    tree = {
        "feature": {"name": name, "engineer": line},
        "experiment": {"hypothesis": f"{line}\n{name}", "guardrails": [item, line]},
        "services": [{"name": "a", "config": {"KEY": item}}],
    }
    text = spec_text(tree, "s.json")
    assert parse(text) == tree
    for other in (yaml.SafeLoader, yaml.CSafeLoader):
        assert yaml.load(text, Loader=other) == tree  # noqa: S506 - safe loaders


@given(st.text())
def test_no_text_ever_breaks_the_reading(text: str) -> None:
    try:
        parse(text)
    except UserError as error:
        assert error.problems  # noqa: PT017 - whether it raises is not the question
