"""Each real tool is there, passes what is good and complains of what is bad."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests import tools

pytestmark = pytest.mark.real

GOOD_RULES = """\
groups:
  - name: api
    rules:
      - alert: Down
        expr: up == 0
        for: 1m
"""
RULE_TEST = """\
rule_files: [alert-rules.yml]
tests:
  - interval: 1m
    input_series: [{{series: up, values: "0x5"}}]
    alert_rule_test:
      - eval_time: 3m
        alertname: Down
        exp_alerts: {expected}
"""
CONFIG = """\
rule_files: [{rule_file}]
alerting:
  alertmanagers:
    - kubernetes_sd_configs: [{{role: endpoints}}]
scrape_configs:
  - job_name: api
    kubernetes_sd_configs:
      - role: pod
    relabel_configs:
      - source_labels: [__meta_kubernetes_pod_label_app]
        action: keep
        regex: api
      - source_labels: [__address__, __meta_kubernetes_pod_annotation_prometheus_io_port]
        regex: ([^:]+)(?::\\d+)?;(\\d+)
        target_label: __address__
        replacement: $1:$2
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec: {ports: [{port: 80}]}\n"
ROUTE = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: api}\n"


@pytest.mark.parametrize(
    ("check", "good", "bad", "complaint"),
    [
        pytest.param(
            tools.promtool_check_rules, GOOD_RULES, GOOD_RULES.replace("up ==", "up =="[:-1]), "parse error",
            id="promtool parses queries",
        ),
        pytest.param(
            tools.promtool_check_rules, GOOD_RULES, GOOD_RULES + GOOD_RULES.split("rules:\n")[1], "duplicate rule",
            id="promtool's lint is fatal",
        ),
        pytest.param(
            tools.amtool_check_config, "route: {receiver: a}\nreceivers: [{name: a}]\n",
            "route: {receiver: b}\nreceivers: [{name: a}]\n", "undefined receiver",
            id="amtool knows the receivers",
        ),
        pytest.param(
            tools.shellcheck, '#!/usr/bin/env bash\nprintf "%s\\n" "${1}"\n', "#!/usr/bin/env bash\necho $1\n",
            "SC2086",
            id="shellcheck wants quotes",
        ),
        pytest.param(
            tools.shellcheck, '#!/usr/bin/env bash\necho "${HOME}"\n', '#!/usr/bin/env bash\necho "$HOME"\n', "SC2250",
            id="shellcheck's optional rules are on",
        ),
        pytest.param(
            tools.shfmt, "if true; then\n    echo\nfi\n", "if true; then\n\techo\nfi\n", "+    echo",
            id="shfmt wants four spaces",
        ),
        pytest.param(
            tools.markdown_lint, "# Title\n\nText.\n", "# Title\nText.\n", "MD022",
            id="the Markdown linter wants blank lines",
        ),
        pytest.param(
            tools.markdown_lint, "# Title\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n",
            "# Title\n\n| a | b |\n| --- | --- |\n| 1 |\n", "MD056",
            id="the Markdown linter counts the cells of a row",
        ),
        pytest.param(
            tools.markdown_lint, "# A title\n\n[up](#a-title)\n", "# A title\n\n[up](#no-title)\n", "MD051",
            id="the Markdown linter follows links within a document",
        ),
        pytest.param(
            tools.yaml_lint, "a: 1\nb: 2\n", "a: 1\na: 2\n", "duplication of key",
            id="yamllint finds a key twice",
        ),
        pytest.param(
            tools.yaml_lint, "a: 1  # one\n", "a: 1 # one\n", "too few spaces",
            id="yamllint's warnings count",
        ),
    ],
)  # fmt: skip
def test_good_passes_and_bad_does_not(
    tmp_path: Path, check: Callable[[Path], str], good: str, bad: str, complaint: str
) -> None:
    suffix = ".md" if check is tools.markdown_lint else ".sh" if "sh" in check.__name__[:2] else ".yml"
    path = tmp_path / f"file{suffix}"
    path.write_text(good)
    assert check(path) == ""
    path.write_text(bad)
    assert complaint in check(path)


