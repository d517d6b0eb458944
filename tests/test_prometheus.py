"""A real Prometheus runs a bundle: it finds the bundle's own pods and no others, and every alert comes and goes.

The configuration and the rules are the files of the example. Changed are only: Kubernetes' discovery, which Debian's
Prometheus lacks, for static targets that carry what the discovery would have found; the node's TLS; and the times: a
second stands for a minute (ranges of 5m, `for`, `keep_firing_for`) and passes between two scrapes and evaluations.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
import yaml

from devops_tasks.specfile import load_spec, read_spec
from tests import tools
from tests.bundles import EXAMPLES, example, load_tree, render_bundle
from tests.random_specs import random_spec
from tests.servers import Call, Web, ask, running, until

pytestmark = pytest.mark.real

SPACE, STAGING = "checkout", "checkout-staging"
API, WEB, MAILER = "checkout-api", "checkout-web", "order-mailer"
TICK_SECONDS = 1
RANDOM = {f"random {seed}": seed for seed in (3, 14)}
NOWHERE = "127.0.0.1:1"
SAID_WHO = "the token of the service account"

# What is bad for a while, and what is not there for a while: the rest of the alerts has to keep quiet.
THRESHOLDS = {
    "CheckoutApiLatencyP95High",
    "CheckoutApiErrorRatioHigh",
    "CheckoutApiCpuUtilizationHigh",
    "CheckoutApiMemoryUtilizationHigh",
    "CheckoutApiPaymentDeclinesHigh",
    "CheckoutApiRollbackLatencyP95",
    "CheckoutApiRollbackErrorRatio",
    "OrderMailerQueueLagHigh",
    "OrderMailerFailureRatioHigh",
    "OrderMailerCpuUtilizationHigh",
    "OrderMailerMemoryUtilizationHigh",
    "OrderMailerRollbackFailureRatio",
    "OrdersDbConnectionsHigh",
    "OrdersDbBackupFailed",
    "OrdersDbBackupOverdue",
    "OrdersDbVerificationFailed",
    "OrdersDbVerificationOverdue",
}
BLIND = {"CheckoutWebMetricsMissing", "CheckoutWebTargetsMissing"}
ALWAYS = {"CheckoutWatchdog"}
# Weeks that have not been, alerts that are quiet, and the histogram that is missing.
NOTHING_TO_SEE = (
    ":http_requests_per_baseline:",
    'ALERTS{alertname="CheckoutApiMetricsMissing"}',
    'ALERTS{alertname="OrderMailerMetricsMissing"}',
    'ALERTS{alertname="OrdersDbMetricsMissing"}',
    'http_request_duration_seconds:p95_rate5m{namespace="checkout",job="checkout-web"}',
)


# The cluster: the pods that the bundle's manifests make, those that its README asks for, and others


class Pod(NamedTuple):
    """One pod as the API server describes it, and the names of its ports."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    ports: Mapping[int, str]
    phase: str = "Running"


def pods_of_manifests(folder: Path, environment: str) -> Iterator[Pod]:
    """Give one pod for each thing that makes pods, with a second port and one that has ended beside it."""
    for manifest in yaml.safe_load_all(tools.kustomize(folder / "overlays" / environment)):
        kind, spec = manifest["kind"], manifest.get("spec", {})
        if kind not in {"Deployment", "CronJob"}:
            continue
        template = spec["jobTemplate"]["spec"]["template"] if kind == "CronJob" else spec["template"]
        ports = {
            port["containerPort"]: port.get("name", "")
            for container in template["spec"]["containers"]
            for port in container.get("ports", [])
        }
        name, labels = manifest["metadata"]["name"], template["metadata"]["labels"]
        space = manifest["metadata"]["namespace"]
        yield Pod(f"{name}-6d4c-x", space, labels, ports | {15090: "sidecar"})
        yield Pod(f"{name}-6d4c-y", space, labels, ports, phase="Succeeded")


