"""The monitoring of a bundle does what it says: real tools judge it, alerts fire and fall silent, faults are found."""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml

from devops_tasks.errors import UserError
from devops_tasks.plan import plan_bundle
from devops_tasks.promql import read_query
from tests import tools
from tests.bundles import EXAMPLES, load_example, load_text, render_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from devops_tasks.specfile import Loaded

pytestmark = pytest.mark.real

HEAD = """
feature: {name: Saved Reports, engineer: "@dana", slug: saved}
sprint: {name: "24"}
experiment:
  hypothesis: We believe that analysts will adopt saved reports
  primary_metric: {name: Weekly active users, target: +20%}
"""
ONE = f"""{HEAD}
services: [{{name: api, needs: [db]}}]
databases: [{{name: db}}]
caches: none
monitoring: {{scrape_interval: 30s, evaluation_interval: 30s}}
"""
RENAMED = f"""{HEAD}
services:
  - name: feature-api
    metrics: {{port: 9102, path: /internal/metrics}}
    metric_names: {{requests: app_requests_total, duration: app_request_seconds, status_label: code}}
databases: [{{name: features-db}}]
caches: none
monitoring: {{retention: 15d, runbooks: "https://wiki.example.com/saved/", dashboards: "https://grafana.example.com"}}
alerts:
  - {{metric: latency_p95, above: 250ms, for: 10m}}
  - {{metric: latency_p95, above: 1s, for: 90s, severity: info}}
  - {{metric: auth_failures}}
  - {{metric: db_latency_p95, above: 2s, severity: critical}}
  - {{metric: memory_utilization, skip: true}}
  - {{metric: checkout_failures, above: 5, query: 'sum(rate(checkout_failed_total[5m]))', severity: critical}}
rollback:
  criteria:
    - {{metric: latency_p95, above: 500ms, for: 5m}}
    - {{metric: error_ratio, above: 2%, for: 3m}}
    - {{metric: checkout_failures, above: 10, for: 2m}}
    - {{metric: throughput_ratio, below: 30%}}
    - {{metric: db_connections, above: 95%}}
    - {{metric: cpu_utilization, above: 99%}}
contacts: {{on_call: "@reporting-oncall", channel: "#reporting-alerts", pager: pagerduty}}
"""
ODD = r"""
feature: {name: 'Check `out` {{ x }} ${{ y }} | $z <b> "q" ''s #1', engineer: "@d", slug: checkout, team: shop.team_1}
sprint: {name: "24"}
experiment: {hypothesis: We believe, primary_metric: {name: Orders, target: 12%}}
services:
  - {name: checkout, kind: api, production: {autoscaling: none}}
  - {name: checkout-web, kind: web, port: 8080, metrics: {convention: none}}
  - {name: indexer, kind: worker, metrics: {port: 9100}, needs: [orders, refunds, checkout-db]}
  - {name: audit, kind: worker, metrics: {convention: none}, needs: [orders]}
databases: [{name: checkout-db, hosting: in-cluster, namespace: data, selector: {app: pg}}]
caches: []
queues:
  - {name: orders, hosts: [kafka-0.example.com], topic: orders.v1, group: indexer}
  - {name: refunds}
external_services: [{name: payments, host: api.payments.example.com}]
platform: {monitoring: prometheus-operator, pipeline: gitlab-ci}
monitoring: {retention: 8d}
alerts:
  - metric: odd_metric
    below: 3s
    for: 0s
    action: 'Say "{{ $value }}" `x` | # $(rm) <b> \ ''q'''
    query: |
      # what: it counts
      sum(rate(odd_seconds_sum{a="b: c # d"}[5m]))
        / sum(rate(odd_seconds_count[5m])) # trailing
  - {metric: odd_metric, service: indexer, above: 100/min, severity: critical}
  - {metric: growth, above: 12000%, query: 'vector(1)'}
  - {metric: queue_lag, above: 123456, severity: critical}
  - {metric: db_connections, service: checkout, above: 70%}
contacts: {on_call: 'Jo "the | pipe" {{ .Values }} `x`', channel: '#a{{ b }}', pager: opsgenie}
"""
CONVENTIONS = f"""{HEAD}
services:
  - {{name: search, kind: api, metrics: {{convention: otel}}, needs: [db]}}
  - {{name: ledger, kind: web, port: 8080, metrics: {{convention: micrometer}}, needs: [db]}}
  - {{name: mailer, kind: worker, metrics: {{convention: otel}}, metric_names: {{jobs: mails_total}}, needs: []}}
databases: [{{name: db}}]
caches: none
platform: {{monitoring: prometheus-operator}}
alerts:
  - {{metric: auth_failures, severity: critical}}
  - {{metric: db_latency_p95, above: 50ms}}
  - {{metric: latency_p95, service: ledger, above: 2.5s, severity: info}}
"""
TEXTS = {"one service": ONE, "renamed metrics": RENAMED, "odd characters": ODD, "conventions": CONVENTIONS}
ALL = (*EXAMPLES, *TEXTS)
TESTS = ("recording-rules.test.yml", "alert-rules.test.yml")


