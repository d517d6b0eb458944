"""Recovery: backups that something makes, restores that nobody is left stopped by, tuning that follows the instance."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devops_tasks.errors import UserError
from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files
from tests import tools
from tests.bundles import load_text, render_bundle
from tests.cluster import Machine, machine
from tests.specs import MINIMAL

IN_CLUSTER = f"""{MINIMAL}
services:
  - {{name: shop-api, needs: [orders-db], secrets: [orders-db-url]}}
  - {{name: indexer, kind: worker, needs: [orders-db], secrets: []}}
  - {{name: front, kind: web, needs: [], secrets: []}}
databases:
  - name: orders-db
    hosting: in-cluster
    namespace: data
    selector: {{app: orders}}
    version: "15"
    production: {{memory: 12Gi, cpu: 3}}
    backup: {{every: 4h, keep: 14d, to: "s3://dumps/orders"}}
caches: []
"""
BOTH = f"""{MINIMAL}
databases:
  - {{name: a-db, backup: {{replicate_to: eu-west-1, lose_at_most: 5m}}}}
  - {{name: b-db, hosting: in-cluster}}
"""
NONE = f"{MINIMAL}databases: []\n"
NO_CLOUD = f"{MINIMAL}platform: {{cloud: none}}\n"
BUNDLES = {"minimal": MINIMAL, "in the cluster": IN_CLUSTER, "both kinds": BOTH, "no cloud": NO_CLOUD}
FOLDERS = ("disaster-recovery/", "database/")
POSTMASTER = {"shared_buffers", "wal_buffers", "max_connections", "max_worker_processes"}
"""The settings of ours whose context in pg_settings is postmaster."""


class Cfn(yaml.SafeLoader):
    """Reads CloudFormation, whose short functions are tags."""


Cfn.add_multi_constructor("!", lambda loader, suffix, node: {suffix: loader.construct_scalar(node)})


def bundle(text: str) -> Files:
    return render_bundle(load_text(text))


def plan(text: str) -> dict[str, Any]:
    return plan_bundle(load_text(text).spec)


def template(files: Files, path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(files[path], Cfn)  # noqa: S506 - a safe loader with tags
    return loaded


# What is there


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (NONE, []),
        (MINIMAL, ["database/parameter-group.yml", "disaster-recovery/backup-database.sh",
                   "disaster-recovery/backup.yml", "disaster-recovery/restore-database.sh"]),
        (IN_CLUSTER, ["database/tuning.sql", "disaster-recovery/backup-database.sh", "disaster-recovery/backup.yml",
                      "disaster-recovery/kustomization.yaml", "disaster-recovery/restore-database.sh"]),
        (BOTH, ["database/parameter-group.yml", "database/tuning.sql", "disaster-recovery/backup-database.sh",
                "disaster-recovery/backup-managed.yml", "disaster-recovery/backup.yml",
                "disaster-recovery/kustomization.yaml", "disaster-recovery/restore-database.sh"]),
        (NO_CLOUD, ["disaster-recovery/backup-database.sh", "disaster-recovery/restore-database.sh"]),
    ],
    ids=["no database", "managed", "in the cluster", "both kinds", "managed by nobody we know"],
)  # fmt: skip
def test_only_files_that_do_something_are_there(text: str, paths: list[str]) -> None:
    assert [path for path in bundle(text) if path.startswith(FOLDERS)] == paths


@pytest.mark.real
@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_scripts_and_yaml_are_clean(text: str, tmp_path: Path) -> None:
    for path, content in bundle(text).items():
        if path.startswith(FOLDERS):
            file = tmp_path / path.replace("/", "-")
            file.write_text(content)
            if path.endswith(".sh"):
                assert tools.shellcheck(file) == ""
                assert tools.shfmt(file) == ""
            elif path.endswith((".yml", ".yaml")):
                assert tools.yaml_lint(file) == ""


@pytest.mark.real
def test_an_argument_without_quotes_is_found(tmp_path: Path) -> None:
    text = bundle(MINIMAL)["disaster-recovery/restore-database.sh"]
    file = tmp_path / "restore.sh"
    file.write_text(text.replace('pg_restore --list "${backup}"', "pg_restore --list ${backup}"))
    assert "SC2086" in tools.shellcheck(file)


# Backups


def interval_hours(cron: str) -> float:
    """Compute the even interval of the first five fields of a cron expression, in hours."""
    minute, hour, *_rest, weekday = cron.split()[:5]
    every = re.fullmatch(r"(?:\*|0)/(\d+)", minute) or re.fullmatch(r"(?:\*|0)/(\d+)", hour)
    if every:
        return int(every[1]) / (60 if "/" in minute else 1)
    return 1 if hour == "*" else 24 * (7 if weekday == "SUN" else 1)


@pytest.mark.parametrize(("every", "hours"), [("30m", 0.5), ("1h", 1), ("6h", 6), ("1d", 24), ("7d", 168)])
def test_the_job_runs_as_often_as_the_document_says(every: str, hours: float) -> None:
    text = IN_CLUSTER.replace("every: 4h", f"every: {every}")
    job = next(yaml.safe_load_all(bundle(text)["disaster-recovery/backup.yml"]))
    assert job["kind"] == "CronJob"
    assert interval_hours(job["spec"]["schedule"]) == hours
    assert job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] <= hours * 3600


@pytest.mark.parametrize(("every", "hours"), [("1h", 1), ("6h", 6), ("1d", 24)])
def test_the_managed_plan_runs_as_often_as_the_document_says(every: str, hours: float) -> None:
    text = f"{MINIMAL}databases: [{{name: a-db, backup: {{every: {every}}}}}]\n"
    rule = template(bundle(text), "disaster-recovery/backup.yml")["Resources"]["ADbPlan"]["Properties"]["BackupPlan"]
    expression = rule["BackupPlanRule"][0]["ScheduleExpression"]
    assert interval_hours(expression.removeprefix("cron(")) == hours
    assert rule["BackupPlanRule"][0]["Lifecycle"] == {"DeleteAfterDays": 30}


@pytest.mark.parametrize(
    ("backup", "key"),
    [("every: 5h", "every"), ("every: 36h", "every"), ("every: 30m", "every"), ("keep: 36h", "keep"),
     ("keep: 1h", "keep"), ('to: "gs://dumps/x"', "to")],
)  # fmt: skip
def test_a_backup_that_nothing_can_make_is_refused(backup: str, key: str) -> None:
    with pytest.raises(UserError) as error:
        load_text(f"{MINIMAL}databases: [{{name: a-db, backup: {{{backup}}}}}]\n")
    assert {problem.key for problem in error.value.problems} == {f"databases[0].backup.{key}"}


def test_each_row_of_the_table_says_what_provides_it_or_that_nobody_decided() -> None:
    rows = {row["what"]: row for row in plan(MINIMAL)["backup_rows"]}
    assert [tuple(row.values()) for row in rows.values()] == [
        ("Database", "Every 6 hours", "30 days", "<1 hour", "AWS Backup plan saved-reports"),
        ("Configuration", "On every change", "Indefinite", "<15 minutes", "Git, where this bundle is kept"),
        ("Application Logs", "Real-time", "90 days", "N/A", None),
        ("Metrics Data", "Real-time", "1 year", "N/A", None),
    ]


def test_what_prometheus_keeps_itself_needs_no_store() -> None:
    text = f"{MINIMAL}monitoring: {{retention: 400d}}\nbackup: {{logs: {{store: loki}}}}\n"
    mechanisms = [row["mechanism"] for row in plan(text)["backup_rows"]]
    assert mechanisms[2:] == ["loki", "Prometheus itself, which keeps 400 days"]


def test_a_managed_database_without_a_known_cloud_has_an_undecided_backup() -> None:
    assert plan(NO_CLOUD)["backup_rows"][0]["mechanism"] is None


def test_copies_and_points_in_time_are_in_the_managed_plan() -> None:
    rules = template(bundle(BOTH), "disaster-recovery/backup-managed.yml")["Resources"]["ADbPlan"]["Properties"][
        "BackupPlan"
    ]["BackupPlanRule"]
    assert "eu-west-1" in rules[0]["CopyActions"][0]["DestinationBackupVaultArn"]["Sub"]
    assert rules[1]["EnableContinuousBackup"] is True
    assert rules[1]["Lifecycle"]["DeleteAfterDays"] <= 35


def test_the_job_runs_the_very_script_and_reaches_what_it_needs() -> None:
    files = bundle(IN_CLUSTER)
    found = {item["kind"]: item for item in yaml.safe_load_all(files["disaster-recovery/backup.yml"])}
    pod = found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]
    assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == "orders-db-backup"
    policy = found["NetworkPolicy"]["spec"]
    assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "orders-db-backup"}
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 5432, 443}
    secret = next(volume["secret"] for volume in pod["spec"]["volumes"] if volume["name"] == "url")
    assert (secret["secretName"], secret["items"][0]["key"]) == ("shop-api-secrets", "orders-db-url")
    assert yaml.safe_load(files["disaster-recovery/kustomization.yaml"])["configMapGenerator"][0]["files"] == [
        "backup-database.sh"
    ]


def test_an_undecided_bucket_is_one_that_the_script_refuses() -> None:
    files = bundle(BOTH)
    pod = next(yaml.safe_load_all(files["disaster-recovery/backup.yml"]))["spec"]["jobTemplate"]["spec"]["template"]
    upload = next(item for item in pod["spec"]["containers"] if item["name"] == "upload")
    assert {"name": "BACKUP_TO", "value": "s3://undecided.invalid/b-db"} in upload["env"]
    assert '"${to}" != *undecided*' in files["disaster-recovery/backup-database.sh"]


# Tuning


@pytest.mark.parametrize(
    ("memory", "cpu", "expected"),
    [
        ("32Gi", 4, {"shared_buffers": "8GB", "effective_cache_size": "24GB", "maintenance_work_mem": "2GB",
                     "work_mem": "40MB", "wal_buffers": "16MB", "max_parallel_workers": "4"}),
        ("4Gi", 2, {"shared_buffers": "1GB", "effective_cache_size": "3GB", "maintenance_work_mem": "256MB",
                    "work_mem": "5MB", "max_parallel_workers_per_gather": "1"}),
        ("512Mi", 1, {"shared_buffers": "128MB", "work_mem": "4MB", "wal_buffers": "4MB", "max_worker_processes": "8"}),
    ],
)  # fmt: skip
def test_settings_follow_from_the_memory_and_the_processors(memory: str, cpu: int, expected: dict[str, str]) -> None:
    text = IN_CLUSTER.replace("{memory: 12Gi, cpu: 3}", f"{{memory: {memory}, cpu: {cpu}}}")
    settings = {row["name"]: row["value"] for row in plan(text)["databases"][0]["production"]["settings"]}
    assert expected.items() <= settings.items()


def test_a_parameter_group_has_the_same_values_in_its_own_units() -> None:
    group = template(bundle(MINIMAL), "database/parameter-group.yml")["Resources"]["SavedReportsDbProduction"]
    parameters = group["Properties"]["Parameters"]
    assert group["Properties"]["Family"] == "postgres16"
    assert int(parameters["shared_buffers"]) * 8 * 1024 == 8 * 2**30
    assert int(parameters["work_mem"]) * 1024 == 40 * 2**20
    assert all(isinstance(value, str) for value in parameters.values())


@pytest.mark.parametrize("text", [MINIMAL, IN_CLUSTER, BOTH], ids=["managed", "in the cluster", "both kinds"])
def test_what_needs_a_restart_is_named(text: str) -> None:
    for database in plan(text)["databases"]:
        for size in database["sizes"]:
            assert set(size["restarts"]) == POSTMASTER
    for path, content in bundle(text).items():
        if path.startswith("database/"):
            head = " ".join(line for line in content.splitlines() if line.lstrip().startswith(("--", "#")))
            assert unnamed(head) == set()


def unnamed(text: str) -> set[str]:
    return {name for name in POSTMASTER if name not in text}


def test_a_restart_that_is_not_named_is_found() -> None:
    assert unnamed("SELECT pg_reload_conf()") == POSTMASTER


def test_no_file_asks_a_managed_server_to_alter_itself() -> None:
    assert not any("ALTER SYSTEM SET" in text for path, text in bundle(MINIMAL).items() if path.startswith(FOLDERS))
    assert "a-db" not in bundle(BOTH)["database/tuning.sql"]


def test_the_settings_of_one_server_are_never_given_to_another() -> None:
    blocks = re.findall(r"= '([^']+)' AS this", bundle(IN_CLUSTER)["database/tuning.sql"])
    assert blocks == ["orders-db/staging", "orders-db/production"]


# Restoring, with the real kubectl and stand-ins for PostgreSQL's commands

PSQL = """
text="$(cat) $*"
printf '%s\\n' "$text" >>"$HOME/sql"
case "$text" in
*rolcreatedb*) echo t ;;
*"count(*)"*) cat "$HOME/rows" ;;
esac
"""
PG_RESTORE = """
[ "$1" = --list ] || { echo "$*" >>"$HOME/restored"; exit "$(cat "$HOME/outcome")"; }
"""
DATABASE = {"DB_HOST": "127.0.0.1", "DB_USER": "admin", "DB_NAME": "orders"}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Machine]:
    """A machine with a backup, at a cluster with an application that uses the database."""
    script = tmp_path / "restore-database.sh"
    script.write_text(bundle(IN_CLUSTER)["disaster-recovery/restore-database.sh"])
    (tmp_path / "rows").write_text("rows 3 public.orders\nrows 0 public.empty\n")
    (tmp_path / "outcome").write_text("0")
    contents = {"x.dump": "dump", "x.manifest": "database orders\ntaken-at 2026-12-01T06:00:00Z\n"}
    contents["x.manifest"] += (tmp_path / "rows").read_text()
    sums = "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in contents.items())
    for name, text in {**contents, "x.sha256": sums}.items():
        (tmp_path / name).write_text(text)
    with machine(tmp_path) as here:
        here.add_command("psql", PSQL)
        here.add_command("pg_restore", PG_RESTORE)
        here.cluster.add_service("shop-api", blue=5, green=2)
        here.cluster.add_deployment("indexer", 4, "indexer")
        here.cluster.add_deployment("front-blue", 3, "front")
        here.cluster.add("cronjobs", "orders-db-backup", {}, {"app.kubernetes.io/part-of": "saved-reports"})
        yield here


def restore(shop: Machine, *faults: tuple[str, str], **environment: str) -> tuple[int, str]:
    path = shop.folder / "restore-database.sh"
    text = path.read_text()
    for right, wrong in faults:
        assert right in text, right
        text = text.replace(right, wrong)
    path.write_text(text)
    done = shop.run(path, "--yes", "orders-db", str(shop.folder / "x.dump"), **{**DATABASE, **environment})
    return done.returncode, done.stderr


def running(shop: Machine) -> list[int]:
    return [shop.cluster.replicas(name) for name in ("shop-api-blue", "shop-api-green", "indexer", "front-blue")]


def sql(shop: Machine) -> str:
    path = shop.folder / "sql"
    return path.read_text() if path.exists() else ""


@pytest.mark.real
def test_a_restore_stops_all_that_writes_swaps_and_starts_it_as_it_was(shop: Machine) -> None:
    code, said = restore(shop)
    assert code == 0, said
    assert running(shop) == [5, 2, 4, 3]
    stops = [event[1] for event in shop.cluster.events if event[0] == "scale" and event[2] == 0]
    assert stops == ["shop-api-blue", "shop-api-green", "indexer"]
    pauses = [event[2] for event in shop.cluster.events if event[1] == "orders-db-backup"]
    assert pauses == [{"spec": {"suspend": True}}, {"spec": {"suspend": False}}]
    assert "RENAME TO" in sql(shop)
    assert "recovery point: 2026-12-01T06:00:00Z" in said
    assert re.search(r"recovery time: \d+ s, of 3600 s allowed", said)


@pytest.mark.real
def test_a_number_of_pods_that_is_not_read_changes_the_application(shop: Machine) -> None:
    assert restore(shop, ('"${deployment} ${replicas}"', '"${deployment} 3"'))[0] == 0
    assert running(shop) == [3, 3, 3, 3]


@pytest.mark.real
@pytest.mark.parametrize(
    ("faults", "forgotten"),
    [
        ([("(shop-api indexer)", "()"), ("(shop-api-blue shop-api-green indexer)", "(shop-api-blue)")],
         {"shop-api-green", "indexer"}),
        ([("for job in ${jobs}", "for job in")], {"orders-db-backup"}),
    ],
    ids=["the other colour and the worker", "the CronJobs"],
)  # fmt: skip
def test_a_writer_that_is_forgotten_writes_on(
    shop: Machine, faults: list[tuple[str, str]], forgotten: set[str]
) -> None:
    assert restore(shop, *faults)[0] == 0
    stopped = {event[1] for event in shop.cluster.events}
    assert {"shop-api-blue", "shop-api-green", "indexer", "orders-db-backup"} - stopped == forgotten


@pytest.mark.real
@pytest.mark.parametrize("fault", [False, True], ids=["as it is", "without the look at the end"])
def test_an_application_that_does_not_come_back_is_no_success(shop: Machine, fault: bool) -> None:  # noqa: FBT001
    shop.cluster.broken.add("indexer")
    look = ('rollout status "deployment/${deployment}" --timeout "${DEADLINE}s"', 'get deployment "${deployment}"')
    code, _ = restore(shop, *([look] if fault else []), DEADLINE="1")
    assert (code == 0) is fault


@pytest.mark.real
def test_a_restore_never_goes_into_the_live_database(shop: Machine) -> None:
    restore(shop)
    restored = (shop.folder / "restored").read_text()
    assert re.search(r"--exit-on-error .*--dbname orders_restore_\d{14} ", restored)


@pytest.mark.real
def test_without_the_new_database_the_live_one_is_restored_over(shop: Machine) -> None:
    restore(shop, ('fresh="${DB_NAME}_restore_${stamp}"', 'fresh="${DB_NAME}"'))
    assert "--dbname orders " in (shop.folder / "restored").read_text()


@pytest.mark.real
@pytest.mark.parametrize("fault", [False, True], ids=["as it is", "without the question"])
def test_a_restore_is_confirmed(shop: Machine, fault: bool) -> None:  # noqa: FBT001
    code, _ = restore(
        shop, ("\n    --yes) YES=true ;;", "\n    --yes) ;;"), *([("\nconfirm\n", "\n")] if fault else [])
    )
    assert (code == 0) is fault
    assert bool(shop.cluster.events) is fault


@pytest.mark.real
@pytest.mark.parametrize("trap", [True, False], ids=["as it is", "without its trap"])
def test_a_failed_restore_leaves_the_application_as_it_was(shop: Machine, trap: bool) -> None:  # noqa: FBT001
    (shop.folder / "outcome").write_text("1")
    code, _ = restore(shop, *([] if trap else [("trap finish EXIT\n", "")]))
    assert code == 1
    assert (running(shop) == [5, 2, 4, 3]) is trap
    assert "RENAME TO" not in sql(shop)


@pytest.mark.real
def test_rows_that_differ_keep_the_old_data(shop: Machine) -> None:
    (shop.folder / "rows").write_text("rows 2 public.orders\nrows 0 public.empty\n")
    code, said = restore(shop)
    assert code == 1
    assert "the rows differ" in said
    assert running(shop) == [5, 2, 4, 3]
    assert "RENAME TO" not in sql(shop)


@pytest.mark.real
def test_without_the_comparison_lost_rows_would_go_unseen(shop: Machine) -> None:
    (shop.folder / "rows").write_text("rows 2 public.orders\n")
    code, _ = restore(shop, ('|| die "the rows differ', '|| log "the rows differ'))
    assert code == 0


@pytest.mark.real
def test_a_pod_that_does_not_end_stops_the_restore(shop: Machine) -> None:
    shop.cluster.stuck.add("indexer")
    code, said = restore(shop, DEADLINE="1")
    assert code == 1
    assert "pods of indexer do not end" in said
    assert running(shop) == [5, 2, 4, 3]
    assert not (shop.folder / "restored").exists()


@pytest.mark.real
def test_without_the_wait_a_restore_begins_while_pods_write(shop: Machine) -> None:
    shop.cluster.stuck.add("indexer")
    restore(shop, ('[[ -n "${pods}" ]] || break', "break"), DEADLINE="1")
    assert (shop.folder / "restored").exists()


@pytest.mark.real
@pytest.mark.parametrize("name", [*DATABASE, "KUBE_CONTEXT", "NAMESPACE"])
def test_a_missing_variable_is_named_before_anything_is_done(shop: Machine, name: str) -> None:
    code, said = restore(shop, **{name: ""})
    assert code != 0
    assert f"{name}: " in said
    assert (shop.cluster.events, sql(shop)) == ([], "")


@pytest.mark.real
def test_without_the_demand_for_a_server_any_server_is_taken(shop: Machine) -> None:
    demand = ': "${DB_HOST:?the server}" "${DB_USER:?'
    faults = [(demand, ': "${DB_USER:?'), ("${DB_HOST}", "${DB_HOST:-}")]
    code, _ = restore(shop, *faults, DB_HOST="")
    assert code == 0
    assert "RENAME TO" in sql(shop)


@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "text", "why"),
    [("x.dump", "damaged", "is damaged"), ("x.sha256", None, "has no .manifest and .sha256")],
    ids=["a damaged dump", "no checksums"],
)
def test_a_backup_that_is_not_whole_is_refused(shop: Machine, file: str, text: str | None, why: str) -> None:
    (shop.folder / file).unlink() if text is None else (shop.folder / file).write_text(text)
    code, said = restore(shop)
    assert code == 1
    assert why in said
    assert shop.cluster.events == []


@pytest.mark.real
def test_without_the_checksum_a_damaged_backup_is_restored(shop: Machine) -> None:
    (shop.folder / "x.dump").write_text("damaged")
    assert restore(shop, ('sha256sum --check --quiet "${checksums##*/}"', "true"))[0] == 0


@pytest.mark.real
def test_a_backup_of_another_database_is_refused(shop: Machine) -> None:
    code, said = restore(shop, DB_NAME="invoices")
    assert code == 1
    assert "is of another database than invoices" in said
    assert shop.cluster.events == []


@pytest.mark.real
@pytest.mark.parametrize(
    "arguments", [(), ("--yes", "payments-db", "x"), ("--yes", "orders-db", "no-such-file"), ("--now",)]
)
def test_arguments_that_name_nothing_are_refused(shop: Machine, arguments: tuple[str, ...]) -> None:
    done = shop.run(shop.folder / "restore-database.sh", *arguments, **DATABASE)
    assert done.returncode == 1
    assert shop.cluster.events == []


@pytest.mark.real
def test_verifying_a_backup_touches_neither_the_application_nor_the_data(shop: Machine) -> None:
    done = shop.run(shop.folder / "restore-database.sh", "--yes", "--verify-only", "orders-db",
                    str(shop.folder / "x.dump"), **DATABASE, KUBE_CONTEXT="", NAMESPACE="")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert shop.cluster.events == []
    assert "RENAME TO" not in sql(shop)
    assert "DROP DATABASE IF EXISTS" in sql(shop)


@pytest.mark.real
@pytest.mark.parametrize(
    ("arguments", "environment", "why"),
    [
        ((), {}, "say which database"),
        (("orders-db",), {}, "BACKUP_DIR"),
        (("orders-db",), {"BACKUP_DIR": "/no/such/folder"}, "is no folder"),
        (("--dump-only", "orders-db"), {"BACKUP_DIR": "."}, "DB_HOST"),
        (("--upload-only", "orders-db"), {"BACKUP_DIR": ".", "BACKUP_TO": "s3://undecided.invalid/x"}, "is no bucket"),
    ],
    ids=["no database", "no folder", "another folder", "no server", "an undecided bucket"],
)
def test_a_backup_that_cannot_be_made_says_why(
    shop: Machine, arguments: tuple[str, ...], environment: dict[str, str], why: str
) -> None:
    script = shop.folder / "backup-database.sh"
    script.write_text(bundle(IN_CLUSTER)["disaster-recovery/backup-database.sh"])
    for name in ("pg_dump", "aws"):
        shop.add_command(name, "exit 1\n")
    done = shop.run(script, *arguments, **environment)
    assert done.returncode != 0
    assert why in done.stderr
