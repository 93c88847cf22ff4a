"""The runbook's counters, named as in the runbook, all there from the first scrape on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from .local import Disk

_GET_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counted when an attempt starts and again when it fails; what hangs is in flight and in neither failure count."""

    def __init__(self, disk: Callable[[], Disk]) -> None:
        """Register everything; `disk` is asked at each scrape."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.save = self._counter("cert_s3_save", "certificate saves")
        self.save_fail = self._counter("cert_s3_save_fail", "saves whose S3 half failed")
        self.read = self._counter("cert_s3_read", "certificate reads, wherever from")
        self.read_fallback = self._counter("cert_s3_read_fallback", "reads meant for S3 that local disk answered")
        self.delete = self._counter("cert_s3_delete", "certificate deletes")
        self.delete_fail = self._counter("cert_s3_delete_fail", "deletes whose S3 half failed")
        self.write = self._counter("cert_s3_write", "dual-writes tried at S3")
        self.write_success = self._counter("cert_s3_write_success", "dual-writes S3 confirmed")
        self.get_seconds = Histogram(
            "cert_s3_get_seconds",
            "S3 GETs that S3 answered, with the object or that there is none",
            buckets=_GET_BUCKETS,
            registry=self.registry,
        )
        in_flight = Gauge("cert_s3_in_flight", "operations waiting for S3", ["op"], registry=self.registry)
        self._in_flight = {op: in_flight.labels(op) for op in ("save", "read", "delete")}
        self.registry.register(_Disk(disk))

    @contextmanager
    def in_flight(self, op: str) -> Iterator[None]:
        """Count one `save`, `read` or `delete` as waiting for S3."""
        with self._in_flight[op].track_inprogress():
            yield

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, registry=self.registry)


class _Disk(Collector):
    """The certificates' volume, looked at once for all gauges of a scrape."""

    def __init__(self, disk: Callable[[], Disk]) -> None:
        self._disk = disk

    def collect(self) -> Iterator[Metric]:
        """The four gauges."""
        found = self._disk()
        for name, value in (
            ("free_bytes", found.free_bytes),
            ("size_bytes", found.size_bytes),
            ("free_inodes", found.free_inodes),
            ("inodes", found.inodes),
        ):
            yield GaugeMetricFamily(f"cert_local_disk_{name}", f"of the certificates' volume: {name}", value=value)
