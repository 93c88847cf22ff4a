"""Telling people: the alerts in force, posted to Alertmanager again and again, so that none is lost.

Level-triggered: `post` is called at each interval with everything that is in force. What is left out is resolved by
posting its end, and goes on being posted as ended for a while, so that an Alertmanager that was away hears of it too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp

from certstorage.api.alerts import Alert

INTERVAL: Final = timedelta(seconds=15)
"""Between two posts of the whole set."""
ENDS_AFTER: Final = 4 * INTERVAL
"""Without another post an alert resolves by itself, so that a dead operator's do not stay for ever."""
RESOLVED_FOR: Final = timedelta(minutes=15)
"""How long an end is repeated, as Prometheus does."""
TIMEOUT_SECONDS: Final = 5.0
PATH: Final = "/api/v2/alerts"

_Identity = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _Told:
    alert: Alert
    starts_at: datetime
    ended_at: datetime | None = None


@dataclass(slots=True)
class Poster:
    """Posts to all members of an Alertmanager cluster, each by its URL. Not to be called twice at once."""

    session: aiohttp.ClientSession
    urls: tuple[str, ...]
    _told: dict[_Identity, _Told] = field(default_factory=dict)

    async def post(self, alerts: Iterable[Alert], now: datetime) -> Mapping[str, str]:
        """Tell everyone what is in force (UTC). What failed, by URL, in one line each; empty when all were told."""
        body = [_json(told, now) for told in self._changed(alerts, now)]
        if not body:
            return {}
        answers = await asyncio.gather(*(self._send(url, body) for url in self.urls))
        return {url: problem for url, problem in zip(self.urls, answers, strict=True) if problem}

    def _changed(self, alerts: Iterable[Alert], now: datetime) -> list[_Told]:
        in_force = {alert.identity: alert for alert in alerts}
        for identity, alert in in_force.items():
            known = self._told.get(identity)
            if known is None or known.ended_at is not None:
                self._told[identity] = _Told(alert, alert.starts_at or now)
            else:
                known.alert = alert
                known.starts_at = alert.starts_at or known.starts_at
        for identity, told in list(self._told.items()):
            if identity in in_force:
                continue
            told.ended_at = told.ended_at or now
            if now - told.ended_at > RESOLVED_FOR:
                del self._told[identity]
        return list(self._told.values())

    async def _send(self, url: str, body: list[dict[str, Any]]) -> str:
        address = url.rstrip("/") + PATH
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self.session.post(address, json=body, allow_redirects=False) as response,
            ):
                if response.status == 200:
                    return ""
                told = (await response.content.read(200)).decode("utf-8", "replace").split("\n", 1)[0]
                return f"{address}: HTTP {response.status}: {told}"
        except TimeoutError:
            return f"{address}: no answer within {TIMEOUT_SECONDS:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"{address}: {str(error) or type(error).__name__}".split("\n", 1)[0]


def _json(told: _Told, now: datetime) -> dict[str, Any]:
    alert = told.alert
    ends_at = told.ended_at or now + ENDS_AFTER
    return {
        "labels": {**alert.labels, "alertname": alert.name, "severity": alert.severity.value},
        "annotations": {key: text for key, text in alert.annotations.items() if text},
        "startsAt": told.starts_at.isoformat(),
        "endsAt": max(ends_at, told.starts_at).isoformat(),
    }
