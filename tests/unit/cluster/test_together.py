"""Shared lists: few calls, and never an answer that was sent before somebody asked."""

from __future__ import annotations

import asyncio

import pytest

from certstorage.cluster.port import JOBS, REQUESTS, ForbiddenError, Resource
from certstorage.cluster.together import Together
from tests.fakes.cluster import FakeCluster


class Slow(FakeCluster):
    """Lists answer only when told; each answer is how many were sent."""

    sent = 0
    fails = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.go = asyncio.Event()

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "") -> list[dict[str, int]]:
        self.sent += 1
        mine = self.sent
        await self.go.wait()
        if self.fails:
            raise ForbiddenError("no")
        return [{"sent": mine}]


async def tick() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_while_a_list_is_under_way_gets_the_next_one() -> None:
    cluster = Slow()
    together = Together(cluster)
    early = [asyncio.ensure_future(together.list(JOBS, "ns")) for _ in range(10)]
    await tick()
    late = [asyncio.ensure_future(together.list(JOBS, "ns")) for _ in range(10)]
    other = asyncio.ensure_future(together.list(REQUESTS, "ns"))
    await tick()
    assert cluster.sent == 2, "one for the early ones, one for the other kind"
    cluster.go.set()
    assert {one["sent"] for found in await asyncio.gather(*early) for one in found} == {1}
    assert {one["sent"] for found in await asyncio.gather(*late) for one in found} == {3}
    await other
    assert (await together.list(JOBS, "ns"))[0]["sent"] == 4


async def test_a_failure_reaches_everybody_who_waits_and_nobody_else() -> None:
    cluster = Slow()
    together = Together(cluster)
    cluster.fails = True
    waiting = [asyncio.ensure_future(together.list(JOBS, "ns")) for _ in range(3)]
    await tick()
    cluster.go.set()
    for one in waiting:
        with pytest.raises(ForbiddenError):
            await one
    cluster.fails = False
    assert await together.list(JOBS, "ns")


async def test_one_who_gives_up_does_not_take_the_list_from_the_others() -> None:
    cluster = Slow()
    together = Together(cluster)
    first, second = (asyncio.ensure_future(together.list(JOBS, "ns")) for _ in range(2))
    await tick()
    first.cancel()
    await tick()
    cluster.go.set()
    assert (await second)[0]["sent"] == 1
