"""The spec: every key that a user may write, with its type, limits, default, question and one-line doc.

Lives here: the records. Validation, the JSON Schema, the wizard and the reference docs all come from them.
Must not: files, questions asked, derived numbers (``defaults``), what must hold between keys (``rules``).
"""

from datetime import date

from devops_tasks import units
from devops_tasks.fields import (
    BOOLEAN,
    CONTROL,
    SPACE,
    Kind,
    Record,
    ReservedNameError,
    choice,
    entries,
    integer,
    key,
    listing,
    matching,
    nested,
    one_or_more,
    scalar,
    switchable,
    text,
)
from devops_tasks.units import Cpu, Duration, Money, Quantity, Rate, Share, Size, Target

_LARGEST = 10**15  # exclusive: a number has 15 digits before its point
_POSITIVE = {"minimum": 0, "exclusiveMaximum": _LARGEST}

DATE: Kind[date] = scalar("date", "a date such as 2026-12-01", units.parse_date, units.CALENDAR)
DURATION: Kind[Duration] = scalar("duration", "a duration such as 500ms, 5m or 30d", units.parse_span, units.SPAN)
SPAN: Kind[Duration] = scalar(
    "duration",
    "a duration above zero, such as 15s or 30d",
    lambda text: units.positive(units.parse_span(text)),
    units.above_zero(units.SPAN),
)
LATENCY: Kind[Duration] = scalar(
    "duration",
    "a duration above zero, such as 2.5ms or 1s",
    lambda text: units.positive(units.parse_duration(text)),
    units.above_zero(units.DURATION),
)
SHARE: Kind[Share] = scalar("share", "a share such as 2% or 0.02", units.parse_share, units.SHARE,
                            {"minimum": 0, "exclusiveMaximum": 1})  # fmt: skip
SIZE: Kind[Size] = scalar("size", "a size such as 512Mi, 4Gi or 4GB", units.parse_size, units.SIZE)
CPU: Kind[Cpu] = scalar("cpu", "processors such as 500m, 0.5 or 2", units.parse_cpu, units.CPU,
                        {"exclusiveMinimum": 0, "exclusiveMaximum": 10**6})  # fmt: skip
MONEY: Kind[Money] = scalar("money", "an amount with its currency, such as 1000 USD", units.parse_money, units.MONEY)
RATE: Kind[Rate] = scalar("rate", "a rate such as 100/min or 50/s", units.parse_rate, units.RATE)
NUMBER: Kind[units.Number] = scalar("number", "a number such as 5 or 0.5", units.parse_number, units.NUMBER, _POSITIVE)
QUANTITY: Kind[Quantity] = scalar(
    "quantity", "a quantity such as 500ms, 2%, 100/min or 5", units.parse_quantity, units.QUANTITY, _POSITIVE
)
TARGET: Kind[Target] = scalar(
    "target",
    "a target: relative (+20%), absolute (12%) or a number in the metric's unit",
    units.parse_target,
    units.TARGET,
    {"exclusiveMinimum": -_LARGEST, "exclusiveMaximum": _LARGEST},
)

DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)
"""The names that Windows keeps for its devices: there no file can have one of them."""

_LABEL = "(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$)[a-z]([-a-z0-9]*[a-z0-9])?"
_DOMAIN = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"
_FOLDER = "[A-Za-z0-9_][A-Za-z0-9._-]*"
_SEGMENT = r"\.?[A-Za-z0-9_][A-Za-z0-9._-]*"
_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"


def _file_name(name: str, expected: str, most: int) -> Kind[str]:
    """Make a kind for a name that becomes the name of a file, too."""
    kind = matching(name, expected, _LABEL, most)

    def parse(text: str) -> str:
        if text in DEVICES:
            raise ReservedNameError(text)
        return kind.parse(text)

    return kind._replace(parse=parse)


