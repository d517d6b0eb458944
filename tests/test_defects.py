"""The faults of the document that started the project: none is in what we render, and each is found when put back.

Every row of that list is here or, where the tests beside its subject do the same already, named in ``ELSEWHERE``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from devops_tasks.checks.verdict import Bundle, judge_bundle
from devops_tasks.judge import find_shell
from devops_tasks.plan import plan_bundle
from devops_tasks.plan.architecture import display_width
from devops_tasks.render import Files
from devops_tasks.specfile import Loaded
from tests import tools
from tests.bundles import EXAMPLES, example, load_example, load_text, render_bundle
from tests.test_delivery import idle_sleeps
from tests.test_document import label, section, table_rows
from tests.test_monitoring import ONE, connections, durations, requests, run_rules, scene
from tests.test_recovery import interval_hours, unnamed
from tests.tools import ROOT

CODES = [
    f"{letter}{number}"
    for letter, count in {"T": 13, "P": 8, "N": 8, "S": 3, "H": 5, "C": 1, "R": 8, "D": 9, "Q": 3, "B": 1}.items()
    for number in range(1, count + 1)
]

OVERLAYS = ("tests/test_kubernetes.py::test_a_fault_put_back_is_found",)
DELIVERY = "tests/test_delivery.py::test_"
RECOVERY = "tests/test_recovery.py::test_"
RESTORE = "tests/test_restore.py::test_"
FOUND_IN_RESTORE = f"{RESTORE}a_fault_that_the_document_had_is_found"
ELSEWHERE = {
    **dict.fromkeys(("N1", "N2", "N3", "N4", "N5", "N6", "N7", "N8", "S1", "S2"), OVERLAYS),
    **dict.fromkeys(("H1", "H2", "H3", "H5"), OVERLAYS),
    "H4": (*OVERLAYS, "tests/test_check_command.py::test_what_is_broken_is_found_and_nothing_else"),
    "C1": (*OVERLAYS, "tests/test_cost.py::test_a_budget_warns_before_and_when_it_is_spent"),
    "P5": (
        "tests/test_monitoring.py::test_promtool_finds_nothing_in_the_configuration",
        "tests/test_monitoring.py::test_a_rule_file_of_another_name_is_found",
    ),
    "R2": (
        f"{DELIVERY}a_script_refuses_to_guess_the_cluster",
        f"{DELIVERY}every_call_of_kubectl_says_where_and_ends",
        f"{DELIVERY}a_call_without_its_namespace_is_found",
    ),
    "R3": (
        f"{DELIVERY}a_rollback_to_a_colour_without_pods_is_refused",
        f"{DELIVERY}without_the_refusal_users_would_be_sent_to_nobody",
    ),
    "R4": (f"{DELIVERY}that_nobody_can_be_notified_does_not_change_the_outcome",),
    "R6": (f"{DELIVERY}a_blue_that_answers_errors_is_no_success",),
    "R8": (
        f"{DELIVERY}a_shift_gives_way_to_somebody_else_and_takes_back_what_it_moved",
        f"{DELIVERY}without_the_guard_somebody_else_would_be_overruled",
    ),
    "D1": (f"{RECOVERY}scripts_and_yaml_are_clean", f"{RECOVERY}an_argument_without_quotes_is_found"),
    "D2": (f"{RESTORE}what_cannot_be_restored_is_told_before_anything_is_stopped", FOUND_IN_RESTORE),
    "D3": (f"{RESTORE}a_restore_that_fails_leaves_all_as_it_was", FOUND_IN_RESTORE),
    "D4": (f"{RESTORE}a_restore_stops_all_that_writes_and_starts_it_as_it_was", FOUND_IN_RESTORE),
    "D5": (f"{RESTORE}a_restore_that_fails_leaves_all_as_it_was", FOUND_IN_RESTORE),
    "D6": (f"{RESTORE}an_application_that_does_not_come_back_is_no_success", FOUND_IN_RESTORE),
    "D7": (f"{RESTORE}a_restore_stops_all_that_writes_and_starts_it_as_it_was", FOUND_IN_RESTORE),
    "D8": (
        f"{RESTORE}a_restore_brings_all_back_and_keeps_the_old_data",
        f"{RESTORE}what_cannot_be_restored_is_told_before_anything_is_stopped",
        f"{RESTORE}a_restore_is_confirmed",
        FOUND_IN_RESTORE,
    ),
    "D9": (
        f"{RESTORE}a_restore_that_fails_leaves_all_as_it_was",
        f"{RESTORE}a_restore_tells_the_point_and_the_time_that_it_reached",
        FOUND_IN_RESTORE,
    ),
}
"""Row of the list -> the tests that show both: our output without the fault, and the fault found."""


class Case(NamedTuple):
    """A bundle, faulty or not, and the spec that it was made from."""

    loaded: Loaded
    files: Files


Judge = Callable[[Case], list[str]]
"""Gives what is wrong with a bundle in one respect, a line for each."""


# The judges


def checked(*codes: str) -> Judge:
    """Let `devops-tasks check` look for these kinds of findings."""

    def judge(case: Case) -> list[str]:
        contents = {path: text.encode() for path, text in case.files.items()}
        bundle = Bundle(case.loaded.spec, case.loaded.tree, plan_bundle(case.loaded.spec), contents)
        problems = judge_bundle(bundle, lambda path: is_there(case.files, path), find_shell()).problems
        return [str(problem) for problem in problems if problem.code in codes]

    return judge


def is_there(files: Files, path: str) -> bool:
    return path in files or any(other.startswith(f"{path.rstrip('/')}/") for other in files)


def rows_under(case: Case, heading: str) -> list[list[str]]:
    rows = table_rows(section(case.files["tasks.md"], heading))[2:]
    return [[cell.strip() for cell in row] for row in rows]


def unexplained_levels(case: Case) -> list[str]:
    """Find rollback levels that no row sets against an alert's, saying which acts first."""
    rows = rows_under(case, "Rollback Procedures")
    criteria = re.findall(r"(?:above|below) [^;]+", label(case.files["tasks.md"], "Rollback Criteria"))
    told = {row[3] for row in rows if row[2] and re.match(r"Alert|Rollback|Both", row[4])}
    return [level for level in criteria if level not in told]


