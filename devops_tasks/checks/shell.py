"""Shell text to the commands that it runs: enough of bash's grammar to tell a command from everything that is none.

Lives here: quotes, substitutions, here-documents, tests, cases, functions. A word whose text only the shell knows is no
name. Must not: whether a script parses (bash says that), running anything.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

_BUILTINS = frozenset(
    re.findall(
        r"\S+",
        ". : [ alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs disown "
        "echo enable eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile "
        "popd printf pushd pwd read readarray readonly return set shift shopt source suspend test times trap true type "
        "typeset ulimit umask unalias unset wait if then else elif fi do done while until for select case esac in time "
        "coproc function { } ! [[",
    )
)
_GO_ON = frozenset(("if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "coproc", "exec"))
_SPACE = re.compile(r"(?:[ \t\r]|\\\n)+|#[^\n]*")
_HEREDOC = re.compile(r"<<(?!<)(-?)[ \t]*(['\"]?)([\w.-]+)\2")
_REDIRECTION = re.compile(r"\d*(?:<<<|<>|>>|>\||[<>]&|&>>?|[<>])(?!\()[ \t]*")
_OPERATOR = re.compile(r"\|\||&&|;;&?|\|&?|;&?|&|\(|\)")
_TEST = re.compile(r"\[\[\s.*?\s\]\](?=[\s;&|)]|$)|\(\(.*?\)\)", re.DOTALL)
_FUNCTION = re.compile(r"(?:function[ \t]+([\w-]+)[ \t]*(?:\(\))?|([\w-]+)[ \t]*\(\))\s*")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(?:\[[^\]\n]*\])?\+?=(\(?)")
_PATTERNS = re.compile(r"\s*(?:(esac)\b|\(?(?:'[^']*'|\"[^\"]*\"|\\.|[^)'\"\\]){0,500}\))", re.DOTALL)
_PART = re.compile(r"'[^']*'|\$'(?:\\.|[^'\\])*'|\\.|[^\s\\'\"$`|&;()<>]+|\$(?![({'\"])", re.DOTALL)
_MOST_DEPTH = 10
_CLOSERS = {"(": ")", "{": "}"}


class Command(NamedTuple):
    """One simple command: its words, None for each that only the shell knows, and where it begins."""

    words: list[str | None]
    position: int


class Script(NamedTuple):
    """What a text runs, and the functions that it defines."""

    commands: list[Command]
    functions: set[str]


def read_shell(text: str) -> Script:
    """Read every simple command of a text, those inside substitutions as well; those of a deep nest are left out."""
    script = Script([], set())
    with suppress(RecursionError):
        _Reader(text, 0, script).read()
    return script


def external_commands(script: Script) -> Iterator[Command]:
    """Give the commands that are neither the shell's own, nor a function, nor a file of some folder."""
    for command in script.commands:
        name = command.words[0] or ""
        if name not in _BUILTINS | script.functions and re.fullmatch(r"[A-Za-z_][\w.+-]*", name):
            yield command


