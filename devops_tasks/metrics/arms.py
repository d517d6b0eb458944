"""The arms of an experiment: what is recorded of each, the alerts that end or doubt it, their panels and advice.

Loaded only where a spec says which label of the requests holds the arm. Whether the split is as planned is asked of
units, and never of requests: whoever likes the new version sends more of them. Must not: the spec's own thresholds.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from devops_tasks.metrics.advice import Advice, Check
from devops_tasks.metrics.forms import FAMILIES, GUARD_EVENTS, Recording, Source
from devops_tasks.metrics.scenes import SCENES, SCENES_EACH, Pairs, Row, Scene
from devops_tasks.units import plain

LONG_FOR, FOR = "10m", "5m"
SCORE_LIMIT = "4"
LEAST_REQUESTS = "500"
UNLIKELY_LIMIT = "6.907756"
"""``ln(1 / 0.001)``, rounded up."""
LEAST_UNITS = "1000"
MISSED_LIMIT = "10"
"""So many requests that should have been there are no accident: none of ten comes about once in 20,000 times."""
STRAY_LIMIT = "0.01"
STRAY_LEAST = "100"

# Recorded series


def _by_arm(of: str, labels: str = "namespace, job, arm") -> str:
    """Sum by arm, whatever the application calls that label."""
    return f'  sum by ({labels}) (\n    label_replace({of}, "arm", "$1", "%arm_label", "(.+)")\n  )'


def _as_colours(family: str, *records: str) -> Iterator[Recording]:
    """Record by arm what the rules of the service record by colour."""
    known = {each.record: each for each in (*FAMILIES[family].once, *FAMILIES[family].each)}
    for record in records:
        found = known[f"namespace_job_colour{record}"]
        yield found._replace(record=f"namespace_job_arm{record}", expr=found.expr.replace("colour", "arm"))


_KNOWN = '%scraped,%arm_label=~"control|treatment"'
_REQUESTED, _FAILING = f"%requests{{{_KNOWN}}}", f'%requests{{{_KNOWN},%status_label=~"5.."%unprobed}}'
_TREATMENT, _CONTROL = '{%scraped,arm="treatment"}', '{%scraped,arm="control"}'

_ERROR_RATIO = "namespace_job_arm:http_requests_errors_per_http_requests:ratio_rate5m"
_ERROR_COUNT = "namespace_job_arm:http_requests_errors:increase5m"
_SLOW_RATIO = "namespace_job_arm_threshold:http_requests_slow_per_http_requests:ratio_rate5m"
_SLOW_COUNT = "namespace_job_arm_threshold:http_requests_slow:increase5m"
COUNT = "namespace_job_arm:http_requests:increase30m"
_FAILED = "namespace_job_arm:http_requests_errors:increase30m"
_RATIO = "namespace_job_arm:http_requests_errors_per_http_requests:ratio_increase30m"
_SMALLER = "namespace_job:http_requests_of_smaller_arm:increase30m"
_WORSE = "namespace_job:http_requests_errors_treatment_less_control:ratio_increase30m"
_ERROR = "namespace_job:http_requests_errors_treatment_less_control:standard_error_increase30m"
_SCORE = "namespace_job:http_requests_errors_treatment_less_control:zscore_increase30m"
_MISSED = "namespace_job_arm:http_requests_missed:increase30m"
_EVERY = "namespace_job:http_requests_of_experiment:increase30m"
_STRAY = "namespace_job:http_requests_without_arm_per_http_requests:ratio_increase30m"
_UNITS = "experiment:assigned_units:sum"
_SHARE = "experiment:assigned_units_in_treatment:ratio"
_UNLIKELY = "experiment:assigned_units:sample_ratio_log_likelihood"
BREACHED = "experiment:guardrails_breached:count"

_BASE = (
    Recording("namespace_job_arm:http_requests:rate5m", _by_arm(f"rate({_REQUESTED}[5m])")),
    Recording(
        "namespace_job_arm:http_requests_errors:rate5m",
        f"{_by_arm(f'rate({_FAILING}[5m])')}\nor\n  0 * namespace_job_arm:http_requests:rate5m{{%scraped}}",
        "filled with 0: an arm that has never failed has an error ratio too",
    ),
    *_as_colours("traffic", _ERROR_RATIO.removeprefix("namespace_job_arm"), ":http_requests_errors:increase5m"),
    Recording(
        "namespace_job_arm_le:http_request_duration_seconds_bucket:rate5m",
        _by_arm(f"rate(%{{duration}}_bucket{{{_KNOWN}}}[5m])", "namespace, job, arm, le"),
    ),
    Recording(
        "namespace_job_arm:http_request_duration_seconds_count:rate5m",
        _by_arm(f"rate(%{{duration}}_count{{{_KNOWN}}}[5m])"),
    ),
    *_as_colours("latency", ":http_request_duration_seconds:p95_rate5m"),
)
_SLOW = tuple(
    _as_colours(
        "latency",
        "_threshold:http_requests_slow:rate5m",
        _SLOW_RATIO.removeprefix("namespace_job_arm"),
        _SLOW_COUNT.removeprefix("namespace_job_arm"),
    )
)
_COMPARED = (
    Recording(COUNT, _by_arm(f"increase({_REQUESTED}[30m])")),
    Recording(_FAILED, f"{_by_arm(f'increase({_FAILING}[30m])')}\nor\n  0 * {COUNT}{{%scraped}}"),
    Recording(_RATIO, f"  {_FAILED}{{%scraped}}\n/\n  ({COUNT}{{%scraped}} > 0)"),
    Recording(_SMALLER, f"min by (namespace, job) ({COUNT}{{%scraped}})"),
    Recording(
        _WORSE,
        f"  {_RATIO}{_TREATMENT}\n- ignoring (arm)\n  {_RATIO}{_CONTROL}",
        "above 0 treatment fails more often",
    ),
    Recording(
        _SCORE,
        f"""\
  2 * (
      asin(sqrt({_RATIO}{_TREATMENT}))
    - ignoring (arm)
      asin(sqrt({_RATIO}{_CONTROL}))
  )
