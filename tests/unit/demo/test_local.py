"""The shared volume: durable, whole or not at all, and nothing in it but certificates."""

import errno
import os
import threading
from pathlib import Path

import pytest

from deploy.demo.deltacrown.certificates import Name
from deploy.demo.deltacrown.local import LocalStore

A = Name("batch-1/a.pdf")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_what_is_written_is_read_until_it_is_deleted(store: LocalStore) -> None:
    assert store.read(A) is None
    store.write(A, b"one")
    assert store.read(A) == b"one"
    store.write(A, b"two")
    assert store.read(A) == b"two"
    assert store.delete(A)
    assert store.read(A) is None
    assert not store.delete(A)


def test_the_tree_holds_certificates_and_no_other_file(store: LocalStore, tmp_path: Path) -> None:
    with store.lock(A):
        store.write(A, b"one")
        store.write(A, b"two")
    assert files(tmp_path) == {"batch-1/a.pdf"}


def test_a_write_that_fails_leaves_the_old_bytes_and_no_trace(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "batch-1" / "a.pdf" / "in-the-way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        store.write(A, b"one")
    assert files(tmp_path) == set()


def test_readers_see_whole_versions_only(store: LocalStore) -> None:
    versions = {bytes([number]) * 200_000 for number in range(2)}
    store.write(A, next(iter(versions)))
    done = threading.Event()

    def rewrite() -> None:
        for number in range(40):
            store.write(A, bytes([number % 2]) * 200_000)
        done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(store.read(A))
    writer.join()
    assert seen <= versions


def test_a_lock_holds_against_other_stores_of_the_same_tree(store: LocalStore, tmp_path: Path) -> None:
    order: list[str] = []
    entered, second_starts = threading.Event(), threading.Event()

    def second() -> None:
        entered.wait(10)
        second_starts.set()
        with LocalStore(tmp_path).lock(A):
            order.append("second")

    other = threading.Thread(target=second)
    other.start()
    with store.lock(A):
        entered.set()
        second_starts.wait(10)
        other.join(0.1)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]


def test_disk_and_readiness(store: LocalStore, tmp_path: Path) -> None:
    disk = store.disk()
    assert 0 < disk.free_bytes <= disk.size_bytes
    assert 0 < disk.free_inodes <= disk.inodes
    assert disk.size_bytes == os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
    assert store.writable()
    assert not LocalStore(tmp_path / "not there").writable()


def test_a_quota_is_the_size_of_the_disk_and_ballast_fills_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, quota_bytes=1000)
    store.write(A, b"x" * 300)
    (tmp_path / ".ballast").write_bytes(b"x" * 600)
    assert (store.disk().size_bytes, store.disk().free_bytes) == (1000, 100)
    store.write(Name("b.pdf"), b"x" * 100)
    assert store.disk().free_bytes == 0
    with pytest.raises(OSError, match=os.strerror(errno.EDQUOT)) as refused:
        store.write(Name("c.pdf"), b"x")
    assert refused.value.errno == errno.EDQUOT
    assert store.read(Name("c.pdf")) is None
    (tmp_path / ".ballast").write_bytes(b"x" * 2000)
    assert store.disk().free_bytes == 0
    (tmp_path / ".ballast").unlink()
    assert store.disk().free_bytes == 600


def test_without_a_quota_the_disk_is_the_file_systems(store: LocalStore, tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    assert store.disk().size_bytes == found.f_blocks * found.f_frsize
