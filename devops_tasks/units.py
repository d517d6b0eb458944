"""Quantities as people write them: text to an exact value, and that value in the notation of each output.

Lives here: durations, shares, sizes, processors, money, rates, numbers and targets.
Must not: the name of a metric, the spec, rounding. Every parser raises ``ValueError`` with what was expected.
"""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

# The notations, in regular expressions that mean the same to Python and to ECMA 262: the JSON Schema carries them too.
_THREE_PLACES = r"(?:\.[0-9]{1,3})?"
_EIGHTHS = r"(?:\.(?:0{1,3}|125|250?|375|50{0,2}|625|750?|875))?"  # of a Gi, so that whole Ki come out
_ABOVE_ZERO = "(?=[^1-9]*[1-9])"
_PART = f"[0-9]{{1,13}}{_THREE_PLACES} *(?:ms|min|[smhdwy])"
_WHOLE_PART = rf"[0-9]{{1,13}}(?:(?:\.0{{1,3}})? *ms|{_THREE_PLACES} *(?:min|[smhdwy]))"
NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
DURATION = f"{_PART}(?: *{_PART})*"
SPAN = f"{_WHOLE_PART}(?: *{_WHOLE_PART})*"
SHARE = rf"{NUMBER} *%|0{{1,15}}(?:\.[0-9]{{1,9}})?"
RATE = f"{NUMBER} */ *(?:s|min|m|h)"
QUANTITY = f"{NUMBER}(?: *%)?|{DURATION}|{RATE}"
# Parts of a Mi are whole Ki, and no part has so many digits that the smaller unit could not write it.
SIZE = _ABOVE_ZERO + "(?:" + "|".join((
    "[0-9]{1,16} *(?:kB?|[MGT]B?|[KMGT]i)",
    f"[0-9]{{1,12}}(?:{_THREE_PLACES} *MB?|{_EIGHTHS} *Mi)",
    f"[0-9]{{1,8}}(?:{_THREE_PLACES} *GB?|{_EIGHTHS} *Gi)",
    f"[0-9]{{1,4}}(?:{_THREE_PLACES} *TB?|{_EIGHTHS} *Ti)",
)) + ")"  # fmt: skip
CPU = rf"{_ABOVE_ZERO}(?:[0-9]{{1,9}}m|[0-9]{{1,6}}{_THREE_PLACES})"
MONEY = f"{NUMBER} *[A-Z]{{3}}"
TARGET = f"[+-]? *{NUMBER} *%|-? *{NUMBER}"
DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
# But for the leap years, which no pattern knows.
CALENDAR = "(?!0000|[0-9]{4}-(?:02-3|(?:0[469]|11)-31))[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
    "w": Decimal(604800),
    "y": Decimal(31536000),
}
_DAY_MINUTES = 1440
_WEEK_MINUTES = 10080
_PRINTED = ("y", "d", "h", "m", "s")
_WORDS = {"y": "year", "d": "day", "h": "hour", "m": "minute", "s": "second", "ms": "millisecond"}
_BINARY = {"Ti": 2**40, "Gi": 2**30, "Mi": 2**20, "Ki": 2**10}
_DECIMAL = {"T": 10**12, "G": 10**9, "M": 10**6, "k": 10**3}
_LONGEST = 100 * _SECONDS["y"]
_UNIT_SIGNS = "%/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz "
_SIMPLE = {
    NUMBER: frozenset({""}),
    SHARE: frozenset({"%"}),
    RATE: frozenset({"/s", "/min", "/h"}),
    DURATION: frozenset(_SECONDS),
    SPAN: frozenset(_SECONDS),
    SIZE: frozenset((*_BINARY, *_DECIMAL)),
    CPU: frozenset({"", "m"}),
}
"""The units that a notation takes behind every small whole number, 0 where it takes that."""
_FEW = 4
"""A small number has no more digits than this, a point included."""


def above_zero(pattern: str) -> str:
    """Narrow a notation to values above zero: a digit other than 0 comes somewhere."""
    return f"{_ABOVE_ZERO}(?:{pattern})"


