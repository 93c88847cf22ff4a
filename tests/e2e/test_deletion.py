"""Deleting a CertStoragePolicy: what was borrowed goes back, reads stay as they are, and it never hangs.

In a return it is deleted at the end of `test_modes.py`.
"""

from __future__ import annotations

import pytest

from tests.e2e import dead, people
from tests.e2e.conftest import Tell
from tests.e2e.deleting import deleted, held_for, incident_of, let_go
from tests.e2e.story import asking, audit, beginning, cluster
from tests.e2e.story.kube import Kube, Object
from tests.e2e.story.milder import DEGRADATION, Degraded
from tests.e2e.story.outage import Outage
from tests.e2e.story.steps import OUTAGE
from tests.e2e.story.sweeping import SWEEP, Swept
from tests.e2e.story.world import World


@pytest.fixture
async def kube(world: World) -> Kube:
    """The cluster."""
    return world.kube


@pytest.mark.timeout(180)
async def test_idle_it_goes_at_once_with_the_operator_down(kube: Kube) -> None:
    async with dead.operator(kube):
        await deleted(kube, seconds=10)


@pytest.mark.timeout(600)
async def test_in_a_degradation_the_log_level_goes_back(kube: Kube, telling: Tell) -> None:
    story = telling(DEGRADATION)
    await story.calm()
    before = await kube.get(cluster.DEPLOYMENT_PATH)
    await story.world.faults.switch("put:lost=12")
    await story.through(Degraded.DEBUG_ON)
    await deleted(kube, seconds=60)

    after = await kube.get(cluster.DEPLOYMENT_PATH)
    assert after["spec"] == before["spec"]
    await let_go(kube, reads="true")
    assert DEGRADATION.broken(story.observer.facts) == ()


@pytest.mark.timeout(600)
async def test_in_an_outage_reads_stay_local_and_nobody_turns_them_on_but_a_person(kube: Kube, outage: Outage) -> None:
    await outage.calm()
    await outage.cut("reset")
    await outage.protected()
    await deleted(kube, seconds=60)

    deployment = await kube.get(cluster.DEPLOYMENT_PATH)
    await let_go(kube, reads="false")
    assert await people.has_event(kube, "PolicyDeleted")
    await outage.world.faults.mend()
    await beginning.apply_policy(kube)

    async def left_alone() -> bool:
        return await people.reason(kube) == "ReadsOffByOther"

    await people.eventually("a new policy leaves reads as they are", left_alone, seconds=60)
    assert (await kube.get(cluster.DEPLOYMENT_PATH))["spec"] == deployment["spec"]


@pytest.mark.timeout(600)
async def test_in_an_attempt_its_job_ends_with_it_and_reads_stay_local(kube: Kube, outage: Outage) -> None:
    await outage.calm()
    await outage.cut("reset")
    await outage.protected()
    await outage.held()
    await outage.mend()
    await people.eventually("the recovery Job runs", lambda: jobs_of(kube, "Recovery"), seconds=120)
    incident = await held_for(kube)
    await deleted(kube, seconds=60)

    async def no_job() -> bool:
        return not await jobs_of(kube, "Recovery")

    await people.eventually("its Job is gone", no_job, seconds=60)
    await let_go(kube, reads="false")
    await outage.observer.look()
    facts = outage.observer.facts
    assert [write.reads for write in facts.writes if write.by_operator and write.reads == "true"] == []
    assert (await incident_of(kube, incident))["phase"] == "Mitigated", "a person has to bring reads back"
    await people.eventually("a person is asked", lambda: people.pages(kube, reason="PolicyDeleted"), seconds=20)
    assert OUTAGE.broken(facts) == ()


async def jobs_of(kube: Kube, kind: str) -> list[Object]:
    """The Jobs of this kind."""
    return await kube.items(cluster.JOBS_PATH, labelSelector=f"{audit.KIND}={kind}")


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
    await let_go(kube, reads="true")
