"""Write docs/reference: every key of the spec, command, option, error and finding, from the program itself.

`--check` writes nothing and ends with 1 where a page is not what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.main import get_command

from devops_tasks import codes as errors
from devops_tasks.checks import codes as findings
from devops_tasks.cli import app
from devops_tasks.fields import MISSING, Entries, Field, Kind, Listing, Nested, Shape
from devops_tasks.filters import md_cell, md_cell_code
from devops_tasks.schema import derived_doc
from devops_tasks.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Command = Any
Parameter = Any
"""Of typer's own copy of click, whose types are private."""

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs/reference"

SPEC_INTRO = """\
# The spec

Every key that a spec may have. Six are required and make a valid spec; every other has a default, or stays open and
prints as *to be decided*. This page is generated from the same fields that the program reads by (`make docs`);
`devops-tasks schema` prints them as a JSON Schema for editors.

## How a spec is read

- A file in UTF-8, of at most 1 MB, holding one YAML document. Tags are refused; anchors and aliases are read.
- Each value is the text that stands in the file, and its key says what that means: an unquoted `1.30`, `007` or `on` is
  that very text where text is meant. `--set key=value` works alike. What YAML itself gives a meaning must be quoted:
  `"@dana"`, `"#channel"`, `"Reports: saved"`.
- A key without a value, or with `null`, counts as not given. Only a list says which of the two is meant: nothing behind
  its key is an error, `null` is its default, and `none` or `[]` is a list of nothing.
- An unknown key, a key twice and a value that is not built yet are errors. All errors are told at once, as
  `file:line:column: key: what (how to mend it)`, and so is what must hold between keys, as far as they can be read.
  Each has a code in [the list of errors](input-errors.md).
- A list of which nothing is wanted is `[]` or `none`.
- Text is free: any character but control characters, and line breaks only where *several lines* is said. Names are not:
  they become file names, labels and host names.

## Quantities

| what | written as |
| --- | --- |
| a duration | `500ms`, `2.5s`, `5m` or `5min`, `1h30m`, `30d`, `2w`, `1y` |
| a share | `2%`, or as a ratio below 1: `0.02` |
| a rate | `100/min`, `50/s`, `5/h` |
| a threshold | a duration, a share, a rate or a number, as its metric is measured |
| a size | `512Mi`, `4Gi`, `1.5Gi` in powers of two; `500M`, `4G` or `4GB` in powers of ten |
| processors | `500m`, `0.5`, `2` |
| money | `1000 USD` |
| a target | relative `+20%` or `-5%`, absolute `12%`, or a number in the metric's unit: `35` |
| a date | `2026-12-01` |
| yes or no | `true`, `yes`, `on`; `false`, `no`, `off` |

"""

COMMANDS_INTRO = """\
# The commands

Results go to stdout, everything else to stderr. Nothing is asked but by `init`, and by it only on a terminal. This page
is generated from the program (`make docs`).
"""

FINDINGS_INTRO = """\
# The findings

What `devops-tasks check` can find, and how to mend it. A code stays the same from version to version; `--json` carries
it. Errors and warnings end with exit code 1; notes, which `--json` has in a list of their own, and what is undecided do
not. This page is generated from the table of codes (`make docs`).
"""

ERRORS_INTRO = """\
# The errors of the input

What the program refuses, and how to mend it. All errors of an input are told at once, a line for each on stderr, as
`file:line:column: key: what (how to mend it)`; the parts that are not known are left out. Then the exit code is 2 (1
for a conflict), and nothing was written.

With `--json`, `generate`, `new` and `check` print one document on stdout instead, which holds the same errors. A code
stays the same from version to version. This page is generated from the table of codes (`make docs`).

## As JSON

```json
{
 "bundles": [],
 "errors": [
  {
   "code": "unknown-key",
   "file": "devops-tasks.yaml",
   "line": 3,
   "column": 3,
   "key": "feature.enginer",
   "what": "unknown key",
   "mend": "did you mean engineer?"
  }
 ]
}
```

- `bundles` is in the document of `generate` and `new`: for each bundle its `folder`, and in `changes` the `path` and
  `action` of each file. Of several specs, those that are right are there beside the errors of the others.
- The document of `check` has `folder`, `findings`, `notes`, `undecided` and `skipped` in its place.
- `errors` is always there, and empty where nothing was wrong. `file` is a file, a folder or an option, as it was given;
  `line` and `column` count from 1. What is not known, or does not apply, is null.
- A wrong option is told as text on stderr, by every command.

"""

