"""What runs in the cluster: services and their colours, ports, labels, settings and sizes by environment."""

from typing import TypedDict

from devops_tasks.defaults import slugify
from devops_tasks.metrics import fill
from devops_tasks.metrics.conventions import CONVENTIONS
from devops_tasks.plan import undecided
from devops_tasks.plan.migrations import Migration, plan_migration
from devops_tasks.plan.network import Flow, plan_flows
from devops_tasks.rules import FLAGS_FOLDER, SECRETS_FOLDER, repository
from devops_tasks.spec import ENVIRONMENT_NAMES, Database, Production, Service, Spec, Staging
from devops_tasks.units import Cpu, Duration, Size, plain

COLOURS = ("blue", "green")
LIVE_COLOUR = "blue"
"""The colour that carries traffic when nothing has been released yet."""

REFERENCED = "production"
"""The environment whose folder of the secret store the references name; the others' overlays replace that step."""

DRAIN_SECONDS = 15
"""How long a pod goes on answering after it was told to stop, while load balancers forget it."""
GRACE_SECONDS = 60
_WRITABLE_MEBIBYTES = 256
_LOG_MEBIBYTES = 256
_LOW_PORTS = 1024
_LOW_USERS = 10_000
"""Up to here checkov and kube-score take a user for one that the machine may have as well."""
"""Below this, Linux lets only root listen unless the pod says otherwise."""
_FLAG_SETTINGS = {"FLAGD_RESOLVER": "in-process", "FLAGD_OFFLINE_FLAG_SOURCE_PATH": f"{FLAGS_FOLDER}/flags.json"}
"""What lets flagd's provider, in any language, read the flag from a file and ask no server."""
_SLEEP_ACTION_SINCE = 30
"""The minor version since which ``preStop.sleep`` is on by default; before it, the image must have ``sleep``."""


class Port(TypedDict):
    """One container port."""

    name: str
    port: int


class Workload(TypedDict):
    """One Deployment or Rollout; ``colour`` is None where a service has but one."""

    name: str
    colour: str | None


class Health(TypedDict):
    """Where the probes ask."""

    live: str
    ready: str
    port: int
    port_name: str


class Metrics(TypedDict):
    """Where Prometheus scrapes; not at all unless ``scraped``."""

    port: int
    path: str
    port_name: str
    scraped: bool
    annotated: bool


class Setting(TypedDict):
    """One plain setting."""

    name: str
    value: str


class Secret(TypedDict):
    """One secret: its file in the container, and its key in the store (production's; staging has a folder beside).

    ``opens`` is the store whose URL it is, None where the application alone knows what it holds.
    """

    name: str
    opens: str | None
    file: str
    remote_key: str


class Writable(TypedDict):
    """One path that the process writes to, and the volume that is mounted there."""

    volume: str
    path: str
    size: str


class Autoscaling(TypedDict):
    """The bounds and targets of an autoscaler; the targets are whole percents of the request."""

    min: int
    max: int
    fixed: bool
    cpu: int
    memory: int


class WorkloadSize(TypedDict):
    """The size of one colour of a service (or of a worker) in one environment, in Kubernetes' notation."""

    replicas: int
    single: bool
    cpu_request: str
    cpu_limit: str
    memory_request: str
    memory_limit: str
    autoscaling: Autoscaling | None


class Image(TypedDict):
    """An image in the parts that kustomize replaces; ``name`` keeps the tag where a digest follows."""

    name: str
    tag: str | None
    digest: str | None


