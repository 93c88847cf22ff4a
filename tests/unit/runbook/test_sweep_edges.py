"""Sweeps: the very second, the very request: on which side of each edge a rule stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.incidents import IncidentPhase
from certstorage.api.observed import FireTimes
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import Approves, RequestPhase, RequestStatus, RequestType, Trigger
from certstorage.api.scenarios import Scenario
from tests.unit.runbook.stories import HOLD, message, told
from tests.unit.runbook.test_inconsistency import BAD
from tests.unit.runbook.test_routine import DAY
from tests.unit.runbook.test_sweep import approve, asked_for, sweeping
from tests.unit.runbook.test_sweep_requests import AUTOMATIC
from tests.unit.runbook.world import World, healthy, make_policy


@pytest.mark.parametrize(("seconds", "begins"), [(7200, True), (7201, False)])
def test_a_sweep_begins_in_a_window_into_which_it_just_fits(seconds: float, begins: bool) -> None:
    world = World(policy=make_policy(1, **AUTOMATIC))
    world.window = FireTimes(world.now, world.now + DAY)
    world.ask(RequestType.SWEEP, "quarterly", trigger=Trigger.QUARTERLY)
    world.step(seconds)
    assert (world.replicas == 0) is begins


def test_a_sweep_is_over_at_its_very_restore_by_time_or_when_one_replica_is_back() -> None:
    world = sweeping()
    assert world.hold is not None
    assert world.hold.restore_by is not None
    left = (world.hold.restore_by - world.now).total_seconds()
    world.step(left - 1)
    assert world.replicas == 0
    world.step(1)
    assert world.replicas == 3
    other = sweeping()
    other.replicas = 1
    other.step(15)
    assert other.hold is not None
    assert other.hold.sweep is None


def test_the_rate_that_a_person_asks_for_is_the_rate_of_the_sweep() -> None:
    world = World()
    world.step()
    world.ask(RequestType.SWEEP, "sweep", sample_rate=0.5)
    world.step(5)
    assert "Compare 50%" in world.answer_of("sweep").plan[1]
    approve(world)
    world.step(5)
    world.step(15)
    assert world.wanted[world.job().name].sample_rate == 0.5


def test_an_answer_that_was_lost_is_given_again_in_full() -> None:
    world = sweeping()
    full = world.answer_of("sweep")
    world.requests = tuple(replace(one, status=RequestStatus()) for one in world.requests)
    world.step(15)
    again = world.answer_of("sweep")
    assert (again.phase, again.started_at, again.incident, again.job_name) == (
        RequestPhase.RUNNING,
        full.started_at,
        full.incident,
        full.job_name,
    )
    world.requests = tuple(replace(one, status=RequestStatus()) for one in world.requests)
    world.finish()
    world.step(15)
    over = world.answer_of("sweep")
    assert (over.phase, over.started_at, over.incident) == (RequestPhase.DONE, full.started_at, full.incident)


def test_after_a_sweep_the_growth_is_counted_anew() -> None:
    world = sweeping()
    assert world.status.sweep is not None
    world.status = replace(world.status, sweep=replace(world.status.sweep, backfilled_objects=9000))
    world.finish()
    world.step(15)
    assert world.status.sweep is not None
    assert (world.status.sweep.backfilled_objects, world.status.sweep.last_passed_at) == (0, world.now)


def test_an_approval_that_is_made_before_its_plan_was_there_is_not_taken() -> None:
    world = World()
    world.step()
    world.ask(RequestType.SWEEP, "sweep")
    world.ask(RequestType.APPROVAL, "yes", approves=Approves("0123456789abcdef", "sweep"))
    world.step(5)
    assert world.replicas == 3


def test_a_sweep_that_is_asked_for_names_its_asker() -> None:
    world = asked_for()
    assert world.answer_of("sweep").approved_by == ""
    approve(world)
    world.step(5)
    assert world.answer_of("sweep").approved_by == "yes-1 by jane@example.com"


@pytest.mark.parametrize(("seconds", "ends"), [(0, True), (-1, False)])
def test_a_return_that_is_older_than_the_sweep_does_not_end_its_wait(seconds: int, ends: bool) -> None:
    world = sweeping(policy=make_policy(sweep={"onFailure": "Hold"}))
    world.finish(ReceiptVerdict.FAILED, **BAD)
    world.step(60)
    assert world.hold is not None
    assert world.hold.sweep is not None
    since = world.hold.sweep.since + timedelta(seconds=seconds)
    world.ask(RequestType.RETURN, "enough", created_at=since, by="")
    world.step(60)
    assert (world.replicas == 3) is ends
    assert not ends or "enough by somebody ends the wait" in message(world)


def test_a_return_that_has_just_expired_does_not_end_the_wait_of_a_sweep() -> None:
    world = sweeping(policy=make_policy(sweep={"onFailure": "Hold"}))
    world.finish(ReceiptVerdict.FAILED, **BAD)
    world.step(60)
    world.ask(RequestType.RETURN, "enough", ttl_seconds=60)
    world.now = world.requests[-1].expires_at
    world.step()
    assert world.replicas == 0


def test_another_job_of_ours_does_not_tell_how_an_interrupted_sweep_ended() -> None:
    world = sweeping()
    before = world.requests
    world.finish()
    job = world.job()
    world.step(15)
    world.requests = before
    world.signals = healthy()
    world.jobs = {"certificates-n-1": replace(job, name="certificates-n-1")}
    world.step(15)
    assert world.answer_of("sweep").reason == Reason.SWEEP_INTERRUPTED


def test_the_end_of_a_failed_sweep_is_told_as_a_sweeps_even_when_its_incident_was_deleted() -> None:
    world = sweeping()
    world.finish(ReceiptVerdict.FAILED, **BAD)
    world.step(60)
    world.signals = healthy()
    world.settle()
    world.step(HOLD)
    world.finish()
    world.step(15)
    world.incidents.clear()
    world.serve(500, 0)
    world.step(15)
    assert told(world, Scenario.SWEEP).phase is IncidentPhase.RESOLVED


@pytest.mark.parametrize(("lasts", "seconds"), [(7200, 7080), (150, 30), (60, 30)])
def test_the_job_of_a_sweep_ends_before_replicas_are_given_back_and_has_half_a_minute(lasts: int, seconds: int) -> None:
    world = sweeping(policy=make_policy(sweep={"maxDurationSeconds": lasts}))
    assert world.wanted[world.job().name].timeout_seconds == seconds
