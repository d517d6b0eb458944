"""A small cluster for scripts to be run against: it speaks enough of Kubernetes' API for the real kubectl.

So the flags, the templates and the patches of a script are judged by kubectl itself. Pods come and go at once: a
Deployment has as many ready pods as it wants, or none if it is broken. `port-forward` alone is no request of this
kind; a wrapper around kubectl answers it with a web server of its own.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from tests.tools import tool

Object = dict[str, Any]

RESOURCES = {
    "v1": ("configmaps", "pods", "services"),
    "apps/v1": ("deployments", "replicasets"),
    "autoscaling/v2": ("horizontalpodautoscalers",),
    "batch/v1": ("cronjobs", "jobs"),
    "discovery.k8s.io/v1": ("endpointslices",),
    "gateway.networking.k8s.io/v1": ("httproutes",),
    "networking.k8s.io/v1": ("ingresses",),
    "argoproj.io/v1alpha1": ("rollouts",),
}
KINDS = {
    "configmaps": "ConfigMap",
    "pods": "Pod",
    "services": "Service",
    "deployments": "Deployment",
    "replicasets": "ReplicaSet",
    "horizontalpodautoscalers": "HorizontalPodAutoscaler",
    "cronjobs": "CronJob",
    "jobs": "Job",
    "endpointslices": "EndpointSlice",
    "httproutes": "HTTPRoute",
    "ingresses": "Ingress",
    "rollouts": "Rollout",
}
CONTEXT = "test-cluster"
NAMESPACE = "reports"

_WRAPPER = """#!/bin/sh
printf '%s\\n' "$(printf '%s' "$*" | tr '\\n' ' ')" >>{calls}
case " $* " in
*" port-forward "*) exec {python} -m tests.port_forward "$@" ;;
*) exec {kubectl} "$@" ;;
esac
"""


class Refusal(Exception):  # noqa: N818 - the server refuses; nothing is wrong
    """A request that the server does not carry out."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Cluster:
    """What the cluster holds, and what was done to it.

    `before_patch` is called with each patch, as somebody else who is at work, and may refuse it. The pods of a `broken`
    Deployment never become ready, those of a `stuck` one never end, those of one that is `not_answering` are ready and
    answer errors.
    A Job of a `failing` CronJob fails, one of an `endless` CronJob goes on for ever, any other is complete at once.
    A Rollout goes to a version that served before at once, as Argo Rollouts does without steps, unless it is `broken`;
    `before_find` is called with every object that is read by its name, as the time that goes by.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.broken: set[str] = set()
        self.not_answering: set[str] = set()
        self.before_patch: Callable[[str, str], None] = lambda _resource, _name: None
        self.before_create: Callable[[str], None] = lambda _name: None
        self.before_find: Callable[[str, str], None] = lambda _resource, _name: None
        self.stuck: set[str] = set()
        self.failing: set[str] = set()
        self.endless: set[str] = set()
        self.events: list[tuple[str, str, object]] = []

    def add_service(self, name: str, blue: int = 3, green: int = 3, weights: tuple[int, int] = (100, 0)) -> None:
        """Add both colours of a service, their autoscalers and the route between them."""
        self._add_colours(name, blue, green)
        backends = [
            {"name": f"{name}-{colour}", "port": 80, "weight": weight}
            for colour, weight in zip(("blue", "green"), weights, strict=True)
        ]
        self.add("httproutes", name, {"rules": [{"backendRefs": backends}]})

    def add_flipped(self, name: str, blue: int = 3, green: int = 3, backend: str = "blue") -> None:
        """Add both colours of a service, their autoscalers and the Ingress that leads to one of them."""
        self._add_colours(name, blue, green)
        path = {"path": "/", "backend": {"service": {"name": f"{name}-{backend}", "port": {"number": 80}}}}
        self.add("ingresses", name, {"rules": [{"http": {"paths": [path]}}]})

    def add_rollout(self, name: str, serving: str, released: str = "", phase: str = "Healthy", step: int = 0) -> None:
        """Add a Rollout that serves one version and, where another one is named, is releasing that."""
        labels = {"app.kubernetes.io/name": name}
        self.add("rollouts", name, {"replicas": 3, "template": _template(name, released or serving)}, labels)
        for version in (serving, released):
            if version:
                self.add_version(name, version)
        self.tell(name, phase, stable=serving, current=released or serving, step=step)

    def add_version(self, name: str, version: str) -> None:
        """Add the ReplicaSet of a version, with the labels that Argo Rollouts adds to its pods."""
        own = {"app.kubernetes.io/name": name, "rollouts-pod-template-hash": version}
        template = _template(name, version)
        template["metadata"]["labels"] |= {"rollouts-pod-template-hash": version, "colour": "blue"}
        self.add("replicasets", f"{name}-{version}", {"replicas": 3, "template": template}, own)

    def tell(self, name: str, phase: str, *, stable: str = "", current: str = "", step: int = 1) -> None:
        """Say where a Rollout is, as Argo Rollouts does once it has seen the newest form."""
        item = self.objects["rollouts", name]
        status = item.setdefault("status", {})
        status |= {"observedGeneration": str(item["metadata"]["generation"]), "phase": phase, "currentStepIndex": step}
        status |= {"stableRS": stable} if stable else {}
        status |= {"currentPodHash": current} if current else {}

    def version(self, name: str) -> str:
        """Name the version that a Rollout wants, by the tag of its image."""
        (container,) = self.objects["rollouts", name]["spec"]["template"]["spec"]["containers"]
        return str(container["image"].rpartition(":")[2])

    def _roll(self, name: str) -> None:
        """Do what Argo Rollouts does about a changed template."""
        item = self.objects["rollouts", name]
        found = next(
            (each["metadata"]["labels"]["rollouts-pod-template-hash"] for each in self.select("replicasets", "")
             if each["metadata"]["labels"].get("app.kubernetes.io/name") == name
             and _as_applied(each["spec"]["template"]) == item["spec"]["template"]), None
        )  # fmt: skip
        if found and name not in self.broken:
            self.tell(name, "Healthy", stable=found, current=found)

    def backend(self, name: str) -> str:
        (rule,) = self.objects["ingresses", name]["spec"]["rules"]
        return str(rule["http"]["paths"][0]["backend"]["service"]["name"])

    def flip(self, name: str, colour: str) -> None:
        (rule,) = self.objects["ingresses", name]["spec"]["rules"]
        rule["http"]["paths"][0]["backend"]["service"]["name"] = f"{name}-{colour}"

    def _add_colours(self, name: str, blue: int, green: int) -> None:
        for colour, replicas in (("blue", blue), ("green", green)):
            self.add_deployment(f"{name}-{colour}", replicas, name)
            self.add("horizontalpodautoscalers", f"{name}-{colour}", {"minReplicas": 3, "maxReplicas": 10})

    def add_deployment(self, name: str, replicas: int, service: str) -> None:
        self.add("deployments", name, {"replicas": replicas}, {"app.kubernetes.io/name": service})

    def add(self, resource: str, name: str, spec: Object, labels: Mapping[str, str] | None = None) -> None:
        version = next(version for version, names in RESOURCES.items() if resource in names)
        self.objects[resource, name] = {
            "apiVersion": version,
            "kind": KINDS[resource],
            "metadata": {"name": name, "namespace": NAMESPACE, "generation": 1, "labels": dict(labels or {}),
                         "resourceVersion": "1", "uid": f"{resource}-{name}"},
            "spec": spec,
        }  # fmt: skip

    def add_settings(self, name: str, data: Mapping[str, str]) -> None:
        """Add a ConfigMap."""
        self.add("configmaps", name, {})
        self.objects["configmaps", name]["data"] = dict(data)

    def add_template(self, name: str, image: str) -> None:
        """Add a CronJob of which only people make Jobs."""
        labels = {"app.kubernetes.io/name": name}
        container = {"name": "migrate", "image": image, "command": ["./manage", "migrate"]}
        template = {"metadata": {"labels": labels}, "spec": {"template": {"spec": {"containers": [container]}}}}
        self.add("cronjobs", name, {"suspend": True, "jobTemplate": template}, labels)

    def create(self, resource: str, body: Object) -> Object:
        name = body["metadata"]["name"]
        self.before_create(name)
        if (resource, name) in self.objects:
            raise Refusal(409, f'{resource} "{name}" already exists')
        self.add(resource, name, {**body["spec"], "selector": {"matchLabels": {"job-name": name}}},
                 body["metadata"].get("labels"))  # fmt: skip
        self.events.append(("create", name, body))
        return self.find(resource, name)

    def weights(self, name: str) -> tuple[int, int]:
        blue, green = self.objects["httproutes", name]["spec"]["rules"][0]["backendRefs"]
        return blue["weight"], green["weight"]

    def set_weights(self, name: str, *weights: int) -> None:
        backends = self.objects["httproutes", name]["spec"]["rules"][0]["backendRefs"]
        for backend, weight in zip(backends, weights, strict=True):
            backend["weight"] = weight

    def replicas(self, name: str) -> int:
        return int(self.objects[self.scaled(name), name]["spec"]["replicas"])

    def scaled(self, name: str) -> str:
        """Say whether a Deployment or a Rollout has the name."""
        return "rollouts" if ("rollouts", name) in self.objects else "deployments"

    def find(self, resource: str, name: str) -> Object:
        self.before_find(resource, name)
        if (resource, name) not in self.objects:
            raise Refusal(404, f'{resource} "{name}" not found')
        return self._alive(resource, self.objects[resource, name])

    def select(self, resource: str, selector: str, name: str = "") -> list[Object]:
        if resource == "endpointslices":
            return [self._slice(selector.partition("=")[2])]
        if resource == "pods":
            return self._pods(selector)
        wanted = dict(part.split("=") for part in selector.split(",") if "=" in part)
        return [
            self._alive(resource, item)
            for (kind, own), item in self.objects.items()
            if kind == resource and name in {"", own} and wanted.items() <= item["metadata"]["labels"].items()
        ]

    def patch(self, resource: str, name: str, kind: str, body: object) -> Object:
        self.before_patch(resource, name)
        item = self.find(resource, name)
        if kind == "application/json-patch+json":
            _patch_json(item, cast("list[Object]", body))
        else:
            _patch_merge(item, cast("Object", body))
        self.events.append(("patch", name, body))
        if resource == "rollouts" and isinstance(body, dict) and "status" in body:
            self.tell(name, "Degraded")
            return item
        item["metadata"]["generation"] += 1
        if resource == "rollouts":
            self._roll(name)
        return self._alive(resource, item)

    def scale(self, name: str, replicas: int) -> Object:
        self.before_patch("scale", name)
        self.find(self.scaled(name), name)["spec"]["replicas"] = replicas
        self.events.append(("scale", name, replicas))
        return _scale(self, name)

    def ready(self, deployment: str) -> int:
        if deployment in self.broken or (self.scaled(deployment), deployment) not in self.objects:
            return 0
        return self.replicas(deployment)

    def _alive(self, resource: str, item: Object) -> Object:
        generation = item["metadata"]["generation"]
        if resource == "deployments":
            ready = self.ready(item["metadata"]["name"])
            item["status"] = {
                "observedGeneration": generation,
                **dict.fromkeys(("replicas", "updatedReplicas"), item["spec"]["replicas"]),
                **{key: ready for key in ("readyReplicas", "availableReplicas") if ready},
            }
        if resource == "rollouts":
            item["status"]["availableReplicas"] = self.ready(item["metadata"]["name"])
        if resource == "jobs":
            item["status"] = {"conditions": self._conditions(item["metadata"]["name"].rpartition("-")[0])}
        if resource == "httproutes":
            conditions = [
                {"type": name, "status": "True", "observedGeneration": generation}
                for name in ("Accepted", "ResolvedRefs")
            ]
            item["status"] = {"parents": [{"conditions": conditions}]}
        return item

    def _conditions(self, cronjob: str) -> list[Object]:
        """Say how a Job stands as the newer versions do: that it is about to end, then that it has."""
        if cronjob in self.endless:
            return []
        failed = cronjob in self.failing
        kinds = ("FailureTarget", "Failed") if failed else ("SuccessCriteriaMet", "Complete")
        reason = "BackoffLimitExceeded" if failed else "CompletionsReached"
        return [{"type": kind, "status": "True", "reason": reason} for kind in kinds]

    def _slice(self, service: str) -> Object:
        pods = [f"{service}-{number}" for number in range(self.ready(service))]
        endpoints = [{"addresses": [pod], "conditions": {"ready": True}, "targetRef": {"name": pod}} for pod in pods]
        metadata = {"name": f"{service}-x", "namespace": NAMESPACE}
        # A Service without pods has null here, and not an empty list.
        return {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
            "addressType": "IPv4", "endpoints": endpoints or None, "ports": [],
        }  # fmt: skip

    def _pods(self, selector: str) -> list[Object]:
        label, _, service = selector.partition("=")
        if ",colour=" in selector:
            return self._coloured(*service.split(",colour="))
        if label == "job-name":
            container = {"name": "migrate", "image": "none"}
            metadata = {"name": f"{service}-x", "namespace": NAMESPACE}
            return [{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}]
        names = [
            f"{name}-{number}"
            for (kind, name), item in self.objects.items()
            if kind == self.scaled(name) and item["metadata"]["labels"].get("app.kubernetes.io/name") == service
            for number in range(1 if name in self.stuck else self.ready(name))
        ]
        return [
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}} for name in names
        ]

    def _coloured(self, service: str, colour: str) -> list[Object]:
        status = self.objects["rollouts", service]["status"]
        version = status["stableRS"] if colour == "blue" else status["currentPodHash"]
        if colour == "green" and version == status["stableRS"]:
            return []
        ready = "False" if service in self.broken else "True"
        return [
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{service}-{version}-x", "namespace": NAMESPACE},
             "status": {"conditions": [{"type": "Ready", "status": ready}]}}
        ]  # fmt: skip


def _template(name: str, version: str) -> Object:
    container = {"name": name, "image": f"registry.example.com/{name}:{version}"}
    return {"metadata": {"labels": {"app.kubernetes.io/name": name}}, "spec": {"containers": [container]}}


def _as_applied(template: Object) -> Object:
    added = {"rollouts-pod-template-hash", "colour"}
    kept = {key: value for key, value in template["metadata"]["labels"].items() if key not in added}
    return {**template, "metadata": {**template["metadata"], "labels": kept}}


def _patch_merge(target: Object, patch: Object) -> None:
    for key, value in patch.items():
        if isinstance(value, dict):
            _patch_merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


def _patch_json(target: Object, operations: list[Object]) -> None:
    changed = json.loads(json.dumps(target))
    for operation in operations:
        *steps, last = operation["path"].strip("/").split("/")
        holder: Any = changed
        for step in steps:
            holder = holder[int(step)] if isinstance(holder, list) else holder[step]
        if operation["op"] == "test" and holder.get(last) != operation["value"]:
            raise Refusal(422, f"testing path {operation['path']} failed")
        if operation["op"] == "replace" and last not in holder:
            raise Refusal(422, f"nothing to replace at {operation['path']}")
        if operation["op"] != "test":
            holder[last] = operation["value"]
    target.update(changed)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        if "watch" in query:
            self._watch(address.path, query)
        elif address.path.endswith("/log"):
            self._log(_place(address.path)[2])
        else:
            self._reply(lambda: _answer(self.cluster, address.path, query))

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, resource, name, part = _place(urlsplit(self.path).path)
        kind = self.headers["Content-Type"].split(";")[0]
        if part == "scale":
            self._reply(lambda: self.cluster.scale(name, body["spec"]["replicas"]))
        else:
            # What a resource is, and how it stands, are patched apart.
            if part != "status" and isinstance(body, dict):
                body.pop("status", None)
            self._reply(lambda: self.cluster.patch(resource, name, kind, body))

    def do_POST(self) -> None:
        body = _read_job(self.rfile.read(int(self.headers["Content-Length"])))
        _, resource, _, _ = _place(urlsplit(self.path).path)
        self._reply(lambda: self.cluster.create(resource, body))

    def _log(self, pod: str) -> None:
        text = f"the log of {pod}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _reply(self, answer: Callable[[], Object]) -> None:
        try:
            code, body = 200, answer()
        except Refusal as refusal:
            code = refusal.code
            body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": str(refusal), "code": code,
                    "reason": {404: "NotFound", 409: "AlreadyExists"}.get(code, "Invalid")}  # fmt: skip
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _watch(self, path: str, query: dict[str, str]) -> None:
        _, resource, _, _ = _place(path)
        name = query.get("fieldSelector", "").removeprefix("metadata.name=")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        events = [{"type": "ADDED", "object": item} for item in self.cluster.select(resource, "", name)]
        if "sendInitialEvents" in query:
            annotations = {"k8s.io/initial-events-end": "true"}
            metadata = {"resourceVersion": "1", "annotations": annotations}
            mark = {"apiVersion": "apps/v1", "kind": KINDS[resource], "metadata": metadata}
            events.append({"type": "BOOKMARK", "object": mark})
        self.wfile.write("".join(json.dumps(event) + "\n" for event in events).encode())
        self.wfile.flush()
        # A watch that ends at once is an error to the client.
        time.sleep(2)
        self.close_connection = True


def _fields(message: bytes) -> dict[int, list[bytes]]:
    """Read the fields of a protobuf message that are texts or messages; numbers are passed over."""
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(message):
        tag, at = _number(message, at)
        value, at = _number(message, at)
        if tag & 7:  # a length and as many bytes; otherwise it was the number itself
            found.setdefault(tag >> 3, []).append(message[at : at + value])
            at += value
    return found


def _number(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def _read_job(body: bytes) -> Object:
    """Read what the tests ask of a Job; kubectl sends one in protobuf, inside of an envelope with a mark before it."""
    (raw,) = _fields(body.removeprefix(b"k8s\0"))[2]
    job = _fields(raw)
    metadata, spec = _fields(job[1][0]), _fields(job[2][0])
    labels = [_fields(pair) for pair in metadata.get(11, [])]
    (container,) = (_fields(each) for each in _fields(_fields(spec[6][0])[2][0])[2])
    template = {"image": container[2][0].decode(), "command": [word.decode() for word in container[3]]}
    return {
        "metadata": {
            "name": metadata[1][0].decode(),
            "labels": {pair[1][0].decode(): pair[2][0].decode() for pair in labels},
        },
        "spec": {"template": {"spec": {"containers": [template]}}},
    }


def _place(path: str) -> tuple[str, str, str, str]:
    """Read the API's version, the resource, a name and its part out of an address; what is not there is empty."""
    steps = path.strip("/").split("/")
    group, rest = (steps[1], steps[2:]) if steps[0] == "api" else ("/".join(steps[1:3]), steps[3:])
    rest = rest[2:] if rest[:1] == ["namespaces"] else rest
    resource, name, part = (*rest, "", "", "")[:3]
    return group, resource, name, part


