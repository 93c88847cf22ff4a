"""Deleting a policy, and what must be left of the operator's on the Deployment and in the incident."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.e2e import people
from tests.e2e.story import audit, cluster
from tests.e2e.story.facts import OPERATOR_MANAGER, READ_PRIMARY
from tests.e2e.story.kube import Kube


async def deleted(kube: Kube, *, seconds: float) -> None:
    """Delete the policy, and wait until it is gone."""
    await kube.delete(cluster.POLICY_PATH)

    async def gone() -> bool:
        return await kube.find(cluster.POLICY_PATH) is None

    await people.eventually("the policy is gone", gone, seconds=seconds)


async def held_for(kube: Kube) -> str:
    """The incident that the Deployment is held for."""
    annotations = (await kube.get(cluster.DEPLOYMENT_PATH))["metadata"]["annotations"]
    return str(json.loads(annotations[audit.HOLD])["incident"])


async def let_go(kube: Kube, *, reads: str) -> None:
    """Fail unless reads are so, and nothing of the operator's is left on the Deployment."""
    deployment = await kube.get(cluster.DEPLOYMENT_PATH)
    env = audit.container_env(deployment["spec"]["template"]["spec"]["containers"])
    assert env[READ_PRIMARY] == reads
    assert audit.HOLD not in deployment["metadata"].get("annotations", {})
    assert OPERATOR_MANAGER not in {entry["manager"] for entry in deployment["metadata"]["managedFields"]}


async def incident_of(kube: Kube, name: str) -> Mapping[str, Any]:
    """The status of an incident."""
    found: Mapping[str, Any] = (await kube.get(f"{cluster.INCIDENTS_PATH}/{name}"))["status"]
    return found
