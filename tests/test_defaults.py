"""Defaults that depend on other keys: each follows what it depends on, and what is written always wins."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from devops_tasks.defaults import complete, slugify
from devops_tasks.errors import UserError
from devops_tasks.fields import Tree
from devops_tasks.spec import SLUG, Spec
from devops_tasks.specfile import Source, load_spec, parse_spec
from devops_tasks.units import Duration
from tests.test_specfile import MINIMAL

BESIDE = "caches: none\nqueues: [{name: q}]\nexternal_services: [{name: partner}]\nservices: [{name: a, kind: web}, "


def tree_of(more: str = "", name: str = "Saved Reports") -> dict[str, Tree]:
    return complete(parse_spec(MINIMAL.replace("Saved Reports", name) + more, "s.yaml").tree)


def spec_of(more: str = "") -> Spec:
    return load_spec(parse_spec(MINIMAL + more, "s.yaml")).spec


def at(value: Tree, path: str) -> Tree:
    for step in path.split("."):
        value = value[int(step)] if step.isdigit() else value.get(step, "nothing")
    return value


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Saved Reports", "saved-reports"),
        ("  One-Page  Checkout! ", "one-page-checkout"),
        ("Überblick für Café", "uberblick-fur-cafe"),
        ("24 Hours", "hours"),
        ("a" * 60, "a" * 40),
        ("x" * 39 + " yz", "x" * 39),
        ("日本語", ""),
        ("123", ""),
    ],
)
def test_a_slug_is_made_of_the_name(name: str, slug: str) -> None:
    assert slugify(name) == slug


@given(st.text())
def test_a_slug_that_is_made_is_valid_or_nothing_at_all(name: str) -> None:
    made = slugify(name)
    if made and made not in {"con", "prn", "aux", "nul"} and made[:-1] not in {"com", "lpt"}:
        assert SLUG.parse(made) == made


@pytest.mark.parametrize(
    ("more", "path", "value"),
    [
        ("", "feature.slug", "saved-reports"),
        ("", "feature.team", "saved-reports"),
        ("", "services.0.name", "saved-reports-api"),
        ("", "databases.0.name", "saved-reports-db"),
        ("", "caches.0.name", "saved-reports-cache"),
        ("", "platform.namespaces", {"staging": "saved-reports-staging", "production": "saved-reports"}),
        ("", "services.0.health.port", "3000"),
        ("services: [{name: a, port: 8080}]", "services.0.health.port", "8080"),
        ("services: [{name: a, port: 8080}]", "services.0.metrics.port", "8080"),
        ("services: [{name: a, port: 8080, metrics: {port: 9}}]", "services.0.metrics.port", "9"),
        ("", "services.0.needs", ["saved-reports-db", "saved-reports-cache"]),
        ("", "services.0.secrets", ["saved-reports-db-url", "saved-reports-cache-url"]),
        ("caches: none\ndatabases: []", "services.0.needs", []),
        ("services: [{name: a, needs: [saved-reports-db]}]", "services.0.secrets", ["saved-reports-db-url"]),
        ("queues: [{name: q}]\ncaches: none", "services.0.needs", ["saved-reports-db", "q"]),
        (f"{BESIDE}{{name: b}}]", "services.0.needs", ["saved-reports-db", "partner"]),
        (f"{BESIDE}{{name: b}}]", "services.1.needs", ["saved-reports-db", "q", "partner"]),
        (f"{BESIDE}{{name: b, kind: worker}}]", "services.0.needs", ["saved-reports-db", "q", "partner"]),
        ("queues: [{name: q}]\ncaches: none", "services.0.secrets", ["saved-reports-db-url"]),
        ("platform: {secret_store: {name: vault}}", "platform.secret_store.path", "saved-reports"),
        ("", "platform.secret_store", "nothing"),
        ("", "rollback.criteria.0.metric", "latency_p95"),
        (
            "services: [{name: w, kind: worker}]",
            "rollback.criteria",
            [{"metric": "failure_ratio", "above": "2%", "for": "5m"}],
        ),
        ("services: [{name: w, production: {cpu: 3}}]", "services.0.production.cpu", {"limit": "3", "request": "3"}),
        (
            "services: [{name: w, production: {cpu: {request: 1}}}]",
            "services.0.production.cpu",
            {"limit": "1", "request": "1"},
        ),
        (
            "services: [{name: w, production: {memory: {request: 1Gi, limit: 2Gi}}}]",
            "services.0.production.memory",
            {"request": "1Gi", "limit": "2Gi"},
        ),
        ("", "services.0.production.autoscaling.max", "10"),
        ("services: [{name: w, production: {replicas: 12}}]", "services.0.production.autoscaling.max", "12"),
        ("services: [{name: w, production: {autoscaling: none}}]", "services.0.production.autoscaling", "none"),
        ("", "databases.0.production.class", "db.r5.xlarge"),
        ("", "databases.0.production.memory", "32Gi"),
        ("databases: [{name: d, production: {class: db.r5.large}}]", "databases.0.production.memory", "16Gi"),
        ("databases: [{name: d, production: {class: db.r5.large}}]", "databases.0.production.cpu", "2"),
        ("services: [{name: a, metrics: {convention: otel}}]", "services.0.metrics.port", "9464"),
        (
            "services: [{name: a, port: 8080, metrics: {convention: micrometer}}]",
            "services.0.metrics",
            {"convention": "micrometer", "path": "/actuator/prometheus", "port": "8080"},
        ),
        ("services: [{name: a, metrics: {convention: otel}}]", "services.0.latency_buckets.9", "750ms"),
        ("", "platform.load_balancer.kind", "ALB"),
        ("platform: {cloud: none}", "platform.load_balancer.kind", "in-cluster"),
        ("platform: {cloud: none, load_balancer: {kind: HAProxy}}", "platform.load_balancer.kind", "HAProxy"),
        ("platform: {cloud: none}", "databases.0.production.class", "nothing"),
        ("platform: {cloud: none}", "caches.0.production.class", "nothing"),
        ("databases: [{name: d, hosting: in-cluster, namespace: x}]", "databases.0.staging.class", "nothing"),
        ("", "databases.0.backup.lose_at_most", "6h"),
        ("databases: [{name: d, backup: {every: 1h}}]", "databases.0.backup.lose_at_most", "1h"),
        ("databases: [{name: d, backup: {every: 1h, lose_at_most: 5m}}]", "databases.0.backup.lose_at_most", "5m"),
        ("queues: [{name: q}]", "queues.0.port", "9092"),
        ("caches: [{name: c}]", "caches.0.port", "6379"),
        ("platform: {cloud: none}", "dependencies.external.0.who", "Security Team"),
        ("overview: {security_review: 'No'}", "dependencies.external.1.who", "Network Team"),
        ("databases: none\ncaches: none", "dependencies.blockers.1", None),
        ("databases: none", "operations.2.task", "Certificate renewal"),
        ("", "operations.2.task", "Database maintenance"),
        ("databases: none\nservices: [{name: w, kind: worker}]", "operations.2.task", "Security patching"),
        ("", "dependencies.blocking.0", {"who": "QA Team", "what": "Staging environment"}),
        ("databases: none", "risks.2.risk", "Performance degradation"),
    ],
)
def test_a_default_follows_what_it_depends_on(more: str, path: str, value: Tree) -> None:
    tree = tree_of(more)
    if value is None:
        with pytest.raises(IndexError):
            at(tree, path)
    else:
        assert at(tree, path) == value


def test_dependencies_are_dated_from_the_sprint() -> None:
    text = MINIMAL.replace('name: "24"', 'name: "24"\n  starts: 2026-12-01\n  ends: 2026-12-14')
    rows = complete(parse_spec(text, "s.yaml").tree)["dependencies"]["blocking"]
    assert [row["by"] for row in rows] == ["2026-12-07", "2026-12-14", "2026-12-14"]


@pytest.mark.parametrize(
    ("more", "bounds"),
    [
        ("", ["5ms", "10ms", "25ms", "50ms", "75ms", "100ms", "200ms", "250ms", "500ms", "1s", "2.5s", "5s", "10s"]),
        ("rollback: {criteria: [{metric: latency_p95, above: 30s}]}", ["10s", "30s", "1m"]),
        ("alerts: [{metric: latency_p95, above: 2.5ms}]", ["2.5ms", "5ms"]),
        ("alerts: [{metric: latency_p95, above: 300ms}]", ["250ms", "300ms", "500ms"]),
    ],
    ids=["the usual ones and the default thresholds", "one above the slowest", "parts of a millisecond", "in order"],
)
def test_every_latency_threshold_is_a_bound_and_none_is_the_last(more: str, bounds: list[str]) -> None:
    found = at(tree_of(more), "services.0.latency_buckets")
    assert ",".join(bounds) in ",".join(found)


def test_a_slow_threshold_leaves_a_valid_spec() -> None:
    buckets = spec_of("rollback: {criteria: [{metric: latency_p95, above: 45s}]}").services[0].latency_buckets
    assert [bound.text for bound in buckets[-2:]] == ["45s", "90s"]
    assert isinstance(buckets[0], Duration)


def test_what_is_written_wins_over_every_default() -> None:
    tree = tree_of("services: [{name: a, needs: [], secrets: [x], latency_buckets: [200ms, 500ms, 1s]}]\nrisks: []")
    assert at(tree, "services.0.needs") == []
    assert at(tree, "services.0.secrets") == ["x"]
    assert at(tree, "services.0.latency_buckets") == ["200ms", "500ms", "1s"]
    assert tree["risks"] == []


@pytest.mark.parametrize(
    "more", ["", "services: [{name: a, production: {cpu: 3}}]\ncaches: none", "platform: {cloud: none}"]
)
def test_a_complete_tree_is_complete(more: str) -> None:
    tree = tree_of(more)
    assert complete(tree) == tree
    assert load_spec(Source("s.yaml", tree, {})).tree == tree


def test_the_tree_that_is_given_stays_as_it_is() -> None:
    source = parse_spec(MINIMAL, "s.yaml")
    complete(source.tree)
    assert source.tree == parse_spec(MINIMAL, "s.yaml").tree


@pytest.mark.parametrize("length", [1, 27, 31, 35, 36, 40, 41, 200])
def test_a_name_of_any_length_has_valid_defaults(length: int) -> None:
    tree = parse_spec(MINIMAL.replace("Saved Reports", "A" * length), "s.yaml").tree
    spec = load_spec(Source("s.yaml", tree, {})).spec
    stores = [*(database.name for database in spec.databases), *(cache.name for cache in spec.caches)]
    assert spec.services[0].secrets == tuple(f"{name}-url" for name in stores)


@pytest.mark.parametrize(
    ("more", "mitigations"),
    [
        (
            "cost: {budget: 1000 USD}",
            {
                "Multi-AZ deployment, automated failover",
                "Auto-scaling, performance monitoring",
                "Budget alerts, resource optimization",
            },
        ),
        (
            "platform: {cloud: none}\nservices: [{name: a, production: {autoscaling: none}}]",
            {
                "Pods spread over zones and hosts, automated failover",
                "Load tests, performance monitoring",
                "Resource optimization",
            },
        ),
    ],
    ids=["cloud, autoscaler and budget", "none of them"],
)
def test_a_risk_is_met_by_what_the_spec_has(more: str, mitigations: set[str]) -> None:
    assert mitigations <= {risk.mitigation for risk in spec_of(more).risks}


@pytest.mark.parametrize(("hosting", "replicas"), [("managed", 2), ("in-cluster", 0)])
def test_read_replicas_are_assumed_only_where_somebody_makes_them(hosting: str, replicas: int) -> None:
    assert spec_of(f"databases: [{{name: d, hosting: {hosting}}}]").databases[0].production.read_replicas == replicas


def test_a_database_with_the_longest_name_has_a_secret() -> None:
    name = "d" * 40
    assert spec_of(f"databases: [{{name: {name}}}]").services[0].secrets[0] == f"{name}-url"


NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff\ufffe\uffff"),
    min_size=1,
    max_size=200,
)


@given(NAMES)
def test_whatever_a_feature_is_called_its_defaults_are_valid_or_the_slug_is_asked_for(name: str) -> None:
    tree = parse_spec(MINIMAL, "s.yaml").tree
    named = {**tree, "feature": {**tree["feature"], "name": name}}
    try:
        load_spec(Source("s.yaml", named, {}))
    except UserError as error:
        assert {problem.key for problem in error.problems} <= {"feature.slug", "feature.name"}  # noqa: PT017 - see above
