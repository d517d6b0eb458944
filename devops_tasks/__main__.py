"""The way in: argv to an exit code."""

import sys

from devops_tasks import __version__

REPORT = "devops-tasks: this is a bug of ours, not yours; please report it with what stands above"


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        print(f"devops-tasks {__version__}")
        raise SystemExit(0)
    raise SystemExit(run())


def run() -> int:
    """Run a command: 0 done, 1 findings or conflict, 2 bad input or usage, 3 our own bug, 130 interrupted."""
    from devops_tasks import cli
    from devops_tasks.errors import UserError

    try:
        cli.app(prog_name="devops-tasks")
    except UserError as error:
        return cli.refuse(error)
    except KeyboardInterrupt:
        return 130
    except Exception:  # noqa: BLE001 - the last line of defence: a report instead of a bare traceback
        import traceback

        traceback.print_exc()
        print(REPORT, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    main()
