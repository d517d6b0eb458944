"""Saving and restoring, with the bundle's scripts as they are, the real kubectl and a real PostgreSQL server."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import tools
from tests.bundles import load_text, render_bundle
from tests.cluster import CONTEXT, Cluster, Machine, Refusal, machine
from tests.postgres import ADMIN, Server, make_cluster, postgres
from tests.servers import HOST, until
from tests.test_recovery import IN_CLUSTER

pytestmark = pytest.mark.real

RUNNING = {"shop-api-blue": 5, "shop-api-green": 0, "indexer": 4, "front-blue": 3}
ROLES = """
CREATE ROLE keeper LOGIN CREATEDB;
CREATE ROLE shop_app LOGIN;
CREATE ROLE reader;
GRANT shop_app TO keeper;
"""
# Something of all that a database can have: each must come back.
SHOP = """
CREATE DATABASE orders OWNER keeper TEMPLATE {template} LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'
    LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' CONNECTION LIMIT 40;
COMMENT ON DATABASE orders IS 'It''s the shop''s';
ALTER DATABASE orders SET search_path = public, "Odd $name";
ALTER DATABASE orders SET work_mem = '8MB';
ALTER DATABASE orders SET application_name = 'it''s = a, b';
ALTER ROLE keeper IN DATABASE orders SET statement_timeout = '90s';
REVOKE ALL ON DATABASE orders FROM PUBLIC;
GRANT CONNECT ON DATABASE orders TO shop_app WITH GRANT OPTION;
"""
TABLES = """
SET ROLE keeper;
CREATE SCHEMA "Odd $name";
CREATE EXTENSION pg_trgm;
CREATE TABLE sales (id bigserial PRIMARY KEY, note text, taken timestamptz NOT NULL DEFAULT now());
INSERT INTO sales (note) SELECT 'sale ' || n || E' \\\\ ''"\\n' FROM generate_series(1, 500) AS n;
CREATE TABLE lines (id bigint REFERENCES sales, part int NOT NULL, PRIMARY KEY (id, part)) PARTITION BY HASH (part);
CREATE TABLE lines_0 PARTITION OF lines FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE lines_1 PARTITION OF lines FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO lines SELECT id, part FROM sales, generate_series(1, 3) AS part;
CREATE TABLE "Odd $name"."it's ""one"" name" (empty text);
CREATE INDEX ON sales USING gin (note gin_trgm_ops);
CREATE VIEW recent AS SELECT * FROM sales WHERE taken > now() - interval '1 day';
CREATE FUNCTION count_sales() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM sales';
ALTER TABLE sales ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON sales TO shop_app USING (id > 10);
GRANT SELECT ON sales TO reader;
SELECT lo_from_bytea(0, 'a large object');
"""


class Shop(NamedTuple):
    """A machine with the bundle's scripts and a backup, the shop's cluster, and its database's server."""

    machine: Machine
    server: Server

    @property
    def cluster(self) -> Cluster:
        return self.machine.cluster

    @property
    def folder(self) -> Path:
        return self.machine.folder

    @property
    def backup(self) -> Path:
        return next(self.folder.glob("backups/*.dump"))

    def run(self, script: str, *arguments: str, **environment: str) -> Result:
        database = {"DB_HOST": HOST, "DB_PORT": str(self.server.port), "DB_USER": "keeper", "DB_NAME": "orders"}
        done = self.machine.run(self.folder / script, *arguments, **{**database, "JOBS": "2", **environment})
        return Result(done.returncode, done.stderr)

    def restore(self, *options: str, **environment: str) -> Result:
        return self.run("restore-database.sh", "--yes", *options, "orders-db", str(self.backup), **environment)

    def break_script(self, *faults: tuple[str, str]) -> None:
        path = self.folder / "restore-database.sh"
        text = path.read_text()
        for right, wrong in faults:
            assert right in text, right
            text = text.replace(right, wrong)
        path.write_text(text)

    def sign(self) -> None:
        """Write the backup's checksums anew: what is damaged was so when it was saved."""
        names = [self.backup.name, self.backup.with_suffix(".manifest").name]
        sums = [f"{hashlib.sha256((self.backup.parent / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
        self.backup.with_suffix(".sha256").write_text("".join(sums))

    def running(self) -> dict[str, int]:
        return {name: self.cluster.replicas(name) for name in RUNNING}

    def is_as_before(self) -> bool:
        """Say whether all pods run, the job is due, and the one database is the old one."""
        paused = self.cluster.objects["cronjobs", "orders-db-backup"]["spec"].get("suspend")
        return (
            self.running() == RUNNING and not paused and self.server.databases() == ["orders"] and self.sales() == 501
        )

    def sales(self) -> int:
        return int(self.server.query("SELECT count(*) FROM public.sales", "orders")[0])

    def repeat(self, said: str) -> None:
        """Run the commands that a script printed, as somebody does who copies them."""
        for line in said.splitlines():
            if line.startswith(("kubectl ", "dropdb ")):
                subprocess.run(["/bin/sh", "-c", line], env=self.machine.environment, check=True, capture_output=True)


class Result(NamedTuple):
    """How a script ended, and what it said."""

    code: int
    said: str


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for all tests, with the shop's database as a template and the roles that it needs."""
    with tools.unprivileged_folder() as folder, postgres(make_cluster(folder)) as running:
        running.query(ROLES + SHOP.format(template="template0"))
        running.query(TABLES, "orders")
        yield running


@pytest.fixture(scope="module")
def saved(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that the bundle's script made; the database that it is of is a template from now on."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "backups").mkdir()
    write_scripts(folder)
    with machine(folder) as here:
        prepare(here)
        done = Shop(here, server).run(
            "backup-database.sh", "--dump-only", "orders-db", BACKUP_DIR=str(folder / "backups")
        )
    assert done.code == 0, done.said
    server.query("ALTER DATABASE orders RENAME TO shop_template; ALTER DATABASE shop_template IS_TEMPLATE true")
    return folder / "backups"


@pytest.fixture
def shop(server: Server, saved: Path, tmp_path: Path) -> Iterator[Shop]:
    """The shop at work: one more sale since the backup."""
    server.query(SHOP.format(template="shop_template"))
    server.query("INSERT INTO sales (note) VALUES ('since the backup')", "orders")
    shutil.copytree(saved, tmp_path / "backups")
    write_scripts(tmp_path)
    with machine(tmp_path) as here:
        prepare(here)
        here.cluster.add_service("shop-api", blue=RUNNING["shop-api-blue"], green=RUNNING["shop-api-green"])
        here.cluster.add_deployment("indexer", RUNNING["indexer"], "indexer")
        here.cluster.add_deployment("front-blue", RUNNING["front-blue"], "front")
        here.cluster.add("cronjobs", "orders-db-backup", {}, {"app.kubernetes.io/part-of": "saved-reports"})
        yield Shop(here, server)
    for name in server.databases():
        server.query(f'DROP DATABASE "{name}" WITH (FORCE)')


def write_scripts(folder: Path, text: str = IN_CLUSTER) -> None:
    for path, content in render_bundle(load_text(text)).items():
        if path.startswith("disaster-recovery/") and path.endswith(".sh"):
            (folder / path.rpartition("/")[2]).write_text(content)


def prepare(here: Machine) -> None:
    """Put PostgreSQL's own programs first: Debian's choose a version in Perl, at every call."""
    here.environment["PATH"] = here.environment["PATH"].replace(":", f":{tools.postgresql_folder()}:", 1)


# Saving


def test_a_backup_is_a_dump_with_its_rows_and_checksums(saved: Path) -> None:
    dump = next(saved.glob("*.dump"))
    assert {path.suffix for path in saved.iterdir()} == {".dump", ".manifest", ".sha256"}
    manifest = dump.with_suffix(".manifest").read_text().splitlines()
    assert manifest[0] == "database orders"
    assert re.fullmatch(r"taken-at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", manifest[1])
    assert manifest[2:] == [
        *(f"role {name}" for name in ("admin", "keeper", "reader", "shop_app")),
        'rows 0 Odd $name.it\'s "one" name',
        "rows 1000 public.lines_0",
        "rows 500 public.lines_1",
        "rows 500 public.sales",
    ]


@pytest.mark.parametrize(
    ("arguments", "environment", "why"),
    [
        ((), {}, "say which database"),
        (("orders-db",), {"BACKUP_DIR": ""}, "BACKUP_DIR"),
        (("orders-db",), {"BACKUP_DIR": "/no/such/folder"}, "is no folder"),
        (("--dump-only", "orders-db"), {"DB_HOST": ""}, "DB_HOST"),
        (("--dump-only", "orders-db"), {"DB_NAME": "bills"}, 'database "bills" does not exist'),
        (("--dump-only", "orders-db"), {"DB_USER": "shop_app"}, "permission denied"),
        (("--upload-only", "orders-db"), {"BACKUP_TO": "s3://undecided.invalid/x"}, "is no bucket"),
    ],
    ids=["no database", "no folder", "another folder", "no server", "another database", "a role that may not read all",
         "an undecided bucket"],
)  # fmt: skip
def test_a_backup_that_cannot_be_made_says_why_and_leaves_nothing(
    shop: Shop, arguments: tuple[str, ...], environment: dict[str, str], why: str
) -> None:
    folder = shop.folder / "new"
    folder.mkdir()
    code, said = shop.run("backup-database.sh", *arguments, **{"BACKUP_DIR": str(folder), **environment})
    assert code != 0
    assert why in said
    assert list(folder.iterdir()) == []


def test_a_backup_that_is_interrupted_leaves_nothing(shop: Shop) -> None:
    folder = shop.folder / "new"
    folder.mkdir()
    interrupter(shop, Moment("pg_dump", 1), "TERM")
    assert shop.run("backup-database.sh", "--dump-only", "orders-db", BACKUP_DIR=str(folder)).code != 0
    assert list(folder.iterdir()) == []


def test_backups_that_were_kept_long_enough_are_removed_and_only_these(shop: Shop) -> None:
    folder = shop.folder / "new"
    folder.mkdir()
    days = {age: f"{datetime.now(UTC) - timedelta(days=age):%Y%m%dT%H%M%SZ}" for age in (13, 15)}
    names = [f"orders-db-{day}.{part}" for day in days.values() for part in ("dump", "manifest", "sha256")]
    others = [f"orders-db-old-{days[15]}.dump", f"orders-db-{days[15]}.txt", f"b-db-{days[15]}.dump"]
    for name in (*names, *others):
        (folder / name).touch()
    assert shop.run("backup-database.sh", "--dump-only", "orders-db", BACKUP_DIR=str(folder)).code == 0
    left = {path.name for path in folder.iterdir()}
    assert {*names, *others} - left == set(names[3:])
    assert len(left) == len(others) + 3 + 3


# Restoring


def test_a_restore_brings_all_back_and_keeps_the_old_data(shop: Shop) -> None:
    code, said = shop.restore()
    assert code == 0, said
    kept = next(name for name in shop.server.databases() if name != "orders")
    assert (shop.sales(), shop.server.query("SELECT count(*) FROM public.sales", kept)) == (500, ["501"])
    wanted = shop.server.dump("shop_template").replace("ALTER DATABASE the_database IS_TEMPLATE = true;\n", "")
    assert [*unified_diff(wanted.splitlines(), shop.server.dump("orders").splitlines(), n=0)][:20] == []
    assert shop.server.query("INSERT INTO sales (note) VALUES ('the next') RETURNING id", "orders") == ["501"]
    shop.repeat(said)
    assert shop.server.databases() == ["orders"], "the command that drops the old data does not"


def test_a_restore_stops_all_that_writes_and_starts_it_as_it_was(shop: Shop) -> None:
    shop.cluster.scale("shop-api-green", 2)
    shop.cluster.events.clear()
    assert shop.restore().code == 0
    scaled = [event[1:] for event in shop.cluster.events if event[0] == "scale"]
    writers = {"shop-api-blue": 5, "shop-api-green": 2, "indexer": 4}
    assert scaled == [*((name, 0) for name in writers), *writers.items()]
    pauses = [event[2] for event in shop.cluster.events if event[1] == "orders-db-backup"]
    assert pauses == [{"spec": {"suspend": True}}, {"spec": {"suspend": False}}]


def test_a_restore_stops_and_starts_rollouts_by_their_kind(shop: Shop) -> None:
    write_scripts(shop.folder, f"{IN_CLUSTER}platform: {{rollout: argo-rollouts}}\n")
    for name in ("shop-api-blue", "shop-api-green"):
        del shop.cluster.objects["deployments", name]
    shop.cluster.add_rollout("shop-api", "old")
    code, said = shop.restore()
    assert code == 0, said
    assert [event[1:] for event in shop.cluster.events if event[0] == "scale"] == [
        ("shop-api", 0), ("indexer", 0), ("shop-api", 3), ("indexer", 4)
    ]  # fmt: skip
    assert "scale rollout/shop-api --replicas 3" in said
    waited = [call for call in shop.machine.calls() if " wait " in call or "rollout status" in call]
    assert [re.search(r"(?:rollout|deployment)/\S+", call)[0] for call in waited] == [  # type: ignore[index]
        "rollout/shop-api", "deployment/indexer"
    ]  # fmt: skip


def test_a_restore_tells_the_point_and_the_time_that_it_reached(shop: Shop) -> None:
    manifest = shop.backup.with_suffix(".manifest")
    manifest.write_text(re.sub("taken-at .*", "taken-at 2026-01-01T06:00:00Z", manifest.read_text()))
    shop.sign()
    said = shop.restore().said
    found = re.search(r"recovery point: 2026-01-01T06:00:00Z, (\d+) s before this restore, of 14400 s allowed", said)
    assert found
    age = time.time() - datetime(2026, 1, 1, 6, tzinfo=UTC).timestamp()
    assert age - 60 < int(found[1]) <= age
    assert re.search(r"recovery time: \d+ s, of 3600 s allowed", said)


def test_whoever_is_still_connected_is_cut_off_and_nothing_is_lost_between(shop: Shop) -> None:
    with shop.server.session("orders", "shop_app") as session:
        assert shop.restore().code == 0
        assert session.wait(10) != 0


def test_a_role_that_is_no_superuser_restores_while_the_server_cleans(shop: Shop) -> None:
    with shop.server.cleaning("orders"):
        assert shop.restore().code == 0


# What is refused before anything is stopped


def damage(shop: Shop) -> None:
    shop.backup.write_bytes(shop.backup.read_bytes()[:-100])


def no_archive(shop: Shop) -> None:
    shop.backup.write_text("no archive at all")
    shop.sign()


def no_sums(shop: Shop) -> None:
    shop.backup.with_suffix(".sha256").unlink()


DEMANDED = ("DB_HOST", "DB_USER", "DB_NAME", "KUBE_CONTEXT", "NAMESPACE")


def nothing(_shop: Shop) -> None:
    """The backup is good."""


@pytest.mark.parametrize(
    ("fault", "environment", "why"),
    [
        (damage, {}, "is damaged: take an older one"),
        (no_archive, {}, "is no archive that pg_restore can read"),
        (no_sums, {}, "has no .manifest and .sha256 beside it"),
        (nothing, {"DB_NAME": "invoices"}, "is of another database than invoices"),
        (nothing, {"DB_USER": "shop_app"}, "shop_app may not create databases, or does not own orders"),
        (nothing, {"DB_PORT": "1"}, "Connection refused"),
        (nothing, {"KUBE_CONTEXT": "elsewhere"}, 'context "elsewhere" does not exist'),
        *((nothing, {name: ""}, f"{name}: ") for name in DEMANDED),
    ],
    ids=["a damaged dump", "no archive", "no checksums", "another database", "a role without the right", "no server",
         "another cluster", "no host", "no role", "no name", "no context", "no namespace"],
)  # fmt: skip
def test_what_cannot_be_restored_is_told_before_anything_is_stopped(
    shop: Shop, fault: Callable[[Shop], None], environment: dict[str, str], why: str
) -> None:
    fault(shop)
    code, said = shop.restore(**environment)
    assert code != 0
    assert why in said
    assert shop.cluster.events == []
    assert shop.is_as_before()


def test_a_database_that_the_server_does_not_have_is_told(shop: Shop) -> None:
    shop.server.query("ALTER DATABASE orders RENAME TO bills")
    code, said = shop.restore()
    assert (code, shop.cluster.events) == (1, [])
    assert "has no database orders" in said


@pytest.mark.parametrize(
    "arguments", [(), ("--yes", "payments-db", "x"), ("--yes", "orders-db", "no-such-file"), ("--now",)]
)
def test_arguments_that_name_nothing_are_refused(shop: Shop, arguments: tuple[str, ...]) -> None:
    assert shop.run("restore-database.sh", *arguments).code == 1
    assert shop.cluster.events == []


def test_a_restore_is_confirmed(shop: Shop) -> None:
    done = shop.run("restore-database.sh", "orders-db", str(shop.backup))
    assert (done.code, shop.cluster.events) == (1, [])
    assert "no terminal to ask on: nothing was changed; add --yes" in done.said


def test_a_dry_run_and_a_verification_change_nothing(shop: Shop) -> None:
    assert shop.restore("--dry-run").code == 0
    code, said = shop.restore("--verify-only", KUBE_CONTEXT="", NAMESPACE="")
    assert code == 0, said
    assert "the rows of 4 tables are those of the backup" in said
    assert shop.cluster.events == []
    assert shop.is_as_before()


# What goes wrong on the way


def rot(shop: Shop) -> None:
    """Damage the data of the dump, not its list of contents, before the checksums."""
    content = bytearray(shop.backup.read_bytes())
    content[-200:-100] = bytes(100)
    shop.backup.write_bytes(content)
    shop.sign()


def lose_a_row(shop: Shop) -> None:
    manifest = shop.backup.with_suffix(".manifest")
    manifest.write_text(manifest.read_text().replace("rows 500 public.sales", "rows 501 public.sales"))
    shop.sign()


def hold_a_pod(shop: Shop) -> None:
    shop.cluster.stuck.add("indexer")


def refuse_to_stop(shop: Shop) -> None:
    def refuse(_resource: str, name: str) -> None:
        if name == "indexer" and shop.cluster.replicas(name) and shop.cluster.replicas("shop-api-blue") == 0:
            raise Refusal(403, "you may not")

    shop.cluster.before_patch = refuse


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (rot, "pg_restore: error"),
        (lose_a_row, "the rows differ"),
        (hold_a_pod, "pods of indexer do not end"),
        (refuse_to_stop, "you may not"),
    ],
    ids=["a dump that was saved damaged", "a row too few", "a pod that does not end", "a right that is missing"],
)
def test_a_restore_that_fails_leaves_all_as_it_was(shop: Shop, fault: Callable[[Shop], None], why: str) -> None:
    fault(shop)
    code, said = shop.restore(DEADLINE="1")
    assert code != 0
    assert why in said
    assert "orders was not replaced" in said
    assert shop.is_as_before()


