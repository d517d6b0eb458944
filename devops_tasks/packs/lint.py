"""What is wrong with a template before anything is rendered: one lint, for the tool's own templates and for packs.

Templates choose, loop and print: they never compute, and print no value without the filter of the language and place in
which it stands. Must not: rendering, files.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from jinja2 import Environment, nodes
from jinja2.meta import find_undeclared_variables

from devops_tasks.packs.layers import filters
from devops_tasks.render import DOCUMENT, PLACEHOLDER, PLURALS

COMPUTING_FILTERS = {"sum", "round", "int", "float", "abs", "max", "min", "length", "count", "batch", "slice", "random"}
ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos)
COMPUTING_CALLS = {"range"}


ENVIRONMENT = Environment(autoescape=False)  # noqa: S701 - templates are parsed, never rendered
ENVIRONMENT.filters = filters()


class Finding(NamedTuple):
    """Something wrong at a line of a template."""

    line: int
    what: str


class Given(NamedTuple):
    """What a template may ask for besides the smallest spec's plan: what the tool's do; a part, also what any sets."""

    asked: set[str]
    stored: set[str]


def parse(text: str) -> nodes.Template:
    """Parse a template as text; raises ``TemplateSyntaxError``."""
    return ENVIRONMENT.parse(text)


def computations(text: str) -> list[Finding]:
    """Name every place of a template that computes."""
    tree = parse(text)
    arithmetic = [Finding(node.lineno, f"computes: {type(node).__name__}") for node in tree.find_all(ARITHMETIC)]
    filtered = [
        Finding(each.lineno, f"computes: | {each.name}")
        for each in tree.find_all(nodes.Filter)
        if each.name in COMPUTING_FILTERS
    ]
    calls = [
        Finding(call.lineno, f"computes: {call.node.name}()")
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in COMPUTING_CALLS
    ]
    return arithmetic + filtered + calls


class Printed(NamedTuple):
    """A value that a template prints: what stands before it on its line, and in which language."""

    line: int
    before: str
    after: str
    language: str
    value: nodes.Expr


def printed(name: str, text: str) -> Iterator[Printed]:
    """Find every value that a template prints, with its place in the literal text around it."""
    around, fence = "", ""
    tokens = list(ENVIRONMENT.lex(text))
    for index, (line, kind, data) in enumerate(tokens):
        if kind == "data":
            *whole, around = (around + data).split("\n")
            for each in whole:
                fence = _fence(each, fence)
        if kind == "variable_begin":
            end = next(i for i in range(index, len(tokens)) if tokens[i][1] == "variable_end")
            code = "".join(part for _, _, part in tokens[index + 1 : end])
            after = next((part for _, kind, part in tokens[end + 1 : end + 2] if kind == "data"), "")
            yield from _branches(line, around, after, _language(name, around, fence), _expression(code))
            around += "X"


def _expression(code: str) -> nodes.Expr:
    output: Any = parse("{{" + code + "}}").body[0]
    expression: nodes.Expr = output.nodes[0]
    return expression


def _branches(line: int, before: str, after: str, language: str, node: nodes.Expr) -> Iterator[Printed]:
    if isinstance(node, nodes.CondExpr):
        for branch in filter(None, (node.expr1, node.expr2)):
            yield from _branches(line, before, after, language, branch)
    elif not isinstance(node, nodes.Const):
        yield Printed(line, before, after, language, node)


def _fence(line: str, fence: str) -> str:
    """Say in which block of Markdown code the next line is."""
    mark = re.match(r"\s*```(\w*)", line)
    return fence if mark is None else "" if fence else mark[1] or "text"


def _language(name: str, before: str, fence: str) -> str:
    suffix = name.removesuffix(".j2").rpartition(".")[2]
    language = {"yml": "yaml", "bash": "sh"}.get(fence or suffix, fence or suffix)
    if re.match(COMMENTS.get(language, "(?!)"), before):
        return "comment"
    return "cell" if language == "md" and before.startswith("|") else language


COMMENTS = {"yaml": r"\s*#|.*  #", "sh": r"\s*#", "sql": r"\s*--"}
FILTERS_OF = {
    "yaml": {"yaml", "yaml_text", "yaml_block", "number", "plain"},
    "json": {"json", "number"},
    "sh": {"sh", "sh_quoted", "number", "plain"},
    "sql": {"sql", "number", "plain"},
    "md": {"md", "md_code", "md_fence", "md_target", "md_url"},
    "cell": {"md_cell", "md_cell_code", "md_target", "md_url"},
    "mermaid": {"mermaid", "mermaid_id"},
    "python": {"json", "number"},
    "svg": {"number", "plain"},
    "comment": {"comment"},
}
"""The filters of a language by which a value may be printed; what chains end with."""
_SCALARS = set().union(*FILTERS_OF.values()) - {"json"}
"""The filters that print one value."""
WHOLE = re.compile(r"(?:.*(?:: |- |\[|, |! ?\w+ ))?\s*")
"""What stands before a value of YAML or JSON that is all of a scalar."""


def misprinted(name: str, text: str) -> list[Finding]:
    """Name every value that a template prints without a filter of the language and place in which it stands."""
    macros = set(_macros(parse(text)))
    found = [each for each in printed(name, text) if not _is_macro(each.value, macros)]
    return [
        Finding(each.line, f"printed without its language's filter: {each.before}{{{{ ... }}}}{each.after[:9]!r}")
        for each in found
        if not _fits(name, each)
    ]


def unknown(name: str, text: str, plan: Mapping[str, Any], given: Given) -> list[Finding]:
    """Name every variable of a template that nothing gives it, and every key that the plan's groups do not have."""
    tree = parse(text)
    known = {**plan, **_item(name, plan)}
    own = stored(text) | (given.stored if is_part(name) else set())
    loose = asked(text) - known.keys() - given.asked - own
    if name == f"{DOCUMENT}.j2" or is_part(name):
        loose -= {"files", "show"}
    names = [
        Finding(node.lineno, f"there is no {node.name}") for node in tree.find_all(nodes.Name) if node.name in loose
    ]
    keys = [_missing(node, known) for node in tree.find_all(nodes.Getattr) if _root(node) not in own]
    groups = [_group(node, known) for node in tree.find_all(nodes.Filter) if _root(node.node or node) not in own]
    return sorted({*names, *(each for each in [*keys, *groups] if each)})


