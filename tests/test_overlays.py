"""What `check` computes of an overlay is what kustomize makes of it, or it says that it cannot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from devops_tasks.checks.cluster import kind_of, name_of, read_cluster
from devops_tasks.checks.documents import Value, read_documents
from devops_tasks.checks.overlays import read_overlays
from tests import tools
from tests.bundles import example
from tests.manifests import Object, objects, write

if TYPE_CHECKING:
    from pathlib import Path

    from devops_tasks.errors import Problem
    from devops_tasks.render import Files

PATH = "overlays/production/kustomization.yaml"
LISTED = """
spec:
  template:
    spec:
      containers:
        - name: feature-api
          args: [a, b]
          env: [{name: NEW, value: x}]
          ports: [{containerPort: 9999, name: new, protocol: UDP}, {containerPort: 9090, protocol: TCP, $patch: delete}]
          volumeMounts: [{mountPath: /tmp, name: other}]
        - {name: sidecar, image: "x:1", ports: [{containerPort: 1234, protocol: TCP}]}
      volumes: [{name: other, emptyDir: {}}]
      serviceAccountName: null
"""
PORTS = """
spec:
  ports:
    - {port: 3000, protocol: TCP, targetPort: 9}
    - {port: 8, protocol: UDP, name: b}
"""
REPLACED = """
spec:
  template:
    spec:
      containers: [{name: feature-api, resources: {$patch: replace, limits: {cpu: 1}}}]
