"""Bad input, as people and broken tools make it: each fault has place, key, mend and code, and nothing is written.

A case is a whole command. Its lines are all that it says, its folder stays as it was, byte by byte, and `--json` says
the same to a program. The codes of all cases together are the table of codes.
"""

from __future__ import annotations

import ast
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from devops_tasks import __version__, fields, specfile
from devops_tasks.codes import CODES
from devops_tasks.errors import Problem, UserError
from devops_tasks.spec import DEVICES, Service, Spec
from tests.bundles import load_text, render_bundle
from tests.command import Done, devops_tasks
from tests.specs import MINIMAL
from tests.tools import ROOT, powerless

TOP = ", ".join(Spec.fields)
SAYS_ITSELF = {"invalid-value", "invalid-key", "usage", "wrong-type"}
"""What is expected stands in such a message itself; a mend is added where there is more to say."""
NOTHING_BEHIND = "a list with nothing behind its key (write its items or none; null or no key at all is the default)"
NO_PACK = "the spec takes no template pack of this name that asks for anything"


def everything(folder: Path) -> dict[str, object]:
    """Give all that is below a folder: links as links, files as bytes, and how they may be used."""
    found: dict[str, object] = {}
    for path in folder.rglob("*"):
        content: object = "folder or pipe"
        if path.is_symlink():
            content = path.readlink()
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(folder))] = (path.lstat().st_mode, content)
    return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder; compiled templates are kept elsewhere."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(folder)
    return folder


Errors = list[tuple[str, str]]
"""The code and the line of each error, in their order."""


def refuses(folder: Path, arguments: list[str], errors: Errors, *, code: int = 2) -> None:
    before = everything(folder)
    done = devops_tasks(*arguments)
    assert (done.code, done.out, anywhere(folder, done.err).splitlines()) == (code, "", [line for _, line in errors])
    assert everything(folder) == before
    if arguments[0] not in {"init", "export"}:  # these print no document of JSON
        program = devops_tasks(*arguments, "--json")
        assert (program.code, program.err) == (code, "")
        told = json.loads(program.out)["errors"]
        assert [(each["code"], anywhere(folder, as_text(each))) for each in told] == errors
        assert everything(folder) == before
    assert all(line.endswith(")") for kind, line in errors if kind not in SAYS_ITSELF)


def anywhere(folder: Path, text: str) -> str:
    """Take the place of the test out of a text, and what follows from it."""
    return re.sub("sha256:[0-9a-f]{64}", "sha256:DIGEST", text.replace(str(folder), "HERE"))


def as_text(error: dict[str, Any]) -> str:
    known = {name: value or type(Problem._field_defaults.get(name, ""))() for name, value in error.items()}
    return str(Problem(where=known.pop("file"), **known))


# Texts: `generate spec.yaml -o out`


def owner(column: str = "3:3") -> tuple[str, str]:
    mend = 'add it, for example engineer: "@dana"'
    return "missing-key", f"{column}: feature.engineer: required: Who owns the infrastructure work ({mend})"


INDENTATION = "the indentation is that of no line above (indent the keys of a group, and the items of a list, alike)"
NOT_CLOSED = "{} that is not closed, or lacks a comma (close it, or add the comma)"
QUOTE_ALL = '(quote the whole value: "...")'
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 10)}]\n" for name in "bcdefgh"
)
NAME_EXPECTED = "expected a name of lower-case letters, digits and '-', at most 40, starting with a letter"
SERVICE = "services:\n  - name: api\n    "


def with_(old: str, new: str) -> str:
    assert old in MINIMAL
    return MINIMAL.replace(old, new)


