"""The very second, the very number: on which side of each edge a rule stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import ReadsPhase
from certstorage.api.incidents import IncidentPhase
from certstorage.api.observed import Busy, BusyWith, FireTimes, Fleet, Pods, Target
from certstorage.api.reasons import Reason
from certstorage.api.receipt import PatternKind, ReceiptVerdict
from certstorage.api.requests import RequestPhase, RequestStatus, RequestType, Trigger
from certstorage.api.scenarios import Scenario, Step
from certstorage.api.signals import Signal, SignalName, Verdict
from certstorage.api.status import Status
from certstorage.runbook.decide import decide
from tests.unit.runbook import test_attempt
from tests.unit.runbook.stories import HOLD, firing, message, phase, probed, ready, told
from tests.unit.runbook.test_degradation import clear, degraded
from tests.unit.runbook.test_inconsistency import BAD, differing
from tests.unit.runbook.test_milder import in_work
from tests.unit.runbook.test_routine import DAY, at_night
from tests.unit.runbook.world import READ, World, healthy, hidden_outage, make_policy, outage


def validating() -> World:
    """The recovery Job of attempt 1 runs and is remembered."""
    world = test_attempt.validating()
    world.step(15)
    return world


def checking() -> World:
    """The receipt has passed, reads are back, the new Pods are watched."""
    world = validating()
    world.finish()
    world.step(15)
    world.settle()
    return world


# --- the way back


def test_a_recovery_job_is_overdue_at_its_very_deadline() -> None:
    world = validating()
    assert world.status.operation is not None
    assert world.status.operation.deadline is not None
    name, left = world.job().name, (world.status.operation.deadline - world.now).total_seconds()
    world.step(left - 1)
    assert name in world.jobs
    world.step(1)
    assert name not in world.jobs


@pytest.mark.parametrize(("minutes", "back"), [(30, True), (30.1, False)])
def test_a_receipt_is_good_for_half_an_hour(minutes: float, back: bool) -> None:
    world = validating()
    world.finish(started_at=world.job().created_at)
    world.step(minutes * 60)
    assert world.read_is(FlagState.TRUE) is back


@pytest.mark.parametrize(("seconds", "back"), [(0, False), (-1, True)])
def test_a_failure_of_s3_in_the_very_second_of_the_job_voids_its_receipt(seconds: int, back: bool) -> None:
    world = validating()
    assert world.hold is not None
    world.hold = replace(world.hold, last_firing_at=world.job().created_at + timedelta(seconds=seconds))
    world.finish()
    world.step(15)
    assert world.read_is(FlagState.TRUE) is back


@pytest.mark.parametrize(
    ("reads", "fallbacks", "seconds", "reason"),
    [
        (50, 0, 0, Reason.RETURNED),
        (49, 0, 0, Reason.RETURNING),
        (49, 0, 300, Reason.RETURN_UNVERIFIED),
        (1000, 9, 0, Reason.RETURNED),
        (1000, 10, 0, Reason.RETURNING),
        (1000, 10, 299, Reason.RETURNING),
        (1000, 10, 300, Reason.OUTAGE_GOING_LOCAL),
    ],
)
def test_new_pods_are_judged_by_fifty_reads_and_less_than_one_percent_within_five_minutes(
    reads: float, fallbacks: float, seconds: float, reason: Reason
) -> None:
    world = checking()
    assert world.status.operation is not None
    assert world.status.operation.step is Step.CHECKING
    world.serve(reads, fallbacks)
    world.step(seconds)
    assert ready(world) == reason


@pytest.mark.parametrize("change", [{"trusted": False}, {"pods": 2}, {"template_hash": "before"}])
def test_counters_that_are_not_all_the_new_pods_judge_nothing(change: dict[str, Any]) -> None:
    world = checking()
    world.serve(500, 0)
    if "trusted" in change:
        world.signals = replace(world.signals, trusted=False, message="")
    else:
        sample = world.signals.fallback
        assert sample is not None
        world.signals = replace(world.signals, fallback=replace(sample, **change))
    world.step(15)
    assert world.hold is not None
    assert world.hold.reads is ReadsPhase.RETURNING
    world.step(300)
    assert ready(world) == Reason.SIGNALS_UNKNOWN
    assert message(world).endswith("cannot be judged: their counters are missing")


def test_pods_that_still_read_local_disk_are_counted_on_the_way_back() -> None:
    world = checking()
    decision = decide(world.policy, replace(world.see(), pods=Pods(local=1, s3=2)), world.status, world.now)
    world.apply(decision)
    assert message(world) == "reads are from S3 on 2/3 Pods"


@pytest.mark.parametrize(("seconds", "writes"), [(599, 2), (600, 3)])
def test_a_writer_is_undone_again_after_ten_minutes(seconds: float, writes: int) -> None:
    world = World(signals=outage())
    world.step()
    world.signals = hidden_outage()
    world.env[READ] = EnvVar.literal("true", "argocd")
    world.step()
    world.env[READ] = EnvVar.literal("true", "argocd")
    world.step(seconds)
    assert len(world.writes) == writes


# --- degradations


def test_a_degradation_that_comes_back_while_it_is_validated_is_watched_and_validated_anew() -> None:
    """What the first Job compared may be from before it came back; the cause was looked into already."""
    world = degraded()
    probed(world)
    world.step(30)
    clear(world)
    assert world.status.scenarios[0].step is Step.VALIDATING
    world.jobs.clear()
    world.signals = firing("DEGRADED", 0.12, world)
    world.step(120)
    state = world.status.scenario(Scenario.DEGRADATION)
    assert state is not None
    assert (state.step, "quietSince" in state.marks) == (Step.WATCHING, False)
    assert world.jobs == {}
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.OPEN
    clear(world)
    assert world.job().name.endswith("-v2")
    world.finish()
    world.step(30)
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.RESOLVED


# --- copies that differ


def test_when_copies_began_to_differ_is_told_by_a_signal_that_fires_and_by_no_other() -> None:
    began = World().now - timedelta(hours=3)
    for verdict, expected in ((Verdict.FIRING, began), (Verdict.CLEAR_PROVEN, None)):
        world = at_night(policy=make_policy(validation={"repair": "All"}))
        world.signals = healthy()
        mismatch = Signal(SignalName.MISMATCH, verdict, since=began)
        world.signals = replace(world.signals, signals={**world.signals.signals, mismatch.name: mismatch})
        world.step()
        world.finish(ReceiptVerdict.FAILED, **BAD)
        world.step(30)
        world.step(30)
        status = told(world, Scenario.INCONSISTENCY)
        assert status.started_at == (expected or status.detected_at)


def test_a_sweep_is_asked_for_once_an_inconsistency_even_when_its_request_is_gone() -> None:
    world = differing()
    assert [one.trigger for one in world.requests] == [Trigger.MISMATCH]
    world.requests = ()
    world.step(30)
    assert world.requests == ()
    world.status = replace(world.status, sweep=None)
    world.step(30)
    assert len(world.requests) == 1, "only what nobody remembers is asked for again"
    world.status = replace(world.status, sweep=None)
    world.step(30)
    assert len(world.requests) == 1


def test_a_pattern_that_this_version_does_not_know_is_for_a_person() -> None:
    world = differing(PatternKind.RANDOM)
    assert world.status.last_validation is not None
    world.status = replace(
        world.status, last_validation=replace(world.status.last_validation, pattern="spiral"), scenarios=()
    )
    world.jobs.clear()
    world.step(30)
    assert ready(world) == Reason.REPAIR_BY_PERSON


def test_what_differs_is_told_without_numbers_when_they_were_lost() -> None:
    world = differing(PatternKind.RANDOM)
    world.status = Status()
    world.step(30)
    assert message(world).startswith("copies differ")


@pytest.mark.parametrize(("seconds", "validates"), [(0, True), (-1, False)])
def test_a_repair_counts_from_the_second_in_which_a_person_was_asked(seconds: int, validates: bool) -> None:
    world = differing(PatternKind.RANDOM)
    state = world.status.scenario(Scenario.INCONSISTENCY)
    assert state is not None
    done = RequestStatus(RequestPhase.DONE, finished_at=state.since + timedelta(seconds=seconds))
    world.ask(RequestType.REPAIR, "mend", status=done)
    world.step(30)
    after = world.status.scenario(Scenario.INCONSISTENCY)
    assert after is not None
    assert (after.step is Step.VALIDATING) is validates


def test_a_repair_from_before_a_person_was_asked_does_not_count() -> None:
    world = differing()
    world.finish()
    world.step(30)
    world.finish(ReceiptVerdict.FAILED, **BAD)
    world.step(30)
    state = world.status.scenario(Scenario.INCONSISTENCY)
    assert state is not None
    assert (state.step, state.since > state.started_at) == (Step.AWAITING_PERSON, True)
    world.ask(RequestType.REPAIR, "mend", status=RequestStatus(RequestPhase.DONE, finished_at=state.started_at))
    world.step(30)
    assert ready(world) == Reason.STILL_INCONSISTENT


@pytest.mark.parametrize(("seconds", "over"), [(0, True), (-1, False)])
def test_a_validation_that_passed_from_the_second_on_in_which_it_began_ends_an_inconsistency(
    seconds: int, over: bool
) -> None:
    world = differing(PatternKind.RANDOM)
    began, last = told(world, Scenario.INCONSISTENCY).detected_at, world.status.last_validation
    assert last is not None
    passed = replace(last, verdict="Pass", finished_at=began + timedelta(seconds=seconds))
    world.status = replace(world.status, last_validation=passed)
    world.step(30)
    assert (phase(world, Scenario.INCONSISTENCY) is IncidentPhase.RESOLVED) is over


def test_a_repair_that_failed_to_begin_is_no_repair() -> None:
    world = differing(PatternKind.RANDOM)
    expired = RequestStatus(RequestPhase.EXPIRED, finished_at=world.now + timedelta(seconds=30))
    world.ask(RequestType.REPAIR, "mend", status=expired)
    world.step(30)
    assert ready(world) == Reason.PATTERN_RANDOM


# --- nights


def test_the_memory_of_nights_outlives_what_holds_them_up() -> None:
    world = at_night()
    world.step()
    world.finish()
    world.step(30)
    world.step(30)
    first = list(world.jobs)
    world.now += DAY
    world.validation = FireTimes(world.now, world.now + DAY)
    world.policy = make_policy(2, mode="Observe")
    world.step(30)
    world.step(30)
    state = world.status.scenario(Scenario.ROUTINE)
    assert state is not None
    assert "doneFor" in state.marks
    world.policy = make_policy(3)
    world.step(30)
    assert len(world.jobs) == len(first) + 1


def test_a_creation_time_without_a_zone_is_not_believed() -> None:
    world = at_night(policy=replace(make_policy(), created="2026-11-23T03:10:05"))
    world.step(10)
    assert len(world.jobs) == 1


# --- words where there are none


def test_a_receipt_without_words_is_told_in_the_operators() -> None:
    world = validating()
    world.finish(message="")
    world.step(15)
    assert message(world) == "the validator passed; reads go back to S3 and the new Pods are watched"


def test_whoever_took_over_a_flag_that_was_not_there_is_told_to_write_true() -> None:
    world = World(signals=outage())
    del world.env[READ]
    world.step()
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    world.finish()
    world.step(15)
    world.env[READ] = EnvVar.literal("false", "")
    world.step(15)
    assert ready(world) == Reason.RETURN_YIELDED
    assert world.status.unblock == f"kubectl -n production set env deployment/deltacrown {READ}=true"
    assert message(world).startswith("somebody turned")


# --- what is told apart


def test_an_incident_that_is_over_in_its_own_object_does_not_go_on_though_the_status_says_so() -> None:
    """The operator died between the incident's end and the status: what fires then is another incident."""
    world = in_work(Scenario.READ_FALLBACK)
    probed(world)
    world.step(30)
    world.signals = healthy()
    world.step(30)
    stored = world.status
    world.step(300)
    first = world.incident(Scenario.READ_FALLBACK).name
    assert phase(world, Scenario.READ_FALLBACK) is IncidentPhase.RESOLVED
    world.status = stored
    world.signals = firing("FALLBACK_ELEVATED", 0.15, world)
    world.step(130)
    assert world.incident(Scenario.READ_FALLBACK).name != first
    assert phase(world, Scenario.READ_FALLBACK) is IncidentPhase.OPEN