def test_an_application_that_does_not_come_back_is_no_success(shop: Shop) -> None:
    shop.cluster.broken.add("indexer")
    code, said = shop.restore(DEADLINE="1")
    assert code == 1
    assert "orders is the restored one; the data before is orders_before_" in said
    assert shop.sales() == 500


def refuse_to_start(shop: Shop) -> None:
    def refuse(_resource: str, name: str) -> None:
        if name in RUNNING and not shop.cluster.replicas(name):
            raise Refusal(403, "you may not")

    shop.cluster.before_patch = refuse


@pytest.mark.parametrize("fault", [nothing, lose_a_row], ids=["after the exchange", "before the exchange"])
def test_pods_that_cannot_be_started_are_no_success_and_the_printed_commands_start_them(
    shop: Shop, fault: Callable[[Shop], None]
) -> None:
    fault(shop)
    refuse_to_start(shop)
    configuration = shop.folder / "kubeconfig"
    configuration.write_text(configuration.read_text().replace(CONTEXT, "it's here"))
    code, said = shop.restore(KUBE_CONTEXT="it's here")
    assert code == 1
    _, told, commands = said.partition("THE APPLICATION IS STILL STOPPED. Run:\n")
    assert told
    shop.cluster.before_patch = lambda _resource, _name: None
    shop.repeat(commands)
    assert shop.running() == RUNNING


