"""When things are wrong and S3 is not: one clear reason, no crash, and well again by itself once mended."""

from __future__ import annotations

import copy
from typing import Any

from tests.e2e import hurdles, people
from tests.e2e.story import cluster
from tests.e2e.story.kube import Kube

NAME = "misfit"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{cluster.NAMESPACE}/deployments"
TARGET = f"{DEPLOYMENTS}/{NAME}"
PROMETHEUS_SCALE = "/apis/apps/v1/namespaces/monitoring/deployments/prometheus/scale"


async def missing_deployment(kube: Kube) -> None:
    """A second policy, of a Deployment that does not exist: named, and found when it comes and when it comes again."""
    before = await restarts(kube)
    body = {
        "apiVersion": "storage.deltacrown.io/v1alpha1",
        "kind": "CertStoragePolicy",
        "metadata": {"name": NAME, "namespace": cluster.NAMESPACE},
        "spec": {"targetRef": {"name": NAME}, "storage": {"bucket": NAME}},
    }

    async def told(reason: str) -> bool:
        return await people.reason(kube, NAME) == reason

    try:
        async with hurdles.made(kube, cluster.POLICIES_PATH, body):
            await people.eventually("TargetMissing", lambda: told("TargetMissing"), seconds=20)
            await people.eventually("its Event", lambda: people.has_event(kube, "TargetMissing", NAME), seconds=10)
            first = await make_target(kube)
            await people.eventually("the Deployment is found", lambda: told("ReadsFromS3"), seconds=60)
            await kube.delete(TARGET, propagationPolicy="Foreground")
            await people.eventually("TargetMissing again", lambda: told("TargetMissing"), seconds=60)
            assert await make_target(kube) != first
            await people.eventually("the new Deployment is found", lambda: told("ReadsFromS3"), seconds=60)
            assert await restarts(kube) == before
    finally:
        await kube.delete(TARGET, propagationPolicy="Background")


async def prometheus_away(kube: Kube) -> None:
    """Prometheus cannot be reached: that is said, nothing changes, and its return is found."""
    before, crashes = await kube.get(cluster.DEPLOYMENT_PATH), await restarts(kube)

    async def trusts(wanted: str) -> bool:
        return (await people.condition(kube, "SignalsTrusted")).get("status") == wanted

    await people.eventually("signals trusted", lambda: trusts("True"), seconds=60)
    await kube.patch(PROMETHEUS_SCALE, {"spec": {"replicas": 0}})
    try:
        await people.eventually("signals not trusted", lambda: trusts("False"), seconds=60)
        assert (await people.condition(kube, "SignalsTrusted"))["reason"] == "SignalsUnknown"
        await people.eventually("its Event", lambda: people.has_event(kube, "SignalsUnknown"), seconds=10)
    finally:
        await kube.patch(PROMETHEUS_SCALE, {"spec": {"replicas": 1}})
    await people.eventually("signals trusted again", lambda: trusts("True"), seconds=90)
    assert (await kube.get(cluster.DEPLOYMENT_PATH))["spec"] == before["spec"]
    assert await restarts(kube) == crashes


async def make_target(kube: Kube) -> str:
    """Make the missing Deployment, the demo's in all but name and size. Gives its UID."""
    body: Any = copy.deepcopy(await kube.get(cluster.DEPLOYMENT_PATH))
    labels = {"app.kubernetes.io/name": NAME}
    body["metadata"] = {"name": NAME, "namespace": cluster.NAMESPACE}
    body["spec"] |= {"replicas": 1, "selector": {"matchLabels": labels}}
    body["spec"]["template"]["metadata"] = {"labels": labels}
    del body["status"]
    made = await kube.call("POST", DEPLOYMENTS, body=body)
    return str(made["metadata"]["uid"])


async def restarts(kube: Kube) -> int:
    """How often the operator's containers have been restarted."""
    pods = await kube.items(
        f"/api/v1/namespaces/{cluster.OPERATOR_NAMESPACE}/pods", labelSelector=cluster.OPERATOR_LABELS
    )
    return sum(status["restartCount"] for pod in pods for status in pod["status"].get("containerStatuses", []))
