"""Tuning as a real PostgreSQL server takes it: every setting of every size, and which of them wait for a restart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from devops_tasks.plan import plan_bundle
from tests import tools
from tests.bundles import load_text, render_bundle
from tests.postgres import Server, make_cluster, postgres
from tests.specs import MINIMAL
from tests.test_recovery import Cfn

pytestmark = pytest.mark.real

SPEC = f"""{MINIMAL}
databases:
  - name: orders-db
    hosting: {{}}
    staging: {{memory: 256Mi, cpu: 1, max_connections: 20}}
    production: {{memory: 1Gi, cpu: 2, max_connections: 50}}
"""
IN_CLUSTER, MANAGED = SPEC.replace("{}", "in-cluster"), SPEC.replace("{}", "managed")
SIZES = list(product(("1Mi", "256Mi", "1Gi", "31Gi", "244Gi", "4Ti"), (1, 3, 64, 1024), (5, 200, 100_000)))


def planned(text: str) -> dict[str, Any]:
    database: dict[str, Any] = plan_bundle(load_text(text).spec)["databases"][0]
    return database


@pytest.fixture(scope="module")
def files() -> Iterator[Path]:
    with tools.unprivileged_folder() as folder:
        yield make_cluster(folder)


@pytest.fixture
def server(files: Path) -> Iterator[Server]:
    with postgres(files) as running:
        yield running
        running.query("ALTER SYSTEM RESET ALL")


def tune(server: Server, target: str, folder: Path) -> tuple[int, str, str]:
    path = folder / "tuning.sql"
    path.write_text(render_bundle(load_text(IN_CLUSTER))["database/tuning.sql"])
    options = [
        "--no-psqlrc",
        "--quiet",
        "--tuples-only",
        "--no-align",
        "--set",
        f"server={target}",
        "--file",
        str(path),
    ]
    done = tools.run("psql", [*options, *server.address("postgres")])
    return done.returncode, done.stdout, done.stderr


def test_every_setting_is_taken_and_what_waits_for_a_restart_is_named(server: Server, tmp_path: Path) -> None:
    code, said, complaints = tune(server, "orders-db/production", tmp_path)
    assert (code, complaints) == (0, "")
    settings = planned(IN_CLUSTER)["production"]["settings"]
    names = ", ".join(f"'{each['name']}'" for each in settings)
    postmaster = server.query(f"SELECT name FROM pg_settings WHERE context = 'postmaster' AND name IN ({names})")  # noqa: S608
    assert {each["name"] for each in settings if each["restart"]} == set(postmaster)
    waiting = set(said.splitlines())
    assert {"shared_buffers", "wal_buffers", "max_connections"} <= waiting <= set(postmaster)
    assert server.query("SHOW effective_cache_size") == ["768MB"]


def test_after_a_restart_each_has_its_value_and_a_parameter_group_says_the_same(files: Path, tmp_path: Path) -> None:
    with postgres(files) as before:
        assert tune(before, "orders-db/production", tmp_path)[0] == 0
    group = yaml.load(render_bundle(load_text(MANAGED))["database/parameter-group.yml"], Cfn)  # noqa: S506 - a safe one
    parameters = group["Resources"]["OrdersDbProduction"]["Properties"]["Parameters"]
    with postgres(files) as after:
        rows = after.query("SELECT name || '=' || setting FROM pg_settings")
        shown = {
            each["name"]: after.query(f"SHOW {each['name']}") for each in planned(IN_CLUSTER)["production"]["settings"]
        }
        waiting = after.query("SELECT name FROM pg_settings WHERE pending_restart")
        after.query("ALTER SYSTEM RESET ALL")
    assert waiting == []
    assert shown == {each["name"]: [each["value"]] for each in planned(IN_CLUSTER)["production"]["settings"]}
    assert parameters.items() <= dict(row.split("=", 1) for row in rows).items()


@pytest.mark.parametrize("target", ["orders-db", "orders-db/elsewhere", "other-db/production"])
def test_settings_for_no_server_are_refused(server: Server, tmp_path: Path, target: str) -> None:
    code, _, complaints = tune(server, target, tmp_path)
    assert code != 0
    assert f"no such server here: {target}" in complaints
    assert server.query("SELECT name FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'") == []


def test_the_server_takes_the_settings_of_every_size(server: Server) -> None:
    statements = []
    for memory, cpu, connections in SIZES:
        size = f"{{memory: {memory}, cpu: {cpu}, max_connections: {connections}}}"
        settings = planned(IN_CLUSTER.replace("{memory: 1Gi, cpu: 2, max_connections: 50}", size))["production"][
            "settings"
        ]
        statements += [f"ALTER SYSTEM SET {each['name']} = '{each['value']}';" for each in settings]
    assert len(statements) == len(SIZES) * 13
    assert server.query("\n".join(statements)) == []
