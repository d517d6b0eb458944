"""The command line as a user meets it: what it prints where, and with which code it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.specs import MINIMAL


def _run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "devops_tasks", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, stdin=subprocess.DEVNULL)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "devops-tasks.yaml"
    path.write_text(MINIMAL)
    return path


def test_generate_writes_beside_the_spec_and_names_every_file(spec: Path) -> None:
    done = _run("generate", spec)
    assert done.returncode == 0
    assert f"create    {spec.parent}/tasks.md" in done.stdout.splitlines()
    assert (spec.parent / "tasks.md").is_file()
    assert "create" in done.stderr


def test_a_second_run_says_that_nothing_changed(spec: Path) -> None:
    _run("generate", spec)
    done = _run("generate", spec)
    assert (done.returncode, done.stdout) == (0, "")
    assert "unchanged" in done.stderr


@pytest.mark.parametrize("option", ["--dry-run", "--diff", "--check"])
def test_options_that_only_tell_write_nothing(spec: Path, option: str) -> None:
    done = _run("generate", spec, "-o", spec.parent / "out", option)
    assert done.returncode == (1 if option == "--check" else 0)
    assert not (spec.parent / "out").exists()


def test_a_diff_can_be_read_by_patch(spec: Path, tmp_path: Path) -> None:
    _run("generate", spec, "-o", tmp_path / "a")
    done = _run("generate", spec, "-o", tmp_path / "a", "--diff", "--set", "sprint.name=25")
    subprocess.run(["/usr/bin/patch", "-p1", "-d", tmp_path / "a"], input=done.stdout, text=True, check=True)
    assert _run("generate", spec, "-o", tmp_path / "a", "--check", "--set", "sprint.name=25").returncode == 0


def test_check_is_quiet_when_nothing_would_change(spec: Path) -> None:
    _run("generate", spec)
    assert _run("generate", spec, "--check").returncode == 0


def test_results_can_be_read_by_a_program(spec: Path) -> None:
    told = json.loads(_run("generate", spec, "--json").stdout)
    assert [bundle["folder"] for bundle in told["bundles"]] == [str(spec.parent)]
    created: dict[str, Any] = {"path": "tasks.md", "action": "create", "note": None, "conflicts": []}
    assert created in told["bundles"][0]["changes"]
    assert told["errors"] == []


def _edit(spec: Path) -> str:
    """Change the sprint's line in the document by hand; give the whole document."""
    document = spec.parent / "tasks.md"
    text = document.read_text("utf-8").replace("**Sprint:** 24", "**Sprint:** 24b")
    document.write_text(text, "utf-8")
    return text


def test_an_edit_is_kept_and_named(spec: Path) -> None:
    _run("generate", spec)
    text = _edit(spec)
    done = _run("generate", spec)
    assert (done.returncode, done.stdout) == (0, f"keep      {spec.parent}/tasks.md (edited by hand)\n")
    assert (spec.parent / "tasks.md").read_text("utf-8") == text
    assert _run("generate", spec, "--check").returncode == 0, "an edit is no drift"


def test_a_conflict_ends_with_code_one_and_its_place_and_writes_nothing(spec: Path) -> None:
    _run("generate", spec)
    text = _edit(spec)
    done = _run("generate", spec, "--set", "sprint.name=25")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{spec.parent}/tasks.md:6:1: DevOps Tasks: ")
    assert '"**Sprint:** 24b (dates *to be decided*)"' in done.stderr
    assert (spec.parent / "tasks.md").read_text("utf-8") == text


def test_a_conflict_can_be_read_by_a_program(spec: Path) -> None:
    _run("generate", spec)
    _edit(spec)
    done = _run("generate", spec, "--set", "sprint.name=25", "--dry-run", "--json")
    (change,) = [each for each in json.loads(done.stdout)["bundles"][0]["changes"] if each["action"] == "conflict"]
    assert (done.returncode, change["path"]) == (1, "tasks.md")
    (place,) = change["conflicts"]
    assert (place["line"], place["disk"], place["new"]) == (
        6, "**Sprint:** 24b (dates *to be decided*)  \n", "**Sprint:** 25 (dates *to be decided*)  \n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("option", "code", "sprint"),
    [
        (["--conflict=ours"], 0, "24b"),
        (["--conflict=theirs"], 0, "25"),
        (["--conflict=markers"], 1, "24b"),
        (["--force"], 0, "25"),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, list) else None,
)
def test_an_option_says_what_stands_at_a_conflict(spec: Path, option: list[str], code: int, sprint: str) -> None:
    _run("generate", spec)
    _edit(spec)
    done = _run("generate", spec, "--set", "sprint.name=25", *option)
    text = (spec.parent / "tasks.md").read_text("utf-8")
    assert (done.returncode, text.count("<<<<<<< on disk\n")) == (code, int("--conflict=markers" in option))
    assert f"**Sprint:** {sprint} (" in text


def test_markers_are_found_and_no_spec_is_merged_into_them(spec: Path) -> None:
    _run("generate", spec)
    _edit(spec)
    _run("generate", spec, "--set", "sprint.name=25", "--conflict=markers")
    judged = _run("check", spec.parent)
    assert judged.returncode == 1
    assert "tasks.md:6: a conflict that nobody has settled begins here" in judged.stdout
    assert "[conflict-marker]" in judged.stdout
    done = _run("generate", spec, "--set", "sprint.name=26")
    assert done.returncode == 1
    assert "tasks.md: still has the markers of an earlier conflict (settle them; or take" in done.stderr


