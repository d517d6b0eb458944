"""What the feature may cost, and who is warned before it does."""

from collections.abc import Iterator
from typing import TypedDict

from devops_tasks.plan import undecided
from devops_tasks.plan.commitments import day
from devops_tasks.spec import Spec
from devops_tasks.units import Money, plain


class Budget(TypedDict):
    """What a month may cost; ``amount`` is a number as text."""

    text: str
    amount: str
    currency: str


class Notice(TypedDict):
    """One warning before or when the budget is spent; ``amount`` is the money at which it comes."""

    type: str
    percent: int
    words: str
    amount: str


class Tag(TypedDict):
    """One tag that costs are counted by."""

    name: str
    value: str


class Cost(TypedDict):
    """What the cost templates print; ``file`` is None where people watch the budget, who are told by when to begin."""

    budget: Budget | None
    notify: str | None
    notify_literal: str
    application: str
    tags: list[Tag]
    warnings: list[Notice]
    file: str | None
    by: str | None


class Plan(TypedDict):
    """What this module adds to the plan."""

    cost: Cost


_WARNINGS = (
    ("FORECASTED", 100, "The month is on its way to more than the budget."),
    ("ACTUAL", 80, "Four fifths are spent."),
    ("ACTUAL", 100, "The budget is spent."),
)


def plan_cost(spec: Spec) -> Plan:
    """Plan ``cost``: the budget, its warnings and the tags that costs are counted by."""
    budget = spec.cost.budget
    slug, team = spec.feature.slug, spec.feature.team
    watched = budget is not None and spec.platform.cloud == "aws"
    return {
        "cost": {
            "budget": _budget(budget) if budget else None,
            "notify": spec.cost.notify,
            "notify_literal": spec.cost.notify or f"{undecided.NAME}@{undecided.HOST}",
            "application": slug,
            "tags": [
                {"name": "Environment", "value": "production"},
                {"name": "Team", "value": team},
                {"name": "Application", "value": slug},
            ],
            "warnings": list(_warnings(budget)) if budget else [],
            "file": "cost/budget-alerts.yml" if watched else None,
            "by": day(spec.sprint.ends),
        }
    }


def _warnings(budget: Money) -> Iterator[Notice]:
    for kind, percent, words in _WARNINGS:
        amount = Money(budget.amount * percent / 100, budget.currency)
        yield {"type": kind, "percent": percent, "words": words, "amount": amount.text}


def _budget(budget: Money) -> Budget:
    return {"text": budget.text, "amount": plain(budget.amount), "currency": budget.currency}
