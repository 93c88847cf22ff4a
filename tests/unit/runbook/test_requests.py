"""Returns and approvals as stories: what people answer, for which plan, and until when."""

from __future__ import annotations

import pytest

from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import Answer, Approves, RequestPhase, RequestType
from certstorage.api.scenarios import Scenario
from tests.unit.runbook.stories import HOLD, asked, kinds, pass_time, told
from tests.unit.runbook.world import World, healthy, hidden_outage, make_policy, outage


def waiting(**spec: object) -> World:
    """S3 is back and the way back waits for a person."""
    world = World(signals=outage(), policy=make_policy(1, **(spec or {"recovery": {"approval": "Required"}})))
    world.step()
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    world.settle()
    return world


def approve_incident(world: World, name: str = "yes", decision: Answer = Answer.APPROVE, digest: str = "") -> None:
    status = told(world, Scenario.OUTAGE)
    found = Approves(digest or status.plan_hash, incident=world.status.incident, decision=decision)
    world.ask(RequestType.APPROVAL, name, approves=found)


@pytest.mark.runbook("scenario-1/post-3")
def test_the_plan_of_the_way_back_is_in_the_incident_and_its_approval_opens_one_attempt() -> None:
    world = waiting()
    status = told(world, Scenario.OUTAGE)
    assert "CERT_S3_READ_PRIMARY is set to true" in status.plan[1]
    assert world.status.operation is not None
    assert world.status.operation.plan_hash == status.plan_hash != ""
    assert asked(world) == Reason.AWAITING_APPROVAL
    approve_incident(world)
    world.step(15)
    assert len(world.jobs) == 1
    assert world.answer_of("yes").reason == Reason.APPROVAL_TAKEN
    world.finish(ReceiptVerdict.FAILED)
    world.settle()
    pass_time(world, 7200, 60)
    assert len(world.jobs) == 1, "another attempt is another plan"
    assert asked(world) == Reason.AWAITING_APPROVAL


def test_an_approval_of_another_plan_opens_nothing() -> None:
    world = waiting()
    approve_incident(world, digest="0123456789abcdef")
    world.step(15)
    assert world.jobs == {}
    assert world.answer_of("yes").reason == Reason.PLAN_CHANGED


def test_a_denial_keeps_reads_local_and_wins_over_an_approval() -> None:
    world = waiting()
    approve_incident(world)
    approve_incident(world, "no", Answer.DENY)
    world.step(15)
    assert world.jobs == {}
    assert asked(world) == Reason.REQUEST_DENIED


def test_an_expired_approval_opens_nothing() -> None:
    world = waiting()
    status = told(world, Scenario.OUTAGE)
    found = Approves(status.plan_hash, incident=world.status.incident)
    world.ask(RequestType.APPROVAL, "late", approves=found, ttl_seconds=60, created_at=world.now)
    world.now = world.requests[-1].expires_at
    world.step()
    assert world.jobs == {}
    assert world.answer_of("late").phase is RequestPhase.EXPIRED


def test_an_approval_of_nothing_is_void() -> None:
    world = World()
    for number, found in enumerate((Approves("0123456789abcdef", "none"), Approves("0123456789abcdef", incident="no"))):
        world.ask(RequestType.APPROVAL, f"void-{number}", approves=found)
    world.step()
    assert {one.status.reason for one in world.requests} == {Reason.APPROVAL_VOID}


def test_a_return_is_told_from_its_begin_to_its_end() -> None:
    world = waiting()
    world.ask(RequestType.RETURN, "go")
    world.step(15)
    assert (world.answer_of("go").phase, len(world.jobs)) == (RequestPhase.PENDING, 1)
    world.step(15)
    assert world.answer_of("go").phase is RequestPhase.RUNNING
    world.finish()
    world.step(15)
    world.serve(500, 0)
    world.settle()
    status = world.answer_of("go")
    assert (status.phase, status.verdict) == (RequestPhase.DONE, "Pass")
    assert status.incident == world.status.incident


def test_a_return_that_did_not_pass_says_why_and_counts_for_one_attempt() -> None:
    world = waiting()
    world.ask(RequestType.RETURN, "go")
    world.step(15)
    world.step(15)
    world.finish(ReceiptVerdict.FAILED)
    world.settle()
    status = world.answer_of("go")
    assert (status.phase, status.verdict, status.reason) == (RequestPhase.DONE, "Fail", Reason.VALIDATION_FAILED)
    pass_time(world, 7200, 60)
    assert len(world.jobs) == 1


def test_a_return_with_nothing_to_return_is_refused_and_expires() -> None:
    world = World()
    world.ask(RequestType.RETURN, "go")
    world.step()
    status = world.answer_of("go")
    assert (status.phase, status.reason) == (RequestPhase.REFUSED, Reason.REQUEST_REFUSED)
    assert status.until is not None
    world.step(86_400)
    assert world.answer_of("go").phase is RequestPhase.EXPIRED


def test_a_return_does_not_replace_proof() -> None:
    world = World(signals=outage())
    world.step()
    world.signals = hidden_outage()
    world.ask(RequestType.RETURN, "go")
    pass_time(world, 3600, 60)
    assert world.jobs == {}
    assert world.answer_of("go").phase is RequestPhase.PENDING


def test_answers_come_once() -> None:
    world = waiting()
    world.ask(RequestType.RETURN, "go")
    world.step(15)
    answers = [answer for _ in range(20) for answer in world.step(15).answers]
    assert len(answers) == 1, "that it runs"
    assert kinds(world) == ["Recovery"]
