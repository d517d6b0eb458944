"""A team's own cookiecutter template, rendered into a folder that is still to be put in its place.

It answers the template's variables from the spec and asks nothing; no hook is run, no extension of the template loaded
and nothing of the machine's own configuration read. It is rendered in a process of its own, which can write into that
folder and nowhere else. Must not: fetching a template.
"""

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from devops_tasks.errors import Problem, UserError
from devops_tasks.fields import Tree
from devops_tasks.packs import contained, refuse_collisions
from devops_tasks.packs.budget import LIMITS, run_within
from devops_tasks.reading import reason

_ANSWERS = "_answers"
_PREFIX = "feature_"
_OWN_PREFIXES = ("", "project_")
"""What a template may write in place of ``feature_``."""

_EXTENSIONS = ("jinja2.ext.", "cookiecutter.extensions.")
_WRITING = frozenset({
    *("os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.removexattr", "os.rename", "os.rmdir"),
    *("os.setxattr", "os.truncate", "os.utime"),
})  # fmt: skip
_REFUSED = (
    *("os.exec", "os.fork", "os.kill", "os.posix_spawn", "os.spawn", "os.symlink", "os.system", "os.startfile", "pty."),
    *("ctypes.", "socket.", "subprocess."),
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def answers_of(tree: Tree) -> dict[str, str]:
    """Name every value of a complete spec as a template may ask for it: its key, with ``_`` between the words.

    ``feature_`` may be left out, or be ``project_``: ``feature.slug`` is feature_slug, project_slug and slug.
    """
    named = dict(_named(tree, ""))
    own = {name: text for name, text in named.items() if name.startswith(_PREFIX)}
    return {prefix + name.removeprefix(_PREFIX): text for prefix in _OWN_PREFIXES for name, text in own.items()} | named


def _named(tree: Tree, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _named(value, f"{name}_{key}" if name else key)
    elif isinstance(tree, str):
        yield name, tree


def render_project(template: Path, answers: Mapping[str, str], folder: Path, taken: list[str]) -> list[str]:
    """Render a template into an empty folder, and give the paths of its files there.

    ``taken`` are the names that will be beside them. Raises ``UserError`` where the template cannot be used.
    """
    if not template.is_dir():
        mend = "name a folder on this machine; nothing is fetched"
        raise UserError(Problem(str(template), "is no folder of a cookiecutter template", mend, "cookiecutter"))
    if find_spec("cookiecutter") is None:
        what, mend = "needs cookiecutter, which is not installed", "pip install 'devops-tasks[cookiecutter]'"
        raise UserError(Problem("--cookiecutter", what, mend, "cookiecutter"))
    limits = LIMITS._replace(written_bytes=LIMITS.output_bytes)
    run_within(limits, str(template), lambda: _told(template, answers, folder))
    paths = sorted(_files(folder, str(template)))
    for top in sorted({path.partition("/")[0] for path in paths} & set(taken)):
        what = f"makes {top}, which is made here already"
        raise UserError(Problem(str(template), what, "give the folder of the template another name", "cookiecutter"))
    refuse_collisions([*taken, *paths], str(template))
    return paths


def _told(template: Path, answers: Mapping[str, str], folder: Path) -> None:
    """Render, as the child; whatever goes wrong in somebody else's template is a fault of the template."""
    sys.dont_write_bytecode = True
    try:
        _render(template, answers, folder)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - the library's, Jinja's, the system's
        told = reason(error) if isinstance(error, OSError) else _why(error)
        raise UserError(
            Problem(str(template), f"cannot be rendered: {told}", "mend the template", "cookiecutter")
        ) from None


def _why(error: Exception) -> str:
    """Say what is wrong without the whole context, which the library tells as well."""
    first = getattr(error, "message", None) or str(error).partition("\n")[0] or type(error).__name__
    inner = getattr(error, "error", None)
    return f"{first}: {inner}" if inner else str(first)


def _render(template: Path, answers: Mapping[str, str], folder: Path) -> None:
    """Render by the library's own steps; its way in as a whole reads and writes the user's folders."""
    from cookiecutter.find import find_template
    from cookiecutter.generate import generate_context, generate_files
    from cookiecutter.prompt import prompt_for_config
    from cookiecutter.utils import create_env_with_context

    variables = template / "cookiecutter.json"
    _refuse_link(variables)
    context = generate_context(str(variables))
    context["cookiecutter"] = _answered(context["cookiecutter"], answers, str(variables))
    _refuse_links(template, Path(find_template(template, create_env_with_context(context))))
    _confine(folder, str(template))
    context["cookiecutter"] = prompt_for_config(context, no_input=True)
    del context["cookiecutter"][_ANSWERS]
    context["cookiecutter"]["_template"] = template.name
    generate_files(template, context, folder, accept_hooks=False, keep_project_on_failure=True)


def _answered(variables: Mapping[str, Any], answers: Mapping[str, str], where: str) -> dict[str, Any]:
    """Answer those variables of a template that the spec knows.

    A default is itself a template, and an answer is not: it is handed over beside the variables, which only name it.
    """
    _refuse_code(variables, where)
    marks = variables.get("_jinja2_env_vars", {})
    begin, end = marks.get("variable_start_string", "{{"), marks.get("variable_end_string", "}}")
    asked = [name for name in variables if name in answers and not name.startswith("_")]
    given = {name: _answer(name, variables[name], answers[name], where) for name in asked}
    named = {name: f"{begin} cookiecutter.{_ANSWERS}.{name} {end}" for name in asked}
    bare = {name: value for name, value in given.items() if isinstance(value, bool)}
    return {_ANSWERS: given, **variables, **named, **bare}


def _answer(name: str, default: object, text: str, where: str) -> object:
    """Give an answer as its variable takes it; raises ``UserError`` where it takes another one only."""
    choices = ["true", "false"] if isinstance(default, bool) else default if isinstance(default, list) else [text]
    if isinstance(default, dict) or text not in choices:
        takes = "a group of values" if isinstance(default, dict) else " or ".join(map(str, choices))
        what = f"{name} takes {takes}, and the spec has {text}"
        raise UserError(Problem(where, what, "change one of them, or give the variable another name", "cookiecutter"))
    return text == "true" if isinstance(default, bool) else text


def _refuse_code(variables: Mapping[str, Any], where: str) -> None:
    """Refuse what would load code of the template, and a folder of several templates, of which one would be chosen."""
    foreign = [name for name in variables.get("_extensions", []) if not str(name).startswith(_EXTENSIONS)]
    if foreign:
        what = f"loads {foreign[0]}: an extension is a program, and none is run"
        raise UserError(Problem(where, what, "take it out of _extensions", "cookiecutter"))
    if {"template", "templates"} & set(variables):
        raise UserError(Problem(where, "names several templates", "name the folder of one of them", "cookiecutter"))


def _refuse_links(template: Path, top: Path) -> None:
    """Refuse links, pipes and devices in what is rendered, and in what it may include."""
    for start in (top, template / "templates"):
        if start.is_symlink() or start.exists():
            _refuse_link(start)
        for place, folders, names in os.walk(start):
            for name in (*folders, *names):
                _refuse_link(Path(place, name))


def _refuse_link(path: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        raise UserError(
            Problem(str(path), "is a link, and links are not followed", "put the file itself there", "cookiecutter")
        )
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UserError(Problem(str(path), "is a pipe or a device, not a file", "remove it", "cookiecutter"))


def _confine(folder: Path, where: str) -> None:
    """Refuse, for the rest of this process, to write outside a folder, to start a program and to use the network."""
    inside = os.path.realpath(folder) + os.sep

    def judge(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise UserError(Problem(where, f"does more than write files ({event})", "take it out", "cookiecutter"))
        if event in _WRITING or (event == "open" and _is_writing(arguments)):
            for path in arguments[: 2 if event in {"os.rename", "os.link"} else 1]:
                if not f"{os.path.realpath(path)}{os.sep}".startswith(inside):
                    what = f"would write {os.fsdecode(path)}, which is outside of its folder"
                    raise UserError(Problem(where, what, "see what its names are rendered to", "cookiecutter"))

    sys.addaudithook(judge)


def _is_writing(arguments: tuple[Any, ...]) -> bool:
    path, _, flags = arguments
    return isinstance(path, str | bytes) and isinstance(flags, int) and bool(flags & _WRITES)


def _files(folder: Path, where: str) -> Iterator[str]:
    """Walk what was rendered, and refuse what is no name of a file everywhere."""
    for path in folder.rglob("*"):
        name = contained(path.relative_to(folder).as_posix(), where)
        if not path.is_dir():
            yield name
