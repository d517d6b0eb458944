"""A PostgreSQL server as a process, for scripts and SQL to run against: on a free port of 127.0.0.1, no password.

Whoever starts one stops it, by its process; none outlives its test.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests import tools
from tests.servers import HOST, ServerFailedError, free_port, until

ADMIN = "admin"
"""The superuser of every server here."""

_SETTINGS = f"""
listen_addresses = '{HOST}'
unix_socket_directories = ''
shared_buffers = 16MB
autovacuum = off
fsync = off  # what is lost when the machine stops is of no use afterwards
full_page_writes = off
"""


class Server(NamedTuple):
    """A running server."""

    port: int

    def address(self, database: str) -> list[str]:
        return ["--host", HOST, "--port", str(self.port), "--username", ADMIN, "--dbname", database]

    def query(self, statement: str, database: str = "postgres") -> list[str]:
        """Give the rows of a statement, as psql prints them without their header."""
        options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]
        return _said("psql", [*options, *self.address(database)], statement).splitlines()

    @contextmanager
    def session(self, database: str, user: str) -> Iterator[subprocess.Popen[bytes]]:
        """Stay connected, as an application does; the end of the process tells that the server ended it."""
        command = [tools.tool("psql"), "--no-psqlrc", *self.address(database), "--username", user]
        waiting = "SELECT pg_sleep(60)"
        with subprocess.Popen([*command, "--command", waiting], stderr=subprocess.DEVNULL) as process:
            until(lambda: self._count(f"usename = '{user}' AND state = 'active'"), lambda: "no such session")
            yield process

    @contextmanager
    def cleaning(self, database: str) -> Iterator[None]:
        """Let the server clean a table of this database, so slowly that it does not come to an end."""
        self.query("""
            CREATE TABLE dead WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_cost_delay = 100,
                autovacuum_vacuum_cost_limit = 1) AS SELECT n FROM generate_series(1, 20000) AS n;
            DELETE FROM dead""", database)  # fmt: skip
        self.query("ALTER SYSTEM SET autovacuum = on; ALTER SYSTEM SET autovacuum_naptime = 1; SELECT pg_reload_conf()")
        try:
            until(lambda: self._count(f"backend_type = 'autovacuum worker' AND datname = '{database}'"), lambda: "none")
            yield
        finally:
            self.query("ALTER SYSTEM RESET ALL; SELECT pg_reload_conf()")

    def _count(self, condition: str) -> bool:
        return self.query(f"SELECT count(*) FROM pg_stat_activity WHERE {condition}") != ["0"]  # noqa: S608 - our own

    def databases(self) -> list[str]:
        return self.query(
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1"
        )

    def dump(self, database: str) -> str:
        """Give all of a database as SQL, with its own properties, grants and settings, but without its name."""
        text = _said("pg_dump", ["--create", "--restrict-key=same", *self.address(database)])
        return text.replace(database, "the_database")


def _said(name: str, arguments: list[str], stdin: str = "") -> str:
    done = tools.run(name, arguments, stdin=stdin)
    if done.returncode:
        raise tools.ToolFailedError(done.stderr)
    return done.stdout


def make_cluster(folder: Path) -> Path:
    """Make the files of an empty server in a folder of `tools.unprivileged()`."""
    files = folder / "server"
    options = ["--username", ADMIN, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
    command = [tools.tool("initdb"), *options, "--pgdata", str(files)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, **tools.unprivileged())
    with (files / "postgresql.conf").open("a") as configuration:
        configuration.write(_SETTINGS)
    return files


@contextmanager
def postgres(files: Path) -> Iterator[Server]:
    """Run the server whose files these are."""
    port = free_port()
    command = [tools.tool("postgres"), "-D", str(files), "-p", str(port)]
    log = files.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=files, stdout=output, stderr=output, **tools.unprivileged())
    try:
        until(lambda: _ready(process, port), lambda: log.read_text("utf-8"))
        yield Server(port)
    finally:
        process.send_signal(signal.SIGINT)  # cuts off whoever is still connected; SIGTERM would wait for them
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[bytes], port: int) -> bool:
    if process.poll() is not None:
        message = f"exit code {process.returncode}"
        raise ServerFailedError(message)
    return tools.run("pg_isready", ["--quiet", "--host", HOST, "--port", str(port)]).returncode == 0
