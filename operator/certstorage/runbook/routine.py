"""The nightly backfill validation, and validations and repairs that people ask for.

A fire time that was missed is caught up once: only the last one counts. Nothing is compared while reads are held local
(the way back compares by itself), while an outage fires, or while a sweep has stopped the application.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from certstorage.api.decision import JobKind, JobWanted, RepairMode
from certstorage.api.policy import Mode
from certstorage.api.reasons import Reason
from certstorage.api.requests import RequestPhase, RequestSeen, RequestType
from certstorage.api.scenarios import Scenario, ScenarioState, Step
from certstorage.runbook.asked import LOOK_AGAIN as ASKED_LOOK_AGAIN
from certstorage.runbook.asked import answered, done, expired, open_of
from certstorage.runbook.errands import Errand, Progress, against_mending, bound, follow
from certstorage.runbook.inconsistency import SAMPLE_RATE
from certstorage.runbook.recovery import outage_fires
from certstorage.runbook.wants import NOTHING, Ask, Context, Finding, Wants

LOOK_AGAIN = timedelta(seconds=30)
MOST_TRIES = 2
"""Tries of one night; after that the next night is waited for, and people are told."""


def routine(context: Context) -> Wants:
    """What the nightly validation wants now."""
    fires, state = context.seen.schedules.validation, context.before.scenario(Scenario.ROUTINE)
    due = _due(context, state)
    if due is None:
        return NOTHING if fires.next is None else Wants(state=state, look_again_at=fires.next)
    blocked = blocker(context)
    if blocked is not None:
        return Wants(state=state, look_again_at=context.now + LOOK_AGAIN)
    return _run(context, state, due)


def blocker(context: Context) -> Finding | None:
    """Why copies are not compared now."""
    if context.policy.spec.mode is Mode.OBSERVE:
        return Finding(Reason.MODE_OBSERVE, "spec.mode is Observe: no Job is made")
    if context.reads_held or outage_fires(context.seen.signals):
        return Finding(Reason.OUTAGE_IN_FORCE, "an outage is in force: the way back compares both copies by itself")
    if context.hold is not None and context.hold.sweep is not None:
        return Finding(Reason.SWEEP_UNDER_WAY, "a sweep is under way and compares both copies by itself")
    return None


def _created(context: Context) -> datetime | None:
    try:
        found = datetime.fromisoformat(context.policy.created)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _due(context: Context, state: ScenarioState | None) -> datetime | None:
    """The fire time that is still to be answered: the last one, if no run has ended for it."""
    last = context.seen.schedules.validation.last
    if last is None:
        return None
    if state is not None:
        return None if state.marks.get("doneFor", last - timedelta(1)) >= last else last
    created, done_at = _created(context), context.before.last_validation
    if created is not None and created >= last:
        return None
    ran = done_at is not None and done_at.command in ("", "check") and done_at.finished_at >= last
    return None if ran else last


def nightly_job(context: Context, due: datetime, attempt: int) -> JobWanted:
    """The Job of one night: its name is made of the fire time, so it is made once however often the operator starts."""
    spec = context.policy.spec
    wanted = JobWanted(
        kind=JobKind.VALIDATION,
        name=f"{context.policy.name}-n-{due:%Y%m%d-%H%M}-{attempt}",
        attempt=attempt,
        sample_rate=spec.validation.sample_rate,
        min_sample=spec.recovery.min_sample,
        max_mismatch=spec.recovery.max_mismatch,
        timeout_seconds=spec.validation.timeout_seconds,
        repair=RepairMode.MISSING if against_mending(context) is None else RepairMode.REPORT,
        shards=spec.validation.shards,
    )
    return bound(context, wanted)


def _run(context: Context, state: ScenarioState | None, due: datetime) -> Wants:
    going = state is not None and state.marks.get("dueFor") == due
    attempt = max(1, state.attempt) if going and state is not None else 1
    began = state.started_at if going and state is not None else context.now
    wanted = nightly_job(context, due, attempt)
    uid = state.job_uid if going and state is not None and state.job_name == wanted.name else ""
    errand = follow(context, wanted, known_uid=uid)
    if errand.progress is Progress.INCONCLUSIVE and attempt < MOST_TRIES:
        again = _state(Step.VALIDATING, began, context.now, attempt=attempt + 1, marks={"dueFor": due})
        return _with(errand, again, context.now + LOOK_AGAIN)
    if errand.progress.over:
        asks = _asks(context, errand) if errand.progress is Progress.INCONCLUSIVE else ()
        over = _state(Step.DONE, began, context.now, attempt=attempt, marks={"doneFor": due})
        return replace(_with(errand, over, context.now + timedelta(seconds=1)), asks=asks)
    since = state.since if going and state is not None else context.now
    running = _state(Step.VALIDATING, began, since, attempt=attempt, marks={"dueFor": due}, errand=errand)
    return _with(errand, running, context.now + LOOK_AGAIN)


def _asks(context: Context, errand: Errand) -> tuple[Ask, ...]:
    policy = context.policy
    text = f"the nightly validation could not tell whether both copies are the same: {errand.finding.message}"
    command = f"kubectl certstorage request validation {policy.name} -n {policy.namespace}"
    return (Ask(errand.finding.reason, text, command, scenario=Scenario.ROUTINE),)


def _state(
    step: Step,
    began: datetime,
    since: datetime,
    *,
    attempt: int,
    marks: dict[str, datetime],
    errand: Errand | None = None,
) -> ScenarioState:
    job = None if errand is None else errand.job
    return ScenarioState(
        name=Scenario.ROUTINE,
        step=step,
        started_at=began,
        since=since,
        attempt=attempt,
        job_name="" if job is None else job.name,
        job_uid="" if job is None else job.uid,
        marks=marks,
    )


def _with(errand: Errand, state: ScenarioState, look: datetime) -> Wants:
    return Wants(
        look_again_at=look,
        state=state,
        validation=errand.validation,
        jobs=errand.jobs,
        stop_jobs=errand.stop_jobs,
    )


def requested(context: Context) -> Iterator[Wants]:
    """Validations and repairs that people ask for, each by a Job of its own; one after the other."""
    busy = False
    for kind in (RequestType.VALIDATION, RequestType.REPAIR):
        for request in open_of(context, kind):
            wants = _request(context, request) if not busy else _queue(context, request)
            busy = True
            yield replace(wants, look_again_at=context.now + ASKED_LOOK_AGAIN)


def _queue(context: Context, request: RequestSeen) -> Wants:
    over = expired(context, request)
    if over is not None:
        return Wants(answers=over)
    text = "another request of this policy goes first"
    return Wants(
        answers=answered(request, phase=RequestPhase.PENDING, reason=Reason.WAITS_ITS_TURN.value, message=text)
    )


def _request(context: Context, request: RequestSeen) -> Wants:
    over = expired(context, request)
    if over is not None:
        return Wants(answers=over)
    wanted = request_job(context, request)
    against = _against(context, request, wanted)
    if against is not None and request.status.started_at is None:
        until = against.until or context.now + ASKED_LOOK_AGAIN
        refused = answered(
            request, phase=RequestPhase.REFUSED, reason=against.reason.value, message=against.message, until=until
        )
        return Wants(answers=refused)
    errand = follow(context, wanted, known_uid=request.status.job_uid)
    if errand.progress is Progress.REFUSED:
        return Wants(
            answers=answered(
                request,
                phase=RequestPhase.REFUSED if request.status.started_at is None else RequestPhase.RUNNING,
                reason=errand.finding.reason.value,
                message=errand.finding.message,
                until=context.now + ASKED_LOOK_AGAIN,
            )
        )
    if errand.progress.over:
        verdict = {Progress.PASSED: "Pass", Progress.FAILED: "Fail"}.get(errand.progress, "Inconclusive")
        report = "" if errand.receipt is None else errand.receipt.report
        ended = done(
            context, request, errand.finding.reason, errand.finding.message, verdict=verdict, report=report,
            started_at=request.status.started_at or context.now, job_name=wanted.name,
        )  # fmt: skip
        told = errand.validation if request.kind is RequestType.VALIDATION else None
        return replace(ended, validation=told, stop_jobs=errand.stop_jobs)
    return Wants(
        jobs=errand.jobs,
        answers=answered(
            request,
            phase=RequestPhase.RUNNING,
            reason=errand.finding.reason.value,
            message=errand.finding.message,
            started_at=request.status.started_at or context.now,
            job_name=wanted.name,
            job_uid="" if errand.job is None else errand.job.uid,
        ),
    )


def request_job(context: Context, request: RequestSeen) -> JobWanted:
    """The Job of one request; its name is made of the request's UID."""
    spec, last = context.policy.spec, context.before.last_validation
    repairing = request.kind is RequestType.REPAIR
    wanted = JobWanted(
        kind=JobKind.REPAIR if repairing else JobKind.VALIDATION,
        name=f"{context.policy.name}-rq-{request.uid.replace('-', '')[:12]}",
        sample_rate=request.sample_rate or (SAMPLE_RATE if repairing else spec.validation.sample_rate),
        min_sample=spec.recovery.min_sample,
        max_mismatch=spec.recovery.max_mismatch,
        timeout_seconds=spec.validation.timeout_seconds,
        repair=RepairMode.ALL if repairing else RepairMode.REPORT,
        source=last.report if repairing and last is not None else "",
        keys=request.keys if repairing else (),
        shards=1 if repairing else spec.validation.shards,
        request=request.name,
    )
    return bound(context, wanted)


def _against(context: Context, request: RequestSeen, wanted: JobWanted) -> Finding | None:
    blocked = blocker(context)
    if blocked is not None or request.kind is RequestType.VALIDATION:
        return blocked
    shared = context.seen.neighbours.same_storage
    if shared:
        return Finding(Reason.STORAGE_SHARED, f"policy {shared} covers the same bucket and prefix: nothing is repaired")
    if not context.seen.signals.trusted:
        return Finding(Reason.SIGNALS_UNKNOWN, f"nothing is repaired meanwhile: {context.seen.signals.message}")
    if not wanted.source and not wanted.keys:
        text = "there is no report to repair from: ask for a validation first, or name keys"
        return Finding(Reason.NO_REPORT, text)
    return None
