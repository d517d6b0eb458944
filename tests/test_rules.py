"""What must hold between keys: each contradiction is told at its key, and what only looks like one is left alone."""

from __future__ import annotations

import pytest

from devops_tasks.errors import UserError
from devops_tasks.rules import RULES
from devops_tasks.specfile import load_spec, parse_spec
from tests.test_specfile import MINIMAL


def faults(more: str) -> list[str]:
    try:
        load_spec(parse_spec(MINIMAL + more, "s.yaml"))
    except UserError as error:
        return [f"{problem.key}: {problem.what}" for problem in error.problems]
    return []


SERVICE = "services:\n  - name: api\n    "

OWN = "alerts: [{metric: own, above: 5, query: "

CONTRADICTIONS = {
    "a name in two lists": (
        "services: [{name: orders}]\nqueues: [{name: orders}]",
        "queues[0].name: orders is also the name of one of the services",
    ),
    "a service called as the colour of another": (
        "services: [{name: api}, {name: api-green}]",
        "services[1].name: api-green is what the green colour of api is called",
    ),
    "a service called as the policy of its namespace": (
        "services: [{name: default-deny}]",
        "services[0].name: default-deny is what the namespace's own network policy is called",
    ),
    "a service called as the migration of another": (
        "services: [{name: api}, {name: api-migrate}]",
        "services[1].name: api-migrate is what the migration of api is called",
    ),
    "a migration of no database": (
        SERVICE + "migrate: [up]\n    needs: [saved-reports-cache]",
        "services[0].migrate: api needs no database of this spec, so there is nothing to migrate",
    ),
    "an image that is built and has no name": (
        SERVICE + "build: .",
        "services[0].build: an image is built, and nothing says where it is pushed to",
    ),
    "an image that is built twice": (
        "services: [{name: a, image: 'x.io/a:1', build: a}, {name: b, image: 'x.io/a:2', build: b}]",
        "services[1].build: services[0] builds x.io/a as well, and only one of the two could be deployed",
    ),
    "images that are built for two registries": (
        "services: [{name: a, image: 'x.io/a:1', build: a}, {name: b, image: 'team/b:2', build: b}]",
        "services[1].build: team/b is pushed to docker.io, and the pipeline logs in to x.io",
    ),
    "an image for the jobs of a managed database": (
        "databases: [{name: d, image: 'postgres:16'}]",
        "databases[0].image: a managed database is backed up by its service, and no job would run this image",
    ),
    "an image of backups without a version": (
        "databases: [{name: d, hosting: in-cluster, image: postgres}]",
        "databases[0].image: postgres names no version, so nobody could say what runs or roll back to it",
    ),
    "an uploader without a version": (
        "databases: [{name: d, hosting: in-cluster}]\nbackup: {aws_cli: 'x.io:5000/aws-cli:latest'}",
        "backup.aws_cli: x.io:5000/aws-cli:latest names no version",
    ),
    "an uploader where nothing is uploaded": (
        "backup: {aws_cli: 'aws-cli:2'}",
        "backup.aws_cli: no database is in the cluster, so no job would run this image",
    ),
    "a time for no migration": (
        SERVICE + "migrate_within: 1h",
        "services[0].migrate_within: api has no migration",
    ),
    "a migration of some seconds": (
        SERVICE + "migrate: [up]\n    migrate_within: 90s",
        "services[0].migrate_within: 90s is no whole number of minutes of at most six hours",
    ),
    "a migration of a day": (
        SERVICE + "migrate: [up]\n    migrate_within: 1d",
        "services[0].migrate_within: 1d is no whole number of minutes of at most six hours",
    ),
    "a need that is not there": (
        SERVICE + "needs: [saved-reports-dbb]",
        "services[0].needs[0]: saved-reports-dbb is no database, cache, queue or external service of this spec",
    ),
    "a request of processors above the limit": (
        SERVICE + "staging: {cpu: {request: 2, limit: 1}}",
        "services[0].staging.cpu.request: the request is above the limit",
    ),
    "a request of memory above the limit": (
        SERVICE + "production: {memory: {request: 2Gi, limit: 2G}}",
        "services[0].production.memory.request: the request is above the limit",
    ),
    "a class of which nobody knows the memory": (
        "databases: [{name: d, production: {class: db.t3.small, cpu: 2}}]",
        "databases[0].production.memory: is not known for the class db.t3.small",
    ),
    "a class of which nobody knows the processors": (
        "databases: [{name: d, staging: {class: db.t3.small, memory: 2Gi}}]",
        "databases[0].staging.cpu: is not known for the class db.t3.small",
    ),
    "fewer pods at most than at least": (
        SERVICE + "production: {replicas: 5, autoscaling: {max: 4}}",
        "services[0].production.autoscaling.max: 4 pods at most are fewer than the 5 replicas",
    ),
    "an autoscaler's target of half a percent": (
        SERVICE + "production: {autoscaling: {cpu: 70.5%}}",
        "services[0].production.autoscaling.cpu: 70.5% is no whole percent from 1%",
    ),
    "an image without a version": (
        SERVICE + "image: registry.example.com:5000/api",
        "services[0].image: registry.example.com:5000/api names no version, so nobody could say what runs",
    ),
    "an image that moves": (SERVICE + "image: api:latest", "services[0].image: api:latest names no version"),
    "a path that leaves its folder": (
        SERVICE + "writable: [/tmp/../etc]",
        "services[0].writable[0]: /tmp/../etc is not the path that it names",
    ),
    "a path over the secrets": (
        SERVICE + "writable: [/etc/secrets/x]",
        "services[0].writable[0]: the secrets are mounted at /etc/secrets",
    ),
    "a worker with a public host": (
        SERVICE + "kind: worker\n    host: x.example.com",
        "services[0].host: a worker serves no requests",
    ),
    "one namespace for both environments": (
        "platform: {namespaces: {staging: x, production: x}}",
        "platform.namespaces.staging: staging and production share a namespace",
    ),
    "steps that an Ingress cannot make": (
        "delivery: {steps: [10%, 50%, 100%]}\nplatform: {routing: ingress}",
        "delivery.steps: an Ingress sends all requests to one colour, so 10% of them cannot be split off",
    ),
    "a Gateway beside Ingresses": (
        "platform: {routing: ingress, gateway: {name: a, namespace: b}}",
        "platform.gateway: platform.routing is ingress, so nothing would read it",
    ),
    "a class of Ingresses without any": (
        "platform: {ingress_class: traefik}",
        "platform.ingress_class: platform.routing is gateway-api, so nothing would read it",
    ),
    "a controller of Ingresses without any": (
        "platform: {ingress_namespace: traefik}",
        "platform.ingress_namespace: platform.routing is gateway-api, so nothing would read it",
    ),
    "steps that go back": (
        "delivery: {steps: [50%, 10%, 100%]}",
        "delivery.steps[1]: 10% is no more than the step before it",
    ),
    "a step twice": (
        "delivery: {steps: [50%, 50%, 100%]}",
        "delivery.steps[1]: 50% is no more than the step before it",
    ),
    "a step of nothing": ("delivery: {steps: [0%, 100%]}", "delivery.steps[0]: a step of no traffic is no step"),
    "steps that end early": ("delivery: {steps: [10%, 50%]}", "delivery.steps[1]: the last step is 50%"),
    "a step of half a percent": ("delivery: {steps: [0.5%, 100%]}", "delivery.steps[0]: 0.5% is no whole percent"),
    "a sprint that ends before it starts": (
        "",
        "sprint.ends: 2026-12-01 is before the sprint starts (2026-12-14)",
    ),
    "users assigned by a traffic split": (
        "  assignment: {method: traffic-split}",
        "experiment.assignment.method: a traffic split assigns requests, so it is no assignment of a user",
    ),
    "everybody in treatment": (
        "  assignment: {treatment: 100%}",
        "experiment.assignment.treatment: needs a part in treatment and a part in control",
    ),
    "a share that no flag has": (
        "  assignment: {treatment: 12.34567891%}",
        "experiment.assignment.treatment: a flag cannot be split as finely as this",
    ),
    "nobody in treatment": ("  assignment: {treatment: 0}", "experiment.assignment.treatment: needs a part"),
    "a query that is no PromQL": (
        OWN + "'sum(rate(a[5m])'}]",
        "alerts[0].query: no query that a rule can record: unclosed left parenthesis",
    ),
    "a query of blanks and a comment": (OWN + "'# nothing'}]", "alerts[0].query: no query that a rule can record: no"),
    "a query for samples": (OWN + "'up[5m]'}]", "alerts[0].query: no query that a rule can record: it gives ranges"),
    "a query for samples in brackets": (
        OWN + "'(up[5m:1m])'}]",
        "alerts[0].query: no query that a rule can record: it",
    ),
    "a query for a text": (OWN + "'\"up\"'}]", "alerts[0].query: no query that a rule can record: it gives a text"),
    "a query for a newer Prometheus": (
        OWN + "'sum(limitk(2, up))'}]",
        "alerts[0].query: no query that a rule can record: Prometheus 2.42 does not know limitk",
    ),
    "a function of a newer Prometheus": (
        OWN + "'info(up)'}]",
        "alerts[0].query: no query that a rule can record: Prometheus 2.42 does not know info",
    ),
    "a fill": (OWN + "'a + fill(0) b'}]", "alerts[0].query: no query that a rule can record: Prometheus 2.42 does not"),
    "alternatives between labels": (
        OWN + '\'up{a="1" or b="2"}\'}]',
        "alerts[0].query: no query that a rule can record: Prometheus knows no `or` between labels",
    ),
    "a query that a parser dies of": (
        OWN + f"'{'a+' * 4000}a'}}]",
        "alerts[0].query: no query that a rule can record: it has more than 1500 operators and brackets",
    ),
    "a range beyond what is kept": (
        OWN + "'max_over_time(up[36d])'}]",
        "alerts[0].query: it looks back 36d, and Prometheus keeps 35d of samples",
    ),
    "an offset beyond what is kept": (
        OWN + "'max_over_time(rate(up[5m])[1h:1m] offset 35d)'}]",
        "alerts[0].query: it looks back 50465m, and Prometheus keeps 35d of samples",
    ),
    "no power": ("  power: 0%", "experiment.power: must lie between 0% and 100%"),
    "certainty": ("  significance: 100%", "experiment.significance: must lie between 0% and 100%"),
    "a scrape too rare for the rules": (
        "monitoring: {scrape_interval: 2m}",
        "monitoring.scrape_interval: must be whole",
    ),
    "an evaluation of half a second": (
        "monitoring: {evaluation_interval: 500ms}",
        "monitoring.evaluation_interval: must be",
    ),
    "a criterion without a threshold": (
        "rollback: {criteria: [{metric: error_ratio}]}",
        "rollback.criteria[0]: says neither above nor below",
    ),
    "a criterion with two thresholds": (
        "rollback: {criteria: [{metric: error_ratio, above: 2%, below: 1%}]}",
        "rollback.criteria[0].below: says both above and below",
    ),
    "a criterion on the wrong side": (
        "rollback: {criteria: [{metric: error_ratio, below: 1%}]}",
        "rollback.criteria[0].below: error_ratio is bad above a threshold",
    ),
    "a latency in percent": (
        "alerts: [{metric: latency_p95, above: 2%}]",
        "alerts[0].above: latency_p95 is measured as a duration such as 500ms, not as 2%",
    ),
    "a ratio in seconds": (
        "alerts: [{metric: error_ratio, above: 2s}]",
        "alerts[0].above: error_ratio is measured as a share such as 2%, not as 2s",
    ),
    "a ratio as a bare 2": (
        "alerts: [{metric: error_ratio, above: 2}]",
        "alerts[0].above: error_ratio is measured as a share such as 2%, not as 2",
    ),
    "a metric that nobody knows": (
        "alerts: [{metric: latency_p99, above: 1s}]",
        "alerts[0].metric: latency_p99 is no metric that is known here",
    ),
    "an alert for a service that is not there": (
        "alerts: [{metric: error_ratio, service: nobody}]",
        "alerts[0].service: nobody is no service of this spec",
    ),
    "a query without a threshold": (
        "alerts: [{metric: own, query: up}]",
        "alerts[0]: a metric with a query needs above or below",
    ),
    "a query for a known metric": (
        "alerts: [{metric: error_ratio, above: 1%, query: up}]",
        "alerts[0].query: error_ratio has a query of its own",
    ),
    "a threshold between the bounds": (
        SERVICE + "latency_buckets: [100ms, 200ms, 1s]",
        "services[0].latency_buckets: no bound at 500ms, which a latency threshold uses: the alert would be a guess",
    ),
    "a threshold at the last bound": (
        SERVICE + "latency_buckets: [200ms, 500ms]",
        "services[0].latency_buckets: nothing above 500ms, a latency threshold, can be seen",
    ),
    "bounds out of order": (
        SERVICE + "latency_buckets: [500ms, 200ms, 1s]",
        "services[0].latency_buckets[1]: 200ms is no more than the bound before it",
    ),
    "an added task without points": (
        "tasks: [{id: DO-100, title: T, priority: critical}]",
        "tasks[0]: DO-100 is no default task, so it needs points",
    ),
    "backups at no time of the clock": (
        "databases: [{name: d, backup: {every: 7h}}]",
        "databases[0].backup.every: no schedule starts every 7h",
    ),
    "backups that are gone before the next": (
        "databases: [{name: d, backup: {every: 1d, keep: 12h}}]",
        "databases[0].backup.keep: 12h is shorter than the time between two backups",
    ),
}


