"""Service level objectives: exact numbers, alerts that fire and end when they should, and what no alert can judge."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from devops_tasks.errors import UserError
from devops_tasks.units import parse_duration, plain
from tests import tools
from tests.bundles import load_text, render_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devops_tasks.render import Files

HEAD = """
feature: {name: Saved Reports, engineer: "@dana", slug: saved}
sprint: {name: "24"}
experiment:
  hypothesis: We believe that analysts will adopt saved reports
  primary_metric: {name: Weekly active users, target: +20%}
databases: none
caches: none
"""
BOTH = "{availability: 99.9%, latency: {objective: 99%, below: 500ms}, window: 3d}"
FACTORS = {"1h": Decimal("14.4"), "6h": Decimal(6), "1d": Decimal(3), "3d": Decimal(1)}
SHORT = {"1h": "5m", "6h": "30m", "1d": "2h", "3d": "6h"}


def bundle(slo: str = BOTH, service: str = "name: api, kind: api", more: str = "") -> Files:
    return render_bundle(load_text(f"{HEAD}\nservices: [{{{service}, slo: {slo}}}]\n{more}\n"))


def rules(files: Files, name: str = "alert-rules") -> list[dict[str, Any]]:
    groups = yaml.load(files[f"monitoring/{name}.yml"], Loader=yaml.CSafeLoader)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def burns(files: Files) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules(files) if "Burn" in rule.get("alert", "")}


def limits(rule: dict[str, Any]) -> list[str]:
    return re.findall(r"(?:>=?) ([\d.]+)", rule["expr"])


# The numbers


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("99.9%", ["0.0144", "0.006", "0.003", "0.001"]),
        ("99.5%", ["0.072", "0.03", "0.015", "0.005"]),
        ("0.99", ["0.144", "0.06", "0.03", "0.01"]),
        ("99.99%", ["0.00144", "0.0006", "0.0003", "0.0001"]),
        ("93.06%", ["0.99936", "0.4164", "0.2082", "0.0694"]),
    ],
)
def test_each_alert_has_its_part_of_the_budget_without_noise(objective: str, expected: list[str]) -> None:
    found = burns(bundle(f"{{availability: {objective}}}"))
    assert list(found) == [f"ApiAvailabilityBurn{window}" for window in FACTORS]
    assert [limits(rule) for rule in found.values()] == [[limit, limit, "5"] for limit in expected]


@settings(max_examples=6)
@given(
    shares=st.tuples(st.integers(93_060, 99_999), st.integers(93_060, 99_999)),
    days=st.integers(3, 35),
    milliseconds=st.integers(1, 9999),
)
def test_one_number_stands_in_the_rule_the_page_the_panel_and_the_document(
    shares: tuple[int, int], days: int, milliseconds: int
) -> None:
    available, timely = (Decimal(share) / 1000 for share in shares)
    below = f"{Decimal(milliseconds) / 1000}s"
    files = bundle(
        f"{{availability: {available}%, latency: {{objective: {timely}%, below: {below}}}, window: {days}d}}"
    )
    recorded = {
        (rule["record"], rule.get("labels", {}).get("slo")): rule["expr"] for rule in rules(files, "recording-rules")
    }
    for objective, slo in ((available / 100, "availability"), (timely / 100, "latency")):
        same_limit_everywhere(files, slo, 1 - objective)
        left = recorded["namespace_job_slo:error_budget_remaining:ratio", slo]
        assert Decimal(left.rpartition(" / ")[2]) == 1 - objective
        assert f":ratio_rate{days}d{{" in left or (days % 7 == 0 and ":ratio_rate" in left)
        row = next(line for line in files["tasks.md"].splitlines() if line.startswith(f"| api | {slo.title()} | 9"))
        assert f"{objective * 100:f}".rstrip("0").rstrip(".") + "%" in row
        assert f": {plain(days * 1440 * (1 - objective))} of {days * 1440} minutes |" in row
    bound = re.findall(r'le=~?"([\d.]+)', recorded["namespace_job_slo:bad_events:rate5m", "latency"])
    assert [Decimal(text) for text in bound] == [Decimal(milliseconds) / 1000]
    assert parse_duration(re.findall(r"take at most (\S+) ", files["tasks.md"])[0]) == parse_duration(below)


def same_limit_everywhere(files: Files, slo: str, budget: Decimal) -> None:
    """Compare the threshold of each alert of an objective wherever it stands."""
    found = burns(files)
    for window, factor in FACTORS.items():
        name, limit = f"Api{slo.title()}Burn{window}", budget * factor
        printed = f"{plain(limit * 100)}%"
        assert [Decimal(text) for text in limits(found[name])] == [limit, limit, 5]
        assert f"above {printed} " in found[name]["annotations"]["description"]
        assert f"above {printed} of requests" in unescaped(files[f"runbooks/alerts/{name}.md"])
        assert Decimal(panel(files, found[name])["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"]) == limit
        assert re.search(rf"\| above {re.escape(printed)} \|.*\[{name}\]", files["tasks.md"])


def unescaped(text: str) -> str:
    return text.replace("\\", "")


def panel(files: Files, rule: dict[str, Any]) -> dict[str, Any]:
    """Find the panel that an alert links to."""
    address = rule["annotations"]["dashboard_url"]
    found = json.loads(files["monitoring/dashboard.json"], parse_float=str, parse_int=str)["panels"]
    return next(each for each in found if each["id"] == address.rpartition("=")[2])


def test_the_document_tells_the_budget_in_requests_where_the_traffic_is_known() -> None:
    files = bundle("{availability: 99.9%}", "name: api, requests_per_second: 50")
    assert "0.1%: 43.2 of 43200 minutes; 129600 of 129600000 requests at 50 a second" in files["tasks.md"]


def test_a_panel_shows_a_budget_that_is_overspent() -> None:
    panels = json.loads(bundle()["monitoring/dashboard.json"])["panels"]
    left = [each for each in panels if "budget left" in each["title"]]
    assert [each["title"] for each in left] == ["Availability budget left of 3d", "Latency budget left of 3d"]
    assert all("min" not in each["fieldConfig"]["defaults"] for each in left)
    assert all(each["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"] == 0 for each in left)


def test_a_bound_of_the_histogram_is_asked_for() -> None:
    files = bundle("{latency: {objective: 95%, below: 20s}}")
    need = next(line for line in files["monitoring/README.md"].splitlines() if "the histogram" in line)
    assert "10s, 20s, 40s" in need
    assert "30 days of samples for its objectives" in files["monitoring/README.md"]


def test_a_series_that_only_an_objective_rests_on_is_missed_too() -> None:
    skipped = (
        "alerts: [{metric: error_ratio, skip: true}, {metric: latency_p95, skip: true}]\n"
        "rollback: {criteria: [{metric: cpu_utilization, above: 99%}]}"
    )
    missing = next(rule for rule in rules(bundle(more=skipped)) if rule["alert"] == "ApiMetricsMissing")
    assert 'absent(http_requests_total{namespace="saved",job="api"})' in missing["expr"]
    assert 'absent(http_request_duration_seconds_bucket{namespace="saved",job="api",le="0.5"})' in missing["expr"]


def test_without_objectives_nothing_speaks_of_them() -> None:
    files = render_bundle(load_text(f"{HEAD}\nservices: [{{name: api}}]\n"))
    assert not [path for path, text in files.items() if "job_slo:" in text or "Service Level Objectives" in text]


# From raw series to the alert


class Scene(NamedTuple):
    """What is asked of the service: for so many minutes, so many a minute, a share of it badly."""

    pieces: Pieces
    firing: set[str]
    step: int = 1


Pieces = list[tuple[int, float, str]]
Steady = list[tuple[int, float]]


def counted(pieces: Steady, step: int) -> str:
    """Give the values of a counter, in promtool's notation, at every ``step`` minutes."""
    total, texts = Decimal(0), []
    for minutes, rate in pieces:
        grows = Decimal(str(rate)) * step
        texts.append(f"{total}+{grows}x{minutes // step - 1}")
        total += grows * (minutes // step)
    return " ".join(texts)


def badly(pieces: Pieces) -> Steady:
    return [(minutes, rate * float(share)) for minutes, rate, share in pieces]


def well(pieces: Pieces) -> Steady:
    return [(minutes, rate * (1 - float(share))) for minutes, rate, share in pieces]


def samples(pieces: Pieces, step: int) -> dict[str, str]:
    """Give the requests that fail and succeed; those that fail are slow too."""
    labels = 'namespace="saved",job="api",colour="blue",pod="api-blue-1"'
    return {
        f'http_requests_total{{{labels},status_code="200"}}': counted(well(pieces), step),
        f'http_requests_total{{{labels},status_code="500"}}': counted(badly(pieces), step),
        f"http_request_duration_seconds_count{{{labels}}}": counted(
            [(minutes, rate) for minutes, rate, _ in pieces], step
        ),
        f'http_request_duration_seconds_bucket{{{labels},le="0.5"}}': counted(well(pieces), step),
    }


def judge(files: Files, place: Path, series: dict[str, str], expected: dict[str, int], at: tuple[int, int]) -> str:
    """Let promtool run what objectives rest on over raw series, evaluated each few minutes, and compare at one."""
    (minutes, step), order = at, []
    for name in ("recording-rules.yml", "alert-rules.yml"):
        groups = yaml.safe_load(files[f"monitoring/{name}"])["groups"]
        own = [group for group in groups if re.search(r"\.(traffic|latency|jobs|slo|objectives)", group["name"])]
        (place / name).write_text(yaml.safe_dump({"groups": own}))
        order += [group["name"] for group in own]
    content = {
        "rule_files": ["recording-rules.yml", "alert-rules.yml"],
        "evaluation_interval": f"{step}m",
        "group_eval_order": order,
        "tests": [{
            "interval": f"{min(step, 2)}m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {"expr": expr, "eval_time": f"{minutes}m", "exp_samples": [{"value": value}]}
                for expr, value in expected.items()
            ],
        }],
    }  # fmt: skip
    (place / "scene.test.yml").write_text(yaml.safe_dump(content))
    return tools.promtool_test_rules(place / "scene.test.yml")


