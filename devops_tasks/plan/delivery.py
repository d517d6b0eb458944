"""To be written."""

from typing import Any

from devops_tasks.spec import Spec


def plan_delivery(spec: Spec) -> dict[str, Any]:
    """To be written."""
    del spec
    return {}
