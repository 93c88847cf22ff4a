"""Progress for people: a bar on a terminal, a plain line now and then when piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Self, TextIO

from certstorage.validator.context import Progress

_QUIET_SECONDS = 10.0


class PlainProgress:
    """A line when a phase begins, and one every ten seconds while it lasts."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._name = ""
        self._total: int | None = None
        self._done = self._mismatches = 0
        self._began = self._spoke = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()

    def phase(self, name: str, total: int | None) -> None:
        """As Progress.phase."""
        self._name, self._total, self._done, self._mismatches = name, total, 0, 0
        self._began = self._spoke = self._clock()
        self.say(f"{name}: {total} to do" if total is not None else f"{name} begins")

    def step(self, count: int = 1, mismatches: int = 0) -> None:
        """As Progress.step."""
        self._done += count
        self._mismatches += mismatches
        now = self._clock()
        if now - self._spoke >= _QUIET_SECONDS:
            self._spoke = now
            rate = self._done / (now - self._began)
            of = f"/{self._total}" if self._total else ""
            left = f", {(self._total - self._done) / rate:.0f} s left" if self._total and rate else ""
            self.say(f"{self._name}: {self._done}{of}, {rate:.0f}/s, {self._mismatches} differ so far{left}")

    def say(self, text: str) -> None:
        """As Progress.say."""
        self._stream.write(f"{text}\n")
        self._stream.flush()


def progress() -> AbstractContextManager[Progress]:
    """The one that fits where standard error goes. rich is loaded for a terminal only: it takes a tenth of a second."""
    if not sys.stderr.isatty():
        return PlainProgress()
    from certstorage.validator.bar import BarProgress  # noqa: PLC0415 - see above

    return BarProgress()
