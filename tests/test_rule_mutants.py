"""No wrong rule passes the tests of its own bundle: mutants of both files, each killed or proven to be the same rule.

``make test`` tries a fixed sample of the three examples, ``make mutants`` all of them, and some random specs.
"""

from __future__ import annotations

import json
import os
import random
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests import tools
from tests.bundles import EXAMPLES, example, load_tree, render_bundle
from tests.random_specs import random_spec
from tests.rule_mutants import Mutant, mutants

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

ALERTS = "alert-rules.yml"
RULES = {ALERTS: "alert-rules.test.yml", "recording-rules.yml": "recording-rules.test.yml"}
"""The files of rules, and those of their tests."""
ALL = os.environ.get("MUTANTS") == "all"
RANDOM = ("random 0", "random 4") if ALL else ()
SAMPLE = {ALERTS: 6, "recording-rules.yml": 8}
AT_ONCE = 20
ONCE_ALIVE = re.compile(r".*MetricsMissing:matcher of service dropped:")
"""What the tests once did not tell from the rule, and what is therefore tried in each run."""

_RECORDED = "recording-rules.yml:[^|]*"
# A pattern of the mutant's identity, of what it changes and of the rule's own labels, and why no series can tell the
# two apart.
EQUIVALENT = {
    r"alert-rules.yml:.*:matcher of \w+ dropped:\d+ \| .* and on \(.*":
        "the other side of `and on` has the same matcher, and both must have the label in common",
    r"alert-rules.yml:[^|]*:(matching label|on or ignoring):\d+ \| \(+(namespace_job|namespace_job_(threshold|slo)):.*":
        "the matchers of both sides leave one series each, whose labels are the same",
    r"alert-rules.yml:[^|]*:matching label:\d+ \| \(\(namespace_job_colour.* and on \([^)]*colour.*":
        "the matchers of both sides leave but the colour to tell series apart, and it is still matched",
    r"alert-rules.yml:[^|]*:matching dropped:\d+ \| .*": "both sides carry the same labels, which are all named",
    r"alert-rules.yml:.*TargetsMissing:comparison:\d+ \| absent\(\(up\{.*\} >= 1\)\)": "`up` is 0 or 1",
    r'alert-rules.yml:.*MetricsMissing:text:\d+ \| .*"series", "[^"]+", "other", "".*':
        "a label that is not there is empty, as the label without a name is",
    r"alert-rules.yml:.*Watchdog:number:\d+ \| vector\(.*": "whatever the number, there is one, and nobody prints it",
    rf"{_RECORDED}/namespace_cronjob:kube_job_failed[^|]*:matcher of namespace dropped:\d+ \| "
    r".*(kube_job_status_start_time\{job_name|last_success:timestamp\{cronjob).*":
        "the other side has the same matcher, and both must have the label in common",
    rf"{_RECORDED}/namespace_cronjob:kube_cronjob_since_success:seconds:label cronjob dropped:\d+ \| ":
        "the series that it reads carries the label already",
    rf"{_RECORDED}/namespace(?!_job_slo:error|_cronjob)[^|]*:matcher of (namespace|job|container|slo) dropped:\d+ \| "
    r"\(.*( [-/] |\) and on \(namespace).*":
        "the other side has the same matcher, and both must have the label in common",
    rf"{_RECORDED}/database:pg_connections_used[^|]*:matcher of database dropped:\d+ \| .*":
        "the other side has the same matcher, and both must have the label in common",
    rf"{_RECORDED}pg_connections_available:max:matcher of database dropped:\d+ \| .*":
        "the other terms have the same matcher, and all must have the label in common",
    rf"{_RECORDED}pg_connections_available:max:(aggregation|matcher of job dropped|operator):\d+ \| "
    r".*\(0 (\* (sum|min|avg|count) by|\* max by \(database\)\(pg_settings_max_connections\{database|/).*":
        "whatever is there, nothing of it is 0, and a server has connections",
    rf"{_RECORDED}:comparison:\d+ \| .* != 0\).*": "what is counted is never below 0",
    rf"{_RECORDED}:aggregation label:\d+ \| .*(by|without) \([^)]*instance\)\((namespace|label|sum|max).*":
        "a recorded series has no instance",
    rf"{_RECORDED}:matching label:\d+ \| .*\) (and|-) on \([^)]*instance\).*": "neither side has an instance",
    rf"{_RECORDED}:matching dropped:\d+ \| .*\) and namespace_pod_container:.*":
        "both sides carry the same labels, which are all named",
    rf"{_RECORDED}:matching label:\d+ \| .*\) and on \(namespace, pod\) .*":
        "the matchers of both sides leave one container",
    rf"{_RECORDED}slow:rate5m:aggregation:\d+ \| .* - (max|min|avg) by .*":
        "each group is one series, as its other labels are matched",
    rf"{_RECORDED}/(namespace_job_colour_threshold:http_requests_slow_per_http_requests|[^|]*_per_db_client_operations)"
    r":ratio_rate5m:aggregation:\d+ \| \((max|min|avg) by .*":
        "each group is one series, as its other labels are matched",
    rf"{_RECORDED}per_baseline:ratio:operator:\d+ \| .*\(0 / .*": "the baseline is above 1 or left out",
    rf"{_RECORDED}:baseline:function dropped:\d+ \| .*": "one week without a label is still apart",
    rf'{_RECORDED}:baseline:text:\d+ \| .*"week", ("other", "", ""|"\d", "other", ""|"\d", "", "other").*':
        "weeks need but stay apart, and one may be without a label",
    rf"{_RECORDED}:label (job|container|database) dropped:\d+ \| ": "its series carry the label anyway",
    rf"{_RECORDED}/namespace_job_slo:[^|]*(ratio|increase)[^|]*:label slo dropped:\d+ \| ":
        "the series that it reads carry the label already",
    rf"{_RECORDED}/namespace_job_(colour_threshold:http_requests|threshold:db_client_operations)_slow:increase5m:"
    r"label threshold dropped:\d+ \| ":
        "the series that it reads carry the label already",
    rf"{_RECORDED}:p95_rate5m:matching dropped:": "both sides carry the same labels, which are all named",
    rf"{_RECORDED}:p95_rate5m:matching label:\d+ \| .* and on \((namespace, colour|namespace)\)":
        "the matchers leave one job",
    r"alert-rules.yml:[^|]*:label service dropped:\d+ \| service[_:]": "the series that it compares carries the label",
    r"alert-rules.yml:[^|]*MetricsMissing:label service dropped:\d+ \| "
    r"(label_replace\(absent\(service:\w+:query\{[^}]*\}\), [^()]*\)( or )?)+ \| ":
        "the series that it misses carries the label",
    rf"{_RECORDED}_lag:sum:aggregation label:\d+ \| sum\(max by \((topic|consumergroup), partition\)":
        "the matchers leave one group and one topic",
    rf"{_RECORDED}:aggregation label:\d+ \| sum by \([^)j]*\)\((rate|namespace).* \| \{{.*\"job\": ":
        "the rule itself gives the series that label",
    rf"{_RECORDED}:aggregation label:\d+ \| sum by \(namespace, pod\)\(rate.* \| \{{.*\"container\": ":
        "the rule itself gives the series that label",
    rf"{_RECORDED}:aggregation label:\d+ \| sum by \(\)\(max by.* \| \{{.*\"database\": ":
        "the rule itself gives the series that label",
}  # fmt: skip


