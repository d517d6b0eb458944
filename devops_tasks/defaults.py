"""The defaults that depend on other keys: one table, in the order in which it is computed.

Lives here: functions from a tree of text to more text, and the default rows that several rooms share.
Must not: checking what the user wrote (``fields``, ``rules``), files.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from devops_tasks import units
from devops_tasks.fields import MISSING, UNREAD, Listing, Nested, Shape, Tree, UnreadError, fill, parse_boolean
from devops_tasks.metrics.conventions import CONVENTIONS, Convention
from devops_tasks.spec import SPEC

AUTO_SCALE = "Auto-scale"
"""The action of a default row that only a service with an autoscaler has."""

ALERT_ROWS: tuple[dict[str, str], ...] = (
    {"metric": "latency_p95", "above": "200ms", "for": "5m", "severity": "critical", "action": "Page on-call"},
    {"metric": "error_ratio", "above": "1%", "for": "2m", "severity": "critical", "action": "Page on-call"},
    {"metric": "throughput_ratio", "below": "50%", "for": "10m", "severity": "warning", "action": "Investigate"},
    {"metric": "queue_lag", "above": "1000", "for": "10m", "severity": "warning", "action": "Scale up"},
    {"metric": "failure_ratio", "above": "1%", "for": "5m", "severity": "critical", "action": "Page on-call"},
    {"metric": "cpu_utilization", "above": "80%", "for": "10m", "severity": "warning", "action": AUTO_SCALE},
    {"metric": "memory_utilization", "above": "85%", "for": "5m", "severity": "warning", "action": "Alert team"},
    {"metric": "db_connections", "above": "80%", "for": "5m", "severity": "warning", "action": "Scale up"},
    {"metric": "db_latency_p95", "above": "100ms", "for": "5m", "severity": "warning", "action": "Optimize queries"},
    {"metric": "auth_failures", "above": "100/min", "for": "5m", "severity": "warning", "action": "Block IP"},
)
"""The default alerts, of the template document and for workers; a spec's ``alerts`` change them by metric."""


def default_severity(metric: str) -> str:
    """Give the severity of a metric's default row; a metric that has none is a warning."""
    return next((row["severity"] for row in ALERT_ROWS if row["metric"] == metric), "warning")


_CLASSES = {
    "db.t3.medium": ("4Gi", "2"),
    "db.t3.large": ("8Gi", "2"),
    "db.m5.large": ("8Gi", "2"),
    "db.m5.xlarge": ("16Gi", "4"),
    "db.r5.large": ("16Gi", "2"),
    "db.r5.xlarge": ("32Gi", "4"),
    "db.r5.2xlarge": ("64Gi", "8"),
    "db.r5.4xlarge": ("128Gi", "16"),
}
_SIZES = {"staging": "db.t3.medium", "production": "db.r5.xlarge"}
_CACHE_SIZES = {"staging": "cache.t3.micro", "production": "cache.r5.large"}
USUAL_CLASSES = frozenset((*_CLASSES, *_CACHE_SIZES.values()))
"""The instance classes that are known without the list of all."""


Compute = Callable[[dict[str, Tree], dict[str, Tree]], Tree]


class Derived(NamedTuple):
    """One default that depends on other keys: where it goes, what it is in words, how it is computed.

    ``compute`` takes the whole tree and the list item that the key stands in (the tree itself outside of lists).
    """

    path: str
    doc: str
    compute: Compute


CRITERIA: tuple[dict[str, str], ...] = (
    {"metric": "latency_p95", "above": "500ms", "for": "5m"},
    {"metric": "error_ratio", "above": "2%", "for": "5m"},
)
WORKER_CRITERIA: tuple[dict[str, str], ...] = ({"metric": "failure_ratio", "above": "2%", "for": "5m"},)
"""What rolls a release back unless the spec says otherwise."""

TASK_IDS = tuple(f"DO-{number:03d}" for number in range(1, 9))
"""The ids of the default tasks; any other id is an added task."""


