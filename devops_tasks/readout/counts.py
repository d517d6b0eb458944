"""What was counted, as it is written on the command line or in a table, to the arms of the experiment.

Must not: knowing what the counts mean.
"""

import csv
import math
import re
from pathlib import Path
from typing import NamedTuple

from devops_tasks.errors import Problem, UserError
from devops_tasks.experiment.evidence import Arm, Mean, Share
from devops_tasks.reading import read_text

_MOST_BYTES = 100_000
_COUNTS = re.compile(r"([0-9]{1,15})/([0-9]{1,15})", re.ASCII)
_SHARE = "units/successes such as 4000/400"
_FORM = f"{_SHARE}, or units:mean:deviation such as 4000:12.5:40"
_PAIR = "NAME=CONTROL,TREATMENT, each requests/bad ones, such as error_ratio=90000/410,91000/395"
_HEADERS = (["arm", "units", "successes"], ["arm", "units", "mean", "deviation"])
_ARMS = ("control", "treatment")
_OPTIONS = "give both arms with --control and --treatment"


class Place(NamedTuple):
    """Where a number stands: an option, or a file and its line."""

    where: str
    line: int = 0

    def wrong(self, what: str, mend: str = "") -> UserError:
        """Say what is wrong with it."""
        return UserError(Problem(self.where, what, mend, "usage", self.line, min(self.line, 1)))


def read_arms(control: str, treatment: str, table: Path | None, kind: str | None) -> tuple[Arm, Arm]:
    """Read both arms, from two texts or from a table; raises ``UserError``, also where they are not of the kind."""
    if table and (control or treatment):
        raise UserError(Problem("--csv", "says the same as --control and --treatment", "leave one out", "usage"))
    texts = zip(_ARMS, (control, treatment), strict=True)
    found = _table(table) if table else {name: _arm(Place(f"--{name}"), text) for name, text in texts if text}
    for name in _ARMS:
        if name not in found:
            where, mend = (str(table), "add its row") if table else (f"--{name}", f"write {_FORM}")
            raise UserError(Problem(where, f"says nothing of {name}", mend, "usage"))
    shares = isinstance(found["control"], Share)
    if shares != isinstance(found["treatment"], Share):
        raise UserError(Problem("--treatment", "is of another form than --control", f"write both as {_FORM}", "usage"))
    if kind is not None and (kind == "proportion") != shares:
        what = f"is {'a share' if shares else 'a mean'}, and the metric of this experiment is a {kind}"
        raise UserError(Problem(str(table or "--control"), what, f"write {_FORM}", "usage"))
    return found["control"], found["treatment"]


def read_pair(text: str) -> tuple[str, Share, Share]:
    """Read what was counted of a guardrail: its name, and the bad ones in each arm."""
    name, sign, counts = text.rpartition("=")
    found = [_COUNTS.fullmatch(part.strip()) for part in counts.split(",")]
    place = Place("--guardrail")
    if not sign or not name.strip() or len(found) != len(_ARMS) or not all(found):
        raise place.wrong(f"expected {_PAIR}, found {text!r}")
    control, treatment = (_share(place, each[1], each[2]) for each in found if each)
    return name.strip(), control, treatment


def _arm(place: Place, text: str) -> Arm:
    counts = _COUNTS.fullmatch(text)
    parts = text.split(":")
    if not counts and len(parts) != len(Mean._fields):
        raise place.wrong(f"expected {_FORM}, found {text!r}")
    return _share(place, counts[1], counts[2]) if counts else _mean(place, *parts)


def _share(place: Place, units: str, successes: str) -> Share:
    counted = Share(_whole(place, units), _whole(place, successes))
    if counted.units < 1 or counted.successes > counted.units:
        what = f"{successes} of {units} is no share"
        raise place.wrong(what, "write units first, then successes")
    return counted


def _mean(place: Place, units: str, mean: str, deviation: str) -> Mean:
    measured = Mean(_whole(place, units), _float(place, mean), _float(place, deviation))
    if measured.units <= 1 or measured.deviation < 0:
        what = "a mean takes two units or more, and a deviation of 0 or more"
        raise place.wrong(what, "write units:mean:deviation")
    return measured


def _whole(place: Place, text: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", text.strip()):
        raise place.wrong(f"expected a whole number, found {text!r}", f"write {_FORM}")
    return int(text)


def _float(place: Place, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) < 1e15:  # noqa: PLR2004 - also what is no number
        raise place.wrong(f"expected a number, found {text!r}", f"write {_FORM}")
    return number


def _table(path: Path) -> dict[str, Arm]:
    """Read a table with a row for each arm."""
    (_, header), *rows = _rows(path) or [(1, [])]
    names = [name.lower() for name in header]
    if names not in _HEADERS:
        forms = " or ".join(",".join(each) for each in _HEADERS)
        raise Place(str(path), 1).wrong(f"has another first line than {forms}", f"write it, or {_OPTIONS}")
    read = _share if names == _HEADERS[0] else _mean
    found: dict[str, Arm] = {}
    for line, row in rows:
        place = Place(str(path), line)
        if len(row) != len(names):
            raise place.wrong(f"has {len(row)} cells", f"write {len(names)}")
        arm = row[0].lower()
        if arm not in _ARMS:
            raise place.wrong(f"{row[0]!r} is neither control nor treatment", f"rename it, or {_OPTIONS}")
        if arm in found:
            raise place.wrong(f"{arm} is there twice", "leave one row")
        found[arm] = read(place, *row[1:])
    return found


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Read the rows that have cells, each with the line on which it ends."""
    reader = csv.reader(read_text(path, _MOST_BYTES).splitlines(), strict=True)
    try:
        return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except csv.Error as error:
        raise Place(str(path), reader.line_num).wrong(f"is no CSV: {error}", "write a row on each line") from None
