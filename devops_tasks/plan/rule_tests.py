"""The promtool tests of the alerts: both sides of every threshold and guard, every ``for``, and no data.

Alerts read recorded series, so a test gives them those series directly and loads the alerts alone.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import product
from math import gcd
from types import MappingProxyType
from typing import TypedDict

from devops_tasks.plan.alerts import AlertPlan, Condition, exact
from devops_tasks.plan.recordings import SourceSeries, labels_of
from devops_tasks.units import Duration, parse_duration, plain

Valued = Callable[[Condition], str]
"""How a condition's series gets its value."""

_MINUTE = 60
_SHORTEST = 15
_MOST_STEPS = 240
_NEAR = Decimal("0.001")
_SECONDS = ((1, "1s"), (60, "1m 0s"), (3600, "1h 0m 0s"), (86400, "1d 0h 0m 0s"))
_UNITS = {"humanizePercentage": "%", "humanizeDuration": "s"}
_OTHER = "another."
_SILENT = 'count(ALERTS{alertstate="firing",metric!~"targets|series|watchdog"}) or vector(0)'
_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")


class Series(TypedDict):
    """One series of a test; ``values`` in promtool's notation."""

    series: str
    values: str


class Expected(TypedDict):
    """How many alerts of a name fire at a time."""

    expr: str
    at: str
    firing: int


class Carried(TypedDict):
    """The labels and annotations of one alert that fires."""

    labels: dict[str, str]
    annotations: dict[str, str]


class Fired(TypedDict):
    """The alerts of one name that fire at a time, with all that they carry."""

    alert: str
    at: str
    alerts: list[Carried]
    action: str | None


class Case(TypedDict):
    """One test: what is there, and what fires."""

    name: str
    series: list[Series]
    expected: list[Expected]
    fired: list[Fired]


class RuleTests(TypedDict):
    """All tests, and the interval at which they evaluate rules."""

    interval: str
    cases: list[Case]


def plan_rule_tests(alerts: list[AlertPlan], sources: dict[str, list[SourceSeries]]) -> RuleTests:
    """Plan the tests of all alerts; ``sources`` are the source series of each alert that watches for missing ones."""
    step = _step(alerts)
    cases = [_no_data(alerts, step)]
    for service in dict.fromkeys(alert["subject"] for alert in alerts):
        own = [alert for alert in alerts if alert["subject"] == service]
        for batch in _batches([alert for alert in own if alert["conditions"]]):
            cases += _threshold_cases(batch, step)
        for alert in own:
            cases += _silence_cases(alert, sources, step)
    return {"interval": Duration(Decimal(step)).promql, "cases": cases}


