"""Recovery: backups that something makes, restores that nobody is left stopped by, tuning that follows the instance."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from devops_tasks.errors import UserError
from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files
from tests import tools
from tests.bundles import EXAMPLES, example, load_text, render_bundle
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
MANY = f"""{MINIMAL}
databases:
  - {{name: a-db, version: "13", backup: {{every: 1h, keep: 400d}}, production: {{memory: 4Ti, cpu: 128}}}}
  - {{name: orders-2-db, version: "17.2", backup: {{every: 1d, keep: 30d, lose_at_most: 1h}}}}
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
        (IN_CLUSTER, ["database/tuning.sql", "disaster-recovery/backup-database.sh",
                      "disaster-recovery/backup-verification.yml", "disaster-recovery/backup.yml",
                      "disaster-recovery/kustomization.yaml", "disaster-recovery/restore-database.sh",
                      "disaster-recovery/verify-backup.sh"]),
        (BOTH, ["database/parameter-group.yml", "database/tuning.sql", "disaster-recovery/backup-database.sh",
                "disaster-recovery/backup-managed.yml", "disaster-recovery/backup-verification.yml",
                "disaster-recovery/backup.yml", "disaster-recovery/kustomization.yaml",
                "disaster-recovery/restore-database.sh", "disaster-recovery/verify-backup.sh"]),
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
        "backup-database.sh",
        "verify-backup.sh",
    ]


def test_each_day_a_job_proves_the_newest_backup_in_the_time_that_is_allowed() -> None:
    files = bundle(IN_CLUSTER)
    found = {item["kind"]: item for item in yaml.safe_load_all(files["disaster-recovery/backup-verification.yml"])}
    assert interval_hours(found["CronJob"]["spec"]["schedule"]) == 24
    pod = found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert [(item["name"], item.get("restartPolicy")) for item in pod["initContainers"]] == [
        ("download", None), ("server", "Always"),
    ]  # fmt: skip
    assert not any("secret" in volume for volume in pod["volumes"]), "the job needs no password of the live server"
    assert {port["port"] for rule in found["NetworkPolicy"]["spec"]["egress"] for port in rule["ports"]} == {53, 443}
    assert "stale_seconds=21900 restore_seconds=3600" in files["disaster-recovery/verify-backup.sh"]


PINNED = {
    name: f"registry.example.com/mirror/{name}:1@sha256:{digit * 64}" for name, digit in (("pg", "1"), ("aws", "2"))
}


def images(files: Files, path: str) -> set[str]:
    pods = (item["spec"]["jobTemplate"]["spec"]["template"]["spec"] for item in yaml.safe_load_all(files[path])
            if item["kind"] == "CronJob")  # fmt: skip
    return {each["image"] for pod in pods for each in [*pod["containers"], *pod["initContainers"]]}


@pytest.mark.parametrize("path", ["disaster-recovery/backup.yml", "disaster-recovery/backup-verification.yml"])
def test_jobs_of_backups_run_the_images_that_are_decided_and_need_no_exemption_then(path: str) -> None:
    undecided = bundle(IN_CLUSTER)
    assert images(undecided, path) == {"docker.io/library/postgres:15", "docker.io/amazon/aws-cli:2.17.0"}
    assert "CKV_K8S_43" in undecided[path]
    step = "Pin the images that the jobs of backups run: docker.io/library/postgres:15 (digest to be decided), "
    assert step in undecided["tasks.md"]
    half = bundle(IN_CLUSTER.replace('"15"', f'"15"\n    image: "{PINNED["pg"]}"'))
    assert "# The digest is undecided of docker.io/amazon/aws-cli:2.17.0\n" in half[path]
    whole = bundle(IN_CLUSTER.replace('"15"', f'"15"\n    image: "{PINNED["pg"]}"')
                   + f'backup: {{aws_cli: "{PINNED["aws"]}"}}\n')  # fmt: skip
    assert images(whole, path) == set(PINNED.values())
    assert "CKV_K8S_43" not in whole[path]
    assert "Pin the images" not in whole["tasks.md"]


def test_an_undecided_bucket_is_one_that_the_script_refuses() -> None:
    files = bundle(BOTH)
    pod = next(yaml.safe_load_all(files["disaster-recovery/backup.yml"]))["spec"]["jobTemplate"]["spec"]["template"]
    upload = next(item for item in pod["spec"]["containers"] if item["name"] == "upload")
    assert {"name": "BACKUP_TO", "value": "s3://undecided.invalid/b-db"} in upload["env"]
    assert '"${to}" != *undecided*' in files["disaster-recovery/backup-database.sh"]


def resources(text: str, path: str = "disaster-recovery/backup.yml") -> dict[str, Any]:
    found: dict[str, Any] = template(bundle(text), path)["Resources"]
    return {name: each["Properties"] for name, each in found.items()}