def other_hypothesis(case: Case) -> list[str]:
    said = label(case.files["tasks.md"], "Hypothesis Being Tested")
    return [] if said == case.loaded.spec.experiment.hypothesis else [said]


def other_engineer(case: Case) -> list[str]:
    said = label(case.files["tasks.md"], "Engineer")
    return [] if said == case.loaded.spec.feature.engineer else [said]


def other_owners_of_traffic(case: Case) -> list[str]:
    """Find what the scripts of a release change besides routes and sizes."""
    changes = r'"\$\{kube\[@\]\}" (?:apply|delete|edit|label|patch|replace|set) (\S+)'
    return [
        f"{path}: {kind}"
        for path, text in case.files.items()
        if path.startswith("delivery/") and path.endswith(".sh")
        for kind in re.findall(changes, text)
        if kind not in {"httproute", '"${scaler}"'}
    ]


def drawing(case: Case) -> list[str]:
    found = re.search(r"### Production Environment\n\n```text\n(.*?)```", case.files["tasks.md"], re.DOTALL)
    assert found
    return found[1].splitlines()


def uneven_boxes(case: Case) -> list[str]:
    lines = [line for line in drawing(case) if line[0] in "┌├└│"]
    return [line for line in lines if display_width(line) != display_width(lines[0])]


def other_pods(case: Case) -> list[str]:
    """Find numbers of pods in the picture that are not those of the table."""
    rows = {row[0].strip("*").partition(" ")[0]: row for row in rows_under(case, "Resource Requirements")}
    found = []
    for line in drawing(case):
        pods = re.search(r"([a-z0-9-]+): .*?(?:(\d+) to )?(\d+) pods", line)
        if pods:
            least, most = pods[2] or pods[3], pods[3]
            scaling = f"HPA: {least}-{most} pods" if pods[2] else "By hand"
            row = rows[pods[1]]
            found += [] if row[2].startswith(f"{least} x ") and row[3] == scaling else [line]
    return found


