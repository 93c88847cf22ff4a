"""What an ETag proves, and what it does not."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstorage.validator.etag import Hasher, Says
from certstorage.validator.facts import Method

MIB = 1 << 20


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def multipart(data: bytes, part: int) -> str:
    """The ETag after an upload in parts of this size."""
    parts = [data[at : at + part] for at in range(0, len(data), part)] or [b""]
    digests = b"".join(hashlib.md5(piece).digest() for piece in parts)
    return f"{md5(digests)}-{len(parts)}"


def says(etag: str, data: bytes, *, piece: int = 100_000) -> tuple[Says, Method]:
    hasher = Hasher(etag, len(data))
    for at in range(0, len(data), piece):
        hasher.update(data[at : at + piece])
    return hasher.verdict(), hasher.method


@given(st.binary(max_size=2_000), st.integers(1, 300))
def test_an_md5_proves_equality(data: bytes, piece: int) -> None:
    assert says(md5(data), data, piece=piece) == (Says.EQUAL, Method.ETAG_MD5)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_another_md5_is_a_difference(data: bytes, other: bytes) -> None:
    if data != other:
        assert says(md5(other), data)[0] is Says.DIFFERENT


@given(st.binary(max_size=500))
def test_one_part_is_known_whatever_its_size(data: bytes) -> None:
    assert says(multipart(data, 8 * MIB), data) == (Says.EQUAL, Method.ETAG_PARTS)
    assert says(multipart(data + b".", 8 * MIB), data)[0] is Says.DIFFERENT


@pytest.mark.parametrize("part", [5 * MIB, 8 * MIB])
def test_parts_of_common_sizes_are_rebuilt(part: int) -> None:
    data = bytes(range(256)) * (10 * MIB // 256) + b"tail"
    assert says(multipart(data, part), data) == (Says.EQUAL, Method.ETAG_PARTS)


def test_parts_of_another_size_prove_nothing() -> None:
    data = bytes(11 * MIB)
    assert says(multipart(data, 9 * MIB), data)[0] is Says.NOTHING


def test_a_whole_number_of_parts() -> None:
    data = bytes(16 * MIB)
    assert says(multipart(data, 8 * MIB), data)[0] is Says.EQUAL


@pytest.mark.parametrize("etag", ["", "x", "0" * 31, "0" * 64, "0" * 32 + "-0", "0" * 32 + "-x"])
def test_other_tags_say_nothing(etag: str) -> None:
    hasher = Hasher(etag, 3)
    assert not hasher.useful
