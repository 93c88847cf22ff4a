"""What stands against a sweep, or lives beside it, as real objects: each there for as long as its block lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.e2e import people
from tests.e2e.story import cluster
from tests.e2e.story.kube import Kube, Object

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AUTOSCALERS = f"/apis/autoscaling/v2/namespaces/{cluster.NAMESPACE}/horizontalpodautoscalers"
AUTOSCALER = f"{AUTOSCALERS}/{cluster.DEPLOYMENT}"
SCALED_OBJECTS = f"/apis/keda.sh/v1alpha1/namespaces/{cluster.NAMESPACE}/scaledobjects"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": cluster.DEPLOYMENT}


@asynccontextmanager
async def made(kube: Kube, path: str, body: Object, **deleting: str) -> AsyncIterator[None]:
    """An object; deleted at the end, however that comes."""
    where = f"{path}/{body['metadata']['name']}"
    await kube.delete(where, **deleting)
    await kube.call("POST", path, body=body)
    try:
        yield
    finally:
        await kube.delete(where, **deleting)


@asynccontextmanager
async def cordoned(kube: Kube) -> AsyncIterator[None]:
    """Every node: no Pod that is made meanwhile starts."""
    names = [node["metadata"]["name"] for node in await kube.items(cluster.NODES_PATH)]
    try:
        for name in names:
            await kube.patch(f"{cluster.NODES_PATH}/{name}", {"spec": {"unschedulable": True}})
        yield
    finally:
        for name in names:
            await kube.patch(f"{cluster.NODES_PATH}/{name}", {"spec": {"unschedulable": None}})


def autoscaler() -> Object:
    """A HorizontalPodAutoscaler of the application; without metrics it only keeps its bounds."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": cluster.DEPLOYMENT, "namespace": cluster.NAMESPACE},
        "spec": {
            "scaleTargetRef": TARGET,
            "minReplicas": 3,
            "maxReplicas": 4,
            "metrics": [{"type": "Resource", "resource": cpu}],
        },
    }


async def scaling(kube: Kube) -> str:
    """Why the autoscaler is active or not, in its own word."""
    found = (await kube.get(AUTOSCALER)).get("status", {}).get("conditions", [])
    return next((str(one["reason"]) for one in found if one["type"] == "ScalingActive"), "")


@asynccontextmanager
async def scaled_object(kube: Kube) -> AsyncIterator[None]:
    """KEDA's ScaledObject of the application; its kind is a stub, since nothing of KEDA has to run."""
    names = {
        "plural": "scaledobjects",
        "singular": "scaledobject",
        "kind": "ScaledObject",
        "listKind": "ScaledObjectList",
    }
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    kind: dict[str, Any] = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "scaledobjects.keda.sh"},
        "spec": {"group": "keda.sh", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": cluster.DEPLOYMENT, "namespace": cluster.NAMESPACE},
        "spec": {"scaleTargetRef": {"name": cluster.DEPLOYMENT}},
    }

    async def served() -> bool:
        status = (await kube.get(f"{CRD}/scaledobjects.keda.sh")).get("status", {})
        conditions = status.get("conditions") or []  # null before its first condition
        return any((one["type"], one["status"]) == ("Established", "True") for one in conditions)

    async with made(kube, CRD, kind):
        await people.eventually("the kind is served", served, seconds=30)
        async with made(kube, SCALED_OBJECTS, body):
            yield


def writer() -> Object:
    """Somebody else's Pod that mounts the certificates' claim."""
    restricted = {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    claim = {"name": "certificates", "persistentVolumeClaim": {"claimName": "certificates"}}
    container = {
        "name": "backfill",
        "image": "localhost/certstorage-demo:dev",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "3600"],
        "securityContext": restricted,
        "volumeMounts": [{"name": "certificates", "mountPath": "/mnt/media/certificates"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "nightly-import", "namespace": cluster.NAMESPACE},
        "spec": {"containers": [container], "volumes": [claim], "terminationGracePeriodSeconds": 0},
    }


def neighbour() -> Object:
    """Another policy on the same bucket and prefix, of a Deployment that is not there."""
    storage = {"bucket": cluster.BUCKET, "prefix": cluster.PREFIX}
    return {
        "apiVersion": "storage.deltacrown.io/v1alpha1",
        "kind": "CertStoragePolicy",
        "metadata": {"name": "neighbour", "namespace": cluster.NAMESPACE},
        "spec": {"targetRef": {"name": "neighbour"}, "storage": storage},
    }
