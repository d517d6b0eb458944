"""What the commands cost, as ratios: to the bare interpreter, to what they import, to other generators, to a bare loop.

Each round runs every command once, so that a slow moment of the machine strikes all of them; a ratio is taken within a
round, and the median of the rounds is printed, with the least and the most. Time is CPU time, of a command and all that
it starts: a busy neighbour changes it less than the clock on the wall. `--write` puts the table into the documentation.
"""

from __future__ import annotations

import itertools
import os
import platform
import pty
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench_peers import RECORD, VENV, VERSIONS, edit, install, rendered, write_project, write_templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = str(Path(sys.executable).with_name("devops-tasks"))
EXAMPLE = ROOT / "examples/saved-reports.yaml"
PAGE = ROOT / "docs/explanation/speed.md"
BEGIN, END = "<!-- make bench writes from here -->", "<!-- to here -->"
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - the folder inside is made by tempfile, for us alone
LOOP = [sys.executable, str(ROOT / "tools/bench_loop.py")]
SPECS = 200
ROUNDS = 15
ROUNDS_OF_MANY = 5


class Usage(NamedTuple):
    """What one run took."""

    seconds: float
    bytes: int


class Row(NamedTuple):
    """One line of the table: a command, what it is held against, and the most that the ratio may be."""

    command: str
    against: str
    goal: float | None = None
    quantity: str = "seconds"


BARE = "python -c pass"
IMPORT = "import typer, jinja2, yaml"
VERSION = "--version"
HELP = "--help"
WARM = "a bundle"
COLD = "a bundle, the first time"
AGAIN = "a bundle again, nothing changed"
MERGE = "a bundle again, ten edited files and a changed spec"
FIRST = "the first question of `init`"
ASKING = "import questionary"
CHECK = "check"
COOKIECUTTER = "cookiecutter"
COPIER = "copier"
UPDATE = "copier update"
MANY = f"{SPECS} bundles in one call"
FLOOR = "the bare loop"

TABLE_ROWS = (
    Row(VERSION, BARE, 3.5),
    Row(HELP, BARE),
    Row(WARM, IMPORT, 1.7),
    Row(COLD, IMPORT),
    Row(AGAIN, IMPORT, 0.9),
    Row(CHECK, IMPORT),
    Row(FIRST, ASKING, 2),
    Row(WARM, COOKIECUTTER, 1 / 3),
    Row(WARM, COPIER),
    Row(MERGE, UPDATE, 1 / 8),
    Row(MANY, FLOOR, 2),
    Row(WARM, IMPORT, 1.5, "bytes"),
)

CHANGE = "contacts.channel=#another-channel"
"""What the spec, or the other generator's template, changes in the bundle that somebody has edited."""

COMMANDS = {
    BARE: [sys.executable, "-c", "pass"],
    IMPORT: [sys.executable, "-c", IMPORT],
    VERSION: [PROGRAM, "--version"],
    HELP: [PROGRAM, "--help"],
    WARM: [PROGRAM, "generate", str(EXAMPLE), "-o", "{fresh}"],
    COLD: [PROGRAM, "generate", str(EXAMPLE), "-o", "{fresh}"],
    AGAIN: [PROGRAM, "generate", str(EXAMPLE), "-o", "bundle"],
    MERGE: [PROGRAM, "generate", str(EXAMPLE), "-o", "{fresh}", "--set", CHANGE],
    CHECK: [PROGRAM, "check", "bundle"],
    ASKING: [sys.executable, "-c", ASKING],
    FIRST: [PROGRAM, "init", "{fresh}/devops-tasks.yaml"],
}
"""`{fresh}` stands for a folder that is not there yet, or for a copy of one of `COPIES`."""
PEERS = {
    COOKIECUTTER: [str(VENV / "bin/cookiecutter"), "templates/cookiecutter", "--no-input", "-o", "{fresh}"],
    COPIER: [str(VENV / "bin/copier"), "copy", "--defaults", "--quiet", "templates/copier", "{fresh}"],
    UPDATE: [str(VENV / "bin/copier"), "update", "--defaults", "--quiet", "{fresh}"],
}
COPIES = {MERGE: "edited", UPDATE: "project"}
QUESTION = b"What is the feature called?"
COMMANDS_OF_MANY = {
    MANY: [PROGRAM, "generate", *(f"specs/{number:03}.yaml" for number in range(SPECS)), "-o", "{fresh}"],
    FLOOR: [*LOOP, "loop", "values", "{fresh}"],
}


