"""The runbook's scenarios by name, and the memory that each keeps in the status.

The memory is derived: losing it costs time and words, never safety. What must survive is in the hold (`api/hold.py`),
and an incident that is open in its own object is taken up again (`api/incidents.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Scenario(StrEnum):
    """The procedures of the runbook; also `scenario` of an incident and, in kebab case, of an alert."""

    OUTAGE = "Outage"
    DEGRADATION = "Degradation"
    INCONSISTENCY = "Inconsistency"
    READ_FALLBACK = "ReadFallback"
    DELETE_FAILING = "DeleteFailing"
    WRITE_SUCCESS_LOW = "WriteSuccessLow"
    LOCAL_DISK_LOW = "LocalDiskLow"
    SWEEP = "Sweep"
    ROUTINE = "Routine"
    """The nightly validation, and what people ask for by request; it opens no incident of its own."""

    @property
    def label(self) -> str:
        """The `scenario` label of alerts: `read-fallback`."""
        return _LABELS[self]


_LABELS = {
    Scenario.OUTAGE: "outage",
    Scenario.DEGRADATION: "degradation",
    Scenario.INCONSISTENCY: "inconsistency",
    Scenario.READ_FALLBACK: "read-fallback",
    Scenario.DELETE_FAILING: "delete-failing",
    Scenario.WRITE_SUCCESS_LOW: "write-success-low",
    Scenario.LOCAL_DISK_LOW: "local-disk-low",
    Scenario.SWEEP: "sweep",
    Scenario.ROUTINE: "routine",
}


class Step(StrEnum):
    """Where a procedure stands."""

    # the outage (scenario 1)
    GOING_LOCAL = "GoingLocal"
    WAITING_FOR_S3 = "WaitingForS3"
    HOLDING = "Holding"
    AWAITING_APPROVAL = "AwaitingApproval"
    BACKING_OFF = "BackingOff"
    VALIDATING = "Validating"
    RETURNING = "Returning"
    CHECKING = "Checking"
    # the milder scenarios
    WATCHING = "Watching"
    """The signal is left alone for a while (it may be an outage's first breath), or watched to its end."""
    FINDING = "Finding"
    """The Job that looks for the cause runs."""
    REVIEWING = "Reviewing"
    REPAIRING = "Repairing"
    AWAITING_PERSON = "AwaitingPerson"
    # the sweep
    SCALING_DOWN = "ScalingDown"
    SWEEPING = "Sweeping"
    RESTORING = "Restoring"
    DONE = "Done"
    """Over; kept for what the next time must know of it."""


@dataclass(frozen=True, slots=True)
class ScenarioState:
    """One entry of `status.scenarios`. `marks` are times by name that the scenario needs again. Times are UTC."""

    name: Scenario
    step: Step
    started_at: datetime
    since: datetime
    attempt: int = 0
    deadline: datetime | None = None
    retry_at: datetime | None = None
    job_name: str = ""
    job_uid: str = ""
    marks: Mapping[str, datetime] = field(default_factory=dict)
