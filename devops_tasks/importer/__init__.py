"""A requirements document to answers, with the line that each was taken from, and what could not be understood.

Lives here: which label or heading of a document means which key of the spec. Must not: guessing in silence, files.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from devops_tasks.errors import KeyPath, key_text
from devops_tasks.fields import Kind, Listing, Tree, required_keys, shape_at, value_at
from devops_tasks.importer.phrases import (
    Unclear,
    is_unfilled,
    parse_count,
    parse_day,
    parse_goal,
    parse_limit,
    parse_share,
)
from devops_tasks.importer.statements import Statement, read_statements
from devops_tasks.spec import SPEC, Spec

MOST_BYTES = 2_000_000
_NAME: KeyPath = ("feature", "name")
_HYPOTHESIS: KeyPath = ("experiment", "hypothesis")
_METRIC: KeyPath = ("experiment", "primary_metric")
_ASSIGNMENT: KeyPath = ("experiment", "assignment")


class Note(NamedTuple):
    """One line of the report: a key and what was taken for it, or a text and why nothing was."""

    line: int
    key: str
    text: str
    why: str = ""

    def told(self, where: str) -> str:
        """Write the note as people read it."""
        if self.key:
            return f"{where}:{self.line}: {self.key}: {self.text}" + (f" ({self.why})" if self.why else "")
        return f"{where}:{self.line}: not taken: {self.text} ({self.why})"


class Imported(NamedTuple):
    """The answers of a document, and the report in the order of its lines."""

    answers: dict[str, Tree]
    notes: list[Note]

    @property
    def lacks_keys(self) -> bool:
        """Whether a required key is still missing."""
        return any(value_at(self.answers, path) is None for path, _ in required_keys(Spec))

    def report(self, where: str) -> Iterator[str]:
        """Say what was taken from where, what was not, and which keys are still needed."""
        yield from (note.told(where) for note in self.notes)
        for path, field in required_keys(Spec):
            if value_at(self.answers, path) is None:
                yield f"{where}: still missing: {key_text(path)}: {field.doc}"


def import_document(text: str) -> Imported:
    """Read a Markdown document: the parent document of a feature, or product requirements in prose and tables."""
    taker = _Taker()
    for statement in read_statements(text):
        taker.take(statement)
    return Imported(taker.answers, sorted(taker.notes, key=lambda note: note.line))


class _Taker:
    """Collects answers; the first statement of a key wins, and every other one is told."""

    def __init__(self) -> None:
        self.answers: dict[str, Tree] = {}
        self.notes: list[Note] = []

    def take(self, statement: Statement) -> None:
        meaning = _meaning(statement)
        if meaning is None:
            return
        told = "; ".join(statement.cells.values()) if statement.cells else statement.text
        try:
            if is_unfilled(told):
                label = statement.label or ("" if statement.cells else next(iter(statement.above), ""))
                self.notes.append(Note(statement.line, "", _short(f"{label}: {told}" if label else told), _UNFILLED))
                return
            meaning(self, statement)
        except Unclear as reason:
            self.notes.append(Note(statement.line, "", _short(told), str(reason)))

    def put(self, statement: Statement, path: KeyPath, text: str, remark: str = "") -> None:
        """Answer a key; raises ``Unclear`` where it has an answer, or takes no such text."""
        before = value_at(self.answers, path)
        shape = shape_at(SPEC, path)
        if before is not None:
            if before == text:
                return
            msg = f"{key_text(path)} is {_short(before, 40)} already"
            raise Unclear(msg)
        assert isinstance(shape, Kind)  # noqa: S101 - only scalars are put
        try:
            shape.parse(text)
        except ValueError as error:
            msg = f"{key_text(path)} takes {error}"
            raise Unclear(msg) from None
        self._group(path[:-1])[str(path[-1])] = text
        self.notes.append(Note(statement.line, key_text(path), _short(text), remark))

    def add(self, statement: Statement, path: KeyPath, item: Tree, remark: str = "") -> None:
        """Add an item to a list, unless it is there."""
        items = self._group(path[:-1]).setdefault(str(path[-1]), [])
        shape = shape_at(SPEC, path)
        name = shape.name if isinstance(shape, Listing) else ""
        same = [each for each in items if (each[name] == item[name] if name else each == item)]
        if same:
            shown = " ".join(same[0].values()) if isinstance(item, dict) else "it"
            msg = f"{key_text(path)} has {shown} already"
            raise Unclear(msg)
        items.append(item)
        shown = " ".join(item.values()) if isinstance(item, dict) else item
        self.notes.append(Note(statement.line, f"{key_text(path)}[{len(items) - 1}]", _short(shown), remark))

    def _group(self, path: KeyPath) -> dict[str, Tree]:
        group = self.answers
        for step in path:
            group = group.setdefault(str(step), {})
        return group


def _short(text: str, most: int = 100) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."


_UNFILLED = "a placeholder that nobody has filled in"
Meaning = Callable[[_Taker, Statement], None]


def _text(*path: str | int) -> Meaning:
    def meaning(taker: _Taker, statement: Statement) -> None:
        taker.put(statement, path, statement.text)

    return meaning


def _share(*path: str) -> Meaning:
    def meaning(taker: _Taker, statement: Statement) -> None:
        taker.put(statement, path, parse_share(statement.text))

    return meaning


def _sentences(*path: str) -> Meaning:
    def meaning(taker: _Taker, statement: Statement) -> None:
        taker.add(statement, path, _cells_text(statement))

    return meaning


def _cells_text(statement: Statement) -> str:
    """Give the words of a statement; of a row its first two cells, without one that says what sort of row it is."""
    cells = [cell for cell in statement.cells.values() if cell and not _find(_SECTIONS, cell)]
    return ": ".join(cells[:2]) or statement.text


def _title(taker: _Taker, statement: Statement) -> None:
    match = _TITLES.fullmatch(statement.text)
    if match:
        taker.put(statement, _NAME, match["name"].strip(), "from the title")


def _words(taker: _Taker, statement: Statement) -> None:
    """Take the words between commas, as of compliance rules."""
    for word in re.split(r"[,;]", statement.text):
        if word.strip():
            taker.add(statement, ("overview", "compliance"), word.strip())


def _day(*names: str) -> Meaning:
    def meaning(taker: _Taker, statement: Statement) -> None:
        days = parse_day(statement.text)
        if len(days) != len(names):
            msg = f"expected {len(names)} date{'s'[: len(names) - 1]}, found {len(days)}"
            raise Unclear(msg)
        for name, day in zip(names, days, strict=True):
            taker.put(statement, ("sprint", name), day)

    return meaning


def _hypothesis(taker: _Taker, statement: Statement) -> None:
    if value_at(taker.answers, _HYPOTHESIS) is not None:
        msg = "a second hypothesis; one experiment tests one"
        raise Unclear(msg)
    taker.put(statement, _HYPOTHESIS, statement.text.strip("\"' "))


def _goal(taker: _Taker, statement: Statement) -> None:
    if statement.cells:
        _goal_of_row(taker, statement)
        return
    goal = parse_goal(statement.text)
    taker.put(statement, (*_METRIC, "name"), goal.name)
    if goal.target:
        taker.put(statement, (*_METRIC, "target"), goal.target)
    else:
        taker.notes.append(Note(statement.line, "", _short(statement.text), "it names no target such as +20%"))
    if goal.baseline:
        taker.put(statement, (*_METRIC, "baseline"), goal.baseline)


def _goal_of_row(taker: _Taker, statement: Statement) -> None:
    cells = {name.casefold(): text for name, text in statement.cells.items()}
    taker.put(statement, (*_METRIC, "name"), statement.text)
    for name, path in (("target", "target"), ("goal", "target"), ("baseline", "baseline"), ("current", "baseline")):
        if cells.get(name) and not is_unfilled(cells[name]):
            taker.put(statement, (*_METRIC, path), cells[name].replace(" ", ""))


def _limit(taker: _Taker, statement: Statement) -> None:
    """Take a limit with a fixed number as a condition of the rollback."""
    limit = parse_limit(_limit_text(statement))
    item = {"metric": limit.metric, limit.side: limit.threshold}
    item |= {"for": limit.lasting} if limit.lasting else {}
    taker.add(statement, ("rollback", "criteria"), item, limit.remark)


_THRESHOLDS = re.compile(r"threshold|limit|max(?:imum)?|target|alert|value|criteri(?:a|on)|must.*", re.IGNORECASE)


def _limit_text(statement: Statement) -> str:
    """Give the words of a limit: of a row its subject and the cell of the threshold, where a column is named so."""
    found = [text for name, text in statement.cells.items() if _THRESHOLDS.fullmatch(name) and text != statement.text]
    return " ".join([statement.text, *(found[:1] or list(statement.cells.values())[1:])])


def _guardrail(taker: _Taker, statement: Statement) -> None:
    """Take a limit, and what has no fixed number in words."""
    try:
        _limit(taker, statement)
    except Unclear as reason:
        words = _cells_text(statement)
        taker.add(
            statement, ("experiment", "guardrails"), words, f"in words: {reason}" if re.search(r"\d", words) else ""
        )


def _alert(taker: _Taker, statement: Statement) -> None:
    limit = parse_limit(_limit_text(statement))
    item = {"metric": limit.metric, limit.side: limit.threshold}
    item |= {"for": limit.lasting} if limit.lasting else {}
    taker.add(statement, ("alerts",), item, limit.remark)


def _unit_and_share(taker: _Taker, statement: Statement) -> None:
    share = parse_share(statement.text)
    taker.put(statement, (*_ASSIGNMENT, "treatment"), share)
    unit = re.search(r"\b(user|session|request)s?\b", statement.text, re.IGNORECASE)
    if unit:
        taker.put(statement, (*_ASSIGNMENT, "unit"), unit[1].lower())


def _kind_of_experiment(taker: _Taker, statement: Statement) -> None:
    methods = ((r"\bfeature[- ]?flags?\b", "feature-flag"), (r"\btraffic[- ]split\b|\bcanary\b", "traffic-split"))
    found = [name for pattern, name in methods if re.search(pattern, statement.text, re.IGNORECASE)]
    if len(found) != 1:
        msg = "it does not say whether a feature flag or a traffic split assigns the variants"
        raise Unclear(msg)
    taker.put(statement, (*_ASSIGNMENT, "method"), found[0])


def _confidence(taker: _Taker, statement: Statement) -> None:
    share = parse_share(statement.text)
    number = float(share.removesuffix("%"))
    if number < 50:  # noqa: PLR2004 - a confidence is near 100 %, a significance near 0
        taker.put(statement, ("experiment", "significance"), share)
    else:
        taker.put(statement, ("experiment", "significance"), f"{100 - number:g}%", f"a confidence of {share}")


_A_DAY = re.compile(r"\b(?:a|per|each|every) day\b|\bdaily\b|/\s*day", re.IGNORECASE)


def _eligible(taker: _Taker, statement: Statement) -> None:
    if not re.search(
        r"\b(?:a|per|each|every) day\b|\bdaily\b|/\s*day", f"{statement.label} {statement.text}", re.IGNORECASE
    ):
        msg = "it does not say that this is per day"
        raise Unclear(msg)
    taker.put(statement, ("experiment", "eligible_per_day"), parse_count(statement.text))


def _capacity(taker: _Taker, statement: Statement) -> None:
    taker.put(statement, ("sprint", "capacity"), parse_count(statement.text))


def _no_key(reason: str) -> Meaning:
    def meaning(_taker: _Taker, _statement: Statement) -> None:
        raise Unclear(reason)

    return meaning


def _belief(taker: _Taker, statement: Statement) -> None:
    if not _BELIEF.search(statement.text):
        msg = "no hypothesis such as: we believe that (who) will (do what) because (why)"
        raise Unclear(msg)
    _hypothesis(taker, statement)


def _requirement(taker: _Taker, statement: Statement) -> None:
    """Take the limit of a requirement; one without a limit says nothing that a spec has."""
    try:
        parse_limit(statement.text)
    except Unclear:
        return
    _alert(taker, statement)


_COMPUTED = "no key of the spec: the tool computes it"
_SECTIONS: tuple[tuple[str, Meaning], ...] = (
    (r"hypothes[ie]s|(?:riskiest )?assumptions?|riskiest assumption", _belief),
    (r"(?:primary|main|key|north[- ]star)(?: success)? metric|primary|goal metric|success metric", _goal),
    (r"leading(?: indicators?)?|secondary(?: metrics?)?", _sentences("experiment", "leading_indicators")),
    (r"guardrails?(?: metrics?)?|counter[- ]?metrics?", _guardrail),
    (r"(?:failure|rollback|stop|kill|abort) criteri(?:a|on)|rollback(?: if| when| triggers?)?", _limit),
    (r"performance(?: requirements?)?|response times?|latency|measurable outcomes|success criteria", _alert),
    (r"compliance(?: requirements)?|regulat\w+", _words),
)
"""What a heading, a label or a column means for everything below it."""

_LABELS: tuple[tuple[str, Meaning], ...] = (
    (r"feature(?: name)?", _text(*_NAME)),
    (r"(?:feature|ticket|epic)[ _-]?(?:id|key)", _text("feature", "id")),
    (r"(?:devops |platform |infrastructure )?engineer", _text("feature", "engineer")),
    (r"team", _text("feature", "team")),
    (r"sprint(?: (?:name|number))?", _text("sprint", "name")),
    (r"(?:sprint )?(?:starts?|start date|begins?)", _day("starts")),
    (r"(?:sprint )?(?:ends?|end date)", _day("ends")),
    (r"(?:sprint )?dates|sprint period", _day("starts", "ends")),
    (r"(?:sprint |team )?capacity", _capacity),
    (r"(?:current )?baseline", _share("experiment", "primary_metric", "baseline")),
    (r"treatment(?: group)?|variant(?: b)?|rollout share", _unit_and_share),
    (r"control(?: group)?", _no_key("the rest of the units is the control group")),
    (r"(?:experiment |test )?type|method|assignment", _kind_of_experiment),
    (r"significance(?: level)?|confidence(?: level)?|alpha", _confidence),
    (r"(?:statistical )?power", _share("experiment", "power")),
    (
        r"(?:(?:eligible|daily|new) )+(?:users|units|traffic|visitors|sessions|active users)(?: (?:per|a) day)?",
        _eligible,
    ),
    (r"duration|run time", _no_key(_COMPUTED)),
    (r"sample size", _no_key(_COMPUTED)),
)
"""What a label means for the text behind it, and for nothing else."""

_LISTED = (_guardrail, _limit, _alert)
"""What may stand under a heading with a label of its own, as ``**Errors:** below 2%`` under *Guardrails*."""

_TITLES = re.compile(
    r"(?:(?:product )?requirements?(?: documents?)?|prd|feature|spec(?:ification)?)\s*[:\u2013\u2014-]\s*(?P<name>.+)",
    re.IGNORECASE,
)
_BELIEF = re.compile(
    r"\bwe (?:believe|hypothesi[sz]e|expect|assume) that\b|\bif we\b.+\b(?:then|will)\b", re.IGNORECASE
)
_DEMANDS = re.compile(r"\bSHALL\b|\bMUST\b")
_GENERAL = re.compile(r"type|method|assignment|duration|starts?|ends?|(?:start|end) date|dates|control|baseline")
_CONTEXT = re.compile("experiment|sprint|test|metric", re.IGNORECASE)
"""Labels that say something of an experiment or a sprint only where a heading above them does."""


def _meaning(statement: Statement) -> Meaning | None:
    """Find what a statement means, by what it is."""
    if statement.kind == "title":
        return _title if _TITLES.fullmatch(statement.text) else _meaning_of_heading(statement)
    if statement.kind == "row":
        return _meaning_of_row(statement)
    if statement.kind == "code":
        return _no_key("a block is not read; answer its keys in the wizard")
    return _meaning_of_text(statement)


def _meaning_of_text(statement: Statement) -> Meaning | None:
    """Find what a text means: by its own label, its own words, or what it stands under."""
    own = _of_label(statement.label, statement.above) if statement.label else None
    if own is not None:
        return own
    if _BELIEF.search(statement.text):
        return _hypothesis
    above = _of_section(statement.above)
    if above is None and _DEMANDS.search(statement.text):
        return _requirement
    return above if not statement.label or above in _LISTED else None


def _meaning_of_heading(statement: Statement) -> Meaning | None:
    """Find what a heading means that has its value behind a colon."""
    label, _, text = statement.text.partition(":")
    own = _of_label(label, statement.above) if text.strip() else None
    if own is None:
        return None

    def meaning(taker: _Taker, each: Statement) -> None:
        own(taker, each._replace(kind="text", label=label, text=text.strip()))

    return meaning


def _meaning_of_row(statement: Statement) -> Meaning | None:
    """Find what a row means: by a cell that says so, by its first cell as a label, or by its columns and headings."""
    said = next((found for cell in statement.cells.values() if (found := _find(_SECTIONS, cell))), None)
    if said is not None:
        return said
    label, *texts = statement.cells.values()
    own = _of_label(label, statement.above) if len(texts) == 1 else None
    if own is None:
        return _of_section((*statement.cells, *statement.above))

    def meaning(taker: _Taker, each: Statement) -> None:
        own(taker, each._replace(kind="text", label=label, text=texts[0], cells={}))

    return meaning


def _of_label(label: str, above: tuple[str, ...]) -> Meaning | None:
    if _GENERAL.fullmatch(_plain(label)) and not _CONTEXT.search(" ".join(above)):
        return None
    return _find(_LABELS, label) or _find(_SECTIONS, label)


def _of_section(above: tuple[str, ...]) -> Meaning | None:
    return next((found for label in above if (found := _find(_SECTIONS, label))), None)


def _find(table: tuple[tuple[str, Meaning], ...], label: str) -> Meaning | None:
    return next((meaning for pattern, meaning in table if re.fullmatch(pattern, _plain(label))), None)


def _plain(label: str) -> str:
    """Write a label as the tables have it: small, without numbering or a remark in brackets."""
    bare = re.sub(r"^\d+(?:\.\d+)*\.?\s+|\(.*?\)", "", label)
    return " ".join(re.sub(r"[^\w\s/-]", "", bare).split()).casefold()
