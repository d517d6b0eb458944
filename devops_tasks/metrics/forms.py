"""The PromQL of each metric: the series that are recorded, what they need, and how an alert compares them.

Alerts compare *recorded* series only. The name of a recorded series begins with the labels that it carries:
``namespace_job_colour:http_requests:rate5m``. Must not: thresholds, names of a bundle.
"""

from typing import NamedTuple


class Recording(NamedTuple):
    """One recorded series; ``labels`` are those that the rule adds, ``comment`` is what its reader must know."""

    record: str
    expr: str
    comment: str = ""
    labels: tuple[tuple[str, str], ...] = ()


class Source(NamedTuple):
    """A series that somebody else must provide; ``sample`` are labels that the selector matches."""

    metric: str
    selector: str
    sample: str = ""


class Family(NamedTuple):
    """Recorded series that stand or fall together, with what they need.

    ``needs`` says in words who must provide what; ``once`` are recorded once for a subject, ``each`` for every
    threshold in use.
    """

    title: str
    needs: tuple[tuple[str, str], ...]
    sources: tuple[Source, ...]
    once: tuple[Recording, ...]
    each: tuple[Recording, ...] = ()


_REQUESTS = Recording(
    "namespace_job_colour:http_requests:rate5m",
    "sum by (namespace, job, colour) (rate(%requests{%scraped}[5m]))",
)
_TRAFFIC = Family(
    "requests and errors",
    (("Application", "%exposed"), ("Application", "%counted")),
    (Source("%requests", "%production"),),
    (
        _REQUESTS,
        Recording(
            "namespace_job_colour:http_requests_errors:rate5m",
            """\
  sum by (namespace, job, colour) (rate(%requests{%scraped,%status_label=~"5.."%unprobed}[5m]))
or
  0 * namespace_job_colour:http_requests:rate5m{%scraped}""",
            "filled with 0: a service that has never failed has an error ratio too",
        ),
        Recording(
            "namespace_job_colour:http_requests_errors_per_http_requests:ratio_rate5m",
            """\
  namespace_job_colour:http_requests_errors:rate5m{%scraped}
/
  (namespace_job_colour:http_requests:rate5m{%scraped} > 0)""",
            "without requests there is no sample, and never NaN",
        ),
        Recording(
            "namespace_job_colour:http_requests_errors:increase5m",
            "namespace_job_colour:http_requests_errors:rate5m{%scraped} * 300",
        ),
        Recording(
            "namespace_job:http_requests:rate5m",
            "sum by (namespace, job) (namespace_job_colour:http_requests:rate5m{%scraped})",
        ),
        Recording(
            "namespace_job:http_requests_errors:rate5m",
            "sum by (namespace, job) (namespace_job_colour:http_requests_errors:rate5m{%scraped})",
        ),
        Recording(
            "namespace_job:http_requests_errors_per_http_requests:ratio_rate5m",
            """\
  namespace_job:http_requests_errors:rate5m{%scraped}
/
  (namespace_job:http_requests:rate5m{%scraped} > 0)""",
        ),
        Recording(
            "namespace_job:http_requests_errors:increase5m",
            "namespace_job:http_requests_errors:rate5m{%scraped} * 300",
        ),
    ),
)
_LATENCY = Family(
    "response times",
    (("Application", "the histogram %duration with a bucket at each of %buckets%bounded"),),
    (Source("%{duration}_bucket", "%production,%le", "%production,%le_sample"),),
    (
        Recording(
            "namespace_job_colour_le:http_request_duration_seconds_bucket:rate5m",
            "sum by (namespace, job, colour, le) (rate(%{duration}_bucket{%scraped}[5m]))",
        ),
        Recording(
            "namespace_job_colour:http_request_duration_seconds_count:rate5m",
            "sum by (namespace, job, colour) (rate(%{duration}_count{%scraped}[5m]))",
        ),
        Recording(
            "namespace_job_colour:http_request_duration_seconds:p95_rate5m",
            """\
  histogram_quantile(0.95, namespace_job_colour_le:http_request_duration_seconds_bucket:rate5m{%scraped})
and on (namespace, job, colour)
  namespace_job_colour:http_request_duration_seconds_count:rate5m{%scraped} > 0""",
            "an estimate within one bucket: for people; alerts count the requests that are too slow",
        ),
    ),
    (
        Recording(
            "namespace_job_colour_threshold:http_requests_slow:rate5m",
            """\
  namespace_job_colour:http_request_duration_seconds_count:rate5m{%scraped}
-
  sum by (namespace, job, colour) (
    namespace_job_colour_le:http_request_duration_seconds_bucket:rate5m{%scraped,%le}
  )""",
            "exact: P95 is above %threshold when more than 5%% of the requests take longer",
            (("threshold", "%value"),),
        ),
        Recording(
            "namespace_job_colour_threshold:http_requests_slow_per_http_requests:ratio_rate5m",
            """\
  sum by (namespace, job, colour) (
    namespace_job_colour_threshold:http_requests_slow:rate5m{%scraped,threshold="%value"}
  )
/
  (namespace_job_colour:http_request_duration_seconds_count:rate5m{%scraped} > 0)""",
            labels=(("threshold", "%value"),),
        ),
        Recording(
            "namespace_job_colour_threshold:http_requests_slow:increase5m",
            'namespace_job_colour_threshold:http_requests_slow:rate5m{%scraped,threshold="%value"} * 300',
            labels=(("threshold", "%value"),),
        ),
        Recording(
            "namespace_job_threshold:http_requests_slow_per_http_requests:ratio_rate5m",
            """\
  sum by (namespace, job) (
    namespace_job_colour_threshold:http_requests_slow:rate5m{%scraped,threshold="%value"}
  )
/
  (sum by (namespace, job) (namespace_job_colour:http_request_duration_seconds_count:rate5m{%scraped}) > 0)""",
            labels=(("threshold", "%value"),),
        ),
        Recording(
            "namespace_job_threshold:http_requests_slow:increase5m",
            """\
sum by (namespace, job) (
  namespace_job_colour_threshold:http_requests_slow:increase5m{%scraped,threshold="%value"}
)""",
            labels=(("threshold", "%value"),),
        ),
    ),
)
_BASELINE = Family(
    "traffic against its baseline",
    (("Prometheus", "%weeks_kept of samples (--storage.tsdb.retention.time)"),),
    (),
    (
        Recording(
            "namespace_job:http_requests:avg_rate5m_1h",
            "avg_over_time(namespace_job:http_requests:rate5m{%scraped}[1h])",
        ),
        Recording(
            "namespace_job:http_requests:baseline",
            """\
quantile without (week) (0.5,
%weeks
)""",
            "the same hour in earlier weeks; their median survives one bad week",
        ),
        Recording(
            "namespace_job:http_requests_per_baseline:ratio",
            """\
  (
      namespace_job:http_requests:rate5m{%scraped}
    or
      0 * namespace_job:http_requests:baseline{%scraped}
  )
/
  (namespace_job:http_requests:baseline{%scraped} > 1)""",
            "traffic that is gone counts as 0; a service with less than one request a second has no baseline",
        ),
    ),
)
_JOBS = Family(
    "jobs and failures",
    (
        ("Application", "%exposed"),
        ("Application", 'the counter %jobs with the label result ("success" or "failure")'),
    ),
    (Source("%jobs", "%production"),),
    (
        Recording(
            "namespace_job:jobs_processed:rate5m",
            "sum by (namespace, job) (rate(%jobs{%scraped}[5m]))",
        ),
        Recording(
            "namespace_job:jobs_failed:rate5m",
            """\
  sum by (namespace, job) (rate(%jobs{%scraped,result="failure"}[5m]))
or
  0 * namespace_job:jobs_processed:rate5m{%scraped}""",
            "filled with 0: a worker that has never failed has a failure ratio too",
        ),
        Recording(
            "namespace_job:jobs_failed_per_jobs_processed:ratio_rate5m",
            """\
  namespace_job:jobs_failed:rate5m{%scraped}
/
  (namespace_job:jobs_processed:rate5m{%scraped} > 0)""",
        ),
        Recording(
            "namespace_job:jobs_failed:increase5m",
            "namespace_job:jobs_failed:rate5m{%scraped} * 300",
        ),
    ),
)
_LAG = Family(
    "queue %queue",
    (
        (
            "kafka-exporter",
            "one for %queue, in the namespace %monitoring, labelled app.kubernetes.io/name: kafka-exporter",
        ),
    ),
    (Source("kafka_consumergroup_lag", 'job="kafka-exporter",consumergroup="%group",topic="%topic"'),),
    (
        Recording(
            "service_queue:kafka_consumergroup_lag:sum",
            """\
sum(
  max by (consumergroup, topic, partition) (
    kafka_consumergroup_lag{job="kafka-exporter",consumergroup="%group",topic="%topic"}
  )
)""",
            "the largest per partition, so that a second exporter does not count twice",
            (("service", "%service"), ("queue", "%queue")),
        ),
    ),
)
_KUBE_STATE = ("kube-state-metrics", "scraped with honor_labels: true")
_CADVISOR = ("cAdvisor", "every node's kubelet at /metrics/cadvisor")
_CPU_USED = Recording(
    "namespace_pod_container:container_cpu_usage_seconds:sum_rate5m",
    """\
sum by (namespace, pod, container) (
  rate(container_cpu_usage_seconds_total{%scraped_container,image!=""}[5m])
)""",
    "image: the row of the whole pod has none, and would count everything twice",
)
_CPU_SOURCES = (
    Source(
        "container_cpu_usage_seconds_total",
        '%production_container,image!=""',
        '%production_container,image="example"',
    ),
    Source("kube_pod_container_resource_requests", '%production_container,resource="cpu"'),
)
_CPU = Family(
    "CPU",
    (_KUBE_STATE, _CADVISOR),
    _CPU_SOURCES,
    (
        _CPU_USED,
        Recording(
            "namespace_pod_container:kube_pod_container_resource_requests_cpu:max",
            """\
  max by (namespace, pod, container) (kube_pod_container_resource_requests{%scraped_container,resource="cpu"})
and on (namespace, pod, container)
  namespace_pod_container:container_cpu_usage_seconds:sum_rate5m{%scraped_container}""",
            "of running pods only, and once where kube-state-metrics runs twice",
        ),
        Recording(
            "namespace_container_colour:container_cpu_usage_per_request:ratio_rate5m",
            """\
  sum by (namespace, container, colour) (
    label_replace(
      namespace_pod_container:container_cpu_usage_seconds:sum_rate5m{%scraped_container},
      "colour", "$1", "pod", "%service-(blue|green)-.+"
    )
  )
/
  sum by (namespace, container, colour) (
    label_replace(
      namespace_pod_container:kube_pod_container_resource_requests_cpu:max{%scraped_container},
      "colour", "$1", "pod", "%service-(blue|green)-.+"
    )
  )""",
            "by colour, as each has its own autoscaler: the idle one must not dilute the other",
        ),
    ),
)
_CPU_ROLLING = Family(
    "CPU",
    (_KUBE_STATE, _CADVISOR),
    _CPU_SOURCES,
    (
        _CPU_USED,
        _CPU.once[1],
        Recording(
            "namespace_container:container_cpu_usage_per_request:ratio_rate5m",
            """\
  sum by (namespace, container) (
    namespace_pod_container:container_cpu_usage_seconds:sum_rate5m{%scraped_container}
  )
/
  sum by (namespace, container) (
    namespace_pod_container:kube_pod_container_resource_requests_cpu:max{%scraped_container}
  )""",
        ),
    ),
)
_MEMORY = Family(
    "memory",
    (_KUBE_STATE, _CADVISOR),
    (
        Source(
            "container_memory_working_set_bytes",
            '%production_container,image!=""',
            '%production_container,image="example"',
        ),
        Source("kube_pod_container_resource_limits", '%production_container,resource="memory"'),
    ),
    (
        Recording(
            "namespace_pod_container:container_memory_working_set_per_limit:ratio",
            """\
  max by (namespace, pod, container) (container_memory_working_set_bytes{%scraped_container,image!=""})
/
  max by (namespace, pod, container) (kube_pod_container_resource_limits{%scraped_container,resource="memory"})""",
            "per pod: it is a container, and not the average, that runs out of memory",
        ),
    ),
)
_SETTING = """\
    max by (database) (pg_settings_%setting{%exported})
  or
    0 * max by (database) (pg_settings_max_connections{%exported})"""
