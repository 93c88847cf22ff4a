"""The process: log in, serve probes, wait for the Lease, lead. One event loop; any part that dies ends it."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import ClientSession
from kubernetes.aio.client import ApiClient

from certstorage import __version__
from certstorage.api.alerts import Alert
from certstorage.cluster.client import ApiCluster, login
from certstorage.config import Config
from certstorage.health import Heart, application, served
from certstorage.lease import FencedCluster, Lease, LeaseLostError
from certstorage.ports import Decide, Settings
from certstorage.registry import Key, Registry
from certstorage.shell import MakeSource, Shell
from certstorage.signals.alertmanager import Poster
from certstorage.signals.nudge import HEAD_SECONDS, Nudge
from certstorage.signals.reader import Reader
from certstorage.signals.server import Client, new_session
from certstorage.signals.source import SignalSource
from certstorage.signals.webhook import Webhook
from certstorage.telemetry import CONTENT_TYPE, Telemetry
from certstorage.telling import Post
from certstorage.wakes import Wakes

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


WatchWith = Callable[[ApiClient, Wakes, tuple[str, ...]], Awaitable[None]]
"""A watch that logs in as our own client does."""


def _settings(config: Config, options: Options) -> Settings:
    return Settings(
        validator_image=config.validator_image,
        allowed_env=config.allowed_env,
        instance=options.identity,
        max_rollouts=config.max_concurrent_rollouts,
        max_sweeps=config.max_concurrent_sweeps,
        patience=config.patience,
    )


def _channels(config: Config) -> tuple[str, ...]:
    """The Alertmanagers, and the webhook if there is one."""
    return (*config.alertmanagers, *(() if config.webhook is None else (config.webhook.url,)))


def _post(config: Config, session: ClientSession) -> Post:
    posts: list[Post] = [Poster(session, config.alertmanagers).post]
    if config.webhook is not None:
        posts.append(Webhook(session, config.webhook.url, config.webhook.bearer_token_file).post)

    async def post(alerts: Iterable[Alert], now: datetime) -> Mapping[str, str]:
        every = tuple(alerts)
        answers = await asyncio.gather(*(one(every, now) for one in posts))
        return {channel: problem for failed in answers for channel, problem in failed.items()}

    return post


def _signals(config: Config, session: ClientSession) -> MakeSource:
    def make(registry: Registry, wake: Callable[[Key], None], polled: Callable[[], None]) -> SignalSource:
        return SignalSource(
            Reader(Client(session)),
            config.prometheus,
            policies=lambda: registry,
            wake=wake,
            poll_seconds=config.poll_seconds,
            polled=polled,
        )

    return make


async def serve(config: Config, options: Options, decide: Decide, watch: WatchWith) -> None:
    """Run until asked to stop.

    Losing the Lease is no end: an API server that is away for long must not find the operator in a restart back-off.

    Raises:
        LoginError: no cluster can be logged in to.
    """
    api = await login(kubeconfig_path=options.kubeconfig, context=options.context)
    cluster = ApiCluster(api)
    lease = Lease(cluster, options.lease_namespace, options.lease_name, options.identity)
    telemetry, heart = Telemetry(__version__, time.time), Heart()

    leader: list[Shell] = []

    def nudge() -> bool:
        return any(shell.source.nudge() for shell in leader)

    async def lead() -> None:
        telemetry.leading.set(1)
        try:
            async with new_session() as session:
                shell = Shell(
                    FencedCluster(cluster, lease),
                    _signals(config, session),
                    decide,
                    _settings(config, options),
                    _post(config, session),
                    namespaces=config.namespaces,
                    channels=_channels(config),
                    telemetry=telemetry,
                    heart=heart,
                )
                leader.append(shell)
                await shell.lead(functools.partial(watch, api))
        finally:
            leader.clear()
            telemetry.leading.set(0)
            heart.rest("signals")

    routes = application(heart, lease.lacks, telemetry.text, CONTENT_TYPE)
    nudges = Nudge(options.nudge_token_file, nudge).application()
    ticking = asyncio.ensure_future(heart.tick())
    try:
        async with (
            served(routes, options.host, options.port),
            served(nudges, options.host, options.nudge_port, keepalive_seconds=HEAD_SECONDS),
        ):
            while True:
                try:
                    await lease.run(lead)
                except LeaseLostError as error:
                    log.error("standing by again: %s", error)
    finally:
        ticking.cancel()
        await cluster.close()
