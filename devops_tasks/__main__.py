"""The way in: argv to an exit code, and out again at once."""

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

from devops_tasks import __version__

REPORT = "devops-tasks: this is a bug of ours, not yours; please report it with what stands above"
GARBAGE = 100_000
"""How many objects more than before make the collector look for cycles: not in one bundle, often in hundreds."""


def main() -> NoReturn:
    """Run the command line and end the process with its code (docs/decisions/0011-leave-at-once.md)."""
    gc.set_threshold(GARBAGE)
    _open_missing()
    for name in ("stdout", "stderr"):  # a terminal that lacks a character is no reason to fail
        getattr(sys, name).reconfigure(errors="backslashreplace")
    try:
        code = run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    leave(code)


def _open_missing() -> None:
    """Open the streams that the caller closed: errors would go to stdout, and other files would get their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end


def run() -> int:
    """Run a command: 0 done, 1 findings or conflict, 2 bad input or usage, 3 our own bug, 130 interrupted."""
    try:
        return _command()
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # the disk is full, the terminal is gone: no bug, and nothing that a command could mend
        with suppress(OSError):  # it may be stderr itself
            print(f"devops-tasks: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
        return 2
    except MemoryError:
        print("devops-tasks: not enough memory", file=sys.stderr)
        return 2
    except Exception:  # noqa: BLE001 - the last line of defence: a report instead of a bare traceback
        import traceback

        traceback.print_exc()
        print(REPORT, file=sys.stderr)
        return 3


def _command() -> int:
    if sys.argv[1:] == ["--version"]:
        print(f"devops-tasks {__version__}")
        return 0
    from devops_tasks import cli
    from devops_tasks.errors import UserError

    _end_as_interrupted()
    try:
        cli.app(prog_name="devops-tasks")
    except UserError as error:
        return cli.refuse(error)
    return 0


def _end_as_interrupted() -> None:
    """Let a request to end, or a terminal that is closed, do what Ctrl-C does: undo what is half done."""
    import signal

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has it ignored
            signal.signal(number, signal.default_int_handler)


def leave(code: int) -> NoReturn:
    """End the process without taking it apart object by object; output that nobody could read makes the code 1."""
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except OSError:
            code = code or 1
    os._exit(code)


if __name__ == "__main__":
    main()
