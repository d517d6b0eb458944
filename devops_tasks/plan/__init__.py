"""Spec to plan: every name, label, total, threshold, schedule and list that a template prints, as plain data.

The one door is :func:`plan_bundle`; each module behind it plans one subject and returns dicts, lists and scalars only.
:func:`all_flows` reads the network's flows out of a plan.
Must not: Jinja, files, the clock.
"""

from datetime import date
from typing import Any

from devops_tasks.plan.cost import plan_cost
from devops_tasks.plan.delivery import plan_delivery
from devops_tasks.plan.document import all_flows, plan_document
from devops_tasks.plan.monitoring import plan_monitoring
from devops_tasks.plan.network import Flow, Peer
from devops_tasks.plan.operations import plan_operations
from devops_tasks.plan.recovery import plan_recovery
from devops_tasks.plan.undecided import plan_undecided
from devops_tasks.plan.workloads import plan_workloads
from devops_tasks.spec import Spec

__all__ = ["Flow", "Peer", "Plan", "all_flows", "plan_bundle", "plan_feature", "plan_undecided"]

Plan = dict[str, Any]


def plan_bundle(spec: Spec, today: date | None = None) -> Plan:
    """Plan the whole bundle of a complete spec; ``today`` dates the document where the spec does not."""
    plan: Plan = {
        **plan_workloads(spec),
        **plan_monitoring(spec),
        **plan_delivery(spec),
        **plan_recovery(spec),
        **plan_operations(spec),
        **plan_cost(spec),
    }
    if plan["delivery"]["argo"]:
        from devops_tasks.plan.analysis import plan_analysis

        plan["analysis"] = plan_analysis(spec, plan["alerts"])
    if spec.pack_fields:
        from devops_tasks.plan.pack_fields import plan_pack_fields

        plan["pack_fields"] = plan_pack_fields(spec.pack_fields)
    return {**plan, **plan_document(spec, plan, today), "undecided": plan_undecided(spec, today)}


def plan_feature(spec: Spec, today: date | None = None) -> Plan:
    """Plan the documents that a feature's folder begins with: the bundle, and what the requirements say besides."""
    from devops_tasks.plan.requirements import plan_requirements

    return {**plan_bundle(spec, today), "requirements": plan_requirements(spec)}
