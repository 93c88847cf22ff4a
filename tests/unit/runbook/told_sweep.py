"""The integrity sweep, as it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from certstorage.api.decision import Decision
from certstorage.api.observed import (
    Busy,
    BusyWith,
    ClaimUser,
    FireTimes,
    Fleet,
    Neighbours,
    Problem,
    Scaler,
)
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import Answer, Approves, RequestType
from certstorage.api.signals import SignalSet, Verdict
from certstorage.runbook.decide import decide
from tests.unit.runbook.stories import HOLD
from tests.unit.runbook.tellers import DAY, onward, story
from tests.unit.runbook.test_inconsistency import BAD
from tests.unit.runbook.test_sweep import approve, asked_for, scaled_down, sweeping
from tests.unit.runbook.test_sweep_requests import AUTOMATIC
from tests.unit.runbook.world import World, healthy, make_policy, outage


@story
def a_sweep_that_passes() -> World:
    world = sweeping()
    world.step(60)
    world.finish(message="PASS: 10% compared", report="s3://b/sweep.json")
    world.step(60)
    world.signals, world.rolling = healthy(), True
    world.step(15)
    world.step(600)
    world.rolling = False
    world.step(15)
    world.settle()
    return world


@story
def a_sweep_that_fails() -> World:
    world = onward(sweeping())
    world.finish(ReceiptVerdict.FAILED, **BAD)
    world.step(60)
    world.signals = healthy()
    world.settle()
    return world


@story
def a_sweep_that_fails_and_is_held_for_people() -> World:
    world = onward(sweeping(policy=make_policy(sweep={"onFailure": "Hold"})))
    world.finish(ReceiptVerdict.FAILED, **BAD)
    world.step(60)
    world.step(60)
    world.ask(RequestType.RETURN, "enough")
    world.step(60)
    world.signals = healthy()
    world.settle()
    return world


@story
def sweeps_that_are_interrupted() -> World:
    world = onward(sweeping())
    world.replicas = 2
    world.step(60)

    def mode(one: World) -> None:
        one.policy = make_policy(2, mode="ProtectOnly")

    def observe(one: World) -> None:
        one.policy = make_policy(2, mode="Observe")

    def s3_down(one: World) -> None:
        one.signals = outage()

    def late(one: World) -> None:
        one.now += timedelta(hours=2)

    def given_back(one: World) -> None:
        assert one.hold is not None
        one.hold, one.replicas = replace(one.hold, replicas=None, restore_by=None), 3

    def job_gone(one: World) -> None:
        one.jobs.clear()

    def cannot_tell(one: World) -> None:
        one.finish(ReceiptVerdict.INCONCLUSIVE)

    for happens in (mode, observe, s3_down, late, given_back, job_gone, cannot_tell):
        other = sweeping()
        happens(other)
        other.step(60)
        other.step(15)
        world.passes += other.passes[-2:]
    return world


@story
def a_sweep_that_waits_for_its_pods() -> World:
    world = onward(scaled_down())
    world.step(60)
    world.blind = (Problem(Reason.PERMISSION_DENIED, "pods is forbidden"),)
    world.step(60)
    world.blind, world.terminating = (), 0
    world.target_changes = {"observed_generation": 0}
    world.step(60)
    world.target_changes = {}
    world.step(60)
    return world


@story
def sweeps_that_are_refused() -> World:
    world = asked_for(claim_users=(ClaimUser("backfill-1"), ClaimUser("cron-1", "CronJob/backfill")))
    for change in (
        {"scalers": (Scaler("ScaledObject", "deltacrown"),)},
        {"policy": make_policy(mode="Observe")},
        {"policy": make_policy(mode="ProtectOnly")},
        {"signals": outage()},
        {"signals": SignalSet(message="Prometheus does not answer")},
        {"signals": healthy(OUTAGE=Verdict.UNKNOWN, BLACK_HOLE=Verdict.UNKNOWN)},
        {"claim_users": tuple(ClaimUser(f"backfill-{number}") for number in range(7))},
        {"neighbours": Neighbours(same_storage="staging/certificates")},
        {"problems": (Problem(Reason.LOCAL_NOT_SHARED, "an emptyDir"),)},
        {"replicas": 0},
        {"rolling": True},
        {"fleet": Fleet((Busy("production/p0", BusyWith.SWEEP, World().now + DAY),))},
    ):
        world.passes += asked_for(**change).passes[-1:]
    return world


@story
def sweeps_that_a_window_or_a_person_decides() -> World:
    world = asked_for(policy=make_policy(1, **AUTOMATIC), window=FireTimes(None, World().now + DAY))
    approve(world, decision=Answer.DENY)
    world.step(15)
    world.ask(RequestType.SWEEP, "second")
    world.ask(RequestType.SWEEP, "third")
    world.step(15)
    approve(world, "second")
    world.replicas = 5
    world.step(15)
    world.step(15)
    return world


@story
def a_quarter_begins() -> World:
    world = World(policy=make_policy(1, **AUTOMATIC), window=FireTimes(None, World().now + 45 * DAY))
    world.step()
    world.step(40 * 86_400)
    world.step(15)
    world.window = FireTimes(world.now, world.now + 7 * DAY)
    world.step(15)
    return world


@story
def a_sweep_that_fails_and_the_way_back_after_it() -> World:
    world = sweeping()
    world.finish(ReceiptVerdict.FAILED, **BAD)
    world.step(60)
    onward(world)
    world.signals = healthy()
    world.settle()
    world.step(HOLD)
    world.finish()
    world.step(15)
    world.serve(500, 0)
    world.settle()
    return world


def _half_recorded(verdict: ReceiptVerdict | None) -> World:
    """The operator died after it gave the replicas back, before it answered the request."""
    world = sweeping()
    if verdict is None:
        world.jobs.clear()
    else:
        world.finish(verdict, message=f"{verdict}: 10% compared", report="s3://b/sweep.json")
    decision = decide(world.policy, world.see(), world.status, world.now)
    world.apply(Decision(world.status, decision.look_again_at, patch=decision.patch, finalizer=True))
    onward(world)
    world.signals = healthy()
    world.step(15)
    return world


@story
def a_sweep_whose_end_was_not_recorded() -> World:
    world = _half_recorded(ReceiptVerdict.PASSED)
    for verdict in (ReceiptVerdict.FAILED, None):
        world.passes += _half_recorded(verdict).passes[-1:]
    return world


@story
def a_sweep_that_nobody_signed() -> World:
    world = onward(asked_for())
    world.requests = tuple(replace(one, by="") for one in world.requests)
    plan = world.answer_of("sweep").plan_hash
    world.ask(RequestType.APPROVAL, "yes", approves=Approves(plan, "sweep"), by="")
    world.step(5)
    return world
