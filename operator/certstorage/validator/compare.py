"""One look at one certificate: are both copies the same bytes, right now?"""

from __future__ import annotations

import hashlib
import threading

from certstorage.validator.causes import Edges, cause_of, error_document, local_damaged
from certstorage.validator.facts import Cause, LocalFacts, Look, Method, Outcome, RemoteFacts
from certstorage.validator.localfile import FileChangedError, LocalError, TooLargeError
from certstorage.validator.localtree import LocalTree
from certstorage.validator.store import BIG, Fault, Store, StoreError

_TRIES = 3
_EDGE = 1024
_BIG_AT_ONCE = threading.Semaphore(4)
"""Pieces of big objects are megabytes each; a few at a time keep memory bounded whatever the concurrency."""


def look(key: str, tree: LocalTree, store: Store, *, alike: bool) -> Look:
    """Read both copies and compare every byte; that they are the same costs less to find out where they should be.

    The local file is looked at again after the object was read: whatever the application wrote meanwhile makes the look
    void, and it is taken anew; a file that never holds still is IN_FLIGHT. Faults that every further request would meet
    (bucket gone, credentials refused, clock wrong, endpoint silent) are raised, all others are an outcome.
    """
    for _ in range(_TRIES):
        try:
            found = _look(key, tree, store, alike=alike)
            if tree.stat(key) == found.local:
                return found
        except FileChangedError:
            continue
        except LocalError as error:
            return Look(key, Outcome.ERROR, detail=str(error))
        except StoreError as error:
            if error.fault.hopeless:
                raise
            refused = error.fault in (Fault.UNADDRESSABLE, Fault.REFUSED)
            return Look(key, Outcome.UNVERIFIED if refused else Outcome.ERROR, detail=str(error))
    return Look(key, Outcome.IN_FLIGHT, detail="the local file changes faster than it can be compared")


def _look(key: str, tree: LocalTree, store: Store, *, alike: bool) -> Look:
    try:
        local = tree.glance(key, most=BIG)
    except TooLargeError:
        return _look_piecewise(key, tree, store)
    holds = store.holds(key, local[1]) if alike and local else False
    if local and holds:
        return Look(key, Outcome.SAME, local[0], method=Method.BODY)
    body = None if holds is None else store.get(key)
    if body is None:
        return Look(key, Outcome.MISSING if local else Outcome.GONE, local[0] if local else None, cause=_missing(local))
    if local is None:
        cause = Cause.UNDELETED if tree.touched_since(key, body.facts.modified) else Cause.EXTRA
        return Look(key, Outcome.EXTRA, None, body.facts, cause=cause)
    if body.data is None:
        return _look_piecewise(key, tree, store)
    if local[1] == body.data:
        return Look(key, Outcome.SAME, local[0], method=Method.BODY)
    cause = cause_of(key, local[1], body.data, local_newer=newer(local[0], body.facts))
    digest = hashlib.md5(body.data, usedforsecurity=False).hexdigest()
    return Look(key, Outcome.DIFFERENT, local[0], body.facts, Method.BODY, cause, digest)


def _look_piecewise(key: str, tree: LocalTree, store: Store) -> Look:
    with _BIG_AT_ONCE, tree.opened(key) as file:
        found = store.chunks(key)
        if found is None or file is None:
            local = file.facts if file else None
            outcome = Outcome.MISSING if local else Outcome.EXTRA if found else Outcome.GONE
            return Look(key, outcome, local, found[0] if found else None, cause=_missing(local))
        comparison = Pieces()
        for piece in found[1]:
            comparison.feed(file.read(len(piece)), piece)
        while rest := file.read(BIG):
            comparison.feed(rest, b"")
        if comparison.same:
            return Look(key, Outcome.SAME, file.facts, found[0], Method.BODY)
        cause = comparison.cause(key, local_newer=newer(file.facts, found[0]))
        return Look(key, Outcome.DIFFERENT, file.facts, found[0], Method.BODY, cause, comparison.digest)


def newer(local: LocalFacts, remote: RemoteFacts) -> bool:
    """Whether the file was written after the object."""
    return local.mtime_ns / 1e9 > remote.modified.timestamp() + 1


def _missing(local: object | None) -> Cause:
    return Cause.MISSING if local else Cause.NONE


class _Side:
    def __init__(self) -> None:
        self.size = 0
        self.head = b""
        self.tail = b""

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        if len(self.head) < _EDGE:
            self.head = (self.head + data[:_EDGE])[:_EDGE]
        self.tail = (self.tail + data[-_EDGE:])[-_EDGE:]

    def edges(self) -> Edges:
        return Edges(self.size, self.head, self.tail)


class Pieces:
    """Two bodies compared a piece at a time."""

    def __init__(self) -> None:
        self._local, self._remote = _Side(), _Side()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._common = True
        self._zeros = True

    def feed(self, local: bytes, remote: bytes) -> None:
        """The next piece of each; the shorter body runs dry first."""
        self._local.feed(local)
        self._remote.feed(remote)
        self._md5.update(remote)
        if local == remote:
            self._zeros = self._zeros and (self._common or not remote.strip(b"\0"))
            return
        if self._common:
            kept = remote.rstrip(b"\0")
            self._zeros = local.startswith(kept)
            self._common = len(remote) < len(local) and local.startswith(remote)
        else:
            self._zeros = self._zeros and not remote.strip(b"\0")

    @property
    def same(self) -> bool:
        """Whether every byte was the same."""
        return self._common and self._local.size == self._remote.size

    @property
    def digest(self) -> str:
        """The MD5 of the remote body."""
        return self._md5.hexdigest()

    def cause(self, key: str, *, local_newer: bool) -> Cause:
        """What went wrong, as far as pieces tell."""
        if local_damaged(key, self._local.edges(), self._remote.edges()):
            return Cause.LOCAL_DAMAGED
        if not self._remote.size:
            return Cause.EMPTY
        if error_document(self._local.head, self._remote.head):
            return Cause.ERROR_DOCUMENT
        if self._common and self._remote.size < self._local.size:
            return Cause.TRUNCATED
        if self._zeros and self._remote.size == self._local.size:
            return Cause.ZERO_TAIL
        return Cause.STALE if local_newer else Cause.CONTENT