/
  sqrt(
      %per_failure / {COUNT}{_TREATMENT}
    + ignoring (arm)
      %per_failure / {COUNT}{_CONTROL}
  )""",
        "by the arcsine: defined without errors, and right for arms of unequal size",
    ),
    Recording(
        _ERROR,
        f"""\
sqrt(
  %per_failure * sum by (namespace, job) (
    {_RATIO}{{%scraped}} * (1 - {_RATIO}{{%scraped}}) / {COUNT}{{%scraped}}
  )
)""",
        "the standard error of the difference: for people; the alert compares the score",
    ),
)


def _missed(of: str, given: str, expected: str) -> str:
    return f"""\
  label_replace(
      {COUNT}{{%scraped,arm="{given}"}} * {expected}
    unless on (namespace, job)
      {COUNT}{{%scraped,arm="{of}"}} > 0,
    "arm", "{of}", "", ""
  )"""


_GONE = (
    Recording(
        _MISSED,
        f"{_missed('treatment', 'control', '%treated / %controlled')}\nor\n"
        f"{_missed('control', 'treatment', '%controlled / %treated')}",
        "of an arm without any request: how many it should have had, by those of the other one and the planned shares",
    ),
)
_LOST = (
    Recording(
        _EVERY,
        'sum by (namespace, job) (increase(%requests{%scraped,%arm_label!="none"%unprobed}[30m]))',
        'with a known arm or not; a request that the experiment is not about says "none"',
    ),
    Recording(
        _STRAY,
        f"""\
1 -
  (
      sum by (namespace, job) ({COUNT}{{%scraped}})
    or
      0 * {_EVERY}{{%scraped}}
  )
/
  ({_EVERY}{{%scraped}} > 0)""",
    ),
)
_ASSIGNED = '%assigned_units{experiment="%experiment",arm=~"control|treatment"}'
_OWN = '{experiment="%experiment"}'
_SPLIT = (
    Recording(
        _UNITS,
        f"sum by (experiment) (max by (experiment, arm) ({_ASSIGNED}))",
        "of distinct units, and once where two exporters count them",
    ),
    Recording(
        _SHARE,
        f"""\
  (
      max by (experiment) (%assigned_units{{experiment="%experiment",arm="treatment"}})
    or
      0 * {_UNITS}{_OWN}
  )