@pytest.mark.parametrize(("more", "fault"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_is_told_at_its_key(more: str, fault: str) -> None:
    found = faults(more) if more else sprint_faults()
    assert any(line.startswith(fault) for line in found), found


def sprint_faults() -> list[str]:
    text = MINIMAL.replace('name: "24"', 'name: "24"\n  starts: 2026-12-14\n  ends: 2026-12-01')
    with pytest.raises(UserError) as caught:
        load_spec(parse_spec(text, "s.yaml"))
    return [f"{problem.key}: {problem.what}" for problem in caught.value.problems]


LEFT_ALONE = {
    "names that share a beginning": "services: [{name: api}, {name: api-greener}, {name: blue}]",
    "a colour of nobody": "services: [{name: api-blue}]",
    "a database of a service's name and a colour": "services: [{name: api}]\ndatabases: [{name: api-db}]",
    "needs in any order": SERVICE + "needs: [saved-reports-cache, saved-reports-db]",
    "no needs": SERVICE + "needs: []",
    "a request that is the limit in another unit": SERVICE + "staging: {cpu: {request: 1000m, limit: 1}}",
    "as many pods at most as at least": SERVICE + "production: {replicas: 4, autoscaling: {max: 4}}",
    "many pods and no autoscaler": SERVICE + "production: {replicas: 40, autoscaling: none}",
    "an image with a tag": SERVICE + "image: registry.example.com:5000/api:1.0.0",
    "an image with a digest alone": SERVICE + f"image: api@sha256:{'a' * 64}",
    "an image that one of two services builds": (
        "services: [{name: a, image: 'x.io/a:1', build: a}, {name: b, image: 'x.io/a:1'}]"
    ),
    "images of one registry, by its port": (
        "services: [{name: a, image: 'localhost:5000/a:1', build: .}, {name: b, image: 'localhost:5000/b:1', build: .}]"
    ),
    "images of two registries, one of which is built": (
        "services: [{name: a, image: 'x.io/a:1', build: a}, {name: b, image: 'y.io/a:1'}]"
    ),
    "a path beside the secrets": SERVICE + "writable: [/etc/secrets-of-others]",
    "a worker without a host": SERVICE + "kind: worker",
    "one step": "delivery: {steps: [100%]}",
    "shares as ratios": "delivery: {steps: [0.05, 0.5, 100%]}",
    "no pause": "delivery: {pause: 0s}",
    "requests assigned by a traffic split": "  assignment: {method: traffic-split, unit: request}",
    "one percent in treatment": "  assignment: {treatment: 1%}",
    "the finest share that a flag has": "  assignment: {treatment: 12.3456789%}",
    "a scrape every second": "monitoring: {scrape_interval: 1s, evaluation_interval: 75s}",
    "a ratio as a ratio": "alerts: [{metric: error_ratio, above: 0.02}]",
    "an alert that is changed in its severity alone": "alerts: [{metric: error_ratio, severity: warning}]",
    "an alert that is left out": "alerts: [{metric: auth_failures, skip: true}]",
    "a query with comments, brackets and a word for several operators": (
        OWN + "'(sum(rate(a{b=\"+ and #\"}[5m])) or vector(0))  # trailing ('}]"
    ),
    "a query that looks back as far as samples are kept": OWN + "'max_over_time(up[5w])'}]",
    "a query for what is kept because the spec says so": OWN + "'up offset 60d'}]\nmonitoring: {retention: 60d}",
    "a query for a time to come": OWN + "'up offset -60d'}]",
    "a query of a number": OWN + "'1 + 1'}]",
    "a query of many parts": OWN + f"'{'a+' * 400}a'}}]",
    "a query with its threshold": "alerts: [{metric: own, above: 5, query: up}]",
    "a criterion on a metric of one's own": (
        "alerts: [{metric: own, above: 5, query: up}]\nrollback: {criteria: [{metric: own, above: 9}]}"
    ),
    "bounds that hold every threshold": SERVICE + "latency_buckets: [200ms, 500ms, 1s]",
    "a migration that may take as long as a job": SERVICE + "migrate: [up]\n    migrate_within: 6h",
    "a default task with other points": "tasks: [{id: DO-002, points: 5}]",
    "a default task left out": "tasks: [{id: DO-008, skip: true}]",
    "an added task": "tasks: [{id: DO-100, title: T, priority: critical, points: 0}]",
    "a class whose memory is written": "databases: [{name: d, production: {class: db.t3.small, memory: 2Gi, cpu: 2}}]",
    "a backup a day, kept for ever so long": "databases: [{name: d, backup: {every: 1d, keep: 10y}}]",
}


@pytest.mark.parametrize("more", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_only_looks_like_a_contradiction_is_left_alone(more: str) -> None:
    assert faults(more) == []


def test_each_rule_is_run() -> None:
    from devops_tasks import rules

    defined = {
        name
        for name, value in vars(rules).items()
        if callable(value)
        and getattr(value, "__annotations__", {}).get("return") == rules.Faults
        and list(value.__annotations__) == ["spec", "return"]
    }
    assert defined - {"check_spec"} == {rule.__name__ for rule in RULES}
