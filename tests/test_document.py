"""tasks.md: its sections and labels, what it shows of the files, its links, and that no text can change its shape."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

from devops_tasks.fields import Entries, Kind, Listing, Nested, Shape, Tree
from devops_tasks.plan import plan_bundle
from devops_tasks.plan.architecture import display_width, draw
from devops_tasks.plan.commitments import plan_review
from devops_tasks.plan.cost import plan_cost
from devops_tasks.plan.delivery import plan_delivery
from devops_tasks.plan.document import Document
from devops_tasks.plan.monitoring import plan_monitoring
from devops_tasks.plan.operations import plan_operations
from devops_tasks.plan.recovery import plan_recovery
from devops_tasks.plan.workloads import plan_workloads
from devops_tasks.render import SHOWN_LINES, TELLING_LINES
from devops_tasks.spec import SPEC
from tests.bundles import EXAMPLES, example, load_example, load_text, load_tree, render_bundle
from tests.tools import markdown_lint
from tests.trees import query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from markdown_it.token import Token

    from devops_tasks.render import Files

HEADINGS = """
# DevOps Tasks: Saved Reports
## Experiment Context
## Task Overview
## Sprint Tasks
### 🔥 Critical Infrastructure (Must Have)
### 🔒 Security & Compliance (Should Have)
### 🎨 Optimization (Nice to Have)
## Infrastructure Architecture
### Production Environment
### Resource Requirements
## Deployment Strategy
### Blue-Green Deployment Process
### Rollback Procedures
## Monitoring & Observability
### Key Metrics to Monitor
### Monitoring Stack Configuration
### Alert Rules
## Security Configuration
### Infrastructure Security
### Secrets Management
## Backup & Disaster Recovery
### Backup Strategy
### Disaster Recovery Plan
## Performance Optimization
### Auto-scaling Configuration
### Database Performance Tuning
## Cost Optimization
### Resource Right-sizing
### Cost Monitoring Alerts
## Definition of Done
## Dependencies & Blockers
### External Dependencies
### Internal Blockers
### Blocking Others
## Risk Assessment
## Our Philosophy
## Operational Runbooks
### Common Operational Tasks
## Learning Log
### Infrastructure Decisions
### Incident Learnings
""".strip().splitlines()

LABELS = (
    """
