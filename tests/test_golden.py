"""The three examples, byte for byte: `make golden` rewrites the trees, and their diff is reviewed like code."""

import shutil
from pathlib import Path

import pytest

from devops_tasks.generate import render_bundle
from devops_tasks.render import Renderer, templates_folder
from devops_tasks.specfile import load_spec, read_spec

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in (ROOT / "examples").glob("*.yaml"))


def test_the_three_examples_are_there() -> None:
    assert CASES == ["checkout", "minimal", "saved-reports"]


@pytest.mark.parametrize("case", CASES)
def test_an_example_renders_to_the_bytes_that_were_reviewed(case: str, *, update_golden: bool) -> None:
    loaded = load_spec(read_spec(ROOT / "examples" / f"{case}.yaml"))
    files = render_bundle(Renderer(templates_folder()), loaded).files
    folder = GOLDEN / case
    if update_golden:
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode())
    expected = {
        path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in folder.rglob("*") if path.is_file()
    }
    assert sorted(files) == sorted(expected)
    for path, text in files.items():
        assert text == expected[path], f"{path} differs: run `make golden` and review the diff"
