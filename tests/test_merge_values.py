"""YAML and JSON are merged by what they say: a clean merge of lines that says something else is never taken."""

from __future__ import annotations

import json

import pytest
import yaml

from devops_tasks.merge.texts import Conflict, Merged, Policy
from devops_tasks.merge.values import merge_json, merge_yaml, parse_yaml

RULES = """\
# Alerts of the service.
groups:
  - name: api
    rules:
      - alert: Slow
        expr: latency > 0.5
        for: 5m
      - alert: Failing
        expr: errors > 0.02
        for: 5m
"""


def _where(merged: Merged) -> list[tuple[str, str, str]]:
    return [conflict[:3] for conflict in merged.conflicts]


def _value(text: str) -> object:
    return yaml.safe_load(text)


@pytest.mark.parametrize(
    ("disk", "new"),
    [
        pytest.param(("for: 5m\n      - alert: F", "for: 7m\n      - alert: F"), ("> 0.02", "> 0.03"), id="two alerts"),
        pytest.param(("for: 5m\n      - alert: F", "for: 7m\n      - alert: F"), ("> 0.5", "> 0.6"), id="neighbours"),
        pytest.param(("# Alerts", "# My alerts"), ("> 0.5", "> 0.6"), id="a remark"),
        pytest.param(
            ("        for: 5m\n      - alert: F", "        for: 5m\n        labels: {team: us}\n      - alert: F"),
            ("> 0.5", "> 0.6"),
            id="a key that a person added",
        ),
        pytest.param(
            ("> 0.02", "> 0.04"),
            (
                "      - alert: Failing",
                "      - alert: Down\n        expr: up == 0\n        for: 5m\n      - alert: Failing",
            ),
            id="an item before the one that a person edited",
        ),
    ],
)
def test_both_changes_are_in_the_result(disk: tuple[str, str], new: tuple[str, str]) -> None:
    merged = merge_yaml(RULES, RULES.replace(*disk), RULES.replace(*new))
    assert merged == Merged(RULES.replace(*disk).replace(*new))


@pytest.mark.parametrize(
    ("disk", "merged"),
    [
        pytest.param("        # nights\n        for: 5m\n", "        # nights\n        for: 9m\n", id="above"),
        pytest.param("        for: 5m\n        # nights\n", "        for: 9m\n        # nights\n", id="below"),
        pytest.param("        for: 5m  # nights\n", "        for: 9m  # nights\n", id="behind"),
        pytest.param(
            "        for: 5m  # as long as the team on call has asked for\n",
            "        for: 9m  # as long as the team on call has asked for\n",
            id="at length",
        ),
    ],
)
def test_a_remark_stays_beside_a_value_that_the_spec_changed(disk: str, merged: str) -> None:
    last = "        for: 5m\n      - alert: Failing\n"
    tail = "      - alert: Failing\n"
    done = merge_yaml(RULES, RULES.replace(last, disk + tail), RULES.replace(last, last.replace("5", "9")))
    assert done == Merged(RULES.replace(last, merged + tail))


def test_a_remark_for_which_there_is_no_place_is_a_conflict_and_never_dropped() -> None:
    last = "a:\n  b: 1\n  c: 2\n"
    disk = "a:\n  b: 1  # why this is so, at some length, and who has said it\n  c: 2\n"
    done = merge_yaml(last, disk, "a: {b: 3, c: 4}\n")
    assert "who has said it" in done.text
    assert done.conflicts
    gone = merge_yaml(last, disk, "a:\n  c: 2\n")
    assert "who has said it" in gone.text
    assert gone.conflicts
    assert merge_yaml(last, last, "a:\n  c: 2\n") == Merged("a:\n  c: 2\n")


def test_a_change_does_not_land_in_the_item_that_stands_there_now() -> None:
    """By lines this is clean: the five minutes that were changed stand where another alert has five minutes now."""
    edited = RULES.replace("for: 5m\n      - alert: F", "for: 7m\n      - alert: F")
    renamed = RULES.replace("alert: Slow", "alert: Asleep")
    merged = merge_yaml(RULES, edited, renamed)
    assert [where for where, _, _ in _where(merged)] == ["groups[api].rules[Slow]"]


