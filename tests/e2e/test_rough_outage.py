"""Scenario 1 with everything going wrong that may: the operator killed at every turn, others writing, Jobs that fail.

One outage carries it all, in the order in which it would happen; the story must end as the undisturbed one does.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import kill, others, people
from tests.e2e.gate import Attempt, gate
from tests.e2e.story import asking, audit, cluster
from tests.e2e.story.facts import OPERATOR, READ_PRIMARY, Facts
from tests.e2e.story.kube import Kube
from tests.e2e.story.outage import Outage
from tests.e2e.story.plot import client_errors
from tests.e2e.story.steps import OUTAGE, StepName

TAKE_OVER = 45.0
"""Seconds for another operator to lead after a SIGKILL, and to look."""


@dataclass(slots=True)
class Killer:
    """Kills the operator around its writes: before the flip is stored, while it is, and right after."""

    kube: Kube
    killed: list[str] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def off(self, attempt: Attempt) -> bool:
        """Reads go local: the first write is refused to a dead operator, the second passes while its sender dies."""
        if attempt.reads_after != "false" or attempt.reads_before == "false":
            return True
        match self.killed:
            case []:
                await self._kill("before", attempt)
                return False
            case ["before"]:
                await self._kill("during", attempt)
            case _:
                self._kill_when_stored("false", attempt)
        return True

    async def on(self, attempt: Attempt) -> bool:
        """Reads go back: the sender dies as soon as its write is stored."""
        if attempt.reads_after == "true" and attempt.reads_before == "false":
            self._kill_when_stored("true", attempt)
        return True

    async def settled(self) -> None:
        """Wait for the killing that is under way."""
        await asyncio.gather(*self.tasks)

    async def _kill(self, when: str, attempt: Attempt) -> None:
        await kill.kill_pod(self.kube, attempt.pod)
        self.killed.append(when)

    def _kill_when_stored(self, reads: str, attempt: Attempt) -> None:
        async def watch() -> None:
            while True:
                if (await template_env(self.kube))[READ_PRIMARY] == reads:
                    return await self._kill("after", attempt)
                await asyncio.sleep(0.01)

        self.tasks.add(asyncio.create_task(watch()))


@pytest.mark.timeout(900)
async def test_the_story_ends_well_whatever_happens_on_the_way(outage: Outage, tmp_path: Path) -> None:
    kube, story, address = outage.world.kube, outage.story, outage.world.place.host_address
    await outage.calm()
    before = await kube.get(cluster.DEPLOYMENT_PATH)

    # S3 fails; the operator dies before and during its first write
    killer = Killer(kube)
    async with gate(kube, address, tmp_path / "off", killer.off):
        await outage.cut("reset")
        await story.until(StepName.ALERT_FIRING, within=outage.deadlines.detected)
        await story.until(StepName.READ_PRIMARY_OFF, within=timedelta(seconds=4 * TAKE_OVER))
        await killer.settled()
    assert killer.killed[:2] == ["before", "during"]
    await story.until(StepName.PODS_CONFIRMED_OFF, within=outage.deadlines.rolled_out)
    incident = json.loads((await deployment(kube))["metadata"]["annotations"][audit.HOLD])["incident"]

    # somebody wipes the status
    wiped = {key: value for key, value in (await kube.get(cluster.POLICY_PATH)).items() if key != "status"}
    await kube.call("PUT", f"{cluster.POLICY_PATH}/status", body=wiped, user=OPERATOR)
    await people.eventually("the status is told anew", lambda: remembers(kube, incident), seconds=TAKE_OVER)

    # somebody applies the unchanged manifest, which asks for reads from S3
    await kube.kubectl("apply", "--filename=-", stdin=others.manifest_of(before))
    await story.wait("the apply to be undone", undone, within=timedelta(seconds=10))
    await people.eventually("the writer is named", lambda: named(kube, "kubectl"), seconds=10)
    await people.eventually("somebody is paged", lambda: paged(kube, incident), seconds=20)
    await outage.held()

    # S3 is back; the first Job cannot start, the second is deleted, the operator dies during the third
    await asking.set_image(kube, cluster.NO_IMAGE)
    await outage.mend()
    async with gate(kube, address, tmp_path / "on", Killer(kube).on), outage.comparing():
        await story.until(StepName.RECOVERY_PROVEN, within=outage.deadlines.proven)
        await people.eventually("JobStuck", lambda: people.has_event(kube, "JobStuck"), seconds=120)
        await asking.set_image(kube, None)
        await people.eventually("the second Job, remembered", lambda: remembered(kube, "2"), seconds=90)
        await kube.delete(f"{cluster.JOBS_PATH}/{incident}-r2", propagationPolicy="Background")
        await people.eventually("JobGone", lambda: people.has_event(kube, "JobGone"), seconds=30)
        await people.eventually("the third Job", lambda: running(kube, "3"), seconds=90)
        await kill.kill_pod(kube, await kill.leader(kube))
        await story.until(StepName.READ_PRIMARY_ON, within=outage.deadlines.validated)
    await outage.checked()

    facts = outage.observer.facts
    assert [step.step for step in story.steps] == list(StepName)
    assert OUTAGE.broken(facts) == ()
    assert client_errors(facts) == 0
    assert [(job.incident, job.attempt) for job in facts.jobs_made] == [(incident, attempt) for attempt in "123"]
    assert one_at_a_time(facts)
    assert len(await people.pages(kube, incident=incident, reason="ForeignWriter")) <= 1
    after = await deployment(kube)
    assert after["spec"] == before["spec"]
    assert audit.HOLD not in after["metadata"]["annotations"]


async def deployment(kube: Kube) -> Any:
    """The Deployment under care."""
    return await kube.get(cluster.DEPLOYMENT_PATH)


async def template_env(kube: Kube) -> dict[str, str]:
    """The literal environment in the Deployment's template."""
    return audit.container_env((await deployment(kube))["spec"]["template"]["spec"]["containers"])


