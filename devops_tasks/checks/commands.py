"""Commands of scripts and pages: what they hand to kubectl must be an object of the bundle, in a namespace of it.

Lives here: names in shell text. Must not: flags and syntax (``kubectl`` and ``shellcheck`` have them).
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from devops_tasks.checks.cluster import ROLLED, Cluster, items, kind_of, name_of
from devops_tasks.checks.documents import Document, Value
from devops_tasks.checks.markdown import read_page
from devops_tasks.checks.objects import ingress_backends
from devops_tasks.checks.shell import Script, external_commands, read_shell
from devops_tasks.errors import Problem

Problems = Iterator[Problem]
_KINDS = {
    "certificate": "Certificate",
    "cronjob": "CronJob",
    "deployment": "Deployment",
    "externalsecret": "ExternalSecret",
    "horizontalpodautoscaler": "HorizontalPodAutoscaler",
    "hpa": "HorizontalPodAutoscaler",
    "httproute": "HTTPRoute",
    "ingress": "Ingress",
    "networkpolicy": "NetworkPolicy",
    "pdb": "PodDisruptionBudget",
    "poddisruptionbudget": "PodDisruptionBudget",
    "rollout": "Rollout",
    "service": "Service",
    "serviceaccount": "ServiceAccount",
    "svc": "Service",
}
_NAME = r"(?P<name>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)(?![\w$.{/-])"
_COMMAND = re.compile(r"\b(?:kubectl|kube)\b(?!\()(?:[^\n#]|\\\n)*")
_VERB = r"rollout (?:history|pause|restart|resume|status|undo)\b"
_OBJECT = re.compile(rf"(?<![\w/.-])(?!{_VERB})(?P<kind>{'|'.join(_KINDS)})(?:/| ){_NAME}")
_NAMESPACE = re.compile(rf"(?<!\S)(?:--namespace[ =]|-n ){_NAME}")
_CONTAINER = re.compile(rf"(?<!\S)(?:--container[ =]|-c ){_NAME}")
_SELECTED = re.compile(rf"\bapp\.kubernetes\.io/name={_NAME}")
_LIST = re.compile(
    r"^[ \t]*(?:readonly[ \t]+)?(?P<kind>services|deployments|workers|migrations)=\((?P<names>[a-z0-9 /-]*)\)",
    re.MULTILINE,
)
_STATE = re.compile(r"delivery/traffic/green-(\d{3})\.yml")
_ALL = 100
_SAID = (
    ("delivery/shift-traffic.sh", re.compile(r"^(\d+(?: \| \d+)+)\) ;;$", re.MULTILINE), True),
    ("delivery/watch-rollout.sh", re.compile(r"^shares=\(([\d ]+)\)$", re.MULTILINE), False),
    ("tasks.md", re.compile(r"^ +- \[[ xX]\] Switch (\d+)% of traffic to green", re.MULTILINE), False),
)
"""Where the steps are said, how, and whether the state without any traffic is one of them."""
_STEPS = re.compile(r"overlays/production/.+-steps\.yml")
_WEIGHTS = re.compile(r"^ +- setWeight: (\d+)$", re.MULTILINE)
_INDEX = "runbooks/index.md"
_LISTED = re.compile(r"^The commands on these pages call (.*)$", re.MULTILINE)


class Known(NamedTuple):
    """What a command may name."""

    cluster: Cluster
    services: frozenset[str]
    namespaces: frozenset[str]
    others: frozenset[str]
    """Namespaces that are not this feature's, whose objects the bundle cannot know."""


class Shell(NamedTuple):
    """A piece of shell text, and the line of its file before it."""

    path: str
    text: str
    before: int

    def line(self, position: int) -> int:
        """Find the line of a position in the file."""
        return self.before + self.text.count("\n", 0, position) + 1


def check_commands(files: Mapping[str, str], known: Known) -> Problems:
    """Check every name that a script, or a command of a page, gives to kubectl."""
    for shell in _shells(files):
        yield from _lists(shell, known)
        for match in _COMMAND.finditer(shell.text):
            yield from _command(shell, match, known)


def _shells(files: Mapping[str, str]) -> Iterator[Shell]:
    for path, text in files.items():
        if path.endswith(".sh"):
            yield Shell(path, text, 0)
        elif path.startswith("runbooks/") and path.endswith(".md"):
            fences = read_page(text).fences
            yield from (Shell(path, each.text, each.line) for each in fences if each.language in {"bash", "sh"})


def _lists(shell: Shell, known: Known) -> Problems:
    own = {
        "deployments": {
            name
            for each in known.cluster.kind(*ROLLED)
            for name in (name_of(each), f"{kind_of(each).lower()}/{name_of(each)}")
        },
        "migrations": {name_of(each) for each in known.cluster.kind("CronJob")},
    }
    for match in _LIST.finditer(shell.text):
        allowed = own.get(match["kind"], known.services)
        for name in match["names"].split():
            if name not in allowed:
                yield _problem(shell, match.start("names"), f"{name} is none of the {match['kind']} of the bundle")