SLUG = _file_name("slug", "a name of lower-case letters, digits and '-', at most 40, starting with a letter", 40)
NAME = _file_name("name", "a name of lower-case letters, digits and '-', at most 40, starting with a letter", 40)
SECRET = matching(
    "secret", "a name of lower-case letters, digits and '-', at most 60, starting with a letter", _LABEL, 60
)
NAMESPACE = matching("namespace", "a Kubernetes namespace: lower-case letters, digits and '-', at most 63", _LABEL, 63)
LABEL = matching(
    "label", "letters, digits, '-', '_' and '.', at most 63", r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", 63
)
HOST = matching("host", "a host name such as api.example.com, without scheme or port", _DOMAIN, 253)
LABEL_KEY = matching(
    "label",
    "a label's name such as app or app.kubernetes.io/name",
    rf"({_DOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?",
    253,
)
CIDR = matching("cidr", "an IPv4 range such as 10.20.0.0/24", rf"({_OCTET}\.){{3}}{_OCTET}/(3[0-2]|[12]?\d)", 18)
POLICY_KEY = matching(
    "key", "a key such as services[].slo.availability", r"[A-Za-z_][\w-]*(\[\])?(\.[A-Za-z_][\w-]*(\[\])?)*", 200
)
IMAGE = matching(
    "image",
    "an image such as registry.example.com/team/app:1.0.0, with an optional @sha256 digest",
    rf"{_DOMAIN}(:\d{{1,5}})?(/[a-z0-9]([-a-z0-9._]*[a-z0-9])?)*(:\w[\w.-]{{0,127}})?(@sha256:[a-f0-9]{{64}})?",
    400,
)
REPOSITORY_PATH = matching(
    "repository path",
    "a path inside the repository such as services/api, or '.'",
    rf"\.|{_SEGMENT}(/{_SEGMENT})*",
    200,
)
COMMAND_WORD = matching(
    "command word", "a word of letters, digits and any of . / _ : = @ % + , -", r"[A-Za-z0-9./_:=@%+,-]+", 200
)
METRIC = matching("metric", "a metric's name: letters, digits and '_'", r"[a-zA-Z_][a-zA-Z0-9_]*", 100)
SERIES = matching("series", "a series' name: letters, digits, '_' and ':'", r"[a-zA-Z_:][a-zA-Z0-9_:]*", 200)
LABEL_NAME = matching("label name", "a label's name: letters, digits and '_'", r"[a-zA-Z_][a-zA-Z0-9_]*", 100)
URL_PATH = matching("path", "a path such as /healthz", r"/[A-Za-z0-9._~/-]*", 200)
ROUTE_PATH = matching(
    "path",
    "a path such as /reports, without '//' and without the steps '.' and '..'",
    r"(?!.*(//|/\.\.?(/|$)))/[A-Za-z0-9._~/-]*",
    200,
)
FILE_PATH = matching("path", "an absolute path such as /tmp", r"(/[A-Za-z0-9._-]+)+", 200)
_NO_LINK = rf"<>\ufeff{CONTROL}\t\n"
_RELATIVE = rf"(?![A-Za-z][A-Za-z0-9+.-]*:)[^{SPACE}/\\{_NO_LINK}]([^\\{_NO_LINK}]*[^{SPACE}\\{_NO_LINK}])?"
DOCUMENT = matching(
    "document",
    "a relative path such as ../requirements.md, or a URL",
    rf"https?://[^{SPACE}{_NO_LINK}]+|{_RELATIVE}",
    400,
)
EXTENDS = matching("path", "a relative path such as ../platform-defaults.yaml, or none", _RELATIVE, 400)
PACK = matching(
    "folder",
    "a folder relative to the spec, such as ./packs/acme",
    rf"(\.\.?|{_FOLDER})(/(\.\.?|{_FOLDER}))*/?",
    200,
)
URL = matching(
    "url", "a URL such as https://example.com/dashboards", r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+", 500
)
MAIL = matching("address", "a mail address", rf"""[^@{SPACE}<>"'{CONTROL}]+@[A-Za-z0-9.-]+""", 254)
SETTING = matching("setting", "a setting's name such as LOG_LEVEL", r"[A-Za-z_][A-Za-z0-9_]*", 100)
FIELD_NAME = matching(
    "field", "a key's name of lower-case letters, digits and '_', starting with a letter", "[a-z][a-z0-9_]*", 60
)
TASK_ID = matching("task id", "a task id such as DO-009", r"[A-Z][A-Z0-9]{0,9}-\d{1,5}", 20)
VERSION = matching("version", "a version such as 16", r"\d+(\.\d+)*", 20)
CLASS = matching("class", "an instance class such as db.r5.xlarge", r"[A-Za-z0-9][A-Za-z0-9._-]*", 60)
REGION = matching("region", "a region such as eu-west-1", r"[a-z0-9][a-z0-9-]*", 40)
BUCKET = matching(
    "bucket",
    "a bucket URL such as s3://backups/features",
    r"(s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*/?",
    300,
)
TOPIC = matching(
    "topic", "a topic's name: letters, digits, '.', '_' and '-'", r"(?!\.\.?$)[A-Za-z0-9._][A-Za-z0-9._-]*", 249
)

PORT = integer(1, 65535)
SENTENCE = text("a sentence")
PARAGRAPH = text("text", lines=True)
WORDS = text("text")
LEVEL = choice("low", "medium", "high", "critical")
MOST_FILES = 50
"""The most items of a list of which each gets files of its own: more make no feature, and no quick run."""
ENVIRONMENT_NAMES = ("staging", "production")
SERVED = ("api", "web")
"""The kinds of service that answer requests."""

_INTERVAL_WORDS = ("change", "real-time")
_KEEP_WORDS = ("forever",)


def _spoken(words: tuple[str, ...]) -> Kind[Duration | str]:
    """Make a kind for a duration or one of some words."""
    expected = "a duration such as 6h, or " + ", ".join(words)

    def parse(value: str) -> Duration | str:
        if value in words:
            return value
        try:
            return SPAN.parse(value)
        except ValueError:
            raise ValueError(expected) from None

    return scalar("duration", expected, parse, f"{units.above_zero(units.SPAN)}|{'|'.join(words)}")


EVERY = _spoken(_INTERVAL_WORDS)
KEEP = _spoken(_KEEP_WORDS)


class Feature(Record):
    """What is being built, by whom."""

    name: str = key(text("a name", 200), "The feature's name", required=True, ask="What is the feature called?",
                    example="Saved Reports")  # fmt: skip
    engineer: str = key(text("a person", 200), "Who owns the infrastructure work", required=True,
                        ask="Which engineer owns the infrastructure work?", example='"@dana"')  # fmt: skip
    slug: str = key(SLUG, "The short name that every resource carries", derived=True,
                    ask="What is its short name, in lower-case letters, digits and '-'?")  # fmt: skip
    id: str | None = key(text("an id", 200), "The feature's id in the tracker", example="FEAT-1024")
    team: str = key(LABEL, "The team that owns the feature, as a label", derived=True)


class Sprint(Record):
    """When the work is planned."""

    name: str = key(text("a name", 200), "The sprint's name or number", required=True, ask="Which sprint is this for?",
                    example='"24"')  # fmt: skip
    starts: date | None = key(DATE, "The sprint's first day", undecided=True,
                              ask="On which day does the sprint begin?", example="2026-12-01")  # fmt: skip
    ends: date | None = key(DATE, "The sprint's last day", undecided=True,
                            ask="On which day does it end?", example="2026-12-14")  # fmt: skip
    capacity: int | None = key(integer(0, 10_000), "Story points that fit in the sprint", undecided=True,
                               ask="How many story points fit in it?", example="26")  # fmt: skip


