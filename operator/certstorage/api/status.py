"""The status of a policy: derived, written once at the end of a pass, and only when something changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from certstorage.api.conditions import Condition, ConditionType, read_conditions
from certstorage.api.reading import Fields, InvalidFieldError, percent, rfc3339, rfc3339_milli
from certstorage.api.receipt import Receipt
from certstorage.api.signals import Signal, SignalName

T = TypeVar("T")

VALUE_STEP = 0.01
"""A signal's value is written again when it moved by this much (a ratio): the steady state writes nothing."""


class ReadsFrom(StrEnum):
    """Where certificates are read from."""

    S3 = "S3"
    LOCAL = "Local"
    MIXED = "Mixed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class ReadsStatus:
    """What is wanted, what the template says, and how many running Pods do as wanted."""

    desired: ReadsFrom
    template: ReadsFrom
    pods: int = 0
    pods_as_desired: int = 0
    since: datetime | None = None


class OperationType(StrEnum):
    """The scenario that is in work."""

    OUTAGE = "Outage"


class Step(StrEnum):
    """Where the outage procedure stands (scenario 1 of the runbook)."""

    GOING_LOCAL = "GoingLocal"
    WAITING_FOR_S3 = "WaitingForS3"
    HOLDING = "Holding"
    AWAITING_APPROVAL = "AwaitingApproval"
    BACKING_OFF = "BackingOff"
    VALIDATING = "Validating"
    RETURNING = "Returning"
    CHECKING = "Checking"


@dataclass(frozen=True, slots=True)
class Operation:
    """The procedure under way. Losing it is safe: what must survive is in the hold.

    `since` is when this step began, `recovered_since` when S3 began to answer without a break, `deadline` when the
    step is overdue. Times are UTC.
    """

    type: OperationType
    step: Step
    started_at: datetime
    since: datetime
    attempt: int = 0
    failed_returns: int = 0
    deadline: datetime | None = None
    recovered_since: datetime | None = None
    retry_at: datetime | None = None
    job_name: str = ""
    job_uid: str = ""


@dataclass(frozen=True, slots=True)
class Validation:
    """What the last finished validator Job said."""

    verdict: str
    mismatch: str
    upper_bound: str
    sampled: int
    unverified: int
    at_risk_open: int
    finished_at: datetime
    job_uid: str
    inputs_hash: str

    @classmethod
    def of(cls, receipt: Receipt, job_uid: str) -> Validation:
        """The validation that this receipt tells of."""
        return cls(
            verdict=receipt.verdict.value.capitalize(),
            mismatch=percent(receipt.mismatch),
            upper_bound=percent(receipt.upper_bound),
            sampled=receipt.sampled,
            unverified=receipt.unverified,
            at_risk_open=receipt.at_risk_open,
            finished_at=receipt.finished_at,
            job_uid=job_uid,
            inputs_hash=receipt.inputs_hash,
        )


@dataclass(frozen=True, slots=True)
class Status:
    """The whole status."""

    observed_generation: int = 0
    conditions: Mapping[ConditionType, Condition] = field(default_factory=dict)
    reads: ReadsStatus | None = None
    signals: tuple[Signal, ...] = ()
    operation: Operation | None = None
    last_validation: Validation | None = None
    incident: str = ""
    blocked_until: datetime | None = None


def _drop_none(fields: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in fields.items() if value not in (None, "")}


def _when(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)


def to_dict(status: Status) -> dict[str, object]:
    """The status as JSON for the API server; what is unset is left away."""
    reads, operation, validation = status.reads, status.operation, status.last_validation
    fields: dict[str, object] = {
        "observedGeneration": status.observed_generation,
        "conditions": [status.conditions[kind].to_dict() for kind in ConditionType if kind in status.conditions],
        "signals": [_signal(signal) for signal in status.signals],
        "incidentName": status.incident,
        "blockedUntil": _when(status.blocked_until),
    }
    if reads is not None:
        fields["reads"] = _drop_none(
            {
                "desired": reads.desired.value,
                "template": reads.template.value,
                "pods": reads.pods,
                "podsAsDesired": reads.pods_as_desired,
                "since": _when(reads.since),
            }
        )
    if operation is not None:
        fields["operation"] = _drop_none(
            {
                "type": operation.type.value,
                "step": operation.step.value,
                "attempt": operation.attempt,
                "failedReturns": operation.failed_returns,
                "startedAt": _when(operation.started_at),
                "since": _milli(operation.since),
                "deadline": _when(operation.deadline),
                "recoveredSince": _milli(operation.recovered_since),
                "retryAt": _when(operation.retry_at),
                "jobName": operation.job_name,
                "jobUID": operation.job_uid,
            }
        )
    if validation is not None:
        fields["lastValidation"] = {
            "verdict": validation.verdict,
            "mismatch": validation.mismatch,
            "upperBound": validation.upper_bound,
            "sampled": validation.sampled,
            "unverified": validation.unverified,
            "atRiskOpen": validation.at_risk_open,
            "finishedAt": rfc3339(validation.finished_at),
            "jobUID": validation.job_uid,
            "inputsHash": validation.inputs_hash,
        }
    return _drop_none(fields)


