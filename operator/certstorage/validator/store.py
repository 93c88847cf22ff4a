"""The bucket, as the validator sees it: nine verbs, and errors that say what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from certstorage.validator.facts import RemoteFacts


class Fault(StrEnum):
    """Why the store did not do what was asked."""

    CHANGED = "Changed"
    """A condition of ours did not hold: someone else wrote meanwhile."""
    NO_BUCKET = "NoSuchBucket"
    DENIED = "AccessDenied"
    CREDENTIALS = "BadCredentials"
    CLOCK = "ClockSkewed"
    THROTTLED = "Throttled"
    UNAVAILABLE = "Unavailable"
    """5xx, timeouts, refused or dropped connections, after all retries."""
    SILENT = "EndpointSilent"
    """Nothing at all succeeds any more: no reachable endpoint, or one that only refuses work."""
    UNADDRESSABLE = "UnaddressableKey"
    REFUSED = "Refused"

    @property
    def worth_repeating(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self in (Fault.THROTTLED, Fault.UNAVAILABLE)

    @property
    def hopeless(self) -> bool:
        """Whether every further request will meet the same."""
        return self in (Fault.NO_BUCKET, Fault.CREDENTIALS, Fault.CLOCK, Fault.SILENT)


class StoreError(Exception):
    """A request that failed for good. Never raised for an object that is proven not to be there."""

    def __init__(self, fault: Fault, detail: str, retry_after: float | None = None) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail
        self.retry_after = retry_after


BIG = 8 << 20
"""Objects of more bytes than this are compared piece by piece."""


class Listed(NamedTuple):
    """One row of a listing."""

    key: str
    facts: RemoteFacts


class Body(NamedTuple):
    """An object with its bytes; `data` is None when it is larger than BIG, and is to be read by `chunks`."""

    facts: RemoteFacts
    data: bytes | None


def whole(store: Store, key: str) -> bytes | None:
    """An object with all its bytes, however large; None if it is not there.

    Raises:
        StoreError: it cannot be read.
    """
    body = store.get(key)
    if body is None or body.data is not None:
        return body and body.data
    pieces = store.chunks(key)
    return None if pieces is None else b"".join(pieces[1])


class Store(Protocol):
    """A bucket. Every verb raises StoreError; "not there" is an answer, not an error."""

    def list(self, prefix: str) -> Iterator[Sequence[Listed]]:
        """Every object under a prefix ("" or ending in "/"), in pages and no particular order; it begins now."""

    def head(self, key: str) -> RemoteFacts | None:
        """The facts of an object."""

    def get(self, key: str) -> Body | None:
        """An object with its bytes, all in memory unless it is larger than BIG."""

    def holds(self, key: str, data: bytes) -> bool | None:
        """Whether an object has these very bytes, for less than `get` costs; None if it is not there.

        False may also mean that only `get` can tell.
        """

    def chunks(self, key: str) -> tuple[RemoteFacts, Iterator[bytes]] | None:
        """A large object, a piece at a time."""

    def put(self, key: str, data: bytes, *, replacing: str | None) -> str:
        """Write an object if its ETag is still `replacing` (None: if there is none). Returns the new ETag.

        Raises:
            StoreError: CHANGED when the condition did not hold.
        """

    def delete(self, key: str, *, etag: str) -> None:
        """Delete an object if its ETag is still this one; done when it is gone already.

        Raises:
            StoreError: CHANGED when it is another object by now.
        """

    def copy(self, source: str, target: str) -> None:
        """Copy within the bucket, by the server."""

    def checksums(self, key: str) -> dict[str, str]:
        """The checksums of the whole object that the server keeps: SHA256, SHA1, CRC32, base64."""
