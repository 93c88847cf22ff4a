"""When a milder signal is left alone: in an outage, just after one, and in its first breath.

The ten-minute alerts fire on for minutes after an outage is over, and the first minutes of an outage look like any
other trouble. Acting on either would roll the Deployment for nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from certstorage.api.incidents import OVER
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import Signal, Verdict
from certstorage.runbook.recovery import outage_fires
from certstorage.runbook.wants import Context


class Sight(StrEnum):
    """What a signal is worth now."""

    QUIET = "Quiet"
    """Not firing, and known not to."""
    UNSURE = "Unsure"
    """Not firing as far as is known: nothing begins and nothing ends on it."""
    IGNORED = "Ignored"
    """It fires because of an outage, or of one that has just ended."""
    BREATH = "FirstBreath"
    REAL = "Real"


def look(context: Context, signal: Signal) -> Sight:
    """Judge one milder signal."""
    if signal.verdict in (Verdict.CLEAR_PROVEN, Verdict.IDLE):
        return Sight.QUIET
    if signal.verdict is not Verdict.FIRING:
        return Sight.UNSURE
    if in_outage(context):
        return Sight.IGNORED
    since, now = signal.since or context.now, context.now
    ended = outage_ended(context)
    if ended is not None and since <= ended:
        since = ended + context.seen.patience.linger
        if now < since:
            return Sight.IGNORED
    return Sight.BREATH if now < since + context.seen.patience.first_breath else Sight.REAL


def in_outage(context: Context) -> bool:
    """Whether an outage is in force or held: it goes before every milder scenario."""
    return context.reads_held or outage_fires(context.seen.signals)


def looked_again(context: Context, signal: Signal) -> datetime:
    """When a signal that is ignored or new is worth another look (UTC)."""
    since, ended = signal.since or context.now, outage_ended(context)
    if ended is not None and since <= ended:
        since = ended + context.seen.patience.linger
    return max(since + context.seen.patience.first_breath, context.now + timedelta(seconds=1))


def outage_ended(context: Context) -> datetime | None:
    """When the last outage ended (UTC), from the status or from its incident; None when none is remembered."""
    state = context.before.scenario(Scenario.OUTAGE)
    if state is not None and "endedAt" in state.marks:
        return state.marks["endedAt"]
    ends = [
        one.status.resolved_at
        for one in context.incidents_of(Scenario.OUTAGE)
        if one.status is not None and one.status.phase in OVER and one.status.resolved_at is not None
    ]
    return max(ends, default=None)
