"""Are the two copies the same? Every key by its listing, every difference confirmed by its bytes, a sample read.

census (walk, listing, ETags against the local files) → every difference looked at twice → a sample of what looks the
same is read → verdict; the sample grows while it leaves the verdict open → causes and pattern.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice
from typing import NamedTuple

from certstorage.validator.census import Counts, Row, census
from certstorage.validator.checksums import judged_by_checksum
from certstorage.validator.context import Context
from certstorage.validator.etag import Says
from certstorage.validator.facts import Method
from certstorage.validator.found import Found
from certstorage.validator.guards import Limits
from certstorage.validator.hashing import judged
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


class Plan(NamedTuple):
    """What a check is asked to do."""

    window: Window
    least: int
    reading: Reading
    limits: Limits
    shard: Shard = WHOLE
    since: datetime | None = None
    """What was written since this proof is read in full, not by sample."""


def check(context: Context, plan: Plan, found: Found, marks: Marks) -> Verdict:
    """Run it; nothing is written to either side. What is learned on the way is in `found`.

    Raises:
        StoreError, LocalError: a side cannot be read at all; nothing is known.
        Cancelled: asked to stop.
    """
    run = _Check(context, plan, found, marks)
    run.take_census()
    if found.trouble.count:
        return unknown("LocalTreeUnreadable", f"{found.trouble.count} entries: {found.trouble.first[0]}")
    if refusal := plan.limits.refusal(found.counts):
        return unknown(*refusal)
    run.confirm_differences()
    run.ask_for_checksums()
    verdict = read_sample(
        context,
        plan.reading,
        run.sampler,
        found,
        marks=marks,
        rest=lambda: sampled_part(context, found, plan.shard, plan.since),
    )
    name(context, plan.reading.care, found)
    return verdict


def sampled_part(context: Context, found: Found, shard: Shard = WHOLE, since: datetime | None = None) -> Iterator[str]:
    """Every key of the sampled part once more, for a sample that grows."""
    known = {look.key for look in found.at_risk.mismatches}
    for row in census(context, Counts(), WalkTrouble(), shard):
        recent = since is not None and row.changed_since(since)
        if not (row.differs or recent or row.key in known):
            yield row.key


class _Check:
    """The steps before the sample. Each key is in one list at a time, or offered to the sampler."""

    def __init__(self, context: Context, plan: Plan, found: Found, marks: Marks) -> None:
        self._context = context
        self._plan = plan
        self._found = found
        self._marks = marks
        self.sampler = Sampler(plan.window, plan.least)
        self._differing = KeyList()
        self._recent = KeyList()
        self._doubted = KeyList()
        self._unjudged = KeyList()

    def take_census(self) -> None:
        """Every key of both sides; where all bodies will be read anyway, without hashing the local files."""
        self._context.progress.phase("census", None)
        rows = census(self._context, self._found.counts, self._found.trouble, self._plan.shard, self._found.tally)
        if self._plan.since is not None:
            rows = self._without_recent(rows, self._plan.since)
        if self._plan.window.rate >= 1:
            for row in rows:
                self._differing.append(row.key) if row.differs else self._offer(row)
            return
        for one in judged(rows, self._context, self._marks):
            if one.says is Says.EQUAL:
                self._found.census_methods[one.method] += 1
                self._offer(one.row)
            elif one.row.differs:
                self._differing.append(one.row.key)
            else:
                (self._doubted if one.says is Says.DIFFERENT else self._unjudged).append(one.row.key)

    def _without_recent(self, rows: Iterator[Row], since: datetime) -> Iterator[Row]:
        """Every row but those that were written since the last proof, which are kept apart."""
        for row in rows:
            if not row.differs and row.changed_since(since):
                self._recent.append(row.key)
            else:
                yield row

    def confirm_differences(self) -> None:
        """Look at what the listing shows as different, what is recent, and what only the ETags doubt.

        Where the bodies prove that ETags are no MD5s here (SSE-KMS, SSE-C), the other doubted ones are left unjudged.
        """
        care, at_risk = self._plan.reading.care, self._found.at_risk
        at_risk.keys = len(self._differing) + len(self._recent) + len(self._doubted)
        self._context.progress.phase("differing", at_risk.keys)
        doubted, equal = iter(self._doubted), 0
        first = dict.fromkeys(islice(doubted, _TRUST_AFTER))

        def same(key: str) -> None:
            nonlocal equal
            equal += key in first

        listed = chain(self._differing, self._recent, first)
        settle(listed, self._context, care, at_risk, same=same, alike=bool(self._recent))
        if len(self._doubted) > _TRUST_AFTER and equal > _TRUST_AFTER / 2:
            self._found.etags_trusted = False
            for key in doubted:
                self._unjudged.append(key)
                at_risk.keys -= 1
        else:
            settle(doubted, self._context, care, at_risk, alike=False)

    def ask_for_checksums(self) -> None:
        """What no ETag can judge, by the checksums the server keeps, if it keeps any."""
        differing = KeyList()
        for key, says in judged_by_checksum(self._unjudged, self._context):
            if says is Says.DIFFERENT:
                differing.append(key)
                continue
            self._found.census_methods[Method.CHECKSUM if says is Says.EQUAL else Method.NONE] += 1
            self.sampler.offer(key)
        self._found.at_risk.keys += len(differing)
        settle(differing, self._context, self._plan.reading.care, self._found.at_risk, alike=False)

    def _offer(self, row: Row) -> None:
        self.sampler.offer(row.key, mark("body", row) if self._marks.kept else b"")
