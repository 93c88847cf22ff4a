"""The API server, and through it every Service of the cluster, over one `kubectl proxy` on a private Unix socket.

The proxy needs no ports and no route to Pods, so that the same code works on any cluster that a kubeconfig leads to.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp

MERGE = "application/merge-patch+json"
TIMEOUT = aiohttp.ClientTimeout(total=15)
START_SECONDS = 15.0

Object = Mapping[str, Any]


class KubeError(Exception):
    """A request was refused, or a command failed; `code` is the HTTP status, 0 when there was no answer."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Service:
    """A port of a Service, as the API server's proxy names it."""

    namespace: str
    name: str
    port: int

    def path(self, path: str) -> str:
        """Where the API server serves this path of the Service."""
        return f"/api/v1/namespaces/{self.namespace}/services/{self.name}:{self.port}/proxy{path}"


class Reader(Protocol):
    """What reading a cluster takes."""

    async def get(self, path: str, **query: str) -> Any:
        """The JSON at a path. Raises KubeError."""
        ...

    async def items(self, path: str, **query: str) -> list[Object]:
        """The items of a list. Raises KubeError."""
        ...


class Kube:
    """A cluster as its administrator sees it; made by `connect`."""

    def __init__(self, session: aiohttp.ClientSession, kubectl: tuple[str, ...]) -> None:
        self._session = session
        self._kubectl = kubectl

    async def get(self, path: str, **query: str) -> Any:
        """The JSON at a path. Raises KubeError."""
        return await self.call("GET", path, query=query)

    async def items(self, path: str, **query: str) -> list[Object]:
        """The items of a list. Raises KubeError."""
        found: list[Object] = (await self.get(path, **query))["items"]
        return found

    async def find(self, path: str) -> Object | None:
        """The object at a path, None when it is not there. Raises KubeError."""
        try:
            found: Object = await self.get(path)
        except KubeError as error:
            if error.code == 404:
                return None
            raise
        return found

    async def patch(self, path: str, body: object) -> Object:
        """The object after a merge patch. Raises KubeError."""
        patched: Object = await self.call("PATCH", path, body=body, kind=MERGE)
        return patched

    async def delete(self, path: str, **query: str) -> None:
        """Delete the object at a path; it is well when there is none. Raises KubeError."""
        try:
            await self.call("DELETE", path, query=query)
        except KubeError as error:
            if error.code != 404:
                raise

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        kind: str = "application/json",
        user: str = "",
    ) -> Any:
        """The JSON that a request is answered with, None for an empty answer; `user` is whom to act as.

        Raises:
            KubeError: it was refused, or there was no answer.
        """
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": kind} if data is not None else {}
        if user:
            headers["Impersonate-User"] = user
        text = await self._answer(method, path, query=query, data=data, headers=headers)
        try:
            return json.loads(text) if text.strip() else None
        except ValueError as error:
            raise KubeError(0, f"{method} {path}: not JSON: {text[:200]!r}") from error

    async def _answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        data: str | bytes | None,
        headers: Mapping[str, str],
    ) -> str:
        try:
            async with self._session.request(
                method, f"http://localhost{path}", params=query, data=data, headers=headers
            ) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise KubeError(0, f"{method} {path}: {error or type(error).__name__}") from error
        if answer.status >= 300:
            raise KubeError(answer.status, f"{method} {path}: {_reason(text)}")
        return text

    async def upload(self, path: str, data: bytes) -> None:
        """PUT these bytes. Raises KubeError."""
        await self._answer("PUT", path, data=data, headers={"Content-Type": "application/octet-stream"})

    async def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = 60) -> str:
        """Standard output of kubectl against this cluster. Raises KubeError with what it said when it fails."""
        process = await asyncio.create_subprocess_exec(
            *self.command(*arguments),
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(seconds):
                out, err = await process.communicate(None if stdin is None else stdin.encode())
        except TimeoutError:
            process.kill()
            await process.wait()
            raise KubeError(0, f"kubectl {' '.join(arguments)}: not within {seconds:g} s") from None
        if process.returncode:
            raise KubeError(0, f"kubectl {' '.join(arguments)}: {err.decode().strip()}")
        return out.decode()

    def command(self, *arguments: str) -> list[str]:
        """The command line of a kubectl against this cluster."""
        return [*self._kubectl, *arguments]


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300].strip()


@asynccontextmanager
async def connect(kubectl: tuple[str, ...]) -> AsyncIterator[Kube]:
    """A connection to the cluster of this kubectl, for as long as the block lasts. Raises KubeError."""
    with tempfile.TemporaryDirectory(prefix="certstorage-") as folder:
        socket = Path(folder, "api")
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=TIMEOUT) as session,
            serving(Kube(session, kubectl), "proxy", f"--unix-socket={socket}") as (kube, _),
        ):
            yield kube


@asynccontextmanager
async def serving(kube: Kube, *arguments: str) -> AsyncIterator[tuple[Kube, str]]:
    """A kubectl that serves for as long as the block lasts; gives its first line, said once it serves."""
    process = await asyncio.create_subprocess_exec(
        *kube.command(*arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield kube, await _first_line(process, arguments[0])
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _first_line(process: asyncio.subprocess.Process, what: str) -> str:
    if process.stdout is None or process.stderr is None:
        raise KubeError(0, f"kubectl {what}: no pipes")
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
    except TimeoutError:
        raise KubeError(0, f"kubectl {what}: nothing said within {START_SECONDS:g} s") from None
    if not line:
        raise KubeError(0, f"kubectl {what}: {(await process.stderr.read()).decode().strip()}")
    return line.decode().strip()
