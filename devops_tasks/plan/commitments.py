"""What people have agreed on: who waits for whom, risks, savings, whom to call, links and dates."""

from datetime import date
from decimal import Decimal
from typing import TypedDict

from devops_tasks.spec import External, Spec
from devops_tasks.units import Money


class Waiting(TypedDict):
    """Somebody who must do something, by a day where one is known."""

    who: str
    what: str
    by: str | None


class Dependencies(TypedDict):
    """Who waits for whom."""

    external: list[Waiting]
    blockers: list[Waiting]
    blocking: list[Waiting]


class Risk(TypedDict):
    """One row of the table of risks."""

    risk: str
    probability: str
    impact: str
    mitigation: str


class Saving(TypedDict):
    """One row of the table of right-sizing."""

    resource: str
    current: str
    optimized: str
    saves: str


class Savings(TypedDict):
    """The table of right-sizing; ``totals`` has one sum for each currency."""

    rows: list[Saving]
    totals: list[str]


class Contacts(TypedDict):
    """Whom to call."""

    on_call: str | None
    channel: str | None
    pager: str | None


class Links(TypedDict):
    """Where related pages are."""

    dashboards: str | None
    diagrams: str | None
    costs: str | None
    security: str | None


class Review(TypedDict):
    """When the document was and will be reviewed."""

    updated: str | None
    next: str | None


def day(value: date | None) -> str | None:
    """Print a date as every file does: ``2026-12-01``."""
    return value.isoformat() if value else None


def plan_savings(spec: Spec) -> Savings:
    """Plan the table of right-sizing, and add up exactly what it saves a month."""
    rows = spec.cost.rightsizing
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row.saves.currency] = sums.get(row.saves.currency, Decimal(0)) + row.saves.amount
    return {
        "rows": [
            {"resource": row.resource, "current": row.current, "optimized": row.optimized, "saves": row.saves.text}
            for row in rows
        ],
        "totals": [Money(amount, currency).text for currency, amount in sums.items()],
    }


def plan_dependencies(spec: Spec) -> Dependencies:
    """Plan who waits for whom."""
    dependencies = spec.dependencies
    return {
        "external": [_waiting(row) for row in dependencies.external],
        "blockers": [_waiting(row) for row in dependencies.blockers],
        "blocking": [_waiting(row) for row in dependencies.blocking],
    }


def _waiting(row: External) -> Waiting:
    return {"who": row.who, "what": row.what, "by": day(row.by)}


def plan_risks(spec: Spec) -> list[Risk]:
    """Plan the table of risks."""
    return [
        {
            "risk": row.risk,
            "probability": row.probability.capitalize(),
            "impact": row.impact.capitalize(),
            "mitigation": row.mitigation,
        }
        for row in spec.risks
    ]


def plan_contacts(spec: Spec) -> Contacts:
    """Plan whom to call."""
    contacts = spec.contacts
    return {"on_call": contacts.on_call, "channel": contacts.channel, "pager": contacts.pager}


def plan_links(spec: Spec) -> Links:
    """Plan the links at the end of the document."""
    links = spec.links
    return {
        "dashboards": links.dashboards,
        "diagrams": links.diagrams,
        "costs": links.costs,
        "security": links.security,
    }


def plan_review(spec: Spec, today: date | None) -> Review:
    """Plan the dates of the document; ``today`` stands in for a day that the spec does not say."""
    return {"updated": day(spec.review.updated or today), "next": day(spec.review.next)}
