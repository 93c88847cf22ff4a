"""The local tree: walked, looked at and read, never written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from certstorage.validator.facts import LocalFacts
from certstorage.validator.keys import KeyMap, UnmappableKeyError, hidden


class LocalError(Exception):
    """The local copy cannot be read; nothing is known about it. The message names the path and the error."""


class FileChangedError(Exception):
    """The file changed while it was read."""


@dataclass(slots=True)
class WalkTrouble:
    """What a walk could not turn into keys: counts and the first few messages."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def note(self, message: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < 10:
            self.first.append(message)


@dataclass(frozen=True, slots=True)
class LocalTree:
    """The files below a root, each by its key."""

    keys: KeyMap

    def check(self) -> None:
        """Raise LocalError unless the root is a directory that can be listed."""
        try:
            with os.scandir(self.keys.root):
                return
        except OSError as error:
            raise LocalError(f"local tree {self.keys.root}: {error.strerror}") from error

    def walk(self, trouble: WalkTrouble) -> Iterator[tuple[str, LocalFacts]]:
        """Every regular file, a directory at a time; what cannot be read or named goes to `trouble`.

        Files that vanish while being walked are left out; symbolic links are trouble, not files: one that leads out of
        the tree must never be uploaded.
        """
        pending = [""]
        while pending:
            relative = pending.pop()
            try:
                with os.scandir(f"{self.keys.root}/{relative}") as entries:
                    for entry in entries:
                        if hidden(entry.name):
                            continue
                        name = f"{relative}{entry.name}"
                        try:
                            if entry.is_dir(follow_symlinks=False):
                                pending.append(f"{name}/")
                                continue
                            found = entry.stat(follow_symlinks=False)
                            if not stat.S_ISREG(found.st_mode):
                                trouble.note(f"{name}: not a regular file")
                                continue
                            key = self.keys.key(name)
                        except FileNotFoundError:
                            continue
                        except UnmappableKeyError as error:
                            trouble.note(str(error))
                            continue
                        yield key, _facts(found)
            except FileNotFoundError:
                continue
            except OSError as error:
                trouble.note(f"{relative or '.'}: {error.strerror}")

    def stat(self, key: str) -> LocalFacts | None:
        """The file of a key, None if there is none.

        Raises:
            LocalError: something is there that is not a readable regular file, or it cannot be known.
        """
        path = self._path(key)
        if path is None:
            return None
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LocalError(f"{path}: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            raise LocalError(f"{path}: not a regular file")
        return _facts(found)

    def is_directory(self, key: str) -> bool:
        """Whether the key names a directory of the tree (some tools leave such markers in a bucket)."""
        path = self._path(key.rstrip("/"))
        return path is not None and os.path.isdir(path)  # noqa: PTH112 - the hot path knows strings only

    def read(self, key: str) -> tuple[LocalFacts, bytes] | None:
        """The bytes of a file together with the facts they were read under, None if there is no file.

        Raises:
            FileChangedError: it was written meanwhile.
            LocalError: it cannot be read.
        """
        chunks: list[bytes] = []
        facts = self.scan(key, chunks.append)
        return None if facts is None else (facts, b"".join(chunks))

    def scan(self, key: str, sink: Callable[[bytes], object], chunk: int = 1 << 20) -> LocalFacts | None:
        """Feed a file to `sink` in chunks of bounded size; otherwise as `read`."""
        path = self._path(key)
        if path is None:
            return None
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LocalError(f"{path}: {_reason(error)}") from error
        try:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                raise LocalError(f"{path}: not a regular file")
            left = before.st_size
            while left > 0:
                data = os.read(handle, min(chunk, left))
                if not data:
                    break
                left -= len(data)
                sink(data)
            if left or _facts(os.fstat(handle)) != _facts(before):
                raise FileChangedError(path)
        except OSError as error:
            raise LocalError(f"{path}: {_reason(error)}") from error
        finally:
            os.close(handle)
        return _facts(before)

    def _path(self, key: str) -> str | None:
        try:
            return self.keys.path(key)
        except UnmappableKeyError:
            return None


def _facts(found: os.stat_result) -> LocalFacts:
    return LocalFacts(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _reason(error: OSError) -> str:
    return "a symbolic link" if error.errno == errno.ELOOP else str(error.strerror)