"""
ON_LISTS = """
- {op: add, path: /spec/egress/0, value: {ports: [{port: 1}]}}
- {op: remove, path: /spec/ingress/0}
- {op: add, path: /spec/egress/-, value: {ports: [{port: 2}]}}
- {op: copy, from: /spec/egress/0, path: /spec/egress/1}
"""
ON_SLASHES = """
- {op: test, path: /kind, value: Deployment}
- {op: add, path: /metadata/annotations, value: {a/b: c}}
- {op: replace, path: /metadata/annotations/a~1b, value: x}
- {op: move, from: /metadata/annotations/a~1b, path: /metadata/annotations/c}
"""
RENAMED = "{apiVersion: x/v9, kind: X, metadata: {name: y, annotations: {a: b}}}"
PATCHES = {
    "a list of containers, ports and variables": ({"kind": "Deployment", "name": "feature-api-(blue|green)"}, LISTED),
    "a list that is replaced": ({"kind": "NetworkPolicy"}, "spec: {egress: [], policyTypes: [Egress]}"),
    "a mapping that is replaced": ({"kind": "Deployment", "group": "apps", "version": "v1"}, REPLACED),
    "the ports of a Service": ({"kind": "Service"}, PORTS),
    "another name in the patch": ({"kind": "Service", "name": "feature-api"}, RENAMED),
    "an object that goes": ({"kind": "PodDisruptionBudget"}, "$patch: delete"),
    "objects by their labels": (
        {"labelSelector": "app.kubernetes.io/name=feature-api,colour==green"},
        "metadata: {annotations: {a: b}}",
    ),
    "objects of a name in a pattern": ({"kind": "Deployment", "name": "feature"}, "spec: {replicas: 9}"),
    "operations on lists": ({"kind": "NetworkPolicy", "name": "feature-api"}, ON_LISTS),
    "operations on names with a slash": ({"kind": "Deployment"}, ON_SLASHES),
}
UNREAD = {
    "a directive": ({"kind": "Deployment"}, "spec: {template: {spec: {$retainKeys: [containers]}}}"),
    "an item without its key": ({"kind": "Deployment"}, "spec: {template: {spec: {containers: [{image: x}]}}}"),
    "ports without their protocol": ({"kind": "Service"}, "spec: {ports: [{port: 3000, targetPort: 9}]}"),
    "a selector that denies": ({"labelSelector": "a!=b"}, "spec: {replicas: 1}"),
    "a selector of annotations": ({"annotationSelector": "a=b"}, "spec: {replicas: 1}"),
    "a test that fails": ({"kind": "Service"}, "[{op: test, path: /spec/ports, value: 1}]"),
    "a place that is not there": ({"kind": "Service"}, "[{op: replace, path: /spec/nothing, value: 1}]"),
    "an item that is not there": ({"kind": "Service"}, "[{op: add, path: /spec/ports/9, value: {}}]"),
    "an operation that nobody knows": ({"kind": "Service"}, "[{op: turn, path: /spec}]"),
    "a text": ({"kind": "Service"}, "text"),
    "operations without a target": ({}, "[{op: remove, path: /spec}]"),
    "nobody's patch": ({}, "{apiVersion: v1, kind: Service, metadata: {name: nobody}}"),
}


def patched(name: str, target: dict[str, str], text: str) -> Files:
    files = dict(example(name))
    kustomization = yaml.safe_load(files[PATH])
    content = yaml.safe_load(text)
    if isinstance(content, dict) and target:  # kustomize asks for these, and then takes the target's
        head = {"apiVersion": "v1", "kind": target.get("kind", "Any")}
        content = head | content | {"metadata": {"name": "any"} | content.get("metadata", {})}
    text = json.dumps(content)
    kustomization["patches"].append({"patch": text} | ({"target": target} if target else {}))
    return {**files, PATH: yaml.safe_dump(kustomization, sort_keys=False)}


def computed(files: Files, environment: str = "production") -> tuple[dict[tuple[str, str], Object], list[Problem]]:
    """Give the objects of an overlay by kind and name, and what could not be computed."""
    documents, unread = read_documents(files)
    assert unread == []
    overlays, problems = read_overlays(read_cluster(documents), files, files.__contains__)
    overlay = overlays[["production", "staging"].index(environment)]
    assert overlay.whole
    found = {
        (kind_of(each), name_of(each)): each.content
        for each in overlay.cluster.all
        if not each.path.startswith(("delivery/", "monitoring/"))
    }
    return found, problems


def built(files: Files, folder: Path, environment: str = "production") -> dict[tuple[str, str], Object]:
    write(files, folder)
    made = objects(tools.kustomize(folder / "overlays" / environment))
    return {(one["kind"], one["metadata"]["name"]): one for one in made if "generated" not in str(one)}


def judged(one: Value) -> Value:
    """Leave out what other steps of kustomize change: labels, namespaces, images, keys of secrets, names of scripts."""
    if isinstance(one, dict):
        return {
            key: judged(value)
            for key, value in one.items()
            if key not in {"labels", "namespace", "image", "key", "configMap"}
        }
    return [judged(each) for each in one] if isinstance(one, list) else one


def alike(ours: dict[tuple[str, str], Object], theirs: dict[tuple[str, str], Object]) -> None:
    generated = {key for key in theirs if key[0] == "ConfigMap"} - ours.keys()
    assert ours.keys() == theirs.keys() - generated
    for key, one in ours.items():
        assert ordered(judged(one)) == ordered(judged(theirs[key])), key


def ordered(value: Value) -> Value:
    """Sort the lists that kustomize may order anew when it merges them."""
    if isinstance(value, dict):
        return {key: ordered(each) for key, each in value.items()}
    return (
        sorted((ordered(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
        if isinstance(value, list)
        else value
    )


@pytest.mark.real
@pytest.mark.parametrize("environment", ["staging", "production"])
@pytest.mark.parametrize("assignments", [(), ("platform.rollout=argo-rollouts",)], ids=["Deployments", "Rollouts"])
@pytest.mark.parametrize("name", ["saved-reports", "checkout"])
def test_the_overlays_of_the_examples_are_what_kustomize_makes_of_them(
    name: str, assignments: tuple[str, ...], environment: str, tmp_path: Path
) -> None:
    files = example(name, *assignments)
    ours, problems = computed(files, environment)
    assert problems == []
    alike(ours, built(files, tmp_path, environment))


@pytest.mark.real
@pytest.mark.parametrize(("target", "text"), PATCHES.values(), ids=PATCHES)
def test_a_patch_does_what_kustomize_says_that_it_does(target: dict[str, str], text: str, tmp_path: Path) -> None:
    files = patched("saved-reports", target, text)
    ours, problems = computed(files)
    assert problems == []
    alike(ours, built(files, tmp_path))


@pytest.mark.parametrize(("target", "text"), UNREAD.values(), ids=UNREAD)
def test_what_cannot_be_computed_is_told_with_its_line(target: dict[str, str], text: str) -> None:
    files = patched("saved-reports", target, text)
    found, problems = computed(files)
    (problem,) = problems
    line = files[PATH].splitlines()[problem.line - 1]
    assert (problem.code, problem.where, line[:10]) == ("unjudged", PATH, "- patch: " + line[9])
    assert ordered(found) == ordered(computed(example("saved-reports"))[0])


def test_a_patch_of_ones_own_file_is_told_where_it_is_and_left_to_the_links_where_it_is_not() -> None:
    files = patched("saved-reports", {"kind": "Service"}, "x")
    files[PATH] = files[PATH].replace("""- patch: '"x"'""", "- path: own.yml")
    assert "own.yml" in files[PATH]
    documents, _ = read_documents(files)
    cluster = read_cluster(documents)
    assert [each.what for each in read_overlays(cluster, files, lambda _: True)[1]] == [
        "overlays/production/own.yml is a patch that the bundle does not know, so what it changes is not judged"
    ]
    assert read_overlays(cluster, files, lambda _: False)[1] == []
