"""What a sentence of a document says in numbers: a quantity, a date, a metric with its target, a limit.

Lives here: pure reading of short texts, in the notations that people use. What can mean two things raises ``Unclear``:
nothing is guessed. Must not: Markdown, the keys of a spec.
"""

import re
from datetime import date
from typing import NamedTuple


class Unclear(Exception):  # noqa: N818 - no error of anybody: the sentence can mean two things, or nothing that is known
    """A text that cannot be read, with the reason in words."""


_NUMBER = r"\d[\d.,\u00a0\u202f' ]*\d|\d"
_UNITS = (
    (r"(?:milliseconds?|millis|msecs?|ms)\b", "ms"),
    (r"(?:seconds?|secs?|s)\b", "s"),
    (r"(?:minutes?|mins?)\b|m\b", "m"),
    (r"(?:hours?|hrs?|h)\b", "h"),
    (r"(?:days?|d)\b", "d"),
    (r"(?:%|percent\b|per cent\b|pct\b)(?! ?points?)", "%"),
)
_GROUPED = re.compile(r"\d{1,3}(?:[.,]\d{3})")
_SPACED = re.compile(r"(?<=\d)[ \u00a0\u202f'](?=\d{3}\b)")
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_MOST_MONTHS = len(_MONTHS)
_PLACEHOLDER = re.compile(
    r"\[[^\]]+\](?!\()|<[^>]+>|_{3,}|\?{2,}|\bX{2,}\b|\bTB[DAC]\b|to be (?:decided|defined|determined)", re.IGNORECASE
)
_NOTHING = frozenset({"", "n/a", "na", "none", "-", "todo", "yes | no", "\u2026", "..."})


def is_unfilled(text: str) -> bool:
    """Say whether a text is a placeholder that nobody has filled in."""
    return text.strip().strip("*_`.").casefold() in _NOTHING or _PLACEHOLDER.search(text) is not None


def parse_number(text: str) -> str:
    """Read a number as people write it in any country; raises ``Unclear`` where a separator can mean two things."""
    plain = _SPACED.sub("", text.strip())
    if _GROUPED.fullmatch(plain):
        whole, rest = re.split("[.,]", plain)
        if whole.strip("0"):
            msg = f"{text.strip()} may be {whole}{rest} or {whole}.{rest}"
            raise Unclear(msg)
    if "." in plain and "," in plain:
        last = max(plain.rfind("."), plain.rfind(","))
        plain = re.sub("[.,]", "", plain[:last]) + "." + plain[last + 1 :]
    elif len(re.findall("[.,]", plain)) > 1:
        plain = re.sub("[.,]", "", plain)
    plain = plain.replace(",", ".")
    if not re.fullmatch(r"\d+(?:\.\d+)?", plain):
        msg = f"{text.strip()} is no number"
        raise Unclear(msg)
    return plain


