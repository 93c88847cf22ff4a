"""From two different bodies to what went wrong."""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

from certstorage.validator.facts import Cause

_EDGE = 1024
_CHUNK_HEAD = re.compile(rb"[0-9a-fA-F]{1,8}(;chunk-signature=[0-9a-f]{64})?\r\n")
_CHUNK_TAIL = re.compile(rb"\r\n0(;chunk-signature=[0-9a-f]{64})?\r\n(x-amz-[a-z0-9-]+:[^\r\n]*(\r?\n)*)*(\r\n)*$")
_MARKUP = re.compile(rb"\s*(<\?xml[^>]*>\s*<Error>|<Error>|<!doctype html|<html)", re.IGNORECASE)


class Edges(NamedTuple):
    """Size, the first and the last kilobyte of a body: enough to tell whether a document is whole."""

    size: int
    head: bytes
    tail: bytes

    @classmethod
    def of(cls, data: bytes) -> Edges:
        """The edges of a body at hand."""
        return cls(len(data), data[:_EDGE], data[-_EDGE:])

    def whole(self, key: str) -> bool:
        """Whether it can be what its name says: not empty, not all zeros at its ends, a PDF from magic to end mark."""
        if not self.size or not (self.head.strip(b"\0") and self.tail.strip(b"\0")):
            return False
        return not key.lower().endswith(".pdf") or (b"%PDF-" in self.head and b"%%EOF" in self.tail)


def cause_of(key: str, local: bytes, remote: bytes, *, local_newer: bool) -> Cause:
    """What is wrong with `remote`, which is not `local`; `local_newer`: the file was written after the object."""
    for cause, applies in (
        (Cause.LOCAL_DAMAGED, local_damaged(key, Edges.of(local), Edges.of(remote))),
        (Cause.EMPTY, not remote),
        (Cause.AWS_CHUNKED, _framed(remote) and not _framed(local)),
        (Cause.ERROR_DOCUMENT, error_document(local, remote)),
        (Cause.TRUNCATED, local.startswith(remote)),
        (Cause.ZERO_TAIL, _zero_tail(local, remote)),
        (Cause.TRAILING, bool(local) and remote.startswith(local)),
        (Cause.GZIPPED, _gunzipped(remote, len(local)) == local),
        (Cause.LINE_ENDINGS, _unix(local) == _unix(remote)),
        (Cause.STALE, local_newer),
    ):
        if applies:
            return cause
    return Cause.CONTENT


def local_damaged(key: str, local: Edges, remote: Edges) -> bool:
    """Whether only the object is a whole document."""
    return remote.whole(key) and not local.whole(key)


def error_document(local: bytes, remote: bytes) -> bool:
    """Whether only the object begins like an S3 error document or a web page."""
    return _MARKUP.match(remote) is not None and _MARKUP.match(local) is None


def _framed(data: bytes) -> bool:
    return _CHUNK_HEAD.match(data) is not None and _CHUNK_TAIL.search(data[-_EDGE:]) is not None


def _zero_tail(local: bytes, remote: bytes) -> bool:
    kept = remote.rstrip(b"\0")
    return len(remote) == len(local) and len(kept) < len(remote) and local.startswith(kept)


def _gunzipped(data: bytes, size: int) -> bytes | None:
    if not data.startswith(b"\x1f\x8b"):
        return None
    try:
        return zlib.decompressobj(wbits=31).decompress(data, size + 1)
    except zlib.error:
        return None


def _unix(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")
