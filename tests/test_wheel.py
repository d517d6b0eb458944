"""What is installed is what is in the checkout: the wheel, built from the source archive, writes the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.tools import ROOT

EXAMPLE = ROOT / "examples/saved-reports.yaml"


def run(*command: str | Path, folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, check=False, cwd=folder, env=environment, text=True
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel and give the folder of its programs: no network, and the checkout is not on its path."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder=ROOT)
    (wheel,) = folder.glob("dist/*.whl")
    venv.create(folder / "venv", with_pip=False)
    programs = folder / "venv/bin"
    (packages,) = folder.glob("venv/lib/python*/site-packages")
    # The dependencies of this environment. Its own .pth files, the editable checkout's among them, are not followed.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    options = ["--quiet", "--no-index", "--no-deps", "--ignore-installed"]
    run(sys.executable, "-m", "pip", "--python", programs / "python", "install", *options, wheel, folder=folder)
    return programs


def bundle(folder: Path, *command: str | Path) -> dict[str, bytes]:
    folder.mkdir()
    (folder / "spec.yaml").write_bytes(EXAMPLE.read_bytes())
    run(*command, "generate", "spec.yaml", "-o", "bundle", folder=folder)
    files = [path for path in (folder / "bundle").rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_installed_program_writes_the_same_bytes(installed: Path, tmp_path: Path) -> None:
    expected = bundle(tmp_path / "checkout", sys.executable, "-m", "devops_tasks")
    assert "bundle/tasks.md" in expected
    assert bundle(tmp_path / "program", installed / "devops-tasks") == expected
    assert bundle(tmp_path / "module", installed / "python", "-m", "devops_tasks") == expected


def test_the_installed_package_is_that_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    script = "import devops_tasks, sys; sys.exit(not devops_tasks.__file__.startswith(sys.prefix))"
    run(installed / "python", "-c", script, folder=tmp_path)
