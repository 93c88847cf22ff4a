"""What people ask of the operator, and what they answer: as users with the rights of the demo's people."""

from __future__ import annotations

from typing import Any

from tests.e2e.story import cluster
from tests.e2e.story.kube import Kube, KubeError

JANE, LEAD = "jane@example.com", "lead@example.com"
"""Of `edit` and of `admin` in production: deploy/demo/operator/people.yaml."""


async def ask(kube: Kube, kind: str, *, by: str, reason: str, **spec: object) -> str:
    """Create a request as somebody. Gives its name. Raises KubeError when it is refused."""
    body = {
        "apiVersion": "storage.deltacrown.io/v1alpha1",
        "kind": "CertStorageRequest",
        "metadata": {"generateName": f"{cluster.POLICY}-{kind.lower()}-", "namespace": cluster.NAMESPACE},
        "spec": {"policyName": cluster.POLICY, "type": kind, "requestedBy": by, "reason": reason, **spec},
    }
    made: Any = await kube.call("POST", cluster.REQUESTS_PATH, body=body, user=by)
    return str(made["metadata"]["name"])


async def approve(kube: Kube, request: str, *, by: str, decision: str = "Approve") -> str:
    """Answer a request's plan as it stands. Gives the name of the approval. Raises KubeError when there is no plan."""
    plan = (await kube.get(f"{cluster.REQUESTS_PATH}/{request}")).get("status", {}).get("planHash", "")
    if not plan:
        raise KubeError(0, f"request {request} has no plan to approve")
    approves = {"requestName": request, "planHash": plan, "decision": decision}
    return await ask(kube, "Approval", by=by, reason="the plan was read", approves=approves)


async def set_image(kube: Kube, image: str | None) -> int:
    """The validator's image in the policy; None for the operator's own. Gives the policy's generation."""
    changed = await kube.patch(cluster.POLICY_PATH, {"spec": {"validation": {"image": image}}})
    return int(changed["metadata"]["generation"])
