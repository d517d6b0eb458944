"""Monitoring that must agree with itself and with the manifests: queries, recorded series, runbooks, scrape jobs.

Must not: the syntax of Prometheus' own configuration (promtool has it).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from devops_tasks.checks.cluster import Cluster, beside, items
from devops_tasks.checks.documents import Document, Value
from devops_tasks.checks.label_flow import Flow
from devops_tasks.checks.links import Exists
from devops_tasks.checks.markdown import read_page
from devops_tasks.checks.rules import Rule
from devops_tasks.checks.sources import Sources
from devops_tasks.errors import Problem
from devops_tasks.promql import Query, Selector, parse, read_query
from devops_tasks.spec import Monitoring, Spec
from devops_tasks.units import Duration

Problems = Iterator[Problem]
_NEAR = 0.85
_NAMING = frozenset({"namespace", "container"})
"""Labels that name things of the bundle: a wrong name is told by itself."""
_SAMPLES = 4
_FLOW_MENDS = {
    "never-meets": "aggregate both sides to the same labels, or match on those that both have",
    "never-selects": "correct the label or its value; labels that a series has besides go to monitoring.metrics",
    "many-to-many": "select one bucket, or aggregate with sum without (le)",
}
_PAGE = re.compile(r"runbooks/[\w./-]+")
_RECORDED = re.compile(r"[a-zA-Z_]\w*:[\w:]+")
_GRAFANA = (
    (re.compile(r"\$__(?:rate_)?interval\b|\$\{__(?:rate_)?interval\}"), "5m"),
    (re.compile(r"\$__range\b"), "1h"),
    (re.compile(r"\$\{\w+(?::\w+)?\}|\$\w+|\[\[\w+\]\]"), "x"),
)


class Watched(NamedTuple):
    """What queries and alerts may be about: the names of the spec's own things, and of its namespaces."""

    services: frozenset[str]
    subjects: frozenset[str]
    namespaces: frozenset[str]
    own_queries: str
    """The queries that the user wrote: what they name is not ours to judge."""
    provided: frozenset[str] = frozenset()
    """The series of which the spec says that somebody else provides them."""


class Asked(NamedTuple):
    """One query, and where it stands."""

    path: str
    line: int
    expr: str


def check_queries(files: Mapping[str, str], documents: list[Document], rules: list[Rule], watched: Watched) -> Problems:
    """Check that every query parses, uses series that are recorded, and asks for things that the bundle has."""
    recorded = watched.provided | {rule.name for rule in rules if not rule.alert}
    for asked in _queries(files, documents, rules):
        query = read_query(asked.expr)
        if query.fault:
            yield Problem(asked.path, f"no valid PromQL: {query.fault}", "", "promql", asked.line)
        for selector in query.selectors:
            yield from _selector(asked, selector, recorded, watched)


def _queries(files: Mapping[str, str], documents: list[Document], rules: list[Rule]) -> Iterator[Asked]:
    yield from (Asked(rule.document.path, rule.line("expr"), rule.expr) for rule in rules)
    for document in documents:
        if document.path.startswith("monitoring/") and document.path.endswith(".json"):
            yield from (_drawn(document.path, files, expr) for expr in _panels(document.content))
    for path, text in files.items():
        if path.endswith(".md") and "```promql" in text:
            fences = read_page(text).fences
            yield from (Asked(path, each.line + 1, each.text) for each in fences if each.language == "promql")


def check_flow(spec: Spec, documents: list[Document], rules: list[Rule], watched: Watched) -> Problems:
    """Check that the rules read series that are there, over times that are kept, and that all matches can meet."""
    sources = Sources(spec, documents, rules)
    for rule in rules:
        query = read_query(rule.expr)
        if not query.fault:
            flow = Flow(sources.series, [])
            flow.read(parse(rule.expr))
            for finding in dict.fromkeys(each for each in flow.findings if each.label not in _NAMING):
                yield _of_rule(rule, finding.code, f"{rule.name}: {finding.what}", _FLOW_MENDS[finding.code])
            yield from _unprovided(rule, query, sources, watched)
            yield from _times(rule, query, spec.monitoring)