TEXTS: dict[str, tuple[str, Errors]] = {
    # YAML that is none
    "a quote that never ends": (
        with_('"24"', '"24'),
        [("yaml", "5:9: a quote that never ends (close it, or remove it)")],
    ),
    "a list that is not closed": (
        MINIMAL + "delivery: {steps: [10%, 100%}\n",
        [("yaml", "11:19: " + NOT_CLOSED.format("a list in [ ]"))],
    ),
    "a group that is not closed": (
        MINIMAL + "delivery: {pause: 5m\nalerts: []\n",
        [("yaml", "11:11: " + NOT_CLOSED.format("a group in { }"))],
    ),
    "a line without a colon": (
        MINIMAL + "delivery\n",
        [("yaml", "11:1: a line without ': ' (write 'key: value', or indent it as part of the text above)")],
    ),
    "a colon in a value": (
        with_("Saved Reports", "Reports: saved"),
        [("yaml", f"2:16: a ': ' inside a value that is not quoted {QUOTE_ALL}")],
    ),
    "a line indented too far": (
        with_("  engineer", "    engineer"),
        [
            (
                "yaml",
                "3:13: the line goes on with the text above (indent it like the key above; behind a key stands ': ')",
            )
        ],
    ),
    "a line indented too little": (with_("  engineer", " engineer"), [("yaml", f"3:2: {INDENTATION}")]),
    "a key of an item beside its list": (
        MINIMAL + "alerts:\n  - metric: latency_p95\n   above: 1s\n",
        [("yaml", f"13:4: {INDENTATION}")],
    ),
    "a tab as indentation": (
        with_("  engineer", "\tengineer"),
        [("yaml", "3:1: a tab is no indentation in YAML (use spaces)")],
    ),
    "a mention that is not quoted": (
        with_('"@dana"', "@dana"),
        [("yaml", '3:13: a value must not begin with @ (quote it: "@dana")')],
    ),
    "Markdown in a value": (
        with_("Saved Reports", "*new* reports"),
        [("yaml", "2:13: a value must not begin with * (quote it)")],
    ),
    "a dash in a value": (
        with_("Saved Reports", "- reports"),
        [("yaml", "2:9: a value must not begin with '- ' (quote it, or begin the list on the next line)")],
    ),
    "a text behind a bracket": (
        with_("Saved Reports", "[beta] reports"),
        [("yaml", f"2:16: a text goes on behind a bracket {QUOTE_ALL}")],
    ),
    "a path of Windows in double quotes": (
        with_("Saved Reports", '"C:\\Users"'),
        [("yaml", "2:14: a backslash between double quotes begins an escape (use single quotes, or two backslashes)")],
    ),
    "a merge conflict": (
        with_('  name: "24"\n', '<<<<<<< HEAD\n  name: "24"\n=======\n  name: "25"\n>>>>>>> other\n'),
        [("yaml", "5:1: a merge conflict is left here (settle it, and remove its marks)")],
    ),
    "a version of YAML": (f"%YAML 3.0\n---\n{MINIMAL}", [("yaml", "1:1: a line must not begin with % (remove it)")]),
    "TOML": (
        '[feature]\nname = "x"\n',
        [("yaml", "2:1: a text behind the end of the document (keep one group of keys in a file)")],
    ),
    "a program": (
        "import os\n",
        [("wrong-type", f"1:1: expected a group of keys, found 'import os' (keys: {TOP})")],
    ),
    "a list of specs": ("- a\n- b\n", [("wrong-type", f"1:1: expected a group of keys, found a list (keys: {TOP})")]),
    "a second document": (
        f"{MINIMAL}---\n{MINIMAL}",
        [("second-document", "11:1: a second document (keep one document in a file)")],
    ),
    "a tag": (
        with_('"24"', "!secret sprint"),
        [("tag", "5:9: sprint.name: the tag !secret is not allowed (remove it)")],
    ),
    "a tag that would run a command": (
        with_('"24"', "!!python/object/apply:os.system [touch owned]"),
        [
            (
                "tag",
                "5:9: sprint.name: the tag tag:yaml.org,2002:python/object/apply:os.system is not allowed (remove it)",
            )
        ],
    ),
    "an alias without an anchor": (
        with_('"24"', "*number"),
        [
            (
                "unknown-alias",
                '5:9: sprint.name: the alias *number has no anchor before it (quote it if it is text: "*number")',
            )
        ],
    ),
    "a merge key": (
        f"{MINIMAL}services:\n  - &one {{name: one, port: 80}}\n  - <<: *one\n    name: two\n",
        [
            (
                "unknown-key",
                "13:5: services[1].<<: a merge key is not read (repeat its keys; an alias may stand for a whole group)",
            )
        ],
    ),
    "a placeholder that is not filled in": (
        with_("Saved Reports", "{{ name }}"),
        [("invalid-key", "2:10: feature.name: a key must be a plain word (quote it if it is text)")],
    ),
    "keys that stand a group too low, or in one beside their own": (
        f"{MINIMAL}  assignment: {{capacity: 9, gateway: a}}\nservices: [{{name: a, production: {{port: 80}}}}]\n",
        [
            ("unknown-key", "11:16: experiment.assignment.capacity: unknown key (did you mean sprint.capacity?)"),
            ("unknown-key", "11:29: experiment.assignment.gateway: unknown key (did you mean platform.gateway?)"),
            ("unknown-key", "12:35: services[0].production.port: unknown key (did you mean services[0].port?)"),
        ],
    ),
    "keys that stand a group too high": (
        f"{MINIMAL}services: [{{name: a}}, {{name: b, replicas: 2}}]\ncapacity: 3\n",
        [
            (
                "unknown-key",
                "11:33: services[1].replicas: unknown key (did you mean staging.replicas or production.replicas?)",
            ),
            ("unknown-key", "12:1: capacity: unknown key (did you mean sprint.capacity?)"),
        ],
    ),
    "an empty item": (
        f"{MINIMAL}done:\n  -\n  - All dashboards\n",
        [("empty-item", "12:4: done[0]: an empty item (write a value or remove the '-')")],
    ),
    "lists with nothing behind their keys": (
        f"{MINIMAL}databases:\n#  - name: a-db\nservices: [{{name: a, needs: , secrets: null}}]\ncaches: ~\n",
        [
            ("empty-list", f"11:1: databases: {NOTHING_BEHIND}"),
            ("empty-list", f"13:22: services[0].needs: {NOTHING_BEHIND}"),
        ],
    ),
    "a group that is there twice": (
        f"{MINIMAL}delivery: {{pause: 5m}}\ncost: {{}}\ndelivery: {{pause: soon}}\n",
        [("duplicate-key", "13:1: delivery: the key is there twice (keep one of them)")],
    ),
    "aliases that stand for a billion values": (
        BOMB,
        [("too-large", "5:24: too many values (a spec is a short text)")],
    ),
    "lists in lists without end": ("[" * 10_000, [("too-large", "1:42: too deeply nested (a spec is a short text)")]),
    "aliases in aliases without end": (
        "a0: &a0 x\n" + "".join(f"a{n}: &a{n} {'[' * 9}*a{n - 1}{']' * 9}\n" for n in range(1, 60)),
        [("too-large", "6:18: too deeply nested (a spec is a short text)")],
    ),
    "a null byte in a text": (
        with_("Saved", "Sa\0ved"),
        [("control-character", "2:11: the control character U+0000 is not allowed (remove it)")],
    ),
    "colours of a terminal in two texts": (
        with_("Saved", "\x1b[1mSaved\x1b[0m").replace("Weekly", "\x1b[1mWeekly"),
        [
            ("control-character", "2:9: the control character U+001B is not allowed (remove it)"),
            ("control-character", "9:11: the control character U+001B is not allowed (remove it)"),
        ],
    ),
    "colours of a terminal in a key": (
        MINIMAL + '"\\e[31m\\n": 1\n',
        [("unknown-key", f"11:1: '\\x1b[31m\\n': unknown key (known: {TOP})")],
    ),
    # Keys
    "nothing at all": (
        "",
        [
            (
                "missing-key",
                f"1:1: {key}: required: {field.doc} (add it, for example {key.split('.')[-1]}: {field.example})",
            )
            for path, field in fields.required_keys(Spec)
            for key in [".".join(map(str, path))]
        ],
    ),
    "a misspelt key": (
        with_("engineer", "enginer"),
        [owner("1:1"), ("unknown-key", "3:3: feature.enginer: unknown key (did you mean engineer?)")],
    ),
    "a key of another group": (
        MINIMAL + "delivery:\n  steps: [100%]\n  replicas: 3\n",
        [("unknown-key", "13:3: delivery.replicas: unknown key (known: steps, pause)")],
    ),
    "a key in capitals": (
        MINIMAL + "Delivery: {}\n",
        [("unknown-key", "11:1: Delivery: unknown key (did you mean delivery?)")],
    ),
    "a comment instead of a value": (with_('"@dana"', "#dana"), [owner()]),
    "a text for a list": (
        MINIMAL + "done: Dashboards\n",
        [("wrong-type", "11:1: done: expected a list, found 'Dashboards' (start each item with '- ', or write none)")],
    ),
    "a list for a text": (
        with_('"24"', "[24]"),
        [("wrong-type", "5:3: sprint.name: expected a name, found a list")],
    ),
    "a text for a group": (
        MINIMAL + "delivery: slow\n",
        [("wrong-type", "11:1: delivery: expected a group of keys, found 'slow' (keys: steps, pause)")],
    ),
    "a service by its name alone": (
        MINIMAL + "services: [api]\n",
        [
            (
                "wrong-type",
                (f"11:12: services[0]: expected a group of keys, found 'api' (keys: {', '.join(Service.fields)})"),
            )
        ],
    ),
    "units that do not exist": (
        MINIMAL + "delivery: {pause: 10 apples}\ncost: {budget: 1000}\n",
        [
            (
                "invalid-value",
                "11:12: delivery.pause: expected a duration such as 500ms, 5m or 30d, found '10 apples'",
            ),
            (
                "invalid-value",
                "12:8: cost.budget: expected an amount with its currency, such as 1000 USD, found '1000'",
            ),
        ],
    ),
    "a day that does not exist": (
        with_('"24"', '"24"\n  starts: 2026-02-30'),
        [("invalid-value", "6:3: sprint.starts: expected a date such as 2026-12-01, that exists, found '2026-02-30'")],
    ),
    "ports out of range": (
        MINIMAL + "services:\n  - {name: a, port: 0}\n  - {name: b, port: 65536}\n  - {name: c, port: -1}\n",
        [
            (
                "invalid-value",
                f"{place}: services[{index}].port: expected a whole number from 1 to 65535, found '{port}'",
            )
            for index, (place, port) in enumerate([("12:15", "0"), ("13:15", "65536"), ("14:15", "-1")])
        ],
    ),
    "a number with its decimals": (
        SERVICE.replace("services", MINIMAL + "services") + "staging: {replicas: 2.5}\n",
        [
            (
                "invalid-value",
                "13:15: services[0].staging.replicas: expected a whole number from 1 to 10000, found '2.5'",
            )
        ],
    ),
    "a word of another list": (
        MINIMAL + "services: [{name: a, kind: wep}]\n",
        [
            (
                "invalid-value",
                "11:22: services[0].kind: expected one of api, web, worker, found 'wep' (did you mean web?)",
            )
        ],
    ),
    "a text without end": (
        with_('"24"', "4" * 300),
        [
            (
                "invalid-value",
                f"5:3: sprint.name: expected a name of at most 200 characters, found '{'4' * 57}...'",
            )
        ],
    ),
    "a blank text": (
        with_('"24"', '" "'),
        [("invalid-value", "5:3: sprint.name: expected a name, not blank, found ' '")],
    ),
    "a setting that no shell could name": (
        MINIMAL + "services: [{name: a, config: {log-level: info}}]\n",
        [
            (
                "invalid-key",
                "11:31: services[0].config.log-level: expected a setting's name such as LOG_LEVEL, found 'log-level'",
            )
        ],
    ),
    "a field of a template pack that is not taken": (
        MINIMAL + "pack_fields: {acme: {retention: 30d}}\n",
        [
            (
                "unknown-name",
                f"11:15: pack_fields.acme: {NO_PACK} (name the pack's folder in pack, or leave this out)",
            )
        ],
    ),
    "a list with nothing in it": (
        MINIMAL + "delivery: {steps: []}\n",
        [("too-few", "11:12: delivery.steps: expected at least one item (add one)")],
    ),
    "a list without end": (
        MINIMAL + f"done: [{'Tell everybody, ' * 1001}]\n",
        [("too-many", "11:1: done: expected at most 1000 items, found 1001 (leave some out)")],
    ),
    "a value that a policy forbids": (
        MINIMAL + "platform: {secrets: manual}\npolicy:\n"
        "  - {key: platform.secrets, must_be: external-secrets, because: x}\n",
        [
            (
                "policy",
                "11:12: platform.secrets: must be external-secrets, found manual (x; the policy is at spec.yaml:13)",
            )
        ],
    ),
    "a criterion with a deadline that is none": (
        MINIMAL.replace(
            "experiment:\n", "experiment:\n  decisions: [{what: Few adopt it}, {what: Else, after: soon}]\n"
        ),
        [
            (
                "missing-key",
                (
                    "7:15: experiment.decisions[0].after: required: How long after the sprint's first day it is "
                    "decided (add it, for example after: 14d)"
                ),
            ),
            (
                "invalid-value",
                "7:50: experiment.decisions[1].after: expected a duration such as 500ms, 5m or 30d, found 'soon'",
            ),
        ],
    ),
    "what is not built yet": (
        MINIMAL + "platform: {cloud: gcp}\n",
        [
            ("not-built", "11:12: platform.cloud: gcp is not built yet (built so far: aws, none)"),
        ],
    ),
    # Names
    "services whose folders collide on some disks": (
        MINIMAL + "services: [{name: api}, {name: Api}]\n",
        [
            ("duplicate-name", "11:26: services[1].name: 'Api' is there twice (item 1 of this list is the other)"),
            ("invalid-value", f"11:26: services[1].name: {NAME_EXPECTED}, found 'Api'"),
        ],
    ),
    "tasks whose pages collide on some disks": (
        MINIMAL + "operations:\n"
        "  - {task: Warm up, frequency: daily, level: manual}\n"
        "  - {task: WARM UP, frequency: daily, level: manual}\n",
        [("duplicate-name", "13:6: operations[1].task: 'WARM UP' is there twice (item 1 of this list is the other)")],
    ),
    "names of devices": (
        MINIMAL + "services: [{name: con}]\ndatabases: [{name: lpt1}]\nqueues: [{name: nul}]\n",
        [
            (
                "reserved-name",
                f"{place}: {name} is a name that Windows keeps for a device: no file can have it (add a word to it)",
            )
            for place, name in [
                ("11:13: services[0].name", "con"),
                ("12:14: databases[0].name", "lpt1"),
                ("13:11: queues[0].name", "nul"),
            ]
        ],
    ),
    "a slug that is a device": (
        with_("Saved Reports", "Aux"),
        [
            (
                "reserved-name",
                (
                    "1:1: feature.slug: no default can be made from the other keys: "
                    "aux is a name that Windows keeps for a device: no file can have it (write it)"
                ),
            )
        ],
    ),
    "a name that leaves the folder": (
        MINIMAL + "services: [{name: ../../etc}]\n",
        [("invalid-value", f"11:13: services[0].name: {NAME_EXPECTED}, found '../../etc'")],
    ),
    # Contradictions
    "a need that is not there": (
        MINIMAL + "services: [{name: a, needs: [saved-report-db]}]\n",
        [
            (
                "unknown-name",
                (
                    "11:30: services[0].needs[0]: saved-report-db is no database, cache, queue or external service of "
                    "this spec (did you mean saved-reports-db?)"
                ),
            )
        ],
    ),
    "a migration that takes longer than a pipeline": (
        MINIMAL + "services: [{name: shop, migrate: [up], migrate_within: 8h}]\n",
        [
            (
                "out-of-range",
                (
                    "11:40: services[0].migrate_within: 8h is no whole number of minutes of at most six hours, as long "
                    "as a pipeline's job may take (30m is usual)"
                ),
            )
        ],
    ),
    "an alert for nobody": (
        MINIMAL + "services: [{name: shop}]\nalerts: [{metric: error_ratio, service: shpo, above: 5%}]\n",
        [("unknown-name", "12:32: alerts[0].service: shpo is no service of this spec (did you mean shop?)")],
    ),
    "arms that nobody can tell apart, or compare": (
        MINIMAL.replace(
            "experiment:\n",
            "experiment:\n  monitoring: {label: job, services: [shop], worse_by: 0%, requests_per_failure: 0.5}\n",
        )
        + "services: [{name: shop, kind: worker}]\n",
        [
            (
                "contradiction",
                "7:3: experiment.monitoring: no service has requests that are measured (leave it out)",
            ),
            (
                "contradiction",
                (
                    "7:16: experiment.monitoring.label: job says something else of each series (have the services use "
                    "another label, such as arm)"
                ),
            ),
            (
                "contradiction",
                (
                    "7:39: experiment.monitoring.services[0]: shop is no api or web whose requests are measured: its "
                    "arms cannot be told apart (leave it out)"
                ),
            ),
            (
                "out-of-range",
                (
                    "7:46: experiment.monitoring.worse_by: a difference of nothing is found in every long experiment, "
                    "and one of all never (0.5% is usual)"
                ),
            ),
            (
                "out-of-range",
                "7:60: experiment.monitoring.requests_per_failure: a failure is one request at least (write 1 or more)",
            ),
        ],
    ),
    "steps in the wrong order": (
        MINIMAL + "delivery: {steps: [50%, 10%, 100%]}\n",
        [("out-of-order", "11:25: delivery.steps[1]: 10% is no more than the step before it (sort them)")],
    ),
    "a scrape too rare": (
        MINIMAL + "monitoring: {scrape_interval: 10m}\n",
        [
            (
                "out-of-range",
                (
                    "11:14: monitoring.scrape_interval: must be whole seconds from 1s to 75s: every rule looks at 5m, "
                    "and needs four samples in it (15s is usual)"
                ),
            )
        ],
    ),
    "a latency in percent": (
        MINIMAL + "alerts: [{metric: latency_p95, above: 2%}]\n",
        [
            (
                "wrong-unit",
                (
                    "11:32: alerts[0].above: latency_p95 is measured as a duration such as 500ms, not as 2% "
                    "(write a duration such as 500ms)"
                ),
            )
        ],
    ),
    "a budget in a currency that the cloud does not count in": (
        MINIMAL + "cost: {budget: 1000 EUR}\n",
        [
            (
                "wrong-unit",
                "11:8: cost.budget: AWS counts a budget in USD or CNY, not in EUR (write what it is in one of these)",
            )
        ],
    ),
    "a histogram without the threshold": (
        MINIMAL + "services: [{name: a, latency_buckets: [100ms, 200ms, 1s]}]\n",
        [
            (
                "missing-bound",
                (
                    "11:22: services[0].latency_buckets: no bound at 500ms, which a latency threshold uses: the alert "
                    "would be a guess (add 500ms)"
                ),
            )
        ],
    ),
    "a query that is none": (
        MINIMAL + "alerts: [{metric: own, above: 5, query: sum(up}]\n",
        [
            (
                "promql",
                "11:34: alerts[0].query: no query that a rule can record: unclosed left parenthesis (correct it)",
            )
        ],
    ),
    "instance classes that do not exist": (
        MINIMAL + "databases: [{name: d, production: {class: db.r5.3xlarge}}]\n"
        "caches: [{name: c, staging: {class: t3.micro}}]\n",
        [
            (
                "unknown-class",
                (
                    "11:36: databases[0].production.class: AWS has no db.r5.3xlarge: db.r5 has large, xlarge, 2xlarge, "
                    "4xlarge, 8xlarge, 12xlarge, 16xlarge, 24xlarge (did you mean db.r5.xlarge?)"
                ),
            ),
            (
                "unknown-class",
                "12:30: caches[0].staging.class: t3.micro is no class of AWS (did you mean cache.t3.micro?)",
            ),
        ],
    ),
    "an image that moves": (
        MINIMAL + "services: [{name: a, image: shop:latest}]\n",
        [
            (
                "no-version",
                (
                    "11:22: services[0].image: shop:latest names no version, so nobody could say what runs or roll "
                    "back to it (add a tag or a digest)"
                ),
            )
        ],
    ),
    "a build that nothing says enough of": (
        MINIMAL + "services: [{name: a, build: {context: ../a, test: ['make;']}}]\n",
        [
            (
                "missing-key",
                (
                    "11:22: services[0].build: an image is built, and nothing says where it is pushed to "
                    "(write services[0].image)"
                ),
            ),
            (
                "invalid-value",
                (
                    "11:30: services[0].build.context: expected a path inside the repository such as services/api, "
                    "or '.', found '../a'"
                ),
            ),
            (
                "invalid-value",
                (
                    "11:52: services[0].build.test[0]: expected a word of letters, digits and any of "
                    ". / _ : = @ % + , -, found 'make;'"
                ),
            ),
        ],
    ),
    "a worker with a host": (
        MINIMAL + "services: [{name: a, kind: worker, host: a.example.com}]\n",
        [("contradiction", "11:36: services[0].host: a worker serves no requests (remove it, or make it an api)")],
    ),
    "a pause in which no criterion can hold": (
        MINIMAL + "platform: {rollout: argo-rollouts}\ndelivery: {pause: 4m}\n",
        [
            (
                "contradiction",
                (
                    "12:12: delivery.pause: a rollback criterion has to hold for 5m, and Argo Rollouts goes on before "
                    "that (write 5m or more)"
                ),
            )
        ],
    ),
    # All at once
    "a fault of each sort": (
        with_("engineer", "enginer").replace('"24"', "!x 24")
        + "delivery: {pause: soon, steps: [50%]}\ncontacts: {webhook: https://a.example.com}\n"
        + "services:\n  - {name: a, port: 0, image: shop}\n",
        [
            owner("1:1"),
            ("unknown-key", "3:3: feature.enginer: unknown key (did you mean engineer?)"),
            ("tag", "5:9: sprint.name: the tag !x is not allowed (remove it)"),
            ("invalid-value", "11:12: delivery.pause: expected a duration such as 500ms, 5m or 30d, found 'soon'"),
            ("out-of-range", "11:33: delivery.steps[0]: the last step is 50% (end with 100%)"),
            (
                "contradiction",
                (
                    "12:12: contacts.webhook: the pager is to be decided, so nothing would call this address "
                    "(write pager: webhook, or remove the address)"
                ),
            ),
            ("invalid-value", "14:15: services[0].port: expected a whole number from 1 to 65535, found '0'"),
            (
                "no-version",
                (
                    "14:24: services[0].image: shop names no version, so nobody could say what runs or roll back to it "
                    "(add a tag or a digest)"
                ),
            ),
        ],
    ),
}


