"""Production's windows at their full length: twenty minutes of history are written beforehand instead of waited for."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from certstorage.signals.timings import Timings
from tests.cluster import binaries, packages
from tests.component.signals.conftest import Start
from tests.component.signals.parts import DEPLOYMENT, NAMESPACE, Exporter, eventually, seconds

PROMTOOLS: dict[str, Callable[[], Path]] = {
    "2.42": lambda: packages.prometheus_2("promtool"),
    "3.16": binaries.promtool,
}
STEP = 15
LENGTH = 20 * 60
PRODUCTION = replace(Timings(), interval=seconds(1), outage_for=seconds(2))
"""Evaluated each second, so that the test need not wait for evaluations; the windows are production's."""


def history(cut_seconds_ago: int) -> str:
    """Ten reads and two saves a second, all of which fail from the cut on, as OpenMetrics."""
    now = int(time.time())
    labels = f'{{namespace="{NAMESPACE}",deployment="{DEPLOYMENT}",pod="{DEPLOYMENT}-aaaa1-x7k2p"}}'
    times = range(now - LENGTH, now + 1, STEP)
    lines = []
    for name, rate, failing in (
        ("cert_s3_read", 10, False),
        ("cert_s3_read_fallback", 10, True),
        ("cert_s3_save", 2, False),
        ("cert_s3_save_fail", 2, True),
    ):
        lines.append(f"# TYPE {name} counter")
        begun = now - cut_seconds_ago if failing else now - LENGTH
        lines += [f"{name}_total{labels} {rate * max(0, at - begun)} {at}" for at in times]
    return "\n".join([*lines, "# EOF"]) + "\n"


def write(text: str, version: str, folder: Path) -> None:
    """Put a history where a Prometheus of that version will look for its data."""
    (folder / "history.txt").write_text(text)
    data = folder / f"prometheus-{version}" / "data"
    data.mkdir(parents=True)
    blocks: list[str | Path] = ["create-blocks-from", "openmetrics", folder / "history.txt", data]
    subprocess.run([PROMTOOLS[version](), "tsdb", *blocks], check=True, capture_output=True)


@pytest.mark.parametrize("version", sorted(PROMTOOLS))
async def test_an_outage_of_eighty_seconds(start: Start, exporter: Exporter, tmp_path: Path, version: str) -> None:
    exporter.workload.gone = True
    write(history(cut_seconds_ago=80), version, tmp_path)
    observer = await start(version, PRODUCTION)

    async def firing() -> set[str]:
        found = await observer.prometheus.query(observer.session, 'ALERTS{alertstate="firing"}')
        return {one["metric"]["alertname"] for one in found}

    await eventually(firing, lambda names: "CertS3Outage" in names, 15, "the outage fires")
    names = await firing()
    assert {"CertS3SaveFailHigh", "CertS3ReadFallbackHigh"} <= names
    assert "CertS3Degraded" not in names
    # ten minutes alone would take another eight of them
    (ten,) = await observer.prometheus.query(observer.session, 'cert_s3:fail_ratio:10m{op="read"}')
    assert 0.10 < float(ten["value"][1]) < 0.20


@pytest.mark.parametrize("version", sorted(PROMTOOLS))
async def test_eighty_seconds_without_an_outage(start: Start, exporter: Exporter, tmp_path: Path, version: str) -> None:
    exporter.workload.gone = True
    write(history(cut_seconds_ago=0), version, tmp_path)
    observer = await start(version, PRODUCTION)

    async def ratios() -> list[float]:
        found = await observer.prometheus.query(observer.session, "cert_s3:fail_ratio:10m")
        return [float(one["value"][1]) for one in found]

    await eventually(ratios, lambda found: found == [0, 0], 15, "ten minutes without a failure")
    active = await observer.prometheus.query(observer.session, 'ALERTS{alertname=~"CertS3.*"}')
    assert active == []
