"""Asks for what a spec needs; the only room that knows a terminal.

The questions come from the spec's fields (``questions``), the way through them is a machine of values (``flow``), and a
terminal is one of two ways to show it (``terminal``, ``plain``). Lives here: the conversation, from the first screen to
what the person decided. Must not: validation of its own, writing a spec or a bundle.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from devops_tasks.disk import check_free
from devops_tasks.errors import Problem, UserError, key_text
from devops_tasks.fields import Tree, prune
from devops_tasks.reading import nearest_above
from devops_tasks.runs import DEFAULTS
from devops_tasks.spec import SPEC
from devops_tasks.wizard.answers import Answers, aligned, give, leaves, misread, missing, overlay
from devops_tasks.wizard.draft import Draft, Left, draft_of
from devops_tasks.wizard.flow import Look, Outlook, Reply, State, begin, questions_of, resume, screen_of, step
from devops_tasks.wizard.questions import GROUPS, Option, Screen

if TYPE_CHECKING:
    from devops_tasks.render import Renderer
    from devops_tasks.specfile import Source

__all__ = ["Decision", "Errand", "decide", "misread"]


class Front(Protocol):
    """One way to ask: ``ask`` raises ``KeyboardInterrupt`` or ``EOFError`` when the person stops."""

    keys: str

    def close(self) -> None:
        """Leave the terminal as it was."""

    def say(self, *lines: str) -> None:
        """Write lines."""

    def ask(self, screen: Screen) -> Reply:
        """Show a screen until there is an answer to it that is right."""


class Errand(NamedTuple):
    """What is to be asked: for which file, what is known already, how much of the rest, and how to ask."""

    file: Path
    known: Tree
    renderer: "Callable[[], Renderer]"
    today: str = ""
    defaults: bool = False
    plain: bool = False
    no_input: bool = False
    command: str = ""
    """What asks, where that is not ``init`` of the file."""
    packs: tuple[Path, ...] = ()
    """Template packs besides those that the spec names."""


class Decision(NamedTuple):
    """What the person decided: ``write`` (the spec and its bundle), ``spec`` (the spec alone), ``save`` or ``cancel``.

    ``stopped`` is what Ctrl-C, Ctrl-D or a closed terminal make of it: the answers are kept. ``base`` is what the file
    held before, nothing where there was none.
    """

    what: str
    file: Path
    base: bytes = b""
    answers: Tree = None
    inherits: bool = False
    draft: Draft | None = None
    asking: str = ""

    @property
    def again(self) -> str:
        """Give the command that goes on, or begins anew."""
        return self.asking or f"devops-tasks init {shlex.quote(str(self.file))}"

    @property
    def farewell(self) -> str:
        """Say how to go on after a conversation that ended without a spec."""
        again = self.again
        if self.what == "cancel":
            return "the answers were thrown away, and nothing was written"
        if not self.answers or self.draft is None:
            return f"stopped, and nothing was written; begin again with: {again}"
        if self.draft.path is None:
            return f"stopped; your answers could not be kept, since there is no private folder; begin with: {again}"
        return f"stopped; your answers are kept, go on with: {again}"

    def command(self, today: str) -> str:
        """Give the command that does the same without a question."""
        from devops_tasks.specfile import assignments_of
        from devops_tasks.spectext import essential, ordered

        dated = f" --today {today}" if today else ""
        made = None
        if not self.base:  # a default of ours may be none of what is inherited
            made = assignments_of(ordered(self.answers) if self.inherits else essential(self.answers))
        if made is None or self.what != "write":
            return f"devops-tasks generate {shlex.quote(str(self.file))}{dated}"
        sets = "".join(f" --set {shlex.quote(each)}" for each in made)
        return f"{self.again} --no-input{sets}{dated}"

    def forget(self) -> None:
        """Throw the draft away: it has become a spec."""
        if self.draft:
            self.draft.forget()


def decide(errand: Errand) -> Decision:
    """Ask a person, or take what is known where nobody is there or nothing is to be asked.

    Raises ``UserError`` where a required key is not known and nobody can be asked, with what to write.
    """
    known = Answers(errand.known, _inherited(errand.file, errand.known))
    lacking = list(_missing(str(errand.file), known))
    why_not = _why_not(no_input=errand.no_input)
    if not why_not and (lacking or not errand.defaults):
        return _converse(errand)
    check_free(errand.file)
    if lacking:
        raise UserError(_unasked(errand, why_not), *lacking)
    inherits = known.inherited is not None
    return Decision("write", errand.file, answers=errand.known, inherits=inherits, asking=errand.command)


def _unasked(errand: Errand, why_not: str) -> Problem:
    if errand.command:
        return Problem("new", why_not, "give these keys with --set, or name a spec that has them", "no-terminal")
    mend = f"write these keys into {errand.file}, then run: devops-tasks generate {shlex.quote(str(errand.file))}"
    return Problem("init", why_not, mend, "no-terminal")


def _why_not(*, no_input: bool) -> str:
    """Say why nobody can be asked; empty where somebody can."""
    if no_input:
        return "was told not to ask"
    if os.environ.get("CI"):
        return "does not ask in CI"
    return "" if sys.stdin.isatty() and sys.stderr.isatty() else "has no terminal to ask on"


def _inherited(file: Path, tree: Tree) -> "Source | None":
    """Read what a spec inherits; None where there is nothing, which most specs need not load anything for."""
    near = "" if file.name == DEFAULTS else nearest_above(file, DEFAULTS)
    own = {name: tree[name] for name in ("extends",) if name in tree}
    if not near and not own:
        return None
    from devops_tasks.inherit import inherit
    from devops_tasks.specfile import Source, refuse

    source = inherit(Source(str(file), own, {}), near, file)
    if source.problems:
        raise UserError(*source.problems)
    refuse(source, misread(source.tree))
    return source if source.layers else None


def _missing(where: str, answers: Answers) -> Iterator[Problem]:
    for path, field in missing(SPEC, answers.laid):
        mend = f"for example {path[-1]}: {field.example}"
        yield Problem(where, f"required: {field.doc}", mend, "missing-key", key=key_text(path))


def _converse(errand: Errand) -> Decision:
    """Ask until the person has decided; every answer is on disk before the next question."""
    front = _front(plain=errand.plain)
    decision = Decision("stopped", errand.file, asking=errand.command)
    try:
        decision = _choose_file(front, errand)._replace(asking=errand.command)
        draft = draft_of(decision.file, decision.base)
        pace = "required" if errand.defaults or decision.base else "open" if errand.known else "all"
        answers = aligned(Answers(decision.answers, _inherited(decision.file, decision.answers)))
        state = _opening(front, begin(answers, pace), draft, errand.known)
        decision = decision._replace(draft=draft, inherits=answers.inherited is not None)
        for answered in _pack_answers(front, errand, decision.file, state):
            state = answered
            decision = decision._replace(answers=state.answers.tree)
            draft.keep(state)
        look = _Late(errand, decision.file)
        while not state.outcome:
            decision = decision._replace(answers=state.answers.tree)
            state = step(state, front.ask(screen_of(state, look)))
            draft.keep(state)
        if state.outcome == "cancel":
            draft.forget()
        return decision._replace(what=state.outcome)
    except (EOFError, KeyboardInterrupt):
        return decision
    finally:
        front.close()


def _pack_answers(front: Front, errand: Errand, file: Path, state: State) -> Iterator[State]:
    """Ask what template packs want to know, where there may be any, and give the state after each answer."""
    if not (errand.packs or nearest_above(file, DEFAULTS) or {"pack", "extends"} & set(state.answers.tree)):
        return
    from devops_tasks.wizard.pack_questions import pack_screens

    screens = list(pack_screens(file, state.answers.tree, errand.packs, needed=state.pace == "required"))
    said: list[str] = []
    while len(said) < len(screens):
        path, screen = screens[len(said)]
        former = state.answers.at(path)
        reply = front.ask(screen if former is None else screen._replace(default=former))
        if reply.back:
            said = said[:-1]
            continue
        said.append(reply.text)
        given = reply.text not in {"", screen.default}
        if given or former is not None:
            state = state._replace(answers=give(state.answers, path, reply.text if given else ""))
            yield state


class _Late:
    """Looks at what would come of the answers; what that needs is loaded at the first look."""

    def __init__(self, errand: Errand, file: Path) -> None:
        self.errand = errand
        self.file = file
        self.made: Look | None = None

    def __call__(self, answers: Answers) -> Outlook:
        from devops_tasks.wizard.outlook import looking_at

        errand = self.errand
        self.made = self.made or looking_at(errand.renderer(), self.file, errand.today, errand.packs)
        return self.made(answers)


def _front(*, plain: bool) -> Front:
    if plain or os.environ.get("TERM", "dumb") == "dumb":
        from devops_tasks.wizard.plain import Plain

        return Plain()
    from devops_tasks.wizard.terminal import Terminal

    return Terminal()


def _choose_file(front: Front, errand: Errand) -> Decision:
    """Settle which file is written: a new one, or one that is there and is to be edited."""
    file = errand.file
    while file.exists() or file.is_symlink():
        options = (
            Option("edit", "edit it: its comments and its order stay"),
            Option("other", "write another file"),
            Option("stop", "stop"),
        )
        what = front.ask(Screen(str(file), f"{file} is there already. Edit it?", "", "edit", options)).text
        if what == "edit":
            return _existing(file, errand)
        if what != "other":
            raise EOFError
        file = Path(front.ask(Screen("A new file", "What shall it be called?", judge=_judge_name)).text)
    check_free(file)
    return Decision("stopped", file, answers=errand.known)


def _judge_name(name: str) -> str:
    try:
        check_free(Path(name))
    except UserError as error:
        return str(error)
    return "" if name else "expected the name of a file"


def _existing(file: Path, errand: Errand) -> Decision:
    from devops_tasks.specfile import read_spec, refuse

    source = read_spec(file)
    if source.problems:
        raise UserError(*source.problems)
    refuse(source, misread(source.tree))
    return Decision("stopped", file, file.read_bytes(), overlay(prune(source.tree), errand.known))


def _opening(front: Front, fresh: State, draft: Draft, known: Tree) -> State:
    """Go on with what an earlier run has left, or say what will happen and begin."""
    left = draft.find()
    if left and _resume(front, left, draft.file):
        under = fresh.answers.tree if left.outdated else {}
        kept = overlay(under, left.state.answers.tree)
        answers = overlay(kept, known)
        front.say(*_overruled(kept, answers))
        return resume(left.state._replace(answers=fresh.answers._replace(tree=answers)))
    front.say(*_welcome(fresh, front.keys))
    return fresh


def _resume(front: Front, left: Left, file: str) -> bool:
    count = sum(1 for _ in leaves(left.state.answers.tree))
    told = "An earlier run was stopped; its answers were kept. Go on with them?"
    if left.outdated:
        name = Path(file).name
        told = f"An earlier run was stopped, and {name} was changed since. Lay the kept answers over what it says now?"
    options = (Option("resume", f"go on with {count} answers"), Option("anew", "begin anew"))
    return front.ask(Screen("Welcome back", told, "", "resume", options)).text != "anew"


def _overruled(kept: Tree, answers: Tree) -> Iterator[str]:
    """Tell which of the answers that were kept are others now."""
    before = dict(leaves(kept))
    for path, value in leaves(answers):
        if path in before and before[path] != value:
            yield f"{key_text(path)}: {value} instead of {before[path]}, as the command says"


def _welcome(state: State, keys: str) -> Iterator[str]:
    if state.answers.inherited:
        yield f"What is inherited is offered as the default: {', '.join(state.answers.inherited.layers)}."
    if state.place.kind == "review":
        yield keys
        return
    count = f"{questions_of(state)} questions in {len(GROUPS)} groups"
    yield f"{count} make a spec and its bundle, in five to fifteen minutes."
    yield "Nothing is written before you have seen what it would be, and every answer is kept if you stop."
    yield keys
