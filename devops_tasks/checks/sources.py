"""What each series of a bundle carries: those that are scraped or recorded, and those that the spec tells of.

Lives here: the catalogue put together with the scrape configuration as it stands, and recorded series read through
their own rules. Must not: judging.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from devops_tasks.checks.cluster import items
from devops_tasks.checks.documents import Document
from devops_tasks.checks.label_flow import ABSENT, ANY, CERTAIN, OPEN, Flow, Shape, Shapes, Values, one_of
from devops_tasks.checks.rules import Rule
from devops_tasks.metrics import fill
from devops_tasks.metrics.catalogue import (
    APPLICATION,
    CATALOGUE,
    OF_ALERTS,
    OF_CLUSTER,
    OF_TARGETS,
    OFTEN_ADDED,
    PREFIXES,
    Series,
)
from devops_tasks.metrics.conventions import CONVENTIONS
from devops_tasks.promql import parse
from devops_tasks.spec import MetricNames, Service, Spec
from devops_tasks.units import plain

_OFTEN = dict.fromkeys(OFTEN_ADDED, ANY)


class Target(NamedTuple):
    """One scrape job: the labels that its relabelling gives each target."""

    job: str
    labels: Mapping[str, Values]
    service: Service | None = None


class Sources:
    """Every series that the bundle's rules can read, by name; a recorded one is read when it is first asked for."""

    def __init__(self, spec: Spec, documents: list[Document], rules: Iterable[Rule]) -> None:
        """Read the catalogue for a bundle's services and scrape jobs."""
        self._written = told(spec).keys()
        self._targets = list(_targets(spec, documents))
        jobs = {each.job for each in self._targets}
        self._prefixes = {prefix: job for prefix, job in PREFIXES.items() if job in jobs}
        self._scraped = dict(_scraped(spec, self._targets))
        self._rules: dict[str, list[Rule]] = defaultdict(list)
        self._recorded: dict[str, Shapes] = {}
        for rule in rules:
            if not rule.alert:
                self._rules[rule.name].append(rule)

    @property
    def names(self) -> tuple[str, ...]:
        """Name every series that is known."""
        return tuple(name for name in (*self._scraped, *self._rules) if self.known(name))

    def known(self, name: str) -> bool:
        """Say whether something provides a series."""
        if f"{name}_bucket" in self._scraped and name not in self._written:
            return False  # a histogram: only its parts are series
        return name in self._scraped or name in self._rules or self._exporter(name) is not None

    def series(self, name: str) -> Shapes:
        """Give the shapes of a series; of one that nobody knows, nothing is known."""
        if name in self._rules:
            return self._read(name)
        exporter = self._exporter(name)
        if name in self._scraped or exporter is None:
            return self._scraped.get(name, OPEN)
        return (Shape({**_OFTEN, **exporter.labels}, ANY),)

    def _exporter(self, name: str) -> Target | None:
        job = next((job for prefix, job in self._prefixes.items() if name.startswith(prefix)), None)
        return next((each for each in self._targets if each.job == job), None)

    def _read(self, name: str) -> Shapes:
        if name not in self._recorded:
            self._recorded[name] = OPEN  # while it is being read: a series may be recorded from itself
            self._recorded[name] = tuple(shape for rule in self._rules[name] for shape in self._of_rule(rule))
        return self._recorded[name]

    def _of_rule(self, rule: Rule) -> Shapes:
        try:
            shapes = Flow(self.series, []).read(parse(rule.expr))
        except ValueError:
            return OPEN
        added = {label: one_of(value) if value else ABSENT for label, value in rule.labels.items()}
        return tuple(shape.put(**added) for shape in shapes or (Shape({}, ABSENT),))


def told(spec: Spec) -> dict[str, tuple[str, ...]]:
    """Give the labels of each series of which the spec says that somebody else provides it."""
    watched = spec.experiment.monitoring
    assigned = {watched.assigned_units: ("experiment", "arm")} if watched and watched.assigned_units else {}
    return {**assigned, **{each.name: each.labels for each in spec.monitoring.metrics}}


