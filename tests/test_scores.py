"""Each rule of kube-score, kube-linter and polaris finds the object that breaks it, and nothing else is told of it."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.manifests import Object, overlay
from tests.scores import CONTAINERS, OBJECTS, WORKLOADS, findings

GONE = object()
POD = "spec.template.spec"
BOX = f"{POD}.containers.0"
JOB = "spec.jobTemplate.spec.template.spec"
INGRESS: Object = {
    "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "x"},
    "spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "nobody"}}}]}}]},
}  # fmt: skip
CRONJOB: Object = {
    "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x", "labels": {}},
    "spec": {"jobTemplate": {"spec": {"ttlSecondsAfterFinished": 1, "template": {"spec": {"containers": []}}}}},
}  # fmt: skip

BREAKS: list[tuple[str, str, str, Any]] = [
    ("kube-score container-resources", "Deployment", f"{BOX}.resources.limits.cpu", GONE),
    ("polaris memoryRequestsMissing", "Deployment", f"{BOX}.resources.requests.memory", GONE),
    ("kube-score container-ephemeral-storage-request-and-limit", "Deployment",
     f"{BOX}.resources.requests.ephemeral-storage", GONE),
    ("kube-linter latest-tag", "Deployment", f"{BOX}.image", "registry.example.com:5000/a:latest"),
    ("polaris tagNotSpecified", "Deployment", f"{BOX}.image", "registry.example.com:5000/a"),
    ("polaris pullPolicyNotAlways", "Deployment", f"{BOX}.imagePullPolicy", "IfNotPresent"),
    ("kube-linter duplicate-env-var", "Deployment", f"{BOX}.env", [{"name": "A"}, {"name": "A"}]),
    ("kube-linter env-var-secret", "Deployment", f"{BOX}.env", [{"name": "JWT_SECRET", "value": "x"}]),
    ("polaris sensitiveContainerEnvVar", "Deployment", f"{BOX}.env",
     [{"name": "A", "value": "---BEGIN RSA PRIVATE KEY---"}]),
    ("kube-score container-security-context-user-group-id", "Deployment", f"{POD}.securityContext.runAsGroup", 1000),
    ("kube-linter privileged-container", "Deployment", f"{BOX}.securityContext.privileged", True),
    ("kube-linter no-read-only-root-fs", "Deployment", f"{BOX}.securityContext.readOnlyRootFilesystem", GONE),
    ("polaris privilegeEscalationAllowed", "Deployment", f"{BOX}.securityContext.allowPrivilegeEscalation", GONE),
    ("kube-linter drop-net-raw-capability", "Deployment", f"{BOX}.securityContext.capabilities", GONE),
    ("polaris insecureCapabilities", "Deployment", f"{BOX}.securityContext.capabilities.add", ["NET_ADMIN"]),
    ("kube-linter run-as-non-root", "Deployment", f"{BOX}.securityContext.runAsNonRoot", False),
    ("polaris linuxHardening", "Deployment", f"{POD}.securityContext.seccompProfile", GONE),
    ("polaris procMount", "Deployment", f"{BOX}.securityContext.procMount", "Unmasked"),
    ("polaris hostProcess", "Deployment", f"{POD}.securityContext.windowsOptions", {"hostProcess": True}),
    ("polaris hostPortSet", "Deployment", f"{BOX}.ports.0.hostPort", 80),
    ("kube-linter ssh-port", "Deployment", f"{BOX}.ports.0.containerPort", 22),
    ("kube-linter liveness-port", "Deployment", f"{BOX}.livenessProbe.httpGet.port", "web"),
    ("kube-linter readiness-port", "Deployment", f"{BOX}.readinessProbe.httpGet.port", 81),
    ("kube-linter startup-port", "Deployment", f"{BOX}.startupProbe.httpGet.port", "web"),
    ("kube-linter invalid-target-ports", "Deployment", f"{BOX}.ports.0.name", "a-name-of-18-chars"),
    ("kube-score deployment-strategy", "Deployment", "spec.strategy.type", "Recreate"),
    ("kube-score deployment-replicas", "staging Deployment", "spec.replicas", 1),
    ("polaris deploymentMissingReplicas", "staging Deployment", "spec.replicas", 1),
    ("kube-score deployment-targeted-by-hpa-does-not-have-replicas-configured", "Deployment", "spec.replicas", 3),
    ("polaris missingPodDisruptionBudget", "PodDisruptionBudget", "spec.selector.matchLabels.colour", "red"),
    ("kube-score pod-networkpolicy", "all NetworkPolicy", "spec.policyTypes", ["Ingress"]),
    ("polaris missingNetworkPolicy", "all NetworkPolicy", "spec.ingress", GONE),
    ("kube-score pod-probes", "Deployment", f"{BOX}.readinessProbe", GONE),
    ("polaris livenessProbeMissing", "Deployment", f"{BOX}.livenessProbe", GONE),
    ("kube-score pod-probes-identical", "Deployment", f"{BOX}.livenessProbe.httpGet.path", "/readyz"),
    ("kube-score pod-topology-spread-constraints", "Deployment",
     f"{POD}.topologySpreadConstraints.0.labelSelector", GONE),
    ("polaris topologySpreadConstraint", "Deployment", f"{POD}.topologySpreadConstraints", []),
    ("kube-linter no-anti-affinity", "Deployment", f"{POD}.affinity", GONE),
    ("kube-linter mismatching-selector", "Deployment", "spec.selector.matchLabels.colour", "red"),
    ("kube-score cronjob-restartpolicy", "add", "", CRONJOB),
    ("kube-score cronjob-has-deadline", "add", "", CRONJOB),
    ("kube-linter job-ttl-seconds-after-finished", "add", "", CRONJOB),
    ("kube-linter deprecated-service-account-field", "Deployment", f"{POD}.serviceAccount", "x"),
    ("kube-linter non-existent-service-account", "Deployment", f"{POD}.serviceAccountName", "x"),
    ("kube-linter docker-sock", "Deployment", f"{POD}.volumes.0.hostPath", {"path": "/var/run/docker.sock"}),
    ("polaris hostIPCSet", "Deployment", f"{POD}.hostIPC", True),
    ("polaris hostNetworkSet", "Deployment", f"{POD}.hostNetwork", True),
    ("polaris hostPIDSet", "Deployment", f"{POD}.hostPID", True),
    ("kube-linter unsafe-sysctls", "Deployment", f"{POD}.securityContext.sysctls", [{"name": "kernel.msgmax"}]),
    ("polaris automountServiceAccountToken", "Deployment", f"{POD}.automountServiceAccountToken", True),
    ("polaris priorityClassNotSet", "Deployment", "metadata.annotations", {}),
    ("polaris metadataAndInstanceMismatched", "Deployment",
     "metadata.labels", {"app.kubernetes.io/instance": "feature"}),
    ("polaris pdbMinAvailableGreaterThanHPAMinReplicas", "PodDisruptionBudget", "spec.minAvailable", 4),
    ("kube-score ingress-targets-service", "add", "", INGRESS),
    ("polaris tlsSettingsMissing", "add", "", INGRESS),
    ("kube-score poddisruptionbudget-has-policy", "PodDisruptionBudget", "spec.maxUnavailable", GONE),
    ("kube-linter pdb-max-unavailable", "PodDisruptionBudget", "spec.maxUnavailable", 0),
    ("kube-linter pdb-min-available", "PodDisruptionBudget", "spec.minAvailable", "100%"),
    ("kube-linter pdb-unhealthy-pod-eviction-policy", "PodDisruptionBudget", "spec.unhealthyPodEvictionPolicy", GONE),
    ("kube-score networkpolicy-targets-pod", "NetworkPolicy", "spec.podSelector", {"matchLabels": {"app": "x"}}),
    ("kube-linter dangling-service", "Service", "spec.selector", {"app": "x"}),
    ("kube-score service-type", "Service", "spec.type", "NodePort"),
    ("kube-score horizontalpodautoscaler-has-target", "HorizontalPodAutoscaler", "spec.scaleTargetRef.name", "x"),
    ("polaris hpaMinAvailability", "HorizontalPodAutoscaler", "spec.minReplicas", 1),
    ("polaris hpaMaxAvailability", "HorizontalPodAutoscaler", "spec.maxReplicas", 4),
    ("polaris sensitiveConfigmapContent", "ConfigMap", "data.API_TOKEN", "x"),
    ("kube-score label-values", "Service", "metadata.labels.team", "a b"),
    ("kube-score stable-version", "PodDisruptionBudget", "apiVersion", "policy/v1beta1"),
    ("no kind that other rules are about", "Service", "kind", "StatefulSet"),
]  # fmt: skip


@cache
def _told(environment: str) -> frozenset[str]:
    return frozenset(findings(overlay("decided", environment)))


def _set(each: Any, path: str, value: Any) -> None:  # noqa: ANN401 - a tree of YAML
    *steps, last = path.split(".")
    for step in steps:
        each = each[int(step) if isinstance(each, list) else step]
    if value is GONE:
        each.pop(last, None)
    else:
        each[last] = value


@pytest.mark.parametrize(("rule", "chosen", "path", "value"), BREAKS, ids=[rule for rule, *_ in BREAKS])
def test_a_rule_finds_what_breaks_it(rule: str, chosen: str, path: str, value: Any) -> None:  # noqa: ANN401
    environment = "staging" if chosen.startswith("staging") else "production"
    objects = overlay("decided", environment)
    found = [each for each in objects if each["kind"] == chosen.rpartition(" ")[2]]
    for each in found if chosen.startswith("all") else found[:1]:
        _set(each, path, value)
    told = list(findings([*objects, value] if chosen == "add" else objects))
    assert _told(environment) == frozenset()
    assert any(rule in line for line in told), told


def test_every_rule_has_something_that_breaks_it() -> None:
    broken = {rule for rule, *_ in BREAKS}
    unbroken = [
        names for table in (CONTAINERS, WORKLOADS, OBJECTS) for names in table if not broken & {*names.split(", ")}
    ]
    assert unbroken == []


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("kube-score/ignore", "container-image-tag,container-image-pull-policy"),
        ("ignore-check.kube-linter.io/latest-tag", "mirrored by hand"),
        ("polaris.fairwinds.com/tagNotSpecified-exempt", "true"),
    ],
)
def test_an_exemption_counts_for_the_tool_that_it_is_for(annotation: str, value: str) -> None:
    objects = overlay("decided", "production")
    deployment = next(each for each in objects if each["kind"] == "Deployment")
    _set(deployment, f"{BOX}.image", "a:latest")
    before = " ".join(findings(objects))
    deployment["metadata"]["annotations"][annotation] = value
    after = " ".join(findings(objects))
    rules = ("kube-score container-image-tag", "kube-linter latest-tag", "polaris tagNotSpecified")
    assert [rule in before for rule in rules] == [True] * 3
    assert [rule in after for rule in rules].count(False) == 1
