"""Hostile text is only text: in each file it stands where harmless text would stand, and nothing else differs.

Every place of the spec that takes free text gets a marker, and the files of that harmless spec are parsed. The same is
done with hostile texts, another one in each place. The second must be the first with each marker replaced by its text:
nothing of a text was lost, none stands where it does not belong, and no document, key, heading, task, link or command
came or went. What is compared is what a parser of the language says, save for these:

- A line break in a text is a hard break in Markdown, and a space in a table.
- Nothing free is in a script, in SQL or in a pipeline: those files are compared byte by byte.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Self

import promql_parser
import pytest
import yaml
from hypothesis import given, settings, strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from devops_tasks.errors import KeyPath, UserError, key_text
from devops_tasks.fields import Kind, Tree
from devops_tasks.plan import plan_feature
from devops_tasks.render import Files
from devops_tasks.specfile import read_spec
from tests.bundles import load_text, load_tree, render_bundle, renderer
from tests.test_filters import HOSTILE
from tests.tools import ROOT, kustomize, promtool_test_rules, run
from tests.trees import free_places, free_texts, full_tree, query, rewritten

MARKER = re.compile(r"Q\d\dx")
OPERATION = "operations/of-the-team.md"
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
Texts = Mapping[str, str]
"""The text in the place of each marker."""
Parsed = Any
"""What a parser of some language makes of a file: lists and dicts, and text at their leaves."""

CHOICES: dict[str, dict[str, str]] = {
    "Prometheus, GitHub Actions and External Secrets": {},
    "the Operator, GitLab CI, Ingresses and secrets by hand": {
        "platform.monitoring": "prometheus-operator",
        "platform.pipeline": "gitlab-ci",
        "platform.secrets": "manual",
        "platform.routing": "ingress",
        "platform.gateway": "",
        "contacts.pager": "opsgenie",
        "document.fidelity": "brief",
    },
}
EXECUTED = re.compile(r".*\.(sh|sql)|delivery/pipeline\.yml")


@cache
def _tree(choice: str) -> dict[str, Tree]:
    tree = full_tree("plain words")
    for key, value in CHOICES[choice].items():
        group, name = key.split(".")
        tree[group][name] = value
        if not value:
            del tree[group][name]
    return tree


@cache
def _places(choice: str) -> dict[str, tuple[KeyPath, Kind[Any]]]:
    return {f"Q{number:02}x": place for number, place in enumerate(free_places(_tree(choice)).items())}


def _is_query(path: KeyPath) -> bool:
    return path[-1] == "query"


def _files(choice: str, texts: Texts) -> Files:
    """Render a spec, its new documents too; the page that is named after free text gets a name of its own."""
    written = {path: texts[marker] for marker, (path, _) in _places(choice).items()}
    tree = rewritten(_tree(choice), lambda path, _: query(written[path]) if _is_query(path) else written[path])
    plan = plan_feature(load_tree(tree).spec)
    files = renderer().render(plan) | renderer().render_folder("_new", plan)
    custom = f"operations/{plan['operation_rows'][0]['name']}.md"
    return {path.replace(custom, OPERATION): text.replace(custom, OPERATION) for path, text in files.items()}


@cache
def _harmless(choice: str, accent: str) -> Files:
    """Render the markers; with an accent in the query, which then needs quotes as a hostile one may."""
    places = _places(choice).items()
    return _files(choice, {marker: marker + accent * _is_query(path) for marker, (path, _) in places})


@cache
def _harmless_parsed(choice: str, accent: str, path: str) -> Parsed:
    return parse(path, _harmless(choice, accent))


def _put(parsed: Parsed, texts: Texts) -> Parsed:
    """Replace the markers by their texts."""
    if isinstance(parsed, dict):
        return {key: _put(value, texts) for key, value in parsed.items()}
    if isinstance(parsed, list):
        return [_put(value, texts) for value in parsed]
    if isinstance(parsed, str):
        return type(parsed)(MARKER.sub(lambda match: texts[match[0]], parsed))
    return parsed


def _difference(found: Parsed, wanted: Parsed, place: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
    """Find the first place where two parsed files differ."""
    if type(found) is not type(wanted) or not isinstance(wanted, dict | list):
        return None if found == wanted else (place, found, wanted)
    if isinstance(wanted, list):
        found, wanted = dict(enumerate(found)), dict(enumerate(wanted))
    steps = (_difference(found[key], wanted[key], (*place, key)) for key in wanted if key in found)
    first = next((step for step in steps if step), None)
    return first or (None if found.keys() == wanted.keys() else (place, list(found), list(wanted)))


# The languages


class _Loader(yaml.CSafeLoader):
    """Knows the short forms of CloudFormation's functions."""


