"""Kubernetes documents to what they say of one another: objects, pods with their labels and ports, environments.

Lives here: finding one's way among manifests that anybody may have edited. Must not: judging.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from devops_tasks.checks.documents import Document, Value, read_yaml
from devops_tasks.errors import KeyPath

Labels = dict[str, str]
_POD_PATHS: dict[str, KeyPath] = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "Rollout": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
KUSTOMIZATION = "kustomization.yaml"
ROLLED = ("Deployment", "Rollout")
"""The kinds that autoscalers scale and overlays size."""


class Pods(NamedTuple):
    """The pods of one workload: where their template stands, their labels, and their ports by name and number."""

    document: Document
    path: KeyPath
    labels: Labels
    ports: dict[str, int]

    @property
    def containers(self) -> Iterator[tuple[KeyPath, Value]]:
        """Give every container with its key path."""
        for group in ("initContainers", "containers"):
            place = (*self.path, "spec", group)
            for index, container in enumerate(items(self.document.at(place))):
                yield (*place, index), container

    def opens(self, port: Value) -> bool:
        """Say whether a port, by name or by number, is one of these pods'."""
        return port in (*self.ports, *self.ports.values())


class Cluster(NamedTuple):
    """The objects of a bundle by kind and name, and the pods of its workloads."""

    objects: dict[tuple[str, str], Document]
    all: list[Document]
    pods: list[Pods]
    kustomizations: dict[str, Document]

    def kind(self, *kinds: str) -> Iterator[Document]:
        """Give the objects of some kinds, in the order of the files."""
        return (document for document in self.all if kind_of(document) in kinds)

    def selected(self, labels: Value) -> list[Pods]:
        """Give the pods that have all of some labels."""
        wanted = labels_of(labels)
        return [pods for pods in self.pods if wanted.items() <= pods.labels.items()]


def items(value: Value) -> list[Value]:
    """Give the mappings of a list; nothing where somebody has written something else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def labels_of(value: Value) -> Labels:
    """Give a mapping of labels as text."""
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, dict) else {}


def kind_of(document: Document) -> str:
    """Name the kind of an object, nothing where a document is none."""
    kind = document.at(("kind",))
    return kind if isinstance(kind, str) and document.at(("apiVersion",)) else ""


def name_of(document: Document) -> str:
    """Name an object."""
    return str(document.at(("metadata", "name")) or "")


def scaled(scaler: Document) -> tuple[str, str]:
    """Say which object an autoscaler scales."""
    target: KeyPath = ("spec", "scaleTargetRef")
    return str(scaler.at((*target, "kind"))), str(scaler.at((*target, "name")))


def read_cluster(documents: list[Document]) -> Cluster:
    """Find the objects among the documents of a bundle; patches are no objects."""
    kustomizations = {each.path: each for each in documents if posixpath.basename(each.path) == KUSTOMIZATION}
    patches = {path for each in kustomizations.values() for path in _patch_paths(each)}
    objects = [
        each for each in documents if kind_of(each) and each.path not in patches and each.path not in kustomizations
    ]
    return make_cluster(objects, kustomizations)


def make_cluster(objects: list[Document], kustomizations: dict[str, Document]) -> Cluster:
    """Make the objects known by name, and the pods of their workloads by label."""
    added = _added_labels(kustomizations)
    return Cluster(
        {(kind_of(each), name_of(each)): each for each in objects},
        objects,
        [_pods(each, _POD_PATHS[kind_of(each)], added) for each in objects if kind_of(each) in _POD_PATHS],
        kustomizations,
    )


def _patch_paths(kustomization: Document) -> Iterator[str]:
    for patch in items(kustomization.at(("patches",))):
        if isinstance(patch.get("path"), str):
            yield beside(kustomization.path, patch["path"])


def beside(path: str, name: str) -> str:
    """Find a path that is written relative to a file."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))


def _added_labels(kustomizations: Mapping[str, Document]) -> Labels:
    added: Labels = {}
    for kustomization in kustomizations.values():
        for group in items(kustomization.at(("labels",))):
            if group.get("includeTemplates") or group.get("includeSelectors"):
                added |= labels_of(group.get("pairs"))
    return added


