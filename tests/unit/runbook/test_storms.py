"""Storms: all that may happen, in a random order, with crashes between writes; then it is calm and all comes back.

The seeds are fixed, so each storm is the same in every run. What is checked in each pass are the invariants of
docs/design.md that can be seen from a decision; after the storm, liveness.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.decision import Decision
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import Hold
from certstorage.api.incidents import OVER
from certstorage.api.observed import ClaimUser, FireTimes, JobPhase, JobSeen, Problem
from certstorage.api.reasons import Reason
from certstorage.api.receipt import PatternKind, Receipt, ReceiptVerdict
from certstorage.api.requests import Answer, Approves, RequestType
from certstorage.api.signals import SignalName, SignalSet, Verdict
from certstorage.api.status import Status
from certstorage.runbook.decide import decide
from tests.unit.runbook.stories import firing, ready
from tests.unit.runbook.world import DUAL, READ, World, healthy, hidden_outage, make_policy, outage

LEVEL = "LOG_LEVEL"
PASSES = 100
CALM_PASSES = 24 * 60
"""One a minute: a day, since a nightly validation may have to end an inconsistency."""
SPECS: list[dict[str, object]] = [
    {},
    {"mode": "ProtectOnly"},
    {"mode": "Observe"},
    {"recovery": {"approval": "Required"}},
    {"sweep": {"onFailure": "Hold"}},
    {"validation": {"repair": "All"}},
    {"sweep": {"approval": "Automatic", "window": {"schedule": "0 2 * * 6", "durationSeconds": 14400}}},
]
STOPPED = replace(healthy(), trusted=False, message="no series: nothing runs")
Chance = random.Random
Event = Callable[[World, Chance], None]


def _signals(world: World, chance: Chance) -> None:
    mixed = healthy(**{name.name: chance.choice(list(Verdict)) for name in SignalName})
    milder = chance.choice(["DEGRADED", "FALLBACK_ELEVATED", "DELETE_FAIL", "WRITE_SUCCESS", "LOCAL_DISK"])
    world.signals = chance.choice(
        [
            healthy(),
            outage(),
            hidden_outage(),
            mixed,
            firing(milder, chance.choice([None, 0.06, 0.2, 0.5, 0.96])),
            SignalSet(message="Prometheus does not answer"),
        ]
    )


def _receipt(world: World, job: JobSeen, verdict: ReceiptVerdict = ReceiptVerdict.PASSED, **changes: object) -> Receipt:
    return replace(
        Receipt(
            command={"Recovery": "recover", "Repair": "repair", "Findings": "probe"}.get(job.kind, "check"),
            nonce=job.nonce,
            inputs_hash="inputs",
            verdict=verdict,
            detail="",
            message=f"{verdict}",
            started_at=job.created_at,
            finished_at=world.now,
            mismatch=0.0 if verdict is ReceiptVerdict.PASSED else 0.01,
            sampled=5000,
            population=5000,
            probe="ok",
            report="s3://b/report.json",
        ),
        **changes,  # type: ignore[arg-type]
    )


def _end(world: World, job: JobSeen, receipt: Receipt | None, *, complete: bool) -> None:
    phase = JobPhase.COMPLETE if complete else JobPhase.FAILED
    world.jobs[job.name] = replace(job, phase=phase, receipt=receipt, finished_at=world.now)


def _job_ends(world: World, chance: Chance) -> None:
    running = [job for job in world.jobs.values() if job.phase is JobPhase.RUNNING]
    if not running:
        return
    job = chance.choice(running)
    verdict = chance.choice([*[ReceiptVerdict.PASSED] * 3, ReceiptVerdict.FAILED, ReceiptVerdict.INCONCLUSIVE])
    found = _receipt(
        world,
        job,
        verdict,
        nonce=job.nonce if chance.random() < 0.9 else "forged",
        probe=chance.choice(["ok", "ok", "failed"]),
        pattern=chance.choice(list(PatternKind)),
        population=chance.choice([5000, 30_000]),
    )
    _end(world, job, found if chance.random() < 0.9 else None, complete=verdict is ReceiptVerdict.PASSED)


def _job_gone(world: World, chance: Chance) -> None:
    if world.jobs:
        world.jobs.pop(chance.choice(list(world.jobs)))


def _foreign_write(world: World, chance: Chance) -> None:
    writes: list[tuple[str, list[str | None]]] = [
        (READ, ["true", "false"]),
        (DUAL, ["true", "false", None]),
        (LEVEL, ["INFO", "WARNING"]),
    ]
    name, values = chance.choice(writes)
    world.env[name] = EnvVar.literal(chance.choice(values), "argocd")


def _scaled(world: World, chance: Chance) -> None:
    world.replicas = chance.choice([0, 2, 3, 5])


def _status_lost(world: World, _: Chance) -> None:
    world.status = Status()


def _edited(world: World, chance: Chance) -> None:
    world.policy = make_policy(generation=world.policy.generation + 1, **chance.choice(SPECS))


def _asked(world: World, chance: Chance) -> None:
    kind = chance.choice([RequestType.SWEEP, RequestType.SWEEP, *RequestType])
    if kind is not RequestType.APPROVAL:
        world.ask(kind, f"ask-{len(world.requests)}")


def _approved(world: World, chance: Chance) -> None:
    decision = chance.choice([*[Answer.APPROVE] * 4, Answer.DENY])
    plans = [Approves(one.status.plan_hash, one.name, decision=decision) for one in world.requests if one.open]
    plans += [
        Approves(one.status.plan_hash, incident=one.name, decision=decision)
        for one in world.incidents.values()
        if one.status is not None
    ]
    for plan in plans:
        if plan.plan_hash:
            world.ask(RequestType.APPROVAL, f"answer-{len(world.requests)}", approves=plan)


def _schedules_fire(world: World, _: Chance) -> None:
    world.validation = world.window = FireTimes(world.now, world.now + timedelta(days=1))


def _cron_job_gives_back(world: World, _: Chance) -> None:
    hold = world.hold
    if hold is None or hold.replicas is None or hold.restore_by is None or hold.restore_by > world.now:
        return
    world.replicas, world.hold = hold.replicas, replace(hold, replicas=None, restore_by=None)


def _blinded(world: World, chance: Chance) -> None:
    world.blind = (Problem(Reason.PERMISSION_DENIED, "pods is forbidden"),) if chance.random() < 0.3 else ()


def _others_mount(world: World, chance: Chance) -> None:
    world.claim_users = (ClaimUser("backfill-1"),) if chance.random() < 0.3 else ()


def _rollout_stuck(world: World, chance: Chance) -> None:
    world.stuck = chance.random() < 0.3


EVENTS: list[Event] = [
    *[_signals] * 6,
    *[_job_ends] * 6,
    _job_gone,
    _foreign_write,
    _foreign_write,
    _scaled,
    _status_lost,
    _edited,
    _asked,
    _asked,
    _approved,
    _schedules_fire,
    _cron_job_gives_back,
    _blinded,
    _others_mount,
    _rollout_stuck,
]


def checked(world: World, decision: Decision, hold: Hold | None, replicas: int) -> None:
    """What holds of every decision, whatever was seen."""
    patch = decision.patch
    if patch is not None:
        assert patch.env.get(DUAL, "true") in ("true", None), "invariant 1"
        if patch.env.get(READ, "false") != "false":
            assert hold is not None
            assert hold.nonce, "invariant 2: the way back needs an open attempt"
        if patch.replicas == 0:
            assert patch.hold is not None
            assert patch.hold.sweep is not None
            assert (patch.hold.replicas, patch.hold.restore_by is not None) == (replicas, True), "invariant 5"
        if hold is not None and hold.replicas is not None and (patch.hold is None or patch.hold.replicas is None):
            assert patch.replicas == hold.replicas or replicas > 0, "invariant 5: nothing captured is forgotten"
    for names in (
        [job.name for job in decision.jobs],
        [alert.identity for alert in decision.alerts],
        [answer.name for answer in decision.answers],
        [incident.name for incident in decision.incidents],
        [state.name for state in decision.status.scenarios],
    ):
        assert len(names) == len(set(names)), names
    assert all(len(job.name) <= 63 for job in decision.jobs)
    assert decision.look_again_at > world.now


def passed(world: World, chance: Chance | None = None) -> None:
    """One pass, checked; in a storm the operator may die after its first write."""
    hold, replicas = world.hold, world.replicas
    decision = decide(world.policy, world.see(), world.status, world.now)
    checked(world, decision, hold, replicas)
    if chance is not None and decision.patch is not None and chance.random() < 0.2:
        decision = Decision(world.status, decision.look_again_at, patch=decision.patch, finalizer=world.finalizer)
    world.apply(decision)


def _storm(world: World, chance: Chance) -> None:
    for _ in range(PASSES):
        for _ in range(chance.choice([0, 1, 1, 2])):
            chance.choice(EVENTS)(world, chance)
        world.terminating = chance.choice([0, 0, 2])
        if not world.replicas and chance.random() < 0.7:
            world.signals = STOPPED
        world.now += timedelta(seconds=chance.choice([0, 1, 15, 60, 130, 301, 700, 3600]))
        passed(world, chance)


def _calm(world: World, minute: int) -> None:
    """S3 is well, Jobs pass, the night comes, and a person answers what only a person may."""
    world.signals = healthy() if world.replicas else STOPPED
    for job in list(world.jobs.values()):
        if job.phase is JobPhase.RUNNING:
            _end(world, job, _receipt(world, job), complete=True)
    world.serve(500, 0)
    if minute == 600:
        _schedules_fire(world, random.Random(0))
    if ready(world) == Reason.READS_OFF_BY_OTHER:
        world.env[READ] = EnvVar.literal("true", "person")
    if ready(world) == Reason.RETURN_ATTEMPTS_EXHAUSTED and minute % 30 == 0:
        world.ask(RequestType.RETURN, f"heal-{minute}")
    if not world.replicas and (world.hold is None or world.hold.replicas is None):
        world.replicas = 3


def _is_calm(world: World) -> bool:
    still = [one for one in world.incidents.values() if one.status is not None and one.status.phase not in OVER]
    return world.hold is None and not world.owns and not still and ready(world) == Reason.READS_FROM_S3


@pytest.mark.parametrize("seed", range(24))
def test_after_every_storm_all_comes_back(seed: int) -> None:
    chance, world = random.Random(seed), World()
    world.env[LEVEL] = EnvVar.literal("INFO", "helm")
    _storm(world, chance)
    world.blind, world.claim_users, world.stuck, world.terminating = (), (), False, 0
    world.policy = make_policy(generation=world.policy.generation + 1)
    for minute in range(CALM_PASSES):
        passed(world)
        if _is_calm(world):
            break
        world.now += timedelta(minutes=1)
        _calm(world, minute)
    assert _is_calm(world), (ready(world), world.hold, world.status.scenarios)
    assert world.read_is(FlagState.TRUE), "reads are back (invariant 10)"
    assert world.env[LEVEL].value != "DEBUG"
    assert world.replicas > 0
