"""What the checks read and judge, text by text; `test_check_command` breaks whole bundles."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st
from markdown_it import MarkdownIt

from devops_tasks.checks import check_bundle
from devops_tasks.checks.backups import longest_interval
from devops_tasks.checks.codes import CODES
from devops_tasks.checks.documents import read_json, read_yaml
from devops_tasks.checks.links import check_links, check_mentions, folders_and_files, parent_paths
from devops_tasks.checks.markdown import Link, read_anchors, read_page, slug, uneven_rows
from devops_tasks.checks.residue import check_residue
from devops_tasks.checks.rules import Comparison, first_comparison
from devops_tasks.checks.syntax import check_scripts, read_texts
from devops_tasks.errors import Problem
from devops_tasks.plan import plan_bundle
from devops_tasks.promql import read_query
from devops_tasks.units import parse_duration
from tests.bundles import EXAMPLES, example, load_example

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def codes(problems: Iterable[Problem]) -> list[str]:
    return [problem.code for problem in problems]


# Markdown


@pytest.mark.parametrize(
    ("text", "links"),
    [
        pytest.param("see [a](b.md)", [Link(1, "b.md")], id="a link"),
        pytest.param("\n\nsee [a](b.md) and\n[c](d.md)", [Link(3, "b.md"), Link(4, "d.md")], id="the line of each"),
        pytest.param("![a](b.png)", [Link(1, "b.png")], id="a picture"),
        pytest.param("[`a`](b.md)", [Link(1, "b.md")], id="code in the text of a link"),
        pytest.param("[a](<b c.md>)", [Link(1, "b c.md")], id="a target in angle brackets"),
        pytest.param('[a](b.md "a title (of it)")', [Link(1, "b.md")], id="a title"),
        pytest.param(r"[a](b\_c.md)", [Link(1, "b_c.md")], id="an escape in a target"),
        pytest.param("[a](b(1).md)", [Link(1, "b(1).md")], id="parentheses in a target"),
        pytest.param("[a]\n\n[a]: b.md", [Link(3, "b.md")], id="a definition"),
        pytest.param("| [a](b.md) | c |", [Link(1, "b.md")], id="a link in a table"),
        pytest.param("> - [a](b.md)", [Link(1, "b.md")], id="a link in a quoted list"),
        pytest.param("`[a](b.md)`", [], id="a code span"),
        pytest.param("``[a](b.md) ` ``", [], id="a code span with a backtick in it"),
        pytest.param(r"[a\](b.md)", [], id="an escaped bracket"),
        pytest.param("```text\n[a](b.md)\n```", [], id="a fence"),
        pytest.param("~~~\n[a](b.md)\n```\n[c](d.md)\n~~~", [], id="a fence of tildes, with backticks in it"),
        pytest.param("- item\n\n  ```sh\n  [a](b.md)\n  ```\n", [], id="a fence in a list"),
        pytest.param("````\n```\n[a](b.md)\n````", [], id="a longer fence"),
        pytest.param("<!-- [a](b.md) -->", [], id="a comment"),
        pytest.param("[ ] (not done)", [], id="a box"),
    ],
)
def test_links_of_a_page(text: str, links: list[Link]) -> None:
    assert list(read_page(text).links) == links


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Sprint Tasks", "sprint-tasks"),
        ("🔥 Critical Infrastructure (Must Have)", "-critical-infrastructure-must-have"),
        ("Backup & Disaster Recovery", "backup--disaster-recovery"),
        ("`kubectl` at *night*", "kubectl-at-night"),
        ("The [design](design.md) of it", "the-design-of-it"),
        (r"a\_b and a\*b", "a_b-and-ab"),
        ("Größe", "größe"),
    ],
)
def test_a_heading_is_linked_to_as_forges_name_it(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor


def test_headings_of_the_same_name_are_numbered() -> None:
    assert read_anchors("# A\n\n## B\n\n## B #\n\n### B\n") == {"a", "b", "b-1", "b-2"}


def test_what_looks_like_a_heading_in_a_fence_is_none() -> None:
    assert read_anchors("# A\n\n```sh\n# B\n```\n") == {"a"}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("| a | b |\n|---|---|\n| 1 | 2 | 3 |\n", [3], id="too many"),
        pytest.param("| a | b |\n|---|---|\n| 1 | 2 |\n| 1 |\n", [4], id="too few"),
        pytest.param("| a | b |\n|---|---|---|\n", [1], id="a header unlike its delimiters"),
    ],
)
def test_uneven_rows_are_found(text: str, lines: list[int]) -> None:
    assert [row.line for row in uneven_rows(text)] == lines


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("| a | b |\n|---|---|\n| 1 | 2 |\n", id="an even table"),
        pytest.param("| a | b |\n|:--|--:|\n| 1 \\| 2 | 3 |\n", id="an escaped pipe"),
        pytest.param("a | b\n--|--\n1 | 2\n", id="a table without outer pipes"),
        pytest.param("a | b | c\n\n| 1 |\n", id="pipes that make no table"),
        pytest.param("| a |\n|---|\n| 1 |\n\nx | y | z\n", id="pipes after a table"),
    ],
)
def test_even_tables_are_left_alone(text: str) -> None:
    assert list(uneven_rows(text)) == []


def parsed_links(text: str) -> list[str]:
    """Give the links of a page as a CommonMark parser finds them."""
    tokens = [
        child for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text) for child in token.children or ()
    ]
    return [
        str(token.attrs.get("href") or token.attrs.get("src"))
        for token in tokens
        if token.type in {"link_open", "image"}
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_scanner_sees_the_links_fences_and_headings_that_a_parser_sees(name: str) -> None:
    for path, text in example(name).items():
        if path.endswith(".md"):
            page = read_page(text)
            tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
            fences = [token.content.rstrip("\n") for token in tokens if token.type == "fence"]
            autolinks = re.findall(r"<(https?://[^>]*)>", page.prose)
            assert [link.target for link in page.links] == [
                each for each in parsed_links(text) if each not in autolinks
            ], path
            assert [re.sub(r"(?m)^[ >]+", "", fence.text.rstrip("\n")) for fence in page.fences] == [
                re.sub(r"(?m)^[ >]+", "", fence) for fence in fences
            ], path
            assert len(read_anchors(text)) == sum(token.type == "heading_open" for token in tokens), path


# Links


FILES = {"tasks.md": "# Tasks\n\n## Done\n", "runbooks/index.md": "# Runbooks\n"}


@pytest.mark.parametrize(
    ("path", "text", "code"),
    [
        ("tasks.md", "[a](nowhere.md)", "dead-link"),
        ("runbooks/index.md", "[a](index.yml)", "dead-link"),
        ("runbooks/index.md", "[a](../../tasks.md)", "dead-link"),
        ("runbooks/index.md", "[a](/tasks.md)", "dead-link"),
        ("tasks.md", "[a](#nothing)", "dead-anchor"),
        ("runbooks/index.md", "[a](../tasks.md#doing)", "dead-anchor"),
    ],
)
def test_links_that_lead_nowhere_are_found(path: str, text: str, code: str) -> None:
    files = FILES | {path: FILES[path] + text}
    assert codes(check_links(files, folders_and_files(files))) == [code]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tasks.md", "[a](runbooks/index.md)"),
        ("tasks.md", "[a](./runbooks/)"),
        ("tasks.md", "[a](runbooks/index.md?plain=1#runbooks)"),
        ("runbooks/index.md", "[a](../tasks.md#done)"),
        ("runbooks/index.md", "[a](../%74asks.md)"),
        ("tasks.md", "[a](#done)"),
        ("tasks.md", "[a](https://example.com/nowhere.md#x) [b](mailto:a@example.com) [c](//example.com/x)"),
        ("tasks.md", "[a](../requirements.md) [b](../requirements.md#part)"),
        ("runbooks/index.md", "[a](../../requirements.md)"),
    ],
)
def test_links_that_lead_somewhere_are_left_alone(path: str, text: str) -> None:
    files = FILES | {path: FILES[path] + text}
    assert list(check_links(files, folders_and_files(files), parent_paths(["../requirements.md"]))) == []


@pytest.mark.parametrize(
    ("path", "text", "spans", "found"),
    [
        ("a.sh", "cat monitoring/alert_rules.yml", False, ["missing-file"]),
        ("kubernetes/a.yml", "# see ../monitoring/x.yml", False, ["missing-file"]),
        ("a.md", "```sh\nsh delivery/no.sh\n```", False, ["missing-file"]),
        ("a.md", "run `delivery/no.sh`", True, ["missing-file"]),
        ("a.md", "run `delivery/no.sh`", False, []),
        ("a.md", "we removed delivery/no.sh", True, []),
        ("delivery/a.sh", "cat monitoring/rules.yml ../monitoring/rules.yml", False, []),
        ("monitoring/a.yml", "# see ../monitoring/rules.yml", False, []),
        ("a.sh", "cat /srv/monitoring/no.yml https://example.com/monitoring/no.yml", False, []),
        ("a.sh", "# the user says: see delivery/theirs.sh", False, []),
    ],
)
def test_paths_of_the_bundle_that_are_named_must_be_there(path: str, text: str, spans: bool, found: list[str]) -> None:  # noqa: FBT001 - a column
    files = {"monitoring/rules.yml": "", path: text}
    said = ["the user says: see delivery/theirs.sh"]
    assert codes(check_mentions(files, folders_and_files(files), said, spans=spans)) == found


# Residue


@pytest.mark.parametrize(
    ("path", "text", "code"),
    [
        ("kubernetes/a.yml", 'key: "{{ .Values.jwtSecret }}"', "residue"),
        ("kubernetes/a.yml", 'key: "{{ $value }}"', "residue"),
        ("kubernetes/a.yml", "name: ${NAME}", "residue"),
        ("kubernetes/a.yml", "{% if x %}", "residue"),
        ("kubernetes/a.yml", "# {# a comment #}", "residue"),
        ("kubernetes/a.yml", "name: <built-in method items of dict>", "residue"),
        ("kubernetes/a.yml", "value: Share(ratio=Decimal('0.1'))", "residue"),
        ("monitoring/alert-rules.yml", "summary: {{ .Values.name }}", "residue"),
        ("monitoring/alert-rules.yml", "summary: {{ service.name }}", "residue"),
        ("monitoring/alert-rules.yml", "summary: ${NAME}", "residue"),
        ("monitoring/alert-rules.yml", "summary: {{ $value", "residue"),
        ("monitoring/alertmanager.yml", "text: {{ .Values.name }}", "residue"),
        ("monitoring/alertmanager.yml", "text: {{ $value }}x{{ alert }}", "residue"),
        ("monitoring/prometheus-config.yml", "replacement: ${ADDRESS}", "residue"),
        ("delivery/pipeline.yml", "name: {{ service.name }}", "residue"),
        ("delivery/rollback.sh", "echo {{ service.name }}", "residue"),
        ("delivery/rollback.sh", "echo {{ .Values.name }}", "residue"),
        ("tasks.md", "of {{ feature.name }}", "residue"),
        ("tasks.md", "of ${FEATURE}", "residue"),
        ("tasks.md", "```yaml\nkey: {{ .Values.x }}\nkind: {{ service.kind }}\n```", "residue"),
        ("tasks.md", "**Sprint:** *[Sprint Number]*", "placeholder"),
        ("tasks.md", "TODO: say how", "placeholder"),
        ("kubernetes/a.yml", "# FIXME", "placeholder"),
        ("kubernetes/a.yml", "password: CHANGEME", "placeholder"),
        ("delivery/rollback.sh", "token=YOUR_TOKEN", "placeholder"),
    ],
)
def test_residue_is_found(path: str, text: str, code: str) -> None:
    assert set(codes(check_residue({path: text}, []))) == {code}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("monitoring/alert-rules.yml", "summary: {{ $value | humanizePercentage }} of {{ $labels.pod }}"),
        ("monitoring/alert-rules.yml", '{{- if gt $value 1.0 }}a{{ else }}{{ "{{" }} x }}{{ end -}}'),
        ("monitoring/alert-rules.yml", r'summary: "{{ \"{{\" }} x }}"'),
        ("monitoring/alertmanager.yml", "{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}{{ .CommonLabels.x }}"),
        ("monitoring/prometheus-config.yml", "replacement: ${1}:${2}\nreplacement: $1:$2"),
        (
            "monitoring/dashboard.json",
            '"legendFormat": "{{pod}} {{ colour }}", "expr": "a[$__rate_interval] ${ns} $ns"',
        ),
        (
            "delivery/pipeline.yml",
            "token: ${{ secrets.TOKEN }}\nif: ${{ github.ref == 'x}}y' }}\nrun: echo ${HOME} $HOME",
        ),
        ("delivery/pipeline.yml", "name: ${{ '${{' }} x }}"),
        ("delivery/rollback.sh", "${NAME:?} ${#array[@]} ${x%%.*} ${x#y} $(date +%s) printf '{%s}%%'"),
        ("delivery/rollback.sh", "-o go-template='{{range .subsets}}{{len .addresses}}{{end}}{{\"\\n\"}}{{ $x }}'"),
        ("disaster-recovery/backup.yml", "command: [sh, -c, 'echo ${PGHOST}']"),
        ("kubernetes/a.yml", "value: $(POD_NAME) $NAME {a: {b: c}}"),
        ("kubernetes/a.yml", "{a: {b: {c: d}}}"),
        ("tasks.md", "```bash\necho ${NAME} {{.metadata.name}}\n```"),
        ("tasks.md", "```yaml\na: {{ $value }}\nb: ${{ github.sha }}\nc: ${1}\n```"),
        ("tasks.md", "set `${NAME}` and `{{ $labels.pod }}`"),
        ("tasks.md", '```mermaid\nflowchart TD\n  a{{"b"}}\n```'),
        ("tasks.md", "- [ ] **[DO-001]** Do *(5 points)* *to be decided* [a](b) *[c](d)*"),
        ("tasks.md", "the to-do list, todo, a TODOS file, Decimal places, Rate (5 minutes)"),
        ("delivery/rollback.sh", 'mktemp -d /tmp/x.XXXXXX; echo "${names[*]}"'),
    ],
)
def test_what_its_consumer_reads_is_no_residue(path: str, text: str) -> None:
    assert list(check_residue({path: text}, [])) == []


def test_residue_is_shown_with_its_line_in_the_file() -> None:
    files = {"tasks.md": "# A\n\n```yaml\na: b\nc: {{ d }}\n```\n", "a.yml": "a: b\nb: {{ c }}\n"}
    assert [(each.where, each.line) for each in check_residue(files, [])] == [("tasks.md", 5), ("a.yml", 2)]


@pytest.mark.parametrize(
    "said", ["{{ .Values.x }}", "a ${{ github.token }}", "${HOME}", "{% raw %}", "TODO", "*[x]*", "{{"]
)
def test_what_the_user_wrote_is_text(said: str) -> None:
    escaped = said.replace("*", "\\*").replace("[", "\\[").replace('"', '\\"')
    assert (
        list(check_residue({"tasks.md": f"**Hypothesis:** {escaped} and so on", "a.yml": f'a: "{said}"'}, [said])) == []
    )


def test_what_the_user_wrote_excuses_nothing_else() -> None:
    files = {"a.yml": 'a: "{{ user }}"\nb: "{{ ours }}"\n'}
    assert [each.line for each in check_residue(files, ["say {{ user }}"])] == [2]


# YAML, JSON, PromQL, scripts


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: b\nc: [d\n", "yaml", 3),
        ("a: b\n\tc: d\n", "yaml", 2),
        ("a: b\n---\nc: d\nc: e\n", "duplicate-key", 4),
        ("a:\n  - b: 1\n    c: 2\n    b: 3\n", "duplicate-key", 4),
        ("a: " + "[" * 100_000, "yaml", 0),
        ("a: 2026-13-45\n", "yaml", 0),
        ("? {a: b}\n: c\n", "yaml", 1),
    ],
    ids=["unclosed", "a tab", "twice in the second document", "twice in an item", "too deep", "no date", "an odd key"],
)
def test_yaml_that_cannot_be_read_is_told(text: str, code: str, line: int) -> None:
    _, problems = read_yaml("a.yml", text)
    assert [(each.code, each.line) for each in problems] == [(code, line)]


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("", []),
        ("# nothing\n---\n---\na: b\n", [None, {"a": "b"}]),
        ("a: &x {b: c}\nd: *x\n", [{"a": {"b": "c"}, "d": {"b": "c"}}]),
        ("a: !Ref b\nc: !Sub [d, {e: f}]\n", [{"a": "b", "c": ["d", {"e": "f"}]}]),
        ("a: !reference [.b, script]\n", [{"a": [".b", "script"]}]),
        ("on: push\n", [{True: "push"}]),
    ],
    ids=["nothing", "empty documents", "an alias", "tags of CloudFormation", "tags of GitLab", "a YAML 1.1 word"],
)
def test_yaml_that_others_read_is_read(text: str, content: list[object]) -> None:
    documents, problems = read_yaml("a.yml", text)
    assert ([each.content for each in documents], problems) == (content, [])


def test_aliases_of_aliases_take_no_time() -> None:
    rows = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))
    _, problems = read_yaml("a.yml", f"a0: &a0 [x]\n{rows}\n")
    assert problems == []


@given(st.text(max_size=200))
def test_no_text_breaks_the_readers(text: str) -> None:
    read_yaml("a.yml", text)
    read_json("a.json", text)
    read_page(text)
    read_query(text)
    first_comparison(text)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [('{"a": 1,\n}', "json", 2), ('{"a": 1, "a": 2}', "duplicate-key", 0), ("[" * 100_000, "json", 0), ("", "json", 1)],
)
def test_json_that_cannot_be_read_is_told(text: str, code: str, line: int) -> None:
    _, problems = read_json("a.json", text)
    assert [(each.code, each.line) for each in problems] == [(code, line)]


@pytest.mark.parametrize(
    ("expr", "comparison"),
    [
        ("a > 0.8", Comparison("above", Decimal("0.8"))),
        ("a < 0.5", Comparison("below", Decimal("0.5"))),
        ("  a > 0.01\nand on (b)\n  c >= 5", Comparison("above", Decimal("0.01"))),
        ('a{threshold="0.2"} > 0.05 and b >= 5', Comparison("above", Decimal("0.2"))),
        ("(a) > 300 / 60", Comparison("above", Decimal(5))),
        ("a > 1 / 0", None),
        ("a > b", None),
        ("a == 1", None),
        ("vector(1)", None),
        ("absent(up == 1)", None),
        ("a >", None),
    ],
)
def test_the_threshold_of_an_alert_is_read_from_its_expression(expr: str, comparison: Comparison | None) -> None:
    assert first_comparison(expr) == comparison


@pytest.mark.parametrize(
    ("schedule", "interval"),
    [
        ("0 * * * *", "1h"),
        ("*/15 * * * *", "15m"),
        ("0 */6 * * *", "6h"),
        ("0 0/6 * * ? *", "6h"),
        ("30 2 * * *", "1d"),
        ("0 1,13 * * *", "12h"),
        ("0 1-5 * * *", "20h"),
        ("0 3 * * SUN", "7d"),
        ("0 3 ? * 1,4 *", "4d"),
        ("0 0 */2 * *", "2d"),
    ],
)
def test_the_longest_time_between_two_starts_of_a_schedule(schedule: str, interval: str) -> None:
    assert longest_interval(schedule) == parse_duration(interval)


@pytest.mark.parametrize(
    "schedule",
    ["", "0 * * *", "a b c d e", "0 25 * * *", "0 */0 * * *", "0 0 1 * *", "0 0 1 * 1", "0 0 * 1 *", "@daily"],
)
def test_a_schedule_that_is_not_plain_to_read_is_not_judged(schedule: str) -> None:
    assert longest_interval(schedule) is None


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("#!/bin/sh\nset -Eeuo pipefail\n", 1),
        ("\n#!/usr/bin/env bash\nset -Eeuo pipefail\n", 1),
        ("#!/usr/bin/env bash\nset -e\necho\n", 2),
        ("#!/usr/bin/env bash\n# about it\n\necho\nset -Eeuo pipefail\n", 4),
        ("#!/usr/bin/env bash\n", 1),
    ],
)
def test_a_script_that_is_not_strict_is_found(script: str, line: int) -> None:
    assert {(each.code, each.line) for each in check_scripts({"a.sh": script}, None)} >= {("shell", line)}


@pytest.mark.parametrize(
    "script",
    [
        "#!/usr/bin/env bash\n# about it\nset -Eeuo pipefail\nshopt -s inherit_errexit\necho\n",
        "#!/bin/bash\nset -euo pipefail\n",
    ],
)
def test_a_strict_script_is_left_alone(script: str) -> None:
    assert list(check_scripts({"a.sh": script}, lambda _: (0, ""))) == []


def test_what_is_no_text_is_told_and_not_looked_at_again() -> None:
    contents: Mapping[str, bytes | Problem] = {
        "a.yml": b"a: \xff\n",
        "b.yml": b"a\0b",
        "c.yml": b" " * 5_000_001,
        "d.yml": b"a: b\r\n",
    }
    texts, problems = read_texts(contents)
    assert (texts, codes(problems)) == ({"d.yml": "a: b\n"}, ["not-text"] * 3)


# What `generate` itself checks


@pytest.mark.parametrize("name", EXAMPLES)
def test_generate_finds_nothing_in_the_examples(name: str) -> None:
    loaded = load_example(name)
    assert check_bundle(loaded.tree, plan_bundle(loaded.spec), example(name)) == []


def test_generate_finds_what_a_template_may_do_wrong() -> None:
    files = {
        "tasks.md": "[a](monitoring/alert_rules.yml) {{ feature.name }}",
        "kubernetes/kustomization.yaml": "resources:\n  - api\n  # why\n  - ../security\n",
        "security/kustomization.yaml": "resources:\n  - secrets.yml\npatches:\n  - path: size.yml\n",
        "security/secrets.yml": "",
        "monitoring/alert-rules.yml": "    runbook_url: https://example.com/x/runbooks/alerts/Gone.md\n",
    }
    plan = {"alert_pages": [{"name": "Missing"}]}
    assert [(each.where, each.code) for each in check_bundle({}, plan, files)] == [
        ("tasks.md", "dead-link"),
        ("kubernetes/kustomization.yaml", "missing-file"),
        ("security/kustomization.yaml", "missing-file"),
        ("tasks.md", "residue"),
        ("monitoring/alert-rules.yml", "no-runbook"),
        ("runbooks/alerts/Missing.md", "no-runbook"),
    ]


def test_codes_are_what_programs_can_rely_on() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in CODES)
    assert {row.severity for row in CODES.values()} == {"error", "warning", "note"}
