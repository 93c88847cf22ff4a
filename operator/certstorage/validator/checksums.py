"""The rung between ETag and body: a checksum of the whole object that the server keeps, held against the local file.

For objects whose ETag says nothing (multipart with unknown parts, SSE-KMS): one HEAD each instead of one GET.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import islice

from certstorage.validator.context import Context
from certstorage.validator.etag import Says
from certstorage.validator.localfile import LocalError
from certstorage.validator.store import StoreError

_WORTH_ASKING = 32
"""When none of the first so many objects has a checksum, the others are not asked for one."""


def judged_by_checksum(keys: Iterable[str], context: Context) -> Iterator[tuple[str, Says]]:
    """Every key, with what its checksum says; NOTHING where there is none."""
    source = iter(keys)
    first = list(context.spread(lambda key: _judge(key, context), list(islice(source, _WORTH_ASKING))))
    yield from first
    if any(says is not Says.NOTHING for _, says in first):
        yield from context.spread(lambda key: _judge(key, context), source)
    else:
        yield from ((key, Says.NOTHING) for key in source)


class Digest:
    """The checksums S3 knows and the standard library computes, in the form S3 gives them."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._crc32 = 0

    def update(self, data: bytes) -> None:
        """Feed more bytes."""
        self._sha256.update(data)
        self._sha1.update(data)
        self._crc32 = zlib.crc32(data, self._crc32)

    def agrees(self, kept: dict[str, str]) -> bool:
        """Whether all that the server keeps are ours."""
        raw = {"SHA256": self._sha256.digest(), "SHA1": self._sha1.digest(), "CRC32": self._crc32.to_bytes(4, "big")}
        return all(b64encode(raw[name]).decode() == value for name, value in kept.items())


def _judge(key: str, context: Context) -> tuple[str, Says]:
    try:
        kept = context.store.checksums(key)
        facts = context.tree.stat(key)
        if not kept or facts is None:
            return key, Says.NOTHING
        digest = Digest()
        whole = context.tree.feed(key, facts.size, digest.update)
    except StoreError as error:
        if error.fault.hopeless:
            raise
        return key, Says.NOTHING
    except LocalError:
        return key, Says.NOTHING
    return key, Says.EQUAL if whole and digest.agrees(kept) else Says.DIFFERENT
