"""What tasks.md says beside the files that it shows: its words and rows, in the order of its sections."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, TypedDict

from devops_tasks.filters import yaml
from devops_tasks.plan.alerts import plan_criteria_rows, plan_rows, unlabelled
from devops_tasks.plan.architecture import Architecture, plan_architecture
from devops_tasks.plan.commitments import (
    Contacts,
    Dependencies,
    Links,
    Review,
    Risk,
    Savings,
    day,
    plan_contacts,
    plan_dependencies,
    plan_links,
    plan_review,
    plan_risks,
    plan_savings,
)
from devops_tasks.plan.experiment import plan_experiment
from devops_tasks.plan.network import Flow
from devops_tasks.plan.tasks import ENGINES, Tasks, plan_tasks, served, workers
from devops_tasks.plan.watching import (
    Acting,
    Instrumentation,
    plan_acting,
    plan_instrumentation,
)
from devops_tasks.spec import Spec

Row = dict[str, Any]


class Document(TypedDict):
    """All that this module adds to the plan; the keys follow the sections of the document."""

    feature: Row
    sprint: Row
    documents: Row
    experiment: Row
    guardrails: list[Row]
    overview: Row
    tasks: Tasks
    architecture: Architecture
    release: Row
    acting: list[Acting]
    shown: Row
    instrumentation: list[Instrumentation]
    flow_rows: list[Row]
    savings: Savings
    done: list[str]
    dependencies: Dependencies
    risks: list[Risk]
    contacts: Contacts
    links: Links
    review: Review
    document: Row


def plan_document(spec: Spec, plan: dict[str, Any], today: date | None) -> Document:
    """Plan the document of a spec from the plan of everything that it talks about."""
    rows = plan_rows(spec)
    return {
        "feature": _feature(spec),
        "sprint": _sprint(spec),
        "documents": _documents(spec),
        "experiment": plan_experiment(spec),
        "guardrails": _guardrails(spec),
        "overview": _overview(spec),
        "tasks": plan_tasks(spec),
        "architecture": plan_architecture(spec),
        "release": _release(spec),
        "acting": plan_acting(rows, plan_criteria_rows(spec)),
        "shown": _shown(plan),
        "instrumentation": plan_instrumentation(rows, plan["rule_needs"], unlabelled(spec)),
        "flow_rows": merge_flows(all_flows(plan)),
        "savings": plan_savings(spec),
        "done": list(spec.done),
        "dependencies": plan_dependencies(spec),
        "risks": plan_risks(spec),
        "contacts": plan_contacts(spec),
        "links": plan_links(spec),
        "review": plan_review(spec, today),
        "document": {"fidelity": spec.document.fidelity},
    }


def _feature(spec: Spec) -> Row:
    feature = spec.feature
    return {
        "name": feature.name,
        "slug": feature.slug,
        "id": feature.id,
        "team": feature.team,
        "engineer": feature.engineer,
    }


def _sprint(spec: Spec) -> Row:
    sprint = spec.sprint
    return {"name": sprint.name, "starts": day(sprint.starts), "ends": day(sprint.ends)}


def _documents(spec: Spec) -> Row:
    documents = spec.documents
    return {
        "requirements": documents.requirements,
        "design": documents.design,
        "devops_design": documents.devops_design,
    }


def _guardrails(spec: Spec) -> list[Row]:
    """Judge the rollback criteria where a service says how many requests it takes."""
    if not any(service.requests_per_second for service in spec.services):
        return []
    from devops_tasks.plan.guardrails import plan_guardrails

    return [{**each} for each in plan_guardrails(spec)]


def _overview(spec: Spec) -> Row:
    return {
        "dependencies": list(_infrastructure_dependencies(spec)),
        "security_review": spec.overview.security_review,
        "compliance": list(spec.overview.compliance),
    }


def _infrastructure_dependencies(spec: Spec) -> Iterator[str]:
    if served(spec):
        yield f"load balancer ({spec.platform.load_balancer.kind})"
    for database in spec.databases:
        yield f"{database.name} ({ENGINES[database.engine]} {database.version})"
    for cache in spec.caches:
        yield f"{cache.name} ({ENGINES[cache.engine]})"
    for queue in spec.queues:
        yield f"{queue.name} ({ENGINES[queue.engine]})"
    for other in spec.external_services:
        yield f"{other.name} ({other.host})" if other.host else other.name


def _release(spec: Spec) -> Row:
    groups = (spec.databases, spec.caches, spec.queues)
    stores = [store.name for group in groups for store in group]
    outside = [other.name for other in spec.external_services]
    first = {need for service in served(spec) or spec.services for need in service.needs}
    later = {need for service in workers(spec) for need in service.needs} - first
    return {
        "served": [service.name for service in served(spec)],
        "workers": [service.name for service in workers(spec)],
        "switches": [{"share": step.text} for step in spec.delivery.steps],
        "pause": spec.delivery.pause.words,
        "flags": spec.experiment.assignment.method == "feature-flag",
        "databases": [database.name for database in spec.databases],
        "stores": stores,
        "outside": outside,
        "reached": [name for name in stores if name in first],
        "called": [name for name in outside if name in first],
        "later": [name for name in (*stores, *outside) if name in later],
    }


def _shown(plan: dict[str, Any]) -> Row:
    """Name the lines at which the telling part of a long file begins; each is there in every bundle with that file."""
    services = plan["services"]
    scaled = [service["deployments"][0] for service in services if service["production"]["autoscaling"]]
    secret = [service["secret_name"] for service in services if service["secret_name"]]
    return {
        "alert": f"- alert: {plan['alert_pages'][0]['name']}" if plan["alert_pages"] else "",
        "rollback": "until=" if any(service["public"] for service in services) else "workers=(",
        "scraping": _scraping(plan),
        "tuning": list(_tuning(plan)),
        "restore": 'log "restoring into',
        "policy": f"name: {yaml(services[0]['name'])}",
        "scaling": f"name: {yaml(scaled[0])}" if scaled else "",
        "secret": f"name: {yaml(secret[0])}" if secret else "",
    }


def _scraping(plan: dict[str, Any]) -> Row:
    if not plan["operator"]:
        return {"path": "monitoring/prometheus-config.yml", "start": "- job_name:"}
    scraping = plan["scraping"]
    monitored = scraping["jobs"] or scraping["databases"] or scraping["queues"]
    return {
        "path": "monitoring/prometheus-operator.yml",
        "start": "kind: PodMonitor" if monitored else "kind: PrometheusRule",
    }


def _tuning(plan: dict[str, Any]) -> Iterator[Row]:
    for group, name, start in (
        ("sql", "tuning.sql", "-- {name}, production:"),
        ("groups", "parameter-group.yml", "{resource}:"),
    ):
        for database in plan["recovery"][group][:1]:
            size = database["production"]
            yield {"path": f"database/{name}", "start": start.format(name=database["name"], resource=size["resource"])}


def all_flows(plan: dict[str, Any]) -> list[Flow]:
    """Give the flows of every workload: of the services, and of the jobs that back their databases up."""
    return [*plan["flows"], *(flow for database in plan["recovery"]["cronjobs"] for flow in database["flows"])]


def merge_flows(flows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Make one row of the flows that differ only in our end."""
    merged: dict[tuple[Any, ...], Row] = {}
    for flow in flows:
        ours, theirs = ("to", "from") if flow["direction"] == "ingress" else ("from", "to")
        key = (flow["direction"], flow[theirs], flow["port"], flow["address"])
        row = merged.setdefault(key, {**flow, "from": [], "to": [], "address": flow["address"].split(": ", 1)[-1]})
        row[theirs] = [flow[theirs]]
        row[ours] = [*row[ours], flow[ours]]
    return list(merged.values())