def test_a_key_that_both_added_is_not_there_twice() -> None:
    disk = RULES.replace("  - name: api\n", "  - name: api\n    interval: 1m\n")
    new = RULES + "    interval: 2m\n"
    assert _where(merge_yaml(RULES, disk, new)) == [("groups[api].interval", "1m", "2m")]
    assert merge_yaml(RULES, disk, RULES + "    interval: 1m\n") == Merged(disk)


@pytest.mark.parametrize(
    ("disk", "new", "conflict"),
    [
        pytest.param(("> 0.5", "> 0.6"), ("> 0.5", "> 0.7"), ("expr", "latency > 0.6", "latency > 0.7"), id="a value"),
        pytest.param(
            ("> 0.5\n        for: 5m", "> 0.5"), ("for: 5m", "for: 9m"), ("for", "nothing", "9m"), id="removed here"
        ),
        pytest.param(
            ("for: 5m", "for: 9m"), ("> 0.5\n        for: 5m", "> 0.5"), ("for", "9m", "nothing"), id="removed there"
        ),
    ],
)
def test_a_conflict_has_the_path_of_its_key(
    disk: tuple[str, str], new: tuple[str, str], conflict: tuple[str, str, str]
) -> None:
    merged = merge_yaml(RULES, RULES.replace(*disk, 1), RULES.replace(*new, 1))
    key, mine, yours = conflict
    assert _where(merged) == [(f"groups[api].rules[Slow].{key}", mine, yours)]


@pytest.mark.parametrize(("policy", "value"), [("ours", "0.6"), ("theirs", "0.7")])
def test_a_side_can_be_taken_and_the_other_changes_stay(policy: Policy, value: str) -> None:
    disk = RULES.replace("> 0.5", "> 0.6").replace("# Alerts", "# My alerts")
    merged = merge_yaml(RULES, disk, RULES.replace("> 0.5", "> 0.7").replace("> 0.02", "> 0.03"), policy)
    assert merged.text == disk.replace("> 0.6", f"> {value}").replace("> 0.02", "> 0.03")


def test_markers_stand_in_the_text() -> None:
    merged = merge_yaml(RULES, RULES.replace("> 0.5", "> 0.6"), RULES.replace("> 0.5", "> 0.7"))
    assert (
        "<<<<<<< on disk\n        expr: latency > 0.6\n=======\n        expr: latency > 0.7\n>>>>>>> generated\n"
        in merged.text
    )


OBJECTS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: x}
data:
  LEVEL: info
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b, namespace: x}
data:
  LEVEL: info
