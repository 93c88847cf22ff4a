"""Integrity sweep of the runbook: stop writes, compare a 10 % sample, resume.

    request ──approved──► ScalingDown ──Pods gone──► Sweeping ──PASS──► replicas back
                 │             │                        └──FAIL, INCONCLUSIVE──► replicas back, reads local (or Hold)
                 └─refused     └──outage, deadline, somebody scales up──────────► replicas back, reads local

Replicas, hold and restore-by time are one PATCH; a CronJob gives back past that time even if the operator is dead. What
does not pass leaves reads local, and the way back of scenario 1 mends, proves and returns.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from certstorage.api.alerts import Severity
from certstorage.api.decision import EventType, EventWanted, JobKind, JobWanted, StopJob
from certstorage.api.hold import Hold, ReadsPhase, SweepHold
from certstorage.api.incidents import IncidentPhase
from certstorage.api.policy import Mode, SweepFailure
from certstorage.api.reasons import Reason
from certstorage.api.requests import RequestAnswer, RequestPhase, RequestSeen, RequestType
from certstorage.api.scenarios import Scenario, ScenarioState, Step
from certstorage.api.status import Operation, ReadsFrom, SweepStatus
from certstorage.runbook import preflight
from certstorage.runbook.asked import answered
from certstorage.runbook.errands import Errand, Progress, follow
from certstorage.runbook.recovery import outage_fires
from certstorage.runbook.sweep_record import case_of, page, ticket
from certstorage.runbook.wants import NOTHING, Context, Finding, Wants
from certstorage.runbook.will import KEEP, Replicas, Will

LOOK_AGAIN = timedelta(seconds=15)
JOB_MARGIN = timedelta(minutes=2)
"""The Job's own deadline ends this long before replicas are given back."""


def under_way(context: Context) -> Wants:
    """What a sweep that has stopped the application wants now."""
    hold = context.hold
    if hold is None or hold.sweep is None:
        return NOTHING
    share, now = hold.sweep, context.now
    if hold.replicas is None or hold.restore_by is None:
        text = "replicas were given back without this operator, past their restore-by time"
        return _ended(context, hold, share, Finding(Reason.SWEEP_GIVEN_BACK, text))
    if context.target.replicas > 0:
        text = "somebody scaled the Deployment up during the sweep: writes went on, so nothing is proven"
        return _ended(context, hold, share, Finding(Reason.SWEEP_INTERRUPTED, text))
    if context.policy.spec.mode is not Mode.ENFORCE:
        mode = context.policy.spec.mode
        text = f"spec.mode became {mode} during the sweep: replicas are given back"
        return _ended(context, hold, share, Finding(preflight.REFUSED_BY[mode], text))
    if now >= hold.restore_by:
        text = f"the sweep was not done by {hold.restore_by:%H:%M:%S} UTC: replicas are given back"
        return _ended(context, hold, share, Finding(Reason.SWEEP_OVERDUE, text))
    if outage_fires(context.seen.signals):
        text = "S3 is down in the middle of the sweep: replicas are given back"
        return _ended(context, hold, share, Finding(Reason.OUTAGE_IN_FORCE, text))
    if share.failure:
        return _held_for_people(context, hold, share)
    left = _pods_left(context)
    if left:
        text = f"writes are stopped: {left}"
        return _goes_on(context, hold, share, Step.SCALING_DOWN, Finding(Reason.SWEEP_SCALING_DOWN, text))
    return _compare(context, hold, share)


def _pods_left(context: Context) -> str:
    """Which Pods of the Deployment may still write; empty when none is left, as far as all of them can be seen."""
    target, pods = context.target, context.seen.pods
    if context.seen.blind:
        return f"whether Pods are left cannot be seen: {context.seen.blind[0].message}"
    if target.observed_generation < target.generation:
        return "the Deployment's controller has not seen the new number of replicas yet"
    left = max(target.total, pods.total) + pods.terminating
    return f"{left} Pods are not gone yet" if left else ""


