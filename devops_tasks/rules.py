"""What must hold between the keys of a spec: contradictions that leave no correct bundle, each at its key.

Lives here: rules over a complete, typed spec. A contradiction that leaves a correct bundle possible is a warning of
``checks`` instead. Must not: types and limits of single keys (``spec``), places in files (``specfile``).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise
from typing import Any

from devops_tasks.defaults import ALERT_ROWS, TASK_IDS, USUAL_CLASSES, default_severity
from devops_tasks.errors import Fault, KeyPath
from devops_tasks.fields import UnreadError, nearest
from devops_tasks.metrics import BURNS, METRICS, parse_threshold
from devops_tasks.metrics.conventions import CONVENTIONS
from devops_tasks.promql import read_query
from devops_tasks.spec import (
    Alert,
    Autoscaling,
    Cache,
    Criterion,
    Database,
    DatabaseBackup,
    DatabaseSize,
    Experiment,
    ExternalService,
    Queue,
    Service,
    Spec,
    Task,
)
from devops_tasks.units import Duration, Quantity, Share, parse_duration, plain, schedule

Faults = Iterator[Fault]
_LONGEST_WAIT = 86_400
_LONGEST_MIGRATION = 6 * 3600
_WEEK_AND_HOUR = 604_800 + 3600
_PARTS = ("error_ratio", "failure_ratio", "memory_utilization", "db_connections")
"""Shares of a whole, which never exceed it; of the CPU that it requests a pod may use more."""
_LONGEST_INTERVAL = 75  # seconds: four samples in the five minutes that every rule looks at
_Named = Service | Database | Cache | Queue | ExternalService
_COLOURS = ("blue", "green")
_OF_TARGETS = ("namespace", "job", "pod", "instance", "colour", "le")
_HOUR_SECONDS = 3600
_DAY_SECONDS = 86400
_PERCENT_PLACES = Decimal("0.0001")
"""Two places of a percent."""
_AWS_CURRENCIES = ("USD", "CNY")
"""What AWS sends its bills in; CNY only in China."""
DEFAULT_DENY = "default-deny"
SECRETS_FOLDER = "/etc/secrets"
"""Where a container finds its secrets, one file each."""
FLAGS_FOLDER = "/etc/flags"
"""Where a container finds the definition of the experiment's flag."""
_MOST_DIGITS = 9
"""How many digits a share may have after the point, for flagd's weights to add up to no more than 2^31 - 1."""


def check_spec(spec: Spec) -> Faults:
    """Yield every contradiction of a complete spec.

    Of a spec with faults (:func:`fields.salvage`) those are told that are there whatever the unread keys should say:
    a rule goes as far as what it reads can be read.
    """
    for rule in RULES:
        yield from _readable(rule(spec))
    for path, rules in ITEM_RULES.items():
        for index, item in enumerate(_items(spec, path)):
            for each in rules:
                yield from _readable(each(spec, item, (*path, index)))


def _readable(faults: Faults) -> Faults:
    try:
        yield from faults
    except UnreadError:
        return


def _items(spec: Spec, path: tuple[str, ...]) -> tuple[Any, ...]:
    """Give the items of a list of the spec; none where it could not be read."""
    value: Any = spec
    try:
        for name in path:
            value = getattr(value, name)
    except UnreadError:
        return ()
    return tuple(value)


def _dates(spec: Spec) -> Faults:
    starts, ends = spec.sprint.starts, spec.sprint.ends
    if starts and ends and ends < starts:
        what = f"{ends} is before the sprint starts ({starts})"
        yield Fault(("sprint", "ends"), what, "exchange the two dates", "out-of-order")


def _names(spec: Spec) -> Faults:
    seen: dict[str, str] = {}
    for group in ("services", "databases", "caches", "queues", "external_services"):
        for path, name in _names_in(spec, group):
            if seen.setdefault(name, group) != group:
                what = f"{name} is also the name of one of the {seen[name]}"
                yield Fault(path, what, "choose another name", "duplicate-name")
    for path, name in _names_in(spec, "services"):
        if name == DEFAULT_DENY:
            what = f"{DEFAULT_DENY} is what the namespace's own network policy is called"
            yield Fault(path, what, "choose another name", "duplicate-name")
        stem, _, colour = name.rpartition("-")
        if colour in _COLOURS and stem in seen:
            what = f"{name} is what the {colour} colour of {stem} is called"
            yield Fault(path, what, "choose another name", "duplicate-name")
        if colour == "migrate" and stem in seen:
            what = f"{name} is what the migration of {stem} is called"
            yield Fault(path, what, "choose another name", "duplicate-name")


