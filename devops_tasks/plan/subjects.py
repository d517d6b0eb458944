"""What is watched: services, databases and the feature as a whole, each with the words that expressions use for it."""

from collections.abc import Iterator
from typing import NamedTuple

from devops_tasks.metrics import METRICS, fill
from devops_tasks.metrics.conventions import CONVENTIONS
from devops_tasks.plan import undecided
from devops_tasks.spec import Database, MetricNames, Queue, Service, Spec
from devops_tasks.units import Duration, plain

_WEEK = 604_800
_HOUR = 3600
_MOST_WEEKS = 3
_PHRASE = """\
    label_replace(namespace_job:http_requests:avg_rate5m_1h{%scraped} offset WEEKw, "week", "WEEK", "", "")"""


class Subject(NamedTuple):
    """One thing that alerts are about; ``words`` are its names for :func:`devops_tasks.metrics.fill`.

    ``scaled`` says whether it has an autoscaler, ``rolling`` whether its pods have no colour in their names.
    """

    name: str
    kind: str
    words: dict[str, str]
    measured: bool = True
    queues: tuple[dict[str, str], ...] = ()
    stores: bool = False
    scaled: bool = False
    rolling: bool = False

    @property
    def key(self) -> str:
        """Tell it from another of the same name: a service may be named as its feature is."""
        return f"{'service' if self.kind in METRICS['cpu_utilization'].kinds else self.kind}/{self.name}"


def plan_subjects(spec: Spec) -> list[Subject]:
    """Plan every service, every database and, last, the feature itself."""
    services = [_service(spec, service) for service in spec.services]
    databases = [_database(spec, database) for database in spec.databases]
    return [*services, *databases, Subject(spec.feature.slug, "feature", _common(spec, spec.feature.slug))]


def watched(metric: str, subjects: list[Subject]) -> Iterator[Subject]:
    """Give the subjects that have a known metric: a queue's lag needs a queue, a database's calls a database."""
    kinds = METRICS[metric].kinds or ("database",)
    for subject in subjects:
        if (
            subject.kind in kinds
            and (metric != "queue_lag" or subject.queues)
            and (metric != "db_latency_p95" or subject.stores)
        ):
            yield subject