# What interrupts it


class Moment(NamedTuple):
    """A call of a command, by words of its line and which of several such calls it is."""

    words: str
    ordinal: int


STEPS = {
    "before it makes the new database": Moment("psql", 2),
    "before it pauses a job": Moment("patch cronjob", 1),
    "before it stops the application": Moment("--replicas 0", 1),
    "while it waits for pods to end": Moment("get pods", 1),
    "while it restores": Moment("pg_restore --exit-on-error", 1),
    "while it counts rows": Moment("psql", 4),
    "before it exchanges the two": Moment("--single-transaction", 1),
    "after it has exchanged the two": Moment("scale deployment shop-api-blue", 2),
    "before it has started the last": Moment("scale deployment indexer", 1),
    "before it looks whether they are there": Moment("rollout status", 1),
}
"""A step, by the command that begins it."""

INTERRUPTER = """#!/bin/sh
case "{name} $*" in
*"{words}"*)
    echo x >>"${{HOME}}/reached"
    if [ "$(wc -l <"${{HOME}}/reached")" -eq {ordinal} ]; then
        read -r _ _ _ _ _ session _ </proc/$$/stat
        kill -s {signal} -- "{whom}${{session}}"
        sleep 0.1
    fi
    ;;
esac
exec {command} "$@"
"""


