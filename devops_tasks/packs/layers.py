"""The built-in templates with packs above them: which layer a name means, in a sandbox that knows plain data only.

A template of a pack stands above the one of the same path below it. ``extends``, ``include`` and ``import`` know three
kinds of names: ``PATH`` is what the topmost layer has there, ``below/PATH`` what the layers below the asking one have,
``builtin/PATH`` what the tool has. Must not: writing.
"""

import re
import traceback
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import BlockReference, LoopContext, Macro, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment

from devops_tasks.errors import Problem, UserError
from devops_tasks.filters import FILTERS
from devops_tasks.packs import SUFFIX, TEMPLATES, contained, refuse_collisions
from devops_tasks.packs.budget import LIMITS, Limits, run_within
from devops_tasks.packs.manifest import BELOW, BUILTIN, Layer, refuse_same_names
from devops_tasks.packs.trust import require_trust
from devops_tasks.render import OPTIONS, PLACEHOLDER, PLURALS, Files, Renderer, Templates

if TYPE_CHECKING:
    from types import CodeType

CHOOSING = (
    *("capitalize", "default", "dictsort", "first", "indent", "items", "join", "last", "list", "lower", "map"),
    *("reject", "rejectattr", "replace", "select", "selectattr", "sort", "title", "trim", "unique", "upper"),
)
"""Those of Jinja's own filters that choose and put in order; none computes, none is another each time."""

Data = Any


def filters() -> dict[str, Callable[..., Any]]:
    """Give the filters that a template of a pack has: ours, and those that choose."""
    return {name: JINJA_FILTERS[name] for name in CHOOSING} | FILTERS