class PlannedService(TypedDict):
    """All that templates print of a service.

    One that is ``rolled`` is a Rollout instead of two coloured Deployments. ``backends`` are the Services that a route
    leads to, that of the version which serves first. ``flag_settings`` say where the flag's definition is; None where
    the service does not ask for it.
    """

    name: str
    kind: str
    team: str
    public: bool
    coloured: bool
    colours: list[str]
    rolled: bool
    resource: str
    live_colour: str | None
    deployments: list[str]
    backends: list[str]
    workloads: list[Workload]
    labels: dict[str, str]
    image: str
    image_decided: bool
    image_parts: Image
    port: int
    ports: list[Port]
    low_ports: bool
    low_user: bool
    port_name: str
    host: str | None
    host_literal: str
    path: str
    health: Health
    metrics: Metrics
    config: list[Setting]
    config_map: str | None
    secrets: list[Secret]
    secret_name: str | None
    secrets_folder: str
    flag_settings: list[Setting] | None
    user: int
    writable: list[Writable]
    ephemeral_storage: str
    drain_seconds: int
    grace_seconds: int
    needs: list[str]
    flows: list[Flow]
    entered: bool
    migration: Migration | None
    staging: WorkloadSize
    production: WorkloadSize


class EnvironmentSize(WorkloadSize):
    """The size of one service in the environment that lists it."""

    service: str


class Environment(TypedDict):
    """One environment; ``scales`` and ``certificates`` say whether its overlay holds autoscalers and certificates.

    ``moves_secrets`` says that its secrets are in another folder of the store than the one the references name.
    """

    name: str
    namespace: str
    overlay: str
    scales: bool
    certificates: bool
    moves_secrets: bool
    sizes: list[EnvironmentSize]


class Certificate(TypedDict):
    """The TLS certificate of one public host."""

    name: str
    host: str


class GatewayName(TypedDict):
    """The Gateway that routes attach to."""

    name: str
    namespace: str


class SecretStore(TypedDict):
    """Where external-secrets reads; ``depth`` counts the steps of the path before the environment's."""

    name: str
    path: str
    decided: bool
    depth: int


class Platform(TypedDict):
    """What the feature runs on, as far as manifests print it."""

    kubernetes: str
    cloud: str
    sleep_action: bool
    monitoring: str
    monitoring_namespace: str
    secrets: str
    external_secrets: bool
    secret_store: SecretStore
    gateway: GatewayName | None
    tls_issuer: str | None
    certificates: list[Certificate]


class ResourceRow(TypedDict):
    """One row of the document's table of resources; None is *to be decided*."""

    component: str
    staging: str | None
    production: str | None
    scaling: str


class Workloads(TypedDict):
    """What this module adds to the plan."""

    services: list[PlannedService]
    environments: list[Environment]
    platform: Platform
    flows: list[Flow]
    resource_rows: list[ResourceRow]


def plan_workloads(spec: Spec) -> Workloads:
    """Plan ``services``, ``environments``, ``platform``, ``flows`` and ``resource_rows``."""
    services = [plan_service(spec, service) for service in spec.services]
    return {
        "services": services,
        "environments": [_environment(spec, services, name) for name in ENVIRONMENT_NAMES],
        "platform": _platform(spec),
        "flows": [flow for service in services for flow in (*service["flows"], *_migration_flows(service))],
        "resource_rows": _resource_rows(spec, services),
    }


def _migration_flows(service: PlannedService) -> list[Flow]:
    return service["migration"]["flows"] if service["migration"] else []