@pytest.mark.parametrize(("text", "errors"), TEXTS.values(), ids=TEXTS)
def test_a_bad_text_is_told_at_its_place_with_its_mend(here: Path, text: str, errors: Errors) -> None:
    Path("spec.yaml").write_bytes(text.encode())
    refuses(here, ["generate", "spec.yaml", "-o", "out"], [(code, f"spec.yaml:{line}") for code, line in errors])


@pytest.mark.parametrize("text", [text for text, _ in TEXTS.values()], ids=TEXTS)
def test_both_parsers_of_yaml_are_told_of_in_the_same_words(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for loader in (yaml.CSafeLoader, yaml.SafeLoader):
        monkeypatch.setattr(specfile, "_LOADER", loader)
        with pytest.raises(UserError) as caught:
            load_text(text)
        told.append(caught.value.problems)
    assert told[0] == told[1]


# Files, folders and options: whole commands


class Case(NamedTuple):
    """A command in a prepared folder, with the code and the line of each error."""

    prepare: Callable[[], object]
    arguments: list[str]
    errors: Errors
    code: int = 2


GENERATE = ["generate", "spec.yaml", "-o", "out"]
NEW = ["new", "feature", "spec.yaml"]
NO_FILE = "no such file (name the file of a spec)"
PACK = "name: acme\nversion: 1.0.0\n"
SHOWN = (
    "HERE/acme: is a template pack that you have not trusted yet: acme 1.0.0; sha256:DIGEST; adds a.md.j2; overrides "
    "tasks.md.j2 (read its templates, then run it again with --trust)"
)
NO_LINKS = "is a link, and links are not followed"
LOCK = "out/.devops-tasks/lock.json"
JOURNAL = "out/.devops-tasks/journal"
RESTORE = "restore it from version control, or remove it and generate with --force"


def content(data: bytes) -> Callable[[], object]:
    return lambda: Path("spec.yaml").write_bytes(data)


def spec(text: str = MINIMAL) -> None:
    Path("spec.yaml").write_text(text)


def after(*steps: Callable[[], object]) -> Callable[[], object]:
    """Do some steps where a spec is."""

    def prepare() -> None:
        spec()
        for step in steps:
            step()

    return prepare


def folder(name: str) -> Callable[[], object]:
    return lambda: Path(name).mkdir(parents=True)


def file(name: str, text: str = "mine") -> Callable[[], object]:
    def write() -> None:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)

    return write


