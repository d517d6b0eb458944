"""Specs that nobody wrote: a seed chooses the shape among what the platform allows, and a value for each key in it.

Hardly a value stands twice, and none is a default or round: ``37.3%`` or ``2437s`` in a file has one key to come from.
The two specs of one seed have the same shape and no value in common (:func:`twins`).
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any, NamedTuple

Keys = dict[str, Any]

_LETTERS = "bcdfghjklmnprstvwxz"
_FIRST_DAY = date(2031, 1, 1)
_REPLICAS = ["3", "4", "6", "7", "9", "11", "12", "13", "14"]
_HOURS = ["2h", "3h", "240m", "28800s", "0.5d"]
_MINUTES = ["2m", "180s", "12m", "720000ms", "0.5h", "20 min"]
_STEPS = ((3, 19), (21, 49), (51, 79), (81, 97))
_SELDOM = 0.4
_INGRESS = 7
_ARGO = 67
"""One seed of so many has Ingresses."""
_PATIENCE = 10_000  # draws, after which a range has no number left
_WAITING = ("external", "blockers", "blocking")
_DOCUMENTS = ("requirements", "design", "devops_design")
_WAITS = ((121, 299), (61, 119))  # seconds; promtool takes minutes to test a rule that waits for an hour
_THRESHOLDS = {
    "latency_p95": ("latency", (251, 499), (501, 999)),
    "error_ratio": ("share", (3, 19), (41, 59)),
    "throughput_ratio": ("share", (61, 79), (31, 39)),
    "queue_lag": ("integer", (1001, 2999), (3001, 9999)),
    "failure_ratio": ("share", (3, 19), (41, 59)),
    "cpu_utilization": ("share", (51, 69), (87, 97)),
    "memory_utilization": ("share", (51, 69), (87, 97)),
    "db_connections": ("share", (51, 69), (87, 97)),
    "db_latency_p95": ("latency", (111, 399), (401, 899)),
    "auth_failures": ("rate", (101, 399), (401, 899)),
}
"""Of each metric, the kind of its threshold, and where an alert's and a rollback criterion's lie."""


class Values:
    """Draw one value after another, each unlike those before it and unlike those of a twin that shares ``taken``."""

    def __init__(self, seed: str, taken: set[str]) -> None:
        """Begin a sequence that the seed alone decides."""
        self._chance = random.Random(seed)  # noqa: S311 - chance that can be repeated, no secret
        self._taken = taken
        self._words = 0

    def word(self) -> str:
        """Make a word of seven letters that is none; its first ones keep words in the order in which they are drawn."""
        self._words += 1
        tens, ones = divmod(self._words, len(_LETTERS))
        order = f"q{_LETTERS[tens // len(_LETTERS)]}{_LETTERS[tens % len(_LETTERS)]}{_LETTERS[ones]}"
        while True:
            word = order + "".join(self._chance.choices(_LETTERS, k=3))
            if word not in self._taken:
                self._taken.add(word)
                return word

    def one_of(self, known: list[str]) -> str:
        """Choose among a few; what is taken is avoided as far as there is anything else."""
        text = self._chance.choice([text for text in known if text not in self._taken] or known)
        self._taken.add(text)
        return text

    def whole(self, low: int, high: int) -> int:
        """Draw a number whose digits no other number has."""
        drawn = (self._chance.randint(low, high) for _ in range(_PATIENCE))
        number = next(number for number in drawn if number % 5 and str(number) not in self._taken)
        self._taken.add(str(number))
        return number

    def integer(self, low: int, high: int) -> str:
        """Write a whole number."""
        return str(self.whole(low, high))

    def share(self, low: int, high: int) -> str:
        """Write a share with a tenth of a percent, as a percentage or as a ratio."""
        tenths = self.whole(low * 10, high * 10)
        return self._chance.choice([f"{tenths // 10}.{tenths % 10}%", f"0.{tenths:03d}"])

    def percent(self, low: int, high: int) -> str:
        """Write a share of whole percents."""
        percent = self.whole(low, high)
        return self._chance.choice([f"{percent}%", f"0.{percent:02d}"])

    def duration(self, low: int, high: int) -> str:
        """Write a number of seconds in one of the ways in which people write it."""
        seconds = self.whole(low, high)
        minutes, rest = divmod(seconds, 60)
        ways = [f"{seconds}s", f"{seconds * 1000}ms", f"{minutes}m{rest}s", f"{minutes} min {rest} s"]
        return self._chance.choice(ways)

    def minutes(self, low: int, high: int) -> str:
        """Write a number of minutes."""
        minutes = self.whole(low, high)
        return self._chance.choice([f"{minutes}m", f"{minutes * 60}s", f"{minutes // 60}h{minutes % 60}m"])

    def days(self, low: int, high: int) -> str:
        """Write a number of days."""
        days = self.whole(low, high)
        return self._chance.choice([f"{days}d", f"{days * 24}h", f"{days // 7}w{days % 7}d"])

    def latency(self, low: int, high: int) -> str:
        """Write a part of a second."""
        milliseconds = self.whole(low, high)
        return self._chance.choice([f"{milliseconds}ms", f"0.{milliseconds:03d}s"])

    def rate(self, low: int, high: int) -> str:
        """Write so many in a minute."""
        return f"{self.whole(low, high)}/min"

    def size(self, low: int, high: int) -> str:
        """Write an amount of memory, in one of the units of a computer or of a person."""
        return f"{self.whole(low, high)}{self._chance.choice(['Mi', 'Mi', 'M', 'MB'])}"

    def cpu(self, low: int, high: int) -> str:
        """Write thousandths of a processor, or a fraction of them."""
        millicores = self.whole(low, high)
        return self._chance.choice([f"{millicores}m", f"{millicores // 1000}.{millicores % 1000:03d}"])

    def money(self) -> str:
        """Write an amount of money."""
        return f"{self.whole(101, 9999)}.{self._chance.randint(11, 19)} USD"

    def day(self, low: int = 4001, high: int = 6000) -> str:
        """Write a date so many days after the first."""
        return (_FIRST_DAY + timedelta(days=self.whole(low, high))).isoformat()

    def cidr(self) -> str:
        """Write a range of addresses."""
        return f"10.{self.whole(16, 250)}.{self._chance.randint(0, 255)}.0/24"

    def port(self) -> str:
        """Write a port."""
        return self.integer(1100, 64000)

    def host(self) -> str:
        """Write a host's name."""
        return f"{self.word()}.example.com"

    def url(self) -> str:
        """Write the address of a page."""
        return f"https://{self.word()}.example.com/{self.word()}"

    def path(self) -> str:
        """Write a path."""
        return f"/{self.word()}"


