"""The page on rolling back shows what the scripts print: `make golden` writes it anew, any other run compares it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bundles import example
from tests.cluster import Machine, machine
from tests.test_delivery import Prometheus, serving
from tests.tools import ROOT

PAGE = ROOT / "docs/how-to/roll-back.md"
BLOCK = re.compile(r"(<!-- transcript: ([a-z ]+) -->\n)(?:\n```console\n.*?\n```\n)?", re.DOTALL)
SERVICE = "feature-api"


def transcript(shop: Machine, command: str, code: int, **environment: str) -> str:
    """Run a script as a shell would, and write down what stands on the terminal afterwards."""
    (shop.folder / "not-answering").touch()
    done = subprocess.run(
        ["/bin/bash", "-c", command], env={**shop.environment, **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=shop.folder, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    said = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-12-08T14:03:21Z", done.stdout)
    return f"\n```console\n$ {command}\n{said.rstrip()}\n```\n"


def dry_run(shop: Machine) -> str:
    shop.cluster.add_service(SERVICE, blue=5, green=5, weights=(50, 50))
    return transcript(shop, "delivery/rollback.sh --dry-run", 0)


def by_hand(shop: Machine) -> str:
    shop.cluster.add_service(SERVICE, blue=2, green=5, weights=(50, 50))
    text = transcript(shop, "delivery/rollback.sh --yes", 0)
    assert shop.cluster.weights(SERVICE) == (100, 0)
    return text


def refused(shop: Machine) -> str:
    shop.cluster.add_service(SERVICE, blue=5, green=5, weights=(50, 50))
    shop.cluster.broken.add(f"{SERVICE}-blue")
    text = transcript(shop, "DEADLINE=1 delivery/rollback.sh --yes", 1)
    assert shop.cluster.events == []
    return text


def by_itself(shop: Machine) -> str:
    shop.cluster.add_service(SERVICE, blue=5, green=5)
    prometheus = Prometheus()
    prometheus.labels, prometheus.scraped = {"guardrail": "rollback", "service": SERVICE}, 1
    prometheus.name = "FeatureApiRollbackErrorRatio"
    prometheus.state = lambda: "firing" if shop.cluster.weights(SERVICE)[1] == 50 else "inactive"
    with serving(prometheus):
        text = transcript(
            shop, "PAUSE=1 delivery/watch-rollout.sh --yes", 1, PROMETHEUS_URL=prometheus.url, EVERY="0.3"
        )
    assert shop.cluster.weights(SERVICE) == (100, 0)
    return text


SCENES: dict[str, Callable[[Machine], str]] = {
    "dry run": dry_run,
    "by hand": by_hand,
    "refused": refused,
    "by itself": by_itself,
}


@pytest.mark.real
def test_the_page_shows_what_the_scripts_print(tmp_path: Path, *, update_golden: bool) -> None:
    told = PAGE.read_text("utf-8")
    found = {name: play(tmp_path / name.replace(" ", "-"), scene) for name, scene in SCENES.items()}
    assert [match[2] for match in BLOCK.finditer(told)] == list(found)
    wanted = BLOCK.sub(lambda match: match[1] + found[match[2]], told)
    if update_golden:
        PAGE.write_text(wanted, "utf-8")
    assert PAGE.read_text("utf-8") == wanted, "run `make golden` and review the diff"


def play(folder: Path, scene: Callable[[Machine], str]) -> str:
    for path, text in example("saved-reports").items():
        if path.startswith("delivery/"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
            (folder / path).chmod(0o755)
    with machine(folder) as shop:
        return scene(shop)
