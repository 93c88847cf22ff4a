"""What the clients saw, counted, with the last errors kept as examples."""

from __future__ import annotations

from collections import Counter as Count
from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

EXAMPLES = 100


class Op(StrEnum):
    """What a client wanted."""

    READ = "read"
    SAVE = "save"
    OVERWRITE = "overwrite"
    DELETE = "delete"


class Kind(StrEnum):
    """What a client saw instead."""

    CONNECTION = "connection"
    """Refused, reset, or closed without an answer."""
    TIMEOUT = "timeout"
    HTTP = "http"
    """A status that is no answer to what was asked: every 5xx, and 4xx but an expected 404."""
    MISSING = "missing"
    RESURRECTED = "resurrected"
    STALE = "stale"
    WRONG_BYTES = "wrong_bytes"


@dataclass(frozen=True, slots=True)
class Example:
    """One error; `key` is the certificate's key in the bucket."""

    at: str
    op: str
    kind: str
    key: str
    detail: str


class Tally:
    """Totals by operation and errors by kind, as numbers for Prometheus and for the report."""

    def __init__(self) -> None:
        """Begin at zero, with every series there."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "cert_demo_client_requests", "requests by what came of them", ["op", "result"], registry=self.registry
        )
        self._errors = Counter("cert_demo_client_errors", "errors a client saw", ["op", "kind"], registry=self.registry)
        self._skipped = Counter(
            "cert_demo_client_skipped", "requests not made: too many under way", ["op"], registry=self.registry
        )
        self._sources = Counter(
            "cert_demo_client_reads", "reads by the copy that answered", ["source"], registry=self.registry
        )
        self._under_way = Gauge("cert_demo_client_under_way", "requests under way", registry=self.registry)
        self._totals: dict[Op, Count[str]] = {op: Count(ok=0, error=0, skipped=0) for op in Op}
        self._by_kind: Count[Kind] = Count(dict.fromkeys(Kind, 0))
        self._examples: deque[Example] = deque(maxlen=EXAMPLES)
        for op in Op:
            self._skipped.labels(op)
            for result in ("ok", "error"):
                self._requests.labels(op, result)
            for kind in Kind:
                self._errors.labels(op, kind)

    def ok(self, op: Op, source: str = "") -> None:
        """One request came to what it should; `source` names the copy a read came from."""
        self._requests.labels(op, "ok").inc()
        self._totals[op]["ok"] += 1
        if source:
            self._sources.labels(source).inc()

    def error(self, op: Op, kind: Kind, key: str, detail: str, now: datetime) -> None:
        """One request did not."""
        self._requests.labels(op, "error").inc()
        self._errors.labels(op, kind).inc()
        self._totals[op]["error"] += 1
        self._by_kind[kind] += 1
        self._examples.append(Example(now.isoformat(timespec="milliseconds"), op, kind, key, detail[:200]))

    def skipped(self, op: Op) -> None:
        """One request was due and not made."""
        self._skipped.labels(op).inc()
        self._totals[op]["skipped"] += 1

    def under_way(self, count: int) -> None:
        """So many requests are under way."""
        self._under_way.set(count)

    def report(self) -> dict[str, Any]:
        """Totals, errors by kind, and the last errors."""
        return {
            "totals": {op.value: dict(counts) for op, counts in self._totals.items()},
            "errors": {
                "total": self._by_kind.total(),
                "byKind": {kind.value: count for kind, count in self._by_kind.items()},
                "last": [asdict(example) for example in self._examples],
            },
        }
