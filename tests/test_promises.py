"""Promise over the whole bundle: one number is one number."""

import re
from decimal import Decimal
from typing import Any

import yaml
from hypothesis import given, settings, strategies as st

from devops_tasks.fields import Tree
from devops_tasks.plan import plan_bundle
from devops_tasks.render import Files, Renderer, templates_folder
from devops_tasks.specfile import Source, load_spec
from tests.trees import full_tree

PLAIN = "plain words"
OPERATION = "operations/of-the-team.md"
RENDERER = Renderer(templates_folder())


def _bundle(tree: Tree) -> Files:
    """Render a spec; the page of its one custom operation, which is named after free text, gets a name of its own."""
    plan = plan_bundle(load_spec(Source("spec.yaml", tree, {})).spec)
    custom = f"operations/{plan['operation_rows'][0]['name']}.md"
    files = {path: text.replace(custom, OPERATION) for path, text in RENDERER.render(plan).items()}
    return {path.replace(custom, OPERATION): text for path, text in files.items()}


class _Loader(yaml.SafeLoader):
    """Knows the short forms of CloudFormation's functions."""


_Loader.add_multi_constructor("!", lambda _loader, name, node: {name: node.value})


def _yaml(text: str) -> list[Any]:
    return list(yaml.load_all(text, Loader=_Loader))


DURATIONS = st.integers(1, 90).map(lambda minutes: f"{minutes}m")
PERCENT = st.decimals("0.1", "99", places=1).map(lambda value: f"{value.normalize():f}%")


@st.composite
def _thresholds(draw: st.DrawFn) -> dict[str, str]:
    milliseconds = draw(st.integers(1, 9_000))
    return {
        "latency_p95": f"{milliseconds}ms",
        "error_ratio": draw(PERCENT),
        "memory_utilization": draw(PERCENT),
        "for": draw(DURATIONS),
    }


def _exact(text: str) -> Decimal:
    factor = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "%": Decimal("0.01"), "h": Decimal(3600)}
    number, unit = re.fullmatch(r"([\d.]+)(\D*)", text).groups()  # type: ignore[union-attr]
    return Decimal(number) * factor.get(unit, Decimal(1))


@settings(max_examples=20)
@given(_thresholds())
def test_every_threshold_is_the_same_number_in_rule_table_and_runbook(thresholds: dict[str, str]) -> None:
    tree = full_tree(PLAIN)
    metrics = [metric for metric in thresholds if metric != "for"]
    tree["alerts"] = [{"metric": metric, "above": thresholds[metric], "for": thresholds["for"]} for metric in metrics]
    files = _bundle(tree)
    rules = [rule for group in _yaml(files["monitoring/alert-rules.yml"])[0]["groups"] for rule in group["rules"]]
    for metric in metrics:
        named = [rule for rule in rules if rule["labels"].get("metric") == metric and "guardrail" not in rule["labels"]]
        assert named, metric
        for rule in named:
            assert _exact(rule["for"]) == _exact(thresholds["for"])
            page = files[f"runbooks/alerts/{rule['alert']}.md"]
            assert any(
                _exact(number) == _exact(thresholds[metric]) for number in re.findall(r"\b[\d.]*\d(?:ms|s|%)", page)
            )
