"""Every panel of the dashboard, asked of a live Prometheus: what must have data has it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from deploy.dashboard.build import ANNOTATIONS, panels
from tests.component.signals.conftest import Start
from tests.component.signals.parts import Exporter, eventually
from tests.fakes.grafana import filled


def _is_number(series: Any) -> bool:
    return not math.isnan(float(series["value"][1]))


async def test_every_panel_shows_data_and_what_happens_is_annotated(start: Start, exporter: Exporter) -> None:
    incidents = {("Outage", "Resolved"): 1}
    exporter.about_policy(blocked_reason="AwaitingApproval", blocked_since=time.time(), incidents=incidents)
    exporter.telemetry.passes.labels("done").inc()
    exporter.telemetry.actions.labels("Hold", "done").inc()
    observer = await start()
    curves = {f"{one.title}: {legend}": expr for one in panels() for legend, expr in one.queries.items()}
    happenings = {name: expr for name, (expr, _) in ANNOTATIONS.items()}

    async def empty(queries: Mapping[str, str]) -> set[str]:
        """The names of those without data."""
        found = {
            name: await observer.prometheus.query(observer.session, filled(expr, "4s"))
            for name, expr in queries.items()
        }
        exporter.telemetry.pass_seconds.observe(0.02)
        return {name for name, result in found.items() if not any(_is_number(one) for one in result)}

    await eventually(lambda: empty(curves), lambda missing: not missing, 60, "data in every panel")
    assert await empty(happenings) == happenings.keys()

    exporter.workload.mode = "down"
    exporter.about_policy(held=True)
    await eventually(lambda: empty(happenings), lambda missing: not missing, 30, "flips, incidents and outages")
