"""How data comes back: the databases with their backups and sizes, what restores stop, and the document's table.

What provides a backup is said only where this bundle, or the spec, really provides it; otherwise it is undecided.
"""

from collections.abc import Iterator
from decimal import Decimal
from math import ceil
from typing import TypedDict

from devops_tasks import units
from devops_tasks.plan import undecided
from devops_tasks.plan.network import NOT_PUBLIC, Flow, Peer, plan_peer
from devops_tasks.plan.tasks import ENGINES
from devops_tasks.plan.tuning import Setting, plan_settings
from devops_tasks.plan.workloads import PlannedService, plan_service
from devops_tasks.spec import ENVIRONMENT_NAMES, BackupRow, Database, DatabaseBackup, DatabaseSize, Service, Spec
from devops_tasks.units import Duration

CRONJOB = "cronjob"
AWS_BACKUP = "aws-backup"

_DAY_SECONDS = 86400
_HOUR_SECONDS = 3600
_VERIFY_CRON = "30 4 * * *"
_VERIFY_AWS_CRON = "cron(30 4 * * ? *)"
_TEST_NAME_MOST = 50
"""The longest name of a plan of restore tests."""
_LATE_SECONDS = 300
"""How long after its time a backup may begin: a CronJob's startingDeadlineSeconds."""
_VERIFY_LATE_SECONDS = 3600
"""The same of a verification."""
_PULL_SECONDS = 900
"""What a job has for its images and volumes, beside its work."""
_CONTINUOUS_DAYS = 35
"""The longest that AWS keeps what it needs for a point in time."""


class Bucket(TypedDict):
    """Where dumps go; ``name`` and ``prefix`` are the two parts of ``url``."""

    url: str
    name: str
    prefix: str


class Backup(TypedDict):
    """How one database is saved."""

    by: str | None
    every: str
    every_words: str
    cron: str
    aws_cron: str
    keep: str
    keep_words: str
    keep_days: int
    keep_seconds: int
    continuous: bool
    continuous_days: int
    restore_within: str
    restore_words: str
    restore_seconds: int
    lose_at_most: str
    lose_words: str
    lose_seconds: int
    deadline_seconds: int
    stale_seconds: int
    newest_days: int
    verify_seconds: int
    to: str | None
    to_literal: str
    replicate_to: str | None
    mechanism: str | None


class Size(TypedDict):
    """The size of a database in one environment, and its settings; ``resource`` is its name in CloudFormation."""

    environment: str
    resource: str
    class_: str | None
    memory: str
    cpu: int
    read_replicas: int
    max_connections: int
    settings: list[Setting]
    restarts: list[str]


class UrlSecret(TypedDict):
    """The Secret that holds a database's URL, and the key in it; ``own`` is one that somebody still has to make."""

    name: str
    key: str
    own: bool


class PlannedDatabase(TypedDict):
    """All that templates print of a database; ``resource`` is its name in CloudFormation."""

    name: str
    resource: str
    engine: str
    engine_name: str
    version: str
    major: str
    hosting: str
    in_cluster: bool
    host: str
    host_decided: bool
    port: int
    image: str
    unpinned: list[str]
    services: list[str]
    deployments: list[str]
    migrations: list[str]
    url_secret: UrlSecret
    backup: Backup
    backup_name: str
    verify_name: str
    restore_test: str
    flows: list[Flow]
    verify_flows: list[Flow]
    tuned_by: str | None
    target: str
    staging: Size
    production: Size
    sizes: list[Size]


class BackupLine(TypedDict):
    """One row of the document's table *Backup Strategy*; None is *to be decided*."""

    what: str
    every: str
    keep: str
    restore_within: str
    mechanism: str | None


class Recovery(TypedDict):
    """Which files there are: those of databases by what saves them, and by what tunes them."""

    cronjobs: list[PlannedDatabase]
    managed: list[PlannedDatabase]
    managed_file: str | None
    vault: str
    role: str
    sql: list[PlannedDatabase]
    groups: list[PlannedDatabase]
    aws_cli: str
    verify_cron: str
    verify_aws_cron: str
    late_seconds: int
    verify_late_seconds: int


class Plan(TypedDict):
    """What this module adds to the plan."""

    databases: list[PlannedDatabase]
    backup_rows: list[BackupLine]
    recovery: Recovery


def plan_recovery(spec: Spec) -> Plan:
    """Plan ``databases``, ``backup_rows`` (the document's table) and ``recovery`` (which files there are)."""
    databases = [_database(spec, database) for database in spec.databases]
    cronjobs = [database for database in databases if database["backup"]["by"] == CRONJOB]
    managed = [database for database in databases if database["backup"]["by"] == AWS_BACKUP]
    return {
        "databases": databases,
        "backup_rows": [*_database_rows(databases), *_other_rows(spec)],
        "recovery": {
            "cronjobs": cronjobs,
            "managed": managed,
            "managed_file": _managed_file(cronjobs, managed),
            "vault": spec.feature.slug,
            "role": undecided.NAME,
            "sql": [database for database in databases if database["tuned_by"] == "database/tuning.sql"],
            "groups": [database for database in databases if database["tuned_by"] == "database/parameter-group.yml"],
            "aws_cli": spec.backup.aws_cli or undecided.AWS_CLI,
            "verify_cron": _VERIFY_CRON,
            "verify_aws_cron": _VERIFY_AWS_CRON,
            "late_seconds": _LATE_SECONDS,
            "verify_late_seconds": _VERIFY_LATE_SECONDS,
        },
    }


