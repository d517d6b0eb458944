"""Ticks, notes and owners stay with their task or section; a table of what a person does and of what the spec does."""

from __future__ import annotations

import re

import pytest

from devops_tasks.merge.pages import merge_pages
from devops_tasks.merge.units import blocks, pair_units, parse_units
from tests.tools import ROOT

PAGE = """\
# DevOps Tasks: Reports

**Sprint:** 24

---

## Sprint Tasks

### 🔥 Critical

*Tasks that block*

- [ ] **[DO-001]** Provision infrastructure *(5 points)*
  - Set up the database
  - Configure the cache
  - **Success Criteria:** All checks pass

- [ ] **[DO-002]** Configure the pipeline *(4 points)*
  - Build
  - Deploy
  - **Success Criteria:** It deploys

### 🎨 Optimization

- [ ] **[DO-003]** Tune it *(2 points)*
  - Measure
  - **Success Criteria:** It is fast

---

## Deployment

1. **Checks**
   - [ ] Tests pass
   - [ ] Flags are off

```yaml
# ### no heading
- [ ] no box
replicas: 3
image: a
```

## Learning Log

- **Date:**
- **Decision:**

---

**Last Updated:** 2026-12-01
"""

Edit = tuple[str, str]
TASK_2 = PAGE[PAGE.index("- [ ] **[DO-002]") : PAGE.index("### 🎨")]
TICK_2: Edit = ("- [ ] **[DO-002]", "- [x] **[DO-002]")
NOTE_2: Edit = ("  - Deploy\n", "  - Deploy\n  - Note: ask the data team\n")
REMOVED = "### Removed\n\n*No longer in the spec; kept because somebody ticked it or wrote in it*\n\n"


def _edited(text: str, *edits: Edit) -> str:
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


SPRINT: Edit = ("24\n", "25\n")
LOG: Edit = ("- **Date:**\n- **Decision:**", "- **Date:** 12-03\n- **Decision:** Valkey")
SECTION: Edit = ("## Learning Log", "## Meetings\n\nMonday\n\n## Learning Log")


@pytest.mark.parametrize(
    ("mine", "specs"),
    [
        pytest.param([TICK_2], [SPRINT], id="a tick, elsewhere"),
        pytest.param([TICK_2], [("(4 points)", "(3 points)")], id="a tick, the task has other points"),
        pytest.param([TICK_2], [("the pipeline", "the CI pipeline")], id="a tick, the task is worded anew"),
        pytest.param(
            [NOTE_2], [("  - Build\n", "  - Build and test\n")], id="a note beside a step that is worded anew"
        ),
        pytest.param([NOTE_2], [("  - Build\n", "  - Lint\n  - Build\n")], id="a note, a step is added"),
        pytest.param([("Tests", "All tests")], [("Flags are off", "Flags are on")], id="two boxes of one list"),
        pytest.param([("[ ] Tests", "[x] Tests")], [("ests pass", "ests all pass")], id="a box that is worded anew"),
        pytest.param([("[ ] Tests", "[X] Tests")], [("Flags are off", "Flags are on")], id="a capital tick"),
        pytest.param([LOG], [SPRINT], id="an entry of the log"),
        pytest.param([SECTION], [SPRINT], id="a section of one's own"),
        pytest.param([("replicas: 3", "replicas: 4")], [SPRINT], id="a block of code"),
        pytest.param([("infrastructure", "everything")], [SPRINT], id="a task that a person words anew"),
        pytest.param(
            [("that block*", "that block us*")], [("🎨 Optimization", "🎨 Nice")], id="a heading, worded anew"
        ),
    ],
)
def test_both_changes_are_in_the_result(mine: list[Edit], specs: list[Edit]) -> None:
    merged = merge_pages(PAGE, _edited(PAGE, *mine), _edited(PAGE, *specs))
    assert merged == (_edited(PAGE, *specs, *mine), ())


@pytest.mark.parametrize(
    ("mine", "specs", "both"),
    [
        pytest.param(
            NOTE_2,
            ("  - Deploy\n", "  - Deploy it\n"),
            ("  - Deploy\n", "  - Deploy it\n  - Note: ask the data team\n"),
            id="a note below a step",
        ),
        pytest.param(
            ("(4 points)*", "(4 points)* @kim, 12-03"),
            ("(4 points)*", "(3 points)*"),
            ("(4 points)*", "(3 points)* @kim, 12-03"),
            id="an owner behind the points",
        ),
        pytest.param(
            ("[ ] Tests pass", "[x] Tests pass, twice"),
            ("[ ] Tests pass", "[ ] All tests pass"),
            ("[ ] Tests pass", "[x] All tests pass, twice"),
            id="a box with a remark",
        ),
    ],
)
def test_a_line_that_both_changed_has_both_changes(mine: Edit, specs: Edit, both: Edit) -> None:
    merged = merge_pages(PAGE, _edited(PAGE, mine), _edited(PAGE, specs))
    assert merged == (_edited(PAGE, both), ())