def test_linters_of_documents_take_a_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/bad.md").write_text("# Title\nText.\n")
    (tmp_path / "deep/bad.yml").write_text("a:   1\n")
    assert "bad.md" in tools.markdown_lint(tmp_path)
    assert "bad.yml" in tools.yaml_lint(tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("# Title\n\n" + "word " * 60 + "word\n", "", id="a long line is accepted"),
        pytest.param("# Title\n\n*What this section is for*\n\nText.\n", "", id="a line in italics is accepted"),
        pytest.param("# Title\n\n**Sprint:** 24  \n**Engineer:** @dana  \n", "", id="two spaces break a line"),
        pytest.param("# Title\n\n## Why\n\n>\n> **Because**\n", "", id="a quote may start with an empty line"),
        pytest.param("# T\n\n- [ ] **[DO-1]** Do *(5 points)*\n  - First\n\n- [x] Then\n", "", id="tasks with steps"),
        pytest.param("# T\n\n### 🔥 Critical\n", "MD001", id="a skipped level is not"),
        pytest.param(
            "# T\n\n## 🔥 Critical (Must Have)\n\n[see](#-critical-must-have)\n", "", id="anchors as on GitHub"
        ),
        pytest.param("# T\n\n```\ntext\n```\n", "MD040", id="a block without a language is not"),
        pytest.param("# T\n\n| a | b |\n| --- | --- |\n|1|2|\n", "MD060", id="a table of mixed style is not"),
        pytest.param("# T\n\n| a | b |\n| --- | --: |\n| 1 \\| 2 | `x` |\n", "", id="an aligned table is accepted"),
        pytest.param("# T\n\n<b>bold</b>\n", "MD033", id="HTML is not"),
    ],
)
def test_markdown_rules_fit_the_document(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "tasks.md").write_text(text)
    found = tools.markdown_lint(tmp_path)
    assert complaint in found
    assert bool(complaint) == bool(found), found


@pytest.mark.parametrize(
    ("expected", "complaint"),
    [("[{}]", ""), ("[]", "FAILED")],
    ids=["an alert that fires as expected", "an alert that fires unexpectedly"],
)
def test_promtool_runs_rule_tests(tmp_path: Path, expected: str, complaint: str) -> None:
    (tmp_path / "alert-rules.yml").write_text(GOOD_RULES)
    (tmp_path / "alert-rules.test.yml").write_text(RULE_TEST.format(expected=expected))
    found = tools.promtool_test_rules(tmp_path / "alert-rules.test.yml")
    assert complaint in found
    assert bool(complaint) == bool(found), found


def write_config(folder: Path, *, rule_file: str = "alert-rules.yml") -> None:
    (folder / "alert-rules.yml").write_text(GOOD_RULES)
    (folder / "prometheus-config.yml").write_text(CONFIG.format(rule_file=rule_file))


def test_promtool_checks_a_configuration_in_spite_of_discovery(tmp_path: Path) -> None:
    write_config(tmp_path)
    assert tools.promtool_check_config(tmp_path) == ""


def test_promtool_finds_a_rule_file_that_does_not_exist(tmp_path: Path) -> None:
    write_config(tmp_path, rule_file="alert_rules.yml")
    assert "does not point to an existing file" in tools.promtool_check_config(tmp_path)


def test_promtool_finds_a_fault_beside_the_discovery(tmp_path: Path) -> None:
    write_config(tmp_path)
    with (tmp_path / "prometheus-config.yml").open("a") as config:
        config.write("    metrics_pfad: /metrics\n")
    assert "field metrics_pfad not found" in tools.promtool_check_config(tmp_path)


def test_relabelling_runs_on_a_discovered_target(tmp_path: Path) -> None:
    write_config(tmp_path)
    target = {
        "__address__": "10.0.0.7:3000",
        "__meta_kubernetes_pod_label_app": "api",
        "__meta_kubernetes_pod_annotation_prometheus_io_port": "9102",
    }
    other = target | {"__meta_kubernetes_pod_label_app": "web"}
    found, dropped = tools.promtool_relabel(tmp_path, "api", target, other)
    assert found["__address__"] == "10.0.0.7:9102"
    assert dropped == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(SERVICE, "", id="a good object"),
        pytest.param(SERVICE.replace("ports", "prots"), "'prots' was unexpected", id="an unknown field"),
        pytest.param(SERVICE.replace("Service", "Servise"), "Couldn't find schema", id="a misspelt kind"),
        pytest.param(SERVICE.replace("v1", "policy/v1beta1"), "Couldn't find schema", id="a version that is gone"),
        pytest.param(ROUTE, "", id="a custom kind, which it does not know"),
        pytest.param(f"{ROUTE}---\n{SERVICE.replace('80', 'x')}", "is not of type 'integer'", id="a second object"),
        pytest.param(SERVICE.replace("apiVersion: v1\n", ""), "could not be validated", id="no object"),
    ],
)
def test_kubernetes_validate_is_strict(text: str, complaint: str) -> None:
    found = tools.kubernetes_validate(text, "1.33")
    assert complaint in found
    assert bool(complaint) == bool(found), found


def test_kubernetes_validate_complains_of_a_version_it_does_not_know() -> None:
    assert "does not support" in tools.kubernetes_validate(SERVICE, "1.99")


