"""What the operator believes about S3: one graded verdict a signal.

A signal is never a number alone. Absence of evidence is not evidence: `Unknown`, `Idle` and `ClearUnproven` are
verdicts of their own, and only `ClearProven` ever leads back to S3 (design section 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """How much a signal may be trusted to say."""

    FIRING = "Firing"
    """The alert is in force (or was, and is only pending again)."""
    CLEAR_PROVEN = "ClearProven"
    """Quiet, evaluated after the last firing, with traffic or probes, by a server past its warm-up."""
    CLEAR_UNPROVEN = "ClearUnproven"
    """Quiet, but something is missing to believe it; `Signal.missing` says what."""
    IDLE = "Idle"
    """A healthy pipeline without traffic. Never pages by itself."""
    UNKNOWN = "Unknown"
    """No answer, or none that can be read. Holds the state."""


class SignalName(StrEnum):
    """Signals of the runbook's metric table and of its scenarios."""

    OUTAGE = "Outage"
    BLACK_HOLE = "BlackHole"
    RECOVERY = "Recovery"
    """Saves under dual-write: Firing while they fail, ClearProven after five minutes below 1 % with traffic."""
    SAVE_FAIL = "SaveFail"
    READ_FALLBACK = "ReadFallback"
    DELETE_FAIL = "DeleteFail"
    WRITE_SUCCESS = "WriteSuccess"
    MISMATCH = "Mismatch"
    DEGRADED = "Degraded"
    FALLBACK_ELEVATED = "FallbackElevated"
    GET_SLOW = "GetSlow"
    LOCAL_DISK = "LocalDisk"
    METRICS = "Metrics"
    """Firing when the application's metrics are not scraped: the operator is blind."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One graded belief.

    `value` is a ratio between 0 and 1 (seconds for GetSlow), absent when there is none; `since` is when the verdict
    began (UTC); `reason` is a CamelCase word, `message` one line for people, `missing` what ClearProven still lacks.
    """

    name: SignalName
    verdict: Verdict
    value: float | None = None
    since: datetime | None = None
    reason: str = ""
    message: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FallbackSample:
    """Raw counters of the Pods of one ReplicaSet, summed: everything since they started (research: no window).

    `pods` counts the Pods scraped at least twice; `reads` and `fallbacks` are the counters' sums; `at` is when the
    server evaluated them (UTC).
    """

    template_hash: str
    pods: int
    reads: float
    fallbacks: float
    at: datetime


@dataclass(frozen=True, slots=True)
class SignalSet(Mapping[SignalName, Signal]):
    """All signals of one policy at one time; a name that was not graded reads as Unknown."""

    signals: Mapping[SignalName, Signal] = field(default_factory=dict)
    fallback: FallbackSample | None = None
    trusted: bool = False
    """False when the source of the signals cannot be believed at all; `reason` and `message` say why."""
    reason: str = "NotPolled"
    message: str = "no poll of the Prometheus server has finished yet"
    polled_at: datetime | None = None

    def __getitem__(self, name: SignalName) -> Signal:
        found = self.signals.get(name)
        return found if found is not None else Signal(name, Verdict.UNKNOWN, reason=self.reason, message=self.message)

    def __iter__(self) -> Iterator[SignalName]:
        return iter(SignalName)

    def __len__(self) -> int:
        return len(SignalName)

    def verdict(self, name: SignalName) -> Verdict:
        """The verdict of one signal; Unknown when it was not graded."""
        return self[name].verdict
