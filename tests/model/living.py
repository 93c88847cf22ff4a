"""What can still be looked at: the parts of a state that some later decision may read, the others blanked.

Whether a field matters at all is said in keys.py. Here is what matters only sometimes: a time that is overwritten
before it is read again, an operation of an incident that is over, Jobs, requests and incidents by names that no
decision will form any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, cast

from certstorage.api.decision import JobKind, JobWanted, StopJob, TargetPatch
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.incidents import OVER, IncidentSeen
from certstorage.api.observed import JobPhase
from certstorage.api.requests import RequestSeen, RequestType
from certstorage.api.scenarios import Scenario, ScenarioState, Step
from certstorage.api.status import Operation, Status
from certstorage.runbook import recovery
from certstorage.runbook.threads import incident_name
from certstorage.runbook.wants import Context
from tests.model import shell
from tests.model.known import Known
from tests.model.state import Act, Job, Papers, Program, State, Timing, hold_of

NAME = "certificates"
SEEN_OTHERWISE = frozenset({"uid", "policy_uid", "hold", "pods", "status", "jobs", "programs"})
BLANKED = frozenset({"now", "rv", "policy_rv", "papers_rv", "generation", "uids", "timing"})
"""Of the state itself: what ages count from, versions that only a program's stand against, and counters of names."""
_AS_IT_IS = attrgetter(*(name for name in State._fields if name not in BLANKED | SEEN_OTHERWISE))
ANY = datetime.max.replace(tzinfo=UTC)
"""Stands for a time that is not looked at, or only whether it is there."""


def living(state: State) -> tuple[object, ...]:
    """All of the state that later decisions and moves may look at."""
    hold = hold_of(state.hold)
    return (
        *_AS_IT_IS(state),
        state.target_uid if state.uid else "",
        f"policy-{state.policy_uid}" if state.policy_uid else "",
        state.hold if hold is None else _hold(state, hold),
        None if state.rolled else state.pods,
        _status(state, hold, state.status),
        tuple(_job(hold, job) for job in state.jobs),
        tuple(_program(state, one) for one in state.programs),
    )


def is_ours(state: State, hold: Hold) -> bool:
    """Whether a hold is the policy's and about this Deployment; one that is not never becomes so again."""
    return hold.policy_uid == f"policy-{state.policy_uid}" and hold.target_uid == state.target_uid


def _hold(state: State, hold: Hold) -> Hold:
    if not is_ours(state, hold):
        return _foreign(hold)
    job = next((one.seen for one in state.jobs if one.seen.name == _open_job(hold)), None)
    failed = job is not None and hold.last_firing_at is not None and hold.last_firing_at >= job.created_at
    return _ours(hold, failed and bool(hold.nonce), state.timing.max_attempts, state.timing.retries)


@Known
def _open_job(hold: Hold) -> str:
    return recovery.job_name(hold)


@Known
def _next_job(hold: Hold) -> str:
    return recovery.job_name(replace(hold, attempt=hold.attempt + 1))


@Known
def _foreign(hold: Hold) -> Hold:
    """Only the CronJob and the Pods' counters still look at it."""
    return Hold(
        policy_uid="", policy_name="", target_uid="", incident="", since=ANY, reads=hold.reads,
        replicas=hold.replicas, restore_by=hold.restore_by,
    )  # fmt: skip


@Known
def _ours(hold: Hold, failed: bool, max_attempts: int, retries: int) -> Hold:
    """The wait for the next attempt is looked at between two, the patience with a foreign writer while it lasts."""
    local = hold.reads is ReadsPhase.LOCAL
    between = local and not hold.nonce
    return replace(
        hold,
        failed_at=hold.failed_at if between else None,
        attempt=min(hold.attempt, retries),
        retries=min(hold.retries, retries),
        failed_returns=min(hold.failed_returns, max_attempts),
        reverts=min(hold.reverts, 1),
        asserted_at=hold.asserted_at if local and hold.reverts else None,
        last_firing_at=ANY if failed else None,
        degradation=None if hold.degradation is None
        else replace(hold.degradation, reverts=min(hold.degradation.reverts, 1)),
    )  # fmt: skip


def _status(state: State, hold: Hold | None, status: Status) -> Status:
    begun = max((job.seen.created_at for job in state.jobs if job.seen.kind == JobKind.RECOVERY), default=None)
    return _looked_at(status, hold if hold is not None and is_ours(state, hold) else None, begun, state.timing)


