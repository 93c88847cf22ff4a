"""Are the two copies the same? Every key by its listing, every difference confirmed by its bytes, a sample read.

census (walk, listing, ETags against the local files) → every difference looked at twice → a sample of what looks the
same is read → verdict; the sample grows while it leaves the verdict open → causes and pattern.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from certstorage.validator.census import Counts, Row, census
from certstorage.validator.context import Context
from certstorage.validator.etag import Says
from certstorage.validator.found import Found
from certstorage.validator.guards import Limits
from certstorage.validator.hashing import Judged, judged
from certstorage.validator.keylist import KeyList
from certstorage.validator.localtree import WalkTrouble
from certstorage.validator.marks import Marks, mark
from certstorage.validator.naming import name
from certstorage.validator.reading import Reading, read_sample
from certstorage.validator.sampling import WHOLE, Sampler, Shard, Window
from certstorage.validator.settle import settle
from certstorage.validator.verdict import Verdict, unknown

_TRUST_AFTER = 64
"""ETags that differ are confirmed by this many bodies before the others are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a check is asked to do."""

    window: Window
    least: int
    reading: Reading
    limits: Limits
    shard: Shard = WHOLE


def check(context: Context, plan: Plan, found: Found, marks: Marks) -> Verdict:
    """Run it; nothing is written to either side. What is learned on the way is in `found`.

    Raises:
        StoreError, LocalError: a side cannot be read at all; nothing is known.
        Cancelled: asked to stop.
    """
    sampler = Sampler(plan.window, plan.least)
    differing, doubted = KeyList(), KeyList()
    context.progress.phase("census", None)
    for one in _census(context, plan, found, marks):
        if one.row.differs:
            differing.append(one.row.key)
        elif one.says is Says.DIFFERENT:
            doubted.append(one.row.key)
        else:
            found.census_methods[one.method if one.says is Says.EQUAL else "none"] += 1
            sampler.offer(one.row.key, mark("body", one.row) if marks.kept else b"")
    if found.trouble.count:
        return unknown("LocalTreeUnreadable", f"{found.trouble.count} entries: {found.trouble.first[0]}")
    if refusal := plan.limits.refusal(found.counts):
        return unknown(*refusal)
    care = plan.reading.care
    context.progress.phase("differing", len(differing) + len(doubted))
    settle(differing, context, care, found.at_risk)
    rest_of_doubted = _judge_etags(doubted, context, plan, found)
    for key in rest_of_doubted:
        sampler.offer(key)
    found.at_risk.keys = len(differing) + len(doubted) - len(rest_of_doubted)
    at_risk = {look.key for look in found.at_risk.mismatches}

    def rest() -> Iterator[str]:
        again = _rows(context, Counts(), WalkTrouble(), plan.shard)
        return (row.key for row in again if not row.differs and row.key not in at_risk)

    verdict = read_sample(context, plan.reading, sampler, found, marks=marks, rest=rest)
    name(context, care, found)
    return verdict


def _census(context: Context, plan: Plan, found: Found, marks: Marks) -> Iterator[Judged]:
    rows = _rows(context, found.counts, found.trouble, plan.shard)
    if plan.window.rate < 1:
        return judged(rows, context, marks)
    return (Judged(row, Says.NOTHING) for row in rows)  # all bodies are read anyway


def _rows(context: Context, counts: Counts, trouble: WalkTrouble, shard: Shard) -> Iterator[Row]:
    return census(context, counts, trouble, shard)


def _judge_etags(doubted: KeyList, context: Context, plan: Plan, found: Found) -> KeyList:
    """Confirm ETags that differ by the bodies. Where the first of them prove that ETags are no MD5s here (SSE-KMS,
    SSE-C), the others are left to the sample, and returned.
    """
    care = plan.reading.care
    keys = iter(doubted)
    before = found.at_risk.same
    settle(islice(keys, _TRUST_AFTER), context, care, found.at_risk)
    left = KeyList()
    if len(doubted) > _TRUST_AFTER and found.at_risk.same - before > _TRUST_AFTER / 2:
        found.etags_trusted = False
        for key in keys:
            left.append(key)
    else:
        settle(keys, context, care, found.at_risk)
    return left
