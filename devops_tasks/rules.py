"""What must hold between the keys of a spec: contradictions that leave no correct bundle, each at its key.

Lives here: rules over a complete, typed spec. A contradiction that leaves a correct bundle possible is a warning of
``checks`` instead. Must not: types and limits of single keys (``spec``), places in files (``specfile``).
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise

from devops_tasks.defaults import ALERT_ROWS, TASK_IDS, default_severity
from devops_tasks.errors import Fault, KeyPath
from devops_tasks.fields import nearest
from devops_tasks.metrics import METRICS, parse_threshold
from devops_tasks.spec import Alert, Cache, Criterion, Database, DatabaseBackup, ExternalService, Queue, Service, Spec
from devops_tasks.units import Duration, Quantity, Share, parse_duration, schedule

Faults = Iterator[Fault]
_LONGEST_WAIT = 86_400
_WEEK_AND_HOUR = 604_800 + 3600
_PARTS = ("error_ratio", "failure_ratio", "memory_utilization", "db_connections")
"""Shares of a whole, which never exceed it; of the CPU that it requests a pod may use more."""
_LONGEST_INTERVAL = 75  # seconds: four samples in the five minutes that every rule looks at
_Named = Service | Database | Cache | Queue | ExternalService
_COLOURS = ("blue", "green")
_HOUR_SECONDS = 3600
_DAY_SECONDS = 86400
DEFAULT_DENY = "default-deny"
SECRETS_FOLDER = "/etc/secrets"
"""Where a container finds its secrets, one file each."""


def check_spec(spec: Spec) -> Faults:
    """Yield every contradiction of a complete spec."""
    for rule in RULES:
        yield from rule(spec)


def _dates(spec: Spec) -> Faults:
    starts, ends = spec.sprint.starts, spec.sprint.ends
    if starts and ends and ends < starts:
        yield Fault(
            ("sprint", "ends"), f"{ends} is before the sprint starts ({starts})", "exchange the two dates", "order"
        )


def _names(spec: Spec) -> Faults:
    seen: dict[str, str] = {}
    groups: dict[str, tuple[_Named, ...]] = {
        "services": spec.services,
        "databases": spec.databases,
        "caches": spec.caches,
        "queues": spec.queues,
        "external_services": spec.external_services,
    }
    for group, items in groups.items():
        for index, item in enumerate(items):
            path: KeyPath = (group, index, "name")
            if item.name in seen and seen[item.name] != group:
                yield Fault(path, f"{item.name} is also the name of one of the {seen[item.name]}", "", "duplicate-name")
            seen.setdefault(item.name, group)
    for index, service in enumerate(spec.services):
        if service.name == DEFAULT_DENY:
            what = f"{DEFAULT_DENY} is what the namespace's own network policy is called"
            yield Fault(("services", index, "name"), what, "choose another name", "duplicate-name")
        stem, _, colour = service.name.rpartition("-")
        if colour in _COLOURS and stem in seen:
            what = f"{service.name} is what the {colour} colour of {stem} is called"
            yield Fault(("services", index, "name"), what, "choose another name", "duplicate-name")


def _needs(spec: Spec) -> Faults:
    groups: tuple[tuple[_Named, ...], ...] = (spec.databases, spec.caches, spec.queues, spec.external_services)
    known = tuple(item.name for group in groups for item in group)
    for index, service in enumerate(spec.services):
        for position, name in enumerate(service.needs):
            if name not in known:
                what = f"{name} is no database, cache, queue or external service of this spec"
                yield Fault(
                    ("services", index, "needs", position), what, nearest(name, known) if known else "", "unknown-name"
                )


def _resources(spec: Spec) -> Faults:
    for index, service in enumerate(spec.services):
        for environment in ("staging", "production"):
            size = getattr(service, environment)
            path: KeyPath = ("services", index, environment)
            if size.cpu.request > size.cpu.limit:
                yield Fault((*path, "cpu", "request"), "the request is above the limit", "lower it", "order")
            if size.memory.request > size.memory.limit:
                yield Fault((*path, "memory", "request"), "the request is above the limit", "lower it", "order")
        scaling = service.production.autoscaling
        if scaling and scaling.max < service.production.replicas:
            what = f"{scaling.max} pods at most are fewer than the {service.production.replicas} replicas"
            yield Fault(("services", index, "production", "autoscaling", "max"), what, "raise it", "order")


def _autoscaling(spec: Spec) -> Faults:
    for index, service in enumerate(spec.services):
        scaling = service.production.autoscaling
        for name in ("cpu", "memory") if scaling else ():
            share: Share = getattr(scaling, name)
            if share.ratio < Decimal("0.01") or share.ratio * 100 % 1:
                path: KeyPath = ("services", index, "production", "autoscaling", name)
                yield Fault(path, f"{share.text} is no whole percent from 1%", "Kubernetes takes whole percents only")


def _images(spec: Spec) -> Faults:
    for index, service in enumerate(spec.services):
        name, _, digest = (service.image or "@").partition("@")
        tag = name.rpartition("/")[2].partition(":")[2]
        if service.image and not digest and tag in {"", "latest"}:
            what = f"{service.image} names no version, so nobody could say what runs or roll back to it"
            yield Fault(("services", index, "image"), what, "add a tag or a digest", "no-version")


def _writable(spec: Spec) -> Faults:
    for index, service in enumerate(spec.services):
        for position, path in enumerate(service.writable):
            place: KeyPath = ("services", index, "writable", position)
            if {"..", "."} & set(path.split("/")):
                yield Fault(place, f"{path} is not the path that it names", "write it without '.' and '..'")
            if f"{path}/".startswith(f"{SECRETS_FOLDER}/"):
                yield Fault(place, f"the secrets are mounted at {SECRETS_FOLDER}", "write to another path")


def _public(spec: Spec) -> Faults:
    for index, service in enumerate(spec.services):
        if service.kind == "worker" and service.host:
            yield Fault(
                ("services", index, "host"), "a worker serves no requests", "remove it, or make it an api", "worker"
            )


def _namespaces(spec: Spec) -> Faults:
    names = spec.platform.namespaces
    if names.staging == names.production:
        path: KeyPath = ("platform", "namespaces", "staging")
        yield Fault(path, "staging and production share a namespace", "give each its own", "duplicate-name")


def _steps(spec: Spec) -> Faults:
    steps = spec.delivery.steps
    for index, (first, second) in enumerate(pairwise(steps), start=1):
        if second <= first:
            yield Fault(("delivery", "steps", index), f"{second.text} is no more than the step before it", "", "order")
    if steps[0].ratio <= 0:
        yield Fault(("delivery", "steps", 0), "a step of no traffic is no step", "begin above 0%", "order")
    if steps[-1].text != "100%":
        yield Fault(
            ("delivery", "steps", len(steps) - 1), f"the last step is {steps[-1].text}", "end with 100%", "order"
        )


def _whole_percent(spec: Spec) -> Faults:
    for index, step in enumerate(spec.delivery.steps):
        if step.ratio * 100 % 1:
            yield Fault(
                ("delivery", "steps", index), f"{step.text} is no whole percent", "route weights are whole numbers"
            )


def _assignment(spec: Spec) -> Faults:
    assignment = spec.experiment.assignment
    path: KeyPath = ("experiment", "assignment")
    if assignment.method == "traffic-split" and assignment.unit != "request":
        what = f"a traffic split assigns requests, so it is no assignment of a {assignment.unit}"
        yield Fault((*path, "method"), what, "use feature-flag, or unit: request", "assignment")
    if not 0 < assignment.treatment.ratio < 1:
        yield Fault(
            (*path, "treatment"), "needs a part in treatment and a part in control", "between 0% and 100%", "order"
        )
    for name in ("significance", "power"):
        if not 0 < getattr(spec.experiment, name).ratio < 1:
            yield Fault(("experiment", name), "must lie between 0% and 100%", "", "order")


def _intervals(spec: Spec) -> Faults:
    for name in ("scrape_interval", "evaluation_interval"):
        seconds = getattr(spec.monitoring, name).seconds
        if not 1 <= seconds <= _LONGEST_INTERVAL or seconds % 1:
            what = "must be whole seconds from 1s to 75s: every rule looks at 5m, and needs four samples in it"
            yield Fault(("monitoring", name), what, "15s is usual", "order")


def _thresholds(spec: Spec) -> Faults:
    for index, criterion in enumerate(spec.rollback.criteria):
        yield from _threshold(spec, criterion, ("rollback", "criteria", index))
        if criterion.above is None and criterion.below is None:
            yield Fault(
                ("rollback", "criteria", index), "says neither above nor below", "add one of them", "missing-key"
            )
        if criterion.metric in METRICS and not any(_has(spec, each, criterion.metric) for each in spec.services):
            what = f"this feature has no {criterion.metric}"
            yield Fault(("rollback", "criteria", index, "metric"), what, "remove the criterion", "unknown-name")
    for index, alert in enumerate(spec.alerts):
        yield from _threshold(spec, alert, ("alerts", index))
        yield from _alert(spec, alert, ("alerts", index))


def _threshold(spec: Spec, row: Alert | Criterion, path: KeyPath) -> Faults:
    if row.above is not None and row.below is not None:
        yield Fault((*path, "below"), "says both above and below", "keep one of them", "order")
    known = METRICS.get(row.metric)
    own = {alert.metric for alert in spec.alerts if alert.query and not alert.skip}
    if known is None and row.metric not in own and not getattr(row, "skip", None):
        mend = f"{nearest(row.metric, tuple(METRICS))} or give an alert of that name a query"
        yield Fault((*path, "metric"), f"{row.metric} is no metric that is known here", mend, "unknown-name")
    for side in ("above", "below"):
        quantity: Quantity | None = getattr(row, side)
        if quantity is not None and known is not None:
            yield from _side(row.metric, side, quantity, (*path, side))


def _side(metric: str, side: str, quantity: Quantity, path: KeyPath) -> Faults:
    if METRICS[metric].bad != side:
        yield Fault(path, f"{metric} is bad {METRICS[metric].bad} a threshold", f"write {METRICS[metric].bad}", "order")
    try:
        parse_threshold(metric, quantity)
    except ValueError as error:
        yield Fault(path, f"{metric} is measured as {error}, not as {quantity.text}", f"write {error}", "wrong-unit")


def _alert(spec: Spec, alert: Alert, path: KeyPath) -> Faults:
    services = {service.name: service for service in spec.services}
    if alert.service is not None and alert.service not in services:
        what = f"{alert.service} is no service of this spec"
        yield Fault((*path, "service"), what, nearest(alert.service, services), "unknown-name")
    elif alert.metric in METRICS:
        yield from _known(spec, alert, path)
    elif not alert.skip and alert.above is None and alert.below is None:
        yield Fault(path, "a metric with a query needs above or below", "add the threshold", "missing-key")


def _known(spec: Spec, alert: Alert, path: KeyPath) -> Faults:
    if alert.query:
        what = f"{alert.metric} has a query of its own"
        yield Fault((*path, "query"), what, "give yours another name", "duplicate-name")
    named = [service for service in spec.services if alert.service in {None, service.name}]
    if not alert.skip and not any(_has(spec, service, alert.metric) for service in named):
        who = alert.service or "this feature"
        yield Fault((*path, "metric"), f"{who} has no {alert.metric}", "remove the alert", "unknown-name")


def _has(spec: Spec, service: Service, metric: str) -> bool:
    """Say whether a service has a metric, or needs a database that has it."""
    kinds = METRICS[metric].kinds
    if kinds and service.kind not in kinds:
        return False
    items = spec.queues if metric == "queue_lag" else spec.databases
    needing = ("queue_lag", "db_latency_p95", "db_connections")
    return metric not in needing or any(item.name in service.needs for item in items)


def _rows(spec: Spec) -> Faults:
    seen: dict[tuple[str | None, str, str | None], int] = {}
    queries: dict[tuple[str | None, str], str] = {}
    for index, alert in enumerate(spec.alerts):
        same = (alert.service, alert.metric, alert.severity or default_severity(alert.metric))
        if same in seen:
            what = f"item {seen[same] + 1} of this list is for the same service, metric and severity"
            yield Fault(("alerts", index, "metric"), what, "join the two", "duplicate-name")
        seen.setdefault(same, index)
        if alert.query and queries.setdefault(same[:2], alert.query) != alert.query:
            what = f"{alert.metric} has another query above"
            yield Fault(("alerts", index, "query"), what, "give this one another name", "duplicate-name")


def _feasible(spec: Spec) -> Faults:
    rows: list[tuple[Alert | Criterion, KeyPath]] = [
        *((row, ("rollback", "criteria", index)) for index, row in enumerate(spec.rollback.criteria)),
        *((row, ("alerts", index)) for index, row in enumerate(spec.alerts)),
    ]
    for row, path in rows:
        wait = row.for_
        if wait is not None and (wait.seconds % 1 or wait.seconds > _LONGEST_WAIT):
            yield Fault((*path, "for"), f"{wait.text} is no whole number of seconds of at most a day", "", "order")
        limit = row.above
        if isinstance(limit, Share) and row.metric in _PARTS and limit.ratio >= 1:
            yield Fault((*path, "above"), f"{row.metric} is never above {limit.text}", "lower it", "order")
        if isinstance(row.below, Share) and row.metric in METRICS and not row.below.ratio:
            yield Fault((*path, "below"), f"{row.metric} is never below 0%", "raise it", "order")
        if isinstance(limit, Duration) and row.metric in METRICS and not limit.seconds:
            yield Fault((*path, "above"), "no time at all is no threshold", "raise it", "order")


def _retention(spec: Spec) -> Faults:
    skipped = {alert.service for alert in spec.alerts if alert.metric == "throughput_ratio" and alert.skip}
    watched = [
        service.name for service in spec.services if service.kind != "worker" and service.metrics.convention != "none"
    ]
    used = None not in skipped and any(name not in skipped for name in watched)
    used |= any(criterion.metric == "throughput_ratio" for criterion in spec.rollback.criteria) and bool(watched)
    if used and spec.monitoring.retention.seconds < _WEEK_AND_HOUR:
        what = f"{spec.monitoring.retention.text} of samples hold no baseline: it is this hour a week ago"
        mend = "keep 8d or more, or skip the alert throughput_ratio"
        yield Fault(("monitoring", "retention"), what, mend, "retention")


def _buckets(spec: Spec) -> Faults:
    for index, service in enumerate(spec.services):
        bounds = service.latency_buckets
        path: KeyPath = ("services", index, "latency_buckets")
        for position, (first, second) in enumerate(pairwise(bounds), start=1):
            if second <= first:
                yield Fault(
                    (*path, position), f"{second.text} is no more than the bound before it", "sort them", "order"
                )
        if service.kind != "worker":
            yield from _bounds(spec, service, path)


def _bounds(spec: Spec, service: Service, path: KeyPath) -> Faults:
    rows: tuple[Alert | Criterion, ...] = (
        *spec.rollback.criteria,
        *(alert for alert in spec.alerts if alert.service in {None, service.name}),
    )
    limits = [row.above for row in rows if row.metric == "latency_p95" and isinstance(row.above, Duration)]
    for limit in dict.fromkeys([*limits, *_default_latency(spec, service)]):
        if limit not in service.latency_buckets:
            what = f"no bound at {limit.text}, which a latency threshold uses: the alert would be a guess"
            yield Fault(path, what, f"add {limit.text}", "bucket")
        elif limit == max(service.latency_buckets):
            what = f"nothing above {limit.text}, a latency threshold, can be seen"
            yield Fault(path, what, "add a larger bound", "bucket")


def _default_latency(spec: Spec, service: Service) -> Iterator[Duration]:
    """Give the default threshold of a service's latency, unless the spec has another in its place."""
    default = next(row for row in ALERT_ROWS if row["metric"] == "latency_p95")
    replaced = any(
        alert.service in {None, service.name}
        and alert.metric == "latency_p95"
        and alert.severity in {None, default["severity"]}
        and (alert.skip or alert.above is not None)
        for alert in spec.alerts
    )
    if not replaced:
        yield parse_duration(default["above"])