@Known
def _looked_at(status: Status, hold: Hold | None, begun: datetime | None, timing: Timing) -> Status:
    return replace(
        status,
        operation=_operation(hold, begun, status),
        incident=status.incident if hold is None and _remembers(status) else "",
        scenarios=tuple(_scenario(one, timing) for one in status.scenarios),
    )


def _remembers(status: Status) -> bool:
    """Whether an outage that begins now may take up the incident that is named."""
    state = status.scenario(Scenario.OUTAGE)
    return state is not None and "endedAt" in state.marks


def _operation(hold: Hold | None, begun: datetime | None, status: Status) -> Operation | None:
    """The operation, if it is about what is held; an attempt's number only as the open one's or another's.

    Of the last failure only whether it came after the last recovery Job had `begun`.
    """
    nothing = cast("Any", None)
    found = Context(nothing, nothing, nothing, hold, None, status, nothing).operation
    if found is None or hold is None:
        return None
    failed = begun is not None and found.last_firing_at is not None and found.last_firing_at >= begun
    return replace(
        found,
        last_firing_at=ANY if failed else None,
        since=found.since if found.step is Step.CHECKING else ANY,
        attempt=int(found.attempt == hold.attempt),
        job_name=found.job_name if found.type is Scenario.SWEEP else "",
    )


@Known
def _scenario(memory: ScenarioState, timing: Timing) -> ScenarioState:
    """Of an outage that is over only its end is looked at, and how long it lasted where that asks for a sweep.

    Of the nightly validation's times nothing: a world has one night, and its time is given.
    """
    since = memory.since if memory.step is Step.AWAITING_PERSON else ANY
    if memory.name is Scenario.ROUTINE:
        return replace(memory, since=since, marks=dict.fromkeys(memory.marks, ANY))
    if memory.name is not Scenario.OUTAGE:
        return replace(memory, since=since)
    started = memory.started_at if timing.sweeps_after_outages else ANY
    return replace(memory, since=since, attempt=min(memory.attempt, timing.retries), started_at=started)


@Known
def _job(hold: Hold | None, job: Job) -> Job:
    """How long a Job is there matters while it runs."""
    seen = job.seen
    seen = replace(seen, name=_role(hold, seen.kind, seen.name))
    return job._replace(seen=seen if seen.phase is JobPhase.RUNNING else replace(seen, created_at=ANY, stuck=False))


def _role(hold: Hold | None, kind: str, name: str) -> str:
    """A Job's name; that of a recovery only as the open attempt's, the next one's or another's: they count on."""
    if kind != JobKind.RECOVERY:
        return name
    if hold is None:
        return "again"
    return {_open_job(hold): "open", _next_job(hold): "next"}.get(name, "again")


def _program(state: State, program: Program) -> tuple[object, ...]:
    return (
        program.rv == state.rv,
        program.policy_rv == state.policy_rv,
        program.papers_rv == state.papers_rv,
        tuple(job.seen.uid in program.failed for job in state.jobs),
        tuple(_act(state, act) for act in program.acts),
    )


def _act(state: State, act: Act) -> Act:
    what = act.what
    if isinstance(what, TargetPatch) and what.hold is not None:
        return act._replace(what=replace(what, hold=_hold(state, what.hold)))
    if isinstance(what, Status):
        return act._replace(what=_status(state, hold_of(state.hold), what))
    if isinstance(what, JobWanted):
        return act._replace(what=replace(what, name=_role(hold_of(state.hold), what.kind, what.name), attempt=0))
    if isinstance(what, StopJob):
        there = any(job.seen.name == what.name and job.seen.uid == what.uid for job in state.jobs)
        return act._replace(what=StopJob("", what.uid if there else ""))
    return act


# --- what is gone

OTHERWISE = frozenset({Scenario.ROUTINE, Scenario.OUTAGE, Scenario.SWEEP})
"""Scenarios whose Jobs are found otherwise: by the night, and by the hold."""


def tidied(state: State) -> State:
    """The state without what nothing will look at any more, the rest in order.

    Gone are programs whose next call changes nothing and is their last, and Jobs, requests and incidents.
    """
    state = without_dead_programs(state)
    if not (state.jobs or state.requests or state.incidents):
        return state
    names = tuple(_job_names(state))
    recoveries = set(_recoveries(state))
    jobs = tuple(job for job in state.jobs if _is_looked_at(state, names, recoveries, job))
    if len(jobs) > 1:
        jobs = tuple(sorted(jobs, key=lambda job: (job.seen.kind, job.seen.created_at, job.seen.name)))
    requests = tuple(one for one in state.requests if one.open or _is_remembered(state, one))
    incidents = state.incidents
    if len(incidents) > 1:
        kept = {one.name for one in incidents if _is_open(one)} | _ended(state)
        incidents = tuple(one for one in incidents if one.name in kept)
    return state._replace(jobs=jobs, requests=requests, incidents=incidents)


