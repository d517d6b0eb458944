"""To be written."""

from datetime import date
from typing import Any

from devops_tasks.spec import Spec


def plan_document(spec: Spec, plan: dict[str, Any], today: date | None) -> dict[str, Any]:
    """To be written."""
    del plan, today
    return {"feature": {"name": spec.feature.name, "slug": spec.feature.slug, "team": spec.feature.team}}
