"""The picture of production: boxes of equal display width for any terminal, and the nodes and edges of a diagram."""

import unicodedata
from typing import TypedDict

from devops_tasks.plan.tasks import ENGINES, plural, served, workers
from devops_tasks.spec import Cache, Database, ExternalService, Queue, Service, Spec

Box = list[list[str]]
"""One box: its sections, each a heading with lines below it."""

_KINDS = {"api": "API", "web": "web front end", "worker": "worker"}


class Node(TypedDict):
    """One thing in the diagram; ``shape`` is ``service``, ``store``, ``queue`` or ``outside``."""

    id: str
    label: str
    shape: str


class Edge(TypedDict):
    """Who calls whom, by the ids of the nodes."""

    source: str
    target: str


class Architecture(TypedDict):
    """The same picture twice: as a drawing of characters, and as a graph."""

    drawing: str
    nodes: list[Node]
    edges: list[Edge]


def plan_architecture(spec: Spec) -> Architecture:
    """Plan the picture of production."""
    boxes = [box for box in (_entrance(spec), _application(spec), _stores(spec)) if box]
    return {"drawing": "\n".join(draw(boxes)), "nodes": _nodes(spec), "edges": _edges(spec)}


def display_width(text: str) -> int:
    """Count the columns that a terminal or editor gives a text: two for wide characters, none for combining ones."""
    return len(text) if text.isascii() else sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def draw(boxes: list[Box]) -> list[str]:
    """Draw boxes of one width below one another, an arrow between each two."""
    inner = max(display_width(line) for box in boxes for section in box for line in section) + 2
    lines = _draw_box(boxes[0], inner)
    for box in boxes[1:]:
        arrow = " " * (inner // 2 + 1)
        lines += [f"{arrow}│", f"{arrow}▼", *_draw_box(box, inner)]
    return lines


def _draw_box(box: Box, inner: int) -> list[str]:
    lines = [f"┌{'─' * inner}┐"]
    for number, section in enumerate(box):
        if number:
            lines.append(f"├{'─' * inner}┤")
        lines += [f"│{_centred(line, inner)}│" for line in section]
    return [*lines, f"└{'─' * inner}┘"]


def _centred(line: str, width: int) -> str:
    space = width - display_width(line)
    return " " * (space // 2) + line + " " * (space - space // 2)


def _sections(*sections: tuple[str, list[str]]) -> Box:
    return [[heading, *lines] for heading, lines in sections if lines]


def _entrance(spec: Spec) -> Box:
    return _sections(("Load Balancer", [spec.platform.load_balancer.kind] if served(spec) else []))


def _application(spec: Spec) -> Box:
    return _sections(
        ("Application Tier", [_service_line(service) for service in served(spec)]),
        ("Workers", [_service_line(service) for service in workers(spec)]),
    )


def _stores(spec: Spec) -> Box:
    return _sections(
        (
            "Data Tier",
            [_database_line(database) for database in spec.databases] + [_cache_line(cache) for cache in spec.caches],
        ),
        ("Queues", [_queue_line(queue) for queue in spec.queues]),
        ("External Services", [_external_line(other) for other in spec.external_services]),
    )


def _pods(service: Service) -> str:
    size = service.production
    most = size.autoscaling.max if size.autoscaling else size.replicas
    return plural(size.replicas, "pod") if most == size.replicas else f"{size.replicas} to {most} pods"


def _service_line(service: Service) -> str:
    return f"{service.name}: {_KINDS[service.kind]}, {_pods(service)}"


def _database_line(database: Database) -> str:
    engine = f"{database.name}: {ENGINES[database.engine]} {database.version}"
    replicas = database.production.read_replicas
    return f"{engine}, primary + {plural(replicas, 'read replica')}" if replicas else engine


def _cache_line(cache: Cache) -> str:
    line = f"{cache.name}: {ENGINES[cache.engine]}"
    return f"{line}, cluster mode" if cache.production.cluster else line


def _queue_line(queue: Queue) -> str:
    return f"{queue.name}: {ENGINES[queue.engine]}"


def _external_line(other: ExternalService) -> str:
    return f"{other.name}: {other.host}" if other.host else other.name


def _nodes(spec: Spec) -> list[Node]:
    rows = [("entrance", "load balancer", f"Load balancer: {spec.platform.load_balancer.kind}")][: len(served(spec))]
    rows += [("service", service.name, _service_line(service)) for service in spec.services]
    rows += [("store", database.name, _database_line(database)) for database in spec.databases]
    rows += [("store", cache.name, _cache_line(cache)) for cache in spec.caches]
    rows += [("queue", queue.name, _queue_line(queue)) for queue in spec.queues]
    rows += [("outside", other.name, _external_line(other)) for other in spec.external_services]
    return [{"id": f"{shape} {name}", "label": label, "shape": shape} for shape, name, label in rows]


def _edges(spec: Spec) -> list[Edge]:
    ids = {node["id"].split(" ", 1)[1]: node["id"] for node in _nodes(spec)}
    pairs = [("load balancer", service.name) for service in served(spec)]
    pairs += [(service.name, name) for service in spec.services for name in service.needs]
    return [{"source": ids[source], "target": ids[target]} for source, target in pairs]
