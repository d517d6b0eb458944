"""The catalogue of source series: who exposes each, and the labels that its samples carry beside those of the target.

Lives here: what is true of a series in every bundle. The labels of a target (``job``, ``namespace``, ``pod``) are not
repeated: they are those of the scrape configuration. A ``%word`` stands for the name that the service gives it. Must
not: recorded series (``forms``), names of a bundle.
"""

from typing import NamedTuple

APPLICATION = "application"


class Series(NamedTuple):
    """One series: ``certain`` labels are on every sample, ``possible`` ones on some.

    ``exposed_by`` is a scrape job's name, or the application: its team may add labels that nobody here knows of, so its
    series are ``open``.
    """

    metric: str
    exposed_by: str
    certain: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    open: bool = False


def _application(metric: str, *certain: str) -> Series:
    return Series(metric, APPLICATION, certain, open=True)


def _histogram(stem: str) -> tuple[Series, ...]:
    parts = {"_bucket": ("le",), "_count": (), "_sum": ()}
    return tuple(_application(f"%{{{stem}}}{part}", *certain) for part, certain in parts.items())


_CONTAINER = ("namespace", "pod", "id")
_CGROUP = ("container", "image", "name", "cpu", "node")
_RESOURCE = ("namespace", "pod", "container", "uid", "resource", "unit")

CATALOGUE: tuple[Series, ...] = (
    _application("%requests", "%status_label"),
    *_histogram("duration"),
    _application("%jobs", "result"),
    *_histogram("database_duration"),
    _application("%auth", "result"),
    Series("container_cpu_usage_seconds_total", "cadvisor", _CONTAINER, _CGROUP),
    Series("container_memory_working_set_bytes", "cadvisor", _CONTAINER, _CGROUP),
    Series("kube_pod_container_resource_requests", "kube-state-metrics", _RESOURCE, ("node",)),
    Series("kube_pod_container_resource_limits", "kube-state-metrics", _RESOURCE, ("node",)),
    Series("kube_cronjob_created", "kube-state-metrics", ("namespace", "cronjob")),
    Series("kube_cronjob_status_last_successful_time", "kube-state-metrics", ("namespace", "cronjob")),
    Series("kube_job_failed", "kube-state-metrics", ("namespace", "job_name", "condition")),
    Series("kube_job_status_start_time", "kube-state-metrics", ("namespace", "job_name")),
    Series("pg_stat_database_numbackends", "postgres-exporter", ("datid", "datname"), ("server",)),
    Series("pg_settings_max_connections", "postgres-exporter", (), ("server",)),
    Series("pg_settings_superuser_reserved_connections", "postgres-exporter", (), ("server",)),
    Series("pg_settings_reserved_connections", "postgres-exporter", (), ("server",)),
    Series("pg_stat_statements_seconds_total", "postgres-exporter", ("user", "datname", "queryid"), ("server",)),
    Series("pg_stat_statements_calls_total", "postgres-exporter", ("user", "datname", "queryid"), ("server",)),
    Series("kafka_consumergroup_lag", "kafka-exporter", ("consumergroup", "topic", "partition")),
)

PREFIXES: dict[str, str] = {"pg_": "postgres-exporter", "kafka_": "kafka-exporter"}
"""How the other series of an exporter begin whose job keeps all of them: they are there, with labels of their own."""

OF_CLUSTER = frozenset({"cadvisor", "kube-state-metrics"})
"""Jobs that an operator's own installation brings, under other names."""

OF_TARGETS = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
"""What Prometheus records of every target."""

OF_ALERTS = {"ALERTS": ("alertname", "alertstate"), "ALERTS_FOR_STATE": ("alertname",)}
"""What Prometheus records of the alerts, whose other labels are those of each alert."""

OFTEN_ADDED = ("namespace", "pod", "container", "node", "service", "endpoint", "metrics_path", "cluster", "prometheus")
"""Labels that another installation of Prometheus may give its targets: nothing is proven by their absence."""