"""


def test_objects_are_told_apart_by_kind_namespace_and_name() -> None:
    first, second = OBJECTS.split("---\n")
    edited = f"{first}---\n{second.replace('info', 'debug')}"
    merged = merge_yaml(OBJECTS, edited, second.replace("LEVEL: info", "LEVEL: info\n  COLOUR: red"))
    assert merged.conflicts == ()
    assert [document["data"] for document in yaml.safe_load_all(merged.text)] == [{"LEVEL": "debug", "COLOUR": "red"}]
    merged = merge_yaml(OBJECTS, edited, OBJECTS.replace("LEVEL: info", "LEVEL: warn"))
    assert _where(merged) == [("ConfigMap x/b.data.LEVEL", "debug", "warn")]


def test_scalars_are_compared_as_they_are_written() -> None:
    assert merge_yaml("v: 1.3\n", "v: 1.30\n", "v: 1.3\n").text == "v: 1.30\n"
    assert _where(merge_yaml("v: 1.3\n", "v: 1.30\n", "v: 1.300\n")) == [("v", "1.30", "1.300")]


@pytest.mark.parametrize(
    ("last", "disk", "new", "items"),
    [
        pytest.param("[a, b]", "[a, b, c]", "[z, a, b]", ["z", "a", "b", "c"], id="added at both ends"),
        pytest.param("[a, b]", "[b]", "[a, b, c]", ["b", "c"], id="removed and added"),
        pytest.param("[a, b]", "[a, x]", "[a, y]", None, id="one item changed by both"),
    ],
)
def test_lists_without_names_are_merged_in_their_order(last: str, disk: str, new: str, items: list[str] | None) -> None:
    texts = ["".join(f"- {item}\n" for item in text[1:-1].split(", ")) for text in (last, disk, new)]
    merged = merge_yaml(*texts)  # type: ignore[arg-type]
    if items is None:
        assert merged.conflicts
    else:
        assert (_value(merged.text), merged.conflicts) == (items, ())


def test_a_text_that_is_broken_is_merged_by_its_lines() -> None:
    broken = RULES.replace("groups:", "groups: [")
    assert merge_yaml(RULES, broken, RULES.replace("> 0.02", "> 0.03")).text == broken.replace("> 0.02", "> 0.03")


def test_aliases_are_not_followed() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [*{before}, *{before}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(ValueError, match="aliases"):
        parse_yaml(bomb)
    assert merge_yaml("a: 1\n", bomb, "a: 1\nz: 2\n").conflicts


PANELS = {"title": "Board", "panels": [{"id": 1, "title": "A", "limit": 5}, {"id": 2, "title": "B", "limit": 5}]}


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _panels(title: str, *limits: int) -> dict[str, object]:
    return {"title": title, "panels": [{"id": i, "title": "AB"[i - 1], "limit": n} for i, n in enumerate(limits, 1)]}


def test_json_that_another_program_wrote_anew_is_merged_all_the_same() -> None:
    reprinted = json.dumps(_panels("Mine", 5, 5), sort_keys=True)
    merged = merge_json(_json(PANELS), reprinted, _json(_panels("Board", 5, 6)))
    assert (json.loads(merged.text), merged.conflicts) == (_panels("Mine", 5, 6), ())


def test_json_that_its_lines_can_say_keeps_them() -> None:
    merged = merge_json(_json(PANELS), _json(_panels("Mine", 5, 5)), _json(_panels("Board", 5, 6)))
    assert merged == Merged(_json(_panels("Mine", 5, 6)))


def test_a_conflict_in_json_has_the_path_of_its_key() -> None:
    merged = merge_json(_json(PANELS), _json(_panels("Board", 7, 5)), _json(_panels("Board", 8, 5)))
    assert _where(merged) == [("panels[1].limit", "7", "8")]


@pytest.mark.parametrize("merge", [merge_yaml, merge_json])
def test_one_side_alone_is_always_the_result(merge: object) -> None:
    one, other = _json(PANELS), _json(_panels("Mine", 6, 7))
    for versions in ((one, other, one), (one, one, other), (one, other, other)):
        assert merge(*versions) == Merged(other)  # type: ignore[operator]


SEVERAL = """\
apiVersion: v1
kind: Service
metadata: {name: a}
spec:
  ports:
    - {name: web, port: 80}
---
apiVersion: v1
kind: Service
metadata:
  name: a.b
spec:
  ports:
    - name: web
      port: 80
  clusterIP: x
"""


@pytest.mark.parametrize(
    ("text", "disk", "new", "line"),
    [
        pytest.param(RULES, ("> 0.5", "> 0.6"), ("> 0.5", "> 0.7"), 6, id="a value of a named item"),
        pytest.param(RULES, ("# Alerts", "# A\n# B"), ("# Alerts", "# C"), 0, id="no value"),
        pytest.param(RULES, ("errors > 0.02", "e > 1"), ("errors > 0.02", "e > 2"), 9, id="the second item"),
        pytest.param(RULES, ("        expr: latency > 0.5\n", ""), ("> 0.5", "> 0.7"), 5, id="a value that is gone"),
        pytest.param(
            SEVERAL, ("      port: 80", "      port: 81"), ("      port: 80", "      port: 82"), 15, id="a document"
        ),
        pytest.param(SEVERAL, ("web, port: 80", "web, port: 81"), ("web, port: 80", "web, port: 82"), 6, id="a flow"),
    ],
)
def test_a_conflict_about_a_value_has_the_line_on_disk(
    text: str, disk: tuple[str, str], new: tuple[str, str], line: int
) -> None:
    merged = merge_yaml(text, text.replace(*disk), text.replace(*new))
    assert {conflict.line for conflict in merged.conflicts if conflict.where} == ({line} if line else set())


def test_a_conflict_in_json_has_its_line_too() -> None:
    last = '{\n  "panels": [\n    {"title": "Errors", "w": 1}\n  ]\n}\n'
    merged = merge_json(last, last.replace("1", "2"), last.replace("1", "3"))
    assert merged.conflicts == (Conflict("panels[Errors].w", "2", "3", 3),)
