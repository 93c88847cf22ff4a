"""The part of the process that leads: list, watch, poll, reconcile, in one task group. Any part that dies ends all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from certstorage.board import AlertBoard
from certstorage.cluster.port import Cluster
from certstorage.health import Heart
from certstorage.ports import Decide, Settings, SignalSource
from certstorage.reconcile import Reconciler, utc_now
from certstorage.registry import Key, Registry
from certstorage.retention import Keeper
from certstorage.telemetry import Telemetry
from certstorage.telling import Channels, Post, Teller
from certstorage.wakes import Wakes
from certstorage.watching import STEADY, Pace, Watch, Watcher
from certstorage.workqueue import Outcome, WorkQueue

WORKERS = 64
"""Passes at once: 16 took twice as long for a mass flip (measured)."""
POLL_SILENCE_SECONDS = 120.0
"""Every poll ends, answered or not, within a few seconds: after this long without one the process is restarted."""


class Source(SignalSource, Protocol):
    """Signals, and the loop that polls for them."""

    async def run(self) -> None:
        """Poll for ever."""

    def nudge(self) -> bool:
        """Poll at once; whether a poll is queued."""


MakeSource = Callable[[Registry, Callable[[Key], None], Callable[[], None]], Source]
"""Makes the source of signals: for these policies, waking these keys, calling this after every poll."""


class Shell:
    """Everything that lives for as long as the process leads."""

    def __init__(
        self,
        cluster: Cluster,
        make_source: MakeSource,
        decide: Decide,
        settings: Settings,
        post: Post,
        *,
        namespaces: tuple[str, ...] | None,
        channels: tuple[str, ...],
        telemetry: Telemetry,
        heart: Heart,
        pace: Pace = STEADY,
    ) -> None:
        self.cluster, self.telemetry, self.heart = cluster, telemetry, heart
        self.registry, self.queue = Registry(), WorkQueue[Key]()
        news = asyncio.Event()
        self.board = AlertBoard(news.set)
        self.channels = Channels(channels)
        self.teller = Teller(
            self.board, post, self.channels, news, told=telemetry.told, wake=self.queue.wake, clock=utc_now
        )
        self.wakes = Wakes(self.registry, self.queue.wake)
        self.watcher = Watcher(cluster, self.wakes, namespaces, telemetry.watch_failures.inc, pace=pace)
        self.keeper = Keeper(cluster, lambda: self.watcher.readable, utc_now)
        self.source = make_source(self.registry, self._wake_urgently, self._polled)
        self.reconciler = Reconciler(
            cluster,
            self.source,
            decide,
            settings,
            self.registry,
            self.board,
            telemetry,
            self.queue.wake,
            self.channels.deliveries,
        )

    def _wake_urgently(self, key: Key) -> None:
        """Signals overtake everything else: what has changed may be an outage."""
        self.queue.wake(key, urgent=True)

    async def lead(self, watch: Watch) -> None:
        """List, then watch, poll and reconcile until cancelled. Any part that dies ends all."""
        await self.watcher.list()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.run(self._work, workers=WORKERS))
            group.create_task(self.watcher.list_again())
            group.create_task(self.source.run())
            group.create_task(self.teller.run())
            group.create_task(self.keeper.run())
            group.create_task(self.watcher.watch(watch))

    def _polled(self) -> None:
        self.telemetry.evaluation()
        self.heart.beat("signals", POLL_SILENCE_SECONDS)

    async def _work(self, key: Key) -> Outcome:
        begun = time.perf_counter()
        try:
            return await self.reconciler(key)
        finally:
            self.telemetry.pass_seconds.observe(time.perf_counter() - begun)
            self.telemetry.queue_depth.set(self.queue.schedule.depth)
