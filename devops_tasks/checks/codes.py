"""Every code that ``check`` can give: how grave it is, what it means and how it is mended, in one table.

The reference page of the findings is made from this table, and a test holds the two together.
Must not: judging.
"""

from typing import NamedTuple

from devops_tasks.errors import Problem


class Code(NamedTuple):
    """One kind of finding; ``code`` stays the same from version to version, so that a program may rely on it."""

    code: str
    severity: str
    subject: str
    meaning: str
    mend: str


CODES: dict[str, Code] = {
    row.code: row
    for row in (
        Code("not-text", "error", "Parsing", "A file of the bundle is no text in UTF-8, is too large, or is a link.",
             "Restore the file, or generate it again."),
        Code("yaml", "error", "Parsing", "A YAML file does not parse.", "Correct the line that is named."),
        Code("duplicate-key", "error", "Parsing",
             "A mapping in YAML or JSON has a key twice; all but the last are lost.", "Keep one of them."),
        Code("json", "error", "Parsing", "A JSON file does not parse.", "Correct the line that is named."),
        Code("promql", "error", "Parsing", "The expression of a rule is no PromQL.", "Correct the expression."),
        Code("shell", "error", "Parsing",
             "A script does not begin with `#!/usr/bin/env bash`, does not set `-Eeuo pipefail` before it acts, or "
             "does not parse. The last is asked of `bash -n`, where bash is at hand.", "Correct the script."),
        Code("markdown", "error", "Parsing",
             "A fence of a Markdown page never ends, or a row of a table has more or fewer cells than its header.",
             "Close the fence; escape a pipe that is text as `\\|`."),
        Code("dead-link", "error", "Links",
             "A relative link leads to no file. (A parent document that is not there yet is undecided instead.)",
             "Correct the link, or restore the file."),
        Code("dead-anchor", "error", "Links", "A link names a heading that its page does not have.",
             "Correct the part after `#`, or the heading."),
        Code("missing-file", "error", "Names",
             "A file that another one names is not there: a resource of a kustomization, a rule file, a path in a "
             "script.", "Restore the file, or remove its name."),
        Code("selector", "error", "Names",
             "A selector selects no pods: of a Service, a disruption budget, a network policy, or a Deployment whose "
             "own pods lack the labels.", "Give the selector and the pods the same labels."),
        Code("unknown-object", "error", "Names",
             "A name leads to no object of the bundle: the target of an autoscaler, the backend of a route, a service "
             "account, a ConfigMap, a Secret, or an object that a script or a page hands to kubectl.",
             "Use the name that the object has."),
        Code("undeclared-command", "warning", "Names",
             "A script calls a command that it does not ask for with `need` at its start, or a runbook one that the "
             "list in `runbooks/index.md` does not have.", "Add the command to the list, or remove the call."),
        Code("port", "error", "Names",
             "A port that is named is opened by nobody: of a Service, a probe, a route.",
             "Use the port that the container opens, by number or by name."),
        Code("scrape", "error", "Names",
             "Prometheus would scrape nothing: the annotation, the job or the monitor does not fit the pods, or no "
             "network policy lets it reach the port.",
             "Make the annotation, the job's name and the port those of the service, and open the port."),
        Code("flow-denied", "error", "Network",
             "Something that the spec needs is closed: no network policy opens the peer and the port. An address that "
             "nobody has decided counts as open where a part of its range is.",
             "Correct the rule, or add one for the need."),
        Code("flow-unneeded", "error", "Network",
             "A network policy opens what nothing in the spec needs, or nothing is denied by default. A range that "
             "stands for an undecided address is needed.",
             "Remove or narrow the rule, or add what it is for to `needs`. A policy for another caller belongs into "
             "a file of your own, which is not judged."),
        Code("unjudged", "warning", "Names",
             "What an overlay applies cannot be computed from the bundle: a patch of another form than a strategic "
             "merge or a JSON patch, one that fits nothing, a file of your own, or a transformer of kustomize. What it "
             "changes is not judged.",
             "Look at it with `kubectl kustomize`, or write the change as a patch of one of the two forms."),
        Code("no-runbook", "error", "Names", "An alert has no `runbook_url`, or it leads to no page of the bundle.",
             "Link the alert's page in `runbooks/alerts/`."),
        Code("traffic-step", "error", "Names",
             "The weights of a route, or the colour that it leads to, are not the share that the name of its file "
             "says, as in `green-010.yml`; or the document, the states of the routes and the scripts do not take the "
             "steps of `delivery.steps`.",
             "Set the weights that the name says; they add up to 100. Take the same steps everywhere."),
        Code("unknown-series", "error", "Names",
             "A query uses a recorded series that no recording rule of the bundle records.",
             "Correct the name, or record the series."),
        Code("unknown-metric", "warning", "Names",
             "A rule reads a series that nothing provides: no scrape job of the bundle is known to, no rule records "
             "it, and the spec does not tell of it.",
             "Correct the name, or list the series and its labels in `monitoring.metrics`."),
        Code("never-meets", "error", "Names",
             "The two sides of an operation in a rule have no labels by which they could match: the operation gives "
             "nothing, and its alert never fires. What is not known of a series proves nothing.",
             "Aggregate both sides to the same labels, or match on those that both have."),
        Code("never-selects", "error", "Names",
             "A rule asks for a label, or a value of one, that the series never has, such as a bucket that is not in "
             "`latency_buckets`; or for a quantile of what has no buckets.",
             "Correct the label. Labels that a series has besides are listed in `monitoring.metrics`."),
        Code("many-to-many", "error", "Names",
             "One side of an operation has a sample for each bucket where one is needed: Prometheus refuses the rule.",
             "Select one bucket, or sum the buckets away."),
        Code("unknown-service", "error", "Names",
             "An alert or a query is about a service that the bundle does not have.",
             "Use the name of a service."),
        Code("unknown-namespace", "error", "Names", "A namespace is named that is none of this bundle's.",
             "Use one of `platform.namespaces`."),
        Code("residue", "error", "Residue",
             "Something of a template language is left that the file's own consumer does not read: `{{ ... }}`, "
             "`{% ... %}`, `${NAME}`, or a value of the program itself.",
             "Write the value that belongs there."),
        Code("placeholder", "error", "Residue",
             "A place that somebody was to fill in: `*[...]*`, TODO, TBD, FIXME, CHANGEME.", "Fill it in."),
        Code("conflict-marker", "error", "Residue",
             "Both sides of a conflict stand in a file, between `<<<<<<<` and `>>>>>>>`.",
             "Keep what is right, and remove the three lines of markers."),
        Code("stray-undecided", "error", "Residue",
             "The literal of an undecided value stands where every key of the spec is decided.",
             "Generate again, or write the value."),
        Code("alert-after-rollback", "warning", "Contradictions",
             "The rollback always comes before the alert, so that the alert tells nobody anything during a release.",
             "Give the alert a nearer threshold or a shorter `for` than the rollback criterion."),
        Code("beyond-retention", "error", "Contradictions",
             "A rule looks further back than Prometheus keeps samples.",
             "Shorten its range or offset, or raise `monitoring.retention`."),
        Code("short-range", "warning", "Contradictions",
             "A rate is taken over less than four scrape intervals: one scrape that is lost silences it.",
             "Take a longer range, or scrape more often."),
        Code("replicas-outside-autoscaler", "warning", "Contradictions",
             "The replicas of an environment lie outside of the autoscaler of the same environment.",
             "Set the replicas between the autoscaler's minimum and maximum, or leave the autoscaler out."),
        Code("alert-below-autoscaler", "warning", "Contradictions",
             "An alert on CPU or memory fires at or below the use that the autoscaler aims at: on every normal day.",
             "Raise the alert above the autoscaler's target, or lower the target."),
        Code("disruption-blocked", "warning", "Contradictions",
             "A disruption budget lets no pod be moved, so that no node can be drained: by itself, or because an "
             "environment has no more pods than are to stay.", "Use `maxUnavailable: 1`."),
        Code("over-quota", "warning", "Contradictions",
             "The pods of an environment, each Deployment at its most, come to more than a ResourceQuota allows.",
             "Raise the quota, or lower what the autoscalers may reach."),
        Code("backup-interval", "warning", "Contradictions",
             "Backups are further apart than the data that may be lost. A continuous backup of the same instance is "
             "no answer where the region is lost: it is not copied.",
             "Back up more often, or accept a larger loss."),
        Code("no-restore", "error", "Contradictions", "A database is backed up, and the script that restores does not "
             "know it.", "Add its case to `restore-database.sh`, or generate again."),
        Code("backup-retention", "warning", "Contradictions",
             "What removes old backups (the script, or the plan of the managed service) keeps them for another time "
             "than `databases[].backup.keep`, or removes none.", "Make the two the same."),
        Code("backup-kept", "warning", "Contradictions", "A backup is gone before the next one is made.",
             "Keep backups for several intervals."),
        Code("points-over-capacity", "warning", "Contradictions",
             "More story points are planned than fit in the sprint.", "Skip or move tasks, or correct the capacity."),
        Code("target-below-zero", "warning", "Contradictions",
             "The primary metric is above zero, and its target is a number below: perhaps a change is meant.",
             "Write the number that it is to reach, or the change in percent (`-20%`)."),
        Code("late-dependency", "warning", "Contradictions", "Something is due outside of the sprint.",
             "Correct the date."),
        Code("split-without-step", "warning", "Contradictions",
             "The experiment assigns requests by a split of the traffic, and no step of the delivery has its share.",
             "Add the share to `delivery.steps`, or assign by a feature flag."),
        Code("short-split", "warning", "Contradictions",
             "The experiment assigns requests by a split of the traffic, and a release leaves the step that splits it "
             "before the experiment is over.",
             "Assign by a feature flag, or stay at that step for as long as the experiment takes."),
        Code("assignment", "error", "Contradictions",
             "The experiment does not assign: its flag is not in `experiment/flags.json`, splits by something else "
             "than the weights of both arms, or gives treatment to those without a key; or a service looks for the "
             "file where nothing is mounted, or where it never sees a change.",
             "Generate the file again, or mount the folder that the service reads."),
        Code("blind-step", "warning", "Contradictions",
             "At a step of the release a rollback criterion cannot do its work: the window holds too few requests of "
             "the new version to tell a bad one from a healthy one, or the next step comes before a rollback could.",
             "Begin with a larger step, pause for longer, or watch the first step with a longer window by hand."),
        Code("rash-guardrail", "warning", "Contradictions",
             "The arms are watched, and a rollback criterion on treatment alone ends more than 5% of all healthy "
             "experiments within their run time.",
             "Raise the threshold or its `for`, or give treatment a larger share."),
        Code("sample-size", "warning", "Contradictions",
             "A page states a number of units or a length of the experiment that is too small for the numbers of the "
             "spec: with these, an effect as large as the target's would be missed more often than was accepted.",
             "Write the number that is named, or change the experiment in the spec and generate."),
        Code("unlisted-class", "warning", "Contradictions",
             "An instance class is of a family that this version's list of AWS does not have: a new one, or a slip.",
             "Correct the class; if it is right, nothing is lost, and a newer version knows it."),
        Code("wrong-total", "warning", "Contradictions",
             "The total of story points in `tasks.md` is not the sum of its tasks.",
             "Correct the total, or generate again."),
        Code("other-number", "warning", "Drift",
             "A number in a file was changed by hand, and the spec, with the document, the tests and the runbooks that "
             "come from it, says another one.", "Write it into the spec and generate again, or undo the edit."),
        Code("edited", "note", "Drift", "A file was edited since it was generated.",
             "Nothing needs to be done: `generate` keeps edits, and merges them."),
        Code("deleted", "note", "Drift", "A file that was generated is gone.",
             "Nothing, if nobody needs it; `generate --force` makes it again."),
        Code("other-version", "note", "Drift", "Another version of this program generated the bundle.",
             "Generate again, or use that version."),
    )
}  # fmt: skip
"""The table, by code, in the order in which the reference shows it."""


def severity(problem: Problem) -> str:
    """Say how grave a problem is: ``error``, ``warning`` or, of what is no fault, ``note``."""
    return CODES[problem.code].severity
