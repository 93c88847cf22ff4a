"""A gate in the API server's way: an admission webhook that sees the operator's writes before they are stored.

It lets a test act at the one moment between "the operator has decided and sent" and "the server has stored".
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.cluster.pki import Authority
from tests.e2e.story import audit, cluster
from tests.e2e.story.facts import OPERATOR, READ_PRIMARY
from tests.e2e.story.kube import Kube

NAME = "certstorage-e2e-gate"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
POD_NAME = "authentication.kubernetes.io/pod-name"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One write of the operator that waits at the gate."""

    pod: str
    """Name of the operator's Pod that sent it."""
    reads_before: str
    reads_after: str


Decide = Callable[[Attempt], Awaitable[bool]]
"""Whether the write may pass."""


@asynccontextmanager
async def gate(kube: Kube, address: str, folder: Path, decide: Decide) -> AsyncIterator[None]:
    """Ask `decide` about each of the operator's writes to the Deployment, for as long as the block lasts.

    `address` is where the API server reaches this machine; `folder` keeps the gate's certificates.
    """
    authority = Authority(folder)
    pair = authority.server("gate", ips=[address])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.cert, pair.key)

    async def review(request: web.Request) -> web.Response:
        asked = (await request.json())["request"]
        allowed = await decide(_attempt(asked))
        answer: dict[str, Any] = {"uid": asked["uid"], "allowed": allowed}
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})

    app = web.Application()
    app.router.add_post("/", review)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address, 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        ca = base64.b64encode(authority.pair.cert.read_bytes()).decode()
        await kube.delete(f"{CONFIGURATIONS}/{NAME}")
        await kube.call("POST", CONFIGURATIONS, body=_configuration(f"https://{address}:{port}/", ca))
        yield
    finally:
        await kube.delete(f"{CONFIGURATIONS}/{NAME}")
        await runner.cleanup()


def _attempt(asked: dict[str, Any]) -> Attempt:
    before, after = (
        audit.container_env(asked[which]["spec"]["template"]["spec"]["containers"]).get(READ_PRIMARY, "")
        for which in ("oldObject", "object")
    )
    return Attempt(asked["userInfo"].get("extra", {}).get(POD_NAME, [""])[0], before, after)


def _configuration(url: str, ca: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [
            {
                "name": "gate.e2e.deltacrown.io",
                "clientConfig": {"url": url, "caBundle": ca},
                "rules": [
                    {
                        "apiGroups": ["apps"],
                        "apiVersions": ["v1"],
                        "operations": ["UPDATE"],
                        "resources": ["deployments"],
                        "scope": "Namespaced",
                    }
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": cluster.NAMESPACE}},
                "matchConditions": [{"name": "operator", "expression": f'request.userInfo.username == "{OPERATOR}"'}],
                "failurePolicy": "Ignore",
                "sideEffects": "None",
                "timeoutSeconds": 10,
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
