"""The bucket: the second copy, reached through boto3 with three attempts in all."""

from __future__ import annotations

from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .settings import Settings

ATTEMPTS = 3


class RemoteError(Exception):
    """S3 did not do what was asked, after all attempts; `code` is S3's, or the name of the client's error."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code apart from the message."""
        super().__init__(message)
        self.code = code


class RemoteStore(Protocol):
    """What the application asks of the bucket. Every method blocks and raises RemoteError."""

    def get(self, key: str) -> bytes | None:
        """The object's bytes, None if the bucket says there is none."""

    def put(self, key: str, data: bytes) -> None:
        """Store the object."""

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""


class S3Store:
    """The bucket of the settings; credentials come from the environment."""

    def __init__(self, settings: Settings, *, connections: int) -> None:
        """Prepare a client that threads share; no request is made yet."""
        self._bucket = settings.bucket
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            config=Config(
                connect_timeout=settings.connect_timeout,
                read_timeout=settings.read_timeout,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                max_pool_connections=connections,
                s3={"addressing_style": "path"},
            ),
        )

    def get(self, key: str) -> bytes | None:
        """As RemoteStore.get."""
        try:
            body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise _translate(error) from error
        except BotoCoreError as error:
            raise _translate(error) from error
        return body

    def put(self, key: str, data: bytes) -> None:
        """As RemoteStore.put."""
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType="application/pdf")
        except (BotoCoreError, ClientError) as error:
            raise _translate(error) from error

    def delete(self, key: str) -> None:
        """As RemoteStore.delete."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise _translate(error) from error


def _translate(error: BotoCoreError | ClientError) -> RemoteError:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return RemoteError(code, str(error))