def absent(text: str, finds: Callable[[str], bool]) -> list[Finding]:
    """Name every template that is taken in by its name, and that there is not; of several, one is enough."""
    taken: Iterator[Any] = parse(text).find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport))
    return [
        Finding(node.lineno, f"there is no template {' or '.join(names)}")
        for node in taken
        if not getattr(node, "ignore_missing", False)
        for names in [_names(node.template)]
        if names and not any(map(finds, names))
    ]


def _names(node: nodes.Node) -> list[str]:
    """Give the names of templates that are written out; none where one of them is only known when it is rendered."""
    items = node.items if isinstance(node, nodes.List | nodes.Tuple) else [node]
    names = [str(item.value) for item in items if isinstance(item, nodes.Const)]
    return names if len(names) == len(items) else []


def is_part(name: str) -> bool:
    """Say whether a template is taken in by others, and has names from them."""
    return name.startswith("_") or "/_" in name


def asked(text: str) -> set[str]:
    """Name what a template takes from the plan, or from the one that takes it in."""
    return find_undeclared_variables(parse(text))


def stored(text: str) -> set[str]:
    """Name what a template sets, loops over, takes as arguments, or imports."""
    tree = parse(text)
    imported = {name.rstrip(".") for name in _macros(tree)}
    return {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"} | imported - {"self"}


def _item(name: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a placeholder in the path of a template stands for."""
    word = PLACEHOLDER.search(name)
    items = plan.get(PLURALS.get(word[1], ""), ()) if word else ()
    return {word[1]: items[0] if items else None} if word else {}


def _root(node: nodes.Node) -> str:
    while isinstance(node, nodes.Getattr):
        node = node.node
    return node.name if isinstance(node, nodes.Name) else ""


def _missing(node: nodes.Getattr, known: Mapping[str, Any]) -> Finding | None:
    """Find the first key on the way that the plan does not have there; what is no group cannot be looked into."""
    inner = node.node
    group = known.get(inner.name) if isinstance(inner, nodes.Name) else _value(inner, known)
    if isinstance(group, dict) and node.attr not in group:
        return Finding(node.lineno, f"there is no {node.attr} in {_root(node)}")
    return None


def _group(node: nodes.Filter, known: Mapping[str, Any]) -> Finding | None:
    """Find a group that is printed as if it were one value, such as a quantity, whose keys are its notations."""
    inner = node.node
    if node.name not in _SCALARS or not isinstance(inner, nodes.Getattr):
        return None
    group = _value(inner, known)
    told = f"{inner.attr} is a group: print one of {', '.join(group)}" if isinstance(group, dict) else ""
    return Finding(node.lineno, told) if told else None


def _value(node: nodes.Node, known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a value of the plan
    if isinstance(node, nodes.Name):
        return known.get(node.name)
    group = _value(node.node, known) if isinstance(node, nodes.Getattr) else None
    return group.get(node.attr) if isinstance(node, nodes.Getattr) and isinstance(group, dict) else None


def _fits(name: str, place: Printed) -> bool:
    last, *earlier = [*chain(place.value), ""]
    if last not in FILTERS_OF.get(place.language, ()):
        return False
    if "github" in name and last != "number" and "workflow" not in earlier and "join" not in earlier:
        return place.language == "comment"
    if last.startswith("yaml") or last == "json":
        return WHOLE.fullmatch(place.before) is not None and re.match(r"$|[\n:,}\]]|  #", place.after) is not None
    if place.language == "sh":
        return _quote(place.before) in {"sh": {""}, "sh_quoted": {"'"}}.get(last, {"", "'", '"'})
    return True


def chain(node: nodes.Node | None) -> Iterator[str]:
    """Name the filters of a value, the last one first; a mapped one counts, where only words of ours join the items."""
    while isinstance(node, nodes.Filter):
        match node:
            case nodes.Filter(name="map", args=[nodes.Const(value=name), *_]):
                yield name
            case nodes.Filter(name="map"):
                pass
            case (
                nodes.Filter(name="indent")
                | nodes.Filter(name="join", args=[nodes.Const()], node=nodes.Filter(name="map"))
            ):
                pass
            case _:
                yield node.name
        node = node.node


def _quote(before: str) -> str:
    """Say in which quotes of the shell a line ends, if in any; in a command inside quotes they begin anew."""
    open_ = [""]
    for mark in re.findall(r"\\.|\$\(|[)'\"]", before):
        if mark == "$(" and open_[-1] != "'":
            open_ += ["(", ""]
        elif mark == ")" and open_[-2:] == ["(", ""]:
            del open_[-2:]
        elif mark == open_[-1]:
            open_.pop()
        elif mark in "'\"" and not open_[-1]:
            open_.append(mark)
    return open_[-1]


def _macros(tree: nodes.Template) -> Iterator[str]:
    yield from ("caller", "super", "self.")
    for macro in tree.find_all(nodes.Macro):
        yield macro.name
    for imported in tree.find_all(nodes.FromImport):
        yield from (name if isinstance(name, str) else name[1] for name in imported.names)
    for whole in tree.find_all(nodes.Import):
        yield f"{whole.target}."


def _is_macro(node: nodes.Node | None, macros: set[str]) -> bool:
    match node:
        case nodes.Filter(name="indent", node=inner):
            return _is_macro(inner, macros)
        case nodes.Call(node=nodes.Name(name=name)):
            return name in macros
        case nodes.Call(node=nodes.Getattr(node=nodes.Name(name=name))):
            return f"{name}." in macros
        case _:
            return False
