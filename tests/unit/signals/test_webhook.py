"""The webhook: told of every beginning and every end, until it takes it, and not of more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from certstorage.api.alerts import Alert, Severity
from certstorage.signals.webhook import REPEAT, Webhook

NOW = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)


def alert(name: str = "CertStorageIncident", **labels: str) -> Alert:
    return Alert(
        name, Severity.CRITICAL, {"policy": "certificates", **labels}, {"summary": "S3 is down", "command": ""}
    )


@dataclass
class Receiver:
    """What the other side got, and what it answers."""

    status: int = 200
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        self.tokens.append(request.headers.get("Authorization"))
        return web.Response(status=self.status, text="not now\nmore", headers={"Location": "http://127.0.0.1:9/"})

    def statuses(self) -> list[list[str]]:
        """Of every post, the statuses of its alerts."""
        return [[one["status"] for one in body["alerts"]] for body in self.bodies]


@asynccontextmanager
async def receiving(token_file: str = "") -> AsyncIterator[tuple[Receiver, Webhook]]:
    receiver = Receiver()
    app = web.Application()
    app.add_routes([web.post("/hook", receiver.answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        async with aiohttp.ClientSession() as session:
            yield receiver, Webhook(session, receiver.url, token_file)
    finally:
        await runner.cleanup()


async def test_a_beginning_and_an_end_are_told_once_each() -> None:
    async with receiving() as (receiver, hook):
        for minutes in range(4):
            assert await hook.post([alert()] if minutes < 2 else [], NOW + timedelta(minutes=minutes)) == {}
        assert receiver.statuses() == [["firing"], ["resolved"]]
        first, last = (body["alerts"][0] for body in receiver.bodies)
        assert first["fingerprint"] == last["fingerprint"]
        assert first["startsAt"] == last["startsAt"] == NOW.isoformat()
        assert last["endsAt"] == (NOW + timedelta(minutes=2)).isoformat()


async def test_the_body_is_that_of_an_alertmanager() -> None:
    async with receiving() as (receiver, hook):
        await hook.post([alert(scenario="outage"), alert(scenario="sweep")], NOW)
        (body,) = receiver.bodies
        assert (body["version"], body["status"], body["truncatedAlerts"]) == ("4", "firing", 0)
        assert body["commonLabels"] == {
            "alertname": "CertStorageIncident",
            "policy": "certificates",
            "severity": "critical",
        }
        assert body["commonAnnotations"] == {"summary": "S3 is down"}
        assert [one["labels"]["scenario"] for one in body["alerts"]] == ["outage", "sweep"]
        assert {one["endsAt"] for one in body["alerts"]} == {"0001-01-01T00:00:00Z"}


async def test_what_is_not_taken_is_told_again_until_it_is() -> None:
    async with receiving() as (receiver, hook):
        receiver.status = 503
        failed = await hook.post([alert()], NOW)
        assert failed == {receiver.url: "HTTP 503: not now"}
        await hook.post([], NOW + timedelta(minutes=1))
        receiver.status = 202
        assert await hook.post([], NOW + timedelta(minutes=2)) == {}
        assert receiver.statuses() == [["firing"], ["resolved"], ["resolved"]], "what was missed is told as over"
        assert await hook.post([], NOW + timedelta(minutes=3)) == {}
        assert len(receiver.bodies) == 3


async def test_what_goes_on_is_told_again_now_and_then() -> None:
    async with receiving() as (receiver, hook):
        await hook.post([alert()], NOW)
        await hook.post([alert()], NOW + REPEAT - timedelta(seconds=1))
        await hook.post([alert()], NOW + REPEAT)
        await hook.post([alert()], NOW + REPEAT + timedelta(seconds=15))
        assert receiver.statuses() == [["firing"], ["firing"]]


async def test_one_that_begins_again_is_a_beginning() -> None:
    async with receiving() as (receiver, hook):
        await hook.post([alert()], NOW)
        await hook.post([], NOW + timedelta(minutes=1))
        await hook.post([alert()], NOW + timedelta(minutes=2))
        assert receiver.statuses() == [["firing"], ["resolved"], ["firing"]]
        assert receiver.bodies[-1]["alerts"][0]["startsAt"] == (NOW + timedelta(minutes=2)).isoformat()


async def test_a_redirect_is_no_delivery() -> None:
    async with receiving() as (receiver, hook):
        receiver.status = 302
        assert await hook.post([alert()], NOW) == {receiver.url: "HTTP 302: not now"}


async def test_nobody_there_is_a_failure_with_a_word_why() -> None:
    async with aiohttp.ClientSession() as session:
        failed = await Webhook(session, "http://127.0.0.1:9/hook").post([alert()], NOW)
    assert "127.0.0.1" in failed["http://127.0.0.1:9/hook"]


async def test_the_token_is_read_again_for_every_post(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    async with receiving(str(token)) as (receiver, hook):
        await hook.post([alert()], NOW)
        token.write_text("two")
        await hook.post([], NOW)
        assert receiver.tokens == ["Bearer one", "Bearer two"]
        token.unlink()
        failed = await hook.post([alert()], NOW)
        assert "token" in failed[receiver.url]
        assert len(receiver.bodies) == 2
