"""Cookiecutter and copier, in an environment of their own, with a template that makes the bundle of an example.

It is the bundle itself, with the words that name things taken out again: as many files, as many bytes. Only the texts
that a later merge goes by are left out, which neither of them keeps.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "build/bench/venv"
VERSIONS = {"cookiecutter": "2.7.1", "copier": "9.19.1"}

RECORD = "base"
"""What a run keeps for the merge of the next one, in `.devops-tasks/`."""

# What the template asks for, in the bundle of examples/saved-reports.yaml.
WORDS = {
    "name": "Saved Reports",
    "slug": "saved-reports",
    "id": "FEAT-1024",
    "service": "feature-api",
    "database": "features-db",
    "host": "api.example.com",
    "engineer": "@dana",
    "region": "eu-west-1",
    "bucket": "s3://backups",
    "production": "production",
    "staging": "staging",
    "slow": "500ms",
    "failing": "2%",
}


def install() -> bool:
    """Install what is not there yet; say whether the peers can be run, and on stderr why not."""
    wanted = [f"{name}=={version}" for name, version in VERSIONS.items()]
    stamp = VENV / "installed"
    if stamp.is_file() and stamp.read_text("utf-8").split() == wanted:
        return True
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        subprocess.run([ROOT / "tools/make-venv.sh", sys.executable, VENV], check=True)
        # The same Jinja and PyYAML as ours: the difference is to be theirs.
        pip = [str(VENV / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--retries", "1", "--constraint", str(ROOT / "constraints.txt"), *wanted], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"bench: going on without {' and '.join(VERSIONS)}: {error}", file=sys.stderr)
        return False
    stamp.write_text("\n".join(wanted), "utf-8")
    return True


def rendered(bundle: Path) -> list[Path]:
    """List the files of a bundle that are rendered."""
    return sorted(path for path in bundle.rglob("*") if path.is_file() and path.name != RECORD)


def write_templates(bundle: Path, folder: Path) -> int:
    """Write both templates, `cookiecutter` and `copier`, into a folder; give the number of places that they fill in."""
    filled = 0
    for peer, prefix, inside in (("cookiecutter", "cookiecutter.", "{{cookiecutter.slug}}"), ("copier", "", "bundle")):
        for path in rendered(bundle):
            text, filled_here = _template(path.read_text("utf-8"), prefix)
            place = folder / peer / inside / path.relative_to(bundle)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8")
            place.chmod(path.stat().st_mode)
            filled += filled_here
    (folder / "cookiecutter/cookiecutter.json").write_text(json.dumps(WORDS), "utf-8")
    questions = {name: {"type": "str", "default": word} for name, word in WORDS.items()}
    settings = {"_subdirectory": "bundle", "_templates_suffix": ""}
    (folder / "copier/copier.yml").write_text(json.dumps({**settings, **questions}), "utf-8")
    return filled // len(VERSIONS)


def edit(folder: Path, bundle: Path, changed: Path) -> list[str]:
    """Add a line to ten files of a folder, those first that another spec changes as well; give their paths."""
    able = [path.relative_to(bundle) for path in rendered(bundle) if path.suffix in {".yml", ".sh"}]
    able.sort(key=lambda path: (bundle / path).read_bytes() == (changed / path).read_bytes())
    for path in able[:10]:
        with (folder / path).open("a", encoding="utf-8") as file:
            file.write("# Somebody's own line.\n")
    return [str(path) for path in able[:10]]


def write_project(folder: Path, run: Callable[..., object], bundles: tuple[Path, Path], edited: list[str]) -> None:
    """Write a template of copier in two versions, and a project that was made from the first and edited since.

    ``bundles`` are what both versions make. Its update needs both in Git.
    """
    (folder / ".gitconfig").write_text("[user]\nname = bench\nemail = bench@example.com\n", "utf-8")
    template, project = folder / "templates/versions", folder / "project"
    for number, bundle in enumerate(bundles, start=1):
        shutil.rmtree(template / "bundle", ignore_errors=True)
        write_templates(bundle, folder / f"templates/{number}")
        shutil.copytree(folder / f"templates/{number}/copier", template, dirs_exist_ok=True)
        (template / "bundle/{{ _copier_conf.answers_file }}").write_text(
            "{{ _copier_answers | to_nice_yaml }}", "utf-8"
        )
        _commit(template, run, "tag", f"{number}.0.0")
        if number == 1:
            run(str(VENV / "bin/copier"), "copy", "--defaults", "--quiet", str(template), str(project))
    _commit(project, run, "tag", "made")
    for path in edited:
        with (project / path).open("a", encoding="utf-8") as file:
            file.write("# Somebody's own line.\n")
    _commit(project, run, "tag", "edited")


def _commit(folder: Path, run: Callable[..., object], *then: str) -> None:
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "Change"], then):
        run("/usr/bin/git", "-C", str(folder), *words)


def _template(text: str, prefix: str) -> tuple[str, int]:
    names = {word: name for name, word in WORDS.items()}
    words = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    # A brace that Jinja would take for its own, or that would become one before a word.
    safe = re.sub(rf"\{{(?=[{{%#]|{words})", "\0", text)
    filled, count = re.subn(words, lambda found: f"{{{{ {prefix}{names[found[0]]} }}}}", safe)
    return filled.replace("\0", "{{ '{' }}"), count