def without_objectives() -> Mapping[str, str]:
    """Make the example's files without its objectives: their windows are hours and days, longer than any run."""
    source = read_spec(tools.ROOT / "examples" / "checkout.yaml")
    services = [{key: value for key, value in each.items() if key != "slo"} for each in source.tree["services"]]
    return render_bundle(load_spec(source._replace(tree={**source.tree, "services": services})))


def exporter(app: str, *ports: int, instance: str = "", namespace: str = "monitoring") -> Pod:
    labels = {"app.kubernetes.io/name": app, "app.kubernetes.io/instance": instance or app}
    return Pod(f"{app}-{instance or namespace}-0", namespace, labels, dict.fromkeys(ports, ""))


def others() -> list[Pod]:
    return [
        exporter("kube-state-metrics", 8080, 8081, namespace="kube-system"),
        exporter("postgres-exporter", 9187, instance="orders-db"),
        exporter("postgres-exporter", 9187, instance="somebody-elses-db"),
        exporter("kafka-exporter", 9308),
        exporter("alertmanager", 9093, 9094),
        exporter(API, 8080, namespace="another-team"),
        Pod("checkout-api-canary-0", SPACE, {"app.kubernetes.io/name": "checkout-api-canary"}, {8080: "http"}),
    ]


def discovered(role: str, namespaces: list[str], pods: list[Pod], where: Callable[[Pod, int], str]) -> list[Any]:
    """Give the targets that Kubernetes' discovery finds: a pod is one for each of its ports."""
    if role == "node":
        return [{"__address__": where(NODE, 10250), "__meta_kubernetes_node_name": NODE.name}]
    return [
        {
            "__address__": where(pod, port),
            "__meta_kubernetes_namespace": pod.namespace,
            "__meta_kubernetes_pod_name": pod.name,
            "__meta_kubernetes_pod_phase": pod.phase,
            "__meta_kubernetes_pod_container_port_name": name,
            "__meta_kubernetes_pod_container_port_number": str(port),
            **{f"__meta_kubernetes_pod_label_{re.sub('[^a-z0-9]', '_', key)}": pod.labels[key] for key in pod.labels},
        }
        for pod in pods
        if pod.namespace in namespaces
        for port, name in pod.ports.items()
    ]


NODE = Pod("node-1", "", {}, {10250: ""})
WANTED = {
    "checkout-api-blue-6d4c-x": 8080,
    "checkout-api-green-6d4c-x": 8080,
    "checkout-web-blue-6d4c-x": 8080,
    "checkout-web-green-6d4c-x": 8080,
    "order-mailer-6d4c-x": 3000,
    "kube-state-metrics-kube-system-0": 8080,
    "postgres-exporter-orders-db-0": 9187,
    "kafka-exporter-monitoring-0": 9308,
    "alertmanager-monitoring-0": 9093,
    "node-1": 10250,
}
GREEN = (SPACE, "checkout-api-green-6d4c-x")
WORKER = (SPACE, "order-mailer-6d4c-x")
WEB_PODS = ("checkout-web-blue-6d4c-x", "checkout-web-green-6d4c-x")


# What the exporters say


