"""What people ask for, and what they answer: expiry, plans, approvals.

An approval holds for exactly the plan whose hash it names. What expires leaves everything on the safe side: nothing
begins. Each scenario answers the requests of its own kind; approvals and returns are answered here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.reasons import Reason
from certstorage.api.requests import (
    Answer,
    RequestAnswer,
    RequestPhase,
    RequestSeen,
    RequestStatus,
    RequestType,
)
from certstorage.runbook.wants import NOTHING, Context, Wants

LOOK_AGAIN = timedelta(minutes=1)
"""What is refused now is looked at again this soon."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An approval that fits a plan: what it says, and who says so."""

    decision: Answer
    by: str


def plan_hash(lines: Iterable[str], *inputs: str) -> str:
    """Hash of a plan and of all it depends on."""
    text = "\n".join((*lines, "", *inputs))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def open_of(context: Context, kind: RequestType) -> list[RequestSeen]:
    """The open requests of a kind, oldest first."""
    found = [one for one in context.seen.requests if one.kind is kind and one.open]
    return sorted(found, key=lambda one: (one.created_at, one.name))


def approval(context: Context, digest: str, *, request: str = "", incident: str = "") -> Answered | None:
    """The newest answer that names this request or incident and this very plan; a denial among several wins."""
    fitting = [
        one
        for one in open_of(context, RequestType.APPROVAL)
        if one.approves is not None
        and one.approves.plan_hash == digest
        and one.approves.request == request
        and one.approves.incident == incident
        and context.now < one.expires_at
    ]
    if not fitting:
        return None
    denied = [one for one in fitting if one.approves is not None and one.approves.decision is Answer.DENY]
    chosen = (denied or fitting)[-1]
    return Answered(Answer.DENY if denied else Answer.APPROVE, f"{chosen.name} by {chosen.by or 'somebody'}")


def answered(request: RequestSeen, *, until: datetime | None = None, **changes: Any) -> tuple[RequestAnswer, ...]:
    """The answer with these fields of the status changed, if that is news; `until` is when it is looked at again."""
    status = replace(request.status, expires_at=request.expires_at, until=until, **changes)
    old = request.status
    if old.until is not None and status.until is not None and replace(status, until=old.until) == old:
        # a time to look again that only moves on says nothing new
        return ()
    return () if _stored(status) == _stored(old) else (RequestAnswer(request.name, request.uid, status),)


def _stored(status: RequestStatus) -> RequestStatus:
    """The status as it is read back: whole seconds."""
    return replace(status, started_at=_whole(status.started_at), finished_at=_whole(status.finished_at))