Notations = dict[str, str]
"""One quantity in several notations; ``text`` is the one of the spec and of prose."""


def plain(number: Decimal | int) -> str:
    """Print a number exactly, without exponent or trailing zeros: ``Decimal('2.50')`` is ``2.5``."""
    if isinstance(number, int):
        return str(number)
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=1024)
def _counted(seconds: Decimal) -> tuple[str, str]:
    """Count in the largest unit that holds a span in a whole number; ``ms`` for parts of a millisecond, else ``s``."""
    if seconds < 1 or seconds * 1000 % 1:
        unit = "ms" if seconds else "s"
    else:
        unit = next((unit for unit in _PRINTED if seconds % _SECONDS[unit] == 0), "s")
    return plain(seconds / _SECONDS[unit]), unit


class Duration(NamedTuple):
    """A span of time; ``seconds`` is exact."""

    seconds: Decimal

    @property
    def text(self) -> str:
        """As the spec and the document print it: ``500ms``, ``2.5s``, ``5m``, ``30d``."""
        return "".join(_counted(self.seconds))

    @property
    def words(self) -> str:
        """As a sentence prints it: ``5 minutes``."""
        count, unit = _counted(self.seconds)
        return f"{count} {_WORDS[unit]}" + ("" if count == "1" else "s")

    @property
    def promql(self) -> str:
        """As a Prometheus range or ``for``: whole units only, so ``2.5s`` is ``2500ms``; of whole milliseconds."""
        text = self.text
        return text if "." not in text else f"{plain(self.seconds * 1000)}ms"

    def notations(self) -> Notations:
        """Give every notation that a template may print."""
        seconds = plain(self.seconds)
        return {
            "text": self.text,
            "words": self.words,
            "promql": self.promql,
            "seconds": seconds,
            "value": seconds,
        }


class Share(NamedTuple):
    """A part of a whole; ``ratio`` is exact, 0.02 for 2 %."""

    ratio: Decimal

    @property
    def percent(self) -> str:
        """The number before the percent sign."""
        return plain(self.ratio * 100)

    @property
    def text(self) -> str:
        """As the spec and the document print it: ``2%``."""
        return f"{self.percent}%"

    def notations(self) -> Notations:
        """Give every notation that a template may print."""
        percent, ratio = self.percent, plain(self.ratio)
        return {"text": f"{percent}%", "words": f"{percent}%", "percent": percent, "ratio": ratio, "value": ratio}


class Rate(NamedTuple):
    """Events in a unit of time; ``amount`` is exact, ``unit`` is ``s``, ``min`` or ``h``."""

    amount: Decimal
    unit: str

    @property
    def unit_seconds(self) -> int:
        """The seconds in the rate's unit of time."""
        return {"s": 1, "min": 60, "h": 3600}[self.unit]

    @property
    def text(self) -> str:
        """As the spec and the document print it: ``100/min``."""
        return f"{plain(self.amount)}/{self.unit}"

    def notations(self) -> Notations:
        """Give every notation that a template may print; ``value`` is per ``unit_seconds``."""
        amount = plain(self.amount)
        return {
            "text": f"{amount}/{self.unit}",
            "words": f"{amount} per {({'s': 'second', 'min': 'minute', 'h': 'hour'})[self.unit]}",
            "unit": self.unit,
            "unit_seconds": str(self.unit_seconds),
            "value": amount,
        }


class Number(NamedTuple):
    """A bare number, exact."""

    value: Decimal

    @property
    def text(self) -> str:
        """As the spec and the document print it."""
        return plain(self.value)

    def notations(self) -> Notations:
        """Give every notation that a template may print."""
        return dict.fromkeys(("text", "words", "value"), self.text)


Quantity = Duration | Share | Rate | Number


class Size(NamedTuple):
    """An amount of memory or storage in whole bytes."""

    bytes: int

    @property
    def text(self) -> str:
        """As a Kubernetes quantity, which the document prints too: ``4Gi``, ``500M``."""
        exact = [(factor, unit) for unit, factor in (_BINARY | _DECIMAL).items() if self.bytes % factor == 0]
        return min([f"{self.bytes // factor}{unit}" for factor, unit in exact] + [str(self.bytes)], key=len)


