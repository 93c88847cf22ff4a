"""`CertStorageRequest`: what people and triggers ask for, and the status that tells what became of it.

    RequestWanted ──shell creates──► object ──shell reads──► RequestSeen ──core decides──► RequestAnswer ──► status

A request is written once. An approval is a request too; it names the request or incident that it answers and the hash
of the plan it was given for, and is void for any other plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from certstorage.api.reading import Fields, rfc3339

DEFAULT_TTL_SECONDS = 86_400


class RequestType(StrEnum):
    """What a person or a trigger may ask for."""

    SWEEP = "Sweep"
    VALIDATION = "Validation"
    REPAIR = "Repair"
    RETURN = "Return"
    APPROVAL = "Approval"


class Trigger(StrEnum):
    """What led to a request."""

    PERSON = "Person"
    OUTAGE = "Outage"
    BACKFILL = "Backfill"
    QUARTERLY = "Quarterly"
    MISMATCH = "Mismatch"


class Answer(StrEnum):
    """What an approval says."""

    APPROVE = "Approve"
    DENY = "Deny"


class Expected(StrEnum):
    """What a person knows to be right, of which a recovery would think that the wrong disk or bucket is there."""

    DELETIONS = "Deletions"
    """Many certificates were deleted: what S3 has of them is put away."""
    BACKLOG = "Backlog"
    """Most certificates are not in S3 yet: they are uploaded."""


class RequestPhase(StrEnum):
    """What became of a request. `NEW` is one that the operator has not looked at."""

    NEW = ""
    PENDING = "Pending"
    APPROVED = "Approved"
    DENIED = "Denied"
    RUNNING = "Running"
    DONE = "Done"
    EXPIRED = "Expired"
    REFUSED = "Refused"
    """Not now; `reason` and `message` say why, `until` when it is looked at again. It may still begin."""


CLOSED = frozenset({RequestPhase.DENIED, RequestPhase.DONE, RequestPhase.EXPIRED})
"""Phases after which nothing more becomes of a request."""


@dataclass(frozen=True, slots=True)
class RequestStatus:
    """The status of a request, written by the operator alone. Times are UTC, `plan` is one line an item."""

    phase: RequestPhase = RequestPhase.NEW
    reason: str = ""
    message: str = ""
    until: datetime | None = None
    expires_at: datetime | None = None
    plan: tuple[str, ...] = ()
    plan_hash: str = ""
    approved_by: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    job_name: str = ""
    job_uid: str = ""
    verdict: str = ""
    report: str = ""
    incident: str = ""


@dataclass(frozen=True, slots=True)
class Approves:
    """What an approval answers: one of a request and an incident, for exactly the plan of this hash."""

    plan_hash: str
    request: str = ""
    incident: str = ""
    decision: Answer = Answer.APPROVE


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """One CertStorageRequest that names this policy, in any phase; those being deleted are not seen.

    `by` is spec.requestedBy, `why` spec.reason, `sample_rate` a ratio, `keys` have their prefix.
    """

    name: str
    uid: str
    kind: RequestType
    created_at: datetime
    by: str = ""
    trigger: Trigger = Trigger.PERSON
    why: str = ""
    ttl_seconds: int = DEFAULT_TTL_SECONDS
    sample_rate: float | None = None
    keys: tuple[str, ...] = ()
    expected: tuple[Expected, ...] = ()
    approves: Approves | None = None
    status: RequestStatus = RequestStatus()

    @property
    def open(self) -> bool:
        """Whether something may still become of it, but for its expiry."""
        return self.status.phase not in CLOSED

    @property
    def expires_at(self) -> datetime:
        """When it expires if nothing has begun (UTC)."""
        return self.created_at + timedelta(seconds=self.ttl_seconds)


@dataclass(frozen=True, slots=True)
class RequestWanted:
    """A request to file, create-or-adopt: its name is deterministic, and one of that name is never filed again."""

    name: str
    kind: RequestType
    trigger: Trigger
    why: str
    ttl_seconds: int = DEFAULT_TTL_SECONDS


@dataclass(frozen=True, slots=True)
class RequestAnswer:
    """The whole status that a request is to have; the UID is the precondition. Given only when it is new."""

    name: str
    uid: str
    status: RequestStatus


def read_request(body: Mapping[str, object]) -> RequestSeen | None:
    """Read a CertStorageRequest object; None for one that is being deleted.

    Raises:
        InvalidFieldError: a field is not of its kind.
    """
    whole = Fields(body, "request")
    metadata, spec = whole.table("metadata"), whole.table("spec")
    created = metadata.time("creationTimestamp")
    if created is None or metadata.has("deletionTimestamp"):
        return None
    return RequestSeen(
        name=metadata.text("name"),
        uid=metadata.text("uid"),
        kind=spec.choice("type", RequestType),
        created_at=created,
        by=spec.text("requestedBy", ""),
        trigger=spec.choice("trigger", Trigger, Trigger.PERSON),
        why=spec.text("reason", ""),
        ttl_seconds=spec.number("ttlSeconds", DEFAULT_TTL_SECONDS),
        sample_rate=spec.ratio("sampleRate") if spec.has("sampleRate") else None,
        keys=spec.words("keys"),
        expected=spec.choices("expected", Expected),
        approves=_approves(spec.table("approves")) if spec.has("approves") else None,
        status=_status(whole.table("status")),
    )


def _approves(fields: Fields) -> Approves:
    return Approves(
        plan_hash=fields.text("planHash"),
        request=fields.text("requestName", ""),
        incident=fields.text("incidentName", ""),
        decision=fields.choice("decision", Answer, Answer.APPROVE),
    )


def _status(status: Fields) -> RequestStatus:
    return RequestStatus(
        phase=status.choice("phase", RequestPhase, RequestPhase.NEW),
        reason=status.text("reason", ""),
        message=status.text("message", ""),
        until=status.time("until"),
        expires_at=status.time("expiresAt"),
        plan=status.words("plan"),
        plan_hash=status.text("planHash", ""),
        approved_by=status.text("approvedBy", ""),
        started_at=status.time("startedAt"),
        finished_at=status.time("finishedAt"),
        job_name=status.text("jobName", ""),
        job_uid=status.text("jobUID", ""),
        verdict=status.text("verdict", ""),
        report=status.text("report", ""),
        incident=status.text("incidentName", ""),
    )


def request_body(wanted: RequestWanted, policy_name: str) -> dict[str, object]:
    """The spec of a request that the operator files."""
    return {
        "policyName": policy_name,
        "type": wanted.kind.value,
        "trigger": wanted.trigger.value,
        "reason": wanted.why,
        "ttlSeconds": wanted.ttl_seconds,
    }


def status_to_dict(status: RequestStatus, old: Mapping[str, object], now: datetime) -> dict[str, object]:
    """The status as JSON, with the conditions Approved and Complete; `old` is the stored one, for transition times."""
    times = {
        "until": status.until,
        "expiresAt": status.expires_at,
        "startedAt": status.started_at,
        "finishedAt": status.finished_at,
    }
    fields: dict[str, object] = {
        "phase": status.phase.value,
        "reason": status.reason,
        "message": status.message[:1024],
        **{key: rfc3339(value) for key, value in times.items() if value is not None},
        "plan": [line[:512] for line in status.plan],
        "planHash": status.plan_hash,
        "approvedBy": status.approved_by,
        "jobName": status.job_name,
        "jobUID": status.job_uid,
        "verdict": status.verdict,
        "report": status.report,
        "incidentName": status.incident,
        "conditions": _conditions(status, old, now),
    }
    return {key: value for key, value in fields.items() if value not in ("", [])}


def _conditions(status: RequestStatus, old: Mapping[str, object], now: datetime) -> list[dict[str, object]]:
    phase = status.phase
    running = status.started_at is not None or phase in (RequestPhase.APPROVED, RequestPhase.RUNNING)
    facts = {
        "Approved": "False" if phase is RequestPhase.DENIED else "True" if running else "Unknown",
        "Complete": "True" if phase in CLOSED else "False",
    }
    return [_condition(kind, value, status, old, now) for kind, value in facts.items()]


def _condition(
    kind: str, value: str, status: RequestStatus, old: Mapping[str, object], now: datetime
) -> dict[str, object]:
    before = _old_condition(old.get("conditions"), kind)
    moved = before is None or before.get("status") != value
    return {
        "type": kind,
        "status": value,
        "reason": status.reason or "NotLookedAt",
        "message": status.message[:1024],
        "lastTransitionTime": rfc3339(now) if moved or before is None else before["lastTransitionTime"],
    }


def _old_condition(conditions: object, kind: str) -> Mapping[str, object] | None:
    found: Iterable[object] = conditions if isinstance(conditions, list) else ()
    return next((one for one in found if isinstance(one, dict) and one.get("type") == kind), None)
