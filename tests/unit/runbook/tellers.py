"""The stories that have a page in `told/`, and how their worlds begin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.unit.runbook.stories import HOLD
from tests.unit.runbook.world import World, healthy, hidden_outage, outage

HERE = Path(__file__).parent / "told"
DAY = timedelta(days=1)
Story = Callable[[], World]
STORIES: dict[str, Story] = {}


def story(told: Story) -> Story:
    """One page."""
    STORIES[told.__name__] = told
    return told


def onward(world: World) -> World:
    """The page begins here: what was before is told by another."""
    world.told = len(world.passes)
    return world


def down(**changes: Any) -> World:
    """S3 is down, reads are local."""
    world = World(**changes)
    world.step()
    world.signals = outage()
    world.step(15)
    world.signals = hidden_outage()
    world.step(15)
    return world


def validating(**changes: Any) -> World:
    """S3 is back, and the recovery Job runs."""
    world = down(**changes)
    world.signals = healthy()
    world.step(1800)
    world.step(HOLD)
    world.step(15)
    return world


def returning(**changes: Any) -> World:
    """The receipt has passed and the flag is back."""
    world = validating(**changes)
    world.finish(report="s3://b/.certstorage/reports/r.json", uploaded=3)
    world.rolling = True
    world.step(60)
    world.step(15)
    world.rolling = False
    return world
