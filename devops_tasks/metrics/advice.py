"""What a runbook says of each metric: what it means, whom it hurts, how to see it, how to mend it.

Must not: thresholds, names of a bundle. Queries read series that the bundle records or scrapes; commands take the
cluster's context from the environment, so that nobody mends the wrong one.
"""

from typing import NamedTuple


class Check(NamedTuple):
    """One thing to look at or to do: a sentence, and a query or command where there is one."""

    text: str
    language: str = ""
    code: str = ""


class Advice(NamedTuple):
    """The body of a runbook.

    ``rollback`` says when to take a release back, and is empty for never; ``operations`` are the pages to go on with.
    """

    meaning: str
    impact: str
    checks: tuple[Check, ...]
    mends: tuple[Check, ...]
    rollback: str
    mistaken: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()


_KUBECTL = 'kubectl --context "${KUBE_CONTEXT:?}" --namespace %namespace'
_PODS = Check(
    "Are the pods up, and since when?",
    "bash",
    f"{_KUBECTL} get pods --selector app.kubernetes.io/name=%service --output wide",
)
_EVENTS = Check(
    "What has the cluster done to them?",
    "bash",
    f"{_KUBECTL} get events --sort-by .lastTimestamp --field-selector involvedObject.kind=Pod",
)
_LOGS = Check(
    "What do they say?",
    "bash",
    f"{_KUBECTL} logs --selector app.kubernetes.io/name=%service --container %service --since 15m --tail 200 --prefix",
)
_USE = Check(
    "What do they use?",
    "bash",
    f"{_KUBECTL} top pods --selector app.kubernetes.io/name=%service --containers",
)
_SCALER = Check(
    "Is the autoscaler at its limit?",
    "bash",
    f"{_KUBECTL} get horizontalpodautoscalers --selector app.kubernetes.io/name=%service",
)
_RELEASES = Check(
    "What was released last?",
    "bash",
    f"{_KUBECTL} get %workloads --selector app.kubernetes.io/name=%service --sort-by .metadata.creationTimestamp",
)
_ANY_RELEASE = "When it began with a release, or within an hour of one. Do not look for the cause first."
_FEW = "A handful of slow or failed requests in a quiet hour cannot raise it: it waits for five within five minutes."

_COLOURS_TRAFFIC = Check(
    "How much traffic has each colour?",
    "promql",
    "namespace_job_colour:http_requests:rate5m{%production}",
)

ROLLBACK = "Now: this alert is a criterion for it. During a release %judge does it by itself."