def _step(alerts: list[AlertPlan]) -> int:
    """Choose how often rules are evaluated, so that every wait ends at an evaluation where that is not too often."""
    waits = [int(alert["for_"]["seconds"]) for alert in alerts]
    often = -(-max(waits) // _MOST_STEPS)
    return max(gcd(_MINUTE, *waits), -(-often // _SHORTEST) * _SHORTEST, _SHORTEST)


def _batches(alerts: list[AlertPlan]) -> list[list[AlertPlan]]:
    """Share out alerts so that no two of a batch compare one series, which can have one value at a time only."""
    batches: list[list[AlertPlan]] = []
    compared = {alert["name"]: [_named(each) for each in alert["conditions"]] for alert in alerts}
    for alert in alerts:
        own = compared[alert["name"]]
        free = (batch for batch in batches if not any(_clash(own, compared[each["name"]]) for each in batch))
        batch = next(free, None)
        if batch is None:
            batches.append([alert])
        else:
            batch.append(alert)
    return batches


def _clash(compared: list[str], others: list[str]) -> bool:
    """Say whether the value of one alert, the first series that it compares, is a value or a guard of another."""
    return compared[0] in others or others[0] in compared


def _silence_cases(alert: AlertPlan, sources: dict[str, list[SourceSeries]], step: int) -> list[Case]:
    match alert["kind"]:
        case "targets":
            return _targets_cases(alert, step)
        case "series":
            return _metrics_cases(alert, sources[alert["name"]], step)
        case "watchdog":
            return [_case(f"{alert['name']} always fires", [], fired=[_fired(alert, [{}], "1", "0s")])]
        case _:
            return []


def _no_data(alerts: list[AlertPlan], step: int) -> Case:
    longest = Duration(Decimal(max(_wait(alert, step) for alert in alerts) + step)).promql
    silent: Expected = {"expr": _SILENT, "at": longest, "firing": 0}
    return _case("without data no threshold is crossed", [], [silent])


def _threshold_cases(alerts: list[AlertPlan], step: int) -> list[Case]:
    service = alerts[0]["service"]
    wait = max(_wait(alert, step) for alert in alerts) + step
    met = _guards(alerts, wait, step, _met)
    at = [_series(alert["conditions"][0], _short_of(alert["conditions"][0]), wait, step) for alert in alerts]
    beyond = [_series(alert["conditions"][0], _beyond(alert["conditions"][0]), wait, step) for alert in alerts]
    clean = [_series(alert["conditions"][0], _clean(alert)[0], wait, step) for alert in alerts]
    far = [_series(alert["conditions"][0], _far(alert["conditions"][0]), wait, step) for alert in alerts]
    others = [series for alert in alerts for series in _others(alert, wait, step)]
    cases = [
        _case(f"{service}: silent at each threshold", [*at, *met], [_expect(alert, wait, 0) for alert in alerts]),
        _case(
            f"{service}: just beyond each threshold, once its time is over",
            [*beyond, *met],
            [expected for alert in alerts for expected in _rising(alert, step)],
        ),
        _case(
            f"{service}: silent far from each threshold, whatever others do",
            list({each["series"]: each for each in [*far, *met, *others]}.values()),
            [_expect(alert, wait, 0) for alert in alerts],
        ),
        _case(
            f"{service}: what each alert says",
            [*clean, *_guards(alerts, wait, step, _plenty)],
            fired=[
                _fired(alert, [alert["conditions"][0]["labels"]], _clean(alert)[1], _end(alert, step))
                for alert in alerts
            ],
        ),
    ]
    by_sign = [alert for alert in alerts if alert["kind"] != "experiment"]
    for name, sign, value in _UNMET:
        guarded = [alert for alert in by_sign if sign in [guard["sign"] for guard in alert["conditions"][1:]]]
        if guarded:
            few = [_series(alert["conditions"][0], _beyond(alert["conditions"][0]), wait, step) for alert in guarded]
            few += [*_guards(guarded, wait, step, _met, {sign: value}), *_other_colours(guarded, wait, step)]
            cases.append(_case(f"{service}: {name}", few, [_expect(alert, wait, 0) for alert in guarded]))
    cases += [case for alert in alerts if alert["kind"] == "experiment" for case in _guard_cases(alert, wait, step)]
    kept = [alert for alert in alerts if alert["keep_firing_for"]]
    if kept:
        cases.append(_kept_case(service, kept, wait, step))
    return cases


def _guard_cases(alert: AlertPlan, wait: int, step: int) -> Iterator[Case]:
    """Leave each guard of an alert unmet, alone, by a little and by far."""
    first, *guards = alert["conditions"]
    for unmet, (words, value) in product(guards, (("just", _short_of), ("far", _far))):
        series = [_series(first, _beyond(first), wait, step)]
        series += [_series(each, (value if each is unmet else _met)(each), wait, step) for each in guards]
        name = f"{alert['name']}: silent {words} short of {unmet['series']} {unmet['sign']} {unmet['limit']}"
        yield _case(name, series, [_expect(alert, wait, 0)])


def _kept_case(service: str, alerts: list[AlertPlan], wait: int, step: int) -> Case:
    """Let each alert fire, and then its value be good again."""
    passed, longest = wait // step, max(_kept(alert, step) for alert in alerts) // step
    series: list[Series] = [
        {"series": _named(condition), "values": f"{_beyond(condition)}+0x{passed} {_far(condition)}+0x{longest}"}
        for condition in (alert["conditions"][0] for alert in alerts)
    ]
    expected = [
        _expect(alert, wait + step + _kept(alert, step) - early, int(early > 0))
        for alert in alerts
        for early in (step, 0)
    ]
    guards = _guards(alerts, wait + longest * step, step, _plenty)
    return _case(f"{service}: what asks for a rollback does so a while longer", [*series, *guards], expected)


def _kept(alert: AlertPlan, step: int) -> int:
    """Count the seconds of evaluations for which an alert goes on once its value is good again."""
    return -(-int(parse_duration(alert["keep_firing_for"] or "0s").seconds) // step) * step


def _others(alert: AlertPlan, wait: int, step: int) -> list[Series]:
    """Give the series of others, beyond the threshold and with events enough."""
    first = alert["conditions"][0]
    return [
        _series({**each, "labels": {**each["labels"], name: _OTHER}}, value, wait, step)
        for name in dict(labels_of(first["selector"]))
        for each, value in ((first, _beyond(first)), *((guard, _plenty(guard)) for guard in alert["conditions"][1:]))
    ]


def _other_colours(alerts: list[AlertPlan], wait: int, step: int) -> list[Series]:
    """Give the other colour events enough, which must not count for the first."""
    guards = [guard for alert in alerts for guard in alert["conditions"][1:] if "colour" in guard["labels"]]
    return [
        _series({**guard, "labels": {**guard["labels"], "colour": "blue"}}, _plenty(guard), wait, step)
        for guard in {_named(guard): guard for guard in guards}.values()
    ]


def _guards(
    alerts: list[AlertPlan], wait: int, step: int, value: Valued, unmet: Mapping[str, Valued] = MappingProxyType({})
) -> list[Series]:
    """Give the guards' series, met but for those of the signs in ``unmet``; alerts may share one."""
    guards = [guard for alert in alerts for guard in alert["conditions"][1:]]
    values = {_named(guard): unmet.get(guard["sign"], value)(guard) for guard in guards}
    return [_values(name, said, wait, step) for name, said in values.items()]


def _rising(alert: AlertPlan, step: int) -> list[Expected]:
    wait = _wait(alert, step)
    return [*([_expect(alert, wait - step, 0)] if wait else []), _expect(alert, wait, 1)]


def _wait(alert: AlertPlan, step: int) -> int:
    """Count the seconds to the evaluation at which an alert has waited long enough."""
    return -(-int(alert["for_"]["seconds"]) // step) * step


def _end(alert: AlertPlan, step: int) -> str:
    return Duration(Decimal(_wait(alert, step))).promql


def _targets_cases(alert: AlertPlan, step: int) -> list[Case]:
    wait, name, labels = _wait(alert, step), alert["name"], alert["labels"]
    up, *others = [
        f'up{{namespace="{namespace}",job="{job}",pod="{labels["job"]}-0"}}'
        for namespace, job in (
            (labels["namespace"], labels["job"]),
            (_OTHER, labels["job"]),
            (labels["namespace"], _OTHER),
        )
    ]
    return [
        _case(f"{name}: silent while a target is up", [_values(up, "1", wait, step)], [_expect(alert, wait, 0)]),
        _case(
            f"{name}: fires when every target is down, whatever others do",
            [_values(up, "0", wait, step), *(_values(other, "1", wait, step) for other in others)],
            [_expect(alert, wait - step, 0)],
            [_fired(alert, [{}], "1", _end(alert, step))],
        ),
        _case(f"{name}: fires when there is no target", [], [_expect(alert, wait, 1)]),
    ]


def _metrics_cases(alert: AlertPlan, sources: list[SourceSeries], step: int) -> list[Case]:
    wait, name = _wait(alert, step), alert["name"]
    narrow = [source for source in sources if _narrow(source, sources)]
    there = [_values(source["sample"], "1", wait, step) for source in sources]
    others = [_values(source["sample"], "1", wait, step) for source in sources if source not in narrow]
    unlike = [_unlike(source) for source in sources if _unlike(source) != source["sample"] and source not in narrow]
    unlike += [other for source in sources for other in _of_others(source, alert["labels"])]
    alike = [_values(series, "1", wait, step) for series in unlike]
    cases = [
        _case(f"{name}: silent while every series is there", there, [_expect(alert, wait, 0)]),
        _case(
            f"{name}: names each series that is missing",
            list({each["series"]: each for each in alike}.values()),
            [_expect(alert, wait - step, 0)],
            [_fired(alert, _gone(sources), "1", _end(alert, step))],
        ),
    ]
    if narrow:
        fired = [_fired(alert, _gone(narrow), "1", _end(alert, step))]
        cases.append(_case(f"{name}: names each series that lacks a label", others, fired=fired))
    return cases


def _gone(sources: list[SourceSeries]) -> list[dict[str, str]]:
    """Give the labels of the alerts on missing series, each once."""
    missing = [{"series": source["metric"], **dict(labels_of(source["selector"]))} for source in sources]
    return [labels for n, labels in enumerate(missing) if labels not in missing[:n]]


def _narrow(source: SourceSeries, sources: list[SourceSeries]) -> bool:
    """Say whether a series is another one with a label more."""
    return any(_unlike(source) == other["sample"] for other in sources if other != source)


def _unlike(source: SourceSeries) -> str:
    """Take from a sample the labels that are selected by more than one value: then it is another series."""
    equal = dict(labels_of(source["selector"]))
    kept = [f'{name}="{value}"' for name, value in labels_of(source["sample"]) if name in equal]
    return f"{source['metric']}{{{','.join(kept)}}}"


def _of_others(source: SourceSeries, carried: Mapping[str, str]) -> list[str]:
    """Give a sample to others in each label that the alert carries by itself: ``absent`` need not tell of it."""
    samples = dict(labels_of(source["sample"]))
    return [
        source["metric"] + "{" + ",".join(f'{key}="{text}"' for key, text in {**samples, name: _OTHER}.items()) + "}"
        for name, value in labels_of(source["selector"])
        if carried.get(name) == value
    ]


def _case(
    name: str, series: list[Series], expected: list[Expected] | None = None, fired: list[Fired] | None = None
) -> Case:
    return {"name": name, "series": series, "expected": expected or [], "fired": fired or []}


def _series(condition: Condition, value: str, wait: int, step: int) -> Series:
    return _values(_named(condition), value, wait, step)


def _named(condition: Condition) -> str:
    labels = ",".join(f'{name}="{text}"' for name, text in condition["labels"].items())
    return f"{condition['series']}{{{labels}}}"


def _values(series: str, value: str, wait: int, step: int) -> Series:
    return {"series": series, "values": f"{value}+0x{wait // step + 1}"}


def _expect(alert: AlertPlan, seconds: int, firing: int) -> Expected:
    alerts = f'ALERTS{{alertname="{alert["name"]}",alertstate="firing"}}'
    return {"expr": f"count({alerts}) or vector(0)", "at": Duration(Decimal(seconds)).promql, "firing": firing}


def _fired(alert: AlertPlan, each: list[dict[str, str]], printed: str, end: str) -> Fired:
    return {
        "alert": alert["name"],
        "at": end,
        "alerts": [
            {
                "labels": {**labels, **alert["labels"]},
                "annotations": {name: _printed(text, labels, printed) for name, text in alert["annotations"].items()},
            }
            for labels in each
        ],
        "action": alert["action"],
    }


def _printed(text: str, labels: dict[str, str], printed: str) -> str:
    if "{{" not in text:
        return text
    text = re.sub(r"\{\{ \$value [^}]*\}\}", printed, text)
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels[match[1]], text)


def _met(condition: Condition) -> str:
    return plain(exact(condition["limit"])) if condition["sign"] == ">=" else _beyond(condition)


def _beyond(condition: Condition) -> str:
    limit = exact(condition["limit"])
    near = limit * _NEAR or _NEAR
    return plain(limit - near if condition["sign"] == "<" else limit + near)


def _far(condition: Condition) -> str:
    """Give a value far on the good side."""
    limit = exact(condition["limit"])
    return plain(limit * 2 + 1 if condition["sign"] == "<" else min(limit - 1, Decimal(0)))


def _plenty(condition: Condition) -> str:
    return plain(exact(condition["limit"]) * 10)


def _short_of(condition: Condition) -> str:
    """Give the value nearest to the limit that does not meet the condition: the limit itself unless it is met there."""
    limit = exact(condition["limit"])
    if condition["sign"] == ">=" or " / " in condition["limit"]:
        return plain(limit - (limit * _NEAR if condition["sign"] != "<" else -limit * _NEAR))
    return plain(limit)


def _clean(alert: AlertPlan) -> tuple[str, str]:
    """Give a value that fires and that prints without rounding, and how Prometheus prints it."""
    condition = alert["conditions"][0]
    limit = exact(condition["limit"])
    description = alert["annotations"]["description"]
    unit = next((unit for filter_, unit in _UNITS.items() if f"| {filter_}" in description), "")
    if alert["side"] == "below":
        return ("0", f"0{unit}") if limit else ("-1", f"-{100 if unit == '%' else 1}{unit}")
    return {"%": _percentage, "s": _seconds, "": _humanized}[unit](limit)


def _percentage(limit: Decimal) -> tuple[str, str]:
    for whole in (1, 2, 5, 10, 20, 50):
        if whole > limit:
            return str(whole), f"{whole * 100}%"
    power = 2
    while 10**power <= limit:
        power += 1
    return str(10**power), f"1e+{power + 2:02d}%"


def _seconds(limit: Decimal) -> tuple[str, str]:
    for seconds, text in _SECONDS:
        if seconds > limit:
            return str(seconds), text
    days = 1
    while days * _SECONDS[-1][0] <= limit:
        days *= 10
    return str(days * _SECONDS[-1][0]), f"{days}d 0h 0m 0s"


def _humanized(limit: Decimal) -> tuple[str, str]:
    power = 0
    while 10**power <= limit:
        power += 1
    return str(10**power), f"{10 ** (power % 3)}{_PREFIXES[power // 3]}"


_UNMET: tuple[tuple[str, str, Valued], ...] = (
    ("a few events are no alarm", ">=", _short_of),
    ("over the long window alone is no alarm", ">", _short_of),
    ("over the long window alone is no alarm, all well since", ">", _far),
)
