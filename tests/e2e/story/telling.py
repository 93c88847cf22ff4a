"""How each scenario is told: what is done to the world, and which steps must follow, each within its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from tests.e2e.story import asking, cluster
from tests.e2e.story.differing import DAMAGED, INCONSISTENCY, Differs
from tests.e2e.story.facts import Facts
from tests.e2e.story.kube import KubeError
from tests.e2e.story.milder import DEGRADATION, FILLED, READ_FALLBACK, ROOM_MADE, Degraded, Watched
from tests.e2e.story.observer import Observer
from tests.e2e.story.plot import Plot, Terms
from tests.e2e.story.scenes import OVER
from tests.e2e.story.steps import all_read
from tests.e2e.story.story import Show, Story
from tests.e2e.story.sweeping import SWEEP, Swept
from tests.e2e.story.world import World

CALM = timedelta(minutes=6)
STEP = timedelta(minutes=3)
"""For one step with the demo's timings; most take seconds."""
ALWAYS_FIRING = frozenset({"CertStorageWatchdog"})
QUIET = ("ReadsFromS3", "Returned", "ReturnUnverified")
"""Reasons of an operator that has nothing to do."""
COMPARE_SECONDS = 0.5
DIFFERENCES_COUNT_AFTER = timedelta(seconds=65)
"""The validator takes what changed within the last minute for something that is under way (--min-age)."""


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

    async def calm(self, *, forgetful: bool = False) -> None:
        """Wait until nothing is wrong, and level both copies: the story begins; `forgetful` with a new policy."""
        await self.world.faults.mend()
        if forgetful:
            await self.story.wait("nothing wrong, nothing held", lambda _: self._is_calm(), within=CALM)
            await self.world.new_policy()
        await self.story.wait("nothing wrong, nothing held", lambda _: self._is_calm(), within=CALM)
        await self.world.level()
        await self.observer.look()
        self.observer.begin()
        self.story.begun = True

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

    def _is_calm(self) -> bool:
        view, facts = self.observer.view(), self.observer.facts
        pods = facts.pods[-1] if facts.pods else None
        return (
            not view.trouble
            and not view.fault
            and not view.alerts.keys() - ALWAYS_FIRING
            and not view.hold
            and view.saves_failing == 0
            and view.reads_falling_back == 0
            and view.operator.reason in QUIET
            and pods is not None
            and all_read(pods, "true", self.story.terms.replicas)
        )


async def degradation(telling: Telling) -> None:
    """Scenario 2: of 12 % of the saves S3's answer is lost, until people were told; then all is well again."""
    await telling.calm(forgetful=True)
    await telling.world.faults.switch("put:lost=12")
    await telling.through(Degraded.PEOPLE_TOLD)
    await telling.world.faults.mend()
    await telling.through(Degraded.GIVEN_BACK)


async def inconsistency(telling: Telling) -> None:
    """Scenario 3: a certificate changes in the bucket, and soon the nightly validation is due."""
    world = telling.world
    await telling.calm()
    archive = await damage(telling, slice(1))
    await world.kube.patch(cluster.POLICY_PATH, {"spec": {"validation": {"schedule": tonight(datetime.now(UTC))}}})
    try:
        async with telling.comparing(archive):
            await telling.through(Differs.RESOLVED)
    finally:
        await world.kube.patch(cluster.POLICY_PATH, {"spec": {"validation": {"schedule": None}}})


async def batch_inconsistency(telling: Telling) -> None:
    """Scenario 3: most of a folder changes in the bucket; a person asks for the validation."""
    await telling.calm()
    archive = await damage(telling, slice(20, 27))
    await age(telling)
    await asking.ask(telling.world.kube, "Validation", by=asking.JANE, reason="a folder cannot be opened")
    async with telling.comparing(archive):
        await telling.through(Differs.RESOLVED)


async def random_inconsistency(telling: Telling) -> None:
    """Scenario 3: what differs has nothing in common, so that a person is needed; one asked for the validation, too."""
    kube = telling.world.kube
    await telling.calm()
    # of another folder and another size each
    archive = await damage(telling, slice(3, 60, 13))
    await age(telling)
    await asking.ask(kube, "Validation", by=asking.JANE, reason="a customer's certificate cannot be opened")
    async with telling.comparing(archive):
        await telling.through(Differs.AWS_CASE)
        await asking.ask(kube, "Repair", by=asking.JANE, reason="local copies are right, AWS Support knows")
        await telling.through(Differs.RESOLVED)


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


def tonight(now: datetime) -> str:
    """A cron schedule, in UTC as `now`, that fires when a minute begins and what changes now counts."""
    at = now + DIFFERENCES_COUNT_AFTER + timedelta(minutes=1)
    return f"{at.minute} {at.hour} * * *"


async def fallback(telling: Telling) -> None:
    """Scenario 4: 20 % of the reads of S3 fail."""
    await _watched(telling, "get:failing=20")


async def deletes(telling: Telling, *, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """The table's row: S3 denies every delete."""
    await _watched(telling, "delete:denied", meanwhile)


async def _watched(telling: Telling, fault: str, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
    """A fault until people were told; then all is well again."""
    await telling.calm()
    await telling.world.faults.switch(fault)
    await telling.through(Watched.ALERT_FIRING)
    if meanwhile is not None:
        await meanwhile()
    await telling.through(Watched.PEOPLE_TOLD)
    await telling.world.faults.mend()
    await telling.through(Watched.RESOLVED)


async def storm(degraded: Telling, elevated: Telling, full: Telling) -> None:
    """Scenarios 2 and 4 and a full disk at the same time, each to its end; all seen by one observer."""
    world, observer = degraded.world, degraded.observer
    await degraded.calm(forgetful=True)
    await world.faults.switch("put:lost=12,get:failing=20")
    await world.ballast("truncate", "--size=60M")
    observer.did(FILLED)
    try:
        await degraded.through(Degraded.PEOPLE_TOLD)
        await elevated.through(Watched.PEOPLE_TOLD)
        await full.through(Watched.PEOPLE_TOLD)
    finally:
        await world.faults.mend()
        await world.ballast("rm", "--force")
    observer.did(ROOM_MADE)
    await elevated.through(Watched.RESOLVED)
    await full.through(Watched.RESOLVED)
    await degraded.through(Degraded.GIVEN_BACK)
    await degraded.story.wait("every incident is over", all_over, within=STEP)


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