AVAILABLE = {window: f"ApiAvailabilityBurn{window}" for window in FACTORS}
SLOW = {window: f"ApiLatencyBurn{window}" for window in FACTORS}
DAY = 1440
SCENES = {
    "15% fail for ten minutes of a healthy hour": Scene(
        [(150, 600, "0"), (11, 600, "0.15")], {AVAILABLE["1h"], AVAILABLE["6h"], AVAILABLE["1d"], AVAILABLE["3d"]}
    ),
    "ten minutes after, the short windows have ended what is fast": Scene(
        [(480, 600, "0"), (10, 600, "0.165"), (15, 600, "0")], {AVAILABLE["1d"], AVAILABLE["3d"]}, 5
    ),
    "a fifth is slow and fails": Scene([(120, 600, "0"), (70, 600, "0.2")], {*AVAILABLE.values(), *SLOW.values()}),
    "1.4% fail, just less than 14.4 times too many": Scene(
        [(400, 600, "0.014")], {AVAILABLE["6h"], AVAILABLE["1d"], AVAILABLE["3d"], SLOW["3d"]}, 5
    ),
    "0.12% fail for days": Scene([(4 * DAY, 6000, "0.0012")], {AVAILABLE["3d"]}, 30),
    "0.08% fail for days: the budget lasts": Scene([(4 * DAY, 6000, "0.0008")], set(), 30),
    "one request of the first fifty fails: that is no measurement": Scene([(5, 5, "0.04"), (5, 5, "0")], set()),
    "ten of the first hundred fail and are slow": Scene(
        [(20, 5, "0.1")], {*AVAILABLE.values(), SLOW["6h"], SLOW["1d"], SLOW["3d"]}
    ),
    "nothing is asked": Scene([(120, 0, "0")], set()),
}