ADVICE: dict[str, Advice] = {
    "latency_p95": Advice(
        "More than 5%% of the requests to %service take longer than %threshold, counted at a bound of its histogram.",
        "Users wait. Beyond their patience they leave, or send the request again and make it worse.",
        (
            Check(
                "Which colour is slow, and how slow?",
                "promql",
                "namespace_job_colour:http_request_duration_seconds:p95_rate5m{%production}",
            ),
            Check(
                "Is it all pods or one?",
                "promql",
                "histogram_quantile(0.95, sum by (pod, le) (rate(%{duration}_bucket{%production}[5m])))",
            ),
            _COLOURS_TRAFFIC,
            Check(
                "Do the pods lack CPU?",
                "promql",
                "namespace_container%{colours}:container_cpu_usage_per_request:ratio_rate5m{%production_container}",
            ),
            _PODS,
            _LOGS,
        ),
        (
            Check("One slow pod: delete it, its %maker makes another."),
            Check("All pods, CPU near 100%%: scale out."),
            Check("All pods, CPU idle: something that it calls is slow. %waits"),
        ),
        _ANY_RELEASE,
        (_FEW, "A batch job that asks slow questions counts like a user."),
        ("scale-application", "database-maintenance"),
    ),
    "error_ratio": Advice(
        "More than %threshold of the requests to %service are answered with a status of 500 or above.",
        "Users see errors, and what they tried to do is not done.",
        (
            Check(
                "Which colour fails?",
                "promql",
                "namespace_job_colour:http_requests_errors_per_http_requests:ratio_rate5m{%production}",
            ),
            Check(
                "Which status, on which pods?",
                "promql",
                "topk(10, sum by (%status_label, pod) "
                '(rate(%requests{%production,%status_label=~"5.."%unprobed}[5m])) > 0)',
            ),
            _LOGS,
            _PODS,
            _RELEASES,
        ),
        (
            Check("503 or 504 on all pods: what it needs does not answer. %waits"),
            Check("One pod fails: delete it, its %maker makes another."),
            Check("500 since a change of %settings: put the old one back."),
        ),
        _ANY_RELEASE,
        (_FEW, "Statuses below 500 do not count: a client's mistake is no outage."),
        ("deploy-new-version",),
    ),
    "throughput_ratio": Advice(
        "%service gets less than %threshold of the requests that it had at this hour in earlier weeks.",
        "Requests do not arrive, so no error is counted: users may see nothing at all.",
        (
            Check(
                "How much is there, and how much should there be?",
                "promql",
                "namespace_job:http_requests:rate5m{%production} or namespace_job:http_requests:baseline{%production}",
            ),
            _COLOURS_TRAFFIC,
            Check(
                "Does the route lead anywhere?",
                "bash",
                f"{_KUBECTL} get %routes,services,endpointslices --selector app.kubernetes.io/name=%service",
            ),
            _PODS,
        ),
        (
            Check("Ask the service from outside: name, certificate, gateway, in this order."),
            Check("The route points at a colour without pods: send the traffic back."),
            Check("Everything answers: ask whether a client, a partner or a campaign has stopped."),
        ),
        "When the traffic fell with a shift of traffic.",
        ("A public holiday is no ordinary day of the week.", "After a loud week the baseline is high."),
        ("deploy-new-version", "certificate-renewal"),
    ),
    "queue_lag": Advice(
        "More than %threshold messages wait to be read by %service.",
        "What they ask for is done late. If messages expire in the queue, it is never done.",
        (
            Check(
                "Which queue, and does it grow?",
                "promql",
                'deriv(service_queue:kafka_consumergroup_lag:sum{service="%service"}[15m])',
            ),
            Check(
                "One partition or all?",
                "promql",
                "max by (partition) (kafka_consumergroup_lag"
                '{job="kafka-exporter",consumergroup="%group",topic="%topic"})',
            ),
            _PODS,
            _LOGS,
            _USE,
        ),
        (
            Check("It grows and the pods are busy: scale out, as far as there are partitions."),
            Check("One partition: its message cannot be digested. Find it in the log and set it aside."),
            Check("All partitions, idle pods: what the worker calls does not answer. %waits"),
        ),
        "When it began with a release of %service: the old version reads on where the new one stopped.",
        ("After a pause of the worker the lag is only work that waits. See whether it shrinks.",),
        ("scale-application",),
    ),
    "failure_ratio": Advice(
        "More than %threshold of the jobs of %service end in failure.",
        "What they were to do is not done. Jobs that are tried again also delay the others.",
        (
            Check("How many a second?", "promql", "namespace_job:jobs_failed:rate5m{%production}"),
            Check(
                "All pods or one?",
                "promql",
                'sum by (pod) (rate(%jobs{%production,result="failure"}[5m]))',
            ),
            _LOGS,
            _PODS,
            _RELEASES,
        ),
        (
            Check("Every job fails since a change of %settings: put the old one back."),
            Check("Every job fails, and nothing was changed: what the worker calls does not answer. %waits"),
            Check("Some jobs fail: find what they have in common in the log, and set those messages aside."),
            Check("One pod fails: delete it, its %maker makes another."),
        ),
        _ANY_RELEASE,
        ("A handful of failures in a quiet hour cannot raise it: it waits for five within five minutes.",),
        ("deploy-new-version",),
    ),
    "cpu_utilization": Advice(
        "The pods of %service use more than %threshold of the CPU that they request.",
        "The autoscaler cannot keep up. Whatever they work on takes longer next.",
        (
            Check(
                "Which pods?",
                "promql",
                "topk(10, namespace_pod_container:container_cpu_usage_seconds:sum_rate5m{%production_container})",
            ),
            _SCALER,
            _USE,
            Check(
                "Do new pods find no room?",
                "bash",
                f"{_KUBECTL} get pods --selector app.kubernetes.io/name=%service --field-selector status.phase=Pending",
            ),
        ),
        (
            Check("The autoscaler is at its maximum: raise it, and see that the nodes have room."),
            Check("Pods are pending: the cluster is full. Ask whoever runs its nodes."),
            Check("One pod only: it hangs in a loop. Take its stack, then delete it."),
        ),
        "When the same work costs more CPU since a release.",
        ("A short burst after a start is usual, which is why it waits.",),
        ("scale-application",),
    ),
    "memory_utilization": Advice(
        "At least one pod of %service uses more than %threshold of its memory limit.",
        "At its limit the pod is killed, with everything that it works on.",
        (
            Check(
                "Which pods?",
                "promql",
                "namespace_pod_container:container_memory_working_set_per_limit:ratio{%production_container}",
            ),
            Check(
                "Does it only ever grow?",
                "promql",
                'deriv(container_memory_working_set_bytes{%production_container,image!=""}[1h])',
            ),
            Check(
                "Has one been killed already (OOMKilled)?",
                "bash",
                f"{_KUBECTL} describe pods --selector app.kubernetes.io/name=%service",
            ),
            _USE,
        ),
        (
            Check("It grows without end: it leaks. Restart the pods one after another to win time."),
            Check(
                "Restart them without an outage.",
                "bash",
                f"{_KUBECTL} %restart",
            ),
            Check("It follows the load: scale out, or give each pod more."),
        ),
        "When it grows since a release and did not before.",
        ("A process that keeps results, and is meant to fill its memory with them, looks the same.",),
        ("scale-application",),
    ),
    "db_connections": Advice(
        "More than %threshold of the connections that %database has for applications are taken.",
        "When none is left, new connections are refused, and every service that needs %database fails at once.",
        (
            Check("How many are taken?", "promql", 'database:pg_stat_database_numbackends:sum{database="%database"}'),
            Check("How many are there?", "promql", 'database:pg_connections_available:max{database="%database"}'),
            Check(
                "In which database of the server?",
                "promql",
                "max by (datname) (pg_stat_database_numbackends{%exported})",
            ),
            Check(
                "Who holds them, and doing what? (psql, as a role that may see all of it)",
                "sql",
                "SELECT usename, application_name, state, count(*), max(now() - state_change) AS longest\n"
                "FROM pg_stat_activity\nWHERE backend_type = 'client backend'\n"
                "GROUP BY usename, application_name, state\nORDER BY count(*) DESC;",
            ),
        ),
        (
            Check("Many are idle in transaction: a service forgets to end them. Find it by its application_name."),
            Check("They rose with the number of pods: make each pod's pool smaller, or put a pooler between."),
            Check("The server can take more: raise max_connections, which needs a restart, and memory for each."),
        ),
        "When a release opens more connections than the one before it.",
        ("During a shift of traffic both colours hold their pools: up to twice the usual number.",),
        ("database-maintenance", "scale-application"),
    ),
    "db_latency_p95": Advice(
        "More than 5%% of the calls of %service to its databases take longer than %threshold.",
        "Requests of users wait for them, and connections are held for longer.",
        (
            Check(
                "How slow are they?",
                "promql",
                "namespace_job:db_client_operation_duration_seconds:p95_rate5m{%production}",
            ),
            Check(
                "All pods or one?",
                "promql",
                "histogram_quantile(0.95, sum by (pod, le) (rate(%{database_duration}_bucket{%production}[5m])))",
            ),
            Check(
                "Which statements run long, and which wait for a lock? (psql)",
                "sql",
                "SELECT pid, now() - query_start AS runs, wait_event_type, left(query, 100) AS query\n"
                "FROM pg_stat_activity\nWHERE state = 'active'\nORDER BY runs DESC\nLIMIT 20;",
            ),
            _LOGS,
        ),
        (
            Check("One statement: look at its plan (EXPLAIN), and for a missing index."),
            Check("Many wait for a lock: find the oldest transaction, and end it."),
            Check("All are slow: look at the server's CPU, memory and disk."),
        ),
        "When it began with a release or a migration.",
        ("A migration that rewrites a large table slows everything while it runs.",),
        ("database-maintenance",),
    ),
    "auth_failures": Advice(
        "%service sees more than %threshold failed logins.",
        "Somebody guesses passwords, or users cannot get in after a change.",
        (
            Check(
                "Do successes fall as well?",
                "promql",
                "sum by (result) (rate(%auth{%production}[5m]))",
            ),
            Check(
                "All pods or one?",
                "promql",
                'sum by (pod) (rate(%auth{%production,result="failure"}[5m]))',
            ),
            _LOGS,
        ),
        (
            Check("Few addresses (the gateway's log knows them, metrics do not): block them before the gateway."),
            Check("Many addresses: tighten the rate limit, and tell security."),
            Check("Successes have stopped: it is no attack. Look at the identity provider, its keys and the clock."),
        ),
        "When logins fail since a release.",
        ("A client with an old password that tries without end looks like an attack.",),
    ),
}

