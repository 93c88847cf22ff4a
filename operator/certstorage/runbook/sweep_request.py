"""Before a sweep: which request is next, what its plan is, who approved it, and what refuses it now.

What refuses it is in `sweep_gates.py`; what happens once it has begun is in `sweep.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from certstorage.api.hold import SweepHold
from certstorage.api.incidents import IncidentPhase
from certstorage.api.observed import JobPhase
from certstorage.api.policy import Approval
from certstorage.api.reading import percent
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import Answer, RequestPhase, RequestSeen, RequestType, Trigger
from certstorage.api.scenarios import Scenario, Step
from certstorage.api.status import Operation
from certstorage.runbook import sweep_gates
from certstorage.runbook.asked import LOOK_AGAIN, answered, approval, done, expired, open_of, plan_hash
from certstorage.runbook.contacts import SEVERITY, incident_command
from certstorage.runbook.sweep import LOOK_AGAIN as SOON
from certstorage.runbook.sweep import under_way
from certstorage.runbook.threads import incident_name
from certstorage.runbook.wants import NOTHING, Ask, Case, Context, Finding, Wants
from certstorage.runbook.will import Replicas, Will

RESTORED_WITHIN = timedelta(minutes=10)
"""Replicas that were given back must be available within this time, or people are paged."""


def sweep(context: Context) -> Wants:
    """What the integrity sweep wants now."""
    if context.hold is not None and context.hold.sweep is not None:
        return under_way(context)
    requests = open_of(context, RequestType.SWEEP)
    restoring = _restoring(context)
    if not requests:
        return restoring
    first, *others = requests
    wants = _consider(context, first)
    for other in others:
        over = expired(context, other)
        text = f"{first.name} goes first"
        queued = answered(other, phase=RequestPhase.PENDING, reason=Reason.WAITS_ITS_TURN.value, message=text)
        wants = replace(wants, answers=(*wants.answers, *(queued if over is None else over)))
    if restoring is NOTHING:
        return wants
    return replace(wants, state=restoring.state, finding=restoring.finding, asks=(*wants.asks, *restoring.asks))


def _restoring(context: Context) -> Wants:
    """After a sweep: the replicas must really come back."""
    state, target = context.before.scenario(Scenario.SWEEP), context.target
    if state is None or state.step is not Step.RESTORING:
        return NOTHING
    if target.replicas > 0 and target.rolled_out:
        return NOTHING
    text = f"replicas are given back: {target.available} of {target.replicas} are available"
    late = context.now >= state.since + RESTORED_WITHIN
    asks: tuple[Ask, ...] = ()
    if late:
        command = f"kubectl -n {context.policy.namespace} get pods"
        asks = (Ask(Reason.ROLLOUT_STUCK, f"{text}, ten minutes after the sweep", command,
                    scenario=Scenario.SWEEP, since=state.since + RESTORED_WITHIN),)  # fmt: skip
    return Wants(
        finding=Finding(Reason.SWEEP_RESTORING, text), look_again_at=context.now + SOON, state=state, asks=asks
    )


def plan_of(context: Context, request: RequestSeen) -> tuple[str, ...]:
    """What will be done, line by line, as an approver should read it."""
    spec = context.policy.spec
    rate = percent(request.sample_rate or spec.sweep.sample_rate)
    failing = (
        "replicas back at once, with reads local"
        if spec.sweep.on_failure == "ServeLocal"
        else f"replicas stay at 0 for people to look, until {spec.sweep.max_duration_seconds} s have passed"
    )
    return (
        f"Stop writes: scale deployment/{spec.target.name} from {context.target.replicas} to 0; nobody is served.",
        f"Compare {rate} of bucket {spec.storage.bucket} with local disk, {spec.recovery.min_sample} objects at least.",
        f"PASS (mismatch <{percent(spec.recovery.max_mismatch)}): scale back to {context.target.replicas}.",
        f"FAIL: {failing}; page SRE and the engineering lead.",
        f"Replicas are back {spec.sweep.max_duration_seconds} s after the begin at the latest.",
    )


def digest_of(context: Context, request: RequestSeen, plan: tuple[str, ...]) -> str:
    """Hash of the plan, the request and the Deployment that it is about."""
    return plan_hash(plan, request.uid, context.target.uid, context.policy.uid)


def _consider(context: Context, request: RequestSeen) -> Wants:
    if request.status.started_at is not None:
        return _interrupted(context, request)
    over = expired(context, request)
    if over is not None:
        return Wants(answers=over)
    plan = plan_of(context, request)
    digest = digest_of(context, request, plan)
    approved = _approved(context, request, digest)
    if approved.denied:
        denied = answered(
            request,
            phase=RequestPhase.DENIED,
            reason=Reason.REQUEST_DENIED.value,
            message=f"denied by {approved.by}",
            approved_by=approved.by,
            finished_at=context.now,
        )
        return Wants(answers=denied)
    facts: dict[str, Any] = {"plan": plan, "plan_hash": digest, "approved_by": approved.by}
    against = sweep_gates.refusal(context)
    if against is not None:
        until = against.until or context.now + LOOK_AGAIN
        refused = answered(
            request,
            phase=RequestPhase.REFUSED,
            reason=against.reason.value,
            message=against.message,
            until=until,
            **facts,
        )
        return Wants(answers=refused, look_again_at=until)
    if approved.waiting is not None:
        return _waits(context, request, approved.waiting, facts)
    return _begin(context, request, facts)


@dataclass(frozen=True, slots=True)
class _Approved:
    """Whether a sweep may begin: by whom, or what it waits for."""

    by: str = ""
    waiting: Finding | None = None
    denied: bool = False


def _approved(context: Context, request: RequestSeen, digest: str) -> _Approved:
    answer = approval(context, digest, request=request.name)
    if answer is not None:
        return _Approved(answer.by, denied=answer.decision is Answer.DENY)
    if request.status.approved_by and request.status.plan_hash == digest:
        return _Approved(request.status.approved_by)
    spec = context.policy.spec.sweep
    if spec.approval is Approval.AUTOMATIC and request.trigger is not Trigger.PERSON:
        window = _window(context)
        return _Approved("the sweep window") if window is None else _Approved(waiting=window)
    policy = context.policy
    command = f"kubectl certstorage approve {request.name} -n {policy.namespace}"
    changed = bool(request.status.approved_by)
    reason = Reason.PLAN_CHANGED if changed else Reason.SWEEP_AWAITING_APPROVAL
    text = "the plan changed after it was approved; " if changed else ""
    return _Approved(waiting=Finding(reason, f"{text}a person must approve the plan: {command}"))


def _window(context: Context) -> Finding | None:
    """Why the sweep may not begin by itself now; None inside the window, while the whole sweep still fits into it."""
    spec, fires, now = context.policy.spec.sweep, context.seen.schedules.window, context.now
    if spec.window is not None and fires.last is not None:
        closes = fires.last + timedelta(seconds=spec.window.duration_seconds)
        if now + timedelta(seconds=spec.max_duration_seconds) <= closes:
            return None
    when = "" if fires.next is None else f", which opens at {fires.next:%Y-%m-%d %H:%M} UTC"
    return Finding(Reason.OUTSIDE_WINDOW, f"it waits for the sweep window{when}", until=fires.next)


def _waits(context: Context, request: RequestSeen, finding: Finding, facts: dict[str, Any]) -> Wants:
    answer = answered(
        request,
        phase=RequestPhase.PENDING,
        reason=finding.reason.value,
        message=finding.message,
        until=finding.until,
        **{**facts, "approved_by": ""},
    )
    asks: tuple[Ask, ...] = ()
    if finding.reason is not Reason.OUTSIDE_WINDOW:
        policy = context.policy
        command = f"kubectl certstorage approve {request.name} -n {policy.namespace}"
        text = (
            f"{request.name} asks for an integrity sweep ({request.why or request.trigger.value}): approve or deny it"
        )
        asks = (Ask(finding.reason, text, command, severity=SEVERITY[Scenario.SWEEP], scenario=Scenario.SWEEP,
                    since=request.created_at),)  # fmt: skip
    return Wants(answers=answer, asks=asks, look_again_at=finding.until or context.now + timedelta(minutes=5))


def _begin(context: Context, request: RequestSeen, facts: dict[str, Any]) -> Wants:
    """Step 1: replicas to 0, and all that must be given back remembered, in one write."""
    policy, now = context.policy, context.now
    share = SweepHold(
        request=request.name,
        request_uid=request.uid,
        incident=incident_name(policy.name, now, Scenario.SWEEP),
        since=now,
        nonce=context.seen.token,
    )
    restore_by = now + timedelta(seconds=policy.spec.sweep.max_duration_seconds)
    replicas = context.target.replicas
    text = f"writes are stopped for {request.name}: {replicas} replicas go to 0, back by {restore_by:%H:%M} UTC"
    finding = Finding(Reason.SWEEP_SCALING_DOWN, text, until=restore_by)
    answer = answered(
        request,
        phase=RequestPhase.RUNNING,
        reason=finding.reason.value,
        message=text,
        started_at=now,
        incident=share.incident,
        job_name=f"{share.incident}-s1",
        **facts,
    )
    return Wants(
        finding=finding,
        look_again_at=now + SOON,
        will=Will(sweep=share, replicas=Replicas.DOWN, restore_by=restore_by),
        operation=_first_operation(share, now, restore_by),
        answers=answer,
        cases=(
            Case(
                name=share.incident,
                scenario=Scenario.SWEEP,
                severity=SEVERITY[Scenario.SWEEP],
                phase=IncidentPhase.OPEN,
                summary=text,
                began=now,
                finding=finding,
                row="sweep/step-1",
            ),
        ),
    )


def _first_operation(share: SweepHold, now: datetime, restore_by: datetime) -> Operation:
    return Operation(
        type=Scenario.SWEEP,
        step=Step.SCALING_DOWN,
        started_at=now,
        since=now,
        attempt=1,
        deadline=restore_by,
        restore_by=restore_by,
        request=share.request,
    )


def _interrupted(context: Context, request: RequestSeen) -> Wants:
    """It began, and nothing is held for it any more: it is never begun twice. Its Job may still tell how it ended."""
    job = next((one for one in context.seen.jobs if one.name == request.status.job_name and one.ours), None)
    receipt = None if job is None or job.phase is JobPhase.RUNNING else job.receipt
    if job is not None and receipt is not None and job.nonce and receipt.nonce == job.nonce:
        verdict = receipt.verdict.value.capitalize()
        passed = receipt.verdict is ReceiptVerdict.PASSED
        reason = Reason.SWEEP_PASSED if passed else Reason.VALIDATION_FAILED
        return done(context, request, reason, receipt.message, verdict=verdict, report=receipt.report)
    text = f"the sweep was interrupted, see {incident_command(context.policy, request.status.incident)}"
    return done(context, request, Reason.SWEEP_INTERRUPTED, text, verdict="Inconclusive")
