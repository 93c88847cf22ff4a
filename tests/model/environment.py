"""Everything that happens to the operator: time, Pods, Jobs, people, other writers, deletions. One move each."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import replace

from certstorage.api.decision import JobKind
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import dump
from certstorage.api.observed import JobPhase
from certstorage.api.policy import Approval, Mode
from certstorage.api.receipt import PatternKind, Receipt, ReceiptVerdict
from certstorage.api.requests import Answer, Approves, RequestSeen, RequestType
from certstorage.api.status import Status
from certstorage.runbook import recovery
from tests.model.living import tidied
from tests.model.shell import INPUTS, policy_gone, rolling
from tests.model.state import ARGO, DUAL, GARBLED, LEVEL, OFF, ON, READ, REPLICAS, SECOND, TICK, Job, State, hold_of

Move = Callable[[State], Iterator[tuple[str, State]]]


def time_passes(state: State) -> Iterator[tuple[str, State]]:
    """Five minutes, longer than any pass is let to last."""
    yield "five minutes pass", state._replace(now=state.now + TICK, programs=())


def rollouts_complete(state: State) -> Iterator[tuple[str, State]]:
    """The rollout completes."""
    if state.uid and not state.rolled:
        yield "the rollout completes", state._replace(rolled=True, stuck=False)


def pods_roll(state: State) -> Iterator[tuple[str, State]]:
    """The rollout completes, sticks, or is mended."""
    if not state.uid or state.rolled:
        return
    yield "the rollout completes", state._replace(rolled=True, stuck=False)
    if not state.stuck:
        yield "the rollout sticks", state._replace(stuck=True)


GOOD = {"verdict": ReceiptVerdict.PASSED, "probe": "ok", "sampled": 400, "population": 400, "mismatch": 0.0}
ENDINGS: dict[str, dict[str, object]] = {
    "passes": {},
    "fails": {"verdict": ReceiptVerdict.FAILED},
    "fails on one object": {"verdict": ReceiptVerdict.FAILED, "mismatch": 0.01, "pattern": PatternKind.SINGLE},
    "fails at random": {"verdict": ReceiptVerdict.FAILED, "mismatch": 0.01, "pattern": PatternKind.RANDOM},
    "is inconclusive": {"verdict": ReceiptVerdict.INCONCLUSIVE},
    "finds S3 down": {"verdict": ReceiptVerdict.INCONCLUSIVE, "probe": "failed"},
    "finds the local tree shrunken": {"verdict": ReceiptVerdict.INCONCLUSIVE, "detail": "LocalTreeShrunken"},
    "finds most objects missing": {"verdict": ReceiptVerdict.INCONCLUSIVE, "detail": "MostMissing"},
    "passes with an object at risk": {"at_risk_open": 1},
    "passes with too many mismatches": {"mismatch": 0.005},
    "passes on too few objects": {"sampled": 10},
    "passes with another's nonce": {"nonce": "forged"},
    "passes on other inputs": {"inputs_hash": "other"},
}
"""What the receipt says otherwise than an honest pass."""
COMPLETED, LOST, TORN = "is marked Complete by somebody", "fails without a receipt", "says PASS and fails"
COMMANDS = {
    JobKind.RECOVERY: "recover",
    JobKind.VALIDATION: "check",
    JobKind.SWEEP: "check",
    JobKind.REPAIR: "repair",
    JobKind.FINDINGS: "probe",
}
SOME_ENDINGS = ("passes", "fails", "finds S3 down")
ALL_ENDINGS = (*ENDINGS, COMPLETED, LOST, TORN)


def job_ends(job: Job, state: State, how: str) -> Job:
    """The Job as it ended, with its receipt."""
    changes = ENDINGS.get(how, {})
    kind = JobKind(job.seen.kind)
    receipt = Receipt(
        **{  # type: ignore[arg-type]
            "command": COMMANDS[kind],
            "report": "" if kind is JobKind.FINDINGS else "s3://deltacrown-certificates/.certstorage/report.json",
            "nonce": job.nonce,
            "inputs_hash": INPUTS,
            "detail": "",
            "message": "",
            "started_at": job.seen.created_at,
            "finished_at": state.now,
            **GOOD,
            **changes,
        }
    )
    failed = receipt.verdict is not ReceiptVerdict.PASSED or how in (LOST, TORN)
    phase = JobPhase.FAILED if failed else JobPhase.COMPLETE
    written = None if how in (COMPLETED, LOST) else receipt
    seen = replace(job.seen, phase=phase, stuck=False, problem="", receipt=written, finished_at=state.now)
    return job._replace(seen=seen, honest=how == "passes")


def jobs_go_on(*endings: str) -> Move:
    """A Job ends in one of these ways, is stuck, or is deleted."""

    def move(state: State) -> Iterator[tuple[str, State]]:
        for job in state.jobs:
            others = tuple(one for one in state.jobs if one is not job)
            if job.seen.phase is JobPhase.RUNNING:
                for how in endings:
                    yield f"the Job {how}", state._replace(jobs=(*others, job_ends(job, state, how)))
                if not job.seen.stuck:
                    stuck = replace(job.seen, stuck=True, problem="ImagePullBackOff")
                    yield "the Job's Pod does not start", state._replace(jobs=(*others, job._replace(seen=stuck)))
            yield "the Job is deleted by somebody", state._replace(jobs=others)

    return move


def jobs_end(*endings: str, kinds: Container[str] = frozenset(JobKind)) -> Move:
    """A Job ends in one of these ways, and nothing else happens to it; one of another kind runs on."""

    def move(state: State) -> Iterator[tuple[str, State]]:
        for job in state.jobs:
            if job.seen.phase is JobPhase.RUNNING and job.seen.kind in kinds:
                others = tuple(one for one in state.jobs if one is not job)
                for how in endings:
                    yield f"the Job {how}", state._replace(jobs=(*others, job_ends(job, state, how)))

    return move


def jobs_pass(state: State) -> Iterator[tuple[str, State]]:
    """A Job ends well."""
    for job in state.jobs:
        if job.seen.phase is JobPhase.RUNNING:
            others = tuple(one for one in state.jobs if one is not job)
            yield "the Job passes", state._replace(jobs=(*others, job_ends(job, state, "passes")))


def foreign_job(state: State) -> Iterator[tuple[str, State]]:
    """Somebody makes a Job under the name of the next attempt."""
    hold = hold_of(state.hold)
    if hold is None or hold.nonce:
        return
    name = recovery.job_name(replace(hold, attempt=hold.attempt + 1))
    if all(job.seen.name != name for job in state.jobs):
        job = job_ends(_made(state, name), state, "passes")
        made = state._replace(jobs=(*state.jobs, job._replace(honest=False)), uids=state.uids + 1)
        yield "somebody makes a Job of our next name", made


def _made(state: State, name: str) -> Job:
    from certstorage.api.observed import JobSeen

    seen = JobSeen(name, f"job-{state.uids + 1}", JobKind.RECOVERY, "", 0, JobPhase.RUNNING, state.now, ours=False)
    return Job(seen, "")


def others_write(state: State) -> Iterator[tuple[str, State]]:
    """Somebody else writes flags, or the whole manifest."""
    if not state.uid:
        return
    if state.reads() is FlagState.FALSE:
        yield "argocd writes the read flag true", _written(state, {READ: ON})
        back = _written(state, {READ: ON, DUAL: state.env.get(DUAL, ON)})._replace(hold=None, owns=False)
        yield "kubectl replace writes the first manifest", back
    else:
        yield "argocd writes the read flag false", _written(state, {READ: OFF})


def _written(state: State, values: dict[str, object]) -> State:
    env = {**state.env, **values}
    after = state._replace(env=env, rv=state.rv + 1)  # type: ignore[arg-type]
    return rolling(state, after) if env != dict(state.env) else after


def argocd_reverts(state: State) -> Iterator[tuple[str, State]]:
    """Somebody writes the read flag back."""
    if state.uid and state.reads() is FlagState.FALSE:
        yield "argocd writes the read flag true", _written(state, {READ: ON})


def dual_write_changes(state: State) -> Iterator[tuple[str, State]]:
    """Somebody turns dual-write off, or removes it."""
    if state.uid and state.env.get(DUAL, OFF).state is FlagState.TRUE and state.hold is None:
        yield "helm turns dual-write off", _written(state, {DUAL: OFF})
        env = {name: value for name, value in state.env.items() if name != DUAL}
        yield "helm removes dual-write", rolling(state, state._replace(env=env, rv=state.rv + 1))


def sweeps_asked(most: int) -> Move:
    """A person asks for a sweep, so many times in a history, and approves its plan or denies it."""

    def move(state: State) -> Iterator[tuple[str, State]]:
        if state.asks < most and state.uid:
            asked = _asked(state, _request(state, RequestType.SWEEP))
            yield "a person asks for a sweep", asked._replace(asks=state.asks + 1)
        yield from _sweeps_answered(state)

    return move


def _sweeps_answered(state: State) -> Iterator[tuple[str, State]]:
    if any(one.kind is RequestType.APPROVAL and one.open for one in state.requests):
        return
    for one in state.requests:
        if one.kind is RequestType.SWEEP and one.open and one.status.plan_hash and one.status.started_at is None:
            yield from _answers(state, one.status.plan_hash, "the sweep", request=one.name)


def _answers(state: State, plan: str, what: str, **named: str) -> Iterator[tuple[str, State]]:
    for decision in Answer:
        says = Approves(plan, decision=decision, **named)
        yield f"a person says {decision} to {what}", _asked(state, _request(state, RequestType.APPROVAL, says))


def _request(state: State, kind: RequestType, approves: Approves | None = None) -> RequestSeen:
    name, uid = f"ask-{state.uids}", f"request-{state.uids}"
    return RequestSeen(name, uid, kind, state.now, approves=approves, ttl_seconds=state.timing.ttl_seconds)


def plans_answered(state: State) -> Iterator[tuple[str, State]]:
    """A person answers the plan of the way back as the incident shows it, one that is another by now, or none."""
    if state.asks >= MOST_ANSWERS or any(one.open for one in state.requests):
        return
    answered = state._replace(asks=state.asks + 1)
    yield from _answers(answered, "a plan", "what is not there", incident="none")
    for one in state.incidents:
        if one.status is not None and one.status.plan_hash:
            yield from _answers(answered, one.status.plan_hash, "the plan", incident=one.name)
            yield from _answers(answered, "the plan of yesterday", "a plan of yesterday", incident=one.name)


MOST_ANSWERS = 2


def checks_asked(most: int, *kinds: RequestType) -> Move:
    """A person asks for a validation or a repair, so many times in a history."""

    def move(state: State) -> Iterator[tuple[str, State]]:
        if state.asks < most and state.uid:
            for kind in kinds:
                asked = _asked(state, _request(state, kind))
                yield f"a person asks for a {kind}", asked._replace(asks=state.asks + 1)

    return move


def hold_garbled(state: State) -> Iterator[tuple[str, State]]:
    """Somebody edits the annotation, so that it cannot be read."""
    if state.uid and state.hold is not None and state.hold != GARBLED:
        yield "the annotation is garbled", state._replace(hold=GARBLED, rv=state.rv + 1)


def _asked(state: State, request: RequestSeen) -> State:
    return state._replace(requests=(*state.requests, request), uids=state.uids + 1, papers_rv=state.papers_rv + 1)


def pods_go(state: State) -> Iterator[tuple[str, State]]:
    """The Pods of before the scaling are gone."""
    if state.terminating:
        yield "the last Pod is gone", state._replace(terminating=False)


def replicas_set(state: State) -> Iterator[tuple[str, State]]:
    """Somebody scales up during a sweep; past the restore-by time the CronJob gives back."""
    hold = hold_of(state.hold)
    if not state.uid or state.replicas:
        return
    up = state._replace(replicas=REPLICAS, rv=state.rv + 1)
    yield "somebody scales up", rolling(state, up)
    if hold is not None and hold.replicas is not None and hold.restore_by is not None and state.now >= hold.restore_by:
        back = up._replace(hold=dump(replace(hold, replicas=None, restore_by=None)), replicas=hold.replicas)
        yield "the CronJob gives replicas back", rolling(state, back)


def level_written(state: State) -> Iterator[tuple[str, State]]:
    """Somebody writes the log level."""
    if state.uid and state.hold is not None and LEVEL in state.env and state.env[LEVEL].value != "WARN":
        written = _written(state, {LEVEL: EnvVar.literal("WARN", ARGO)})
        yield "argocd writes the log level", written._replace(level="WARN")


def requests_come(state: State) -> Iterator[tuple[str, State]]:
    """A person approves the way back."""
    if state.hold is not None and not any(one.kind is RequestType.RETURN and one.open for one in state.requests):
        yield "a person requests the return", _asked(state, _request(state, RequestType.RETURN))


def waits_ended(state: State) -> Iterator[tuple[str, State]]:
    """A person ends the wait of a sweep that has failed, by a request of the same type."""
    hold = hold_of(state.hold)
    if hold is not None and hold.sweep is not None:
        yield from requests_come(state)


def people_edit(state: State) -> Iterator[tuple[str, State]]:
    """The policy's mode is edited."""
    if not state.policy_uid or state.deleting:
        return
    for mode in Mode:
        if mode is not state.mode:
            yield f"the mode is set to {mode}", state._replace(mode=mode, policy_rv=state.policy_rv + 1)


