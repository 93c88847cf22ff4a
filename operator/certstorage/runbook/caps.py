"""How many policies may roll a Deployment, or stop one for a sweep, at the same time.

A holder past its deadline is stuck and holds nobody up. Going local is never held up by a cap.
"""

from __future__ import annotations

from certstorage.api.observed import BusyWith
from certstorage.api.reasons import Reason
from certstorage.runbook.wants import Context, Finding


def rollout(context: Context) -> Finding | None:
    """Why no rollout may begin now, other than one to local reads."""
    return _full(context, BusyWith.ROLLOUT, context.seen.fleet.most_rollouts, Reason.ROLLOUTS_CAPPED)


def sweep(context: Context) -> Finding | None:
    """Why no sweep may begin now."""
    return _full(context, BusyWith.SWEEP, context.seen.fleet.most_sweeps, Reason.SWEEPS_CAPPED)


def _full(context: Context, what: BusyWith, most: int, reason: Reason) -> Finding | None:
    busy = context.seen.fleet.busy
    if not busy:
        return None
    holders = [one for one in busy if one.what is what and one.deadline > context.now]
    if len(holders) < most:
        return None
    names = ", ".join(sorted(one.policy for one in holders)[:5])
    text = f"{len(holders)} {what.value.lower()}s are under way ({names}), and {most} may be at once: it waits its turn"
    return Finding(reason, text, until=min(one.deadline for one in holders))