class _Reader:
    """Goes through a text once; each rule takes what it knows from where it stands, or leaves it to the next."""

    def __init__(self, text: str, offset: int, script: Script, depth: int = 0) -> None:
        self.text, self.offset, self.script, self.depth = text, offset, script, depth
        self.at = self.cases = 0
        self.words: list[str | None] = []
        self.begins = 0
        self.patterns = False
        self.heredocs: list[str] = []

    def read(self) -> None:
        while self.at < len(self.text):
            if not any(rule(self) for rule in _RULES):
                self.at += 1
        self.end()

    def end(self) -> None:
        """End a command; ``case`` makes what follows its ``in`` a pattern."""
        if self.words:
            self.script.commands.append(Command(self.words, self.offset + self.begins))
        self.words = []

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Go behind a pattern, if it stands here."""
        match = pattern.match(self.text, self.at)
        if match and match[0]:
            self.at = match.end()
            return match
        return None

    def space(self) -> bool:
        return self.take(_SPACE) is not None

    def line(self) -> bool:
        """End a command at the end of its line, and go behind the here-documents that were begun on it."""
        if self.text[self.at] != "\n":
            return False
        self.end()
        self.at += 1
        for word in self.heredocs:
            body = re.compile(rf"(?:.*\n)*?\t*{re.escape(word)}(?:\n|$)").match(self.text, self.at)
            self.at = body.end() if body else len(self.text)
        self.heredocs = []
        return True

    def case(self) -> bool:
        """Take the patterns of one branch of a ``case``, or its end."""
        if not self.patterns:
            return False
        match = self.take(_PATTERNS)
        self.cases -= bool(match and match[1])
        self.patterns = False
        return match is not None

    def heredoc(self) -> bool:
        match = self.take(_HEREDOC)
        self.heredocs += [match[3]] if match else []
        return match is not None

    def redirection(self) -> bool:
        return self.take(_REDIRECTION) is not None and (self.word(kept=False) or True)

    def operator(self) -> bool:
        match = None if self.words else self.take(_TEST)
        if match:
            self.nested(match)
            return True
        match = self.take(_OPERATOR)
        if match:
            self.end()
            self.patterns = match[0].startswith(";;") and self.cases > 0
        return match is not None

    def nested(self, match: re.Match[str]) -> None:
        """Read the substitutions of a test."""
        for found in re.finditer(r"\$\((?!\()", match[0]):
            start = match.start() + found.end()
            self.inside(start, self.closed(start, "(") - 1)

    def inside(self, start: int, end: int) -> None:
        """Read the commands of a part of the text."""
        if self.depth < _MOST_DEPTH:
            _Reader(self.text[start:end], self.offset + start, self.script, self.depth + 1).read()

    def function(self) -> bool:
        match = None if self.words else self.take(_FUNCTION)
        if match:
            self.script.functions.add(match[1] or match[2])
        return match is not None

    def assignment(self) -> bool:
        match = None if self.words else self.take(_ASSIGNMENT)
        if match is None:
            return False
        if match[1]:
            end = self.closed(self.at, "(")
            # The words of a list are no commands, but what they substitute is.
            items = _Reader(self.text[self.at : end - 1], self.offset + self.at, self.script, self.depth + 1)
            items.words = [None]
            while items.at < len(items.text):
                if not items.space() and not items.word(kept=False):
                    items.at += 1
            self.at = end
        else:
            self.word(kept=False)
        return True

    def word(self, *, kept: bool = True) -> bool:
        start, literal = self.at, ""
        known = True
        while self.at < len(self.text):
            part = self.take(_PART)
            if part:
                literal += part[0].strip("'") if part[0][0] == "'" else part[0]
                known = known and part[0][0] != "$"
            elif not self.substitution():
                break
            else:
                known = False
        if kept and self.at > start:
            self.keep(literal if known else None, start)
        return self.at > start

    def keep(self, word: str | None, start: int) -> None:
        self.begins = self.begins if self.words else start
        if self.words and self.words[0] == "case" and word == "in":
            self.words, self.cases, self.patterns = [], self.cases + 1, True
        elif self.words or word not in _GO_ON:
            self.words.append(word)

    def substitution(self) -> bool:
        """Take a text in double quotes, an expansion or a substitution, and read the commands inside."""
        opening = re.compile(r"\"|\$\"|`|\$\(\(|[$<>]\(|\$\{").match(self.text, self.at)
        if opening is None:
            return False
        self.at = start = opening.end()
        sign = opening[0]
        if sign in {'"', '$"'}:
            self.quoted()
        elif sign == "`":
            end = self.text.find("`", start)
            self.at = len(self.text) if end < 0 else end + 1
        else:
            self.at = self.closed(start, sign[-1]) + (sign == "$((")
            if sign.endswith("(") and sign != "$((":
                self.inside(start, self.at - 1)
        return True

    def quoted(self) -> None:
        """Go to the end of double quotes."""
        while self.at < len(self.text) and self.text[self.at] != '"':
            if self.text[self.at] == "\\":
                self.at += 2
            elif self.text[self.at] not in "$`" or not self.substitution():
                self.at += 1
        self.at += 1

    def closed(self, at: int, opener: str) -> int:
        """Find the position behind what closes here, past quotes and what is opened in between."""
        depth, mark = 1, self.at
        while at < len(self.text) and depth:
            self.at = at
            char = self.text[at]
            if char == '"':
                self.at += 1
                self.skipped()
            elif char in "'\\":
                end = self.text.find("'", at + 1)
                self.at = at + 2 if char == "\\" else (len(self.text) if end < 0 else end + 1)
            else:
                depth += (char == opener) - (char == _CLOSERS[opener])
                self.at += 1
            at = self.at
        self.at = mark
        return at

    def skipped(self) -> None:
        """Go to the end of double quotes without reading what they hold: it is read when its turn comes."""
        while self.at < len(self.text) and self.text[self.at] != '"':
            if self.text.startswith("$(", self.at):
                self.at = self.closed(self.at + 2, "(")
            else:
                self.at += 2 if self.text[self.at] == "\\" else 1
        self.at += 1


_RULES: tuple[Callable[[_Reader], bool], ...] = (
    _Reader.space,
    _Reader.case,
    _Reader.line,
    _Reader.heredoc,
    _Reader.redirection,
    _Reader.operator,
    _Reader.function,
    _Reader.assignment,
    _Reader.word,
)