def interrupter(shop: Shop, moment: Moment, signal: str, whom: str = "") -> None:
    """Send a signal as a command begins: to the script's own process, or with `-` to all that it has started."""
    folder = shop.folder / "interrupters"
    folder.mkdir()
    for name in ("kubectl", "psql", "pg_dump", "pg_restore"):
        command = shop.folder / "bin/kubectl" if name == "kubectl" else tools.tool(name)
        text = INTERRUPTER.format(name=name, command=command, signal=signal, whom=whom, **moment._asdict())
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    shop.machine.environment["PATH"] = f"{folder}:{shop.machine.environment['PATH']}"


def interrupt(shop: Shop, step: str, signal: str, whom: str = "") -> Result:
    """Restore, and send a signal at a step."""
    interrupter(shop, STEPS[step], signal, whom)
    done = shop.restore()
    assert (shop.folder / "reached").read_text().count("x") >= STEPS[step].ordinal, "the step was not reached"
    return done


def is_whole(shop: Shop, said: str) -> bool:
    """Say whether the application runs as before, and the one database is all old or all new, as the script said."""
    kept = [name for name in shop.server.databases() if name.startswith("orders_before_")]
    if kept:
        told = f"orders is the restored one; the data before is {kept[0]}" in said
        return told and shop.sales() == 500 and shop.running() == RUNNING
    return "orders was not replaced" in said and shop.is_as_before()