class Documents(Record):
    """Where the parent documents are, relative to the bundle's folder."""

    requirements: str = key(DOCUMENT, "The requirements document", default="../requirements.md")
    design: str = key(DOCUMENT, "The design document", default="../design.md")
    devops_design: str = key(DOCUMENT, "The infrastructure's design document", default="./design.md")


class PrimaryMetric(Record):
    """What the experiment is to move."""

    name: str = key(text("a metric's name", 500), "The primary success metric", required=True,
                    ask="Which metric shall move?", example="Weekly active users of reporting")  # fmt: skip
    target: Target = key(TARGET, "Where the metric shall go", required=True,
                         ask="To what target (+20% relative, 12% absolute, or a number)?", example="+20%")  # fmt: skip
    kind: str | None = key(choice("proportion", "mean", "count"), "What sort of number the metric is", undecided=True)
    baseline: units.Quantity | None = key(QUANTITY, "Where the metric is today", undecided=True, example="10%")
    standard_deviation: units.Number | None = key(
        NUMBER,
        "How much a mean or a count differs from unit to unit: its standard deviation",
        undecided=True,
        example="40",
    )


class Assignment(Record):
    """Who sees the new version."""

    unit: str = key(choice("user", "session", "request"), "What is assigned to a variant", default="user")
    treatment: Share = key(SHARE, "The share of units that see the new version", default="50%")
    method: str = key(choice("feature-flag", "traffic-split"), "How units are assigned", default="feature-flag")


class ArmMonitoring(Record):
    """How the arms of the experiment are told apart while it runs."""

    label: str = key(LABEL_NAME, "The label of the requests' metrics that holds control, treatment, or none",
                     required=True, example="arm")  # fmt: skip
    services: tuple[str, ...] = key(
        listing(NAME), "The services whose requests carry it; none named means every api and web with metrics",
        default=[], example=["shop-api"],
    )  # fmt: skip
    assigned_units: str | None = key(
        METRIC, "A gauge of the distinct units assigned so far, with the labels experiment and arm",
        example="experiment_assigned_users",
    )  # fmt: skip
    worse_by: Share = key(SHARE, "How much more often than control treatment may fail", default="0.5%")
    requests_per_failure: units.Number = key(
        NUMBER, "How many requests fail where one user meets one fault", default="1"
    )


class Decision(Record):
    """A criterion with a deadline, which no alert can see: somebody decides on its day."""

    what: str = key(SENTENCE, "What would end the experiment, in words", required=True,
                    example="Less than 10% adoption after two weeks")  # fmt: skip
    after: Duration = key(SPAN, "How long after the sprint's first day it is decided", required=True, example="14d")
    owner: str | None = key(text("a person", 200), "Who decides it, where that is not the engineer", example='"@ada"')


class Experiment(Record):
    """The hypothesis that the infrastructure serves."""

    hypothesis: str = key(PARAGRAPH, "We believe that (who) will (do what) because (why)", required=True,
                          ask="Which hypothesis is being tested?",
                          example="We believe that analysts will adopt reports because they save time")  # fmt: skip
    primary_metric: PrimaryMetric = key(nested(PrimaryMetric), "What the experiment is to move", required=True)
    leading_indicators: tuple[str, ...] = key(listing(SENTENCE), "Early signs that the metric will move", default=[])
    guardrails: tuple[str, ...] = key(listing(SENTENCE), "What must not get worse, in words", default=[])
    assignment: Assignment = key(nested(Assignment), "Who sees the new version", default={})
    eligible_per_day: int | None = key(integer(1, 10**9), "New units that could take part, a day", undecided=True)
    significance: Share = key(SHARE, "The accepted share of false alarms", default="5%")
    power: Share = key(SHARE, "The share of true effects that shall be found", default="80%")
    decisions: tuple[Decision, ...] = key(listing(nested(Decision)), "Criteria with a deadline, which no alert can see",
                                          default=[])  # fmt: skip
    infrastructure: tuple[str, ...] = key(listing(SENTENCE), "What else the experiment needs of the infrastructure",
                                          default=[])  # fmt: skip
    monitoring: ArmMonitoring | None = key(nested(ArmMonitoring), "How its arms are told apart while it runs")


class Criterion(Record):
    """One condition that rolls the release back."""

    metric: str = key(METRIC, "The metric that is watched", required=True, example="latency_p95")
    above: Quantity | None = key(QUANTITY, "Bad above this", example="500ms")
    below: Quantity | None = key(QUANTITY, "Bad below this")
    for_: Duration = key(DURATION, "How long it must stay bad", default="5m")


class Rollback(Record):
    """What rolls the release back."""

    criteria: tuple[Criterion, ...] = key(
        listing(nested(Criterion), name="metric"), "The conditions, any of which rolls the release back", derived=True
    )


class Overview(Record):
    """What the task overview says of reviews."""

    security_review: bool = key(BOOLEAN, "Whether a security review is required", default="true")
    compliance: tuple[str, ...] = key(listing(WORDS), "Compliance requirements, such as GDPR", default=[])


class Health(Record):
    """Where a service says that it lives and that it is ready."""

    live: str = key(URL_PATH, "The path of the liveness check", default="/healthz")
    ready: str = key(URL_PATH, "The path of the readiness check", default="/readyz")
    port: int = key(PORT, "The port of the health checks", derived=True)


