"""What every step of a held outage shares: the operation as status shows it, and waiting with a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certstorage.api.env import FlagState
from certstorage.api.hold import Hold
from certstorage.api.observed import JobSeen
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario, Step
from certstorage.api.signals import SignalName
from certstorage.api.status import Operation, ReadsFrom, Validation
from certstorage.runbook import recovery
from certstorage.runbook.wants import Ask, Context, Finding, Wants
from certstorage.runbook.will import BOTTOM, Will

LOOK_AGAIN = timedelta(seconds=15)
"""While something is held the policy is looked at this often, whatever wakes it sooner."""


def read_flag(context: Context) -> FlagState:
    """The state of the read flag in the template."""
    found = context.target.env.get(context.policy.spec.env.read_primary)
    return FlagState.ABSENT if found is None else found.state


def recovered_since(context: Context) -> datetime | None:
    """Since when S3 answers without a break, as far as is remembered; now when that was forgotten."""
    if not recovery.s3_answers(context.seen.signals):
        return None
    remembered = context.operation
    return (remembered.recovered_since if remembered is not None else None) or context.now


def unproven(context: Context) -> str:
    """What is missing for S3 to count as back, in one line."""
    signal = context.seen.signals[SignalName.RECOVERY]
    missing = ", ".join(signal.missing)
    return f"S3 is not proven to be back: {missing or signal.message or signal.verdict.value}"


def operation(
    context: Context, hold: Hold, step: Step, *, recovered: datetime | None = None, job: JobSeen | None = None
) -> Operation:
    """The operation as status shows it; `since` moves only when the step does."""
    old = context.operation
    since = old.since if old is not None and old.step is step else context.now
    return Operation(
        type=Scenario.OUTAGE,
        step=step,
        started_at=hold.since,
        since=since,
        attempt=hold.attempt,
        failed_returns=hold.failed_returns,
        recovered_since=recovered,
        deadline=_deadline(context, step, since, job),
        retry_at=recovery.retry_at(context.policy, hold),
        job_name=job.name if job is not None else (recovery.job_name(hold) if hold.nonce else ""),
        job_uid=job.uid if job is not None else "",
        last_failure=hold.last_failure,
        reverts=hold.reverts,
        reverted_by=hold.reverted_by,
        last_firing_at=hold.last_firing_at,
        returned_at=hold.returned_at,
    )


def _deadline(context: Context, step: Step, since: datetime, job: JobSeen | None) -> datetime | None:
    """When the step is overdue; a rollout has its own progress deadline, and S3 has none."""
    if step is Step.CHECKING:
        return since + timedelta(seconds=context.policy.spec.recovery.fallback_check_seconds)
    return recovery.overdue_at(context.policy, job) if step is Step.VALIDATING and job is not None else None


def waiting(
    context: Context,
    hold: Hold,
    step: Step,
    finding: Finding,
    *,
    recovered: datetime | None = None,
    job: JobSeen | None = None,
    asks: tuple[Ask, ...] = (),
    desired: ReadsFrom = ReadsFrom.LOCAL,
) -> Wants:
    """Hold on as things are, for this reason, until it is time to look again."""
    look = context.now + LOOK_AGAIN
    if finding.until is not None:
        look = min(look, max(finding.until, context.now + timedelta(seconds=1)))
    return Wants(
        finding=finding,
        will=BOTTOM if hold is context.hold else Will(hold=hold),
        desired=desired,
        look_again_at=look,
        operation=operation(context, hold, step, recovered=recovered, job=job),
        asks=asks,
    )


def validation_of(job: JobSeen | None, failure: Reason | None = None) -> Validation | None:
    """What status keeps of a Job's receipt: as it was judged, whatever it says; nothing of one that is not its own."""
    if job is None or job.receipt is None or failure is Reason.RECEIPT_FORGED:
        return None
    verdict = "Pass" if failure is None else "Fail" if failure is Reason.VALIDATION_FAILED else "Inconclusive"
    return replace(Validation.of(job.receipt, job.uid, job.name), verdict=verdict)
