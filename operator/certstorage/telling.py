"""Telling people what is in force, and knowing whether they were told: every incident says so of every channel.

A channel is an Alertmanager or the webhook, by its URL. All of what is in force is posted to all of them on time, and
soon after it changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from certstorage.api.alerts import Alert
from certstorage.api.incidents import OVER, IncidentStatus
from certstorage.api.reading import rfc3339
from certstorage.board import AlertBoard
from certstorage.cluster.port import Json
from certstorage.registry import Key
from certstorage.signals.alertmanager import INTERVAL

GATHER_SECONDS = 0.2
"""After a change of the alerts, so that a mass outage is told in few posts."""
ERROR_LIMIT = 512

log = logging.getLogger(__name__)


class Post(Protocol):
    """Tells people."""

    async def __call__(self, alerts: Iterable[Alert], now: datetime) -> Mapping[str, str]:
        """Post everything that is in force (UTC); what failed, by channel."""


class Delivery(StrEnum):
    """Whether people were told of an incident, or of its end."""

    DELIVERED = "Delivered"
    FAILING = "Failing"
    RESOLVED = "Resolved"


@dataclass(frozen=True, slots=True)
class _Channel:
    """What is known of one: when the last post began that it took, and why it takes none now."""

    taken_at: datetime | None = None
    error: str = ""


class Channels:
    """The state of every channel, as the last posts left it."""

    def __init__(self, names: Sequence[str]) -> None:
        self._channels = dict.fromkeys(names, _Channel())

    def posted(self, failed: Mapping[str, str], began: datetime) -> bool:
        """A post that began then (UTC) has ended; whether a channel has failed or come back by it."""
        turned = False
        for name, old in self._channels.items():
            error = failed.get(name, "")
            turned |= bool(error) != bool(old.error)
            self._channels[name] = _Channel(old.taken_at if error else began, error)
        return turned

    def deliveries(self, status: IncidentStatus, before: Sequence[Json], now: datetime) -> list[Json]:
        """What an incident says of each channel; `before` is what it said, which stands while nothing newer is known.

        Its beginning is delivered when a post was taken that began after it, its end likewise.
        """
        old = {one.get("channel"): one for one in before}
        found = [self._delivery(name, status, old.get(name), now) for name in self._channels]
        return [one for one in found if one is not None]

    def _delivery(self, name: str, status: IncidentStatus, old: Json | None, now: datetime) -> Json | None:
        channel = self._channels[name]
        state = Delivery.RESOLVED if status.phase in OVER else Delivery.DELIVERED
        since = (status.resolved_at or status.detected_at) if status.phase in OVER else status.detected_at
        if old is not None and old["state"] == state:
            return old
        if channel.error:
            if old is not None and old["state"] == Delivery.FAILING:
                return old
            found = {"channel": name, "state": Delivery.FAILING.value, "lastError": channel.error[:ERROR_LIMIT]}
            return {**found, "at": rfc3339(now)}
        if channel.taken_at is None or channel.taken_at <= since:
            return old
        return {"channel": name, "state": state.value, "at": rfc3339(now)}


class Teller:
    """Posts for ever, and sooner after `news`.

    `told` hears how every post ended; the policies whose news it carried are woken to write it down.
    """

    def __init__(
        self,
        board: AlertBoard,
        post: Post,
        channels: Channels,
        news: asyncio.Event,
        *,
        told: Callable[[Mapping[str, str]], None],
        wake: Callable[[Key], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._board, self._post, self._channels, self._news = board, post, channels, news
        self._told, self._wake, self._clock = told, wake, clock

    async def run(self) -> None:
        """Post on time, and soon after a change, until cancelled."""
        while True:
            self._news.clear()
            await self.once()
            try:
                async with asyncio.timeout(INTERVAL.total_seconds()):
                    await self._news.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(GATHER_SECONDS)

    async def once(self) -> None:
        """Post once."""
        began, changed = self._clock(), self._board.changed_keys()
        failed = await self._post(self._board.alerts(began), began)
        self._told(failed)
        for channel, problem in failed.items():
            log.warning("alerts were not told to %s: %s", channel, problem)
        if self._channels.posted(failed, began):
            changed = changed | self._board.keys()
        for key in changed:
            self._wake(key)
