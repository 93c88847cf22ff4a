"""One file of the local tree: opened without following links or waiting for pipes, read, never written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from certstorage.validator import digester
from certstorage.validator.facts import LocalFacts


class LocalError(Exception):
    """The local copy cannot be read; nothing is known about it. The message names the path and the error."""


class TooLargeError(LocalError):
    """The file has more bytes than the reader wants in memory."""


class FileChangedError(Exception):
    """The file was written, replaced or deleted while it was read."""


class OpenFile(NamedTuple):
    """An open file and the facts it was opened under."""

    handle: int
    facts: LocalFacts

    def read(self, size: int) -> bytes:
        """Up to `size` bytes more, fewer only at the end."""
        data = os.read(self.handle, size)
        if len(data) in (0, size):
            return data
        pieces = [data]
        left = size - len(data)
        while left and (data := os.read(self.handle, left)):
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)


@contextmanager
def opened(path: str) -> Iterator[OpenFile | None]:
    """A file to read, None if there is none; leaving it checks that nobody wrote to it meanwhile.

    Raises:
        FileChangedError: it was written, replaced or deleted meanwhile.
        LocalError: it cannot be read, or is no regular file.
    """
    handle = _handle(path)
    if handle is None:
        yield None
        return
    try:
        before = facts_of(os.fstat(handle), path)
        yield OpenFile(handle, before)
        if facts_of(os.fstat(handle), path) != before:
            raise FileChangedError(path)
    except OSError as error:
        raise _meant(error, path) from error
    finally:
        os.close(handle)


def glance(path: str, most: int) -> tuple[LocalFacts, bytes] | None:
    """The bytes of a file and the facts it was opened under, None if there is no file.

    They belong together only if the file still has these facts afterwards, which is the reader's to see.

    Raises:
        TooLargeError: there are more than `most` bytes.
        FileChangedError, LocalError: as `opened`.
    """
    handle = _handle(path)
    if handle is None:
        return None
    try:
        file = OpenFile(handle, facts_of(os.fstat(handle), path))
        if file.facts.size > most:
            raise TooLargeError(f"{path}: {file.facts.size} bytes")
        data = file.read(file.facts.size)
    except OSError as error:
        raise _meant(error, path) from error
    finally:
        os.close(handle)
    if len(data) < file.facts.size:
        raise FileChangedError(path)
    return file.facts, data


def read(path: str, most: int) -> tuple[LocalFacts, bytes] | None:
    """As `glance`, of a file that nobody wrote to, replaced or deleted while it was read."""
    found = glance(path, most)
    if found is not None:
        try:
            now = facts_of(os.lstat(path), path)
        except OSError as error:
            raise FileChangedError(path) from error
        if now != found[0]:
            raise FileChangedError(path)
    return found


def feed(path: str, size: int, sink: Callable[[bytes], object]) -> bool:
    """Hand a file of exactly this size to `sink` in pieces; False if it is not there or of another size.

    Raises:
        LocalError: it cannot be read.
    """
    try:
        return digester.feed(path, size, sink)
    except OSError as error:
        raise LocalError(f"{path}: {reason(error)}") from error


def _handle(path: str) -> int | None:
    try:
        return os.open(path, digester.FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LocalError(f"{path}: {reason(error)}") from error


def _meant(error: OSError, path: str) -> Exception:
    return FileChangedError(path) if error.errno == errno.ESTALE else LocalError(f"{path}: {reason(error)}")


def facts_of(found: os.stat_result, path: str) -> LocalFacts:
    """What a stat found.

    Raises:
        LocalError: it is no regular file.
    """
    if not stat.S_ISREG(found.st_mode):
        raise LocalError(f"{path}: not a regular file")
    return LocalFacts(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def reason(error: OSError) -> str:
    """An error of the system in words."""
    return "a symbolic link" if error.errno == errno.ELOOP else str(error.strerror)