class Draft(NamedTuple):
    """What a spec is made from: chance for its shape, the same for twins, and chance for its values."""

    shape: random.Random
    values: Values
    rich: bool

    def often(self, share: float, keys: Keys) -> Keys:
        """Keep some keys or leave them out; a rich spec has them all."""
        return keys if self.shape.random() < share or self.rich else {}


def random_spec(seed: int) -> Keys:
    """Choose a spec; every one is valid, and the same seed gives the same."""
    spec = twins(seed)[0]
    chance = random.Random(f"{seed} objectives")  # noqa: S311 - chance that can be repeated, no secret
    services = [service | _objectives(chance, service) for service in spec["services"]]
    return spec | {"services": services}


def _objectives(chance: random.Random, service: Keys) -> Keys:
    """Choose objectives where they can be judged; twins have none, as hardly a number of theirs stands as it is."""
    if service.get("metrics", {}).get("convention") == "none" or chance.random() < _SELDOM:
        return {}
    slo: Keys = {"availability": f"{chance.randint(9306, 9999) / 100}%", "window": f"{chance.randint(3, 14)}d"}
    if service["kind"] != "worker":
        bounds = service.get("latency_buckets", ["250ms", "1s"])
        slo["latency"] = {"objective": f"0.{chance.randint(931, 999)}", "below": bounds[-2]}
    return {"slo": slo}


def twins(seed: int, *, rich: bool = False) -> tuple[Keys, Keys]:
    """Choose two specs of one shape that have no value in common; rich ones write all that their choices allow."""
    taken: set[str] = set()
    drafts = [Draft(random.Random(seed), Values(f"{seed} {twin}", taken), rich) for twin in range(2)]  # noqa: S311
    specs = _spec(drafts[0]), _spec(drafts[1])
    later = [Draft(random.Random(f"{seed} later"), Values(f"{seed} {twin} later", taken), rich) for twin in range(2)]  # noqa: S311
    for draft, spec in zip(later, specs, strict=True):
        spec["services"] = [service | _migration(draft, service, spec["databases"]) for service in spec["services"]]
        if seed % _INGRESS == 1:
            _route_by_ingress(draft, spec)
        if seed % _ARGO == 46:
            _roll_by_argo(draft, spec)
        spec["services"] = [service | _build(draft, service) for service in spec["services"]]
        _pin_backups(draft, spec)
    return specs


