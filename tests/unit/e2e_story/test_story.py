"""Telling a story: it waits for what the facts say, shows every view, and ends with a reason when it cannot go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.story.facts import Clients, Facts, Switch
from tests.e2e.story.plot import Terms
from tests.e2e.story.steps import OUTAGE, StepName
from tests.e2e.story.story import Story, StoryError
from tests.e2e.story.view import View

ZERO = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
CALM = Facts(since=ZERO)
CUT = dataclasses.replace(CALM, switches=(Switch(ZERO, "reset"),))
BROKEN = dataclasses.replace(CUT, clients=(Clients(ZERO, 1, 0), Clients(ZERO, 9, 2)))


class Recorded:
    """An observer of recorded facts: one set each look, the last one for ever."""

    def __init__(self, *facts: Facts, trouble: str = "") -> None:
        self._coming: Iterator[Facts] = iter(facts)
        self.facts = CALM
        self.trouble = trouble

    async def look(self) -> None:
        self.facts = next(self._coming, self.facts)

    def view(self) -> View:
        return View(at=ZERO, began=ZERO, trouble=self.trouble)


def telling(observer: Recorded) -> tuple[Story, list[View]]:
    shown: list[View] = []
    return Story(OUTAGE, observer, Terms(replicas=3, held=timedelta(0)), shown.append, pause=0), shown


async def test_a_step_is_waited_for_and_every_view_is_shown() -> None:
    story, shown = telling(Recorded(CALM, CALM, CUT))
    step = await story.until(StepName.S3_CUT, within=timedelta(seconds=5))
    assert step.evidence["fault"] == "reset"
    assert [len(view.steps) for view in shown] == [0, 0, 1]
    assert shown[0].waiting == "S3 is cut"


async def test_a_step_that_does_not_come_ends_the_story_and_says_what_could_not_be_read() -> None:
    story, _ = telling(Recorded(CALM, trouble="GET /pods: refused"))
    with pytest.raises(StoryError, match=r"S3 is cut: not within 0 s; the observer could not read GET /pods: refused"):
        await story.until(StepName.S3_CUT, within=timedelta(0))


async def test_what_must_never_happen_ends_the_story_at_once() -> None:
    story, _ = telling(Recorded(CUT, BROKEN))
    with pytest.raises(StoryError, match=r"while waiting for 'alert fires': clients saw 2 errors"):
        await story.until(StepName.ALERT_FIRING, within=timedelta(seconds=5))


async def test_what_came_before_the_story_began_is_not_part_of_it() -> None:
    story, _ = telling(Recorded(BROKEN, CUT))
    story.begun = False
    await story.wait("calm", lambda facts: not facts.clients, within=timedelta(seconds=5))
