"""The invariants of docs/design.md, each a function over one step; what it returns is what is wrong.

They speak of facts of the abstract cluster that the core does not compute: who wrote what, which Job told the truth,
what was there before. Number 10 is in liveness.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from certstorage.api.decision import Decision, JobKind, JobWanted, RepairMode, TargetPatch
from certstorage.api.env import FlagState
from certstorage.api.hold import Hold, ReadsPhase, dump
from certstorage.api.observed import JobPhase
from certstorage.api.policy import Mode
from certstorage.api.scenarios import Scenario
from certstorage.api.status_json import same, to_dict
from tests.model.shell import Given
from tests.model.state import CONNECT, DUAL, LEVEL, READ, REPLICAS, TIMEOUT, Act, Job, Program, State, hold_of


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operator that took effect: the state before and after it, and the program it is part of."""

    before: State
    act: Act
    running: Program
    after: State


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: what it was given, what it decided, and the state once all its calls are made without a break.

    `repeats` are the passes that follow at once with the same given, each with the state it stands on, up to the first
    that writes nothing; `later` is the decision a quarter of a minute after that. They are there for new states only.
    """

    before: State
    given: Given
    decision: Decision
    after: State
    repeats: tuple[tuple[State, Decision], ...] = ()
    later: Decision | None = None


Step = Call | Pass
Invariant = Callable[[Step], str]


def dual_write_stays_on(step: Step) -> str:
    """1: dual-write is never set to anything but true; an entry that was not there may go again."""
    if not isinstance(step, Call) or not isinstance(step.act.what, TargetPatch):
        return ""
    before, after = step.before.env.get(DUAL), step.after.env.get(DUAL)
    if before == after or (after is not None and after.state is FlagState.TRUE):
        return ""
    hold = hold_of(step.before.hold)
    was_absent = hold is not None and DUAL in hold.before and hold.before[DUAL] is None
    return "" if after is None and was_absent else f"dual-write goes from {before} to {after}"


def return_needs_proof(step: Step) -> str:
    """2: reads go back to S3 only on a passing, honest, fresh receipt of the open attempt."""
    if isinstance(step, Call):
        opened = step.before.held
        of_it = [job for job in step.before.jobs if opened is not None and job.nonce == opened.nonce]
        late = _turns_reads_on(step) and any(job.s3_failed_since for job in of_it)
        return "reads go to S3 though another operator has seen it fail since" if late else ""
    before, patch = step.before, step.decision.patch
    if patch is not None and _opens_early(before, patch):
        return "an attempt opens before S3 can have answered for holdSeconds"
    if patch is None or before.reads() is not FlagState.FALSE or patch.env.get(READ, "false") == "false":
        return ""
    hold = before.held
    if hold is None:
        return "reads go to S3 without a hold of ours"
    if before.mode is not Mode.ENFORCE:
        return f"reads go to S3 in mode {before.mode}"
    why = [_no_proof(before, hold, job) for job in before.jobs]
    return "" if "" in why else f"reads go to S3 without proof: {'; '.join(why) or 'there is no Job'}"


def _opens_early(before: State, patch: TargetPatch) -> bool:
    hold = before.held
    if hold is None or patch.hold is None or hold.reads is not ReadsPhase.LOCAL or patch.hold.attempt <= hold.attempt:
        return False
    return (before.now - hold.since).total_seconds() < before.timing.hold_seconds


def _turns_reads_on(step: Call) -> bool:
    return step.before.reads() is FlagState.FALSE and step.after.reads() is not FlagState.FALSE


def _no_proof(state: State, hold: Hold, job: Job) -> str:
    receipt = job.seen.receipt
    if not job.honest or receipt is None:
        return "the Job did not pass"
    if job.seen.phase is not JobPhase.COMPLETE or not job.seen.ours:
        return "the Job is not Complete, or not ours"
    if not hold.nonce or receipt.nonce != hold.nonce:
        return "the receipt is of another attempt"
    if job.s3_failed_since:
        return "S3 failed after the Job had begun"
    if state.now - receipt.finished_at > state.timing.receipt_max_age:
        return "the receipt was too old when it was judged"
    return ""


def outage_goes_local(step: Step) -> str:
    """3: with an outage in force nothing turns reads to S3, and the pass writes local."""
    if not isinstance(step, Pass) or not step.given.fires:
        return ""
    patch, before = step.decision.patch, step.before
    if patch is not None and patch.env.get(READ, "false") != "false":
        return f"with an outage in force the pass writes {dict(patch.env)}"
    if step.after.reads() is FlagState.FALSE or not before.uid or before.deleting or not before.policy_uid:
        return ""
    unwritable = before.reads() in (FlagState.VALUE_FROM, FlagState.DUPLICATED, FlagState.EMPTY)
    excuse = before.mode is Mode.OBSERVE or step.given.refuses or unwritable or _patient(before)
    return "" if excuse else "with an outage in force the pass leaves reads on S3"


def _patient(state: State) -> bool:
    """Whether the first revert was undone less than ten minutes ago."""
    hold = state.held
    recent = hold is not None and hold.asserted_at is not None and state.now - hold.asserted_at < state.timing.reassert
    return recent and hold is not None and hold.reads is ReadsPhase.LOCAL and hold.reverts > 0


def unknown_widens_nothing(step: Step) -> str:
    """4: Unknown starts no return, no sweep and no repair."""
    if not isinstance(step, Pass) or not step.given.unknown:
        return ""
    patch = step.decision.patch
    if patch is not None and patch.env.get(READ, "false") != "false":
        return f"on Unknown the pass writes {dict(patch.env)}"
    if patch is not None and patch.replicas == 0:
        return "on Unknown the pass begins a sweep"
    there = {job.seen.name for job in step.before.jobs}
    new = [job.name for job in step.decision.jobs if job.name not in there and _widens(job)]
    return f"on Unknown the pass makes the Jobs {new}" if new else ""


def _widens(job: JobWanted) -> bool:
    """Whether a Job writes to S3, or a return hangs on it."""
    return job.kind in (JobKind.RECOVERY, JobKind.REPAIR) or job.repair is not RepairMode.REPORT


def replicas_are_owed(step: Step) -> str:
    """5: replicas are taken only with what was there in the hold, and the hold goes only when they are back."""
    if not isinstance(step, Call) or not isinstance(step.act.what, TargetPatch):
        return ""
    before, after = step.before, step.after
    was, hold = hold_of(before.hold), hold_of(after.hold)
    if after.replicas == 0 and (hold is None or hold.replicas != REPLICAS or hold.restore_by is None):
        remembered = None if hold is None else hold.replicas
        return f"{REPLICAS} replicas are owed and {remembered} are remembered"
    if after.replicas == 0 and not before.finalizer:
        return "replicas are taken from a policy that can be deleted without giving them back"
    owed = was.replicas if was is not None else None
    if before.replicas == 0 and after.replicas not in (0, owed):
        return f"{owed} replicas are owed and {after.replicas} are given back"
    return ""


def acting_twice_is_acting_once(step: Step) -> str:
    """6: deciding again on the result of acting asks for nothing twice; a stale actor's write changes nothing."""
    if isinstance(step, Call):
        stale = step.act.kind in ("patch", "release") and step.running.rv != step.before.rv
        return f"a stale {step.act.kind} took effect" if stale and step.after.rv != step.before.rv else ""
    if not step.repeats:
        return ""
    done = acts(step.decision, step.before)
    for state, again in step.repeats:
        asked = acts(again, state)
        if done & asked:
            return f"the pass is repeated and does again: {sorted(done & asked)}"
        done = asked
    return f"the operator does not settle: {sorted(done)}" if done else ""


