"""What every certificate should be, from a client's point of view. Pure bookkeeping.

One writer a name at a time; a deleted name is not used again. A write whose answer never came, or was an error, leaves
both contents possible until the next write that succeeds. A read that overlaps a write may see either.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

ABSENT: Final = ""
"""In place of a SHA-256 in hex: there is no such certificate."""

_EARLIER_KEPT: Final = 8
_TRIES: Final = 8


class Finding(StrEnum):
    """What a read came to."""

    RIGHT = "right"
    MISSING = "missing"
    RESURRECTED = "resurrected"
    """It was deleted, and is back."""
    STALE = "stale"
    """The bytes of an earlier version."""
    WRONG_BYTES = "wrong_bytes"
    """Bytes that were never stored under this name."""


@dataclass(slots=True, eq=False)
class Reading:
    """A read under way: every content that would be right by the time it ends."""

    name: str
    possible: set[str]


@dataclass(frozen=True, slots=True)
class Writing:
    """A write under way: the content it wants, ABSENT for a delete."""

    name: str
    wanted: str


@dataclass(slots=True)
class _Entry:
    possible: set[str]
    earlier: deque[str] = field(default_factory=lambda: deque(maxlen=_EARLIER_KEPT))
    writing: bool = False
    readers: list[Reading] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Names with certain content, names that should not be there, and names of which neither can be said now."""

    expected: Mapping[str, str]
    absent: tuple[str, ...]
    uncertain: tuple[str, ...]


class Ledger:
    """Names and the SHA-256 of what they hold. Of deleted names it remembers the last `remembered_deletes`."""

    def __init__(self, *, remembered_deletes: int) -> None:
        """Start with nothing stored."""
        self._entries: dict[str, _Entry] = {}
        self._live: list[str] = []
        self._place: dict[str, int] = {}
        self._deleted: deque[str] = deque()
        self._shelved: set[str] = set()
        self._remembered = remembered_deletes

    def __len__(self) -> int:
        """How many certificates should be there soon, those of unknown fate included and shelved ones not."""
        return len(self._entries) - len(self._deleted) - len(self._shelved)

    def pick_live(self, rng: random.Random) -> str | None:
        """Any name that should be there, None if there is none. A new one counts once its save was answered."""
        return rng.choice(self._live) if self._live else None

    def pick_writable(self, rng: random.Random) -> str | None:
        """Any name that should be there and is not being written; None if a few tries found none."""
        for _ in range(_TRIES):
            name = self.pick_live(rng)
            if name is not None and not self._entries[name].writing:
                return name
        return None

    def pick_deleted(self, rng: random.Random) -> str | None:
        """Any remembered name that should not be there, None if there is none."""
        return rng.choice(self._deleted) if self._deleted else None

    def begin_write(self, name: str, wanted: str) -> Writing:
        """A write begins; from now on a reader may see what it wants."""
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = _Entry({ABSENT})
        if entry.writing:
            raise ValueError(f"{name} has a writer already")
        entry.writing = True
        entry.earlier.extend(sorted(entry.possible - {ABSENT}))
        entry.possible.add(wanted)
        for reader in entry.readers:
            reader.possible.add(wanted)
        return Writing(name, wanted)

    def end_write(self, write: Writing, *, confirmed: bool) -> None:
        """A write ended: confirmed, its content is what is there; otherwise nobody knows."""
        entry = self._entries[write.name]
        entry.writing = False
        if confirmed:
            entry.possible = {write.wanted}
        if entry.possible == {ABSENT}:
            self._bury(write.name)
        elif write.name not in self._place:
            self._place[write.name] = len(self._live)
            self._live.append(write.name)

    def shelve(self, name: str) -> None:
        """Never pick this name again: it stays as it is, and a snapshot goes on telling what it should be."""
        self._unlist(name)
        self._shelved.add(name)

    def may_be_absent(self, name: str) -> bool:
        """Whether "no such certificate" would be right now."""
        return ABSENT in self._entries[name].possible

    def begin_read(self, name: str) -> Reading:
        """A read begins."""
        entry = self._entries[name]
        reading = Reading(name, set(entry.possible))
        entry.readers.append(reading)
        return reading

    def abandon(self, reading: Reading) -> None:
        """A read ended and saw nothing."""
        entry = self._entries.get(reading.name)
        if entry:
            entry.readers.remove(reading)

    def end_read(self, reading: Reading, seen: str) -> Finding:
        """A read ended and saw this hash, or ABSENT."""
        self.abandon(reading)
        if seen in reading.possible:
            return Finding.RIGHT
        if seen == ABSENT:
            return Finding.MISSING
        if reading.possible == {ABSENT}:
            return Finding.RESURRECTED
        entry = self._entries.get(reading.name)
        return Finding.STALE if entry and seen in entry.earlier else Finding.WRONG_BYTES

    def snapshot(self) -> Snapshot:
        """Everything known at this moment."""
        expected, absent, uncertain = {}, [], []
        for name, entry in self._entries.items():
            if entry.writing or len(entry.possible) > 1:
                uncertain.append(name)
            elif entry.possible == {ABSENT}:
                absent.append(name)
            else:
                (expected[name],) = entry.possible
        return Snapshot(expected, tuple(absent), tuple(uncertain))

    def _unlist(self, name: str) -> None:
        place = self._place.pop(name)
        last = self._live.pop()
        if last != name:
            self._live[place] = last
            self._place[last] = place

    def _bury(self, name: str) -> None:
        self._unlist(name)
        self._deleted.append(name)
        if len(self._deleted) > self._remembered:
            del self._entries[self._deleted.popleft()]


def settled(before: Snapshot, after: Snapshot) -> Snapshot:
    """What held all the time between two snapshots: an observer compares copies looked at in between with this.

    No content is ever stored twice under a name, so what is equal at both ends did not change.
    """
    expected = {name: digest for name, digest in before.expected.items() if after.expected.get(name) == digest}
    absent = tuple(sorted(set(before.absent) & set(after.absent)))
    uncertain = sorted({*_names(before), *_names(after)} - expected.keys() - set(absent))
    return Snapshot(expected, absent, tuple(uncertain))


def _names(snapshot: Snapshot) -> set[str]:
    return {*snapshot.expected, *snapshot.absent, *snapshot.uncertain}
