"""Incidents outlive their policy, and not for ever: what a policy that is gone has left is taken away by its age.

A policy's own pass deletes what it has kept for long enough; for one that is gone nobody makes a pass.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from certstorage.cluster.papers import Outdated, left_behind
from certstorage.cluster.port import INCIDENTS, POLICIES, Cluster, ClusterError

FIRST_SECONDS = 600.0
"""After the start, which has better things to do."""
AGAIN_SECONDS = 86_400.0

log = logging.getLogger(__name__)


class Keeper:
    """Looks once a day at the incidents of the namespaces that may be read."""

    def __init__(
        self,
        cluster: Cluster,
        namespaces: Callable[[], tuple[str, ...]],
        clock: Callable[[], datetime],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cluster, self._namespaces, self._clock, self._sleep = cluster, namespaces, clock, sleep

    async def run(self) -> None:
        """Look for ever, until cancelled."""
        await self._sleep(FIRST_SECONDS)
        while True:
            for namespace in self._namespaces():
                try:
                    await self.once(namespace)
                except ClusterError as error:
                    log.warning("incidents of deleted policies are not looked through: %s", error)
            await self._sleep(AGAIN_SECONDS)

    async def once(self, namespace: str) -> None:
        """Delete what is too old in one namespace, or everywhere for the empty one. Raises ClusterError."""
        incidents = await self._cluster.list(INCIDENTS, namespace)
        # listed after them: an incident whose policy came in between is not taken for one that was left behind
        policies = await self._cluster.list(POLICIES, namespace)
        keys = {(body["metadata"]["namespace"], body["metadata"]["name"]) for body in policies}
        for where, outdated in left_behind(incidents, keys, self._clock()):
            await self._delete(where, outdated)

    async def _delete(self, namespace: str, outdated: Outdated) -> None:
        log.info("incident %s/%s of a policy that is gone is over its time", namespace, outdated.name)
        await self._cluster.delete(outdated.resource, namespace, outdated.name, outdated.uid)
