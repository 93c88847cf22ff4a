"""The reads of one pass over one namespace. What the API server refuses (403) is a finding, and reads as nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from certstorage.api.observed import Problem
from certstorage.api.policy import Policy
from certstorage.api.reasons import Reason
from certstorage.cluster.jobs import LABEL_POLICY
from certstorage.cluster.jobseen import of_policy
from certstorage.cluster.port import (
    AUTOSCALERS,
    CLAIMS,
    DEPLOYMENTS,
    INCIDENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    REQUESTS,
    SCALED_OBJECTS,
    Cluster,
    ForbiddenError,
    Json,
    NotFoundError,
    NotServedError,
    Resource,
)
from certstorage.cluster.together import Together


def denied(error: ForbiddenError) -> Problem:
    """The finding for what the API server refuses."""
    return Problem(Reason.PERMISSION_DENIED, f"{error}: is the namespace enrolled?")


@dataclass(slots=True)
class Reads:
    """Reads for one policy; what a namespace has few of is listed together with other passes.

    Every read raises UnavailableError when the API server does not answer: a pass has no ground to stand on then.
    """

    cluster: Cluster
    together: Together
    policy: Policy
    blind: list[Problem] = field(default_factory=list)
    """What was refused so far."""

    async def deployment(self) -> Json | Problem:
        """The target, or why there is none to be seen."""
        namespace, name = self.policy.namespace, self.policy.spec.target.name
        try:
            return await self.cluster.get(DEPLOYMENTS, namespace, name)
        except NotFoundError:
            text = f"Deployment {namespace}/{name} does not exist: create it, or name another one in a new policy"
            return Problem(Reason.TARGET_MISSING, text)
        except ForbiddenError as error:
            return denied(error)

    async def selected(self, selector: str) -> tuple[Sequence[Json], Sequence[Json]]:
        """The ReplicaSets and the Pods that the target's selector takes."""
        namespace = self.policy.namespace
        return await asyncio.gather(
            self._or_nothing(self.cluster.list(REPLICA_SETS, namespace, labels=selector)),
            self._or_nothing(self.cluster.list(PODS, namespace, labels=selector)),
        )

    async def claim(self, name: str) -> tuple[Json | None, bool]:
        """The claim, and whether it is known not to exist."""
        if not name:
            return None, False
        try:
            return await self.cluster.get(CLAIMS, self.policy.namespace, name), False
        except NotFoundError:
            return None, True
        except ForbiddenError as error:
            self.blind.append(denied(error))
            return None, False

    async def jobs(self) -> tuple[Sequence[Json], Sequence[Json]]:
        """All validator Jobs of the namespace, and the Pods of this policy's, if it has any."""
        every = await self._or_nothing(self.together.list(JOBS, self.policy.namespace, labels=LABEL_POLICY))
        if not of_policy(every, self.policy.name):
            return every, ()
        mine = f"{LABEL_POLICY}={self.policy.name}"
        return every, await self._or_nothing(self.cluster.list(PODS, self.policy.namespace, labels=mine))

    async def requests(self) -> Sequence[Json]:
        """All requests of the namespace."""
        return await self._listed(REQUESTS)

    async def incidents(self) -> Sequence[Json]:
        """All incidents of the namespace."""
        return await self._listed(INCIDENTS)

    async def pods(self) -> Sequence[Json]:
        """All Pods of the namespace."""
        return await self._listed(PODS)

    async def autoscalers(self) -> Sequence[Json]:
        """All HorizontalPodAutoscalers of the namespace."""
        return await self._listed(AUTOSCALERS)

    async def scaled_objects(self) -> Sequence[Json]:
        """All ScaledObjects of the namespace; none where KEDA is not installed."""
        return await self._listed(SCALED_OBJECTS)

    async def _listed(self, resource: Resource) -> Sequence[Json]:
        try:
            return await self._or_nothing(self.together.list(resource, self.policy.namespace))
        except (NotFoundError, NotServedError):
            return ()

    async def _or_nothing(self, read: Awaitable[Sequence[Json]]) -> Sequence[Json]:
        try:
            return await read
        except ForbiddenError as error:
            self.blind.append(denied(error))
            return ()
