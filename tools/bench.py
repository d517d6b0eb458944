"""How much CPU time the commands take, as a ratio to the bare interpreter: trust the ratios, not the milliseconds.

Each round runs every command once, so that a slow moment of the machine strikes all of them; a ratio is taken within a
round, and the median of the rounds is printed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = str(Path(sys.executable).with_name("devops-tasks"))
EXAMPLE = str(ROOT / "examples/saved-reports.yaml")
ROUNDS = 15

BARE = "python -c pass"
COMMANDS = {
    BARE: [sys.executable, "-c", "pass"],
    "python -c 'import typer, jinja2, yaml'": [sys.executable, "-c", "import typer, jinja2, yaml"],
    "devops-tasks --version": [PROGRAM, "--version"],
    "devops-tasks --help": [PROGRAM, "--help"],
    "devops-tasks generate (warm)": [PROGRAM, "generate", EXAMPLE, "-o", "bundle"],
    "devops-tasks check": [PROGRAM, "check", "bundle"],
}


def cpu_seconds(command: list[str], folder: str) -> float:
    """Run a command to its end and give the CPU time that it and its children took."""
    environment = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"exit code {process.returncode}: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        cpu_seconds(COMMANDS["devops-tasks generate (warm)"], folder)
        rounds = [{name: cpu_seconds(command, folder) for name, command in COMMANDS.items()} for _ in range(ROUNDS)]
    print(f"{'command':<40}{'CPU ms':>8}{'ratio':>8}   (median of {ROUNDS} rounds)")
    for name in COMMANDS:
        milliseconds = 1000 * median(times[name] for times in rounds)
        ratio = median(times[name] / times[BARE] for times in rounds)
        print(f"{name:<40}{milliseconds:>8.1f}{ratio:>8.1f}")


if __name__ == "__main__":
    main()
