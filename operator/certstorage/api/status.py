"""The status of a policy: derived, written once at the end of a pass, and only when something changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from certstorage.api.conditions import MESSAGE_LIMIT, Condition, ConditionType
from certstorage.api.reading import percent
from certstorage.api.receipt import Receipt
from certstorage.api.scenarios import Scenario, ScenarioState, Step
from certstorage.api.signals import Signal


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


@dataclass(frozen=True, slots=True)
class Operation:
    """The procedure that goes before the others. Losing it is safe: what must survive is in the hold.

    `since` is when this step began, `recovered_since` when S3 began to answer without a break, `deadline` when the
    step is overdue. `plan` is what waits for approval, in one line. Times are UTC.
    """

    type: Scenario
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
    last_failure: str = ""
    reverts: int = 0
    reverted_by: str = ""
    last_firing_at: datetime | None = None
    returned_at: datetime | None = None
    restore_by: datetime | None = None
    request: str = ""
    plan: str = ""
    plan_hash: str = ""


@dataclass(frozen=True, slots=True)
class Validation:
    """What the last finished validator Job said; `mismatch` and `upper_bound` are percentages as people read them."""

    verdict: str
    mismatch: str
    upper_bound: str
    sampled: int
    unverified: int
    at_risk_open: int
    finished_at: datetime
    job_uid: str
    inputs_hash: str
    detail: str = ""
    message: str = ""
    command: str = ""
    population: int = 0
    mismatches: int = 0
    errors: int = 0
    uploaded: int = 0
    resolved: int = 0
    pattern: str = ""
    report: str = ""
    started_at: datetime | None = None
    job_name: str = ""

    @classmethod
    def of(cls, receipt: Receipt, job_uid: str, job_name: str = "") -> Validation:
        """The validation that this receipt tells of."""
        return cls(
            detail=receipt.detail,
            message=receipt.message[:MESSAGE_LIMIT],
            command=receipt.command,
            population=receipt.population,
            mismatches=receipt.mismatches,
            errors=receipt.errors,
            uploaded=receipt.uploaded,
            resolved=receipt.resolved,
            pattern=receipt.pattern.value,
            report=receipt.report,
            started_at=receipt.started_at,
            job_name=job_name,
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
class SweepStatus:
    """Between sweeps: when the next quarterly one is due, objects new since the last, the request filed last."""

    last_passed_at: datetime | None = None
    quarterly_due_at: datetime | None = None
    backfilled_objects: int = 0
    request: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """The whole status. `proven_at` is when both copies were last proven the same; `unblock` a command that helps."""

    observed_generation: int = 0
    target_uid: str = ""
    conditions: Mapping[ConditionType, Condition] = field(default_factory=dict)
    reads: ReadsStatus | None = None
    signals: tuple[Signal, ...] = ()
    operation: Operation | None = None
    scenarios: tuple[ScenarioState, ...] = ()
    last_validation: Validation | None = None
    proven_at: datetime | None = None
    next_validation_at: datetime | None = None
    sweep: SweepStatus | None = None
    incident: str = ""
    blocked_until: datetime | None = None
    unblock: str = ""

    def scenario(self, name: Scenario) -> ScenarioState | None:
        """The memory of one scenario."""
        for one in self.scenarios:
            if one.name is name:
                return one
        return None
