"""Many keys at once: threads that pull work only when they are free, as many as the throttle lets run."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

from certstorage.validator.throttle import Cancelled, Throttle

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_GLANCE_SECONDS = 0.2
"""How often the waiting side looks whether it was asked to stop."""


def spread(
    work: Callable[[_In], _Out], items: Iterable[_In], throttle: Throttle, *, workers: int, batch: int = 4
) -> Iterator[_Out]:
    """`work` over `items`, in no particular order; memory stays bounded by the workers, however many items there are.

    Threads take `batch` items at a time. What `items` or `work` raises ends the run and is raised here; so is Cancelled
    when the run is stopped, at once, even while requests hang.
    """
    crew = _Crew(work, iter(items), throttle, workers, batch)
    try:
        yield from crew.results()
    finally:
        crew.outlet.close()


def ahead(pages: Iterator[_In], throttle: Throttle, depth: int = 16) -> Iterator[_In]:
    """The same pages, fetched from now on by a thread of their own, up to `depth` ahead of who reads them."""
    outlet: _Outlet[_In] = _Outlet(throttle, depth)

    def fetch() -> None:
        try:
            for page in pages:
                if not outlet.offer((page,)):
                    return
            outlet.offer(None)
        except BaseException as error:  # noqa: BLE001 - handed over to the reader's thread
            outlet.offer(error)

    threading.Thread(target=fetch, daemon=True).start()
    return _fetched(outlet)


def _fetched(outlet: _Outlet[_In]) -> Iterator[_In]:
    try:
        while (got := outlet.take()) is not None:
            yield from got
    finally:
        outlet.close()


class _Outlet(Generic[_Out]):
    """From many threads to one reader, a bounded number of batches at a time; None says that a thread left."""

    def __init__(self, throttle: Throttle, depth: int) -> None:
        self._queue: queue.Queue[Sequence[_Out] | BaseException | None] = queue.Queue(depth)
        self._throttle = throttle
        self._closed = threading.Event()

    def offer(self, batch: Sequence[_Out] | BaseException | None) -> bool:
        """Hand over, waiting for room; False when nobody reads any more."""
        while not self._closed.is_set():
            try:
                self._queue.put(batch, timeout=_GLANCE_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def take(self) -> Sequence[_Out] | None:
        """The next batch; raises what a thread raised, and Cancelled when the run is stopped."""
        while True:
            if self._throttle.stop.is_set():
                raise Cancelled
            try:
                got = self._queue.get(timeout=_GLANCE_SECONDS)
            except queue.Empty:
                continue
            if isinstance(got, BaseException):
                raise got
            return got

    def close(self) -> None:
        """The reader left."""
        self._closed.set()


class _Crew(Generic[_In, _Out]):
    """The threads of one `spread`: hired and let go as the throttle's limit moves, never fewer than one.

    Who finds work hires the next one, so few items have few threads.
    """

    def __init__(
        self, work: Callable[[_In], _Out], source: Iterator[_In], throttle: Throttle, workers: int, batch: int
    ) -> None:
        self._work = work
        self._source = source
        self._throttle = throttle
        self._workers = workers
        self._batch = batch
        self._taking = threading.Lock()
        self._counting = threading.Lock()
        self._hired = self._left = 0
        self._exhausted = False
        self.outlet: _Outlet[_Out] = _Outlet(throttle, workers * 4)

    def results(self) -> Iterator[_Out]:
        """What the threads bring, until the last one left."""
        self._hire()
        gone = 0
        while gone < self._hired:
            got = self.outlet.take()
            if got is None:
                gone += 1
            else:
                yield from got

    def _hire(self) -> None:
        """Nearly every call finds no room, and need not wait for the lock to see it."""
        if not self._room():
            return
        with self._counting:
            if not self._room():
                return
            self._hired += 1
        threading.Thread(target=self._labour, daemon=True).start()

    def _room(self) -> bool:
        return not self._exhausted and self._hired - self._left < min(self._throttle.limit, self._workers)

    def _labour(self) -> None:
        try:
            while not self._leaves():
                with self._taking:
                    items = list(islice(self._source, self._batch))
                if not items or not self.outlet.offer([self._done(item) for item in items]):
                    self._exhausted = True
        except BaseException as error:  # noqa: BLE001 - handed over to the caller's thread
            self.outlet.offer(error)
        self.outlet.offer(None)

    def _done(self, item: _In) -> _Out:
        self._hire()
        return self._work(item)

    def _leaves(self) -> bool:
        with self._counting:
            here = self._hired - self._left
            leaves = self._exhausted or (here > 1 and here > self._throttle.limit)
            self._left += leaves
            return leaves
