"""What the recorded series of each family are when their source series are known: examples worked out by hand.

Lives here: values that tell a right rule from a wrong one, such as two pods for every sum. Must not: names of a bundle.
A counter grows unevenly in its last five minutes, and equally fast in the first of them as on average, so that no other
range or function gives the same rate, and Prometheus 2 and 3 give this one.
"""

from decimal import Decimal
from functools import cache
from typing import NamedTuple

from devops_tasks.units import plain

Pairs = tuple[tuple[str, str], ...]
Row = tuple[str, Pairs]


class Scene(NamedTuple):
    """Source series with their values, for :func:`written`, and what is recorded of them ``at`` a time.

    ``recorded`` has the labels and the value of each sample of each recorded series.
    """

    title: str
    given: Pairs
    recorded: tuple[Row, ...]
    interval: str = "1m"
    at: str = "1w"


_START = 1000
_BEFORE = "_x10075"
_SHARES = (Decimal(0), Decimal(1), Decimal("2.5"), Decimal(4), Decimal("4.5"), Decimal(5))


def _grows(a_minute: str) -> str:
    return f"grows {a_minute}"


def _restarts(a_minute: str) -> str:
    return f"restarts {a_minute}"


@cache
def written(values: str) -> str:
    """Write in promtool's notation a counter that grows by so much a minute, at the end of the first week.

    One that restarts counts as much, from nothing again after its first minute. Other values stand as they are.
    """
    verb, _, a_minute = values.partition(" ")
    if verb not in {"grows", "restarts"}:
        return values
    total = Decimal(a_minute)
    counts = [_START + total * share for share in _SHARES]
    if verb == "restarts":
        counts[2:] = [total * (share - _SHARES[1]) for share in _SHARES[2:]]
    return " ".join([_BEFORE, *map(plain, counts)])


def _is(value: str) -> str:
    return f"_x10080 {value}"


def _table(places: str, *rows: tuple[str, str], more: str = "") -> tuple[Row, ...]:
    """Read rows of values, one for each place; ``-`` is no sample."""
    return tuple(
        (record, tuple((f"%{place}{more}", value) for place, value in zip(places.split(), values.split(), strict=True)
                       if value != "-"))
        for record, values in rows
    )  # fmt: skip


_COLOURS = "blue green staged_blue staged_green"
_PLACES = "here staged"
_OF_THRESHOLD, _AT_THRESHOLD = ',threshold="%value"', '{threshold="%value"}'


def _counter(metric: str, *pods: tuple[str, str]) -> Pairs:
    return tuple((f"{metric}{{{labels}}}", values) for labels, values in pods)


_ERROR_RATIO = "http_requests_errors_per_http_requests:ratio_rate5m"
_TRAFFIC = (
    Scene(
        "some requests fail, a pod starts again, staging has never failed and nobody asks its green pods",
        _counter(
            "%requests",
            ('%blue,instance="a",%status_label="200"', _grows("3000")),
            ('%blue,instance="a",%probe', _grows("600")),
            ('%blue,instance="a",%status_label="500"', _grows("360")),
            ('%blue,instance="b",%status_label="200"', _restarts("1800")),
            ('%blue,instance="b",%status_label="503"', _restarts("240")),
            ('%green,instance="c",%status_label="200"', _grows("1140")),
            ('%green,instance="c",%status_label="500"', _grows("60")),
            ('%green,instance="d",%status_label="404"', _grows("600")),
            ('%staged_blue,instance="a",%status_label="200"', _grows("30")),
            ('%staged_green,instance="c",%status_label="200"', _grows("0")),
        ),
        (
            *_table(
                _COLOURS,
                ("namespace_job_colour:http_requests:rate5m", "100 30 0.5 0"),
                ("namespace_job_colour:http_requests_errors:rate5m", "10 1 0 0"),
                (f"namespace_job_colour:{_ERROR_RATIO}", "0.1 0.033333 0 -"),
                ("namespace_job_colour:http_requests_errors:increase5m", "3000 300 0 0"),
            ),
            *_table(
                _PLACES,
                ("namespace_job:http_requests:rate5m", "130 0.5"),
                ("namespace_job:http_requests_errors:rate5m", "11 0"),
                (f"namespace_job:{_ERROR_RATIO}", "0.084615 0"),
                ("namespace_job:http_requests_errors:increase5m", "3300 0"),
            ),
        ),
    ),
    Scene(
        "four requests, all of which fail, are no alarm, and nobody asks staging",
        _counter(
            "%requests", ('%blue,%status_label="500"', _grows("0.8")), ('%staged_blue,%status_label="500"', _grows("0"))
        ),
        (
            *_table(
                "blue staged_blue",
                (f"namespace_job_colour:{_ERROR_RATIO}", "1 -"),
                ("namespace_job_colour:http_requests_errors:increase5m", "4 0"),
            ),
            *_table(
                _PLACES,
                (f"namespace_job:{_ERROR_RATIO}", "1 -"),
                ("namespace_job:http_requests_errors:increase5m", "4 0"),
            ),
        ),
    ),
)  # fmt: skip


