"""The fault proxy by itself: switched at once and live, kept-alive connections too, and every switch written down."""

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise

import aiohttp
import pytest
import pytest_asyncio

from tests.component.demo.parts import DEMO, World, until


@pytest_asyncio.fixture
async def client(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    """One client with one kept-alive connection that never sends a request twice; no fault before and after."""
    await world.switch("pass")
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as session:
        session._retry_connection = False
        assert (await session.get(f"{world.proxy}/healthz")).status == 200
        yield session
    await world.switch("pass")


async def status(client: aiohttp.ClientSession, world: World) -> int:
    async with client.get(f"{world.proxy}/healthz") as response:
        await response.read()
        return response.status


async def test_a_fault_meets_the_next_request_of_a_kept_alive_connection(
    world: World, client: aiohttp.ClientSession
) -> None:
    await world.switch("error503")
    async with client.get(f"{world.proxy}/healthz") as response:
        assert (response.status, response.content_type) == (503, "application/xml")
        assert "<Code>SlowDown</Code>" in await response.text()
    await world.switch("pass")
    assert await status(client, world) == 200
    await world.switch("reset")
    with pytest.raises(aiohttp.ClientConnectionError):
        await status(client, world)
    with pytest.raises(aiohttp.ClientConnectionError):
        await status(client, world)
    await world.switch("pass")
    assert await status(client, world) == 200


async def test_a_delay_waits_and_passes(world: World, client: aiohttp.ClientSession) -> None:
    await world.switch("delay=700")
    began = time.monotonic()
    assert await status(client, world) == 200
    assert time.monotonic() - began >= 0.7


@pytest.mark.parametrize("fault", ["blackhole", "delay=100000"])
async def test_what_a_client_gave_up_never_reaches_s3(world: World, client: aiohttp.ClientSession, fault: str) -> None:
    """Neither answered nor passed on later: the proxy lets go of it, an upload too."""
    before = await sessions(world)
    await world.switch(fault)
    given_up = [
        asyncio.create_task(client.get(f"{world.proxy}/healthz")),
        asyncio.create_task(aiohttp.request("PUT", f"{world.proxy}/upload", data=b"x" * 30_000).__aenter__()),
    ]

    async def arrived() -> bool:
        return len(await sessions(world) - before) == len(given_up)

    await until("the requests are in the proxy", arrived)
    held = await sessions(world) - before
    await world.switch("pass")
    async with aiohttp.request("GET", f"{world.proxy}/healthz") as response:
        assert response.status == 200
    assert not any(task.done() for task in given_up)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)

    async def forgotten() -> bool:
        return not held & await sessions(world)

    await until("the proxy forgot them", forgotten)


async def sessions(world: World) -> set[str]:
    """Requests that are in the proxy, by their address there."""
    reader, writer = await asyncio.open_unix_connection(world.haproxy_socket)
    writer.write(b"show sess\n")
    text = (await reader.read()).decode()
    writer.close()
    return set(re.findall(r"^(0x[0-9a-f]+): .* fe=s3 ", text, re.MULTILINE))


async def test_a_partial_fault_meets_about_so_many_requests(world: World, client: aiohttp.ClientSession) -> None:
    await world.switch("partial=40")
    seen = [await status(client, world) for _ in range(400)]
    assert 100 <= seen.count(503) <= 220
    assert seen.count(200) + seen.count(503) == 400


KEYS = ("/deltacrown-certificates/certificates/a.pdf", "/deltacrown-certificates?list-type=2&prefix=certificates/")


@pytest.mark.parametrize(
    ("fault", "denied"),
    [
        ("get:denied", {"GET object"}),
        ("put:denied", {"PUT object"}),
        ("delete:denied", {"DELETE object", "POST delete"}),
        ("list:denied", {"GET bucket"}),
        ("get:denied,list:denied", {"GET object", "GET bucket"}),
    ],
)
async def test_a_fault_by_operation_meets_no_other(
    world: World, client: aiohttp.ClientSession, fault: str, denied: set[str]
) -> None:
    await world.switch(fault)
    key, listing = KEYS
    asked = {
        "GET object": ("GET", key),
        "PUT object": ("PUT", key),
        "DELETE object": ("DELETE", key),
        "GET bucket": ("GET", listing),
        "POST delete": ("POST", "/deltacrown-certificates?delete"),
    }
    met = set()
    for name, (method, path) in asked.items():
        async with client.request(method, world.proxy + path, data=b"x") as response:
            # S3 itself denies what is not signed, too, but its answers carry ids of its own
            if "<RequestId>faultproxy</RequestId>" in await response.text():
                assert response.status == 403
                met.add(name)
    assert met == denied


async def test_exactly_so_many_operations_fail_and_each_with_all_its_attempts(
    world: World, client: aiohttp.ClientSession
) -> None:
    await world.switch("get:failing=12")

    async def attempt(operation: str) -> bool:
        headers = {"amz-sdk-invocation-id": operation}
        async with client.get(world.proxy + KEYS[0], headers=headers) as response:
            return "<Code>SlowDown</Code>" in await response.text()

    failed = [[await attempt(f"{world.control}-{number}") for _ in range(3)] for number in range(100)]
    assert all(len(set(attempts)) == 1 for attempts in failed)
    assert sum(attempts[0] for attempts in failed) in (12, 13)
    spread = [number for number, attempts in enumerate(failed) if attempts[0]]
    assert all(7 <= after - before <= 10 for before, after in pairwise(spread))


async def test_every_switch_is_written_down_with_its_time(world: World, client: aiohttp.ClientSession) -> None:
    before = datetime.now(UTC)
    await world.switch("delay=250")
    await world.switch("reset")
    after = datetime.now(UTC)
    async with aiohttp.ClientSession() as other, other.get(f"{world.control}/switches") as response:
        switches = (await response.json())["switches"][-2:]
    assert [(one["from"], one["to"]) for one in switches] == [("pass", "delay=250"), ("delay=250", "reset")]
    times = [datetime.fromisoformat(one["at"]) for one in switches]
    assert before.replace(microsecond=before.microsecond // 1000 * 1000) <= times[0] <= times[1] <= after
    lines = [json.loads(line) for line in world.control_log.read_text().splitlines()[-2:]]
    assert lines == [{"event": "fault_switched", **one} for one in switches]
    assert client


async def test_faultctl(world: World, client: aiohttp.ClientSession) -> None:
    async def faultctl(*arguments: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "faultproxy.faultctl", "--url", world.control, *arguments),
            cwd=DEMO,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    code, out, _ = await faultctl("set", "error503")
    assert (code, json.loads(out)["to"]) == (0, "error503")
    assert await status(client, world) == 503
    assert await faultctl("get") == (0, '{"fault": "error503"}\n', "")
    code, _, err = await faultctl("set", "explode")
    assert code == 1
    assert "'explode' is not one of pass, reset" in err
    assert await faultctl("get") == (0, '{"fault": "error503"}\n', "")


@pytest.mark.parametrize("body", ["", "[]", '{"fault": 1}', '{"mode": "reset"}'])
async def test_a_switch_that_cannot_be_read_changes_nothing(world: World, body: str) -> None:
    async with aiohttp.ClientSession() as client:
        async with client.put(f"{world.control}/fault", data=body) as response:
            assert response.status == 400
            assert (await response.json())["error"]
        async with client.get(f"{world.control}/fault") as response:
            assert await response.json() == {"fault": "pass"}
