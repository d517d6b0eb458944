"""Any text in, the same text out, as read by a parser of the language."""

import json
import re
import subprocess
from collections.abc import Callable
from decimal import Decimal

import pytest
import yaml
from hypothesis import example, given, strategies as st
from markdown_it import MarkdownIt

from devops_tasks import filters

HOSTILE = [
    "plain",
    'it\'s "quoted" `here`',
    "a | b || c",
    "{{ x }} {% y %} ${{ z }} $(id) ${HOME} $var",
    "--- - [x] # heading ``` ~~~",
    "- item",
    "1. first",
    "# heading",
    "+ plus",
    "=====",
    "> quote",
    "<b>bold</b> &amp; &#35; <!-- c -->",
    "on",
    "null",
    "1e3",
    "0x10",
    "012",
    "12:30",
    "2026-12-01",
    "~",
    "=",
    "<<",
    "trailing space ",
    " leading space",
    " both sides ",
    "*",
    "_a_ b __c__",
    "[x]: /y",
    "back\\slash \\n \\",
    "emoji \U0001f680 r\u0301 \u200f\u202e rtl",
    "[link](http://x) ![image](y) *em* __strong__ ~~gone~~",
    "a: b #c",
    "*alias &anchor !tag @at %percent",
    "\ufeff nbsp\u00a0",
    "x" * 10_000,
]
TEXT = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029\ufffe\uffff"), min_size=1
)


def _hostile(test: Callable[[str], None]) -> Callable[[], None]:
    for text in HOSTILE:
        test = example(text)(test)
    return given(TEXT)(test)


@_hostile
def test_yaml_reads_back_as_the_same_string(text: str) -> None:
    assert yaml.safe_load(f"key: {filters.yaml(text)}\n") == {"key": text}
    assert yaml.safe_load(f"- {filters.yaml_text(text)} # comment\n") == [text]


@_hostile
def test_a_yaml_block_reads_back_as_the_same_string(text: str) -> None:
    for several in (text, f"  {text}\n{text}", f"{text}\n\n  {text}\n", f"{text} \n{text}"):
        block = filters.yaml_block(several, 4)
        assert yaml.safe_load(f"- key:\n  expr: {block}\n  next: 1\n") == [{"key": None, "expr": several, "next": 1}]


def test_a_yaml_block_keeps_lines_as_people_wrote_them() -> None:
    assert filters.yaml_block("a\n  b", 4) == "|-\n    a\n      b"
    assert filters.yaml_block("  a\nand\n  b", 4) == "|2-\n      a\n    and\n      b"


@pytest.mark.parametrize("text", ["0", "0.5", "-3", "12000.25"])
def test_a_number_is_printed_as_it_is(text: str) -> None:
    assert filters.number(text) == text


@pytest.mark.parametrize("text", ["", "1e3", "007", ".5", "5.", "1, 2", "NaN", "1 "])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        filters.number(text)


@pytest.mark.parametrize("value", [True, False, 3000, 0])
def test_yaml_keeps_numbers_and_booleans(value: object) -> None:
    assert yaml.safe_load(filters.yaml(value)) is value or yaml.safe_load(filters.yaml(value)) == value  # type: ignore[arg-type]


@_hostile
def test_a_shell_word_is_one_word_and_the_same(text: str) -> None:
    script = f"printf %s {filters.sh(text)}"
    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert done.stdout.decode() == text


@_hostile
def test_json_reads_back(text: str) -> None:
    assert json.loads(filters.json_value({"k": [text]})) == {"k": [text]}


def _text(markdown: str) -> str:
    """Read the text of a document that must be one paragraph of plain text."""
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    assert [block.type for block in blocks] == ["paragraph_open", "inline", "paragraph_close"], markdown
    children = blocks[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}, markdown
    return "".join(child.content for child in children)


