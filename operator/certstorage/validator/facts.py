"""What is known of one certificate on either side, and what a comparison of the two may find."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class LocalFacts(NamedTuple):
    """A regular file of the local tree: size in bytes, times in nanoseconds since the epoch."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @property
    def changed_ns(self) -> int:
        """The later of both times: `cp -p` sets the first back, nothing sets back the second."""
        return max(self.mtime_ns, self.ctime_ns)


class RemoteFacts(NamedTuple):
    """An object in the bucket: size in bytes; `etag` with its quotes taken off."""

    size: int
    etag: str
    modified: datetime


class Outcome(StrEnum):
    """What a look at one key came to."""

    SAME = "same"
    DIFFERENT = "different"
    MISSING = "missing_in_s3"
    EXTRA = "extra_in_s3"
    GONE = "gone"
    """On neither side any more: deleted while we looked."""
    IN_FLIGHT = "in_flight"
    """Still being written by the application; to be looked at again, never a mismatch."""
    UNVERIFIED = "unverified"
    """Could not be compared; never counted as equal."""
    ERROR = "error"

    @property
    def mismatch(self) -> bool:
        """Whether the two copies are known to differ."""
        return self in (Outcome.DIFFERENT, Outcome.MISSING, Outcome.EXTRA)

    @property
    def unknown(self) -> bool:
        """Whether nothing is known: counted as the worst case."""
        return self in (Outcome.UNVERIFIED, Outcome.ERROR)


class Method(StrEnum):
    """How equality was established, weakest last."""

    BODY = "body"
    CHECKSUM = "checksum"
    ETAG_MD5 = "etag-md5"
    ETAG_PARTS = "etag-parts"
    LISTING = "listing"
    NONE = "none"


class Cause(StrEnum):
    """What is wrong, as far as the bytes and the times tell."""

    NONE = ""
    MISSING = "missing_in_s3"
    EXTRA = "extra_in_s3"
    UNDELETED = "undeleted"
    """In S3 only, and its directory changed since the object was written: the file was deleted, the object was not."""
    STALE = "stale"
    """S3 holds other bytes and the local file is the newer one: an overwrite that did not arrive."""
    CONTENT = "content"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    ZERO_TAIL = "zero_tail"
    TRAILING = "trailing_bytes"
    AWS_CHUNKED = "aws_chunked"
    """The framing of a chunked upload was stored as if it were content."""
    ERROR_DOCUMENT = "error_document"
    GZIPPED = "gzipped"
    LINE_ENDINGS = "line_endings"
    SWAPPED = "swapped"
    """These are the bytes of another key."""
    LOCAL_DAMAGED = "local_damaged"
    """The local file is no whole document, the object is one: left for a person."""


class Look(NamedTuple):
    """One comparison of one key. `digest`: MD5 of the object's bytes where they differ; `detail` is for people."""

    key: str
    outcome: Outcome
    local: LocalFacts | None = None
    remote: RemoteFacts | None = None
    method: Method = Method.NONE
    cause: Cause = Cause.NONE
    digest: str = ""
    detail: str = ""

    @property
    def identity(self) -> tuple[LocalFacts | None, str | None]:
        """Equal in two looks when neither side changed between them."""
        return self.local, self.remote.etag if self.remote else None
