"""When to run an integrity sweep, in the runbook's words: after a major outage, after a large backfill, quarterly.

Each trigger files one CertStorageRequest by a deterministic name; a person approves it, unless a window makes it run by
itself. The fourth, a mismatch, is filed by scenario 3.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from certstorage.api.policy import Mode, Quarterly
from certstorage.api.requests import RequestType, RequestWanted, Trigger
from certstorage.api.scenarios import Scenario
from certstorage.api.status import SweepStatus, Validation
from certstorage.runbook.wants import Context

QUARTERLY_TTL_SECONDS = 14 * 86_400
"""A quarterly check may wait two weeks for its approval; other requests a day."""


def quarter_of(now: datetime) -> datetime:
    """The first second of the quarter (UTC)."""
    return datetime(now.year, 3 * ((now.month - 1) // 3) + 1, 1, tzinfo=UTC)


def next_quarter(now: datetime) -> datetime:
    """The first second of the next quarter (UTC)."""
    return quarter_of(quarter_of(now) + timedelta(days=95))


def triggers(
    context: Context, status: SweepStatus | None, validation: Validation | None, filed: tuple[RequestWanted, ...]
) -> tuple[SweepStatus, tuple[RequestWanted, ...]]:
    """The memory between sweeps after this pass, and the requests that are to be filed.

    `status` is what a sweep that has just ended says, `validation` the one that ended in this pass, `filed` what
    scenarios file already.
    """
    old = status or context.before.sweep or SweepStatus()
    grown = _grown(context, validation)
    if grown or old.quarterly_due_at is None:
        due = old.quarterly_due_at or next_quarter(context.now)
        old = replace(old, quarterly_due_at=due, backfilled_objects=old.backfilled_objects + grown)
    if context.policy.spec.mode is Mode.OBSERVE:
        return old, filed
    wanted = list(filed)
    if wanted:
        old = replace(old, request=wanted[-1].name)
    for request in (_after_outage(context, old), _after_backfill(context, old), _quarterly(context, old)):
        if request is not None:
            old = _noted(context, old, request)
            if not any(one.name == request.name for one in context.seen.requests):
                wanted.append(request)
    return old, tuple(wanted)


def _grown(context: Context, validation: Validation | None) -> int:
    """Objects that are new since the validation before, where both counted all of them."""
    last = context.before.last_validation
    if validation is None or last is None or validation.job_uid == last.job_uid or not last.population:
        return 0
    return max(0, validation.population - last.population)


def _noted(context: Context, status: SweepStatus, request: RequestWanted) -> SweepStatus:
    if request.trigger is Trigger.BACKFILL:
        status = replace(status, backfilled_objects=0)
    if request.trigger is Trigger.QUARTERLY:
        status = replace(status, quarterly_due_at=next_quarter(context.now))
    return replace(status, request=request.name)


def _after_outage(context: Context, status: SweepStatus) -> RequestWanted | None:
    """An outage of more than sweep.afterOutageSeconds that is over now."""
    state = context.before.scenario(Scenario.OUTAGE)
    if state is None or "endedAt" not in state.marks:
        return None
    ended = state.marks["endedAt"]
    name = f"{context.policy.name}-sweep-outage-{ended:%Y%m%d-%H%M%S}"
    lasted = ended - state.started_at
    waits = (one.name == name or (one.open and one.trigger is Trigger.OUTAGE) for one in context.seen.requests)
    if status.request == name or any(waits):
        return None
    if lasted <= timedelta(seconds=context.policy.spec.sweep.after_outage_seconds):
        return None
    why = f"S3 was down for {int(lasted.total_seconds()) // 60} min, until {ended:%Y-%m-%d %H:%M} UTC"
    return RequestWanted(name, RequestType.SWEEP, Trigger.OUTAGE, why)


def _after_backfill(context: Context, status: SweepStatus) -> RequestWanted | None:
    most = context.policy.spec.sweep.after_backfill_objects
    if status.backfilled_objects <= most:
        return None
    name = f"{context.policy.name}-sweep-backfill-{context.now:%Y%m%d}"
    why = f"{status.backfilled_objects} objects are new since the last sweep was asked for, more than {most}"
    return RequestWanted(name, RequestType.SWEEP, Trigger.BACKFILL, why)


def _quarterly(context: Context, status: SweepStatus) -> RequestWanted | None:
    """Due at the begin of a quarter, unless a sweep has passed within it."""
    due = status.quarterly_due_at
    if due is None or context.now < due or context.policy.spec.sweep.quarterly is Quarterly.NEVER:
        return None
    begins = quarter_of(context.now)
    name = f"{context.policy.name}-sweep-{begins.year}q{(begins.month + 2) // 3}"
    why = "quarterly compliance check"
    return RequestWanted(name, RequestType.SWEEP, Trigger.QUARTERLY, why, QUARTERLY_TTL_SECONDS)
