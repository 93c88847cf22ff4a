"""Scenario 3 as stories: copies differ."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.decision import JobKind, RepairMode
from certstorage.api.incidents import IncidentPhase
from certstorage.api.observed import FireTimes, Neighbours
from certstorage.api.reasons import Reason
from certstorage.api.receipt import PatternKind, ReceiptVerdict
from certstorage.api.requests import RequestPhase, RequestType, Trigger
from certstorage.api.scenarios import Scenario
from certstorage.api.status import Status
from tests.unit.runbook.stories import alerts, asked, kinds, message, pass_time, phase, probed, ready, rows, told
from tests.unit.runbook.world import Spec, World, make_policy, outage

ALL: Spec = {"validation": {"repair": "All"}}
BAD = {
    "mismatch": 0.006,
    "mismatches": 3,
    "sampled": 500,
    "population": 5000,
    "report": "s3://b/.certstorage/reports/r.json",
    "examples": ("certificates/1.pdf", "certificates/2.pdf"),
}


def differing(pattern: PatternKind = PatternKind.SINGLE, /, spec: Spec | None = None, **changes: object) -> World:
    """The nightly validation has failed with this pattern."""
    world = World(policy=make_policy(**(ALL if spec is None else spec)))
    world.validation = FireTimes(world.now, world.now + timedelta(days=1))
    world.step()
    axis = {"pattern_axis": "prefix", "pattern_value": "certificates/2026"} if pattern is PatternKind.BATCH else {}
    world.finish(ReceiptVerdict.FAILED, **{**BAD, "pattern": pattern, **axis, **changes})
    world.step(30)
    world.settle()
    return world


@pytest.mark.runbook("scenario-3/symptoms", "scenario-3/step-1", "metrics/mismatch")
def test_a_failed_validation_opens_an_incident_with_report_and_keys_and_asks_for_a_sweep() -> None:
    world = differing()
    status = told(world, Scenario.INCONSISTENCY)
    assert status.report == BAD["report"]
    assert {one.key for one in status.mismatches} == set(BAD["examples"])  # type: ignore[call-overload]
    assert {one.kind for one in status.evidence} >= {"Receipt", "LogQuery"}
    (request,) = world.requests
    assert (request.kind, request.trigger) == (RequestType.SWEEP, Trigger.MISMATCH)
    assert alerts(world, "CertStorageIncident")[0]["severity"] == "critical"


def test_the_sweep_is_asked_for_once_however_often_the_operator_dies_before_it_writes_the_incident() -> None:
    world = differing()
    world.incidents.clear()
    world.requests = ()
    world.status = replace(world.status, scenarios=(), sweep=None)
    world.step(1)
    assert world.requests == ()
    world.step(1)
    assert len(world.requests) == 1


@pytest.mark.parametrize("rate", [0.005, 0.00501, 0.2])
def test_from_exactly_half_a_percent_on_it_is_an_inconsistency(rate: float) -> None:
    assert phase(differing(mismatch=rate), Scenario.INCONSISTENCY) is IncidentPhase.OPEN


@pytest.mark.parametrize(
    ("pattern", "under"),
    [
        pytest.param(
            PatternKind.SINGLE, "", marks=pytest.mark.runbook("scenario-3/step-2-single", "scenario-3/step-3")
        ),
        pytest.param(PatternKind.BATCH, "certificates/2026/", marks=pytest.mark.runbook("scenario-3/step-2-batch")),
        (PatternKind.INSUFFICIENT, ""),
    ],
)
def test_a_clear_pattern_is_uploaded_again_from_local_disk(pattern: PatternKind, under: str) -> None:
    world = differing(pattern)
    job = world.wanted[world.job().name]
    assert (job.kind, job.source, job.under, job.repair) == (JobKind.REPAIR, BAD["report"], under, RepairMode.ALL)
    assert ready(world) == Reason.INCONSISTENT
    assert asked(world) is None or asked(world) == Reason.SWEEP_AWAITING_APPROVAL


def test_a_batch_that_has_only_a_time_in_common_is_repaired_by_its_report() -> None:
    world = differing(PatternKind.BATCH, pattern_axis="hour", pattern_value="2026-11-22T03")
    assert world.wanted[world.job().name].under == ""


@pytest.mark.runbook("scenario-3/step-4")
def test_after_the_repair_ten_percent_are_compared_and_a_pass_ends_it() -> None:
    world = differing()
    world.finish()
    world.step(30)
    job = world.wanted[world.job().name]
    assert (job.kind, job.sample_rate) == (JobKind.VALIDATION, 0.10)
    world.finish()
    world.step(30)
    world.settle()
    assert phase(world, Scenario.INCONSISTENCY) is IncidentPhase.RESOLVED
    assert world.status.last_validation is not None
    assert world.status.last_validation.verdict == "Pass"
    assert ready(world) == Reason.READS_FROM_S3


@pytest.mark.runbook("scenario-3/escalation", "scenario-3/provide", "contacts/sre")
def test_what_still_differs_pages_sre_with_report_and_log_query() -> None:
    world = differing()
    world.finish()
    world.step(30)
    world.finish(ReceiptVerdict.FAILED, **{**BAD, "report": "s3://b/second.json"})
    world.step(30)
    world.settle()
    assert asked(world) == Reason.STILL_INCONSISTENT
    page = next(one for one in alerts(world) if one["reason"] == Reason.STILL_INCONSISTENT)
    assert (page["severity"], page["scenario"]) == ("critical", "inconsistency")
    status = told(world, Scenario.INCONSISTENCY)
    assert "s3://b/second.json" in message(world)
    assert "scenario-3/escalation" in rows(status)
    assert any("logs deployment/deltacrown" in one.reference for one in status.evidence)
    probed(world)
    pass_time(world, 3600)
    evidence = told(world, Scenario.INCONSISTENCY).evidence
    assert "s3://logs/access/" in {one.value for one in evidence if one.kind == "AccessLog"}
    assert kinds(world).count(JobKind.FINDINGS) == 1
    assert kinds(world).count(JobKind.REPAIR) == 1, "it is not repaired over and over"


@pytest.mark.runbook("scenario-3/step-2-random", "contacts/aws")
def test_random_objects_are_a_case_for_aws_support_and_nothing_is_overwritten() -> None:
    world = differing(PatternKind.RANDOM)
    assert JobKind.REPAIR not in kinds(world)
    assert asked(world) == Reason.PATTERN_RANDOM
    assert any(one.get("contact") == "aws-support" for one in alerts(world))
    text = told(world, Scenario.INCONSISTENCY).ticket_text
    assert "Bucket: deltacrown-certificates" in text
    assert "TAM" in text


@pytest.mark.parametrize(
    ("spec", "changes", "reason"),
    [
        ({"validation": {"repair": "Report"}}, {}, Reason.REPAIR_BY_PERSON),
        ({**ALL, "mode": "ProtectOnly"}, {}, Reason.MODE_PROTECT_ONLY),
        (ALL, {"report": ""}, Reason.REPAIR_BY_PERSON),
    ],
)
def test_where_the_operator_may_not_repair_a_person_is_asked(
    spec: dict[str, object], changes: dict[str, object], reason: Reason
) -> None:
    world = differing(spec=spec, **changes)
    assert JobKind.REPAIR not in kinds(world)
    assert asked(world) == reason


def test_missing_objects_are_all_that_the_default_uploads() -> None:
    assert differing(spec={}).wanted[differing(spec={}).job().name].repair is RepairMode.MISSING


@pytest.mark.parametrize("why", ["shared", "unknown"])
def test_nothing_is_repaired_on_a_shared_bucket_or_on_unknown_signals(why: str) -> None:
    world = World(policy=make_policy(**ALL))
    world.validation = FireTimes(world.now, None)
    world.step()
    world.finish(ReceiptVerdict.FAILED, **{**BAD, "pattern": PatternKind.SINGLE})
    if why == "shared":
        world.neighbours = Neighbours(same_storage="production/other")
    else:
        world.signals = replace(world.signals, trusted=False, message="Prometheus does not answer")
    world.step(30)
    pass_time(world, 600)
    assert JobKind.REPAIR not in kinds(world)
    assert asked(world) in (Reason.STORAGE_SHARED, Reason.SIGNALS_UNKNOWN)


def test_observe_only_says_so() -> None:
    world = differing()
    quiet = World(policy=make_policy(mode="Observe"), status=Status(last_validation=world.status.last_validation))
    quiet.step()
    assert (quiet.jobs, quiet.incidents, quiet.requests) == ({}, {}, ())
    assert ready(quiet) == Reason.MODE_OBSERVE


def test_a_repair_that_a_person_asks_for_is_followed_by_a_validation() -> None:
    world = differing(PatternKind.RANDOM)
    world.requests = ()
    world.ask(RequestType.REPAIR, "mend", created_at=world.now)
    world.step(30)
    assert world.answer_of("mend").phase is RequestPhase.RUNNING
    job = world.wanted[world.job().name]
    assert (job.kind, job.source, job.repair) == (JobKind.REPAIR, BAD["report"], RepairMode.ALL)
    world.finish()
    answered = world.step(30)
    assert (world.answer_of("mend").phase, world.answer_of("mend").verdict) == (RequestPhase.DONE, "Pass")
    assert answered.look_again_at - world.now <= timedelta(seconds=1), "nobody is kept waiting for the validation"
    world.step(30)
    assert world.job().kind == JobKind.VALIDATION
    world.finish()
    world.step(30)
    world.step(30)
    assert phase(world, Scenario.INCONSISTENCY) is IncidentPhase.RESOLVED


def test_a_nightly_pass_ends_it_too() -> None:
    world = differing(PatternKind.RANDOM)
    world.step(86_400)
    world.validation = FireTimes(world.now, None)
    world.step(1)
    assert world.job().kind == JobKind.VALIDATION
    world.finish()
    world.step(30)
    world.step(30)
    assert phase(world, Scenario.INCONSISTENCY) is IncidentPhase.RESOLVED


def test_an_outage_goes_before_it_and_it_goes_on_after() -> None:
    world = differing(PatternKind.RANDOM)
    world.signals = outage()
    world.step(15)
    world.settle()
    assert ready(world) == Reason.OUTAGE_READS_LOCAL
    assert phase(world, Scenario.INCONSISTENCY) is IncidentPhase.OPEN
    assert len(world.jobs) == 1


def test_a_wiped_status_repairs_nothing_twice() -> None:
    world = differing()
    world.finish()
    stored = world.status.last_validation
    for _ in range(5):
        world.status = Status(last_validation=stored)
        world.step(30)
    assert kinds(world).count(JobKind.REPAIR) == 1
    assert kinds(world).count(JobKind.VALIDATION) == 2, "the nightly one and the one after the repair"
    assert len(world.incidents) == 1


def test_inconclusive_validations_end_with_a_person() -> None:
    world = differing()
    world.finish()
    world.step(30)
    for _ in range(3):
        world.finish(ReceiptVerdict.INCONCLUSIVE)
        world.step(30)
        world.settle()
    assert asked(world) == Reason.STILL_INCONSISTENT
