"""What mismatches have in common: the runbook's question of a single object, one batch, or random ones."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from certstorage.validator.keylist import KeyList
from certstorage.validator.statistics import hypergeometric_tail

_SIGNIFICANT = 0.01
_MAJORITY = 0.5
_ENOUGH = 3
_HOUR_NS = 3600 * 10**9


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


class Pattern(NamedTuple):
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


Traits = tuple[str, str, str, str]
"""The value on every axis, in the order of Axis."""


def traits(key: str, size: int, changed_ns: int) -> Traits:
    """The traits of a key; `changed_ns` is when its certificate was last written."""
    day, hour = _moment(changed_ns // _HOUR_NS)
    return key.rpartition("/")[0], day, hour, _at_most(_bits(size))


def _bits(size: int) -> int:
    return max(0, size - 1).bit_length()


@lru_cache(maxsize=10_000)
def _moment(hours: int) -> tuple[str, str]:
    moment = datetime.fromtimestamp(hours * 3600, tz=UTC)
    return f"{moment:%Y-%m-%d}", f"{moment:%Y-%m-%dT%H}"


@lru_cache
def _at_most(bits: int) -> str:
    return f"{1 << bits} bytes or less"


class Populations(NamedTuple):
    """How many objects there are in all, in each batch that is of interest, and how many batches there are."""

    total: int
    of_batch: Counter[tuple[Axis, str]]
    batches: Counter[Axis]


class Tally:
    """What a pattern is held against: how many files there are in all, by hour and by size, and in which folders.

    Memory grows by eight bytes a file, the names of the folders, and the hours in which files were written.
    """

    def __init__(self) -> None:
        self.total = 0
        self._folders = KeyList()
        self._begins = array("Q")
        self._sizes = array("Q")
        self._folder = ""
        self._hours: Counter[int] = Counter()
        self._bits: Counter[int] = Counter()

    def add(self, key: str, size: int, changed_ns: int) -> None:
        """One more file, those of a folder one after the other."""
        self.total += 1
        folder = key[: key.rfind("/") + 1]
        if folder != self._folder or self.total == 1:
            self._folder = folder
            self._folders.append(folder)
            self._begins.append(len(self._sizes))
        self._sizes.append(size)
        self._hours[changed_ns // _HOUR_NS] += 1
        self._bits[_bits(size)] += 1

    def files_of(self, sizes: Set[int]) -> Counter[int]:
        """How many files have each of these sizes in bytes."""
        return Counter(size for size in self._sizes if size in sizes)

    def folders_with(self, sizes: Set[int]) -> Iterator[tuple[str, Set[int]]]:
        """The folders that hold files of these sizes in bytes, as their keys have them; which of its files, from 0."""
        for folder, begin, end in self._ranges():
            here = self._sizes[begin:end]
            if not sizes.isdisjoint(here):
                yield folder, {place for place, size in enumerate(here) if size in sizes}

    def populations(self, wanted: set[tuple[Axis, str]]) -> Populations:
        """The batches that are wanted."""
        by_day: Counter[str] = Counter()
        by_hour: Counter[str] = Counter()
        for number, count in self._hours.items():
            day, hour = _moment(number)
            by_day[day] += count
            by_hour[hour] += count
        by_size = Counter({_at_most(bits): count for bits, count in self._bits.items()})
        folders = {value for axis, value in wanted if axis is Axis.PREFIX}
        by_folder = Counter({folder: end - begin for folder, begin, end in self._ranges() if folder in folders})
        counts = {Axis.DAY: by_day, Axis.HOUR: by_hour, Axis.SIZE: by_size, Axis.PREFIX: by_folder}
        of_batch = Counter({(axis, value): counts[axis][value] for axis, value in wanted})
        batches = {**{axis: len(found) for axis, found in counts.items()}, Axis.PREFIX: len(self._folders)}
        return Populations(self.total, of_batch, Counter(batches))

    def _ranges(self) -> Iterator[tuple[str, int, int]]:
        """Every folder, as its keys have it, with the range of its files."""
        ends = chain(self._begins[1:], (len(self._sizes),))
        for folder, begin, end in zip(self._folders, self._begins, ends, strict=False):
            yield folder.rstrip("/"), begin, end


def batches_of(hits: Iterable[Traits], most: int = 100) -> set[tuple[Axis, str]]:
    """The batches that hold most of the hits on every axis, no more than so many of each."""
    columns = zip(*hits, strict=True)
    return {
        (axis, value)
        for axis, values in zip(Axis, columns, strict=False)
        for value, _ in Counter(values).most_common(most)
    }


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
    for place, axis in enumerate(Axis):
        value, inside = Counter(found[place] for found in hits).most_common(1)[0]
        size = max(populations.of_batch[axis, value], inside)
        total = max(populations.total, len(hits), size)
        p = min(1.0, hypergeometric_tail(inside, total, len(hits), size) * max(1, populations.batches[axis]))
        if inside >= _MAJORITY * len(hits) and len(hits) >= _ENOUGH and p < _SIGNIFICANT and p < best.p:
            best = Pattern(Kind.BATCH, str(axis), value, inside / len(hits), p)
    return best
