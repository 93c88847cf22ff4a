"""`CertStorageRequest`: who may ask for what, what is answered, and that a denial changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e import people
from tests.e2e.conftest import Tell
from tests.e2e.story import asking, cluster
from tests.e2e.story.kube import Kube, KubeError
from tests.e2e.story.sweeping import SWEEP


async def status(kube: Kube, name: str) -> Mapping[str, Any]:
    """What became of a request."""
    found: Mapping[str, Any] = (await kube.get(f"{cluster.REQUESTS_PATH}/{name}")).get("status", {})
    return found


async def until(kube: Kube, name: str, phase: str, *, seconds: float) -> Mapping[str, Any]:
    """Wait until a request is in this phase. Gives its status."""

    async def reached() -> bool:
        return (await status(kube, name)).get("phase") == phase

    await people.eventually(f"{name} is {phase}", reached, seconds=seconds)
    return await status(kube, name)


@pytest.mark.timeout(300)
async def test_a_validation_is_run_and_a_denied_sweep_is_not(telling: Tell) -> None:
    story = telling(SWEEP)
    kube = story.world.kube
    await story.calm()
    before = await kube.get(cluster.DEPLOYMENT_PATH)

    with pytest.raises(KubeError, match="forbidden"):
        await asking.ask(kube, "Sweep", by="mallory@example.com", reason="out of curiosity")
    sweep = await asking.ask(kube, "Sweep", by=asking.JANE, reason="just to be sure")
    waiting = await until(kube, sweep, "Pending", seconds=30)
    assert waiting["reason"] == "SweepAwaitingApproval"
    assert "scale deployment/deltacrown from 3 to 0" in waiting["plan"][0]
    with pytest.raises(KubeError, match="needs the verb approval"):
        await asking.approve(kube, sweep, by=asking.JANE)
    await asking.approve(kube, sweep, by=asking.LEAD, decision="Deny")
    denied = await until(kube, sweep, "Denied", seconds=30)
    assert asking.LEAD in denied["approvedBy"]

    validation = await asking.ask(kube, "Validation", by=asking.JANE, reason="a second look", sampleRate="20%")
    ended = await until(kube, validation, "Done", seconds=120)
    assert ended["verdict"] == "Pass"
    assert ended["report"]
    (made,) = await kube.items(cluster.JOBS_PATH, fieldSelector=f"metadata.name={ended['jobName']}")
    arguments = made["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--sample-rate") + 1] == "0.2"
    assert (await kube.get(cluster.DEPLOYMENT_PATH))["spec"] == before["spec"]