_POSTGRES_EXPORTER = (
    "one for %database, in the namespace %monitoring, labelled app.kubernetes.io/name: postgres-exporter and "
    "app.kubernetes.io/instance: %database"
)
_CONNECTIONS = Family(
    "connections",
    (("postgres-exporter", _POSTGRES_EXPORTER),),
    (Source("pg_stat_database_numbackends", "%exported"), Source("pg_settings_max_connections", "%exported")),
    (
        Recording(
            "database:pg_stat_database_numbackends:sum",
            "sum by (database) (max by (database, datname) (pg_stat_database_numbackends{%exported}))",
            "of the whole server, and once where two exporters watch it",
        ),
        Recording(
            "database:pg_connections_available:max",
            f"""\
  max by (database) (pg_settings_max_connections{{%exported}})
-
  (
{_SETTING.replace("%setting", "superuser_reserved_connections")}
  )
-
  (
{_SETTING.replace("%setting", "reserved_connections")}
  )""",
            "what an ordinary role can use",
        ),
        Recording(
            "database:pg_connections_used_per_available:ratio",
            """\
  database:pg_stat_database_numbackends:sum{database="%database"}
/
  database:pg_connections_available:max{database="%database"}""",
        ),
    ),
)
_DB_LATENCY = Family(
    "database calls",
    (("Application", "the histogram %database_duration with a bucket at %db_buckets%database_bounded"),),
    (Source("%{database_duration}_bucket", "%production,%le", "%production,%le_sample"),),
    (
        Recording(
            "namespace_job_le:db_client_operation_duration_seconds_bucket:rate5m",
            "sum by (namespace, job, le) (rate(%{database_duration}_bucket{%scraped}[5m]))",
        ),
        Recording(
            "namespace_job:db_client_operation_duration_seconds_count:rate5m",
            "sum by (namespace, job) (rate(%{database_duration}_count{%scraped}[5m]))",
        ),
        Recording(
            "namespace_job:db_client_operation_duration_seconds:p95_rate5m",
            """\
  histogram_quantile(0.95, namespace_job_le:db_client_operation_duration_seconds_bucket:rate5m{%scraped})
and on (namespace, job)
  namespace_job:db_client_operation_duration_seconds_count:rate5m{%scraped} > 0""",
            "an estimate within one bucket: for people; alerts count the calls that are too slow",
        ),
    ),
    (
        Recording(
            "namespace_job_threshold:db_client_operations_slow:rate5m",
            """\
  namespace_job:db_client_operation_duration_seconds_count:rate5m{%scraped}
-
  sum by (namespace, job) (namespace_job_le:db_client_operation_duration_seconds_bucket:rate5m{%scraped,%le})""",
            "exact: P95 is above %threshold when more than 5%% of the calls take longer",
            (("threshold", "%value"),),
        ),
        Recording(
            "namespace_job_threshold:db_client_operations_slow_per_db_client_operations:ratio_rate5m",
            """\
  sum by (namespace, job) (namespace_job_threshold:db_client_operations_slow:rate5m{%scraped,threshold="%value"})
/
  (namespace_job:db_client_operation_duration_seconds_count:rate5m{%scraped} > 0)""",
            labels=(("threshold", "%value"),),
        ),
        Recording(
            "namespace_job_threshold:db_client_operations_slow:increase5m",
            'namespace_job_threshold:db_client_operations_slow:rate5m{%scraped,threshold="%value"} * 300',
            labels=(("threshold", "%value"),),
        ),
    ),
)
_AUTH = Family(
    "authentication",
    (("Application", 'the counter %auth with the label result ("success" or "failure")'),),
    (Source("%auth", '%production,result="failure"'),),
    (),
    (
        Recording(
            "namespace_job:auth_failures_per_%unit:rate5m",
            'sum by (namespace, job) (rate(%auth{%scraped,result="failure"}[5m])) * %unit_seconds',
        ),
    ),
)
_CUSTOM = Family(
    "queries of this feature",
    (),
    (),
    (),
    (
        Recording(
            "service:%metric:query",
            "%query",
            labels=(("service", "%service"),),
        ),
    ),
)

