"""The shared volume: the copy that is true. Several Pods write it at once."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .certificates import Name

_LOCKS = ".locks"
_SHARDS = 4096


@dataclass(frozen=True, slots=True)
class Disk:
    """Room on the volume, in bytes and inodes; `free` is what a process without privileges may use."""

    size_bytes: int
    free_bytes: int
    inodes: int
    free_inodes: int


class LocalStore:
    """Certificates as files below a root."""

    def __init__(self, root: Path, quota_bytes: int | None = None) -> None:
        """Use the tree below `root`, which must exist before the first write.

        With a quota the tree is a disk of that size, as an export of a file server would be.
        """
        self._root = root
        self._quota = quota_bytes

    def writable(self) -> bool:
        """Whether certificates can be stored: what readiness means here."""
        return os.access(self._root, os.R_OK | os.W_OK | os.X_OK)

    def read(self, name: Name) -> bytes | None:
        """The bytes of one version of the file, None if there is none. Raises OSError."""
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: Name, data: bytes) -> None:
        """Store durably; a reader sees the old bytes or the new ones, a crash leaves nothing half written.

        The bytes go into a file without a name, so that who walks the tree meets certificates only.

        Raises:
            OSError: it is not stored (a full disk, for one).
        """
        path = self._path(name)
        if self._quota is not None and self._used() + len(data) > self._quota:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
            link = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            # src_dir_fd says nothing about an absolute path, but without it os.link() does not follow the link in /proc
            os.link(f"/proc/self/fd/{handle}", link, src_dir_fd=handle, follow_symlinks=True)
        finally:
            os.close(handle)
        try:
            link.replace(path)
        except OSError:
            link.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)

    def delete(self, name: Name) -> bool:
        """Remove durably; False if there was none. Raises OSError."""
        path = self._path(name)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        _sync_directory(path.parent)
        return True

    @contextmanager
    def lock(self, name: Name) -> Iterator[None]:
        """Hold the name against writers of every Pod, so that the bucket sees writes in the order the volume did.

        The locks are empty directories on the volume itself, each for one in 4096 names: no file of ours ever looks
        like a certificate to who compares the two copies.
        """
        digest = hashlib.blake2b(name.text.encode(), digest_size=4).digest()
        directory = self._root / _LOCKS / f"{int.from_bytes(digest) % _SHARDS:03x}"
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def disk(self) -> Disk:
        """How much room is left. Raises OSError."""
        found = os.statvfs(self._root)
        size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
        if self._quota is not None:
            size, free = self._quota, max(0, min(free, self._quota - self._used()))
        return Disk(size_bytes=size, free_bytes=free, inodes=found.f_files, free_inodes=found.f_favail)

    def _used(self) -> int:
        """Bytes of all files below the root, whoever wrote them."""
        used, folders = 0, [self._root]
        while folders:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(Path(entry.path))
                        else:
                            used += entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue
        return used

    def _path(self, name: Name) -> Path:
        return self._root / name.text


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