def _targets(spec: Spec, documents: list[Document]) -> Iterator[Target]:
    config = next((each for each in documents if each.at(("scrape_configs",)) is not None), None)
    services = {each.name: each for each in spec.services if each.metrics.convention != "none"}
    jobs = {str(job.get("job_name")): job for job in items(config.at(("scrape_configs",)) if config else None)}
    operator = spec.platform.monitoring == "prometheus-operator"
    for name in dict.fromkeys([*services, *jobs]):
        labels = _labels(jobs[name]) if name in jobs else _OFTEN
        job = CERTAIN if operator and name in OF_CLUSTER else one_of(name)
        yield Target(name, {**labels, "instance": CERTAIN, "job": job}, services.get(name))


def _labels(job: Mapping[str, object]) -> dict[str, Values]:
    """Give the labels that a job's relabelling sets, on every target or on some samples."""
    found = dict.fromkeys(_set_by(job.get("metric_relabel_configs")), ANY)
    return {**found, **dict.fromkeys(_set_by(job.get("relabel_configs")), CERTAIN)}


def _set_by(relabelling: object) -> list[str]:
    labels = [str(each.get("target_label") or "") for each in items(relabelling)]
    return [label for label in labels if label and not label.startswith("__")]


def _scraped(spec: Spec, targets: list[Target]) -> Iterator[tuple[str, Shapes]]:
    written = told(spec)
    shapes: dict[str, list[Shape]] = defaultdict(list)
    for target in targets:
        for name, shape in _catalogued(target, written):
            shapes[name].append(shape)
    for name, labels in OF_ALERTS.items():
        shapes[name] = [Shape(dict.fromkeys(labels, CERTAIN), ANY)]
    application = {
        name for target in targets if target.service for name, _ in _of_service(target, target.service, written)
    }
    for name, labels in written.items():
        if name not in shapes:
            shapes[name] += [_written(labels, target.labels) for target in targets if target.service]
        if name not in application:
            shapes[name].append(_written(labels, {"colour": ANY, "instance": CERTAIN, "job": CERTAIN}))
    yield from ((name, tuple(each)) for name, each in shapes.items())


def _catalogued(target: Target, written: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, Shape]]:
    for series in CATALOGUE:
        if series.exposed_by == target.job:
            yield series.metric, _shape(series, target, series.metric, written)
    if target.service:
        yield from _of_service(target, target.service, written)
    for name in OF_TARGETS:
        yield name, Shape({**_OFTEN, **target.labels}, ABSENT)


def _of_service(
    target: Target, service: Service, written: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, Shape]]:
    """Give the application's series; of a histogram also its stem, which some take for a series."""
    words = {name: getattr(service.metric_names, name) for name in MetricNames.fields}
    carried = CONVENTIONS[service.metrics.convention].carried
    for series in CATALOGUE:
        if series.exposed_by == APPLICATION:
            name = fill(series.metric, words)
            labels = tuple(fill(label, words) for label in series.certain)
            certain = (*labels, *carried.get(name.rpartition("_")[0].removesuffix("_seconds"), ()))
            shape = _shape(series._replace(certain=certain), target, name, written)
            if name == f"{service.metric_names.duration}_bucket":
                shape = shape.put(le=_bounds(service))
            yield name, shape
            if name.endswith("_bucket"):
                yield name.removesuffix("_bucket"), shape.put(le=ABSENT)


def _shape(series: Series, target: Target, name: str, written: Mapping[str, tuple[str, ...]]) -> Shape:
    certain = dict.fromkeys((*series.certain, *written.get(name, ())), CERTAIN)
    labels = {**_OFTEN, "le": ABSENT, **dict.fromkeys(series.possible, ANY), **certain, **target.labels}
    return Shape(labels, ANY if series.open and name not in written else ABSENT)


def _bounds(service: Service) -> Values:
    """Give the bounds of a service's histogram, each as 1 and as 1.0: client libraries differ."""
    texts = [plain(bound.seconds) for bound in service.latency_buckets]
    return one_of("+Inf", *texts, *(f"{text}.0" for text in texts if "." not in text))


def _written(labels: tuple[str, ...], of_target: Mapping[str, Values]) -> Shape:
    """Give what the spec tells of a series: it may be the application's, or that of something scraped elsewhere."""
    return Shape({**_OFTEN, **of_target, **dict.fromkeys(labels, CERTAIN)}, ABSENT)
