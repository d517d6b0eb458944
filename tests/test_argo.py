"""Releases by Argo Rollouts: the objects, what they ask Prometheus, and the scripts round them, run with real tools."""

from __future__ import annotations

import math
import re
import signal
import subprocess
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from devops_tasks.checks.capacity import check_environments, check_quotas
from devops_tasks.checks.cluster import read_cluster
from devops_tasks.checks.commands import check_steps, check_traffic
from devops_tasks.checks.documents import read_documents
from devops_tasks.checks.objects import check_objects
from devops_tasks.checks.rollouts import check_rollouts
from devops_tasks.plan import plan_bundle
from devops_tasks.promql import read_query
from tests import tools
from tests.bundles import load_text, render_bundle
from tests.cluster import Machine, machine
from tests.manifests import build, objects
from tests.specs import MINIMAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devops_tasks.render import Files
    from tests.manifests import Object

TEXT = f"""{MINIMAL}
services:
  - {{name: shop-api, host: shop.example.com, path: /api, health: {{port: 8081}}, production: {{autoscaling: none}}}}
  - {{name: shop-web, kind: web, host: shop.example.com}}
  - {{name: indexer, kind: worker}}
databases: []
caches: []
monitoring: {{prometheus: "http://prometheus.monitoring:9090"}}
rollback:
  criteria:
    - {{metric: latency_p95, above: 500ms, for: 5m}}
    - {{metric: error_ratio, above: 2%, for: 40s}}
    - {{metric: throughput_ratio, below: 20%, for: 2m}}
    - {{metric: memory_utilization, above: 90%, for: 0s}}
delivery: {{pause: 5m}}
"""
ARGO, KUBERNETES = "platform: {rollout: argo-rollouts}\n", "platform: {rollout: kubernetes}\n"
FLIPS = "platform: {rollout: argo-rollouts, routing: ingress}\n"
ROLLED = ("shop-api", "shop-web")


@cache
def bundle(platform: str = ARGO, text: str = TEXT) -> Files:
    return render_bundle(load_text(text + platform))


@cache
def applied(platform: str, environment: str) -> dict[tuple[str, str], Object]:
    return {(each["kind"], each["metadata"]["name"]): each for each in objects(build(bundle(platform), environment))}


def rollout(name: str, platform: str = ARGO, environment: str = "production") -> Object:
    return applied(platform, environment)["Rollout", name]


def templates(platform: str = ARGO) -> dict[str, list[dict[str, Any]]]:
    """Give the metrics of every AnalysisTemplate."""
    found = applied(platform, "production").items()
    return {name: each["spec"]["metrics"] for (kind, name), each in found if kind == "AnalysisTemplate"}


def queries() -> dict[str, str]:
    return {each["name"]: each["provider"]["prometheus"]["query"] for group in templates().values() for each in group}


# The objects


@pytest.mark.parametrize("environment", ["staging", "production"])
@pytest.mark.parametrize("platform", [ARGO, FLIPS], ids=["gateway", "ingress"])
def test_each_service_that_takes_requests_is_one_rollout(platform: str, environment: str) -> None:
    found = applied(platform, environment)
    assert [name for kind, name in found if kind == "Rollout"] == list(ROLLED)
    assert [name for kind, name in found if kind == "Deployment"] == ["indexer"]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_pods_are_those_of_the_deployments_so_that_what_judges_these_judges_them(environment: str) -> None:
    for name in ROLLED:
        ours = rollout(name, environment=environment)["spec"]["template"]
        theirs = applied(KUBERNETES, environment)["Deployment", f"{name}-blue"]["spec"]["template"]
        text = yaml.safe_dump(theirs).replace("- pod-template-hash", "- rollouts-pod-template-hash")
        text = text.replace(f"instance: {name}-blue", f"instance: {name}")
        assert yaml.safe_dump(ours) == re.sub(r" *colour: blue\n", "", text)


@pytest.mark.parametrize(
    ("name", "environment", "replicas"),
    [
        ("shop-api", "staging", 2),
        ("shop-api", "production", 3),
        ("shop-web", "staging", 2),
        ("shop-web", "production", None),
    ],
)
def test_an_environment_has_as_many_pods_as_the_spec_says(name: str, environment: str, replicas: int | None) -> None:
    assert rollout(name, environment=environment)["spec"].get("replicas") == replicas


