"""Before a sweep: what files a request for one, who must approve it, and what refuses it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from certstorage.api.decision import Decision
from certstorage.api.observed import Busy, BusyWith, ClaimUser, FireTimes, Fleet, Neighbours, Scaler
from certstorage.api.reasons import Reason
from certstorage.api.requests import Answer, RequestPhase, RequestSeen, RequestType, Trigger
from certstorage.api.signals import SignalSet, Verdict
from certstorage.api.status import Status, SweepStatus
from tests.unit.runbook.stories import asked, pass_time, ready
from tests.unit.runbook.test_sweep import HOUR, approve, asked_for, scaled_down
from tests.unit.runbook.world import START, Spec, World, healthy, make_policy, outage

AUTOMATIC: Spec = {"sweep": {"approval": "Automatic", "window": {"schedule": "0 2 * * 6", "durationSeconds": 14400}}}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signals": SignalSet(message="Prometheus does not answer")}, Reason.SIGNALS_UNKNOWN),
        ({"signals": healthy(OUTAGE=Verdict.UNKNOWN)}, Reason.SIGNALS_UNKNOWN),
        ({"signals": healthy(BLACK_HOLE=Verdict.UNKNOWN)}, Reason.SIGNALS_UNKNOWN),
        ({"claim_users": (ClaimUser("backfill-1", "Job/backfill"),)}, Reason.OTHER_WRITERS),
        ({"scalers": (Scaler("ScaledObject", "deltacrown"),)}, Reason.SCALED_BY_OTHER),
        ({"neighbours": Neighbours(same_storage="production/other")}, Reason.STORAGE_SHARED),
        ({"policy": make_policy(mode="ProtectOnly")}, Reason.MODE_PROTECT_ONLY),
        ({"policy": make_policy(mode="Observe")}, Reason.MODE_OBSERVE),
        ({"target_changes": {"updated": 1}}, Reason.ROLLOUT_UNDER_WAY),
        ({"target_changes": {"paused": True}}, Reason.ROLLOUT_PAUSED),
        ({"target_changes": {"replicas": 0, "updated": 0, "available": 0, "total": 0}}, Reason.SCALED_TO_ZERO),
        ({"fleet": Fleet((Busy("a/b", BusyWith.SWEEP, START + HOUR),))}, Reason.SWEEPS_CAPPED),
    ],
)
def test_a_doubt_refuses_it_with_reason_time_and_way_out_and_it_begins_when_mended(
    changes: dict[str, object], reason: Reason
) -> None:
    world = asked_for(**changes)
    status = world.answer_of("sweep")
    assert (status.phase, status.reason) == (RequestPhase.REFUSED, reason)
    assert status.until is not None
    assert status.until > world.now
    assert status.message
    approve(world)
    pass_time(world, 300, 60)
    assert world.replicas == 3
    assert world.answer_of("sweep").phase is RequestPhase.REFUSED
    for name in changes:
        setattr(world, name, getattr(World(), name))
    world.step(60)
    same_plan = reason is not Reason.SCALED_TO_ZERO
    assert (world.replicas == 0) is same_plan, "the approval holds for as long as the plan is the same"


def test_an_hpa_with_at_least_one_replica_does_not_refuse_it() -> None:
    world = scaled_down(scalers=(Scaler("HorizontalPodAutoscaler", "deltacrown"),))
    assert world.replicas == 0


def test_an_outage_refuses_it() -> None:
    world = asked_for(signals=outage())
    assert world.answer_of("sweep").reason == Reason.OUTAGE_IN_FORCE
    assert ready(world) == Reason.OUTAGE_READS_LOCAL


def test_a_stuck_sweep_of_another_policy_holds_nobody_up() -> None:
    world = scaled_down(fleet=Fleet((Busy("a/b", BusyWith.SWEEP, START - HOUR),)))
    assert world.replicas == 0


def test_a_plan_that_changes_voids_its_approval() -> None:
    world = asked_for()
    digest = world.answer_of("sweep").plan_hash
    world.replicas = 5
    world.step(5)
    assert world.answer_of("sweep").plan_hash != digest
    approve(world, digest=digest)
    world.step(5)
    assert world.replicas == 5
    assert world.answer_of("yes-1").reason == Reason.PLAN_CHANGED
    approve(world)
    world.step(5)
    assert world.replicas == 0


def test_a_change_after_the_approval_asks_again() -> None:
    world = asked_for(claim_users=(ClaimUser("backfill-1"),))
    approve(world)
    world.step(5)
    assert world.answer_of("sweep").approved_by
    world.replicas, world.claim_users = 5, ()
    world.step(60)
    assert world.replicas == 5
    assert world.answer_of("sweep").reason == Reason.PLAN_CHANGED
    assert world.answer_of("sweep").approved_by == ""


def test_a_denial_ends_it() -> None:
    world = asked_for()
    approve(world)
    approve(world, decision=Answer.DENY)
    world.step(5)
    status = world.answer_of("sweep")
    assert (status.phase, status.reason) == (RequestPhase.DENIED, Reason.REQUEST_DENIED)
    pass_time(world, 600)
    assert world.replicas == 3


def test_expiry_leaves_everything_as_it_is() -> None:
    world = asked_for()
    world.step(86_400)
    assert world.answer_of("sweep").phase is RequestPhase.EXPIRED
    approve(world)
    world.step(5)
    assert world.replicas == 3
    assert world.answer_of("yes-1").reason == Reason.APPROVAL_VOID


@pytest.mark.runbook("sweep/step-1")
def test_a_window_lets_what_a_trigger_filed_run_by_itself_and_nothing_of_a_person() -> None:
    world = World(policy=make_policy(**AUTOMATIC))
    world.window = FireTimes(None, START + 5 * HOUR)
    world.ask(RequestType.SWEEP, "quarterly", trigger=Trigger.QUARTERLY)
    world.step()
    status = world.answer_of("quarterly")
    assert (status.reason, status.until) == (Reason.OUTSIDE_WINDOW, START + 5 * HOUR)
    assert asked(world) is None
    world.window = FireTimes(START + 5 * HOUR, START + 24 * HOUR)
    world.step(7.5 * 3600)
    assert world.replicas == 3, "two hours do not fit into what is left of four"
    world.window = FireTimes(world.now, world.now + 24 * HOUR)
    world.step(60)
    assert world.replicas == 0
    other = World(policy=make_policy(**AUTOMATIC), window=FireTimes(START, START + 24 * HOUR))
    other.ask(RequestType.SWEEP, "mine")
    other.step()
    assert other.replicas == 3


def test_only_one_of_two_requests_runs_and_the_other_waits() -> None:
    world = asked_for()
    world.ask(RequestType.SWEEP, "another")
    approve(world)
    world.step(5)
    assert world.answer_of("sweep").phase is RequestPhase.RUNNING
    world.step(5)
    assert world.answer_of("another").phase in (RequestPhase.NEW, RequestPhase.PENDING)


def lasting(minutes: int, **changes: object) -> World:
    """An outage of so many minutes is over."""
    world = World(signals=outage(), **changes)  # type: ignore[arg-type]
    world.step()
    world.signals = healthy(**{})
    world.step(60)
    world.step(600)
    world.finish()
    world.step(30)
    world.now = START + timedelta(minutes=minutes)
    world.serve(500, 0)
    world.step(0)
    assert world.hold is None
    world.settle()
    return world


@pytest.mark.runbook("sweep/when-outage")
@pytest.mark.parametrize(("minutes", "filed"), [(30, False), (31, True)])
def test_a_major_outage_asks_for_a_sweep_once(minutes: int, filed: bool) -> None:
    world = lasting(minutes)
    pass_time(world, 3600, 60)
    names = [one.name for one in world.requests if one.trigger is Trigger.OUTAGE]
    assert names == (["certificates-sweep-outage-20261123-034100"] if filed else [])
    world.requests = ()
    pass_time(world, 3600, 60)
    assert world.requests == (), "what a person deletes is not asked for again"


@pytest.mark.parametrize("trigger", [Trigger.OUTAGE, Trigger.BACKFILL])
def test_one_open_request_after_an_outage_is_enough(trigger: Trigger) -> None:
    earlier = RequestSeen("earlier", "uid", RequestType.SWEEP, START, "", trigger)
    world = lasting(31, requests=(earlier,))
    pass_time(world, 600, 60)
    assert len(world.requests) == (1 if trigger is Trigger.OUTAGE else 2)


def filed(world: World) -> tuple[RequestSeen, ...]:
    """The requests that there are now."""
    return world.requests


def validated(world: World, population: int) -> Decision:
    world.now += timedelta(days=1)
    world.validation = FireTimes(world.now, world.now + timedelta(days=1))
    world.step(1)
    world.finish(population=population, sampled=2000)
    return world.step(30)


@pytest.mark.runbook("sweep/when-backfill")
def test_a_large_backfill_is_seen_as_growth_between_receipts() -> None:
    world = World()
    validated(world, 100_000)
    validated(world, 106_000)
    validated(world, 110_000)
    assert filed(world) == (), "exactly ten thousand"
    validated(world, 110_001)
    (request,) = filed(world)
    assert (request.kind, request.trigger) == (RequestType.SWEEP, Trigger.BACKFILL)
    assert world.status.sweep is not None
    assert world.status.sweep.backfilled_objects == 0
    validated(world, 115_000)
    assert len(world.requests) == 1, "the count begins anew"
    validated(world, 90_000)
    assert len(world.requests) == 1


def test_the_first_count_of_all_objects_is_no_growth() -> None:
    world = World()
    validated(world, 100_000)
    last = world.status.last_validation
    assert last is not None
    world.status = replace(world.status, last_validation=replace(last, population=0))
    validated(world, 120_000)
    assert world.requests == ()


@pytest.mark.runbook("sweep/when-quarterly")
def test_a_quarterly_check_is_asked_for_at_the_begin_of_each_quarter() -> None:
    world = World()
    world.step()
    assert world.status.sweep is not None
    assert world.status.sweep.quarterly_due_at == datetime(2027, 1, 1, tzinfo=UTC)
    world.now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    world.step()
    assert filed(world) == ()
    world.step(1)
    world.step(60)
    (request,) = filed(world)
    assert (request.name, request.trigger) == ("certificates-sweep-2027q1", Trigger.QUARTERLY)
    world.now = datetime(2027, 4, 1, tzinfo=UTC)
    world.requests = ()
    world.step()
    assert [one.name for one in filed(world)] == ["certificates-sweep-2027q2"]


def test_a_quarter_is_not_asked_for_where_it_is_switched_off_or_only_observed() -> None:
    for policy in (make_policy(sweep={"quarterly": "Never"}), make_policy(mode="Observe")):
        due = SweepStatus(quarterly_due_at=START)
        world = World(policy=policy, status=Status(sweep=due))
        world.step(60)
        assert world.requests == ()