def plan_service(spec: Spec, service: Service) -> PlannedService:
    """Plan one service; ``deployments`` are the names of its Deployments, one per colour, or of the one that it has."""
    rolled = rolls_out(spec, service)
    coloured = service.kind != "worker" and not rolled
    workloads = _workloads(service, coloured=coloured)
    ports = _ports(service)
    config = _config(spec, service)
    writable = _writable(service)
    flows = plan_flows(spec, service)
    return {
        "name": service.name,
        "kind": service.kind,
        "team": spec.feature.team,
        "public": service.kind != "worker",
        "coloured": coloured,
        "colours": [workload["colour"] for workload in workloads if workload["colour"]],
        "rolled": rolled,
        "resource": "rollout" if rolled else "deployment",
        "live_colour": LIVE_COLOUR if coloured else None,
        "deployments": [workload["name"] for workload in workloads],
        "backends": _backends(service, rolled=rolled),
        "workloads": workloads,
        "labels": _labels(spec, service),
        "image": service.image or undecided.image(service.name),
        "image_decided": service.image is not None,
        "image_parts": _image(service.image or undecided.image(service.name)),
        "port": service.port,
        "ports": ports,
        "low_user": service.user <= _LOW_USERS,
        "low_ports": any(port["port"] < _LOW_PORTS for port in ports),
        "port_name": ports[0]["name"],
        "host": service.host,
        "host_literal": service.host or undecided.HOST,
        "path": service.path,
        "health": {
            "live": service.health.live,
            "ready": service.health.ready,
            "port": service.health.port,
            "port_name": _port_name(ports, service.health.port),
        },
        "metrics": _metrics(spec, service, ports),
        "config": config,
        "config_map": f"{service.name}-config" if config else None,
        "secrets": [_secret(spec, name) for name in dict.fromkeys(service.secrets)],
        "secret_name": f"{service.name}-secrets" if service.secrets else None,
        "secrets_folder": SECRETS_FOLDER,
        "flag_settings": _flag_settings(service) if asks_flag(spec, service) else None,
        "user": service.user,
        "writable": writable,
        "ephemeral_storage": f"{_LOG_MEBIBYTES + _WRITABLE_MEBIBYTES * len(writable)}Mi",
        "drain_seconds": DRAIN_SECONDS,
        "grace_seconds": GRACE_SECONDS,
        "needs": list(dict.fromkeys(service.needs)),
        "flows": flows,
        "entered": any(flow["direction"] == "ingress" for flow in flows),
        "migration": plan_migration(spec, service, workloads[-1]["name"]),
        "staging": _size(service.staging),
        "production": _size(service.production),
    }


def rolls_out(spec: Spec, service: Service) -> bool:
    """Say whether Argo Rollouts brings a service up: its Rollout stands in for both colours."""
    return spec.platform.rollout == "argo-rollouts" and service.kind != "worker"


def _workloads(service: Service, *, coloured: bool) -> list[Workload]:
    if not coloured:
        return [{"name": service.name, "colour": None}]
    return [{"name": f"{service.name}-{colour}", "colour": colour} for colour in COLOURS]


def _backends(service: Service, *, rolled: bool) -> list[str]:
    if service.kind == "worker":
        return []
    return [service.name if rolled and colour == LIVE_COLOUR else f"{service.name}-{colour}" for colour in COLOURS]


def _labels(spec: Spec, service: Service) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": service.name,
        "app.kubernetes.io/part-of": spec.feature.slug,
        "app.kubernetes.io/component": service.kind,
        "app.kubernetes.io/managed-by": "devops-tasks",
        "team": spec.feature.team,
    }


def _image(image: str) -> Image:
    name, _, digest = image.partition("@")
    if digest:
        return {"name": name, "tag": None, "digest": digest}
    bare = repository(name)
    return {"name": bare, "tag": name[len(bare) + 1 :] or None, "digest": None}


def _ports(service: Service) -> list[Port]:
    wanted = [("http", service.port)]
    if service.metrics.convention != "none":
        wanted.append(("metrics", service.metrics.port))
    wanted.append(("health", service.health.port))
    named: dict[int, str] = {}
    for name, port in wanted:
        named.setdefault(port, name)
    return [{"name": name, "port": port} for port, name in named.items()]


def _port_name(ports: list[Port], number: int) -> str:
    return next((port["name"] for port in ports if port["port"] == number), ports[0]["name"])


def _metrics(spec: Spec, service: Service, ports: list[Port]) -> Metrics:
    scraped = service.metrics.convention != "none"
    return {
        "port": service.metrics.port,
        "path": service.metrics.path,
        "port_name": _port_name(ports, service.metrics.port),
        "scraped": scraped,
        "annotated": scraped and spec.platform.monitoring == "prometheus",
    }


def _config(spec: Spec, service: Service) -> list[Setting]:
    settings = {**_measuring(service), **service.config}
    tracing = spec.platform.tracing
    if tracing:
        settings.setdefault("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{tracing.host}:{tracing.port}")
        settings.setdefault("OTEL_SERVICE_NAME", service.name)
    return [{"name": name, "value": value} for name, value in sorted(settings.items())]


