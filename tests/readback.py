"""Read every value of a spec back from the files of its bundle.

Two specs of one shape that have no value in common give two bundles that differ where a value stands, and nowhere else.
At each such place the two values that stand there must be those of one key in the two specs, exactly, in the unit of
the place: the place *reads* that key. A difference that no key explains is a contradiction.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from devops_tasks.fields import Entries, Kind, Listing, Nested, Shape
from devops_tasks.spec import SPEC
from tests.bundles import load_tree, render_bundle
from tests.derived import derived
from tests.exact import NUMBER, Amount, read, spellings, written
from tests.places import Leaf, leaves
from tests.random_specs import twins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devops_tasks.render import Files

Tree = Any
_MARK = re.compile(r"⟦([^⟧]*)⟧")
_WORD = re.compile(r"q[b-z]{6}")
_REFERENCE = re.compile(r"\.needs\[\d+\]$|^alerts\[\d+\]\.service$|^rollback\.criteria\[\d+\]\.metric$")
_LISTED = re.compile(r"((?:rollback\.)?[a-z_]+)\[(\d+|-)\]")
_ENVIRONMENT = re.compile(r"staging|production", re.IGNORECASE)
_JUDGED = re.compile(r"(values?|eval_time)$")


class Reading(NamedTuple):
    """One key with the unit in which a place counts it, and the place; a text is at home in a whole file.

    Where several numbers stand in one text, the word before each tells them apart.
    """

    key: str
    file: str
    place: str


def scalars(tree: Tree, shape: Shape = SPEC, path: str = "") -> Iterator[tuple[str, Kind[Any], str]]:
    """Walk a spec down to its scalars, each with its path and its kind."""
    if isinstance(shape, Nested) and isinstance(tree, dict):
        for name, inner in tree.items():
            yield from scalars(inner, shape.record.fields[name].shape, f"{path}.{name}".lstrip("."))
    elif isinstance(shape, Listing):
        for index, item in enumerate(tree):
            yield from scalars(item, shape.item, f"{path}[{index}]")
    elif isinstance(shape, Entries):
        for name, value in tree.items():
            yield f"{path}.name", shape.key, name
            yield from scalars(value, shape.value, f"{path}.value")
    elif isinstance(shape, Kind) and not shape.choices and shape.name != "boolean" and not _REFERENCE.search(path):
        yield path, shape, tree


class Side:
    """One of two twins: its spec's values, its bundle, and its bundle's texts with the names of keys put in."""

    def __init__(self, spec: Tree) -> None:
        """Render the spec, and learn its values."""
        self.files: Files = render_bundle(load_tree(spec))
        self.amounts: dict[str, Amount] = {}
        self._texts: dict[str, str] = {}
        thresholds = [row.get("above") for row in [*spec["alerts"], *spec["rollback"]["criteria"]]]
        for path, kind, text in scalars(spec):
            if "latency_buckets" not in path or text not in thresholds:  # a bound may be there for a threshold
                self._learn(path, kind, text)
        amounts, texts = derived(spec)
        self.amounts |= amounts
        self._texts |= {text: path for path, text in texts.items()} | dict(_alerts(spec, self))
        longest = sorted(self._texts, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest)))
        mark = cache(self._mark)
        self.leaves = [Leaf(*map(mark, leaf)) for leaf in leaves(self.files)]

    def _learn(self, path: str, kind: Kind[Any], text: str) -> None:
        amount = None if kind.free else written(kind.name, text)
        if amount is not None:
            self.amounts.setdefault(path, amount)
            return
        words = _WORD.findall(text.lower())
        if words or kind.name not in {"metric", "task id"}:
            self._texts.setdefault(text.lower(), path)
        for word in words:
            self._texts.setdefault(word, f"{path}~")

    def _mark(self, text: str) -> str:
        """Put the names of keys in place of the texts that are theirs; ``~`` follows a key of which it is a part."""
        parts, position = [], 0
        for found in self._known.finditer(text.lower()):
            parts += [text[position : found.start()], f"⟦{self._texts[found[0]]}⟧"]
            position = found.end()
        return "".join([*parts, text[position:]])


def _alerts(spec: Tree, side: Side) -> Iterator[tuple[str, str]]:
    """Name each alert after the row of the spec that it comes from, and the subject that it watches."""
    rules = yaml.load(side.files["monitoring/alert-rules.yml"], Loader=yaml.CSafeLoader)
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        labels = rule["labels"]
        rollback = labels.get("guardrail") == "rollback"
        row = _row(labels, spec["rollback"]["criteria"] if rollback else spec["alerts"], _subject(labels, spec))
        rows = f"alerts[-] rollback.criteria[{row}]" if rollback else f"alerts[{row}] rollback.criteria[-]"
        about = "alerts of all" if labels["metric"] in _ABOUT_ALL else rows
        yield rule["alert"].lower(), f"{about} {_subject(labels, spec)}".strip()


def _row(labels: dict[str, str], rows: list[Tree], subject: str) -> str:
    """Find the row of an alert; the rows that a spec does not have are defaults, here ``-``."""
    for index, row in enumerate(rows):
        severity = row.get("severity") or ("critical" if row["metric"] in _CRITICAL else "warning")
        of = not subject.startswith("services") or row.get("service") in {None, labels["service"]}
        if of and row["metric"] == labels["metric"] and ("guardrail" in labels or severity == labels["severity"]):
            return str(index)
    return "-"


_ABOUT_ALL = ("series", "targets", "watchdog")
_CRITICAL = ("latency_p95", "error_ratio", "failure_ratio")


def _subject(labels: dict[str, str], spec: Tree) -> str:
    for group in ("services", "databases", "queues"):
        for index, item in enumerate(spec.get(group, [])):
            if item["name"] in {labels.get("service"), labels.get("database")}:
                return f"{group}[{index}]"
    return ""


class Twins:
    """Two bundles of one shape, read against each other."""

    def __init__(self, seed: int, *, rich: bool = False) -> None:
        """Render both, and read them."""
        self.left, self.right = (Side(spec) for spec in twins(seed, rich=rich))
        self._keys: dict[tuple[Amount, Amount], list[str]] = defaultdict(list)
        for path, amount in self.left.amounts.items():
            pairs = zip(spellings(amount).items(), spellings(self.right.amounts[path]), strict=True)
            for (one, unit), other in pairs:
                self._keys[one, other].append(path + unit)
        self.readings: set[Reading] = set()
        self.contradictions: list[str] = []
        for ours, theirs in zip_longest(self.left.leaves, self.right.leaves, fillvalue=Leaf("", "", "")):
            self._compare(ours, theirs)

    def _compare(self, one: Leaf, other: Leaf) -> None:
        texts = [self._unite(*pair) for pair in zip(one, other, strict=True)]
        if (one.file in _TESTS and _JUDGED.search(one.place)) or one.place.endswith(_SUM):
            return
        if None in texts:
            self.contradictions.append(f"{one} | {other}")
            return
        leaf = Leaf(*map(str, texts))
        self.contradictions += [f"{fault}: {leaf}" for fault in _misplaced(leaf)]
        file, place = _place(leaf)
        marks = [(mark, self._number(mark[1])) for mark in _MARK.finditer(leaf.text)]
        together = {_general(mark[1]) for mark, number in marks if number}
        for mark, number in marks:
            words = re.findall(r"[A-Za-z][\w-]*", _MARK.sub("", leaf.text[: mark.start()])) if len(together) > 1 else []
            where = f"{place or 'top'} … {words[-1]}" if words else place or "top"
            self.readings.add(Reading(_general(mark[1]), file, where if number else ""))

    def _number(self, mark: str) -> bool:
        return mark.partition("|")[0].partition(" in ")[0] in self.left.amounts

    def _unite(self, one: str, other: str) -> str | None:
        """Write the text that two texts share, with keys where they differ; None where no key explains it."""
        if one == other:
            return one
        ours, theirs = list(_tokens(one)), list(_tokens(other))
        if len(ours) != len(theirs):
            return None
        united = [self._token(*pair) for pair in zip(ours, theirs, strict=True)]
        return None if None in united else "".join(map(str, united))

    def _token(self, one: str, other: str) -> str | None:
        if one == other:
            return one
        ours, theirs = NUMBER.fullmatch(one), NUMBER.fullmatch(other)
        if not ours or not theirs:
            return None
        ways = [(a, b) for a in read(ours[1], ours[2] or "") for b in read(theirs[1], theirs[2] or "")]
        keys = sorted({key for way in ways for key in self._keys.get(way, ())})
        return f"⟦{'|'.join(keys)}⟧" if keys else None


_SUM = "What the Guardrails See |  | Requests that it takes"
"""A number that follows from a threshold by a sum of chances, which test_guardrails computes."""
_TESTS = ("monitoring/alert-rules.test.yml", "monitoring/recording-rules.test.yml")


def _tokens(text: str) -> Iterator[str]:
    """Part a text into keys, numbers with their units, and what stands between, in which any space is one space."""
    for part in re.split(r"(⟦[^⟧]*⟧)", text):
        if part.startswith("⟦"):
            yield part
            continue
        position = 0
        for found in NUMBER.finditer(part):
            yield _BLANK.sub(" ", part[position : found.start()])
            yield found[0]
            position = found.end()
        yield _BLANK.sub(" ", part[position:])


_BLANK = re.compile(r"[─│\s]+")


def _misplaced(leaf: Leaf) -> Iterator[str]:
    """Find a value that stands where the file speaks of another item, or of the other environment."""
    around = _owners(leaf.file + leaf.place) or _owners("".join(_NAMES.findall(leaf.text)))
    for found in _MARK.finditer(leaf.text):
        for group, index in _LISTED.findall(found[1].partition("|")[0])[:1]:
            if index not in around.get(group, {index}) and not _QUOTED.search(found[1]):
                yield f"{found[1]} among those of {group} {sorted(around[group])}"
        before = _MARK.sub("", leaf.file + leaf.place + " " + leaf.text[: found.start()])
        spoken = [word.lower() for word in _ENVIRONMENT.findall(before)][-1:]
        of = re.search(r"\.(staging|production)\b(?!$)", found[1])
        if of and spoken and of[1] not in spoken:
            yield f"{found[1]} after the word {spoken[0]}"


_QUOTED = re.compile(r"^alerts.*\.(metric|query)$")  # a rollback criterion may watch the metric of an alert
_NAMES = re.compile(r"⟦[a-z_]+\[\d+\]\.name⟧")


def _owners(text: str) -> dict[str, set[str]]:
    owners: dict[str, set[str]] = defaultdict(set)
    for mark in (mark for mark in _MARK.findall(text) if not _QUOTED.search(mark)):
        for group, index in _LISTED.findall(mark):
            owners[group].add(index)
    return owners


def _general(mark: str) -> str:
    """Write a key without the numbers of the lists that it is in."""
    return "|".join(sorted({re.sub(r"\[\d+\]", "[]", key) for key in mark.split("|")}))


def _place(leaf: Leaf) -> tuple[str, str]:
    """Write a leaf's place so that it is the same for every item of a list; a line of text goes by its first words."""
    file = re.sub(r"(?<=green-).*(?=\.yml)", "{step}", leaf.file)
    file = re.sub(r"⟦(\w+?)s?\b[^⟧]*⟧", r"{\1}", file)
    place = re.sub(r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]", "[]", leaf.place)
    prose = leaf.file.endswith((".md", ".sql")) and "|" not in leaf.place and "```promql" not in leaf.place
    if prose or leaf.place.endswith("#"):
        place += " / " + " ".join(re.findall(r"[A-Za-z][\w-]*", NUMBER.sub("", _MARK.sub("", leaf.text)))[:2])
    return file, _MARK.sub("*", place).replace("|  |", "|").strip(" |/.")
