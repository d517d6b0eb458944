"""The promtool tests of the alerts: both sides of every threshold and guard, every ``for``, and no data.

Alerts read recorded series, so a test gives them those series directly and loads the alerts alone.
"""

import re
from decimal import Decimal
from math import gcd
from typing import TypedDict

from devops_tasks.plan.alerts import AlertPlan, Condition, exact
from devops_tasks.plan.recordings import SourceSeries
from devops_tasks.units import Duration, plain

_MINUTE = 60
_NEAR = Decimal("0.001")
_SECONDS = ((1, "1s"), (60, "1m 0s"), (3600, "1h 0m 0s"), (86400, "1d 0h 0m 0s"))
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


class Fired(TypedDict):
    """One alert with all that it carries when it fires at a time."""

    alert: str
    at: str
    labels: dict[str, str]
    annotations: dict[str, str]
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
    step = gcd(_MINUTE, *(int(alert["for_"]["seconds"]) for alert in alerts))
    cases = [_no_data(alerts, step)]
    for alert in alerts:
        if alert["conditions"]:
            cases += _threshold_cases(alert, step)
        elif alert["kind"] == "targets":
            cases += _targets_cases(alert, step)
        elif alert["kind"] == "series":
            cases += _metrics_cases(alert, sources[alert["name"]], step)
        else:
            cases.append(_case(f"{alert['name']} always fires", [], fired=[_fired(alert, {}, "1", "0s")]))
    return {"interval": Duration(Decimal(step)).promql, "cases": cases}


def _no_data(alerts: list[AlertPlan], step: int) -> Case:
    longest = max(int(alert["for_"]["seconds"]) for alert in alerts) + step
    silent = [alert for alert in alerts if alert["conditions"]]
    return _case(
        "without data no threshold is crossed",
        [],
        expected=[_expect(alert, longest, 0) for alert in silent],
    )


def _threshold_cases(alert: AlertPlan, step: int) -> list[Case]:
    name, wait = alert["name"], int(alert["for_"]["seconds"])
    value, *guards = alert["conditions"]
    over, under, clean, printed = _beyond(value), _short_of(value), *_clean(alert)
    met = [_series(guard, _limit(guard), wait, step) for guard in guards]
    expected = [_expect(alert, wait, 1)]
    if wait:
        expected.insert(0, _expect(alert, wait - step, 0))
    cases = [
        _case(f"{name} fires just {alert['side']} its threshold", [_series(value, over, wait, step), *met], expected),
        _case(
            f"{name} is silent at its threshold",
            [_series(value, under, wait, step), *met],
            [_expect(alert, wait + step, 0)],
        ),
        _case(
            f"{name} says what it should",
            [_series(value, clean, wait, step), *met],
            fired=[_fired(alert, value["labels"], printed, Duration(Decimal(wait)).promql)],
        ),
    ]
    for guard in guards:
        few = [_series(value, over, wait, step), _series(guard, _short_of(guard), wait, step)]
        cases.append(_case(f"{name} waits for enough events", few, [_expect(alert, wait + step, 0)]))
    return cases


def _targets_cases(alert: AlertPlan, step: int) -> list[Case]:
    wait = int(alert["for_"]["seconds"])
    name, labels = alert["name"], alert["labels"]
    up = f'up{{namespace="{labels["namespace"]}",job="{labels["job"]}",pod="{labels["job"]}-0"}}'
    end = Duration(Decimal(wait)).promql
    return [
        _case(f"{name} is silent while a target is up", [_values(up, "1", wait, step)], [_expect(alert, wait, 0)]),
        _case(
            f"{name} fires when every target is down",
            [_values(up, "0", wait, step)],
            [_expect(alert, wait - step, 0)],
            [_fired(alert, {}, "1", end)],
        ),
        _case(f"{name} fires when there is no target", [], [_expect(alert, wait, 1)]),
    ]


def _metrics_cases(alert: AlertPlan, sources: list[SourceSeries], step: int) -> list[Case]:
    wait = int(alert["for_"]["seconds"])
    name = alert["name"]
    there = [_values(source["sample"], "1", wait, step) for source in sources]
    cases = [_case(f"{name} is silent while every series is there", there, [_expect(alert, wait, 0)])]
    for position, source in enumerate(sources):
        others = there[:position] + there[position + 1 :]
        labels = {"series": source["metric"], **dict(re.findall(r'(\w+)="([^"]*)"', source["selector"]))}
        fired = _fired(alert, labels, "1", Duration(Decimal(wait)).promql)
        case = f"{name} names {source['metric']} where {source['selector']} is missing"
        cases.append(_case(case, others, [_expect(alert, wait - step, 0)], [fired]))
    return cases


def _case(
    name: str, series: list[Series], expected: list[Expected] | None = None, fired: list[Fired] | None = None
) -> Case:
    return {"name": name, "series": series, "expected": expected or [], "fired": fired or []}


def _series(condition: Condition, value: str, wait: int, step: int) -> Series:
    labels = ",".join(f'{name}="{text}"' for name, text in condition["labels"].items())
    return _values(f"{condition['series']}{{{labels}}}", value, wait, step)


def _values(series: str, value: str, wait: int, step: int) -> Series:
    return {"series": series, "values": f"{value}+0x{wait // step + 1}"}


def _expect(alert: AlertPlan, seconds: int, firing: int) -> Expected:
    alerts = f'ALERTS{{alertname="{alert["name"]}",alertstate="firing"}}'
    return {"expr": f"count({alerts}) or vector(0)", "at": Duration(Decimal(seconds)).promql, "firing": firing}


def _fired(alert: AlertPlan, labels: dict[str, str], printed: str, end: str) -> Fired:
    return {
        "alert": alert["name"],
        "at": end,
        "labels": {**labels, **alert["labels"]},
        "annotations": {name: _printed(text, labels, printed) for name, text in alert["annotations"].items()},
        "action": alert["action"],
    }


def _printed(text: str, labels: dict[str, str], printed: str) -> str:
    text = re.sub(r"\{\{ \$value [^}]*\}\}", printed, text)
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels[match[1]], text)


def _limit(condition: Condition) -> str:
    return plain(exact(condition["limit"]))


def _beyond(condition: Condition) -> str:
    limit = exact(condition["limit"])
    near = limit * _NEAR or _NEAR
    return plain(limit - near if condition["sign"] == "<" else limit + near)


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
    if "| humanizePercentage" in description:
        return ("0", "0%") if alert["side"] == "below" else _percentage(limit)
    if "| humanizeDuration" in description:
        return ("0", "0s") if alert["side"] == "below" else _seconds(limit)
    return ("0", "0") if alert["side"] == "below" else _humanized(limit)


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
