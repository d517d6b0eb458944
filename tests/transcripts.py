"""Pages that show what scripts print: a comment names each scene, and the block below it is what a test has seen."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster import Machine

BLOCK = re.compile(r"(<!-- transcript: ([a-z ]+) -->\n)(?:\n```console\n.*?\n```\n)?", re.DOTALL)


def transcript(shop: Machine, command: str, code: int, **environment: str) -> str:
    """Run a script as a shell would, and write down what stands on the terminal afterwards."""
    (shop.folder / "not-answering").touch()
    done = subprocess.run(
        ["/bin/bash", "-c", command], env={**shop.environment, **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=shop.folder, timeout=60, check=False,
        start_new_session=True,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    return f"$ {command}\n{at_one_time(done.stdout).rstrip()}"


def at_one_time(said: str) -> str:
    """Put one time in place of every other."""
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-12-08T14:03:21Z", said)


def shows(page: Path, scenes: Mapping[str, str], *, update: bool) -> None:
    """Hold a page against what was printed in each scene, in their order; or write it anew."""
    told = page.read_text("utf-8")
    assert [match[2] for match in BLOCK.finditer(told)] == list(scenes)
    wanted = BLOCK.sub(lambda match: f"{match[1]}\n```console\n{scenes[match[2]]}\n```\n", told)
    if update:
        page.write_text(wanted, "utf-8")
    assert page.read_text("utf-8") == wanted, "run `make golden` and review the diff"
