"""The monitoring of an experiment's arms: rules that the real tools accept, numbers that stand once, false alarms.

The simulations are seeded. `make test` takes few, `make soak` many.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections import deque
from functools import cache
from math import exp, log, sqrt
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from devops_tasks.experiment import chances, ended
from devops_tasks.experiment.arms import difference_score, split_log_likelihood, standard_error
from devops_tasks.metrics.arms import LEAST_REQUESTS, LEAST_UNITS, SCORE_LIMIT, UNLIKELY_LIMIT
from devops_tasks.metrics.forms import GUARD_EVENTS
from tests import test_rule_mutants as mutation, tools
from tests.bundles import load_text, render_bundle
from tests.rule_coverage import gaps, unrecorded
from tests.rule_mutants import Mutant, mutants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from devops_tasks.render import Files

HEAD = """
feature: {name: Quick Filters, engineer: "@dana", slug: filters}
sprint: {name: "25"}
experiment:
  hypothesis: We believe that sellers will list more because filters are quick
  primary_metric: {name: Listings, target: +5%}
  assignment: {treatment: 20%ASSIGNMENT}
  MONITORING
rollback: {criteria: [{metric: error_ratio, above: 3%, for: 4m}, {metric: latency_p95, above: 500ms}]}
services: SERVICES
databases: none
caches: none
"""
ALL = "{label: variant, services: [api], assigned_units: users_assigned, worse_by: 0.7%, requests_per_failure: 2}"
SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"


ONE = "[{name: api, kind: api}]"
THREE = "[{name: api, kind: api}, {name: site, kind: web}, {name: job, kind: worker}]"


@cache
def bundle(monitoring: str = ALL, more: str = "", assignment: str = "", services: str = ONE) -> Files:
    text = HEAD.replace("ASSIGNMENT", assignment).replace("SERVICES", services)
    return render_bundle(
        load_text(text.replace("MONITORING", f"monitoring: {monitoring}" if monitoring else "") + more)
    )


def rules(files: Files, name: str = "alert-rules") -> dict[str, dict[str, Any]]:
    groups = yaml.load(files[f"monitoring/{name}.yml"], Loader=yaml.CSafeLoader)["groups"]
    return {rule.get("alert") or rule["record"]: rule for group in groups for rule in group["rules"]}


def of_experiment(files: Files) -> dict[str, dict[str, Any]]:
    return {name: rule for name, rule in rules(files).items() if "experiment" in rule["labels"]}


# The rules


def test_each_alert_is_about_its_service_or_the_whole_experiment() -> None:
    assert {name: rule["labels"]["guardrail"] for name, rule in of_experiment(bundle()).items()} == {
        "ApiTreatmentErrorsWorse": "rollback",
        "ApiTreatmentErrorRatio": "rollback",
        "ApiTreatmentLatencyP95": "rollback",
        "ApiArmMissing": "validity",
        "ApiArmUnknown": "validity",
        "FiltersSampleRatioMismatch": "validity",
    }


def test_the_tools_accept_the_rules_and_their_tests(tmp_path: Path) -> None:
    for name in ("recording-rules", "alert-rules", "recording-rules.test", "alert-rules.test"):
        (tmp_path / f"{name}.yml").write_text(bundle()[f"monitoring/{name}.yml"], "utf-8")
    assert tools.promtool_check_rules(tmp_path / "recording-rules.yml") == ""
    assert tools.promtool_check_rules(tmp_path / "alert-rules.yml") == ""
    assert tools.promtool_test_rules(tmp_path / "recording-rules.test.yml") == ""
    assert tools.promtool_test_rules(tmp_path / "alert-rules.test.yml") == ""


def test_each_comparison_each_wait_and_each_recorded_series_is_tested() -> None:
    files = {name: bundle()[f"monitoring/{name}.yml"] for name in ("alert-rules", "recording-rules")}
    tests = {name: bundle()[f"monitoring/{name}.test.yml"] for name in files}
    assert gaps(files["alert-rules"], tests["alert-rules"]) == []
    assert unrecorded(files["recording-rules"], tests["recording-rules"]) == []


def test_without_a_label_nothing_tells_arms_apart_and_the_document_asks_for_one() -> None:
    files = bundle("", services=THREE)
    assert not [name for name in (*rules(files), *rules(files, "recording-rules")) if re.search(r"arm|Treatment", name)]
    row = next(line for line in files["tasks.md"].splitlines() if "of each arm" in line)
    assert "| api, site |" in row
    assert "*needs instrumentation*" in row
    assert "**api, site:** a label of the requests" in files["tasks.md"]


def test_a_service_that_is_not_named_needs_no_label() -> None:
    assert "site" not in {rule["labels"]["service"] for rule in of_experiment(bundle(services=THREE)).values()}
    named = {rule["labels"]["service"] for rule in of_experiment(bundle("{label: arm}", services=THREE)).values()}
    assert named == {"api", "site"}


def test_the_split_is_asked_of_units_and_never_of_requests() -> None:
    recorded = rules(bundle(), "recording-rules")
    for name in ("sum", "sample_ratio_log_likelihood"):
        assert "http" not in recorded[f"experiment:assigned_units:{name}"]["expr"]
    assert not [name for name in of_experiment(bundle("{label: arm}")) if "SampleRatio" in name]


def test_a_rollout_reads_the_one_series_that_counts_broken_guardrails() -> None:
    argo = bundle(more="platform: {rollout: argo-rollouts}")
    asked = 'experiment:guardrails_breached:count{experiment="filters"}'
    assert any(asked in text for path, text in argo.items() if path.startswith("delivery/") or "overlays" in path)
    assert not any(asked in text for text in bundle("", "platform: {rollout: argo-rollouts}").values())


def test_what_ends_the_experiment_pages_and_what_doubts_it_tells_the_team(tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(bundle()["monitoring/alertmanager.yml"], "utf-8")
    for guardrail, receivers in (("rollback", ["on-call"]), ("validity", ["team-channel"])):
        rule = next(rule for rule in of_experiment(bundle()).values() if rule["labels"]["guardrail"] == guardrail)
        assert tools.amtool_verify_route(tmp_path / "alertmanager.yml", rule["labels"], receivers) == ""


# One number


def test_a_number_stands_in_the_rule_its_page_its_panel_and_the_document() -> None:
    files = bundle()
    panels = {panel["title"]: panel for panel in json.loads(files["monitoring/dashboard.json"])["panels"]}
    for alert, limits, words, title, line in (
        ("ApiTreatmentErrorRatio", ["0.03", "5"], "3%", "Error rate of each arm (rollback)", 0.03),
        ("ApiTreatmentErrorsWorse", ["0.007", "4", "500", "5"], "0.7%", "Error rate of treatment less control", 0.007),
        ("ApiTreatmentLatencyP95", ["0.05", "5"], "500ms", "Requests of each arm slower than 500ms", 0.05),
    ):
        assert re.findall(r"} >=? ([\d.]+)", rules(files)[alert]["expr"]) == limits
        assert words in files[f"runbooks/alerts/{alert}.md"]
        row = next(each for each in files["tasks.md"].splitlines() if f"[{alert}]" in each)
        assert words in row
        panel = next(panel for name, panel in panels.items() if name.startswith(title))
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"] == line
    assert rules(files)["ApiTreatmentErrorRatio"]["for"] == "4m"


def test_the_dashboard_shows_the_decision_first_and_nothing_of_the_primary_metric() -> None:
    panels = json.loads(bundle()["monitoring/dashboard.json"])["panels"]
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert rows[-3:] == ["Experiment", "Experiment: api", "The primary metric: not for early stopping"]
    assert panels[-1]["type"] == "row"
    drawn = {panel["title"]: panel for panel in panels if panel["type"] != "row"}
    queries = {title: [target["expr"] for target in panel["targets"]] for title, panel in drawn.items()}
    for title in ("Broken guardrails", "Share in treatment", "Assigned so far", "How unlikely the split is (validity)"):
        assert queries[title]
        assert all('experiment="filters"' in expr or expr == "vector(0.2)" for expr in queries[title])
    band = next(title for title in drawn if "four standard errors" in title)
    assert [expr.partition(" ")[0] for expr in queries[band][1:]] == ["4", "-4"]
    assert "min" not in drawn[band]["fieldConfig"]["defaults"]


def test_the_planned_share_and_what_fails_at_once_stand_in_the_sums() -> None:
    recorded = {name: rule["expr"] for name, rule in rules(bundle(), "recording-rules").items()}
    unlikely = recorded["experiment:assigned_units:sample_ratio_log_likelihood"]
    assert "- 0.2)) ^ 2" in unlikely
    assert "(2 * 0.16 *" in unlikely
    assert recorded["namespace_job:http_requests_errors_treatment_less_control:zscore_increase30m"].count("2 / ") == 2
    assert "* 0.2 / 0.8" in recorded["namespace_job_arm:http_requests_missed:increase30m"]


@pytest.mark.parametrize(
    ("assignment", "said"),
    [("", "experiment/switch-off.sh"), (", unit: request, method: traffic-split", "delivery/rollback.sh")],
)
def test_the_page_of_a_broken_guardrail_says_first_how_to_end_the_experiment(assignment: str, said: str) -> None:
    page = bundle(assignment=assignment)["runbooks/alerts/ApiTreatmentErrorRatio.md"]
    assert said in page[page.index("## Switch the experiment off") : page.index("## How to see it")]
    assert "never evidence that treatment is good" in page
    doubt = bundle(assignment=assignment)["runbooks/alerts/ApiArmMissing.md"]
    assert "## Switch the experiment off" not in doubt


# Wrong rules


_ONE_EACH = "the matchers of both sides leave one series each"
_BOTH_SIDES = "the other side has the same matcher, and both must have the label in common"
_SAME = {
    r"(TreatmentErrorRatio|TreatmentLatencyP95|SampleRatioMismatch):(on or ignoring|matching label):": _ONE_EACH,
    r"SampleRatioMismatch:label experiment dropped": "the series that it compares carries the label",
    r":p95_rate5m:matching label:\d+ \| .* on \(namespace, arm\)": _ONE_EACH,
    r":number:\d+ \| .* > 1\)": "what is counted is no fraction of one",
    r":(matching|aggregation) label:\d+ \| .*(arm|job), instance\)": "a recorded series has no instance",
    r"requests_missed.*:matching label:\d+ \| .*unless on \(namespace\)": "the matchers leave one job",
    r"standard_error_increase30m:matcher of (namespace|job) dropped": _BOTH_SIDES,
    r"assigned_units.*:matcher of experiment dropped": _BOTH_SIDES,
    r"slow_per_http_requests:ratio_rate5m:aggregation:\d+ \| \((max|min|avg) by ": "each group is one series",
    r"slow:increase5m:label threshold dropped": "the series that it reads carries the label",
    r'requests_missed.*:text:\d+ \| .*"other", ""\)': "a label that is not there is empty, as that without a name is",
    r":operator:\d+ \| .*\(0 / ": "what is divided by is not 0 where it counts",
    r"breached:count:aggregation:\d+ \| .*0 \* (sum|max|min|avg)\(": "whatever it is, nothing of it is 0",
    r"breached:count:matching:\d+ \| .*job=\"api\"": "one service is watched",
}


@pytest.mark.real
def test_no_wrong_rule_of_the_arms_passes_the_tests_of_its_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = (*mutation.RULES, *mutation.RULES.values())
    monkeypatch.setattr(mutation, "rules_of", lambda _: {name: bundle()[f"monitoring/{name}"] for name in names})
    found = [each for name in mutation.RULES for each in mutants(name, bundle()[f"monitoring/{name}"]) if _armed(each)]
    tried = found if mutation.ALL else random.Random(1).sample(found, 24)  # noqa: S311 - a choice, no secret
    batches = [tried[start : start + mutation.AT_ONCE] for start in range(0, len(tried), mutation.AT_ONCE)]
    places = (tmp_path / str(number) for number in range(len(batches)))
    alive = [each for batch, place in zip(batches, places, strict=True)
             for each in mutation.survivors("arms", batch, place)]  # fmt: skip
    assert [f"{each.id}: {each.change}" for each in alive if not mutation.proof(each) and not same(each)] == []


def _armed(mutant: Mutant) -> bool:
    return re.search(r"\.(experiment|assignment|decision)(\.rules)?/", mutant.rule) is not None


def same(mutant: Mutant) -> bool:
    said = f"{mutant.id} | {' '.join(mutant.change.split())}"
    return any(re.search(pattern, said) for pattern in _SAME)


# False alarms


MINUTES = 14 * 24 * 60


def test_scores_and_errors_are_those_worked_out_by_hand() -> None:
    assert difference_score((36, 1800), (45, 9000)) == pytest.approx(5.5095, abs=1e-4)
    assert difference_score((36, 1800), (45, 9000), 4) == pytest.approx(5.5095 / 2, abs=1e-4)
    assert difference_score((0, 500), (0, 500)) == 0
    assert standard_error((100, 1000), (0, 1000)) == pytest.approx(sqrt(0.1 * 0.9 / 1000))
    assert split_log_likelihood(10_000, 0.5, 0.5) == pytest.approx(0.5 * log(0.2))
    assert split_log_likelihood(10_000, 0.54, 0.5) == pytest.approx(0.5 * log(0.2) + 25.6 / 1)
    assert exp(float(UNLIKELY_LIMIT)) == pytest.approx(1000, abs=0.001)
    assert exp(float(UNLIKELY_LIMIT)) >= 1000


def poisson(chance: random.Random, mean: float) -> int:
    """Draw how often something rare comes about (Knuth)."""
    limit, product, count = exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def fortnight(
    chance: random.Random, rates: tuple[int, int], share: float, burst: int = 1
) -> Iterator[tuple[float, ...]]:
    """Let both arms fail as often for a fortnight: what failed of treatment and of control in each last half hour."""
    windows: tuple[deque[int], deque[int]] = deque(maxlen=30), deque(maxlen=30)
    sums = [0, 0]
    for minute in range(MINUTES):
        for arm, rate in enumerate(rates):
            if minute >= 30:
                sums[arm] -= windows[arm][0]
            windows[arm].append(burst * poisson(chance, rate * 60 * share / burst))
            sums[arm] += windows[arm][-1]
        if minute >= 29:
            yield (*sums, *(rate * 1800 for rate in rates))


def pooled(treatment: tuple[float, float], control: tuple[float, float], _per_failure: float = 1) -> float:
    """Give the score that textbooks have, which is wrong for arms of unequal size."""
    (failed, requests), (others_failed, others) = treatment, control
    share = (failed + others_failed) / (requests + others)
    error = sqrt(share * (1 - share) * (1 / requests + 1 / others))
    return (failed / requests - others_failed / others) / error if error else 0


def cries_wolf(looks: Iterator[tuple[float, ...]], score: Callable[..., float], per_failure: float = 1) -> bool:
    """Say whether the comparative guardrail, with all that it asks and for five minutes, ends a healthy experiment."""
    held = 0
    for failed, others_failed, requests, others in looks:
        enough = min(requests, others) >= int(LEAST_REQUESTS) and failed >= int(GUARD_EVENTS)
        worse = enough and failed / requests - others_failed / others > 0.005
        worse = worse and score((failed, requests), (others_failed, others), per_failure) > int(SCORE_LIMIT)
        held = held + 1 if worse else 0
        if held > 5:
            return True
    return False


def alarms(
    score: Callable[..., float], runs: int, rates: tuple[int, int], burst: int = 1, per_failure: int = 1
) -> float:
    """Give the share of healthy fortnights that end by the comparative guardrail."""
    looks = (fortnight(random.Random(run), rates, 0.005, burst) for run in range(runs))  # noqa: S311 - a simulation
    return sum(cries_wolf(each, score, per_failure) for each in looks) / runs


def test_a_healthy_experiment_is_ended_in_few_fortnights_whatever_its_split() -> None:
    runs = 400 if SOAK else 20
    assert alarms(difference_score, runs, (1, 9)) <= (0.02 if SOAK else 0.05)
    assert alarms(pooled, runs, (1, 9)) >= 0.1, "the textbook's score would do as well"


def test_failures_that_come_in_bursts_ask_for_requests_per_failure() -> None:
    runs = 100 if SOAK else 5
    assert alarms(difference_score, runs, (5, 5), burst=5) >= 0.8
    assert alarms(difference_score, runs, (5, 5), burst=5, per_failure=5) <= 0.2


STEP, USERS = 100, 50_000


def chi_square(units: float, share: float, planned: float) -> float:
    """Give the statistic of the usual test of a split, of which 6.635 is exceeded by 1% of all single looks."""
    return units * (share - planned) ** 2 / (planned * (1 - planned))


def assigned(chance: random.Random, halvings: int) -> Iterator[tuple[int, float]]:
    """Assign users, each to treatment if so many coins show heads, and look at every hundredth."""
    treated = 0
    for units in range(STEP, USERS + 1, STEP):
        heads = chance.getrandbits(STEP)
        for _ in range(halvings - 1):
            heads &= chance.getrandbits(STEP)
        treated += heads.bit_count()
        if units >= int(LEAST_UNITS):
            yield units, treated / units


@pytest.mark.parametrize("halvings", [1, 3], ids=["halves", "an eighth"])
def test_a_healthy_split_is_doubted_once_in_a_thousand_where_peeking_doubts_one_in_eight(halvings: int) -> None:
    runs, planned = 5000 if SOAK else 200, 0.5**halvings
    peeked = doubted = 0
    for run in range(runs):
        looks = [*assigned(random.Random(run), halvings)]  # noqa: S311 - a simulation
        peeked += any(chi_square(*each, planned) > 6.635 for each in looks)
        doubted += any(split_log_likelihood(*each, planned) > float(UNLIKELY_LIMIT) for each in looks)
    assert 0.06 <= peeked / runs <= 0.2
    assert doubted / runs <= (0.002 if SOAK else 0.006)


def test_a_split_of_two_points_beside_the_plan_is_found() -> None:
    chance = random.Random(1)  # noqa: S311 - a simulation
    found = []
    for _ in range(100 if SOAK else 8):
        treated, units = 0, 0
        while split_log_likelihood(units, treated / max(units, 1), 0.5) <= float(UNLIKELY_LIMIT):
            treated, units = treated + sum(chance.random() < 0.52 for _ in range(STEP)), units + STEP
        found.append(units)
    assert 6_000 <= sorted(found)[len(found) // 2] <= 16_000
    assert max(found) <= USERS


def ended_by_threshold(run: int, requests: int, threshold: float, wait: int) -> bool:
    """Say whether a criterion on treatment alone, half of which a healthy arm does, ends a fortnight."""
    chance, window, held = random.Random(run), deque([0] * 5, maxlen=5), 0  # noqa: S311 - a simulation
    for _ in range(MINUTES):
        window.append(poisson(chance, requests * threshold / 2 / 5))
        held = held + 1 if sum(window) > requests * threshold and sum(window) >= int(GUARD_EVENTS) else 0
        if held > wait:
            return True
    return False


@pytest.mark.parametrize(
    ("requests", "threshold", "wait"),
    [(412, 0.015, 5), (600, 0.02, 5), (800, 0.02, 5), (2500, 0.01, 3), (3000, 0.01, 2)],
)
def test_a_criterion_on_treatment_ends_as_many_healthy_fortnights_as_the_plan_says(
    requests: int, threshold: float, wait: int
) -> None:
    runs = 400 if SOAK else 60
    told = ended(chances(requests, threshold, int(GUARD_EVENTS)).false_alarm, wait / 5, MINUTES / 5)
    seen = sum(ended_by_threshold(run, requests, threshold, wait) for run in range(runs)) / runs
    assert seen <= told + 0.15
    if wait >= 5:
        assert seen >= told - 0.15


def test_the_plan_and_the_page_say_how_often_a_healthy_experiment_is_ended() -> None:
    files = bundle(services="[{name: api, kind: api, requests_per_second: 5}]")
    row = next(line for line in files["experiment/plan.md"].splitlines() if "| 20% | 300 | 14 |" in line)
    told = row.split(" | ")[-1].partition(":")[0].strip("| ")
    assert f"ends {told} of all healthy experiments in 14 days" in files["runbooks/alerts/ApiTreatmentErrorRatio.md"]
    assert "is not known" in bundle()["runbooks/alerts/ApiTreatmentErrorRatio.md"]
