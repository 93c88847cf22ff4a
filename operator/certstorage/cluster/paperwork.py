"""Requests and incidents as a decision wants them, and what was kept for long enough taken away.

Nothing here holds up the safe side: it comes after every write to the application, and what the API server refuses is
logged, counted and tried again by the next pass, which decides the same. A repeated pass tells nothing twice: names are
deterministic, and a status is written only where it differs from the object that was read.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from certstorage.api.decision import Decision
from certstorage.api.incident_json import to_dict
from certstorage.api.incidents import IncidentStatus, IncidentWanted
from certstorage.api.observed import Problem
from certstorage.api.requests import RequestAnswer, RequestWanted, request_body, status_to_dict
from certstorage.cluster.jobs import LABEL_POLICY, owner_reference
from certstorage.cluster.observe import Snapshot
from certstorage.cluster.papers import Outdated
from certstorage.cluster.port import (
    INCIDENTS,
    REQUESTS,
    AlreadyExistsError,
    Cluster,
    ForbiddenError,
    Json,
    NotFoundError,
    Resource,
    UnprocessableError,
)

Deliveries = Callable[[IncidentStatus, Sequence[Json], datetime], list[Json]]
"""Whether people were told of an incident, channel by channel, from what it said of that before, at a time (UTC)."""

log = logging.getLogger(__name__)


def nothing_told(_: IncidentStatus, before: Sequence[Json], __: datetime) -> list[Json]:
    """Nobody is told of anything: what an incident says of that stays."""
    return list(before)


async def do_paperwork(
    cluster: Cluster, snapshot: Snapshot, decision: Decision, deliveries: Deliveries = nothing_told
) -> Counter[tuple[str, str]]:
    """File requests, answer them, tell incidents, delete what is outdated; how many of each were done and refused.

    Raises:
        ConflictError: somebody wrote one since it was read: read and decide again.
        UnavailableError: nothing is known of what became of the last write.
    """
    paperwork = _Paperwork(cluster, snapshot, deliveries)
    for request in decision.requests:
        await paperwork.try_to("Request", paperwork.file(request))
    for answer in decision.answers:
        await paperwork.try_to("Answer", paperwork.answer(answer))
    for incident in decision.incidents:
        await paperwork.try_to("Incident", paperwork.tell(incident))
    written = {incident.name for incident in decision.incidents}
    for seen in snapshot.papers.incidents:
        if seen.status is not None and seen.name not in written:
            await paperwork.try_to("Incident", paperwork.deliver(seen.name, seen.status))
    for outdated in snapshot.papers.outdated:
        await paperwork.try_to("Cleanup", paperwork.delete(outdated))
    return paperwork.counts


class _Paperwork:
    """What one pass writes about one policy."""

    def __init__(self, cluster: Cluster, snapshot: Snapshot, deliveries: Deliveries) -> None:
        self._cluster, self._snapshot, self._policy = cluster, snapshot, snapshot.policy
        self._deliveries = deliveries
        self.counts: Counter[tuple[str, str]] = Counter()

    async def try_to(self, action: str, write: Awaitable[bool]) -> None:
        """Write; count what was written, and what the API server does not take."""
        try:
            if await write:
                self.counts[action, "done"] += 1
        except (ForbiddenError, NotFoundError, UnprocessableError) as error:
            log.warning("%s/%s: %s was not written: %s", *self._policy.key, action, error)
            self.counts[action, "refused"] += 1

    async def file(self, wanted: RequestWanted) -> bool:
        """Create the request, or let the one of this name be it. It goes with its policy."""
        body = {
            **_new(REQUESTS, wanted.name, self._snapshot),
            "spec": request_body(wanted, self._policy.name),
        }
        body["metadata"]["ownerReferences"] = [owner_reference(self._policy)]
        try:
            await self._cluster.create(REQUESTS, self._policy.namespace, body)
        except AlreadyExistsError:
            return False
        return True

    async def answer(self, answer: RequestAnswer) -> bool:
        """Write the status of the request that was read, if it is still the same one."""
        body = self._snapshot.papers.request_bodies.get(answer.name)
        if body is None or body["metadata"]["uid"] != answer.uid:
            return False
        old: Json = body.get("status") or {}
        return await self._put_status(REQUESTS, body, status_to_dict(answer.status, old, self._snapshot.now))

    async def tell(self, wanted: IncidentWanted) -> bool:
        """Write the status of the incident, which is created when it is not there. Its spec is people's."""
        body = self._snapshot.papers.incident_bodies.get(wanted.name)
        if body is None:
            body = await self._open(wanted.name)
        old: Json = body.get("status") or {}
        target = self._snapshot.seen.target
        uid = old.get("targetUID", "") if isinstance(target, Problem) else target.uid
        told = self._told(wanted.status, old)
        return await self._put_status(INCIDENTS, body, {**told, **to_dict(wanted.status, self._policy, uid)})

    async def deliver(self, name: str, status: IncidentStatus) -> bool:
        """Write whether people were told of an incident of which there is nothing else to say."""
        body = self._snapshot.papers.incident_bodies[name]
        rest = {key: value for key, value in body["status"].items() if key != "deliveries"}
        return await self._put_status(INCIDENTS, body, {**self._told(status, body["status"]), **rest})

    def _told(self, status: IncidentStatus, old: Json) -> Json:
        """What is the shell's to say: whether people were told; conditions stay as they are."""
        found = self._deliveries(status, old.get("deliveries", ()), self._snapshot.now)
        kept = {"conditions": old["conditions"]} if "conditions" in old else {}
        return {**kept, **({"deliveries": found} if found else {})}

    async def _open(self, name: str) -> Json:
        """Create the incident; it outlives the policy. One that is there since it was read is adopted as it stands."""
        body = {**_new(INCIDENTS, name, self._snapshot), "spec": {}}
        try:
            return await self._cluster.create(INCIDENTS, self._policy.namespace, body)
        except AlreadyExistsError:
            return await self._cluster.get(INCIDENTS, self._policy.namespace, name)

    async def _put_status(self, resource: Resource, body: Json, status: Json) -> bool:
        if body.get("status") == status:
            return False
        changed, name = {**body, "status": status}, body["metadata"]["name"]
        await self._cluster.replace(resource, self._policy.namespace, name, changed, subresource="status")
        return True

    async def delete(self, outdated: Outdated) -> bool:
        """Delete one object; another of its name stays."""
        await self._cluster.delete(outdated.resource, self._policy.namespace, outdated.name, outdated.uid)
        return True


def _new(resource: Resource, name: str, snapshot: Snapshot) -> Json:
    metadata: Json = {
        "name": name,
        "namespace": snapshot.policy.namespace,
        "labels": {LABEL_POLICY: snapshot.policy.name},
    }
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
