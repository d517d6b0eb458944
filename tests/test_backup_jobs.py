"""The alerts on jobs that make backups and prove them: from when on, for which databases, and what else is loaded."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import yaml

from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files
from tests.bundles import load_text, render_bundle
from tests.specs import MINIMAL

JOBS = "devops_tasks.plan.backup_jobs"


def bundle(databases: str) -> Files:
    return render_bundle(load_text(f"{MINIMAL}databases: [{databases}]\n"))


def alerts(files: Files) -> dict[str, dict[str, Any]]:
    groups = yaml.load(files["monitoring/alert-rules.yml"], yaml.CSafeLoader)["groups"]
    return {rule["alert"]: rule for group in groups if group["name"].endswith(".backups") for rule in group["rules"]}


@pytest.mark.parametrize(
    ("backup", "seconds"),
    [
        ("{every: 6h}", 9 * 3600 + 300),
        ("{every: 1h, lose_at_most: 1h}", 5400 + 300),
        ("{every: 1h, lose_at_most: 6h}", 6 * 3600),
        ("{every: 1d, lose_at_most: 1h}", 36 * 3600 + 300),
    ],
)
def test_a_backup_is_overdue_when_one_was_missed_and_more_may_be_lost_than_was_agreed(
    backup: str, seconds: int
) -> None:
    found = alerts(bundle(f"{{name: d, hosting: in-cluster, backup: {backup}}}"))
    assert found["DBackupOverdue"]["expr"].endswith(f'cronjob="d-backup"}} > {seconds}')
    assert found["DBackupOverdue"]["labels"]["severity"] == "critical"


def test_a_verification_is_overdue_in_whole_hours_after_a_day_and_all_the_time_that_it_may_take() -> None:
    found = alerts(bundle("{name: d, hosting: in-cluster, backup: {restore_within: 2h}}"))
    assert found["DVerificationOverdue"]["expr"].endswith(f'cronjob="d-verify"}} > {(24 + 1 + 2 + 1) * 3600}')
    others = {rule["labels"]["severity"] for name, rule in found.items() if name != "DBackupOverdue"}
    assert others == {"warning"}


def test_each_database_in_the_cluster_has_its_alerts_and_a_managed_one_none() -> None:
    files = bundle("{name: a, hosting: in-cluster}, {name: b}, {name: c, hosting: in-cluster}")
    names = [f"{name}{what}" for name in "AC" for what in
             ("BackupOverdue", "BackupFailed", "VerificationOverdue", "VerificationFailed")]  # fmt: skip
    assert list(alerts(files)) == names
    for name in names:
        assert f"](runbooks/alerts/{name}.md)" in files["tasks.md"]


def test_the_rows_of_the_metrics_table_are_those_of_a_managed_database() -> None:
    rows = [
        plan_bundle(load_text(f"{MINIMAL}databases: [{{name: d, hosting: {hosting}}}]\n").spec)["metric_rows"]
        for hosting in ("managed", "in-cluster")
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(("hosting", "loaded"), [("managed", False), ("in-cluster", True)])
def test_nothing_of_them_is_loaded_where_there_are_no_such_jobs(
    hosting: str,
    loaded: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (JOBS, "devops_tasks.metrics.jobs"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    plan_bundle(load_text(f"{MINIMAL}databases: [{{name: d, hosting: {hosting}}}]\n").spec)
    assert (JOBS in sys.modules) == loaded


@pytest.mark.parametrize(("hosting", "kept"), [("managed", False), ("in-cluster", True)])
def test_prometheus_keeps_what_tells_of_jobs_where_there_are_some(hosting: str, kept: bool) -> None:  # noqa: FBT001
    config = bundle(f"{{name: d, hosting: {hosting}}}")["monitoring/prometheus-config.yml"]
    assert ("kube_cronjob_(created|status_last_successful_time)|kube_job_(failed|status_start_time)" in config) == kept
