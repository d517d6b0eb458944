"""The road as a whole: from a spec to a folder, and what a second run does."""

from pathlib import Path

import pytest

from devops_tasks import __version__
from devops_tasks.disk import read_lock, read_past
from devops_tasks.errors import ConflictError, UserError
from devops_tasks.generate import folder_of, plan_folder, write_folder
from devops_tasks.lock import BASE, PATH, base_bytes, digest, lock_text
from devops_tasks.merge import DELETED, ORPHANED, QUIET, Resolve
from devops_tasks.render import Renderer, templates_folder
from devops_tasks.runs import Report
from devops_tasks.specfile import load_spec, override, parse_spec, read_spec
from tests.specs import MINIMAL

RENDERER = Renderer(templates_folder())


def _run(folder: Path, *assignments: str, today: str = "", resolve: Resolve = "refuse") -> Report:
    loaded = load_spec(override(parse_spec(MINIMAL, "spec.yaml"), assignments))
    return write_folder(*plan_folder(RENDERER, loaded, folder, today, resolve))


def _actions(report: Report) -> set[str]:
    return {change.action for change in report.changes}


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_first_run_creates_every_file_and_the_lock_knows_the_spec(tmp_path: Path) -> None:
    assert _actions(_run(tmp_path)) == {"create"}
    lock = read_lock(tmp_path)
    assert lock is not None
    assert lock.spec == load_spec(parse_spec(MINIMAL, "spec.yaml")).tree
    assert set(_tree(tmp_path)) == {*lock.files, ".devops-tasks/base", ".devops-tasks/lock.json"}


def test_a_second_run_changes_no_byte(tmp_path: Path) -> None:
    _run(tmp_path)
    before = _tree(tmp_path)
    assert _actions(_run(tmp_path)) == {"unchanged"}
    assert _tree(tmp_path) == before


def test_a_changed_spec_updates_what_nobody_edited(tmp_path: Path) -> None:
    _run(tmp_path)
    report = _run(tmp_path, "sprint.name=25")
    assert "tasks.md" in [change.path for change in report.changes if change.action == "update"]
    assert b"**Sprint:** 25" in (tmp_path / "tasks.md").read_bytes()


def _edit(place: Path, old: str, new: str) -> None:
    text = place.read_text("utf-8")
    assert old in text
    place.write_text(text.replace(old, new, 1), "utf-8")


def test_what_both_changed_is_a_conflict_that_writes_nothing(tmp_path: Path) -> None:
    _run(tmp_path)
    _edit(tmp_path / "tasks.md", "**Sprint:** 24", "**Sprint:** 24b")
    before = _tree(tmp_path)
    with pytest.raises(ConflictError) as caught:
        _run(tmp_path, "sprint.name=25", "sprint.starts=2026-12-01", "sprint.ends=2026-12-14")
    (problem,) = caught.value.problems
    assert (problem.where, problem.line, problem.key) == (f"{tmp_path}/tasks.md", 6, "DevOps Tasks: Saved Reports")
    assert problem.what == (
        'you have "**Sprint:** 24b (dates *to be decided*)", '
        'and the spec now makes it "**Sprint:** 25 (2026-12-01 to 2026-12-14)"'
    )
    assert _tree(tmp_path) == before


def test_an_edit_stays_while_the_spec_goes_on(tmp_path: Path) -> None:
    _run(tmp_path)
    _edit(tmp_path / "tasks.md", "- [ ] **[DO-002]**", "- [x] **[DO-002]**")
    _edit(tmp_path / "monitoring/alert-rules.yml", "# ", "# mine: ")
    report = _run(tmp_path, "sprint.name=25", "alerts=[{metric: latency_p95, for: 9m}]")
    assert {change.path: change.action for change in report.changes}["tasks.md"] == "merge"
    text = (tmp_path / "tasks.md").read_text("utf-8")
    assert "**Sprint:** 25" in text
    assert "- [x] **[DO-002]**" in text
    rules = (tmp_path / "monitoring/alert-rules.yml").read_text("utf-8")
    assert "# mine: " in rules
    assert "for: 9m" in rules


def test_the_document_shows_a_file_as_somebody_edited_it(tmp_path: Path) -> None:
    _run(tmp_path)
    _edit(tmp_path / "scaling/hpa.yml", "minReplicas: 3", "minReplicas: 4")
    assert "minReplicas: 4" not in (tmp_path / "tasks.md").read_text("utf-8")
    report = _run(tmp_path)
    assert {change.path for change in report.changes if change.action not in QUIET} == {"tasks.md"}
    assert "minReplicas: 4" in (tmp_path / "tasks.md").read_text("utf-8")
    assert _run(tmp_path).differs is False


