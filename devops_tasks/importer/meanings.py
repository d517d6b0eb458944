"""What the labels, the headings, the rows and the sentences of a requirements document mean for the spec.

Lives here: the tables of words, and which key each stands for. Must not: reading Markdown, keeping answers.
"""

import re
from collections.abc import Callable, Iterator

from devops_tasks.errors import KeyPath
from devops_tasks.experiment.stated import Needed, Short, short_days, short_sizes
from devops_tasks.fields import value_at
from devops_tasks.importer.answers import Meaning, Note, Taker, shorten
from devops_tasks.importer.needs import needed_of
from devops_tasks.importer.phrases import (
    Unclear,
    is_unfilled,
    parse_count,
    parse_day,
    parse_deadline,
    parse_goal,
    parse_limit,
    parse_share,
    parse_split,
)
from devops_tasks.importer.statements import Statement

_NAME: KeyPath = ("feature", "name")
_HYPOTHESIS: KeyPath = ("experiment", "hypothesis")
_METRIC: KeyPath = ("experiment", "primary_metric")
_ASSIGNMENT: KeyPath = ("experiment", "assignment")


def _text(*path: str | int) -> Meaning:
    def meaning(taker: Taker, statement: Statement) -> None:
        taker.put(statement, path, statement.text)

    return meaning


def _share(*path: str) -> Meaning:
    def meaning(taker: Taker, statement: Statement) -> None:
        taker.put(statement, path, parse_share(statement.text))

    return meaning


def _sentences(*path: str) -> Meaning:
    def meaning(taker: Taker, statement: Statement) -> None:
        taker.add(statement, path, _cells_text(statement))

    return meaning


def _cells_text(statement: Statement) -> str:
    """Give the words of a statement; of a row its first two cells, without one that says what sort of row it is."""
    cells = [cell for cell in statement.cells.values() if cell and not _find(_SECTIONS, cell)]
    return ": ".join(cells[:2]) or statement.text


def _title(taker: Taker, statement: Statement) -> None:
    match = _TITLES.fullmatch(statement.text)
    if match:
        taker.put(statement, _NAME, match["name"].strip(), "from the title")


def lone_title(taker: Taker, statement: Statement) -> None:
    """Take the only title of a document for the feature's name, where nothing else says one."""
    if value_at(taker.answers, _NAME) is None:
        taker.put(statement, _NAME, statement.text, "the document's only title")


def is_name(title: str) -> bool:
    """Say whether a title says more than what sort of document it stands above."""
    return any(not _SORTS.fullmatch(word) for word in re.findall(r"\w+", title.casefold())) and not _find(
        _SECTIONS, title
    )


def _words(taker: Taker, statement: Statement) -> None:
    """Take the words between commas, as of compliance rules."""
    for word in re.split(r"[,;]", statement.text):
        if word.strip():
            taker.add(statement, ("overview", "compliance"), word.strip())


def _day(*wanted: str) -> Meaning:
    def meaning(taker: Taker, statement: Statement) -> None:
        days = parse_day(statement.text)
        names = ("starts", "ends") if len(days) > 1 and _TO_END.search(statement.text) else wanted
        if len(days) != len(names):
            msg = f"expected {len(names)} date{'s'[: len(names) - 1]}, found {len(days)}"
            raise Unclear(msg)
        for name, day in zip(names, days, strict=True):
            taker.put(statement, ("sprint", name), day)

    return meaning


_TO_END = re.compile(r"\b(?:ends?|until|till|to|through)\b|[\u2013\u2014]", re.IGNORECASE)


def _hypothesis(taker: Taker, statement: Statement) -> None:
    if value_at(taker.answers, _HYPOTHESIS) is not None:
        msg = "a second hypothesis; one experiment tests one"
        raise Unclear(msg)
    taker.put(statement, _HYPOTHESIS, statement.text.strip("\"' "))