def asks_flag(spec: Spec, service: Service) -> bool:
    """Say whether a service asks the experiment's flag: those that serve people do, and workers where nobody serves."""
    if spec.experiment.assignment.method != "feature-flag":
        return False
    return service.kind != "worker" or all(each.kind == "worker" for each in spec.services)


def _flag_settings(service: Service) -> list[Setting]:
    return [{"name": name, "value": value} for name, value in _FLAG_SETTINGS.items() if name not in service.config]


def _measuring(service: Service) -> dict[str, str]:
    """Give the settings by which the library of a convention measures and shows what the rules read."""
    convention = CONVENTIONS[service.metrics.convention]
    counted = service.kind != "worker" and service.metric_names.duration == convention.duration
    words = {
        "metrics_port": str(service.metrics.port),
        "bounds": ",".join(_whole(bound) for bound in service.latency_buckets),
    }
    settings = (
        *(convention.apart if service.metrics.port != service.port else ()),
        *(convention.bounds if counted else ()),
    )
    return {name: fill(value, words) for name, value in settings}


def _whole(bound: Duration) -> str:
    """Write a duration as Spring reads it: a whole number of one unit."""
    for factor, unit in ((1, "s"), (1000, "ms"), (10**6, "us")):
        if bound.seconds * factor % 1 == 0:
            return f"{plain(bound.seconds * factor)}{unit}"
    return f"{plain(bound.seconds * 10**9)}ns"


def _secret(spec: Spec, name: str) -> Secret:
    store = _secret_store(spec)
    stores = {each.name for group in (spec.databases, spec.caches) for each in group}
    opened = name.removesuffix("-url")
    return {
        "name": name,
        "opens": opened if opened in stores and opened != name else None,
        "file": f"{SECRETS_FOLDER}/{name}",
        "remote_key": f"{store['path']}/{REFERENCED}/{name}",
    }


def _writable(service: Service) -> list[Writable]:
    paths = tuple(dict.fromkeys(service.writable))
    names = [slugify(path) for path in paths]
    if len({*names, "", "flags", "secrets"}) < len(names) + 3:  # the reserved three, and every name once
        names = [f"writable-{number}" for number, _ in enumerate(paths, start=1)]
    size = f"{_WRITABLE_MEBIBYTES}Mi"
    return [{"volume": name, "path": path, "size": size} for name, path in zip(names, paths, strict=True)]


def _size(size: Staging | Production) -> WorkloadSize:
    return {
        "replicas": size.replicas,
        "single": size.replicas == 1 and not (isinstance(size, Production) and size.autoscaling),
        "cpu_request": size.cpu.request.text,
        "cpu_limit": size.cpu.limit.text,
        "memory_request": size.memory.request.text,
        "memory_limit": size.memory.limit.text,
        "autoscaling": _autoscaling(size) if isinstance(size, Production) else None,
    }


def _autoscaling(size: Production) -> Autoscaling | None:
    if size.autoscaling is None:
        return None
    return {
        "min": size.replicas,
        "max": size.autoscaling.max,
        "fixed": size.autoscaling.max == size.replicas,
        "cpu": int(size.autoscaling.cpu.ratio * 100),
        "memory": int(size.autoscaling.memory.ratio * 100),
    }


def _environment(spec: Spec, services: list[PlannedService], name: str) -> Environment:
    sizes = [(service["name"], service["staging"] if name == "staging" else service["production"])
             for service in services]  # fmt: skip
    return {
        "name": name,
        "namespace": getattr(spec.platform.namespaces, name),
        "overlay": f"overlays/{name}",
        "scales": any(size["autoscaling"] for _, size in sizes),
        "certificates": name == "production" and bool(plan_certificates(spec)),
        "moves_secrets": name != REFERENCED and _external_secrets(spec),
        "sizes": [{"service": service, **size} for service, size in sizes],
    }


