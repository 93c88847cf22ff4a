"""How many requests at once, how many a second, and when to try again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from certstorage.validator.store import StoreError

_T = TypeVar("_T")
_FEWEST = 4
_CALM_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a failing request is repeated: full jitter between 0 and the doubled delay."""

    attempts: int = 8
    first_seconds: float = 0.1
    longest_seconds: float = 10.0
    budget_seconds: float = 90.0


class Cancelled(Exception):  # noqa: N818 - not an error: someone asked us to stop
    """The run was asked to end."""


class Throttle:
    """Repeats what is worth repeating and keeps the number of requests under way near what the endpoint bears.

    `limit` is halved (at most once a second) when the endpoint pushes back and grows by one for each `limit` requests
    that went well: what TCP does, for requests.
    """

    def __init__(
        self,
        most: int = 64,
        patience: Patience = Patience(),
        clock: Callable[[], float] = time.monotonic,
        stop: threading.Event | None = None,
    ) -> None:
        self._most = most
        self._patience = patience
        self._clock = clock
        self.stop = stop or threading.Event()
        self._lock = threading.Lock()
        self._limit = float(min(most, 32))
        self._halved_at = float("-inf")
        self.repeats = 0

    @property
    def limit(self) -> int:
        """Requests that may be under way now."""
        return int(self._limit)

    def run(self, attempt: Callable[[], _T]) -> _T:
        """Do it, again if need be.

        Raises:
            StoreError: the last one, when it is not worth repeating or patience ran out.
            Cancelled: the run was stopped between attempts.
        """
        started = self._clock()
        number = 0
        while True:
            number += 1
            try:
                result = attempt()
            except StoreError as error:
                if not error.fault.worth_repeating:
                    raise
                self._push_back()
                spent = self._clock() - started
                if number >= self._patience.attempts or spent > self._patience.budget_seconds:
                    raise
                self._wait(number, error.retry_after)
            else:
                if self._limit < self._most:
                    self._limit += 1 / self._limit
                return result

    def _wait(self, number: int, told: float | None) -> None:
        longest = min(self._patience.first_seconds * 2 ** (number - 1), self._patience.longest_seconds)
        seconds = told if told is not None else random.uniform(0, longest)  # noqa: S311 - jitter
        if self.stop.wait(min(seconds, self._patience.budget_seconds)):
            raise Cancelled

    def _push_back(self) -> None:
        with self._lock:
            self.repeats += 1
            now = self._clock()
            if now - self._halved_at >= _CALM_SECONDS:
                self._halved_at = now
                self._limit = max(float(_FEWEST), self._limit / 2)
