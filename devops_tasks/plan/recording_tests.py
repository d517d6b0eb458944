"""The promtool tests of the recorded series: from the source series to what is recorded, and to the alerts that see it.

The examples are those of :mod:`devops_tasks.metrics.scenes`. What an alert makes of one follows from its conditions.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from devops_tasks.metrics import BURNS, fill
from devops_tasks.metrics.objectives import BAD, COUNT, EVERY, RATIO, REMAINING
from devops_tasks.metrics.scenes import HISTORY, MEDIANS, SCENES, SCENES_EACH, SCENES_OF_OBJECTIVES, Scene, written
from devops_tasks.plan.alerts import AlertPlan, Condition, Row, exact
from devops_tasks.plan.objectives import Objective
from devops_tasks.plan.recordings import RecordingGroup, labels_of, readings
from devops_tasks.plan.subjects import Subject
from devops_tasks.units import Duration, parse_duration, plain

if TYPE_CHECKING:
    from devops_tasks.plan.arms import Watching
    from devops_tasks.plan.backup_jobs import BackupJob

_SELECTED = re.compile(r"([a-zA-Z_][\w:]*)\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')
_OF_OTHERS = ("namespace", "job", "container", "database", "consumergroup", "topic", "threshold", "slo",
              "cronjob", "experiment")  # fmt: skip
_OTHER = "another."
_LATELY = "_x10075 0+60x4"
_ROUNDED = "0.000001"
_DIGITS = 6
_NEAR = Decimal(_ROUNDED)
_NOTHING = 'last_over_time({__name__=~".+:.+",__name__!~"service:.+:query"}[30s])'
_TEN = 10
_MINUTE_SECONDS = 60
_MOST_SAMPLES = 100
_WEEK, _NONE = parse_duration("7d"), parse_duration("0s")
_SLO_HERE, _SLO_STAGED = '%here,slo="%slo"', '%staged,slo="%slo"'


class Sample(NamedTuple):
    """One sample of a recorded series."""

    labels: dict[str, str]
    value: Decimal


Recorded = dict[str, list[Sample]]


class Given(TypedDict):
    """One series that a test gives, in promtool's notation."""

    series: str
    values: str


class Expected(TypedDict):
    """What an expression is at the end of a test; each sample has its labels in PromQL's notation, and its value."""

    expr: str
    samples: list[tuple[str, str]]


class Case(TypedDict):
    """One test."""

    name: str
    interval: str
    at: str
    series: list[Given]
    expected: list[Expected]


class RecordingTests(TypedDict):
    """All tests, and the order in which they evaluate the groups."""

    order: list[str]
    cases: list[Case]


def plan_recording_tests(
    subjects: list[Subject], rows: list[Row], further: "list[Objective | BackupJob | Watching]",
    groups: list[RecordingGroup], alerts: dict[str, list[AlertPlan]],
) -> RecordingTests:  # fmt: skip
    """Plan the tests of all that is recorded; ``alerts`` are those of each group of alerts."""
    every = [alert for group in alerts.values() for alert in group]
    cases = [_without("without data nothing is recorded", [])]
    for subject in subjects:
        own = [alert for alert in every if alert["subject"] == subject.key and alert["conditions"]]
        cases += [_case(subject.name, scene, words, own) for scene, words in _scenes(subject, rows)]
        cases += [case for each in further if each.subject.key == subject.key for case in _judged(each, own)]
    for name in dict.fromkeys(subject.name for subject in subjects):
        others = list(_others(name, groups))
        cases += [_without(f"{name}: what others have is not counted", others)] if others else []
    return {"order": [*(group["name"] for group in groups), *alerts], "cases": cases}


def _scenes(subject: Subject, rows: list[Row]) -> Iterator[tuple[Scene, dict[str, str]]]:
    """Give each scene of each family that a subject has, once, with its words."""
    for family, settings in readings(subject, rows):
        yield from ((scene, _words(subject.words)) for scene in SCENES.get(family, ()))
        each = [(scene, _words(words)) for words in settings for scene in SCENES_EACH.get(family, ())]
        yield from {fill(str(scene), words): (scene, words) for scene, words in each}.values()


def _judged(each: "Objective | BackupJob | Watching", alerts: list[AlertPlan]) -> Iterator[Case]:
    if isinstance(each, Objective):
        yield from _of_objective(each, alerts)
    else:
        yield from (_case(each.subject.name, scene, _words(each.words), alerts) for scene in each.scenes)


