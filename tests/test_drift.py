"""What was changed by hand since a bundle was generated: numbers that the spec says otherwise, and nothing else."""

from __future__ import annotations

import pytest

from devops_tasks.checks.drift import Made, check_numbers, find_drift
from devops_tasks.errors import Problem
from tests.bundles import example

S, C = "saved-reports", "checkout"
RULES = "monitoring/alert-rules.yml"
HPA = "scaling/hpa.yml"


def drifted(name: str, path: str, old: str, new: str) -> list[Problem]:
    made = example(name)
    assert old in made[path], f"{path} has changed: the test would break nothing"
    edited = made[path].replace(old, new, 1)
    return list(check_numbers(Made(texts=made, edited=(path,)), {path: edited}))


@pytest.mark.parametrize(
    ("name", "path", "old", "new", "told"),
    [
        (S, RULES, " > 0.01\n", " > 0.005\n", "0.005, and the spec makes it 0.01"),
        (S, RULES, "        for: 2m", "        for: 20m", "20m, and the spec makes it 2m"),
        (S, RULES, 'threshold="0.2"} > 0.05', 'threshold="0.3"} > 0.04', "0.3, 0.04, and the spec makes it 0.2, 0.05"),
        (S, HPA, "  maxReplicas: 10", "  maxReplicas: 110", "110, and the spec makes it 10"),
        (S, "overlays/production/feature-api-size.yml", "memory: 4Gi", "memory: 5Gi", "5Gi, and the spec makes it 4Gi"),
        (S, "monitoring/prometheus-config.yml", "interval: 15s", "interval: 20s", "20s, and the spec makes it 15s"),
        (S, "delivery/traffic/green-010.yml", "weight: 10", "weight: 20", "20, and the spec makes it 10"),
        (S, "delivery/watch-rollout.sh", "PAUSE:-600", "PAUSE:-60", "60, and the spec makes it 600"),
        (
            C,
            "database/tuning.sql",
            "max_connections = '100'",
            "max_connections = '300'",
            "300, and the spec makes it 100",
        ),
        (S, "tasks.md", "| above 200ms for 5", "| above 300ms for 5", "300ms, and the spec makes it 200ms"),
    ],
    ids=lambda value: value.strip() if isinstance(value, str) and "makes" in value else "",
)
def test_a_number_that_the_spec_says_otherwise_is_found(name: str, path: str, old: str, new: str, told: str) -> None:
    problems = drifted(name, path, old, new)
    assert {(problem.where, problem.code, problem.what) for problem in problems} == {
        (path, "other-number", f"has {told}")
    }
    line = example(name)[path].replace(old, new, 1).split("\n")[problems[0].line - 1]
    assert new.strip().split("\n")[0] in line or line.strip().startswith("expr:")


def test_the_key_of_a_number_is_told() -> None:
    (problem,) = drifted(S, HPA, "maxReplicas: 10", "maxReplicas: 11")
    assert (problem.key, problem.mend) == ("spec.maxReplicas", "write it into the spec and generate, or undo the edit")


OWN = "      - alert: Mine\n        expr: up == 0\n        for: 9m\n"
FIRST = "      - alert: FeatureApiErrorRatioHigh\n"


@pytest.mark.parametrize(
    ("name", "path", "old", "new"),
    [
        pytest.param(S, RULES, "        for: 2m", "        for: 120s", id="a span written otherwise"),
        pytest.param(
            S,
            "overlays/production/feature-api-size.yml",
            "memory: 4Gi",
            "memory: 4096Mi",
            id="a size written otherwise",
        ),
        pytest.param(
            S, "overlays/production/kustomization.yaml", 'newTag: "1.0.0"', 'newTag: "1.0.1"', id="a newer image"
        ),
        pytest.param(S, "delivery/pipeline.yml", "actions/checkout@3", "actions/checkout@4", id="a newer action"),
        pytest.param(S, "disaster-recovery/backup.yml", "cron(0 0/6", "cron(30 0/6", id="another minute"),
        pytest.param(S, RULES, FIRST, OWN + FIRST, id="an alert of a person's own"),
        pytest.param(S, RULES, "groups:\n", "# 5 of 7\ngroups:\n", id="a remark"),
        pytest.param(S, "delivery/rollback.sh", "\n# ", "\n# 7 ", id="a remark of a script"),
        pytest.param(S, "tasks.md", "*(5 points)*", "*(8 points)*", id="points in the document"),
        pytest.param(S, "tasks.md", "by 2026-12-02", "by 2026-12-03", id="a date in the document"),
        pytest.param(S, "tasks.md", "for: 5m", "for: 6m", id="a file that the document shows"),
        pytest.param(S, "monitoring/alert-rules.test.yml", "eval_time: ", "eval_time: 1", id="a test of the rules"),
        pytest.param(S, "monitoring/dashboard.json", '"w": 12', '"w": 13', id="the place of a panel"),
        pytest.param(S, HPA, "  maxReplicas: 10\n", "", id="a number that is gone"),
        pytest.param(S, HPA, "spec:\n", "spec: [\n", id="what does not parse"),
        pytest.param(S, HPA, "spec:\n", "spec: 3\n", id="another kind of value"),
    ],
)
def test_what_is_no_number_of_the_spec_is_left_alone(name: str, path: str, old: str, new: str) -> None:
    assert drifted(name, path, old, new) == []