_Loader.add_multi_constructor("!", lambda _loader, name, node: {name: node.value})


def _yaml(text: str) -> Parsed:
    lines = [line.strip() for line in text.split("\n")]
    comments = [_comment(line) for line in lines if line.startswith("#")]
    return [*(_languages(each) for each in yaml.load_all(text, Loader=_Loader)), comments]


def _languages(tree: Parsed) -> Parsed:
    """Read the languages that stand in values: Go templates that carry free text, and PromQL."""
    if isinstance(tree, list):
        return [_languages(value) for value in tree]
    if isinstance(tree, dict):
        return {key: _nested(key, value) for key, value in tree.items()}
    return tree


def _words(command: Parsed) -> Parsed:
    """Read a container's command as Kubernetes does, to which two dollars are one."""
    return [word.replace("$$", "$") for word in command]


def _nested(key: str, value: Parsed) -> Parsed:
    if key == "annotations" and "action" in value:
        return {**value, "action": _go(value["action"])}
    inside = {"channel": _go, "expr": _promql, "command": _words}.get(key, _languages)
    return inside(value)


def _go(text: str) -> str:
    """Run a Go template that holds nothing but text."""
    parts = text.split('{{ "{{" }}')
    assert not any("{{" in part for part in parts), text
    return "{{".join(parts)


def _promql(text: str) -> Parsed:
    """List the nodes of a query, and what its selectors select."""
    nodes: list[Parsed] = []

    def visit(node: Parsed) -> bool:
        selector = getattr(node, "vector_selector", node)
        matchers = selector.matchers.matchers if isinstance(selector, promql_parser.VectorSelector) else []
        asked = [[each.name, str(each.op), each.value] for each in matchers]
        nodes.append([type(node).__name__, getattr(selector, "name", ""), asked])
        return True

    promql_parser.walk(promql_parser.parse(text), visit)
    return nodes


def _markdown(text: str, files: Files) -> Parsed:
    return [_block(token, files) for token in MARKDOWN.parse(text)]


def _block(token: Token, files: Files) -> Parsed:
    if token.type == "inline":
        return list(_inline(token.children or []))
    content = _fence(token, files) if token.type == "fence" else token.content
    return [token.type, token.tag, token.attrs, token.info, content]


def _fence(token: Token, files: Files) -> Parsed:
    """Read a block of code; where it shows lines of another file, it is enough to say which."""
    for path, text in files.items():
        if token.content in text:
            return f"{path} from line {text[: text.index(token.content)].count(chr(10)) + 1}"
    return FENCES.get(token.info, str)(token.content)


def _inline(children: list[Token]) -> Iterator[Parsed]:
    text = ""
    for child in children:
        if child.type in {"text", "text_special", "softbreak", "hardbreak"}:
            text += {"softbreak": " ", "hardbreak": "\n"}.get(child.type, child.content)
            continue
        yield from filter(None, [text])
        yield [child.type, child.tag, child.attrs, child.content]
        text = ""
    yield from filter(None, [text])


class _Centred(str):
    """A line of a drawing, whose blanks at both ends are the drawing's."""

    __slots__ = ()

    def __new__(cls, line: str) -> Self:
        return super().__new__(cls, line.strip(" "))


def _drawing(text: str) -> Parsed:
    """Read the lines of a drawing; its boxes are as wide as the longest."""
    return [_Centred(re.sub("─+", "─", line).removeprefix("│").removesuffix("│")) for line in text.split("\n")]


