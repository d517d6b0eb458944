"""The pipeline from the application's own code to its digest in an overlay, and what keeps the undecided out of it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from tests import tools
from tests.bundles import load_text, render_bundle
from tests.manifests import Object, objects, pod, write
from tests.specs import MINIMAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devops_tasks.render import Files

BUILT = f"""{MINIMAL}
services:
  - name: shop-api
    image: registry.example.com:5000/shop/api:1.0.0
    build: {{context: services/api, dockerfile: build/Dockerfile, test: [make, -C, ., "test=all"]}}
    migrate: [./manage, migrate]
  - {{name: shop-web, kind: web, image: "registry.example.com:5000/web@sha256:{"a" * 64}", build: .}}
  - {{name: indexer, kind: worker, image: "registry.example.com:5000/shop/api:0.9.0"}}
  - {{name: mailer, kind: worker, image: "other.example.com/mailer:2.0.0"}}
databases: [{{name: shop-db, hosting: in-cluster, selector: {{app: db}}, backup: {{to: "s3://backups/shop"}}}}]
caches: []
platform:
  gateway: {{name: public, namespace: gateway-system}}
  secret_store: {{name: store}}
"""
DECIDED = BUILT.replace("- name: shop-api\n", "- name: shop-api\n    host: shop.example.com\n").replace(
    "kind: web,", "kind: web, host: shop.example.com,"
)
OWN = {"github-actions": "ghcr.io/acme", "gitlab-ci": "registry.gitlab.com/acme"}
PLATFORMS = ("github-actions", "gitlab-ci")


def bundle(text: str, platform: str) -> Files:
    other = "platform:\n" if "\nplatform:\n" not in text else ""
    chosen = f"platform:\n  pipeline: {platform}\n"
    return render_bundle(load_text(f"{text}{chosen}" if other else text.replace("platform:\n", chosen)))


def pipeline(text: str, platform: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(bundle(text, platform)["delivery/pipeline.yml"])
    return read


class Step(NamedTuple):
    """The shell of one step, and the job that it belongs to."""

    job: str
    shell: str


def steps(read: dict[str, Any]) -> Iterator[Step]:
    for name, job in read.get("jobs", read).items():
        if isinstance(job, dict):
            yield from (Step(name, step["run"]) for step in job.get("steps", []) if "run" in step)
            yield from (Step(name, line) for line in job.get("script", []) if isinstance(line, str))


def shells(read: dict[str, Any], job: str, words: str) -> list[str]:
    """Give the shell of a job's steps in which some words stand."""
    return [step.shell for step in steps(read) if step.job == job and words in step.shell]


