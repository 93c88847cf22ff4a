"""Deleting a CertStoragePolicy: what was borrowed goes back, reads stay as they are, and it never hangs."""

from __future__ import annotations

import pytest

from tests.e2e import dead, people
from tests.e2e.conftest import Tell
from tests.e2e.story import asking, audit, cluster, stand
from tests.e2e.story.facts import OPERATOR_MANAGER, READ_PRIMARY
from tests.e2e.story.kube import Kube
from tests.e2e.story.milder import DEGRADATION, Degraded
from tests.e2e.story.outage import Outage
from tests.e2e.story.sweeping import SWEEP, Swept
from tests.e2e.story.world import World


@pytest.fixture
async def kube(world: World) -> Kube:
    """The cluster."""
    return world.kube


async def create(kube: Kube) -> None:
    """Create the policy of the demo, or leave it as it is there."""
    await kube.kubectl("apply", f"--filename={stand.ROOT / stand.SCALED.policy}")


async def deleted(kube: Kube, *, seconds: float) -> None:
    """Delete the policy, and wait until it is gone."""
    await kube.delete(cluster.POLICY_PATH)

    async def gone() -> bool:
        return await kube.find(cluster.POLICY_PATH) is None

    await people.eventually("the policy is gone", gone, seconds=seconds)


@pytest.mark.timeout(180)
async def test_idle_it_goes_at_once_with_the_operator_down(kube: Kube) -> None:
    async with dead.operator(kube):
        await deleted(kube, seconds=10)


@pytest.mark.timeout(600)
async def test_in_a_degradation_the_log_level_goes_back(kube: Kube, telling: Tell) -> None:
    story = telling(DEGRADATION)
    await story.calm(forgetful=True)
    before = await kube.get(cluster.DEPLOYMENT_PATH)
    await story.world.faults.switch("put:lost=12")
    await story.through(Degraded.DEBUG_ON)
    await deleted(kube, seconds=60)

    after = await kube.get(cluster.DEPLOYMENT_PATH)
    assert after["spec"] == before["spec"]
    assert audit.HOLD not in after["metadata"].get("annotations", {})
    assert OPERATOR_MANAGER not in {entry["manager"] for entry in after["metadata"]["managedFields"]}
    assert DEGRADATION.broken(story.observer.facts) == ()


@pytest.mark.timeout(600)
async def test_in_an_outage_reads_stay_local_and_nobody_turns_them_on_but_a_person(kube: Kube, outage: Outage) -> None:
    await outage.calm()
    await outage.cut("reset")
    await outage.protected()
    await deleted(kube, seconds=60)

    deployment = await kube.get(cluster.DEPLOYMENT_PATH)
    env = audit.container_env(deployment["spec"]["template"]["spec"]["containers"])
    assert env[READ_PRIMARY] == "false"
    assert audit.HOLD not in deployment["metadata"]["annotations"]
    assert await people.has_event(kube, "PolicyDeleted")
    await outage.world.faults.mend()
    await create(kube)

    async def left_alone() -> bool:
        return await people.reason(kube) == "ReadsOffByOther"

    await people.eventually("a new policy leaves reads as they are", left_alone, seconds=60)
    assert (await kube.get(cluster.DEPLOYMENT_PATH))["spec"] == deployment["spec"]


@pytest.mark.timeout(600)
async def test_in_a_sweep_replicas_come_back(kube: Kube, telling: Tell) -> None:
    story = telling(SWEEP)
    await story.calm()
    before = await kube.get(cluster.DEPLOYMENT_PATH)
    name = await asking.ask(kube, "Sweep", by=asking.JANE, reason="the policy is deleted in the middle")
    await story.through(Swept.ASKED)
    await asking.approve(kube, name, by=asking.LEAD)
    await story.through(Swept.STOPPED)
    await deleted(kube, seconds=60)

    after = await kube.get(cluster.DEPLOYMENT_PATH)
    assert after["spec"] == before["spec"]
    assert audit.HOLD not in after["metadata"].get("annotations", {})