class ServiceMetrics(Record):
    """Where a service's metrics are scraped."""

    port: int = key(PORT, "The port that is scraped", derived=True)
    path: str = key(URL_PATH, "The path that is scraped", derived=True)
    convention: str = key(choice("prometheus", "otel", "micrometer", "none"), "Whose metric names it uses",
                          default="prometheus")  # fmt: skip


class MetricNames(Record):
    """What a service calls what it measures."""

    requests: str = key(METRIC, "The counter of requests", derived=True, only=SERVED)
    duration: str = key(METRIC, "The histogram of request durations, in seconds", derived=True, only=SERVED)
    status_label: str = key(LABEL_NAME, "The label that holds the status code", derived=True, only=SERVED)
    jobs: str = key(METRIC, "The counter of a worker's jobs, with the label result", default="jobs_processed_total",
                    only=("worker",))  # fmt: skip
    auth: str = key(METRIC, "The counter of logins, with the label result", default="auth_attempts_total", only=SERVED)
    database_duration: str = key(METRIC, "The histogram of the durations of database calls, in seconds", derived=True)


class CpuResource(Record):
    """Processors asked for and allowed."""

    request: Cpu = key(CPU, "Processors that are reserved", derived=True)
    limit: Cpu = key(CPU, "Processors at most", derived=True)


class MemoryResource(Record):
    """Memory asked for and allowed."""

    request: Size = key(SIZE, "Memory that is reserved", derived=True)
    limit: Size = key(SIZE, "Memory at most", derived=True)


class Autoscaling(Record):
    """How far and on what the number of pods follows the load."""

    max: int = key(integer(1, 10_000), "Pods at most", derived=True)
    cpu: Share = key(SHARE, "CPU use of the request that is aimed at", default="70%")
    memory: Share = key(SHARE, "Memory use of the request that is aimed at", default="80%")
    requests_per_second: int | None = key(integer(1, 10**9), "Requests a second of one pod", later=True)


class Staging(Record):
    """The size of a service in staging, where nothing scales by itself."""

    replicas: int = key(integer(1, 10_000), "Pods in staging", default="2")
    cpu: CpuResource = key(nested(CpuResource, scalar="limit"), "Processors of a pod in staging", default="1")
    memory: MemoryResource = key(nested(MemoryResource, scalar="limit"), "Memory of a pod in staging", default="2Gi")


class Production(Record):
    """The size of a service in production."""

    replicas: int = key(integer(1, 10_000), "Pods in production, at least", default="3")
    cpu: CpuResource = key(nested(CpuResource, scalar="limit"), "Processors of a pod in production", default="2")
    memory: MemoryResource = key(nested(MemoryResource, scalar="limit"), "Memory of a pod in production", default="4Gi")
    autoscaling: Autoscaling | None = key(switchable(Autoscaling), "The autoscaler, or none", default={})


class LatencyObjective(Record):
    """How many requests shall be answered in time."""

    objective: Share = key(SHARE, "The share of requests that shall be answered in time", required=True, example="99%")
    below: Duration = key(LATENCY, "The time in which they shall be answered", required=True, example="500ms")


class Objectives(Record):
    """The service level objectives of a service, and the time over which they are judged."""

    availability: Share | None = key(SHARE, "The share of requests, or of a worker's jobs, that shall not fail",
                                     example="99.9%")  # fmt: skip
    latency: LatencyObjective | None = key(nested(LatencyObjective), "How many requests shall be answered in time",
                                         only=SERVED)  # fmt: skip
    window: Duration = key(SPAN, "The time over which the objectives are judged", default="30d")


class Build(Record):
    """How the pipeline makes the image of a service."""

    context: str = key(REPOSITORY_PATH, "The folder of the repository that the image is built from", default=".")
    dockerfile: str = key(REPOSITORY_PATH, "The Dockerfile, inside that folder", default="Dockerfile")
    test: tuple[str, ...] | None = key(
        listing(COMMAND_WORD, least=1),
        "The command that tests it, word by word; run in that folder before the image is built",
        example=["make", "test"],
    )


class Service(Record):
    """One deployable."""

    name: str = key(NAME, "The service's name", required=True, ask="What is the service called?",
                    example="reports-api")  # fmt: skip
    kind: str = key(choice("api", "web", "worker"), "What sort of service it is", default="api",
                    ask="Is it an api, a web front end or a worker?")  # fmt: skip
    image: str | None = key(IMAGE, "The container image, with its tag", undecided=True,
                            example="registry.example.com/feature-api:1.0.0")  # fmt: skip
    build: Build | None = key(nested(Build, scalar="context"), "How the pipeline tests and builds the image, which it "
                              "then deploys by its digest; without it, the pipeline begins at the image")  # fmt: skip
    port: int = key(PORT, "The port that the container listens on", default="3000")
    host: str | None = key(HOST, "The public host name", undecided=True, example="api.example.com", only=SERVED)
    path: str = key(ROUTE_PATH, "The public path", default="/", only=SERVED)
    health: Health = key(nested(Health), "Where the service says that it lives and is ready", default={})
    metrics: ServiceMetrics = key(nested(ServiceMetrics), "Where its metrics are scraped", default={})
    metric_names: MetricNames = key(nested(MetricNames), "What it calls what it measures", default={})
    requests_per_second: int | None = key(integer(1, 10**9), "Requests a second of the whole service", undecided=True,
                                           only=SERVED)  # fmt: skip
    latency_buckets: tuple[Duration, ...] = key(listing(LATENCY, least=1), "The bounds of its latency histogram",
                                                derived=True, only=SERVED)  # fmt: skip
    slo: Objectives | None = key(nested(Objectives), "Its service level objectives")
    config: dict[str, str] = key(entries(SETTING, PARAGRAPH), "Plain settings, as environment variables", default={})
    secrets: tuple[str, ...] = key(
        listing(SECRET, distinct=True), "The names of its secrets, never their values", derived=True
    )
    user: int = key(integer(1, 2**31 - 1), "The numeric user that the process runs as", default="10001")
    writable: tuple[str, ...] = key(listing(FILE_PATH, distinct=True), "The paths that the process writes to",
                                    default=["/tmp"])  # fmt: skip  # noqa: S108 - a path in the container
    migrate: tuple[str, ...] | None = key(listing(WORDS, least=1), "The command that migrates its databases, word by "
                                          "word; run as a Job before the new version takes traffic",
                                          example=["./manage", "migrate"])  # fmt: skip
    migrate_within: Duration | None = key(SPAN, "How long its migration may take before the cluster ends it",
                                          derived=True, example="2h")  # fmt: skip
    staging: Staging = key(nested(Staging), "Its size in staging", default={})
    production: Production = key(nested(Production), "Its size in production", default={})
    needs: tuple[str, ...] = key(listing(NAME, distinct=True), "The databases, caches, queues and external services "
                                 "it talks to", derived=True)  # fmt: skip


