"""What an ETag says about the bytes behind it.

The MD5 of the object, if it was written in one PUT and is stored plain or under SSE-S3; the MD5 of the parts' MD5s and
"-<parts>" after a multipart upload; 32 hex digits that are no MD5 of it under SSE-KMS and SSE-C. So equality proves
equality, and a difference proves nothing until the body was read.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

from certstorage.validator.facts import Method

_MD5 = re.compile(r"[0-9a-f]{32}")
_PARTS = re.compile(r"[0-9a-f]{32}-([1-9][0-9]*)")
_MIB = 1 << 20
PART_SIZES = tuple(
    size * _MIB for size in (5, 6, 7, 8, 10, 12, 15, 16, 20, 24, 25, 32, 50, 64, 96, 100, 128, 200, 256, 500, 512, 1024)
)
"""Part sizes that clients are known to use: 5 (the least), 8 (boto3, AWS CLI), 15 and 16, 64 and so on."""


class Says(StrEnum):
    """What an ETag says about bytes at hand."""

    EQUAL = "equal"
    DIFFERENT = "different"
    """It is not the ETag such an object would have, if it is no ETag of an encrypted one."""
    NOTHING = "nothing"


def is_md5(etag: str) -> bool:
    """Whether it has the form of an MD5."""
    return _MD5.fullmatch(etag) is not None


class Hasher:
    """Fed with bytes, says whether an object of this ETag and size is made of them."""

    def __init__(self, etag: str, size: int) -> None:
        self._etag = etag
        self._is_md5 = is_md5(etag)
        self._whole = hashlib.md5(usedforsecurity=False)
        self._parts: list[_Parts] = []
        if not self._is_md5 and (match := _PARTS.fullmatch(etag)) is not None:
            count = int(match.group(1))
            sizes = (max(size, 1),) if count == 1 else PART_SIZES
            self._parts = [_Parts(part) for part in sizes if max(1, -(-size // part)) == count]

    @property
    def md5(self) -> str:
        """The MD5 of everything fed so far."""
        return self._whole.hexdigest()

    def update(self, data: bytes) -> None:
        """Feed more bytes."""
        self._whole.update(data)
        for parts in self._parts:
            parts.update(data)

    @property
    def method(self) -> Method:
        """By which of its forms the ETag speaks."""
        return Method.ETAG_MD5 if self._is_md5 else Method.ETAG_PARTS if self._parts else Method.NONE

    @property
    def useful(self) -> bool:
        """Whether the ETag can say anything about an object of this size."""
        return self.method is not Method.NONE

    def verdict(self) -> Says:
        """What the ETag says about everything fed so far."""
        if self._is_md5:
            return Says.EQUAL if self.md5 == self._etag else Says.DIFFERENT
        if any(parts.etag() == self._etag for parts in self._parts):
            return Says.EQUAL
        return Says.DIFFERENT if self._etag.endswith("-1") else Says.NOTHING


class _Parts:
    """The ETag of a multipart upload with parts of one size."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size
        self._part = hashlib.md5(usedforsecurity=False)
        self._digests: list[bytes] = []

    def update(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            piece = view[: self._left]
            self._part.update(piece)
            view = view[len(piece) :]
            self._left -= len(piece)
            if not self._left:
                self._finish()

    def etag(self) -> str:
        digests = list(self._digests)
        if self._left < self._size or not digests:
            digests.append(self._part.digest())
        return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"

    def _finish(self) -> None:
        self._digests.append(self._part.digest())
        self._part = hashlib.md5(usedforsecurity=False)
        self._left = self._size