def _of_objective(objective: Objective, alerts: list[AlertPlan]) -> Iterator[Case]:
    words, indicator = _words(objective.words), objective.indicator
    for scene in SCENES_OF_OBJECTIVES[f"{indicator.slo} of {indicator.events}"]:
        titled = scene._replace(title=f"{indicator.title.lower()}: {scene.title}")
        yield _case(objective.subject.name, titled, words, [])
    yield _case(objective.subject.name, _history(objective), words, alerts)


def _words(words: dict[str, str]) -> dict[str, str]:
    """Add the words that only scenes use: the labels of each place, and what follows from the spec."""
    production, staging = (f'namespace="{words[name]}"' for name in ("namespace", "staging"))
    job, box = (f'{name}="{words["service"]}"' for name in ("job", "container"))
    blue, green = 'colour="blue"', 'colour="green"'
    median, of_median = MEDIANS.get(words.get("weeks_read", ""), ("", ""))
    return {
        **words,
        "here": f"{production},{job}",
        "staged": f"{staging},{job}",
        "blue": f"{production},{job},{blue}",
        "green": f"{production},{job},{green}",
        "staged_blue": f"{staging},{job},{blue}",
        "staged_green": f"{staging},{job},{green}",
        "box": f"{production},{box}",
        "staged_box": f"{staging},{box}",
        "blue_box": f"{production},{box},{blue}",
        "green_box": f"{production},{box},{green}",
        "staged_blue_box": f"{staging},{box},{blue}",
        "of_database": f'database="{words["service"]}"',
        "other_namespace": f'namespace="{_OTHER}",{job}',
        "other_job": f'{production},job="{_OTHER}"',
        "of_ten": plain(_TEN * Decimal(words.get("unit_seconds", "1"))),
        "median": median,
        "of_median": of_median,
    }


def _case(service: str, scene: Scene, words: dict[str, str], alerts: list[AlertPlan]) -> Case:
    told = {fill(record, words): _samples(samples, words) for record, samples in scene.recorded}
    expected = [_rounded(record, samples) for record, samples in told.items()]
    recorded = {record.partition("{")[0]: samples for record, samples in told.items()}
    expected += [_active(alert, recorded) for alert in alerts if _clear(alert, recorded)]
    return {
        "name": f"{service}: {fill(scene.title, words)}",
        "interval": scene.interval,
        "at": scene.at,
        "series": [{"series": fill(series, words), "values": written(values)} for series, values in scene.given],
        "expected": expected,
    }


def _samples(samples: Iterable[tuple[str, str]], words: dict[str, str]) -> list[Sample]:
    return [Sample(dict(labels_of(fill(labels, words))), Decimal(fill(value, words))) for labels, value in samples]


def _rounded(record: str, samples: list[Sample]) -> Expected:
    """Expect all samples of a series, rounded, so that no sum's last digits fail the test."""
    known = [(_braces(each.labels), plain(round(each.value, _DIGITS))) for each in samples]
    return {"expr": f"round({record}, {_ROUNDED})", "samples": known}