def approval_edited(state: State) -> Iterator[tuple[str, State]]:
    """recovery.approval is edited."""
    if state.policy_uid and not state.deleting:
        other = Approval.REQUIRED if state.approval is Approval.AUTOMATIC else Approval.AUTOMATIC
        yield f"approval is set to {other}", state._replace(approval=other, policy_rv=state.policy_rv + 1)


def policy_goes(state: State) -> Iterator[tuple[str, State]]:
    """The policy is deleted, and made anew."""
    if not state.policy_uid:
        uid = state.uids + 1
        yield "the policy is made anew", state._replace(policy_uid=uid, uids=uid, mode=Mode.ENFORCE)
    elif not state.deleting:
        going = state._replace(deleting=True, policy_rv=state.policy_rv + 1)
        yield "the policy is deleted", going if state.finalizer else policy_gone(going)


def target_goes(state: State) -> Iterator[tuple[str, State]]:
    """The Deployment is deleted, made anew, or restored from a backup with our annotation on it."""
    if state.uid:
        yield (
            "the Deployment is deleted",
            state._replace(uid=0, hold=None, owns=False, rolled=True, stuck=False, rv=state.rv + 1),
        )
        anew = _anew(state)
        yield (
            "the Deployment is deleted and made anew, unseen",
            anew._replace(hold=None, env={READ: ON, DUAL: ON}, level=None),
        )
        if state.hold is not None:
            yield "the Deployment is restored with our annotation", anew
    else:
        yield "the Deployment is made anew", _anew(state)._replace(hold=None, env={READ: ON, DUAL: ON}, level=None)


def _anew(state: State) -> State:
    uid = state.uids + 1
    return state._replace(uid=uid, uids=uid, owns=False, rolled=True, stuck=False, rv=state.rv + 1, generation=1)


def status_is_lost(state: State) -> Iterator[tuple[str, State]]:
    """A restore or somebody with rights wipes the status."""
    if state.policy_uid:
        yield "the status is wiped", state._replace(status=Status(), policy_rv=state.policy_rv + 1)


def tidy(state: State) -> State:
    """A second passes; what nothing can look at any more is gone."""
    return tidied(state._replace(now=state.now + SECOND))
