"""What the feature may cost, and who is warned before it does."""

from typing import TypedDict

from devops_tasks.plan import undecided
from devops_tasks.spec import Spec
from devops_tasks.units import Money, plain


class Budget(TypedDict):
    """What a month may cost; ``amount`` is a number as text."""

    text: str
    amount: str
    currency: str


class Notice(TypedDict):
    """One warning before or when the budget is spent."""

    type: str
    percent: int
    words: str


class Tag(TypedDict):
    """One tag that costs are counted by."""

    name: str
    value: str


class Cost(TypedDict):
    """What the cost templates print; ``file`` is None where nothing watches the budget."""

    budget: Budget | None
    notify: str | None
    notify_literal: str
    application: str
    tags: list[Tag]
    warnings: list[Notice]
    file: str | None


class Plan(TypedDict):
    """What this module adds to the plan."""

    cost: Cost


_WARNINGS: tuple[Notice, ...] = (
    {"type": "FORECASTED", "percent": 100, "words": "The month is on its way to more than the budget."},
    {"type": "ACTUAL", "percent": 80, "words": "Four fifths are spent."},
    {"type": "ACTUAL", "percent": 100, "words": "The budget is spent."},
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
            "warnings": list(_WARNINGS),
            "file": "cost/budget-alerts.yml" if watched else None,
        }
    }


def _budget(budget: Money) -> Budget:
    return {"text": budget.text, "amount": plain(budget.amount), "currency": budget.currency}
