"""Questions on a terminal that can move its cursor: the prompt library, loaded when there is something to ask.

Lives here: drawing a screen, and the keys. It draws on stderr, as stdout is for results. Must not: what is asked.
"""

import sys
from contextlib import suppress
from textwrap import wrap

import questionary
from prompt_toolkit.input import create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import create_output

from devops_tasks.errors import shown
from devops_tasks.wizard.flow import Reply
from devops_tasks.wizard.plain import heading
from devops_tasks.wizard.questions import Screen

KEYS = "Enter takes what is offered, Tab lets you change it, Shift-Tab goes back, Ctrl-C stops."
_BACK = object()
_NUMBERED = 9
"""So many options have a number that points at one; of more, typing finds one."""
_STYLE = questionary.Style([
    ("qmark", "ansigreen bold"), ("answer", "ansicyan"), ("highlighted", "bold"),
    ("instruction", "ansibrightblack"), ("placeholder", "ansibrightblack"),
])  # fmt: skip


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
        text = ""
        while True:
            answer = self._answer(self._choice(screen) if screen.options else self._line(screen, text))
            if answer is _BACK:
                return Reply(back=True)
            text = str(answer) if screen.options else screen.meant(str(answer))
            wrong = screen.judge(text)
            if not wrong:
                return Reply(text)
            self.say(*(f"  {line}" for line in self._lines(wrong, 2)))

    def _answer(self, question: questionary.Question) -> object:
        try:
            return question.unsafe_ask()
        except (EOFError, KeyboardInterrupt):
            self._leave()
            raise

    def _leave(self) -> None:
        """Go below the question that is left: a signal may come in the middle of drawing it."""
        with suppress(OSError):  # the terminal may be gone
            self.output.write_raw("\r\n")
            self.output.erase_down()
            self.output.flush()

    def _line(self, screen: Screen, text: str) -> questionary.Question:
        """Make a line to write: what is offered stands in brackets until something is written."""
        offered = shown(" ".join(screen.default.split()))
        question = questionary.text(
            shown(screen.message),
            default=text,
            placeholder=[("class:placeholder", f"[{offered}] " if offered else "")],
            style=_STYLE,
            input=self.input,
            output=self.output,
        )
        return _with_keys(question, _line_keys(screen))

    def _choice(self, screen: Screen) -> questionary.Question:
        """Make options below each other, one of which is pointed at."""
        numbered = len(screen.options) <= _NUMBERED
        options = [
            questionary.Choice("\n".join(self._lines(option.label, 6) or [""]).replace("\n", "\n      "), option.value)
            for option in screen.options
        ]
        offered = next((option for option in options if option.value == screen.default), None)
        question = questionary.select(
            shown(screen.message),
            options,
            default=offered,
            instruction="(a number or arrows, then Enter)" if numbered else "(type to find)",
            use_shortcuts=numbered,
            use_search_filter=not numbered,
            use_jk_keys=False,
            style=_STYLE,
            input=self.input,
            output=self.output,
        )
        return _with_keys(question)

    def _lines(self, text: str, indent: int) -> list[str]:
        """Break a text between words, by the width that the terminal has now."""
        return wrap(shown(text), max(self.output.get_size().columns - indent - 1, 20), break_on_hyphens=False)


def _with_keys(question: questionary.Question, *own: KeyBindings) -> questionary.Question:
    """Let keys of ours go before those of a question."""
    theirs = question.application.key_bindings
    question.application.key_bindings = merge_key_bindings([*([theirs] if theirs else []), *own, _keys()])
    return question


def _keys() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add(Keys.BackTab, eager=True)
    def back(event: KeyPressEvent) -> None:
        event.app.exit(result=_BACK)

    @bindings.add(Keys.ControlD, eager=True)
    def end(event: KeyPressEvent) -> None:
        event.app.exit(exception=EOFError)

    return bindings


def _line_keys(screen: Screen) -> KeyBindings:
    """Put what is offered into an empty line, when a person wants to change it and when it is taken."""
    bindings = KeyBindings()

    def fill(event: KeyPressEvent) -> None:
        if not event.current_buffer.text:
            event.current_buffer.insert_text(screen.default)

    @bindings.add(Keys.Tab, eager=True)
    def change(event: KeyPressEvent) -> None:
        fill(event)

    @bindings.add(Keys.Right, eager=True)
    def change_or_move(event: KeyPressEvent) -> None:
        event.current_buffer.cursor_right()
        fill(event)

    @bindings.add(Keys.Enter, eager=True)
    def take(event: KeyPressEvent) -> None:
        fill(event)
        event.current_buffer.validate_and_handle()

    return bindings
