"""The integrity sweep as stories: stop writes, compare, resume; and every way in which it does not pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.decision import JobKind
from certstorage.api.env import FlagState
from certstorage.api.hold import ReadsPhase
from certstorage.api.incidents import IncidentPhase
from certstorage.api.observed import JobPhase, Problem
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import Answer, Approves, RequestPhase, RequestType
from certstorage.api.scenarios import Scenario, Step
from certstorage.api.status import Status
from tests.unit.runbook.stories import alerts, asked, kinds, message, pass_time, phase, ready, rows, told
from tests.unit.runbook.world import READ, World, healthy, make_policy, outage

HOUR = timedelta(hours=1)


def asked_for(**changes: object) -> World:
    """A person has asked for a sweep, and its plan is there to be read."""
    world = World(**changes)  # type: ignore[arg-type]
    world.step()
    world.ask(RequestType.SWEEP, "sweep")
    world.step(5)
    return world


def approve(world: World, name: str = "sweep", decision: Answer = Answer.APPROVE, digest: str = "") -> None:
    digest = digest or world.answer_of(name).plan_hash
    world.ask(RequestType.APPROVAL, f"yes-{len(world.requests)}", approves=Approves(digest, name, decision=decision))


def scaled_down(**changes: object) -> World:
    """Approved, and the Deployment is at 0 replicas; its Pods are still going."""
    world = asked_for(**changes)
    approve(world)
    world.terminating = 3
    world.step(5)
    assert world.replicas == 0
    return world


def sweeping(**changes: object) -> World:
    """All Pods are gone and the sweep's Job compares."""
    world = scaled_down(**changes)
    world.terminating = 0
    world.signals = replace(healthy(), trusted=False, message="no series: nothing runs")
    world.step(15)
    world.settle()
    assert kinds(world) == [JobKind.SWEEP]
    return world


@pytest.mark.runbook("sweep/step-1")
def test_a_sweep_waits_for_a_person_who_reads_a_plan() -> None:
    world = asked_for()
    status = world.answer_of("sweep")
    assert (status.phase, status.reason) == (RequestPhase.PENDING, Reason.SWEEP_AWAITING_APPROVAL)
    assert "scale deployment/deltacrown from 3 to 0" in status.plan[0]
    assert len(status.plan_hash) == 16
    assert status.expires_at == world.requests[0].created_at + timedelta(days=1)
    assert asked(world) == Reason.SWEEP_AWAITING_APPROVAL
    assert alerts(world)[0]["severity"] == "warning", "nobody is woken for it"
    pass_time(world, 3600, 60)
    assert world.writes == []


@pytest.mark.runbook("sweep/step-1")
def test_replicas_hold_and_restore_by_time_are_one_write() -> None:
    world = asked_for()
    approve(world)
    decision = world.step(5)
    assert decision.patch is not None
    assert (decision.patch.replicas, decision.patch.env) == (0, {})
    assert decision.patch.hold is not None
    assert (decision.patch.hold.replicas, decision.patch.hold.restore_by) == (3, world.now + 2 * HOUR)
    assert decision.patch.hold.sweep is not None
    assert decision.patch.hold.reads is ReadsPhase.NONE
    assert decision.finalizer
    status = world.answer_of("sweep")
    assert (status.phase, status.started_at) == (RequestPhase.RUNNING, world.now)
    assert "yes-1" in status.approved_by
    assert world.answer_of("yes-1").reason == Reason.APPROVAL_TAKEN
    assert world.status.operation is not None
    assert (world.status.operation.type, world.status.operation.step) == (Scenario.SWEEP, Step.SCALING_DOWN)
    assert world.status.operation.restore_by == world.now + 2 * HOUR


@pytest.mark.runbook("sweep/step-2")
def test_nothing_is_compared_before_the_pods_are_really_gone() -> None:
    world = scaled_down()
    pass_time(world, 600)
    assert world.jobs == {}
    world.terminating = 0
    world.blind = (Problem(Reason.PERMISSION_DENIED, "pods is forbidden"),)
    pass_time(world, 60)
    assert world.jobs == {}, "what cannot be seen is not gone"
    world.blind = ()
    world.step(15)
    job = world.wanted[world.job().name]
    assert (job.kind, job.sample_rate) == (JobKind.SWEEP, 0.10)
    assert world.hold is not None
    assert world.hold.sweep is not None
    assert job.nonce == world.hold.sweep.nonce
    assert world.hold.restore_by is not None
    assert world.now + timedelta(seconds=job.timeout_seconds) <= world.hold.restore_by + timedelta(minutes=15)


