"""Does the bucket do what the application needs, now, with the application's own identity? A canary finds out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from certstorage.validator.store import Fault, Store, StoreError


@dataclass(slots=True)
class Probe:
    """What the canary found. Times in seconds. None: not tried."""

    rounds: int = 0
    failed: int = 0
    bucket: bool | None = None
    put: bool | None = None
    head: bool | None = None
    get: bool | None = None
    delete: bool | None = None
    conditional_put: bool | None = None
    conditional_delete: bool | None = None
    get_seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every round went through."""
        return self.rounds > 0 and not self.failed

    @property
    def get_p95(self) -> float | None:
        """The 95th percentile of the GETs (the largest, while there are fewer than 20)."""
        ordered = sorted(self.get_seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] if ordered else None

    def json(self) -> dict[str, object]:
        """For the report."""
        fields = asdict(self)
        del fields["get_seconds"]
        return {"result": "ok" if self.ok else "failed", **fields, "get_p95_seconds": self.get_p95}


def probe(
    store: Store,
    own_prefix: str,
    *,
    rounds: int,
    interval_seconds: float,
    wait: Callable[[float], object],
    clock: Callable[[], float] = time.monotonic,
) -> Probe:
    """Put, head, get, delete a canary `rounds` times, `interval_seconds` apart.

    The bucket is listed first: some servers make a bucket on the first PUT, and a probe must not bring one to life.
    """
    found = Probe()
    for number in range(rounds):
        if number:
            wait(interval_seconds)
        found.rounds += 1
        try:
            _round(store, f"{own_prefix}probe/{secrets.token_hex(8)}", found, clock)
        except StoreError as error:
            found.failed += 1
            found.failures.append(str(error)[:200])
            if error.fault.hopeless:
                break
    return found


def _round(store: Store, key: str, found: Probe, clock: Callable[[], float]) -> None:
    data = secrets.token_bytes(1024)
    found.bucket = False
    next(store.list(key), None)
    found.bucket = True
    found.put = False
    etag = store.put(key, data, replacing=None)
    found.put = True
    try:
        found.conditional_put = _refused(lambda: store.put(key, data, replacing=None)) and _refused(
            lambda: store.put(key, data, replacing="0" * 32)
        )
        found.head = False
        facts = store.head(key)
        found.head = facts is not None and facts.size == len(data)
        found.get = False
        started = clock()
        body = store.get(key)
        found.get_seconds.append(clock() - started)
        found.get = body is not None and body.data == data
        if not (found.head and found.get):
            raise StoreError(Fault.REFUSED, "the canary did not come back as it was written")
        etag = store.put(key, data + b".", replacing=body.facts.etag if body else etag)
    finally:
        found.delete = False
        found.conditional_delete = _refused(lambda: store.delete(key, etag="0" * 32))
        if found.conditional_delete:
            store.delete(key, etag=etag)
        gone = store.head(key) is None
        found.delete = gone
    if not gone:
        raise StoreError(Fault.REFUSED, "the canary is still there after it was deleted")


def _refused(request: Callable[[], object]) -> bool:
    try:
        request()
    except StoreError as error:
        if error.fault is Fault.CHANGED:
            return True
        raise
    return False
