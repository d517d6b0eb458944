"""One filter per output language: any text in, the same text as a value of that language out.

Lives here: pure functions of text. Every value that a template prints passes the filter of the language it stands in;
where languages nest (an expression inside YAML) the filters are chained from the inside out. What turns the direction
of writing is text like any other, but never raw where a reviewer reads it: it could make a line look like another one.
Must not: Jinja, the plan, choices about content.
"""

import json
import re
from collections.abc import Callable

TO_BE_DECIDED = "*to be decided*"

Value = str | int | bool | None

_YAML_PLAIN = re.compile(
    r"[A-Za-z/][A-Za-z0-9_./=-]*(?:[:@][A-Za-z0-9_./-]+)*"
    r"|\d+(?:[KMGT]i|[kMGTmshdwy]|ms)"  # quantities and durations
    r"|(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?"  # addresses and ranges
)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./=!,%-]*(?: [A-Za-z0-9][A-Za-z0-9_./=!,%-]*)*")
_YAML_LINES = re.compile(r"(?:[ -~]*[!-~]\n+)*[ -~]*[!-~]")
_YAML_SINGLE = re.compile(r"[ -&(-~]*")
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_MARKDOWN = re.compile(r"([\\`*\[\]|~$]|<(?![\d\s])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=[#\w]+(?:;|$)))")
_MARKDOWN_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9 ,.;'()/%?!+-]|:(?!/))*(?<! )")  # most lines: nothing to escape
_MARKDOWN_START = r"^([#>]|[+-](?=\s|$)|[-=:](?=[-=:\s]*$)|\d+[.)](?=\s|$))"
# What few texts hold is compiled when the first one does.
_URL_COLON = r"(?<=http):(?=//)|(?<=https):(?=//)"
_HEADING_END = r"(\s#*)#$"
_EDGE_SPACES = r"^\s+|(?<!\s)\s+$"  # a run of spaces is looked at once, from its start
_TURNS = "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides and isolates, as no plain mark is
_TURNING = f"[{_TURNS}]"
_MERMAID = str.maketrans({
    sign: f"#{ord(sign)};"
    for sign in '#"<>&`;\\{}[]()|\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069'
})  # fmt: skip
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode
_SHELL_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


def text_of(value: Value) -> str:
    """Print a scalar as people read it; refuse what is no scalar."""
    if value is None:
        msg = "an undecided value was printed without a decision for its language"
        raise ValueError(msg)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def yaml(value: Value) -> str:
    """Print a YAML scalar on one line that reads back as the same string, number or boolean, in YAML 1.1 and 1.2."""
    text = text_of(value)
    if not isinstance(value, str) or (_YAML_PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS):
        return text
    return _quoted(text)


def yaml_text(value: Value) -> str:
    """Print a YAML string that is always quoted, for places where a tool wants a string whatever it looks like."""
    return _quoted(text_of(value))


def yaml_block(value: Value, columns: int) -> str:
    """Print a YAML string as a block of lines at a column, two to the right of its key; quoted where no block can."""
    text = text_of(value)
    if not _YAML_LINES.fullmatch(text):
        return _quoted(text)
    head = "|2-" if text.startswith(" ") else "|-"
    return head + "".join(f"\n{' ' * columns}{line}" if line else "\n" for line in text.split("\n"))


def _quoted(text: str) -> str:
    if '"' in text and _YAML_SINGLE.fullmatch(text):
        return f"'{text}'"
    quoted = _ENCODE(text)
    return (
        quoted if quoted.isprintable() else re.sub(rf"[{_TURNS}\u007f-\u009f\u2028\u2029\ufeff]", _code_point, quoted)
    )


def json_value(value: object) -> str:
    """Print a JSON value; lists and dicts included."""
    encoded = _ENCODE(value)
    return _spell_turns(encoded, _code_point)


def _spell_turns(text: str, spelt: Callable[[re.Match[str]], str]) -> str:
    return text if text.isprintable() else re.sub(_TURNING, spelt, text)