def _platform(spec: Spec) -> Platform:
    platform = spec.platform
    gateway = platform.gateway
    return {
        "kubernetes": platform.kubernetes,
        "cloud": platform.cloud,
        "sleep_action": int(platform.kubernetes.removeprefix("1.")) >= _SLEEP_ACTION_SINCE,
        "monitoring": platform.monitoring,
        "monitoring_namespace": spec.monitoring.namespace,
        "secrets": platform.secrets,
        "external_secrets": _external_secrets(spec),
        "secret_store": _secret_store(spec),
        "gateway": {"name": gateway.name, "namespace": gateway.namespace} if gateway else None,
        "tls_issuer": platform.tls_issuer,
        "certificates": plan_certificates(spec),
    }


def _external_secrets(spec: Spec) -> bool:
    return spec.platform.secrets == "external-secrets" and any(service.secrets for service in spec.services)


def _secret_store(spec: Spec) -> SecretStore:
    store = spec.platform.secret_store
    path = (store.path if store else spec.feature.slug).rstrip("/")
    name = store.name if store else undecided.NAME
    return {"name": name, "path": path, "decided": store is not None, "depth": path.count("/") + 1}


def plan_certificates(spec: Spec) -> list[Certificate]:
    """Plan one certificate for each public host, named after the first service there; none without an issuer."""
    if not spec.platform.tls_issuer:
        return []
    hosts: dict[str, str] = {}
    for service in spec.services:
        if service.host:
            hosts.setdefault(service.host, service.name)
    return [{"name": f"{service}-tls", "host": host} for host, service in hosts.items()]


def _resource_rows(spec: Spec, services: list[PlannedService]) -> list[ResourceRow]:
    rows = [_service_row(service) for service in services]
    rows += [_database_row(database) for database in spec.databases]
    rows += [
        {
            "component": f"{cache.name} (Redis)",
            "staging": _hosted(cache.hosting, cache.staging.class_),
            "production": _hosted(cache.hosting, cache.production.class_),
            "scaling": "Cluster mode" if cache.production.cluster else "Single node",
        }
        for cache in spec.caches
    ]
    if any(service["public"] for service in services):
        kind = spec.platform.load_balancer.kind
        rows.append({"component": "Load balancer", "staging": kind, "production": kind, "scaling": "By its provider"})
    return rows


def _service_row(service: PlannedService) -> ResourceRow:
    scaling = service["production"]["autoscaling"]
    return {
        "component": f"{service['name']} pods" + (", each colour" if service["coloured"] else ""),
        "staging": _size_text(service["staging"]),
        "production": _size_text(service["production"]),
        "scaling": f"HPA: {scaling['min']}-{scaling['max']} pods" if scaling else "By hand",
    }


def _size_text(size: WorkloadSize) -> str:
    cpu = _span(size["cpu_request"], size["cpu_limit"])
    memory = _span(size["memory_request"], size["memory_limit"])
    return f"{size['replicas']} x {cpu} CPU, {memory}"


def _span(request: str, limit: str) -> str:
    return limit if request == limit else f"{request} to {limit}"


def _database_row(database: Database) -> ResourceRow:
    return {
        "component": f"{database.name} (PostgreSQL {database.version})",
        "staging": database.staging.class_ or _machine(database.staging.cpu, database.staging.memory),
        "production": database.production.class_ or _machine(database.production.cpu, database.production.memory),
        "scaling": _replicas(database),
    }


def _replicas(database: Database) -> str:
    """Say how many read replicas production has, and staging where it has any."""
    count, tested = database.production.read_replicas, database.staging.read_replicas
    text = {0: "No read replicas", 1: "1 read replica"}.get(count, f"{count} read replicas")
    return f"{text}; {tested} in staging" if tested else text


def _machine(cpu: int, memory: Size) -> str:
    return f"{Cpu(cpu * 1000).text} CPU, {memory.text}"


def _hosted(hosting: str, size: str | None) -> str | None:
    return size or ("In the cluster" if hosting == "in-cluster" else None)
