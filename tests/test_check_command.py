"""`devops-tasks check`: a real bundle on disk, one thing broken, and exactly that is found."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import pytest
import yaml
from typer.testing import CliRunner

from devops_tasks import __version__
from devops_tasks.checks.codes import CODES, severity
from devops_tasks.checks.verdict import Bundle, judge_bundle
from devops_tasks.cli import app
from devops_tasks.errors import Problem, UserError
from devops_tasks.generate import plan_folder, write_folder
from devops_tasks.judge import Judgement, annotation_lines, find_shell, judge_folder, verdict_lines
from devops_tasks.lock import PATH
from devops_tasks.plan import plan_bundle
from devops_tasks.specfile import Loaded, Source, load_spec, override, read_spec
from tests.bundles import EXAMPLES, load_text, render_bundle, renderer
from tests.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from devops_tasks.checks.undecided import Undecided


class Break(NamedTuple):
    """One edit of one file of an example: the text that is replaced once, and the text in its place.

    ``also`` are the codes of what follows from it.
    """

    example: str
    path: str
    old: str
    new: str
    also: frozenset[str] = frozenset()


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate every example once, as the command does."""
    folder = tmp_path_factory.mktemp("bundles")
    for name in EXAMPLES:
        write(read_spec(ROOT / "examples" / f"{name}.yaml"), folder / name)
    return folder


def write(source: Source, folder: Path) -> Path:
    bundle, report = plan_folder(renderer(), load_spec(source), folder)
    write_folder(bundle, report)
    return folder


