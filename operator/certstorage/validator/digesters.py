"""The MD5s of all files, by processes that hash, one for each core, while the bucket is still being listed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice

from certstorage.validator import digester
from certstorage.validator.digester import Question, md5_of, receive, send
from certstorage.validator.facts import LocalFacts
from certstorage.validator.localfile import LocalError

_BATCH = 64
_FEW = 32
"""So many files are hashed sooner than a process starts."""
_MOST = 4
"""More processes than these would wait for the one that feeds them."""
_AHEAD = 3
"""Batches that a process has at once, so that it never waits for the next."""

File = tuple[str, LocalFacts]
Hashed = tuple[str, LocalFacts, bytes]
"""Key, facts, and the MD5, which is empty where none could be taken."""


def hashed(files: Iterator[File], path: Callable[[str], str | None]) -> Generator[list[Hashed], None, None]:
    """The same files in the same order, a batch at a time, with their MD5s; `path` says where the file of a key is.

    Raises:
        LocalError: a process that hashes ended.
    """
    most = min(_MOST, len(os.sched_getaffinity(0)))
    asked: deque[tuple[_Digester | None, list[File], list[Question]]] = deque()
    with ExitStack() as stack:
        crew: list[_Digester] = []
        number = 0
        while batch := list(islice(files, _BATCH)):
            questions = [(path(key) or "", facts.size) for key, facts in batch]
            process = None
            if len(batch) >= _FEW:
                if len(crew) < most:
                    crew.append(stack.enter_context(_started()))
                process = crew[number % most]
                process.ask(questions)
            number += 1
            asked.append((process, batch, questions))
            if len(asked) == most * _AHEAD:
                yield _answered(*asked.popleft())
        while asked:
            yield _answered(*asked.popleft())


def _answered(process: _Digester | None, batch: list[File], questions: list[Question]) -> list[Hashed]:
    md5s = list(map(md5_of, questions)) if process is None else process.answer()
    return [(key, facts, md5) for (key, facts), md5 in zip(batch, md5s, strict=True)]


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


@contextmanager
def _started() -> Iterator[_Digester]:
    """A process for as long as it is needed; Ctrl-C is left to the run, and who ends early does not wait for a disk."""
    command = [sys.executable, "-I", "-S", digester.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0) as process:  # noqa: S603 - our own program
        try:
            yield _Digester(process)
        except BaseException:
            process.kill()
            raise
