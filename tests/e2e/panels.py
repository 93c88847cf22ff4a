"""The runbook's dashboard on the demo: once S3 has failed and come back, every panel has data to show."""

from __future__ import annotations

from deploy.dashboard.build import panels
from tests.e2e import people
from tests.e2e.story.world import World
from tests.fakes.grafana import filled

RATE_INTERVAL = "8s"
"""Four times the demo's scrape interval, as Grafana would choose."""
NOBODY_IS_ASKED = "Waiting for a person"
"""The panel that is empty once all is over."""


async def filled_in(world: World) -> None:
    """Wait until every panel shows data. Raises AssertionError naming the curves that do not."""
    missing: list[str] = []

    async def shown() -> bool:
        missing[:] = await empty(world)
        return not missing

    try:
        await people.eventually("data in every panel", shown, seconds=60)
    except AssertionError as error:
        raise AssertionError(f"{error}; empty: {missing}") from None


async def empty(world: World) -> list[str]:
    """The curves without data."""
    curves = {
        f"{panel.title}: {legend}": expr
        for panel in panels()
        if panel.title != NOBODY_IS_ASKED
        for legend, expr in panel.queries.items()
    }
    return [name for name, expr in curves.items() if not await world.prometheus.now(filled(expr, RATE_INTERVAL))]
