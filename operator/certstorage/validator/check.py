"""Are the two copies the same? A census of the listing, every difference confirmed, a sample of the rest read."""

from __future__ import annotations

from dataclasses import dataclass

from certstorage.validator.census import census
from certstorage.validator.context import Context
from certstorage.validator.recover import Found, Limits, unknown, verdict
from certstorage.validator.sampling import Sampler, Window
from certstorage.validator.settle import Care, settle
from certstorage.validator.verdict import Rule, Verdict


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """What a check is asked to do."""

    window: Window
    least: int
    rule: Rule
    care: Care
    limits: Limits


def check(context: Context, plan: CheckPlan, found: Found) -> Verdict:
    """Run it; nothing is written anywhere. What is learned on the way is in `found`.

    Raises:
        StoreError, LocalError: a side cannot be read at all; nothing is known.
        Cancelled: asked to stop.
    """
    context.tree.check()
    context.progress.phase("census", None)
    sampler = Sampler(plan.window, plan.least)
    differing: list[str] = []
    for row in census(context.tree, context.store, found.counts, found.trouble, context.progress.step):
        if row.differs:
            differing.append(row.key)
        else:
            sampler.offer(row.key)
    found.at_risk_keys, found.rest_keys = len(differing), sampler.seen
    if found.trouble.count:
        return unknown("LocalTreeUnreadable", f"{found.trouble.count} entries: {found.trouble.first[0]}")
    if refusal := plan.limits.refusal(found.counts):
        return unknown(*refusal)
    context.progress.phase("differing", len(differing))
    found.at_risk = settle(differing, context, plan.care)
    sample = sampler.sample()
    context.progress.phase("sample", len(sample))
    found.rest = settle(sample, context, plan.care)
    return verdict(found, plan.rule)
