"""The users notice what an application does wrong, each kind of it, and hide nothing."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from deploy.demo.loadgen.ledger import Ledger
from deploy.demo.loadgen.settings import Settings, from_environment
from deploy.demo.loadgen.tally import Tally
from deploy.demo.loadgen.traffic import Traffic, sessions
from tests.component.demo.parts import House, Program, answers, free_port, until


class Shop:
    """A store of certificates that can be told to misbehave."""

    def __init__(self) -> None:
        """Honest so far."""
        self.stored: dict[str, bytes] = {}
        self.earlier: dict[str, bytes] = {}
        self.connections = 0
        self.get: Callable[[web.Request], bytes | None] = lambda request: self.stored.get(request.path)
        self.status = 0
        self.hang_up = False
        self.silent = False

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        if self.hang_up:
            assert request.transport is not None
            request.transport.abort()
        if self.silent:
            await asyncio.Event().wait()
        if self.status:
            return web.Response(status=self.status)
        if request.method == "PUT":
            if request.path in self.stored:
                self.earlier[request.path] = self.stored[request.path]
            self.stored[request.path] = await request.read()
            return web.Response(status=204)
        if request.method == "DELETE":
            self.earlier[request.path] = self.stored.pop(request.path)
            return web.Response(status=204)
        data = self.get(request)
        return web.Response(status=404) if data is None else web.Response(body=data)


@asynccontextmanager
async def visited(shop: Shop, **env: str) -> AsyncIterator[tuple[Traffic, Tally]]:
    """A shop with one certificate, and its clients."""

    async def ready(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/readyz", ready), web.route("*", "/certificates/{name:.+}", shop.serve)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    settings = from_environment(
        {"CERT_LOAD_URL": f"http://127.0.0.1:{runner.addresses[0][1]}", "CERT_LOAD_USERS": "1", **env}
    )
    tally = Tally()
    async with sessions(settings) as clients:
        traffic = Traffic(single(settings), Ledger(remembered_deletes=10), tally, clients)
        await traffic.save()
        assert tally.report()["totals"]["save"]["ok"] == 1
        yield traffic, tally
    await runner.cleanup()


def single(settings: Settings) -> Settings:
    """Keep one certificate, and begin without traffic of their own."""
    values = {name: getattr(settings, name) for name in settings.__slots__}
    return Settings(**{**values, "objects": 1})


def kinds(tally: Tally) -> dict[str, int]:
    return {kind: count for kind, count in tally.report()["errors"]["byKind"].items() if count}


async def test_an_honest_shop_has_no_errors() -> None:
    shop = Shop()
    async with visited(shop) as (traffic, tally):
        for act in (traffic.read, traffic.save, traffic.read, traffic.delete, traffic.save, traffic.read):
            await act()
        assert kinds(tally) == {}
        assert {op: counts["ok"] for op, counts in tally.report()["totals"].items()} == {
            "read": 3,
            "save": 2,
            "overwrite": 1,
            "delete": 1,
        }


async def test_wrong_bytes() -> None:
    shop = Shop()
    async with visited(shop) as (traffic, tally):
        shop.get = lambda request: shop.stored[request.path] + b" "
        await traffic.read()
        assert kinds(tally) == {"wrong_bytes": 1}


async def test_stale_bytes() -> None:
    shop = Shop()
    async with visited(shop) as (traffic, tally):
        await traffic.save()
        shop.get = lambda request: shop.earlier[request.path]
        await traffic.read()
        assert kinds(tally) == {"stale": 1}


async def test_a_missing_certificate() -> None:
    shop = Shop()
    async with visited(shop) as (traffic, tally):
        shop.get = lambda _request: None
        await traffic.read()
        shop.stored.clear()
        assert kinds(tally) == {"missing": 1}


async def test_a_resurrected_certificate() -> None:
    shop = Shop()
    async with visited(shop) as (traffic, tally):
        await traffic.delete()
        shop.get = lambda request: shop.earlier[request.path]
        while not kinds(tally):
            await traffic.read()
        assert kinds(tally) == {"resurrected": 1}


@pytest.mark.parametrize("act", ["read", "save", "delete"])
async def test_an_error_status(act: str) -> None:
    shop = Shop()
    async with visited(shop) as (traffic, tally):
        shop.status = 503
        await getattr(traffic, act)()
        assert kinds(tally) == {"http": 1}


@pytest.mark.parametrize("act", ["read", "save", "delete"])
async def test_a_kept_alive_connection_that_is_hung_up_on_is_an_error_and_not_tried_again(act: str) -> None:
    shop = Shop()
    async with visited(shop) as (traffic, tally):
        await traffic.read()
        shop.hang_up = True
        await getattr(traffic, act)()
        assert kinds(tally) == {"connection": 1}


async def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    shop = Shop()
    async with visited(shop, CERT_LOAD_TIMEOUT_SECONDS="0.3") as (traffic, tally):
        shop.silent = True
        await traffic.read()
        assert kinds(tally) == {"timeout": 1}


async def test_the_program_stores_first_certificates_and_reports(house: House, tmp_path: Path) -> None:
    app = await house.start()
    port = free_port()
    env = {
        "CERT_LOAD_URL": app.url,
        "CERT_S3_PREFIX": house.prefix,
        "CERT_LOAD_OBJECTS": "25",
        "CERT_LOAD_ARCHIVE": "12",
        "CERT_LOAD_PORT": str(port),
    }
    program = Program.start([sys.executable, "-m", "loadgen"], tmp_path / "loadgen.log", env)
    url = f"http://127.0.0.1:{port}"
    try:

        async def ready() -> bool:
            assert program.process.poll() is None, program.log.read_text()
            return await answers(f"{url}/readyz")

        await until("the first certificates are stored", ready)
        async with aiohttp.ClientSession() as client:

            async def busy() -> bool:
                async with client.get(f"{url}/summary") as response:
                    totals = (await response.json())["totals"]
                return bool(totals["read"]["ok"] > 5 and totals["overwrite"]["ok"] > 2)

            await until("traffic", busy)
            async with client.get(f"{url}/report") as response:
                report = await response.json()
            async with client.get(f"{url}/metrics") as response:
                metrics = await response.text()
        assert report["seeded"]
        assert report["errors"]["total"] == 0
        keys = {*report["expected"], *report["uncertain"]}
        archive = {key.removeprefix(report["prefix"]) for key in keys if "/archive-" in key}
        assert archive == {f"archive-{number // 10:04d}/cert_{number:06d}.pdf" for number in range(12)}
        assert len(keys) - len(archive) >= 25
        assert all(key.startswith(report["prefix"]) for key in keys)
        assert report["prefix"].startswith(house.prefix)
        assert 'cert_demo_client_requests_total{op="save",result="ok"}' in metrics
        assert 'cert_demo_client_errors_total{kind="connection",op="read"} 0.0' in metrics
    finally:
        os.kill(program.process.pid, signal.SIGTERM)
        code = await asyncio.to_thread(program.process.wait, 30)
    assert code == 0, program.log.read_text()
    assert house.local() == house.remote()
    assert json.dumps(report)