class DatabaseSize(Record):
    """The size of a database in one environment."""

    class_: str | None = key(CLASS, "The instance class", derived=True)
    memory: Size = key(SIZE, "The instance's memory", derived=True)
    cpu: int = key(integer(1, 1024), "The instance's processors", derived=True)
    read_replicas: int = key(integer(0, 15), "Read replicas beside the primary", derived=True)
    max_connections: int = key(integer(5, 100_000), "Connections that the server accepts", derived=True)


class DatabaseBackup(Record):
    """How often a database is saved, for how long, and how fast it must be back."""

    every: Duration = key(SPAN, "How often a backup is made", default="6h")
    keep: Duration = key(SPAN, "How long a backup is kept", default="30d")
    restore_within: Duration = key(SPAN, "The recovery time objective", default="1h")
    lose_at_most: Duration = key(SPAN, "The recovery point objective", derived=True)
    to: str | None = key(BUCKET, "The bucket that backups go to", undecided=True)
    replicate_to: str | None = key(REGION, "The region that backups are copied to", undecided=True)


class Database(Record):
    """One database."""

    name: str = key(NAME, "The database's name", required=True, example="reports-db")
    engine: str = key(choice("postgresql"), "The database engine", default="postgresql")
    version: str = key(VERSION, "The engine's version", default="16")
    image: str | None = key(IMAGE, "The image of its tools with its digest, which the jobs of its backups run",
                            undecided=True, example="registry.example.com/mirror/postgres:16")  # fmt: skip
    hosting: str = key(choice("managed", "in-cluster"), "Who runs it", default="managed")
    namespace: str | None = key(NAMESPACE, "Its pods' namespace, where it is not ours", example="data")
    selector: dict[str, str] | None = key(entries(LABEL_KEY, LABEL),
                                          "The labels of its pods, when in the cluster", undecided=True)  # fmt: skip
    host: str | None = key(HOST, "Its host name", undecided=True, example="db.internal.example.com")
    cidr: str | None = key(CIDR, "The range of its addresses", undecided=True, example="10.20.0.0/24")
    port: int = key(PORT, "Its port", derived=True)
    staging: DatabaseSize = key(nested(DatabaseSize), "Its size in staging", default={})
    production: DatabaseSize = key(nested(DatabaseSize), "Its size in production", default={})
    backup: DatabaseBackup = key(nested(DatabaseBackup), "How it is backed up", default={})


class CacheSize(Record):
    """The size of a cache in one environment."""

    class_: str | None = key(CLASS, "The instance class", derived=True)
    cluster: bool = key(BOOLEAN, "Whether it runs in cluster mode", derived=True)


class Cache(Record):
    """One cache."""

    name: str = key(NAME, "The cache's name", required=True, example="reports-cache")
    engine: str = key(choice("redis"), "The cache engine", default="redis")
    hosting: str = key(choice("managed", "in-cluster"), "Who runs it", default="managed")
    namespace: str | None = key(NAMESPACE, "Its pods' namespace, where it is not ours")
    selector: dict[str, str] | None = key(entries(LABEL_KEY, LABEL),
                                          "The labels of its pods, when in the cluster", undecided=True)  # fmt: skip
    host: str | None = key(HOST, "Its host name", undecided=True)
    cidr: str | None = key(CIDR, "The range of its addresses", undecided=True)
    port: int = key(PORT, "Its port", derived=True)
    staging: CacheSize = key(nested(CacheSize), "Its size in staging", default={})
    production: CacheSize = key(nested(CacheSize), "Its size in production", default={})


class Queue(Record):
    """One message queue."""

    name: str = key(NAME, "The queue's name", required=True, example="orders")
    engine: str = key(choice("kafka"), "The queue's engine", default="kafka")
    hosts: tuple[str, ...] | None = key(listing(HOST, least=1, distinct=True), "Its bootstrap hosts", undecided=True)
    port: int = key(PORT, "Its port", derived=True)
    cidr: str | None = key(CIDR, "The range of its addresses", undecided=True)
    topic: str | None = key(TOPIC, "The topic that is read", undecided=True)
    group: str | None = key(TOPIC, "The consumer group that reads it", undecided=True)


class ExternalService(Record):
    """One service of somebody else that ours calls."""

    name: str = key(NAME, "The external service's name", required=True, example="payments")
    host: str | None = key(HOST, "Its host name", undecided=True)
    port: int = key(PORT, "Its port", default="443")
    cidr: str | None = key(CIDR, "The range of its addresses", undecided=True)


