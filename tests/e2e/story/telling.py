"""How each scenario is told: what is done to the world, and which steps must follow, each within its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from tests.e2e.story import asking, beginning, cluster
from tests.e2e.story.differing import DAMAGED, INCONSISTENCY, Differs
from tests.e2e.story.facts import CONNECT_TIMEOUT, READ_TIMEOUT, Facts, Write
from tests.e2e.story.kube import KubeError
from tests.e2e.story.milder import DEGRADATION, FILLED, PLATFORM, READ_FALLBACK, ROOM_MADE, Degraded, Watched
from tests.e2e.story.observer import Observer
from tests.e2e.story.plot import Plot, Terms
from tests.e2e.story.scenes import OVER
from tests.e2e.story.story import Show, Story
from tests.e2e.story.sweeping import SWEEP, Swept
from tests.e2e.story.world import World

STEP = timedelta(minutes=3)
"""For one step with the demo's timings; most take seconds."""
COMPARE_SECONDS = 0.5
SLOW_AND_DENIED = "put:lost=12,get:delay=700,delete:denied"
LONG_TIMEOUTS = ("10", "30")
"""The runbook's: to connect and to read, in seconds."""
A_PASS_LATER = timedelta(seconds=5)
"""By then the operator has seen a schedule that was just written."""
DIFFERENCES_COUNT_AFTER = timedelta(seconds=25)
"""The validator takes what changed just now for something that is under way: CERT_MIN_AGE of the demo, and a margin."""


@dataclass(slots=True)
class Telling:
    """One scenario on a world. `told` tells it whole."""

    world: World
    observer: Observer
    story: Story

    @classmethod
    def of(cls, world: World, plot: Plot, interval: timedelta, terms: Terms, show: Show) -> Telling:
        """A story that has not begun; `interval` is that of Prometheus's rules."""
        observer = world.observer(interval)
        return cls(world, observer, Story(plot, observer, terms, show, begun=False))

    def beside(self, plot: Plot) -> Telling:
        """Another story of the same time, seen by the same observer."""
        return Telling(self.world, self.observer, Story(plot, self.observer, self.story.terms, self.story.show))

    async def calm(self) -> None:
        """Wait until nothing is wrong and nothing held: the story begins."""
        await beginning.calm(self.world, self.observer, self.story)

    async def until(self, *steps: StrEnum, within: timedelta = STEP) -> None:
        """Wait for each of these steps. Raises StoryError when one does not come in time, or something broke."""
        for step in steps:
            await self.story.until(step, within=within)

    async def through(self, last: StrEnum, *, within: timedelta = STEP) -> None:
        """Wait for every step up to this one, each within the time."""
        done = {one.step for one in self.story.steps}
        for step in self.story.plot.titles:
            if step not in done:
                await self.story.until(step, within=within)
            if step is last:
                return

    @asynccontextmanager
    async def comparing(self, keys: Collection[str]) -> AsyncIterator[None]:
        """Hold these keys of the bucket against the truth, again and again, while the block runs."""
        comparing = asyncio.create_task(self._compare(keys))
        try:
            yield
        finally:
            comparing.cancel()
            await asyncio.wait([comparing])

    async def _compare(self, keys: Collection[str]) -> None:
        while True:
            try:
                listing, truth = await self.world.bucket.listing(), await self.world.load.truth()
                wanted = {key: truth[key] for key in keys if key in truth}
                self.observer.compared(await self.world.bucket.compare(listing, wanted))
            except KubeError as error:
                self.observer.unreadable(str(error))
            await asyncio.sleep(COMPARE_SECONDS)


async def degradation(telling: Telling) -> None:
    """Scenario 2: of 12 % of the saves S3's answer is lost, until people were told; then all is well again."""
    await telling.calm()
    await telling.world.faults.switch("put:lost=12")
    await telling.through(Degraded.PEOPLE_TOLD)
    await telling.world.faults.mend()
    await telling.through(Degraded.GIVEN_BACK)


