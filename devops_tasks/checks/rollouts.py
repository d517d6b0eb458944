"""Rollouts and what they name: Services, routes and analyses must be those of the bundle.

Lives here: what Argo Rollouts reads in a Rollout, in the base or in an overlay's patch of it. Must not: its pods
(``objects`` has them), its steps (``commands`` has those of every file).
"""

from collections.abc import Iterator, Mapping

from devops_tasks.checks.cluster import Cluster, environments, items, kind_of, name_of
from devops_tasks.checks.documents import Document
from devops_tasks.errors import KeyPath, Problem

_CANARY: KeyPath = ("spec", "strategy", "canary")
_FLIPPED: KeyPath = ("spec", "strategy", "blueGreen")
_ROUTE: KeyPath = (*_CANARY, "trafficRouting", "plugins", "argoproj-labs/gatewayAPI", "httpRoute")
_NAMED: tuple[tuple[KeyPath, str], ...] = (
    ((*_CANARY, "stableService"), "Service"),
    ((*_CANARY, "canaryService"), "Service"),
    ((*_FLIPPED, "activeService"), "Service"),
    ((*_FLIPPED, "previewService"), "Service"),
    (_ROUTE, "HTTPRoute"),
)
_ANALYSES: tuple[KeyPath, ...] = (
    (*_CANARY, "analysis", "templates"),
    (*_FLIPPED, "prePromotionAnalysis", "templates"),
    (*_FLIPPED, "postPromotionAnalysis", "templates"),
)


def check_rollouts(cluster: Cluster, files: Mapping[str, str]) -> Iterator[Problem]:
    """Check every name in the Rollouts of the bundle and in the overlays' patches of them."""
    patches = [
        patch for each in environments(cluster, files) for _, patch in each.patches if kind_of(patch) == "Rollout"
    ]
    for document in (*cluster.kind("Rollout"), *patches):
        if ("Rollout", name_of(document)) not in cluster.objects:
            what = f"it patches Rollout {name_of(document)}, which the bundle does not have"
            yield Problem(document.path, what, "name one", "unknown-object", document.line(("metadata", "name")))
        for path, kind, name in _names(document):
            if (kind, name) not in cluster.objects:
                what = f"Rollout {name_of(document)} uses {kind} {name}, which the bundle does not have"
                yield Problem(document.path, what, "use the name that it has", "unknown-object", document.line(path))


def _names(document: Document) -> Iterator[tuple[KeyPath, str, str]]:
    for path, kind in _NAMED:
        if document.at(path) is not None:
            yield path, kind, str(document.at(path))
    for path in _ANALYSES:
        for index, template in enumerate(items(document.at(path))):
            yield (*path, index, "templateName"), "AnalysisTemplate", str(template.get("templateName"))