@pytest.mark.parametrize(
    ("mine", "specs", "conflicts"),
    [
        pytest.param([("24\n", "24b\n")], [("24\n", "25\n")], [(3, "DevOps Tasks: Reports")], id="a value"),
        pytest.param(
            [("(4 points)", "(5 points)")],
            [("(4 points)", "(3 points)")],
            [(18, "[DO-002] Configure the pipeline")],
            id="points",
        ),
        pytest.param(
            [("replicas: 3", "replicas: 4")], [("image: a", "image: b")], [(37, "Deployment")], id="neighbours in code"
        ),
        pytest.param(
            [(TASK_2, TASK_2.rstrip() + "\n  - **Owner:** @kim\n\n")],
            [(TASK_2, TASK_2.rstrip() + "\n  - **Owner:** @sam\n\n")],
            [(22, "[DO-002] Configure the pipeline")],
            id="two owners",
        ),
    ],
)
def test_two_answers_to_one_question_are_a_conflict(
    mine: list[Edit], specs: list[Edit], conflicts: list[tuple[int, str]]
) -> None:
    merged = merge_pages(PAGE, _edited(PAGE, *mine), _edited(PAGE, *specs))
    assert [(conflict.line, conflict.where) for conflict in merged.conflicts] == conflicts


@pytest.mark.parametrize(("policy", "sprint"), [("ours", "24b"), ("theirs", "25")])
def test_a_side_can_be_taken_and_ticks_stay(policy: str, sprint: str) -> None:
    disk = _edited(PAGE, ("24\n", "24b\n"), TICK_2)
    merged = merge_pages(PAGE, disk, _edited(PAGE, ("24\n", "25\n")), policy)  # type: ignore[arg-type]
    assert merged.text == _edited(PAGE, ("24\n", f"{sprint}\n"), TICK_2)


def test_ticks_survive_a_conflict_of_several_lines() -> None:
    disk = _edited(PAGE, ("   - [ ] Tests pass\n   - [ ] Flags are off\n", "   - [x] One pass\n   - [x] Two pass\n"))
    new = _edited(PAGE, ("   - [ ] Tests pass\n   - [ ] Flags are off\n", "   - [ ] Three green\n"))
    merged = merge_pages(PAGE, disk, new)
    assert {"[x] One pass", "[x] Two pass"} <= set(re.findall(r"\[x\] \w+ pass", merged.text))
    assert "[ ] Three green" in merged.text


def test_a_task_takes_its_tick_and_notes_to_another_priority() -> None:
    moved = _edited(PAGE, (TASK_2, ""), ("- [ ] **[DO-003]**", f"{TASK_2}- [ ] **[DO-003]**"))
    assert merge_pages(PAGE, _edited(PAGE, TICK_2, NOTE_2), moved) == (_edited(moved, TICK_2, NOTE_2), ())


def test_a_task_takes_its_tick_and_notes_to_another_number() -> None:
    """The spec puts a task before the others, and all ids shift: what was ticked is the work, not the number."""
    new = PAGE.replace("[DO-003]", "[DO-004]").replace("[DO-002]", "[DO-003]")
    new = _edited(
        new, ("- [ ] **[DO-003]**", "- [ ] **[DO-002]** Ask the security team *(1 point)*\n\n- [ ] **[DO-003]**")
    )
    merged = merge_pages(PAGE, _edited(PAGE, TICK_2, NOTE_2), new)
    assert merged == (_edited(new, ("- [ ] **[DO-003]", "- [x] **[DO-003]"), NOTE_2), ())


@pytest.mark.parametrize(
    "edit", [TICK_2, NOTE_2, ("  - Deploy\n", "  - Deploy twice\n")], ids=["tick", "note", "words"]
)
def test_a_removed_task_is_kept_where_somebody_worked_on_it(edit: Edit) -> None:
    gone = _edited(PAGE, (TASK_2, ""))
    kept = _edited(TASK_2, edit)
    expected = _edited(
        gone,
        (
            "  - **Success Criteria:** It is fast\n",
            f"  - **Success Criteria:** It is fast\n\n{REMOVED}{kept.rstrip()}\n",
        ),
    )
    assert merge_pages(PAGE, _edited(PAGE, edit), gone) == (expected, ())


def test_a_removed_task_goes_where_nobody_worked_on_it() -> None:
    gone = _edited(PAGE, (TASK_2, ""))
    assert merge_pages(PAGE, _edited(PAGE, ("24\n", "24b\n")), gone).text == _edited(gone, ("24\n", "24b\n"))


def test_a_removed_task_that_comes_back_takes_its_place_with_tick_and_notes() -> None:
    gone = _edited(PAGE, (TASK_2, ""))
    disk = merge_pages(PAGE, _edited(PAGE, TICK_2, NOTE_2), gone).text
    back = _edited(PAGE, ("Configure the pipeline", "Configure a pipeline"))
    assert merge_pages(gone, disk, back) == (_edited(back, TICK_2, NOTE_2), ())


