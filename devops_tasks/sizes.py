"""The instance classes that AWS has for PostgreSQL and for caches, so that one that does not exist is told.

Lives here: the list, which is loaded only where a spec writes a class of its own. `make golden` writes it anew from
that of cfn-lint, and a test compares the two. Must not: what follows from a size, such as memory.
"""

import re
from difflib import get_close_matches
from typing import NamedTuple

LISTED = """\
cache.c7gn large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
cache.c8gn large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
cache.m4 large xlarge 2xlarge 4xlarge 10xlarge
cache.m5 large xlarge 2xlarge 4xlarge 12xlarge 24xlarge
cache.m6g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
cache.m7g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
cache.m8g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
cache.r4 large xlarge 2xlarge 4xlarge 8xlarge 16xlarge
cache.r5 large xlarge 2xlarge 4xlarge 12xlarge 24xlarge
cache.r6g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
cache.r6gd xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
cache.r7g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
cache.r8g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
cache.t2 micro small medium
cache.t3 micro small medium
cache.t4g micro small medium
db serverless
db.c6gd medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
db.m1 small medium large xlarge
db.m2 xlarge 2xlarge 4xlarge
db.m3 medium large xlarge 2xlarge
db.m4 large xlarge 2xlarge 4xlarge 10xlarge 16xlarge
db.m5 large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge
db.m5d large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge
db.m6g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
db.m6gd large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
db.m6i large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge
db.m6id large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge
db.m6idn large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge
db.m6in large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge
db.m7g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
db.m7i large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge
db.m8a large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge
db.m8g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge
db.m8gd large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge
db.m8i large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge 96xlarge
db.m9g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge
db.r3 large xlarge 2xlarge 4xlarge 8xlarge
db.r4 large xlarge 2xlarge 4xlarge 8xlarge 16xlarge
db.r5 large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge
db.r5b large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge
db.r5d large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge
db.r6g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
db.r6gd large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
db.r6i large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge
db.r6id large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge
db.r6idn large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge
db.r6in large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge
db.r7g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
db.r7i large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge
db.r8a large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge
db.r8g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge
db.r8gd large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge
db.r8i large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge 96xlarge
db.t1 micro
db.t2 micro small medium large xlarge 2xlarge
db.t3 micro small medium large xlarge 2xlarge
db.t4g micro small medium large xlarge 2xlarge
db.x1 16xlarge 32xlarge
db.x2g large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge
db.x2idn 16xlarge 24xlarge 32xlarge
db.x2iedn xlarge 2xlarge 4xlarge 8xlarge 16xlarge 24xlarge 32xlarge
db.x2m xlarge 2xlarge 4xlarge 8xlarge 16xlarge 24xlarge 32xlarge
db.z1d large xlarge 2xlarge 3xlarge 6xlarge 12xlarge
"""
"""One family a line with its sizes, in any region, of RDS and Aurora for PostgreSQL and of ElastiCache."""

_SIZE = re.compile(r"nano|micro|small|medium|(\d*x)?large")
_NEAREST = 0.6


class Oddity(NamedTuple):
    """Why a class is not in the list; ``new`` where its whole family is missing, as a new generation would be."""

    what: str
    mend: str
    new: bool


def find_oddity(prefix: str, name: str) -> Oddity | None:
    """Judge a class of the service whose classes begin with a prefix, ``db`` or ``cache``."""
    lines = (line.split() for line in LISTED.splitlines() if line.startswith(prefix))
    families = {family: sizes for family, *sizes in lines}
    family, _, size = name.rpartition(".")
    if size in families.get(family, ()):
        return None
    own = [f"{each}.{size}" for each in families for size in families[each]]
    near = get_close_matches(name, own, n=1, cutoff=_NEAREST)
    nearest = f"did you mean {near[0]}?" if near else f"the classes begin with {prefix}., as in {prefix}.r5.large"
    if family in families and family != prefix:
        return Oddity(f"AWS has no {name}: {family} has {', '.join(families[family])}", nearest, new=False)
    if re.fullmatch(rf"{prefix}\.[a-z][a-z0-9-]*", family) and _SIZE.fullmatch(size):
        return Oddity(f"{family} is no family that is known here", nearest, new=True)
    return Oddity(f"{name} is no class of AWS", nearest, new=False)
