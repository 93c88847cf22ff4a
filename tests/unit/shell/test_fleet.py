"""Not too many applications roll or stand still at once, however many passes decide at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from certstorage.api.decision import Decision, TargetPatch
from certstorage.api.hold import DegradationHold, Hold, ReadsPhase, SweepHold
from certstorage.api.observed import Busy, BusyWith, Observation, Problem, Target
from certstorage.api.reasons import Reason
from certstorage.api.status import Status
from certstorage.cluster.observe import Snapshot
from certstorage.cluster.port import CLAIMS, DEPLOYMENTS, POLICIES, REQUESTS
from certstorage.fleet import Roster
from tests.fakes.cluster import START, FakeCluster
from tests.fakes.scene import NAMESPACE, READ, Scene, claim_body, deployment_body, policy_body
from tests.unit.cluster.objects import make_policy

KEY, OTHER = ("production", "certificates"), ("production", "other")
LATER = START + timedelta(minutes=10)
HOLD = Hold("policy-1", "certificates", "deployment-1", "incident", START)
SWEEP = SweepHold("sweep-1", "uid-1", "incident", START, "nonce")
DEGRADATION = DegradationHold("incident", START, START + timedelta(hours=1))


def target(*, rolled: bool, hold: Hold | None = None) -> Target:
    updated = 3 if rolled else 1
    return Target("deployment-1", "7", 2, 2, "web", 3, updated, updated, 3, "hash", hold=hold)


def snapshot(seen: Target | Problem, **spec: Any) -> Snapshot:
    return Snapshot(make_policy(), {}, Observation(seen), START, {"spec": spec})


def decision(env: dict[str, str | None] | None = None, hold: Hold | None = None) -> Decision:
    patch = None if env is None else TargetPatch("deployment-1", "7", hold, env)
    return Decision(Status(), LATER, patch=patch)


def seen_by_another(roster: Roster) -> dict[BusyWith, Any]:
    return {one.what: one.deadline for one in roster.others(OTHER).busy}


@pytest.mark.parametrize(
    ("seen", "decided", "expected"),
    [
        (target(rolled=True), decision(), {}),
        (target(rolled=True), decision({"LOG_LEVEL": "DEBUG"}), {BusyWith.ROLLOUT: LATER}),
        (target(rolled=True), decision({READ: "true"}), {BusyWith.ROLLOUT: LATER}),
        (target(rolled=True), decision({READ: "false", "LOG_LEVEL": None}), {}),
        (target(rolled=False), decision(), {}),
        (target(rolled=False, hold=replace(HOLD, reads=ReadsPhase.LOCAL)), decision(), {}),
        (
            target(rolled=False, hold=replace(HOLD, reads=ReadsPhase.RETURNING, returned_at=START)),
            decision(),
            {BusyWith.ROLLOUT: LATER},
        ),
        (target(rolled=False, hold=replace(HOLD, degradation=DEGRADATION)), decision(), {BusyWith.ROLLOUT: LATER}),
        (target(rolled=True, hold=replace(HOLD, degradation=DEGRADATION)), decision(), {}),
        (
            target(rolled=True, hold=replace(HOLD, sweep=SWEEP, replicas=3, restore_by=LATER)),
            decision(),
            {BusyWith.SWEEP: LATER},
        ),
        (target(rolled=True, hold=replace(HOLD, sweep=SWEEP)), decision(), {}),
        (
            target(rolled=True, hold=replace(HOLD, policy_uid="another", sweep=SWEEP, replicas=3, restore_by=LATER)),
            decision(),
            {},
        ),
        (Problem(Reason.TARGET_MISSING, "gone"), decision(), {}),
    ],
)
def test_what_a_policy_is_busy_with(seen: Target | Problem, decided: Decision, expected: dict[BusyWith, Any]) -> None:
    roster = Roster(5, 1)
    roster.note(snapshot(seen), decided)
    assert seen_by_another(roster) == expected
    assert roster.others(KEY).busy == (), "nobody waits for itself"


def test_a_rollout_lasts_until_it_is_through_and_its_time_does_not_move() -> None:
    roster = Roster(5, 1)
    roster.note(snapshot(target(rolled=True), progressDeadlineSeconds=60), decision({"LOG_LEVEL": "DEBUG"}))
    begun = START + timedelta(seconds=60)
    roster.note(replace(snapshot(target(rolled=False)), now=START + timedelta(seconds=30)), decision())
    assert seen_by_another(roster) == {BusyWith.ROLLOUT: begun}
    roster.note(snapshot(target(rolled=True)), decision())
    assert seen_by_another(roster) == {}


def test_the_caps_and_who_is_gone() -> None:
    roster = Roster(5, 2)
    roster.note(snapshot(target(rolled=True)), decision({"LOG_LEVEL": "DEBUG"}))
    fleet = roster.others(OTHER)
    assert (fleet.most_rollouts, fleet.most_sweeps) == (5, 2)
    assert fleet.busy == (Busy("production/certificates", BusyWith.ROLLOUT, LATER),)
    roster.forget(KEY)
    assert roster.others(OTHER).busy == ()


async def test_of_two_sweeps_that_are_approved_at_the_same_time_one_waits() -> None:
    cluster = FakeCluster()
    for name in ("one", "two"):
        cluster.add(DEPLOYMENTS, deployment_body(name), manager="helm")
        cluster.add(POLICIES, policy_body(name, name))
    cluster.add(CLAIMS, claim_body())
    scene = Scene(cluster)
    keys = [(NAMESPACE, name) for name in ("one", "two")]

    async def passes() -> None:
        for _ in range(4):
            await asyncio.gather(*(scene.operator(key) for key in keys))

    def ask(name: str, policy: str, kind: str, **spec: Any) -> None:
        body = {"policyName": policy, "type": kind, "reason": "why", **spec}
        cluster.add(REQUESTS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": body})

    await passes()
    for name in ("one", "two"):
        ask(f"sweep-{name}", name, "Sweep")
    await passes()
    for name in ("one", "two"):
        plan = scene.request(f"sweep-{name}")["planHash"]
        ask(
            f"yes-{name}",
            name,
            "Approval",
            requestedBy="ann",
            approves={"requestName": f"sweep-{name}", "planHash": plan},
        )
    await passes()
    stopped = {name: cluster.stored(DEPLOYMENTS, NAMESPACE, name)["spec"]["replicas"] for name in ("one", "two")}
    assert sorted(stopped.values()) == [0, 3]
    waits = next(name for name, replicas in stopped.items() if replicas)
    assert scene.request(f"sweep-{waits}")["reason"] == "SweepsCapped"
