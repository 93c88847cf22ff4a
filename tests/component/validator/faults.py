"""A proxy in front of S3 that misbehaves on demand: one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"


@dataclass
class Faults:
    """What goes wrong with requests of these methods; `share` of them. Assign to it while it runs."""

    share: float = 1.0
    methods: frozenset[str] = frozenset({"GET", "HEAD", "PUT", "DELETE", "POST"})
    keys: str = ""
    """Only requests whose target contains this."""
    first: int = 0
    """Only the first so many requests of each object, whichever way they come; 0 for all."""
    status: int = 0
    code: str = "SlowDown"
    retry_after: int | None = None
    date: str = ""
    """What the refusal says is the time."""
    latency: float = 0.0
    reset: bool = False
    swallow: bool = False
    flip: str = ""
    """"once" flips a byte of each body at random places, "always" the same one: damage on the way, damage in store."""
    other_etags: bool = False
    """ETags that are no MD5 of the object, as under SSE-KMS."""
    hits: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    def strikes(self, method: str, target: str) -> bool:
        """Whether this request is one of those."""
        struck = method in self.methods and self.keys in target and self.dice.random() < self.share
        if struck and self.first:
            path = target.partition("?")[0]
            self.seen[path] += 1
            struck = self.seen[path] <= self.first
        self.hits += struck
        return struck


class FaultProxy:
    """Forwards bytes to `upstream` (host:port) as they are, so signatures stay valid, except for its faults."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self.faults = Faults(share=0.0)
        self.requests: list[tuple[float, str, str]] = []
        self.port = 0
        self._quiet = asyncio.Event()

    async def serve(self, ready: threading.Event) -> None:
        """Serve until cancelled."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
            try:
                while (request := await _message(reader)) is not None:
                    if upstream is None:
                        upstream = await asyncio.open_connection(*self._upstream)
                    if not await self._exchange(request, upstream, writer):
                        break
            finally:
                for one in (writer, *((upstream[1],) if upstream else ())):
                    one.transport.abort()

    async def _exchange(
        self,
        request: _Message,
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        writer: asyncio.StreamWriter,
    ) -> bool:
        method, target = request.head.split(b" ", 2)[:2]
        faults = self.faults
        self.requests.append((asyncio.get_running_loop().time(), method.decode(), target.decode()))
        if not faults.strikes(method.decode(), target.decode()):
            faults = Faults()
        await asyncio.sleep(faults.latency)
        if faults.reset:
            return False
        if faults.swallow:
            await self._quiet.wait()
        if faults.status:
            writer.write(_refusal(faults, empty=method == b"HEAD"))
            await writer.drain()
            return True
        upstream[1].write(request.head + request.body)
        await upstream[1].drain()
        answer = await _message(upstream[0], bodiless=method == b"HEAD")
        if answer is None:
            return False
        writer.write(_spoiled(answer, faults, target))
        await writer.drain()
        return b"connection: close" not in answer.head.lower()


@dataclass
class _Message:
    head: bytes
    body: bytes


async def _message(reader: asyncio.StreamReader, *, bodiless: bool = False) -> _Message | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    if bodiless or re.match(rb"HTTP/1.1 (204|304)", head):
        return _Message(head, b"")
    if match := re.search(rb"content-length: *(\d+)", head, re.IGNORECASE):
        return _Message(head, await reader.readexactly(int(match.group(1))))
    if b"transfer-encoding: chunked" in head.lower():
        body = b""
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            piece = await reader.readexactly(size + 2)
            if not size:
                break
            body += piece[:-2]
        head = re.sub(rb"transfer-encoding: chunked", b"Content-Length: %d" % len(body), head, flags=re.IGNORECASE)
        return _Message(head, body)
    return _Message(head, b"")


def _refusal(faults: Faults, *, empty: bool) -> bytes:
    body = b"" if empty else _ERROR.format(code=faults.code).encode()
    retry = f"Retry-After: {faults.retry_after}\r\n" if faults.retry_after is not None else ""
    date = f"Date: {faults.date}\r\n" if faults.date else ""
    head = f"HTTP/1.1 {faults.status} Refused\r\nContent-Type: application/xml\r\n{retry}{date}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _spoiled(answer: _Message, faults: Faults, target: bytes) -> bytes:
    body, listing = answer.body, b"list-type" in target
    if faults.flip and body and not listing and re.match(rb"HTTP/1.1 20[06]", answer.head):
        at = len(body) // 2 if faults.flip == "always" else faults.dice.randrange(len(body))
        body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    head = answer.head
    if faults.other_etags:
        body = re.sub(rb"(?<=;)[0-9a-f]{32}(?=&)", _other, body) if listing else body
        head = re.sub(rb'(?<=")[0-9a-f]{32}(?=")', _other, head)
    return head + body


def _other(match: re.Match[bytes]) -> bytes:
    return hashlib.md5(match.group()).hexdigest().encode()


@contextmanager
def fault_proxy(host: str, port: int) -> Iterator[FaultProxy]:
    """A proxy that runs as long as the block does."""
    proxy, ready, loop = FaultProxy((host, port)), threading.Event(), asyncio.new_event_loop()
    task: list[asyncio.Task[None]] = []

    def run() -> None:
        asyncio.set_event_loop(loop)
        task.append(loop.create_task(proxy.serve(ready)))
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task[0])
        left = asyncio.all_tasks(loop)
        for one in left:
            one.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(task[0].cancel)
        thread.join(10)
