"""The real tools that consume our files, each as a function: a file, a folder or a text in, findings as text out.

No findings is the empty string, so that a test reads `assert shellcheck(path) == ""` and a failure shows the finding.
A missing tool is an error that says how to get it, never a skip. What a tool means by a finding is decided here, once.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypedDict

import yaml

ROOT = Path(__file__).resolve().parent.parent
UNPRIVILEGED_USER = "nobody"

DEBIAN_PACKAGE_OF = {
    "amtool": "prometheus-alertmanager",
    "bash": "bash",
    "diff3": "diffutils",
    "fish": "fish",
    "initdb": "postgresql",
    "node": "nodejs npm",
    "pg_dump": "postgresql",
    "pg_isready": "postgresql",
    "pg_restore": "postgresql",
    "postgres": "postgresql",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "promtool": "prometheus",
    "psql": "postgresql",
    "setpriv": "util-linux",
    "zsh": "zsh",
}

# Groups of custom resources that bundles use. kubernetes-validate knows none of them and only warns; so it does for a
# misspelt kind of Kubernetes' own, hence the list.
# `custom_kinds` judges them, by the package that is named here.
CUSTOM_GROUPS = {
    "argoproj.io": "argo-rollouts",
    "cert-manager.io": "cert-manager",
    "external-secrets.io": "external-secrets",
    "gateway.networking.k8s.io": "gateway-api",
    "monitoring.coreos.com": "prometheus-operator",
}

NODE = ROOT / "build" / "node"
CHECKOV = ROOT / "build" / "checkov" / "bin" / "checkov"
ACTIONLINT = NODE / "node_modules" / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"
SERVICE_ACCOUNT_FILE = "service-account"
_NUMBER = "__meta_number"
"""Tells targets apart in what promtool answers: in no order, and with an address that may be relabelled."""
WORKFLOW_SCHEMAS = {"github-workflows": [], "gitlab-ci": ["--data-transform", "gitlab-ci"]}


class ToolMissingError(RuntimeError):
    """A tool that the tests need is not installed."""


class ToolFailedError(RuntimeError):
    """A tool that should have given a result gave none."""


class Identity(TypedDict, total=False):
    """The arguments of `subprocess.run` and `Popen` that choose who runs the command; empty: whoever calls."""

    user: int
    group: int
    extra_groups: list[int]


def tool(name: str) -> str:
    """Find a tool: from Python's packages beside the interpreter, at the pinned version; else from Debian's."""
    if name in DEBIAN_PACKAGE_OF:
        found = shutil.which(name, path=f"{postgresql_folder()}{os.pathsep}{os.environ['PATH']}")
        how = f"apt-get install --no-install-recommends {DEBIAN_PACKAGE_OF[name]}"
    else:
        found = shutil.which(name, path=str(Path(sys.executable).parent))
        how = "make setup"
    if found is None:
        message = f"{name} is not installed ({how})"
        raise ToolMissingError(message)
    return found


def judge(path: Path) -> Path:
    """Find what `make judges` installs: tools that do not fit into our own environment."""
    if not path.exists():
        message = f"{path.relative_to(ROOT)} is not there (make judges)"
        raise ToolMissingError(message)
    return path


def postgresql_folder() -> str:
    """Find where Debian keeps PostgreSQL's programs, beside what would choose between several versions of them."""
    return max(map(str, Path("/usr/lib/postgresql").glob("*/bin")), default="/usr/lib/postgresql")


def run(
    name: str, arguments: Sequence[str | Path], *, stdin: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool(name), *map(str, arguments)], input=stdin, capture_output=True, text=True, cwd=folder, check=False
    )


def findings(name: str, arguments: Sequence[str | Path], *, stdin: str = "", folder: Path | None = None) -> str:
    """All that the tool said, if its exit code complains; nothing otherwise."""
    done = run(name, arguments, stdin=stdin, folder=folder)
    if done.returncode == 0:
        return ""
    return f"{done.stdout}{done.stderr}".strip() or f"{name}: exit code {done.returncode}"