def _roll_by_argo(draft: Draft, spec: Keys) -> None:
    """Choose Argo Rollouts, and a pause in which every criterion can hold."""
    spec["platform"]["rollout"] = "argo-rollouts"
    spec["delivery"] |= {"pause": draft.values.duration(301, 9999)}
    spec["monitoring"] |= draft.often(0.6, {"prometheus": draft.values.url()})


def _route_by_ingress(draft: Draft, spec: Keys) -> None:
    """Choose Ingresses in place of routes with weights, and one step."""
    values, often = draft.values, draft.often
    spec["platform"].pop("gateway", None)
    spec["platform"] |= {
        "routing": "ingress",
        **often(0.6, {"ingress_class": values.word()}),
        **often(0.6, {"ingress_namespace": values.word()}),
    }
    spec["delivery"]["steps"] = ["100%"]


def _migration(draft: Draft, service: Keys, databases: list[Keys]) -> Keys:
    """Choose a migration for a service that has something to migrate."""
    names = {database["name"] for database in databases}
    if not names & set(service.get("needs", names)):
        return {}
    return draft.often(_SELDOM, {"migrate": [f"./{draft.values.word()}", draft.values.word()]})


def _build(draft: Draft, service: Keys) -> Keys:
    """Choose how the pipeline builds an image that has a name."""
    if "image" not in service:
        return {}
    word = draft.values.word
    build = {"context": f"{word()}/{word()}", "dockerfile": word(), "test": [word(), word()]}
    return draft.often(_SELDOM, {"build": build})


def _pin_backups(draft: Draft, spec: Keys) -> None:
    """Choose the images of backup jobs, where a database has them."""
    inside = [database for database in spec["databases"] if "hosting" in database]
    for database in inside:
        database.update(draft.often(_SELDOM, {"image": _image(draft)}))
    if inside:
        spec.setdefault("backup", {}).update(draft.often(_SELDOM, {"aws_cli": _image(draft)}))


def _image(draft: Draft) -> str:
    return f"registry.example.com/{draft.values.word()}:{draft.values.word()}"


def _spec(draft: Draft) -> Keys:
    platform = _platform(draft)
    stores = _stores(draft, platform["cloud"])
    needed = [item["name"] for group in stores.values() for item in group]
    services = [_service(draft, number, needed) for number in range(draft.shape.choice([1, 1, 2, 3]))]
    alerts, criteria = _rows(draft, services, stores)
    buckets = [draft.often(0.3, {"latency_buckets": _buckets(draft, [*alerts, *criteria])}) for _ in services]
    return {
        **_planning(draft),
        "services": [service | bounds for service, bounds in zip(services, buckets, strict=True)],
        **stores,
        "platform": platform,
        "monitoring": _monitoring(draft),
        "alerts": alerts,
        "rollback": {"criteria": criteria},
        "delivery": _delivery(draft),
        **_commitments(draft),
        **_people(draft),
    }


def _planning(draft: Draft) -> Keys:
    values, often = draft.values, draft.often
    title = draft.shape.choice(["Plain", "Ünïcode &"])
    return {
        "feature": {
            "name": f"{title} {values.word()}",
            "engineer": f"@{values.word()}",
            "slug": values.word(),
            **often(0.6, {"id": f"{values.word().upper()}-{values.integer(101, 9999)}", "team": values.word()}),
        },
        "sprint": {
            "name": values.word(),
            **often(0.6, {"starts": values.day(1, 900), "ends": values.day(1000, 3000)}),
            **often(0.6, {"capacity": values.integer(6000, 9999)}),
        },
        **often(0.5, {"documents": {name: f"../{values.word()}.md" for name in _DOCUMENTS}}),
        "experiment": {
            "hypothesis": f"We believe {values.word()}",
            "primary_metric": _primary_metric(draft),
            **often(0.5, {"leading_indicators": [values.word()], "guardrails": [values.word()]}),
            **often(0.5, {"assignment": {"treatment": values.share(11, 44)}, "infrastructure": [values.word()]}),
            **often(
                0.4, {"decisions": [{"what": values.word(), "after": values.days(15, 99), "owner": values.word()}]}
            ),
            **often(0.6, {"eligible_per_day": values.integer(1001, 99999)}),
            **often(0.6, {"significance": values.share(3, 9), "power": values.share(71, 97)}),
        },
    }


