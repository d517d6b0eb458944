"""Questions on a terminal that can move its cursor: the prompt library, loaded when there is something to ask.

Lives here: drawing a screen, and the keys. It draws on stderr, as stdout is for results. Must not: what is asked.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from textwrap import wrap

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Point
from prompt_toolkit.filters import Condition, is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import BufferControl, ConditionalContainer, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import create_output
from prompt_toolkit.styles import Style

from devops_tasks.errors import shown
from devops_tasks.wizard.flow import Reply
from devops_tasks.wizard.plain import heading
from devops_tasks.wizard.questions import Option, Screen

KEYS = "Enter takes what is offered, Tab lets you change it, Shift-Tab goes back, Ctrl-C stops."
_BACK = object()
_NUMBERED = 9
"""So many options have a number that takes one; of more, typing finds one."""
_STYLE = Style.from_dict({
    "mark": "ansigreen bold", "question": "bold", "offered": "ansibrightblack", "hint": "ansibrightblack",
    "answer": "ansicyan", "current": "bold", "wrong": "ansired",
})  # fmt: skip


class Terminal:
    """Asks on a terminal, one question at a time."""

    keys = KEYS
    title = ""

    def __init__(self) -> None:
        """Choose how to draw, by what the terminal can do; from now on keys are read as they come, and never echoed."""
        self.input = create_input()
        self.output = create_output(stdout=sys.stderr)
        self._raw = self.input.raw_mode()
        self._raw.__enter__()

    def close(self) -> None:
        """Leave the terminal as it was."""
        with suppress(OSError):  # the terminal may be gone
            self._raw.__exit__(None, None, None)

    def say(self, *lines: str) -> None:
        """Write lines to stderr."""
        for line in lines:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def ask(self, screen: Screen) -> Reply:
        """Show a screen until there is an answer to it that is right."""
        self.say(*heading(screen, self.title))
        self.title = screen.title
        question: _Choice | _Line = _Choice(screen) if screen.options else _Line(screen)
        application: Application[object] = Application(
            Layout(question.container),
            key_bindings=merge_key_bindings([question.keys, _keys()]),
            style=_STYLE,
            input=self.input,
            output=self.output,
        )
        try:
            answer = application.run()
        except (EOFError, KeyboardInterrupt):
            self._leave()
            raise
        return Reply(back=True) if answer is _BACK else Reply(str(answer))

    def _leave(self) -> None:
        """Go below the question that is left: a signal may come in the middle of drawing it."""
        with suppress(OSError):  # the terminal may be gone
            self.output.write_raw("\r\n")
            self.output.erase_down()
            self.output.flush()


def _keys() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add(Keys.BackTab)
    def back(event: KeyPressEvent) -> None:
        event.app.exit(result=_BACK)

    @bindings.add(Keys.ControlC)
    @bindings.add(Keys.SIGINT)
    def stop(event: KeyPressEvent) -> None:
        event.app.exit(exception=KeyboardInterrupt)

    @bindings.add(Keys.ControlD)
    def end(event: KeyPressEvent) -> None:
        event.app.exit(exception=EOFError)

    return bindings


def _head(screen: Screen) -> StyleAndTextTuples:
    return [("class:mark", "? "), ("class:question", shown(screen.message)), ("", " ")]


def _lines(text: str, indent: int) -> list[str]:
    """Break a text between words, by the width that the terminal has now."""
    return wrap(shown(text), max(get_app().output.get_size().columns - indent - 1, 20), break_on_hyphens=False)


class _Line:
    """A line to write: what is offered stands in brackets before it until something is written."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.wrong = ""
        self.buffer = Buffer(accept_handler=self._accept, multiline=False, on_text_changed=self._begin_again)
        line = BufferControl(self.buffer, input_processors=[BeforeInput(self._before)])
        told = Window(FormattedTextControl(self._told), dont_extend_height=True)
        self.container = HSplit([
            Window(line, wrap_lines=True, dont_extend_height=True),
            ConditionalContainer(told, Condition(lambda: bool(self.wrong))),
        ])  # fmt: skip

    @property
    def keys(self) -> KeyBindings:
        bindings = KeyBindings()
        empty = Condition(lambda: not self.buffer.text)

        @bindings.add(Keys.Tab)
        @bindings.add(Keys.Right, filter=empty)
        def change(_event: KeyPressEvent) -> None:
            if not self.buffer.text:
                self.buffer.insert_text(self.screen.default)

        return bindings

    def _before(self) -> StyleAndTextTuples:
        offered = " ".join(self.screen.default.split())
        if not offered or self.buffer.text or get_app().is_done:
            return _head(self.screen)
        return [*_head(self.screen), ("class:offered", f"[{shown(offered)}] ")]

    def _told(self) -> str:
        return "\n".join(f"  {line}" for line in _lines(self.wrong, 2))

    def _begin_again(self, _buffer: Buffer) -> None:
        self.wrong = ""

    def _accept(self, buffer: Buffer) -> bool:
        text = self.screen.meant(buffer.text)
        self.wrong = self.screen.judge(text)
        if not self.wrong:
            buffer.text = text
            get_app().exit(result=text)
        return True  # what is written stays