def _tasks(spec: Spec) -> Faults:
    for index, task in enumerate(spec.tasks):
        missing = [name for name in ("title", "priority", "points") if getattr(task, name) is None]
        if task.id not in TASK_IDS and missing and not task.skip:
            what = f"{task.id} is no default task, so it needs {', '.join(missing)}"
            yield Fault(("tasks", index), what, f"default tasks: {TASK_IDS[0]} to {TASK_IDS[-1]}", "missing-key")


def _sizes(spec: Spec) -> Faults:
    for index, database in enumerate(spec.databases):
        for environment in ("staging", "production"):
            size = getattr(database, environment)
            what = f"is not known for the class {size.class_}, and settings of the server follow from it"
            path: KeyPath = ("databases", index, environment)
            missing = [name for name in ("memory", "cpu") if getattr(size, name) is None]
            yield from (Fault((*path, name), what, "write it", "missing-key") for name in missing)


def _backups(spec: Spec) -> Faults:
    managed_by_aws = spec.platform.cloud == "aws"
    for index, database in enumerate(spec.databases):
        backup = database.backup
        path: KeyPath = ("databases", index, "backup")
        try:
            schedule(backup.every)
        except ValueError as error:
            yield Fault((*path, "every"), f"no schedule starts every {backup.every.text}", f"write {error}", "order")
        if backup.keep < backup.every:
            yield Fault(
                (*path, "keep"), f"{backup.keep.text} is shorter than the time between two backups", "", "order"
            )
        if managed_by_aws and database.hosting == "managed":
            yield from _aws_backup(backup, path)
        if backup.to is not None and not backup.to.startswith("s3://"):
            yield Fault((*path, "to"), "only s3:// is built yet", "name a bucket that speaks S3", "later")


