"""What the author of a pack asks for: a lint of its templates, and a comparison with what its own specs are to make.

A case is a folder of ``tests/`` with ``spec.yaml`` and ``expected/``, which holds the files that the pack adds or
changes, and no other: what the tool itself changes is no fault of the pack. Must not: printing, writing a bundle.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import TemplateSyntaxError

from devops_tasks.checks import check_bundle
from devops_tasks.errors import Problem, UserError
from devops_tasks.fields import Nested, Tree, required_keys
from devops_tasks.packs import (
    MANIFEST,
    SUFFIX,
    TEMPLATES,
    TESTS,
    below,
    read_inside,
    remove_inside,
    write_inside,
)
from devops_tasks.packs.layers import LayeredRenderer, Layers, check_layers
from devops_tasks.packs.lint import Finding, Given, absent, asked, computations, is_part, misprinted, stored, unknown
from devops_tasks.packs.manifest import Layer, open_layer, shape_with
from devops_tasks.plan import plan_bundle, plan_feature
from devops_tasks.render import PLURALS, Files, Renderer
from devops_tasks.spec import SPEC
from devops_tasks.specfile import Loaded, Source, load_spec, parse_spec

_MEND = "see how a template of the tool does it: devops-tasks templates show PATH"


def check_pack(base: Renderer, folder: Path, lower: Sequence[Path] = ()) -> list[Problem]:
    """Judge the templates of a pack above others without rendering them; raises ``UserError`` where it is no pack."""
    layers = [open_layer(each) for each in (*lower, folder)]
    check_layers(base.names, layers)
    layer, loader = layers[-1], Layers(base.templates, layers)
    plan, given = sample_plan(shape_with(layers)), given_by(base.templates.sources)
    given.stored.update(
        name for each in layers for content in each.pack.templates.values() for name in _stored(content)
    )
    found = list(_strays(folder, layer))
    for path, content in layer.pack.templates.items():
        where = f"{loader.files[layer.name]}/{path}"
        asks = partial(loader.finds, asking=f"{layer.name}:{path}")
        found += [
            Problem(where, each.what, _MEND, "pack-template", each.line, 1)
            for each in _lint(path, content, Surroundings(plan, given, asks))
        ]
    return found


class Surroundings(NamedTuple):
    """What the templates of a pack can ask for: values, names of the templates that take them in, other templates."""

    plan: dict[str, Any]
    given: Given
    finds: Callable[[str], bool]


def _strays(folder: Path, layer: Layer) -> Iterator[Problem]:
    for path in read_inside(folder, TEMPLATES):
        if path not in layer.pack.templates:
            mend = f"give it a name that ends with {SUFFIX}, or remove it"
            yield Problem(f"{folder}/{TEMPLATES}/{path}", "is no template", mend, "pack-template")


def _lint(path: str, content: bytes, around: Surroundings) -> list[Finding]:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return [Finding(1, "no text in UTF-8")]
    judges: list[Callable[[], list[Finding]]] = [
        lambda: computations(text),
        lambda: misprinted(path, text),
        lambda: unknown(path, text, around.plan, around.given),
        lambda: absent(text, around.finds),
    ]
    found: set[Finding] = set()
    for judge in judges:
        try:
            found.update(judge())
        except TemplateSyntaxError as error:
            found.add(Finding(error.lineno, str(error.message)))
    return sorted(found)


def _stored(content: bytes) -> set[str]:
    try:
        return stored(content.decode())
    except (TemplateSyntaxError, UnicodeDecodeError):
        return set()


def given_by(templates: Mapping[str, bytes]) -> Given:
    """Name what the tool's templates ask for, and what they set for their parts."""
    texts = {name: content.decode() for name, content in templates.items()}
    wanted = {word for name, text in texts.items() if not is_part(name) for word in asked(text)}
    return Given(wanted - {*PLURALS, "files", "show"}, {word for text in texts.values() for word in stored(text)})


def sample_plan(shape: Nested[Any] = SPEC) -> dict[str, Any]:
    """Plan the smallest spec: what a plan has of keys, each has."""
    tree: dict[str, Tree] = {}
    for path, field in required_keys(shape.record):
        group = tree
        for step in path[:-1]:
            group = group.setdefault(str(step), {})
        group[str(path[-1])] = field.sample
    return plan_feature(load_spec(Source("", tree, {}, shape=shape)).spec)


