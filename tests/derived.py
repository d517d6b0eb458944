"""What a bundle prints that no key holds but that follows from some: sums, rests and halves, computed anew."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from math import ceil
from typing import Any

from tests.exact import Amount, written

Tree = Any
_POINTS = {
    "DO-001": ("critical", 5),
    "DO-002": ("critical", 4),
    "DO-003": ("critical", 4),
    "DO-004": ("security", 3),
    "DO-005": ("security", 3),
    "DO-006": ("security", 2),
    "DO-007": ("optimization", 2),
    "DO-008": ("optimization", 3),
}
_CONNECTIONS = {"staging": 100, "production": 200}
_MEBIBYTE = 2**20
_HOURS_6 = 21600


def derived(spec: Tree) -> tuple[dict[str, Amount], dict[str, str]]:
    """Compute the numbers and the texts that follow from a spec's values, by what they are."""
    amounts = {
        **_delivery(spec["delivery"], sum("migrate" in service for service in spec["services"])),
        **_analysis(spec),
        **_planning(spec),
        **_savings(spec.get("cost", {})),
        **_windows(spec),
        **_rollbacks(spec),
        **_weights(spec["experiment"].get("assignment", {})),
    }
    for index, database in enumerate(spec["databases"]):
        amounts |= {f"{key} of databases[{index}]": amount for key, amount in _database(database)}
    return amounts, _dates(spec["sprint"]) | _decisions(spec)


def _delivery(delivery: Tree, migrations: int) -> dict[str, Amount]:
    steps = [_value("share", step) for step in delivery["steps"]]
    watched = ceil(_value("duration", delivery.get("pause", "10m")) * len(steps) / 60)
    rests: dict[str, Amount] = {
        f"rest of delivery.steps[{index}]": ("share", 1 - step) for index, step in enumerate(steps)
    }
    minutes = 30 * (1 + migrations) + 2 * watched
    return {
        **rests,
        "half an hour, one for each migration and twice all delivery.pause": ("time", Fraction(60 * minutes)),
    }


def _analysis(spec: Tree) -> dict[str, Amount]:
    """Compute how often and how long Argo Rollouts asks, and for how long a release is followed."""
    if spec["platform"].get("rollout") != "argo-rollouts":
        return {}
    scraped, every = (_value("duration", spec["monitoring"].get(f"{name}_interval", "15s"))
                      for name in ("scrape", "evaluation"))  # fmt: skip
    pause = _value("duration", spec["delivery"].get("pause", "10m"))
    found: dict[str, Amount] = {
        "twenty minutes and twice all delivery.pause": (
            "time", Fraction(1200 + 2 * ceil(pause * len(spec["delivery"]["steps"])))
        ),
        "four times the longer of monitoring.scrape_interval and monitoring.evaluation_interval": (
            "time", 4 * max(scraped, every)
        ),
        "delivery.pause by monitoring.evaluation_interval, and one": ("number", Fraction(ceil(pause / every) + 1)),
    }  # fmt: skip
    for index, criterion in enumerate(spec["rollback"]["criteria"]):
        steps = ceil(_value("duration", criterion["for"]) / every) + 1
        key = f"rollback.criteria[{index}].for by monitoring.evaluation_interval"
        found |= {f"{key}, and one": ("number", Fraction(steps)), f"{key}, and one, of these": ("time", steps * every)}
    return found


def _windows(spec: Tree) -> dict[str, Amount]:
    """Count the requests that a step lets five minutes hold."""
    return {
        f"services[{number}].requests_per_second by delivery.steps[{index}] in five minutes": (
            "number", Fraction(int(int(service["requests_per_second"]) * _value("share", step) * 300))
        )
        for number, service in enumerate(spec["services"]) if "requests_per_second" in service
        for index, step in enumerate(spec["delivery"]["steps"])
    }  # fmt: skip


def _weights(assignment: Tree) -> dict[str, Amount]:
    """Compute the whole weights of both arms: of 100 together, or of the next power of ten."""
    share = _value("share", assignment.get("treatment", "50%"))
    total = next(10**power for power in range(2, 12) if (share * 10**power).denominator == 1)
    return {
        "the weight of experiment.assignment.treatment": ("number", share * total),
        "the rest's weight of experiment.assignment.treatment": ("number", total - share * total),
    }


