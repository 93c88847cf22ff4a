"""Prometheus as the observer asks it: raw samples with the times at which they were evaluated, not steps of a graph."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.story.facts import Sample, Span
from tests.e2e.story.kube import Reader, Service

Series = tuple[Mapping[str, str], tuple[Sample, ...]]
"""A series' labels and its samples."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """The server behind a Service."""

    kube: Reader
    service: Service

    async def now(self, query: str) -> list[tuple[Mapping[str, str], float]]:
        """The value of each series of an instant query; NaN is left out. Raises KubeError."""
        found = [(one["metric"], float(one["value"][1])) for one in await self._query(query)]
        return [(labels, value) for labels, value in found if not math.isnan(value)]

    async def samples(self, selector: str, since: datetime) -> list[Series]:
        """Every sample of the series since a time, as they are stored. Raises KubeError."""
        seconds = max(1, math.ceil((datetime.now(UTC) - since).total_seconds()))
        return [
            (one["metric"], tuple(Sample(_time(at), float(value)) for at, value in one["values"] if _time(at) >= since))
            for one in await self._query(f"{selector}[{seconds}s]")
        ]

    async def alerts(self) -> list[Mapping[str, Any]]:
        """What fires or is pending now. Raises KubeError."""
        answer = await self.kube.get(self.service.path("/api/v1/alerts"))
        found: list[Mapping[str, Any]] = answer["data"]["alerts"]
        return found

    async def _query(self, query: str) -> list[dict[str, Any]]:
        answer = await self.kube.get(self.service.path("/api/v1/query"), query=query)
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


def spans(samples: Iterable[Sample], now: datetime, gap: timedelta) -> tuple[Span, ...]:
    """The times in which a series was there: samples further apart than `gap` are two of them; the last may go on."""
    found: list[tuple[datetime, datetime]] = []
    for sample in samples:
        if found and sample.at - found[-1][1] <= gap:
            found[-1] = (found[-1][0], sample.at)
        else:
            found.append((sample.at, sample.at))
    return tuple(Span(begin, None if now - end <= gap else end) for begin, end in found)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