def units_of_shops(case: Case) -> list[str]:
    """Find sizes in units that Kubernetes does not have, and words in the place of a quantity."""
    cells = [cell for row in rows_under(case, "Resource Requirements") for cell in row]
    found = [cell for cell in cells if re.search(r"\d\s?[GM]B\b|\bRAM\b|Auto-scaling", cell)]
    decided = any(cache.production.cluster for cache in case.loaded.spec.caches)
    return found + [cell for cell in cells if "Cluster mode" in cell and not decided]


def rules_of(case: Case) -> list[dict[str, Any]]:
    groups = yaml.safe_load(case.files["monitoring/alert-rules.yml"])["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def unwatched_rows(case: Case) -> list[str]:
    """Find rows of the metrics table without a rule, a test or a runbook."""
    alerts = {rule["alert"] for rule in rules_of(case)}
    tested = case.files["monitoring/alert-rules.test.yml"]
    found = []
    for row in rows_under(case, "Key Metrics to Monitor"):
        link = re.fullmatch(r"\[(\w+)\]\((\S+)\)", row[5])
        if link and not (link[1] in alerts and f"alertname: {link[1]}\n" in tested and link[2] in case.files):
            found.append(link[1])
        elif not link and row[5] != "*needs instrumentation*":
            found.append(row[1])
    return found


def wrong_savings(case: Case) -> list[str]:
    """Find a total that is not the sum of its rows, and sizes that nobody sells: m5 and r5 begin at large."""
    rows = rows_under(case, "Resource Right-sizing")
    if not rows:
        return []
    text = " ".join(cell for row in rows for cell in row)
    total = sum(Decimal(row[3].split()[0]) for row in rows[:-1])
    wrong = [] if rows[-1][3].strip("*").split()[0] == str(total) else [rows[-1][3]]
    return wrong + re.findall(r"\b\S*[mr]5\.(?:nano|micro|small|medium)", text)


def unautomated(case: Case) -> list[str]:
    """Find tasks that are said to be automated without anything in the bundle that does them."""
    does = {
        "Backup verification": "disaster-recovery/backup-verification.yml" in case.files,
        "Certificate renewal": any("\nkind: Certificate\n" in text for text in case.files.values()),
    }
    rows = rows_under(case, "Common Operational Tasks")
    return [row[0] for row in rows if row[2] == "fully automated" and not does.get(row[0].strip("*"))]


def unroutable(case: Case) -> list[str]:
    """Find alerts that cannot be routed, or that lead nowhere at night."""
    if not (yaml.safe_load(case.files.get("monitoring/alertmanager.yml", "")) or {}).get("route", {}).get("receiver"):
        return ["no route"]
    return [
        f"{rule['alert']}: {name}"
        for rule in rules_of(case)
        for part, names in (("labels", ("severity", "team")), ("annotations", ("runbook_url", "dashboard_url")))
        for name in names
        if not rule.get(part, {}).get(name)
    ]


def between_buckets(case: Case) -> list[str]:
    """Find thresholds of latency for which the document asks for no bucket."""
    asked = re.findall(r"\*\*(.*?):\*\* the histogram [^\s,]+ with a bucket at each of (.*)", case.files["tasks.md"])
    buckets = {(name, each) for names, all_of in asked for name in names.split(", ") for each in all_of.split(", ")}
    seconds = {(name, seconds_of(each)) for name, each in buckets}
    used = re.findall(r'job="([^"]+)",threshold="([^"]+)"', case.files["monitoring/alert-rules.yml"])
    return [f"{name}: {threshold}" for name, threshold in used if (name, Decimal(threshold)) not in seconds]


def seconds_of(duration: str) -> Decimal:
    return Decimal(duration[:-2]) / 1000 if duration.endswith("ms") else Decimal(duration[:-1])


def applied_by_the_client(case: Case) -> list[str]:
    """Find commands that apply without the server: each would keep a copy of what it applied in an annotation."""
    command = r"(?:kubectl|\"\$\{kube\[@\]\}\")(?: [^\n`|;]*)? apply(?= [^\n`]*-)[^\n`]*"
    return [
        f"{path}: {found}"
        for path, text in case.files.items()
        for found in re.findall(command, text.replace("\\\n", " "))
        if "--server-side" not in found
    ]


def sleeps(case: Case) -> list[str]:
    return [line for path, text in case.files.items() if path.endswith(".sh") for line in idle_sleeps(text)]


def tuning(case: Case) -> dict[str, str]:
    return {path: text for path, text in case.files.items() if path.startswith("database/")}


def unsaid_restarts(case: Case) -> list[str]:
    """Find settings that a reload does not apply and no comment says so."""
    comments = (re.findall(r"^\s*(?:--|#).*", text, re.MULTILINE) for text in tuning(case).values())
    return [name for lines in comments for name in unnamed(" ".join(lines))]


SIZES = {"kB": 2**10, "MB": 2**20, "GB": 2**30, "Mi": 2**20, "Gi": 2**30, "": 8 * 2**10}
"""Units of a server's memory and of its settings; a bare number counts pages."""


def bytes_of(text: str) -> int:
    found = re.fullmatch(r"(\d+)(\D*)", text)
    assert found
    return int(found[1]) * SIZES[found[2]]


def unsized(case: Case) -> list[str]:
    """Find servers whose shared buffers are not about a quarter of their memory."""
    block = r"(?s)(?:--|#) [^\n]*?(\d+[GM]i), \d+ CPU.*?shared_buffers(?: = |: )['\"](\w+)"
    found = [pair for text in tuning(case).values() for pair in re.findall(block, text)]
    return [f"{share} of {memory}" for memory, share in found if not 0.2 < bytes_of(share) / bytes_of(memory) < 0.3]


def altered_managed_servers(case: Case) -> list[str]:
    """Find `ALTER SYSTEM` for a server that refuses it."""
    own = {database.name for database in case.loaded.spec.databases if database.hosting == "in-cluster"}
    altering = [text for text in tuning(case).values() if "ALTER SYSTEM SET" in text]
    servers = [re.findall(r"'([^'/]+)/\w+' AS this", text) or ["any"] for text in altering]
    return [name for names in servers for name in names if name not in own]


def unmade_backups(case: Case) -> list[str]:
    """Find rows of the backup table that nothing provides, or that what makes them does at another interval."""
    rows = rows_under(case, "Backup Strategy")
    made = case.files.get("disaster-recovery/backup.yml", "")
    schedules = re.findall(r'(?:Vault: !Ref Vault\n +ScheduleExpression: "cron\(|schedule: ")([^)"]+)', made)
    wanted = [each for row in rows for each in intervals(row)]
    missing = [row[0] for row in rows if not row[4]]
    return missing + ([] if wanted == [interval_hours(each) for each in schedules] else [f"{wanted} by {schedules}"])


def intervals(row: list[str]) -> Iterator[float]:
    """Give the hours between two backups of a database."""
    found = re.fullmatch(r"Every (?:(\d+) )?(hour|day)s?", row[1])
    if found:
        yield int(found[1] or 1) * {"hour": 1, "day": 24}[found[2]]


# The faults, put back


class Fault(NamedTuple):
    """A fault put back into a file of a bundle: what a pattern matches becomes something else, or the file goes."""

    row: str
    bundle: str
    path: str
    pattern: str
    replacement: str | None
    judge: Judge


S, C, M, H = "saved-reports", "checkout", "minimal", "by hand"
BY_HAND = (M, "platform.secrets=manual", "caches=[{name: cache, production: {cluster: false}}]")
BUNDLES = {name: (name,) for name in EXAMPLES} | {H: BY_HAND}
DOCUMENT, ALERTS = "tasks.md", "monitoring/alert-rules.yml"
ROLLBACK = "delivery/rollback.sh"
PATCH = r'patch httproute "\$\{service\}" --type json'
PATCH_OF_SERVICE = 'patch service "${service}" --type merge'

FAULTS = (
    Fault("T1 the total is left to the reader", S, DOCUMENT, r"(Total Story Points:\*\*) .*",
          r"\1 *[Sum of all tasks]*", checked("placeholder")),
    Fault("T1 the total is typed by hand", C, DOCUMENT, r"(Total Story Points:\*\*) 29", r"\1 26",
          checked("wrong-total")),
    Fault("T2 two levels and no word on them", S, DOCUMENT, r"\| \*\*[^|]*\*\* \|[^\n]* (Alert|Rollback) \|\n", "",
          unexplained_levels),
    Fault("T2 the document has another level than the spec", S, DOCUMENT, r"(Roll back as.*?above) 500ms", r"\1 400ms",
          unexplained_levels),
    Fault("T2 an alert that comes after the rollback", M, ALERTS, r'threshold="0\.2"\} > 0\.05',
          'threshold="0.5"} > 0.05', checked("alert-after-rollback")),
    Fault("T3 the hypothesis is copied by hand", S, DOCUMENT, r"(Being Tested:\*\*) .*",
          r"\1 We believe that users buy", other_hypothesis),
    Fault("T4 a split without weights", S, "delivery/traffic/green-010.yml", r" +weight: \d+\n", "",
          checked("traffic-step")),
    Fault("T4 a split by a selector", S, "delivery/shift-traffic.sh", PATCH, PATCH_OF_SERVICE, other_owners_of_traffic),
    Fault("T5 unequal widths", C, DOCUMENT, r"│( +)Data Tier", r"│ \1Data Tier", uneven_boxes),
    Fault("T5 a picture that the table contradicts", C, DOCUMENT, r"API, 4 to 16 pods  ", "API, 3 to 16 pods  ",
          other_pods),
    Fault("T6 sizes in another unit", S, DOCUMENT, r"(\d x \S+ CPU, \d)Gi", r"\1GB RAM", units_of_shops),
    Fault("T6 a mode that nobody decided", H, DOCUMENT, r"(\*\*cache \(Redis\)\*\*.*\|) [^|\n]+ \|",
          r"\1 Cluster mode |", units_of_shops),
    Fault("T6 a word in the place of a quantity", M, DOCUMENT, r"(\*\*Load balancer\*\*.*\|) [^|]+ \|",
          r"\1 Auto-scaling |", units_of_shops),
    Fault("T7 a link to be filled in", S, DOCUMENT, r"\(runbooks/operations/scale-application\.md\)",
          "(link-to-runbook)", checked("dead-link")),
    Fault("T8 two names of one file", S, DOCUMENT, r"monitoring/alert-rules\.yml", "monitoring/alert_rules.yml",
          checked("dead-link", "missing-file")),
    Fault("T9 two names of one service", S, "delivery/traffic/green-010.yml", r"feature-api-blue",
          "feature-service-blue", checked("unknown-object")),
    Fault("T9 two names of one service among the rules", S, ALERTS, r"service: feature-api\n",
          "service: feature-service\n", checked("unknown-service")),
    Fault("T10 a row without a rule", S, ALERTS, r"(?s) +- alert: FeatureApiCpuUtilizationHigh.*?(?=\n +- alert)", "",
          unwatched_rows),
    Fault("T10 a row without a test", S, "monitoring/alert-rules.test.yml", r"alertname: FeatureApiCpu",
          "alertname: Cpu", unwatched_rows),
    Fault("T10 a row without a runbook", M, "runbooks/alerts/SavedReportsApiLatencyP95High.md", "", None,
          unwatched_rows),
    Fault("T11 a size that nobody sells", S, DOCUMENT, r"cache\.m5\.large", "cache.m5.medium", wrong_savings),
    Fault("T11 a total typed by hand", S, DOCUMENT, r"\*\*315 USD", "**335 USD", wrong_savings),
    Fault("T12 automated by nothing", M, DOCUMENT, r"(Certificate renewal.*\|) manual \|", r"\1 fully automated |",
          unautomated),
    Fault("T12 automated by what is not there", S, "overlays/production/certificates.yml", "", None, unautomated),
    Fault("T13 a date left as it is", S, DOCUMENT, r"(Last Updated:\*\*) \S+", r"\1 *[date]*", checked("placeholder")),
    Fault("T13 a name left as it is", S, DOCUMENT, r"(\*\*Engineer:\*\*) \S+", r"\1 *@devops-engineer*",
          other_engineer),
    Fault("P6 no labels to route by", S, ALERTS, r" +labels:\n +severity: critical\n", "        labels:\n", unroutable),
    Fault("P6 no link to a runbook", S, ALERTS, r" +runbook_url: .*\n", "", unroutable),
    Fault("P6 no link to a dashboard", S, ALERTS, r" +dashboard_url: .*\n", "", unroutable),
    Fault("P6 nobody is told", S, "monitoring/alertmanager.yml", "", None, unroutable),
    Fault("P7 no severity on one level of two", S, ALERTS, r" +severity: warning\n", "", unroutable),
    Fault("P8 a threshold between two buckets", S, DOCUMENT, r"(bucket at each of .*?)200ms, ", r"\1", between_buckets),
    Fault("S3 an overlay applied by the client", S, "overlays/production/kustomization.yaml", r" --server-side", "",
          applied_by_the_client),
    Fault("S3 a release applied by the client", C, "delivery/pipeline.yml", r" --server-side --force-conflicts", "",
          applied_by_the_client),
    Fault("S3 secrets by hand, and by the client", H, "security/secrets.yml", r" --server-side", "",
          applied_by_the_client),
    Fault("S3 a page that says so", M, "runbooks/operations/deploy-new-version.md", r" --server-side", "",
          applied_by_the_client),
    Fault("R1 the shebang on line 2", S, ROLLBACK, r"\A", "# Emergency rollback script\n", checked("shell")),
    Fault("R5 a sleep in the place of a look", S, ROLLBACK, r"\nfailed=\(\)\n", "\nsleep 30\n\nfailed=()\n", sleeps),
    Fault("R7 the Service patched beside the route", S, ROLLBACK, PATCH, PATCH_OF_SERVICE, other_owners_of_traffic),
    Fault("Q1 a reload and no word of a restart", C, "database/tuning.sql", r"-- A reload is(.*\n){3}", "",
          unsaid_restarts),
    Fault("Q1 a group and no word of a restart", S, "database/parameter-group.yml", r" After a restart only: .*", "",
          unsaid_restarts),
    Fault("Q2 constants", C, "database/tuning.sql", r"shared_buffers = '4GB'", "shared_buffers = '256MB'", unsized),
    Fault("Q2 constants in a group", S, "database/parameter-group.yml", r'shared_buffers: "1048576"',
          'shared_buffers: "32768"', unsized),
    Fault("Q3 a managed server told to alter itself", S, "database/tuning.sql", r"\A",
          "ALTER SYSTEM SET shared_buffers = '256MB';\nSELECT pg_reload_conf();\n", altered_managed_servers),
    Fault("B1 nothing makes the backup", S, "disaster-recovery/backup.yml", "", None, unmade_backups),
    Fault("B1 something makes it more rarely", C, "disaster-recovery/backup.yml", r'schedule: "0 \* \* \* \*"',
          'schedule: "0 */6 * * *"', unmade_backups),
    Fault("B1 a row without a mechanism", S, DOCUMENT, r"\| loki \|", "| |", unmade_backups),
)  # fmt: skip


def ours(name: str) -> Case:
    return Case(load_example(*BUNDLES[name]), example(*BUNDLES[name]))


def put_back(fault: Fault) -> Case:
    case = ours(fault.bundle)
    files: Files = dict(case.files)
    if fault.replacement is None:
        del files[fault.path]
    else:
        before = files.get(fault.path, "")
        files[fault.path] = re.sub(fault.pattern, fault.replacement, before)
        assert files[fault.path] != before, f"{fault.path} has changed: the test would break nothing"
    return case._replace(files=files)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.row)
