"""The documents that a new feature folder begins with: their structure, their links, what they know and do not know."""

from __future__ import annotations

import os
import posixpath
import random
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from devops_tasks.errors import KeyPath, key_text
from devops_tasks.fields import Builder, Kind, Listing, Tree, shape_at, value_at
from devops_tasks.importer import import_document
from devops_tasks.metrics import parse_threshold
from devops_tasks.plan import plan_feature
from devops_tasks.plan.alerts import plan_rows
from devops_tasks.spec import SPEC, Criterion, Spec
from tests.bundles import EXAMPLES, load_example, load_text, load_tree, render_bundle, renderer
from tests.random_specs import random_spec
from tests.test_document import HOSTILE, MINIMAL, WORKER, headings, label, links, replaced, structure
from tests.tools import markdown_lint
from tests.trees import rewritten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from devops_tasks.render import Files
    from devops_tasks.specfile import Loaded


def skeletons(loaded: Loaded) -> Files:
    return renderer().render_folder("_new", plan_feature(loaded.spec))


def folder(loaded: Loaded) -> Files:
    """Give the whole folder of a new feature, the bundle in ``devops/``."""
    return {**skeletons(loaded), **{f"devops/{path}": text for path, text in render_bundle(loaded).items()}}


def test_three_documents_are_written_beside_the_bundle() -> None:
    assert list(skeletons(load_example("minimal"))) == ["design.md", "devops/design.md", "requirements.md"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_link_of_a_new_folder_resolves(name: str) -> None:
    files = folder(load_example(name))
    for path in ("requirements.md", "design.md", "devops/design.md", "devops/tasks.md"):
        found = [target for target in links(files[path]) if not target.startswith("https://")]
        assert found
        for target in found:
            assert posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) in files, (path, target)


@pytest.mark.real
def test_a_linter_finds_nothing_in_a_new_folder(tmp_path: Path) -> None:
    loaded = [*map(load_example, EXAMPLES), load_text(MINIMAL + WORKER)]
    for number, each in enumerate(loaded):
        for path, text in skeletons(each).items():
            place = tmp_path / str(number) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8")
    assert markdown_lint(tmp_path) == ""


def test_requirements_have_the_structure_that_teams_and_tools_read() -> None:
    text = skeletons(load_example("saved-reports"))["requirements.md"]
    wanted = ["### Riskiest Assumption", "### Success Metrics", "### Failure Criteria", "### Experiment Design"]
    assert [heading for heading in headings(text) if heading.startswith("###")] == wanted
    for name in ("Feature ID", "Status", "Type", "Duration", "Sample Size", "Control Group", "Treatment Group"):
        assert label(text, name)
    for name in ("Primary Metric", "Leading Indicators", "Guardrail Metrics", "Performance", "Scale", "Compliance"):
        assert re.search(rf"^- \*\*{name}:\*\*( \S|\n  - \S)", text, re.MULTILINE)
    assert "1. **[REQ-001]** " in text


def test_requirements_say_what_the_spec_knows() -> None:
    text = skeletons(load_example("saved-reports"))["requirements.md"]
    assert label(text, "Feature ID") == "FEAT-1024"
    assert label(text, "Sprint Ends") == "2026-12-14"
    assert f"\n{load_example('saved-reports').spec.experiment.hypothesis}\n" in text
    assert "- **Primary Metric:** Weekly active users of reporting\n  - **Target:** +20%\n" in text
    assert "- Error rate (`error_ratio`) above 2% for 5m\n" in text
    assert "  - Response time (P95) (`latency_p95`) not above 200ms for 5m (critical)\n" in text
    assert "- **Scale:** 50 requests per second of feature-api\n" in text
    assert label(text, "Treatment Group") == "50% of users, who see the new version"
    assert label(text, "Duration") == "7 days"
    assert label(text, "Sample Size") == "3841 users in control and 3841 in treatment"


@pytest.mark.parametrize("name", ["Feature ID", "Sprint Starts", "Duration", "Sample Size", "Eligible per Day"])
def test_requirements_invent_nothing(name: str) -> None:
    assert label(skeletons(load_example("minimal"))["requirements.md"], name) == "*to be decided*"


