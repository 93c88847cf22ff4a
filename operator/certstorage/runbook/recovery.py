"""The way back to S3, step by step: when S3 counts as recovered, when a receipt counts, how long to wait (scenario 1).

Everything here is a question with a reasoned answer; nothing here wants anything.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from certstorage.api.decision import JobKind, JobWanted
from certstorage.api.hold import Hold
from certstorage.api.observed import JobPhase, JobSeen, Observation
from certstorage.api.policy import Policy
from certstorage.api.reading import percent
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import Expected
from certstorage.api.signals import SignalName, SignalSet, Verdict
from certstorage.runbook.wants import Finding

FAILING = (SignalName.OUTAGE, SignalName.BLACK_HOLE)
"""Signals that mean an outage by themselves."""

BACKOFF_CAP = timedelta(hours=4)
"""The longest wait between two attempts; the first is half of recovery.holdSeconds, and it doubles."""

RECEIPT_MAX_AGE = timedelta(minutes=30)
"""A receipt older than this no longer opens the way back."""

AT_RISK_MARGIN = timedelta(minutes=15)
"""How long before the flip an object may already have missed S3: detection takes up to ten minutes."""

OVERDUE = timedelta(minutes=5)
"""The Job's own deadline ends it; one that runs on for this long after it is stopped."""

DOUBTS = {
    "LocalTreeShrunken": (Reason.LOCAL_TREE_SHRUNKEN, Expected.DELETIONS),
    "TooManyExtra": (Reason.LOCAL_TREE_SHRUNKEN, Expected.DELETIONS),
    "MostMissing": (Reason.MOST_MISSING, Expected.BACKLOG),
}
"""By the detail of a receipt: what the validator doubts, and what a person says who knows better."""

PROBES = 6
PROBE_SPREAD_SECONDS = 300
"""Without traffic, recovery is proven by this many canary rounds over this time (design section 3)."""


def outage_fires(signals: SignalSet) -> bool:
    """Whether an outage is in force: the alert of the short window, or the black hole."""
    return any(signals.verdict(name) is Verdict.FIRING for name in FAILING)


def s3_fails(signals: SignalSet) -> bool:
    """Whether S3 is known to fail, by the outage alerts or by the saves of dual-write, which the flip does not hide."""
    return outage_fires(signals) or signals.verdict(SignalName.RECOVERY) is Verdict.FIRING


def s3_answers(signals: SignalSet) -> bool:
    """Whether S3 may be called back: saves proven good, or nothing to save and a Job to probe; never on Unknown."""
    return (
        signals.trusted
        and signals.verdict(SignalName.RECOVERY) in (Verdict.CLEAR_PROVEN, Verdict.IDLE)
        and not any(signals.verdict(name) in (Verdict.FIRING, Verdict.UNKNOWN) for name in FAILING)
    )


def retry_at(policy: Policy, hold: Hold) -> datetime | None:
    """When the next attempt may open (UTC); None when none has failed yet. The wait doubles with each failure."""
    if hold.failed_at is None:
        return None
    first = timedelta(seconds=policy.spec.recovery.hold_seconds) / 2
    doubled: timedelta = first * 2 ** min(max(hold.retries - 1, 0), 16)
    return hold.failed_at + min(doubled, BACKOFF_CAP)


def job_name(hold: Hold) -> str:
    """The name of the recovery Job of the open attempt: one per (incident, attempt)."""
    return f"{hold.incident}-r{hold.attempt}"


def recovery_job(policy: Policy, seen: Observation, hold: Hold) -> JobWanted:
    """The recovery Job of the open attempt: probe, census both ways, upload, resolve, verify, sample."""
    recovery = policy.spec.recovery
    idle = seen.signals.verdict(SignalName.RECOVERY) is not Verdict.CLEAR_PROVEN
    return JobWanted(
        kind=JobKind.RECOVERY,
        name=job_name(hold),
        incident=hold.incident,
        attempt=hold.attempt,
        nonce=hold.nonce,
        inputs_hash=seen.inputs_hash,
        since=hold.since - AT_RISK_MARGIN,
        sample_rate=recovery.sample_rate,
        min_sample=recovery.min_sample,
        max_mismatch=recovery.max_mismatch,
        timeout_seconds=policy.spec.validation.timeout_seconds,
        shards=policy.spec.validation.shards,
        probes=PROBES if idle else 1,
        probe_interval_seconds=PROBE_SPREAD_SECONDS // (PROBES - 1) if idle else 0,
    )


