"""The requirements that this tool wrote itself: each value is taken as it stands, whatever words are in it.

Lives here: the places of the values, as the template of requirements.md has them. Must not: reading sentences.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from devops_tasks.defaults import ALERT_ROWS
from devops_tasks.errors import KeyPath
from devops_tasks.fields import value_at
from devops_tasks.importer.answers import Meaning, Note, Taker, shorten
from devops_tasks.importer.meanings import stated_days, stated_sizes
from devops_tasks.importer.phrases import Unclear
from devops_tasks.importer.statements import Statement

MARK = "**Read Back By:** `devops-tasks import`, each value as it stands"
"""The line by which such a document is known."""

_METRIC = ("experiment", "primary_metric")
_TITLE = "Requirements: "
_HYPOTHESIS = "Riskiest Assumption"
_CRITERIA = "Failure Criteria"
_NO_CRITERION = "Nothing rolls the release back"
_KEYS: dict[str, KeyPath] = {
    "Feature ID": ("feature", "id"),
    "Short Name": ("feature", "slug"),
    "Team": ("feature", "team"),
    "Engineer": ("feature", "engineer"),
    "Sprint": ("sprint", "name"),
    "Sprint Starts": ("sprint", "starts"),
    "Sprint Ends": ("sprint", "ends"),
    "Sprint Capacity": ("sprint", "capacity"),
    _HYPOTHESIS: ("experiment", "hypothesis"),
    "Primary Metric": (*_METRIC, "name"),
    "Target": (*_METRIC, "target"),
    "Baseline": (*_METRIC, "baseline"),
    "Kind": (*_METRIC, "kind"),
    "Standard Deviation": (*_METRIC, "standard_deviation"),
    "Eligible per Day": ("experiment", "eligible_per_day"),
    "Significance": ("experiment", "significance"),
    "Power": ("experiment", "power"),
}
_LISTS: dict[str, KeyPath] = {
    "Leading Indicators": ("experiment", "leading_indicators"),
    "Guardrail Metrics": ("experiment", "guardrails"),
    "Compliance": ("overview", "compliance"),
}
_LIMIT = re.compile(
    r".*\((?P<metric>\w+)\) (?:not )?(?P<side>above|below) (?P<level>.+) for (?P<span>\S+)"
    r"(?: \((?P<severity>\w+)\))?(?P<service>, of \S+)?"
)
_DATED = re.compile(r"after (?P<after>\S+): (?P<what>.+)")
_ARM = re.compile(r"(?P<share>\S+) of (?P<unit>\w+)s, .*")
_METHODS = {"a feature flag": "feature-flag", "a split of the traffic": "traffic-split"}
_REVIEWS = {"required": "true", "yes": "true", "not required": "false", "no": "false"}


class _Part(NamedTuple):
    """A value, its label, and what it stands under; ``text`` is None where nobody has decided."""

    line: int
    label: str
    text: str | None
    under: str


def take_exactly(text: str, taker: Taker) -> None:
    """Take every value of such a document."""
    parts = list(_parts(MarkdownIt("commonmark").parse(text)))
    for part in sorted(parts, key=lambda part: part.label in _COMPUTED):  # from all the other numbers
        name = part.label or part.under
        meaning = _meaning(part, name)
        told = shorten(f"{name}: {part.text or 'to be decided'}")
        if meaning and part.text is None:
            taker.notes.append(Note(part.line, "", told, "a placeholder that nobody has filled in"))
        elif meaning and part.text:
            try:
                meaning(taker, Statement(part.line, "text", name, part.text))
            except Unclear as reason:
                taker.notes.append(Note(part.line, "", told, str(reason)))


def _meaning(part: _Part, name: str) -> Meaning | None:
    if name in _KEYS:
        return lambda taker, each: taker.put(each, _KEYS[name], each.text)
    if name in _LISTS:
        return lambda taker, each: taker.add(each, _LISTS[name], each.text, twice=True)
    return _SPOKEN.get("title" if part.under == "title" else name)


def _title(taker: Taker, each: Statement) -> None:
    if each.text.startswith(_TITLE):
        taker.put(each, ("feature", "name"), each.text.removeprefix(_TITLE))


def _limit(taker: Taker, each: Statement) -> None:
    path: KeyPath = ("alerts",) if each.label == "Performance" else ("rollback", "criteria")
    if each.text == _NO_CRITERION and each.label == _CRITERIA:
        taker.empty(each, path)
        return
    dated = _DATED.fullmatch(each.text)
    if dated and each.label == _CRITERIA:
        taker.add(each, ("experiment", "decisions"), dated.groupdict(), twice=True)
        return
    found = _LIMIT.fullmatch(each.text)
    if not found:
        msg = "no limit such as: Error rate (error_ratio) above 2% for 5m"
        raise Unclear(msg)
    if found["service"]:
        msg = "it is for one service, and which there are is not said here"
        raise Unclear(msg)
    item = {"metric": found["metric"], found["side"]: found["level"], "for": found["span"]}
    if found["severity"]:
        item["severity"] = found["severity"]
        if any(item.items() <= row.items() for row in ALERT_ROWS):  # which may be for what a later spec has not
            msg = "it is what holds by default"
            raise Unclear(msg)
    taker.add(each, path, item)


def _arm(taker: Taker, each: Statement) -> None:
    found = _ARM.fullmatch(each.text)
    if not found:
        msg = "no share such as: 50% of users, who see the new version"
        raise Unclear(msg)
    taker.put(each, ("experiment", "assignment", "treatment"), found["share"])
    taker.put(each, ("experiment", "assignment", "unit"), found["unit"])


def _type(taker: Taker, each: Statement) -> None:
    method = _METHODS.get(each.text.partition("assigned by ")[2])
    if not method:
        msg = f"no way of assigning such as: assigned by {' or '.join(_METHODS)}"
        raise Unclear(msg)
    taker.put(each, ("experiment", "assignment", "method"), method)


def _review(taker: Taker, each: Statement) -> None:
    found = _REVIEWS.get(each.text.casefold())
    if not found:
        msg = f"expected one of {', '.join(_REVIEWS)}"
        raise Unclear(msg)
    taker.put(each, ("overview", "security_review"), found)


def _computed(short: Meaning) -> Meaning:
    """Hold a number that is computed against the others; of a mean it is not known here how it was."""

    def meaning(taker: Taker, each: Statement) -> None:
        if value_at(taker.answers, (*_METRIC, "kind")) == "proportion":
            short(taker, each)

    return meaning


_COMPUTED: dict[str, Meaning] = {"Duration": _computed(stated_days), "Sample Size": _computed(stated_sizes)}
_SPOKEN: dict[str, Meaning] = {
    "title": _title,
    _CRITERIA: _limit,
    "Performance": _limit,
    "Treatment Group": _arm,
    "Type": _type,
    "Security Review": _review,
    **_COMPUTED,
}


# Where the values stand


def _parts(tokens: list[Token]) -> Iterator[_Part]:
    """Walk the values: a line behind a bold label, an item of a list below one, or all that stands below a heading."""
    above: list[str] = []
    heading = label = ""
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "bullet_list_open":
            above.append(label)
        elif token.type == "bullet_list_close":
            label = above.pop()
        elif token.type == "inline":
            under = next((each for each in reversed(above) if each), heading)
            if before and before.type == "heading_open":
                heading, label = token.content, ""
                under = "title" if before.tag == "h1" else ""
            whole = under in {"title", _HYPOTHESIS} and not above
            for part in _of_paragraph(token, under, whole=whole):
                label = part.label
                yield part


def _of_paragraph(token: Token, under: str, *, whole: bool) -> Iterator[_Part]:
    first = (token.map or [0])[0] + 1
    lines = _lines(token.children or [])
    if whole:
        yield _Part(first, "", "\n".join(_text(line) or "" for line in lines), under)
        return
    for number, line in enumerate(lines):
        label = line[1].content if [each.type for each in line[:3]] == ["strong_open", "text", "strong_close"] else ""
        rest = line[3:] if label.endswith(":") else line
        yield _Part(first + number, label.removesuffix(":"), _text(rest, labelled=bool(label)), under)


def _lines(children: list[Token]) -> list[list[Token]]:
    lines: list[list[Token]] = [[]]
    for child in children:
        if child.type in {"hardbreak", "softbreak"}:
            lines.append([])
        elif child.type != "text" or child.content:
            lines[-1].append(child)
    return lines


def _text(children: list[Token], *, labelled: bool = False) -> str | None:
    """Give the text of a line; None where it says that nobody has decided."""
    text = "".join(each.content for each in children)
    text = text.removeprefix(" ") if labelled else text
    undecided = any(each.type == "em_open" for each in children) and text == "to be decided"
    return None if undecided else text
