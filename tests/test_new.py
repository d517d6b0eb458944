"""`devops-tasks new` starts a feature's folder: three documents, the spec and the bundle, all of it or nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from devops_tasks.bootstrap import create_feature
from devops_tasks.errors import UserError
from devops_tasks.render import Renderer, templates_folder
from devops_tasks.schema import spec_schema
from devops_tasks.specfile import read_spec
from tests.test_specfile import MINIMAL
from tests.tools import ROOT, markdown_lint, powerless

COMMAND = [sys.executable, "-m", "devops_tasks"]
EXAMPLES = sorted(ROOT.glob("examples/*.yaml"))
HOSTILE = """\
feature:
  name: 'A "b" `c` | *d* _e_ [f](g) <h> {{ i }} ${{ j }} # k'
  engineer: '@<script>|`x`'
  slug: hostile
sprint:
  name: '---'
experiment:
  hypothesis: |
    # no heading
    - no list | no table
    <!-- no comment
  primary_metric:
    name: '`x` | [y](z)'
    target: +20%
  leading_indicators: ['* a', '1. b', '| c |']
  guardrails: ['{{ d }}']
overview: {compliance: ['<b>GDPR</b> | `x`']}
"""


def new(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "new", *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def spec(folder: Path, text: str = MINIMAL) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text, "utf-8")
    return path


def links(text: str) -> list[str]:
    """Give the targets of a document's links, as a Markdown parser sees them."""
    tokens = [child for token in MarkdownIt().enable("table").parse(text) for child in token.children or []]
    return [str(token.attrs["href"]) for token in tokens if token.type == "link_open"]