def _diagram(text: str) -> Parsed:
    """Read the part of Mermaid that our diagrams are written in: no parser of it is at hand without a browser."""
    node = re.compile(r'    (\w+)(\(\[|\[\(|\[\[|\[)"([^"]*)"(\]\)|\)\]|\]\]|\])')
    edge = re.compile(r"    (\w+) --> (\w+)")
    lines = text.rstrip("\n").split("\n")
    read = [node.fullmatch(line) or edge.fullmatch(line) for line in lines[1:]]
    assert None not in read, lines[read.index(None) + 1]
    shown = [[_entities(part) for part in match.groups()] for match in read if match]
    return [lines[0], *shown]


def _entities(text: str) -> str:
    """Read the entity codes of a label; what else could have a meaning may not be in it."""
    assert len(text) < 3 or not re.search(r"[<>&`;\\{}\[\]()|#]", re.sub(r"#\d+;", "", text)), text
    return re.sub(r"#(\d+);", lambda match: chr(int(match[1])), text)


def _comment(line: str) -> str:
    """Read a comment, where what would turn the direction of writing is shown by its number."""
    return re.sub(r"\\u(20(?:2[a-e]|6[6-9]))", lambda match: chr(int(match[1], 16)), line)


FENCES: dict[str, Callable[[str], Parsed]] = {"mermaid": _diagram, "promql": _promql, "text": _drawing}
PARSERS: dict[str, Callable[[str], Parsed]] = {"yml": _yaml, "yaml": _yaml, "json": json.loads}


def parse(path: str, files: Files) -> Parsed:
    """Parse a file by the parser of its language."""
    if path.endswith(".md"):
        others = {other: text for other, text in files.items() if not other.endswith(".md")}
        return _markdown(files[path], others)
    return PARSERS[path.rpartition(".")[2]](files[path])


# The promise


def judge(choice: str, texts: Texts) -> None:
    """Compare a bundle of hostile texts with that of their markers, file by file."""
    asked = next(marker for marker, (path, _) in _places(choice).items() if _is_query(path))
    accent = "" if texts[asked].isascii() else "é"
    harmless, found = _harmless(choice, accent), _files(choice, {**texts, asked: texts[asked] + accent})
    assert found.keys() == harmless.keys()
    for path, text in found.items():
        if MARKER.search(harmless[path]):
            expected = _put(_harmless_parsed(choice, accent, path), texts)
            assert _difference(parse(path, found), expected) is None, path
        else:
            assert text == harmless[path], path


_MARKS = r"""
' " ` `` ``` '"'"' \ \\ \n \' | || |---| {{ }} {% %} {# #} #{ {{{ $(id) ${HOME} $HOME $1 $$ [[x]] %query
%threshold %s %(x)s && ; & --- === ~~~ : <b> </details> <!-- --> ]]> <![CDATA[ <? <a@b.example>
<https://x.example> < </ &lt; &lt &#35; &#x23 &amp [x](javascript:alert) ![ ]( [^1] \[ * ** _ __ ~~
http://x.example www.x.example on null 1e3 ~ !!str *a &a %YAML {a,b} [ ] { } ( ) --flag EOF @x ../../x /* */ --
"""
PIECES = (
    *_MARKS.split(),
    *("| a | b |", "{{ .Values.x }}", '{{ "{{" }}', "{% raw %}", "${{ secrets.X }}", "> /tmp/x", "- "),
    *("- [x] ", "+ ", "* ", "1. ", "1) ", "# ", "###### ", " #", "> ", "    ", ": ", "? ", "[x]: /y", "!x "),
    *("<<: ", "=cmd|' /C calc'!A0", ", "),
    *("\u2019", "\u201c", "\U0001f680", "e\u0301", "\u00e9", "\u200d", "\u200f", "\u202e", "\u2067", "\u2069"),
    *("\ufeff", "\u00a0", "\u3000", "\u6771", "\u2003", "\u00ad", "\u0600", "\ufffd", "\U000e0001"),
)
"""What means something in one language or another."""
WORDS = ("word", "two words", " ", "a", "7")
LINES = (
    *("\n", "\n\n", "\n- item", "\n# heading", "\n---\n", "\n```\n", "\nEOF\n", "\n    code"),
    *("\n| a |\n|---|\n", "\n  ", " \n"),
)