def _goal(taker: Taker, statement: Statement) -> None:
    if statement.cells:
        _goal_of_row(taker, statement)
        return
    goal = parse_goal(statement.text)
    taker.put(statement, (*_METRIC, "name"), goal.name)
    if goal.target:
        taker.put(statement, (*_METRIC, "target"), goal.target)
    else:
        taker.notes.append(Note(statement.line, "", shorten(statement.text), "it names no target such as +20%"))
    if goal.baseline:
        taker.put(statement, (*_METRIC, "baseline"), goal.baseline)


def _goal_of_row(taker: Taker, statement: Statement) -> None:
    cells = {name.casefold(): text for name, text in statement.cells.items()}
    taker.put(statement, (*_METRIC, "name"), statement.text)
    for name, path in (("target", "target"), ("goal", "target"), ("baseline", "baseline"), ("current", "baseline")):
        if cells.get(name) and not is_unfilled(cells[name]):
            taker.put(statement, (*_METRIC, path), cells[name].replace(" ", ""))


def _limit(taker: Taker, statement: Statement) -> None:
    """Take a limit with a fixed number as a condition of the rollback."""
    after = parse_deadline(statement.text)
    if after:
        item = {"what": statement.text.rstrip("."), "after": after}
        taker.add(statement, ("experiment", "decisions"), item, "decided on its day: no alert can see it")
        return
    limit = parse_limit(_limit_text(statement))
    item = {"metric": limit.metric, limit.side: limit.threshold}
    item |= {"for": limit.lasting} if limit.lasting else {}
    taker.add(statement, ("rollback", "criteria"), item, limit.remark)


_THRESHOLDS = re.compile(r"threshold|limit|max(?:imum)?|target|alert|value|criteri(?:a|on)|must.*", re.IGNORECASE)


def _limit_text(statement: Statement) -> str:
    """Give the words of a limit: of a row its subject and the cell of the threshold, where a column is named so."""
    found = [text for name, text in statement.cells.items() if _THRESHOLDS.fullmatch(name) and text != statement.text]
    return " ".join([statement.text, *(found[:1] or list(statement.cells.values())[1:])])


def guardrail(taker: Taker, statement: Statement) -> None:
    """Take a limit, and what has no fixed number in words."""
    try:
        _limit(taker, statement)
    except Unclear as reason:
        words = _cells_text(statement)
        taker.add(
            statement, ("experiment", "guardrails"), words, f"in words: {reason}" if re.search(r"\d", words) else ""
        )


def _alert(taker: Taker, statement: Statement) -> None:
    limit = parse_limit(_limit_text(statement))
    item = {"metric": limit.metric, limit.side: limit.threshold}
    item |= {"for": limit.lasting} if limit.lasting else {}
    taker.add(statement, ("alerts",), item, limit.remark)


def _unit_and_share(taker: Taker, statement: Statement) -> None:
    share = parse_share(statement.text)
    taker.put(statement, (*_ASSIGNMENT, "treatment"), share)
    unit = re.search(r"\b(user|session|request)s?\b", statement.text, re.IGNORECASE)
    if unit:
        taker.put(statement, (*_ASSIGNMENT, "unit"), unit[1].lower())


def _kind_of_experiment(taker: Taker, statement: Statement) -> None:
    methods = ((r"\bfeature[- ]?flags?\b", "feature-flag"), (r"\btraffic[- ]split\b|\bcanary\b", "traffic-split"))
    found = [name for pattern, name in methods if re.search(pattern, statement.text, re.IGNORECASE)]
    if len(found) != 1:
        msg = "it does not say whether a feature flag or a traffic split assigns the variants"
        raise Unclear(msg)
    taker.put(statement, (*_ASSIGNMENT, "method"), found[0])


def _confidence(taker: Taker, statement: Statement) -> None:
    share = parse_share(statement.text)
    number = float(share.removesuffix("%"))
    if number < 50:  # noqa: PLR2004 - a confidence is near 100 %, a significance near 0
        taker.put(statement, ("experiment", "significance"), share)
    else:
        taker.put(statement, ("experiment", "significance"), f"{100 - number:g}%", f"a confidence of {share}")