def test_the_arms_of_an_uneven_split_add_up() -> None:
    text = skeletons(load_example("checkout"))["requirements.md"]
    assert label(text, "Treatment Group").startswith("20% of sessions")
    assert label(text, "Control Group").startswith("80% of sessions")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_changes_the_shape_of_the_skeletons(text: str) -> None:
    tree = load_example("saved-reports").source.tree
    hostile = skeletons(load_tree(replaced(SPEC, tree, text)))
    expected = skeletons(load_tree(replaced(SPEC, tree, "plain")))
    for path in expected:
        assert structure(hostile[path]) == structure(expected[path]), path


# What is written there is read back

CARRIED = [
    *(f"feature.{name}" for name in ("name", "id", "slug", "team", "engineer")),
    *(f"sprint.{name}" for name in ("name", "starts", "ends", "capacity")),
    *(f"experiment.primary_metric.{name}" for name in ("name", "target", "baseline", "kind", "standard_deviation")),
    *(f"experiment.assignment.{name}" for name in ("unit", "treatment", "method")),
    *(f"experiment.{name}" for name in ("hypothesis", "leading_indicators", "guardrails", "eligible_per_day")),
    *(f"experiment.{name}" for name in ("significance", "power")),
    *("overview.security_review", "overview.compliance"),
]
ROLLBACK: Any = shape_at(SPEC, ("rollback", "criteria"))
SPOKEN_OF = {"feature", "sprint", "experiment", "overview"}
ASKED = {"latency_p95", "error_ratio", "failure_ratio"}
PIECES = (
    *("word", "Team: x", "**Target:** +99%", "*to be decided*", "to be decided", "[...]", "TBD", "we believe that"),
    *(
        "  ",
        "\u00a0",
        "`",
        "- ",
        "# ",
        "1. ",
        "| ",
        "&amp;",
        "&#32;",
        "\\",
        "<b>",
        "[x](y)",
        "---",
        "\u202e",
        "it's. Or",
    ),
    *("Ends: 2026-01-01", "> ", "**", "_", "https://example.com"),
    *("(`error_ratio`) above 9% for 9m", "50% of users, x"),
)


def hostile(chance: random.Random, kind: Kind[Any]) -> str:
    """Make a text of what means something in documents like these."""
    pieces = chance.choices((*PIECES, "\n") if kind.name == "text" and "text" in kind.expected else PIECES, k=6)
    text = "".join(pieces)[: kind.schema["maxLength"]]
    try:
        kind.parse(text)
    except ValueError:
        return hostile(chance, kind._replace(name=""))
    return text


def value_in(spec: Any, path: str) -> Any:  # noqa: ANN401 - whatever a spec holds
    for step in path.split("."):
        spec = getattr(spec, step)
    return spec


def read_back(answers: Tree, path: str) -> Any:  # noqa: ANN401 - the same
    steps = tuple(path.split("."))
    shape, answer = shape_at(SPEC, steps), value_at(answers, steps)
    if isinstance(shape, Listing):
        return tuple(answer or ())
    assert isinstance(shape, Kind)
    return None if answer is None else shape.parse(answer)


def limits(criteria: Iterable[Criterion]) -> list[tuple[object, ...]]:
    return [
        (each.metric, each.below is None, parse_threshold(each.metric, level).text, each.for_)
        for each in criteria
        if (level := each.above or each.below)
    ]  # fmt: skip


def asked(spec: Spec) -> tuple[Counter[str], set[tuple[Any, ...]]]:
    """Give how many services are asked for each metric of the performance, and what."""
    rows = [row for row in plan_rows(spec) if row.metric in ASKED]
    services = Counter(metric for metric, _ in {(row.metric, row.subject.name) for row in rows})
    return services, {(row.metric, row.side, row.threshold, row.for_, row.severity) for row in rows}