def _of_rule(rule: Rule, code: str, what: str, mend: str) -> Problem:
    return Problem(rule.document.path, what, mend, code, rule.line("expr"))


def _unprovided(rule: Rule, query: Query, sources: Sources, watched: Watched) -> Problems:
    for name in dict.fromkeys(selector.name for selector in query.selectors):
        if name and not sources.known(name) and not (_RECORDED.fullmatch(name) and _ours(name, watched)):
            near = get_close_matches(name, sources.names, n=1, cutoff=_NEAR)
            mend = f"did you mean {near[0]}? " if near else ""
            mend += "a series that somebody else provides is told of in monitoring.metrics"
            yield _of_rule(rule, "unknown-metric", f"{rule.name} reads {name}, which nothing here provides", mend)


def _times(rule: Rule, query: Query, monitoring: Monitoring) -> Problems:
    if query.reach > monitoring.retention:
        what = f"{rule.name} looks back {query.reach.text}, and Prometheus keeps {monitoring.retention.text} of samples"
        yield _of_rule(rule, "beyond-retention", what, "shorten it, or raise monitoring.retention")
    for window in query.windows:
        recorded = ":" in window.series
        every = monitoring.evaluation_interval if recorded else monitoring.scrape_interval
        if window.length.seconds < _SAMPLES * every.seconds:
            what = f"{rule.name} takes a rate over {window.length.text}, and a sample comes every {every.text}"
            mend = f"take {Duration(_SAMPLES * every.seconds).text} or more: one lost sample must not silence it"
            yield _of_rule(rule, "short-range", what, mend)


