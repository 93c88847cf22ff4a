"""The report: one JSON document with the runbook's four fields and everything behind them."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from certstorage.validator.facts import Look
from certstorage.validator.settle import Settled

SCHEMA = "certstorage/validator-report/v1"
MOST_DETAILS = 1000


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def detail(look: Look) -> dict[str, object]:
    """One mismatch as it stands in `mismatch_details`."""
    return {
        "key": look.key,
        "reason": look.cause or str(look.outcome),
        "outcome": str(look.outcome),
        "method": str(look.method),
        "detail": look.detail,
        "local": {
            "size": look.local.size,
            "mtime": utc(datetime.fromtimestamp(look.local.mtime_ns / 1e9, tz=UTC)),
        }
        if look.local
        else None,
        "s3": {"size": look.remote.size, "etag": look.remote.etag, "last_modified": utc(look.remote.modified)}
        if look.remote
        else None,
    }


def stratum(name: str, keys: int, settled: Settled | None) -> dict[str, object]:
    """The counts of one stratum."""
    settled = settled or Settled()
    return {
        "name": name,
        "population": keys,
        "checked": settled.checked,
        "same": settled.same,
        "mismatches": len(settled.mismatches),
        "unknown": len(settled.unknown),
        "in_flight": len(settled.in_flight),
        "gone": settled.gone,
    }


def write(report: dict[str, object], path: Path) -> None:
    """Write it whole or not at all.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