def load(name: str) -> Loaded:
    return load_text(TEXTS[name]) if name in TEXTS else load_example(name)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write a bundle once, and give its folder."""
    written: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in written:
            written[name] = tmp_path_factory.mktemp("bundle")
            for path, text in render_bundle(load(name)).items():
                (written[name] / path).parent.mkdir(parents=True, exist_ok=True)
                (written[name] / path).write_text(text, "utf-8")
        return written[name]

    return folder


def read(folder: Path, name: str) -> Any:  # noqa: ANN401 - whatever the file holds
    return yaml.safe_load((folder / "monitoring" / name).read_text("utf-8"))


def rules(folder: Path, name: str = "alert-rules.yml") -> list[dict[str, Any]]:
    return [rule for group in read(folder, name)["groups"] for rule in group["rules"]]


def names_of(expr: str) -> set[str]:
    """Name every series that an expression reads."""
    found: set[str] = set()

    def visit(node: object) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name or "")
        for part in ("expr", "lhs", "rhs", "param", "vector_selector"):
            if hasattr(node, part):
                visit(getattr(node, part))
        for argument in getattr(node, "args", None) or []:
            visit(argument)

    visit(promql_parser.parse(expr))
    return found


# What the tools say


@pytest.mark.parametrize("name", ALL)
def test_promtool_finds_nothing_in_the_rules(name: str, folders: Callable[[str], Path]) -> None:
    for file in ("recording-rules.yml", "alert-rules.yml"):
        assert tools.promtool_check_rules(folders(name) / "monitoring" / file) == ""


@pytest.mark.parametrize("name", ALL)
def test_promtool_finds_nothing_in_the_configuration(name: str, folders: Callable[[str], Path]) -> None:
    assert tools.promtool_check_config(folders(name) / "monitoring") == ""


@pytest.mark.parametrize("name", TEXTS)  # those of the examples: tests/test_end_to_end.py
@pytest.mark.parametrize("tests", TESTS)
def test_every_generated_rule_test_passes(tests: str, name: str, folders: Callable[[str], Path]) -> None:
    assert tools.promtool_test_rules(folders(name) / "monitoring" / tests) == ""


@pytest.mark.parametrize("name", ALL)
def test_amtool_finds_nothing_in_the_routes(name: str, folders: Callable[[str], Path]) -> None:
    assert tools.amtool_check_config(folders(name) / "monitoring" / "alertmanager.yml") == ""


def test_the_linters_find_nothing(folders: Callable[[str], Path]) -> None:
    # Those of the examples: tests/test_end_to_end.py.
    monitoring = [folders(name) / "monitoring" for name in TEXTS]
    assert tools.yaml_lint(*monitoring) == ""
    assert tools.markdown_lint(*monitoring, *(folders(name) / "runbooks" / "alerts" for name in TEXTS)) == ""


@pytest.mark.parametrize("name", ALL)
def test_alerts_read_recorded_series_only_and_recorded_ones_exist(name: str, folders: Callable[[str], Path]) -> None:
    recorded = {rule["record"] for rule in rules(folders(name), "recording-rules.yml")}
    for rule in rules(folders(name), "recording-rules.yml"):
        assert {series for series in names_of(rule["expr"]) if ":" in series} <= recorded
    for rule in rules(folders(name)):
        if rule["labels"]["metric"] not in {"targets", "series", "watchdog"}:
            assert names_of(rule["expr"]) <= recorded


@pytest.mark.parametrize("name", ALL)
def test_the_operator_gets_the_same_rules(name: str, folders: Callable[[str], Path]) -> None:
    path = folders(name) / "monitoring" / "prometheus-operator.yml"
    assert path.exists() == (load(name).spec.platform.monitoring == "prometheus-operator")
    if path.exists():
        first, *monitors = yaml.safe_load_all(path.read_text("utf-8"))
        plain = [read(folders(name), file)["groups"] for file in ("recording-rules.yml", "alert-rules.yml")]
        assert first["spec"]["groups"] == plain[0] + plain[1]
        jobs = {job["job_name"] for job in read(folders(name), "prometheus-config.yml")["scrape_configs"]}
        assert len(monitors) == len(jobs - {"cadvisor", "kube-state-metrics"})


NOT_MISSED = {
    r".*_count": "a histogram shows it with its buckets, which are missed",
    r"pg_settings_(superuser_)?reserved_connections": "older versions lack it, and it counts as none",
    r"kube_cronjob_status_last_successful_time": "there is none before the first success, and the creation counts",
    r"kube_job_(failed|status_start_time)": "there is none before the first job",
}
"""Series without an absent() of their own, and why; what a query of the spec reads is seen through its result."""
OWNERS = {"job", "container", "database", "consumergroup"}
Selected = set[tuple[str, frozenset[tuple[str, str]]]]


def selected(expr: str) -> Selected:
    """Give what an expression selects: the series, and whose it is."""
    selectors = read_query(expr).selectors
    return {(each.name, frozenset(pair for pair in each.labels.items() if pair[0] in OWNERS)) for each in selectors}


def rests_on(alert: dict[str, Any], recorded: list[tuple[str, dict[str, Any]]]) -> Selected:
    """Give the series of others that an alert rests on, through all that is recorded for its subject."""
    own = {rule["record"]: rule["expr"] for subject, rule in recorded if subject == alert["labels"]["service"]}
    found, left = Selected(), selected(alert["expr"])
    while left:
        each = left.pop()
        more = selected(own.get(each[0], "vector(1)")) if not each[0].endswith(":query") else set()
        left |= more - found
        found.add(each)
    return {each for each in found if each[0] not in own or each[0].endswith(":query")}


@pytest.mark.parametrize("name", ALL)
def test_every_series_that_an_alert_rests_on_is_missed_when_it_is_gone(
    name: str, folders: Callable[[str], Path]
) -> None:
    groups = read(folders(name), "recording-rules.yml")["groups"]
    recorded = [(group["name"].partition(".")[0], rule) for group in groups for rule in group["rules"]]
    alerts = [rule for rule in rules(folders(name)) if rule["labels"]["metric"] not in {"targets", "watchdog"}]
    missed = {each for rule in alerts if rule["labels"]["metric"] == "series" for each in selected(rule["expr"])}
    needed = {each for rule in alerts if rule["labels"]["metric"] != "series" for each in rests_on(rule, recorded)}
    assert len(needed) > len(missed) / 2
    unseen = [series for series, owner in needed if (series, owner) not in missed]
    assert [each for each in unseen if not any(re.fullmatch(pattern, each) for pattern in NOT_MISSED)] == []


# Every alert says who, how bad, and where to read on


@pytest.mark.parametrize("name", ALL)
def test_every_alert_has_labels_a_runbook_and_a_panel(name: str, folders: Callable[[str], Path]) -> None:
    panels = {panel["id"]: panel for panel in dashboard(folders(name))["panels"]}
    for rule in rules(folders(name)):
        assert set(rule["labels"]) >= {"severity", "service", "team", "metric"}
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["runbook_url"].endswith(f"/runbooks/alerts/{rule['alert']}.md")
        assert (folders(name) / "runbooks" / "alerts" / f"{rule['alert']}.md").exists()
        number = rule["annotations"]["dashboard_url"].partition("?viewPanel=")[2]
        assert panels[int(number)]["type"] == "timeseries"
        assert re.fullmatch(r"[^{]*\.", rule["annotations"]["summary"])


@pytest.mark.parametrize("name", ALL)
def test_every_alert_reaches_its_receiver_and_no_other(name: str, folders: Callable[[str], Path]) -> None:
    path = folders(name) / "monitoring" / "alertmanager.yml"
    wanted = {"critical": "on-call", "warning": "team-channel", "info": "team-channel"}
    for rule in rules(folders(name)):
        receiver = "dead-mans-switch" if rule["labels"]["metric"] == "watchdog" else wanted[rule["labels"]["severity"]]
        assert tools.amtool_verify_route(path, {"alertname": rule["alert"], **rule["labels"]}, [receiver]) == ""


@pytest.mark.parametrize("name", ALL)
def test_every_rollback_criterion_has_a_rule_that_says_so(name: str, folders: Callable[[str], Path]) -> None:
    guardrails = {rule["alert"] for rule in rules(folders(name)) if rule["labels"].get("guardrail") == "rollback"}
    criteria = plan_bundle(load(name).spec)["criteria"]
    assert {criterion["alert"] for criterion in criteria if criterion["instrumented"]} == guardrails
    for criterion in load(name).spec.rollback.criteria:
        assert any(planned["metric"] == criterion.metric for planned in criteria)


@pytest.mark.parametrize("name", ALL)
def test_the_threshold_of_the_spec_is_the_number_in_the_rule_and_on_the_panel(
    name: str, folders: Callable[[str], Path]
) -> None:
    panels = {panel["id"]: panel for panel in dashboard(folders(name), Decimal)["panels"]}
    by_name = {rule["alert"]: rule for rule in rules(folders(name))}
    for alert in plan_bundle(load(name).spec)["alerts"]:
        if alert["threshold"]:
            value = alert["threshold"]["value"]
            assert re.search(rf"[ \"]{re.escape(value)}(?![\d.])", by_name[alert["name"]]["expr"])
            step = panels[alert["panel"]]["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"]
            unit = Decimal(alert["threshold"].get("unit_seconds", 1)) if alert["metric"] == "odd_metric" else 1
            assert step == Decimal(value) / unit


def dashboard(folder: Path, numbers: Callable[[str], object] = float) -> Any:  # noqa: ANN401 - JSON
    return json.loads((folder / "monitoring" / "dashboard.json").read_text("utf-8"), parse_float=numbers, parse_int=int)


@pytest.mark.parametrize("name", ALL)
def test_the_dashboard_imports_cleanly(name: str, folders: Callable[[str], Path]) -> None:
    content = dashboard(folders(name))
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", content["uid"])
    assert "id" not in content
    assert "__inputs" not in content
    panels = content["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    recorded = {rule["record"] for rule in rules(folders(name), "recording-rules.yml")} | {"ALERTS", "up"}
    squares: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not covered & squares
        squares |= covered
        if panel["type"] != "row":
            assert panel["title"]
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
            for target in panel["targets"]:
                assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
                assert names_of(target["expr"].replace("$namespace", "x")) <= recorded


# Runbooks


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Give the language and the text of each fenced block."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ALL)
def test_every_alert_s_page_says_what_one_needs_at_night(name: str, folders: Callable[[str], Path]) -> None:
    pages = {page.stem: page.read_text("utf-8") for page in (folders(name) / "runbooks" / "alerts").glob("*.md")}
    assert pages.keys() == {rule["alert"] for rule in rules(folders(name))}
    for alert, text in pages.items():
        missing = {"Meaning", "Impact", "How to see it", "How to mend", "When to roll back"} - set(
            re.findall(r"^## (.+)$", text, re.MULTILINE)
        )
        # The one that always fires is about no release.
        assert missing == ({"When to roll back"} if alert.endswith("Watchdog") else set()), alert


@pytest.mark.parametrize("name", ALL)
def test_every_query_of_a_runbook_reads_what_the_bundle_records_or_scrapes(
    name: str, folders: Callable[[str], Path]
) -> None:
    recorded = {rule["record"] for rule in rules(folders(name), "recording-rules.yml")}
    scraped = {series for rule in rules(folders(name), "recording-rules.yml") for series in names_of(rule["expr"])}
    for page in (folders(name) / "runbooks" / "alerts").glob("*.md"):
        queries = [code for language, code in blocks(page.read_text("utf-8")) if language == "promql"]
        assert queries
        for query in queries:
            assert names_of(query) <= recorded | scraped | {"ALERTS", "up"}, page.name


@pytest.mark.parametrize("name", ALL)
def test_every_command_of_a_runbook_passes_shellcheck_and_names_its_cluster(
    name: str, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    commands = {
        code
        for page in (folders(name) / "runbooks" / "alerts").glob("*.md")
        for language, code in blocks(page.read_text("utf-8"))
        if language == "bash"
    }
    (tmp_path / "commands.sh").write_text("#!/usr/bin/env bash\n" + "".join(sorted(commands)))
    assert tools.shellcheck(tmp_path / "commands.sh") == ""
    for command in commands:
        assert '"${KUBE_CONTEXT:?}"' in command
        if command.startswith("kubectl"):
            assert f"--namespace {load(name).spec.platform.namespaces.production} " in command


# Rules from the raw series to the alert: each row is a fault of some well-known rule set

MINUTES = 20


def counter(metric: str, per_minute: float | str, **labels: str) -> tuple[str, str]:
    """Give a counter that grows steadily, scraped each half minute."""
    text = ",".join(f'{name}="{value}"' for name, value in labels.items())
    step = Decimal(str(per_minute)) / 2
    return f"{metric}{{{text}}}", f"0+{step}x{MINUTES * 2}"


def gauge(metric: str, value: float | str, **labels: str) -> tuple[str, str]:
    """Give a value that stays."""
    text = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{metric}{{{text}}}", f"{value}+0x{MINUTES * 2}"


def requests(per_minute: float | str, status: str = "200", colour: str = "blue", pod: str = "1") -> tuple[str, str]:
    return counter("http_requests_total", per_minute, namespace="saved", job="api", colour=colour,
                   pod=f"api-{colour}-{pod}", status_code=status)  # fmt: skip


def durations(total: float, colour: str = "blue", **fast: float) -> list[tuple[str, str]]:
    """Give a histogram: so many requests a minute below each bound (``le_0_2``), and so many in all."""
    labels = {"namespace": "saved", "job": "api", "colour": colour, "pod": f"api-{colour}-1"}
    name = "http_request_duration_seconds"
    bounds = {le.removeprefix("le_").replace("_", "."): count for le, count in fast.items()} | {"+Inf": total}
    return [
        counter(f"{name}_count", total, **labels),
        *(counter(f"{name}_bucket", count, **labels, le=le) for le, count in bounds.items()),
    ]


def cpu(pod: str, cores: float, **labels: str) -> tuple[str, str]:
    given = {"namespace": "saved", "pod": pod, "container": "api", "image": "example"} | labels
    return counter("container_cpu_usage_seconds_total", cores * 60, **given)


def asked(pod: str, cores: int = 1, **labels: str) -> tuple[str, str]:
    return gauge("kube_pod_container_resource_requests", cores, namespace="saved", pod=pod, container="api",
                 resource="cpu", **labels)  # fmt: skip


def connections(*counts: int, job: str = "postgres-exporter") -> list[tuple[str, str]]:
    server = {"job": job, "instance": "10.0.0.9:9187", "database": "db"}
    return [
        *(gauge("pg_stat_database_numbackends", count, datid=str(n), datname=f"d{n}", **server)
          for n, count in enumerate(counts)),
        gauge("pg_settings_max_connections", 100, **server),
        gauge("pg_settings_superuser_reserved_connections", 3, **server),
    ]  # fmt: skip


def memory(pod: str, used: int) -> list[tuple[str, str]]:
    labels = {"namespace": "saved", "pod": pod, "container": "api"}
    return [
        gauge("container_memory_working_set_bytes", used, image="example", **labels),
        gauge("kube_pod_container_resource_limits", 1000, resource="memory", **labels),
    ]


GREEN_FAILS = [requests(900), requests(80, colour="green"), requests(20, "500", colour="green")]
FIRE = "fires"
SILENT = "is silent"
SCENES = [
    ("ApiErrorRatioHigh", SILENT, "1.2 errors a minute among 60000 requests (P1: a rate is no ratio)",
     [requests(60_000), requests("1.2", "500")]),
    ("ApiErrorRatioHigh", FIRE, "every request of a quiet service fails (P1)", [requests(2, "500")]),
    ("ApiErrorRatioHigh", FIRE, "5.9% fail, spread over pods and codes (P1)",
     [*(requests(100, pod=pod) for pod in "12345"),
      *(requests(2, code, pod=pod) for pod in "12345" for code in ("500", "502", "503"))]),
    ("ApiErrorRatioHigh", SILENT, "another service fails (P1)",
     [requests(100), counter("http_requests_total", 100, namespace="saved", job="other", status_code="500")]),
    ("ApiErrorRatioHigh", SILENT, "staging fails",
     [requests(100), counter("http_requests_total", 100, namespace="saved-staging", job="api", status_code="500")]),
    ("ApiErrorRatioHigh", SILENT, "clients are wrong", [requests(100), requests(100, "404")]),
    ("ApiErrorRatioHigh", SILENT, "0.9% fail", [requests(991), requests(9, "500")]),
    ("ApiErrorRatioHigh", FIRE, "1.1% fail", [requests(989), requests(11, "500")]),
    ("ApiErrorRatioHigh", SILENT, "nothing is asked", [requests(0), requests(0, "500")]),
    ("ApiRollbackErrorRatio", FIRE, "green fails behind nine times its traffic", GREEN_FAILS),
    ("ApiRollbackErrorRatio", SILENT, "blue and green fail in 1.5%",
     [requests(985), requests(15, "500"), requests(98, colour="green"), requests("1.5", "500", colour="green")]),
    ("ApiLatencyP95High", FIRE, "6% take longer (P2)", durations(100, le_0_1=50, le_0_2=94, le_0_25=94)),
    ("ApiLatencyP95High", SILENT, "4% take longer (P2)", durations(100, le_0_1=50, le_0_2=96, le_0_25=96)),
    ("ApiLatencyP95High", SILENT, "all take 150 ms, which a quantile would guess as 190 (P8)",
     durations(100, le_0_1=0, le_0_2=100, le_0_25=100)),
    ("ApiRollbackLatencyP95", FIRE, "green is slow behind nine times its traffic",
     [*durations(900, le_0_2=900, le_0_5=900), *durations(100, "green", le_0_2=80, le_0_5=80)]),
    ("ApiCpuUtilizationHigh", FIRE, "the colour with the traffic works at 90%, the other idles",
     [cpu("api-blue-1-a", 0.9), asked("api-blue-1-a"), cpu("api-green-1-a", 0.01), asked("api-green-1-a")]),
    ("ApiCpuUtilizationHigh", SILENT, "the row of the whole pod counts again",
     [cpu("api-blue-1-a", 0.5), cpu("api-blue-1-a", 0.5, container="", image=""), asked("api-blue-1-a")]),
    ("ApiCpuUtilizationHigh", FIRE, "kube-state-metrics runs twice",
     [cpu("api-blue-1-a", 0.9), asked("api-blue-1-a", instance="a"), asked("api-blue-1-a", instance="b")]),
    ("ApiCpuUtilizationHigh", FIRE, "a pod that waits for a node idles for ever",
     [cpu("api-blue-1-a", 0.9), asked("api-blue-1-a"), asked("api-blue-1-b")]),
    ("ApiMemoryUtilizationHigh", FIRE, "one pod of three is near its limit",
     [*memory("api-blue-1-a", 900), *memory("api-blue-1-b", 100), *memory("api-blue-1-c", 100)]),
    ("ApiMemoryUtilizationHigh", SILENT, "all use 80%", [*memory("api-blue-1-a", 800), *memory("api-blue-1-b", 800)]),
    ("DbConnectionsHigh", FIRE, "78 of the 97 that applications have are taken, over two databases (P3)",
     connections(40, 38)),
    ("DbConnectionsHigh", SILENT, "77 of 97 are taken (P3)", connections(40, 37)),
    ("ApiTargetsMissing", FIRE, "the only target is down (P7)",
     [gauge("up", 0, namespace="saved", job="api", pod="a")]),
    ("ApiTargetsMissing", FIRE, "only staging is up (P7)",
     [gauge("up", 1, namespace="saved-staging", job="api", pod="a")]),
    ("ApiMetricsMissing", FIRE, "a dead exporter is no silence (P7)", []),
    ("SavedWatchdog", FIRE, "nothing is there", []),
]  # fmt: skip


def scene(name: str, alert: str, series: list[tuple[str, str]], *, fires: bool) -> dict[str, Any]:
    """Ask in promtool's notation whether an alert fires over raw series."""
    expr = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0 or vector(0)'
    return {
        "name": name,
        "interval": "30s",
        "input_series": [{"series": each, "values": values} for each, values in series],
        "promql_expr_test": [{"expr": expr, "eval_time": "19m", "exp_samples": [{"value": int(fires)}]}],
    }