/
  ({_UNITS}{_OWN} > 0)""",
    ),
    Recording(
        _UNLIKELY,
        f"""\
  0.5 * ln(%variance / (%variance + %mixing * {_UNITS}{_OWN}))
+
  %mixing * ({_UNITS}{_OWN} * ({_SHARE}{_OWN} - %treated)) ^ 2
  / (2 * %variance * (%variance + %mixing * {_UNITS}{_OWN}))""",
        "a mixture sequential test of the planned share %treated: valid however often one looks",
    ),
)
DECISION = (
    Recording(
        BREACHED,
        f"""\
  count(ALERTS{{alertstate="firing",guardrail="rollback",experiment="%experiment"}})
or
  0 * count({COUNT}{{namespace="%namespace",job=~"%jobs"}})""",
        "how many guardrails the experiment breaks; 0 as long as there is traffic, so that silence is no health",
        (("experiment", "%experiment"),),
    ),
)

# Scenes

_OF_COLOURS = {
    "%staged_blue": '%staged,LABEL="control"',
    "%staged_green": '%staged,LABEL="treatment"',
    "%blue": '%here,LABEL="control"',
    "%green": '%here,LABEL="treatment"',
}


def _scene(like: Scene, title: str, *others: tuple[str, str]) -> Scene:
    """Take the scene of two colours for one of two arms, among requests that the experiment is not about."""
    given = tuple((_armed(series, "arm" if series.startswith("namespace_") else "%arm_label"), values)
                  for series, values in like.given)  # fmt: skip
    recorded = tuple(
        (_armed(record, "arm"), tuple((_armed(labels, "arm"), value) for labels, value in samples))
        for record, samples in like.recorded
        if "_colour" in record
    )
    return like._replace(title=title, given=(*given, *others), recorded=recorded)


def _armed(text: str, label: str) -> str:
    for colour, labels in _OF_COLOURS.items():
        text = text.replace(colour, labels.replace("LABEL", label))
    return text.replace("_colour", "_arm")


def _half_hour(total: int) -> str:
    """Write a counter that begins half an hour ago, grows in the first minute as on average, and faster in the end.

    So no other range gives the same, and Prometheus 2 and 3 give this one.
    """
    slow, fast = (plain(Decimal(total) * share / 900) for share in (15, 44))
    then, late = (plain(1000 + Decimal(total) * share / 900) for share in (30, 284))
    return f"_x10050 1000 {then}+{slow}x14 {late}+{fast}x14"


def _requests(*rows: tuple[str, int]) -> Pairs:
    return tuple((f"%requests{{{labels}}}", _half_hour(total)) for labels, total in rows)


def _is(value: int) -> str:
    return f"_x10080 {value}"


_SAID, _STAGED_SAID = "%here,%arm_label", "%staged,%arm_label"
_OUTSIDE = '%here,%arm_label="none"'
_OF_BASE = (
    _scene(
        SCENES["traffic"][0],
        "some requests of each arm fail, a pod starts again, staging has never failed",
        (f'%requests{{{_OUTSIDE},%status_label="500"}}', "grows 60"),
    ),
    _scene(SCENES["traffic"][1], "four requests of an arm, all of which fail, are no alarm"),
    _scene(
        SCENES["latency"][0],
        "response times of each arm, on several pods",
        (f"%{{duration}}_count{{{_OUTSIDE}}}", "grows 60"),
        (f'%{{duration}}_bucket{{{_OUTSIDE},le="+Inf"}}', "grows 60"),
    ),
)
_OF_SLOW = (
    _scene(SCENES_EACH["latency"][0], "some requests of each arm take longer than %threshold"),
    _scene(
        SCENES_EACH["latency"][1], "four requests of an arm, all of which take longer than %threshold, are no alarm"
    ),
)
_BUSY = ('%here,arm="control"', '%here,arm="treatment"', '%staged,arm="control"', '%staged,arm="treatment"')


def _of_arms(record: str, *values: str) -> Row:
    return record, tuple((labels, value) for labels, value in zip(_BUSY, values, strict=False))


_OF_HALF_HOUR: tuple[Row, ...] = (
    _of_arms(COUNT, "9000", "1800", "900", "0"),
    _of_arms(_FAILED, "45", "36", "0", "0"),
    _of_arms(_RATIO, "0.005", "0.02", "0"),
    (_SMALLER, (("%here", "1800"), ("%staged", "0"))),
    (_WORSE, (("%here", "0.015"),)),
    (_SCORE, (("%here", "%seen_score"),)),
    (_ERROR, (("%here", "%seen_error"), ("%staged", "0"))),
    (_MISSED, (('%staged,arm="treatment"', "%seen_missed"),)),
    (_EVERY, (("%here", "%seen_every"), ("%staged", "900"))),
    (_STRAY, (("%here", "%seen_stray"), ("%staged", "0"))),
)
_IN_HALF_HOUR = (
    Scene(
        "for half an hour treatment fails more often, some requests say no arm, and staging has no treatment",
        _requests(
            (f'{_SAID}="control",instance="a",%status_label="200"', 5400),
            (f'{_SAID}="control",instance="b",%status_label="200"', 3555),
            (f'{_SAID}="control",instance="b",%status_label="503"', 45),
            (f'{_SAID}="treatment",instance="a",%status_label="200"', 1764),
            (f'{_SAID}="treatment",instance="a",%status_label="500"', 27),
            (f'{_SAID}="treatment",instance="b",%status_label="500"', 9),
            (f'{_SAID}="none",instance="a",%status_label="500"', 9),
            (f'{_SAID}="another.",instance="a",%status_label="200"', 90),
            (f'{_SAID}="none",instance="a",%status_label="200"', 900),
            ('%here,instance="a",%status_label="200"', 9),
            ("%here,%probe", 450),
            (f'{_STAGED_SAID}="control",%status_label="200"', 900),
            (f'{_STAGED_SAID}="treatment",%status_label="200"', 0),
        ),
        _OF_HALF_HOUR,
    ),
    Scene(
        "control is gone, and in staging half of the requests say no arm",
        _requests(
            (f'{_SAID}="treatment",%status_label="200"', 900),
            (f'{_SAID}="control",%status_label="200"', 0),
            ('%staged,%status_label="200"', 180),
            (f'{_STAGED_SAID}="control",%status_label="200"', 90),
            (f'{_STAGED_SAID}="treatment",%status_label="200"', 90),
        ),
        (
            (_MISSED, (('%here,arm="control"', "%seen_control"),)),
            (_EVERY, (("%here", "900"), ("%staged", "360"))),
            (_STRAY, (("%here", "0"), ("%staged", "0.5"))),
        ),
    ),
    Scene(
        "nobody asks, and in staging nobody says an arm",
        _requests((f'{_SAID}="control",%status_label="200"', 0), ('%staged,%status_label="200"', 180)),
        (
            (COUNT, (('%here,arm="control"', "0"),)),
            (_RATIO, ()),
            (_MISSED, (('%here,arm="treatment"', "0"),)),
            (_EVERY, (("%here", "0"), ("%staged", "180"))),
            (_STRAY, (("%staged", "1"),)),
        ),
    ),
)


def _assigned(*rows: tuple[str, int]) -> Pairs:
    return tuple((f'%assigned_units{{experiment="%experiment",{labels}}}', _is(value)) for labels, value in rows)


def _split_is(units: str, share: str, unlikely: str) -> tuple[Row, ...]:
    values = {_UNITS: units, _SHARE: share, _UNLIKELY: unlikely}
    return tuple((record, (('experiment="%experiment"', value),)) for record, value in values.items())


_OF_SPLIT = (
    Scene(
        "two exporters count 5,400 in control and 4,600 in treatment",
        _assigned(
            ('arm="control",instance="a"', 5400),
            ('arm="control",instance="b"', 5380),
            ('arm="treatment",instance="a"', 4600),
            ('arm="treatment",instance="b"', 4590),
            ('arm="another.",instance="a"', 500),
        ),
        _split_is("10000", "0.46", "%seen_unlikely"),
    ),
    Scene(
        "nobody is in treatment",
        _assigned(('arm="control"', 2000)),
        _split_is("2000", "0", "%seen_nobody"),
    ),
    Scene(
        "nobody is assigned yet",
        _assigned(('arm="control"', 0), ('arm="treatment"', 0)),
        ((_UNITS, (('experiment="%experiment"', "0"),)), (_SHARE, ()), (_UNLIKELY, ())),
    ),
)
_FIRING = 'ALERTS{alertstate="firing",guardrail="rollback",experiment="%experiment"'
DECISION_SCENES = (
    Scene(
        "two guardrails are broken; a pending one and a doubt do not count",
        (
            (f'{_FIRING},alertname="one"}}', _is(7)),
            (f'{_FIRING},alertname="other"}}', _is(7)),
            (f'{_FIRING.replace("firing", "pending")},alertname="third"}}', _is(1)),
            (f'{_FIRING.replace("rollback", "validity")},alertname="fourth"}}', _is(1)),
        ),
        ((BREACHED, (('experiment="%experiment"', "2"),)),),
    ),
    Scene(
        "there is traffic, and no guardrail is broken",
        ((f'{COUNT}{{namespace="%namespace",job="%job",arm="control"}}', _is(900)),),
        ((BREACHED, (('experiment="%experiment"', "0"),)),),
    ),
)

# Alerts


class Drawing(NamedTuple):
    """A panel: its title, its unit, and what is drawn with its legend; ``signed`` where that may be below 0."""

    title: str
    unit: str
    series: tuple[tuple[str, str], ...]
    signed: bool = False


class Watch(NamedTuple):
    """One alert on an experiment; texts are filled with the words of its subject.

    ``guardrail`` is ``rollback`` where the experiment must end, ``validity`` where its result is in doubt.
    """

    name: str
    metric: str
    title: str
    guardrail: str
    conditions: tuple[tuple[str, str, str], ...]
    words: str
    summary: str
    description: str
    advice: Advice
    panel: Drawing
    recordings: tuple[Recording, ...] = ()
    scenes: tuple[Scene, ...] = ()
    sources: tuple[Source, ...] = ()
    needs: tuple[tuple[str, str], ...] = ()


_STOP_RULE = "It is a stop rule, and never evidence that treatment is good: silence here proves nothing of that kind."
_EACH = Check("How is each arm?", "promql", f"{_ERROR_RATIO}{{%production}}")
_TRAFFIC = Check("How much traffic has each arm?", "promql", f"{COUNT}{{%production}}")
_WHICH = Check(
    "Which status, in which arm?",
    "promql",
    'topk(10, sum by (%arm_label, %status_label) (rate(%requests{%production,%status_label=~"5.."%unprobed}[5m])) > 0)',
)
_BOTH_ARMS = Check(
    "Both arms are as bad: the experiment is not the cause. Go on as the alert on the whole service says."
)
_REPAIR = Check("Treatment alone: mend it while nobody sees it, and begin the experiment anew, with new %units.")
_OPERATIONS = ("switch-off-experiment",)
_OFF = "Now, and look for the cause later: a criterion that the experiment itself was to end by is met."


SWITCH_OFF = Check("%off_text", "bash", "%off_code")


def _ending(meaning: str, checks: tuple[Check, ...], *mistaken: str) -> Advice:
    return Advice(
        meaning,
        "Who is in treatment pays for the experiment, and what it measures is the fault and not the idea.",
        checks,
        (_BOTH_ARMS, _REPAIR),
        _OFF,
        (*mistaken, _STOP_RULE),
        _OPERATIONS,
    )


def _doubting(meaning: str, checks: tuple[Check, ...], mends: tuple[Check, ...], *mistaken: str) -> Advice:
    impact = "Nobody is hurt, but the arms cannot be compared: what is read out of them may be wrong."
    return Advice(meaning, impact, checks, mends, "", mistaken, _OPERATIONS)


_FEW_EVENTS = "It waits for five bad requests within five minutes. %healthy_words"
CRITERIA: dict[str, Watch] = {
    "error_ratio": Watch(
        "TreatmentErrorRatio",
        "treatment_error_ratio",
        "Error rate of treatment",
        "rollback",
        ((_ERROR_RATIO, ">", "%value"), (_ERROR_COUNT, ">=", GUARD_EVENTS)),
        "above %threshold of the treatment's requests for %wait",
        "Switch %experiment off: more than %threshold of the requests of its treatment to %service fail.",
        "{{ $value | humanizePercentage }} of the requests in treatment failed in the last 5 minutes.",
        _ending(
            "More than %threshold of the requests to %service in treatment are answered with a status of 500 or above.",
            (_EACH, _WHICH, _TRAFFIC),
            _FEW_EVENTS,
        ),
        Drawing("Error rate of each arm", "percentunit", ((_ERROR_RATIO, "{{arm}}"),)),
    ),
    "latency_p95": Watch(
        "TreatmentLatencyP95",
        "treatment_latency_p95",
        "Response time (P95) of treatment",
        "rollback",
        ((_SLOW_RATIO, ">", "0.05"), (_SLOW_COUNT, ">=", GUARD_EVENTS)),
        "above %threshold for %wait",
        "Switch %experiment off: the P95 response time of its treatment on %service is above %threshold.",
        "{{ $value | humanizePercentage }} of requests in treatment took longer than %threshold in the last 5 minutes.",
        _ending(
            "More than 5%% of the requests to %service in treatment take longer than %threshold, counted at a bound of "
            "its histogram.",
            (
                Check("How slow is each arm?", "promql",
                      "namespace_job_arm:http_request_duration_seconds:p95_rate5m{%production}"),
                _TRAFFIC,
            ),
            _FEW_EVENTS,
        ),
        Drawing("Requests of each arm slower than %threshold", "percentunit", ((_SLOW_RATIO, "{{arm}}"),)),
        _SLOW,
        _OF_SLOW,
        (Source("%{duration}_bucket", '%production,%arm_label=~"control|treatment",%le',
                '%production,%arm_label="treatment",%le_sample'),),
    ),
}  # fmt: skip
"""The rollback criteria that can be asked of treatment alone, by their metric; thresholds and times are the spec's."""