class Bench:
    """A folder to run commands in, where each run writes into a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count()
        # Without the variables that change how Python works, such as one that forbids it to keep compiled modules.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.environment = {**kept, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}

    def run(self, command: list[str], name: str = "") -> tuple[Usage, Path]:
        """Run a command to its end; give what it took and the folder that it wrote, if it wrote one."""
        fresh = self.folder / f"out-{next(self.numbers)}"
        if name in COPIES:
            subprocess.run(["/bin/cp", "-a", self.folder / COPIES[name], fresh], check=True)
        environment = {**self.environment, **({"XDG_CACHE_HOME": f"{fresh}-cache"} if name == COLD else {})}
        words = [word.replace("{fresh}", str(fresh)) for word in command]
        start = self._ask if name == FIRST else self._finish
        return start(words, environment), fresh

    def _finish(self, words: list[str], environment: Mapping[str, str]) -> Usage:
        with (self.folder / "said").open("w+", encoding="utf-8") as said:
            process = subprocess.Popen(words, cwd=self.folder, env=environment, stdout=said, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                said.seek(0)
                sys.exit(f"{said.read()}\nexit code {process.returncode}: {' '.join(words)}")
        return Usage(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def _ask(self, words: list[str], environment: Mapping[str, str]) -> Usage:
        """Run a command at a terminal until it has asked its first question."""
        terminal = {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        child, screen = pty.fork()
        if not child:
            os.chdir(self.folder)
            os.execve(words[0], words, {**environment, **terminal})  # noqa: S606 - a fork has no shell
        seen = b""
        with open(screen, "r+b", buffering=0) as person:  # noqa: PTH123 - a number
            while QUESTION not in seen:
                seen += person.read(65536)
            os.kill(child, signal.SIGKILL)
            _, _, usage = os.wait4(child, 0)
        return Usage(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def rounds(self, commands: Mapping[str, list[str]], count: int) -> list[dict[str, Usage]]:
        """Run every command once in each round; what they write is removed between two runs, and not counted."""
        return [{name: self._counted(name, command) for name, command in commands.items()} for _ in range(count)]

    def _counted(self, name: str, command: list[str]) -> Usage:
        usage, fresh = self.run(command, name)
        subprocess.run(["/bin/rm", "-rf", fresh, f"{fresh}-cache"], check=True)
        return usage


def prepare(bench: Bench, *, peers: bool) -> str:
    """Make all that the commands read, and the caches warm; say what is compared, and end where it is not the same."""
    bundle = bench.folder / "bundle"
    for _ in range(2):  # the second finds nothing to do, and remembers it
        bench.run(COMMANDS[AGAIN])
    sizes = [path.stat().st_size for path in rendered(bundle)]
    told = f"A bundle is {len(sizes)} files, {sum(sizes) // 1000} kB"
    if peers:
        places = write_templates(bundle, bench.folder / "templates")
        told += f", and for the other generators a template with {places} places to fill in"
        for name in (COOKIECUTTER, COPIER):
            _, made = bench.run(PEERS[name])
            _must_be_equal(
                name, made / "saved-reports" if name == COOKIECUTTER else made, bundle, f"--exclude={RECORD}"
            )
    _prepare_merge(bench, bundle, peers=peers)
    _write_specs(bench.folder / "specs")
    bench.run([*LOOP, "prepare", *COMMANDS_OF_MANY[MANY][2:-2], "values"])
    (_, ours), (_, floor) = (bench.run(command) for command in COMMANDS_OF_MANY.values())
    _must_be_equal(FLOOR, floor, ours, "--exclude=lock.json", "--exclude=.devops-tasks")
    return told


def _prepare_merge(bench: Bench, bundle: Path, *, peers: bool) -> None:
    """Make the bundle that somebody has edited and, for the other generator, the project that is just like it."""
    changed = bench.folder / "changed"
    bench.run([PROGRAM, "generate", str(EXAMPLE), "-o", str(changed), "--set", CHANGE])
    subprocess.run(["/bin/cp", "-a", bundle, bench.folder / COPIES[MERGE]], check=True)
    edited = edit(bench.folder / COPIES[MERGE], bundle, changed)
    _, ours = bench.run(COMMANDS[MERGE], MERGE)
    if peers:
        run: Callable[..., object] = lambda *words: bench.run(list(words))  # noqa: E731
        write_project(bench.folder, run, (bundle, changed), edited)
        _, theirs = bench.run(PEERS[UPDATE], UPDATE)
        # The document shows the edited files: that is a thing of ours.
        _must_be_equal(UPDATE, theirs, ours, *(f"--exclude={name}" for name in (".*", "tasks.md")))


def _must_be_equal(name: str, made: Path, wanted: Path, *options: str) -> None:
    # Not read here: what this process needs at its peak would count as the peak of those that it starts.
    done = subprocess.run(["/usr/bin/diff", "-r", "-q", *options, made, wanted], stdout=sys.stderr, check=False)
    if done.returncode:
        sys.exit(f"{name} does not write the same files, so its time means nothing")


def _write_specs(folder: Path) -> None:
    """Write many specs that differ in their names and some numbers."""
    folder.mkdir()
    text = EXAMPLE.read_text("utf-8")
    for number in range(SPECS):
        changed = text.replace("saved-reports", f"saved-reports-{number:03}")
        changed = changed.replace("name: Saved Reports", f"name: Saved Reports {number}")
        changed = changed.replace("eligible_per_day: 4000", f"eligible_per_day: {4000 + number}")
        (folder / f"{number:03}.yaml").write_text(changed, "utf-8")


def table(rounds: list[dict[str, Usage]], rounds_of_many: list[dict[str, Usage]]) -> str:
    """Write the table of ratios in Markdown."""
    lines = ["| what | against | ratio | least to most | goal | met |", "| --- | --- | --- | --- | --- | --- |"]
    for row in TABLE_ROWS:
        ratios = list(_ratios(row, [*rounds, *rounds_of_many]))
        what = f"peak memory of {row.command}" if row.quantity == "bytes" else row.command
        lines.append(f"| {what} | {row.against} | {' | '.join(_judged(ratios, row.goal))} |")
    return "\n".join(lines) + "\n"


def _ratios(row: Row, rounds: list[dict[str, Usage]]) -> Iterator[float]:
    for usages in rounds:
        if {row.command, row.against} <= usages.keys():
            yield getattr(usages[row.command], row.quantity) / getattr(usages[row.against], row.quantity)


def _judged(ratios: list[float], goal: float | None) -> tuple[str, str, str, str]:
    told = "-" if goal is None else f"{goal:.2f}"
    if not ratios:
        return "not installed", "-", told, "-"
    met = "-" if goal is None else "yes" if median(ratios) <= goal else "no"
    return f"{median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}", told, met


def absolute(rounds: list[dict[str, Usage]]) -> str:
    """List what each command took on this machine, for those who look for where the time goes."""
    lines = [f"{'':<34}{'CPU ms':>10}{'peak MB':>10}"]
    for name in rounds[0]:
        milliseconds = 1000 * median(usages[name].seconds for usages in rounds)
        megabytes = median(usages[name].bytes for usages in rounds) / 1e6
        lines.append(f"{name:<34}{milliseconds:>10.1f}{megabytes:>10.1f}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print; with `--write` into the documentation as well."""
    peers = install()
    in_memory = MEMORY_FOLDER.is_dir() and os.access(MEMORY_FOLDER, os.W_OK)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=MEMORY_FOLDER if in_memory else None) as name:
        bench = Bench(Path(name))
        told = prepare(bench, peers=peers)
        rounds = bench.rounds({**COMMANDS, **(PEERS if peers else {})}, ROUNDS)
        rounds_of_many = bench.rounds(COMMANDS_OF_MANY, ROUNDS_OF_MANY)
    where = "a memory file system" if in_memory else "the folder for temporary files"
    installed = [f"{name} {version}" for name, version in VERSIONS.items() if peers]
    versions = ", ".join([f"Python {platform.python_version()}", *installed])
    facts = f"{versions}, in {where}.\n{told}.\nMedians of {ROUNDS} rounds, of {ROUNDS_OF_MANY} for {SPECS} bundles."
    least = min(usages[IMPORT].bytes for usages in rounds)
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 >= least:
        print("bench: this process needs more memory than what it measured, so that row says nothing", file=sys.stderr)
    made = f"{table(rounds, rounds_of_many)}\n{facts}\n"
    print(made, absolute(rounds), absolute(rounds_of_many), sep="\n")
    if "--write" in sys.argv[1:]:
        if not peers:
            sys.exit("bench: nothing was written, because not everything was measured")
        before, _, after = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n{END}{after.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
