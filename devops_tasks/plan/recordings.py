"""The recorded series: which families a bundle needs, their rules, and the source series that all of it rests on."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TypedDict

from devops_tasks.metrics import fill
from devops_tasks.metrics.forms import FAMILIES, Family, Recording, Source
from devops_tasks.plan.alerts import Row, family_of, family_on, instrumented, level, row_words
from devops_tasks.plan.subjects import Subject
from devops_tasks.spec import SourceMetric, Spec

_ALWAYS = {
    "api": ("traffic", "latency", "cpu", "memory"),
    "web": ("traffic", "latency", "cpu", "memory"),
    "worker": ("jobs", "cpu", "memory"),
    "database": ("connections",),
    "feature": (),
}
_APPLICATION = ("traffic", "latency", "jobs")
_ORDER = tuple(FAMILIES)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class RecordingPlan(TypedDict):
    """One recording rule as a template prints it."""

    record: str
    expr: str
    labels: dict[str, str]
    comment: str


class RecordingGroup(TypedDict):
    """One group of recording rules, which are evaluated one after another."""

    name: str
    rules: list[RecordingPlan]


class SourceSeries(TypedDict):
    """One series that somebody else provides; ``sample`` is a series that ``selector`` selects."""

    metric: str
    selector: str
    sample: str


class Need(TypedDict):
    """What somebody must provide for the rules of a subject to see anything."""

    service: str
    who: str
    what: str


def plan_recordings(subjects: list[Subject], rows: list[Row], further: list[RecordingGroup]) -> list[RecordingGroup]:
    """Plan one group for each family of each subject; a group's rules stand in the order in which they build.

    ``further`` groups build on these.
    """
    groups: list[RecordingGroup] = []
    for subject in subjects:
        for name in _families(subject, rows):
            rules = list(_rules(subject, FAMILIES[name], _readers(subject, name, rows)))
            groups.append({"name": f"{subject.name}.{name.partition('_r')[0]}.rules", "rules": rules})
    groups += further
    counts = Counter(_identity(rule) for group in groups for rule in group["rules"])
    return [_told_apart(group, counts) for group in groups if group["rules"]]


def _told_apart(group: RecordingGroup, counts: Mapping[str, int]) -> RecordingGroup:
    """Give rules that several subjects have a label that their series carry anyway: promtool warns of equal rules."""
    subject = group["name"].partition(".")[0]
    rules = [rule if counts[_identity(rule)] == 1 else _labelled(rule, subject) for rule in group["rules"]]
    return {"name": group["name"], "rules": rules}


def _identity(rule: RecordingPlan) -> str:
    return f"{rule['record']}{rule['labels']}"


def _labelled(rule: RecordingPlan, subject: str) -> RecordingPlan:
    carried = next(name for name in level(rule["record"]) if name in {"job", "container", "database", "service"})
    return {**rule, "labels": {carried: subject, **rule["labels"]}}


def plan_sources(subject: Subject, rows: list[Row]) -> list[SourceSeries]:
    """List the series that the alerts of a subject rest on; a query of the spec is seen through its recorded series."""
    sources: dict[str, SourceSeries] = {}
    for name in _families(subject, rows):
        for row in _readers(subject, name, rows):
            for source in _sources(subject, name, row):
                sources.setdefault(source["metric"] + source["selector"], source)
    return list(sources.values())


def plan_needs(subjects: list[Subject], rows: list[Row]) -> list[Need]:
    """List who must provide what, for each subject."""
    needs: list[Need] = []
    for subject in subjects:
        for name in _families(subject, rows):
            needs += [need for need in _needs(subject, name, _readers(subject, name, rows)) if need not in needs]
    return needs


def plan_provided(spec: Spec) -> list[Need]:
    """List the series that the spec's own queries read, which somebody must provide as well."""
    return [
        {"service": spec.feature.slug, "who": "whoever exposes it", "what": _provided(each)}
        for each in spec.monitoring.metrics
    ]


