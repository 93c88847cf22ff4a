"""`CertStorageRequest`: who may ask for what, what is answered, and that a denial changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e import people
from tests.e2e.conftest import Tell
from tests.e2e.story import asking, cluster
from tests.e2e.story.facts import OPERATOR
from tests.e2e.story.kube import Kube, KubeError
from tests.e2e.story.sweeping import SWEEP

BACKFILL = 20
"""Certificates; users delete and make a few at the same time."""


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


@pytest.mark.runbook(
    "sweep/when-backfill",
    "sweep/when-quarterly",
)
@pytest.mark.timeout(300)
async def test_a_large_backfill_and_a_new_quarter_ask_for_a_sweep(telling: Tell) -> None:
    """More objects than before the last validation, by more than the policy allows; and a quarter that begins."""
    story = telling(SWEEP)
    kube = story.world.kube
    await story.calm()
    await kube.patch(cluster.POLICY_PATH, {"spec": {"sweep": {"afterBackfillObjects": BACKFILL // 2}}})
    await validated(kube)
    for number in range(BACKFILL):
        path = cluster.APPLICATION.path(f"/certificates/backfill/cert_{number:03}.pdf")
        await kube.upload(path, b"%PDF-1.7\nbackfilled\n%%EOF\n")
    await validated(kube)
    await people.eventually("a sweep after the backfill", lambda: triggered(kube, "Backfill"), seconds=30)

    begins = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    policy: Any = await kube.get(cluster.POLICY_PATH)
    policy["status"].setdefault("sweep", {})["quarterlyDueAt"] = begins
    await kube.call("PUT", f"{cluster.POLICY_PATH}/status", body=policy, user=OPERATOR)
    await people.poke(kube)
    await people.eventually("a sweep in the new quarter", lambda: triggered(kube, "Quarterly"), seconds=30)


async def validated(kube: Kube) -> None:
    """Have both copies compared."""
    name = await asking.ask(kube, "Validation", by=asking.JANE, reason="how many are there?")
    assert (await until(kube, name, "Done", seconds=120))["verdict"] == "Pass"


async def triggered(kube: Kube, trigger: str) -> bool:
    """Whether a sweep is asked for because of this."""
    found = await kube.items(cluster.REQUESTS_PATH)
    return any((one["spec"]["type"], one["spec"].get("trigger")) == ("Sweep", trigger) for one in found)