@pytest.mark.runbook("sweep/step-3", "sweep/step-4")
def test_a_pass_gives_the_replicas_back_and_leaves_reads_as_they_were() -> None:
    world = sweeping()
    world.finish(report="s3://b/artifacts/integrity_sweep.json")
    decision = world.step(15)
    assert decision.patch is not None
    assert (decision.patch.replicas, decision.patch.env, decision.patch.hold) == (3, {}, None)
    status = world.answer_of("sweep")
    assert (status.phase, status.verdict, status.report) == (
        RequestPhase.DONE,
        "Pass",
        "s3://b/artifacts/integrity_sweep.json",
    )
    world.signals = healthy()
    world.settle()
    assert ready(world) == Reason.READS_FROM_S3
    assert phase(world, Scenario.SWEEP) is IncidentPhase.CLOSED
    assert world.status.sweep is not None
    assert world.status.sweep.last_passed_at is not None
    assert not world.finalizer
    assert alerts(world, "CertStorageIncident") == []
    assert Reason.SWEEP_PASSED.value in {event.reason for event in world.events}
    pass_time(world, 86_400 * 2, 3600)
    assert [write for write in world.writes if write] == [], "reads were never touched, and it is not begun again"


@pytest.mark.runbook("sweep/step-5", "contacts/sre")
@pytest.mark.parametrize("verdict", [ReceiptVerdict.FAILED, ReceiptVerdict.INCONCLUSIVE])
def test_what_does_not_pass_gives_replicas_back_with_reads_local_and_pages(verdict: ReceiptVerdict) -> None:
    world = sweeping()
    world.finish(verdict, mismatch=0.01, examples=("certificates/1.pdf",), report="s3://b/sweep.json")
    decision = world.step(15)
    assert decision.patch is not None
    assert (decision.patch.replicas, decision.patch.env) == (3, {READ: "false"})
    assert decision.patch.hold is not None
    assert (decision.patch.hold.reads, decision.patch.hold.sweep) == (ReadsPhase.LOCAL, None)
    assert decision.patch.hold.before == {READ: "true"}
    pages = [one for one in alerts(world) if one["scenario"] == "sweep"]
    assert pages[0]["severity"] == "critical", "the shipped routes give it to SRE and the engineering lead"
    assert pages[0]["contact"] == "engineering-lead"
    status = told(world, Scenario.SWEEP)
    assert "certificates/1.pdf" in status.ticket_text
    assert {one.key for one in status.mismatches} == {"certificates/1.pdf"}
    assert "sweep/step-5" in rows(status)
    assert world.answer_of("sweep").verdict == ("Fail" if verdict is ReceiptVerdict.FAILED else "Inconclusive")


def test_after_a_failed_sweep_reads_return_by_the_way_back_of_scenario_1() -> None:
    world = sweeping()
    world.finish(ReceiptVerdict.FAILED, mismatch=0.01)
    world.step(15)
    world.signals = healthy()
    world.settle()
    world.step(60)
    (incident,) = alerts(world, "CertStorageIncident")
    assert (incident["scenario"], incident["severity"]) == ("sweep", "warning"), "the identity of all of the sweep"
    (page,) = (one for one in alerts(world) if one["reason"] == Reason.SWEEP_NOT_PASSED)
    assert (page["severity"], page["scenario"], page["contact"]) == ("critical", "sweep", "engineering-lead")
    world.step(600)
    assert world.job().kind == JobKind.RECOVERY
    world.finish()
    world.step(30)
    assert world.read_is(FlagState.TRUE)
    world.serve(500, 0)
    world.settle()
    assert world.hold is None
    assert phase(world, Scenario.SWEEP) is IncidentPhase.RESOLVED
    assert len(world.incidents) == 1


def test_hold_keeps_replicas_down_for_people_until_the_deadline() -> None:
    world = sweeping(policy=make_policy(sweep={"onFailure": "Hold"}))
    world.finish(ReceiptVerdict.FAILED, mismatch=0.01)
    world.step(15)
    world.settle()
    assert world.replicas == 0
    assert ready(world) == Reason.SWEEP_HELD
    assert asked(world) == Reason.SWEEP_HELD
    pass_time(world, 7200, 60)
    assert (world.replicas, world.read_is(FlagState.FALSE)) == (3, True)


def test_a_request_of_type_return_ends_that_wait() -> None:
    world = sweeping(policy=make_policy(sweep={"onFailure": "Hold"}))
    world.finish(ReceiptVerdict.FAILED, mismatch=0.01)
    world.step(15)
    world.step(60)
    world.ask(RequestType.RETURN, "enough")
    world.step(15)
    assert (world.replicas, world.read_is(FlagState.FALSE)) == (3, True)
    assert world.answer_of("enough").phase is RequestPhase.DONE


def _outage(world: World) -> None:
    world.signals = outage()


def _late(world: World) -> None:
    world.now += 2 * HOUR


def _scaled_up(world: World) -> None:
    world.replicas = 2


def _given_back_by_the_cron_job(world: World) -> None:
    assert world.hold is not None
    world.now += 3 * HOUR
    world.replicas, world.hold = 3, replace(world.hold, replicas=None, restore_by=None)


