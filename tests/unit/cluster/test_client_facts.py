"""What a container says of its S3 client: only what is written out counts."""

from __future__ import annotations

from typing import Any

import pytest

from certstorage.api.observed import Client
from certstorage.cluster.client_facts import client_of


def container(*command: str, args: tuple[str, ...] = (), **env: str) -> dict[str, Any]:
    entries: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in env.items()]
    return {"name": "web", "command": list(command), "args": list(args), "env": entries}


def test_silence_says_nothing() -> None:
    assert client_of({"name": "web"}) == Client()
    referred = {"env": [{"name": "AWS_MAX_ATTEMPTS", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}
    assert client_of(referred) == Client()


@pytest.mark.parametrize(("text", "expected"), [("3", 3), ("0", None), ("-1", None), ("three", None), ("", None)])
def test_attempts(text: str, expected: int | None) -> None:
    assert client_of(container(AWS_MAX_ATTEMPTS=text)).max_attempts == expected


def test_region() -> None:
    assert client_of(container(AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="us-east-1")).region == "eu-west-1"
    assert client_of(container(AWS_DEFAULT_REGION="us-east-1")).region == "us-east-1"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (container("gunicorn", "--timeout", "60", "app:wsgi"), 60),
        (container("/usr/bin/gunicorn", "--timeout=45", "app"), 45),
        (container("gunicorn", "-t", "30", "app"), 30),
        (container("gunicorn", "-t30", "app"), 30),
        (container("gunicorn", "-t", "30", "--timeout", "90", "app"), 90),
        (container("gunicorn", args=("--timeout", "60")), 60),
        (container("python", "-m", "gunicorn", "--timeout", "61"), 61),
        (container("sh", "-c", "exec gunicorn app --timeout 75 --workers 3"), 75),
        (container("sh", "-c", "gunicorn app --name 'it\u2019s' --timeout 75"), 75),
        (container("gunicorn", "app", GUNICORN_CMD_ARGS="--timeout 20"), 20),
        (container("gunicorn", "--timeout", "60", "app", GUNICORN_CMD_ARGS="--timeout 20"), 60),
        (container("uwsgi", "--harakiri", "40"), 40),
        (container("uwsgi", "--harakiri=41"), 41),
        (container("gunicorn", "app"), None),
        (container("gunicorn", "--timeout", "0", "app"), None),
        (container("gunicorn", "--timeout"), None),
        (container("timeout", "-t", "5", "python", "app.py"), None),
        (container("python", "app.py", "--timeout", "5"), None),
        (container("sh", "-c", "gunicorn app --timeout 75 'unfinished"), 75),
    ],
)
def test_request_timeout(found: dict[str, Any], expected: float | None) -> None:
    assert client_of(found).request_timeout_seconds == expected
