"""The sprint's tasks: the eight default ones, worded for what the spec has, changed and extended by it, and summed.

A default task names only what there is to do: no step for a cache without a cache.
"""

from collections.abc import Callable, Iterator
from posixpath import normpath
from typing import NamedTuple, TypedDict

from devops_tasks.defaults import TASK_IDS
from devops_tasks.plan.undecided import unpinned
from devops_tasks.rules import repository
from devops_tasks.spec import Cache, Database, DatabaseSize, Service, Spec, Task

UNKNOWN = "to be decided"
ENGINES = {"postgresql": "PostgreSQL", "redis": "Redis", "kafka": "Kafka"}
PIPELINES = {"github-actions": "GitHub Actions", "gitlab-ci": "GitLab CI/CD"}


class TaskItem(TypedDict):
    """One task as the document prints it."""

    id: str
    title: str
    points: int
    steps: list[str]
    success: str | None
    owner: str | None


class TaskGroup(TypedDict):
    """The tasks of one priority."""

    name: str
    heading: str
    about: str
    points: int
    items: list[TaskItem]


class Tasks(TypedDict):
    """All tasks by priority; ``over`` is by how many points they exceed the capacity, where that is known."""

    groups: list[TaskGroup]
    points: int
    capacity: int | None
    over: int
    spare: int


class Draft(NamedTuple):
    """A task before the spec has changed it."""

    priority: str
    title: str
    points: int
    steps: tuple[str, ...]
    success: str | None
    owner: str | None = None


GROUPS = (
    ("critical", "🔥 Critical Infrastructure (Must Have)", "Tasks that block deployment or cause service disruption"),
    ("security", "🔒 Security & Compliance (Should Have)", "Security-critical tasks that protect the system"),
    ("optimization", "🎨 Optimization (Nice to Have)", "Performance and cost optimization tasks"),
)


def plan_tasks(spec: Spec) -> Tasks:
    """Plan the tasks of a spec, by priority, with the sum of their points."""
    drafts = plan_drafts(spec)
    groups = [_group(drafts, *group) for group in GROUPS]
    points = sum(group["points"] for group in groups)
    capacity = spec.sprint.capacity
    return {
        "groups": groups,
        "points": points,
        "capacity": capacity,
        "over": max(points - capacity, 0) if capacity is not None else 0,
        "spare": max(capacity - points, 0) if capacity is not None else 0,
    }


def plan_drafts(spec: Spec) -> dict[str, Draft]:
    """Draft every task that is not left out, by id: the default ones, then those that the spec adds."""
    drafts = {name: draft(spec) for name, draft in zip(TASK_IDS, DEFAULTS, strict=True)}
    for task in spec.tasks:
        drafts[task.id] = _changed(drafts.get(task.id), task)
    left_out = {task.id for task in spec.tasks if task.skip}
    return {name: draft for name, draft in drafts.items() if name not in left_out}


def _changed(draft: Draft | None, task: Task) -> Draft:
    draft = draft or Draft("", "", 0, (), None)
    written = {name: getattr(task, name) for name in Draft._fields}
    return draft._replace(**{name: value for name, value in written.items() if value is not None})


def _group(drafts: dict[str, Draft], name: str, heading: str, about: str) -> TaskGroup:
    items = [_item(task_id, draft) for task_id, draft in drafts.items() if draft.priority == name]
    points = sum(item["points"] for item in items)
    return {"name": name, "heading": heading, "about": about, "points": points, "items": items}


def _item(task_id: str, draft: Draft) -> TaskItem:
    return {
        "id": task_id,
        "title": draft.title,
        "points": draft.points,
        "steps": list(draft.steps),
        "success": draft.success,
        "owner": draft.owner,
    }


def join(words: list[str]) -> str:
    """Join words as a sentence does: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def served(spec: Spec) -> list[Service]:
    """List the services that take requests."""
    return [service for service in spec.services if service.kind != "worker"]


def workers(spec: Spec) -> list[Service]:
    """List the services that take none."""
    return [service for service in spec.services if service.kind == "worker"]


def pace(spec: Spec) -> str:
    """Say the steps of the traffic and how long each is watched: ``10% and 100% of traffic, 10 minutes each``."""
    steps, pause = [step.text for step in spec.delivery.steps], spec.delivery.pause.words
    return f"{join(steps)} of traffic, " + (f"watched for {pause}" if len(steps) == 1 else f"{pause} each")


def plural(count: int, word: str) -> str:
    """Count a thing: ``1 pod``, ``3 pods``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def size_text(size: DatabaseSize) -> str:
    """Say how large a database is: by its class where it has one."""
    return size.class_ or f"{plural(size.cpu, 'CPU')}, {size.memory.text}"


def _provision(spec: Spec) -> Draft:
    steps = (
        *(_database_step(database) for database in spec.databases),
        *_cache_steps(spec),
        *_queue_steps(spec),
        *(f"Open access to {other.name} ({other.host or UNKNOWN}:{other.port})" for other in spec.external_services),
        _network_step(spec),
        "Set up monitoring and logging infrastructure",
    )
    return Draft(
        "critical",
        "Provision infrastructure resources",
        5,
        steps,
        "All infrastructure provisioned and health checks passing",
    )


