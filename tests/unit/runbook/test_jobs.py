"""What holds of every Job, whoever sends it: it is made by the policy's terms, once, and ended when it is overdue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.decision import JobKind, JobWanted, RepairMode
from certstorage.api.incidents import IncidentPhase
from certstorage.api.observed import FireTimes, JobPhase
from certstorage.api.reasons import Reason
from certstorage.api.receipt import PatternKind, ReceiptVerdict
from certstorage.api.requests import RequestPhase, RequestStatus, RequestType
from certstorage.api.scenarios import Scenario
from tests.unit.runbook.stories import firing, probed, ready, told
from tests.unit.runbook.test_degradation import clear
from tests.unit.runbook.test_inconsistency import BAD
from tests.unit.runbook.test_milder import SIGNALS
from tests.unit.runbook.test_sweep import approve
from tests.unit.runbook.world import World, healthy, make_policy, outage

TERMS: dict[str, object] = {
    "recovery": {"sampleRate": "3%", "minSample": 700, "maxMismatch": "0.2%", "holdSeconds": 600},
    "validation": {"sampleRate": "2%", "timeoutSeconds": 5000, "shards": 4, "repair": "All"},
    "degradation": {"sampleRate": "7%"},
    "sweep": {"sampleRate": "20%", "maxDurationSeconds": 4000},
}
"""A policy that leaves no number at its default."""


def policy() -> World:
    world = World(policy=make_policy(1, **TERMS))
    world.step()
    return world


def recovery() -> World:
    world = policy()
    world.signals = outage()
    world.step()
    world.signals = healthy()
    world.step(60)
    world.step(600)
    return world


def sweep() -> World:
    world = policy()
    world.ask(RequestType.SWEEP, "sweep")
    world.step(5)
    approve(world)
    world.step(5)
    world.step(15)
    return world


def nightly() -> World:
    world = policy()
    world.validation = FireTimes(world.now, world.now + timedelta(days=1))
    world.step(30)
    return world


def asked_validation() -> World:
    world = policy()
    world.ask(RequestType.VALIDATION, "compare")
    world.step(5)
    return world


def asked_repair() -> World:
    world = policy()
    world.ask(RequestType.REPAIR, "mend", keys=("certificates/1.pdf",))
    world.step(5)
    return world


def findings() -> World:
    world = policy()
    world.signals = firing(SIGNALS[Scenario.DELETE_FAILING], 0.03, world)
    world.step(120)
    return world


def after_a_degradation() -> World:
    world = policy()
    world.signals = firing("DEGRADED", 0.12, world)
    world.step(120)
    probed(world)
    world.step(30)
    clear(world)
    world.step(30)
    return world


def repair() -> World:
    world = nightly()
    world.finish(ReceiptVerdict.FAILED, **{**BAD, "pattern": PatternKind.SINGLE})
    world.step(30)
    world.step(30)
    return world


def after_the_repair() -> World:
    world = repair()
    world.finish()
    world.step(30)
    return world


SENT: list[tuple[Callable[[], World], dict[str, object]]] = [
    (recovery, {"kind": JobKind.RECOVERY, "sample_rate": 0.03, "min_sample": 700, "max_mismatch": 0.002,
                "timeout_seconds": 5000, "shards": 4, "attempt": 1}),
    (sweep, {"kind": JobKind.SWEEP, "sample_rate": 0.2, "min_sample": 700, "max_mismatch": 0.002,
             "timeout_seconds": 4000 - 120, "shards": 4, "request": "sweep"}),
    (nightly, {"kind": JobKind.VALIDATION, "sample_rate": 0.02, "min_sample": 700, "max_mismatch": 0.002,
               "timeout_seconds": 5000, "shards": 4, "repair": RepairMode.MISSING}),
    (asked_validation, {"kind": JobKind.VALIDATION, "sample_rate": 0.02, "min_sample": 700, "max_mismatch": 0.002,
                        "timeout_seconds": 5000, "shards": 4, "request": "compare", "keys": ()}),
    (asked_repair, {"kind": JobKind.REPAIR, "min_sample": 700, "timeout_seconds": 5000, "shards": 1,
                    "request": "mend", "keys": ("certificates/1.pdf",), "repair": RepairMode.ALL, "source": ""}),
    (findings, {"kind": JobKind.FINDINGS, "timeout_seconds": 600}),
    (after_a_degradation, {"kind": JobKind.VALIDATION, "sample_rate": 0.07, "min_sample": 700, "max_mismatch": 0.002,
                           "timeout_seconds": 5000, "shards": 4, "mends": True}),
    (repair, {"kind": JobKind.REPAIR, "timeout_seconds": 5000, "source": BAD["report"], "repair": RepairMode.ALL}),
    (after_the_repair, {"kind": JobKind.VALIDATION, "sample_rate": 0.1, "min_sample": 700, "max_mismatch": 0.002,
                        "timeout_seconds": 5000, "shards": 4}),
]  # fmt: skip
EACH = pytest.mark.parametrize("sent", [one for one, _ in SENT], ids=lambda sent: sent.__name__)


def last(world: World) -> JobWanted:
    return world.wanted[world.job().name]


@pytest.mark.parametrize(("sent", "terms"), SENT, ids=lambda value: getattr(value, "__name__", ""))
def test_a_job_is_made_by_the_terms_of_the_policy(sent: Callable[[], World], terms: dict[str, object]) -> None:
    job = last(sent())
    assert {name: getattr(job, name) for name in terms} == terms
    assert job.nonce != ""
    assert job.inputs_hash == "inputs"


@EACH
def test_a_job_that_runs_past_its_deadline_is_ended(sent: Callable[[], World]) -> None:
    world = sent()
    name, seconds = last(world).name, last(world).timeout_seconds
    world.step(15)
    assert name in world.jobs
    world.step(seconds + 300)
    assert name not in world.jobs


@EACH
def test_a_job_that_somebody_deleted_is_not_made_again(sent: Callable[[], World]) -> None:
    world = sent()
    name = last(world).name
    world.step(15)
    del world.jobs[name], world.wanted[name]
    for _ in range(4):
        world.step(30)
    assert name not in world.wanted, "it is told from a Job that was never made"


@EACH
def test_a_job_that_does_not_start_is_given_ten_minutes(sent: Callable[[], World]) -> None:
    world = sent()
    job = world.job()
    world.jobs[job.name] = replace(job, stuck=True, problem="ImagePullBackOff")
    world.step((job.created_at - world.now).total_seconds() + 599)
    assert job.name in world.jobs
    assert world.jobs[job.name].phase is JobPhase.RUNNING
    world.step(1)
    assert job.name not in world.jobs


def test_the_job_of_a_request_is_named_by_its_uid_and_compares_all() -> None:
    world = policy()
    world.ask(
        RequestType.VALIDATION, "compare", uid="0f8fad5b-d9cb-469f-a165-70867728950e", keys=("certificates/1.pdf",)
    )
    world.step(5)
    assert (last(world).name, last(world).keys) == ("certificates-rq-0f8fad5bd9cb", ())


def test_an_answer_that_was_lost_names_the_job_again() -> None:
    world = asked_validation()
    world.step(15)
    world.finish()
    world.requests = tuple(replace(one, status=RequestStatus()) for one in world.requests)
    world.step(15)
    answer = world.answer_of("compare")
    assert (answer.job_name, answer.started_at, answer.phase) == (last(world).name, world.now, RequestPhase.DONE)


def test_a_request_that_has_begun_is_not_refused_when_its_job_may_not_be_made_now() -> None:
    world = asked_validation()
    world.jobs.clear()
    world.policy = make_policy(2, mode="Observe")
    world.step(15)
    answer = world.answer_of("compare")
    assert (answer.phase, answer.reason) == (RequestPhase.RUNNING, Reason.MODE_OBSERVE)
    assert answer.until == world.now + timedelta(minutes=1)


def test_the_job_that_looks_for_the_access_log_is_ended_when_it_is_overdue() -> None:
    world = after_the_repair()
    world.finish(ReceiptVerdict.FAILED, **{**BAD, "pattern": PatternKind.SINGLE})
    world.step(30)
    world.step(30)
    name = last(world).name
    assert last(world).kind is JobKind.FINDINGS
    world.step(600 + 300)
    assert name not in world.jobs


def test_the_last_validation_after_a_repair_is_ended_when_it_is_overdue() -> None:
    world = after_the_repair()
    for _ in range(3):
        world.step(30)
        name = last(world).name
        world.step(5000 + 300)
        assert name not in world.jobs
    assert name.endswith("-v3")
    assert ready(world) == Reason.STILL_INCONSISTENT


def test_the_last_validation_after_a_degradation_is_ended_when_it_is_overdue() -> None:
    world = after_a_degradation()
    for _ in range(3):
        name = last(world).name
        world.step(5000 + 300)
        assert name not in world.jobs
        world.step(600)
        world.step(15)
    assert name.endswith("-v3")
    assert told(world, Scenario.DEGRADATION).phase is IncidentPhase.RESOLVED


def test_until_when_a_job_that_does_not_start_is_waited_for_is_told() -> None:
    world = after_a_degradation()
    job = world.job()
    world.jobs[job.name] = replace(job, stuck=True, problem="ImagePullBackOff")
    world.step(15)
    assert world.status.blocked_until == job.created_at + timedelta(minutes=10)
