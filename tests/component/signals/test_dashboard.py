"""Every panel of the dashboard, asked of a live Prometheus: what must have data has it."""

from __future__ import annotations

from certstorage.api.signals import SignalName, Verdict
from deploy.dashboard.build import ANNOTATIONS, panels
from tests.component.signals.conftest import Start
from tests.component.signals.parts import Exporter, eventually


def filled(expr: str) -> str:
    """The expression with Grafana's variables as its "all" fills them."""
    return expr.replace("$namespace", ".*").replace("$deployment", ".*").replace("$__rate_interval", "4s")


async def test_every_panel_shows_data(start: Start, exporter: Exporter) -> None:
    exporter.operator = True
    observer = await start()
    await eventually(
        observer.look, lambda seen: seen.verdict(SignalName.RECOVERY) is Verdict.CLEAR_PROVEN, 40, "a healthy workload"
    )

    async def empty() -> list[str]:
        queries = {f"{one.title}: {legend}": expr for one in panels() for legend, expr in one.queries.items()}
        found = {
            name: await observer.prometheus.query(observer.session, filled(expr)) for name, expr in queries.items()
        }
        return [name for name, result in found.items() if not result]

    await eventually(empty, lambda missing: missing == [], 30, "data in every panel")


async def test_outages_and_flips_are_annotated(start: Start, exporter: Exporter) -> None:
    exporter.operator = True
    observer = await start()
    await eventually(observer.look, lambda seen: seen.trusted, 20, "a workload")
    exporter.workload.mode, exporter.reads_local = "down", True

    async def annotated() -> set[str]:
        results = {
            name: await observer.prometheus.query(observer.session, filled(expr))
            for name, (expr, _) in ANNOTATIONS.items()
        }
        return {name for name, result in results.items() if result}

    await eventually(annotated, lambda names: names == set(ANNOTATIONS), 30, "all annotations")