def _database_step(database: Database) -> str:
    engine = f"{ENGINES[database.engine]} {database.version}"
    place = " in the cluster" if database.hosting == "in-cluster" else ""
    sizes = f"staging {_instance(database.staging)}; production {_instance(database.production)}"
    return f"Set up the database {database.name}: {engine}{place} ({sizes}{_host_words(database)})"


def _instance(size: DatabaseSize) -> str:
    replicas = f" and {plural(size.read_replicas, 'read replica')}" if size.read_replicas else ""
    return f"{size_text(size)}{replicas}"


def _host_words(store: Database | Cache) -> str:
    """Say where a store is found; one in the cluster needs no host, and has one where somebody wrote it."""
    if store.hosting == "in-cluster" and not store.host:
        return ""
    return f"; host {store.host or UNKNOWN}"


def _cache_steps(spec: Spec) -> Iterator[str]:
    for cache in spec.caches:
        sizes = [
            f"{name} {size.class_ or 'in the cluster' if cache.hosting == 'in-cluster' else size.class_ or UNKNOWN}"
            f"{', cluster mode' if size.cluster else ''}"
            for name, size in (("staging", cache.staging), ("production", cache.production))
        ]
        yield f"Configure {ENGINES[cache.engine]} {cache.name} for caching ({'; '.join(sizes)}{_host_words(cache)})"


def _queue_steps(spec: Spec) -> Iterator[str]:
    for queue in spec.queues:
        topic, group = queue.topic or UNKNOWN, queue.group or UNKNOWN
        hosts = join(list(queue.hosts)) if queue.hosts else UNKNOWN
        what = f"topic {topic}, consumer group {group}; bootstrap hosts {hosts}"
        told = join([service.name for service in spec.services if queue.name in service.needs and not service.config])
        tell = f", and tell {told} where it is (services[].config in the spec)" if told else ""
        yield f"Set up the {ENGINES[queue.engine]} queue {queue.name} ({what}){tell}"


def _network_step(spec: Spec) -> str:
    if not served(spec):
        return "Provision networking (no load balancer: nothing is public)"
    inner = "ingress controller" if spec.platform.routing == "ingress" else "Gateway"
    return f"Provision the load balancer ({spec.platform.load_balancer.kind}), the {inner} and networking"


def _pipeline(spec: Spec) -> Draft:
    # Staging has no routes, so traffic is moved, and taken back, in production alone.
    where = "at the first step of the first release" if served(spec) else "in staging"
    steps = (
        *_build_steps(spec),
        "Configure deployment automation for staging and production",
        *_rollout_steps(spec),
        f"Add rollback mechanisms and rehearse them {where}",
    )
    success = "Pipeline deploys to staging, and a rehearsed rollback brings the old version back"
    return Draft("critical", "Configure CI/CD pipeline", 4, steps, success)


def unbuilt(spec: Spec) -> list[str]:
    """List the services whose images the pipeline does not build; a built image serves all that name it."""
    made = {repository(service.image) for service in spec.services if service.build and service.image}
    return [service.name for service in spec.services if not service.image or repository(service.image) not in made]


def _build_steps(spec: Spec) -> Iterator[str]:
    pipeline, others = PIPELINES[spec.platform.pipeline], unbuilt(spec)
    for service in spec.services:
        if service.build:
            tested = f"tests it ({' '.join(service.build.test)}) and " if service.build.test else ""
            where = normpath(f"{service.build.context}/{service.build.dockerfile}")
            yield f"Let {pipeline} push the image of {service.name}: the pipeline {tested}builds it from {where}"
    if others:
        what = f"of {join(others)} " if len(others) < len(spec.services) else ""
        yield f"Set up build and test stages {what}in {pipeline}: the pipeline begins at the images that the spec names"


def _rollout_steps(spec: Spec) -> Iterator[str]:
    migrating = [service.name for service in spec.services if service.migrate]
    if migrating:
        yield f"Have {join(migrating)} migrate before the new version takes over, in steps that the old one survives"
    if served(spec):
        yield from _argo_steps(spec)
        yield f"Implement blue-green deployment: {pace(spec)}"
    if workers(spec):
        yield f"Roll {join([worker.name for worker in workers(spec)])} pod by pod (a worker has no colours)"


def _argo_steps(spec: Spec) -> Iterator[str]:
    if spec.platform.rollout == "argo-rollouts":
        plugin = " and its traffic router plugin argoproj-labs/gatewayAPI" if spec.platform.routing != "ingress" else ""
        yield f"Install Argo Rollouts{plugin}, and let it reach Prometheus ({spec.monitoring.prometheus or UNKNOWN})"


def _alerting(spec: Spec) -> Draft:
    channel, pager = spec.contacts.channel or UNKNOWN, spec.contacts.pager or UNKNOWN
    steps = (
        f"Set up application performance monitoring of {join([service.name for service in spec.services])}",
        "Configure infrastructure monitoring",
        f"Load the alerting rules and connect the notification channels (channel {channel}; pager {pager})",
        "Set up log aggregation and analysis",
    )
    success = "Every row of the key metrics table has data, and a test alert reaches the on-call engineer"
    return Draft("critical", "Implement monitoring and alerting", 4, steps, success)


