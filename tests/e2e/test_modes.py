"""One outage among people: spec.mode is changed, others write the Deployment, and the policy is deleted in the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.e2e import deleting, others, panels, people
from tests.e2e.story import cluster
from tests.e2e.story.facts import Facts
from tests.e2e.story.kube import Kube
from tests.e2e.story.outage import Outage
from tests.e2e.story.plot import client_errors
from tests.e2e.story.steps import OUTAGE, StepName, all_read
from tests.e2e.story.world import World

PROGRESS_SECONDS = 20
"""After so long without progress a rollout is stuck; the demo's own is two minutes."""
NO_FIGHT = timedelta(seconds=12)
"""Six syncs of the GitOps controller."""


@pytest.fixture
async def kube(world: World) -> Kube:
    """The cluster with little patience for a rollout, and a policy that looks at a return for long."""
    await world.kube.patch(cluster.POLICY_PATH, {"spec": {"recovery": {"fallbackCheckSeconds": 120}}})
    await world.kube.patch(cluster.DEPLOYMENT_PATH, {"spec": {"progressDeadlineSeconds": PROGRESS_SECONDS}})
    return world.kube


async def set_mode(kube: Kube, mode: str) -> None:
    """The policy's mode."""
    await kube.patch(cluster.POLICY_PATH, {"spec": {"mode": mode}})


@pytest.mark.timeout(900)
async def test_an_outage_with_every_mode_with_others_who_write_and_a_deletion(kube: Kube, outage: Outage) -> None:
    """Observe says, ProtectOnly goes local, Enforce brings back; who else writes is named, and never fought for long.

    When reads are back, every panel of the dashboard has data. Then the policy is deleted, before the return is judged:
    reads stay where the proof brought them.
    """
    story, deadlines = outage.story, outage.deadlines
    await outage.calm()
    before = await kube.get(cluster.DEPLOYMENT_PATH)
    image = before["spec"]["template"]["spec"]["containers"][0]["image"]
    await set_mode(kube, "Observe")
    await outage.cut("reset")
    await story.until(StepName.ALERT_FIRING, within=deadlines.detected)
    await people.eventually("what would be done is said", lambda: observes(kube), seconds=30)
    await others.set_image(kube, cluster.NO_IMAGE)
    fired = timedelta(seconds=10)  # five polls and evaluations
    alert = story.steps[-1].at
    await story.wait("some polls later", lambda facts: facts.clients[-1].at > alert + fired, within=2 * fired)
    assert [write for write in outage.observer.facts.writes if write.by_operator] == []

    await set_mode(kube, "ProtectOnly")
    await story.until(StepName.READ_PRIMARY_OFF, within=deadlines.switched)
    await people.eventually("the rollout is told to be stuck", lambda: asks(kube, "RolloutStuck"), seconds=60)
    await people.eventually("and somebody paged", lambda: people.pages(kube, reason="RolloutStuck"), seconds=30)
    await others.set_image(kube, image)
    await story.until(StepName.PODS_CONFIRMED_OFF, within=deadlines.rolled_out)

    await not_fought(kube, outage)
    manifest = others.manifest_of(before)
    uid = await others.replace_deployment(kube, manifest)
    await story.wait("the new Deployment is turned local", turned_local(uid), within=deadlines.detected)
    await story.wait("every Pod reads local", reads_local, within=deadlines.rolled_out)
    await undone_once(kube, outage)
    await outage.held()
    await outage.mend()
    await story.until(StepName.RECOVERY_PROVEN, within=deadlines.proven)
    await people.eventually("a person is asked to bring reads back", lambda: asks(kube, "ModeProtectOnly"), seconds=120)
    assert [job for job in outage.observer.facts.jobs_made if job.kind == "Recovery"] == []

    await set_mode(kube, "Enforce")
    async with outage.comparing():
        await story.until(StepName.READ_PRIMARY_ON, within=deadlines.validated)
    await panels.filled_in(outage.world)
    incident = await deleting.held_for(kube)
    await deleting.deleted(kube, seconds=60)
    await deleting.let_go(kube, reads="true")
    await story.until(StepName.FALLBACK_BELOW_1_PERCENT, within=deadlines.checked)

    facts = outage.observer.facts
    assert [step.step for step in story.steps] == list(StepName)
    assert OUTAGE.broken(facts) == ()
    assert client_errors(facts) == 0
    patience = json.loads(manifest)["spec"]["progressDeadlineSeconds"]  # the new Deployment has its manifest's
    assert (await kube.get(cluster.DEPLOYMENT_PATH))["spec"] == {**before["spec"], "progressDeadlineSeconds": patience}
    assert (await deleting.incident_of(kube, incident))["phase"] == "Resolved"


async def undone_once(kube: Kube, outage: Outage) -> None:
    """A person brings reads back by the runbook's command in the middle of the outage: undone at once, and named."""
    known = len(outage.observer.facts.writes)
    await others.set_env(kube, "true")

    def undone(facts: Facts) -> bool:
        writes = [write for write in facts.writes[known:] if write.reads != "true"]
        return bool(writes) and writes[0].by_operator

    await outage.story.wait("it is undone", undone, within=timedelta(seconds=15))
    (foreign,) = [one for one in outage.observer.facts.writes[known:] if one.reads == "true"]
    assert others.PERSON in foreign.managers
    await people.eventually("the person is named", lambda: named(kube, others.PERSON), seconds=20)
    await outage.story.wait("every Pod reads local again", reads_local, within=outage.deadlines.rolled_out)


async def not_fought(kube: Kube, outage: Outage) -> None:
    """A GitOps controller writes the flag back without end: undone once, then it is named and left for ten minutes."""
    facts = outage.observer.facts
    known = len(facts.writes)

    def undone(facts: Facts) -> int:
        return sum(write.by_operator and write.reads == "false" for write in facts.writes[known:])

    async with others.gitops(kube):
        await outage.story.wait(
            "the revert to be undone", lambda facts: undone(facts) > 0, within=timedelta(seconds=15)
        )
        await people.eventually("the writer is named", lambda: named(kube, others.GITOPS), seconds=20)
        await people.eventually("and somebody paged", lambda: people.pages(kube, reason="ForeignWriter"), seconds=20)
        begun = outage.observer.facts.clients[-1].at
        await outage.story.wait("six more syncs", lambda f: f.clients[-1].at > begun + NO_FIGHT, within=2 * NO_FIGHT)
    assert undone(outage.observer.facts) == 1
    assert (await kube.get(cluster.POLICY_PATH))["status"].get("blockedUntil"), "when it is undone again is said"


def turned_local(uid: str) -> Callable[[Facts], bool]:
    """Whether the operator has turned the reads of this very Deployment local."""
    return lambda facts: any(one.by_operator and one.uid == uid and one.reads == "false" for one in facts.writes)


async def observes(kube: Kube) -> bool:
    """Whether the policy says what would be done, and that it is not."""
    ready = await people.condition(kube, "Ready")
    return ready.get("reason") == "ModeObserve" and "would set CERT_S3_READ_PRIMARY=false" in ready["message"]


async def asks(kube: Kube, reason: str) -> bool:
    """Whether a person is asked for this reason."""
    return (await people.condition(kube, "ActionRequired")).get("reason") == reason


def reads_local(facts: Facts) -> bool:
    """Whether every Pod reads local."""
    return all_read(facts.pods[-1], "false", 3)


async def named(kube: Kube, writer: str) -> bool:
    """Whether the one who writes the flag back is named to people."""
    asked = await people.condition(kube, "ActionRequired")
    return asked.get("reason") == "ForeignWriter" and writer in asked["message"]