@_hostile
def test_markdown_is_one_paragraph_of_that_text(text: str) -> None:
    assert _text(f"**Label:** {filters.md(text)}\n".replace("**Label:** ", "Label: ")) == f"Label: {text}"


@_hostile
def test_markdown_at_the_start_of_a_line_is_still_text(text: str) -> None:
    if text.strip():
        assert _text(filters.md(text) + "\n") == text


@pytest.mark.parametrize("text", ["R&amp", "&#35", "&#x23", "&lt", "a_", "<", "\\", "http:"])
@pytest.mark.parametrize("after", ["; next", " next", "**", "//x"])
def test_what_follows_a_text_in_markdown_makes_nothing_of_its_end(text: str, after: str) -> None:
    assert _text(f"{filters.md(text)}{after}\n") == f"{text}{after}"


TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("printed", [filters.yaml, filters.yaml_text, filters.json_value, filters.md, filters.mermaid])
def test_what_turns_the_direction_of_writing_is_never_raw(printed: Callable[[str], str]) -> None:
    assert not set(TURNING) & set(printed(f"a{TURNING}b"))
    assert "\u200f" in printed("a\u200fb")


def test_a_comment_shows_what_would_turn_the_direction_of_writing() -> None:
    assert filters.comment("a\u202eb") == "a\\u202eb"


@pytest.mark.parametrize(
    ("first", "second"), [("_a", "b_"), ("*a", "b*"), ("[a", "b](c)"), ("`a", "b`"), ("~~a", "b~~")]
)
def test_two_texts_beside_each_other_make_nothing_together(first: str, second: str) -> None:
    assert _text(f"{filters.md(first)} {filters.md(second)}\n") == f"{first} {second}"


CONTEXTS = {
    "a heading": "# {}",
    "the end of a heading": "## T: {}",
    "an item": "- {}",
    "a task": "- [ ] **{}:** {}",
    "a numbered item": "1. {}",
    "a paragraph": "{}",
    "the second line of a paragraph": "above\\\n{}",
    "emphasis": "**{}**, {}; {}",
}


def _shape(markdown: str) -> list[str | tuple[str, str]]:
    """List the blocks of a document and what is in them, adjoining text as one."""
    shape: list[str | tuple[str, str]] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        for part in token.children or [token]:
            text = {"hardbreak": "\n", "softbreak": " "}.get(part.type, part.content)
            if part.type not in {"text", "text_special", "hardbreak", "softbreak"}:
                shape.append((part.type, part.content))
            elif shape and isinstance(shape[-1], str):
                shape[-1] += text
            elif text:
                shape.append(text)
    return shape


LINES = [
    "one\ntwo",
    "one\n- two",
    "one\n===",
    "one\n---",
    "a\n\nb",
    "one\n    two",
    "> a\n> b",
    "a \n b",
    "1. a\n2. b",
    "a\n1) b",
]


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_markdown_is_that_text_wherever_it_stands(context: str) -> None:
    harmless = _shape(context.replace("{}", "QQ"))
    for text in [
        *HOSTILE,
        *("1)", "1.", "#", "a #", "a ##", "==", "--", ":-", "-", "+", "![a](b)", "<x@y.example>", "1\\."),
    ]:
        wanted = [part.replace("QQ", text) if isinstance(part, str) else part for part in harmless]
        assert _shape(context.replace("{}", filters.md(text))) == wanted
    if not context.startswith("#"):
        for text in LINES:
            wanted = [part.replace("QQ", text) if isinstance(part, str) else part for part in harmless]
            assert (
                _shape(
                    context.replace(
                        "{}", filters.md(text).replace("\n", "\n   " if context[:2] in {"- ", "1."} else "\n")
                    )
                )
                == wanted
            )


