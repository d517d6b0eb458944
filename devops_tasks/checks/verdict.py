"""All checks of a bundle on disk, in turn: what ``devops-tasks check`` asks.

Lives here: the order of the checks, and what the spec tells them. Every kind of finding is a row of :data:`CODES`.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from devops_tasks.checks import contradictions as against
from devops_tasks.checks.assignment import check_assignment
from devops_tasks.checks.backups import check_backups, check_recovery
from devops_tasks.checks.capacity import check_budgets, check_environments, check_quotas
from devops_tasks.checks.cluster import Cluster, read_cluster
from devops_tasks.checks.codes import CODES, Code, severity
from devops_tasks.checks.commands import Known, check_commands, check_declared, check_steps, check_traffic
from devops_tasks.checks.documents import Document, read_documents
from devops_tasks.checks.drift import Made, check_numbers, find_drift
from devops_tasks.checks.flows import check_flows
from devops_tasks.checks.links import Exists, check_kustomizations, check_links, check_mentions, parent_paths
from devops_tasks.checks.monitoring import (
    Watched,
    check_alerts,
    check_flow,
    check_jobs,
    check_prometheus,
    check_queries,
)
from devops_tasks.checks.objects import check_objects
from devops_tasks.checks.overlays import read_overlays
from devops_tasks.checks.residue import check_residue, texts_of
from devops_tasks.checks.rollouts import check_rollouts
from devops_tasks.checks.rules import Rule, read_rules
from devops_tasks.checks.sizes import check_stated
from devops_tasks.checks.sources import told
from devops_tasks.checks.syntax import Shell, check_markers, check_pages, check_scripts, read_texts
from devops_tasks.checks.undecided import Undecided, check_strays, find_undecided
from devops_tasks.errors import Problem
from devops_tasks.fields import Tree
from devops_tasks.plan import Plan, all_flows
from devops_tasks.spec import Spec

__all__ = ["CODES", "Bundle", "Code", "Exists", "Made", "Shell", "Undecided", "Verdict", "judge_bundle", "severity"]


_OF_OTHERS = frozenset(
    ("unknown-object", "selector", "port", "scrape", "unknown-series", "unknown-metric", "flow-denied", "flow-unneeded")
)
"""What may be no fault of the file that it is found in: a file that cannot be read may hold what is missing."""


class Bundle(NamedTuple):
    """A bundle as it stands on disk, the spec that it was made from, and what was made."""

    spec: Spec
    tree: Tree
    plan: Plan
    contents: Mapping[str, bytes | Problem]
    made: Made = Made()


class Verdict(NamedTuple):
    """What was found: problems in the order of the files, what nobody has decided, and what was edited since."""

    problems: list[Problem]
    undecided: list[Undecided]
    notes: list[Problem]


def judge_bundle(bundle: Bundle, exists: Exists, shell: Shell | None = None) -> Verdict:
    """Make every check on a bundle that people may have edited.

    ``exists`` says what is on disk, in the bundle's folder and around it; ``shell`` parses a script, where one is at
    hand.
    """
    files, problems = read_texts(bundle.contents)
    documents, unread = read_documents(files)
    undecided = find_undecided(bundle.plan, files, exists)
    problems += [
        *unread,
        *check_markers(files),
        *check_pages(files),
        *check_scripts(files, shell),
        *(each for each in _names(bundle, files, documents, exists) if not unread or each.code not in _OF_OTHERS),
        *check_residue(files, list(texts_of(bundle.tree))),
        *check_strays(files, undecided),
        *_contradictions(bundle.spec, files, documents),
        *check_assignment(bundle.plan, read_cluster(documents), files),
        *against.check_guardrails(bundle.plan["guardrails"]),
        *against.check_stay(bundle.spec, bundle.plan["experiment"]),
        *check_stated(bundle.plan["experiment"]["sample"], files),
    ]
    known = {(problem.where, problem.line) for problem in problems}
    problems += [each for each in check_numbers(bundle.made, files) if (each.where, each.line) not in known]
    return Verdict(sorted(set(problems), key=_place), undecided, list(find_drift(bundle.made, files)))


def _place(problem: Problem) -> tuple[int, str, int, str]:
    return (severity(problem) != "error", problem.where, problem.line, problem.what)


def _names(bundle: Bundle, files: Mapping[str, str], documents: list[Document], exists: Exists) -> Iterator[Problem]:
    cluster, rules = read_cluster(documents), list(read_rules(documents))
    watched, scraped = _watched(bundle.spec), _scraped(bundle.spec)
    yield from check_links(files, exists, parent_paths(bundle.plan["documents"].values()))
    yield from check_kustomizations(files, exists)
    yield from check_mentions(files, exists, texts_of(bundle.tree), spans=False)
    yield from _applied(bundle, files, cluster, exists)
    yield from check_commands(files, _known(bundle.spec, cluster))
    yield from check_declared(files)
    yield from check_traffic(cluster)
    steps = [int(step["weight"]) for step in bundle.plan["steps"]]
    yield from check_steps(files, steps, steps[:1] if bundle.plan["delivery"]["argo"] else steps)
    yield from check_rollouts(cluster, files)
    yield from check_queries(files, documents, rules, watched)
    yield from check_flow(bundle.spec, documents, rules, watched)
    yield from check_alerts(rules, files, watched)
    yield from check_prometheus(documents, exists)
    yield from check_jobs(cluster, documents, scraped)


def _applied(bundle: Bundle, files: Mapping[str, str], cluster: Cluster, exists: Exists) -> Iterator[Problem]:
    """Judge the objects as they stand in their files, and as each overlay applies them."""
    found = list(check_objects(cluster))
    yield from found
    already = {(each.code, each.what) for each in found}
    overlays, unread = read_overlays(cluster, files, exists)
    yield from unread
    for overlay in overlays:
        if overlay.whole:
            yield from (each for each in check_objects(overlay.cluster) if (each.code, each.what) not in already)
    for applied in [each.cluster for each in overlays] or [cluster]:
        yield from check_flows(applied, all_flows(bundle.plan), bundle.spec.monitoring.namespace)


def _known(spec: Spec, cluster: Cluster) -> Known:
    services = frozenset(service.name for service in spec.services)
    own = frozenset((spec.platform.namespaces.staging, spec.platform.namespaces.production))
    return Known(cluster, services, own, _watched(spec).namespaces - own | {"kube-system"})


def _watched(spec: Spec) -> Watched:
    services = frozenset(service.name for service in spec.services)
    stores = frozenset(store.name for group in (spec.databases, spec.caches, spec.queues) for store in group)
    namespaces = {spec.platform.namespaces.staging, spec.platform.namespaces.production, spec.monitoring.namespace}
    own = {store.namespace for group in (spec.databases, spec.caches) for store in group if store.namespace}
    queries = "\n".join(alert.query for alert in spec.alerts if alert.query)
    subjects = services | stores | {spec.feature.slug}
    return Watched(services, subjects, frozenset(namespaces | own), queries, frozenset(told(spec)))


def _scraped(spec: Spec) -> frozenset[str]:
    return frozenset(service.name for service in spec.services if service.metrics.convention != "none")


def _contradictions(spec: Spec, files: Mapping[str, str], documents: list[Document]) -> Iterator[Problem]:
    cluster = read_cluster(documents)
    rules = [rule for rule in read_rules(documents) if _plain(rule)]
    yield from against.check_rules(rules)
    yield from against.check_scaling(spec, cluster, rules)
    yield from check_environments(cluster, files)
    yield from check_budgets(cluster, files)
    yield from check_quotas(cluster, files)
    yield from against.check_tasks(spec, files)
    yield from check_backups(spec, cluster, documents)
    yield from check_recovery(spec, cluster, files, documents)
    yield from against.check_target(spec)
    yield from against.check_dates(spec)
    yield from against.check_split(spec)
    yield from against.check_classes(spec)


def _plain(rule: Rule) -> bool:
    """Say whether a rule stands in a plain file: the operator's object repeats it."""
    return rule.path[0] == "groups"
