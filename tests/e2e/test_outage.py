"""Scenario 1 of the runbook, undisturbed, from the first failed read to the last check."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.e2e import people
from tests.e2e.story import beginning, cluster, stand
from tests.e2e.story.audit import HOLD
from tests.e2e.story.facts import OPERATOR_MANAGER
from tests.e2e.story.kube import Kube
from tests.e2e.story.outage import Outage
from tests.e2e.story.plot import client_errors
from tests.e2e.story.steps import OUTAGE, StepName
from tests.e2e.story.world import World

JOB_SECONDS = 20
"""What the recovery Job takes here at the most, Pod start included; 11 on an idle machine."""


@pytest.fixture
def held() -> timedelta:
    """Three times hold, Job and check."""
    recovery = stand.SCALED.spec()["recovery"]
    return 3 * timedelta(seconds=recovery["holdSeconds"] + JOB_SECONDS + recovery["fallbackCheckSeconds"])


@pytest.mark.runbook(
    "scenario-1/symptoms",
    "scenario-1/step-2",
    "scenario-1/step-3",
    "scenario-1/post-1",
    "scenario-1/post-2",
    "scenario-1/post-3",
    "scenario-1/post-4",
    "contacts/sre",
    "sweep/when-outage",
)
@pytest.mark.timeout(900)
async def test_reads_go_local_stay_local_while_s3_is_cut_and_come_back_on_proof(outage: Outage) -> None:
    """The mitigation resolves the alert for three times hold, Job and check: reads stay local all the while."""
    kube = outage.world.kube
    await archive(outage.world, 320)
    await kube.patch(cluster.POLICY_PATH, {"spec": {"sweep": {"afterOutageSeconds": 60}}})
    await outage.calm()
    before = await kube.get(cluster.DEPLOYMENT_PATH)
    await outage.cut("reset")
    await outage.protected()
    incident = json.loads((await kube.get(cluster.DEPLOYMENT_PATH))["metadata"]["annotations"][HOLD])["incident"]
    await people.eventually("people are told", lambda: people.pages(kube, incident=incident), seconds=30)
    await outage.held()
    await outage.mend()
    await outage.returned()

    steps, facts = outage.story.steps, outage.observer.facts
    assert [step.step for step in steps] == list(StepName)
    assert OUTAGE.broken(facts) == ()
    assert client_errors(facts) == 0
    assert [(job.incident, job.attempt) for job in facts.jobs_made] == [(incident, "1")]

    # given back: the template is what it was, by two rollouts and no more, and our manager is gone without a third
    after, last, released = await kube.get(cluster.DEPLOYMENT_PATH), *facts.writes[-2:]
    assert after["spec"] == before["spec"]
    assert HOLD not in after["metadata"].get("annotations", {})
    assert OPERATOR_MANAGER in last.managers
    assert OPERATOR_MANAGER not in released.managers
    assert released.generation == last.generation, "giving back moved the generation"
    assert len({pod.template_hash for seen in facts.pods for pod in seen.pods}) == 2

    policy = await kube.get(cluster.POLICY_PATH)
    assert (await people.condition(kube, "Ready"))["status"] == "True"
    assert (await people.condition(kube, "DataVerified"))["status"] == "True"
    assert policy["status"]["lastValidation"]["verdict"] == "Pass"
    assert "finalizers" not in policy["metadata"]
    await people.eventually("the incident resolves", lambda: resolved(outage, incident), seconds=60)
    await people.eventually("a sweep is asked for after so long an outage", lambda: sweep_asked(kube), seconds=60)


async def archive(world: World, objects: int) -> None:
    """Users with so many certificates that those they delete in a long cut do not make it look like the wrong disk."""
    load = (f"--namespace={cluster.NAMESPACE}", "deployment/loadgen")
    await world.kube.kubectl("set", "env", *load, f"CERT_LOAD_ARCHIVE={objects}")
    await beginning.rolled_out(world, "loadgen")


async def sweep_asked(kube: Kube) -> bool:
    """Whether the outage's end has filed a request for a sweep."""
    requests = await kube.items(cluster.REQUESTS_PATH)
    return any((one["spec"]["type"], one["spec"].get("trigger")) == ("Sweep", "Outage") for one in requests)


async def resolved(outage: Outage, incident: str) -> bool:
    """Whether Alertmanager has nothing about this incident any more."""
    return not await people.pages(outage.world.kube, incident=incident)
