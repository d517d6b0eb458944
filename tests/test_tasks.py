"""The sprint's tasks: what the default ones say for each shape of a spec, how a spec changes them, and their sums."""

from __future__ import annotations

import pytest

from devops_tasks.plan import plan_feature
from devops_tasks.plan.tasks import Tasks, join, plan_drafts, plan_tasks
from devops_tasks.spec import Spec
from tests.bundles import load_text, render_bundle, renderer

MINIMAL = """
feature: {name: Reports, engineer: dana}
sprint: {name: "24"}
experiment: {hypothesis: We believe, primary_metric: {name: Reports, target: +20%}}
"""
NOTHING = "databases: none\ncaches: none\n"
WORKER = NOTHING + "services: [{name: mailer, kind: worker}]\n"


def spec(text: str = "") -> Spec:
    return load_text(MINIMAL + text).spec


def steps(task_id: str, text: str = "") -> tuple[str, ...]:
    return plan_drafts(spec(text))[task_id].steps


def group(tasks: Tasks, name: str) -> list[str]:
    return next([item["id"] for item in group["items"]] for group in tasks["groups"] if group["name"] == name)


def test_the_default_tasks_are_those_of_the_template() -> None:
    drafts = plan_drafts(spec())
    assert [(name, draft.priority, draft.title, draft.points) for name, draft in drafts.items()] == [
        ("DO-001", "critical", "Provision infrastructure resources", 5),
        ("DO-002", "critical", "Configure CI/CD pipeline", 4),
        ("DO-003", "critical", "Implement monitoring and alerting", 4),
        ("DO-004", "security", "Configure security controls", 3),
        ("DO-005", "security", "Implement backup and disaster recovery", 3),
        ("DO-006", "security", "Set up compliance monitoring", 2),
        ("DO-007", "optimization", "Optimize resource utilization", 2),
        ("DO-008", "optimization", "Implement advanced observability", 3),
    ]
    assert all(draft.steps and draft.success for draft in drafts.values())


def test_points_are_summed_by_priority_and_in_total() -> None:
    tasks = plan_tasks(spec())
    assert [(group["name"], group["points"]) for group in tasks["groups"]] == [
        ("critical", 13),
        ("security", 8),
        ("optimization", 5),
    ]
    assert tasks["points"] == 26


@pytest.mark.parametrize(
    ("capacity", "over", "spare"),
    [("26", 0, 0), ("20", 6, 0), ("30", 0, 4)],
    ids=["just enough", "too little", "more than enough"],
)
def test_points_are_compared_with_the_capacity(capacity: str, over: int, spare: int) -> None:
    text = MINIMAL.replace('name: "24"', f'name: "24", capacity: {capacity}')
    tasks = plan_tasks(load_text(text).spec)
    assert (tasks["over"], tasks["spare"], tasks["capacity"]) == (over, spare, int(capacity))


def test_a_task_is_changed_by_its_id_and_keeps_the_rest() -> None:
    tasks = plan_tasks(spec("tasks: [{id: DO-002, points: 8, owner: noor}]\n"))
    changed = next(item for item in tasks["groups"][0]["items"] if item["id"] == "DO-002")
    assert (changed["points"], changed["owner"], changed["title"]) == (8, "noor", "Configure CI/CD pipeline")
    assert changed["steps"] == list(steps("DO-002"))
    assert tasks["points"] == 30


def test_a_task_can_be_left_out() -> None:
    tasks = plan_tasks(spec("tasks: [{id: DO-008, skip: true}]\n"))
    assert tasks["points"] == 23
    assert group(tasks, "optimization") == ["DO-007"]


def test_a_task_can_be_added_and_moved_to_another_priority() -> None:
    added = "{id: OPS-9, title: Warm, priority: critical, points: 2, steps: [a, b], success: warm}"
    tasks = plan_tasks(spec(f"tasks: [{added}, {{id: DO-001, priority: security}}]\n"))
    assert group(tasks, "critical") == ["DO-002", "DO-003", "OPS-9"]
    assert group(tasks, "security") == ["DO-001", "DO-004", "DO-005", "DO-006"]
    assert tasks["points"] == 28


def test_steps_that_are_written_empty_stay_empty() -> None:
    assert steps("DO-001", "tasks: [{id: DO-001, steps: none}]\n") == ()


def test_the_first_task_names_what_the_spec_has() -> None:
    assert steps("DO-001") == (
        "Set up the database reports-db: PostgreSQL 16 (staging db.t3.medium; production db.r5.xlarge and 2 read replicas; host to be decided)",  # noqa: E501
        "Configure Redis reports-cache for caching (staging cache.t3.micro; production cache.r5.large, cluster mode; host to be decided)",  # noqa: E501
        "Provision the load balancer (ALB), the Gateway and networking",
        "Set up monitoring and logging infrastructure",
    )