def slugify(name: str, most: int = 40) -> str:
    """Make a name that resources can carry from one that people read; empty when no letter is left."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).lstrip("-0123456789")[:most].strip("-")


def _named(root: dict[str, Tree], suffix: str) -> str:
    return f"{root['feature']['slug'][: 39 - len(suffix)].rstrip('-')}-{suffix}"


def _needs(root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
    """Give a service everything; a front end that has an api beside it leaves messages to that one."""
    fronted = item["kind"] == "web" and any(service["kind"] == "api" for service in root["services"])
    groups = ("databases", "caches", *(() if fronted else ("queues",)), "external_services")
    return [store["name"] for group in groups for store in root[group]]


def _secrets(root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
    stores = [store["name"] for group in ("databases", "caches") for store in root[group]]
    return [f"{name}-url" for name in stores if name in item["needs"]]


def _criteria(root: dict[str, Tree], _item: dict[str, Tree]) -> Tree:
    serves = any(service["kind"] != "worker" for service in root["services"])
    return list(CRITERIA if serves else WORKER_CRITERIA)


def _convention(item: dict[str, Tree]) -> Convention:
    return CONVENTIONS[item["metrics"]["convention"]]


def _metrics_port(_root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
    return _convention(item).port or item["port"]


def _requests(_root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
    return _convention(item).requests or f"{item['metric_names']['duration']}_count"


def _by_convention(path: str, name: str) -> "Derived":
    def compute(_root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
        return getattr(_convention(item), name)

    usual = getattr(CONVENTIONS["prometheus"], name)
    others = [f"{getattr(CONVENTIONS[each], name)} for {each}" for each in ("otel", "micrometer")]
    doc = ", ".join([usual, *(text for text in others if not text.startswith(f"{usual} "))])
    return Derived(f"services[].{path}.{name}", doc, compute)


def _buckets(root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
    rows = [*ALERT_ROWS, *root["rollback"]["criteria"], *root["alerts"]]
    limits = [units.parse_quantity(row["above"]) for row in rows if row["metric"] == "latency_p95" and "above" in row]
    if "slo" in item and "latency" in item["slo"]:
        limits.append(units.parse_duration(item["slo"]["latency"]["below"]))
    thresholds = {limit for limit in limits if isinstance(limit, units.Duration) and limit.seconds}
    bounds = {units.parse_duration(text) for text in _convention(item).buckets} | thresholds
    last = max(bounds)
    if last in thresholds:  # what lies beyond the last bound cannot be measured
        bounds.add(units.Duration(last.seconds * 2))
    return [bound.text for bound in sorted(bounds)]


def _other(group: str, environment: str, name: str, other: str) -> "Derived":
    def compute(_root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
        return item[environment][group].get(other)

    return Derived(f"services[].{environment}.{group}.{name}", f"the {other}", compute)


def _pods_at_most(_root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
    return str(max(10, int(item["production"]["replicas"])))


def _database_class(environment: str) -> Compute:
    def compute(root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
        hosted = item["hosting"] == "managed" and root["platform"]["cloud"] == "aws"
        return _SIZES[environment] if hosted else None

    return compute


def _database_size(environment: str, column: int) -> Compute:
    def compute(_root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
        size = _CLASSES.get(item[environment].get("class") or _SIZES[environment])
        return size[column] if size else None

    return compute


def _read_replicas(environment: str) -> Compute:
    def compute(_root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
        return "2" if environment == "production" and item["hosting"] == "managed" else "0"

    return compute


def _cache_class(name: str) -> Compute:
    def compute(root: dict[str, Tree], item: dict[str, Tree]) -> Tree:
        hosted = item["hosting"] == "managed" and root["platform"]["cloud"] == "aws"
        return name if hosted else None

    return compute


def _constant(value: str) -> Compute:
    def compute(_root: dict[str, Tree], _item: dict[str, Tree]) -> Tree:
        return value

    return compute


def _external(root: dict[str, Tree], _item: dict[str, Tree]) -> Tree:
    overview = root["overview"]
    rows = (
        (root["platform"]["cloud"] != "none", "Cloud Provider", "Resource quotas increased"),
        (parse_boolean(overview["security_review"]), "Security Team", "Security review completed"),
        (True, "Network Team", "Firewall rules configured"),
        (bool(overview["compliance"]), "Compliance", "Audit requirements clarified"),
    )
    return [{"who": who, "what": what} for needed, who, what in rows if needed]


def _blockers(root: dict[str, Tree], _item: dict[str, Tree]) -> Tree:
    secrets = any(service["secrets"] for service in root["services"])
    rows = (
        (True, "Application Team", "Container images need health check endpoints"),
        (bool(root["databases"]), "Database Team", "Migration scripts need review"),
        (secrets, "Security Team", "Secrets rotation policy needs definition"),
    )
    return [{"who": who, "what": what} for needed, who, what in rows if needed]


def _blocking(root: dict[str, Tree], _item: dict[str, Tree]) -> Tree:
    sprint = root["sprint"]
    rows = [
        {"who": "QA Team", "what": "Staging environment"},
        {"who": "Product Team", "what": "Analytics dashboards"},
        {"who": "Support Team", "what": "Monitoring access"},
    ]
    if "ends" in sprint:
        last = units.parse_date(sprint["ends"])
        first = units.parse_date(sprint["starts"]) if "starts" in sprint else last
        rows[0]["by"] = _middle(first, last).isoformat()
        rows[1]["by"] = rows[2]["by"] = last.isoformat()
    return rows


def _middle(first: date, last: date) -> date:
    return first + timedelta(days=max((last - first).days, 0) // 2)


def _operations(root: dict[str, Tree], _item: dict[str, Tree]) -> Tree:
    scales = any(service["production"]["autoscaling"] != "none" for service in root["services"])
    serves = any(service["kind"] != "worker" for service in root["services"])
    proven = all(database["hosting"] == "in-cluster" for database in root["databases"])
    rows = (
        (True, "Deploy new version", "As needed", "semi-automated"),
        (
            True,
            "Scale application",
            "Auto + manual" if scales else "As needed",
            "semi-automated" if scales else "manual",
        ),
        (bool(root["databases"]), "Database maintenance", "Weekly", "semi-automated"),
        (
            serves,
            "Certificate renewal",
            "Every 90 days",
            "fully automated" if "tls_issuer" in root["platform"] else "manual",
        ),
        (bool(root["databases"]), "Backup verification", "Daily", "fully automated" if proven else "semi-automated"),
        (True, "Security patching", "Monthly", "manual"),
    )
    return [{"task": task, "frequency": often, "level": level} for there, task, often, level in rows if there]


def _risks(root: dict[str, Tree], _item: dict[str, Tree]) -> Tree:
    zones = "Pods spread over zones and hosts" if root["platform"]["cloud"] == "none" else "Multi-AZ deployment"
    scales = any(service["production"]["autoscaling"] != "none" for service in root["services"])
    load = "Auto-scaling" if scales else "Load tests"
    watched = "Budget alerts, resource" if "budget" in root["cost"] else "Resource"
    rows = (
        (True, "Infrastructure outage", "medium", "high", f"{zones}, automated failover"),
        (True, "Security breach", "low", "critical", "Defense in depth, regular security scans"),
        (bool(root["databases"]), "Data loss", "low", "critical", "Automated backups, tested recovery procedures"),
        (True, "Performance degradation", "medium", "medium", f"{load}, performance monitoring"),
        (True, "Cost overrun", "medium", "medium", f"{watched} optimization"),
        (True, "Compliance violation", "low", "high", "Audit logging, regular compliance checks"),
    )
    names = ("risk", "probability", "impact", "mitigation")
    return [dict(zip(names, row, strict=True)) for there, *row in rows if there]


DERIVED: tuple[Derived, ...] = (
    Derived("feature.slug", "the name, in lower-case letters, digits and '-'",
            lambda root, _: slugify(root["feature"]["name"])),
    Derived("feature.team", "the slug", lambda root, _: root["feature"]["slug"]),
    Derived("services", "one api, <slug>-api", lambda root, _: [{"name": _named(root, "api")}]),
    Derived("rollback.criteria", "latency_p95 above 500ms for 5m and error_ratio above 2% for 5m; "
            "failure_ratio above 2% for 5m where every service is a worker", _criteria),
    Derived("databases", "one PostgreSQL, <slug>-db", lambda root, _: [{"name": _named(root, "db")}]),
    Derived("caches", "one Redis, <slug>-cache", lambda root, _: [{"name": _named(root, "cache")}]),
    Derived("platform.namespaces.production", "the slug", lambda root, _: root["feature"]["slug"]),
    Derived("platform.namespaces.staging", "the slug and -staging",
            lambda root, _: f"{root['feature']['slug']}-staging"),
    Derived("platform.load_balancer.kind", "ALB on aws, otherwise in-cluster",
            lambda root, _: "ALB" if root["platform"]["cloud"] == "aws" else "in-cluster"),
    Derived("platform.secret_store.path", "the slug", lambda root, _: root["feature"]["slug"]),
    Derived("services[].health.port", "the service's port", lambda _, item: item["port"]),
    Derived("services[].metrics.port", "the service's port, 9464 for otel", _metrics_port),
    _by_convention("metrics", "path"),
    *(_by_convention("metric_names", name) for name in ("duration", "status_label", "database_duration")),
    Derived("services[].metric_names.requests", "http_requests_total; for otel and micrometer the duration's count",
            _requests),
    Derived("services[].migrate_within", "30m where there is a migration",
            lambda _, item: "30m" if "migrate" in item else None),
    Derived("services[].needs", "all databases, caches, queues and external services; no queue for a web front end "
            "beside an api", _needs),
    Derived("services[].secrets", "one <name>-url for each needed database and cache", _secrets),
    Derived("services[].latency_buckets", f"{', '.join(CONVENTIONS['prometheus'].buckets)} "
            "(750ms and 7.5s as well for otel), every latency threshold in use and one above", _buckets),
    *(
        _other(group, environment, name, other)
        for environment in ("staging", "production")
        for group in ("cpu", "memory")
        for name, other in (("limit", "request"), ("request", "limit"))
    ),
    Derived("services[].production.autoscaling.max", "10, or the replicas where they are more", _pods_at_most),
    Derived("databases[].port", "5432 for postgresql", _constant("5432")),
    *(
        Derived(f"databases[].{environment}.{name}", doc, compute)
        for environment, replicas, connections in (
            ("staging", "0", "100"),
            ("production", "2 of a managed one, otherwise 0", "200"),
        )
        for name, doc, compute in (
            ("class", f"{_SIZES[environment]} where managed on aws, otherwise none", _database_class(environment)),
            ("memory", "the memory of the class where it is known", _database_size(environment, 0)),
            ("cpu", "the processors of the class where it is known", _database_size(environment, 1)),
            ("read_replicas", replicas, _read_replicas(environment)),
            ("max_connections", connections, _constant(connections)),
        )
    ),
    Derived("databases[].backup.lose_at_most", "the interval of the backups", lambda _, item: item["backup"]["every"]),
    Derived("caches[].port", "6379 for redis", _constant("6379")),
    *(
        Derived(f"caches[].{environment}.{name}", doc, compute)
        for environment, cluster in (("staging", "false"), ("production", "true"))
        for size in (_CACHE_SIZES[environment],)
        for name, doc, compute in (
            ("class", f"{size} where managed on aws, otherwise none", _cache_class(size)),
            ("cluster", cluster, _constant(cluster)),
        )
    ),
    Derived("queues[].port", "9092 for kafka", _constant("9092")),
    Derived("delivery.steps", "10%, 50%, 100%; 100% alone where platform.routing is ingress",
            lambda root, _: ["100%"] if root["platform"]["routing"] == "ingress" else ["10%", "50%", "100%"]),
    Derived("operations", "the six of the template, with the level that the bundle provides", _operations),
    Derived("dependencies.external", "the template's, as far as the spec has their subject", _external),
    Derived("dependencies.blockers", "the template's, as far as the spec has their subject", _blockers),
    Derived("dependencies.blocking", "the template's, dated from the sprint", _blocking),
    Derived("risks", "the template's six, with the mitigations that the spec provides", _risks),
)  # fmt: skip


def complete(tree: Tree, shape: Shape = SPEC) -> dict[str, Tree]:
    """Fill in every default of a tree whose written keys are valid; the tree that is given stays as it is."""
    root: dict[str, Tree] = fill(shape, tree)
    derive(root)
    return root


def derive(root: dict[str, Tree]) -> None:
    """Put what depends on other keys into a tree that has its fixed defaults; what needs an unread key is unread."""
    for row in DERIVED:
        *steps, name = row.path.split(".")
        for holder, item in _holders(root, root, steps):
            try:
                value = None if name in holder else row.compute(root, item)
            except UnreadError:
                holder[name] = UNREAD
                continue
            if value is not None:
                holder[name] = fill(_shape([*steps, name]), value)


def _holders(holder: Tree, item: Tree, steps: list[str]) -> Iterator[tuple[dict[str, Tree], dict[str, Tree]]]:
    if not isinstance(holder, dict):
        return
    if not steps:
        yield holder, item
        return
    inner = dict.get(holder, steps[0].removesuffix("[]"), MISSING)  # as it stands, unread or not
    if steps[0].endswith("[]"):
        for element in inner if isinstance(inner, list) else []:
            yield from _holders(element, element, steps[1:])
    elif inner is not MISSING:
        yield from _holders(inner, item, steps[1:])


def _shape(steps: list[str]) -> Tree:
    shape: Tree = SPEC
    for step in steps:
        shape = shape.record.fields[step.removesuffix("[]")].shape if isinstance(shape, Nested) else shape
        if step.endswith("[]") and isinstance(shape, Listing):
            shape = shape.item
    return shape