def _answer(cluster: Cluster, path: str, query: dict[str, str]) -> Object:
    if path in _ROOTS:
        return _ROOTS[path]
    version, resource, name, part = _place(path)
    if not resource:
        return _resources(version)
    if part == "scale":
        return _scale(cluster, name)
    if name and resource == "pods":
        return next(iter(cluster.select(resource, f"job-name={name.removesuffix('-x')}")))
    if name:
        return cluster.find(resource, name)
    items = cluster.select(resource, query.get("labelSelector", ""), query.get("fieldSelector", "").partition("=")[2])
    return {
        "kind": f"{KINDS[resource]}List",
        "apiVersion": version,
        "metadata": {"resourceVersion": "1"},
        "items": items,
    }


def _group(version: str) -> Object:
    name = version.partition("/")[0]
    entry = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


_ROOTS: dict[str, Object] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(name) for name in RESOURCES if "/" in name],
    },
}


def _resources(version: str) -> Object:
    verbs = ["create", "get", "list", "patch", "watch", "update"]
    short = {"httproutes": ["httproute"]}
    items = [
        {"name": name, "singularName": KINDS[name].lower(), "namespaced": True, "kind": KINDS[name], "verbs": verbs,
         "shortNames": short.get(name, [])}
        for name in RESOURCES.get(version, ())
    ]  # fmt: skip
    scaled = {"apps/v1": "deployments", "argoproj.io/v1alpha1": "rollouts"}.get(version)
    if scaled:
        items.append({"name": f"{scaled}/scale", "singularName": "", "namespaced": True, "kind": "Scale",
                      "group": "autoscaling", "version": "v1", "verbs": verbs, "shortNames": []})  # fmt: skip
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": items}


