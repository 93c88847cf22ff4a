"""Validations, and what people ask for, as it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from certstorage.api.observed import (
    JobPhase,
    Neighbours,
    Problem,
)
from certstorage.api.reasons import Reason
from certstorage.api.receipt import PatternKind, ReceiptVerdict
from certstorage.api.requests import RequestStatus, RequestType
from certstorage.api.signals import SignalSet
from tests.unit.runbook.tellers import down, onward, story
from tests.unit.runbook.test_inconsistency import BAD
from tests.unit.runbook.test_routine import at_night
from tests.unit.runbook.world import World, make_policy, outage


@story
def a_night() -> World:
    world = at_night()
    world.step()
    world.step(30)
    world.finish(message="PASS: 1% compared", upper_bound=0.002)
    world.step(60)
    world.settle()
    return world


@story
def a_night_that_cannot_tell() -> World:
    world = at_night()
    world.step()
    for _ in range(2):
        world.finish(ReceiptVerdict.INCONCLUSIVE, message="INCONCLUSIVE: S3 does not answer")
        world.step(60)
        world.step(30)
    world.step(30)
    return world


@story
def nights_in_which_nothing_is_compared() -> World:
    world = at_night(policy=make_policy(mode="Observe"))
    world.step()
    for change in ({"signals": outage()}, {"neighbours": Neighbours(same_target="production/older")}):
        other = at_night(**change)
        other.step()
        world.passes += other.passes
    night = at_night(policy=make_policy(validation={"repair": "Report", "shards": 4}))
    night.step()
    shared = at_night(neighbours=Neighbours(same_storage="staging/certificates"))
    shared.step()
    world.passes += [*night.passes, *shared.passes]
    return world


@story
def people_ask_for_a_validation_and_a_repair() -> World:
    world = World()
    world.step()
    world.ask(RequestType.REPAIR, "first")
    world.ask(RequestType.VALIDATION, "compare", sample_rate=0.2)
    world.step(15)
    world.step(15)
    world.finish(ReceiptVerdict.FAILED, **{**BAD, "mismatch": 0.001, "pattern": PatternKind.SINGLE})
    world.step(15)
    world.step(15)
    world.step(300)
    world.step(15)
    world.finish(message="3 objects uploaded")
    world.step(15)
    world.settle()
    return world


@story
def requests_that_are_refused() -> World:
    world = onward(down())
    world.ask(RequestType.VALIDATION, "compare")
    world.ask(RequestType.REPAIR, "mend", keys=("certificates/1.pdf",))
    world.ask(RequestType.SWEEP, "sweep")
    world.step(15)
    changes: tuple[dict[str, Any], ...] = (
        {"signals": SignalSet(message="Prometheus does not answer")},
        {"neighbours": Neighbours(same_storage="staging/certificates")},
        {"policy": make_policy(mode="Observe")},
        {"neighbours": Neighbours(same_target="production/older")},
        {"problems": (Problem(Reason.LOCAL_NOT_SHARED, "an emptyDir"),)},
        {"blind": (Problem(Reason.PERMISSION_DENIED, "pods is forbidden"),)},
    )
    for change in changes:
        other = World(now=world.passes[-1][0] + timedelta(minutes=1), **change)
        other.ask(RequestType.REPAIR, "mend", keys=("certificates/1.pdf",))
        other.ask(RequestType.VALIDATION, "compare")
        other.ask(RequestType.RETURN, "back")
        other.step()
        world.passes += other.passes
    return world


@story
def requests_that_expire() -> World:
    world = World(policy=make_policy(mode="Observe"))
    world.step()
    for kind in (RequestType.VALIDATION, RequestType.REPAIR, RequestType.SWEEP, RequestType.RETURN):
        world.ask(kind, kind.value.lower(), ttl_seconds=60)
    world.ask(RequestType.SWEEP, "another", ttl_seconds=60)
    world.step(15)
    world.step(60)
    return world


@story
def requests_whose_jobs_are_half_recorded() -> World:
    world = World()
    world.ask(RequestType.VALIDATION, "compare")
    world.step()
    world.blind = (Problem(Reason.PERMISSION_DENIED, "jobs.batch is forbidden"),)
    world.step(15)
    world.blind = ()
    world.requests = tuple(replace(one, status=RequestStatus()) for one in world.requests)
    world.finish(report="s3://b/r.json")
    world.step(15)
    other = World()
    other.ask(RequestType.VALIDATION, "compare")
    other.step()
    other.jobs[other.job().name] = replace(other.job(), phase=JobPhase.FAILED, problem="")
    other.step(15)
    world.passes += other.passes[-1:]
    return world


@story
def requests_wait_for_their_turn() -> World:
    world = down()
    world.ask(RequestType.VALIDATION, "first")
    world.step(15)
    world.ask(RequestType.VALIDATION, "second")
    onward(world)
    world.step(15)
    world.step(15)
    return world