_A_DAY = re.compile(r"\b(?:a|per|each|every) day\b|\bdaily\b|/\s*day", re.IGNORECASE)


def _eligible(taker: Taker, statement: Statement) -> None:
    if not _A_DAY.search(f"{statement.label} {statement.text}"):
        msg = "it does not say that this is per day"
        raise Unclear(msg)
    taker.put(statement, ("experiment", "eligible_per_day"), parse_count(statement.text))


def _capacity(taker: Taker, statement: Statement) -> None:
    taker.put(statement, ("sprint", "capacity"), parse_count(statement.text))


def _split(taker: Taker, statement: Statement) -> None:
    unit = re.search(r"\b(user|session|request)s?\b", statement.text, re.IGNORECASE)
    taker.put(statement, (*_ASSIGNMENT, "treatment"), parse_split(statement.text))
    if unit:
        taker.put(statement, (*_ASSIGNMENT, "unit"), unit[1].lower())


def _named_sprint(taker: Taker, statement: Statement) -> None:
    for name in re.findall(r"\bsprint (\d{1,4})\b", statement.text, re.IGNORECASE):
        taker.put(statement, ("sprint", "name"), name)


def _no_key(reason: str) -> Meaning:
    def meaning(_taker: Taker, _statement: Statement) -> None:
        raise Unclear(reason)

    return meaning


def _belief(taker: Taker, statement: Statement) -> None:
    if not _BELIEF.search(statement.text):
        msg = "no hypothesis such as: we believe that (who) will (do what) because (why)"
        raise Unclear(msg)
    _hypothesis(taker, statement)


def _requirement(taker: Taker, statement: Statement) -> None:
    """Take the limit of a requirement; one without a limit says nothing that a spec has."""
    try:
        parse_limit(statement.text)
    except Unclear:
        return
    _alert(taker, statement)


_COMPUTED = "no key of the spec: the tool computes it"


def _computed(find: Callable[[str, Needed], Iterator[Short]]) -> Meaning:
    """Take nothing, and say where what is stated is too small for the document's own numbers."""

    def meaning(taker: Taker, statement: Statement) -> None:
        needed = needed_of(taker.answers)
        short = [each.words for each in find(statement.text, needed)] if needed else []
        raise Unclear("; ".join([_COMPUTED, *short]))

    return meaning


stated_days, stated_sizes = _computed(short_days), _computed(short_sizes)
_SECTIONS: tuple[tuple[str, Meaning], ...] = (
    (r"hypothes[ie]s|(?:riskiest )?assumptions?|riskiest assumption", _belief),
    (r"(?:primary|main|key|north[- ]star)(?: success)? (?:metric|kpi)|primary|(?:goal|success) (?:metric|kpi)", _goal),
    (r"leading(?: indicators?)?|secondary(?: metrics?)?", _sentences("experiment", "leading_indicators")),
    (r"guardrails?(?: metrics?)?|counter[- ]?metrics?", guardrail),
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
    (r"duration|run time", stated_days),
    (r"sample size", stated_sizes),
)
"""What a label means for the text behind it, and for nothing else."""

_SENTENCES = re.compile(r";\s+|(?<=[^\d\s][.!])\s+(?=\S)|(?<=\d\.)\s+(?=[A-Z])")
_PROSE: tuple[tuple[str, Meaning], ...] = (
    (r"\b(?:roll(?:ed)?[ -]?back|abort|stop the (?:experiment|test|release))\b.*\b(?:if|when|once)\b", _limit),
    (r"\b\d{1,2}\s*[/:]\s*\d{1,2}\s+split\b|\bsplit\s+\d{1,2}\s*[/:]\s*\d{1,2}\b", _split),
    (r"\beligible\b.*\d|\d.*\beligible\b", _eligible),
    (r"\bsprint \d{1,4}\b", _named_sprint),
    (r"\bsprint\b.*\bstart(?:s|ing)?\b.*\d{4}", _day("starts")),
)
"""What a sentence says by itself."""