def _rollbacks(spec: Tree) -> dict[str, Amount]:
    """Add up what passes before a rollback: a scrape, an evaluation, the wait, and a question of the script."""
    monitoring = spec.get("monitoring", {})
    scrape, evaluation = (
        _value("duration", monitoring.get(f"{name}_interval", "15s")) for name in ("scrape", "evaluation")
    )
    return {
        f"rollback.criteria[{index}].for and three intervals": (
            "time", _value("duration", criterion.get("for", "5m")) + scrape + 2 * evaluation
        )
        for index, criterion in enumerate(spec["rollback"]["criteria"])
    }  # fmt: skip


def _planning(spec: Tree) -> dict[str, Amount]:
    points = dict(_POINTS)
    for task in spec.get("tasks", []):
        priority, _ = points.get(task["id"], (task.get("priority", ""), 0))
        points[task["id"]] = (priority, int(task["points"]))
    total = sum(count for _, count in points.values())
    sums = {
        f"sum of tasks[].points, {name}": sum(count for priority, count in points.values() if priority == name)
        for name in ("critical", "security", "optimization")
    }
    sums |= {"sum of tasks[].points": total}
    sums |= {"rest of sprint.capacity": int(spec["sprint"].get("capacity", total)) - total}
    return {name: ("number", Fraction(count)) for name, count in sums.items()}


def _savings(cost: Tree) -> dict[str, Amount]:
    saved = sum((_value("money", row["saves"]) for row in cost.get("rightsizing", [])), Fraction())
    budget = _value("money", cost["budget"]) if "budget" in cost else Fraction()
    return {
        "sum of cost.rightsizing[].saves": ("money", saved),
        "four fifths of cost.budget": ("money", budget * 4 / 5),
    }


def _database(database: Tree) -> list[tuple[str, Amount]]:
    """Compute what PostgreSQL's documentation advises for a memory, and how long a backup may take."""
    every = _value("duration", database.get("backup", {}).get("every", "6h"))
    restore = _value("duration", database.get("backup", {}).get("restore_within", "1h"))
    found: list[tuple[str, Amount]] = [
        ("half of backup.every, at most 6h", ("time", min(every / 2, Fraction(_HOURS_6)))),
        ("backup.every, half of it and five minutes", ("time", every * 3 / 2 + 300)),
        ("backup.restore_within and a quarter of an hour", ("time", restore + 900)),
        ("whole hours of backup.restore_within, a day and five quarters", ("time", _hours(restore + 86400 + 4500))),
    ]
    for environment in ("staging", "production"):
        size = database.get(environment, {})
        if "memory" in size:
            memory = _value("size", size["memory"])
            connections = int(size.get("max_connections", _CONNECTIONS[environment]))
            parts = {
                "quarter": memory / 4,
                "three quarters": memory * 3 / 4,
                "sixteenth, at most 2 Gi,": min(memory / 16, Fraction(2**31)),
                "quarter by max_connections, at least 4 Mi,": max(memory / 4 / connections, Fraction(2**22)),
            }
            found += [(f"{name} of {environment}.memory", ("size", _whole(part))) for name, part in parts.items()]
    return found


def _hours(time: Fraction) -> Fraction:
    return Fraction(ceil(time / 3600) * 3600)


def _whole(size: Fraction) -> Fraction:
    return Fraction(size // _MEBIBYTE * _MEBIBYTE)


def _dates(sprint: Tree) -> dict[str, str]:
    if "ends" not in sprint:
        return {}
    first, last = (date.fromisoformat(sprint[name]) for name in ("starts", "ends"))
    return {"middle of the sprint": (first + (last - first) // 2).isoformat()}


def _value(kind: str, text: str) -> Fraction:
    amount = written(kind, text)
    if amount is None:
        raise ValueError(text)
    return amount[1]


def _decisions(spec: Tree) -> dict[str, str]:
    """Find the day on which each criterion with a deadline is decided."""
    starts = spec["sprint"].get("starts")
    rows = spec["experiment"].get("decisions", []) if starts else []
    spans = [timedelta(days=int(_value("duration", row["after"]) / 86400)) for row in rows]
    return {
        f"sprint.starts and experiment.decisions[{index}].after": (date.fromisoformat(starts) + span).isoformat()
        for index, span in enumerate(spans)
    }