class Series:
    """Counters that grow by so much a second, and gauges; what they grow by can be changed at any moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[str, float] = defaultdict(float)
        self._rates: Mapping[str, float] = {}
        self._gauges: Mapping[str, float] = {}
        self._since = time.monotonic()

    def become(self, rates: Mapping[str, float], gauges: Mapping[str, float] | None = None) -> None:
        with self._lock:
            self._counted = defaultdict(float, self._now())
            self._rates, self._gauges, self._since = rates, gauges or {}, time.monotonic()

    def text(self) -> str:
        with self._lock:
            return "".join(f"{name} {value}\n" for name, value in {**self._now(), **self._gauges}.items())

    def _now(self) -> dict[str, float]:
        passed = time.monotonic() - self._since
        return {name: self._counted[name] + rate * passed for name, rate in self._rates.items()}


def requests(*, failed: float = 0, fast: float = 1) -> dict[str, float]:
    """Give forty requests a second, of which a share fails and a share is fast."""
    name = "http_request_duration_seconds"
    bounds = {"0.1": fast, "0.4": fast, "0.8": fast, "+Inf": 1}
    return {
        'http_requests_total{status_code="200"}': 40 * (1 - failed),
        'http_requests_total{status_code="500"}': 40 * failed,
        **{f'{name}_bucket{{le="{le}"}}': 40 * share for le, share in bounds.items()},
        f"{name}_count": 40,
        "payment_attempts_total": 10,
        "payment_declined_total": 10 * failed,
    }


def jobs(failed: float = 0) -> dict[str, float]:
    return {
        'jobs_processed_total{result="success"}': 10 * (1 - failed),
        'jobs_processed_total{result="failure"}': 10 * failed,
    }


def node(busy: Collection[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Give what a node measures: busy pods use three times the cores that they ask for, and nearly all memory."""
    cores, used = {}, {}
    for container, pod in CONTAINERS:
        labels = f'namespace="{SPACE}",pod="{pod}",container="{container}",image="example"'
        cores[f"container_cpu_usage_seconds_total{{{labels}}}"] = 3 if pod in busy else 0.2
        used[f"container_memory_working_set_bytes{{{labels}}}"] = 0.95e9 if pod in busy else 0.2e9
    return cores, used


CONTAINERS = [
    (API, "checkout-api-blue-6d4c-x"),
    (API, "checkout-api-green-6d4c-x"),
    (WEB, "checkout-web-blue-6d4c-x"),
    (WEB, "checkout-web-green-6d4c-x"),
    (MAILER, "order-mailer-6d4c-x"),
]
ASKED_FOR = {
    f'kube_pod_container_resource_{kind}{{{labels},resource="{what}"}}': much
    for kind, what, much in (("requests", "cpu", 1.0), ("limits", "memory", 1e9))
    for labels in (f'namespace="{SPACE}",pod="{pod}",container="{container}"' for container, pod in CONTAINERS)
}


def backups(*, failed: bool) -> dict[str, float]:
    """Give what the cluster says of the database's jobs: a success long ago and a failure since, or all well."""
    now, told = time.time(), dict[str, float]()
    for name in ("orders-db-backup", "orders-db-verify"):
        cronjob, job = (f'namespace="{SPACE}",{label}="{name}' for label in ("cronjob", "job_name"))
        told |= {
            f'kube_cronjob_created{{{cronjob}"}}': now - 10e6,
            f'kube_cronjob_status_last_successful_time{{{cronjob}"}}': now - (1e6 if failed else 60),
            f'kube_job_status_start_time{{{job}-29000001"}}': now - 600,
            f'kube_job_failed{{{job}-29000001",condition="true"}}': float(failed),
        }
    return told