def test_an_autoscaler_scales_the_rollout() -> None:
    scaler = applied(ARGO, "production")["HorizontalPodAutoscaler", "shop-web"]["spec"]
    wanted = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "shop-web"}
    assert scaler["scaleTargetRef"] == wanted
    assert ("HorizontalPodAutoscaler", "shop-api") not in applied(ARGO, "production")


def test_with_a_gateway_production_moves_the_weights_of_the_route_in_the_spec_s_steps() -> None:
    for name in ROLLED:
        canary = rollout(name)["spec"]["strategy"]["canary"]
        steps = [step["setWeight"] if "setWeight" in step else step["pause"]["duration"] for step in canary["steps"]]
        assert steps == [10, "300s", 50, "300s", 100, "300s"]
        assert (canary["stableService"], canary["canaryService"]) == (name, f"{name}-green")
        plugin = canary["trafficRouting"]["plugins"]["argoproj-labs/gatewayAPI"]
        assert plugin == {"httpRoute": name, "namespace": "saved-reports"}
        assert canary["analysis"]["startingStep"] == 1
        assert "steps" not in rollout(name, environment="staging")["spec"]["strategy"]["canary"]


def test_with_ingresses_the_service_they_lead_to_is_moved_and_judged_afterwards() -> None:
    for name in ROLLED:
        flips = rollout(name, FLIPS)["spec"]["strategy"]["blueGreen"]
        assert (flips["activeService"], flips["previewService"]) == (name, f"{name}-green")
        judged = [each["templateName"] for each in flips["postPromotionAnalysis"]["templates"]]
        assert judged == ["rollback-criteria", f"{name}-measured"]
        # Written, it would end the analysis half way.
        assert "scaleDownDelaySeconds" not in flips
        (route,) = [each for each in yaml.safe_load_all(bundle(FLIPS)["delivery/traffic/green-000.yml"])
                    if each["metadata"]["name"] == name]  # fmt: skip
        backend = route["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"]
        assert backend == name


def test_without_anything_that_is_measured_a_flip_keeps_the_old_version_for_the_pause() -> None:
    text = f"{MINIMAL}services: [{{name: shop-api, metrics: {{convention: none}}}}]\ndatabases: []\n{FLIPS}"
    files = render_bundle(load_text(text))
    assert "overlays/production/analysis.yml" not in files
    assert "scaleDownDelaySeconds: 600" in files["overlays/production/shop-api-steps.yml"]


@pytest.mark.parametrize("platform", [ARGO, FLIPS], ids=["gateway", "ingress"])
def test_the_roles_of_the_pods_carry_the_label_by_which_the_rules_tell_them_apart(platform: str) -> None:
    (strategy,) = rollout("shop-api", platform)["spec"]["strategy"].values()
    roles = [strategy[f"{role}Metadata"]["labels"] for role in (
        ("active", "preview") if platform == FLIPS else ("stable", "canary"))]  # fmt: skip
    assert roles == [{"colour": "blue"}, {"colour": "green"}]
    labels = rollout("shop-api", platform)["spec"]["template"]["metadata"]["labels"]
    assert "colour" not in labels
    assert "__meta_kubernetes_pod_label_colour" in bundle(platform)["monitoring/prometheus-config.yml"]


def test_both_services_select_every_pod_until_argo_rollouts_narrows_them() -> None:
    for name in ROLLED:
        for service in (name, f"{name}-green"):
            spec = applied(ARGO, "production")["Service", service]["spec"]
            assert spec["selector"] == {"app.kubernetes.io/name": name}
        assert ("Service", f"{name}-blue") not in applied(ARGO, "production")


def test_cpu_is_watched_over_all_pods_since_no_name_has_a_colour() -> None:
    rules = bundle()["monitoring/recording-rules.yml"]
    assert "namespace_container:container_cpu_usage_per_request:ratio_rate5m" in rules
    assert "namespace_container_colour" not in rules


def test_a_bundle_of_workers_alone_is_the_same_as_without_argo_rollouts() -> None:
    text = f"{MINIMAL}services: [{{name: indexer, kind: worker}}]\ndatabases: []\ncaches: []\n"
    assert bundle(ARGO, text) == bundle(KUBERNETES, text)


def test_what_argo_rollouts_does_itself_has_no_script() -> None:
    assert sorted(path for path in bundle() if path.startswith("delivery/")) == [
        "delivery/pipeline.yml", "delivery/rollback.sh", "delivery/smoke-test.sh", "delivery/traffic/green-000.yml",
        "delivery/watch-rollout.sh",
    ]  # fmt: skip