class LoadBalancer(Record):
    """What stands before the cluster."""

    kind: str = key(text("a kind", 100), "What sort of load balancer stands before the cluster", derived=True)
    cidr: str | None = key(CIDR, "The range that it sends from", undecided=True)


class Gateway(Record):
    """The Gateway that routes attach to."""

    name: str = key(NAME, "The Gateway's name", required=True, example="public")
    namespace: str = key(NAMESPACE, "The Gateway's namespace", required=True, example="gateway-system")


class Namespaces(Record):
    """Where the workloads run."""

    staging: str = key(NAMESPACE, "The namespace in staging", derived=True)
    production: str = key(NAMESPACE, "The namespace in production", derived=True)


class SecretStore(Record):
    """Where external-secrets reads from."""

    name: str = key(NAME, "The ClusterSecretStore's name", required=True, example="cluster-store")
    path: str = key(matching("path", "a path such as teams/reports", rf"/?{_FOLDER}(/{_FOLDER})*", 200),
                    "The folder of this feature's secrets in the store", derived=True)  # fmt: skip


class Tracing(Record):
    """Where traces are sent."""

    host: str = key(HOST, "The collector's host name", required=True, example="otel-collector.observability")
    port: int = key(PORT, "The collector's port", default="4317")


class Edge(Record):
    """What protects the service at its edge."""

    waf: str | None = key(WORDS, "The web application firewall", example="managed")
    rate_limit: Rate | None = key(RATE, "Requests of one client at most", example="100/s")


class Platform(Record):
    """What the feature runs on."""

    kubernetes: str = key(choice(*(f"1.{minor}" for minor in range(29, 38))), "The cluster's version", default="1.33")
    cloud: str = key(choice("aws", "none", later=("gcp", "azure")), "The cloud", default="aws")
    load_balancer: LoadBalancer = key(nested(LoadBalancer), "What stands before the cluster", default={})
    routing: str = key(choice("gateway-api", "ingress"), "How requests reach a colour: by weights, or all to one",
                       default="gateway-api")  # fmt: skip
    gateway: Gateway | None = key(nested(Gateway), "The Gateway that routes attach to", undecided=True)
    ingress_class: str | None = key(NAME, "The class of the Ingresses, which says whose they are", undecided=True,
                                    example="traefik")  # fmt: skip
    ingress_namespace: str | None = key(NAMESPACE, "The namespace of the ingress controller's pods", undecided=True,
                                        example="ingress-system")  # fmt: skip
    tls_issuer: str | None = key(NAME, "The cert-manager ClusterIssuer", undecided=True, example="letsencrypt")
    namespaces: Namespaces = key(nested(Namespaces), "Where the workloads run", default={})
    rollout: str = key(choice("kubernetes", "argo-rollouts"), "What shifts traffic: our scripts, or Argo Rollouts",
                       default="kubernetes")  # fmt: skip
    monitoring: str = key(choice("prometheus", "prometheus-operator"), "Who runs Prometheus", default="prometheus")
    custom_metrics: str = key(choice("none", later=("prometheus-adapter",)), "Who serves request metrics to HPAs",
                              default="none")  # fmt: skip
    secrets: str = key(
        choice("external-secrets", "manual"), "How secrets reach the cluster", default="external-secrets"
    )
    secret_store: SecretStore | None = key(nested(SecretStore), "Where external-secrets reads from", undecided=True)
    pipeline: str = key(choice("github-actions", "gitlab-ci"), "What builds and deploys", default="github-actions")
    tracing: Tracing | None = key(nested(Tracing), "Where traces are sent", undecided=True)
    edge: Edge | None = key(nested(Edge), "What protects the service at its edge", undecided=True)


class SourceMetric(Record):
    """A series that a query of this spec reads and that the tool does not know."""

    name: str = key(SERIES, "The name of a series that queries read", required=True, example="checkout_failed_total")
    labels: tuple[str, ...] = key(listing(LABEL_NAME, distinct=True), "The labels that each of its samples carries, "
                                  "beside those of its target", default=[], example=["reason"])  # fmt: skip


class Monitoring(Record):
    """How Prometheus is run."""

    namespace: str = key(NAMESPACE, "The namespace that Prometheus runs in", default="monitoring")
    scrape_interval: Duration = key(SPAN, "How often metrics are scraped", default="15s")
    evaluation_interval: Duration = key(SPAN, "How often rules are evaluated", default="15s")
    retention: Duration = key(SPAN, "How long Prometheus keeps samples", default="35d")
    runbooks: str | None = key(URL, "The base URL under which the runbooks are published", undecided=True)
    dashboards: str | None = key(URL, "The base URL of Grafana", undecided=True)
    heartbeat: str | None = key(URL, "Where the watchdog reports, and is missed when it stops", undecided=True)
    prometheus: str | None = key(URL, "Where Prometheus answers inside the cluster, which Argo Rollouts asks",
                                 undecided=True, example="http://prometheus.monitoring:9090")  # fmt: skip
    metrics: tuple[SourceMetric, ...] = key(
        listing(nested(SourceMetric), name="name", most=MOST_FILES),
        "The series that queries read and that the tool does not know",
        default=[],
    )


class Delivery(Record):
    """How a release is rolled out."""

    steps: tuple[Share, ...] = key(listing(SHARE, least=1), "The shares of traffic, one step after another",
                                   derived=True)  # fmt: skip
    pause: Duration = key(DURATION, "How long each step is watched", default="10m")