def _histogram(metric: str, labels: str, every: str, **fast: str) -> Pairs:
    """Give a histogram that counts so much a minute, and so much of it up to each bound."""
    bounds = {**{_BOUNDS[name]: count for name, count in fast.items()}, 'le="+Inf"': every}
    return (
        (f"{metric}_count{{{labels}}}", _grows(every)),
        *((f"{metric}_bucket{{{labels},{bound}}}", _grows(count)) for bound, count in bounds.items()),
    )


def _buckets(record: str, **places: str) -> Row:
    return record, tuple(
        (f'%{place},le="{bound}"', value)
        for place, values in places.items()
        for bound, value in zip(("0.5", "1", "+Inf"), values.split(), strict=True)
    )


_BOUNDS = {"half": 'le="0.5"', "one": 'le="1"', "edge": "%le_sample"}
_LATENCY = (
    Scene(
        "response times of five pods; nobody asks the green one of staging",
        (
            *_histogram("%{duration}", '%blue,instance="a"', "3600", half="2880", one="3480"),
            *_histogram("%{duration}", '%blue,instance="b"', "2400", half="2280", one="2280"),
            *_histogram("%{duration}", '%green,instance="c"', "60", half="60", one="60"),
            *_histogram("%{duration}", '%staged_blue,instance="a"', "30", half="30", one="30"),
            *_histogram("%{duration}", '%staged_green,instance="c"', "0", half="0", one="0"),
        ),
        (
            _buckets(
                "namespace_job_colour_le:http_request_duration_seconds_bucket:rate5m",
                blue="86 96 100", green="1 1 1", staged_blue="0.5 0.5 0.5", staged_green="0 0 0",
            ),
            *_table(
                _COLOURS,
                ("namespace_job_colour:http_request_duration_seconds_count:rate5m", "100 1 0.5 0"),
                ("namespace_job_colour:http_request_duration_seconds:p95_rate5m", "0.95 0.475 0.475 -"),
            ),
        ),
    ),
)  # fmt: skip
_SLOW_RATIO = "http_requests_slow_per_http_requests:ratio_rate5m"
_LATENCY_EACH = (
    Scene(
        "some requests take longer than %threshold; those that take just as long do not",
        (
            *_histogram("%{duration}", '%blue,instance="a"', "6000", edge="5160"),
            *_histogram("%{duration}", '%green,instance="c"', "1200", edge="1080"),
            *_histogram("%{duration}", '%staged_blue,instance="a"', "30", edge="30"),
            *_histogram("%{duration}", '%staged_green,instance="c"', "0", edge="0"),
            ('namespace_job_colour_threshold:http_requests_slow:rate5m{%blue,threshold="another."}', _is("9")),
            ('namespace_job_colour_threshold:http_requests_slow:increase5m{%blue,threshold="another."}', _is("9")),
        ),
        (
            *_table(
                _COLOURS,
                (f"namespace_job_colour_threshold:http_requests_slow:rate5m{_AT_THRESHOLD}", "14 2 0 0"),
                (f"namespace_job_colour_threshold:{_SLOW_RATIO}", "0.14 0.1 0 -"),
                (f"namespace_job_colour_threshold:http_requests_slow:increase5m{_AT_THRESHOLD}", "4200 600 0 0"),
                more=_OF_THRESHOLD,
            ),
            *_table(
                _PLACES,
                (f"namespace_job_threshold:{_SLOW_RATIO}", "0.133333 0"),
                ("namespace_job_threshold:http_requests_slow:increase5m", "4800 0"),
                more=_OF_THRESHOLD,
            ),
        ),
    ),
    Scene(
        "four requests, all of which take longer than %threshold, are no alarm, and nobody asks staging",
        (
            *_histogram("%{duration}", "%blue", "0.8", edge="0"),
            *_histogram("%{duration}", "%staged_blue", "0", edge="0"),
        ),
        (
            *_table(
                "blue staged_blue",
                (f"namespace_job_colour_threshold:{_SLOW_RATIO}", "1 -"),
                ("namespace_job_colour_threshold:http_requests_slow:increase5m", "4 0"),
                more=_OF_THRESHOLD,
            ),
            *_table(
                _PLACES,
                (f"namespace_job_threshold:{_SLOW_RATIO}", "1 -"),
                ("namespace_job_threshold:http_requests_slow:increase5m", "4 0"),
                more=_OF_THRESHOLD,
            ),
        ),
    ),
)  # fmt: skip
_AVERAGE = "namespace_job:http_requests:avg_rate5m_1h"
_OF_BASELINE = "namespace_job:http_requests_per_baseline:ratio"
_BASELINE = (
    Scene(
        "requests are averaged over an hour",
        (("namespace_job:http_requests:rate5m{%here}", "9+0x10019 5+0x0 8+0x29 2+0x29"),),
        _table("here", (_AVERAGE, "5")),
    ),
    Scene(
        "traffic is compared with the median of earlier weeks, and where there is none it counts as 0",
        (
            (f"{_AVERAGE}{{%here}}", "30 10 17"),
            (f"{_AVERAGE}{{%staged}}", "1.005 1.005 1.005"),
            (f"{_AVERAGE}{{%other_namespace}}", "90 90 90"),
            (f"{_AVERAGE}{{%other_job}}", "90 90 90"),
            ("namespace_job:http_requests:rate5m{%here}", "_x3 4"),
        ),
        _table(_PLACES, ("namespace_job:http_requests:baseline", "%median 1.005"), (_OF_BASELINE, "%of_median 0")),
        "1w",
        "3w",
    ),
    Scene(
        "one request a second is no baseline yet",
        (
            (f"{_AVERAGE}{{%here}}", "1 1 1"),
            (f"{_AVERAGE}{{%staged}}", "0.5 0.5 0.5"),
            ("namespace_job:http_requests:rate5m{%here}", "_x3 0.25"),
        ),
        _table(_PLACES, ("namespace_job:http_requests:baseline", "1 0.5"), (_OF_BASELINE, "- -")),
        "1w",
        "3w",
    ),
)
_JOBS = (
    Scene(
        "some jobs fail, a pod starts again, and staging has never failed",
        _counter(
            "%jobs",
            ('%here,instance="a",result="success"', _grows("18")),
            ('%here,instance="a",result="failure"', _grows("4")),
            ('%here,instance="b",result="success"', _restarts("6")),
            ('%here,instance="b",result="failure"', _restarts("2")),
            ('%staged,instance="a",result="success"', _grows("30")),
        ),
        _table(
            _PLACES,
            ("namespace_job:jobs_processed:rate5m", "0.5 0.5"),
            ("namespace_job:jobs_failed:rate5m", "0.1 0"),
            ("namespace_job:jobs_failed_per_jobs_processed:ratio_rate5m", "0.2 0"),
            ("namespace_job:jobs_failed:increase5m", "30 0"),
        ),
    ),
    Scene(
        "four jobs, all of which fail, are no alarm, and staging has none",
        _counter("%jobs", ('%here,result="failure"', _grows("0.8")), ('%staged,result="success"', _grows("0"))),
        _table(
            _PLACES,
            ("namespace_job:jobs_failed_per_jobs_processed:ratio_rate5m", "1 -"),
            ("namespace_job:jobs_failed:increase5m", "4 0"),
        ),
    ),
)
_WAITING = 'job="kafka-exporter",consumergroup="%group",topic="%topic"'
_LAG = (
    Scene(
        "messages of %queue wait in two partitions, and two exporters count",
        _counter(
            "kafka_consumergroup_lag",
            (f'{_WAITING},partition="0",instance="a"', _is("50000")),
            (f'{_WAITING},partition="0",instance="b"', _is("48000")),
            (f'{_WAITING},partition="1",instance="a"', _is("30000")),
        ),
        # Of this service alone: another may read the same topic in the same group.
        (
            (
                'service_queue:kafka_consumergroup_lag:sum{service="%service"}',
                (('service="%service",queue="%queue"', "80000"),),
            ),
        ),
    ),
)
_LIMITS, _REQUESTED = "kube_pod_container_resource_limits", "kube_pod_container_resource_requests"


