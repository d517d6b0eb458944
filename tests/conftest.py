"""Options, fixtures and Hypothesis profiles that all tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import tools

# What is written in Go (promtool, Prometheus, kubectl) spends a fifth of its time on collecting garbage more often.
os.environ.setdefault("GOGC", "400")
# So do our own processes, with all of pytest in memory and thousands of values in each bundle.
gc.set_threshold(200_000, 20, 50)

# No deadline: on a busy machine it would fail the test that happens to run, not the one that is slow.
settings.register_profile("default", deadline=None)
# The same examples each time: a failure in CI is the change's fault, and can be repeated.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("soak", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected trees instead of comparing")


@pytest.fixture(scope="session")
def update_golden(pytestconfig: pytest.Config) -> bool:
    """Whether the golden test rewrites the expected trees (`make golden`)."""
    return bool(pytestconfig.getoption("--update-golden"))


@pytest.fixture
def unprivileged_folder() -> Iterator[Path]:
    """A folder for a server that runs as `tools.unprivileged()`."""
    with tools.unprivileged_folder() as folder:
        yield folder
