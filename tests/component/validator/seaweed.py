"""A real S3 server for the tests: SeaweedFS on loopback, with ports and a directory of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACCESS_KEY, SECRET_KEY = "certstorage-test", "certstorage-test-secret"
_ACTIONS = ["Admin", "Read", "Write", "List", "Tagging"]


@contextmanager
def seaweed(folder: Path) -> Iterator[int]:
    """Start it and yield the port it speaks S3 on."""
    identity = {
        "name": "test",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": _ACTIONS,
    }
    config, data = folder / "s3.json", folder / "data"
    config.write_text(json.dumps({"identities": [identity]}))
    data.mkdir()
    names = ("master", "volume", "filer", "s3")
    ports = dict(zip([*names, *(f"{name}.grpc" for name in names)], _free_ports(8), strict=True))
    options = [
        f"-{name.replace('.grpc', '.port.grpc') if '.' in name else f'{name}.port'}={p}" for name, p in ports.items()
    ]
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("weed")),
                f"-logdir={folder}",
                "server",
                f"-dir={data}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-filer",
                "-s3",
                f"-s3.config={config}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.telemetry=false",
                "-volume.max=100",
                "-master.volumeSizeLimitMB=32",
                *options,
            ],
            stdout=log,
            stderr=log,
        )
    try:
        _await_ready(ports["s3"], process, folder / "weed.log")
        yield ports["s3"]
    finally:
        process.kill()
        process.wait(30)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _await_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2_000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"SeaweedFS did not start: {log.read_text()[-2_000:]}")
