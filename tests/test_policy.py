"""Policies: what an organisation demands of every spec below it, and that no spec can take it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from devops_tasks.errors import UserError
from devops_tasks.generate import plan_folder, with_defaults, write_folder
from devops_tasks.judge import judge_folder
from devops_tasks.specfile import Loaded, load_spec, override, parse_spec, read_spec
from tests.bundles import renderer
from tests.test_inherit import DEFAULTS
from tests.test_specfile import MINIMAL


def policy(key: str, demand: str) -> str:
    return f'policy: [{{key: "{key}", {demand}, because: So it is}}]\n'


def load(text: str, *assignments: str) -> Loaded:
    return load_spec(override(parse_spec(MINIMAL + text, "s.yaml"), assignments))


def told(text: str, *assignments: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        load(text, *assignments)
    return [str(problem) for problem in caught.value.problems]


SLO = "services[].slo.availability"
BROKEN: dict[str, tuple[str, str, str, str]] = {
    "another word": (
        "platform.secrets",
        "must_be: external-secrets",
        "platform: {secrets: manual}",
        "11:12: platform.secrets: must be external-secrets, found manual",
    ),
    "the word none": (
        "platform.cloud",
        "must_be: aws",
        "platform: {cloud: none}",
        "11:12: platform.cloud: must be aws",
    ),
    "a word that may not be": (
        "platform.routing",
        "must_not_be: ingress",
        "platform: {routing: ingress}",
        "11:12: platform.routing: must not be ingress, found ingress",
    ),
    "a share": (
        SLO,
        "at_least: 99.5%",
        "services: [{name: a, slo: {availability: 0.99}}]",
        "11:28: services[0].slo.availability: must be at least 99.5%, found 0.99",
    ),
    "a duration in another unit": ("delivery.pause", "at_most: 1h", "delivery: {pause: 61m}", "11:12: delivery.pause"),
    "a number of more digits": (
        "databases[].port",
        "at_most: 999",
        "databases: [{name: d, port: 1000}]",
        "11:23: data",
    ),
    "a version": (
        "databases[].version",
        "at_least: 9.6",
        'databases: [{name: d, version: "9.5"}]',
        "11:23: databases[0]",
    ),
    "a rate in another unit": (
        "platform.edge.rate_limit",
        "at_most: 2/s",
        "platform: {edge: {rate_limit: 121/min}}",
        "11",
    ),
    "an amount": ("cost.budget", "at_most: 100 USD", "cost: {budget: 100.01 USD}", "11:8: cost.budget"),
    "an amount in another currency": (
        "cost.budget",
        "at_most: 100 USD",
        "platform: {cloud: none}\ncost: {budget: 1 EUR}",
        "12:8: cost.budget",
    ),
    "a size": (
        "services[].staging.memory.limit",
        "at_most: 1Gi",
        "services: [{name: a, staging: {memory: 1025Mi}}]",
        "11:32: services[0].staging.memory: must be at most 1Gi, found 1025Mi",
    ),
    "a word that stands for a duration": (
        "backup.logs.keep",
        "at_most: 1y",
        "backup: {logs: {keep: forever}}",
        "11:17",
    ),
    "an item of a list": (
        "overview.compliance[]",
        "must_not_be: HIPAA",
        "overview: {compliance: [GDPR, HIPAA]}",
        "11:31: overview.compliance[1]: must not be HIPAA",
    ),
    "a name of a map": (
        "services[].config.LOG_LEVEL",
        "must_not_be: debug",
        "services: [{name: a, config: {LOG_LEVEL: debug}}]",
        "11:31: services[0].config.LOG_LEVEL",
    ),
    "a fixed default": (
        "databases[].backup.keep",
        "at_least: 60d",
        "databases: [{name: d}]",
        "11:13: databases[0].backup.keep: must be at least 60d, and its default is 30d",
    ),
    "a computed default": (
        "services[].health.port",
        "must_be: 8080",
        "services: [{name: a, port: 80}]",
        "11:12: services[0].health.port: must be 8080, and its default is 80",
    ),
    "a value that is not there": (
        SLO,
        "required: true",
        "services: [{name: a, slo: {availability: 99%}}, {name: b}]",
        "11:49: services[1].slo.availability: must have a value",
    ),
    "an empty list": ("overview.compliance", "required: true", "overview: {}", "11:1: overview.compliance: must have"),
    "a group that is turned off": (
        "services[].production.autoscaling",
        "required: true",
        "services: [{name: a, production: {autoscaling: none}}]",
        "11:35: services[0].production.autoscaling: must have a value",
    ),
    "a value that may not be": (
        "services[].migrate",
        "forbidden: true",
        "services: [{name: a, migrate: [x]}]",
        "11:22: services[0].migrate: must have no value",
    ),
}


@pytest.mark.parametrize(("key", "demand", "text", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_policy_that_is_broken_is_told_at_the_value(key: str, demand: str, text: str, message: str) -> None:
    found = told(f"{text}\n{policy(key, demand)}")
    assert [line[: len(f"s.yaml:{message}")] for line in found] == [f"s.yaml:{message}"]
    assert found[0].endswith(f"(So it is; the policy is at s.yaml:{12 + text.count(chr(10))})")


KEPT: dict[str, tuple[str, str, str]] = {
    "the word": ("platform.secrets", "must_be: external-secrets", ""),
    "the limit itself, in another notation": (
        SLO,
        "at_least: 99.5%",
        "services: [{name: a, slo: {availability: 0.995}}]",
    ),
    "the same duration in another unit": ("delivery.pause", "must_be: 60m", "delivery: {pause: 1h}"),
    "the same rate in another unit": (
        "platform.edge.rate_limit",
        "must_be: 1/s",
        "platform: {edge: {rate_limit: 60/min}}",
    ),
    "a later version": ("databases[].version", "at_least: 9.6", 'databases: [{name: d, version: "16"}]'),
    "for ever": ("backup.configuration.keep", "at_least: 1y", ""),
    "a limit on what is not there": (SLO, "at_least: 99.5%", "services: [{name: a}]"),
    "a limit on what is in no item": ("databases[].backup.keep", "at_least: 60d", "databases: none"),
    "a value that is there": ("cost.budget", "required: true", "cost: {budget: 1 USD}"),
    "a default where nothing may be written": ("delivery.pause", "forbidden: true", ""),
    "a demand that is switched off": ("cost.budget", "required: false, at_most: 1 USD", ""),
}


@pytest.mark.parametrize(("key", "demand", "text"), KEPT.values(), ids=KEPT.keys())
def test_a_policy_that_is_kept_is_not_told(key: str, demand: str, text: str) -> None:
    assert len(load(f"{text}\n{policy(key, demand)}").spec.policy or ()) == 1


WRONG: dict[str, tuple[str, str, str]] = {
    "an unknown key": (
        "platform.secret",
        "must_be: x",
        "11:11: policy[0].key: there is no key 'secret' in platform.secret (did you mean secrets?)",
    ),
    "a key behind one that has none": ("feature.name.x", "required: true", "11:11: policy[0].key: there is no key 'x'"),
    "what is not of one spec": ("policy[].because", "required: true", "11:11: policy[0].key: there is no key 'policy'"),
    "a list that is taken for a group": (
        "services.slo",
        "required: true",
        "11:11: policy[0].key: services is a list (write services[])",
    ),
    "a group that is taken for a list": (
        "platform[].cloud",
        "required: true",
        "11:11: policy[0].key: platform is no list",
    ),
    "a place that is no key": (
        "services[0].port",
        "must_be: 1",
        "11:11: policy[0].key: expected a key such as services[]",
    ),
    "a value of another sort": (
        SLO,
        "at_least: 5m",
        "11:47: policy[0].at_least: services[].slo.availability takes a share such as 2% or 0.02, found '5m'",
    ),
    "a word that is none of them": (
        "platform.cloud",
        "must_be: asw",
        "11:34: policy[0].must_be: platform.cloud takes one of aws, none, found 'asw' (did you mean aws?)",
    ),
    "an order that is none": (
        "platform.cloud",
        "at_least: aws",
        "11:34: policy[0].at_least: the values of platform.cloud have no order (write must_be or must_not_be)",
    ),
    "a value for a group": (
        "platform",
        "must_be: aws",
        "11:28: policy[0].must_be: platform is a list or a group, which has no such value",
    ),
    "no demand": (
        "platform.cloud",
        "required: false",
        "11:10: policy[0]: demands nothing of its key (add one of must_be",
    ),
    "both at once": (
        "cost.budget",
        "required: true, forbidden: true",
        "11:47: policy[0].forbidden: demands a value as well, and that there is none (keep one)",
    ),
    "an unknown word": (
        "cost.budget",
        "at_lest: 1 USD",
        "11:31: policy[0].at_lest: unknown key (did you mean at_least?)",
    ),
}


@pytest.mark.parametrize(("key", "demand", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_with_a_policy_is_told_at_the_policy(key: str, demand: str, message: str) -> None:
    found = told(policy(key, demand))
    assert [line[: len(f"s.yaml:{message}")] for line in found] == [f"s.yaml:{message}"]


def test_a_policy_says_why() -> None:
    assert told("policy: [{key: cost.budget, required: true}]\n")[0].startswith(
        "s.yaml:11:10: policy[0].because: required: Why, in words for whoever meets it"
    )


def test_what_is_broken_is_told_together_with_other_faults_and_defaults_are_not() -> None:
    policies = "".join(
        f"  - {{key: {key}, {demand}, because: x}}\n"
        for key, demand in (("platform.secrets", "must_be: external-secrets"), ("delivery.pause", "must_be: 1h"),
                            ("cost.budget", "required: true"))
    )  # fmt: skip
    found = told(f"platform: {{secrets: manual, cloud: x}}\npolicy:\n{policies}")
    assert [line.split(": ")[1] for line in found] == ["platform.secrets", "platform.cloud"]


# Inherited


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec that a policy stands above."""
    monkeypatch.chdir(tmp_path)
    Path(".git").mkdir()
    Path(DEFAULTS).write_text(policy("platform.secrets", "must_be: external-secrets"), "utf-8")
    return Path("spec.yaml")


