"""One S3 server for all, a proxy and a prefix for each."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.component.validator.faults import FaultProxy, fault_proxy
from tests.component.validator.seaweed import ACCESS_KEY, SECRET_KEY, seaweed
from tests.component.validator.world import BUCKET, World


@pytest.fixture(scope="session")
def s3_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """SeaweedFS."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as port:
        yield port


@pytest.fixture(scope="session")
def client(s3_port: int) -> Any:
    """As the application reaches S3: not through any proxy."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{s3_port}",
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(max_pool_connections=20),
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
        except (ClientError, BotoCoreError):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return client


def _long() -> bool:
    return bool(os.environ.get("VALIDATOR_LONG"))


@pytest.fixture
def clean_runs() -> int:
    """How many clean runs must show no mismatch (`make test-validator-long` does 20)."""
    return 20 if _long() else 3


@pytest.fixture
def kills() -> int:
    """How often a run is killed before it is let through."""
    return 10 if _long() else 3


@pytest.fixture
def operations() -> int:
    """How many operations of the application a repair must survive."""
    return 10_000 if _long() else 600


@pytest.fixture
def proxy(s3_port: int) -> Iterator[FaultProxy]:
    """A proxy with no faults yet."""
    with fault_proxy("127.0.0.1", s3_port) as proxy:
        yield proxy


@pytest.fixture
def world(tmp_path: Path, client: Any, proxy: FaultProxy) -> World:
    """Two empty copies."""
    return World(tmp_path, client, proxy, f"t{secrets.token_hex(6)}")
