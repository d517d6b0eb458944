"""Service level objectives: how fast a budget may burn, what counts as bad, the recorded series and the advice.

An alert looks at a long window, so that one failure is no alarm, and at a short one, so that it ends when the failures
do (the multi-window, multi-burn-rate alerts of the Site Reliability Workbook). Must not: the objectives themselves,
which are the spec's.
"""

from typing import NamedTuple

from devops_tasks.metrics.advice import ADVICE, Advice, Check
from devops_tasks.metrics.forms import Recording, Source


class Indicator(NamedTuple):
    """What an objective counts; ``bad`` and ``every`` are rates of five minutes."""

    slo: str
    title: str
    events: str
    fails: str
    happened: str
    bad: str
    every: str
    bad_comment: str
    source: Source
    advice: Advice


RATIO = "namespace_job_slo:bad_events_per_events:ratio_rate"
"""The first part of the name of a window's ratio; the window is the rest."""
COUNT = "namespace_job_slo:bad_events:increase"
"""The first part of the name of a window's number of bad events; the window is the rest."""
REMAINING = "namespace_job_slo:error_budget_remaining:ratio"

BAD, EVERY = "namespace_job_slo:bad_events:rate5m", "namespace_job_slo:events:rate5m"
_SELECTED = '{%scraped,slo="%slo"}'
_LABELS = (("slo", "%slo"),)
SHORTEST = Recording(f"{RATIO}5m", f"  {BAD}{_SELECTED}\n/\n  ({EVERY}{_SELECTED} > 0)", labels=_LABELS)
WINDOW = Recording(
    f"{RATIO}%window",
    f"  avg_over_time({BAD}{_SELECTED}[%window])\n/\n  (avg_over_time({EVERY}{_SELECTED}[%window]) > 0)",
    "weighted by traffic: what a quiet night fails counts for as few requests as it had",
    _LABELS,
)
COUNTED = Recording(
    f"{COUNT}%window",
    f"sum_over_time({BAD}{_SELECTED}[%window:1m]) * 60",
    "counted minute by minute: before the service was there nothing failed",
    _LABELS,
)
LEFT = Recording(
    REMAINING,
    f"1 - {RATIO}%window{_SELECTED} / %budget",
    "1 is the whole budget of %window; below 0 the objective is missed",
    _LABELS,
)


def base(indicator: Indicator) -> tuple[Recording, ...]:
    """Give the rates that every window is made from."""
    return (
        Recording(BAD, indicator.bad, indicator.bad_comment, _LABELS),
        Recording(EVERY, indicator.every, "", _LABELS),
    )


_BUDGET = Check(
    "How much of the budget is left?",
    "promql",
    f'{REMAINING}{{%production,slo="%slo"}}',
)
_SPEED = Check(
    "Has it stopped? The short window says so first.",
    "promql",
    f'{RATIO}%short{{%production,slo="%slo"}}',
)
_LONG = "After an outage the long window stays above its threshold; the short one ends the alert."
_SPENT = Check(
    "When the budget of %window is spent, the team ships what makes %service reliable before it ships features."
)


def _advice(metric: str, meaning: str, impact: str) -> Advice:
    """Go on from the advice on the metric that the objective is made of."""
    known = ADVICE[metric]
    return known._replace(
        meaning=meaning,
        impact=impact,
        checks=(_BUDGET, _SPEED, *known.checks),
        mends=(*known.mends, _SPENT),
        mistaken=("It waits for five bad events over %long_words.", _LONG),
    )


_SPENDS = ", over %long_words and over %short_words: %often the objective of %objective allows."
_REQUESTS = Indicator(
    "availability",
    "Availability",
    "requests",
    "fails",
    "failed",
    "namespace_job:http_requests_errors:rate5m{%scraped}",
    "namespace_job:http_requests:rate5m{%scraped}",
    "",
    Source("%requests", "%production"),
    _advice(
        "error_ratio",
        f"More than %limit of the requests to %service were answered with a status of 500 or above{_SPENDS}",
        "Users see errors. At this speed the budget of %window is spent within %spent.",
    ),
)
_JOBS = Indicator(
    "availability",
    "Availability",
    "jobs",
    "fails",
    "failed",
    "namespace_job:jobs_failed:rate5m{%scraped}",
    "namespace_job:jobs_processed:rate5m{%scraped}",
    "",
    Source("%jobs", "%production"),
    _advice(
        "failure_ratio",
        f"More than %limit of the jobs of %service ended in failure{_SPENDS}",
        "What they were to do is not done. At this speed the budget of %window is spent within %spent.",
    ),
)
_LATENCY = Indicator(
    "latency",
    "Latency",
    "requests",
    "is too slow",
    "took longer than %threshold",
    """\
  sum by (namespace, job) (namespace_job_colour:http_request_duration_seconds_count:rate5m{%scraped})
-
  sum by (namespace, job) (namespace_job_colour_le:http_request_duration_seconds_bucket:rate5m{%scraped,%le})""",
    "sum by (namespace, job) (namespace_job_colour:http_request_duration_seconds_count:rate5m{%scraped})",
    "exact, at a bound of the histogram: the requests that took longer than %threshold",
    Source("%{duration}_bucket", "%production,%le", "%production,%le_sample"),
    _advice(
        "latency_p95",
        f"More than %limit of the requests to %service took longer than %threshold{_SPENDS}",
        "Users wait. At this speed the budget of %window is spent within %spent.",
    ),
)


def indicator(slo: str, kind: str) -> Indicator:
    """Choose what an objective of a kind of service counts."""
    if slo == "latency":
        return _LATENCY
    return _JOBS if kind == "worker" else _REQUESTS
