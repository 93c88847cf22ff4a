"""Telling people who have no Alertmanager: one webhook, told of every alert when it begins and when it ends.

The body is the one that Alertmanager sends to webhooks (version 4), so that what understands the one understands the
other. What was not taken is sent again at every interval until it is; what goes on is told again now and then.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from certstorage.api.alerts import Alert

TIMEOUT_SECONDS: Final = 5.0
REPEAT: Final = timedelta(hours=4)
"""What goes on is told again after this long, as Alertmanager does by default."""
NEVER_ENDS: Final = "0001-01-01T00:00:00Z"
"""How Alertmanager writes the end of what goes on."""

_Identity = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _Known:
    alert: Alert
    starts_at: datetime
    ended_at: datetime | None = None
    told_at: datetime | None = None
    """When its beginning was taken last."""

    def due(self, now: datetime) -> bool:
        """Whether something of it is still to be told."""
        return self.ended_at is not None or self.told_at is None or now - self.told_at >= REPEAT


@dataclass(slots=True)
class Webhook:
    """Posts to one URL, with a bearer token where a file has one. Not to be called twice at once."""

    session: aiohttp.ClientSession
    url: str
    token_file: str = ""
    _known: dict[_Identity, _Known] = field(default_factory=dict)

    async def post(self, alerts: Iterable[Alert], now: datetime) -> Mapping[str, str]:
        """Tell what is new of all that is in force (UTC). Why it failed, by URL; empty when all was told."""
        due = self._due(alerts, now)
        if not due:
            return {}
        problem = await self._send(_body(due))
        if problem:
            return {self.url: problem}
        for identity, known in due.items():
            if known.ended_at is None:
                known.told_at = now
            else:
                del self._known[identity]
        return {}

    def _due(self, alerts: Iterable[Alert], now: datetime) -> dict[_Identity, _Known]:
        in_force = {alert.identity: alert for alert in alerts}
        for identity, alert in in_force.items():
            known = self._known.get(identity)
            if known is None or known.ended_at is not None:
                self._known[identity] = _Known(alert, alert.starts_at or now)
            else:
                known.alert = alert
        for identity, known in self._known.items():
            if identity not in in_force:
                known.ended_at = known.ended_at or now
        return {identity: known for identity, known in self._known.items() if known.due(now)}

    def _headers(self) -> dict[str, str]:
        """Raises OSError when the token cannot be read."""
        return {"Authorization": f"Bearer {Path(self.token_file).read_text().strip()}"} if self.token_file else {}

    async def _send(self, body: Mapping[str, Any]) -> str:
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self.session.post(self.url, json=body, headers=self._headers(), allow_redirects=False) as response,
            ):
                if 200 <= response.status < 300:
                    return ""
                told = (await response.content.read(200)).decode("utf-8", "replace").split("\n", 1)[0]
                return f"HTTP {response.status}: {told}"
        except TimeoutError:
            return f"no answer within {TIMEOUT_SECONDS:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return (str(error) or type(error).__name__).split("\n", 1)[0]


def _body(due: Mapping[_Identity, _Known]) -> dict[str, Any]:
    alerts = [_alert(identity, known) for identity, known in due.items()]
    firing = any(alert["status"] == "firing" for alert in alerts)
    return {
        "version": "4",
        "groupKey": "certstorage-operator",
        "truncatedAlerts": 0,
        "status": "firing" if firing else "resolved",
        "receiver": "certstorage-operator",
        "groupLabels": {},
        "commonLabels": _common([alert["labels"] for alert in alerts]),
        "commonAnnotations": _common([alert["annotations"] for alert in alerts]),
        "externalURL": "",
        "alerts": alerts,
    }


def _alert(identity: _Identity, known: _Known) -> dict[str, Any]:
    alert = known.alert
    return {
        "status": "firing" if known.ended_at is None else "resolved",
        "labels": {**alert.labels, "alertname": alert.name, "severity": alert.severity.value},
        "annotations": {key: text for key, text in alert.annotations.items() if text},
        "startsAt": known.starts_at.isoformat(),
        "endsAt": NEVER_ENDS if known.ended_at is None else known.ended_at.isoformat(),
        "generatorURL": "",
        "fingerprint": hashlib.sha256(repr(identity).encode()).hexdigest()[:16],
    }


def _common(every: list[dict[str, str]]) -> dict[str, str]:
    """What all have in common."""
    first, *others = every
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