class _Choice:
    """Options below each other, one of which is pointed at."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.numbered = len(screen.options) <= _NUMBERED
        self.sought = ""
        self.taken = ""
        self.at = next((n for n, option in enumerate(screen.options) if option.value == screen.default), 0)
        head = FormattedTextControl(self._head)
        options = FormattedTextControl(
            self._options, focusable=True, show_cursor=False, get_cursor_position=self._point
        )
        self.container = HSplit([
            Window(head, wrap_lines=True, dont_extend_height=True),
            ConditionalContainer(Window(options, dont_extend_height=True), ~is_done),
        ])  # fmt: skip

    @property
    def found(self) -> tuple[Option, ...]:
        """Give the options that hold what is sought."""
        return tuple(each for each in self.screen.options if self.sought.casefold() in each.label.casefold())

    @property
    def keys(self) -> KeyBindings:
        bindings = KeyBindings()

        @bindings.add(Keys.Up)
        def up(_event: KeyPressEvent) -> None:
            self.at = (self.at - 1) % max(len(self.found), 1)

        @bindings.add(Keys.Down)
        @bindings.add(Keys.Tab)
        def down(_event: KeyPressEvent) -> None:
            self.at = (self.at + 1) % max(len(self.found), 1)

        @bindings.add(Keys.Enter)
        def take(event: KeyPressEvent) -> None:
            self._take(event.app)

        @bindings.add(Keys.Backspace)
        def shorten(_event: KeyPressEvent) -> None:
            self._seek(self.sought[:-1])

        @bindings.add(Keys.Any)
        def write(event: KeyPressEvent) -> None:
            self._write(event.data, event.app)

        return bindings

    def _write(self, letter: str, application: Application[object]) -> None:
        if not self.numbered and letter.isprintable():
            self._seek(self.sought + letter)
        elif letter.isdecimal() and 0 < int(letter) <= len(self.found):
            self.at = int(letter) - 1
            self._take(application)

    def _take(self, application: Application[object]) -> None:
        if self.found:
            self.taken = self.found[self.at].label
            application.exit(result=self.found[self.at].value)

    def _seek(self, text: str) -> None:
        self.sought, self.at = text, 0

    def _head(self) -> StyleAndTextTuples:
        if get_app().is_done:
            return [*_head(self.screen), ("class:answer", shown(self.taken))]
        how = "number, or arrows and Enter" if self.numbered else "type to find, arrows and Enter"
        return [*_head(self.screen), ("class:hint", f"({how})"), ("", self.sought and f" {self.sought}")]

    def _options(self) -> StyleAndTextTuples:
        return [("class:current" if number == self.at else "", f"{line}\n") for number, line in self._drawn()]

    def _drawn(self) -> Iterator[tuple[int, str]]:
        """Give each line with the option that it belongs to."""
        for number, option in enumerate(self.found):
            name = f"{number + 1}. " if self.numbered else ""
            first, *rest = _lines(option.label, 3 + len(name)) or [""]
            yield number, f" {'»' if number == self.at else ' '} {name}{first}"
            yield from ((number, " " * (3 + len(name)) + line) for line in rest)
        if not self.found:
            yield -1, "   nothing has this in it"

    def _point(self) -> Point:
        return Point(0, next((row for row, (number, _) in enumerate(self._drawn()) if number == self.at), 0))
