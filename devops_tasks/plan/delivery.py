"""How a release reaches its users: the states of the routes, the steps between them, and what the scripts print."""

import re
from collections.abc import Iterable
from decimal import Decimal
from math import ceil
from posixpath import normpath
from typing import TypedDict

from devops_tasks.plan import undecided
from devops_tasks.plan.migrations import Migration
from devops_tasks.plan.tasks import pace, unbuilt
from devops_tasks.plan.workloads import plan_certificates, plan_service
from devops_tasks.rules import registry, repository
from devops_tasks.spec import Service, Spec
from devops_tasks.units import Notations, Share


class Step(TypedDict):
    """One state of the routes: ``weight`` is green's share in percent, ``other`` is blue's."""

    name: str
    weight: int
    other: int
    share: str


class Label(TypedDict):
    """One label of an object."""

    name: str
    value: str


class Public(TypedDict):
    """A service that a route leads to; ``port`` is that of its health checks, ``service_port`` that of its requests.

    ``blue`` and ``green`` are the Services that it leads to, and the Deployments behind them where there are two.
    """

    name: str
    blue: str
    green: str
    host: str
    path: str
    certificate: str | None
    service_port: int
    port: int
    live: str
    ready: str
    labels: list[Label]


class Worker(TypedDict):
    """A service without colours."""

    name: str


class Gateway(TypedDict):
    """The Gateway that the routes attach to."""

    name: str
    namespace: str


class JobStep(TypedDict):
    """One step of a job; ``part`` is the template of its commands, ``folders`` are those that they read."""

    name: str
    id: str
    part: str
    folders: list[str]


class Built(TypedDict):
    """A service whose image the pipeline builds; ``variable`` holds its digest, ``dockerfile`` begins at the root."""

    service: str
    variable: str
    image: str
    context: str
    dockerfile: str
    test: list[str] | None


class Registry(TypedDict):
    """Where built images are pushed; the pipeline's platform has its ``own`` login for one of its own.

    ``expires`` says that its passwords are good for hours only.
    """

    host: str
    own: bool
    expires: bool


class Job(TypedDict):
    """One job of the pipeline that reaches a cluster; jobs with one ``lock`` never run at the same time.

    ``overlay`` is what it applies.
    """

    name: str
    title: str
    needs: str
    namespace: str
    lock: str
    minutes: int
    manual: bool
    watches: bool
    overlay: str
    steps: list[JobStep]


class Action(TypedDict):
    """A GitHub action, pinned by the commit of its version."""

    action: str
    version: str


class Delivery(TypedDict):
    """What the delivery templates print; ``weights`` begins with the rollback state, ``shares`` does not.

    ``idle_selector`` selects what a release may change while blue serves, and ``shared_selector`` what stands around
    the pods: a migration needs it, and no pod changes by it.
    """

    public: list[Public]
    workers: list[Worker]
    migrations: list[Migration]
    ingress: bool
    route: str
    ingress_class: str
    gateway: Gateway
    gateway_decided: bool
    namespace: str
    staging_namespace: str
    weights: list[str]
    shares: list[str]
    words: str
    pause: Notations
    pause_seconds: int
    every_seconds: int
    guarded: list[str]
    judged: list[str]
    judged_regex: str
    judged_count: int
    pipeline: str
    pipeline_path: str
    argo: bool
    deadline_seconds: int
    idle_selector: str
    shared_selector: str
    builds: list[Built]
    unbuilt: list[str]
    tested: list[Built]
    registry: Registry | None
    jobs: list[Job]
    checkout: Action


class Plan(TypedDict):
    """What this module adds to the plan."""

    steps: list[Step]
    delivery: Delivery


CHECKOUT: Action = {
    "action": "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1",
    "version": "v7.0.1",
}
_OWN_REGISTRY = {"github-actions": "ghcr.io", "gitlab-ci": "registry.gitlab.com"}
"""The registry that a pipeline's platform gives each of its jobs a login for."""
_ECR = r"[0-9]+\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?"
_SETUP_MINUTES = 30
"""What a job may take beside watching: rollouts and smoke tests."""
_ROLLING_MINUTES = 20
"""What pods may take to start in a release that Argo Rollouts makes: its watch ends before its job does."""