def _aws_backup(backup: DatabaseBackup, path: KeyPath) -> Faults:
    if backup.every.seconds < _HOUR_SECONDS:
        what = f"AWS Backup starts at most once an hour, not every {backup.every.text}"
        mend = "write 1h; with a shorter lose_at_most it keeps every point in time as well"
        yield Fault((*path, "every"), what, mend, "order")
    if backup.keep.seconds % _DAY_SECONDS:
        yield Fault((*path, "keep"), f"AWS Backup keeps whole days, not {backup.keep.text}", "write days", "order")


def _contacts(spec: Spec) -> Faults:
    if spec.contacts.webhook and spec.contacts.pager != "webhook":
        what = f"the pager is {spec.contacts.pager or 'to be decided'}, so nothing would call this address"
        yield Fault(("contacts", "webhook"), what, "write pager: webhook, or remove the address", "order")


RULES: tuple[Callable[[Spec], Faults], ...] = (
    _dates,
    _names,
    _needs,
    _resources,
    _autoscaling,
    _images,
    _writable,
    _public,
    _namespaces,
    _steps,
    _whole_percent,
    _assignment,
    _intervals,
    _thresholds,
    _rows,
    _feasible,
    _retention,
    _buckets,
    _tasks,
    _sizes,
    _backups,
    _contacts,
)
