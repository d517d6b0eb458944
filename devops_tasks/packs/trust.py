"""Which packs the user has said yes to: each by its exact place and the digest of its content, in a private file.

Lives here: asking for trust, and keeping it. Must not: reading packs, a question on the terminal: nothing of a pack is
rendered into a bundle before somebody said yes on the command line.
"""

import json
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from devops_tasks.cache import private_folder
from devops_tasks.errors import Problem, UserError
from devops_tasks.packs.manifest import Layer
from devops_tasks.reading import read_regular

NAME = "trusted-packs.json"
_MOST_BYTES = 10_000_000


def require_trust(layer: Layer, builtin: Collection[str], *, trust: bool) -> None:
    """Go on with a pack that somebody trusts, and remember who said so now; raises ``UserError`` for an unknown one."""
    row = [layer.pack.source, layer.pack.digest]
    path = _file()
    known = _read(path) if path else []
    if row in known:
        return
    if not trust:
        mend = "read its templates, then run it again with --trust"
        raise UserError(Problem(layer.pack.source, "; ".join(told(layer, builtin)), mend, "untrusted"))
    if path:
        _write(path, [*known, row])


def told(layer: Layer, builtin: Collection[str]) -> Iterator[str]:
    """Say what there is to know of a pack before it is trusted."""
    paths = list(layer.pack.templates)
    yield f"is a template pack that you have not trusted yet: {layer.name} {layer.manifest.version}"
    yield f"sha256:{layer.pack.digest}"
    yield f"adds {', '.join(path for path in paths if path not in builtin) or 'nothing'}"
    yield f"overrides {', '.join(path for path in paths if path in builtin) or 'nothing'}"


def _file() -> Path | None:
    folder = private_folder("XDG_STATE_HOME", "~/.local/state")
    return folder / NAME if folder else None


def _read(path: Path) -> list[list[str]]:
    """Read what is trusted; raises ``UserError`` where the file is damaged."""
    try:
        rows = json.loads(read_regular(path, _MOST_BYTES))
        return [[str(source), str(digest)] for source, digest in rows]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, RecursionError):
        what, mend = "damaged", "remove it; packs are then to be trusted anew"
        raise UserError(Problem(str(path), what, mend, "untrusted")) from None


def _write(path: Path, rows: list[list[str]]) -> None:
    """Keep what is trusted, whole or not at all; where it cannot be kept, the next run asks again."""
    temporary = path.with_name(f"{NAME}.{os.getpid()}")
    with suppress(OSError):
        with open(temporary, "x", encoding="utf-8", opener=_open_private) as file:
            json.dump(rows, file, indent=1)
        temporary.replace(path)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
