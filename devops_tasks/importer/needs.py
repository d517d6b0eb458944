"""What the experiment of a document takes by the document's own numbers, where it has them.

Only a share is computed: a document names no standard deviation. Must not: reading Markdown.
"""

from typing import Any

from devops_tasks.experiment import Proportions, Trial
from devops_tasks.experiment.stated import Needed, plan_needed
from devops_tasks.fields import Tree, fill, shape_at
from devops_tasks.spec import SPEC
from devops_tasks.units import parse_share, parse_target

_PATH = ("experiment",)


def needed_of(answers: dict[str, Tree]) -> Needed | None:
    """Compute what the answers take, with the spec's defaults for the rest; None where a number is missing."""
    shape = shape_at(SPEC, _PATH)
    assert shape is not None  # noqa: S101 - it is a key of the spec
    experiment: dict[str, Any] = fill(shape, answers.get("experiment", {}))
    metric, assignment = experiment.get("primary_metric", {}), experiment["assignment"]
    eligible = experiment.get("eligible_per_day")
    try:
        treated = float(parse_share(assignment["treatment"]).ratio)
        alpha, power = (float(parse_share(experiment[name]).ratio) for name in ("significance", "power"))
        trial = Trial(alpha, power, treated / (1 - treated))
        return plan_needed(_shares(metric["baseline"], metric["target"]), trial, int(eligible) if eligible else None)
    except (KeyError, ValueError, ZeroDivisionError):
        return None


def _shares(baseline: str, target: str) -> Proportions:
    start, goal = parse_share(baseline).ratio, parse_target(target)
    return Proportions(float(start), float(start * (1 + goal.value) if goal.kind == "relative" else goal.value))