def _scale(cluster: Cluster, name: str) -> Object:
    replicas = cluster.find(cluster.scaled(name), name)["spec"]["replicas"]
    return {
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"replicas": replicas}, "status": {"replicas": replicas},
    }  # fmt: skip


class Machine:
    """A shell at which scripts are run, with kubectl for the one cluster."""

    def __init__(self, folder: Path, cluster: Cluster, address: str) -> None:
        self.folder = folder
        self.cluster = cluster
        self.environment = {
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
            "HOME": str(folder),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "KUBE_CONTEXT": CONTEXT,
            "NAMESPACE": NAMESPACE,
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "NOT_ANSWERING": str(folder / "not-answering"),
            "DEADLINE": "5",
        }
        self._set_up(address)

    def _set_up(self, address: str) -> None:
        config = {
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": address}}],
            "users": [{"name": "test", "user": {"token": "none"}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": "test", "user": "test"}}],
        }  # fmt: skip
        (self.folder / "kubeconfig").write_text(json.dumps(config))
        wrapper = self.folder / "bin" / "kubectl"
        wrapper.parent.mkdir()
        wrapper.write_text(_WRAPPER.format(python=tool("python"), kubectl=tool("kubectl"), calls=self.folder / "calls"))
        wrapper.chmod(0o755)

    def calls(self) -> list[str]:
        """List every call of kubectl until now."""
        return (self.folder / "calls").read_text().splitlines()

    def add_command(self, name: str, text: str) -> None:
        """Put a command beside kubectl."""
        command = self.folder / "bin" / name
        command.write_text(f"#!/usr/bin/env bash\n{text}")
        command.chmod(0o755)

    def run(self, script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script off a terminal; an environment variable that is given as empty is not set."""
        (self.folder / "not-answering").write_text("\n".join(self.cluster.not_answering))
        variables = {name: value for name, value in {**self.environment, **environment}.items() if value}
        return subprocess.run(
            ["/usr/bin/env", "bash", str(script), *arguments], env=variables, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=60, check=False, start_new_session=True,
        )  # fmt: skip


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Start a cluster, and a machine with kubectl that reaches it."""
    cluster = Cluster()
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Machine(folder, cluster, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
