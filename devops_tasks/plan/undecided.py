"""What nobody has decided yet: the literal that stands for it in a manifest, and the list that ``check`` prints."""

from collections.abc import Iterator
from typing import TypedDict

from devops_tasks.errors import KeyPath, key_text
from devops_tasks.fields import Record, attribute
from devops_tasks.spec import Spec

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


def plan_undecided(spec: Spec) -> list[Undecided]:
    """List every undecided key of a complete spec, in the order of the spec."""
    return [{"key": key_text(path), "doc": doc} for path, doc in _walk(spec, ()) if not _moot(spec, path)]


def _walk(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _walk(item, (*path, index))
    elif isinstance(value, Record):
        for name, field in value.fields.items():
            inner = getattr(value, attribute(name))
            if inner is None and field.undecided:
                yield (*path, name), field.doc
            else:
                yield from _walk(inner, (*path, name))


def _moot(spec: Spec, path: KeyPath) -> bool:
    """Say whether a key needs no decision because another key made it meaningless."""
    match path:
        case ("services", int(index), "host" | "requests_per_second"):
            return spec.services[index].kind == "worker"
        case ("platform", "gateway" | "tls_issuer" | "edge") | ("platform", "load_balancer", "cidr"):
            return all(service.kind == "worker" for service in spec.services)
        case ("contacts", "webhook"):
            return spec.contacts.pager != "webhook"
        case ("platform", "secret_store"):
            return spec.platform.secrets != "external-secrets" or not any(one.secrets for one in spec.services)
        case ("databases" | "caches" as group, int(index), "cidr" | "host"):
            return bool(getattr(spec, group)[index].hosting == "in-cluster")
        case ("databases" | "caches" as group, int(index), "selector"):
            return bool(getattr(spec, group)[index].hosting == "managed")
        case _:
            return False
