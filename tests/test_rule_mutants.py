"""No wrong rule passes the tests of its own bundle: mutants of the alerts, each killed or proven to be the same rule.

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

RULES = "alert-rules.yml"
ALL = os.environ.get("MUTANTS") == "all"
RANDOM = ("random 1", "random 2") if ALL else ()
SAMPLE = 14
TESTS = "alert-rules.test.yml"

# A pattern of the mutant's identity and of what it changes, and why no series can tell it from the rule.
EQUIVALENT = {
    r"alert-rules.yml:.*:matcher of \w+ dropped:\d+ \| .* and on \(.*":
        "the other side of `and on` has the same matcher, and both must have the label in common",
    r"alert-rules.yml:[^|]*:(matching label|on or ignoring):\d+ \| \(\((namespace_job|namespace_job_threshold):.*":
        "the matchers of both sides leave one series each, whose labels are the same",
    r"alert-rules.yml:[^|]*:matching label:\d+ \| \(\(namespace_job_colour.* and on \([^)]*colour.*":
        "the matchers of both sides leave but the colour to tell series apart, and it is still matched",
    r"alert-rules.yml:[^|]*:matching dropped:\d+ \| .*": "both sides carry the same labels, which are all named",
    r"alert-rules.yml:.*TargetsMissing:comparison:\d+ \| absent\(\(up\{.*\} >= 1\)\)": "`up` is 0 or 1",
    r'alert-rules.yml:.*MetricsMissing:text:\d+ \| .*"series", "[^"]+", "other", "".*':
        "a label that is not there is empty, as the label without a name is",
    r"alert-rules.yml:.*Watchdog:number:\d+ \| vector\(.*": "whatever the number, there is one, and nobody prints it",
}  # fmt: skip


@cache
def rules_of(bundle: str) -> dict[str, str]:
    """Give the files of rules and of tests of a bundle, by name."""
    if bundle in EXAMPLES:
        files = example(bundle)
    else:
        files = render_bundle(load_tree(random_spec(int(bundle.partition(" ")[2]))))
    return {name: files[f"monitoring/{name}"] for name in (RULES, TESTS)}


@cache
def cases_of(bundle: str) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    content = yaml.load(rules_of(bundle)[TESTS], yaml.CSafeLoader)
    return content, [(json.dumps(case), case) for case in content["tests"]]


def chosen(bundle: str) -> list[Mutant]:
    found = list(mutants(RULES, rules_of(bundle)[RULES]))
    return found if ALL else random.Random(bundle).sample(found, SAMPLE)  # noqa: S311 - a choice, no secret


def survives(bundle: str, mutant: Mutant, place: Path) -> bool:
    """Run the cases that name the mutant's rule, with all rules: what they find, all cases together find."""
    place.mkdir()
    (place / RULES).write_text(mutant.text, "utf-8")
    content, cases = cases_of(bundle)
    alert = mutant.rule.partition("/")[2]
    named = [case for text, case in cases if f'"{alert}"' in text or f'\\"{alert}\\"' in text]
    (place / TESTS).write_text(json.dumps({**content, "tests": named}), "utf-8")
    return tools.promtool_test_rules(place / TESTS) == ""


def proof(mutant: Mutant) -> str | None:
    """Name the entry that says why a mutant is the rule itself."""
    said = f"{mutant.id} | {' '.join(mutant.change.split())}"
    return next((pattern for pattern in EQUIVALENT if re.fullmatch(pattern, said)), None)


@pytest.mark.parametrize("bundle", [*EXAMPLES, *RANDOM])
def test_no_wrong_rule_passes_the_tests_of_its_bundle(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = chosen(bundle)
    assert tried
    with ThreadPoolExecutor(os.cpu_count() if ALL else 1) as pool:
        places = (tmp_path / str(number) for number in range(len(tried)))
        alive = [
            mutant
            for mutant, survived in zip(tried, pool.map(survives, [bundle] * len(tried), tried, places), strict=True)
            if survived
        ]
    proven = [mutant for mutant in tried if proof(mutant)]
    with capsys.disabled():
        if ALL:
            print(f"\n{bundle}: {len(tried)} mutants, {len(tried) - len(alive)} killed, {len(proven)} equivalent")  # noqa: T201
    assert [f"{mutant.id}: {mutant.change}" for mutant in alive if mutant not in proven] == [], "survivors"
    assert [f"{mutant.id}: {mutant.change}" for mutant in proven if mutant not in alive] == [], "told from their rules"