def _primary_metric(draft: Draft) -> Keys:
    values = draft.values
    percent, sign = values.integer(101, 199), draft.shape.choice(["+", "-", ""])
    return {
        "name": values.word(),
        "target": draft.shape.choice([f"{sign}{percent}.5%", percent]),
        **draft.often(0.6, {"baseline": f"{values.integer(101, 199)}.5%"}),
        **draft.often(0.5, {"kind": "mean", "standard_deviation": values.integer(101, 999)}),
    }


def _service(draft: Draft, number: int, needed: list[str]) -> Keys:
    shape, values, often = draft.shape, draft.values, draft.often
    kind = shape.choice(["api", "web", "worker"])
    convention = shape.choice(["prometheus", "otel", "micrometer", "prometheus", "otel", "micrometer", "none"])
    metrics = {"port": values.port(), **often(0.7, {"path": values.path()}), **often(0.6, {"convention": convention})}
    names = {
        "requests": f"{values.word()}_total",
        "duration": f"{values.word()}_seconds",
        "status_label": values.word(),
        "jobs": f"{values.word()}_total",
        "auth": f"{values.word()}_total",
        "database_duration": f"{values.word()}_seconds",
    }
    return {
        "name": f"{values.word()}-{kind}",
        "kind": kind,
        **often(0.6, {"image": f"registry.example.com/{values.word()}:{number}.{values.word()}"}),
        **often(0.6, {"port": values.port()}),
        **(often(0.6, {"host": values.host(), "path": values.path()}) if kind != "worker" else {}),
        **often(0.6, {"health": {"live": values.path(), "ready": values.path(), "port": values.port()}}),
        **often(0.6, {"metrics": metrics}),
        **often(0.3, {"metric_names": names}),
        **often(0.5, {"requests_per_second": values.integer(101, 9999)}),
        **often(0.4, {"config": {values.word().upper(): values.word()}}),
        **often(0.3, {"secrets": shape.choice([[], [values.word(), values.word()]])}),
        **often(0.5, {"user": values.integer(10001, 60000), "writable": [values.path(), values.path()]}),
        **often(0.6, {"staging": _size(draft)}),
        **often(0.7, {"production": {**_size(draft), **_scaling(draft)}}),
        **often(0.3, {"needs": [name for name in needed if shape.random() < 0.5]}),
    }


def _size(draft: Draft) -> Keys:
    values = draft.values
    cpu, memory = (values.cpu(111, 899), values.cpu(1001, 7999)), (values.size(111, 899), values.size(1001, 7999))
    return {
        "replicas": values.integer(101, 999),
        **draft.often(0.8, {"cpu": dict(zip(("request", "limit"), cpu, strict=True))}),
        **draft.often(0.8, {"memory": dict(zip(("request", "limit"), memory, strict=True))}),
    }


def _scaling(draft: Draft) -> Keys:
    values = draft.values
    scaling = {"max": values.integer(1001, 2999), "cpu": values.percent(51, 97), "memory": values.percent(51, 97)}
    return draft.often(0.8, {"autoscaling": draft.shape.choice([scaling, scaling, "none"])})


def _stores(draft: Draft, cloud: str) -> Keys:
    values, shape = draft.values, draft.shape
    queue = {"name": values.word(), "hosts": [values.host(), values.host()], "port": values.port()}
    queue |= draft.often(0.7, {"topic": values.word(), "group": values.word()})
    other = {"name": values.word(), "host": values.host(), "port": values.port()}
    return {
        "databases": [_database(draft, cloud) for _ in range(shape.choice([0, 1, 1, 2]))],
        "caches": [_cache(draft) for _ in range(shape.choice([0, 1, 1]))],
        "queues": [queue | draft.often(0.5, {"cidr": values.cidr()})] if shape.random() < _SELDOM else [],
        "external_services": [other | draft.often(0.5, {"cidr": values.cidr()})] if shape.random() < _SELDOM else [],
    }


def _place(draft: Draft) -> Keys:
    values = draft.values
    inside = {"hosting": "in-cluster", "namespace": values.word(), "selector": {values.word(): values.word()}}
    address = {"host": values.host(), "cidr": values.cidr()}
    return {
        **draft.shape.choice([{}, inside]),
        **draft.often(0.6, address),
        **draft.often(0.6, {"port": values.port()}),
    }


