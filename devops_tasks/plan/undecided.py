"""What nobody has decided yet: the literal that stands for it in a manifest, and the list that ``check`` prints."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from typing import Any, TypedDict

from devops_tasks.errors import KeyPath, key_text
from devops_tasks.fields import Field, Listing, Nested, Record, Shape, attribute
from devops_tasks.spec import Database, MetricsBackup, Spec
from devops_tasks.units import Duration

AWS_CLI = "docker.io/amazon/aws-cli:2.17.0"
"""What reaches the bucket of backups where no image is decided; its digest is."""
HOST = "undecided.invalid"
NAME = "undecided"
URL = "https://undecided.invalid"


class Undecided(TypedDict):
    """One key that the document prints as *to be decided*."""

    key: str
    doc: str


def image(service: str) -> str:
    """Name the image that stands for an undecided one; the host exists nowhere, so nothing can be pulled by mistake."""
    return f"{HOST}/{service}:undecided"


def tools(database: Database) -> str:
    """Name the image of a database's tools where none is decided."""
    return f"docker.io/library/postgres:{database.version}"


def unpinned(spec: Spec, database: Database) -> list[str]:
    """List the images without a digest that the jobs of a database's backups run; a managed one has no job."""
    images = (database.image or tools(database), spec.backup.aws_cli or AWS_CLI)
    return [image for image in images if "@" not in image and database.hosting == "in-cluster"]


def plan_undecided(spec: Spec, today: date | None = None) -> list[Undecided]:
    """List every undecided key of a complete spec, in the order of the spec; ``today`` dates the document as well."""
    rows = [(key_text(path), doc) for path, doc in _walk(spec, ()) if not _moot(spec, path)]
    return [{"key": key, "doc": doc} for key, doc in rows if key != "review.updated" or today is None]


def _walk(value: Record | tuple[object, ...], path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            if isinstance(item, Record):
                yield from _walk(item, (*path, index))
        return
    for name, field in _undecidable(type(value)):  # type: ignore[arg-type]  # a class has a hash, its values have none
        inner = getattr(value, attribute(name))
        if inner is None and field.undecided:
            yield (*path, name), field.doc
        elif isinstance(inner, Record | tuple):
            yield from _walk(inner, (*path, name))


@cache
def _undecidable(record: type[Record]) -> list[tuple[str, Field]]:
    """Give the keys of a record that may be undecided, or have such a key in them."""
    return [(name, field) for name, field in record.fields.items() if field.undecided or _leads_on(field.shape)]


def _leads_on(shape: Shape) -> bool:
    inner = shape.item if isinstance(shape, Listing) else shape
    return isinstance(inner, Nested) and bool(_undecidable(inner.record))  # type: ignore[arg-type]


def _moot(spec: Spec, path: KeyPath) -> bool:
    """Say whether a key needs no decision because another key made it meaningless."""
    rule = _MOOT.get(".".join("*" if isinstance(step, int) else step for step in path))
    holder: Any = spec
    for step in path[:-1]:
        holder = holder[step] if isinstance(step, int) else getattr(holder, attribute(step))
    return rule is not None and rule(spec, holder)


def _unserved(spec: Spec, _holder: object) -> bool:
    return all(service.kind == "worker" for service in spec.services)


def _metrics_kept(spec: Spec, backup: MetricsBackup) -> bool:
    return isinstance(backup.keep, Duration) and backup.keep <= spec.monitoring.retention


_MOOT: dict[str, Callable[[Spec, Any], bool]] = {
    "experiment.primary_metric.standard_deviation": lambda _, metric: metric.kind not in {"mean", "count"},
    "services.*.host": lambda _, service: service.kind == "worker",
    "services.*.requests_per_second": lambda _, service: service.kind == "worker",
    **{f"{group}.*.{name}": lambda _, store: store.hosting == "in-cluster"
       for group in ("databases", "caches") for name in ("cidr", "host")},
    **{f"{group}.*.selector": lambda _, store: store.hosting == "managed" for group in ("databases", "caches")},
    "platform.gateway": lambda spec, _: spec.platform.routing != "gateway-api" or _unserved(spec, _),
    "platform.ingress_class": lambda spec, _: spec.platform.routing != "ingress" or _unserved(spec, _),
    "platform.ingress_namespace": lambda spec, platform: (
        platform.routing != "ingress" or platform.load_balancer.cidr is not None or _unserved(spec, platform)
    ),
    "platform.tls_issuer": _unserved,
    "platform.edge": _unserved,
    "platform.load_balancer.cidr": lambda spec, _: (
        bool(spec.platform.gateway or spec.platform.ingress_namespace) or _unserved(spec, _)
    ),
    "platform.secret_store": lambda spec, platform: (
        platform.secrets != "external-secrets" or not any(service.secrets for service in spec.services)
    ),
    "databases.*.image": lambda _, database: database.hosting == "managed",
    "backup.aws_cli": lambda spec, _: all(database.hosting == "managed" for database in spec.databases),
    "monitoring.prometheus": lambda spec, _: spec.platform.rollout != "argo-rollouts" or _unserved(spec, _),
    "backup.metrics.store": _metrics_kept,
    "cost.notify": lambda _, cost: cost.budget is None,
    "contacts.webhook": lambda _, contacts: contacts.pager != "webhook",
}  # fmt: skip
"""When a key needs no decision, asked of the spec and of the group that the key stands in."""