def _managed_file(cronjobs: list[PlannedDatabase], managed: list[PlannedDatabase]) -> str | None:
    """Name the file of the managed plan: a folder of both kinds needs two, because kustomize reads only one of them."""
    if not managed:
        return None
    return "disaster-recovery/backup-managed.yml" if cronjobs else "disaster-recovery/backup.yml"


def _database(spec: Spec, database: Database) -> PlannedDatabase:
    users = [service for service in spec.services if database.name in service.needs]
    planned = [plan_service(spec, service) for service in users]
    resource = "".join(part.capitalize() if part[:1].isalpha() else f"N{part}" for part in database.name.split("-"))
    sizes = [_size(resource, name, getattr(database, name)) for name in ENVIRONMENT_NAMES]
    in_cluster = database.hosting == "in-cluster"
    return {
        "name": database.name,
        "resource": resource,
        "engine": database.engine,
        "engine_name": ENGINES[database.engine],
        "version": database.version,
        "major": database.version.split(".")[0],
        "hosting": database.hosting,
        "in_cluster": in_cluster,
        "host": database.host or undecided.HOST,
        "host_decided": database.host is not None,
        "port": database.port,
        "image": database.image or undecided.tools(database),
        "unpinned": undecided.unpinned(spec, database),
        "services": [service.name for service in users],
        "deployments": [name for service in planned for name in _scaled(spec, service)],
        "migrations": [service["migration"]["name"] for service in planned if service["migration"]],
        "url_secret": _url_secret(database, users),
        "backup": _backup(spec, database),
        "backup_name": f"{database.name}-backup",
        "verify_name": f"{database.name}-verify",
        "restore_test": _restore_test(spec, database),
        "flows": list(_flows(database)),
        "verify_flows": [
            _flow(f"{database.name}-verify", "DNS", 53, _dns()),
            _flow(f"{database.name}-verify", "the bucket", 443, _public()),
        ],
        "tuned_by": _tuned_by(spec, database),
        "target": f"{database.name}/production",
        "staging": sizes[0],
        "production": sizes[1],
        "sizes": sizes,
    }


def _restore_test(spec: Spec, database: Database) -> str:
    """Name the plan of restore tests: letters, digits and ``_``, and no other plan of the account has it."""
    room = _TEST_NAME_MOST - len(database.name) - 1
    return f"{spec.feature.slug[:room]}-{database.name}".replace("-", "_")


def _scaled(spec: Spec, service: PlannedService) -> list[str]:
    """Name what a restore stops; with the kind where there are two of them."""
    if spec.platform.rollout != "argo-rollouts":
        return service["deployments"]
    return [f"{service['resource']}/{name}" for name in service["deployments"]]


def _size(resource: str, environment: str, size: DatabaseSize) -> Size:
    settings = plan_settings(size)
    return {
        "environment": environment,
        "resource": f"{resource}{environment.capitalize()}",
        "class_": size.class_,
        "memory": size.memory.text,
        "cpu": size.cpu,
        "read_replicas": size.read_replicas,
        "max_connections": size.max_connections,
        "settings": settings,
        "restarts": [setting["name"] for setting in settings if setting["restart"]],
    }


def _tuned_by(spec: Spec, database: Database) -> str | None:
    if database.hosting == "in-cluster":
        return "database/tuning.sql"
    return "database/parameter-group.yml" if spec.platform.cloud == "aws" else None


def _url_secret(database: Database, users: list[Service]) -> UrlSecret:
    key = f"{database.name}-url"
    owner = next((service for service in users if key in service.secrets), None)
    if owner:
        return {"name": f"{owner.name}-secrets", "key": key, "own": False}
    return {"name": f"{database.name}-backup", "key": key, "own": True}


def _backup(spec: Spec, database: Database) -> Backup:
    backup = database.backup
    schedule = units.schedule(backup.every)
    keep_days = ceil(backup.keep.seconds / _DAY_SECONDS)
    stale_seconds = int(stale_after(backup).seconds)
    return {
        "by": _provider(spec, database),
        "every": backup.every.text,
        "every_words": every_words(backup.every),
        "cron": schedule.cron,
        "aws_cron": schedule.aws,
        "keep": backup.keep.text,
        "keep_words": backup.keep.words,
        "keep_days": keep_days,
        "keep_seconds": ceil(backup.keep.seconds),
        "continuous": backup.lose_at_most < backup.every,
        "continuous_days": min(keep_days, _CONTINUOUS_DAYS),
        "restore_within": backup.restore_within.text,
        "restore_words": backup.restore_within.words,
        "restore_seconds": ceil(backup.restore_within.seconds),
        "lose_at_most": backup.lose_at_most.text,
        "lose_words": backup.lose_at_most.words,
        "lose_seconds": ceil(backup.lose_at_most.seconds),
        "deadline_seconds": int(backup.every.seconds / 2),
        "stale_seconds": stale_seconds,
        "newest_days": ceil(stale_seconds / _DAY_SECONDS),
        "verify_seconds": _verify_seconds(backup),
        "to": backup.to,
        "to_literal": backup.to or f"s3://{undecided.HOST}/{database.name}",
        "replicate_to": backup.replicate_to,
        "mechanism": _mechanism(spec, database),
    }


