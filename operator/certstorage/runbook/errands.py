"""One Job that a scenario sends: whether it may start, how far it is, and what its receipt is worth.

Nothing goes back to S3 on such a Job. Its nonce is made of the policy's UID and the Job's name, so that no memory is
needed to find it again; the recovery and the sweep, on which reads and replicas hang, have random ones in the hold.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from certstorage.api.decision import JobWanted, StopJob
from certstorage.api.observed import JobPhase, JobSeen
from certstorage.api.policy import Mode, Repair
from certstorage.api.reasons import Reason
from certstorage.api.receipt import Receipt, ReceiptVerdict
from certstorage.api.status import Validation
from certstorage.runbook.bands import mismatch_fails
from certstorage.runbook.recovery import OVERDUE
from certstorage.runbook.wants import Context, Finding

STUCK_PATIENCE = timedelta(minutes=10)
"""A Pod that does not start is given this long."""


class Progress(StrEnum):
    """How far a Job is, or what it came to."""

    REFUSED = "Refused"
    """It may not start now; `finding` says why."""
    STARTING = "Starting"
    RUNNING = "Running"
    STUCK = "Stuck"
    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self in (Progress.PASSED, Progress.FAILED, Progress.INCONCLUSIVE)


_VERDICTS = {Progress.PASSED: "Pass", Progress.FAILED: "Fail", Progress.INCONCLUSIVE: "Inconclusive"}


@dataclass(frozen=True, slots=True)
class Errand:
    """One Job as of this pass. `finding` says how it stands; `jobs` and `stop_jobs` are what is to be done for it."""

    progress: Progress
    finding: Finding
    job: JobSeen | None = None
    receipt: Receipt | None = None
    jobs: tuple[JobWanted, ...] = ()
    stop_jobs: tuple[StopJob, ...] = ()

    @property
    def validation(self) -> Validation | None:
        """What status keeps of its receipt: as it was judged, whatever it says."""
        verdict = _VERDICTS.get(self.progress)
        if self.receipt is None or self.job is None or verdict is None:
            return None
        return replace(Validation.of(self.receipt, self.job.uid, self.job.name), verdict=verdict)


def against_mending(context: Context) -> Finding | None:
    """Why the operator mends no copies of its own accord; None when a Job may."""
    shared, signals = context.seen.neighbours.same_storage, context.seen.signals
    mode = context.policy.spec.mode
    if shared:
        return Finding(Reason.STORAGE_SHARED, f"policy {shared} covers the same bucket and prefix: nothing is repaired")
    if mode is not Mode.ENFORCE:
        return Finding(Reason.MODE_PROTECT_ONLY, f"spec.mode is {mode}: a person asks for the repair")
    if not signals.trusted:
        text = f"nothing is repaired while signals are unknown: {signals.message}"
        return Finding(Reason.SIGNALS_UNKNOWN, text)
    if context.policy.spec.validation.repair is Repair.REPORT:
        return Finding(Reason.REPAIR_BY_PERSON, "validation.repair is Report: a person asks for the repair")
    return None


def nonce(context: Context, name: str) -> str:
    """The nonce of a Job that no memory is kept for."""
    return hashlib.sha256(f"{context.policy.uid}/{name}".encode()).hexdigest()[:32]


def bound(context: Context, wanted: JobWanted) -> JobWanted:
    """The Job with its nonce and inputs."""
    return replace(wanted, nonce=nonce(context, wanted.name), inputs_hash=context.seen.inputs_hash)


def refusal(context: Context) -> Finding | None:
    """Why no Job may start now, however much it is wanted."""
    if context.policy.spec.mode is Mode.OBSERVE:
        return Finding(Reason.MODE_OBSERVE, "spec.mode is Observe: no Job is made")
    if context.seen.neighbours.same_target:
        other = context.seen.neighbours.same_target
        return Finding(Reason.TARGET_SHARED, f"policy {other} is older and already cares for this Deployment")
    if context.target.problems:
        return Finding(context.target.problems[0].reason, context.target.problems[0].message)
    return None


def follow(context: Context, wanted: JobWanted, *, known_uid: str = "") -> Errand:
    """Start the Job, or see how far it is. `known_uid` is that of a Job of this name that was seen before."""
    seen = context.seen
    job = next((one for one in seen.jobs if one.name == wanted.name), None)
    if seen.blind and (job is None or job.phase is JobPhase.RUNNING):
        return Errand(Progress.REFUSED, Finding(seen.blind[0].reason, seen.blind[0].message), job)
    if job is None and known_uid:
        text = f"Job {wanted.name} was deleted before its receipt was read"
        return Errand(Progress.INCONCLUSIVE, Finding(Reason.JOB_GONE, text))
    if job is None:
        against = refusal(context)
        if against is not None:
            return Errand(Progress.REFUSED, against)
        return Errand(Progress.STARTING, Finding(Reason.JOB_RUNNING, f"Job {wanted.name} starts"), jobs=(wanted,))
    if not job.ours:
        text = f"a Job {job.name} exists that is not ours: {job.problem or 'it has another owner'}"
        return Errand(Progress.INCONCLUSIVE, Finding(Reason.JOB_FOREIGN, text))
    if job.phase is JobPhase.RUNNING:
        return _running(context, wanted, job)
    return judged(wanted, job)


def _running(context: Context, wanted: JobWanted, job: JobSeen) -> Errand:
    age, stop = context.now - job.created_at, (StopJob(job.name, job.uid),)
    if job.stuck:
        text = f"Job {job.name} does not start: {job.problem}"
        if age < STUCK_PATIENCE:
            until = job.created_at + STUCK_PATIENCE
            return Errand(Progress.STUCK, Finding(Reason.JOB_STUCK, text, until=until), job)
        return Errand(Progress.INCONCLUSIVE, Finding(Reason.JOB_STUCK, text), stop_jobs=stop)
    if age >= timedelta(seconds=wanted.timeout_seconds) + OVERDUE:
        text = f"Job {job.name} ran past its deadline and is stopped"
        return Errand(Progress.INCONCLUSIVE, Finding(Reason.JOB_OVERDUE, text), stop_jobs=stop)
    return Errand(Progress.RUNNING, Finding(Reason.JOB_RUNNING, f"Job {job.name} is at work"), job)


def judged(wanted: JobWanted, job: JobSeen) -> Errand:
    """What a Job that has ended came to: by its receipt, which must carry its nonce and inputs."""
    receipt = job.receipt
    if receipt is None:
        reason = Reason.RECEIPT_MISSING if job.phase is JobPhase.COMPLETE else Reason.JOB_FAILED
        text = f"Job {job.name} ended without a receipt: {job.problem or 'no termination message'}"
        return Errand(Progress.INCONCLUSIVE, Finding(reason, text))
    if receipt.nonce != wanted.nonce or receipt.inputs_hash != wanted.inputs_hash:
        text = f"the receipt of Job {job.name} was made for another run or with other inputs"
        return Errand(Progress.INCONCLUSIVE, Finding(Reason.RECEIPT_FORGED, text))
    said = receipt.message or f"Job {job.name} says {receipt.verdict}"
    if receipt.verdict is ReceiptVerdict.INCONCLUSIVE:
        return Errand(Progress.INCONCLUSIVE, Finding(Reason.VALIDATION_INCONCLUSIVE, said), job, receipt)
    if receipt.verdict is ReceiptVerdict.FAILED or mismatch_fails(receipt.mismatch):
        return Errand(Progress.FAILED, Finding(Reason.VALIDATION_FAILED, said), job, receipt)
    if job.phase is not JobPhase.COMPLETE:
        text = f"Job {job.name} says PASS but is not Complete"
        return Errand(Progress.INCONCLUSIVE, Finding(Reason.JOB_FAILED, text), job, receipt)
    return Errand(Progress.PASSED, Finding(Reason.DATA_VERIFIED, said), job, receipt)