CODES = {"HUP": 129, "INT": 130, "TERM": 143}
OFTEN = [
    ("INT", "-", "before it pauses a job"),
    ("TERM", "", "before it stops the application"),
    ("HUP", "", "while it restores"),
    ("INT", "-", "before it exchanges the two"),
    ("INT", "-", "before it has started the last"),
]
ALL = [(signal, whom, step) for step in STEPS for signal in CODES for whom in ("", "-")]


@pytest.mark.parametrize(("signal", "whom", "step"), ALL if os.environ.get("SIGNALS") == "all" else OFTEN)
def test_a_restore_that_is_interrupted_leaves_a_whole_application(
    shop: Shop, signal: str, whom: str, step: str
) -> None:
    code, said = interrupt(shop, step, signal, whom)
    assert code == CODES[signal], said
    assert is_whole(shop, said), said


def test_after_a_script_that_was_killed_what_it_printed_before_brings_the_application_back(shop: Shop) -> None:
    code, said = interrupt(shop, "before it exchanges the two", "KILL", "-")
    assert (code, shop.running()["indexer"], shop.sales()) == (-9, 0, 501)
    assert "first run the commands that it printed" in shop.restore("--dry-run").said
    shop.repeat(said)
    assert shop.running() == RUNNING
    assert "nothing runs" not in shop.restore("--dry-run").said


