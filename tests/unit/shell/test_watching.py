"""The watch that begins again: what breaks it, what is left out of it, and what is found without it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from certstorage.cluster.port import POLICIES, ForbiddenError, Json, UnavailableError
from certstorage.registry import Key, Registry
from certstorage.wakes import Wakes
from certstorage.watching import EVERYWHERE, Pace, Watcher
from tests.fakes.cluster import Call, FakeCluster
from tests.fakes.scene import policy_body

SOON = Pace(relist=0.005, refused=0.005, retry=0.001, rewatch=0.001, most_rewatch=0.01)
NEVER = Pace(relist=3600, refused=3600, retry=0.001, rewatch=0.001, most_rewatch=0.01)


class Kopf:
    """A watch that records where it was told to look, and breaks when a test says so."""

    def __init__(self) -> None:
        self.looked: list[tuple[str, ...]] = []
        self.now: tuple[str, ...] = ()
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __call__(self, wakes: Wakes, namespaces: tuple[str, ...]) -> None:
        self.looked.append(namespaces)
        self.now = namespaces
        self._broken = asyncio.get_running_loop().create_future()
        try:
            await self._broken
        finally:
            self.now = ()

    def end(self, error: Exception | None) -> None:
        """The watch ends by itself."""
        if error is None:
            self._broken.set_result(None)
        else:
            self._broken.set_exception(error)


class World:
    """Two namespaces with a policy each, of which some may not be read."""

    def __init__(self, pace: Pace, namespaces: tuple[str, ...] | None = ("one", "two")) -> None:
        self.cluster = FakeCluster(before=self._refuse)
        for namespace in ("one", "two"):
            self.add(namespace, "certificates")
        self.refused: set[str] = set()
        self.fails = 0
        self.woken: list[Key] = []
        self.broke: list[None] = []
        self.kopf = Kopf()
        wakes = Wakes(Registry(), self.woken.append)
        self.watcher = Watcher(self.cluster, wakes, namespaces, lambda: self.broke.append(None), pace=pace)

    def add(self, namespace: str, name: str) -> Json:
        body = policy_body(name, name)
        return self.cluster.add(POLICIES, {**body, "metadata": {**body["metadata"], "namespace": namespace}})

    def _refuse(self, call: Call) -> None:
        if self.fails:
            self.fails -= 1
            raise UnavailableError("no answer")
        if call.namespace in self.refused:
            raise ForbiddenError(f"may not list in {call.namespace}")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.watcher.list()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.watcher.watch(self.kopf)),
                group.create_task(self.watcher.list_again()),
            ]
            yield
            for task in tasks:
                task.cancel()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110  (conditions of many kinds, and no time passes)
                await asyncio.sleep(0)


async def test_every_namespace_is_watched_and_every_policy_known() -> None:
    world = World(NEVER)
    async with world.running():
        await world.until(lambda: world.kopf.now)
        assert world.kopf.now == ("one", "two")
        assert set(world.woken) == {("one", "certificates"), ("two", "certificates")}


async def test_all_namespaces_are_one_watch() -> None:
    world = World(NEVER, namespaces=None)
    async with world.running():
        await world.until(lambda: world.kopf.now)
        assert world.kopf.now == (EVERYWHERE,)


async def test_no_namespace_is_no_watch_but_no_end() -> None:
    world = World(SOON, namespaces=())
    async with world.running():
        for _ in range(50):
            await asyncio.sleep(0)
        assert world.kopf.looked == []
        assert world.broke == []


@pytest.mark.parametrize("error", [RuntimeError("403 on watch"), ExceptionGroup("kopf", [OSError("gone")]), None])
async def test_a_watch_that_breaks_down_begins_again_and_finds_what_it_missed(error: Exception | None) -> None:
    world = World(NEVER)
    async with world.running():
        await world.until(lambda: world.kopf.now)
        world.kopf.end(error)
        world.add("two", "new")
        await world.until(lambda: len(world.kopf.looked) == 2 and world.kopf.now)
        assert len(world.broke) == 1
        assert ("two", "new") in world.woken


async def test_a_namespace_that_may_not_be_read_any_more_is_left_out_and_the_others_go_on() -> None:
    world = World(NEVER)
    async with world.running():
        await world.until(lambda: world.kopf.now)
        world.refused.add("one")
        world.woken.clear()
        world.kopf.end(RuntimeError("403 on watch"))
        await world.until(lambda: world.kopf.now == ("two",))
        assert set(world.woken) == {("one", "certificates")}, (
            "its policy is looked at once more, and its pass says why not"
        )


async def test_an_enrolment_is_found_and_the_watch_grows_by_it() -> None:
    world = World(SOON)
    world.refused.add("one")
    async with world.running():
        await world.until(lambda: world.kopf.now)
        assert world.kopf.now == ("two",)
        assert ("one", "certificates") not in world.woken
        world.refused.clear()
        await world.until(lambda: world.kopf.now == ("one", "two"))
        assert ("one", "certificates") in world.woken
        assert world.broke == [], "moving on is no breakdown"


async def test_the_first_enrolment_begins_the_watch() -> None:
    world = World(SOON)
    world.refused |= {"one", "two"}
    async with world.running():
        await asyncio.sleep(0)
        assert world.kopf.looked == []
        world.refused.discard("two")
        await world.until(lambda: world.kopf.now == ("two",))


async def test_what_is_listed_again_and_is_the_same_moves_nothing() -> None:
    world = World(SOON)
    async with world.running():
        lists = len(world.cluster.calls)
        await world.until(lambda: len(world.cluster.calls) > lists + 6)
        assert world.kopf.looked == [("one", "two")]


async def test_an_api_server_that_does_not_answer_is_asked_until_it_does() -> None:
    world = World(NEVER)
    world.fails = 3
    async with world.running():
        await world.until(lambda: world.kopf.now)
        assert world.kopf.now == ("one", "two"), "no answer is not a refusal: no namespace is left out for it"


async def test_a_watch_that_breaks_at_once_waits_longer_each_time() -> None:
    waits: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 6:
            enough.set()
            await asyncio.Event().wait()

    async def breaks(_: Wakes, __: tuple[str, ...]) -> None:
        raise RuntimeError("at once")

    watcher = Watcher(
        World(NEVER).cluster,
        Wakes(Registry(), lambda _: None),
        None,
        lambda: None,
        pace=Pace(rewatch=1, most_rewatch=8),
        sleep=sleep,
    )
    await watcher.list()
    watching = asyncio.ensure_future(watcher.watch(breaks))
    await enough.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert waits == [1, 2, 4, 8, 8, 8]


async def test_the_end_of_the_operator_ends_the_watch() -> None:
    world = World(NEVER)
    async with world.running():
        await world.until(lambda: world.kopf.now)
    assert world.kopf.now == ()
    assert world.broke == []
