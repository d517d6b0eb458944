"""The memory of a run that found nothing to do: it speaks as long as nothing has changed, and not a byte longer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from devops_tasks import runs
from devops_tasks.generate import generate_each
from devops_tasks.render import templates_folder
from devops_tasks.runs import Options, Report, recall
from tests.packs import renderer, write_pack
from tests.specs import MINIMAL

RENDERER = renderer()
ALERTS = "bundle/monitoring/alert-rules.yml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec, and a bundle in which one file is edited and one deleted."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("spec.yaml").write_text(MINIMAL, "utf-8")
    run()
    with Path("bundle/tasks.md").open("a", encoding="utf-8") as file:
        file.write("\nA note of ours.\n")
    Path("bundle/delivery/smoke-test.sh").unlink()
    return tmp_path


ASKED = Options(Path("bundle"))


def run(asked: Options = ASKED) -> Report:
    (report,) = generate_each(RENDERER, [Path("spec.yaml")], asked)
    assert isinstance(report, Report)
    return report


def told(report: Report | None) -> list[tuple[str, str, str]] | None:
    return report and [(change.path, change.action, change.note) for change in report.changes]


@pytest.mark.usefixtures("folder")
def test_what_a_run_without_changes_found_is_told_again() -> None:
    assert recall([Path("spec.yaml")], ASKED) is None, "nothing is known yet"
    found = run()
    assert {change.action for change in found.changes} == {"unchanged", "keep"}
    known = recall([Path("spec.yaml")], ASKED)
    assert told(known) == told(found)
    assert known is not None
    assert known.folder == found.folder == "bundle"


@pytest.mark.usefixtures("folder")
def test_a_run_that_changes_something_is_not_remembered() -> None:
    spec = Path("spec.yaml")
    spec.write_text(spec.read_text("utf-8").replace('name: "24"', 'name: "25"'), "utf-8")
    assert "merge" in {change.action for change in run().changes}
    assert recall([spec], ASKED) is None


def append(path: str) -> None:
    with Path(path).open("ab") as file:
        file.write(b"\n")


def append_text(path: str, text: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text)


def swap(path: str) -> None:
    """Put a link in the place of a file or a folder."""
    Path(path).rename(f"{path}-moved")
    Path(path).symlink_to(Path(f"{path}-moved").name)


def a_folder_instead() -> None:
    Path(ALERTS).unlink()
    Path(ALERTS).mkdir()


def damage() -> None:
    for entry in Path("../cache/devops-tasks").glob("run-*"):
        append(str(entry))


CHANGES: dict[str, Callable[[], object]] = {
    "a byte of the spec": lambda: append("spec.yaml"),
    "a file of the bundle": lambda: append(ALERTS),
    "an edited file": lambda: append("bundle/tasks.md"),
    "a file is gone": lambda: Path(ALERTS).unlink(),
    "a deleted file is back": lambda: Path("bundle/delivery/smoke-test.sh").touch(),
    "a file is a folder": a_folder_instead,
    "a file is a link": lambda: swap(ALERTS),
    "the lock": lambda: append("bundle/.devops-tasks/lock.json"),
    "the lock is gone": lambda: Path("bundle/.devops-tasks/lock.json").unlink(),
    "the texts of last time": lambda: append("bundle/.devops-tasks/base"),
    "the texts of last time are gone": lambda: Path("bundle/.devops-tasks/base").unlink(),
    "a run was killed here": lambda: Path("bundle/.devops-tasks/journal").write_text("[]", "utf-8"),
    "the folder is a link": lambda: swap("bundle"),
    "the spec is gone": lambda: Path("spec.yaml").unlink(),
    "the memory is damaged": damage,
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_changed_is_looked_at_again(change: Callable[[], object]) -> None:
    run()
    assert recall([Path("spec.yaml")], ASKED) is not None
    change()
    assert recall([Path("spec.yaml")], ASKED) is None


@pytest.fixture
def inheriting(folder: Path) -> Path:
    """The same folder, whose spec names a file of defaults that extends another."""
    spec = Path("spec.yaml")
    spec.write_text(spec.read_text("utf-8") + "extends: ours.yaml\n", "utf-8")
    Path("ours.yaml").write_text("extends: theirs.yaml\n", "utf-8")
    Path("theirs.yaml").write_text("sprint: {capacity: 30}\n", "utf-8")
    run()
    return folder


@pytest.mark.usefixtures("inheriting")
@pytest.mark.parametrize("name", ["ours.yaml", "theirs.yaml"])
@pytest.mark.parametrize("change", [append, lambda path: Path(path).unlink()], ids=["changed", "gone"])
def test_a_file_of_defaults_that_changed_is_looked_at_again(name: str, change: Callable[[str], object]) -> None:
    run()
    assert recall([Path("spec.yaml")], ASKED) is not None
    change(name)
    assert recall([Path("spec.yaml")], ASKED) is None


@pytest.mark.parametrize("place", [".", ".."])
def test_a_file_of_defaults_that_appears_above_the_spec_is_looked_at(folder: Path, place: str) -> None:
    run()
    assert recall([Path("spec.yaml")], ASKED) is not None
    Path(place, ".devops-tasks.yaml").write_text("sprint: {capacity: 30}\n", "utf-8")
    assert recall([Path("spec.yaml")], ASKED) is None
    assert {change.action for change in run().changes} & {"update", "merge"}
    run()
    assert recall([Path("spec.yaml")], ASKED) is not None
    Path(place, ".devops-tasks.yaml").rename(folder / "aside.yaml")
    assert recall([Path("spec.yaml")], ASKED) is None


OTHERS = {
    "a value": ASKED._replace(assignments=("feature.team=search",)),
    "a date": ASKED._replace(today="2026-12-01"),
    "a way to settle conflicts": ASKED._replace(resolve="theirs"),
    "not to write": ASKED._replace(write=False),
    "another folder": ASKED._replace(output=Path("elsewhere")),
    "the spec's own folder": ASKED._replace(output=None),
    "a pack": ASKED._replace(packs=(Path("acme"),)),
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("asked", OTHERS.values(), ids=OTHERS.keys())
def test_what_was_asked_otherwise_is_another_run(asked: Options) -> None:
    run()
    assert recall([Path("spec.yaml")], asked) is None


PACK_CHANGES: dict[str, Callable[[], object]] = {
    "a byte of a template": lambda: append("../acme/templates/legal.md.j2"),
    "a byte of a part": lambda: append("../acme/templates/_parts/a.md.j2"),
    "a byte of what it says of itself": lambda: append("../acme/pack.yaml"),
    "another template": lambda: shutil.copy("../acme/templates/legal.md.j2", "../acme/templates/more.md.j2"),
    "a template is gone": lambda: Path("../acme/templates/_parts/a.md.j2").unlink(),
    "a template is a link": lambda: swap("../acme/templates/legal.md.j2"),
    "the pack below": lambda: append("../base/templates/legal.md.j2"),
    "the pack is gone": lambda: Path("../acme").rename("../away"),
    "the pack is a link": lambda: swap("../acme"),
}


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("change", PACK_CHANGES.values(), ids=PACK_CHANGES)
def test_every_file_of_every_pack_is_remembered(folder: Path, change: Callable[[], object]) -> None:
    write_pack(folder / "base", "base", **{"legal.md": "# Base\n"})
    write_pack(folder / "acme", **{"legal.md": "# Legal\n", "_parts/a.md": "x"})
    append_text("spec.yaml", "pack: [../base, ../acme]\n")
    asked = ASKED._replace(trust=True)
    run(asked)
    run(asked)
    assert recall([Path("spec.yaml")], asked) is not None
    change()
    assert recall([Path("spec.yaml")], asked) is None


def test_another_place_is_another_run_though_all_is_named_alike(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    shutil.copytree(folder / "work", folder / "copy")
    monkeypatch.chdir(folder / "copy")
    assert recall([Path("spec.yaml")], ASKED) is None


def test_another_program_makes_its_own_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "program/devops_tasks"
    shutil.copytree(Path(runs.__file__).parent, program, ignore=shutil.ignore_patterns("__pycache__", "templates"))
    shutil.copytree(templates_folder(), program.parent / "templates")
    monkeypatch.setattr("devops_tasks.__file__", str(program / "__init__.py"))
    run()
    assert recall([Path("spec.yaml")], ASKED) is not None
    for path in (program / "plan/tasks.py", program.parent / "templates/tasks.md.j2"):
        before = path.stat()
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        assert recall([Path("spec.yaml")], ASKED) is None
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    monkeypatch.setattr("devops_tasks.__version__", "999.0.0")
    assert recall([Path("spec.yaml")], ASKED) is None


@pytest.mark.usefixtures("folder")
def test_of_several_specs_none_is_remembered() -> None:
    specs = [Path("spec.yaml"), Path("spec.yaml")]
    list(generate_each(RENDERER, specs, ASKED))
    assert recall(specs, ASKED) is None


def test_without_a_place_that_only_this_user_can_write_to_each_run_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "work/spec.yaml"))
    run()
    assert recall([Path("spec.yaml")], ASKED) is None
