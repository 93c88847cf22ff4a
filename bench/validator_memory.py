"""How much memory a check takes at a million keys: real files, and an endpoint that lists as many objects.

The endpoint is made up (it has no objects, it only says so): uploading a million would take most of an hour.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from bench import validator_process

PREFIX = "certificates/"
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
_FOLDER = 10_000
_PAGE = 1_000
_DATE = "2026-01-01T00:00:00.000Z"


def name_of(number: int) -> str:
    """The name of a file, relative to the root."""
    return f"{number // _FOLDER:05}/certificate_{number:09}_of_a_participant.pdf"


def measure_memory(keys: int, folder: Path, validator: Sequence[str]) -> dict[str, Any]:
    """Run `check --sample-rate 0.01` on so many empty files and objects; the largest resident set in MiB."""
    root = folder / "million"
    for number in range(keys):
        path = root / name_of(number)
        if number % _FOLDER == 0:
            path.parent.mkdir(parents=True)
        path.touch()
    context = multiprocessing.get_context("spawn")
    ports: multiprocessing.Queue[int] = context.Queue()
    server = context.Process(target=_serve, args=(keys, ports), daemon=True)
    server.start()
    port = ports.get(timeout=60)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
        "CERT_S3_BUCKET": "bench",
        "CERT_S3_PREFIX": PREFIX,
        "CERT_LOCAL_PATH": str(root),
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    command = [*validator, "check", "--sample-rate", "0.01", "--output", str(folder / "memory.json")]
    taken = validator_process.run(command, environment, silent=False)
    server.kill()
    return {"keys": keys, **asdict(taken)}


def _serve(keys: int, ports: multiprocessing.Queue[int]) -> None:
    asyncio.run(_listen(keys, ports))


async def _listen(keys: int, ports: multiprocessing.Queue[int]) -> None:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            writer.write(_answer(head.decode(), keys))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    ports.put(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _answer(head: str, keys: int) -> bytes:
    if "list-type=2" not in head.partition("\r\n")[0]:
        return (
            f'HTTP/1.1 200 OK\r\nETag: "{EMPTY_MD5}"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n'
            "Content-Length: 0\r\n\r\n"
        ).encode()
    match = re.search(r"continuation-token=(\d+)", head)
    first = int(match.group(1)) if match else 0
    last = min(first + _PAGE, keys)
    rows = "".join(
        f"<Contents><Key>{escape(PREFIX + name_of(number))}</Key><LastModified>{_DATE}</LastModified>"
        f"<ETag>&quot;{EMPTY_MD5}&quot;</ETag><Size>0</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(first, last)
    )
    more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < keys else ""
    body = (
        f"<?xml version='1.0' encoding='UTF-8'?><ListBucketResult><Name>bench</Name><Prefix>{PREFIX}</Prefix>"
        f"<KeyCount>{last - first}</KeyCount><MaxKeys>{_PAGE}</MaxKeys>"
        f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}{rows}</ListBucketResult>"
    ).encode()
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