def parse_count(text: str) -> str:
    """Read a whole number, of which every separator parts thousands."""
    found = re.search(_NUMBER, text)
    plain = re.sub(r"[.,\u00a0\u202f' ]", "", found[0]) if found else ""
    if not found or (re.search("[.,]", found[0]) and not re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", found[0].strip())):
        msg = "no whole number"
        raise Unclear(msg)
    return plain


class _Found(NamedTuple):
    """A quantity in a text, and where it stands."""

    text: str
    unit: str
    start: int
    end: int


def _quantities(text: str) -> list[_Found]:
    found = []
    for match in re.finditer(rf"(?<![\w.])(?P<number>{_NUMBER})", text):
        unit, length = _unit_of(text[match.end() :])
        if unit:
            number = parse_number(match["number"])
            found.append(_Found(f"{number}{unit}", unit, match.start(), match.end() + length))
    return found


def _unit_of(text: str) -> tuple[str, int]:
    """Name the unit that a text begins with, and say how long its word is."""
    hits = ((name, re.match(rf"[\s\u00a0\u202f-]?{pattern}", text)) for pattern, name in _UNITS)
    return next(((name, hit.end()) for name, hit in hits if hit), ("", 0))


_RANGE = re.compile(r"\d\s*%?\s*(?:-|\u2013|\u2014|to|and)\s*\d")


def parse_share(text: str) -> str:
    """Read the one share in a text; raises ``Unclear`` where there is none, or are several."""
    shares = [each for each in _quantities(text) if each.unit == "%"]
    if _RANGE.search(text) or len(shares) != 1:
        msg = "a range, or several numbers" if shares else "no share such as 50%"
        raise Unclear(msg)
    return shares[0].text


_NUMERIC = re.compile(r"(?<![\d./])(\d{1,2})([./])(\d{1,2})\2(\d{4})(?!\d|[./]\d)")


def _of_numbers(first: str, sign: str, second: str, year: str) -> str:
    """Write a date of numbers in order: with dots the day stands first, with strokes only where there is no such month.

    Raises ``Unclear`` where it can be two days.
    """
    day, month = int(first), int(second)
    if sign == "/" and month > _MOST_MONTHS:
        day, month = month, day
    elif sign == "/" and day <= _MOST_MONTHS and day != month:
        msg = f"{first}/{second}/{year} can be two days"
        raise Unclear(msg)
    return f"{year}-{month:02d}-{day:02d}"


def parse_day(text: str) -> list[str]:
    """Read the dates in a text, in the order in which they stand; raises ``Unclear`` where there is none."""
    iso = re.findall(r"\b\d{4}-\d{2}-\d{2}\b", text)
    names = "|".join(f"{month[:3]}(?:{month[3:]})?" for month in _MONTHS)
    before = rf"(\d{{1,2}})(?:st|nd|rd|th)? ({names})\.?,? (\d{{4}})"
    after = rf"({names})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})"
    spoken = rf"\b(?:{before}|{after})\b"
    for first, month, year, other, second, last in re.findall(spoken, text, re.IGNORECASE):
        number = [name[:3] for name in _MONTHS].index((month or other)[:3].lower()) + 1
        iso.append(f"{year or last}-{number:02d}-{int(first or second):02d}")
    iso += [_of_numbers(*parts) for parts in _NUMERIC.findall(text)]
    try:
        days = [date.fromisoformat(each).isoformat() for each in iso]
    except ValueError:
        days = []
    if not days:
        msg = "no date such as 2026-12-01 (01/12 can be two days)"
        raise Unclear(msg)
    return days


# A metric and where it shall go


class Goal(NamedTuple):
    """A metric, its target and where it is today; empty where the text does not say."""

    name: str
    target: str = ""
    baseline: str = ""


_UP = "increase|growth|grow|rise|raise|more|uplift|lift|improve(?:ment)?|boost|gain"
_DOWN = "decrease|reduction|reduce|drop|decline|fewer|less|lower|cut|fall"
_AMOUNT = r"\d[\d.,]*\s*(?:%|percent)"
_SHARE = r"\d[\d.,]*\s*%"
_FIRST = re.compile(
    rf"(?:an? )?[+-]?\s*(?P<amount>{_AMOUNT})\s+(?P<way>{_UP}|{_DOWN})s?\s+(?:in|of)\s+(?:the )?(?P<name>.+)",
    re.IGNORECASE,
)
_VERB = re.compile(
    rf"(?P<way>{_UP}|{_DOWN})s?\s+(?:the )?(?P<name>.+?)\s+by\s+(?:at least )?(?P<amount>{_AMOUNT}).*", re.IGNORECASE
)
_SIGNED = re.compile(rf"(?P<name>.+?)[\s:,(-]+(?P<target>[+-]\s?{_SHARE})\)?\.?")
_FROM = re.compile(
    r"(?:(?:increase|raise|improve|reduce|lower|move)s?\s+)?(?P<name>.+?):?\s+(?:rises? |goes? |falls? )?"
    rf"from\s+(?P<old>{_SHARE}?)\s+to\s+(?P<new>{_SHARE}?).*",
    re.IGNORECASE,
)
_NOW = re.compile(
    rf"(?P<name>.+?)[\s,:(]+(?:currently|today|now|baseline)(?: at| of|:)?\s+(?P<old>{_SHARE})[\s,;)]+"
    rf"(?:and )?(?:goal|target|aim)(?: is| of|:)?\s+(?P<new>{_SHARE})\)?",
    re.IGNORECASE,
)
_REACH = re.compile(
    rf"(?P<name>.+?)[:,]?\s+(?:reach(?:es)?|of|is|to|>=|\u2265|at)\s+(?:at least\s+)?(?P<new>{_SHARE})\.?",
    re.IGNORECASE,
)
_DEADLINE = re.compile(r"\s+(?:with)?in\s+\d+\s+(?:days?|weeks?|months?)\b.*$", re.IGNORECASE)


def parse_goal(text: str) -> Goal:
    """Read a metric and its target; what is no target leaves the name alone. Raises ``Unclear`` at a range."""
    plain = text.strip().rstrip(".").strip("\"' ")
    if _RANGE.search(_FROM.sub("", plain)):
        msg = "a range is no target"
        raise Unclear(msg)
    if match := _FROM.fullmatch(plain) or _NOW.fullmatch(plain):
        return Goal(match["name"].strip(), _amount(match["new"]), _amount(match["old"]))
    for pattern in (_FIRST, _VERB):
        if match := pattern.fullmatch(plain):
            sign = "-" if re.fullmatch(_DOWN, match["way"], re.IGNORECASE) else "+"
            return Goal(_DEADLINE.sub("", match["name"]).strip(" ,"), sign + _amount(match["amount"]))
    if match := _SIGNED.fullmatch(plain):
        return Goal(match["name"].strip(), match["target"][0] + _amount(match["target"][1:]))
    if match := _REACH.fullmatch(plain):
        return Goal(match["name"].strip(), _amount(match["new"]))
    return Goal(plain)


def _amount(text: str) -> str:
    found = re.match(rf"\s*(?P<number>{_NUMBER})\s*(?P<unit>%|percent)?", text)
    if not found:
        raise Unclear(text)
    return parse_number(found["number"]) + ("%" if found["unit"] else "")


# A limit that must not be passed


class Limit(NamedTuple):
    """A metric that the tool knows, the side on which it is bad, the threshold, and how long it must stay there."""

    metric: str
    side: str
    threshold: str
    lasting: str = ""
    remark: str = ""


_RELATIVE = re.compile(
    r"\b(?:(?:increases?|degrad\w*|regress\w*|rises?|grows?)\b(?!\s+(?:above|over|beyond|past|to)\b)|worse\b|slower\b|"
    r"than (?:the )?(?:control|baseline|today|before|now)\b|(?:vs|versus|relative to|compared (?:to|with)|points?)\b)",
    re.IGNORECASE
)  # fmt: skip
_DATED = re.compile(
    r"\b(?:after|within|by|in)\s+(?:the first\s+)?(?P<number>[1-9]\d{0,2}|one|two|three|four|six)\s+"
    r"(?P<unit>day|week|month)s?\b",
    re.IGNORECASE,
)
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "six": 6}
_DAYS = {"day": 1, "week": 7, "month": 30}
_LASTING = re.compile(
    r"\b(?:for|over)\s+(?:more than\s+|at least\s+)?(?P<span>\d+\s*-?\s*(?:seconds?|minutes?|mins?|hours?|[smh])\b)",
    re.IGNORECASE,
)
_LATENCY = (
    r"\blatenc(?:y|ies)\b|\bresponse[- ]times?\b|\bp\d\d\b|\bpage load\b|\brespon(?:d|ds|se)\b|"
    r"\b\d\dth percentile\b"
)
_KNOWN = (
    (r"\bquer(?:y|ies)\b.*(?:latenc|time|p95)|\bdatabase (?:latenc|response)", "db_latency_p95", "ms s"),
    (_LATENCY, "latency_p95", "ms s"),
    (r"\berror[- ](?:rates?|ratio)\b|\berrors?\b|\bfailed requests\b|\b5xx\b", "error_ratio", "%"),
    (r"\bthroughput\b", "throughput_ratio", "%"),
    (r"\bcpu\b", "cpu_utilization", "%"),
    (r"\bmemory\b", "memory_utilization", "%"),
)
_OTHER_STATISTIC = re.compile(
    r"\b(?:p(?!95)\d\d+|(?!95)\d\d(?:\.\d)?th percentile|median|mean|average|max(?:imum)?)\b", re.IGNORECASE
)
_SAID = re.compile(r"p95|95th", re.IGNORECASE)
_STATISTIC = re.compile(r"\b\d\dth percentile|\bp\d\d\b", re.IGNORECASE)
_BASELINE = re.compile(r"\bof (?:the )?(?:baseline|normal|usual)\b", re.IGNORECASE)


