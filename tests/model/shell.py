"""The shell as the model has it: what a pass sees, and the calls by which a decision becomes true, one at a time.

The order of the calls is that of cluster/act.py and reconcile.py. An answer that is lost is the same as a crash right
after the call: the operator that decides again knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from certstorage.api.conditions import ConditionType
from certstorage.api.decision import Decision, JobWanted, StopJob, TargetPatch
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import ReadsPhase, dump
from certstorage.api.incidents import IncidentSeen
from certstorage.api.observed import (
    ClaimUser,
    FireTimes,
    Fleet,
    JobPhase,
    JobSeen,
    Neighbours,
    Observation,
    Pods,
    Problem,
    Scaler,
    Schedules,
    Target,
)
from certstorage.api.patience import Patience
from certstorage.api.reasons import Reason
from certstorage.api.requests import RequestSeen
from certstorage.api.signals import FallbackSample, Signal, SignalName, SignalSet, Verdict
from certstorage.api.status import Status
from certstorage.runbook import decide as core
from tests.model.state import GARBLED, ME, READ, REPLICAS, START, TICK, Act, Job, Papers, Program, State, hold_of

MISSING = Problem(Reason.TARGET_MISSING, "Deployment production/deltacrown does not exist")
DENIED = Problem(Reason.PERMISSION_DENIED, "pods is forbidden")
UNREADABLE = Problem(Reason.HOLD_INVALID, "Deployment production/deltacrown: not JSON")
INPUTS = "inputs"
NIGHTLY = Schedules(validation=FireTimes(last=START - TICK, next=START + 10_000 * TICK))
READY = ConditionType.READY


@dataclass(frozen=True, slots=True)
class Given:
    """What a pass is given besides the cluster: the signals, and findings that come and go."""

    name: str
    signals: SignalSet
    reads: float = 0.0
    fallbacks: float = 0.0
    """Counters of the new Pods, seen only while reads are going back, as in the shell."""
    scraped: bool = True
    problems: tuple[Problem, ...] = ()
    neighbours: Neighbours = field(default_factory=Neighbours)
    changes: Mapping[str, object] = field(default_factory=dict)
    """Fields of the Target that are otherwise than usual."""
    blind: bool = False
    """Jobs, Pods and requests may not be read."""
    firing: Mapping[SignalName, int] = field(default_factory=dict)
    """Milder signals in force, each since so many ticks."""
    nightly: bool = False
    """The nightly validation is due."""
    refuses: bool = False
    """Preflight finds something that refuses the flip to local."""

    unreadable: Problem | None = None
    """Why the Deployment cannot be read as one with the certificates' container."""
    window: bool | None = None
    """Whether it is inside the sweep window, where there is one."""
    scalers: tuple[Scaler, ...] = ()
    claim_users: tuple[ClaimUser, ...] = ()
    fleet: Fleet = field(default_factory=Fleet)

    @property
    def fires(self) -> bool:
        """An outage is in force."""
        return any(self.signals.verdict(name) is Verdict.FIRING for name in (SignalName.OUTAGE, SignalName.BLACK_HOLE))

    @property
    def fails(self) -> bool:
        """S3 is known to fail."""
        return self.fires or self.signals.verdict(SignalName.RECOVERY) is Verdict.FIRING

    @property
    def unknown(self) -> bool:
        """What decides about the way back cannot be known."""
        names = (SignalName.OUTAGE, SignalName.BLACK_HOLE, SignalName.RECOVERY)
        unknown = any(self.signals.verdict(name) is Verdict.UNKNOWN for name in names)
        return self.blind or not self.signals.trusted or unknown

    @property
    def proven(self) -> bool:
        """The new Pods serve from S3."""
        return self.scraped and self.reads >= 50 and self.fallbacks / self.reads < 0.01

    @property
    def quiet(self) -> bool:
        """Too few reads come to say anything."""
        return self.scraped and self.reads < 50


