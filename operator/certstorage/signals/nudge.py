"""The nudge: Alertmanager's webhook says that something changed, and the source polls at once.

Nothing a nudge carries is believed, or even parsed: forged, replayed, reordered, duplicated or resolved, it costs a
poll and no more. It is answered 2xx only once the poll is queued. An overloaded or standing-by operator answers 503,
which Alertmanager retries within the second; 4xx, 429 included, it would take up only at its next group interval.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from certstorage.signals.server import read_secret

MAX_BYTES: Final = 1024 * 1024
READ_SECONDS: Final = 5.0
"""For a body."""
HEAD_SECONDS: Final = 10.0
"""For the head of a request. Whoever serves the application sees to it: nothing of ours runs before it is here."""
PER_SECOND: Final = 20
"""Nudges taken in a second, after a burst of as many again."""
AT_ONCE: Final = 32
"""Bodies being read at the same time."""
_CHUNK: Final = 64 * 1024


@dataclass(slots=True)
class Nudge:
    """The endpoint. `wake` queues a poll and says whether it did; the token file is read again for each request."""

    token_file: str
    wake: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    read_seconds: float = READ_SECONDS
    _reading: int = 0
    _allowance: float = 2.0 * PER_SECOND
    _counted_at: float = field(default=0.0)

    def application(self) -> web.Application:
        """The application with the one route, POST /nudge."""
        app = web.Application()
        app.router.add_post("/nudge", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if not self._authorized(request):
            return await _closed(request, 401, "no bearer token, or a wrong one")
        if (request.content_length or 0) > MAX_BYTES:
            return await _closed(request, 413, f"more than {MAX_BYTES} bytes")
        if self._reading >= AT_ONCE or not self._within_rate():
            return await _closed(request, 503, "too many nudges")
        self._reading += 1
        try:
            async with asyncio.timeout(self.read_seconds):
                if not await _drained(request):
                    return await _closed(request, 413, f"more than {MAX_BYTES} bytes")
        except TimeoutError:
            return await _closed(request, 408, f"no whole body within {self.read_seconds:g} s")
        finally:
            self._reading -= 1
        if not self.wake():
            return await _closed(request, 503, "this operator does not lead")
        return web.Response(status=202, text="a poll is queued")

    def _authorized(self, request: web.Request) -> bool:
        try:
            token = read_secret(self.token_file)
        except (OSError, ValueError):
            return False
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, f"Bearer {token}".encode())

    def _within_rate(self) -> bool:
        now = self.clock()
        refilled = self._allowance + (now - self._counted_at) * PER_SECOND
        self._allowance, self._counted_at = min(refilled, 2.0 * PER_SECOND), now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


async def _drained(request: web.Request) -> bool:
    """Read the body and forget it; False when it is too large."""
    size = 0
    while chunk := await request.content.read(_CHUNK):
        size += len(chunk)
        if size > MAX_BYTES:
            return False
    return True


async def _closed(request: web.Request, status: int, text: str) -> web.StreamResponse:
    """Answer and hang up, whatever of the body is still to come."""
    response = web.Response(status=status, text=text)
    response.force_close()
    await response.prepare(request)
    await response.write_eof()
    if request.transport is not None:
        request.transport.close()
    return response
