"""After an outage: prove that the bucket holds what the local tree holds, mending what the outage left behind.

probe → census both ways → everything at risk (every difference of the listing, everything written since the last proof)
looked at, mended, looked at again → a sample of the rest → verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from certstorage.validator.census import Counts, Row, census
from certstorage.validator.context import Context
from certstorage.validator.found import Found
from certstorage.validator.guards import Limits
from certstorage.validator.keylist import KeyList
from certstorage.validator.localtree import WalkTrouble
from certstorage.validator.marks import Marks
from certstorage.validator.mender import Act, Mender
from certstorage.validator.naming import name
from certstorage.validator.probe import probe
from certstorage.validator.reading import Reading, read_sample
from certstorage.validator.sampling import WHOLE, Sampler, Shard, Window
from certstorage.validator.settle import settle
from certstorage.validator.verdict import Verdict, decide, unknown


class Plan(NamedTuple):
    """What a recovery is asked to do. `since`: last proof or begin of the outage; None puts everything at risk.

    `window` None: no sample of the rest is read, and the verdict is about what was at risk alone.
    """

    since: datetime | None
    window: Window | None
    least: int
    reading: Reading
    limits: Limits
    probes: int
    probe_interval_seconds: float
    own_prefix: str
    quarantine: str
    shard: Shard = WHOLE


def recover(context: Context, plan: Plan, found: Found, marks: Marks) -> Verdict:
    """Run it. What is learned on the way is in `found`.

    Raises:
        StoreError, LocalError: a side cannot be read at all; nothing is known.
        Cancelled: asked to stop.
    """
    progress = context.progress
    progress.phase("probe", plan.probes)
    found.probe = probe(
        context.store,
        plan.own_prefix,
        rounds=plan.probes,
        interval_seconds=plan.probe_interval_seconds,
        wait=context.wait,
    )
    if not found.probe.ok:
        return unknown("ProbeFailed", f"the canary failed: {found.probe.failures[-1]}")
    if not found.probe.conditional_put:
        return unknown("NoConditionalWrites", "the endpoint ignores If-Match: an upload could undo a newer write")

    progress.phase("census", None)
    sampler = Sampler(plan.window or Window(0.0), plan.least if plan.window else 0)
    at_risk = KeyList()
    for row in census(context, found.counts, found.trouble, plan.shard, found.tally):
        if _at_risk(row, plan.since):
            at_risk.append(row.key)
        else:
            sampler.offer(row.key)
    if found.trouble.count:
        return unknown("LocalTreeUnreadable", f"{found.trouble.count} entries: {found.trouble.first[0]}")
    if refusal := plan.limits.refusal(found.counts):
        return unknown(*refusal)

    found.at_risk.keys = len(at_risk)
    progress.phase("at risk", len(at_risk))
    mender = Mender(context.tree, context.store, plan.quarantine, found.probe.conditional_delete)
    settle(at_risk, context, plan.reading.care, found.at_risk, mender=mender)

    if plan.window is None:
        verdict = decide(found.at_risk.in_full(), found.rest.in_full(), plan.reading.rule)
    else:
        verdict = read_sample(
            context,
            plan.reading,
            sampler,
            found,
            marks=marks,
            rest=lambda: sampled_part(context, plan.since, plan.shard),
        )
    name(context, plan.reading.care, found)
    return summed_up(verdict, found)


def summed_up(verdict: Verdict, found: Found) -> Verdict:
    """The verdict with what was mended and what was looked at in its message."""
    mended = f"{found.acted(Act.UPLOADED)} uploaded, {found.acted(Act.QUARANTINED)} put away"
    read = f"{found.at_risk.checked} at risk and {found.rest.checked} others read"
    return verdict._replace(message=f"{verdict.message}; {mended}; {read}")


def sampled_part(context: Context, since: datetime | None, shard: Shard = WHOLE) -> Iterator[str]:
    """Every key that was not at risk once more, for a sample that grows."""
    return (row.key for row in census(context, Counts(), WalkTrouble(), shard) if not _at_risk(row, since))


def _at_risk(row: Row, since: datetime | None) -> bool:
    if since is None or row.differs:
        return True
    return row.changed_since(since)