def _names_in(spec: Spec, group: str) -> Iterator[tuple[KeyPath, str]]:
    for index, item in enumerate(_items(spec, (group,))):
        with suppress(UnreadError):
            yield (group, index, "name"), item.name


def _needs(spec: Spec, service: Service, path: KeyPath) -> Faults:
    groups: tuple[tuple[_Named, ...], ...] = (spec.databases, spec.caches, spec.queues, spec.external_services)
    known = tuple(item.name for group in groups for item in group)
    for position, name in enumerate(service.needs):
        if name not in known:
            what = f"{name} is no database, cache, queue or external service of this spec"
            mend = nearest(name, known) if known else "there is none: take it out"
            yield Fault((*path, "needs", position), what, mend, "unknown-name")


def _migration(spec: Spec, service: Service, path: KeyPath) -> Faults:
    if service.migrate is not None and not {database.name for database in spec.databases} & set(service.needs):
        what = f"{service.name} needs no database of this spec, so there is nothing to migrate"
        yield Fault((*path, "migrate"), what, "name the database in needs, or remove the command", "contradiction")


def _migration_time(_spec: Spec, service: Service, path: KeyPath) -> Faults:
    within, place = service.migrate_within, (*path, "migrate_within")
    if within is not None and service.migrate is None:
        yield Fault(place, f"{service.name} has no migration", "write migrate, or remove it", "contradiction")
    elif within is not None and (within.seconds % 60 or within.seconds > _LONGEST_MIGRATION):
        what = f"{within.text} is no whole number of minutes of at most six hours, as long as a pipeline's job may take"
        yield Fault(place, what, "30m is usual", "out-of-range")


def _resources(_spec: Spec, service: Service, path: KeyPath) -> Faults:
    for environment in ("staging", "production"):
        for name in ("cpu", "memory"):
            yield from _readable(_request(service, environment, name, path))


def _request(service: Service, environment: str, name: str, path: KeyPath) -> Faults:
    resource = getattr(getattr(service, environment), name)
    if resource.request > resource.limit:
        place = (*path, environment, name, "request")
        yield Fault(place, "the request is above the limit", "lower it", "out-of-order")


def _pods_at_most(_spec: Spec, service: Service, path: KeyPath) -> Faults:
    scaling = service.production.autoscaling
    if scaling and scaling.max < service.production.replicas:
        what = f"{scaling.max} pods at most are fewer than the {service.production.replicas} replicas"
        yield Fault((*path, "production", "autoscaling", "max"), what, "raise it", "out-of-order")


def _autoscaling(_spec: Spec, service: Service, path: KeyPath) -> Faults:
    scaling = service.production.autoscaling
    for name in ("cpu", "memory") if scaling else ():
        yield from _readable(_aim(scaling, name, (*path, "production", "autoscaling", name)))


def _aim(scaling: Autoscaling | None, name: str, path: KeyPath) -> Faults:
    share: Share = getattr(scaling, name)
    if share.ratio < Decimal("0.01") or share.ratio * 100 % 1:
        what = f"{share.text} is no whole percent from 1%"
        yield Fault(path, what, "Kubernetes takes whole percents only", "out-of-range")


def _image(_spec: Spec, holder: Service | Database, path: KeyPath) -> Faults:
    yield from _version(holder.image, (*path, "image"))


def _version(image: str | None, path: KeyPath) -> Faults:
    if image and "@" not in image and image[len(repository(image)) :] in {"", ":latest"}:
        what = f"{image} names no version, so nobody could say what runs or roll back to it"
        yield Fault(path, what, "add a tag or a digest", "no-version")


def repository(image: str) -> str:
    """Give the name of an image without its tag and digest; a colon before the last slash is the registry's port."""
    folder, slash, last = image.partition("@")[0].rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def registry(image: str) -> str:
    """Give the host that an image is pushed to."""
    host, slash, _ = image.partition("/")
    return host if slash and ({".", ":"} & set(host) or host == "localhost") else "docker.io"


