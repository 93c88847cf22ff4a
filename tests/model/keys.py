"""When two states are the same: absolute times, names and counters vanish, what a decision can tell apart stays.

Ages are counted in whole ticks up to the longest timer that looks at them; counters up to the value beyond which they
change nothing; names, nonces and UIDs only by what they are equal to. test_abstraction.py checks that states of equal
key have successors of equal keys.
"""

from __future__ import annotations

from datetime import datetime

from certstorage.api.decision import JobKind, JobWanted, StopJob, TargetPatch
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.incidents import OVER, IncidentSeen
from certstorage.api.observed import JobPhase
from certstorage.api.receipt import Receipt
from certstorage.api.requests import RequestPhase, RequestSeen, RequestType
from certstorage.api.scenarios import Scenario, ScenarioState, Step
from certstorage.api.status import Operation, Status
from certstorage.runbook import recovery
from tests.model.state import TICK, Act, Job, Papers, Program, State, hold_of

TICK_SECONDS = TICK.total_seconds()

Key = tuple[object, ...]


def age(now: datetime, then: datetime | None, most: int) -> int:
    """Whole ticks since `then`, -1 for never."""
    if then is None:
        return -1
    return min(int((now - then).total_seconds() // TICK_SECONDS), most)


def hold_key(state: State, hold: Hold | None) -> Key | None:
    """A hold: whose it is, and what it says."""
    if hold is None:
        return None
    now, timing = state.now, state.timing
    # an attempt that ends says anew since when there is waiting for the next
    between = hold.reads is ReadsPhase.LOCAL and not hold.nonce
    failed = age(now, hold.failed_at, timing.longest) if between else 0
    return (
        hold.policy_uid == f"policy-{state.policy_uid}",
        hold.target_uid == state.target_uid,
        "-sw-" in hold.incident,
        hold.reads,
        tuple(hold.before.items()),
        age(now, hold.since, timing.longest) if not hold.attempt and between else timing.longest,
        bool(hold.nonce),
        min(hold.retries, timing.retries),
        min(hold.failed_returns, timing.max_attempts),
        failed,
        bool(hold.reverts),
        share_key(state, hold),
        age(now, hold.asserted_at, timing.longest) if hold.reverts and hold.reads is ReadsPhase.LOCAL else 0,
    )


def share_key(state: State, hold: Hold) -> Key:
    """What a degradation and a sweep hold."""
    degradation, sweep = hold.degradation, hold.sweep
    return (
        degradation
        and (
            tuple(degradation.before.items()),
            tuple(degradation.written.items()),
            bool(degradation.reverts),
            state.now >= degradation.until,
        ),
        sweep and (sweep.failure, any(one.uid == sweep.request_uid for one in state.requests)),
        hold.replicas,
        hold.restore_by and max(age(hold.restore_by, state.now, 9), -1),
    )


def job_key(state: State, hold: Hold | None, job: Job) -> Key:
    """A Job by its part in the open attempt."""
    seen, fired = job.seen, None if hold is None else hold.last_firing_at
    return (
        job_role(hold, seen.name),
        any(memory.job_name == seen.name for memory in state.status.scenarios),
        any(seen.name.startswith(one.name) and one.status and one.status.phase not in OVER for one in state.incidents),
        hold is not None and job.nonce == hold.nonce,
        seen.ours,
        seen.phase,
        age(state.now, seen.created_at, state.timing.longest) if seen.phase is JobPhase.RUNNING else 0,
        None if seen.receipt is None else receipt_key(state, seen.kind, seen.receipt),
        seen.stuck,
        job.honest,
        job.s3_failed_since,
        fired is not None and fired >= seen.created_at,
    )


def job_role(hold: Hold | None, name: str) -> str:
    """A Job's name without times: what it is for, and whether it is the open attempt's."""
    if hold is not None and name == recovery.job_name(hold):
        return "open"
    parts = name.split("-")
    return "-".join(part for part in parts if not (part.isdecimal() or (part[:1] == "r" and part[1:].isdecimal())))


def receipt_key(state: State, kind: str, receipt: Receipt) -> Key:
    """A receipt by everything that is judged."""
    return (
        receipt.nonce == "forged",
        receipt.inputs_hash,
        receipt.verdict,
        receipt.probe,
        receipt.pattern,
        receipt.at_risk_open,
        receipt.mismatch,
        receipt.sampled,
        receipt.population,
        age(state.now, receipt.finished_at, state.timing.longest) if kind == JobKind.RECOVERY else 0,
    )


def status_key(state: State, hold: Hold | None, status: Status) -> Key | None:
    """What of the status is memory: the operation."""
    operation, last = status.operation, status.last_validation
    ours = hold is not None and status.incident == hold.incident
    held = hold is not None and hold.reads is not ReadsPhase.NONE
    return (
        ours,
        operation and ours and operation_key(state, hold, operation),
        tuple(scenario_key(state, one) for one in status.scenarios if not (held and one.name is Scenario.OUTAGE)),
        last and (last.verdict, last.command, last.pattern, bool(last.report)),
        status.sweep is not None and bool(status.sweep.request),
    )


def scenario_key(state: State, memory: ScenarioState) -> Key:
    """The memory of one scenario."""
    now, longest = state.now, state.timing.longest
    return (
        memory.name,
        memory.step,
        min(memory.attempt, state.timing.retries if memory.name is Scenario.OUTAGE else 3),
        bool(memory.job_uid),
        memory.deadline and now >= memory.deadline,
        age(now, memory.since, longest) if memory.step is Step.RESTORING else -1,
        memory.retry_at and now >= memory.retry_at,
        tuple((name, age(now, at, longest)) for name, at in memory.marks.items()),
    )


def request_key(state: State, asked_since: datetime | None, request: RequestSeen) -> Key:
    """A request by what it asks and what became of it."""
    status = request.status
    return (
        request.kind,
        request.trigger,
        status.phase is RequestPhase.RUNNING,
        bool(status.plan_hash),
        request.kind is RequestType.RETURN and asked_since is not None and request.created_at >= asked_since,
        status.started_at is not None,
        bool(status.job_uid),
        bool(status.approved_by),
        request.approves is not None
        and any(one.status.plan_hash == request.approves.plan_hash for one in state.requests),
        request.approves is not None and request.approves.decision,
    )


def incident_key(state: State, hold: Hold | None, incident: IncidentSeen) -> Key | None:
    """An incident by its scenario, its phase, and whether it is the one that is held."""
    status = incident.status
    return status and (
        status.scenario,
        status.phase in OVER,
        hold is not None and incident.name == hold.incident,
        incident.name == state.status.incident,
        age(state.now, status.resolved_at, state.timing.longest)
        if status.phase in OVER and state.status.scenario(Scenario.OUTAGE) is None
        else -1,
        tuple((one.name, one.verdict) for one in status.findings),
    )


def operation_key(state: State, hold: Hold | None, operation: Operation) -> Key:
    """The remembered operation."""
    return (
        age(state.now, operation.since, 1) if operation.step is Step.CHECKING else -1,
        age(state.now, operation.recovered_since, state.timing.longest),
        hold is not None and operation.attempt == hold.attempt,
        bool(operation.job_uid),
    )


def program_key(state: State, hold: Hold | None, program: Program) -> Key:
    """What a program still does, and whether its preconditions still hold."""
    return (
        program.rv == state.rv,
        program.policy_rv == state.policy_rv,
        program.papers_rv == state.papers_rv,
        tuple(job.seen.uid in program.failed for job in state.jobs),
        tuple(act_key(state, hold, act) for act in program.acts),
    )


def act_key(state: State, hold: Hold | None, act: Act) -> Key:
    """One call that is still to be made."""
    what = act.what
    if isinstance(what, TargetPatch):
        return act.kind, tuple(what.env.items()), what.replicas, hold_key(state, what.hold)
    if isinstance(what, JobWanted):
        return (
            act.kind,
            hold is not None and what.name == recovery.job_name(hold),
            hold is not None and what.nonce == hold.nonce,
        )
    if isinstance(what, StopJob):
        return act.kind, any(what.uid == job.seen.uid for job in state.jobs)
    if isinstance(what, Papers):
        return act.kind, tuple(one.status.phase for one in (*what.answers, *what.incidents))
    if isinstance(what, Status):
        return act.kind, status_key(state, hold, what)
    return (act.kind,)


def key(state: State) -> Key:
    """The state's identity."""
    hold = hold_of(state.hold)
    asked_since = None
    if hold is not None and not hold.nonce and hold.reads is ReadsPhase.LOCAL:
        asked_since = hold.failed_at or hold.since
    return (
        state.uid != 0,
        tuple((name, found.value) for name, found in sorted(state.env.items())),
        state.replicas,
        hold_key(state, hold),
        state.owns,
        state.rolled or state.pods,
        state.stuck,
        state.policy_uid != 0,
        state.mode,
        state.approval,
        state.deleting,
        state.finalizer,
        status_key(state, hold, state.status),
        tuple(job_key(state, hold, job) for job in state.jobs),
        tuple(request_key(state, asked_since, request) for request in state.requests),
        tuple(incident_key(state, hold, one) for one in state.incidents),
        state.terminating,
        state.asks,
        tuple(program_key(state, hold, program) for program in state.programs),
        state.taken,
    )