def without_dead_programs(state: State) -> State:
    """The state without programs whose next call is refused, and so their last."""
    if not state.programs:
        return state
    programs = tuple(one for one in state.programs if shell.perform(state, one) != (state, None))
    return state if len(programs) == len(state.programs) else state._replace(programs=programs)


def _holds(state: State) -> Iterator[Hold]:
    """The hold, and those that are about to be written."""
    hold = hold_of(state.hold)
    if hold is not None:
        yield hold
    for act in _acts(state):
        if isinstance(act.what, TargetPatch) and act.what.hold is not None:
            yield act.what.hold


def _statuses(state: State) -> Iterator[Status]:
    yield state.status
    yield from (act.what for act in _acts(state) if isinstance(act.what, Status))


def _acts(state: State) -> Iterator[Act]:
    for program in state.programs:
        yield from program.acts


def _threads(state: State) -> Iterator[str]:
    """Names of incidents that a scenario is at work on, as far as anything remembers them."""
    for status in _statuses(state):
        for memory in status.scenarios:
            if memory.name not in OTHERWISE:
                yield incident_name(NAME, memory.started_at, memory.name)
    told = [(one.name, one.status) for one in state.incidents]
    for act in _acts(state):
        if isinstance(act.what, Papers):
            told += [(one.name, one.status) for one in act.what.incidents]
    for name, record in told:
        if record is not None and record.scenario not in OTHERWISE and record.phase not in OVER:
            yield name
    for hold in _holds(state):
        yield from (share.incident for share in (hold.degradation, hold.sweep) if share is not None)


def _job_names(state: State) -> Iterator[str]:
    """How the names of Jobs begin that a decision may still form, but for recoveries."""
    yield f"{NAME}-n-"
    for name in _threads(state):
        yield f"{name}-"
    for request in state.requests:
        if request.open:
            yield f"{NAME}-rq-{request.uid.replace('-', '')[:12]}"
            if request.status.job_name:
                yield request.status.job_name


def _is_looked_at(state: State, names: tuple[str, ...], recoveries: set[str], job: Job) -> bool:
    seen = job.seen
    if seen.kind == JobKind.RECOVERY:
        return seen.name in recoveries
    named_last = any(
        status.last_validation is not None and status.last_validation.job_uid == seen.uid for status in _statuses(state)
    )
    return named_last or seen.name.startswith(names)


def _recoveries(state: State) -> Iterator[str]:
    """The open attempt's Job, or the next one's; also of an incident that may be taken up again."""
    for hold in _holds(state):
        yield _open_job(hold) if hold.nonce else _next_job(hold)
    yield from (act.what.name for act in _acts(state) if isinstance(act.what, JobWanted | StopJob))
    for status in _statuses(state):
        ended = status.scenario(Scenario.OUTAGE)
        if ended is not None:
            yield f"{status.incident}-r{ended.attempt + 1}"


def _is_remembered(state: State, request: RequestSeen) -> bool:
    """Whether a closed request may still be looked for: a repair by an inconsistency, a filed one by its trigger."""
    threads = tuple(_threads(state))
    if request.kind is RequestType.REPAIR:
        return any("-mm-" in name for name in threads)
    ended = state.status.scenario(Scenario.OUTAGE)
    filed = [f"{name}-sweep" for name in threads if "-mm-" in name]
    if ended is not None and "endedAt" in ended.marks:
        filed.append(f"{NAME}-sweep-outage-{ended.marks['endedAt']:%Y%m%d-%H%M%S}")
    return request.name in filed


def _is_open(incident: IncidentSeen) -> bool:
    return incident.status is not None and incident.status.phase not in OVER


def _ended(state: State) -> set[str]:
    """Incidents that are over and still named: by a memory, as the last one, or as the end of a recent outage."""
    recent = {
        one.name for one in state.incidents
        if one.status is not None and one.status.scenario is Scenario.OUTAGE and one.status.resolved_at is not None
        and state.now - one.status.resolved_at <= state.timing.reassert
    }  # fmt: skip
    return recent | {*_threads(state), state.status.incident}