FAMILIES: dict[str, Family] = {
    "traffic": _TRAFFIC,
    "latency": _LATENCY,
    "baseline": _BASELINE,
    "jobs": _JOBS,
    "lag": _LAG,
    "cpu": _CPU,
    "cpu_rolling": _CPU_ROLLING,
    "memory": _MEMORY,
    "connections": _CONNECTIONS,
    "db_latency": _DB_LATENCY,
    "auth": _AUTH,
    "custom": _CUSTOM,
}


class Form(NamedTuple):
    """How an alert on a metric is written.

    ``series`` is compared with ``limit``; ``guard`` must count at least ``GUARD_EVENTS`` events, so that one failure
    in a quiet night is no alarm. ``by_colour`` metrics are watched per colour where they roll a release back: 10 % of
    the traffic must not hide behind the other 90 %. ``unasked`` forms are rendered though nobody asked for them.
    ``panel`` is what the dashboard draws, in the unit ``panel_unit`` and with the spec's threshold as its line.
    """

    family: str
    series: str
    limit: str
    summary: str
    description: str
    panel: str
    panel_unit: str
    guard: str = ""
    by_colour: bool = False
    unasked: bool = True


GUARD_EVENTS = "5"
"""Events within five minutes below which a ratio says nothing."""

CUSTOM_FORM = Form(
    "custom",
    "service:%metric:query",
    "%value",
    "%metric of %service is %side %threshold.",
    "%metric is {{ $value | %humanize }} (threshold: %threshold).",
    "service:%metric:query",
    "%panel_unit",
)