def _builds(spec: Spec) -> Faults:
    seen: dict[str, int] = {}
    for index, service in enumerate(_items(spec, ("services",))):
        with suppress(UnreadError):
            if service.build is not None:
                yield from _build(spec, index, seen)


def _build(spec: Spec, index: int, seen: dict[str, int]) -> Faults:
    """Judge the build of one service; ``seen`` holds who built each image before it."""
    image, path = spec.services[index].image, ("services", index, "build")
    if image is None:
        what = "an image is built, and nothing says where it is pushed to"
        yield Fault(path, what, f"write services[{index}].image", "missing-key")
        return
    name, host = repository(image), registry(image)
    if name in seen:
        what = f"services[{seen[name]}] builds {name} as well, and only one of the two could be deployed"
        yield Fault(path, what, "leave it out: services of one image get what one of them builds", "contradiction")
    other = next((registry(each) for each in seen if registry(each) != host), None)
    if other:
        what = f"{name} is pushed to {host}, and the pipeline logs in to {other}"
        yield Fault(path, what, "build the images of one registry", "contradiction")
    seen.setdefault(name, index)


def _tools(_spec: Spec, database: Database, path: KeyPath) -> Faults:
    if database.image and database.hosting == "managed":
        what = "a managed database is backed up by its service, and no job would run this image"
        yield Fault((*path, "image"), what, "leave it out", "contradiction")


def _uploads(spec: Spec) -> Faults:
    yield from _version(spec.backup.aws_cli, ("backup", "aws_cli"))
    if spec.backup.aws_cli and all(database.hosting == "managed" for database in spec.databases):
        what = "no database is in the cluster, so no job would run this image"
        yield Fault(("backup", "aws_cli"), what, "leave it out", "contradiction")


def _writable(_spec: Spec, service: Service, path: KeyPath) -> Faults:
    for position, written in enumerate(service.writable):
        place: KeyPath = (*path, "writable", position)
        if {"..", "."} & set(written.split("/")):
            yield Fault(place, f"{written} is not the path that it names", "write it without '.' and '..'")
        for mounted, folder in (("secrets are", SECRETS_FOLDER), ("flag is", FLAGS_FOLDER)):
            if f"{written}/".startswith(f"{folder}/"):
                yield Fault(place, f"the {mounted} mounted at {folder}", "write to another path", "contradiction")


def _public(_spec: Spec, service: Service, path: KeyPath) -> Faults:
    if service.kind == "worker" and service.host:
        yield Fault((*path, "host"), "a worker serves no requests", "remove it, or make it an api", "contradiction")


def _namespaces(spec: Spec) -> Faults:
    names = spec.platform.namespaces
    if names.staging == names.production:
        path: KeyPath = ("platform", "namespaces", "staging")
        yield Fault(path, "staging and production share a namespace", "give each its own", "contradiction")


def _steps(spec: Spec) -> Faults:
    steps = spec.delivery.steps
    path: KeyPath = ("delivery", "steps")
    for index, (first, second) in enumerate(pairwise(steps), start=1):
        if second <= first:
            yield Fault(
                (*path, index), f"{second.text} is no more than the step before it", "sort them", "out-of-order"
            )
    if steps[0].ratio <= 0:
        yield Fault((*path, 0), "a step of no traffic is no step", "begin above 0%", "out-of-range")
    if steps[-1].text != "100%":
        yield Fault((*path, len(steps) - 1), f"the last step is {steps[-1].text}", "end with 100%", "out-of-range")


def _whole_percent(spec: Spec) -> Faults:
    for index, step in enumerate(spec.delivery.steps):
        if step.ratio * 100 % 1:
            what = f"{step.text} is no whole percent"
            yield Fault(("delivery", "steps", index), what, "route weights are whole numbers", "out-of-range")


def _routing(spec: Spec) -> Faults:
    """Refuse what only the other way of routing could do."""
    ingress = spec.platform.routing == "ingress"
    for name in ("gateway",) if ingress else ("ingress_class", "ingress_namespace"):
        yield from _readable(_unrouted(spec, name))
    between = [step for step in spec.delivery.steps if step.ratio < 1]
    if ingress and between:
        what = f"an Ingress sends all requests to one colour, so {between[0].text} of them cannot be split off"
        mend = "leave the steps out, or write platform.routing: gateway-api"
        yield Fault(("delivery", "steps"), what, mend, "contradiction")


