"""Work of somebody else's templates, done in a process of its own: so much time and memory, and no more.

The limits are the system's, so nothing that a template can write goes around them: a loop without output, one long step
inside a library, a text that doubles. Must not: knowing what the work is.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from devops_tasks.errors import Problem, UserError

_MEND = "see its loops, and what they print"


class Limits(NamedTuple):
    """What the templates of packs may use up for one bundle."""

    seconds: float = 30  # of the processor, so that a busy machine is no reason to fail
    memory_bytes: int = 2_000_000_000
    files: int = 2_000
    file_bytes: int = 5_000_000
    output_bytes: int = 40_000_000
    written_bytes: int = 0
    """What a file may have that the work itself writes."""


LIMITS = Limits()


def run_within(limits: Limits, where: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Do some work in a process of its own, and give its result, which must be plain data.

    Raises ``UserError`` where a limit is reached, which ``where`` is to blame for, or where the work raises it.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        os.close(reading)
        _work(limits, writing, work)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        try:
            told = pipe.read(limits.output_bytes + 1)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise
    status = os.waitpid(child, 0)[1]
    if len(told) > limits.output_bytes:
        raise UserError(Problem(where, f"more than {limits.output_bytes} bytes of output", _MEND, "pack-limit"))
    return _result(limits, where, status, told)


def _result(limits: Limits, where: str, status: int, told: bytes) -> Any:  # noqa: ANN401 - whatever JSON can say
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        raise UserError(Problem(where, f"takes more than {limits.seconds} seconds", _MEND, "pack-limit"))
    answer = json.loads(told or '{"crashed": true}')
    if "done" in answer:
        return answer["done"]
    if "problems" in answer:
        raise UserError(*(Problem(*row) for row in answer["problems"]))
    memory = f"needs more than {limits.memory_bytes} bytes of memory" if "memory" in answer else "cannot be rendered"
    raise UserError(Problem(where, memory, _MEND, "pack-limit"))


def _work(limits: Limits, writing: int, work: Callable[[], Any]) -> NoReturn:
    """Do the work as the child, and end; nothing of it is left but what it has told."""
    try:
        _confine(limits)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps(_answer(work)).encode())
    finally:
        os._exit(0)


def _answer(work: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"done": work()}
    except UserError as error:
        return {"problems": error.problems}
    except MemoryError:
        return {"memory": True}


def _confine(limits: Limits) -> None:
    """Give the process its limits; unless they say otherwise, no file can be written any more."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, limits.seconds)
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.written_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(OSError, ValueError):  # not every system has each of them
            resource.setrlimit(what, (most, most))
