"""Quantities: each notation that people write means one exact value, and prints as what it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, strategies as st

from devops_tasks import units
from devops_tasks.units import Cpu, Duration, Money, Number, Rate, Share, Size, Target

Parse = Callable[[str], Any]


def d(number: str | int) -> Decimal:
    return Decimal(number)


@pytest.mark.parametrize(
    ("parse", "written", "value", "printed"),
    [
        (units.parse_duration, "500ms", Duration(d("0.5")), "500ms"),
        (units.parse_duration, "2.5ms", Duration(d("0.0025")), "2.5ms"),
        (units.parse_duration, "2.5s", Duration(d("2.5")), "2.5s"),
        (units.parse_duration, "5m", Duration(d(300)), "5m"),
        (units.parse_duration, "5min", Duration(d(300)), "5m"),
        (units.parse_duration, "5 m", Duration(d(300)), "5m"),
        (units.parse_duration, "1h30m", Duration(d(5400)), "90m"),
        (units.parse_duration, "1h 30m", Duration(d(5400)), "90m"),
        (units.parse_duration, "0.5h", Duration(d(1800)), "30m"),
        (units.parse_duration, "2w", Duration(d(1209600)), "14d"),
        (units.parse_duration, "1y", Duration(d(31536000)), "1y"),
        (units.parse_duration, "0s", Duration(d(0)), "0s"),
        (units.parse_share, "2%", Share(d("0.02")), "2%"),
        (units.parse_share, "0.02", Share(d("0.02")), "2%"),
        (units.parse_share, "99.95 %", Share(d("0.9995")), "99.95%"),
        (units.parse_share, "0", Share(d(0)), "0%"),
        (units.parse_share, "150%", Share(d("1.5")), "150%"),
        (units.parse_rate, "100/min", Rate(d(100), "min"), "100/min"),
        (units.parse_rate, "100/m", Rate(d(100), "min"), "100/min"),
        (units.parse_rate, "0.5 / s", Rate(d("0.5"), "s"), "0.5/s"),
        (units.parse_number, "007", Number(d(7)), "7"),
        (units.parse_number, "1.30", Number(d("1.3")), "1.3"),
        (units.parse_quantity, "1h30m", Duration(d(5400)), "90m"),
        (units.parse_quantity, "0.02", Number(d("0.02")), "0.02"),
        (units.parse_quantity, "5 %", Share(d("0.05")), "5%"),
        (units.parse_quantity, "100/h", Rate(d(100), "h"), "100/h"),
        (units.parse_size, "4Gi", Size(4 * 2**30), "4Gi"),
        (units.parse_size, "1.5Gi", Size(3 * 2**29), "1536Mi"),
        (units.parse_size, "4GB", Size(4 * 10**9), "4G"),
        (units.parse_size, "1024Ki", Size(2**20), "1Mi"),
        (units.parse_size, "500k", Size(500_000), "500k"),
        (units.parse_cpu, "500m", Cpu(500), "500m"),
        (units.parse_cpu, "0.5", Cpu(500), "500m"),
        (units.parse_cpu, "2000m", Cpu(2000), "2"),
        (units.parse_cpu, "1.25", Cpu(1250), "1250m"),
        (units.parse_money, "1000 USD", Money(d(1000), "USD"), "1000 USD"),
        (units.parse_money, "99.90EUR", Money(d("99.9"), "EUR"), "99.9 EUR"),
        (units.parse_target, "+20%", Target("relative", d("0.2")), "+20%"),
        (units.parse_target, "-5 %", Target("relative", d("-0.05")), "-5%"),
        (units.parse_target, "+0%", Target("relative", d(0)), "+0%"),
        (units.parse_target, "12%", Target("absolute", d("0.12")), "12%"),
        (units.parse_target, "35", Target("value", d(35)), "35"),
        (units.parse_target, "-20", Target("value", d(-20)), "-20"),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
def test_a_notation_means_one_exact_value(parse: Parse, written: str, value: object, printed: str) -> None:
    assert parse(written) == value
    assert parse(written).text == printed


@pytest.mark.parametrize(
    ("parse", "written"),
    [
        (units.parse_duration, ""),
        (units.parse_duration, "5"),
        (units.parse_duration, "5x"),
        (units.parse_duration, "m"),
        (units.parse_duration, "5m3"),
        (units.parse_duration, "5m, 3s"),
        (units.parse_duration, "-5m"),
        (units.parse_duration, "5M"),
        (units.parse_duration, "٣m"),
        (units.parse_duration, "5m\n"),
        (units.parse_duration, "1e3s"),
        (units.parse_duration, "0.0001s"),
        (units.parse_duration, "100y"),
        (units.parse_duration, "99y 366d"),
        (units.parse_span, "2.5ms"),
        (lambda text: units.positive(units.parse_duration(text)), "0m"),
        (units.parse_share, "2"),
        (units.parse_share, "1"),
        (units.parse_share, "-2%"),
        (units.parse_share, "2 percent"),
        (units.parse_share, "%"),
        (units.parse_rate, "100"),
        (units.parse_rate, "100/day"),
        (units.parse_rate, "/min"),
        (units.parse_number, "1,000"),
        (units.parse_number, "1_000"),
        (units.parse_number, ".5"),
        (units.parse_number, "0x10"),
        (units.parse_number, "inf"),
        (units.parse_number, "1234567890123456"),
        (units.parse_quantity, "fast"),
        (units.parse_quantity, "+20%"),
        (units.parse_size, "4"),
        (units.parse_size, "0Gi"),
        (units.parse_size, "4gi"),
        (units.parse_size, "0.1Gi"),
        (units.parse_size, "0.5Ki"),
        (units.parse_cpu, "0"),
        (units.parse_cpu, "0.0005"),
        (units.parse_cpu, "0.5m"),
        (units.parse_cpu, "2 cores"),
        (units.parse_money, "1000"),
        (units.parse_money, "$1000"),
        (units.parse_money, "1000 usd"),
        (units.parse_target, "+20"),
        (units.parse_target, "++20%"),
        (units.parse_target, "more"),
        (units.parse_date, "2026-02-30"),
        (units.parse_date, "2026-2-3"),
        (units.parse_date, "01.12.2026"),
        (units.parse_date, "20261201"),
        (units.parse_date, "2026-W49-1"),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
def test_anything_else_is_refused_with_what_was_expected(parse: Parse, written: str) -> None:
    with pytest.raises(ValueError, match=r"^(a|an|processors) [a-z]"):
        parse(written)


@pytest.mark.parametrize(
    ("written", "promql", "seconds", "words"),
    [
        ("500ms", "500ms", "0.5", "500 milliseconds"),
        ("2.5s", "2500ms", "2.5", "2.5 seconds"),
        ("90s", "90s", "90", "90 seconds"),
        ("1m", "1m", "60", "1 minute"),
        ("1h30m", "90m", "5400", "90 minutes"),
        ("7d", "7d", "604800", "7 days"),
        ("1y", "1y", "31536000", "1 year"),
    ],
)
def test_a_duration_has_the_notation_of_each_place(written: str, promql: str, seconds: str, words: str) -> None:
    notations = units.parse_duration(written).notations()
    assert notations["promql"] == promql
    assert notations["seconds"] == notations["value"] == seconds
    assert notations["words"] == words


def test_a_share_and_a_rate_have_the_notation_of_each_place() -> None:
    share = units.parse_share("99.95%").notations()
    assert share == {"text": "99.95%", "words": "99.95%", "percent": "99.95", "ratio": "0.9995", "value": "0.9995"}
    rate = units.parse_rate("100/m").notations()
    words = {"text": "100/min", "words": "100 per minute", "unit": "min", "unit_seconds": "60", "value": "100"}
    assert rate == words


@pytest.mark.parametrize(("number", "printed"), [("2.50", "2.5"), ("1E+3", "1000"), ("100", "100"), ("0.00", "0")])
def test_a_number_prints_without_exponent_or_trailing_zeros(number: str, printed: str) -> None:
    assert units.plain(Decimal(number)) == printed


def written(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(pattern, fullmatch=True)


@pytest.mark.parametrize(
    ("parse", "pattern"),
    [
        (units.parse_share, units.SHARE),
        (units.parse_rate, units.RATE),
        (units.parse_number, units.NUMBER),
        (units.parse_size, units.SIZE),
        (units.parse_cpu, units.CPU),
        (units.parse_money, units.MONEY),
        (units.parse_target, units.TARGET),
    ],
    ids=["share", "rate", "number", "size", "cpu", "money", "target"],
)
def test_what_is_printed_reads_back_as_the_same_value(parse: Parse, pattern: str) -> None:
    @given(written(pattern))
    def reads_back(text: str) -> None:
        value = parse(text)
        assert parse(value.text) == value

    reads_back()


DURATIONS = st.lists(
    st.tuples(
        st.integers(0, 9999), st.sampled_from(["", ".5", ".125"]), st.sampled_from(["ms", "s", "m", "min", "h", "d"])
    ),
    min_size=1,
    max_size=4,
)
SECONDS = {
    unit: Fraction(ms, 1000)
    for unit, ms in {"ms": 1, "s": 10**3, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}.items()
}


@given(DURATIONS)
def test_a_duration_is_the_exact_sum_of_its_parts_and_reads_back(parts: list[tuple[int, str, str]]) -> None:
    text = "".join(f"{whole}{decimals}{unit}" for whole, decimals, unit in parts)
    value = units.parse_duration(text)
    assert Fraction(value.seconds) == sum(
        Fraction(f"{whole}{decimals}") * SECONDS[unit] for whole, decimals, unit in parts
    )
    assert units.parse_duration(value.text) == value


@given(DURATIONS)
def test_a_duration_in_promql_is_the_same_span_in_whole_units(parts: list[tuple[int, str, str]]) -> None:
    text = "".join(f"{whole}{decimals}{unit}" for whole, decimals, unit in parts if unit != "ms") or "1s"
    value = units.parse_span(text)
    assert "." not in value.promql
    assert units.parse_duration(value.promql) == value


@given(st.decimals(0, 10**6, places=6))
def test_a_percentage_and_its_ratio_are_the_same_share(ratio: Decimal) -> None:
    share = units.parse_share(f"{units.plain(ratio * 100)}%")
    assert share.ratio == ratio
    assert Decimal(share.notations()["ratio"]) * 100 == Decimal(share.notations()["percent"])


@pytest.mark.parametrize(
    ("parse", "pattern"),
    [
        (units.parse_number, units.NUMBER),
        (units.parse_duration, units.DURATION),
        (units.parse_span, units.SPAN),
        (units.parse_share, units.SHARE),
        (units.parse_rate, units.RATE),
        (units.parse_size, units.SIZE),
        (units.parse_cpu, units.CPU),
    ],
    ids=["number", "duration", "span", "share", "rate", "size", "cpu"],
)
def test_what_is_read_without_a_pattern_is_what_the_pattern_takes(parse: Parse, pattern: str) -> None:
    numbers = ["", "0", "00", "7", "07", "9999", "10000", "2.5", "0.0", "1.25", ".5", "5.", "1.2.3", "\u0663", "\xb2"]
    of_time = ["ms", "s", "m", "min", "h", "d", "/s", "/m", "/min", "/h", "/d", "sm"]
    of_memory = ["k", "kB", "M", "Mi", "G", "Gi", "GB", "T", "Ti", "B"]
    for written in (f"{number}{unit}" for number in numbers for unit in ("", " ", "%", "x", *of_time, *of_memory)):
        assert _reads(parse, written) == bool(re.fullmatch(pattern, written)), written


def _reads(parse: Parse, text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def test_a_share_without_its_sign_is_told_how_to_write_it() -> None:
    with pytest.raises(ValueError, match="a share such as 60% or"):
        units.parse_share("60")