FORMS: dict[str, Form] = {
    "latency_p95": Form(
        "latency",
        "namespace_job%{by}_threshold:http_requests_slow_per_http_requests:ratio_rate5m",
        "0.05",
        "The P95 response time of %service is above %threshold.",
        "{{ $value | humanizePercentage }} of requests%{of_colour} took longer than %threshold in the last 5 minutes.",
        "namespace_job_colour:http_request_duration_seconds:p95_rate5m",
        "s",
        guard="namespace_job%{by}_threshold:http_requests_slow:increase5m",
        by_colour=True,
    ),
    "error_ratio": Form(
        "traffic",
        "namespace_job%{by}:http_requests_errors_per_http_requests:ratio_rate5m",
        "%value",
        "The error rate of %service is above %threshold.",
        "{{ $value | humanizePercentage }} of the requests%{of_colour} failed in the last 5 minutes.",
        "namespace_job_colour:http_requests_errors_per_http_requests:ratio_rate5m",
        "percentunit",
        guard="namespace_job%{by}:http_requests_errors:increase5m",
        by_colour=True,
    ),
    "throughput_ratio": Form(
        "baseline",
        "namespace_job:http_requests_per_baseline:ratio",
        "%value",
        "The traffic of %service is below %threshold of its baseline.",
        "Traffic is at {{ $value | humanizePercentage }} of what it was at this hour in earlier weeks.",
        "namespace_job:http_requests_per_baseline:ratio",
        "percentunit",
    ),
    "queue_lag": Form(
        "lag",
        "service_queue:kafka_consumergroup_lag:sum",
        "%value",
        "%service is more than %threshold messages behind.",
        "{{ $value | humanize }} messages are waiting in {{ $labels.queue }}.",
        "service_queue:kafka_consumergroup_lag:sum",
        "short",
    ),
    "failure_ratio": Form(
        "jobs",
        "namespace_job:jobs_failed_per_jobs_processed:ratio_rate5m",
        "%value",
        "More than %threshold of the jobs of %service fail.",
        "{{ $value | humanizePercentage }} of the jobs failed in the last 5 minutes.",
        "namespace_job:jobs_failed_per_jobs_processed:ratio_rate5m",
        "percentunit",
        guard="namespace_job:jobs_failed:increase5m",
    ),
    "cpu_utilization": Form(
        "cpu",
        "namespace_container%{colours}:container_cpu_usage_per_request:ratio_rate5m",
        "%value",
        "%service uses more than %threshold of the CPU that it requests.",
        "CPU use%{of_pods} is {{ $value | humanizePercentage }} of the request.",
        "namespace_container%{colours}:container_cpu_usage_per_request:ratio_rate5m",
        "percentunit",
    ),
    "memory_utilization": Form(
        "memory",
        "namespace_pod_container:container_memory_working_set_per_limit:ratio",
        "%value",
        "A pod of %service uses more than %threshold of its memory limit.",
        "{{ $labels.pod }} uses {{ $value | humanizePercentage }} of its memory limit.",
        "namespace_pod_container:container_memory_working_set_per_limit:ratio",
        "percentunit",
    ),
    "db_connections": Form(
        "connections",
        "database:pg_connections_used_per_available:ratio",
        "%value",
        "More than %threshold of the connections of %database are taken.",
        "{{ $value | humanizePercentage }} of the connections for applications are taken.",
        "database:pg_connections_used_per_available:ratio",
        "percentunit",
    ),
    "db_latency_p95": Form(
        "db_latency",
        "namespace_job_threshold:db_client_operations_slow_per_db_client_operations:ratio_rate5m",
        "0.05",
        "The P95 response time of the database calls of %service is above %threshold.",
        "{{ $value | humanizePercentage }} of the database calls took longer than %threshold in the last 5 minutes.",
        "namespace_job:db_client_operation_duration_seconds:p95_rate5m",
        "s",
        guard="namespace_job_threshold:db_client_operations_slow:increase5m",
        unasked=False,
    ),
    "auth_failures": Form(
        "auth",
        "namespace_job:auth_failures_per_%unit:rate5m",
        "%value",
        "%service sees more than %threshold failed logins.",
        "{{ $value | humanize }} failed logins a %unit in the last 5 minutes.",
        "namespace_job:auth_failures_per_%unit:rate5m",
        "short",
        unasked=False,
    ),
}
