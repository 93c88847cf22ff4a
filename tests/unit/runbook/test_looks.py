"""When the core asks to be called again: the earliest time at which something may change by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from certstorage.api.requests import RequestType
from certstorage.api.scenarios import Scenario
from tests.unit.runbook.stories import fallen, firing, probed
from tests.unit.runbook.test_degradation import degraded
from tests.unit.runbook.test_milder import PROBED, in_work
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
    ],
    ids=[
        "a first breath",
        "a first breath of scenario 2",
        "observed",
        "scenario 2 observed",
        "a degradation",
        "a return that is refused",
        "an outage",
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
