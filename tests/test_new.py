"""`devops-tasks new` starts a feature's folder: three documents, the spec and the bundle, all of it or nothing."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from devops_tasks.bootstrap import Wanted, create_feature, start_from_file, write_spec
from devops_tasks.bootstrap.staging import prepared, settle
from devops_tasks.errors import UserError
from devops_tasks.render import Renderer, templates_folder
from devops_tasks.schema import spec_schema
from devops_tasks.specfile import parse_spec, read_spec
from tests.command import Done, devops_tasks
from tests.packs import write_pack
from tests.specs import MINIMAL
from tests.terminals import COMMAND, CTRL_C, Room, opened
from tests.tools import ROOT, markdown_lint, powerless

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


@pytest.fixture(autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where answers, and what is trusted, are kept: nobody's own folder."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


def run(folder: Path, *arguments: str | Path) -> Done:
    with contextlib.chdir(folder):
        return devops_tasks(*arguments)


def new(folder: Path, *arguments: str | Path) -> Done:
    return run(folder, "new", *arguments)


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
    assert done.code == 0, done.err
    made = files(tmp_path / "feature")
    assert {"requirements.md", "design.md", "devops/design.md", "devops/tasks.md"} <= set(made)
    assert made["devops/devops-tasks.yaml"] == example.read_bytes()
    told = [line.removeprefix("create    feature/") for line in done.out.splitlines()]
    assert told == sorted(path for path in made if not path.startswith("devops/.devops-tasks/"))
    assert json.loads(made["devops/.devops-tasks/schema.json"]) == spec_schema()
    assert done.err == f"feature: {len(told)} create\n"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_link_leads_somewhere(tmp_path: Path, example: Path) -> None:
    new(tmp_path, "feature", example)
    documents = ("requirements.md", "design.md", "devops/design.md", "devops/tasks.md")
    assert all(links((tmp_path / "feature" / name).read_text("utf-8")) for name in documents)
    assert dead_links(tmp_path / "feature") == []


def test_the_bundle_is_the_one_that_generate_makes_and_generate_goes_on_from_there(tmp_path: Path) -> None:
    new(tmp_path, "feature", spec(tmp_path))
    assert run(tmp_path, "generate", "spec.yaml", "-o", "bundle").code == 0
    inner = files(tmp_path / "feature/devops")
    del inner["design.md"], inner["devops-tasks.yaml"], inner[".devops-tasks/schema.json"]
    assert inner == files(tmp_path / "bundle")
    again = run(tmp_path, "generate", "feature/devops/devops-tasks.yaml", "--check")
    assert (again.code, again.out) == (0, "")


def test_the_bundle_of_a_new_feature_is_judged_without_a_fault(tmp_path: Path) -> None:
    new(tmp_path, "feature", EXAMPLES[-1])
    done = run(tmp_path, "check", "feature/devops")
    assert done.code == 0, done.out
    assert "documents." not in done.out


@pytest.mark.parametrize("text", [MINIMAL, HOSTILE], ids=["a plain spec", "a hostile spec"])
def test_the_documents_have_no_finding_of_the_linter_and_no_dead_link(tmp_path: Path, text: str) -> None:
    done = new(tmp_path, "feature", spec(tmp_path, text))
    assert done.code == 0, done.err
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
    metric = written["primary_metric"]
    assert f"**Primary Metric:** {metric['name']}\n  - **Target:** {metric['target']}\n" in text
    for heading in ("### Riskiest Assumption", "### Success Metrics", "### Failure Criteria", "### Experiment Design"):
        assert f"\n{heading}\n" in text
    assert "1. **[REQ-001]** *to be decided*" in text


def test_an_empty_folder_is_filled_in_place(tmp_path: Path) -> None:
    path = spec(tmp_path)
    folder = tmp_path / "feature"
    folder.mkdir(mode=0o750)
    before = folder.stat()
    assert new(folder, ".", path).code == 0
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


def refused(done: Done) -> str:
    assert done.code == 2
    assert done.out == ""
    return done.err


@pytest.mark.parametrize("name", ["note.md", ".git"], ids=["a file", "a hidden file"])
def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, name: str) -> None:
    path = spec(tmp_path)
    (tmp_path / "feature").mkdir()
    (tmp_path / "feature" / name).write_text("mine", "utf-8")
    assert refused(new(tmp_path, "feature", path)) == "feature: is not empty (name a new folder)\n"
    assert files(tmp_path / "feature") == {name: b"mine"}


def test_a_folder_below_a_link_and_a_way_through_what_is_not_there_are_taken(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert new(tmp_path, "link/feature", spec(tmp_path)).code == 0
    assert (tmp_path / "real/feature/devops/tasks.md").is_file()
    assert new(tmp_path, "gone/../feature", spec(tmp_path)).code == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["feature", "link", "real", "spec.yaml"]


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
    assert done.returncode == 2
    assert "permission denied" in done.stderr
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize(
    ("there", "renamed"),
    [(False, 0), (True, 0), (True, 1), (True, 2), (True, 3)],
    ids=["a new folder", "an empty folder", "before the first is placed", "after one", "after two"],
)
def test_a_failure_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool, renamed: int
) -> None:
    folder = tmp_path / "a/feature"
    if there:
        folder.mkdir(parents=True)
    moved: list[Path] = []
    usual = Path.rename

    def rename(path: Path, target: Path) -> Path:
        moved.append(path)
        if len(moved) == renamed + 1:
            raise OSError(28, "No space left on device", str(target))
        return usual(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(UserError, match="no space left on device"):
        create_feature(Renderer(templates_folder()), start_from_file(EXAMPLES[0]), Wanted(folder))
    assert len(moved) > renamed
    assert [path.name for path in tmp_path.rglob("*")] == (["a", "feature"] if there else [])


def test_a_spec_is_changed_whole_whatever_an_earlier_run_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = spec(tmp_path, "# ours\n" + MINIMAL)
    tree = {**parse_spec(MINIMAL, "x").tree, "sprint": {"name": "25"}}
    (tmp_path / ".spec.yaml.new").write_text("half", "utf-8")
    assert write_spec(path, path.read_bytes(), tree)[0] == "update"
    written = path.read_text("utf-8")
    assert written.startswith("# ours\n")
    assert "25" in written
    monkeypatch.setattr(Path, "replace", _full)
    with pytest.raises(UserError, match="cannot be written: no space left on device"):
        write_spec(path, path.read_bytes(), tree | {"sprint": {"name": "26"}})
    assert path.read_text("utf-8") == written
    assert sorted(each.name for each in tmp_path.iterdir()) == [".spec.yaml.new", "spec.yaml"]


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_two_features_can_be_made_side_by_side(tmp_path: Path) -> None:
    with prepared(tmp_path / "one") as one, prepared(tmp_path / "two") as two:
        (one / "a.md").touch()
        (two / "b.md").touch()
        assert settle(tmp_path) is False
        assert (one / "a.md").exists(), "a run that is alive is no rubbish"
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {
        *("one", "one/a.md", "two", "two/b.md"),
    }


def test_json_lists_what_was_made(tmp_path: Path) -> None:
    done = new(tmp_path, "feature", spec(tmp_path), "--json")
    assert done.code == 0
    (bundle,) = json.loads(done.out)["bundles"]
    assert bundle["folder"] == "feature"
    assert {"path": "requirements.md", "action": "create", "note": None, "conflicts": []} in bundle["changes"]


def test_the_date_that_is_given_is_in_the_document(tmp_path: Path) -> None:
    new(tmp_path, "feature", spec(tmp_path), "--today", "2026-12-01")
    assert "2026-12-01" in (tmp_path / "feature/devops/tasks.md").read_text("utf-8")


# Without a spec, and with answers beside one

ANSWERS = ("feature.name=Saved Reports", "feature.engineer=@dana", "sprint.name=24",
           "experiment.hypothesis=We believe that it helps", "experiment.primary_metric.name=Weekly active users",
           "experiment.primary_metric.target=+20%")  # fmt: skip


def given(*assignments: str) -> list[str]:
    return [f"--set={each}" for each in assignments]


def test_answers_on_the_command_line_make_what_a_spec_with_them_makes(tmp_path: Path) -> None:
    done = new(tmp_path, "feature", "--no-input", *given(*ANSWERS))
    assert done.code == 0, done.err
    made = files(tmp_path / "feature")
    assert (
        made["devops/devops-tasks.yaml"]
        .decode()
        .startswith("# yaml-language-server: $schema=.devops-tasks/schema.json\nfeature:\n  name: Saved Reports\n")
    )
    assert new(tmp_path, "again", "feature/devops/devops-tasks.yaml").code == 0
    assert files(tmp_path / "again") == made
    assert run(tmp_path, "generate", "feature/devops/devops-tasks.yaml", "--check").code == 0
    command = shlex.split(done.err.partition("the same without questions: ")[2])
    assert command[:3] == ["devops-tasks", "new", "feature"]
    (tmp_path / "elsewhere").mkdir()
    assert run(tmp_path / "elsewhere", *command[1:]).code == 0
    assert files(tmp_path / "elsewhere/feature") == made


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["--no-input"], "was told not to ask"), ([], "has no terminal to ask on")],
    ids=["--no-input", "no terminal"],
)
def test_without_a_spec_and_somebody_to_ask_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], why: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    told = refused(new(tmp_path, "feature", *arguments, *given(*ANSWERS[1:]))).splitlines()
    missing = "feature/devops/devops-tasks.yaml: feature.name"
    assert told == [
        f"new: {why} (give these keys with --set, or name a spec that has them)",
        f"{missing}: required: The feature's name (for example name: Saved Reports)",
    ]
    assert list(tmp_path.iterdir()) == []


def test_answers_are_written_into_the_spec_that_is_copied(tmp_path: Path) -> None:
    path = spec(tmp_path, MINIMAL.replace('"24"', '"24"  # the last one'))
    done = new(tmp_path, "feature", path, "--no-input", *given("sprint.name=25", "services=[{name: reports}]"))
    assert done.code == 0, done.err
    text = (tmp_path / "feature/devops/devops-tasks.yaml").read_text("utf-8")
    assert 'name: "25"  # the last one\n' in text
    assert (tmp_path / "feature/devops/kubernetes/reports").is_dir()
    assert run(tmp_path, "generate", "feature/devops/devops-tasks.yaml", "--check").code == 0
    assert "25" not in path.read_text("utf-8")


def test_answers_that_cannot_be_used_are_told_with_those_of_the_spec(tmp_path: Path) -> None:
    told = refused(new(tmp_path, "feature", spec(tmp_path), *given("services[0].port=x", "sprint.name=25")))
    assert "--set services[0].port: " in told
    told = refused(new(tmp_path, "feature", "--no-input", *given(*ANSWERS, "experiment.power=most")))
    assert "--set experiment.power: experiment.power: expected a share" in told
    assert [child.name for child in tmp_path.iterdir()] == ["spec.yaml"]


def test_a_full_folder_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    spec(tmp_path)
    assert refused(new(tmp_path, ".")) == ".: is not empty (name a new folder)\n"


def test_a_pack_is_used_when_it_is_trusted(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "acme", **{"legal/retention.md": "# {{ feature.name | md }}\n"})
    words = ["feature", str(spec(tmp_path)), "--pack", str(pack)]
    assert "is a template pack that you have not trusted yet" in refused(new(tmp_path, *words))
    assert not (tmp_path / "feature").exists()
    assert new(tmp_path, *words, "--trust").code == 0
    assert (tmp_path / "feature/devops/legal/retention.md").read_text("utf-8") == "# Saved Reports\n"


def test_a_spec_of_answers_names_its_packs_from_where_it_is_written(tmp_path: Path) -> None:
    write_pack(tmp_path / "acme", **{"legal/retention.md": "# {{ feature.name | md }}\n"})
    words = ["feature", "--no-input", "--trust", *given(*ANSWERS, "pack=[../../acme]")]
    done = new(tmp_path, *words)
    assert done.code == 0, done.err
    assert (tmp_path / "feature/devops/legal/retention.md").exists()
    assert run(tmp_path, "generate", "feature/devops/devops-tasks.yaml", "--check").code == 0


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A folder in which people sit down at terminals."""
    yield from opened(tmp_path)


def test_a_person_who_stops_and_comes_back_gets_the_whole_feature(room: Room) -> None:
    person = room("new", "feature", *given(*ANSWERS[1:5]), "--defaults")
    person.answers("What is the feature called?", "Saved Reports")
    person.sees("To what target")
    person.child.send(CTRL_C)
    code, told = person.end()
    assert code == 130
    assert told.endswith("stopped; your answers are kept, go on with: devops-tasks new feature")
    assert list(room.work.iterdir()) == []
    again = room("new", "feature")
    again.chooses("its answers were kept", "go on with")
    again.answers("To what target", "+20%")
    again.answers("What shall be done?", "")
    code, told = again.end()
    assert code == 0, told
    command = shlex.split(told.partition("the same without questions: ")[2].replace("\n", ""))
    assert run(room.folder, *command[1:]).code == 0
    assert files(room.folder / "feature") == files(room.work / "feature")