_DIFFERENCE = Drawing(
    "Error rate of treatment less control, and four standard errors around none",
    "percentunit",
    ((_WORSE, "difference"), (f"4 * {_ERROR}", "band"), (f"-4 * {_ERROR}", "band")),
    signed=True,
)
_LABELLED = (
    "Application",
    "the label %arm_label on %requests and %duration: control or treatment, and none where neither is to be counted",
)
_COUNTED = (
    "whoever counts the assignments",
    'the gauge %assigned_units of distinct %units, with the labels experiment ("%experiment") and arm',
)
WORSE = Watch(
    "TreatmentErrorsWorse",
    "treatment_errors_worse",
    "Errors of treatment against control",
    "rollback",
    (
        (_WORSE, ">", "%value"),
        (_SCORE, ">", SCORE_LIMIT),
        (_SMALLER, ">=", LEAST_REQUESTS),
        (_FAILED, ">=", GUARD_EVENTS),
    ),
    "above control by %threshold and beyond chance for %wait",
    "Switch %experiment off: requests of its treatment to %service fail more often than those of control.",
    "The error rate of treatment is {{ $value | humanizePercentage }} above that of control, over 30 minutes.",
    _ending(
        "Over 30 minutes, treatment fails more often than control: by more than %threshold of the requests, and by "
        "more than chance would in a healthy experiment (a score above 4, with 500 requests in each arm).",
        (
            Check("How large is the difference, and how sure?", "promql", f"{_SCORE}{{%production}}"),
            _EACH,
            _WHICH,
            _TRAFFIC,
        ),
        "It takes requests as nearly independent, and one failure for %failure_words. Where the failure of one user is "
        "more requests than that, it cries wolf: raise experiment.monitoring.requests_per_failure.",
    ),
    _DIFFERENCE,
    (*_BASE, *_COMPARED),
    (*_OF_BASE, *_IN_HALF_HOUR),
    (Source("%requests", '%production,%arm_label=~"control|treatment"', '%production,%arm_label="treatment"'),),
    (_LABELLED,),
)
MISSING = Watch(
    "ArmMissing",
    "arm_missing",
    "Arm without requests",
    "validity",
    ((_MISSED, ">", MISSED_LIMIT),),
    "no request where more than %threshold were expected in 30 minutes, for %wait",
    "An arm of %experiment has no requests on %service.",
    "The {{ $labels.arm }} arm had no request in 30 minutes; {{ $value | humanize }} were to be expected.",
    _doubting(
        "One arm has had no request to %service for 30 minutes, and the other one so many that this is no chance.",
        (_TRAFFIC,),
        (
            Check(
                "The flag is off, or gives everybody one variant: look at its definition, and at what the service asks."
            ),
            Check("The service says the arm no longer: look at the label %arm_label of its requests."),
        ),
        "When the experiment was switched off, nobody is in treatment: take experiment.monitoring out of the spec.",
    ),
    Drawing("Requests that an empty arm should have had in 30 minutes", "short", ((_MISSED, "{{arm}}"),)),
    _GONE,
)
UNATTRIBUTED = Watch(
    "ArmUnknown",
    "arm_unknown",
    "Requests without a known arm",
    "validity",
    ((_STRAY, ">", STRAY_LIMIT), (_EVERY, ">=", STRAY_LEAST)),
    "above %threshold of the experiment's requests for %wait",
    "Requests of %experiment to %service do not say a known arm.",
    "{{ $value | humanizePercentage }} of the requests over 30 minutes say neither control nor treatment.",
    _doubting(
        "More than %threshold of the requests to %service say neither control nor treatment, nor none.",
        (
            Check(
                "What do they say?", "promql", "sum by (%arm_label) (increase(%requests{%production%unprobed}[30m]))"
            ),
            _TRAFFIC,
        ),
        (
            Check("A path that the experiment is not about: have it say none in the label %arm_label."),
            Check("A path that it is about: have the service ask for the arm before it answers."),
        ),
        "Probes and scrapes count where the library counts them: leave them out, or have them say none.",
    ),
    Drawing("Requests without a known arm", "percentunit", ((_STRAY, "share"),)),
    _LOST,
)
MISMATCH = Watch(
    "SampleRatioMismatch",
    "sample_ratio",
    "Split of the %units",
    "validity",
    ((_UNLIKELY, ">", UNLIKELY_LIMIT), (_UNITS, ">=", LEAST_UNITS)),
    "another share than %treatment_share in treatment, beyond chance, for %wait",
    "The %units of %experiment are not split as planned: its result cannot be trusted.",
    "%treatment_share were planned in treatment. The log likelihood ratio against that is {{ $value | humanize }}.",
    _doubting(
        "Another share of the %units than the planned %treatment_share is in treatment, and it is no chance: in a "
        "whole healthy experiment this alert comes with a probability of %wrong, however often it is evaluated.",
        (
            Check("Which share is it?", "promql", f"{_SHARE}{_OWN}"),
            Check("Of how many?", "promql", f"{_UNITS}{_OWN}"),
        ),
        (
            Check("The flag gives another share than planned: was it changed on the way? Begin anew."),
            Check("One arm loses %units before they are counted, by an error or a redirect: mend that first."),
            Check("Whatever it was: do not read the experiment out. No correction mends a split of unknown cause."),
        ),
        "It is about distinct %units. A count of requests proves nothing: whoever likes the new version sends more.",
    ),
    Drawing("How unlikely the split is", "short", ((_UNLIKELY, "log likelihood ratio"),), signed=True),
    _SPLIT,
    _OF_SPLIT,
    (Source("%assigned_units", 'experiment="%experiment",arm=~"control|treatment"',
            'experiment="%experiment",arm="treatment"'),),
    (_COUNTED,),
)  # fmt: skip

# Panels without an alert

TRAFFIC_PANELS = (
    Drawing("Requests per second of each arm", "reqps", (("namespace_job_arm:http_requests:rate5m", "{{arm}}"),)),
    Drawing("Response time (P95) of each arm", "s",
            (("namespace_job_arm:http_request_duration_seconds:p95_rate5m", "{{arm}}"),)),
)  # fmt: skip
BREACHED_PANEL = Drawing("Broken guardrails", "short", ((BREACHED, "broken"),))
SPLIT_PANELS = (
    Drawing("Share in treatment", "percentunit", ((_SHARE, "is"), ("vector(%treated)", "planned"))),
    Drawing("Assigned so far", "short", ((_UNITS, "%units"),)),
)
