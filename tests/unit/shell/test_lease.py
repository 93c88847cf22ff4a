"""One operator acts at a time, whatever the API server does: handover, theft, a hang, refusals, a late answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from certstorage.cluster.port import LEASES, ForbiddenError, Json, Resource, UnavailableError
from certstorage.lease import FencedCluster, Lease, LeaseLostError, Times
from tests.fakes.cluster import Call, FakeCluster

FAST_TIME = True
QUICK = Times(duration=1.0, renew=0.4, retry=0.05)


class Watcher:
    """What an operator does while it leads: notes it, and whether it may act."""

    def __init__(self) -> None:
        self.leading = asyncio.Event()
        self.ended = asyncio.Event()

    async def lead(self) -> None:
        self.leading.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended.set()


def lease(cluster: Any, identity: str, times: Times = QUICK) -> Lease:
    clock = asyncio.get_running_loop().time
    return Lease(cluster, "certstorage-system", "certstorage-operator", identity, times=times, clock=clock)


def stored(cluster: FakeCluster) -> Json:
    return cluster.stored(LEASES, "certstorage-system", "certstorage-operator")


async def stopped(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Hanging:
    """A cluster whose calls never answer once it is told so; what is cancelled has not happened."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster, self.hangs = cluster, False

    async def _maybe(self) -> None:
        if self.hangs:
            await asyncio.get_running_loop().create_future()

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        await self._maybe()
        return await self.cluster.get(resource, namespace, name)

    async def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        await self._maybe()
        return await self.cluster.create(resource, namespace, body)

    async def replace(
        self, resource: Resource, namespace: str, name: str, body: Json, *, subresource: str = ""
    ) -> Json:
        await self._maybe()
        return await self.cluster.replace(resource, namespace, name, body, subresource=subresource)


async def test_the_first_leads_and_the_second_follows_at_once_when_it_is_released() -> None:
    cluster, one, two = FakeCluster(), Watcher(), Watcher()
    first = lease(cluster, "one")
    running = asyncio.ensure_future(first.run(one.lead))
    await asyncio.wait_for(one.leading.wait(), 5)
    waiting = asyncio.ensure_future(lease(cluster, "two").run(two.lead))
    await asyncio.sleep(3 * QUICK.retry)
    assert not two.leading.is_set()
    assert first.valid
    begun = asyncio.get_running_loop().time()
    await stopped(running)
    assert one.ended.is_set()
    assert not first.valid
    await asyncio.wait_for(two.leading.wait(), 5)
    assert asyncio.get_running_loop().time() - begun < QUICK.duration
    assert stored(cluster)["spec"]["holderIdentity"] == "two"
    assert stored(cluster)["spec"]["leaseTransitions"] == 1
    await stopped(waiting)


async def test_a_dead_leader_is_followed_after_the_whole_duration() -> None:
    cluster, one, two = FakeCluster(), Watcher(), Watcher()
    dead = Hanging(cluster)
    running = asyncio.ensure_future(lease(dead, "one").run(one.lead))
    await asyncio.wait_for(one.leading.wait(), 5)
    dead.hangs = True
    begun = asyncio.get_running_loop().time()
    waiting = asyncio.ensure_future(lease(cluster, "two").run(two.lead))
    await asyncio.wait_for(one.ended.wait(), 5)
    assert not two.leading.is_set(), "the old leader must have stopped before the next one starts"
    with pytest.raises(LeaseLostError, match="not renewed"):
        await running
    await asyncio.wait_for(two.leading.wait(), 5)
    assert asyncio.get_running_loop().time() - begun >= QUICK.duration - QUICK.retry
    await stopped(waiting)


async def test_a_stolen_lease_ends_the_leader() -> None:
    cluster, one = FakeCluster(), Watcher()
    first = lease(cluster, "one")
    running = asyncio.ensure_future(first.run(one.lead))
    await asyncio.wait_for(one.leading.wait(), 5)
    cluster.touch(
        LEASES, "certstorage-system", "certstorage-operator", lambda body: body["spec"].update(holderIdentity="thief")
    )
    with pytest.raises(LeaseLostError, match="thief"):
        await asyncio.wait_for(running, 5)
    assert one.ended.is_set()
    assert stored(cluster)["spec"]["holderIdentity"] == "thief", "what is not ours is not released"