def stale_after(backup: DatabaseBackup) -> Duration:
    """Say how old the newest backup of a database may be: it may begin late, and take half of the interval."""
    return Duration(Decimal(int(backup.every.seconds * 3 / 2) + _LATE_SECONDS))


def unproven_after(backup: DatabaseBackup) -> Duration:
    """Say how many hours ago the newest proof may be: it is daily, may begin late, and takes as long as it may."""
    hours = ceil((_DAY_SECONDS + _VERIFY_LATE_SECONDS + _verify_seconds(backup)) / _HOUR_SECONDS)
    return Duration(Decimal(hours * _HOUR_SECONDS))


def _verify_seconds(backup: DatabaseBackup) -> int:
    return ceil(backup.restore_within.seconds) + _PULL_SECONDS


def _provider(spec: Spec, database: Database) -> str | None:
    if database.hosting == "in-cluster":
        return CRONJOB
    return AWS_BACKUP if spec.platform.cloud == "aws" else None


def _mechanism(spec: Spec, database: Database) -> str | None:
    copied = database.backup.replicate_to
    match _provider(spec, database):
        case "cronjob":
            where = f" to {database.backup.to}" if database.backup.to else ", bucket to be decided"
            copy = f"; the bucket must replicate to {copied}" if copied else ""
            return f"CronJob {database.name}-backup{where}{copy}"
        case "aws-backup":
            copy = f", copied to {copied}" if copied else ""
            return f"AWS Backup plan {spec.feature.slug}{copy}"
        case _:
            return None


def every_words(every: Duration | str) -> str:
    """Say an interval as the document's tables do: ``Every 6 hours``, ``Every day``, ``On every change``."""
    if isinstance(every, Duration):
        return f"Every {every.words.removeprefix('1 ')}"
    return {"change": "On every change", "real-time": "Real-time"}[every]


def _database_rows(databases: list[PlannedDatabase]) -> Iterator[BackupLine]:
    several = len(databases) > 1
    for database in databases:
        backup = database["backup"]
        yield {
            "what": f"Database {database['name']}" if several else "Database",
            "every": backup["every_words"],
            "keep": backup["keep_words"],
            "restore_within": f"<{backup['restore_words']}",
            "mechanism": backup["mechanism"],
        }


def _other_rows(spec: Spec) -> Iterator[BackupLine]:
    rows: tuple[tuple[str, BackupRow, str | None], ...] = (
        ("Configuration", spec.backup.configuration, _configuration_keeper(spec)),
        ("Application Logs", spec.backup.logs, spec.backup.logs.store),
        ("Metrics Data", spec.backup.metrics, _metrics_keeper(spec)),
    )
    for what, row, mechanism in rows:
        yield {
            "what": what,
            "every": every_words(row.every),
            "keep": row.keep.words if isinstance(row.keep, Duration) else "Indefinite",
            "restore_within": f"<{row.restore_within.words}" if row.restore_within else "N/A",
            "mechanism": mechanism,
        }


def _configuration_keeper(spec: Spec) -> str | None:
    row = spec.backup.configuration
    return row.store or ("Git, where this bundle is kept" if row.every == "change" else None)


def _metrics_keeper(spec: Spec) -> str | None:
    row, retention = spec.backup.metrics, spec.monitoring.retention
    if row.store is None and isinstance(row.keep, Duration) and row.keep <= retention:
        return f"Prometheus itself, which keeps {retention.words}"
    return row.store


def _flows(database: Database) -> Iterator[Flow]:
    """Say what a backup job talks to; the bucket's addresses are many, and public."""
    name = f"{database.name}-backup"
    yield _flow(name, "DNS", 53, _dns())
    yield _flow(name, database.name, database.port, plan_peer(database))
    yield _flow(name, "the bucket", 443, _public())


def _flow(service: str, to: str, port: int, peer: Peer) -> Flow:
    return {
        "service": service,
        "direction": "egress",
        "from": service,
        "to": to,
        "port": port,
        "protocols": ["UDP", "TCP"] if to == "DNS" else ["TCP"],
        "address": peer["address"],
        "decided": peer["decided"],
        "peer": peer,
    }


def _dns() -> Peer:
    return {
        "namespace": "kube-system",
        "labels": [{"name": "k8s-app", "value": "kube-dns"}],
        "ranges": [],
        "excepted": [],
        "address": "pods k8s-app=kube-dns in namespace kube-system",
        "decided": True,
    }


def _public() -> Peer:
    return {
        "namespace": None,
        "labels": [],
        "ranges": ["0.0.0.0/0"],
        "excepted": list(NOT_PUBLIC),
        "address": "any public address",
        "decided": True,
    }
