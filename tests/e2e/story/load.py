"""The load generator: what its clients saw, and what they know should be stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.e2e.story import cluster
from tests.e2e.story.bucket import Truth
from tests.e2e.story.facts import Clients
from tests.e2e.story.kube import Kube


@dataclass(frozen=True, slots=True)
class LoadGenerator:
    """The one of the demo."""

    kube: Kube

    async def clients(self) -> Clients:
        """Operations done and errors seen since it started. Raises KubeError."""
        at, said = datetime.now(UTC), await self.summary()
        done = sum(counts["ok"] + counts["error"] for counts in said["totals"].values())
        return Clients(at, done, said["errors"]["total"], said["errors"]["byKind"])

    async def summary(self) -> Any:
        """Totals by operation, and the last errors with their keys. Raises KubeError."""
        return await self.kube.get(cluster.LOADGEN.path("/summary"))

    async def truth(self) -> Truth:
        """What every key must hold, but for those that are being written just now. Raises KubeError."""
        said = await self.report()
        return {**said["expected"], **dict.fromkeys(said["absent"])}

    async def report(self) -> Any:
        """All that it knows: the summary, and every key as expected, absent or uncertain. Raises KubeError."""
        return await self.kube.get(cluster.LOADGEN.path("/report"))
