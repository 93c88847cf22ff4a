"""What a scenario is given and what it may want. A scenario owns nothing but its own memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from certstorage.api.decision import EventWanted, JobWanted, StopJob
from certstorage.api.hold import Hold
from certstorage.api.observed import Observation, Problem, Target
from certstorage.api.policy import Policy
from certstorage.api.reasons import Reason
from certstorage.api.receipt import Receipt
from certstorage.api.status import Operation, ReadsFrom, Status, Validation


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
        """The remembered operation, if it is about the incident that is held."""
        hold, before = self.hold, self.before
        return before.operation if hold is not None and before.incident == hold.incident else None


@dataclass(frozen=True, slots=True)
class Finding:
    """Why things are as they are: a reason, one line for people, and until when it holds (UTC) if that is known."""

    reason: Reason
    message: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that only a person may decide or mend: why, in one line, and the command that answers."""

    reason: Reason
    message: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Permit:
    """The one key to the way back: a receipt that was judged against the open attempt (invariant 2)."""

    receipt: Receipt
    job_uid: str


@dataclass(frozen=True, slots=True)
class Wants:
    """What one scenario wants. Wants of several scenarios are joined by `merge`; the safe value wins.

    `hold` is the hold after this pass, without its epoch and captured values, which are merge's; None lets go of it.
    `assert_reads_local` asks to write the flag if it is not off; the flag goes back only with a `permit`.
    """

    finding: Finding
    hold: Hold | None
    desired: ReadsFrom
    look_again_at: datetime
    assert_reads_local: bool = False
    permit: Permit | None = None
    operation: Operation | None = None
    validation: Validation | None = None
    jobs: tuple[JobWanted, ...] = ()
    stop_jobs: tuple[StopJob, ...] = ()
    asks: tuple[Ask, ...] = ()
    events: tuple[EventWanted, ...] = ()
