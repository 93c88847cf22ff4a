"""`python -m receivers`: takes messages as Slack, PagerDuty and a webhook do, and shows what came.

    POST   /slack/…       as hooks.slack.com: 200 ok, or 400 invalid_payload
    POST   /v2/enqueue    as events.pagerduty.com: 202, or 400 with what is wrong
    POST   /webhook       200, or 400 with what is wrong
    GET    /received      every message since the start, oldest first: number, at, service, status, problems, body
    PUT    /failing       {"slack": 503}: answer that service's messages so from now on; {} ends it
    GET    /healthz

Each message is also a JSON line on standard output.
"""

from __future__ import annotations

import json
import os
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from aiohttp import web

from .payloads import Service, problems

_REMEMBERED = 5000


@dataclass(frozen=True, slots=True)
class Received:
    """One message: when it came, how it was answered, and what the service would have said against it."""

    number: int
    at: str
    service: str
    status: int
    problems: tuple[str, ...]
    body: object


class Receivers:
    """All services, and what they received."""

    def __init__(self) -> None:
        """Nothing received so far, nothing fails."""
        self._received: deque[Received] = deque(maxlen=_REMEMBERED)
        self._count = 0
        self._failing: dict[Service, int] = {}

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application()
        app.add_routes(
            [
                web.post("/slack/{rest:.*}", self._slack),
                web.post("/v2/enqueue", self._pagerduty),
                web.post("/webhook", self._webhook),
                web.get("/received", self._show),
                web.put("/failing", self._fail),
                web.get("/healthz", self._alive),
            ]
        )
        return app

    async def _slack(self, request: web.Request) -> web.Response:
        got = await self._take(Service.SLACK, request, 200)
        return web.Response(status=got.status, text={200: "ok", 400: "invalid_payload"}.get(got.status, "error"))

    async def _pagerduty(self, request: web.Request) -> web.Response:
        got = await self._take(Service.PAGERDUTY, request, 202)
        if got.status == 202 and isinstance(got.body, dict):
            said = {"status": "success", "message": "Event processed", "dedup_key": got.body.get("dedup_key", "")}
            return web.json_response(said, status=202)
        said = {"status": "invalid event", "message": "Event object is invalid", "errors": list(got.problems)}
        return web.json_response(said, status=got.status)

    async def _webhook(self, request: web.Request) -> web.Response:
        got = await self._take(Service.WEBHOOK, request, 200)
        return web.Response(status=got.status, text="\n".join(got.problems))

    async def _take(self, service: Service, request: web.Request, taken: int) -> Received:
        body, wrong = _read(service, await request.read())
        status = self._failing.get(service) or (400 if wrong else taken)
        self._count += 1
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        got = Received(self._count, at, service, status, wrong, body)
        self._received.append(got)
        print(json.dumps({"event": "received", **asdict(got)}), flush=True)
        return got

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response({"received": [asdict(one) for one in self._received]})

    async def _fail(self, request: web.Request) -> web.Response:
        try:
            self._failing = {Service(name): int(status) for name, status in (await request.json()).items()}
        except (AttributeError, TypeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({service.value: status for service, status in self._failing.items()})

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")


def _read(service: Service, text: bytes) -> tuple[object, tuple[str, ...]]:
    """A message, and what the service would say against it."""
    try:
        body = json.loads(text)
    except ValueError as error:
        return None, (f"not JSON: {error}",)
    return body, problems(service, body)


def main() -> None:
    """Serve until told to end."""
    port = int(os.environ.get("RECEIVERS_PORT", "8080"))
    web.run_app(Receivers().application(), port=port, access_log=None, print=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
