"""Network policies against the flows that the spec needs: each of them open, and nothing else.

Lives here: what a policy means, as Kubernetes defines it. A direction that no policy selects pods for is open;
otherwise some rule of some policy must match the peer and the port. Peers are compared as sets: of addresses, or of the
pods that selectors can match. What cannot be known (labels of somebody else's pods, whose address a range is) is
decided in favour of the file. Must not: which flows are needed (``plan`` says it).
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import product
from typing import NamedTuple

from devops_tasks.checks.cluster import Cluster, Labels, Pods, items, kind_of, labels_of, name_of
from devops_tasks.checks.documents import Document, Value
from devops_tasks.errors import KeyPath, Problem
from devops_tasks.plan import Flow, Peer

Problems = Iterator[Problem]
Network = IPv4Network | IPv6Network
_NAME = "app.kubernetes.io/name"
_NAMESPACE = "kubernetes.io/metadata.name"
_SIDES = {"ingress": "from", "egress": "to"}
_POLICIES = "security/network-policies.yml"


class Opening(NamedTuple):
    """One peer and one port that a rule of a policy opens; a peer or a port of None is any."""

    policy: Document
    path: KeyPath
    peer: Value
    protocol: str
    port: Value
    last: Value = None
    """The last port of a range."""

    def reaches(self, protocol: str, port: int, pods: Pods, direction: str) -> bool:
        """Say whether it is open on a port; a port by name is one of the pods that are asked, so only on the way in."""
        if self.port is None or self.protocol != protocol:
            return self.protocol in {"", protocol}
        if isinstance(self.port, str):
            return direction == "egress" or pods.ports.get(self.port) == port
        last = self.last if isinstance(self.last, int) else self.port
        return isinstance(self.port, int) and isinstance(last, int) and self.port <= port <= last


def check_flows(cluster: Cluster, needed: Iterable[Flow], monitoring: str) -> Problems:
    """Check every policy that selects pods of the spec: needed flows, other flows, ports that are scraped."""
    flows = list(needed)
    for name in dict.fromkeys(flow["service"] for flow in flows):
        own = [flow for flow in flows if flow["service"] == name]
        for pods in cluster.selected({_NAME: name}):
            yield from _denied(cluster, pods, own)
            yield from _unneeded(cluster, pods, own)
            yield from _unscraped(cluster, pods, own, monitoring)
    yield from _strangers(cluster)


def _policies(cluster: Cluster, labels: Labels, direction: str) -> list[Document]:
    """Give the policies that select pods with these labels; without labels, those that select every pod."""
    return [
        policy
        for policy in cluster.kind("NetworkPolicy")
        if direction in _types(policy)
        and _labels(policy.at(("spec",)), "podSelector").items() <= labels.items()
        and (labels or not policy.at(("spec", "podSelector")))
    ]


def _labels(holder: Value, selector: str) -> Labels:
    found = holder.get(selector) if isinstance(holder, dict) else None
    return labels_of(found.get("matchLabels")) if isinstance(found, dict) else {}


def _types(policy: Document) -> set[str]:
    written = policy.at(("spec", "policyTypes"))
    if isinstance(written, list):
        return {str(each).lower() for each in written}
    return {"ingress"} | ({"egress"} if policy.at(("spec", "egress")) else set())


def _openings(policies: Iterable[Document], direction: str) -> Iterator[Opening]:
    side = _SIDES[direction]
    for policy in policies:
        for index, rule in enumerate(items(policy.at(("spec", direction)))):
            path: KeyPath = ("spec", direction, index)
            for peer, port in product(items(rule.get(side)) or [None], items(rule.get("ports")) or [{}]):
                protocol = str(port.get("protocol", "TCP")) if port else ""
                yield Opening(policy, path, peer, protocol, port.get("port"), port.get("endPort"))


# Needed, and denied


def _denied(cluster: Cluster, pods: Pods, flows: list[Flow]) -> Problems:
    for flow in flows:
        direction = flow["direction"]
        policies = _policies(cluster, pods.labels, direction)
        closed = [each for each in flow["protocols"] if not _is_open(policies, flow, each, pods)]
        if policies and closed:
            place = next((each for each in policies if each.at(("spec", "podSelector"))), None)
            what = (
                f"{flow['from']} needs {flow['to']} ({flow['address']}) on {' and '.join(closed)} {flow['port']}, "
                f"and no policy of {flow['service']} opens that"
            )
            mend = f"add a rule under {direction}, or correct the one that was meant"
            document, path = place or policies[0], ("spec", direction)
            yield Problem(document.path, what, mend, "flow-denied", document.line(path))


def _is_open(policies: list[Document], flow: Flow, protocol: str, pods: Pods) -> bool:
    fitting = [
        opening
        for opening in _openings(policies, flow["direction"])
        if opening.reaches(protocol, flow["port"], pods, flow["direction"])
    ]
    peer = flow["peer"]
    if not peer["ranges"]:
        return any(_may_meet(opening.peer, peer) for opening in fitting)
    blocks = [_block(opening.peer) for opening in fitting]
    wanted, closed = _networks(peer["ranges"]), _networks(peer["excepted"])
    if not flow["decided"]:
        return any(_overlaps(block, each) for block, each in product(blocks, wanted))
    return all(any(_holds(block, each, closed) for block in blocks) for each in wanted)


def _networks(texts: Iterable[Value]) -> list[Network]:
    return [network for each in texts if (network := _network(each))]


def _network(text: Value) -> Network | None:
    try:
        return ip_network(str(text), strict=False)
    except ValueError:
        return None


class Block(NamedTuple):
    """A range of addresses without some ranges inside it; every address where there is no range."""

    network: Network | None
    excepted: tuple[Network, ...] = ()
    any: bool = False


def _block(peer: Value) -> Block:
    block = peer.get("ipBlock") if isinstance(peer, dict) else None
    if not isinstance(block, dict):
        return Block(None, any=peer is None)
    listed = block.get("except")
    excepted = _networks(listed if isinstance(listed, list) else ())
    return Block(_network(block.get("cidr")), tuple(excepted))


def _inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _holds(block: Block, wanted: Network, closed: list[Network]) -> bool:
    """Say whether a block has all of a range but what is to stay closed."""
    whole = block.network is not None and _inside(wanted, block.network)
    missing = (each for each in block.excepted if each.overlaps(wanted))
    return block.any or (whole and all(any(_inside(each, other) for other in closed) for each in missing))


def _overlaps(block: Block, wanted: Network) -> bool:
    if block.network is None:
        return block.any
    meets = _inside(block.network, wanted) or _inside(wanted, block.network)
    inner = block.network if _inside(block.network, wanted) else wanted
    return meets and not any(_inside(inner, each) for each in block.excepted)


def _may_meet(peer: Value, wanted: Peer) -> bool:
    """Say whether a selector can match the pods that are needed: no label of theirs is known to differ."""
    if peer is None:
        return True
    if "ipBlock" in peer:
        return False  # whether a range covers pods is left to the network
    spaces = peer.get("namespaceSelector")
    if spaces is None and wanted["namespace"] is not None:
        return False
    if _labels(peer, "namespaceSelector").get(_NAMESPACE, wanted["namespace"]) != wanted["namespace"]:
        return False
    asked = _labels(peer, "podSelector")
    known = {pair["name"]: pair["value"] for pair in wanted["labels"]}
    return all(known.get(name, value) == value for name, value in asked.items())


# Open, and not needed


def _unneeded(cluster: Cluster, pods: Pods, flows: list[Flow]) -> Problems:
    for direction in _SIDES:
        own = [flow for flow in flows if flow["direction"] == direction]
        for opening in _openings(_policies(cluster, pods.labels, direction), direction):
            if not any(_is_needed(opening, flow, pods) for flow in own):
                yield _told(opening, pods.labels[_NAME], direction)


def _is_needed(opening: Opening, flow: Flow, pods: Pods) -> bool:
    exact = opening.port is not None and opening.last in {None, opening.port} and opening.peer is not None
    if not exact or opening.protocol not in flow["protocols"]:
        return False
    return opening.reaches(opening.protocol, flow["port"], pods, flow["direction"]) and _within(
        opening.peer, flow["peer"]
    )


def _within(peer: Value, wanted: Peer) -> bool:
    if "ipBlock" in peer:
        block = _block(peer)
        ranges, closed = _networks(wanted["ranges"]), _networks(wanted["excepted"])
        return (
            block.network is not None
            and any(_inside(block.network, each) for each in ranges)
            and all(
                not each.overlaps(block.network) or any(_inside(each, own) for own in block.excepted) for each in closed
            )
        )
    same = _labels(peer, "namespaceSelector").get(_NAMESPACE) == wanted["namespace"]
    if wanted["ranges"] or not same or ("namespaceSelector" in peer) != (wanted["namespace"] is not None):
        return False
    asked = _labels(peer, "podSelector")
    return {pair["name"]: pair["value"] for pair in wanted["labels"]}.items() <= asked.items()


def _told(opening: Opening, service: str, direction: str) -> Problem:
    verb = "may be reached from" if direction == "ingress" else "may reach"
    port = f"{opening.protocol} {opening.port}" if opening.port is not None else "any port"
    port += f" to {opening.last}" if opening.last else ""
    what = f"{service} {verb} {_words(opening.peer)} on {port}, which nothing in the spec needs"
    mend = "remove the rule, narrow it, or add what it is for to the service's needs"
    return Problem(opening.policy.path, what, mend, "flow-unneeded", opening.policy.line(opening.path))


def _words(peer: Value) -> str:
    if peer is None:
        return "anybody"
    if isinstance(peer.get("ipBlock"), dict):
        return str(peer["ipBlock"].get("cidr"))
    pods = _printed(_labels(peer, "podSelector")) or "every pod"
    if "namespaceSelector" not in peer:
        return f"{pods} of the same namespace"
    spaces = _labels(peer, "namespaceSelector")
    place = spaces.get(_NAMESPACE) or _printed(spaces)
    return f"{pods} of {f'namespace {place}' if place else 'every namespace'}"


def _printed(labels: Labels) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())


def _strangers(cluster: Cluster) -> Problems:
    """Find what is open to pods that no policy names: everything, where there is no default deny."""
    first = next(cluster.kind("NetworkPolicy"), None)
    for direction in _SIDES if cluster.pods else ():
        policies = _policies(cluster, {}, direction)
        if not policies:
            what = f"a pod that no policy names has all {direction}: nothing is denied by default"
            mend = "add a policy with an empty podSelector and both policyTypes, and without rules"
            yield Problem(first.path if first else _POLICIES, what, mend, "flow-unneeded", 1)
        for opening in _openings(policies, direction):
            yield _told(opening, "every pod of the namespace", direction)


# Scraped


def _unscraped(cluster: Cluster, pods: Pods, flows: list[Flow], monitoring: str) -> Problems:
    """Find a port that the pods announce to Prometheus, that no policy lets it reach, and that no flow tells of."""
    peer: Peer = {"namespace": monitoring, "labels": [], "ranges": [], "excepted": [], "address": "", "decided": True}
    policies = _policies(cluster, pods.labels, "ingress")
    told = {flow["port"] for flow in flows if flow["peer"]["namespace"] == monitoring}
    for document, path, port in _announced(cluster, pods) if policies else ():
        fitting = (each for each in _openings(policies, "ingress") if each.reaches("TCP", port, pods, "ingress"))
        if port not in told and not any(_may_meet(opening.peer, peer) for opening in fitting):
            what = f"{kind_of(document)} {name_of(document)} is for Prometheus to scrape port {port}, and no policy "
            mend = "open that port to its namespace, or correct the port"
            what += f"lets pods of namespace {monitoring} reach it"
            yield Problem(document.path, what, mend, "scrape", document.line(path))


def _announced(cluster: Cluster, pods: Pods) -> Iterator[tuple[Document, KeyPath, int]]:
    path = (*pods.path, "metadata", "annotations")
    annotations = labels_of(pods.document.at(path))
    told = annotations.get("prometheus.io/port", "") if annotations.get("prometheus.io/scrape") == "true" else ""
    place = (*path, "prometheus.io/port")
    yield from ((pods.document, place, port) for port in pods.ports.values() if str(port) == told)
    for monitor in cluster.kind("PodMonitor"):
        if pods in cluster.selected(monitor.at(("spec", "selector", "matchLabels"))):
            for index, endpoint in enumerate(items(monitor.at(("spec", "podMetricsEndpoints")))):
                port = pods.ports.get(str(endpoint.get("port")))
                yield from [(monitor, ("spec", "podMetricsEndpoints", index), port)] if port else []
