"""Others who write the Deployment: a GitOps controller, a deploy that does not start, somebody who replaces it all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.e2e import people
from tests.e2e.story import audit, cluster
from tests.e2e.story.facts import READ_PRIMARY
from tests.e2e.story.kube import Kube, Object

APPLY = "application/apply-patch+yaml"
GITOPS = "gitops-controller"
GITOPS_SECONDS = 2.0
"""Between two of its syncs."""
NO_IMAGE = "localhost/certstorage-no-such-image:dev"


@asynccontextmanager
async def gitops(kube: Kube) -> AsyncIterator[None]:
    """For as long as the block lasts the read flag is applied from a repository that says true, again and again."""

    async def sync() -> None:
        container = {"name": audit.CONTAINER, "env": [{"name": READ_PRIMARY, "value": "true"}]}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": cluster.DEPLOYMENT, "namespace": cluster.NAMESPACE},
            "spec": {"template": {"spec": {"containers": [container]}}},
        }
        query = {"fieldManager": GITOPS, "force": "true"}
        while True:
            await kube.call("PATCH", cluster.DEPLOYMENT_PATH, query=query, body=body, kind=APPLY)
            await asyncio.sleep(GITOPS_SECONDS)

    syncing = asyncio.create_task(sync())
    try:
        yield
    finally:
        syncing.cancel()
        await asyncio.wait([syncing])
    if not syncing.cancelled():
        syncing.result()


async def set_image(kube: Kube, image: str) -> None:
    """Deploy another image, as `kubectl set image` does."""
    change = f"{audit.CONTAINER}={image}"
    await kube.kubectl("set", "image", f"--namespace={cluster.NAMESPACE}", f"deployment/{cluster.DEPLOYMENT}", change)


async def replace_deployment(kube: Kube, manifest: Object) -> str:
    """Delete the Deployment, leave its Pods, and make it anew from its manifest. Gives the new UID."""
    await kube.delete(cluster.DEPLOYMENT_PATH, propagationPolicy="Orphan")
    kept = {key: manifest["metadata"][key] for key in ("name", "namespace", "labels")}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": kept, "spec": manifest["spec"]}
    folder = cluster.DEPLOYMENT_PATH.rpartition("/")[0]

    async def gone() -> bool:
        return await kube.find(cluster.DEPLOYMENT_PATH) is None

    await people.eventually("the Deployment is gone", gone, seconds=30)
    made = await kube.call("POST", folder, body=body)
    return str(made["metadata"]["uid"])