def try_pack(base: Renderer, folder: Path, lower: Sequence[Path] = (), *, update: bool) -> list[Problem]:
    """Render the specs of a pack above others, and say what is not as expected, or write it down as expected."""
    layers = [open_layer(each) for each in (*lower, folder)]
    shape = shape_with(layers)
    plain, renderer = (LayeredRenderer(base, layers[:-1]) if lower else base), LayeredRenderer(base, layers)
    files = read_inside(folder, TESTS)
    cases = sorted(path.removesuffix("/spec.yaml") for path in files if re.fullmatch(r"[^/]+/spec\.yaml", path))
    if not cases:
        what, mend = "has no case", f"write a spec to {TESTS}/CASE/spec.yaml"
        raise UserError(Problem(str(folder), what, mend, "pack"))
    found: list[Problem] = []
    for case in cases:
        text = files[f"{case}/spec.yaml"].decode("utf-8", "replace")
        source = parse_spec(text, f"{folder}/{TESTS}/{case}/spec.yaml")._replace(shape=shape)
        made, problems = _made(plain, renderer, load_spec(source))
        found += problems
        expected = below(files, f"{case}/expected")
        if update:
            _write(folder, f"{TESTS}/{case}/expected", made, expected)
        else:
            found += _differences(f"{folder}/{TESTS}/{case}/expected", made, expected)
    return found


def _made(base: Renderer, renderer: Renderer, loaded: Loaded) -> tuple[Files, list[Problem]]:
    """Render one spec, and give what the pack makes other than is made without it."""
    plan = plan_bundle(loaded.spec)
    made, plain = renderer.render(plan), base.render(plan)
    problems = [each._replace(code="pack-template") for each in check_bundle(loaded.tree, plan, made)]
    return {path: text for path, text in made.items() if plain.get(path) != text}, problems


def _write(folder: Path, place: str, made: Files, expected: dict[str, bytes]) -> None:
    for path, text in made.items():
        if expected.get(path) != text.encode():
            write_inside(folder, f"{place}/{path}", text.encode())
    for path in expected.keys() - made.keys():
        remove_inside(folder, f"{place}/{path}")


def _differences(where: str, made: Files, expected: dict[str, bytes]) -> Iterator[Problem]:
    mend = "mend the template; or, where it is right, run it with --update"
    for path in sorted(made.keys() | expected.keys()):
        place = f"{where}/{path}"
        if path not in expected:
            yield Problem(place, "is made, and not expected", mend, "pack-template")
        elif path not in made:
            yield Problem(place, "is expected, and not made, or as without the pack", mend, "pack-template")
        elif made[path].encode() != expected[path]:
            yield Problem(place, "is made otherwise", mend, "pack-template", _line(made[path], expected[path]), 1)


def _line(made: str, expected: bytes) -> int:
    """Find the first line that differs."""
    lines, others = made.splitlines(), expected.decode("utf-8", "replace").splitlines()
    pairs = enumerate(zip(lines, others, strict=False), 1)
    return next((number for number, (one, other) in pairs if one != other), min(len(lines), len(others)) + 1)


def eject(base: Renderer, paths: list[str], folder: Path) -> Iterator[str]:
    """Copy built-in templates into a pack, which is begun where there is none; give what was written."""
    names = [path if path.endswith(SUFFIX) else f"{path}{SUFFIX}" for path in paths]
    for name in names:
        find(base, name)
    if not (folder / MANIFEST).exists():
        name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-0123456789") or "ours"
        write_inside(folder, MANIFEST, f"name: {name}\nversion: 0.1.0\n".encode(), fresh=True)
        yield f"{folder}/{MANIFEST}"
    for name in names:
        write_inside(folder, f"{TEMPLATES}/{name}", base.templates.sources[name], fresh=True)
        yield f"{folder}/{TEMPLATES}/{name}"


def find(base: Renderer, path: str) -> str:
    """Give the text of a built-in template; raises ``UserError`` where there is none of that path."""
    name = path if path.endswith(SUFFIX) else f"{path}{SUFFIX}"
    if name not in base.templates.sources:
        mend = "devops-tasks templates list names all"
        raise UserError(Problem(path, "is no template of the tool", mend, "pack"))
    return base.templates.sources[name].decode()


def rows(base: Renderer, folders: list[Path]) -> Iterator[tuple[str, str]]:
    """Give each template by the layer that has it on top, with its path."""
    layers = [open_layer(folder) for folder in folders]
    check_layers(base.names, layers)
    tops = dict.fromkeys(base.names, "builtin") | {
        path: layer.name for layer in layers for path in layer.pack.templates
    }
    yield from ((layer, path) for path, layer in sorted(tops.items()))
