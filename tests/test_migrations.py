"""Migrations: the manifest that holds them, the script that runs them before anything moves, and who calls it."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import tools
from tests.bundles import load_text, render_bundle
from tests.cluster import Machine, machine
from tests.manifests import Object, amount, build, objects, of_kind, pod, write
from tests.scores import findings
from tests.specs import MINIMAL

TEXT = f"""{MINIMAL}
services:
  - name: shop-api
    image: registry.example.com/shop-api:1.2.3
    config: {{LOG_LEVEL: info}}
    migrate: [./manage, migrate, "$(LOG_LEVEL) $$ `x` {{{{ y }}}}"]
    writable: [/tmp, /var/cache/app]
    staging: {{cpu: 250m, memory: 300Mi}}
  - {{name: shop-web, kind: web, needs: []}}
  - {{name: indexer, kind: worker, user: 999, migrate: [index, up], needs: [saved-reports-db]}}
"""
WORKER = f"""{MINIMAL}
services: [{{name: indexer, kind: worker, migrate: [index, up]}}]
"""
FILES = render_bundle(load_text(TEXT))
NAMES = ("shop-api-migrate", "indexer-migrate")


@pytest.fixture(scope="module", params=["staging", "production"])
def applied(request: pytest.FixtureRequest) -> list[Object]:
    return objects(build(FILES, str(request.param)))


def templates(found: list[Object]) -> dict[str, Object]:
    return {
        one["metadata"]["name"]: one
        for one in of_kind(found, "CronJob")
        if one["metadata"]["labels"]["app.kubernetes.io/component"] == "migration"
    }


def pod_of(cronjob: Object) -> Object:
    specification: Object = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return specification


# The manifest


def test_each_migration_has_a_template_that_starts_nothing_by_itself(applied: list[Object]) -> None:
    found = templates(applied)
    assert set(found) == set(NAMES)
    assert all(one["spec"]["suspend"] is True for one in found.values())


def test_a_migration_runs_as_the_pods_of_its_service_do(applied: list[Object]) -> None:
    deployments = {one["metadata"]["name"]: pod(one) for one in of_kind(applied, "Deployment")}
    for name, deployment in {"shop-api-migrate": "shop-api-green", "indexer-migrate": "indexer"}.items():
        ours, theirs = pod_of(templates(applied)[name]), deployments[deployment]
        same = ("serviceAccountName", "automountServiceAccountToken", "enableServiceLinks", "securityContext")
        assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
        (own,), (container, *_) = ours["containers"], theirs["containers"]
        same = ("image", "imagePullPolicy", "resources", "securityContext")
        assert {key: own[key] for key in same} == {key: container[key] for key in same}
        # Nobody is assigned by a migration.
        assert ours["volumes"] == [each for each in theirs["volumes"] if each["name"] != "flags"]
        assert own["volumeMounts"] == [each for each in container["volumeMounts"] if each["name"] != "flags"]
        assert own.get("envFrom") == container.get("envFrom")
        assert amount(own["resources"]["requests"]["memory"]) <= amount(own["resources"]["limits"]["memory"])


def test_the_words_of_the_command_arrive_as_they_were_written(applied: list[Object]) -> None:
    command = pod_of(templates(applied)["shop-api-migrate"])["containers"][0]["command"]
    assert [word.replace("$$", "$") for word in command] == ["./manage", "migrate", "$(LOG_LEVEL) $$ `x` {{ y }}"]
    assert "$" not in "".join(command).replace("$$", "")


def test_a_migration_ends_and_is_not_tried_again_by_itself(applied: list[Object]) -> None:
    for one in templates(applied).values():
        job = one["spec"]["jobTemplate"]["spec"]
        assert job["activeDeadlineSeconds"] == 1800
        assert (job["backoffLimit"], job["template"]["spec"]["restartPolicy"]) == (0, "Never")
        (rule,) = job["podFailurePolicy"]["rules"]
        assert (rule["action"], rule["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
        assert "ttlSecondsAfterFinished" not in job


def test_how_long_a_migration_may_take_is_said_once_and_means_the_same_everywhere() -> None:
    text = TEXT.replace("    writable:", "    migrate_within: 45m\n    writable:")
    files = render_bundle(load_text(text.replace("migrate: [index, up]", "migrate: [index, up], migrate_within: 2h")))
    for environment in ("staging", "production"):
        found = templates(objects(build(files, environment)))
        seconds = [found[name]["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] for name in NAMES]
        assert seconds == [45 * 60, 120 * 60]
    assert "waits=(2760 7260)" in files["delivery/migrate.sh"]
    for minutes, name in zip(("45", "120"), NAMES, strict=True):
        assert re.search(rf"`{name}`.* may take {minutes} minutes", files["runbooks/operations/deploy-new-version.md"])
    jobs = yaml.safe_load(files["delivery/pipeline.yml"])["jobs"]
    assert jobs["staging"]["timeout-minutes"] == 30 + 45 + 120


def test_the_script_waits_for_each_migration_as_long_as_it_may_take(shop: Machine) -> None:
    script = shop.folder / "delivery" / "migrate.sh"
    script.write_text(script.read_text().replace("waits=(1860 1860)", "waits=(1860 1)"))
    shop.cluster.endless.add("indexer-migrate")
    done = migrate(shop, DEADLINE="")
    assert done.returncode == 1
    assert "indexer-migrate-1 has not ended within 1 s" in done.stderr


def test_no_selector_of_the_service_takes_the_pod_of_its_migration(applied: list[Object]) -> None:
    labels = templates(applied)["indexer-migrate"]["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    selectors = {
        f"{one['kind']} {one['metadata']['name']}": one["spec"].get("podSelector", one["spec"].get("selector"))
        for one in of_kind(applied, "Service", "PodDisruptionBudget", "Deployment", "NetworkPolicy")
    }
    taking = [name for name, each in selectors.items() if each.get("matchLabels", each).items() <= labels.items()]
    assert taking == ["NetworkPolicy default-deny", "NetworkPolicy indexer-migrate"]


def test_a_migration_reaches_names_and_its_databases_and_nobody_reaches_it(applied: list[Object]) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(applied, "NetworkPolicy")}
    for name in NAMES:
        assert policies[name]["policyTypes"] == ["Ingress", "Egress"]
        assert "ingress" not in policies[name]
        ports = [port["port"] for rule in policies[name]["egress"] for port in rule["ports"]]
        assert ports == [53, 53, 5432]


@pytest.mark.real
@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_every_version_takes_the_template(version: str) -> None:
    assert tools.kubernetes_validate(build(FILES, "production"), version) == ""


def test_what_a_migration_needs_is_applied_before_it_and_no_pod_with_it(applied: list[Object]) -> None:
    selector = "colour!=blue,app.kubernetes.io/instance notin (shop-api-green,shop-web-green,indexer)"
    assert FILES["delivery/pipeline.yml"].count(f"--selector '{selector}'") == 2
    before = [one for one in applied if selected(one["metadata"]["labels"])]
    assert of_kind(before, "Deployment") == []
    names = {(one["kind"], one["metadata"]["name"]) for one in before}
    for name in NAMES:
        service = name.removesuffix("-migrate")
        assert names >= {("CronJob", name), ("NetworkPolicy", name), ("ServiceAccount", service),
                         ("ExternalSecret", f"{service}-secrets")}  # fmt: skip
    assert ("ConfigMap", "shop-api-config") in names
    assert ("HorizontalPodAutoscaler", "shop-api-blue") not in names


def selected(labels: dict[str, str]) -> bool:
    rolled = {"shop-api-green", "shop-web-green", "indexer"}
    return labels.get("colour") != "blue" and labels.get("app.kubernetes.io/instance") not in rolled


def test_kube_score_kube_linter_and_polaris_would_find_nothing(applied: list[Object]) -> None:
    assert list(findings(applied)) == []


# The script


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Machine]:
    write(FILES, tmp_path)
    with machine(tmp_path) as here:
        for name in NAMES:
            here.cluster.add_template(name, "registry.example.com/new:2")
        yield here


def migrate(shop: Machine, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return shop.run(shop.folder / "delivery" / "migrate.sh", *(arguments or ("--yes",)), **environment)


def made(shop: Machine) -> list[str]:
    return [name for verb, name, _ in shop.cluster.events if verb == "create"]


@pytest.mark.real
def test_each_migration_is_run_as_a_job_with_the_image_of_its_template(shop: Machine) -> None:
    done = migrate(shop)
    assert done.returncode == 0, done.stderr
    assert made(shop) == ["shop-api-migrate-1", "indexer-migrate-1"]
    bodies: list[Any] = [body for verb, _, body in shop.cluster.events if verb == "create"]
    images = [body["spec"]["template"]["spec"]["containers"][0]["image"] for body in bodies]
    assert images == ["registry.example.com/new:2"] * 2
    assert "will run shop-api-migrate-1: registry.example.com/new:2 ./manage migrate" in done.stderr
    assert "the databases are migrated" in done.stderr


@pytest.mark.real
def test_the_next_release_gets_jobs_of_its_own(shop: Machine) -> None:
    assert [migrate(shop).returncode for _ in range(2)] == [0, 0]
    shop.cluster.add_template("shop-api-migrate", "registry.example.com/new:3")
    assert migrate(shop).returncode == 0
    assert made(shop)[::2] == [f"shop-api-migrate-{number}" for number in (1, 2, 3)]
    last: Any = shop.cluster.events[-2][2]
    assert last["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.com/new:3"


@pytest.mark.real
def test_the_first_failure_ends_it_with_its_log_and_the_next_try_goes_on(shop: Machine) -> None:
    shop.cluster.failing.add("shop-api-migrate")
    done = migrate(shop)
    assert (done.returncode, made(shop)) == (1, ["shop-api-migrate-1"])
    assert "the log of shop-api-migrate-1-x" in done.stderr
    assert "shop-api-migrate-1: Failed BackoffLimitExceeded" in done.stderr
    assert [event for event in shop.cluster.events if event[0] != "create"] == []
    shop.cluster.failing.clear()
    assert migrate(shop).returncode == 0
    assert made(shop)[1:] == ["shop-api-migrate-2", "indexer-migrate-1"]


@pytest.mark.real
def test_a_migration_that_does_not_end_is_left_to_the_cluster_and_no_second_one_starts(shop: Machine) -> None:
    shop.cluster.endless.add("shop-api-migrate")
    done = migrate(shop, DEADLINE="1")
    assert done.returncode == 1
    assert "shop-api-migrate-1 has not ended within 1 s" in done.stderr
    assert "shop-api-migrate-1 goes on in the cluster" in done.stderr
    again = migrate(shop)
    assert (again.returncode, made(shop)) == (1, ["shop-api-migrate-1"])
    assert "shop-api-migrate-1 still goes on: nothing was started" in again.stderr


@pytest.mark.real
def test_an_interruption_leaves_the_job_and_says_so(shop: Machine) -> None:
    shop.cluster.endless.add("shop-api-migrate")
    script = shop.folder / "delivery" / "migrate.sh"
    process = subprocess.Popen(["/bin/bash", script, "--yes"], env=shop.environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not made(shop) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "shop-api-migrate-1 goes on in the cluster" in errors


@pytest.mark.real
def test_of_two_who_start_at_once_the_server_takes_one(shop: Machine) -> None:
    def somebody(name: str) -> None:
        shop.cluster.before_create = lambda _name: None
        shop.cluster.add("jobs", name, {}, {"app.kubernetes.io/name": "shop-api-migrate"})

    shop.cluster.before_create = somebody
    done = migrate(shop)
    assert (done.returncode, made(shop)) == (1, [])
    assert "shop-api-migrate-1 was not made" in done.stderr


@pytest.mark.real
@pytest.mark.parametrize(("argument", "code"), [("--dry-run", 0), ("", 1), ("--force", 1)])
def test_nothing_starts_without_consent(shop: Machine, argument: str, code: int) -> None:
    script = shop.folder / "delivery" / "migrate.sh"
    done = shop.run(script, *filter(None, [argument]))
    assert (done.returncode, made(shop)) == (code, [])


@pytest.mark.real
def test_a_template_that_is_not_there_ends_it_before_anything_is_started(shop: Machine) -> None:
    del shop.cluster.objects["cronjobs", "indexer-migrate"]
    done = migrate(shop)
    assert (done.returncode, made(shop)) == (1, [])
    assert "indexer-migrate" in done.stderr


@pytest.mark.real
def test_every_call_says_where_and_ends_and_the_script_is_clean(shop: Machine) -> None:
    script = shop.folder / "delivery" / "migrate.sh"
    assert tools.shellcheck(script) + tools.shfmt(script) == ""
    assert migrate(shop).returncode == 0
    flags = ("--context ", "--namespace ", "--request-timeout ")
    assert [call for call in shop.calls() if not all(flag in call for flag in flags)] == []


# Who runs it


def steps(pipeline: dict[str, Any], job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pipeline["jobs"][job]["steps"]
    return found


def test_the_pipeline_migrates_before_pods_come_and_rolls_back_nothing_that_never_began() -> None:
    pipeline = yaml.safe_load(FILES["delivery/pipeline.yml"])
    assert [step["name"] for step in steps(pipeline, "production")[2:]] == [
        "Stop at what is undecided", "See that green is idle", "Migrate the databases", "Bring up green",
        "Take the release through its steps", "Roll back",
    ]  # fmt: skip
    (begin,) = (step for step in steps(pipeline, "production") if step.get("id") == "begin")
    assert begin["name"] == "Migrate the databases"
    names = [step["name"] for step in steps(pipeline, "staging")[2:]]
    assert names == ["Stop at what is undecided", "Migrate the databases", "Deploy and test"]
    assert "migrate" not in str(pipeline["jobs"]["promotion"])


def test_gitlab_marks_the_release_as_begun_after_its_migrations() -> None:
    text = render_bundle(load_text(f"{TEXT}platform: {{pipeline: gitlab-ci}}\n"))["delivery/pipeline.yml"]
    places = [text.rindex(words) for words in ("overlays/production", "migrate.sh", "release-begun", "green-000.yml")]
    production = text[text.index("\nproduction:") :]
    order = ["migrate.sh --yes", "touch release-begun", "smoke-test.sh green", "watch-rollout.sh --yes"]
    assert [production.index(words) for words in order] == sorted(production.index(words) for words in order)
    assert len(places) == len(order)


def test_workers_alone_migrate_before_they_roll() -> None:
    files = render_bundle(load_text(WORKER))
    pipeline = yaml.safe_load(files["delivery/pipeline.yml"])
    for job in ("staging", "production"):
        names = [step.get("name") for step in steps(pipeline, job)]
        assert names.index("Migrate the databases") < names.index("Deploy and test")
    assert "before any worker rolls" in files["tasks.md"]


def test_a_spec_without_migrations_has_none_of_it() -> None:
    files = render_bundle(load_text(MINIMAL))
    assert not [path for path in files if "migrat" in path]
    assert "migrate" not in files["delivery/pipeline.yml"] + files["runbooks/operations/deploy-new-version.md"]


def test_document_and_runbook_say_expand_then_contract_and_the_command() -> None:
    assert "**Expand, then contract:**" in FILES["tasks.md"]
    page = FILES["runbooks/operations/deploy-new-version.md"]
    assert page.index("delivery/migrate.sh") < page.index("delivery/smoke-test.sh green")
    assert "`indexer-migrate`, with the new image of `indexer`, may take 30 minutes: index up" in page


def test_a_restore_waits_for_migrations_as_well() -> None:
    assert "services+=(shop-api-migrate indexer-migrate)" in FILES["disaster-recovery/restore-database.sh"]