def test_where_one_line_is_all_a_line_break_is_a_space() -> None:
    printed = (filters.md_cell, filters.md_code, filters.md_cell_code, filters.mermaid, filters.comment)
    assert {print_("a\nb").strip('`"') for print_ in printed} == {"a b"}
    assert filters.md_target("a\nb") == "<a%0Ab>"
    assert filters.promql("a\nb") == '"a\\nb"'


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "true", "false", "null", "y", "n"])
def test_a_word_that_some_yaml_reads_as_no_string_is_quoted(word: str) -> None:
    assert [filters.yaml(each) for each in (word, word.upper(), word.capitalize())] == [
        f'"{each}"' for each in (word, word.upper(), word.capitalize())
    ]


@pytest.mark.parametrize("text", ["1e3", "0x10", "0o17", "1_000", ".5", "12:30", "1.30", "-1"])
def test_a_text_that_some_yaml_reads_as_a_number_is_quoted(text: str) -> None:
    assert filters.yaml(text) == f'"{text}"'


def test_what_yaml_cannot_print_is_escaped() -> None:
    text = "a\x7fb\x85c\u2028d\u2029e\ufefff"
    assert filters.yaml(text).isascii()
    assert yaml.safe_load(filters.yaml(text)) == text


def test_a_block_of_yaml_has_no_blank_at_the_end_of_a_line() -> None:
    assert filters.yaml_block("a \nb", 4) == '"a \\nb"'


def test_no_text_is_an_empty_word_of_the_shell() -> None:
    assert filters.sh("") == "''"


@_hostile
def test_a_cell_stays_one_cell(text: str) -> None:
    table = f"| a | b |\n|---|---|\n| {filters.md_cell(text)} | {filters.md_cell_code(text)} |\n"
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(table)
    assert [token.type for token in tokens].count("td_open") == 2
    inlines = [token for token in tokens if token.type == "inline"]
    assert "".join(child.content for child in inlines[2].children or []) == text
    assert [(child.type, child.content) for child in inlines[3].children or []] == [("code_inline", text)]


def _children(markdown: str) -> list[tuple[str, str]]:
    """Read what is in the only paragraph of a document."""
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    assert [block.type for block in blocks] == ["paragraph_open", "inline", "paragraph_close"], markdown
    return [(child.type, child.content) for child in blocks[1].children or []]


@_hostile
def test_a_code_span_holds_that_text(text: str) -> None:
    assert _children(f"a {filters.md_code(text)} b\n") == [("text", "a "), ("code_inline", text), ("text", " b")]


@_hostile
def test_a_fenced_block_holds_that_text(text: str) -> None:
    for several in (text, f"{text}\n{text}", f"```\n{text}\n~~~"):
        [fence] = MarkdownIt("commonmark").parse(filters.md_fence(several, "yaml") + "\n")
        assert (fence.type, fence.info, fence.content) == ("fence", "yaml", f"{several}\n")


@_hostile
def test_the_target_of_a_link_ends_where_the_link_does(text: str) -> None:
    table = f"| a | b |\n|---|---|\n| [x]({filters.md_target('p/' + text)}) | {filters.md_url('https://h/' + text)} |\n"
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(table)
    cells = [token.children or [] for token in tokens if token.type == "inline"][2:]
    assert [[child.type for child in cell] for cell in cells] == [["link_open", "text", "link_close"]] * 2
    assert [child.content for child in cells[0]] == ["", "x", ""]


@_hostile
def test_text_between_single_quotes_of_a_script_stays_there(text: str) -> None:
    script = f"printf %s 'a {filters.sh_quoted(text)} b'"
    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert done.stdout.decode() == f"a {text} b"


@_hostile
def test_a_string_of_sql_reads_back_by_the_rules_of_postgresql(text: str) -> None:
    literal = filters.sql(text)
    if literal.startswith("E"):
        inside = re.fullmatch(r"E'((?:[^'\\]|''|\\\\)*)'", literal, re.DOTALL)
        assert inside is not None
        assert re.sub(r"''|\\\\", lambda pair: pair[0][0], inside[1]) == text
    else:
        # Whatever standard_conforming_strings says: no backslash is in it.
        inside = re.fullmatch(r"'((?:[^'\\]|'')*)'", literal, re.DOTALL)
        assert inside is not None
        assert inside[1].replace("''", "'") == text


