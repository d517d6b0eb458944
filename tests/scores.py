"""The rules that kube-score, kube-linter and polaris apply by default, as predicates over rendered objects.

None of the three is in a package registry. Read from their sources (kube-score 1.20, kube-linter's list of checks and
polaris' default.yaml, each of 2026) and written anew; a rule that two of them share stands once, with both names. Rules
about kinds that no bundle holds (StatefulSet, roles and their bindings) are one: that there are none. An exemption is
honoured where each tool looks for it, in the annotations of the object itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]
_TEMPLATES = {
    "Deployment": ("template",),
    "Rollout": ("template",),
    "Job": ("template",),
    "CronJob": ("jobTemplate", "spec", "template"),
}
_LASTING = {"Deployment", "Rollout"}
_UNKNOWN_KINDS = {"StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Role", "RoleBinding", "ClusterRole",
                  "ClusterRoleBinding"}  # fmt: skip
_BETA = re.compile(r"^(?:extensions|apps|batch|policy|autoscaling|networking\.k8s\.io)/v\d+(?:alpha|beta)\d+$")
_SECRETIVE = re.compile(
    r"^AWS_SECRET_ACCESS_KEY$|^GOOGLE_APPLICATION_CREDENTIALS$|^AZURE_.+KEY$|^OCI_CLI_KEY_CONTENT$"
    r"|password|token|bearer|secret",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(r"-BEGIN\s+.*PRIVATE KEY-", re.IGNORECASE)
_LABEL = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?")
_SAFE_SYSCTLS = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
                 "net.ipv4.ping_group_range"}  # fmt: skip
_INSECURE = {"NET_ADMIN", "SYS_ADMIN", "ALL", "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW",
             "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL",
             "AUDIT_WRITE"}  # fmt: skip


class Workload(NamedTuple):
    """Something that makes pods: their labels and specification, and its own object."""

    object: Object
    labels: dict[str, str]
    spec: Object

    @property
    def lasts(self) -> bool:
        return self.object["kind"] in _LASTING

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


class World(NamedTuple):
    """All objects of one overlay."""

    objects: list[Object]
    workloads: list[Workload]

    def kind(self, *kinds: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] in kinds]

    def scaler(self, workload: Workload) -> Object | None:
        name = workload.object["metadata"]["name"]
        scalers = self.kind("HorizontalPodAutoscaler")
        return next((each for each in scalers if each["spec"]["scaleTargetRef"]["name"] == name), None)

    def budgets(self, workload: Workload) -> list[Object]:
        return [each for each in self.kind("PodDisruptionBudget") if _selects(_selector(each), workload.labels)]

    def selected(self, selector: Mapping[str, str]) -> list[Workload]:
        return [each for each in self.workloads if _selects(selector, each.labels)]


def _selector(each: Object) -> dict[str, str]:
    found: dict[str, str] = each["spec"].get("selector", {}).get("matchLabels", {})
    return found


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()


def read_world(objects: list[Object]) -> World:
    workloads = []
    for each in objects:
        if each["kind"] in _TEMPLATES:
            template = each["spec"]
            for step in _TEMPLATES[each["kind"]]:
                template = template[step]
            workloads.append(Workload(each, template.get("metadata", {}).get("labels", {}), template["spec"]))
    return World(objects, workloads)


# Containers: what must be true of each, the ones that only start a pod included


def _context(workload: Workload, container: Object, key: str) -> Any:  # noqa: ANN401 - whatever stands there
    own = container.get("securityContext", {})
    return own.get(key, workload.spec.get("securityContext", {}).get(key))


def _sized(*resources: str) -> Callable[[Workload, Object], bool]:
    def sized(_workload: Workload, container: Object) -> bool:
        found = container.get("resources", {})
        return all(found.get(side, {}).get(name) for side in ("requests", "limits") for name in resources)

    return sized


def _tagged(_workload: Workload, container: Object) -> bool:
    name, _, digest = container["image"].partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return bool(tag or digest) and tag != "latest"


def _probed(probe: str) -> Callable[[Workload, Object], bool]:
    def probed(_workload: Workload, container: Object) -> bool:
        port = container.get(probe, {}).get("httpGet", {}).get("port")
        ports = container.get("ports", [])
        return port is None or port in {each.get(key) for each in ports for key in ("name", "containerPort")}

    return probed


def _once(_workload: Workload, container: Object) -> bool:
    names = [each["name"] for each in container.get("env", [])]
    return len(names) == len(set(names))


def _open_settings(_workload: Workload, container: Object) -> bool:
    told = [each for each in container.get("env", []) if "value" in each]
    return not any(_SECRETIVE.search(each["name"]) or _PRIVATE_KEY.search(str(each["value"])) for each in told)


def _dropped(_workload: Workload, container: Object) -> bool:
    capabilities = container.get("securityContext", {}).get("capabilities", {})
    return "ALL" in capabilities.get("drop", []) and not _INSECURE & set(capabilities.get("add", []))


def _uses_no(key: str, *values: object) -> Callable[[Workload, Object], bool]:
    return lambda workload, container: _context(workload, container, key) not in values


def _high(workload: Workload, container: Object) -> bool:
    return all((_context(workload, container, key) or 0) > 10_000 for key in ("runAsUser", "runAsGroup"))


CONTAINERS: dict[str, Callable[[Workload, Object], bool]] = {
    "kube-score container-resources, kube-linter unset-cpu-requirements, kube-linter unset-memory-requirements, "
    "polaris cpuRequestsMissing, polaris cpuLimitsMissing, polaris memoryRequestsMissing, polaris memoryLimitsMissing":
        _sized("cpu", "memory"),
    "kube-score container-ephemeral-storage-request-and-limit": _sized("ephemeral-storage"),
    "kube-score container-image-tag, kube-linter latest-tag, polaris tagNotSpecified": _tagged,
    "kube-score container-image-pull-policy, polaris pullPolicyNotAlways":
        lambda _, container: container.get("imagePullPolicy") == "Always",
    "kube-score environment-variable-key-duplication, kube-linter duplicate-env-var": _once,
    "kube-linter env-var-secret, polaris sensitiveContainerEnvVar": _open_settings,
    "kube-score container-security-context-user-group-id": _high,
    "kube-score container-security-context-privileged, kube-linter privileged-container, polaris runAsPrivileged":
        lambda _, container: container.get("securityContext", {}).get("privileged") is False,
    "kube-score container-security-context-readonlyrootfilesystem, kube-linter no-read-only-root-fs, "
    "polaris notReadOnlyRootFilesystem":
        lambda _, container: container.get("securityContext", {}).get("readOnlyRootFilesystem") is True,
    "kube-linter privilege-escalation-container, polaris privilegeEscalationAllowed":
        lambda _, container: container.get("securityContext", {}).get("allowPrivilegeEscalation") is False,
    "kube-linter drop-net-raw-capability, polaris dangerousCapabilities, polaris insecureCapabilities": _dropped,
    "kube-linter run-as-non-root, polaris runAsRootAllowed":
        lambda workload, container: _context(workload, container, "runAsNonRoot") is True
        and _context(workload, container, "runAsUser") != 0 and _context(workload, container, "runAsGroup") != 0,
    "polaris linuxHardening":
        lambda workload, container: (_context(workload, container, "seccompProfile") or {}).get("type")
        in {"RuntimeDefault", "Localhost"},
    "polaris procMount": _uses_no("procMount", "Unmasked"),
    "polaris hostProcess": lambda workload, container:
        not (_context(workload, container, "windowsOptions") or {}).get("hostProcess"),
    "polaris hostPortSet": lambda _, container: not any("hostPort" in each for each in container.get("ports", [])),
    "kube-linter ssh-port": lambda _, container: 22 not in {e["containerPort"] for e in container.get("ports", [])},
    "kube-linter liveness-port": _probed("livenessProbe"),
    "kube-linter readiness-port": _probed("readinessProbe"),
    "kube-linter startup-port": _probed("startupProbe"),
    "kube-linter invalid-target-ports": lambda _, container:
        all(_PORT_NAME.fullmatch(each.get("name", "a")) for each in container.get("ports", [])),
}  # fmt: skip


# Pods and what makes them


def _isolated(workload: Workload, world: World) -> bool:
    return any(
        _selects(each["spec"]["podSelector"].get("matchLabels", {}), workload.labels)
        and {"Ingress", "Egress"} <= set(each["spec"]["policyTypes"])
        for each in world.kind("NetworkPolicy")
    )


def _isolated_for_polaris(workload: Workload, world: World) -> bool:
    """Polaris wants a policy with rules both ways, whose selector is met by exactly one label."""
    return any(
        len(each["spec"]["podSelector"].get("matchLabels", {}).items() & workload.labels.items()) == 1
        and each["spec"].get("ingress") and each["spec"].get("egress")
        for each in world.kind("NetworkPolicy")
    )  # fmt: skip


def _spread(workload: Workload, _world: World) -> bool:
    found = workload.spec.get("topologySpreadConstraints", [])
    whole = all(each.get("labelSelector") and each.get("topologyKey") and each.get("maxSkew", 0) > 0 for each in found)
    return not workload.lasts or (bool(found) and whole)


def _apart(workload: Workload, _world: World) -> bool:
    terms = workload.spec.get("affinity", {}).get("podAntiAffinity", {})
    found = [
        *(each["podAffinityTerm"] for each in terms.get("preferredDuringSchedulingIgnoredDuringExecution", [])),
        *terms.get("requiredDuringSchedulingIgnoredDuringExecution", []),
    ]
    hosts = [each for each in found if each["topologyKey"] == "kubernetes.io/hostname"]
    return not workload.lasts or any(_selects(each["labelSelector"]["matchLabels"], workload.labels) for each in hosts)


def _probes(workload: Workload, _world: World) -> bool:
    return not workload.lasts or all(
        {"livenessProbe", "readinessProbe"} <= each.keys() for each in workload.spec["containers"]
    )


def _different(workload: Workload, _world: World) -> bool:
    pairs = ((each.get("livenessProbe"), each.get("readinessProbe")) for each in workload.spec["containers"])
    return all(not live or not ready or live.get("httpGet") != ready.get("httpGet") for live, ready in pairs)


def _replicated(workload: Workload, world: World) -> bool:
    scaled = world.scaler(workload) is not None
    return not workload.lasts or scaled or workload.object["spec"].get("replicas", 1) >= 2


def _account(workload: Workload, world: World) -> bool:
    return workload.spec.get("serviceAccountName", "default") in {
        "default", *(each["metadata"]["name"] for each in world.kind("ServiceAccount"))
    }  # fmt: skip


def _host_mounts(workload: Workload, _world: World) -> bool:
    return not any("hostPath" in each for each in workload.spec.get("volumes", []))


def _sysctls(workload: Workload, _world: World) -> bool:
    found = workload.spec.get("securityContext", {}).get("sysctls", [])
    return {each["name"] for each in found} <= _SAFE_SYSCTLS


def _served(workload: Workload, world: World) -> bool:
    return any(_selects(each["spec"]["selector"], workload.labels) for each in world.kind("Service"))


def _rolls(workload: Workload, world: World) -> bool:
    strategy = workload.object["spec"].get("strategy", {}).get("type", "RollingUpdate")
    return workload.object["kind"] != "Deployment" or not _served(workload, world) or strategy == "RollingUpdate"


def _has_minimum(workload: Workload, world: World) -> bool:
    least = (world.scaler(workload) or workload.object)["spec"]
    count = least.get("minReplicas", least.get("replicas", 1))
    return all(
        budget["spec"].get("minAvailable") is None or int(budget["spec"]["minAvailable"]) < count
        for budget in world.budgets(workload)
        if not str(budget["spec"].get("minAvailable", 0)).endswith("%")
    )


WORKLOADS: dict[str, Callable[[Workload, World], bool]] = {
    "kube-score deployment-strategy": _rolls,
    "kube-score deployment-replicas": _replicated,
    "polaris deploymentMissingReplicas":
        lambda workload, _: workload.object["kind"] != "Deployment" or workload.object["spec"].get("replicas", 0) >= 2,
    "kube-score deployment-targeted-by-hpa-does-not-have-replicas-configured":
        lambda workload, world: world.scaler(workload) is None or "replicas" not in workload.object["spec"],
    "kube-score deployment-has-poddisruptionbudget, polaris missingPodDisruptionBudget":
        lambda workload, world: not workload.lasts or bool(world.budgets(workload)),
    "kube-score pod-networkpolicy": _isolated,
    "polaris missingNetworkPolicy": _isolated_for_polaris,
    "kube-score pod-probes, polaris livenessProbeMissing, polaris readinessProbeMissing": _probes,
    "kube-score pod-probes-identical": _different,
    "kube-score pod-topology-spread-constraints, polaris topologySpreadConstraint": _spread,
    "kube-score deployment-has-host-podantiaffinity, kube-linter no-anti-affinity": _apart,
    "kube-score deployment-pod-selector-labels-match-template-metadata-labels, kube-linter mismatching-selector":
        lambda workload, _: not workload.lasts or _selects(_selector(workload.object), workload.labels),
    "kube-score cronjob-restartpolicy":
        lambda workload, _: workload.lasts or workload.spec.get("restartPolicy") in {"Never", "OnFailure"},
    "kube-score cronjob-has-deadline": lambda workload, _:
        workload.object["kind"] != "CronJob" or bool(workload.object["spec"].get("startingDeadlineSeconds")),
    "kube-linter job-ttl-seconds-after-finished": lambda workload, _: _ends(workload.object),
    "kube-linter deprecated-service-account-field": lambda workload, _: "serviceAccount" not in workload.spec,
    "kube-linter non-existent-service-account": _account,
    "kube-linter docker-sock, kube-linter sensitive-host-mounts, polaris hostPathSet": _host_mounts,
    "kube-linter host-ipc, polaris hostIPCSet": lambda workload, _: not workload.spec.get("hostIPC"),
    "kube-linter host-network, polaris hostNetworkSet": lambda workload, _: not workload.spec.get("hostNetwork"),
    "kube-linter host-pid, polaris hostPIDSet": lambda workload, _: not workload.spec.get("hostPID"),
    "kube-linter unsafe-sysctls": _sysctls,
    "polaris automountServiceAccountToken":
        lambda workload, _: workload.spec.get("automountServiceAccountToken") is False,
    "polaris priorityClassNotSet": lambda workload, _: bool(workload.spec.get("priorityClassName")),
    "polaris metadataAndInstanceMismatched": lambda workload, _:
        workload.object["metadata"]["labels"].get("app.kubernetes.io/instance") == workload.object["metadata"]["name"],
    "polaris pdbMinAvailableGreaterThanHPAMinReplicas": _has_minimum,
}  # fmt: skip


def _ends(each: Object) -> bool:
    if each["kind"] == "CronJob":
        return "ttlSecondsAfterFinished" not in each["spec"]["jobTemplate"]["spec"]
    return each["kind"] != "Job" or "ttlSecondsAfterFinished" in each["spec"]


# Other objects


def _targets(each: Object, world: World) -> bool:
    target = each["spec"]["scaleTargetRef"]
    return any((one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"]) for one in world.objects)


def _leads(each: Object, world: World) -> bool:
    services = {one["metadata"]["name"] for one in world.kind("Service")}
    paths = [path for rule in each["spec"].get("rules", []) for path in rule.get("http", {}).get("paths", [])]
    return all(path["backend"]["service"]["name"] in services for path in paths)


def _policy_targets(each: Object, world: World) -> bool:
    return bool(world.selected(each["spec"]["podSelector"].get("matchLabels", {})))


def _labels(each: Object, _world: World) -> bool:
    return all(_LABEL.fullmatch(value) for value in each["metadata"].get("labels", {}).values())


def _settings(each: Object, _world: World) -> bool:
    found = each.get("data", {})
    return not any(_SECRETIVE.search(name) or _PRIVATE_KEY.search(value) for name, value in found.items())


def _gives_way(each: Object, _world: World) -> bool:
    spec = each["spec"]
    return spec.get("maxUnavailable") not in {0, "0%"} and spec.get("minAvailable") != "100%"


OBJECTS: dict[str, tuple[str, Callable[[Object, World], bool]]] = {
    "kube-score ingress-targets-service": ("Ingress", _leads),
    "polaris tlsSettingsMissing": ("Ingress", lambda each, _: bool(each["spec"].get("tls"))),
    "kube-score poddisruptionbudget-has-policy": (
        "PodDisruptionBudget", lambda each, _: bool({"minAvailable", "maxUnavailable"} & each["spec"].keys())),
    "kube-linter pdb-max-unavailable, kube-linter pdb-min-available, polaris pdbDisruptionsIsZero": (
        "PodDisruptionBudget", _gives_way),
    "kube-linter pdb-unhealthy-pod-eviction-policy": (
        "PodDisruptionBudget", lambda each, _: "unhealthyPodEvictionPolicy" in each["spec"]),
    "kube-score networkpolicy-targets-pod": ("NetworkPolicy", _policy_targets),
    "kube-score service-targets-pod, kube-linter dangling-service": (
        "Service", lambda each, world: bool(world.selected(each["spec"]["selector"]))),
    "kube-score service-type": ("Service", lambda each, _: each["spec"].get("type", "ClusterIP") != "NodePort"),
    "kube-score horizontalpodautoscaler-has-target": ("HorizontalPodAutoscaler", _targets),
    "kube-score horizontalpodautoscaler-replicas, polaris hpaMinAvailability": (
        "HorizontalPodAutoscaler", lambda each, _: each["spec"].get("minReplicas", 1) >= 2),
    "polaris hpaMaxAvailability": (
        "HorizontalPodAutoscaler", lambda each, _: each["spec"]["maxReplicas"] > each["spec"].get("minReplicas", 1)),
    "polaris sensitiveConfigmapContent": ("ConfigMap", _settings),
    "kube-score label-values": ("", _labels),
    "kube-score stable-version, kube-linter no-extensions-v1beta": (
        "", lambda each, _: not _BETA.match(each["apiVersion"])),
    "no kind that other rules are about": ("", lambda each, _: each["kind"] not in _UNKNOWN_KINDS),
}  # fmt: skip


def findings(objects: list[Object]) -> Iterator[str]:
    """Find what the three would complain of, as "kind name: the names of the rule"."""
    world = read_world(objects)
    for workload in world.workloads:
        for names in _broken(workload, world):
            yield from _told(workload.object, names)
    for names, (kind, right) in OBJECTS.items():
        for each in objects:
            if kind in {"", each["kind"]} and not right(each, world):
                yield from _told(each, names)


def _broken(workload: Workload, world: World) -> Iterator[str]:
    for names, holds in CONTAINERS.items():
        if not all(holds(workload, container) for container in workload.containers):
            yield names
    yield from (names for names, right in WORKLOADS.items() if not right(workload, world))


def _told(each: Object, names: str) -> Iterator[str]:
    left = [name for name in names.split(", ") if not _exempt(each, name)]
    if left:
        yield f"{each['kind']} {each['metadata']['name']}: {', '.join(left)}"


def _exempt(each: Object, name: str) -> bool:
    annotations: dict[str, str] = each["metadata"].get("annotations", {})
    tool, _, rule = name.partition(" ")
    return {
        "kube-score": rule in annotations.get("kube-score/ignore", "").split(","),
        "kube-linter": bool(annotations.get(f"ignore-check.kube-linter.io/{rule}")),
        "polaris": annotations.get(f"polaris.fairwinds.com/{rule}-exempt") == "true",
    }.get(tool, False)
