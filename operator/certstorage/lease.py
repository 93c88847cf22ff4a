"""One operator acts at a time: a Lease that fences itself.

Whoever leads counts from before it sent its last good renewal, by a clock that nobody can set, and stops acting
`renew` seconds later whatever the API server does meanwhile, hanging included. Others take over after `duration`
seconds in which they saw no renewal, counted by their own clocks. In between nobody acts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from certstorage.cluster.port import (
    LEASES,
    AlreadyExistsError,
    Cluster,
    ClusterError,
    ConflictError,
    Json,
    NotFoundError,
    Resource,
    UnavailableError,
)

RELEASE_SECONDS = 2.0

log = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """The Lease could not be renewed in time, or another holds it: nothing may be done any more."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: how long others wait, when the leader gives up, and between two tries."""

    duration: float = 15.0
    renew: float = 10.0
    retry: float = 2.0


class Lease:
    """A Lease object of the API server, held by `identity` while `valid`."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        identity: str,
        *,
        times: Times | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._namespace, self._name, self._identity = cluster, namespace, name, identity
        self._times, self._clock = times or Times(), clock
        self._until = float("-inf")
        self._body: Json = {}
        self._seen: tuple[str, float] = ("", float("-inf"))
        """The resourceVersion seen last, and since when."""
        self._heard_at = float("-inf")
        self._trouble = ""

    @property
    def valid(self) -> bool:
        """Whether its holder may act now."""
        return self._clock() < self._until

    def lacks(self) -> str:
        """What this process lacks to lead, or to follow whoever does: one line, empty when it lacks nothing."""
        silence = self._clock() - self._heard_at
        return "" if silence <= 2 * self._times.duration else "the Lease could not be read or written lately"

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the Lease, lead while it holds, release it at the end.

        Raises:
            LeaseLostError: it could not be kept; `lead` was cancelled first.
        """
        while True:
            if await self._try_to_take():
                break
            await asyncio.sleep(self._times.retry)
        log.info("%s leads", self._identity)
        try:
            leading, keeping = asyncio.ensure_future(lead()), asyncio.ensure_future(self._keep())
            try:
                await asyncio.wait((leading, keeping), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (leading, keeping):
                    task.cancel()
                results = await asyncio.gather(leading, keeping, return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                    raise result
        finally:
            await self._release()

    async def _try_to_take(self) -> bool:
        """Look at the Lease; take it if it is free or was not renewed for its whole duration."""
        try:
            async with asyncio.timeout(self._times.renew):
                return await self._take_if_free()
        except (ConflictError, AlreadyExistsError):
            return False
        except (ClusterError, TimeoutError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning("the Lease %s/%s cannot be taken: %s", self._namespace, self._name, error)
            return False

    async def _take_if_free(self) -> bool:
        begun = self._clock()
        try:
            body = await self._cluster.get(LEASES, self._namespace, self._name)
        except NotFoundError:
            self._hold(await self._cluster.create(LEASES, self._namespace, self._renewed({}, take=True)), begun)
            return True
        version, spec = body["metadata"]["resourceVersion"], body.get("spec", {})
        if version != self._seen[0]:
            self._seen = version, begun
        self._heard_at = self._clock()
        duration = float(spec.get("leaseDurationSeconds") or self._times.duration)
        holder = spec.get("holderIdentity") or ""
        if holder and holder != self._identity and begun - self._seen[1] < duration:
            return False
        await self._put(self._renewed(body, take=True), begun)
        return True

    async def _put(self, body: Json, begun: float) -> None:
        self._hold(await self._cluster.replace(LEASES, self._namespace, self._name, body), begun)

    def _hold(self, body: Json, begun: float) -> None:
        self._body, self._until = body, begun + self._times.renew
        self._heard_at = self._clock()

    def _renewed(self, body: Json, *, take: bool = False) -> Json:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec: Json = dict(body.get("spec", {}))
        spec |= {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._times.duration)),
            "renewTime": now,
        }
        if take:
            spec |= {"acquireTime": now, "leaseTransitions": spec.get("leaseTransitions", -1) + 1}
        metadata = body.get("metadata") or {"name": self._name, "namespace": self._namespace}
        return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}

    async def _keep(self) -> None:
        """Renew for as long as it goes; ends only with LeaseLostError."""
        while True:
            await asyncio.sleep(min(self._times.retry, max(self._until - self._clock(), 0.0)))
            left = self._until - self._clock()
            if left <= 0:
                raise LeaseLostError(f"the Lease was not renewed for {self._times.renew:g} s")
            try:
                async with asyncio.timeout(left):
                    await self._put(self._renewed(self._body), self._clock())
            except (ConflictError, NotFoundError) as error:
                await self._look_who_holds(error)
            except (ClusterError, TimeoutError) as error:
                log.warning("the Lease was not renewed, %.1f s are left: %s", self._until - self._clock(), error)

    async def _look_who_holds(self, error: ClusterError) -> None:
        """Somebody wrote the Lease: it is lost, unless it was our own write whose answer did not come."""
        try:
            async with asyncio.timeout(max(self._until - self._clock(), 0.0)):
                body = await self._cluster.get(LEASES, self._namespace, self._name)
        except NotFoundError:
            raise LeaseLostError("the Lease was deleted") from error
        except (ClusterError, TimeoutError):
            return
        if body.get("spec", {}).get("holderIdentity") != self._identity:
            raise LeaseLostError(f"the Lease was taken by {body.get('spec', {}).get('holderIdentity')!r}") from error
        self._body = body

    async def _release(self) -> None:
        """Let go, so that the next one need not wait; best effort, since the Lease runs out by itself."""
        held, self._until = self.valid, float("-inf")
        if not held:
            return
        body = self._renewed(self._body)
        body["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._cluster.replace(LEASES, self._namespace, self._name, body)
        except (ClusterError, TimeoutError) as error:
            log.warning("the Lease was not released, it runs out by itself: %s", error)


class FencedCluster:
    """The port, whose writes are refused once the Lease is no longer valid."""

    def __init__(self, cluster: Cluster, lease: Lease) -> None:
        self._cluster, self._lease = cluster, lease

    def _fence(self) -> None:
        if not self._lease.valid:
            raise UnavailableError("nothing is written without the Lease")

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """Read one object."""
        return await self._cluster.get(resource, namespace, name)

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "") -> Sequence[Json]:
        """Read all objects."""
        return await self._cluster.list(resource, namespace, labels=labels)

    async def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        """Create one object."""
        self._fence()
        return await self._cluster.create(resource, namespace, body)

    async def patch(self, resource: Resource, namespace: str, name: str, operations: Sequence[Json]) -> Json:
        """Change one object."""
        self._fence()
        return await self._cluster.patch(resource, namespace, name, operations)

    async def replace(
        self, resource: Resource, namespace: str, name: str, body: Json, *, subresource: str = ""
    ) -> Json:
        """Put one object or its subresource."""
        self._fence()
        return await self._cluster.replace(resource, namespace, name, body, subresource=subresource)

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete one object."""
        self._fence()
        await self._cluster.delete(resource, namespace, name, uid)
