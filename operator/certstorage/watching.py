"""Knowing every policy: a list at the start and now and then, and a watch in between that begins again when it breaks.

A watch tells soon, but misses what happens while it is down; a list misses nothing, but comes late. A namespace that
may not be read is left out of both until it may be: one RoleBinding less must not blind the operator for the rest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from certstorage.cluster.port import POLICIES, Cluster, ClusterError, ForbiddenError, Json
from certstorage.registry import Key
from certstorage.wakes import Wakes

EVERYWHERE = ""
"""Stands for all namespaces."""

Watch = Callable[[Wakes, tuple[str, ...]], Awaitable[None]]
"""Feeds the wakes with what happens in these namespaces, until cancelled or broken."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited, in seconds.

    `relist` is between two lists, `refused` the same while a namespace may not be read, so that its enrolment is found;
    `retry` is after a list that failed. A watch that broke down waits from `rewatch` up to `most_rewatch`, doubling.
    """

    relist: float = 300.0
    refused: float = 30.0
    retry: float = 2.0
    rewatch: float = 1.0
    most_rewatch: float = 30.0


STEADY = Pace()


class Watcher:
    """Keeps the wakes fed. `namespaces` is None for all of them; `broke` is called whenever the watch breaks down."""

    def __init__(
        self,
        cluster: Cluster,
        wakes: Wakes,
        namespaces: tuple[str, ...] | None,
        broke: Callable[[], None],
        *,
        pace: Pace = STEADY,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cluster, self._wakes, self._broke, self._pace = cluster, wakes, broke, pace
        self._sleep = sleep
        self._wanted = (EVERYWHERE,) if namespaces is None else namespaces
        self.readable: tuple[str, ...] = ()
        """The namespaces that could be read when they were last listed."""
        self._moved = asyncio.Event()
        """What may be read has changed."""

    async def list(self) -> None:
        """Know every policy that may be read: who is older decides who may act. Tries until it is answered."""
        while True:
            try:
                found, readable = await self._list()
            except ClusterError as error:
                log.warning("policies cannot be listed: %s", error)
                await self._sleep(self._pace.retry)
                continue
            if readable != self.readable:
                self.readable = readable
                self._moved.set()
            self._wakes.listed(found)
            return

    async def list_again(self) -> None:
        """List now and then, for ever."""
        while True:
            complete = len(self.readable) == len(self._wanted)
            await self._sleep(self._pace.relist if complete else self._pace.refused)
            await self.list()

    async def watch(self, watch: Watch) -> None:
        """Watch what may be read, for ever; begin again when that changes, or when the watch breaks down."""
        delay = self._pace.rewatch
        while True:
            begun = time.monotonic()
            broken = await self._watch_until_moved(watch)
            if broken is None:
                continue
            log.error("the watch broke down and begins again: %r", broken)
            self._broke()
            if time.monotonic() - begun > self._pace.most_rewatch:
                delay = self._pace.rewatch
            await self._sleep(delay)
            delay = min(2 * delay, self._pace.most_rewatch)
            await self.list()

    async def _watch_until_moved(self, watch: Watch) -> BaseException | None:
        """Watch until what may be read has changed; what broke the watch, if that came first."""
        self._moved.clear()
        if not self.readable:
            await self._moved.wait()
            return None
        moved = asyncio.ensure_future(self._moved.wait())
        watching = asyncio.ensure_future(watch(self._wakes, self.readable))
        try:
            await asyncio.wait({watching, moved}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            broken = watching.done()
            watching.cancel()
            moved.cancel()
            ended, _ = await asyncio.gather(watching, moved, return_exceptions=True)
        if not broken:
            return None
        return ended if isinstance(ended, BaseException) else RuntimeError("it ended although nobody asked it to")

    async def _list(self) -> tuple[dict[Key, Json], tuple[str, ...]]:
        """All policies, and the namespaces that may be read."""
        found: dict[Key, Json] = {}
        readable: list[str] = []
        for namespace in self._wanted:
            try:
                bodies = await self._cluster.list(POLICIES, namespace)
            except ForbiddenError as error:
                log.warning("%s: is the namespace enrolled?", error)
                continue
            readable.append(namespace)
            for body in bodies:
                found[body["metadata"]["namespace"], body["metadata"]["name"]] = body
        return found, tuple(readable)
