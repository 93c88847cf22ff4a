"""What a run found, filled as it goes, so that a run that is stopped can still report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from certstorage.validator.census import Counts
from certstorage.validator.facts import Look, Outcome
from certstorage.validator.finding import Finding
from certstorage.validator.localtree import WalkTrouble
from certstorage.validator.pattern import Pattern, Populations, Tally
from certstorage.validator.verdict import Stratum

if TYPE_CHECKING:
    from certstorage.validator.mender import Act, Done
    from certstorage.validator.probe import Probe

MOST_KEPT = 10_000
"""Looks of one kind that are kept with all they say; the others are counted."""


class Noted:
    """Looks of one kind: how many, and the first of them."""

    def __init__(self, count: int = 0, first: Iterable[Look] = ()) -> None:
        self.count = count
        self.first = list(first)

    def add(self, look: Look) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < MOST_KEPT:
            self.first.append(look)

    def __iter__(self) -> Iterator[Look]:
        return iter(self.first)

    def __len__(self) -> int:
        return self.count


class Settled:
    """What the keys of one stratum came to, in objects. `keys`: how many belong to it."""

    def __init__(self, keys: int = 0) -> None:
        self.keys = keys
        self.same = 0
        self.gone = 0
        self.unverified = 0
        self.in_flight = Noted()
        self.mismatches = Noted()
        self.unknown = Noted()
        self.methods: Counter[str] = Counter()
        self.acts: Counter[Act] = Counter()
        self.done: list[Done] = []

    @property
    def checked(self) -> int:
        """Keys with a result: equal, different, or not to be known."""
        return self.same + len(self.mismatches) + len(self.unknown)

    def note(self, look: Look) -> None:
        """Count the last look at a key."""
        if look.outcome is Outcome.SAME:
            self.same += 1
            self.methods[look.method] += 1
        elif look.outcome is Outcome.GONE:
            self.gone += 1
        elif look.outcome.mismatch:
            self.mismatches.add(look)
        elif look.outcome.unknown:
            self.unknown.add(look)
            self.unverified += look.outcome is Outcome.UNVERIFIED
        else:
            self.in_flight.add(look)

    def acted(self, done: Done, before: Done | None = None) -> None:
        """Count what was done about a key, instead of what was done `before`."""
        if before is not None:
            self.acts[before.act] -= 1
        self.acts[done.act] += 1
        if len(self.done) < MOST_KEPT:
            self.done.append(done)

    def in_full(self) -> Stratum:
        """For the verdict: every key of it was looked at, and those with a result are all there is to judge."""
        return Stratum(self.checked, self.checked, len(self.mismatches), len(self.unknown))

    def sampled(self) -> Stratum:
        """For the verdict: a sample of its keys was looked at."""
        population = max(self.checked, self.keys - self.gone - len(self.in_flight))
        return Stratum(population, self.checked, len(self.mismatches), len(self.unknown))


class Found:
    """Everything one run found. `looks` counts how often the sample was judged while it grew."""

    def __init__(self, resumed: int = 0) -> None:
        self.counts = Counts()
        self.trouble = WalkTrouble()
        self.tally = Tally()
        self.probe: Probe | None = None
        self.findings: list[Finding] = []
        self.at_risk = Settled()
        self.rest = Settled()
        self.expanded = Settled()
        """Neighbours of a mismatch, looked at to name the pattern; kept out of the rate."""
        self.census_methods: Counter[str] = Counter()
        self.looks = 1
        self.resumed = resumed
        self.etags_trusted = True
        self.pattern = Pattern()
        self.batches: Populations | None = None
        self.beyond: list[Look] = []
        """Mismatches that shards saw and one run would not have looked at: told, and not counted."""
        self.same_behind: list[float] = []
        """Of a shard: the distances of keys found equal that only the least sample size brought in."""

    @property
    def judged(self) -> int:
        """The population that the verdict is about, in objects: neither what is gone by now nor what is in flight."""
        return self.at_risk.in_full().population + self.rest.sampled().population

    def mismatches(self) -> Iterator[Look]:
        """Every mismatch that was kept."""
        for settled in (self.at_risk, self.rest, self.expanded):
            yield from settled.mismatches

    def acted(self, act: Act) -> int:
        """Objects with this act as their last."""
        return self.at_risk.acts[act]