@pytest.mark.parametrize(
    ("task_id", "text", "word", "there"),
    [
        ("DO-001", "caches: none\n", "Redis", False),
        ("DO-001", "databases: none\n", "PostgreSQL", False),
        ("DO-001", "databases: [{name: d, hosting: in-cluster}]\n", "PostgreSQL 16 in the cluster", True),
        (
            "DO-001",
            "queues: [{name: q, topic: t}]\n",
            "Kafka queue q (topic t, consumer group to be decided; bootstrap hosts to be decided)",
            True,
        ),
        ("DO-001", "external_services: [{name: pay, host: pay.example.com}]\n", "pay (pay.example.com:443)", True),
        ("DO-001", WORKER, "load balancer (", False),
        ("DO-002", "", "GitHub Actions", True),
        ("DO-002", "platform: {pipeline: gitlab-ci}\n", "GitLab", True),
        ("DO-002", "platform: {pipeline: gitlab-ci}\n", "GitHub", False),
        ("DO-002", "", "10%, 50% and 100% of traffic, 10 minutes each", True),
        (
            "DO-002",
            "delivery: {steps: [100%], pause: 1h}\n",
            "blue-green deployment: 100% of traffic, watched for 1 hour",
            True,
        ),
        ("DO-002", "delivery: {steps: [100%], pause: 1h}\n", "each", False),
        ("DO-002", WORKER, "blue-green", False),
        ("DO-002", WORKER, "Roll mailer pod by pod", True),
        ("DO-003", "contacts: {channel: '#alerts', pager: opsgenie}\n", "channel #alerts; pager opsgenie", True),
        ("DO-004", WORKER, "WAF", False),
        ("DO-004", WORKER, "TLS", False),
        ("DO-004", "platform: {edge: {waf: managed, rate_limit: 100/s}}\n", "at most 100 per second", True),
        ("DO-004", "platform: {tls_issuer: letsencrypt}\n", "cert-manager from letsencrypt", True),
        ("DO-004", "platform: {secrets: manual}\n", "by hand", True),
        ("DO-004", "", "with External Secrets", True),
        ("DO-004", NOTHING, "secrets management", False),
        ("DO-004", NOTHING + "platform: {secrets: manual}\n", "secrets management", False),
        ("DO-004", NOTHING + "services: [{name: a, secrets: [key]}]\n", "secrets management", True),
        ("DO-005", "", "every 6 hours, kept for 30 days", True),
        ("DO-005", "databases: [{name: d, backup: {replicate_to: eu-west-1}}]\n", "backups of d (eu-west-1)", True),
        ("DO-005", "databases: none\n", "backups", False),
        ("DO-005", "databases: none\n", "empty database", False),
        ("DO-006", "overview: {compliance: [GDPR, PCI DSS]}\n", "reporting for GDPR and PCI DSS", True),
        ("DO-006", "", "no requirement applies", True),
        ("DO-006", "backup: {logs: {keep: 14d}, metrics: {keep: forever}}\n", "(logs 14 days, metrics forever)", True),
        ("DO-007", "cost: {budget: 1000 USD}\n", "budget 1000 USD", True),
        ("DO-007", "services: [{name: a, production: {autoscaling: none}}]\n", "auto-scaling is off", True),
        ("DO-008", "platform: {tracing: {host: otel.obs}}\n", "otel.obs:4317", True),
    ],
)
def test_a_default_task_fits_the_spec(task_id: str, text: str, word: str, there: bool) -> None:  # noqa: FBT001
    assert (word in "\n".join(steps(task_id, text))) is there


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "10%, 50% and 100% of traffic, 10 minutes each"),
        ("delivery: {steps: [100%], pause: 1h}\n", "100% of traffic, watched for 1 hour"),
    ],
    ids=["several steps", "one step"],
)
def test_the_steps_of_the_traffic_read_alike_wherever_they_stand(text: str, words: str) -> None:
    loaded = load_text(MINIMAL + text)
    files = render_bundle(loaded)
    assert words in files["tasks.md"]
    assert files["delivery/watch-rollout.sh"].count(words) == 2  # what it is, and what it says at work
    assert words in files["runbooks/operations/deploy-new-version.md"]
    assert f"**Steps:** {words}\n" in renderer().render_folder("_new", plan_feature(loaded.spec))["devops/design.md"]


def test_a_rollback_is_rehearsed_where_there_is_traffic_to_take_back() -> None:
    assert "Add rollback mechanisms and rehearse them at the first step of the first release" in steps("DO-002")
    assert "Add rollback mechanisms and rehearse them in staging" in steps("DO-002", WORKER)


def test_recovery_names_a_runbook_only_where_the_bundle_has_it() -> None:
    named = "Walk through the runbook of backup verification with whoever is on call"
    assert named in steps("DO-005")
    assert named not in steps("DO-005", NOTHING)
    assert "runbooks/operations/backup-verification.md" not in render_bundle(load_text(MINIMAL + NOTHING))


QUEUE = "databases: none\ncaches: none\nqueues: [{name: jobs, topic: jobs, group: mail}]\nservices:\n"


@pytest.mark.parametrize(
    ("services", "told"),
    [
        ("  - {name: mailer, kind: worker}\n  - {name: api}\n", ", and tell mailer and api where it is"),
        ("  - {name: mailer, kind: worker, config: {TOPIC: jobs}}\n  - {name: api, needs: none}\n", ""),
    ],
    ids=["nobody is told", "everybody is told, or need not be"],
)
def test_who_is_not_told_where_a_queue_is_has_to_be(services: str, told: str) -> None:
    step = next(each for each in steps("DO-001", QUEUE + services) if "queue" in each)
    end = f"{told} (services[].config in the spec)" if told else ""
    assert step == f"Set up the Kafka queue jobs (topic jobs, consumer group mail; bootstrap hosts to be decided){end}"


@pytest.mark.parametrize(
    ("words", "sentence"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_words_are_joined_as_in_a_sentence(words: list[str], sentence: str) -> None:
    assert join(words) == sentence