def test_from_raw_series_to_the_alert(folders: Callable[[str], Path], tmp_path: Path) -> None:
    scenes = [scene(f"{alert} {verb}: {why}", alert, series, fires=verb == FIRE) for alert, verb, why, series in SCENES]
    assert run_rules(folders("one service"), tmp_path, "30s", scenes) == ""


def order(folder: Path) -> list[str]:
    """Name the groups as Prometheus would have evaluated them before the next alert: the recorded ones first."""
    files = ("recording-rules.yml", "alert-rules.yml")
    return [group["name"] for name in files for group in read(folder, name)["groups"]]


def run_rules(folder: Path, place: Path, interval: str, scenes: list[dict[str, Any]]) -> str:
    content = {
        "rule_files": [str(folder / "monitoring" / name) for name in ("recording-rules.yml", "alert-rules.yml")],
        "evaluation_interval": interval,
        "group_eval_order": order(folder),
        "tests": scenes,
    }
    (place / "scenes.test.yml").write_text(yaml.safe_dump(content))
    return tools.promtool_test_rules(place / "scenes.test.yml")


@pytest.mark.parametrize(("share", "firing"), [("0.49", 1), ("0.51", 0), ("0", 1)], ids=["49%", "51%", "all gone"])
def test_traffic_is_compared_with_the_same_hour_of_earlier_weeks(
    share: str, firing: int, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    three_weeks, last_hours = 3 * 7 * 24 * 30, 3 * 30
    before, after = Decimal(240), Decimal(240) * Decimal(share)
    values = f"0+{before}x{three_weeks} {before * three_weeks}+{after}x{last_hours}"
    if share == "0":
        values = f"0+{before}x{three_weeks} _x{last_hours}"
    weeks = {
        "interval": "2m",
        "input_series": [{"series": requests(0)[0], "values": values}],
        "promql_expr_test": [{
            "expr": 'count(ALERTS{alertname="ApiThroughputRatioLow",alertstate="firing"}) or vector(0)',
            "eval_time": f"{3 * 7 * 24 + 3}h",
            "exp_samples": [{"value": firing}],
        }],
    }  # fmt: skip
    take_rules(folders("one service"), tmp_path, "api.traffic.rules", "api.baseline.rules", "api.alerts")
    assert run_rules(tmp_path, tmp_path, "1h", [weeks]) == ""


def take_rules(folder: Path, place: Path, *groups: str) -> None:
    """Copy some groups of rules: over weeks the others would take most of the time."""
    (place / "monitoring").mkdir()
    for name in ("recording-rules.yml", "alert-rules.yml"):
        taken = [group for group in read(folder, name)["groups"] if group["name"] in groups]
        (place / "monitoring" / name).write_text(yaml.safe_dump({"groups": taken}))


# The generated tests hold whatever the spec says


@pytest.mark.parametrize(
    "alerts",
    [
        "[{metric: error_ratio, for: 7s}, {metric: cpu_utilization, for: 20m}]",
        """
  - {metric: error_ratio, above: 0%, for: 90s}
  - {metric: memory_utilization, above: 0.001%}
  - {metric: throughput_ratio, below: 33.333333%}
  - {metric: latency_p95, above: 2.5s}
  - {metric: auth_failures, above: 0.5/h}
  - {metric: db_latency_p95, above: 1s}
  - {metric: count, query: up, below: 0}
  - {metric: count, above: 999999999999999, severity: info}
  - {metric: share, query: up, below: 0%}
  - {metric: share, above: 40000%, severity: info}
  - {metric: age, query: up, above: 2d}
  - {metric: age, above: 0.000000001, severity: info}
  - {metric: pace, query: up, above: 7/h}
  - {metric: pace, below: 0.5/min, severity: info}""",
    ],
    ids=["waits that are no multiples of a minute", "thresholds in each unit, very small and very large"],
)
def test_rule_tests_pass_whatever_the_threshold_and_the_wait(alerts: str, tmp_path: Path) -> None:
    files = render_bundle(load_text(f"{ONE}\nalerts: {alerts}\n"))
    for name in ("recording-rules.yml", "alert-rules.yml", *TESTS):
        (tmp_path / name).write_text(files[f"monitoring/{name}"])
    assert [tools.promtool_test_rules(tmp_path / name) for name in TESTS] == ["", ""]


NAMED_BY = [("otel", "micrometer"), ("micrometer", "otel")]
"""The conventions of an api and of a worker; which of them has an objective too hardly matters: both in `make soak`."""


@pytest.mark.parametrize(("api", "worker"), NAMED_BY if "CONVENTIONS" in os.environ else NAMED_BY[:1])
def test_rule_tests_pass_whoever_names_the_series(api: str, worker: str, tmp_path: Path) -> None:
    text = f"""{HEAD}
services:
  - name: api
    needs: [db]
    metrics: {{convention: {api}}}
    slo: {{availability: 99.9%, latency: {{objective: 99%, below: 1s}}}}
  - name: indexer
    kind: worker
    needs: [orders]
    metrics: {{convention: {worker}}}
    slo: {{availability: 99.5%, window: 7d}}
databases: [{{name: db}}]
queues: [{{name: orders, topic: orders, group: indexer}}]
alerts: [{{metric: auth_failures}}, {{metric: db_latency_p95}}]
"""
    for path, content in render_bundle(load_text(text)).items():
        if path.startswith("monitoring/"):
            (tmp_path / path.removeprefix("monitoring/")).write_text(content)
    assert [tools.promtool_test_rules(tmp_path / name) for name in TESTS] == ["", ""]


def test_a_rule_file_of_another_name_is_found(folders: Callable[[str], Path], tmp_path: Path) -> None:
    source = folders("one service") / "monitoring"
    for path in source.iterdir():
        (tmp_path / path.name).write_text(path.read_text("utf-8").replace("- alert-rules.yml", "- alert_rules.yml"))
    assert "does not point to an existing file" in tools.promtool_check_config(tmp_path)


# Scraping: exactly these pods

POD = {
    "__address__": "10.0.0.7:9102",
    "__meta_kubernetes_namespace": "saved",
    "__meta_kubernetes_pod_name": "feature-api-blue-6d4c-x",
    "__meta_kubernetes_pod_phase": "Running",
    "__meta_kubernetes_pod_label_app_kubernetes_io_name": "feature-api",
    "__meta_kubernetes_pod_label_colour": "blue",
    "__meta_kubernetes_pod_container_port_name": "metrics",
}
LABELS = {"job": "feature-api", "namespace": "saved", "pod": "feature-api-blue-6d4c-x", "colour": "blue"}


ADDRESSES = {"IPv4": "10.0.0.7:9102", "IPv6": "[2001:db8::7]:9102"}
STRANGERS = {
    "another service": {"__meta_kubernetes_pod_label_app_kubernetes_io_name": "other"},
    "a longer name": {"__meta_kubernetes_pod_label_app_kubernetes_io_name": "feature-api-2"},
    "its other port": {"__meta_kubernetes_pod_container_port_name": "http"},
    "a pod that has ended": {"__meta_kubernetes_pod_phase": "Succeeded"},
    "a pod without a node": {"__meta_kubernetes_pod_phase": "Pending"},
}


def test_a_pod_of_the_service_is_scraped_with_the_labels_of_the_rules_and_nothing_else_is(
    folders: Callable[[str], Path],
) -> None:
    own = [POD | {"__address__": address} for address in ADDRESSES.values()]
    others = [POD | change for change in STRANGERS.values()]
    found = tools.promtool_relabel(folders("renamed metrics") / "monitoring", "feature-api", *own, *others)
    for labels, address in zip(found, ADDRESSES.values(), strict=False):
        assert {name: labels[name] for name in LABELS} == LABELS
        assert labels["__address__"] == labels["instance"] == address
        assert labels["__metrics_path__"] == "/internal/metrics"
    assert {who: labels for who, labels in zip(STRANGERS, found[len(own) :], strict=True) if labels} == {}


def test_the_exporter_of_a_database_says_whose_it_is(folders: Callable[[str], Path]) -> None:
    exporter = {
        "__address__": "10.0.0.9:9187",
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": "postgres-exporter",
        "__meta_kubernetes_pod_label_app_kubernetes_io_instance": "features-db",
        "__meta_kubernetes_pod_container_port_number": "9187",
    }
    other = exporter | {"__meta_kubernetes_pod_label_app_kubernetes_io_instance": "other-db"}
    folder = folders("renamed metrics") / "monitoring"
    found, dropped = tools.promtool_relabel(folder, "postgres-exporter", exporter, other)
    assert found["database"] == "features-db"
    assert dropped == {}


# The rows of the table


def rows(alerts: str, services: str = "[{name: api, needs: [db]}, {name: front, kind: web, needs: []}]") -> list[Any]:
    text = f"{HEAD}\nservices: {services}\ndatabases: [{{name: db}}]\ncaches: none\nalerts: {alerts}\n"
    return list(plan_bundle(load_text(text).spec)["metric_rows"])


def shown(found: list[Any], metric: str) -> list[str]:
    return [f"{row['service']} {row['severity']} {row['threshold']}" for row in found if row["metric"] == metric]


def test_the_default_rows_follow_the_document() -> None:
    assert [
        (row["category"], row["title"], row["threshold"], row["action"]) for row in rows("[]", "[{name: api}]")
    ] == [
        ("Application", "Response time (P95)", "above 200ms for 5 minutes", "Page on-call"),
        ("Application", "Error rate", "above 1% of requests for 2 minutes", "Page on-call"),
        ("Application", "Request throughput", "below 50% of baseline for 10 minutes", "Investigate"),
        ("Infrastructure", "CPU utilization", "above 80% of request for 10 minutes", "Auto-scale"),
        ("Infrastructure", "Memory usage", "above 85% of limit for 5 minutes", "Alert team"),
        ("Database", "Connection count", "above 80% of max for 5 minutes", "Scale up"),
        ("Database", "Query response time (P95)", "above 100ms for 5 minutes", "Optimize queries"),
        ("Security", "Failed auth attempts", "above 100/min for 5 minutes", "Block IP"),
        (
            "Experiment",
            "Errors and response times of each arm",
            "the rollback criteria, by treatment alone",
            "Switch the experiment off",
        ),
    ]


def test_what_services_usually_lack_needs_instrumentation_until_it_is_asked_for() -> None:
    before = {row["metric"]: row["alert"] for row in rows("[]", "[{name: api}]")}
    assert before["db_latency_p95"] is before["auth_failures"] is None
    after = {row["metric"]: row["alert"] for row in rows("[{metric: auth_failures}]", "[{name: api}]")}
    assert after["auth_failures"] == "ApiAuthFailuresHigh"
    assert after["db_latency_p95"] is None


@pytest.mark.parametrize(
    ("alerts", "metric", "expected"),
    [
        pytest.param("[{metric: error_ratio, above: 3%}]", "error_ratio",
                     ["api critical above 3% of requests for 2 minutes",
                      "front critical above 3% of requests for 2 minutes"], id="no service: all"),
        pytest.param("[{metric: error_ratio, service: api, for: 9m}]", "error_ratio",
                     ["api critical above 1% of requests for 9 minutes",
                      "front critical above 1% of requests for 2 minutes"], id="one service"),
        pytest.param("[{metric: error_ratio, service: api, above: 4%}, {metric: error_ratio, above: 3%}]",
                     "error_ratio",
                     ["api critical above 4% of requests for 2 minutes",
                      "front critical above 3% of requests for 2 minutes"], id="one service goes before all"),
        pytest.param("[{metric: error_ratio, severity: warning, above: 0.5%}]", "error_ratio",
                     ["api critical above 1% of requests for 2 minutes",
                      "front critical above 1% of requests for 2 minutes",
                      "api warning above 0.5% of requests for 2 minutes",
                      "front warning above 0.5% of requests for 2 minutes"], id="another severity adds"),
        pytest.param("[{metric: error_ratio, severity: critical, above: 5%}]", "error_ratio",
                     ["api critical above 5% of requests for 2 minutes",
                      "front critical above 5% of requests for 2 minutes"], id="the same severity replaces"),
        pytest.param("[{metric: error_ratio, service: front, skip: true}]", "error_ratio",
                     ["api critical above 1% of requests for 2 minutes"], id="left out for one"),
        pytest.param("[{metric: db_connections, above: 70%}]", "db_connections",
                     ["db warning above 70% of max for 5 minutes"], id="a database's row has its name"),
        pytest.param("[{metric: odd, query: up, above: 5, for: 0s}]", "odd", ["saved warning above 5"],
                     id="a query is about the feature"),
        pytest.param("[{metric: odd, query: up, above: 5, service: api}]", "odd",
                     ["api warning above 5 for 5 minutes"], id="a query for one service"),
    ],
)  # fmt: skip
def test_the_spec_s_alerts_are_laid_over_the_default_rows(alerts: str, metric: str, expected: list[str]) -> None:
    assert shown(rows(alerts), metric) == expected


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        ("[{metric: odd, query: up, above: 5, severity: critical}]", ["SavedOddHigh"]),
        ("[{metric: odd, query: up, below: 5}, {metric: odd, above: 9, severity: critical}]",
         ["SavedOddLow", "SavedOddHighCritical"]),
        ("[{metric: auth_failures, severity: critical, above: 900/min}]",
         ["ApiAuthFailuresHigh", "ApiAuthFailuresHighCritical"]),
        ("[{metric: OdD, query: up, above: 5}, {metric: odD, query: up, above: 6}]", ["SavedOdDHigh", "SavedOdDHigh2"]),
    ],
    ids=["the only one", "the severity that adds", "a metric that is there is there for every row", "in another case"],
)  # fmt: skip
def test_alerts_are_named_after_what_they_watch(alerts: str, expected: list[str]) -> None:
    watched = {"odd", "auth_failures"}
    found = [row["alert"] for row in rows(alerts) if row["alert"] and row["metric"].casefold() in watched]
    assert found == expected


