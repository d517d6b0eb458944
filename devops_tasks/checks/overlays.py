"""What an overlay applies: its objects after its patches, as far as kustomize's work can be done from the text alone.

Lives here: strategic merges and JSON patches, of the shapes that people write. Whatever else changes the objects is
told as a finding, and its effect is not guessed. Must not: judging the objects.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import NamedTuple

from devops_tasks.checks.cluster import (
    Cluster,
    Environment,
    beside,
    environments,
    items,
    kind_of,
    make_cluster,
    meant,
    name_of,
)
from devops_tasks.checks.documents import Document, Value, read_yaml
from devops_tasks.checks.links import Exists
from devops_tasks.errors import KeyPath, Problem

_BUILT_IN = frozenset(("v1", "apps/v1", "batch/v1", "autoscaling/v2", "policy/v1", "networking.k8s.io/v1"))
_MERGED_BY = {
    **dict.fromkeys(("containers", "initContainers", "volumes", "env", "imagePullSecrets"), ("name",)),
    "ports": ("containerPort", "protocol"),
    "volumeMounts": ("mountPath",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""By which keys Kubernetes merges the items of a list; any other list is replaced as a whole."""
_TRANSFORMERS = (
    *("namePrefix", "nameSuffix", "commonLabels", "components", "transformers", "vars", "helmCharts", "openapi"),
    *("patchesStrategicMerge", "patchesJson6902"),
)
"""What changes objects in a way that is not computed here."""
_SELECTOR = re.compile(r"[A-Za-z0-9._/-]+==?[A-Za-z0-9._-]*(,[A-Za-z0-9._/-]+==?[A-Za-z0-9._-]*)*")
_TARGETED = frozenset(("kind", "name", "group", "version", "labelSelector"))


class Overlay(NamedTuple):
    """The objects of one environment as they are applied, and whether all of its files are the bundle's own."""

    cluster: Cluster
    whole: bool


class _UnreadError(Exception):
    """What a patch does cannot be computed here."""


def read_overlays(cluster: Cluster, files: Mapping[str, str], exists: Exists) -> tuple[list[Overlay], list[Problem]]:
    """Compute what each overlay applies, beside what no overlay has a part in; and tell what cannot be computed."""
    found = list(environments(cluster, files))
    folders = {path.partition("/")[0] for each in found for path in each.paths} | {"overlays"}
    others = [each for each in cluster.all if each.path.partition("/")[0] not in folders]
    overlays: list[Overlay] = []
    problems = [problem for each in cluster.kustomizations.values() for problem in _transformed(each)]
    for environment in found:
        own = [each for each in cluster.all if each.path in environment.paths]
        whole = environment.paths <= files.keys()
        objects = _patched(environment, own, _Texts(files, exists, whole), problems.append)
        overlays.append(Overlay(make_cluster([*objects, *others], cluster.kustomizations), whole))
    return overlays, problems


def _untold(document: Document, path: KeyPath, what: str) -> Problem:
    mend = "look at it with kubectl kustomize, or write it as a strategic merge or a JSON patch"
    return Problem(document.path, f"{what}, so what it changes is not judged", mend, "unjudged", document.line(path))


def _transformed(kustomization: Document) -> Iterator[Problem]:
    inner = () if kustomization.path.startswith("overlays/") else ("patches", "replacements")
    for key in (*_TRANSFORMERS, *inner):
        if kustomization.at((key,)):
            yield _untold(kustomization, (key,), f"{key} is not computed here")
    for index, replacement in enumerate(items(kustomization.at(("replacements",))) if not inner else ()):
        selects = [each.get("select") for each in items(replacement.get("targets"))]
        if any(not isinstance(each, dict) or each.get("kind") != "ExternalSecret" for each in selects):
            yield _untold(kustomization, ("replacements", index), "a replacement is not computed here")


class _Texts(NamedTuple):
    """The texts of the bundle, what else is on disk, and whether an overlay needs only the first."""

    files: Mapping[str, str]
    exists: Exists
    whole: bool


def _patched(
    environment: Environment, objects: list[Document], texts: _Texts, tell: Callable[[Problem], object]
) -> list[Document]:
    kustomization = environment.kustomization
    for index, entry in enumerate(items(kustomization.at(("patches",)))):
        place: KeyPath = ("patches", index)
        try:
            for patch in _patches(kustomization, place, entry, texts):
                objects = list(_apply(patch, entry.get("target"), objects, whole=texts.whole))
        except _UnreadError as error:
            tell(_untold(kustomization, place, str(error)))
    return objects


def _patches(kustomization: Document, place: KeyPath, entry: Value, texts: _Texts) -> list[Document]:
    """Read the patches of one entry; those that stand in the kustomization have its line."""
    if isinstance(entry.get("patch"), str):
        line = kustomization.line((*place, "patch"))
        found, _ = read_yaml(kustomization.path, entry["patch"])
        return [each._replace(lines={(): line}) for each in found]
    path = beside(kustomization.path, str(entry.get("path")))
    if path not in texts.files and texts.exists(path):
        msg = f"{path} is a patch that the bundle does not know"
        raise _UnreadError(msg)
    return read_yaml(path, texts.files.get(path, ""))[0]


