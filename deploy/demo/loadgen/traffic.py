"""The traffic itself: requests at fixed rates, whatever the application makes of them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp

from .ledger import ABSENT, Finding, Ledger
from .pdf import certificate
from .settings import Settings
from .tally import Kind, Op, Tally

_log = logging.getLogger(__name__)

_BATCH = 10
"""Certificates in a folder."""
_PADDINGS = (256, 1024, 4096, 16384)
_SEEDERS = 8
_READS_OF_DELETED = 0.03
_IDLE_CONNECTION_SECONDS = 2.0
"""Shorter than the application's lame duck: a client has let go of a connection before a leaving Pod closes it."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    source: str


class _UnexpectedError(Exception):
    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Traffic:
    """Clients of one application, and what they know. Names carry an id of this run: nobody else writes them."""

    def __init__(self, settings: Settings, ledger: Ledger, tally: Tally, sessions: list[aiohttp.ClientSession]) -> None:
        """Prepare; nothing is sent yet."""
        self._settings = settings
        self._ledger = ledger
        self._tally = tally
        self._sessions = sessions
        self._rng = random.Random(settings.seed)
        self._run = f"{self._rng.getrandbits(32):08x}" if settings.seed is not None else secrets.token_hex(4)
        self._created = 0
        self._sent = 0
        self._under_way = 0
        self._stopped = asyncio.Event()
        self.seeded = asyncio.Event()

    @property
    def names_start_with(self) -> str:
        """What all names of this run start with."""
        return f"run-{self._run}/"

    def stop(self) -> None:
        """Begin nothing more; `run` returns when what is under way has ended."""
        self._stopped.set()

    async def run(self) -> None:
        """Wait for the application, store the first certificates, then go on until stopped."""
        await self._wait_for_application()
        await self._seed()
        async with asyncio.TaskGroup() as group:
            for rate, op, act in (
                (self._settings.reads, Op.READ, self.read),
                (self._settings.saves, Op.SAVE, self.save),
                (self._settings.deletes, Op.DELETE, self.delete),
            ):
                if rate > 0:
                    group.create_task(self._regularly(group, rate, op, act))

    async def read(self) -> None:
        """Read any certificate, now and then one that should be gone."""
        gone = self._ledger.pick_deleted(self._rng) if self._rng.random() < _READS_OF_DELETED else None
        name = gone or self._ledger.pick_live(self._rng)
        if name is None:
            return
        reading = self._ledger.begin_read(name)
        try:
            answer = await self._send("GET", name)
            if answer.status not in (200, 404):
                raise _UnexpectedError(Kind.HTTP, f"status {answer.status}")
        except _UnexpectedError as error:
            self._ledger.abandon(reading)
            self._error(Op.READ, error.kind, name, str(error))
            return
        seen = _digest(answer.body) if answer.status == 200 else ABSENT
        finding = self._ledger.end_read(reading, seen)
        if finding is Finding.RIGHT:
            self._tally.ok(Op.READ, answer.source)
        else:
            self._error(Op.READ, Kind(finding), name, f"from {answer.source or 'an unnamed copy'}: {seen or 'nothing'}")

    async def save(self) -> None:
        """Store a new certificate where there are too few, else new bytes for one that is there."""
        name = None if len(self._ledger) < self._settings.objects else self._ledger.pick_writable(self._rng)
        if name is None:
            await self._store(Op.SAVE, self._new_name())
        else:
            await self._store(Op.OVERWRITE, name)

    async def delete(self) -> None:
        """Delete any certificate."""
        name = self._ledger.pick_writable(self._rng)
        if name is None:
            return
        may_be_absent = self._ledger.may_be_absent(name)
        writing = self._ledger.begin_write(name, ABSENT)
        confirmed = False
        try:
            answer = await self._send("DELETE", name)
            if answer.status == 404 and not may_be_absent:
                confirmed = True
                raise _UnexpectedError(Kind.MISSING, "nothing to delete")
            if answer.status not in (204, 404):
                raise _UnexpectedError(Kind.HTTP, f"status {answer.status}")
            confirmed = True
            self._tally.ok(Op.DELETE)
        except _UnexpectedError as error:
            self._error(Op.DELETE, error.kind, name, str(error))
        finally:
            self._ledger.end_write(writing, confirmed=confirmed)

    async def _store(self, op: Op, name: str, padding: int | None = None) -> None:
        data = certificate(
            f"Certificate {name} {self._rng.getrandbits(64):016x}",
            filler=self._rng,
            padding=padding or self._rng.choice(_PADDINGS),
        )
        writing = self._ledger.begin_write(name, _digest(data))
        confirmed = False
        try:
            answer = await self._send("PUT", name, data)
            if answer.status != 204:
                raise _UnexpectedError(Kind.HTTP, f"status {answer.status}")
            confirmed = True
            self._tally.ok(op)
        except _UnexpectedError as error:
            self._error(op, error.kind, name, str(error))
        finally:
            self._ledger.end_write(writing, confirmed=confirmed)

    async def _send(self, method: str, name: str, data: bytes | None = None) -> _Answer:
        session = self._sessions[self._sent % len(self._sessions)]
        self._sent += 1
        try:
            async with session.request(method, f"{self._settings.url}/certificates/{name}", data=data) as response:
                body = await response.read()
                return _Answer(response.status, body, response.headers.get("X-Certificate-Source", ""))
        except TimeoutError as error:
            raise _UnexpectedError(Kind.TIMEOUT, repr(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _UnexpectedError(Kind.CONNECTION, repr(error)) from error

    async def _regularly(
        self, group: asyncio.TaskGroup, rate: float, op: Op, act: Callable[[], Coroutine[None, None, None]]
    ) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._rng.random() / rate
        while not await self._stopped_within(due - loop.time()):
            due = max(due + 1 / rate, loop.time() - 1)
            if self._under_way >= self._settings.most_under_way:
                self._tally.skipped(op)
            else:
                group.create_task(self._one(act))

    async def _one(self, act: Callable[[], Coroutine[None, None, None]]) -> None:
        self._under_way += 1
        self._tally.under_way(self._under_way)
        await act()
        self._under_way -= 1
        self._tally.under_way(self._under_way)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                return await self._stopped.wait()
        except TimeoutError:
            return False

    async def _wait_for_application(self) -> None:
        while not self._stopped.is_set():
            try:
                async with self._sessions[0].get(f"{self._settings.url}/readyz") as response:
                    if response.status == 200:
                        return
            except (aiohttp.ClientError, OSError) as error:
                _log.info("waiting for %s: %r", self._settings.url, error)
            await self._stopped_within(1)

    async def _seed(self) -> None:
        async def some() -> None:
            while self._created < self._settings.objects and not self._stopped.is_set():
                await self._store(Op.SAVE, self._new_name())

        async with asyncio.TaskGroup() as group:
            for _ in range(_SEEDERS):
                group.create_task(some())
        await self._archive()
        self.seeded.set()
        _log.info(
            "seeded objects=%d archive=%d prefix=%s", self._created, self._settings.archive, self.names_start_with
        )

    async def _archive(self) -> None:
        """Store what is left alone afterwards: whatever happens to it was not the users' doing."""
        for number in range(self._settings.archive):
            if self._stopped.is_set():
                return
            name = f"{self.names_start_with}archive-{number // _BATCH:04d}/cert_{number:06d}.pdf"
            await self._store(Op.SAVE, name, _PADDINGS[number % len(_PADDINGS)])
            self._ledger.shelve(name)

    def _new_name(self) -> str:
        number = self._created
        self._created += 1
        return f"{self.names_start_with}batch-{number // _BATCH:04d}/cert_{number:06d}.pdf"

    def _error(self, op: Op, kind: Kind, name: str, detail: str) -> None:
        key = self._settings.prefix + name
        _log.warning("client_error op=%s kind=%s key=%s detail=%r", op, kind, key, detail)
        self._tally.error(op, kind, key, detail, datetime.now(UTC))


@asynccontextmanager
async def sessions(settings: Settings) -> AsyncIterator[list[aiohttp.ClientSession]]:
    """One session a user. Connections are kept alive; no request is ever sent twice."""
    timeout = aiohttp.ClientTimeout(total=settings.timeout)
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(settings.users):
            # a Service keeps its address: a name server that is slow now and then is not the application's error
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_CONNECTION_SECONDS, ttl_dns_cache=None)
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, timeout=timeout))
            # aiohttp sends a request again when a kept-alive connection was closed under it, and there is no setting
            # against that; here it would hide what a leaving Pod did wrong (a test sees to it that this still works)
            session._retry_connection = False
            made.append(session)
        yield made


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
