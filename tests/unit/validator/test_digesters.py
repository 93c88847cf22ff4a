"""Files are hashed by processes: in order, whatever is wrong with a file, and never silently fewer of them."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from certstorage.validator.digester import Question, md5_of, next_threads
from certstorage.validator.digesters import Crew
from certstorage.validator.localfile import LocalError

MIB = 1 << 20
BROKEN = "/proc/self/mem"
"""A file that opens and then gives EIO, as a disk with a bad block does."""


def md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()


@pytest.mark.parametrize("size", [0, 1, 2047, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_a_file_of_the_right_size_is_hashed_to_its_end(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    path = tmp_path / "one.pdf"
    path.write_bytes(data)
    assert md5_of((str(path), size)) == md5(data)
    assert md5_of((str(path), size + 1)) == b""
    assert not size or md5_of((str(path), size - 1)) == b""


def test_what_cannot_be_read_has_no_md5(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    for path in (f"{tmp_path}/link", f"{tmp_path}/none", f"{tmp_path}/file/below", str(tmp_path), BROKEN, ""):
        assert md5_of((path, 1)) == b"", path
    assert md5_of((f"{tmp_path}/pipe", 1)) == b""


@pytest.mark.parametrize(
    ("threads", "waits", "share", "then"),
    [
        (1, 0.0, 1.0, 1),
        (1, 0.0, 0.1, 1),  # others have the cores
        (1, 2.0, 0.1, 2),  # a disk is waited for
        (2, 2.0, 0.1, 4),
        (32, 2.0, 0.1, 32),
        (8, 2.0, 0.5, 8),
        (8, 2.0, 0.9, 4),
        (2, 2.0, 0.9, 1),
    ],
)
def test_more_threads_read_where_a_disk_is_waited_for(threads: int, waits: float, share: float, then: int) -> None:
    assert next_threads(threads, waits_a_file=waits, cpu_share=share) == then


def tree(root: Path, count: int) -> Iterator[tuple[int, Question | None]]:
    """Files, each with its number in it; no question about every seventh."""
    for number in range(count):
        path = root / f"{number:04}"
        path.write_text(str(number))
        yield number, (str(path), len(str(number))) if number % 7 else None


def expected(number: int) -> bytes | None:
    return md5(str(number).encode()) if number % 7 else None


def children() -> list[int]:
    """Processes that this one has started and not yet seen the end of."""
    tasks = Path("/proc/self/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


@pytest.mark.parametrize("count", [0, 1, 31, 64, 70, 1_000])
def test_every_file_is_hashed_and_they_stay_in_order(tmp_path: Path, count: int) -> None:
    before = children()
    found = list(chain.from_iterable(Crew().hashed(tree(tmp_path, count))))
    assert found == [(number, expected(number)) for number in range(count)]
    assert children() == before


def test_a_file_that_went_meanwhile_has_no_md5_and_the_others_do(tmp_path: Path) -> None:
    files = list(tree(tmp_path, 200))
    (tmp_path / "0100").unlink()
    found = list(chain.from_iterable(Crew().hashed(iter(files))))
    assert [number for number, one in found if one == b""] == [100]


@pytest.mark.parametrize("dead", [True, False], ids=["before the next question", "at any moment"])
def test_a_process_that_dies_is_told(tmp_path: Path, *, dead: bool) -> None:
    before = set(children())
    batches = Crew().hashed(tree(tmp_path, 2_000))
    next(batches)
    for process in set(children()) - before:
        os.kill(process, signal.SIGKILL)
        if dead:
            os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    with pytest.raises(LocalError, match="hashing process ended"):
        list(batches)
    assert set(children()) == before


def test_who_stops_early_leaves_no_process(tmp_path: Path) -> None:
    before = children()
    batches = Crew().hashed(tree(tmp_path, 1_000))
    next(batches)
    assert len(children()) > len(before)
    batches.close()
    assert children() == before
