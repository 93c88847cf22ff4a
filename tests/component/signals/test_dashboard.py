"""Every panel of the dashboard, asked of a live Prometheus: what must have data has it."""

from __future__ import annotations

import time

from certstorage.api.signals import SignalName, Verdict
from certstorage.signals.names import METRIC_READS_LOCAL
from deploy.dashboard.build import ANNOTATIONS, panels
from tests.component.signals.conftest import Start
from tests.component.signals.parts import Exporter, eventually
from tests.fakes.grafana import filled


async def test_every_panel_shows_data(start: Start, exporter: Exporter) -> None:
    exporter.about_policy(blocked_reason="AwaitingApproval", blocked_since=time.time())
    exporter.telemetry.passes.labels("done").inc()
    exporter.telemetry.actions.labels("Hold", "done").inc()
    exporter.telemetry.pass_seconds.observe(0.02)
    observer = await start()
    await eventually(
        observer.look, lambda seen: seen.verdict(SignalName.RECOVERY) is Verdict.CLEAR_PROVEN, 40, "a healthy workload"
    )

    async def empty() -> list[str]:
        queries = {f"{one.title}: {legend}": expr for one in panels() for legend, expr in one.queries.items()}
        found = {
            name: await observer.prometheus.query(observer.session, filled(expr, "4s"))
            for name, expr in queries.items()
        }
        return [name for name, result in found.items() if not result]

    await eventually(empty, lambda missing: missing == [], 30, "data in every panel")


async def test_outages_and_flips_are_annotated(start: Start, exporter: Exporter) -> None:
    exporter.about_policy()
    observer = await start()
    await eventually(observer.look, lambda seen: seen.trusted, 20, "a workload")

    async def reads() -> list[str]:
        found = await observer.prometheus.query(observer.session, METRIC_READS_LOCAL)
        return [one["value"][1] for one in found]

    await eventually(reads, lambda values: values == ["0"], 20, "reads that are not held local")
    exporter.workload.mode = "down"
    exporter.about_policy(held=True)

    async def annotated() -> set[str]:
        results = {
            name: await observer.prometheus.query(observer.session, filled(expr, "4s"))
            for name, (expr, _) in ANNOTATIONS.items()
        }
        return {name for name, result in results.items() if result}

    await eventually(annotated, lambda names: names == set(ANNOTATIONS), 30, "all annotations")
