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
        self._last_words: set[Key] = set()
        self._changed_keys: set[Key] = set()
        self._changed = changed

    def put(self, key: Key, alerts: tuple[Alert, ...]) -> None:
        """Replace the alerts of one policy."""
        self._until.pop(key, None)
        self._last_words.discard(key)
        self._set(key, alerts)

    def put_last(self, key: Key, alerts: tuple[Alert, ...]) -> None:
        """The policy is being deleted: what one of its last passes says is not taken back by the next."""
        known = {one.identity: one for one in self._alerts.get(key, ())} if key in self._last_words else {}
        self._last_words.add(key)
        self._set(key, tuple((known | {one.identity: one for one in alerts}).values()))

    def _set(self, key: Key, alerts: tuple[Alert, ...]) -> None:
        old = self._alerts.pop(key, ())
        if alerts:
            self._alerts[key] = alerts
        if {one.identity for one in old} != {one.identity for one in alerts}:
            self._changed_keys.add(key)
            self._changed()

    def leave(self, key: Key, now: datetime) -> None:
        """The policy is gone; what its last passes had to say is said for some time more."""
        if key in self._alerts:
            self._until.setdefault(key, now + FAREWELL)

    def drop(self, key: Key) -> None:
        """The policy is gone without a last word: nothing of it is in force."""
        self.put(key, ())

    def keys(self) -> set[Key]:
        """The policies that have alerts in force."""
        return set(self._alerts)

    def changed_keys(self) -> set[Key]:
        """The policies whose alerts have begun or ended since this was asked last."""
        found, self._changed_keys = self._changed_keys, set()
        return found

    def alerts(self, now: datetime) -> tuple[Alert, ...]:
        """Everything in force now (UTC)."""
        for key in [key for key, until in self._until.items() if until <= now]:
            self.drop(key)
        return tuple(alert for alerts in self._alerts.values() for alert in alerts)
