"""What Prometheus scrapes, and where it and Alertmanager send alerts."""

from typing import TypedDict

from devops_tasks.plan import undecided
from devops_tasks.plan.subjects import Subject
from devops_tasks.spec import Service, Spec


class Job(TypedDict):
    """One scrape job for the pods of a service."""

    service: str
    port_name: str
    path: str
    coloured: bool


class Scraping(TypedDict):
    """What is scraped beside the services, and at what intervals."""

    jobs: list[Job]
    otel: list[str]
    namespaces: list[str]
    namespaces_pattern: str
    monitoring_namespace: str
    cluster_namespaces: list[str]
    every_namespace: list[str]
    scrape_interval: str
    evaluation_interval: str
    retention: str
    databases: list[str]
    databases_pattern: str
    queues: list[str]


class Route(TypedDict):
    """One route of Alertmanager, for alerts with these labels."""

    receiver: str
    matchers: list[str]
    group_wait: str | None
    repeat: str
    comment: str


class Routing(TypedDict):
    """All of Alertmanager's configuration that is data."""

    pager: str | None
    pager_url: str
    pager_decided: bool
    switch_url: str
    switch_decided: bool
    channel: str
    team_matcher: str
    watchdog_matcher: str
    targets_matcher: str
    routes: list[Route]


def plan_scraping(spec: Spec, subjects: list[Subject]) -> Scraping:
    """Plan the scrape jobs: the pods of each service that has metrics, and the exporters that the rules read."""
    namespaces = [spec.platform.namespaces.production, spec.platform.namespaces.staging]
    cluster = sorted({spec.monitoring.namespace, "kube-system"})
    databases = [database.name for database in spec.databases]
    queues = sorted({queue["queue"] for subject in subjects for queue in subject.queues})
    return {
        "jobs": [_job(service) for service in spec.services if service.metrics.convention != "none"],
        "otel": [service.name for service in spec.services if service.metrics.convention == "otel"],
        "namespaces": namespaces,
        "namespaces_pattern": "|".join(namespaces),
        "monitoring_namespace": spec.monitoring.namespace,
        "cluster_namespaces": cluster,
        "every_namespace": list(dict.fromkeys([*namespaces, *cluster])),
        "scrape_interval": spec.monitoring.scrape_interval.promql,
        "evaluation_interval": spec.monitoring.evaluation_interval.promql,
        "retention": spec.monitoring.retention.promql,
        "databases": databases,
        "databases_pattern": "|".join(databases),
        "queues": queues,
    }


def _job(service: Service) -> Job:
    own = service.metrics.port != service.port
    return {
        "service": service.name,
        "port_name": "metrics" if own else "http",
        "path": service.metrics.path,
        "coloured": service.kind != "worker",
    }


def plan_routing(spec: Spec) -> Routing:
    """Plan the routes; the first one that matches an alert takes it."""
    return {
        "pager": spec.contacts.pager,
        "pager_url": spec.contacts.webhook or f"{undecided.URL}/pager",
        "pager_decided": spec.contacts.webhook is not None,
        "switch_url": spec.monitoring.heartbeat or f"{undecided.URL}/dead-mans-switch",
        "switch_decided": spec.monitoring.heartbeat is not None,
        "channel": spec.contacts.channel or undecided.NAME,
        "team_matcher": f'team="{spec.feature.team}"',
        "watchdog_matcher": 'metric="watchdog"',
        "targets_matcher": 'metric="targets"',
        "routes": [
            _route("on-call", 'guardrail="rollback"', "30m", "0s", "A release is to be rolled back: no waiting."),
            _route("on-call", 'severity="critical"', "1h"),
            _route("team-channel", 'severity="warning"', "12h"),
            _route("team-channel", 'severity="info"', "24h"),
        ],
    }


def _route(receiver: str, matcher: str, repeat: str, wait: str | None = None, comment: str = "") -> Route:
    return {"receiver": receiver, "matchers": [matcher], "group_wait": wait, "repeat": repeat, "comment": comment}