def test_another_word_for_what_to_do_is_refused(spec: Path) -> None:
    done = _run("generate", spec, "--conflict=mine")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "--conflict: there is no 'mine' (write markers, ours or theirs)\n"


def test_bad_input_names_every_place_and_writes_nothing(spec: Path) -> None:
    spec.write_text(MINIMAL.replace("engineer", "enginer") + "delivery: {pause: soon}\n")
    done = _run("generate", spec, "-o", spec.parent / "out")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        (
            f"{spec}:1:1: feature.engineer: required: Who owns the infrastructure work "
            '(add it, for example engineer: "@dana")'
        ),
        f"{spec}:3:3: feature.enginer: unknown key (did you mean engineer?)",
        f"{spec}:11:12: delivery.pause: expected a duration such as 500ms, 5m or 30d, found 'soon'",
    ]
    assert not (spec.parent / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate"], "Missing argument"),
        (["generate", "spec.yaml", "--nonsense"], "No such option"),
        (["nonsense"], "No such command"),
        (["generate", "nowhere.yaml"], "nowhere.yaml: no such file (name the file of a spec)"),
        (["generate", "spec.yaml", "--today", "soon"], "--today: expected a date"),
        (["generate", "spec.yaml", "--set", "nonsense"], "expected key=value"),
        (["generate", "spec.yaml", "--set", "sprint.nme=1"], "--set sprint.nme: sprint.nme: unknown key"),
        (["generate", "spec.yaml", "spec.yaml"], "several specs need an output folder"),
    ],
)
def test_wrong_usage_ends_with_code_two_and_no_traceback(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "spec.yaml").write_text(MINIMAL)
    done = _run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spec.yaml"]


def test_one_bad_spec_of_several_fails_alone(tmp_path: Path) -> None:
    for slug in ("one", "three"):
        (tmp_path / f"{slug}.yaml").write_text(MINIMAL.replace("name: Saved Reports", f"name: {slug}"))
    (tmp_path / "two.yaml").write_text("feature: {}\n")
    done = _run("generate", "one.yaml", "two.yaml", "three.yaml", "-o", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one", "three"]
    assert "two.yaml:1:1: feature.name: required" in done.stderr


def test_a_program_is_told_of_the_good_specs_and_of_the_bad_ones(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(MINIMAL)
    (tmp_path / "bad.yaml").write_text(MINIMAL.replace("sprint:", "sprnt:"))
    done = _run("generate", "bad.yaml", "good.yaml", "-o", "out", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    told = json.loads(done.stdout)
    assert [bundle["folder"] for bundle in told["bundles"]] == ["out/saved-reports"]
    assert told["errors"] == [
        {
            "code": "missing-key",
            "file": "bad.yaml",
            "line": 1,
            "column": 1,
            "key": "sprint.name",
            "what": "required: The sprint's name or number",
            "mend": 'add it, for example name: "24"',
        },
        {
            "code": "unknown-key",
            "file": "bad.yaml",
            "line": 4,
            "column": 1,
            "key": "sprnt",
            "what": "unknown key",
            "mend": "did you mean sprint?",
        },
    ]


def test_the_document_of_check_has_the_same_keys_where_there_is_no_bundle(spec: Path) -> None:
    empty = json.loads(_run("check", spec.parent, "--json").stdout)
    _run("generate", spec)
    judged = json.loads(_run("check", spec.parent, "--json").stdout)
    assert empty.keys() == judged.keys()
    assert (len(empty["errors"]), empty["findings"]) == (1, [])
    assert (judged["errors"], judged["findings"]) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["generate", "devops-tasks.yaml", "-o", ""], "a folder: has no name (name one, or leave it out)"),
        (["new", "", "devops-tasks.yaml"], "a folder: has no name (name one, or leave it out)"),
        (["check", ""], "a folder: has no name (name one, or leave it out)"),
        (["generate", "", "-o", "out"], "a file: has no name (name one)"),
        (["new", "feature", ""], "a file: has no name (name one)"),
        (["init", "", "--no-input"], "a file: has no name (name one)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_empty_name_is_not_that_of_the_present_folder(spec: Path, arguments: list[str], error: str) -> None:
    done = _run(*arguments, cwd=spec.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{error}\n"
    assert list(spec.parent.iterdir()) == [spec]


def test_a_folder_whose_name_is_no_text_is_written_and_named_all_the_same(spec: Path) -> None:
    name = os.fsdecode(b"caf\xe9\x1b[31m")
    for options in (["--dry-run", "--json"], []):
        done = _run("generate", spec, "-o", spec.parent / name, *options)
        assert done.returncode == 0, done.stderr
        assert "caf\\udce9" in done.stdout
        assert "\x1b" not in done.stdout + done.stderr
    assert (spec.parent / name / "tasks.md").is_file()
    assert _run("check", spec.parent / name, "--json").returncode == 0


def test_two_specs_of_one_slug_do_not_share_a_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(MINIMAL)
    done = _run("generate", "one.yaml", "two.yaml", "-o", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1].startswith("two.yaml: another spec of this run has the same slug")


def test_our_own_bug_ends_with_code_three_and_a_report(spec: Path) -> None:
    code = (
        "import sys; sys.argv = ['devops-tasks', 'generate', sys.argv[1]]\n"
        "import devops_tasks.generate as g\n"
        "def broken(*_, **__): raise RuntimeError('boom')\n"
        "g.generate_each = broken\n"
        "from devops_tasks.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code, spec], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "a bug of ours" in done.stderr


def test_the_version_is_the_package_s() -> None:
    from devops_tasks import __version__

    for arguments in (["--version"], ["--version", "generate"]):
        assert _run(*arguments).stdout == f"devops-tasks {__version__}\n"