def test_a_second_removed_task_joins_the_first() -> None:
    task_3 = PAGE[PAGE.index("- [ ] **[DO-003]") : PAGE.index("\n---\n\n## Deployment")]
    first = _edited(PAGE, (TASK_2, ""))
    second = _edited(first, (task_3, ""))
    disk = merge_pages(PAGE, _edited(PAGE, TICK_2), first).text
    merged = merge_pages(first, _edited(disk, ("- [ ] **[DO-003]", "- [x] **[DO-003]")), second)
    assert merged.conflicts == ()
    assert merged.text.count("### Removed") == 1
    under = merged.text[merged.text.index("### Removed") : merged.text.index("## Deployment")]
    assert under.index("- [x] **[DO-002]**") < under.index("- [x] **[DO-003]**")


def test_a_ticked_box_that_is_gone_is_kept_with_its_section() -> None:
    gone = _edited(PAGE, ("   - [ ] Flags are off\n", ""))
    merged = merge_pages(PAGE, _edited(PAGE, ("[ ] Flags", "[x] Flags")), gone)
    assert merged == (
        _edited(gone, ("image: a\n```\n", f"image: a\n```\n\n{REMOVED}- [x] Flags are off *(Deployment)*\n")),
        (),
    )


def test_a_task_that_a_person_added_stays_behind_the_one_that_it_followed() -> None:
    own = "- [ ] **[OPS-7]** Call the provider *(1 point)*\n  - Monday\n\n"
    disk = _edited(PAGE, (TASK_2, TASK_2 + own))
    merged = merge_pages(PAGE, disk, _edited(PAGE, ("(4 points)", "(3 points)"), ("- Measure", "- Measure all")))
    assert merged == (_edited(disk, ("(4 points)", "(3 points)"), ("- Measure", "- Measure all")), ())


def test_a_task_that_both_added_is_one_task() -> None:
    own = "- [x] **[DO-009]** Warm the cache *(1 point)*\n  - Ask first\n\n"
    specs = "- [ ] **[DO-009]** Warm the cache *(2 points)*\n  - **Success Criteria:** It is warm\n\n"
    merged = merge_pages(PAGE, _edited(PAGE, (TASK_2, TASK_2 + own)), _edited(PAGE, (TASK_2, TASK_2 + specs)))
    assert merged.conflicts == ()
    assert merged.text.count("DO-009") == 1
    assert "- [x] **[DO-009]** Warm the cache *(2 points)*\n" in merged.text
    assert "  - Ask first\n" in merged.text
    assert "  - **Success Criteria:** It is warm\n" in merged.text


def test_what_a_person_deleted_stays_deleted() -> None:
    disk = _edited(PAGE, (TASK_2, ""), ("   - [ ] Flags are off\n", ""))
    merged = merge_pages(PAGE, disk, _edited(PAGE, ("24\n", "25\n")))
    assert merged == (_edited(disk, ("24\n", "25\n")), ())


def test_tasks_that_a_person_put_into_another_order_stay_so() -> None:
    task_1 = PAGE[PAGE.index("- [ ] **[DO-001]") : PAGE.index("- [ ] **[DO-002]")]
    disk = _edited(PAGE, (task_1 + TASK_2, TASK_2 + task_1))
    assert merge_pages(PAGE, disk, _edited(PAGE, ("24\n", "25\n"))).text == _edited(disk, ("24\n", "25\n"))


@pytest.mark.parametrize("name", ["minimal", "saved-reports", "checkout"])
def test_the_units_of_every_page_are_the_page(name: str) -> None:
    pages = sorted((ROOT / "tests/golden" / name).rglob("*.md"))
    assert len(pages) > 10
    for page in pages:
        text = page.read_text("utf-8")
        units = parse_units(text)
        assert "".join(line for unit in units for line in unit.lines) == text
        for unit in units:
            assert text.split("\n")[unit.line - 1] == unit.lines[0].split("\n")[0]
        assert pair_units(units, units) == {index: index for index in range(len(units))}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\n```\n# b\n```\nc\n", ["a\n", "```\n# b\n```\n", "c\n"]),
        ("````\n```\n# b\n````\nc\n", ["````\n```\n# b\n````\n", "c\n"]),
        ("~~~ yaml\n```\n~~~\nc", ["~~~ yaml\n```\n~~~\n", "c"]),
        ("```\nnever closed\n# b\n", ["```\nnever closed\n# b\n"]),
        ("> ```\n> # b\n> ```\nc\n", ["> ```\n> # b\n> ```\n", "c\n"]),
    ],
)
def test_a_fenced_block_is_one_piece(text: str, found: list[str]) -> None:
    assert blocks(text) == found
