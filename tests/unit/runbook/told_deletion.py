"""A policy that is deleted, in whatever is in work then, as it is told."""

from __future__ import annotations

from dataclasses import replace

from certstorage.api.scenarios import Scenario
from certstorage.api.signals import SignalName
from tests.unit.runbook.tellers import down, onward, story
from tests.unit.runbook.test_degradation import clear, degraded
from tests.unit.runbook.test_milder import in_work
from tests.unit.runbook.test_sweep import sweeping
from tests.unit.runbook.world import World, healthy, hidden_outage, outage


@story
def a_policy_that_is_deleted_in_an_outage() -> World:
    world = onward(down())
    world.deleting = True
    world.step(15)
    world.settle()
    return world


@story
def a_policy_that_is_deleted_in_peace() -> World:
    world = World()
    world.step()
    world.deleting = True
    world.step(15)
    return world


@story
def a_policy_that_is_deleted_after_incidents() -> World:
    world = onward(degraded())
    clear(world)
    world.deleting = True
    world.step(15)
    world.settle()
    return world


@story
def a_policy_that_is_deleted_in_a_degradation() -> World:
    world = onward(degraded())
    world.deleting = True
    world.step(15)
    world.settle()
    return world


@story
def a_policy_that_is_deleted_in_a_sweep() -> World:
    world = onward(sweeping())
    world.deleting = True
    world.step(15)
    world.settle()
    other = sweeping()
    other.replicas, other.deleting = 2, True
    other.step(15)
    world.passes += other.passes[-1:]
    return world


@story
def a_policy_that_is_deleted_with_many_incidents() -> World:
    """One is over, one in work, and reads are local for the third."""
    world = in_work(Scenario.LOCAL_DISK_LOW)
    full = world.signals[SignalName.LOCAL_DISK]
    world.signals = outage()
    world.step(60)
    world.signals = healthy()
    world.step(300)
    world.signals = replace(hidden_outage(), signals={**hidden_outage().signals, full.name: full})
    world.step(300)
    onward(world)
    world.deleting = True
    world.step(15)
    world.step(1)
    world.step(1)
    return world
