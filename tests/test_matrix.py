"""Specs that nobody wrote: chosen by a seed among what the platform options allow, judged by the real tools.

`make test` takes the first few seeds, always the same; `make soak` takes many (`SPECS=200`).
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests import tools
from tests.bundles import load_tree, render_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEEDS = range(int(os.environ.get("SPECS", "6")))


def _often(choice: random.Random, share: float, keys: dict[str, Any]) -> dict[str, Any]:
    return keys if choice.random() < share else {}


def _service(choice: random.Random, number: int) -> dict[str, Any]:
    kind = choice.choice(["api", "web", "worker"])
    scaling = choice.choice(["none", {"cpu": "55%"}])
    return {
        "name": f"s{number}-{kind}",
        "kind": kind,
        **_often(choice, 0.5, {"image": f"registry.example.com/s{number}:1.{number}"}),
        **_often(choice, 0.5 if kind != "worker" else 0, {"host": f"s{number}.example.com"}),
        **_often(choice, 0.3, {"port": choice.choice(["80", "8080"])}),
        **_often(choice, 0.4, {"metrics": choice.choice([{"port": "9100"}, {"convention": "none"}])}),
        **_often(choice, 0.3, {"production": {"replicas": str(choice.randint(1, 12)), "autoscaling": scaling}}),
        **_often(choice, 0.2, {"config": {"GREETING": "hello, world"}}),
        **_often(choice, 0.2, {"secrets": []}),
    }


def _stores(choice: random.Random) -> dict[str, Any]:
    inside = {"name": "d1", "hosting": "in-cluster", "namespace": "data", "selector": {"app": "d1"}}
    queue = choice.choice([{"name": "q0"}, {"name": "q0", "topic": "orders", "group": "indexer"}])
    return {
        **_often(choice, 0.75, {"databases": choice.choice([[], [inside], [{"name": "d0"}, inside]])}),
        **_often(choice, 0.4, {"caches": []}),
        **_often(choice, 0.4, {"queues": [queue]}),
        **_often(choice, 0.4, {"external_services": [{"name": "e0", "host": "e.example.com"}]}),
    }


def _platform(choice: random.Random) -> dict[str, Any]:
    return {
        "kubernetes": choice.choice(["1.29", "1.33", "1.37"]),
        "cloud": choice.choice(["aws", "none"]),
        "monitoring": choice.choice(["prometheus", "prometheus-operator"]),
        "secrets": choice.choice(["manual", "external-secrets"]),
        "pipeline": choice.choice(["github-actions", "gitlab-ci"]),
        **_often(choice, 0.5, {"tls_issuer": "letsencrypt"}),
        **_often(choice, 0.5, {"gateway": {"name": "public", "namespace": "gateway-system"}}),
    }


def random_spec(seed: int) -> dict[str, Any]:
    """Choose a spec; every one is valid, and the same seed gives the same."""
    choice = random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    steps = choice.choice([["100%"], ["1%", "100%"], ["5%", "20%", "80%", "100%"]])
    return {
        "feature": {"name": choice.choice(["X", "Ünïcode & Co"]), "engineer": "@dana", "slug": "big-thing"},
        "sprint": {"name": "1"},
        "experiment": {"hypothesis": "We believe", "primary_metric": {"name": "m", "target": "+5%"}},
        "services": [_service(choice, number) for number in range(choice.randint(1, 3))],
        **_stores(choice),
        "platform": _platform(choice),
        "delivery": {"steps": steps, "pause": choice.choice(["1m", "90s", "1h"])},
        **_often(choice, 0.5, {"alerts": [{"metric": "cpu_utilization", "above": "92.5%"}]}),
        **_often(choice, 0.3, {"document": {"fidelity": "brief"}}),
        **_often(choice, 0.3, {"cost": {"budget": "250 USD", "notify": "devops@example.com"}}),
    }


def _findings(folder: Path, platform: dict[str, Any]) -> Iterator[str]:
    monitoring = folder / "monitoring"
    yield tools.promtool_check_config(monitoring)
    yield tools.promtool_check_rules(monitoring / "recording-rules.yml")
    yield tools.promtool_check_rules(monitoring / "alert-rules.yml")
    yield tools.promtool_test_rules(monitoring / "alert-rules.test.yml")
    yield tools.amtool_check_config(monitoring / "alertmanager.yml")
    for environment in ("staging", "production"):
        manifests = tools.kustomize(folder / "overlays" / environment)
        yield tools.kubernetes_validate(manifests, platform["kubernetes"])
    for script in sorted(folder.rglob("*.sh")):
        yield tools.shellcheck(script) + tools.shfmt(script)
    yield tools.yaml_lint(folder) + tools.markdown_lint(folder)
    schema = "gitlab-ci" if platform["pipeline"] == "gitlab-ci" else "github-workflows"
    yield tools.workflow_check(folder / "delivery/pipeline.yml", schema)  # type: ignore[arg-type]


@pytest.mark.real
@pytest.mark.parametrize("seed", SEEDS)
def test_a_bundle_of_a_spec_that_nobody_wrote_passes_every_tool(seed: int, tmp_path: Path) -> None:
    spec = random_spec(seed)
    for path, text in render_bundle(load_tree(spec)).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    assert [found for found in _findings(tmp_path, spec["platform"]) if found] == []


def test_the_seeds_of_every_run_reach_what_differs_most() -> None:
    specs = [random_spec(seed) for seed in range(6)]
    assert {spec["platform"]["monitoring"] for spec in specs} == {"prometheus", "prometheus-operator"}
    assert {spec["platform"]["pipeline"] for spec in specs} == {"github-actions", "gitlab-ci"}
    assert any(len(spec["delivery"]["steps"]) == 1 for spec in specs)
    assert any(all(service["kind"] == "worker" for service in spec["services"]) for spec in specs)