def sweep_job(context: Context, hold: Hold, share: SweepHold, rate: float | None = None) -> JobWanted:
    """Step 2: the full validator; its receipt is bound by the nonce in the hold."""
    spec = context.policy.spec
    until = hold.restore_by or context.now
    seconds = (until - share.since - JOB_MARGIN).total_seconds()
    return JobWanted(
        kind=JobKind.SWEEP,
        name=f"{share.incident}-s1",
        incident=share.incident,
        nonce=share.nonce,
        inputs_hash=context.seen.inputs_hash,
        sample_rate=rate or spec.sweep.sample_rate,
        min_sample=spec.recovery.min_sample,
        max_mismatch=spec.recovery.max_mismatch,
        timeout_seconds=max(30, int(seconds)),
        shards=spec.validation.shards,
        request=share.request,
    )


def _compare(context: Context, hold: Hold, share: SweepHold) -> Wants:
    request = request_of(context, share)
    wanted = sweep_job(context, hold, share, None if request is None else request.sample_rate)
    operation = context.operation
    known = operation.job_uid if operation is not None and operation.job_name == wanted.name else ""
    errand = follow(context, wanted, known_uid=known)
    if errand.progress is Progress.PASSED:
        return _passed(context, hold, share, errand)
    if errand.progress.over:
        keeps = context.policy.spec.sweep.on_failure is SweepFailure.HOLD and errand.progress is Progress.FAILED
        if keeps:
            held = replace(share, failure=errand.finding.reason.value)
            wants = _held_for_people(context, hold, held, errand)
            return replace(wants, will=Will(sweep=held), validation=errand.validation)
        return _ended(context, hold, share, errand.finding, errand)
    return _goes_on(context, hold, share, Step.SWEEPING, errand.finding, errand=errand)


def request_of(context: Context, share: SweepHold) -> RequestSeen | None:
    """The request that asked for this sweep."""
    return next((one for one in context.seen.requests if one.uid == share.request_uid), None)


def _goes_on(
    context: Context, hold: Hold, share: SweepHold, step: Step, finding: Finding, *, errand: Errand | None = None
) -> Wants:
    row = "sweep/step-1" if step is Step.SCALING_DOWN else "sweep/step-2"
    request = request_of(context, share)
    return Wants(
        finding=Finding(finding.reason, finding.message, until=hold.restore_by),
        look_again_at=min(context.now + LOOK_AGAIN, hold.restore_by or context.now + LOOK_AGAIN),
        operation=_operation(context, hold, share, step, errand),
        jobs=() if errand is None else errand.jobs,
        answers=() if request is None else _running(context, request, share, finding),
        cases=(case_of(share, finding, row, IncidentPhase.OPEN),),
    )


def _running(context: Context, request: RequestSeen, share: SweepHold, finding: Finding) -> tuple[RequestAnswer, ...]:
    return answered(
        request,
        phase=RequestPhase.RUNNING,
        reason=finding.reason.value,
        message=finding.message,
        started_at=request.status.started_at or share.since,
        incident=share.incident,
        job_name=f"{share.incident}-s1",
    )


def _operation(context: Context, hold: Hold, share: SweepHold, step: Step, errand: Errand | None) -> Operation:
    old = context.operation
    same = old is not None and old.type is Scenario.SWEEP and old.step is step
    job = None if errand is None else errand.job
    return Operation(
        type=Scenario.SWEEP,
        step=step,
        started_at=share.since,
        since=old.since if old is not None and same else context.now,
        attempt=1,
        deadline=hold.restore_by,
        restore_by=hold.restore_by,
        job_name="" if job is None else job.name,
        job_uid="" if job is None else job.uid,
        request=share.request,
    )


def _passed(context: Context, hold: Hold, share: SweepHold, errand: Errand) -> Wants:
    """Step 4: resume."""
    text = f"the sweep passed: {errand.finding.message}; {hold.replicas} replicas are given back"
    finding = Finding(Reason.SWEEP_PASSED, text)
    request = request_of(context, share)
    status = context.before.sweep or SweepStatus()
    return Wants(
        finding=finding,
        look_again_at=context.now + timedelta(seconds=1),
        will=Will(sweep=None, replicas=Replicas.BACK),
        validation=errand.validation,
        sweep_status=replace(status, last_passed_at=context.now, backfilled_objects=0),
        state=ScenarioState(Scenario.SWEEP, Step.RESTORING, share.since, context.now),
        answers=() if request is None else _answer(context, request, share, finding, "Pass", errand=errand),
        cases=(case_of(share, finding, "sweep/step-4", IncidentPhase.RESOLVED, errand=errand),),
    )