def plan_delivery(spec: Spec) -> Plan:
    """Plan ``steps``, the rollback state first, and ``delivery``."""
    public = [service for service in spec.services if service.kind != "worker"]
    argo = spec.platform.rollout == "argo-rollouts" and bool(public)
    migrations = _migrations(spec)
    workers = [service for service in spec.services if service.kind == "worker"]
    builds = _builds(spec)
    steps = [_step(share) for share in (Share(Decimal(0)), *spec.delivery.steps)]
    judged = [service.name for service in public or workers if service.metrics.convention != "none"]
    return {
        "steps": steps,
        "delivery": {
            "public": [_public(spec, service) for service in public],
            "workers": [{"name": worker.name} for worker in workers],
            "migrations": migrations,
            "ingress": spec.platform.routing == "ingress",
            "route": "ingress" if spec.platform.routing == "ingress" else "httproute",
            "ingress_class": spec.platform.ingress_class or undecided.NAME,
            "gateway": _gateway(spec),
            "gateway_decided": spec.platform.gateway is not None,
            "namespace": spec.platform.namespaces.production,
            "staging_namespace": spec.platform.namespaces.staging,
            "weights": [str(step["weight"]) for step in steps],
            "shares": [str(step["weight"]) for step in steps[1:]],
            "words": pace(spec),
            "pause": spec.delivery.pause.notations(),
            "pause_seconds": ceil(spec.delivery.pause.seconds),
            "every_seconds": ceil(spec.monitoring.evaluation_interval.seconds),
            "guarded": [subject.name for group in (spec.services, spec.databases, spec.queues) for subject in group],
            "judged": judged,
            "judged_regex": "|".join(judged),
            "judged_count": len(judged),
            "pipeline": spec.platform.pipeline,
            "pipeline_path": _pipeline_path(spec),
            "argo": argo,
            "deadline_seconds": _ROLLING_MINUTES * 60
            + 2 * ceil(spec.delivery.pause.seconds * len(spec.delivery.steps)),
            "idle_selector": _idle(argo=argo, workers=bool(workers)),
            "shared_selector": _around_pods(spec),
            "builds": builds,
            "unbuilt": unbuilt(spec),
            "tested": [build for build in builds if build["test"]],
            "registry": _registry(spec),
            "jobs": _jobs(spec, migrations, served=bool(public), argo=argo),
            "checkout": CHECKOUT,
        },
    }


def _idle(*, argo: bool, workers: bool) -> str:
    parts = ([] if argo else ["colour!=blue"]) + (["app.kubernetes.io/component!=worker"] if workers else [])
    return ",".join(parts)


def _around_pods(spec: Spec) -> str:
    planned = [plan_service(spec, service) for service in spec.services]
    names = [name for service in planned for name in service["deployments"]]
    rolled = f"app.kubernetes.io/instance notin ({','.join(name for name in names if not name.endswith('-blue'))})"
    return f"colour!=blue,{rolled}" if any(service["coloured"] for service in planned) else rolled


def _migrations(spec: Spec) -> list[Migration]:
    planned = [plan_service(spec, service)["migration"] for service in spec.services if service.migrate]
    return [migration for migration in planned if migration]


def _builds(spec: Spec) -> list[Built]:
    return [
        {
            "service": service.name,
            "variable": f"DIGEST_{service.name.upper().replace('-', '_')}",
            "image": repository(service.image),
            "context": service.build.context,
            "dockerfile": normpath(f"{service.build.context}/{service.build.dockerfile}"),
            "test": list(service.build.test) if service.build.test else None,
        }
        for service in spec.services
        if service.build and service.image
    ]


def _registry(spec: Spec) -> Registry | None:
    """Say where the images go that are built; one registry, as the rules hold."""
    image = next((service.image for service in spec.services if service.build and service.image), None)
    if image is None:
        return None
    host = registry(image)
    own = host == _OWN_REGISTRY[spec.platform.pipeline]
    return {"host": host, "own": own, "expires": re.fullmatch(_ECR, host) is not None}


