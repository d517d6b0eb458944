"""How a PostgreSQL server is set for the memory and the processors it has.

The rules are the usual ones of PostgreSQL's documentation; every value follows from a size in the spec.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypedDict

from devops_tasks.spec import DatabaseSize

_KB = 1024
_MB_IN_KB = 1024
_GB_IN_KB = 1024 * 1024
_PAGE_KB = 8
_WAL_BUFFERS_KB = 16 * _MB_IN_KB
_MAINTENANCE_KB = 2 * _GB_IN_KB
_WORK_KB = 4 * _MB_IN_KB
_WORKERS = 8
_GATHER = 4


class Setting(TypedDict):
    """One setting: ``value`` as ALTER SYSTEM takes it, ``parameter`` in the unit of a parameter group."""

    name: str
    value: str
    parameter: str
    restart: bool
    why: str


class _Amount(NamedTuple):
    """A setting of memory; ``unit_kb`` is the unit in which the server counts it."""

    name: str
    kilobytes: int
    unit_kb: int
    restart: bool
    why: str


class _Plain(NamedTuple):
    """A setting without unit."""

    name: str
    value: str
    restart: bool
    why: str


def plan_settings(size: DatabaseSize) -> list[Setting]:
    """Plan the settings of one server, those that need a restart first."""
    settings = [*map(_amount, _amounts(size)), *map(_plain, _plains(size))]
    return sorted(settings, key=lambda setting: not setting["restart"])


def _amounts(size: DatabaseSize) -> Iterator[_Amount]:
    memory = size.memory.bytes // _KB
    shared = memory // 4
    wal = min(_WAL_BUFFERS_KB, max(_MB_IN_KB, shared // 32))
    work = max(_WORK_KB, memory // 4 // size.max_connections)
    yield _Amount("shared_buffers", shared, _PAGE_KB, restart=True, why="a quarter of the memory")
    yield _Amount("wal_buffers", wal, _PAGE_KB, restart=True, why="one WAL segment")
    yield _Amount("effective_cache_size", memory * 3 // 4, _PAGE_KB, restart=False, why="three quarters of the memory")
    yield _Amount(
        "maintenance_work_mem", min(_MAINTENANCE_KB, memory // 16), 1, restart=False,
        why="a sixteenth of the memory, at most 2GB",
    )  # fmt: skip
    yield _Amount("work_mem", work, 1, restart=False, why="a quarter of the memory over all connections, at least 4MB")


def _plains(size: DatabaseSize) -> Iterator[_Plain]:
    gather = max(1, min(_GATHER, size.cpu // 2))
    yield _Plain("max_connections", str(size.max_connections), restart=True, why="as the spec has it")
    yield _Plain("max_worker_processes", str(max(_WORKERS, size.cpu)), restart=True, why="at least one per processor")
    yield _Plain("max_parallel_workers", str(size.cpu), restart=False, why="one per processor")
    yield _Plain("max_parallel_workers_per_gather", str(gather), restart=False, why="half of the processors, at most 4")
    yield _Plain("checkpoint_completion_target", "0.9", restart=False, why="spreads the writes of a checkpoint")
    yield _Plain("default_statistics_target", "100", restart=False, why="PostgreSQL's own, said out loud")
    yield _Plain("random_page_cost", "1.1", restart=False, why="SSD: a random page costs hardly more")
    yield _Plain("effective_io_concurrency", "200", restart=False, why="SSD: many reads at once")


def _amount(amount: _Amount) -> Setting:
    megabytes = max(1, amount.kilobytes // _MB_IN_KB)
    return {
        "name": amount.name,
        "value": f"{megabytes}MB" if megabytes % _KB else f"{megabytes // _KB}GB",
        "parameter": str(megabytes * _MB_IN_KB // amount.unit_kb),
        "restart": amount.restart,
        "why": amount.why,
    }


def _plain(plain: _Plain) -> Setting:
    return {
        "name": plain.name,
        "value": plain.value,
        "parameter": plain.value,
        "restart": plain.restart,
        "why": plain.why,
    }