def edit(name: str, old: str, new: str) -> Callable[[], object]:
    """Change a file as somebody might by hand."""

    def write() -> None:
        text = Path(name).read_text("utf-8")
        assert old in text
        Path(name).write_text(text.replace(old, new), "utf-8")

    return write


def link(name: str, target: str) -> Callable[[], object]:
    return lambda: Path(name).symlink_to(target)


def pipe(name: str) -> Callable[[], object]:
    return lambda: os.mkfifo(name)


def bundle() -> None:
    assert devops_tasks("generate", "spec.yaml", "-o", "out").code == 0


def lock(**changed: object) -> Callable[[], object]:
    """Write a lock as somebody might who edits it by hand."""

    def write() -> None:
        whole = {"format": 1, "version": "0", "today": "", "spec": {}, "files": {}, **changed}
        file(LOCK, json.dumps(whole))()

    return write


def large() -> None:
    with Path("spec.yaml").open("wb") as whole:
        whole.truncate(50_000_000)


def two_specs() -> None:
    for name in ("one", "two"):
        Path(f"{name}.yaml").write_text(MINIMAL)


def unreadable(line: str) -> Errors:
    return [("unreadable", line)]


CIRCLE = "spec.yaml -> a.yaml -> b.yaml -> a.yaml"

READOUT = ["readout", "out", "--control", "4000/400", "--treatment", "4000/470"]


