"""Objects as the API server returns them, for the tests of this folder."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from certstorage.api.decision import JobKind, JobWanted
from certstorage.api.policy import Policy, parse
from certstorage.cluster.port import Json
from tests.fakes.scene import deployment_body

NOW = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)


def make_policy(**spec: Any) -> Policy:
    """A policy of the demo with parts of its spec replaced."""
    body = {
        "metadata": {"namespace": "production", "name": "certificates", "uid": "policy-1", "generation": 1},
        "spec": {"targetRef": {"name": "deltacrown"}, "storage": {"bucket": "deltacrown-certificates"}, **spec},
    }
    return parse(body)


def make_deployment(env: list[Json] | None = None, **spec: Any) -> Json:
    """The application's Deployment, rolled out."""
    body = deployment_body(env=env)
    body["metadata"] |= {"uid": "deployment-1", "resourceVersion": "7", "generation": 2}
    body["spec"] |= spec
    body["status"] = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    return body


def container(deployment: Json) -> Json:
    """The application's container."""
    found: Json = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def controlled_by(kind: str, uid: str) -> list[Json]:
    """An ownerReferences list with one controller."""
    return [{"kind": kind, "name": "owner", "uid": uid, "controller": True}]


def wanted(**changes: Any) -> JobWanted:
    """The recovery Job of a first attempt."""
    fields: dict[str, Any] = {
        "kind": JobKind.RECOVERY,
        "name": "certificates-20261123-031005-r1",
        "incident": "certificates-20261123-031005",
        "attempt": 1,
        "nonce": "token-1",
        "inputs_hash": "0123456789abcdef",
        "since": datetime(2026, 11, 23, 2, 55, 5, tzinfo=UTC),
        "sample_rate": 0.01,
        "min_sample": 2000,
        "max_mismatch": 0.005,
        "timeout_seconds": 7200,
    }
    return JobWanted(**{**fields, **changes})
