"""Scenario 1, post-recovery: what proof brings reads back to S3, and everything that keeps or makes them local."""

from __future__ import annotations

from dataclasses import replace

import pytest

from certstorage.api.conditions import ConditionType
from certstorage.api.decision import JobKind
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import ReadsPhase
from certstorage.api.observed import JobPhase
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import Expected, RequestSeen, RequestType
from certstorage.api.scenarios import Step
from certstorage.api.signals import SignalSet, Verdict
from tests.unit.runbook.stories import HOLD, asked, fallen, ready, recovered, returned
from tests.unit.runbook.world import DUAL, READ, World, healthy, hidden_outage, make_policy, outage


@pytest.mark.runbook("scenario-1/post-1")
@pytest.mark.parametrize("recovery", [Verdict.CLEAR_UNPROVEN, Verdict.UNKNOWN, Verdict.FIRING])
def test_only_proof_starts_the_way_back(recovery: Verdict) -> None:
    world = fallen()
    world.signals = healthy(RECOVERY=recovery)
    for _ in range(100):
        world.step(60)
    assert world.jobs == {}
    assert world.read_is(FlagState.FALSE)


def test_an_untrusted_source_starts_nothing() -> None:
    world = fallen()
    world.signals = replace(healthy(), trusted=False)
    world.step(60)
    world.step(HOLD * 2)
    assert world.jobs == {}


@pytest.mark.runbook("scenario-1/post-1")
def test_recovery_must_hold_without_a_break() -> None:
    world = fallen()
    world.signals = healthy()
    world.step(60)
    assert ready(world) == Reason.RECOVERY_HOLDING
    world.step(HOLD - 1)
    assert world.jobs == {}
    world.signals = hidden_outage()
    world.step(5)
    world.signals = healthy()
    world.step(5)
    world.step(HOLD - 1)
    assert world.jobs == {}
    world.step(1)
    assert list(world.jobs) == [f"{world.status.incident}-r1"]


def test_without_traffic_the_job_probes_for_five_minutes() -> None:
    world = fallen()
    world.signals = healthy(RECOVERY=Verdict.IDLE)
    world.step(60)
    decision = world.step(HOLD)
    (job,) = decision.jobs
    assert (job.probes - 1) * job.probe_interval_seconds >= 300


@pytest.mark.runbook("scenario-1/post-2", "scenario-1/post-3")
def test_a_passing_receipt_brings_reads_back_as_they_were_and_lets_go() -> None:
    world = World(signals=outage())
    world.env[READ] = EnvVar.literal("True", "helm")
    world.step()
    world.signals = healthy()
    world.settle()
    world.step(HOLD)
    world.finish()
    decision = world.step(30)
    assert decision.patch is not None
    assert decision.patch.env == {READ: "True"}
    assert world.hold is not None
    assert world.hold.reads is ReadsPhase.RETURNING
    world.serve(reads=400, fallbacks=1)
    world.settle()
    assert world.hold is None
    assert not world.owns
    assert not world.finalizer
    assert ready(world) in {Reason.RETURNED, Reason.READS_FROM_S3}
    assert world.step(60).alerts == ()
    assert world.status.last_validation is not None


def test_an_absent_dual_write_entry_is_removed_again_but_a_false_one_stays_on() -> None:
    for before, after in ((None, None), ("false", "true")):
        world = World(signals=outage())
        world.env[DUAL] = EnvVar.literal(before)
        world.step()
        world.signals = healthy()
        world.settle()
        world.step(HOLD)
        world.finish()
        world.step(1)
        assert (world.env[DUAL].value if DUAL in world.env else None) == after


