"""The demo's parts as processes on loopback, started as its manifests start them."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import yaml
from botocore.config import Config
from prometheus_client.parser import text_string_to_metric_families

DEMO = Path(__file__).resolve().parents[3] / "deploy" / "demo"
BUCKET = "deltacrown-certificates"
_GRPC = 10_000


def free_port() -> int:
    """A port of loopback on which nobody listens, nor on the one SeaweedFS takes beside it for gRPC."""
    while True:
        port = random.randint(14_000, 28_000)
        with socket.socket() as one, socket.socket() as other, suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + _GRPC))
            return port


def manifest(path: str, kind: str, name: str) -> dict[str, Any]:
    """One document of a manifest of the demo."""
    documents = yaml.safe_load_all((DEMO / path).read_text())
    found: dict[str, Any]
    (found,) = [one for one in documents if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    """A Deployment's only container."""
    found: dict[str, Any]
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return found


@dataclass
class Program:
    """A process of ours, its output in a file."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, command: Sequence[str | Path], log: Path, env: Mapping[str, str], cwd: Path = DEMO) -> Program:
        """Start it with nothing of our environment but PATH."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return cls(process, log)

    def kill(self) -> None:
        """End it, and wait for that."""
        self.process.kill()
        self.process.wait()


async def until(what: str, condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Wait until the condition holds; fails naming `what`."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        await asyncio.sleep(0.05)


async def answers(url: str) -> bool:
    """Whether a GET of it is answered with 200."""
    try:
        async with aiohttp.ClientSession() as client, client.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


@dataclass
class App:
    """A running deltacrown."""

    program: Program
    port: int

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    async def metrics(self) -> dict[str, float]:
        """Every sample by `name` or `name{label="value"}`."""
        async with aiohttp.ClientSession() as client, client.get(f"{self.url}/metrics") as response:
            text = await response.text()
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found

    async def counted(self) -> dict[str, float]:
        """The runbook's counters that are not 0, without `cert_s3_` and `_total`."""
        found = await self.metrics()
        return {
            name.removeprefix("cert_s3_").removesuffix("_total"): value
            for name, value in found.items()
            if name.startswith("cert_s3_") and name.endswith("_total") and value
        }


@dataclass
class World:
    """S3 and the fault proxy before it."""

    s3: str
    proxy: str
    control: str
    control_log: Path
    haproxy_socket: Path
    folder: Path
    _bucket: Any = None

    def bucket(self) -> Any:
        """A client of S3 itself, with the rights of its administrator."""
        if self._bucket is None:
            secret = manifest("s3/seaweedfs.yaml", "Secret", "seaweedfs")["stringData"]
            self._bucket = boto3.client(
                "s3",
                endpoint_url=self.s3,
                region_name="us-east-1",
                aws_access_key_id=secret["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=secret["AWS_SECRET_ACCESS_KEY"],
                config=Config(s3={"addressing_style": "path"}),
            )
        return self._bucket

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Everything below a prefix, by the rest of the key."""
        found = {}
        for page in self.bucket().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
            for entry in page.get("Contents", []):
                body = self.bucket().get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
                found[entry["Key"].removeprefix(prefix)] = body
        return found

    async def switch(self, fault: str) -> None:
        """Put a fault in force."""
        async with (
            aiohttp.ClientSession() as client,
            client.put(f"{self.control}/fault", json={"fault": fault}) as response,
        ):
            assert response.status == 200, await response.text()


@dataclass
class House:
    """A tree, its prefix in the bucket, and the applications that share them."""

    world: World
    tree: Path
    prefix: str
    apps: list[App] = field(default_factory=list)

    async def start(self, **env: str) -> App:
        """One more application, with the environment of the Deployment and these changes; ready."""
        deployed = {one["name"]: one.get("value", "") for one in container(_deltacrown())["env"]}
        secret = manifest("production/credentials.yaml", "Secret", "deltacrown-s3")["stringData"]
        port = free_port()
        ours = {
            "CERT_S3_PREFIX": self.prefix,
            "CERT_LOCAL_PATH": str(self.tree),
            "AWS_ENDPOINT_URL_S3": self.world.proxy,
            "CERT_PORT": str(port),
        }
        log = self.world.folder / f"deltacrown-{port}.log"
        app = App(Program.start([sys.executable, "-m", "deltacrown"], log, {**deployed, **secret, **ours, **env}), port)
        self.apps.append(app)

        async def ready() -> bool:
            assert app.program.process.poll() is None, log.read_text()
            return await answers(f"{app.url}/readyz")

        await until("deltacrown ready", ready)
        return app

    def store(self, name: str, data: bytes) -> None:
        """Put a certificate into both copies, past every application."""
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.world.bucket().put_object(Bucket=BUCKET, Key=self.prefix + name, Body=data)

    def local(self) -> dict[str, bytes]:
        """Every file of the tree, by its path below it."""
        files = (path for path in self.tree.rglob("*") if path.is_file())
        return {str(path.relative_to(self.tree)): path.read_bytes() for path in files}

    def remote(self) -> dict[str, bytes]:
        """The same from the bucket."""
        return self.world.objects(self.prefix)


def _deltacrown() -> dict[str, Any]:
    return manifest("production/deltacrown.yaml", "Deployment", "deltacrown")


class Service:
    """New connections go to one backend after the other; those that are there stay, as behind a Kubernetes Service."""

    def __init__(self, *backends: int) -> None:
        """Forward to these ports."""
        self.backends = list(backends)
        self._next = 0
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Service:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening, and drop what is open."""
        self._server.close()
        while self._open:
            for writer in self._open:
                writer.close()
            await asyncio.sleep(0.01)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._next += 1
        backend = self.backends[self._next % len(self.backends)]
        self._open.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", backend)
            self._open.add(back)
            await asyncio.gather(_pipe(reader, back), _pipe(there, writer))
            self._open.discard(back)
        except ConnectionRefusedError:
            writer.close()
        self._open.discard(writer)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end, and hand the end on: an end, or the reset that it was."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except ConnectionError:
        writer.transport.abort()