def _paused(spec: Spec) -> Faults:
    """Refuse a pause in which a criterion cannot hold for its time: Argo Rollouts goes on when the pause is over."""
    if spec.platform.rollout == "argo-rollouts" and any(service.kind != "worker" for service in spec.services):
        longest = max((each.for_ for each in spec.rollback.criteria), key=lambda wait: wait.seconds, default=None)
        if longest and longest.seconds > spec.delivery.pause.seconds:
            what = f"a rollback criterion has to hold for {longest.text}, and Argo Rollouts goes on before that"
            yield Fault(("delivery", "pause"), what, f"write {longest.text} or more", "contradiction")


def _unrouted(spec: Spec, name: str) -> Faults:
    if getattr(spec.platform, name) is not None:
        what = f"platform.routing is {spec.platform.routing}, so nothing would read it"
        yield Fault(("platform", name), what, "leave it out, or change platform.routing", "contradiction")


def _method(spec: Spec) -> Faults:
    assignment = spec.experiment.assignment
    if assignment.method == "traffic-split" and assignment.unit != "request":
        what = f"a traffic split assigns requests, so it is no assignment of a {assignment.unit}"
        path: KeyPath = ("experiment", "assignment", "method")
        yield Fault(path, what, "use feature-flag, or unit: request", "contradiction")


def _treatment(spec: Spec) -> Faults:
    path: KeyPath = ("experiment", "assignment", "treatment")
    ratio = spec.experiment.assignment.treatment.ratio
    if not 0 < ratio < 1:
        what = "needs a part in treatment and a part in control"
        yield Fault(path, what, "between 0% and 100%", "out-of-range")
    elif spec.experiment.assignment.method == "feature-flag" and round(ratio, _MOST_DIGITS) != ratio:
        yield Fault(path, "a flag cannot be split as finely as this", "round it", "out-of-range")


def _arms(spec: Spec) -> Faults:
    """Ask of the monitoring of the arms that there are requests to tell apart, and numbers that mean something."""
    monitoring, place = spec.experiment.monitoring, ("experiment", "monitoring")
    if monitoring is None:
        return
    measured = {each.name for each in spec.services if each.kind != "worker" and each.metrics.convention != "none"}
    for position, name in enumerate(monitoring.services):
        if name not in measured:
            what = f"{name} is no api or web whose requests are measured: its arms cannot be told apart"
            yield Fault((*place, "services", position), what, "leave it out", "contradiction")
    if not measured:
        yield Fault(place, "no service has requests that are measured", "leave it out", "contradiction")
    if monitoring.label in _OF_TARGETS:
        what = f"{monitoring.label} says something else of each series"
        yield Fault((*place, "label"), what, "have the services use another label, such as arm", "contradiction")
    if not 0 < monitoring.worse_by.ratio < 1:
        what = "a difference of nothing is found in every long experiment, and one of all never"
        yield Fault((*place, "worse_by"), what, "0.5% is usual", "out-of-range")
    if monitoring.requests_per_failure.value < 1:
        yield Fault(
            (*place, "requests_per_failure"), "a failure is one request at least", "write 1 or more", "out-of-range"
        )


def _chances(spec: Spec) -> Faults:
    for name in ("significance", "power"):
        yield from _readable(_chance(spec, name))


def _chance(spec: Spec, name: str) -> Faults:
    if not 0 < getattr(spec.experiment, name).ratio < 1:
        mend = f"{Experiment.fields[name].default} is usual"
        yield Fault(("experiment", name), "must lie between 0% and 100%", mend, "out-of-range")


def _intervals(spec: Spec) -> Faults:
    for name in ("scrape_interval", "evaluation_interval"):
        yield from _readable(_interval(spec, name))


def _interval(spec: Spec, name: str) -> Faults:
    seconds = getattr(spec.monitoring, name).seconds
    if not 1 <= seconds <= _LONGEST_INTERVAL or seconds % 1:
        what = "must be whole seconds from 1s to 75s: every rule looks at 5m, and needs four samples in it"
        yield Fault(("monitoring", name), what, "15s is usual", "out-of-range")


