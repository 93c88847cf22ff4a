"""Everything the story touches, opened once and closed together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.e2e.story import bucket, cluster, kube
from tests.e2e.story.audit import AuditLog
from tests.e2e.story.bucket import Bucket
from tests.e2e.story.faults import FaultProxy
from tests.e2e.story.kube import Kube
from tests.e2e.story.load import LoadGenerator
from tests.e2e.story.observer import Observer
from tests.e2e.story.prometheus import Prometheus
from tests.e2e.story.receivers import Receivers


@dataclass(frozen=True, slots=True)
class Place:
    """A running cluster: how to reach it, where its API server writes what it was asked, and where it reaches us."""

    kubectl: tuple[str, ...]
    """A kubectl of its version, as its administrator."""
    kubeconfig: Path
    audit_log: Path
    host_address: str


@dataclass(frozen=True, slots=True)
class World:
    """The cluster and the demo's parts in it."""

    place: Place
    kube: Kube
    prometheus: Prometheus
    faults: FaultProxy
    load: LoadGenerator
    bucket: Bucket
    receivers: Receivers

    async def archive(self) -> list[str]:
        """The keys that users leave alone, ten to a folder, in order. Raises KubeError."""
        return sorted(key for key in (await self.load.report())["expected"] if "/archive-" in key)

    async def ballast(self, *command: str) -> None:
        """Run a command on a file that only takes room on the certificates' disk. Raises KubeError."""
        target = (f"--namespace={cluster.NAMESPACE}", f"deployment/{cluster.DEPLOYMENT}")
        await self.kube.kubectl("exec", *target, "--", *command, cluster.BALLAST)

    async def local(self) -> set[str]:
        """The keys of all certificates on local disk, which may have what S3 has not. Raises KubeError."""
        target = (f"--namespace={cluster.NAMESPACE}", f"deployment/{cluster.DEPLOYMENT}")
        find = ("find", cluster.LOCAL, "-name", "*.pdf", "-printf", "%P\\n")
        said = await self.kube.kubectl("exec", *target, "--", *find)
        return {cluster.PREFIX + line for line in said.splitlines()}

    async def level(self) -> None:
        """Remove certificates of earlier users, and deleted ones that are left in the bucket.

        Raises:
            KubeError: the API server, the application or the bucket does not do it.
        """
        held = {key for key, _ in (await self.bucket.listing()).versions}
        report = await self.load.report()
        for key in sorted(key for key in held | await self.local() if not key.startswith(report["prefix"])):
            path = f"/certificates/{key.removeprefix(cluster.PREFIX)}"
            await self.kube.delete(cluster.APPLICATION.path(path))
        await self.bucket.remove(sorted(held & set(report["absent"])))

    def observer(self, interval: timedelta) -> Observer:
        """An observer whose story begins now; `interval` is how often Prometheus evaluates its rules."""
        log = AuditLog(self.place.audit_log)
        log.skip()
        now = datetime.now(UTC)
        return Observer(
            self.kube, log, self.prometheus, self.load, self.faults, self.receivers, since=now, interval=interval
        )


@asynccontextmanager
async def entered(place: Place) -> AsyncIterator[World]:
    """The world of a cluster on which the demo runs, for as long as the block lasts. Raises KubeError."""
    async with kube.connect(place.kubectl) as api, bucket.opened(api) as opened:
        yield World(
            place=place,
            kube=api,
            prometheus=Prometheus(api, cluster.PROMETHEUS),
            faults=FaultProxy(api),
            load=LoadGenerator(api),
            bucket=opened,
            receivers=Receivers(api),
        )
