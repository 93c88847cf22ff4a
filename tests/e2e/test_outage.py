"""Scenario 1 of the runbook, undisturbed, from the first failed read to the last check."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e import people
from tests.e2e.story import cluster
from tests.e2e.story.audit import HOLD
from tests.e2e.story.facts import OPERATOR_MANAGER
from tests.e2e.story.outage import Outage
from tests.e2e.story.steps import StepName, broken, client_errors


@pytest.mark.timeout(600)
async def test_reads_go_local_stay_local_while_s3_is_cut_and_come_back_on_proof(outage: Outage) -> None:
    """The alert is resolved by the mitigation for three times hold, Job and check: reads stay local all the while."""
    kube = outage.world.kube
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
    assert broken(facts) == ()
    assert client_errors(facts) == 0
    assert [(job.incident, job.attempt) for job in facts.jobs_made] == [(incident, "1")]

    after = await kube.get(cluster.DEPLOYMENT_PATH)
    back = next(write for write in facts.writes if write.resource_version == _on(steps))
    assert after["metadata"]["generation"] == back.generation, "giving back moved the generation"
    assert after["spec"] == before["spec"]
    assert OPERATOR_MANAGER not in {entry["manager"] for entry in after["metadata"]["managedFields"]}
    assert HOLD not in after["metadata"].get("annotations", {})

    policy = await kube.get(cluster.POLICY_PATH)
    assert (await people.condition(kube, "Ready"))["status"] == "True"
    assert (await people.condition(kube, "DataVerified"))["status"] == "True"
    assert policy["status"]["lastValidation"]["verdict"] == "Pass"
    assert "finalizers" not in policy["metadata"]
    await people.eventually("the incident resolves", lambda: _resolved(outage, incident), seconds=60)


def _on(steps: Any) -> object:
    return next(step.evidence["resource_version"] for step in steps if step.step is StepName.READ_PRIMARY_ON)


async def _resolved(outage: Outage, incident: str) -> bool:
    return not await people.pages(outage.world.kube, incident=incident)
