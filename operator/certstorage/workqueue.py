"""Which policy is looked at next: keyed, delayed, deduplicated, one pass of a key at a time.

`Schedule` is the pure part, with the time as a parameter; `run` gives it a clock and workers. Waking a key that waits
changes nothing, waking one that is at work lets it run once more. Two lanes: going to the safe side overtakes all else.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K")

FIRST_RETRY_SECONDS = 0.05
MOST_RETRY_SECONDS = 60.0
"""A key that fails again and again is tried once a minute."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass leaves: when to look again (seconds from now, None for only when woken), and whether it failed.

    A failed pass is tried again with a back-off that doubles for as long as it fails, up to `most_retry_seconds`.
    """

    again_seconds: float | None = None
    failed: bool = False
    most_retry_seconds: float = MOST_RETRY_SECONDS


@dataclass(slots=True)
class Schedule(Generic[K]):
    """Keys that are ready, at work, or due later. Times are seconds of one monotonic clock."""

    _urgent: deque[K] = field(default_factory=deque)
    _ready: deque[K] = field(default_factory=deque)
    _waiting: dict[K, bool] = field(default_factory=dict)
    """Keys in a lane, and whether in the urgent one."""
    _busy: dict[K, bool | None] = field(default_factory=dict)
    """Keys at work: woken meanwhile urgently (True), woken (False), or not (None)."""
    _timers: list[tuple[float, int, K]] = field(default_factory=list)
    _due: dict[K, float] = field(default_factory=dict)
    _failures: dict[K, int] = field(default_factory=dict)
    _count: int = 0

    def wake(self, key: K, *, urgent: bool = False) -> None:
        """Let the key be looked at as soon as a worker is free."""
        if key in self._busy:
            self._busy[key] = urgent or bool(self._busy[key])
        elif key not in self._waiting:
            self._enter(key, urgent)
        elif urgent and not self._waiting[key]:
            # it stays in the other lane too, where it is skipped
            self._enter(key, True)

    def _enter(self, key: K, urgent: bool) -> None:
        self._waiting[key] = urgent
        (self._urgent if urgent else self._ready).append(key)

    def wake_at(self, key: K, due: float) -> None:
        """Let the key be looked at then, unless it is due earlier."""
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            self._count += 1
            heapq.heappush(self._timers, (due, self._count, key))

    def take(self, now: float) -> K | None:
        """The next key to work on, which is busy until `done`; None when none is ready."""
        self._ring(now)
        for lane, urgent in ((self._urgent, True), (self._ready, False)):
            while lane:
                key = lane.popleft()
                if self._waiting.get(key) is urgent:
                    del self._waiting[key]
                    self._due.pop(key, None)
                    self._busy[key] = None
                    return key
        return None

    def _ring(self, now: float) -> None:
        while self._timers and (self._timers[0][0] <= now or self._stale()):
            due, _, key = heapq.heappop(self._timers)
            if self._due.get(key) == due:
                del self._due[key]
                self.wake(key)

    def _stale(self) -> bool:
        due, _, key = self._timers[0]
        return self._due.get(key) != due

    def done(self, key: K, now: float, outcome: Outcome) -> None:
        """The pass of this key has ended."""
        again = self._busy.pop(key)
        if again is not None:
            self._enter(key, again)
        if outcome.failed:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay = FIRST_RETRY_SECONDS * 2 ** min(failures - 1, 16)
            self.wake_at(key, now + min(delay, outcome.most_retry_seconds))
            return
        self._failures.pop(key, None)
        if outcome.again_seconds is not None:
            self.wake_at(key, now + max(outcome.again_seconds, 0.0))

    def next_due(self) -> float | None:
        """When the earliest timer rings; None when there is none."""
        while self._timers and self._stale():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    @property
    def depth(self) -> int:
        """Keys that wait for a worker."""
        return len(self._waiting)

    @property
    def busy(self) -> int:
        """Keys at work."""
        return len(self._busy)


class WorkQueue(Generic[K]):
    """A schedule with a clock and workers, inside one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.schedule: Schedule[K] = Schedule()
        self._clock, self._changed = clock, asyncio.Event()

    def wake(self, key: K, *, urgent: bool = False) -> None:
        """Let the key be looked at as soon as a worker is free."""
        self.schedule.wake(key, urgent=urgent)
        self._changed.set()

    async def run(self, work: Callable[[K], Awaitable[Outcome]], *, workers: int) -> None:
        """Work on keys for ever, `workers` at a time. An exception out of `work` ends it, with all that is at work."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                while self.schedule.busy < workers and (key := self.schedule.take(self._clock())) is not None:
                    group.create_task(self._one(key, work))
                due = self.schedule.next_due()
                delay = None if due is None or self.schedule.busy >= workers else max(due - self._clock(), 0.0)
                try:
                    async with asyncio.timeout(delay):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def _one(self, key: K, work: Callable[[K], Awaitable[Outcome]]) -> None:
        outcome = await work(key)
        self.schedule.done(key, self._clock(), outcome)
        self._changed.set()
