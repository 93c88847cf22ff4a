"""A workload that is scraped, a real Prometheus that judges it, and what we believe of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

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
    """What the operator would believe, poll by poll."""

    prometheus: Prometheus
    session: aiohttp.ClientSession
    sample: Sample | None = None
    signals: SignalSet | None = None

    def __post_init__(self) -> None:
        self.client = Client(self.session)

    async def look(self) -> SignalSet:
        """Poll once and grade."""
        workload = self.prometheus.exporter.workload
        replica_set = ReplicaSet(NAMESPACE, DEPLOYMENT, workload.template_hash)
        now = datetime.now(UTC)
        self.sample = await Reader(self.client).poll(self.prometheus.server, {replica_set}, now, self.sample)
        interest = Interest("default", (NAMESPACE, DEPLOYMENT), replica_set)
        self.signals = grade(self.sample, interest, self.signals, now)
        return self.signals


Start = Callable[..., Awaitable[Observer]]


@pytest.fixture
async def start(tmp_path: Path, exporter: Exporter, session: aiohttp.ClientSession) -> AsyncIterator[Start]:
    """`await start("3.16")`: a Prometheus of that version, ready, with an observer of its own."""
    async with AsyncExitStack() as stack:

        async def begin(version: str = "3.16", timings: Timings = FAST, **options: object) -> Observer:
            program = PROMETHEUS_PROGRAMS[version]()
            prometheus = Prometheus(tmp_path / f"prometheus-{version}", program, exporter, timings, **options)  # type: ignore[arg-type]
            stack.push_async_callback(prometheus.stop)
            await prometheus.start()
            await prometheus.ready(session)
            return Observer(prometheus, session)

        yield begin
