"""Pods and Jobs as the API server gives them, read as facts. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.e2e.story import audit
from tests.e2e.story.facts import Pod
from tests.e2e.story.kube import Object

TEMPLATE_HASH = "pod-template-hash"


def pod_of(pod: Object) -> Pod:
    """A Pod of the application."""
    metadata, status = pod["metadata"], pod["status"]
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        template_hash=metadata["labels"].get(TEMPLATE_HASH, ""),
        ready=any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", [])),
        going="deletionTimestamp" in metadata,
        env=audit.container_env(pod["spec"]["containers"]),
    )


def is_end(condition: Mapping[str, Any]) -> bool:
    """Whether a condition says that its Job came to an end, by type and status."""
    return condition["type"] in ("Complete", "Failed") and condition["status"] == "True"


def receipt_of(pod: Object) -> Mapping[str, Any]:
    """The receipt in a Pod's termination message; empty when it left none."""
    for container in pod["status"].get("containerStatuses", []):
        message = container.get("state", {}).get("terminated", {}).get("message", "")
        try:
            said = json.loads(message)
        except ValueError:
            continue
        if isinstance(said, dict):
            return said
    return {}