@pytest.mark.runbook("scenario-1/post-3")
@pytest.mark.parametrize(
    ("verdict", "changes", "reason"),
    [
        (ReceiptVerdict.FAILED, {}, Reason.VALIDATION_FAILED),
        (ReceiptVerdict.INCONCLUSIVE, {}, Reason.VALIDATION_INCONCLUSIVE),
        (ReceiptVerdict.INCONCLUSIVE, {"probe": "failed"}, Reason.S3_STILL_DOWN),
        (ReceiptVerdict.PASSED, {"nonce": "forged"}, Reason.RECEIPT_FORGED),
        (ReceiptVerdict.PASSED, {"inputs_hash": "other"}, Reason.RECEIPT_FORGED),
        (ReceiptVerdict.PASSED, {"at_risk_open": 1}, Reason.VALIDATION_FAILED),
        (ReceiptVerdict.PASSED, {"mismatch": 0.005}, Reason.VALIDATION_FAILED),
        (ReceiptVerdict.PASSED, {"sampled": 0, "population": 0}, Reason.VALIDATION_INCONCLUSIVE),
        (ReceiptVerdict.PASSED, {"sampled": 1999, "population": 100_000}, Reason.VALIDATION_INCONCLUSIVE),
    ],
)
def test_a_job_that_does_not_pass_keeps_reads_local(
    verdict: ReceiptVerdict, changes: dict[str, object], reason: Reason
) -> None:
    world = recovered()
    world.finish(verdict, **changes)
    world.settle()
    assert world.read_is(FlagState.FALSE)
    assert world.hold is not None
    assert world.hold.last_failure == reason
    assert ready(world) == Reason.BACKING_OFF
    assert reason.value in {event.reason for event in world.events}


def test_a_complete_job_without_a_receipt_proves_nothing() -> None:
    world = recovered()
    job = world.job()
    world.jobs[job.name] = replace(job, phase=JobPhase.COMPLETE, finished_at=world.now)
    world.settle()
    assert world.read_is(FlagState.FALSE)
    assert world.hold is not None
    assert world.hold.last_failure == Reason.RECEIPT_MISSING


def test_s3_failing_again_while_the_job_runs_voids_its_receipt() -> None:
    world = recovered()
    world.signals = hidden_outage()
    world.step(10)
    world.signals = healthy()
    world.step(10)
    world.finish()
    world.settle()
    assert world.read_is(FlagState.FALSE)
    assert world.hold is not None
    assert world.hold.last_failure == Reason.RECEIPT_STALE
    assert world.hold.failed_returns == 0


def test_back_off_doubles_and_one_job_stands_for_each_attempt() -> None:
    world = recovered()
    waits = []
    for _ in range(3):
        world.finish(ReceiptVerdict.INCONCLUSIVE, probe="failed")
        world.settle()
        assert world.status.blocked_until is not None
        waits.append((world.status.blocked_until - world.now).total_seconds())
        count = len(world.jobs)
        world.step(waits[-1] - 1)
        assert len(world.jobs) == count
        world.step(1)
        assert len(world.jobs) == count + 1
    assert waits == [HOLD / 2, HOLD, HOLD * 2]
    assert len(set(world.jobs)) == 4


def test_after_the_last_failed_attempt_a_person_is_asked_and_a_request_answers() -> None:
    world = recovered()
    for number in range(3):
        world.finish(ReceiptVerdict.FAILED)
        world.settle()
        world.step(HOLD * 8)
        assert len(world.jobs) == min(number + 2, 3)
    assert asked(world) == Reason.RETURN_ATTEMPTS_EXHAUSTED
    assert ready(world) == Reason.RETURN_ATTEMPTS_EXHAUSTED
    assert len(world.jobs) == 3
    world.requests = (RequestSeen("go", "r1", RequestType.RETURN, world.now),)
    world.step(1)
    assert len(world.jobs) == 4


@pytest.mark.parametrize(
    ("detail", "reason", "expected"),
    [
        ("LocalTreeShrunken", Reason.LOCAL_TREE_SHRUNKEN, Expected.DELETIONS),
        ("TooManyExtra", Reason.LOCAL_TREE_SHRUNKEN, Expected.DELETIONS),
        ("MostMissing", Reason.MOST_MISSING, Expected.BACKLOG),
    ],
)
def test_what_looks_like_a_wrong_disk_is_for_a_person_to_know(detail: str, reason: Reason, expected: Expected) -> None:
    """In the outage a third of all certificates was deleted: the Job stops, and the person's word lets it go on."""
    command = f"kubectl certstorage request return certificates -n production --expect {expected}"
    world = recovered()
    for _ in range(3):
        world.finish(ReceiptVerdict.INCONCLUSIVE, detail=detail, message="40 of 100 objects have no file")
        world.settle()
        assert world.hold is not None
        assert world.hold.last_failure == reason
        assert world.events[-1].message.endswith(command)
        world.step(HOLD * 8)
    assert asked(world) == Reason.RETURN_ATTEMPTS_EXHAUSTED
    assert command in world.status.conditions[ConditionType.ACTION_REQUIRED].message
    assert [job.expected for job in world.wanted.values()] == [()] * 3

    world.ask(RequestType.RETURN, expected=(expected,))
    world.step(1)
    job = world.wanted[world.job().name]
    assert (job.kind, job.expected) == (JobKind.RECOVERY, (expected,))
    world.finish()
    world.settle()
    assert world.read_is(FlagState.TRUE)