@pytest.mark.parametrize(
    ("path", "made", "stands", "found"),
    [
        pytest.param("a.sh", "sleep 5\n", "sleep 6\n", 1, id="code"),
        pytest.param("a.sh", "# sleeps 5\n", "# sleeps 6\n", 0, id="a remark"),
        pytest.param("a.sql", "-- 5 MB\nSET a = 1;\n", "-- 6 MB\nSET a = 1;\n", 0, id="a remark in SQL"),
        pytest.param("a.yml", "a: [1, 2]\n", "a: [1, 3]\n", 1, id="an item of a list"),
        pytest.param("a.yml", "a: [1, 2]\n", "a: [3, 1, 2]\n", 0, id="another item in a list without names"),
        pytest.param("a.yml", "a: 1\n---\nb: 1\n", "a: 1\n---\nb: 2\n", 1, id="the second document"),
        pytest.param("a.md", "| 5 |\n| - |\n| 6 |\n", "| 5 |\n| - |\n| 7 |\n", 1, id="a table"),
        pytest.param("a.md", "5 pods\n", "6 pods\n", 0, id="prose"),
        pytest.param("a.txt", "5\n", "6\n", 0, id="a file of another kind"),
    ],
)
def test_numbers_are_looked_for_where_they_are_the_spec_s(path: str, made: str, stands: str, found: int) -> None:
    assert len(list(check_numbers(Made(texts={path: made}, edited=(path,)), {path: stands}))) == found


def test_a_file_of_which_the_text_is_lost_is_only_edited() -> None:
    made = Made(texts={}, edited=(HPA,))
    assert list(check_numbers(made, {HPA: "a: 1\n"})) == []
    assert [problem.what for problem in find_drift(made, {HPA: "a: 1\n"})] == ["edited since it was generated"]


@pytest.mark.parametrize(
    ("stands", "told", "line"),
    [
        ("a\nB\nc\n", ": 1 line in place of 1", 2),
        ("a\nb\nc\nd\ne\n", ": 2 lines in place of 0", 4),
        ("b\nc\n", ": 0 lines in place of 1", 1),
        ("\n" * 20_000, "", 0),
    ],
    ids=["changed", "added", "removed", "without measure"],
)
def test_an_edit_is_told_with_its_first_line_and_its_size(stands: str, told: str, line: int) -> None:
    (note,) = find_drift(Made(texts={"x": "a\nb\nc\n"}, edited=("x",)), {"x": stands})
    assert (note.what, note.line, note.code) == (f"edited since it was generated{told}", line, "edited")


def test_other_line_ends_are_told_as_such() -> None:
    (note,) = find_drift(Made(texts={"x": "a\n"}, edited=("x",)), {"x": "a\n"})
    assert note.what == "has other line ends than were generated"


@pytest.mark.parametrize(("version", "count"), [("0.0.1", 1), ("99.0.0", 1), (Made().version, 0)])
def test_another_version_is_noted(version: str, count: int) -> None:
    assert [note.code for note in find_drift(Made(version), {})] == ["other-version"] * count


def test_a_text_without_measure_takes_no_endless_time() -> None:
    path = "delivery/rollback.sh"
    made = Made(texts={path: "echo 1\n" * 9_000}, edited=(path,))
    assert list(check_numbers(made, {path: "echo 2\n" * 200_000})) == []