def _whole(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(microsecond=0)


def expired(context: Context, request: RequestSeen) -> tuple[RequestAnswer, ...] | None:
    """The answer to a request whose time has passed before anything began; None while it has not."""
    if request.status.started_at is not None or context.now < request.expires_at:
        return None
    text = "nothing began in its time: everything stays as it is; make another request"
    return answered(
        request,
        phase=RequestPhase.EXPIRED,
        reason=Reason.REQUEST_EXPIRED.value,
        message=text,
        finished_at=context.now,
    )


def done(context: Context, request: RequestSeen, reason: Reason, message: str, **changes: Any) -> Wants:
    """The request is over."""
    return Wants(
        answers=answered(
            request,
            phase=RequestPhase.DONE,
            reason=reason.value,
            message=message,
            finished_at=request.status.finished_at or context.now,
            **changes,
        )
    )


def approvals(context: Context, plans: Mapping[str, str]) -> Wants:
    """Answer the approvals themselves: taken, or void because what they answer is gone or has another plan.

    `plans` are the hashes of plans that this pass made, by the name of the request or incident.
    """
    found = open_of(context, RequestType.APPROVAL)
    if not found:
        return NOTHING
    answers: list[RequestAnswer] = []
    for one in found:
        over = expired(context, one)
        answers += over if over is not None else _approval_answer(context, one, plans)
    return Wants(answers=tuple(answers), look_again_at=context.now + LOOK_AGAIN)


def _approval_answer(context: Context, request: RequestSeen, plans: Mapping[str, str]) -> tuple[RequestAnswer, ...]:
    what, digest = _plan_of(context, request)
    digest = plans.get(what, digest)
    if request.approves is None or not what:
        reason, text = Reason.APPROVAL_VOID, "what it answers is not there, or waits for nothing any more"
    elif digest != request.approves.plan_hash:
        reason, text = Reason.PLAN_CHANGED, f"the plan of {what} changed: read it again, and approve {digest}"
    else:
        reason, text = Reason.APPROVAL_TAKEN, f"it answers {what}"
    return answered(request, phase=RequestPhase.DONE, reason=reason.value, message=text, finished_at=context.now)


def _plan_of(context: Context, request: RequestSeen) -> tuple[str, str]:
    """What an approval answers and its plan's hash, as people could read it; empty where nothing waits."""
    named = request.approves
    if named is None:
        return "", ""
    if named.request:
        other = next((one for one in context.seen.requests if one.name == named.request and one.open), None)
        return (other.name, other.status.plan_hash) if other is not None and other.status.plan_hash else ("", "")
    incident = next((one for one in context.seen.incidents if one.name == named.incident), None)
    if incident is None or incident.status is None or not incident.status.plan_hash:
        return "", ""
    return incident.name, incident.status.plan_hash


def returns(context: Context) -> Wants:
    """Answer requests of type Return: they let one attempt of the way back begin, with proof all the same."""
    found = open_of(context, RequestType.RETURN)
    if not found:
        return NOTHING
    answers: list[RequestAnswer] = []
    for one in found:
        over = expired(context, one)
        answers += over if over is not None else _return_answer(context, one)
    return Wants(answers=tuple(answers), look_again_at=context.now + LOOK_AGAIN)


def _return_answer(context: Context, request: RequestSeen) -> tuple[RequestAnswer, ...]:
    hold, running = context.hold, request.status.phase is RequestPhase.RUNNING
    if hold is not None and hold.sweep is not None and hold.sweep.failure:
        return answered(request, phase=RequestPhase.DONE, reason=Reason.SWEEP_GIVEN_BACK.value,
                        message="replicas are given back, with reads local", finished_at=context.now)  # fmt: skip
    if hold is None or hold.reads is ReadsPhase.NONE:
        if running:
            return answered(
                request,
                phase=RequestPhase.DONE,
                reason=Reason.RETURNED.value,
                message="reads are back on S3",
                verdict="Pass",
                finished_at=context.now,
            )
        text = "reads are not held local by this operator: there is nothing to return"
        until = context.now + LOOK_AGAIN
        return answered(
            request, phase=RequestPhase.REFUSED, reason=Reason.REQUEST_REFUSED.value, message=text, until=until
        )
    under_way = bool(hold.nonce) or hold.reads is ReadsPhase.RETURNING
    if under_way and not running:
        return answered(
            request,
            phase=RequestPhase.RUNNING,
            reason=Reason.VALIDATING.value,
            message=f"attempt {hold.attempt} is under way",
            started_at=context.now,
            incident=hold.incident,
        )
    if running and not under_way:
        return _not_passed(context, request, hold)
    if running:
        return ()
    text = "the next attempt begins as soon as S3 has answered for recovery.holdSeconds; proof is needed all the same"
    return answered(request, phase=RequestPhase.PENDING, reason=Reason.OUTAGE_READS_LOCAL.value, message=text)


def _not_passed(context: Context, request: RequestSeen, hold: Hold) -> tuple[RequestAnswer, ...]:
    return answered(
        request,
        phase=RequestPhase.DONE,
        reason=hold.last_failure or Reason.BACKING_OFF.value,
        message=f"attempt {hold.attempt} did not pass: reads stay local",
        verdict="Fail",
        finished_at=context.now,
    )
