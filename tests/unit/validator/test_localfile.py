"""A disk that fails is told, and is never taken for a file that is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from certstorage.validator import localfile
from certstorage.validator.localfile import FileChangedError, LocalError, feed, glance, opened

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


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda path: path.write_bytes(b"other bytes"),
        lambda path: path.unlink(),
        lambda path: path.with_name("new").replace(path),
    ],
    ids=["written", "deleted", "replaced"],
)
def test_a_file_that_changes_while_it_is_read_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Path], object]
) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"these bytes")
    path.with_name("new").write_bytes(b"these bytes")

    def slow(name: str, most: int) -> object:
        found = glance(name, most)
        meanwhile(path)
        return found

    assert localfile.read(str(path), 100) == glance(str(path), 100)
    monkeypatch.setattr(localfile, "glance", slow)
    with pytest.raises(FileChangedError):
        localfile.read(str(path), 100)
