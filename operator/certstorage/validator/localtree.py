"""The local tree: walked, looked at and read, never written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from certstorage.validator.facts import LocalFacts
from certstorage.validator.keys import KeyMap, UnmappableKeyError, hidden


@dataclass(frozen=True, slots=True)
class OpenFile:
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
    """The files below a root, each by its key. `anchor` is the identity of the root when the run began."""

    keys: KeyMap
    anchor: tuple[int, int]

    @classmethod
    def open(cls, keys: KeyMap) -> LocalTree:
        """The tree at its root.

        Raises:
            LocalError: there is no directory, or it cannot be listed.
        """
        try:
            with os.scandir(keys.root):
                return cls(keys, _anchor(keys.root))
        except OSError as error:
            raise LocalError(f"local tree {keys.root}: {error.strerror}") from error

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

    def folder(self, folder: str) -> Iterator[str]:
        """The keys of the regular files directly in a folder, which is named by its key; nothing if there is none."""
        top = self.keys.prefix.rstrip("/")
        path = self.keys.root if folder == top else self._path(folder)
        if path is None:
            return
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if not hidden(entry.name) and entry.is_file(follow_symlinks=False):
                        yield self.keys.key(f"{path[len(self.keys.root) + 1 :]}/{entry.name}".lstrip("/"))
        except (OSError, UnmappableKeyError):
            return

    def stat(self, key: str) -> LocalFacts | None:
        """The file of a key, None if there is none.

        Raises:
            LocalError: something is there that is not a readable regular file, or it cannot be known; also when the
                root is another one by now: what a lost mount hides was not deleted.
        """
        path = self._path(key)
        if path is None:
            return None
        try:
            try:
                found = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                if _anchor(self.keys.root) != self.anchor:
                    raise LocalError(f"local tree {self.keys.root}: no longer the one the run began with") from None
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

    def emptied_since(self, key: str, moment: datetime) -> bool:
        """Whether the directory that would hold the file exists and had an entry added or removed since."""
        path = self._path(key)
        if path is None:
            return False
        try:
            return os.stat(path.rpartition("/")[0]).st_mtime > moment.timestamp()  # noqa: PTH116 - strings, as above
        except OSError:
            return False

    @contextmanager
    def opened(self, key: str) -> Iterator[OpenFile | None]:
        """A file to read, None if there is none; leaving it checks that nobody wrote to it meanwhile.

        Raises:
            FileChangedError: it was written, replaced or deleted meanwhile.
            LocalError: it cannot be read.
        """
        path = self._path(key)
        handle = -1
        try:
            if path is not None:
                handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            path = None
        except OSError as error:
            raise LocalError(f"{path}: {_reason(error)}") from error
        if path is None:
            yield None
            return
        try:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                raise LocalError(f"{path}: not a regular file")
            yield OpenFile(handle, _facts(before))
            if _facts(os.fstat(handle)) != _facts(before):
                raise FileChangedError(path)
        except OSError as error:
            if error.errno == errno.ESTALE:
                raise FileChangedError(path) from error
            raise LocalError(f"{path}: {error.strerror}") from error
        finally:
            os.close(handle)

    def read(self, key: str) -> tuple[LocalFacts, bytes] | None:
        """The bytes of a file together with the facts they were read under, None if there is no file; as `opened`."""
        with self.opened(key) as file:
            if file is None:
                return None
            data = file.read(file.facts.size)
            if len(data) < file.facts.size:
                raise FileChangedError(key)
            return file.facts, data

    def _path(self, key: str) -> str | None:
        try:
            return self.keys.path(key)
        except UnmappableKeyError:
            return None


def _anchor(root: str) -> tuple[int, int]:
    found = os.stat(root)  # noqa: PTH116 - strings, as above
    return found.st_dev, found.st_ino


def _facts(found: os.stat_result) -> LocalFacts:
    return LocalFacts(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _reason(error: OSError) -> str:
    return "a symbolic link" if error.errno == errno.ELOOP else str(error.strerror)