# Prometheus and Alertmanager


def promtool_check_rules(path: Path) -> str:
    return findings("promtool", ["check", "rules", "--lint=all", "--lint-fatal", path])


def promtool_test_rules(path: Path) -> str:
    return findings("promtool", ["test", "rules", path.name], folder=path.parent)


def promtool_passed(paths: list[str], folder: Path) -> set[str]:
    """Give the files of tests that pass, of several: what fails is told elsewhere than the names of the files."""
    told = run("promtool", ["test", "rules", *paths], folder=folder).stdout.split("Unit Testing:")
    return {lines.split()[0] for lines in told if "SUCCESS" in lines}


def promtool_check_config(folder: Path, name: str = "prometheus-config.yml") -> str:
    """Check a configuration and the rule files beside it, see `without_discovery`."""
    with without_discovery(folder, name) as config:
        return findings(
            "promtool", ["check", "config", "--lint=all", "--lint-fatal", config.name], folder=config.parent
        )


def promtool_relabel(
    folder: Path, job: str, *targets: Mapping[str, str], name: str = "prometheus-config.yml"
) -> list[dict[str, str]]:
    """Give the labels that each discovered target has after the job's relabelling; empty: the target is dropped.

    A target holds the discovered labels, `__address__` among them. One run for all of them: it works for the whole
    timeout (30 seconds unless told); static targets are there at once.
    """
    numbered = [{**target, _NUMBER: str(number)} for number, target in enumerate(targets)]
    with without_discovery(folder, name, *numbered) as config:
        arguments = ["check", "service-discovery", "--timeout=1s", config.name, job]
        done = run("promtool", arguments, folder=config.parent)
    if done.returncode:
        raise ToolFailedError(done.stdout + done.stderr)
    found = {each["discoveredLabels"][_NUMBER]: each["labels"] or {} for each in json.loads(done.stdout)}
    return [found[target[_NUMBER]] for target in numbered]


def amtool_check_config(path: Path) -> str:
    return findings("amtool", ["check-config", path])


def amtool_verify_route(path: Path, labels: Mapping[str, str], receivers: Sequence[str]) -> str:
    """Complain unless an alert with these labels goes to these receivers and to no others."""
    pairs = [f"{name}={value}" for name, value in labels.items()]
    wanted = f"--verify.receivers={','.join(receivers)}"
    return findings("amtool", ["config", "routes", "test", f"--config.file={path}", wanted, *pairs])


@contextmanager
def without_discovery(folder: Path, name: str, *targets: Mapping[str, str]) -> Iterator[Path]:
    """Copy the folder, replacing each Kubernetes discovery in its configuration by static targets.

    Debian's promtool is built without Kubernetes discovery and rejects the word. A static target may carry
    `__meta_kubernetes_*` labels, so relabelling still has something to work on.
    """
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "monitoring")
        shutil.copytree(folder, copy)
        (copy / SERVICE_ACCOUNT_FILE).touch()
        config = copy / name
        content = replace_discovery(yaml.safe_load(config.read_text("utf-8")), targets)
        config.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
        yield config


def replace_discovery(node: object, targets: Sequence[Mapping[str, str]]) -> object:
    if isinstance(node, list):
        return [replace_discovery(item, targets) for item in node]
    if isinstance(node, str) and node.startswith("/var/run/secrets/kubernetes.io/serviceaccount/"):
        return SERVICE_ACCOUNT_FILE
    if not isinstance(node, dict):
        return node
    replaced = {key: replace_discovery(value, targets) for key, value in node.items() if key != "kubernetes_sd_configs"}
    if "kubernetes_sd_configs" in node:
        roles = [str(discovery["role"]) for discovery in node["kubernetes_sd_configs"]]
        replaced["static_configs"] = [
            static_target(each) for role in roles for each in targets or [sample_target(role)]
        ]
    return replaced