def _apply(patch: Document, target: Value, objects: list[Document], *, whole: bool) -> Iterator[Document]:
    """Change every object that a patch is about; an object that it deletes is left out."""
    _understand(patch, target)
    touched = 0
    for each in objects:
        if not meant(target, patch, each):
            yield each
            continue
        touched += 1
        if isinstance(patch.content, list):
            yield patch._replace(content=_edited(each.content, patch.content))
        elif patch.content.get("$patch") != "delete":
            yield patch._replace(content=_overlaid(each, patch))
    # With a target, kustomize takes a patch that fits nothing; and an object may stand in a file that is not read.
    if not touched and not target and whole:
        msg = f"the patch of {kind_of(patch)} {name_of(patch)} fits no object of this overlay"
        raise _UnreadError(msg)


def _understand(patch: Document, target: Value) -> None:
    """Refuse a patch or a target of a form that is not known here."""
    selector = target.get("labelSelector") if isinstance(target, dict) else None
    if isinstance(target, dict) and (
        target.keys() - _TARGETED or (selector and not _SELECTOR.fullmatch(str(selector)))
    ):
        msg = "the target of a patch is of a form that is not computed here"
        raise _UnreadError(msg)
    if not isinstance(patch.content, dict if not target else dict | list):
        msg = "a patch is neither an object nor, with a target, a list of operations"
        raise _UnreadError(msg)


# Strategic merges


def _overlaid(base: Document, patch: Document) -> Value:
    built_in = str(base.at(("apiVersion",))) in _BUILT_IN
    keys = {} if not built_in else _MERGED_BY | ({"ports": ("port", "protocol")} if kind_of(base) == "Service" else {})
    content = _merged(base.content, patch.content, keys)
    content |= {name: base.content[name] for name in ("apiVersion", "kind")}
    metadata = content.get("metadata")
    return {**content, "metadata": {**(metadata if isinstance(metadata, dict) else {}), "name": name_of(base)}}


_Keys = Mapping[str, tuple[str, ...]]


def _merged(base: Value, patch: Value, keys: _Keys) -> Value:
    if not isinstance(patch, dict):
        return patch
    rest = {key: value for key, value in patch.items() if not str(key).startswith("$")}
    directives = {key: value for key, value in patch.items() if key not in rest}
    if directives == {"$patch": "replace"}:
        return rest
    if directives:
        msg = f"{next(iter(directives))} is not computed here"
        raise _UnreadError(msg)
    found = dict(base) if isinstance(base, dict) else {}
    for key, value in rest.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, list) and isinstance(found.get(key), list) and key in keys:
            found[key] = _joined(found[key], value, keys, keys[key])
        else:
            found[key] = _merged(found.get(key), value, keys)
    return found


def _joined(base: list[Value], patch: list[Value], keys: _Keys, by: tuple[str, ...]) -> list[Value]:
    """Merge the items of two lists by keys that all of them have."""
    if not all(isinstance(each, dict) and each.keys() >= set(by) for each in (*base, *patch)):
        msg = f"an item of a list lacks {' or '.join(by)}, and so cannot be merged here"
        raise _UnreadError(msg)
    found = {str([each[key] for key in by]): each for each in base}
    for each in patch:
        name = str([each[key] for key in by])
        if each.get("$patch") == "delete":
            found.pop(name, None)
        else:
            found[name] = _merged(found.get(name), each, keys)
    return list(found.values())


# JSON patches


def _edited(content: Value, operations: list[Value]) -> Value:
    holder = {"": deepcopy(content)}
    for each in operations:
        if not isinstance(each, dict) or str(each.get("op")) not in _OPERATIONS:
            msg = "an operation of a JSON patch is not known"
            raise _UnreadError(msg)
        try:
            _OPERATIONS[each["op"]](holder, each)
        except (LookupError, TypeError, ValueError):
            msg = f"{each['op']} {each.get('path')} finds nothing there"
            raise _UnreadError(msg) from None
    return holder[""]


def _place(holder: Value, pointer: Value) -> tuple[Value, str | int]:
    """Find the mapping or the list that holds a place, and its key or index there."""
    *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in str(pointer).split("/")]
    for step in steps:
        holder = holder[int(step) if isinstance(holder, list) else step]
    if isinstance(holder, list):
        return holder, len(holder) if last == "-" else int(last)
    return holder, last


def _add(holder: Value, operation: Value) -> None:
    place, key = _place(holder, operation["path"])
    if isinstance(place, list) and isinstance(key, int):
        if not 0 <= key <= len(place):
            raise IndexError
        place.insert(key, deepcopy(operation["value"]))
    else:
        place[key] = deepcopy(operation["value"])


def _remove(holder: Value, operation: Value) -> None:
    place, key = _place(holder, operation["path"])
    del place[key]


def _replace(holder: Value, operation: Value) -> None:
    place, key = _place(holder, operation["path"])
    _ = place[key]
    place[key] = deepcopy(operation["value"])


def _copy(holder: Value, operation: Value) -> None:
    place, key = _place(holder, operation["from"])
    _add(holder, {"path": operation["path"], "value": place[key]})


def _move(holder: Value, operation: Value) -> None:
    place, key = _place(holder, operation["from"])
    value = place[key]
    del place[key]
    _add(holder, {"path": operation["path"], "value": value})


def _test(holder: Value, operation: Value) -> None:
    place, key = _place(holder, operation["path"])
    if place[key] != operation["value"]:
        raise ValueError


_OPERATIONS: dict[str, Callable[[Value, Value], None]] = {
    "add": _add, "remove": _remove, "replace": _replace, "copy": _copy, "move": _move, "test": _test,
}  # fmt: skip
