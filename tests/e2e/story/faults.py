"""The fault proxy between the application and S3, through its control."""

from __future__ import annotations

from dataclasses import dataclass

from tests.e2e.story import audit, cluster
from tests.e2e.story.facts import Switch
from tests.e2e.story.kube import Kube

PASS = "pass"


@dataclass(frozen=True, slots=True)
class FaultProxy:
    """The one in front of the demo's S3. A fault is written as its control reads it: reset, blackhole, delay=500 …"""

    kube: Kube

    async def switches(self) -> list[Switch]:
        """All switches since the proxy started, oldest first. Raises KubeError."""
        said = await self.kube.get(cluster.FAULT_CONTROL.path("/switches"))
        return [Switch(audit.time(one["at"]), "" if one["to"] == PASS else one["to"]) for one in said["switches"]]

    async def switch(self, fault: str) -> None:
        """Put a fault in force. Raises KubeError."""
        await self.kube.call("PUT", cluster.FAULT_CONTROL.path("/fault"), body={"fault": fault})

    async def mend(self) -> None:
        """Let everything through, if it is not so already. Raises KubeError."""
        said = await self.kube.get(cluster.FAULT_CONTROL.path("/fault"))
        if said["fault"] != PASS:
            await self.switch(PASS)
