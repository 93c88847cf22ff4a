"""One attempt of the way back: a recovery Job and its receipt (scenario 1, Post-Recovery 2 and 3).

One Job per (incident, attempt); the next attempt opens only after this one has ended. The attempt is open while the
hold has a nonce, which was written before the Job was made, so that a crash in between finds the Job or makes it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certstorage.api.decision import EventType, EventWanted, JobKind, StopJob
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.observed import JobPhase, JobSeen, Observation
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario, Step
from certstorage.api.status import Operation, ReadsFrom, Status
from certstorage.runbook import caps, gates, recovery
from certstorage.runbook.held import LOOK_AGAIN, operation, recovered_since, unproven, validation_of, waiting
from certstorage.runbook.wants import Ask, Context, Finding, Wants
from certstorage.runbook.will import Permit, Will

UNCOUNTED = frozenset({Reason.S3_STILL_DOWN, Reason.RECEIPT_STALE, Reason.JOB_GONE})
"""Ends of an attempt that do not count towards recovery.maxAttempts: nothing was tried that a person could mend."""


def open_attempt(context: Context, hold: Hold, since: datetime) -> Wants:
    """Write down the next attempt and its nonce, and start its Job."""
    opened = replace(hold, attempt=hold.attempt + 1, nonce=context.seen.token)
    return _with_job(context, opened, since)


def noted(context: Context, hold: Hold) -> Hold:
    """The hold with what voids the open attempt's receipt: that S3 failed after its Job had begun.

    Whatever else goes on in the pass, and in any mode: the Job may end before the next pass looks at it.
    """
    seen = context.seen
    job = recovery.job_of(seen, hold) if hold.nonce else None
    if not hold.nonce or (job is None and not seen.blind):
        return hold
    unseen = None if context.operation is None else context.operation.last_firing_at
    failed_at = max((at for at in (hold.last_firing_at, unseen) if at is not None), default=None)
    if recovery.s3_fails(seen.signals) and (failed_at is None or job is None or failed_at < job.created_at):
        failed_at = context.now
    return hold if failed_at == hold.last_firing_at else replace(hold, last_firing_at=failed_at)


def unseen(seen: Observation, before: Status, now: datetime) -> Operation | None:
    """The remembered operation of a pass that cannot read the Deployment, and so cannot write the hold.

    That S3 fails meanwhile stands in status until `noted` can put it into the hold.
    """
    operation = before.operation
    if operation is None or operation.type is not Scenario.OUTAGE or recovery.s3_answers(seen.signals):
        return operation
    operation = replace(operation, recovered_since=None)
    begun = max((job.created_at for job in seen.jobs if job.kind == JobKind.RECOVERY), default=None)
    begun = operation.since if begun is None and seen.blind else begun
    known = operation.last_firing_at is not None and begun is not None and operation.last_firing_at >= begun
    if begun is None or known or not recovery.s3_fails(seen.signals):
        return operation
    return replace(operation, last_firing_at=now)


def attempt(context: Context, hold: Hold) -> Wants:
    """Follow the open attempt to its end."""
    seen, since = context.seen, recovered_since(context)
    job = recovery.job_of(seen, hold)
    if job is None:
        remembered = context.operation
        if remembered is not None and remembered.job_uid and remembered.attempt == hold.attempt:
            gone = Finding(Reason.JOB_GONE, f"Job {recovery.job_name(hold)} was deleted before it ended")
            return close(context, hold, gone, None)
        if not recovery.s3_answers(seen.signals) or seen.blind:
            text = f"attempt {hold.attempt} is open and its Job is not made yet; {_not_now(context)}"
            return waiting(context, hold, Step.WAITING_FOR_S3, Finding(Reason.OUTAGE_READS_LOCAL, text))
        return _with_job(context, hold, since)
    if not job.ours:
        text = f"a Job {job.name} exists that is not ours: {job.problem or 'it has another owner'}"
        return close(context, hold, Finding(Reason.JOB_FOREIGN, text), None)
    if job.phase is JobPhase.RUNNING:
        return _running(context, hold, job, since)
    failure = recovery.judge(context.policy, seen, hold, job, context.now)
    if failure is not None:
        return close(context, hold, failure, job)
    if not recovery.s3_answers(seen.signals):
        finding = Finding(Reason.OUTAGE_READS_LOCAL, f"Job {job.name} passed, but {unproven(context)}")
        return waiting(context, hold, Step.VALIDATING, finding, job=job)
    refusal = gates.refusal(context)
    if refusal is not None:
        finding = Finding(refusal.reason, f"Job {job.name} passed, but {refusal.message}")
        return waiting(context, hold, Step.VALIDATING, finding, recovered=since, job=job, asks=(refusal,))
    capped = caps.rollout(context)
    if capped is not None:
        finding = Finding(capped.reason, f"Job {job.name} passed, but {capped.message}", until=capped.until)
        return waiting(context, hold, Step.VALIDATING, finding, recovered=since, job=job)
    return _return(context, hold, job)


def close(context: Context, hold: Hold, failure: Finding, job: JobSeen | None) -> Wants:
    """The attempt is over without a pass: reads stay local, the next attempt waits longer."""
    closed = replace(
        hold,
        nonce="",
        retries=hold.retries + 1,
        failed_returns=hold.failed_returns + (failure.reason not in UNCOUNTED),
        last_failure=failure.reason.value,
        failed_at=context.now,
    )
    text = f"attempt {hold.attempt} did not pass: {failure.message}"
    if recovery.expected_of(failure.reason) is not None:
        text += f"; if a person knows that this is right: {gates.request_command(context, failure.reason)}"
    finding = Finding(Reason.BACKING_OFF, text, until=recovery.retry_at(context.policy, closed))
    wants = waiting(context, closed, Step.BACKING_OFF, finding, recovered=recovered_since(context))
    event = EventWanted(EventType.WARNING, failure.reason.value, text)
    return replace(wants, events=(event,), validation=validation_of(job, failure.reason))


def _not_now(context: Context) -> str:
    """Why no Job is made now: a Job uploads, and its receipt must be of a time after S3 last failed."""
    blind = context.seen.blind
    return blind[0].message if blind else unproven(context)


def _with_job(context: Context, hold: Hold, since: datetime | None) -> Wants:
    wanted = recovery.recovery_job(context.policy, context.seen, hold)
    job = replace(wanted, expected=gates.expected(context, hold))
    text = f"attempt {hold.attempt}: Job {job.name} probes S3, uploads what it missed, and compares it with local disk"
    wants = waiting(context, hold, Step.VALIDATING, Finding(Reason.VALIDATING, text), recovered=since)
    return replace(wants, jobs=(job,))


def _running(context: Context, hold: Hold, job: JobSeen, since: datetime | None) -> Wants:
    if not job.stuck and context.now >= recovery.overdue_at(context.policy, job):
        overdue = Finding(Reason.JOB_OVERDUE, f"Job {job.name} ran past its deadline and is stopped")
        wants = close(context, hold, overdue, None)
        return replace(wants, stop_jobs=(StopJob(job.name, job.uid),))
    if not job.stuck:
        finding = Finding(Reason.VALIDATING, f"attempt {hold.attempt}: Job {job.name} is at work")
        return waiting(context, hold, Step.VALIDATING, finding, recovered=since, job=job)
    text = f"Job {job.name} does not start: {job.problem}"
    patience = job.created_at + timedelta(seconds=context.policy.spec.recovery.hold_seconds)
    if context.now >= patience:
        wants = close(context, hold, Finding(Reason.JOB_STUCK, text), None)
        return replace(wants, stop_jobs=(StopJob(job.name, job.uid),))
    ask = Ask(Reason.JOB_STUCK, text, f"kubectl -n {context.policy.namespace} describe job {job.name}")
    finding = Finding(Reason.JOB_STUCK, text, until=patience)
    return waiting(context, hold, Step.VALIDATING, finding, recovered=since, job=job, asks=(ask,))


def _return(context: Context, hold: Hold, job: JobSeen) -> Wants:
    """Flip the read flag back to what it was; the receipt is the permit."""
    receipt = job.receipt
    if receipt is None:
        raise ValueError(f"Job {job.name}: no way back without a receipt")
    back = replace(hold, reads=ReadsPhase.RETURNING, nonce="", returned_at=context.now)
    text = f"{receipt.message or 'the validator passed'}; reads go back to S3 and the new Pods are watched"
    return Wants(
        finding=Finding(Reason.RETURNING, text),
        desired=ReadsFrom.S3,
        look_again_at=context.now + LOOK_AGAIN,
        will=Will(hold=back, permits=frozenset((Permit(receipt.verdict, receipt.nonce, job.uid),))),
        operation=operation(context, back, Step.RETURNING, job=job),
        validation=validation_of(job),
    )