def _cpu(first: str, second: str, third: str, ratio: tuple[str, str, str]) -> Scene:
    image, cpu = 'image="example",instance="node"', 'resource="cpu",instance="a"'
    pods = f'box,pod="{first}"', f'box,pod="{second}"', f'box,pod="{third}"', f'staged_box,pod="{first}-waiting"'
    one, two, three, staged = (f"%{pod}" for pod in pods)
    record, places, values = ratio
    return Scene(
        "pods use CPU; one that waits for a node asks for some too, and kube-state-metrics runs twice",
        (
            *_counter(
                "container_cpu_usage_seconds_total",
                (f'{one},{image},cpu="0"', _grows("66")),
                (f'{one},{image},cpu="1"', _restarts("42")),
                (f'{one},image="",cpu="0"', _grows("108")),
                (f"{two},{image}", _grows("54")),
                (f"{three},{image}", _grows("12")),
                (f"{staged},{image}", _grows("12")),
            ),
            *_counter(
                _REQUESTED,
                (f"{one},{cpu}", _is("2")),
                (f'{one},resource="cpu",instance="b"', _is("1")),
                (f'{one},resource="memory",instance="a"', _is("64")),
                (f"{two},{cpu}", _is("1")),
                (f"{three},{cpu}", _is("0.5")),
                (f'%box,pod="{first}-waiting",{cpu}', _is("4")),
                (f"{staged},{cpu}", _is("0.5")),
            ),
        ),
        (
            ("namespace_pod_container:container_cpu_usage_seconds:sum_rate5m",
             ((one, "1.8"), (two, "0.9"), (three, "0.2"), (staged, "0.2"))),
            ("namespace_pod_container:kube_pod_container_resource_requests_cpu:max",
             ((one, "2"), (two, "1"), (three, "0.5"), (staged, "0.5"))),
            *_table(places, (record, values)),
        ),
    )  # fmt: skip