Parent Requirements · Parent Design · DevOps Design · Sprint · Engineer
Hypothesis Being Tested · Primary Success Metric
Infrastructure Requirements · Rollback Criteria · Total Story Points · Infrastructure Dependencies
Security Review Required · Compliance Requirements
""".replace("\n", " · ")
    .strip(" ·")
    .split(" · ")
)

MINIMAL = """
feature: {name: Saved Reports, engineer: dana}
sprint: {name: "24"}
experiment: {hypothesis: We believe, primary_metric: {name: Reports, target: +20%}}
"""
WORKER = "databases: none\ncaches: none\nservices: [{name: mailer, kind: worker}]\n"
BARE = (
    "databases: none\ncaches: none\nplatform: {secrets: manual}\n"
    "services: [{name: api, secrets: none, production: {autoscaling: none}}]\n"
)
SHAPES = {
    "minimal": "",
    "only a worker": WORKER,
    "no stores, no scaling": BARE,
    "no metrics": "services: [{name: api, metrics: {convention: none}}]\n",
    "no metrics, operator": WORKER.replace("worker}", "worker, metrics: {convention: none}}")
    + "platform: {monitoring: prometheus-operator}\n",
    "no cloud": "platform: {cloud: none}\ncost: {budget: 100 EUR}\n",
    "a queue": WORKER + "queues: [{name: jobs}]\n",
    "two databases": "databases: [{name: a}, {name: b, hosting: in-cluster}]\n",
    "one step": "delivery: {steps: [100%]}\n",
    "nothing to do": "tasks: [" + ", ".join(f"{{id: DO-00{n}, skip: true}}" for n in range(1, 9)) + "]\n"
    "operations: none\nrisks: none\ndependencies: {external: none, blockers: none, blocking: none}\n",
    "brief": "document: {fidelity: brief}\n",
}


def parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


@cache
def bundle(text: str) -> Files:
    return render_bundle(load_text(MINIMAL + text))


def document(text: str = "") -> str:
    return bundle(text)["tasks.md"]


def headings(markdown: str) -> list[str]:
    tokens = parser().parse(markdown)
    return [
        f"{token.markup} {plain(following)}" for token, following in pairwise(tokens) if token.type == "heading_open"
    ]


def plain(inline: Token) -> str:
    breaks = {"softbreak": "\n", "hardbreak": "\n"}
    return "".join(breaks.get(child.type, child.content) for child in inline.children or [])


def section(markdown: str, heading: str) -> str:
    """Give the text under one heading, up to the next of whatever level."""
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |^---$|\Z)", unfenced(markdown), re.MULTILINE | re.DOTALL
    )
    assert found, heading
    return found[1]


def unfenced(markdown: str) -> str:
    """Blank the contents of fenced blocks, in which a comment looks like a heading."""
    return re.sub(r"^(`{3,})(\w*)\n.*?^\1$", r"\1\2\n\1", markdown, flags=re.MULTILINE | re.DOTALL)


def label(markdown: str, name: str) -> str:
    found = re.search(rf"^\*\*{re.escape(name)}:\*\* (.*)$", markdown, re.MULTILINE)
    assert found, name
    return found[1].rstrip()


def table_rows(markdown: str) -> list[list[str]]:
    """Give every row of every table as the source has it: a parser would make all rows as wide as the head."""
    lines = (line for line in unfenced(markdown).splitlines() if line.startswith("|"))
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


def links(markdown: str) -> Iterator[str]:
    for token in parser().parse(markdown):
        for child in token.children or []:
            if child.type == "link_open":
                yield str(child.attrs["href"])


# The shape of the template document


@pytest.mark.parametrize("shape", SHAPES)
def test_the_headings_are_those_of_the_template_in_its_order(shape: str) -> None:
    assert headings(document(SHAPES[shape])) == HEADINGS


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_bold_labels_of_the_template_end_with_a_hard_break(name: str) -> None:
    text = example(name)["tasks.md"]
    for wanted in LABELS:
        assert re.search(rf"^\*\*{wanted}:\*\* \S.*  $", text, re.MULTILINE), wanted


@pytest.mark.real
def test_a_linter_finds_nothing_in_other_shapes(tmp_path: Path) -> None:
    # The examples: tests/test_end_to_end.py.
    for name, text in SHAPES.items():
        (tmp_path / f"{name}.md").write_text(document(text), "utf-8")
    assert markdown_lint(tmp_path) == ""


@pytest.mark.parametrize("shape", SHAPES)
def test_every_row_of_a_table_has_as_many_cells_as_its_head(shape: str) -> None:
    rows = table_rows(document(SHAPES[shape]))
    heads = [number + 1 for number, row in enumerate(rows[1:]) if set("".join(row)) <= set("- ")]
    assert len(heads) >= 3
    for first, last in zip(heads, [*(number - 1 for number in heads[1:]), len(rows)], strict=True):
        assert {len(row) for row in rows[first - 1 : last]} == {len(rows[first])}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_blank_cell_and_no_blank_section(shape: str) -> None:
    text = document(SHAPES[shape])
    assert [row for row in table_rows(text) if not row[0].strip()] == []
    for heading in HEADINGS:
        if heading.startswith("###"):
            assert section(text, heading.removeprefix("### ")).strip(), heading


def test_boxes_to_tick_are_in_the_sections_where_the_template_has_them() -> None:
    text = example("saved-reports")["tasks.md"]
    ticked = {heading for heading in HEADINGS[1:] if "- [ ] " in section(text, heading.lstrip("# "))}
    assert ticked == {
        "### 🔥 Critical Infrastructure (Must Have)",
        "### 🔒 Security & Compliance (Should Have)",
        "### 🎨 Optimization (Nice to Have)",
        "### Blue-Green Deployment Process",
        "### Key Metrics to Monitor",
        "## Definition of Done",
        "### External Dependencies",
    }


# What the document shows of the files


def shown(markdown: str) -> Iterator[tuple[str, str, str]]:
    """Give each file that is shown: its path, the language of the fence, the text in it."""
    tokens = parser().parse(markdown)
    for index, token in enumerate(tokens):
        before = tokens[index - 2].children if index > 1 else None
        if token.type == "fence" and before and before[-1].content == ":":
            link = next(child for child in before if child.type == "link_open")
            yield str(link.attrs["href"]), token.info, token.content


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_shown_is_the_very_file(name: str) -> None:
    files = example(name)
    blocks = list(shown(files["tasks.md"]))
    assert {path.partition("/")[0] for path, _, _ in blocks} >= {"delivery", "monitoring", "security"}
    for path, _, text in blocks:
        whole = files[path]
        if whole.count("\n") <= SHOWN_LINES:
            assert text == whole
        else:
            assert f"\n{text}" in f"\n{whole}"
            assert text.count("\n") >= TELLING_LINES
            assert text.count("\n") <= 2 * SHOWN_LINES


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_block_that_the_template_shows_is_shown(name: str) -> None:
    paths = {path for path, _, _ in shown(example(name)["tasks.md"])}
    operator = name == "checkout"
    tuning = "database/tuning.sql" if operator else "database/parameter-group.yml"
    assert paths - {"cost/budget-alerts.yml"} == {
        "delivery/rollback.sh",
        "monitoring/prometheus-operator.yml" if operator else "monitoring/prometheus-config.yml",
        "monitoring/alert-rules.yml",
        "security/network-policies.yml",
        "security/secrets.yml",
        "disaster-recovery/restore-database.sh",
        "scaling/hpa.yml",
        tuning,
    }


def test_the_brief_document_links_to_the_files_and_shows_none() -> None:
    brief = document("document: {fidelity: brief}\n")
    assert list(shown(brief)) == []
    assert {path for path, _, _ in shown(document())} <= set(links(brief))
    assert len(brief) < len(document())


@pytest.mark.parametrize("shape", SHAPES)
def test_every_link_leads_to_a_file_of_the_bundle_or_to_a_parent_document(shape: str) -> None:
    files = bundle(SHAPES[shape])
    parents = {"../requirements.md", "../design.md", "./design.md"}
    assert set(links(files["tasks.md"])) - set(files) == parents


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_link_of_the_examples_leads_somewhere(name: str) -> None:
    files = example(name)
    for target in links(files["tasks.md"]):
        assert target in files or target.startswith(("https://", "../", "./design.md")), target


# What the spec lacks


@pytest.mark.parametrize(
    ("shape", "heading", "words"),
    [
        ("only a worker", "Blue-Green Deployment Process", "no traffic to switch"),
        ("only a worker", "Disaster Recovery Plan", "no database to restore"),
        ("only a worker", "Database Performance Tuning", "no database to tune"),
        ("no stores, no scaling", "Secrets Management", "No service needs a secret"),
        ("no stores, no scaling", "Auto-scaling Configuration", "No service scales by itself"),
        ("minimal", "Resource Right-sizing", "*to be decided*"),
        ("minimal", "Cost Monitoring Alerts", "budget is *to be decided*"),
        ("no cloud", "Cost Monitoring Alerts", "100 EUR"),
        ("no cloud", "Database Performance Tuning", "*to be decided*"),
        ("nothing to do", "Risk Assessment", "No risk is named"),
        ("nothing to do", "Blocking Others", "None."),
        ("nothing to do", "🎨 Optimization (Nice to Have)", "No task of this priority"),
        ("nothing to do", "Common Operational Tasks", "No recurring task"),
    ],
)
def test_a_section_without_its_subject_says_so_in_a_line(shape: str, heading: str, words: str) -> None:
    assert words in section(document(SHAPES[shape]), heading)


def test_a_worker_s_document_speaks_of_no_traffic() -> None:
    text = unfenced(document(WORKER))
    assert "shift-traffic.sh" not in text
    assert "Switch " not in section(text, "Blue-Green Deployment Process")
    assert "Load Balancer" not in text


def test_the_switch_follows_the_spec_s_steps_and_pause() -> None:
    text = section(document("delivery: {steps: [5%, 100%], pause: 15m}\n"), "Blue-Green Deployment Process")
    assert re.findall(r"- \[ \] (Switch .*|Monitor .*)", text) == [
        "Switch 5% of traffic to green (canary)",
        "Monitor key metrics for 15 minutes",
        "Switch 100% of traffic to green",
        "Monitor key metrics for 15 minutes",
    ]


def test_one_step_of_everything_is_no_canary() -> None:
    assert "(canary)" not in document("delivery: {steps: [100%]}\n")


# The faults of the template document


@pytest.mark.parametrize("name", EXAMPLES)
def test_t1_the_total_is_the_sum_of_the_tasks(name: str) -> None:
    text = example(name)["tasks.md"]
    points = [int(number) for number in re.findall(r"\*\((\d+) points?\)\*$", text, re.MULTILINE)]
    assert label(text, "Total Story Points").split(",")[0].split(";")[0] == str(sum(points))
    by_priority = [int(number) for number in re.findall(r"\d+", label(text, "By Priority"))]
    assert sum(by_priority) == sum(points)


@pytest.mark.parametrize(
    ("capacity", "words"),
    [
        ("26", "26, exactly the sprint's capacity"),
        ("20", "26, **6 more** than the sprint's capacity of 20"),
        ("27", "26, 1 below the sprint's capacity of 27"),
        (None, "26; the sprint's capacity is *to be decided*"),
    ],
)
def test_t1_the_total_is_compared_with_the_capacity(capacity: str | None, words: str) -> None:
    sets = (f"sprint.capacity={capacity}",) if capacity else ()
    assert label(example("minimal", *sets)["tasks.md"], "Total Story Points") == words


@pytest.mark.parametrize(
    ("alert", "first"),
    [
        ("above: 200ms, for: 5m", "Alert"),
        ("above: 200ms, for: 10m", "Alert; on a sudden jump the rollback"),
        ("above: 500ms, for: 2m", "Alert"),
        ("above: 500ms, for: 5m", "Both at once"),
        ("above: 500ms, for: 10m", "Rollback"),
        ("above: 1s, for: 5m", "Rollback"),
        ("above: 1s, for: 1m", "Rollback; on a sudden jump the alert"),
        ("skip: true", "Rollback"),
    ],
)
def test_t2_both_levels_are_named_and_which_acts_first(alert: str, first: str) -> None:
    rows = table_rows(document(f"alerts: [{{metric: latency_p95, {alert}}}]\n"))
    row = next([cell.strip() for cell in row] for row in rows if len(row) == 5 and "Response time" in row[0])
    written = re.findall(r"above: (\w+), for: (\d+)m", alert)
    wanted = [f"above {level} for {m} minute{'' if m == '1' else 's'} (critical)" for level, m in written]
    assert row[2:] == [*(wanted or ["no alert"]), "above 500ms for 5 minutes", first]


def test_t2_a_low_ratio_that_is_bad_is_compared_the_other_way_round() -> None:
    criteria = "rollback: {criteria: [{metric: throughput_ratio, below: 30%, for: 10m}]}\n"
    row = next(row for row in table_rows(document(criteria)) if len(row) == 5 and "throughput" in row[0])
    assert row[4].strip() == "Alert"


@pytest.mark.parametrize("name", EXAMPLES)
def test_t3_the_hypothesis_is_the_spec_s(name: str) -> None:
    assert label(example(name)["tasks.md"], "Hypothesis Being Tested") == load_example(name).spec.experiment.hypothesis


def test_t4_the_traffic_is_split_by_routes_and_not_by_a_service_s_selector() -> None:
    files = example("saved-reports")
    assert "weights of the routes" in section(files["tasks.md"], "Blue-Green Deployment Process")
    assert "patch httproute" in files["tasks.md"]
    assert "patch service" not in files["tasks.md"]


@pytest.mark.parametrize("shape", SHAPES)
def test_t5_the_boxes_are_of_one_display_width(shape: str) -> None:
    drawing = next(token.content for token in parser().parse(document(SHAPES[shape])) if token.type == "fence")
    boxes = [line for line in drawing.splitlines() if line[0] in "┌├└│"]
    assert {display_width(line) for line in boxes} == {display_width(boxes[0])}
    assert all(line[-1] in "┐┤┘│" for line in boxes)


def test_t5_wide_and_combining_characters_are_counted_as_they_are_shown() -> None:
    lines = draw([[["Last", "負荷分散装置", "🚀 e\u0301", "x"]]])
    assert {display_width(line) for line in lines} == {16}
    assert [display_width(text) for text in ("負", "e\u0301", "a\u200db", "ﾊ", "")] == [2, 1, 2, 1, 0]


def test_t5_the_picture_and_the_table_say_the_same() -> None:
    text = document("services: [{name: api, production: {replicas: 4, autoscaling: {max: 12}}}]\n")
    assert "api: API, 4 to 12 pods" in text
    assert "| 4 x 2 CPU, 4Gi | HPA: 4-12 pods |" in text
    assert 'service_api["api: API, 4 to 12 pods"]' in text


@pytest.mark.parametrize("name", EXAMPLES)
def test_t6_sizes_are_in_kubernetes_units(name: str) -> None:
    cells = [cell for row in table_rows(section(example(name)["tasks.md"], "Resource Requirements")) for cell in row]
    assert not any(re.search(r"\d\s?[GM]B\b|RAM", cell) for cell in cells)


@pytest.mark.parametrize("name", EXAMPLES)
def test_t7_every_runbook_that_is_named_is_there(name: str) -> None:
    files = example(name)
    rows = table_rows(section(files["tasks.md"], "Common Operational Tasks"))[2:]
    assert len(rows) == len(load_example(name).spec.operations)
    for row in rows:
        found = re.search(r"\]\((\S+)\)", row[3])
        assert found, row
        assert found[1] in files


@pytest.mark.parametrize("name", EXAMPLES)
def test_t8_each_file_has_one_name(name: str) -> None:
    files = example(name)
    mentioned = set(re.findall(r"\b(?:[a-z-]+/)+[\w.-]+\.(?:yml|yaml|sh|sql|md|json)\b", unfenced(files["tasks.md"])))
    assert {path for path in mentioned if path not in files and not path.startswith("../")} == set()
    assert "alert_rules" not in files["tasks.md"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_t9_things_are_called_as_the_spec_calls_them(name: str) -> None:
    text = example(name)["tasks.md"]
    spec = load_example(name).spec
    names = [database.name for database in spec.databases] + [cache.name for cache in spec.caches]
    names += [queue.name for queue in spec.queues] + [other.name for other in spec.external_services]
    for called in names:
        assert called in label(text, "Infrastructure Dependencies")
    assert not re.search(r"feature-service|\bdb:5432|redis:6379", text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_t10_every_row_has_a_runbook_or_needs_instrumentation(name: str) -> None:
    files = example(name)
    rows = table_rows(section(files["tasks.md"], "Key Metrics to Monitor"))[2:]
    assert len(rows) >= 8
    for row in rows:
        found = re.fullmatch(r" \[(\w+)\]\((\S+)\) ", row[5])
        if found:
            assert f"- alert: {found[1]}\n" in files["monitoring/alert-rules.yml"]
            assert found[2] in files
        else:
            assert row[5] == " *needs instrumentation* "


@pytest.mark.parametrize("name", EXAMPLES)
def test_t10_the_application_team_is_asked_for_what_is_missing(name: str) -> None:
    text = section(example(name)["tasks.md"], "Key Metrics to Monitor")
    for title in ("Query response time (P95)", "Failed auth attempts"):
        assert f"then have {title} watched" in text


def test_the_application_team_is_asked_for_the_buckets_of_every_threshold() -> None:
    text = section(document("alerts: [{metric: latency_p95, above: 420ms}]\n"), "Key Metrics to Monitor")
    asked = re.search(r"http_request_duration_seconds with a bucket at each of (.*)", text)
    assert asked
    assert {"420ms", "500ms"} <= set(asked[1].split(", "))


def test_t11_the_savings_are_summed_for_each_currency() -> None:
    saved = ("0.1 USD", "0.2 USD", "5 EUR")
    rows = ", ".join(f"{{resource: R, current: b, optimized: c, saves: {amount}}}" for amount in saved)
    text = section(document(f"cost: {{rightsizing: [{rows}]}}\n"), "Resource Right-sizing")
    assert "| **Total** | | | **0.3 USD + 5 EUR a month** |" in text


def test_t12_the_level_of_automation_is_the_true_one() -> None:
    levels = {
        row[0].strip(" *"): row[2].strip() for row in table_rows(document()) if len(row) == 4 and "autom" in row[2]
    }
    assert levels["Deploy new version"] == "semi-automated"  # production waits for a person
    manual = section(document(), "Common Operational Tasks")
    assert re.search(r"Certificate renewal.*\| manual \|", manual)
    issued = section(document("platform: {tls_issuer: letsencrypt}\n"), "Common Operational Tasks")
    assert re.search(r"Certificate renewal.*\| fully automated \|", issued)


@pytest.mark.parametrize("shape", SHAPES)
def test_t13_no_placeholder_of_the_template_is_left(shape: str) -> None:
    text = unfenced(document(SHAPES[shape]))
    assert not re.search(r"(?<!\*)\*\[|@devops-engineer|\bTBD\b|\bTODO\b|\bNone\b(?!\.$)", text, re.MULTILINE)


def test_t13_dates_are_the_spec_s_or_said_to_be_undecided() -> None:
    text = example("saved-reports")["tasks.md"]
    assert label(text, "Sprint") == "24 (2026-12-01 to 2026-12-14)"
    assert text.endswith("**Last Updated:** 2026-12-01 | **Next Review:** 2027-01-05\n")
    undecided = example("minimal")["tasks.md"]
    assert label(undecided, "Sprint") == "24 (dates *to be decided*)"
    assert undecided.endswith("**Last Updated:** *to be decided* | **Next Review:** *to be decided*\n")
    assert "Staging environment needed by *to be decided*" in undecided


@pytest.mark.parametrize(("today", "listed"), [(None, True), (date(2026, 12, 1), False)], ids=["none", "one"])
def test_t13_an_update_without_a_day_is_listed_as_undecided(today: date | None, listed: bool) -> None:  # noqa: FBT001
    plan = plan_bundle(load_example("minimal").spec, today)
    assert (plan["review"]["updated"] is None) == listed
    assert ("review.updated" in [each["key"] for each in plan["undecided"]]) == listed


def test_the_experiment_is_told_in_the_spec_s_numbers() -> None:
    text = example("saved-reports")["tasks.md"]
    assert label(text, "Primary Success Metric") == "Weekly active users of reporting, target +20% (relative)"
    assert label(text, "Rollback Criteria").endswith(
        "response time (P95) above 500ms for 5 minutes; error rate above 2% of requests for 5 minutes"
    )
    assert label(text, "Metric Today") == "10% (kind: proportion)"
    assert label(text, "Eligible per Day") == "4000"


def test_a_share_that_is_written_as_a_number_is_printed_as_a_share() -> None:
    text = document("rollback: {criteria: [{metric: error_ratio, above: 0.02}]}\n")
    assert "error rate above 2% of requests for 5 minutes" in label(text, "Rollback Criteria")


def test_no_two_modules_of_the_plan_give_the_same_key() -> None:
    spec = load_example("saved-reports").spec
    parts = [
        plan_workloads(spec),
        plan_monitoring(spec),
        plan_delivery(spec),
        plan_recovery(spec),
        plan_operations(spec),
    ]
    keys = [*(key for part in parts for key in part), *plan_cost(spec), *Document.__annotations__, "undecided"]
    assert sorted(keys) == sorted(set(keys))
    assert set(plan_bundle(spec)) == set(keys)


def test_the_date_of_the_run_stands_in_for_the_day_of_the_update() -> None:
    day = date(2026, 11, 20)
    assert plan_review(load_example("minimal").spec, day)["updated"] == "2026-11-20"
    assert plan_review(load_example("saved-reports").spec, day)["updated"] == "2026-12-01"


# Hostile text is only text

HOSTILE = [
    "a | b",
    "`code` and ```fence```",
    "# heading",
    "## heading ##",
    "- [x] ticked",
    "1. first",
    "> quote",
    "<b>bold</b> <!-- comment",
    "{{ x }} {% y %} {# z #}",
    "${{ y }}",
    "$(z) ${HOME}",
    "🚀 e\u0301 負荷",
    "---",
    "===",
    "[link](http://example.com) ![image](x)",
    "*em* __strong__ ~~gone~~",
    " spaces ",
    "back\\slash\\",
    "&amp; &#35; &copy;",
    "http://example.com",
    "\u200fright to left",
    "- - -",
    "+ plus",
    "***",
    "| --- | --- |",
]
"""Each is put into every field of free text at once."""


def replaced(shape: Shape, tree: Tree, text: str) -> Tree:
    """Replace every leaf of free text of a spec's tree; the names by which items of a list differ stay different."""
    if isinstance(shape, Kind):
        return text if shape.free else tree
    if isinstance(shape, Nested) and isinstance(tree, dict):
        fields = shape.record.fields
        return {
            name: query(text) if name == "query" else replaced(fields[name].shape, value, text)
            for name, value in tree.items()
        }
    if isinstance(shape, Entries):
        return {name: replaced(shape.value, value, text) for name, value in tree.items()}
    if isinstance(shape, Listing) and isinstance(tree, list):
        return [_item(shape, index, item, text) for index, item in enumerate(tree)]
    return tree