def test_a_second_interruption_does_not_keep_the_application_stopped(shop: Shop) -> None:
    shop.break_script(("    resume\n    [[", '    kill -s INT -- "-$$"\n    resume\n    [['))
    code, said = interrupt(shop, "before it exchanges the two", "INT", "-")
    assert (code, is_whole(shop, said)) == (130, True)


def test_a_terminal_that_is_gone_does_not_keep_the_application_stopped(shop: Shop) -> None:
    script, reader = shop.folder / "restore-database.sh", "head --lines 7 >said; kill -s HUP -- -$$"
    (shop.folder / "lost.sh").write_text(f'cd "${{HOME}}"; bash {script} "$@" 2>&1 | {{ {reader}; }}')
    shop.run("lost.sh", "--yes", "orders-db", str(shop.backup))
    until(shop.is_as_before, shop.running)
    assert "stopped" in (shop.folder / "said").read_text()


# The daily proof


@pytest.fixture(scope="module")
def empty() -> Iterator[Server]:
    """A server that has nothing, not even the roles."""
    with tools.unprivileged_folder() as folder, postgres(make_cluster(folder)) as running:
        yield running


@pytest.fixture
def scratch(empty: Server, saved: Path, tmp_path: Path) -> Iterator[Shop]:
    """A scratch server, a bucket with one backup, and a machine that reaches both and no cluster."""
    write_scripts(tmp_path)
    shutil.copytree(saved, tmp_path / "bucket/orders")
    (tmp_path / "backups").mkdir()
    with machine(tmp_path) as here:
        prepare(here)
        here.add_command("aws", BUCKET)
        yield Shop(here, empty)
    empty.query("DROP DATABASE IF EXISTS orders")


