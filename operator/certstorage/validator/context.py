"""What every command needs: both copies, how to run many looks at once, how to wait, whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from certstorage.validator.digesters import Crew
from certstorage.validator.localtree import LocalTree
from certstorage.validator.pool import ahead, spread
from certstorage.validator.store import Store
from certstorage.validator.throttle import Cancelled, Throttle

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Progress(Protocol):
    """How far a run is, told to people."""

    def phase(self, name: str, total: int | None) -> None:
        """A new phase begins; `total` steps if known."""

    def step(self, count: int = 1, mismatches: int = 0) -> None:
        """So many more are done, so many of them differ."""

    def say(self, text: str) -> None:
        """One line worth reading."""


class Context(NamedTuple):
    """The surroundings of one run."""

    tree: LocalTree
    store: Store
    throttle: Throttle
    workers: int
    progress: Progress
    now: Callable[[], datetime]
    crew: Crew

    def spread(self, work: Callable[[_In], _Out], items: Iterable[_In], batch: int = 4) -> Iterator[_Out]:
        """`work` over `items`, many at once, in no particular order; threads take `batch` items at a time."""
        return spread(work, items, self.throttle, workers=self.workers, batch=batch)

    def ahead(self, pages: Iterator[_In], depth: int = 16) -> Iterator[_In]:
        """The same pages, fetched up to `depth` ahead by a thread of their own."""
        return ahead(pages, self.throttle, depth)

    def wait(self, seconds: float) -> None:
        """Wait, unless asked to stop.

        Raises:
            Cancelled: asked to stop.
        """
        if self.throttle.stop.wait(seconds):
            raise Cancelled
