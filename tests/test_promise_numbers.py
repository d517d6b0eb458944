"""The first promise: a number or a name stands once in the spec, and is the same wherever it is printed.

``places.yaml`` says of every key where it is printed and in which unit. The bundles of random specs, written with
values that nothing else has, are read back by the parsers of their languages (``places``), and every value in them is
compared with the one of the key that belongs there (``readback``). `make golden` rewrites the table; read its diff like
code: a line that is gone says that a place has a number of its own now.
"""

from __future__ import annotations

import os
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
import yaml

from devops_tasks.fields import Entries, Listing, Nested, Shape, Tree
from devops_tasks.spec import SPEC
from tests.random_specs import twins
from tests.readback import Reading, Twins, scalars

TABLE = Path(__file__).with_name("places.yaml")
RICH = (9, 20, 46, 113)
PAIRS = (*((seed, seed in RICH) for seed in (2, 3, 5, 7, 8, 10, 21, 23, 31, 34, *RICH)), (46, False))
"""Seeds, and whether their specs are rich, which together reach every place that hundreds of others reach.

A place that `make soak` finds and they do not reach is added by its seed.
"""
SEEDS = range(int(os.environ.get("SPECS", "2")))
"""Of specs on which the table does not rest, too."""
REFERENCES = {
    **dict.fromkeys(
        (
            "extends",
            "pack[]",
            *(
                f"policy[].{name}"
                for name in ("key", "must_be", "must_not_be", "at_least", "at_most", "required", "forbidden", "because")
            ),
        ),
        "about other files: what they say is read back as the keys that it is about",
    ),
    **dict.fromkeys(
        ("pack_fields.name", "pack_fields.value"),
        "what a template pack prints of them is for it to say: test_pack_fields",
    ),
    "alerts[].service": "the name of a service, which is read back as that",
    "rollback.criteria[].metric": "a metric that is known, or the name of an alert's, which is read back as that",
    "services[].needs[]": "the names of stores, which are read back as that",
    "services[].migrate_within": "read back in test_migrations",
    "services[].slo.availability": "hardly printed as it stands; what follows from it is read back in test_slo",
    "services[].slo.latency.objective": "the same",
    "services[].slo.latency.below": "the same",
    "services[].slo.window": "the same",
    **dict.fromkeys(
        (
            f"experiment.monitoring.{name}"
            for name in ("label", "services[]", "assigned_units", "worse_by", "requests_per_failure")
        ),
        "what follows from it is read back in test_arms",
    ),
}


@cache
def _table() -> frozenset[Reading]:
    keys = yaml.load(TABLE.read_text("utf-8"), Loader=yaml.CSafeLoader)
    texts = {Reading(key, file, "") for key, files in keys.items() for file in files if isinstance(files, list)}
    numbers = {key: files for key, files in keys.items() if isinstance(files, dict)}
    rows = ((key, file, places) for key, files in numbers.items() for file, places in files.items())
    return frozenset(texts | {Reading(key, file, place) for key, file, places in rows for place in places})


class _Dumper(yaml.SafeDumper):
    """Indents lists under their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)


def _write(readings: set[Reading]) -> None:
    """Write the table: a number with its files and their places, a text with its files."""
    keys: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for key, file, place in sorted(readings):
        keys[key][file] += [place] if place else []
    rows = {key: dict(files) if any(files.values()) else list(files) for key, files in keys.items()}
    TABLE.write_text(yaml.dump(rows, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1000), "utf-8")
    _table.cache_clear()


def _strangers(readings: set[Reading]) -> list[Reading]:
    """List what stands where the table does not have it; of two keys that look alike there, one will do."""
    alike = ((reading, [reading._replace(key=key) for key in reading.key.split("|")]) for reading in readings)
    return sorted(reading for reading, candidates in alike if not _table() & set(candidates))


def test_every_value_stands_in_its_places_and_no_other_value_does(update_golden: bool) -> None:  # noqa: FBT001
    pairs = [Twins(seed, rich=rich) for seed, rich in PAIRS]
    assert [fault for pair in pairs for fault in pair.contradictions] == []
    readings = {reading for pair in pairs for reading in pair.readings}
    certain = {reading for reading in readings if "|" not in reading.key}
    if update_golden:
        _write(certain)
    assert _strangers(readings) == []
    assert sorted(_table() - certain) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_spec_that_nobody_wrote_is_read_back(seed: int) -> None:
    pair = Twins(seed)
    assert pair.contradictions == []
    assert _strangers(pair.readings) == []


def _keys(shape: Shape = SPEC, path: str = "") -> list[str]:
    """List every key that takes a number, a name or a text of somebody's own, from the fields."""
    if isinstance(shape, Nested):
        fields = {name: field for name, field in shape.record.fields.items() if not field.later}
        return [key for name, field in fields.items() for key in _keys(field.shape, f"{path}.{name}".lstrip("."))]
    if isinstance(shape, Listing):
        return _keys(shape.item, f"{path}[]")
    if isinstance(shape, Entries):
        return [key for key in (f"{path}.name", f"{path}.value") if key not in REFERENCES]
    chosen = shape.choices or shape.name == "boolean"
    return [] if chosen or path in REFERENCES else [path]


def _general(path: str) -> str:
    return "".join("[]" if part.isdigit() else part for part in path.replace("[", "]").split("]"))


def _varied(spec: Tree) -> dict[str, str]:
    return {path: text for path, _, text in scalars(spec)}


def test_random_specs_vary_every_key() -> None:
    varied: set[str] = set()
    for seed, rich in PAIRS:
        one, other = map(_varied, twins(seed, rich=rich))
        assert one.keys() == other.keys()
        varied |= {_general(path) for path in one if one[path] != other[path]}
    assert sorted(set(_keys()) - varied) == []


def test_every_key_is_printed_somewhere() -> None:
    printed = {row.key.partition(" in ")[0].rstrip("~") for row in _table()}
    assert sorted(set(_keys()) - printed) == []