def _pods(document: Document, path: KeyPath, added: Labels) -> Pods:
    labels = added | labels_of(document.at((*path, "metadata", "labels")))
    pods = Pods(document, path, labels, {})
    for _, container in pods.containers:
        for port in items(container.get("ports")):
            number = port.get("containerPort")
            if isinstance(number, int):
                pods.ports[str(port.get("name") or number)] = number
    return pods


class Environment(NamedTuple):
    """What one overlay applies: the paths of its files, and its patches of Deployments and Rollouts."""

    name: str
    kustomization: Document
    paths: frozenset[str]
    patches: tuple[tuple[Value, Document], ...]


def environments(cluster: Cluster, files: Mapping[str, str]) -> Iterator[Environment]:
    """Give every overlay with all that it applies."""
    for path, kustomization in cluster.kustomizations.items():
        if path.startswith("overlays/"):
            applied = frozenset(_applied(path, cluster.kustomizations, set()))
            patches = tuple(_patches(kustomization, files))
            yield Environment(posixpath.basename(posixpath.dirname(path)), kustomization, applied, patches)


def _applied(path: str, kustomizations: Mapping[str, Document], seen: set[str]) -> Iterator[str]:
    if path in seen:
        return
    seen.add(path)
    for name in kustomizations[path].at(("resources",)) or ():
        place = beside(path, str(name))
        inner = f"{place}/{KUSTOMIZATION}"
        if inner in kustomizations:
            yield from _applied(inner, kustomizations, seen)
        else:
            yield place


def _patches(kustomization: Document, files: Mapping[str, str]) -> Iterator[tuple[Value, Document]]:
    for patch in items(kustomization.at(("patches",))):
        path = beside(kustomization.path, str(patch.get("path")))
        text = patch.get("patch") or files.get(path, "")
        for document in read_yaml(path if "path" in patch else kustomization.path, str(text))[0]:
            yield patch.get("target"), _merged(document)


def _merged(patch: Document) -> Document:
    """Give a patch of operations the form of one that is merged; in place of a list it has the items by their index."""
    if not isinstance(patch.content, list):
        return patch
    content: dict[str | int, Value] = {}
    lines: dict[KeyPath, int] = {}
    for index, operation in enumerate(items(patch.content)):
        steps = [each.replace("~1", "/").replace("~0", "~") for each in str(operation.get("path")).split("/")[1:]]
        path: KeyPath = tuple(int(step) if step.isdigit() else step for step in steps)
        if path and operation.get("op") in {"add", "replace"}:
            _put(content, path, operation.get("value"))
            lines[path] = patch.line((index,))
    return Document(patch.path, content, lines)


def _put(content: Value, path: KeyPath, value: Value) -> None:
    for step in path[:-1]:
        content = content.setdefault(step, {}) if isinstance(content, dict) else None
    if isinstance(content, dict):
        content[path[-1]] = value


def replicas_of(environment: Environment, deployment: Document) -> tuple[int, Document] | None:
    """Find how many pods a Deployment or Rollout has in an environment, and the document that says so."""
    for entry in items(environment.kustomization.at(("replicas",))):
        if entry.get("name") == name_of(deployment) and isinstance(entry.get("count"), int):
            return entry["count"], environment.kustomization
    for target, patch in environment.patches:
        count = patch.at(("spec", "replicas"))
        if isinstance(count, int) and meant(target, patch, deployment):
            return count, patch
    count = deployment.at(("spec", "replicas"))
    return (count, deployment) if isinstance(count, int) else None


def meant(target: Value, patch: Document, document: Document) -> bool:
    """Say whether a patch, with the target that its kustomization gives it, is one of an object."""
    if not isinstance(target, dict):
        return (patch.at(("kind",)), name_of(patch)) == (kind_of(document), name_of(document))
    group, _, version = str(document.at(("apiVersion",))).rpartition("/")
    own = {"group": group, "version": version, "kind": kind_of(document), "name": name_of(document)}
    pairs = dict(
        re.split("==?", pair, maxsplit=1) for pair in str(target.get("labelSelector") or "").split(",") if "=" in pair
    )
    named = all(_fits(str(target[key]), value) for key, value in own.items() if target.get(key))
    return named and pairs.items() <= labels_of(document.at(("metadata", "labels"))).items()


def _fits(pattern: str, value: str) -> bool:
    """Say whether a name is one that the target of a patch means, which is a pattern."""
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return False