def dead_links(folder: Path) -> list[str]:
    return [
        f"{path.relative_to(folder)}: {target}"
        for path in folder.rglob("*.md")
        for target in links(path.read_text("utf-8"))
        if not target.startswith(("https://", "http://", "#")) and not (path.parent / target.partition("#")[0]).exists()
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_feature_has_its_documents_its_spec_and_its_bundle(tmp_path: Path, example: Path) -> None:
    done = new(tmp_path, "feature", example)
    assert done.returncode == 0, done.stderr
    made = files(tmp_path / "feature")
    assert {"requirements.md", "design.md", "devops/design.md", "devops/tasks.md"} <= set(made)
    assert made["devops/devops-tasks.yaml"] == example.read_bytes()
    told = [line.removeprefix("create    feature/") for line in done.stdout.splitlines()]
    assert told == sorted(path for path in made if not path.startswith("devops/.devops-tasks/"))
    assert json.loads(made["devops/.devops-tasks/schema.json"]) == spec_schema()
    assert done.stderr == f"feature: {len(told)} create\n"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_link_leads_somewhere(tmp_path: Path, example: Path) -> None:
    new(tmp_path, "feature", example)
    documents = ("requirements.md", "design.md", "devops/design.md", "devops/tasks.md")
    assert all(links((tmp_path / "feature" / name).read_text("utf-8")) for name in documents)
    assert dead_links(tmp_path / "feature") == []


def test_the_bundle_is_the_one_that_generate_makes_and_generate_goes_on_from_there(tmp_path: Path) -> None:
    new(tmp_path, "feature", spec(tmp_path))
    subprocess.run([*COMMAND, "generate", "spec.yaml", "-o", "bundle"], cwd=tmp_path, check=True, capture_output=True)
    inner = files(tmp_path / "feature/devops")
    del inner["design.md"], inner["devops-tasks.yaml"], inner[".devops-tasks/schema.json"]
    assert inner == files(tmp_path / "bundle")
    again = subprocess.run(
        [*COMMAND, "generate", "feature/devops/devops-tasks.yaml", "--check"],
        cwd=tmp_path, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (again.returncode, again.stdout) == (0, "")


def test_the_bundle_of_a_new_feature_is_judged_without_a_fault(tmp_path: Path) -> None:
    new(tmp_path, "feature", EXAMPLES[-1])
    done = subprocess.run(
        [*COMMAND, "check", "feature/devops"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "documents." not in done.stdout


@pytest.mark.parametrize("text", [MINIMAL, HOSTILE], ids=["a plain spec", "a hostile spec"])
def test_the_documents_have_no_finding_of_the_linter_and_no_dead_link(tmp_path: Path, text: str) -> None:
    done = new(tmp_path, "feature", spec(tmp_path, text))
    assert done.returncode == 0, done.stderr
    for name in ("requirements.md", "design.md", "devops/design.md"):
        assert markdown_lint(tmp_path / "feature" / name) == ""
    assert dead_links(tmp_path / "feature") == []


def test_hostile_text_stays_text_in_the_documents(tmp_path: Path) -> None:
    new(tmp_path, "feature", spec(tmp_path, HOSTILE))
    for name in ("requirements.md", "design.md", "devops/design.md"):
        text = (tmp_path / "feature" / name).read_text("utf-8")
        assert {target for target in links(text) if target in {"g", "z"}} == set()
        rendered = MarkdownIt().enable("table").render(text)
        assert "<h>" not in rendered
        assert "<script>" not in rendered
        assert "<!--" not in rendered
        assert "<b>" not in rendered
        assert "<h1>no heading" not in rendered


def test_what_the_spec_knows_is_in_the_requirements_and_the_rest_is_to_be_decided(tmp_path: Path) -> None:
    new(tmp_path, "feature", EXAMPLES[-1])
    text = (tmp_path / "feature/requirements.md").read_text("utf-8")
    written = read_spec(EXAMPLES[-1]).tree["experiment"]
    assert written["hypothesis"] in text
    assert f"**Primary Metric:** {written['primary_metric']['name']}: {written['primary_metric']['target']}" in text
    for heading in ("### Riskiest Assumption", "### Success Metrics", "### Failure Criteria", "### Experiment Design"):
        assert f"\n{heading}\n" in text
    assert "1. **[REQ-001]** *to be decided*" in text


def test_an_empty_folder_is_filled_in_place(tmp_path: Path) -> None:
    path = spec(tmp_path)
    folder = tmp_path / "feature"
    folder.mkdir(mode=0o750)
    before = folder.stat()
    assert new(folder, ".", path).returncode == 0
    assert (folder / "devops/tasks.md").exists()
    assert (folder.stat().st_ino, folder.stat().st_mode) == (before.st_ino, before.st_mode)
    assert sorted(child.name for child in folder.iterdir()) == ["design.md", "devops", "requirements.md"]


def test_a_new_folder_and_its_files_have_the_modes_that_others_have(tmp_path: Path) -> None:
    new(tmp_path, "a/b/feature", spec(tmp_path))
    usual = tmp_path / "usual"
    usual.mkdir()
    (usual / "file").touch()
    assert (tmp_path / "a/b/feature").stat().st_mode == usual.stat().st_mode
    assert (tmp_path / "a/b/feature/requirements.md").stat().st_mode == (usual / "file").stat().st_mode
    assert os.access(tmp_path / "a/b/feature/devops/delivery/rollback.sh", os.X_OK)
    assert [child.name for child in (tmp_path / "a/b").iterdir()] == ["feature"]


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("name", ["note.md", ".git"], ids=["a file", "a hidden file"])
def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, name: str) -> None:
    path = spec(tmp_path)
    (tmp_path / "feature").mkdir()
    (tmp_path / "feature" / name).write_text("mine", "utf-8")
    assert refused(new(tmp_path, "feature", path)) == "feature: is not empty (name a new folder)\n"
    assert files(tmp_path / "feature") == {name: b"mine"}


def test_a_file_and_a_link_are_refused(tmp_path: Path) -> None:
    path = spec(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    assert "is a file, not a folder" in refused(new(tmp_path, "spec.yaml", path))
    assert "is a link, and links are not followed" in refused(new(tmp_path, "link", path))
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (MINIMAL.replace("+20%", "x"), "experiment.primary_metric.target: expected a target"),
        (MINIMAL + "documents: {design: ../arch.md}\n", "spec.yaml:11:13: documents.design: a new feature has this"),
        (MINIMAL + "documents: {requirements: https://example.com/r}\n", "documents.requirements: a new feature has"),
    ],
    ids=["a fault of the spec", "a document elsewhere", "a document on the web"],
)
def test_a_spec_that_cannot_be_used_makes_nothing(tmp_path: Path, text: str, fault: str) -> None:
    assert fault in refused(new(tmp_path, "feature", spec(tmp_path, text)))
    assert [child.name for child in tmp_path.iterdir()] == ["spec.yaml"]


def test_a_missing_spec_makes_nothing(tmp_path: Path) -> None:
    assert refused(new(tmp_path, "feature", "none.yaml")) == "none.yaml: no such file (name the file of a spec)\n"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    path = spec(tmp_path)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    done = subprocess.run(
        powerless([*COMMAND, "new", "closed/feature", str(path)]),
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "permission denied" in refused(done)
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize("there", [False, True], ids=["a new folder", "an empty folder"])
def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool) -> None:
    folder = tmp_path / "feature"
    if there:
        folder.mkdir()
    moved: list[Path] = []
    usual = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if len(moved) == int(there):
            raise OSError(28, "No space left on device", str(target))
        moved.append(path)
        return usual(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(UserError, match="no space left on device"):
        create_feature(Renderer(templates_folder()), read_spec(EXAMPLES[0]), folder)
    assert len(moved) == int(there)
    assert files(tmp_path) == {}
    assert folder.exists() == there


def test_json_lists_what_was_made(tmp_path: Path) -> None:
    done = new(tmp_path, "feature", spec(tmp_path), "--json")
    assert done.returncode == 0
    (bundle,) = json.loads(done.stdout)["bundles"]
    assert bundle["folder"] == "feature"
    assert {"path": "requirements.md", "action": "create", "note": None, "conflicts": []} in bundle["changes"]


def test_the_date_that_is_given_is_in_the_document(tmp_path: Path) -> None:
    new(tmp_path, "feature", spec(tmp_path), "--today", "2026-12-01")
    assert "2026-12-01" in (tmp_path / "feature/devops/tasks.md").read_text("utf-8")
