"""The status of a policy as JSON: written for the API server, read back as memory, and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

from certstorage.api.conditions import ConditionType, read_conditions
from certstorage.api.reading import Fields, InvalidFieldError, percent, rfc3339, rfc3339_milli
from certstorage.api.scenarios import Scenario, ScenarioState, Step
from certstorage.api.signals import Signal, SignalName
from certstorage.api.status import Operation, ReadsFrom, ReadsStatus, Status, SweepStatus, Validation

T = TypeVar("T")

VALUE_STEP = 0.01
"""A signal's value is written again when it moved by this much (a ratio): the steady state writes nothing."""


def _drop_none(fields: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in fields.items() if value not in (None, "")}


def _when(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)


def to_dict(status: Status) -> dict[str, object]:
    """The status as JSON for the API server; what is unset is left away."""
    fields: dict[str, object] = {
        "observedGeneration": status.observed_generation,
        "targetUID": status.target_uid,
        "conditions": [status.conditions[kind].to_dict() for kind in ConditionType if kind in status.conditions],
        "signals": [_signal(signal) for signal in status.signals],
        "reads": None if status.reads is None else _reads(status.reads),
        "operation": None if status.operation is None else _operation(status.operation),
        "scenarios": [_scenario(one) for one in status.scenarios] or None,
        "lastValidation": None if status.last_validation is None else _validation(status.last_validation),
        "provenAt": _when(status.proven_at),
        "nextValidationAt": _when(status.next_validation_at),
        "sweep": None if status.sweep is None else _sweep(status.sweep),
        "incidentName": status.incident,
        "blockedUntil": _when(status.blocked_until),
        "unblock": status.unblock,
    }
    return _drop_none(fields)


def _reads(reads: ReadsStatus) -> dict[str, object]:
    return _drop_none(
        {
            "desired": reads.desired.value,
            "template": reads.template.value,
            "pods": reads.pods,
            "podsAsDesired": reads.pods_as_desired,
            "since": _when(reads.since),
        }
    )


def _operation(operation: Operation) -> dict[str, object]:
    return _drop_none(
        {
            "type": operation.type.value,
            "step": operation.step.value,
            "attempt": operation.attempt,
            "failedReturns": operation.failed_returns,
            "lastFailure": operation.last_failure,
            "reverts": operation.reverts or None,
            "revertedBy": operation.reverted_by,
            "startedAt": _when(operation.started_at),
            "since": _milli(operation.since),
            "deadline": _when(operation.deadline),
            "lastFiringAt": _when(operation.last_firing_at),
            "recoveredSince": _milli(operation.recovered_since),
            "retryAt": _when(operation.retry_at),
            "returnedAt": _when(operation.returned_at),
            "restoreBy": _when(operation.restore_by),
            "jobName": operation.job_name,
            "jobUID": operation.job_uid,
            "requestName": operation.request,
            "plan": operation.plan,
            "planHash": operation.plan_hash,
        }
    )


def _scenario(state: ScenarioState) -> dict[str, object]:
    return _drop_none(
        {
            "name": state.name.value,
            "step": state.step.value,
            "attempt": state.attempt or None,
            "startedAt": _when(state.started_at),
            "since": _when(state.since),
            "deadline": _when(state.deadline),
            "retryAt": _when(state.retry_at),
            "jobName": state.job_name,
            "jobUID": state.job_uid,
            "marks": {name: rfc3339(value) for name, value in sorted(state.marks.items())} or None,
        }
    )


def _sweep(sweep: SweepStatus) -> dict[str, object]:
    return _drop_none(
        {
            "lastPassedAt": _when(sweep.last_passed_at),
            "quarterlyDueAt": _when(sweep.quarterly_due_at),
            "backfilledObjects": sweep.backfilled_objects,
            "requestName": sweep.request,
        }
    )


