"""Specs that nobody wrote: chosen by a seed among what the platform options allow, judged by the real tools.

`make test` takes a few seeds, always the same; `make soak` takes many (`SPECS=200`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests import scores, tools
from tests.bundles import load_tree, render_bundle
from tests.manifests import objects
from tests.random_specs import random_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FEW = (15, 42, 56)
"""Small specs that reach what differs most: promtool takes half a minute for the rules of some others."""
SEEDS = range(int(os.environ["SPECS"])) if "SPECS" in os.environ else FEW


def _findings(folder: Path, platform: dict[str, Any]) -> Iterator[str]:
    monitoring = folder / "monitoring"
    yield tools.promtool_check_config(monitoring)
    yield tools.promtool_check_rules(monitoring / "recording-rules.yml")
    yield tools.promtool_check_rules(monitoring / "alert-rules.yml")
    yield tools.promtool_test_rules(monitoring / "recording-rules.test.yml")
    yield tools.promtool_test_rules(monitoring / "alert-rules.test.yml")
    yield tools.amtool_check_config(monitoring / "alertmanager.yml")
    for environment in ("staging", "production"):
        manifests = tools.kustomize(folder / "overlays" / environment)
        yield tools.kubernetes_validate(manifests, platform["kubernetes"])
        found = objects(manifests)
        yield tools.custom_kinds({f"{each['kind']} {each['metadata']['name']}": each for each in found})
        yield "\n".join(scores.findings(found))
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
    specs = [random_spec(seed) for seed in FEW]
    assert {spec["platform"]["monitoring"] for spec in specs} == {"prometheus", "prometheus-operator"}
    assert {spec["platform"]["pipeline"] for spec in specs} == {"github-actions", "gitlab-ci"}
    assert any(len(spec["delivery"]["steps"]) == 1 for spec in specs)
    assert any(all(service["kind"] == "worker" for service in spec["services"]) for spec in specs)
    assert {spec["platform"]["secrets"] for spec in specs} == {"external-secrets", "manual"}
    assert any(spec["platform"].get("routing") == "ingress" for spec in specs)
    assert any("slo" in service for spec in specs for service in spec["services"])