def test_a_service_without_metrics_has_rows_and_no_rules(folders: Callable[[str], Path]) -> None:
    plan = plan_bundle(load("odd characters").spec)
    silent = {row["metric"]: row["instrumented"] for row in plan["metric_rows"] if row["service"] == "checkout-web"}
    assert silent == {"latency_p95": False, "error_ratio": False, "throughput_ratio": False,
                      "cpu_utilization": True, "memory_utilization": True, "db_latency_p95": False}  # fmt: skip
    jobs = {job["job_name"] for job in read(folders("odd characters"), "prometheus-config.yml")["scrape_configs"]}
    assert "checkout-web" not in jobs


def test_names_that_differ_only_in_their_joints_stay_apart() -> None:
    text = f"{HEAD}\nservices: [{{name: a-b}}, {{name: ab}}]\ndatabases: none\ncaches: none\n"
    names = [alert["name"].casefold() for alert in plan_bundle(load_text(text).spec)["alerts"]]
    assert len(set(names)) == len(names)


def test_a_service_may_be_named_as_its_feature() -> None:
    text = f"{HEAD}\nservices: [{{name: saved}}]\ndatabases: none\ncaches: none\n"
    names = [alert["name"] for alert in plan_bundle(load_text(text).spec)["alerts"]]
    assert {"SavedMetricsMissing", "SavedTargetsMissing", "SavedWatchdog"} <= set(names)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("alerts: [{metric: error_ratio, for: 1500ms}]", "1.5s is no whole number of seconds"),
        ("alerts: [{metric: error_ratio, for: 2d}]", "2d is no whole number of seconds of at most a day"),
        ("alerts: [{metric: error_ratio, above: 100%}]", "error_ratio is never above 100%"),
        ("alerts: [{metric: throughput_ratio, below: 0%}]", "throughput_ratio is never below 0%"),
        ("alerts: [{metric: queue_lag, above: 5}]", "this feature has no queue_lag"),
        ("alerts: [{metric: error_ratio, for: 1m}, {metric: error_ratio, severity: critical}]",
         "item 1 of this list is for the same service, metric and severity"),
        ("alerts: [{metric: odd, query: up, above: 1}, {metric: odd, query: down, above: 2, severity: info}]",
         "odd has another query above"),
        ("alerts: [{metric: odd, query: up, above: 1}, {metric: odd, severity: info}]", "needs above or below"),
        ("rollback: {criteria: [{metric: queue_lag, above: 5}]}", "this feature has no queue_lag"),
        ("alerts: [{metric: odd, query: up == 0, above: 0}]", "that would be told as a missing series"),
        ("monitoring: {retention: 7d}", "7d of samples hold no baseline"),
        ("services: [{name: api, latency_buckets: [100ms, 500ms, 1s]}]", "no bound at 200ms"),
    ],
)  # fmt: skip
def test_what_leaves_no_correct_alert_is_refused(keys: str, complaint: str) -> None:
    with pytest.raises(UserError, match=re.escape(complaint)):
        load_text(f"{HEAD}\n{keys}\n")