def _braces(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


# What the alerts make of it


def _clear(alert: AlertPlan, recorded: Recorded) -> bool:
    """Say whether an alert reads what is recorded, and nothing at its very limit, where the last digit decides."""
    return all(condition["series"] in recorded for condition in alert["conditions"]) and not any(
        _elsewhere(condition, sample) or abs(sample.value - exact(condition["limit"])) < _NEAR
        for condition in alert["conditions"]
        for sample in recorded[condition["series"]]
    )


def _elsewhere(condition: Condition, sample: Sample) -> bool:
    return sample.labels.get("threshold") != condition["labels"].get("threshold")


def _active(alert: AlertPlan, recorded: Recorded) -> Expected:
    """Expect as many alerts, pending or firing, as there are samples that meet an alert's conditions."""
    first, *guards = [_meeting(condition, recorded) for condition in alert["conditions"]]
    active = [each for each in first if all(any(_agree(each, other) for other in guard) for guard in guards)]
    expr = f'count(ALERTS{{alertname="{alert["name"]}"}}) or vector(0)'
    return {"expr": expr, "samples": [("{}", str(len(active)))]}


def _meeting(condition: Condition, recorded: Recorded) -> list[Sample]:
    selected, limit = dict(labels_of(condition["selector"])), exact(condition["limit"])
    compare = {">": Decimal.__gt__, "<": Decimal.__lt__, ">=": Decimal.__ge__}[condition["sign"]]
    found = [each for each in recorded[condition["series"]] if selected.items() <= each.labels.items()]
    return [each for each in found if compare(each.value, limit)]


def _agree(one: Sample, other: Sample) -> bool:
    return all(other.labels.get(name, value) == value for name, value in one.labels.items())


# The windows of an objective


class _Span(NamedTuple):
    """The time from the beginning of one window to that of the next: so many samples of these rates, else none."""

    bad: Decimal
    every: Decimal
    samples: int
    length: int

    def told(self, rate: Decimal) -> str:
        """Write a rate each minute, or only at both ends; what ends is stale."""
        known = f"{plain(rate)}x"
        if self.length == self.samples:
            return f"{known}{self.length - 1}"
        if self.length == self.samples + 1:
            return f"{known}{self.samples - 1} stale"
        end = f"{known}{self.samples // 2 - 1} stale"
        return f"{end} _x{self.length - self.samples - 2} {end}"


def _history(objective: Objective) -> Scene:
    """Give each window another share of traffic, and of bad events; promtool wants all series to begin alike."""
    windows = sorted({objective.window, *(parse_duration(text) for burn in BURNS for text in (burn.short, burn.long))})
    end = Duration((windows[-1].seconds // _WEEK.seconds + 1) * _WEEK.seconds)
    spans = _spans([*windows, end])
    bad = list(accumulate(span.bad * span.samples for span in spans))
    every = list(accumulate(span.every * span.samples for span in spans))
    ratios = {window.promql: bad[n] / every[n] for n, window in enumerate(windows)}
    counts = {window.promql: bad[n] * _MINUTE_SECONDS for n, window in enumerate(windows)}
    left = 1 - ratios[objective.window.promql] / objective.budget.ratio
    return Scene(
        f"{objective.indicator.title.lower()}: each window has another share of traffic, and of what fails",
        (
            (f"{BAD}{{{_SLO_HERE}}}", " ".join(["0", *(span.told(span.bad) for span in reversed(spans))])),
            (f"{EVERY}{{{_SLO_HERE}}}", " ".join(["0", *(span.told(span.every) for span in reversed(spans))])),
            *((f"{series}{{{_SLO_STAGED}}}", f"0 _x{_minutes(end) - 5} 0x4") for series in (BAD, EVERY)),
        ),
        (
            *((f"{RATIO}{window}", ((_SLO_HERE, str(ratio)),)) for window, ratio in ratios.items()),
            *((f"{COUNT}{burn.long}", ((_SLO_HERE, str(counts[burn.long])), (_SLO_STAGED, "0"))) for burn in BURNS),
            (REMAINING, ((_SLO_HERE, str(left)),)),
        ),
        at=end.promql,
    )


def _spans(windows: list[Duration]) -> list[_Span]:
    """Plan the time of each window that no shorter one has, the newest first.

    All but the newest end silent, because Prometheus 2 counts the end of a window to it, and Prometheus 3 does not.
    """
    lengths = [_minutes(end) - _minutes(start) for start, end in pairwise([_NONE, *windows])]
    samples = [lengths[0], *(min(length - 1, _MOST_SAMPLES) for length in lengths[1:])]
    return [
        _Span(Decimal(bad), Decimal(every), told, length)
        for (bad, every), told, length in zip(HISTORY[: len(lengths)], samples, lengths, strict=True)
    ]


def _minutes(duration: Duration) -> int:
    return int(duration.seconds // _MINUTE_SECONDS)


# The series of others


def _without(name: str, series: list[Given]) -> Case:
    """Expect that nothing is recorded of what is given, which ends a minute before."""
    expected: list[Expected] = [{"expr": _NOTHING, "samples": []}]
    return {"name": name, "interval": "1m", "at": "1w", "series": series, "expected": expected}


def _others(service: str, groups: list[RecordingGroup]) -> Iterator[Given]:
    """Give each series that the rules of a service select, with one label of somebody else."""
    own = [group for group in groups if group["name"].startswith(f"{service}.") and ".custom." not in group["name"]]
    exprs = dict.fromkeys(rule["expr"] for group in own for rule in group["rules"])
    selected = [(series, _example(selector)) for expr in exprs for series, selector in _SELECTED.findall(expr)]
    told = {(series, frozenset(labels.items())): labels for series, labels in selected}
    of_series: dict[str, list[frozenset[tuple[str, str]]]] = {}
    for series, each in told:
        of_series.setdefault(series, []).append(each)
    for (series, each), labels in told.items():
        if not any(each < more for more in of_series[series]):
            for name in (name for name in _OF_OTHERS if name in labels):
                yield {"series": series + _braces({**labels, name: _OTHER}), "values": _LATELY}


def _example(selector: str) -> dict[str, str]:
    """Give labels that a selector of ours selects: the first of several values, and of any but none some."""
    found = _MATCHER.findall(selector)
    return {name: "example" if sign == "!=" else re.split(r"[|(]", value)[0] for name, sign, value in found}
