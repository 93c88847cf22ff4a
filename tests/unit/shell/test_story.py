"""The outage from the first flip to the last field given back, through the whole shell against a fake cluster."""

from __future__ import annotations

import copy

from certstorage.cluster.port import CLAIMS, EVENTS
from tests.fakes.scene import DUAL, NAMESPACE, READ, Scene, healthy, outage


async def test_a_healthy_policy_is_told_once_and_then_nothing_is_written() -> None:
    scene = Scene()
    await scene.step()
    assert scene.reason() == "ReadsFromS3"
    written = len(scene.cluster.writes())
    for _ in range(5):
        await scene.step(60)
    assert len(scene.cluster.writes()) == written


async def test_the_whole_outage_ends_as_it_began() -> None:
    scene = Scene()
    await scene.step()
    template = copy.deepcopy(scene.deployment()["spec"])
    scene.source.current = outage()
    await scene.step()
    assert scene.env(READ) == "false"
    assert scene.env(DUAL) == "true"
    assert scene.hold() is not None
    await scene.fall()
    assert scene.policy()["metadata"]["finalizers"] == ["storage.deltacrown.io/hold"]
    assert scene.reason() == "OutageReadsLocal"
    await scene.recover()
    assert [job["metadata"]["name"] for job in scene.jobs()] == [f"{scene.hold().incident}-r1"]  # type: ignore[union-attr]
    await scene.come_back()
    assert scene.reason() in ("Returned", "ReadsFromS3")
    assert scene.deployment()["spec"] == template
    assert scene.hold() is None
    assert "certstorage-operator" not in scene.managers()
    assert scene.policy()["metadata"].get("finalizers", []) == []
    assert len(scene.jobs()) == 1


async def test_the_flip_needs_two_reads_and_is_told_after_every_other_flip() -> None:
    scene = Scene()
    await scene.step()
    seen = len(scene.cluster.calls)
    scene.source.current = outage()
    outcome = await scene.step()
    calls = [(call.verb, call.plural) for call in scene.cluster.calls[seen:]]
    assert sorted(calls[:2]) == [("get", "certstoragepolicies"), ("get", "deployments")]
    assert calls[2:] == [("patch", "deployments")]
    assert outcome.again_seconds == 0
    assert [alert.name for alert in scene.operator.board.alerts(scene.cluster.now)] == ["CertStorageIncident"]
    await scene.step()
    assert scene.events().count("OutageGoingLocal") == 1
    told = next(one for one in scene.cluster.every(EVENTS) if one["reason"] == "OutageGoingLocal")
    assert "S3 outage" in told["message"]


async def test_what_stood_against_a_flip_is_looked_at_whole() -> None:
    scene = Scene()
    scene.cluster.remove(CLAIMS, NAMESPACE, "certificates")
    await scene.settle()
    assert scene.reason() == "ClaimMissing"
    scene.source.current = outage()
    await scene.settle()
    assert scene.env(READ) == "true"


async def test_a_quiet_return_without_traffic_says_that_it_is_unverified() -> None:
    scene = Scene()
    await scene.fall()
    await scene.recover()
    scene.finish()
    await scene.settle(15)
    scene.source.current, scene.source.reads = healthy(), 3.0
    for _ in range(30):
        await scene.settle(15)
    assert "ReturnUnverified" in scene.events()
    assert scene.env(READ) == "true"


async def test_while_the_new_pods_are_judged_their_counters_are_asked_for_in_every_pass() -> None:
    scene = Scene()
    await scene.fall()
    await scene.recover()
    scene.finish()
    await scene.step(20)
    scene.source.asked.clear()
    for _ in range(4):
        await scene.step(5)
    assert len(set(scene.source.asked)) == 1
    assert "" not in scene.source.asked