BUCKET = """
case "$1 $2" in
"s3api list-objects-v2") cd "${HOME}/bucket" && ls "$6"* | tr '\\n' '\\t' ;;
"s3 cp") cp "${HOME}/bucket/${4#s3://dumps/}" "$5" ;;
esac
"""


def verify(scratch: Shop, *options: str, **environment: str) -> Result:
    return scratch.run("verify-backup.sh", *options, "orders-db", DB_USER=ADMIN,
                       BACKUP_DIR=str(scratch.folder / "backups"), **environment)  # fmt: skip


def test_the_newest_backup_is_restored_into_a_scratch_server_and_compared(scratch: Shop) -> None:
    old = "orders-db-20200101T000000Z"
    for part in ("dump", "manifest", "sha256"):
        (scratch.folder / f"bucket/orders/{old}.{part}").touch()
    code, said = verify(scratch)
    assert code == 0, said
    assert "the rows of 4 tables are those of the backup" in said
    assert re.search(r"it took \d+ s, of 3600 s allowed", said)
    assert scratch.sales() == 500
    code, said = verify(scratch, "--restore-only")
    assert (code, "is no scratch server: it has orders" in said) == (1, True)


def empty_bucket(scratch: Shop) -> None:
    for path in (scratch.folder / "bucket/orders").iterdir():
        path.rename(path.with_name(path.name.replace("orders-db-", "orders-db-2-")))


def let_it_age(scratch: Shop) -> None:
    day = datetime.now(UTC) - timedelta(hours=6, minutes=10)
    for path in (scratch.folder / "bucket/orders").iterdir():
        path.rename(path.with_name(f"orders-db-{day:%Y%m%dT%H%M%SZ}{path.suffix}"))


