"""A real Alertmanager runs a bundle's configuration: alerts reach their receiver, once, readable, and are taken back.

Changed are only: the folder of the secrets, the address of the pager's own service, and the times, of which a second
stands for two minutes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from devops_tasks.units import parse_duration
from tests import tools
from tests.bundles import EXAMPLES, example
from tests.servers import Call, Web, ask, running, until

pytestmark = pytest.mark.real

SECRETS = "/etc/alertmanager/secrets/"
SECRET = {"chat-webhook-url": "http://{address}/chat", "pagerduty-routing-key": "key", "opsgenie-api-key": "key"}
DEFAULT_TIMES = {"group_wait": "30s", "group_interval": "5m"}
TEAM_ROUTES = {"critical": "on-call", "warning": "team-channel", "info": "team-channel"}


def rules_of(files: dict[str, str]) -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(files["monitoring/alert-rules.yml"])["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


# Routes; that of every alert of a bundle is tested in `test_monitoring`


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_criterion_pages_whatever_its_severity_and_nobody_else_s_alert_does(name: str, tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(example(name)["monitoring/alertmanager.yml"], "utf-8")
    team = next(iter(rules_of(example(name)).values()))["labels"]["team"]
    assert "did not match" in tools.amtool_verify_route(path, {"team": team, "severity": "critical"}, ["team-channel"])
    for severity, guardrail, whose in product((*TEAM_ROUTES, ""), ("rollback", ""), (team, "another-team", "")):
        labels = {"alertname": "Some", "severity": severity, "guardrail": guardrail, "team": whose}
        own = "on-call" if guardrail else TEAM_ROUTES.get(severity, "team-channel")
        wanted = own if whose == team else "team-channel"
        assert tools.amtool_verify_route(path, {name: text for name, text in labels.items() if text}, [wanted]) == ""


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_secret_stands_in_the_configuration(name: str) -> None:
    config = yaml.safe_load(example(name)["monitoring/alertmanager.yml"])
    blocks = [
        block
        for receiver in config["receivers"]
        for key, configs in receiver.items()
        if key.endswith("_configs")
        for block in configs
    ]
    files = [path for block in blocks for key, path in block.items() if key.endswith("_file")]
    assert {Path(path).parent.as_posix() for path in files} == {SECRETS.rstrip("/")}
    assert all(f"- `{path}`" in example(name)["monitoring/README.md"] for path in files)
    assert not [key for block in blocks for key in block if re.search(r"(key|token|secret|password|api_url)$", key)]


# The real thing


def quicker(node: object, key: str = "") -> Any:  # noqa: ANN401 - YAML
    """Make a second of two minutes wherever a time stands."""
    if isinstance(node, dict):
        return {name: quicker(value, name) for name, value in node.items()}
    if isinstance(node, list):
        return [quicker(item) for item in node]
    if key in {"group_wait", "group_interval", "repeat_interval"}:
        return f"{int(Fraction(parse_duration(str(node)).seconds) * 1000 / 120)}ms"
    return node


class Town:
    """A running Alertmanager, and all that its receivers were told."""

    def __init__(self, name: str, assignments: list[str], folder: Path, mailbox: Web, calls: list[Call]) -> None:
        self.calls, self.folder = calls, folder
        files = example(name, *(text.format(address=mailbox.address) for text in assignments))
        self.rules = rules_of(files)
        text = files["monitoring/alertmanager.yml"].replace(SECRETS, f"{folder}/")
        service = f"http://{mailbox.address}/service"
        written = yaml.safe_load(text)
        written["route"] = DEFAULT_TIMES | written["route"]
        config = quicker(written) | {"global": {"pagerduty_url": service, "opsgenie_api_url": service}}
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(config), "utf-8")
        for file, content in SECRET.items():
            (folder / file).write_text(content.format(address=mailbox.address), "utf-8")
        self.address = ""

    def post(self, alert: str, *, over: bool = False, **labels: str) -> None:
        """Say of an alert of the bundle that it fires, or that it is over; the numbers in its texts are invented."""
        rule = self.rules[alert]
        numbers = {key: re.sub(r"{{.*?}}", labels.get("pod", "7%"), text) for key, text in rule["annotations"].items()}
        self.post_any({"alertname": alert, **rule["labels"], **labels}, numbers, over=over)

    def post_any(self, labels: dict[str, str], annotations: dict[str, str], *, over: bool = False) -> None:
        alert: dict[str, Any] = {"labels": labels, "annotations": annotations}
        if over:
            alert["endsAt"] = datetime.now(UTC).isoformat()
        ask(self.address, "/api/v2/alerts", [alert])

    def told(self, where: str) -> list[Any]:
        return [json.loads(call.body) for call in self.calls if call.path.startswith(where)]

    def chat(self) -> list[tuple[str, str]]:
        """Give the title and the text of each message in the channel."""
        messages = [message["attachments"][0] for message in self.told("/chat")]
        return [(message["title"], message["text"]) for message in messages]

    def titles(self) -> list[str]:
        return [title for title, _ in self.chat()]

    def waits_for(self, wanted: Callable[[], object]) -> None:
        until(wanted, lambda: [*self.calls, (self.folder / "prometheus-alertmanager.log").read_text("utf-8")])


@contextmanager
def town(name: str, *assignments: str) -> Iterator[Town]:
    calls: list[Call] = []

    def listen(call: Call) -> str:
        calls.append(call)
        return "{}"

    mailbox = Web(listen)
    try:
        with tools.unprivileged_folder() as folder:
            found = Town(name, list(assignments), folder, mailbox, calls)
            arguments = ["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="]
            with running("prometheus-alertmanager", arguments, folder) as found.address:
                yield found
    finally:
        mailbox.stop()


HEARTBEAT = "monitoring.heartbeat=http://{address}/heartbeat"
PAGERS = {
    "pagerduty": ("saved-reports", []),
    "opsgenie": ("checkout", []),
    "webhook": ("minimal", ["contacts.pager=webhook", "contacts.webhook=http://{address}/service"]),
}
OVER = {"pagerduty": '"event_action":"resolve"', "opsgenie": "/close?", "webhook": '"status":"resolved"'}
ROLLBACK = {
    "saved-reports": "FeatureApiRollbackErrorRatio",
    "checkout": "CheckoutApiRollbackErrorRatio",
    "minimal": "SavedReportsApiRollbackErrorRatio",
}


@pytest.mark.parametrize("pager", PAGERS)
def test_a_page_says_what_is_wrong_where_to_read_on_and_when_it_is_over(pager: str) -> None:
    name, assignments = PAGERS[pager]
    with town(name, HEARTBEAT, *assignments) as there:
        alert = ROLLBACK[name]
        there.post(alert, colour="green")
        there.waits_for(lambda: there.told("/service") and there.chat())
        page = json.dumps(there.told("/service")[0])
        annotations = there.rules[alert]["annotations"]
        for text in (annotations["summary"], annotations["runbook_url"], annotations["dashboard_url"], "green"):
            assert text in page
        [(title, text)] = there.chat()
        assert title == annotations["summary"]
        said = "7% of the requests to 7% failed in the last 5 minutes."
        assert text.splitlines() == [f"{said} {annotations['runbook_url']} {annotations['dashboard_url']}"]
        there.post(alert, over=True, colour="green")
        there.waits_for(lambda: len(there.told("/service")) > 1 and len(there.chat()) > 1)
        last = [call for call in there.calls if call.path.startswith("/service")][-1]
        assert OVER[pager] in f"{last.path} {last.body.decode()}"
        assert there.chat()[-1][0] == f"Resolved: {title}"
        assert there.chat()[-1][1].startswith("Resolved: 7% of")


def test_alerts_are_grouped_held_back_and_taken_back_as_the_document_says() -> None:
    with town("saved-reports", HEARTBEAT) as there:
        there.post("SavedReportsWatchdog")
        there.post("FeatureApiRollbackErrorRatio", colour="green")
        there.post("FeatureApiErrorRatioHigh")
        there.post("FeatureApiMemoryUtilizationHigh", pod="a")
        there.post("FeatureApiMemoryUtilizationHigh", pod="b")
        there.post("FeaturesDbConnectionsHigh")
        there.post_any({"alertname": "NodeDown", "severity": "critical"}, {"summary": "A node is down."})
        there.post_any({"alertname": "DiskFull", "severity": "warning"}, {"summary": "A disk is full."})
        there.waits_for(lambda: len(there.chat()) == 5)
        memory, rollback, errors, database = (
            there.rules[name]["annotations"]["summary"]
            for name in ("FeatureApiMemoryUtilizationHigh", "FeatureApiRollbackErrorRatio", "FeatureApiErrorRatioHigh",
                         "FeaturesDbConnectionsHigh")
        )  # fmt: skip
        # Two pods are one message; of one metric the criterion speaks alone; nobody else's alert holds back another's.
        assert sorted(there.titles()) == sorted([memory, rollback, database, "A node is down.", "A disk is full."])
        assert [text.split()[0] for text in dict(there.chat())[memory].splitlines()] == ["a", "b"]
        assert len(there.told("/service")) == 1

        there.post("FeatureApiMemoryUtilizationHigh", over=True, pod="a")
        there.post("FeatureApiRollbackErrorRatio", over=True, colour="green")
        there.waits_for(lambda: len(there.chat()) == 8)
        # The other alert of the metric is heard at last; what is over is told apart from what is not.
        assert sorted(there.titles()[5:]) == sorted([memory, f"Resolved: {rollback}", errors])
        assert [text.split()[:2] for text in dict(there.chat()[5:])[memory].splitlines()] == [
            ["Resolved:", "a"],
            ["b", "uses"],
        ]
        # A service that nobody scrapes has no other news; its database has.
        there.post("FeatureApiTargetsMissing")
        there.waits_for(lambda: len(there.chat()) == 9)
        there.post("FeatureApiMemoryUtilizationHigh", pod="c")
        there.post("FeatureApiCpuUtilizationHigh")
        there.post("FeaturesDbConnectionsHigh", over=True)
        there.waits_for(lambda: f"Resolved: {database}" in there.titles())
        quiet = {"FeatureApiMemoryUtilizationHigh", "FeatureApiCpuUtilizationHigh", "FeatureApiErrorRatioHigh"}
        alerts = ask(there.address, "/api/v2/alerts?inhibited=true&active=false")
        assert {alert["labels"]["alertname"] for alert in alerts} == quiet
        assert len(there.chat()) == 10

        # The heartbeat comes again and again, and never says that it is over.
        there.waits_for(lambda: len(there.told("/heartbeat")) >= 3)
        assert {beat["status"] for beat in there.told("/heartbeat")} == {"firing"}
        assert {alert["labels"]["alertname"] for beat in there.told("/heartbeat") for alert in beat["alerts"]} == {
            "SavedReportsWatchdog"
        }
        assert not any("Watchdog" in text for text in map(json.dumps, there.told("/chat")))
