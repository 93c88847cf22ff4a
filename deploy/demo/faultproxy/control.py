"""`python -m faultproxy.control`: switches the fault over HTTP and writes down when.

    GET  /fault     {"fault": "pass"}
    PUT  /fault     {"fault": "delay=500"}  ->  {"at": …, "from": "pass", "to": "delay=500"}
    GET  /switches  the last switches, oldest first

Each switch is also a JSON line on standard output. `at` is taken before the switch takes hold: what is measured from it
is never flattered.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from .fault import FaultError, parse
from .haproxy_socket import HAProxy, ProxyError

_REMEMBERED = 1000


class Control:
    """One switch at a time."""

    def __init__(self, proxy: HAProxy) -> None:
        """Control this proxy."""
        self._proxy = proxy
        self._one = asyncio.Lock()
        self._switches: deque[dict[str, str]] = deque(maxlen=_REMEMBERED)

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[_errors])
        app.add_routes(
            [
                web.get("/fault", self._show),
                web.put("/fault", self._switch),
                web.get("/switches", self._list),
            ]
        )
        return app

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response({"fault": str(await self._proxy.fault())})

    async def _switch(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not isinstance(body, dict) or not isinstance(body.get("fault"), str):
            raise FaultError('the body must be {"fault": "<fault>"}')
        fault = parse(body["fault"])
        async with self._one:
            before = await self._proxy.fault()
            at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            await self._proxy.switch(fault)
            switch = {"at": at, "from": str(before), "to": str(fault)}
            self._switches.append(switch)
        print(json.dumps({"at": at, "event": "fault_switched", **switch}), flush=True)
        return web.json_response(switch)

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"switches": list(self._switches)})


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (FaultError, json.JSONDecodeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    except ProxyError as error:
        return web.json_response({"error": str(error)}, status=502)


def main() -> None:
    """Serve until told to end."""
    proxy = HAProxy(Path(os.environ["FAULTPROXY_SOCKET"]), Path(os.environ["FAULTPROXY_HOME"]))
    port = int(os.environ.get("FAULTPROXY_CONTROL_PORT", "9001"))
    web.run_app(Control(proxy).application(), port=port, access_log=None, print=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