def plan_collectors(rows: list[Row]) -> list[Need]:
    """List what must be switched on for the spec's own queries, where an exporter leaves it out unless it is told."""
    reading = dict.fromkeys(row.subject.name for row in rows if "pg_stat_statements_" in (row.query or ""))
    return [
        {"service": name, "who": "postgres-exporter", "what": "started with --collector.stat_statements"}
        for name in reading
    ]


def _provided(metric: SourceMetric) -> str:
    labels = ", ".join(metric.labels)
    carried = f" with the label{'s' if len(metric.labels) > 1 else ''} {labels}" if labels else ""
    return f"the series {metric.name}{carried}"


def readings(subject: Subject, rows: list[Row]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Give each family that a subject has, with the words of each queue or threshold for which it records."""
    for name in _families(subject, rows):
        if name == "lag":
            yield name, [{**subject.words, **queue} for queue in subject.queues]
        else:
            yield name, [row_words(row) for row in _readers(subject, name, rows)]


def _needs(subject: Subject, name: str, readers: list[Row]) -> Iterator[Need]:
    words = {**subject.words, "db_buckets": ", ".join(sorted({row.threshold.text for row in readers}))}
    for each in subject.queues if name == "lag" else ({},):
        for who, what in FAMILIES[name].needs:
            text = fill(what, {**words, **each})
            if text:
                yield {"service": subject.name, "who": who, "what": text}


def _families(subject: Subject, rows: list[Row]) -> list[str]:
    always, key = (name for name in _ALWAYS[subject.kind] if subject.measured or name not in _APPLICATION), subject.key
    read = (family_of(row) for row in rows if row.subject.key == key and instrumented(row))
    return sorted({*(family_on(subject, name) for name in always), *read}, key=_ORDER.index)


def _readers(subject: Subject, family: str, rows: list[Row]) -> list[Row]:
    key = subject.key
    return [row for row in rows if family_of(row) == family and row.subject.key == key and instrumented(row)]


def _rules(subject: Subject, family: Family, readers: list[Row]) -> Iterator[RecordingPlan]:
    settings = [subject.words] if family is not FAMILIES["lag"] else [{**subject.words, **q} for q in subject.queues]
    for words in settings:
        for recording in family.once:
            yield plan_rule(recording, words)
    seen: set[tuple[str, str]] = set()
    for row in readers:
        words = row_words(row)
        for recording in family.each:
            rule = plan_rule(recording, words)
            if (rule["record"], rule["expr"]) not in seen:
                seen.add((rule["record"], rule["expr"]))
                yield rule


def plan_rule(recording: Recording, words: Mapping[str, str]) -> RecordingPlan:
    """Plan one recording rule with the names of the bundle."""
    return {
        "record": fill(recording.record, words),
        "expr": fill(recording.expr, words),
        "labels": {name: fill(value, words) for name, value in recording.labels},
        "comment": fill(recording.comment, words),
    }


def plan_source(source: Source, words: Mapping[str, str]) -> SourceSeries:
    """Plan one series of somebody else with the names of the bundle."""
    metric, selector = fill(source.metric, words), fill(source.selector, words)
    sample = fill(source.sample or source.selector, words)
    return {"metric": metric, "selector": selector, "sample": f"{metric}{{{sample}}}"}


def _sources(subject: Subject, name: str, row: Row) -> Iterator[SourceSeries]:
    words = row_words(row)
    if name == "custom":
        series, selector = f"service:{row.metric}:query", f'service="{subject.name}"'
        yield {"metric": series, "selector": selector, "sample": f"{series}{{{selector}}}"}
    for each in subject.queues if name == "lag" else ({},):
        for source in FAMILIES[name].sources:
            yield plan_source(source, {**words, **each})


@lru_cache(maxsize=512)
def labels_of(selector: str) -> tuple[tuple[str, str], ...]:
    """Read which labels a selector or a sample of ours has to be equal to; each of the few is read for many tests."""
    return tuple(_LABEL.findall(selector))