@pytest.mark.real
def test_the_rules_pass_their_own_tests(tmp_path: Path) -> None:
    for path, text in bundle(ARGO, MINIMAL).items():
        if path.startswith("monitoring/"):
            (tmp_path / Path(path).name).write_text(text)
    assert tools.promtool_test_rules(tmp_path / "recording-rules.test.yml") == ""


# What is asked of Prometheus


def test_all_rollouts_are_judged_by_all_criteria_and_each_by_whether_it_is_measured() -> None:
    assert list(templates()) == ["rollback-criteria", "shop-api-measured", "shop-web-measured"]
    for name in ROLLED:
        judged = rollout(name)["spec"]["strategy"]["canary"]["analysis"]["templates"]
        assert [each["templateName"] for each in judged] == ["rollback-criteria", f"{name}-measured"]
    names = [each["name"] for each in templates()["rollback-criteria"]]
    alerts = [each["name"] for each in plan_bundle(load_text(TEXT + ARGO).spec)["alerts"] if each["guardrail"]]
    assert len(names) == len(set(names)) == len(alerts) == 9


@pytest.mark.parametrize("platform", [ARGO, FLIPS], ids=["gateway", "ingress"])
def test_the_first_answer_beyond_a_threshold_ends_a_release_and_so_do_four_missing_ones(platform: str) -> None:
    for metric in (each for group in templates(platform).values() for each in group):
        assert (metric["failureLimit"], metric["inconclusiveLimit"], metric["consecutiveErrorLimit"]) == (0, 0, 3)
        assert metric["provider"]["prometheus"]["address"] == "http://prometheus.monitoring:9090"
        # Beside the steps it is asked to the end; after a flip for as long as the pause.
        assert ("count" in metric) == (platform == FLIPS)
        if platform == FLIPS:
            assert (metric["count"] - 1) * int(metric["interval"].removesuffix("s")) == 300


def test_the_thresholds_are_those_of_the_alerts() -> None:
    plan = plan_bundle(load_text(TEXT + ARGO).spec)
    alerts = [each for each in plan["alerts"] if each["guardrail"]]
    for alert, metric in zip(alerts, templates()["rollback-criteria"], strict=True):
        sign, limit = alert["conditions"][0]["sign"], Decimal(alert["conditions"][0]["limit"])
        written = re.findall(r"result\[0\] (\S+) (\S+)$", metric["failureCondition"])
        assert [(each[0], Decimal(each[1])) for each in written] == [(sign, limit)]
        assert 'namespace="saved-reports"' in metric["provider"]["prometheus"]["query"]
        assert all(each["series"] in metric["provider"]["prometheus"]["query"] for each in alert["conditions"])


def test_every_series_that_is_asked_for_is_recorded() -> None:
    recorded = set(re.findall(r"record: (\S+)", bundle()["monitoring/recording-rules.yml"]))
    asked = {each.name for query in queries().values() for each in read_query(query).selectors}
    assert asked - recorded == {"up", "ALERTS"}


_WORDS = {"&&": " and ", "||": " or ", "!(": " not (", "isNaN": "math.isnan"}


def judged(metric: Mapping[str, Any], result: list[float]) -> str:
    """Judge an answer as Argo Rollouts does; of its language nothing is read but what our conditions use."""
    answers = {}
    for name in ("successCondition", "failureCondition"):
        text = metric[name]
        assert re.fullmatch(
            r"(?:len\(result\)|isNaN\(result\[0\]\)|result\[0\]|&&|\|\||==|[<>]=?|!?\(|\)|[\d.]+|/| )+", text
        )
        for theirs, ours in _WORDS.items():
            text = text.replace(theirs, ours)
        answers[name] = eval(text, {"result": result, "math": math, "len": len})  # noqa: S307 - the words above alone
    if answers["failureCondition"]:
        return "failed"
    return "successful" if answers["successCondition"] else "inconclusive"


def answers(limit: float, *, above: bool) -> Iterator[tuple[list[float], str]]:
    beyond = math.nextafter(limit, math.inf if above else -math.inf)
    yield [], "successful"
    yield [math.nan], "successful"
    yield [limit], "successful"
    yield [beyond], "failed"
    yield [math.inf], "failed" if above else "successful"
    yield [0.0], "successful" if above else "failed"


