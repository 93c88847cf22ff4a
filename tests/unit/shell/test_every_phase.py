"""What people may do at any time, done in every phase of every story: delete the policy, change its mode, redeploy.

Each story is told once, and its world is kept at every step; from each of these the same thing is done, with an
operator that has no memory.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from certstorage.api.signals import SignalName, SignalSet
from certstorage.cluster.port import DEPLOYMENTS, POLICIES, Json
from tests.fakes.cluster import FakeCluster
from tests.fakes.scene import NAMESPACE, POLICY, READ, TARGET, Scene, firing, healthy, hidden, outage

LEVEL = "LOG_LEVEL"


@dataclass
class Moment:
    """The world at one step of a story, and what Prometheus says then."""

    step: str
    cluster: FakeCluster
    signals: SignalSet
    settled: bool
    """Nothing was left to write."""

    def scene(self) -> Scene:
        """A scene that goes on from here, with a fresh operator."""
        made = Scene(self.cluster.copy())
        made.source.current = self.signals
        made.source.reads = 500.0
        return made


class Story:
    """Tells, and keeps the world at every step."""

    def __init__(self) -> None:
        self.scene = Scene(recovery={"holdSeconds": 60})
        self.scene.source.reads = 500.0
        self.moments: list[Moment] = []

    async def go(self, step: str, seconds: float, signals: SignalSet | None = None) -> None:
        """Time passes, and one pass is made at a time, each of which is a moment."""
        if signals is not None:
            self.scene.source.current = signals
        self.scene.cluster.advance(seconds)
        for _ in range(10):
            before = len(self.scene.cluster.writes())
            await self.scene.step()
            settled = len(self.scene.cluster.writes()) == before
            self.moments.append(Moment(step, self.scene.cluster.copy(), self.scene.source.current, settled))
            if settled:
                return
        raise AssertionError(f"{step} does not settle")

    def finish(self) -> None:
        if any(not job.get("status") for job in self.scene.jobs()):
            self.scene.finish()


async def an_outage() -> Story:
    story = Story()
    await story.go("healthy", 0)
    await story.go("fires", 1, outage())
    await story.go("local", 15, hidden())
    await story.go("answers", 15, healthy())
    await story.go("held", 61)
    story.finish()
    await story.go("returns", 15)
    await story.go("checked", 60)
    await story.go("over", 60)
    return story


async def a_degradation() -> Story:
    story = Story()
    await story.go("healthy", 0)
    await story.go("fires", 1, firing(SignalName.DEGRADED, since=story.scene.cluster.now))
    await story.go("debugs", 125)
    story.finish()
    await story.go("found", 15)
    await story.go("clear", 15, healthy())
    await story.go("calm", 301)
    story.finish()
    await story.go("validated", 15)
    return story


async def a_sweep() -> Story:
    story = Story()
    await story.go("healthy", 0)
    story.scene.ask("sweep-now", "Sweep")
    await story.go("asked", 1)
    story.scene.approve("sweep-now")
    await story.go("stopped", 1)
    story.finish()
    await story.go("passed", 15)
    await story.go("over", 60)
    return story


STORIES: tuple[Callable[[], Awaitable[Story]], ...] = (an_outage, a_degradation, a_sweep)


async def every_moment(tell: Callable[[], Awaitable[Story]]) -> AsyncIterator[Moment]:
    story = await tell()
    assert len({moment.step for moment in story.moments}) > 4
    for moment in story.moments:
        yield moment


def owners(spec: Json) -> Json:
    """A Deployment's spec without the one flag that may stay local."""
    found = copy.deepcopy(spec)
    for entry in found["template"]["spec"]["containers"][0]["env"]:
        if entry["name"] == READ:
            entry["value"] = "true"
    return found


@pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)
async def test_deleting_the_policy_gives_everything_back_but_reads(tell: Callable[[], Awaitable[Story]]) -> None:
    first: Json = {}
    async for moment in every_moment(tell):
        scene = moment.scene()
        first = first or copy.deepcopy(scene.deployment()["spec"])
        flag = scene.env(READ)
        if scene.hold() is not None and not scene.policy()["metadata"].get("finalizers"):
            assert moment.step == "fires", "the flip alone comes before the finalizer, which the next pass sets at once"
            continue
        scene.cluster.remove(POLICIES, NAMESPACE, POLICY)
        for _ in range(6):
            await scene.step(1)
        assert scene.cluster.every(POLICIES) == [], f"{moment.step}: it hangs"
        assert owners(scene.deployment()["spec"]) == first, moment.step
        assert scene.env(READ) == flag, f"{moment.step}: no receipt, no return"
        assert scene.hold() is None, moment.step
        assert "certstorage-operator" not in scene.managers(), moment.step


@pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)
async def test_an_idle_policy_goes_with_the_operator_dead_and_a_holding_one_waits_for_it(
    tell: Callable[[], Awaitable[Story]],
) -> None:
    async for moment in every_moment(tell):
        if not moment.settled:
            continue
        scene = moment.scene()
        holds = scene.hold() is not None or "certstorage-operator" in scene.managers()
        scene.cluster.remove(POLICIES, NAMESPACE, POLICY)
        assert bool(scene.cluster.every(POLICIES)) == holds, moment.step


@pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)
async def test_observe_takes_the_hands_off_and_enforce_puts_them_back(tell: Callable[[], Awaitable[Story]]) -> None:
    first: Json = {}
    async for moment in every_moment(tell):
        scene = moment.scene()
        first = first or copy.deepcopy(scene.deployment()["spec"])
        flag = scene.env(READ)
        mode(scene, "Observe")
        for _ in range(6):
            await scene.step(1)
        assert scene.env(READ) == flag, f"{moment.step}: reads are frozen as they are"
        assert owners(scene.deployment()["spec"]) == first, f"{moment.step}: all else is given back"
        generation = scene.deployment()["metadata"]["generation"]
        await scene.settle(3600)
        assert scene.deployment()["metadata"]["generation"] == generation, f"{moment.step}: and nothing more is done"
        mode(scene, "Enforce")
        scene.source.current = healthy()
        await to_the_end(scene)
        assert scene.deployment()["spec"] == first, f"{moment.step}: {scene.reason()} {scene.condition()}"
        assert scene.hold() is None, moment.step


async def to_the_end(scene: Scene) -> None:
    """The world does what it must, until nothing is held, or for an hour."""
    for _ in range(30):
        if any(not job.get("status") for job in scene.jobs()):
            scene.finish()
        await scene.settle(120)
        if scene.hold() is None and all(job.get("status") for job in scene.jobs()):
            return


def mode(scene: Scene, name: str) -> None:
    scene.cluster.touch(POLICIES, NAMESPACE, POLICY, lambda body: body["spec"].update(mode=name))


@pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)
async def test_a_deployment_that_is_made_anew_is_not_taken_for_the_old_one(
    tell: Callable[[], Awaitable[Story]],
) -> None:
    first: Json = {}
    async for moment in every_moment(tell):
        scene = moment.scene()
        first = first or copy.deepcopy(scene.deployment())
        scene.source.current = healthy()
        scene.cluster.remove(DEPLOYMENTS, NAMESPACE, TARGET)
        await scene.step(1)
        body = {**first, "metadata": {"name": TARGET, "namespace": NAMESPACE}}
        scene.cluster.add(DEPLOYMENTS, body, manager="helm")
        await to_the_end(scene)
        assert scene.deployment()["spec"] == first["spec"], moment.step
        assert scene.hold() is None, moment.step
        assert scene.policy()["metadata"].get("finalizers", []) == [], moment.step
