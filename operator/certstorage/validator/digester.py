"""The MD5s of files. A program of its own, so that hashing has every core and not only Python's one lock.

It is started by its path and without site-packages, and is there in 15 ms. Batches come on standard input, answers go
to standard output, each as four bytes of length and so many of `marshal`; the end of the input ends it.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import resource
import sys
import time

TYPE_CHECKING = False  # typing itself would take a third of the start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO, Any

FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How a file of the tree is opened: no link is followed, no pipe waited for."""
_PIECE = 1 << 20
_HEAD = 4
_MOST_THREADS = 32
_IDLE, _BUSY = 0.25, 0.75
"""Shares of CPU time in time, below and above which more or fewer threads read."""

Question = tuple[str, int]
"""Path, and size in bytes."""


def feed(path: str, size: int, sink: Callable[[bytes], object]) -> bool:
    """Hand a file of exactly this size to `sink` in pieces; False if it is not there or of another size.

    Raises:
        OSError: it cannot be read.
    """
    try:
        handle = os.open(path, FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        left = size + 1
        while left > 0 and (data := os.read(handle, min(left, _PIECE))):
            sink(data)
            left -= len(data)
            if left == 1 and len(data) < _PIECE:
                break
        return left == 1
    finally:
        os.close(handle)


def md5_of(question: Question) -> bytes:
    """The MD5 of a file of this size; empty if it is not there, of another size, or cannot be read."""
    path, size = question
    found = hashlib.md5(usedforsecurity=False)
    try:
        return found.digest() if feed(path, size, found.update) else b""
    except OSError:
        return b""


def send(stream: IO[bytes], value: list[Question] | list[bytes]) -> None:
    """Write a batch or an answer."""
    data = marshal.dumps(value)
    stream.write(len(data).to_bytes(_HEAD, "little") + data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read a batch or an answer.

    Raises:
        EOFError: there is none any more.
    """
    data = stream.read(int.from_bytes(stream.read(_HEAD), "little"))
    return marshal.loads(data)  # noqa: S302 - from our own process, on a pipe of our own


def answers(batches: Iterable[list[Question]]) -> Iterator[list[bytes]]:
    """The MD5s of each batch.

    One thread is fastest while files are in memory; where a disk or a file server is waited for, many ask it at once.
    """
    threads = 1
    for batch in batches:
        began, cpu, waits = time.perf_counter(), *_used()
        yield list(map(md5_of, batch)) if threads == 1 else _at_once(batch, threads)
        cpu_now, waits_now = _used()
        share = (cpu_now - cpu) / (time.perf_counter() - began)
        threads = next_threads(threads, waits_a_file=(waits_now - waits) / len(batch), cpu_share=share)


def next_threads(threads: int, *, waits_a_file: float, cpu_share: float) -> int:
    """How many threads read the next batch, by how the last one went.

    A crowded machine takes CPU time away, too, but only a disk makes a single thread wait of its own accord.
    """
    if threads == 1:
        return 2 if waits_a_file > 0.5 else 1
    if cpu_share < _IDLE:
        return min(2 * threads, _MOST_THREADS)
    return threads // 2 if cpu_share > _BUSY else threads


def _used() -> tuple[float, int]:
    """CPU seconds of this process, and how often it waited."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_nvcsw


def _at_once(batch: list[Question], threads: int) -> list[bytes]:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - slow to load, of use on slow disks only

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(md5_of, batch))


def _received(stream: IO[bytes]) -> Iterator[list[Question]]:
    while True:
        try:
            yield receive(stream)
        except EOFError:
            return


def main() -> None:
    """Answer until the input ends."""
    for answer in answers(_received(sys.stdin.buffer)):
        send(sys.stdout.buffer, answer)


if __name__ == "__main__":
    main()