def test_the_document_shows_the_beginning_of_a_file_that_lost_its_telling_part(tmp_path: Path) -> None:
    _run(tmp_path)
    rules = tmp_path / "monitoring/alert-rules.yml"
    rules.write_text("groups: []\n" + "# mine\n" * 100, "utf-8")
    _run(tmp_path)
    assert "```yaml\ngroups: []\n# mine\n" in (tmp_path / "tasks.md").read_text("utf-8")


def test_a_deleted_file_stays_deleted(tmp_path: Path) -> None:
    _run(tmp_path)
    (tmp_path / "scaling/hpa.yml").unlink()
    report = _run(tmp_path, "sprint.name=25")
    assert [change.path for change in report.changes if change.note == DELETED] == ["scaling/hpa.yml"]
    assert not (tmp_path / "scaling/hpa.yml").exists()
    _run(tmp_path, resolve="force")
    assert (tmp_path / "scaling/hpa.yml").exists()


BUDGET = "cost/budget-alerts.yml"


def test_an_edited_file_that_the_spec_drops_and_makes_again_is_merged(tmp_path: Path) -> None:
    _run(tmp_path, "cost={budget: 1000 USD}")
    page = tmp_path / BUDGET
    page.write_text(f"# mine\n{page.read_text('utf-8')}", "utf-8")
    dropped = _run(tmp_path)
    assert [change.note for change in dropped.changes if change.path == BUDGET] == [ORPHANED]
    _run(tmp_path, "sprint.name=25")
    last = read_lock(tmp_path)
    assert last is not None
    assert (BUDGET in last.files, list(last.orphans)) == (False, [BUDGET])
    _run(tmp_path, "cost={budget: 2000 USD}")
    text = page.read_text("utf-8")
    assert text.startswith("# mine\n")
    assert "2000" in text
    assert "1000" not in text
    last = read_lock(tmp_path)
    assert last is not None
    assert (BUDGET in last.files, last.orphans) == (True, {})


@pytest.mark.parametrize("what", ["removed", "a link", "a folder"])
def test_what_else_becomes_of_such_a_file_is_the_person_s(tmp_path: Path, what: str) -> None:
    _run(tmp_path, "cost={budget: 1000 USD}")
    _edit(tmp_path / BUDGET, "1000", "1234")
    _run(tmp_path)
    (tmp_path / BUDGET).unlink()
    if what == "a link":
        (tmp_path / BUDGET).symlink_to("elsewhere")
    if what == "a folder":
        (tmp_path / BUDGET).mkdir()
    _run(tmp_path, "sprint.name=25")
    last = read_lock(tmp_path)
    assert last is not None
    assert last.orphans == {}


def test_a_bundle_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    _run(tmp_path)
    _edit(tmp_path / ".devops-tasks/lock.json", f'"version": "{__version__}"', '"version": "99.0.0"')
    with pytest.raises(UserError, match=rf"was made by version 99\.0\.0, and this is {__version__}"):
        _run(tmp_path)


def test_a_bundle_of_an_older_version_is_merged_like_any_other(tmp_path: Path) -> None:
    _run(tmp_path)
    _edit(tmp_path / ".devops-tasks/lock.json", f'"version": "{__version__}"', '"version": "0.0.1"')
    _edit(tmp_path / "tasks.md", "- [ ] **[DO-002]**", "- [x] **[DO-002]**")
    _run(tmp_path, "sprint.name=25")
    assert "- [x] **[DO-002]**" in (tmp_path / "tasks.md").read_text("utf-8")
    last = read_lock(tmp_path)
    assert last is not None
    assert last.version == __version__


def test_what_other_templates_made_is_brought_up_to_date_and_edits_stay(tmp_path: Path) -> None:
    _run(tmp_path)
    now = {
        path: (tmp_path / path).read_text("utf-8") for path in ("scaling/hpa.yml", "delivery/rollback.sh", "tasks.md")
    }
    last = read_past(tmp_path)
    assert last is not None
    older = {path: last.texts[path] for path in last.lock.files} | {
        path: text.replace("averageUtilization", "averageUse")
        .replace("set -Eeuo", "set -euo")
        .replace("Sprint Tasks", "Tasks")
        for path, text in now.items()
    }
    older["old/page.md"] = "# What an older version made\n"
    lock = last.lock._replace(version="0.0.1", files={path: digest(text.encode()) for path, text in older.items()})
    for path, text in older.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    (tmp_path / PATH).write_text(lock_text(lock), "utf-8")
    (tmp_path / BASE).write_bytes(base_bytes(older))
    _edit(tmp_path / "scaling/hpa.yml", "maxReplicas: 10", "maxReplicas: 12")
    _edit(tmp_path / "tasks.md", "- [ ] **[DO-002]**", "- [x] **[DO-002]**")
    report = _run(tmp_path)
    actions = {change.path: change.action for change in report.changes if change.action not in QUIET}
    assert actions == {
        "delivery/rollback.sh": "update", "old/page.md": "remove", "scaling/hpa.yml": "merge", "tasks.md": "merge",
    }  # fmt: skip
    assert (tmp_path / "scaling/hpa.yml").read_text("utf-8") == now["scaling/hpa.yml"].replace(": 10", ": 12", 1)
    assert (tmp_path / "delivery/rollback.sh").read_text("utf-8") == now["delivery/rollback.sh"]
    page = (tmp_path / "tasks.md").read_text("utf-8")
    assert "## Sprint Tasks\n" in page
    assert "- [x] **[DO-002]**" in page
    assert not _run(tmp_path).differs


