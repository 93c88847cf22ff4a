"""Both copies as one: what is counted when, and that a failing S3 never fails an operation."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest

from deploy.demo.deltacrown.certificates import Name
from deploy.demo.deltacrown.local import LocalStore
from deploy.demo.deltacrown.metrics import Metrics
from deploy.demo.deltacrown.remote import RemoteError
from deploy.demo.deltacrown.storage import Answer, CertificateStorage, Source

A = Name("a.pdf")
KEY = "certificates/a.pdf"
COUNTERS = (
    "save",
    "save_fail",
    "read",
    "read_fallback",
    "delete",
    "delete_fail",
    "write",
    "write_success",
)


class Bucket:
    """A bucket in memory that can be out of order, and shows what is looked at while it works."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.broken = False
        self.during: Callable[[], None] = lambda: None

    def get(self, key: str) -> bytes | None:
        self._work()
        return self.objects.get(key)

    def put(self, key: str, data: bytes) -> None:
        self._work()
        self.objects[key] = data

    def delete(self, key: str) -> None:
        self._work()
        self.objects.pop(key, None)

    def _work(self) -> None:
        self.during()
        if self.broken:
            raise RemoteError("SlowDown", "Please reduce your request rate.")


class House:
    """A storage and everything around it."""

    def __init__(self, root: Path, *, dual_write: bool = True) -> None:
        self.bucket = Bucket()
        self.local = LocalStore(root)
        self.metrics = Metrics(self.local.disk)
        self.storage = CertificateStorage(
            self.local, self.bucket, self.metrics, prefix="certificates/", dual_write=dual_write
        )

    def counted(self) -> dict[str, float]:
        """The counters that are not 0."""
        found = {name: self.value(f"cert_s3_{name}_total") for name in COUNTERS}
        return {name: value for name, value in found.items() if value}

    def value(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(name, labels)
        assert value is not None, name
        return value


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_everything_is_exported_before_anything_happened(house: House) -> None:
    text = generate_latest(house.metrics.registry).decode()
    for name in COUNTERS:
        assert f"\ncert_s3_{name}_total 0.0\n" in text
    for op in ("save", "read", "delete"):
        assert f'\ncert_s3_in_flight{{op="{op}"}} 0.0\n' in text
    assert '\ncert_s3_get_seconds_bucket{le="0.5"} 0.0\n' in text
    for name in ("disk_free_bytes", "disk_size_bytes", "disk_free_inodes", "disk_inodes"):
        assert house.value(f"cert_local_{name}") > 0
    assert "_created" not in text


def test_a_healthy_life(house: House) -> None:
    house.storage.save(A, b"one")
    assert house.bucket.objects == {KEY: b"one"}
    assert house.storage.read_s3_first(A) == Answer(b"one", Source.S3)
    assert house.storage.delete(A)
    assert house.bucket.objects == {}
    assert house.storage.read_s3_first(A) == Answer(None, Source.LOCAL)
    assert house.counted() == {"save": 1, "write": 1, "write_success": 1, "read": 2, "delete": 1}
    assert house.value("cert_s3_get_seconds_count") == 2


def test_s3_out_of_order_is_counted_and_never_the_clients_problem(house: House) -> None:
    house.storage.save(A, b"one")
    house.bucket.broken = True
    house.storage.save(A, b"two")
    assert house.storage.read_s3_first(A) == Answer(b"two", Source.LOCAL)
    assert house.storage.delete(A)
    assert house.storage.read_s3_first(A) == Answer(None, Source.LOCAL)
    assert house.counted() == {
        "save": 2,
        "save_fail": 1,
        "write": 2,
        "write_success": 1,
        "read": 2,
        "read_fallback": 2,
        "delete": 1,
        "delete_fail": 1,
    }
    assert house.value("cert_s3_get_seconds_count") == 0
    assert house.bucket.objects == {KEY: b"one"}, "what an outage leaves behind"


def test_an_object_only_local_disk_has_is_a_fallback(house: House) -> None:
    house.local.write(A, b"one")
    assert house.storage.read_s3_first(A) == Answer(b"one", Source.LOCAL)
    assert house.counted() == {"read": 1, "read_fallback": 1}


def test_local_reads_leave_s3_alone(house: House) -> None:
    house.local.write(A, b"one")
    house.bucket.objects[KEY] = b"other"
    house.bucket.broken = True
    assert house.storage.read_local(A) == Answer(b"one", Source.LOCAL)
    assert house.counted() == {"read": 1}


def test_without_dual_write_saves_leave_s3_alone_and_deletes_do_not(tmp_path: Path) -> None:
    house = House(tmp_path, dual_write=False)
    house.storage.save(A, b"one")
    assert house.bucket.objects == {}
    house.bucket.objects[KEY] = b"old"
    assert house.storage.delete(A)
    assert house.bucket.objects == {}
    assert house.counted() == {"save": 1, "delete": 1}


def test_deleting_what_local_disk_does_not_have_still_deletes_from_s3(house: House) -> None:
    house.bucket.objects[KEY] = b"left over"
    assert not house.storage.delete(A)
    assert house.bucket.objects == {}


def test_an_attempt_counts_when_it_starts_and_is_in_flight_until_it_ends(house: House) -> None:
    seen: list[tuple[float, ...]] = []

    def look() -> None:
        flight = tuple(house.value("cert_s3_in_flight", op=op) for op in ("save", "read", "delete"))
        seen.append((*flight, *(house.value(f"cert_s3_{name}_total") for name in ("save", "write", "read", "delete"))))

    house.bucket.during = look
    house.storage.save(A, b"one")
    house.storage.read_s3_first(A)
    house.storage.delete(A)
    assert seen == [(1, 0, 0, 1, 1, 0, 0), (0, 1, 0, 1, 1, 1, 0), (0, 0, 1, 1, 1, 1, 1)]
    assert [house.value("cert_s3_in_flight", op=op) for op in ("save", "read", "delete")] == [0, 0, 0]


def test_a_local_disk_that_refuses_fails_the_save_before_s3_hears_of_it(house: House, tmp_path: Path) -> None:
    (tmp_path / "a.pdf" / "in-the-way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        house.storage.save(A, b"one")
    assert house.bucket.objects == {}
    assert house.counted() == {}