@pytest.mark.real
@pytest.mark.parametrize("name", SCENES)
def test_a_budget_burns_from_raw_series_to_the_alert(name: str, tmp_path: Path) -> None:
    pieces, firing, step = SCENES[name]
    minutes = sum(piece[0] for piece in pieces) - step
    expected = {
        f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)': int(alert in firing)
        for alert in (*AVAILABLE.values(), *SLOW.values())
    }
    series = samples(pieces, min(step, 2))
    assert judge(bundle(), tmp_path, series, expected, (minutes, step)) == ""


@pytest.mark.real
def test_a_worker_s_jobs_burn_its_budget_by_colourless_series(tmp_path: Path) -> None:
    files = bundle("{availability: 99%}", "name: mailer, kind: worker")
    labels = 'namespace="saved",job="mailer",pod="mailer-1"'
    series = {
        f'jobs_processed_total{{{labels},result="success"}}': counted([(70, 51)], 1),
        f'jobs_processed_total{{{labels},result="failure"}}': counted([(70, 9)], 1),
    }
    expected = {'count(ALERTS{alertname=~"Mailer.*Burn.*",alertstate="firing"}) or vector(0)': 4}
    assert judge(files, tmp_path, series, expected, (69, 1)) == ""


@pytest.mark.real
def test_windows_are_weighted_by_traffic(tmp_path: Path) -> None:
    pieces: Pieces = [(300, 10, "0.1"), (60, 9850, "0.001"), (10, 9850, "0.001")]
    ratio = 'namespace_job_slo:bad_events_per_events:ratio_rate6h{namespace="saved",slo="availability"}'
    busy = {f"round(10000 * {ratio})": 15, f"round(10000 * {ratio.replace('6h', '5m')})": 10}
    assert judge(bundle(), tmp_path, samples(pieces, 2), with_labels(busy), (362, 2)) == ""


