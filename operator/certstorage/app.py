"""The process: log in, serve probes, wait for the Lease, lead. One event loop; any part that dies ends it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import ClientSession
from kubernetes.aio.client import ApiClient

from certstorage import __version__
from certstorage.board import AlertBoard
from certstorage.cluster.client import ApiCluster, login
from certstorage.cluster.port import POLICIES, Cluster, ClusterError, Json
from certstorage.config import Config, PrometheusServer
from certstorage.health import Heart, application, served
from certstorage.lease import FencedCluster, Lease
from certstorage.reconcile import Decide, Reconciler, Settings
from certstorage.registry import Key, Registry
from certstorage.signals.reader import Reader
from certstorage.signals.server import Client, Server
from certstorage.signals.source import SignalSource
from certstorage.telemetry import CONTENT_TYPE, Telemetry
from certstorage.wakes import Wakes
from certstorage.workqueue import Outcome, WorkQueue

WORKERS = 64
"""Passes at once: 16 took twice as long for a mass flip (measured)."""
LIST_SECONDS = 300.0
"""Between two lists of all policies, which find what the watch missed."""
LIST_RETRY_SECONDS = 2.0
POLL_SILENCE_SECONDS = 120.0
"""Every poll ends, answered or not, within a few seconds: after this long without one the process is restarted."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. `identity` names this process in the Lease and in Events."""

    identity: str
    lease_namespace: str = "certstorage-system"
    lease_name: str = "certstorage-operator"
    host: str = "0.0.0.0"  # noqa: S104
    port: int = 8080
    nudge_port: int = 8081
    nudge_token_file: str = ""
    kubeconfig: str = ""
    context: str = ""


Watch = Callable[[Wakes, ApiClient, Config], Awaitable[None]]
"""Feeds the wakes for ever; ends only when the process is asked to stop."""


class Shell:
    """Everything that lives for as long as the process leads."""

    def __init__(
        self,
        cluster: Cluster,
        config: Config,
        decide: Decide,
        *,
        identity: str,
        session: ClientSession,
        telemetry: Telemetry,
        heart: Heart,
    ) -> None:
        self.cluster, self.config, self.telemetry, self.heart = cluster, config, telemetry, heart
        self.registry, self.queue = Registry(), WorkQueue[Key]()
        self.board = AlertBoard()
        self.wakes = Wakes(self.registry, self.queue.wake)
        self.source = SignalSource(
            Reader(Client(session)),
            {name: _server(name, server) for name, server in config.prometheus.items()},
            policies=lambda: self.registry,
            wake=lambda key: self.queue.wake(key, urgent=True),
            poll_seconds=config.poll_seconds,
            polled=self._polled,
        )
        self.reconciler = Reconciler(
            cluster,
            self.source,
            decide,
            Settings(config.validator_image, config.allowed_env, identity),
            self.registry,
            self.board,
            telemetry,
            self.queue.wake,
        )

    async def lead(self, watch: Callable[[Wakes], Awaitable[None]]) -> None:
        """List, then watch, poll and reconcile for ever. Any part that dies ends all; a watch that ends, too."""
        await self._first_list()
        async with asyncio.TaskGroup() as group:
            others = (
                group.create_task(self.queue.run(self._work, workers=WORKERS)),
                group.create_task(self._list_again()),
                group.create_task(self.source.run()),
            )
            await watch(self.wakes)
            for task in others:
                task.cancel()

    def _polled(self) -> None:
        self.telemetry.evaluation()
        self.heart.beat("signals", POLL_SILENCE_SECONDS)

    async def _work(self, key: Key) -> Outcome:
        begun = time.perf_counter()
        try:
            return await self.reconciler(key)
        finally:
            self.telemetry.pass_seconds.observe(time.perf_counter() - begun)
            self.telemetry.queue_depth.set(self.queue.schedule.depth)

    async def _first_list(self) -> None:
        """Know every policy before the first pass: who is older decides who may act."""
        while True:
            try:
                self.wakes.listed(await self._all_policies())
            except ClusterError as error:
                log.warning("policies cannot be listed: %s", error)
                await asyncio.sleep(LIST_RETRY_SECONDS)
            else:
                return

    async def _list_again(self) -> None:
        """The watch misses deletions that happen while it is down."""
        while True:
            await asyncio.sleep(LIST_SECONDS)
            await self._first_list()

    async def _all_policies(self) -> dict[Key, Json]:
        namespaces = ("",) if self.config.namespaces is None else self.config.namespaces
        found: dict[Key, Json] = {}
        for namespace in namespaces:
            for body in await self.cluster.list(POLICIES, namespace):
                found[body["metadata"]["namespace"], body["metadata"]["name"]] = body
        return found


def _server(name: str, server: PrometheusServer) -> Server:
    return Server(
        name,
        server.url,
        prefix=server.prefix,
        ca_file=server.ca_file,
        bearer_token_file=server.bearer_token_file,
        username=server.username,
        password_file=server.password_file,
    )


async def serve(config: Config, options: Options, decide: Decide, watch: Watch) -> None:
    """Run until asked to stop.

    Raises:
        LoginError: no cluster can be logged in to.
        LeaseLostError: another may lead by now.
    """
    api = await login(kubeconfig_path=options.kubeconfig, context=options.context)
    cluster = ApiCluster(api)
    lease = Lease(cluster, options.lease_namespace, options.lease_name, options.identity)
    telemetry, heart = Telemetry(__version__, time.time), Heart()

    async def lead() -> None:
        telemetry.leading.set(1)
        try:
            async with ClientSession(trust_env=False) as session:
                shell = Shell(
                    FencedCluster(cluster, lease),
                    config,
                    decide,
                    identity=options.identity,
                    session=session,
                    telemetry=telemetry,
                    heart=heart,
                )
                await shell.lead(lambda wakes: watch(wakes, api, config))
        finally:
            telemetry.leading.set(0)
            heart.rest("signals")

    routes = application(heart, lambda: "", telemetry.text, CONTENT_TYPE)
    ticking = asyncio.ensure_future(heart.tick())
    try:
        async with served(routes, options.host, options.port):
            await lease.run(lead)
    finally:
        ticking.cancel()
        await cluster.close()