def test_each_criterion_is_strict_at_its_threshold_and_never_undecided() -> None:
    for metric in templates()["rollback-criteria"]:
        sign, limit = re.findall(r"result\[0\] ([<>]) (\S+)$", metric["failureCondition"])[0]
        for result, outcome in answers(float(limit), above=sign == ">"):
            assert judged(metric, result) == outcome, (metric["name"], result)


@pytest.mark.parametrize(
    ("result", "outcome"),
    [([], "failed"), ([0.0], "failed"), ([math.nan], "failed"), ([1.0], "successful"), ([3.0], "successful")],
    ids=str,
)
def test_a_newcomer_that_nobody_measures_ends_the_release(result: list[float], outcome: str) -> None:
    (metric,) = templates()["shop-api-measured"]
    assert judged(metric, result) == outcome


def test_measuring_begins_when_there_was_time_to_scrape() -> None:
    (metric,) = templates()["shop-api-measured"]
    assert metric["initialDelay"] == "60s"
    assert "[1m]" in metric["provider"]["prometheus"]["query"]


_JOB = 'namespace="saved-reports",job="shop-api"'
_ERRORS = "namespace_job_colour:http_requests_errors"
_LABELS = f'{_JOB},colour="COLOUR"'


def _errors(ratio: str, events: str = "5x40", colour: str = "green") -> list[dict[str, str]]:
    labels = _LABELS.replace("COLOUR", colour)
    return [
        {"series": f"{_ERRORS}_per_http_requests:ratio_rate5m{{{labels}}}", "values": ratio},
        {"series": f"{_ERRORS}:increase5m{{{labels}}}", "values": events},
    ]


def _scraped(values: str, colour: str = "green") -> dict[str, str]:
    return {"series": f'up{{{_LABELS.replace("COLOUR", colour)},instance="a"}}', "values": values}


_ERROR_RATIO, _MEASURED = "shop-api-error-ratio", "shop-api-measured"
_WATCHDOG = 'ALERTS{alertname="SavedReportsWatchdog",alertstate="firing"}'
PAIRED: dict[str, tuple[list[dict[str, str]], dict[str, bool]]] = {
    "beyond from the start": (_errors("0.021x40"), {"35s": False, "50s": True, "5m5s": True}),
    "at the threshold": (_errors("0.02x40"), {"50s": False, "5m5s": False}),
    "beyond, with too few failures": (_errors("0.5x40", "4.9x40"), {"50s": False, "5m5s": False}),
    "beyond, and for a moment nobody asked": (
        _errors("0.5x1 stale 0.5x40"), {"50s": False, "1m20s": False, "1m35s": True},
    ),
    "beyond, and well for a moment": (
        _errors("0.5x1 0.01 0.5x40"), {"50s": False, "1m20s": False, "1m35s": True},
    ),
}  # fmt: skip
"""What the error ratio of the newcomer is, and when the criterion of 40s at more than 2% is met.

Between two evaluations, as it is asked: at the very moment of one, Prometheus 2 counts one more than Prometheus 3.
"""


@pytest.mark.real
def test_a_query_is_beyond_its_threshold_when_the_alert_fires_and_at_no_other_time(tmp_path: Path) -> None:
    held = [
        {"promql_expr_test": [each for at, met in times.items() for each in _both(at, met=met)], "name": name,
         "interval": "15s", "input_series": [{**each, "values": _held(each["values"])} for each in series]}
        for name, (series, times) in PAIRED.items()
    ]  # fmt: skip
    assert promtool(held, tmp_path) == ""


def _held(values: str) -> str:
    """Write values in promtool's notation: a series that stays is a series that grows by nothing."""
    return " ".join(re.sub(r"^([\d.]+)x", r"\1+0x", part) for part in values.split())


def _both(at: str, *, met: bool) -> Iterator[dict[str, Any]]:
    firing = 'count(ALERTS{alertname="ShopApiRollbackErrorRatio",alertstate="firing"})'
    for expr in (firing, f"count(({queries()[_ERROR_RATIO]}) > 0.02)"):
        yield {"expr": expr, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}] if met else []}


def promtool(cases: list[dict[str, Any]], folder: Path) -> str:
    (folder / "alert-rules.yml").write_text(bundle()["monitoring/alert-rules.yml"])
    tests = {"rule_files": ["alert-rules.yml"], "evaluation_interval": "15s", "tests": cases}
    (folder / "analysis.test.yml").write_text(yaml.safe_dump(tests))
    return tools.promtool_test_rules(folder / "analysis.test.yml")


