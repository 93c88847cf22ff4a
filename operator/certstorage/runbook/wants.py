"""What a scenario is given and what it may want. A scenario owns nothing but its own memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from certstorage.api.alerts import Severity
from certstorage.api.decision import EventWanted, JobWanted, StopJob
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.incidents import OVER, Evidence, IncidentFinding, IncidentPhase, IncidentSeen, MismatchSeen
from certstorage.api.observed import Observation, Problem, Target
from certstorage.api.policy import Policy
from certstorage.api.reasons import Reason
from certstorage.api.requests import RequestAnswer, RequestWanted
from certstorage.api.scenarios import Scenario, ScenarioState
from certstorage.api.status import Operation, ReadsFrom, Status, SweepStatus, Validation
from certstorage.runbook.will import BOTTOM, Will

SECOND = timedelta(seconds=1)
"""Times are stored to the second."""


@dataclass(frozen=True, slots=True)
class Context:
    """One pass: the policy, what was seen, what was remembered, and the time (UTC).

    `hold` is the Deployment's hold if it is this policy's and about this very Deployment.
    """

    policy: Policy
    seen: Observation
    target: Target
    hold: Hold | None
    hold_problem: Problem | None
    before: Status
    now: datetime

    @property
    def operation(self) -> Operation | None:
        """The remembered operation, if it is about what is held now: the same incident, since the same second."""
        hold, operation = self.hold, self.before.operation
        if hold is None or operation is None or self.before.incident != hold.incident:
            return None
        if self.reads_held is not (operation.type is Scenario.OUTAGE):
            return None
        return operation if abs(hold.since - operation.started_at) < SECOND else None

    @property
    def reads_held(self) -> bool:
        """Whether an outage, or what a sweep left behind, holds the reads."""
        return self.hold is not None and self.hold.reads is not ReadsPhase.NONE

    def incident_of(self, scenario: Scenario) -> IncidentSeen | None:
        """The open incident of a scenario, as its own object shows it; the oldest where there are several."""
        oldest: IncidentSeen | None = None
        for one in self.seen.incidents:
            status = one.status
            if status is not None and status.scenario is scenario and status.phase not in OVER:
                oldest = one if oldest is None or one.name < oldest.name else oldest
        return oldest

    def incidents_of(self, scenario: Scenario) -> list[IncidentSeen]:
        """All incidents of a scenario that are seen, in no order."""
        return [one for one in self.seen.incidents if one.status is not None and one.status.scenario is scenario]


@dataclass(frozen=True, slots=True)
class Finding:
    """Why things are as they are: a reason, one line for people, and until when it holds (UTC) if that is known."""

    reason: Reason
    message: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that only a person may decide or mend: why, in one line, and the command that answers.

    `severity` and `contact` say who is told (`runbook/contacts.py`); `scenario` and `incident` what it is about, the
    held outage where they are empty. `since` is when it was first asked (UTC), if that is known.
    """

    reason: Reason
    message: str
    command: str = ""
    severity: Severity = Severity.CRITICAL
    contact: str = ""
    scenario: Scenario | None = None
    incident: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What an incident's record is to say of this pass; `runbook/incident.py` makes its status of it.

    `row` is the runbook's row of the present step, `began` when the operator knew, `started_at` when S3 began to fail
    as far as the metrics show. Times are UTC. What is given here is added to what the record has already.
    """

    name: str
    scenario: Scenario
    severity: Severity
    phase: IncidentPhase
    summary: str
    began: datetime
    finding: Finding
    row: str = ""
    started_at: datetime | None = None
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[IncidentFinding, ...] = ()
    mismatches: tuple[MismatchSeen, ...] = ()
    report: str = ""
    ticket_text: str = ""
    plan: tuple[str, ...] = ()
    plan_hash: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Wants:
    """What one scenario wants: of the Deployment (`will`, joined by `merge` with the others'), of Jobs, requests and
    records, and what it remembers and tells. `look_again_at` is UTC.
    """

    finding: Finding | None = None
    look_again_at: datetime | None = None
    will: Will = BOTTOM
    desired: ReadsFrom | None = None
    operation: Operation | None = None
    plan: tuple[str, ...] = ()
    state: ScenarioState | None = None
    validation: Validation | None = None
    sweep_status: SweepStatus | None = None
    jobs: tuple[JobWanted, ...] = ()
    stop_jobs: tuple[StopJob, ...] = ()
    requests: tuple[RequestWanted, ...] = ()
    answers: tuple[RequestAnswer, ...] = ()
    cases: tuple[Case, ...] = ()
    asks: tuple[Ask, ...] = ()
    events: tuple[EventWanted, ...] = ()


NOTHING = Wants()