class Alert(Record):
    """One row of the metrics table, changed or added."""

    metric: str = key(METRIC, "The metric that is watched", required=True, example="latency_p95")
    service: str | None = key(NAME, "The service it is for; all when left out")
    above: Quantity | None = key(QUANTITY, "Bad above this", example="250ms")
    below: Quantity | None = key(QUANTITY, "Bad below this")
    for_: Duration | None = key(DURATION, "How long it must stay bad", example="10m")
    severity: str | None = key(choice("critical", "warning", "info"), "Whom it wakes", example="warning")
    action: str | None = key(WORDS, "What is to be done, in a few words", example="Page on-call")
    query: str | None = key(text("a PromQL query", lines=True), "The PromQL of a metric that the tool does not know")
    skip: bool | None = key(BOOLEAN, "Leave this row out", example="true")


class BackupRow(Record):
    """How long something other than a database is kept."""

    every: Duration | str = key(EVERY, "How often it is saved", default="real-time")
    keep: Duration | str = key(KEEP, "How long it is kept", default="forever")
    restore_within: Duration | None = key(SPAN, "The recovery time objective")
    store: str | None = key(WORDS, "What keeps it for that long", example="thanos")


class ConfigurationBackup(BackupRow):
    """How configuration is kept."""

    every: Duration | str = key(EVERY, "How often configuration is saved", default="change")
    keep: Duration | str = key(KEEP, "How long configuration is kept", default="forever")
    restore_within: Duration | None = key(SPAN, "The recovery time objective of configuration", default="15m")
    store: str | None = key(WORDS, "What keeps configuration", example="the Git repository")


class LogsBackup(BackupRow):
    """How logs are kept."""

    every: Duration | str = key(EVERY, "How often logs are saved", default="real-time")
    keep: Duration | str = key(KEEP, "How long logs are kept", default="90d")
    restore_within: Duration | None = key(SPAN, "The recovery time objective of logs")
    store: str | None = key(WORDS, "What keeps logs for that long", undecided=True, example="loki")


class MetricsBackup(BackupRow):
    """How metrics are kept."""

    every: Duration | str = key(EVERY, "How often metrics are saved", default="real-time")
    keep: Duration | str = key(KEEP, "How long metrics are kept", default="1y")
    restore_within: Duration | None = key(SPAN, "The recovery time objective of metrics")
    store: str | None = key(
        WORDS, "What keeps metrics for longer than Prometheus does", undecided=True, example="thanos"
    )


class Backups(Record):
    """How everything that is no database is kept."""

    configuration: ConfigurationBackup = key(nested(ConfigurationBackup), "How configuration is kept", default={})
    logs: LogsBackup = key(nested(LogsBackup), "How logs are kept", default={})
    metrics: MetricsBackup = key(nested(MetricsBackup), "How metrics are kept", default={})
    aws_cli: str | None = key(IMAGE, "The image of the AWS CLI with its digest, by which backups reach the bucket",
                              undecided=True, example="registry.example.com/mirror/aws-cli:2.17.0")  # fmt: skip


class Rightsizing(Record):
    """One resource that could be smaller."""

    resource: str = key(WORDS, "The resource", required=True, example="Database")
    current: str = key(WORDS, "Its size today", required=True, example="db.r5.xlarge")
    optimized: str = key(WORDS, "The size that would do", required=True, example="db.r5.large")
    saves: Money = key(MONEY, "What that saves a month", required=True, example="180 USD")


class Cost(Record):
    """What the feature may cost."""

    budget: Money | None = key(MONEY, "What a month may cost", undecided=True, example="1000 USD")
    notify: str | None = key(MAIL, "Who hears of a budget overrun", undecided=True, example="devops@example.com")
    rightsizing: tuple[Rightsizing, ...] = key(
        listing(nested(Rightsizing)), "Resources that could be smaller", default=[]
    )


class Task(Record):
    """One task, changed by its id or added."""

    id: str = key(TASK_ID, "The task's id", required=True, example="DO-009")
    title: str | None = key(SENTENCE, "What is done")
    priority: str | None = key(choice("critical", "security", "optimization"), "The group it belongs to")
    points: int | None = key(integer(0, 1000), "Story points")
    steps: tuple[str, ...] | None = key(listing(PARAGRAPH), "The steps, in order")
    success: str | None = key(SENTENCE, "How one sees that it is done")
    owner: str | None = key(text("a person", 200), "Who does it")
    skip: bool | None = key(BOOLEAN, "Leave this task out", example="true")


class Operation(Record):
    """One recurring operational task."""

    task: str = key(SENTENCE, "The task", required=True, example="Deploy new version")
    frequency: str = key(SENTENCE, "How often", required=True, example="As needed")
    level: str = key(
        choice("fully automated", "semi-automated", "manual"),
        "How much of it is automatic",
        required=True,
        example="semi-automated",
    )


class External(Record):
    """Somebody we wait for."""

    who: str = key(WORDS, "Who must act", required=True, example="Cloud Provider")
    what: str = key(SENTENCE, "What must happen", required=True, example="Resource quotas increased")
    by: date | None = key(DATE, "By when", example="2026-12-02")


class Dependencies(Record):
    """Who waits for whom."""

    external: tuple[External, ...] = key(listing(nested(External)), "Others we wait for", derived=True)
    blockers: tuple[External, ...] = key(listing(nested(External)), "What blocks us inside the company", derived=True)
    blocking: tuple[External, ...] = key(listing(nested(External)), "Who waits for us", derived=True)


class Risk(Record):
    """One risk."""

    risk: str = key(SENTENCE, "What may happen", required=True, example="Cost overrun")
    probability: str = key(LEVEL, "How likely it is", required=True, example="medium")
    impact: str = key(LEVEL, "How bad it would be", required=True, example="high")
    mitigation: str = key(SENTENCE, "What is done about it", required=True, example="Budget alerts")


