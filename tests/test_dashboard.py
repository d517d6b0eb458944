"""The dashboard shows each alert with its threshold, and of each service what people look at first.

That it imports cleanly is tested with the other files (`test_monitoring`), that its panels have something to show in a
real Prometheus (`test_prometheus`).
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from devops_tasks.plan import plan_bundle
from tests import tools
from tests.bundles import EXAMPLES, load_example, load_text, render_bundle

FEW = """
feature: {name: Saved, engineer: "@dana"}
sprint: {name: "24"}
experiment: {hypothesis: We believe, primary_metric: {name: Users, target: +20%}}
services:
  - {name: api, needs: [db]}
  - {name: front, kind: web, needs: [], metrics: {convention: none}}
  - {name: indexer, kind: worker, needs: []}
databases: [{name: db}]
caches: none
rollback: {criteria: [{metric: throughput_ratio, below: 10%}]}
alerts:
  - {metric: error_ratio, skip: true}
  - {metric: failure_ratio, skip: true}
  - {metric: latency_p95, skip: true}
  - {metric: cpu_utilization, skip: true}
  - {metric: memory_utilization, skip: true}
  - {metric: db_connections, skip: true}
"""
RATE, ERRORS, DURATION = ":http_requests:rate5m", "errors_per_http_requests:ratio", "duration_seconds:p95"
PROCESSOR, MEMORY = ":container_cpu_usage_per_request:ratio", ":container_memory_working_set_per_limit:ratio"
JOBS, FAILED = ":jobs_processed:rate5m", ":jobs_failed_per_jobs_processed:ratio"
CONNECTIONS = ":pg_connections_used_per_available:ratio"


def panels_of(text: str) -> dict[str, list[dict[str, Any]]]:
    """Give the panels of each row of a dashboard."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for panel in json.loads(text)["panels"]:
        if panel["type"] == "row":
            rows[panel["title"]] = []
        else:
            rows[list(rows)[-1]].append(panel)
    return rows


def drawn(panels: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(target["expr"], target["legendFormat"]) for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_line_of_an_alert_is_drawn_on_the_series_that_it_compares(name: str) -> None:
    loaded = load_example(name)
    panels = {panel["id"]: panel for panel in json.loads(render_bundle(loaded)["monitoring/dashboard.json"])["panels"]}
    alerts = [alert for alert in plan_bundle(loaded.spec)["alerts"] if alert["conditions"]]
    assert alerts
    for alert in alerts:
        panel = panels[alert["panel"]]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["custom"]["thresholdsStyle"] == {"mode": "line"}
        colours = ["red", "green"] if alert["side"] == "below" else ["green", "red"]
        assert [step["color"] for step in defaults["thresholds"]["steps"]] == colours
        compared = alert["conditions"][0]["series"]
        if alert["metric"] == "latency_p95":
            # The alert counts slow requests, which is exact; people read the quantile, an estimate.
            compared = "namespace_job_colour:http_request_duration_seconds:p95_rate5m"
        assert any(expr.startswith(f"{compared}{{") for expr, _ in drawn([panel])), alert["name"]


def test_rate_errors_duration_and_saturation_are_there_whatever_alerts_there_are() -> None:
    rows = panels_of(render_bundle(load_text(FEW))["monitoring/dashboard.json"])
    wanted = {
        "api": (RATE, ERRORS, DURATION, PROCESSOR, MEMORY),
        "front": (PROCESSOR, MEMORY),
        "indexer": (JOBS, FAILED, PROCESSOR, MEMORY),
        "db": (CONNECTIONS,),
    }
    for row, series in wanted.items():
        for each in series:
            assert len([expr for expr, _ in drawn(rows[row]) if each in expr]) == 1, (row, each)
    assert not any(word in expr for expr, _ in drawn(rows["front"]) for word in ("http_", "up{"))
    assert ('database:pg_connections_used_per_available:ratio{database="db"}', "{{database}}") in drawn(rows["db"])


@pytest.mark.parametrize("name", EXAMPLES)
def test_blue_and_green_stand_side_by_side(name: str) -> None:
    loaded = load_example(name)
    rows = panels_of(render_bundle(loaded)["monitoring/dashboard.json"])
    for service in loaded.spec.services:
        for series in (RATE, ERRORS, DURATION, PROCESSOR) if service.kind != "worker" else ():
            legends = [legend for expr, legend in drawn(rows[service.name]) if series in expr and "colour" in expr]
            assert set(legends) == {"{{colour}}"}
        pods = [(expr, legend) for expr, legend in drawn(rows[service.name]) if "up{" in expr]
        assert [legend for _, legend in pods] == ["up" if service.kind == "worker" else "{{colour}}"]


def typed(text: str) -> str:
    """Make a module of TypeScript that says of a dashboard what it is."""
    return (
        f'import type {{ BundleDashboard }} from "./dashboard-type.js";\nexport const it: BundleDashboard = {text};\n'
    )


FAULTS = {
    "a word for a number": ('"schemaVersion": 39', '"schemaVersion": "39"'),
    "an unknown key": ('"editable": false', '"editabel": false'),
    "an unknown choice": ('"displayMode": "list"', '"displayMode": "lists"'),
    "a missing key": ('"refId": "A",', ""),
    "another kind of panel": ('"type": "timeseries"', '"type": "graph"'),
    "a misspelt option": ('"fillOpacity"', '"fillOpaqueness"'),
}


@pytest.mark.real
def test_grafana_s_own_types_accept_it_and_find_what_is_wrong(tmp_path: Path) -> None:
    modules = tools.judge(tools.NODE / "node_modules")
    for name in ("dashboard-type.ts", "tsconfig.json"):
        shutil.copy(tools.ROOT / "tests" / "node" / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(modules)
    right = {name: render_bundle(load_example(name))["monitoring/dashboard.json"] for name in EXAMPLES}
    arms = FEW.replace("+20%}", "+20%}, monitoring: {label: arm, assigned_units: users}")
    right |= {name: render_bundle(load_text(text))["monitoring/dashboard.json"] for name, text in
              (("few", FEW), ("arms", arms))}  # fmt: skip
    wrong = {name: right["minimal"].replace(*change, 1) for name, change in FAULTS.items()}
    for name, text in {**right, **wrong}.items():
        assert name in right or text != right["minimal"]
        (tmp_path / f"{name}.ts").write_text(typed(text), "utf-8")
    compiler = modules / "typescript/bin/tsc"
    done = tools.run("node", [compiler, "--project", tmp_path, "--pretty", "false"], folder=tmp_path)
    assert set(re.findall(r"^(.+)\.ts\(", done.stdout, re.MULTILINE)) == wrong.keys(), done.stdout + done.stderr
