"""HAProxy's runtime socket: where the fault in force stands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from .fault import Fault, Mode, Op, Treatment

_WAIT_SECONDS = 2.0


class ProxyError(Exception):
    """HAProxy cannot be reached or did not do what was asked."""


@dataclass(frozen=True, slots=True)
class HAProxy:
    """The proxy behind a socket; `home` is the folder its configuration and map were loaded from."""

    socket: Path
    home: Path

    async def fault(self) -> Fault:
        """The fault in force. Raises ProxyError."""
        entries = dict(line.split()[1:] for line in (await self._ask(f"show map {self._map}")).splitlines() if line)
        found: dict[Op, Treatment] = {}
        for op in Op:
            if op not in entries:
                raise ProxyError(f"the map says nothing of {op}")
            mode, _, number = entries[op].partition(":")
            found[op] = Treatment(Mode(mode), int(number))
        return Fault(found)

    async def switch(self, fault: Fault) -> None:
        """Put a fault in force for the next request of every connection. Raises ProxyError.

        A reset of everything also cuts the answers that are on their way, and refuses connections.
        """
        reset = fault.whole == Treatment(Mode.RESET)
        entries = {"connections": Treatment(Mode.RESET if reset else Mode.PASS)}
        entries |= {op: fault.treatment(op) for op in Op}
        # one line, so that no request meets half of it
        await self._tell("; ".join(f"set map {self._map} {key} {t.mode}:{t.number}" for key, t in entries.items()))
        if reset:
            await self._tell("shutdown sessions server seaweedfs/s3")

    @property
    def _map(self) -> str:
        return f"{self.home}/fault.map"

    async def _tell(self, command: str) -> None:
        answer = (await self._ask(command)).strip()
        if answer:
            raise ProxyError(f"{command}: {answer}")

    async def _ask(self, command: str) -> str:
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                try:
                    writer.write(f"{command}\n".encode())
                    await writer.drain()
                    return (await reader.read()).decode()
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise ProxyError(f"{self.socket}: {error!r}") from error