def _criterion(spec: Spec, criterion: Criterion, path: KeyPath) -> Faults:
    if criterion.above is None and criterion.below is None:
        yield Fault(path, "says neither above nor below", "add one of them", "missing-key")
    if criterion.metric in METRICS and not any(_has(spec, each, criterion.metric) for each in spec.services):
        what = f"this feature has no {criterion.metric}"
        yield Fault((*path, "metric"), what, "remove the criterion", "unknown-name")


def _one_side(_spec: Spec, row: Alert | Criterion, path: KeyPath) -> Faults:
    if row.above is not None and row.below is not None:
        yield Fault((*path, "below"), "says both above and below", "keep one of them", "contradiction")


def _metric(spec: Spec, row: Alert | Criterion, path: KeyPath) -> Faults:
    if row.metric in METRICS or getattr(row, "skip", None):
        return
    if row.metric not in {alert.metric for alert in spec.alerts if alert.query and not alert.skip}:
        mend = f"{nearest(row.metric, tuple(METRICS))} or give an alert of that name a query"
        yield Fault((*path, "metric"), f"{row.metric} is no metric that is known here", mend, "unknown-name")


def _sides(_spec: Spec, row: Alert | Criterion, path: KeyPath) -> Faults:
    for side in ("above", "below") if row.metric in METRICS else ():
        yield from _readable(_side(row, side, (*path, side)))


def _side(row: Alert | Criterion, side: str, path: KeyPath) -> Faults:
    quantity: Quantity | None = getattr(row, side)
    if quantity is None:
        return
    bad = METRICS[row.metric].bad
    if bad != side:
        yield Fault(path, f"{row.metric} is bad {bad} a threshold", f"write {bad}", "contradiction")
    try:
        parse_threshold(row.metric, quantity)
    except ValueError as error:
        what = f"{row.metric} is measured as {error}, not as {quantity.text}"
        yield Fault(path, what, f"write {error}", "wrong-unit")


def _alert(spec: Spec, alert: Alert, path: KeyPath) -> Faults:
    services = {service.name: service for service in spec.services} if alert.service is not None else {}
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
    seen: dict[tuple[str | None, str, str], int] = {}
    for index, alert in enumerate(spec.alerts):
        with suppress(UnreadError):
            same = (alert.service, alert.metric, alert.severity or default_severity(alert.metric))
            first = seen.setdefault(same, index)
            if first != index:
                what = f"item {first + 1} of this list is for the same service, metric and severity"
                yield Fault(("alerts", index, "metric"), what, "join the two", "duplicate-name")


def _queries(spec: Spec) -> Faults:
    queries: dict[tuple[str | None, str], str] = {}
    for index, alert in enumerate(spec.alerts):
        with suppress(UnreadError):
            if alert.query and queries.setdefault((alert.service, alert.metric), alert.query) != alert.query:
                what = f"{alert.metric} has another query above"
                yield Fault(("alerts", index, "query"), what, "give this one another name", "duplicate-name")


def _query(spec: Spec, alert: Alert, path: KeyPath) -> Faults:
    """Judge a query: the parser is loaded where one is written, and not before."""
    if alert.query is None:
        return
    query, place = read_query(alert.query), (*path, "query")
    if query.fault:
        yield Fault(place, f"no query that a rule can record: {query.fault}", "correct it", "promql")
    if query.silent:
        what = f"{query.silent}: that would be told as a missing series"
        mend = "leave the comparison to above or below, or add `or vector(0)`"
        yield Fault(place, what, mend, "promql")
    kept = spec.monitoring.retention
    if query.reach > kept:
        what = f"it looks back {query.reach.text}, and Prometheus keeps {kept.text} of samples"
        yield Fault(place, what, "shorten the range or offset, or raise monitoring.retention", "out-of-range")


def _wait(_spec: Spec, row: Alert | Criterion, path: KeyPath) -> Faults:
    wait = row.for_
    if wait is not None and (wait.seconds % 1 or wait.seconds > _LONGEST_WAIT):
        what = f"{wait.text} is no whole number of seconds of at most a day"
        yield Fault((*path, "for"), what, "5m is usual", "out-of-range")


def _reachable(_spec: Spec, row: Alert | Criterion, path: KeyPath) -> Faults:
    limit = row.above
    if isinstance(limit, Share) and row.metric in _PARTS and limit.ratio >= 1:
        yield Fault((*path, "above"), f"{row.metric} is never above {limit.text}", "lower it", "out-of-range")
    if isinstance(limit, Duration) and row.metric in METRICS and not limit.seconds:
        yield Fault((*path, "above"), "no time at all is no threshold", "raise it", "out-of-range")