ASKED: dict[str, tuple[str, str, list[dict[str, str]], float | None]] = {
    "what serves is not judged": (_ERROR_RATIO, "5m", _errors("0.5+0x40", "5+0x40", "blue"), None),
    "what is new is judged": (_ERROR_RATIO, "5m", _errors("0.5+0x40", "5+0x40"), 0.5),
    "the lowest value that held is told": (_ERROR_RATIO, "3m", _errors("0.5+0x10 0.3+0x40", "5+0x60"), 0.3),
    "the newcomer is scraped": (_MEASURED, "10m", [_scraped("1+0x40")], 1),
    "the newcomer is down": (_MEASURED, "10m", [_scraped("0+0x40")], None),
    "only what serves is scraped": (_MEASURED, "10m", [_scraped("1+0x40", "blue")], None),
    "down for less than a minute": (_MEASURED, "10m", [_scraped("1+0x36 0+0x4")], 1),
    "down for a minute": (_MEASURED, "10m", [_scraped("1+0x35 0+0x4")], None),
    "nobody is scraped": (_MEASURED, "10m", [], None),
}
"""Which question, when, what there is, and the answer."""


@pytest.mark.real
def test_a_question_is_about_the_newcomer(tmp_path: Path) -> None:
    cases = [
        {
            "name": name, "interval": "15s", "input_series": series,
            "promql_expr_test": [
                {"expr": queries()[asked], "eval_time": at,
                 "exp_samples": [] if value is None else [{"labels": "{}", "value": value}]}
            ],
        }
        for name, (asked, at, series, value) in ASKED.items()
    ]  # fmt: skip
    assert promtool(cases, tmp_path) == ""


@pytest.mark.real
def test_rules_that_nobody_loaded_are_no_health(tmp_path: Path) -> None:
    expected = {"expr": queries()[_MEASURED], "eval_time": "5m", "exp_samples": []}
    case = {"interval": "15s", "input_series": [_scraped("1+0x40")], "promql_expr_test": [expected]}
    (tmp_path / "analysis.test.yml").write_text(yaml.safe_dump({"evaluation_interval": "15s", "tests": [case]}))
    assert tools.promtool_test_rules(tmp_path / "analysis.test.yml") == ""
    assert _WATCHDOG in queries()[_MEASURED]


# What check finds


def found(files: Files) -> list[str]:
    cluster = read_cluster(read_documents(files)[0])
    steps = [0, 10, 50, 100]
    return [
        problem.what
        for problem in (
            *check_objects(cluster), *check_rollouts(cluster, files), *check_traffic(cluster),
            *check_steps(files, steps, [0]), *check_environments(cluster, files), *check_quotas(cluster, files),
        )
    ]  # fmt: skip


@pytest.mark.parametrize("platform", [ARGO, FLIPS], ids=["gateway", "ingress"])
def test_a_bundle_as_it_was_generated_has_no_finding(platform: str) -> None:
    assert [each for each in found(bundle(platform)) if "steps" not in each] == []


_STEPS, _SIZE = "overlays/production/shop-web-steps.yml", "overlays/production/shop-web-size.yml"
_QUOTA = "apiVersion: v1\nkind: ResourceQuota\nmetadata:\n  name: all\nspec:\n  hard:\n    requests.cpu: 25\n"
EDITS = {
    "another stable service": (_STEPS, "stableService: shop-web", "stableService: shop-wbe", "Service shop-wbe"),
    "another canary service": (_STEPS, "shop-web-green", "shop-web-blue", "Service shop-web-blue"),
    "another route": (_STEPS, "httpRoute: shop-web", "httpRoute: web", "HTTPRoute web"),
    "another analysis": (_STEPS, "Name: rollback-criteria", "Name: criteria", "AnalysisTemplate criteria"),
    "another rollout": (_STEPS, "  name: shop-web\n", "  name: web\n", "patches Rollout web"),
    "another weight": (_STEPS, "setWeight: 50", "setWeight: 60", "the steps here are 10, 60, 100"),
    "a scaler of nothing": ("scaling/hpa.yml", "kind: Rollout", "kind: Deployment", "scales Deployment shop-web"),
    "another share": ("delivery/traffic/green-000.yml", "weight: 100", "weight: 90", "sends blue 90, green 0"),
    "replicas outside of the scaler": (
        _SIZE, "- op: add\n", "- op: add\n  path: /spec/replicas\n  value: 50\n- op: add\n", "50 pods of shop-web",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "right", "wrong", "what"), EDITS.values(), ids=EDITS.keys())
