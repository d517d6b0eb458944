"""What nobody has decided yet, and the files in which it still stands.

A file is named when the bundle writes the key there and the text still says that it is undecided: once a person has
written the value, it stands there no more. Must not: deciding what is undecided (``plan`` does).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from devops_tasks.checks.links import Exists, resolve
from devops_tasks.errors import Problem
from devops_tasks.plan import Plan

_DOCUMENT = r"tasks\.md"
_POLICIES = r"security/network-policies\.yml"
_ALERTS = r"monitoring/alert-rules(?:\.test)?\.yml"
_OPERATOR = r"monitoring/prometheus-operator\.yml"
_ALERTMANAGER = r"monitoring/alertmanager\.yml"
_README = r"monitoring/README\.md"
_TRAFFIC = r"delivery/traffic/.*\.yml"
_ALERT_PAGES = r"runbooks/alerts/.*\.md"
_OPERATION_PAGES = r"runbooks/operations/.*\.md"
_VERIFICATION = r"runbooks/operations/backup-verification\.md"
_ROTATION = r"runbooks/operations/rotate-secrets\.md"
_RELEASE = r"runbooks/operations/deploy-new-version\.md"
_RENEWAL = r"runbooks/operations/certificate-renewal\.md"

_PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"services\[\d+\]\.image", (r"overlays/[^/]+/kustomization\.yaml",)),
    (r"services\[\d+\]\.host", (_TRAFFIC, r"overlays/production/certificates\.yml", _RENEWAL)),
    (r"(?:databases|caches|queues|external_services)\[\d+\]\.cidr", (_DOCUMENT, _POLICIES)),
    (
        r"queues\[\d+\]\.(?:topic|group)",
        (
            _DOCUMENT,
            _ALERTS,
            _OPERATOR,
            r"monitoring/recording-rules(?:\.test)?\.yml",
            _ALERT_PAGES,
        ),
    ),
    (r"databases\[\d+\]\.selector", (_DOCUMENT, _POLICIES, r"disaster-recovery/backup\.yml")),
    (r"caches\[\d+\]\.selector", (_DOCUMENT, _POLICIES)),
    (r"databases\[\d+\]\.image|backup\.aws_cli", (_DOCUMENT, r"disaster-recovery/backup(?:-verification)?\.yml")),
    (r"databases\[\d+\]\.backup\.to", (_DOCUMENT, r"disaster-recovery/.*", _VERIFICATION)),
    (r"platform\.load_balancer\.cidr", (_DOCUMENT, _POLICIES)),
    (r"platform\.gateway", (_DOCUMENT, _POLICIES, _TRAFFIC)),
    (r"platform\.ingress_class", (_TRAFFIC,)),
    (r"platform\.ingress_namespace", (_DOCUMENT, _POLICIES)),
    (r"platform\.tls_issuer", (_DOCUMENT, _RENEWAL)),
    (r"platform\.secret_store", (_DOCUMENT, r"security/secrets\.yml", _ROTATION)),
    (r"monitoring\.(?:runbooks|dashboards)", (_DOCUMENT, _ALERTS, _OPERATOR)),
    (r"monitoring\.prometheus", (_DOCUMENT, r"overlays/production/analysis\.yml", _RELEASE)),
    (r"monitoring\.heartbeat|contacts\.webhook", (_ALERTMANAGER, _README)),
    (r"cost\.notify", (_DOCUMENT, r"cost/.*")),
    (r"contacts\.on_call", (_DOCUMENT, _ALERT_PAGES, _OPERATION_PAGES)),
    (r"contacts\.channel", (_DOCUMENT, _ALERTMANAGER, _ALERT_PAGES)),
    (r"contacts\.pager", (_DOCUMENT, _ALERTMANAGER, _README, _ALERT_PAGES)),
    (r"pack_fields\..*", ()),  # only the templates of the pack know
)
"""Where a key is written, as patterns of keys and of paths; any other key stands in the document alone.

A test decides every key of several specs, one after the other, and compares the files that change with this table.
"""

_MARK = re.compile(r"(?<!\*)\bundecided\b(?!\*)|to be decided", re.IGNORECASE)
_QUEUE = re.compile(r"queues\[\d+\]\.(?:topic|group)")
_ADDRESSES = {"monitoring.runbooks": "undecided.invalid/runbooks/", "monitoring.dashboards": "undecided.invalid/d/"}
_TOOLS = re.compile(r"databases\[(\d+)\]\.image")
_BUCKET = re.compile(r"databases\[(\d+)\]\.backup\.to")

_LITERAL = re.compile(r"\bundecided\.invalid\b")


class Undecided(NamedTuple):
    """One thing that somebody must decide: its key, what it is, and the files in which it stands."""

    key: str
    doc: str
    files: tuple[str, ...]


def find_undecided(plan: Plan, files: Mapping[str, str], exists: Exists) -> list[Undecided]:
    """List every undecided key of the plan, and every parent document that is not there."""
    marked = {path: text for path, text in files.items() if _MARK.search(text)}
    keys = [
        Undecided(each["key"], each["doc"], tuple(_standing(each["key"], plan, marked))) for each in plan["undecided"]
    ]
    return [*_parents(plan, files, exists), *keys]


def _own_marks(key: str, plan: Plan) -> tuple[str, ...]:
    """Say how a key stands on a page where other things are undecided as well; nothing where any mark will do."""
    bucket = _BUCKET.fullmatch(key)
    if bucket:
        name = plan["databases"][int(bucket[1])]["name"]
        return (f"s3://undecided.invalid/{name}", "bucket for dumps to be decided")
    tools = _TOOLS.fullmatch(key)
    if tools or key == "backup.aws_cli":
        image = plan["databases"][int(tools[1])]["image"] if tools else plan["recovery"]["aws_cli"]
        return (f"image: {image}\n", f"{image} (digest to be decided)")
    if _QUEUE.fullmatch(key):
        return ('="undecided"', f"{key.rpartition('.')[2]} to be decided")
    return (_ADDRESSES.get(key, ""),)


def _standing(key: str, plan: Plan, marked: Mapping[str, str]) -> Iterator[str]:
    patterns = next((paths for name, paths in _PLACES if re.fullmatch(name, key)), (_DOCUMENT,))
    marks = _own_marks(key, plan)
    for path, text in marked.items():
        if any(mark in text for mark in marks) and any(re.fullmatch(pattern, path) for pattern in patterns):
            yield path


def _parents(plan: Plan, files: Mapping[str, str], exists: Exists) -> Iterator[Undecided]:
    for name, address in plan["documents"].items():
        target = resolve("tasks.md", address)
        if target is not None and target.path not in files and not exists(target.path):
            doc = f"{address} is not there yet"
            yield Undecided(f"documents.{name}", doc, ("tasks.md",) if "tasks.md" in files else ())


def check_strays(files: Mapping[str, str], undecided: Iterable[Undecided]) -> Iterator[Problem]:
    """Find the literal of an undecided value in a file in which no key is undecided."""
    explained = {path for each in undecided for path in each.files}
    for path, text in files.items():
        match = _LITERAL.search(text) if path not in explained else None
        if match:
            line = text.count("\n", 0, match.start()) + 1
            what = "undecided.invalid stands here, and no key of the spec that belongs here is undecided"
            yield Problem(path, what, "generate again, or write the value", "stray-undecided", line)