def test_each_managed_database_is_restored_daily_from_its_newest_snapshot() -> None:
    found = resources(MANY)
    for name, days, plan_name in (("ADb", 1, "saved_reports_a_db"), ("OrdersN2Db", 2, "saved_reports_orders_2_db")):
        tests, selection = found[f"{name}RestoreTest"], found[f"{name}RestoreTestSelection"]
        assert tests["ScheduleExpression"] == "cron(30 4 * * ? *)"
        assert tests["RestoreTestingPlanName"] == plan_name
        assert tests["RecoveryPointSelection"] == {
            "Algorithm": "LATEST_WITHIN_WINDOW",
            "SelectionWindowDays": days,
            "IncludeVaults": [{"GetAtt": "Vault.BackupVaultArn"}],
            "RecoveryPointTypes": ["SNAPSHOT"],
        }
        assert selection["RestoreTestingPlanName"] == {"Ref": f"{name}RestoreTest"}
        assert selection["ProtectedResourceArns"] == [{"Ref": f"{name}Arn"}]
        assert selection["IamRoleArn"] == {"GetAtt": "RestoreTestRole.Arn"}


def test_a_restore_test_makes_and_deletes_nothing_but_what_is_named_after_it() -> None:
    (policy,) = resources(MINIMAL)["RestoreTestRole"]["Policies"]
    allowed = policy["PolicyDocument"]["Statement"]
    changing = [each for each in allowed if any("Delete" in action or "Tags" in action for action in each["Action"])]
    changing = [each for each in changing if each["Sid"] != "Look"]
    assert [each["Sid"] for each in changing] == ["MakeAndDelete"]
    for each in allowed:
        names = [place["Sub"].rpartition(":")[2] for place in each["Resource"]] if each in changing else []
        assert set(names) <= {"awsbackup-restore-test*"}
        assert each["Resource"] != "*" or each["Sid"] == "Look"
        assert each["Sid"] != "Look" or all(re.match("rds:(Describe|List)", action) for action in each["Action"])


def test_the_vault_has_a_key_of_its_own_that_changes_and_outlives_it() -> None:
    found = template(bundle(MINIMAL), "disaster-recovery/backup.yml")["Resources"]
    assert found["Vault"]["Properties"]["EncryptionKeyArn"] == {"GetAtt": "Key.Arn"}
    assert found["Key"]["Properties"]["EnableKeyRotation"] is True
    assert {found[name]["DeletionPolicy"] for name in ("Key", "Vault")} == {"Retain"}


@pytest.mark.parametrize("slug", ["a", "a" * 40])
@pytest.mark.parametrize("name", ["d", "d" * 40])
def test_the_name_of_a_restore_test_is_one_that_aws_takes(slug: str, name: str) -> None:
    text = MINIMAL.replace("name: Saved Reports", f"name: Saved Reports\n  slug: {slug}")
    named = plan(f"{text}databases: [{{name: {name}}}]\n")["databases"][0]["restore_test"]
    assert re.fullmatch(r"[A-Za-z0-9_]{1,50}", named)
    assert named.endswith(f"_{name}")


# What AWS takes


def taken() -> dict[str, Files]:
    """Give bundles with all that templates hold: a budget, copies, points in time, sizes at both ends."""
    return {
        **{name: example(name) for name in EXAMPLES},
        "both-kinds": bundle(BOTH),
        "yuan": bundle(f"{MINIMAL}cost: {{budget: 10.5 CNY}}\n"),
        "many": bundle(MANY),
    }


def write_templates(files: Files, folder: Path, name: str) -> None:
    for path, content in files.items():
        if "AWSTemplateFormatVersion" in content and path.endswith(".yml"):
            (folder / f"{name}-{path.replace('/', '-')}").write_text(content)


@pytest.mark.real
def test_the_linter_of_aws_and_checkov_find_nothing_in_any_template(tmp_path: Path) -> None:
    for name, files in taken().items():
        write_templates(files, tmp_path, name)
    assert len(list(tmp_path.iterdir())) == 12
    assert tools.cfn_lint(tmp_path) == ""
    assert tools.checkov(tmp_path, "cloudformation") == ""


@pytest.mark.real
def test_the_linter_of_aws_finds_properties_that_it_does_not_know(tmp_path: Path) -> None:
    files = bundle(f"{MINIMAL}cost: {{budget: 10 USD}}\n")
    files["cost/budget-alerts.yml"] = files["cost/budget-alerts.yml"].replace("TimeUnit:", "TimeUnits:")
    broken = files["disaster-recovery/backup.yml"].replace("Lifecycle:", "LifeCycle:")
    files["disaster-recovery/backup.yml"] = broken.replace("      EncryptionKeyArn: !GetAtt Key.Arn\n", "")
    write_templates(files, tmp_path, "broken")
    said = tools.cfn_lint(tmp_path)
    assert "TimeUnits" in said
    assert "LifeCycle" in said
    assert "CKV_AWS_166" in tools.checkov(tmp_path, "cloudformation")


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
