"""A disk that fails is told, and is never taken for a file that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from certstorage.validator.localfile import LocalError, feed, opened

BROKEN = "/proc/self/mem"
"""A file that opens and then gives EIO, as a disk with a bad block does: nothing is mapped at its begin."""


def read(path: str, size: int) -> bytes:
    """The first bytes of a file that is there."""
    with opened(path) as file:
        assert file is not None
        return file.read(size)


def test_an_input_output_error_while_reading_is_told() -> None:
    with pytest.raises(LocalError, match="Input/output error"):
        read(BROKEN, 10)


def test_an_input_output_error_while_hashing_is_told() -> None:
    with pytest.raises(LocalError, match="Input/output error"):
        feed(BROKEN, 10, lambda data: None)


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    with opened(f"{tmp_path}/none") as file:
        assert file is None
    assert not feed(f"{tmp_path}/none", 10, lambda data: None)
