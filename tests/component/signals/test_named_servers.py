"""Several servers by name, from the configuration file to graded signals: each with its own address and way in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from certstorage.api.policy import Policy, PolicySpec, PolicyUID, SignalsSpec, Storage, TargetRef
from certstorage.api.signals import SignalName, SignalSet, Verdict
from certstorage.config import load
from certstorage.signals.failures import Trouble
from certstorage.signals.reader import Reader
from certstorage.signals.server import Client
from certstorage.signals.source import SignalSource
from tests.cluster.pki import Authority
from tests.component.signals.parts import (
    DEPLOYMENT,
    NAMESPACE,
    Exporter,
    Prometheus,
    eventually,
    free_port,
)

PASSWORD = "not-a-real-secret"
HASHED = "$2b$04$Dr7DjTN5Q0xaZPZzYgU/welD.IsCt9EK7c07O.VGrhjcm14/oPrlm"
"""Of PASSWORD by bcrypt, as Prometheus wants it."""


class Guard:
    """A proxy before a Prometheus that lets a bearer token in, as service meshes and managed servers do."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base, self.session, self.port, self.token = base, session, free_port(), "first"

    async def pass_on(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401)
        body = await request.read()
        headers = {"Content-Type": request.headers.get("Content-Type", "")} if body else {}
        async with self.session.request(
            request.method, self.base + request.path_qs, data=body, headers=headers
        ) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")


@dataclass(frozen=True, slots=True)
class Fleet:
    """Addresses of an open Prometheus and of a locked one, and the files for the latter's TLS."""

    plain: str
    locked: str
    files: dict[str, str]


@pytest.fixture
async def fleet(tmp_path: Path, exporter: Exporter) -> AsyncIterator[Fleet]:
    """One open, one behind TLS with a client certificate and a password, under a prefix."""
    authority = Authority(tmp_path / "ca")
    pair = authority.server("prometheus", dns=["localhost"], ips=["127.0.0.1"])
    own = authority.client("operator", user="certstorage-operator")
    tls = {"cert_file": str(pair.cert), "key_file": str(pair.key), "client_ca_file": str(authority.pair.cert)}
    (tmp_path / "web.yml").write_text(
        yaml.safe_dump(
            {
                "tls_server_config": {**tls, "client_auth_type": "RequireAndVerifyClientCert"},
                "basic_auth_users": {"operator": HASHED},
            }
        )
    )
    flags = (f"--web.config.file={tmp_path / 'web.yml'}", "--web.external-url=https://metrics.example.org/prom")
    async with AsyncExitStack() as stack:
        plain = Prometheus(tmp_path / "plain", "2.42", exporter)
        locked = Prometheus(tmp_path / "locked", "3.16", exporter, flags=flags)
        for one in (plain, locked):
            stack.push_async_callback(one.stop)
            await one.start()
        files = {"caFile": str(authority.pair.cert), "certFile": str(own.cert), "keyFile": str(own.key)}
        yield Fleet(plain.base, locked.base.replace("http:", "https:"), files)


@pytest.fixture
async def guard(fleet: Fleet, session: aiohttp.ClientSession) -> AsyncIterator[Guard]:
    guard = Guard(fleet.plain, session)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", guard.pass_on)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", guard.port).start()
    yield guard
    await runner.cleanup()


def policy(server: str) -> Policy:
    spec = PolicySpec(TargetRef(DEPLOYMENT), Storage("bucket"), signals=SignalsSpec(server, DEPLOYMENT))
    return Policy(NAMESPACE, server, PolicyUID(server), 1, spec)


async def test_each_server_is_asked_in_its_own_way(
    fleet: Fleet, guard: Guard, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "password").write_text(PASSWORD)
    servers: dict[str, Any] = {
        "plain": {"url": fleet.plain},
        "guarded": {"url": f"http://127.0.0.1:{guard.port}", "bearerTokenFile": str(tmp_path / "token")},
        "locked": {
            "url": fleet.locked,
            "prefix": "/prom",
            **fleet.files,
            "username": "operator",
            "passwordFile": str(tmp_path / "password"),
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"prometheus": servers, "validatorImage": "validator:1"}))
    config = load(tmp_path / "config.yaml")
    policies = [policy(name) for name in (*servers, "elsewhere")]
    source = SignalSource(Reader(Client(session)), config.prometheus, policies=lambda: policies, wake=lambda _: None)

    async def look() -> dict[str, SignalSet]:
        await asyncio.gather(*(source.poll(server) for server in config.prometheus.values()))
        return {one.name: source.signals(one, "") for one in policies}

    def proven(seen: dict[str, SignalSet]) -> set[str]:
        return {name for name, one in seen.items() if one.verdict(SignalName.RECOVERY) is Verdict.CLEAR_PROVEN}

    await eventually(look, lambda seen: proven(seen) == set(servers), 60, "every server proves S3 to be well")
    assert (await look())["elsewhere"].reason == Trouble.NOT_CONFIGURED.value

    # each secret counts: without it that server is Unknown, and the others are not
    guard.token = "second"
    (tmp_path / "password").write_text("wrong")
    seen = await look()
    assert {name: seen[name].reason for name in servers if not seen[name].trusted} == {
        "guarded": Trouble.STATUS.value,
        "locked": Trouble.STATUS.value,
    }
    assert seen["plain"].trusted

    # a rotated secret is read without a restart
    (tmp_path / "token").write_text("second")
    (tmp_path / "password").write_text(PASSWORD)
    assert {name for name, one in (await look()).items() if one.trusted} == set(servers)

    refused = await Client(session).get(replace(config.prometheus["locked"], cert_file="", key_file=""), "/", {})
    assert not isinstance(refused, bytes)
    elsewhere = await Client(session).get(replace(config.prometheus["locked"], prefix=""), "/api/v1/rules", {})
    assert not isinstance(elsewhere, bytes)
    assert elsewhere.reason is Trouble.STATUS