def run(shell: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a step as a platform does, with the tools of the tests and what stands in for docker."""
    path = f"{folder}/bin:{Path(tools.tool('kubectl')).parent}:{os.environ['PATH']}"
    return subprocess.run(["/bin/bash", "-eo", "pipefail", "-c", shell], cwd=folder, env={"PATH": path, **variables},
                          capture_output=True, text=True, check=False)  # fmt: skip


_DOCKER = """#!/bin/bash
printf '%s\\n' "$*" >>docker.log
[[ "$1" != login ]] || cat >docker.password
while (($#)); do
    [[ "$1" != --metadata-file ]] || printf '{"containerimage.digest": "%s"}' "${DIGEST}" >"$2"
    shift
done
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(_DOCKER)
    docker.chmod(0o755)
    return tmp_path


# What is built


@pytest.mark.real
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_pipeline_that_builds_is_accepted_by_every_judge(platform: str, tmp_path: Path) -> None:
    registries = {"another": "registry.example.com:5000", "own": OWN[platform]}
    paths = [tmp_path / f"{name}.yml" for name in registries]
    for path, host in zip(paths, registries.values(), strict=True):
        path.write_text(bundle(BUILT.replace("registry.example.com:5000", host), platform)["delivery/pipeline.yml"])
        schema = "gitlab-ci" if platform == "gitlab-ci" else "github-workflows"
        assert tools.workflow_check(path, schema) == ""  # type: ignore[arg-type]
        assert tools.yaml_lint(path) == ""
    if platform == "github-actions":
        assert tools.actionlint(tmp_path) == ""
        assert tools.zizmor(*paths) == ""
    given = "export BUNDLE=. RUNNER_TEMP=. GITHUB_ENV=. GITHUB_OUTPUT=. KUBECONFIG_TEXT=."
    shell = "\n".join(f"(\n{step.shell}\n)" for path in paths for step in steps(yaml.safe_load(path.read_text())))
    script = tmp_path / "steps.sh"
    script.write_text(f"#!/usr/bin/env bash\nset -eo pipefail\n{given}\n{shell}\n")
    assert tools.shellcheck(script) == ""


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_application_is_tested_in_its_folder_and_then_built(platform: str, folder: Path) -> None:
    read = pipeline(BUILT, platform)
    (tested,) = [step.shell for step in steps(read) if step.job == "test"]
    command = "make -C . test=all"
    assert tested == (command if platform == "github-actions" else f"(cd services/api && {command})")
    if platform == "github-actions":
        assert read["jobs"]["test"]["steps"][1]["working-directory"] == "services/api"
        assert read["jobs"]["build"]["needs"] == ["validate", "test"]
        assert read["jobs"]["staging"]["needs"] == ["build", "validate"]
    else:
        assert read["stages"] == ["validate", "test", "build", "staging", "production", "promotion"]
    for shell in shells(read, "build", "docker"):
        done = run(shell, folder, DIGEST="sha256:1", COMMIT="c0ffee", GITHUB_OUTPUT="out", REGISTRY_USER="dana",
                   REGISTRY_PASSWORD="opensesame")  # fmt: skip # noqa: S106 - nobody's
        assert done.returncode == 0, done.stderr
    assert (folder / "docker.password").read_text() == "opensesame"
    said = re.sub(r"--metadata-file \S+ ", "", (folder / "docker.log").read_text()).splitlines()
    build = "buildx build --pull --push --tag registry.example.com:5000"
    assert said == [
        "login --username dana --password-stdin registry.example.com:5000",
        f"{build}/shop/api:c0ffee --file services/api/build/Dockerfile services/api",
        f"{build}/web:c0ffee --file Dockerfile .",
    ]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_build_without_a_digest_fails(platform: str, folder: Path) -> None:
    shell = shells(pipeline(BUILT, platform), "build", "buildx")[0]
    assert run(shell, folder, DIGEST="", COMMIT="c0ffee", GITHUB_OUTPUT="out").returncode != 0


def images(found: list[Object]) -> dict[str, set[str]]:
    """Give the images of each workload."""
    works = [one for one in found if one["kind"] in {"Deployment", "Rollout", "CronJob"}]
    specs = {
        one["metadata"]["name"]: one["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        if one["kind"] == "CronJob"
        else pod(one)
        for one in works
    }
    return {
        name: {each["image"] for each in [*spec["containers"], *spec.get("initContainers", [])]}
        for name, spec in specs.items()
    }


@pytest.mark.real
@pytest.mark.parametrize(
    ("platform", "rollout"),
    [("github-actions", "kubernetes"), ("gitlab-ci", "kubernetes"), ("gitlab-ci", "argo-rollouts")],
)
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_what_is_deployed_is_what_was_built_by_its_digest(
    platform: str, rollout: str, environment: str, folder: Path
) -> None:
    text = BUILT.replace("platform:\n", f"platform:\n  rollout: {rollout}\n")
    read = pipeline(text, platform)
    write(bundle(text, platform), folder)
    api, web = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    (shell,) = shells(read, environment, "release/kustomization.yaml")
    done = run(shell, folder, DIGEST_SHOP_API=api, DIGEST_SHOP_WEB=web)
    assert done.returncode == 0, done.stderr
    deployed = images(objects(tools.kustomize(folder / "release")))
    before = images(objects(tools.kustomize(folder / "overlays" / environment)))
    colours = ("-blue", "-green") if rollout == "kubernetes" else ("",)
    built = {f"shop-api{part}": {f"registry.example.com:5000/shop/api@{api}"} for part in (*colours, "-migrate")}
    built |= {f"shop-web{colour}": {f"registry.example.com:5000/web@{web}"} for colour in colours}
    assert deployed == before | built | {"indexer": {f"registry.example.com:5000/shop/api@{api}"}}
    assert deployed["mailer"] == {"other.example.com/mailer:2.0.0"}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_nothing_is_deployed_without_the_digest_of_what_was_built(platform: str, folder: Path) -> None:
    read = pipeline(BUILT, platform)
    (shell,) = shells(read, "production", "release/kustomization.yaml")
    assert run(shell, folder, DIGEST_SHOP_API="sha256:1", DIGEST_SHOP_WEB="").returncode != 0
    applied = [step.shell for step in steps(read) if "--kustomize" in step.shell]
    assert len(applied) == 5  # two migrations, staging, green, promotion
    assert all("--kustomize release" in shell for shell in applied)
    if platform == "github-actions":
        for name in ("staging", "production", "promotion"):
            job = read["jobs"][name]
            assert "build" in job["needs"]
            assert job["env"]["DIGEST_SHOP_API"] == "${{ needs.build.outputs.shop-api }}"
    else:
        assert read["build"]["artifacts"]["reports"]["dotenv"] == "build.env"


def test_only_the_build_may_write_packages_and_only_where_the_registry_is_github_s() -> None:
    own = pipeline(BUILT.replace("registry.example.com:5000", OWN["github-actions"]), "github-actions")
    assert own["permissions"] == {"contents": "read"}
    assert {name: job["permissions"] for name, job in own["jobs"].items() if "permissions" in job} == {
        "build": {"contents": "read", "packages": "write"}
    }
    assert "secrets." not in str(own["jobs"]["build"])
    other = pipeline(BUILT, "github-actions")["jobs"]["build"]
    assert other["permissions"] == {"contents": "read"}
    assert other["environment"] == "build"
    assert other["if"] == "github.event_name == 'push'"


def test_the_login_of_gitlab_s_own_registry_is_the_job_s() -> None:
    own = pipeline(BUILT.replace("registry.example.com:5000", OWN["gitlab-ci"]), "gitlab-ci")["build"]
    assert own["variables"].items() >= {"REGISTRY_PASSWORD": "${CI_REGISTRY_PASSWORD}"}.items()
    assert "REGISTRY_PASSWORD" not in pipeline(BUILT, "gitlab-ci")["build"]["variables"]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    ("host", "told"), [("123456789012.dkr.ecr.eu-west-1.amazonaws.com", 1), ("dkr.ecr.example.com", 0)]
)
def test_whose_password_lives_for_hours_is_told_in_the_pipeline(platform: str, host: str, told: int) -> None:
    text = bundle(BUILT.replace("registry.example.com:5000", host), platform)["delivery/pipeline.yml"]
    assert text.count("`aws ecr get-login-password`") == told
    assert yaml.safe_load(text)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_where_no_key_says_how_the_pipeline_begins_at_the_image_and_says_so(platform: str) -> None:
    files = bundle(MINIMAL, platform)
    text = files["delivery/pipeline.yml"]
    assert not {"test", "build"} & set(yaml.safe_load(text).get("jobs", yaml.safe_load(text)))
    assert "# The images of saved-reports-api come from elsewhere: no services[].build says how they are built." in text
    assert "docker" not in text
    assert "the pipeline begins at the images that the spec names" in files["tasks.md"]


def test_the_document_says_what_is_built_and_what_is_not() -> None:
    files = bundle(BUILT, "github-actions")
    assert (
        "Let GitHub Actions push the image of shop-api: "
        "the pipeline tests it (make -C . test=all) and builds it from services/api/build/Dockerfile"
    ) in files["tasks.md"]
    assert "push the image of shop-web: the pipeline builds it from Dockerfile" in files["tasks.md"]
    assert "build and test stages of mailer in GitHub Actions" in files["tasks.md"]
    assert "deploys what it builds" in files["runbooks/operations/deploy-new-version.md"]


# What nobody has decided


def guard(environment: str, folder: Path, text: str = BUILT) -> subprocess.CompletedProcess[str]:
    """Run the step that stands before anything is applied."""
    write(bundle(text, "github-actions"), folder)
    (shell,) = shells(pipeline(text, "github-actions"), environment, "undecided")
    return run(shell, folder)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_decided_bundle_passes_though_open_ranges_are_told_in_comments(environment: str, folder: Path) -> None:
    done = guard(environment, folder, f"{DECIDED}queues: [{{name: orders}}]\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "undecided" in (folder / "security" / "network-policies.yml").read_text()


@pytest.mark.parametrize(
    ("environment", "old", "new", "place"),
    [
        ("staging", '  - {name: mailer, kind: worker, image: "other.example.com/mailer:2.0.0"}\n',
         "  - {name: mailer, kind: worker}\n",
         ("overlays/staging/kustomization.yaml", "    newName: undecided.invalid/mailer")),
        ("staging", "  secret_store: {name: store}\n", "", ("security/secrets.yml", "    name: undecided")),
        ("production", "  gateway: {name: public, namespace: gateway-system}\n", "",
         ("delivery/traffic/green-000.yml", "      namespace: undecided")),
        ("production", ', backup: {to: "s3://backups/shop"}', "",
         ("disaster-recovery/backup.yml", "                  value: s3://undecided.invalid/shop-db")),
    ],
    ids=["an image", "the secret store", "the gateway", "a bucket"],
)  # fmt: skip
def test_what_is_undecided_stops_the_pipeline_at_its_file_and_line(
    environment: str, old: str, new: str, place: tuple[str, str], folder: Path
) -> None:
    path, line = place
    done = guard(environment, folder, BUILT.replace(old, new))
    assert done.returncode == 1
    number = (folder / path).read_text().splitlines().index(line) + 1
    assert f"{path}:{number}:{line}" in done.stdout.splitlines()
    assert "devops-tasks check" in done.stderr


def test_staging_is_judged_by_its_own_values_alone(folder: Path) -> None:
    text = BUILT.replace("  gateway: {name: public, namespace: gateway-system}\n", "").replace(
        ', backup: {to: "s3://backups/shop"}', ""
    )
    assert guard("staging", folder, text).returncode == 0
    assert guard("production", folder, text).returncode == 1


def test_a_folder_that_is_not_there_lets_nothing_through(folder: Path) -> None:
    (shell,) = shells(pipeline(BUILT, "github-actions"), "staging", "undecided")
    done = run(shell, folder)
    assert done.returncode == 1
    assert "overlays/staging" in done.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("text", [BUILT, MINIMAL], ids=["built", "not built"])
def test_nothing_is_applied_before_it_is_known_to_be_decided(platform: str, text: str) -> None:
    found = list(steps(pipeline(text, platform)))
    for job in ("staging", "production"):
        order = [step.shell for step in found if step.job == job]
        guarded = next(index for index, shell in enumerate(order) if "undecided" in shell)
        first = next(index for index, shell in enumerate(order) if " apply " in shell)
        assert guarded < first
