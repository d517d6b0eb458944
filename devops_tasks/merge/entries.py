"""An entry into a page that people edit: a heading with its items, put first under the heading of a section.

It is an edit like theirs, which a later merge keeps. Must not: touching anything else of the page.
"""

from collections.abc import Sequence

from devops_tasks.merge.units import Unit, parse_units


def with_entry(page: str, section: str, heading: str, items: Sequence[str]) -> str:
    """Put an entry first in a section, which is added at the end where the page has none.

    A page that has all of the items under a heading of that name stays as it is, whatever people have added to them; a
    second entry of one name is numbered.
    """
    whole = page if page.endswith("\n") or not page else f"{page}\n"
    units = parse_units(whole.replace("\r\n", "\n"))
    named = [unit for unit in units if unit.key.startswith(heading)]
    if any({f"{item}\n" for item in items} <= set(unit.lines) for unit in named):
        return page
    title = f"### {heading} ({len(named) + 1})" if named else f"### {heading}"
    under = next((unit for unit in units if unit.level and unit.key == section), None)
    lines = whole.split("\n")
    place = _end(under) if under else len(lines) - 1
    opening = ([""] if place and lines[place - 1].strip() else []) + ([] if under else [f"## {section}", ""])
    closing = [""] if any(lines[place:]) else []
    end = "\r" if "\r\n" in page else ""
    entry = [f"{line}{end}" for line in (*opening, title, "", *items, *closing)]
    return "\n".join([*lines[:place], *entry, *lines[place:]])


def _end(unit: Unit) -> int:
    """Give the number of lines of the page up to the end of a unit."""
    return unit.line - 1 + sum(line.count("\n") for line in unit.lines)
