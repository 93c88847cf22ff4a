"""Others who write the Deployment: a GitOps controller, a person, a deploy that does not start, a new Deployment."""

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
PERSON = "kubectl-set"
"""The field manager of `kubectl set env`."""
GITOPS_SECONDS = 2.0
"""Between two of its syncs."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


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


async def set_env(kube: Kube, value: str) -> None:
    """Write the read flag as a person does: the runbook's own command."""
    change = f"{READ_PRIMARY}={value}"
    await kube.kubectl("set", "env", f"--namespace={cluster.NAMESPACE}", f"deployment/{cluster.DEPLOYMENT}", change)


async def set_image(kube: Kube, image: str) -> None:
    """Deploy another image, as `kubectl set image` does."""
    change = f"{audit.CONTAINER}={image}"
    await kube.kubectl("set", "image", f"--namespace={cluster.NAMESPACE}", f"deployment/{cluster.DEPLOYMENT}", change)


def manifest_of(deployment: Object) -> str:
    """The manifest (JSON) that it was applied from."""
    return str(deployment["metadata"]["annotations"][LAST_APPLIED])


async def replace_deployment(kube: Kube, manifest: str) -> str:
    """Delete the Deployment, leave its Pods, and apply its manifest (JSON) anew. Gives the new UID."""
    await kube.delete(cluster.DEPLOYMENT_PATH, propagationPolicy="Orphan")

    async def gone() -> bool:
        return await kube.find(cluster.DEPLOYMENT_PATH) is None

    await people.eventually("the Deployment is gone", gone, seconds=30)
    await kube.kubectl("apply", "--filename=-", stdin=manifest)
    return str((await kube.get(cluster.DEPLOYMENT_PATH))["metadata"]["uid"])
