"""Whole processes: SIGTERM frees the Lease at once, SIGKILL costs its time; an API server goes and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from certstorage.cluster.client import ApiCluster, login
from certstorage.cluster.port import LEASES
from tests.cluster import ControlPlane, control_plane
from tests.component.shell.process import Process
from tests.component.shell.stage import Stage, until
from tests.fakes.prometheus import FakePrometheus, served_prometheus

TARGET = "deltacrown"


class Closing(ApiCluster):
    """A port that can be closed as a context."""

    aclose = ApiCluster.close


@pytest.fixture
async def prometheus(namespace: str) -> AsyncIterator[FakePrometheus]:
    async with served_prometheus([(namespace, TARGET)]) as found:
        yield found


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as found:
        yield found


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Callable[..., Process]]:
    """Makes operators, of which none outlives the test."""
    made: list[Process] = []

    def new(identity: str, plane: ControlPlane, prometheus: FakePrometheus, namespace: str) -> Process:
        made.append(Process(tmp_path, identity, plane.kubeconfig, prometheus.url, [namespace]))
        return made[-1]

    yield new
    for process in made:
        await process.stop(signal.SIGKILL)


async def test_the_standby_takes_over_when_the_leader_ends_or_dies(
    make: Callable[..., Process],
    plane: ControlPlane,
    cluster: ApiCluster,
    namespace: str,
    prometheus: FakePrometheus,
    session: aiohttp.ClientSession,
) -> None:
    stage = Stage(plane, cluster, namespace)
    one, other = (make(identity, plane, prometheus, namespace) for identity in ("one", "two"))
    await stage.build()
    await one.start()
    await stage.until("ready", lambda: stage.is_reason("ReadsFromS3"))
    await other.start()

    async def is_ready() -> bool:
        return await other.get(session, "/readyz") == 200

    await stage.until("the standby is ready, once it has seen the Lease", is_ready, seconds=10)
    assert await other.nudge(session) == 503, "a standby lets Alertmanager find the leader"
    assert await one.nudge(session) == 202

    begun = time.monotonic()
    assert await one.stop() == 0
    assert time.monotonic() - begun < 5

    async def leads() -> bool:
        return await other.metric(session, "certstorage_leading") == 1

    await stage.until("the standby leads at once", leads, seconds=10)
    await one.start()
    assert await other.stop(signal.SIGKILL) == -signal.SIGKILL
    prometheus.fire((namespace, TARGET))
    await stage.until("the flip by who follows the dead", lambda: stage.is_flag("false"), seconds=40)
    lease = await cluster.get(LEASES, "default", one.lease)
    assert lease["spec"]["holderIdentity"] == "one"
    assert await one.stop() == 0


async def test_an_api_server_that_goes_and_comes_back(
    make: Callable[..., Process], session: aiohttp.ClientSession
) -> None:
    """It is away for longer than the Lease, and S3 fails meanwhile: the same process flips soon after its return."""
    with control_plane() as plane:
        await asyncio.to_thread(plane.kubectl, "apply", "-k", str(Path(__file__).parents[3] / "crds"))
        kinds = ("certstoragepolicies", "certstoragerequests", "certstorageincidents")
        for kind in kinds:
            wait = ("wait", "--for=condition=Established", "--timeout=60s", f"crd/{kind}.storage.deltacrown.io")
            await asyncio.to_thread(plane.kubectl, *wait)
        async with (
            contextlib.aclosing(Closing(await login(kubeconfig_path=str(plane.kubeconfig)))) as cluster,
            served_prometheus([("default", TARGET)]) as prometheus,
        ):
            stage = Stage(plane, cluster, "default")
            await stage.build()
            operator = make("only", plane, prometheus, "default")
            await operator.start()
            await stage.until("ready", lambda: stage.is_reason("ReadsFromS3"))
            pid = operator.pid
            await asyncio.to_thread(plane.kill, "kube-apiserver")
            prometheus.fire(("default", TARGET))

            async def stands_by() -> bool:
                return await operator.metric(session, "certstorage_leading") == 0

            await until("it stands by", stands_by, seconds=30)
            await asyncio.to_thread(plane.start, "kube-apiserver")
            await stage.until("the flip after the return", lambda: stage.is_flag("false"), seconds=60)
            assert operator.pid == pid
            assert await operator.stop() == 0
