"""The bucket itself, past the fault proxy and the application: what every touched key holds, by content."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from obstore.exceptions import BaseError as StoreError
from obstore.store import S3Store

from tests.e2e.story import cluster
from tests.e2e.story.facts import Comparison
from tests.e2e.story.kube import Kube, KubeError, serving

AT_ONCE = 16
"""Objects read at the same time."""

Truth = Mapping[str, str | None]
"""By key, the SHA-256 (hex) of what must be there; None where nothing must be."""


Version = tuple[str, str]
"""A key and the ETag that it was listed with."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Which version of which key the bucket held, listed between these times."""

    started: datetime
    finished: datetime
    versions: tuple[Version, ...]


class Bucket:
    """The demo's bucket, past the application; made by `opened`. Each version's body is read once."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._known: dict[Version, str] = {}

    async def listing(self) -> Listing:
        """What the bucket holds. Raises KubeError when it does not answer."""
        started = datetime.now(UTC)
        try:
            pages = self._store.list(cluster.PREFIX)
            versions = tuple([(meta["path"], meta["e_tag"] or "") async for page in pages for meta in page])
        except StoreError as error:
            raise KubeError(0, f"S3: {error}") from error
        return Listing(started, datetime.now(UTC), versions)

    async def compare(self, listing: Listing, truth: Truth) -> Comparison:
        """Hold every key of the truth against the bucket as it was listed, by the bytes of those very versions.

        Raises:
            KubeError: the bucket does not answer.
        """
        wanted = [version for version in listing.versions if version[0] in truth]
        try:
            digests = await asyncio.gather(*(self._digest(version) for version in wanted))
        except StoreError as error:
            raise KubeError(0, f"S3: {error}") from error
        found = {key: digest for (key, _), digest in zip(wanted, digests, strict=True)}
        different = tuple(sorted(key for key, digest in truth.items() if found.get(key) != digest))
        right = [digest for key, digest in truth.items() if found.get(key) == digest]
        absent = right.count(None)
        return Comparison(listing.started, listing.finished, len(right) - absent, absent, different)

    async def damage(self, keys: Iterable[str]) -> None:
        """Change one byte in the middle of each object, past the application. Raises KubeError."""
        try:
            for key in keys:
                body = bytearray(bytes(await (await self._store.get_async(key)).bytes_async()))
                body[len(body) // 2] ^= 0x01
                await self._store.put_async(key, bytes(body))
        except StoreError as error:
            raise KubeError(0, f"S3: {error}") from error

    async def remove(self, keys: Iterable[str]) -> None:
        """Remove objects, past the application. Raises KubeError."""
        try:
            for key in keys:
                await self._store.delete_async(key)
        except StoreError as error:
            raise KubeError(0, f"S3: {error}") from error

    async def _digest(self, version: Version) -> str:
        """The SHA-256 of a version's bytes; empty when the key holds another version by now, or none."""
        async with self._limit:
            if version not in self._known:
                try:
                    found = await self._store.get_async(version[0])
                except FileNotFoundError:
                    return ""
                body = await found.bytes_async()
                if found.meta["e_tag"] != version[1]:
                    return ""
                self._known[version] = hashlib.sha256(body).hexdigest()
            return self._known[version]


@asynccontextmanager
async def opened(kube: Kube) -> AsyncIterator[Bucket]:
    """The bucket, for as long as the block lasts, with the application's own credentials. Raises KubeError."""
    secret = (await kube.get(cluster.CREDENTIALS_PATH))["data"]
    access, key = (base64.b64decode(secret[f"AWS_{name}"]).decode() for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    service = cluster.S3
    forward = ("port-forward", f"--namespace={service.namespace}", f"service/{service.name}", f":{service.port}")
    async with serving(kube, *forward) as (_, said):
        address = said.split("->")[0].rsplit(":", 1)[1].strip()  # Forwarding from 127.0.0.1:PORT -> 8333
        yield Bucket(
            S3Store(
                cluster.BUCKET,
                endpoint=f"http://127.0.0.1:{address}",
                region="us-east-1",
                access_key_id=access,
                secret_access_key=key,
                virtual_hosted_style_request=False,
                client_options={"allow_http": True, "timeout": "10s"},
            )
        )
