"""The labels that flow through rules: what can never meet is found, and what can meet is left alone."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import pytest

from devops_tasks.checks.codes import severity
from devops_tasks.checks.documents import read_documents
from devops_tasks.checks.label_flow import OPEN, Flow
from devops_tasks.checks.monitoring import Watched, check_flow
from devops_tasks.checks.rules import read_rules
from devops_tasks.checks.sources import Sources
from devops_tasks.metrics import fill
from devops_tasks.metrics.catalogue import CATALOGUE
from devops_tasks.promql import parse, read_query
from devops_tasks.spec import MetricNames
from tests.bundles import EXAMPLES, load_example, load_text, load_tree, render_bundle
from tests.random_specs import random_spec

if TYPE_CHECKING:
    from devops_tasks.errors import Problem
    from devops_tasks.specfile import Loaded

HEAD = """
feature: {name: Saved Reports, engineer: "@dana", slug: saved}
sprint: {name: "24"}
experiment:
  hypothesis: We believe that analysts will adopt saved reports
  primary_metric: {name: Weekly active users, target: +20%}
services:
  - {name: api, needs: [db, orders], latency_buckets: [100ms, 200ms, 500ms, 1s, 2s]}
  - {name: indexer, kind: worker, needs: [orders]}
databases: [{name: db}]
queues: [{name: orders, topic: orders, group: indexer}]
"""
DECLARED = "monitoring: {metrics: [{name: tried_total, labels: [kind]}, {name: failed_total, labels: [kind, reason]}]}"
TEXT = f"{HEAD}{DECLARED}\n"


@cache
def sources_of(text: str = TEXT) -> Sources:
    loaded = load_text(text)
    documents, _ = read_documents(render_bundle(loaded))
    return Sources(loaded.spec, documents, read_rules(documents))


def found(expr: str, text: str = TEXT) -> list[str]:
    flow = Flow(sources_of(text).series, [])
    flow.read(parse(expr))
    return [finding.code for finding in flow.findings]


def problems(loaded: Loaded) -> list[Problem]:
    documents, _ = read_documents(render_bundle(loaded))
    queries = "\n".join(alert.query for alert in loaded.spec.alerts if alert.query)
    watched = Watched(frozenset(), frozenset(), frozenset(), queries)
    return list(check_flow(loaded.spec, documents, list(read_rules(documents)), watched))


# What can never meet, and what can: as many of the one as of the other

NEVER = {
    "the document's second alert": "histogram_quantile(0.95, http_request_duration_seconds) > 0.2",
    "the document's third alert": "pg_stat_database_numbackends / pg_settings_max_connections > 0.8",
    "labels that only the left keeps": "sum by (namespace, job) (http_requests_total) / sum by (job) (up)",
    "labels that only the right keeps": "sum(up) / sum by (job) (up)",
    "a sum against a part of it": "sum by (status_code) (http_requests_total) / sum(http_requests_total)",
    "another bucket": (
        'http_request_duration_seconds_bucket{le="0.1"} / http_request_duration_seconds_bucket{le="0.2"}'
    ),
    "a bucket against the count": (
        'rate(http_request_duration_seconds_count{job="api"}[5m]) - on (job, le) '
        'rate(http_request_duration_seconds_bucket{le="0.2"}[5m])'
    ),
    "another job": 'up{job="api"} and up{job="indexer"}',
    "another job on that label": 'up{job="api"} * on (job) group_left () up{job="indexer"}',
    "alternatives that do not overlap": 'up{job=~"api|web"} == on (job) up{job=~"indexer|mailer"}',
    "a label that is asked for and one that is not": (
        'kube_pod_container_resource_limits{resource="memory"} - ignoring (resource) '
        'kube_pod_container_resource_limits{resource="memory",unit="byte"} and sum(up)'
    ),
    "a guard that takes nothing away": "sum by (job) (up) unless sum(up)",
    "a comparison under a function": "abs(sum by (pod) (container_memory_working_set_bytes) - sum(up)) > 1",
    "inside a subquery": "max_over_time((sum by (job) (up) / sum(up))[1h:5m])",
    "inside an aggregation": "sum(sum by (job) (up) / sum(up))",
    "replaced labels": 'label_replace(sum(up), "a", "1", "", "") + label_replace(sum(up), "a", "2", "", "")',
    "a number for each value": 'count_values("version", up) / sum(up)',
    "what absence tells": 'absent(up{job="api"}) and absent(up{job="indexer"})',
    "a recorded series": "namespace_job:http_requests:rate5m / namespace_job_colour:http_requests:rate5m",
    "another threshold": 'namespace_job_threshold:http_requests_slow:increase5m{threshold="0.3"} > 5',
    "a label that a worker lacks": 'sum by (colour) (up{job="api"}) / sum by (colour) (up{job="indexer"})',
    "a bucket that is not declared": 'rate(http_request_duration_seconds_bucket{le="0.3"}[5m])',
    "a label that the exporter has not": 'pg_settings_max_connections{datname="db"}',
    "a declared label on one side": "sum by (kind) (failed_total) / sum(tried_total)",
    "a label that is not declared": 'rate(tried_total{reason="x"}[5m])',
    "a quantile of sums": "histogram_quantile(0.9, sum by (job) (rate(http_request_duration_seconds_bucket[5m])))",
    "buckets against one count": (
        "rate(http_request_duration_seconds_bucket[5m]) / ignoring (le) rate(http_request_duration_seconds_count[5m])"
    ),
    "buckets on the side of one": (
        "http_request_duration_seconds_count / on (job) group_left () http_request_duration_seconds_bucket"
    ),
    "one that is left out": 'up{job!="api"} and up{job="api"}',
    "a label that must not be empty": 'sum by (server) (pg_settings_max_connections{server!=""}) / sum(up)',
    "a label with a pattern": 'sum by (server) (pg_settings_max_connections{server=~".+"}) / sum(up)',
    "a label with alternatives": 'sum by (server) (pg_settings_max_connections{server=~"a|b"}) / sum(up)',
    "a condition after another": 'up and up{job="api"} and up{job="indexer"}',
    "a label that was matched on": (
        'tried_total * on (kind) group_left () max by (kind) (tried_total{kind="a"}) '
        'and on (kind) tried_total{kind="b"}'
    ),
    "beside something that is well": "up > 0 or sum by (job) (up) / sum(up)",
    "without a label on one side": "sum without (datid, datname) (pg_stat_database_numbackends) "
                                   "/ sum without (datid) (pg_stat_database_numbackends)",
}  # fmt: skip
MEETS = {
    "sums that keep the same": "sum by (job) (up) / sum by (job) (up)",
    "the third alert as it should be": (
        "sum by (database) (pg_stat_database_numbackends) / max by (database) (pg_settings_max_connections)"
    ),
    "the second alert as it should be": (
        "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m]))) > 0.2"
    ),
    "a part of a series": 'http_requests_total{status_code=~"5.."} / http_requests_total',
    "what is left out": (
        "sum by (job, status_code) (rate(http_requests_total[5m])) / ignoring (status_code) group_left () "
        "sum by (job) (rate(http_requests_total[5m]))"
    ),
    "what is matched on": "sum by (namespace, job) (up) / on (job) group_left () sum by (job) (up)",
    "the same bucket in two spellings": (
        'http_request_duration_seconds_bucket{le=~"1(\\\\.0)?"} / ignoring (le) http_request_duration_seconds_count'
    ),
    "a bucket against the count": (
        'http_request_duration_seconds_count - ignoring (le) http_request_duration_seconds_bucket{le="0.2"}'
    ),
    "buckets against the count": (
        "http_request_duration_seconds_bucket / ignoring (le) group_left () http_request_duration_seconds_count"
    ),
    "alternatives that overlap": 'up{job=~"api|indexer"} and up{job=~"indexer|mailer"}',
    "alternatives that may differ": 'tried_total{kind=~"a|b"} and tried_total{kind=~"b|c"}',
    "a pattern": 'tried_total{kind=~"a.*"} and tried_total{kind="ab"}',
    "a pattern that only Go knows": 'tried_total{kind=~"\\\\pL+"} and tried_total{kind="ab"}',
    "all but one": 'up{job!="api"} and up{job="indexer"}',
    "all but a pattern": 'up{job!~"a.*"} and up{job="indexer"}',
    "labels of which nothing is known": "unknown_total / other_total",
    "an unknown series against a known one": "unknown_total / on (job) up",
    "a label of an application that nobody told of": "sum by (route) (rate(http_requests_total[5m]))",
    "series that nobody named": '{job="api"} / on (job) {job="api"}',
    "a name among the labels": '{__name__="up"} == up',
    "sides that are meant to differ": "sum(up) or sum by (job) (up)",
    "a fill": 'sum by (job) (rate(http_requests_total{status_code="500"}[5m])) or 0 * sum by (job) (up)',
    "a number": "sum(up) > 1 + 1 == bool 1",
    "the clock": "time() - process_start_time_seconds > 60",
    "one value of all": "vector(1) and absent(sum(up) > 5)",
    "nothing to match on": "up * on () group_left () sum(up)",
    "a label that is replaced by a part of another": (
        'label_replace(sum by (pod) (up), "colour", "$1", "pod", "api-(blue|green)-.+") '
        '* on (colour) sum by (colour) (up{colour="green"})'
    ),
    "a label that may be replaced": (
        'label_replace(sum(up), "a", "1", "b", "x") + label_replace(sum(up), "a", "2", "b", "y")'
    ),
    "joined labels": 'label_join(sum(up), "a", "-", "b") * on (a) sum by (a) (up)',
    "a label that is taken over": (
        "sum by (database) (up) * on (database) group_left (server) pg_settings_max_connections "
        'and on (server) pg_settings_max_connections{server="a"}'
    ),
    "what absence tells of a label that is asked for twice": 'absent(up{job="api",job=~"a.*"}) and sum(up)',
    "buckets beside what is none": (
        "histogram_quantile(0.9, http_request_duration_seconds_bucket or http_request_duration_seconds_count)"
    ),
    "a label that another installation adds": 'sum by (node) (up{node="a"})',
    "two labels that may both be empty": "sum by (server) (pg_settings_max_connections) / sum(up)",
    "a pattern that the empty text matches": 'sum by (server) (pg_settings_max_connections{server=~".*"}) / sum(up)',
    "a name that may be absent": 'sum by (server) (pg_settings_max_connections{server!="a"}) / sum(up)',
    "the largest few": "topk(3, up) and up",
    "another series of an exporter": 'pg_stat_activity_count{state="idle"} / on (database) pg_settings_max_connections',
    "an alert": 'ALERTS{alertstate="firing"} and on (service) ALERTS{severity="critical"}',
    "declared labels": "sum by (kind) (failed_total) / sum by (kind) (tried_total)",
    "a declared series that something else exposes": 'tried_total{job="other"} / on (job) failed_total',
}  # fmt: skip


@pytest.mark.parametrize("expr", NEVER.values(), ids=NEVER.keys())
def test_what_can_never_meet_is_found(expr: str) -> None:
    assert len(found(expr)) == 1


@pytest.mark.parametrize("expr", MEETS.values(), ids=MEETS.keys())
def test_what_can_meet_is_left_alone(expr: str) -> None:
    assert found(expr) == []


def test_there_are_as_many_of_the_one_as_of_the_other() -> None:
    assert len(MEETS) >= len(NEVER)


# What the rules of a bundle read


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_rules_of_an_example_can_meet(name: str) -> None:
    assert [str(each) for each in problems(load_example(name))] == []


@pytest.mark.parametrize("seed", [0, 1, 4, 9, 17, 23])
def test_the_rules_of_a_random_spec_can_meet(seed: int) -> None:
    tree = random_spec(seed)
    declared = [{"name": f"{alert['metric']}_total"} for alert in tree.get("alerts", []) if "query" in alert]
    monitoring = {**tree.get("monitoring", {}), "metrics": declared}
    assert [str(each) for each in problems(load_tree({**tree, "monitoring": monitoring}))] == []


INSIDE = HEAD.replace("databases: [{name: db}]", "databases: [{name: db, hosting: in-cluster}]")
ASKED = f"{INSIDE}alerts: [{{metric: auth_failures}}, {{metric: db_latency_p95}}]\n"
FOR_QUERIES = {
    "http_request_duration_seconds_sum",
    "db_client_operation_duration_seconds_sum",
    "pg_stat_statements_calls_total",
    "pg_stat_statements_seconds_total",
}
"""What no rule of ours reads, and the query of a spec may."""


def test_the_catalogue_has_what_the_rules_read_and_hardly_more() -> None:
    loaded = load_text(ASKED)
    documents, _ = read_documents(render_bundle(loaded))
    selectors = [each for rule in read_rules(documents) for each in read_query(rule.expr).selectors]
    read = {each.name for each in selectors if ":" not in each.name} - {"up"}
    names = {name: getattr(loaded.spec.services[0].metric_names, name) for name in MetricNames.fields}
    catalogued = {fill(series.metric, names) for series in CATALOGUE}
    assert (read - catalogued, catalogued - read) == (set(), FOR_QUERIES)


# What a query of the spec reads

OWN = "alerts: [{{metric: own, above: 5, query: {}}}]\n"


def told(query: str, more: str = "") -> list[tuple[str, str, str]]:
    """Give the code, the severity and the words of what is found about a query of the spec."""
    text = f"{HEAD}{OWN.format(json.dumps(query))}{more}"
    return [(each.code, severity(each), f"{each.what} ({each.mend})") for each in problems(load_text(text))]


def test_a_query_that_can_never_meet_is_an_error_at_its_rule() -> None:
    query = "pg_stat_database_numbackends / pg_settings_max_connections"
    [(code, grave, words)] = told(query)
    assert (code, grave) == ("never-meets", "error")
    assert words == (
        "service:own:query: the two sides of `/` never meet: only the left side has datid, only the left side has "
        "datname (aggregate both sides to the same labels, or match on those that both have)"
    )


def test_a_bucket_that_is_not_declared_is_told_with_those_that_are() -> None:
    [(code, grave, words)] = told('sum(rate(http_request_duration_seconds_bucket{job="api",le="0.3"}[5m]))')
    assert (code, grave) == ("never-selects", "error")
    assert words.startswith("service:own:query: the label le of http_request_duration_seconds_bucket never has that")
    assert ": it is +Inf or 0.1 or 0.2 or 0.5 or 1 or 1.0 or 2 or 2.0 (" in words


def test_a_series_that_nothing_provides_is_told_with_the_nearest_name() -> None:
    [(code, grave, words)] = told("sum(rate(http_request_total[5m]))")
    assert (code, grave) == ("unknown-metric", "warning")
    assert words == (
        "service:own:query reads http_request_total, which nothing here provides (did you mean http_requests_total? "
        "a series that somebody else provides is told of in monitoring.metrics)"
    )


def test_a_rate_over_three_scrapes_is_told_with_the_range_to_take() -> None:
    more = "monitoring: {scrape_interval: 20s, evaluation_interval: 30s}\n"
    [(code, grave, words)] = told("sum(rate(http_requests_total[79s]))", more)
    assert (code, grave) == ("short-range", "warning")
    assert words == (
        "service:own:query takes a rate over 79s, and a sample comes every 20s "
        "(take 80s or more: one lost sample must not silence it)"
    )
    assert told("sum(rate(http_requests_total[80s])) + sum(max_over_time(up[30s]))", more) == []
    recorded = "sum(deriv(namespace_job:http_requests:rate5m[{}]))"
    assert [told(recorded.format(span), more) == [] for span in ("119s", "2m")] == [False, True]


UNKNOWN = ("own_total", "http_request_duration_seconds", "kube_pod_info", "redis_up", "node:cpu:rate5m")


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_series_of_others_is_told_until_the_spec_has_it(name: str) -> None:
    assert [code for code, _, _ in told(f"sum({name})")] == ["unknown-metric"]
    assert told(f"sum({name})", f"monitoring: {{metrics: [{{name: '{name}'}}]}}\n") == []


@pytest.mark.parametrize(
    "name",
    ["up", "scrape_samples_scraped", "ALERTS", "pg_stat_activity_count", "kafka_brokers", "http_requests_total",
     "http_request_duration_seconds_sum", "namespace_job:http_requests:rate5m", '{job="api"}'],
)  # fmt: skip
def test_a_series_that_is_there_is_left_alone(name: str) -> None:
    assert told(f"sum({name})") == []


OTHER = HEAD.replace("needs:", "metrics: {convention: CONVENTION}, needs:")


@pytest.mark.parametrize(
    ("convention", "expr", "expected"),
    [
        ("otel", "sum(rate(http_requests_total[5m]))", ["unknown-metric"]),
        ("otel", "sum by (http_route) (rate(http_server_request_duration_seconds_count[5m]))", []),
        ("otel", 'http_server_request_duration_seconds_count{http_request_method=""}', ["never-selects"]),
        ("otel", 'http_server_request_duration_seconds_count{http_response_status_code=""}', []),
        ("micrometer", "sum(rate(http_server_request_duration_seconds_count[5m]))", ["unknown-metric"]),
        ("micrometer", 'sum(rate(http_server_requests_seconds_count{outcome="SERVER_ERROR"}[5m]))', []),
        ("micrometer", 'http_server_requests_seconds_bucket{le="0.3"}', ["never-selects"]),
        ("micrometer", 'http_server_requests_seconds_sum{uri=""}', ["never-selects"]),
        ("micrometer", "sum(jdbc_query_seconds_count)", []),
    ],
)
def test_the_series_and_labels_are_those_of_the_service_s_convention(
    convention: str, expr: str, expected: list[str]
) -> None:
    text = OTHER.replace("CONVENTION", convention) + OWN.format(json.dumps(expr))
    assert [each.code for each in problems(load_text(text))] == expected


def test_an_exporter_that_is_not_scraped_provides_nothing() -> None:
    text = HEAD.replace("databases: [{name: db}]", "databases: []").replace("[db, orders]", "[orders]")
    loaded = load_text(text + OWN.format("sum(pg_stat_activity_count)"))
    assert [each.code for each in problems(loaded)] == ["unknown-metric"]


LABELS = {
    "a label of an application's series, when all are told": (
        "sum by (job) (rate(http_requests_total{tenant='a'}[5m]))",
        [[], ["never-selects"], []],
    ),
    "what is told of a known series adds to it": (
        "sum by (status_code) (http_requests_total) / sum(http_requests_total)",
        [["never-meets"]] * 3,
    ),
    "a label that is told is carried by every sample": (
        "sum by (tenant) (http_requests_total) / sum(http_requests_total)",
        [[], [], ["never-meets"]],
    ),
}


@pytest.mark.parametrize(("expr", "expected"), LABELS.values(), ids=LABELS.keys())
def test_the_spec_adds_labels_to_a_known_series(expr: str, expected: list[list[str]]) -> None:
    metrics = ["[]", "[{name: http_requests_total}]", "[{name: http_requests_total, labels: [tenant]}]"]
    assert [found(expr, f"{HEAD}monitoring: {{metrics: {each}}}\n") for each in metrics] == expected


def test_a_target_of_others_is_there_when_the_spec_has_it() -> None:
    texts = (HEAD, f"{HEAD}monitoring: {{metrics: [{{name: up}}]}}\n")
    assert [found('up{job="other"}', text) for text in texts] == [["never-selects"], []]


def test_the_operator_s_own_jobs_may_have_other_names() -> None:
    texts = (HEAD, f"{HEAD}platform: {{monitoring: prometheus-operator}}\n")
    usage = 'container_memory_working_set_bytes{job="kubelet"}'
    assert [found(usage, text) for text in texts] == [["never-selects"], []]


def test_the_labels_of_targets_are_those_of_the_configuration_as_it_stands() -> None:
    loaded = load_text(HEAD)
    files = render_bundle(loaded)
    path = "monitoring/prometheus-config.yml"
    edited = {**files, path: files[path].replace("target_label: database", "target_label: instance_of")}
    codes = []
    for each in (files, edited, {name: text for name, text in files.items() if name != path}):
        documents, _ = read_documents(each)
        flow = Flow(Sources(loaded.spec, documents, []).series, [])
        flow.read(parse('max by (database) (pg_settings_max_connections{database="db"})'))
        codes.append([finding.code for finding in flow.findings])
    assert codes == [[], ["never-selects"], []]


def test_a_series_that_is_recorded_from_itself_ends() -> None:
    loaded = load_text(HEAD)
    rules = "groups: [{name: a, rules: [{record: 'a:b', expr: 'a:b or up'}, {record: 'c:d', expr: 'sum('}]}]"
    documents, _ = read_documents({"monitoring/mine.yml": rules})
    sources = Sources(loaded.spec, documents, read_rules(documents))
    assert sources.series("a:b")[0] == OPEN[0]
    assert sources.series("c:d") == OPEN


@pytest.mark.parametrize(
    "expr",
    ["+".join(["up"] * 700), "(" * 300 + "up" + ")" * 300, "abs(" * 200 + "up" + ")" * 200,
     " or ".join(["sum by (job) (up)"] * 400), " and ".join(f'up{{a=~"{n}.*"}}' for n in range(200))],
    ids=["a long sum", "many brackets", "many functions", "a long choice", "a long condition"],
)  # fmt: skip
def test_an_expression_of_any_length_is_read(expr: str) -> None:
    assert read_query(expr).fault == ""
    assert set(found(expr)) <= {"never-selects"}
