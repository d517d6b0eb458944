"""The conventions by which an application names what it measures, and what its library must be told.

Lives here: what is true of a library's metrics in every bundle; ``%word`` stands for a name of the bundle. Must not:
names of a bundle, thresholds, PromQL.
"""

from typing import NamedTuple


class Convention(NamedTuple):
    """The names of one convention, where they are exposed, and who sets the bounds of its histograms.

    Without ``requests`` the histogram of durations counts them itself; without a ``port`` the service's own port is
    scraped. ``bounded`` says what sets the bounds of a histogram, by its name without the unit, which OpenTelemetry's
    exporter for JavaScript leaves out. Environment variables make the library
    open a port ``apart`` from the service's, and count requests up to each of the ``bounds``. ``carried`` labels are
    on every sample of a histogram. Where every request is counted, ``route`` tells a probe's, beside the ``own`` ones.
    """

    requests: str
    duration: str
    status_label: str
    database_duration: str
    path: str
    port: str
    buckets: tuple[str, ...]
    exposed: str = ""
    bounded: dict[str, str] = {}  # noqa: RUF012 - a table, which nobody writes to
    apart: tuple[tuple[str, str], ...] = ()
    bounds: tuple[tuple[str, str], ...] = ()
    carried: dict[str, tuple[str, ...]] = {}  # noqa: RUF012
    route: str = ""
    own: tuple[str, ...] = ()


_PROMETHEUS = Convention(
    requests="http_requests_total",
    duration="http_request_duration_seconds",
    status_label="status_code",
    database_duration="db_client_operation_duration_seconds",
    path="/metrics",
    port="",
    buckets=("5ms", "10ms", "25ms", "50ms", "75ms", "100ms", "250ms", "500ms", "1s", "2.5s", "5s", "10s"),
)
_VIEW = "; a View on %s sets them as explicit boundaries, in seconds"
_OTEL = Convention(
    requests="",
    duration="http_server_request_duration_seconds",
    status_label="http_response_status_code",
    database_duration="db_client_operation_duration_seconds",
    path="/metrics",
    port="9464",
    buckets=(*_PROMETHEUS.buckets[:8], "750ms", "1s", "2.5s", "5s", "7.5s", "10s"),
    exposed="OpenTelemetry's Prometheus exporter at %path on port %metrics_port, at every address of the pod; what is "
    "pushed to a collector is not seen here",
    bounded={
        "http_server_request_duration": _VIEW % "http.server.request.duration",
        "db_client_operation_duration": _VIEW % "db.client.operation.duration",
    },
    apart=(
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "0.0.0.0"),  # noqa: S104 - of the pod: localhost is the default
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "%metrics_port"),
    ),
    carried={
        "http_server_request_duration": ("http_request_method", "url_scheme"),
        "db_client_operation_duration": ("db_system_name",),
    },
    route="http_route",
)
_SLO = "management.metrics.distribution.slo"
_MICROMETER = Convention(
    requests="",
    duration="http_server_requests_seconds",
    status_label="status",
    database_duration="jdbc_query_seconds",
    path="/actuator/prometheus",
    port="",
    buckets=_PROMETHEUS.buckets,
    exposed="micrometer-registry-prometheus, and the endpoint prometheus exposed at %path on port %metrics_port "
    "(management.endpoints.web.exposure.include)",
    bounded={
        "http_server_requests": f"; the bundle sets {_SLO}.http.server.requests for that",
        "jdbc_query": f"; datasource-micrometer measures it, and {_SLO}.jdbc.query sets the bounds",
    },
    apart=(("MANAGEMENT_SERVER_PORT", "%metrics_port"),),
    bounds=(("MANAGEMENT_METRICS_DISTRIBUTION_SLO_HTTP_SERVER_REQUESTS", "%bounds"),),
    carried={"http_server_requests": ("exception", "method", "outcome", "status", "uri")},
    route="uri",
    own=("/actuator.*",),
)

CONVENTIONS: dict[str, Convention] = {
    "prometheus": _PROMETHEUS,
    "otel": _OTEL,
    "micrometer": _MICROMETER,
    "none": _PROMETHEUS,
}