@_hostile
def test_a_label_of_mermaid_holds_no_character_with_a_meaning(text: str) -> None:
    label = filters.mermaid(text)
    bare = re.sub(r"#\d+;", "", label[1:-1])
    assert label[0] + label[-1] == '""'
    assert set(bare).isdisjoint('#"<>&`;\\{}[]()|\n')
    assert re.sub(r"#(\d+);", lambda code: chr(int(code[1])), label[1:-1]) == text.replace("\n", " ")
    assert re.fullmatch(r"[A-Za-z0-9_]+", filters.mermaid_id(text))


@pytest.mark.parametrize(
    "text", ["cart", "35d", "10%, 50% and 100%, 10 minutes each", "a.b/c-d_e=f", "colour!=blue,a!=b"]
)
def test_plain_words_are_printed_as_they_are(text: str) -> None:
    assert filters.plain(text) == text


@pytest.mark.parametrize(
    "text",
    ["", " a", "a ", "a  b", "-a", "a\nb", "a\n", "a: b", "a #b", "a'b", 'a"b', "a$b", "a`b", "a;b", "a|b", "a&b", "ä"],
)
def test_what_is_no_plain_words_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no plain words"):
        filters.plain(text)


def test_an_undecided_value_says_so_in_the_document_and_nowhere_else() -> None:
    assert filters.md(None) == filters.md_cell(None) == filters.md_code(None) == "*to be decided*"
    with pytest.raises(ValueError, match="undecided"):
        filters.yaml(None)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("saved_reports uses R&D at 5% - fine.", "saved_reports uses R&D at 5% - fine."),
        ("Weekly active users (reporting)", "Weekly active users (reporting)"),
        ("+20%", "+20%"),
        ("10.20.0.0/24", "10.20.0.0/24"),
        ("+ plus", "\\+ plus"),
        ("<1 hour", "<1 hour"),
        ("a < b > c", "a < b > c"),
        ("a <b> c", "a \\<b> c"),
        ("> quote", "\\> quote"),
        ("10. tenth", "10\\. tenth"),
        ("---", "\\---"),
        # What no CommonMark parser sees, but GitHub does: formulas, links without brackets, tables of one column.
        ("$x$ costs $5", "\\$x\\$ costs \\$5"),
        ("http://a https://b", "http\\://a https\\://b"),
        (":-", "\\:-"),
        ("[x][y]", "\\[x\\]\\[y\\]"),
    ],
)
def test_markdown_leaves_ordinary_text_readable(text: str, printed: str) -> None:
    assert filters.md(text) == printed


@_hostile
def test_promql_reads_back_as_the_same_string(text: str) -> None:
    import promql_parser

    parsed = promql_parser.parse(f"up{{job={filters.promql(text)}}}")
    assert isinstance(parsed, promql_parser.VectorSelector)
    assert [matcher.value for matcher in parsed.matchers.matchers] == [text]


@_hostile
def test_a_workflow_sees_no_expression_in_text(text: str) -> None:
    inside = filters.workflow(text).replace("${{ '${{' }}", "")
    assert "${{" not in inside
    assert filters.workflow(text).replace("${{ '${{' }}", "${{") == text


@_hostile
def test_a_go_template_sees_no_action_in_text(text: str) -> None:
    assert "{{" not in filters.gotemplate(text).replace('{{ "{{" }}', "")
    assert filters.gotemplate(text).replace('{{ "{{" }}', "{{") == text


def test_a_comment_stays_on_its_line() -> None:
    assert filters.comment("one\ntwo") == "one two"


def test_no_filter_takes_a_container_or_a_float_for_text() -> None:
    assert filters.text_of(value=True) == "true"
    assert filters.text_of(5) == "5"
    assert filters.text_of(str(Decimal("0.50"))) == "0.50"
