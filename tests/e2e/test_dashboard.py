"""The runbook's dashboard on the demo: every panel has data to show while certificates are written and read."""

from __future__ import annotations

import pytest

from deploy.dashboard.build import panels
from tests.e2e import people
from tests.e2e.story.outage import Outage
from tests.e2e.story.world import World
from tests.fakes.grafana import filled

RATE_INTERVAL = "8s"
"""Four times the demo's scrape interval, as Grafana would choose."""


@pytest.mark.timeout(420)
async def test_every_panel_shows_data_in_the_demo(outage: Outage) -> None:
    await outage.calm()
    missing: list[str] = []

    async def shown() -> bool:
        missing[:] = await empty(outage.world)
        return not missing

    try:
        await people.eventually("data in every panel", shown, seconds=90)
    except AssertionError as error:
        raise AssertionError(f"{error}; empty: {missing}") from None


async def empty(world: World) -> list[str]:
    """The curves without data, of the panels that must always have some."""
    curves = {
        f"{panel.title}: {legend}": expr
        for panel in panels()
        if not panel.may_be_empty
        for legend, expr in panel.queries.items()
    }
    return [name for name, expr in curves.items() if not await world.prometheus.now(filled(expr, RATE_INTERVAL))]
