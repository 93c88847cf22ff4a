"""After an outage: prove that the bucket holds what the local tree holds, mending what the outage left behind.

probe → census both ways → everything at risk (every difference of the listing, everything written since the last proof)
looked at, mended, looked at again → a sample of the rest → verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from certstorage.validator.census import Counts, census
from certstorage.validator.context import Context
from certstorage.validator.localtree import WalkTrouble
from certstorage.validator.probe import Probe, probe
from certstorage.validator.repair import Act, Mender
from certstorage.validator.sampling import Sampler, Window
from certstorage.validator.settle import Care, Settled, settle
from certstorage.validator.verdict import Rule, Status, Stratum, Verdict, decide

CLOCK_MARGIN = timedelta(minutes=5)
"""How far the clocks of the nodes, the file server and the bucket may be apart: "since" begins this much earlier."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a difference looks like a wrong mount or a wrong bucket, and not like the traces of an outage.

    Shares are of the larger side and count from `few` objects on; `most_extra` is a number of objects.
    """

    missing_share: float = 0.5
    extra_share: float = 0.25
    most_extra: int = 10_000
    few: int = 50

    def refusal(self, counts: Counts) -> tuple[str, str] | None:
        """Why nothing should be mended, if so: a reason and a line for people."""
        larger = max(counts.local, counts.s3)
        if not counts.local and counts.s3:
            return "LocalTreeEmpty", f"the local tree is empty and the bucket holds {counts.s3} objects: wrong mount?"
        if counts.extra > max(self.few, self.extra_share * larger) or counts.extra > self.most_extra:
            return "LocalTreeShrunken", f"{counts.extra} of {counts.s3} objects have no local file: files lost?"
        if counts.missing > max(self.few, self.missing_share * larger):
            return (
                "MostMissing",
                f"{counts.missing} of {counts.local} files are not in the bucket: wrong bucket or prefix?",
            )
        return None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recovery is asked to do. `since`: last proof or begin of the outage; None puts everything at risk."""

    since: datetime | None
    window: Window
    least: int
    rule: Rule
    care: Care
    limits: Limits
    probes: int
    probe_interval_seconds: float
    quarantine: str


@dataclass(slots=True)
class Found:
    """All a recovery found, filled as it goes, so that a run that is stopped can still report."""

    counts: Counts = field(default_factory=Counts)
    trouble: WalkTrouble = field(default_factory=WalkTrouble)
    probe: Probe | None = None
    at_risk_keys: int = 0
    at_risk: Settled | None = None
    rest_keys: int = 0
    rest: Settled | None = None

    def act(self, act: Act) -> int:
        """Objects with this act as their last."""
        return self.at_risk.acts(act) if self.at_risk else 0


def recover(context: Context, own_prefix: str, plan: Plan, found: Found) -> Verdict:
    """Run it. What is learned on the way is in `found`.

    Raises:
        StoreError, LocalError: a side cannot be read at all; nothing is known.
        Cancelled: asked to stop.
    """
    progress = context.progress
    context.tree.check()
    progress.phase("probe", plan.probes)
    found.probe = probe(
        context.store,
        own_prefix,
        rounds=plan.probes,
        interval_seconds=plan.probe_interval_seconds,
        wait=context.wait,
    )
    if not found.probe.ok:
        return unknown("ProbeFailed", f"the canary failed: {found.probe.failures[-1]}")
    if not found.probe.conditional_put:
        return unknown("NoConditionalWrites", "the endpoint ignores If-Match: an upload could undo a newer write")

    progress.phase("census", None)
    sampler = Sampler(plan.window, plan.least)
    at_risk = _at_risk(context, plan, found, sampler)
    found.at_risk_keys, found.rest_keys = len(at_risk), sampler.seen
    if found.trouble.count:
        return unknown("LocalTreeUnreadable", f"{found.trouble.count} entries: {found.trouble.first[0]}")
    if refusal := plan.limits.refusal(found.counts):
        return unknown(*refusal)

    progress.phase("at risk", len(at_risk))
    mender = Mender(context.tree, context.store, plan.quarantine)
    found.at_risk = settle(at_risk, context, plan.care, mender)
    sample = sampler.sample()
    progress.phase("sample", len(sample))
    found.rest = settle(sample, context, plan.care)
    return verdict(found, plan.rule)


def verdict(found: Found, rule: Rule) -> Verdict:
    """Judge what was found."""
    return decide(_stratum(found.at_risk_keys, found.at_risk, whole=True), _stratum(found.rest_keys, found.rest), rule)


def unknown(detail: str, message: str) -> Verdict:
    """The verdict of a run that could not decide."""
    return Verdict(Status.INCONCLUSIVE, detail, message, 0.0, 1.0)


def _at_risk(context: Context, plan: Plan, found: Found, sampler: Sampler) -> list[str]:
    since_ns = int((plan.since - CLOCK_MARGIN).timestamp() * 1e9) if plan.since else 0
    at_risk: list[str] = []
    for row in census(context.tree, context.store, found.counts, found.trouble, context.progress.step):
        if row.differs or row.changed_since(since_ns):
            at_risk.append(row.key)
        else:
            sampler.offer(row.key)
    return at_risk


def _stratum(keys: int, settled: Settled | None, *, whole: bool = False) -> Stratum:
    if settled is None:
        return Stratum(keys, 0, 0)
    left = max(settled.checked, keys - settled.gone - len(settled.in_flight))
    population = settled.checked if whole else left
    return Stratum(population, settled.checked, len(settled.mismatches), len(settled.unknown))