_PER_REQUEST = "container_cpu_usage_per_request:ratio_rate5m"
_CPU = (
    _cpu(
        "%service-blue-0",
        "%service-blue-1",
        "%service-green-0",
        (f"namespace_container_colour:{_PER_REQUEST}", "blue_box green_box staged_blue_box", "0.9 0.4 0.4"),
    ),
)
_CPU_ROLLING = (
    _cpu(
        "%service-0",
        "%service-1",
        "%service-2",
        (f"namespace_container:{_PER_REQUEST}", "box staged_box", "0.828571 0.4"),
    ),
)
_USED = "container_memory_working_set_bytes"
_MEMORY = (
    Scene(
        "one pod of two is near its limit, and was restarted; kube-state-metrics runs twice",
        (
            *_counter(
                _USED,
                ('%box,pod="%service-0",image="example",id="new",instance="node"', _is("950")),
                ('%box,pod="%service-0",image="example",id="old"', _is("100")),
                ('%box,pod="%service-1",image="example",id="new",instance="node"', _is("300")),
                ('%box,pod="%service-1",image="",id="pod"', _is("5000")),
                ('%staged_box,pod="%service-0",image="example",id="new",instance="node"', _is("200")),
            ),
            *_counter(
                _LIMITS,
                ('%box,pod="%service-0",resource="memory",instance="a"', _is("1000")),
                ('%box,pod="%service-0",resource="memory",instance="b"', _is("500")),
                ('%box,pod="%service-0",resource="cpu",instance="a"', _is("9000")),
                ('%box,pod="%service-1",resource="memory",instance="a"', _is("1000")),
                ('%staged_box,pod="%service-0",resource="memory",instance="a"', _is("400")),
            ),
        ),
        (
            (
                "namespace_pod_container:container_memory_working_set_per_limit:ratio",
                (('%box,pod="%service-0"', "0.95"), ('%box,pod="%service-1"', "0.3"),
                 ('%staged_box,pod="%service-0"', "0.5")),
            ),
        ),
    ),
)  # fmt: skip
_BACKENDS = _counter(
    "pg_stat_database_numbackends",
    ('%exported,datname="one",instance="a"', _is("40")),
    ('%exported,datname="one",instance="b"', _is("38")),
    ('%exported,datname="two",instance="a"', _is("20")),
)