def _above_zero(_spec: Spec, row: Alert | Criterion, path: KeyPath) -> Faults:
    if isinstance(row.below, Share) and row.metric in METRICS and not row.below.ratio:
        yield Fault((*path, "below"), f"{row.metric} is never below 0%", "raise it", "out-of-range")


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
        yield Fault(("monitoring", "retention"), what, mend, "contradiction")


def _buckets(_spec: Spec, service: Service, path: KeyPath) -> Faults:
    for position, (first, second) in enumerate(pairwise(service.latency_buckets), start=1):
        if second <= first:
            what = f"{second.text} is no more than the bound before it"
            yield Fault((*path, "latency_buckets", position), what, "sort them", "out-of-order")


def _bounds(spec: Spec, service: Service, path: KeyPath) -> Faults:
    bounds = service.latency_buckets
    for limit in dict.fromkeys(_limits(spec, service)) if service.kind != "worker" else ():
        if limit not in bounds:
            what = f"no bound at {limit.text}, which a latency threshold uses: the alert would be a guess"
            yield Fault((*path, "latency_buckets"), what, f"add {limit.text}", "missing-bound")
        elif limit == max(bounds):
            what = f"nothing above {limit.text}, a latency threshold, can be seen"
            yield Fault((*path, "latency_buckets"), what, "add a larger bound", "missing-bound")


def _limits(spec: Spec, service: Service) -> Iterator[Duration]:
    """Give every latency threshold that is used of a service, written or by default."""
    for row in (*_items(spec, ("rollback", "criteria")), *_items(spec, ("alerts",))):
        with suppress(UnreadError):
            named = getattr(row, "service", None) in {None, service.name}
            if named and row.metric == "latency_p95" and isinstance(row.above, Duration):
                yield row.above
    with suppress(UnreadError):
        yield from _default_latency(spec, service)
    with suppress(UnreadError):
        if service.slo and service.slo.latency:
            yield service.slo.latency.below


def _metric_names(_spec: Spec, service: Service, path: KeyPath) -> Faults:
    for name in ("duration", "database_duration"):
        yield from _readable(_histogram(getattr(service.metric_names, name), (*path, "metric_names", name)))

    names, place = service.metric_names, (*path, "metric_names", "requests")
    stem, _, last = names.requests.rpartition("_")
    if names.requests == names.duration or (stem and last in {"bucket", "sum"}):
        what = f"{names.requests} counts no requests: of a histogram, its count does"
        yield Fault(place, what, f"write {names.duration}_count", "invalid-value")


def _histogram(name: str, path: KeyPath) -> Faults:
    stem, _, last = name.rpartition("_")
    if stem and last in {"bucket", "count", "sum"}:
        yield Fault(path, f"{name} is a series of the histogram {stem}", f"write {stem}", "invalid-value")
    if stem and last in {"milliseconds", "ms"}:
        what = f"{name} counts milliseconds, and every threshold is compared in seconds"
        yield Fault(path, what, "have the service measure seconds, as its convention does", "wrong-unit")


def _measuring(_spec: Spec, service: Service, path: KeyPath) -> Faults:
    """Find settings of the library that contradict what is scraped and counted."""
    convention, written = CONVENTIONS[service.metrics.convention], service.config
    exporters = written.get("OTEL_METRICS_EXPORTER", "prometheus")
    if service.metrics.convention == "otel" and "prometheus" not in re.split(r"\s*,\s*", exporters.strip()):
        what = f"{exporters} pushes metrics, or has none, and Prometheus scrapes them"
        mend = "write prometheus, or several as in prometheus,otlp; or leave it out"
        yield Fault((*path, "config", "OTEL_METRICS_EXPORTER"), what, mend, "contradiction")
    said = {"%metrics_port": "metrics.port", "%bounds": "latency_buckets"}
    for name, value in (*convention.apart, *convention.bounds):
        if value in said and name in written:
            what = f"{said[value]} says that, and sets it in every file"
            yield Fault((*path, "config", name), what, f"write it as {said[value]}", "contradiction")


