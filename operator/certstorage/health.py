"""What probes and Prometheus ask over HTTP: /healthz, /readyz, /metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BEAT_SECONDS = 1.0


class Heart:
    """Heartbeats of what must not stall, each with the silence (seconds) after which it counts as dead.

    A part beats from when it first does until `rest`; one that never began is not missed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beats: dict[str, tuple[float, float]] = {}

    def beat(self, part: str, limit_seconds: float) -> None:
        """The part lives."""
        self._beats[part] = (self._clock(), limit_seconds)

    def rest(self, part: str) -> None:
        """The part has ended as it should."""
        self._beats.pop(part, None)

    def silent(self) -> list[str]:
        """The parts that have not beaten for longer than they may, one line each."""
        now = self._clock()
        return [
            f"{part}: no sign of life for {now - last:.0f} s"
            for part, (last, limit) in sorted(self._beats.items())
            if now - last > limit
        ]

    async def tick(self) -> None:
        """Beat for the event loop itself, for ever."""
        while True:
            self.beat("loop", 10.0)
            await asyncio.sleep(BEAT_SECONDS)


def application(
    heart: Heart, ready: Callable[[], str], metrics: Callable[[], bytes], content_type: str
) -> web.Application:
    """The routes. `ready` says what readiness lacks, in one line; nothing when it lacks nothing."""

    async def healthz(_: web.Request) -> web.Response:
        silent = heart.silent()
        return web.Response(status=500 if silent else 200, text="\n".join(silent) or "ok")

    async def readyz(_: web.Request) -> web.Response:
        lacks = ready()
        return web.Response(status=503 if lacks else 200, text=lacks or "ok")

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": content_type})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", scrape)])
    return app


@asynccontextmanager
async def served(app: web.Application, host: str, port: int, *, keepalive_seconds: float = 75.0) -> AsyncIterator[None]:
    """Serve an application for as long as the context lasts.

    A connection over which no whole head of a request comes for `keepalive_seconds` is closed.
    """
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, keepalive_timeout=keepalive_seconds, shutdown_timeout=0.5
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()
