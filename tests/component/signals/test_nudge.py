"""The webhook endpoint under friendly and unfriendly callers."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from certstorage.health import served
from certstorage.signals.nudge import AT_ONCE, MAX_BYTES, PER_SECOND, Nudge
from tests.component.signals.parts import eventually, free_port

TOKEN = {"Authorization": "Bearer secret"}


class Stand:
    """One endpoint, and how often it woke."""

    def __init__(self, token_file: Path) -> None:
        self.woken = 0
        self.leads = True
        self.now = 0.0
        self.port = free_port()
        self.nudge = Nudge(str(token_file), self.wake, clock=lambda: self.now, read_seconds=0.5)
        self.url = f"http://127.0.0.1:{self.port}/nudge"

    def wake(self) -> bool:
        self.woken += self.leads
        return self.leads


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    (tmp_path / "token").write_text("secret\n")
    stand = Stand(tmp_path / "token")
    async with served(stand.nudge.application(), "127.0.0.1", stand.port, keepalive_seconds=0.5):
        yield stand


async def test_a_nudge_with_the_token_wakes_whatever_it_says(stand: Stand, session: aiohttp.ClientSession) -> None:
    bodies = (b"", b"not json", b'{"status":"resolved","alerts":[]}', b'{"status":"firing"}' * 2, b"\xff" * 1000)
    for number, body in enumerate(bodies, start=1):
        async with session.post(stand.url, data=body, headers=TOKEN) as response:
            assert response.status == 202
        assert stand.woken == number


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "bearer secret"},
        {"Authorization": "Bearer secret "},
        {"Authorization": "Bearer secretx"},
        {"Authorization": "Basic c2VjcmV0"},
        {"Authorization": "secret"},
        {"X-Authorization": "Bearer secret"},
    ],
)
async def test_without_the_token_nothing_happens(
    stand: Stand, session: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    trimmed = headers.get("Authorization", "").strip() == TOKEN["Authorization"]
    async with session.post(stand.url, data=b"{}", headers=headers) as response:
        # spaces around a header's value are no part of it (RFC 9110)
        assert response.status == (202 if trimmed else 401)
    assert stand.woken == trimmed


async def test_the_token_may_be_rotated_and_without_one_all_are_refused(
    stand: Stand, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async def status(token: str) -> int:
        async with session.post(stand.url, headers={"Authorization": f"Bearer {token}"}) as response:
            return response.status

    (tmp_path / "token").write_text("another")
    assert (await status("secret"), await status("another")) == (401, 202)
    (tmp_path / "token").write_text("")
    assert (await status(""), await status("another")) == (401, 401)
    (tmp_path / "token").unlink()
    assert await status("another") == 401


async def test_other_methods_and_paths_do_nothing(stand: Stand, session: aiohttp.ClientSession) -> None:
    async with session.get(stand.url, headers=TOKEN) as response:
        assert response.status == 405
    async with session.post(stand.url + "/x", headers=TOKEN) as response:
        assert response.status == 404
    assert stand.woken == 0


async def test_ten_megabytes_are_cut_off(stand: Stand, session: aiohttp.ClientSession) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b"x" * 65536

    for data in (io.BytesIO(b"x" * (10 * 1024 * 1024)), chunks()):
        try:
            async with session.post(stand.url, data=data, headers=TOKEN) as response:
                assert response.status == 413
        except aiohttp.ClientConnectionError:
            pass  # cut off while it was still sending
        assert stand.woken == 0
    async with session.post(stand.url, data=io.BytesIO(b"x" * MAX_BYTES), headers=TOKEN) as response:
        assert response.status == 202


async def test_a_slow_body_is_cut_off(stand: Stand) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
    writer.write(b"POST /nudge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\nContent-Length: 100\r\n\r\n{")
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()
    assert stand.woken == 0


async def test_a_head_that_drips_is_cut_off(stand: Stand) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
    writer.write(b"POST /nudge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n")

    async def drip() -> None:
        while not writer.is_closing():
            writer.write(b"X-More: to come\r\n")
            await asyncio.sleep(0.05)

    dripping = asyncio.ensure_future(drip())
    assert await asyncio.wait_for(reader.read(), 5) == b""
    dripping.cancel()
    writer.close()
    assert stand.woken == 0


async def test_a_body_without_a_token_is_not_waited_for(stand: Stand) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
    writer.write(b"POST /nudge HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.1 401 ")
    writer.close()
    await writer.wait_closed()


async def test_too_many_are_told_to_come_back(stand: Stand, session: aiohttp.ClientSession) -> None:
    async def status() -> int:
        async with session.post(stand.url, headers=TOKEN) as response:
            return response.status

    burst = [await status() for _ in range(2 * PER_SECOND + 5)]
    assert burst == [202] * (2 * PER_SECOND) + [503] * 5
    stand.now += 1
    assert [await status() for _ in range(PER_SECOND + 1)] == [202] * PER_SECOND + [503]
    assert stand.woken == 3 * PER_SECOND


async def test_too_many_slow_bodies_leave_room_for_an_answer(stand: Stand, session: aiohttp.ClientSession) -> None:
    stand.nudge.read_seconds = 3
    opened = [await asyncio.open_connection("127.0.0.1", stand.port) for _ in range(AT_ONCE)]
    for _, writer in opened:
        writer.write(b"POST /nudge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\nContent-Length: 9\r\n\r\n{")
        await writer.drain()

    async def status() -> int:
        async with session.post(stand.url, headers=TOKEN) as response:
            return response.status

    assert await eventually(status, lambda seen: seen == 503, 2.5, "overloaded") == 503
    stand.now += 10
    assert await eventually(status, lambda seen: seen == 202, 10, "the slow ones are cut off") == 202
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()


async def test_a_standby_sends_its_caller_to_the_leader(stand: Stand, session: aiohttp.ClientSession) -> None:
    stand.leads = False
    async with session.post(stand.url, headers=TOKEN) as response:
        assert response.status == 503
        assert response.headers["Connection"] == "close"
