"""`python -m deltacrown.create_bucket`: wait until S3 answers, and make sure that the bucket exists.

Reads AWS_ENDPOINT_URL_S3, AWS_REGION, CERT_S3_BUCKET and the credentials of someone who may create buckets.
"""

from __future__ import annotations

import os
import sys
import time

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

_PATIENCE_SECONDS = 120.0
_THERE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def create(bucket: str, endpoint: str, region: str, *, patience: float = _PATIENCE_SECONDS) -> None:
    """Create the bucket unless it is there; for `patience` seconds any failure is taken for a server that starts.

    Raises:
        BotoCoreError, ClientError: the last failure.
    """
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
    deadline = time.monotonic() + patience
    while True:
        try:
            client.create_bucket(Bucket=bucket)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in _THERE:
                return
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.5)
        else:
            return


def main() -> int:
    """Run; 1 with the reason when the bucket could not be made."""
    bucket, endpoint = os.environ["CERT_S3_BUCKET"], os.environ["AWS_ENDPOINT_URL_S3"]
    try:
        create(bucket, endpoint, os.environ.get("AWS_REGION", "us-east-1"))
    except (BotoCoreError, ClientError) as error:
        print(f"create_bucket: {error}", file=sys.stderr)
        return 1
    print(f"bucket {bucket} is there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