def see(state: State, given: Given, polled: datetime | None = None) -> Observation:
    """What a pass reads now. `polled` is when the signals were, if that was before."""
    if not state.uid:
        target: Target | Problem = MISSING
    else:
        target = _target(state)
        if given.unreadable is not None:
            target = given.unreadable
        elif given.changes:
            target = replace(target, **given.changes)  # type: ignore[arg-type]
    signals = given.signals
    if given.firing:
        since = {name: (polled or state.now) - ticks * TICK for name, ticks in given.firing.items()}
        graded = {name: Signal(name, Verdict.FIRING, 0.1, since=at) for name, at in since.items()}
        signals = replace(signals, signals={**signals.signals, **graded})
    held = hold_of(state.hold)
    if given.scraped and held is not None and held.reads is ReadsPhase.RETURNING:
        sample = FallbackSample(f"hash{state.generation}", state.replicas, given.reads, given.fallbacks, state.now)
        signals = replace(signals, fallback=sample)
    return Observation(
        target=target,
        pods=Pods() if given.blind else _pods(state),
        signals=signals,
        jobs=() if given.blind else tuple(job.seen for job in state.jobs),
        requests=() if given.blind else state.requests,
        incidents=() if given.blind else state.incidents,
        schedules=_schedules(state, given),
        scalers=given.scalers,
        claim_users=given.claim_users,
        fleet=given.fleet,
        neighbours=given.neighbours,
        patience=Patience(
            first_breath=state.timing.reassert, linger=state.timing.reassert, cool_down=state.timing.reassert
        ),
        problems=given.problems,
        blind=(DENIED,) if given.blind else (),
        deleting=state.deleting,
        has_finalizer=state.finalizer,
        inputs_hash=INPUTS,
        token=f"token-{state.now.timestamp():.0f}",
    )


def _schedules(state: State, given: Given) -> Schedules:
    if given.nightly:
        return NIGHTLY
    if given.window is None:
        return Schedules()
    return Schedules(window=FireTimes(last=state.now if given.window else None, next=START + 10_000 * TICK))


def _target(state: State) -> Target:
    rolled, replicas = state.rolled, state.replicas
    old = REPLICAS if state.terminating else 0
    return Target(
        uid=state.target_uid,
        resource_version=str(state.rv),
        generation=state.generation,
        observed_generation=state.generation,
        container="web",
        replicas=replicas,
        updated=replicas if rolled else 1,
        available=replicas,
        total=max(replicas, old),
        template_hash=f"hash{state.generation}",
        stuck=state.stuck,
        env=state.env,
        hold=hold_of(state.hold),
        hold_problem=UNREADABLE if state.hold == GARBLED else None,
        owns_fields=state.owns,
    )


def _pods(state: State) -> Pods:
    flag = state.reads() if state.rolled else state.pods
    if state.terminating:
        return Pods(terminating=REPLICAS)
    count = state.replicas if state.uid else 0
    if flag is FlagState.FALSE:
        return Pods(local=count)
    return Pods(s3=count) if flag is FlagState.TRUE else Pods(other=count)


def decide(state: State, given: Given, polled: datetime | None = None) -> Decision | None:
    """The pass's decision; None where the shell ends the pass because an open attempt cannot be seen."""
    seen = see(state, given, polled)
    decision = core.decide(state.policy, seen, state.status, state.now)
    hold = hold_of(state.hold) if state.uid else None
    unseen = given.blind and hold is not None and bool(hold.nonce)
    local = decision.patch is not None and decision.patch.env.get(READ) == "false"
    return None if unseen and not local else decision


