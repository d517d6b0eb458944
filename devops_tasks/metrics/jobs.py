"""The jobs that make backups of a database in the cluster and prove them: what is recorded, how it is seen, the advice.

Loaded only where a bundle has such jobs. Must not: how old a backup may be, which follows from the spec.
"""

from typing import NamedTuple

from devops_tasks.metrics.advice import Advice, Check
from devops_tasks.metrics.forms import Recording, Source
from devops_tasks.metrics.scenes import Scene

_OWN = '{namespace="%namespace",cronjob="%cronjob"}'
_OWN_JOBS = '{namespace="%namespace",job_name=~"%cronjob-([0-9]+|by-hand)"}'
_LABELS = (("cronjob", "%cronjob"),)
SUCCEEDED = "namespace_cronjob:kube_cronjob_last_success:timestamp"
OVERDUE = "namespace_cronjob:kube_cronjob_since_success:seconds"
FAILED = "namespace_cronjob:kube_job_failed_after_success:seconds"
SOURCE = Source("kube_cronjob_created", 'namespace="%namespace",cronjob="%cronjob"')
"""What is there as long as the job is: what tells of a success is not there before the first."""

RECORDINGS = (
    Recording(
        SUCCEEDED,
        f"""\
  max by (namespace) (kube_cronjob_status_last_successful_time{_OWN})
or
  max by (namespace) (kube_cronjob_created{_OWN})""",
        "max: once where kube-state-metrics runs twice; a job that has never succeeded counts from its creation",
        _LABELS,
    ),
    Recording(OVERDUE, f"time() - {SUCCEEDED}{_OWN}", labels=_LABELS),
    Recording(
        FAILED,
        f"""\
  max by (namespace) (
      kube_job_status_start_time{_OWN_JOBS}
    and on (job_name)
      kube_job_failed{{namespace="%namespace",condition="true"}} > 0
  )
- on (namespace)
  {SUCCEEDED}{_OWN}""",
        "how long after the last success the newest job began that failed; below 0 one has succeeded since",
        _LABELS,
    ),
)
_HERE = 'namespace="%namespace",cronjob="%cronjob"'
_JOB = 'namespace="%namespace",job_name="%cronjob'


def _at(series: str, second: str) -> tuple[str, str]:
    return (series, f"_x10080 {second}")


SCENES = (
    Scene(
        "the %what has succeeded, a later one has failed, and one is still at work",
        (
            _at(f'kube_cronjob_created{{{_HERE},instance="a"}}', "600"),
            _at(f'kube_cronjob_status_last_successful_time{{{_HERE},instance="a"}}', "597600"),
            _at(f'kube_cronjob_status_last_successful_time{{{_HERE},instance="b"}}', "597540"),
            _at(f'kube_job_status_start_time{{{_JOB}-28300001",instance="b"}}', "590000"),
            _at(f'kube_job_failed{{{_JOB}-28300001",condition="true",instance="b"}}', "1"),
            _at(f'kube_job_status_start_time{{{_JOB}-28300002",instance="a"}}', "601200"),
            _at(f'kube_job_failed{{{_JOB}-28300002",condition="true",instance="b"}}', "1"),
            _at(f'kube_job_status_start_time{{{_JOB}-28300003",instance="a"}}', "604000"),
            _at(f'kube_job_failed{{{_JOB}-28300003",condition="true",instance="a"}}', "0"),
            _at(f'kube_job_failed{{{_JOB}-28300003",condition="false",instance="a"}}', "1"),
            _at('kube_job_failed{namespace="%staging",job_name="%cronjob-28300003",condition="true"}', "1"),
            _at('kube_job_status_start_time{namespace="%namespace",job_name="another-28300004"}', "604200"),
            _at('kube_job_failed{namespace="%namespace",job_name="another-28300004",condition="true"}', "1"),
            _at(f'{SUCCEEDED}{{namespace="%namespace",cronjob="another"}}', "604740"),
        ),
        (
            (f'{SUCCEEDED}{{cronjob="%cronjob"}}', ((_HERE, "597600"),)),
            (OVERDUE, ((_HERE, "7200"),)),
            (FAILED, ((_HERE, "3600"),)),
        ),
    ),
    Scene(
        "no %what has ever succeeded: it counts from its creation, and one that was started by hand has failed",
        (
            _at(f'kube_cronjob_created{{{_HERE},instance="a"}}', "603000"),
            _at(f'kube_cronjob_created{{{_HERE},instance="b"}}', "602940"),
            _at(f'kube_job_status_start_time{{{_JOB}-by-hand"}}', "603060"),
            _at(f'kube_job_failed{{{_JOB}-by-hand",condition="true"}}', "1"),
        ),
        ((SUCCEEDED, ((_HERE, "603000"),)), (OVERDUE, ((_HERE, "1800"),)), (FAILED, ((_HERE, "60"),))),
    ),
)