def _answer(
    context: Context, request: RequestSeen, share: SweepHold, finding: Finding, verdict: str, *, errand: Errand | None
) -> tuple[RequestAnswer, ...]:
    receipt = None if errand is None else errand.receipt
    return answered(
        request,
        phase=RequestPhase.DONE,
        reason=finding.reason.value,
        message=finding.message,
        verdict=verdict,
        report="" if receipt is None else receipt.report,
        started_at=request.status.started_at or share.since,
        finished_at=context.now,
        incident=share.incident,
    )


def _ended(context: Context, hold: Hold, share: SweepHold, failure: Finding, errand: Errand | None = None) -> Wants:
    """Anything but a pass: replicas back, reads local, the ticket's text, and a page."""
    failed = errand is not None and errand.progress is Progress.FAILED
    observe = context.policy.spec.mode is Mode.OBSERVE
    text = f"the sweep did not pass: {failure.message}" + ("" if observe else "; replicas are back, with reads local")
    finding = Finding(failure.reason, text)
    request = request_of(context, share)
    local = Hold(
        policy_uid=context.policy.uid,
        policy_name=context.policy.name,
        target_uid=context.target.uid,
        incident=share.incident,
        since=share.since,
        reads=ReadsPhase.LOCAL,
        asserted_at=context.now,
    )
    keeps_own = context.reads_held or observe or outage_fires(context.seen.signals)
    stop = tuple(
        StopJob(one.name, one.uid)
        for one in context.seen.jobs
        if one.ours and one.name == f"{share.incident}-s1" and one.finished_at is None
    )
    case = case_of(
        share,
        finding,
        "sweep/step-5",
        IncidentPhase.RESOLVED if keeps_own else IncidentPhase.MITIGATED,
        severity=Severity.CRITICAL,
        errand=errand,
        text=ticket(context, share, failure, errand),
    )
    return Wants(
        finding=finding,
        look_again_at=context.now + timedelta(seconds=1),
        will=Will(local=not observe, hold=KEEP if keeps_own else local, sweep=None, replicas=Replicas.BACK),
        desired=None if observe else ReadsFrom.LOCAL,
        validation=None if errand is None else errand.validation,
        stop_jobs=stop,
        answers=()
        if request is None
        else _answer(context, request, share, finding, "Fail" if failed else "Inconclusive", errand=errand),
        cases=(case,),
        asks=(page(context, share.incident, Reason.SWEEP_NOT_PASSED, text, share.since),),
        events=(EventWanted(EventType.WARNING, finding.reason.value, text),),
    )


def _held_for_people(context: Context, hold: Hold, share: SweepHold, errand: Errand | None = None) -> Wants:
    """sweep.onFailure: Hold. Replicas stay at 0 for people to look, until the deadline or a request of type Return."""
    asked = next((one for one in context.seen.requests if one.kind is RequestType.RETURN and one.open
                  and one.created_at >= share.since and context.now < one.expires_at), None)  # fmt: skip
    if asked is not None and errand is None:
        text = f"{asked.name} by {asked.by or 'somebody'} ends the wait"
        return _ended(context, hold, share, Finding(Reason.SWEEP_GIVEN_BACK, text))
    policy = context.policy
    text = f"the sweep failed ({share.failure}); replicas stay at 0 for people to look"
    finding = Finding(Reason.SWEEP_HELD, text)
    command = f"kubectl certstorage request return {policy.name} -n {policy.namespace}"
    wants = _goes_on(context, hold, share, Step.AWAITING_PERSON, finding, errand=errand)
    case = case_of(
        share, finding, "sweep/step-5", IncidentPhase.OPEN, severity=Severity.CRITICAL, errand=errand,
        text="" if errand is None else ticket(context, share, finding, errand),
    )  # fmt: skip
    asks = (replace(page(context, share.incident, finding.reason, text, share.since), command=command),)
    return replace(wants, asks=asks, cases=(case,))
