"""The sizes and lengths that the pages of the experiment state, held against what the spec's numbers take."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from devops_tasks.checks.markdown import read_page
from devops_tasks.errors import Problem
from devops_tasks.experiment.stated import Needed, Short, short_days, short_sizes

_PAGES = ("tasks.md", "experiment/plan.md")
_LABEL = re.compile(
    r"[\s|>*+-]*(?P<label>sample size|run ?time|duration|planned|at least)\b[^:|]{0,40}[:|][*\s]*(?P<text>.*)",
    re.IGNORECASE,
)


def check_stated(sample: Mapping[str, Any] | None, files: Mapping[str, str]) -> Iterator[Problem]:
    """Find the stated numbers that are too small for the experiment of the spec, with the right ones."""
    if not sample or "control" not in sample:
        return
    time = sample["time"]
    needed = Needed(sample["control"], sample["treatment"], time["length"] if time else None)
    least = needed._replace(days=time["least_length"] if time else None)
    for path in _PAGES:
        for line, text in enumerate(read_page(files.get(path, "")).prose.split("\n"), 1):
            label = _LABEL.match(text)
            for short in _short(label, needed, least) if label else ():
                mend = "write the number that is needed, or change the experiment in the spec and generate"
                column = label.start("text") + short.before + 1 if label else 0
                yield Problem(path, short.words, mend, "sample-size", line, column)


def _short(label: re.Match[str], needed: Needed, least: Needed) -> Iterator[Short]:
    """Judge what is said; the least number of days is the one that is not rounded up to whole weeks."""
    name = label["label"].casefold()
    find = short_sizes if name == "sample size" else short_days
    return find(label["text"], least if name == "at least" else needed)