_CPU = ADVICE["cpu_utilization"]
CPU_BY_HAND = _CPU._replace(
    impact="Nothing adds pods by itself. Whatever they work on takes longer next.",
    checks=tuple(check for check in _CPU.checks if check is not _SCALER),
    mends=(
        Check("All pods: there is no autoscaler. Scale out by hand, and see that the nodes have room."),
        *_CPU.mends[1:],
    ),
)
_QUERY = Check("What is counted?", "promql", "%query")
CUSTOM = Advice(
    "%metric of %service is %side %threshold.",
    "What that means for users is known to the team that chose the metric.",
    (_QUERY, _PODS, _LOGS, _RELEASES),
    (Check("Find what the query counts: that says where to look."),),
    _ANY_RELEASE,
)
FEATURE = Advice(
    "%metric of %service is %side %threshold.",
    "What that means for users is known to the team that chose the metric.",
    (
        _QUERY,
        Check("Are the pods up, and since when?", "bash", f"{_KUBECTL} get pods --output wide"),
        _EVENTS,
    ),
    (Check("Find what the query counts: that says where to look."),),
    _ANY_RELEASE,
)
TARGETS = Advice(
    "Prometheus reaches no pod of %service in %namespace.",
    "Every alert of %service is blind. It may be down, or only unseen.",
    (
        _PODS,
        Check("What does Prometheus find?", "promql", "up{%production}"),
        Check(
            "May Prometheus reach them? The policy must let the namespace %monitoring in.",
            "bash",
            f"{_KUBECTL} describe networkpolicy %service",
        ),
        _EVENTS,
    ),
    (
        Check("No pods: the service is down. See why they do not start, and treat it as an outage."),
        Check("Pods are ready, targets are down: compare port and path with the configuration of Prometheus."),
        Check("Prometheus finds no target: look at its own log, and at its rights to list pods."),
    ),
    "When the pods of a new version do not start.",
    ("A restart of Prometheus itself takes less than it waits.",),
    ("deploy-new-version",),
)
SERIES = Advice(
    "A series that alerts of %service rest on has no samples. The label series names it.",
    "The alerts that are built on it cannot fire. Nothing may be wrong, and nobody would know.",
    (
        Check("Which are missing?", "promql", 'ALERTS{alertname="%alert"}'),
        Check("Which targets are down?", "promql", "up == 0"),
    ),
    (Check("A series of the application: see its metrics page. A counter must begin at 0, not with its first event."),),
    "Only where a release has lost the metric, and somebody must watch it now.",
    ("A service that is new and has had no request yet has no counter.",),
)
EXPORTED = {
    "container_": Check("container_...: cAdvisor, which is part of every kubelet, is not scraped."),
    "kube_": Check("kube_...: kube-state-metrics is not scraped."),
    "pg_": Check("pg_...: postgres-exporter is gone, or lacks the labels of monitoring/README.md."),
    "kafka_": Check("kafka_...: kafka-exporter is gone, or lacks the labels of monitoring/README.md."),
}
"""What to do about a missing series that no application shows, by the beginning of its name."""
WATCHDOG = Advice(
    "Nothing is wrong: this alert always fires, so that its silence shows when alerts no longer arrive.",
    "None while it fires. When it stops, no other alert arrives either.",
    (Check("Does it fire?", "promql", 'ALERTS{alertname="%alert",alertstate="firing"}'),),
    (
        Check("It fires here and does not arrive: look at Alertmanager, its routes and its receivers."),
        Check("It does not fire: Prometheus does not evaluate its rules. Look at its log."),
    ),
    "",
)