def test_an_edit_that_contradicts_is_found(path: str, right: str, wrong: str, what: str) -> None:
    text = bundle()[path]
    assert right in text
    assert any(what in each for each in found({**bundle(), path: text.replace(right, wrong, 1)}))


@pytest.mark.parametrize(("most", "finds"), [("25", True), ("26", False)])
def test_the_pods_of_rollouts_count_against_a_quota(most: str, finds: bool) -> None:  # noqa: FBT001
    path = "overlays/production/kustomization.yaml"
    files = {
        **bundle(),
        path: bundle()[path].replace("resources:\n", "resources:\n  - quota.yml\n", 1),
        "overlays/production/quota.yml": _QUOTA.replace("25", most),
    }
    # 3 of shop-api, 10 of shop-web at its most and none of the worker's: with 2 cores each.
    worker = "overlays/production/indexer-size.yml"
    files[worker] = re.sub(r"cpu: \S+", 'cpu: "0"', files[worker])
    assert [each for each in found(files) if "ResourceQuota" in each] == (
        ["ResourceQuota all allows requests.cpu of 25, and the pods of production come to 26 CPU"] if finds else []
    )


# The scripts


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Machine]:
    """A machine at a cluster in which both services are being released; the scripts are in its folder."""
    for path, text in bundle().items():
        if path.startswith("delivery/"):
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            target.chmod(0o755)
    with machine(tmp_path) as here:
        for name in ROLLED:
            here.cluster.add_rollout(name, "old", "new", "Paused", 1)
        yield here


def rollback(shop: Machine, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return shop.run(shop.folder / "delivery/rollback.sh", *arguments, **environment)


def watch(shop: Machine, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {"EVERY": "0.2", "LOST": "2", **environment}
    return shop.run(shop.folder / "delivery/watch-rollout.sh", "--yes", **settings)


def versions(shop: Machine) -> list[str]:
    return [shop.cluster.version(name) for name in ROLLED]


_PATCHED = {"{'status': {'abort': True}}": "abort", "{}": "nothing"}


def changed(shop: Machine) -> list[tuple[str, str]]:
    """List what was changed: of which Rollout the status, and of which the rest."""
    return [(name, _PATCHED.get(str(body), "template")) for _, name, body in shop.cluster.events]


@pytest.mark.real
@pytest.mark.parametrize("phase", ["Paused", "Degraded"])
def test_a_rollback_first_ends_every_release_and_then_brings_the_old_version_back(shop: Machine, phase: str) -> None:
    for name in ROLLED:
        shop.cluster.tell(name, phase)
    done = rollback(shop, "--yes")
    assert done.returncode == 0, done.stderr
    assert changed(shop) == [(name, what) for what in ("abort", "template") for name in ROLLED]
    assert versions(shop) == ["old", "old"]
    assert "shop-api: from new back to old: registry.example.com/shop-api:old" in done.stderr
    assert "shop-web-old-x, blue, answers on /readyz" in done.stderr
    assert "workers were not touched: indexer" in done.stderr


@pytest.mark.real
def test_a_rollback_touches_nothing_where_no_release_is_under_way_so_it_may_be_run_twice(shop: Machine) -> None:
    for name in ROLLED:
        shop.cluster.tell(name, "Healthy", current="old")
    done = rollback(shop, "--yes")
    assert (done.returncode, shop.cluster.events) == (0, [])
    assert "nothing to roll back" in done.stderr


@pytest.mark.real
def test_once_a_release_is_over_a_service_goes_back_to_the_version_that_is_named(shop: Machine) -> None:
    for name in ROLLED:
        shop.cluster.tell(name, "Healthy", stable="new")
    done = rollback(shop, "--yes", "shop-web=old")
    assert done.returncode == 0, done.stderr
    assert versions(shop) == ["new", "old"]
    assert changed(shop) == [("shop-web", "template")]


@pytest.mark.real
@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("shop-web=gone", "shop-web has no version gone any more: no service was changed"),
        ("indexer=old", "indexer=old is no SERVICE=HASH"),
        ("shop-web", "shop-web is no SERVICE=HASH"),
        ("shop-web=", "shop-web= is no SERVICE=HASH"),
    ],
)
def test_a_version_that_is_not_there_changes_nothing(shop: Machine, argument: str, told: str) -> None:
    done = rollback(shop, "--yes", argument)
    assert (done.returncode, shop.cluster.events) == (1, [])
    assert told in done.stderr


