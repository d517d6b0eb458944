"""The program run in this process, by the way in that a user takes."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from devops_tasks.__main__ import run

if TYPE_CHECKING:
    from pathlib import Path


class Done(NamedTuple):
    """How a command ended; ``seconds`` are those of the processor."""

    code: object
    out: str
    err: str
    seconds: float = 0


def devops_tasks(*arguments: str | Path) -> Done:
    """Run a command."""
    out, err, before, started = io.StringIO(), io.StringIO(), sys.argv, time.process_time()
    sys.argv = ["devops-tasks", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: object = run()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    return Done(code, out.getvalue(), err.getvalue(), time.process_time() - started)