def _jobs(spec: Spec, migrations: list[Migration], *, served: bool, argo: bool) -> list[Job]:
    names = spec.platform.namespaces
    setup = _SETUP_MINUTES + sum(migration["minutes"] for migration in migrations)
    watching = ceil(spec.delivery.pause.seconds * len(spec.delivery.steps) / 60)
    overlay = None if not any(service.build for service in spec.services) else "release"
    jobs: list[Job] = [
        {"name": "staging", "title": "Deploy to staging and test it", "needs": "validate",
         "namespace": names.staging, "lock": "staging", "minutes": setup, "manual": False, "watches": False,
         "overlay": overlay or "overlays/staging",
         "steps": [*_before(spec, "staging"), *_migrate(migrations), _job_step("Deploy and test", "staging")]},
        {"name": "production", "title": "Release to production in steps" if served else "Release to production",
         "needs": "staging", "namespace": names.production, "lock": "production",
         "minutes": setup + 2 * watching, "manual": True, "watches": True,
         "overlay": overlay or "overlays/production",
         "steps": [*_before(spec, "production"),
                   *(_release(migrations, argo=argo) if served else [*_migrate(migrations), _WHOLE])]},
    ]  # fmt: skip
    if argo and any(service.kind == "worker" for service in spec.services):
        rest = [*_pin(spec, "production"), _job_step("Bring up the workers", "rest")]
        jobs.append(
            {"name": "workers", "title": "Give the workers the new version", "needs": "production",
             "namespace": names.production, "lock": "production", "minutes": _SETUP_MINUTES,
             "manual": False, "watches": False, "overlay": overlay or "overlays/production", "steps": rest}
        )  # fmt: skip
    elif served and not argo:
        promote = [*_pin(spec, "production"), _job_step("Give blue the new version and the traffic", "promote")]
        jobs.append(
            {"name": "promotion", "title": "Promote the release", "needs": "production",
             "namespace": names.production, "lock": "production", "minutes": _SETUP_MINUTES,
             "manual": True, "watches": False, "overlay": overlay or "overlays/production",
             "steps": promote}
        )  # fmt: skip
    return jobs


def _before(spec: Spec, environment: str) -> list[JobStep]:
    """Plan what stands before anything is applied: what an environment is made of must be decided."""
    folders = [f"overlays/{environment}", "kubernetes", "security"]
    if environment == "production":
        folders += ["disaster-recovery"] * any(database.hosting == "in-cluster" for database in spec.databases)
        folders += ["delivery/traffic"] * any(service.kind != "worker" for service in spec.services)
    return [_job_step("Stop at what is undecided", "decided", folders=folders), *_pin(spec, environment)]


def _pin(spec: Spec, environment: str) -> list[JobStep]:
    """Plan the overlay of what was just built; none where the overlay's own images are deployed."""
    built = any(service.build for service in spec.services)
    return [_job_step("Name what was built", "pin", folders=[f"../overlays/{environment}"])] if built else []


def _release(migrations: list[Migration], *, argo: bool) -> list[JobStep]:
    """Plan the steps before traffic moves; from the end of the one called ``begin`` on, a failure is rolled back."""
    idle, green = "See that green is idle", _job_step("Bring up green", "green")
    if argo:
        idle, green = "See that no release is under way", _job_step("Begin the release", "rollouts")
    if not migrations:
        return [_job_step(idle, "begin", "begin"), green]
    return [_job_step(idle, "begin"), *_migrate(migrations, "begin"), green]


def _migrate(migrations: list[Migration], step_id: str = "") -> list[JobStep]:
    return [_job_step("Migrate the databases", "migrate", step_id)] if migrations else []


def _job_step(name: str, part: str, step_id: str = "", folders: Iterable[str] = ()) -> JobStep:
    return {"name": name, "id": step_id, "part": f"_parts/pipeline/{part}.sh.j2", "folders": list(folders)}


_WHOLE = _job_step("Deploy and test", "workers", "begin")


def _step(share: Share) -> Step:
    weight = int(share.ratio * 100)
    return {"name": f"{weight:03d}", "weight": weight, "other": 100 - weight, "share": share.text}


def _public(spec: Spec, service: Service) -> Public:
    planned = plan_service(spec, service)
    blue, green = planned["backends"]
    return {
        "name": service.name,
        "blue": blue,
        "green": green,
        "host": planned["host_literal"],
        "path": service.path,
        "certificate": next((each["name"] for each in plan_certificates(spec) if each["host"] == service.host), None),
        "service_port": service.port,
        "port": service.health.port,
        "live": service.health.live,
        "ready": service.health.ready,
        "labels": [{"name": name, "value": value} for name, value in planned["labels"].items()],
    }


def _gateway(spec: Spec) -> Gateway:
    gateway = spec.platform.gateway
    if gateway is None:
        return {"name": undecided.NAME, "namespace": undecided.NAME}
    return {"name": gateway.name, "namespace": gateway.namespace}


def _pipeline_path(spec: Spec) -> str:
    return ".gitlab-ci.yml" if spec.platform.pipeline == "gitlab-ci" else f".github/workflows/{spec.feature.slug}.yml"
