"""Scenario 3, as it is told."""

from __future__ import annotations

from dataclasses import replace

from certstorage.api.receipt import PatternKind, ReceiptVerdict
from certstorage.api.requests import RequestType
from tests.unit.runbook.stories import probed
from tests.unit.runbook.tellers import onward, story
from tests.unit.runbook.test_inconsistency import BAD, differing
from tests.unit.runbook.world import World, make_policy, outage


def _pattern(pattern: PatternKind) -> World:
    world = differing(pattern)
    world.finish(message="3 objects uploaded", uploaded=3)
    world.step(30)
    world.finish(message="PASS: 10% compared")
    world.step(30)
    world.settle()
    return world


@story
def a_single_object_differs() -> World:
    return _pattern(PatternKind.SINGLE)


@story
def a_batch_differs() -> World:
    return _pattern(PatternKind.BATCH)


@story
def random_objects_differ() -> World:
    world = onward(differing(PatternKind.RANDOM))
    world.step(60)
    world.ask(RequestType.REPAIR, "mend", keys=("certificates/1.pdf",))
    world.step(30)
    world.finish(message="1 object uploaded")
    world.step(30)
    world.step(30)
    world.finish()
    world.step(30)
    world.settle()
    return world


@story
def what_differs_still_differs_after_the_repair() -> World:
    world = onward(differing())
    world.finish()
    world.step(30)
    world.finish(ReceiptVerdict.FAILED, **{**BAD, "mismatch": 0.02, "message": "FAIL: 2%"})
    world.step(30)
    world.step(30)
    probed(world)
    world.step(60)
    world.step(60)
    return world


@story
def a_validation_after_the_repair_that_cannot_tell() -> World:
    world = onward(differing())
    world.finish()
    world.step(30)
    for _ in range(3):
        world.finish(ReceiptVerdict.INCONCLUSIVE, message="")
        world.step(30)
        world.step(30)
    return world


@story
def an_inconsistency_that_a_person_must_mend() -> World:
    world = onward(differing(spec={"validation": {"repair": "Report"}}))
    protecting, unreported = differing(spec={"mode": "ProtectOnly"}), differing(report="")
    for other in (protecting, unreported, differing(PatternKind.NONE)):
        world.passes += other.passes[-2:]
    other = differing()
    other.incidents, other.status = {}, replace(other.status, scenarios=())
    other.policy = make_policy(2, mode="Observe")
    other.step(30)
    world.passes += other.passes[-1:]
    return world


@story
def an_inconsistency_waits_for_the_end_of_an_outage() -> World:
    world = onward(differing())
    world.signals = outage()
    world.step(30)
    world.step(30)
    return world
