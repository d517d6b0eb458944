"""What Prometheus scrapes, and where it and Alertmanager send alerts."""

from typing import TypedDict

from devops_tasks.plan import undecided
from devops_tasks.plan.alerts import AlertPlan
from devops_tasks.plan.subjects import Subject
from devops_tasks.spec import Service, Spec
from devops_tasks.units import parse_duration


class Job(TypedDict):
    """One scrape job for the pods of a service."""

    service: str
    port_name: str
    path: str
    coloured: bool


class Scraping(TypedDict):
    """What is scraped beside the services, and at what intervals."""

    jobs: list[Job]
    namespaces: list[str]
    namespaces_pattern: str
    monitoring_namespace: str
    scrape_interval: str
    evaluation_interval: str
    retention: str
    databases: list[str]
    databases_pattern: str
    queues: list[str]


class Receiver(TypedDict):
    """One receiver of Alertmanager: who is paged, and whether the channel hears of it."""

    name: str
    pages: bool
    chats: bool


class Route(TypedDict):
    """One route of Alertmanager, for alerts with these labels."""

    receiver: str
    matchers: list[list[str]]
    group_wait: str | None
    repeat: str
    comment: str


class Routing(TypedDict):
    """The whole of Alertmanager's configuration that is data."""

    team: str
    pager: str | None
    channel: str
    receivers: list[Receiver]
    routes: list[Route]
    watchdog: str
    targets: list[str]


def plan_scraping(spec: Spec, subjects: list[Subject]) -> Scraping:
    """Plan the scrape jobs: the pods of each service that has metrics, and the exporters that the rules read."""
    namespaces = [spec.platform.namespaces.production, spec.platform.namespaces.staging]
    databases = [database.name for database in spec.databases]
    queues = sorted({queue["queue"] for subject in subjects for queue in subject.queues})
    return {
        "jobs": [_job(service) for service in spec.services if service.metrics.convention != "none"],
        "namespaces": namespaces,
        "namespaces_pattern": "|".join(namespaces),
        "monitoring_namespace": spec.monitoring.namespace,
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


def plan_routing(spec: Spec, alerts: list[AlertPlan]) -> Routing:
    """Plan the receivers and routes; the first route that matches an alert takes it."""
    return {
        "team": spec.feature.team,
        "pager": spec.contacts.pager,
        "channel": spec.contacts.channel or undecided.NAME,
        "receivers": [
            {"name": "team-channel", "pages": False, "chats": True},
            {"name": "on-call", "pages": True, "chats": True},
        ],
        "routes": [
            _route("on-call", ("guardrail", "rollback"), "0s", "30m", "a rollback criterion is met: seconds count"),
            _route("on-call", ("severity", "critical"), None, "1h", ""),
            _route("team-channel", ("severity", "warning"), None, "12h", ""),
            _route("team-channel", ("severity", "info"), None, "24h", ""),
        ],
        "watchdog": next(alert["name"] for alert in alerts if alert["kind"] == "watchdog"),
        "targets": [alert["name"] for alert in alerts if alert["kind"] == "targets"],
    }


def _route(receiver: str, label: tuple[str, str], wait: str | None, repeat: str, comment: str) -> Route:
    return {
        "receiver": receiver,
        "matchers": [list(label)],
        "group_wait": wait,
        "repeat": parse_duration(repeat).promql,
        "comment": comment,
    }
