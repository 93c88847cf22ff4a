"""Scenario 4 and the metric rows, as it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from certstorage.api.observed import (
    JobPhase,
    Pods,
)
from certstorage.api.receipt import Fact
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import SignalName
from certstorage.runbook.decide import decide
from tests.unit.runbook.stories import ALL_GOOD, GOOD_FACTS, firing, probed
from tests.unit.runbook.tellers import onward, story
from tests.unit.runbook.test_milder import in_work
from tests.unit.runbook.world import World, healthy, hidden_outage, outage


@story
def reads_fall_back() -> World:
    world = in_work(Scenario.READ_FALLBACK)
    facts = (Fact("location", "warning", "eu-west-1, not us-east-1"), *GOOD_FACTS[2:])
    probed(world, get_p95_seconds=0.7, facts=facts)
    world.step(30)
    world.step(30)
    world.signals = healthy()
    world.step(30)
    world.step(300)
    return world


@story
def reads_fall_back_for_every_cause() -> World:
    world = onward(in_work(Scenario.READ_FALLBACK, 0.5))
    causes: tuple[dict[str, Any], ...] = (
        {"get_p95_seconds": 0.7},
        {"facts": (Fact("path", "warning", "TCP 900 ms"),)},
        {"steps": {"GetObject": "AccessDenied"}},
        {"facts": (Fact("tls", "warning", "an old version"),)},
        {"get_p95_seconds": None, "steps": {}, "facts": (Fact("location", "unknown", "AccessDenied"),)},
        {},
    )
    for changes in causes:
        other = in_work(Scenario.READ_FALLBACK)
        probed(other, **changes)
        other.step(30)
        world.passes += other.passes[-1:]
    for pods in (Pods(local=1, s3=2), Pods(local=3), Pods(other=3)):
        other = in_work(Scenario.READ_FALLBACK)
        probed(other)
        other.step(30)
        decision = decide(other.policy, replace(other.see(), pods=pods), other.status, other.now)
        world.passes.append((other.now, decision))
    return world


@story
def deletes_fail() -> World:
    world = onward(in_work(Scenario.DELETE_FAILING, 0.03))
    probed(world, steps={**ALL_GOOD, "DeleteObject": "AccessDenied"})
    world.step(30)
    world.signals = healthy()
    world.step(30)
    world.step(300)
    other = in_work(Scenario.DELETE_FAILING, 0.03)
    probed(other)
    other.step(30)
    world.passes += other.passes[-1:]
    return world


@story
def writes_do_not_succeed() -> World:
    world = onward(in_work(Scenario.WRITE_SUCCESS_LOW, 0.9))
    probed(world, steps={**ALL_GOOD, "PutObject": "SlowDown"})
    world.step(30)
    world.signals = outage()
    world.step(30)
    world.settle()
    other = in_work(Scenario.WRITE_SUCCESS_LOW, 0.9)
    probed(other, steps={**ALL_GOOD, "PutObject": "AccessDenied", "DeleteObject": "AccessDenied"})
    other.step(30)
    world.passes += other.passes[-1:]
    other = in_work(Scenario.WRITE_SUCCESS_LOW, 0.9)
    probed(other)
    other.step(30)
    world.passes += other.passes[-1:]
    return world


@story
def the_local_disk_is_nearly_full() -> World:
    world = onward(in_work(Scenario.LOCAL_DISK_LOW, 0.08))
    full = firing("LOCAL_DISK", 0.02, world).signals[SignalName.LOCAL_DISK]
    world.signals = replace(outage(), signals={**outage().signals, full.name: full})
    world.step(30)
    world.step(30)
    world.signals = hidden_outage()
    world.step(30)
    world.step(300)
    return world


@story
def a_findings_job_that_does_not_come_back() -> World:
    world = onward(in_work(Scenario.READ_FALLBACK))
    job = world.job()
    world.jobs[job.name] = replace(job, stuck=True, problem="ImagePullBackOff")
    world.step(30)
    world.step(600)
    world.step(30)
    for failed in (True, False):
        other = in_work(Scenario.DELETE_FAILING)
        job = other.job()
        ended = replace(job, finished_at=world.now, phase=JobPhase.FAILED)
        other.jobs[job.name] = ended if failed else replace(job, ours=False)
        other.step(30)
        world.passes += other.passes[-1:]
    other = in_work(Scenario.DELETE_FAILING)
    other.step(2000)
    world.passes += other.passes[-1:]
    return world
