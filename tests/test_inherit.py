"""Organisation defaults: which files a spec is laid over, what comes of it, and that each complaint names its file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devops_tasks.errors import UserError
from devops_tasks.fields import Tree, value_at
from devops_tasks.generate import plan_folder, with_defaults, write_folder
from devops_tasks.inherit import MOST_LAYERS
from devops_tasks.judge import judge_folder
from devops_tasks.reading import nearest_above
from devops_tasks.specfile import Loaded, load_spec, override, read_spec
from tests.bundles import renderer
from tests.command import devops_tasks
from tests.test_specfile import MINIMAL

DEFAULTS = ".devops-tasks.yaml"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a spec two folders down, and the folder that its names count from."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "teams/search").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


SPEC = Path("teams/search/spec.yaml")


def load(files: dict[str, str], *assignments: str) -> Loaded:
    for name, text in {str(SPEC): MINIMAL, **files}.items():
        Path(name).write_text(text, "utf-8")
    return load_spec(with_defaults(override(read_spec(SPEC), assignments)))


def told(files: dict[str, str], *assignments: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        load(files, *assignments)
    return [str(problem) for problem in caught.value.problems]


def at(loaded: Loaded, *path: str | int) -> Tree:
    return value_at(loaded.tree, path)


# Which files

CLOUD = "platform: {cloud: none}\n"


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("folder", ["teams/search", "teams", "."])
def test_a_file_above_the_spec_is_found(folder: str) -> None:
    loaded = load({f"{folder}/{DEFAULTS}": CLOUD})
    assert at(loaded, "platform", "cloud") == "none"
    assert loaded.source.layers == (os.path.normpath(f"{folder}/{DEFAULTS}"),)


@pytest.mark.usefixtures("repository")
def test_only_the_nearest_is_taken() -> None:
    loaded = load({DEFAULTS: CLOUD, f"teams/{DEFAULTS}": "platform: {pipeline: gitlab-ci}\n"})
    assert (at(loaded, "platform", "cloud"), at(loaded, "platform", "pipeline")) == ("aws", "gitlab-ci")


@pytest.mark.usefixtures("repository")
def test_the_nearest_can_extend_the_next() -> None:
    nearest = "extends: ../.devops-tasks.yaml\nplatform: {pipeline: gitlab-ci}\n"
    loaded = load({DEFAULTS: CLOUD, f"teams/{DEFAULTS}": nearest})
    assert (at(loaded, "platform", "cloud"), at(loaded, "platform", "pipeline")) == ("none", "gitlab-ci")
    assert loaded.source.layers == ("teams/.devops-tasks.yaml", ".devops-tasks.yaml")


@pytest.mark.usefixtures("repository")
def test_a_file_that_is_named_wins_over_one_that_would_be_found() -> None:
    named = "extends: ../web.yaml\n" + MINIMAL
    loaded = load({DEFAULTS: CLOUD, "teams/web.yaml": "platform: {pipeline: gitlab-ci}\n", str(SPEC): named})
    assert (at(loaded, "platform", "cloud"), at(loaded, "platform", "pipeline")) == ("aws", "gitlab-ci")


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("text", "assignments"), [("extends: none\n" + MINIMAL, ()), (MINIMAL, ("extends=none",))], ids=["spec", "--set"]
)
def test_the_word_none_takes_nothing(text: str, assignments: tuple[str, ...]) -> None:
    loaded = load({DEFAULTS: CLOUD, str(SPEC): text}, *assignments)
    assert at(loaded, "platform", "cloud") == "aws"
    assert loaded.source.layers == ()


@pytest.mark.usefixtures("repository")
def test_the_search_ends_at_the_root_of_the_repository() -> None:
    Path("teams/.git").touch()  # as in a worktree
    assert at(load({DEFAULTS: CLOUD}), "platform", "cloud") == "aws"


def test_the_search_ends_before_a_folder_in_which_everybody_may_write(repository: Path) -> None:
    (repository / DEFAULTS).write_text(CLOUD, "utf-8")
    repository.chmod(0o1777)
    assert nearest_above(SPEC, DEFAULTS) == ""
    repository.chmod(0o755)
    assert nearest_above(SPEC, DEFAULTS) == DEFAULTS
    assert nearest_above(SPEC.absolute(), DEFAULTS) == str(repository / DEFAULTS)
    assert nearest_above(Path("new/folder/spec.yaml"), DEFAULTS) == DEFAULTS


def test_a_spec_behind_a_link_has_the_folders_above_its_true_place(repository: Path) -> None:
    Path("elsewhere/search").mkdir(parents=True)
    Path("elsewhere/.git").mkdir()
    Path("link").symlink_to("elsewhere/search")
    (repository / DEFAULTS).write_text(CLOUD, "utf-8")
    assert nearest_above(Path("link/spec.yaml"), DEFAULTS) == ""


@pytest.mark.usefixtures("repository")
def test_a_file_of_defaults_is_no_default_of_itself() -> None:
    Path(DEFAULTS).write_text(MINIMAL, "utf-8")
    assert with_defaults(read_spec(Path(DEFAULTS))).layers == ()


# What cannot be read


def chain(length: int) -> dict[str, str]:
    links = {f"teams/search/{each}.yaml": f"extends: {each + 1}.yaml\n" for each in range(length - 1)}
    return {**links, f"teams/search/{length - 1}.yaml": CLOUD, str(SPEC): f"{MINIMAL}extends: 0.yaml\n"}


@pytest.mark.usefixtures("repository")
def test_as_many_files_as_the_limit_are_read() -> None:
    assert at(load(chain(MOST_LAYERS)), "platform", "cloud") == "none"
    (message,) = told(chain(MOST_LAYERS + 1))
    assert message == (
        "teams/search/9.yaml:1:1: extends: more than 10 files of defaults, one above the other"
        " (take some of them together)"
    )


MEND = "(take one of the extends out)"
CIRCLE = (str(SPEC), f"teams/{DEFAULTS}", "teams/a.yaml", f"teams/{DEFAULTS}")
EXPECTED = "extends: expected a relative path such as ../platform-defaults.yaml, or none"
UNUSABLE: dict[str, tuple[dict[str, str], list[str]]] = {
    "a file that is not there": (
        {str(SPEC): MINIMAL + "extends: ../x.yaml\n"},
        ["teams/search/spec.yaml:11:1: extends: teams/x.yaml: no such file (name another file)"],
    ),
    "a folder": (
        {str(SPEC): MINIMAL + "extends: ..\n"},
        ["teams/search/spec.yaml:11:1: extends: teams: is a folder, not a file (name another file)"],
    ),
    "the spec itself": (
        {str(SPEC): MINIMAL + "extends: spec.yaml\n"},
        [f"{SPEC}:11:1: extends: the defaults go round in a circle: {SPEC} -> {SPEC} (take one of the extends out)"],
    ),
    "a circle of three": (
        {f"teams/{DEFAULTS}": "extends: a.yaml\n", "teams/a.yaml": "# b\nextends: ../teams/.devops-tasks.yaml\n"},
        [f"{CIRCLE[2]}:2:1: extends: the defaults go round in a circle: {' -> '.join(CIRCLE)} {MEND}"],
    ),
    "no YAML": (
        {DEFAULTS: "platform: {cloud: none\n"},
        [".devops-tasks.yaml:1:11: a group in { } that is not closed, or lacks a comma (close it, or add the comma)"],
    ),
    "too large": (
        {DEFAULTS: "#" * 1_000_001},
        ["teams/search/spec.yaml: .devops-tasks.yaml: larger than 1000000 bytes (name another file)"],
    ),
    "a path that is none": (
        {str(SPEC): MINIMAL + "extends: /etc/hosts\n", DEFAULTS: CLOUD},
        [f"{SPEC}:11:1: {EXPECTED}, found '/etc/hosts'"],
    ),
    "a list": (
        {str(SPEC): MINIMAL + "extends: [a.yaml]\n"},
        [f"{SPEC}:11:1: {EXPECTED}, found a list"],
    ),
}


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(("files", "messages"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_inherited_is_told_where_it_is_named(files: dict[str, str], messages: list[str]) -> None:
    assert told(files) == messages


# What comes of it


def merged(low: str, high: str, *path: str | int) -> Tree:
    return at(load({DEFAULTS: low, str(SPEC): MINIMAL + high}), *path)


SERVICES = "services:\n  - {name: api, port: 80, config: {A: a, B: b}, writable: [/a, /b], production: {cpu: 4}}\n"
MERGED: dict[str, tuple[str, str, tuple[str | int, ...], Tree]] = {
    "a group, key by key": (SERVICES, "services: [{name: api, port: 81}]\n", ("services", 0, "user"), "10001"),
    "a value that is written": (SERVICES, "services: [{name: api, port: 81}]\n", ("services", 0, "port"), "81"),
    "a value that is not": (SERVICES, "services: [{name: api}]\n", ("services", 0, "port"), "80"),
    "things by their names": (
        "external_services: [{name: pay, port: 1}, {name: mail, port: 2}]\n",
        "external_services: [{name: maps}, {name: pay, host: a.b}]\n",
        ("external_services",),
        [{"name": "pay", "port": "1", "host": "a.b"}, {"name": "mail", "port": "2"}, {"name": "maps", "port": "443"}],
    ),
    "tasks by their ids": (
        "tasks: [{id: DO-002, points: 8, owner: Kim}]\n",
        "tasks: [{id: DO-002, points: 5}]\n",
        ("tasks",),
        [{"id": "DO-002", "points": "5", "owner": "Kim"}],
    ),
    "alerts by metric, service and severity": (
        "alerts: [{metric: latency_p95, above: 1s}, {metric: latency_p95, above: 5s, severity: info}]\n",
        "alerts: [{metric: latency_p95, for: 9m, severity: critical}, {metric: cpu_utilization, skip: true}]\n",
        ("alerts",),
        [
            {"metric": "latency_p95", "above": "1s", "for": "9m", "severity": "critical"},
            {"metric": "latency_p95", "above": "5s", "severity": "info"},
            {"metric": "cpu_utilization", "skip": "true"},
        ],
    ),
    "criteria by their metrics": (
        "rollback: {criteria: [{metric: latency_p95, above: 1s}, {metric: error_ratio, above: 3%}]}\n",
        "rollback: {criteria: [{metric: error_ratio, for: 1m}]}\n",
        ("rollback", "criteria", 1),
        {"metric": "error_ratio", "above": "3%", "for": "1m"},
    ),
    "a map, name by name": (
        SERVICES,
        "services: [{name: api, config: {B: c, A: null}}]\n",
        ("services", 0, "config"),
        {"B": "c"},
    ),
    "a plain list, as a whole": (
        SERVICES,
        "services: [{name: api, writable: [/c]}]\n",
        ("services", 0, "writable"),
        ["/c"],
    ),
    "things without a name, as a whole": (
        "dependencies: {blockers: [{who: A, what: a}, {who: B, what: b}]}\n",
        "dependencies: {blockers: [{who: B, what: c}]}\n",
        ("dependencies", "blockers"),
        [{"who": "B", "what": "c"}],
    ),
    "a group in place of a word": (
        SERVICES,
        "services: [{name: api, production: {cpu: {limit: 2, request: 1}}}]\n",
        ("services", 0, "production", "cpu"),
        {"limit": "2", "request": "1"},
    ),
    "a word in place of a list": (
        "external_services: [{name: pay}]\n",
        "external_services: none\n",
        ("external_services",),
        [],
    ),
    "a key without a value": (CLOUD, "platform: {cloud: null}\n", ("platform", "cloud"), "aws"),
    "a group without a value": (CLOUD, "platform:\n", ("platform", "cloud"), "aws"),
    "a list without a value": (SERVICES, "services: null\n", ("services", 0, "port"), "3000"),
    "a value over one that was taken out": ("platform:\n", CLOUD, ("platform", "cloud"), "none"),
}


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(("low", "high", "path", "value"), MERGED.values(), ids=MERGED.keys())
def test_a_spec_is_laid_over_its_defaults(low: str, high: str, path: tuple[str | int, ...], value: Tree) -> None:
    assert merged(low, high, *path) == value


@pytest.mark.usefixtures("repository")
def test_a_required_key_can_come_from_the_defaults() -> None:
    without = MINIMAL.replace('sprint:\n  name: "24"\n', "")
    assert at(load({DEFAULTS: "sprint: {name: 25}\n", str(SPEC): without}), "sprint", "name") == "25"


# Where a fault is

PLACES: dict[str, tuple[str, str, list[str]]] = {
    "a value of the defaults": (
        "# ours\nplatform:\n  cloud: azur\n",
        "platform: {routing: ingres}\n",
        [
            ".devops-tasks.yaml:3:3: platform.cloud: expected one of aws, none, found 'azur'",
            "teams/search/spec.yaml:11:12: platform.routing: expected one of gateway-api, ingress, found 'ingres'",
        ],
    ),
    "an item that moved": (
        "external_services: [{name: pay}]\n",
        "external_services: [{name: maps, port: x}, {name: pay, port: y}]\n",
        [
            "teams/search/spec.yaml:11:34: external_services[1].port: expected a whole number",
            "teams/search/spec.yaml:11:56: external_services[0].port: expected a whole number",
        ],
    ),
    "a key that is missing in an item of the defaults": (
        "caches:\n  - {port: 1}\n",
        "caches: [{name: a}]\n",
        [
            ".devops-tasks.yaml:2:5: caches[0].name: required: The cache's name",
        ],
    ),
    "what an alias stands for": (
        "x: &x {port: 0}\ncaches: [{name: a, staging: *x}]\n",
        "",
        [
            ".devops-tasks.yaml:1:1: x: unknown key",
            ".devops-tasks.yaml:2:20: caches[0].staging.port: unknown key (did you mean caches[0].port?)",
        ],
    ),
    "a contradiction between both files": (
        "delivery: {steps: [50%, 100%]}\n",
        "platform: {routing: ingress}\n",
        [
            ".devops-tasks.yaml:1:12: delivery.steps",
        ],
    ),
    "a name that is twice in one file": (
        "caches: [{name: a}]\n",
        "caches: [{name: a}, {name: a}]\n",
        ["teams/search/spec.yaml:11:22: caches[1].name: 'a' is there twice (item 1 of this list is the other)"],
    ),
    "a value that the spec has overridden": ("platform: {cloud: azur}\n", "platform: {cloud: aws, x: 1}\n", [
        "teams/search/spec.yaml:11:24: platform.x: unknown key",
    ]),
}  # fmt: skip


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(("low", "high", "messages"), PLACES.values(), ids=PLACES.keys())
def test_a_fault_is_told_in_the_file_that_it_came_from(low: str, high: str, messages: list[str]) -> None:
    found = told({DEFAULTS: low, str(SPEC): MINIMAL + high})
    assert [text[: len(message)] for text, message in zip(found, messages, strict=True)] == messages


@pytest.mark.usefixtures("repository")
def test_an_option_is_told_as_itself_and_wins() -> None:
    assert at(load({DEFAULTS: CLOUD}, "platform.cloud=aws"), "platform", "cloud") == "aws"
    assert told({DEFAULTS: CLOUD}, "platform.cloud=x")[0].startswith("--set platform.cloud: platform.cloud: expected")


# The commands


def test_a_bundle_is_checked_alone_far_from_its_defaults(repository: Path) -> None:
    loaded = load({DEFAULTS: CLOUD})
    folder = repository / "bundle"
    write_folder(*plan_folder(renderer(), loaded, folder))
    Path(DEFAULTS).unlink()
    assert judge_folder(folder).problems == []
    lock = (folder / ".devops-tasks/lock.json").read_text("utf-8")
    assert '"cloud": "none"' in lock
    assert "extends" not in lock


@pytest.mark.usefixtures("repository")
def test_a_new_feature_takes_the_defaults_of_its_new_place() -> None:
    Path(DEFAULTS).write_text("platform: {pipeline: gitlab-ci}\n", "utf-8")
    SPEC.write_text(MINIMAL, "utf-8")
    Path("teams/.git").touch()
    for name in ("teams/inner", "outer"):
        assert devops_tasks("new", name, SPEC).code == 0
    first_lines = [Path(name, "devops/delivery/pipeline.yml").read_text("utf-8") for name in ("teams/inner", "outer")]
    assert [".gitlab-ci.yml" in text for text in first_lines] == [False, True]
    assert devops_tasks("generate", "outer/devops/devops-tasks.yaml", "--check").code == 0


@pytest.mark.usefixtures("repository")
def test_a_spec_that_is_asked_for_says_what_was_answered_and_inherits_the_rest() -> None:
    Path(DEFAULTS).write_text("services: [{name: shop-api, port: 80}]\nsprint: {capacity: 20}\n", "utf-8")
    answers = ("feature.name=Shop", "feature.engineer=@kim", "sprint.name=24", "experiment.hypothesis=It helps",
               "experiment.primary_metric.name=Sales", "experiment.primary_metric.target=+5%")  # fmt: skip
    given = (*answers, "services=[{name: shop-api, port: 3000}]")
    done = devops_tasks("init", "spec.yaml", "--no-input", *(word for each in given for word in ("--set", each)))
    assert done.code == 0, done.err
    loaded = load_spec(with_defaults(read_spec(Path("spec.yaml"))))
    assert (at(loaded, "services", 0, "port"), at(loaded, "sprint", "capacity")) == ("3000", "20")
    assert devops_tasks("generate", "spec.yaml", "--check").code == 0