def test_a_fault_is_absent_from_every_bundle_and_found_when_it_is_put_back(fault: Fault) -> None:
    for name in BUNDLES:
        assert fault.judge(ours(name)) == []
    assert fault.judge(put_back(fault)) != []


# Rules that do not say what they seem to: only Prometheus can tell


class Rule(NamedTuple):
    """An alert as the document wrote it, or none at all, and series on which it and ours differ."""

    row: str
    alert: str
    expr: str | None
    fires: bool
    series: list[tuple[str, str]]


RULES = (
    Rule("P1 a rate is no ratio", "ApiErrorRatioHigh", 'rate(http_requests_total{status_code=~"5.."}[5m]) > 0.01',
         fires=False, series=[requests(60_000), requests("1.2", "500")]),
    Rule("P2 a quantile over no bucket", "ApiLatencyP95High",
         "histogram_quantile(0.95, http_request_duration_seconds) > 0.2",
         fires=True, series=durations(100, le_0_1=50, le_0_2=94, le_0_25=94)),
    Rule("P3 two metrics whose labels differ", "DbConnectionsHigh",
         "pg_stat_database_numbackends / pg_settings_max_connections > 0.8", fires=True, series=connections(40, 38)),
    Rule("P7 a dead exporter is silence", "ApiMetricsMissing", None, fires=True, series=[]),
)  # fmt: skip