@cache
def rules_of(bundle: str) -> dict[str, str]:
    """Give the files of rules and of tests of a bundle, by name."""
    if bundle in EXAMPLES:
        files = example(bundle)
    else:
        files = render_bundle(load_tree(random_spec(int(bundle.partition(" ")[2]))))
    return {name: files[f"monitoring/{name}"] for name in (*RULES, *RULES.values())}


@cache
def content_of(bundle: str, rules: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(rules_of(bundle)[RULES[rules]], yaml.CSafeLoader)
    return content | {"rule_files": [rules]}


@cache
def cases_of(bundle: str, rules: str, rule: str) -> list[dict[str, Any]]:
    """Give what the tests of a bundle expect of one rule alone: what that finds, all tests together find."""
    service, _, name = rule.partition("/")
    subject = f"{service.partition('.')[0]}: "
    cases = []
    for case in content_of(bundle, rules)["tests"]:
        of_others = case["name"] == f"{subject}what others have is not counted"
        told = rules == ALERTS or case["name"].startswith(subject)
        exprs = [each for each in case.get("promql_expr_test", []) if of_others or names(name, each["expr"])]
        fired = [each for each in case.get("alert_rule_test", []) if each["alertname"] == name]
        if told and (exprs or fired):
            cases.append(case | {"promql_expr_test": exprs, "alert_rule_test": fired})
    return cases


def names(rule: str, expr: str) -> bool:
    return f'"{rule}"' in expr or re.search(rf"round\({re.escape(rule)}[,{{]", expr) is not None


def chosen(bundle: str) -> list[Mutant]:
    found = {rules: list(mutants(rules, rules_of(bundle)[rules])) for rules in RULES}
    if ALL:
        return [mutant for each in found.values() for mutant in each]
    sample = [mutant for rules, each in found.items() for mutant in random.Random(bundle).sample(each, SAMPLE[rules])]  # noqa: S311 - a choice, no secret
    return sample + [each for each in found[ALERTS] if ONCE_ALIVE.match(each.id) and each not in sample]


def survivors(bundle: str, tried: list[Mutant], place: Path) -> list[Mutant]:
    """Run the tests of some mutants, each in a folder of its own, in one go."""
    for number, mutant in enumerate(tried):
        folder = place / str(number)
        folder.mkdir(parents=True)
        (folder / mutant.file).write_text(mutant.text, "utf-8")
        cases = {"tests": cases_of(bundle, mutant.file, mutant.rule)}
        (folder / "mutant.test.yml").write_text(json.dumps(content_of(bundle, mutant.file) | cases), "utf-8")
    passed = tools.promtool_passed([f"{number}/mutant.test.yml" for number in range(len(tried))], place)
    return [mutant for number, mutant in enumerate(tried) if f"{number}/mutant.test.yml" in passed]


def proof(mutant: Mutant) -> str | None:
    """Name the entry that says why a mutant is the rule itself."""
    said = f"{mutant.id} | {' '.join(mutant.change.split())} | {json.dumps(mutant.labels)}"
    return next((pattern for pattern in EQUIVALENT if re.match(pattern, said)), None)


@pytest.mark.parametrize("bundle", [*EXAMPLES, *RANDOM])
def test_no_wrong_rule_passes_the_tests_of_its_bundle(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = chosen(bundle)
    assert tried
    batches = [tried[start : start + AT_ONCE] for start in range(0, len(tried), AT_ONCE)]
    places = [tmp_path / str(number) for number in range(len(batches))]
    with ThreadPoolExecutor(os.cpu_count() if ALL else 1) as pool:
        alive = [mutant for found in pool.map(survivors, [bundle] * len(batches), batches, places) for mutant in found]
    proven = [mutant for mutant in tried if proof(mutant)]
    with capsys.disabled():
        if ALL:
            print(f"\n{bundle}: {len(tried)} mutants, {len(tried) - len(alive)} killed, {len(proven)} equivalent")  # noqa: T201
    assert [f"{mutant.id}: {mutant.change}" for mutant in alive if mutant not in proven] == [], "survivors"
    assert [f"{mutant.id}: {mutant.change}" for mutant in proven if mutant not in alive] == [], "told from their rules"
