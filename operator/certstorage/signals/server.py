"""One Prometheus server: where it is, how to be let in, and a bounded HTTP exchange with it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from certstorage.signals.failures import Failure, Trouble

MAX_BYTES = 64 * 1024 * 1024
"""Ten thousand firing alerts are about 7 MB, the recorded series of ten thousand workloads about 10 MB."""
_CHUNK = 256 * 1024
_TOLD = 200
"""Characters of a server's error that are repeated."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server by its configured name. Files are read again for each request, so that they may be rotated.

    `url` is scheme, host and port; `prefix` the path under which it serves. Token and basic authentication exclude
    each other; a client certificate and its key belong together. `timeout_seconds` is for one whole request.
    """

    name: str
    url: str
    prefix: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    bearer_token_file: str = ""
    username: str = ""
    password_file: str = ""
    timeout_seconds: float = 5.0
    max_bytes: int = MAX_BYTES

    def address(self, path: str) -> str:
        """The URL of an API path such as `/api/v1/rules`."""
        prefix = self.prefix.strip("/")
        return f"{self.url.rstrip('/')}{'/' + prefix if prefix else ''}{path}"


@dataclass(slots=True)
class Client:
    """HTTP to Prometheus servers over one session. Never raises but for cancellation."""

    session: aiohttp.ClientSession
    requests: int = 0
    """Sent since the start."""
    _contexts: dict[Server, tuple[tuple[float, ...], ssl.SSLContext]] = field(default_factory=dict)

    async def get(self, server: Server, path: str, query: Mapping[str, str]) -> bytes | Failure:
        """The body of a GET answered with 200."""
        return await self._ask(server, "GET", path, query, None)

    async def post(self, server: Server, path: str, form: Mapping[str, str]) -> bytes | Failure:
        """The body of a form POST answered with 200; queries are too long for a URL."""
        return await self._ask(server, "POST", path, None, form)

    async def _ask(
        self, server: Server, method: str, path: str, query: Mapping[str, str] | None, form: Mapping[str, str] | None
    ) -> bytes | Failure:
        try:
            headers, context = _credentials(server), self._context(server)
        except (OSError, ValueError) as error:
            return Failure(Trouble.CREDENTIALS, f"server {server.name}: {error}")
        address = server.address(path)
        self.requests += 1
        try:
            async with (
                asyncio.timeout(server.timeout_seconds),
                self.session.request(
                    method, address, params=query, data=form, headers=headers, ssl=context, allow_redirects=False
                ) as response,
            ):
                return await _read(server, response)
        except TimeoutError:
            return Failure(Trouble.TIMED_OUT, f"{address}: no answer within {server.timeout_seconds:g} s")
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            return Failure(Trouble.TLS, f"{address}: {_line(error)}")
        except aiohttp.ClientPayloadError as error:
            return Failure(Trouble.NOT_JSON, f"{address}: the answer broke off: {_line(error)}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Failure(Trouble.UNREACHABLE, f"{address}: {_line(error)}")

    def _context(self, server: Server) -> ssl.SSLContext | bool:
        """The TLS context of a server, made again when one of its files was replaced."""
        if not server.url.startswith("https"):
            return True
        files = [name for name in (server.ca_file, server.cert_file, server.key_file) if name]
        state = tuple(Path(name).stat().st_mtime for name in files)
        known = self._contexts.get(server)
        if known is not None and known[0] == state:
            return known[1]
        context = ssl.create_default_context(cafile=server.ca_file or None)
        if server.cert_file:
            context.load_cert_chain(server.cert_file, server.key_file)
        self._contexts[server] = (state, context)
        return context


def new_session() -> aiohttp.ClientSession:
    """A session for a Client: no proxy, no cookies, connections kept between polls. To be closed."""
    return aiohttp.ClientSession(
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit_per_host=4, keepalive_timeout=60),
    )


def _credentials(server: Server) -> dict[str, str]:
    # compressing costs Prometheus more than these bytes cost the network of a cluster
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if server.bearer_token_file:
        headers["Authorization"] = f"Bearer {read_secret(server.bearer_token_file)}"
    elif server.username:
        password = read_secret(server.password_file) if server.password_file else ""
        headers["Authorization"] = aiohttp.encode_basic_auth(server.username, password)
    return headers


def read_secret(path: str) -> str:
    """The text of a secret file without the line end that editors add. Raises OSError, ValueError when it is empty."""
    text = Path(path).read_text(encoding="utf-8").strip()
    if not text or not text.isprintable():
        raise ValueError(f"{path} is empty, or has a line break in it")
    return text


async def _read(server: Server, response: aiohttp.ClientResponse) -> bytes | Failure:
    chunks: list[bytes] = []
    size = 0
    while chunk := await response.content.read(_CHUNK):
        size += len(chunk)
        if size > server.max_bytes:
            response.close()
            return Failure(Trouble.TOO_LARGE, f"{response.url}: more than {server.max_bytes} bytes")
        chunks.append(chunk)
    body = b"".join(chunks)
    if response.status in (400, 422) and body[:1] == b"{":
        return body  # Prometheus' own complaint, read where answers are read
    if response.status != 200:
        told = body[:_TOLD].decode("utf-8", "replace").split("\n", 1)[0]
        return Failure(
            Trouble.STATUS, f"{response.url}: HTTP {response.status} {response.reason or ''}: {told}".strip()
        )
    return body


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).split("\n", 1)[0][:_TOLD]
