"""Asking a server over HTTP that is slow, large, locked, redirected or something else: a value, never an exception."""

from __future__ import annotations

import asyncio
import base64
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from certstorage.signals.failures import Failure, Trouble
from certstorage.signals.server import Client, Server
from tests.cluster.pki import Authority
from tests.component.signals.parts import free_port

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(handler)`: a server whose every path is answered by it."""
    async with AsyncExitStack() as stack:

        async def begin(handler: Handler, context: ssl.SSLContext | None = None) -> Server:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", handler)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            port = free_port()
            await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
            return Server(
                "test", f"http{'s' if context else ''}://127.0.0.1:{port}", timeout_seconds=1, max_bytes=10_000
            )

        yield begin


async def asked(session: aiohttp.ClientSession, server: Server) -> bytes | Failure:
    return await Client(session).get(server, "/api/v1/rules", {"type": "alert"})


def why(answer: bytes | Failure) -> Trouble:
    assert isinstance(answer, Failure), answer
    assert "\n" not in answer.message
    return answer.reason


async def test_an_answer_is_its_body(serve: Serve, session: aiohttp.ClientSession) -> None:
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return web.Response(body=b"{}")

    server = await serve(handler)
    assert await asked(session, server) == b"{}"
    assert await Client(session).post(replace(server, prefix="/prom/"), "/api/v1/query", {"query": "up"}) == b"{}"
    assert [request.path_qs for request in seen] == ["/api/v1/rules?type=alert", "/prom/api/v1/query"]


@pytest.mark.parametrize("status", [204, 301, 302, 401, 403, 404, 429, 500, 502, 503])
async def test_any_other_status_is_a_failure(serve: Serve, session: aiohttp.ClientSession, status: int) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status, headers={"Location": "/login"}, text="<html>\nno</html>" if status != 204 else None
        )

    answer = await asked(session, await serve(handler))
    assert why(answer) is Trouble.STATUS
    assert str(status) in answer.message  # type: ignore[union-attr]


async def test_prometheus_own_complaint_is_passed_on(serve: Serve, session: aiohttp.ClientSession) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=422, body=b'{"status":"error"}')

    assert await asked(session, await serve(handler)) == b'{"status":"error"}'


async def test_too_many_bytes_are_not_read(serve: Serve, session: aiohttp.ClientSession) -> None:
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 50_000_000:
            await response.write(b"x" * 100_000)
            sent += 100_000
        return response

    assert why(await asked(session, await serve(handler))) is Trouble.TOO_LARGE
    assert sent < 50_000_000


async def test_a_small_body_that_unpacks_to_a_large_one_is_not_read(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(b" " * 1_000_000), headers={"Content-Encoding": "gzip"})

    assert why(await asked(session, await serve(handler))) is Trouble.TOO_LARGE


async def test_a_body_that_is_not_what_its_encoding_says(serve: Serve, session: aiohttp.ClientSession) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"plain", headers={"Content-Encoding": "gzip"})

    assert why(await asked(session, await serve(handler))) is Trouble.NOT_JSON


async def test_a_server_that_takes_its_time(serve: Serve, session: aiohttp.ClientSession) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def dripping(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)

    for handler in (silent, dripping):
        server = replace(await serve(handler), timeout_seconds=0.3)
        assert why(await asked(session, server)) is Trouble.TIMED_OUT


async def test_an_answer_that_breaks_off(serve: Serve, session: aiohttp.ClientSession) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"status":')
        assert request.transport is not None
        request.transport.close()
        return response

    assert why(await asked(session, await serve(handler))) is Trouble.NOT_JSON


async def test_nobody_there(session: aiohttp.ClientSession) -> None:
    assert why(await asked(session, Server("x", f"http://127.0.0.1:{free_port()}"))) is Trouble.UNREACHABLE
    assert why(await asked(session, Server("x", "http://no-such-host.invalid", timeout_seconds=2))) in (
        Trouble.UNREACHABLE,
        Trouble.TIMED_OUT,
    )


async def test_something_that_is_not_http(session: aiohttp.ClientSession) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    port = free_port()
    async with await asyncio.start_server(talk, "127.0.0.1", port):
        assert why(await asked(session, Server("x", f"http://127.0.0.1:{port}"))) is Trouble.UNREACHABLE


async def authorization(request: web.Request) -> web.StreamResponse:
    return web.Response(text=request.headers.get("Authorization", "none"))


async def test_a_token_is_read_again_for_each_request(
    serve: Serve, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    server = replace(await serve(authorization), bearer_token_file=str(token))
    assert why(await asked(session, server)) is Trouble.CREDENTIALS
    token.write_text("first\n")
    assert await asked(session, server) == b"Bearer first"
    token.write_text("second\n")
    assert await asked(session, server) == b"Bearer second"
    for bad in ("", "\n", "two\nlines"):
        token.write_text(bad)
        assert why(await asked(session, server)) is Trouble.CREDENTIALS
    token.write_bytes(b"\xff\xfe")
    assert why(await asked(session, server)) is Trouble.CREDENTIALS


async def test_basic_authentication(serve: Serve, session: aiohttp.ClientSession, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("grün")
    server = replace(await serve(authorization), username="op", password_file=str(tmp_path / "password"))
    assert await asked(session, server) == b"Basic " + base64.b64encode("op:grün".encode())


async def test_no_message_tells_a_secret(serve: Serve, session: aiohttp.ClientSession, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush")

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text="forbidden")

    server = replace(await serve(refuse), bearer_token_file=str(tmp_path / "token"))
    answer = await asked(session, server)
    assert isinstance(answer, Failure)
    assert "hush" not in answer.message


def tls(authority: Authority, *, clients: bool = False) -> ssl.SSLContext:
    pair = authority.server("prometheus", dns=["localhost"], ips=["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    if clients:
        context.load_verify_locations(authority.pair.cert)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_tls_by_a_private_authority(serve: Serve, session: aiohttp.ClientSession, tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    server = await serve(authorization, tls(authority))
    assert why(await asked(session, server)) is Trouble.TLS
    assert why(await asked(session, replace(server, ca_file=str(other.pair.cert)))) is Trouble.TLS
    assert why(await asked(session, replace(server, ca_file=str(tmp_path / "absent")))) is Trouble.CREDENTIALS
    assert await asked(session, replace(server, ca_file=str(authority.pair.cert))) == b"none"


async def test_a_replaced_authority_is_trusted_without_a_restart(serve: Serve, tmp_path: Path) -> None:
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(old.pair.cert.read_bytes())
    server = replace(await serve(authorization, tls(new)), ca_file=str(trusted))
    async with aiohttp.ClientSession() as session:
        client = Client(session)
        assert why(await client.get(server, "/", {})) is Trouble.TLS
        replacement = tmp_path / "ca.new"
        replacement.write_bytes(new.pair.cert.read_bytes())
        replacement.rename(trusted)
        assert await client.get(server, "/", {}) == b"none"


async def test_a_client_certificate(serve: Serve, session: aiohttp.ClientSession, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    server = replace(await serve(authorization, tls(authority, clients=True)), ca_file=str(authority.pair.cert))
    assert isinstance(await asked(session, server), Failure)
    own = authority.client("operator", user="certstorage-operator")
    assert await asked(session, replace(server, cert_file=str(own.cert), key_file=str(own.key))) == b"none"
