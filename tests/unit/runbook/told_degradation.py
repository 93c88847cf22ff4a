"""Scenario 2, as it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from certstorage.api.env import EnvVar
from certstorage.api.observed import (
    Busy,
    BusyWith,
    Client,
    Fleet,
)
from certstorage.api.receipt import Fact, PatternKind, ReceiptVerdict
from certstorage.api.signals import SignalName
from tests.unit.runbook.stories import ALL_GOOD, GOOD_FACTS, firing, probed
from tests.unit.runbook.tellers import DAY, onward, story
from tests.unit.runbook.test_degradation import LEVEL, LONG, clear, degraded
from tests.unit.runbook.test_inconsistency import BAD
from tests.unit.runbook.world import World, make_policy, outage


@story
def a_degradation_from_its_first_breath_to_its_end() -> World:
    world = degraded()
    probed(world)
    world.step(30)
    world.step(300)
    clear(world)
    world.finish(message="PASS: 5% compared", report="s3://b/r.json")
    world.step(30)
    world.settle()
    world.signals = firing("DEGRADED", 0.12, world)
    world.step(3600)
    world.step(180)
    return world


@story
def a_degradation_with_latency_borrows_timeouts() -> World:
    client = Client(max_attempts=5, request_timeout_seconds=300, region="us-east-1")
    world = onward(degraded(policy=make_policy(1, **LONG), target_changes={"client": client}))
    facts = (*GOOD_FACTS[1:], Fact("path", "warning", "TCP 900 ms"), Fact("clock", "warning", "+40 s"))
    steps = {**ALL_GOOD, "PutObject": "AccessDenied: no", "ConditionalDelete": "AccessDenied"}
    probed(world, get_p95_seconds=0.9, facts=facts, steps=steps)
    world.step(30)
    world.step(30)
    world.step(3600)
    clear(world)
    return world


@story
def a_degradation_whose_timeouts_do_not_fit() -> World:
    worlds = []
    for client in (Client(), Client(max_attempts=3, request_timeout_seconds=60), Client(max_attempts=2)):
        world = degraded(policy=make_policy(1, **LONG), target_changes={"client": client})
        probed(world, get_p95_seconds=0.9)
        world.step(30)
        worlds.append(world)
    for one in worlds[1:]:
        worlds[0].passes += one.passes[-2:]
    return worlds[0]


@story
def a_degradation_that_pages() -> World:
    world = degraded(0.25)
    world.signals = firing("DEGRADED", 0.96, world)
    world.step(30)
    probed(world, get_p95_seconds=None, steps={}, facts=(Fact("logging", "warning", "off"),), report="")
    world.step(30)
    return world


@story
def a_degradation_that_becomes_an_outage() -> World:
    world = onward(degraded())
    all_fail = firing("DEGRADED", 1.0, world).signals[SignalName.DEGRADED]
    world.signals = replace(outage(), signals={**outage().signals, all_fail.name: all_fail})
    world.step(30)
    world.settle()
    return world


@story
def a_degradation_and_a_writer_who_wants_another_level() -> World:
    world = onward(degraded())
    for level in ("WARNING", "ERROR"):
        world.env[LEVEL] = EnvVar.literal(level, "argocd")
        world.step(30)
        world.step(30)
    clear(world)
    return world


@story
def a_degradation_whose_validation_cannot_tell() -> World:
    world = onward(degraded())
    probed(world)
    world.step(30)
    clear(world)
    for _ in range(3):
        world.finish(ReceiptVerdict.INCONCLUSIVE, message="INCONCLUSIVE: S3 does not answer")
        world.step(30)
        world.step(600)
    world.settle()
    return world


@story
def a_degradation_that_left_copies_different() -> World:
    world = onward(degraded())
    probed(world)
    world.step(30)
    clear(world)
    world.finish(ReceiptVerdict.FAILED, **{**BAD, "pattern": PatternKind.RANDOM})
    world.step(30)
    world.settle()
    return world


@story
def a_degradation_where_nothing_may_be_borrowed() -> World:
    world = onward(degraded(policy=make_policy(mode="ProtectOnly")))
    changes: tuple[dict[str, Any], ...] = (
        {"policy": make_policy(2, degradation={"debugLogging": "Disabled"})},
        {"fleet": Fleet(tuple(Busy(f"p{n}", BusyWith.ROLLOUT, world.now + DAY) for n in range(12)))},
        {"target_changes": {"paused": True}},
        {"policy": make_policy(3, mode="Observe")},
    )
    for change in changes:
        fresh = World(**change)
        fresh.env[LEVEL] = EnvVar.literal("INFO", "helm")
        fresh.step()
        fresh.signals = firing("DEGRADED", 0.12, fresh)
        fresh.step(5)
        fresh.step(120)
        world.passes += fresh.passes[-1:]
    return world