@cache
def rule_files() -> dict[str, str]:
    files = render_bundle(load_text(ONE))
    return {path: files[path] for path in ("monitoring/recording-rules.yml", ALERTS)}


def misjudged(rule: Rule, files: Files, place: Path) -> str:
    """Let promtool say whether the alert is wrong about the series."""
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    asked = scene(rule.row, rule.alert, rule.series, fires=rule.fires)
    return run_rules(place, place, "30s", [asked])


def with_rule(rule: Rule) -> Files:
    content = yaml.safe_load(rule_files()[ALERTS])
    for group in content["groups"]:
        kept = [each for each in group["rules"] if each["alert"] != rule.alert or rule.expr]
        group["rules"] = [each | ({"expr": rule.expr} if each["alert"] == rule.alert else {}) for each in kept]
    return rule_files() | {ALERTS: yaml.safe_dump(content)}


@pytest.mark.real
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.row)
def test_an_alert_is_right_where_the_one_of_the_document_is_wrong(rule: Rule, tmp_path: Path) -> None:
    assert misjudged(rule, rule_files(), tmp_path) == ""
    assert "exp:" in misjudged(rule, with_rule(rule), tmp_path)


RELABELLING = """\
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_port]
        target_label: __address__
        regex: ([^:]+)(?::\\d+)?;(\\d+)
        replacement: ${1}:${2}
"""
SIDE_PORT = {
    "__address__": "10.0.0.7:3000",
    "__meta_kubernetes_namespace": "saved-reports",
    "__meta_kubernetes_pod_phase": "Running",
    "__meta_kubernetes_pod_label_app_kubernetes_io_name": "feature-api",
    "__meta_kubernetes_pod_container_port_name": "http",
    "__meta_kubernetes_pod_annotation_prometheus_io_port": "9090",
}


