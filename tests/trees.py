"""Whole specs made from the fields themselves: every key present, every free text the same text or one of its own."""

from collections.abc import Callable
from typing import Any

from devops_tasks.errors import KeyPath
from devops_tasks.fields import MISSING, Entries, Field, Kind, Listing, Nested, Shape, Tree, shape_at
from devops_tasks.filters import promql
from devops_tasks.spec import SPEC

_SAMPLES = {
    "date": "2026-12-01",
    "duration": "5m",
    "share": "50%",
    "size": "4Gi",
    "cpu": "1",
    "money": "100 USD",
    "rate": "100/s",
    "number": "40",
    "quantity": "500ms",
    "integer": "10",
    "boolean": "true",
    "url": "https://example.com/page",
    "version": "16",
    "label": "shop",
    "label name": "app",
    "namespace": "data",
    "topic": "orders",
    "host": "db.example.com",
    "cidr": "10.0.0.0/24",
    "region": "eu-west-1",
    "bucket": "s3://backups/shop",
    "class": "db.r5.xlarge",
    "metric": "latency_p95",
    "setting": "LOG_LEVEL",
    "slug": "shop",
    "name": "shop",
    "target": "+20%",
    "path": "/data",
    "document": "../requirements.md",
    "folder": "./packs/acme",
    "address": "devops@example.com",
}
# What must agree across keys, what no sample of a kind could know, and what would leave out the rest.
_ALERTS = [{"metric": "latency_p95", "above": "250ms", "for": "10m", "severity": "warning"}]
_KEPT: dict[str, Tree] = {
    "alerts": _ALERTS,
    "review": {"next": "2027-01-05"},
    "rollback": {},
    "delivery": {},
    "monitoring": {},
    "documents": {},
    "experiment.monitoring.services": ["shop-api"],
    "extends": MISSING,
    "pack": MISSING,
    "pack_fields": MISSING,  # are keys of a template pack, whose tests are its own
    "policy": MISSING,  # is told to who writes a spec, and stands in no bundle
    "platform.namespaces": {},
    "platform.ingress_class": MISSING,
    "platform.ingress_namespace": MISSING,
    "contacts.webhook": MISSING,
    "services[].build": MISSING,
    "services[].latency_buckets": MISSING,
    "services[].metric_names.duration": "latency_seconds",
    "services[].needs": MISSING,
    "services[].secrets": MISSING,
    "tasks[].skip": MISSING,
    "databases[].image": MISSING,
    "databases[].selector": {"app": "store"},
    "caches[].selector": {"app": "store"},
    "caches[].staging.class": "cache.t3.micro",
    "caches[].production.class": "cache.r5.large",
}


def full_tree(text: str) -> dict[str, Tree]:
    """Write every key that is built, with ``text`` in every free-text field."""
    tree: dict[str, Tree] = _value("", Field(SPEC, ""), text)
    tree["services"] = [
        {**tree["services"][0], "name": f"shop-{kind}", "kind": kind} for kind in ("api", "web", "worker")
    ]
    del tree["services"][2]["host"]
    # The others get the image that this one builds.
    tree["services"][0]["build"] = {"context": "services/api", "dockerfile": "Dockerfile", "test": ["make", "test"]}
    tree["services"][2]["slo"] = {"availability": "99.9%"}
    tree["databases"] = [{**tree["databases"][0], "name": "shop-db"}, _in_cluster(tree["databases"][0])]
    tree["caches"][0]["name"] = "shop-cache"
    tree["queues"][0]["name"] = "orders"
    tree["external_services"][0]["name"] = "payments"
    tree["tasks"] = [{**tree["tasks"][0], "id": "DO-009"}, {"id": "DO-001", "title": text, "owner": text[:200]}]
    tree["alerts"] = [{**_ALERTS[0], "action": text}, _own_alert(text)]
    tree["sprint"]["ends"] = "2026-12-14"
    return tree


def _own_alert(text: str) -> dict[str, Tree]:
    """Give an alert a query of its own, which is no free text but code: the text stands in one of its strings."""
    return {"metric": "failures", "above": "5", "query": query(text), "severity": "critical"}


def query(text: str) -> str:
    """Write a PromQL query that holds a text."""
    return f"sum(rate(shop_failures_total{{note!={promql(text)}}}[5m]))"


def _in_cluster(database: dict[str, Tree]) -> dict[str, Tree]:
    inside = {"name": "shop-archive", "hosting": "in-cluster", "namespace": "data", "selector": {"app": "archive"}}
    inside["image"] = "registry.example.com/mirror/postgres:16"
    return {**database, **inside}


def free_texts(shape: Shape = SPEC, path: str = "") -> list[tuple[str, Kind[Any]]]:
    """List every key that takes free text, and its kind, from the fields."""
    if isinstance(shape, Kind):
        return [(path, shape)] if shape.free else []
    if isinstance(shape, Listing):
        return free_texts(shape.item, f"{path}[]")
    if isinstance(shape, Entries):
        return free_texts(shape.value, f"{path}.*")
    fields = shape.record.fields.items()
    told = [(name, field) for name, field in fields if not field.later and _KEPT.get(name) is not MISSING]
    return [row for name, field in told for row in free_texts(field.shape, f"{path}.{name}")]


def rewritten(tree: Tree, write: Callable[[KeyPath, Kind[Any]], str]) -> Tree:
    """Copy a tree, with another text in each place that takes free text."""
    return _rewritten(SPEC, tree, (), write)


def _rewritten(shape: Shape, tree: Tree, path: KeyPath, write: Callable[[KeyPath, Kind[Any]], str]) -> Tree:
    if isinstance(shape, Kind) or isinstance(tree, str):
        return write(path, shape) if isinstance(shape, Kind) and shape.free else tree
    inside = enumerate(tree) if isinstance(tree, list) else tree.items()
    copies = {step: _rewritten(_inner(shape, step), value, (*path, step), write) for step, value in inside}
    return list(copies.values()) if isinstance(tree, list) else copies


def _inner(shape: Shape, step: str | int) -> Shape:
    found = shape_at(shape, (step,))
    assert found is not None, step
    return found


def free_places(tree: Tree) -> dict[KeyPath, Kind[Any]]:
    """Find every place of a tree that takes free text."""
    found: dict[KeyPath, Kind[Any]] = {}
    rewritten(tree, lambda path, kind: found.setdefault(path, kind).name)
    return found


def _value(path: str, field: Field, text: str) -> Tree:
    shape = field.shape
    if path in _KEPT:
        return _KEPT[path]
    if isinstance(shape, Nested):
        fields = {key: inner for key, inner in shape.record.fields.items() if not inner.later}
        values = {key: _value(f"{path}.{key}".lstrip("."), inner, text) for key, inner in fields.items()}
        return {key: value for key, value in values.items() if value is not MISSING}
    if isinstance(shape, Listing):
        item = _value(f"{path}[]", Field(shape.item, "", example=_first(field)), text)
        return [item, item] if isinstance(shape.item, Kind) and shape.item.free else [item]
    if isinstance(shape, Entries):
        return {"LOG_LEVEL": text}
    return _scalar(shape, field, text)


def _first(field: Field) -> Tree:
    default = field.default
    return default[0] if isinstance(default, list) and default and isinstance(default[0], str) else MISSING


def _scalar(kind: Kind[Any], field: Field, text: str) -> Tree:
    if kind.free:
        return text[: kind.schema["maxLength"]]
    for sample in (field.default, field.example):
        if isinstance(sample, str):
            return sample.strip('"')
    return kind.choices[0] if kind.choices else _SAMPLES[kind.name]
