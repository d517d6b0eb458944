"""Questions on a terminal that can move its cursor: the prompt library, loaded when there is something to ask.

Lives here: drawing a screen, and the keys. It draws on stderr, as stdout is for results. Must not: what is asked.
"""

import sys
from contextlib import suppress
from typing import Any

import questionary
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import create_output

from devops_tasks.errors import shown
from devops_tasks.wizard.flow import Reply
from devops_tasks.wizard.plain import heading
from devops_tasks.wizard.questions import Screen

KEYS = "Enter takes what is offered, Shift-Tab goes back, Ctrl-C stops."
_BACK = object()
_SEARCHED = 12
"""From so many options on, typing finds one."""


class Terminal:
    """Asks on a terminal, one question at a time."""

    keys = KEYS
    title = ""

    def __init__(self) -> None:
        """Choose how to draw, by what the terminal can do."""
        self.output = create_output(stdout=sys.stderr)

    def say(self, *lines: str) -> None:
        """Write lines to stderr."""
        for line in lines:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def ask(self, screen: Screen) -> Reply:
        """Show a screen until there is an answer to it that is right."""
        self.say(*heading(screen, self.title))
        self.title = screen.title
        question = self._choice(screen) if screen.options else self._text(screen)
        keys = question.application.key_bindings
        question.application.key_bindings = merge_key_bindings([keys, _keys()] if keys else [_keys()])
        try:
            answer = question.unsafe_ask()
        except (EOFError, KeyboardInterrupt):
            self._leave()
            raise
        return Reply(back=True) if answer is _BACK else Reply(str(answer).strip())

    def _leave(self) -> None:
        """Go below the question that is left: a signal may come in the middle of drawing it."""
        with suppress(OSError):  # the terminal may be gone
            self.output.write_raw("\r\n")
            self.output.erase_down()
            self.output.flush()

    def _text(self, screen: Screen) -> questionary.Question:
        def judge(text: str) -> bool | str:
            return screen.judge(text.strip()) or True

        return questionary.text(
            shown(screen.message),
            default=screen.default,
            validate=judge,
            validate_while_typing=False,  # an answer is judged when it is given
            output=self.output,
        )

    def _choice(self, screen: Screen) -> questionary.Question:
        options = [questionary.Choice(option.label, option.value) for option in screen.options]
        many = len(options) > _SEARCHED
        found = [option for option in options if option.value == screen.default]
        kept: dict[str, Any] = {"use_search_filter": many, "use_jk_keys": not many, "output": self.output}
        return questionary.select(shown(screen.message), options, default=found[0] if found else None, **kept)


def _keys() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add(Keys.BackTab, eager=True)
    def back(event: KeyPressEvent) -> None:
        event.app.exit(result=_BACK)

    @bindings.add(Keys.ControlD, eager=True)
    def end(event: KeyPressEvent) -> None:
        event.app.exit(exception=EOFError)

    return bindings
