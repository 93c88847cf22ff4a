"""A tree of certificates, a bucket, the application that writes both, and the validator as a program."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.component.validator.faults import FaultProxy
from tests.component.validator.seaweed import ACCESS_KEY, SECRET_KEY

BUCKET = "deltacrown-certificates"
PATIENCE = 120.0
"""Seconds that a run may take."""


def pdf(text: str, size: int = 0) -> bytes:
    """A whole document."""
    return b"%PDF-1.7\n" + text.encode() + b" " * size + b"\n%%EOF\n"


@dataclass(frozen=True)
class Ran:
    """A run of the program that came to its end."""

    code: int
    report: dict[str, Any]
    receipt: dict[str, Any]
    said: str

    @property
    def verdict(self) -> tuple[int, str, str]:
        """Exit code, status and reason."""
        return self.code, self.report["status"], self.report["verdict_detail"]

    @property
    def reasons(self) -> dict[str, str]:
        """What is wrong, by the name of the certificate."""
        prefix = len(self.report["prefix"])
        return {one["key"][prefix:]: one["reason"] for one in self.report["mismatch_details"]}


class World:
    """Both copies, below a folder and under a prefix of their own."""

    def __init__(self, folder: Path, client: Any, proxy: FaultProxy, name: str) -> None:
        self.root = folder / "certificates"
        self.root.mkdir()
        self.prefix = f"{name}/certificates/"
        self.own = f"{name}/.certstorage/"
        self.client = client
        self.proxy = proxy
        self._folder = folder
        self._runs = 0

    # the application

    def save(self, name: str, data: bytes | None = None) -> None:
        """Local first, then S3."""
        data = pdf(name) if data is None else data
        self.save_locally(name, data)
        self.put(name, data)

    def save_locally(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{threading.get_ident()}")
        fresh.write_bytes(data)
        fresh.replace(path)

    def put(self, name: str, data: bytes) -> None:
        """Write to S3 only."""
        self.client.put_object(Bucket=BUCKET, Key=self.prefix + name, Body=data)

    def delete(self, name: str) -> None:
        """Local first, then S3."""
        (self.root / name).unlink()
        self.delete_remotely(name)

    def delete_remotely(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=self.prefix + name)

    def fill(self, count: int, folder: str = "2026") -> list[str]:
        """Some certificates, the same on both sides."""
        names = [f"{folder}/cert_{number:04}.pdf" for number in range(count)]
        for name in names:
            self.save(name)
        return names

    @contextmanager
    def living(self, names: int = 40, seed: int = 1) -> Iterator[Callable[[], int]]:
        """The application saves, overwrites and deletes all the time; yields how many operations it did so far."""
        dice, over, done = random.Random(seed), threading.Event(), 0

        def live() -> None:
            nonlocal done
            while not over.is_set():
                name = f"live/cert_{dice.randrange(names):03}.pdf"
                if dice.random() < 0.7:
                    self.save(name, pdf(f"{name} {done}", dice.randrange(2_000)))
                elif (self.root / name).exists():
                    self.delete(name)
                done += 1

        thread = threading.Thread(target=live, daemon=True)
        thread.start()
        try:
            yield lambda: done
        finally:
            over.set()
            thread.join(60)

    # both copies

    def remote(self) -> dict[str, bytes]:
        """Every object by the name of its certificate."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=self.prefix)
        keys = [one["Key"] for page in pages for one in page.get("Contents", ())]
        return {key[len(self.prefix) :]: self.get(key) for key in keys}

    def get(self, key: str) -> bytes:
        data = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert isinstance(data, bytes)
        return data

    def local(self) -> dict[str, bytes]:
        """Every file by the name of its certificate."""
        files = (path for path in self.root.rglob("*") if path.is_file() and not path.name.startswith("."))
        return {str(path.relative_to(self.root)): path.read_bytes() for path in files}

    def own_keys(self, part: str) -> list[str]:
        """What the validator left behind under its own prefix."""
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.own}{part}")
        return [one["Key"] for one in found.get("Contents", ())]

    def age(self, seconds: float) -> None:
        """Make every local file older."""
        then = time.time() - seconds
        for path in self.root.rglob("*.pdf"):
            os.utime(path, (then, then))

    # the program

    def environment(self, **more: str) -> dict[str, str]:
        """What the program is told, and nothing else."""
        return {
            "PATH": os.environ["PATH"],
            "CERT_S3_BUCKET": BUCKET,
            "CERT_S3_PREFIX": self.prefix,
            "CERT_S3_OWN_PREFIX": self.own,
            "CERT_LOCAL_PATH": str(self.root),
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.proxy.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "CERT_RECEIPT_NONCE": "nonce-1",
            "CERT_RECEIPT_INPUTS_HASH": "hash-1",
            **more,
        }

    def start(
        self, *arguments: str, output: Path | None = None, receipt: Path | None = None, **more: str
    ) -> subprocess.Popen[str]:
        """Start the program."""
        command = [str(Path(sys.executable).with_name("s3-backfill-validator")), *arguments]
        if output is not None:
            command += ["--output", str(output)]
        if receipt is not None:
            receipt.touch()
            more["CERT_TERMINATION_MESSAGE"] = str(receipt)
        return subprocess.Popen(
            command, env=self.environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str, timeout: float = PATIENCE, **more: str) -> Ran:
        """Run the program to its end."""
        self._runs += 1
        output, receipt = (self._folder / f"{kind}-{self._runs}.json" for kind in ("report", "receipt"))
        process = self.start(*arguments, output=output, receipt=receipt, **more)
        _, said = process.communicate(timeout=timeout)
        report = json.loads(output.read_text()) if output.exists() else {}
        return Ran(process.returncode, report, json.loads(receipt.read_text() or "{}"), said)

    def check(self, *arguments: str, timeout: float = PATIENCE, **more: str) -> Ran:
        """A check that judges everything at once, however young."""
        return self.run("check", "--settle", "0.3", "--min-age", "0", *arguments, timeout=timeout, **more)

    def recover(self, *arguments: str, since: datetime | None = None, timeout: float = PATIENCE, **more: str) -> Ran:
        """A recovery."""
        since = since or datetime.now(UTC) - timedelta(hours=1)
        return self.run("recover", "--settle", "0.3", "--since", since.isoformat(), *arguments, timeout=timeout, **more)