def _database(draft: Draft, cloud: str) -> Keys:
    values, place = draft.values, _place(draft)
    aws = cloud == "aws" and "hosting" not in place
    every = values.one_of(_HOURS) if draft.shape.choice([True, aws]) else values.one_of(_MINUTES)
    backup = {
        "every": every,
        "keep": values.days(41, 399),
        "restore_within": values.minutes(21, 899),
        **draft.often(0.5, {"lose_at_most": values.minutes(1441, 2999)}),
        **draft.often(0.6, {"to": f"s3://{values.word()}/{values.word()}", "replicate_to": f"{values.word()}-1"}),
    }
    return {
        "name": values.word(),
        **draft.often(0.6, {"version": values.one_of(["11", "12", "13", "14", "15", "17"])}),
        **place,
        **draft.often(0.7, {"staging": _database_size(draft)}),
        **draft.often(0.7, {"production": _database_size(draft)}),
        **draft.often(0.8, {"backup": backup}),
    }


def _database_size(draft: Draft) -> Keys:
    values = draft.values
    return {
        "class": f"db.{values.word()}.large",
        "memory": values.size(8001, 99999),
        "cpu": values.integer(101, 999),
        **draft.often(0.6, {"read_replicas": values.one_of(_REPLICAS)}),
        **draft.often(0.6, {"max_connections": values.integer(211, 999)}),
    }


def _cache(draft: Draft) -> Keys:
    values = draft.values
    sizes = {name: {"class": f"cache.{values.word()}.large"} for name in ("staging", "production")}
    return {"name": values.word(), **_place(draft), **draft.often(0.6, sizes)}


def _platform(draft: Draft) -> Keys:
    shape, values, often = draft.shape, draft.values, draft.often
    return {
        "kubernetes": shape.choice(["1.29", "1.33", "1.37"]),
        "cloud": shape.choice(["aws", "none"]),
        "monitoring": shape.choice(["prometheus", "prometheus-operator"]),
        "secrets": shape.choice(["manual", "external-secrets"]),
        "pipeline": shape.choice(["github-actions", "gitlab-ci"]),
        **often(0.5, {"tls_issuer": values.word()}),
        **often(0.5, {"gateway": {"name": values.word(), "namespace": values.word()}}),
        **often(0.5, {"load_balancer": {"kind": values.word(), "cidr": values.cidr()}}),
        **often(0.6, {"namespaces": {"staging": values.word(), "production": values.word()}}),
        **often(0.6, {"secret_store": {"name": values.word(), "path": f"{values.word()}/{values.word()}"}}),
        **often(0.5, {"tracing": {"host": f"{values.word()}.{values.word()}", "port": values.port()}}),
        **often(0.5, {"edge": {"waf": values.word(), "rate_limit": values.rate(101, 9999)}}),
    }


def _monitoring(draft: Draft) -> Keys:
    values, often = draft.values, draft.often
    return {
        **often(0.6, {"namespace": values.word(), "retention": values.days(37, 199)}),
        **often(0.6, {name: f"{values.whole(16, 74)}s" for name in ("scrape_interval", "evaluation_interval")}),
        **often(0.6, {name: values.url() for name in ("runbooks", "dashboards", "heartbeat")}),
        "metrics": [{"name": values.word(), "labels": [values.word(), values.word()]}],
    }


def _delivery(draft: Draft) -> Keys:
    bands = draft.shape.choice([(), _STEPS[:1], _STEPS[1::2], _STEPS])
    steps = [draft.values.percent(*band) for band in bands]
    return {"steps": [*steps, "100%"], **draft.often(0.8, {"pause": draft.values.duration(61, 9999)})}


def _rows(draft: Draft, services: list[Keys], stores: Keys) -> tuple[list[Keys], list[Keys]]:
    """Choose alerts and rollback criteria among the metrics that these services have."""
    metrics = sorted({metric for service in services for metric in _metrics(service, stores)})
    alerts = [_alert(draft, metric, services, stores) for metric in metrics if draft.shape.random() < _SELDOM]
    criteria = [_threshold(draft, metric, 1) for metric in metrics if draft.shape.random() < _SELDOM]
    name = draft.values.word()
    custom = {
        "metric": name,
        "query": f"sum(rate({name}_total[5m]))",
        "above": draft.values.integer(101, 999),
        "for": draft.values.duration(*_WAITS[0]),
        "severity": draft.shape.choice(["critical", "warning", "info"]),
        "action": draft.values.word(),
    }
    again = {"metric": name, "above": draft.values.integer(1001, 1999), "for": draft.values.duration(*_WAITS[1])}
    own, watched = draft.shape.choice([([], []), ([custom], []), ([custom], [again])])
    return [*alerts, *own], [*criteria, *watched]


