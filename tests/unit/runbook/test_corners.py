"""Corners that the stories do not pass: each is one line of a decision, with the words that go with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.decision import JobKind
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import ReadsPhase
from certstorage.api.incidents import IncidentPhase
from certstorage.api.observed import FireTimes, JobPhase, Neighbours, Observation, Pods, Problem
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import RequestPhase, RequestType
from certstorage.api.scenarios import Scenario, Step
from certstorage.api.status import ReadsFrom, Status
from certstorage.runbook.decide import decide
from tests.unit.runbook.stories import HOLD, asked, firing, kinds, message, pass_time, phase, probed, ready, told
from tests.unit.runbook.test_degradation import clear, degraded
from tests.unit.runbook.test_milder import in_work
from tests.unit.runbook.test_sweep import asked_for, scaled_down, sweeping
from tests.unit.runbook.world import READ, World, healthy, hidden_outage, make_policy, outage


def validating() -> World:
    """The recovery Job of attempt 1 runs."""
    world = World(signals=outage())
    world.step()
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    return world


def test_a_glance_goes_local_and_asks_for_nothing_else() -> None:
    world = World(signals=outage())
    world.ask(RequestType.SWEEP, "sweep")
    decision = decide(world.policy, replace(world.see(), glance=True), world.status, world.now)
    assert decision.patch is not None
    assert dict(decision.patch.env) == {READ: "false"}
    assert (decision.requests, decision.answers, decision.incidents) == ((), (), ())


@pytest.mark.parametrize("change", [{"policy_uid": "another"}, {"target_uid": "another"}])
def test_a_hold_of_somebody_else_is_named_and_left(change: dict[str, str]) -> None:
    world = validating()
    assert world.hold is not None
    world.hold = replace(world.hold, **change)  # type: ignore[arg-type]
    world.env[READ] = EnvVar.literal("true", "helm")
    before = len(world.writes)
    pass_time(world, 600, 60)
    assert ready(world) == Reason.HOLD_FOREIGN
    assert asked(world) == Reason.HOLD_FOREIGN
    assert message(world).startswith("the hold on the Deployment ")
    assert len(world.writes) == before


def test_a_younger_policy_on_the_same_deployment_opens_no_incident_and_answers_who_asks() -> None:
    world = World(neighbours=Neighbours(same_target="production/older"))
    world.signals = firing("DEGRADED", 0.3, world)
    world.validation = FireTimes(world.now, None)
    world.ask(RequestType.SWEEP, "sweep")
    world.ask(RequestType.VALIDATION, "now")
    pass_time(world, 600, 60)
    assert (world.incidents, world.jobs, world.writes) == ({}, {}, [])
    assert ready(world) == Reason.TARGET_SHARED
    assert world.answer_of("sweep").reason == Reason.TARGET_SHARED
    assert (world.answer_of("now").phase, world.answer_of("now").reason) == (
        RequestPhase.REFUSED,
        Reason.TARGET_SHARED,
    )


def test_no_job_is_made_where_no_job_could_read_the_disk() -> None:
    world = World(problems=(Problem(Reason.LOCAL_NOT_SHARED, "an emptyDir"),))
    world.validation = FireTimes(world.now, None)
    pass_time(world, 120)
    assert world.jobs == {}


@pytest.mark.parametrize("kind", ["recovery", "nightly"])
def test_pass_without_complete_is_no_pass(kind: str) -> None:
    world = validating() if kind == "recovery" else World(validation=FireTimes(World().now, None))
    if kind == "nightly":
        world.step()
    world.finish()
    world.jobs[world.job().name] = replace(world.job(), phase=JobPhase.FAILED)
    world.step(15)
    assert world.status.last_validation is not None
    assert world.status.last_validation.verdict == "Inconclusive", "as it was judged, not as the receipt says"
    assert world.status.proven_at is None
    assert world.read_is(FlagState.FALSE) is (kind == "recovery")


@pytest.mark.parametrize("change", [{"nonce": "forged"}, {"inputs_hash": "other"}])
def test_a_forged_receipt_leaves_nothing_in_the_status(change: dict[str, str]) -> None:
    world = validating()
    world.finish(**change)
    world.step(15)
    assert world.hold is not None
    assert world.hold.last_failure == Reason.RECEIPT_FORGED
    assert world.status.last_validation is None


@pytest.mark.parametrize(
    ("change", "verdict"),
    [({"at_risk_open": 1}, "Fail"), ({"mismatch": 0.005}, "Fail"), ({"sampled": 1}, "Inconclusive")],
)
def test_a_receipt_that_says_pass_and_does_not_weigh_enough_is_kept_as_it_was_judged(
    change: dict[str, object], verdict: str
) -> None:
    world = validating()
    world.finish(**change)
    world.step(15)
    assert world.status.last_validation is not None
    assert world.status.last_validation.verdict == verdict


def test_an_old_receipt_opens_nothing() -> None:
    world = validating()
    world.finish(finished_at=world.now - timedelta(minutes=31), started_at=world.now - timedelta(minutes=40))
    world.step(15)
    assert world.hold is not None
    assert world.hold.last_failure == Reason.RECEIPT_STALE


@pytest.mark.parametrize("change", [{"mode": "ProtectOnly"}])
def test_a_pass_waits_for_what_refuses_the_way_back(change: dict[str, object]) -> None:
    world = validating()
    world.finish()
    world.policy = make_policy(generation=2, **change)
    world.step(15)
    assert world.read_is(FlagState.FALSE)
    assert asked(world) == Reason.MODE_PROTECT_ONLY
    assert "passed, but" in message(world)
    world.policy = make_policy(generation=3)
    world.step(15)
    assert world.read_is(FlagState.TRUE)


def returned() -> World:
    """Reads are on their way back to S3."""
    world = validating()
    world.finish()
    world.step(15)
    assert world.hold is not None
    assert world.hold.reads is ReadsPhase.RETURNING
    return world


def test_a_return_that_does_not_roll_out_pages_and_one_that_is_under_way_is_counted() -> None:
    world = returned()
    world.rolling = True
    world.step(15)
    assert ready(world) == Reason.RETURNING
    assert "Pods" in message(world)
    world.stuck = True
    world.step(15)
    assert asked(world) == Reason.ROLLOUT_STUCK
    assert world.status.reads is not None
    assert world.status.reads.desired is ReadsFrom.S3


def test_reads_that_somebody_wrote_back_and_that_cannot_be_turned_off_again_page() -> None:
    world = validating()
    world.env[READ] = EnvVar.literal("true", "kubectl")
    world.target_changes = {"paused": True}
    writes = len(world.writes)
    world.step(15)
    assert len(world.writes) == writes
    assert asked(world) == Reason.ROLLOUT_PAUSED
    assert "cannot be made so" in message(world)


def test_reads_are_counted_as_safe_as_soon_as_every_pod_is_local() -> None:
    world = World(signals=outage())
    world.step()
    world.rolling = True
    seen: Observation = replace(world.see(), pods=Pods(local=3))
    decision = decide(world.policy, seen, world.status, world.now)
    assert decision.incidents[0].status.phase is IncidentPhase.MITIGATED


def test_an_outage_is_forgotten_after_a_day() -> None:
    world = returned()
    world.serve(500, 0)
    world.settle()
    assert world.status.scenario(Scenario.OUTAGE) is not None
    world.step(86_400 - 1)
    assert world.status.scenario(Scenario.OUTAGE) is not None
    world.step(1)
    assert world.status.scenario(Scenario.OUTAGE) is None


def test_the_end_of_an_outage_is_read_from_its_incident_when_the_status_is_lost() -> None:
    world = returned()
    world.serve(500, 0)
    world.settle()
    lingering = firing("DEGRADED", 0.3)
    since = world.now - timedelta(minutes=5)
    world.signals = replace(
        lingering, signals={name: replace(one, since=since) for name, one in lingering.signals.items()}
    )
    world.status = Status()
    world.step(300)
    assert [one.status.scenario for one in world.incidents.values() if one.status] == [Scenario.OUTAGE]


# --- degradation


def test_a_hold_alone_is_enough_to_give_the_level_back() -> None:
    world = degraded()
    world.status, world.incidents = Status(), {}
    world.signals = healthy()
    world.step(30)
    world.step(300)
    world.settle()
    assert world.env["LOG_LEVEL"].value == "INFO"
    assert world.hold is None


def test_a_validation_that_could_not_tell_waits_before_the_next() -> None:
    world = degraded()
    clear(world)
    world.finish(ReceiptVerdict.INCONCLUSIVE)
    world.step(30)
    world.step(30)
    assert ready(world) == Reason.BACKING_OFF
    assert world.status.blocked_until is not None
    count = len(world.jobs)
    world.step((world.status.blocked_until - world.now).total_seconds() - 1)
    assert len(world.jobs) == count
    world.step(1)
    assert len(world.jobs) == count + 1


def test_a_degradation_that_left_copies_different_goes_on_as_an_inconsistency() -> None:
    world = degraded()
    clear(world)
    world.finish(ReceiptVerdict.FAILED, mismatch=0.01, report="s3://b/r.json")
    world.step(30)
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.RESOLVED
    assert "goes on as an inconsistency" in told(world, Scenario.DEGRADATION).summary
    world.step(30)
    assert phase(world, Scenario.INCONSISTENCY) is IncidentPhase.OPEN


# --- findings


def test_a_probe_from_which_no_get_came_back_says_nothing_about_latency() -> None:
    world = in_work(Scenario.READ_FALLBACK)
    probed(world, get_p95_seconds=None)
    world.step(30)
    found = {one.name: one.verdict for one in told(world, Scenario.READ_FALLBACK).findings}
    assert found["GetLatency"] == "Unknown"


@pytest.mark.parametrize(
    ("pods", "verdict", "words"),
    [
        (Pods(local=3), "Bad", "is off on all 3 Pods"),
        (Pods(), "Unknown", "no running Pod shows"),
        (Pods(s3=3), "Good", "is on, on all 3 Pods"),
    ],
)
def test_the_flag_of_the_pods_themselves_is_a_finding(pods: Pods, verdict: str, words: str) -> None:
    world = World()
    world.signals = firing("FALLBACK_ELEVATED", 0.2, world)
    world.now += timedelta(minutes=5)
    decision = decide(world.policy, replace(world.see(), pods=pods), world.status, world.now)
    flag = next(one for one in decision.incidents[0].status.findings if one.name == "ReadFlag")
    assert (flag.verdict, words in flag.message) == (verdict, True)


# --- requests and sweeps


@pytest.mark.parametrize("why", ["shared", "unknown"])
def test_a_repair_that_is_asked_for_is_refused_on_a_shared_bucket_and_on_unknown_signals(why: str) -> None:
    world = World()
    if why == "shared":
        world.neighbours = Neighbours(same_storage="production/other")
    else:
        world.signals = replace(healthy(), trusted=False, message="Prometheus does not answer")
    world.ask(RequestType.REPAIR, "mend", keys=("certificates/1.pdf",))
    world.step()
    expected = Reason.STORAGE_SHARED if why == "shared" else Reason.SIGNALS_UNKNOWN
    assert (world.answer_of("mend").phase, world.answer_of("mend").reason) == (RequestPhase.REFUSED, expected)
    assert world.jobs == {}


def test_requests_wait_while_a_sweep_is_under_way() -> None:
    world = sweeping()
    world.ask(RequestType.VALIDATION, "now", ttl_seconds=60)
    world.step(15)
    assert world.answer_of("now").reason == Reason.SWEEP_UNDER_WAY
    world.step(60)
    assert world.answer_of("now").phase is RequestPhase.EXPIRED
    assert kinds(world) == [JobKind.SWEEP]


def test_pods_are_not_gone_before_the_controller_has_seen_the_number() -> None:
    world = scaled_down()
    world.terminating = 0
    world.target_changes = {"observed_generation": world.generation - 1}
    world.step(15)
    assert world.jobs == {}
    assert "has not seen" in message(world)


def test_a_sweep_waits_for_the_end_of_a_degradation() -> None:
    world = degraded()
    world.ask(RequestType.SWEEP, "sweep")
    world.step(15)
    assert world.answer_of("sweep").reason == Reason.DEGRADED


def test_a_sweep_whose_request_was_deleted_still_gives_everything_back() -> None:
    world = sweeping()
    world.requests = ()
    world.finish(ReceiptVerdict.FAILED, mismatch=0.01)
    world.step(15)
    assert (world.replicas, world.read_is(FlagState.FALSE)) == (3, True)


def test_a_new_request_waits_beside_replicas_that_come_back() -> None:
    world = sweeping()
    world.finish()
    world.step(15)
    world.signals = healthy()
    world.target_changes = {"available": 0, "total": 0, "updated": 0}
    world.ask(RequestType.SWEEP, "another")
    world.step(15)
    assert ready(world) == Reason.SWEEP_RESTORING
    assert world.answer_of("another").reason == Reason.ROLLOUT_UNDER_WAY
    assert world.status.scenario(Scenario.SWEEP) is not None
    assert world.status.scenario(Scenario.SWEEP).step is Step.RESTORING  # type: ignore[union-attr]


def test_what_is_remembered_of_a_sweep_is_no_operation_of_an_outage() -> None:
    world = sweeping()
    stored = world.status
    world.signals = outage()
    world.step(15)
    world.status = stored
    world.signals = hidden_outage()
    world.step(15)
    assert world.status.operation is not None
    assert world.status.operation.type is Scenario.OUTAGE


def test_a_plan_is_read_before_it_is_approved() -> None:
    world = asked_for()
    assert world.answer_of("sweep").plan_hash == world.answer_of("sweep").plan_hash.lower()
    assert len(world.answer_of("sweep").plan) == 5