EXIT_CODES = (
    ("0", "done"),
    ("1", "findings, or a conflict: something that a person made would be lost, and nothing was written"),
    ("2", "bad input or usage; nothing was written"),
    ("3", "a bug of ours, with a report to send"),
    ("130", "interrupted"),
)

ENVIRONMENT = (
    ("CI", "when it is set, `init` does not ask"),
    ("TERM", "where it is `dumb`, `init` asks line by line, as with `--plain`, and `status` is without colour"),
    ("XDG_STATE_HOME", "the folder below which the answers of a stopped `init` are kept; `~/.local/state` by default"),
    ("NO_COLOR", "when it is set, nothing is in colour"),
    ("XDG_CACHE_HOME", "the folder below which compiled templates are kept; `~/.cache` by default"),
)


def spec_page() -> str:
    """Give the page of the spec: a table for each group of keys."""
    sections = (_section(name, field) for name, field in Spec.fields.items())
    return SPEC_INTRO + "\n".join(sections)


def _section(name: str, field: Field) -> str:
    return _table(f"## {name}", ("key", "meaning", "value", "default", "example"), _keys(name, field))


def _keys(path: str, field: Field) -> Iterator[tuple[str, ...]]:
    yield md_cell_code(path), _meaning(field), _value(field.shape), _default(path, field), _example(field)
    if field.later:
        return
    shape, inside = (field.shape.item, f"{path}[]") if isinstance(field.shape, Listing) else (field.shape, path)
    if isinstance(shape, Nested):
        for name, inner in shape.record.fields.items():
            yield from _keys(f"{inside}.{name}", inner)


def _meaning(field: Field) -> str:
    asked = f" *{md_cell(field.ask)}*" if field.ask else ""
    return f"{md_cell(field.doc)}.{asked}"


def _value(shape: Shape) -> str:
    match shape:
        case Kind():
            return _scalar(shape)
        case Entries(key, inner):
            return f"a map: {_scalar(key)} to {_value(inner)}"
        case Listing(item, name, least, distinct, most, alone):
            what = "a list of groups" if isinstance(item, Nested) else f"a list: {_value(item)}"
            what += ", or one of them alone" if alone else ""
            count = f", {least} to {most} items" if least else f", up to {most} items"
            differing = f", each with its own {md_cell_code(name)}" if name else ""
            return what + count + (differing or (", each once" if distinct else ""))
        case Nested(record, word, none):
            short = f", or {_value(record.fields[word].shape)} for {md_cell_code(word)} alone" if word else ""
            return "a group" + short + (", or `none`" if none else "")


def _scalar(kind: Kind[Any]) -> str:
    if kind.choices:
        later = f"; not built yet: {', '.join(map(md_cell_code, kind.later))}" if kind.later else ""
        return ", ".join(map(md_cell_code, kind.choices)) + later
    limit = kind.schema.get("maxLength")
    if kind.free:
        lines = ", several lines" if _takes(kind, "a\nb") else ""
        return f"{md_cell(kind.expected)} of at most {limit} characters{lines}"
    return md_cell(kind.expected)


def _takes(kind: Kind[Any], text: str) -> bool:
    try:
        kind.parse(text)
    except ValueError:
        return False
    return True


def _default(path: str, field: Field) -> str:
    if field.later:
        return "not built yet"
    if field.required:
        return "**required**"
    if field.undecided:
        return "*to be decided*"
    if field.derived:
        return md_cell(derived_doc(path))
    if isinstance(field.default, dict):
        return "none" if isinstance(field.shape, Entries) else "its keys' defaults"
    return "" if field.default is MISSING else _literal(field.default)


