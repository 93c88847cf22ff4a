"""What a person says opens one attempt, in its time and for its plan; and what nobody can see opens nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.env import FlagState
from certstorage.api.hold import Hold
from certstorage.api.observed import Problem
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import Expected, RequestStatus, RequestType
from certstorage.runbook.merge import write
from certstorage.runbook.will import Permit, Will
from tests.unit.runbook.stories import asked
from tests.unit.runbook.test_merge import a_context, held
from tests.unit.runbook.test_requests import waiting
from tests.unit.runbook.test_sweep import approve, asked_for
from tests.unit.runbook.world import READ, World

EXHAUSTED: dict[str, object] = {"recovery": {"approval": "Automatic", "maxAttempts": 1}}


def exhausted() -> World:
    """The one attempt that the policy makes by itself has failed; a person decides about the next."""
    world = waiting(**EXHAUSTED)
    world.step(15)
    world.finish(ReceiptVerdict.FAILED)
    world.step(15)
    assert world.hold is not None
    assert world.hold.failed_at is not None
    world.now = (world.status.blocked_until or world.now) + timedelta(seconds=1)
    world.step()
    assert asked(world) == Reason.RETURN_ATTEMPTS_EXHAUSTED
    assert world.read_is(FlagState.FALSE)
    return world


def failed_at(world: World) -> Hold:
    assert world.hold is not None
    return world.hold


@pytest.mark.parametrize(("seconds", "opens"), [(0, True), (-1, False)])
def test_a_return_answers_the_failure_before_it_and_no_later_one(seconds: int, opens: bool) -> None:
    world = exhausted()
    jobs = len(world.jobs)
    at = failed_at(world).failed_at
    assert at is not None
    world.ask(RequestType.RETURN, "again", created_at=at + timedelta(seconds=seconds))
    world.step(1)
    assert (len(world.jobs) > jobs) is opens


@pytest.mark.parametrize(("seconds", "opens"), [(-1, True), (0, False)])
def test_a_return_opens_nothing_once_its_time_has_passed(seconds: int, opens: bool) -> None:
    world = exhausted()
    jobs = len(world.jobs)
    world.ask(RequestType.RETURN, "again", ttl_seconds=60)
    world.now = world.requests[-1].expires_at + timedelta(seconds=seconds)
    world.step()
    assert (len(world.jobs) > jobs) is opens


@pytest.mark.parametrize(
    ("seconds", "left", "started", "counts"),
    [(0, 60, False, True), (-1, 60, False, False), (0, 0, False, False), (0, 0, True, True), (-1, 60, True, False)],
)
def test_what_a_person_says_is_right_counts_from_the_last_failure_until_it_expires_or_while_it_is_answered(
    seconds: int, left: int, started: bool, counts: bool
) -> None:
    world = exhausted()
    at = failed_at(world).failed_at
    assert at is not None
    world.ask(RequestType.RETURN, "opens")
    created = at + timedelta(seconds=seconds)
    lives = int((world.now + timedelta(seconds=1 + left) - created).total_seconds())
    status = RequestStatus(started_at=world.now) if started else RequestStatus()
    world.ask(
        RequestType.RETURN,
        "says",
        created_at=created,
        ttl_seconds=lives,
        status=status,
        expected=(Expected.DELETIONS,),
    )
    world.step(1)
    assert world.wanted[world.job().name].expected == ((Expected.DELETIONS,) if counts else ())


def test_an_approved_sweep_does_not_begin_unseen() -> None:
    world = asked_for()
    approve(world)
    world.blind = (Problem(Reason.PERMISSION_DENIED, "pods is forbidden"),)
    world.step(15)
    assert world.replicas == 3
    world.blind = ()
    world.step(15)
    assert world.replicas == 0


@pytest.mark.parametrize(
    ("verdict", "nonce", "open_nonce", "opens"),
    [
        (ReceiptVerdict.PASSED, "token", "token", True),
        (ReceiptVerdict.PASSED, "other", "token", False),
        (ReceiptVerdict.PASSED, "", "", False),
        (ReceiptVerdict.FAILED, "token", "token", False),
        (ReceiptVerdict.INCONCLUSIVE, "token", "token", False),
    ],
)
def test_reads_go_back_with_a_pass_of_the_open_attempt_alone(
    verdict: ReceiptVerdict, nonce: str, open_nonce: str, opens: bool
) -> None:
    """The second lock of invariant 2, whatever a scenario wants."""
    context = a_context(held(before={READ: "true"}, nonce=open_nonce))
    will = Will(permits=frozenset((Permit(verdict, nonce, "uid"),)), hold=replace(held(), nonce=""))
    patch = write(context, will)
    assert (patch is not None and patch.env.get(READ) == "true") is opens
