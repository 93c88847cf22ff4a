"""The local tree: walked, looked at and read, never written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from itertools import chain, count
from typing import NamedTuple

from certstorage.validator import localfile
from certstorage.validator.facts import LocalFacts
from certstorage.validator.keys import KeyMap, UnmappableKeyError, hidden
from certstorage.validator.localfile import LocalError, OpenFile

_FIRST = 10


class WalkTrouble:
    """What a walk could not turn into keys: how much, and the first few messages."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def note(self, message: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < _FIRST:
            self.first.append(message)


class LocalTree(NamedTuple):
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

    def walk(self, trouble: WalkTrouble) -> Iterator[Iterator[tuple[str, LocalFacts]]]:
        """Every regular file, a folder at a time, to be read to its end before the next one.

        Folders come in the order of their names, as listings mostly do. What cannot be read or named goes to `trouble`.
        Files that vanish while being walked are left out; symbolic links are trouble, not files: one that leads out of
        the tree must never be uploaded.
        """
        pending = [""]
        while pending:
            below: list[str] = []
            yield self._files(pending.pop(), below, trouble)
            pending += sorted(below, reverse=True)

    def files(self, trouble: WalkTrouble) -> Iterator[tuple[str, LocalFacts]]:
        """Every regular file, as `walk` finds them."""
        return chain.from_iterable(self.walk(trouble))

    def folder(self, folder: str, trouble: WalkTrouble | None = None) -> Iterator[str]:
        """The keys of the regular files directly in a folder, which is named by its key; nothing if there is none.

        That it cannot be read is noted in `trouble`.
        """
        return self._regular(folder, trouble)

    def of_sizes(self, folder: str, sizes: Set[int], places: Set[int]) -> list[str]:
        """The keys of a folder as `folder` has them, of files with one of these sizes in bytes.

        `places`: as which of its files a walk met them. Only these are looked at where they are still the same.
        """

        def fits(entry: os.DirEntry[str]) -> bool:
            try:
                return entry.stat(follow_symlinks=False).st_size in sizes
            except OSError:
                return False

        place = count()
        met = list(self._regular(folder, None, lambda entry: next(place) in places and fits(entry)))
        return met if len(met) == len(places) else list(self._regular(folder, None, fits))

    def _regular(
        self, folder: str, trouble: WalkTrouble | None, fits: Callable[[os.DirEntry[str]], bool] = lambda entry: True
    ) -> Iterator[str]:
        top = self.keys.prefix.rstrip("/")
        path = self.keys.root if folder == top else self.path(folder)
        if path is None:
            return
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if not hidden(entry.name) and entry.is_file(follow_symlinks=False) and fits(entry):
                        yield self.keys.key(f"{path[len(self.keys.root) + 1 :]}/{entry.name}".lstrip("/"))
        except (FileNotFoundError, NotADirectoryError, UnmappableKeyError):
            return
        except OSError as error:
            if trouble is not None:
                trouble.note(f"{folder or '.'}: {error.strerror}")

    def path(self, key: str) -> str | None:
        """Where the file of a key is, or would be; None where there can be none."""
        try:
            return self.keys.path(key)
        except UnmappableKeyError:
            return None

    def stat(self, key: str) -> LocalFacts | None:
        """The file of a key, None if there is none.

        Raises:
            LocalError: something is there that is not a readable regular file, or it cannot be known; also when the
                root is another one by now: what a lost mount hides was not deleted.
        """
        path = self.path(key)
        if path is None:
            return None
        try:
            try:
                return localfile.facts_of(os.lstat(path), path)
            except (FileNotFoundError, NotADirectoryError):
                if _anchor(self.keys.root) != self.anchor:
                    raise LocalError(f"local tree {self.keys.root}: no longer the one the run began with") from None
                return None
        except OSError as error:
            raise LocalError(f"{path}: {error.strerror}") from error

    def is_directory(self, key: str) -> bool:
        """Whether the key names a directory of the tree (some tools leave such markers in a bucket)."""
        path = self.path(key.rstrip("/"))
        return path is not None and os.path.isdir(path)  # noqa: PTH112 - the hot path knows strings only

    def touched_since(self, key: str, moment: datetime) -> bool:
        """Whether the directory of this file exists and had an entry added or removed since."""
        path = self.path(key)
        if path is None:
            return False
        try:
            return os.stat(path.rpartition("/")[0]).st_mtime > moment.timestamp()  # noqa: PTH116 - strings, as above
        except OSError:
            return False

    def opened(self, key: str) -> AbstractContextManager[OpenFile | None]:
        """A file to read piece by piece; as localfile.opened."""
        path = self.path(key)
        return nullcontext() if path is None else localfile.opened(path)

    def read(self, key: str, most: int) -> tuple[LocalFacts, bytes] | None:
        """The bytes of a file and the facts they were read under; as localfile.read."""
        path = self.path(key)
        return None if path is None else localfile.read(path, most)

    def glance(self, key: str, most: int) -> tuple[LocalFacts, bytes] | None:
        """The bytes of a file and the facts it was opened under; as localfile.glance."""
        path = self.path(key)
        return None if path is None else localfile.glance(path, most)

    def feed(self, key: str, size: int, sink: Callable[[bytes], object]) -> bool:
        """Hand a file of exactly this size to `sink`; as localfile.feed."""
        path = self.path(key)
        return path is not None and localfile.feed(path, size, sink)

    def _files(self, folder: str, below: list[str], trouble: WalkTrouble) -> Iterator[tuple[str, LocalFacts]]:
        """The regular files of a folder, which is named relative to the root; the folders in it go to `below`."""
        try:
            with os.scandir(f"{self.keys.root}/{folder}") as entries:
                for entry in entries:
                    if hidden(entry.name):
                        continue
                    name = folder + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        below.append(f"{name}/")
                        continue
                    try:
                        yield self.keys.key(name), localfile.facts_of(entry.stat(follow_symlinks=False), name)
                    except FileNotFoundError:
                        continue
                    except (UnmappableKeyError, LocalError) as error:
                        trouble.note(str(error))
        except FileNotFoundError:
            return
        except OSError as error:
            trouble.note(f"{folder or '.'}: {error.strerror}")


def _anchor(root: str) -> tuple[int, int]:
    found = os.stat(root)  # noqa: PTH116 - strings, as above
    return found.st_dev, found.st_ino