async def remembers(kube: Kube, incident: str) -> bool:
    """Whether the policy's status tells of this incident and its operation."""
    status = (await kube.get(cluster.POLICY_PATH)).get("status", {})
    return status.get("incidentName") == incident and "operation" in status


def undone(facts: Facts) -> bool:
    """Whether somebody else's write of the read flag was followed by the operator's."""
    foreign = [write for write in facts.writes if not write.by_operator and write.reads == "true"]
    return bool(foreign) and any(w.by_operator and w.reads == "false" and w.at > foreign[-1].at for w in facts.writes)


async def named(kube: Kube, writer: str) -> bool:
    """Whether the status and an Event name the writer who turned reads back."""
    asked = await people.condition(kube, "ActionRequired")
    told = [event for event in await people.events(kube) if event["reason"] == "ForeignWriter"]
    return asked.get("reason") == "ForeignWriter" and writer in asked["message"] and writer in told[-1]["message"]


async def paged(kube: Kube, incident: str) -> bool:
    """Whether one alert about the foreign writer, and no more, is with Alertmanager."""
    found = await people.pages(kube, incident=incident, reason="ForeignWriter")
    assert len(found) <= 1
    return bool(found)


async def running(kube: Kube, attempt: str) -> bool:
    """Whether the Job of this attempt is there and has not ended."""
    jobs = await kube.items(cluster.JOBS_PATH, labelSelector=f"{audit.ATTEMPT}={attempt}")
    return any(not job["status"].get("conditions") for job in jobs)


async def remembered(kube: Kube, attempt: str) -> bool:
    """Whether the status knows the Job of this attempt by its UID: one that went before that is made anew."""
    jobs = await kube.items(cluster.JOBS_PATH, labelSelector=f"{audit.ATTEMPT}={attempt}")
    operation = (await kube.get(cluster.POLICY_PATH)).get("status", {}).get("operation", {})
    return any(job["metadata"]["uid"] == operation.get("jobUID") for job in jobs)


def one_at_a_time(facts: Facts) -> bool:
    """Whether each Job was made only after the one before it had ended or was gone."""
    ended = {job.name: job.finished for job in facts.jobs} | {gone.name: gone.at for gone in facts.jobs_deleted}
    made = sorted(facts.jobs_made, key=lambda job: job.at)
    return all(earlier.name in ended and ended[earlier.name] <= later.at for earlier, later in pairwise(made))
