"""The floor under many bundles: one Jinja environment, values that are ready, plain writes, and nothing else.

`prepare SPEC... VALUES` plans the specs and keeps the values that their templates print; `loop VALUES FOLDER` renders
them and writes. No spec is read, nothing is checked, no digest is taken, no file is put in place in one step.
"""

from __future__ import annotations

import json
import marshal
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from devops_tasks.filters import FILTERS
from devops_tasks.render import PLURALS, excerpt, templates_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCUMENT = "tasks.md.j2"
LANGUAGES = {"yml": "yaml", "yaml": "yaml", "sh": "bash", "sql": "sql", "json": "json", "md": "markdown"}
Values = dict[str, Any]


class Environment(jinja2.Environment):
    """Looks up names in dicts as keys, which is also the quickest."""

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - whatever a template holds
        """Find a name in a value."""
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


def environment() -> jinja2.Environment:
    """Set Jinja up as the program does, compiled templates included."""
    compiled = Path(os.environ["XDG_CACHE_HOME"], "loop")
    compiled.mkdir(parents=True, exist_ok=True)
    made = Environment(
        loader=jinja2.FileSystemLoader(templates_folder()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        cache_size=-1,
        bytecode_cache=jinja2.FileSystemBytecodeCache(str(compiled)),
    )
    made.filters.update(FILTERS)
    return made


def names() -> list[str]:
    """List the templates that make files, the document last."""
    paths = (path.relative_to(templates_folder()) for path in templates_folder().rglob("*.j2"))
    found = (path.as_posix() for path in paths if not any(step.startswith("_") for step in path.parts))
    return sorted(found, key=lambda name: (name == DOCUMENT, name))


def rendered(jinja: jinja2.Environment, templates: list[str], values: Values) -> dict[str, str]:
    """Render every template; what is blank makes no file."""
    files: dict[str, str] = {}
    for name in templates:
        if name == DOCUMENT:
            values = {**values, "files": sorted(files), "show": shower(files)}
        for path, text in expanded(jinja.get_template(name), name.removesuffix(".j2"), values):
            if text.strip():
                files[path] = text.strip("\n") + "\n"
    return files


def expanded(template: jinja2.Template, path: str, values: Values) -> Iterator[tuple[str, str]]:
    """Render a template once, or once for each item of the list that its path names."""
    if "{" not in path:
        yield path, template.render(values)
        return
    word = path.partition("{")[2].partition("}")[0]
    for item in values[PLURALS[word]]:
        yield path.replace(f"{{{word}}}", item["name"]), template.render({**values, word: item})


def shower(files: dict[str, str]) -> Callable[..., Values]:
    """Give the function by which the document shows other files."""

    def show(path: str, start: str = "") -> Values:
        text = files[path]
        shown = excerpt(text, start)
        language = LANGUAGES.get(path.rpartition(".")[2], "text")
        return {"path": path, "text": shown.rstrip("\n"), "whole": shown == text, "language": language}

    return show


def loop(values: Path, folder: Path) -> None:
    """Render and write."""
    jinja, templates = environment(), names()
    for name, plan in marshal.loads(values.read_bytes()).items():  # noqa: S302 - our own file, made a moment ago
        for path, text in rendered(jinja, templates, plan).items():
            place = folder / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("w", encoding="utf-8") as file:
                file.write(text)


def prepare(specs: list[Path], values: Path) -> None:
    """Keep the values of some specs, by slug, in the form that is read quickest."""
    from devops_tasks.plan import plan_bundle
    from devops_tasks.specfile import load_spec, read_spec

    loaded = [load_spec(read_spec(spec)).spec for spec in specs]
    plans = {spec.feature.slug: json.loads(json.dumps(plan_bundle(spec))) for spec in loaded}
    values.write_bytes(marshal.dumps(plans))


if __name__ == "__main__":
    command, *paths = sys.argv[1:]
    if command == "prepare":
        prepare([Path(path) for path in paths[:-1]], Path(paths[-1]))
    else:
        loop(Path(paths[0]), Path(paths[1]))