def planned() -> None:
    """Make a bundle whose experiment has all its numbers."""
    assert devops_tasks("generate", str(ROOT / "examples/saved-reports.yaml"), "-o", "out").code == 0


def unplanned() -> None:
    """Make a bundle whose experiment has none of its numbers."""
    assert devops_tasks("generate", str(ROOT / "examples/minimal.yaml"), "-o", "out").code == 0


FILES: dict[str, Case] = {
    # The spec's file
    "no file": Case(lambda: None, GENERATE, unreadable(f"spec.yaml: {NO_FILE}")),
    "a folder": Case(folder("spec.yaml"), GENERATE, unreadable("spec.yaml: is a folder, not a file (name a file)")),
    "a folder with a spec in it": Case(
        file("spec.yaml/spec.yaml", MINIMAL), GENERATE, unreadable("spec.yaml: is a folder, not a file (name a file)")
    ),
    "a file as a folder": Case(
        spec,
        ["generate", "spec.yaml/x", "-o", "out"],
        unreadable("spec.yaml/x: not a directory (see that you may read it)"),
    ),
    "a link that leads nowhere": Case(link("spec.yaml", "nowhere"), GENERATE, unreadable(f"spec.yaml: {NO_FILE}")),
    "a link that leads to itself": Case(
        link("spec.yaml", "spec.yaml"),
        GENERATE,
        unreadable("spec.yaml: too many levels of symbolic links (see that you may read it)"),
    ),
    "a name too long": Case(
        lambda: None,
        ["generate", "x" * 300, "-o", "out"],
        unreadable(f"{'x' * 300}: file name too long (see that you may read it)"),
    ),
    "standard input by its short name": Case(
        lambda: None,
        ["generate", "-", "-o", "out"],
        unreadable("-: no such file (a spec is read from a file; write it there first)"),
    ),
    "a pipe that nobody writes into": Case(
        pipe("spec.yaml"), GENERATE, unreadable("spec.yaml: is a pipe or a device, not a file (name a file)")
    ),
    "a device without end": Case(
        lambda: None,
        ["generate", "/dev/zero", "-o", "out"],
        unreadable("/dev/zero: is a pipe or a device, not a file (name a file)"),
    ),
    "defaults that extend each other": Case(
        after(file("a.yaml", "extends: b.yaml\n"), file("b.yaml", "extends: a.yaml\n")),
        [*GENERATE, "--set", "extends=a.yaml"],
        [
            (
                "extends",
                f"b.yaml:1:1: extends: the defaults go round in a circle: {CIRCLE} (take one of the extends out)",
            )
        ],
    ),
    "50 MB": Case(large, GENERATE, [("too-large", "spec.yaml: larger than 1000000 bytes (name another file)")]),
    "UTF-16": Case(
        content(MINIMAL.encode("utf-16")),
        GENERATE,
        [("not-utf8", "spec.yaml:1:1: a text in UTF-16, not in UTF-8 (save it as UTF-8)")],
    ),
    "UTF-16 without its mark": Case(
        content(MINIMAL.encode("utf-16-be")),
        GENERATE,
        [("not-utf8", "spec.yaml:1:1: a text in UTF-16, not in UTF-8 (save it as UTF-8)")],
    ),
    "an old encoding": Case(
        content(with_("Saved Reports", "é and ü").encode().replace("ü".encode(), b"\xfc")),
        GENERATE,
        [("not-utf8", "spec.yaml:2:15: the byte 0xFC is no UTF-8 (save it as UTF-8)")],
    ),
    "an image": Case(
        content(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        GENERATE,
        [("binary", "spec.yaml:1:1: no text but binary data: the byte 0x89 (name the file of a spec)")],
    ),
    "an archive": Case(
        content(b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        GENERATE,
        [("binary", "spec.yaml:1:2: no text but binary data: the byte 0x8B (name the file of a spec)")],
    ),
    # The output folder
    "an output folder that is a file": Case(
        after(file("out")), GENERATE, [("output", "out: is a file, not a folder (name a folder)")]
    ),
    "an output folder below a file": Case(
        after(file("out")),
        ["generate", "spec.yaml", "-o", "out/a/b"],
        [("output", "out: is a file, not a folder (name a folder)")],
    ),
    "an output folder that is a link": Case(
        after(folder("elsewhere"), link("out", "elsewhere")),
        GENERATE,
        [("output", f"out: {NO_LINKS} (name the folder itself)")],
    ),
    "an output folder that is a link to nowhere": Case(
        after(link("out", "nowhere")), GENERATE, [("output", f"out: {NO_LINKS} (name the folder itself)")]
    ),
    "an output folder among the templates": Case(
        spec,
        ["generate", "spec.yaml", "-o", f"{ROOT}/templates/new"],
        [("output", f"{ROOT}/templates/new: is a folder of this tool itself (name another folder)")],
    ),
    "an output folder in the package, by a detour": Case(
        after(link("here", f"{ROOT}/tests")),
        ["generate", "spec.yaml", "-o", "here/../devops_tasks"],
        [("output", "here/../devops_tasks: is a folder of this tool itself (name another folder)")],
    ),
    "an output folder without a name": Case(
        spec,
        ["generate", "spec.yaml", "-o", "x" * 300],
        unreadable(f"{'x' * 300}: file name too long (name another folder)"),
    ),
    "a file where a folder goes, and a folder where a file goes": Case(
        after(file("out/kubernetes"), folder("out/tasks.md")),
        GENERATE,
        [
            ("in-the-way", "out/kubernetes: is a file, where the bundle has a folder (move it aside)"),
            ("in-the-way", "out/tasks.md: is a folder, where the bundle has a file (move it aside)"),
        ],
    ),
    "links in the output folder": Case(
        after(folder("out"), link("out/tasks.md", "../mine"), link("out/monitoring", "..")),
        GENERATE,
        [
            ("link", f"out/monitoring: {NO_LINKS} (remove it)"),
            ("link", f"out/tasks.md: {NO_LINKS} (remove it)"),
        ],
    ),
    "a pipe in the output folder": Case(
        after(folder("out"), pipe("out/tasks.md")),
        GENERATE,
        unreadable("out/tasks.md: is a pipe or a device, not a file (name a file)"),
    ),
    "a file of one's own where the bundle has one": Case(
        after(file("out/tasks.md")),
        GENERATE,
        [
            (
                "conflict",
                (
                    "out/tasks.md: is there already, and nothing is known of what was generated "
                    "(move it aside; or take --conflict=ours to keep it, --conflict=theirs to have it written over)"
                ),
            )
        ],
        code=1,
    ),
    "a place that somebody and the spec changed": Case(
        after(bundle, edit("out/tasks.md", "**Sprint:** 24", "**Sprint:** 24b")),
        [*GENERATE, "--set", "sprint.name=25"],
        [
            (
                "conflict",
                (
                    "out/tasks.md:6:1: DevOps Tasks: Saved Reports: "
                    'you have "**Sprint:** 24b (dates *to be decided*)", '
                    'and the spec now makes it "**Sprint:** 25 (dates *to be decided*)" '
                    "(change it to what is right; or take --conflict=markers, ours (yours) or theirs (the spec's))"
                ),
            )
        ],
        code=1,
    ),
    "a run that was killed": Case(
        after(bundle, file("out/.devops-tasks/journal", "[]")),
        [*GENERATE, "--check"],
        [("unfinished", "out: a run was stopped half-way here (finish it with devops-tasks generate)")],
        code=1,
    ),
    "a damaged journal": Case(
        after(bundle, file(JOURNAL, "{")),
        GENERATE,
        [("lock", f"{JOURNAL}: damaged (remove it, look at what is there, and generate again)")],
    ),
    "a bundle of a newer version": Case(
        after(bundle, lock(version="99.0.0")),
        GENERATE,
        [("newer", f"out: was made by version 99.0.0, and this is {__version__} (use that version, or a newer one)")],
    ),
    "a read-only file": Case(
        after(bundle, lambda: Path("out/tasks.md").chmod(0o444)),
        [*GENERATE, "--set", "sprint.name=25"],
        [("unwritable", "out/tasks.md: is read-only, and would be changed (make it writable, or move it aside)")],
    ),
    "a damaged lock": Case(after(file(LOCK, "{")), GENERATE, [("lock", f"{LOCK}: damaged ({RESTORE})")]),
    "a lock whose date is none": Case(after(lock(today="soon")), GENERATE, [("lock", f"{LOCK}: damaged ({RESTORE})")]),
    "a lock that names a file outside": Case(
        after(lock(files={"../spec.yaml": "0" * 64})),
        GENERATE,
        [("lock", f"{LOCK}: damaged ({RESTORE})")],
    ),
    # Options
    "a date that is none": Case(
        spec,
        [*GENERATE, "--today", "soon"],
        [("usage", "--today: expected a date such as 2026-12-01, found 'soon'")],
    ),
    "faults of --set": Case(
        spec,
        [*GENERATE, "--set", "sprint", "--set", "services[3].port=80", "--set", "feature.nam=x"],
        [
            ("set", "--set sprint: expected key=value (such as sprint.name=25)"),
            ("set", "--set services[3].port: no such place in the spec (lists count from 0: services[0].port)"),
        ],
    ),
    "a misspelt key in --set": Case(
        spec,
        [*GENERATE, "--set", "feature.nmae=x"],
        [("unknown-key", "--set feature.nmae: feature.nmae: unknown key (did you mean name?)")],
    ),
    "a group in --set that the file does not have": Case(
        spec,
        [*GENERATE, "--set", "sprint .name=25", "--set", "nobody.knows.this=1"],
        [
            ("unknown-key", f"--set nobody.knows.this: nobody: unknown key (known: {TOP})"),
            ("unknown-key", "--set sprint .name: 'sprint ': unknown key (did you mean sprint?)"),
        ],
    ),
    "a key without end in --set": Case(
        spec,
        [*GENERATE, "--set", f"{'a.' * 5000}a=1"],
        [("too-large", f"--set {'a.' * 5000}a: too deeply nested (a spec is a short text)")],
    ),
    "several specs without a folder": Case(
        two_specs,
        ["generate", "one.yaml", "two.yaml"],
        [("usage", "generate: several specs need an output folder (name it with -o)")] * 2,
    ),
    # The other commands
    "new in a folder that is not empty": Case(
        after(file("feature/mine")), NEW, [("exists", "feature: is not empty (name a new folder)")]
    ),
    "new in a file": Case(
        after(file("feature")), NEW, [("output", "feature: is a file, not a folder (name a folder)")]
    ),
    "new in a link": Case(
        after(folder("elsewhere"), link("feature", "elsewhere")),
        NEW,
        [("output", f"feature: {NO_LINKS} (name the folder itself)")],
    ),
    "new without a spec": Case(lambda: None, NEW, unreadable(f"spec.yaml: {NO_FILE}")),
    "new from a spec with faults": Case(
        lambda: spec(with_("engineer", "enginer")),
        NEW,
        [
            ("missing-key", f"spec.yaml:{owner('1:1')[1]}"),
            ("unknown-key", "spec.yaml:3:3: feature.enginer: unknown key (did you mean engineer?)"),
        ],
    ),
    "new with documents elsewhere": Case(
        lambda: spec(MINIMAL + "documents: {design: ../../design.md}\n"),
        NEW,
        [
            (
                "document",
                (
                    "spec.yaml:11:13: documents.design: a new feature has this document at ../design.md "
                    "(leave the key out: the document is written by this command)"
                ),
            )
        ],
    ),
    "check of a folder without a bundle": Case(
        folder("out"),
        ["check", "out"],
        [
            (
                "no-bundle",
                "out: holds no bundle (name the folder of a bundle, or make one with devops-tasks generate)",
            )
        ],
    ),
    "check in a form that is none": Case(
        lambda: None,
        ["check", "out", "--format", "sarif"],
        [("usage", "--format: there is no 'sarif' (write text, json or github)")],
    ),
    "check of a file": Case(
        spec, ["check", "spec.yaml"], [("output", "spec.yaml: is a file, not a folder (name a folder)")]
    ),
    "check of a newer lock": Case(
        lock(format=2),
        ["check", "out"],
        [
            (
                "lock",
                f"{LOCK}: written in format 2; this version reads 1 (use the version that wrote it, or a newer one)",
            )
        ],
    ),
    # Documents
    "no document to read progress from": Case(
        folder("out"),
        ["status", "out"],
        [("no-tasks", "out: holds no tasks.md (name the folder of a bundle, or a document)")],
    ),
    "a document that is not there": Case(
        lambda: None, ["status", "out"], unreadable("out: no such file (name another file)")
    ),
    "a document without a box": Case(
        file("out/tasks.md", "# Tasks\n"),
        ["status", "out"],
        [("no-tasks", "out/tasks.md: has no task and no checklist (name the folder of a bundle, or a document)")],
    ),
    "a document of 50 MB": Case(
        after(large),
        ["status", "spec.yaml"],
        [("too-large", "spec.yaml: larger than 2000000 bytes (name another file)")],
    ),
    "a document of zeros": Case(
        file("out/tasks.md", "\0" * 9),
        ["status", "out"],
        [("binary", "out/tasks.md: no text but binary data (name the folder of a bundle, or a document)")],
    ),
    "a document that is a folder": Case(
        folder("out/tasks.md"), ["status", "out"], unreadable("out/tasks.md: is a folder, not a file (name a file)")
    ),
    "a folder that is no template pack": Case(
        after(folder("acme")),
        ["generate", "spec.yaml", "--pack", "acme"],
        [("pack", "acme: holds no pack.yaml (name the folder of a template pack; it has a pack.yaml)")],
    ),
    "a pack with a link": Case(
        after(file("acme/pack.yaml", PACK), folder("acme/templates"), link("acme/templates/a.md.j2", "/etc/passwd")),
        ["generate", "spec.yaml", "--pack", "acme"],
        [("pack", f"acme/templates/a.md.j2: {NO_LINKS} (put the file itself there)")],
    ),
    "a pack that nobody trusts": Case(
        after(file("acme/pack.yaml", PACK), file("acme/templates/a.md.j2"), file("acme/templates/tasks.md.j2")),
        ["generate", "spec.yaml", "--pack", "acme"],
        [("untrusted", SHOWN)],
    ),
    "a template of a pack that asks for what there is not": Case(
        after(file("acme/pack.yaml", PACK), file("acme/templates/a.md.j2", "a\n{{ feature.nme | md }}\n")),
        ["generate", "spec.yaml", "--pack", "acme", "--trust"],
        [
            (
                "pack-template",
                (
                    "HERE/acme/templates/a.md.j2:2:1: cannot be rendered: there is no 'nme' "
                    "(mend the template; devops-tasks templates check finds more)"
                ),
            )
        ],
    ),
    "a pack that is too large": Case(
        after(file("acme/pack.yaml", PACK), file("acme/templates/a.md.j2", "x" * 1_000_001)),
        ["generate", "spec.yaml", "--pack", "acme"],
        [("pack-limit", "acme/templates/a.md.j2: larger than 1000000 bytes (make it smaller)")],
    ),
    "a day that is none": Case(
        lambda: None,
        ["status", "--today", "2026-02-30"],
        [("usage", "--today: expected a date such as 2026-12-01, that exists, found '2026-02-30'")],
    ),
    "a result before its planned date": Case(
        planned,
        [*READOUT, "--today", "2026-12-07"],
        [
            (
                "too-early",
                (
                    "the planned date: is 2026-12-08, and this is 2026-12-07: who looks earlier finds effects that are "
                    "none (come back then, or look with --sequential; "
                    "what rolls a release back is watched all the time)"
                ),
            )
        ],
    ),
    "a look at any time without a planned size": Case(
        unplanned,
        [*READOUT, "--sequential"],
        [
            (
                "usage",
                (
                    "--sequential: takes the planned size, about which its interval is narrowest, and none is planned "
                    "(give the primary metric its kind and baseline, and generate)"
                ),
            )
        ],
    ),
    "a tracker that is none": Case(
        lambda: None,
        ["export", "--to", "trello"],
        [
            (
                "usage",
                "--to: there is no 'trello' (write github, github-script, jira, linear, gitlab, csv, json)",
            )
        ],
    ),
    "a document without a task to export": Case(
        file("out/tasks.md", "## Definition of Done\n\n- [ ] x\n"),
        ["export", "out", "--to", "csv"],
        [("no-tasks", "out/tasks.md: has no task (name another document)")],
    ),
    "a cookiecutter template with a link": Case(
        after(file("t/{{cookiecutter.slug}}/a"), lambda: Path("t/cookiecutter.json").symlink_to("/etc/passwd")),
        [*NEW, "--cookiecutter", "t"],
        [("cookiecutter", "t/cookiecutter.json: is a link, and links are not followed (put the file itself there)")],
    ),
    "init where a spec is": Case(
        spec, ["init", "spec.yaml"], [("exists", "spec.yaml: is there already (name another file, or edit this one)")]
    ),
    "init in a link": Case(
        after(folder("elsewhere"), link("out", "elsewhere")),
        ["init", "out/spec.yaml", "--no-input"],
        [("output", f"out: {NO_LINKS} (name the folder itself)")],
    ),
    "init among the templates": Case(
        lambda: None,
        ["init", f"{ROOT}/templates/spec.yaml", "--no-input"],
        [("output", f"{ROOT}/templates: is a folder of this tool itself (name another folder)")],
    ),
    "init where nobody answers": Case(
        lambda: None,
        ["init", "spec.yaml", "--no-input"],
        [
            (
                "no-terminal",
                (
                    "init: was told not to ask "
                    "(write these keys into spec.yaml, then run: devops-tasks generate spec.yaml)"
                ),
            ),
            *(
                (
                    "missing-key",
                    (
                        f"spec.yaml: {'.'.join(map(str, path))}: required: {field.doc} "
                        f"(for example {path[-1]}: {field.example})"
                    ),
                )
                for path, field in fields.required_keys(Spec)
            ),
        ],
    ),
}


@pytest.mark.parametrize("case", FILES.values(), ids=FILES)
def test_a_bad_file_folder_or_option_is_told_by_its_name(here: Path, case: Case) -> None:
    case.prepare()
    refuses(here, case.arguments, case.errors, code=case.code)


# What only another process can show


def program(*arguments: str, limit: int | None = None, stdin: int = subprocess.DEVNULL) -> Done:
    """Run the real program, as somebody whom permissions bind; `limit` is the size that its files may have."""

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        powerless([sys.executable, "-m", "devops_tasks", *arguments]),
        capture_output=True,
        text=True,
        check=False,
        stdin=stdin,
        preexec_fn=limited,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return Done(done.returncode, done.stdout, done.stderr)


FORBIDDEN: dict[str, tuple[Callable[[], object], list[str], str]] = {
    "a spec that may not be read": (
        after(lambda: Path("spec.yaml").chmod(0)),
        GENERATE,
        "spec.yaml: permission denied (see that you may read it)",
    ),
    "a spec in a folder that may not be entered": (
        after(file("closed/spec.yaml", MINIMAL), lambda: Path("closed").chmod(0)),
        ["generate", "closed/spec.yaml", "-o", "out"],
        "closed/spec.yaml: permission denied (see that you may read it)",
    ),
    "an output folder that may not be written": (
        after(folder("out"), lambda: Path("out").chmod(0o555)),
        GENERATE,
        "out/.devops-tasks: cannot be written: permission denied (name another folder)",
    ),
    "an output folder that may not be made": (
        after(folder("closed"), lambda: Path("closed").chmod(0o555)),
        ["generate", "spec.yaml", "-o", "closed/a/b"],
        "closed/a: cannot be written: permission denied (name another folder)",
    ),
    "an output folder that may not be entered": (
        after(folder("closed"), lambda: Path("closed").chmod(0)),
        ["generate", "spec.yaml", "-o", "closed/a/b"],
        "closed/a/b: permission denied (name another folder)",
    ),
    "one folder in it that may not be written": (
        after(folder("out/scaling"), lambda: Path("out/scaling").chmod(0o555)),
        GENERATE,
        "out/scaling/hpa.yml: cannot be written: permission denied (name another folder)",
    ),
    "a bundle that may not be entered": (
        after(folder("closed"), lambda: Path("closed").chmod(0)),
        ["check", "closed"],
        "closed/.devops-tasks: permission denied (name another folder)",
    ),
    "a folder for a spec that may not be made": (
        after(folder("closed"), lambda: Path("closed").chmod(0o555)),
        ["init", "closed/a/spec.yaml", "--no-input"],
        "closed: cannot be written (name a file elsewhere)",
    ),
    "a feature's folder that may not be made": (
        after(folder("closed"), lambda: Path("closed").chmod(0o555)),
        ["new", "closed/feature", "spec.yaml"],
        "closed/feature: cannot be written: permission denied (name another place)",
    ),
}


@pytest.mark.parametrize(("prepare", "arguments", "line"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_is_forbidden_is_told_and_leaves_nothing(
    here: Path, prepare: Callable[[], object], arguments: list[str], line: str
) -> None:
    prepare()
    before = everything(here)
    assert program(*arguments) == Done(2, "", f"{line}\n")
    assert everything(here) == before


@pytest.mark.parametrize("command", [GENERATE, NEW], ids=["generate", "new"])
@pytest.mark.parametrize("limit", [100, 20_000], ids=["at the first file", "at a later one"])
def test_a_full_disk_leaves_nothing(here: Path, command: list[str], limit: int) -> None:
    spec()
    before = everything(here)
    done = program(*command, limit=limit)
    assert (done.code, done.out) == (2, "")
    assert "cannot be written: file too large (" in done.err
    assert len(done.err.splitlines()) == 1
    assert everything(here) == before


def test_a_spec_is_not_read_from_a_pipe_and_nobody_waits_for_it(here: Path) -> None:
    reading, writing = os.pipe()
    try:
        done = program("generate", "/dev/stdin", "-o", "out", stdin=reading)
    finally:
        os.close(reading)
        os.close(writing)
    assert done == Done(2, "", "/dev/stdin: is a pipe or a device, not a file (name a file)\n")
    assert everything(here) == {}


# Names of files


@pytest.mark.parametrize(
    "text",
    [
        *(path.read_text("utf-8") for path in sorted(ROOT.glob("examples/*.yaml"))),
        MINIMAL
        + "operations:\n"
        + "".join(
            f"  - {{task: {task}, frequency: daily, level: manual}}\n" for task in ("Con", "Aux!", "NUL", "COM 1")
        )
        + "alerts:\n"
        + "".join(f"  - {{metric: {name}, query: up, above: 1}}\n" for name in ("aB", "Ab", "a_b", "con")),
    ],
    ids=["checkout", "minimal", "saved-reports", "tasks and metrics that are devices or alike"],
)
def test_every_file_of_a_bundle_can_be_on_any_disk(text: str) -> None:
    paths = list(render_bundle(load_text(text)))
    assert len({path.casefold() for path in paths}) == len(paths)
    steps = {step for path in paths for step in path.split("/")}
    assert not {step.partition(".")[0].casefold() for step in steps} & DEVICES
    assert [step for step in steps if set(step) & set('<>:"|?*\\ ') or step.endswith(".") or len(step) > 200] == []


# The codes


def codes_in(source: str) -> Iterator[str]:
    """Give every code that a text of the package gives to an error."""
    for node in ast.walk(ast.parse(source)):
        name = node.func if isinstance(node, ast.Call) else None
        called = name.id if isinstance(name, ast.Name) else name.attr if isinstance(name, ast.Attribute) else ""
        if isinstance(node, ast.Call) and called in {"Problem", "Fault", "fault", "_problem"}:
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            code = node.args[3] if len(node.args) > 3 else given.get("code", ast.Constant("invalid-value"))
            yield from (str(each.value) for each in ast.walk(code) if isinstance(each, ast.Constant))


def test_every_code_of_the_program_is_in_the_table_and_every_one_of_the_table_is_in_the_program() -> None:
    rooms = [path for path in (ROOT / "devops_tasks").rglob("*.py") if path.parent.name != "checks"]
    assert {code for path in rooms for code in codes_in(path.read_text("utf-8"))} == set(CODES)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("Problem(where, what, mend, 'a')", "a"),
        ("errors.Fault(path, what, mend, code='a')", "a"),
        ("self.fault(path, what, code='a')", "a"),
        ("self._problem(event, what, mend, 'a', path)", "a"),
        ("Problem(where, what)", "invalid-value"),
    ],
)
def test_a_code_is_found_in_a_source(source: str, code: str) -> None:
    assert list(codes_in(source)) == [code]


def test_every_code_of_the_table_is_shown_by_a_case() -> None:
    cases = [*(errors for _, errors in TEXTS.values()), *(case.errors for case in FILES.values())]
    assert {code for errors in cases for code, _ in errors} == set(CODES)