def expected_of(failure: str) -> Expected | None:
    """What a person may say to an attempt that ended with this reason; None where nothing of the kind helps."""
    return next((expected for reason, expected in DOUBTS.values() if reason.value == failure), None)


def overdue_at(policy: Policy, job: JobSeen) -> datetime:
    """When a Job is overdue (UTC): its own deadline should have ended it before."""
    return job.created_at + timedelta(seconds=policy.spec.validation.timeout_seconds) + OVERDUE


def job_of(seen: Observation, hold: Hold) -> JobSeen | None:
    """The Job that stands under the name of the open attempt, whoever made it."""
    wanted = job_name(hold)
    return next((job for job in seen.jobs if job.name == wanted), None)


def judge(policy: Policy, seen: Observation, hold: Hold, job: JobSeen, now: datetime) -> Finding | None:
    """Why a Job that has ended does not open the way back; None when its receipt does (invariant 2)."""
    receipt = job.receipt
    if receipt is None:
        reason = Reason.RECEIPT_MISSING if job.phase is JobPhase.COMPLETE else Reason.JOB_FAILED
        return Finding(reason, f"Job {job.name} ended without a receipt: {job.problem or 'no termination message'}")
    if receipt.nonce != hold.nonce:
        return Finding(Reason.RECEIPT_FORGED, f"the receipt of Job {job.name} has not the nonce of this attempt")
    if receipt.inputs_hash != seen.inputs_hash:
        return Finding(Reason.RECEIPT_FORGED, f"the receipt of Job {job.name} was made with other inputs")
    if receipt.probe == "failed":
        return Finding(Reason.S3_STILL_DOWN, f"the probe of Job {job.name} failed: {receipt.message}")
    if receipt.detail in DOUBTS:
        return Finding(DOUBTS[receipt.detail][0], receipt.message)
    if receipt.verdict is ReceiptVerdict.INCONCLUSIVE:
        return Finding(Reason.VALIDATION_INCONCLUSIVE, receipt.message or f"Job {job.name} could not know")
    if receipt.verdict is ReceiptVerdict.FAILED:
        return Finding(Reason.VALIDATION_FAILED, receipt.message or f"Job {job.name} found mismatches")
    if job.phase is not JobPhase.COMPLETE:
        return Finding(Reason.JOB_FAILED, f"Job {job.name} says PASS but is not Complete")
    return _weigh(policy, hold, job, now)


def _weigh(policy: Policy, hold: Hold, job: JobSeen, now: datetime) -> Finding | None:
    """The numbers and times of a passing receipt: said to pass is not enough."""
    receipt, recovery = job.receipt, policy.spec.recovery
    if receipt is None:
        return Finding(Reason.RECEIPT_MISSING, f"Job {job.name} ended without a receipt")
    if receipt.at_risk_open > 0:
        return Finding(Reason.VALIDATION_FAILED, f"{receipt.at_risk_open} objects at risk are not yet equal in S3")
    if receipt.mismatch >= recovery.max_mismatch:
        text = f"mismatch rate {percent(receipt.mismatch)} is not below {percent(recovery.max_mismatch)}"
        return Finding(Reason.VALIDATION_FAILED, text)
    if receipt.sampled < min(recovery.min_sample, receipt.population) or receipt.population == 0:
        text = f"{receipt.sampled} of {receipt.population} objects were compared, {recovery.min_sample} are needed"
        return Finding(Reason.VALIDATION_INCONCLUSIVE, text)
    if hold.last_firing_at is not None and hold.last_firing_at >= job.created_at:
        return Finding(Reason.RECEIPT_STALE, f"S3 failed again after Job {job.name} had begun")
    if now - receipt.finished_at > RECEIPT_MAX_AGE:
        return Finding(Reason.RECEIPT_STALE, f"the receipt of Job {job.name} is older than 30 minutes")
    return None