def _item(shape: Listing[Any], index: int, item: Tree, text: str) -> Tree:
    new = replaced(shape.item, item, text)
    return {**new, shape.name: item[shape.name]} if index and shape.name else new


@cache
def with_text(text: str) -> str:
    tree = replaced(SPEC, load_example("saved-reports").source.tree, text)
    return render_bundle(load_tree(tree))["tasks.md"]


INLINE = {"text", "text_special", "softbreak", "hardbreak"}


def structure(markdown: str) -> list[str]:
    """Give the blocks of a document, and what stands in them beside text."""
    return [
        inner
        for token in parser().parse(markdown)
        for inner in [
            token.type + token.markup.replace("`", ""),
            *(c.type for c in token.children or [] if c.type not in INLINE),
        ]
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_changes_the_shape_of_the_document(text: str) -> None:
    markdown = with_text(text)
    assert structure(markdown) == structure(with_text("plain"))
    count = sum(plain(token).count(text.strip()) for token in parser().parse(markdown) if token.type == "inline")
    assert count > 40


@pytest.mark.parametrize("text", ["one\ntwo", "one\n\n    two", "one\n---\n- [x] two\n# three", "a\n```\nb"])
def test_a_hypothesis_of_several_lines_stays_one_paragraph(text: str) -> None:
    tree = dict(load_example("saved-reports").source.tree)
    tree["experiment"] = {**tree["experiment"], "hypothesis": text}
    markdown = render_bundle(load_tree(tree))["tasks.md"]
    assert structure(markdown) == structure(example("saved-reports")["tasks.md"])
    paragraph = next(
        token for token in parser().parse(markdown) if token.type == "inline" and "Hypothesis" in token.content
    )
    assert plain(paragraph).startswith(f"Hypothesis Being Tested: {text}\n")


@pytest.mark.parametrize("name", EXAMPLES)
def test_whatever_is_applied_is_applied_on_the_server_s_side(name: str) -> None:
    commands = re.findall(r"kubectl apply -[^`\n]*", example(name)["tasks.md"])
    assert commands
    assert [command for command in commands if "--server-side" not in command] == []


def test_a_cluster_comes_back_with_its_routes_and_its_secrets_by_hand() -> None:
    plan = section(document(), "Disaster Recovery Plan")
    assert "`kubectl apply --server-side --namespace=saved-reports --filename=delivery/traffic/green-000.yml`" in plan
    assert "Secrets by hand" not in plan
    by_hand = section(document("platform: {secrets: manual, cloud: none}\n"), "Disaster Recovery Plan")
    assert (
        "then the Secrets by hand, as [`security/secrets.yml`](security/secrets.yml) says, then the routes" in by_hand
    )
    worker = section(document("services: [{name: indexer, kind: worker}]\n"), "Disaster Recovery Plan")
    assert "delivery/traffic" not in worker


def test_each_version_is_asked_only_about_what_it_needs() -> None:
    text = """
services: [{name: web, kind: web, needs: [a-db, maps]}, {name: indexer, kind: worker, needs: [b-db, a-db, orders]}]
databases: [{name: a-db}, {name: b-db}, {name: c-db}]
caches: none
queues: [{name: orders}]
external_services: [{name: maps}]
"""
    process = section(document(text), "Blue-Green Deployment Process")
    assert re.findall(r"(?:reaches|integration with) `(.*)`", process) == ["a-db", "maps"]
    assert re.findall(r"workers' new pods reach `(.*)`", process) == ["b-db", "orders"]
    alone = section(
        document(text.replace("name: web, kind: web", "name: mailer, kind: worker")), "Blue-Green Deployment Process"
    )
    assert re.findall(r"(?:new pods reach|integration with) `(.*)`", alone) == ["a-db", "b-db", "orders", "maps"]


def test_one_rollback_criterion_is_not_one_of_these() -> None:
    one = "rollback: {criteria: [{metric: latency_p95, above: 500ms, for: 5m}]}\n"
    assert label(document(one), "Rollback Criteria").startswith("Roll back as soon as this holds: ")
    assert label(document(), "Rollback Criteria").startswith("Roll back as soon as one of these holds: ")


def test_no_rollback_criterion_is_said_to_be_none() -> None:
    told = document("rollback: {criteria: none}\n")
    assert label(told, "Rollback Criteria") == "None. Whether a release is rolled back, people decide"


def test_only_what_has_colours_is_said_to_have_them() -> None:
    worker = bundle("services: [{name: indexer, kind: worker}]\n")["scaling/hpa.yml"]
    assert "colour" not in worker
    assert "both colours" in bundle("")["scaling/hpa.yml"]
    by_hand = "{name: shop-api, production: {autoscaling: none}}"
    beside = bundle(f"services: [{by_hand}, {{name: indexer, kind: worker}}]\n")["scaling/hpa.yml"]
    assert "indexer" in beside
    assert "both colours" not in beside
