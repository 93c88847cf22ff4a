"""Real parts for the tests of signals: Prometheus and Alertmanager as processes, and a workload that can be broken."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml
from aiohttp import web

from certstorage.api.status import ReadsFrom, ReadsStatus
from certstorage.signals.names import OPERATOR_DEPLOYMENT, OPERATOR_NAMESPACE
from certstorage.signals.rules import rule_file, to_yaml
from certstorage.signals.server import Server
from certstorage.signals.timings import Timings
from certstorage.telemetry import CONTENT_TYPE, PolicyFacts, Telemetry
from tests.cluster import binaries, packages

NAMESPACE, DEPLOYMENT = "production", "deltacrown"


def seconds(count: float) -> timedelta:
    """A duration."""
    return timedelta(seconds=count)


FAST = Timings(
    interval=seconds(1),
    outage_window=seconds(4),
    outage_for=seconds(1),
    check_window=seconds(5),
    window=seconds(10),
    degraded_for=seconds(8),
    recovered_window=seconds(5),
    baseline_window=seconds(30),
    absent_for=seconds(2),
    stale_after=seconds(8),
    flag_mismatch_for=seconds(5),
    blocked_after=seconds(60),
    min_operations=5,
)
"""Production's proportions at one evaluation a second."""


def free_port() -> int:
    """A port of loopback that nobody has, below those that the kernel gives to clients meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], within: float, what: str) -> T:
    """Look until it is as wanted. Fails with the last look when the time is over."""
    deadline = time.monotonic() + within
    while True:
        seen = await look()
        if wanted(seen):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what}; last seen: {seen}")
        await asyncio.sleep(0.1)


@dataclass
class Workload:
    """The application's metrics: counters that grow with the time between two scrapes.

    `reads_local` is what a flip does: Pods start anew under another name and read from local disk.
    """

    reads: float = 40.0
    saves: float = 20.0
    mode: str = "up"
    """up, down (everything fails at once), or hole (nothing ends)."""
    reads_local: bool = False
    template_hash: str = "aaaa1"
    gone: bool = False
    gauge: bool = True
    """Whether it exports how many requests are in flight."""
    counters: dict[str, float] = field(default_factory=dict)
    _at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.restart(self.template_hash)

    @property
    def pod(self) -> str:
        """The one Pod's name."""
        return f"{DEPLOYMENT}-{self.template_hash}-x7k2p"

    def restart(self, template_hash: str, *, reads_local: bool = False) -> None:
        """A rollout: new Pod, counters from nought."""
        names = ("save", "save_fail", "read", "read_fallback", "delete", "delete_fail", "write", "write_success")
        self.counters = {f"cert_s3_{name}_total": 0.0 for name in names}
        self.counters |= {'cert_s3_get_seconds_bucket{le="0.5"}': 0.0, 'cert_s3_get_seconds_bucket{le="+Inf"}': 0.0}
        self.counters |= {"cert_s3_get_seconds_count": 0.0, "cert_s3_get_seconds_sum": 0.0}
        self.template_hash, self.reads_local, self._at = template_hash, reads_local, time.monotonic()

    def _grow(self) -> None:
        elapsed, self._at = time.monotonic() - self._at, time.monotonic()
        reads, saves = self.reads * elapsed, self.saves * elapsed
        count = self.counters
        count["cert_s3_read_total"] += reads
        count["cert_s3_save_total"] += saves
        count["cert_s3_write_total"] += saves
        count["cert_s3_delete_total"] += saves
        if self.mode == "up":
            count["cert_s3_write_success_total"] += saves
            if not self.reads_local:
                for name in ('bucket{le="0.5"}', 'bucket{le="+Inf"}', "count"):
                    count[f"cert_s3_get_seconds_{name}"] += reads
        elif self.mode == "down":
            count["cert_s3_save_fail_total"] += saves
            count["cert_s3_delete_fail_total"] += saves
            if not self.reads_local:
                count["cert_s3_read_fallback_total"] += reads

    def text(self) -> str:
        """The text format, with the labels that a scrape would find by service discovery."""
        self._grow()
        hanging = 30 if self.mode == "hole" else 1 if self.reads + self.saves else 0
        values = dict(self.counters)
        if self.gauge:
            values['cert_s3_in_flight{op="read"}'] = 0 if self.reads_local else hanging
            values['cert_s3_in_flight{op="save"}'] = hanging
        values |= {"cert_local_disk_free_bytes": 60, "cert_local_disk_size_bytes": 100}
        values |= {"cert_local_disk_free_inodes": 70, "cert_local_disk_inodes": 100}
        labels = f'namespace="{NAMESPACE}",deployment="{DEPLOYMENT}",pod="{self.pod}"'
        lines = []
        for series, value in values.items():
            name, _, more = series.rstrip("}").partition("{")
            lines.append(f"{name}{{{labels}{',' if more else ''}{more}}} {value}")
        return "\n".join(lines) + "\n"


POLICY = ("production", "certificates")
IN_PEACE = PolicyFacts(
    labels=(*POLICY, DEPLOYMENT),
    reads=ReadsStatus(ReadsFrom.S3, ReadsFrom.S3, pods=1, pods_as_desired=1),
    flag=1.0,
    held=False,
    mismatch_percent=0.02,
)
"""What the operator exports of a policy while nothing is wrong."""


