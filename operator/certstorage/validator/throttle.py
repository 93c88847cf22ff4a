"""How many requests at once, how many a second, and when to try again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from certstorage.validator.pace import Pace
from certstorage.validator.store import Fault, StoreError

_T = TypeVar("_T")


class Patience(NamedTuple):
    """How often and how long a failing request is repeated: full jitter between 0 and the doubled delay.

    The endpoint counts as gone when nothing at all succeeded for `silence_seconds` and `many` attempts, or for twice
    as long whatever the number: one object that cannot be read is not an endpoint that cannot be reached.
    """

    attempts: int = 6
    first_seconds: float = 0.1
    longest_seconds: float = 10.0
    silence_seconds: float = 60.0
    many: int = 50


PATIENT = Patience()


class Cancelled(Exception):  # noqa: N818 - not an error: someone asked us to stop
    """The run was asked to end."""


class Bucket:
    """A token bucket: `rate` tokens a second, at most one second's worth saved up. Rate 0 means no limit."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = rate
        self._filled_at = clock()

    def take(self, tokens: float) -> float:
        """Take tokens, on credit if need be; returns the seconds to wait before using them."""
        if not self._rate:
            return 0.0
        with self._lock:
            now = self._clock()
            self._tokens = min(self._rate, self._tokens + (now - self._filled_at) * self._rate)
            self._filled_at = now
            self._tokens -= tokens
            return max(0.0, -self._tokens / self._rate)


class Throttle:
    """Repeats what is worth repeating, and finds out how many requests at once are best.

    A Retry-After holds back every request, not only the one that was told.
    """

    def __init__(
        self,
        most: int = 64,
        *,
        patience: Patience = PATIENT,
        requests: Bucket | None = None,
        data: Bucket | None = None,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pace = Pace(most)
        self._patience = patience
        self._clock = clock
        self._requests = requests or Bucket(0)
        self._data = data or Bucket(0)
        self.stop = stop or threading.Event()
        self._lock = threading.Lock()
        self._not_before = float("-inf")
        self._silent_since: float | None = None
        self._failures = 0
        self.repeats = 0

    @property
    def limit(self) -> int:
        """Requests that may be under way now."""
        return self._pace.limit

    def run(self, attempt: Callable[[], _T]) -> _T:
        """Do it, again if need be.

        Raises:
            StoreError: the last one, when it is not worth repeating or patience ran out; SILENT when nothing else
                succeeds any more either.
            Cancelled: the run was stopped between attempts.
        """
        number = 0
        while True:
            number += 1
            self._pause(max(self._requests.take(1), self._not_before - self._clock()))
            began = self._clock()
            try:
                result = attempt()
            except StoreError as error:
                if not error.fault.worth_repeating:
                    self._silent_since = None
                    raise
                self._push_back(error, began)
                if number >= self._patience.attempts:
                    raise
                longest = min(self._patience.first_seconds * 2 ** (number - 1), self._patience.longest_seconds)
                self._pause(random.uniform(0, longest))  # noqa: S311 - jitter
            else:
                self._silent_since = None
                now = self._clock()
                self._pace.went_well(now - began, now)
                return result

    def moved(self, size: int) -> None:
        """So many bytes were sent or received; waits where there is a limit to it."""
        self._pause(self._data.take(size))

    def _pause(self, seconds: float) -> None:
        if seconds > 0 and self.stop.wait(seconds):
            raise Cancelled

    def _push_back(self, error: StoreError, began: float) -> None:
        with self._lock:
            self.repeats += 1
            now = self._clock()
            if error.retry_after is not None:
                self._not_before = max(self._not_before, now + error.retry_after)
            self._pace.pushed_back(now)
            if self._silent_since is None:
                self._silent_since, self._failures = began, 0
            self._failures += 1
            silence, bearable = now - self._silent_since, self._patience.silence_seconds
            if silence > 2 * bearable or (silence > bearable and self._failures >= self._patience.many):
                raise StoreError(Fault.SILENT, f"nothing but failures for {silence:.0f} s: {error}")
