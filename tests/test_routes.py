"""The rules of an HTTPRoute's definition that no schema has: each is broken and found, and our routes break none."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from devops_tasks.errors import UserError
from tests.bundles import example, load_text, render_bundle
from tests.manifests import objects
from tests.routes import route_findings
from tests.specs import MINIMAL

if TYPE_CHECKING:
    from collections.abc import Callable

ROUTE: dict[str, Any] = yaml.safe_load("""
spec:
  parentRefs: [{name: a, namespace: n}, {name: a, namespace: m}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /a.b/c}}, {path: {type: Exact, value: /}}]
      backendRefs: [{name: blue, port: 80}, {name: other, kind: Other, group: x.io}]
""")


def path(value: str, kind: str = "PathPrefix") -> Callable[[Any], object]:
    return lambda spec: spec["rules"][0]["matches"][0].update(path={"type": kind, "value": value})


def parent(**more: str) -> Callable[[Any], object]:
    return lambda spec: spec["parentRefs"].append({"name": "a", "namespace": "n"} | more)


BROKEN: dict[str, tuple[Callable[[Any], object], list[str]]] = {
    "a backend without a port": (lambda spec: spec["rules"][0]["backendRefs"][0].pop("port"), ["no port"]),
    "two references to one parent": (parent(), ["no section"]),
    "one of them with a section": (parent(sectionName="x"), ["no section"]),
    "a path without its slash": (path("a"), ["relative path"]),
    "two slashes": (path("/a//b"), ["steps of path"]),
    "a step up": (path("/a/../b"), ["steps of path"]),
    "a step up at the end": (path("/a/.."), ["steps of path"]),
    "a step nowhere": (path("/a/./b"), ["steps of path"]),
    "a step nowhere at the end": (path("/a/."), ["steps of path"]),
    "an escaped slash": (path("/a%2Fb"), ["steps of path"]),
    "a space": (path("/a b"), ["characters of path"]),
    "a type that nobody knows": (path("/", "Prefix"), ["type of path"]),
    "more matches than a route may have": (
        lambda spec: spec["rules"].extend({"matches": [{}] * 64} for _ in range(2)),
        ["too many matches"],
    ),
    "a timeout": (lambda spec: spec["rules"][0].update(timeouts={"request": "1s"}), ["unknown here: timeouts"]),
}


@pytest.mark.parametrize(("change", "names"), BROKEN.values(), ids=BROKEN)
def test_a_route_that_breaks_a_rule_is_found(change: Callable[[Any], object], names: list[str]) -> None:
    assert route_findings(ROUTE) == []
    route = deepcopy(ROUTE)
    change(route["spec"])
    assert route_findings(route) == names


def test_two_sections_of_one_parent_must_differ() -> None:
    route = deepcopy(ROUTE)
    route["spec"]["parentRefs"] = [{"name": "a", "sectionName": "x"}, {"name": "a", "sectionName": "y"}]
    assert route_findings(route) == []
    route["spec"]["parentRefs"][1]["sectionName"] = "x"
    assert route_findings(route) == ["the same section"]


@pytest.mark.parametrize("rollout", ["kubernetes", "argo-rollouts"])
@pytest.mark.parametrize("name", ["minimal", "saved-reports", "checkout"])
def test_the_routes_of_the_examples_break_no_rule(name: str, rollout: str) -> None:
    files = example(name, f"platform.rollout={rollout}")
    routes = [each for path, text in files.items() if path.startswith("delivery/traffic/") for each in objects(text)]
    found = [each for each in routes if each["kind"] == "HTTPRoute"]
    assert found
    assert [name for each in found for name in route_findings(each)] == []


PATHS = ("/a//b", "//", "/a/..", "/../a", "/./", "/a/.", "/..a/b", "/a..b", "/.well-known", "/a/", "/", "/...", "/a./b")


@pytest.mark.parametrize("value", PATHS)
def test_a_public_path_is_taken_as_far_as_a_route_may_have_it(value: str) -> None:
    text = f"{MINIMAL}services: [{{name: a, path: '{value}'}}]\n"
    if route_findings({"spec": {"rules": [{"matches": [{"path": {"value": value}}]}]}}):
        with pytest.raises(UserError, match="without '//' and without the steps"):
            load_text(text)
    else:
        assert f"value: {value}\n" in render_bundle(load_text(text))["delivery/traffic/green-000.yml"]
