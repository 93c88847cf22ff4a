"""The alerts in force, of all policies: what the poster tells Alertmanager again and again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from certstorage.api.alerts import Alert
from certstorage.registry import Key

FAREWELL = timedelta(minutes=15)
"""How long the alerts of a policy's last pass outlive it: long enough for every grouping interval to page."""


class AlertBoard:
    """Alerts by policy. `changed` is called when the set has changed, so that it is posted sooner."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._alerts: dict[Key, tuple[Alert, ...]] = {}
        self._until: dict[Key, datetime] = {}
        self._changed = changed

    def put(self, key: Key, alerts: tuple[Alert, ...]) -> None:
        """Replace the alerts of one policy."""
        self._until.pop(key, None)
        old = self._alerts.pop(key, ())
        if alerts:
            self._alerts[key] = alerts
        if {one.identity for one in old} != {one.identity for one in alerts}:
            self._changed()

    def leave(self, key: Key, now: datetime) -> None:
        """The policy is gone; what its last pass had to say is said for some time more."""
        if key in self._alerts:
            self._until.setdefault(key, now + FAREWELL)

    def drop(self, key: Key) -> None:
        """The policy is gone without a last word: nothing of it is in force."""
        self.put(key, ())

    def alerts(self, now: datetime) -> tuple[Alert, ...]:
        """Everything in force now (UTC)."""
        for key in [key for key, until in self._until.items() if until <= now]:
            self.drop(key)
        return tuple(alert for alerts in self._alerts.values() for alert in alerts)