async def inconsistency(telling: Telling) -> None:
    """Scenario 3: a certificate changes in the bucket, and soon the nightly validation is due."""
    world = telling.world
    archive = await damage(telling, slice(1))
    await telling.calm()
    await world.kube.patch(
        cluster.POLICY_PATH,
        {"spec": {"validation": {"schedule": tonight(telling.observer.facts.deeds[-1].at, datetime.now(UTC))}}},
    )
    try:
        async with telling.comparing(archive):
            await telling.through(Differs.RESOLVED)
    finally:
        await world.kube.patch(cluster.POLICY_PATH, {"spec": {"validation": {"schedule": None}}})


async def batch_inconsistency(telling: Telling, *, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """Scenario 3: most of a folder changes in the bucket; a person asks for the validation.

    `meanwhile` has the time that damage takes to count.
    """
    archive = await damage(telling, slice(20, 27))
    await telling.calm()
    await meanwhile()
    await age(telling)
    await asking.ask(telling.world.kube, "Validation", by=asking.JANE, reason="a folder cannot be opened")
    async with telling.comparing(archive):
        await telling.through(Differs.RESOLVED)


async def random_inconsistency(telling: Telling, *, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """Scenario 3: what differs has nothing in common, so that a person is needed; one asked for the validation, too.

    `meanwhile` has the time that damage takes to count.
    """
    kube = telling.world.kube
    # of another folder and another size each
    archive = await damage(telling, slice(3, 60, 13))
    await telling.calm()
    await meanwhile()
    await age(telling)
    await asking.ask(kube, "Validation", by=asking.JANE, reason="a customer's certificate cannot be opened")
    async with telling.comparing(archive):
        await telling.through(Differs.AWS_CASE)
        await use_image(telling, cluster.NO_IMAGE)
        repair = await asking.ask(kube, "Repair", by=asking.JANE, reason="local copies are right, AWS Support knows")
        await telling.through(Differs.REPAIR_ASKED)
        await lose_job(telling, repair)
        await telling.through(Differs.ACCESS_LOG)
        await asking.ask(kube, "Repair", by=asking.JANE, reason="and nobody deletes the Job this time")
        await telling.through(Differs.RESOLVED)


async def lose_job(telling: Telling, request: str) -> None:
    """Somebody deletes the Job of a request, as soon as the operator knows it. It has an image that cannot be had:
    once started it might do its work before it ends."""

    def made(facts: Facts) -> bool:
        latest = next((one for one in reversed(facts.requests) if one.name == request), None)
        return latest is not None and bool(latest.status.get("jobUID"))

    await telling.story.wait("the Job of the request is made", made, within=STEP)
    name = next(one.name for one in reversed(telling.observer.facts.jobs_made) if one.kind == "Repair")
    await use_image(telling, None)
    await telling.world.kube.delete(f"{cluster.JOBS_PATH}/{name}", propagationPolicy="Background")


async def use_image(telling: Telling, image: str | None) -> None:
    """Give the policy's validators this image, None for the operator's own, and wait until the operator knows it."""
    generation = await asking.set_image(telling.world.kube, image)

    def known(_: Facts) -> bool:
        return telling.observer.view().operator.generation >= generation

    await telling.story.wait("the operator knows the image", known, within=STEP)


async def damage(telling: Telling, which: slice) -> list[str]:
    """Damage these of the archived certificates in the bucket. Gives the whole archive."""
    archive = await telling.world.archive()
    await telling.world.bucket.damage(archive[which])
    telling.observer.did(DAMAGED, archive[which])
    return archive


async def age(telling: Telling) -> None:
    """Wait until the damage is old enough to count."""

    def counts(facts: Facts) -> bool:
        return datetime.now(UTC) - facts.deeds[-1].at >= DIFFERENCES_COUNT_AFTER

    await telling.story.wait("the damage is old enough to count", counts, within=2 * DIFFERENCES_COUNT_AFTER)


def tonight(damaged: datetime, now: datetime) -> str:
    """A cron schedule (UTC) that fires when a minute begins, soon, and what was damaged then counts."""
    at = max(damaged + DIFFERENCES_COUNT_AFTER, now + A_PASS_LATER) + timedelta(minutes=1)
    return f"{at.minute} {at.hour} * * *"


async def fallback(telling: Telling) -> None:
    """Scenario 4: 20 % of the reads of S3 fail, until people were told; then all is well again."""
    await telling.calm()
    await telling.world.faults.switch("get:failing=20")
    await telling.through(Watched.PEOPLE_TOLD)
    await telling.world.faults.mend()
    await telling.through(Watched.RESOLVED)


async def storm(
    degraded: Telling, elevated: Telling, full: Telling, denied: Telling, *, meanwhile: Callable[[], Awaitable[None]]
) -> None:
    """Scenarios 2 and 4 and a full disk at the same time, each to its end; all seen by one observer.

    When their causes are known, GETs do not fail any more but are slow, so that latency is suspected and the timeouts
    are lengthened; and deletes are denied, with `meanwhile` before anybody is told.
    """
    world, observer = degraded.world, degraded.observer
    await degraded.calm()
    await world.faults.switch("put:lost=12,get:failing=20")
    await world.ballast("truncate", "--size=60M")
    observer.did(FILLED)
    try:
        await degraded.through(Degraded.PEOPLE_TOLD)
        await elevated.through(Watched.PEOPLE_TOLD)
        await full.through(Watched.PEOPLE_TOLD)
        await world.faults.switch(SLOW_AND_DENIED)
        await denied.through(Watched.ALERT_FIRING)
        await meanwhile()
        await denied.through(Watched.PEOPLE_TOLD)
        await degraded.story.wait("slow GETs are told", slow_gets_told, within=STEP)
        await degraded.story.wait("timeouts are lengthened", lengthened, within=STEP)
    finally:
        await world.faults.mend()
        await world.ballast("rm", "--force")
    observer.did(ROOM_MADE)
    await elevated.through(Watched.RESOLVED)
    await full.through(Watched.RESOLVED)
    await denied.through(Watched.RESOLVED)
    await degraded.through(Degraded.GIVEN_BACK)
    await degraded.story.wait("every incident is over", all_over, within=STEP)


def slow_gets_told(facts: Facts) -> bool:
    """Whether platform engineering was told that GETs are slow."""
    return any(one.to == PLATFORM and one.status < 300 and "CertS3GetSlow" in one.text for one in facts.told)


def lengthened(facts: Facts) -> bool:
    """Whether the operator has set the runbook's longer timeouts."""
    return any(write.by_operator and timeouts(write) == LONG_TIMEOUTS for write in facts.writes)


def timeouts(write: Write) -> tuple[str | None, str | None]:
    """To connect and to read, in seconds, after a write."""
    return write.env.get(CONNECT_TIMEOUT), write.env.get(READ_TIMEOUT)


def all_over(facts: Facts) -> bool:
    """Whether each incident that the story saw is over by now."""
    latest = {paper.name: paper.phase for paper in facts.incidents}
    return all(phase in OVER for phase in latest.values())


async def sweep(telling: Telling) -> None:
    """The integrity sweep: one person asks, another approves the plan, and it passes."""
    kube = telling.world.kube
    await telling.calm()
    name = await asking.ask(kube, "Sweep", by=asking.JANE, reason="brought forward for the audit")
    await telling.through(Swept.ASKED)
    await asking.approve(kube, name, by=asking.LEAD)
    await telling.through(Swept.GIVEN_BACK)


TOLD: Mapping[str, tuple[Plot, Callable[[Telling], Awaitable[None]]]] = {
    plot.name: (plot, tell)
    for plot, tell in (
        (DEGRADATION, degradation),
        (INCONSISTENCY, inconsistency),
        (READ_FALLBACK, fallback),
        (SWEEP, sweep),
    )
}
"""Every scenario but the outage, by its name."""
