"""What mismatches have in common: the runbook's question of a single object, one batch, or random ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from certstorage.validator.statistics import hypergeometric_tail

_SIGNIFICANT = 0.01
_MAJORITY = 0.5
_ENOUGH = 3


class Kind(StrEnum):
    """The runbook's patterns, and the two cases in which there is none to name."""

    NONE = "none"
    SINGLE = "single"
    BATCH = "batch"
    RANDOM = "random"
    INSUFFICIENT = "insufficient"


class Axis(StrEnum):
    """What a batch may have in common."""

    PREFIX = "prefix"
    DAY = "day"
    HOUR = "hour"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Pattern:
    """The pattern, and for a batch its axis and value, the share of mismatches in it, and how likely chance does it."""

    kind: Kind = Kind.NONE
    axis: str = ""
    value: str = ""
    share: float = 0.0
    p: float = 1.0

    @property
    def advice(self) -> str:
        """What the runbook says to do about it."""
        return {
            Kind.NONE: "",
            Kind.SINGLE: "Likely corruption during upload: re-upload it.",
            Kind.BATCH: f"Batch upload issue: re-run the backfill for {self.axis} {self.value}.",
            Kind.RANDOM: "Potential S3 data corruption: contact AWS Support.",
            Kind.INSUFFICIENT: "Too few to tell: re-upload them, and validate again with a higher sample rate.",
        }[self.kind]


Traits = Mapping[Axis, str]


def traits(key: str, size: int, changed_ns: int) -> Traits:
    """The value of a key on every axis; `changed_ns` is when its certificate was last written."""
    moment = datetime.fromtimestamp(changed_ns / 1e9, tz=UTC)
    return {
        Axis.PREFIX: key.rpartition("/")[0],
        Axis.DAY: f"{moment:%Y-%m-%d}",
        Axis.HOUR: f"{moment:%Y-%m-%dT%H}",
        Axis.SIZE: f"{1 << max(0, size - 1).bit_length()} bytes or less",
    }


@dataclass(slots=True)
class Populations:
    """How many objects there are in all, in each batch that is of interest, and how many batches there are."""

    total: int
    of_batch: Counter[tuple[Axis, str]]
    batches: Counter[Axis]

    @classmethod
    def count(cls, objects: Iterable[Traits], wanted: set[tuple[Axis, str]]) -> Populations:
        """Count them, keeping only the batches that are wanted; memory grows with the number of batches."""
        values: dict[Axis, set[int]] = {axis: set() for axis in Axis}
        of_batch: Counter[tuple[Axis, str]] = Counter()
        total = 0
        for found in objects:
            total += 1
            for axis, value in found.items():
                values[axis].add(hash(value))
                if (axis, value) in wanted:
                    of_batch[axis, value] += 1
        return cls(total, of_batch, Counter({axis: len(seen) for axis, seen in values.items()}))


def batches_of(hits: Iterable[Traits]) -> set[tuple[Axis, str]]:
    """Every batch that holds a hit."""
    return {batch for found in hits for batch in found.items()}


def classify(hits: Sequence[Traits], populations: Populations) -> Pattern:
    """Name the pattern of all mismatches that were found.

    A batch holds at least half of them and more than chance would put there: hypergeometric tail, times the number of
    batches on its axis, below 1 %. An axis on which everything is one batch explains nothing.
    """
    if not hits:
        return Pattern()
    if len(hits) == 1:
        return Pattern(Kind.SINGLE, share=1.0)
    best = Pattern(Kind.RANDOM if len(hits) >= _ENOUGH else Kind.INSUFFICIENT)
    for axis in Axis:
        value, inside = _largest(hits, axis)
        size = max(populations.of_batch[axis, value], inside)
        total = max(populations.total, len(hits), size)
        p = min(1.0, hypergeometric_tail(inside, total, len(hits), size) * max(1, populations.batches[axis]))
        if inside >= _MAJORITY * len(hits) and len(hits) >= _ENOUGH and p < _SIGNIFICANT and p < best.p:
            best = Pattern(Kind.BATCH, str(axis), value, inside / len(hits), p)
    return best


def _largest(hits: Sequence[Traits], axis: Axis) -> tuple[str, int]:
    return Counter(found[axis] for found in hits).most_common(1)[0]
