"""When the core asks to be called again: the earliest time at which something may change by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from certstorage.api.observed import FireTimes
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import RequestType
from certstorage.api.scenarios import Scenario
from tests.unit.runbook.stories import HOLD, fallen, firing, probed
from tests.unit.runbook.test_degradation import degraded
from tests.unit.runbook.test_milder import PROBED, in_work
from tests.unit.runbook.test_sweep import sweeping
from tests.unit.runbook.world import World, healthy, make_policy


def asking(kind: RequestType, **fields: object) -> World:
    world = World()
    world.step()
    world.ask(kind, **fields)
    return world


def observed(name: str) -> World:
    """A signal that fires past its first breath, and a policy that only observes."""
    world = World(policy=make_policy(mode="Observe"))
    world.step()
    world.signals = firing(name, 0.15, world)
    world.step(120)
    return world


def breath(name: str) -> World:
    """A signal that has just begun to fire."""
    world = World()
    world.step()
    world.signals = firing(name, 0.15, world)
    return world


def holding(seconds: float) -> World:
    """S3 answers, and must go on to do so for this long."""
    world = fallen()
    world.signals = healthy()
    world.step(60)
    world.step(HOLD - seconds)
    return world


def ended_sweep(verdict: ReceiptVerdict) -> World:
    """A sweep whose request was deleted, and whose Job has just ended."""
    world = sweeping()
    world.requests = ()
    world.finish(verdict)
    return world


@pytest.mark.parametrize(
    ("world", "seconds"),
    [
        (lambda: breath("FALLBACK_ELEVATED"), 120),
        (lambda: breath("DEGRADED"), 120),
        (lambda: observed("FALLBACK_ELEVATED"), 30),
        (lambda: observed("DEGRADED"), 30),
        (degraded, 30),
        (lambda: asking(RequestType.RETURN), 60),
        (fallen, 15),
        (lambda: holding(60), 15),
        (lambda: holding(7), 7),
        (lambda: holding(0.5), 1),
        (lambda: ended_sweep(ReceiptVerdict.PASSED), 1),
        (lambda: ended_sweep(ReceiptVerdict.FAILED), 1),
    ],
    ids=[
        "a first breath",
        "a first breath of scenario 2",
        "observed",
        "scenario 2 observed",
        "a degradation",
        "a return that is refused",
        "an outage",
        "S3 answers",
        "S3 has nearly answered for long enough",
        "a moment before",
        "a sweep that passed",
        "a sweep that failed",
    ],
)
def test_the_next_pass_is_due(world: Callable[[], World], seconds: float) -> None:
    given = world()
    decision = given.step()
    assert (decision.look_again_at - given.now).total_seconds() == seconds


@PROBED
def test_a_quiet_signal_is_looked_at_again_when_it_has_cooled_down(scenario: Scenario) -> None:
    world = in_work(scenario)
    if world.jobs:
        probed(world)
        world.step(30)
    world.signals = healthy()
    world.step(30)
    decision = world.step(290)
    assert (decision.look_again_at - world.now).total_seconds() == 10


@pytest.mark.parametrize("ago", [0, 1, 3600])
def test_a_time_that_has_passed_is_now(ago: float) -> None:
    world = World()
    world.validation = FireTimes(None, world.now - timedelta(seconds=ago))
    assert world.step().look_again_at == world.now + timedelta(milliseconds=1)