def baseline_weeks(retention: Duration) -> int:
    """Count the earlier weeks, at most three, whose samples are still there: each needs an hour more than itself."""
    return min(_MOST_WEEKS, max(0, int((retention.seconds - _HOUR) // _WEEK)))


def _common(spec: Spec, name: str) -> dict[str, str]:
    return {
        "service": name,
        "name": name,
        "namespace": spec.platform.namespaces.production,
        "staging": spec.platform.namespaces.staging,
        "monitoring": spec.monitoring.namespace,
        "judge": "Argo Rollouts" if _rolled(spec) else "delivery/watch-rollout.sh",
        "workloads": f"{'rollouts,' if _rolled(spec) else ''}deployments,replicasets",
        "routes": "ingresses" if spec.platform.routing == "ingress" else "httproutes",
    }


def _rolled(spec: Spec) -> bool:
    return spec.platform.rollout == "argo-rollouts" and any(service.kind != "worker" for service in spec.services)


def _service(spec: Spec, service: Service) -> Subject:
    queues = tuple(_queue(queue) for queue in spec.queues if queue.name in service.needs)
    rolling = service.kind == "worker" or spec.platform.rollout == "argo-rollouts"
    words = {
        **_common(spec, service.name),
        **_selectors(spec, service),
        **_series(spec, service, rolling=rolling),
        **_asked(service),
        **_needed(service),
    }
    measured = service.metrics.convention != "none"
    stores = any(database.name in service.needs for database in spec.databases)
    read = queues if service.kind == "worker" else ()
    scaled = service.production.autoscaling is not None
    return Subject(service.name, service.kind, words, measured, read, stores, scaled, rolling)


def _needed(service: Service) -> dict[str, str]:
    """Say where to look when a service waits for what it calls, and what of its own may have been changed."""
    needs = ", ".join(dict.fromkeys(service.needs))
    return {
        "waits": f"Look at {needs} first." if needs else "Its log says what it waits for.",
        "settings": "its configuration or of a secret" if service.secrets else "its configuration",
    }


def _selectors(spec: Spec, service: Service) -> dict[str, str]:
    production, staging = spec.platform.namespaces.production, spec.platform.namespaces.staging
    both = f'namespace=~"{production}|{staging}"'
    return {
        "scraped": f'{both},job="{service.name}"',
        "production": f'namespace="{production}",job="{service.name}"',
        "scraped_container": f'{both},container="{service.name}"',
        "production_container": f'namespace="{production}",container="{service.name}"',
    }


def _series(spec: Spec, service: Service, *, rolling: bool) -> dict[str, str]:
    weeks = baseline_weeks(spec.monitoring.retention)
    lines = [_PHRASE.replace("WEEK", str(week)) for week in range(1, weeks + 1)]
    scraped = _selectors(spec, service)["scraped"]
    return {
        **{name: getattr(service.metric_names, name) for name in MetricNames.fields},
        "buckets": ", ".join(bound.text for bound in service.latency_buckets),
        "weeks": "\n  or\n".join(lines).replace("%scraped", scraped),
        "weeks_read": str(weeks),
        "weeks_kept": f"{weeks} week{'s' if weeks > 1 else ''} and an hour",
        "colours": "" if rolling else "_colour",
        "of_pods": "" if rolling else " of the {{ $labels.colour }} pods",
        "deployment": service.name if rolling else f"{service.name}-blue",
        **_made(spec, service),
    }


def _made(spec: Spec, service: Service) -> dict[str, str]:
    """Say what makes the pods of a service, and how it is told to make all of them anew."""
    if service.kind == "worker" or spec.platform.rollout != "argo-rollouts":
        restart = f"rollout restart deployment --selector app.kubernetes.io/name={service.name}"
        return {"maker": "Deployment", "restart": restart}
    patch = r'"{\"spec\": {\"restartAt\": \"$(date --utc +%Y-%m-%dT%H:%M:%SZ)\"}}"'
    return {"maker": "Rollout", "restart": f"patch rollout {service.name} --type merge --patch {patch}"}


def _asked(service: Service) -> dict[str, str]:
    """Say what the application team must set, which is another thing in each library."""
    names, convention = service.metric_names, CONVENTIONS[service.metrics.convention]
    counter = f"the counter {names.requests} with the label {names.status_label}, initialised at 0 for each status"
    counts = (
        f"the histogram {names.duration} with the label {names.status_label}: its count is that of the requests, "
        "best without those of probes"
    )
    exposing = {"path": service.metrics.path, "metrics_port": str(service.metrics.port)}
    return {
        **_probes(service),
        "counted": counts if names.requests == f"{names.duration}_count" else counter,
        "bounded": convention.bounded.get(names.duration.removesuffix("_seconds"), ""),
        "database_bounded": convention.bounded.get(names.database_duration.removesuffix("_seconds"), ""),
        "exposed": fill(convention.exposed, exposing),
    }


def _probes(service: Service) -> dict[str, str]:
    """Tell the kubelet's requests from others: a pod that is not ready answers them with 503, and nobody misses it."""
    names, convention = service.metric_names, CONVENTIONS[service.metrics.convention]
    paths = sorted({service.health.live, service.health.ready} - {"/", service.path})
    patterns = [*convention.own, *(path.replace(".", r"\\.") for path in paths)]
    if not convention.route or not patterns or names.requests != f"{names.duration}_count":
        return {"unprobed": "", "probe": f'{names.status_label}="204"'}
    example = (*paths, "/actuator/health")[0]
    return {
        "unprobed": f',{convention.route}!~"{"|".join(patterns)}"',
        "probe": f'{names.status_label}="503",{convention.route}="{example}"',
    }


def _queue(queue: Queue) -> dict[str, str]:
    return {"queue": queue.name, "group": queue.group or undecided.NAME, "topic": queue.topic or undecided.NAME}


def _database(spec: Spec, database: Database) -> Subject:
    words = {
        **_common(spec, database.name),
        "database": database.name,
        "exported": f'job="postgres-exporter",database="{database.name}"',
        "max_connections": plain(database.production.max_connections),
    }
    return Subject(database.name, "database", words)
