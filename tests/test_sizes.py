"""The instance classes: the list is cfn-lint's (`make golden` writes it anew), and what may be new is no error."""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from devops_tasks.sizes import LISTED, find_oddity
from tests.bundles import load_text
from tests.specs import MINIMAL
from tests.tools import ROOT

EXTENSIONS = Path(str(distribution("cfn-lint").locate_file("cfnlint/data/schemas/extensions")))
ENGINES = {"postgres", "aurora-postgresql"}
SMALL = ("micro", "small", "medium", "large", "xlarge")


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EXTENSIONS / name).read_text("utf-8"))
    return content


def classes() -> Iterator[str]:
    """Give the classes of PostgreSQL and of caches in every region, as cfn-lint has them."""
    regions = read("aws_rds_dbinstance/dbinstanceclass_enum.json").values()
    for schema in (*regions, read("aws_rds_dbinstance/db_instance_class.json")):
        for rule in schema["allOf"]:
            if rule["if"]["properties"].get("Engine", {}).get("const") in ENGINES:
                yield from rule["then"]["properties"]["DBInstanceClass"]["enum"]
    for region in read("aws_elasticache_cachecluster/cachenodetype_enum.json").values():
        if isinstance(region, Mapping):
            yield from region["enum"]


def listed() -> str:
    families: defaultdict[str, list[str]] = defaultdict(list)
    for name in set(classes()):
        family, _, size = name.rpartition(".")
        families[family].append(size)
    return "".join(f"{family} {' '.join(sorted(sizes, key=rank))}\n" for family, sizes in sorted(families.items()))


def rank(size: str) -> tuple[int, str]:
    number = re.match(r"\d+", size)
    return (int(number[0]) * 10 if number else SMALL.index(size) if size in SMALL else -1, size)


def test_the_list_is_that_of_cfn_lint(*, update_golden: bool) -> None:
    module = ROOT / "devops_tasks/sizes.py"
    wanted = listed()
    if update_golden:
        module.write_text(module.read_text("utf-8").replace(f'"""\\\n{LISTED}"""', f'"""\\\n{wanted}"""'), "utf-8")
    assert module.read_text("utf-8").count(f'"""\\\n{wanted}"""') == 1, "run `make golden` and review the diff"


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("db", "db.t4g.small"),
        ("db", "db.m8g.48xlarge"),
        ("db", "db.serverless"),
        ("cache", "cache.r7g.16xlarge"),
        ("cache", "cache.t2.micro"),
    ],
)
def test_a_class_that_exists_is_left_alone(prefix: str, name: str) -> None:
    assert find_oddity(prefix, name) is None


@pytest.mark.parametrize(
    ("prefix", "name", "what", "mend"),
    [
        (
            "db",
            "db.r5.xlagre",
            "AWS has no db.r5.xlagre: db.r5 has large, xlarge, 2xlarge, 4xlarge, 8xlarge, 12xlarge, 16xlarge, 24xlarge",
            "did you mean db.r5.xlarge?",
        ),
        (
            "cache",
            "cache.t3.large",
            "AWS has no cache.t3.large: cache.t3 has micro, small, medium",
            "did you mean cache.",
        ),
        ("db", "r5.large", "r5.large is no class of AWS", "did you mean db.r5.large?"),
        ("db", "DB.R5.LARGE", "DB.R5.LARGE is no class of AWS", "the classes begin with db., as in db.r5.large"),
        ("db", "db.r5", "db.r5 is no class of AWS", "did you mean db.r5"),
        ("db", "db.r99g.lagre", "db.r99g.lagre is no class of AWS", "did you mean db."),
        ("db", "cache.r5.large", "cache.r5.large is no class of AWS", "did you mean db.r5.large?"),
        ("cache", "db.r5.large", "db.r5.large is no class of AWS", "did you mean cache.r5.large?"),
    ],
)
def test_a_class_that_does_not_exist_is_told_with_the_nearest_one(prefix: str, name: str, what: str, mend: str) -> None:
    oddity = find_oddity(prefix, name)
    assert oddity is not None
    assert oddity.what == what
    assert mend in oddity.mend
    assert not oddity.new


@pytest.mark.parametrize(("prefix", "name"), [("db", "db.r99g.32xlarge"), ("cache", "cache.t9.micro")])
def test_a_class_of_a_family_that_is_not_listed_may_be_new(prefix: str, name: str) -> None:
    oddity = find_oddity(prefix, name)
    assert oddity is not None
    assert oddity.what == f"{name.rpartition('.')[0]} is no family that is known here"
    assert oddity.new


@pytest.mark.parametrize(
    ("more", "loaded"),
    [
        ("", False),
        ("databases: [{name: d, production: {class: db.m5.large}}]\n", False),
        ("platform: {cloud: none}\ncaches: [{name: c, staging: {class: own}}]\n", False),
        ("databases: [{name: d, hosting: in-cluster, staging: {class: own, memory: 1Gi, cpu: 1}}]\n", False),
        ("databases: [{name: d, staging: {class: db.t4g.small, memory: 2Gi, cpu: 2}}]\n", True),
        ("caches: [{name: c, production: {class: cache.r7g.large}}]\n", True),
    ],
    ids=["none written", "one that defaults know", "another cloud", "in the cluster", "a database's", "a cache's"],
)
def test_the_list_is_loaded_only_where_a_class_is_to_be_found_in_it(
    more: str,
    loaded: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "devops_tasks.sizes")
    load_text(MINIMAL + more)
    assert ("devops_tasks.sizes" in sys.modules) == loaded
