"""The documents that a new feature folder begins with: their structure, their links, what they know and do not know."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

import pytest

from devops_tasks.plan import plan_bundle
from devops_tasks.spec import SPEC
from tests.bundles import EXAMPLES, load_example, load_text, load_tree, render_bundle, renderer
from tests.test_document import HOSTILE, MINIMAL, WORKER, headings, label, links, replaced, structure
from tests.tools import markdown_lint

if TYPE_CHECKING:
    from pathlib import Path

    from devops_tasks.render import Files
    from devops_tasks.specfile import Loaded


def skeletons(loaded: Loaded) -> Files:
    return renderer().render_folder("_new", plan_bundle(loaded.spec))


def folder(loaded: Loaded) -> Files:
    """Give the whole folder of a new feature, the bundle in ``devops/``."""
    return {**skeletons(loaded), **{f"devops/{path}": text for path, text in render_bundle(loaded).items()}}


def test_three_documents_are_written_beside_the_bundle() -> None:
    assert list(skeletons(load_example("minimal"))) == ["design.md", "devops/design.md", "requirements.md"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_link_of_a_new_folder_resolves(name: str) -> None:
    files = folder(load_example(name))
    for path in ("requirements.md", "design.md", "devops/design.md", "devops/tasks.md"):
        found = [target for target in links(files[path]) if not target.startswith("https://")]
        assert found
        for target in found:
            assert posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) in files, (path, target)


@pytest.mark.real
def test_a_linter_finds_nothing_in_a_new_folder(tmp_path: Path) -> None:
    loaded = [*map(load_example, EXAMPLES), load_text(MINIMAL + WORKER)]
    for number, each in enumerate(loaded):
        for path, text in skeletons(each).items():
            place = tmp_path / str(number) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8")
    assert markdown_lint(tmp_path) == ""


def test_requirements_have_the_structure_that_teams_and_tools_read() -> None:
    text = skeletons(load_example("saved-reports"))["requirements.md"]
    wanted = ["### Riskiest Assumption", "### Success Metrics", "### Failure Criteria", "### Experiment Design"]
    assert [heading for heading in headings(text) if heading.startswith("###")] == wanted
    for name in ("Feature ID", "Status", "Performance", "Scale", "Security", "Type", "Duration", "Sample Size"):
        assert label(text, name)
    for name in ("Primary Metric", "Leading Indicators", "Guardrail Metrics"):
        assert re.search(rf"^- \*\*{name}:\*\* \S", text, re.MULTILINE)
    assert "1. **[REQ-001]** " in text


def test_requirements_say_what_the_spec_knows() -> None:
    text = skeletons(load_example("saved-reports"))["requirements.md"]
    assert label(text, "Feature ID") == "FEAT-1024"
    assert f"\n{load_example('saved-reports').spec.experiment.hypothesis}\n" in text
    assert "- **Primary Metric:** Weekly active users of reporting: +20% (baseline: 10%)\n" in text
    assert "- error rate above 2% of requests for 5 minutes\n" in text
    assert "feature-api: Response time (P95) not above 200ms for 5 minutes" in label(text, "Performance")
    assert label(text, "Scale") == "50 requests per second of feature-api"
    assert label(text, "Treatment Group") == "50% of users, who see the new version"


@pytest.mark.parametrize("name", ["Feature ID", "Scale", "Duration", "Sample Size", "Eligible per Day"])
def test_requirements_invent_nothing(name: str) -> None:
    assert label(skeletons(load_example("minimal"))["requirements.md"], name) == "*to be decided*"


def test_the_arms_of_an_uneven_split_add_up() -> None:
    text = skeletons(load_example("checkout"))["requirements.md"]
    assert label(text, "Treatment Group").startswith("20% of sessions")
    assert label(text, "Control Group").startswith("80% of sessions")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_changes_the_shape_of_the_skeletons(text: str) -> None:
    tree = load_example("saved-reports").source.tree
    hostile = skeletons(load_tree(replaced(SPEC, tree, text)))
    expected = skeletons(load_tree(replaced(SPEC, tree, "plain")))
    for path in expected:
        assert structure(hostile[path]) == structure(expected[path]), path
