"""Public validators find nothing in the rendered bundles: the examples, and bundles that take every platform option.

One process of each judge for all bundles: most of its time is its start. What each judge covers, and what it cannot
see, is in docs/reference/validators.md. The rules of kube-score, kube-linter and polaris are in `tests.scores`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import zip_longest
from pathlib import Path

import pytest
import yaml

from devops_tasks.fields import Kind
from devops_tasks.render import Files
from devops_tasks.spec import Platform
from tests import tools
from tests.bundles import EXAMPLES, example
from tests.manifests import ENVIRONMENTS, Object, build, objects, rendered, write
from tests.routes import route_findings
from tests.scores import findings

LOWEST, HIGHEST = "1.29", "1.37"


def _choices(name: str) -> tuple[str, ...]:
    shape = Platform.fields[name].shape
    return shape.choices if isinstance(shape, Kind) else ()


_UNROUTED = ("platform.gateway=null", "delivery.steps=[100%]")
"""What an example with a Gateway must leave when its routes are Ingresses."""


def _rows() -> Iterator[tuple[str, ...]]:
    """Give settings that take every choice of every option of the platform once."""
    options = [
        [f"platform.{name}={choice}" for choice in _choices(name)]
        for name in Platform.fields
        if _choices(name) and name != "kubernetes"
    ]
    versions = [f"platform.kubernetes={version}" for version in (LOWEST, "1.30", HIGHEST)]
    for row in zip_longest(*options, versions):
        taken = tuple(setting for setting in row if setting)
        yield (*taken, *_UNROUTED) if "platform.routing=ingress" in taken else taken


MATRIX = [*((name, ()) for name in EXAMPLES), ("checkout", ("platform.rollout=argo-rollouts",))] + [
    (name, row) for row, name in zip(_rows(), ("checkout", "saved-reports", "minimal") * 9, strict=False)
]


def _called(name: str, settings: tuple[str, ...]) -> str:
    return "-".join((name, *(setting.rpartition("=")[2] for setting in settings)))


def _bundles() -> dict[str, Files]:
    return {_called(name, settings): example(name, *settings) for name, settings in MATRIX}


def _pipelines() -> dict[str, str]:
    return {bundle: files["delivery/pipeline.yml"] for bundle, files in _bundles().items()}


@cache
def _overlays() -> dict[tuple[str, str], str]:
    return {
        (bundle, environment): build(files, environment)
        for bundle, files in (_bundles() | {case: rendered(case) for case in ("decided", "mixed")}).items()
        for environment in ENVIRONMENTS
    }


def _labelled() -> dict[str, Object]:
    """Name every object that anybody applies: those of the overlays, and the routes and monitors beside them."""
    texts = {" ".join(place): text for place, text in _overlays().items()}
    for bundle, files in _bundles().items():
        texts |= {f"{bundle} {path}": text for path, text in files.items() if _applied_alone(path, text)}
    # What stands in several bundles alike is judged once.
    written = {
        document: place for place, text in texts.items() for document in text.split("\n---\n") if "kind:" in document
    }
    return {
        f"{place} {each['kind']} {each['metadata']['name']}": each
        for document, place in written.items()
        for each in objects(document)
    }


def _applied_alone(path: str, text: str) -> bool:
    return path.startswith(("delivery/traffic/", "monitoring/prometheus-operator")) and "\nkind: " in f"\n{text}"


def _version(bundle: str) -> str:
    found = re.search(r"enforce-version: v(\S+)", _overlays()[bundle, "production"])
    assert found
    return found[1]


def _write_objects(found: Mapping[str, Object], folder: Path) -> None:
    for label, each in found.items():
        (folder / f"{re.sub(r'[^a-zA-Z0-9.-]', '_', label)}.yaml").write_text(yaml.safe_dump(each), "utf-8")


def test_the_matrix_takes_every_choice_of_the_platform_once() -> None:
    taken = {setting for _, settings in MATRIX for setting in settings}
    wanted = {f"platform.{name}={choice}" for name in Platform.fields for choice in _choices(name)}
    assert {setting for setting in wanted if "kubernetes=" not in setting} <= taken
    assert {f"platform.kubernetes={version}" for version in (LOWEST, HIGHEST)} <= taken
    assert {LOWEST, HIGHEST} == {_choices("kubernetes")[0], _choices("kubernetes")[-1]}


@pytest.mark.real
@pytest.mark.parametrize("version", ["its own", LOWEST, HIGHEST])
def test_the_schemas_of_kubernetes_accept_every_object(version: str) -> None:
    by_version: dict[str, list[str]] = {}
    for (bundle, _), text in _overlays().items():
        by_version.setdefault(_version(bundle) if version == "its own" else version, []).extend(text.split("\n---\n"))
    if version == "its own":
        by_version = {own: texts for own, texts in by_version.items() if own not in {LOWEST, HIGHEST}}
    assert by_version
    assert {
        wanted: tools.kubernetes_validate("\n---\n".join(dict.fromkeys(texts)), wanted)
        for wanted, texts in by_version.items()
    } == (dict.fromkeys(by_version, ""))


@pytest.mark.real
def test_the_definitions_of_custom_resources_accept_every_object() -> None:
    found = _labelled()
    custom = {each["kind"] for each in found.values() if each["apiVersion"].partition("/")[0] in tools.CUSTOM_GROUPS}
    wanted = {"Certificate", "ExternalSecret", "HTTPRoute", "PodMonitor", "PrometheusRule", "ReferenceGrant"}
    assert custom >= wanted
    assert tools.custom_kinds(found) == ""
    assert {place: route_findings(each) for place, each in found.items() if each["kind"] == "HTTPRoute"} == {
        place: [] for place, each in found.items() if each["kind"] == "HTTPRoute"
    }


def test_kube_score_kube_linter_and_polaris_would_find_nothing() -> None:
    assert {place: found for place, text in _overlays().items() if (found := list(findings(objects(text))))} == {}


@pytest.mark.real
def test_checkov_finds_nothing_in_the_overlays(tmp_path: Path) -> None:
    _write_objects(_labelled(), tmp_path)
    assert tools.checkov(tmp_path, "kubernetes") == ""


@pytest.mark.real
def test_checkov_finds_no_fault_in_a_pipeline_and_no_secret_in_any_file(tmp_path: Path) -> None:
    for bundle in ("saved-reports", "checkout"):  # one pipeline of each kind
        files = example(bundle)
        write(files, tmp_path / bundle)
        _place_pipeline(files["delivery/pipeline.yml"], tmp_path / bundle)
    found = tools.checkov(tmp_path, "secrets", "github_actions", "gitlab_ci").splitlines()
    # It takes a secret's name in the store for the secret; `wrong_secrets` of tests/manifests.py reads these files.
    assert [line for line in found if not ("CKV_SECRET_6" in line and "/security/secrets.yml" in line)] == []


def _place_pipeline(text: str, folder: Path) -> Path:
    place = folder / (".github/workflows/release.yml" if "runs-on:" in text else ".gitlab-ci.yml")
    write({place.name: text}, place.parent)
    return place


@pytest.mark.real
def test_actionlint_and_zizmor_find_nothing_in_a_workflow(tmp_path: Path) -> None:
    workflows = {f"{bundle}.yml": text for bundle, text in _pipelines().items() if "runs-on:" in text}
    write(workflows, tmp_path)
    assert len(workflows) > 1
    assert tools.actionlint(tmp_path) == ""
    assert tools.zizmor(*tmp_path.iterdir()) == ""


@pytest.mark.real
def test_the_schemas_of_the_platforms_accept_every_pipeline(tmp_path: Path) -> None:
    for number, text in enumerate(dict.fromkeys(_pipelines().values())):
        place = _place_pipeline(text, tmp_path / str(number))
        schema = "gitlab-ci" if place.name == ".gitlab-ci.yml" else "github-workflows"
        assert tools.workflow_check(place, schema) == ""  # type: ignore[arg-type]
