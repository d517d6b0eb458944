"""Where each value comes from: what is told is what the loading itself did, down to the line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devops_tasks.explain import explain, origin_lines
from devops_tasks.fields import Tree, value_at
from devops_tasks.generate import with_defaults
from devops_tasks.specfile import Loaded, load_spec, override, read_spec
from tests.bundles import EXAMPLES, load_example
from tests.command import devops_tasks
from tests.test_specfile import MINIMAL

DEFAULTS = """\
platform:
  cloud: none
services:
  - name: api
    port: 80
    staging: {cpu: 500m}
external_services: none
overview: {compliance: [GDPR, SOC 2]}
"""
SPEC = MINIMAL + "services: [{name: api, config: {A: a}, production: {cpu: {}}}, {name: web}]\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".git").mkdir()
    Path(".devops-tasks.yaml").write_text(DEFAULTS, "utf-8")
    Path("spec.yaml").write_text(SPEC, "utf-8")


def load(*assignments: str) -> Loaded:
    return load_spec(with_defaults(override(read_spec(Path("spec.yaml")), assignments)))


TOLD = {
    "feature.name": "feature.name: Saved Reports  # spec.yaml:2:3",
    "feature.slug": "feature.slug: saved-reports  # computed: the name, in lower-case letters, digits and '-'",
    "sprint.starts": "sprint.starts:  # undecided: The sprint's first day",
    "platform.cloud": "platform.cloud: none  # .devops-tasks.yaml:2:3",
    "platform.pipeline": "platform.pipeline: gitlab-ci  # --set platform.pipeline",
    "platform.routing": "platform.routing: gateway-api  # default",
    "services[0].name": "services[0].name: api  # spec.yaml:11:13",
    "services[0].port": "services[0].port: 80  # .devops-tasks.yaml:5:5",
    "services[1].port": "services[1].port: 3000  # default",
    "services[0].health.port": "services[0].health.port: 80  # computed: the service's port",
    "services[0].config.A": "services[0].config.A: a  # spec.yaml:11:33",
    "services[0].staging.cpu.limit": "services[0].staging.cpu.limit: 500m  # .devops-tasks.yaml:6:15",
    "services[0].staging.cpu.request": "services[0].staging.cpu.request: 500m  # computed: the limit",
    "services[0].production.cpu.limit": "services[0].production.cpu.limit: 2  # default",
    "databases[0].name": "databases[0].name: saved-reports-db  # computed: one PostgreSQL, <slug>-db",
    "databases[0].engine": "databases[0].engine: postgresql  # default",
    "external_services": "external_services: []  # .devops-tasks.yaml:7:1",
    "overview.compliance": "overview.compliance: [GDPR, SOC 2]  # .devops-tasks.yaml:8:12",
    "services[0].migrate": "services[0].migrate:  # not given",
    "queues": "queues: []  # default",
}  # fmt: skip


@pytest.mark.parametrize(("key", "line"), TOLD.items(), ids=TOLD.keys())
def test_a_value_is_told_with_its_origin(key: str, line: str) -> None:
    assert list(origin_lines(explain(load("platform.pipeline=gitlab-ci"), key))) == [line]


def test_a_key_of_all_items_or_a_group_gives_all_that_is_below_it() -> None:
    loaded = load()
    assert [each.key for each in explain(loaded, "services[].port")] == ["services[0].port", "services[1].port"]
    below = [each.key for each in explain(loaded, "sprint")]
    assert below == ["sprint.name", "sprint.starts", "sprint.ends", "sprint.capacity"]


def leaves(tree: Tree) -> int:
    if isinstance(tree, dict):  # an empty one may be a group in which nothing is decided
        return sum(map(leaves, tree.values()))
    records = isinstance(tree, list) and tree and isinstance(tree[0], dict)
    return sum(map(leaves, tree)) if records else 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_value_of_the_complete_spec_is_told_once_and_as_it_stands(name: str) -> None:
    loaded = load_example(name)
    origins = [each for each in explain(loaded) if each.source != "undecided"]
    assert len({each.path for each in origins}) == len(origins)
    assert sum(each.value != {} for each in origins) == leaves(loaded.tree)
    assert all(each.value == value_at(loaded.tree, each.path) for each in origins)
    assert all(each.doc for each in origins if each.source == "computed")


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_written_value_stands_where_it_is_told(name: str) -> None:
    loaded = load_example(name)
    lines = Path(loaded.source.where).read_text("utf-8").splitlines()
    written = [each for each in explain(loaded) if each.source == "file" and isinstance(each.path[-1], str)]
    assert written
    for each in written:
        rest = lines[each.place.line - 1][each.place.column - 1 :]
        words = [str(step) for step in each.path if isinstance(step, str)][
            -2:
        ]  # the group's, where a word stands for it
        assert rest.startswith(tuple(f"{word}:" for word in words)), each


def test_a_key_that_is_not_there_is_told_with_the_nearest() -> None:
    done = devops_tasks("explain", "spec.yaml", "services[0].prt")
    assert (done.code, done.err) == (2, "services[0].prt: there is no such key (did you mean services[].port?)\n")


def test_the_command_prints_lines_or_json() -> None:
    assert (
        devops_tasks("explain", "spec.yaml", "platform.cloud").out == "platform.cloud: none  # .devops-tasks.yaml:2:3\n"
    )
    document = json.loads(devops_tasks("explain", "spec.yaml", "platform.cloud", "--json").out)
    value = {"key": "platform.cloud", "value": "none", "from": "file", "told": None}
    assert document == {"values": [{**value, "file": ".devops-tasks.yaml", "line": 2, "column": 3}], "errors": []}


def test_a_spec_with_faults_is_told_as_generate_tells_it() -> None:
    Path(".devops-tasks.yaml").write_text("platform: {cloud: azur}\n", "utf-8")
    done = devops_tasks("explain", "spec.yaml", "--json")
    (error,) = json.loads(done.out)["errors"]
    assert (done.code, error["file"], error["line"], error["key"]) == (2, ".devops-tasks.yaml", 1, "platform.cloud")
