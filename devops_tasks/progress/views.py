"""What is told of documents: bars, tables and lines for people, plain data for programs.

Lives here: pure functions of documents and of the day that they are looked at. Must not: the terminal, files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from devops_tasks.errors import shown
from devops_tasks.progress.document import Checklist, Document, Gap, Task, Wait
from devops_tasks.units import plain

_BAR = 20
_MOST = 64
"""How many letters of a text are cited."""
_GREEN, _RED, _AS_BEFORE = "\033[32m", "\033[31m", "\033[0m"


class Style(NamedTuple):
    """What can be shown where the lines go."""

    unicode: bool = False
    colour: bool = False


class Cell(NamedTuple):
    """A part of a line, and the colour that it has where there are colours."""

    text: str
    colour: str = ""


class Count(NamedTuple):
    """Points and numbers of some tasks; ``unknown`` of them say no points."""

    points_done: Decimal
    points: Decimal
    done: int
    tasks: int
    unknown: int


Row = tuple[Cell, ...]


def count(tasks: Iterable[Task]) -> Count:
    """Count tasks and their points."""
    every = list(tasks)
    done = [task for task in every if task.done]
    points_done, points = (sum((task.points or Decimal() for task in some), Decimal()) for some in (done, every))
    return Count(points_done, points, len(done), len(every), sum(task.points is None for task in every))


def groups(document: Document) -> dict[str, list[Task]]:
    """Give the tasks by the heading that they stand under, in the order of the document."""
    found: dict[str, list[Task]] = {}
    for task in document.tasks:
        found.setdefault(task.heading, []).append(task)
    return found


def status_lines(documents: Mapping[str, Document], today: date, style: Style) -> Iterator[str]:
    """Tell of one document at length, of several in a table."""
    if len(documents) == 1:
        (document,) = documents.values()
        yield from _whole(document, today, style)
    else:
        yield from _aligned(_table(documents, today, style), style)


def _whole(document: Document, today: date, style: Style) -> Iterator[str]:
    yield shown(_title(document, today))
    yield ""
    yield from _aligned(_progress(document, style), style)
    waits = [_wait(wait, today) for wait in document.waits if not wait.done]
    for heading, rows in (
        ("Checklists", [_checklist(each, style) for each in document.checklists]),
        ("Waiting", waits),
        ("Undecided, by line (devops-tasks check names the keys of the spec)", list(map(_gap, document.gaps))),
    ):
        if rows:
            yield ""
            yield heading
            yield from (f"  {line}" for line in _aligned(rows, style))


def _title(document: Document, today: date) -> str:
    sprint = f"sprint {document.sprint}" if document.sprint else ""
    name = ", ".join(part for part in (document.feature, sprint) if part)
    return f"{name or 'tasks'}: {days(document, today)}"


def days(document: Document, today: date) -> str:
    """Say where in the sprint a day is."""
    starts, ends = document.starts, document.ends
    if starts is None or ends is None:
        return "no dates"
    if today < starts:
        return f"starts in {_days(starts - today)}"
    if today > ends:
        return f"ended {_days(today - ends)} ago"
    left = f"{_days(ends - today)} left" if today < ends else "the last"
    return f"day {(today - starts).days + 1} of {(ends - starts).days + 1}, {left}"


def _days(span: timedelta) -> str:
    return "1 day" if span.days == 1 else f"{span.days} days"


def _progress(document: Document, style: Style) -> list[Row]:
    parts = groups(document)
    rows = [("All tasks", list(document.tasks)), *(parts.items() if len(parts) > 1 else ())]
    return [_counted(name or "No heading", count(tasks), tasks, style) for name, tasks in rows]


def _counted(name: str, each: Count, tasks: Sequence[Task], style: Style) -> Row:
    by_points = each.points > 0
    bar = _bar(each.points_done, each.points, style) if by_points else _bar(each.done, each.tasks, style)
    points = f"{plain(each.points_done)} of {plain(each.points)} points"
    told = [f"{each.done} of {each.tasks} tasks"]
    begun = [task.key or task.title for task in tasks if task.begun]
    told += [f"begun: {', '.join(begun)}"] if begun else []
    told += [f"{each.unknown} without points"] if each.unknown else []
    return Cell(name), bar, Cell(points if by_points else "no points"), Cell("; ".join(told))


def _bar(done: Decimal | int, whole: Decimal | int, style: Style) -> Cell:
    """Draw a bar; it is full only when everything is done, and empty only when nothing is."""
    size = int(_BAR * done / whole) if whole else 0
    size = max(size, 1) if done else 0
    full, empty = ("█", "░") if style.unicode else ("#", ".")
    return Cell(full * size + empty * (_BAR - size), _GREEN)


def _checklist(each: Checklist, style: Style) -> Row:
    whole = len(each.items)
    return Cell(each.name or "No heading"), _bar(each.done, whole, style), Cell(f"{each.done} of {whole}")


def _wait(wait: Wait, today: date) -> Row:
    side = "waits for us" if wait.kind == "blocking" else "we wait for"
    who, what = Cell(wait.who or "somebody"), Cell(_cited(wait.what))
    if wait.by is None:
        return Cell(side), who, what, Cell("no date")
    late = f", {_days(today - wait.by)} late" if wait.by < today else ""
    return Cell(side), who, what, Cell(f"by {wait.by}{late}", _RED if late else "")


def _gap(gap: Gap) -> Row:
    text = gap.text.removeprefix(f"{gap.label}:").strip()
    return Cell(f"line {gap.line}"), Cell(_cited(gap.label)), Cell(_cited(text))


def _cited(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[: _MOST - 3].rstrip()}..."


def _table(documents: Mapping[str, Document], today: date, style: Style) -> list[Row]:
    rows = [tuple(map(Cell, ("document", "sprint", "", "points", "tasks", "boxes", "late", "undecided", "days")))]
    for path, document in documents.items():
        each = count(document.tasks)
        boxes = f"{sum(one.done for one in document.checklists)}/{sum(len(one.items) for one in document.checklists)}"
        late = sum(not wait.done and wait.by is not None and wait.by < today for wait in document.waits)
        bar = _bar(each.points_done, each.points, style) if each.points else _bar(each.done, each.tasks, style)
        rows.append((
            Cell(path), Cell(document.sprint or "-"), bar,
            Cell(f"{plain(each.points_done)}/{plain(each.points)}"), Cell(f"{each.done}/{each.tasks}"), Cell(boxes),
            Cell(str(late), _RED if late else ""), Cell(str(len(document.gaps))), Cell(days(document, today)),
        ))  # fmt: skip
    return rows


def _aligned(rows: Sequence[Row], style: Style) -> Iterator[str]:
    """Set cells in columns."""
    texts = [[shown(cell.text) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row, line in zip(rows, texts, strict=True):
        cells = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
        cells[-1] = cells[-1].rstrip()
        yield "  ".join(_painted(text, cell.colour, style) for text, cell in zip(cells, row, strict=True)).rstrip()


def _painted(text: str, colour: str, style: Style) -> str:
    return f"{colour}{text}{_AS_BEFORE}" if colour and style.colour else text


def status_json(documents: Mapping[str, Document], today: date) -> dict[str, Any]:
    """Give what stands in documents as plain data."""
    return {
        "today": str(today),
        "documents": [_plain_document(path, document, today) for path, document in documents.items()],
    }


def _plain_document(path: str, document: Document, today: date) -> dict[str, Any]:
    ends = document.ends
    return {
        "path": path,
        "feature": document.feature or None,
        "engineer": document.engineer or None,
        "sprint": {
            "name": document.sprint or None,
            "starts": _day(document.starts),
            "ends": _day(ends),
            "days_left": (ends - today).days if ends else None,
        },
        "total": _plain_count(count(document.tasks)),
        "priorities": [
            {"heading": heading or None, "priority": tasks[0].priority or None, **_plain_count(count(tasks))}
            for heading, tasks in groups(document).items()
        ],
        "tasks": [plain_task(task) for task in document.tasks],
        "checklists": [
            {"name": each.name or None, "done": each.done, "items": [item._asdict() for item in each.items]}
            for each in document.checklists
        ],
        "waiting": [
            {**wait._asdict(), "by": _day(wait.by), "late": not wait.done and wait.by is not None and wait.by < today}
            for wait in document.waits
        ],
        "undecided": [gap._asdict() for gap in document.gaps],
    }


def _plain_count(each: Count) -> dict[str, Any]:
    return {
        "points": {"done": _number(each.points_done), "open": _number(each.points - each.points_done)},
        "tasks": {"done": each.done, "open": each.tasks - each.done, "without_points": each.unknown},
    }


def plain_task(task: Task) -> dict[str, Any]:
    """Give a task as plain data; what is not there is null."""
    return {
        "id": task.key or None,
        "title": task.title,
        "done": task.done,
        "points": _number(task.points),
        "heading": task.heading or None,
        "priority": task.priority or None,
        "owner": task.owner or None,
        "due": _day(task.due),
        "success": task.success or None,
        "steps": [step._asdict() for step in task.steps],
        "notes": list(task.notes),
        "line": task.line,
    }


def _number(points: Decimal | None) -> int | float | None:
    return None if points is None else int(points) if points == int(points) else float(points)


def _day(day: date | None) -> str | None:
    return str(day) if day else None