def _setting(name: str, value: str, less: str) -> Pairs:
    pods = ('%exported,instance="a"', _is(value)), ('%exported,instance="b"', _is(less))
    return _counter(f"pg_settings_{name}", *pods)


def _connected(available: str, ratio: str) -> tuple[Row, ...]:
    return _table(
        "of_database",
        ("database:pg_stat_database_numbackends:sum", "60"),
        ("database:pg_connections_available:max", available),
        ("database:pg_connections_used_per_available:ratio", ratio),
    )


_CONNECTIONS = (
    Scene(
        "some connections are reserved, and two exporters count",
        (
            *_BACKENDS,
            *_setting("max_connections", "100", "90"),
            *_setting("superuser_reserved_connections", "3", "2"),
            *_setting("reserved_connections", "5", "4"),
            ("pg_settings_max_connections{%of_database}", _is("1000")),
            ("pg_settings_superuser_reserved_connections{%of_database}", _is("1000")),
            ("pg_settings_reserved_connections{%of_database}", _is("1000")),
        ),
        _connected("92", "0.652174"),
    ),
    Scene(
        "an older exporter tells of no reserved connections",
        (*_BACKENDS, *_setting("max_connections", "62", "61")),
        _connected("62", "0.967742"),
    ),
)
_CALLS = "db_client_operation_duration_seconds"
_DB_LATENCY = (
    Scene(
        "times of database calls of two pods; staging makes none",
        (
            *_histogram("%{database_duration}", '%here,instance="a"', "3600", half="2880", one="3480"),
            *_histogram("%{database_duration}", '%here,instance="b"', "2400", half="2280", one="2280"),
            *_histogram("%{database_duration}", '%staged,instance="a"', "0", half="0", one="0"),
        ),
        (
            _buckets(f"namespace_job_le:{_CALLS}_bucket:rate5m", here="86 96 100", staged="0 0 0"),
            *_table(
                _PLACES,
                (f"namespace_job:{_CALLS}_count:rate5m", "100 0"),
                (f"namespace_job:{_CALLS}:p95_rate5m", "0.95 -"),
            ),
        ),
    ),
)
_DB_LATENCY_EACH = (
    Scene(
        "some calls take longer than %threshold; those that take just as long do not",
        (
            *_histogram("%{database_duration}", "%here", "30", edge="24"),
            *_histogram("%{database_duration}", "%staged", "0", edge="0"),
            ('namespace_job_threshold:db_client_operations_slow:rate5m{%here,threshold="another."}', _is("9")),
        ),
        _table(
            _PLACES,
            (f"namespace_job_threshold:db_client_operations_slow:rate5m{_AT_THRESHOLD}", "0.1 0"),
            ("namespace_job_threshold:db_client_operations_slow_per_db_client_operations:ratio_rate5m", "0.2 -"),
            ("namespace_job_threshold:db_client_operations_slow:increase5m", "30 0"),
            more=_OF_THRESHOLD,
        ),
    ),
    Scene(
        "four calls, all of which take longer than %threshold, are no alarm",
        _histogram("%{database_duration}", "%here", "0.8", edge="0"),
        _table(
            "here",
            ("namespace_job_threshold:db_client_operations_slow_per_db_client_operations:ratio_rate5m", "1"),
            ("namespace_job_threshold:db_client_operations_slow:increase5m", "4"),
            more=_OF_THRESHOLD,
        ),
    ),
)
_AUTH = (
    Scene(
        "some logins fail",
        _counter(
            "%auth",
            ('%here,instance="a",result="success"', _grows("3600")),
            ('%here,instance="a",result="failure"', _grows("360")),
            ('%here,instance="b",result="failure"', _restarts("240")),
        ),
        _table("here", ("namespace_job:auth_failures_per_%unit:rate5m", "%of_ten")),
    ),
)