@dataclass
class Exporter:
    """Serves a workload's metrics and the operator's own."""

    workload: Workload
    port: int = field(default_factory=free_port)
    telemetry: Telemetry = field(default_factory=lambda: Telemetry("test", time.time))
    evaluates: bool = True
    """Whether the operator goes through its signals."""

    def about_policy(self, **facts: Any) -> None:
        """The operator cares for the workload; `facts` say what is not in peace."""
        self.telemetry.facts[POLICY] = replace(IN_PEACE, **facts)

    def application(self) -> web.Application:
        """Routes: /metrics and /operator."""

        async def metrics(_: web.Request) -> web.Response:
            if self.workload.gone:
                return web.Response(status=503)
            return web.Response(text=self.workload.text(), content_type="text/plain")

        async def operator(_: web.Request) -> web.Response:
            if self.evaluates:
                self.telemetry.evaluation()
            return web.Response(body=self.telemetry.text(), headers={"Content-Type": CONTENT_TYPE})

        app = web.Application()
        app.add_routes([web.get("/metrics", metrics), web.get("/operator", operator)])
        return app

    def scraped(self) -> list[dict[str, Any]]:
        """The jobs of a Prometheus that scrapes both. Labels are the exporter's, so that a rollout is seen at once."""
        address = [f"127.0.0.1:{self.port}"]
        own = {"namespace": OPERATOR_NAMESPACE, "deployment": OPERATOR_DEPLOYMENT, "pod": "certstorage-operator-0"}
        pods = {"job_name": "pods", "honor_labels": True, "static_configs": [{"targets": address}]}
        operator = {"job_name": "operator", "metrics_path": "/operator"}
        return [pods, operator | {"static_configs": [{"targets": address, "labels": own}]}]


class Process:
    """A program in the background whose end is sure."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._command, self._log = command, log
        self._running: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, or start it again."""
        with self._log.open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(*self._command, stdout=log, stderr=log)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Signal it, if it runs, and wait for its end."""
        if self._running is not None and self._running.returncode is None:
            self._running.send_signal(how)
            await self._running.wait()

    def log(self) -> str:
        """The end of what it said."""
        return self._log.read_text(errors="replace")[-2000:]


class Prometheus(Process):
    """One Prometheus with our rules, which scrapes the exporter and sends alerts where told."""

    def __init__(
        self,
        folder: Path,
        version: str,
        exporter: Exporter,
        timings: Timings = FAST,
        alertmanagers: tuple[int, ...] = (),
        flags: tuple[str, ...] = (),
    ) -> None:
        self.version = version
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.folder, self.exporter, self.timings, self.alertmanagers = folder, exporter, timings, alertmanagers
        self.rules = folder / "rules.yml"
        folder.mkdir(parents=True, exist_ok=True)
        self.rules.write_text(to_yaml(rule_file(timings), timings))
        (folder / "prometheus.yml").write_text(yaml.safe_dump(self._config()))
        command = [
            str(PROMETHEUS_PROGRAMS[version]()),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-lifecycle",
            "--storage.tsdb.retention.time=1d",
            *flags,
        ]
        super().__init__(command, folder / "log")

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(self.rules)],
            "scrape_configs": self.exporter.scraped(),
        }
        if self.alertmanagers:
            targets = [f"127.0.0.1:{port}" for port in self.alertmanagers]
            one = {"static_configs": [{"targets": targets}], "api_version": "v2"}
            config["alerting"] = {"alertmanagers": [one]}
        return config

    @property
    def server(self) -> Server:
        """How to ask it."""
        return Server("default", self.base)

    async def ready(self, session: aiohttp.ClientSession) -> None:
        """Wait until it answers."""
        await answering(session, f"{self.base}/-/ready", self)

    async def reload(self, session: aiohttp.ClientSession) -> None:
        """Read the rules again."""
        async with session.post(f"{self.base}/-/reload") as response:
            assert response.status == 200, await response.text()

    async def requests(self, session: aiohttp.ClientSession) -> float:
        """API requests that it has answered, by its own count."""
        async with session.get(f"{self.base}/metrics") as response:
            lines = (await response.text()).splitlines()
        counted = [
            line for line in lines if line.startswith('prometheus_http_requests_total{code="200",handler="/api/')
        ]
        return sum(float(line.rsplit(" ", 1)[1]) for line in counted)

    async def query(self, session: aiohttp.ClientSession, expr: str) -> list[Any]:
        """The result of an instant query."""
        async with session.post(f"{self.base}/api/v1/query", data={"query": expr}) as response:
            answer = await response.json()
            assert answer["status"] == "success", answer
            result: list[Any] = answer["data"]["result"]
            return result


class Alertmanager(Process):
    """One Alertmanager with a configuration."""

    def __init__(self, folder: Path, program: Path, config: dict[str, Any], port: int | None = None) -> None:
        self.port = port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
        command = [
            str(program),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]
        super().__init__(command, folder / "log")

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    async def ready(self, session: aiohttp.ClientSession) -> None:
        """Wait until it answers."""
        await answering(session, f"{self.url}/-/ready", self)

    async def alerts(self, session: aiohttp.ClientSession) -> list[Any]:
        """The alerts it has."""
        async with session.get(f"{self.url}/api/v2/alerts") as response:
            found: list[Any] = await response.json()
            return found


async def answering(session: aiohttp.ClientSession, url: str, process: Process) -> None:
    """Wait until a URL answers 200."""

    async def look() -> int:
        try:
            async with session.get(url) as response:
                return response.status
        except aiohttp.ClientError:
            return 0

    try:
        await eventually(look, lambda status: status == 200, 30, f"{url} answers")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{process.log()}") from None


PROMETHEUS_PROGRAMS = {"2.42": lambda: packages.prometheus_2("prometheus"), "3.16": binaries.prometheus}
ALERTMANAGER_PROGRAMS = {
    "0.25": lambda: packages.prometheus_2("prometheus-alertmanager"),
    "0.28": binaries.alertmanager,
}
