"""Operations: a runbook for each task of the spec and for every night, with commands of this very bundle."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files
from tests import tools
from tests.bundles import example, load_text, render_bundle
from tests.specs import MINIMAL

DEFAULT_PAGES = ["backup-verification", "certificate-renewal", "database-maintenance", "deploy-new-version",
                 "roll-back", "rotate-secrets", "scale-application", "security-patching",
                 "switch-off-experiment"]  # fmt: skip
CUSTOM = f"""{MINIMAL}
operations:
  - {{task: Roll back, frequency: as needed, level: manual}}
  - {{task: "Warm `the` cache | {{{{ now }}}}", frequency: "a | b", level: manual}}
  - {{task: Приём, frequency: daily, level: manual}}
  - {{task: Отчёт, frequency: daily, level: manual}}
"""
WORKER = f"{MINIMAL}services: [{{name: indexer, kind: worker, secrets: []}}]\ndatabases: []\ncaches: []\n"
IN_CLUSTER = f"{MINIMAL}databases: [{{name: b-db, hosting: in-cluster}}]\nplatform: {{tls_issuer: letsencrypt}}\n"
MANUAL = f"{MINIMAL}platform: {{secrets: manual, cloud: none}}\n"
BOTH = f"""{MINIMAL}
databases:
  - {{name: a-db, backup: {{to: s3://saved/a}}}}
  - {{name: b-db, hosting: in-cluster, backup: {{to: s3://saved/b}}}}
  - {{name: c-db, hosting: in-cluster, backup: {{to: s3://saved/c}}}}
services: [{{name: web, kind: web, production: {{autoscaling: none}}}}, {{name: indexer, kind: worker}}]
"""
BUNDLES = {"minimal": MINIMAL, "custom": CUSTOM, "worker": WORKER, "in the cluster": IN_CLUSTER, "manual": MANUAL,
           "both": BOTH}  # fmt: skip


def bundle(text: str) -> Files:
    return render_bundle(load_text(text))


def pages(files: Files) -> dict[str, str]:
    return {PurePosixPath(path).stem: text for path, text in files.items() if path.startswith("runbooks/operations/")}


def snippets(text: str) -> list[str]:
    return re.findall(r"```bash\n(.*?)```", text, re.DOTALL)


def test_the_minimal_spec_has_the_six_of_the_document_and_four_for_the_night() -> None:
    assert sorted(pages(bundle(MINIMAL))) == DEFAULT_PAGES
    rows = plan_bundle(load_text(MINIMAL).spec)["operation_rows"]
    assert len(rows) == 6
    assert not {"roll-back", "rotate-secrets", "switch-off-experiment"} & {row["name"] for row in rows}


def test_a_task_of_the_spec_s_own_gets_an_honest_page_under_a_name_of_its_own() -> None:
    found = pages(bundle(CUSTOM))
    assert {"operation", "operation-2", "warm-the-cache-now"} <= found.keys()
    assert "Nobody has written this runbook yet" in found["operation"]
    assert "delivery/rollback.sh" in found["roll-back"]
    assert found["warm-the-cache-now"].startswith("# Warm \\`the\\` cache \\| {{ now }}\n")


def test_no_page_speaks_of_what_the_spec_does_not_have() -> None:
    found = pages(bundle(WORKER))
    assert not {"database-maintenance", "backup-verification", "rotate-secrets"} & found.keys()
    assert not any(word in text for text in found.values() for word in ("httproute", "green", "disaster-recovery"))


BARE = f"{MINIMAL}databases: []\ncaches: []\n"
STORES = re.compile(r"(?i)databas|cache|queue|secret|postgres|pg_|redis|kafka|sql")
DATA = f"""{MINIMAL}
services: [{{name: api}}, {{name: front, kind: web, needs: []}}, {{name: indexer, kind: worker, needs: [orders]}}]
databases: [{{name: main-db, hosting: in-cluster, backup: {{to: s3://saved/main}}}}]
queues: [{{name: orders}}]
external_services: [{{name: payments, host: payments.example.com}}]
"""


@pytest.mark.parametrize(
    "more",
    ["", "services: [{name: indexer, kind: worker}]\n", "platform: {rollout: argo-rollouts}\n"],
    ids=["an api", "a worker", "a rollout"],
)
def test_no_runbook_speaks_of_stores_or_secrets_where_there_are_none(more: str) -> None:
    files = bundle(BARE + more)
    read = [path for path in files if path.startswith("runbooks/")]
    assert len(read) > 10
    assert [(path, line) for path in read for line in files[path].splitlines() if STORES.search(line)] == []
    assert "For each service one alert says so" in files["monitoring/README.md"]


def test_the_index_asks_only_for_what_its_pages_call() -> None:
    assert "call `kubectl`." in bundle(f"{WORKER}platform: {{cloud: none}}\n")["runbooks/index.md"]
    assert "call `kubectl`, `openssl`, `date`, `psql`, `aws`." in bundle(MINIMAL)["runbooks/index.md"]


@pytest.mark.parametrize("text", [MINIMAL, WORKER, f"{MINIMAL}platform: {{rollout: argo-rollouts}}\n"])
def test_the_page_of_a_release_says_that_production_waits_for_a_person(text: str) -> None:
    page = pages(bundle(text))["deploy-new-version"]
    assert "after a merge; production waits for a person who lets it begin. This page" in page
    assert "| **How often** | As needed |" in page


def test_a_runbook_names_what_its_own_service_waits_for() -> None:
    files = bundle(DATA)

    def mends(name: str) -> str:
        return files[f"runbooks/alerts/{name}.md"].split("## How to mend")[1]

    calls = "Look at main-db, saved-reports-cache, orders, payments first."
    assert calls in mends("ApiErrorRatioHigh")
    assert f"something that it calls is slow. {calls}" in mends("ApiLatencyP95High")
    assert "since a change of its configuration or of a secret:" in mends("ApiErrorRatioHigh")
    assert "(../operations/database-maintenance.md)" in mends("ApiLatencyP95High")
    assert "Look at orders first." in mends("IndexerFailureRatioHigh")
    for name in ("FrontErrorRatioHigh", "FrontLatencyP95High", "FrontMetricsMissing"):
        assert not STORES.search(mends(name)), name
    assert "Its log says what it waits for." in mends("FrontLatencyP95High")


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("FrontMetricsMissing", ["A series of the application", "container_...", "kube_..."]),
        ("IndexerMetricsMissing", ["A series of the application", "container_...", "kube_...", "kafka_..."]),
        ("MainDbMetricsMissing", ["kube_...", "pg_..."]),
    ],
)
def test_the_page_of_missing_series_asks_those_who_show_them_and_nobody_else(name: str, named: list[str]) -> None:
    page = bundle(DATA)[f"runbooks/alerts/{name}.md"].replace("\\_", "_")
    mends = page.split("## How to mend")[1].split("## When")[0]
    assert [line.removeprefix("- ").partition(":")[0] for line in mends.splitlines() if line.startswith("- ")] == named


@pytest.mark.real
@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_every_command_is_clean_shell(text: str, tmp_path: Path) -> None:
    for name, page in pages(bundle(text)).items():
        for number, snippet in enumerate(snippets(page)):
            path = tmp_path / f"{name}-{number}.sh"
            path.write_text(f"#!/usr/bin/env bash\nset -o pipefail\n{snippet}")
            assert tools.shellcheck(path) == "", snippet


@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_every_command_on_the_cluster_says_where(text: str) -> None:
    for page in pages(bundle(text)).values():
        for line in "".join(snippets(page)).replace("\\\n", " ").splitlines():
            if line.startswith("kubectl ") and not line.startswith("kubectl config "):
                assert line.startswith('kubectl --context "${KUBE_CONTEXT:?}" '), line


@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_every_object_that_a_command_names_is_in_the_bundle(text: str) -> None:
    files = bundle(text)
    manifests = "\n".join(content for path, content in files.items() if path.endswith((".yml", ".yaml")))
    for page in pages(files).values():
        for name in re.findall(r"(?:deployment/|httproute |externalsecret |cronjob/|certificate/)([a-z0-9-]+)", page):
            assert re.search(rf"\bname: {name}$", manifests, re.MULTILINE), name


@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_every_script_and_file_that_a_page_names_is_in_the_bundle(text: str) -> None:
    files = bundle(text)
    for path, page in files.items():
        if path.startswith("runbooks/operations/") or path == "runbooks/index.md":
            for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page):
                assert str(resolve(path, target)) in files, f"{path}: {target}"
            for script in re.findall(r"^((?:delivery|disaster-recovery)/\S+\.sh)", page, re.MULTILINE):
                assert script in files, f"{path}: {script}"


def resolve(path: str, target: str) -> PurePosixPath:
    steps: list[str] = []
    for step in (PurePosixPath(path).parent / target).parts:
        steps = steps[:-1] if step == ".." else [*steps, step]
    return PurePosixPath(*steps)


@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_the_index_lists_every_runbook(text: str) -> None:
    files = bundle(text)
    for path in files:
        if path.startswith(("runbooks/alerts/", "runbooks/operations/")):
            assert f"({path.removeprefix('runbooks/')})" in files["runbooks/index.md"], path


@pytest.mark.real
@pytest.mark.parametrize("text", BUNDLES.values(), ids=BUNDLES.keys())
def test_every_page_is_clean_markdown(text: str, tmp_path: Path) -> None:
    for name, page in {**pages(bundle(text)), "index": bundle(text)["runbooks/index.md"]}.items():
        (tmp_path / f"{name}.md").write_text(page)
    assert tools.markdown_lint(tmp_path) == ""


MIXED = f"{MINIMAL}services: [{{name: web, kind: web}}, {{name: indexer, kind: worker}}]\n"
UNDO = 'kubectl --context "${KUBE_CONTEXT:?}" --namespace saved-reports rollout undo deployment/indexer\n'


def test_a_worker_s_runbook_undoes_the_worker_where_the_script_only_moves_traffic() -> None:
    mixed, alone = bundle(MIXED), bundle(WORKER)
    assert UNDO in mixed["runbooks/alerts/IndexerFailureRatioHigh.md"]
    assert "rollout undo" not in mixed["runbooks/alerts/WebErrorRatioHigh.md"]
    assert "rollout undo" not in alone["runbooks/alerts/IndexerFailureRatioHigh.md"]
    for files in (mixed, alone):
        assert "delivery/rollback.sh\n" in files["runbooks/alerts/IndexerFailureRatioHigh.md"]


def test_each_database_is_verified_on_a_server_of_its_own_where_its_dumps_are() -> None:
    page = pages(bundle(BOTH))["backup-verification"]
    in_bucket, by_hand = page.split("## Does it come back beside the live one?")[1].split("## Does a dump come back?")
    checks = [snippet for snippet in snippets(in_bucket) + snippets(by_hand) if "--verify-only" in snippet]
    assert [re.findall(r"--verify-only (\S+)", check) for check in checks] == [["b-db"], ["c-db"], ["a-db"]]
    assert all(check.startswith("export DB_HOST=... DB_USER=... DB_NAME=...\n") for check in checks)
    assert "a-db" not in in_bucket


@pytest.mark.parametrize("cloud", ["aws", "none"])
def test_somebody_is_told_when_aws_cannot_restore_a_backup(cloud: str) -> None:
    files = bundle(f"{MINIMAL}platform: {{cloud: {cloud}}}\n")
    told = (
        ("EventBridge rule on Restore Job State Change", files["tasks.md"]),
        ("put-rule", pages(files)["backup-verification"]),
    )
    assert [words in text for words, text in told] == [cloud == "aws"] * 2


def test_a_job_that_is_started_by_hand_can_be_started_again() -> None:
    lines = pages(bundle(BOTH))["backup-verification"].splitlines()
    started = [number for number, line in enumerate(lines) if " create job " in line]
    assert len(started) == 4
    for number in started:
        name = lines[number].partition(" create job ")[2].split()[0]
        assert lines[number - 1].endswith(f" delete job {name} --ignore-not-found")


def test_scaling_by_hand_asks_for_a_number_and_does_not_print_the_present_one() -> None:
    page = pages(bundle(BOTH))["scale-application"]
    assert 'scale deployment web-blue --replicas="${REPLICAS:?}"\n' in page
    assert "export REPLICAS=..." in page
    assert "REPLICAS" not in pages(bundle(MINIMAL))["scale-application"]


def test_the_commands_for_secrets_by_hand_stop_where_no_cluster_is_named() -> None:
    commands = bundle(MANUAL)["security/secrets.yml"]
    named = '--context "${KUBE_CONTEXT:?}" --namespace "${NAMESPACE:?}"'
    assert commands.count("kubectl --context") == commands.count(named) > 0


def test_an_alert_s_page_says_where_its_subject_runs_and_when_it_fires() -> None:
    files = bundle(MINIMAL)
    database = files["runbooks/alerts/SavedReportsDbConnectionsHigh.md"]
    assert "| **Watched on** | saved-reports-db |\n" in database
    assert "| **Fires** | Connection count: above 80% of max for 5 minutes |\n" in database
    assert (
        "| **Watched on** | saved-reports-api, in saved-reports |"
        in files["runbooks/alerts/SavedReportsApiErrorRatioHigh.md"]
    )
    assert "PostgreSQL 16" in pages(files)["security-patching"]


def test_the_page_of_secrets_says_what_is_put_where() -> None:
    page = example("saved-reports")["runbooks/operations/rotate-secrets.md"]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")][2:] for line in page.splitlines() if "-secrets`" in line
    ]
    assert [row for row in rows if len(row) > 1] == [
        ["`features-db-url`", "the URL of `features-db`, with user and password",
         "`reporting/saved-reports/production/features-db-url`"],
        ["`cache-url`", "the URL of `cache`, with user and password",
         "`reporting/saved-reports/production/cache-url`"],
        ["`jwt-secret`", "what the application reads from `/etc/secrets/jwt-secret`",
         "`reporting/saved-reports/production/jwt-secret`"],
    ]  # fmt: skip


def test_the_page_of_secrets_names_no_store_that_nobody_has_chosen() -> None:
    path = "runbooks/operations/rotate-secrets.md"
    assert (
        "-db-url` | the URL of `saved-reports-db`, with user and password | *to be decided* |"
        in example("minimal")[path]
    )
    assert "In the store" not in example("minimal", "platform.secrets=manual")[path]
