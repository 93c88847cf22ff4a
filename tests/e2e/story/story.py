"""The story as it is told: cut, wait, restore, wait. Each wait is for a step that the observer derives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from tests.e2e.story.facts import Facts
from tests.e2e.story.plot import Plot, Step, Terms
from tests.e2e.story.view import View

Show = Callable[[View], None]
Condition = Callable[[Facts], bool]


class StoryError(Exception):
    """The story did not go on as it must; the message says at which step and why."""


class Observing(Protocol):
    """What telling a story takes of an observer."""

    async def look(self) -> None:
        """Look at everything once."""
        ...

    @property
    def facts(self) -> Facts:
        """Everything seen so far."""
        ...

    def view(self) -> View:
        """What there is to show now, without steps and what is waited for."""
        ...


@dataclass(slots=True)
class Story:
    """One telling. `show` is given every view, for a person to watch; `pause` is in seconds, between two looks.

    Until it has `begun`, nothing that must never happen counts: whatever came before is not part of it.
    """

    plot: Plot
    observer: Observing
    terms: Terms
    show: Show
    pause: float = 0.5
    begun: bool = True

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps so far."""
        return self.plot.derive(self.observer.facts, self.terms)

    async def until(self, name: StrEnum, *, within: timedelta) -> Step:
        """Look until this step has happened. Raises StoryError when it has not in time, or something broke."""
        await self.wait(self.plot.titles[name], lambda _: any(step.step is name for step in self.steps), within=within)
        return next(step for step in self.steps if step.step is name)

    async def wait(self, what: str, condition: Condition, *, within: timedelta) -> None:
        """Look until the facts fulfil a condition. Raises StoryError when they do not in time, or something broke."""
        deadline = datetime.now(UTC) + within
        while True:
            await self.observer.look()
            facts, now = self.observer.facts, datetime.now(UTC)
            view = replace(self.observer.view(), plot=self.plot, steps=self.steps, waiting=what, deadline=deadline)
            self.show(view)
            if self.begun and (wrong := self.plot.broken(facts)):
                raise StoryError(f"while waiting for {what!r}: {'; '.join(wrong)}")
            if condition(facts):
                return
            if now > deadline:
                trouble = f"; the observer could not read {view.trouble}" if view.trouble else ""
                raise StoryError(f"{what}: not within {within.total_seconds():.0f} s{trouble}")
            await asyncio.sleep(self.pause)