class _Sandbox(ImmutableSandboxedEnvironment):
    """Gives a template the keys of dicts and the items of lists, and no attribute of anything that it was given."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def getattr(self, obj: Data, attribute: str) -> Data:
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, LoopContext | BlockReference | TemplateReference | TemplateModule | jinja2.Undefined):
            return super().getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Data, argument: Data) -> Data:
        if not isinstance(obj, dict | list | tuple | str):
            return self.undefined(obj=obj, name=argument)
        try:
            return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)

    def is_safe_callable(self, obj: Data) -> bool:
        shown = getattr(obj, "__name__", "") == "show"
        looped = isinstance(getattr(obj, "__self__", None), LoopContext)
        return shown or looped or isinstance(obj, Macro | BlockReference | LoopContext)

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Data, right: Data) -> Data:
        del context, left, right
        msg = f"computes ({operator}): a template chooses, loops and prints"
        raise SecurityError(msg)

    def join_path(self, template: str, parent: str) -> str:
        loader: Any = self.loader
        return str(loader.place(template, parent))


class Layers(Templates):
    """The templates of all layers; a name is ``LAYER:PATH`` once it is known which is meant."""

    def __init__(self, base: Templates, layers: Sequence[Layer]) -> None:
        super().__init__(base.folder, base.cache, b"sandbox", Path(__file__).read_bytes())
        self.layers = {BUILTIN: self.sources} | {layer.name: layer.pack.templates for layer in layers}
        self.files = {BUILTIN: str(base.folder)} | {layer.name: f"{layer.pack.source}/{TEMPLATES}" for layer in layers}
        self.foreign: dict[str, CodeType] = {}

    def place(self, requested: str, asking: str = "") -> str:
        """Say which template of which layer is meant; raises ``UserError`` for a name that leaves the layers."""
        asker = asking.partition(":")[0]
        name = contained(requested, self.files.get(asker, ""))
        first, _, rest = name.partition("/")
        layers, path = [*self.layers], name
        if first in {BELOW, BUILTIN} and rest:
            layers, path = layers[: layers.index(asker) if first == BELOW else 1], rest
        for layer in reversed(layers):
            if path in self.layers[layer]:
                return f"{layer}:{path}"
        raise jinja2.TemplateNotFound(name)

    def finds(self, requested: str, asking: str) -> bool:
        """Say whether there is a template that a name means."""
        try:
            return bool(self.place(requested, asking))
        except (jinja2.TemplateNotFound, UserError):
            return False

    def load(
        self,
        environment: jinja2.Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002 - Jinja calls it so
    ) -> jinja2.Template:
        """Give a template of the layer that is meant."""
        layer, _, path = (name if ":" in name else self.place(name)).partition(":")
        name, text = f"{layer}:{path}", self.layers[layer][path]

        def compiled() -> "CodeType":
            return environment.compile(text.decode(), name, f"{self.files[layer]}/{path}")

        if layer == BUILTIN:
            code = self.code(name, compiled)
        else:
            code = self.foreign[name] = self.foreign.get(name) or compiled()
        return environment.template_class.from_code(environment, code, globals or {})

    def compile_builtin(self, environment: jinja2.Environment) -> None:
        """Compile and keep what is the tool's own; what is somebody else's is only compiled where it is rendered."""
        for path in self.sources:
            self.load(environment, f"{BUILTIN}:{path}")
        self.keep()


class LayeredRenderer(Renderer):
    """Renders the built-in templates with packs above them, within limits; a fault of a pack is a ``UserError``."""

    limits: Limits = LIMITS
    confined = False

    def __init__(self, base: Renderer, layers: Sequence[Layer]) -> None:
        """Put packs above the templates of ``base``, the last one on top."""
        check_layers(base.names, layers)
        self.where = layers[-1].pack.source
        self.templates = loader = Layers(base.templates, layers)
        self.files = loader.files
        self.environment = _Sandbox(loader=loader, **OPTIONS)
        self.environment.globals.clear()
        self.environment.filters = filters()
        self.names = sorted({path for sources in loader.layers.values() for path in sources})
        self.packs = tuple(map(_row, layers))
        loader.compile_builtin(self.environment)

    def render(self, plan: Mapping[str, Any]) -> Files:
        """Render every template of the topmost layer that has it."""
        return self._within(lambda: super(LayeredRenderer, self).render(plan))

    def render_document(self, plan: Mapping[str, Any], files: Files, edited: Collection[str] = ()) -> Files:
        """Render the document; of a file that a pack has made, too, a line may be gone."""
        edited = {*edited, *files}
        return self._within(lambda: super(LayeredRenderer, self).render_document(plan, files, edited))

    def render_folder(self, folder: str, plan: Mapping[str, Any]) -> Files:
        """Render the templates of one folder that the tree leaves out."""
        return self._within(lambda: super(LayeredRenderer, self).render_folder(folder, plan))

    def _within(self, work: Callable[[], Files]) -> Files:
        if self.confined:
            return work()
        files: Files = run_within(self.limits, self.where, lambda: self._told(work))
        return self._judged(files)

    def _told(self, work: Callable[[], Files]) -> Files:
        """Render, and tell a fault at the line of the template that has it."""
        self.confined = True  # in the process of its own, which ends with this
        try:
            return work()
        except (UserError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a template of somebody else makes go wrong is its fault
            raise UserError(self._problem(error)) from None

    def _problem(self, error: Exception) -> Problem:
        what = f"cannot be rendered: {_reason(error)}"
        mend = "mend the template; devops-tasks templates check finds more"
        if isinstance(error, jinja2.TemplateSyntaxError):
            return Problem(str(error.filename), what, mend, "pack-template", error.lineno, 1)
        roots = tuple(self.files.values())
        places = ((frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__))
        inside = [place for place in places if place[0].startswith(roots)]
        own = [place for place in inside if not place[0].startswith(roots[0])] or inside
        if not own:
            return Problem(self.where, what, mend, "pack-template")
        return Problem(own[-1][0], what, mend, "pack-template", own[-1][1], 1)

    def _judged(self, files: Files) -> Files:
        """Refuse files that leave the bundle, and more of them than a bundle can have."""
        limits = self.limits
        if len(files) > limits.files:
            raise UserError(Problem(self.where, f"makes more than {limits.files} files", "make fewer", "pack-limit"))
        for path, text in files.items():
            contained(path, self.where)
            where = f"{self.where}: {path}"
            try:
                size = len(text.encode())
            except UnicodeEncodeError as error:
                what = f"has a letter that is no text: {text[error.start]!a}"
                raise UserError(Problem(where, what, "leave it out", "pack-template")) from None
            if size > limits.file_bytes:
                what = f"is made larger than {limits.file_bytes} bytes"
                raise UserError(Problem(where, what, "see its loops", "pack-limit"))
        refuse_collisions(files, self.where)
        return files


def _reason(error: Exception) -> str:
    if isinstance(error, jinja2.TemplateNotFound):
        return f"there is no template {error.name}"
    if isinstance(error, RecursionError):
        return "a template takes in itself"
    told = str(error).partition("\n")[0]
    names = re.findall(r"'[^']*'", told) if isinstance(error, jinja2.UndefinedError) else []
    return f"there is no {names[-1]}" if names else told


def _row(layer: Layer) -> dict[str, Any]:
    """Say in the lock which pack it was; with its fields, the bundle alone tells what its spec could say."""
    fields = {"fields": layer.fields} if layer.fields else {}
    return {"name": layer.name, "version": layer.manifest.version, "digest": layer.pack.digest, **fields}


def add_packs(base: Renderer, layers: Sequence[Layer], *, trust: bool) -> Renderer:
    """Put packs that the user trusts above the templates of ``base``, the last one on top; raises ``UserError``."""
    check_layers(base.names, layers)
    for layer in layers:
        require_trust(layer, base.names, trust=trust)
    return LayeredRenderer(base, layers)


def check_layers(builtin: Collection[str], layers: Sequence[Layer]) -> None:
    """Refuse packs whose names or paths do not go together, or make no path of a bundle; raises ``UserError``."""
    paths = [*builtin]
    refuse_same_names(layers)
    for layer in layers:
        where = layer.pack.source
        paths += [path for path in layer.pack.templates if path not in paths]
        refuse_collisions(paths, where)
        refuse_collisions([path.removesuffix(SUFFIX) for path in paths], where)
        for path in layer.pack.templates:
            _check_path(path, where)


def _check_path(path: str, where: str) -> None:
    place = f"{where}/{TEMPLATES}/{path}"
    words = PLACEHOLDER.findall(path)
    if path.partition("/")[0] in {BUILTIN, BELOW}:
        raise UserError(Problem(place, "is in a folder whose name means another layer", "move it", "pack"))
    if len(words) > 1 or path.count("{") != len(words) or path.count("}") != len(words):
        raise UserError(Problem(place, "has more than one word in braces, or half of one", "use one", "pack"))
    if words and words[0] not in PLURALS:
        mend = f"one of {', '.join(PLURALS)}"
        raise UserError(Problem(place, f"there is no {{{words[0]}}} to make files for", mend, "pack"))
