"""Many keys at once: threads that pull work only when they are free, as many as the throttle lets run."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from certstorage.validator.throttle import Cancelled, Throttle

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_BATCH = 8
_PARKED_SECONDS = 0.05


def spread(work: Callable[[_In], _Out], items: Iterable[_In], throttle: Throttle, workers: int) -> Iterator[_Out]:
    """`work` over `items`, in no particular order; memory stays bounded by the workers, however many items there are.

    What `items` or `work` raises ends the run and is raised here; so is Cancelled when the run is stopped.
    """
    source = iter(items)
    taking = threading.Lock()
    done: queue.SimpleQueue[list[_Out] | BaseException | None] = queue.SimpleQueue()
    over = threading.Event()
    room = threading.Semaphore(workers * 4)

    def take() -> list[_In]:
        with taking:
            return list(islice(source, _BATCH))

    def worker(number: int) -> None:
        try:
            while not over.is_set() and not throttle.stop.is_set():
                if number >= throttle.limit:
                    over.wait(_PARKED_SECONDS)
                    continue
                room.acquire()
                batch = take()
                if not batch:
                    over.set()
                    return
                done.put([work(item) for item in batch])
        except BaseException as error:  # noqa: BLE001 - handed over to the caller's thread
            over.set()
            done.put(error)
        finally:
            done.put(None)

    threads = [threading.Thread(target=worker, args=(number,), daemon=True) for number in range(workers)]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            got = done.get()
            room.release()
            if isinstance(got, BaseException):
                raise got
            if got is None:
                running -= 1
            else:
                yield from got
        if throttle.stop.is_set():
            raise Cancelled
    finally:
        over.set()
        for _ in threads:
            room.release()
