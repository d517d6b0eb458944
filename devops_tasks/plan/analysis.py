"""What Argo Rollouts asks Prometheus through a release: the rollback criteria, and whether they can be judged at all.

A criterion is the alert's own comparison of recorded series, about the newcomer where the series has colours. That it
must hold for a time stands in the query, where Prometheus counts: one answer beyond the threshold ends the release.
"""

from decimal import Decimal
from math import ceil
from typing import TypedDict

from devops_tasks.plan import undecided
from devops_tasks.plan.alerts import AlertPlan, Condition, conditions_text, level, unique
from devops_tasks.spec import Service, Spec
from devops_tasks.units import Duration, plain

CRITERIA = "rollback-criteria"
BREACHED = "experiment:guardrails_breached:count"
_LOST = 4
"""How many questions in a row without an answer end a release, as in ``delivery/watch-rollout.sh``."""


class Metric(TypedDict):
    """One question; ``count`` is None where it is asked until the release is over."""

    name: str
    delay: str | None
    interval: str
    count: int | None
    errors: int
    success: str
    failure: str
    query: str


class Template(TypedDict):
    """One AnalysisTemplate."""

    name: str
    metrics: list[Metric]


class Analysis(TypedDict):
    """The AnalysisTemplates, those that each service is judged by, and where Prometheus answers."""

    templates: list[Template]
    of: dict[str, list[str]]
    lost: int
    address: str
    decided: bool


def plan_analysis(spec: Spec, alerts: list[AlertPlan]) -> Analysis:
    """Plan the analysis of every service that has a Rollout; all of them are judged by all criteria."""
    rolled = [service for service in spec.services if service.kind != "worker"]
    criteria = [alert for alert in alerts if alert["guardrail"]]
    names = unique(f"{alert['service']}-{alert['metric'].replace('_', '-')}" for alert in criteria)
    judged = [_criterion(spec, alert, name) for alert, name in zip(criteria, names, strict=True)]
    judged += [_decided(spec)] if spec.experiment.monitoring else []
    shared: list[Template] = [{"name": CRITERIA, "metrics": judged}] if judged else []
    watchdog = next(alert["name"] for alert in alerts if alert["kind"] == "watchdog")
    own = {
        service.name: _measured(spec, service, watchdog) for service in rolled if service.metrics.convention != "none"
    }
    return {
        "templates": [*shared, *own.values()],
        "of": {service.name: _names([*shared, *_own(own, service)]) for service in rolled},
        "lost": _LOST,
        "address": spec.monitoring.prometheus or undecided.URL,
        "decided": spec.monitoring.prometheus is not None,
    }


def _own(own: dict[str, Template], service: Service) -> list[Template]:
    return [own[service.name]] if service.name in own else []


def _names(templates: list[Template]) -> list[str]:
    return [template["name"] for template in templates]


def _criterion(spec: Spec, alert: AlertPlan, name: str) -> Metric:
    first = alert["conditions"][0]
    above, limit = first["sign"] == ">", first["limit"]
    query = _worst(spec, alert, above=above)
    sign, opposite = (">", "<=") if above else ("<", ">=")
    return {
        **_asked(spec),
        "name": name,
        "delay": None,
        "success": f"len(result) == 0 || isNaN(result[0]) || result[0] {opposite} {limit}",
        "failure": f"len(result) > 0 && result[0] {sign} {limit}",
        "query": query,
    }


def _decided(spec: Spec) -> Metric:
    """Ask how many guardrails the experiment breaks: each alert has waited out its time already."""
    return {
        **_asked(spec),
        "name": "experiment-guardrails",
        "delay": None,
        "success": "len(result) == 0 || isNaN(result[0]) || result[0] <= 0",
        "failure": "len(result) > 0 && result[0] > 0",
        "query": f'{BREACHED}{{experiment="{spec.feature.slug}"}}',
    }


def _worst(spec: Spec, alert: AlertPlan, *, above: bool) -> str:
    """Ask for the worst value that held for the whole time; as long as none did, for nothing."""
    every, wait = spec.monitoring.evaluation_interval.seconds, Decimal(alert["for_"]["seconds"])
    value = _value(alert["conditions"])
    outer, inner = ("max", "min") if above else ("min", "max")
    if not wait:
        return f"{outer}(\n{_indented(value)}\n)"
    steps = ceil(wait / every)
    window = f"[{Duration((steps + 1) * every).promql}:{Duration(every).promql}]"
    held = f"{inner}_over_time((\n{_indented(value)}\n){window})"
    counted = f"count_over_time((\n{_indented(value)}\n){window}) >= {steps + 1}"
    return f"{outer}(\n{_indented(held)}\nand\n{_indented(counted)}\n)"


def _value(conditions: list[Condition]) -> str:
    """Write the comparisons of an alert without the one that is the criterion's, about the newcomer alone."""
    newcomer = [_newcomer(each) for each in conditions]
    bare = f" {newcomer[0]['sign']} {newcomer[0]['limit']}"
    return conditions_text(newcomer).replace(bare, "", 1)


def _newcomer(condition: Condition) -> Condition:
    coloured = "colour" in level(condition["series"])
    return {**condition, "selector": condition["selector"] + (',colour="green"' if coloured else "")}


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _measured(spec: Spec, service: Service, watchdog: str) -> Template:
    """Ask whether anybody scrapes the newcomer and evaluates the rules: silence is no health."""
    longest = max(spec.monitoring.evaluation_interval, spec.monitoring.scrape_interval, key=lambda each: each.seconds)
    span = Duration(_LOST * longest.seconds)
    labels = f'namespace="{spec.platform.namespaces.production}",job="{service.name}",colour="green"'
    metric: Metric = {
        **_asked(spec),
        "name": f"{service.name}-measured",
        "delay": _go(span.seconds),
        "success": "len(result) > 0 && result[0] > 0",
        "failure": "len(result) == 0 || !(result[0] > 0)",
        "query": f"  count(max_over_time(up{{{labels}}}[{span.promql}]) == 1)\n"
        f'and on ()\n  ALERTS{{alertname="{watchdog}",alertstate="firing"}}',
    }
    return {"name": metric["name"], "metrics": [metric]}


class _Asked(TypedDict):
    interval: str
    count: int | None
    errors: int


def _asked(spec: Spec) -> _Asked:
    """Say how often to ask: once a flip is made, Argo Rollouts must be told how many times."""
    every = spec.monitoring.evaluation_interval.seconds
    flips = spec.platform.routing == "ingress"
    count = ceil(spec.delivery.pause.seconds / every) + 1 if flips else None
    return {"interval": _go(every), "count": count, "errors": _LOST - 1}


def _go(seconds: Decimal) -> str:
    return f"{plain(seconds)}s"
