"""Scenario 1, as it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from certstorage.api.env import EnvVar
from certstorage.api.incidents import Item, Notes
from certstorage.api.observed import (
    Busy,
    BusyWith,
    Fleet,
    JobPhase,
    Neighbours,
    Problem,
)
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import Answer, RequestType
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import SignalName, SignalSet, Verdict
from tests.unit.runbook.stories import HOLD
from tests.unit.runbook.tellers import DAY, down, onward, returning, story, validating
from tests.unit.runbook.test_degradation import degraded
from tests.unit.runbook.test_requests import approve_incident, waiting
from tests.unit.runbook.world import READ, World, healthy, hidden_outage, make_policy, outage


@story
def an_outage_and_the_way_back() -> World:
    world = returning()
    world.serve(20, 0)
    world.step(30)
    world.serve(500, 2)
    world.settle()
    name = world.incident(Scenario.OUTAGE).name
    people = Notes(
        root_cause="a region failed", mitigation="none", ticket="OPS-1", post_mortem_url="https://wiki/1",
        checklist=frozenset({Item.INCIDENT_LOG, Item.THRESHOLDS, Item.RUNBOOK}),
    )  # fmt: skip
    world.incidents[name] = replace(world.incidents[name], notes=people, generation=2)
    world.step(3600)
    world.settle()
    return world


@story
def an_outage_of_a_policy_whose_flags_were_not_there() -> World:
    world = World(env={})
    world.signals = outage()
    world.step()
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    world.finish()
    world.step(60)
    world.serve(500, 0)
    world.settle()
    return world


@story
def attempts_that_fail_until_a_person_decides() -> World:
    world = onward(validating())
    for detail in ("", "MostMissing", ""):
        world.finish(ReceiptVerdict.FAILED, mismatch=0.02, detail=detail, message="FAIL: 2% differ")
        world.step(60)
        world.step(30)
        until = world.status.blocked_until or world.now
        world.step((until - world.now).total_seconds())
        world.step(15)
    world.step(60)
    world.ask(RequestType.RETURN, "again")
    world.step(15)
    world.finish()
    world.step(15)
    world.serve(500, 0)
    world.settle()
    return world


@story
def the_new_pods_fall_back_and_reads_are_local_again() -> World:
    world = onward(returning())
    world.serve(500, 50)
    world.step(15)
    world.step(400)
    world.settle()
    return world


@story
def s3_fails_again_while_reads_go_back() -> World:
    world = onward(returning())
    world.signals = outage()
    world.step(15)
    world.settle()
    return world


@story
def nobody_reads_from_the_new_pods() -> World:
    world = onward(returning())
    world.serve(3, 0)
    world.step(15)
    world.step(400)
    world.settle()
    return world


@story
def the_new_pods_cannot_be_scraped() -> World:
    world = onward(returning())
    world.signals = replace(healthy(), trusted=False, message="Prometheus does not answer")
    world.step(15)
    world.step(400)
    world.step(15)
    return world


@story
def reads_are_turned_off_by_somebody_on_the_way_back() -> World:
    world = onward(returning())
    world.env[READ] = EnvVar.literal("false", "helm")
    world.step(15)
    world.settle()
    return world


@story
def the_way_back_does_not_roll_out() -> World:
    world = onward(returning())
    world.stuck = world.rolling = True
    world.step(15)
    return world


@story
def a_flip_that_does_not_roll_out() -> World:
    world = World(signals=outage(), rolling=True)
    world.step()
    world.step(15)
    world.stuck = True
    world.signals = hidden_outage()
    world.step(600)
    world.signals = healthy()
    world.step(15)
    world.step(HOLD)
    return world


@story
def a_writer_that_turns_reads_back_in_the_outage() -> World:
    world = onward(down())
    for _ in range(2):
        world.env[READ] = EnvVar.literal("true", "argocd")
        world.step(15)
        world.step(15)
    world.step(600)
    world.env[READ] = EnvVar.literal("true", "")
    world.problems = (Problem(Reason.FLAG_FROM_REFERENCE, "the flag comes from a ConfigMap"),)
    world.step(700)
    return world


@story
def recovery_that_does_not_last() -> World:
    world = onward(down())
    world.signals = healthy()
    world.step(60)
    world.step(300)
    world.signals = healthy(RECOVERY=Verdict.UNKNOWN)
    world.step(15)
    world.signals = healthy(RECOVERY=Verdict.IDLE)
    world.step(15)
    world.step(HOLD)
    world.signals = outage()
    world.step(15)
    world.signals = healthy()
    world.step(30)
    world.finish()
    world.step(30)
    return world


@story
def a_recovery_job_that_does_not_start() -> World:
    world = onward(validating())
    job = world.job()
    world.jobs[job.name] = replace(job, stuck=True, problem="its Pod is Pending: no node fits")
    world.step(15)
    world.step(HOLD)
    return world


@story
def a_recovery_job_that_runs_too_long() -> World:
    world = onward(validating())
    world.step(8000)
    return world


@story
def a_recovery_job_that_is_not_ours() -> World:
    world = onward(validating())
    job = world.job()
    world.jobs[job.name] = replace(job, ours=False, problem="")
    world.step(15)
    return world


@story
def a_recovery_job_that_is_deleted() -> World:
    world = onward(validating())
    world.jobs.clear()
    world.step(15)
    return world


def _judged(phase: JobPhase | None = None, **changes: Any) -> World:
    world = validating()
    world.finish(**{"message": "", **changes})
    if phase is not None:
        world.jobs[world.job().name] = replace(world.job(), phase=phase, problem="exit code 137")
    world.step(15)
    return world


@story
def receipts_that_do_not_pass() -> World:
    """One world for each; their last passes, one after the other."""
    last = World()
    for world in (
        _judged(nonce="forged"),
        _judged(inputs_hash="other"),
        _judged(sampled=1),
        _judged(at_risk_open=2, mismatch=0.0),
        _judged(mismatch=0.005),
        _judged(probe="failed"),
        _judged(phase=JobPhase.FAILED),
        _judged(verdict=ReceiptVerdict.INCONCLUSIVE),
        _judged(verdict=ReceiptVerdict.FAILED),
        _judged(verdict=ReceiptVerdict.FAILED, detail="LocalTreeShrunken"),
    ):
        last.passes.append(world.passes[-1])
    for phase, problem in ((JobPhase.COMPLETE, ""), (JobPhase.FAILED, "evicted")):
        world = validating()
        world.jobs[world.job().name] = replace(world.job(), phase=phase, finished_at=world.now, problem=problem)
        world.step(15)
        last.passes.append(world.passes[-1])
    return last


@story
def a_pass_that_must_wait() -> World:
    world = onward(validating())
    world.finish()
    world.signals = healthy(RECOVERY=Verdict.UNKNOWN)
    world.step(15)
    world.signals = healthy()
    world.blind = (Problem(Reason.PERMISSION_DENIED, "pods is forbidden"),)
    world.step(15)
    world.blind = ()
    world.fleet = Fleet(tuple(Busy(f"production/p{n}", BusyWith.ROLLOUT, world.now + DAY / 24) for n in range(12)))
    world.step(15)
    world.fleet = Fleet()
    world.neighbours = Neighbours(same_storage="staging/certificates")
    world.step(15)
    world.neighbours = Neighbours()
    world.target_changes = {"paused": True}
    world.step(15)
    world.target_changes = {}
    world.policy = make_policy(generation=2, mode="ProtectOnly")
    world.step(15)
    world.policy = make_policy(generation=3, mode="Observe")
    world.step(15)
    return world


@story
def the_way_back_is_approved_by_a_person() -> World:
    world = onward(waiting())
    approve_incident(world, "stale", digest="0123456789abcdef")
    world.step(15)
    approve_incident(world)
    world.step(15)
    world.step(15)
    return world


@story
def the_way_back_is_denied_by_a_person() -> World:
    world = onward(waiting())
    approve_incident(world, "no", Answer.DENY)
    world.step(15)
    world.step(15)
    world.ask(RequestType.RETURN, "anyway")
    world.step(15)
    world.step(15)
    return world


@story
def an_outage_again_within_half_an_hour() -> World:
    world = onward(returning())
    world.serve(500, 0)
    world.settle()
    world.signals = outage()
    world.step(300)
    world.signals = healthy()
    world.step(60)
    return world


@story
def an_outage_that_is_only_observed() -> World:
    world = World(policy=make_policy(mode="Observe"))
    world.step()
    world.signals = outage()
    world.step(15)
    world.signals = healthy()
    world.step(60)
    return world


@story
def an_outage_where_only_the_safe_side_is_taken() -> World:
    world = onward(down(policy=make_policy(mode="ProtectOnly")))
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    return world


@story
def what_preflight_says() -> World:
    world = World()
    world.step()
    world.problems = (Problem(Reason.FLAG_FROM_REFERENCE, "the flag comes from a ConfigMap"),)
    world.step(60)
    world.problems = ()
    for change in ({"recreate": True}, {"paused": True}):
        world.target_changes = dict(change)
        world.step(60)
        world.signals = outage()
        world.step(60)
        world.signals = healthy()
    world.target_changes = {}
    world.neighbours = Neighbours(same_target="production/older")
    world.step(60)
    world.neighbours = Neighbours()
    world.env[READ] = EnvVar.literal("false", "helm")
    world.step(60)
    return world


@story
def signals_that_say_nothing() -> World:
    world = World()
    world.step()
    world.signals = SignalSet(message="Prometheus does not answer")
    world.step(60)
    world.step(3600)
    world.signals = healthy(OUTAGE=Verdict.UNKNOWN)
    world.step(60)
    world.signals = healthy(**{name.name: Verdict.IDLE for name in SignalName})
    world.step(60)
    return world


@story
def a_deployment_that_is_not_there() -> World:
    world = onward(down())
    world.target = Problem(Reason.PERMISSION_DENIED, "deployments.apps is forbidden")
    world.step(15)
    world.target = Problem(Reason.TARGET_MISSING, "there is no Deployment deltacrown")
    world.step(15)
    world.step(30)
    return world


@story
def holds_that_are_not_ours() -> World:
    world = onward(down())
    hold = world.hold
    assert hold is not None
    for foreign in (replace(hold, policy_uid="another"), replace(hold, target_uid="another")):
        world.hold = foreign
        world.step(15)
    world.hold = None
    world.target_changes = {"hold_problem": Problem(Reason.HOLD_INVALID, "the hold is not JSON")}
    world.step(15)
    return world


@story
def a_return_that_does_not_pass() -> World:
    world = onward(waiting())
    world.ask(RequestType.RETURN, "now", by="")
    world.step(15)
    world.step(15)
    world.finish(ReceiptVerdict.FAILED, message="FAIL: 2% differ")
    world.step(15)
    world.step(15)
    return world


@story
def an_attempt_whose_job_was_not_made_before_the_operator_was_blind() -> World:
    world = onward(validating())
    world.jobs.clear()
    world.status = replace(world.status, operation=None)
    world.blind = (Problem(Reason.PERMISSION_DENIED, "jobs.batch is forbidden"),)
    world.step(15)
    world.signals = hidden_outage()
    world.step(15)
    world.blind, world.signals = (), healthy()
    world.step(15)
    return world


@story
def a_deployment_that_goes_in_a_degradation() -> World:
    world = onward(degraded())
    world.target = Problem(Reason.PERMISSION_DENIED, "deployments.apps is forbidden")
    world.step(15)
    world.target = Problem(Reason.TARGET_MISSING, "there is no Deployment deltacrown")
    world.step(15)
    return world
