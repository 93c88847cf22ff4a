"""The report: one JSON document with the runbook's four fields and everything behind them."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from certstorage.validator.facts import Look
from certstorage.validator.found import Found, Settled
from certstorage.validator.mender import Act
from certstorage.validator.sampling import WHOLE, Shard
from certstorage.validator.settings import Settings
from certstorage.validator.verdict import Verdict

SCHEMA = "certstorage/validator-report/v1"
MOST_DETAILS = 10_000

Json = dict[str, object]


class Header(NamedTuple):
    """What a report says of its run before any finding. `nonce` and `inputs_hash` come from who asked for the run."""

    command: str
    started: datetime
    nonce: str = ""
    inputs_hash: str = ""
    shard: Shard = WHOLE


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build(
    header: Header, settings: Settings, verdict: Verdict, found: Found, *, sampling: Json, finished: datetime
) -> Json:
    """The whole document."""
    strata = {"at_risk": found.at_risk, "rest": found.rest}
    mismatches = sum(len(settled.mismatches) for settled in strata.values())
    unknown = sum(len(settled.unknown) for settled in strata.values())
    in_flight = sum(len(settled.in_flight) for settled in strata.values())
    return {
        "schema": SCHEMA,
        "command": header.command,
        "nonce": header.nonce,
        "inputs_hash": header.inputs_hash,
        "started_at": utc(header.started),
        "finished_at": utc(finished),
        "partial": verdict.detail == "Interrupted",
        "bucket": settings.bucket,
        "prefix": settings.prefix,
        "root": str(settings.root),
        "endpoint": settings.endpoint or "",
        "status": str(verdict.status),
        "verdict_detail": verdict.detail,
        "message": verdict.message,
        "mismatch_rate_percent": percent(verdict.rate),
        "upper_bound_percent": percent(verdict.upper),
        "total_sampled": sum(settled.checked for settled in strata.values()),
        "mismatch_count": mismatches,
        "unverified_count": sum(settled.unverified for settled in strata.values()),
        "error_count": unknown - sum(settled.unverified for settled in strata.values()),
        "in_flight_count": in_flight,
        "population": {
            "local": found.counts.local,
            "s3": found.counts.s3,
            "union": found.counts.union,
            "missing_in_s3": found.counts.missing,
            "extra_in_s3": found.counts.extra,
            "size_differs": found.counts.sizes,
            "unreadable": found.trouble.count,
            "unreadable_examples": found.trouble.first,
        },
        "census": {"methods": dict(found.census_methods), "etags_are_md5": found.etags_trusted},
        "sampling": {**sampling, "looks": found.looks, "resumed": found.resumed},
        "strata": [
            {**_stratum("at_risk", found.at_risk), "status": verdict.at_risk},
            {**_stratum("rest", found.rest), "status": verdict.rest},
        ],
        "neighbours": _stratum("neighbours", found.expanded),
        "pattern": pattern(found),
        "probe": found.probe.json() if found.probe else None,
        "findings": [finding.json() for finding in found.findings],
        "repairs": repairs(found),
        "mismatch_details": _details(found, "mismatches"),
        "mismatch_details_truncated": mismatches + len(found.expanded.mismatches) > MOST_DETAILS,
        "error_details": _details(found, "unknown"),
        "beyond_sample": [_detail(look, "beyond") for look in found.beyond[:MOST_DETAILS]],
        "shard": _shard(header.shard, verdict, found),
    }


def pattern(found: Found) -> Json:
    """The pattern, with the runbook's advice."""
    named = found.pattern
    return {
        "kind": str(named.kind),
        "axis": named.axis,
        "value": named.value,
        "share": round(named.share, 4),
        "p": named.p,
        "advice": named.advice,
    }


def repairs(found: Found) -> Json:
    """What was done about keys, each counted by its last act."""
    return {
        **{str(act): found.at_risk.acts[act] for act in Act if act is not Act.NOTHING},
        "details": [
            {"key": done.key, "act": str(done.act), "detail": done.detail} for done in found.at_risk.done[:MOST_DETAILS]
        ],
    }


def percent(rate: float) -> float:
    """A rate between 0 and 1 in percent, as reports and receipts have it."""
    return round(min(1.0, max(0.0, rate)) * 100, 6)


def write(report: Json, path: Path) -> None:
    """Write it whole or not at all; a pipe or a device is written to as it is.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    if path.exists() and not path.is_file():
        path.write_text(json.dumps(report, indent=2) + "\n")
        return
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
    finally:
        Path(name).unlink(missing_ok=True)


def _stratum(name: str, settled: Settled) -> Json:
    return {
        "name": name,
        "population": settled.keys,
        "checked": settled.checked,
        "same": settled.same,
        "mismatches": len(settled.mismatches),
        "unverified": settled.unverified,
        "errors": len(settled.unknown) - settled.unverified,
        "in_flight": len(settled.in_flight),
        "gone": settled.gone,
        "methods": dict(settled.methods),
    }


def _details(found: Found, kind: str) -> list[Json]:
    strata = {"at_risk": found.at_risk, "rest": found.rest, "neighbours": found.expanded}
    looks = ((name, look) for name, settled in strata.items() for look in getattr(settled, kind))
    return [_detail(look, name) for name, look in islice(looks, MOST_DETAILS)]


def _shard(shard: Shard, verdict: Verdict, found: Found) -> Json | None:
    """What only `merge` needs to know."""
    if shard.parts == 1:
        return None
    batches = found.batches
    return {
        "index": shard.part,
        "count": shard.parts,
        "judged": verdict.judged,
        "same_behind": found.same_behind,
        "in_flight": _details(found, "in_flight"),
        "batches": {
            "total": batches.total,
            "of_batch": [[axis, value, size] for (axis, value), size in batches.of_batch.items()],
            "batches": dict(batches.batches),
        }
        if batches
        else None,
    }


def _detail(look: Look, stratum: str) -> Json:
    local, remote = look.local, look.remote
    return {
        "key": look.key,
        "stratum": stratum,
        "reason": str(look.cause or look.outcome),
        "outcome": str(look.outcome),
        "method": str(look.method),
        "detail": look.detail,
        "local": {"size": local.size, "mtime": utc(datetime.fromtimestamp(local.mtime_ns / 1e9, tz=UTC))}
        if local
        else None,
        "s3": {
            "size": remote.size,
            "etag": remote.etag,
            "md5": look.digest,
            "last_modified": utc(remote.modified),
        }
        if remote
        else None,
    }