def acts(decision: Decision, state: State) -> set[str]:
    """What a decision changes besides status, in words."""
    found = set()
    if decision.patch is not None:
        hold = decision.patch.hold
        found.add(f"patch {sorted(decision.patch.env.items())} {hold and dump(replace(hold, epoch=0))}")
    if decision.release:
        found.add("release")
    found |= {f"stop {one.name}" for one in decision.stop_jobs}
    there = {job.seen.name for job in state.jobs}
    found |= {f"job {one.kind}" for one in decision.jobs if one.name not in there}
    filed = {request.name for request in state.requests}
    found |= {f"file {one.kind}" for one in decision.requests if one.name not in filed}
    found |= {f"answer {one.name}: {one.status.phase} {one.status.message}" for one in decision.answers}
    if decision.finalizer != state.finalizer and not (decision.finalizer and state.deleting):
        found.add(f"finalizer {decision.finalizer}")
    return found


def incident_reaches_people(step: Step) -> str:
    """7: a hold over reads is one alert of one identity; it resolves only once the state is back and proven."""
    if not isinstance(step, Pass):
        return ""
    incidents = [alert for alert in step.decision.alerts if alert.name == "CertStorageIncident"]
    told = [alert for alert in incidents if alert.labels.get("scenario") == Scenario.OUTAGE.label]
    names = [alert.labels.get("incident") for alert in incidents]
    if len(set(names)) < len(names):
        return f"one incident is told twice: {names}"
    before = step.before.held if step.before.uid else None
    after = step.decision.patch.hold if step.decision.patch is not None else before
    if after is not None and after.reads is not ReadsPhase.NONE:
        status = step.before.status
        remembered = status.operation is not None and status.incident == after.incident
        unseen = step.given.unreadable is not None and not remembered
        if after.incident not in names and not unseen:
            return f"incident {after.incident} is told as {names}"
        if before is None or before.reads is ReadsPhase.NONE or before.incident == after.incident:
            return ""
        return f"incident {before.incident} becomes {after.incident}"
    if told and step.given.unreadable is not None:
        return ""  # whether it is over cannot be seen
    if told and not step.before.deleting:  # a policy that goes says so once more
        return "an incident is told and nothing is held"
    if before is None or before.reads is ReadsPhase.NONE or step.before.deleting:
        return ""
    if before.reads is ReadsPhase.LOCAL:
        return "the incident resolves while reads are held local"
    back = step.before.reads() is not FlagState.FALSE
    return "" if not back or step.given.proven or step.given.quiet else "the incident resolves without proof"


