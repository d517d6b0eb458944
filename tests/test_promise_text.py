"""Hostile text is only text: in every file, and in nothing but the places where harmless text would stand."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from devops_tasks.fields import Tree
from devops_tasks.filters import gotemplate, workflow
from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files, Renderer, templates_folder
from devops_tasks.specfile import Source, load_spec
from tests.test_filters import HOSTILE
from tests.trees import free_texts, full_tree

PLAIN = "plain words"
OPERATION = "operations/of-the-team.md"
SHFMT = str(Path(sys.executable).with_name("shfmt"))
RENDERER = Renderer(templates_folder())
Parsed = Any
"""What a parser of some language makes of a file."""
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _bundle(tree: Tree) -> Files:
    """Render a spec; the page of its one custom operation, which is named after free text, gets a name of its own."""
    plan = plan_bundle(load_spec(Source("spec.yaml", tree, {})).spec)
    custom = f"operations/{plan['operation_rows'][0]['name']}.md"
    files = {path: text.replace(custom, OPERATION) for path, text in RENDERER.render(plan).items()}
    return {path.replace(custom, OPERATION): text for path, text in files.items()}


@cache
def _harmless() -> Files:
    return _bundle(full_tree(PLAIN))


def _same(hostile: Parsed, harmless: Parsed, spelt: list[str]) -> bool:
    """Say whether two parsed files differ in nothing but the text that was put in."""
    if isinstance(harmless, dict):
        return hostile.keys() == harmless.keys() and all(_same(hostile[key], harmless[key], spelt) for key in harmless)
    if isinstance(harmless, list | tuple):
        return len(hostile) == len(harmless) and all(map(_same, hostile, harmless, [spelt] * len(harmless)))
    return bool(hostile == harmless) or any(hostile == harmless.replace(PLAIN, text) for text in spelt)


def _spelt(text: str) -> list[str]:
    """Give the text as each language spells it inside another one, and as each field's limit cuts it."""
    limits = sorted({kind.schema["maxLength"] for _, kind in free_texts()})
    return [spell(text[:limit]) for limit in limits for spell in (str, gotemplate, workflow)]


class _Loader(yaml.SafeLoader):
    """Knows the short forms of CloudFormation's functions."""


_Loader.add_multi_constructor("!", lambda _loader, name, node: {name: node.value})


def _yaml(text: str) -> Parsed:
    return list(yaml.load_all(text, Loader=_Loader))


def _tokens(text: str) -> list[tuple[str, str]]:
    """List the blocks of a document, and what inside a paragraph is more than text."""
    found: list[tuple[str, str]] = []
    for token in MARKDOWN.parse(text):
        found.append((token.type, token.tag))
        found += [(child.type, child.tag) for child in token.children or [] if not child.type.startswith("text")]
    return [token for token in found if token[0] != "softbreak"]


def _commands(text: str) -> Parsed:
    """Parse a script with a shell parser, and keep what is run but not its words."""
    done = subprocess.run([SHFMT, "--to-json"], input=text, capture_output=True, text=True, check=True)
    return re.findall(r'"Type": "(\w+)"', done.stdout.replace('":"', '": "'))


PARSERS: dict[str, Callable[[str], Any]] = {
    ".yml": _yaml,
    ".yaml": _yaml,
    ".json": json.loads,
    ".md": _tokens,
    ".sh": _commands,
}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
def test_hostile_text_changes_the_structure_of_no_file(text: str) -> None:
    hostile, harmless = _bundle(full_tree(text)), _harmless()
    assert sorted(hostile) == sorted(harmless)
    spelt = _spelt(text)
    for path, content in hostile.items():
        parse = PARSERS.get(path[path.rindex(".") :])
        assert parse is None or _same(parse(content), parse(harmless[path]), spelt), path


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
def test_hostile_text_is_found_again_in_the_document(text: str) -> None:
    tokens = MARKDOWN.parse(_bundle(full_tree(text))["tasks.md"])
    written = ["".join(child.content for child in token.children or []) for token in tokens if token.type == "inline"]
    printed = "\n".join(written)
    assert printed.count(text[:100].strip()) >= len(free_texts()) - 3