def _objectives(_spec: Spec, service: Service, path: KeyPath) -> Faults:
    slo = service.slo
    if slo is None:
        return
    if slo.availability is None and slo.latency is None:
        yield Fault((*path, "slo"), "says neither availability nor latency", "add one of them", "missing-key")
    if service.metrics.convention == "none":
        what = "a service without metrics has nothing to judge an objective by"
        yield Fault((*path, "slo"), what, "leave slo out, or write the convention of its metrics", "contradiction")
    if service.kind == "worker" and slo.latency is not None:
        what = "a worker answers no requests"
        yield Fault((*path, "slo", "latency"), what, "leave it out", "contradiction")


def _feasible(_spec: Spec, service: Service, path: KeyPath) -> Faults:
    """Ask of each objective that the fastest burn can be seen: at 90%, 14.4 times its budget is more than all."""
    slo = service.slo
    if slo is not None:
        yield from _readable(_objective(slo.availability, (*path, "slo", "availability")))
        if slo.latency is not None:
            yield from _readable(_objective(slo.latency.objective, (*path, "slo", "latency", "objective")))


def _objective(objective: Share | None, path: KeyPath) -> Faults:
    fastest = max(burn.factor for burn in BURNS)
    if objective is not None and objective.ratio >= 1:
        what = f"{objective.text} leaves no budget: the first failure would break it"
        yield Fault(path, what, "99.9% is usual", "out-of-range")
    elif objective is not None and fastest * (1 - objective.ratio) >= 1:
        lowest = Share((1 - 1 / fastest).quantize(_PERCENT_PLACES, ROUND_CEILING)).text
        what = (
            f"{objective.text} allows so much that the alert on {plain(fastest)} times its budget could never fire: "
            "no more than all can fail"
        )
        yield Fault(path, what, f"write {lowest} or more", "out-of-range")


def _judged(spec: Spec, service: Service, path: KeyPath) -> Faults:
    if service.slo is None:
        return
    window, place = service.slo.window, (*path, "slo", "window")
    longest = max(parse_duration(burn.long) for burn in BURNS)
    if window.seconds % _DAY_SECONDS or window < longest:
        what = f"{window.text} is no number of whole days from {longest.text} on, the longest that an alert looks at"
        yield Fault(place, what, "30d is usual", "out-of-range")
    if window > spec.monitoring.retention:
        what = f"{window.text} are longer than Prometheus keeps samples ({spec.monitoring.retention.text})"
        yield Fault(place, what, "shorten it, or raise monitoring.retention", "contradiction")


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


def _task(_spec: Spec, task: Task, path: KeyPath) -> Faults:
    missing = [name for name in ("title", "priority", "points") if getattr(task, name) is None]
    if task.id not in TASK_IDS and missing and not task.skip:
        what = f"{task.id} is no default task, so it needs {', '.join(missing)}"
        yield Fault(path, what, f"default tasks: {TASK_IDS[0]} to {TASK_IDS[-1]}", "missing-key")


def _sizes(spec: Spec, database: Database, path: KeyPath) -> Faults:
    for environment in ("staging", "production"):
        wrong = list(_readable(_class(spec, database, "db", (*path, environment))))
        yield from wrong
        for name in () if wrong else ("memory", "cpu"):
            yield from _readable(_size(database, environment, name, path))


def _cache_sizes(spec: Spec, cache: Cache, path: KeyPath) -> Faults:
    for environment in ("staging", "production"):
        yield from _readable(_class(spec, cache, "cache", (*path, environment)))


def _class(spec: Spec, store: Database | Cache, prefix: str, path: KeyPath) -> Faults:
    """Judge an instance class of AWS: the list of all is loaded where one is written that no default has."""
    name = getattr(store, str(path[-1])).class_
    usual = name is None or (name in USUAL_CLASSES and name.startswith(f"{prefix}."))
    if usual or store.hosting != "managed" or spec.platform.cloud != "aws":
        return
    from devops_tasks.sizes import find_oddity

    oddity = find_oddity(prefix, name)
    if oddity and not oddity.new:
        yield Fault((*path, "class"), oddity.what, oddity.mend, "unknown-class")


def _size(database: Database, environment: str, name: str, path: KeyPath) -> Faults:
    size: DatabaseSize = getattr(database, environment)
    if getattr(size, name) is None:
        what = f"is not known for the class {size.class_}, and settings of the server follow from it"
        yield Fault((*path, environment, name), what, "write it", "missing-key")