def test_custom_kinds_are_judged_by_values_and_by_names() -> None:
    route = yaml.safe_load(ROUTE)
    backend = {"name": "api", "port": 80, "weight": 3_000_000}
    heavy = {**route, "spec": {"rules": [{"backendRefs": [backend]}]}}
    misspelt = {**route, "spec": {"rules": [{"backendRefs": [{"name": "api", "port": 80, "weigth": 3}]}]}}
    unknown = {**route, "kind": "HTTPRoot"}
    right = {**route, "spec": {"rules": [{"backendRefs": [backend | {"weight": 3}]}]}}
    service = yaml.safe_load(SERVICE)
    found = tools.custom_kinds({"heavy": heavy, "misspelt": misspelt, "unknown": unknown, "ok": right, "api": service})
    assert sorted(line.partition(":")[0] for line in found.splitlines()) == ["heavy", "misspelt", "unknown"]
    assert "weight must be <= 1000000" in found
    assert "'weigth' does not exist" in found.replace('"', "")


def test_checkov_tells_what_it_finds_and_what_it_does_not_judge(tmp_path: Path) -> None:
    (tmp_path / "pod.yml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostPID: true, containers: [{name: a, image: b}]}\n"
    )
    found = tools.checkov(tmp_path, "kubernetes", "gitlab_ci")
    assert "CKV_K8S_17" in found
    assert "checkov judged nothing as gitlab_ci" in found


def test_kustomize_renders_a_folder(tmp_path: Path) -> None:
    (tmp_path / "service.yml").write_text(SERVICE)
    (tmp_path / "kustomization.yaml").write_text("resources: [service.yml]\nnamespace: example\n")
    assert "namespace: example" in tools.kustomize(tmp_path)


@pytest.mark.parametrize(
    ("kustomization", "complaint"),
    [
        ("resources: [other.yml]\n", "other.yml"),
        ("resources: [service.yml]\ncommonLabels: {a: b}\n", "deprecated"),
    ],
    ids=["an error", "a warning"],
)
def test_kustomize_fails_with(tmp_path: Path, kustomization: str, complaint: str) -> None:
    (tmp_path / "service.yml").write_text(SERVICE)
    (tmp_path / "kustomization.yaml").write_text(kustomization)
    with pytest.raises(tools.ToolFailedError, match=complaint):
        tools.kustomize(tmp_path)


GITHUB = "on: push\njobs: {test: {runs-on: ubuntu-24.04, steps: [{run: make test}]}}\n"
GITLAB = "test: {script: [make test]}\n"


def test_workflow_schemas(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yml"
    path.write_text(GITHUB)
    assert tools.workflow_check(path, "github-workflows") == ""
    path.write_text(GITHUB.replace("steps", "stpes"))
    assert "stpes" in tools.workflow_check(path, "github-workflows")
    path.write_text(GITLAB)
    assert tools.workflow_check(path, "gitlab-ci") == ""
    path.write_text(GITLAB.replace("script", "skript"))
    assert "test" in tools.workflow_check(path, "gitlab-ci")


UNSAFE = """\
on: push
jobs:
  test:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
      - run: echo "${{ github.event.head_commit.message }}"
"""


def test_linters_of_workflows(tmp_path: Path) -> None:
    assert "No workflow files" in tools.actionlint(tmp_path)
    path = tmp_path / "release.yml"
    path.write_text(GITHUB)
    assert tools.actionlint(tmp_path) == ""
    path.write_text(GITHUB.replace("make test", "echo ${{ github.nothing }}"))
    assert "nothing" in tools.actionlint(tmp_path)
    path.write_text(UNSAFE)
    found = tools.zizmor(path)
    assert {"unpinned-uses", "template-injection"} <= set(re.findall(r"\[([\w-]+)\]", found))


def test_a_schema_of_our_own(tmp_path: Path) -> None:
    schema, path = tmp_path / "schema.json", tmp_path / "file.yml"
    path.write_text("a: 1\n")
    schema.write_text('{"$schema": "https://json-schema.org/draft/2020-12/schema", "required": ["a"]}')
    assert tools.jsonschema_check(path, schema) == ""
    path.write_text("b: 1\n")
    assert "'a' is a required property" in tools.jsonschema_check(path, schema)
    schema.write_text('{"$schema": "https://json-schema.org/draft/2020-12/schema", "required": "a"}')
    assert "schema.json" in tools.jsonschema_check(path, schema)


def test_a_missing_tool_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(tools.ToolMissingError, match=r"promtool is not installed .apt-get install .* prometheus"):
        tools.tool("promtool")
    with pytest.raises(tools.ToolMissingError, match=r"no-such-tool is not installed .make setup"):
        tools.tool("no-such-tool")
    with pytest.raises(tools.ToolMissingError, match=r"build/node/x is not there .make judges"):
        tools.judge(tools.NODE / "x")


def test_a_server_runs_without_root(unprivileged_folder: Path) -> None:
    script = "id -u; touch mine && echo made"
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=unprivileged_folder,
        capture_output=True,
        check=True,
        text=True,
        **tools.unprivileged(),
    )
    assert done.stdout.split() == [str(tools.unprivileged().get("user", os.geteuid())), "made"]
    assert not done.stdout.startswith("0\n")


def test_a_powerless_program_cannot_write_in_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = subprocess.run(
        tools.powerless([sys.executable, "-c", "open('file', 'w')"]),
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert "PermissionError" in done.stderr