def _literal(tree: object) -> str:
    if isinstance(tree, list):
        return ", ".join(map(md_cell_code, tree)) if tree else "none"
    return md_cell_code(str(tree))


def _example(field: Field) -> str:
    return "" if field.example is MISSING else md_cell_code(field.example)


def commands_page() -> str:
    """Give the page of the commands: each with its arguments and options, and what they share."""
    group: Command = get_command(app)
    parts = [COMMANDS_INTRO, _options("## devops-tasks", "", group)]
    parts += [_command(name, inner) for name, inner in each_command(group)]
    parts += [_pairs("## Exit codes", "code", EXIT_CODES), _pairs("## Environment", "variable", ENVIRONMENT)]
    return "\n".join(parts)


def findings_page() -> str:
    """Give the page of the findings: a table for each subject."""
    rows = [(row.subject, [row.code, row.severity, row.meaning, row.mend]) for row in findings.CODES.values()]
    return FINDINGS_INTRO + "\n" + _by_subject(("code", "gravity", "meaning", "how to mend it"), rows)


def errors_page() -> str:
    """Give the page of the errors: a table for each subject."""
    rows = [(row.subject, [row.code, row.meaning, row.mend]) for row in errors.CODES.values()]
    return ERRORS_INTRO + _by_subject(("code", "meaning", "how to mend it"), rows)


def _by_subject(names: tuple[str, ...], rows: list[tuple[str, list[str]]]) -> str:
    subjects = dict.fromkeys(subject for subject, _ in rows)
    return "\n".join(
        _table(
            f"## {wanted}", names, [(md_cell_code(code), *rest) for subject, (code, *rest) in rows if subject == wanted]
        )
        for wanted in subjects
    )


def _pairs(heading: str, name: str, pairs: Iterable[tuple[str, str]]) -> str:
    return _table(heading, (name, "means"), [(md_cell_code(first), second) for first, second in pairs])


def each_command(group: Command, before: str = "") -> Iterator[tuple[str, Command]]:
    """Give every command by all of its words."""
    for name, inner in group.commands.items():
        if hasattr(inner, "commands"):
            yield from each_command(inner, f"{before}{name} ")
        else:
            yield f"{before}{name}", inner


def _command(name: str, inner: Command) -> str:
    arguments = " ".join(parameter.metavar for parameter in inner.params if parameter.param_type_name == "argument")
    usage = f"```bash\ndevops-tasks {name} {arguments}".rstrip() + "\n```\n"
    told = " ".join((inner.help or "").replace("\n\n", "\0").split()).replace("\0", "\n\n")
    return _options(f"## {name}", f"{usage}\n{told}\n", inner)


def _options(heading: str, told: str, inner: Command) -> str:
    rows = [(_spelling(parameter), parameter.help or "") for parameter in inner.params]
    rows.append(("`-h`, `--help`", "Show the help and exit."))
    return _table(f"{heading}\n\n{told}".rstrip(), ("argument or option", "meaning"), rows)


def _spelling(parameter: Parameter) -> str:
    if parameter.param_type_name == "argument":
        return md_cell_code(parameter.metavar)
    takes_text = not parameter.is_flag and parameter.opts[0] not in {"--install-completion", "--show-completion"}
    word = f" {parameter.metavar or parameter.name.upper()}" if takes_text else ""
    again = ", can be given again" if parameter.multiple else ""
    return ", ".join(md_cell_code(f"{name}{word}") for name in parameter.opts) + again


def _table(heading: str, names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = "".join(map(_row, (names, ("---",) * len(names), *rows)))
    return f"{heading}\n\n{lines}"


def _row(cells: tuple[str, ...]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells) + "\n"


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` only compare them."""
    made = {
        "spec.md": spec_page(),
        "commands.md": commands_page(),
        "input-errors.md": errors_page(),
        "findings.md": findings_page(),
    }
    pages = {FOLDER / name: text for name, text in made.items()}
    if "--check" in arguments:
        stale = [path for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
        for path in stale:
            print(f"{path.relative_to(ROOT)}: not what the program says (make docs)", file=sys.stderr)
        return int(bool(stale))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in pages.items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
