"""How many requests at once: as many as make a run faster, and no more than the endpoint bears."""

from __future__ import annotations

import threading

_FEWEST = 4
_BEGIN = 8
_STEP = 1.5
_WORTH = 0.2
"""A step up stays when requests a second grow by this share of it: by a tenth, when half as many more are tried."""
_ROUNDS = 2
_STAYS_SECONDS = 5.0
_CALM_SECONDS = 1.0

_Measured = tuple[int, float]
"""A limit, and how many requests a second it brought."""


class Pace:
    """The number of requests that may be under way; safe from many threads.

    Steps up while that pays: where every request takes longer by as much as there are more of them, the endpoint, the
    network or this machine has its fill, and more would only wait for each other. Tried again every few seconds. Halved
    (at most once a second) when the endpoint pushes back.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._limit = min(most, _BEGIN)
        self._before: _Measured | None = None
        """The limit before the last step, until it is known whether the step pays."""
        self._stays_until = self._halved_at = float("-inf")
        self._count = 0
        self._seconds = 0.0

    @property
    def limit(self) -> int:
        """Requests that may be under way now."""
        return self._limit

    def went_well(self, seconds: float, now: float) -> None:
        """A request was answered in so many seconds."""
        with self._lock:
            self._count += 1
            if self._count <= 0:
                return  # it began before the last step
            self._seconds += seconds
            if self._count >= _ROUNDS * self._limit:
                self._judge(now)

    def pushed_back(self, now: float) -> None:
        """The endpoint wants fewer."""
        with self._lock:
            if now - self._halved_at >= _CALM_SECONDS:
                self._halved_at = now
                self._go_to(max(min(_FEWEST, self._most), self._limit // 2), None)

    def _judge(self, now: float) -> None:
        a_second = self._limit * self._count / self._seconds if self._seconds else float("inf")
        if self._before is not None and not _pays(self._before, (self._limit, a_second)):
            self._stays_until = now + _STAYS_SECONDS
            self._go_to(self._before[0], None)
        elif self._limit < self._most and now >= self._stays_until:
            self._go_to(min(self._most, int(self._limit * _STEP)), (self._limit, a_second))
        else:
            self._go_to(self._limit, None)

    def _go_to(self, limit: int, before: _Measured | None) -> None:
        self._limit, self._before = limit, before
        self._count, self._seconds = -limit, 0.0


def _pays(before: _Measured, now: _Measured) -> bool:
    step = now[0] / before[0] - 1
    return now[1] >= before[1] * (1 + _WORTH * step)