def _security(spec: Spec) -> Draft:
    steps = (
        *_edge_steps(spec),
        "Apply the network policies: default deny, and one rule per needed flow",
        *_secret_steps(spec),
    )
    success = "Security scan passes with no high or critical issues"
    return Draft("security", "Configure security controls", 3, steps, success)


def _secret_steps(spec: Spec) -> Iterator[str]:
    if any(service.secrets for service in spec.services):
        how = {"external-secrets": "with External Secrets", "manual": "by hand, as security/secrets.yml says"}
        yield f"Set up secrets management {how[spec.platform.secrets]}"


def _edge_steps(spec: Spec) -> Iterator[str]:
    if not served(spec):
        return
    edge = spec.platform.edge
    waf = edge.waf if edge and edge.waf else UNKNOWN
    limit = f"at most {edge.rate_limit.notations()['words']} from one client" if edge and edge.rate_limit else UNKNOWN
    yield f"Set up WAF rules ({waf}) and rate limiting ({limit})"
    issuer = spec.platform.tls_issuer
    how = f"issued and renewed by cert-manager from {issuer}" if issuer else f"issuer {UNKNOWN}"
    yield f"Configure TLS certificates ({how})"


def _recovery(spec: Spec) -> Draft:
    steps = (
        *_backup_steps(spec),
        "Keep every change of configuration in Git, and rehearse restoring it",
        "Walk through the runbook of backup verification with whoever is on call"
        if spec.databases
        else "Bring all manifests up in an empty namespace, as after the loss of the cluster",
        *_image_steps(spec),
        *("Test restoring the newest backup into an empty database" for _ in spec.databases[:1]),
    )
    return Draft(
        "security", "Implement backup and disaster recovery", 3, steps, "Recovery procedures tested and documented"
    )


def _backup_steps(spec: Spec) -> Iterator[str]:
    for database in spec.databases:
        backup = database.backup
        often = f"every {backup.every.words}, kept for {backup.keep.words}; bucket for dumps {backup.to or UNKNOWN}"
        yield f"Configure automated backups of {database.name} ({often})"
        yield f"Set up cross-region replication of the backups of {database.name} ({backup.replicate_to or UNKNOWN})"
    if spec.platform.cloud == "aws" and any(database.hosting == "managed" for database in spec.databases):
        yield "Have the team told when AWS fails to restore a backup (an EventBridge rule on Restore Job State Change)"


def _image_steps(spec: Spec) -> Iterator[str]:
    images = dict.fromkeys(image for database in spec.databases for image in unpinned(spec, database))
    if images:
        listed = ", ".join(f"{image} (digest {UNKNOWN})" for image in images)
        yield f"Pin the images that the jobs of backups run: {listed}"


def _compliance(spec: Spec) -> Draft:
    laws = join(list(spec.overview.compliance))
    logs, metrics = _kept(spec.backup.logs.keep), _kept(spec.backup.metrics.keep)
    steps = (
        "Configure audit logging",
        f"Implement data retention policies (logs {logs}, metrics {metrics})",
        f"Set up compliance reporting for {laws}" if laws else "Confirm with Compliance that no requirement applies",
    )
    success = f"All requirements of {laws} tracked" if laws else "All compliance requirements tracked"
    return Draft("security", "Set up compliance monitoring", 2, steps, success)


def _kept(keep: object) -> str:
    return str(getattr(keep, "words", keep))


def _resources(spec: Spec) -> Draft:
    scaled = [service.name for service in spec.services if service.production.autoscaling]
    budget = spec.cost.budget.text if spec.cost.budget else UNKNOWN
    steps = (
        f"Configure auto-scaling policies of {join(scaled)}"
        if scaled
        else "Load-test the fixed number of pods (auto-scaling is off)",
        *(_load_step(service) for service in served(spec)),
        "Implement resource right-sizing",
        f"Set up cost monitoring and alerts (budget {budget})",
    )
    success = "Resources scale appropriately under load" if scaled else "The fixed number of pods carries the peak load"
    return Draft("optimization", "Optimize resource utilization", 2, steps, success)


def _load_step(service: Service) -> str:
    if service.requests_per_second:
        return f"Load-test {service.name} at {service.requests_per_second} requests per second"
    return f"Load-test {service.name} at its expected requests per second ({UNKNOWN})"


def _observability(spec: Spec) -> Draft:
    tracing = spec.platform.tracing
    where = f"{tracing.host}:{tracing.port}" if tracing else f"collector {UNKNOWN}"
    steps = (
        f"Set up distributed tracing ({where})",
        "Import the dashboard and add what the team watches daily",
        "Implement SLI/SLO monitoring",
    )
    return Draft("optimization", "Implement advanced observability", 3, steps, "End-to-end request tracing available")


DEFAULTS: tuple[Callable[[Spec], Draft], ...] = (
    _provision,
    _pipeline,
    _alerting,
    _security,
    _recovery,
    _compliance,
    _resources,
    _observability,
)
