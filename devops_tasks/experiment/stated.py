"""What a sentence says of the size and the length of an experiment, held against what it takes.

Only numbers that can mean one thing are taken: no share, no decimal number, no date. What is larger than needed is not
wrong. Must not: Markdown, where the sentence stands.
"""

import re
from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

from devops_tasks.experiment.design import Means, Proportions, Trial, days_needed, units_needed, whole_weeks

_NUMBER = re.compile(r"(?<![\w.,/-])(?P<number>\d{1,3}(?:[.,' \u00a0\u202f]\d{3})+|\d{1,12})(?![\w/]|[.,-]\d|\s*%)")
_OTHER = re.compile(r"\s*-?\s*(?:arms?|groups?|variants?|variations?|days?|weeks?|months?|hours?)\b", re.IGNORECASE)
_ARMS = (
    ("per arm", r"\b(?:per|each|every)\b"),
    ("in control", r"\bcontrol\b"),
    ("in treatment", r"\b(?:treatment|variant|test group)\b"),
    ("in total", r"\b(?:total|overall|altogether|both)\b"),
)
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
_LENGTH = re.compile(
    rf"(?<![\w.,/-])(?P<number>\d{{1,4}}|{'|'.join(_WORDS)})[\s-]+(?P<unit>day|week|month)s?\b", re.IGNORECASE
)
_DAYS = {"day": 1, "week": 7, "month": 30}


class Needed(NamedTuple):
    """The units that an experiment takes in each arm, and its days in whole weeks, where the traffic is known."""

    control: int
    treatment: int
    days: int | None


class Short(NamedTuple):
    """A number that is too small: as it stands, the right one, and how many letters stand before it."""

    stated: str
    needed: str
    before: int

    @property
    def words(self) -> str:
        """Say both."""
        return f"{self.stated} stated, {self.needed} needed"


def plan_needed(effect: Proportions | Means, trial: Trial, per_day: int | None) -> Needed:
    """Compute what an experiment takes; raises ``ValueError`` where there is no effect to be found."""
    units = units_needed(effect, trial)
    share = trial.ratio / (1 + trial.ratio)
    days = whole_weeks(days_needed(units, per_day, share)) if per_day else None
    return Needed(ceil(units[0]), ceil(units[1]), days)


def short_sizes(text: str, needed: Needed) -> Iterator[Short]:
    """Find the stated numbers of units that are too small; one without an arm is taken for each of them."""
    found = [each for each in _NUMBER.finditer(text) if not _OTHER.match(text, each.end())]
    right = {"in control": needed.control, "in treatment": needed.treatment,
             "in total": needed.control + needed.treatment}  # fmt: skip
    for place, each in enumerate(found):
        ends = [found[place - 1].end() if place else 0, found[place + 1].start() if each is not found[-1] else None]
        arm = _arm(text[ends[0] : each.start()], text[each.end() : ends[1]])
        least = right.get(arm, max(needed.control, needed.treatment))
        if int(re.sub(r"\D", "", each["number"])) < least:
            yield Short(f"{each['number']} {arm}".strip(), f"{least}{'' if arm else ' in each arm'}", each.start())


def _arm(before: str, after: str) -> str:
    """Name the arm that a number is said of: behind it, up to the next comma, or else before it."""
    for part in (re.split(r"[,;.]", after)[0], before):
        for name, pattern in _ARMS:
            if re.search(pattern, part, re.IGNORECASE):
                return name
    return ""


def short_days(text: str, needed: Needed) -> Iterator[Short]:
    """Find the first stated length, if it is too short."""
    found = _LENGTH.search(text)
    if not found or needed.days is None:
        return
    number = found["number"].casefold()
    count = _WORDS.index(number) + 1 if number in _WORDS else int(number)
    if count * _DAYS[found["unit"].casefold()] < needed.days:
        yield Short(found[0], f"{needed.days} days", found.start())
