"""The bucket by boto3, for what obstore has no words for: odd keys, checksums, the settings of the bucket.

Imported when needed, not before: it costs 170 ms and 40 MiB, and is four times as slow.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from certstorage.validator.facts import RemoteFacts
from certstorage.validator.s3errors import NotThereError, from_status
from certstorage.validator.settings import Settings
from certstorage.validator.store import Body, Fault, Listed, StoreError

_T = TypeVar("_T")
_PIECE = 4 << 20


def client(settings: Settings) -> Any:
    """A client of boto3 that leaves repeating to us."""
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        verify=str(settings.ca_bundle) if settings.ca_bundle else None,
        config=Config(
            connect_timeout=settings.connect_seconds,
            read_timeout=settings.read_seconds,
            retries={"total_max_attempts": 1},
            max_pool_connections=64,
            s3={"addressing_style": "path"} if settings.endpoint else None,
        ),
    )


class Boto:
    """One attempt of every verb of a Store; `once` raises as Store, and NotThereError where nothing is there."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.bucket
        self._client = client(settings)

    def list(self, prefix: str) -> Iterator[Sequence[Listed]]:
        """As Store.list; a page is fetched again a few times by boto3's own means only."""
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix))
        while (page := self.once(lambda: next(pages, None))) is not None:
            yield [
                Listed(row["Key"], RemoteFacts(row["Size"], _bare(row["ETag"]), row["LastModified"]))
                for row in page.get("Contents", ())
            ]

    def head(self, key: str) -> RemoteFacts:
        """As Store.head."""
        return _facts(self.once(lambda: self._client.head_object(Bucket=self._bucket, Key=key)))

    def get(self, key: str) -> Body:
        """As Store.get, all in memory."""

        def read() -> Body:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            return Body(_facts(answer), answer["Body"].read())

        return self.once(read)

    def put(self, key: str, data: bytes, *, replacing: str | None) -> str:
        """As Store.put."""
        condition = {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": f'"{replacing}"'}
        content_type = mimetypes.guess_type(key)[0] or "application/octet-stream"
        answer = self.once(
            lambda: self._client.put_object(
                Bucket=self._bucket, Key=key, Body=data, ContentType=content_type, **condition
            )
        )
        return _bare(answer["ETag"])

    def delete(self, key: str, *, etag: str) -> None:
        """As Store.delete."""
        self.once(lambda: self._client.delete_object(Bucket=self._bucket, Key=key, IfMatch=f'"{etag}"'))

    def copy(self, source: str, target: str) -> None:
        """As Store.copy."""
        origin = {"Bucket": self._bucket, "Key": source}
        self.once(lambda: self._client.copy_object(Bucket=self._bucket, Key=target, CopySource=origin))

    def checksums(self, key: str) -> dict[str, str]:
        """The checksums of the whole object that the server keeps, base64 by algorithm; none of its parts."""
        answer = self.once(lambda: self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED"))
        if answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
            return {}
        found = {name: answer.get(f"Checksum{name}", "") for name in ("SHA256", "SHA1", "CRC32")}
        return {name: value for name, value in found.items() if value and "-" not in value}

    def once(self, request: Callable[[], _T]) -> _T:
        """One attempt, its errors translated."""
        try:
            return request()
        except ClientError as error:
            said, meta = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
            status, code = int(meta.get("HTTPStatusCode", 0)), str(said.get("Code", ""))
            if status == 404 and code in ("NoSuchKey", "404"):
                raise NotThereError(code) from error
            text = f"<Code>{code}</Code><Message>{said.get('Message', '')}</Message>"
            raise from_status(status, text, meta.get("HTTPHeaders", {}).get("retry-after")) from error
        except BotoCoreError as error:
            raise StoreError(Fault.UNAVAILABLE, str(error)[:300]) from error


def _facts(answer: dict[str, Any]) -> RemoteFacts:
    return RemoteFacts(answer["ContentLength"], _bare(answer["ETag"]), answer["LastModified"])


def _bare(etag: str) -> str:
    return etag.strip('"')