@pytest.mark.parametrize("seed", range(int(os.environ.get("SPECS", "12"))))
def test_the_requirements_of_any_spec_are_read_back_without_loss(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    tree = random_spec(seed)
    if seed % 2:
        spoken = {key: value for key, value in tree.items() if key in SPOKEN_OF}
        tree |= rewritten(spoken, lambda _, kind: hostile(chance, kind))
    loaded = load_tree(tree)
    imported = import_document(skeletons(loaded)["requirements.md"])
    for path in CARRIED:
        assert read_back(imported.answers, path) == value_in(loaded.spec, path), path
    criteria = Builder().build(ROLLBACK, imported.answers["rollback"]["criteria"])
    assert limits(criteria) == limits(loaded.spec.rollback.criteria)
    services, rows = asked(loaded.spec)
    others = [alert for alert in tree["alerts"] if alert["metric"] not in ASKED]
    again = asked(load_tree({**tree, "alerts": [*others, *imported.answers.get("alerts", [])]}).spec)[1]
    assert {row for row in rows if services[row[0]] == 1} == {row for row in again if services[row[0]] == 1}
    decisions = imported.answers["experiment"].get("decisions", [])  # who decides is not said there
    dated = [(each.what, each.after.text) for each in loaded.spec.experiment.decisions]
    assert [(each["what"], each["after"]) for each in decisions] == dated
    taken = set(CARRIED) | {"rollback.criteria", "alerts", "experiment.decisions"}
    assert {key for key in map(key_text, places(imported.answers)) if key not in taken} == set()
    assert "nothing is known" not in "\n".join(imported.report(""))


def places(tree: Tree, path: KeyPath = ()) -> Iterator[KeyPath]:
    for name, value in tree.items():
        yield from places(value, (*path, name)) if isinstance(value, dict) else [(*path, name)]


def test_what_a_person_changed_in_the_requirements_is_read_as_they_wrote_it() -> None:
    text = skeletons(load_example("saved-reports"))["requirements.md"]
    changed = text.replace("**Target:** +20%", "**Target:** about a fifth").replace(
        "above 2% for 5m", "above 3% for 6m"
    )
    changed = changed.replace("above 500ms for 5m", "soon")
    imported = import_document(changed)
    assert imported.answers["rollback"]["criteria"] == [{"metric": "error_ratio", "above": "3%", "for": "6m"}]
    told = [note.told("r.md").partition(": ")[2] for note in imported.notes if note.why]
    assert (
        "not taken: Target: about a fifth (experiment.primary_metric.target takes a target: relative (+20%), "
        in told[0]
    )
    assert "no limit such as: Error rate (error_ratio) above 2% for 5m" in "".join(told)


@pytest.mark.parametrize(("written", "told"), [("384", "384 in control stated, 3841 needed"), ("3841", "")])
def test_a_size_that_is_too_small_for_the_document_s_own_numbers_is_told(written: str, told: str) -> None:
    text = skeletons(load_example("saved-reports"))["requirements.md"]
    imported = import_document(text.replace("3841 users in control", f"{written} users in control"))
    (note,) = [note for note in imported.notes if "Sample Size" in note.text]
    assert note.why.partition("computes it")[2].strip("; ") == told


@pytest.mark.parametrize(
    ("written", "taken"), [("no", "false"), ("Not required", "false"), ("yes", "true"), ("by Friday", None)]
)
def test_whether_security_is_reviewed_is_read_and_not_guessed(written: str, taken: str | None) -> None:
    text = skeletons(load_text(MINIMAL))["requirements.md"]
    changed = re.sub(r"(\*\*Security Review:\*\*) .*", rf"\1 {written}", text)
    assert changed != text
    imported = import_document(changed)
    assert imported.answers.get("overview", {}).get("security_review") == taken
    whys = [note.why for note in imported.notes if "Security Review" in note.text and note.why]
    assert whys == ([] if taken else ["expected one of required, yes, not required, no"])


def test_a_limit_for_one_service_is_told_and_not_taken_for_all() -> None:
    loaded = load_example("checkout", "alerts=[{metric: latency_p95, service: checkout-api, above: 450ms}]")
    imported = import_document(skeletons(loaded)["requirements.md"])
    assert "alerts" not in imported.answers
    assert [note.why for note in imported.notes if "450ms" in note.text] == [
        "it is for one service, and which there are is not said here"
    ]


@pytest.mark.parametrize("name", ["minimal", "saved-reports"])
def test_what_is_read_back_makes_a_spec_again(name: str) -> None:
    loaded = load_example(name)
    answers = import_document(skeletons(loaded)["requirements.md"]).answers
    assert load_tree(answers).spec.experiment.hypothesis == loaded.spec.experiment.hypothesis