class Cpu(NamedTuple):
    """Processor time in thousandths of a core."""

    millicores: int

    @property
    def text(self) -> str:
        """As a Kubernetes quantity: ``500m``, ``2``."""
        return str(self.millicores // 1000) if self.millicores % 1000 == 0 else f"{self.millicores}m"


class Money(NamedTuple):
    """An amount in a currency of three letters (ISO 4217)."""

    amount: Decimal
    currency: str

    @property
    def text(self) -> str:
        """As the spec and the document print it: ``1000 USD``."""
        return f"{plain(self.amount)} {self.currency}"


class Target(NamedTuple):
    """What a metric is to reach: ``relative`` (+20%), ``absolute`` (12%) or ``value`` (in the metric's unit)."""

    kind: str
    value: Decimal

    @property
    def text(self) -> str:
        """As the spec and the document print it: ``+20%``, ``12%``, ``35``."""
        if self.kind == "value":
            return plain(self.value)
        sign = "+" if self.kind == "relative" and not self.value.is_signed() else ""
        return f"{sign}{plain(self.value * 100)}%"


def _match(pattern: str, text: str, expected: str) -> None:
    if not _is_simple(pattern, text) and not re.fullmatch(pattern, text):
        raise ValueError(expected)


def _is_simple(pattern: str, text: str) -> bool:
    """Say that text matches, where it is a small number and a unit: compiling takes longer than reading a spec's."""
    if pattern not in _SIMPLE:
        return False
    number = text.rstrip(_UNIT_SIGNS)
    if len(number) > _FEW or text[len(number) :] not in _SIMPLE[pattern]:
        return False
    digits = number.replace(".", "", 1) if pattern == DURATION and number[:1] != "." != number[-1:] else number
    above_zero = not pattern.startswith(_ABOVE_ZERO) or digits.strip("0") != ""
    return digits.isdecimal() and digits.isascii() and above_zero


def _split(text: str) -> tuple[Decimal, str]:
    """Part a number from the unit that follows it."""
    number = text.rstrip(_UNIT_SIGNS)
    return Decimal(number), text[len(number) :].strip()


class Schedule(NamedTuple):
    """When something recurring starts, in the fields of cron; ``weekday`` is ``*`` or a day's name."""

    minute: str
    hour: str
    weekday: str = "*"

    @property
    def cron(self) -> str:
        """As a CronJob has it, in five fields."""
        return f"{self.minute} {self.hour} * * {self.weekday}"

    @property
    def aws(self) -> str:
        """As AWS has it, in six fields of which one day is ``?``."""
        day, weekday = ("*", "?") if self.weekday == "*" else ("?", self.weekday)
        minute, hour = (field.replace("*/", "0/") for field in (self.minute, self.hour))
        return f"cron({minute} {hour} {day} * {weekday} *)"


def schedule(every: Duration) -> Schedule:
    """Start at even intervals; raise ``ValueError`` for an interval after which the clock does not repeat itself."""
    minutes = every.seconds / 60
    hours = minutes / 60
    if minutes in {_DAY_MINUTES, _WEEK_MINUTES}:
        return Schedule("0", "2", "SUN" if minutes == _WEEK_MINUTES else "*")
    if hours >= 1 and hours % 1 == 0 and 24 % hours == 0:
        return Schedule("0", "*" if hours == 1 else f"*/{plain(hours)}")
    if minutes >= 1 and minutes % 1 == 0 and 60 % minutes == 0:
        return Schedule("*" if minutes == 1 else f"*/{plain(minutes)}", "*")
    msg = "an interval that the clock repeats: a divisor of an hour or of a day, 1d or 7d"
    raise ValueError(msg)


def parse_number(text: str) -> Number:
    """Read a bare number; raise ``ValueError`` for anything else."""
    _match(NUMBER, text, "a number such as 5 or 0.5")
    return Number(Decimal(text))


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> Duration:
    """Read ``500ms``, ``5m``, ``1h30m``, ``30d``; raise ``ValueError`` for anything else."""
    _match(DURATION, text, "a duration such as 500ms, 5m or 30d")
    parts = [_split(part) for part in ([text] if _is_simple(DURATION, text) else re.findall(_PART, text))]
    seconds = sum((number * _SECONDS[unit] for number, unit in parts), Decimal(0))
    if seconds >= _LONGEST:
        msg = "a duration of less than 100 years"
        raise ValueError(msg)
    return Duration(seconds)


def parse_span(text: str) -> Duration:
    """Read a duration in whole milliseconds, the finest that Prometheus knows as a span of time."""
    duration = parse_duration(text)
    _match(SPAN, text, "a duration in whole milliseconds")
    return duration


def positive(duration: Duration) -> Duration:
    """Pass a duration on; raise ``ValueError`` for one of no time at all."""
    if not duration.seconds:
        msg = "a duration above zero"
        raise ValueError(msg)
    return duration


def parse_share(text: str) -> Share:
    """Read ``2%`` or ``0.02``; raise ``ValueError`` for anything else, a bare 2 included."""
    if not _is_simple(SHARE, text) and not re.fullmatch(SHARE, text):
        meant = f"{text}%" if re.fullmatch(NUMBER, text) else "2%"
        msg = f"a share such as {meant} or 0.02"
        raise ValueError(msg)
    number, percent = _split(text)
    return Share(number / 100 if percent else number)


def parse_rate(text: str) -> Rate:
    """Read ``100/min``, ``50/s``, ``5/h``; raise ``ValueError`` for anything else."""
    _match(RATE, text, "a rate such as 100/min or 50/s")
    amount, unit = (part.strip() for part in text.split("/"))
    return Rate(Decimal(amount), "min" if unit == "m" else unit)


@lru_cache(maxsize=1024)
def parse_quantity(text: str) -> Quantity:
    """Read any threshold: a share with its sign, a duration, a rate or a bare number."""
    pattern, parse = _meant(text)
    _match(pattern, text, "a quantity such as 500ms, 2%, 100/min or 5")
    return parse(text)


def _meant(text: str) -> tuple[str, Callable[[str], Quantity]]:
    if text.endswith("%"):
        return SHARE, parse_share
    if "/" in text:
        return RATE, parse_rate
    return (DURATION, parse_duration) if text[-1:].isalpha() else (NUMBER, parse_number)


def parse_size(text: str) -> Size:
    """Read ``4Gi``, ``512Mi`` or ``4GB`` into whole bytes; raise ``ValueError`` for anything else."""
    _match(SIZE, text, "a size such as 512Mi, 4Gi or 4GB")
    number, unit = _split(text)
    return Size(int(number * (_BINARY | _DECIMAL)[unit.removesuffix("B")]))


def parse_cpu(text: str) -> Cpu:
    """Read ``500m``, ``0.5`` or ``2``; raise ``ValueError`` for anything else."""
    _match(CPU, text, "processors such as 500m, 0.5 or 2")
    number, unit = _split(text)
    return Cpu(int(number if unit else number * 1000))


def parse_money(text: str) -> Money:
    """Read ``1000 USD``; raise ``ValueError`` for anything else."""
    _match(MONEY, text, "an amount with its currency, such as 1000 USD")
    return Money(*_split(text))


def parse_target(text: str) -> Target:
    """Read ``+20%`` (relative), ``12%`` (absolute) or ``35``; raise ``ValueError`` for anything else.

    A sign without ``%`` is taken from negative numbers alone: ``+5`` could mean five more or five in all.
    """
    _match(TARGET, text, "a target: relative (+20%), absolute (12%) or a number in the metric's unit")
    number, percent = _split(text.replace(" ", ""))
    if not percent:
        return Target("value", number)
    return Target("relative" if text[0] in "+-" else "absolute", number / 100)


def parse_date(text: str) -> date:
    """Read ``2026-12-01``; raise ``ValueError`` for anything else, dates that do not exist included."""
    expected = "a date such as 2026-12-01"
    _match(DATE, text, expected)
    try:
        return date.fromisoformat(text)
    except ValueError:
        msg = f"{expected}, that exists"
        raise ValueError(msg) from None