def _validation(validation: Validation) -> dict[str, object]:
    return _drop_none(
        {
            "verdict": validation.verdict,
            "detail": validation.detail,
            "message": validation.message,
            "command": validation.command,
            "mismatch": validation.mismatch,
            "upperBound": validation.upper_bound,
            "sampled": validation.sampled,
            "population": validation.population,
            "mismatches": validation.mismatches,
            "unverified": validation.unverified,
            "errors": validation.errors,
            "atRiskOpen": validation.at_risk_open,
            "uploaded": validation.uploaded,
            "resolved": validation.resolved,
            "pattern": validation.pattern,
            "report": validation.report,
            "startedAt": _when(validation.started_at),
            "finishedAt": rfc3339(validation.finished_at),
            "jobName": validation.job_name,
            "jobUID": validation.job_uid,
            "inputsHash": validation.inputs_hash,
        }
    )


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
        target_uid=_safely(lambda: fields.text("targetUID", "")) or "",
        conditions=_safely(lambda: read_conditions(fields.tables("conditions"))) or {},
        reads=_safely(lambda: _read_reads(fields)),
        operation=_safely(lambda: _read_operation(fields)),
        scenarios=_safely(lambda: tuple(_read_scenarios(fields))) or (),
        last_validation=_safely(lambda: _read_validation(fields)),
        proven_at=_safely(lambda: fields.time("provenAt")),
        next_validation_at=_safely(lambda: fields.time("nextValidationAt")),
        sweep=_safely(lambda: _read_sweep(fields)),
        incident=_safely(lambda: fields.text("incidentName", "")) or "",
        blocked_until=_safely(lambda: fields.time("blockedUntil")),
        unblock=_safely(lambda: fields.text("unblock", "")) or "",
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
        type=operation.choice("type", Scenario),
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
        last_failure=operation.text("lastFailure", ""),
        reverts=operation.number("reverts", 0),
        reverted_by=operation.text("revertedBy", ""),
        last_firing_at=operation.time("lastFiringAt"),
        returned_at=operation.time("returnedAt"),
        restore_by=operation.time("restoreBy"),
        request=operation.text("requestName", ""),
        plan=operation.text("plan", ""),
        plan_hash=operation.text("planHash", ""),
    )


def _read_scenarios(fields: Fields) -> Iterator[ScenarioState]:
    """Each entry that can be read; one of a newer operator is left away."""
    for one in fields.tables("scenarios"):
        state = _safely(partial(_read_scenario, one))
        if state is not None:
            yield state


def _read_scenario(state: Fields) -> ScenarioState | None:
    started, since = state.time("startedAt"), state.time("since")
    if started is None or since is None:
        return None
    marks = state.table("marks")
    return ScenarioState(
        name=state.choice("name", Scenario),
        step=state.choice("step", Step),
        started_at=started,
        since=since,
        attempt=state.number("attempt", 0),
        deadline=state.time("deadline"),
        retry_at=state.time("retryAt"),
        job_name=state.text("jobName", ""),
        job_uid=state.text("jobUID", ""),
        marks={name: at for name in marks.raw if (at := marks.time(name)) is not None},
    )


def _read_sweep(fields: Fields) -> SweepStatus | None:
    if not fields.has("sweep"):
        return None
    sweep = fields.table("sweep")
    return SweepStatus(
        last_passed_at=sweep.time("lastPassedAt"),
        quarterly_due_at=sweep.time("quarterlyDueAt"),
        backfilled_objects=sweep.number("backfilledObjects", 0),
        request=sweep.text("requestName", ""),
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
        detail=last.text("detail", ""),
        message=last.text("message", ""),
        command=last.text("command", ""),
        population=last.number("population", 0),
        mismatches=last.number("mismatches", 0),
        errors=last.number("errors", 0),
        uploaded=last.number("uploaded", 0),
        resolved=last.number("resolved", 0),
        pattern=last.text("pattern", ""),
        report=last.text("report", ""),
        started_at=last.time("startedAt"),
        job_name=last.text("jobName", ""),
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
