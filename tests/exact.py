"""Numbers with their units, read exactly: from the text of a spec, and from the text of any file.

Written anew for the tests, in the fewest words, so that what is expected does not come from the program's own units.
"""

from __future__ import annotations

import re
from fractions import Fraction

Amount = tuple[str, Fraction]
"""What is measured, and how much of it in its base unit: seconds, bytes, cores, parts of a whole."""

_THOUSANDTH = Fraction(1, 1000)
_SECONDS: dict[str, Fraction | int] = {
    "ms": _THOUSANDTH, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000,
}  # fmt: skip
_WORDS = {"millisecond": "ms", "second": "s", "minute": "m", "hour": "h", "day": "d", "year": "y"}
_BYTES = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_UNITS: dict[str, list[Amount]] = {
    "": [("bare", Fraction(1))],
    "%": [("share", Fraction(1, 100))],
    "USD": [("money", Fraction(1))],
    **{unit: [("time", Fraction(seconds))] for unit, seconds in _SECONDS.items()},
    **{word: [("time", Fraction(_SECONDS[unit]))] for word, unit in _WORDS.items()},
    "m": [("time", Fraction(60)), ("cpu", _THOUSANDTH)],
    **{unit: [("size", Fraction(size))] for unit, size in _BYTES.items()},
    **{f"{unit}B": [("size", Fraction(_BYTES[f"{unit}i"]))] for unit in "MGT"},  # as PostgreSQL means it
    **{f"/{unit}": [(f"rate a {unit}", Fraction(1))] for unit in ("s", "min", "h")},
    **{f"per {word}": [(f"rate a {unit}", Fraction(1))] for word, unit in (("second", "s"), ("minute", "min"))},
}
_BARE: dict[str, dict[str, Fraction]] = {
    "time": {
        "s": Fraction(1),
        "ms": Fraction(1000),
        "min": Fraction(1, 60),
        "h": Fraction(1, 3600),
        "d": Fraction(1, 86400),
    },
    "share": {"ratio": Fraction(1), "%": Fraction(100)},
    "size": {"kB": Fraction(1, 2**10), "pages": Fraction(1, 2**13)},
}
_LONGEST_FIRST = sorted(_UNITS, key=len, reverse=True)[:-1]
NUMBER = re.compile(
    r"(?<![\d.])(?P<number>\d+(?:\.\d+)?(?:e-\d+)?)"
    rf"(?:\s?(?P<unit>(?:{'|'.join(map(re.escape, _LONGEST_FIRST))})s?(?![A-Za-z])))?"
)


def written(kind: str, text: str) -> Amount | None:
    """Read the text of a spec's field of some kind; None for a text that is no number."""
    if kind == "duration" or (kind == "quantity" and text[-1] in "smhdwy" and "/" not in text):
        parts = re.findall(r"([\d.]+) *([a-z]+)", text)
        return "time", sum((Fraction(number) * _SECONDS[unit] for number, unit in parts), Fraction())
    if kind not in {"share", "quantity", "target", "size", "cpu", "money", "rate", "number", "integer", "version"}:
        return None
    number, unit = re.fullmatch(r"[+-]?([\d.]+)\s*(\D*)", text).groups()  # type: ignore[union-attr]
    amount = Fraction(number)
    if unit == "%":
        return "share", amount / 100
    if "/" in unit:
        return f"rate a {unit[1:]}", amount
    if kind == "size":
        return "size", amount * _BYTES[unit.removesuffix("B")]
    measured = {"share": "share", "quantity": "share" if amount < 1 else "number", "cpu": "cpu", "money": "money"}
    return measured.get(kind, "number"), amount * (_THOUSANDTH if unit == "m" else 1)


def read(number: str, unit: str) -> list[Amount]:
    """Read a number of a file in every way in which its unit can be meant."""
    ways = _UNITS.get(unit) or _UNITS[unit.removesuffix("s")]
    return [(measured, Fraction(number) * base) for measured, base in ways]


def spellings(amount: Amount) -> dict[Amount, str]:
    """List how a quantity can stand in a file: with a unit, or bare and counted in the one that is named."""
    measured, value = amount
    bare = _BARE.get(measured, {"": Fraction(1)})
    return {amount: "", **{("bare", value * scale): f" in {unit}".removesuffix(" in ") for unit, scale in bare.items()}}