@pytest.fixture
def edited(bundles: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Give a copy of an example's bundle that a test may break."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(bundles / name, tmp_path / name))

    return copy


def found(folder: Path) -> set[str]:
    return {problem.code for problem in judge_folder(folder).problems}


def edit(folder: Path, path: str, old: str, new: str) -> None:
    place = folder / path
    text = place.read_text("utf-8")
    assert old in text, f"{path} has changed: the test would break nothing"
    place.write_text(text.replace(old, new, 1), "utf-8")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_no_finding(bundles: Path, name: str) -> None:
    judgement = judge_folder(bundles / name)
    assert [str(problem) for problem in judgement.problems] == []
    assert judgement.skipped == []


S, C, M = "saved-reports", "checkout", "minimal"
API = "kubernetes/feature-api"
COUNTED = "rate(http_request_duration_seconds_count{"
BUCKETS = "rate(http_request_duration_seconds_bucket[5m])"
SLOW = """\
threshold="{0}"}} > 0.05
          and on (namespace, job, threshold)
            namespace_job_threshold:http_requests_slow:increase5m{{namespace="saved-reports",job="feature-api",threshold="{0}"}}"""

POLICIES = "security/network-policies.yml"
LABEL = "app.kubernetes.io/name: feature-api"
DENIED, UNNEEDED = frozenset({"flow-denied"}), frozenset({"flow-unneeded"})
NAMESPACE = "apiVersion: v1\nkind: Namespace\n"
QUOTA = """\
apiVersion: v1
kind: ResourceQuota
metadata: {{name: quota}}
spec: {{hard: {{{0}}}}}
---
apiVersion: v1
kind: Namespace
"""

P = "overlays/production/kustomization.yaml"
OPENS = "[{op: add, path: /spec/egress/-, value: {to: [{ipBlock: {cidr: 9.9.9.9/32}}], ports: [{port: 25}]}}]"
DENIES = "{spec: {ingress: []}}"


def patch(target: str, text: str) -> str:
    """Write the first patch of an overlay."""
    meant = f"    target: {{{target}}}\n" if target else ""
    content = yaml.safe_load(text)
    if isinstance(content, dict) and target:
        content = {"kind": "Any", "metadata": {"name": "any"}} | content
    return f"patches:\n  - patch: '{json.dumps(content)}'\n{meant}"


BREAKS: dict[str, list[Break]] = {
    "yaml": [
        Break(S, "scaling/hpa.yml", "minReplicas: 3", "minReplicas: [3"),
        Break(S, "monitoring/alertmanager.yml", "route:", "\troute:"),
    ],
    "duplicate-key": [
        Break(S, "scaling/hpa.yml", "  minReplicas: 3\n", "  minReplicas: 3\n  minReplicas: 4\n"),
        Break(S, "monitoring/dashboard.json", "{", '{"title": "Mine",'),
    ],
    "json": [Break(S, "monitoring/dashboard.json", "{", "{,")],
    "promql": [
        Break(S, "monitoring/alert-rules.yml", " > 0.01\n", " >> 0.01\n"),
        Break(S, "monitoring/recording-rules.yml", "rate(", "rate(("),
        Break(S, "monitoring/dashboard.json", '"expr": "', '"expr": "sum('),
    ],
    "shell": [
        Break(S, "delivery/rollback.sh", "#!/usr/bin/env bash\n", "\n#!/usr/bin/env bash\n"),
        Break(S, "delivery/rollback.sh", "set -Eeuo pipefail\n", "set -e\n"),
        Break(S, "delivery/rollback.sh", "\nfi\n", "\n"),
        Break(C, "disaster-recovery/restore-database.sh", "\n}\n", "\n"),
    ],
    "markdown": [
        Break(S, "runbooks/operations/roll-back.md", "\n## ", "\n~~~\n## "),
        Break(S, "tasks.md", "| **Infrastructure** | ", "| **Infrastructure** | | "),
    ],
    "dead-link": [
        Break(S, "tasks.md", "](runbooks/operations/", "](runbooks/operation/"),
        Break(S, "runbooks/index.md", "](operations/", "](operation/"),
    ],
    "dead-anchor": [
        Break(S, "runbooks/index.md", "](operations/roll-back.md", "](operations/roll-back.md#nowhere"),
        Break(S, "tasks.md", "# DevOps Tasks", "[see](#nowhere)\n\n# DevOps Tasks"),
    ],
    "missing-file": [
        Break(S, "kubernetes/kustomization.yaml", "feature-api/service.yml", "feature-api/services.yml"),
        Break(S, "overlays/production/kustomization.yaml", "../../scaling", "../../scale"),
        Break(S, "monitoring/prometheus-config.yml", "alert-rules.yml", "alert_rules.yml"),
        Break(S, "monitoring/alert-rules.test.yml", "  - alert-rules.yml", "  - alert_rules.yml"),
        Break(S, "monitoring/recording-rules.test.yml", "  - recording-rules.yml", "  - recording_rules.yml"),
        Break(S, "delivery/pipeline.yml", "monitoring/alert-rules.yml", "monitoring/alert_rules.yml"),
    ],
    "selector": [
        Break(S, f"{API}/service.yml", "    colour: blue\n  ports", "    color: blue\n  ports"),
        Break(S, f"{API}/disruption-budget.yml", "      colour: green\n", "      colour: red\n"),
        Break(S, P, "patches:\n", patch("kind: Service, name: feature-api-green", "{spec: {selector: {colour: red}}}")),
        Break(
            S,
            "security/network-policies.yml",
            "      app.kubernetes.io/name: feature-api\n",
            "      app: feature-api\n",
            DENIED,
        ),
        Break(
            S,
            f"{API}/deployment.yml",
            "matchLabels:\n      app.kubernetes.io/name: feature-api",
            "matchLabels:\n      app: x",
        ),
    ],
    "unknown-object": [
        Break(S, "scaling/hpa.yml", "    name: feature-api-green\n", "    name: feature-api\n"),
        Break(S, "delivery/traffic/green-010.yml", "name: feature-api-blue", "name: feature-blue"),
        Break(S, f"{API}/deployment.yml", "serviceAccountName: feature-api", "serviceAccountName: api"),
        Break(S, f"{API}/deployment.yml", "name: feature-api-config", "name: feature-config"),
        Break(S, f"{API}/deployment.yml", "secretName: feature-api-secrets", "secretName: secrets"),
        Break(C, "disaster-recovery/backup.yml", "name: backup-script", "name: backup-scripts"),
        Break(
            S, "delivery/smoke-test.sh", "\nask feature-api", "\nkubectl get deployment feature-api\nask feature-api"
        ),
        Break(S, "runbooks/operations/roll-back.md", "deployment/feature-api-blue", "deployment/feature-api-bleu"),
        Break(S, "runbooks/operations/roll-back.md", "```bash\n", "```bash\nkubectl logs --container feature-api-x\n"),
        Break(C, "disaster-recovery/restore-database.sh", "(checkout-api-blue ", "(checkout-api "),
    ],
    "port": [
        Break(S, f"{API}/service.yml", "targetPort: http", "targetPort: web"),
        Break(
            S,
            P,
            "patches:\n",
            patch("kind: Service", "[{op: replace, path: /spec/ports/0/targetPort, value: web}]"),
        ),
        Break(S, "delivery/traffic/green-050.yml", "port: 3000", "port: 3001"),
        Break(
            S,
            f"{API}/deployment.yml",
            "path: /readyz\n              port: http",
            "path: /readyz\n              port: web",
        ),
    ],
    "scrape": [
        Break(S, f"{API}/deployment.yml", 'prometheus.io/port: "9090"', 'prometheus.io/port: "9091"'),
        Break(S, "monitoring/prometheus-config.yml", "job_name: feature-api", "job_name: feature"),
        Break(S, "monitoring/prometheus-config.yml", "regex: feature-api\n", "regex: feature\n"),
        Break(S, "monitoring/prometheus-config.yml", "regex: metrics\n", "regex: web\n"),
    ],
    "flow-denied": [
        Break(S, POLICIES, "          port: 3000", "          port: 8080", UNNEEDED),
        Break(S, POLICIES, "k8s-app: kube-dns", "k8s-app: dns", UNNEEDED),
        Break(S, POLICIES, "          port: 9090", "          port: metrics-port", UNNEEDED),
        Break(C, POLICIES, "  ingress:\n", "  incoming:\n"),
        Break(S, P, "patches:\n", patch("kind: NetworkPolicy, name: feature-api", DENIES)),
        Break(
            S,
            P,
            "patches:\n",
            patch("kind: NetworkPolicy, name: feat.*", "[{op: replace, path: /spec/egress, value: []}]"),
        ),
        Break(S, P, "patches:\n", patch("kind: NetworkPolicy, name: feature-api-migrate", "{$patch: delete}")),
    ],
    "flow-unneeded": [
        Break(
            S, POLICIES, "  podSelector: {}\n", "  podSelector: {matchLabels: {app.kubernetes.io/name: feature-api}}\n"
        ),
        Break(S, POLICIES, "  egress:\n", "  egress:\n    - {}\n"),
        Break(S, P, "patches:\n", patch("kind: NetworkPolicy, name: feature-api", OPENS)),
        Break(S, P, "  - ../../security\n", ""),
        Break(S, POLICIES, "  ingress:\n", "  ingress:\n    - from:\n        - namespaceSelector: {}\n"),
    ],
    "unjudged": [
        Break(S, P, "namespace: saved-reports\n", "namespace: saved-reports\nnamePrefix: x-\n"),
        Break(S, P, "patches:\n", patch("kind: Service", "[{op: remove, path: /spec/nothing}]")),
        Break(
            S,
            "kubernetes/kustomization.yaml",
            "kind: Kustomization\n",
            "kind: Kustomization\npatches: [{path: kustomization.yaml}]\n",
        ),
    ],
    "undeclared-command": [
        Break(S, "delivery/rollback.sh", "\nfailed=()", "\nslack-notify 'rolled back'\nfailed=()"),
        Break(S, "delivery/shift-traffic.sh", "need kubectl cat sleep", "need kubectl cat"),
        Break(S, "runbooks/operations/roll-back.md", "```bash\n", "```bash\nkubectl version --output json | jq .\n"),
        Break(S, "runbooks/index.md", "`kubectl`, ", ""),
    ],
    "no-runbook": [
        Break(S, "monitoring/alert-rules.yml", "runbook_url:", "runbook:"),
        Break(S, "monitoring/alert-rules.yml", "LatencyP95High.md", "LatencyHigh.md"),
    ],
    "traffic-step": [
        Break(S, "delivery/traffic/green-010.yml", "weight: 90", "weight: 80"),
        Break(S, "delivery/traffic/green-100.yml", "          weight: 0\n", ""),
        Break(S, "delivery/shift-traffic.sh", "0 | 10 | 50 | 100) ;;", "0 | 10 | 100) ;;"),
        Break(S, "delivery/watch-rollout.sh", "shares=(10 50 100)", "shares=(50 100)"),
        Break(S, "tasks.md", "Switch 50% of traffic", "Switch 40% of traffic"),
    ],
    "unknown-series": [
        Break(
            S, "monitoring/alert-rules.yml", "namespace_job:http_requests_errors:", "namespace_job:http_request_errors:"
        ),
        Break(S, "monitoring/recording-rules.yml", "record: namespace_job:http", "record: namespace_job:https"),
    ],
    "unknown-service": [
        Break(S, "monitoring/alert-rules.yml", "service: feature-api\n", "service: feature\n"),
        Break(S, "monitoring/alert-rules.yml", 'container="feature-api"', 'container="feature"'),
    ],
    "unknown-namespace": [
        Break(S, "monitoring/alert-rules.yml", 'namespace="saved-reports"', 'namespace="saved-report"'),
        Break(S, "runbooks/operations/roll-back.md", "```bash\n", "```bash\nkubectl get pods --namespace reports\n"),
    ],
    "unknown-metric": [
        Break(S, "monitoring/recording-rules.yml", "rate(http_requests_total{", "rate(http_request_total{"),
        Break(S, "monitoring/recording-rules.yml", "report_generation_failed_total", "report_failed_total"),
    ],
    "never-meets": [
        Break(
            S,
            "monitoring/recording-rules.yml",
            "max by (database) (pg_settings_max_connections{",
            "max by (instance) (pg_settings_max_connections{",
        ),
    ],
    "never-selects": [
        Break(S, "monitoring/recording-rules.yml", 'le="0.2"', 'le="0.3"'),
        Break(S, "monitoring/alert-rules.yml", 'threshold="0.2"', 'threshold="0.3"'),
        Break(
            S,
            "monitoring/recording-rules.yml",
            "sum by (namespace, job, colour, le) (",
            "sum by (namespace, job, colour) (",
        ),
    ],
    "many-to-many": [
        Break(S, "monitoring/recording-rules.yml", COUNTED, f"{BUCKETS} / ignoring (le) {COUNTED}"),
    ],
    "beyond-retention": [Break(S, "monitoring/recording-rules.yml", "offset 1w", "offset 6w")],
    "short-range": [
        Break(S, "monitoring/recording-rules.yml", "[5m]", "[59s]"),
        Break(C, "monitoring/prometheus-operator.yml", "[5m]", "[59s]"),
    ],
    "residue": [
        Break(S, f"{API}/deployment.yml", "path: /healthz", 'path: "{{ .Values.path }}"'),
        Break(S, f"{API}/config.yml", "data:\n", "data:\n  A: ${B}\n"),
        Break(S, "delivery/pipeline.yml", "\njobs:", "\n# {% if jobs %}\njobs:"),
        Break(S, "tasks.md", "# DevOps Tasks", "{{ feature.name }}\n\n# DevOps Tasks"),
    ],
    "placeholder": [
        Break(S, "tasks.md", "**Sprint:** ", "**Sprint:** *[Sprint Number]* "),
        Break(S, "monitoring/alertmanager.yml", "\n", "\n# TODO: who is it?\n"),
    ],
    "conflict-marker": [
        Break(S, "tasks.md", "**Sprint:** ", "<<<<<<< on disk\nmine\n=======\n**Sprint:** "),
        Break(S, "delivery/rollback.sh", "\nlog ", "\n<<<<<<< HEAD\nlog ", also=frozenset({"shell"})),
    ],
    "stray-undecided": [Break(S, "delivery/traffic/green-000.yml", "api.example.com", "undecided.invalid")],
    "alert-after-rollback": [
        Break(S, "monitoring/alert-rules.yml", SLOW.format("0.2"), SLOW.format("0.5")),
    ],
    "replicas-outside-autoscaler": [
        Break(
            S, "overlays/staging/kustomization.yaml", "  - ../../security\n", "  - ../../security\n  - ../../scaling\n"
        ),
        Break(S, "overlays/production/feature-api-size.yml", "spec:\n", "spec:\n  replicas: 99\n"),
    ],
    "alert-below-autoscaler": [
        Break(S, "scaling/hpa.yml", "averageUtilization: 70", "averageUtilization: 80"),
        Break(S, "scaling/hpa.yml", "averageUtilization: 80", "averageUtilization: 90"),
    ],
    "disruption-blocked": [
        Break(S, f"{API}/disruption-budget.yml", "maxUnavailable: 1", budget)
        for budget in ("maxUnavailable: 0", "minAvailable: 100%", "minAvailable: 3", "minAvailable: 90%")
    ],
    "over-quota": [
        Break(S, "overlays/production/namespace.yml", NAMESPACE, QUOTA.format(quota))
        for quota in ("requests.cpu: 19", "limits.memory: 79Gi", "pods: 19")
    ],
    "no-restore": [Break(S, "disaster-recovery/restore-database.sh", "features-db)\n", "old-db)\n")],
    "backup-retention": [
        Break(S, "disaster-recovery/backup.yml", "DeleteAfterDays: 30", "DeleteAfterDays: 3"),
        Break(S, "disaster-recovery/backup.yml", "            Lifecycle:\n              DeleteAfterDays: 30\n", ""),
        Break(C, "disaster-recovery/backup-database.sh", "keep_seconds=1209600", "keep_seconds=120960"),
        Break(C, "disaster-recovery/backup-database.sh", " keep_seconds=1209600", ""),
    ],
    "backup-interval": [
        Break(C, "disaster-recovery/backup.yml", 'schedule: "0 * * * *"', 'schedule: "0 */6 * * *"'),
        Break(S, "disaster-recovery/backup.yml", "cron(0 0/6 * * ? *)", "cron(0 0 * * ? *)"),
    ],
    "points-over-capacity": [],
    "target-below-zero": [],
    "split-without-step": [],
    "unlisted-class": [],
    "assignment": [Break(S, "experiment/flags.json", '"saved-reports": ', '"another": ')],
    "other-number": [Break(S, "monitoring/alert-rules.yml", " > 0.01\n", " > 0.005\n")],
    "wrong-total": [Break(S, "tasks.md", "**Total Story Points:** 2", "**Total Story Points:** 3")],
}


@pytest.mark.parametrize(
    ("code", "broken"),
    [
        pytest.param(code, each, id=f"{code}: {each.path}: {each.new.strip()[:40]!r}")
        for code, breaks in BREAKS.items()
        for each in breaks
    ],
)
def test_what_is_broken_is_found_and_nothing_else(edited: Callable[[str], Path], code: str, broken: Break) -> None:
    folder = edited(broken.example)
    edit(folder, broken.path, broken.old, broken.new)
    drifted = {"other-number"} - {code}  # most edits of a number are one that the spec does not say
    assert found(folder) - drifted == {code} | broken.also


DELETED = [
    (S, "runbooks/alerts/FeatureApiErrorRatioHigh.md", {"dead-link", "no-runbook"}),
    (S, "runbooks/operations/roll-back.md", {"dead-link", "missing-file"}),
    (S, "security/secrets.yml", {"dead-link", "missing-file", "unknown-object"}),
    (S, "kubernetes/kustomization.yaml", {"missing-file"}),
    (S, "overlays/production/kustomization.yaml", {"missing-file"}),
    (S, "tasks.md", {"dead-link"}),
    (S, "kubernetes/feature-api/service-account.yml", {"missing-file", "unknown-object"}),
    (S, "monitoring/recording-rules.yml", {"dead-link", "missing-file", "unknown-series"}),
]


@pytest.mark.parametrize(("name", "path", "codes"), DELETED, ids=[path for _, path, _ in DELETED])
def test_a_deleted_file_that_others_name_is_found(
    edited: Callable[[str], Path], name: str, path: str, codes: set[str]
) -> None:
    folder = edited(name)
    (folder / path).unlink()
    assert found(folder) == codes


ALONE = {
    "a tick": Break(S, "tasks.md", "- [ ] **[DO-001]**", "- [x] **[DO-001]**"),
    "a note in the document": Break(
        S, "tasks.md", "## Sprint Tasks\n", "## Sprint Tasks\n\nWe moved kubernetes/old.yml.\n"
    ),
    "a link to another host": Break(
        S, "tasks.md", "# DevOps Tasks", "[x](https://example.com/x.md#y)\n\n# DevOps Tasks"
    ),
    "a link to a file of the person's own": Break(
        S, "tasks.md", "# DevOps Tasks", "[x](notes/mine.md)\n\n# DevOps Tasks"
    ),
    "a task of a person's own": Break(S, "tasks.md", "- [ ] **[DO-001]**", "- [ ] Call the bank\n- [ ] **[DO-001]**"),
    "a comment": Break(S, "scaling/hpa.yml", "  minReplicas: 3", "  # three zones\n  minReplicas: 3"),
    "an annotation's template": Break(S, "monitoring/alert-rules.yml", 'summary: "', 'summary: "{{ $labels.pod }}: '),
    "a workflow's expression": Break(S, "delivery/pipeline.yml", "\njobs:", "\n# ${{ github.actor }}\njobs:"),
    "a resource from elsewhere": Break(
        S, "kubernetes/kustomization.yaml", "resources:\n", "resources:\n  - https://example.com/base?ref=v1\n"
    ),
    "replicas within the autoscaler": Break(
        S, "overlays/production/feature-api-size.yml", "spec:\n", "spec:\n  replicas: 5\n"
    ),
    "a narrower way to an undecided address": Break(
        M, POLICIES, "cidr: 10.0.0.0/8\n        - ipBlock:\n            cidr: 172.16.0.0/12", "cidr: 10.20.0.0/24"
    ),
    "a budget that leaves room": Break(S, f"{API}/disruption-budget.yml", "maxUnavailable: 1", "minAvailable: 50%"),
    "a quota with room": Break(
        S,
        "overlays/production/namespace.yml",
        NAMESPACE,
        QUOTA.format("requests.cpu: 1k, limits.memory: 1000Gi, pods: 99"),
    ),
    "a script that asks for nothing": Break(S, "delivery/shift-traffic.sh", "need kubectl cat", ": kubectl cat"),
    "an older backup that is allowed": Break(C, "disaster-recovery/backup.yml", '"0 * * * *"', '"30 * * * *"'),
    "a command for somebody else's object": Break(
        S,
        "runbooks/operations/roll-back.md",
        "```bash\n",
        "```bash\nkubectl get deployment billing --namespace monitoring\n",
    ),
    "a Windows line end": Break(S, "scaling/hpa.yml", "minReplicas: 3\n", "minReplicas: 3\r\n"),
}


@pytest.mark.parametrize("edit_of", ALONE.values(), ids=ALONE.keys())
def test_an_edit_that_contradicts_nothing_is_left_alone(edited: Callable[[str], Path], edit_of: Break) -> None:
    folder = edited(edit_of.example)
    (folder / "notes").mkdir()
    (folder / "notes/mine.md").write_text("# Mine\n")
    edit(folder, edit_of.path, edit_of.old, edit_of.new)
    assert found(folder) == set()


def test_a_policy_that_every_overlay_puts_right_is_left_alone(edited: Callable[[str], Path]) -> None:
    folder = edited(S)
    edit(folder, POLICIES, "          port: 3000", "          port: 8080")
    right = patch(
        "kind: NetworkPolicy, name: feature-api", "[{op: replace, path: /spec/ingress/0/ports/0/port, value: 3000}]"
    )
    edit(folder, P, "patches:\n", right)
    drifted = {"other-number"}  # the file itself is not what the spec says
    assert found(folder) - drifted == {"flow-denied", "flow-unneeded"}  # staging applies the wrong one still
    edit(folder, P.replace("production", "staging"), "patches:\n", right)
    assert found(folder) <= drifted


def test_a_deleted_file_that_nobody_names_is_left_alone(edited: Callable[[str], Path]) -> None:
    folder = edited(S)
    (folder / "monitoring/README.md").unlink()
    assert found(folder) == set()


STATED = [
    ("tasks.md", "7 days, in whole weeks", "3 days", "3 days stated, 7 days needed"),
    ("tasks.md", "3841 users in control", "1,200 per arm, in control", "1,200 per arm stated, 3841 needed"),
    (
        "tasks.md",
        "3841 users in control and 3841",
        "4000 users in control and 38",
        "38 in treatment stated, 3841 needed",
    ),
    ("experiment/plan.md", "**Planned:** 7 days", "**Planned:** 2 days", "2 days stated, 7 days needed"),
    ("experiment/plan.md", "**At least:** 2 days", "**At least:** 1 day", "1 day stated, 2 days needed"),
]


def test_a_stated_size_that_is_too_small_is_told_with_the_right_one_and_its_place(
    edited: Callable[[str], Path],
) -> None:
    folder = edited(S)
    before = {path: (folder / path).read_text("utf-8") for path, *_ in STATED}
    for path, old, new, what in STATED:
        text = before[path].replace(old, new, 1)
        (folder / path).write_text(text, "utf-8")
        (problem,) = [each for each in judge_folder(folder).problems if each.code == "sample-size"]
        (folder / path).write_text(before[path], "utf-8")
        assert problem.what == what
        line = text.splitlines()[problem.line - 1]
        assert line[problem.column - 1 :].startswith(what.split(" ")[0])
    edit(folder, "tasks.md", "3841 users in control", "4,000 users in control")
    assert found(folder) == set()


SPLIT = "experiment.assignment={method: traffic-split, unit: request, treatment: 20%}"
MEASURED = (
    "experiment.primary_metric={name: A, kind: proportion, baseline: 10%, target: +20%}",
    "experiment.eligible_per_day=9000",
)
CONTRADICTORY = [
    (("services=[{name: a, requests_per_second: 19}]",), "blind-step"),
    (("services=[{name: a, requests_per_second: 50}]", "delivery.pause=344s"), "blind-step"),
    (
        (
            "services=[{name: a, requests_per_second: 20}]",
            "experiment.monitoring.label=arm",
            "experiment.assignment.treatment=10%",
        ),
        "rash-guardrail",
    ),
    ((SPLIT,), "split-without-step"),
    ((SPLIT, "delivery.steps=[20%, 100%]", "services=[{name: w, kind: worker}]"), "split-without-step"),
    ((SPLIT, "delivery.steps=[20%, 100%]", *MEASURED), "short-split"),
    ((SPLIT, "delivery.steps=[20%, 100%]", *MEASURED, "platform.rollout=argo-rollouts"), "short-split"),
    (("sprint.capacity=20",), "points-over-capacity"),
    (("experiment.primary_metric={name: Days, target: -2, kind: mean, baseline: 9}",), "target-below-zero"),
    (("databases=[{name: db, staging: {class: db.r99g.large, memory: 16Gi, cpu: 2}}]",), "unlisted-class"),
    (("caches=[{name: cache, staging: {class: cache.r99g.large}}]",), "unlisted-class"),
    (("alerts=[{metric: error_ratio, above: 3%, for: 5m}]",), "alert-after-rollback"),
    (("alerts=[{metric: error_ratio, above: 2%, for: 5m}]",), "alert-after-rollback"),
    (("alerts=[{metric: latency_p95, above: 500ms}]",), "alert-after-rollback"),
    (("alerts=[{metric: cpu_utilization, above: 70%}]",), "alert-below-autoscaler"),
    (("alerts=[{metric: memory_utilization, above: 40%}]",), "alert-below-autoscaler"),
    (("databases=[{name: db, backup: {every: 6h, lose_at_most: 1h}}]",), "backup-interval"),
    (("databases=[{name: db, backup: {every: 6h, lose_at_most: 5m}}]",), "backup-interval"),
    (("databases=[{name: db, hosting: in-cluster, backup: {every: 6h, lose_at_most: 1h}}]",), "backup-interval"),
    (("platform.cloud=none", "databases=[{name: db, backup: {every: 6h, lose_at_most: 1h}}]"), "backup-interval"),
    (("databases=[{name: db, backup: {every: 1d, keep: 1d}}]",), "backup-kept"),
    (
        (
            "sprint.starts=2026-12-01",
            "sprint.ends=2026-12-14",
            "dependencies.external=[{who: A, what: B, by: 2026-12-20}]",
        ),
        "late-dependency",
    ),
    (("sprint.starts=2026-12-01", "dependencies.blocking=[{who: A, what: B, by: 2026-11-20}]"), "late-dependency"),
]


def test_a_split_that_is_one_of_the_steps_is_left_alone(tmp_path: Path) -> None:
    spec = override(read_spec(ROOT / "examples/minimal.yaml"), (SPLIT, "delivery.steps=[0.2, 100%]"))
    assert judge_folder(write(spec, tmp_path / "bundle")).problems == []


@pytest.mark.parametrize(("assignments", "code"), CONTRADICTORY, ids=[" ".join(each) for each, _ in CONTRADICTORY])
def test_a_contradictory_spec_makes_a_bundle_with_a_warning(
    tmp_path: Path, assignments: tuple[str, ...], code: str
) -> None:
    folder = write(override(read_spec(ROOT / "examples/minimal.yaml"), assignments), tmp_path / "bundle")
    problems = judge_folder(folder).problems
    assert {(problem.code, severity(problem)) for problem in problems} == {(code, "warning")}


CONSISTENT = [
    ("services=[{name: a, requests_per_second: 20}]", "delivery.pause=345s"),
    ("services=[{name: a, requests_per_second: 2}]", "delivery.steps=[100%]", "delivery.pause=1m"),
    ("services=[{name: a, requests_per_second: 1, metrics: {convention: none}}]",),
    ("sprint.capacity=26",),
    ("experiment.primary_metric={name: Days, target: 0, kind: mean, baseline: 9}",),
    ("experiment.primary_metric={name: Score, target: -2, kind: mean}",),
    ("alerts=[{metric: error_ratio, above: 1.9%, for: 10m}]",),
    ("alerts=[{metric: error_ratio, above: 2%, for: 4m}]",),
    ("alerts=[{metric: throughput_ratio, below: 10%}]",),
    ("alerts=[{metric: cpu_utilization, above: 71%}]",),
    (
        "services=[{name: a, production: {memory: {request: 1Gi, limit: 4Gi}}}]",
        "alerts=[{metric: memory_utilization, above: 21%}]",
    ),
    ("services=[{name: a, production: {autoscaling: none}}]", "alerts=[{metric: cpu_utilization, above: 50%}]"),
    ("databases=[{name: db, backup: {every: 6h, lose_at_most: 6h}}]",),
    ("sprint.starts=2026-12-01", "sprint.ends=2026-12-14", "dependencies.blocking=[{who: A, what: B, by: 2027-01-20}]"),
    ("databases=[]", "caches=[]"),
    ("platform.cloud=none", "caches=[{name: cache, staging: {class: own-2gb}}]"),
    ("services=[{name: a, kind: worker}]",),
    ("document.fidelity=brief",),
    ("platform.secrets=manual",),
    ("platform.monitoring=prometheus-operator",),
]


@pytest.mark.parametrize("assignments", CONSISTENT, ids=map(" ".join, CONSISTENT))
def test_a_consistent_spec_makes_a_bundle_without_a_finding(tmp_path: Path, assignments: tuple[str, ...]) -> None:
    folder = write(override(read_spec(ROOT / "examples/minimal.yaml"), assignments), tmp_path / "bundle")
    assert [str(problem) for problem in judge_folder(folder).problems] == []


def test_the_operator_s_monitors_are_held_against_the_pods(tmp_path: Path) -> None:
    source = override(read_spec(ROOT / "examples/minimal.yaml"), ("platform.monitoring=prometheus-operator",))
    folder = write(source, tmp_path / "bundle")
    (folder / "monitoring/prometheus-config.yml").unlink(missing_ok=True)
    path = "monitoring/prometheus-operator.yml"
    edit(folder, path, "- port: http", "- port: web")
    assert "scrape" in found(folder)


def test_every_code_has_a_test_that_breaks_a_bundle() -> None:
    tested = (
        {code for code, breaks in BREAKS.items() if breaks}
        | {code for _, code in CONTRADICTORY}
        | {"not-text", "sample-size"}
    )
    assert tested == {code for code, row in CODES.items() if row.severity != "note"}


# What was edited since


def notes(folder: Path) -> list[str]:
    return [f"{note.where}:{note.line} {note.code}: {note.what}" for note in judge_folder(folder).notes]


def test_a_bundle_that_people_work_with_has_notes_and_no_finding(edited: Callable[[str], Path]) -> None:
    folder = edited(S)
    assert notes(folder) == []
    edit(folder, "tasks.md", "- **Decision:**", "- **Decision:** we took the larger class\n- And why")
    edit(folder, "scaling/hpa.yml", "spec:\n", "# three zones\nspec:\n")
    (folder / "monitoring/README.md").unlink()
    line = (folder / "tasks.md").read_text("utf-8").split("\n").index("- **Decision:** we took the larger class") + 1
    assert notes(folder) == [
        "monitoring/README.md:0 deleted: was generated, and is gone",
        "scaling/hpa.yml:11 edited: edited since it was generated: 1 line in place of 0",
        f"tasks.md:{line} edited: edited since it was generated: 2 lines in place of 1",
    ]
    code, told, summary = check(folder)
    assert code == 0
    assert "note       scaling/hpa.yml:11: edited since it was generated: 1 line in place of 0 (" in told
    assert "0 errors, 0 warnings, 3 undecided, 3 notes" in summary


def test_another_version_is_noted(edited: Callable[[str], Path]) -> None:
    folder = edited(S)
    _relock(folder, version="0.0.1")
    assert notes(folder) == [f"the bundle:0 other-version: was generated by version 0.0.1, and this is {__version__}"]


def test_an_edited_number_is_still_told_after_the_next_run_and_no_longer_once_the_spec_says_it(tmp_path: Path) -> None:
    source = read_spec(ROOT / "examples/minimal.yaml")
    folder = write(source, tmp_path / "bundle")
    edit(folder, "scaling/hpa.yml", "maxReplicas: 10", "maxReplicas: 13")
    write(override(source, ("sprint.name=25",)), folder)
    assert found(folder) == {"other-number"}
    write(override(source, ("services=[{name: saved-reports-api, production: {autoscaling: {max: 13}}}]",)), folder)
    assert found(folder) == set()


# What nobody has decided


SAMPLES = {
    "starts": "2026-12-01",
    "ends": "2026-12-14",
    "capacity": "40",
    "kind": "mean",
    "baseline": "10",
    "standard_deviation": "40",
    "eligible_per_day": "4000",
    "image": "registry.example.com/x:1.0.0",
    "aws_cli": "registry.example.com/aws-cli:2.0.0",
    "requests_per_second": "50",
    "cidr": "10.20.0.0/24",
    "host": "h.example.com",
    "namespace": "data",
    "selector": "{app: x}",
    "hosts": "[k.example.com]",
    "topic": "events",
    "group": "readers",
    "to": "s3://backups/x",
    "replicate_to": "eu-west-1",
    "gateway": "{name: public, namespace: edge}",
    "ingress_class": "traefik",
    "ingress_namespace": "ingress-system",
    "tls_issuer": "letsencrypt",
    "secret_store": "{name: store}",
    "tracing": "{host: otel.observability}",
    "edge": "{waf: managed}",
    "store": "thanos",
    "budget": "1000 USD",
    "notify": "a@example.com",
    "on_call": "me",
    "channel": '"#x"',
    "pager": "opsgenie",
    "next": "2027-01-01",
    "updated": "2027-01-01",
    **dict.fromkeys(
        ("runbooks", "dashboards", "heartbeat", "prometheus", "webhook", "diagrams", "costs", "security"),
        "https://example.com/x",
    ),
}
"""A decision for each key that may be undecided, by the last step of its path."""

ODD = """
feature: {name: Odd, engineer: "@dana"}
sprint: {name: "24"}
experiment: {hypothesis: We believe, primary_metric: {name: Users, target: +20%}}
services: [{name: front, kind: web}, {name: back}, {name: index, kind: worker}]
queues: [{name: orders}]
external_services: [{name: pay}]
cost: {budget: 1000 USD}
contacts: {pager: webhook}
platform: {monitoring: prometheus-operator, pipeline: gitlab-ci}
"""
INSIDE = """
feature: {name: Inside, engineer: "@dana"}
sprint: {name: "24"}
experiment: {hypothesis: We believe, primary_metric: {name: Users, target: +20%}}
databases: [{name: db, hosting: in-cluster, backup: {replicate_to: eu-west-1}}, {name: other}]
caches: [{name: cache, hosting: in-cluster}]
document: {fidelity: brief}
platform: {cloud: none, secrets: manual, routing: ingress}
"""
ROLLED = f"{ODD}monitoring: {{evaluation_interval: 30s}}\n".replace(
    "gitlab-ci", "github-actions, rollout: argo-rollouts"
)
MARKED = re.compile(r"\bundecided\b|to be decided", re.IGNORECASE)


def undecided_of(loaded: Loaded, files: dict[str, str]) -> list[Undecided]:
    contents = {path: text.encode() for path, text in files.items()}
    bundle = Bundle(loaded.spec, loaded.tree, plan_bundle(loaded.spec), contents)
    return judge_bundle(bundle, lambda _: True).undecided


@pytest.mark.parametrize("name", [*EXAMPLES, "odd", "inside", "rolled"])
def test_an_undecided_key_is_listed_with_the_files_that_change_when_it_is_decided(name: str) -> None:
    texts = {"odd": ODD, "inside": INSIDE, "rolled": ROLLED}
    loaded = load_text(texts[name]) if name in texts else load_spec(read_spec(ROOT / "examples" / f"{name}.yaml"))
    files = render_bundle(loaded)
    listed = undecided_of(loaded, files)
    assert listed or name == S
    for each in listed:
        sample = SAMPLES[each.key.rpartition(".")[2]]
        decided = load_spec(override(Source("spec", loaded.tree, {}), (f"{each.key}={sample}",)))
        assert each.files, f"{each.key} is undecided in silence"
        assert each.files == tuple(changed(files, render_bundle(decided))), each.key
        assert each.key not in {other.key for other in undecided_of(decided, {})}


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Give the files in which a line that says that something is undecided is gone."""
    gone = {path: Counter(text.split("\n")) - Counter(after.get(path, "").split("\n")) for path, text in before.items()}
    return [path for path, lines in gone.items() if any(MARKED.search(line) for line in lines)]


def test_a_parent_document_that_is_not_there_is_undecided(edited: Callable[[str], Path]) -> None:
    folder = edited(S)
    edit(folder, "runbooks/index.md", "# ", "[why](../../requirements.md#why)\n\n# ")
    (folder.parent / "design.md").write_text("# Design\n")
    judgement = judge_folder(folder)
    keys = {each.key for each in judgement.undecided}
    assert judgement.problems == []
    assert ("documents.requirements" in keys, "documents.design" in keys) == (True, False)


def test_a_file_in_which_a_person_has_decided_is_not_listed(edited: Callable[[str], Path]) -> None:
    folder = edited(M)
    edit(folder, "security/secrets.yml", "name: undecided", "name: mine")
    edit(folder, "security/secrets.yml", "is to be decided", "is mine")
    (store,) = [each for each in judge_folder(folder).undecided if each.key == "platform.secret_store"]
    assert "security/secrets.yml" not in store.files


# The command


def check(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["check", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def test_undecided_items_alone_end_with_0(bundles: Path) -> None:
    code, told, summary = check(bundles / M)
    lines = told.splitlines()
    assert code == 0
    assert all(line.startswith("undecided  ") for line in lines)
    assert re.search(
        r"^undecided  services\[0\]\.host +The public host name  \(4 files in delivery/traffic/, ", told, re.MULTILINE
    )
    assert f"0 errors, 0 warnings, {len(lines)} undecided" in summary


def test_findings_end_with_1_and_show_their_place(edited: Callable[[str], Path]) -> None:
    folder = edited(S)
    edit(folder, "tasks.md", "# DevOps Tasks", "[a](nowhere.md)\n\n# DevOps Tasks")
    edit(folder, "overlays/production/feature-api-size.yml", "spec:\n", "spec:\n  replicas: 99\n")
    code, told, summary = check(folder)
    error, warning = told.splitlines()[:2]
    assert code == 1
    assert error == (
        "error      tasks.md:1: the link 'nowhere.md' leads to no file (correct it, or restore the file) [dead-link]"
    )
    assert warning.startswith("warning    overlays/production/feature-api-size.yml:")
    assert "1 error, 1 warning" in summary


def test_json_has_the_same(edited: Callable[[str], Path]) -> None:
    folder = edited(S)
    edit(folder, "scaling/hpa.yml", "minReplicas: 3", "minReplicas: [3")
    code, told, _ = check(folder, "--json")
    verdict = json.loads(told)
    (finding,) = verdict["findings"]
    assert code == 1
    assert (finding["severity"], finding["code"], finding["path"]) == ("error", "yaml", "scaling/hpa.yml")
    assert finding["line"] > 1
    assert {each["key"] for each in verdict["undecided"]} >= {"documents.requirements"}
    assert verdict["skipped"] == []


def test_a_workflow_reads_annotations(edited: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = edited(S)
    edit(folder, "tasks.md", "# DevOps Tasks", "[a](100%,a:b.md)\n\n# DevOps Tasks")
    edit(folder, "scaling/hpa.yml", "maxReplicas: 10", "maxReplicas: 11")
    monkeypatch.chdir(folder.parent)
    page, hpa = "file=saved-reports/tasks.md", "file=saved-reports/scaling/hpa.yml"
    link = "the link '100%25,a:b.md' leads to no file (correct it, or restore the file)"
    number = "has 11, and the spec makes it 10 (write it into the spec and generate, or undo the edit)"
    kept = "(generate keeps edits, and merges them)"
    code, told, summary = check(S, "--format", "github")
    assert (code, "1 error, 1 warning" in summary) == (1, True)
    assert told.splitlines() == [
        f"::error {page},line=1,title=dead-link::{link}",
        f"::warning {hpa},line=17,title=other-number::spec.maxReplicas: {number}",
        f"::notice {hpa},line=17,title=edited::edited since it was generated: 1 line in place of 1 {kept}",
        f"::notice {page},line=1,title=edited::edited since it was generated: 2 lines in place of 0 {kept}",
    ]
    assert check(folder, "--format", "github")[1] == told
    assert check(S, "--format", "json") == check(S, "--json")


def test_a_path_and_a_text_of_any_kind_stay_in_their_annotation() -> None:
    problem = Problem("a,b:c%0A\n.md", "100% of\r\n::error::it", "", "dead-link", 3)
    other = Problem("spec", "x", "", "late-dependency", key="dependencies")
    lines = list(annotation_lines(Judgement("x", [problem, other], [], [], [])))
    assert lines == [
        r"::error file=x/a%2Cb%3Ac%250A%0A.md,line=3,title=dead-link::100%25 of\r\n::error::it",
        "::warning title=late-dependency::dependencies: x",
    ]


def test_the_present_folder_is_judged_by_default(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundles / S)
    assert check()[0] == 0


def test_many_files_of_one_key_are_counted(bundles: Path) -> None:
    (line,) = [line for line in verdict_lines(judge_folder(bundles / M)) if "contacts.on_call" in line]
    assert re.search(r"  \(\d+ files in runbooks/alerts/, \d+ files in runbooks/operations/, tasks\.md\)$", line)


NO_BUNDLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no lock": (lambda folder: (folder / PATH).unlink(), "holds no bundle"),
    "no folder": (shutil.rmtree, "holds no bundle"),
    "a lock that is no JSON": (lambda folder: (folder / PATH).write_text("{"), "damaged"),
    "a lock that is no text": (lambda folder: (folder / PATH).write_bytes(b"\xff\0"), "damaged"),
    "a lock of nothing but brackets": (lambda folder: (folder / PATH).write_text("[" * 100_000), "damaged"),
    "a lock that is a list": (lambda folder: (folder / PATH).write_text("[]"), "damaged"),
    "a lock without a spec": (lambda folder: _relock(folder, "spec"), "damaged"),
    "a lock of another format": (lambda folder: _relock(folder, format=99), "written in format 99"),
    "a lock with another spec": (lambda folder: _relock(folder, spec={"feature": 1}), "cannot read"),
    "a lock with another date": (lambda folder: _relock(folder, today="soon"), "damaged"),
    "a lock with a number for a date": (lambda folder: _relock(folder, today=7), "damaged"),
    "a lock that is a folder": (lambda folder: _unlock(folder).mkdir(), "is a folder, where the bundle has a file"),
}


def _unlock(folder: Path) -> Path:
    (folder / PATH).unlink()
    return folder / PATH


def _relock(folder: Path, *gone: str, **changed: object) -> None:
    content = json.loads((folder / PATH).read_text("utf-8")) | changed
    (folder / PATH).write_text(json.dumps({key: value for key, value in content.items() if key not in gone}))


@pytest.mark.parametrize(("damage", "told"), NO_BUNDLES.values(), ids=NO_BUNDLES.keys())
def test_where_there_is_no_bundle_the_command_says_so(
    edited: Callable[[str], Path], damage: Callable[[Path], object], told: str
) -> None:
    folder = edited(M)
    damage(folder)
    with pytest.raises(UserError, match=told):
        judge_folder(folder)


GARBAGE = {
    "bytes": b"\xff\xfe\x00\x01" * 50,
    "nothing": b"",
    "one line of everything": b"- [a](b) {{ x }} `c` ${d} | e | : { } [ ] & * ! % @ ' \" # ---\n",
    "an odd YAML": b"a: &a [*a, *a]\n? [b]\n: c\n--- !!python/object:os.system x\n",
    "a scalar": b"42\n",
    "a list": b"- a\n- [b]\n- {c: d}\n",
    "kinds of nothing": b"apiVersion: v1\nkind: Service\nmetadata: 7\nspec: [a]\n---\napiVersion: v1\nkind: [a]\n",
    "half an object": b"apiVersion: v1\nkind: Deployment\nspec: {selector: 3, template: {spec: {containers: [1]}}}\n",
    "half a rule": b"groups: [1, {rules: 2}, {rules: [3, {alert: 4, expr: [5]}, {record: }]}]\n",
    "deep": b"[" * 50_000,
}


READ_BY_CHECKS = (
    "tasks.md",
    "kubernetes/kustomization.yaml",
    "kubernetes/saved-reports-api/deployment.yml",
    "overlays/staging/kustomization.yaml",
    "scaling/hpa.yml",
    "delivery/traffic/green-000.yml",
    "delivery/rollback.sh",
    "disaster-recovery/backup.yml",
    "monitoring/alert-rules.yml",
    "monitoring/dashboard.json",
    "monitoring/prometheus-config.yml",
    "runbooks/operations/roll-back.md",
)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_no_file_makes_the_command_fail(edited: Callable[[str], Path], garbage: str) -> None:
    folder = edited(M)
    for path in _ruined(garbage):
        before = (folder / path).read_bytes()
        (folder / path).write_bytes(GARBAGE[garbage])
        judge_folder(folder)
        (folder / path).write_bytes(before)


def _ruined(garbage: str) -> tuple[str, ...]:
    """Choose files for a kind of garbage: a third for each, so that together they take all; in `make soak`, all."""
    return READ_BY_CHECKS if "FILES" in os.environ else READ_BY_CHECKS[list(GARBAGE).index(garbage) % 3 :: 3]


OTHER_KINDS = ("[]", "{}", "7", "null")
SCALARS = 40


def test_no_value_of_another_kind_makes_the_command_fail(edited: Callable[[str], Path]) -> None:
    """One scalar after the other, drawn by a seed from all files, fifty times as many in `make soak`."""
    folder, chance = edited(S), Random(5)  # noqa: S311 - chance that can be repeated, no secret
    kinds = (".yml", ".yaml", ".json")
    manifests = sorted(each for each in folder.glob("[!.]*/**/*") if each.suffix in kinds)
    for path in chance.choices(manifests, k=SCALARS * (50 if "FILES" in os.environ else 1)):
        text = path.read_text("utf-8")
        scalars = [each for each in yaml.scan(text, yaml.SafeLoader) if isinstance(each, yaml.ScalarToken)]
        old, new = chance.choice(scalars), chance.choice(OTHER_KINDS)
        path.write_text(text[: old.start_mark.index] + new + text[old.end_mark.index :], "utf-8")
        judge_folder(folder)
        path.write_text(text, "utf-8")


def test_a_bundle_of_garbage_is_told_file_by_file(edited: Callable[[str], Path]) -> None:
    folder = edited(M)
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent != (folder / PATH).parent]
    for path in files:
        path.write_bytes(b"\xff")
    problems = judge_folder(folder).problems
    assert {problem.code for problem in problems} == {"not-text"}
    assert len(problems) == len(files)


def test_a_link_in_place_of_a_file_is_not_followed(edited: Callable[[str], Path], tmp_path: Path) -> None:
    folder = edited(M)
    secret = tmp_path / "secret"
    secret.write_text("{{ secret }}")
    (folder / "monitoring/README.md").unlink()
    (folder / "monitoring/README.md").symlink_to(secret)
    (problem,) = judge_folder(folder).problems
    assert (problem.where, problem.code) == ("monitoring/README.md", "not-text")


@pytest.mark.parametrize("path", ["../../outside.md", "/etc/passwd", "a/../../b"])
def test_a_lock_cannot_make_the_command_read_elsewhere(edited: Callable[[str], Path], path: str) -> None:
    folder = edited(M)
    _relock(folder, files={path: "0" * 64, "tasks.md": "0" * 64})
    with pytest.raises(UserError, match="damaged"):
        judge_folder(folder)


def test_bash_reads_a_script_and_runs_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = find_shell()
    assert shell is not None
    (tmp_path / "start").write_text(f"touch {tmp_path}/ran\n")
    monkeypatch.setenv("BASH_ENV", str(tmp_path / "start"))
    assert shell(f"touch {tmp_path}/ran\n$(touch {tmp_path}/ran)\n") == (0, "")
    assert shell("echo\nif true; then\n")[0] >= 2
    assert not (tmp_path / "ran").exists()


def test_without_bash_the_command_says_what_it_did_not_do(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    code, _, summary = check(bundles / S)
    assert code == 0
    assert "no script was parsed" in summary


HOSTILE = (
    "a {{ .Values.x }} ${{ github.token }} ${HOME} {% if %} *[x]* `y` | TODO [z](nowhere.md) <b> kubernetes/no.yml #"
)


def test_what_the_user_wrote_is_no_finding(tmp_path: Path) -> None:
    source = read_spec(ROOT / "examples/checkout.yaml")
    keys = (
        "feature.name",
        "feature.engineer",
        "sprint.name",
        "experiment.hypothesis",
        "contacts.on_call",
        "contacts.channel",
    )
    source = override(source, tuple(f"{key}={HOSTILE}" for key in keys))
    lists = {"risks[0].risk": HOSTILE, "risks[0].mitigation": HOSTILE, "tasks[0].title": HOSTILE}
    source = override(source, tuple(f"{key}={value}" for key, value in lists.items()))
    folder = write(source, tmp_path / "bundle")
    assert [str(problem) for problem in judge_folder(folder).problems] == []