SCENES: dict[str, tuple[Scene, ...]] = {
    "traffic": _TRAFFIC,
    "latency": _LATENCY,
    "baseline": _BASELINE,
    "jobs": _JOBS,
    "cpu": _CPU,
    "cpu_rolling": _CPU_ROLLING,
    "memory": _MEMORY,
    "connections": _CONNECTIONS,
    "db_latency": _DB_LATENCY,
}
"""What a family records once for a subject."""

SCENES_EACH: dict[str, tuple[Scene, ...]] = {
    "lag": _LAG,
    "latency": _LATENCY_EACH,
    "db_latency": _DB_LATENCY_EACH,
    "auth": _AUTH,
}
"""What it records for each queue or threshold."""


_OF_OBJECTIVE = _table(
    _PLACES,
    ('namespace_job_slo:bad_events:rate5m{slo="%slo"}', "0.2 0"),
    ('namespace_job_slo:events:rate5m{slo="%slo"}', "0.5 0"),
    ('namespace_job_slo:bad_events_per_events:ratio_rate5m{slo="%slo"}', "0.4 -"),
    more=',slo="%slo"',
)
SCENES_OF_OBJECTIVES: dict[str, tuple[Scene, ...]] = {
    "availability of requests": (
        Scene(
            "what fails, and what there is",
            _counter(
                "%requests",
                ('%blue,%status_label="200"', _grows("18")),
                ('%green,%status_label="500"', _grows("12")),
                ('%staged_blue,%status_label="200"', _grows("0")),
            ),
            _OF_OBJECTIVE,
        ),
    ),
    "availability of jobs": (
        Scene(
            "what fails, and what there is",
            _counter(
                "%jobs",
                ('%here,result="success"', _grows("18")),
                ('%here,result="failure"', _grows("12")),
                ('%staged,result="success"', _grows("0")),
            ),
            _OF_OBJECTIVE,
        ),
    ),
    "latency of requests": (
        Scene(
            "what takes longer than %threshold, and what there is",
            (
                *_histogram("%{duration}", '%blue,instance="a"', "24", edge="15"),
                *_histogram("%{duration}", '%green,instance="c"', "6", edge="3"),
                *_histogram("%{duration}", "%staged_blue", "0", edge="0"),
            ),
            _OF_OBJECTIVE,
        ),
    ),
}
"""What an objective counts."""

HISTORY: Pairs = (
    ("0.04", "0.1"), ("0.06", "0.8"), ("0.03", "0.2"), ("0.02", "0.9"), ("0.05", "0.3"), ("0.01", "0.6"),
    ("0.02", "0.4"), ("0.03", "0.7"), ("0.09", "0.5"),
)  # fmt: skip
"""The rates of bad events, and of all: since the shortest window began, before that since the next one, and so on."""

MEDIANS: dict[str, tuple[str, str]] = {"1": ("17", "0.235294"), "2": ("13.5", "0.296296"), "3": ("17", "0.235294")}
"""The median of so many earlier weeks, and what four requests a second are of it."""
