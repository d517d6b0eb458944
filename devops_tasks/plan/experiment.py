"""The experiment in words: the hypothesis and its parts, the metric, who sees what, and what is still missing.

Must not: sums (``sample`` does them, and is loaded only where the numbers for them are there).
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from math import ceil
from typing import Any, TypedDict

from devops_tasks.plan.commitments import day
from devops_tasks.plan.watching import criterion_text
from devops_tasks.plan.workloads import asks_flag
from devops_tasks.rules import FLAGS_FOLDER
from devops_tasks.spec import Decision, PrimaryMetric, Spec
from devops_tasks.units import Share

Row = dict[str, Any]
_METHODS = {"feature-flag": "a feature flag", "traffic-split": "a split of the traffic"}
_DAY = 86_400
_METRIC = "experiment.primary_metric"


class Belief(TypedDict):
    """The parts of a hypothesis."""

    who: str
    what: str
    why: str


def plan_experiment(spec: Spec) -> Row:
    """Plan the experiment as the document and requirements.md tell it; what nobody has decided is None."""
    experiment = spec.experiment
    metric = experiment.primary_metric
    missing = list(_missing(metric))
    sample = None if missing else _sample(spec)
    return {
        "hypothesis": experiment.hypothesis,
        "belief": parse_belief(experiment.hypothesis),
        "metric": metric.name,
        "target": metric.target.text,
        "relative": metric.target.kind == "relative",
        "kind": metric.kind,
        "baseline": metric.baseline.text if metric.baseline else None,
        "deviation": metric.standard_deviation.text if metric.standard_deviation else None,
        "treatment": experiment.assignment.treatment.text,
        "control": Share(1 - experiment.assignment.treatment.ratio).text,
        "unit": experiment.assignment.unit,
        "units": f"{experiment.assignment.unit}s",
        "method": _METHODS[experiment.assignment.method],
        "flag": _flag(spec) if experiment.assignment.method == "feature-flag" else None,
        "split": _split(spec, sample) if experiment.assignment.method == "traffic-split" else None,
        "indicators": list(experiment.leading_indicators),
        "guardrails": list(experiment.guardrails),
        "decisions": [_decision(spec, decision) for decision in experiment.decisions],
        "eligible": experiment.eligible_per_day,
        "significance": experiment.significance.text,
        "power": experiment.power.text,
        "watched": experiment.monitoring is not None,
        "infrastructure": list(_infrastructure(spec)),
        "rollback": [criterion_text(criterion) for criterion in spec.rollback.criteria],
        "missing": missing,
        "sample": sample,
    }


def _flag(spec: Spec) -> Row:
    """Plan the flag that assigns: its arms have whole weights, of 100 together or of the next power of ten."""
    slug = spec.feature.slug
    exponent = spec.experiment.assignment.treatment.ratio.normalize().as_tuple().exponent
    total = 10 ** max(2, -int(exponent))
    treatment = int(spec.experiment.assignment.treatment.ratio * total)
    return {
        "key": slug,
        "config_map": f"{slug}-flags",
        "folder": FLAGS_FOLDER,
        "total": total,
        "arms": [{"name": "control", "weight": total - treatment}, {"name": "treatment", "weight": treatment}],
        "services": [service.name for service in spec.services if asks_flag(spec, service)],
    }


def _split(spec: Spec, sample: Row | None) -> Row:
    """Plan the split of requests: the files in which the routes have the treatment's share, none where none has.

    ``leaves`` is the time after which a release leaves that step, where the experiment takes longer.
    """
    share = spec.experiment.assignment.treatment
    served = [service.name for service in spec.services if service.kind != "worker"]
    if not served or all(step.ratio != share.ratio for step in spec.delivery.steps):
        return {"paths": [], "leaves": None}
    time = sample["time"] if sample else None
    short = time and spec.delivery.pause.seconds < time["length"] * _DAY
    leaves = spec.delivery.pause.words if short else None
    if spec.platform.rollout == "argo-rollouts":
        return {"paths": [f"overlays/production/{name}-steps.yml" for name in served], "leaves": leaves}
    return {"paths": [f"delivery/traffic/green-{int(share.ratio * 100):03d}.yml"], "leaves": leaves}


def _decision(spec: Spec, decision: Decision) -> Row:
    """Give a criterion with a deadline its day, where the sprint's first one is known, and its owner."""
    days, starts = ceil(decision.after.seconds / _DAY), spec.sprint.starts
    return {
        "what": decision.what,
        "after": decision.after.words,
        "span": decision.after.text,
        "on": day(starts + timedelta(days)) if starts and days <= (date.max - starts).days else None,
        "owner": decision.owner or spec.feature.engineer,
    }


def _sample(spec: Spec) -> Row:
    from devops_tasks.plan.sample import plan_sample

    return plan_sample(spec)


def _missing(metric: PrimaryMetric) -> Iterator[str]:
    """Name the keys without which no sample size can be computed."""
    if metric.kind is None:
        yield f"{_METRIC}.kind"
    if metric.baseline is None:
        yield f"{_METRIC}.baseline"
    if metric.kind in {"mean", "count"} and metric.standard_deviation is None:
        yield f"{_METRIC}.standard_deviation"


def parse_belief(hypothesis: str) -> Belief | None:
    """Tell the parts of *We believe that (who) will (do what) because (why)* apart; None for any other form."""
    words = " ".join(hypothesis.split()).removesuffix(".")
    opening = re.match(r"we believe (?:that )?", words, re.IGNORECASE)
    who, rest = _parted(words[opening.end() :] if opening else "", " will ")
    what, why = _parted(rest, " because ")
    return {"who": who, "what": what, "why": why} if who and what and why else None


def _parted(text: str, word: str) -> tuple[str, str]:
    parts = re.split(word, text, maxsplit=1, flags=re.IGNORECASE)
    return (parts[0].strip(), parts[1].strip()) if len(parts) > 1 else ("", "")


def _infrastructure(spec: Spec) -> Iterator[str]:
    assignment = spec.experiment.assignment
    yield f"A/B assignment of {assignment.treatment.text} of {assignment.unit}s by {_METHODS[assignment.method]}"
    yield from plan_scale(spec)
    yield from spec.experiment.infrastructure


def plan_scale(spec: Spec) -> Iterator[str]:
    """Say how many requests the services take."""
    for service in spec.services:
        if service.requests_per_second:
            yield f"{service.requests_per_second} requests per second of {service.name}"
