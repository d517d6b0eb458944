"""What was counted, as it is written on the command line or in a table, to the arms of the experiment.

Must not: knowing what the counts mean.
"""

import csv
import math
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from devops_tasks.errors import Problem, UserError
from devops_tasks.experiment.evidence import Arm, Mean, Share
from devops_tasks.reading import read_text

_MOST_BYTES = 100_000
_COUNTS = re.compile(r"([0-9]{1,15})/([0-9]{1,15})", re.ASCII)
_SHARE = "units/successes such as 4000/400"
_FORM = f"{_SHARE}, or units:mean:deviation such as 4000:12.5:40"
_PAIR = "NAME=CONTROL,TREATMENT, each requests/bad ones, such as error_ratio=90000/410,91000/395"
_HEADERS = (["arm", "units", "successes"], ["arm", "units", "mean", "deviation"])


def read_arms(control: str, treatment: str, table: Path | None, kind: str | None) -> tuple[Arm, Arm]:
    """Read both arms, from two texts or from a table; raises ``UserError``, also where they are not of the kind."""
    if table and (control or treatment):
        raise UserError(Problem("--csv", "says the same as --control and --treatment", "leave one out", "usage"))
    texts = {"control": control, "treatment": treatment}
    found = dict(_table(table)) if table else {name: _arm(f"--{name}", text) for name, text in texts.items() if text}
    for name in texts:
        if name not in found:
            where = str(table or f"--{name}")
            raise UserError(Problem(where, f"says nothing of {name}", f"write {_FORM}", "usage"))
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
    if not sign or not name.strip() or len(found) != len(("control", "treatment")) or not all(found):
        raise UserError(Problem("--guardrail", f"expected {_PAIR}, found {text!r}", "", "usage"))
    control, treatment = (_share("--guardrail", each[1], each[2]) for each in found if each)
    return name.strip(), control, treatment


def _arm(where: str, text: str) -> Arm:
    counts = _COUNTS.fullmatch(text)
    parts = text.split(":")
    if not counts and len(parts) != len(Mean._fields):
        raise UserError(Problem(where, f"expected {_FORM}, found {text!r}", "", "usage"))
    return _share(where, counts[1], counts[2]) if counts else _mean(where, *parts)


def _share(where: str, units: str, successes: str) -> Share:
    counted = Share(_whole(where, units), _whole(where, successes))
    if counted.units < 1 or counted.successes > counted.units:
        what = f"{successes} of {units} is no share"
        raise UserError(Problem(where, what, "write units first, then successes", "usage"))
    return counted


def _mean(where: str, units: str, mean: str, deviation: str) -> Mean:
    measured = Mean(_whole(where, units), _float(where, mean), _float(where, deviation))
    if measured.units <= 1 or measured.deviation < 0:
        what = "a mean takes two units or more, and a deviation of 0 or more"
        raise UserError(Problem(where, what, "write units:mean:deviation", "usage"))
    return measured


def _whole(where: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", text.strip()):
        raise UserError(Problem(where, f"expected a whole number, found {text!r}", f"write {_FORM}", "usage"))
    return int(text)


def _float(where: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) < 1e15:  # noqa: PLR2004 - also what is no number
        raise UserError(Problem(where, f"expected a number, found {text!r}", f"write {_FORM}", "usage"))
    return number


def _table(path: Path) -> Iterator[tuple[str, Arm]]:
    """Read a table with a row for each arm."""
    header, *rows = list(csv.reader(StringIO(read_text(path, _MOST_BYTES)))) or [[]]
    names = [name.strip().lower() for name in header]
    if names not in _HEADERS:
        forms = " or ".join(",".join(each) for each in _HEADERS)
        raise UserError(Problem(str(path), "has another first line", f"write {forms}", "usage", 1, 1))
    read = _share if names == _HEADERS[0] else _mean
    for line, row in enumerate(rows, 2):
        if row and len(row) != len(names):
            raise UserError(Problem(str(path), f"has {len(row)} cells", f"write {len(names)}", "usage", line, 1))
        if row:
            yield row[0].strip().lower(), read(f"{path}:{line}", *row[1:])
