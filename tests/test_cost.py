"""Cost: a budget that warns somebody, or no file at all; totals that are sums."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files
from tests.bundles import load_text, render_bundle
from tests.specs import MINIMAL

PATH = "cost/budget-alerts.yml"


def bundle(cost: str, cloud: str = "aws") -> Files:
    return render_bundle(load_text(f"{MINIMAL}cost: {cost}\nplatform: {{cloud: {cloud}}}\n"))


def budget(cost: str) -> dict[str, Any]:
    properties: dict[str, Any] = yaml.safe_load(bundle(cost)[PATH])["Resources"]["Budget"]["Properties"]
    return properties


def test_a_budget_warns_before_and_when_it_is_spent() -> None:
    properties = budget("{budget: 1000.50 USD, notify: devops@example.com}")
    assert properties["Budget"]["BudgetLimit"] == {"Amount": 1000.5, "Unit": "USD"}
    assert properties["Budget"]["CostFilters"] == {"TagKeyValue": ["user:Application$saved-reports"]}
    warnings = [
        (item["Notification"]["NotificationType"], item["Notification"]["Threshold"])
        for item in properties["NotificationsWithSubscribers"]
    ]
    assert warnings == [("FORECASTED", 100), ("ACTUAL", 80), ("ACTUAL", 100)]
    for item in properties["NotificationsWithSubscribers"]:
        assert item["Subscribers"] == [{"SubscriptionType": "EMAIL", "Address": "devops@example.com"}]


def test_whom_nobody_decided_to_warn_is_an_address_that_cannot_exist() -> None:
    subscriber = budget("{budget: 10 CNY}")["NotificationsWithSubscribers"][0]["Subscribers"][0]
    assert subscriber["Address"] == "undecided@undecided.invalid"


@pytest.mark.parametrize(
    ("cost", "cloud"), [("{}", "aws"), ("{budget: 10 EUR}", "none")], ids=["no budget", "no cloud"]
)
def test_a_file_that_would_alert_nobody_is_not_written(cost: str, cloud: str) -> None:
    assert not [path for path in bundle(cost, cloud) if path.startswith("cost/")]


def test_where_no_cloud_watches_the_budget_people_are_told_what_to_do_and_from_when() -> None:
    text = MINIMAL.replace('name: "24"', 'name: "24"\n  ends: 2026-12-14')
    cost = "cost: {budget: 1000.50 EUR, notify: devops@example.com}\nplatform: {cloud: none}\n"
    section = render_bundle(load_text(text + cost))["tasks.md"].partition("### Cost Monitoring Alerts\n")[2]
    said = section.partition("\n---")[0]
    assert [line.strip() for line in said.splitlines() if line.strip().startswith("- [ ]")] == [
        (
            "- [ ] What is paid for carries the tags or labels `Environment=production`, `Team=saved-reports`, "
            "`Application=saved-reports`, so that the bill can be told apart"
        ),
        "- [ ] Whoever sends the bill warns devops@example.com, from 2026-12-14 on:",
        "- [ ] The month is on its way to more than the budget. (forecast of 1000.5 EUR)",
        "- [ ] Four fifths are spent. (800.4 EUR)",
        "- [ ] The budget is spent. (1000.5 EUR)",
        (
            "- [ ] Where nobody can warn: devops@example.com compares the bill so far with these amounts on the first "
            "and the fifteenth of each month"
        ),
    ]


@pytest.mark.parametrize(
    ("saves", "total"),
    [
        (["180 USD", "90 USD", "45 USD", "20 USD"], ["335 USD"]),
        (["0.1 USD", "0.2 USD"], ["0.3 USD"]),
        (["1 USD", "2 EUR", "3 USD"], ["4 USD", "2 EUR"]),
        ([], []),
    ],
)
def test_savings_are_added_exactly_and_by_currency(saves: list[str], total: list[str]) -> None:
    rows = ", ".join(f"{{resource: r, current: a, optimized: b, saves: {money}}}" for money in saves)
    plan = plan_bundle(load_text(f"{MINIMAL}cost: {{rightsizing: [{rows}]}}\n").spec)
    assert plan["savings"]["totals"] == total