@pytest.mark.parametrize(
    "keys",
    [
        "alerts: [{metric: cpu_utilization, above: 150%}]",
        "alerts: [{metric: queue_lag, skip: true}]",
        "monitoring: {retention: 2d}\nalerts: [{metric: throughput_ratio, skip: true}]",
        "services: [{name: api, latency_buckets: [300ms, 500ms, 1s]}]\nalerts: [{metric: latency_p95, above: 300ms}]",
    ],
)
def test_what_leaves_one_is_left_alone(keys: str) -> None:
    load_text(f"{HEAD}\n{keys}\n")


def test_what_an_exporter_leaves_out_unless_it_is_told_is_asked_for() -> None:
    query = "sum(rate(pg_stat_statements_seconds_total[5m]))"
    text = f"{HEAD}\nservices: [{{name: api}}]\nalerts: [{{metric: busy, above: 5, query: '{query}'}}]\n"
    needs = [need for need in plan_bundle(load_text(text).spec)["rule_needs"] if "--collector" in need["what"]]
    assert needs == [{"service": "api", "who": "postgres-exporter", "what": "started with --collector.stat_statements"}]
    assert "--collector" not in str(plan_bundle(load_text(HEAD).spec)["rule_needs"])


def test_nobody_is_told_of_an_autoscaler_that_is_not_there() -> None:
    services = "[{name: api, needs: []}, {name: fixed, kind: worker, needs: [], production: {autoscaling: none}}]"
    loaded = load_text(f"{HEAD}\nservices: {services}\ndatabases: none\ncaches: none\n")
    found = list(plan_bundle(loaded.spec)["metric_rows"])
    actions = {row["service"]: row["action"] for row in found if row["metric"] == "cpu_utilization"}
    assert actions == {"api": "Auto-scale", "fixed": "Scale up"}
    files = render_bundle(loaded)
    scaled, fixed = (files[f"runbooks/alerts/{name}CpuUtilizationHigh.md"] for name in ("Api", "Fixed"))
    assert "get horizontalpodautoscalers" in scaled
    assert "there is no autoscaler" in fixed
    assert not any(word in fixed for word in ("horizontalpodautoscalers", "at its maximum", "Response times"))
