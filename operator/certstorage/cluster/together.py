"""Lists that passes share. A list is given only to those who asked before it was sent, so nobody gets an old one.

Sixty-four passes over policies of one namespace ask for its Jobs at once: two lists answer them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from certstorage.cluster.port import Cluster, Json, Resource

_Key = tuple[Resource, str, str]


class Together:
    """Joins equal lists: who asks while one is under way waits, with all others, for the next."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._sent: dict[_Key, asyncio.Task[Sequence[Json]]] = {}
        self._next: dict[_Key, asyncio.Task[Sequence[Json]]] = {}

    async def list(self, resource: Resource, namespace: str, *, labels: str = "") -> Sequence[Json]:
        """All objects of a namespace that a label selector takes. The result is shared: do not change it.

        Raises:
            ClusterError: as the port's list does, to everybody who waits for it.
        """
        key = (resource, namespace, labels)
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._list(key, self._sent.get(key)))
            task.add_done_callback(_retrieved)
        return await asyncio.shield(task)

    async def _list(self, key: _Key, before: asyncio.Task[Sequence[Json]] | None) -> Sequence[Json]:
        if before is not None:
            await asyncio.wait((before,))
        resource, namespace, labels = key
        # from here on it is sent: who comes now joins the next one
        self._sent[key] = self._next.pop(key)
        try:
            return await self._cluster.list(resource, namespace, labels=labels)
        finally:
            if self._sent.get(key) is asyncio.current_task():
                del self._sent[key]


def _retrieved(task: asyncio.Task[Sequence[Json]]) -> None:
    """A failure that nobody waits for any more is no news."""
    if not task.cancelled():
        task.exception()
