"""Asks for what a spec needs; the only room that knows a terminal.

Lives here: questions, in the words, with the limits and the defaults of the spec's fields. Each answer is judged by the
whole spec, as far as it has been answered. Must not: validation of its own, writing files.
"""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from devops_tasks.defaults import complete
from devops_tasks.errors import KeyPath, Problem, UserError, key_text
from devops_tasks.fields import Field, Kind, Tree, required_keys
from devops_tasks.spec import Feature, Service, Spec
from devops_tasks.specfile import Source, load_spec

_NAME: KeyPath = ("feature", "name")
_SLUG: KeyPath = ("feature", "slug")
_WELCOME = (
    "Six questions and your services make a spec; everything else has a default that you can change in the file.\n"
    "Nothing is written before the last answer. Ctrl-C stops."
)


def check_terminal(where: str, *, no_input: bool) -> None:
    """Refuse to ask where nobody would answer; raises ``UserError`` with the keys to write into the file instead."""
    if no_input:
        why = "was told not to ask"
    elif os.environ.get("CI"):
        why = "does not ask in CI"
    elif not (sys.stdin.isatty() and sys.stderr.isatty()):
        why = "has no terminal to ask on"
    else:
        return
    mend = f"write these keys into {where}, then run: devops-tasks generate {where}"
    raise UserError(Problem("init", why, mend, "no-terminal"), *_missing(where))


def _missing(where: str) -> Iterator[Problem]:
    for path, field in required_keys(Spec):
        mend = f"for example {path[-1]}: {field.example}"
        yield Problem(where, f"required: {field.doc}", mend, "missing-key", key=key_text(path))


def ask_spec() -> Tree:
    """Ask for the required keys and the services, and give the tree of what was answered.

    Raises ``KeyboardInterrupt`` or ``EOFError`` when the person stops.
    """
    prompt = _Prompt()
    print(_WELCOME, file=sys.stderr)  # noqa: T201 - the room that talks
    answers: Tree = {}
    for path, field in required_keys(Spec):
        answers = _ask(prompt, answers, path, field)
        if path == _NAME and complaint(answers, _SLUG):
            answers = _ask(prompt, answers, _SLUG, Feature.fields["slug"])
    return _ask_services(prompt, answers)


class _Prompt:
    """The prompt library, loaded when there is something to ask; it draws on stderr, as stdout is for results."""

    def __init__(self) -> None:
        import questionary
        from prompt_toolkit.output import create_output

        self.library = questionary
        self.output = create_output(stdout=sys.stderr)

    def text(self, message: str, question: "_Question") -> str:
        """Ask for a line of text until it is valid."""
        hint = f"(for example {question.sample})" if question.sample else None
        asked = self.library.text(
            message,
            default=question.default,
            validate=question.judge,
            validate_while_typing=False,  # an answer is judged when it is given
            instruction=hint,
            output=self.output,
        )
        return str(asked.unsafe_ask()).strip()

    def choice(self, message: str, choices: tuple[str, ...], default: str) -> str:
        """Ask for one of some words."""
        return str(self.library.select(message, choices=choices, default=default, output=self.output).unsafe_ask())

    def confirm(self, message: str) -> bool:
        """Ask for a yes or no; no by default."""
        return bool(self.library.confirm(message, default=False, output=self.output).unsafe_ask())


class _Question(NamedTuple):
    """What a line of text is asked with; ``judge`` gives True, or what is wrong."""

    judge: Callable[[str], bool | str]
    default: str = ""
    sample: str = ""


def _ask(prompt: _Prompt, answers: Tree, path: KeyPath, field: Field) -> Tree:
    def judge(text: str) -> bool | str:
        return complaint(put(answers, path, text.strip()), path) or True

    question = _Question(judge, sample=field.sample if isinstance(field.sample, str) else "")
    return put(answers, path, prompt.text(field.question, question))


def _ask_services(prompt: _Prompt, answers: Tree) -> Tree:
    fields = Service.fields
    more = True
    while more:
        index = len(answers.get("services", []))
        path: KeyPath = ("services", index)

        def judge(text: str, path: KeyPath = path, answers: Tree = answers) -> bool | str:
            return complaint(put(answers, path, {"name": text.strip()}), path) or True

        default = _complete(answers)["services"][0]["name"] if index == 0 else ""
        name = prompt.text(fields["name"].question, _Question(judge, default))
        kind = fields["kind"]
        assert isinstance(kind.shape, Kind)  # noqa: S101 - for the type checker
        answer = prompt.choice(kind.question, kind.shape.choices, str(kind.default))
        answers = put(answers, path, {"name": name, "kind": answer})
        more = prompt.confirm("Add another service?")
    return answers


def complaint(answers: Tree, path: KeyPath) -> str:
    """Say what is wrong with the answer at a path, by the whole spec; empty when nothing is.

    What was not asked yet is taken from the examples. A name of which no slug can be made is no fault of the name.
    """
    try:
        load_spec(Source("", _with_examples(answers), {}))
    except UserError as error:
        problems = [problem for problem in error.problems if path != _NAME or problem.key != key_text(_SLUG)]
        return next((_message(problem, key_text(path)) for problem in problems), "")
    return ""


def _message(problem: Problem, asked: str) -> str:
    """Leave out the place: it is before the person's eyes, unless another key is at fault."""
    key = "" if problem.key.startswith(asked) else problem.key
    return str(problem._replace(where="", line=0, key=key))


def _complete(answers: Tree) -> Tree:
    return complete(_with_examples(answers))


def _with_examples(answers: Tree) -> Tree:
    tree: Tree = {}
    for path, field in required_keys(Spec):
        tree = put(tree, path, field.sample)
    return _overlay(tree, answers)


def _overlay(under: Tree, over: Tree) -> Tree:
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    return under | {name: _overlay(under.get(name), value) for name, value in over.items()}


def put(tree: Tree, path: KeyPath, value: Tree) -> Tree:
    """Put a value into a tree, making the groups and the list items on the way; the tree itself stays as it is."""
    if not path:
        return value
    step, *rest = path
    if isinstance(step, int):
        items: list[Any] = list(tree or [])
        inner = items[step] if step < len(items) else None
        return [*items[:step], put(inner, tuple(rest), value), *items[step + 1 :]]
    return {**(tree or {}), step: put((tree or {}).get(step), tuple(rest), value)}
