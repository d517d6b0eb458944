"""The guardrails of an experiment, judged by what was counted of them: worse than control, or over their own limit.

Must not: the primary metric.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from devops_tasks.errors import Problem, UserError, shown
from devops_tasks.experiment.evidence import Effect, Share as Counted, compare_always, compare_shares
from devops_tasks.metrics import parse_threshold
from devops_tasks.metrics.forms import FORMS, GUARD_EVENTS
from devops_tasks.readout.counts import read_pair
from devops_tasks.spec import Criterion, Spec
from devops_tasks.units import Share

_SHARES = ("latency_p95", "error_ratio", "failure_ratio")
"""The metrics whose bad requests can be counted: of a latency those that are slower than its threshold."""
_OF_LIMIT, _OF_CONTROL = 0.25, 0.1
"""What matters: a quarter of what a criterion allows, and where there is no number a tenth of what control does."""


class Limit(NamedTuple):
    """A guardrail by its name; ``most`` is the share of bad ones that it allows, None where it has no number.

    ``matters`` is the difference from control that matters, where the spec says it.
    """

    name: str
    most: float | None = None
    matters: float | None = None


class Guarded(NamedTuple):
    """A guardrail that was counted; ``broken`` says why, "" where it holds."""

    limit: Limit
    control: Counted
    treatment: Counted
    effect: Effect
    broken: str


def limits_of(spec: Spec) -> list[Limit]:
    """Give every guardrail that can be counted: the rollback criteria on shares of requests, and those in words."""
    monitoring = spec.experiment.monitoring
    matters = {"error_ratio": float(monitoring.worse_by.ratio)} if monitoring else {}
    criteria = [
        Limit(each.metric, _most(each), matters.get(each.metric))
        for each in spec.rollback.criteria
        if each.metric in _SHARES and each.above
    ]
    return [*criteria, *(Limit(words) for words in spec.experiment.guardrails)]


def _most(criterion: Criterion) -> float:
    """Give the share of bad requests that a criterion allows: where the limit of its rule is a number, that one."""
    written = parse_threshold(criterion.metric, criterion.above) if criterion.above else None
    return float(written.ratio if isinstance(written, Share) else FORMS[criterion.metric].limit)


def judge_limits(texts: Iterable[str], spec: Spec, planned: int | None) -> list[Guarded]:
    """Judge what was counted of some guardrails, so that every look holds where the planned size is given.

    Raises ``UserError`` for one that the experiment does not have.
    """
    found: dict[str, Guarded] = {}
    limits, significance = limits_of(spec), float(spec.experiment.significance.ratio)
    for text in texts:
        name, control, treatment = read_pair(text)
        limit = _named(name, limits)
        if limit.name in found:
            raise UserError(Problem("--guardrail", f"{shown(limit.name)!r} is there twice", "leave one out", "usage"))
        arms = control, treatment
        effect = compare_always(*arms, significance, planned) if planned else compare_shares(*arms, significance)
        found[limit.name] = Guarded(
            limit, control, treatment, effect, " and ".join(_broken(limit, control, treatment, effect))
        )
    return list(found.values())


def _named(name: str, limits: list[Limit]) -> Limit:
    """Find a guardrail by its name, or by the words that it alone begins with."""
    found = [each for each in limits if each.name == name] or [
        each for each in limits if each.name.casefold().startswith(name.casefold())
    ]
    if len(found) != 1:
        names = ", ".join(repr(shown(each.name)) for each in limits) or "none that can be counted"
        what = f"{name!r} names {'no guardrail' if not found else 'several'}"
        raise UserError(Problem("--guardrail", what, f"this experiment has {names}", "usage"))
    return found[0]


def _broken(limit: Limit, control: Counted, treatment: Counted, effect: Effect) -> Iterator[str]:
    if treatment.successes < int(GUARD_EVENTS):
        return
    usual = limit.most * _OF_LIMIT if limit.most is not None else control.level * _OF_CONTROL
    if effect.low > 0 and effect.difference > (usual if limit.matters is None else limit.matters):
        yield "worse than in control"
    if limit.most is not None and treatment.level > limit.most:
        yield f"over {limit.most * 100:g}%" + (", as is control" if control.level > limit.most else "")
