"""The sums of an experiment: how many units it takes, how long, what it would find, and what a guardrail sees.

Lives here: pure functions of numbers. ``docs/explanation/experiment.md`` derives them and says what they leave out.
``evidence``, which judges a result, and ``arms``, which watches, have doors of their own: few specs need them.
Must not: PromQL, the spec, rounding for display. Each number is a float; an impossible one raises ``ValueError``.
"""

from devops_tasks.experiment.design import (
    Means,
    Proportions,
    Trial,
    always_wider,
    days_needed,
    detectable_delta,
    detectable_share,
    power_at,
    units_needed,
    whole_weeks,
    z_score,
)
from devops_tasks.experiment.guardrails import Chances, chances, ended, requests_needed

__all__ = [
    "Chances",
    "Means",
    "Proportions",
    "Trial",
    "always_wider",
    "chances",
    "days_needed",
    "detectable_delta",
    "detectable_share",
    "ended",
    "power_at",
    "requests_needed",
    "units_needed",
    "whole_weeks",
    "z_score",
]