class Contacts(Record):
    """Whom to call."""

    on_call: str | None = key(text("a person or team", 200), "Who is on call", undecided=True)
    channel: str | None = key(text("a channel", 200), "The channel for alerts", undecided=True)
    pager: str | None = key(choice("pagerduty", "opsgenie", "webhook"), "What pages the on-call", undecided=True)
    webhook: str | None = key(URL, "The address that pages the on-call, where the pager is a webhook", undecided=True)


class Links(Record):
    """Where related pages are."""

    dashboards: str | None = key(URL, "Monitoring dashboards", undecided=True)
    diagrams: str | None = key(URL, "Infrastructure diagrams", undecided=True)
    costs: str | None = key(URL, "The cost dashboard", undecided=True)
    security: str | None = key(URL, "Security reports", undecided=True)


class Review(Record):
    """When the document was and will be reviewed."""

    updated: date | None = key(DATE, "When the document was last updated; else the --today of the last run that "
                               "changed something", undecided=True)  # fmt: skip
    next: date | None = key(DATE, "When the document is reviewed next", undecided=True)


class Document(Record):
    """How the document is written."""

    fidelity: str = key(choice("full", "brief"), "Whether tasks.md shows the files or links to them", default="full")


class Policy(Record):
    """What is demanded of one key, in every spec that inherits it."""

    key_: str = key(POLICY_KEY, "The key that is judged, with [] behind each list", required=True,
                    example="services[].slo.availability")  # fmt: skip
    must_be: str | None = key(WORDS, "The one value that it may have")
    must_not_be: str | None = key(WORDS, "A value that it may not have")
    at_least: str | None = key(WORDS, "The smallest value that it may have", example="99.5%")
    at_most: str | None = key(WORDS, "The largest value that it may have")
    required: bool | None = key(BOOLEAN, "Whether it must have a value", example="true")
    forbidden: bool | None = key(BOOLEAN, "Whether it must have none", example="true")
    because: str = key(SENTENCE, "Why, in words for whoever meets it", required=True,
                       example="Our customers have been promised as much")  # fmt: skip


class Spec(Record):
    """The whole of what a user may write."""

    format: str = key(choice("1"), "The version of the spec's own format", default="1")
    feature: Feature = key(nested(Feature), "What is being built, by whom", required=True)
    sprint: Sprint = key(nested(Sprint), "When the work is planned", required=True)
    documents: Documents = key(nested(Documents), "Where the parent documents are", default={})
    experiment: Experiment = key(nested(Experiment), "The hypothesis that the infrastructure serves", required=True)
    rollback: Rollback = key(nested(Rollback), "What rolls the release back", default={})
    overview: Overview = key(nested(Overview), "What the task overview says of reviews", default={})
    services: tuple[Service, ...] = key(
        listing(nested(Service), name="name", most=MOST_FILES, least=1), "The deployables", derived=True
    )
    databases: tuple[Database, ...] = key(
        listing(nested(Database), name="name", most=MOST_FILES), "The databases, or none", derived=True
    )
    caches: tuple[Cache, ...] = key(
        listing(nested(Cache), name="name", most=MOST_FILES), "The caches, or none", derived=True
    )
    queues: tuple[Queue, ...] = key(
        listing(nested(Queue), name="name", most=MOST_FILES), "The message queues", default=[]
    )
    external_services: tuple[ExternalService, ...] = key(listing(nested(ExternalService), name="name", most=MOST_FILES),
                                                         "Services of others that ours call", default=[])  # fmt: skip
    platform: Platform = key(nested(Platform), "What the feature runs on", default={})
    monitoring: Monitoring = key(nested(Monitoring), "How Prometheus is run", default={})
    delivery: Delivery = key(nested(Delivery), "How a release is rolled out", default={})
    alerts: tuple[Alert, ...] = key(
        listing(nested(Alert), most=MOST_FILES), "Rows of the metrics table, changed or added", default=[]
    )
    backup: Backups = key(nested(Backups), "How everything that is no database is kept", default={})
    cost: Cost = key(nested(Cost), "What the feature may cost", default={})
    tasks: tuple[Task, ...] = key(listing(nested(Task), name="id"), "Tasks, changed by id or added", default=[])
    operations: tuple[Operation, ...] = key(
        listing(nested(Operation), name="task", most=MOST_FILES), "Recurring operational tasks", derived=True
    )
    done: tuple[str, ...] = key(listing(SENTENCE), "More items of the definition of done", default=[])
    dependencies: Dependencies = key(nested(Dependencies), "Who waits for whom", default={})
    risks: tuple[Risk, ...] = key(listing(nested(Risk), name="risk"), "What may go wrong", derived=True)
    contacts: Contacts = key(nested(Contacts), "Whom to call", default={})
    links: Links = key(nested(Links), "Where related pages are", default={})
    review: Review = key(nested(Review), "When the document was and will be reviewed", default={})
    document: Document = key(nested(Document), "How the document is written", default={})
    extends: str | None = key(EXTENDS, "The file of defaults that this one is laid over, relative to it. A spec that "
                              "names none takes the nearest .devops-tasks.yaml in its own folder or above; the word "
                              "none takes nothing", example="../platform-defaults.yaml")  # fmt: skip
    policy: tuple[Policy, ...] | None = key(
        listing(nested(Policy)), "What every spec that inherits this file must or must not say"
    )
    pack: tuple[str, ...] | None = key(
        one_or_more(PACK, most=20), "Template packs, each above the one before, relative to the spec",
        example="./packs/acme",
    )  # fmt: skip
    pack_fields: dict[str, dict[str, str]] | None = key(
        entries(SLUG, entries(FIELD_NAME, PARAGRAPH)), "What the template packs ask for: a group for each, by its name"
    )


SPEC = nested(Spec)