_NUMBERS = re.compile(
    r"\d[\d.,]*\s*(?:%|percent\b|ms\b|milliseconds?\b|/s\b|rps\b|EUR\b|USD\b|\u20ac|\$)|[\u20ac$]\s?\d|"
    r"\b\d{4}-\d\d-\d\d\b|\d[./]\d\d?[./]\d{4}",
    re.IGNORECASE,
)
"""What makes a sentence worth telling of which nothing is known."""


LISTED = (guardrail, _limit, _alert)
"""What may stand under a heading with a label of its own, as ``**Errors:** below 2%`` under *Guardrails*."""

_TITLES = re.compile(
    r"(?:(?:product )?requirements?(?: documents?)?|prd|feature|spec(?:ification)?)\s*[:\u2013\u2014-]\s*(?P<name>.+)",
    re.IGNORECASE,
)
_SORTS = re.compile(
    r"an?|and|of|for|the|our|this|new|products?|features?|projects?|technical|functional|business|system|software|prd"
    r"|requirements?|specifications?|specs?|documents?|documentation|readme|overview|introduction|summary|design"
    r"|proposal|brief|plan|notes|draft|template|untitled|title|goals?|success|metrics?|v?\d+"
)
"""Words that name a sort of document, and no feature."""
_BELIEF = re.compile(
    r"\bwe (?:believe|hypothesi[sz]e|expect|assume) that\b|\bif we\b.+\b(?:then|will)\b", re.IGNORECASE
)
_DEMANDS = re.compile(r"\bSHALL\b|\bMUST\b")
_GENERAL = re.compile(r"type|method|assignment|duration|starts?|ends?|(?:start|end) date|dates|control|baseline")
_CONTEXT = re.compile("experiment|sprint|test|metric|plan|schedule|timeline|dates", re.IGNORECASE)
"""Labels that say something of an experiment or a sprint only where a heading above them does."""


def meant(statement: Statement) -> Iterator[tuple[Statement, Meaning]]:
    """Give what a statement means; of a text that no label and no heading gives a meaning, sentence by sentence.

    A label that stands for one value, and a belief, take one sentence: the others speak for themselves.
    """
    meaning = _meaning(statement)
    sentences = _SENTENCES.split(statement.text) if statement.kind == "text" else [statement.text]
    own = meaning is _hypothesis or bool(meaning and _find(_LABELS, statement.label))
    if meaning and own and len(sentences) > 1:
        taken = next((each for each in sentences if _BELIEF.search(each)), sentences[0])
        yield statement._replace(text=taken), meaning
        yield from _spoken(statement, [each for each in sentences if each is not taken])
    elif meaning:
        yield statement, meaning
    elif statement.kind == "text":
        yield from _spoken(statement, [f"{statement.label}: {sentences[0]}" if statement.label else sentences[0],
                                       *sentences[1:]])  # fmt: skip


def _spoken(statement: Statement, sentences: list[str]) -> Iterator[tuple[Statement, Meaning]]:
    for sentence in sentences:
        said = [each for pattern, each in _PROSE if re.search(pattern, sentence, re.IGNORECASE)]
        if not said and _NUMBERS.search(sentence):
            said = [_no_key("nothing that is a key of the spec")]
        yield from ((statement._replace(label="", text=sentence), each) for each in said)


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
    return above if not statement.label or above in LISTED else None


def _meaning_of_heading(statement: Statement) -> Meaning | None:
    """Find what a heading means that has its value behind a colon."""
    label, _, text = statement.text.partition(":")
    own = _of_label(label, statement.above) if text.strip() else None
    if own is None:
        return None

    def meaning(taker: Taker, each: Statement) -> None:
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

    def meaning(taker: Taker, each: Statement) -> None:
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
