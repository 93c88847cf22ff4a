"""Writing down what a pass came to: Events at transitions, then the status, and only if it says something new.

Events go first and carry a name that depends on the status they were told over: a pass that is repeated after a crash
or a conflict meets its own Event and tells nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from datetime import datetime

from certstorage.api.decision import EventWanted
from certstorage.api.policy import FIELD_MANAGER
from certstorage.api.reading import rfc3339
from certstorage.api.status import Status
from certstorage.api.status_json import same, to_dict
from certstorage.cluster.port import (
    EVENTS,
    POLICIES,
    AlreadyExistsError,
    Cluster,
    ForbiddenError,
    Json,
    NotFoundError,
    Resource,
)

MESSAGE_LIMIT = 1024
"""Characters that the API server takes in an Event's message."""

log = logging.getLogger(__name__)


async def record(
    cluster: Cluster, body: Json, status: Status, events: Iterable[EventWanted], *, now: datetime, instance: str
) -> Json:
    """Tell the Events and write the status; the policy as stored afterwards.

    Raises:
        ConflictError: somebody wrote the policy since it was read.
        NotFoundError: the policy is gone.
    """
    old: Json = body.get("status") or {}
    for wanted in events:
        await tell(cluster, event(body, wanted, now, instance))
    new = to_dict(status)
    if same(old, new):
        return body
    metadata = body["metadata"]
    changed = {**body, "status": new}
    return await cluster.replace(POLICIES, metadata["namespace"], metadata["name"], changed, subresource="status")


def event(body: Json, wanted: EventWanted, now: datetime, instance: str, *, about: Resource = POLICIES) -> Json:
    """One Event on an object, by default a policy, as the API server takes it."""
    metadata = body["metadata"]
    told_over = json.dumps(body.get("status") or {}, sort_keys=True)
    seed = "\0".join((metadata["uid"], wanted.reason, told_over))
    when = rfc3339(now)
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {
            "name": f"{metadata['name']}.{hashlib.sha256(seed.encode()).hexdigest()[:16]}",
            "namespace": metadata["namespace"],
        },
        "involvedObject": {
            "apiVersion": about.api_version,
            "kind": about.kind,
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": wanted.type.value,
        "reason": wanted.reason,
        "message": wanted.message[:MESSAGE_LIMIT],
        "action": wanted.reason,
        "count": 1,
        "firstTimestamp": when,
        "lastTimestamp": when,
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "reportingInstance": instance,
    }


async def tell(cluster: Cluster, body: Json) -> None:
    """Create an Event; one of its name was told already."""
    try:
        await cluster.create(EVENTS, body["metadata"]["namespace"], body)
        log.info(
            "%s/%s: %s: %s",
            body["metadata"]["namespace"],
            body["involvedObject"]["name"],
            body["reason"],
            body["message"],
        )
    except AlreadyExistsError:
        return
    except (ForbiddenError, NotFoundError) as error:
        # a namespace that is being deleted takes no Events; the status still says it all
        log.warning("Event %s was not told: %s", body["reason"], error)
