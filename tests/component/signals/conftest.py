"""A workload that is scraped, a real Prometheus that judges it, and what we believe of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from certstorage.api.env import FlagState
from certstorage.api.signals import SignalSet
from certstorage.signals.grading import Interest, grade
from certstorage.signals.queries import ReplicaSet
from certstorage.signals.reader import Reader
from certstorage.signals.sample import Sample
from certstorage.signals.server import Client, new_session
from certstorage.signals.timings import Timings
from tests.component.signals.parts import (
    DEPLOYMENT,
    FAST,
    NAMESPACE,
    PROMETHEUS_PROGRAMS,
    Exporter,
    Prometheus,
    Workload,
)
from tests.unit.runbook.world import World, make_policy


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session as the operator has it."""
    async with new_session() as opened:
        yield opened


@pytest.fixture
async def exporter() -> AsyncIterator[Exporter]:
    """The workload's metrics, served."""
    exporter = Exporter(Workload())
    runner = web.AppRunner(exporter.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", exporter.port).start()
    yield exporter
    await runner.cleanup()


@dataclass
class Observer:
    """What the operator would believe, and do on it, poll by poll."""

    prometheus: Prometheus
    session: aiohttp.ClientSession
    sample: Sample | None = None
    signals: SignalSet | None = None
    world: World = field(default_factory=lambda: World(make_policy(recovery={"holdSeconds": 1}), replicas=1))
    """The Deployment under the operator's decisions; one second of proof opens the way back."""

    rolling: bool = False
    """Whether the Pods of the newest template are still to come."""

    def __post_init__(self) -> None:
        self.client = Client(self.session)

    async def look(self) -> SignalSet:
        """Poll once, grade, and decide."""
        workload = self.prometheus.exporter.workload
        replica_set = ReplicaSet(NAMESPACE, DEPLOYMENT, workload.template_hash)
        now = datetime.now(UTC)
        self.sample = await Reader(self.client).poll(self.prometheus.server, {replica_set}, now, self.sample)
        interest = Interest("default", (NAMESPACE, DEPLOYMENT), replica_set)
        self.signals = grade(self.sample, interest, self.signals, now)
        self.world.target_changes = {"template_hash": workload.template_hash, "updated": 0 if self.rolling else 1}
        self.world.now, self.world.signals = now, self.signals
        self.world.settle()
        return self.signals

    @property
    def reads_local(self) -> bool:
        """Whether the read flag is off by the operator's own decision, and no way back is open."""
        return self.world.read_is(FlagState.FALSE) and not self.world.jobs

    @property
    def untouched(self) -> bool:
        """Whether the operator has written nothing and told nobody."""
        return not self.world.writes and self.world.last is not None and self.world.last.alerts == ()


async def each(observers: Iterable[Observer], step: Callable[[Observer], Awaitable[object]]) -> None:
    """The same step for all observers at once; the first failure is raised and ends the others."""
    async with asyncio.TaskGroup() as group:
        for one in observers:
            group.create_task(_named(one, step))


async def _named(observer: Observer, step: Callable[[Observer], Awaitable[object]]) -> None:
    try:
        await step(observer)
    except AssertionError as error:
        raise AssertionError(f"Prometheus {observer.prometheus.version}: {error}") from error


Start = Callable[..., Awaitable[Observer]]


@pytest.fixture
async def start(tmp_path: Path, exporter: Exporter, session: aiohttp.ClientSession) -> AsyncIterator[Start]:
    """`await start("3.16")`: a Prometheus of that version, ready, with an observer of its own."""
    async with AsyncExitStack() as stack:

        async def begin(version: str = "3.16", timings: Timings = FAST, **options: Any) -> Observer:
            prometheus = Prometheus(tmp_path / f"prometheus-{version}", version, exporter, timings, **options)
            stack.push_async_callback(prometheus.stop)
            await prometheus.start()
            await prometheus.ready(session)
            return Observer(prometheus, session)

        yield begin


@pytest.fixture
async def observers(start: Start) -> tuple[Observer, ...]:
    """One for each version of Prometheus: they see the same workload at the same time."""
    return tuple(await asyncio.gather(*(start(version) for version in sorted(PROMETHEUS_PROGRAMS))))