def scraped(config: str, place: Path) -> str:
    """Give the address at which a port that serves no metrics would be scraped; none if it is left alone."""
    for path, text in example(S).items():
        if path.startswith("monitoring/"):
            (place / path.removeprefix("monitoring/")).write_text(text)
    (place / "prometheus-config.yml").write_text(config)
    [found] = tools.promtool_relabel(place, "feature-api", SIDE_PORT)
    return found.get("__address__", "")


@pytest.mark.real
@pytest.mark.parametrize("row", ["P4 address and port out of one label"])
def test_a_port_without_metrics_is_scraped_only_by_the_document_s_relabelling(row: str, tmp_path: Path) -> None:
    right = example(S)["monitoring/prometheus-config.yml"]
    by_name = r" +- source_labels: \[__meta_kubernetes_pod_container_port_name\]\n +regex: metrics\n +action: keep\n"
    wrong = re.sub(by_name, lambda _: RELABELLING, right, count=1)
    assert wrong != right
    assert scraped(right, tmp_path) == ""
    assert scraped(wrong, tmp_path) == "10.0.0.7:3000", row


# The table is whole


def rows_here() -> set[str]:
    return {each.row.partition(" ")[0] for each in (*FAULTS, *RULES)} | {"P4"}


def test_every_row_of_the_list_is_here_or_named_elsewhere() -> None:
    assert sorted(rows_here() | ELSEWHERE.keys()) == sorted(CODES)
    assert rows_here() & ELSEWHERE.keys() == set()


@cache
def parsed(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text("utf-8"))


@pytest.mark.parametrize("row", ELSEWHERE)
def test_what_is_named_elsewhere_is_there(row: str) -> None:
    for name in ELSEWHERE[row]:
        path, _, function = name.partition("::")
        assert function in {node.name for node in parsed(path).body if isinstance(node, ast.FunctionDef)}
        if name in OVERLAYS:
            texts = (node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant))
            assert any(isinstance(text, str) and text.startswith(f"{row} ") for text in texts), row
