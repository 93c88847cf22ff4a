"""Both copies as one: local disk is the truth, S3 the copy that reads prefer while the flag says so.

Every method blocks, by up to three attempts of connect and read timeout when S3 hangs, and belongs into a thread.
A failing S3 makes an operation slow and is counted; it never makes it fail.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from enum import StrEnum

from .certificates import Name
from .local import LocalStore
from .metrics import Metrics
from .remote import RemoteError, RemoteStore

_log = logging.getLogger(__name__)


class Source(StrEnum):
    """Which copy answered a read."""

    S3 = "s3"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a read found; `data` is None where there is no such certificate."""

    data: bytes | None
    source: Source


class CertificateStorage:
    """Save, read and delete as the runbook assumes them."""

    def __init__(
        self, local: LocalStore, remote: RemoteStore, metrics: Metrics, *, prefix: str, dual_write: bool
    ) -> None:
        """Combine the two stores; with `dual_write` off, saves leave S3 alone."""
        self._local = local
        self._remote = remote
        self._metrics = metrics
        self._prefix = prefix
        self._dual_write = dual_write

    def save(self, name: Name, data: bytes) -> None:
        """Store on local disk, then in S3, under one lock: both see the writes to a name in the same order.

        Raises:
            OSError: local disk refused; S3 was not touched.
        """
        with self._local.lock(name):
            self._local.write(name, data)
            self._metrics.save.inc()
            if self._dual_write:
                self._save_to_s3(name, data)

    def read_local(self, name: Name) -> Answer:
        """Read from local disk and nowhere else. Raises OSError."""
        self._metrics.read.inc()
        return Answer(self._local.read(name), Source.LOCAL)

    def read_s3_first(self, name: Name) -> Answer:
        """Read from S3, from local disk where S3 fails or does not have it. Raises OSError."""
        self._metrics.read.inc()
        started = time.monotonic()
        try:
            with self._metrics.in_flight("read"):
                data = self._remote.get(name.key(self._prefix))
        except RemoteError as error:
            self._metrics.read_fallback.inc()
            _failed("s3_read_failed", name, started, error)
            return Answer(self._local.read(name), Source.LOCAL)
        self._metrics.get_seconds.observe(time.monotonic() - started)
        _succeeded("s3_read", name, started)
        if data is not None:
            return Answer(data, Source.S3)
        kept = self._local.read(name)
        if kept is not None:
            self._metrics.read_fallback.inc()
            _log.warning("s3_object_missing name=%s", name.text)
        return Answer(kept, Source.LOCAL)

    def delete(self, name: Name) -> bool:
        """Delete from local disk, then from S3 whatever the flags say; False if local disk did not have it.

        Raises:
            OSError: local disk refused; S3 was not touched.
        """
        with self._local.lock(name):
            found = self._local.delete(name)
            self._metrics.delete.inc()
            started = time.monotonic()
            try:
                with self._metrics.in_flight("delete"):
                    self._remote.delete(name.key(self._prefix))
                _succeeded("s3_delete", name, started)
            except RemoteError as error:
                self._metrics.delete_fail.inc()
                _failed("s3_delete_failed", name, started, error)
            return found

    def _save_to_s3(self, name: Name, data: bytes) -> None:
        self._metrics.write.inc()
        started = time.monotonic()
        try:
            with self._metrics.in_flight("save"):
                self._remote.put(name.key(self._prefix), data)
        except RemoteError as error:
            self._metrics.save_fail.inc()
            _failed("s3_save_failed", name, started, error)
        else:
            self._metrics.write_success.inc()
            _succeeded("s3_save", name, started)


def _succeeded(event: str, name: Name, started: float) -> None:
    _log.debug("%s name=%s seconds=%.3f", event, name.text, time.monotonic() - started)


def _failed(event: str, name: Name, started: float, error: RemoteError) -> None:
    _log.warning("%s name=%s seconds=%.3f code=%s", event, name.text, time.monotonic() - started, error.code)
    _log.debug("%s name=%s error=%r", event, name.text, str(error))