def static_target(labels: Mapping[str, str]) -> dict[str, object]:
    rest = {label: value for label, value in labels.items() if label != "__address__"}
    return {"targets": [labels["__address__"]], "labels": rest}


def sample_target(role: str) -> dict[str, str]:
    return {
        "__address__": "10.0.0.7:3000",
        "__meta_kubernetes_namespace": "example",
        f"__meta_kubernetes_{role}_name": "example-0",
        f"__meta_kubernetes_{role}_label_app_kubernetes_io_name": "example",
    }


# Kubernetes


def kustomize(folder: Path) -> str:
    """Render a folder; a warning (of a deprecated field, say) is a failure like an error."""
    done = run("kubectl", ["kustomize", folder])
    if done.returncode or done.stderr:
        raise ToolFailedError(f"{folder}: {done.stderr}")
    return done.stdout


def kubernetes_validate(text: str, version: str) -> str:
    """Check manifests strictly (an unknown field is a finding) against the schemas of a version like "1.33".

    The tool only warns, and exits 0, where it knows no schema: that is a finding too, save for `CUSTOM_GROUPS`.
    """
    done = run("kubernetes-validate", ["--strict", "--quiet", "-k", version, "-"], stdin=text)
    lines = [line for line in f"{done.stdout}{done.stderr}".splitlines() if not is_custom_kind(line)]
    return "\n".join(lines)


def is_custom_kind(line: str) -> bool:
    return line.startswith("WARN - Couldn't find schema for kind ") and any(
        f" with api version {group}/" in line for group in CUSTOM_GROUPS
    )


def custom_kinds(objects: Mapping[str, Mapping[str, Any]]) -> str:
    """Judge custom resources, each under a name of the caller's, by what their CRDs say; other objects are left out.

    What a CRD says in CEL is not judged.
    """
    asked = [
        {"label": label, "path": f"@kubernetes-models/{package}/{each['apiVersion']}/{each['kind']}", "object": each}
        for label, each in objects.items()
        if (package := CUSTOM_GROUPS.get(each["apiVersion"].partition("/")[0]))
    ]
    judge(NODE / "node_modules" / "@kubernetes-models")
    script = ROOT / "tests" / "node" / "custom-kinds.mjs"
    done = run("node", [script, NODE], stdin=json.dumps(asked, default=str))
    return f"{done.stdout}{done.stderr}".strip()


def flagd_arms(definition: str, flag: str, keys: Sequence[str]) -> list[str]:
    """Ask flagd's evaluator for Node which arm each key has; a definition that its schema refuses is an error."""
    judge(NODE / "node_modules" / "@openfeature" / "flagd-core")
    asked = json.dumps({"definition": definition, "flag": flag, "keys": list(keys)})
    done = run("node", [ROOT / "tests" / "node" / "flag-arms.cjs", NODE], stdin=asked)
    if done.returncode:
        raise ToolFailedError(done.stderr)
    return [str(arm) for arm in json.loads(done.stdout)]


def checkov(folder: Path, *frameworks: str) -> str:
    """Scan a folder with one object to a file: checkov leaves out, without a word, every file with `{{` in it.

    What is exempted says so in the object itself. Nothing scanned is a finding too.
    """
    options = ["--directory", folder, "--skip-download", "--quiet", "--compact", "--output", "json"]
    wanted = [option for framework in frameworks for option in ("--framework", framework)]
    done = subprocess.run(
        [judge(CHECKOV), *map(str, options), *wanted], capture_output=True, text=True, check=False, cwd=folder
    )
    try:
        reports = json.loads(done.stdout)
    except ValueError:
        raise ToolFailedError(done.stdout + done.stderr) from None
    return "\n".join(_of_checkov(reports if isinstance(reports, list) else [reports], frameworks))