def _panels(value: Value) -> Iterator[str]:
    if isinstance(value, dict):
        expr = value.get("expr")
        if isinstance(expr, str) and expr:
            yield expr
        for inner in value.values():
            yield from _panels(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _panels(inner)


def _drawn(path: str, files: Mapping[str, str], expr: str) -> Asked:
    """Give a panel's query as Grafana sends it; JSON keeps no lines, so it is looked for by its first words."""
    start = expr.split('"', maxsplit=1)[0].split("\n", maxsplit=1)[0]
    text = files[path]
    line = text.count("\n", 0, max(text.find(start), 0)) + 1
    for pattern, value in _GRAFANA:
        expr = pattern.sub(value, expr)
    return Asked(path, line, expr)


def _selector(asked: Asked, selector: Selector, recorded: frozenset[str], watched: Watched) -> Problems:
    if _RECORDED.fullmatch(selector.name) and selector.name not in recorded | {"x"} and _ours(selector.name, watched):
        what = f"no rule of the bundle records {selector.name}"
        yield Problem(asked.path, what, "see monitoring/recording-rules.yml", "unknown-series", asked.line)
    for label, known, code in (
        ("namespace", watched.namespaces, "unknown-namespace"),
        ("container", watched.services, "unknown-service"),
    ):
        value = selector.labels.get(label, "x")
        if value not in known | {"x", ""} and _ours(value, watched):
            what = f"the query asks for {label} {value}, which this bundle does not have"
            yield Problem(asked.path, what, ", ".join(sorted(known)), code, asked.line)


def _ours(name: str, watched: Watched) -> bool:
    return name not in watched.own_queries


def check_alerts(rules: Iterable[Rule], files: Mapping[str, str], watched: Watched) -> Problems:
    """Check that every alert is about something of this bundle and leads to its runbook."""
    for rule in rules:
        if rule.alert:
            service = rule.labels.get("service", "")
            if service not in watched.subjects:
                what = f"{rule.name} is about {service or 'no service'}, which the bundle does not have"
                mend = ", ".join(sorted(watched.subjects))
                yield Problem(rule.document.path, what, mend, "unknown-service", rule.line("labels"))
            yield from _runbook(rule, files)


def _runbook(rule: Rule, files: Mapping[str, str]) -> Problems:
    address = rule.annotations.get("runbook_url", "")
    page = _PAGE.search(address)
    if page is None or page[0] not in files:
        what = (
            f"{rule.name} has no runbook_url" if not address else f"the runbook of {rule.name} is not there: {address}"
        )
        line = rule.document.line((*rule.path, "annotations", "runbook_url")) if address else rule.line("alert")
        yield Problem(rule.document.path, what, f"expected runbooks/alerts/{rule.name}.md", "no-runbook", line)


def check_prometheus(documents: list[Document], exists: Exists) -> Problems:
    """Check that the rule files of Prometheus' configuration, and of the rules' tests, are there."""
    for document in documents:
        names = document.at(("rule_files",))
        for index, name in enumerate(names if isinstance(names, list) else ()):
            path = beside(document.path, str(name))
            if not any(char in path for char in "*?[") and not exists(path):
                what = f"rule_files names {name}, which is not there"
                yield Problem(
                    document.path, what, "correct the name", "missing-file", document.line(("rule_files", index))
                )


def check_jobs(cluster: Cluster, documents: list[Document], scraped: frozenset[str]) -> Problems:
    """Check that every service with metrics has a job, or a monitor, that keeps its pods and a port of theirs."""
    config = next((each for each in documents if each.at(("scrape_configs",)) is not None), None)
    if config is not None:
        yield from _jobs(cluster, config, scraped)
    elif any(cluster.kind("PodMonitor", "ServiceMonitor")):
        yield from _monitors(cluster, scraped)


def _jobs(cluster: Cluster, config: Document, scraped: frozenset[str]) -> Problems:
    jobs = {str(job.get("job_name")): index for index, job in enumerate(items(config.at(("scrape_configs",))))}
    for name in sorted(scraped - jobs.keys()):
        what = f"no job scrapes {name}"
        yield Problem(config.path, what, f"add one with job_name: {name}", "scrape", config.line(("scrape_configs",)))
    for name in sorted(scraped & jobs.keys()):
        place = ("scrape_configs", jobs[name], "relabel_configs")
        for index, rule in enumerate(items(config.at(place))):
            known = _known(cluster, rule, name)
            if known and not any(_keeps(rule, value) for value in known):
                what = f"the job {name} keeps nothing: {rule.get('regex')} matches none of {', '.join(sorted(known))}"
                yield Problem(config.path, what, "correct the regex", "scrape", config.line((*place, index, "regex")))


def _known(cluster: Cluster, rule: Value, name: str) -> set[str]:
    """Give the values that a label can have which a job keeps targets by; nothing where the bundle does not know."""
    found = cluster.selected({"app.kubernetes.io/name": name})
    values = {
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": {name},
        "__meta_kubernetes_pod_container_port_name": {port for pods in found for port in pods.ports},
        "__meta_kubernetes_pod_container_port_number": {str(port) for pods in found for port in pods.ports.values()},
    }
    sources = rule.get("source_labels")
    single = str(sources[0]) if isinstance(sources, list) and len(sources) == 1 else ""
    return values.get(single, set()) if rule.get("action") == "keep" else set()


def _keeps(rule: Value, value: str) -> bool:
    try:
        return re.fullmatch(str(rule.get("regex", "(.*)")), value) is not None
    except re.error:
        return False


def _monitors(cluster: Cluster, scraped: frozenset[str]) -> Problems:
    monitors = list(cluster.kind("PodMonitor", "ServiceMonitor"))
    selected = {str(each.at(("spec", "selector", "matchLabels", "app.kubernetes.io/name"))) for each in monitors}
    for name in sorted(scraped - selected):
        yield Problem(monitors[0].path, f"no monitor scrapes {name}", "add one that selects it", "scrape", 1)