@pytest.mark.real
@pytest.mark.parametrize(("arguments", "code"), [(["--dry-run"], 0), ([], 1)], ids=["a dry run", "nobody to ask"])
def test_nothing_is_changed_unasked(shop: Machine, arguments: list[str], code: int) -> None:
    for script in ("rollback.sh", "watch-rollout.sh"):
        done = shop.run(shop.folder / "delivery" / script, *arguments)
        assert (done.returncode, shop.cluster.events) == (code, []), done.stderr


@pytest.mark.real
def test_a_first_release_has_nothing_to_go_back_to(shop: Machine) -> None:
    for name in ROLLED:
        del shop.cluster.objects["rollouts", name]["status"]["stableRS"]
    done = rollback(shop, "--yes")
    assert (done.returncode, shop.cluster.events) == (0, [])
    assert "shop-api: its first release" in done.stderr


@pytest.mark.real
@pytest.mark.parametrize("trouble", ["broken", "not_answering"])
def test_a_rollback_to_a_version_that_is_broken_too_is_no_success(shop: Machine, trouble: str) -> None:
    getattr(shop.cluster, trouble).add("shop-web" if trouble == "broken" else "shop-web-old-x")
    done = rollback(shop, "--yes", DEADLINE="2")
    assert done.returncode == 1
    assert versions(shop) == ["old", "old"]
    told = {"broken": "FAILED for shop-web:", "not_answering": "shop-web-old-x does not answer"}[trouble]
    assert told in done.stderr


def in_time(shop: Machine, *moments: tuple[str, str]) -> None:
    """Let a Rollout reach a phase each time that somebody looks at it, one after another; the last one stays."""
    left = list(moments)

    def look(resource: str, name: str) -> None:
        if resource == "rollouts" and left and left[0][0] == name:
            _, phase = left.pop(0)
            shop.cluster.tell(name, phase, stable="new" if phase == "Healthy" else "")

    shop.cluster.before_find = look


@pytest.mark.real
def test_a_release_is_followed_to_its_end(shop: Machine) -> None:
    in_time(shop, ("shop-api", "Paused"), ("shop-api", "Progressing"), ("shop-web", "Healthy"), ("shop-api", "Healthy"))
    done = watch(shop)
    assert done.returncode == 0, done.stderr
    assert "served until now: shop-api=old shop-web=old" in done.stderr
    assert "going: shop-api: Progressing at step 1" in done.stderr
    assert "shop-web-new-x, blue, answers on /readyz" in done.stderr
    assert versions(shop) == ["new", "new"]


@pytest.mark.real
def test_when_one_service_goes_back_the_others_do_too_even_where_their_release_is_over(shop: Machine) -> None:
    in_time(shop, ("shop-api", "Paused"), ("shop-api", "Healthy"), ("shop-web", "Degraded"))
    done = watch(shop)
    assert done.returncode == 1
    assert "broken: shop-api: Healthy" in done.stderr
    assert versions(shop) == ["old", "old"]


@pytest.mark.real
def test_a_release_of_which_nothing_comes_is_rolled_back(shop: Machine) -> None:
    done = watch(shop, DEADLINE="1")
    assert done.returncode == 1
    assert "not over after 1 s" in done.stderr
    assert versions(shop) == ["old", "old"]


@pytest.mark.real
def test_a_change_that_argo_rollouts_has_not_seen_yet_is_not_the_end(shop: Machine) -> None:
    for name in ROLLED:
        shop.cluster.tell(name, "Healthy")
        shop.cluster.objects["rollouts", name]["metadata"]["generation"] += 1
    done = watch(shop, DEADLINE="1")
    assert "going: shop-api: Progressing" in done.stderr
    assert done.returncode == 1


@pytest.mark.real
def test_a_new_version_that_does_not_answer_is_rolled_back(shop: Machine) -> None:
    for name in ROLLED:
        shop.cluster.not_answering.add(f"{name}-new-x")
    in_time(shop, *((name, "Paused") for name in ROLLED), *((name, "Healthy") for name in ROLLED))
    done = watch(shop)
    assert done.returncode == 1
    assert versions(shop) == ["old", "old"]