def _accepted(kind: Kind[Any], text: str) -> bool:
    try:
        return bool(kind.parse(text))
    except ValueError:
        return False


def _most(path: KeyPath, kind: Kind[Any]) -> int:
    """Say how long a text may be; in a query each of its characters may need another one before it."""
    most: int = kind.schema["maxLength"]
    return most // 3 if _is_query(path) else most


def hostile(path: KeyPath, kind: Kind[Any]) -> st.SearchStrategy[str]:
    """Join what means something in some language with ordinary words, up to the limit of the field."""
    lines = _accepted(kind, "one\ntwo")
    piece = st.sampled_from(PIECES) | st.sampled_from(WORDS) | st.sampled_from(LINES if lines else PIECES)
    joined = st.lists(piece, min_size=1, max_size=7).map(lambda parts: "".join(parts)[: _most(path, kind)])
    return joined.map(lambda text: text.strip("\n")).filter(lambda text: _accepted(kind, text))


def hostile_texts(choice: str) -> st.SearchStrategy[Texts]:
    """Give another hostile text to each place."""
    return st.fixed_dictionaries({marker: hostile(*place) for marker, place in _places(choice).items()})


LINES_OF_TEXT = tuple(f"before{lines}after" for lines in LINES)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_free_text_has_a_place_in_the_bundle(choice: str) -> None:
    places = [re.sub(r"\.\d+", "[]", ".".join(["", *map(str, path)])) for path, _ in _places(choice).values()]
    entries = [re.sub(r"(\.config)\.\w+", r"\1.*", place) for place in places]
    assert set(entries) == {key for key, _ in free_texts()}
    printed = "".join(_harmless(choice, "").values())
    assert {marker for marker in _places(choice) if marker not in printed} == set()


@pytest.mark.parametrize("choice", CHOICES)
def test_no_free_text_is_in_what_is_run_or_in_the_name_of_a_file(choice: str) -> None:
    files = _harmless(choice, "")
    assert len([path for path in files if EXECUTED.fullmatch(path)]) > 5
    assert [path for path, text in files.items() if EXECUTED.fullmatch(path) and MARKER.search(text)] == []
    assert [path for path in files if MARKER.search(path)] == []


@pytest.mark.parametrize("choice", CHOICES)
def test_nothing_turns_the_direction_of_writing_but_in_the_drawings_and_queries_of_documents(choice: str) -> None:
    files = _files(choice, dict.fromkeys(_places(choice), "a\u202e\u2066b\u2069\u202c"))
    for path, text in files.items():
        blocks = [token for token in MARKDOWN.parse(text) if token.type == "fence"] if path.endswith(".md") else []
        shown = "".join(block.content for block in blocks if block.info in {"text", "promql"})
        assert len(re.findall("[\u202a-\u202e\u2066-\u2069]", text)) == shown.count("\u202e") * 4, path


CONTROLS = (0, 7, 8, 9, 11, 12, 13, 27, 31, 127, 128, 133, 159, 0x2028, 0x2029, 0xFFFE, 0xFFFF)
SURROGATES = (0xD800, 0xDFFF)


def _refused(load: Callable[..., object], spec: object) -> dict[str, str]:
    """Give the code of the fault at each key of a spec that is refused."""
    with pytest.raises(UserError) as caught:
        load(spec)
    return {problem.key: problem.code for problem in caught.value.problems}


@pytest.mark.parametrize("code", CONTROLS + SURROGATES, ids=hex)
def test_a_control_character_is_refused_at_each_key_that_takes_free_text(code: int) -> None:
    tree = full_tree("plain words")
    written = rewritten(tree, lambda *_: f"one{chr(code)}two")
    faults = {key_text(path): "invalid-value" for path in free_places(tree)}
    assert _refused(load_tree, written) == faults
    # In a file it can be written with an escape, as JSON does; a surrogate is no YAML even then.
    assert _refused(load_text, json.dumps(written)) == ({"": "yaml"} if code in SURROGATES else faults)


