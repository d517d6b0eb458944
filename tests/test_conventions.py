"""What an application shows by each convention is what the rules read: OpenTelemetry's own library is asked.

There is no Spring Boot to ask on a machine with Python: its lines are in the form that its documentation shows.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import promql_parser
import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from devops_tasks.errors import UserError
from devops_tasks.metrics.conventions import CONVENTIONS
from devops_tasks.plan import plan_bundle
from tests import tools
from tests.bundles import load_text, render_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HEAD = """
feature: {name: Saved Reports, engineer: "@dana", slug: saved}
sprint: {name: "24"}
experiment:
  hypothesis: We believe that analysts will adopt saved reports
  primary_metric: {name: Weekly active users, target: +20%}
databases: [{name: db}]
caches: none
alerts: [{metric: auth_failures, above: 1/min}, {metric: db_latency_p95}]
monitoring: {scrape_interval: 30s, evaluation_interval: 30s}
"""
SLOW_SECONDS = 0.25
GOOD, SLOW, BAD = 20, 3, 3
MINUTES = 20
FIRING = {
    "ApiErrorRatioHigh",
    "ApiLatencyP95High",
    "ApiAuthFailuresHigh",
    "ApiDbLatencyP95High",
    "ApiRollbackErrorRatio",
}

Sample = tuple[str, dict[str, str], float]


@cache
def bundle(convention: str) -> dict[str, str]:
    metrics = f"metrics: {{convention: {convention}}}"
    return dict(render_bundle(load_text(f"{HEAD}\nservices: [{{name: api, {metrics}}}]\n")))


def application(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    if environ["PATH_INFO"] == "/slow":
        time.sleep(SLOW_SECONDS)
    start("503 Service Unavailable" if environ["PATH_INFO"] == "/bad" else "200 OK", [])
    return [b""]


@pytest.fixture(scope="module")
def shown_by_opentelemetry() -> Iterator[str]:
    """Serve requests behind OpenTelemetry's middleware, with the Views that the bundle asks for, and scrape it."""
    bounds = [float(bound.seconds) for bound in load_text(HEAD).spec.services[0].latency_buckets]
    names = ("http.server.request.duration", "db.client.operation.duration")
    views = [View(instrument_name=name, aggregation=ExplicitBucketHistogramAggregation(bounds)) for name in names]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
        provider = MeterProvider([PrometheusMetricReader()], views=views)
        served = OpenTelemetryMiddleware(application, meter_provider=provider)
        for path in ("/", *["/good"] * GOOD, *["/slow"] * SLOW, *["/bad"] * BAD):
            environ: dict[str, Any] = {"PATH_INFO": path}
            setup_testing_defaults(environ)
            list(served(environ, lambda *_: lambda _: None))
        meter = provider.get_meter("application")
        meter.create_counter("auth.attempts").add(5, {"result": "failure"})
        calls = meter.create_histogram("db.client.operation.duration", "s")
        for seconds in (0.01, 0.2, 0.2, 0.2):
            calls.record(seconds, {"db.system.name": "postgresql"})
        yield generate_latest(REGISTRY).decode()
        provider.shutdown()


def _spring(name: str, labels: str, total: int, fast: int, slow: int) -> str:
    """Write a timer as Spring Boot shows it: a bucket at each service level objective, as a floating number."""
    bounds = {"0.1": fast, "0.2": fast, "0.5": fast + slow, "1.0": total, "+Inf": total}
    lines = [f'{name}_bucket{{{labels},le="{le}"}} {count}' for le, count in bounds.items()]
    return "\n".join([*lines, f"{name}_count{{{labels}}} {total}", f"{name}_max{{{labels}}} 0.3", ""])


