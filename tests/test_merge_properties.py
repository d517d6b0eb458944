"""Whatever a person does to a bundle and whatever becomes of its spec: nothing is lost, and a second run is idle."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from pathlib import Path

import pytest

from devops_tasks.errors import ConflictError, UserError
from devops_tasks.generate import plan_folder, write_folder
from devops_tasks.merge import QUIET, Resolve
from devops_tasks.runs import Report
from tests.bundles import load_example, renderer
from tests.person import Person

SEEDS = range(int(os.environ.get("PEOPLE", "8")))

CHANGES = (
    "sprint.name=25",
    "sprint.capacity=40",
    "feature.engineer='@sam'",
    "feature.name=Kept Reports",
    "experiment.hypothesis=We believe in something else entirely",
    "delivery.steps=[20%, 100%]",
    "delivery.pause=7m",
    "alerts=[{metric: latency_p95, above: 300ms, for: 9m}]",
    "alerts=[{metric: cpu_utilization, skip: true}]",
    "rollback.criteria=[{metric: error_ratio, above: 3%, for: 4m}]",
    "tasks=[{id: DO-002, points: 1, title: Configure another pipeline}]",
    "tasks=[{id: DO-003, skip: true}, {id: DO-008, skip: true}]",
    "tasks=[{id: DO-001, priority: optimization}, {id: DO-011, title: New work, points: 3, priority: critical}]",
    "databases=[]",
    "caches=[]",
    "services[0].production.replicas=5",
    "services[0].port=8080",
    "platform.pipeline=gitlab-ci",
    "platform.monitoring=prometheus-operator",
    "overview.compliance=[GDPR, SOC2]",
    "risks=[{risk: Rain, probability: low, impact: low, mitigation: Umbrella}]",
    "document.fidelity=brief",
)


def _assignments(chance: random.Random, name: str) -> list[str]:
    """Choose some changes that go together, and with the example."""
    while True:
        chosen = {change.partition("=")[0]: change for change in chance.sample(CHANGES, chance.randrange(1, 5))}
        with suppress(UserError):
            load_example(name, *chosen.values())
            return list(chosen.values())


def _generate(folder: Path, name: str, assignments: list[str], resolve: Resolve = "refuse") -> Report:
    loaded = load_example(name, *assignments)
    return write_folder(*plan_folder(renderer(), loaded, folder, "2026-12-01", resolve))


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_that_a_person_did_is_lost(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    name = chance.choice(("minimal", "saved-reports", "checkout"))
    _generate(tmp_path, name, [])
    person = Person(tmp_path, seed)
    for _ in range(3):
        person.work(chance.randrange(2, 10))
        before = _tree(tmp_path)
        assignments = _assignments(chance, name)
        try:
            _generate(tmp_path, name, assignments)
        except ConflictError:
            assert _tree(tmp_path) == before, "a conflict writes nothing"
            _generate(tmp_path, name, assignments, "ours")
        assert person.lost() == []
        assert person.ticked() == person.ticks
        assert not any((tmp_path / path).exists() for path in person.deleted)
        after = _tree(tmp_path)
        again = _generate(tmp_path, name, assignments)
        assert {change.action for change in again.changes} <= QUIET
        assert _tree(tmp_path) == after


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_what_nobody_edited_is_what_the_spec_makes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    assignments = _assignments(chance, "saved-reports")
    edited, fresh = tmp_path / "edited", tmp_path / "fresh"
    _generate(edited, "saved-reports", [])
    person = Person(edited, seed)
    person.work(6)
    _generate(edited, "saved-reports", assignments, "ours")
    _generate(fresh, "saved-reports", assignments)
    mine = {*person.words.values(), *person.deleted, "tasks.md"}
    ticked = {path for path, content in _tree(edited).items() if b"[x]" in content}
    wanted, found = _tree(fresh), _tree(edited)
    untouched = wanted.keys() - mine - ticked - {".devops-tasks/base", ".devops-tasks/lock.json"}
    assert len(untouched) > len(wanted) / 2
    assert {path: found[path] for path in untouched} == {path: wanted[path] for path in untouched}
