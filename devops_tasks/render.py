"""Plan to text: every template of the tree becomes the files of the bundle.

Lives here: the Jinja environment, the templates in compiled form, the expansion of ``{service}`` in a template's path,
and the parts of files that the document shows. Must not: arithmetic, decisions, writing a bundle.
"""

import marshal
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from devops_tasks import __version__
from devops_tasks.cache import cache_key, read_cached, write_cached
from devops_tasks.filters import FILTERS

if TYPE_CHECKING:
    from types import CodeType

DOCUMENT = "tasks.md"
SHOWN_LINES = 60
TELLING_LINES = 20
_DOCUMENT_BORDER = "---\n"
PLACEHOLDER = re.compile(r"\{(\w+)\}")
_LANGUAGES = {"yml": "yaml", "yaml": "yaml", "sh": "bash", "sql": "sql", "json": "json", "md": "markdown"}

Data = Any
"""A value of the plan: dict, list, text, whole number, boolean or None."""

Files = dict[str, str]
"""A bundle in memory: POSIX path inside the bundle to text."""


OPTIONS: dict[str, Any] = {
    "undefined": jinja2.StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    "auto_reload": False,
    "cache_size": -1,
}
"""How every template of the tool is read, those of a pack too."""


class _Environment(jinja2.Environment):
    """Looks up names in dicts as keys only: the plan is plain data, and its keys may be called ``items``."""

    def getattr(self, obj: Data, attribute: str) -> Data:
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


def templates_folder() -> Path:
    """Find the built-in templates: inside the package when installed, beside it in a checkout."""
    packaged = Path(__file__).parent / "templates"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "templates"


class Templates(jinja2.BaseLoader):
    """The templates of a folder, and their compiled form, which the user's cache keeps all in one entry.

    What is there was made from these very sources by this very version: the entry is named after both, so nothing asks
    again for each template. The filters are named too, because Jinja applies them to constants when it compiles.
    """

    def __init__(self, folder: Path, cache: Path | None, *dialect: bytes) -> None:
        """Read a folder; ``dialect`` is what else the compiled form depends on."""
        self.folder = folder
        sources = dict(sorted(_read_templates(str(folder))))
        self.names = list(sources)
        texts = (part for row in sources.items() for part in row)
        filters = Path(__file__).with_name("filters.py").read_bytes()
        self.cache = cache
        self.key = cache_key("templates", __version__, jinja2.__version__, filters, str(folder), *dialect, *texts)
        kept = read_cached(cache, self.key) if cache else None
        self.kept: dict[str, bytes] = marshal.loads(kept) if kept else {}  # noqa: S302 - nobody else's, see `cache`
        self.codes: dict[str, CodeType] = {}
        self.grown = False

    @cached_property
    def sources(self) -> dict[str, bytes]:
        """Read the templates again, where they are needed as they were written: they are not kept in memory."""
        return dict(sorted(_read_templates(str(self.folder))))

    def load(
        self,
        environment: jinja2.Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002 - Jinja calls it so
    ) -> jinja2.Template:
        """Give a template, compiled now or before."""
        where = str(self.folder / name)
        code = self.code(name, lambda: environment.compile(self.sources[name].decode(), name, where))
        return environment.template_class.from_code(environment, code, globals or {})

    def code(self, name: str, compiled: Callable[[], "CodeType"]) -> "CodeType":
        """Give the compiled form of one of the tool's own templates: as it was kept, or made now."""
        if name in self.kept:
            self.codes[name] = marshal.loads(self.kept.pop(name))  # noqa: S302 - the same
        elif name not in self.codes:
            self.codes[name] = compiled()
            self.grown = True
        return self.codes[name]

    def keep(self) -> None:
        """Write down what was compiled since."""
        if self.cache and self.grown:
            made = {name: marshal.dumps(code) for name, code in self.codes.items()}
            write_cached(self.cache, self.key, marshal.dumps(self.kept | made))
            self.grown = False


