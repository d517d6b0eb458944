"""Promise 5, over whole bundles: the same spec gives the same bytes, whatever runs it, wherever, in whatever order."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from devops_tasks.fields import Tree
from devops_tasks.plan import plan_bundle
from devops_tasks.render import Renderer, templates_folder
from devops_tasks.specfile import read_spec
from devops_tasks.spectext import spec_text
from tests.bundles import load_tree, render_bundle
from tests.tools import ROOT
from tests.trees import full_tree

# As the console script does it.
ENTRY = "from devops_tasks.__main__ import main; main()"
EXAMPLES = ROOT / "examples"
# Letters that change with the locale's alphabet, its encoding, or the order in which it sorts.
TEXT = "Izmir İŞ, Straße, 東京 'é'"
NAMES = ("minimal", "saved-reports", "checkout", "shop")
SEEDS = range(1, 1 + int(os.environ.get("SPECS", "3")))

Folder = dict[str, bytes]
"""What lies in a folder: path inside it to content."""


def full_spec() -> dict[str, Tree]:
    """Write every key, and maps with several keys of their own in an order that is not the alphabet's."""
    tree = full_tree(TEXT)
    tree["services"][0]["config"] = {"REGION": TEXT, "LOG_LEVEL": "info", "PAGE": "50"}
    tree["databases"][1]["selector"] = {"tier": "store", "app": "archive", "part": "shop"}
    return tree


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with each spec under the name that its feature has."""
    folder = tmp_path_factory.mktemp("specs")
    for name in ("saved-reports", "checkout"):
        shutil.copy(EXAMPLES / f"{name}.yaml", folder)
    # Two examples have the same slug, which one run refuses.
    minimal = (EXAMPLES / "minimal.yaml").read_text("utf-8").replace("name: Saved Reports", "name: Minimal")
    (folder / "minimal.yaml").write_text(f"{minimal}alerts: []  # none yet\n", "utf-8")
    (folder / "shop.yaml").write_text(spec_text(full_spec(), "schema.json"), "utf-8")
    return folder


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder for compiled templates that all runs share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def expected(specs: Path, warm: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Make the bundles that all others are held against."""
    folder = tmp_path_factory.mktemp("expected")
    generate(Run(paths(specs), folder, {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}), warm)
    written = tree_of(folder)
    assert {path.partition("/")[0] for path in written} == set(NAMES)
    return written


def paths(specs: Path) -> list[Path]:
    return [specs / f"{name}.yaml" for name in NAMES]


class Run(NamedTuple):
    """One run of the command, in a process of its own."""

    specs: Sequence[str | Path]
    output: str | Path | None
    environment: Mapping[str, str] = {}
    """All that the process finds there, besides the folder for compiled templates."""

    settings: Sequence[str] = ()
    command: Sequence[str] = (sys.executable, "-c", ENTRY)
    cwd: Path | None = None
    umask: int = -1


def generate(run: Run, cache: Path) -> None:
    output = [] if run.output is None else ["-o", run.output]
    done = subprocess.run(
        [*run.command, "generate", *run.specs, *output, *run.settings],
        env={"XDG_CACHE_HOME": str(cache), **run.environment},
        cwd=run.cwd,
        umask=run.umask,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")


def tree_of(folder: Path) -> Folder:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def differing(found: Folder, expected: Folder) -> list[str]:
    """Name the files that are not the same in both: a whole bundle would be no readable failure."""
    return sorted(path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path))


def part(expected: Folder, name: str) -> Folder:
    return {path.removeprefix(f"{name}/"): text for path, text in expected.items() if path.startswith(f"{name}/")}


def installed_locales() -> list[str]:
    """List the locales of this machine, the names that mean the same left out."""
    done = subprocess.run(["/usr/bin/locale", "-a"], capture_output=True, text=True, check=True)
    return sorted(set(done.stdout.split()) - {"C", "POSIX"})


ENVIRONMENTS = {
    **{f"hash seed {seed}": {"PYTHONHASHSEED": str(seed)} for seed in SEEDS},
    # At every moment one of the two has another day than UTC; no list of time zones is needed for them.
    "east of the date line": {"TZ": "EAST-14"},
    "west of the date line": {"TZ": "WEST+12"},
    "locale C": {"LC_ALL": "C"},
    "ASCII alone": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "1"},
    "Latin-1": {"LANG": "en_US.ISO-8859-1", "PYTHONUTF8": "0"},
    "Turkish": {"LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8"},
    "streams in Latin-1": {"PYTHONIOENCODING": "latin-1"},
    **{f"locale {name}": {"LC_ALL": name} for name in installed_locales()},
    "a terminal": {"TERM": "xterm-256color", "COLUMNS": "40", "FORCE_COLOR": "1", "USER": "root", "HOSTNAME": "x"},
    "nothing": {},
}


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_no_environment_changes_a_byte(
    environment: dict[str, str], specs: Path, expected: Folder, warm: Path, tmp_path: Path
) -> None:
    generate(Run(paths(specs), tmp_path / "out", environment), warm)
    assert differing(tree_of(tmp_path / "out"), expected) == []


