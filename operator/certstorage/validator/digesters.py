"""The MD5s of many files, by processes that hash, one for each core."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle, islice
from typing import Generic, TypeVar

from certstorage.validator import digester
from certstorage.validator.digester import Question, md5_of, receive, send
from certstorage.validator.localfile import LocalError

_BATCH = 64
_FEW = 32
"""So many files are hashed sooner than a process has started."""
_MOST = 4
"""More processes than these would wait for the one that feeds them."""
_AHEAD = 3
"""Batches that a process has at once, so that it never waits for the next."""

_T = TypeVar("_T")


class Crew:
    """The processes that hash. They start when they are needed, or before, when told to `begin`."""

    def __init__(self) -> None:
        self._processes = ExitStack()
        self._members: list[_Digester] = []

    def begin(self) -> None:
        """Have them started."""
        if not self._members:
            most = min(_MOST, os.cpu_count() or 1)
            self._members = [self._processes.enter_context(_started()) for _ in range(most)]

    def end(self) -> None:
        """Leave no process behind."""
        self._members = []
        self._processes.close()

    def hashed(
        self, items: Iterator[tuple[_T, Question | None]]
    ) -> Generator[list[tuple[_T, bytes | None]], None, None]:
        """The same items in the same order, a batch at a time, with the MD5 of the file in question; then the end.

        It is empty for a file that cannot be read or is of another size, and None where nothing was asked.

        Raises:
            LocalError: a process that hashes ended.
        """
        pending: deque[_Batch[_T]] = deque()
        self.begin()
        members = cycle(self._members)
        most = len(self._members) * _AHEAD
        try:
            while items_now := list(islice(items, _BATCH)):
                batch = _Batch(items_now)
                pending.append(batch)
                if len(batch.questions) >= _FEW:
                    batch.ask(next(members))
                if len(pending) >= most:
                    yield pending.popleft().answered()
            while pending:
                yield pending.popleft().answered()
        finally:
            self.end()


class _Batch(Generic[_T]):
    """Items with their questions, and who was asked, if anybody was."""

    def __init__(self, items: list[tuple[_T, Question | None]]) -> None:
        self._items = items
        self._process: _Digester | None = None
        self.questions = [question for _, question in items if question is not None]

    def ask(self, process: _Digester) -> None:
        """Give the questions to a process."""
        self._process = process
        process.ask(self.questions)

    def answered(self) -> list[tuple[_T, bytes | None]]:
        """The items with their MD5s, which are taken here if nobody was asked."""
        md5s = iter(self._process.answer() if self._process else map(md5_of, self.questions))
        return [(item, None if question is None else next(md5s)) for item, question in self._items]


class _Digester:
    """A process that hashes: answers come in the order of the questions."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._questions, self._answers = process.stdin, process.stdout

    def ask(self, questions: list[Question]) -> None:
        """Give it a batch."""
        try:
            send(self._questions, questions)
        except OSError as error:
            raise LocalError(f"a hashing process ended: {error}") from error

    def answer(self) -> list[bytes]:
        """The MD5s of the earliest batch without an answer."""
        try:
            found: list[bytes] = receive(self._answers)
        except (OSError, EOFError) as error:
            raise LocalError(f"a hashing process ended: {error}") from error
        return found

    def close(self) -> None:
        """No more questions; one that a dead process never read is no further trouble."""
        with suppress(BrokenPipeError):
            self._questions.close()


@contextmanager
def _started() -> Iterator[_Digester]:
    """A process for as long as it is needed; Ctrl-C is left to the run, and whoever ends does not wait for a disk."""
    command = [sys.executable, "-I", "-S", digester.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0) as process:  # noqa: S603 - our own program
        member = _Digester(process)
        try:
            yield member
        finally:
            process.kill()
            member.close()