class Watch(NamedTuple):
    """One alert on a job, and what its page says; texts are filled with the words of the job."""

    state: str
    severity: str
    action: str
    title: str
    series: str
    words: str
    summary: str
    description: str
    advice: Advice


_KUBECTL = 'kubectl --context "${KUBE_CONTEXT:?}" --namespace %namespace'
_JOBS = Check(
    "When did it run last, and how did that end?",
    "bash",
    f"{_KUBECTL} get cronjobs,jobs,pods --selector app.kubernetes.io/name=%cronjob",
)
_SAID = Check(
    "What did it say?",
    "bash",
    f"{_KUBECTL} logs --selector app.kubernetes.io/name=%cronjob --all-containers --tail 100 --prefix",
)
_HAPPENED = Check(
    "What has the cluster done to it?",
    "bash",
    f"{_KUBECTL} get events --sort-by .lastTimestamp",
)
_SINCE = Check("How long ago was the last success?", "promql", f"{OVERDUE}{_OWN} / 3600")
_SUSPENDED = Check(
    "Suspended, as a restore leaves it that was cut off: let it run again.",
    "bash",
    f'{_KUBECTL} patch cronjob %cronjob --type merge --patch \'{{"spec": {{"suspend": false}}}}\'',
)
_BY_HAND = Check(
    "When the cause is mended, run one now.",
    "bash",
    f"{_KUBECTL} delete job %cronjob-by-hand --ignore-not-found\n"
    f"{_KUBECTL} create job %cronjob-by-hand --from cronjob/%cronjob",
)
_BACKUP_CAUSES = (
    Check("It cannot connect, or the password is wrong: look at the server, and at the Secret of its URL."),
    Check("There is no space left: raise the storage of the volume backups in disaster-recovery/backup.yml."),
    Check("The bucket denies access: its service account has lost the right to it, or the bucket is gone."),
)
_VERIFY_CAUSES = (
    Check("It misses a backup, or a newer one: the backup is the fault. Go on with its own job."),
    Check("It is damaged, or its rows differ: that backup is none. Make another one now, and verify that."),
    Check("It takes longer than is allowed: the database has outgrown its recovery time. Say so to the team."),
    Check("There is no space left: raise the storage of its volumes in disaster-recovery/backup-verification.yml."),
)
_NO_PROOF = "Nobody knows whether the backups of %database can be restored."
_RELEASED = "When it began with a release: it may have changed the database, or who may read it."
_RESTARTED = "A job that was created a moment ago counts from its creation."


def _overdue(severity: str, action: str, meaning: str, impact: str, causes: tuple[Check, ...]) -> Watch:
    return Watch(
        "overdue", severity, action, "%What overdue", OVERDUE, "no success for %limit",
        "No %what of %database has succeeded for longer than it may take.",
        "The last %what succeeded {{ $value | humanizeDuration }} ago; there should be one %planned.",
        Advice(
            meaning, impact, (_SINCE, _JOBS, _SAID, _HAPPENED), (_SUSPENDED, *causes, _BY_HAND), _RELEASED,
            (_RESTARTED,), ("backup-verification",),
        ),
    )  # fmt: skip


def _failed(meaning: str, impact: str, causes: tuple[Check, ...]) -> Watch:
    return Watch(
        "failed", "warning", "Alert team", "%What failed", FAILED, "a failure since the last success",
        "A %what of %database has failed.",
        "A job of %cronjob ended in failure, and none has succeeded since.",
        Advice(
            meaning, impact, (_JOBS, _SAID, _HAPPENED, _SINCE), (*causes, _BY_HAND), _RELEASED,
            ("It ends by itself with the next success.",), ("backup-verification",),
        ),
    )  # fmt: skip


WATCHES: dict[str, tuple[Watch, Watch]] = {
    "backup": (
        _overdue(
            "critical", "Page on-call",
            "No backup of %database has succeeded for %limit; there should be one %planned.",
            "If the data is lost now, more of it is gone than the %lose that were agreed on.",
            _BACKUP_CAUSES,
        ),
        _failed(
            "The newest job of %cronjob that ended has failed. Each job tries three times.",
            "Nothing is lost yet: there is the backup before. The next one comes %planned.",
            _BACKUP_CAUSES,
        ),
    ),
    "verification": (
        _overdue(
            "warning", "Alert team",
            "No backup of %database has been restored and compared for %limit; there should be one %planned.",
            _NO_PROOF, _VERIFY_CAUSES,
        ),
        _failed(
            "The newest job of %cronjob that ended has failed: a backup could not be restored, or is not what it was.",
            _NO_PROOF, _VERIFY_CAUSES,
        ),
    ),
}  # fmt: skip
"""The alerts on each kind of job, by what it does."""