def test_no_file_is_opened_in_the_encoding_of_the_locale(specs: Path, warm: Path, tmp_path: Path) -> None:
    strict = (sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning", "-c", ENTRY)
    generate(Run(paths(specs), tmp_path / "out", command=strict), warm)


def _relative(specs: Path, folder: Path) -> list[str]:
    return [os.path.relpath(path, folder) for path in paths(specs)]


Place = Callable[[Path, Path], tuple[Path, str | Path, Sequence[str | Path]]]
"""Where a run happens, and how it names the output folder and the specs from there."""

WORKING_FOLDERS: dict[str, Place] = {
    "the root": lambda specs, out: (Path("/"), out, paths(specs)),
    "the specs' folder": lambda specs, out: (specs, os.path.relpath(out, specs), [path.name for path in paths(specs)]),
    "the output folder": lambda specs, out: (out, ".", _relative(specs, out)),
    "a folder inside the output": lambda specs, out: (out / "shop", "..", _relative(specs, out / "shop")),
}


@pytest.mark.parametrize("place", WORKING_FOLDERS.values(), ids=WORKING_FOLDERS)
def test_no_working_folder_changes_a_byte(
    place: Place,
    specs: Path,
    expected: Folder,
    warm: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "name of spaces é"
    (folder / "shop").mkdir(parents=True)
    cwd, output, written = place(specs, folder)
    generate(Run(written, output, cwd=cwd), warm)
    assert differing(tree_of(folder), expected) == []


def test_a_bundle_beside_its_spec_has_the_same_bytes(specs: Path, expected: Folder, warm: Path, tmp_path: Path) -> None:
    shutil.copy(specs / "shop.yaml", tmp_path)
    generate(Run(["shop.yaml"], None, cwd=tmp_path), warm)
    assert differing(tree_of(tmp_path), part(expected, "shop")) == ["shop.yaml"]


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077], ids="{:03o}".format)
def test_the_umask_takes_rights_and_changes_no_byte(
    umask: int, specs: Path, expected: Folder, warm: Path, tmp_path: Path
) -> None:
    generate(Run(paths(specs), tmp_path / "out", umask=umask), warm)
    assert differing(tree_of(tmp_path / "out"), expected) == []
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert modes == {path: (0o777 if path.suffix == ".sh" else 0o666) & ~umask for path in modes}


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_makes_alone_what_it_makes_among_others(
    name: str, specs: Path, expected: Folder, warm: Path, tmp_path: Path
) -> None:
    generate(Run([specs / f"{name}.yaml"], tmp_path / "out"), warm)
    assert differing(tree_of(tmp_path / "out"), part(expected, name)) == []


def test_the_order_of_the_specs_changes_no_byte(specs: Path, expected: Folder, warm: Path, tmp_path: Path) -> None:
    generate(Run(paths(specs)[::-1], tmp_path / "out"), warm)
    assert differing(tree_of(tmp_path / "out"), expected) == []


def test_what_lay_in_the_folder_before_changes_no_byte(
    specs: Path, expected: Folder, warm: Path, tmp_path: Path
) -> None:
    before = ["--set", "sprint.name=7", "--set", "delivery.steps=[5%, 100%]"]
    generate(Run(paths(specs), tmp_path, settings=before), warm)
    assert expected.keys() - tree_of(tmp_path).keys()
    assert tree_of(tmp_path).keys() - expected.keys()
    generate(Run(paths(specs), tmp_path), warm)
    assert differing(tree_of(tmp_path), expected) == []


# Turns every listing of a folder round, as another file system might.
UNSORTED = """
import os
class Scan:
    def __init__(self, *arguments):
        with scandir(*arguments) as found:
            self.left = reversed(list(found))
    def __iter__(self): return self
    def __next__(self): return next(self.left)
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def close(self): pass
scandir, listdir = os.scandir, os.listdir
os.scandir, os.listdir = Scan, lambda *arguments: listdir(*arguments)[::-1]
"""
WITHOUT_C = "import sys; sys.modules['yaml._yaml'] = sys.modules['markupsafe._speedups'] = None\n"
WITHOUT_PROMQL = "import sys; sys.modules['promql_parser'] = None\n"


@pytest.mark.parametrize(
    "prelude",
    [UNSORTED, WITHOUT_C],
    ids=["a file system that lists in another order", "libraries without their parts in C"],
)
def test_no_machine_changes_a_byte(prelude: str, specs: Path, expected: Folder, warm: Path, tmp_path: Path) -> None:
    command = (sys.executable, "-c", prelude + ENTRY)
    generate(Run(paths(specs), tmp_path / "out", command=command), warm)
    assert differing(tree_of(tmp_path / "out"), expected) == []