def _protect_only(world: World) -> None:
    world.policy = make_policy(mode="ProtectOnly", generation=2)


def _job_gone(world: World) -> None:
    world.step(5)
    world.jobs.clear()


MIDWAY = [
    (_outage, 3, Reason.OUTAGE_IN_FORCE),
    (_late, 3, Reason.SWEEP_OVERDUE),
    (_scaled_up, 2, Reason.SWEEP_INTERRUPTED),
    (_given_back_by_the_cron_job, 3, Reason.SWEEP_GIVEN_BACK),
    (_protect_only, 3, Reason.MODE_PROTECT_ONLY),
]


@pytest.mark.parametrize(
    ("step", "event", "replicas", "reason"),
    [
        *((scaled_down, *one) for one in MIDWAY),
        *((sweeping, *one) for one in MIDWAY),
        (sweeping, _job_gone, 3, Reason.JOB_GONE),
    ],
)
def test_whatever_happens_midway_replicas_come_back_with_reads_local(
    step: Callable[[], World], event: Callable[[World], None], replicas: int, reason: Reason
) -> None:
    world = step()
    event(world)
    world.step(15)
    assert (world.replicas, world.read_is(FlagState.FALSE)) == (replicas, True)
    assert world.hold is not None
    assert (world.hold.sweep, world.hold.replicas, world.hold.reads) == (None, None, ReadsPhase.LOCAL)
    status = world.answer_of("sweep")
    assert (status.phase, status.verdict, status.reason) == (RequestPhase.DONE, "Inconclusive", reason)
    world.jobs.clear()
    world.signals = healthy()
    pass_time(world, 3600, 60)
    assert world.replicas == replicas, "it does not scale down again for the same request"


def test_observe_in_the_middle_gives_replicas_back_and_touches_no_flag() -> None:
    world = sweeping()
    world.policy = make_policy(mode="Observe", generation=2)
    world.step(15)
    world.settle()
    assert (world.replicas, world.read_is(FlagState.TRUE)) == (3, True)
    assert world.hold is None


@pytest.mark.parametrize("step", [scaled_down, sweeping])
def test_deleting_the_policy_gives_the_replicas_back_in_every_step(step: Callable[[], World]) -> None:
    world = step()
    world.deleting = True
    decision = world.step(1)
    assert decision.patch is not None
    assert (decision.patch.replicas, decision.patch.env, decision.patch.hold) == (3, {}, None)
    world.settle()
    assert not world.finalizer


def test_a_wiped_status_at_any_step_changes_nothing_of_it() -> None:
    world = scaled_down()
    world.status = Status()
    world.terminating = 0
    world.step(15)
    world.status = Status()
    world.step(15)
    assert len(world.jobs) == 1
    world.finish()
    world.status = Status()
    world.step(15)
    assert (world.replicas, world.hold) == (3, None)
    assert world.answer_of("sweep").verdict == "Pass"


def test_a_crash_before_the_answer_is_told_from_the_job_and_never_begins_again() -> None:
    world = sweeping()
    before = world.requests
    world.finish()
    world.step(15)
    world.requests = before
    world.signals = healthy()
    world.step(15)
    assert world.answer_of("sweep").verdict == "Pass"
    world.requests = before
    world.jobs.clear()
    world.step(15)
    assert (world.answer_of("sweep").reason, world.replicas) == (Reason.SWEEP_INTERRUPTED, 3)


def test_replicas_that_do_not_come_up_page_after_ten_minutes() -> None:
    world = sweeping()
    world.finish()
    world.step(15)
    world.signals = healthy()
    world.target_changes = {"available": 0, "total": 0, "updated": 0}
    world.step(15)
    assert ready(world) == Reason.SWEEP_RESTORING
    assert asked(world) is None
    world.step(600)
    assert asked(world) == Reason.ROLLOUT_STUCK
    world.target_changes = {}
    world.step(15)
    assert ready(world) == Reason.READS_FROM_S3


def test_a_receipt_of_another_nonce_does_not_pass_a_sweep() -> None:
    world = sweeping()
    world.finish(nonce="forged")
    world.step(15)
    assert world.read_is(FlagState.FALSE)
    assert world.answer_of("sweep").verdict == "Inconclusive"


def test_complete_without_a_receipt_does_not_pass_a_sweep() -> None:
    world = sweeping()
    world.jobs[world.job().name] = replace(world.job(), phase=JobPhase.COMPLETE)
    world.step(15)
    assert world.answer_of("sweep").reason == Reason.RECEIPT_MISSING
    assert "sweep did not pass" in message(world) or ready(world) == Reason.RECEIPT_MISSING


def test_a_stopped_application_is_not_being_blind() -> None:
    world = sweeping()
    pass_time(world, 3000, 60)
    assert alerts(world) == []