def test_without_the_texts_of_last_time_an_edit_is_a_conflict_and_is_kept_on_request(tmp_path: Path) -> None:
    _run(tmp_path)
    (tmp_path / ".devops-tasks/base").write_bytes(b"damaged")
    _edit(tmp_path / "tasks.md", "- [ ] **[DO-002]**", "- [x] **[DO-002]**")
    with pytest.raises(ConflictError, match="nothing is known of what was generated"):
        _run(tmp_path, "sprint.name=25")
    assert _actions(_run(tmp_path, "sprint.name=25", resolve="ours")) <= {"keep", "update", "unchanged"}
    assert "**Sprint:** 24" in (tmp_path / "tasks.md").read_text("utf-8")


def test_a_run_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    _run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    _run(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_force_writes_over_an_edit(tmp_path: Path) -> None:
    _run(tmp_path)
    (tmp_path / "tasks.md").write_text("my own words")
    _run(tmp_path, resolve="force")
    assert b"my own words" not in (tmp_path / "tasks.md").read_bytes()


def test_files_that_the_bundle_does_not_name_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    _run(tmp_path)
    _run(tmp_path, "databases=[]")
    assert (tmp_path / "notes.md").read_text() == "mine"


def test_what_the_spec_no_longer_makes_goes_unless_somebody_edited_it(tmp_path: Path) -> None:
    _run(tmp_path)
    edited = tmp_path / "disaster-recovery/restore-database.sh"
    edited.write_text("mine")
    report = _run(tmp_path, "databases=[]")
    assert {change.path for change in report.changes if change.action == "keep"} == {
        "disaster-recovery/restore-database.sh"
    }
    assert edited.read_text() == "mine"
    assert not (tmp_path / "disaster-recovery/backup-database.sh").exists()


def test_the_date_changes_only_with_another_byte(tmp_path: Path) -> None:
    _run(tmp_path, today="2026-12-01")
    assert "2026-12-01" in (tmp_path / "tasks.md").read_text()
    assert _actions(_run(tmp_path, today="2026-12-02")) == {"unchanged"}
    _run(tmp_path, "sprint.name=25", today="2026-12-03")
    text = (tmp_path / "tasks.md").read_text()
    assert "2026-12-03" in text
    assert "2026-12-01" not in text


def test_without_a_date_the_last_one_is_kept(tmp_path: Path) -> None:
    _run(tmp_path, today="2026-12-01")
    _run(tmp_path, "sprint.name=25")
    assert "2026-12-01" in (tmp_path / "tasks.md").read_text()


def test_a_bundle_goes_beside_its_spec_or_where_it_is_told() -> None:
    loaded = load_spec(parse_spec(MINIMAL, "team/spec.yaml"))
    assert folder_of(loaded, None, several=False) == Path("team")
    assert folder_of(loaded, Path("out"), several=False) == Path("out")
    assert folder_of(loaded, Path("out"), several=True) == Path("out/saved-reports")


def test_several_specs_need_an_output_folder() -> None:
    with pytest.raises(UserError, match="several specs need an output folder"):
        folder_of(load_spec(parse_spec(MINIMAL, "spec.yaml")), None, several=True)


@pytest.mark.parametrize("name", ["tasks.md", "monitoring/alert-rules.yml"])
def test_a_spec_is_never_written_over_by_its_bundle(tmp_path: Path, name: str) -> None:
    spec = tmp_path / name
    spec.parent.mkdir(exist_ok=True)
    spec.write_text(MINIMAL)
    loaded = load_spec(read_spec(spec))
    with pytest.raises(UserError, match="has the name of a file of its bundle"):
        plan_folder(RENDERER, loaded, tmp_path)
    plan_folder(RENDERER, loaded, tmp_path / "elsewhere")