def program(state: State, decision: Decision, given: Given) -> Program:
    """The calls of this decision, in their order."""
    guard = decision.finalizer and not state.finalizer and not state.deleting
    takes = decision.patch is not None and decision.patch.replicas is not None
    acts = [Act("guard")] if guard and takes else []
    acts += [Act("patch", decision.patch)] if decision.patch is not None else []
    acts += [Act("release")] if decision.release and state.uid else []
    acts += [Act("stop", stop) for stop in decision.stop_jobs]
    acts += [Act("job", job) for job in decision.jobs]
    acts += [Act("guard")] if guard and not takes else []
    acts += [Act("file", Papers(requests=decision.requests))] if decision.requests else []
    acts += [Act("answer", Papers(answers=decision.answers))] if decision.answers else []
    told = decision.incidents and state.timing.told
    acts += [Act("tell", Papers(incidents=decision.incidents))] if told else []
    acts.append(Act("record", decision.status))
    acts += [Act("free")] if state.finalizer and not decision.finalizer else []
    fails = given.fails and not given.blind
    failed = frozenset(job.seen.uid for job in state.jobs) if fails else frozenset()
    return Program(tuple(acts), state.rv, state.policy_rv, state.papers_rv, failed)


def perform(state: State, running: Program) -> tuple[State, Program | None]:
    """The next call of a program: the state after it, and what is left of the program, nothing after a refusal."""
    act = running.acts[0]
    after, rest = CALLS[act.kind](state, running, act)
    if rest is None:
        return after, None
    left = rest._replace(acts=rest.acts[1:])
    return after, left if left.acts else None


Outcome = tuple[State, Program | None]


def _patch(state: State, running: Program, act: Act) -> Outcome:
    patch = act.what
    assert isinstance(patch, TargetPatch)
    if not state.uid or (patch.resource_version and patch.resource_version != str(state.rv)):
        return state, None
    if patch.uid and patch.uid != state.target_uid:
        return state, None
    env = dict(state.env)
    taken = state.taken
    old = hold_of(state.hold)
    if patch.env.get(READ) == "false" and (old is None or old.reads is ReadsPhase.NONE):
        taken = state.env[READ].value if READ in state.env else None
    for name, value in patch.env.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = EnvVar.literal(value, ME)
    rolls = env != dict(state.env) or (patch.replicas or 0) > state.replicas
    after = state._replace(
        rv=state.rv + 1,
        env=env,
        hold=None if patch.hold is None else dump(patch.hold),
        owns=True,
        replicas=state.replicas if patch.replicas is None else patch.replicas,
        taken=taken,
    )
    if patch.replicas == 0:
        after = after._replace(rolled=True, stuck=False, terminating=True)
    return (rolling(state, after) if rolls and after.replicas else after), running._replace(rv=after.rv)


def rolling(before: State, after: State) -> State:
    """A new template: the old Pods serve until the new ones do."""
    pods = before.reads() if before.rolled else before.pods
    return after._replace(generation=before.generation + 1, rolled=False, stuck=False, pods=pods, terminating=False)


def _release(state: State, running: Program, act: Act) -> Outcome:
    if not state.uid or state.rv != running.rv:
        return state, None
    return state._replace(rv=state.rv + 1, owns=False), running._replace(rv=state.rv + 1)


def _stop(state: State, running: Program, act: Act) -> Outcome:
    stop = act.what
    assert isinstance(stop, StopJob)
    found = next((job for job in state.jobs if job.seen.name == stop.name), None)
    if found is None:
        return state, running
    if found.seen.uid != stop.uid:
        return state, None
    return state._replace(jobs=tuple(job for job in state.jobs if job is not found)), running


def _job(state: State, running: Program, act: Act) -> Outcome:
    """Create or adopt; a Job that is not ours ends the pass, and the next one is shown it as foreign."""
    wanted = act.what
    assert isinstance(wanted, JobWanted)
    if not state.uid:
        return state, None
    found = next((job for job in state.jobs if job.seen.name == wanted.name), None)
    if found is None:
        uid = f"job-{state.uids + 1}"
        seen = JobSeen(
            wanted.name,
            uid,
            wanted.kind,
            wanted.incident,
            wanted.attempt,
            JobPhase.RUNNING,
            created_at=state.now,
            nonce=wanted.nonce,
        )
        return state._replace(jobs=(*state.jobs, Job(seen, wanted.nonce)), uids=state.uids + 1), running
    if found.seen.ours and found.nonce == wanted.nonce:
        return state, running
    foreign = found._replace(seen=replace(found.seen, ours=False, problem="it has another owner or another nonce"))
    return state._replace(jobs=tuple(foreign if job is found else job for job in state.jobs)), None