class Exporters:
    """What each pod, exporter and node answers, healthy or not."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, str], Series] = defaultdict(Series)
        self.everything(bad=False)
        for pod in WEB_PODS:
            self.series[SPACE, pod].become(requests())

    def everything(self, *, bad: bool) -> None:
        """Make the green api, the worker, the queue and the database bad, or good again."""
        self.series[SPACE, "checkout-api-blue-6d4c-x"].become(requests())
        self.series[GREEN].become(requests(failed=0.5, fast=0.5) if bad else requests())
        self.series[WORKER].become(jobs(0.5) if bad else jobs())
        self.series["", NODE.name].become(*node({GREEN[1], WORKER[1]} if bad else ()))
        self.series["kube-system", "kube-state-metrics-kube-system-0"].become({}, ASKED_FOR | backups(failed=bad))
        lag = 'kafka_consumergroup_lag{consumergroup="order-mailer",topic="order-events",partition="0"}'
        self.series["monitoring", "kafka-exporter-monitoring-0"].become({}, {lag: 5000 if bad else 10})
        self.series["monitoring", "postgres-exporter-orders-db-0"].become(
            {},
            {
                'pg_stat_database_numbackends{datname="orders"}': 190 if bad else 20,
                "pg_settings_max_connections": 200,
                "pg_settings_superuser_reserved_connections": 3,
            },
        )

    def rename_histogram_of_web(self) -> None:
        for pod in WEB_PODS:
            renamed = {name.replace("duration_seconds", "seconds"): rate for name, rate in requests().items()}
            self.series[SPACE, pod].become(renamed)


# The bundle's own files, with another discovery and quicker clocks


def quicker(text: str) -> str:
    """Make a tick of each minute."""
    minutes = re.fullmatch(r"(\d+)m", text)
    assert minutes
    return f"{int(minutes[1]) * TICK_SECONDS * 1000:.0f}ms"


def quick_rules(content: dict[str, Any]) -> dict[str, Any]:
    for rule in (rule for group in content["groups"] for rule in group["rules"]):
        rule["expr"] = re.sub(r"(?<=\[)\d+m(?=\])", lambda match: quicker(match[0]), rule["expr"])
        for key in {"for", "keep_firing_for"} & rule.keys():
            rule[key] = quicker(rule[key])
    return content


def adapted(config: dict[str, Any], found: Callable[[dict[str, Any]], list[Any]]) -> dict[str, Any]:
    config["global"] |= dict.fromkeys(("scrape_interval", "evaluation_interval"), quicker("1m"))
    for block in [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]:
        targets = [target for discovery in block.pop("kubernetes_sd_configs") for target in found(discovery)]
        block["static_configs"] = [tools.static_target(target) for target in targets]
        if block.pop("tls_config", None):
            assert block.pop("scheme") == "https"
            block["authorization"]["credentials_file"] = "token"
    return config


class Play:
    """The bundle in a running Prometheus, with the cluster around it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.bundle = folder / "bundle"
        for path, text in without_objectives().items():
            (self.bundle / path).parent.mkdir(parents=True, exist_ok=True)
            (self.bundle / path).write_text(text, "utf-8")
        self.exporters, self.calls, self.webs = Exporters(), list[Call](), dict[tuple[str, str], Web]()
        self.pods = [pod for name in ("production", "staging") for pod in pods_of_manifests(self.bundle, name)]
        self.pods += others()
        self.stack = stack
        self.write(folder)
        arguments = ["--config.file=prometheus-config.yml", "--storage.tsdb.path=data", "--rules.alert.resend-delay=1s"]
        self.address = stack.enter_context(running("prometheus", arguments, folder))

    def write(self, folder: Path) -> None:
        for name in ("recording-rules.yml", "alert-rules.yml"):
            self.put(folder / name, quick_rules(self.read(name)))
        self.put(folder / "prometheus-config.yml", adapted(self.read("prometheus-config.yml"), self.found))
        (folder / "token").write_text(SAID_WHO)

    def read(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load((self.bundle / "monitoring" / name).read_text("utf-8"))
        return content

    @staticmethod
    def put(path: Path, content: object) -> None:
        path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")

    def found(self, discovery: dict[str, Any]) -> list[Any]:
        return discovered(discovery["role"], discovery.get("namespaces", {}).get("names", []), self.pods, self.where)

    def where(self, pod: Pod, port: int) -> str:
        """Give the address of a port, with something that answers behind it where the bundle should look."""
        if WANTED.get(pod.name) != port or pod.namespace == "another-team":
            return NOWHERE
        key = (pod.namespace, pod.name)
        if key not in self.webs:
            self.webs[key] = Web(lambda call: self.answer(key, call))
            self.stack.callback(self.webs[key].stop)
        return self.webs[key].address

    def answer(self, key: tuple[str, str], call: Call) -> str | None:
        self.calls.append(call)
        wanted = "/metrics/cadvisor" if key == ("", NODE.name) else "/metrics"
        if key[1].startswith("alertmanager"):
            return "{}" if call.path == "/api/v2/alerts" else None
        return self.exporters.series[key].text() if call.path == wanted else None

    def ask(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return ask(self.address, f"/api/v1/{path}")["data"]

    def has_scraped(self) -> bool:
        targets = self.ask("targets")["activeTargets"]
        return bool(targets) and all(target["health"] != "unknown" for target in targets)

    def states(self) -> dict[str, set[str]]:
        """Name the alerts that are not inactive, and how."""
        found = defaultdict(set)
        for alert in self.ask("alerts")["alerts"]:
            found[alert["labels"]["alertname"]].add(alert["state"])
        return dict(found)

    def firing(self) -> set[str]:
        return {name for name, states in self.states().items() if "firing" in states}

    def waits_for(self, names: set[str]) -> None:
        until(lambda: self.firing() == names, self.states)

    def history(self, start: int) -> dict[str, list[str]]:
        """Tell for each alert what it was, tick by tick."""
        times = f"start={start}&end={time.time()}&step={TICK_SECONDS}"
        result = self.ask(f"query_range?query=max+by+(alertname,alertstate)+(ALERTS)&{times}")["result"]
        moments: dict[str, dict[float, str]] = defaultdict(dict)
        for series in sorted(result, key=lambda each: str(each["metric"]["alertstate"]), reverse=True):
            for moment, _ in series["values"]:
                moments[series["metric"]["alertname"]][moment] = series["metric"]["alertstate"]
        ticks = [start + count * TICK_SECONDS for count in range(int((time.time() - start) / TICK_SECONDS))]
        return {
            name: [state for state, _ in groupby(states.get(tick, "inactive") for tick in ticks)]
            for name, states in moments.items()
        }


def test_a_prometheus_scrapes_these_pods_only_and_every_alert_comes_and_goes() -> None:
    with tools.unprivileged_folder() as folder, ExitStack() as stack:
        play = Play(folder, stack)
        until(play.has_scraped, play.states)
        shows_these_targets_and_no_others(play)
        play.waits_for(ALWAYS)
        until(lambda: play.states().keys() == ALWAYS, play.states)
        time.sleep(2 * TICK_SECONDS)
        start = int(time.time())

        play.exporters.everything(bad=True)
        play.exporters.rename_histogram_of_web()
        until(lambda: play.firing() >= THRESHOLDS, play.states)
        evaluates_every_rule(play)
        has_something_on_every_panel(play)
        play.exporters.everything(bad=False)
        for pod in WEB_PODS:
            play.webs[SPACE, pod].stop()
        play.waits_for(ALWAYS | BLIND)
        time.sleep(3 * TICK_SECONDS)

        history = play.history(start)
        assert {name for name, states in history.items() if "firing" in states} == THRESHOLDS | BLIND | ALWAYS
        for name in THRESHOLDS:
            assert came(history[name]), (name, history[name])
            assert history[name][-1] == "inactive", name
        for name in BLIND:
            assert came(history[name]), (name, history[name])
            assert history[name][-1] == "firing", name
        tells_alertmanager(play, start)
        assert complaints(folder) == []


@pytest.mark.parametrize("name", [*EXAMPLES, *RANDOM])
def test_a_prometheus_takes_the_rules_as_they_are_and_evaluates_each(name: str) -> None:
    files = example(name) if name in EXAMPLES else render_bundle(load_tree(random_spec(RANDOM[name])))
    with tools.unprivileged_folder() as folder:
        for rules in ("recording-rules.yml", "alert-rules.yml"):
            (folder / rules).write_text(files[f"monitoring/{rules}"], "utf-8")
        config = adapted(yaml.safe_load(files["monitoring/prometheus-config.yml"]), lambda _: [])
        Play.put(folder / "prometheus-config.yml", config)
        arguments = ["--config.file=prometheus-config.yml", "--storage.tsdb.path=data"]
        with running("prometheus", arguments, folder) as address:
            until(lambda: "unknown" not in healths(address), lambda: healths(address))
            assert set(healths(address)) == {"ok"}
            assert len(healths(address)) == sum(
                len(group["rules"])
                for rules in ("recording-rules.yml", "alert-rules.yml")
                for group in yaml.safe_load(files[f"monitoring/{rules}"])["groups"]
            )
            assert complaints(folder) == []


def came(states: list[str]) -> bool:
    """Say whether an alert waited before it fired, each time: on a busy machine a scrape may be missed in between."""
    return states[:2] == ["inactive", "pending"] and ("inactive", "firing") not in pairwise(states)


def healths(address: str) -> list[str]:
    groups = ask(address, "/api/v1/rules")["data"]["groups"]
    return [rule["health"] for group in groups for rule in group["rules"]]


def complaints(folder: Path) -> list[str]:
    return re.findall(r"level=(?:warn|error).*", (folder / "prometheus.log").read_text("utf-8"))


def shows_these_targets_and_no_others(play: Play) -> None:
    targets = play.ask("targets")["activeTargets"]
    shown = {
        (target["labels"]["job"], target["labels"].get("namespace", ""), target["labels"].get("pod", ""),
         target["labels"].get("colour", ""), target["labels"].get("database", ""))
        for target in targets
    }  # fmt: skip
    colours = {
        (service, space, f"{service}-{colour}-6d4c-x", colour, "")
        for service in (API, WEB)
        for space in (SPACE, STAGING)
        for colour in ("blue", "green")
    }
    workers = {(MAILER, space, "order-mailer-6d4c-x", "", "") for space in (SPACE, STAGING)}
    jobs_beside = {(name, "", "", "", "") for name in ("cadvisor", "kube-state-metrics", "kafka-exporter")}
    assert shown == colours | workers | jobs_beside | {("postgres-exporter", "", "", "", "orders-db")}
    assert len(targets) == len(shown)
    assert [target["lastError"] for target in targets if target["health"] != "up"] == []
    managers = play.ask("alertmanagers")["activeAlertmanagers"]
    assert [manager["url"] for manager in managers] == [
        f"http://{play.webs['monitoring', 'alertmanager-monitoring-0'].address}/api/v2/alerts"
    ]
    tokens = {call.headers.get("authorization") for call in play.calls if call.path == "/metrics/cadvisor"}
    assert tokens == {f"Bearer {SAID_WHO}"}


def evaluates_every_rule(play: Play) -> None:
    rules = [rule for group in play.ask("rules")["groups"] for rule in group["rules"]]
    wanted = [
        rule.get("record") or rule["alert"]
        for name in ("recording-rules.yml", "alert-rules.yml")
        for group in play.read(name)["groups"]
        for rule in group["rules"]
    ]
    assert sorted(rule["name"] for rule in rules) == sorted(wanted)
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []


def has_something_on_every_panel(play: Play) -> None:
    """See that each query of the dashboard finds something where there is something."""
    panels = json.loads((play.bundle / "monitoring" / "dashboard.json").read_text("utf-8"))["panels"]
    for panel in panels:
        for target in panel.get("targets", []):
            expr = target["expr"].replace("$namespace", SPACE)
            found = play.ask(f"query?query={quote(expr)}")["result"]
            assert bool(found) != any(part in expr for part in NOTHING_TO_SEE), expr


def tells_alertmanager(play: Play, start: int) -> None:
    """See that what was sent is what a person reads: no template is left, and values are in their own unit."""
    sent = [
        (alert["labels"], alert["annotations"])
        for call in play.calls
        if call.path == "/api/v2/alerts"
        for alert in json.loads(call.body)
        # While it looked for its targets, it missed them.
        if datetime.fromisoformat(alert["startsAt"]).timestamp() > start or alert["labels"]["alertname"] in ALWAYS
    ]
    assert {labels["alertname"] for labels, _ in sent} == THRESHOLDS | BLIND | ALWAYS
    missing = {labels["series"] for labels, _ in sent if labels["alertname"] == "CheckoutWebMetricsMissing"}
    assert "http_request_duration_seconds_bucket" in missing
    said = {labels["alertname"]: annotations["description"] for labels, annotations in sent}
    assert not [text for text in said.values() if "{{" in text or "<no value>" in text or "error" in text.lower()]
    assert re.fullmatch(r"\d\d?(\.\d+)?% of the requests to green failed in the last 5 minutes\.",
                        said["CheckoutApiRollbackErrorRatio"])  # fmt: skip
