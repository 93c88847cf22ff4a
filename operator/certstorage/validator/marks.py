"""What was found equal already: eight bytes for each, on disk, so that a killed run does not read it again.

A mark stands for a key in one state on both sides (size, time of change, ETag): whatever was written since has another
mark and is read again. Marks are believed for one run only, named in the first line of the file.
"""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from certstorage.validator.census import Row

SIZE = 8
BELIEVED_FOR = timedelta(hours=24)
_DRAWERS = 1 << 12
_FLUSH_EVERY = 512


def mark(tier: str, row: Row) -> bytes:
    """The mark of a key as a census saw it, for one way of comparing it."""
    etag = row.remote.etag if row.remote else ""
    state = f"{tier}\0{row.key}\0{row.local_size}\0{row.local_changed_ns}\0{etag}"
    return blake2b(state.encode(), digest_size=SIZE).digest()


class RunId(NamedTuple):
    """Which run marks belong to: a digest of everything that shapes it, and when it first began."""

    digest: str
    started: datetime


class Marks:
    """The marks of a run. Adding is safe from many threads; without a path nothing is kept."""

    def __init__(self, path: Path | None, run: RunId) -> None:
        """Take up the marks of the same run if there are any no older than a day.

        Raises:
            OSError: the file cannot be read or written.
        """
        self._drawers: list[bytearray | None] = [None] * _DRAWERS
        self._lock = threading.Lock()
        self._path = path
        self._file: BinaryIO | None = None
        self._unflushed = 0
        self.run = run
        self.resumed = 0
        if path is not None:
            self._take_up(path)

    @property
    def kept(self) -> bool:
        """Whether marks are kept at all: if not, none need be made."""
        return self._file is not None

    def __contains__(self, one: bytes) -> bool:
        if not one:
            return False
        drawer = self._drawers[_number(one)]
        if drawer is None:
            return False
        at = drawer.find(one)
        while at > 0 and at % SIZE:
            at = drawer.find(one, at + 1)
        return at >= 0

    def add(self, one: bytes) -> None:
        """Found equal."""
        with self._lock:
            if self._file is not None:
                self._file.write(one)
                self._unflushed += 1
                if self._unflushed >= _FLUSH_EVERY:
                    self._file.flush()
                    self._unflushed = 0

    def finish(self) -> None:
        """The run came to its verdict: whatever is asked next is read anew."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _take_up(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        old = path.read_bytes() if path.exists() else b""
        head, _, body = old.partition(b"\n")
        began = _began(head, self.run)
        whole = len(body) - len(body) % SIZE if began is not None else 0
        if began is not None:
            self.run = RunId(self.run.digest, began)
            for at in range(0, whole, SIZE):
                self._remember(body[at : at + SIZE])
            self.resumed = whole // SIZE
        else:
            head = json.dumps({"run": self.run.digest, "started": self.run.started.isoformat()}).encode()
            path.write_bytes(head + b"\n")
        self._file = path.open("r+b")
        self._file.seek(len(head) + 1 + whole)
        self._file.truncate()

    def _remember(self, one: bytes) -> None:
        number = _number(one)
        drawer = self._drawers[number]
        if drawer is None:
            drawer = self._drawers[number] = bytearray()
        drawer += one


def _number(one: bytes) -> int:
    return (one[0] << 8 | one[1]) % _DRAWERS


def _began(head: bytes, run: RunId) -> datetime | None:
    """When the run that wrote this first line began, if it is this one and not too old to be believed."""
    try:
        found = json.loads(head)
        began = datetime.fromisoformat(found["started"])
        same = found["run"] == run.digest
    except (ValueError, KeyError, TypeError):
        return None
    return began if same and timedelta(0) <= run.started - began <= BELIEVED_FOR else None