def test_what_a_person_says_holds_for_the_attempt_that_is_under_way_and_no_later_one() -> None:
    world = recovered()
    world.ask(RequestType.RETURN, "early", expected=(Expected.DELETIONS,))
    world.step(1)
    for _ in range(3):
        world.finish(ReceiptVerdict.INCONCLUSIVE, detail="LocalTreeShrunken")
        world.settle()
        world.step(HOLD * 8)
    assert [job.expected for job in world.wanted.values()] == [()] * 3


def test_required_approval_waits_for_a_person() -> None:
    world = fallen()
    world.policy = make_policy(recovery={"approval": "Required"})
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    world.step(HOLD)
    assert world.jobs == {}
    assert asked(world) == Reason.AWAITING_APPROVAL
    world.requests = (RequestSeen("go", "r1", RequestType.RETURN, world.now),)
    world.step(1)
    assert len(world.jobs) == 1


@pytest.mark.runbook("scenario-1/post-4")
def test_the_check_of_the_new_pods_can_send_reads_back_to_local() -> None:
    world = returned()
    assert world.status.operation is not None
    assert world.status.operation.step is Step.CHECKING
    world.serve(reads=1000, fallbacks=50)
    world.step(299)
    assert world.read_is(FlagState.TRUE)
    world.step(2)
    assert world.read_is(FlagState.FALSE)
    assert world.hold is not None
    assert world.hold.last_failure == Reason.FALLBACK_STILL_HIGH
    assert world.hold.failed_returns == 1
    world.settle()
    assert ready(world) in {Reason.BACKING_OFF, Reason.RECOVERY_HOLDING}


def test_an_outage_on_the_way_back_goes_local_at_once_in_the_same_incident() -> None:
    world = returned()
    incident = world.status.incident
    world.signals = outage()
    world.step(5)
    assert world.read_is(FlagState.FALSE)
    assert world.status.incident == incident
    assert world.hold is not None
    assert world.hold.before == {READ: "true"}


@pytest.mark.runbook("scenario-1/post-4")
def test_without_reads_the_return_stays_and_says_it_is_unverified() -> None:
    world = returned()
    world.serve(reads=3, fallbacks=3)
    world.step(301)
    world.settle()
    assert world.read_is(FlagState.TRUE)
    assert world.hold is None
    assert Reason.RETURN_UNVERIFIED.value in {event.reason for event in world.events}


def test_a_blind_check_waits_and_asks() -> None:
    world = returned()
    world.signals = SignalSet(message="Prometheus does not answer")
    world.step(301)
    world.step(301)
    assert world.hold is not None
    assert asked(world) == Reason.SIGNALS_UNKNOWN


def test_reads_turned_off_by_somebody_on_the_way_back_are_theirs() -> None:
    world = returned()
    world.env[READ] = EnvVar.literal("false", "kubectl-set")
    world.settle()
    assert world.read_is(FlagState.FALSE)
    assert world.hold is None
    assert Reason.RETURN_YIELDED.value in {event.reason for event in world.events}


def test_a_job_deleted_by_hand_ends_its_attempt() -> None:
    world = recovered()
    world.step(1)
    world.jobs.clear()
    world.settle()
    assert world.hold is not None
    assert world.hold.last_failure == Reason.JOB_GONE
    world.step(HOLD)
    assert list(world.jobs) == [f"{world.status.incident}-r2"]


def test_a_job_of_somebody_else_under_our_name_is_not_believed() -> None:
    world = recovered()
    job = world.job()
    world.finish()
    world.jobs[job.name] = replace(world.jobs[job.name], ours=False, problem="it has another owner")
    world.settle()
    assert world.read_is(FlagState.FALSE)
    assert world.hold is not None
    assert world.hold.last_failure == Reason.JOB_FOREIGN


def test_a_job_that_cannot_start_is_said_stopped_and_tried_again() -> None:
    world = recovered()
    job = world.job()
    world.jobs[job.name] = replace(job, stuck=True, problem="ImagePullBackOff: no such image")
    world.step(5)
    assert ready(world) == Reason.JOB_STUCK
    assert asked(world) == Reason.JOB_STUCK
    world.step(HOLD)
    world.settle()
    assert world.jobs == {}
    world.step(HOLD)
    assert list(world.jobs) == [f"{world.status.incident}-r2"]