def _of_checkov(reports: Sequence[Mapping[str, Any]], frameworks: Sequence[str]) -> Iterator[str]:
    for missing in sorted(set(frameworks) - {report.get("check_type") for report in reports}):
        yield f"checkov judged nothing as {missing}"
    for report in reports:
        for each in report.get("results", {}).get("failed_checks", []):
            yield f"{each['check_id']} {each['check_name']}: {each['file_path']} {each['resource']}"
        yield from (f"checkov cannot read {path}" for path in report.get("results", {}).get("parsing_errors", []))


# Scripts, documents, pipelines


def shellcheck(*paths: Path) -> str:
    return findings("shellcheck", ["--norc", "--enable=all", *paths])


def shfmt(*paths: Path) -> str:
    """Compare with shfmt's form, indented by four spaces (its own default is tabs) as the document's scripts are."""
    return findings("shfmt", ["--diff", "--indent=4", *paths])


def markdown_lint(*paths: Path) -> str:
    """Lint Markdown files, or all those in folders; the exceptions and their reasons are in `.pymarkdown`."""
    return findings("pymarkdown", ["--strict-config", "--config", ROOT / ".pymarkdown", "scan", "--recurse", *paths])


def yaml_lint(*paths: Path) -> str:
    """Lint YAML files, or all those in folders, warnings included; the exceptions are in `.yamllint`."""
    return findings("yamllint", ["--strict", "--format=parsable", "--config-file", ROOT / ".yamllint", *paths])


def cfn_lint(folder: Path) -> str:
    """Lint the CloudFormation templates of a folder in one process, remarks included: most of its time is its start."""
    return findings(
        "cfn-lint", ["--include-checks", "I", "--non-zero-exit-code", "informational", "--", *sorted(folder.iterdir())]
    )


def workflow_check(path: Path, schema: Literal["github-workflows", "gitlab-ci"]) -> str:
    """Check a pipeline against the schema that its platform publishes, as vendored in check-jsonschema."""
    options = WORKFLOW_SCHEMAS[schema]
    return findings("check-jsonschema", ["--builtin-schema", f"vendor.{schema}", *options, path])


def actionlint(folder: Path) -> str:
    """Lint every workflow of a folder, in one process; no workflow is a finding too."""
    done = subprocess.run([tool("node"), judge(ACTIONLINT), f"{folder}/**/*.yml"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    clean = done.returncode == 0 and "All workflow files passed" in done.stdout
    return "" if clean else f"{done.stdout}{done.stderr}".strip() or "actionlint said nothing"


def zizmor(*paths: Path) -> str:
    """Audit workflows by every rule that needs no network, the strictest included."""
    return findings("zizmor", ["--offline", "--no-progress", "--no-config", "--persona=auditor", *paths])


def jsonschema_check(path: Path, schema: Path) -> str:
    """Check a YAML or JSON file against a JSON Schema of our own, and the schema against its metaschema."""
    return findings("check-jsonschema", ["--check-metaschema", schema]) or findings(
        "check-jsonschema", ["--schemafile", schema, path]
    )


# Privileges


def unprivileged() -> Identity:
    """Who runs a server that refuses root: `Popen(command, **unprivileged())`. Without root: whoever runs the tests."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(UNPRIVILEGED_USER)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@contextmanager
def unprivileged_folder() -> Iterator[Path]:
    """Make a folder that `unprivileged()` owns and can reach: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        identity = unprivileged()
        if identity:
            os.chown(temporary, identity["user"], identity["group"])
        yield Path(temporary)


def powerless(command: Sequence[str | Path]) -> list[str]:
    """Make a command obey permissions even for root, to test what happens to our program in a read-only folder.

    Another user could not start it where Python itself lives in root's home; root without capabilities can, and is
    bound by the permissions of its own files like anybody else.
    """
    prefix = [tool("setpriv"), "--bounding-set=-all", "--inh-caps=-all", "--"] if os.geteuid() == 0 else []
    return [*prefix, *map(str, command)]
