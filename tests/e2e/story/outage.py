"""Scenario `outage`: S3 is cut, the operator makes reads local, S3 comes back, and reads go back on proof."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from tests.e2e.story import beginning
from tests.e2e.story.bucket import Listing, Truth
from tests.e2e.story.facts import OPERATOR_MANAGER, Facts
from tests.e2e.story.kube import KubeError
from tests.e2e.story.observer import Observer
from tests.e2e.story.plot import Step, Terms
from tests.e2e.story.steps import OUTAGE, StepName
from tests.e2e.story.story import Show, Story
from tests.e2e.story.world import World

COMPARE_SECONDS = 0.2
"""Between two listings of the bucket."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each part of the story may take with the demo's timings."""

    detected: timedelta = timedelta(seconds=60)
    switched: timedelta = timedelta(seconds=30)
    rolled_out: timedelta = timedelta(seconds=120)
    resolved: timedelta = timedelta(seconds=60)
    restored: timedelta = timedelta(seconds=20)
    proven: timedelta = timedelta(seconds=120)
    validated: timedelta = timedelta(seconds=180)
    returned: timedelta = timedelta(seconds=60)
    checked: timedelta = timedelta(minutes=5)


@dataclass(slots=True)
class Outage:
    """One outage on a world, step by step; `tell` tells it whole."""

    world: World
    observer: Observer
    story: Story
    deadlines: Deadlines = field(default_factory=Deadlines)
    before: Truth = field(default_factory=dict)

    @classmethod
    def of(cls, world: World, interval: timedelta, terms: Terms, show: Show) -> Outage:
        """An outage that has not begun, seen by an observer of its own; `interval` is that of Prometheus's rules."""
        observer = world.observer(interval)
        return cls(world, observer, Story(OUTAGE, observer, terms, show, begun=False))

    async def tell(self, fault: str) -> tuple[Step, ...]:
        """The whole story, undisturbed. Raises StoryError, or KubeError when a part of the demo does not answer."""
        await self.calm()
        await self.cut(fault)
        await self.protected()
        await self.held()
        await self.mend()
        await self.returned()
        return self.story.steps

    async def calm(self) -> None:
        """Wait until nothing is wrong and nothing held: the story begins."""
        await beginning.calm(self.world, self.observer, self.story)

    async def cut(self, fault: str) -> None:
        """Put the fault in force."""
        self.before = await self.world.load.truth()
        await self.world.faults.switch(fault)
        await self.story.until(StepName.S3_CUT, within=self.deadlines.restored)

    async def protected(self) -> None:
        """Wait until every Pod reads local."""
        await self.story.until(StepName.ALERT_FIRING, within=self.deadlines.detected)
        await self.story.until(StepName.READ_PRIMARY_OFF, within=self.deadlines.switched)
        await self.story.until(StepName.PODS_CONFIRMED_OFF, within=self.deadlines.rolled_out)

    async def held(self) -> None:
        """Wait until reads stayed local for as long as the terms ask, with the alert resolved and S3 still cut."""
        await self.story.until(StepName.HELD_WHILE_CUT, within=self.deadlines.resolved + self.story.terms.held)

    async def mend(self) -> None:
        """Let S3 answer again."""
        await self.world.faults.mend()
        await self.story.until(StepName.S3_RESTORED, within=self.deadlines.restored)

    async def returned(self) -> None:
        """Wait until reads are back on S3 and the operator has given everything back."""
        async with self.comparing():
            await self.story.until(StepName.RECOVERY_PROVEN, within=self.deadlines.proven)
            await self.story.until(StepName.VALIDATION_PASSED, within=self.deadlines.validated)
            await self.story.until(StepName.READ_PRIMARY_ON, within=self.deadlines.returned)
        await self.checked()

    async def checked(self) -> None:
        """Wait until the new Pods are proven and the operator has given everything back."""
        await self.story.until(StepName.FALLBACK_BELOW_1_PERCENT, within=self.deadlines.checked)
        await self.story.wait("the operator to give everything back", given_back, within=self.deadlines.checked)

    @asynccontextmanager
    async def comparing(self) -> AsyncIterator[None]:
        """Hold what was written or deleted during the cut against the bucket, again and again, while the block runs."""
        after = await self.world.load.truth()
        touched = {key for key in self.before.keys() | after.keys() if self.before.get(key) != after.get(key)}
        comparing = asyncio.create_task(self._compare(touched, after))
        try:
            yield
        finally:
            comparing.cancel()
            await asyncio.wait([comparing])

    async def _compare(self, touched: set[str], truth: Truth) -> None:
        """List the bucket every so often; the bodies are read meanwhile, so that no moment is missed."""
        latest = truth

        async def judge(listing: Listing) -> None:
            nonlocal latest
            try:
                wanted = {key: latest[key] for key in touched & latest.keys()}
                comparison = await self.world.bucket.compare(listing, wanted)
                self.observer.compared(comparison)
                if comparison.different:
                    latest = await self.world.load.truth()
            except KubeError as error:
                self.observer.unreadable(str(error))

        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    group.create_task(judge(await self.world.bucket.listing()))
                except KubeError as error:
                    self.observer.unreadable(str(error))
                await asyncio.sleep(COMPARE_SECONDS)


def given_back(facts: Facts) -> bool:
    """Whether the operator holds nothing of the Deployment any more: no hold, no managed field."""
    return bool(facts.writes) and not facts.writes[-1].hold and OPERATOR_MANAGER not in facts.writes[-1].managers
