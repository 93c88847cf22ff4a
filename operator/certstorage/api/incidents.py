"""`CertStorageIncident`: one object per incident. The operator writes its status, people write its spec.

The core sees each incident with its whole status and wants a whole status: an entry that the stored timeline ends with
already is not told again, so a repeated pass tells nothing twice. Deliveries and conditions are the shell's; it keeps
them when it writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from certstorage.api.alerts import Severity
from certstorage.api.scenarios import Scenario

MOST_ENTRIES = 200
MOST_EVIDENCE = 100
MOST_FINDINGS = 50
MOST_MISMATCHES = 100
"""What the schema takes; of a longer timeline the middle goes first."""


class IncidentPhase(StrEnum):
    """How far an incident is."""

    OPEN = "Open"
    MITIGATED = "Mitigated"
    """Clients are safe, the cause is not gone."""
    RECOVERING = "Recovering"
    RESOLVED = "Resolved"
    """All is back and proven."""
    CLOSED = "Closed"
    """Every item of the checklist is done."""


OVER = frozenset({IncidentPhase.RESOLVED, IncidentPhase.CLOSED})


class DataLost(StrEnum):
    """Whether an object was lost on both sides."""

    NO = "No"
    YES = "Yes"
    UNKNOWN = "Unknown"


class PostMortem(StrEnum):
    """Whether a post-mortem is due."""

    DUE = "Due"
    NOT_DUE = "NotDue"
    DONE = "Done"


class Item(StrEnum):
    """The runbook's post-incident checklist, in its order."""

    INCIDENT_LOG = "IncidentLog"
    VALIDATOR = "Validator"
    THRESHOLDS = "Thresholds"
    ROOT_CAUSE = "RootCause"
    RUNBOOK = "Runbook"
    POST_MORTEM = "PostMortem"


class Who(StrEnum):
    """Who did an item of the checklist."""

    NOBODY = ""
    OPERATOR = "Operator"
    PERSON = "Person"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline. `event` is one word, `step` the runbook's step in its own words, with its row id.

    `resource_version` stands where the operator wrote: the write is preconditioned on it.
    """

    at: datetime
    event: str
    message: str
    step: str = ""
    actor: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece that proves something; `kind` is Signal, Receipt, Rollout, LogQuery or AccessLog."""

    at: datetime
    kind: str
    name: str
    value: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class IncidentFinding:
    """What looking for the cause has shown; `verdict` is Good, Bad or Unknown, `mend` what to do about it."""

    name: str
    verdict: str
    message: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class MismatchSeen:
    """One key that differs, prefix included, and how."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One item, in the runbook's words; `message` says what was done, or what is still to do and how."""

    item: Item
    text: str
    done: bool = False
    by: Who = Who.NOBODY
    at: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class IncidentStatus:
    """All that the operator tells of an incident. Times are UTC; `downtime_seconds` is None until it is known."""

    scenario: Scenario
    severity: Severity
    phase: IncidentPhase
    summary: str
    detected_at: datetime
    started_at: datetime | None = None
    mitigated_at: datetime | None = None
    recovered_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    downtime_seconds: int | None = None
    data_lost: DataLost = DataLost.UNKNOWN
    post_mortem: PostMortem = PostMortem.NOT_DUE
    post_mortem_reason: str = ""
    plan: tuple[str, ...] = ()
    plan_hash: str = ""
    timeline: tuple[Entry, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[IncidentFinding, ...] = ()
    mismatches: tuple[MismatchSeen, ...] = ()
    report: str = ""
    ticket_text: str = ""
    checklist: tuple[ChecklistItem, ...] = ()
    observed_generation: int = 0

    @property
    def open_items(self) -> int:
        """Items of the checklist that are still to be done."""
        return sum(not one.done for one in self.checklist)


@dataclass(frozen=True, slots=True)
class Notes:
    """What people wrote."""

    root_cause: str = ""
    mitigation: str = ""
    notes: str = ""
    ticket: str = ""
    post_mortem_url: str = ""
    data_lost: bool | None = None
    checklist: frozenset[Item] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class IncidentSeen:
    """One incident of this policy (by status.policyName, or by its label while it has no status yet).

    `status` is None until the operator has written one. Incidents that are Closed may be left out of an observation.
    """

    name: str
    uid: str
    generation: int = 1
    notes: Notes = Notes()
    status: IncidentStatus | None = None


@dataclass(frozen=True, slots=True)
class IncidentWanted:
    """The incident of this name exists (create-or-adopt) and has this status. Given only when it says something new."""

    name: str
    status: IncidentStatus
