"""HAProxy's runtime socket: where the fault in force stands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from .fault import Fault, Mode

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
        for line in (await self._ask(f"show map {self._map}")).splitlines():
            _address, key, value = line.split()
            if key == "fault":
                mode, _, number = value.partition(":")
                return Fault(Mode(mode), int(number))
        raise ProxyError("the map has no fault")

    async def switch(self, fault: Fault) -> None:
        """Put a fault in force for the next request of every connection. Raises ProxyError.

        A reset also cuts the answers that are on their way.
        """
        await self._tell(f"set map {self._map} fault {fault.mode}:{fault.number}")
        if fault.mode is Mode.RESET:
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
