"""`python -m deltacrown.bucket create` makes the bucket; `… wait` waits until certificates can be stored in it.

Both read AWS_ENDPOINT_URL_S3, AWS_REGION, CERT_S3_BUCKET and the credentials, and take any failure for a server that
still starts, for two minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_PATIENCE_SECONDS = 120.0
_THERE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
_CANARY = ".certstorage-demo/canary"
"""Outside the certificates' prefix."""


def create(client: Any, bucket: str) -> None:
    """Create the bucket unless it is there. Raises BotoCoreError, ClientError."""
    try:
        client.create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _THERE:
            raise


def probe(client: Any, bucket: str) -> None:
    """Store an object and take it away again. Raises BotoCoreError, ClientError."""
    client.put_object(Bucket=bucket, Key=_CANARY, Body=b"can certificates be stored?")
    client.delete_object(Bucket=bucket, Key=_CANARY)


def patiently(step: Callable[[Any, str], None], bucket: str, endpoint: str, region: str) -> None:
    """Try until it succeeds. Raises the last BotoCoreError or ClientError when patience ends."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        config=Config(
            connect_timeout=2,
            read_timeout=5,
            retries={"total_max_attempts": 1, "mode": "standard"},
            s3={"addressing_style": "path"},
        ),
    )
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            step(client, bucket)
        except (BotoCoreError, ClientError):
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.5)
        else:
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 1 with the reason when patience ended."""
    parser = argparse.ArgumentParser(prog="bucket", description="Make the demo's bucket, or wait for it.")
    parser.add_argument("command", choices=("create", "wait"))
    given = parser.parse_args(arguments)
    bucket, endpoint = os.environ["CERT_S3_BUCKET"], os.environ["AWS_ENDPOINT_URL_S3"]
    step = create if given.command == "create" else probe
    try:
        patiently(step, bucket, endpoint, os.environ.get("AWS_REGION", "us-east-1"))
    except (BotoCoreError, ClientError) as error:
        print(f"bucket: {error}", file=sys.stderr)
        return 1
    print(f"bucket {bucket} is there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
