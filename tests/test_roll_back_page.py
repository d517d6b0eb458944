"""The page on rolling back shows what the scripts print: `make golden` writes it anew, any other run compares it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bundles import example
from tests.cluster import Machine, machine
from tests.test_delivery import Prometheus, serving
from tests.tools import ROOT
from tests.transcripts import shows, transcript

PAGE = ROOT / "docs/how-to/roll-back.md"
SERVICE = "feature-api"


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
    shows(PAGE, {name: play(tmp_path / name.replace(" ", "-"), scene) for name, scene in SCENES.items()},
          update=update_golden)  # fmt: skip


def play(folder: Path, scene: Callable[[Machine], str]) -> str:
    for path, text in example("saved-reports").items():
        if path.startswith("delivery/"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
            (folder / path).chmod(0o755)
    with machine(folder) as shop:
        return scene(shop)