def _backup(_spec: Spec, database: Database, path: KeyPath) -> Faults:
    backup = database.backup
    try:
        schedule(backup.every)
    except ValueError as error:
        what = f"no schedule starts every {backup.every.text}"
        yield Fault((*path, "backup", "every"), what, f"write {error}", "out-of-range")
    if backup.keep < backup.every:
        what = f"{backup.keep.text} is shorter than the time between two backups"
        yield Fault((*path, "backup", "keep"), what, "keep several", "out-of-order")


def _bucket(_spec: Spec, database: Database, path: KeyPath) -> Faults:
    if database.backup.to is not None and not database.backup.to.startswith("s3://"):
        yield Fault((*path, "backup", "to"), "only s3:// is built yet", "name a bucket that speaks S3", "not-built")


def _aws_backup(spec: Spec, database: Database, path: KeyPath) -> Faults:
    if spec.platform.cloud == "aws" and database.hosting == "managed":
        yield from _readable(_aws_interval(database.backup, (*path, "backup", "every")))
        yield from _readable(_aws_days(database.backup, (*path, "backup", "keep")))


def _aws_interval(backup: DatabaseBackup, path: KeyPath) -> Faults:
    if backup.every.seconds < _HOUR_SECONDS:
        what = f"AWS Backup starts at most once an hour, not every {backup.every.text}"
        mend = "write 1h; with a shorter lose_at_most it keeps every point in time as well"
        yield Fault(path, what, mend, "out-of-range")


def _aws_days(backup: DatabaseBackup, path: KeyPath) -> Faults:
    if backup.keep.seconds % _DAY_SECONDS:
        yield Fault(path, f"AWS Backup keeps whole days, not {backup.keep.text}", "write days", "out-of-range")


def _budget(spec: Spec) -> Faults:
    budget = spec.cost.budget
    if budget and spec.platform.cloud == "aws" and budget.currency not in _AWS_CURRENCIES:
        what = f"AWS counts a budget in {' or '.join(_AWS_CURRENCIES)}, not in {budget.currency}"
        yield Fault(("cost", "budget"), what, "write what it is in one of these", "wrong-unit")


def _contacts(spec: Spec) -> Faults:
    if spec.contacts.webhook and spec.contacts.pager != "webhook":
        what = f"the pager is {spec.contacts.pager or 'to be decided'}, so nothing would call this address"
        yield Fault(("contacts", "webhook"), what, "write pager: webhook, or remove the address", "contradiction")


def _packs(spec: Spec) -> Faults:
    """Refuse fields of packs that are not there; where some are, their names are keys like any other."""
    for name in spec.pack_fields if isinstance(spec.pack_fields, dict) else ():
        what = "the spec takes no template pack of this name that asks for anything"
        yield Fault(("pack_fields", name), what, "name the pack's folder in pack, or leave this out", "unknown-name")


RULES: tuple[Callable[[Spec], Faults], ...] = (
    _dates,
    _names,
    _namespaces,
    _builds,
    _uploads,
    _steps,
    _whole_percent,
    _routing,
    _paused,
    _method,
    _treatment,
    _arms,
    _chances,
    _intervals,
    _rows,
    _queries,
    _retention,
    _budget,
    _contacts,
    _packs,
)
"""What is asked of the whole spec."""

_ROW_RULES = (_one_side, _metric, _sides, _wait, _reachable, _above_zero)
ITEM_RULES: dict[tuple[str, ...], tuple[Callable[[Spec, Any, KeyPath], Faults], ...]] = {
    ("services",): (
        _needs,
        _migration,
        _migration_time,
        _resources,
        _pods_at_most,
        _autoscaling,
        _image,
        _writable,
        _public,
        _buckets,
        _bounds,
        _metric_names,
        _measuring,
        _objectives,
        _feasible,
        _judged,
    ),
    ("databases",): (_image, _tools, _sizes, _backup, _bucket, _aws_backup),
    ("caches",): (_cache_sizes,),
    ("rollback", "criteria"): (_criterion, *_ROW_RULES),
    ("alerts",): (_alert, _query, *_ROW_RULES),
    ("tasks",): (_task,),
}
"""What is asked of each item of a list, so that one that cannot be read keeps no other from being judged."""