@pytest.mark.real
@pytest.mark.parametrize(("share", "percent"), [("0.0005", 50), ("0.003", -200)])
def test_what_is_left_of_the_budget_is_recorded(share: str, percent: int, tmp_path: Path) -> None:
    left = 'namespace_job_slo:error_budget_remaining:ratio{namespace="saved",slo="availability"}'
    series = samples([(4 * DAY, 6000, share)], 2)
    expected = with_labels({f"round(100 * {left})": percent})
    assert judge(bundle(), tmp_path, series, expected, (4 * DAY - 30, 30)) == ""


def with_labels(expected: dict[str, int]) -> dict[str, int]:
    """Compare values alone: what a series is called is not asked."""
    return {f"sum({expr})": value for expr, value in expected.items()}


# The generated files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the bundle of an api, a web front end and a worker that all have objectives."""
    services = f"""
services:
  - {{name: api, slo: {BOTH}}}
  - {{name: front, kind: web, slo: {{latency: {{objective: 95%, below: 1s}}}}}}
  - {{name: mailer, kind: worker, slo: {{availability: 99%}}}}
platform: {{monitoring: prometheus-operator}}
"""
    place = tmp_path_factory.mktemp("bundle")
    for path, text in render_bundle(load_text(HEAD + services)).items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    return place


@pytest.mark.real
def test_the_tools_find_nothing(folder: Path) -> None:
    monitoring = folder / "monitoring"
    assert tools.promtool_check_rules(monitoring / "recording-rules.yml") == ""
    assert tools.promtool_check_rules(monitoring / "alert-rules.yml") == ""
    # What objectives are recorded from: tests/test_monitoring.py and tests/test_end_to_end.py.
    assert tools.promtool_test_rules(monitoring / "alert-rules.test.yml") == ""


@pytest.mark.real
def test_pages_go_to_the_on_call_and_tickets_to_the_team(folder: Path) -> None:
    groups = yaml.safe_load((folder / "monitoring/alert-rules.yml").read_text())["groups"]
    found = [rule for group in groups if ".objectives" in group["name"] for rule in group["rules"]]
    receivers = {"1h": "on-call", "6h": "on-call", "1d": "team-channel", "3d": "team-channel"}
    assert {rule["alert"][-2:] for rule in found} == receivers.keys()
    for rule in found:
        wanted = [receivers[rule["alert"][-2:]]]
        assert tools.amtool_verify_route(folder / "monitoring/alertmanager.yml", rule["labels"], wanted) == ""


MUTANTS: dict[str, Callable[[str], str]] = {
    "a long window's threshold raised": lambda expr: re.sub(r"> ([\d.]+)", raised, expr, count=1),
    "a long window's threshold lowered": lambda expr: re.sub(r"> ([\d.]+)", lowered, expr, count=1),
    "a short window's threshold raised": lambda expr: raised_last(expr, raised),
    "a short window's threshold lowered": lambda expr: raised_last(expr, lowered),
    "the short window left out": lambda expr: "\nand on (namespace, job, slo)\n".join(parts(expr)[::2]),
    "the guard left out": lambda expr: "\nand on (namespace, job, slo)\n".join(parts(expr)[:2]),
    "the guard raised": lambda expr: expr.replace(">= 5", ">= 6"),
    "the guard strict": lambda expr: expr.replace(">= 5", "> 5"),
    "either window": lambda expr: expr.replace("and on (namespace, job, slo)", "or on (namespace, job, slo)", 1),
    "another objective": lambda expr: re.sub('slo="(\\w+)"', 'slo="other"', expr, count=1),
}


def parts(expr: str) -> list[str]:
    return expr.split("\nand on (namespace, job, slo)\n")


def raised(match: re.Match[str]) -> str:
    return f"> {Decimal(match[1]) * Decimal('1.01')}"


def lowered(match: re.Match[str]) -> str:
    return f"> {Decimal(match[1]) * Decimal('0.99')}"


def raised_last(expr: str, change: Callable[[re.Match[str]], str]) -> str:
    long, short, guard = parts(expr)
    return "\nand on (namespace, job, slo)\n".join([long, re.sub(r"> ([\d.]+)", change, short), guard])


