"""Does the bucket do what the application needs, now, with the application's own identity? A canary finds out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from certstorage.validator.store import Fault, Store, StoreError

STEPS = ("ListBucket", "PutObject", "HeadObject", "GetObject", "ConditionalPut", "DeleteObject", "ConditionalDelete")
"""In the order they are tried; a step that needs an earlier one which failed is not tried."""
_OK = "ok"


class Probe:
    """What the canaries found: the last result of every step ("ok", or why not), and GET times in seconds."""

    def __init__(self) -> None:
        self.rounds = 0
        self.failed = 0
        self.steps: dict[str, str] = {}
        self.failures: list[str] = []
        self.get_seconds: list[float] = []

    @property
    def ok(self) -> bool:
        """Whether every round went through. Conditions that the endpoint ignores fail no round."""
        return self.rounds > 0 and not self.failed

    @property
    def conditional_put(self) -> bool:
        """Whether If-Match and If-None-Match are proven to be honoured on PUT."""
        return self.steps.get("ConditionalPut") == _OK

    @property
    def conditional_delete(self) -> bool:
        """Whether If-Match is proven to be honoured on DELETE."""
        return self.steps.get("ConditionalDelete") == _OK

    @property
    def get_p95(self) -> float | None:
        """The 95th percentile of the GETs in seconds (the longest, while there are fewer than 20)."""
        ordered = sorted(self.get_seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] if ordered else None

    def json(self) -> dict[str, object]:
        """For the report."""
        return {
            "result": "ok" if self.ok else "failed",
            "rounds": self.rounds,
            "failed": self.failed,
            "steps": {step: self.steps.get(step, "not tried") for step in STEPS},
            "failures": self.failures[:20],
            "get_p95_seconds": self.get_p95,
        }


def probe(
    store: Store,
    own_prefix: str,
    *,
    rounds: int,
    interval_seconds: float,
    wait: Callable[[float], object],
    clock: Callable[[], float] = time.monotonic,
) -> Probe:
    """Put, head, get, delete a canary `rounds` times, `interval_seconds` apart; ends early where it is hopeless.

    The bucket is listed first: some servers make a bucket on the first PUT, and a probe must not bring one to life.
    """
    found = Probe()
    for number in range(rounds):
        if number:
            wait(interval_seconds)
        canary = _Canary(store, f"{own_prefix}probe/{os.urandom(8).hex()}", clock, found)
        canary.fly()
        found.rounds += 1
        found.failed += bool(canary.failures)
        found.failures += canary.failures
        if canary.hopeless:
            break
    return found


class _Canary:
    """One object of our own, written, read and deleted again."""

    def __init__(self, store: Store, key: str, clock: Callable[[], float], found: Probe) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._found = found
        self._data = os.urandom(1024)
        self._etag = ""
        self.failures: list[str] = []
        self.hopeless = False

    def fly(self) -> None:
        """Every step whose need is met."""
        if not self._step("ListBucket", lambda: next(self._store.list(self._key), None)):
            return
        if self._step("PutObject", self._put):
            self._step("HeadObject", self._head)
            self._step("GetObject", self._get)
            self._step("ConditionalPut", self._conditional_put)
            if self._step("ConditionalDelete", self._conditional_delete):
                self._step("DeleteObject", self._delete)

    def _step(self, name: str, act: Callable[[], object]) -> bool:
        try:
            act()
        except _IgnoredError as error:
            self._found.steps[name] = str(error)
        except StoreError as error:
            self._found.steps[name] = str(error)[:200]
            self.failures.append(f"{name}: {error}"[:300])
            self.hopeless = self.hopeless or error.fault.hopeless
            return False
        else:
            self._found.steps[name] = _OK
        return True

    def _put(self) -> None:
        self._etag = self._store.put(self._key, self._data, replacing=None)

    def _head(self) -> None:
        facts = self._store.head(self._key)
        if facts is None or facts.size != len(self._data):
            raise StoreError(Fault.REFUSED, "the canary is not as it was written")
        self._etag = facts.etag

    def _get(self) -> None:
        began = self._clock()
        body = self._store.get(self._key)
        if body is None or body.data != self._data:
            raise StoreError(Fault.REFUSED, "the canary did not come back as it was written")
        self._found.get_seconds.append(self._clock() - began)

    def _conditional_put(self) -> None:
        other = self._data[::-1]
        if not _refused(lambda: self._store.put(self._key, other, replacing=None)):
            raise _IgnoredError("ignored: If-None-Match on PUT")
        if not _refused(lambda: self._store.put(self._key, other, replacing="0" * 32)):
            raise _IgnoredError("ignored: If-Match on PUT")
        self._etag = self._store.put(self._key, other, replacing=self._etag)

    def _conditional_delete(self) -> None:
        if not _refused(lambda: self._store.delete(self._key, etag="0" * 32)):
            raise _IgnoredError("ignored: If-Match on DELETE")

    def _delete(self) -> None:
        facts = self._store.head(self._key)
        if facts is not None:
            self._store.delete(self._key, etag=facts.etag)
        if self._store.head(self._key) is not None:
            raise StoreError(Fault.REFUSED, "the canary is still there after it was deleted")


class _IgnoredError(Exception):
    """The endpoint took no notice of a condition: worth knowing, no failure of the bucket."""


def _refused(request: Callable[[], object]) -> bool:
    try:
        request()
    except StoreError as error:
        if error.fault is Fault.CHANGED:
            return True
        raise
    return False
