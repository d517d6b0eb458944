"""What was left over: pieces of a template language that nobody reads, and places that nobody filled in.

Each consumer of a file has a language of its own, whose pieces belong there: alert annotations and notifications are Go
templates, a workflow has expressions, Grafana has legends and variables, Prometheus has numbered groups, kubectl has
Go templates, a shell has variables. What the user wrote in the spec is text, whatever it looks like.
Must not: repairing.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from devops_tasks.checks.markdown import read_page
from devops_tasks.errors import Problem
from devops_tasks.fields import Tree

_NOTHING = r"(?!)"
_ANYTHING = r""
_GO = (
    r"\\?\"|`|'|(?:if|else|end|range|with|define|template|block|break|continue|and|or|not|eq|ne|gt|ge|lt|le|len|index|"
    r"print\w*|title|toUpper|toLower|match|join|reReplaceAll)\b"
)
_ALERT = r"\$(?:value|labels|externalLabels|externalURL)\b|(?:humanize\w*|query|first|stripPort|parseDuration)\b"
_NOTIFICATION = (
    r"\.(?:GroupLabels|CommonLabels|CommonAnnotations|Alerts|Status|Receiver|ExternalURL|GroupKey|TruncatedAlerts|"
    r"Labels|Annotations|StartsAt|EndsAt|Fingerprint)\b|\$\w"
)
_KUBECTL = r"\.(?!(?:Values|Release|Chart|Capabilities|Files|Template)\b)|\$|(?:base64decode|json)\b"


class Language(NamedTuple):
    """What a consumer reads: how its ``{{ }}`` may begin, whether ``${{ }}`` is its own, how its ``${ }`` may begin."""

    braces: tuple[str, ...] = ()
    expressions: bool = False
    variables: str = _NOTHING


_PLAIN = Language()
_SHELL = Language((_KUBECTL, _GO), variables=_ANYTHING)
_COMMENT = Language((_ALERT, _NOTIFICATION, _KUBECTL, _GO), expressions=True, variables=_ANYTHING)
_LEGEND = r"[A-Za-z_]\w*\s*\}"

_BY_PATH = (
    ("", (".sh",), _SHELL),
    ("monitoring/alertmanager.yml", "", Language((_NOTIFICATION, _GO))),
    ("monitoring/prometheus-config.yml", "", Language(variables=r"\d+\}")),
    ("monitoring/", (".yml", ".yaml"), Language((_ALERT, _GO))),
    ("monitoring/", (".json",), Language((_LEGEND,), variables=_ANYTHING)),
    ("delivery/pipeline.yml", "", Language((_KUBECTL, _GO), expressions=True, variables=_ANYTHING)),
    ("disaster-recovery/", (".yml",), _SHELL),
    ("cost/", (".yml", ".yaml"), Language((_ALERT, _GO), variables=_ANYTHING)),
)
"""How a path begins and ends, and what is read there; the first row counts."""

_BY_FENCE = {
    "bash": _SHELL,
    "sh": _SHELL,
    "yaml": _COMMENT,
    "json": Language((_LEGEND,), variables=_ANYTHING),
    "mermaid": Language((_ANYTHING,)),
}

# The patterns that run over every file begin with a sign: a look behind before it would make them ten times as slow.
# No part is tried in two ways (`++`) nor over more than 200 characters, so that a text full of signs takes no longer.
_EXPRESSION = r"(?<=\$\{)\{\s*(?P<expression>(?:'(?:[^'\n]|''){0,200}+'|(?!\}\})[^\n]){0,200}+)\}\}"
_VARIABLE = r"(?<=\$\{)(?:(?P<variable>[\w:]+[^\n}]{0,40}\})|#)"
_BRACES = (
    r"\{-?\s*(?P<braces>(?:\\\"(?:(?!\\\")[^\n]){0,200}+\\\"|\"(?:\\.|[^\"\\\n]){0,200}+\"|`[^`\n]{0,200}+`"
    r"|(?!\}\})[^\n]){0,200}+\}\}|)"
    r"|%-?[^\n]{0,200}?%\}"
    r"|(?<!\$\{)#[^\n]{0,200}?#\}"
)
_PIECE = re.compile(rf"\{{(?:{_EXPRESSION}|{_VARIABLE}|{_BRACES})")
_PIECE_BUT_VARIABLES = re.compile(rf"\{{(?:{_EXPRESSION}|{_BRACES})")
# What few files hold is compiled when the first one does.
_OBJECT = (
    r"<(?:built-in|function|bound method|class|module) [^\n>]*>"
    r"|\b(?:Decimal|Duration|Share|Rate|Number|Size|Cpu|Money|datetime\.date)\((?:'|\w+=Decimal|\d{4}, )"
)
_UNFILLED = r"(?:TODO|TBD|FIXME|CHANGE_?ME|REPLACE_?ME|YOUR_[A-Z_]+)(?![\w-])"
_BRACKETS = r"\*\[[^\]\n]+\]\*(?![*\w(])"
_INSIDE = r"[\w*\\-]"
_OPENING = r"\$\{\{|\{\{|\$\{|\{%|\{#|<|\w*"
_MARKS = ("{{", "{%", "{#", "${", "*[")
# Every value of Python and every word that asks to be filled in has one of these, and next to no file does.
_SPELT = re.compile(
    r"<(?:built-in|function|bound|class |module)|Decimal\(|\.date\(|TODO|TBD|FIXME|CHANGE|REPLACE|YOUR_",
)
_WORDS = r"[^0-9A-Za-z]+"
_COMPARED = 12
_READ = 60


class Piece(NamedTuple):
    """A part of a file that one consumer reads, and the line that it begins in."""

    text: str
    language: Language
    line: int
    prose: bool = False


def check_residue(files: Mapping[str, str], said: Collection[str]) -> Iterator[Problem]:
    """Find what was left over, except in what the user ``said`` in the spec."""
    told = tuple(text for text in said if _is_suspect(text)) if _is_suspect("\n".join(said)) else ()
    some = _SPELT.search("\n".join(files.values()))  # next to none has one, and one long search is the quickest
    for path, text in files.items():
        spelt = bool(some and _SPELT.search(text))
        if spelt or "{" in text or "*[" in text:
            for piece in _pieces(path, text):
                yield from _leftovers(path, piece, told)
                yield from _objects(path, piece, told) if spelt else ()
                yield from _unfilled(path, piece, told, spelt=spelt)


def _is_suspect(text: str) -> bool:
    return any(mark in text for mark in _MARKS) or bool(_SPELT.search(text))


def texts_of(tree: Tree) -> Iterator[str]:
    """Give every text of a tree, keys and values."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield key
            yield from texts_of(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from texts_of(item)


def _pieces(path: str, text: str) -> Iterator[Piece]:
    if not path.endswith(".md"):
        yield Piece(text, _language(path), 1)
        return
    page = read_page(text)
    yield Piece(page.prose, _SHELL._replace(variables=_NOTHING), 1, prose=True)
    yield from (Piece(fence.text, _BY_FENCE.get(fence.language, _PLAIN), fence.line + 1) for fence in page.fences)


def _language(path: str) -> Language:
    found = (language for start, ends, language in _BY_PATH if path.startswith(start) and path.endswith(ends))
    return next(found, _PLAIN)


def _leftovers(path: str, piece: Piece, told: tuple[str, ...]) -> Iterator[Problem]:
    text = _without_spans(piece.text) if piece.prose and "${" in piece.text else piece.text
    pattern = _PIECE_BUT_VARIABLES if piece.language.variables == _ANYTHING else _PIECE  # a script has hundreds
    for match in pattern.finditer(text) if "{" in text else ():
        if not _belongs(match, _here(path, piece, match)):
            yield from _left_over(path, piece, match, told)


def _left_over(path: str, piece: Piece, match: re.Match[str], told: tuple[str, ...]) -> Iterator[Problem]:
    start = match.start() - (match.lastgroup in {"expression", "variable"})  # the `$` before it
    if not _quoted(match.string, start, told):
        shown = match.string[start : max(match.end(), start + 20)].partition("\n")[0]
        what = f"left over from a template: {shown}"
        yield Problem(path, what, "write the value", "residue", _line(piece, start))


def _here(path: str, piece: Piece, match: re.Match[str]) -> Language:
    """Give the language at one place: a comment in YAML may show a command."""
    if not path.endswith((".yml", ".yaml")):
        return piece.language
    start = match.string.rfind("\n", 0, match.start()) + 1
    return _COMMENT if match.string[start : match.start()].lstrip().startswith("#") else piece.language


def _without_spans(prose: str) -> str:
    return re.sub(r"(?<![\\`])(`+)(?!`)([^\n]*?[^`\n])\1(?!`)", lambda match: match[0].replace("${", "$ "), prose)


def _belongs(match: re.Match[str], language: Language) -> bool:
    match match.lastgroup:
        case "expression":
            return language.expressions
        case "braces":
            return any(re.match(pattern, match["braces"]) for pattern in language.braces)
        case "variable":
            return bool(re.match(language.variables, match["variable"]))
        case _:
            return match[0] == "{#"  # the length of a shell's variable


def _quoted(text: str, start: int, told: tuple[str, ...]) -> bool:
    """Say whether a piece is the user's own: the same opening, and after it the same letters and digits.

    Each output language escapes other characters, so only letters and digits are compared.
    """
    opening = re.compile(_OPENING).match(text, start)
    mark = opening[0] if opening else ""
    after = _letters(text[start + len(mark) : start + len(mark) + _READ])
    return any(_same(said, after) for said in _openings(told, mark))


@cache
def _openings(told: tuple[str, ...], mark: str) -> frozenset[str]:
    """Give what the user wrote after a mark, as letters and digits: once, however often a file has the mark."""
    return frozenset(_letters(part) for said in told if mark for part in said.split(mark)[1:])


def _letters(text: str) -> str:
    return re.sub(_WORDS, "", text[:_READ].partition("\n")[0])[:_COMPARED]


def _same(first: str, second: str) -> bool:
    length = min(len(first), len(second))
    return first[:length] == second[:length]


def _objects(path: str, piece: Piece, told: tuple[str, ...]) -> Iterator[Problem]:
    for match in re.finditer(_OBJECT, piece.text):
        yield from _left_over(path, piece, match, told)


def _unfilled(path: str, piece: Piece, told: tuple[str, ...], *, spelt: bool) -> Iterator[Problem]:
    words = re.finditer(_UNFILLED, piece.text) if spelt else ()
    brackets = re.finditer(_BRACKETS, piece.text) if piece.prose and "*[" in piece.text else ()
    for match in (*words, *brackets):
        whole = not re.match(_INSIDE, piece.text[max(0, match.start() - 1) : match.start()])
        if whole and not any(match[0] in said for said in told):
            what = f"not filled in: {match[0]}"
            yield Problem(path, what, "fill it in, or remove it", "placeholder", _line(piece, match.start()))


def _line(piece: Piece, position: int) -> int:
    return piece.line + piece.text.count("\n", 0, position)