async def test_a_deleted_lease_ends_the_leader() -> None:
    cluster, one = FakeCluster(), Watcher()
    running = asyncio.ensure_future(lease(cluster, "one").run(one.lead))
    await asyncio.wait_for(one.leading.wait(), 5)
    cluster.remove(LEASES, "certstorage-system", "certstorage-operator")
    with pytest.raises(LeaseLostError, match="deleted"):
        await asyncio.wait_for(running, 5)


async def test_our_own_write_whose_answer_was_lost_is_no_theft() -> None:
    cluster, one = FakeCluster(), Watcher()
    first = lease(cluster, "one")
    running = asyncio.ensure_future(first.run(one.lead))
    await asyncio.wait_for(one.leading.wait(), 5)
    lost = 2

    def lose(call: Call) -> None:
        nonlocal lost
        if call.verb == "replace" and lost:
            lost -= 1
            raise UnavailableError("the connection broke")

    cluster.after = lose
    for _ in range(200):
        if not lost:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(QUICK.renew)
    assert first.valid
    assert not running.done()
    await stopped(running)


@pytest.mark.parametrize("error", [ForbiddenError("no"), UnavailableError("down")], ids=["forbidden", "down"])
async def test_a_leader_that_may_not_renew_stops_in_time(error: Exception) -> None:
    cluster, one = FakeCluster(), Watcher()
    running = asyncio.ensure_future(lease(cluster, "one").run(one.lead))
    await asyncio.wait_for(one.leading.wait(), 5)

    def refuse(call: Call) -> None:
        if call.writes:
            raise error

    cluster.before = refuse
    begun = asyncio.get_running_loop().time()
    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(running, 5)
    assert asyncio.get_running_loop().time() - begun < QUICK.duration


async def test_who_may_not_take_it_waits_and_tries_again() -> None:
    cluster, one = FakeCluster(), Watcher()
    refused = 3

    def refuse(call: Call) -> None:
        nonlocal refused
        if refused:
            refused -= 1
            raise ForbiddenError("not yet")

    cluster.before = refuse
    running = asyncio.ensure_future(lease(cluster, "one").run(one.lead))
    await asyncio.wait_for(one.leading.wait(), 5)
    assert not refused
    await stopped(running)


async def test_the_same_identity_takes_its_own_lease_again_at_once() -> None:
    cluster, one, again = FakeCluster(), Watcher(), Watcher()
    dead = Hanging(cluster)
    running = asyncio.ensure_future(lease(dead, "one").run(one.lead))
    await asyncio.wait_for(one.leading.wait(), 5)
    dead.hangs = True
    await stopped(running)
    restarted = asyncio.ensure_future(lease(cluster, "one").run(again.lead))
    await asyncio.wait_for(again.leading.wait(), QUICK.duration / 2)
    await stopped(restarted)


async def test_an_error_of_the_lead_comes_out_and_frees_the_lease() -> None:
    cluster = FakeCluster()

    async def broken() -> None:
        raise OSError("a part died")

    with pytest.raises(OSError, match="a part died"):
        await lease(cluster, "one").run(broken)
    assert stored(cluster)["spec"]["holderIdentity"] == ""


async def test_validity_counts_from_before_the_renewal_was_sent() -> None:
    now = 0.0

    class Slow(FakeCluster):
        async def create(self, resource: Resource, namespace: str, body: Json) -> Json:
            nonlocal now
            made = await super().create(resource, namespace, body)
            now += 0.3
            return made

    one = Watcher()
    found = Lease(Slow(), "ns", "name", "one", times=QUICK, clock=lambda: now)
    running = asyncio.ensure_future(found.run(one.lead))
    await asyncio.wait_for(one.leading.wait(), 5)
    assert found.valid
    now = QUICK.renew + 0.01
    assert not found.valid
    await stopped(running)


def fenced_calls(fenced: FencedCluster) -> list[Callable[[], Any]]:
    return [
        lambda: fenced.create(LEASES, "ns", {"metadata": {"name": "x", "namespace": "ns"}}),
        lambda: fenced.patch(LEASES, "ns", "x", []),
        lambda: fenced.replace(LEASES, "ns", "x", {}),
        lambda: fenced.delete(LEASES, "ns", "x", "uid"),
    ]


async def test_nothing_is_written_without_the_lease() -> None:
    cluster = FakeCluster()
    fenced = FencedCluster(cluster, lease(cluster, "one"))
    for call in fenced_calls(fenced):
        with pytest.raises(UnavailableError, match="without the Lease"):
            await call()
    assert cluster.calls == []
    assert await fenced.list(LEASES) == []
