"""The HTTP face: PUT, GET, DELETE /certificates/<name>.pdf, /metrics, /healthz, /readyz.

Work that waits for S3 has threads of its own, so that a swallowed S3 holds up neither readiness nor local reads.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from .certificates import InvalidNameError, Name, is_pdf
from .local import LocalStore
from .storage import CertificateStorage

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

LARGEST_BYTES = 8 * 1024 * 1024
S3_READ_THREADS = 128
"""As many reads a Pod can have hanging in a black hole: 4 a second for half a minute."""
WRITE_THREADS = 64
_LOCAL_THREADS = 8
_CERTIFICATES = "/certificates/"
_PIECES = 10
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(slots=True)
class Threads:
    """One pool a kind of work."""

    local: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_LOCAL_THREADS, "local"))
    s3_reads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(S3_READ_THREADS, "s3-read"))
    writes: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WRITE_THREADS, "write"))


class Server:
    """The handlers, and whether the process is on its way out."""

    def __init__(
        self, storage: CertificateStorage, local: LocalStore, registry: CollectorRegistry, *, read_primary: bool
    ) -> None:
        """Serve `storage`; reads go to S3 first with `read_primary`."""
        self._storage = storage
        self._local = local
        self._registry = registry
        self._read_primary = read_primary
        self._threads = Threads()
        self._leaving = False
        self._asked = asyncio.Event()

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=LARGEST_BYTES, middlewares=[self._notice, self._errors])
        app.on_response_prepare.append(self._ask_to_end)
        app.add_routes(
            [
                web.put(_CERTIFICATES + "{name:.+}", self._put),
                web.get(_CERTIFICATES + "{name:.+}", self._get, allow_head=False),
                web.delete(_CERTIFICATES + "{name:.+}", self._delete),
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._alive),
                web.get("/readyz", self._ready),
            ]
        )
        return app

    def leave(self) -> None:
        """From now on, not ready; each answer ends its connection, and work under way goes on."""
        self._leaving = True

    async def forgotten(self, quiet_seconds: float, *, most_seconds: float) -> bool:
        """Wait until nobody has asked for a certificate for so long; False when they still did after `most_seconds`.

        Probes and scrapes find their Pod without a Service: they are not counted. The time is waited for in pieces,
        each begun after the one before, so that a process without a processor does not take that for quiet.
        """
        pieces = 0
        try:
            async with asyncio.timeout(most_seconds):
                while pieces < _PIECES:
                    pieces = 0 if await self._asked_within(quiet_seconds / _PIECES) else pieces + 1
        except TimeoutError:
            return False
        return True

    async def _asked_within(self, seconds: float) -> bool:
        self._asked.clear()
        try:
            async with asyncio.timeout(seconds):
                return await self._asked.wait()
        except TimeoutError:
            return False

    async def _put(self, request: web.Request) -> web.Response:
        name = Name(request.match_info["name"])
        data = await request.read()
        if not is_pdf(data):
            return web.Response(status=422, text="not a PDF\n")
        await self._in(self._threads.writes, lambda: self._storage.save(name, data))
        return web.Response(status=204)

    async def _get(self, request: web.Request) -> web.Response:
        name = Name(request.match_info["name"])
        if self._read_primary:
            answer = await self._in(self._threads.s3_reads, lambda: self._storage.read_s3_first(name))
        else:
            answer = await self._in(self._threads.local, lambda: self._storage.read_local(name))
        headers = {"X-Certificate-Source": answer.source.value}
        if answer.data is None:
            return web.Response(status=404, text="no such certificate\n", headers=headers)
        return web.Response(body=answer.data, content_type="application/pdf", headers=headers)

    async def _delete(self, request: web.Request) -> web.Response:
        name = Name(request.match_info["name"])
        found = await self._in(self._threads.writes, lambda: self._storage.delete(name))
        return web.Response(status=204) if found else web.Response(status=404, text="no such certificate\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _request: web.Request) -> web.Response:
        if self._leaving:
            return web.Response(status=503, text="leaving\n")
        if not await self._in(self._threads.local, self._local.writable):
            return web.Response(status=503, text="the certificates' volume is not writable\n")
        return web.Response(text="ok\n")

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    async def _ask_to_end(self, _request: web.Request, response: web.StreamResponse) -> None:
        if self._leaving:
            response.force_close()
            # aiohttp has written the headers by now: without this one the end would come unsaid, and a client may have
            # sent its next request already
            response.headers["Connection"] = "close"

    @web.middleware
    async def _notice(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(_CERTIFICATES):
            self._asked.set()
        return await handler(request)

    @web.middleware
    async def _errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except InvalidNameError as error:
            return web.Response(status=400, text=f"{error}\n")
        except ConnectionError:
            raise
        except OSError as error:
            _log.error("local_failed method=%s path=%s error=%r", request.method, request.path, error)
            return web.Response(status=507 if error.errno in _FULL else 500, text="local storage failed\n")
