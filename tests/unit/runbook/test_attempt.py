"""What an open attempt must not miss: its Job is made only while S3 answers, and a failure since voids its receipt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.conditions import ConditionType
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.observed import Observation, Problem
from certstorage.api.reasons import Reason
from certstorage.api.signals import SignalSet, Verdict
from certstorage.runbook.decide import decide
from tests.unit.runbook.stories import HOLD
from tests.unit.runbook.world import READ, World, healthy, hidden_outage, make_policy, outage


def holding() -> World:
    """S3 answers and has nearly done so for long enough."""
    world = World(signals=outage())
    world.step()
    world.signals = healthy()
    world.step(60)
    return world


def validating() -> World:
    """The Job of attempt 1 runs."""
    world = holding()
    world.step(HOLD)
    assert len(world.jobs) == 1
    return world


def ready(world: World) -> str:
    return world.status.conditions[ConditionType.READY].reason


@pytest.mark.parametrize("signals", [outage(), hidden_outage(), healthy(RECOVERY=Verdict.UNKNOWN)])
def test_an_attempt_whose_job_was_not_made_yet_waits_for_s3(signals: SignalSet) -> None:
    """The operator died between the hold and the Job; meanwhile S3 fails again, or cannot be judged."""
    world = validating()
    world.jobs.clear()
    world.status = replace(world.status, operation=None)
    world.signals = signals
    assert world.step(15).jobs == ()
    assert ready(world) == Reason.OUTAGE_READS_LOCAL
    world.signals = healthy()
    assert len(world.step(15).jobs) == 1


def test_no_attempt_opens_unseen() -> None:
    world = holding()
    world.now += (world.status.blocked_until or world.now) - world.now
    blind = Problem(Reason.PERMISSION_DENIED, "pods is forbidden")
    seen: Observation = replace(world.see(), blind=(blind,))
    decision = decide(world.policy, seen, world.status, world.now)
    assert decision.patch is None
    assert decision.jobs == ()
    assert decision.status.conditions[ConditionType.READY].reason == Reason.PERMISSION_DENIED
    assert len(world.step().jobs) == 1


def test_a_failure_seen_while_a_foreign_writer_is_undone_voids_the_receipt() -> None:
    world = validating()
    world.env[READ] = EnvVar.literal("true", "argocd")
    world.signals = outage()
    world.step(15)
    assert world.read_is(FlagState.FALSE)
    world.signals = healthy()
    world.finish()
    world.step(15)
    assert world.read_is(FlagState.FALSE)
    assert world.hold is not None
    assert world.hold.last_failure == Reason.RECEIPT_STALE


def test_a_failure_seen_in_mode_observe_voids_the_receipt() -> None:
    world = validating()
    world.policy = make_policy(generation=2, mode="Observe")
    world.signals = hidden_outage()
    world.step(15)
    assert len(world.writes) == 3
    world.step(15)
    assert len(world.writes) == 3, "it is noted once"
    world.policy = make_policy(generation=3)
    world.signals = healthy()
    world.finish()
    world.step(15)
    assert world.read_is(FlagState.FALSE)
    assert world.hold is not None
    assert world.hold.last_failure == Reason.RECEIPT_STALE


def test_what_is_remembered_of_the_last_incident_does_not_shorten_the_next() -> None:
    """The operator dies before it records the end of one incident and the beginning of the next."""
    world = validating()
    world.finish()
    world.step(15)
    world.serve(reads=500, fallbacks=0)
    stored = world.status
    assert stored.operation is not None
    stored = replace(stored, operation=replace(stored.operation, recovered_since=world.now))
    world.settle()
    assert world.hold is None
    world.signals = outage()
    world.step(60)
    world.status = stored
    world.signals = healthy()
    world.step(HOLD)
    assert len(world.jobs) == 1, "S3 is seen to answer for the first time"


def test_a_job_that_runs_past_its_deadline_is_stopped_and_its_attempt_is_over() -> None:
    world = validating()
    world.step(15)
    name = world.job().name
    assert world.status.operation is not None
    assert world.status.operation.deadline == world.jobs[name].created_at + timedelta(seconds=7200 + 300)
    world.step(7200 + 300)
    assert name not in world.jobs
    assert world.hold is not None
    assert (world.hold.last_failure, world.hold.failed_returns) == (Reason.JOB_OVERDUE, 1)
    assert world.read_is(FlagState.FALSE)


def test_a_flag_that_was_absent_is_absent_again_and_the_incident_ends() -> None:
    """Pods without the flag say nothing of S3: that none reads local is what counts."""
    world = World(signals=outage())
    del world.env[READ]
    world.step()
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    world.finish()
    world.step(15)
    assert READ not in world.env
    world.serve(reads=500, fallbacks=0)
    seen = world.see()
    pods = replace(seen.pods, s3=0, other=seen.pods.total, local=0)
    decision = decide(world.policy, replace(seen, pods=pods), world.status, world.now)
    assert decision.patch is not None
    assert decision.patch.hold is None


UNREADABLE = Problem(Reason.PERMISSION_DENIED, "deployments.apps is forbidden")


@pytest.mark.parametrize("blind", [(), (Problem(Reason.PERMISSION_DENIED, "jobs is forbidden"),)])
def test_a_failure_seen_while_the_deployment_cannot_be_read_voids_the_receipt(blind: tuple[Problem, ...]) -> None:
    world = validating()
    world.step(15)
    jobs = dict(world.jobs)
    world.target, world.signals, world.blind = UNREADABLE, hidden_outage(), blind
    if blind:
        world.jobs.clear()
    world.step(15)
    noted = world.status.operation
    assert noted is not None
    assert noted.last_firing_at == world.now
    world.step(15)
    assert world.status.operation == noted, "it is noted once"
    world.target, world.signals, world.blind = None, healthy(), ()
    world.jobs.update(jobs)
    world.finish()
    world.step(15)
    assert world.read_is(FlagState.FALSE)
    assert world.hold is not None
    assert world.hold.last_failure == Reason.RECEIPT_STALE


def test_a_failure_before_the_job_voids_nothing_though_the_deployment_could_not_be_read() -> None:
    world = holding()
    world.target, world.signals = UNREADABLE, hidden_outage()
    world.step(15)
    assert world.status.operation is not None
    assert world.status.operation.last_firing_at is None
    world.target, world.signals = None, healthy()
    world.step(15)
    world.step(HOLD)
    world.finish()
    world.step(15)
    assert world.read_is(FlagState.TRUE)


@pytest.mark.parametrize("signals", [hidden_outage(), healthy(RECOVERY=Verdict.UNKNOWN)])
def test_s3_must_answer_anew_after_it_failed_while_the_deployment_could_not_be_read(signals: SignalSet) -> None:
    world = holding()
    world.target, world.signals = UNREADABLE, signals
    world.step(15)
    world.target, world.signals = None, healthy()
    world.step(HOLD)
    assert ready(world) == Reason.RECOVERY_HOLDING
    assert world.jobs == {}
    world.step(HOLD)
    assert len(world.jobs) == 1


def test_s3_that_answers_goes_on_to_do_so_while_the_deployment_cannot_be_read() -> None:
    world = holding()
    world.target = UNREADABLE
    world.step(HOLD - 15)
    world.target = None
    world.step(15)
    assert len(world.jobs) == 1
