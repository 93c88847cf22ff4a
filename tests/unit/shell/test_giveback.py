"""Replicas that a sweep took come back with the operator dead, once, and nothing else is touched."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from certstorage import giveback
from certstorage.api.hold import ANNOTATION, Hold, ReadsPhase, SweepHold, dump, load
from certstorage.cluster.port import DEPLOYMENTS, EVENTS, ForbiddenError, Json, UnavailableError
from certstorage.giveback import GRACE, give_back
from certstorage.handlers import main
from tests.fakes.cluster import START, Call, FakeCluster
from tests.fakes.scene import NAMESPACE, TARGET, deployment_body

DUE = START + timedelta(hours=2)
LATE = DUE + GRACE


class World:
    """One Deployment, stopped by a sweep whose operator has died."""

    def __init__(self, change: Callable[[Hold], Hold] = lambda hold: hold, replicas: int = 0) -> None:
        self.cluster = FakeCluster()
        made = self.cluster.add(DEPLOYMENTS, deployment_body(), manager="helm")
        sweep = SweepHold("sweep-1", "uid-1", "certificates-20261123-0310", START, "nonce-1")
        held = Hold(
            policy_uid="policy-1",
            policy_name="certificates",
            target_uid=made["metadata"]["uid"],
            incident="certificates-20261123-0310",
            since=START,
            epoch=4,
            replicas=3,
            restore_by=DUE,
            sweep=sweep,
        )

        def stop(body: Json) -> None:
            body["metadata"]["annotations"] = {ANNOTATION: dump(change(held)), "owner": "team-a"}
            body["spec"]["replicas"] = replicas

        self.cluster.touch(DEPLOYMENTS, NAMESPACE, TARGET, stop)
        self.before = copy.deepcopy(self.deployment)

    @property
    def deployment(self) -> Json:
        return self.cluster.stored(DEPLOYMENTS, NAMESPACE, TARGET)

    @property
    def hold(self) -> Hold:
        return load(self.deployment["metadata"]["annotations"][ANNOTATION])

    async def run(self, after: timedelta = LATE - START, *namespaces: str) -> bool:
        return await give_back(self.cluster, namespaces or (NAMESPACE,), START + after, "give-back-1")

    def untouched(self) -> bool:
        return self.deployment == self.before


async def test_replicas_come_back_and_the_share_of_the_sweep_stays() -> None:
    world = World()
    assert await world.run()
    assert world.deployment["spec"]["replicas"] == 3
    held = world.hold
    assert (held.replicas, held.restore_by, held.epoch) == (None, None, 5)
    assert held.sweep is not None
    assert held.sweep.request == "sweep-1", "by which a revived operator knows that it is over"
    (event,) = world.cluster.every(EVENTS)
    assert event["reason"] == "ReplicasGivenBack"
    assert event["involvedObject"]["kind"] == "Deployment"
    assert "3 replicas" in event["message"]


async def test_nothing_else_of_the_deployment_changes() -> None:
    world = World()
    await world.run()
    after = world.deployment
    assert after["spec"] == {**world.before["spec"], "replicas": 3}
    assert after["metadata"]["annotations"]["owner"] == "team-a"


async def test_twice_is_once() -> None:
    world = World()
    await world.run()
    writes = len(world.cluster.writes())
    assert await world.run(LATE - START + timedelta(days=1))
    assert len(world.cluster.writes()) == writes


@pytest.mark.parametrize("early", [timedelta(0), GRACE - timedelta(seconds=1), -timedelta(hours=1)])
async def test_before_its_time_nothing_is_done(early: timedelta) -> None:
    world = World()
    assert await world.run(DUE - START + early)
    assert world.untouched()


async def test_replicas_that_somebody_set_since_stay() -> None:
    world = World(replicas=7)
    assert await world.run()
    assert world.deployment["spec"]["replicas"] == 7
    assert world.hold.replicas is None
    assert "somebody" in world.cluster.every(EVENTS)[0]["message"]


@pytest.mark.parametrize(
    "change",
    [
        lambda hold: replace(hold, replicas=None, restore_by=None),
        lambda hold: replace(hold, replicas=None, restore_by=None, sweep=None, reads=ReadsPhase.LOCAL),
        lambda hold: replace(hold, target_uid="copied-from-another"),
    ],
)
async def test_a_hold_without_replicas_or_of_another_deployment_is_left_alone(change: Callable[[Hold], Hold]) -> None:
    world = World(change)
    assert await world.run()
    assert world.untouched()


async def test_an_outage_that_holds_too_keeps_its_share() -> None:
    world = World(lambda hold: replace(hold, reads=ReadsPhase.LOCAL, before={"CERT_S3_READ_PRIMARY": "true"}))
    await world.run()
    assert world.hold.reads is ReadsPhase.LOCAL
    assert world.hold.before == {"CERT_S3_READ_PRIMARY": "true"}


async def test_a_hold_that_cannot_be_read_is_said_and_does_not_hinder_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()

    def broken(body: Json) -> None:
        body["metadata"]["annotations"] = {ANNOTATION: "{"}

    world.cluster.add(DEPLOYMENTS, deployment_body("a-broken-one"), manager="helm")
    world.cluster.touch(DEPLOYMENTS, NAMESPACE, "a-broken-one", broken)
    assert not await world.run()
    assert world.deployment["spec"]["replicas"] == 3
    assert "a-broken-one" in caplog.text


async def test_a_namespace_that_may_not_be_read_does_not_hinder_the_others(caplog: pytest.LogCaptureFixture) -> None:
    world = World()

    def refuse(call: Call) -> None:
        if call.namespace == "closed":
            raise ForbiddenError("may not list in closed")

    world.cluster.before = refuse
    assert not await world.run(LATE - START, "closed", NAMESPACE)
    assert world.deployment["spec"]["replicas"] == 3
    assert "closed" in caplog.text


async def test_every_namespace_is_one_list() -> None:
    world = World()
    assert await world.run(LATE - START, giveback.EVERYWHERE)
    assert world.deployment["spec"]["replicas"] == 3


async def test_somebody_who_writes_at_the_same_time_is_read_again() -> None:
    world = World()

    def meanwhile(call: Call) -> None:
        if call.verb == "patch":
            world.cluster.before = lambda _: None
            world.cluster.touch(DEPLOYMENTS, NAMESPACE, TARGET, lambda body: body["spec"].update(replicas=5))

    world.cluster.before = meanwhile
    assert await world.run()
    assert world.deployment["spec"]["replicas"] == 5, "the operator, or a person, was quicker"
    assert world.hold.replicas is None


async def test_an_operator_that_was_quicker_leaves_nothing_to_do() -> None:
    world = World()

    def meanwhile(call: Call) -> None:
        if call.verb == "patch":
            world.cluster.before = lambda _: None
            world.cluster.touch(DEPLOYMENTS, NAMESPACE, TARGET, lambda body: body["metadata"].pop("annotations"))

    world.cluster.before = meanwhile
    assert await world.run()
    assert world.deployment["spec"]["replicas"] == 0
    assert world.cluster.every(EVENTS) == []


async def test_a_deployment_that_is_written_all_the_time_is_a_failure_that_is_tried_again_later() -> None:
    world = World()

    def always(call: Call) -> None:
        if call.verb == "patch":
            world.cluster.touch(
                DEPLOYMENTS, NAMESPACE, TARGET, lambda body: body["metadata"].update(x=len(world.cluster.calls))
            )

    world.cluster.before = always
    assert not await world.run()
    assert len([call for call in world.cluster.calls if call.verb == "patch"]) == giveback.TRIES


async def test_no_answer_is_a_failure() -> None:
    world = World()

    def down(call: Call) -> None:
        if call.verb == "patch":
            raise UnavailableError("no answer")

    world.cluster.before = down
    assert not await world.run()


def test_it_is_a_command_of_the_operator(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        main(["give-back", "--config", str(tmp_path / "none.yaml")])
    assert left.value.code == giveback.USAGE
    assert "none.yaml" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["give-back", "--help"])
    assert left.value.code == 0
    assert "past its time" in capsys.readouterr().out
