"""The operator is dead, and what keeps its promises then."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from tests.e2e import people
from tests.e2e.story import audit, cluster
from tests.e2e.story.kube import Kube

SCALE = f"/apis/apps/v1/namespaces/{cluster.OPERATOR_NAMESPACE}/deployments/certstorage-operator/scale"
PODS = f"/api/v1/namespaces/{cluster.OPERATOR_NAMESPACE}/pods"
BATCH = f"/apis/batch/v1/namespaces/{cluster.OPERATOR_NAMESPACE}"
GIVE_BACK = "certstorage-give-back"


@asynccontextmanager
async def operator(kube: Kube) -> AsyncIterator[None]:
    """No Pod of the operator for as long as the block lasts; its Deployment is what it was afterwards."""
    replicas = (await kube.get(SCALE))["spec"]["replicas"]
    await kube.patch(SCALE, {"spec": {"replicas": 0}})

    async def gone() -> bool:
        return not await kube.items(PODS, labelSelector=cluster.OPERATOR_LABELS)

    try:
        await people.eventually("no Pod of the operator", gone, seconds=60)
        yield
    finally:
        await kube.patch(SCALE, {"spec": {"replicas": replicas}})


async def let_time_pass(kube: Kube) -> None:
    """The time by which replicas must be back is over since ten minutes, by the hold's own word."""
    found = (await kube.get(cluster.DEPLOYMENT_PATH))["metadata"]["annotations"][audit.HOLD]
    over = (datetime.now(UTC) - timedelta(minutes=10)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = json.dumps({**json.loads(found), "restoreBy": over})
    await kube.patch(cluster.DEPLOYMENT_PATH, {"metadata": {"annotations": {audit.HOLD: text}}})


async def give_back(kube: Kube) -> None:
    """Run the shipped CronJob's Job now, as `kubectl create job --from` does."""
    template = (await kube.get(f"{BATCH}/cronjobs/{GIVE_BACK}"))["spec"]["jobTemplate"]
    name = f"{GIVE_BACK}-{secrets.token_hex(3)}"
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": cluster.OPERATOR_NAMESPACE},
        "spec": template["spec"],
    }
    await kube.call("POST", f"{BATCH}/jobs", body=body)

    async def complete() -> bool:
        conditions = (await kube.get(f"{BATCH}/jobs/{name}"))["status"].get("conditions", [])
        return any((one["type"], one["status"]) == ("Complete", "True") for one in conditions)

    await people.eventually("the CronJob's Pod ends well", complete, seconds=60)
