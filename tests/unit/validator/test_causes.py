"""Every damage has its name."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstorage.validator.causes import cause_of
from certstorage.validator.compare import Pieces
from certstorage.validator.facts import Cause
from tests.unit.validator.fakes import pdf

KEY = "certificates/a.pdf"
GOOD = pdf("a certificate that is long enough to be cut", 5_000)
S3_ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code></Error>'
SIGNED = (
    b"%x;chunk-signature=%s\r\n" % (len(GOOD), b"a" * 64) + GOOD + b"\r\n0;chunk-signature=" + b"b" * 64 + b"\r\n\r\n"
)
TRAILER = b"%x\r\n" % len(GOOD) + GOOD + b"\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"

DAMAGE = {
    "truncated": (GOOD[:3_000], Cause.TRUNCATED),
    "truncated at a page": (GOOD[:4096], Cause.TRUNCATED),
    "empty": (b"", Cause.EMPTY),
    "zero tail": (GOOD[:3_000] + bytes(len(GOOD) - 3_000), Cause.ZERO_TAIL),
    "trailing bytes": (GOOD + b"more", Cause.TRAILING),
    "signed chunks": (SIGNED, Cause.AWS_CHUNKED),
    "chunks with a trailer": (TRAILER, Cause.AWS_CHUNKED),
    "S3 error": (S3_ERROR, Cause.ERROR_DOCUMENT),
    "web page": (b"<!DOCTYPE html><html><body>Bad gateway</body></html>", Cause.ERROR_DOCUMENT),
    "gzipped": (gzip.compress(GOOD), Cause.GZIPPED),
    "line endings": (GOOD.replace(b"\n", b"\r\n"), Cause.LINE_ENDINGS),
    "flipped byte": (GOOD[:100] + b"!" + GOOD[101:], Cause.CONTENT),
    "other bytes": (bytes(range(256)) * 4, Cause.CONTENT),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_names_the_damage(name: str) -> None:
    remote, cause = DAMAGE[name]
    assert cause_of(KEY, GOOD, remote, local_newer=False) is cause


def test_an_older_version_is_stale() -> None:
    assert cause_of(KEY, GOOD, pdf("the version before"), local_newer=True) is Cause.STALE
    assert cause_of(KEY, GOOD, pdf("the version before"), local_newer=False) is Cause.CONTENT


@pytest.mark.parametrize("local", [b"", bytes(500), GOOD[:-10], b"garbage", GOOD[:2_000] + bytes(3_000)])
def test_a_damaged_local_file_is_not_the_truth(local: bytes) -> None:
    assert cause_of(KEY, local, GOOD, local_newer=True) is Cause.LOCAL_DAMAGED


@pytest.mark.parametrize("local", [b"not a PDF at all", b"another one"])
def test_a_file_is_suspect_only_where_the_object_is_whole(local: bytes) -> None:
    assert cause_of(KEY, local, b"nor is this", local_newer=False) is Cause.CONTENT
    assert cause_of("certificates/notes.txt", local, b"nor is this", local_newer=False) is Cause.CONTENT


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(1, 50), st.booleans())
def test_piece_by_piece_finds_the_same_sides_equal(local: bytes, remote: bytes, piece: int, newer: bool) -> None:
    check_pieces(local, remote, piece, newer)


@given(st.binary(min_size=1, max_size=300), st.integers(0, 300), st.integers(1, 50), st.booleans())
def test_piece_by_piece_names_the_same_cuts(local: bytes, cut: int, piece: int, newer: bool) -> None:
    check_pieces(local, local[:cut], piece, newer)
    check_pieces(local, local[:cut] + bytes(max(0, len(local) - cut)), piece, newer)


def check_pieces(local: bytes, remote: bytes, piece: int, newer: bool) -> None:
    """As the validator feeds them: pieces of the object, as many bytes of the file, then what is left of the file."""
    pieces = Pieces()
    for at in range(0, len(remote), piece):
        pieces.feed(local[at : at + piece], remote[at : at + piece])
    for at in range(-(-len(remote) // piece) * piece, len(local), piece):
        pieces.feed(local[at : at + piece], b"")
    assert pieces.same == (local == remote)
    if not pieces.same:
        whole = cause_of("certificates/x.bin", local, remote, local_newer=newer)
        found = pieces.cause("certificates/x.bin", local_newer=newer)
        told_by_pieces = {Cause.LOCAL_DAMAGED, Cause.EMPTY, Cause.TRUNCATED, Cause.ZERO_TAIL}
        assert found is whole or whole not in told_by_pieces