def test_a_line_break_is_refused_at_each_key_that_takes_one_line() -> None:
    tree = full_tree("plain words")
    single = {path for path, kind in free_places(tree).items() if not _accepted(kind, "one\ntwo")}
    several = {re.sub(r"\[\d\]", "", key_text(path)) for path in free_places(tree).keys() - single}
    assert several == {"experiment.hypothesis", "services.config.LOG_LEVEL", "tasks.steps", "alerts.query"}
    written = rewritten(tree, lambda path, _: query("one") if _is_query(path) else "one\ntwo")
    assert (
        _refused(load_tree, written)
        == _refused(load_text, json.dumps(written))
        == {key_text(path): "invalid-value" for path in single}
    )


SHIFTS = range(0, len(HOSTILE), 1 if "TEXTS" in os.environ else 3)
"""How far the hostile texts are turned before they are dealt to the places; `make soak` takes every turn."""


@pytest.mark.parametrize("shift", SHIFTS)
def test_hostile_texts_stand_in_their_places_and_change_nothing_else(shift: int) -> None:
    choice = next(iter(CHOICES))
    dealt = zip(_places(choice).items(), islice(cycle(HOSTILE), shift, None), strict=False)
    judge(choice, {marker: text[: _most(*place)] for (marker, place), text in dealt})


@pytest.mark.parametrize("choice", CHOICES)
@settings(max_examples=settings().max_examples // 8)
@given(st.data())
def test_every_text_stands_in_its_own_place_and_changes_nothing_else(choice: str, data: st.DataObject) -> None:
    judge(choice, data.draw(hostile_texts(choice)))


# The real tools


def _own_alerts() -> list[dict[str, Tree]]:
    return [
        {
            "metric": f"failures_{number}",
            "above": "5",
            "severity": "critical",
            "action": text,
            "query": query(text[:3000]),
        }
        for number, text in enumerate(HOSTILE)
    ]


def _write(files: Files, folder: Path) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")


@pytest.mark.real
def test_prometheus_shows_each_action_as_it_was_written(tmp_path: Path) -> None:
    tree = read_spec(ROOT / "examples" / "minimal.yaml").tree
    files = render_bundle(load_tree({**tree, "alerts": _own_alerts()}))
    _write(files, tmp_path)
    [tests] = yaml.safe_load_all(files["monitoring/alert-rules.test.yml"])
    expected = [
        alert["exp_annotations"].get("action")
        for test in tests["tests"]
        for case in test.get("alert_rule_test", [])
        for alert in case["exp_alerts"]
    ]
    assert set(HOSTILE) <= set(expected)
    assert promtool_test_rules(tmp_path / "monitoring/alert-rules.test.yml") == ""


@pytest.mark.real
@pytest.mark.parametrize("text", [text for text in HOSTILE if len(text) <= 200], ids=lambda text: repr(text[:20]))
def test_alertmanager_writes_to_the_channel_that_was_written(text: str, tmp_path: Path) -> None:
    files = render_bundle(load_tree({**_tree(next(iter(CHOICES))), "contacts": {"channel": text}}))
    [config] = yaml.safe_load_all(files["monitoring/alertmanager.yml"])
    channel = config["receivers"][0]["slack_configs"][0]["channel"]
    (tmp_path / "none.tmpl").touch()  # the tool wants one
    rendered = run("amtool", ["template", "render", f"--template.glob={tmp_path}/*", f"--template.text={channel}"])
    assert rendered.stdout == text


@pytest.mark.real
def test_kubernetes_reads_each_setting_as_it_was_written(tmp_path: Path) -> None:
    tree = full_tree("plain words")
    settings = {f"SETTING_{number}": text for number, text in enumerate([*HOSTILE, *LINES_OF_TEXT])}
    tree["services"][0]["config"] = settings
    _write(render_bundle(load_tree(tree)), tmp_path)
    # Not the safe loader: it stumbles over a bare "=", which kubectl writes for the string that it is.
    objects = yaml.load_all(kustomize(tmp_path / "overlays/staging"), Loader=yaml.BaseLoader)
    found = next(each for each in objects if each["kind"] == "ConfigMap" and "SETTING_0" in each["data"])
    assert {name: value for name, value in found["data"].items() if name in settings} == settings