def test_templates_made_in_another_order_elsewhere_give_the_same_bytes(expected: Folder, tmp_path: Path) -> None:
    folder = templates_folder()
    for name in sorted((path.relative_to(folder) for path in folder.rglob("*.j2")), reverse=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, tmp_path / name)
    files = Renderer(tmp_path).render(plan_bundle(load_tree(full_spec()).spec))
    wanted = part(expected, "shop")
    del wanted[".devops-tasks/lock.json"], wanted[".devops-tasks/base"]
    assert differing({path: text.encode() for path, text in files.items()}, wanted) == []


def test_compiled_templates_change_no_byte(specs: Path, expected: Folder, tmp_path: Path) -> None:
    for kept in ("cold", "warm"):
        generate(Run(paths(specs), tmp_path / kept), tmp_path / "cache")
        assert list((tmp_path / "cache/devops-tasks").iterdir())
        assert differing(tree_of(tmp_path / kept), expected) == []
    (tmp_path / "file").touch()
    generate(Run(paths(specs), tmp_path / "none"), tmp_path / "file")
    assert differing(tree_of(tmp_path / "none"), expected) == []


def test_a_compiled_template_never_outlives_its_template(tmp_path: Path) -> None:
    template = tmp_path / "templates/a.j2"
    template.parent.mkdir()
    (tmp_path / "cache").mkdir()
    for text in ("old", "new"):
        template.write_text(text)
        assert Renderer(template.parent, tmp_path / "cache").render({}) == {"a": f"{text}\n"}


@pytest.mark.parametrize(
    "rewrite",
    [lambda text: text.replace(b"\n", b"\r\n"), lambda text: b"\xef\xbb\xbf" + text, lambda text: text.rstrip(b"\n")],
    ids=["line ends of Windows", "a byte order mark", "no line end at the end"],
)
def test_how_an_editor_saves_a_spec_changes_no_byte(
    rewrite: Callable[[bytes], bytes], specs: Path, expected: Folder, warm: Path, tmp_path: Path
) -> None:
    for path in paths(specs):
        (tmp_path / path.name).write_bytes(rewrite(path.read_bytes()))
    generate(Run(paths(tmp_path), tmp_path / "out"), warm)
    assert differing(tree_of(tmp_path / "out"), expected) == []


def reordered(tree: Tree, order: Callable[[list[str]], list[str]]) -> Tree:
    """Give the keys of every group another order; a list is a sequence, and its order means something."""
    if isinstance(tree, dict):
        return {name: reordered(tree[name], order) for name in order(list(tree))}
    return [reordered(item, order) for item in tree] if isinstance(tree, list) else tree


def shuffled(names: list[str]) -> list[str]:
    return names[1::2] + names[::2]


@cache
def canonical(name: str) -> tuple[str, list[tuple[str, str]]]:
    return made_of(written(name))


def written(name: str) -> Tree:
    return full_spec() if name == "shop" else read_spec(EXAMPLES / f"{name}.yaml").tree


def made_of(tree: Tree) -> tuple[str, list[tuple[str, str]]]:
    """Give all that a spec decides: what the lock says of it, and the files in their order."""
    loaded = load_tree(tree)
    return json.dumps(loaded.tree), list(render_bundle(loaded).items())


@pytest.mark.parametrize("order", [sorted, lambda names: names[::-1], shuffled], ids=["sorted", "reversed", "shuffled"])
@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_keys_changes_no_byte(name: str, order: Callable[[list[str]], list[str]]) -> None:
    (spec, files), (same_spec, same_files) = canonical(name), made_of(reordered(written(name), order))
    assert [path for (path, text), same in zip(files, same_files, strict=True) if (path, text) != same] == []
    assert same_spec == spec


def interpreters() -> Iterator[Path]:
    """Find each Python that we support, this one first: on the path, or among pyenv's."""
    yield Path(sys.executable)
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]
    for version in sorted(line.rpartition(" ")[2] for line in classifiers if "Python :: 3." in line):
        folders = [*map(Path, os.get_exec_path()), *Path.home().glob(f".pyenv/versions/{version}.*/bin")]
        found = [folder / f"python{version}" for folder in folders]
        if version != "{}.{}".format(*sys.version_info):
            yield from [path for path in found if path.exists() and _is_program(path)][:1]


def _is_program(path: Path) -> bool:
    """Say whether this is an interpreter, and no script that looks for one."""
    with path.open("rb") as file:
        return file.read(2) != b"#!"


@pytest.mark.parametrize("python", list(interpreters()), ids=lambda path: path.name)
def test_no_version_of_python_changes_a_byte(python: Path, specs: Path, warm: Path, tmp_path: Path) -> None:
    # The others borrow what is installed for this one: all of it has a form in Python, but for the parser of PromQL,
    # which is loaded for a query alone.
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), *libraries])}
    without = ("--set", "alerts=none")
    generate(Run(paths(specs), tmp_path / "this", settings=without), warm)
    other = (str(python), "-c", WITHOUT_PROMQL + ENTRY)
    generate(Run(paths(specs), tmp_path / "other", environment, without, other), warm)
    assert differing(tree_of(tmp_path / "other"), tree_of(tmp_path / "this")) == []
