"""The nightly validation, and what people ask for, as stories."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.decision import JobKind, RepairMode
from certstorage.api.observed import FireTimes, JobPhase
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import RequestPhase, RequestType
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import SignalSet
from certstorage.api.status import Status
from tests.unit.runbook.stories import asked, kinds, pass_time, ready
from tests.unit.runbook.world import START, World, healthy, make_policy, outage

DAY = timedelta(days=1)


def at_night(**changes: object) -> World:
    """The schedule has just fired."""
    world = World(**changes)  # type: ignore[arg-type]
    world.validation = FireTimes(world.now, world.now + DAY)
    return world


@pytest.mark.runbook("checklist/validator")
def test_every_night_one_percent_is_compared_and_what_is_missing_uploaded() -> None:
    world = at_night()
    world.step(1)
    job = world.wanted[world.job().name]
    assert job.name == "certificates-n-20261123-0310-1"
    assert (job.kind, job.sample_rate, job.min_sample, job.repair) == (
        JobKind.VALIDATION,
        0.01,
        2000,
        RepairMode.MISSING,
    )
    assert ready(world) == Reason.READS_FROM_S3, "a validation is no trouble"
    world.finish()
    world.step(30)
    assert world.status.last_validation is not None
    assert world.status.proven_at == world.status.last_validation.started_at
    assert world.status.next_validation_at == START + DAY
    pass_time(world, 7200, 600)
    assert len(world.jobs) == 1


@pytest.mark.parametrize("soon", [timedelta(seconds=40), timedelta(minutes=7)])
def test_a_pass_is_due_when_the_schedule_fires(soon: timedelta) -> None:
    world = World()
    world.validation = FireTimes(None, world.now + soon)
    decision = world.step()
    assert decision.look_again_at == world.validation.next


@pytest.mark.parametrize(
    ("command", "seconds", "runs"),
    [("", 0, False), ("check", 0, False), ("check", -1, True), ("recover", 60, True), ("repair", 60, True)],
)
def test_a_night_whose_memory_is_lost_ran_if_a_check_ended_since(command: str, seconds: float, runs: bool) -> None:
    world = at_night()
    world.step()
    world.finish(finished_at=START + timedelta(seconds=seconds), command=command)
    world.step(30)
    world.jobs.clear()
    world.status = replace(world.status, scenarios=())
    world.step(30)
    assert bool(world.jobs) is runs


@pytest.mark.parametrize(("seconds", "runs"), [(-1, True), (0, False), (1, False)])
def test_a_policy_begins_with_the_first_night_after_its_creation(seconds: float, runs: bool) -> None:
    created = (START + timedelta(seconds=seconds)).isoformat()
    world = at_night(policy=replace(make_policy(), created=created))
    world.step(10)
    assert bool(world.jobs) is runs


def test_without_a_schedule_nothing_is_remembered_of_nights() -> None:
    world = at_night()
    world.step()
    world.finish()
    world.step(30)
    assert [one.name for one in world.status.scenarios] == [Scenario.ROUTINE]
    world.validation = FireTimes()
    world.step(30)
    assert world.status.scenarios == ()


def test_missed_nights_are_caught_up_once() -> None:
    world = at_night()
    world.step()
    world.finish()
    world.step(30)
    world.step(5 * 86_400)
    world.validation = FireTimes(START + 5 * DAY, START + 6 * DAY)
    world.step()
    world.finish()
    pass_time(world, 3600, 60)
    assert list(world.jobs) == ["certificates-n-20261123-0310-1", "certificates-n-20261128-0310-1"]


def test_a_new_policy_does_not_catch_up_what_was_before_it() -> None:
    world = at_night(policy=replace(make_policy(), created="2026-11-23T03:10:05Z"))
    world.step(10)
    assert world.jobs == {}
    late = at_night(policy=replace(make_policy(), created="2026-11-23T03:09:00Z"))
    late.step(10)
    assert len(late.jobs) == 1


def test_a_wiped_status_makes_no_second_job_of_a_night() -> None:
    world = at_night()
    world.step()
    world.status = Status()
    world.step(30)
    world.finish()
    world.status = Status()
    world.step(30)
    world.status = Status()
    world.step(30)
    assert len(world.jobs) == 1
    assert world.status.last_validation is not None


@pytest.mark.parametrize("blocked", ["outage", "held"])
def test_nothing_is_compared_in_an_outage_and_it_is_caught_up_after(blocked: str) -> None:
    world = at_night(signals=outage())
    world.step()
    if blocked == "held":
        world.signals = healthy()
    pass_time(world, 300)
    assert world.jobs == {}
    world = at_night()
    world.step()
    assert kinds(world) == [JobKind.VALIDATION]


def test_a_validation_that_cannot_tell_is_tried_once_more_and_then_told() -> None:
    world = at_night()
    world.step()
    for number in (1, 2):
        assert world.job().name.endswith(f"-{number}")
        world.finish(ReceiptVerdict.INCONCLUSIVE)
        world.step(30)
        world.step(1)
    assert world.last is not None
    assert Reason.VALIDATION_INCONCLUSIVE in {event.reason for event in world.events}
    pass_time(world, 3600, 60)
    assert len(world.jobs) == 2


@pytest.mark.parametrize(
    ("changes", "repair"),
    [
        ({"policy": make_policy(validation={"repair": "Report"})}, RepairMode.REPORT),
        ({"policy": make_policy(mode="ProtectOnly")}, RepairMode.REPORT),
        ({"signals": SignalSet()}, RepairMode.REPORT),
        ({"policy": make_policy(validation={"repair": "All"})}, RepairMode.MISSING),
    ],
)
def test_the_night_repairs_no_more_than_it_may(changes: dict[str, object], repair: RepairMode) -> None:
    world = at_night(**changes)
    world.step()
    assert world.wanted[world.job().name].repair is repair


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "forged"},
        {"inputs_hash": "other"},
    ],
)
def test_a_receipt_of_another_run_is_not_believed(change: dict[str, object]) -> None:
    world = at_night()
    world.step()
    world.finish(**change)
    world.step(30)
    assert world.status.last_validation is None


def test_a_job_of_somebody_else_or_without_receipt_proves_nothing() -> None:
    for change in ({"ours": False}, {"phase": JobPhase.COMPLETE, "receipt": None}):
        world = at_night()
        world.step()
        world.finish()
        world.jobs[world.job().name] = replace(world.job(), **change)
        world.step(30)
        assert world.status.last_validation is None


def test_a_job_that_runs_past_its_deadline_is_stopped() -> None:
    world = at_night()
    world.step()
    name = world.job().name
    world.step(7200 + 300)
    assert name not in world.jobs


def test_observe_compares_nothing() -> None:
    world = at_night(policy=make_policy(mode="Observe"))
    pass_time(world, 600)
    assert world.jobs == {}


def test_a_person_asks_for_a_validation_and_is_answered() -> None:
    world = World()
    world.ask(RequestType.VALIDATION, "now", sample_rate=0.5)
    world.step()
    assert world.answer_of("now").phase is RequestPhase.RUNNING
    assert world.wanted[world.job().name].sample_rate == 0.5
    world.finish(report="s3://b/r.json")
    world.step(30)
    status = world.answer_of("now")
    assert (status.phase, status.verdict, status.report) == (RequestPhase.DONE, "Pass", "s3://b/r.json")
    assert status.finished_at == world.now
    assert world.status.last_validation is not None
    quiet = world.settle()
    assert quiet.answers == ()


def test_requests_go_one_after_the_other_and_expire_unstarted() -> None:
    world = World()
    world.ask(RequestType.VALIDATION, "first")
    world.ask(RequestType.VALIDATION, "second", ttl_seconds=60)
    world.step()
    assert world.answer_of("second").reason == Reason.WAITS_ITS_TURN
    world.step(61)
    assert (world.answer_of("second").phase, len(world.jobs)) == (RequestPhase.EXPIRED, 1)


def test_in_an_outage_a_validation_is_refused_until_it_is_over() -> None:
    world = World(signals=outage())
    world.step()
    world.ask(RequestType.VALIDATION, "now")
    world.step(5)
    status = world.answer_of("now")
    assert (status.phase, status.reason) == (RequestPhase.REFUSED, Reason.OUTAGE_IN_FORCE)
    assert status.until is not None
    assert status.until > world.now
    writes = [len(world.step(15).answers) for _ in range(8)]
    assert sum(writes) == 0, "that it is looked at again is no news"


@pytest.mark.parametrize(("fields", "reason"), [({}, Reason.NO_REPORT), ({"keys": ("certificates/1.pdf",)}, None)])
def test_a_repair_needs_a_report_or_keys(fields: dict[str, object], reason: Reason | None) -> None:
    world = World()
    world.ask(RequestType.REPAIR, "mend", **fields)
    world.step()
    if reason is not None:
        assert world.answer_of("mend").reason == reason
        assert asked(world) is None
    else:
        assert world.wanted[world.job().name].keys == ("certificates/1.pdf",)