def _command(shell: Shell, command: re.Match[str], known: Known) -> Problems:
    text, start = command[0], command.start()
    namespace = _NAMESPACE.search(text)
    if namespace and namespace["name"] not in known.namespaces | known.others:
        what = f"{namespace['name']} is no namespace of this bundle"
        yield _problem(shell, start + namespace.start(), what, "unknown-namespace")
    if namespace and namespace["name"] not in known.namespaces:
        return
    for match in _OBJECT.finditer(text):
        kind = _KINDS[match["kind"]]
        if (kind, match["name"]) not in known.cluster.objects and _meant(shell, match["name"], known):
            what = f"the command names {kind} {match['name']}, which the bundle does not have"
            yield _problem(shell, start + match.start(), what)
    for match in (*_CONTAINER.finditer(text), *_SELECTED.finditer(text)):
        if match["name"] not in _containers(known) and _meant(shell, match["name"], known):
            what = f"the command asks for {match['name']}, and no pod of the bundle is called that"
            yield _problem(shell, start + match.start(), what)


def _meant(shell: Shell, name: str, known: Known) -> bool:
    """Say whether a name is meant for ours: on a page people may have written commands for other things as well."""
    return not shell.path.endswith(".md") or name.startswith(tuple(known.services))


def _containers(known: Known) -> set[str]:
    names = {str(container.get("name")) for pods in known.cluster.pods for _, container in pods.containers}
    return names | {pods.labels.get("app.kubernetes.io/name", "") for pods in known.cluster.pods}


def _problem(shell: Shell, position: int, what: str, code: str = "unknown-object") -> Problem:
    return Problem(shell.path, what, "use the name that it has", code, shell.line(position))


def check_declared(files: Mapping[str, str]) -> Problems:
    """Check that a script asks for every command that it calls, and the index of the runbooks names those of its pages.

    A script that asks for nothing, and an index without the list, were written by somebody else.
    """
    listed = _LISTED.search(files.get(_INDEX, ""))
    pages = set(re.findall(r"`([^`]+)`", listed[1])) if listed else set()
    for shell in _shells(files):
        script = read_shell(shell.text) if listed or shell.path.endswith(".sh") else Script([], set())
        asked = {word for command in script.commands if command.words[0] == "need" for word in command.words[1:]}
        known, place = (pages, f"the list in {_INDEX}") if shell.path.endswith(".md") else (asked, "its line of need")
        for command in external_commands(script) if known else ():
            if command.words[0] not in {*known, "bash"}:  # bash runs it
                what = f"{command.words[0]} is called here, and is not among the commands that are asked for"
                line = shell.line(command.position)
                yield Problem(shell.path, what, f"add it to {place}", "undeclared-command", line)


def check_traffic(cluster: Cluster) -> Problems:
    """Check that every route is in the state that its file is called after."""
    for route in cluster.all:
        match = _STATE.fullmatch(route.path)
        blue = name_of(route) if ("Rollout", name_of(route)) in cluster.objects else None
        if match and kind_of(route) == "Ingress":
            yield from _flipped(route, int(match[1]), blue)
        elif match:
            yield from _weighted(route, int(match[1]), blue)


def _colour(backend: Value, blue: str | None) -> str:
    """Name the colour of a route's backend; that of a Rollout's stable version has the name of the Rollout."""
    return "blue" if backend == blue else str(backend).rpartition("-")[2]


def _weighted(route: Document, wanted: int, blue: str | None) -> Problems:
    for index, rule in enumerate(items(route.at(("spec", "rules")))):
        backends = items(rule.get("backendRefs"))
        weights = {_colour(each.get("name"), blue): each.get("weight", 1) for each in backends}
        if weights != {"blue": 100 - wanted, "green": wanted}:
            told = ", ".join(f"{colour} {weight}" for colour, weight in weights.items())
            what = f"HTTPRoute {name_of(route)} sends {told}, and the file is called green-{wanted:03}"
            line = route.line(("spec", "rules", index, "backendRefs"))
            yield Problem(route.path, what, f"blue {100 - wanted}, green {wanted}", "traffic-step", line)


def _flipped(route: Document, wanted: int, blue: str | None) -> Problems:
    colour = "blue" if wanted == 0 else "green" if wanted == _ALL else "neither alone"
    for path, service in ingress_backends(route):
        if _colour(service.get("name"), blue) != colour:
            what = f"Ingress {name_of(route)} leads to {service.get('name')}, and the file is called green-{wanted:03}"
            yield Problem(route.path, what, f"lead to {colour}", "traffic-step", route.line((*path, "name")))


def check_steps(files: Mapping[str, str], steps: list[int], states: list[int]) -> Problems:
    """Check that the scripts, the Rollouts and the document take the steps of the spec, 0 being the first.

    ``states`` are those that the routes have files for. What none of them says any more, because somebody has written
    it anew, is left alone.
    """
    given = [int(match[1]) for path in sorted(files) if (match := _STATE.fullmatch(path))]
    if given and sorted(given) != sorted(states):
        yield _other_steps("delivery/traffic", "the routes have states for", sorted(given), sorted(states))
    rolled = ((path, _WEIGHTS, False) for path in files if _STEPS.fullmatch(path))
    for path, pattern, wanted in (*_SAID, *rolled):
        found = list(pattern.finditer(files.get(path, "")))
        said = [int(number) for match in found for number in re.findall(r"\d+", match[1])]
        meant = [step for step in steps if step or wanted]
        if said and said != meant:
            line = files[path].count("\n", 0, found[0].start(1)) + 1
            yield _other_steps(path, "the steps here are", said, meant)._replace(line=line)


def _other_steps(path: str, words: str, said: list[int], wanted: list[int]) -> Problem:
    told, meant = (", ".join(map(str, each)) for each in (said, wanted))
    return Problem(
        path, f"{words} {told}, and delivery.steps makes them {meant}", "take the same steps", "traffic-step"
    )