SPRING = "".join(
    (
        "# TYPE http_server_requests_seconds histogram\n",
        _spring(
            "http_server_requests_seconds",
            'error="none",exception="None",method="GET",outcome="SUCCESS",status="200",uri="/reports/{id}"',
            GOOD + SLOW,
            GOOD,
            SLOW,
        ),
        _spring(
            "http_server_requests_seconds",
            'error="none",exception="None",method="GET",outcome="SERVER_ERROR",status="503",uri="/reports/{id}"',
            BAD,
            BAD,
            0,
        ),
        "# TYPE jdbc_query_seconds histogram\n",
        _spring("jdbc_query_seconds", 'error="none",jdbc_datasource_driver="org.postgresql.Driver"', 4, 1, 3),
        '# TYPE auth_attempts_total counter\nauth_attempts_total{result="failure"} 5\n',
    )
)


def samples(text: str) -> list[Sample]:
    return [
        (sample.name, dict(sample.labels), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.rpartition("_")[2] in {"bucket", "count", "total"}
    ]


def grown(text: str) -> list[dict[str, str]]:
    """Let each counter of one scrape grow by as much with every other scrape, in the labels of its target."""
    target = {"namespace": "saved", "job": "api", "colour": "blue", "pod": "api-blue-1", "instance": "10.0.0.7:9464"}
    series = []
    for name, labels, value in samples(text):
        written = ",".join(f'{label}="{text}"' for label, text in {**labels, **target}.items())
        series.append({"series": f"{name}{{{written}}}", "values": f"0+{value:g}x{MINUTES * 2}"})
    return series


@pytest.mark.real
@pytest.mark.parametrize("convention", ["otel", "micrometer"])
def test_what_the_library_shows_makes_the_alerts_fire_and_none_is_blind(
    convention: str, shown_by_opentelemetry: str, tmp_path: Path
) -> None:
    text = shown_by_opentelemetry if convention == "otel" else SPRING
    files = ("recording-rules.yml", "alert-rules.yml")
    for name in files:
        (tmp_path / name).write_text(bundle(convention)[f"monitoring/{name}"])
    groups = [group for name in files for group in yaml.safe_load((tmp_path / name).read_text())["groups"]]
    counted = [(f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)', 1) for name in sorted(FIRING)]
    missing = 'count(ALERTS{alertname="ApiMetricsMissing",series=~"http.*|jdbc.*|db.*|auth.*"}) or vector(0)'
    content = {
        "rule_files": list(files),
        "evaluation_interval": "30s",
        "group_eval_order": [group["name"] for group in groups],
        "tests": [
            {
                "interval": "30s",
                "input_series": grown(text),
                "promql_expr_test": [
                    {"expr": expr, "eval_time": "19m", "exp_samples": [{"value": value}]}
                    for expr, value in (*counted, (missing, 0))
                ],
            }
        ],
    }
    (tmp_path / "shown.test.yml").write_text(yaml.safe_dump(content))
    assert tools.promtool_test_rules(tmp_path / "shown.test.yml") == ""


def _carried(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Give the series that an expression selects, with the labels that must be there: others are only left out."""
    node = promql_parser.parse(expr)
    left = [node]
    while left:
        each = left.pop()
        if isinstance(each, promql_parser.VectorSelector):
            needed = (matcher for matcher in each.matchers.matchers if not str(matcher.op).endswith("NotRe"))
            labels = {matcher.name for matcher in needed} - {"namespace", "job"}
            yield str(each.name), labels
        parts = [getattr(each, part, None) for part in ("expr", "lhs", "rhs", "vector_selector")]
        left += [part for part in (*parts, *getattr(each, "args", ())) if part is not None]


@pytest.mark.parametrize("convention", ["otel", "micrometer"])
def test_every_series_and_label_that_is_read_is_one_that_the_library_shows(
    convention: str, shown_by_opentelemetry: str
) -> None:
    text = shown_by_opentelemetry if convention == "otel" else SPRING
    shown: dict[str, set[str]] = {}
    for name, labels, _ in samples(text):
        shown.setdefault(name, set()).update(labels)
    rules = [
        rule
        for group in yaml.safe_load(bundle(convention)["monitoring/recording-rules.yml"])["groups"]
        for rule in group["rules"]
    ]
    read = [found for rule in rules for found in _carried(rule["expr"])]
    own = [(name, labels) for name, labels in read if name.startswith(("http_", "db_", "jdbc_", "auth_"))]
    assert {name for name, _ in own} >= {f"{CONVENTIONS[convention].duration}_count", "auth_attempts_total"}
    assert [(name, labels) for name, labels in own if not labels <= shown.get(name, set())] == []


@pytest.mark.parametrize("convention", ["otel", "micrometer"])
def test_the_catalogue_s_labels_are_on_every_sample(convention: str, shown_by_opentelemetry: str) -> None:
    text = shown_by_opentelemetry if convention == "otel" else SPRING
    for stem, labels in CONVENTIONS[convention].carried.items():
        found = [carried for name, carried, _ in samples(text) if name.startswith(f"{stem}_seconds_")]
        assert found
        assert all(set(labels) <= carried.keys() for carried in found)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("metrics: {convention: otel}", ',http_route!~"/healthz|/readyz"'),
        ("metrics: {convention: otel}, health: {live: /, ready: /v1.2/ready}", ',http_route!~"/v1\\\\.2/ready"'),
        ("metrics: {convention: otel}, path: /shop, health: {live: /shop, ready: /}", ""),
        ("metrics: {convention: micrometer}, health: {live: /, ready: /}", ',uri!~"/actuator.*"'),
        ("metrics: {convention: otel}, metric_names: {requests: hits_total}", ""),
        ("metrics: {convention: prometheus}", ""),
    ],
    ids=["otel", "a path that users ask too", "no other path", "Spring's own pages", "a counter", "prometheus"],
)
def test_a_probe_that_fails_is_no_error_and_what_users_ask_is(service: str, expected: str) -> None:
    plan = plan_bundle(load_text(f"{HEAD.partition('alerts:')[0]}\nservices: [{{name: api, {service}}}]\n").spec)
    rules = {rule["record"]: rule["expr"] for group in plan["recording_groups"] for rule in group["rules"]}
    assert f'=~"5.."{expected}}}[5m]' in rules["namespace_job_colour:http_requests_errors:rate5m"]


def settings(service: str) -> dict[str, str]:
    plan = plan_bundle(load_text(f"{HEAD.partition('alerts:')[0]}\nservices: [{{name: api, {service}}}]\n").spec)
    return {setting["name"]: setting["value"] for setting in plan["services"][0]["config"]}


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        pytest.param(
            "metrics: {convention: otel}",
            {
                "OTEL_METRICS_EXPORTER": "prometheus",
                "OTEL_EXPORTER_PROMETHEUS_HOST": "0.0.0.0",  # noqa: S104 - all addresses of a pod
                "OTEL_EXPORTER_PROMETHEUS_PORT": "9464",
            },
            id="otel: a port of the library's own, open to others than itself",
        ),
        pytest.param("metrics: {convention: otel, port: 3000}", {}, id="otel: the application serves it itself"),
        pytest.param(
            "metrics: {convention: otel}, config: {OTEL_METRICS_EXPORTER: 'otlp, prometheus'}",
            {
                "OTEL_METRICS_EXPORTER": "otlp, prometheus",
                "OTEL_EXPORTER_PROMETHEUS_HOST": "0.0.0.0",  # noqa: S104
                "OTEL_EXPORTER_PROMETHEUS_PORT": "9464",
            },
            id="otel: pushed as well",
        ),
        pytest.param(
            "metrics: {convention: micrometer}, latency_buckets: [0.25ms, 2.5ms, 200ms, 500ms, 2.5s]",
            {"MANAGEMENT_METRICS_DISTRIBUTION_SLO_HTTP_SERVER_REQUESTS": "250us,2500us,200ms,500ms,2500ms"},
            id="micrometer: the bounds, as Spring reads durations",
        ),
        pytest.param(
            "metrics: {convention: micrometer, port: 9001}, metric_names: {duration: own_seconds}",
            {"MANAGEMENT_SERVER_PORT": "9001"},
            id="micrometer: a port of its own, and another histogram",
        ),
        pytest.param("kind: worker, metrics: {convention: micrometer}", {}, id="micrometer: a worker"),
        pytest.param("metrics: {port: 9001}", {}, id="prometheus"),
    ],
)
def test_the_settings_make_the_library_show_what_is_scraped(service: str, expected: dict[str, str]) -> None:
    assert settings(service) == expected


@pytest.mark.parametrize(
    ("service", "path", "what"),
    [
        pytest.param("metrics: {convention: otel}, config: {OTEL_METRICS_EXPORTER: otlp}",
                     "config.OTEL_METRICS_EXPORTER", "otlp pushes metrics", id="pushed to a collector"),
        pytest.param("metrics: {convention: otel}, config: {OTEL_EXPORTER_PROMETHEUS_PORT: 9465}",
                     "config.OTEL_EXPORTER_PROMETHEUS_PORT", "metrics.port says that", id="a second port"),
        pytest.param("metrics: {convention: micrometer}, config: {MANAGEMENT_SERVER_PORT: 9465}",
                     "config.MANAGEMENT_SERVER_PORT", "metrics.port says that", id="a second port of Spring's"),
        pytest.param(
            "metrics: {convention: micrometer}, "
            "config: {MANAGEMENT_METRICS_DISTRIBUTION_SLO_HTTP_SERVER_REQUESTS: 1s}",
            "config.MANAGEMENT_METRICS_DISTRIBUTION_SLO_HTTP_SERVER_REQUESTS", "latency_buckets says that",
            id="other bounds"),
        pytest.param("metric_names: {duration: http_server_duration_milliseconds}", "metric_names.duration",
                     "http_server_duration_milliseconds counts milliseconds", id="milliseconds"),
        pytest.param("metric_names: {requests: http_seconds_bucket}", "metric_names.requests",
                     "http_seconds_bucket counts no requests", id="buckets instead of requests"),
        pytest.param("metric_names: {requests: http_seconds, duration: http_seconds}", "metric_names.requests",
                     "http_seconds counts no requests", id="a histogram instead of its count"),
        pytest.param("metric_names: {database_duration: db_seconds_bucket}", "metric_names.database_duration",
                     "db_seconds_bucket is a series of the histogram db_seconds", id="a part of a histogram"),
    ],
)  # fmt: skip
def test_what_leaves_nothing_to_scrape_or_count_is_refused_at_its_key(service: str, path: str, what: str) -> None:
    with pytest.raises(UserError) as caught:
        load_text(f"{HEAD}\nservices: [{{name: api, {service}}}]\n")
    (problem,) = caught.value.problems
    assert f"services[0].{path}" in str(problem)
    assert what in problem.what


@pytest.mark.parametrize(
    "service",
    [
        "config: {OTEL_METRICS_EXPORTER: otlp}",
        "config: {MANAGEMENT_SERVER_PORT: 9465}, metrics: {convention: otel}",
        "metric_names: {duration: bucket}",
        "metric_names: {requests: requests_count}",
    ],
    ids=["pushed besides", "another library's port", "a name without parts", "a histogram's count"],
)
def test_what_only_looks_like_that_is_left_alone(service: str) -> None:
    assert load_text(f"{HEAD}\nservices: [{{name: api, {service}}}]\n").spec.services[0].name == "api"


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("metrics: {convention: otel}", ("http_server_request_duration_seconds_count",
                                         "http_server_request_duration_seconds", "http_response_status_code")),
        # OpenTelemetry's exporter for JavaScript leaves the unit out.
        ("metrics: {convention: otel}, metric_names: {duration: http_server_request_duration}",
         ("http_server_request_duration_count", "http_server_request_duration", "http_response_status_code")),
        ("metrics: {convention: micrometer}, metric_names: {requests: hits_total}",
         ("hits_total", "http_server_requests_seconds", "status")),
        ("metrics: {convention: none}", ("http_requests_total", "http_request_duration_seconds", "status_code")),
    ],
    ids=["otel", "otel without units", "micrometer with a counter", "none"],
)  # fmt: skip
def test_names_are_those_of_the_convention_unless_the_spec_has_others(service: str, expected: tuple[str, ...]) -> None:
    alerts_aside = HEAD.partition("alerts:")[0]
    names = load_text(f"{alerts_aside}\nservices: [{{name: api, {service}}}]\n").spec.services[0].metric_names
    assert (names.requests, names.duration, names.status_label) == expected
