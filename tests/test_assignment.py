"""Assignment: flagd's own evaluators split by the flag as the spec says, and the switch turns it off and on again."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from devops_tasks.checks.assignment import check_assignment
from devops_tasks.checks.cluster import read_cluster
from devops_tasks.checks.documents import read_documents
from devops_tasks.errors import Problem
from devops_tasks.merge.values import merge_json
from devops_tasks.plan import plan_bundle
from tests import tools
from tests.bundles import example, load_example
from tests.cluster import NAMESPACE, Machine, machine
from tests.manifests import ENVIRONMENTS, build

NAME = "saved-reports"
FLAGS, SWITCH, PLAN = "experiment/flags.json", "experiment/switch-off.sh", "experiment/plan.md"
MAP = "saved-reports-flags"
KEYS = [f"user-{number}" for number in range(10_000)]
SPLIT = "experiment.assignment.method=traffic-split"
REQUEST = "experiment.assignment.unit=request"


def definition(share: str = "50%") -> str:
    return example(NAME, f"experiment.assignment.treatment={share}")[FLAGS]


def weights(share: str) -> list[list[Any]]:
    fractional = json.loads(definition(share))["flags"][NAME]["targeting"]["fractional"]
    return list(fractional)


def arms(text: str, keys: list[str]) -> list[str]:
    core = FlagdCore()
    core.set_flags(text)
    contexts = [EvaluationContext(key or None) for key in keys]
    return [core.resolve_string_value(NAME, "control", context).value for context in contexts]


# The split


@pytest.mark.parametrize(
    ("share", "control", "treatment"),
    [
        ("50%", 50, 50),
        ("0.5", 50, 50),
        ("1%", 99, 1),
        ("12.5%", 875, 125),
        ("33.3%", 667, 333),
        ("0.0000001%", 999_999_999, 1),
        ("99.9%", 1, 999),
    ],
)
def test_the_weights_are_the_share_exactly(share: str, control: int, treatment: int) -> None:
    assert weights(share) == [["control", control], ["treatment", treatment]]


@pytest.mark.parametrize(("share", "within"), [("50%", (4800, 5200)), ("12.5%", (1130, 1370)), ("1%", (60, 140))])
def test_flagd_gives_treatment_to_the_share_and_the_same_arm_each_time(share: str, within: tuple[int, int]) -> None:
    first = arms(definition(share), KEYS)
    assert within[0] < first.count("treatment") < within[1]
    assert first.count("treatment") + first.count("control") == len(KEYS)
    assert arms(definition(share), KEYS[:1000]) == first[:1000]


def test_who_is_in_treatment_stays_there_when_the_share_grows() -> None:
    small, large = arms(definition("12.5%"), KEYS[:2000]), arms(definition("50%"), KEYS[:2000])
    assert {after for before, after in zip(small, large, strict=True) if before == "treatment"} == {"treatment"}


@pytest.mark.real
def test_flagd_s_schema_takes_the_definition_and_the_older_generation_splits_the_same_share_among_others() -> None:
    older = tools.flagd_arms(definition("12.5%"), NAME, ["", *KEYS[:4000]])
    assert older[0] == "control"
    assert 430 < older.count("treatment") < 570
    assert older[1:] != arms(definition("12.5%"), KEYS[:4000]), "the plan need no longer warn of other versions"


@pytest.mark.real
@pytest.mark.parametrize(
    ("right", "wrong"),
    [('"ENABLED"', '"OFF"'), ('"fractional"', '"fractions"'), ('["control", 50]', '["control", "50"]')],
)
def test_flagd_s_schema_refuses_what_it_does_not_know(right: str, wrong: str) -> None:
    assert right in definition()
    with pytest.raises(tools.ToolFailedError):
        tools.flagd_arms(definition().replace(right, wrong), NAME, KEYS[:1])


def test_who_has_no_key_is_in_control(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    assert arms(definition("99.9%"), ["", ""]) == ["control", "control"]


# How a service asks


@pytest.mark.real
def test_the_example_of_the_plan_asks_as_the_manifests_set_it_up(tmp_path: Path) -> None:
    """The code as it stands there, with the environment of the container, whose folder is mounted in `tmp_path`."""
    (code,) = re.findall(r"```python\n(.*?)```", example(NAME)[PLAN], re.DOTALL)
    (deployment, _) = yaml.safe_load_all(example(NAME)["kubernetes/feature-api/deployment.yml"])
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == "flags")
    assert "subPath" not in mount
    assert [each["configMap"]["name"] for each in pod["volumes"] if each["name"] == "flags"] == [MAP]
    assert Path(environment["FLAGD_OFFLINE_FLAG_SOURCE_PATH"]).parent == Path(mount["mountPath"])
    file = tmp_path / "flags.json"
    environment["FLAGD_OFFLINE_FLAG_SOURCE_PATH"] = str(file)
    asking = (
        f"{code}\nlogging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "print([arm_of(f'user-{number}') for number in range(40)])\n"
    )
    for state, exposures in (("ENABLED", 40), ("DISABLED", 0)):
        file.write_text(definition().replace("ENABLED", state))
        done = subprocess.run(
            [sys.executable, "-c", asking], env=os.environ | environment, capture_output=True, text=True, check=True
        )
        assert done.stderr.count("exposure flag=saved-reports key=user-") == exposures
        assert eval(done.stdout) == (arms(definition(), KEYS[:40]) if exposures else ["control"] * 40)  # noqa: S307


@pytest.mark.real
def test_the_config_map_keeps_its_name_and_is_applied_in_both_environments() -> None:
    for environment in ENVIRONMENTS:
        applied = yaml.safe_load_all(build(example(NAME), environment))
        (found,) = (each for each in applied if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", MAP))
        assert found["data"] == {"flags.json": definition()}


@pytest.mark.parametrize(
    ("kinds", "asking"),
    [(("api", "web", "worker"), ["api", "web"]), (("worker", "worker"), ["worker", "worker"])],
    ids=["who serves asks", "where nobody serves, workers ask"],
)
def test_those_who_decide_what_people_see_ask(kinds: tuple[str, ...], asking: list[str]) -> None:
    services = ", ".join(f"{{name: s{number}, kind: {kind}, needs: []}}" for number, kind in enumerate(kinds))
    plan = plan_bundle(load_example("minimal", f"services=[{services}]").spec)
    assert [each["kind"] for each in plan["services"] if each["flag_settings"] is not None] == asking


def test_what_a_spec_says_of_the_provider_itself_is_left_to_it() -> None:
    files = example("minimal", "services=[{name: api, config: {FLAGD_RESOLVER: rpc}}]")
    (first, *_) = yaml.safe_load_all(files["kubernetes/api/deployment.yml"])
    (container,) = first["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in container["env"]] == ["FLAGD_OFFLINE_FLAG_SOURCE_PATH"]


def test_a_split_of_the_traffic_has_no_flag_and_names_the_step_that_splits() -> None:
    files = example(NAME, SPLIT, REQUEST)
    assert not {FLAGS, SWITCH, "experiment/kustomization.yaml"} & files.keys()
    assert not any("flagd" in text.lower() or MAP in text for text in files.values())
    assert "green in [`delivery/traffic/green-050.yml`]" in files["tasks.md"]
    rolled = example(NAME, SPLIT, REQUEST, "platform.rollout=argo-rollouts")["tasks.md"]
    assert "green in [`overlays/production/feature-api-steps.yml`]" in rolled
    assert "by itself it leaves after **10 minutes**" in rolled
    stays = example(NAME, SPLIT, REQUEST, "platform.rollout=argo-rollouts", "delivery.pause=21d")["tasks.md"]
    assert "stays at this step  \n" in stays
    without = example(NAME, SPLIT, REQUEST, "delivery.steps=[10%, 100%]")["tasks.md"]
    assert "**Traffic Split:** none, as no step of the delivery has 50%" in without


@pytest.mark.parametrize(
    ("unit", "told"),
    [("user", "the same on every device"), ("session", "in two sessions"), ("request", "cannot be read out")],
)
def test_the_plan_says_what_the_key_of_each_unit_is(unit: str, told: str) -> None:
    assert told in example(NAME, f"experiment.assignment.unit={unit}")[PLAN]


# Switching off


def test_what_is_off_in_git_stays_off_when_the_spec_s_split_changes() -> None:
    off_in_git = definition().replace("ENABLED", "DISABLED")
    merged = merge_json(definition(), off_in_git, definition("20%"))
    assert (merged.text, merged.conflicts) == (definition("20%").replace("ENABLED", "DISABLED"), ())


def test_the_runbook_looks_into_a_pod_by_what_kubectl_can_enter() -> None:
    """It knows the pods of a Deployment and of a Service, and those of a Rollout not."""
    for setting, entered in (("kubernetes", "deployment/feature-api-blue"), ("argo-rollouts", "service/feature-api")):
        page = example(NAME, f"platform.rollout={setting}")["runbooks/operations/switch-off-experiment.md"]
        assert re.findall(r" exec (\S+) -- cat /etc/flags/flags.json", page) == [entered]


@pytest.fixture
def off(tmp_path: Path) -> Iterator[Machine]:
    """A machine at a cluster in which the experiment is on; the script is in its folder."""
    (tmp_path / "switch-off.sh").write_text(example(NAME)[SWITCH])
    with machine(tmp_path) as here:
        here.cluster.add_settings(MAP, {"flags.json": definition()})
        yield here


def flags_of(here: Machine) -> str:
    return str(here.cluster.objects["configmaps", MAP]["data"]["flags.json"])


def switch(here: Machine, *arguments: str) -> tuple[int, str]:
    done = here.run(here.folder / "switch-off.sh", *arguments)
    assert done.stdout == ""
    return done.returncode, re.sub(r"^\S+ ", "", done.stderr, flags=re.MULTILINE)


GIT = 'now commit "state": "{}" in experiment/flags.json: what Git holds comes back with the next release\n'


@pytest.mark.real
def test_switched_off_everybody_gets_control_and_on_again_everybody_the_arm_of_before(off: Machine) -> None:
    assert "treatment" in arms(flags_of(off), KEYS[:100])
    code, said = switch(off, "--yes")
    assert (code, said.split("\n")) == (
        0,
        [
            f"will switch saved-reports off in {NAMESPACE} of test-cluster",
            f"The experiment saved-reports is off in {NAMESPACE}: every pod knows within three minutes",
            *GIT.format("DISABLED").split("\n"),
        ],
    )
    assert set(arms(flags_of(off), KEYS[:100])) == {"control"}
    assert set(tools.flagd_arms(flags_of(off), NAME, KEYS[:10])) == {"none"}, "the service's own default, control"
    said = f"saved-reports is off already in {NAMESPACE} of test-cluster\n{GIT.format('DISABLED')}"
    assert switch(off) == (0, said), "nothing to ask for"
    assert switch(off, "--yes", "undo")[0] == 0
    assert json.loads(flags_of(off)) == json.loads(definition())
    assert len(off.cluster.events) == 2


@pytest.mark.real
def test_nothing_changes_where_nobody_said_yes_or_something_is_in_the_way(off: Machine) -> None:
    before = off.cluster.objects["configmaps", MAP]["data"]

    def interfere(_resource: str, _name: str) -> None:
        before["flags.json"] = definition("20%")

    assert "add --yes" in switch(off)[1]
    assert "dry run: nothing was changed" in switch(off, "--dry-run")[1]
    assert "say undo, or nothing: on" in switch(off, "--yes", "on")[1]
    off.cluster.before_patch = interfere
    code, said = switch(off, "--yes")
    assert (code, before["flags.json"]) == (1, definition("20%"))
    assert "the server refused the change" in said
    before["flags.json"] = definition().replace(NAME, "another")
    assert switch(off, "--yes")[1] == "error: saved-reports-flags has no flag saved-reports: nothing was changed\n"
    assert off.cluster.events == []


@pytest.mark.real
def test_the_switch_is_clean_shell(tmp_path: Path) -> None:
    path = tmp_path / "switch-off.sh"
    path.write_text(example(NAME)[SWITCH])
    assert tools.shellcheck(path) == ""
    assert tools.shfmt(path) == ""


# What check says


def checked(path: str, right: str, wrong: str, share: str = "50%") -> list[Problem]:
    setting = f"experiment.assignment.treatment={share}"
    files = {**example(NAME, setting)}
    assert right in files[path], right
    files[path] = files[path].replace(right, wrong)
    cluster = read_cluster(read_documents(files)[0])
    return list(check_assignment(plan_bundle(load_example(NAME, setting).spec), cluster, files))


DEPLOYMENT = "kubernetes/feature-api/deployment.yml"
FILE = "/etc/flags/flags.json"


@pytest.mark.parametrize(
    ("path", "right", "wrong", "line", "told"),
    [
        (FLAGS, '["treatment", 50]', '["treatment", 30]', 12,
         "splits control 50, treatment 30, and the spec makes it control 50, treatment 50"),
        (FLAGS, '["treatment", 50]', '["treatment", 50], ["other", 1]', 12,
         "splits control 50, treatment 50, other 1, and the spec makes it control 50, treatment 50"),
        (FLAGS, f'"{NAME}": ', '"another": ', 3, "has no flag saved-reports, for which the services ask"),
        (FLAGS, '["control", 50]', '{"var": "email"}', 12,
         "assigns by something else than the weights of control and treatment"),
        (FLAGS, '"fractional"', '"if"', 11, "assigns by something else than the weights of control and treatment"),
        (FLAGS, '"defaultVariant": "control"', '"defaultVariant": "treatment"', 10,
         "gives another version than control to those without a key"),
        (DEPLOYMENT, "mountPath: /etc/flags\n", "mountPath: /etc/flag\n", 127,
         f"FLAGD_OFFLINE_FLAG_SOURCE_PATH is {FILE}, where nothing is mounted"),
        (DEPLOYMENT, "mountPath: /etc/flags\n", f"mountPath: {FILE}\n              subPath: flags.json\n", 127,
         f"{FILE} is mounted by subPath, so that no pod ever sees a change of it"),
        (DEPLOYMENT, "mountPath: /etc/flags\n", "mountPath: [/etc/flags]\n", 127,
         f"FLAGD_OFFLINE_FLAG_SOURCE_PATH is {FILE}, where nothing is mounted"),
    ],
    ids=["another split", "a third arm", "another flag", "another key", "another rule", "another default",
         "another folder", "a single file", "a list of folders"],
)  # fmt: skip
def test_an_edit_by_which_the_flag_does_other_than_the_spec_says_is_found(
    path: str, right: str, wrong: str, line: int, told: str
) -> None:
    found = checked(path, right, wrong)
    assert [(each.where, each.what) for each in found] == [(path, told)] * (2 if path == DEPLOYMENT else 1)
    assert found[0].line == line


@pytest.mark.parametrize(
    ("path", "right", "wrong"),
    [
        (FLAGS, '"ENABLED"', '"DISABLED"'),
        (FLAGS, '["control", 50],\n          ["treatment", 50]', '["treatment", 1], ["control", 1]'),
        (DEPLOYMENT, FILE, "/etc/secrets/flags.json"),
        (DEPLOYMENT, f"value: {FILE}", "valueFrom: {configMapKeyRef: {name: a, key: b}}"),
    ],
    ids=["switched off", "the same split in other words", "another folder that is mounted", "a place nobody can read"],
)
def test_an_edit_that_assigns_as_before_is_left_alone(path: str, right: str, wrong: str) -> None:
    assert checked(path, right, wrong) == []
