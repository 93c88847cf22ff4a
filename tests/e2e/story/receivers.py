"""The demo's receivers: what Slack, PagerDuty and the webhook got, and making them fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.e2e.story import audit, cluster
from tests.e2e.story.facts import Told
from tests.e2e.story.kube import Kube


@dataclass(frozen=True, slots=True)
class Receivers:
    """The ones behind the demo's Alertmanager."""

    kube: Kube

    async def told(self, since: datetime) -> list[Told]:
        """Every message since a time, oldest first. Raises KubeError."""
        said = await self.kube.get(cluster.RECEIVERS.path("/received"))
        found = [message(one) for one in said["received"]]
        return [one for one in found if one.at >= since]

    async def fail(self, **status: int) -> None:
        """Have these services answer with a status from now on, and no others. Raises KubeError."""
        await self.kube.call("PUT", cluster.RECEIVERS.path("/failing"), body=status)


def _line(alert: Mapping[str, Any]) -> str:
    """One alert of a webhook's message: its own state, its name, what it says."""
    summary = alert.get("annotations", {}).get("summary", "")
    return f"{alert.get('status', '')} {alert['labels'].get('alertname', '')}: {summary}"


def message(received: Mapping[str, Any]) -> Told:
    """One message in the words of its service."""
    body = received["body"] if isinstance(received["body"], dict) else {}
    match received["service"]:
        case "slack":
            shown = body.get("attachments") or [{}]
            text = "\n".join(str(one.get(key, "")) for one in shown for key in ("title", "text"))
            to, action = body.get("channel", ""), "resolved" if "[RESOLVED]" in text else "firing"
        case "pagerduty":
            payload = body.get("payload") or {}
            details = (payload.get("custom_details") or {}).get("description", "")
            text = f"{payload.get('summary', '')}\n{details}"
            to, action = body.get("routing_key", ""), body.get("event_action", "")
        case _:
            alerts = body.get("alerts", [])
            text = "\n".join(_line(alert) for alert in alerts)
            to, action = body.get("receiver", ""), body.get("status", "")
    return Told(
        at=audit.time(received["at"]),
        service=received["service"],
        to=to,
        action=action,
        text=text,
        status=received["status"],
        problems=tuple(received["problems"]),
    )