def parse_deadline(text: str) -> str:
    """Read the time after which a criterion is decided, a month as 30 days; "" where it has no deadline."""
    found = _DATED.search(text)
    if not found:
        return ""
    number = found["number"].lower()
    return f"{(_WORDS.get(number) or int(number)) * _DAYS[found['unit'].lower()]}d"


_JOINED = re.compile(r"\s*;\s+|,?\s+(?:or|and)\s+", re.IGNORECASE)


def parts_of_limit(text: str) -> list[str]:
    """Take a sentence apart that joins several limits, each of a metric of its own."""
    parts = _JOINED.split(text)
    known = [any(re.search(pattern, part, re.IGNORECASE) for pattern, _, _ in _KNOWN) for part in parts]
    return parts if all(known) else [text]


def parse_split(text: str) -> str:
    """Read the share of the treatment from a split such as 50/50; raises ``Unclear`` where it is not even."""
    found = re.search(r"\b(\d{1,2})\s*[/:]\s*(\d{1,2})\b", text)
    if not found or found[1] != found[2] or found[1] != "50":
        msg = "it does not say which share is the treatment's"
        raise Unclear(msg)
    return "50%"


def parse_limit(text: str) -> Limit:
    """Read a limit of a known metric from a sentence; raises ``Unclear`` with the reason where there is none."""
    lasting = _LASTING.search(text)
    rest = _LASTING.sub(" ", text)
    metric, units = next((row[1:] for row in _KNOWN if re.search(row[0], text, re.IGNORECASE)), ("", ""))
    below = metric == "throughput_ratio"
    reasons = (
        (bool(_DATED.search(rest)), "a target with a deadline is no alert"),
        (not metric, "no metric with a number that can be watched"),
        (
            bool(_RELATIVE.search(_BASELINE.sub(" ", rest) if below else rest)),
            "relative to what is measured, not a fixed threshold",
        ),
        ("latency" in metric and bool(_OTHER_STATISTIC.search(rest)), "only the 95th percentile can be watched"),
    )
    reason = next((reason for holds, reason in reasons if holds), "")
    if reason:
        raise Unclear(reason)
    remark = "read as the 95th percentile" if "ms" in units and not _SAID.search(rest) else ""
    span = "".join(each.text for each in _quantities(lasting["span"])) if lasting else ""
    return Limit(metric, "below" if below else "above", _one_threshold(rest, units), span, remark)


def _one_threshold(text: str, units: str) -> str:
    if _RANGE.search(text):
        msg = "a range is no threshold"
        raise Unclear(msg)
    found = [each for each in _quantities(_STATISTIC.sub(" ", text)) if each.unit in units.split()]
    if len(found) != 1:
        msg = "several numbers" if found else "no number in the metric's unit"
        raise Unclear(msg)
    return found[0].text