def steady_state_writes_nothing(step: Step) -> str:
    """8: once nothing changes any more, nothing is written: no act, no status, no Event."""
    if not isinstance(step, Pass) or step.later is None:
        return ""
    state, again = step.repeats[-1][0], step.later
    asked = acts(again, state)
    if asked:
        return f"nothing has changed and the operator does {sorted(asked)}"
    untold = again.incidents and not state.timing.told
    if again.events and not untold:
        return f"nothing has changed and Events are told: {[event.reason for event in again.events]}"
    old, new = to_dict(state.status), to_dict(replace(again.status, signals=()))
    changed = [name for name in {*old, *new} if old.get(name) != new.get(name)]
    return "" if same(old, new) else f"nothing has changed and status is written: {sorted(changed)}"


def others_keep_what_is_theirs(step: Step) -> str:
    """9: of somebody else's Deployment only our variables change, and a flag given back is as it was found."""
    if not isinstance(step, Call) or not isinstance(step.act.what, TargetPatch):
        return ""
    before, after = step.before.env, step.after.env
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    if not changed <= {READ, DUAL, LEVEL, CONNECT, TIMEOUT}:
        return f"variables of others change: {sorted(changed)}"
    level = after[LEVEL].value if LEVEL in after else None
    if LEVEL in changed and level not in ("DEBUG", step.before.level):
        return f"the log level was {step.before.level!r} and is given back as {level!r}"
    if not _turns_reads_on(step):
        return ""
    value = after[READ].value if READ in after else None
    return (
        "" if value == step.before.taken else f"the read flag was {step.before.taken!r} and is given back as {value!r}"
    )


INVARIANTS: Mapping[str, Invariant] = {
    one.__name__: one
    for one in (
        dual_write_stays_on,
        return_needs_proof,
        outage_goes_local,
        unknown_widens_nothing,
        replicas_are_owed,
        acting_twice_is_acting_once,
        incident_reaches_people,
        steady_state_writes_nothing,
        others_keep_what_is_theirs,
    )
}
LIVENESS = "comes_back"


def violations(step: Step, invariants: Mapping[str, Invariant]) -> Iterator[tuple[str, str]]:
    """What a step violates: the invariant's name, and what is wrong."""
    for name, invariant in invariants.items():
        wrong = invariant(step)
        if wrong:
            yield name, wrong