def _code_point(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _entities(match: re.Match[str]) -> str:
    return "".join(f"&#{ord(character)};" for character in match[0])


def number(value: Value) -> str:
    """Print an exact number, given as text, as a number of YAML or JSON; refuse what is none."""
    text = text_of(value)
    if not _NUMBER.fullmatch(text):
        msg = f"no number: {text!r}"
        raise ValueError(msg)
    return text


def plain(value: Value) -> str:
    """Print words that stand for themselves inside a longer text of any language; refuse others."""
    text = text_of(value)
    if not _PLAIN.fullmatch(text):
        msg = f"no plain words: {text!r}"
        raise ValueError(msg)
    return text


def md(value: Value) -> str:
    """Print text inside a Markdown paragraph; an undecided value says so."""
    if value is None:
        return TO_BE_DECIDED
    lines = text_of(value).split("\n")
    return "\\\n".join(_escape_line(line) for line in lines)


def _escape_line(line: str) -> str:
    if _MARKDOWN_PLAIN.fullmatch(line):
        return line
    escaped = _MARKDOWN.sub(r"\\\1", line)
    if "http" in escaped:
        escaped = re.sub(_URL_COLON, r"\:", escaped)
    if not escaped[:1].isalpha():
        escaped = re.sub(_MARKDOWN_START, _escape_start, escaped)
    if escaped.endswith("#"):
        escaped = re.sub(_HEADING_END, r"\1\\#", escaped)
    if escaped != escaped.strip():
        escaped = re.sub(_EDGE_SPACES, _entities, escaped)
    return _spell_turns(escaped, _entities)


def _escape_start(match: re.Match[str]) -> str:
    marker = match[1]
    return f"{marker[:-1]}\\{marker[-1]}" if marker[-1] in ".)" else f"\\{marker}"


def md_cell(value: Value) -> str:
    """Print text inside a cell of a Markdown table: line breaks become spaces."""
    return md(value.replace("\n", " ") if isinstance(value, str) else value)


def md_code(value: Value) -> str:
    """Print a Markdown code span, fenced by more backticks than the text holds in a row."""
    if value is None:
        return TO_BE_DECIDED
    text = text_of(value).replace("\n", " ")
    longest = _longest_run(text)
    fence = "`" * (longest + 1)
    pad = " " if text.strip(" ") and (longest or text.strip() != text) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def md_cell_code(value: Value) -> str:
    """Print a code span in a cell of a Markdown table, the one place where a pipe is escaped inside code."""
    return md_code(value).replace("|", "\\|")


def md_fence(value: Value, language: str = "text") -> str:
    """Print a fenced block of Markdown that holds the text verbatim, whatever backticks are in it."""
    text = text_of(value)
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall(r"`+", text))) if "`" in text else 0


def md_target(value: Value) -> str:
    """Print the target of a Markdown link, between angle brackets where it needs them."""
    text = text_of(value)
    if re.fullmatch(r"[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+", text):
        return text
    return "<" + re.sub(r"([<>\\])", r"\\\1", text.replace("\n", "%0A").replace("|", "%7C")) + ">"


def md_url(value: Value) -> str:
    """Print a URL as a Markdown link that shows itself."""
    return "<" + re.sub(r"[\s<>|]", lambda match: f"%{ord(match[0]):02X}", text_of(value)) + ">"


def sh(value: Value) -> str:
    """Print one shell word that bash reads back as the same string."""
    text = text_of(value)
    return text if _SHELL_SAFE.fullmatch(text) else f"'{sh_quoted(text)}'"


def sh_quoted(value: Value) -> str:
    """Print text between single quotes of a shell script."""
    return text_of(value).replace("'", "'\\''")


def promql(value: Value) -> str:
    """Print a PromQL string literal, quotes included."""
    text = text_of(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def gotemplate(value: Value) -> str:
    """Print text inside a Go template (an alert's annotation), where ``{{`` would begin an action."""
    return text_of(value).replace("{{", '{{ "{{" }}')


def workflow(value: Value) -> str:
    """Print text inside a GitHub workflow, where ``${{`` would begin an expression."""
    return text_of(value).replace("${{", "${{ '${{' }}")


def sql(value: Value) -> str:
    """Print a PostgreSQL string literal, quotes included."""
    text = text_of(value).replace("'", "''")
    return "E'" + text.replace("\\", "\\\\") + "'" if "\\" in text else f"'{text}'"


def mermaid(value: Value) -> str:
    """Print a quoted Mermaid label; its own entity codes keep every character text."""
    text = text_of(value).replace("\n", " ")
    return f'"{text.translate(_MERMAID)}"'


def mermaid_id(value: Value) -> str:
    """Print the identifier of a Mermaid node; give it a kind before the name, since Mermaid keeps some words."""
    return re.sub(r"[^A-Za-z0-9]", "_", text_of(value))


def comment(value: Value) -> str:
    """Print text inside a comment that ends with the line; what turns the direction of writing as its number."""
    return _spell_turns(text_of(value).replace("\n", " "), _code_point)


FILTERS = {
    "yaml": yaml,
    "yaml_text": yaml_text,
    "yaml_block": yaml_block,
    "json": json_value,
    "number": number,
    "md": md,
    "md_cell": md_cell,
    "md_code": md_code,
    "md_cell_code": md_cell_code,
    "md_fence": md_fence,
    "md_target": md_target,
    "md_url": md_url,
    "plain": plain,
    "sh": sh,
    "sh_quoted": sh_quoted,
    "promql": promql,
    "gotemplate": gotemplate,
    "workflow": workflow,
    "sql": sql,
    "mermaid": mermaid,
    "mermaid_id": mermaid_id,
    "comment": comment,
}