@pytest.mark.real
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_generated_tests_find(mutant: str, folder: Path, tmp_path: Path) -> None:
    groups = yaml.safe_load((folder / "monitoring/alert-rules.yml").read_text())["groups"]
    tests = yaml.safe_load((folder / "monitoring/alert-rules.test.yml").read_text())
    survivors = []
    for rule in (rule for group in groups if group["name"] == "api.objectives" for rule in group["rules"][::3]):
        wrong = {**rule, "expr": MUTANTS[mutant](rule["expr"])}
        assert wrong != rule
        cases = [only(rule["alert"], case) for case in tests["tests"] if "api:" in case["name"]]
        (tmp_path / "alert-rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": [wrong]}]}))
        (tmp_path / "t.yml").write_text(yaml.safe_dump({**tests, "tests": cases}))
        if tools.promtool_test_rules(tmp_path / "t.yml") == "":
            survivors.append(rule["alert"])
    assert survivors == []


def only(alert: str, case: dict[str, Any]) -> dict[str, Any]:
    """Keep what a case expects of one alert."""
    return case | {
        "promql_expr_test": [each for each in case.get("promql_expr_test", []) if f'"{alert}"' in each["expr"]],
        "alert_rule_test": [each for each in case.get("alert_rule_test", []) if each["alertname"] == alert],
    }


# What no alert can judge


@pytest.mark.parametrize(
    ("service", "more", "complaint"),
    [
        ("slo: {}", "", "services[0].slo: says neither availability nor latency (add one of them)"),
        ("slo: {availability: 100%}", "", "slo.availability: 100% leaves no budget"),
        ("slo: {availability: 93.05%}", "",
         "slo.availability: 93.05% allows so much that the alert on 14.4 times its budget could never fire: "),
        ("slo: {availability: 50%}", "", "no more than all can fail (write 93.06% or more)"),
        ("slo: {latency: {objective: 90%, below: 500ms}}", "", "slo.latency.objective: 90% allows so much"),
        ("slo: {latency: {objective: 99%, below: 300ms}}, latency_buckets: [200ms, 500ms, 1s]", "",
         "services[0].latency_buckets: no bound at 300ms"),
        ("slo: {latency: {objective: 99%, below: 1s}}, latency_buckets: [200ms, 500ms, 1s]", "",
         "services[0].latency_buckets: nothing above 1s"),
        ("slo: {availability: 99.9%, window: 90d}", "",
         "slo.window: 90d are longer than Prometheus keeps samples (35d) (shorten it, or raise monitoring.retention)"),
        ("slo: {availability: 99.9%}", "monitoring: {retention: 15d}", "slo.window: 30d are longer than"),
        ("slo: {availability: 99.9%, window: 2d}", "", "slo.window: 2d is no number of whole days from 3d on"),
        ("slo: {availability: 99.9%, window: 100h}", "", "slo.window: 100h is no number of whole days from 3d on"),
        ("slo: {availability: 99.9%}, metrics: {convention: none}", "",
         "services[0].slo: a service without metrics has nothing to judge"),
        ("slo: {latency: {objective: 99%, below: 1s}}, kind: worker", "",
         "services[0].slo.latency: a worker answers no requests"),
        ("slo: {availability: 2}", "", "slo.availability"),
        ("slo: 99.9%", "", "services[0].slo"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(service: str, more: str, complaint: str) -> None:
    with pytest.raises(UserError) as error:
        load_text(f"{HEAD}\nservices: [{{name: api, {service}}}]\n{more}\n")
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    "service",
    [
        "slo: {availability: 93.06%}",
        "slo: {availability: 99.9%, window: 35d}",
        "slo: {availability: 99.9%, window: 72h}",
        "slo: {latency: {objective: 99.999%, below: 1s}}, latency_buckets: [200ms, 500ms, 1s, 2s]",
    ],
)
def test_what_can_be_judged_is_left_alone(service: str) -> None:
    load_text(f"{HEAD}\nservices: [{{name: api, {service}}}]\n")


@pytest.mark.parametrize(
    ("window", "spent"),
    [
        ("30d", ["50 hours", "5 days", "10 days", "30 days"]),
        ("28d", ["47 hours", "112 hours", "224 hours", "28 days"]),
        ("3d", ["5 hours", "12 hours", "1 day", "3 days"]),
    ],
)
def test_a_page_says_how_soon_the_budget_is_spent(window: str, spent: list[str]) -> None:
    files = bundle(f"{{availability: 99.5%, window: {window}}}")
    pages = [files[f"runbooks/alerts/ApiAvailabilityBurn{long}.md"] for long in FACTORS]
    assert [re.findall(r"is spent within (.+)\.", page) for page in pages] == [[words] for words in spent]