def _milli(value: datetime | None) -> str | None:
    return None if value is None else rfc3339_milli(value)


def _value(name: SignalName, value: float) -> str:
    return f"{value * 1000:.0f}ms" if name is SignalName.GET_SLOW else percent(value)


def _signal(signal: Signal) -> dict[str, object]:
    fields = _drop_none(
        {
            "name": signal.name.value,
            "verdict": signal.verdict.value,
            "value": None if signal.value is None else _value(signal.name, signal.value),
            "since": _when(signal.since),
            "reason": signal.reason,
            "message": signal.message[:256],
        }
    )
    return {**fields, "missing": list(signal.missing)} if signal.missing else fields


def from_dict(raw: Mapping[str, object]) -> Status:
    """Read a stored status as memory.

    What cannot be read is left away, field by field: the status is derived, and forgetting is safe.
    """
    fields = Fields(raw, "status")
    return Status(
        observed_generation=_safely(lambda: fields.number("observedGeneration", 0)) or 0,
        conditions=_safely(lambda: read_conditions(fields.tables("conditions"))) or {},
        reads=_safely(lambda: _read_reads(fields)),
        operation=_safely(lambda: _read_operation(fields)),
        last_validation=_safely(lambda: _read_validation(fields)),
        incident=_safely(lambda: fields.text("incidentName", "")) or "",
        blocked_until=_safely(lambda: fields.time("blockedUntil")),
    )


def _safely(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except InvalidFieldError:
        return None


def _read_reads(fields: Fields) -> ReadsStatus | None:
    if not fields.has("reads"):
        return None
    reads = fields.table("reads")
    return ReadsStatus(
        desired=reads.choice("desired", ReadsFrom),
        template=reads.choice("template", ReadsFrom),
        pods=reads.number("pods", 0),
        pods_as_desired=reads.number("podsAsDesired", 0),
        since=reads.time("since"),
    )


def _read_operation(fields: Fields) -> Operation | None:
    if not fields.has("operation"):
        return None
    operation = fields.table("operation")
    started, since = operation.time("startedAt"), operation.time("since")
    if started is None or since is None:
        return None
    return Operation(
        type=operation.choice("type", OperationType),
        step=operation.choice("step", Step),
        started_at=started,
        since=since,
        attempt=operation.number("attempt", 0),
        failed_returns=operation.number("failedReturns", 0),
        deadline=operation.time("deadline"),
        recovered_since=operation.time("recoveredSince"),
        retry_at=operation.time("retryAt"),
        job_name=operation.text("jobName", ""),
        job_uid=operation.text("jobUID", ""),
    )


def _read_validation(fields: Fields) -> Validation | None:
    if not fields.has("lastValidation"):
        return None
    last = fields.table("lastValidation")
    finished = last.time("finishedAt")
    if finished is None:
        return None
    return Validation(
        verdict=last.text("verdict"),
        mismatch=last.text("mismatch", ""),
        upper_bound=last.text("upperBound", ""),
        sampled=last.number("sampled", 0),
        unverified=last.number("unverified", 0),
        at_risk_open=last.number("atRiskOpen", 0),
        finished_at=finished,
        job_uid=last.text("jobUID", ""),
        inputs_hash=last.text("inputsHash", ""),
    )


def same(old: Mapping[str, object], new: Mapping[str, object]) -> bool:
    """Whether the new status says nothing that the stored one does not, but for small moves of a signal's value."""
    return _coarse(old, new) == dict(new)


def _coarse(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    """The old status with each signal's value and words replaced by the new one's where the two are close."""
    before, after = old.get("signals"), new.get("signals")
    if not isinstance(before, list) or not isinstance(after, list) or len(before) != len(after):
        return dict(old)
    return {**old, "signals": [_adopt(a, b) for a, b in zip(before, after, strict=True)]}


def _adopt(old: object, new: object) -> object:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return old
    if any(old.get(key) != new.get(key) for key in ("name", "verdict", "reason", "since")):
        return old
    first, second = old.get("value"), new.get("value")
    if not isinstance(first, str) or not isinstance(second, str):
        return new if first == second else old
    try:
        close = abs(float(first.rstrip("%")) - float(second.rstrip("%"))) < VALUE_STEP * 100
    except ValueError:
        return old
    return new if close else old
