"""spec.mode, changed in the middle of an outage: Observe only says, ProtectOnly only protects, Enforce brings back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.e2e import people
from tests.e2e.story import cluster
from tests.e2e.story.kube import Kube
from tests.e2e.story.outage import Outage
from tests.e2e.story.plot import client_errors
from tests.e2e.story.steps import OUTAGE, StepName
from tests.e2e.story.world import World


@pytest.fixture
async def kube(world: World) -> AsyncIterator[Kube]:
    """The cluster; the mode is the default's again afterwards."""
    yield world.kube
    await set_mode(world.kube, None)


async def set_mode(kube: Kube, mode: str | None) -> None:
    """The policy's mode; None for the default."""
    await kube.patch(cluster.POLICY_PATH, {"spec": {"mode": mode}})


@pytest.mark.timeout(900)
async def test_observe_says_protect_only_goes_local_and_enforce_brings_back(kube: Kube, outage: Outage) -> None:
    story, deadlines = outage.story, outage.deadlines
    await outage.calm()
    await set_mode(kube, "Observe")
    await outage.cut("reset")
    await story.until(StepName.ALERT_FIRING, within=deadlines.detected)
    await people.eventually("what would be done is said", lambda: observes(kube), seconds=30)
    fired = timedelta(seconds=10)  # five polls and evaluations
    alert = story.steps[-1].at
    await story.wait("some polls later", lambda facts: facts.clients[-1].at > alert + fired, within=2 * fired)
    assert [write for write in outage.observer.facts.writes if write.by_operator] == []

    await set_mode(kube, "ProtectOnly")
    await story.until(StepName.READ_PRIMARY_OFF, within=deadlines.switched)
    await story.until(StepName.PODS_CONFIRMED_OFF, within=deadlines.rolled_out)
    await outage.held()
    await outage.mend()
    await story.until(StepName.RECOVERY_PROVEN, within=deadlines.proven)
    await people.eventually("a person is asked to bring reads back", lambda: asks_person(kube), seconds=120)
    assert outage.observer.facts.jobs_made == ()

    await set_mode(kube, "Enforce")
    async with outage.comparing():
        await story.until(StepName.READ_PRIMARY_ON, within=deadlines.validated)
    await outage.checked()

    facts = outage.observer.facts
    assert [step.step for step in story.steps] == list(StepName)
    assert OUTAGE.broken(facts) == ()
    assert client_errors(facts) == 0


async def observes(kube: Kube) -> bool:
    """Whether the policy says what would be done, and that it is not."""
    ready = await people.condition(kube, "Ready")
    return ready.get("reason") == "ModeObserve" and "would set CERT_S3_READ_PRIMARY=false" in ready["message"]


async def asks_person(kube: Kube) -> bool:
    """Whether the way back waits for a person, because of the mode."""
    return (await people.condition(kube, "ActionRequired")).get("reason") == "ModeProtectOnly"
