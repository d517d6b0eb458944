"""A release is watched for real: the scripts as they are, the real kubectl, and a real Prometheus with our rules.

Exporters of both colours are scraped every second. Changed is only the clock: a second stands for each minute of the
rules, and the pauses are a few seconds long. What goes wrong goes wrong in the series, as it would in a cluster.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests import tools
from tests.bundles import load_text, render_bundle
from tests.cluster import NAMESPACE, Machine, machine
from tests.servers import Call, Web, ask, running, until
from tests.specs import MINIMAL
from tests.test_prometheus import Series, quick_rules, requests

pytestmark = pytest.mark.real

TEXT = f"""{MINIMAL}
services: [{{name: shop-api, latency_buckets: [100ms, 400ms, 800ms]}}]
databases: []
caches: []
alerts: [{{metric: latency_p95, above: 400ms}}]
rollback: {{criteria: [{{metric: error_ratio, above: 2%, for: 1m}}, {{metric: latency_p95, above: 400ms, for: 1m}}]}}
platform: {{namespaces: {{production: {NAMESPACE}}}}}
delivery: {{steps: [25%, 100%]}}
"""
FILES = render_bundle(load_text(TEXT))
STEP = "shop-api-green 25"


class Release(NamedTuple):
    """A machine with the scripts, the series of each colour, and where Prometheus is; ``end`` stops it."""

    shop: Machine
    colours: dict[str, Series]
    silent: set[str]
    address: str
    end: Callable[[], None]

    @property
    def weights(self) -> tuple[int, int]:
        return self.shop.cluster.weights("shop-api")


def config(targets: dict[str, str]) -> dict[str, Any]:
    found = [
        {"targets": [address], "labels": {"namespace": NAMESPACE, "colour": colour, "pod": f"shop-api-{colour}-0"}}
        for colour, address in targets.items()
    ]
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["recording-rules.yml", "alert-rules.yml"],
        "scrape_configs": [{"job_name": "shop-api", "static_configs": found}],
    }


def answer(series: Series, colour: str, silent: set[str], _call: Call) -> str | None:
    return None if colour in silent else series.text()


@contextmanager
def begun(folder: Path) -> Iterator[Release]:
    """Bring up the cluster, the exporters and Prometheus, and wait until it can judge a healthy release."""
    with ExitStack() as stack:
        for path, text in FILES.items():
            if path.startswith("delivery/"):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text)
                (folder / path).chmod(0o755)
        shop = stack.enter_context(machine(folder))
        shop.cluster.add_service("shop-api")
        colours, silent, targets = {"blue": Series(), "green": Series()}, set[str](), {}
        for colour, series in colours.items():
            series.become(requests())
            web = Web(partial(answer, series, colour, silent))
            stack.callback(web.stop)
            targets[colour] = web.address
        place = stack.enter_context(tools.unprivileged_folder())
        for name in ("recording-rules.yml", "alert-rules.yml"):
            content = quick_rules(yaml.safe_load(FILES[f"monitoring/{name}"]))
            (place / name).write_text(yaml.safe_dump(content, sort_keys=False))
        (place / "prometheus.yml").write_text(yaml.safe_dump(config(targets)))
        prometheus = stack.enter_context(ExitStack())
        arguments = ["--config.file=prometheus.yml", "--storage.tsdb.path=data"]
        address = prometheus.enter_context(running("prometheus", arguments, place))
        query = f"/api/v1/query?query=sum(up{{namespace=%22{NAMESPACE}%22}})"
        until(
            lambda: [each["value"][1] for each in ask(address, query)["data"]["result"]] == ["2"],
            lambda: ask(address, "/api/v1/targets"),
        )
        yield Release(shop, colours, silent, address, prometheus.close)


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Release]:
    with begun(tmp_path) as there:
        yield there


class Watching:
    """The script at work; ``when`` does something once it has said some words."""

    def __init__(self, release: Release, pause: int = 4) -> None:
        self._release = release
        environment = {**release.shop.environment, "PROMETHEUS_URL": f"http://{release.address}",
                       "PAUSE": str(pause), "EVERY": "0.5", "LOST": "3"}  # fmt: skip
        self._said = release.shop.folder / "said"
        release.shop.folder.joinpath("not-answering").touch()
        with self._said.open("wb") as output:
            self.process = subprocess.Popen(
                [release.shop.folder / "delivery" / "watch-rollout.sh", "--yes"], env=environment, stderr=output,
                stdout=output, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self._said.read_text("utf-8")

    def when(self, words: str, act: Callable[[], object]) -> None:
        until(lambda: words in self.said or self.process.poll() is not None, lambda: self.said)
        assert words in self.said, self.said
        act()

    def ends(self) -> int:
        return self.process.wait(60)


def test_a_healthy_release_goes_through_its_steps_to_the_end(release: Release) -> None:
    watching = Watching(release, pause=2)
    assert watching.ends() == 0, watching.said
    assert release.weights == (0, 100)
    steps = [line.split(maxsplit=1)[1] for line in watching.said.splitlines() if ": shop-api-blue" in line]
    assert steps == ["shop-api: shop-api-blue 75 shop-api-green 25", "shop-api: shop-api-blue 0 shop-api-green 100"]


def test_a_criterion_that_green_breaks_at_a_later_step_rolls_back(release: Release) -> None:
    watching = Watching(release)
    watching.when("shop-api-green 100", lambda: release.colours["green"].become(requests(failed=0.5)))
    assert watching.ends() == 1
    assert "broken: ShopApiRollbackErrorRatio" in watching.said
    assert "healthy for 4 s" in watching.said.partition("shop-api-green 100")[0]
    assert release.weights == (100, 0)


def test_a_prometheus_that_ends_in_mid_pause_rolls_back(release: Release) -> None:
    watching = Watching(release, pause=30)
    watching.when(STEP, release.end)
    assert watching.ends() == 1
    assert "(3 of 3)" in watching.said
    assert release.weights == (100, 0)


def test_a_green_that_is_not_scraped_any_more_cannot_be_judged_and_rolls_back(release: Release) -> None:
    watching = Watching(release, pause=30)
    watching.when(STEP, lambda: release.silent.add("green"))
    assert watching.ends() == 1
    assert "lost: 0 of 1 services are scraped (3 of 3)" in watching.said
    assert release.weights == (100, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "a job that is cancelled"])
def test_an_interruption_in_mid_pause_rolls_back_at_once(release: Release, number: signal.Signals) -> None:
    watching = Watching(release, pause=30)
    watching.when(STEP, lambda: time.sleep(1))
    watching.process.send_signal(number)
    assert watching.ends() == 1
    assert "rolling back" in watching.said
    assert release.weights == (100, 0)


@pytest.mark.parametrize("weights", [(100, 0), (40, 60)], ids=["back to blue", "further than the step"])
def test_whoever_moves_the_traffic_in_mid_pause_ends_the_release(release: Release, weights: tuple[int, int]) -> None:
    watching = Watching(release, pause=30)
    watching.when(STEP, lambda: release.shop.cluster.set_weights("shop-api", *weights))
    assert watching.ends() == 1
    assert f"moved by somebody else: shop-api-blue {weights[0]}" in watching.said
    assert release.weights == (100, 0)
