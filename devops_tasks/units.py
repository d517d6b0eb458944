"""Quantities as people write them: text to an exact value, and that value in the notation of each output.

Lives here: durations, shares, sizes, processors, money, rates, numbers and targets.
Must not: the name of a metric, the spec, rounding. Every parser raises ``ValueError`` with what was expected.
"""

import re
from datetime import date
from decimal import Decimal
from typing import NamedTuple

_NUMBER = r"(\d{1,15}(?:\.\d{1,9})?)"
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
_PRINTED = ("y", "d", "h", "m", "s")
_WORDS = {"y": "year", "d": "day", "h": "hour", "m": "minute", "s": "second", "ms": "millisecond"}
_BINARY = {"Ti": 2**40, "Gi": 2**30, "Mi": 2**20, "Ki": 2**10}
_DECIMAL = {"T": 10**12, "G": 10**9, "M": 10**6, "k": 10**3}
_DURATION = re.compile(rf"{_NUMBER}\s*(ms|min|[smhdwy])")
_SIZE = re.compile(rf"{_NUMBER}\s*(Ti|Gi|Mi|Ki|TB|GB|MB|kB|T|G|M|k)")

Notations = dict[str, str]
"""One quantity in several notations; ``text`` is the one of the spec and of prose."""


def plain(number: Decimal | int) -> str:
    """Print a number exactly, without exponent or trailing zeros: ``Decimal('2.50')`` is ``2.5``."""
    text = format(Decimal(number), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class Duration(NamedTuple):
    """A span of time; ``seconds`` is exact."""

    seconds: Decimal

    @property
    def unit(self) -> str:
        """The largest unit that holds the span in a whole number; below and between seconds, ``s`` or ``ms``."""
        if 0 < self.seconds < 1:
            return "ms"
        return next((unit for unit in _PRINTED if self.seconds % _SECONDS[unit] == 0), "s")

    @property
    def text(self) -> str:
        """As the spec and the document print it: ``500ms``, ``2.5s``, ``5m``, ``30d``."""
        return f"{plain(self.seconds / _SECONDS[self.unit])}{self.unit}"

    @property
    def words(self) -> str:
        """As a sentence prints it: ``5 minutes``."""
        count = plain(self.seconds / _SECONDS[self.unit])
        return f"{count} {_WORDS[self.unit]}" + ("" if count == "1" else "s")

    @property
    def promql(self) -> str:
        """As a Prometheus range or ``for``: whole units only, so ``2.5s`` is ``2500ms``."""
        return self.text if "." not in self.text else f"{plain(self.seconds * 1000)}ms"

    def notations(self) -> Notations:
        """Give every notation that a template may print."""
        return {
            "text": self.text,
            "words": self.words,
            "promql": self.promql,
            "seconds": plain(self.seconds),
            "value": plain(self.seconds),
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
        return {
            "text": self.text,
            "words": self.text,
            "percent": self.percent,
            "ratio": plain(self.ratio),
            "value": plain(self.ratio),
        }


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
        return {
            "text": self.text,
            "words": f"{plain(self.amount)} per {({'s': 'second', 'min': 'minute', 'h': 'hour'})[self.unit]}",
            "unit": self.unit,
            "unit_seconds": str(self.unit_seconds),
            "value": plain(self.amount),
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
        return {"text": self.text, "words": self.text, "value": self.text}


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
        sign = "+" if self.kind == "relative" and self.value > 0 else ""
        return f"{sign}{plain(self.value * 100)}%"


def parse_number(text: str) -> Number:
    """Read a bare number; raise ``ValueError`` for anything else."""
    if not re.fullmatch(_NUMBER, text):
        msg = "a number such as 5 or 0.5"
        raise ValueError(msg)
    return Number(Decimal(text))


def parse_duration(text: str) -> Duration:
    """Read ``500ms``, ``5m``, ``1h30m``, ``30d``; raise ``ValueError`` for anything else."""
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text).strip():
        msg = "a duration such as 500ms, 5m or 30d"
        raise ValueError(msg)
    return Duration(sum((Decimal(number) * _SECONDS[unit] for number, unit in parts), Decimal(0)))


def parse_share(text: str) -> Share:
    """Read ``2%`` or ``0.02``; raise ``ValueError`` for anything else, a bare 2 included."""
    match = re.fullmatch(rf"{_NUMBER}\s*(%?)", text)
    if not match or (not match[2] and Decimal(match[1]) >= 1):
        msg = "a share such as 2% or 0.02"
        raise ValueError(msg)
    return Share(Decimal(match[1]) / (100 if match[2] else 1))


def parse_rate(text: str) -> Rate:
    """Read ``100/min``, ``50/s``, ``5/h``; raise ``ValueError`` for anything else."""
    match = re.fullmatch(rf"{_NUMBER}\s*/\s*(s|min|m|h)", text)
    if not match:
        msg = "a rate such as 100/min or 50/s"
        raise ValueError(msg)
    return Rate(Decimal(match[1]), "min" if match[2] == "m" else match[2])


def parse_quantity(text: str) -> Quantity:
    """Read any threshold: a share with its sign, a duration, a rate or a bare number."""
    if text.endswith("%"):
        return parse_share(text)
    for parse in (parse_number, parse_duration, parse_rate):
        try:
            return parse(text)
        except ValueError:
            continue
    msg = "a quantity such as 500ms, 2%, 100/min or 5"
    raise ValueError(msg)


def parse_size(text: str) -> Size:
    """Read ``4Gi``, ``512Mi`` or ``4GB`` into whole bytes; raise ``ValueError`` for anything else."""
    match = _SIZE.fullmatch(text)
    factor = (_BINARY | _DECIMAL).get(match[2].removesuffix("B"), 0) if match else 0
    value = Decimal(match[1]) * factor if match else Decimal(0)
    if not value or value % 1:
        msg = "a size such as 512Mi, 4Gi or 4GB"
        raise ValueError(msg)
    return Size(int(value))


def parse_cpu(text: str) -> Cpu:
    """Read ``500m``, ``0.5`` or ``2``; raise ``ValueError`` for anything else."""
    match = re.fullmatch(rf"{_NUMBER}(m?)", text)
    value = Decimal(match[1]) * (1 if match[2] else 1000) if match else Decimal(0)
    if not value or value % 1:
        msg = "processors such as 500m, 0.5 or 2"
        raise ValueError(msg)
    return Cpu(int(value))


def parse_money(text: str) -> Money:
    """Read ``1000 USD``; raise ``ValueError`` for anything else."""
    match = re.fullmatch(rf"{_NUMBER}\s*([A-Z]{{3}})", text)
    if not match:
        msg = "an amount with its currency, such as 1000 USD"
        raise ValueError(msg)
    return Money(Decimal(match[1]), match[2])


def parse_target(text: str) -> Target:
    """Read ``+20%`` (relative), ``12%`` (absolute) or ``35``; raise ``ValueError`` for anything else."""
    match = re.fullmatch(rf"([+-]?)\s*{_NUMBER}\s*(%?)", text)
    if not match:
        msg = "a target: relative (+20%), absolute (12%) or a number in the metric's unit"
        raise ValueError(msg)
    value = Decimal(match[2]) * (-1 if match[1] == "-" else 1)
    if not match[3]:
        return Target("value", value)
    return Target("relative" if match[1] else "absolute", value / 100)


def parse_date(text: str) -> date:
    """Read ``2026-12-01``; raise ``ValueError`` for anything else, dates that do not exist included."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    msg = "a date such as 2026-12-01"
    raise ValueError(msg)
