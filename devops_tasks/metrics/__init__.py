"""What each known metric is: its unit, the side on which it is bad, where it applies, its PromQL and its advice.

Lives here: everything that is true of a metric whoever asks. Must not: thresholds (they are the spec's).
``forms`` holds the PromQL, ``advice`` what the runbooks say. Both are templates in which ``%word`` stands for a name of
the bundle (``%service``, ``%namespace``) or a part of a selector; :func:`fill` puts them in.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from devops_tasks.units import Duration, Number, Quantity, Rate, Share

DIMENSIONS: dict[str, tuple[type[Quantity], str]] = {
    "duration": (Duration, "a duration such as 500ms"),
    "share": (Share, "a share such as 2%"),
    "rate": (Rate, "a rate such as 100/min"),
    "number": (Number, "a number such as 5"),
}


class Metric(NamedTuple):
    """A metric that the tool knows by name."""

    name: str
    title: str
    category: str
    dimension: str
    bad: str
    of: str
    kinds: tuple[str, ...]


_HTTP = ("api", "web")
_ALL = ("api", "web", "worker")

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("latency_p95", "Response time (P95)", "Application", "duration", "above", "", _HTTP),
        Metric("error_ratio", "Error rate", "Application", "share", "above", "of requests", _HTTP),
        Metric("throughput_ratio", "Request throughput", "Application", "share", "below", "of baseline", _HTTP),
        Metric("queue_lag", "Queue lag", "Application", "number", "above", "messages", ("worker",)),
        Metric("failure_ratio", "Failed jobs", "Application", "share", "above", "of jobs", ("worker",)),
        Metric("cpu_utilization", "CPU utilization", "Infrastructure", "share", "above", "of request", _ALL),
        Metric("memory_utilization", "Memory usage", "Infrastructure", "share", "above", "of limit", _ALL),
        Metric("db_connections", "Connection count", "Database", "share", "above", "of max", ()),
        Metric("db_latency_p95", "Query response time (P95)", "Database", "duration", "above", "", _HTTP),
        Metric("auth_failures", "Failed auth attempts", "Security", "rate", "above", "", ("api",)),
    )
}


class Burn(NamedTuple):
    """How many times too fast a budget is spent, over which windows, and whom that wakes."""

    factor: Decimal
    long: str
    short: str
    severity: str
    action: str


BURNS = (
    Burn(Decimal("14.4"), "1h", "5m", "critical", "Page on-call"),
    Burn(Decimal(6), "6h", "30m", "critical", "Page on-call"),
    Burn(Decimal(3), "1d", "2h", "warning", "Open a ticket"),
    Burn(Decimal(1), "3d", "6h", "warning", "Open a ticket"),
)
"""From the fastest, which spends 2 % of the budget of 30 days in an hour, to the one that just spends it all."""


def parse_threshold(metric: str, quantity: Quantity) -> Quantity:
    """Read a threshold in the unit of its metric: ``0.02`` is a share for a ratio.

    Raises ``ValueError`` with the unit that is expected when the quantity has another one. A metric that is not
    known here (it brings its own query) takes every quantity.
    """
    known = METRICS.get(metric)
    if known is None:
        return quantity
    if known.dimension == "share" and isinstance(quantity, Number) and quantity.value < 1:
        return Share(Decimal(quantity.value))
    wanted, expected = DIMENSIONS[known.dimension]
    if not isinstance(quantity, wanted):
        raise ValueError(expected)  # noqa: TRY004 - a parser's fault, like a wrong unit's
    return quantity


# Neither PromQL nor shell nor prose uses the sign, as they do `$` and braces.
_WORD = re.compile(r"%(?:\{(\w+)\}|(%|\w*))")


def fill(text: str, words: Mapping[str, str]) -> str:
    """Put words in place of ``%word`` and ``%{word}``, a sign for ``%%``; raises ``KeyError`` for an unknown word."""
    if "%" not in text:
        return text
    parts = [*_parts(text)]
    parts[1::2] = [words[word] for word in parts[1::2]]
    return "".join(parts)


@lru_cache(maxsize=2048)
def _parts(text: str) -> tuple[str, ...]:
    """Take a text apart at its words, which are every second part: the same few texts are filled for every bundle."""
    parts, position = [""], 0
    for match in _WORD.finditer(text):
        parts[-1] += text[position : match.start()]
        position = match.end()
        if match[2] == "%":
            parts[-1] += "%"
        else:
            parts += [match[1] or match[2], ""]
    parts[-1] += text[position:]
    return tuple(parts)