def lose_the_sums(scratch: Shop) -> None:
    next((scratch.folder / "bucket/orders").glob("*.sha256")).unlink()


@pytest.mark.parametrize(
    ("fault", "why"),
    [(empty_bucket, "there is no backup in s3://dumps/orders"), (lose_the_sums, "there is no backup in"),
     (let_it_age, "and newer ones are missing")],
    ids=["no backup", "an upload that was cut off", "a job that stopped"],
)  # fmt: skip
def test_a_newest_backup_that_is_none_fails_the_proof(scratch: Shop, fault: Callable[[Shop], None], why: str) -> None:
    fault(scratch)
    code, said = verify(scratch, "--download-only")
    assert code == 1
    assert why in said


@pytest.mark.parametrize(
    ("fault", "why"),
    [(damage, "is damaged"), (rot, "pg_restore: error"), (lose_a_row, "the rows differ")],
    ids=["a damaged dump", "a dump that was saved damaged", "a row too few"],
)
def test_a_backup_that_does_not_come_back_fails_the_proof(
    scratch: Shop, fault: Callable[[Shop], None], why: str
) -> None:
    assert verify(scratch, "--download-only").code == 0
    fault(scratch)
    code, said = verify(scratch, "--restore-only")
    assert code != 0
    assert why in said


# What the template's script did wrong, and what shows it


def is_told(_shop: Shop, done: Result) -> bool:
    return "DB_HOST: " in done.said


def is_verified(_shop: Shop, done: Result) -> bool:
    return done.code != 0


def is_untouched(shop: Shop, _done: Result) -> bool:
    return shop.cluster.events == []


def has_its_pods(shop: Shop, _done: Result) -> bool:
    return shop.running() == RUNNING


def waits(_shop: Shop, done: Result) -> bool:
    return "restoring into" not in done.said


def stops_all(shop: Shop, _done: Result) -> bool:
    stopped = {name for _, name, what in shop.cluster.events if what in (0, {"spec": {"suspend": True}})}
    return stopped == {"shop-api-blue", "indexer", "orders-db-backup"}


def come_back_broken(shop: Shop) -> None:
    shop.cluster.broken.add("indexer")


@pytest.mark.parametrize(
    ("faults", "before", "right"),
    [
        ((('"${DB_HOST:?the server}" ', ""), ("${DB_HOST}", "${DB_HOST:-}")), nothing, is_told),
        ((("trap finish EXIT\n", ""),), rot, has_its_pods),
        ((('("${deployment} ${replicas}")', '("${deployment} 3")'),), nothing, has_its_pods),
        ((('[[ -n "${pods}" ]] || break', "break"),), hold_a_pod, waits),
        ((('rollout status "deployment/${each% *}" --timeout', "get pods #"),), come_back_broken, is_verified),
        ((("(shop-api-blue shop-api-green indexer)", "(shop-api-blue)"),), nothing, stops_all),
        ((('for job in "${jobs[@]}"', "for job in"),), nothing, stops_all),
        ((('sha256sum --check --quiet "${checksums##*/}"', "true"),), damage, is_untouched),
        ((("\n    --yes) YES=true ;;", "\n    --yes) ;;"), ("\nconfirm\n", "\n")), nothing, is_untouched),
        ((('|| die "the rows differ', '|| log "the rows differ'),), lose_a_row, is_verified),
    ],
    ids=["D2", "D3", "D4", "D5", "D6", "D7 writers", "D7 jobs", "D8 checksum", "D8 question", "D9"],
)  # fmt: skip
def test_a_fault_that_the_document_had_is_found(
    shop: Shop,
    faults: tuple[tuple[str, str], ...],
    before: Callable[[Shop], None],
    right: Callable[[Shop, Result], bool],
) -> None:
    before(shop)
    shop.break_script(*faults)
    done = shop.restore(DEADLINE="1", **({"DB_HOST": ""} if right is is_told else {}))
    assert not right(shop, done)
