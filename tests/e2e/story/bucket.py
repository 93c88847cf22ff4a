"""The bucket itself, past the fault proxy and the application: what every touched key holds, by content."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
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


class Bucket:
    """Reads the demo's bucket; made by `opened`."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._known: dict[tuple[str, str, datetime], str] = {}

    async def compare(self, truth: Truth) -> Comparison:
        """Hold every key of the truth against the bucket. Bodies already read are not read again while they stay.

        Raises:
            KubeError: the bucket does not answer.
        """
        started = datetime.now(UTC)
        try:
            found = await self._digests(truth)
        except StoreError as error:
            raise KubeError(0, f"S3: {error}") from error
        different = tuple(sorted(key for key, digest in truth.items() if found.get(key) != digest))
        right = [digest for key, digest in truth.items() if found.get(key) == digest]
        absent = right.count(None)
        return Comparison(started, datetime.now(UTC), len(right) - absent, absent, different)

    async def _digests(self, truth: Truth) -> dict[str, str]:
        limit = asyncio.Semaphore(AT_ONCE)

        async def digest(key: str, version: tuple[str, str, datetime]) -> tuple[str, str]:
            if version not in self._known:
                async with limit:
                    body = await (await self._store.get_async(key)).bytes_async()
                self._known[version] = hashlib.sha256(body).hexdigest()
            return key, self._known[version]

        wanted = [
            digest(meta["path"], (meta["path"], meta["e_tag"] or "", meta["last_modified"]))
            async for page in self._store.list(cluster.PREFIX)
            for meta in page
            if meta["path"] in truth
        ]
        return dict(await asyncio.gather(*wanted))


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
