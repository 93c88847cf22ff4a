"""The whole outage on a real API server with the real Deployment and Job controllers, watched by the real kopf."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator

import pytest

from certstorage.cluster.client import ApiCluster
from tests.cluster import ControlPlane
from tests.component.shell.stage import Stage
from tests.fakes.scene import healthy, hidden, outage

FAST = {"recovery": {"holdSeconds": 10}}


@pytest.fixture
async def stage(plane: ControlPlane, cluster: ApiCluster, namespace: str) -> AsyncIterator[Stage]:
    made = Stage(plane, cluster, namespace)
    nodes = asyncio.ensure_future(made.kubelet.run())
    yield made
    nodes.cancel()
    await asyncio.gather(nodes, return_exceptions=True)


async def test_the_whole_outage(stage: Stage) -> None:
    await stage.build(**FAST)
    spec = copy.deepcopy((await stage.deployment())["spec"])
    async with stage.operator():
        await stage.until("ready", lambda: stage.is_reason("ReadsFromS3"))
        stage.source.say(outage())
        await stage.until("reads are local", lambda: stage.is_flag("false"))
        stage.source.say(hidden())
        await stage.until("confirmed on every Pod", lambda: stage.is_reason("OutageReadsLocal"))
        stage.source.say(healthy())
        await stage.until("reads come from S3", lambda: stage.is_flag("true"))
        await stage.until("the incident is over", lambda: stage.is_reason("Returned", "ReadsFromS3"))

        async def nothing_held() -> bool:
            metadata, policy = (await stage.deployment())["metadata"], await stage.policy()
            managers = {entry["manager"] for entry in metadata["managedFields"]}
            return "certstorage-operator" not in managers and not policy["metadata"].get("finalizers")

        await stage.until("nothing of ours stays", nothing_held)
    found = await stage.deployment()
    assert found["spec"] == spec
    assert "storage.deltacrown.io/hold" not in found["metadata"].get("annotations", {})
    assert len(await stage.jobs()) == 1
    reasons = [one["reason"] for one in await stage.events()]
    assert len(reasons) == len(set(reasons)), reasons
    assert "CertStorageIncident" in stage.told


async def test_a_kill_at_any_time_costs_a_repeat(stage: Stage) -> None:
    await stage.build(**FAST)
    spec = copy.deepcopy((await stage.deployment())["spec"])
    async with stage.operator():
        await stage.until("ready", lambda: stage.is_reason("ReadsFromS3"))
        stage.source.say(outage())
        await stage.until("reads are local", lambda: stage.is_flag("false"))
    stage.kubelet.receipt, passing = None, stage.kubelet.receipt
    async with stage.operator():
        stage.source.say(healthy())
        await stage.until("the Job is there", stage.jobs)
    stage.kubelet.receipt = passing
    async with stage.operator():
        await stage.until("reads come from S3", lambda: stage.is_flag("true"))
    async with stage.operator():
        await stage.until("the incident is over", lambda: stage.is_reason("Returned", "ReadsFromS3"))
    assert (await stage.deployment())["spec"] == spec
    assert len(await stage.jobs()) == 1
