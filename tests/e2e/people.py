"""What people get to see: the policy's conditions, its Events, and what Alertmanager holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.e2e.story import cluster
from tests.e2e.story.kube import Kube, Object

POLL_SECONDS = 0.3


async def eventually(what: str, condition: Callable[[], Awaitable[object]], *, seconds: float) -> None:
    """Wait until a condition holds. Raises AssertionError naming it, with what it last gave, after so many seconds."""
    last: object = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                if last := await condition():
                    return
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {seconds:g} s (last: {last!r})") from None


async def condition(kube: Kube, kind: str, policy: str = cluster.POLICY) -> Mapping[str, str]:
    """One condition of a policy; empty when it has none of that type."""
    found = await kube.get(f"{cluster.POLICIES_PATH}/{policy}")
    return next((one for one in found.get("status", {}).get("conditions", []) if one["type"] == kind), {})


async def reason(kube: Kube, policy: str = cluster.POLICY) -> str:
    """The reason of a policy's Ready condition."""
    return (await condition(kube, "Ready", policy)).get("reason", "")


async def poke(kube: Kube, policy: str = cluster.POLICY) -> None:
    """Have the operator look at a policy now: an annotation changes."""
    change = {"metadata": {"annotations": {"e2e/poked": datetime.now(UTC).isoformat()}}}
    await kube.patch(f"{cluster.POLICIES_PATH}/{policy}", change)


async def events(kube: Kube, policy: str = cluster.POLICY) -> list[Object]:
    """The Events about a policy."""
    chosen = f"involvedObject.kind=CertStoragePolicy,involvedObject.name={policy}"
    return await kube.items(cluster.EVENTS_PATH, fieldSelector=chosen)


async def has_event(kube: Kube, wanted: str, policy: str = cluster.POLICY) -> bool:
    """Whether there is an Event with this reason about a policy."""
    return any(event["reason"] == wanted for event in await events(kube, policy))


async def pages(kube: Kube, **labels: str) -> list[Mapping[str, Any]]:
    """The alerts that Alertmanager holds with these labels."""
    found: list[Mapping[str, Any]] = await kube.get(cluster.ALERTMANAGER.path("/api/v2/alerts"))
    return [alert for alert in found if all(alert["labels"].get(key) == value for key, value in labels.items())]
