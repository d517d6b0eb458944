"""The page on restoring shows what the scripts print: `make golden` writes it anew, any other run compares it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import tools
from tests.bundles import example
from tests.cluster import Machine, machine
from tests.postgres import make_cluster, postgres
from tests.servers import HOST
from tests.test_restore import STEPS, Shop, interrupter, prepare
from tests.tools import ROOT
from tests.transcripts import at_one_time, shows, transcript

PAGE = ROOT / "docs/how-to/restore-a-database.md"
RUNNING = {"checkout-api-blue": 4, "order-mailer": 2}
SHOP = """
CREATE ROLE keeper LOGIN CREATEDB;
CREATE DATABASE orders OWNER keeper;
"""
TABLES = """
SET ROLE keeper;
CREATE TABLE customers AS SELECT id FROM generate_series(1, 120) AS id;
CREATE TABLE sales AS SELECT id FROM generate_series(1, 500) AS id;
"""
STAND_INS = (
    (r"\d{8}T\d{6}Z", "20261208T140000Z"),
    (r"_(before|restore)_\d{14}", r"_\1_20261208140321"),
    (r"--port \d+", "--port 5432"),
    (r"(?<!of )\b\d+ s\b", "12 s"),
)
"""What is another one each time, and what the page has in its place."""


@contextmanager
def shop_at_work(folder: Path) -> Iterator[Shop]:
    """Give the example's scripts, its services at work, and the server of its database."""
    for path, text in example("checkout").items():
        if path.startswith("disaster-recovery/") and path.endswith(".sh"):
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
            (folder / path).chmod(0o755)
    (folder / "backups").mkdir()
    with tools.unprivileged_folder() as own, postgres(make_cluster(own)) as server, machine(folder) as here:
        prepare(here)
        server.query(SHOP)
        server.query(TABLES, "orders")
        here.cluster.add_service("checkout-api", blue=RUNNING["checkout-api-blue"], green=0)
        here.cluster.add_deployment("order-mailer", RUNNING["order-mailer"], "order-mailer")
        here.cluster.add("cronjobs", "orders-db-backup", {}, {"app.kubernetes.io/part-of": "checkout"})
        here.environment |= {
            "DB_HOST": HOST, "DB_PORT": str(server.port), "DB_USER": "keeper", "DB_NAME": "orders", "JOBS": "2",
            "BACKUP_DIR": "backups",
        }  # fmt: skip
        yield Shop(here, server)


def restore(shop: Shop, options: str, code: int) -> str:
    return transcript(shop.machine, f"disaster-recovery/restore-database.sh {options} orders-db backups/*.dump", code)


def interrupted(shop: Shop, step: str, signal: str, code: int) -> str:
    """Restore, with a signal to all that the script has started as it comes to a step."""
    path = shop.machine.environment["PATH"]
    interrupter(shop, STEPS[step], signal, "-")
    try:
        return restore(shop, "--yes", code)
    finally:
        shop.machine.environment["PATH"] = path
        (shop.folder / "interrupters").rename(shop.folder / f"interrupters-{signal}")
        (shop.folder / "reached").unlink()


def repeated(shop: Machine, said: str) -> str:
    """Run the commands that a script has printed, and write down what stands on the terminal."""
    lines = [line for line in said.splitlines() if line.startswith("kubectl ")]
    return "\n".join(transcript(shop, line, 0) for line in lines)


def play(shop: Shop) -> Iterator[tuple[str, str]]:
    yield "a backup", transcript(shop.machine, "disaster-recovery/backup-database.sh --dump-only orders-db", 0)
    shop.server.query("INSERT INTO sales VALUES (501)", "orders")
    yield "a look before", restore(shop, "--yes --verify-only", 0)
    yield "a restore", restore(shop, "--yes", 0)
    assert shop.server.query("SELECT count(*) FROM sales", "orders") == ["500"]
    kept = next(name for name in shop.server.databases() if name != "orders")
    shop.server.query(f"DROP DATABASE {kept}")
    shop.server.query("INSERT INTO sales VALUES (501)", "orders")
    yield "an interruption", interrupted(shop, "while it restores", "INT", 130)
    assert (running(shop), shop.server.databases()) == (RUNNING, ["orders"])
    killed = interrupted(shop, "while it counts rows", "KILL", -9)
    yield "a kill", killed
    assert running(shop) == dict.fromkeys(RUNNING, 0)
    yield "what was printed", repeated(shop.machine, killed)
    assert running(shop) == RUNNING
    assert shop.server.query("SELECT count(*) FROM sales", "orders") == ["501"]


def running(shop: Shop) -> dict[str, int]:
    return {name: shop.cluster.replicas(name) for name in RUNNING}


def alike(said: str) -> str:
    for pattern, text in STAND_INS:
        said = re.sub(pattern, text, said)
    return at_one_time(said)


@pytest.mark.real
def test_the_page_shows_what_the_scripts_print(tmp_path: Path, *, update_golden: bool) -> None:
    with shop_at_work(tmp_path) as shop:
        shows(PAGE, {name: alike(said) for name, said in play(shop)}, update=update_golden)