def test_an_outage_began_when_its_signal_did_and_clients_saw_errors_since() -> None:
    world = World()
    world.step()
    found = outage()
    began = world.now - timedelta(seconds=75)
    firing_since = replace(found.signals[SignalName.OUTAGE], since=began)
    world.signals = replace(found, signals={**found.signals, firing_since.name: firing_since})
    world.step(15)
    world.step(15)
    status = told(world, Scenario.OUTAGE)
    assert (status.started_at, status.mitigated_at) == (began, world.now)
    assert status.downtime_seconds == 75 + 30


@pytest.mark.parametrize(("minutes", "same"), [(29.9, True), (30, False)])
def test_an_outage_within_half_an_hour_is_the_same_incident(minutes: float, same: bool) -> None:
    world = checking()
    world.serve(500, 0)
    world.settle()
    first = world.incident(Scenario.OUTAGE).name
    state = world.status.scenario(Scenario.OUTAGE)
    assert state is not None
    world.now = state.marks["endedAt"] + timedelta(minutes=minutes)
    world.signals = outage()
    world.step()
    assert world.hold is not None
    assert (world.hold.incident == first) is same


def test_a_flip_is_confirmed_by_the_rollout_and_by_the_pods_both() -> None:
    world = World(signals=outage())
    world.step()
    world.signals = hidden_outage()
    seen = world.see()
    assert isinstance(seen.target, Target)
    unfinished = replace(seen, target=replace(seen.target, updated=2))
    for observed in (unfinished, replace(seen, pods=Pods(local=2, s3=1))):
        decision = decide(world.policy, observed, world.status, world.now)
        assert decision.status.operation is not None
        assert decision.status.operation.step is Step.GOING_LOCAL
    world.step(15)
    assert world.status.operation is not None
    assert world.status.operation.step is Step.WAITING_FOR_S3


def test_who_rolls_out_until_now_holds_nobody_up_any_more() -> None:
    busy = tuple(Busy(f"p{number}", BusyWith.ROLLOUT, World().now + timedelta(minutes=12)) for number in range(10))
    world = validating()
    world.fleet = Fleet(busy)
    world.finish()
    world.now = busy[0].deadline - timedelta(seconds=1)
    world.step()
    assert ready(world) == Reason.ROLLOUTS_CAPPED
    world.step(1)
    assert world.read_is(FlagState.TRUE)
