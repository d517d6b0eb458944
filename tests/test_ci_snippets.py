"""The snippets for pipelines and hooks, as they stand on their page: judged as the real thing, and run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from tests import tools
from tests.bundles import example
from tests.command import devops_tasks
from tests.test_specfile import MINIMAL

PAGE = tools.ROOT / "docs/how-to/check-in-ci.md"


def snippet(name: str) -> str:
    """Give the block of the page whose first line names a file."""
    blocks = [token.content for token in MarkdownIt().parse(PAGE.read_text("utf-8")) if token.type == "fence"]
    (found,) = [block for block in blocks if block.startswith(f"# {name}\n")]
    return found


def test_the_workflow_passes_the_judges_of_workflows(tmp_path: Path) -> None:
    path = tmp_path / ".github/workflows/devops-tasks.yml"
    path.parent.mkdir(parents=True)
    path.write_text(snippet(".github/workflows/devops-tasks.yml"), "utf-8")
    assert tools.workflow_check(path, "github-workflows") == ""
    assert tools.actionlint(tmp_path) == ""
    assert tools.zizmor(path) == ""
    (checkout,) = re.findall("actions/checkout@.*", path.read_text("utf-8"))
    assert checkout in example("minimal")["delivery/pipeline.yml"], "the commit that our own pipelines pin"


def test_the_pipeline_passes_the_schema_of_gitlab(tmp_path: Path) -> None:
    path = tmp_path / ".gitlab-ci.yml"
    path.write_text(snippet(".gitlab-ci.yml"), "utf-8")
    assert tools.workflow_check(path, "gitlab-ci") == ""


def commands() -> dict[str, list[str]]:
    workflow = yaml.safe_load(snippet(".github/workflows/devops-tasks.yml"))
    pipeline = yaml.safe_load(snippet(".gitlab-ci.yml"))
    hooks = yaml.safe_load(snippet(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    entries = {
        hook["id"]: hook["entry"] for hook in yaml.safe_load((tools.ROOT / ".pre-commit-hooks.yaml").read_text())
    }
    return {
        "github": [step["run"] for step in workflow["jobs"]["bundle"]["steps"] if "run" in step],
        "gitlab": pipeline["bundle"]["script"],
        "pre-commit": [" ".join([entries[hook["id"]], *hook["args"]]) for hook in hooks],
    }


@pytest.mark.parametrize("where", ["github", "gitlab", "pre-commit"])
def test_the_commands_fail_where_the_spec_has_changed_and_only_there(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = Path("devops-tasks.yaml")
    spec.write_text(MINIMAL, "utf-8")
    assert devops_tasks("generate", spec, "-o", "devops").code == 0
    calls = [shlex.split(line)[1:] for line in commands()[where] if line.startswith("devops-tasks ")]
    assert [devops_tasks(*call).code for call in calls] == [0, 0]
    spec.write_text(MINIMAL.replace('"24"', '"25"'), "utf-8")
    assert [devops_tasks(*call).code for call in calls] == [1, 0]
