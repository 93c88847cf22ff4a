"""A scenario that is in work: its incident, its memory, and how both go on from pass to pass.

The memory is an entry of status.scenarios; if that is lost, the incident that is open in its own object is taken up
again. The incident's name is made of the policy, the scenario and the second at which it began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from certstorage.api.observed import JobSeen
from certstorage.api.scenarios import Scenario, ScenarioState, Step
from certstorage.runbook.wants import Context

_CODES: Mapping[Scenario, str] = {
    Scenario.OUTAGE: "",
    Scenario.DEGRADATION: "dg-",
    Scenario.INCONSISTENCY: "mm-",
    Scenario.READ_FALLBACK: "rf-",
    Scenario.DELETE_FAILING: "df-",
    Scenario.WRITE_SUCCESS_LOW: "ws-",
    Scenario.LOCAL_DISK_LOW: "ld-",
    Scenario.SWEEP: "sw-",
}
"""Short, since a Job's name, made of the incident's, has 63 characters and a policy's name up to 40 of them."""


def incident_name(policy_name: str, now: datetime, scenario: Scenario = Scenario.OUTAGE) -> str:
    """An incident's identity, readable and unique to the second: `certificates-20261123-031005`."""
    return f"{policy_name}-{_CODES[scenario]}{now:%Y%m%d-%H%M%S}"


@dataclass(frozen=True, slots=True)
class Thread:
    """One scenario in work. `began` is when the operator knew (UTC); `state` its memory, None where it was lost."""

    scenario: Scenario
    name: str
    began: datetime
    state: ScenarioState | None = None

    @property
    def step(self) -> Step | None:
        """Where it stands, as far as is remembered."""
        return None if self.state is None else self.state.step

    @property
    def attempt(self) -> int:
        """The number of its attempt, 0 where none is remembered."""
        return 0 if self.state is None else self.state.attempt

    def mark(self, name: str) -> datetime | None:
        """One remembered time."""
        return None if self.state is None else self.state.marks.get(name)

    def uid_of(self, job_name: str) -> str:
        """The UID of a Job of this name, if one was seen before."""
        return self.state.job_uid if self.state is not None and self.state.job_name == job_name else ""


def thread(context: Context, scenario: Scenario) -> Thread | None:
    """The scenario's thread, if it is in work."""
    state, incident = context.before.scenario(scenario), context.incident_of(scenario)
    if incident is not None and incident.status is not None:
        return Thread(scenario, incident.name, incident.status.detected_at, state)
    if state is None or state.step is Step.DONE or _is_over(context, scenario, state):
        return None
    return Thread(scenario, incident_name(context.policy.name, state.started_at, scenario), state.started_at, state)


def _is_over(context: Context, scenario: Scenario, state: ScenarioState) -> bool:
    """Whether the incident of this memory is over in its own object already: the crash came before the status."""
    name = incident_name(context.policy.name, state.started_at, scenario)
    return any(one.name == name for one in context.incidents_of(scenario))


def opened(context: Context, scenario: Scenario) -> Thread:
    """A new thread, from now on."""
    return Thread(scenario, incident_name(context.policy.name, context.now, scenario), context.now)


def stated(
    context: Context,
    thread: Thread,
    step: Step,
    *,
    attempt: int | None = None,
    deadline: datetime | None = None,
    retry_at: datetime | None = None,
    job: JobSeen | None = None,
    job_name: str = "",
    marks: Mapping[str, datetime | None] | None = None,
) -> ScenarioState:
    """The memory after this pass; `since` moves only when the step does, a mark of None is forgotten."""
    old = thread.state
    kept = {**({} if old is None else old.marks), **(marks or {})}
    return ScenarioState(
        name=thread.scenario,
        step=step,
        started_at=thread.began,
        since=old.since if old is not None and old.step is step else context.now,
        attempt=thread.attempt if attempt is None else attempt,
        deadline=deadline,
        retry_at=retry_at,
        job_name=job.name if job is not None else job_name,
        job_uid=job.uid if job is not None else thread.uid_of(job_name),
        marks={name: at for name, at in kept.items() if at is not None},
    )