def _metrics(service: Keys, stores: Keys) -> list[str]:
    """List what a service has; the rule is the program's own, in other words."""
    needs = service.get("needs", [item["name"] for group in stores.values() for item in group])
    database = any(item["name"] in needs for item in stores["databases"])
    queue = any(item["name"] in needs for item in stores["queues"])
    worker = service["kind"] == "worker"
    there = {
        "latency_p95": not worker,
        "error_ratio": not worker,
        "throughput_ratio": not worker,
        "queue_lag": worker and queue,
        "failure_ratio": worker,
        "cpu_utilization": True,
        "memory_utilization": True,
        "db_connections": database,
        "db_latency_p95": database and not worker,
        "auth_failures": service["kind"] == "api",
    }
    return [metric for metric, has in there.items() if has]


def _alert(draft: Draft, metric: str, services: list[Keys], stores: Keys) -> Keys:
    names = [service["name"] for service in services if metric in _metrics(service, stores)]
    return {
        **_threshold(draft, metric, 0),
        **draft.often(0.3, {"service": draft.shape.choice(names)}),
        **draft.often(0.3, {"severity": draft.shape.choice(["critical", "warning", "info"])}),
        **draft.often(0.3, {"action": draft.values.word()}),
    }


def _threshold(draft: Draft, metric: str, row: int) -> Keys:
    kind, *bands = _THRESHOLDS[metric]
    side = "below" if metric == "throughput_ratio" else "above"
    above = getattr(draft.values, kind)(*bands[row])
    return {"metric": metric, side: above, "for": draft.values.duration(*_WAITS[row])}


def _buckets(draft: Draft, rows: list[Keys]) -> list[str]:
    """Choose the bounds of a histogram: the thresholds in order, the default one before them, more around."""
    thresholds = [row["above"] for row in rows if row["metric"] == "latency_p95"]
    return [draft.values.latency(11, 99), "200ms", *thresholds, f"{draft.values.whole(1101, 9999)}ms"]


def _commitments(draft: Draft) -> Keys:
    values, often = draft.values, draft.often
    kept: dict[str, Keys] = {
        name: {
            "keep": values.days(201, 999),
            "restore_within": values.minutes(21, 899),
            "store": values.word(),
            **often(0.5, {"every": values.minutes(21, 899)}),
        }
        for name in ("configuration", "logs", "metrics")
    }
    saves = [{"saves": values.money(), **_words(draft, "resource", "current", "optimized")} for _ in range(2)]
    return {
        **often(0.5, {"backup": kept}),
        **often(
            0.5, {"cost": {"budget": values.money(), "notify": f"{values.word()}@example.com", "rightsizing": saves}}
        ),
        **often(0.5, {"tasks": _tasks(draft)}),
        **often(0.3, {"document": {"fidelity": "brief"}}),
    }


def _tasks(draft: Draft) -> list[Keys]:
    values = draft.values
    known = f"DO-00{draft.shape.randint(1, 8)}"
    added: Keys = {"id": f"Q{values.word()[:7].upper()}-{values.integer(101, 999)}", "priority": "security"}
    added |= {"success": values.word(), "steps": [values.word()]}
    return [
        {"id": task, "points": values.integer(11, 999), **_words(draft, "title", "owner"), **rest}
        for task, rest in ((known, {}), (added.pop("id"), added))
    ]


def _words(draft: Draft, *names: str) -> Keys:
    return {name: draft.values.word() for name in names}


def _people(draft: Draft) -> Keys:
    values, often = draft.values, draft.often
    waits = {name: [{**_words(draft, "who", "what"), "by": values.day()}] for name in _WAITING}
    risk = {**_words(draft, "risk", "mitigation"), "probability": "low", "impact": "high"}
    pager = draft.shape.choice([{"pager": "pagerduty"}, {"pager": "webhook", "webhook": values.url()}])
    return {
        **often(0.5, {"contacts": {"on_call": f"@{values.word()}", "channel": f"#{values.word()}", **pager}}),
        **often(0.5, {"links": {name: values.url() for name in ("dashboards", "diagrams", "costs", "security")}}),
        **often(0.5, {"review": {"updated": values.day(), "next": values.day()}}),
        **often(0.3, {"operations": [{**_words(draft, "task", "frequency"), "level": "manual"}]}),
        **often(0.3, {"dependencies": waits, "risks": [risk], "done": [values.word()]}),
        **often(0.3, {"overview": {"compliance": [values.word()], "security_review": "false"}}),
    }