class Renderer:
    """Compiled templates, ready to render many plans."""

    packs: tuple[dict[str, Any], ...] = ()
    """What else than the built-in templates it renders: name, version, digest and fields of each, lowest first."""

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        """Open a folder of templates; compiled ones are kept in the folder ``cache`` where one is given."""
        self.templates = Templates(folder, cache)
        self.environment: jinja2.Environment = _Environment(loader=self.templates, **OPTIONS)
        self.environment.filters.update(FILTERS)
        self.names = self.templates.names

    def render(self, plan: Mapping[str, Any]) -> Files:
        """Render every template of the tree; one that renders blank makes no file.

        The document comes last, because it shows the other files verbatim.
        """
        files: Files = {}
        for name in self.names:
            if name != f"{DOCUMENT}.j2" and not _set_apart(name):
                files.update(self._expand(name, plan))
        if f"{DOCUMENT}.j2" in self.names:
            files.update(self.render_document(plan, files))
        self.templates.keep()
        return dict(sorted(files.items()))

    def render_document(self, plan: Mapping[str, Any], files: Files, edited: Collection[str] = ()) -> Files:
        """Render the document, which shows the other files as they are given; in ``edited`` ones a line may be gone."""
        shown = {**plan, "files": sorted(files.keys() - {DOCUMENT}), "show": _shower(files, edited)}
        return dict(self._expand(f"{DOCUMENT}.j2", shown))

    def render_folder(self, folder: str, plan: Mapping[str, Any]) -> Files:
        """Render the templates of one folder that the tree leaves out, such as ``_new``; paths begin inside it."""
        files: Files = {}
        for name in self.names:
            if name.startswith(f"{folder}/"):
                text = self.environment.get_template(name).render(plan)
                files.update(_nonblank(name.removeprefix(f"{folder}/").removesuffix(".j2"), text))
        self.templates.keep()
        return files

    def _expand(self, name: str, plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        path = name.removesuffix(".j2")
        template = self.environment.get_template(name)
        placeholder = PLACEHOLDER.search(path)
        if not placeholder:
            yield from _nonblank(path, template.render(plan))
            return
        word = placeholder[1]
        for item in plan[PLURALS[word]]:
            text = template.render({**plan, word: item})
            yield from _nonblank(path.replace(placeholder[0], item["name"]), text)


PLURALS = {
    "service": "services",
    "alert": "alert_pages",
    "operation": "operations",
    "step": "steps",
    "environment": "environments",
    "database": "databases",
}
"""The list of the plan that a placeholder in a template's path stands for; each item's ``name`` goes into the path."""


def _read_templates(folder: str) -> Iterator[tuple[str, bytes]]:
    for place, _, names in os.walk(folder):
        for path in (f"{place}/{name}" for name in names if name.endswith(".j2")):
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a hundred of them in each run
                yield path.removeprefix(f"{folder}/"), file.read()


def _set_apart(name: str) -> bool:
    return name.startswith("_") or "/_" in name


def _nonblank(path: str, text: str) -> Iterator[tuple[str, str]]:
    if text.strip():
        yield path, text.strip("\n") + "\n"


def _shower(files: Files, edited: Collection[str]) -> Callable[..., dict[str, Data]]:
    def show(path: str, start: str = "") -> dict[str, Any]:
        """Give a file as the document shows it: whole, or its telling part that begins at the line ``start``."""
        text = files[path]
        found = path not in edited or any(line.strip().startswith(start) for line in text.splitlines())
        shown = excerpt(text, start if found else "")
        language = _LANGUAGES.get(path.rpartition(".")[2], "text")
        return {"path": path, "text": shown.rstrip("\n"), "whole": shown == text, "language": language}

    return show


def excerpt(text: str, start: str) -> str:
    """Cut the telling part out of a long file, verbatim: whole lines, with the one that begins with ``start``.

    A file of at most ``SHOWN_LINES`` lines is given whole. Of a file of several YAML documents the part is whole
    documents, of any other a block from that line on; it has ``TELLING_LINES`` lines or more where the file has them.
    Raises ``ValueError`` when no line begins with ``start``.
    """
    lines = text.splitlines(keepends=True)
    if len(lines) <= SHOWN_LINES:
        return text
    first = next((number for number, line in enumerate(lines) if line.strip().startswith(start)), None)
    if first is None:
        msg = f"no line begins with {start!r}"
        raise ValueError(msg)
    borders = [number + 1 for number, line in enumerate(lines) if line == _DOCUMENT_BORDER]
    starts = [0, *borders] if borders else [number for number in range(len(lines)) if _begins(lines, first, number)]
    last = next((number for number in starts if number >= first + TELLING_LINES), len(lines))
    first = max((number for number in starts if number <= min(first, last - TELLING_LINES)), default=first)
    return "".join(lines[first:last]).removesuffix(_DOCUMENT_BORDER).rstrip("\n") + "\n"


def _begins(lines: list[str], first: int, number: int) -> bool:
    """Say whether a block begins at a line, where another begins at the line ``first``.

    It is indented no deeper; unless the first is an item of a list, it begins a paragraph.
    """
    line = lines[number]
    if number == first:
        return True
    if not line.strip() or _indent(line) > _indent(lines[first]):
        return False
    return lines[first].lstrip().startswith("- ") or not lines[number - 1].strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