@pytest.mark.real
def test_a_release_that_cannot_be_seen_is_rolled_back_and_says_when_that_fails(shop: Machine) -> None:
    def vanish(_resource: str, name: str) -> None:
        if name == "shop-web":  # it is read last, so the script has begun
            shop.cluster.objects.pop(("rollouts", "shop-api"), None)

    shop.cluster.before_find = vanish
    done = watch(shop)
    assert done.returncode == 1
    assert "the release cannot be seen" in done.stderr
    assert "THE ROLLBACK FAILED" in done.stderr


@pytest.mark.real
def test_a_watch_that_is_interrupted_rolls_back(shop: Machine) -> None:
    script = shop.folder / "delivery/watch-rollout.sh"
    environment = {**shop.environment, "EVERY": "30"}
    (shop.folder / "not-answering").write_text("")
    with subprocess.Popen(["/usr/bin/env", "bash", str(script), "--yes"], env=environment, stderr=subprocess.PIPE,
                          text=True, start_new_session=True) as watching:  # fmt: skip
        assert watching.stderr is not None
        for line in watching.stderr:
            if "going:" in line:
                watching.send_signal(signal.SIGTERM)
                break
        watching.communicate(timeout=60)
    assert watching.returncode == 1
    assert versions(shop) == ["old", "old"]


@pytest.mark.real
@pytest.mark.parametrize(("colour", "version"), [("blue", "old"), ("green", "new")])
def test_a_smoke_test_asks_a_pod_of_the_colour(shop: Machine, colour: str, version: str) -> None:
    if colour == "blue":
        for name in ROLLED:
            shop.cluster.tell(name, "Healthy")
    done = shop.run(shop.folder / "delivery/smoke-test.sh", colour)
    assert done.returncode == 0, done.stderr
    assert f"shop-api-{version}-x, {colour}, answers on /healthz" in done.stderr


@pytest.mark.real
@pytest.mark.parametrize(
    ("colour", "phase", "told"),
    [
        ("blue", "Degraded", "shop-api is Degraded"),
        ("blue", "Progressing", "shop-api is Progressing at step 1 after 1 s"),
        ("green", "Healthy", "shop-api has no ready pod that is green"),
    ],
)
def test_a_smoke_test_fails_where_nobody_could_answer(shop: Machine, colour: str, phase: str, told: str) -> None:
    for name in ROLLED:
        shop.cluster.tell(name, phase, stable="new" if colour == "green" else "")
    done = shop.run(shop.folder / "delivery/smoke-test.sh", colour, DEADLINE="1")
    assert done.returncode == 1
    assert told in done.stderr


# The pipeline


@pytest.mark.parametrize("platform", ["github-actions", "gitlab-ci"])
def test_a_release_goes_through_staging_the_surroundings_the_routes_the_rollouts_and_the_workers(platform: str) -> None:
    text = bundle(ARGO.replace("}", f", pipeline: {platform}}}"))["delivery/pipeline.yml"]
    order = [
        "overlays/staging", "no release is under way", "notin (shop-api,shop-web,indexer)", "green-000.yml",
        "'app.kubernetes.io/component!=worker'", "delivery/watch-rollout.sh --yes", "delivery/rollback.sh --yes",
        "rollout status deployment/indexer",
    ]  # fmt: skip
    places = [text.rindex(words) for words in order]
    assert places == sorted(places)
    assert "smoke-test.sh green" not in text
    assert "shift-traffic" not in text


@pytest.mark.real
@pytest.mark.parametrize(
    ("phase", "code"), [("Healthy", 0), ("Degraded", 0), ("Paused", 1), ("Progressing", 1), (None, 0)], ids=str
)
def test_the_pipeline_begins_no_release_in_the_middle_of_another(shop: Machine, phase: str | None, code: int) -> None:
    workflow = yaml.safe_load(bundle()["delivery/pipeline.yml"])
    (step,) = [each for each in workflow["jobs"]["production"]["steps"] if each.get("id") == "begin"]
    script = shop.folder / "begin.sh"
    script.write_text(f"set -euo pipefail\n{step['run']}")
    for name in ROLLED:
        if phase:
            shop.cluster.tell(name, phase)
        else:
            del shop.cluster.objects["rollouts", name]
    done = shop.run(script)
    assert done.returncode == code, done.stderr
    assert done.stderr == ("" if code == 0 else f"shop-api is {phase}\n")