def faults_of(spec: Path, text: str) -> list[str]:
    spec.write_text(MINIMAL + text, "utf-8")
    try:
        load_spec(with_defaults(read_spec(spec)))
    except UserError as error:
        return [str(problem) for problem in error.problems]
    return []


WEAKER = {
    "another demand": policy("platform.secrets", "must_be: manual"),
    "the same key": policy("platform.secrets", "required: true"),
    "none": "policy: none\n",
    "an empty list": "policy: []\n",
    "null": "policy: null\n",
}


@pytest.mark.parametrize("weaker", WEAKER.values(), ids=WEAKER.keys())
def test_a_spec_cannot_weaken_what_it_inherits(spec: Path, weaker: str) -> None:
    found = faults_of(spec, "platform: {secrets: manual}\n" + weaker)
    mend = f"(So it is; the policy is at {DEFAULTS}:1)"
    assert found == [f"{spec}:11:12: platform.secrets: must be external-secrets, found manual {mend}"]


def test_nor_can_a_file_of_defaults_between_them(spec: Path) -> None:
    Path("ours.yaml").write_text(f"extends: {DEFAULTS}\npolicy: none\nplatform: {{secrets: manual}}\n", "utf-8")
    assert faults_of(spec, "extends: ours.yaml\n")[0].startswith("ours.yaml:3:12: platform.secrets: must be external")


def test_both_policies_hold_where_a_spec_has_one_of_its_own(spec: Path) -> None:
    found = faults_of(spec, "platform: {secrets: manual, cloud: none}\n" + policy("platform.cloud", "must_be: aws"))
    assert [text.partition("; ")[2] for text in found] == [
        "the policy is at .devops-tasks.yaml:1)",
        "the policy is at spec.yaml:12)",
    ]


def test_a_bundle_that_was_made_under_a_policy_is_checked_alone(spec: Path, tmp_path: Path) -> None:
    assert faults_of(spec, "") == []
    loaded = load_spec(with_defaults(read_spec(spec)))
    write_folder(*plan_folder(renderer(), loaded, tmp_path / "out"))
    Path(DEFAULTS).unlink()
    assert judge_folder(tmp_path / "out").problems == []