def _guard(state: State, running: Program, act: Act) -> Outcome:
    if state.policy_rv != running.policy_rv or not state.policy_uid:
        return state, None
    after = state._replace(finalizer=True, policy_rv=state.policy_rv + 1)
    return after, running._replace(policy_rv=after.policy_rv)


def _file(state: State, running: Program, act: Act) -> Outcome:
    papers = act.what
    assert isinstance(papers, Papers)
    there = {one.name for one in state.requests}
    new = [one for one in papers.requests if one.name not in there]
    if not new:
        return state, running
    made = tuple(
        RequestSeen(
            one.name,
            f"request-{one.name}",
            one.kind,
            state.now,
            trigger=one.trigger,
            ttl_seconds=min(one.ttl_seconds, state.timing.ttl_seconds),
        )
        for one in new
    )
    after = state._replace(requests=(*state.requests, *made), papers_rv=state.papers_rv + 1)
    return after, running._replace(papers_rv=after.papers_rv)


def _answer(state: State, running: Program, act: Act) -> Outcome:
    papers = act.what
    assert isinstance(papers, Papers)
    if state.papers_rv != running.papers_rv:
        return state, None
    answers = {one.uid: one.status for one in papers.answers}
    requests = tuple(replace(one, status=answers.get(one.uid, one.status)) for one in state.requests)
    after = state._replace(requests=requests, papers_rv=state.papers_rv + 1)
    return after, running._replace(papers_rv=after.papers_rv)


def _tell(state: State, running: Program, act: Act) -> Outcome:
    papers = act.what
    assert isinstance(papers, Papers)
    if state.papers_rv != running.papers_rv:
        return state, None
    incidents = {one.name: one for one in state.incidents}
    for wanted in papers.incidents:
        old = incidents.get(wanted.name) or IncidentSeen(wanted.name, f"incident-{wanted.name}")
        incidents[wanted.name] = replace(old, status=wanted.status)
    after = state._replace(incidents=tuple(incidents.values()), papers_rv=state.papers_rv + 1)
    return after, running._replace(papers_rv=after.papers_rv)


def _record(state: State, running: Program, act: Act) -> Outcome:
    status = act.what
    assert isinstance(status, Status)
    if running.failed:
        noted = (job._replace(s3_failed_since=True) if job.seen.uid in running.failed else job for job in state.jobs)
        state = state._replace(jobs=tuple(noted))
    if not state.policy_uid:
        return state, None
    new = replace(status, signals=())
    if new == state.status:
        return state, running
    if state.policy_rv != running.policy_rv:
        return state, None
    after = state._replace(status=new, policy_rv=state.policy_rv + 1)
    return after, running._replace(policy_rv=after.policy_rv)


def _free(state: State, running: Program, act: Act) -> Outcome:
    if state.policy_rv != running.policy_rv or not state.policy_uid:
        return state, None
    after = state._replace(finalizer=False, policy_rv=state.policy_rv + 1)
    return (policy_gone(after) if after.deleting else after), running


def policy_gone(state: State) -> State:
    """The policy and what it owns are removed."""
    return state._replace(policy_uid=0, deleting=False, finalizer=False, status=Status(), jobs=(), programs=())


CALLS: Mapping[str, Callable[[State, Program, Act], Outcome]] = {
    "guard": _guard,
    "patch": _patch,
    "release": _release,
    "stop": _stop,
    "job": _job,
    "file": _file,
    "answer": _answer,
    "tell": _tell,
    "record": _record,
    "free": _free,
}


def only_words(running: Program | None) -> bool:
    """Whether nothing is left but to write down what was done."""
    return running is not None and all(act.kind in ("tell", "record", "free") for act in running.acts)


def run(state: State, running: Program) -> State:
    """All calls of a program without a break."""
    left: Program | None = running
    while left is not None:
        state, left = perform(state, left)
    return state
